/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * transmit.h - the buffers a publisher lends out, and their lives.
 *
 *     FREE ──get──> in use: refs counts who needs it
 *      ^              · the frame being filled in it        (1)
 *      │              · each frame of it that is on the wire (1 each)
 *      │              · a loan that came home, until it is placed (1)
 *      └── refs == 0 ─┘ and no loan is out
 *
 * A loan needs its slot without being counted in refs: most of them stand in a
 * frame that is being filled, and come and go with every message.
 *
 * One thread at a time, so these are plain numbers.  A loan's handle carries
 * the generation of its issue, so a spent loan cannot be spent again.
 *
 * A slot:  [ 40 | header 24 | payload … capacity | table scratch ]
 * The table of a packed frame normally follows its last payload; it goes to
 * the scratch only while a loan still stands in that place.  A slot of a pool
 * that other processes read is payload alone: headers are the broker's.
 *
 * What each message needs is inline: the calls alone cost a fifth of it.
 * Test: tests/unit/pool/test_transmit.c.
 */
#ifndef MSG_POOL_TRANSMIT_H
#define MSG_POOL_TRANSMIT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <msg/msg.h>

#include "pool/region.h"

#define MSG_TRANSMIT_NONE UINT32_MAX
#define MSG_TRANSMIT_PAYLOAD 64u /* Headroom 40 and header 24. */

struct msg_transmit_slot {
	uint32_t refs;
	uint32_t generation; /* Of the latest loan; odd while it is out. */
	uint32_t loan_offset; /* Of its data in the payload; noted unless it was
	                         lent `behind`. */
	uint32_t loan_capacity;
};

struct msg_transmit_pool {
	struct msg_region region;
	uint8_t *payloads; /* Of slot 0. */
	uint8_t *headers;  /* Behind the slots, in the same region. */
	size_t stride;
	uint32_t count;
	uint32_t capacity; /* Payload bytes of a slot. */
	uint32_t free_count;
	uint32_t loan_count; /* Out and noted at this moment. */
	uint32_t *free;
	struct msg_transmit_slot *slots;
};

/* Each slot has `scratch_bytes` behind its payload, and `header_bytes` are laid
 * behind all slots: for whoever sends. */
int msg_transmit_open(struct msg_transmit_pool *pool, uint32_t count,
	uint32_t capacity, uint32_t scratch_bytes, size_t header_bytes);
/* Stand on memory of the caller's, who unmaps it behind close: `count` slots,
 * `stride` bytes from one to the next, `capacity` of each for payload, from its
 * first byte on; no scratch, no headers. */
int msg_transmit_borrow(struct msg_transmit_pool *pool, uint8_t *base,
	uint32_t count, size_t stride, uint32_t capacity);
void msg_transmit_close(struct msg_transmit_pool *pool);

static inline uint8_t *msg_transmit_payload(
	const struct msg_transmit_pool *pool, uint32_t slot)
{
	return pool->payloads + (size_t)slot * pool->stride;
}

/* Where a slot's table scratch stands. */
uint8_t *msg_transmit_scratch(
	const struct msg_transmit_pool *pool, uint32_t slot);

/* A free slot, with no reference yet; MSG_TRANSMIT_NONE when there is none. */
static inline uint32_t msg_transmit_get(struct msg_transmit_pool *pool)
{
	if (pool->free_count == 0)
		return MSG_TRANSMIT_NONE;
	return pool->free[--pool->free_count];
}

/* A slot that nobody needs. */
static inline void msg_transmit_put(
	struct msg_transmit_pool *pool, uint32_t slot)
{
	pool->free[pool->free_count++] = slot;
}

static inline void msg_transmit_hold(
	struct msg_transmit_pool *pool, uint32_t slot)
{
	pool->slots[slot].refs++;
}

static inline bool msg_transmit_is_lent(
	const struct msg_transmit_pool *pool, uint32_t slot)
{
	return pool->slots[slot].generation & 1;
}

/* Drop a reference.  True: nobody needs the slot any more. */
static inline bool msg_transmit_unhold(
	struct msg_transmit_pool *pool, uint32_t slot)
{
	assert(pool->slots[slot].refs > 0);
	return --pool->slots[slot].refs == 0 &&
	       !msg_transmit_is_lent(pool, slot);
}

/* The same; the last one frees the slot, unless a loan is out. */
static inline void msg_transmit_drop(
	struct msg_transmit_pool *pool, uint32_t slot)
{
	if (msg_transmit_unhold(pool, slot))
		msg_transmit_put(pool, slot);
}

/* A slot that is not lent gets its next loan. */
static inline void msg_transmit_issue(struct msg_transmit_pool *pool,
	uint32_t slot, uint32_t offset, uint32_t capacity,
	struct msg_loan *loan)
{
	uint32_t generation = pool->slots[slot].generation + 1;

	pool->slots[slot].generation = generation;
	loan->data = msg_transmit_payload(pool, slot) + offset;
	loan->capacity = capacity;
	loan->opaque = (uint64_t)generation << 32 | slot;
	loan->reserved = 0;
}

/* Lend out part of a slot of which the caller knows offset and capacity for as
 * long as the loan is out, or until it notes them: what every message of a batch
 * stores is what a batch costs. */
static inline void msg_transmit_lend_behind(struct msg_transmit_pool *pool,
	uint32_t slot, uint32_t offset, uint32_t capacity,
	struct msg_loan *loan)
{
	assert(!msg_transmit_is_lent(pool, slot));
	msg_transmit_issue(pool, slot, offset, capacity, loan);
}

static inline void msg_transmit_note(struct msg_transmit_pool *pool,
	uint32_t slot, uint32_t offset, uint32_t capacity)
{
	assert(msg_transmit_is_lent(pool, slot));
	pool->slots[slot].loan_offset = offset;
	pool->slots[slot].loan_capacity = capacity;
	pool->loan_count++;
}

/* Lend out part of a slot. */
static inline void msg_transmit_lend(struct msg_transmit_pool *pool,
	uint32_t slot, uint32_t offset, uint32_t capacity,
	struct msg_loan *loan)
{
	pool->slots[slot].loan_offset = offset;
	pool->slots[slot].loan_capacity = capacity;
	pool->loan_count++;
	msg_transmit_lend_behind(pool, slot, offset, capacity, loan);
}

/* The slot of a loan that is out, else MSG_TRANSMIT_NONE. */
static inline uint32_t msg_transmit_find(
	const struct msg_transmit_pool *pool, const struct msg_loan *loan)
{
	uint32_t slot = (uint32_t)loan->opaque;

	/* That of a cleared loan is even. */
	if (slot >= pool->count || !msg_transmit_is_lent(pool, slot) ||
		pool->slots[slot].generation != loan->opaque >> 32)
		return MSG_TRANSMIT_NONE;
	return slot;
}

/* Whether the noted loan of a slot has it to itself, from its first byte on. */
static inline bool msg_transmit_is_whole(
	const struct msg_transmit_pool *pool, uint32_t slot)
{
	return (pool->slots[slot].refs | pool->slots[slot].loan_offset) == 0;
}

/* A loan that was not noted comes home. */
static inline void msg_transmit_return_behind(
	struct msg_transmit_pool *pool, uint32_t slot)
{
	assert(msg_transmit_is_lent(pool, slot));
	pool->slots[slot].generation++;
}

/* The loan of a slot comes home, and becomes a reference: drop it when done. */
static inline void msg_transmit_return(
	struct msg_transmit_pool *pool, uint32_t slot)
{
	msg_transmit_return_behind(pool, slot);
	msg_transmit_hold(pool, slot);
	pool->loan_count--;
}

#endif
