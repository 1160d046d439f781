/* SPDX-License-Identifier: BSD-2-Clause */
/* main.c - the program msg_sim; its help says what it does. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"
#include "figures.h"
#include "mutants.h"
#include "neighbours.h"
#include "play.h"

/* So many are played one by one, too, to compare.  In a crowd the two may differ
 * by a few: which of the reports of one instant comes first is another. */
#define APART_MAX 1000u

static const char help[] =
	"usage: msg_sim [OPTION...]\n"
	"\n"
	"Play publishers and receivers with the protocol of libmsg over a\n"
	"network that the seed makes, and check every message.\n"
	"\n"
	"  --seed N          this one (1); prints what happened\n"
	"  --seeds N         as many, from --seed on; stops at the first that\n"
	"                    fails, and says how to play it again\n"
	"  --scenario NAME   this kind of trouble; by default the seed's\n"
	"  --list            the kinds\n"
	"  --messages N      of each publisher, more or less (2000)\n"
	"  --forged N        packets of a stranger\n"
	"  --crowd N         N receivers of one publisher, by cohorts\n"
	"  --neighbours      what one bad receiver of eight costs the others\n"
	"  --figures FOLDER  tables, and pictures where there is gnuplot\n"
	"  --trace           a line for each thing that happens\n"
	"  --twice           each seed twice: both must be the same\n"
	"  --mutant NUMBER   with the protocol made worse in this way\n"
	"  --mutants         each way to be worse must be found\n"
	"\n"
	"Exit status: 0; 1 when a seed failed; 2 for wrong usage.\n";

struct settings {
	struct play_settings play;
	uint64_t seeds;
	bool many, twice, mutants, neighbours;
	uint32_t crowd;
	const char *figures;
};

static uint64_t number(int argc, char **argv, int *i)
{
	char *end;
	uint64_t value;

	if (++*i >= argc)
		goto wrong;
	value = strtoull(argv[*i], &end, 0);
	if (*end == '\0' && end != argv[*i])
		return value;
wrong:
	fputs(help, stderr);
	exit(2);
}

static void print_result(
	uint64_t seed, const struct play_result *result)
{
	printf("seed %" PRIu64 " %s: %" PRIu64 " published, %" PRIu64
	       " delivered, %" PRIu64 " lost, %" PRIu64 " repairs for %" PRIu64
	       " losses, %" PRIu64 " reports, %" PRIu64 " forged, %" PRIu64
	       " events, %.3f s, trace %016" PRIx64 "\n",
		seed, result->scenario, result->published, result->delivered,
		result->lost, result->repairs, result->losses, result->reports,
		result->forged, result->events,
		(double)result->virtual_ns / 1e9, result->hash);
}

static void print_failure(const struct settings *settings, uint64_t seed,
	const struct play_result *result)
{
	const struct play_settings *play = &settings->play;

	printf("FAILED: seed %" PRIu64 " (%s): %s\n  play it again: msg_sim"
	       " --seed %" PRIu64 " --messages %" PRIu64,
		seed, result->scenario, result->failure, seed, play->messages);
	if (play->scenario)
		printf(" --scenario %s", play->scenario);
	if (play->forged)
		printf(" --forged %" PRIu32, play->forged);
	if (play->mutant)
		printf(" --mutant %d", (int)play->mutant);
	puts(" --trace");
}

static bool play_one(const struct settings *settings, uint64_t seed,
	struct play_result *result)
{
	struct play_settings play = settings->play;
	struct play_result again;

	play.seed = seed;
	if (!play_seed(&play, result)) {
		fprintf(stderr, "msg_sim: no scenario \"%s\"; see --list\n",
			play.scenario);
		exit(2);
	}
	if (settings->twice) {
		play_seed(&play, &again);
		if (again.hash != result->hash && !result->failed) {
			result->failed = true;
			snprintf(result->failure, sizeof result->failure,
				"twice the same seed, two stories:"
				" %016" PRIx64 " and %016" PRIx64,
				result->hash, again.hash);
		}
	}
	if (!settings->many)
		print_result(seed, result);
	if (result->failed)
		print_failure(settings, seed, result);
	return !result->failed;
}

static int play_many(const struct settings *settings)
{
	struct play_result result;
	uint64_t delivered = 0, lost = 0, repairs = 0, forged = 0;
	double virtual_s = 0;

	for (uint64_t i = 0; i < settings->seeds; i++) {
		if (!play_one(settings, settings->play.seed + i, &result))
			return 1;
		delivered += result.delivered;
		lost += result.lost;
		repairs += result.repairs;
		forged += result.forged;
		virtual_s += (double)result.virtual_ns / 1e9;
	}
	if (settings->many)
		printf("%" PRIu64 " seeds from %" PRIu64 " on: %" PRIu64
		       " messages delivered, %" PRIu64 " named as lost, %" PRIu64
		       " repairs, %" PRIu64 " forged packets, %.0f s of their"
		       " time\n",
			settings->seeds, settings->play.seed, delivered, lost,
			repairs, forged, virtual_s);
	return 0;
}

/* More than a crowd back off at the first loss that they share, too. */
static bool is_quiet(
	const struct crowd_settings *crowd, const struct crowd_result *result)
{
	return crowd->loss != CROWD_EVERYWHERE ||
	       crowd->receivers < 2 * MSG_REPAIR_CROWD ||
	       result->naks_first < crowd->receivers / 4;
}

/* By cohorts or one by one, the receivers do the same. */
static bool is_same(
	const struct crowd_result *a, const struct crowd_result *b)
{
	return a->naks == b->naks && a->unicasts == b->unicasts &&
	       a->multicasts == b->multicasts && a->worst_ns == b->worst_ns &&
	       a->naks_dropped == b->naks_dropped;
}

static bool check_apart(
	struct crowd_settings crowd, const struct crowd_result *result)
{
	struct crowd_result apart;

	if (crowd.receivers > APART_MAX)
		return true;
	crowd.apart = true;
	crowd_play(&crowd, &apart);
	if (!apart.failed && is_same(result, &apart))
		return true;
	printf("FAILED: one by one there are %" PRIu64 " naks, %" PRIu64
	       " repairs, worst %.1f us %s\n",
		apart.naks, apart.repairs, (double)apart.worst_ns / 1e3,
		apart.failure);
	return false;
}

static int play_crowd(const struct settings *settings)
{
	static const char *const names[] = {"lone", "rack", "everywhere"};
	int failed = 0;

	for (int loss = CROWD_LONE; loss <= CROWD_EVERYWHERE; loss++) {
		struct crowd_settings crowd = crowd_defaults;
		struct crowd_result result;

		crowd.seed = settings->play.seed;
		crowd.receivers = settings->crowd;
		crowd.loss = (enum crowd_loss)loss;
		crowd_play(&crowd, &result);
		printf("%" PRIu32 " receivers, %" PRIu32 " losses %s, %" PRIu64
		       " copies: %" PRIu64 " naks (%" PRIu64
		       " of the first), %" PRIu64 " dropped, %" PRIu64
		       " repairs, worst %.1f us, %" PRIu32 " cohorts, trace"
		       " %016" PRIx64 "\n",
			crowd.receivers, result.losses, names[loss],
			result.lost_copies, result.naks, result.naks_first,
			result.naks_dropped, result.repairs,
			(double)result.worst_ns / 1e3, result.cohorts,
			result.hash);
		if (result.failed)
			printf("FAILED: %s\n", result.failure);
		if (!is_quiet(&crowd, &result))
			puts("FAILED: too many asked at once");
		failed |= result.failed || !is_quiet(&crowd, &result) ||
			  !check_apart(crowd, &result);
	}
	return failed;
}

static void read_options(int argc, char **argv, struct settings *settings)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];

		if (!strcmp(a, "--seed")) {
			settings->play.seed = number(argc, argv, &i);
		} else if (!strcmp(a, "--seeds")) {
			settings->seeds = number(argc, argv, &i);
			settings->many = true;
		} else if (!strcmp(a, "--scenario") && i + 1 < argc) {
			settings->play.scenario = argv[++i];
		} else if (!strcmp(a, "--list")) {
			scenario_list();
			exit(0);
		} else if (!strcmp(a, "--messages")) {
			settings->play.messages = number(argc, argv, &i);
		} else if (!strcmp(a, "--forged")) {
			settings->play.forged =
				(uint32_t)number(argc, argv, &i);
		} else if (!strcmp(a, "--crowd")) {
			settings->crowd = (uint32_t)number(argc, argv, &i);
		} else if (!strcmp(a, "--neighbours")) {
			settings->neighbours = true;
		} else if (!strcmp(a, "--figures") && i + 1 < argc) {
			settings->figures = argv[++i];
		} else if (!strcmp(a, "--trace")) {
			settings->play.trace = true;
		} else if (!strcmp(a, "--twice")) {
			settings->twice = true;
		} else if (!strcmp(a, "--mutants")) {
			settings->mutants = true;
		} else if (!strcmp(a, "--mutant")) {
			settings->play.mutant =
				(enum mutant)number(argc, argv, &i);
		} else {
			fputs(help, !strcmp(a, "--help") ? stdout : stderr);
			exit(strcmp(a, "--help") ? 2 : 0);
		}
	}
}

int main(int argc, char **argv)
{
	struct settings settings = {
		.play = {.seed = 1, .messages = 2000}, .seeds = 1};

	read_options(argc, argv, &settings);
	if (settings.mutants)
		return find_mutants(&settings.play);
	if (settings.figures)
		return figures_write(settings.figures);
	if (settings.crowd)
		return play_crowd(&settings);
	if (settings.neighbours)
		return neighbours_play(
			settings.play.seed, settings.play.messages);
	return play_many(&settings);
}
