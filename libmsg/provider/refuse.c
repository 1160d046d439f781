// SPDX-License-Identifier: BSD-2-Clause
/*
 * refuse.c - an answer for every call the provider does not offer.
 *
 * libfabric's inline calls follow their pointers unchecked, so a pointer left
 * NULL is a crash in somebody else's program.  Everything here returns
 * -FI_ENOSYS, or -FI_EOPBADSTATE for messages before fi_enable.
 *
 * The four tables of operations udmc can never have (remote memory, tags,
 * atomics, collectives) share one function, cast to each entry's own type: on
 * every machine libfabric runs on the caller puts arguments where a callee may
 * ignore them.  Forty functions that differ in their ignored arguments only
 * would say nothing more.
 */
#include <stdio.h>

#include <rdma/fi_atomic.h>
#include <rdma/fi_collective.h>
#include <rdma/fi_rma.h>
#include <rdma/fi_tagged.h>

#include "core.h"

static ssize_t refuse(void)
{
	return -FI_ENOSYS;
}

#define REFUSE(table, op) \
	.op = (__typeof__(((struct table *)0)->op))(void (*)(void))refuse

struct fi_ops_rma udmc_no_rma = {
	.size = sizeof(struct fi_ops_rma),
	REFUSE(fi_ops_rma, read), REFUSE(fi_ops_rma, readv),
	REFUSE(fi_ops_rma, readmsg), REFUSE(fi_ops_rma, write),
	REFUSE(fi_ops_rma, writev), REFUSE(fi_ops_rma, writemsg),
	REFUSE(fi_ops_rma, inject), REFUSE(fi_ops_rma, writedata),
	REFUSE(fi_ops_rma, injectdata),
};

struct fi_ops_tagged udmc_no_tagged = {
	.size = sizeof(struct fi_ops_tagged),
	REFUSE(fi_ops_tagged, recv), REFUSE(fi_ops_tagged, recvv),
	REFUSE(fi_ops_tagged, recvmsg), REFUSE(fi_ops_tagged, send),
	REFUSE(fi_ops_tagged, sendv), REFUSE(fi_ops_tagged, sendmsg),
	REFUSE(fi_ops_tagged, inject), REFUSE(fi_ops_tagged, senddata),
	REFUSE(fi_ops_tagged, injectdata),
};

struct fi_ops_atomic udmc_no_atomic = {
	.size = sizeof(struct fi_ops_atomic),
	REFUSE(fi_ops_atomic, write), REFUSE(fi_ops_atomic, writev),
	REFUSE(fi_ops_atomic, writemsg), REFUSE(fi_ops_atomic, inject),
	REFUSE(fi_ops_atomic, readwrite), REFUSE(fi_ops_atomic, readwritev),
	REFUSE(fi_ops_atomic, readwritemsg), REFUSE(fi_ops_atomic, compwrite),
	REFUSE(fi_ops_atomic, compwritev), REFUSE(fi_ops_atomic, compwritemsg),
	REFUSE(fi_ops_atomic, writevalid),
	REFUSE(fi_ops_atomic, readwritevalid),
	REFUSE(fi_ops_atomic, compwritevalid),
};

struct fi_ops_collective udmc_no_collective = {
	.size = sizeof(struct fi_ops_collective),
	REFUSE(fi_ops_collective, barrier), REFUSE(fi_ops_collective, broadcast),
	REFUSE(fi_ops_collective, alltoall),
	REFUSE(fi_ops_collective, allreduce),
	REFUSE(fi_ops_collective, allgather),
	REFUSE(fi_ops_collective, reduce_scatter),
	REFUSE(fi_ops_collective, reduce), REFUSE(fi_ops_collective, scatter),
	REFUSE(fi_ops_collective, gather), REFUSE(fi_ops_collective, msg),
	REFUSE(fi_ops_collective, barrier2),
};

static ssize_t not_enabled(void)
{
	return -FI_EOPBADSTATE;
}

#define DISABLED(op) \
	.op = (__typeof__(((struct fi_ops_msg *)0)->op))(void (*)(void)) \
		not_enabled

struct fi_ops_msg udmc_msg_disabled = {
	.size = sizeof(struct fi_ops_msg),
	DISABLED(recv), DISABLED(recvv), DISABLED(recvmsg), DISABLED(send),
	DISABLED(sendv), DISABLED(sendmsg), DISABLED(inject),
	DISABLED(senddata), DISABLED(injectdata),
};

int udmc_no_bind(struct fid *fid, struct fid *bfid, uint64_t flags)
{
	(void)fid;
	(void)bfid;
	(void)flags;
	return -FI_ENOSYS;
}

int udmc_no_control(struct fid *fid, int command, void *arg)
{
	(void)fid;
	(void)command;
	(void)arg;
	return -FI_ENOSYS;
}

int udmc_no_ops_open(struct fid *fid, const char *name, uint64_t flags,
		void **ops, void *context)
{
	(void)fid;
	(void)name;
	(void)flags;
	(void)ops;
	(void)context;
	return -FI_ENOSYS;
}

int udmc_no_tostr(const struct fid *fid, char *buf, size_t len)
{
	(void)fid;
	snprintf(buf, len, "udmc");
	return 0;
}

int udmc_no_ops_set(struct fid *fid, const char *name, uint64_t flags,
		void *ops, void *context)
{
	(void)fid;
	(void)name;
	(void)flags;
	(void)ops;
	(void)context;
	return -FI_ENOSYS;
}
