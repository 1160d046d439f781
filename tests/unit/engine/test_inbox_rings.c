/* SPDX-License-Identifier: BSD-2-Clause */
/* test_inbox_rings.c - large messages, events, and several rings; see
 * libmsg/engine/inbox.h. */
#include "inbox_fixture.h"

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

int main(void)
{
	Suite *suite = suite_create("inbox_rings");
	TCase *large_ones = check_case(suite, "large", 10);
	TCase *events = check_case(suite, "events", 60);
	TCase *rings = check_case(suite, "rings", 10);

	tcase_add_test(large_ones, a_large_one_is_a_view_of_its_buffer);
	tcase_add_test(
		large_ones, a_large_one_comes_home_past_one_that_is_kept);
	tcase_add_test(
		large_ones, a_large_one_is_believed_within_its_buffer_alone);
	tcase_add_test(
		large_ones, a_large_one_is_believed_within_its_area_alone);
	tcase_add_test(large_ones, what_is_too_large_is_told_in_its_place);
	tcase_add_test(events, events_are_for_who_asked);
	tcase_add_test(events, a_lap_with_nothing_behind_it_is_told_to_who_asked);
	tcase_add_test(
		events, a_lone_one_that_was_revoked_is_told_though_nothing_follows);
	tcase_add_test(rings, rings_take_turns);
	tcase_add_test(rings, a_ring_stays_while_something_of_it_is_in_hand);
	tcase_add_test(rings, an_eviction_is_seen);
	return check_main(suite, NULL);
}
