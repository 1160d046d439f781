/* SPDX-License-Identifier: BSD-2-Clause */
/* pool.c - memory up to a limit; see pool.h. */
#include "schema/pool.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* Most schemas, and most messages, fit one. */
#define BLOCK_BYTES ((size_t)16 << 10)

struct msg_schema_block {
	struct msg_schema_block *next;
	size_t bytes; /* Of `data`. */
	alignas(max_align_t) unsigned char data[];
};

void *msg_schema_pool_take(void *context, size_t bytes)
{
	struct msg_schema_pool *pool = context;
	struct msg_schema_block *block = pool->blocks;
	size_t align = alignof(max_align_t);
	void *place;

	if (bytes > pool->limit - pool->used) {
		pool->refused = true;
		return NULL;
	}
	bytes = bytes ? (bytes + align - 1) / align * align : align;
	if (!block || bytes > pool->left) {
		size_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

		block = malloc(sizeof *block + room);
		if (!block) {
			pool->refused = true;
			return NULL;
		}
		block->bytes = room;
		block->next = pool->blocks;
		pool->blocks = block;
		pool->left = room;
	}
	place = block->data + block->bytes - pool->left;
	pool->left -= bytes;
	pool->used += bytes < pool->limit - pool->used
			      ? bytes
			      : pool->limit - pool->used;
	return place;
}

void msg_schema_pool_give(void *context, void *block)
{
	(void)context;
	(void)block;
}

void *msg_schema_pool_zero(struct msg_schema_pool *pool, size_t bytes)
{
	void *place = msg_schema_pool_take(pool, bytes);

	if (place)
		memset(place, 0, bytes);
	return place;
}

char *msg_schema_pool_text(
	struct msg_schema_pool *pool, const void *text, size_t bytes)
{
	char *copy = msg_schema_pool_take(pool, bytes + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	return copy;
}

void msg_schema_pool_close(struct msg_schema_pool *pool)
{
	while (pool->blocks) {
		struct msg_schema_block *next = pool->blocks->next;

		free(pool->blocks);
		pool->blocks = next;
	}
	pool->used = pool->left = 0;
}
