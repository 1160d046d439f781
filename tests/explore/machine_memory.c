/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine_memory.c - the steps of threads: loads, stores and fences over a memory of
 * views, signals and sleep, and the payload, whose accesses must happen one before
 * the other; see machine.h.  Shipped code calls it (explore_atomic.h), scenarios do.
 */
#include "machine.h"

#include <assert.h>

#define SHARED_BYTES 16384u
#define HEAP_BYTES (256u << 10)

static _Alignas(64) uint8_t shared[SHARED_BYTES];
static uint16_t word_of[SHARED_BYTES / 4]; /* + 1 */
static _Alignas(64) uint8_t heap[HEAP_BYTES];

static const char *const order_names[] = {
	"relaxed", "acquire", "release", "seq_cst"};

/* ---- words ------------------------------------------------------------- */

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

uint32_t machine_newest(const struct word *w)
{
	return (uint32_t)m.messages[w->stores[w->count - 1]].value;
}

/* ---- steps ------------------------------------------------------------- */

/* Others may go first. */
static void point(void)
{
	if (m.current == MAIN)
		return;
	self()->past = mix(self()->past, 1);
	machine_leave_thread();
}

static const struct explore_mutation *mutation_of(struct explore_site *site)
{
	const struct explore_mutant *mutant = m.run->mutant;

	if (!mutant)
		return NULL;
	if (site->looked_up != m.run_number) {
		site->looked_up = m.run_number;
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
	SAY(site, "load  %s+%zu = %llu (%u of 0 to %u) %s", site->word,
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
	SAY(site, "store %s+%zu = %llu (%u) %s", site->word, offset_of(w),
		(unsigned long long)value, w->count - 1, order_names[order]);
}

void machine_flush_deferred(void)
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
		machine_flush_deferred();
		t->deferring = true;
		t->deferred_site = *site;
		t->deferred_word = word;
		t->deferred_value = value;
		return;
	}
	if (mutation && mutation->action == EXPLORE_RELAX)
		order = EXPLORE_relaxed;
	store_word(site, word, value, order);
	machine_flush_deferred();
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
	SAY(site, "fence %s", order_names[site->order]);
}

void explore_signal(unsigned event)
{
	machine_flush_deferred();
	m.events |= 1u << event;
	m.event_views[event] = self()->view;
	m.memory_hash += mix(mix(self()->past, 1000), event);
	SAY(NULL, "signal %u", event);
}

void explore_await(unsigned event)
{
	struct thread *t = self();

	machine_flush_deferred();
	if (!(m.events & 1u << event)) {
		t->wait = AWAITS_EVENT;
		t->event = event;
		point();
	}
	join(&t->view, &m.event_views[event]);
	t->past = mix(t->past, 2000 + event);
	SAY(NULL, "has seen signal %u", event);
}

/* The kernel looks at the word and queues the sleeper as one step. */
void explore_futex_wait(const volatile void *word, uint32_t value)
{
	struct thread *t = self();
	struct word *w = word_at(word, "bell");

	machine_flush_deferred();
	point();
	t->past = mix(t->past, machine_newest(w));
	if (machine_newest(w) != value) {
		SAY(NULL, "does not sleep: the word is not %u", value);
		return;
	}
	SAY(NULL, "sleeps on %u", value);
	t->wait = AWAITS_WORD;
	t->word = w;
	t->asleep_with = value;
	machine_leave_thread();
	t->past = mix(t->past, machine_newest(w));
	SAY(NULL, "wakes");
}

void explore_checkpoint(unsigned place)
{
	struct thread *t = self();
	uint64_t h = mix(place, (uint64_t)m.current);

	machine_flush_deferred();
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
	SAY(NULL, "payload of slot %u = %llu", slot, (unsigned long long)value);
}

void explore_payload_read(unsigned slot, uint64_t expected)
{
	struct slot *s = &m.slots[slot];

	SAY(NULL, "reads slot %u: %llu", slot, (unsigned long long)s->value);
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

void machine_forget_memory(void)
{
	for (unsigned i = 0; i < m.word_count; i++)
		word_of[offset_of(&m.words[i]) / 4] = 0;
	memset(shared, 0, m.shared_used);
	memset(heap, 0, m.heap_used);
	m.shared_used = m.heap_used = 0;
	m.word_count = m.message_count = 0;
}
