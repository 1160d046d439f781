/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * explore.h - the shipped ring under every interleaving and every stale value.
 *
 *     scenario ── threads of the shipped code ──> machine: one step at a time
 *        │ what must hold                            ^
 *        v                                           │ which thread, which value
 *     verdict <───────────────────────────────── search: all choices, once each
 *
 * The machine is C11's memory, made operational: a word is the list of all that
 * was ever stored to it, a thread has a view (the oldest entry of each list that
 * it may still read), a release store takes the view of its thread along, an
 * acquire load joins the view of what it read, a fence of seq_cst joins with one
 * view that all such fences share.  A relaxed load may read anything its thread's
 * view has not left behind.  As in C++20, a relaxed store behind a release store
 * releases nothing.
 *
 * What that machine cannot show as a value is a load that is done after a later
 * store of its thread, which C11 allows.  So payload is watched in another way,
 * too: every read and write of it must be ordered by what C11 calls happens
 * before, or it is a race, whoever came first this time.
 *
 * Each word has one writer, as in the ring, so the order of its list is the
 * order of the stores.
 *
 * See README.md.
 */
#ifndef TESTS_EXPLORE_H
#define TESTS_EXPLORE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "explore_atomic.h"

/* ---- for scenarios ----------------------------------------------------- */

/* Entries to publish beyond what a scenario does by default. */
extern unsigned explore_more;

struct explore_scenario {
	const char *name;
	const char *what;
	void (*setup)(void); /* Makes the world and its threads. */
	void (*end)(void);   /* All threads are done: what must be so. */
	int preemptions;     /* By default; -1: any number. */
};

extern const struct explore_scenario explore_scenarios[];
extern const unsigned explore_scenario_count;

/* In setup: a thread of the execution. */
int explore_thread(const char *name, void (*body)(void *), void *argument);
/* In setup: memory that is all the thread knows at its checkpoints. */
void explore_state(int thread, const void *memory, size_t bytes);
/* In setup: zeroed memory that threads share; what is not from here is private
 * to one and not played by the machine. */
void *explore_shared(size_t bytes);
/* In setup: where the heap of the execution has come to. */
uint8_t *explore_heap(void);
/* In setup: threads sleep on this word. */
void explore_futex(const volatile void *word);

/* The thread knows nothing but its state and the number of this place: two
 * executions that come here alike go on alike. */
void explore_checkpoint(unsigned place);

/* Something that happened, and whoever waits for it; a message in a socket. */
void explore_signal(unsigned event);
void explore_await(unsigned event);

/* Sleep while the word has the value. */
void explore_futex_wait(const volatile void *word, uint32_t value);

/* Payload of a slot: written by the writer, as the card would; read by a reader
 * that must find what it expects. */
void explore_payload_write(unsigned slot, uint64_t value);
void explore_payload_read(unsigned slot, uint64_t expected);

/* The execution is wrong. */
void explore_fail(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));
#define explore_check(condition, ...)                                          \
	do {                                                                   \
		if (!(condition))                                              \
			explore_fail(__VA_ARGS__);                             \
	} while (0)
/* It leads nowhere: a loop that might go on for ever. */
void explore_give_up(void) __attribute__((noreturn));
/* In the trace. */
void explore_note(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* ---- mutants ----------------------------------------------------------- */

enum explore_action {
	EXPLORE_DROP = 1, /* A fence that is not there. */
	EXPLORE_RELAX,    /* An order that is relaxed. */
	EXPLORE_DEFER,    /* A store that comes behind the next one. */
	EXPLORE_EARLY,    /* A load before which that of the word `offset`
	                     bytes away is done. */
};

struct explore_mutation {
	const char *function;
	const char *word;
	enum explore_order order;
	enum explore_action action;
	int offset;
};

struct explore_mutant {
	const char *name;
	const char *what;
	const char *scenario; /* That finds it. */
	struct explore_mutation at[3];
	const char *spare; /* Why nothing notices; NULL: something must. */
};

extern const struct explore_mutant explore_mutants[];
extern const unsigned explore_mutant_count;

/* ---- between machine.c, search.c and main.c ---------------------------- */

enum explore_result {
	EXPLORE_FINE,
	EXPLORE_FAILED,
	EXPLORE_SEEN,    /* It came to a state that was known. */
	EXPLORE_GAVE_UP,
};

struct explore_run {
	const struct explore_scenario *scenario;
	const struct explore_mutant *mutant; /* NULL: as shipped. */
	int preemptions;                     /* -1: any number. */
	bool random;
	uint64_t seed;
	uint64_t count_max; /* Executions. */
	const char *replay; /* Choices, or NULL. */
	/* What came of it. */
	uint64_t executions;
	uint64_t states;
	uint64_t gave_up;
	uint64_t mutated; /* Operations that were played worse. */
	bool failed;
	bool complete; /* Everything within the bounds was seen. */
	char text[512];
	char choices[4096];
};

/* search.c */
void explore_search(struct explore_run *run);
unsigned explore_choose(unsigned count, bool thread);
/* Whether this state need not be looked into again. */
bool explore_seen(uint64_t state);

/* machine.c */
enum explore_result explore_execute(struct explore_run *run, bool trace);

#endif
