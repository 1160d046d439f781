/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outbox_large.c - large messages of a publisher on a host with a broker.
 *
 * A message stands in a buffer of the area, and belongs to a slot of the pool,
 * whose own memory stays empty: loan and entry are that slot's, so what readers
 * give back frees both.  That is seen when memory is wanted, and costs nothing
 * before.
 */
#include "engine/outbox_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/trail.h"

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

/* Whether buffer and slot still belong together. */
static bool stands(const struct msg_outbox *o, uint32_t buffer)
{
	const struct msg_transmit_slot *slot =
		&o->lender.pool.slots[o->large->owners[buffer].slot];
	uint32_t generation = o->large->owners[buffer].generation;

	if (slot->generation == generation)
		return true; /* Lent out. */
	return slot->generation == generation + 1 && slot->refs > 0;
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

static bool is_lent(const struct msg_outbox *o)
{
	for (uint32_t i = 0; i < o->large->pool.top; i++) {
		uint32_t slot = o->large->owners[i].slot;

		if (o->large->pool.buffers[i].used &&
			o->lender.pool.slots[slot].generation ==
				o->large->owners[i].generation)
			return true;
	}
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
	if (now - large->starved_ns < large->patience_ns || is_lent(o))
		return false;
	reader = msg_ring_heaviest(&o->ring, weight);
	if (reader == MSG_RING_READERS_MAX)
		return false;
	large->starved_ns = 0;
	msg_ring_evict(&o->ring, reader);
	return outbox_reclaim(o, has_memory);
}

int outbox_take_large(struct msg_outbox *o, size_t bytes, uint32_t *buffer)
{
	struct msg_outbox_large *large = o->large;

	large->wanted = bytes;
	if (!has_memory(o) && !outbox_reclaim(o, has_memory) && !relieve(o))
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
	msg_transmit_hold(pool, slot);
	msg_ring_append(&o->ring, &item, slot | MSG_OUTBOX_SHARED);
	msg_lender_count(&o->lender, MSG_COUNTER_FRAMES, 1);
}
