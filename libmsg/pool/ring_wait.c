/* SPDX-License-Identifier: BSD-2-Clause */
/* ring_wait.c - who is waited for, and for how long; see ring_wait.h. */
#include "pool/ring_wait.h"

#include <assert.h>

/* Of a look, at most: nobody is to blame for what lies between two that are far
 * apart. */
#define LOOK_NS_MAX 100000000ull

void msg_ring_await(struct msg_ring_writer *w, uint32_t reader)
{
	assert(w->readers[reader].ledger);
	w->readers[reader].awaited = true;
}

/* What does not come back by itself as long as the reader stands still. */
static uint64_t weigh(const struct msg_ring_writer *w,
	const struct msg_ring_writer_reader *r,
	const struct msg_ring_claim *claim)
{
	bool spared = r->slow == MSG_RING_BLOCK ||
		      (r->awaited && !r->cut && w->waits);
	uint64_t in_hand = claim->in_hand;

	in_hand -= in_hand < r->keeps ? in_hand : r->keeps;
	return in_hand + (spared ? w->head - claim->next : 0);
}

/* Whether it has got on since we looked. */
static void note(struct msg_ring_writer_reader *r,
	const struct msg_ring_claim *claim)
{
	uint64_t returned = claim->in_hand < claim->taken
				    ? claim->taken - claim->in_hand
				    : 0;

	if (claim->taken <= r->next && returned <= r->returned)
		return;
	if (claim->taken > r->next)
		r->next = claim->taken;
	if (returned > r->returned)
		r->returned = returned;
	r->waited_ns = 0;
	r->cut = false;
}

/* What each reader weighs; and the most.  UINT64_MAX: less than `least` in all. */
static uint64_t weigh_all(
	struct msg_ring_writer *w, uint64_t *weights, uint64_t least)
{
	uint64_t most = 0, all = 0;

	for (uint32_t k = 0; k < w->reader_top; k++) {
		struct msg_ring_claim claim;

		weights[k] = 0;
		if (!msg_ring_claim(w, k, &claim))
			continue;
		note(&w->readers[k], &claim);
		weights[k] = weigh(w, &w->readers[k], &claim);
		all += weights[k];
		if (weights[k] > most)
			most = weights[k];
	}
	return all < least ? UINT64_MAX : most;
}

bool msg_ring_wait(struct msg_ring_writer *w, uint64_t now,
	uint64_t patience_ns, uint64_t least)
{
	uint64_t weights[MSG_RING_READERS_MAX];
	uint64_t most = weigh_all(w, weights, least);
	uint64_t passed = now - w->looked_ns;
	bool begins = w->looked_ns == 0, over = false;

	if (passed > LOOK_NS_MAX)
		passed = LOOK_NS_MAX;
	w->looked_ns = now;
	for (uint32_t k = 0; k < w->reader_top; k++) {
		struct msg_ring_writer_reader *r = &w->readers[k];

		if (begins)
			r->waited_ns = 0;
		if (begins || weights[k] == 0 || weights[k] < most / 2)
			continue;
		r->waited_ns += passed;
		if (r->waited_ns < patience_ns || r->slow == MSG_RING_BLOCK)
			continue;
		r->cut = true;
		over = true;
	}
	return over;
}

uint32_t msg_ring_wait_hoarder(
	struct msg_ring_writer *w, uint64_t patience_ns)
{
	uint32_t found = MSG_RING_READERS_MAX;
	uint64_t most = 0;

	for (uint32_t k = 0; k < w->reader_top; k++) {
		const struct msg_ring_writer_reader *r = &w->readers[k];
		struct msg_ring_claim claim;

		if (r->waited_ns < patience_ns || r->slow == MSG_RING_BLOCK ||
			!msg_ring_claim(w, k, &claim) || claim.in_hand <= most)
			continue;
		most = claim.in_hand;
		found = k;
	}
	return found;
}
