/* SPDX-License-Identifier: BSD-2-Clause */
/* models.c - peers' published default timers; see models.h. */
#include "models.h"

#include <math.h>
#include <stdlib.h>

#include "experiment.h"

const char *const model_names[MODEL_COUNT] = {
	[MODEL_AERON] = "model of Aeron's multicast default",
	[MODEL_NORM] = "model of NORM's default",
	[MODEL_PGM] = "model of PGM's examples",
};

static double unit(struct random_stream *random)
{
	return (double)(random_next(random) >> 11) / 9007199254740992.0;
}

/* RFC 5401, 4.2: density rising as exp(lambda t / T) up to T. */
static double truncated_exponential(
	struct random_stream *random, double longest, double group)
{
	double lambda = log(group) + 1;

	return longest / lambda * log(unit(random) * (exp(lambda) - 1) + 1);
}

double model_wait_ns(enum model model, struct random_stream *random)
{
	switch (model) {
	case MODEL_AERON:
		return truncated_exponential(random, 10e6, 10);
	case MODEL_NORM:
		return truncated_exponential(random, 4e6, 1000);
	default:
		return unit(random) * 50e6;
	}
}

double model_repair_ns(enum model model, struct random_stream *random,
	double interval_ns, double rtt_ns, double loss)
{
	double ns = interval_ns;

	while (unit(random) < loss)
		ns += interval_ns; /* So were those behind it. */
	do
		ns += model_wait_ns(model, random) + rtt_ns;
	while (unit(random) >= (1 - loss) * (1 - loss));
	return ns;
}

double model_naks(enum model model, struct random_stream *random,
	uint32_t receivers, double rtt_ns)
{
	double *waits = malloc(receivers * sizeof *waits), first = INFINITY;
	double heard = model == MODEL_PGM ? rtt_ns : rtt_ns / 2;
	uint32_t count = 0;

	if (!waits)
		abort();
	for (uint32_t i = 0; i < receivers; i++) {
		waits[i] = model_wait_ns(model, random);
		if (waits[i] < first)
			first = waits[i];
	}
	for (uint32_t i = 0; i < receivers; i++)
		count += waits[i] <= first + heard;
	free(waits);
	return count;
}

double model_latency_ns(enum model model, struct random_stream *random,
	uint64_t messages, double interval_ns, double rtt_ns, double loss,
	double share)
{
	uint64_t *late = malloc(messages * sizeof *late);
	double ready = 0, result;

	if (!late)
		abort();
	for (uint64_t i = 0; i < messages; i++) {
		double sent = (double)i * interval_ns;
		double here = sent + rtt_ns / 2;

		if (unit(random) < loss)
			here += model_repair_ns(
				model, random, interval_ns, rtt_ns, loss);
		if (here > ready)
			ready = here;
		late[i] = (uint64_t)(ready - sent);
	}
	ascend(late, messages);
	result = (double)quantile(late, messages, share);
	free(late);
	return result;
}
