/* SPDX-License-Identifier: BSD-2-Clause */
/* world.c - see world.h. */
#include "world.h"

#include <string.h>

struct world world;
const uint8_t world_pool[WORLD_SLOTS * WORLD_SLOT_BYTES];

static void freed(void *context, uint32_t token)
{
	(void)context;
	explore_check(token < world.slot_count, "frees slot %u", token);
	explore_check(!(world.free_slots & 1u << token),
		"frees slot %u twice", token);
	world.free_slots |= 1u << token;
	explore_note("slot %u is free", token);
}

void world_open(const struct world_options *o)
{
	struct msg_ring_writer_options options = {
		.entry_count = o->entry_count,
		.pin_max = o->slot_count,
		.epoch = 1,
		.shared = o->shared,
		.free = freed,
	};

	memset(&world, 0, sizeof world);
	world.header = explore_shared(msg_ring_bytes(o->entry_count));
	for (unsigned i = 0; i < 3; i++)
		world.ledgers[i] = explore_shared(
			sizeof *world.ledgers[i] + 4 * sizeof(uint64_t));
	world.glance = explore_shared(WORLD_SLOTS * sizeof *world.glance);
	world.entry_count = o->entry_count;
	world.slot_count = o->slot_count;
	world.free_slots = (1u << o->slot_count) - 1;
	world.to_publish = o->to_publish + explore_more;
	world.kind = o->kind ? o->kind : MSG_RING_SINGLE;
	world.lost_words = true;
	options.header = world.header;
	explore_check(msg_ring_writer_open(&world.writer, &options) == 0,
		"no memory");
	if (o->shared)
		explore_futex(&world.header->bell);
	for (unsigned k = 0; k < o->reader_count; k++) {
		struct world_reader *r = &world.readers[k];

		msg_ring_writer_add(&world.writer, k, world.ledgers[k],
			o->held_max ? o->held_max : 4, o->slow);
		r->number = k;
		msg_ring_reader_open(&r->ring, world.header, o->entry_count,
			world.ledgers[k], k, MSG_RING_HEAD);
	}
}

void world_writer_state(int thread)
{
	explore_state(thread, &world.writer, sizeof world.writer);
	explore_state(thread, &world.free_slots, sizeof world.free_slots);
	explore_state(thread, &world.refused, sizeof world.refused);
	explore_state(thread, world.writer.tokens,
		world.entry_count * sizeof *world.writer.tokens);
	explore_state(thread, world.writer.pins,
		world.writer.pin_max * sizeof *world.writer.pins);
}

void world_reader_state(int thread, unsigned reader)
{
	explore_state(thread, &world.readers[reader],
		sizeof world.readers[reader]);
}

static uint32_t words_of(uint64_t at)
{
	return (uint32_t)at + 1;
}

/* As the engine does when it has no slot to post. */
static bool get_slot(uint32_t *slot)
{
	struct msg_ring_writer *w = &world.writer;

	if (world.free_slots == 0)
		msg_ring_reclaim(w, 0);
	if (world.free_slots == 0)
		msg_ring_reclaim(w,
			w->tail + (msg_ring_backlog(w) + 1) / 2);
	if (world.free_slots == 0)
		return false;
	*slot = (uint32_t)__builtin_ctz(world.free_slots);
	world.free_slots &= ~(1u << *slot);
	return true;
}

static void put(uint32_t ahead, uint32_t segments, uint32_t slot)
{
	uint64_t at = world.writer.head + ahead;
	struct msg_ring_item item = {
		.sequence = world.kind == MSG_RING_PART ? at / 2 : at,
		.publisher = WORLD_PUBLISHER,
		.topic = 1,
		.bytes = words_of(at),
		.kind = world.kind,
		.lost = world.lost_words ? words_of(at) : 0,
		.place = slot * (WORLD_SLOT_BYTES / MSG_RING_PLACE_UNIT),
		.segments = segments,
		.total = 2 * words_of(at) + 1, /* As if the next is a part. */
	};

	for (unsigned i = 0; i < MSG_RING_INLINE_BYTES / 8; i++)
		item.data[i] = at * 10 + i;
	explore_note("puts entry %llu", (unsigned long long)at);
	msg_ring_put(&world.writer, ahead, &item, slot);
}

bool world_publish(void)
{
	uint32_t slot = MSG_RING_NO_TOKEN;
	uint64_t at;

	if (world.kind != MSG_RING_INLINE && !get_slot(&slot))
		return false;
	if (!msg_ring_room(&world.writer, 1)) {
		if (slot != MSG_RING_NO_TOKEN)
			world.free_slots |= 1u << slot;
		return false;
	}
	at = world.writer.head;
	if (slot != MSG_RING_NO_TOKEN) {
		explore_payload_write(slot, at);
		msg_store(&world.glance[slot], at, relaxed);
	}
	put(0, 1, slot);
	msg_ring_advance(&world.writer, 1);
	msg_ring_flush(&world.writer);
	return true;
}

bool world_publish_parts(void)
{
	uint32_t slots[2];
	uint64_t at;

	if (!get_slot(&slots[0]))
		return false;
	if (!get_slot(&slots[1])) {
		world.free_slots |= 1u << slots[0];
		return false;
	}
	if (!msg_ring_room(&world.writer, 2)) {
		world.free_slots |= 1u << slots[0] | 1u << slots[1];
		return false;
	}
	at = world.writer.head;
	for (uint32_t i = 0; i < 2; i++)
		explore_payload_write(slots[i], at + i);
	/* The first last: who sees it may rely on both. */
	put(1, 1, slots[1]);
	put(0, 2, slots[0]);
	msg_ring_advance(&world.writer, 2);
	return true;
}

void world_writer(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < world.to_publish; i++) {
		explore_checkpoint(i);
		if (!(world.kind == MSG_RING_PART ? world_publish_parts()
						  : world_publish()))
			world.refused++;
	}
	explore_signal(WORLD_PUBLISHED);
}

void world_check_item(uint64_t at, const struct msg_ring_item *item)
{
	explore_check(item->sequence == at, "entry %llu says sequence %llu",
		(unsigned long long)at, (unsigned long long)item->sequence);
	explore_check(item->publisher == WORLD_PUBLISHER &&
			      item->kind == world.kind &&
			      item->bytes == words_of(at) &&
			      item->lost == words_of(at),
		"entry %llu is torn", (unsigned long long)at);
	if (item->kind != MSG_RING_INLINE)
		return;
	for (unsigned i = 0; i < MSG_RING_INLINE_BYTES / 8; i++)
		explore_check(item->data[i] == at * 10 + i,
			"the data of entry %llu is torn",
			(unsigned long long)at);
}

bool world_take(struct world_reader *r, uint32_t *slot)
{
	uint64_t at = r->ring.next;
	bool pinned = world.kind != MSG_RING_INLINE;
	struct msg_ring_item item = {0};

	switch (msg_ring_peek(&r->ring, at, &item)) {
	case MSG_RING_EMPTY:
		return false;
	case MSG_RING_GONE:
		explore_check(msg_ring_lap(&r->ring) ||
				world.writer.evicted > 0,
			"is evicted");
		explore_check(r->ring.next > at, "laps to where it was");
		r->lapped += r->ring.next - at;
		explore_note("goes on at %llu",
			(unsigned long long)r->ring.next);
		return false;
	case MSG_RING_ENTRY:
		break;
	}
	world_check_item(at, &item);
	if (msg_ring_hold(&r->ring, at + 1, pinned) > at) {
		explore_note("entry %llu was revoked", (unsigned long long)at);
		r->lapped++;
		return false;
	}
	explore_note("holds entry %llu", (unsigned long long)at);
	*slot = item.place / (WORLD_SLOT_BYTES / MSG_RING_PLACE_UNIT);
	if (pinned)
		explore_payload_read(*slot, at);
	r->delivered++;
	return true;
}

void world_drain(struct world_reader *r)
{
	uint64_t head = world.writer.head;

	msg_ring_settle(&r->ring, r->ring.next);
	explore_await(WORLD_PUBLISHED);
	head = world.writer.head;
	while (r->ring.next < head) {
		uint64_t at = r->ring.next;
		uint32_t slot;

		world_take(r, &slot);
		explore_check(r->ring.next > at,
			"finds nothing at %llu of %llu",
			(unsigned long long)at, (unsigned long long)head);
		msg_ring_settle(&r->ring, r->ring.next);
	}
	explore_check(r->ring.lapped == r->lapped, "counts %llu lapped, not %llu",
		(unsigned long long)r->ring.lapped,
		(unsigned long long)r->lapped);
	explore_check(r->delivered + r->lapped == head - r->start,
		"%llu delivered and %llu lapped are not %llu",
		(unsigned long long)r->delivered,
		(unsigned long long)r->lapped,
		(unsigned long long)(head - r->start));
}

void world_end(void)
{
	msg_ring_reclaim(&world.writer, 0);
	explore_check(world.free_slots == (1u << world.slot_count) - 1,
		"slots %x of %x came home", world.free_slots,
		(1u << world.slot_count) - 1);
	explore_check(world.writer.evicted == 0,
		"an honest reader was evicted");
	explore_check(world.writer.pin_count == 0 &&
			      world.writer.tail == world.writer.head,
		"the ring is not empty");
}
