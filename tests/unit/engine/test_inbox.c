/* SPDX-License-Identifier: BSD-2-Clause */
/* test_inbox.c - entries to views and back; see libmsg/engine/inbox.h. */
#include "inbox_fixture.h"

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

/* Nothing need follow for that, and what follows tells of it, once. */
START_TEST(what_is_too_large_is_counted_as_lost_at_once)
{
	struct msg_view views[2];

	open_inbox(RECORDS);
	open_source(&sources[0], 128, 8, MSG_RING_LAP);
	/* Of a publisher that nothing was had of yet, and of one known. */
	for (uint64_t next = 0; next < 6; next += 3) {
		publish_parts(&sources[0], next, 20);
		publish_parts(&sources[0], next + 1, 20);
		ck_assert_int_eq(take(views, 2), 0);
		ck_assert_int_eq(take(views, 2), 0);
		ck_assert_uint_eq(msg_counter_get(&counters[MSG_COUNTER_LOST]),
			next / 3 * 2 + 2);
		publish(&sources[0], next + 2);
		take_all(views, 1);
		ck_assert_uint_eq(views[0].sequence, next + 2);
		ck_assert_uint_eq(views[0].lost_before, 2);
		ck_assert_uint_eq(msg_counter_get(&counters[MSG_COUNTER_LOST]),
			next / 3 * 2 + 2);
		release(views);
	}
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

int main(void)
{
	Suite *suite = suite_create("inbox");
	TCase *views = check_case(suite, "views", 20);
	TCase *hand = check_case(suite, "in hand", 60);

	tcase_add_test(
		views, an_entry_returns_with_its_last_view_and_not_before);
	tcase_add_test(views, a_batch_across_words_and_entries_returns_whole);
	tcase_add_test(views, what_is_not_out_is_refused_and_counted);
	tcase_add_test(views, generations_wrap_and_zero_is_never_one);
	tcase_add_test(views, a_packed_entry_may_be_taken_in_pieces);
	tcase_add_test(views, parts_are_one_message);
	tcase_add_test(hand, one_that_is_kept_holds_back_nobody);
	tcase_add_test(hand, what_is_skipped_makes_nobody_look_greedy);
	tcase_add_test(hand, what_is_too_large_is_counted_as_lost_at_once);
	tcase_add_test(hand, no_more_is_in_hand_than_allowed);
	tcase_add_test(
		hand, what_was_revoked_while_it_was_looked_at_is_dropped);
	tcase_add_test(hand, losses_of_each_publisher_are_told_exactly);
	return check_main(suite, NULL);
}
