/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * receive.h - the slots a link writes received frames into, and their lives.
 *
 *     FREE ──post──> POSTED ──arrival──> HELD by the engine
 *      ^                                   │ drop            │ open(n views)
 *      ├───────────────────────────────────┘                 v
 *      └── reclaim <── returned stack <── last release ── OUT (n bits set)
 *
 * The engine's thread does everything but release, which any thread may do.
 * A slot that is OUT carries one bit a view, 32 to a word, each word tagged
 * with the slot's generation: so a release is one compare-and-swap that takes
 * its bits back, or finds that they are not out (a double release, a stale or
 * invented handle) and is refused.  Whoever clears the last bit pushes the
 * slot on the `returned` stack; the engine takes the whole stack at once, so
 * there is no ABA.
 *
 * A message of several frames is a chain of slots; its one view hangs on the
 * first, and the whole chain returns with it.
 * Test: tests/unit/pool/test_receive.c, and under TSan tests/contract.
 */
#ifndef MSG_POOL_RECEIVE_H
#define MSG_POOL_RECEIVE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <msg/msg.h>

#include "pool/region.h"

/* handle: generation 32 | view 12 | slot 20 */
#define MSG_RECEIVE_SLOT_BITS 20u
#define MSG_RECEIVE_VIEW_BITS 12u

#define MSG_RECEIVE_NONE UINT32_MAX
#define MSG_RECEIVE_WORD_BITS 32u
#define MSG_RECEIVE_WORDS 32u /* 1024 views a frame: MSG_PACK_COUNT_MAX. */

/* One piece of a message in a slot: where, how long, and what follows. */
struct msg_receive_slot {
	uint32_t next;       /* In the chain of its message. */
	uint32_t return_next; /* On the returned stack. */
	uint32_t generation;
	uint32_t data_offset; /* In the slot. */
	uint32_t data_bytes;
	uint32_t total_bytes; /* Of the message; in the first slot of a chain. */
	_Atomic uint32_t words_left; /* Words with a bit still set. */
};

struct msg_receive_pool {
	struct msg_region region;
	size_t stride;
	uint32_t count;
	uint32_t free_count;
	uint32_t *free; /* A stack of slots, the engine's alone. */
	struct msg_receive_slot *slots;
	_Atomic uint64_t *bits;       /* MSG_RECEIVE_WORDS a slot. */
	_Atomic uint32_t returned;    /* Top of the returned stack. */
	_Atomic uint64_t refused;
};

int msg_receive_open(
	struct msg_receive_pool *pool, uint32_t count, size_t slot_bytes);
void msg_receive_close(struct msg_receive_pool *pool);

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

/* Give back a slot (or a chain) that never went out. */
static inline void msg_receive_put(
	struct msg_receive_pool *pool, uint32_t slot)
{
	assert(pool->free_count < pool->count);
	pool->free[pool->free_count++] = slot;
}

void msg_receive_put_chain(struct msg_receive_pool *pool, uint32_t first);

/* Move what was released since the last time to the free stack. */
void msg_receive_reclaim(struct msg_receive_pool *pool);

/* The slot (first of its chain) goes out as `views` views. */
void msg_receive_out(
	struct msg_receive_pool *pool, uint32_t slot, uint32_t views);

/* The handle of view `index` of a slot that is out. */
static inline uint64_t msg_receive_handle(
	const struct msg_receive_pool *pool, uint32_t slot, uint32_t index)
{
	return (uint64_t)pool->slots[slot].generation << 32 |
	       (uint64_t)index << MSG_RECEIVE_SLOT_BITS | slot;
}

/* The slot of a handle that is out at this moment, else MSG_RECEIVE_NONE. */
uint32_t msg_receive_find(
	const struct msg_receive_pool *pool, uint64_t handle);

/* Give views back, from any thread; what is not out is refused, counted. */
void msg_receive_release(struct msg_receive_pool *pool,
	const struct msg_view *views, int count);

#endif
