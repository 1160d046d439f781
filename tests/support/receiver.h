/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * receiver.h - a reader of one stream that trusts nobody, for tests.
 *
 * It drives msg_sequence the way the engine does and keeps its own books: which
 * tokens are out, where the next frame must begin, how many messages were
 * delivered.  After each call it compares, and aborts at the first difference,
 * whatever the input was.  What it cannot know, namely what was published, is
 * for its user to check in the two callbacks' records.
 */
#ifndef TESTS_SUPPORT_RECEIVER_H
#define TESTS_SUPPORT_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/sequence.h"

#define RECEIVER_TOKENS (MSG_SEQUENCE_WINDOW + 2)

/* A frame in order; `lost` messages are missing before it. */
typedef void receiver_deliver_fn(
	void *context, const struct msg_span *span, uint64_t lost);

struct receiver {
	struct msg_sequence sequence;
	receiver_deliver_fn *deliver;
	void *context;
	uint64_t arrived;          /* Frames. */
	uint64_t delivered_frames;
	uint64_t dropped;          /* Frames, LATE and DROP. */
	uint64_t delivered;        /* Messages. */
	bool begun;                /* Something was delivered. */
	uint64_t first;            /* Where the stream began for us. */
	uint64_t next;             /* Where the next frame begins, … */
	uint32_t offset;           /* … if nothing is lost before it. */
	bool out[RECEIVER_TOKENS];
	struct msg_span spans[RECEIVER_TOKENS];
};

void receiver_start(struct receiver *receiver, uint64_t allowance_ns,
	receiver_deliver_fn *deliver, void *context);

/* A frame arrives at `now`; what becomes ready is delivered. */
void receiver_frame(struct receiver *receiver, const struct msg_span *span,
	uint64_t now);

/* An announcement: messages below `next` were sent. */
void receiver_told(struct receiver *receiver, uint64_t next, uint64_t now);

/* Time passes; what becomes ready is delivered.  UINT64_MAX ends the stream:
 * then no token is out. */
void receiver_tick(struct receiver *receiver, uint64_t now);

/* The seed of the trial that runs, named when a MUST fails; 0: none. */
extern uint64_t must_seed;

/* Print and abort: for the oracles built on this. */
#define MUST(condition)                                                        \
	((condition) ? (void)0 : must_failed(#condition, __FILE__, __LINE__))

void must_failed(const char *condition, const char *file, int line)
	__attribute__((noreturn));

#endif
