/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * receive_reclaim.c - slots that rings hold come back; see receive.h.
 *
 * First what no reader needs; then what is kept for who comes late; and when slots
 * are short yet, what readers have yet to take: half of it, of the ring that has
 * most.  Of connected topics that is only what they have beyond their part (hold.c):
 * their readers are waited for.
 */
#include "engine/receive_internal.h"

#include "pool/ring_wait.h"

static bool is_short(const struct msg_receiver *r, uint32_t part, bool wide)
{
	const struct msg_receive_pool *pool = &r->pool;

	if (wide)
		return r->session && pool->wide_free_count + r->calls.posted <
					     pool->wide_count / part;
	return pool->free_count + r->posted < pool->narrow / part;
}

/* Slots of one kind are short: take some from the readers that let most of them
 * wait, whoever is waited for. */
static void take_back(struct msg_receiver *r, bool wide)
{
	struct msg_ring_writer *worst = NULL;
	uint64_t most = 0;

	for (uint32_t i = 0; i < r->ring_top; i++) {
		uint64_t there;

		if (!r->rings[i])
			continue;
		there = r->session ? hold_excess(r, i, wide)
				   : msg_ring_backlog(r->rings[i]);
		if (there <= most)
			continue;
		most = there;
		worst = r->rings[i];
	}
	if (!worst)
		return;
	/* Half of what may be anything, or all that is too much. */
	msg_ring_press(worst,
		worst->tail + (wide && worst->waits
					      ? most
					      : (msg_ring_backlog(worst) + 1) / 2));
}

/* Slots that the rings hold and nobody needs; what they retain for who comes
 * late; and then what readers have yet to take, if that has to be. */
void receive_reclaim(struct msg_receiver *r)
{
	if (r->ring) {
		msg_ring_reclaim(r->ring, 0);
		return;
	}
	for (uint32_t i = 0; i < r->ring_top; i++) {
		struct msg_ring_writer *ring = r->rings[i];

		if (!ring)
			continue;
		msg_ring_reclaim(ring, 0);
		if (ring->retain > 0 &&
			(is_short(r, 2, false) || is_short(r, 2, true)))
			msg_ring_forget(ring);
	}
	for (int wide = 0; r->options.revoke && wide < 2; wide++)
		if (is_short(r, 4, wide))
			take_back(r, wide);
}

bool msg_receiver_short(struct msg_receiver *r)
{
	if (!is_short(r, 4, false))
		return false;
	receive_reclaim(r);
	return is_short(r, 4, false);
}

/* The link gives none of its own back, so what the rings retain gives way. */
static void spare(struct msg_receiver *r, const uint32_t *free, uint32_t count)
{
	if (*free < count)
		receive_reclaim(r);
	for (uint32_t i = 0; i < r->ring_top && *free < count; i++)
		if (r->rings[i] && r->rings[i]->retain > 0)
			msg_ring_thin(r->rings[i]);
}

void receive_spare(struct msg_receiver *r, uint32_t count)
{
	spare(r, &r->pool.free_count, count);
}

void receive_spare_apart(struct msg_receiver *r, uint32_t count)
{
	spare(r, &r->pool.apart_free_count, count);
}

void receive_recall(struct msg_receiver *r, bool revoke)
{
	for (uint32_t i = 0; i < r->ring_top; i++) {
		struct msg_ring_writer *ring = r->rings[i];

		if (!ring)
			continue;
		msg_ring_forget(ring);
		if (!revoke)
			continue;
		if (ring->waits)
			msg_ring_wait(
				ring, turn_now(r), hold_patience(r, i), 0);
		msg_ring_reclaim(ring,
			ring->tail + (msg_ring_backlog(ring) + 1) / 2);
	}
}

void receive_recalled(struct msg_receiver *r)
{
	for (uint32_t i = 0; i < r->ring_top; i++)
		if (r->rings[i] && !r->holds[i].waiting)
			msg_ring_wait_over(r->rings[i]);
}
