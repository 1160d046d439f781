/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mutants.c - can the oracle fail?  See mutants.h.
 *
 * Each of them must be noticed, and by the check that is meant for it, within a
 * few seeds; and the same seed without it must pass.
 */
#include "mutants.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SEEDS 20u

static const struct {
	enum mutant mutant;
	const char *scenario;
	const char *what;
	const char *complaint; /* Words of it. */
	uint32_t forged;
} mutants[] = {
	{MUTANT_DROP_REPAIR, "loss", "repairs are thrown away",
		"still waits", 0},
	{MUTANT_NO_NAK, "loss", "nothing is asked for", "still waits", 0},
	{MUTANT_TWICE, "calm", "a message twice", "was due", 0},
	{MUTANT_HIDE_LOSS, "beyond", "losses are not told", "was due", 0},
	{MUTANT_INVENT_LOSS, "loss", "a loss that is none",
		"when nothing may be", 0},
	{MUTANT_WRONG_BYTE, "calm", "a wrong byte", "is not what was", 0},
	{MUTANT_NO_ECHO, "loss", "repairs whenever asked", "repairs for", 0},
	{MUTANT_NO_PROBE, "tail", "silence behind a burst", "still waits", 0},
	{MUTANT_HOARD, "beyond", "history without bounds", "may keep",
		0},
	{MUTANT_NO_LIMIT, "hostile", "repairs without a bucket", "and may",
		30000},
};

static bool find(const struct play_settings *settings, uint32_t index)
{
	struct play_settings play = *settings;
	struct play_result result;

	play.scenario = mutants[index].scenario;
	play.forged = mutants[index].forged;
	for (uint32_t i = 0; i < SEEDS; i++, play.seed++) {
		play.mutant = mutants[index].mutant;
		play_seed(&play, &result);
		if (!result.failed ||
			!strstr(result.failure, mutants[index].complaint))
			continue;
		printf("found: %s: seed %" PRIu64 " (%s): %s\n",
			mutants[index].what, play.seed, play.scenario,
			result.failure);
		play.mutant = MUTANT_NONE;
		play_seed(&play, &result);
		if (!result.failed)
			return true;
		printf("FAILED: and without it: %s\n", result.failure);
		return false;
	}
	printf("FAILED: not found in %u seeds: %s (%s)\n", SEEDS,
		mutants[index].what, mutants[index].scenario);
	return false;
}

int find_mutants(const struct play_settings *settings)
{
	uint32_t count = sizeof mutants / sizeof mutants[0], found = 0;

	for (uint32_t i = 0; i < count; i++)
		found += find(settings, i);
	printf("%" PRIu32 " of %" PRIu32 " found\n", found, count);
	return found != count;
}
