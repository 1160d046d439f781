/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scenario.h - what a run is a story of: a kind of trouble, and its numbers.
 *
 * The kind is named, or the seed picks one; the numbers are the seed's.
 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "publisher.h"
#include "receiver.h"

enum cut_kind {
	CUT_BOTH,    /* Nothing passes. */
	CUT_DATA,    /* To the receiver nothing. */
	CUT_REPORTS, /* To the publisher nothing. */
};

/* So many times, each up to so long. */
struct trouble {
	uint32_t count;
	uint64_t ns_max;
};

struct scenario {
	const char *name;
	uint32_t publishers, receivers;
	struct publisher_options publisher;
	struct receiver_options receiver;
	struct net_faults out;   /* Publishers to receivers. */
	struct net_faults back;
	uint32_t up_loss;
	uint32_t refuse;
	uint64_t up_bits;
	uint64_t duration_ns;    /* Troubles begin within it. */
	enum cut_kind cut_kind;
	struct trouble cuts, clogs, stalls, refusals;
	/* Down for so long. */
	struct trouble publisher_crashes, receiver_crashes;
	uint32_t late;           /* Receivers that come while it runs. */
	/* One of the receivers is unlike the others. */
	bool odd;
	uint32_t odd_loss;
	uint64_t odd_service_ns;
	bool odd_tagged;
	bool tagged;             /* The others are. */
	uint32_t forged;         /* Packets of the stranger. */
	bool frugal;             /* Repairs are no more than losses. */
	/* The odd one may lose, and need not be complete. */
	bool odd_may_lose;
};

/* Named, or NULL: the dice choose.  False: no such name. */
bool scenario_make(struct scenario *scenario, const char *name,
	struct world *world, uint64_t messages);

/* All of them, a line each. */
void scenario_list(void);
uint32_t scenario_count(void);
const char *scenario_name(uint32_t index);

#endif
