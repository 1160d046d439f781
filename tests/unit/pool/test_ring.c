/* SPDX-License-Identifier: BSD-2-Clause */
/* test_ring.c - one thread's view of the ring; see libmsg/pool/ring.h. */
#include "ring_fixture.h"

/* ---- entries ----------------------------------------------------------- */

START_TEST(an_entry_says_what_was_put)
{
	struct msg_ring_item in = {.sequence = UINT64_MAX - 1,
		.publisher = UINT32_MAX,
		.topic = 3,
		.bytes = MSG_RING_INLINE_BYTES,
		.kind = MSG_RING_INLINE,
		.lost = UINT32_MAX,
		.data = {1, UINT64_MAX, 3, 4}};
	struct msg_ring_item part = {.sequence = 9,
		.bytes = MSG_RING_BYTES_MAX,
		.kind = MSG_RING_PART,
		.lost = 5,
		.place = UINT32_MAX,
		.segments = 2,
		.total = UINT32_MAX};
	struct msg_ring_item item;

	open_ring(8);
	add(0, HELD, MSG_RING_LAP);
	ck_assert_int_eq(msg_ring_peek(&readers[0], 0, &item), MSG_RING_EMPTY);
	ck_assert(!msg_ring_ready(&readers[0]));
	ck_assert(msg_ring_room(&writer, 2));
	msg_ring_put(&writer, 1, &part, MSG_RING_NO_TOKEN);
	ck_assert(!msg_ring_ready(&readers[0]));
	msg_ring_put(&writer, 0, &in, MSG_RING_NO_TOKEN);
	msg_ring_advance(&writer, 2);
	ck_assert(msg_ring_ready(&readers[0]));
	ck_assert_int_eq(msg_ring_peek(&readers[0], 0, &item), MSG_RING_ENTRY);
	ck_assert_uint_eq(item.sequence, UINT64_MAX - 1);
	ck_assert_uint_eq(item.publisher, UINT32_MAX);
	ck_assert_uint_eq(item.topic, 3);
	ck_assert_uint_eq(item.bytes, MSG_RING_INLINE_BYTES);
	ck_assert_uint_eq(item.lost, UINT32_MAX);
	ck_assert_mem_eq(item.data, in.data, sizeof in.data);
	ck_assert_int_eq(msg_ring_peek(&readers[0], 1, &item), MSG_RING_ENTRY);
	ck_assert_uint_eq(item.bytes, MSG_RING_BYTES_MAX);
	ck_assert_uint_eq(item.place, UINT32_MAX);
	ck_assert_uint_eq(item.segments, 2);
	ck_assert_uint_eq(item.total, UINT32_MAX);
	ck_assert_uint_eq(item.lost, 5);
	/* Nothing stands behind them, so nothing is freed. */
	msg_ring_hold(&readers[0], 2, false);
	settle(0);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 0);
	ck_assert_uint_eq(msg_ring_backlog(&writer), 0);
	close_ring();
}
END_TEST

START_TEST(indices_wrap_where_words_do)
{
	static const uint64_t firsts[] = {0, (1ull << 32) - 5,
		(1ull << 32) - 16, (1ull << 63) - 5, (1ull << 63) - 16,
		(1ull << 63) + 3};

	for (size_t f = 0; f < sizeof firsts / sizeof *firsts; f++) {
		open_ring_at(8, firsts[f]);
		add(0, HELD, MSG_RING_LAP);
		add(1, HELD, MSG_RING_LAP);
		for (unsigned i = 0; i < 40; i++) {
			uint32_t token;

			put_some(1);
			take_some(0, 1);
			settle(0);
			/* The other lags, is lapped, and is told. */
			if (i % 13 == 12)
				while (readers[1].next < writer.head) {
					if (take(1, &token) == MSG_RING_GONE)
						msg_ring_lap(&readers[1]);
					settle(1);
				}
		}
		ck_assert_uint_gt(readers[1].lapped, 0);
		ck_assert_uint_eq(readers[0].lapped, 0);
		add(2, HELD, MSG_RING_LAP);
		ck_assert_uint_eq(readers[2].next, firsts[f] + 40);
		msg_ring_lap(&readers[1]);
		msg_ring_reclaim(&writer, writer.head);
		ck_assert_uint_eq(out_count, 0);
		close_ring();
	}
}
END_TEST

/* ---- reclaim ----------------------------------------------------------- */

START_TEST(what_all_have_left_behind_is_free)
{
	open_ring(16);
	add(0, HELD, MSG_RING_LAP);
	add(1, HELD, MSG_RING_LAP);
	put_some(10);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 0);
	take_some(0, 8);
	settle(0);
	take_some(1, 6);
	/* In hand with the second from 2 on. */
	msg_ring_settle(&readers[1], 2);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 2);
	settle(1);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 4);
	ck_assert_uint_eq(atomic_load(&header->tail), 6);
	ck_assert_uint_eq(writer.pin_count, 0);
	msg_ring_writer_remove(&writer, 1);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 2);
	msg_ring_writer_remove(&writer, 0);
	ck_assert_uint_eq(writer.reader_top, 0);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 2);
	ck_assert_uint_eq(out_count, 0);
	close_ring();
}
END_TEST

START_TEST(what_is_held_is_a_pin_until_it_is_not)
{
	uint32_t token;

	open_ring(8);
	add(0, HELD, MSG_RING_LAP);
	put_some(6);
	take_some(0, 2);
	ck_assert_int_eq(take(0, &token), MSG_RING_ENTRY);
	take_some(0, 1);
	msg_ring_keep(&readers[0], 0, 2);
	hold_top(0, 1);
	settle(0);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 3);
	ck_assert_uint_eq(writer.pin_count, 1);
	ck_assert_uint_eq(out[token], 1);
	/* Many rounds go by. */
	for (unsigned i = 0; i < 50; i++) {
		put_some(1);
		take_some(0, 1);
		settle(0);
	}
	ck_assert_uint_eq(out[token], 1);
	msg_ring_unhold(&readers[0], 0);
	hold_top(0, 0);
	take_some(0, 2);
	settle(0);
	msg_ring_reclaim(&writer, 0);
	ck_assert_uint_eq(out_count, 0);
	ck_assert_uint_eq(writer.pin_count, 0);
	close_ring();
}
END_TEST

START_TEST(a_laggard_loses_what_it_has_not_taken_and_learns_how_much)
{
	uint32_t token;

	open_ring(8);
	add(0, HELD, MSG_RING_LAP);
	put_some(8);
	take_some(0, 2); /* In hand: 0 and 1. */
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 5), 3);
	ck_assert_uint_eq(writer.revoked, 1);
	ck_assert_uint_eq(writer.pin_count, 2);
	/* Not yet written over: the claim says so. */
	ck_assert_int_eq(take(0, &token), MSG_RING_GONE);
	ck_assert_uint_eq(readers[0].lapped, 1);
	put_some(5);
	ck_assert_int_eq(take(0, &token), MSG_RING_GONE);
	msg_ring_keep(&readers[0], 0, 0);
	msg_ring_keep(&readers[0], 1, 1);
	hold_top(0, 2);
	ck_assert(msg_ring_lap(&readers[0]));
	ck_assert_uint_eq(readers[0].next, 5);
	ck_assert_uint_eq(readers[0].lapped, 3);
	ck_assert_uint_eq(atomic_load(&ledgers[0]->lapped), 3);
	take_some(0, 8);
	ck_assert_uint_eq(readers[0].next, 13);
	settle(0);
	msg_ring_reclaim(&writer, 0);
	ck_assert_uint_eq(out_count, 2);
	hold_top(0, 0);
	msg_ring_reclaim(&writer, 0);
	ck_assert_uint_eq(out_count, 0);
	close_ring();
}
END_TEST

START_TEST(who_may_be_evicted_is_and_who_may_block_does)
{
	open_ring(8);
	add(0, HELD, MSG_RING_EVICT);
	add(1, HELD, MSG_RING_BLOCK);
	put_some(8);
	/* One is waited for: nobody need lose what comes back to nobody. */
	ck_assert(!put());
	ck_assert(msg_ring_writer_has(&writer, 0));
	take_some(1, 1);
	settle(1);
	ck_assert(put());
	ck_assert(!msg_ring_writer_has(&writer, 0));
	ck_assert(msg_ring_evicted(&readers[0]));
	ck_assert(!msg_ring_lap(&readers[0]));
	ck_assert_uint_eq(writer.evicted, 1);
	ck_assert(msg_ring_writer_has(&writer, 1));
	ck_assert(!put());
	take_some(1, 8);
	settle(1);
	ck_assert_uint_eq(readers[1].lapped, 0);
	/* The number is free for another. */
	msg_ring_writer_remove(&writer, 0);
	add(0, HELD, MSG_RING_LAP);
	ck_assert(!msg_ring_evicted(&readers[0]));
	put_some(1);
	take_some(0, 1);
	close_ring();
}
END_TEST

/* The first takes what is there and has the last of it on the way; the second has
 * all of it in hand.  Neither is evicted for that yet. */
static void as_a_relay_does(void)
{
	settle(0);
	put_some(14);
	take_some(1, 14);
	take_some(0, 10);
	settle(0);
	take_some(0, 4);
	ck_assert_uint_eq(msg_ring_hoarder(&writer, 0), MSG_RING_READERS_MAX);
}

START_TEST(nobody_is_thrown_out_for_one_that_is_waited_for)
{
	open_ring(64);
	add(0, HELD, MSG_RING_LAP);
	add(1, HELD, MSG_RING_BLOCK);
	ck_assert_uint_eq(msg_ring_hoarder(&writer, 0), MSG_RING_READERS_MAX);
	put_some(14);
	take_some(0, 14);
	/* It has yet to take. */
	ck_assert_uint_eq(msg_ring_hoarder(&writer, 0), MSG_RING_READERS_MAX);
	take_some(1, 14);
	settle(1);
	ck_assert_uint_eq(msg_ring_hoarder(&writer, 0), 0);
	as_a_relay_does();
	settle(1);
	ck_assert_uint_eq(msg_ring_hoarder(&writer, 0), 0);
	/* What it keeps by agreement is held against nobody. */
	as_a_relay_does();
	writer.readers[1].keeps = 12;
	ck_assert_uint_eq(msg_ring_hoarder(&writer, 0), 0);
	/* So few are not what is short. */
	ck_assert_uint_eq(msg_ring_hoarder(&writer, 4), 0);
	ck_assert_uint_eq(msg_ring_hoarder(&writer, 5), MSG_RING_READERS_MAX);
	close_ring();
}
END_TEST

START_TEST(who_comes_later_begins_at_the_head_and_has_part_in_nothing_before)
{
	open_ring(8);
	put_some(20); /* Nobody reads: it is free as it goes. */
	add(0, HELD, MSG_RING_BLOCK);
	ck_assert_uint_eq(readers[0].next, 20);
	msg_ring_reclaim(&writer, 0);
	ck_assert_uint_eq(out_count, 0);
	put_some(8);
	ck_assert(!put());
	/* One that is added and has not looked yet has a part from here on. */
	add(1, HELD, MSG_RING_LAP);
	atomic_store(&ledgers[1]->low, 0);
	atomic_store(&ledgers[1]->next, 0);
	take_some(0, 8);
	settle(0);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 0);
	close_ring();
}
END_TEST

START_TEST(several_at_once_find_room_or_none)
{
	open_ring(16);
	add(0, HELD, MSG_RING_LAP);
	put_some(16);
	ck_assert(msg_ring_room(&writer, 8));
	ck_assert_uint_ge(writer.tail, 8);
	/* It goes a quarter further than it must, so that it is seldom. */
	ck_assert_uint_eq(writer.tail, 12);
	ck_assert_uint_eq(writer.revoked, 1);
	ck_assert(msg_ring_room(&writer, 8));
	ck_assert_uint_eq(writer.revoked, 1);
	add(1, HELD, MSG_RING_BLOCK);
	put_some(12);
	/* The second has no part in what was there when it came. */
	ck_assert(msg_ring_room(&writer, 4));
	ck_assert(!msg_ring_room(&writer, 5));
	ck_assert(!msg_ring_room(&writer, 8));
	close_ring();
}
END_TEST

START_TEST(all_readers_there_can_be_keep_it_until_the_last)
{
	open_ring(8);
	for (uint32_t k = 0; k < MSG_RING_READERS_MAX; k++)
		add(k, HELD, MSG_RING_LAP);
	put_some(4);
	for (uint32_t k = 0; k < MSG_RING_READERS_MAX; k++) {
		ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 0);
		take_some(k, 4);
		settle(k);
	}
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 4);
	for (uint32_t k = 0; k < MSG_RING_READERS_MAX; k += 2)
		msg_ring_writer_remove(&writer, k);
	ck_assert_uint_eq(writer.reader_top, MSG_RING_READERS_MAX);
	put_some(4);
	for (uint32_t k = 1; k < MSG_RING_READERS_MAX; k += 2) {
		take_some(k, 4);
		settle(k);
	}
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 4);
	close_ring();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring");
	TCase *entries = check_case(suite, "entries", 10);
	TCase *reclaim = check_case(suite, "reclaim", 10);

	tcase_add_test(entries, an_entry_says_what_was_put);
	tcase_add_test(entries, indices_wrap_where_words_do);
	tcase_add_test(reclaim, what_all_have_left_behind_is_free);
	tcase_add_test(reclaim, what_is_held_is_a_pin_until_it_is_not);
	tcase_add_test(reclaim,
		a_laggard_loses_what_it_has_not_taken_and_learns_how_much);
	tcase_add_test(reclaim, who_may_be_evicted_is_and_who_may_block_does);
	tcase_add_test(
		reclaim, nobody_is_thrown_out_for_one_that_is_waited_for);
	tcase_add_test(reclaim,
		who_comes_later_begins_at_the_head_and_has_part_in_nothing_before);
	tcase_add_test(reclaim, several_at_once_find_room_or_none);
	tcase_add_test(reclaim, all_readers_there_can_be_keep_it_until_the_last);
	return check_main(suite, NULL);
}
