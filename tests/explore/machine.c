/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.c - one execution: setup, one step of a thread after another, the end; see
 * machine.h.  search.c calls it, and chooses.
 */
#include "machine.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define STEPS_MAX 3000u

struct machine m;

/* Out of setup or end, which run on the stack of the search. */
static jmp_buf leave_main;

/* ---- trace ------------------------------------------------------------- */

void machine_say(const struct explore_site *site, const char *format, ...)
{
	va_list arguments;

	printf("  %-10s ", m.current == MAIN ? "-" : self()->name);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	if (site)
		printf("   [%s:%d]", site->function, site->line);
	putchar('\n');
}

void explore_note(const char *format, ...)
{
	va_list arguments;

	if (!m.trace)
		return;
	printf("  %-10s * ", m.current == MAIN ? "-" : self()->name);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

/* ---- leaving ----------------------------------------------------------- */

static void leave(enum explore_result result)
{
	m.result = result;
	if (m.current != MAIN) {
		machine_leave_thread();
		abort();
	}
}

void explore_fail(const char *format, ...)
{
	va_list arguments;
	char text[400];

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	snprintf(m.run->text, sizeof m.run->text, "%s: %s",
		m.current == MAIN ? "end" : self()->name, text);
	SAY(NULL, "WRONG: %s", text);
	leave(EXPLORE_FAILED);
	longjmp(leave_main, 1);
}

void explore_give_up(void)
{
	leave(EXPLORE_GAVE_UP);
	abort();
}

/* ---- threads ----------------------------------------------------------- */

int explore_thread(const char *name, void (*body)(void *), void *argument)
{
	int t = (int)m.thread_count++;

	assert(t < (int)THREADS_MAX);
	memset(&m.threads[t], 0, sizeof m.threads[t]);
	m.threads[t].name = name;
	m.threads[t].body = body;
	m.threads[t].argument = argument;
	return t;
}

void explore_state(int thread, const void *memory, size_t bytes)
{
	struct thread *t = &m.threads[thread];

	assert(t->state_count < sizeof t->state / sizeof *t->state);
	t->state[t->state_count].memory = memory;
	t->state[t->state_count++].bytes = bytes;
}

/* ---- the execution ----------------------------------------------------- */

static void reset(struct explore_run *run, bool trace)
{
	machine_forget_memory();
	memset(m.slots, 0, sizeof m.slots);
	memset(&m.fences, 0, sizeof m.fences);
	memset(&m.threads[MAIN], 0, sizeof m.threads[MAIN]);
	m.run = run;
	m.trace = trace;
	m.thread_count = 0;
	m.fences_hash = m.memory_hash = 0;
	m.events = 0;
	m.steps = 0;
	m.current = MAIN;
	m.result = EXPLORE_FINE;
}

static bool can_run(const struct thread *t)
{
	switch (t->wait) {
	case READY:
		return true;
	case AWAITS_EVENT:
		return m.events & 1u << t->event;
	case AWAITS_WORD:
		return machine_newest(t->word) != t->asleep_with;
	default:
		return false;
	}
}

static uint64_t state_hash(int last, int preemptions)
{
	uint64_t h = mix(m.memory_hash, m.fences_hash);

	for (unsigned i = 0; i < m.thread_count; i++)
		h = mix(mix(h, m.threads[i].past), m.threads[i].wait);
	h = mix_bytes(mix(h, m.events), m.slots, sizeof m.slots);
	if (preemptions >= 0)
		h = mix(mix(h, (uint64_t)last), (uint64_t)preemptions);
	return h;
}

/* The thread to go on with; -1: none can. */
static int next_thread(int last, int *preemptions)
{
	int able[THREADS_MAX];
	unsigned count = 0;
	unsigned pick;
	bool last_can = last >= 0 && can_run(&m.threads[last]);

	if (last_can)
		able[count++] = last;
	if (!last_can || *preemptions != 0)
		for (unsigned i = 0; i < m.thread_count; i++)
			if ((int)i != last && can_run(&m.threads[i]))
				able[count++] = (int)i;
	if (count == 0)
		return -1;
	if (explore_seen(state_hash(last, *preemptions)))
		return -2;
	pick = explore_choose(count, true);
	if (last_can && pick > 0 && *preemptions > 0)
		--*preemptions;
	return able[pick];
}

static void check_all_done(void)
{
	for (unsigned i = 0; i < m.thread_count; i++)
		if (m.threads[i].wait != DONE) {
			explore_note("all threads are done or wait for ever");
			snprintf(m.run->text, sizeof m.run->text,
				"%s waits for ever", m.threads[i].name);
			m.result = EXPLORE_FAILED;
			return;
		}
}

static void end(const struct explore_scenario *scenario)
{
	check_all_done();
	if (m.result != EXPLORE_FINE)
		return;
	for (unsigned i = 0; i < m.thread_count; i++)
		join(&m.threads[MAIN].view, &m.threads[i].view);
	if (setjmp(leave_main) == 0)
		scenario->end();
}

/* One step after another. */
static enum explore_result take_steps(int preemptions)
{
	int last = -1;

	while (m.result == EXPLORE_FINE) {
		int t = next_thread(last, &preemptions);

		if (t == -1)
			break;
		if (t == -2)
			return EXPLORE_SEEN;
		if (++m.steps > STEPS_MAX)
			return EXPLORE_GAVE_UP;
		m.threads[t].wait = READY;
		machine_enter_thread(t);
		last = t;
	}
	if (m.result == EXPLORE_FINE)
		end(m.run->scenario);
	return m.result;
}

enum explore_result explore_execute(struct explore_run *run, bool trace)
{
	static const struct explore_run *last_run;

	if (last_run != run || run->executions == 0) {
		last_run = run;
		m.run_number++;
	}
	reset(run, trace);
	if (setjmp(leave_main) != 0)
		return m.result;
	run->scenario->setup();
	for (unsigned i = 0; i < m.thread_count; i++) {
		struct thread *t = &m.threads[i];

		t->view = m.threads[MAIN].view;
		t->past = mix(99, i);
		machine_make_stack((int)i);
		/* To its first step that depends on others. */
		machine_enter_thread((int)i);
	}
	return take_steps(run->preemptions);
}
