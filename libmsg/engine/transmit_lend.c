/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * transmit_lend.c - whence a reliable topic's loans come: its slots are its history,
 * and what stands there may still be asked for.  See transmit.h.
 *
 *     loan ─> may a frame more leave?  no: see what receivers say (held up)
 *          ─> is there room to note it? no: forget what nobody needs (crowded)
 *          ─> a slot: free, or of the oldest frames that nobody needs (taken back)
 */
#include "engine/transmit_internal.h"

#include "base/clock.h"
#include "base/probe.h"

/* Slots taken back at once, where there are many: the gate is paid once for them. */
#define BATCH_MAX 8u

/* Receivers say that no frame more may leave: look whether they still do.  0,
 * or AGAIN. */
static APART int held_up(struct msg_transmitter *t)
{
	struct msg_repairer *r = t->repairer;
	bool may;
	int n;

	/* What is queued must leave, or nobody moves. */
	msg_transmitter_flush(t);
	msg_repairer_enter(r);
	r->waiting = true;
	n = msg_repairer_turn(r, msg_clock_ns());
	may = msg_repairer_may(r, t->history.next);
	r->waiting = !may;
	msg_repairer_leave(r);
	if (may)
		return 0;
	if (n < 0)
		return n;
	transmit_count(t, MSG_COUNTER_HELD_UP, 1);
	return -MSG_ERROR_AGAIN;
}

/* Whether connections have so much under way that a frame more would have to
 * wait.  0, or AGAIN. */
static APART int clogged(struct msg_transmitter *t)
{
	if (transmit_in_flight(t) <= t->link->send_count / 2)
		return 0;
	/* Who waits here sees to those that it waits for. */
	msg_repairer_progress(t->repairer, msg_clock_ns());
	transmit_count(t, MSG_COUNTER_HELD_UP, 1);
	return -MSG_ERROR_AGAIN;
}

/* Whether the history's table is nearly full. */
static inline bool is_crowded(const struct msg_transmitter *t)
{
	return t->history.next - t->history.first +
		       transmit_frames_due(t, t->lender.pool.loan_count) >
	       t->history.mask + 1;
}

/* Who lacks the oldest frame when memory is short holds us up, too. */
static void note_short(
	struct msg_transmitter *t, bool is_short, uint64_t needed)
{
	const struct msg_history *h = &t->history;

	t->repairer->forget_to = is_short && h->first < h->next &&
						 h->first >= needed
					 ? h->first + 1
					 : 0;
}

/* Forget frames until there is room for those; false: somebody needs them. */
static bool thin_out(struct msg_transmitter *t)
{
	struct msg_repairer *r = t->repairer;
	uint64_t needed;

	msg_repairer_enter(r);
	needed = msg_repairer_needed(r);
	while (is_crowded(t) && transmit_forget(t, needed))
		;
	transmit_forgotten(t);
	note_short(t, is_crowded(t), needed);
	msg_repairer_leave(r);
	return !is_crowded(t);
}

/* It is: make room in it.  0, or AGAIN: somebody needs the oldest frames. */
static APART int crowded(struct msg_transmitter *t)
{
	int result;

	if (thin_out(t))
		return 0;
	result = held_up(t);
	if (result < 0 || thin_out(t))
		return result;
	transmit_count(t, MSG_COUNTER_HELD_UP, 1);
	return -MSG_ERROR_AGAIN;
}

/* Forget frames below `end` until so many slots are free, or one is still sent.  Those
 * that fly are the newest, and left alone: their slots would not come back, and all that
 * is kept could go for nothing. */
static inline void forget_until(
	struct msg_transmitter *t, uint32_t least, uint64_t end)
{
	struct msg_history *h = &t->history;
	uint64_t landed = h->next - transmit_in_flight(t);

	if (end > landed)
		end = landed;
	while (t->lender.pool.free_count < least && h->first < end &&
		!msg_repairer_flies(t->repairer, h->first))
		msg_history_forget(h);
	transmit_forgotten(t);
}

static inline uint32_t batch(const struct msg_transmitter *t)
{
	uint32_t share = t->options.loan_count_max / 4;

	if (share < BATCH_MAX)
		return share > 0 ? share : 1;
	return BATCH_MAX;
}

/* Take back slots until `least` are free; false: none is, the oldest frame is
 * needed. */
static bool take_back(struct msg_transmitter *t, uint32_t least)
{
	struct msg_repairer *r = t->repairer;
	uint64_t needed;

	msg_repairer_enter(r);
	needed = msg_repairer_needed(r);
	forget_until(t, least, needed);
	note_short(t, t->lender.pool.free_count == 0, needed);
	msg_repairer_leave(r);
	return t->lender.pool.free_count > 0;
}

/* Whether more is kept than history_bytes says, at the cost of slots for loans. */
static inline bool has_surplus(const struct msg_transmitter *t)
{
	const struct msg_transmit_pool *pool = &t->lender.pool;

	return t->history.bytes > t->options.history_bytes &&
	       pool->free_count + pool->loan_count < t->options.loan_count_max;
}

/* Of that, forget whole messages that landed and that nobody needs. */
static APART void forget_surplus(struct msg_transmitter *t)
{
	struct msg_repairer *r = t->repairer;
	const struct msg_history *h = &t->history;
	uint64_t end;

	/* Most of it may be what flies, or did when somebody looked last.  What fails
	 * is met when the next frame leaves. */
	(void)transmit_poll(t);
	msg_repairer_enter(r);
	end = h->next - transmit_in_flight(t);
	if (end > msg_repairer_needed(r))
		end = msg_repairer_needed(r);
	while ((has_surplus(t) || !msg_history_begins(h, h->first)) &&
		transmit_forget(t, end))
		;
	transmit_forgotten(t);
	msg_repairer_leave(r);
}

/* What is kept beyond the slots for it stands in slots for loans, half of them at most.
 * The slot that was written last but a few is in the caches, the oldest one may have left
 * them: so those are left alone while nobody needs what they hold.  But of large messages
 * each one more is as much more memory to go through. */
static void thin_to_size(struct msg_transmitter *t)
{
	const struct msg_transmit_pool *pool = &t->lender.pool;

	if (pool->free_count + pool->loan_count <= t->options.loan_count_max / 2)
		take_back(t, pool->free_count + batch(t));
	else if (has_surplus(t))
		forget_surplus(t);
}

/* The same at need: whatever may hold slots up is seen to. */
static APART int take_kept(struct msg_transmitter *t, uint32_t *slot)
{
	struct msg_transmit_pool *pool = &t->lender.pool;
	int result = 0;

	if (!take_back(t, batch(t))) {
		/* What flies keeps its slot, remembered or not. */
		result = msg_transmitter_flush(t);
		if (result == 0 || result == -MSG_ERROR_AGAIN)
			result = transmit_poll(t);
		take_back(t, batch(t));
	}
	*slot = msg_transmit_get(pool);
	if (*slot != MSG_TRANSMIT_NONE)
		return 0;
	if (result < 0)
		return result;
	if (t->options.flow != MSG_FLOW_POLICY_NONE) {
		result = held_up(t);
		if (result < 0)
			return result;
		take_back(t, batch(t));
		*slot = msg_transmit_get(pool);
		if (*slot != MSG_TRANSMIT_NONE)
			return 0;
		/* Few slots are fewer frames than receivers report after. */
		msg_repairer_enter(t->repairer);
		msg_repairer_ask(t->repairer, msg_clock_ns());
		msg_repairer_leave(t->repairer);
	}
	transmit_count(t, MSG_COUNTER_LOAN_REFUSED, 1);
	MSG_PROBE2(refused, t->options.publisher, t->lender.pool.loan_count);
	return -MSG_ERROR_AGAIN;
}

/* A reliable topic's slots come back from its history.  A message that joins a
 * frame needs none, and no more leave than before: so receivers are asked for
 * their leave here, once a frame. */
MSG_LENDER_INLINE int find_here(struct msg_lender *lender, uint32_t *slot)
{
	struct msg_transmitter *t = transmit_of(lender);
	int result;

	if (lender->pool.loan_count >= t->options.loan_count_max) {
		transmit_count(t, MSG_COUNTER_LOAN_REFUSED, 1);
		MSG_PROBE2(refused, t->options.publisher,
			lender->pool.loan_count);
		return -MSG_ERROR_AGAIN;
	}
	if (!msg_repairer_may(t->repairer, t->history.next)) {
		result = held_up(t);
		if (result < 0)
			return result;
	}
	/* Slots are short before that is, but where they hold many frames. */
	if (t->history.next - t->history.first > t->roomy &&
		is_crowded(t)) {
		result = crowded(t);
		if (result < 0)
			return result;
	}
	if (transmit_is_long(t)) {
		result = transmit_poll(t);
		if (result >= 0 && t->options.connected)
			result = clogged(t);
		if (result < 0)
			return result;
	}
	thin_to_size(t);
	*slot = msg_transmit_get(&lender->pool);
	return *slot != MSG_TRANSMIT_NONE ? 0 : take_kept(t, slot);
}

int transmit_find_kept(struct msg_lender *lender, uint32_t *slot)
{
	return find_here(lender, slot);
}

static const struct msg_lender_exit from_history = {
	.find_slot = find_here,
};

int transmit_lend_kept(
	struct msg_transmitter *t, size_t bytes, struct msg_loan *loan)
{
	if (bytes > t->lender.message_bytes_max)
		return transmit_lend_large(t, bytes, loan);
	return msg_lender_lend_fresh(&t->lender, &from_history, bytes, loan);
}

/* ---- behind a message ----------------------------------------------------- */

/* Of a connected topic, what the next loan would have to do in front of its message is
 * done behind this one, as far as it can be by now.  What fails is met there again. */
static void prepare(struct msg_transmitter *t)
{
	struct msg_repairer *r = t->repairer;

	if (transmit_is_long(t))
		(void)transmit_poll(t);
	if (!r->threaded && !msg_repairer_may(r, t->history.next))
		(void)msg_repairer_progress(r, msg_clock_ns());
	thin_to_size(t);
}

int transmit_flushed(struct msg_transmitter *t, int result)
{
	struct msg_repairer *r = t->repairer;

	if (r->held) {
		msg_repairer_enter(r);
		r->held = false;
		msg_repairer_leave(r);
	}
	msg_repairer_wake(r);
	if (t->options.connected)
		prepare(t);
	return result;
}
