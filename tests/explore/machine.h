/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.h - what the files of the machine share: its state, and how that is summed
 * up in hashes.
 *
 *     machine.c         one execution: setup, whose step is next, the end
 *     machine_memory.c  steps: loads, stores, fences, sleep; and the payload
 *     machine_thread.c  threads as coroutines
 *
 * A thread runs until its next step that depends on others: a load of a word
 * that another one writes, a fence of seq_cst, a wait, a store to a word that is
 * slept on.  Other stores need no choice of their own before them: that they
 * come early takes no behaviour away, as a load may always read what was there
 * before them.
 *
 * The state of a thread is summed up in a hash of all that it has read; at a
 * checkpoint, of its memory and its views instead.  With a hash of the memory's
 * lists that names a state of the whole, which search.c looks up.
 */
#ifndef TESTS_EXPLORE_MACHINE_H
#define TESTS_EXPLORE_MACHINE_H

#include "explore.h"

#include <string.h>
#ifndef __x86_64__
#include <ucontext.h>
#endif

#undef calloc
#undef free

#define THREADS_MAX 4u
#define WORDS_MAX 160u
#define STORES_MAX 120u
#define MESSAGES_MAX 3000u
#define SLOTS_MAX 8u

/* `seen` is happens-before: payload accesses of each thread.  The view that
 * fences share has none: they order, but do not make happen before. */
struct view {
	uint8_t at[WORDS_MAX];
	uint16_t seen[THREADS_MAX];
};

struct message {
	uint64_t value;
	struct view view;
};

struct word {
	const volatile void *address;
	const char *name;
	unsigned count;
	int writer;
	bool slept_on;
	uint16_t stores[STORES_MAX]; /* Messages. */
};

enum wait {
	READY,
	AWAITS_EVENT,
	AWAITS_WORD,
	DONE,
};

struct thread {
	const char *name;
	void (*body)(void *);
	void *argument;
	enum wait wait;
	unsigned event;
	struct word *word;
	uint32_t asleep_with;
	struct view view;
	struct view read;     /* What an acquire fence will join. */
	struct view released; /* At the last release fence. */
	uint64_t past;        /* Hash of all it has read. */
	unsigned state_count;
	struct {
		const void *memory;
		size_t bytes;
	} state[8];
	bool deferring;
	struct explore_site deferred_site;
	volatile void *deferred_word;
	size_t deferred_bytes;
	uint64_t deferred_value;
	bool early;
	uint64_t early_value;
	const volatile void *early_word;
#ifdef __x86_64__
	void *stack;
#else
	ucontext_t context;
#endif
};

struct slot {
	unsigned write_count;
	int writer;
	uint16_t written; /* Of the writer's clock. */
	uint16_t read[THREADS_MAX];
	uint64_t value;
};

struct machine {
	struct explore_run *run;
	unsigned run_number; /* Sites look mutations up anew with each. */
	bool trace;
	size_t shared_used;
	size_t heap_used;
	struct word words[WORDS_MAX];
	unsigned word_count;
	struct message messages[MESSAGES_MAX];
	unsigned message_count;
	struct thread threads[THREADS_MAX + 1]; /* The last: setup and end. */
	unsigned thread_count;
	int current;
	struct view fences;
	uint64_t fences_hash;
	uint64_t memory_hash;
	uint32_t events;
	struct view event_views[32];
	struct slot slots[SLOTS_MAX];
	unsigned steps;
	enum explore_result result;
#ifdef __x86_64__
	void *stack;
#else
	ucontext_t context;
#endif
};

extern struct machine m;

#define MAIN ((int)THREADS_MAX)

/* ---- machine.c ----------------------------------------------------------- */

/* A line of the trace, if there is one; `site`: NULL: no place of the code. */
#define SAY(...)                                                               \
	do {                                                                   \
		if (m.trace)                                                   \
			machine_say(__VA_ARGS__);                              \
	} while (0)
void machine_say(const struct explore_site *site, const char *format, ...);

/* ---- machine_memory.c ---------------------------------------------------- */

/* Nothing is shared, and no word known. */
void machine_forget_memory(void);
/* What the word holds for who reads it now. */
uint32_t machine_newest(const struct word *w);
/* The store that a mutation put off happens. */
void machine_flush_deferred(void);

/* ---- machine_thread.c ---------------------------------------------------- */

/* A thread that is to begin. */
void machine_make_stack(int t);
/* Run it until it leaves. */
void machine_enter_thread(int t);
/* Back to the machine; of the thread that runs. */
void machine_leave_thread(void);

/* ---- hashes and views ---------------------------------------------------- */

static inline uint64_t mix(uint64_t h, uint64_t value)
{
	h = (h ^ value) * 0x9fb21c651e98df25ull;
	h ^= h >> 35;
	h *= 0xbf58476d1ce4e5b9ull;
	return h ^ h >> 29;
}

static inline uint64_t mix_bytes(uint64_t h, const void *memory, size_t bytes)
{
	const uint8_t *at = memory;
	uint64_t word;

	for (; bytes >= 8; bytes -= 8, at += 8) {
		memcpy(&word, at, 8);
		h = (h ^ word) * 0x9fb21c651e98df25ull;
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, at, bytes);
	return mix(h, word);
}

static inline uint64_t mix_view(uint64_t h, const struct view *view)
{
	h = mix_bytes(h, view->at, (m.word_count + 7) & ~7u);
	return mix_bytes(h, view->seen, sizeof view->seen);
}

static inline void join_words(struct view *to, const struct view *from)
{
	for (unsigned i = 0; i < ((m.word_count + 15) & ~15u); i++)
		to->at[i] = to->at[i] > from->at[i] ? to->at[i] : from->at[i];
}

static inline void join(struct view *to, const struct view *from)
{
	join_words(to, from);
	for (unsigned i = 0; i < THREADS_MAX; i++)
		if (to->seen[i] < from->seen[i])
			to->seen[i] = from->seen[i];
}

static inline struct thread *self(void)
{
	return &m.threads[m.current];
}

#endif
