/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool.h - memory that grows up to a limit, and goes all at once.
 *
 * What a schema or a message from elsewhere makes us hold comes out of one of
 * these, so there is one number that bounds it, and nothing to free one by one
 * when the input turns out bad.  The two functions are shaped as
 * ProtobufCAllocator wants them.  Test: tests/unit/schema/test_type.c.
 */
#ifndef MSG_SCHEMA_POOL_H
#define MSG_SCHEMA_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct msg_schema_block;

struct msg_schema_pool {
	struct msg_schema_block *blocks;
	size_t used;  /* In all blocks. */
	size_t limit; /* Of that. */
	size_t left;  /* In the latest block. */
	bool refused; /* Something did not fit. */
};

/* Aligned for any type, not zeroed; NULL beyond the limit, or out of memory. */
void *msg_schema_pool_take(void *pool, size_t bytes);
/* Does nothing. */
void msg_schema_pool_give(void *pool, void *block);

/* Zeroed. */
void *msg_schema_pool_zero(struct msg_schema_pool *pool, size_t bytes);

/* A copy with a zero behind it. */
char *msg_schema_pool_text(
	struct msg_schema_pool *pool, const void *text, size_t bytes);

void msg_schema_pool_close(struct msg_schema_pool *pool);

#endif
