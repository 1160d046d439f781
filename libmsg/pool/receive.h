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
 * Some slots are wide: for frames larger than a datagram.  A wide one stands in
 * the place of `span` others, so that where a slot is does not depend on what it
 * is; its number is that of the first of them.  Of those some may be apart: they
 * are behind the rest, free among themselves, and no link knows them.
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
	uint32_t count;  /* Numbers of slots are below that. */
	uint32_t free_count;
	uint32_t *free; /* A stack of slots. */
	struct msg_receive_slot *slots;
	uint32_t narrow; /* Those from here on are wide. */
	uint32_t span;
	uint32_t wide_count;
	uint32_t wide_free_count;
	uint32_t *wide_free;
	uint32_t apart; /* Those from here on are apart. */
	uint32_t apart_count;
	uint32_t apart_free_count;
	uint32_t *apart_free;
};

/* What a pool is to hold. */
struct msg_receive_shape {
	uint32_t count;
	size_t bytes; /* Of a slot. */
	uint32_t wide_count;
	size_t wide_bytes;
	uint32_t apart_count; /* As wide, and beside them. */
};

/* Slots in memory of our own, or in `shared`, which is the caller's and has
 * msg_receive_bytes. */
int msg_receive_open(struct msg_receive_pool *pool, uint32_t count,
	size_t slot_bytes, void *shared);
/* The same with wide slots, behind the others; in memory of our own they are not
 * faulted in. */
int msg_receive_open_shape(struct msg_receive_pool *pool,
	const struct msg_receive_shape *shape, void *shared);
void msg_receive_close(struct msg_receive_pool *pool);

static inline size_t msg_receive_bytes(uint32_t count, size_t slot_bytes)
{
	return msg_region_stride(slot_bytes) * count;
}

static inline uint32_t msg_receive_span(const struct msg_receive_shape *shape)
{
	size_t stride = msg_region_stride(shape->bytes);

	return shape->wide_count == 0
		       ? 1
		       : (uint32_t)((shape->wide_bytes + stride - 1) / stride);
}

static inline size_t msg_receive_shape_bytes(
	const struct msg_receive_shape *shape)
{
	return msg_region_stride(shape->bytes) *
	       (shape->count +
		       ((size_t)shape->wide_count + shape->apart_count) *
			       msg_receive_span(shape));
}

static inline uint32_t msg_receive_slots(const struct msg_receive_pool *pool)
{
	return pool->narrow + pool->wide_count + pool->apart_count;
}

/* Of the slots that are not wide. */
static inline size_t msg_receive_narrow_bytes(
	const struct msg_receive_pool *pool)
{
	return pool->stride * pool->narrow;
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

/* A wide one. */
static inline uint32_t msg_receive_get_wide(struct msg_receive_pool *pool)
{
	uint32_t slot;

	if (pool->wide_free_count == 0)
		return MSG_RECEIVE_NONE;
	slot = pool->wide_free[--pool->wide_free_count];
	pool->slots[slot].next = MSG_RECEIVE_NONE;
	return slot;
}

/* One of those apart. */
static inline uint32_t msg_receive_get_apart(struct msg_receive_pool *pool)
{
	uint32_t slot;

	if (pool->apart_free_count == 0)
		return MSG_RECEIVE_NONE;
	slot = pool->apart_free[--pool->apart_free_count];
	pool->slots[slot].next = MSG_RECEIVE_NONE;
	return slot;
}

void msg_receive_put_apart(struct msg_receive_pool *pool, uint32_t slot);

/* Give a slot back. */
static inline void msg_receive_put(
	struct msg_receive_pool *pool, uint32_t slot)
{
	if (__builtin_expect(slot >= pool->apart, 0)) {
		msg_receive_put_apart(pool, slot);
		return;
	}
	if (__builtin_expect(slot >= pool->narrow, 0)) {
		assert(pool->wide_free_count < pool->wide_count);
		pool->wide_free[pool->wide_free_count++] = slot;
		return;
	}
	assert(pool->free_count < pool->narrow);
	pool->free[pool->free_count++] = slot;
}

void msg_receive_put_chain(struct msg_receive_pool *pool, uint32_t first);

#endif
