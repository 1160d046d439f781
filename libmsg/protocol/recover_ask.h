/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_ask.h - what recover.c and recover_ask.c know of each other.
 *
 * Nobody else includes this.  Test: as recover.h.
 */
#ifndef MSG_PROTOCOL_RECOVER_ASK_H
#define MSG_PROTOCOL_RECOVER_ASK_H

#include "protocol/recover.h"

static inline struct msg_recover_place *msg_recover_place(
	const struct msg_recover *recover, uint64_t frame)
{
	return &recover->places[frame & (recover->options.window - 1)];
}

/* `frame` is one of [next, scanned). */
static inline bool msg_recover_is_missing(
	const struct msg_recover *recover, uint64_t frame)
{
	uint64_t at = frame & (recover->options.window - 1);

	return recover->missing[at / 64] >> (at % 64) & 1;
}

static inline void msg_recover_flip_missing(
	struct msg_recover *recover, uint64_t frame)
{
	uint64_t at = frame & (recover->options.window - 1);

	recover->missing[at / 64] ^= UINT64_C(1) << (at % 64);
}

/* a + b, or UINT64_MAX. */
static inline uint64_t msg_recover_later(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* ---- recover.c --------------------------------------------------------- */

/* Find recover->deadline after any change. */
void msg_recover_refresh(struct msg_recover *recover);

/* ---- recover_ask.c ----------------------------------------------------- */

void msg_recover_ask_start(struct msg_recover *recover);

/* The position has been set anew. */
void msg_recover_ask_begin(struct msg_recover *recover);

/* When report() has work. */
uint64_t msg_recover_ask_deadline(struct msg_recover *recover);

/* What a probe says of the publisher. */
void msg_recover_ask_probe(
	struct msg_recover *recover, const struct msg_probe *probe);

/* A repair with this serial was heard. */
void msg_recover_ask_serial(struct msg_recover *recover, uint32_t serial);

/* Something newer than before was heard. */
void msg_recover_ask_news(struct msg_recover *recover);

/* The publisher is heard again after a silence. */
void msg_recover_ask_resume(struct msg_recover *recover);

/* An answer came this long after the question, which was asked once. */
void msg_recover_ask_measure(struct msg_recover *recover, uint64_t rtt_ns);

#endif
