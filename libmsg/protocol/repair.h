/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repair.h - a publisher's half of repair: whom to send what again, when to probe.
 *
 * The publisher keeps the last frames it sent (where is the caller's affair:
 * here they are numbers).  A report asks for some of them.  The first two who
 * miss a frame get it unicast, the third starts one multicast for all, and then
 * the count of them begins anew.
 *
 * The echo rule, instead of timers that ignore: a report tells the highest frame
 * and the highest repair its sender has heard of.  Who asks again for a frame
 * that was repaired for him (to him alone, or to all) is answered only if he
 * has heard something sent after that repair: then the repair is lost, else it
 * is on its way.  So repairs are no more than losses, whatever the round trip
 * is, and however often a report is repeated.  A repair sent to others only
 * counts for nothing here: each frame's record names who got it.  On links that
 * let one frame overtake another the receiver waits with asking (recover.h).
 *
 * The tail: nothing follows the last frame of a burst, so nobody would notice
 * that it is missing.  A probe follows after max(10 us, round trip), then after
 * four times that, and so on up to the heartbeat's period.  A last frame that is
 * small is sent again in place of the first probe: it heals what it tells of.
 * After a repair a probe follows in the same way, or who misses that repair
 * would not notice.  A stream that never pauses is probed once a heartbeat, for
 * those who come; more often when it begins, for a receiver that misses the
 * first probe knows nobody to ask.
 *
 *     sent ─> …                     one more frame; no clock is read for it
 *     report ─> action, action, …   send again, or say what is gone
 *     due ─> action                 probe, or the last frame again
 *     forget                        the oldest frames are no more
 *
 * Storms.  Repairs are paid from a token bucket (pace.h), by the byte: each as
 * the largest frame there is, and what was less comes back (msg_repair_had).  So
 * a history of small frames is had as fast as one of large ones.  While more than half
 * of it is left anybody may have them; of the rest a receiver gets what a small
 * bucket of its own allows (shared with those whose names hash alike), so that
 * one that asks for everything leaves something to the others.  What is not
 * answered is asked for again.
 *
 * A crowd.  Whoever reports between two probes that ask all to is counted.  Past
 * MSG_REPAIR_CROWD of them all are told to back off, and every repair is
 * multicast, from then on: the first loss that all share is no exception, for all
 * have answered the first probe before.  A crowd is counted anew, and asked, once
 * in MSG_REPAIR_CROWD_NS.
 *
 * Hostile input.  A report of frames or repairs never sent is not believed as a
 * whole.  A liar gets no more than the buckets give, and can make others get
 * their repairs by multicast and two round trips later (crowd), and probes come
 * later, but never later than the heartbeat (round trip).  A report makes its sender
 * no promise about where repairs go: that the reach in it is the sender's own is for
 * the caller to check, as far as the link can tell.
 *
 * Frame numbers are 64 bits inside and do not wrap; the wire's 32 bits do.
 *
 * Pure.  Test: tests/unit/protocol/test_repair.c, tests/sim,
 * tests/model/repair.pml.
 */
#ifndef MSG_PROTOCOL_REPAIR_H
#define MSG_PROTOCOL_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/pace.h"
#include "protocol/report.h"

#define MSG_REPAIR_PROBE_MIN_NS 10000u
/* To the second probe of a stream, and then four times as long. */
#define MSG_REPAIR_BEAT_MIN_NS 1000000u
#define MSG_REPAIR_RTT_MAX_NS 1000000000u
#define MSG_REPAIR_CROWD 1000u
#define MSG_REPAIR_CROWD_NS (UINT64_C(60) * 1000000000)
/* Receivers are counted as bits set by their hashed names: 1000 of them set about
 * 4096 * (1 - exp(-1000 / 4096)) = 887. */
#define MSG_REPAIR_CROWD_BITS 4096u
#define MSG_REPAIR_CROWD_SET 887u
/* A last frame of at most this many bytes is sent again instead of a probe. */
#define MSG_REPAIR_TAIL_BYTES 512u
#define MSG_REPAIR_UNICASTS 2u
/* Buckets of receivers, and the part of the whole that each may have. */
#define MSG_REPAIR_SHARES 64u
#define MSG_REPAIR_SHARE 16u
/* Probes that answer reports, a second and at once: none is larger than the
 * report, so this saves work and is no matter of life. */
#define MSG_REPAIR_ANSWERS 20000u
#define MSG_REPAIR_ANSWERS_BURST 256u
/* Probes that follow repairs and nothing else, a second and at once: to all. */
#define MSG_REPAIR_NEWS 1000u
#define MSG_REPAIR_NEWS_BURST 64u

/* What had been sent when a repair was: repairs, that one included, and
 * frames. */
struct msg_repair_echo {
	uint32_t serial;
	uint32_t next;
};

struct msg_repair_asker {
	uint32_t receiver; /* Low half of its name. */
	struct msg_repair_echo echo;
};

/* What is known of one frame in the history.  Its place is taken over from an
 * older frame only when this one is asked for. */
struct msg_repair_record {
	uint64_t frame;
	struct msg_repair_echo all; /* Of its last multicast, if … */
	bool multicast;             /* … there was one. */
	uint8_t asked_count;        /* Unicasts since then, each to another. */
	struct msg_repair_asker asked[MSG_REPAIR_UNICASTS];
};

struct msg_repair_options {
	uint32_t history;       /* Frames kept at most; a power of two. */
	uint64_t first_frame;   /* 0 but in tests of the wrap. */
	uint64_t heartbeat_ns;  /* Longest pause between probes. */
	uint64_t rtt_ns;        /* To begin with. */
	uint64_t ask_ns;        /* Between probes that ask all to report, once
	                           the round trip is known; 0: 1 s.  With flow
	                           control a quarter of give_up_ns, so that who
	                           is silent is gone. */
	uint64_t repair_bytes;  /* A second, at most; 0: no limit. */
	uint64_t burst;         /* Bytes that may be repaired at once. */
	uint32_t frame_bytes;   /* Of the largest frame; 0: 1, so that those
	                           two count frames. */
};

struct msg_repair_counts {
	uint64_t reports;
	uint64_t naks;
	uint64_t asked;      /* Frames. */
	uint64_t unicasts;   /* Repairs sent. */
	uint64_t multicasts; /* Those of the tail included. */
	uint64_t tails;      /* The last frame again, unasked. */
	uint64_t early;      /* Not repaired: a repair is on its way. */
	uint64_t throttled;  /* Not repaired or answered: too many at once. */
	uint64_t gone;       /* Frames asked for that are no more. */
	uint64_t unbelieved; /* Reports about frames never sent. */
	uint64_t probes;     /* To all. */
	uint64_t answers;    /* To one. */
};

struct msg_repair {
	/* What msg_repair_sent touches stands together. */
	uint64_t next;     /* Frames sent. */
	uint64_t first;    /* Oldest frame that can be had. */
	uint64_t deadline; /* When due() has something; 0: ask it. */
	uint32_t history;
	uint32_t last_bytes; /* Of the last frame. */
	uint32_t serial;   /* Repairs sent. */
	struct msg_repair_options options;
	struct msg_repair_record *records; /* By frame & (history - 1). */
	/* Probes. */
	uint64_t seen_next; /* Sent when due() looked last, … */
	uint32_t seen_serial; /* … and repairs. */
	bool tail;         /* The last frame has not been sent again yet. */
	uint64_t probe_ns; /* Interval of the next probe, … */
	uint64_t probe_at; /* … and its time. */
	uint64_t beat_at;  /* A probe goes out by then whatever else does, … */
	uint64_t beat_ns;  /* … and again after this; 0: there was none yet. */
	uint64_t asked_ns; /* Stamp of the last probe that asked; 0: none. */
	/* The round trip: the longest heard of in this and the last period. */
	uint64_t rtt_ns;
	uint64_t rtt_now_ns;
	uint64_t rtt_before_ns;
	uint64_t rtt_period;
	bool rtt_known;
	/* The crowd: who has reported since asked_ns. */
	bool crowd;
	uint32_t crowd_count;
	uint64_t crowd_set[MSG_REPAIR_CROWD_BITS / 64];
	struct msg_pace pace;
	struct msg_pace answers;
	struct msg_pace news;
	struct msg_pace shares[MSG_REPAIR_SHARES];
	struct msg_pace *share; /* That paid for the last repair, or NULL. */
	/* The report being worked on. */
	struct msg_report report;
	uint64_t base;     /* Its base, 64 bits. */
	uint64_t heard;    /* Its heard, 64 bits. */
	uint32_t bit;      /* Next to look at; report.count: done. */
	bool say_join;
	bool say_gone;
	bool said_gone;
	struct msg_repair_counts counts;
};

enum msg_repair_kind {
	MSG_REPAIR_NOTHING,
	MSG_REPAIR_UNICAST,   /* Send `frame` again to the report's sender. */
	MSG_REPAIR_MULTICAST, /* Send `frame` again to all. */
	MSG_REPAIR_ANSWER,    /* Send a probe to the report's sender. */
	MSG_REPAIR_PROBE,     /* Send a probe to all. */
};

/* What to do.  Where it cannot be done (a queue is full), leave it: that is
 * one loss more, and is noticed as such.
 *
 * A probe says next, first and serial as they are in struct msg_repair, and
 * first_sequence, which the caller knows.  An ANSWER with the flag JOIN says
 * where who sent the report begins instead: `first` is the newest frame that
 * begins with the first part of a message and has report->history messages or
 * more from there to the end (0 of them: `next`); if there is none in the
 * history, the oldest that begins so.  first_sequence is the first message in
 * it; next and serial are as ever.  What comes after is live and repair. */
struct msg_repair_action {
	enum msg_repair_kind kind;
	uint8_t flags;   /* Of the probe: ASK, CROWD, JOIN; add your own. */
	uint32_t serial; /* For the repair's header. */
	uint64_t frame;
	uint64_t stamp;  /* For the probe: this, or an echo is not believed. */
};

/* `records` stay the caller's: options->history of them, zeroed. */
void msg_repair_start(struct msg_repair *repair,
	const struct msg_repair_options *options,
	struct msg_repair_record *records);

/* Frame repair->next was sent.  If history is full, the oldest is forgotten.
 * The time of it is when msg_repair_due looks next: soon, please. */
static inline void msg_repair_sent(struct msg_repair *repair, uint32_t bytes)
{
	repair->next++;
	if (repair->next - repair->first > repair->history)
		repair->first = repair->next - repair->history;
	repair->last_bytes = bytes;
	repair->deadline = 0;
}

/* Repairs leave by something that takes no more than the other end does: they are not
 * paced, and never put off. */
void msg_repair_unpaced(struct msg_repair *repair);

/* Frames below `first` can no longer be had. */
void msg_repair_forget(struct msg_repair *repair, uint64_t first);

/* A report came (already checked by msg_report_read).  False: not believed.
 * Then call msg_repair_next until NOTHING; only then the next report (else the
 * rest of this one is dropped).  Of a report with the flag JOIN, and of one with
 * LEAVING, frames and bits are not looked at: its sender has no place in the
 * stream. */
bool msg_repair_report(struct msg_repair *repair,
	const struct msg_report *report, uint64_t now);
void msg_repair_next(struct msg_repair *repair, uint64_t now,
	struct msg_repair_action *action);

/* The repair just told of has so many bytes. */
void msg_repair_had(struct msg_repair *repair, uint32_t bytes);

/* What is due by now without any report; NOTHING mostly.  Worth a call when
 * repair->deadline has come, and one action is all there is at a time. */
void msg_repair_due(struct msg_repair *repair, uint64_t now,
	struct msg_repair_action *action);

#endif
