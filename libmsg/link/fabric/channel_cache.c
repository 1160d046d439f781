/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel_cache.c - libfabric's registration cache, which must not be.
 *
 * By default its verbs provider registers memory through a cache of the
 * process.  What is in the cache is registered for remote writing, whatever
 * was asked for, and stays registered after its closing: any peer could write
 * into our buffers, and read what is shared no more.  The cache also rewrites
 * the code of mmap and others to see memory go (seen with 1.17).
 *
 * A cache works only with a monitor of the address space, and libfabric lets a
 * program bring its own (fi_mr(3), fi_ext.h).  Ours refuses to start, so that
 * verbs does without, from then on, in the whole process.  Where that is not
 * possible (another user of libfabric has the cache at work already) the set is
 * not opened, and its reason says what to do.
 */
#include <pthread.h>

#include <rdma/fi_ext.h>

#include "link/fabric/channels.h"

static int refuse(struct fid_mem_monitor *monitor)
{
	(void)monitor;
	return -FI_ENOSYS;
}

static void ignore(struct fid_mem_monitor *monitor)
{
	(void)monitor;
}

static int refuse_range(
	struct fid_mem_monitor *monitor, const void *address, size_t bytes)
{
	(void)monitor;
	(void)address;
	(void)bytes;
	return -FI_ENOSYS;
}

static void ignore_range(
	struct fid_mem_monitor *monitor, const void *address, size_t bytes)
{
	(void)monitor;
	(void)address;
	(void)bytes;
}

static bool is_valid(
	struct fid_mem_monitor *monitor, const void *address, size_t bytes)
{
	(void)monitor;
	(void)address;
	(void)bytes;
	return false;
}

static struct fi_ops_mem_monitor monitor_ops = {
	.size = sizeof(struct fi_ops_mem_monitor),
	.start = refuse,
	.stop = ignore,
	.subscribe = refuse_range,
	.unsubscribe = ignore_range,
	.valid = is_valid,
};

/* For the rest of the process: libfabric keeps the pointer. */
static struct fid_mem_monitor monitor = {
	.fid = {.fclass = FI_CLASS_MEM_MONITOR},
	.export_ops = &monitor_ops,
};

static void bring_monitor(void)
{
	struct fid *cache;

	if (fi_open(MSG_FABRIC_API, "mr_cache", NULL, 0, 0, &cache, NULL) != 0)
		return;
	/* Whether it was taken, channel_cache_is_on sees. */
	if (fi_import_fid(cache, &monitor.fid, 0) != 0)
		fi_close(cache);
}

void channel_cache_refuse(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, bring_monitor);
}

/* Registered twice, a cache gives the same twice. */
bool channel_cache_is_on(struct fid_domain *domain, void *memory)
{
	struct fid_mr *first, *second;
	bool same;

	if (fi_mr_reg(domain, memory, 1, FI_SEND, 0, 1, 0, &first, NULL) != 0)
		return false;
	if (fi_mr_reg(domain, memory, 1, FI_SEND, 0, 2, 0, &second, NULL) != 0) {
		fi_close(&first->fid);
		return false;
	}
	same = first == second;
	fi_close(&second->fid);
	fi_close(&first->fid);
	return same;
}
