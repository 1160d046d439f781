/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * search.c - every choice once: depth first by replay, or a walk by dice.
 *
 * An execution is the list of its choices, so the next one is the same list
 * with its last choice that has another option taken otherwise.  A state that
 * was met before is not entered again: whatever can follow it was, or will be,
 * seen from there.  States are known by a hash of 64 bits; among ten million of
 * them, two would share one with a chance of 1 in 400,000.
 */
#include "explore.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"

#undef calloc
#undef free

#define DEPTH_MAX 8192u

struct choice {
	uint16_t count;
	uint16_t taken;
};

static struct {
	struct explore_run *run;
	struct choice choices[DEPTH_MAX];
	unsigned depth;
	unsigned prefix; /* To be taken as they stand. */
	bool replay;
	struct random_stream random;
	uint64_t *states; /* 0: empty */
	size_t mask;
	size_t used;
} s;

unsigned explore_choose(unsigned count, bool thread)
{
	struct choice *c;

	if (count <= 1)
		return 0;
	if (s.depth == DEPTH_MAX) {
		fprintf(stderr, "explore: more than %u choices\n", DEPTH_MAX);
		abort();
	}
	c = &s.choices[s.depth++];
	if (s.depth <= s.prefix) {
		if (c->count == 0)
			c->count = (uint16_t)count;
		if (c->taken >= count) {
			fprintf(stderr, "explore: no such choice at %u\n",
				s.depth);
			exit(2);
		}
		return c->taken;
	}
	c->count = (uint16_t)count;
	c->taken = 0;
	/* Walks that change all the time get nowhere: go on as a rule. */
	if (s.run->random && !s.replay &&
		random_chance(&s.random, thread ? 250 : 400))
		c->taken = (uint16_t)random_below(&s.random, count);
	return c->taken;
}

static void grow(void)
{
	size_t size = s.states ? 2 * (s.mask + 1) : 1u << 16;
	uint64_t *old = s.states;
	size_t old_size = old ? s.mask + 1 : 0;

	s.states = calloc(size, sizeof *s.states);
	if (!s.states) {
		fprintf(stderr, "explore: no memory for more states\n");
		exit(2);
	}
	s.mask = size - 1;
	for (size_t i = 0; i < old_size; i++) {
		size_t at = old[i] & s.mask;

		if (old[i] == 0)
			continue;
		while (s.states[at])
			at = (at + 1) & s.mask;
		s.states[at] = old[i];
	}
	free(old);
}

bool explore_seen(uint64_t state)
{
	size_t at;

	/* On the way to where this execution is new, all is known. */
	if (s.run->random || s.replay || s.depth < s.prefix)
		return false;
	if (!s.states || s.used * 2 > s.mask)
		grow();
	state += state == 0;
	for (at = state & s.mask; s.states[at]; at = (at + 1) & s.mask)
		if (s.states[at] == state)
			return true;
	s.states[at] = state;
	s.used++;
	return false;
}

/* False: there is nothing more. */
static bool next_choices(void)
{
	while (s.depth > 0) {
		struct choice *c = &s.choices[s.depth - 1];

		if (c->taken + 1 < c->count) {
			c->taken++;
			s.prefix = s.depth;
			return true;
		}
		s.depth--;
	}
	return false;
}

static void write_choices(struct explore_run *run)
{
	unsigned depth = s.depth;
	size_t at = 0;

	while (depth > 0 && s.choices[depth - 1].taken == 0)
		depth--;
	run->choices[0] = 0;
	for (unsigned i = 0; i < depth && at < sizeof run->choices - 8; i++)
		at += (size_t)snprintf(run->choices + at,
			sizeof run->choices - at, "%s%u", i ? "." : "",
			s.choices[i].taken);
	if (depth == 0)
		strcpy(run->choices, "-");
}

static void read_choices(const char *text)
{
	s.prefix = 0;
	memset(s.choices, 0, sizeof s.choices);
	while (*text >= '0' && *text <= '9' && s.prefix < DEPTH_MAX) {
		char *end;

		s.choices[s.prefix++].taken =
			(uint16_t)strtoul(text, &end, 10);
		text = *end == '.' ? end + 1 : end;
	}
}

void explore_search(struct explore_run *run)
{
	enum explore_result result;

	free(s.states);
	memset(&s, 0, sizeof s);
	s.run = run;
	s.replay = run->replay != NULL;
	do {
		if (run->random)
			s.random.state = run->seed + run->executions;
		if (run->replay)
			read_choices(run->replay);
		s.depth = 0;
		result = explore_execute(run, s.replay);
		run->executions++;
		run->gave_up += result == EXPLORE_GAVE_UP;
		if (result == EXPLORE_FAILED) {
			run->failed = true;
			write_choices(run);
			break;
		}
		if (s.replay)
			break;
		if (run->executions == run->count_max)
			break;
		if (!run->random && !next_choices()) {
			run->complete = true;
			break;
		}
	} while (1);
	run->states = s.used;
}
