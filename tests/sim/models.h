/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * models.h - peers' published default timers, as models, for the pictures.
 *
 * These are not their programs: only the time from a gap to the question is
 * theirs, drawn from the distribution that their documents give as the default;
 * all else is as favourable as it can be (a repair takes one round trip, a
 * question for each gap at once, retries draw the same time).
 *
 *     Aeron   multicast: truncated exponential (RFC 5401) up to 10 ms, for a
 *             group of 10
 *     NORM    RFC 5740: the same up to 4 x GRTT, GRTT being 1 ms at least, for
 *             a group of 1000
 *     PGM     RFC 3208, as its examples are configured: uniform up to 50 ms
 */
#ifndef SIM_MODELS_H
#define SIM_MODELS_H

#include "random.h"

enum model {
	MODEL_AERON,
	MODEL_NORM,
	MODEL_PGM,
	MODEL_COUNT,
};

extern const char *const model_names[MODEL_COUNT];

/* From a gap to the question, ns. */
double model_wait_ns(enum model model, struct random_stream *random);

/* What one loss costs: until the repair is there, ns.  `interval_ns` to the
 * next frame, which shows the gap; both ways lose `loss`. */
double model_repair_ns(enum model model, struct random_stream *random,
	double interval_ns, double rtt_ns, double loss);

/* Questions asked by `receivers` that all miss the same frame: each asks unless
 * another's question (Aeron, NORM: multicast) or its confirmation (PGM) came
 * before. */
double model_naks(enum model model, struct random_stream *random,
	uint32_t receivers, double rtt_ns);

/* The share of latencies, in order, of a stream at `interval_ns`; ns. */
double model_latency_ns(enum model model, struct random_stream *random,
	uint64_t messages, double interval_ns, double rtt_ns, double loss,
	double share);

#endif
