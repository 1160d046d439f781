/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_inbox_history.c - what a ring held before its reader came, and what
 * happened to its publisher; see libmsg/engine/inbox.h.
 *
 * The oracle is the list of what was put: of each publisher the last so many
 * messages must come, then all that follows, in order.
 */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "engine/inbox.h"
#include "pool/ring_writer.h"

#define ENTRIES 256u
#define SLOT_BYTES 1024u
#define TOPIC 3u
#define PUBLISHERS 3u

static struct msg_ring_header *header;
static struct msg_ring_writer writer;
static struct msg_ring_ledger *ledger;
static struct msg_inbox_ring *ring;
static struct msg_inbox inbox;
static msg_counter_t counters[MSG_COUNTER_COUNT];
static uint8_t *pool; /* A slot for each place in the ring. */
static uint64_t next[PUBLISHERS];

static void freed(void *context, uint32_t token)
{
	(void)context;
	memset(pool + token * SLOT_BYTES, 0xdd, SLOT_BYTES);
}

static void setup_as(bool events)
{
	struct msg_ring_writer_options options = {
		.entry_count = ENTRIES, .pin_max = 64, .free = freed};
	struct msg_inbox_options in = {
		.record_count = 128,
		.ring_max = 1,
		.publisher_count_max = 8,
		.counts_losses = true,
		.events = events,
		.counters = counters,
	};
	size_t bytes = (msg_ring_ledger_bytes(64) + 63) & ~(size_t)63;

	header = aligned_alloc(64, msg_ring_bytes(ENTRIES));
	ledger = aligned_alloc(64, bytes);
	pool = calloc(ENTRIES, SLOT_BYTES);
	memset(header, 0, msg_ring_bytes(ENTRIES));
	memset(ledger, 0, bytes);
	memset(counters, 0, sizeof counters);
	memset(next, 0, sizeof next);
	options.header = header;
	ck_assert_int_eq(msg_ring_writer_open(&writer, &options), 0);
	ck_assert_int_eq(msg_inbox_open(&inbox, &in), 0);
}

static void setup(void)
{
	setup_as(false);
}

static void teardown(void)
{
	msg_inbox_close(&inbox);
	msg_ring_writer_close(&writer);
	free(header);
	free(ledger);
	free(pool);
}

static void put_item(const struct msg_ring_item *item)
{
	ck_assert(msg_ring_room(&writer, 1));
	msg_ring_put(&writer, 0, item, (uint32_t)(writer.head % ENTRIES));
	msg_ring_advance(&writer, 1);
}

/* The next `count` messages of a publisher, in one entry; each says its own
 * number. */
static void put(uint32_t publisher, uint32_t count)
{
	uint32_t slot = (uint32_t)(writer.head % ENTRIES);
	uint8_t *body = pool + slot * SLOT_BYTES;
	struct msg_ring_item item = {
		.sequence = next[publisher],
		.publisher = publisher + 1,
		.topic = TOPIC,
		.bytes = 8,
		.kind = MSG_RING_SINGLE,
		.place = slot * SLOT_BYTES / MSG_RING_PLACE_UNIT,
	};
	struct msg_pack pack;

	msg_pack_start(&pack, SLOT_BYTES);
	for (uint32_t i = 0; i < count; i++) {
		memcpy(body + i * MSG_PACK_ALIGN, &next[publisher], 8);
		next[publisher]++;
		msg_pack_add(&pack, 8);
	}
	if (count > 1) {
		item.kind = MSG_RING_PACKED;
		item.bytes = msg_pack_finish(&pack, body);
	}
	put_item(&item);
}

static void join(uint32_t history, uint32_t entries)
{
	struct msg_inbox_ring_options options = {
		.header = header,
		.entry_count = ENTRIES,
		.ledger = ledger,
		.start = writer.head - entries,
		.pool = pool,
		.pool_bytes = ENTRIES * SLOT_BYTES,
		.topic = MSG_INBOX_NONE,
		.held_max = 64,
		.history = entries,
		.history_count = history,
	};

	msg_ring_writer_add(&writer, 0, ledger, 64, MSG_RING_LAP);
	ck_assert_int_eq(msg_inbox_add(&inbox, &options, &ring), 0);
}

/* All there is: of each publisher from `first` on. */
static void expect(const uint64_t *first)
{
	uint64_t at[PUBLISHERS];
	struct msg_view views[7];
	int n;

	memcpy(at, first, sizeof at);
	while ((n = msg_inbox_take(&inbox, views, 7)) > 0) {
		for (int i = 0; i < n; i++) {
			uint32_t who = (uint32_t)views[i].publisher - 1;
			uint64_t said;

			memcpy(&said, views[i].data, 8);
			ck_assert_uint_eq(views[i].sequence, at[who]);
			ck_assert_uint_eq(said, at[who]);
			ck_assert_uint_eq(views[i].lost_before, 0);
			at[who]++;
		}
		msg_inbox_release(&inbox, views, n);
	}
	for (uint32_t i = 0; i < PUBLISHERS; i++)
		ck_assert_uint_eq(at[i], next[i]);
	ck_assert(!msg_inbox_busy(&inbox));
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

START_TEST(the_last_so_many_of_each_come_and_then_the_rest)
{
	struct random_stream random = {check_seed() + (uint64_t)_i};
	uint32_t wanted = (uint32_t)random_below(&random, 40) + 1;
	uint64_t first[PUBLISHERS];
	uint32_t entries = (uint32_t)random_below(&random, 100);

	for (uint32_t i = 0; i < entries; i++)
		put((uint32_t)random_below(&random, PUBLISHERS),
			1 + (uint32_t)random_below(&random, 9));
	for (uint32_t i = 0; i < PUBLISHERS; i++)
		first[i] = next[i] - least(next[i], wanted);
	join(wanted, entries);
	/* What comes before the first take is live all the same. */
	for (uint32_t i = 0; i < 60; i++)
		put((uint32_t)random_below(&random, PUBLISHERS),
			1 + (uint32_t)random_below(&random, 9));
	expect(first);
	ck_assert(!ring->apart);
	put(1, 3);
	first[0] = next[0], first[1] = next[1] - 3, first[2] = next[2];
	expect(first);
	ck_assert_uint_eq(msg_counter_get(&counters[MSG_COUNTER_LOST]), 0);
	ck_assert_uint_eq(msg_counter_get(&counters[MSG_COUNTER_MALFORMED]), 0);
}
END_TEST

START_TEST(all_that_is_there_may_be_wanted)
{
	const uint64_t first[PUBLISHERS] = {0, 0, 0};

	for (uint32_t i = 0; i < 20; i++)
		put(i % 2, 1 + i % 3);
	join(UINT32_MAX, 20);
	expect(first);
	ck_assert_uint_eq(msg_counter_get(&counters[MSG_COUNTER_CAUGHT_UP]),
		next[0] + next[1]);
}
END_TEST

/* What was lapped before the first take was of no use, mostly; what was wanted
 * of it is missing before what is left. */
START_TEST(what_is_lapped_meanwhile_is_told_if_it_was_wanted)
{
	struct msg_view view;

	for (int i = 0; i < 50; i++)
		put(0, 1);
	join(10, 50);
	msg_ring_reclaim(&writer, 45);
	ck_assert_int_eq(msg_inbox_take(&inbox, &view, 1), 1);
	ck_assert_uint_eq(view.sequence, 45);
	ck_assert_uint_eq(view.lost_before, 5);
	msg_inbox_release(&inbox, &view, 1);
	ck_assert_uint_eq(msg_counter_get(&counters[MSG_COUNTER_LOST]), 5);
}
END_TEST

/* Whatever an entry says: what cannot be is counted, and nothing else happens. */
START_TEST(nonsense_in_a_history_hurts_nobody)
{
	struct random_stream random = {check_seed() + (uint64_t)_i};
	struct msg_view views[16];
	int n, turns = 0;

	for (int i = 0; i < 200; i++) {
		struct msg_ring_item item = {
			.sequence = random_next(&random),
			.publisher = (uint32_t)random_below(&random, 20),
			.topic = TOPIC,
			.kind = (uint32_t)random_below(&random, 8),
			.bytes = (uint32_t)random_below(&random, 2048),
			.place = (uint32_t)random_below(
				&random, ENTRIES * SLOT_BYTES / 4),
			.segments = (uint32_t)random_below(&random, 5),
			.total = (uint32_t)random_below(&random, 2048),
		};

		if (random_chance(&random, 300))
			put((uint32_t)random_below(&random, PUBLISHERS), 2);
		else
			put_item(&item);
	}
	for (size_t i = 0; i < ENTRIES * SLOT_BYTES; i += 97)
		pool[i] ^= (uint8_t)random_next(&random);
	join(1 + (uint32_t)random_below(&random, 100), 200);
	while ((n = msg_inbox_take(&inbox, views, 16)) > 0 || ring->apart) {
		ck_assert_int_ge(n, 0);
		msg_inbox_release(&inbox, views, n);
		if (++turns > 1000)
			ck_abort_msg("no end of it");
	}
}
END_TEST

/* ---- events -------------------------------------------------------------- */

static void setup_events(void)
{
	setup_as(true);
}

static void expect_event(enum msg_event event, uint64_t sequence)
{
	struct msg_view view;

	ck_assert(msg_inbox_ready(&inbox));
	ck_assert_int_eq(msg_inbox_take(&inbox, &view, 1), 1);
	ck_assert_uint_eq(view.event, event);
	ck_assert_uint_eq(view.sequence, sequence);
	msg_inbox_release(&inbox, &view, 1);
}

START_TEST(what_is_owed_is_told_before_the_first_and_behind_the_last)
{
	join(0, 0);
	ring->publisher = 1;
	ring->topic = TOPIC;
	msg_inbox_owe(&inbox, ring, MSG_EVENT_RESTARTED);
	msg_inbox_owe(&inbox, ring, MSG_EVENT_JOINED);
	put(0, 1);
	put(0, 2);
	msg_inbox_owe(&inbox, ring, MSG_EVENT_LEFT);
	expect_event(MSG_EVENT_JOINED, 0);
	expect_event(MSG_EVENT_RESTARTED, 0);
	for (uint64_t i = 0; i < 3; i++)
		expect_event(MSG_EVENT_MESSAGE, i);
	expect_event(MSG_EVENT_LEFT, 3);
	ck_assert(!msg_inbox_ready(&inbox));
	ck_assert(!ring->apart);
	ck_assert_uint_eq(msg_counter_get(&counters[MSG_COUNTER_MESSAGES]), 3);
}
END_TEST

/* With everything in hand nothing can be told; it is later. */
START_TEST(what_is_owed_waits_for_room)
{
	struct msg_view views[64];

	join(0, 0);
	ring->publisher = 1;
	ring->topic = TOPIC;
	for (int i = 0; i < 64; i++)
		put(0, 1);
	ck_assert_int_eq(msg_inbox_take(&inbox, views, 64), 64);
	msg_inbox_owe(&inbox, ring, MSG_EVENT_SILENT);
	ck_assert_int_eq(msg_inbox_take(&inbox, views + 63, 1), 0);
	ck_assert(msg_inbox_ready(&inbox));
	msg_inbox_release(&inbox, views, 64);
	expect_event(MSG_EVENT_SILENT, 64);
}
END_TEST

START_TEST(of_a_late_joiner_each_publisher_joins_before_its_first)
{
	struct msg_ring_item joined = {.publisher = 1,
		.topic = TOPIC,
		.sequence = 5,
		.kind = MSG_RING_EVENT,
		.place = MSG_EVENT_JOINED};

	for (int i = 0; i < 5; i++)
		put(0, 1);
	/* It was said before we came, which is no news. */
	put_item(&joined);
	put(1, 1);
	join(2, 7);
	/* And now to us alone, and to another. */
	joined.lost = 1;
	put_item(&joined);
	joined.lost = 2;
	put_item(&joined);
	put(0, 1);
	expect_event(MSG_EVENT_JOINED, 3);
	expect_event(MSG_EVENT_MESSAGE, 3);
	expect_event(MSG_EVENT_MESSAGE, 4);
	expect_event(MSG_EVENT_JOINED, 0);
	expect_event(MSG_EVENT_MESSAGE, 0);
	expect_event(MSG_EVENT_MESSAGE, 5);
	ck_assert(!msg_inbox_ready(&inbox));
}
END_TEST

/* How far a stream is: who is there has lost nothing, who is not is told. */
START_TEST(how_far_a_stream_is_tells_what_was_lapped)
{
	struct msg_ring_item mark = {.publisher = 1,
		.topic = TOPIC,
		.kind = MSG_RING_EVENT,
		.place = MSG_EVENT_LOST,
		.total = MSG_LOSS_LAPPED};
	struct msg_view view;

	join(0, 0);
	put(0, 1);
	mark.sequence = 1;
	put_item(&mark);
	expect_event(MSG_EVENT_MESSAGE, 0);
	ck_assert_int_eq(msg_inbox_take(&inbox, &view, 1), 0);
	mark.sequence = 4;
	put_item(&mark);
	ck_assert_int_eq(msg_inbox_take(&inbox, &view, 1), 1);
	ck_assert_uint_eq(view.event, MSG_EVENT_LOST);
	ck_assert_uint_eq(view.reason, MSG_LOSS_LAPPED);
	ck_assert_uint_eq(view.lost_before, 3);
	msg_inbox_release(&inbox, &view, 1);
	next[0] = 4;
	put(0, 1);
	expect_event(MSG_EVENT_MESSAGE, 4);
	ck_assert_uint_eq(msg_counter_get(&counters[MSG_COUNTER_LOST]), 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inbox_history");
	TCase *history = check_case(suite, "history", 20);
	TCase *events = check_case(suite, "events", 20);

	tcase_add_checked_fixture(history, setup, teardown);
	tcase_add_loop_test(history,
		the_last_so_many_of_each_come_and_then_the_rest, 0, 50);
	tcase_add_test(history, all_that_is_there_may_be_wanted);
	tcase_add_test(
		history, what_is_lapped_meanwhile_is_told_if_it_was_wanted);
	tcase_add_loop_test(
		history, nonsense_in_a_history_hurts_nobody, 0, 100);
	tcase_add_checked_fixture(events, setup_events, teardown);
	tcase_add_test(events,
		what_is_owed_is_told_before_the_first_and_behind_the_last);
	tcase_add_test(events, what_is_owed_waits_for_room);
	tcase_add_test(
		events, of_a_late_joiner_each_publisher_joins_before_its_first);
	tcase_add_test(events, how_far_a_stream_is_tells_what_was_lapped);
	return check_main(suite, NULL);
}
