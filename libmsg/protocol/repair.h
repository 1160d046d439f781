/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repair.h - a publisher's half of repair: whom to send what again, when to probe.
 *
 * The publisher keeps the last frames it sent (where is the caller's affair:
 * here they are numbers).  A report asks for some of them.  The first two who
 * miss a frame get it unicast, the third in the same round starts one multicast
 * for all.
 *
 * The echo rule, instead of timers that ignore: a report tells the highest frame
 * and the highest repair its sender has heard of.  Who asks again for a frame
 * that was repaired for him is answered only if he has heard something sent after
 * that repair: then the repair is lost, else it is on its way.  So repairs are no
 * more than losses, whatever the round trip is.
 *
 * The tail: nothing follows the last frame of a burst, so nobody would notice
 * that it is missing.  A probe follows after max(10 us, round trip), then after
 * four times that, and so on up to the heartbeat's period.  A last frame that is
 * small is sent again in place of the first probe: it heals what it tells of.
 *
 *     sent ─> …                     one more frame; moves the probe's time
 *     report ─> action, action, …   send again, or say what is gone
 *     due ─> action                 probe, or the last frame again
 *     forget                        the oldest frames are no more
 *
 * Storms.  Repairs are paid from a token bucket (pace.h), and a report from one
 * receiver no more often than the bucket of its own allows; what is not
 * answered is asked for again.  Past MSG_REPAIR_CROWD receivers asking within a
 * second all are told to back off, and repairs are multicast.
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
#define MSG_REPAIR_CROWD 1000u
/* A last frame of at most this many bytes is sent again instead of a probe. */
#define MSG_REPAIR_TAIL_BYTES 512u
#define MSG_REPAIR_UNICASTS 2u

/* What is known of one frame in the history. */
struct msg_repair_record {
	uint32_t serial; /* Of its last repair, … */
	uint32_t next;   /* … and the frames that had been sent by then. */
	uint32_t asked[MSG_REPAIR_UNICASTS]; /* Receivers, low halves. */
	uint8_t asked_count; /* This round; 0: never repaired. */
	bool multicast;      /* This round. */
};

struct msg_repair_options {
	uint32_t history;       /* Frames kept at most; a power of two. */
	uint64_t first_frame;   /* 0 but in tests of the wrap. */
	uint64_t heartbeat_ns;  /* Longest pause between probes. */
	uint64_t rtt_ns;        /* To begin with. */
	uint64_t repair_frames; /* A second, at most; 0: no limit. */
	uint32_t burst;         /* Frames that may be repaired at once. */
};

struct msg_repair_counts {
	uint64_t reports;
	uint64_t naks;
	uint64_t asked;      /* Frames. */
	uint64_t unicasts;   /* Repairs sent. */
	uint64_t multicasts;
	uint64_t early;      /* Not repaired: a repair is on its way. */
	uint64_t throttled;  /* Not repaired: too many at once. */
	uint64_t gone;       /* Frames asked for that are no more. */
	uint64_t unbelieved; /* Reports about frames never sent. */
	uint64_t probes;
};

struct msg_repair {
	struct msg_repair_options options;
	struct msg_repair_record *records; /* By frame & (history - 1). */
	uint64_t first;    /* Oldest frame that can be had. */
	uint64_t next;     /* Frames sent. */
	uint32_t serial;   /* Repairs sent. */
	uint32_t last_bytes; /* Of the last frame. */
	uint64_t rtt_ns;   /* Longest heard of lately. */
	uint64_t probe_ns; /* Interval of the next probe. */
	uint64_t deadline; /* When due() has something; UINT64_MAX: never. */
	bool tail;         /* The last frame has not been sent again yet. */
	bool crowd;
	uint64_t crowd_ns; /* The second being counted, … */
	uint32_t crowd_count; /* … and reports with gaps in it. */
	struct msg_pace pace;
	/* The report being worked on. */
	struct msg_report report;
	uint64_t base;     /* Its base, 64 bits. */
	uint64_t heard;    /* Its heard, 64 bits. */
	uint32_t bit;      /* Next to look at; report.count: done. */
	bool say_gone;
	struct msg_repair_counts counts;
};

enum msg_repair_kind {
	MSG_REPAIR_NOTHING,
	MSG_REPAIR_UNICAST,   /* Send `frame` again to the report's sender. */
	MSG_REPAIR_MULTICAST, /* Send `frame` again to all. */
	MSG_REPAIR_ANSWER,    /* Send a probe to the report's sender. */
	MSG_REPAIR_PROBE,     /* Send a probe to all. */
};

struct msg_repair_action {
	enum msg_repair_kind kind;
	uint64_t frame;
	uint32_t serial; /* For the repair's header. */
	uint8_t flags;   /* Of the probe: enum msg_probe_flag, CROWD and JOIN. */
};

/* `records` stay the caller's: options->history of them, zeroed. */
void msg_repair_start(struct msg_repair *repair,
	const struct msg_repair_options *options,
	struct msg_repair_record *records);

/* Frame repair->next was sent.  Its record begins anew; if history is full, the
 * oldest is forgotten. */
static inline void msg_repair_sent(
	struct msg_repair *repair, uint32_t bytes, uint64_t now)
{
	repair->records[repair->next & (repair->options.history - 1)]
		.asked_count = 0;
	repair->next++;
	if (repair->next - repair->first > repair->options.history)
		repair->first = repair->next - repair->options.history;
	repair->last_bytes = bytes;
	repair->tail = true;
	repair->probe_ns = repair->rtt_ns > MSG_REPAIR_PROBE_MIN_NS
				   ? repair->rtt_ns
				   : MSG_REPAIR_PROBE_MIN_NS;
	repair->deadline = now + repair->probe_ns;
}

/* Frames below `first` can no longer be had. */
void msg_repair_forget(struct msg_repair *repair, uint64_t first);

/* A report came (already checked by msg_report_read).  False: not believed.
 * Then call msg_repair_next until NOTHING; only then the next report. */
bool msg_repair_report(struct msg_repair *repair,
	const struct msg_report *report, uint64_t now);
void msg_repair_next(struct msg_repair *repair, uint64_t now,
	struct msg_repair_action *action);

/* What is due by now without any report; NOTHING mostly. */
void msg_repair_due(struct msg_repair *repair, uint64_t now,
	struct msg_repair_action *action);

#endif
