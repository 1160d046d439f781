/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cohort.h - receivers that saw the same share a state, and are split when they
 * see different things; see crowd.h.
 */
#ifndef SIM_COHORT_H
#define SIM_COHORT_H

#include "crowd.h"
#include "publisher.h"
#include "receiver.h"

/* The receiver comes first, so that it names its cohort. */
struct cohort {
	struct receiver receiver;
	uint32_t *members;
	uint32_t count;
	struct packet *said[8]; /* Reports of this turn. */
	uint32_t said_count;
};

struct crowd {
	struct world world;
	struct net net;
	struct publisher publisher;
	struct crowd_settings settings;
	struct crowd_result *result;
	struct cohort **cohorts;
	uint32_t cohort_count;
	struct cohort **of;    /* By member, 1 to receivers. */
	uint32_t *place;       /* In the list of its cohort. */
	uint64_t in_free_at;   /* The publisher's link, inwards. */
	uint32_t lost_frames;
};

uint64_t cohort_name(const struct crowd *crowd, uint32_t member);
struct cohort *cohort_new(struct crowd *crowd);

/* Those of [low, high) leave the cohort, into one of their own. */
struct cohort *cohort_split(struct crowd *crowd, struct cohort *cohort,
	uint32_t low, uint32_t high);

/* How many of [low, high) are in it. */
uint32_t cohort_count_in(const struct crowd *crowd,
	const struct cohort *cohort, uint32_t low, uint32_t high);

/* A packet arrives at all members, or (NULL) their time has come. */
void cohort_turn(
	struct crowd *crowd, struct cohort *cohort, struct packet *packet);

/* For receiver_options. */
void cohort_send(void *crowd, struct receiver *receiver,
	struct packet *packet, const struct msg_reach *to);
void cohort_plan(void *crowd, struct receiver *receiver, uint64_t at);

#endif
