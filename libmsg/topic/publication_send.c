/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publication_send.c - the calls of the application: loans, sends, and what they do
 * besides; see publication.h.
 *
 *     usual    inline in publication.h, or send_quickly: one slip through the gate,
 *              no clock, nobody to wake
 *     else     _slowly: in by the gate, the outbox's general way
 *     now and then   a turn of the client, and a move to the next ring
 *
 * An instruction here is one of each message (tests/perf/cost.sh, "broker publish"):
 * what is rare is apart, so that the usual way saves no registers for it.
 *
 * Neighbours: called by api/publisher; calls engine/outbox, publication.c
 * (publication_attend) and publication_outlet.c.
 */
#include "topic/publication_internal.h"

/* Sends that do not look at the clock, behind one that does, at most. */
#define UNLOOKED_MAX 15
/* The rare way, apart: what is usual saves no registers for it. */
#define APART __attribute__((noinline))

/* The owner stays in while a frame is being filled: the usual lend and queue,
 * which are inline, pass no gate then. */
static void leave(struct msg_publication *p)
{
	if (p->current->outbox.lender.pack.count == 0)
		msg_gate_leave(&p->attended.gate);
}

/* Whether it is time for a turn.  While sends come faster than the clock ticks
 * fewer and fewer look at it; when they become slow, those that are not to look
 * pass once, and each looks from there on. */
static bool is_due(struct msg_publication *p)
{
	uint64_t now;

	if (--p->unlooked >= 0)
		return false;
	now = msg_clock_coarse_ns();
	p->unlooked_of = now == p->looked_ns
				 ? (2 * p->unlooked_of + 1) & UNLOOKED_MAX
				 : 0;
	p->unlooked = p->unlooked_of;
	p->looked_ns = now;
	return now >= msg_load(&p->client.due, relaxed);
}

APART int publication_lend_slowly(
	struct msg_publication *p, size_t bytes, struct msg_loan *loan)
{
	int result;

	msg_gate_enter(&p->attended.gate);
	if (p->next)
		publication_move(p);
	result = msg_outbox_lend(&p->current->outbox, bytes, loan);
	/* Whoever waits for room must learn that who held it is gone. */
	if (result == -MSG_ERROR_AGAIN && msg_client_is_due(&p->client)) {
		publication_attend(p);
		/* A broker that is away tells of nobody, and the next one of
		 * the next ring's readers alone. */
		if (p->current != p->coming)
			outlet_drop_dead(p->current);
	}
	leave(p);
	return result;
}

/* Nothing is being filled behind what goes alone: the owner leaves. */
static APART int lend_alone(
	struct msg_publication *p, size_t bytes, struct msg_loan *loan)
{
	if (p->next || !msg_outbox_lend_alone(&p->current->outbox, bytes, loan))
		return publication_lend_slowly(p, bytes, loan);
	msg_gate_leave(&p->attended.gate);
	return 0;
}

APART int publication_lend_behind(
	struct msg_publication *p, size_t bytes, struct msg_loan *loan)
{
	struct msg_outbox *o = &p->current->outbox;

	if (p->next || o->lender.pack.count == 0 ||
		!msg_outbox_lend_behind(o, bytes, loan))
		return lend_alone(p, bytes, loan);
	return 0;
}

APART int publication_queue_slowly(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	int result;

	msg_gate_enter(&p->attended.gate);
	result = msg_outbox_queue(&p->current->outbox, loan, bytes);
	leave(p);
	return result;
}

/* Behind a send: it may be time for the broker. */
static APART int attend_if_due(struct msg_publication *p)
{
	if (is_due(p))
		publication_attend(p);
	leave(p);
	return 0;
}

/* Somebody sleeps, or there is news. */
static APART int tell(struct msg_publication *p)
{
	msg_outbox_tell(&p->current->outbox);
	return attend_if_due(p);
}

static APART int send_slowly(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	int result;

	msg_gate_enter(&p->attended.gate);
	result = msg_outbox_send(&p->current->outbox, loan, bytes);
	if (is_due(p))
		publication_attend(p);
	leave(p);
	return result;
}

/* It is published, and nobody was told. */
MSG_LENDER_INLINE int sent_alone(
	struct msg_publication *p, struct msg_outbox *o)
{
	if (!msg_outbox_is_quiet(o))
		return tell(p);
	if (--p->unlooked < 0)
		return attend_if_due(p);
	msg_gate_leave(&p->attended.gate);
	return 0;
}

/* A lone message, but not of the loan given out last; else the slow way, which
 * the gate lets in again. */
static APART int send_noted(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	struct msg_outbox *o;

	if (!msg_gate_slip_in(&p->attended.gate))
		return send_slowly(p, loan, bytes);
	o = &p->current->outbox;
	if (!msg_outbox_send_alone(o, loan, bytes))
		return send_slowly(p, loan, bytes);
	return sent_alone(p, o);
}

/* The usual lone message. */
MSG_LENDER_INLINE int send_quickly(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	struct msg_outbox *o;

	if (!msg_gate_slip_in(&p->attended.gate))
		return send_noted(p, loan, bytes);
	o = &p->current->outbox;
	if (!msg_outbox_send_quick(o, loan, bytes))
		return send_noted(p, loan, bytes);
	return sent_alone(p, o);
}

APART int publication_send_small(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	if (bytes > MSG_RING_INLINE_BYTES)
		__builtin_unreachable();
	return send_quickly(p, loan, bytes);
}

APART int publication_send_other(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	if (bytes <= MSG_RING_INLINE_BYTES)
		__builtin_unreachable();
	return send_quickly(p, loan, bytes);
}

void msg_publication_flush(struct msg_publication *p)
{
	msg_gate_enter(&p->attended.gate);
	msg_outbox_flush(&p->current->outbox);
	if (is_due(p))
		publication_attend(p);
	leave(p);
}

void msg_publication_abandon(struct msg_publication *p, struct msg_loan *loan)
{
	msg_gate_enter(&p->attended.gate);
	msg_outbox_abandon(&p->current->outbox, loan);
	leave(p);
}
