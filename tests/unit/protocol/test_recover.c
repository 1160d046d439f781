/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_recover.c - order and loss of a reliable stream; see protocol/recover.h.
 *
 * The rules one by one: here of order, loss and what is not believed, in
 * recover_questions.c of reports, in recover_join.c of joining, in recover_again.c
 * of what the simulator found; recover_oracle.c tests them all together.  They are
 * one program.
 */
#include "recover_again.h"
#include "recover_end.h"
#include "recover_fetch.h"
#include "recover_oracle.h"
#include "recover_pause.h"
#include "recover_questions.h"
#include "recover_story.h"

/* ---- begin and order --------------------------------------------------- */

START_TEST(a_stream_begins_with_the_first_frame_heard)
{
	ck_assert_int_eq(one(5, 0), MSG_RECOVER_DELIVER);
	ck_assert_int_eq(one(6, 0), MSG_RECOVER_DELIVER);
	ck_assert_int_eq(frame(7, 7, 3, 0), MSG_RECOVER_DELIVER);
	ck_assert_int_eq(frame(8, 10, 1, 0), MSG_RECOVER_DELIVER);
	EXPECT("5 6 7 10 ");
	ck_assert_uint_eq(reader.recover.origin, 5);
	EXPECT_DEADLINE(UINT64_MAX);
}
END_TEST

START_TEST(what_came_before_the_first_frame_is_late_and_not_lost)
{
	one(5, 0);
	ck_assert_int_eq(one(4, 0), MSG_RECOVER_DROP);
	one(6, 0);
	EXPECT("5 6 ");
	EXPECT_COUNT(late, 1);
	EXPECT_LOST(0);
}
END_TEST

START_TEST(a_stream_begins_behind_a_probe)
{
	probe(5, 0);
	EXPECT_DEADLINE(UINT64_MAX);
	one(6, 10);
	EXPECT("");
	one(4, 20); /* Not ours, and not lost. */
	one(5, 30);
	EXPECT("5 6 ");
	EXPECT_LOST(0);
	ck_assert_uint_eq(reader.recover.origin, 5);
}
END_TEST

START_TEST(a_frame_lost_behind_the_first_probe_is_counted)
{
	probe(5, 0);
	one(7, 10);
	tick(UINT64_MAX);
	EXPECT("!2 7 ");
	ck_assert_uint_eq(reader.recover.origin, 5);
}
END_TEST

START_TEST(a_repair_begins_no_stream)
{
	ck_assert_int_eq(repair(5, 1, 0), MSG_RECOVER_DROP);
	EXPECT_COUNT(late, 1);
	one(7, 0);
	EXPECT("7 ");
}
END_TEST

START_TEST(a_begin_inside_a_message_begins_with_the_next)
{
	part(5, 5, 10, 0);
	part(6, 5, 20, 0);
	part(7, 6, 0, 0);
	part(8, 6, 10, 0);
	part(9, 6, 20, 0);
	frame(10, 7, 1, 0);
	EXPECT("6@0 6@10 6@20 7 ");
	EXPECT_LOST(0);
	ck_assert_uint_eq(reader.recover.origin, 6);
	EXPECT_COUNT(unbelieved, 0);
}
END_TEST

START_TEST(a_probe_inside_a_message_begins_with_the_next)
{
	struct msg_probe p = probe_of(5);

	p.next_sequence = 8;
	probe_with(p, 0);
	part(5, 8, 20, 0);
	frame(6, 9, 2, 0);
	EXPECT("9 ");
	EXPECT_LOST(0);
	ck_assert_uint_eq(reader.recover.origin, 9);
}
END_TEST

START_TEST(early_frames_wait_for_the_one_before)
{
	one(1, 0);
	ck_assert_int_eq(one(3, 0), MSG_RECOVER_HELD);
	ck_assert_int_eq(one(4, 0), MSG_RECOVER_HELD);
	EXPECT("1 ");
	ck_assert_int_eq(one(2, 0), MSG_RECOVER_HELD);
	EXPECT("1 2 3 4 ");
	EXPECT_COUNT(reordered, 1);
	ck_assert_int_eq(one(5, 0), MSG_RECOVER_DELIVER);
}
END_TEST

START_TEST(the_next_frame_is_delivered_though_others_are_missing)
{
	one(1, 0);
	probe(4, 0);
	ck_assert_int_eq(one(2, 0), MSG_RECOVER_DELIVER);
	EXPECT("1 2 ");
}
END_TEST

START_TEST(duplicates_are_late_delivered_or_held)
{
	one(1, 0);
	one(1, 0);
	one(3, 0);
	one(3, 0);
	repair(3, 1, 0);
	one(2, 0);
	one(2, 0);
	EXPECT("1 2 3 ");
	EXPECT_COUNT(late, 4);
}
END_TEST

START_TEST(frame_numbers_and_sequences_wrap)
{
	frame(UINT32_MAX - 1, UINT64_MAX - 1, 1, 0);
	frame(1, 1, 1, 0);
	frame(UINT32_MAX, UINT64_MAX, 1, 0);
	frame(0, 0, 1, 0);
	frame(2, 2, 1, 0);
	EXPECT("-2 -1 0 1 2 ");
	EXPECT_LOST(0);
}
END_TEST

START_TEST(a_repair_has_its_whole_sequence_from_the_position)
{
	uint64_t sequence = UINT64_C(0x7ffffffff);

	probe(0, 0);
	frame(1, sequence, 1, 0);
	EXPECT("");
	story_begin();
	frame(6, sequence, 1, 0);
	frame(8, sequence + 2, 1, 0);
	send_repair_of(7, sequence + 1, 3, 0);
	ck_assert_uint_eq(reader.recover.sequence, sequence + 3);
	EXPECT_COUNT(repaired, 1);
}
END_TEST

/* ---- loss -------------------------------------------------------------- */

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

/* ---- the window -------------------------------------------------------- */

START_TEST(frames_beyond_the_window_are_dropped_and_asked_for_later)
{
	probe(1, 0);
	for (uint32_t n = 2; n < 2 + WINDOW - 1; n++)
		ck_assert_int_eq(one(n, 0), MSG_RECOVER_HELD);
	ck_assert_int_eq(one(1 + WINDOW, 0), MSG_RECOVER_DROP);
	ck_assert_int_eq(one(2 + WINDOW, 0), MSG_RECOVER_DROP);
	EXPECT_COUNT(beyond, 2);
	EXPECT_ASKED("?1", REORDER);
	one(1, REORDER);
	EXPECT("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 ");
	EXPECT_ASKED("?17 ?18", 2 * REORDER);
}
END_TEST

START_TEST(a_smallest_window_works_around_all_its_places)
{
	one(0, 0);
	for (uint32_t n = 1; n < 200; n += 2) {
		one(n + 1, n);
		one(n, n);
	}
	EXPECT_LOST(0);
	EXPECT_COUNT(reordered, 100);
	ck_assert_uint_eq(reader.delivered, 201);
}
END_TEST

/* ---- what is not believed ---------------------------------------------- */

START_TEST(a_frame_that_is_not_reliable_is_not_believed)
{
	struct msg_frame header = {.type = 1, .transmission = 2, .sequence = 2};
	struct follower_body body = {.count = 1};

	one(1, 0);
	ck_assert_int_eq(
		follower_frame(&reader, &header, &body, 0), MSG_RECOVER_DROP);
	EXPECT_COUNT(unbelieved, 1);
	story_begin();
	follower_frame(&reader, &header, &body, 0);
	EXPECT_COUNT(unbelieved, 1);
	ck_assert(!reader.recover.begun);
}
END_TEST

START_TEST(a_frame_too_far_ahead_is_not_believed)
{
	one(1, 0);
	one(2 + MSG_RECOVER_LEAP + 1, 0);
	EXPECT_COUNT(unbelieved, 1);
	EXPECT_DEADLINE(UINT64_MAX);
	one(2 + MSG_RECOVER_LEAP, 0);
	EXPECT_COUNT(beyond, 1);
}
END_TEST

START_TEST(frames_that_a_forged_one_told_of_are_forgotten)
{
	probe(1, 0);
	one(1, 0);
	one(1000000, 0); /* Beyond the window. */
	ck_assert_uint_eq(reader.recover.missing_count, WINDOW);
	probe(4, 10);
	ck_assert_uint_eq(reader.recover.missing_count, 2);
	EXPECT_ASKED("?2 ?3", REORDER + 10);
	one(4, 20);
	EXPECT_ASKED("", 20);
}
END_TEST

START_TEST(a_report_does_not_speak_of_a_forged_frame)
{
	probe(1, 0);
	one(10, 0);
	EXPECT_ASKED("?1 ?2 ?3 ?4 ?5 ?6 ?7 ?8 ?9", REORDER);
	ck_assert_uint_eq(last_report.heard, 11);
	probe(3, REORDER + 10); /* So 10 was never sent. */
	EXPECT_ASKED("?1 ?2", REORDER + RTT);
	ck_assert_uint_eq(last_report.heard, 3);
	one(3, REORDER + RTT);
	EXPECT_ASKED("?1 ?2", REORDER + 4 * RTT);
	ck_assert_uint_eq(last_report.heard, 4);
	one(6, REORDER + 4 * RTT);
	EXPECT_ASKED("?4 ?5", REORDER + 4 * RTT);
	ck_assert_uint_eq(last_report.heard, 7);
}
END_TEST

START_TEST(an_older_probe_makes_nothing_forgotten)
{
	struct msg_probe old = probe_of(2);

	probe_with(old, 5);
	probe(5, 50);
	old.stamp = 7;
	probe_with(old, 60);
	EXPECT_ASKED("?2 ?3 ?4", 50 + REORDER);
}
END_TEST

START_TEST(the_newest_probe_says_where_the_stream_ends)
{
	struct msg_probe p = probe_of(1000);

	one(1, 0);
	p.stamp = 2;
	probe_with(p, 0);
	p = probe_of(4);
	p.stamp = 3;
	probe_with(p, 0);
	tick(UINT64_MAX);
	EXPECT_LOST(2);
}
END_TEST

START_TEST(each_loss_has_a_reason_of_its_own)
{
	struct msg_probe p = probe_of(6);

	one(1, 0);
	keep_from(&p, 5);
	probe_with(p, 0);
	one(5, 0);
	EXPECT_COUNT(gone, 3);
	one(7, 10);
	tick(UINT64_MAX);
	EXPECT_COUNT(gone, 3);
	EXPECT_COUNT(given_up, 1);
	EXPECT_LOST(4);
}
END_TEST

/* It comes late, by another way; of the tail only the newer one says how many
 * messages it is. */
START_TEST(an_older_probe_does_not_say_where_the_stream_ends)
{
	struct msg_probe p = probe_of(10);

	one(1, 0);
	p.stamp = 3;
	p.next_sequence = 100;
	probe_with(p, 0);
	p = probe_of(5);
	p.stamp = 2;
	probe_with(p, 0);
	tick(UINT64_MAX);
	EXPECT_LOST(98);
}
END_TEST

START_TEST(what_a_probe_says_is_gone_stays_gone)
{
	struct msg_probe p = probe_of(100);

	probe(1, 0);
	p.stamp = 2;
	keep_from(&p, 100);
	/* Without next() in between. */
	msg_recover_probe(&reader.recover, &p, 0);
	p = probe_of(10);
	p.stamp = 3;
	msg_recover_probe(&reader.recover, &p, 0);
	tick(0);
	EXPECT_LOST(99);
	ck_assert_uint_eq((uint32_t)reader.recover.next, 100);
	one(100, 0);
	EXPECT("!99 100 ");
}
END_TEST

START_TEST(a_probe_behind_what_is_held_keeps_it)
{
	probe(1, 0);
	one(4, 0);
	one(20, 0);
	probe(2, 10);
	EXPECT_ASKED("?1", REORDER + 10);
	one(1, 0);
	probe(1, 20); /* Behind the position, too. */
	one(2, 0);
	one(3, 0);
	EXPECT("1 2 3 4 ");
}
END_TEST

START_TEST(a_probe_of_another_incarnation_is_not_believed)
{
	struct msg_probe p = probe_of(100);
	struct msg_recover_options options = story_options();

	probe(1, 0);
	p.incarnation += UINT64_C(1) << 32;
	ck_assert(!probe_with(p, 0));
	EXPECT_COUNT(unbelieved, 1);
	ck_assert_uint_eq((uint32_t)reader.recover.top, 1);
	options.incarnation = p.incarnation;
	story_begin_with(options);
	ck_assert(!probe(1, 0));
	ck_assert(probe_with(p, 0));
}
END_TEST

START_TEST(a_sequence_that_does_not_follow_is_refused)
{
	frame(1, 1, 1, 0);
	frame(2, 3, 1, 0); /* Nothing was lost: 2 is due. */
	EXPECT_COUNT(unbelieved, 1);
	part(3, 2, 10, 0); /* That message may lack its head now. */
	EXPECT("1 ");
	EXPECT_LOST(1);
	frame(4, 3, 1, 0);
	EXPECT("1 !1 3 ");
	part(5, 4, 10, 0);
	EXPECT_COUNT(unbelieved, 2);
	frame(6, 4, 1, 0);
	EXPECT("1 !1 3 4 ");
}
END_TEST

START_TEST(parts_that_do_not_follow_are_refused)
{
	frame(1, 1, 1, 0);
	part(2, 2, 0, 0);
	part(3, 2, 0, 0);
	EXPECT_COUNT(unbelieved, 1);
	part(4, 2, 10, 0);
	EXPECT("1 2@0 2@10 ");
}
END_TEST

START_TEST(lost_frames_carried_no_more_than_frames_can)
{
	frame(1, 1, 1, 0);
	frame(4, 3 + 2 * 1024, 1, 0);
	frame(5, 2 + 3 * 1024, 1, 0);
	tick(UINT64_MAX);
	EXPECT("1 !3072 3074 ");
	EXPECT_COUNT(unbelieved, 1);
	EXPECT_LOST(3072);
}
END_TEST

START_TEST(a_probe_lies_about_no_more_messages_than_frames_can_carry)
{
	struct msg_probe p = probe_of(4);

	one(1, 0);
	p.next_sequence = 3 + 2 * 1024;
	probe_with(p, 0);
	tick(UINT64_MAX);
	EXPECT_LOST(0);
	one(4, 0);
	EXPECT("1 !2 4 ");
}
END_TEST

START_TEST(a_leap_of_a_probe_costs_no_time)
{
	struct msg_probe p = probe_of(INT32_MAX - 5);

	one(1, 0);
	one(3, 0);
	p.first = p.next - 5;
	p.first_sequence = p.next_sequence - 5;
	probe_with(p, 0);
	EXPECT("1 !1 3 ");
	EXPECT_LOST((uint64_t)INT32_MAX - 5 - 5 - 3);
	tick(UINT64_MAX);
	EXPECT_LOST((uint64_t)INT32_MAX - 5 - 3);
}
END_TEST

static void add_order_tests(Suite *suite)
{
	TCase *order = check_case(suite, "order", 10);

	tcase_add_checked_fixture(order, story_begin, NULL);
	tcase_add_test(order, a_stream_begins_with_the_first_frame_heard);
	tcase_add_test(
		order, what_came_before_the_first_frame_is_late_and_not_lost);
	tcase_add_test(order, a_stream_begins_behind_a_probe);
	tcase_add_test(order, a_frame_lost_behind_the_first_probe_is_counted);
	tcase_add_test(order, a_repair_begins_no_stream);
	tcase_add_test(order, a_begin_inside_a_message_begins_with_the_next);
	tcase_add_test(order, a_probe_inside_a_message_begins_with_the_next);
	tcase_add_test(order, early_frames_wait_for_the_one_before);
	tcase_add_test(
		order, the_next_frame_is_delivered_though_others_are_missing);
	tcase_add_test(order, duplicates_are_late_delivered_or_held);
	tcase_add_test(order, frame_numbers_and_sequences_wrap);
	tcase_add_test(
		order, a_repair_has_its_whole_sequence_from_the_position);
	tcase_add_test(order,
		frames_beyond_the_window_are_dropped_and_asked_for_later);
	tcase_add_test(order, a_smallest_window_works_around_all_its_places);
}

static void add_loss_tests(Suite *suite)
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

static void add_belief_tests(Suite *suite)
{
	TCase *belief = check_case(suite, "belief", 10);

	tcase_add_checked_fixture(belief, story_begin, NULL);
	tcase_add_test(belief, a_frame_that_is_not_reliable_is_not_believed);
	tcase_add_test(belief, a_frame_too_far_ahead_is_not_believed);
	tcase_add_test(belief, frames_that_a_forged_one_told_of_are_forgotten);
	tcase_add_test(belief, a_report_does_not_speak_of_a_forged_frame);
	tcase_add_test(belief, an_older_probe_makes_nothing_forgotten);
	tcase_add_test(belief, the_newest_probe_says_where_the_stream_ends);
	tcase_add_test(belief,
		an_older_probe_does_not_say_where_the_stream_ends);
	tcase_add_test(belief, each_loss_has_a_reason_of_its_own);
	tcase_add_test(belief, what_a_probe_says_is_gone_stays_gone);
	tcase_add_test(belief, a_probe_behind_what_is_held_keeps_it);
	tcase_add_test(belief, a_probe_of_another_incarnation_is_not_believed);
	tcase_add_test(belief, a_sequence_that_does_not_follow_is_refused);
	tcase_add_test(belief, parts_that_do_not_follow_are_refused);
	tcase_add_test(belief, lost_frames_carried_no_more_than_frames_can);
	tcase_add_test(belief,
		a_probe_lies_about_no_more_messages_than_frames_can_carry);
	tcase_add_test(belief, a_leap_of_a_probe_costs_no_time);
}

int main(void)
{
	Suite *suite = suite_create("recover");

	add_order_tests(suite);
	add_loss_tests(suite);
	add_belief_tests(suite);
	add_question_tests(suite);
	add_join_tests(suite);
	add_again_tests(suite);
	add_pause_tests(suite);
	add_end_tests(suite);
	add_fetch_tests(suite);
	add_oracle_tests(suite);
	return check_main(suite, NULL);
}
