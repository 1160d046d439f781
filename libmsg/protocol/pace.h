/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pace.h - a token bucket: so many a second, so many at once.
 *
 * It counts in billionths of a token, so that a nanosecond is worth `rate` of
 * them: nothing is lost to rounding however often it is asked, and taking
 * divides nothing.
 *
 * Pure; a clock that stands still or jumps back gives nothing, and after a jump
 * back nothing until the time it had reached is there again, so that no moment
 * is paid out twice.
 * Test: tests/unit/protocol/test_pace.c.
 */
#ifndef MSG_PROTOCOL_PACE_H
#define MSG_PROTOCOL_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define MSG_PACE_TOKEN 1000000000u /* Billionths in one. */
#define MSG_PACE_BURST_MAX (UINT64_MAX / MSG_PACE_TOKEN)

struct msg_pace {
	uint64_t rate;   /* Tokens a second; 0: no limit. */
	uint64_t full;   /* Billionths of a token at most. */
	uint64_t credit; /* Billionths of a token that are there. */
	uint64_t now;    /* When they were counted last. */
};

/* Full to begin with.  `burst`: tokens at most, cut to MSG_PACE_BURST_MAX. */
void msg_pace_start(
	struct msg_pace *pace, uint64_t rate, uint64_t burst, uint64_t now);

/* Take `count` tokens, all or none. */
bool msg_pace_take(struct msg_pace *pace, uint64_t count, uint64_t now);

/* Give back some of what was taken: it was not needed. */
void msg_pace_give(struct msg_pace *pace, uint64_t count);

/* When `count` tokens will be there if none are taken; `now` if they are,
 * UINT64_MAX if they never will: more than the burst. */
uint64_t msg_pace_when(
	const struct msg_pace *pace, uint64_t count, uint64_t now);

#endif
