/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * large.h - memory for large messages: of any size, each in one piece, registered
 * for connections, and bounded in all.
 *
 *     take(bytes) ─> buffer ─> put ─> idle: for the next that it fits
 *
 *     a buffer:   [ 4096, the seal 64 bytes before their end | the message … ]
 *
 * Memory comes when it is wanted, is registered once, and stays for what comes
 * next until others need the room.  It is page aligned, and huge pages where the
 * kernel gives them.  It is not faulted in: who claims that a gigabyte follows,
 * and sends none, costs address space.
 *
 * In an area.  Where others read the messages in place, all buffers lie in memory
 * that they have mapped, too.  It has room for some more fronts than the limit,
 * but only so many places: large ones are found from its beginning, small ones
 * from its end, so that they leave one hole rather than many.
 *
 * One thread at a time, as the set's.  Neighbours: show.h (a publisher's), pull.h
 * (a receiver's), outbox.h (a publisher's, in an area).
 * Test: tests/unit/engine/test_large.c.
 */
#ifndef MSG_ENGINE_LARGE_H
#define MSG_ENGINE_LARGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "link/channel.h"

#define MSG_LARGE_BUFFERS_MAX 256u
#define MSG_LARGE_FRONT 4096u /* Before the message, the seal in it. */
#define MSG_LARGE_NONE UINT32_MAX
#define MSG_LARGE_PAGE 4096u  /* What places in an area are counted in. */
#define MSG_LARGE_AREA_FRONTS 64u

struct msg_large_buffer {
	uint8_t *memory; /* NULL: a free place. */
	size_t bytes;    /* Of all of it. */
	bool used;
	struct msg_channel_region region;
};

struct msg_large_area {
	uint8_t *base;  /* Page aligned; NULL: none. */
	uint64_t bytes;
	bool fault_in;  /* Before a buffer is given out, its pages are made: who
	                   writes there is not to die of it. */
};

struct msg_large_pool {
	struct msg_channels *channels; /* Its caller's, or NULL: nothing is
	                                  registered. */
	struct msg_large_area area;
	enum msg_channel_use use;
	size_t bytes_max;
	size_t bytes;
	uint32_t top; /* Places beyond were never used. */
	struct msg_large_buffer buffers[MSG_LARGE_BUFFERS_MAX];
};

void msg_large_open(struct msg_large_pool *pool, struct msg_channels *channels,
	enum msg_channel_use use, size_t bytes_max);
/* The same, in an area, which stays the caller's. */
void msg_large_open_in(struct msg_large_pool *pool,
	struct msg_channels *channels, enum msg_channel_use use,
	size_t bytes_max, const struct msg_large_area *area);
/* All memory goes, used or not; before its channels. */
void msg_large_close(struct msg_large_pool *pool);

/* A buffer for a message of `bytes`.  0; AGAIN (all memory is used), MEMORY (the
 * system has none, or none that may be registered). */
int msg_large_take(
	struct msg_large_pool *pool, size_t bytes, uint32_t *buffer);

static inline void msg_large_put(struct msg_large_pool *pool, uint32_t buffer)
{
	pool->buffers[buffer].used = false;
}

static inline uint8_t *msg_large_data(
	const struct msg_large_pool *pool, uint32_t buffer)
{
	return pool->buffers[buffer].memory + MSG_LARGE_FRONT;
}

static inline size_t msg_large_capacity(
	const struct msg_large_pool *pool, uint32_t buffer)
{
	return pool->buffers[buffer].bytes - MSG_LARGE_FRONT;
}

/* ---- areas -------------------------------------------------------------- */

/* Of one for messages of `memory_bytes` in all. */
static inline uint64_t msg_large_area_bytes(uint64_t memory_bytes)
{
	return memory_bytes + MSG_LARGE_AREA_FRONTS * MSG_LARGE_FRONT;
}

/* The page that a buffer's message begins on: what others find it by. */
static inline uint32_t msg_large_page(
	const struct msg_large_pool *pool, uint32_t buffer)
{
	return (uint32_t)((uint64_t)(msg_large_data(pool, buffer) -
				     pool->area.base) /
			  MSG_LARGE_PAGE);
}

/* Whether a message can stand there; pages and bytes are of 32 bits each. */
static inline bool msg_large_is_in(
	uint64_t area_bytes, uint32_t page, uint32_t bytes)
{
	return page > 0 && bytes <= area_bytes &&
	       (uint64_t)page * MSG_LARGE_PAGE <= area_bytes - bytes;
}

#endif
