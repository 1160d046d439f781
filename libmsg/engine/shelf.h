/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shelf.h - a publisher's history, for receivers to read: protocol/shelf.h.
 *
 *     add a frame ─> its place in the catalogue      forget it ─> the floor rises
 *     receiver ─ connects ─> is told where all of it is ─> reads
 *
 * Beside the history (history.h) stands the same in words that others can read.
 * Slots and catalogue are shown by the connections of show.h; nobody but who has
 * said whose history he wants is told their keys, and reading is all he can do.
 *
 * What may be read is what the pool holds: the messages of this one topic.  That
 * includes a message that is being written, and one that was sent to nobody yet.
 * A frame whose bytes are not in the pool has room for some behind the catalogue.
 *
 * Of the repairer's gate, as the history is.  Neighbours: history.c and the
 * broker's keep.c write, show.c answers.  Test: tests/unit/engine/test_fetch.c,
 * tests/unit/broker/keep_shelf.c.
 */
#ifndef MSG_ENGINE_SHELF_H
#define MSG_ENGINE_SHELF_H

#include <stdatomic.h>

#include "link/channel.h"
#include "pool/region.h"
#include "protocol/shelf.h"

struct msg_history_shelf {
	struct msg_channels *channels; /* The caller's; outlives us. */
	struct msg_region catalogue;
	struct msg_channel_region shown_catalogue, shown_slots;
	uint32_t mask;
	uint32_t beside_bytes;
	uint8_t greeting[MSG_SHELF_GREETING_BYTES];
	uint8_t answer[MSG_SHELF_ANSWER_BYTES];
};

struct msg_history_shelf_options {
	struct msg_channels *channels;
	void *slots;
	size_t slots_bytes;
	uint32_t places; /* A power of two. */
	uint32_t beside_bytes; /* Room of each frame, behind all places. */
	uint64_t floor;
	uint32_t tag;
	uint32_t publisher;
};

/* Of the catalogue. */
size_t msg_shelf_bytes(uint32_t places, uint32_t beside_bytes);

/* 0; MEMORY or FABRIC with the trail, and then it is closed. */
int msg_shelf_open(struct msg_history_shelf *shelf,
	const struct msg_history_shelf_options *options);
void msg_shelf_close(struct msg_history_shelf *shelf);

/* Before anybody hears of it who has not received it. */
static inline void msg_shelf_add(
	struct msg_history_shelf *shelf, const struct msg_shelf_place *place)
{
	msg_shelf_place_write(
		shelf->catalogue.base + MSG_SHELF_HEAD_BYTES +
			(size_t)(place->number & shelf->mask) *
				MSG_SHELF_PLACE_BYTES,
		place);
}

/* The same of a frame whose bytes, as many as are beside at most, are copied. */
void msg_shelf_add_copy(struct msg_history_shelf *shelf,
	const struct msg_shelf_place *place, const void *bytes);

/* Frames below are no more. */
void msg_shelf_raise(struct msg_history_shelf *shelf, uint64_t floor);

#endif
