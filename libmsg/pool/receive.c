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
	int result = 0;

	assert(count > 0 && count < MSG_RECEIVE_COUNT_MAX);
	memset(pool, 0, sizeof *pool);
	pool->stride = msg_region_stride(slot_bytes);
	if (shared)
		msg_region_borrow(
			&pool->region, shared, pool->stride * count);
	else
		result = msg_region_open(
			&pool->region, pool->stride * count);
	if (result < 0)
		return result;
	pool->count = count;
	pool->free = calloc(count, sizeof *pool->free);
	pool->slots = calloc(count, sizeof *pool->slots);
	if (!pool->free || !pool->slots) {
		msg_receive_close(pool);
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory for the records of %u receive buffers", count);
	}
	/* Low slots on top: they are used first and stay in cache. */
	for (uint32_t i = 0; i < count; i++)
		pool->free[i] = count - 1 - i;
	pool->free_count = count;
	return 0;
}

void msg_receive_close(struct msg_receive_pool *pool)
{
	free(pool->free);
	free(pool->slots);
	pool->free = NULL;
	pool->slots = NULL;
	msg_region_close(&pool->region);
}

void msg_receive_put_chain(struct msg_receive_pool *pool, uint32_t first)
{
	while (first != MSG_RECEIVE_NONE) {
		uint32_t next = pool->slots[first].next;

		msg_receive_put(pool, first);
		first = next;
	}
}
