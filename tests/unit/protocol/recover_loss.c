/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_loss.c - what of a reliable stream is lost, when it is given up, and how
 * it is counted.
 */
#include "recover_loss.h"

#include "recover_story.h"

/* A probe every 10 ms up to `now`, without news. */
static void beat(uint32_t next, uint64_t from, uint64_t now)
{
	struct msg_probe p = probe_of(next);

	p.reach.bytes = 0; /* So that nothing is asked. */
	for (uint64_t at = from; at <= now; at += 10000000)
		probe_with(p, at);
}

START_TEST(a_gap_is_given_up_in_time)
{
	one(1, 0);
	one(4, 10);
	beat(5, 10, GIVE_UP);
	tick(GIVE_UP + 9);
	EXPECT("1 ");
	EXPECT_DEADLINE(GIVE_UP + 10);
	tick(GIVE_UP + 10);
	EXPECT("1 !2 4 ");
	EXPECT_COUNT(given_up, 2);
	one(2, GIVE_UP + 10);
	EXPECT_COUNT(late, 1);
}
END_TEST

START_TEST(gaps_run_out_side_by_side)
{
	one(1, 0);
	one(3, 10);
	one(5, 30);
	beat(6, 30, GIVE_UP);
	tick(GIVE_UP + 10);
	EXPECT("1 !1 3 ");
	tick(GIVE_UP + 30);
	EXPECT("1 !1 3 !1 5 ");
}
END_TEST

START_TEST(nothing_is_given_up_while_nothing_is_heard)
{
	one(1, 0);
	one(3, 0);
	tick(100 * GIVE_UP);
	EXPECT("1 ");
	/* The silence counted as two heartbeats. */
	probe(4, 100 * GIVE_UP);
	EXPECT("1 ");
	beat(4, 100 * GIVE_UP, 101 * GIVE_UP);
	EXPECT("1 !1 3 ");
	EXPECT_COUNT(given_up, 1);
}
END_TEST

START_TEST(the_clock_of_giving_up_goes_on_after_a_silence)
{
	uint64_t at = 50 * GIVE_UP;

	probe(1, 0);
	one(2, 0);
	probe(3, at);
	/* Of these, two heartbeats of the silence are gone. */
	beat(3, at, at + GIVE_UP - 2 * HEARTBEAT - 1);
	tick(at + GIVE_UP - 2 * HEARTBEAT - 1);
	EXPECT("");
	tick(at + GIVE_UP - 2 * HEARTBEAT);
	EXPECT("!1 2 ");
}
END_TEST

/* A reader that was stopped finds a full socket: for a while the link was last
 * seen empty before the silence. */
static void read_on_after(uint64_t stopped, uint64_t at)
{
	reader.empty = stopped;
	for (uint32_t n = 2; n < 1 + WINDOW; n++)
		one(n, at);
	one(3 + WINDOW, at);
	EXPECT_COUNT(beyond, 1);
	one(1, at);
	EXPECT("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 ");
	reader.empty = UINT64_MAX;
	one(4 + WINDOW, at + 1);
	EXPECT("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 ");
	EXPECT_COUNT(given_up, 0);
	EXPECT_ASKED("?17 ?18 ?19", at + RTT);
}

START_TEST(nothing_is_over_before_the_clock_began)
{
	probe(1, 10 * GIVE_UP);
	read_on_after(10 * GIVE_UP + 10, 14 * GIVE_UP);
}
END_TEST

START_TEST(what_is_found_missing_is_no_older_than_what_was_heard)
{
	probe(1, 10 * GIVE_UP);
	beat(1, 10 * GIVE_UP, 16 * GIVE_UP);
	probe(1, 16 * GIVE_UP);
	read_on_after(16 * GIVE_UP + 10, 20 * GIVE_UP);
}
END_TEST

START_TEST(the_end_of_a_stream_gives_everything_up)
{
	one(1, 0);
	one(3, 0);
	one(6, 0);
	tick(UINT64_MAX);
	EXPECT("1 !1 3 !2 6 ");
	EXPECT_DEADLINE(UINT64_MAX);
}
END_TEST

START_TEST(the_end_of_a_stream_reaches_beyond_the_window)
{
	probe(1, 0);
	one(3, 0);
	one(100, 0);
	tick(UINT64_MAX);
	EXPECT("!2 3 ");
	ck_assert_uint_eq((uint32_t)reader.recover.next, 101);
	EXPECT_DEADLINE(UINT64_MAX);
}
END_TEST

START_TEST(the_end_of_a_stream_counts_its_tail_by_a_probe)
{
	struct msg_probe p = probe_of(100);

	one(1, 0);
	p.next_sequence = 500;
	probe_with(p, 0); /* Far more than the window. */
	tick(UINT64_MAX);
	EXPECT("1 ");
	EXPECT_LOST(498);
	ck_assert_uint_eq(reader.lost, 498);
	frame(100, 500, 1, 0);
	EXPECT("1 !498 500 ");
}
END_TEST

START_TEST(what_the_publisher_has_no_more_is_lost_at_once)
{
	struct msg_probe p = probe_of(10);

	one(1, 0);
	one(4, 0);
	one(8, 0);
	keep_from(&p, 7);
	probe_with(p, 0);
	EXPECT("1 !2 4 ");
	ck_assert_uint_eq(reader.lost, 2); /* 5 and 6, by first_sequence. */
	EXPECT_COUNT(gone, 4);
	one(7, 0);
	EXPECT("1 !2 4 !2 7 8 ");
}
END_TEST

START_TEST(a_tail_that_is_gone_is_told_by_the_probe_alone)
{
	struct msg_probe p = probe_of(3000);

	one(1, 0);
	p.next_sequence = 9000;
	p.first = 2000;
	p.first_sequence = 7000;
	probe_with(p, 0);
	EXPECT_LOST(6998);
	EXPECT_COUNT(gone, 6998);
	frame(2000, 7000, 5, 0);
	EXPECT("1 !6998 7000 ");
}
END_TEST

START_TEST(frames_held_before_what_is_kept_are_delivered)
{
	struct msg_probe p = probe_of(9);

	one(1, 0);
	one(3, 0);
	one(5, 0);
	keep_from(&p, 9);
	probe_with(p, 0);
	EXPECT("1 !1 3 !1 5 ");
	EXPECT_LOST(5);
}
END_TEST

START_TEST(a_message_with_a_missing_part_is_lost_as_a_whole)
{
	frame(1, 4, 1, 0);
	part(2, 5, 0, 0);
	part(4, 5, 20, 0);
	frame(5, 6, 1, 0);
	tick(UINT64_MAX);
	EXPECT("4 5@0 !1 6 ");
	EXPECT_COUNT(unbelieved, 0);
}
END_TEST

START_TEST(a_message_with_a_missing_head_is_lost_as_a_whole)
{
	frame(1, 4, 1, 0);
	part(3, 5, 10, 0);
	part(4, 5, 20, 0);
	frame(5, 6, 1, 0);
	tick(UINT64_MAX);
	EXPECT("4 !1 6 ");
	EXPECT_COUNT(late, 1);
}
END_TEST

START_TEST(a_gap_across_messages_counts_both_torn_ones_once)
{
	frame(1, 1, 1, 0);
	part(2, 2, 0, 0);
	part(5, 4, 10, 0); /* 2 lost its tail, 3 is missing, 4 its head. */
	part(6, 4, 20, 0);
	frame(7, 5, 1, 0);
	tick(UINT64_MAX);
	EXPECT("1 2@0 !3 5 ");
}
END_TEST

START_TEST(a_loss_across_the_wrap_is_counted_exactly)
{
	frame(UINT32_MAX - 2, UINT64_MAX - 5, 1, 0);
	frame(2, 5, 1, 0);
	tick(UINT64_MAX);
	EXPECT("-6 !10 5 ");
}
END_TEST

void add_loss_tests(Suite *suite)
{
	TCase *loss = check_case(suite, "loss", 10);

	tcase_add_checked_fixture(loss, story_begin, NULL);
	tcase_add_test(loss, a_gap_is_given_up_in_time);
	tcase_add_test(loss, gaps_run_out_side_by_side);
	tcase_add_test(loss, nothing_is_given_up_while_nothing_is_heard);
	tcase_add_test(loss, the_clock_of_giving_up_goes_on_after_a_silence);
	tcase_add_test(loss, nothing_is_over_before_the_clock_began);
	tcase_add_test(
		loss, what_is_found_missing_is_no_older_than_what_was_heard);
	tcase_add_test(loss, the_end_of_a_stream_gives_everything_up);
	tcase_add_test(loss, the_end_of_a_stream_reaches_beyond_the_window);
	tcase_add_test(loss, the_end_of_a_stream_counts_its_tail_by_a_probe);
	tcase_add_test(loss, what_the_publisher_has_no_more_is_lost_at_once);
	tcase_add_test(loss, a_tail_that_is_gone_is_told_by_the_probe_alone);
	tcase_add_test(loss, frames_held_before_what_is_kept_are_delivered);
	tcase_add_test(loss, a_message_with_a_missing_part_is_lost_as_a_whole);
	tcase_add_test(loss, a_message_with_a_missing_head_is_lost_as_a_whole);
	tcase_add_test(loss, a_gap_across_messages_counts_both_torn_ones_once);
	tcase_add_test(loss, a_loss_across_the_wrap_is_counted_exactly);
}
