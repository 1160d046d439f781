/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crowd.h - one publisher and up to 100 000 receivers, by cohort execution.
 *
 * Receivers that have seen exactly the same things are in the same state, so
 * they share one: a cohort is that state and the list of its members.  What a
 * member alone sees (a packet that it alone lost, a repair for it alone, its
 * own dice) makes a copy of the state, and the cohort is split.  Each member is
 * a receiver of its own for the publisher all the same: a cohort's report is as
 * many reports as it has members, each with its name.
 *
 * Exact, and not a model: the result is that of as many receivers, which
 * --crowd plays one by one, too, and compares.  For that, no link has dice of
 * its own here; the delay is the same for all.
 */
#ifndef SIM_CROWD_H
#define SIM_CROWD_H

#include <stdbool.h>
#include <stdint.h>

enum crowd_loss {
	CROWD_LONE,       /* One receiver misses the frame. */
	CROWD_RACK,       /* 40 neighbours do. */
	CROWD_EVERYWHERE, /* All do. */
};

#define CROWD_RACK_HOSTS 40u

struct crowd_settings {
	uint64_t seed;
	uint32_t receivers;
	enum crowd_loss loss;
	uint32_t frames;
	uint32_t lose_every;  /* Frames from one lost to the next. */
	uint64_t interval_ns; /* Between frames. */
	uint64_t delay_ns;    /* One way. */
	uint64_t in_bits;     /* Speed of the publisher's link, inwards, … */
	uint64_t in_queue;    /* … and what may wait for it, bytes. */
	bool apart;           /* Each a cohort of its own: to compare. */
};

struct crowd_result {
	bool failed;
	char failure[256];
	uint32_t losses;       /* Frames that somebody lost. */
	uint64_t lost_copies;  /* How many lost them, in all. */
	uint64_t naks;         /* Reports that ask for something. */
	uint64_t naks_first;   /* Those before the second loss. */
	uint64_t naks_dropped; /* Did not fit into the publisher's queue. */
	uint64_t repairs, unicasts, multicasts;
	uint64_t worst_ns;     /* From a frame's arrival to its repair's. */
	uint32_t cohorts;      /* In the end. */
	uint64_t events;
	uint64_t hash;
};

/* 200 frames, each tenth lost, a link of 10 Gb/s, 20 us there and back. */
extern const struct crowd_settings crowd_defaults;

void crowd_play(
	const struct crowd_settings *settings, struct crowd_result *result);

#endif
