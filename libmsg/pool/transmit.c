/* SPDX-License-Identifier: BSD-2-Clause */
/* transmit.c - buffers lent to the publisher; transmit.h has the picture. */
#include "pool/transmit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/trail.h"

int msg_transmit_open(struct msg_transmit_pool *pool, uint32_t count,
	uint32_t capacity, uint32_t scratch_bytes, size_t header_bytes)
{
	int result;

	memset(pool, 0, sizeof *pool);
	pool->capacity = (capacity + 7) & ~7u;
	pool->stride = msg_region_stride(
		MSG_TRANSMIT_PAYLOAD + pool->capacity + scratch_bytes);
	result = msg_region_open(
		&pool->region, pool->stride * count + header_bytes);
	if (result < 0)
		return result;
	pool->headers = pool->region.base + pool->stride * count;
	pool->count = count;
	pool->free = calloc(count, sizeof *pool->free);
	pool->slots = calloc(count, sizeof *pool->slots);
	if (!pool->free || !pool->slots) {
		msg_transmit_close(pool);
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory for the records of %u loans", count);
	}
	for (uint32_t i = 0; i < count; i++)
		pool->free[i] = count - 1 - i;
	pool->free_count = count;
	return 0;
}

void msg_transmit_close(struct msg_transmit_pool *pool)
{
	free(pool->free);
	free(pool->slots);
	pool->free = NULL;
	pool->slots = NULL;
	msg_region_close(&pool->region);
}

uint8_t *msg_transmit_scratch(
	const struct msg_transmit_pool *pool, uint32_t slot)
{
	return msg_transmit_payload(pool, slot) + pool->capacity;
}

uint32_t msg_transmit_get(struct msg_transmit_pool *pool)
{
	if (pool->free_count == 0)
		return MSG_TRANSMIT_NONE;
	return pool->free[--pool->free_count];
}

void msg_transmit_drop(struct msg_transmit_pool *pool, uint32_t slot)
{
	assert(pool->slots[slot].refs > 0);
	if (--pool->slots[slot].refs == 0)
		pool->free[pool->free_count++] = slot;
}

void msg_transmit_lend(struct msg_transmit_pool *pool, uint32_t slot,
	uint32_t offset, uint32_t capacity, struct msg_loan *loan)
{
	struct msg_transmit_slot *s = &pool->slots[slot];

	assert(!s->loan_out);
	s->refs++;
	/* Never 0: a cleared loan must not become somebody's. */
	if (++s->generation == 0)
		s->generation = 1;
	s->loan_out = true;
	s->loan_offset = offset;
	s->loan_capacity = capacity;
	pool->loan_count++;
	loan->data = msg_transmit_payload(pool, slot) + offset;
	loan->capacity = capacity;
	loan->opaque = (uint64_t)s->generation << 32 | slot;
	loan->reserved = 0;
}

uint32_t msg_transmit_find(
	const struct msg_transmit_pool *pool, const struct msg_loan *loan)
{
	uint32_t slot = (uint32_t)loan->opaque;

	if (slot >= pool->count || !pool->slots[slot].loan_out ||
		pool->slots[slot].generation != loan->opaque >> 32)
		return MSG_TRANSMIT_NONE;
	return slot;
}

void msg_transmit_return(struct msg_transmit_pool *pool, uint32_t slot)
{
	assert(pool->slots[slot].loan_out);
	pool->slots[slot].loan_out = false;
	pool->loan_count--;
}
