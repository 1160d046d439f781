/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outbox_large.c - large messages of a publisher on a host with a broker.
 *
 * A message stands in a buffer of the area, and belongs to a slot of the pool,
 * whose own memory stays empty: loan and entry are that slot's, so what readers
 * give back frees both.  That is seen when memory is wanted, and costs nothing
 * before.
 *
 * So does what is kept for who comes late, as far as that takes and no further: the
 * oldest entry that holds such memory and that nobody needs, and with it all that are
 * older, again and again.  Who comes meanwhile is in nobody's way and reads nothing
 * that is gone: "late" in pool/ring.h.
 */
#include "engine/outbox_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/trail.h"
#include "pool/ring_wait.h"

int outbox_open_large(
	struct msg_outbox *o, const struct msg_outbox_options *options)
{
	struct msg_large_area area = {
		.base = options->area,
		.bytes = msg_large_area_bytes(options->large_memory_bytes),
		.fault_in = true,
	};

	o->large = calloc(1, sizeof *o->large);
	if (!o->large)
		return msg_fail(
			MSG_ERROR_MEMORY, "no memory for large messages");
	o->large->bytes_max = options->large_bytes_max;
	o->large->patience_ns = options->large_patience_ns;
	msg_large_open_in(&o->large->pool, NULL, MSG_CHANNEL_LOCAL,
		options->large_memory_bytes, &area);
	return 0;
}

void outbox_close_large(struct msg_outbox *o)
{
	free(o->large);
	o->large = NULL;
}

/* Whether the loan that the buffer belongs to is still out. */
static bool is_lent(const struct msg_outbox *o, uint32_t buffer)
{
	uint32_t slot = o->large->owners[buffer].slot;

	return o->lender.pool.slots[slot].generation ==
	       o->large->owners[buffer].generation;
}

/* Whether buffer and slot still belong together. */
static bool stands(const struct msg_outbox *o, uint32_t buffer)
{
	const struct msg_transmit_slot *slot =
		&o->lender.pool.slots[o->large->owners[buffer].slot];

	return is_lent(o, buffer) ||
	       (slot->generation == o->large->owners[buffer].generation + 1 &&
		       slot->refs > 0);
}

static void settle(const struct msg_outbox *o)
{
	struct msg_large_pool *pool = &o->large->pool;

	for (uint32_t i = 0; i < pool->top; i++)
		if (pool->buffers[i].used && !stands(o, i))
			msg_large_put(pool, i);
}

/* What is wanted, if it is to be had, or never will be. */
static bool has_memory(const struct msg_outbox *o)
{
	struct msg_outbox_large *large = o->large;

	settle(o);
	large->result =
		msg_large_take(&large->pool, large->wanted, &large->taken);
	return large->result != -MSG_ERROR_AGAIN;
}

/* ---- what is kept gives way ------------------------------------------------ */

/* Whether an entry that has not left the ring holds the buffer. */
static bool is_kept(const struct msg_outbox *o, uint32_t buffer)
{
	const struct msg_outbox_large *large = o->large;

	return large->pool.buffers[buffer].used && !is_lent(o, buffer) &&
	       large->owners[buffer].index >= o->ring.tail;
}

/* The oldest entry with a buffer that would come back; the head: there is none. */
static uint64_t find_oldest(struct msg_outbox *o)
{
	uint64_t found = o->ring.head;

	for (uint32_t i = 0; i < o->large->pool.top; i++) {
		uint64_t index = o->large->owners[i].index;

		if (is_kept(o, i) && index < found &&
			!msg_ring_is_needed(&o->ring, index))
			found = index;
	}
	return found;
}

/* Give up what is kept until there is memory.  False: nothing that is kept would
 * bring any. */
static bool give_way(struct msg_outbox *o)
{
	struct msg_ring_writer *w = &o->ring;
	uint64_t oldest;

	while ((oldest = find_oldest(o)) < w->head) {
		msg_ring_yield(w, oldest + 1);
		outbox_look(o);
		msg_ring_reclaim(w, oldest + 1);
		if (has_memory(o)) {
			msg_ring_wait_over(w);
			return true;
		}
		/* Somebody came who is waited for. */
		if (w->tail <= oldest)
			break;
	}
	return false;
}

static bool find_memory(struct msg_outbox *o)
{
	return has_memory(o) || (o->ring.strict && give_way(o)) ||
	       outbox_reclaim(o, has_memory);
}

/* ---- short of memory --------------------------------------------------------- */

/* Bytes of a large message, by the slot it belongs to.  A slot that an entry has to
 * itself holds none. */
static uint64_t weight(void *outbox, uint32_t token)
{
	const struct msg_outbox *o = outbox;
	uint32_t slot = token & ~MSG_OUTBOX_SHARED;

	if (slot == token || !outbox_is_large(o, slot))
		return 0;
	return msg_large_capacity(&o->large->pool,
		o->lender.pool.slots[slot].loan_offset & ~OUTBOX_IN_BUFFER);
}

static bool is_any_lent(const struct msg_outbox *o)
{
	for (uint32_t i = 0; i < o->large->pool.top; i++)
		if (o->large->pool.buffers[i].used && is_lent(o, i))
			return true;
	return false;
}

/* No memory is to be had.  If that lasts, and it is not for loans, whoever holds
 * most loses the ring, unless that one is waited for. */
static bool relieve(struct msg_outbox *o)
{
	struct msg_outbox_large *large = o->large;
	uint64_t now = msg_clock_coarse_ns();
	uint32_t reader;

	if (large->starved_ns == 0)
		large->starved_ns = now;
	if (now - large->starved_ns < large->patience_ns ||
		is_any_lent(o))
		return false;
	reader = msg_ring_heaviest(&o->ring, weight);
	if (reader == MSG_RING_READERS_MAX)
		return false;
	large->starved_ns = 0;
	msg_ring_evict(&o->ring, reader);
	return find_memory(o);
}

int outbox_take_large(struct msg_outbox *o, size_t bytes, uint32_t *buffer)
{
	struct msg_outbox_large *large = o->large;

	large->wanted = bytes;
	if (!find_memory(o) && !relieve(o))
		return outbox_refuse(o);
	large->starved_ns = 0;
	*buffer = large->taken;
	return large->result;
}

void outbox_lend_large(struct msg_outbox *o, uint32_t slot, uint32_t buffer,
	struct msg_loan *loan)
{
	struct msg_outbox_large *large = o->large;
	size_t capacity = msg_large_capacity(&large->pool, buffer);

	if (capacity > large->bytes_max)
		capacity = large->bytes_max;
	msg_transmit_lend(&o->lender.pool, slot, OUTBOX_IN_BUFFER | buffer,
		(uint32_t)capacity, loan);
	loan->data = msg_large_data(&large->pool, buffer);
	large->owners[buffer].slot = slot;
	large->owners[buffer].generation =
		o->lender.pool.slots[slot].generation;
}

void outbox_put_large(struct msg_outbox *o, uint32_t slot, uint32_t bytes)
{
	struct msg_transmit_pool *pool = &o->lender.pool;
	uint32_t buffer = pool->slots[slot].loan_offset & ~OUTBOX_IN_BUFFER;
	struct msg_ring_item item = {
		.sequence = o->lender.sequence,
		.publisher = o->publisher,
		.kind = MSG_RING_LARGE,
		.place = msg_large_page(&o->large->pool, buffer),
		.total = bytes,
	};

	assert(buffer < o->large->pool.top);
	o->large->owners[buffer].index = o->ring.head;
	msg_transmit_hold(pool, slot);
	msg_ring_append(&o->ring, &item, slot | MSG_OUTBOX_SHARED);
	msg_lender_count(&o->lender, MSG_COUNTER_FRAMES, 1);
}
