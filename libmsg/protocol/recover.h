/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover.h - a receiver's half of repair: order by frame, and what to ask for.
 *
 * A reliable publisher numbers its frames.  The next one is delivered at once;
 * one that comes early waits in a window, and what is missing before it is
 * asked for (NAK), all gaps in one report, as soon as the reorder allowance of
 * each is over: no backoff, unless the publisher says there is a crowd.  A frame
 * is asked for again when something newer was heard and a round trip has
 * passed, at the latest after four.
 *
 *     arrive(frame) ─> DELIVER   the very next, nothing waits: the fast way
 *                   ├> HELD      in the window: call next() until it says no
 *                   └> DROP      had it, or no room, or not believable
 *     probe(p)         how far the stream has come, and from where it can be had
 *     next(now)     ─> a held frame whose turn has come, or a loss
 *     report(now)   ─> what to tell the publisher, if it is time to
 *
 *     next              scanned              top
 *      │ ?  ▓  ▓  ?  ?  ▓  │                  │    ▓ held   ? missing
 *      └──── the window ───┴ heard of, no room┘
 *
 * Loss.  What the publisher no longer has (probe: first), or what did not come
 * in `give_up_ns`, is lost: the stream goes on behind it, and the sequences of
 * its messages say how many are lost; of the tail, those of a probe.  The clock
 * of giving up stands still while nothing is heard from the publisher for two
 * of its heartbeats (or half of give_up_ns, if that is less): a cable that was
 * out costs no message that is still to be had.
 *
 * The end.  A stream may have said goodbye while there is no way to it: where it
 * ends is known, and no frame number.  What is not there give_up_ns later is lost,
 * whether anything is heard or not; a probe by then takes that back.
 *
 * Begin.  A stream begins with the first frame or behind the first probe heard;
 * a REPAIR does not begin it, for it has half a sequence.  With a wish for
 * history it begins where the publisher answers; what arrives until then is
 * held, as much as has room.  A JOIN without an answer is sent again, in
 * doubling intervals, and after give_up_ns the stream begins with what it has.
 *
 * Fetching.  Who finds that much is missing may have a better way to it than
 * asking (shelf.h): such frames are not asked for while they are fetched, and
 * arrive like repairs.  What does not come is asked for after all, and has all its
 * time for that: what is being fetched does not grow old, for whoever fetches sees
 * whether he gets on.
 *
 * Room.  Who takes only so many frames (msg_recover_room) asks for none behind them,
 * and the clock of giving up runs for each from when it is first asked for: what
 * waits for us costs the publisher's word nothing.
 *
 * Pause.  Behind a LARGE frame the stream waits until its message has been read:
 * what arrives meanwhile is held, and asked for, as ever, but not handed out;
 * reports say that we stand before that frame, and how much of it is read.
 *
 * Hostile input.  A frame far ahead of all that is known (more than
 * MSG_RECOVER_LEAP) is not believed; only a probe moves the stream so far, and
 * only forward, and only if it has the stream's incarnation, once one is known.
 * Frames that a forged one told of are forgotten again by the next probe, and
 * reports do not speak of them any more, for a publisher believes no report of
 * frames that he never sent.  A replayed frame is behind the position, or in the
 * window already: dropped.  A frame's messages must follow those before, or, behind
 * lost frames, lie as far ahead as so many frames can carry: else the frame counts
 * as lost.  Nothing here grows: the window is the caller's memory, and fixed.
 *
 * The books balance, whatever the wire says, modulo 2^64:
 *     sequence == origin + messages delivered + lost_total
 *
 * Pure: no clock, no allocation, time comes as an argument, frames are tokens.
 * recover.c takes frames and probes in, recover_next.c gives frames out in
 * order, recover_ask.c asks, recover_fetch.c does without.
 * Test: tests/unit/protocol/test_recover.c, fuzz: tests/fuzz/fuzz_recover.c,
 * tests/sim, tests/model/repair.pml.
 */
#ifndef MSG_PROTOCOL_RECOVER_H
#define MSG_PROTOCOL_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/report.h"
#include "protocol/sequence.h"

#define MSG_RECOVER_WINDOW_MIN 16u
#define MSG_RECOVER_WINDOW_MAX 4096u
#define MSG_RECOVER_LEAP (1u << 20)
/* A round trip, before one was measured, and what is believed of one. */
#define MSG_RECOVER_RTT_NS 200000u
#define MSG_RECOVER_RTT_NS_MIN 10000u
#define MSG_RECOVER_RTT_NS_MAX 1000000000u

/* Fewer frames than that are asked for, however else they could be had. */
#define MSG_RECOVER_FETCH_MIN 32u
#define MSG_RECOVER_FETCHED UINT16_MAX

/* A frame in the window: held, or missing. */
struct msg_recover_place {
	uint32_t token;         /* Held. */
	uint16_t asked;         /* Missing: never, once, 2: more often, … or
	                           MSG_RECOVER_FETCHED; … */
	uint16_t patience;      /* … with how much patience, or if it was not
	                           asked for: whether it was fetched in vain, … */
	uint64_t since;         /* … found, by the clock of giving up, … */
	uint64_t last;          /* … found or asked for last, … */
	uint32_t heard, serial; /* … and the echo of that. */
};

struct msg_recover_options {
	uint32_t window;       /* A power of two, WINDOW_MIN to WINDOW_MAX. */
	uint64_t receiver;     /* Our name in reports. */
	uint64_t incarnation;  /* The publisher's; 0: that of the first probe. */
	uint64_t reorder_ns;   /* Allowance before a gap is asked for. */
	uint64_t give_up_ns;   /* A gap older than this is lost. */
	uint32_t history;      /* Messages wanted from before we came. */
	uint32_t ask_max;      /* Frames asked for and not come yet, at most: there
	                          is room for so many repairs; 0: no limit. */
	uint32_t ask_bytes;    /* The same in bytes, if repairs are as large as
	                          those of late; 0: no limit. */
	uint32_t frame_bytes;  /* Of the largest frame, with ask_bytes. */
	bool tagged;
	uint64_t seed;         /* Of the backoff in a crowd. */
	struct msg_reach reach; /* Ours. */
};

/* Counted for whoever looks; see stats.h for what they mean to people. */
struct msg_recover_counts {
	uint64_t reports;    /* Sent, naks included. */
	uint64_t naks;       /* Reports with something missing. */
	uint64_t asked;      /* Frames asked for, again included. */
	uint64_t repaired;   /* Frames that came because they were missing. */
	uint64_t late;       /* Frames dropped: had, or lost for good. */
	uint64_t beyond;     /* Frames dropped for want of room. */
	uint64_t unbelieved; /* Frames and probes. */
	uint64_t reordered;  /* Came before they were asked for. */
	uint64_t gone;       /* Messages lost: the publisher has them no more. */
	uint64_t given_up;   /* Messages lost: no repair came in time. */
};

/* Where a probe says that frame `frame` goes on in the messages. */
struct msg_recover_mark {
	uint64_t frame;
	uint64_t sequence;
};

struct msg_recover {
	/* The fast way needs one cache line: down to `calm`.  Frames are counted in
	 * 64 bits from somewhere above 2^32, so that none that a stream can name
	 * lies below zero. */
	uint64_t next;      /* Frame expected. */
	uint64_t top;       /* Frames below were heard of. */
	uint64_t report_at; /* A report is due when `next` gets there. */
	uint64_t deadline;  /* When next or report has work; UINT64_MAX. */
	uint64_t lost;      /* Messages, not yet taken by msg_recover_lost. */
	uint64_t sequence;  /* Message expected, … */
	uint32_t offset;    /* … and byte in it. */
	bool started;
	bool calm;          /* The next frame must fit exactly. */
	bool paused;        /* The one before `next` is being read. */
	/* Order, see recover.c and recover_next.c. */
	bool begun;         /* Frames are numbered; started, or joining. */
	bool placed;        /* `sequence` is known. */
	bool fresh;         /* Nothing was delivered yet. */
	bool joining;       /* History was asked for, not yet answered, … */
	bool answered;      /* … or answered, and next() has to go there. */
	bool gone;          /* Why frames are missing since the last delivery. */
	uint32_t held_count;
	uint32_t missing_count;
	uint64_t scanned;   /* Frames of the window below are held or missing. */
	uint64_t gap;       /* Frames lost since the last delivery. */
	uint64_t origin;    /* The message the stream begins with. */
	uint64_t lost_total; /* Messages. */
	struct msg_recover_mark first; /* Frames below are gone. */
	struct msg_recover_mark told;  /* Newest probe. */
	struct msg_recover_mark join;  /* The answer. */
	uint64_t told_stamp;
	uint64_t echo;      /* Frames below were sent, by what came last. */
	uint64_t heard_ns;  /* When anything was heard last, … */
	uint64_t paused_ns; /* … and how long too little was, in all. */
	uint64_t join_since;
	uint64_t end;       /* Messages there are in all, … */
	uint64_t end_ns;    /* … if no way is found back by then; UINT64_MAX. */
	/* Questions, see recover_ask.c. */
	bool incarnate;     /* incarnation is known. */
	bool flow;          /* Reports are wanted as the position moves. */
	bool crowd;
	bool ask;           /* A report is due at once. */
	bool no_news;       /* The echo is as when it was asked last. */
	bool measured;      /* rtt_ns is. */
	bool probed;        /* serial is known; so is the reach, if he has one. */
	uint32_t asked_count; /* Of the missing: asked for. */
	uint32_t large;       /* A repair of late had no more bytes. */
	bool fetches;         /* Long gaps are not asked for. */
	uint32_t join_count;  /* JOINs sent. */
	uint32_t serial;    /* Of the highest repair heard of. */
	uint32_t patience;  /* The round trip seems 2^this times as long. */
	uint64_t patience_ns; /* Since when. */
	uint64_t unasked;   /* First missing frame that nobody asked for. */
	uint64_t room;      /* No frame from this one on is asked for. */
	uint64_t oldest_ns; /* Since when the others wait. */
	uint64_t again_ns;  /* When to look at them again. */
	uint64_t join_ns;   /* When a JOIN is due. */
	uint64_t backoff_ns;
	uint64_t random;
	uint64_t incarnation;
	uint64_t period_ns; /* Heartbeat. */
	uint64_t rtt_ns;    /* Smoothed. */
	uint64_t rtt_var_ns;
	uint32_t pages;     /* Paused: read so far. */
	uint64_t stamp;     /* To echo; 0: none. */
	uint64_t reported;  /* Position in the last report. */
	uint64_t report_ns;
	struct msg_reach reach; /* The publisher's. */
	struct msg_recover_counts counts;
	struct msg_recover_options options;
	struct msg_recover_place *places; /* By frame & (window - 1). */
	/* One bit a place, of [next, scanned): missing. */
	uint64_t missing[MSG_RECOVER_WINDOW_MAX / 64];
};

/* `places` stay the caller's, options->window of them, until he forgets the
 * stream. */
void msg_recover_start(struct msg_recover *recover,
	const struct msg_recover_options *options,
	struct msg_recover_place *places);

/* How patient we are, and whether "tagged" waits for us, from now on; a publisher
 * that waits for anybody is told of the latter at once. */
void msg_recover_wish(
	struct msg_recover *recover, uint64_t give_up_ns, bool tagged);

/* The very next frame of a stream in which nothing waits?  Then arrive delivers
 * it whatever the time: the caller may save reading the clock. */
static inline __attribute__((always_inline)) bool msg_recover_in_order(
	const struct msg_recover *recover, const struct msg_frame *frame)
{
	return (uint32_t)recover->next == frame->transmission &&
	       recover->top == recover->next && recover->started &&
	       !recover->paused && frame->flags == MSG_FRAME_RELIABLE;
}

/* The same: whether one whole message of this sequence is what follows. */
static inline bool msg_recover_follows(
	const struct msg_recover *recover, uint64_t sequence)
{
	return recover->calm && sequence == recover->sequence &&
	       recover->offset == 0 && recover->lost == 0;
}

/* A frame of which both hold has been delivered. */
static inline void msg_recover_pass(struct msg_recover *recover)
{
	recover->sequence++;
	recover->top = ++recover->next;
	if (recover->next >= recover->report_at)
		recover->deadline = 0;
}

enum msg_recover_verdict {
	MSG_RECOVER_DELIVER, /* Call msg_recover_deliver, then deliver. */
	MSG_RECOVER_HELD,    /* The token comes back from next(). */
	MSG_RECOVER_DROP,
};

/* For msg_recover_arrive and msg_recover_deliver. */
enum msg_recover_verdict msg_recover_arrive_slowly(struct msg_recover *recover,
	const struct msg_frame *frame, uint32_t token, uint64_t now);
bool msg_recover_deliver_slowly(
	struct msg_recover *recover, const struct msg_span *span);

/* A data frame came; its body is checked. */
static inline enum msg_recover_verdict msg_recover_arrive(
	struct msg_recover *recover, const struct msg_frame *frame,
	uint32_t token, uint64_t now)
{
	if (!msg_recover_in_order(recover, frame))
		return msg_recover_arrive_slowly(recover, frame, token, now);
	recover->top = ++recover->next;
	if (recover->next >= recover->report_at)
		recover->deadline = 0;
	return MSG_RECOVER_DELIVER;
}

/* What came took as much as a quarter of the window: a report is due, if the
 * publisher wants them as the position moves. */
static inline void msg_recover_hasten(struct msg_recover *recover)
{
	if (recover->report_at == UINT64_MAX)
		return;
	recover->report_at = recover->next;
	recover->deadline = 0;
}

/* The whole sequence of a frame that arrived and was not dropped: a REPAIR
 * carries half of it.  The same from arrive until deliver. */
uint64_t msg_recover_sequence(
	const struct msg_recover *recover, const struct msg_frame *frame);

/* The frame just handed out (DELIVER, or FRAME of next) covers `span`, as
 * msg_span_… makes it of msg_recover_sequence: account for it, before anything
 * else.  False: drop it.  It is the rest of a message that is lost, or cannot
 * follow what was delivered (a publisher that breaks the rules, or a forged
 * frame).  Take msg_recover_lost in any case. */
static inline bool msg_recover_deliver(
	struct msg_recover *recover, const struct msg_span *span)
{
	if (!recover->calm || span->sequence != recover->sequence ||
		span->offset != recover->offset)
		return msg_recover_deliver_slowly(recover, span);
	recover->sequence = span->end_sequence;
	recover->offset = span->end_offset;
	return true;
}

/* Where the publisher is reached, by his announcement: who has to ask need not
 * wait for the first probe, which may say otherwise. */
void msg_recover_reach(
	struct msg_recover *recover, const struct msg_reach *reach);

/* A probe came, for this stream.  False: not believed, nothing has changed. */
bool msg_recover_probe(struct msg_recover *recover,
	const struct msg_probe *probe, uint64_t now);

/* The publisher has said goodbye behind the message before `end`, by another way
 * than this stream's: what is not there in give_up_ns is lost.  An end that lies
 * behind, or too far ahead, is none. */
void msg_recover_end(struct msg_recover *recover, uint64_t end, uint64_t now);

/* It had not, by what was heard of it since. */
void msg_recover_goes_on(struct msg_recover *recover);

enum msg_recover_step {
	MSG_RECOVER_NOTHING, /* Wait; but take msg_recover_lost: the tail. */
	MSG_RECOVER_FRAME,   /* *token is next: msg_recover_deliver, deliver. */
	MSG_RECOVER_STALE,   /* *token has no room any more: drop it. */
};

/* What comes next without a further arrival.  Call after HELD, after probe and
 * when the deadline has passed, until NOTHING.  `now` should be when the link was
 * last seen empty.  With UINT64_MAX every gap is given up: all tokens come
 * home. */
enum msg_recover_step msg_recover_next(
	struct msg_recover *recover, uint64_t now, uint32_t *token);

/* The frame just accounted for is LARGE: nothing more is handed out before it is
 * read. */
void msg_recover_pause(struct msg_recover *recover);

/* So much of it is read: the publisher is told with the next report. */
void msg_recover_read(struct msg_recover *recover, uint32_t pages);

/* It is read, or lost: call next(). */
void msg_recover_resume(struct msg_recover *recover);

/* Long gaps can be had without asking for each frame, from now on; or not any
 * more, and then what was to come that way is asked for. */
void msg_recover_fetches(
	struct msg_recover *recover, bool fetches, uint64_t now);

/* Frames that are missing, one behind the other, and that nobody asked for: the
 * first is *frame, `most` at most.  They are the caller's affair from now on, and
 * arrive like any other.  0: there are so few that they are asked for, or that is
 * none of fetches. */
uint32_t msg_recover_fetch(
	struct msg_recover *recover, uint32_t most, uint64_t *frame);

/* What was fetched and did not come is asked for, or fetched again. */
void msg_recover_unfetch(struct msg_recover *recover, uint64_t now);

/* From now on so many frames find room, the next one first, until this is said again:
 * others are not asked for.  Say it before report(), whenever there may be more. */
void msg_recover_room(struct msg_recover *recover, uint32_t frames);

/* Of those, how many neither came, nor were asked for or fetched. */
uint32_t msg_recover_room_left(const struct msg_recover *recover);

/* How many frames nobody has asked for yet, of all that were heard of: some of
 * them may have come. */
uint64_t msg_recover_unasked(const struct msg_recover *recover);

/* Whether there is something to tell the publisher now; then *report is filled
 * in, and counts as sent.  Call until it says no.  Nothing is ever due while
 * recover->reach is unknown. */
bool msg_recover_report(struct msg_recover *recover, uint64_t now,
	struct msg_report *report);

/* A question that is always answered, by one who is silent and may be there.
 * False: there is no way to ask him, or he is being asked where to begin. */
bool msg_recover_inquire(
	struct msg_recover *recover, struct msg_report *report);

/* The last report, for a publisher that is to forget us.  False: there is no
 * way to tell him. */
bool msg_recover_leave(struct msg_recover *recover, struct msg_report *report);

/* When next() or report() has work without a further arrival. */
static inline uint64_t msg_recover_deadline(const struct msg_recover *recover)
{
	return recover->deadline;
}

/* Messages lost before what comes next; counts from zero again.  If it is not
 * zero, a message in assembly before it is torn: drop it. */
static inline uint64_t msg_recover_lost(struct msg_recover *recover)
{
	uint64_t lost = recover->lost;

	recover->lost = 0;
	return lost;
}

#endif
