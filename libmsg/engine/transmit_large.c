/* SPDX-License-Identifier: BSD-2-Clause */
/* transmit_large.c - lending and sending large messages; see show.h. */
#include "engine/transmit_internal.h"

#include "base/clock.h"

/* In a slot's loan_offset: the buffer that its loan stands in. */
#define IN_BUFFER 0x80000000u

bool transmit_is_large(const struct msg_transmitter *t, uint32_t slot)
{
	return t->lender.pool.slots[slot].loan_offset & IN_BUFFER;
}

/* ---- what stands, and for whom ------------------------------------------ */

/* Whether slot and message still belong together. */
static bool stands(
	const struct msg_transmitter *t, const struct msg_show_message *m)
{
	const struct msg_transmit_slot *slot = &t->lender.pool.slots[m->slot];

	if (slot->generation == m->generation)
		return true; /* Lent out. */
	return slot->generation == m->generation + 1 && slot->refs > 0;
}

static bool is_wanted(const struct msg_transmitter *t,
	const struct msg_show_message *m, uint64_t now)
{
	const struct msg_show *show = t->repairer->show;

	return m->sent &&
	       (now - m->sent_ns < show->young_ns ||
		       msg_repairer_wants(t->repairer, m->frame,
			       m->sent_ns > show->short_ns ? m->sent_ns
							   : show->short_ns,
			       now));
}

/* Give back what belongs to no slot any more and nobody wants. */
static void settle(struct msg_transmitter *t, uint64_t now)
{
	struct msg_show *show = t->repairer->show;

	for (uint32_t i = 0; i < show->pool.top; i++) {
		if (!show->pool.buffers[i].used ||
			stands(t, &show->messages[i]) ||
			is_wanted(t, &show->messages[i], now))
			continue;
		msg_show_void(show, i);
		msg_large_put(&show->pool, i);
	}
}

/* The oldest message that the history has; NULL: none. */
static const struct msg_show_message *oldest(const struct msg_transmitter *t)
{
	const struct msg_show *show = t->repairer->show;
	const struct msg_show_message *found = NULL;

	for (uint32_t i = 0; i < show->pool.top; i++) {
		const struct msg_show_message *m = &show->messages[i];

		if (show->pool.buffers[i].used && m->sent && stands(t, m) &&
			m->frame >= t->history.first &&
			(!found || m->frame < found->frame))
			found = m;
	}
	return found;
}

/* Memory is short: forget one.  False: there is none, or somebody wants it. */
static bool give_way(struct msg_transmitter *t, uint64_t now)
{
	const struct msg_show_message *m = oldest(t);

	return m && !is_wanted(t, m, now) && transmit_forget_to(t, m->frame + 1);
}

/* ---- lending ------------------------------------------------------------ */

static int take_inside(struct msg_transmitter *t, size_t bytes, uint32_t *buffer)
{
	struct msg_repairer *r = t->repairer;
	uint64_t now = msg_clock_ns();
	int result, done;

	for (;;) {
		settle(t, now);
		result = msg_large_take(&r->show->pool, bytes, buffer);
		if (result != -MSG_ERROR_AGAIN) {
			r->show->short_ns = 0;
			return result;
		}
		if (r->show->short_ns == 0)
			r->show->short_ns = now;
		/* What flies keeps its slot, remembered or not. */
		done = transmit_poll(t);
		if (done < 0)
			return done;
		if (done == 0 && !give_way(t, now))
			break;
	}
	/* Who reads is served meanwhile, and heard. */
	return msg_repairer_turn(r, now) < 0 ? -MSG_ERROR_FABRIC : result;
}

static int take_buffer(struct msg_transmitter *t, size_t bytes, uint32_t *buffer)
{
	int result;

	msg_repairer_enter(t->repairer);
	result = take_inside(t, bytes, buffer);
	msg_repairer_leave(t->repairer);
	return result;
}

int transmit_lend_large(
	struct msg_transmitter *t, size_t bytes, struct msg_loan *loan)
{
	struct msg_transmit_pool *pool = &t->lender.pool;
	struct msg_show *show = t->repairer->show;
	uint32_t buffer, slot;
	size_t capacity;
	int result;

	if (!show || bytes > show->bytes_max)
		return -MSG_ERROR_TOO_LARGE;
	result = take_buffer(t, bytes, &buffer);
	if (result == -MSG_ERROR_AGAIN && t->unflushed > 0) {
		/* What is queued must leave, or nobody moves. */
		msg_transmitter_flush(t);
		result = take_buffer(t, bytes, &buffer);
	}
	if (result == -MSG_ERROR_AGAIN)
		transmit_count(t, MSG_COUNTER_LOAN_REFUSED, 1);
	if (result < 0)
		return result;
	result = transmit_find_kept(&t->lender, &slot);
	if (result < 0) {
		msg_repairer_enter(t->repairer);
		msg_large_put(&show->pool, buffer);
		msg_repairer_leave(t->repairer);
		return result;
	}
	capacity = msg_large_capacity(&show->pool, buffer);
	if (capacity > show->bytes_max)
		capacity = show->bytes_max;
	msg_transmit_lend(
		pool, slot, IN_BUFFER | buffer, (uint32_t)capacity, loan);
	loan->data = msg_large_data(&show->pool, buffer);
	show->messages[buffer] = (struct msg_show_message){
		.slot = slot,
		.generation = pool->slots[slot].generation,
	};
	return 0;
}

/* ---- sending ------------------------------------------------------------ */

int transmit_send_large(
	struct msg_transmitter *t, uint32_t slot, uint32_t bytes, bool more)
{
	struct msg_show *show = t->repairer->show;
	uint32_t buffer = t->lender.pool.slots[slot].loan_offset & ~IN_BUFFER;
	struct msg_show_message *m = &show->messages[buffer];
	struct msg_large large;

	msg_show_seal(show, buffer, bytes, &large);
	msg_large_write(msg_transmit_payload(&t->lender.pool, slot), &large);
	m->sent = true;
	m->frame = t->history.next;
	m->sent_ns = msg_clock_ns();
	return transmit_post_large(t, slot, more);
}
