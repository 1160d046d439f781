/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * history.h - the frames a reliable publisher sent last, where they were sent
 * from.
 *
 *     first ………………………………… next        frame numbers; a table by frame & mask
 *       │ slot, part of it, sequence │    says what each one was made of
 *
 * Nothing is copied: a frame in the history holds a reference on its slot
 * (pool/transmit.h), and giving the slot back is forgetting the frame.  What
 * stood in front of the payload (header, and of a fragment its place in the
 * message) is not kept: it is made anew, and differs in a repair anyway.
 *
 * Where receivers may read it, the same is written down for them (shelf.h).
 *
 * One thread at a time.  Neighbours: called by transmit.c; read through
 * repairer.h.  Test: tests/unit/engine/test_history.c.
 */
#ifndef MSG_ENGINE_HISTORY_H
#define MSG_ENGINE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/shelf.h"
#include "pool/transmit.h"
#include "protocol/frame.h"

struct msg_history_frame {
	uint64_t sequence; /* Of its (first) message. */
	uint64_t sent_ns;  /* By add: some clock of the caller's. */
	uint32_t slot;
	uint32_t offset;   /* In the slot's payload; of a FRAGMENT in its
	                      message, too. */
	uint32_t bytes;    /* From there, without … */
	uint32_t total;    /* FRAGMENT: of the whole message. */
	uint16_t table;    /* … these, in the slot's scratch. */
	uint16_t messages; /* That end in it: 0 of a fragment but the last. */
	uint8_t type;      /* enum msg_frame_type */
};

struct msg_history {
	struct msg_transmit_pool *pool;
	struct msg_history_frame *frames; /* By frame & mask. */
	uint64_t mask;
	uint64_t first;
	uint64_t next;
	uint64_t next_sequence; /* Messages sent. */
	uint64_t bytes; /* Of all messages that are there. */
	struct msg_history_shelf *shelf; /* Others read it; or NULL. */
};

/* `count`: frames at most, a power of two.  0, or -MSG_ERROR_MEMORY with the
 * reason on the trail. */
int msg_history_open(struct msg_history *history,
	struct msg_transmit_pool *pool, uint32_t count, uint64_t first_sequence);
/* The slots go with their pool. */
void msg_history_close(struct msg_history *history);

static inline bool msg_history_is_full(const struct msg_history *history)
{
	return history->next - history->first > history->mask;
}

/* What is there, and what comes, may be read by others from now on. */
void msg_history_show(
	struct msg_history *history, struct msg_history_shelf *shelf);

/* For them: frame `number` has come. */
void msg_history_tell(struct msg_history *history, uint64_t number);

/* Where what frame number history->next is made of stands, once msg_history_add has
 * it; it is not full.  Nobody looks there before. */
static inline struct msg_history_frame *msg_history_place(
	const struct msg_history *history)
{
	return &history->frames[history->next & history->mask];
}

/* That frame is there, and `frame`, its place, is written. */
static inline void msg_history_add(struct msg_history *history,
	struct msg_history_frame *frame, uint64_t now)
{
	history->next++;
	frame->sent_ns = now;
	history->next_sequence = frame->sequence + frame->messages;
	history->bytes += frame->bytes;
	msg_transmit_hold(history->pool, frame->slot);
	if (__builtin_expect(history->shelf != NULL, 0))
		msg_history_tell(history, history->next - 1);
}

/* The oldest is no more; there is one. */
static inline void msg_history_forget(struct msg_history *history)
{
	const struct msg_history_frame *frame =
		&history->frames[history->first & history->mask];

	if (__builtin_expect(history->shelf != NULL, 0))
		msg_shelf_raise(history->shelf, history->first + 1);
	history->first++;
	history->bytes -= frame->bytes;
	msg_transmit_drop(history->pool, frame->slot);
}

/* Whether a message begins where a frame that is there does. */
static inline bool msg_history_begins(
	const struct msg_history *history, uint64_t frame)
{
	const struct msg_history_frame *f =
		&history->frames[frame & history->mask];

	return f->type != MSG_FRAME_FRAGMENT || f->offset == 0;
}

/* NULL: it is no more, or not yet. */
static inline const struct msg_history_frame *msg_history_get(
	const struct msg_history *history, uint64_t frame)
{
	if (frame - history->first >= history->next - history->first)
		return NULL;
	return &history->frames[frame & history->mask];
}

/* The newest frame that begins with the first part of a message and from which
 * on there are `messages` or more; if there is none, the oldest that begins so.  For
 * 0 messages, or if there is none at all, history->next; but where a message is under
 * way that is there from its first part on, for 0 that. */
uint64_t msg_history_back(
	const struct msg_history *history, uint64_t messages);

/* The sequence that frame `frame` begins with, which may be history->next. */
static inline uint64_t msg_history_sequence(
	const struct msg_history *history, uint64_t frame)
{
	return frame == history->next
		       ? history->next_sequence
		       : history->frames[frame & history->mask].sequence;
}

#endif
