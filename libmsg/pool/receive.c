/* SPDX-License-Identifier: BSD-2-Clause */
/* receive.c - slots for received frames; receive.h has the picture. */
#include "pool/receive.h"

#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#include "base/trail.h"

int msg_receive_open(struct msg_receive_pool *pool, uint32_t count,
	size_t slot_bytes, void *shared)
{
	struct msg_receive_shape shape = {.count = count, .bytes = slot_bytes};

	return msg_receive_open_shape(pool, &shape, shared);
}

static int open_records(struct msg_receive_pool *pool)
{
	pool->free = calloc(pool->narrow, sizeof *pool->free);
	pool->slots = calloc(pool->count, sizeof *pool->slots);
	pool->wide_free =
		calloc(pool->wide_count + 1, sizeof *pool->wide_free);
	pool->apart_free =
		calloc(pool->apart_count + 1, sizeof *pool->apart_free);
	if (pool->free && pool->slots && pool->wide_free && pool->apart_free)
		return 0;
	return msg_fail(MSG_ERROR_MEMORY,
		"no memory for the records of %u receive buffers",
		pool->count);
}

int msg_receive_open_shape(struct msg_receive_pool *pool,
	const struct msg_receive_shape *shape, void *shared)
{
	size_t bytes = msg_receive_shape_bytes(shape);
	int result = 0;

	memset(pool, 0, sizeof *pool);
	pool->stride = msg_region_stride(shape->bytes);
	pool->narrow = shape->count;
	pool->span = msg_receive_span(shape);
	pool->wide_count = shape->wide_count;
	pool->apart = shape->count + shape->wide_count * pool->span;
	pool->apart_count = shape->apart_count;
	pool->count = pool->apart + shape->apart_count * pool->span;
	assert(shape->count > 0 && pool->count < MSG_RECEIVE_COUNT_MAX);
	if (shared)
		msg_region_borrow(&pool->region, shared, bytes);
	else
		result = msg_region_reserve(
			&pool->region, bytes, pool->stride * pool->narrow);
	if (result < 0)
		return result;
	result = open_records(pool);
	if (result < 0) {
		msg_receive_close(pool);
		return result;
	}
	/* Low slots on top: they are used first and stay in cache. */
	for (uint32_t i = 0; i < pool->narrow; i++)
		pool->free[i] = pool->narrow - 1 - i;
	for (uint32_t i = 0; i < pool->wide_count; i++)
		pool->wide_free[i] =
			pool->narrow + (pool->wide_count - 1 - i) * pool->span;
	for (uint32_t i = 0; i < pool->apart_count; i++)
		msg_receive_put_apart(pool,
			pool->apart + (pool->apart_count - 1 - i) * pool->span);
	pool->free_count = pool->narrow;
	pool->wide_free_count = pool->wide_count;
	return 0;
}

void msg_receive_close(struct msg_receive_pool *pool)
{
	free(pool->free);
	free(pool->slots);
	free(pool->wide_free);
	free(pool->apart_free);
	pool->apart_free = NULL;
	pool->free = NULL;
	pool->slots = NULL;
	pool->wide_free = NULL;
	msg_region_close(&pool->region);
}

void msg_receive_put_apart(struct msg_receive_pool *pool, uint32_t slot)
{
	assert(pool->apart_free_count < pool->apart_count);
	pool->apart_free[pool->apart_free_count++] = slot;
}

void msg_receive_put_chain(struct msg_receive_pool *pool, uint32_t first)
{
	while (first != MSG_RECEIVE_NONE) {
		uint32_t next = pool->slots[first].next;

		msg_receive_put(pool, first);
		first = next;
	}
}
