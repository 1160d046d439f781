/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * region.h - a piece of memory fit to be registered with a device.
 *
 * Page aligned, zeroed, and faulted in at creation, so that the first message
 * does not pay for page faults; huge pages where the kernel gives them.
 * Test: tests/unit/pool/test_region.c.
 */
#ifndef MSG_POOL_REGION_H
#define MSG_POOL_REGION_H

#include <stddef.h>
#include <stdint.h>

struct msg_region {
	uint8_t *base;
	size_t bytes;
	int borrowed; /* Somebody else's, who unmaps it. */
};

/* 0, or -MSG_ERROR_MEMORY with the reason on the trail. */
int msg_region_open(struct msg_region *region, size_t bytes);
/* The same, but only the first `eager` bytes are faulted in: the rest may never
 * be used. */
int msg_region_reserve(struct msg_region *region, size_t bytes, size_t eager);
void msg_region_close(struct msg_region *region);

/* Stand on memory of the caller's: a segment that others map, too. */
static inline void msg_region_borrow(
	struct msg_region *region, void *base, size_t bytes)
{
	region->base = base;
	region->bytes = bytes;
	region->borrowed = 1;
}

/* Bytes from one slot to the next for slots of `bytes`: whole cache lines, and
 * an odd number of them, so that the same place in all slots does not fall
 * into the same few cache sets. */
static inline size_t msg_region_stride(size_t bytes)
{
	return (((bytes + 63) / 64) | 1) * 64;
}

#endif
