/* SPDX-License-Identifier: BSD-2-Clause */
/* main.c - the program explore; its help says what it does. */
#include "explore.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char help[] =
	"usage: explore [OPTION...] [SCENARIO...]\n"
	"\n"
	"Walk through every interleaving and stale value of the scenarios (all,\n"
	"when none is named).  A failure prints its choices.\n"
	"\n"
	"  --list               the scenarios and the mutants\n"
	"  --preemptions N      at most N switches from a thread that could go\n"
	"                       on; any number by default\n"
	"  --random SEED COUNT  COUNT walks by dice instead, from SEED on\n"
	"  --more N             publish N entries more than the scenario does\n"
	"  --limit COUNT        at most so many executions\n"
	"  --mutant NAME        with the ring made worse in this way\n"
	"  --mutants            every mutant, each with its scenario: all must\n"
	"                       be found\n"
	"  --spares             those that need not be found: none must\n"
	"  --replay CHOICES     one execution of one scenario, with a trace\n"
	"\n"
	"Exit status: 0; 1 when a scenario failed (or a mutant did not); 2 for\n"
	"wrong usage.\n";

unsigned explore_more;

struct settings {
	struct explore_run run;
	bool preemptions_set;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const struct explore_scenario *find_scenario(const char *name)
{
	for (unsigned i = 0; i < explore_scenario_count; i++)
		if (!strcmp(explore_scenarios[i].name, name))
			return &explore_scenarios[i];
	fprintf(stderr, "explore: no scenario \"%s\"\n", name);
	exit(2);
}

static const struct explore_mutant *find_mutant(const char *name)
{
	for (unsigned i = 0; i < explore_mutant_count; i++)
		if (!strcmp(explore_mutants[i].name, name))
			return &explore_mutants[i];
	fprintf(stderr, "explore: no mutant \"%s\"\n", name);
	exit(2);
}

static void list(void)
{
	for (unsigned i = 0; i < explore_scenario_count; i++)
		printf("%-10s %s\n", explore_scenarios[i].name,
			explore_scenarios[i].what);
	puts("");
	for (unsigned i = 0; i < explore_mutant_count; i++)
		printf("%-22s %s (%s)\n", explore_mutants[i].name,
			explore_mutants[i].what, explore_mutants[i].scenario);
}

static void print_run(const struct explore_run *run, double seconds)
{
	printf("%-10s %llu executions, %llu states, %.1f s%s",
		run->scenario->name, (unsigned long long)run->executions,
		(unsigned long long)run->states, seconds,
		run->complete || run->failed ? "" : ", not all");
	if (run->gave_up)
		printf(", %llu too long", (unsigned long long)run->gave_up);
	if (run->mutant)
		printf(", %s at %llu places", run->mutant->name,
			(unsigned long long)run->mutated);
	puts(run->failed ? ": FAILED" : "");
	if (!run->failed)
		return;
	printf("  %s\n  explore", run->text);
	if (run->mutant)
		printf(" --mutant %s", run->mutant->name);
	if (explore_more)
		printf(" --more %u", explore_more);
	if (run->preemptions >= 0)
		printf(" --preemptions %d", run->preemptions);
	printf(" --replay %s %s\n", run->choices, run->scenario->name);
}

/* Whether it failed. */
static bool walk(const struct settings *settings,
	const struct explore_scenario *scenario,
	const struct explore_mutant *mutant, struct explore_run *run)
{
	double start = now();

	*run = settings->run;
	run->scenario = scenario;
	run->mutant = mutant;
	if (!settings->preemptions_set)
		run->preemptions = scenario->preemptions;
	explore_search(run);
	print_run(run, now() - start);
	fflush(stdout);
	return run->failed;
}

/* Of those that something must notice, or of those that nothing may. */
static int all_mutants(const struct settings *settings, bool spares)
{
	static struct explore_run run;
	unsigned wrong = 0;
	unsigned count = 0;

	for (unsigned i = 0; i < explore_mutant_count; i++) {
		const struct explore_mutant *mutant = &explore_mutants[i];
		bool found;

		if ((mutant->spare != NULL) != spares)
			continue;
		count++;
		found = walk(settings, find_scenario(mutant->scenario), mutant,
			&run);
		if (run.mutated > 0 && found != spares)
			continue;
		wrong++;
		printf("  %s: %s (%s)%s\n", found ? "FOUND" : "NOT FOUND",
			mutant->name, mutant->what,
			run.mutated ? "" : "; it matches nothing");
	}
	printf("%u of %u mutants %s\n", count - wrong, count,
		spares ? "unnoticed, as they should be" : "found");
	return wrong > 0;
}

static const char *value(int argc, char **argv, int *i)
{
	if (++*i >= argc) {
		fputs(help, stderr);
		exit(2);
	}
	return argv[*i];
}

int main(int argc, char **argv)
{
	static struct explore_run run;
	struct settings settings = {.run.preemptions = -1};
	const struct explore_mutant *mutant = NULL;
	bool mutants = false;
	bool spares = false;
	bool failed = false;
	int names = 0;

	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];

		if (!strcmp(a, "--list")) {
			list();
			return 0;
		} else if (!strcmp(a, "--preemptions")) {
			settings.run.preemptions = atoi(value(argc, argv, &i));
			settings.preemptions_set = true;
		} else if (!strcmp(a, "--random")) {
			settings.run.random = true;
			settings.run.seed = strtoull(
				value(argc, argv, &i), NULL, 0);
			settings.run.count_max = strtoull(
				value(argc, argv, &i), NULL, 0);
		} else if (!strcmp(a, "--limit")) {
			settings.run.count_max = strtoull(
				value(argc, argv, &i), NULL, 0);
		} else if (!strcmp(a, "--mutant")) {
			mutant = find_mutant(value(argc, argv, &i));
		} else if (!strcmp(a, "--mutants")) {
			mutants = true;
		} else if (!strcmp(a, "--spares")) {
			spares = true;
		} else if (!strcmp(a, "--more")) {
			explore_more = (unsigned)atoi(value(argc, argv, &i));
		} else if (!strcmp(a, "--replay")) {
			settings.run.replay = value(argc, argv, &i);
		} else if (a[0] == '-') {
			fputs(help, !strcmp(a, "--help") ? stdout : stderr);
			return !strcmp(a, "--help") ? 0 : 2;
		} else {
			argv[names++] = argv[i];
		}
	}
	if (mutants || spares)
		return all_mutants(&settings, spares);
	if (names == 0)
		for (unsigned i = 0; i < explore_scenario_count; i++)
			failed |= walk(&settings, &explore_scenarios[i], mutant,
				&run);
	for (int i = 0; i < names; i++)
		failed |= walk(
			&settings, find_scenario(argv[i]), mutant, &run);
	return failed;
}
