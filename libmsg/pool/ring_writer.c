/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring_writer.c - room, revocation and reclaim; ring.h has the picture.
 *
 * What the writer knows of a reader it reads from that reader's ledger: next,
 * then low, then held[], each once and each later than the one before in the
 * reader's own order.  So a window may look smaller than it is by now, never
 * larger: what was claimed since is above the old next, and so not yet taken
 * as far as we know, and safe for that; what has left the window is returned,
 * or in held[], which we read behind it.  A ledger that cannot be true (low or
 * next above the head, more in hand than allowed) is a fault of its owner, who
 * is evicted for it.
 */
#include "pool/ring_writer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#include "base/trail.h"
#ifndef MSG_EXPLORE
#include "base/futex.h"
#endif

int msg_ring_writer_open(struct msg_ring_writer *w,
	const struct msg_ring_writer_options *o)
{
	assert(o->entry_count >= 2 &&
	       (o->entry_count & (o->entry_count - 1)) == 0);
	memset(w, 0, sizeof *w);
	w->header = o->header;
	w->entries = msg_ring_entries(o->header);
	w->mask = o->entry_count - 1;
	w->head = w->tail = o->first;
	w->pin_max = o->pin_max + o->entry_count;
	w->shared = o->shared;
	w->free = o->free;
	w->free_all = o->free_all;
	w->wake = o->wake;
	w->context = w->wake_context = o->context;
	w->tokens = calloc(o->entry_count, sizeof *w->tokens);
	w->pins = calloc(w->pin_max, sizeof *w->pins);
	if (!w->tokens || !w->pins) {
		msg_ring_writer_close(w);
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory for the records of a ring of %u entries",
			o->entry_count);
	}
	w->header->magic = MSG_RING_MAGIC;
	w->header->version = MSG_RING_VERSION;
	w->header->entry_count = o->entry_count;
	w->header->epoch = o->epoch;
	msg_store(&w->header->head, w->head, release);
	msg_store(&w->header->tail, w->tail, relaxed);
	return 0;
}

void msg_ring_writer_close(struct msg_ring_writer *w)
{
	free(w->tokens);
	free(w->pins);
	w->tokens = NULL;
	w->pins = NULL;
}

/* ---- readers ----------------------------------------------------------- */

static void set_floor(struct msg_ring_writer *w, uint32_t k, uint64_t floor)
{
	w->readers[k].floor = floor;
	/* "hold"; partner: msg_ring_hold.  Relaxed: the fence that every
	 * caller puts behind it orders it. */
	msg_store(&w->header->floor[k], floor, relaxed);
}

static void note_change(struct msg_ring_writer *w)
{
	w->watched_count = 0;
	for (uint32_t k = 0; k < w->reader_top; k++)
		if (w->readers[k].ledger)
			w->watched[w->watched_count++] =
				&w->readers[k].ledger->sleeping;
	msg_store(&w->header->changes, ++w->changes, release);
}

void msg_ring_writer_add(struct msg_ring_writer *w, uint32_t reader,
	const struct msg_ring_ledger *ledger, uint32_t held_max,
	enum msg_ring_slow slow)
{
	struct msg_ring_writer_reader *r;

	assert(reader < MSG_RING_READERS_MAX && !w->readers[reader].ledger);
	r = &w->readers[reader];
	r->ledger = ledger;
	r->start = w->tail;
	r->held_max = held_max;
	r->slow = slow;
	r->woken = 0;
	r->keeps = 0;
	r->awaited = r->cut = false;
	r->next = r->returned = 0;
	r->waited_ns = 0;
	set_floor(w, reader, 0);
	if (reader >= w->reader_top)
		w->reader_top = reader + 1;
	note_change(w);
}

void msg_ring_writer_remove(struct msg_ring_writer *w, uint32_t reader)
{
	w->readers[reader].ledger = NULL;
	note_change(w);
	while (w->reader_top > 0 && !w->readers[w->reader_top - 1].ledger)
		w->reader_top--;
}

void msg_ring_vacate(struct msg_ring_writer *w, uint32_t reader)
{
	assert(!w->readers[reader].ledger);
	set_floor(w, reader, 0);
}

bool msg_ring_writer_has(const struct msg_ring_writer *w, uint32_t reader)
{
	return w->readers[reader].ledger &&
	       w->readers[reader].floor != MSG_RING_EVICTED;
}

void msg_ring_evict(struct msg_ring_writer *w, uint32_t k)
{
	set_floor(w, k, MSG_RING_EVICTED);
	w->evicted++;
}

/* What a ledger says, once read and believed. */
struct claim {
	uint64_t low;
	uint64_t next;
	uint32_t held_top;
};

/* False: this reader claims nothing (none there, evicted, or just now). */
static bool read_claim(
	struct msg_ring_writer *w, uint32_t k, struct claim *claim)
{
	struct msg_ring_writer_reader *r = &w->readers[k];
	const struct msg_ring_ledger *ledger = r->ledger;

	if (!ledger || r->floor == MSG_RING_EVICTED)
		return false;
	/* "return"; partner: msg_ring_settle. */
	claim->next = msg_load(&ledger->next, acquire);
	claim->low = msg_load(&ledger->low, acquire);
	claim->held_top = msg_load(&ledger->held_top, acquire);
	if (claim->next < claim->low)
		claim->next = claim->low;
	/* One that has not looked yet stands where it was added. */
	if (claim->next < r->start)
		claim->low = claim->next = r->start;
	if (claim->next > w->head ||
		claim->next - claim->low > r->held_max ||
		claim->held_top > r->held_max) {
		msg_ring_evict(w, k);
		return false;
	}
	return true;
}

bool msg_ring_claim(struct msg_ring_writer *w, uint32_t k,
	struct msg_ring_claim *said)
{
	const struct msg_ring_ledger *ledger = w->readers[k].ledger;
	struct claim c;

	if (!read_claim(w, k, &c))
		return false;
	said->taken = c.next;
	said->next = c.next > w->readers[k].floor ? c.next
						  : w->readers[k].floor;
	said->in_hand = c.next - c.low;
	for (uint32_t h = 0; h < c.held_top; h++)
		said->in_hand += msg_load(&ledger->held[h], relaxed) != 0;
	return true;
}

/* ---- reclaim ----------------------------------------------------------- */

/* The first entry that some reader has yet to take, and the first that some
 * reader has in its window; whether anything is in any held[]. */
struct survey {
	uint64_t untaken;
	uint64_t window;
	bool held;
};

static void look(struct msg_ring_writer *w, struct survey *s)
{
	s->untaken = w->head;
	s->window = w->head;
	s->held = false;
	for (uint32_t k = 0; k < w->reader_top; k++) {
		struct claim c;
		uint64_t next;

		if (!read_claim(w, k, &c))
			continue;
		next = w->readers[k].floor > c.next ? w->readers[k].floor
						    : c.next;
		if (next < s->untaken)
			s->untaken = next;
		if (c.low < c.next && c.low < s->window)
			s->window = c.low;
		s->held |= c.held_top > 0;
	}
}

/* Those of a run that does not pass the end of the array. */
static uint32_t free_run(
	struct msg_ring_writer *w, const uint32_t *tokens, uint64_t count)
{
	uint32_t freed = 0;

	if (w->free_all)
		return w->free_all(w->context, tokens, count);
	for (uint64_t i = 0; i < count; i++) {
		if (tokens[i] == MSG_RING_NO_TOKEN)
			continue;
		w->free(w->context, tokens[i]);
		freed++;
	}
	return freed;
}

static uint32_t free_up_to(struct msg_ring_writer *w, uint64_t index)
{
	uint64_t from = w->tail & w->mask;
	uint64_t count = index > w->tail ? index - w->tail : 0;
	uint64_t first = w->mask + 1 - from;
	uint32_t freed;

	if (count <= first)
		first = count;
	freed = free_run(w, w->tokens + from, first);
	if (count > first)
		freed += free_run(w, w->tokens, count - first);
	w->tail += count;
	return freed;
}

/* The first pin at or above `index`. */
static uint32_t find_pin(const struct msg_ring_writer *w, uint64_t index)
{
	uint32_t from = 0;
	uint32_t to = w->pin_count;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (w->pins[middle].index < index)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Everything below `index` becomes a pin, to be freed below if nobody needs
 * it. */
static void pin_up_to(struct msg_ring_writer *w, uint64_t index)
{
	for (; w->tail < index && w->pin_count < w->pin_max; w->tail++) {
		uint32_t token = w->tokens[w->tail & w->mask];

		if (token != MSG_RING_NO_TOKEN)
			w->pins[w->pin_count++] = (struct msg_ring_pin){
				.index = w->tail, .token = token};
	}
}

static void mark_claims(struct msg_ring_writer *w, uint32_t k)
{
	const struct msg_ring_ledger *ledger = w->readers[k].ledger;
	struct claim c;
	uint32_t i;

	if (!read_claim(w, k, &c))
		return;
	for (i = find_pin(w, c.low);
		i < w->pin_count && w->pins[i].index < c.next; i++)
		w->pins[i].needed = 1;
	for (uint32_t h = 0; h < c.held_top; h++) {
		/* "return"; partner: msg_ring_unhold. */
		uint64_t held = msg_load(&ledger->held[h], acquire);

		i = held ? find_pin(w, held - 1) : w->pin_count;
		if (i < w->pin_count && w->pins[i].index == held - 1)
			w->pins[i].needed = 1;
	}
}

static uint32_t sweep_pins(struct msg_ring_writer *w)
{
	uint32_t kept = 0;
	uint32_t count = 0;

	for (uint32_t i = 0; i < w->pin_count; i++) {
		if (w->pins[i].needed) {
			w->pins[i].needed = 0;
			w->pins[kept++] = w->pins[i];
			continue;
		}
		w->free(w->context, w->pins[i].token);
		count++;
	}
	w->pin_count = kept;
	return count;
}

/* Whether nothing is to be taken from a reader. */
static inline bool is_spared(
	const struct msg_ring_writer *w, const struct msg_ring_writer_reader *r)
{
	return r->slow == MSG_RING_BLOCK ||
	       (r->awaited && !r->cut && w->waits);
}

/* What one who is waited for has yet to take comes back to nobody, so nobody is
 * to lose it. */
static uint64_t revocable(struct msg_ring_writer *w, uint64_t index)
{
	for (uint32_t k = 0; k < w->reader_top; k++) {
		struct claim c;

		if (is_spared(w, &w->readers[k]) && read_claim(w, k, &c) &&
			c.next < index)
			index = c.next;
	}
	return index;
}

/* Take from laggards what they have not taken, below `index`. */
static void revoke_below(struct msg_ring_writer *w, uint64_t index)
{
	for (uint32_t k = 0; k < w->reader_top; k++) {
		struct msg_ring_writer_reader *r = &w->readers[k];
		struct claim c;

		if (is_spared(w, r) || r->floor >= index ||
			!read_claim(w, k, &c) || c.next >= index)
			continue;
		if (r->slow == MSG_RING_EVICT)
			msg_ring_evict(w, k);
		else
			set_floor(w, k, index);
		w->revoked++;
	}
}

static uint64_t retained(const struct msg_ring_writer *w)
{
	uint64_t there = w->head - (w->kept > w->tail ? w->kept : w->tail);

	return there < w->retain ? there : w->retain;
}

uint32_t msg_ring_reclaim(struct msg_ring_writer *w, uint64_t index)
{
	uint64_t most = w->head - (w->strict ? retained(w) : 0);
	uint32_t count = 0;
	struct survey s;

	if (index > most)
		index = most;
	if (index > w->tail)
		index = revocable(w, index);
	if (index > w->tail)
		revoke_below(w, index);
	/* "hold": floors before this, claims behind it; and whoever joined
	 * before an entry was published is seen before that entry goes. */
	msg_fence(seq_cst);
	look(w, &s);
	w->needed = s.window < s.untaken ? s.window : s.untaken;
	/* It may be any of those that are retained. */
	if (s.held)
		w->needed = w->tail;
	if ((index <= w->tail || w->strict) &&
		s.untaken > w->head - retained(w))
		s.untaken = w->head - retained(w);
	if (s.held || w->pin_count > 0 || index > w->tail) {
		pin_up_to(w, s.untaken);
		for (uint32_t k = 0; k < w->reader_top; k++)
			mark_claims(w, k);
		count = sweep_pins(w);
	} else {
		count = free_up_to(
			w, s.window < s.untaken ? s.window : s.untaken);
	}
	msg_store(&w->header->tail, w->tail, relaxed);
	return count;
}

uint32_t msg_ring_press(struct msg_ring_writer *w, uint64_t index)
{
	bool waits = w->waits;
	uint32_t count;

	w->waits = false;
	count = msg_ring_reclaim(w, index);
	w->waits = waits;
	return count;
}

static uint32_t reclaim_retaining(struct msg_ring_writer *w, uint32_t most)
{
	uint32_t retain = w->retain;
	uint32_t count;

	w->retain = most;
	count = msg_ring_reclaim(w, 0);
	w->retain = retain;
	return count;
}

uint32_t msg_ring_forget(struct msg_ring_writer *w)
{
	return reclaim_retaining(w, 0);
}

uint32_t msg_ring_thin(struct msg_ring_writer *w)
{
	uint64_t kept = w->head - w->tail;

	return reclaim_retaining(
		w, kept < w->retain ? (uint32_t)kept / 2 : w->retain / 2);
}

void msg_ring_yield(struct msg_ring_writer *w, uint64_t index)
{
	assert(w->strict && index <= w->head);
	if (index <= w->head - retained(w))
		return;
	w->kept = index;
	/* "late"; partner: msg_ring_oldest.  Relaxed: the fence that every
	 * caller puts behind it orders it. */
	msg_store(&w->header->kept, index, relaxed);
}

bool msg_ring_is_needed(struct msg_ring_writer *w, uint64_t index)
{
	for (uint32_t k = 0; k < w->reader_top; k++) {
		const struct msg_ring_ledger *ledger = w->readers[k].ledger;
		struct claim c;

		if (!read_claim(w, k, &c))
			continue;
		if (index >= c.next ? is_spared(w, &w->readers[k])
				    : index >= c.low)
			return true;
		for (uint32_t h = 0; h < c.held_top; h++)
			if (msg_load(&ledger->held[h], relaxed) == index + 1)
				return true;
	}
	return false;
}

bool msg_ring_make_room(struct msg_ring_writer *w, uint32_t count)
{
	uint64_t size = w->mask + 1;

	assert(count <= size / 2);
	msg_ring_reclaim(w, 0);
	if (w->head + count - w->tail <= size)
		return true;
	/* A quarter at a time, so that it is seldom. */
	msg_ring_press(w, w->head + count - size + size / 4);
	return w->head + count - w->tail <= size;
}

uint32_t msg_ring_hoarder(struct msg_ring_writer *w, uint64_t least)
{
	uint32_t found = MSG_RING_READERS_MAX;
	uint64_t most = 0;
	uint64_t all = 0;

	for (uint32_t k = 0; k < w->reader_top; k++) {
		bool awaited = is_spared(w, &w->readers[k]);
		struct claim c;
		uint64_t in_hand;

		if (!read_claim(w, k, &c))
			continue;
		if (awaited && c.next < w->head)
			return MSG_RING_READERS_MAX;
		in_hand = c.next - c.low + c.held_top;
		in_hand -= in_hand < w->readers[k].keeps ? in_hand
							 : w->readers[k].keeps;
		all += awaited ? 0 : in_hand;
		if (in_hand > most) {
			most = in_hand;
			/* As a relay, whose frames the device still has: nobody
			 * else is to pay for that. */
			found = awaited ? MSG_RING_READERS_MAX : k;
		}
	}
	return all < least ? MSG_RING_READERS_MAX : found;
}

/* Of an entry that somebody has in hand: it is there, or a pin. */
static uint64_t weigh(struct msg_ring_writer *w, uint64_t index,
	msg_ring_weight_fn *weight)
{
	uint32_t token = MSG_RING_NO_TOKEN;
	uint32_t i;

	if (index - w->tail < w->head - w->tail) {
		token = w->tokens[index & w->mask];
	} else {
		i = find_pin(w, index);
		if (i < w->pin_count && w->pins[i].index == index)
			token = w->pins[i].token;
	}
	return token == MSG_RING_NO_TOKEN ? 0 : weight(w->context, token);
}

uint32_t msg_ring_heaviest(
	struct msg_ring_writer *w, msg_ring_weight_fn *weight)
{
	uint32_t found = MSG_RING_READERS_MAX;
	uint64_t most = 0;

	for (uint32_t k = 0; k < w->reader_top; k++) {
		const struct msg_ring_ledger *ledger = w->readers[k].ledger;
		uint64_t in_hand = 0;
		struct claim c;

		if (!read_claim(w, k, &c))
			continue;
		for (uint64_t at = c.low; at < c.next; at++)
			in_hand += weigh(w, at, weight);
		for (uint32_t h = 0; h < c.held_top; h++) {
			uint64_t held = msg_load(&ledger->held[h], acquire);

			in_hand += held ? weigh(w, held - 1, weight) : 0;
		}
		if (in_hand > most) {
			most = in_hand;
			found = is_spared(w, &w->readers[k])
					? MSG_RING_READERS_MAX
					: k;
		}
	}
	return found;
}

/* ---- sleepers ---------------------------------------------------------- */

void msg_ring_wake_behind(struct msg_ring_writer *w)
{
	bool futex = false;

	for (uint32_t k = 0; k < w->reader_top; k++) {
		struct msg_ring_writer_reader *r = &w->readers[k];
		uint32_t sleeping;

		if (!r->ledger)
			continue;
		sleeping = msg_load(&r->ledger->sleeping, relaxed);
		if (sleeping % MSG_RING_SLEEP_STEP == MSG_RING_AWAKE ||
			sleeping == r->woken)
			continue;
		r->woken = sleeping;
		if (sleeping % MSG_RING_SLEEP_STEP == MSG_RING_SLEEP_FUTEX)
			futex = true;
		else if (w->wake)
			w->wake(w->wake_context, k);
	}
	if (!futex)
		return;
	msg_store(&w->header->bell, msg_load(&w->header->bell, relaxed) + 1,
		release);
#ifndef MSG_EXPLORE
	msg_futex_wake(&w->header->bell);
#endif
}

void msg_ring_wake(struct msg_ring_writer *w)
{
	/* "sleep"; partner: msg_ring_sleep. */
	msg_fence(seq_cst);
	if (msg_ring_has_sleeper(w))
		msg_ring_wake_behind(w);
}
