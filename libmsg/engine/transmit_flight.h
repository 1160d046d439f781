/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * transmit_flight.h - from a frame that is written to one that is done: a place
 * to fly in, the post, the completion.
 *
 *     await a place ──> post ──> flight[] ──completion──> the slot's reference
 *                        │ AGAIN: see what is done, try again, for a while
 *
 * `flight` is a ring of the slots of frames under way, in the order they were
 * posted.  A frame holds its slot meanwhile, and its header's place.  What is
 * done with each frame is here, to be inlined in its few callers; what is done
 * when the link has no place is in transmit_flight.c.
 * Neighbours: called by transmit.c; calls a link.  Test: test_transmit.c.
 */
#ifndef MSG_ENGINE_TRANSMIT_FLIGHT_H
#define MSG_ENGINE_TRANSMIT_FLIGHT_H

#include "base/probe.h"
#include "engine/transmit_internal.h"

/* A fragment's two headers, on a cache line of their own. */
#define TRANSMIT_HEADER_STRIDE 64u
/* Frames that a queue without end may hold back before they leave. */
#define TRANSMIT_UNFLUSHED_MAX 32u

/* The link has no place: make it find one, for a while.  Returns 0 to try
 * again. */
int transmit_wait_for_link(struct msg_transmitter *t, uint64_t *deadline);

/* The same until a frame more may fly. */
int transmit_await_place_slowly(struct msg_transmitter *t);

static inline bool transmit_has_place(const struct msg_transmitter *t)
{
	return transmit_in_flight(t) <= t->flight_mask;
}

/* Wait until a frame more may fly.  The place of its header in pool.headers is
 * free then, too. */
static inline int transmit_await_place(struct msg_transmitter *t)
{
	return transmit_has_place(t) ? 0 : transmit_await_place_slowly(t);
}

static inline uint8_t *transmit_header_place(const struct msg_transmitter *t)
{
	return t->lender.pool.headers +
	       (size_t)(t->flight_head & t->flight_mask) *
		       TRANSMIT_HEADER_STRIDE;
}

/* The last frame before a pause is always reported, so nothing waits for a
 * report that nobody asked for; of a train, a few suffice. */
static inline bool transmit_wants_signal(struct msg_transmitter *t, bool more)
{
	if (more && ++t->unsignalled < t->signal_every)
		return false;
	t->unsignalled = 0;
	return true;
}

/* It is on its way; takes a reference for as long as it flies. */
MSG_LENDER_INLINE void transmit_left(struct msg_transmitter *t,
	const struct msg_link_send *send, uint32_t slot)
{
	t->flight[t->flight_head & t->flight_mask] = slot;
	msg_transmit_hold(&t->lender.pool, slot);
	t->flight_head++;
	t->unflushed = send->more ? t->unflushed + 1 : 0;
	transmit_count(t, MSG_COUNTER_FRAMES, 1);
	MSG_PROBE2(frame_out, send->iov[0].iov_base, send->iov_count);
	if (t->repairer) {
		transmit_posted(t);
		transmit_serve(t);
	}
}

/* Post one frame of `slot`.  0, or FABRIC: it did not leave. */
MSG_LENDER_INLINE int transmit_post_here(struct msg_transmitter *t,
	struct msg_link_send *send, uint32_t slot, bool more)
{
	uint64_t deadline = 0;
	int result = transmit_await_place(t);

	if (result < 0)
		goto fail;
	send->group = t->group;
	send->token = t->flight_head;
	send->more = more && t->unflushed + 1 < TRANSMIT_UNFLUSHED_MAX;
	send->signal = transmit_wants_signal(t, send->more);
	while ((result = t->link->ops->send(t->link, send)) ==
		-MSG_ERROR_AGAIN) {
		result = transmit_wait_for_link(t, &deadline);
		if (result < 0)
			goto fail;
	}
	if (result < 0)
		goto fail;
	transmit_left(t, send, slot);
	return 0;
fail:
	if (!t->repairer)
		return -MSG_ERROR_FABRIC;
	/* It is remembered, and will be asked for. */
	transmit_posted(t);
	transmit_count(t, MSG_COUNTER_SEND_FAILED, 1);
	return 0;
}

#endif
