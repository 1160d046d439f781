/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * follower.h - a reader of one reliable stream that trusts nobody, for tests.
 *
 * As receiver.h is for msg_sequence: it drives msg_recover the way the engine
 * does, keeps books of its own (tokens out, where the next frame must begin,
 * messages delivered), and aborts at the first difference, whatever the input
 * was.  What was published, and whether a report makes sense, is for its user.
 */
#ifndef TESTS_SUPPORT_FOLLOWER_H
#define TESTS_SUPPORT_FOLLOWER_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/recover.h"
#include "receiver.h"

#define FOLLOWER_WINDOW_MAX MSG_RECOVER_WINDOW_MAX
#define FOLLOWER_TOKENS (FOLLOWER_WINDOW_MAX + 2)

/* What a frame's body would say. */
struct follower_body {
	uint32_t count; /* Messages; 0: a fragment. */
	struct msg_fragment fragment;
};

/* A frame in order; `lost` messages are missing before it. */
typedef void follower_deliver_fn(void *context, const struct msg_frame *frame,
	const struct msg_span *span, uint64_t lost);

struct follower_token {
	bool out;
	struct msg_frame frame;
	struct follower_body body;
};

struct follower {
	struct msg_recover recover;
	follower_deliver_fn *deliver;
	void *context;
	uint64_t delivered_frames;
	uint64_t delivered; /* Messages. */
	uint64_t dropped;   /* Frames. */
	uint64_t lost;      /* Since the last delivery. */
	uint64_t empty;     /* When the link was last seen empty; UINT64_MAX: it
	                       always is, behind each frame. */
	bool begun;         /* Something was delivered. */
	uint64_t next;      /* Where the next frame begins, … */
	uint32_t offset;    /* … if nothing is lost before it. */
	uint32_t out_count;
	struct msg_recover_place places[FOLLOWER_WINDOW_MAX];
	struct follower_token tokens[FOLLOWER_TOKENS];
};

/* options->window is FOLLOWER_WINDOW_MAX at most. */
void follower_start(struct follower *follower,
	const struct msg_recover_options *options,
	follower_deliver_fn *deliver, void *context);

/* A frame arrives at `now`; what becomes ready is delivered. */
enum msg_recover_verdict follower_frame(struct follower *follower,
	const struct msg_frame *frame, const struct follower_body *body,
	uint64_t now);

/* False: not believed. */
bool follower_probe(struct follower *follower, const struct msg_probe *probe,
	uint64_t now);

/* Time passes; what becomes ready is delivered.  UINT64_MAX ends the stream:
 * then no token is out. */
void follower_tick(struct follower *follower, uint64_t now);

/* As follower_tick, and then what there is to tell.  False: nothing. */
bool follower_report(
	struct follower *follower, uint64_t now, struct msg_report *report);

#endif
