/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sequence.h - order and loss of one publisher's stream, best effort.
 *
 * Every data frame covers a span of the stream, from (sequence, offset) to
 * (end_sequence, end_offset): a SINGLE from (s,0) to (s+1,0), a PACKED of n
 * to (s+n,0), a FRAGMENT from (s,o) to (s,o+bytes), the last one to (s+1,0).
 * A frame is in order when its begin is the position expected.  One that comes
 * early waits in a window for those before it; when the window is full
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
 * parts are LATE.  A span that overlaps what was delivered or what is held is
 * LATE as a whole: an honest publisher sends none but duplicates.  A stream
 * starts with the first span heard: what was sent before is not ours and not
 * lost; but a start in the middle of a message starts at the next one.
 * Sequences wrap modulo 2^64, and comparisons are by signed difference; what
 * is 2^61 or more ahead is LATE too.
 *
 * The books balance, modulo 2^64, whatever the wire says:
 *
 *     sequence == first sequence + messages delivered + lost_total
 *     frames arrived == frames delivered + late_total + held_count
 *
 * Time.  A gap is noticed when the first frame behind it arrives (or evidence
 * of it does), and each gap has the allowance from then on, so that several
 * gaps run out side by side and not one after the other.  `now` of arrive is
 * the clock; `now` of next should be when the link was last seen empty, for
 * the frame that fills a gap may lie unread in a reader that was stalled.
 *
 * Pure: no clock, no allocation; time comes as an argument.  The caller's
 * frames are tokens here.
 * Test: tests/unit/protocol/test_sequence.c (an oracle over random orders).
 */
#ifndef MSG_PROTOCOL_SEQUENCE_H
#define MSG_PROTOCOL_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/fragment.h"

/* Frames that may wait, at most.  SoftRoCE lets 64 frames of a queue pair be under way
 * (RXE_INFLIGHT_SKBS_PER_QP_HIGH), and when it goes on with its work on another
 * processor all of those may be overtaken by as many and more: with 32 places
 * each such event lost 55 to 64 frames. */
#define MSG_SEQUENCE_WINDOW 128u

struct msg_span {
	uint64_t sequence;
	uint64_t end_sequence;
	uint32_t offset;
	uint32_t end_offset;
};

/* The span of a SINGLE (count 1) or a PACKED. */
static inline struct msg_span msg_span_messages(
	uint64_t sequence, uint32_t count)
{
	return (struct msg_span){sequence, sequence + count, 0, 0};
}

/* The span of a FRAGMENT that msg_fragment_read found good. */
static inline struct msg_span msg_span_fragment(
	uint64_t sequence, const struct msg_fragment *fragment)
{
	uint32_t end = fragment->offset + fragment->bytes;

	if (end == fragment->total)
		return (struct msg_span){
			sequence, sequence + 1, fragment->offset, 0};
	return (struct msg_span){sequence, sequence, fragment->offset, end};
}

struct msg_sequence_held {
	struct msg_span span;
	uint64_t since; /* When it arrived. */
	uint32_t token;
};

/* Evidence: messages below `next` were sent by the time `since`. */
struct msg_sequence_told {
	uint64_t next;
	uint64_t since;
};

struct msg_sequence {
	uint64_t sequence; /* Position expected: message, … */
	uint32_t offset;   /* … and byte in it. */
	bool calm;         /* Started, and nothing held, told or fresh. */
	bool started;
	bool fresh;           /* Started by evidence, and nothing since. */
	uint32_t held_count;  /* At most the window and one. */
	uint32_t held_first;  /* Where in `held` they begin. */
	uint32_t told_count;  /* Evidence ahead of the position. */
	uint64_t lost;        /* Counted lost and not yet taken by a delivery. */
	uint64_t lost_total;
	uint64_t deadline;    /* When next() has work; UINT64_MAX: never. */
	uint64_t allowance_ns;
	uint32_t window;
	uint64_t held_since; /* When the earliest held came; UINT64_MAX: look. */
	uint64_t late_total;
	uint64_t reordered_total; /* Frames that came after a later one, in time. */
	/* The older of the two keeps its time while newer evidence raises the
	 * other, so that steady announcements cannot put a loss off for good. */
	struct msg_sequence_told told[2];
	/* By position.  One more than the window: the frame that fills the gap
	 * finds room even when all others wait for it. */
	struct msg_sequence_held held[MSG_SEQUENCE_WINDOW + 1];
};

enum msg_sequence_verdict {
	MSG_SEQUENCE_DELIVER, /* Deliver now; take msg_sequence_lost first. */
	MSG_SEQUENCE_HELD,    /* Kept; the token comes back from next(). */
	MSG_SEQUENCE_LATE,    /* Drop it. */
};

/* `window`: frames that may wait, at most MSG_SEQUENCE_WINDOW. */
void msg_sequence_start(struct msg_sequence *sequence, uint64_t allowance_ns,
	uint32_t window);

/* Whether a span is the very next one and nothing waits: then its arrival is
 * DELIVER whatever the time, so the caller may save reading the clock. */
static inline bool msg_sequence_in_order(
	const struct msg_sequence *sequence, const struct msg_span *span)
{
	return sequence->started && sequence->held_count == 0 &&
	       span->sequence == sequence->sequence &&
	       span->offset == sequence->offset;
}

/* A data frame arrived.  After HELD, next() must run until NOTHING before the
 * following arrive: the window has room for one frame too many, not two. */
enum msg_sequence_verdict msg_sequence_arrive(struct msg_sequence *sequence,
	const struct msg_span *span, uint32_t token, uint64_t now);

/* An announcement says that messages below `next` were sent.  A stream not
 * yet started starts there; but announcements and data travel apart, so if the
 * first frame to come is an earlier one, the stream starts with that. */
void msg_sequence_evidence(
	struct msg_sequence *sequence, uint64_t next, uint64_t now);

enum msg_sequence_step {
	MSG_SEQUENCE_NOTHING, /* Wait for more. */
	MSG_SEQUENCE_FRAME,   /* *token is next: deliver it, as after DELIVER. */
	MSG_SEQUENCE_DROP,    /* *token turned out to be late: drop it. */
};

/* What comes next without a further arrival.  Call after HELD, and when
 * msg_sequence_deadline has passed, until NOTHING.  *token is written unless
 * NOTHING.  With `now` UINT64_MAX every gap is given up: at the end of a
 * stream that brings all tokens home. */
enum msg_sequence_step msg_sequence_next(
	struct msg_sequence *sequence, uint64_t now, uint32_t *token);

/* When next() has something to say without a further arrival: the present gap
 * is given up then.  UINT64_MAX when there is none. */
static inline uint64_t msg_sequence_deadline(
	const struct msg_sequence *sequence)
{
	return sequence->deadline;
}

/* Messages lost before the frame just delivered; counts from zero again.
 * If it is not zero, a message in assembly before it is torn: drop it, and
 * add its own lost_before, if it had one, to this. */
static inline uint64_t msg_sequence_lost(struct msg_sequence *sequence)
{
	uint64_t lost = sequence->lost;

	sequence->lost = 0;
	return lost;
}

#endif
