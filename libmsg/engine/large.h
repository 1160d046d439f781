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
 * One thread at a time, as the set's.  Neighbours: show.h (a publisher's), pull.h
 * (a receiver's).  Test: tests/unit/engine/test_large.c.
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

struct msg_large_buffer {
	uint8_t *memory; /* NULL: a free place. */
	size_t bytes;    /* Of all of it. */
	bool used;
	struct msg_channel_region region;
};

struct msg_large_pool {
	struct msg_channels *channels; /* Its caller's. */
	enum msg_channel_use use;
	size_t bytes_max;
	size_t bytes;
	uint32_t top; /* Places beyond were never used. */
	struct msg_large_buffer buffers[MSG_LARGE_BUFFERS_MAX];
};

void msg_large_open(struct msg_large_pool *pool, struct msg_channels *channels,
	enum msg_channel_use use, size_t bytes_max);
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

#endif
