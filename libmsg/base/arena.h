/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arena.h - memory for reading hostile input: fixed, and gone all at once.
 *
 * protobuf-c allocates for each string, each element, each unknown field and
 * each batch of scanned fields as the input says.  It gets an arena on the
 * stack of whoever unpacks: what does not fit there is refused, so that input
 * costs no memory, and no more time than filling the arena takes.
 *
 *     alignas(max_align_t) uint8_t room[4096];
 *     struct msg_arena arena = {room, sizeof room, 0};
 *
 * The two functions are shaped as ProtobufCAllocator wants them.
 * Test: tests/unit/base/test_arena.c.
 */
#ifndef MSG_BASE_ARENA_H
#define MSG_BASE_ARENA_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

struct msg_arena {
	uint8_t *base; /* Aligned for any type. */
	size_t bytes;
	size_t used;
};

static inline void *msg_arena_alloc(void *context, size_t bytes)
{
	struct msg_arena *arena = context;
	size_t align = alignof(max_align_t);
	size_t left = arena->bytes - arena->used;
	uint8_t *block = arena->base + arena->used;

	if (bytes > left)
		return NULL;
	bytes = (bytes + align - 1) / align * align;
	arena->used += bytes < left ? bytes : left;
	return block;
}

/* The whole arena goes at once. */
static inline void msg_arena_free(void *context, void *block)
{
	(void)context;
	(void)block;
}

#endif
