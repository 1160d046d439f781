/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * receive.h - the slots a link writes received frames into.
 *
 *     FREE ──post──> POSTED ──arrival──> HELD by the engine
 *      ^                                   │ drop       │ publish
 *      ├───────────────────────────────────┘            v
 *      └── put <── reclaim, when no reader needs it <── in a ring
 *
 * The engine's thread does all of it; who reads a slot is the ring's affair
 * (pool/ring.h).  A message of several frames is a chain of slots until it is
 * whole and published.
 * Test: tests/unit/pool/test_receive.c.
 */
#ifndef MSG_POOL_RECEIVE_H
#define MSG_POOL_RECEIVE_H

#include <assert.h>
#include <stdint.h>

#include "pool/region.h"

#define MSG_RECEIVE_NONE UINT32_MAX
#define MSG_RECEIVE_COUNT_MAX (1u << 20)

/* What stands in a slot that is held: where, how long, and what follows. */
struct msg_receive_slot {
	uint32_t next;        /* In the chain of its message. */
	uint32_t data_offset; /* In the slot. */
	uint32_t data_bytes;
};

struct msg_receive_pool {
	struct msg_region region;
	size_t stride;
	uint32_t count;
	uint32_t free_count;
	uint32_t *free; /* A stack of slots. */
	struct msg_receive_slot *slots;
};

/* Slots in memory of our own, or in `shared`, which is the caller's and has
 * msg_receive_bytes. */
int msg_receive_open(struct msg_receive_pool *pool, uint32_t count,
	size_t slot_bytes, void *shared);
void msg_receive_close(struct msg_receive_pool *pool);

static inline size_t msg_receive_bytes(uint32_t count, size_t slot_bytes)
{
	return msg_region_stride(slot_bytes) * count;
}

static inline uint8_t *msg_receive_data(
	const struct msg_receive_pool *pool, uint32_t slot)
{
	return pool->region.base + (size_t)slot * pool->stride;
}

/* Take a free slot to post; MSG_RECEIVE_NONE when there is none. */
static inline uint32_t msg_receive_get(struct msg_receive_pool *pool)
{
	uint32_t slot;

	if (pool->free_count == 0)
		return MSG_RECEIVE_NONE;
	slot = pool->free[--pool->free_count];
	pool->slots[slot].next = MSG_RECEIVE_NONE;
	return slot;
}

/* Give a slot back. */
static inline void msg_receive_put(
	struct msg_receive_pool *pool, uint32_t slot)
{
	assert(pool->free_count < pool->count);
	pool->free[pool->free_count++] = slot;
}

void msg_receive_put_chain(struct msg_receive_pool *pool, uint32_t first);

#endif
