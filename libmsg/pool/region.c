/* SPDX-License-Identifier: BSD-2-Clause */
/* region.c - anonymous memory, faulted in; see region.h. */
#include "pool/region.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <msg/msg.h>

#include "base/trail.h"

#define HUGE_PAGE_BYTES (2ull << 20)

static void fault_in(uint8_t *base, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
	if (madvise(base, bytes, MADV_POPULATE_WRITE) == 0)
		return;
#endif
	for (size_t at = 0; at < bytes; at += 4096)
		*(volatile uint8_t *)(base + at) = 0;
}

int msg_region_open(struct msg_region *region, size_t bytes)
{
	return msg_region_reserve(region, bytes, bytes);
}

int msg_region_reserve(struct msg_region *region, size_t bytes, size_t eager)
{
	void *base;

	bytes = (bytes + 4095) & ~(size_t)4095;
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return msg_fail(MSG_ERROR_MEMORY,
			"%zu bytes for buffers: %s; ask for fewer or smaller ones",
			bytes, strerror(errno));
	eager = (eager + 4095) & ~(size_t)4095;
	if (eager >= HUGE_PAGE_BYTES)
		madvise(base, eager, MADV_HUGEPAGE);
	fault_in(base, eager);
	region->base = base;
	region->bytes = bytes;
	region->borrowed = 0;
	return 0;
}

void msg_region_close(struct msg_region *region)
{
	if (region->base && !region->borrowed)
		munmap(region->base, region->bytes);
	region->base = NULL;
}
