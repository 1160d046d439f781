/* SPDX-License-Identifier: BSD-2-Clause */
/* neighbours.c - what one receiver costs the others; see neighbours.h. */
#include "neighbours.h"

#include <inttypes.h>
#include <stdio.h>

#include "experiment.h"

#define SHARE_MAX 1.10

struct one_apart {
	const char *name;
	enum msg_flow_policy policy;
	uint32_t cry_loss;
	uint64_t slow_ns;
};

/* It loses 40 %, or takes 40,000 of 100,000 messages a second. */
static const struct one_apart cases[] = {
	{"none, one loses", MSG_FLOW_POLICY_NONE, 400000, 0},
	{"tagged, one loses", MSG_FLOW_POLICY_TAGGED, 400000, 0},
	{"7-of-8, one loses", MSG_FLOW_POLICY_K_OF_N, 400000, 0},
	{"none, one is slow", MSG_FLOW_POLICY_NONE, 0, 25 * MICROSECOND},
	{"tagged, one is slow", MSG_FLOW_POLICY_TAGGED, 0, 25 * MICROSECOND},
	{"7-of-8, one is slow", MSG_FLOW_POLICY_K_OF_N, 0, 25 * MICROSECOND},
};

static struct experiment of(const struct one_apart *apart, uint64_t seed,
	uint64_t messages)
{
	struct experiment e = experiment_defaults;

	e.seed = seed;
	e.receivers = 8;
	e.messages = messages;
	e.loss = 10000;
	e.history = 4096;
	e.give_up_ns = SECOND;
	e.policy = apart->policy;
	e.k = 7;
	return e;
}

static uint64_t p99(const struct experiment_result *r)
{
	return quantile(r->latencies, r->latency_count, 0.99);
}

static int play_case(
	const struct one_apart *apart, uint64_t seed, uint64_t messages)
{
	struct experiment e = of(apart, seed, messages);
	struct experiment_result alike, r;
	double share;
	int hurt;

	experiment_play(&e, &alike);
	e.cry_loss = apart->cry_loss;
	e.slow_ns = apart->slow_ns;
	experiment_play(&e, &r);
	share = (double)p99(&r) / (double)p99(&alike);
	hurt = alike.failed || r.failed || r.lost > 0 || share > SHARE_MAX;
	printf("%s%s: p99 of the others %.1f us, %.3f of %.1f; they lost %" PRIu64
	       ", it got %" PRIu64 " and lost %" PRIu64 "\n",
		hurt ? "FAILED: " : "", apart->name, (double)p99(&r) / 1e3,
		share, (double)p99(&alike) / 1e3, r.lost, r.apart_delivered,
		r.apart_lost);
	experiment_end(&alike);
	experiment_end(&r);
	return hurt;
}

int neighbours_play(uint64_t seed, uint64_t messages)
{
	int hurt = 0;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		hurt |= play_case(&cases[i], seed, messages);
	return hurt;
}
