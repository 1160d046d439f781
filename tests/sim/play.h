/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * play.h - one seed played to its end, and judged.
 *
 * Nodes: publishers, then receivers, then the stranger.  A run is over when
 * the troubles are, all was published, and every receiver that lives has all
 * of every publisher that lives; that this comes to pass in good time is a
 * thing the oracle asks for.  Then half a second more, for what must not come.
 */
#ifndef SIM_PLAY_H
#define SIM_PLAY_H

#include "scenario.h"

#define PLAY_LIVES_MAX 40u

struct play_settings {
	uint64_t seed;
	const char *scenario; /* NULL: the seed's. */
	uint64_t messages;
	uint32_t forged;      /* In place of the scenario's; 0: as it says. */
	bool trace;
	enum mutant mutant;
};

struct play {
	struct world world;
	struct net net;
	struct scenario scenario;
	struct play_settings settings;
	/* Incarnations, those that live and those that do not any more. */
	struct publisher *publishers[PLAY_LIVES_MAX];
	struct receiver *receivers[PLAY_LIVES_MAX];
	uint32_t publisher_count, receiver_count;
	struct publisher *alive_publisher[NET_NODES_MAX]; /* By node. */
	struct receiver *alive_receiver[NET_NODES_MAX];
	uint32_t troubles;    /* Planned, and not over. */
	uint64_t done_ns;
	uint64_t forged;
};

struct play_result {
	bool failed;
	char failure[256];
	const char *scenario;
	uint64_t hash, events, virtual_ns;
	uint64_t published, delivered, lost, repairs, losses, reports, forged;
};

/* False: no such scenario. */
bool play_seed(
	const struct play_settings *settings, struct play_result *result);

/* Parts of it. */
void play_publisher(struct play *play, uint32_t node);
void play_receiver(struct play *play, uint32_t node);
void play_troubles(struct play *play);
void play_hostile(struct play *play);
void play_judge(struct play *play, struct play_result *result);

#endif
