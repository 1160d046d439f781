/* SPDX-License-Identifier: BSD-2-Clause */
/* transmit.c - buffers lent to the publisher; transmit.h has the picture. */
#include "pool/transmit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/trail.h"

static int open_records(struct msg_transmit_pool *pool, uint32_t count)
{
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
	pool->payloads = pool->region.base + MSG_TRANSMIT_PAYLOAD;
	pool->headers = pool->region.base + pool->stride * count;
	return open_records(pool, count);
}

int msg_transmit_borrow(struct msg_transmit_pool *pool, uint8_t *base,
	uint32_t count, size_t stride, uint32_t capacity)
{
	assert(stride % 8 == 0 && capacity <= stride);
	memset(pool, 0, sizeof *pool);
	pool->capacity = capacity;
	pool->stride = stride;
	pool->payloads = base;
	msg_region_borrow(&pool->region, base, stride * count);
	return open_records(pool, count);
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
