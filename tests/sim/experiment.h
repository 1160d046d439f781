/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * experiment.h - a steady world to measure in: one publisher, some receivers
 * over equal links, one thing that is varied.
 */
#ifndef SIM_EXPERIMENT_H
#define SIM_EXPERIMENT_H

#include "publisher.h"
#include "receiver.h"

#define EXPERIMENT_RECEIVERS_MAX 16u

struct experiment {
	uint64_t seed;
	uint32_t receivers;
	uint32_t loss;        /* Both ways, in a million. */
	uint64_t delay_ns;    /* One way. */
	uint64_t messages;
	uint32_t bytes;       /* Of each, and a frame of its own. */
	uint32_t burst;
	uint64_t interval_ns; /* Between bursts. */
	uint64_t up_bits;
	uint32_t window;
	uint32_t history;     /* Frames. */
	enum msg_flow_policy policy;
	uint32_t k;
	/* One apart from the others: the first receiver, if one is not 0. */
	uint64_t slow_ns;     /* Its time for a frame. */
	uint32_t cry_loss;    /* Its loss. */
	uint64_t give_up_ns;
};

struct experiment_result {
	/* Ascending; of all receivers but the one apart. */
	uint64_t *latencies;  /* From the application to the application. */
	uint64_t latency_count;
	uint64_t *repairs;    /* Of repaired ones: what the loss cost. */
	uint64_t repair_count;
	double seconds;       /* Until all was there. */
	double published_s;   /* Until all had been sent once. */
	double goodput;       /* Payload bits a second, one receiver. */
	uint64_t lost, apart_delivered, apart_lost;
	uint64_t repairs_sent, reports;
	double blocked;       /* Share of the time. */
	bool failed;
};

extern const struct experiment experiment_defaults;

void experiment_play(const struct experiment *experiment,
	struct experiment_result *result);
void experiment_end(struct experiment_result *result);

/* 0.999 of `count` ascending values are not above this. */
uint64_t quantile(const uint64_t *values, uint64_t count, double share);

/* The 64-bit values in ascending order. */
void ascend(uint64_t *values, uint64_t count);

#endif
