/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * world.h - a clock that nobody waits for, and what happens when.
 *
 * One run is one world.  Events are taken in the order of their time, and of
 * two at the same time the one that was planned first; dice come from streams
 * that hang on the seed and on nothing else, one for each purpose, so that a
 * fault more does not change the traffic.  Therefore a seed is a run: each note
 * (what happened, to whom, which numbers) goes into a hash, and two runs of a
 * seed that differ in one byte anywhere end with different hashes.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

#define MICROSECOND UINT64_C(1000)
#define MILLISECOND UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define NEVER UINT64_MAX

enum world_dice {
	DICE_SCENARIO, /* What the seed is a story of. */
	DICE_TRAFFIC,  /* When, how much, how large. */
	DICE_NET,      /* Loss, order, delay. */
	DICE_FAULTS,   /* When what breaks. */
	DICE_NAMES,    /* Ids of receivers, incarnations. */
	DICE_HOSTILE,  /* What the stranger does. */
	DICE_COUNT,
};

enum world_note {
	NOTE_SENT,      /* frame, serial */
	NOTE_ARRIVED,   /* type | flags << 8, transmission */
	NOTE_DROPPED,   /* reason, bytes */
	NOTE_DELIVERED, /* sequence, bytes */
	NOTE_LOST,      /* expected sequence, messages */
	NOTE_REPORT,    /* position, missing frames */
	NOTE_REPAIR,    /* frame, serial */
	NOTE_PROBE,     /* next, flags */
	NOTE_REFUSED,   /* by the transport */
	NOTE_CRASH,
	NOTE_START,     /* incarnation */
	NOTE_FAULT,     /* kind, until */
	NOTE_FORGED,    /* kind */
	NOTE_COUNT,
};

struct world;
typedef void (*world_run)(
	struct world *world, void *object, void *detail, uint64_t number);

struct world_event {
	uint64_t at;
	uint64_t order;
	world_run run;
	void *object;
	void *detail;
	uint64_t number;
};

struct world {
	uint64_t now;
	uint64_t order;
	uint64_t hash;
	uint64_t events;
	struct world_event *heap;
	size_t count, room;
	struct random_stream dice[DICE_COUNT];
	bool trace;
	bool failed;
	char failure[256];
};

void world_start(struct world *world, uint64_t seed, bool trace);
void world_end(struct world *world);

/* Plan something; at the earliest now. */
void world_at(struct world *world, uint64_t at, world_run run, void *object,
	void *detail, uint64_t number);

/* Do what comes next, unless it is later than `until`: then the clock is
 * `until`, and false. */
bool world_step(struct world *world, uint64_t until);

void world_note(struct world *world, enum world_note note, uint32_t who,
	uint64_t a, uint64_t b);

/* What must not be.  The first one is kept. */
__attribute__((format(printf, 2, 3))) void world_fail(
	struct world *world, const char *format, ...);

static inline uint64_t world_below(
	struct world *world, enum world_dice dice, uint64_t limit)
{
	return random_below(&world->dice[dice], limit);
}

/* low to high, both included. */
static inline uint64_t world_between(struct world *world, enum world_dice dice,
	uint64_t low, uint64_t high)
{
	return low + world_below(world, dice, high - low + 1);
}

/* True so many times in a million. */
static inline bool world_chance(
	struct world *world, enum world_dice dice, uint32_t per_million)
{
	return per_million != 0 &&
	       world_below(world, dice, 1000000) < per_million;
}

#endif
