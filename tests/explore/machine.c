/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.c - one execution: threads as coroutines over a memory of views.
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
#include "explore.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
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
#define SHARED_BYTES 16384u
#define HEAP_BYTES (256u << 10)
#define STACK_BYTES (64u << 10)
#define STEPS_MAX 3000u

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

static _Alignas(64) uint8_t shared[SHARED_BYTES];
static uint16_t word_of[SHARED_BYTES / 4]; /* + 1 */
static _Alignas(64) uint8_t heap[HEAP_BYTES];
static _Alignas(64) uint8_t stacks[THREADS_MAX][STACK_BYTES];

static struct machine {
	struct explore_run *run;
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
} m;

#define MAIN ((int)THREADS_MAX)

static unsigned run_number;
/* Out of setup or end, which run on the stack of the search. */
static jmp_buf leave_main;

/* ---- coroutines -------------------------------------------------------- */

#ifdef __x86_64__
void explore_switch(void **from, void *to);
__asm__(".text\n"
	".type explore_switch, @function\n"
	"explore_switch:\n"
	"	push %rbp\n	push %rbx\n	push %r12\n"
	"	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n"
	"	pop %r12\n	pop %rbx\n	pop %rbp\n"
	"	ret\n"
	".size explore_switch, . - explore_switch\n");
#endif

static void enter_thread(int t)
{
	m.current = t;
#ifdef __x86_64__
	explore_switch(&m.stack, m.threads[t].stack);
#else
	swapcontext(&m.context, &m.threads[t].context);
#endif
	m.current = MAIN;
}

static void leave_thread(void)
{
#ifdef __x86_64__
	explore_switch(&m.threads[m.current].stack, m.stack);
#else
	swapcontext(&m.threads[m.current].context, &m.context);
#endif
}

static void flush_deferred(void);

static void thread_main(void)
{
	struct thread *t = &m.threads[m.current];

	t->body(t->argument);
	flush_deferred();
	t->wait = DONE;
	leave_thread();
	abort();
}

static void make_stack(int t)
{
#ifdef __x86_64__
	void **top = (void **)(void *)(stacks[t] + STACK_BYTES);

	/* As if called: a return address, and 16 bytes aligned before it. */
	*--top = NULL;
	*--top = (void *)(uintptr_t)thread_main;
	for (int i = 0; i < 6; i++)
		*--top = NULL;
	m.threads[t].stack = top;
#else
	getcontext(&m.threads[t].context);
	m.threads[t].context.uc_stack.ss_sp = stacks[t];
	m.threads[t].context.uc_stack.ss_size = STACK_BYTES;
	m.threads[t].context.uc_link = NULL;
	makecontext(&m.threads[t].context, thread_main, 0);
#endif
}

/* ---- hashes, views, words ---------------------------------------------- */

static inline uint64_t mix(uint64_t h, uint64_t value)
{
	h = (h ^ value) * 0x9fb21c651e98df25ull;
	h ^= h >> 35;
	h *= 0xbf58476d1ce4e5b9ull;
	return h ^ h >> 29;
}

static uint64_t mix_bytes(uint64_t h, const void *memory, size_t bytes)
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

static uint64_t mix_view(uint64_t h, const struct view *view)
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

static struct thread *self(void)
{
	return &m.threads[m.current];
}

static bool is_shared(const volatile void *address)
{
	uintptr_t at = (uintptr_t)address - (uintptr_t)shared;

	return at < SHARED_BYTES;
}

static struct word *word_at(const volatile void *address, const char *name)
{
	size_t at = ((uintptr_t)address - (uintptr_t)shared) / 4;
	struct word *w;

	if (word_of[at] > 0)
		return &m.words[word_of[at] - 1];
	assert(m.word_count < WORDS_MAX);
	w = &m.words[m.word_count++];
	word_of[at] = (uint16_t)m.word_count;
	w->address = address;
	w->name = name;
	w->count = 1;
	w->writer = MAIN;
	w->slept_on = false;
	/* What was there before anybody: the first of its list, in all views. */
	w->stores[0] = (uint16_t)m.message_count;
	assert(m.message_count < MESSAGES_MAX);
	memset(&m.messages[m.message_count++], 0, sizeof(struct message));
	return w;
}

static size_t offset_of(const struct word *w)
{
	return (size_t)((uintptr_t)w->address - (uintptr_t)shared);
}

/* ---- trace ------------------------------------------------------------- */

static const char *const order_names[] = {
	"relaxed", "acquire", "release", "seq_cst"};

static void say(const struct explore_site *site, const char *format, ...)
{
	va_list arguments;

	if (!m.trace)
		return;
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
		leave_thread();
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
	say(NULL, "WRONG: %s", text);
	leave(EXPLORE_FAILED);
	longjmp(leave_main, 1);
}

void explore_give_up(void)
{
	leave(EXPLORE_GAVE_UP);
	abort();
}

/* ---- steps ------------------------------------------------------------- */

/* Others may go first. */
static void point(void)
{
	if (m.current == MAIN)
		return;
	self()->past = mix(self()->past, 1);
	leave_thread();
}

static const struct explore_mutation *mutation_of(struct explore_site *site)
{
	const struct explore_mutant *mutant = m.run->mutant;

	if (!mutant)
		return NULL;
	if (site->looked_up != run_number) {
		site->looked_up = run_number;
		site->mutation = NULL;
		for (int i = 0; i < 3 && mutant->at[i].function; i++)
			if (!strcmp(mutant->at[i].function, site->function) &&
				!strcmp(mutant->at[i].word, site->word) &&
				mutant->at[i].order == site->order)
				site->mutation = &mutant->at[i];
	}
	if (site->mutation)
		m.run->mutated++;
	return site->mutation;
}

static uint64_t load_word(struct explore_site *site,
	const volatile void *address, enum explore_order order)
{
	struct thread *t = self();
	struct word *w = word_at(address, site->word);
	const struct message *from;
	unsigned oldest, pick;

	if (w->writer != m.current && m.current != MAIN) {
		point();
		t = self();
	}
	oldest = t->view.at[w - m.words];
	/* The newest first: that is how most loads go. */
	pick = w->count - 1 - explore_choose(w->count - oldest, false);
	from = &m.messages[w->stores[pick]];
	t->past = mix(mix(t->past, offset_of(w)), pick);
	t->view.at[w - m.words] = (uint8_t)pick;
	if (order == EXPLORE_acquire)
		join(&t->view, &from->view);
	else
		join(&t->read, &from->view);
	say(site, "load  %s+%zu = %llu (%u of 0 to %u) %s", site->word,
		offset_of(w), (unsigned long long)from->value, pick,
		w->count - 1, order_names[order]);
	return from->value;
}

static void store_word(struct explore_site *site, volatile void *address,
	uint64_t value, enum explore_order order)
{
	struct thread *t = self();
	struct word *w = word_at(address, site->word);
	struct message *to;

	if (w->slept_on)
		point();
	assert(w->writer == m.current || w->writer == MAIN || m.current == MAIN);
	assert(w->count < STORES_MAX && m.message_count < MESSAGES_MAX);
	w->writer = m.current;
	to = &m.messages[m.message_count];
	to->value = value;
	t->view.at[w - m.words] = (uint8_t)w->count;
	to->view = order == EXPLORE_release ? t->view : t->released;
	to->view.at[w - m.words] = (uint8_t)w->count;
	m.memory_hash += mix(mix(mix(t->past, offset_of(w)), w->count), value);
	w->stores[w->count++] = (uint16_t)m.message_count++;
	say(site, "store %s+%zu = %llu (%u) %s", site->word, offset_of(w),
		(unsigned long long)value, w->count - 1, order_names[order]);
}

static void flush_deferred(void)
{
	struct thread *t = self();

	if (!t->deferring)
		return;
	t->deferring = false;
	store_word(&t->deferred_site, t->deferred_word, t->deferred_value,
		t->deferred_site.order);
}

uint64_t explore_load(
	struct explore_site *site, const volatile void *word, size_t bytes)
{
	const struct explore_mutation *mutation;
	enum explore_order order = site->order;
	struct thread *t = self();

	if (!is_shared(word))
		return bytes == 4 ? *(const volatile uint32_t *)word
				  : *(const volatile uint64_t *)word;
	mutation = mutation_of(site);
	if (t->early && t->early_word == word) {
		t->early = false;
		return t->early_value;
	}
	if (mutation && mutation->action == EXPLORE_EARLY) {
		t->early_word = (const volatile uint8_t *)word +
				mutation->offset;
		t->early_value = load_word(site, t->early_word, order);
		t->early = true;
	}
	if (mutation && mutation->action == EXPLORE_RELAX)
		order = EXPLORE_relaxed;
	return load_word(site, word, order);
}

void explore_store(struct explore_site *site, volatile void *word, size_t bytes,
	uint64_t value)
{
	const struct explore_mutation *mutation;
	enum explore_order order = site->order;
	struct thread *t = self();

	if (!is_shared(word)) {
		if (bytes == 4)
			*(volatile uint32_t *)word = (uint32_t)value;
		else
			*(volatile uint64_t *)word = value;
		return;
	}
	mutation = mutation_of(site);
	if (mutation && mutation->action == EXPLORE_DEFER) {
		flush_deferred();
		t->deferring = true;
		t->deferred_site = *site;
		t->deferred_word = word;
		t->deferred_value = value;
		return;
	}
	if (mutation && mutation->action == EXPLORE_RELAX)
		order = EXPLORE_relaxed;
	store_word(site, word, value, order);
	flush_deferred();
}

void explore_fence(struct explore_site *site)
{
	const struct explore_mutation *mutation = mutation_of(site);
	struct thread *t;

	if (mutation && mutation->action == EXPLORE_DROP)
		return;
	if (site->order == EXPLORE_seq_cst)
		point();
	t = self();
	if (site->order != EXPLORE_release)
		join(&t->view, &t->read);
	if (site->order == EXPLORE_seq_cst) {
		t->past = mix(t->past, m.fences_hash);
		join_words(&t->view, &m.fences);
		join_words(&m.fences, &t->view);
		m.fences_hash = mix_view(7, &m.fences);
	}
	if (site->order != EXPLORE_acquire)
		t->released = t->view;
	say(site, "fence %s", order_names[site->order]);
}

void explore_signal(unsigned event)
{
	flush_deferred();
	m.events |= 1u << event;
	m.event_views[event] = self()->view;
	m.memory_hash += mix(mix(self()->past, 1000), event);
	say(NULL, "signal %u", event);
}

void explore_await(unsigned event)
{
	struct thread *t = self();

	flush_deferred();
	if (!(m.events & 1u << event)) {
		t->wait = AWAITS_EVENT;
		t->event = event;
		point();
	}
	join(&t->view, &m.event_views[event]);
	t->past = mix(t->past, 2000 + event);
	say(NULL, "has seen signal %u", event);
}

static uint32_t newest(const struct word *w)
{
	return (uint32_t)m.messages[w->stores[w->count - 1]].value;
}

/* The kernel looks at the word and queues the sleeper as one step. */
void explore_futex_wait(const volatile void *word, uint32_t value)
{
	struct thread *t = self();
	struct word *w = word_at(word, "bell");

	flush_deferred();
	point();
	t->past = mix(t->past, newest(w));
	if (newest(w) != value) {
		say(NULL, "does not sleep: the word is not %u", value);
		return;
	}
	say(NULL, "sleeps on %u", value);
	t->wait = AWAITS_WORD;
	t->word = w;
	t->asleep_with = value;
	leave_thread();
	t->past = mix(t->past, newest(w));
	say(NULL, "wakes");
}

void explore_checkpoint(unsigned place)
{
	struct thread *t = self();
	uint64_t h = mix(place, (uint64_t)m.current);

	flush_deferred();
	for (unsigned i = 0; i < t->state_count; i++)
		h = mix_bytes(h, t->state[i].memory, t->state[i].bytes);
	h = mix_view(h, &t->view);
	h = mix_view(h, &t->read);
	t->past = mix_view(h, &t->released);
}

/* ---- payload ----------------------------------------------------------- */

static uint16_t tick(void)
{
	/* Setup and end are before and after all others. */
	return m.current == MAIN ? 0 : ++self()->view.seen[m.current];
}

void explore_payload_write(unsigned slot, uint64_t value)
{
	struct slot *s = &m.slots[slot];
	const struct view *view = &self()->view;

	for (unsigned k = 0; k < m.thread_count && m.current != MAIN; k++)
		if ((int)k != m.current && s->read[k] > view->seen[k])
			explore_fail("writes slot %u again, and %s's read of "
				     "%llu there may come later",
				slot, m.threads[k].name,
				(unsigned long long)s->value);
	s->writer = m.current;
	s->written = tick();
	s->value = value;
	s->write_count++;
	say(NULL, "payload of slot %u = %llu", slot, (unsigned long long)value);
}

void explore_payload_read(unsigned slot, uint64_t expected)
{
	struct slot *s = &m.slots[slot];

	say(NULL, "reads slot %u: %llu", slot, (unsigned long long)s->value);
	if (s->value != expected)
		explore_fail("reads %llu in slot %u, not %llu",
			(unsigned long long)s->value, slot,
			(unsigned long long)expected);
	if (s->write_count > 0 && s->writer != MAIN && m.current != MAIN &&
		s->written > self()->view.seen[s->writer])
		explore_fail("may read what was in slot %u before %llu", slot,
			(unsigned long long)expected);
	if (m.current != MAIN)
		s->read[m.current] = tick();
}

/* ---- setup ------------------------------------------------------------- */

void *explore_shared(size_t bytes)
{
	void *memory = shared + m.shared_used;

	m.shared_used += (bytes + 63) & ~(size_t)63;
	assert(m.shared_used <= SHARED_BYTES);
	return memory;
}

void *explore_calloc(size_t count, size_t bytes)
{
	void *memory = heap + m.heap_used;

	m.heap_used += (count * bytes + 63) & ~(size_t)63;
	assert(m.heap_used <= HEAP_BYTES);
	return memory;
}

/* All of it goes when the next execution begins. */
void explore_free(void *memory)
{
	(void)memory;
}

uint8_t *explore_heap(void)
{
	return heap + m.heap_used;
}

void explore_futex(const volatile void *word)
{
	word_at(word, "bell")->slept_on = true;
}

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
	for (unsigned i = 0; i < m.word_count; i++)
		word_of[offset_of(&m.words[i]) / 4] = 0;
	memset(shared, 0, m.shared_used);
	memset(heap, 0, m.heap_used);
	memset(m.slots, 0, sizeof m.slots);
	memset(&m.fences, 0, sizeof m.fences);
	memset(&m.threads[MAIN], 0, sizeof m.threads[MAIN]);
	m.run = run;
	m.trace = trace;
	m.shared_used = m.heap_used = 0;
	m.word_count = m.message_count = m.thread_count = 0;
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
		return newest(t->word) != t->asleep_with;
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
		enter_thread(t);
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
		run_number++;
	}
	reset(run, trace);
	if (setjmp(leave_main) != 0)
		return m.result;
	run->scenario->setup();
	for (unsigned i = 0; i < m.thread_count; i++) {
		struct thread *t = &m.threads[i];

		t->view = m.threads[MAIN].view;
		t->past = mix(99, i);
		make_stack((int)i);
		/* To its first step that depends on others. */
		enter_thread((int)i);
	}
	return take_steps(run->preemptions);
}
