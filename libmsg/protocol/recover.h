/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover.h - a receiver's half of repair: order by frame, and what to ask for.
 *
 * A reliable publisher numbers its frames.  The next one is delivered at once;
 * one that comes early waits in a window, and what is missing before it is
 * asked for (NAK), all gaps in one report, as soon as the reorder allowance of
 * each is over: no backoff, unless the publisher says there is a crowd.  A frame
 * is asked for again when something newer was heard and a round trip has
 * passed, at the latest after four.  What the publisher no longer has (probe:
 * first), or what did not come in `give_up_ns` though something was heard from
 * the publisher meanwhile, is lost: the stream goes on behind it, and the
 * sequences of its messages say how many.
 *
 *     arrive(frame) ─> DELIVER   the very next, nothing waits: the fast way
 *                   ├> HELD      in the window: call next() until it says no
 *                   └> DROP      had it, or no room, or not believable
 *     probe(p)         how far the stream has come, and from where it can be had
 *     next(now)     ─> a held frame whose turn has come, or a loss
 *     report(now)   ─> what to tell the publisher, if it is time to
 *
 * Hostile input.  A frame far ahead of all that is known (more than
 * MSG_RECOVER_LEAP) is not believed; only a probe moves the stream so far, and
 * only forward, and only if it has the stream's incarnation, once one is known.
 * A replayed frame is behind the position, or in the window already: dropped.
 * Nothing here grows: the window is the caller's memory, and fixed.
 *
 * The books balance, whatever the wire says:
 *     sequence == first sequence + messages delivered + lost_total
 *
 * Pure: no clock, no allocation, time comes as an argument, frames are tokens.
 * Test: tests/unit/protocol/test_recover.c, tests/sim, tests/model/repair.pml.
 */
#ifndef MSG_PROTOCOL_RECOVER_H
#define MSG_PROTOCOL_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/report.h"
#include "protocol/sequence.h"

#define MSG_RECOVER_WINDOW_MAX 4096u
#define MSG_RECOVER_LEAP (1u << 20)
#define MSG_RECOVER_NONE UINT32_MAX

/* A frame in the window, or one that is missing there. */
struct msg_recover_place {
	uint32_t token;  /* NONE: missing. */
	uint32_t asked;  /* Times. */
	uint64_t since;  /* When it was found missing. */
	uint64_t last;   /* When it was asked for last. */
	uint32_t heard, serial; /* The echo of that. */
};

struct msg_recover_options {
	uint32_t window;       /* A power of two, 16 to WINDOW_MAX. */
	uint64_t receiver;     /* Our name in reports. */
	uint64_t reorder_ns;   /* Allowance before a gap is asked for. */
	uint64_t give_up_ns;   /* A gap older than this is lost. */
	uint32_t history;      /* Messages wanted from before we came. */
	bool tagged;
	uint64_t seed;         /* Of the backoff in a crowd. */
	struct msg_reach reach; /* Ours. */
};

/* Counted for whoever looks; see stats.h for what they mean to people. */
struct msg_recover_counts {
	uint64_t reports; /* Sent, naks included. */
	uint64_t naks;    /* Reports with something missing. */
	uint64_t asked;   /* Frames asked for, again included. */
	uint64_t repaired; /* Missing frames that came. */
	uint64_t late;    /* Frames dropped because we had them. */
	uint64_t beyond;  /* Frames dropped for want of room. */
	uint64_t unbelieved;
	uint64_t reordered; /* Came before they were asked for. */
	uint64_t gone;    /* Messages lost: the publisher has them no more. */
	uint64_t given_up; /* Messages lost: no repair came in time. */
};

struct msg_recover {
	struct msg_recover_options options;
	struct msg_recover_place *places; /* By frame & (window - 1). */
	uint64_t next;     /* Frame expected. */
	uint64_t top;      /* Frames below were heard of. */
	uint64_t first;    /* Frames below are gone, says the publisher. */
	uint64_t sequence; /* Message expected, … */
	uint32_t offset;   /* … and byte in it. */
	uint32_t held_count;
	bool started;
	bool joining;      /* History was asked for, not yet answered. */
	bool incarnate;    /* incarnation is known. */
	bool flow;         /* Reports are wanted as the position moves. */
	bool crowd;
	uint64_t incarnation;
	uint32_t serial;   /* Highest repair heard of. */
	uint64_t heard_ns; /* When anything was heard last. */
	uint64_t rtt_ns;   /* Smoothed. */
	uint64_t rtt_var_ns;
	uint64_t stamp;    /* To echo; 0: none. */
	uint64_t reported; /* Position in the last report. */
	uint64_t report_ns;
	uint64_t deadline; /* When next or report has work; UINT64_MAX. */
	uint64_t lost;     /* Messages, not yet taken by msg_recover_lost. */
	uint64_t lost_total;
	struct msg_reach reach; /* The publisher's. */
	struct msg_recover_counts counts;
};

/* `places` stay the caller's, options->window of them, until he forgets the
 * stream. */
void msg_recover_start(struct msg_recover *recover,
	const struct msg_recover_options *options,
	struct msg_recover_place *places);

/* The very next frame of a stream in which nothing waits?  Then arrive delivers
 * it whatever the time: the caller may save reading the clock. */
static inline bool msg_recover_in_order(
	const struct msg_recover *recover, const struct msg_frame *frame)
{
	return recover->started && recover->top == recover->next &&
	       (uint32_t)recover->next == frame->transmission;
}

enum msg_recover_verdict {
	MSG_RECOVER_DELIVER, /* Call msg_recover_deliver, then deliver. */
	MSG_RECOVER_HELD,    /* The token comes back from next(). */
	MSG_RECOVER_DROP,
};

/* A data frame came; `span` as the body says (msg_span_…), its sequence that of
 * the frame.  For a REPAIR: msg_recover_sequence first. */
enum msg_recover_verdict msg_recover_arrive(struct msg_recover *recover,
	const struct msg_frame *frame, uint32_t token, uint64_t now);

/* A REPAIR carries half of its sequence: the whole of it. */
uint64_t msg_recover_sequence(
	const struct msg_recover *recover, const struct msg_frame *frame);

/* The frame just handed out (DELIVER, or FRAME of next) covers `span`: account
 * for it.  False: it cannot follow what was delivered (a publisher that breaks
 * the rules, or a forged frame): drop it. */
bool msg_recover_deliver(
	struct msg_recover *recover, const struct msg_span *span);

/* A probe came, for this stream.  False: not believed. */
bool msg_recover_probe(struct msg_recover *recover,
	const struct msg_probe *probe, uint64_t now);

enum msg_recover_step {
	MSG_RECOVER_NOTHING,
	MSG_RECOVER_FRAME, /* *token is next: msg_recover_deliver, deliver. */
	MSG_RECOVER_STALE, /* *token turned out not to be wanted: drop it. */
};

/* What comes next without a further arrival.  Call after HELD, after probe and
 * when the deadline has passed, until NOTHING.  `now` should be when the link was
 * last seen empty.  With UINT64_MAX every gap is given up: all tokens come
 * home. */
enum msg_recover_step msg_recover_next(
	struct msg_recover *recover, uint64_t now, uint32_t *token);

/* Whether there is something to tell the publisher now; then *report is filled
 * in, and counts as sent.  Nothing is ever due while recover->reach is unknown. */
bool msg_recover_report(struct msg_recover *recover, uint64_t now,
	struct msg_report *report);

/* When next() or report() has work without a further arrival. */
static inline uint64_t msg_recover_deadline(const struct msg_recover *recover)
{
	return recover->deadline;
}

/* Messages lost before what comes next; counts from zero again. */
static inline uint64_t msg_recover_lost(struct msg_recover *recover)
{
	uint64_t lost = recover->lost;

	recover->lost = 0;
	return lost;
}

#endif
