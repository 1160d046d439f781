/* SPDX-License-Identifier: BSD-2-Clause */
/* test_inbox.c - rings to views and back; see libmsg/engine/inbox.h. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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

static void freed(void *context, uint32_t token)
{
	struct source *s = context;

	MUST(token < SLOTS && s->out[token], "slot %u is freed twice", token);
	s->out[token] = false;
	s->out_count--;
	/* Whoever reads it still will see that. */
	memset(s->pool + token * SLOT_BYTES, 0xdd, 64);
}

static void open_inbox(uint32_t records)
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

static void open_source(struct source *s, uint32_t entries, uint32_t held_max,
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

static void open_all(void)
{
	open_inbox(RECORDS);
	open_source(&sources[0], 64, RECORDS, MSG_RING_LAP);
}

static void close_source(struct source *s)
{
	msg_ring_writer_close(&s->writer);
	free(s->header);
	free(s->ledger);
	free(s->pool);
	memset(s, 0, sizeof *s);
}

static void close_all(void)
{
	msg_inbox_close(&inbox);
	for (unsigned i = 0; i < RINGS; i++)
		close_source(&sources[i]);
}

static uint32_t get_slot(struct source *s)
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

static struct msg_ring_item item_at(
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

static void put(struct source *s, const struct msg_ring_item *item,
	uint32_t token)
{
	ck_assert(msg_ring_room(&s->writer, 1));
	msg_ring_put(&s->writer, 0, item, token);
	msg_ring_advance(&s->writer, 1);
}

/* 8 bytes: the sequence. */
static void publish_as(
	struct source *s, uint32_t publisher, uint64_t sequence)
{
	uint32_t slot = get_slot(s);
	struct msg_ring_item item =
		item_at(slot, MSG_RING_SINGLE, sequence, 8);

	memcpy(s->pool + slot * SLOT_BYTES, &sequence, 8);
	item.publisher = publisher;
	put(s, &item, slot);
}

static void publish(struct source *s, uint64_t sequence)
{
	publish_as(s, 7, sequence);
}

/* `count` messages of 4 bytes in one body. */
static void publish_packed(struct source *s, uint64_t sequence, uint32_t count)
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
static void publish_parts(struct source *s, uint64_t sequence, uint32_t count)
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

static int take(struct msg_view *views, int count)
{
	return msg_inbox_take(&inbox, views, count);
}

static void take_all(struct msg_view *views, int count)
{
	ck_assert_int_eq(take(views, count), count);
}

static void release(const struct msg_view *view)
{
	msg_inbox_release(&inbox, view, 1);
}

static uint64_t refused(void)
{
	return atomic_load(&inbox.refused);
}

static uint64_t sequence_in(const struct msg_view *view)
{
	uint64_t sequence;

	memcpy(&sequence, view->data, 8);
	return sequence;
}

/* Everything is back, and comes home. */
static void all_home(void)
{
	ck_assert(!msg_inbox_busy(&inbox));
	ck_assert_uint_eq(inbox.free_count, inbox.record_count);
	for (unsigned i = 0; i < inbox.ring_count; i++) {
		ck_assert_uint_eq(sources[i].ring->in_hand, 0);
		msg_ring_reclaim(&sources[i].writer, 0);
		ck_assert_uint_eq(sources[i].out_count, 0);
	}
}

/* ---- views ------------------------------------------------------------- */

START_TEST(an_entry_returns_with_its_last_view_and_not_before)
{
	static const int counts[] = {
		2, 31, 32, 33, 63, 64, 65, 127, 128, 1000, 1023, 1024};
	struct random_stream random = {check_seed()};

	open_all();
	for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
		static struct msg_view views[1024];
		int n = counts[c];

		publish_packed(&sources[0], c * 1024, (uint32_t)n);
		take_all(views, n);
		for (int i = n - 1; i > 0; i--) {
			int j = (int)random_below(&random, (uint64_t)i + 1);
			struct msg_view swap = views[i];

			views[i] = views[j];
			views[j] = swap;
		}
		for (int i = 0; i < n; i++) {
			MUST(msg_inbox_find(&inbox, views[i].opaque),
				"view %d is not out", i);
			msg_inbox_settle(&inbox);
			MUST(sources[0].ring->in_hand == 1, "back too soon");
			release(&views[i]);
			MUST(!msg_inbox_find(&inbox, views[i].opaque),
				"view %d is still out", i);
		}
		ck_assert_uint_eq(refused(), 0);
		all_home();
		/* The one behind the last was never out. */
		if (n < 1024) {
			struct msg_view never = {.opaque = views[0].opaque};

			never.opaque &= ~0xfff00000ull;
			never.opaque |= (uint64_t)n << MSG_INBOX_RECORD_BITS;
			release(&never);
			ck_assert_uint_eq(refused(), 1);
			atomic_store(&inbox.refused, 0);
		}
	}
	close_all();
}
END_TEST

START_TEST(a_batch_across_words_and_entries_returns_whole)
{
	static struct msg_view views[300], mixed[300];

	open_all();
	publish_packed(&sources[0], 0, 150);
	publish_packed(&sources[0], 150, 150);
	take_all(views, 300);
	for (int i = 0; i < 150; i++) {
		mixed[2 * i] = views[i];
		mixed[2 * i + 1] = views[299 - i];
	}
	msg_inbox_release(&inbox, mixed, 300);
	ck_assert_uint_eq(refused(), 0);
	all_home();
	close_all();
}
END_TEST

START_TEST(what_is_not_out_is_refused_and_counted)
{
	struct random_stream random = {check_seed()};
	struct msg_view views[3], again[3];

	open_all();
	publish_packed(&sources[0], 0, 2);
	take_all(views, 2);
	again[0] = again[1] = again[2] = views[0];
	msg_inbox_release(&inbox, again, 3);
	ck_assert_uint_eq(refused(), 2);
	release(&views[0]);
	ck_assert_uint_eq(refused(), 3);
	release(&views[1]);
	all_home();
	/* The record goes out again: the old handle is not the new one. */
	publish_packed(&sources[0], 2, 2);
	take_all(again, 2);
	ck_assert_ptr_null(msg_inbox_find(&inbox, views[0].opaque));
	release(&views[1]);
	ck_assert_uint_eq(refused(), 4);
	atomic_store(&inbox.refused, 0);
	release(&(struct msg_view){.opaque = UINT64_MAX});
	release(&(struct msg_view){.opaque = 0});
	release(&(struct msg_view){.opaque = RECORDS});
	release(&(struct msg_view){.opaque = again[0].opaque | 0xfff00000u});
	ck_assert_uint_eq(refused(), 4);
	for (int i = 0; i < 100000; i++) {
		struct msg_view view = {.opaque = random_next(&random)};

		if (view.opaque >> 32 != again[0].opaque >> 32)
			release(&view);
	}
	ck_assert_ptr_nonnull(msg_inbox_find(&inbox, again[0].opaque));
	msg_inbox_release(&inbox, again, 2);
	all_home();
	close_all();
}
END_TEST

START_TEST(generations_wrap_and_zero_is_never_one)
{
	open_inbox(1);
	open_source(&sources[0], 8, 1, MSG_RING_LAP);
	inbox.records[0].generation = UINT32_MAX - 1;
	for (uint64_t i = 0; i < 4; i++) {
		struct msg_view view;

		publish(&sources[0], i);
		take_all(&view, 1);
		/* A cleared view must never be somebody's view. */
		release(&(struct msg_view){.opaque = 0});
		ck_assert_uint_eq(refused(), i * 2 + 1);
		release(&view);
		release(&view);
		ck_assert_uint_eq(refused(), i * 2 + 2);
		all_home();
	}
	close_all();
}
END_TEST

START_TEST(a_packed_entry_may_be_taken_in_pieces)
{
	struct msg_view views[8];
	uint32_t value;

	open_all();
	publish_packed(&sources[0], 10, 5);
	publish(&sources[0], 15);
	for (uint32_t i = 0; i < 5; i++) {
		take_all(&views[i], 1);
		ck_assert_uint_eq(views[i].sequence, 10 + i);
		memcpy(&value, views[i].data, 4);
		ck_assert_uint_eq(value, i);
		ck_assert_uint_eq(views[i].bytes, 4);
		/* Back at once; the entry is not, before all are taken. */
		release(&views[i]);
		ck_assert(!msg_inbox_busy(&inbox));
		ck_assert(msg_inbox_ready(&inbox));
		ck_assert_uint_eq(sources[0].ring->in_hand, i < 4);
	}
	take_all(views, 1);
	ck_assert_uint_eq(views[0].sequence, 15);
	ck_assert_int_eq(take(views + 1, 7), 0);
	release(views);
	all_home();
	close_all();
}
END_TEST

START_TEST(parts_are_one_message)
{
	struct msg_segment segments[4];
	struct msg_view views[3];
	uint8_t copy[300];

	open_all();
	publish_parts(&sources[0], 0, 3);
	publish(&sources[0], 1);
	publish_parts(&sources[0], 2, 2);
	take_all(views, 3);
	ck_assert_uint_eq(views[0].segment_count, 3);
	ck_assert_uint_eq(views[0].bytes, 300);
	ck_assert_uint_eq(views[1].segment_count, 1);
	ck_assert_int_eq(msg_inbox_segments(&inbox, views, segments, 4), 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(segments[i].bytes, 100);
		ck_assert_int_eq(*(const uint8_t *)segments[i].data, i);
	}
	ck_assert_int_eq(msg_inbox_copy(&inbox, views, copy, 299),
		-MSG_ERROR_TOO_LARGE);
	ck_assert_int_eq(msg_inbox_copy(&inbox, views, copy, 300), 0);
	ck_assert_uint_eq(copy[99], 0);
	ck_assert_uint_eq(copy[100], 1);
	ck_assert_uint_eq(copy[299], 2);
	ck_assert_uint_eq(sources[0].ring->in_hand, 6);
	msg_inbox_release(&inbox, views, 3);
	ck_assert_int_eq(msg_inbox_segments(&inbox, views, segments, 4),
		-MSG_ERROR_ARGUMENT);
	all_home();
	close_all();
}
END_TEST

/* ---- what stays in hand ------------------------------------------------ */

START_TEST(one_that_is_kept_holds_back_nobody)
{
	struct msg_view kept[2], view;

	open_all();
	publish(&sources[0], 0);
	publish_parts(&sources[0], 1, 2);
	take_all(kept, 2);
	for (uint64_t i = 2; i < 1000; i++) {
		publish(&sources[0], i);
		take_all(&view, 1);
		MUST(sequence_in(&view) == i && view.lost_before == 0,
			"%llu lost before %llu",
			(unsigned long long)view.lost_before,
			(unsigned long long)i);
		release(&view);
	}
	ck_assert_uint_eq(sequence_in(&kept[0]), 0);
	ck_assert_uint_gt(atomic_load(&sources[0].ledger->held_top), 0);
	ck_assert_uint_eq(sources[0].ring->in_hand, 4);
	release(&kept[0]);
	msg_inbox_settle(&inbox);
	release(&kept[1]);
	all_home();
	ck_assert_uint_eq(atomic_load(&sources[0].ledger->held_top), 0);
	close_all();
}
END_TEST

START_TEST(no_more_is_in_hand_than_allowed)
{
	struct msg_view views[40];
	struct msg_view more;

	open_inbox(RECORDS);
	open_source(&sources[0], 64, 8, MSG_RING_LAP);
	for (uint64_t i = 0; i < 30; i++)
		publish(&sources[0], i);
	take_all(views, 8);
	ck_assert_int_eq(take(&more, 1), 0);
	ck_assert(msg_inbox_ready(&inbox));
	/* The last of them back is as good as the first. */
	release(&views[7]);
	take_all(&views[7], 1);
	ck_assert_uint_eq(views[7].sequence, 8);
	ck_assert_int_eq(take(&more, 1), 0);
	msg_ring_reclaim(&sources[0].writer, 0);
	ck_assert_uint_eq(sources[0].writer.evicted, 0);
	for (int i = 0; i < 7; i++)
		ck_assert_uint_eq(sequence_in(&views[i]), (uint64_t)i);
	msg_inbox_release(&inbox, views, 8);
	while (take(&more, 1) == 1)
		release(&more);
	all_home();
	close_all();
}
END_TEST

/* However many they are, they are not in hand. */
START_TEST(what_is_skipped_makes_nobody_look_greedy)
{
	struct msg_view kept, views[4];

	open_inbox(RECORDS);
	open_source(&sources[0], 64, 8, MSG_RING_LAP);
	publish(&sources[0], 0);
	take_all(&kept, 1);
	publish(&sources[0], 1);
	publish_parts(&sources[0], 2, 20);
	publish(&sources[0], 3);
	take_all(views, 2);
	ck_assert_uint_eq(views[1].sequence, 3);
	ck_assert_uint_eq(views[1].lost_before, 1);
	ck_assert_uint_eq(
		msg_counter_get(&counters[MSG_COUNTER_TOO_LARGE]), 1);
	msg_ring_reclaim(&sources[0].writer, 0);
	ck_assert_uint_eq(sources[0].writer.evicted, 0);
	ck_assert_uint_eq(sources[0].out_count, 3);
	ck_assert_uint_eq(sequence_in(&kept), 0);
	release(&kept);
	msg_inbox_release(&inbox, views, 2);
	all_home();
	close_all();
}
END_TEST

/* Not yet written over, so seen whole by peek; only the claim says no. */
START_TEST(what_was_revoked_while_it_was_looked_at_is_dropped)
{
	struct msg_view views[20];

	open_all();
	for (uint64_t i = 0; i < 4; i++)
		publish(&sources[0], i);
	publish_packed(&sources[0], 4, 2);
	for (uint64_t i = 6; i < 10; i++)
		publish(&sources[0], i);
	msg_ring_reclaim(&sources[0].writer, 3);
	ck_assert_uint_eq(sources[0].out_count, 6);
	take_all(views, 1);
	ck_assert_uint_eq(sequence_in(views), 3);
	ck_assert_uint_eq(refused(), 0);
	/* The packed one and two more, claimed with others. */
	msg_ring_reclaim(&sources[0].writer, 7);
	ck_assert_int_eq(take(views + 1, 19), 2);
	ck_assert_uint_eq(sequence_in(views + 1), 8);
	ck_assert_uint_eq(views[1].lost_before, 4);
	ck_assert_uint_eq(sequence_in(views), 3);
	msg_inbox_release(&inbox, views, 3);
	all_home();
	close_all();
}
END_TEST

START_TEST(losses_of_each_publisher_are_told_exactly)
{
	for (unsigned trial = 0; trial < 200 / MSG_TEST_FEWER; trial++) {
		uint64_t seed = check_seed() + trial;
		struct random_stream random = {seed};
		uint64_t next[5] = {0};
		uint64_t expected[5] = {0};
		uint64_t taken[RINGS] = {0};
		uint64_t lost[RINGS] = {0};
		struct msg_view hand[24];
		int n = 0;

		open_inbox(RECORDS);
		open_source(&sources[0], 8, 24, MSG_RING_LAP);
		open_source(&sources[1], 16, 24, MSG_RING_LAP);
		for (unsigned i = 0; i < 1000; i++) {
			uint32_t p = (uint32_t)random_below(&random, 5);
			int got;

			/* The network loses some, too. */
			next[p] += random_chance(&random, 50);
			publish_as(&sources[p & 1], p, next[p]++);
			if (!random_chance(&random, 250))
				continue;
			got = take(hand + n,
				(int)random_below(&random, (uint64_t)(25 - n)));
			for (int v = n; v < n + got; v++) {
				p = (uint32_t)hand[v].publisher;
				taken[p & 1]++;
				lost[p & 1] += hand[v].lost_before;
				/* What comes first says nothing of before. */
				if (expected[p] == 0)
					expected[p] = hand[v].sequence;
				MUST(hand[v].sequence ==
						expected[p] + hand[v].lost_before,
					"seed %llu: a loss of %llu is %llu",
					(unsigned long long)seed,
					(unsigned long long)hand[v].lost_before,
					(unsigned long long)(hand[v].sequence -
							     expected[p]));
				expected[p] = hand[v].sequence + 1;
			}
			n += got;
			for (int v = 0; v < n; v++)
				MUST(sequence_in(&hand[v]) == hand[v].sequence,
					"seed %llu: overwritten in hand",
					(unsigned long long)seed);
			while (n > 0 && random_chance(&random, 700)) {
				int at = (int)random_below(
					&random, (uint64_t)n);

				release(&hand[at]);
				hand[at] = hand[--n];
			}
		}
		/* Its ledgers say the same to those who look on. */
		for (unsigned i = 0; i < RINGS; i++) {
			const struct msg_ring_ledger *ledger =
				sources[i].ledger;

			ck_assert_uint_eq(msg_load(&ledger->taken, relaxed),
				taken[i]);
			ck_assert_uint_eq(
				msg_load(&ledger->lost, relaxed), lost[i]);
			ck_assert_uint_eq(msg_load(&ledger->lapped, relaxed),
				sources[i].ring->reader.lapped);
		}
		msg_inbox_release(&inbox, hand, n);
		while ((n = take(hand, 24)) > 0)
			msg_inbox_release(&inbox, hand, n);
		ck_assert_uint_eq(refused(), 0);
		all_home();
		close_all();
	}
}
END_TEST

/* ---- large messages ------------------------------------------------------ */

/* Two buffers of 8192 bytes; their tokens are the first slots'. */
static struct msg_large_pool large;
static uint8_t large_memory[2][MSG_LARGE_FRONT + 8192];

static void open_large(void)
{
	open_all();
	memset(&large, 0, sizeof large);
	large.top = 3;
	for (int i = 0; i < 2; i++) {
		large.buffers[i].memory = large_memory[i];
		large.buffers[i].bytes = sizeof large_memory[i];
	}
	sources[0].ring->large = &large;
}

static void publish_large(uint64_t sequence, uint32_t buffer, uint32_t bytes)
{
	struct msg_ring_item item = {
		.sequence = sequence,
		.publisher = 7,
		.kind = MSG_RING_LARGE,
		.place = buffer,
		.total = bytes,
	};

	put(&sources[0], &item, get_slot(&sources[0]));
}

START_TEST(a_large_one_is_a_view_of_its_buffer)
{
	struct msg_view views[3];
	struct msg_segment segment;

	open_large();
	publish(&sources[0], 0);
	publish_large(1, 1, 8192);
	publish_large(2, 0, 0);
	take_all(views, 3);
	ck_assert_ptr_eq(views[1].data, large_memory[1] + MSG_LARGE_FRONT);
	ck_assert_uint_eq(views[1].bytes, 8192);
	ck_assert_uint_eq(views[1].segment_count, 1);
	ck_assert_int_eq(
		msg_inbox_segments(&inbox, &views[1], &segment, 1), 1);
	ck_assert_ptr_eq(segment.data, views[1].data);
	ck_assert_uint_eq(views[2].bytes, 0);
	ck_assert_uint_eq(counters[MSG_COUNTER_BYTES], 8200);
	for (int i = 0; i < 3; i++)
		release(&views[i]);
	msg_inbox_settle(&inbox);
	all_home();
	close_all();
}
END_TEST

/* A view that stays out holds back none that went before it was released. */
START_TEST(a_large_one_comes_home_past_one_that_is_kept)
{
	struct msg_view views[2];

	open_large();
	publish(&sources[0], 0);
	publish_large(1, 0, 100);
	take_all(views, 2);
	release(&views[1]);
	msg_inbox_settle(&inbox);
	msg_ring_reclaim(&sources[0].writer, 0);
	ck_assert_uint_eq(sources[0].out_count, 2);
	msg_inbox_part(&inbox);
	msg_ring_reclaim(&sources[0].writer, 0);
	ck_assert_uint_eq(sources[0].out_count, 1);
	ck_assert_uint_eq(sequence_in(&views[0]), 0);
	release(&views[0]);
	msg_inbox_settle(&inbox);
	all_home();
	close_all();
}
END_TEST

START_TEST(a_large_one_is_believed_within_its_buffer_alone)
{
	struct msg_ring_item item = {.kind = MSG_RING_LARGE, .publisher = 7};
	struct msg_view view;

	open_large();
	publish_large(0, 0, 8193);
	publish_large(1, 2, 0); /* No such memory. */
	publish_large(2, 3, 0);
	publish_large(3, UINT32_MAX, 0);
	item.bytes = 1;
	put(&sources[0], &item, MSG_RING_NO_TOKEN);
	ck_assert_int_eq(take(&view, 1), 0);
	ck_assert_uint_eq(counters[MSG_COUNTER_MALFORMED], 5);
	/* Where we have none it does not matter where it stands. */
	sources[0].ring->large = NULL;
	publish_large(4, 77, MSG_LARGE_BYTES_MAX);
	ck_assert_int_eq(take(&view, 1), 0);
	ck_assert_uint_eq(counters[MSG_COUNTER_MALFORMED], 5);
	ck_assert_uint_eq(counters[MSG_COUNTER_TOO_LARGE], 1);
	publish_large(5, 77, MSG_LARGE_BYTES_MAX + 1);
	ck_assert_int_eq(take(&view, 1), 0);
	ck_assert_uint_eq(counters[MSG_COUNTER_MALFORMED], 6);
	close_all();
}
END_TEST

/* As through a broker: by pages of memory that others write. */
START_TEST(a_large_one_is_believed_within_its_area_alone)
{
	static uint8_t area[8 * MSG_LARGE_PAGE];
	struct msg_view view;

	open_large();
	sources[0].ring->large = NULL;
	sources[0].ring->area = area;
	sources[0].ring->area_bytes = sizeof area;
	publish_large(0, 1, 7 * MSG_LARGE_PAGE);
	ck_assert_int_eq(take(&view, 1), 1);
	ck_assert_ptr_eq(view.data, area + MSG_LARGE_PAGE);
	ck_assert_uint_eq(view.bytes, 7 * MSG_LARGE_PAGE);
	ck_assert_uint_eq(view.segment_count, 1);
	release(&view);
	publish_large(1, 0, 1);
	publish_large(2, 1, 7 * MSG_LARGE_PAGE + 1);
	publish_large(3, 9, 0);
	publish_large(4, UINT32_MAX, MSG_LARGE_BYTES_MAX);
	ck_assert_int_eq(take(&view, 1), 0);
	ck_assert_uint_eq(counters[MSG_COUNTER_MALFORMED], 4);
	msg_inbox_settle(&inbox);
	all_home();
	close_all();
}
END_TEST

/* Who is told of events is told of what it does not take, in its place. */
START_TEST(what_is_too_large_is_told_in_its_place)
{
	struct msg_view views[4];

	open_large();
	inbox.tells_events = true;
	inbox.large_bytes_max = 99;
	publish_large(0, 0, 99);
	publish_large(1, 1, 100);
	publish(&sources[0], 2);
	take_all(views, 3);
	ck_assert_uint_eq(views[0].event, MSG_EVENT_MESSAGE);
	ck_assert_uint_eq(views[1].event, MSG_EVENT_LOST);
	ck_assert_uint_eq(views[1].reason, MSG_LOSS_TOO_LARGE);
	ck_assert_uint_eq(views[1].sequence, 2);
	ck_assert_uint_eq(views[1].lost_before, 1);
	ck_assert_uint_eq(views[2].event, MSG_EVENT_MESSAGE);
	ck_assert_uint_eq(views[2].sequence, 2);
	ck_assert_uint_eq(views[2].lost_before, 0);
	ck_assert_uint_eq(counters[MSG_COUNTER_TOO_LARGE], 1);
	for (int i = 0; i < 3; i++)
		release(&views[i]);
	msg_inbox_settle(&inbox);
	all_home();
	close_all();
}
END_TEST

/* ---- rings ------------------------------------------------------------- */

static void put_event(uint32_t publisher, enum msg_event event,
	uint64_t sequence, uint32_t lost)
{
	struct msg_ring_item item = item_at(0, MSG_RING_EVENT, sequence, 0);

	item.publisher = publisher;
	item.place = event;
	item.lost = lost;
	item.total = lost ? MSG_LOSS_NETWORK : MSG_LOSS_UNKNOWN;
	put(&sources[0], &item, MSG_RING_NO_TOKEN);
}

static void expect_message(uint64_t sequence, uint64_t lost)
{
	struct msg_view view;

	take_all(&view, 1);
	ck_assert_uint_eq(view.event, MSG_EVENT_MESSAGE);
	ck_assert_uint_eq(view.sequence, sequence);
	ck_assert_uint_eq(view.lost_before, lost);
	release(&view);
}

static void expect_event(
	enum msg_event event, uint64_t lost, enum msg_loss reason)
{
	struct msg_view view;

	take_all(&view, 1);
	ck_assert_uint_eq(view.event, event);
	ck_assert_uint_eq(view.lost_before, lost);
	ck_assert_uint_eq(view.reason, reason);
	ck_assert_uint_eq(view.bytes, 0);
	ck_assert_ptr_null(view.data);
	release(&view);
}

/* Rings of a broker have events in them as soon as anybody asks. */
START_TEST(events_are_for_who_asked)
{
	for (int asked = 0; asked < 2; asked++) {
		struct msg_view view;

		open_all();
		inbox.tells_events = asked;
		put_event(7, MSG_EVENT_JOINED, 5, 0);
		publish(&sources[0], 5);
		put_event(7, MSG_EVENT_LOST, 9, 3);
		if (asked) {
			expect_event(MSG_EVENT_JOINED, 0, MSG_LOSS_UNKNOWN);
			expect_message(5, 0);
			expect_event(MSG_EVENT_LOST, 3, MSG_LOSS_NETWORK);
		} else {
			expect_message(5, 0);
		}
		ck_assert_int_eq(take(&view, 1), 0);
		ck_assert(!msg_inbox_ready(&inbox));
		publish(&sources[0], 9);
		expect_message(9, asked ? 0 : 3);
		/* Of one that nobody had heard of. */
		put_event(8, MSG_EVENT_LOST, 4, 4);
		publish_as(&sources[0], 8, 4);
		if (asked)
			expect_event(MSG_EVENT_LOST, 4, MSG_LOSS_NETWORK);
		expect_message(4, asked ? 0 : 4);
		ck_assert_uint_eq(
			msg_counter_get(&counters[MSG_COUNTER_LOST]), 7);
		ck_assert_uint_eq(
			msg_counter_get(&counters[MSG_COUNTER_MESSAGES]), 3);
		ck_assert_uint_eq(
			msg_counter_get(&counters[MSG_COUNTER_MALFORMED]), 0);
		all_home();
		close_all();
	}
}
END_TEST

START_TEST(a_lap_with_nothing_behind_it_is_told_to_who_asked)
{
	for (int asked = 0; asked < 2; asked++) {
		struct msg_view view, kept;

		open_all();
		inbox.tells_events = asked;
		sources[0].ring->publisher = 7;
		sources[0].ring->topic = 3;
		/* Nobody knows what came before. */
		publish(&sources[0], 0);
		msg_ring_reclaim(&sources[0].writer, sources[0].writer.head);
		ck_assert_int_eq(take(&view, 1), 0);
		publish(&sources[0], 1);
		expect_message(1, 1);
		for (uint64_t i = 2; i < 10; i++)
			publish(&sources[0], i);
		expect_message(2, 0);
		/* One in hand is not lapped, seven behind it are. */
		take_all(&kept, 1);
		msg_ring_reclaim(&sources[0].writer, sources[0].writer.head);
		if (asked)
			expect_event(MSG_EVENT_LOST, 6, MSG_LOSS_LAPPED);
		ck_assert_int_eq(take(&view, 1), 0);
		ck_assert(!msg_inbox_ready(&inbox));
		ck_assert(msg_inbox_busy(&inbox));
		release(&kept);
		ck_assert(!msg_inbox_busy(&inbox));
		publish(&sources[0], 10);
		expect_message(10, asked ? 0 : 6);
		ck_assert_uint_eq(
			msg_counter_get(&counters[MSG_COUNTER_LOST]), 7);
		all_home();
		close_all();
	}
}
END_TEST

/* The short way of a lone message: into the record of the one before, or into a
 * fresh one. */
START_TEST(a_lone_one_that_was_revoked_is_told_though_nothing_follows)
{
	for (int fresh = 0; fresh < 2; fresh++) {
		struct msg_view view;

		open_all();
		inbox.tells_events = true;
		sources[0].ring->publisher = 7;
		sources[0].ring->topic = 3;
		publish(&sources[0], 0);
		expect_message(0, 0);
		if (fresh)
			ck_assert_int_eq(take(&view, 1), 0);
		publish(&sources[0], 1);
		msg_ring_reclaim(&sources[0].writer, sources[0].writer.head);
		expect_event(MSG_EVENT_LOST, 1, MSG_LOSS_LAPPED);
		publish(&sources[0], 2);
		expect_message(2, 0);
		ck_assert_uint_eq(
			msg_counter_get(&counters[MSG_COUNTER_LAPPED]), 1);
		ck_assert_uint_eq(
			msg_counter_get(&counters[MSG_COUNTER_LOST]), 1);
		ck_assert_int_eq(take(&view, 1), 0);
		all_home();
		close_all();
	}
}
END_TEST

START_TEST(rings_take_turns)
{
	struct msg_view views[4];
	int of_ring[RINGS] = {0};

	open_inbox(RECORDS);
	open_source(&sources[0], 32, 16, MSG_RING_LAP);
	open_source(&sources[1], 32, 16, MSG_RING_LAP);
	for (uint64_t i = 0; i < 20; i++) {
		publish_as(&sources[0], 1, i);
		publish_as(&sources[1], 2, i);
	}
	for (int i = 0; i < 10; i++) {
		take_all(views, 1);
		of_ring[views[0].publisher - 1]++;
		release(views);
	}
	ck_assert_int_eq(of_ring[0], 5);
	ck_assert_int_eq(of_ring[1], 5);
	while (take(views, 4) > 0)
		for (int i = 0; i < 4; i++)
			release(&views[i]);
	close_all();
}
END_TEST

START_TEST(a_ring_stays_while_something_of_it_is_in_hand)
{
	struct msg_view views[2];

	open_inbox(RECORDS);
	open_source(&sources[0], 8, 8, MSG_RING_LAP);
	open_source(&sources[1], 8, 8, MSG_RING_LAP);
	publish_as(&sources[0], 1, 0);
	publish_as(&sources[1], 2, 0);
	take_all(views, 2);
	ck_assert(!msg_inbox_remove(&inbox, sources[0].ring));
	ck_assert_uint_eq(inbox.ring_count, 2);
	release(&views[0]);
	release(&views[1]);
	ck_assert(msg_inbox_remove(&inbox, sources[0].ring));
	ck_assert_uint_eq(inbox.ring_count, 1);
	publish_as(&sources[1], 2, 1);
	take_all(views, 1);
	ck_assert_uint_eq(views[0].publisher, 2);
	release(views);
	ck_assert(msg_inbox_remove(&inbox, sources[1].ring));
	ck_assert_int_eq(take(views, 1), 0);
	ck_assert_uint_eq(inbox.free_count, RECORDS);
	close_all();
}
END_TEST

START_TEST(an_eviction_is_seen)
{
	struct msg_view view;

	open_inbox(RECORDS);
	open_source(&sources[0], 8, 8, MSG_RING_EVICT);
	ck_assert(!msg_inbox_evicted(&inbox));
	for (uint64_t i = 0; i < 9; i++)
		publish(&sources[0], i);
	ck_assert(msg_inbox_evicted(&inbox));
	ck_assert_int_eq(take(&view, 1), 0);
	close_all();
}
END_TEST

/* ---- hostile rings ----------------------------------------------------- */

#define HOSTILE_POOL 8192u

static void look_at(const struct msg_view *view)
{
	struct msg_segment segments[16];
	int n = msg_inbox_segments(&inbox, view, segments, 16);
	volatile uint8_t sum = 0;

	/* Beyond the pool, either way, is a page that cannot be read. */
	for (int i = 0; i < n; i++)
		for (uint32_t b = 0; b < segments[i].bytes; b++)
			sum = (uint8_t)(sum +
				((const uint8_t *)segments[i].data)[b]);
}

static void scramble(struct msg_ring_header *header, uint64_t around,
	struct random_stream *random)
{
	struct msg_ring_entry *e = msg_ring_entries(header) +
				   random_below(random, header->entry_count);
	uint64_t kind = random_below(random, 6);
	uint64_t bytes = random_below(random, 4) ? random_below(random, 64)
						 : random_next(random);

	atomic_store(&e->turn, random_chance(random, 900)
			? around + random_below(random, 10)
			: random_next(random));
	atomic_store(&e->sequence, random_next(random));
	atomic_store(&e->from, random_next(random));
	atomic_store(&e->what,
		msg_ring_what((uint32_t)kind, (uint32_t)bytes & 0x1fffffff,
			(uint32_t)(random_chance(random, 800)
					? random_below(random,
						  HOSTILE_POOL / 8 + 2)
					: random_next(random))));
	atomic_store(&e->more[0], random_next(random));
	atomic_store(&e->more[1],
		(random_below(random, 200) << 32) | random_below(random, 5));
	if (random_chance(random, 100))
		atomic_store(&header->floor[0],
			random_chance(random, 500)
				? around + random_below(random, 20)
				: random_next(random));
	if (random_chance(random, 50))
		atomic_store(&header->head, random_next(random));
}

START_TEST(a_hostile_ring_leads_nobody_out_of_its_pool)
{
	size_t page = 4096;
	uint8_t *map = mmap(NULL, HOSTILE_POOL + 2 * page, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *pool = map + page;

	ck_assert_int_eq(
		mprotect(pool, HOSTILE_POOL, PROT_READ | PROT_WRITE), 0);
	for (unsigned trial = 0; trial < 200 / MSG_TEST_FEWER; trial++) {
		struct random_stream random = {check_seed() + trial};
		struct msg_view views[RECORDS];
		int n = 0;

		open_all();
		sources[0].ring->pool = pool;
		sources[0].ring->pool_bytes = HOSTILE_POOL;
		for (unsigned i = 0; i < 2000; i++) {
			struct msg_ring_reader *r = &sources[0].ring->reader;
			uint64_t before = r->next;

			scramble(sources[0].header, before, &random);
			pool[random_below(&random, HOSTILE_POOL)] =
				(uint8_t)random_next(&random);
			if (random_chance(&random, 300))
				n += take(views + n, (int)random_below(&random,
					(uint64_t)(RECORDS + 1 - (unsigned)n)));
			MUST(r->next >= before, "goes back");
			MUST(sources[0].ring->in_hand <= RECORDS,
				"%u in hand", sources[0].ring->in_hand);
			for (int v = 0; v < n; v++)
				look_at(&views[v]);
			if (random_chance(&random, 100)) {
				msg_inbox_release(&inbox, views, n);
				n = 0;
			}
		}
		msg_inbox_release(&inbox, views, n);
		ck_assert_uint_eq(refused(), 0);
		/* Void what is still to come: all that was taken is back. */
		memset(msg_ring_entries(sources[0].header), 0,
			64 * sizeof(struct msg_ring_entry));
		while ((n = take(views, RECORDS)) > 0)
			msg_inbox_release(&inbox, views, n);
		ck_assert(!msg_inbox_busy(&inbox));
		ck_assert_uint_eq(inbox.free_count, RECORDS);
		close_all();
	}
	munmap(map, HOSTILE_POOL + 2 * page);
}
END_TEST

/* It says that all is gone, and nowhere where it goes on. */
START_TEST(a_lap_to_nowhere_ends_the_take)
{
	struct msg_ring_entry *e;
	struct msg_view view;

	open_all();
	e = msg_ring_entries(sources[0].header);
	for (unsigned i = 0; i < 64; i++)
		atomic_store(&e[i].turn, UINT64_MAX);
	ck_assert_int_eq(take(&view, 1), 0);
	ck_assert_uint_eq(sources[0].ring->reader.next, 0);
	atomic_store(&sources[0].header->head, 5);
	ck_assert_int_eq(take(&view, 1), 0);
	ck_assert_uint_eq(sources[0].ring->reader.next, 5);
	/* Nor round the end of the numbers, and here again. */
	atomic_store(&sources[0].header->floor[0], UINT64_MAX - 3);
	ck_assert_int_eq(take(&view, 1), 0);
	ck_assert_uint_eq(sources[0].ring->reader.next, 5);
	close_all();
}
END_TEST

/* ---- many threads ------------------------------------------------------ */

#define STORM_THREADS 4
#define STORM_ENTRIES 32
#define STORM_VIEWS 70
#define STORM_ROUNDS (64 / MSG_TEST_FEWER)
#define STORM_TOTAL (STORM_ENTRIES * STORM_VIEWS)

static struct msg_view storm_views[STORM_TOTAL];
static pthread_barrier_t storm_barrier;

/* All threads try all views, so each is released once and refused thrice. */
static void *storm(void *argument)
{
	struct random_stream random = {
		check_seed() + (uint64_t)(uintptr_t)argument};

	for (int round = 0; round < STORM_ROUNDS; round++) {
		int at, done = 0;

		pthread_barrier_wait(&storm_barrier);
		at = (int)random_below(&random, STORM_TOTAL);
		while (done < STORM_TOTAL) {
			int n = 1 + (int)random_below(&random, 100);

			if (n > STORM_TOTAL - done)
				n = STORM_TOTAL - done;
			if (n > STORM_TOTAL - at)
				n = STORM_TOTAL - at;
			msg_inbox_release(&inbox, storm_views + at, n);
			done += n;
			at = (at + n) % STORM_TOTAL;
		}
		pthread_barrier_wait(&storm_barrier);
	}
	return NULL;
}

START_TEST(a_storm_of_releases_frees_each_entry_once)
{
	pthread_t threads[STORM_THREADS];
	uint64_t sequence = 0;

	open_all();
	pthread_barrier_init(&storm_barrier, NULL, STORM_THREADS + 1);
	for (uintptr_t i = 0; i < STORM_THREADS; i++)
		pthread_create(&threads[i], NULL, storm, (void *)i);
	for (int round = 0; round < STORM_ROUNDS; round++) {
		for (int e = 0; e < STORM_ENTRIES; e++) {
			publish_packed(&sources[0], sequence, STORM_VIEWS);
			sequence += STORM_VIEWS;
		}
		take_all(storm_views, STORM_TOTAL);
		pthread_barrier_wait(&storm_barrier);
		while (inbox.free_count < RECORDS)
			msg_inbox_settle(&inbox);
		pthread_barrier_wait(&storm_barrier);
		ck_assert_uint_eq(refused(), (uint64_t)(round + 1) *
						     STORM_TOTAL *
						     (STORM_THREADS - 1));
		all_home();
	}
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_join(threads[i], NULL);
	close_all();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inbox");
	TCase *views = check_case(suite, "views", 20);
	TCase *hand = check_case(suite, "in hand", 60);
	TCase *large_ones = check_case(suite, "large", 10);
	TCase *rings = check_case(suite, "rings", 10);
	TCase *hostile = check_case(suite, "hostile rings", 60);
	TCase *threads = check_case(suite, "threads", 60);

	tcase_add_test(
		views, an_entry_returns_with_its_last_view_and_not_before);
	tcase_add_test(views, a_batch_across_words_and_entries_returns_whole);
	tcase_add_test(views, what_is_not_out_is_refused_and_counted);
	tcase_add_test(views, generations_wrap_and_zero_is_never_one);
	tcase_add_test(views, a_packed_entry_may_be_taken_in_pieces);
	tcase_add_test(views, parts_are_one_message);
	tcase_add_test(hand, one_that_is_kept_holds_back_nobody);
	tcase_add_test(hand, what_is_skipped_makes_nobody_look_greedy);
	tcase_add_test(hand, no_more_is_in_hand_than_allowed);
	tcase_add_test(
		hand, what_was_revoked_while_it_was_looked_at_is_dropped);
	tcase_add_test(hand, losses_of_each_publisher_are_told_exactly);
	tcase_add_test(hand, events_are_for_who_asked);
	tcase_add_test(
		hand, a_lap_with_nothing_behind_it_is_told_to_who_asked);
	tcase_add_test(hand,
		a_lone_one_that_was_revoked_is_told_though_nothing_follows);
	tcase_add_test(large_ones, a_large_one_is_a_view_of_its_buffer);
	tcase_add_test(
		large_ones, a_large_one_comes_home_past_one_that_is_kept);
	tcase_add_test(
		large_ones, a_large_one_is_believed_within_its_buffer_alone);
	tcase_add_test(
		large_ones, a_large_one_is_believed_within_its_area_alone);
	tcase_add_test(large_ones, what_is_too_large_is_told_in_its_place);
	tcase_add_test(rings, rings_take_turns);
	tcase_add_test(rings, a_ring_stays_while_something_of_it_is_in_hand);
	tcase_add_test(rings, an_eviction_is_seen);
	tcase_add_test(hostile, a_hostile_ring_leads_nobody_out_of_its_pool);
	tcase_add_test(hostile, a_lap_to_nowhere_ends_the_take);
	tcase_add_test(threads, a_storm_of_releases_frees_each_entry_once);
	return check_main(suite, NULL);
}
