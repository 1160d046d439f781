/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inbox_fixture.h - an inbox, and writers of rings with a pool each, for the tests
 * of the inbox by subject: test_inbox*.c.
 */
#ifndef TESTS_UNIT_ENGINE_INBOX_FIXTURE_H
#define TESTS_UNIT_ENGINE_INBOX_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "engine/inbox.h"
#include "pool/ring_writer.h"

/* Check writes to a pipe at each of its assertions: not in inner loops. */
#define MUST(condition, ...)                                                   \
	do {                                                                   \
		if (!(condition))                                              \
			ck_abort_msg(__VA_ARGS__);                             \
	} while (0)

#define RINGS 2u
#define SLOTS 64u
#define SLOT_BYTES 16384u
#define RECORDS 32u

/* A writer of a ring, with a slot of its pool as token. */
struct source {
	struct msg_ring_header *header;
	struct msg_ring_writer writer;
	struct msg_ring_ledger *ledger;
	struct msg_inbox_ring *ring;
	uint8_t *pool;
	bool out[SLOTS];
	uint32_t out_count;
};

static struct source sources[RINGS];
static struct msg_inbox inbox;
static msg_counter_t counters[MSG_COUNTER_COUNT];

static inline void freed(void *context, uint32_t token)
{
	struct source *s = context;

	MUST(token < SLOTS && s->out[token], "slot %u is freed twice", token);
	s->out[token] = false;
	s->out_count--;
	/* Whoever reads it still will see that. */
	memset(s->pool + token * SLOT_BYTES, 0xdd, 64);
}

static inline void open_inbox(uint32_t records)
{
	struct msg_inbox_options options = {
		.record_count = records,
		.ring_max = RINGS,
		.publisher_count_max = 8,
		.counts_losses = true,
		.counters = counters,
	};

	memset(counters, 0, sizeof counters);
	ck_assert_int_eq(msg_inbox_open(&inbox, &options), 0);
}

static inline void open_source(struct source *s, uint32_t entries, uint32_t held_max,
	enum msg_ring_slow slow)
{
	size_t bytes = msg_ring_bytes(entries);
	size_t ledger = sizeof *s->ledger + RECORDS * sizeof(uint64_t);
	struct msg_ring_writer_options options = {.entry_count = entries,
		.pin_max = SLOTS,
		.free = freed,
		.context = s};
	struct msg_inbox_ring_options ring = {.entry_count = entries,
		.pool_bytes = SLOTS * SLOT_BYTES,
		.topic = MSG_INBOX_NONE,
		.held_max = held_max};

	memset(s, 0, sizeof *s);
	s->header = aligned_alloc(64, bytes);
	s->ledger = aligned_alloc(64, ledger);
	s->pool = aligned_alloc(64, SLOTS * SLOT_BYTES);
	memset(s->header, 0, bytes);
	memset(s->ledger, 0, ledger);
	memset(s->pool, 0, SLOTS * SLOT_BYTES);
	options.header = s->header;
	ck_assert_int_eq(msg_ring_writer_open(&s->writer, &options), 0);
	msg_ring_writer_add(&s->writer, 0, s->ledger, held_max, slow);
	ring.header = s->header;
	ring.ledger = s->ledger;
	ring.pool = s->pool;
	ck_assert_int_eq(msg_inbox_add(&inbox, &ring, &s->ring), 0);
}

static inline void open_all(void)
{
	open_inbox(RECORDS);
	open_source(&sources[0], 64, RECORDS, MSG_RING_LAP);
}

static inline void close_source(struct source *s)
{
	msg_ring_writer_close(&s->writer);
	free(s->header);
	free(s->ledger);
	free(s->pool);
	memset(s, 0, sizeof *s);
}

static inline void close_all(void)
{
	msg_inbox_close(&inbox);
	for (unsigned i = 0; i < RINGS; i++)
		close_source(&sources[i]);
}

static inline uint32_t get_slot(struct source *s)
{
	for (int attempt = 0; attempt < 3; attempt++) {
		for (uint32_t i = 0; i < SLOTS; i++)
			if (!s->out[i]) {
				s->out[i] = true;
				s->out_count++;
				return i;
			}
		msg_ring_reclaim(&s->writer,
			attempt ? s->writer.head - 1 : 0);
	}
	ck_abort_msg("no slot");
	return 0;
}

static inline struct msg_ring_item item_at(
	uint32_t slot, uint32_t kind, uint64_t sequence, uint32_t bytes)
{
	return (struct msg_ring_item){.sequence = sequence,
		.publisher = 7,
		.topic = 3,
		.bytes = bytes,
		.kind = kind,
		.place = slot * SLOT_BYTES / MSG_RING_PLACE_UNIT,
		.segments = 1,
		.total = kind == MSG_RING_PACKED ? 0 : bytes};
}

static inline void put(struct source *s, const struct msg_ring_item *item,
	uint32_t token)
{
	ck_assert(msg_ring_room(&s->writer, 1));
	msg_ring_put(&s->writer, 0, item, token);
	msg_ring_advance(&s->writer, 1);
}

/* 8 bytes: the sequence. */
static inline void publish_as(
	struct source *s, uint32_t publisher, uint64_t sequence)
{
	uint32_t slot = get_slot(s);
	struct msg_ring_item item =
		item_at(slot, MSG_RING_SINGLE, sequence, 8);

	memcpy(s->pool + slot * SLOT_BYTES, &sequence, 8);
	item.publisher = publisher;
	put(s, &item, slot);
}

static inline void publish(struct source *s, uint64_t sequence)
{
	publish_as(s, 7, sequence);
}

/* `count` messages of 4 bytes in one body. */
static inline void publish_packed(struct source *s, uint64_t sequence, uint32_t count)
{
	uint32_t slot = get_slot(s);
	uint8_t *body = s->pool + slot * SLOT_BYTES;
	struct msg_ring_item item;
	struct msg_pack pack;

	msg_pack_start(&pack, SLOT_BYTES);
	for (uint32_t i = 0; i < count; i++) {
		ck_assert(msg_pack_fits(&pack, 4));
		memcpy(body + i * MSG_PACK_ALIGN, &i, 4);
		msg_pack_add(&pack, 4);
	}
	item = item_at(slot, MSG_RING_PACKED, sequence,
		msg_pack_finish(&pack, body));
	put(s, &item, slot);
}

/* A message of `count` entries of 100 bytes. */
static inline void publish_parts(struct source *s, uint64_t sequence, uint32_t count)
{
	ck_assert(msg_ring_room(&s->writer, count));
	for (uint32_t i = count; i-- > 0;) {
		uint32_t slot = get_slot(s);
		struct msg_ring_item item =
			item_at(slot, MSG_RING_PART, sequence, 100);

		memset(s->pool + slot * SLOT_BYTES, (int)i, 100);
		item.segments = count - i;
		item.total = 100 * count;
		msg_ring_put(&s->writer, i, &item, slot);
	}
	msg_ring_advance(&s->writer, count);
}

static inline int take(struct msg_view *views, int count)
{
	return msg_inbox_take(&inbox, views, count);
}

static inline void take_all(struct msg_view *views, int count)
{
	ck_assert_int_eq(take(views, count), count);
}

static inline void release(const struct msg_view *view)
{
	msg_inbox_release(&inbox, view, 1);
}

static inline uint64_t refused(void)
{
	return atomic_load(&inbox.refused);
}

static inline uint64_t sequence_in(const struct msg_view *view)
{
	uint64_t sequence;

	memcpy(&sequence, view->data, 8);
	return sequence;
}

/* Everything is back, and comes home. */
static inline void all_home(void)
{
	ck_assert(!msg_inbox_busy(&inbox));
	ck_assert_uint_eq(inbox.free_count, inbox.record_count);
	for (unsigned i = 0; i < inbox.ring_count; i++) {
		ck_assert_uint_eq(sources[i].ring->in_hand, 0);
		msg_ring_reclaim(&sources[i].writer, 0);
		ck_assert_uint_eq(sources[i].out_count, 0);
	}
}

#endif
