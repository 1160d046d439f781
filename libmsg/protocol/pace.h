/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pace.h - a token bucket: so many a second, so many at once.
 *
 * Pure; a clock that stands still or jumps back gives nothing.
 * Test: tests/unit/protocol/test_pace.c.
 */
#ifndef MSG_PROTOCOL_PACE_H
#define MSG_PROTOCOL_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct msg_pace {
	uint64_t rate;   /* Tokens a second; 0: no limit. */
	uint64_t burst;  /* Tokens at most. */
	uint64_t tokens;
	uint64_t now;    /* When tokens were counted last. */
};

void msg_pace_start(
	struct msg_pace *pace, uint64_t rate, uint64_t burst, uint64_t now);

/* Take `count` tokens, all or none. */
bool msg_pace_take(struct msg_pace *pace, uint64_t count, uint64_t now);

/* When `count` tokens will be there; `now` if they are. */
uint64_t msg_pace_when(
	const struct msg_pace *pace, uint64_t count, uint64_t now);

#endif
