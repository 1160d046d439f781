/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sequence.h - order and loss of one publisher's stream, best effort.
 *
 * Every data frame covers a span of the stream, from (sequence, offset) to
 * (end_sequence, end_offset): a SINGLE from (s,0) to (s+1,0), a PACKED of n
 * to (s+n,0), a FRAGMENT from (s,o) to (s,o+bytes), the last one to (s+1,0).
 * A frame is in order when its begin is the position expected.  One that comes
 * early waits in a small window for those before it; when the window is full
 * or the allowance is over, what is missing counts as lost and the stream
 * goes on behind it.  A frame that comes after that is late and is dropped,
 * so a message is delivered once, in order, or counted lost, never both.
 *
 *     arrive(span) ─> DELIVER   in order, nothing waits: the usual, fast way
 *                  ├> HELD      in the window: call next() until it says no
 *                  └> LATE      drop the frame
 *     evidence(s)     an announcement says messages below s were sent
 *     next(now)  ─> a held frame whose turn has come, or news of a loss
 *
 * A message some parts of which are missing is lost as a whole; its other
 * parts are LATE.  A stream starts with the first span heard: what was sent
 * before is not ours and not lost; but a start in the middle of a message
 * starts at the next one.  Sequences wrap modulo 2^64, and comparisons are by
 * signed difference.
 *
 * Pure: no clock, no allocation; time comes as an argument.  The caller's
 * frames are tokens here.
 * Test: tests/unit/protocol/test_sequence.c (an oracle over random orders).
 */
#ifndef MSG_PROTOCOL_SEQUENCE_H
#define MSG_PROTOCOL_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#define MSG_SEQUENCE_WINDOW 32u

struct msg_span {
	uint64_t sequence;
	uint64_t end_sequence;
	uint32_t offset;
	uint32_t end_offset;
};

struct msg_sequence_held {
	struct msg_span span;
	uint32_t token;
};

struct msg_sequence {
	uint64_t sequence;  /* Position expected: message, … */
	uint32_t offset;    /* … and byte in it. */
	uint32_t held_count;
	uint64_t evidence;  /* Messages below this were sent, we were told. */
	uint64_t lost;      /* Counted lost and not yet taken by a delivery. */
	uint64_t lost_total;
	uint64_t gap_since; /* When the present gap was noticed; 0: no gap. */
	uint64_t allowance_ns;
	uint64_t late_total;
	uint64_t reordered_total;
	bool started;
	struct msg_sequence_held held[MSG_SEQUENCE_WINDOW]; /* In order. */
};

enum msg_sequence_verdict {
	MSG_SEQUENCE_DELIVER, /* Deliver now; take msg_sequence_lost first. */
	MSG_SEQUENCE_HELD,    /* Kept; the token comes back from next(). */
	MSG_SEQUENCE_LATE,    /* Drop it. */
};

void msg_sequence_start(struct msg_sequence *sequence, uint64_t allowance_ns);

/* A data frame arrived.  `torn` of DELIVER: see msg_sequence_next. */
enum msg_sequence_verdict msg_sequence_arrive(struct msg_sequence *sequence,
	const struct msg_span *span, uint32_t token, uint64_t now);

/* An announcement says that messages below `next` were sent.  A stream not
 * yet started starts there: nothing before is ours. */
void msg_sequence_evidence(
	struct msg_sequence *sequence, uint64_t next, uint64_t now);

enum msg_sequence_step {
	MSG_SEQUENCE_NOTHING, /* Wait for more. */
	MSG_SEQUENCE_FRAME,   /* *token is next: deliver it. */
	MSG_SEQUENCE_DROP,    /* *token turned out to be late: drop it. */
};

/* What comes next without a further arrival.  Call after HELD, and when
 * msg_sequence_deadline has passed, until NOTHING. */
enum msg_sequence_step msg_sequence_next(
	struct msg_sequence *sequence, uint64_t now, uint32_t *token);

/* When the present gap is given up; UINT64_MAX when there is none. */
uint64_t msg_sequence_deadline(const struct msg_sequence *sequence);

/* Messages lost before the frame just delivered; counts from zero again.
 * If it is not zero, a message in assembly before it is torn: drop it. */
uint64_t msg_sequence_lost(struct msg_sequence *sequence);

#endif
