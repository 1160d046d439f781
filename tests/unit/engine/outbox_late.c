/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outbox_late.c - an outbox that keeps its newest for who comes late, and is short of
 * memory for large messages: the oldest gives way, no more than that takes, and who
 * comes meanwhile reads nothing that is gone.
 */
#include "outbox_trial.h"

#include <string.h>

#include "base/clock.h"

#define BYTES 20000u
#define RETAIN 16u

/* With memory for so many large messages, and no reader yet. */
static void open_keeping(uint32_t larges, enum msg_ring_slow slow)
{
	struct msg_outbox_options o = {
		.entry_count = 4 * RETAIN,
		.slot_count = LOANS_MAX + RETAIN + 1,
		.loan_max = LOANS_MAX,
		.retain = RETAIN,
		.message_bytes_max = 1200,
		.frame_body_max = 1000,
		.large_bytes_max = BYTES,
		.large_memory_bytes =
			larges * (uint64_t)(MSG_LARGE_FRONT + 20480),
		.large_patience_ns = 3600 * MSG_NS_PER_S,
	};

	memset(&lone, 0, sizeof lone);
	lone.slow = slow;
	set_up(&lone, &o);
	for (uint32_t k = 0; k < READERS; k++)
		msg_ring_writer_remove(&lone.outbox.ring, k);
}

static bool try_put(uint32_t bytes)
{
	uint64_t sequence = msg_lender_next(&lone.outbox.lender);
	struct msg_loan loan;
	int result = msg_outbox_lend(&lone.outbox, bytes, &loan);

	if (result == -MSG_ERROR_AGAIN)
		return false;
	ck_assert_int_eq(result, 0);
	lone.lengths[sequence] = bytes;
	fill(loan.data, bytes, sequence);
	ck_assert_int_eq(msg_outbox_send(&lone.outbox, &loan, bytes), 0);
	return true;
}

/* A small one and a large one, again and again. */
static void put_pairs(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		ck_assert(try_put(100));
		ck_assert(try_put(BYTES));
	}
}

/* The next that is taken is this one, behind a loss of so many. */
static struct msg_view expect(uint32_t k, uint64_t sequence, uint64_t lost)
{
	struct msg_view view;

	ck_assert_int_eq(
		msg_inbox_take(&lone.readers[k].inbox, &view, 1), 1);
	ck_assert_uint_eq(view.sequence, sequence);
	ck_assert_uint_eq(view.lost_before, lost);
	check_view(&lone, &view);
	return view;
}

static void expect_back(uint32_t k, uint64_t sequence, uint64_t lost)
{
	struct msg_view view = expect(k, sequence, lost);

	check_view(&lone, &view);
	msg_inbox_release(&lone.readers[k].inbox, &view, 1);
	msg_inbox_settle(&lone.readers[k].inbox);
}

static uint64_t kept(void)
{
	return atomic_load(&lone.options.ring->kept);
}

START_TEST(large_messages_stay_as_far_as_there_is_memory)
{
	open_keeping(3, MSG_RING_LAP);
	put_pairs(6);
	ck_assert_uint_eq(kept(), 6);
	come_late(&lone, 0, UINT32_MAX);
	for (uint64_t i = 6; i < 12; i++)
		expect_back(0, i, 0);
	put_pairs(1);
	expect_back(0, 12, 0);
	expect_back(0, 13, 0);
	/* Small ones alone take nothing from anybody. */
	for (unsigned i = 0; i < 4; i++)
		ck_assert(try_put(100));
	ck_assert_uint_eq(kept(), 8);
	come_late(&lone, 1, 5);
	for (uint64_t i = 13; i < 18; i++)
		expect_back(1, i, 0);
	close_trial(&lone);
}
END_TEST

START_TEST(nothing_is_given_up_that_brings_no_memory)
{
	struct msg_view views[3];

	open_keeping(3, MSG_RING_LAP);
	come_late(&lone, 0, UINT32_MAX);
	for (uint64_t i = 0; i < 3; i++) {
		ck_assert(try_put(BYTES));
		views[i] = expect(0, i, 0);
	}
	ck_assert(try_put(100));
	for (unsigned i = 0; i < 10; i++)
		ck_assert(!try_put(BYTES));
	ck_assert_uint_eq(kept(), 0);
	/* The second: and with it what is older, though it is still in hand. */
	msg_inbox_release(&lone.readers[0].inbox, &views[1], 1);
	msg_inbox_settle(&lone.readers[0].inbox);
	expect_back(0, 3, 0);
	msg_inbox_part(&lone.readers[0].inbox);
	ck_assert(try_put(BYTES));
	ck_assert_uint_eq(kept(), 2);
	check_view(&lone, &views[0]);
	check_view(&lone, &views[2]);
	come_late(&lone, 1, UINT32_MAX);
	for (uint64_t i = 2; i < 5; i++)
		expect_back(1, i, 0);
	msg_inbox_release(&lone.readers[0].inbox, &views[0], 1);
	msg_inbox_release(&lone.readers[0].inbox, &views[2], 1);
	close_trial(&lone);
}
END_TEST

START_TEST(what_one_has_yet_to_take_who_is_waited_for_stays)
{
	open_keeping(2, MSG_RING_BLOCK);
	come_late(&lone, 0, UINT32_MAX);
	put_pairs(2);
	for (unsigned i = 0; i < 10; i++)
		ck_assert(!try_put(BYTES));
	ck_assert_uint_eq(kept(), 0);
	expect_back(0, 0, 0);
	ck_assert(!try_put(BYTES));
	expect_back(0, 1, 0);
	ck_assert(try_put(BYTES));
	ck_assert_uint_eq(kept(), 2);
	for (uint64_t i = 2; i < 5; i++)
		expect_back(0, i, 0);
	close_trial(&lone);
}
END_TEST

static void come_now(struct trial *t)
{
	t->on_look = NULL;
	come_late(t, 0, UINT32_MAX);
}

/* Between word of it and its going. */
START_TEST(who_comes_while_the_oldest_gives_way_begins_behind_it)
{
	open_keeping(2, MSG_RING_LAP);
	put_pairs(2);
	lone.on_look = come_now;
	atomic_fetch_add(&lone.news, 1);
	ck_assert(try_put(BYTES));
	ck_assert(!lone.on_look);
	for (uint64_t i = 2; i < 5; i++)
		expect_back(0, i, 0);
	close_trial(&lone);
}
END_TEST

static void hear_of(struct trial *t)
{
	t->on_look = NULL;
	msg_ring_writer_add(&t->outbox.ring, 0, t->readers[0].ledger,
		2 * HELD_MAX, t->slow);
}

/* Its broker told the publisher of it before that said what is kept. */
START_TEST(who_is_heard_of_while_the_oldest_gives_way_is_told)
{
	open_keeping(2, MSG_RING_LAP);
	put_pairs(2);
	come_late(&lone, 0, UINT32_MAX);
	msg_ring_writer_remove(&lone.outbox.ring, 0);
	lone.on_look = hear_of;
	atomic_fetch_add(&lone.news, 1);
	ck_assert(try_put(BYTES));
	ck_assert(!lone.on_look);
	for (uint64_t i = 2; i < 5; i++)
		expect_back(0, i, i == 2 ? 2 : 0);
	close_trial(&lone);
}
END_TEST

/* One who came before may be lapped, as any other, and is told. */
START_TEST(who_came_late_and_is_slow_is_told_what_gave_way)
{
	open_keeping(2, MSG_RING_LAP);
	put_pairs(2);
	come_late(&lone, 0, UINT32_MAX);
	ck_assert(try_put(BYTES));
	for (uint64_t i = 2; i < 5; i++)
		expect_back(0, i, i == 2 ? 2 : 0);
	ck_assert_uint_eq(lone.readers[0].inbox.rings[0]->reader.lapped, 2);
	close_trial(&lone);
}
END_TEST

/* Who kept them all until he lost his ring for it is in nobody's way, nor does what
 * is kept stay for him. */
START_TEST(what_an_evicted_reader_had_in_hand_gives_way_at_once)
{
	struct msg_view views[2];

	open_keeping(2, MSG_RING_LAP);
	lone.outbox.large->patience_ns = 0;
	come_late(&lone, 0, UINT32_MAX);
	for (uint64_t i = 0; i < 2; i++) {
		ck_assert(try_put(BYTES));
		views[i] = expect(0, i, 0);
	}
	ck_assert(try_put(BYTES));
	ck_assert(msg_inbox_evicted(&lone.readers[0].inbox));
	msg_inbox_release(&lone.readers[0].inbox, views, 2);
	close_trial(&lone);
}
END_TEST

void add_late_tests(TCase *entries)
{
	tcase_add_test(entries, large_messages_stay_as_far_as_there_is_memory);
	tcase_add_test(entries, nothing_is_given_up_that_brings_no_memory);
	tcase_add_test(
		entries, what_one_has_yet_to_take_who_is_waited_for_stays);
	tcase_add_test(
		entries, who_comes_while_the_oldest_gives_way_begins_behind_it);
	tcase_add_test(
		entries, who_is_heard_of_while_the_oldest_gives_way_is_told);
	tcase_add_test(
		entries, who_came_late_and_is_slow_is_told_what_gave_way);
	tcase_add_test(
		entries, what_an_evicted_reader_had_in_hand_gives_way_at_once);
}
