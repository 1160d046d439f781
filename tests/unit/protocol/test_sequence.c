/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_sequence.c - order and loss of one stream; see protocol/sequence.h.
 *
 * The rules one by one: here of frames and gaps, in sequence_evidence.c of
 * announcements; sequence_oracle.c tests them all together.  All three are one
 * program.
 */
#include "sequence_evidence.h"
#include "sequence_oracle.h"
#include "sequence_story.h"

START_TEST(spans_follow_from_frames)
{
	const struct msg_fragment middle = {30, 10, 10}, last = {30, 20, 10};
	struct msg_span span = msg_span_messages(UINT64_MAX, 3);

	ck_assert(span.sequence == UINT64_MAX && span.end_sequence == 2);
	ck_assert(span.offset == 0 && span.end_offset == 0);
	span = msg_span_fragment(7, &middle);
	ck_assert(span.sequence == 7 && span.end_sequence == 7);
	ck_assert(span.offset == 10 && span.end_offset == 20);
	span = msg_span_fragment(7, &last);
	ck_assert(span.sequence == 7 && span.end_sequence == 8);
	ck_assert(span.offset == 20 && span.end_offset == 0);
}
END_TEST

START_TEST(a_stream_starts_with_the_first_frame_heard)
{
	one(5, 0);
	one(6, 0);
	several(7, 3, 0);
	one(10, 0);
	EXPECT("5 6 7 10 ");
	EXPECT_LOST(0);
	EXPECT_DEADLINE(UINT64_MAX);
}
END_TEST

START_TEST(what_came_before_the_first_frame_is_late_and_not_lost)
{
	one(5, 0);
	one(4, 0);
	one(6, 0);
	EXPECT("5 6 ");
	EXPECT_LOST(0);
	EXPECT_LATE(1);
}
END_TEST

START_TEST(a_start_inside_a_message_starts_at_the_next)
{
	part(5, 10, 0);
	part(5, 20, 0);
	part(6, 0, 0);
	part(6, 10, 0);
	part(6, 20, 0);
	EXPECT("6@0 6@10 6@20 ");
	EXPECT_LOST(0);
	EXPECT_LATE(2);
}
END_TEST

START_TEST(a_start_with_a_last_part_starts_at_the_next)
{
	part(5, 20, 0);
	one(6, 0);
	EXPECT("6 ");
	EXPECT_LOST(0);
}
END_TEST

START_TEST(a_gap_that_fills_in_time_is_no_loss)
{
	one(1, 0);
	one(3, 10);
	one(4, 20);
	EXPECT("1 ");
	EXPECT_DEADLINE(10 + ALLOWANCE);
	one(2, 10 + ALLOWANCE - 1);
	EXPECT("1 2 3 4 ");
	EXPECT_LOST(0);
	EXPECT_DEADLINE(UINT64_MAX);
	ck_assert_uint_eq(receiver.sequence.reordered_total, 1);
}
END_TEST

/* For a caller that stops half-way and comes back on the deadline. */
START_TEST(frames_whose_turn_has_come_are_due_at_once)
{
	struct msg_sequence *s = &receiver.sequence;
	struct msg_span spans[] = {msg_span_messages(1, 1),
		msg_span_messages(3, 1), msg_span_messages(2, 1)};
	uint32_t token;

	msg_sequence_arrive(s, &spans[0], 0, 10);
	msg_sequence_arrive(s, &spans[1], 1, 10);
	ck_assert_int_eq(
		msg_sequence_next(s, 10, &token), MSG_SEQUENCE_NOTHING);
	EXPECT_DEADLINE(10 + ALLOWANCE);
	ck_assert_int_eq(
		msg_sequence_arrive(s, &spans[2], 2, 10), MSG_SEQUENCE_HELD);
	EXPECT_DEADLINE(0);
	ck_assert_int_eq(msg_sequence_next(s, 10, &token), MSG_SEQUENCE_FRAME);
	ck_assert_uint_eq(token, 2);
	EXPECT_DEADLINE(0);
	ck_assert_int_eq(msg_sequence_next(s, 10, &token), MSG_SEQUENCE_FRAME);
	ck_assert_uint_eq(token, 1);
	EXPECT_DEADLINE(UINT64_MAX);
}
END_TEST

/* What comes while the head of those held is taken and another is due is no
 * older than those. */
START_TEST(a_frame_that_comes_half_way_waits_its_own_time)
{
	struct msg_sequence *s = &receiver.sequence;
	struct msg_span spans[] = {msg_span_messages(1, 1),
		msg_span_messages(3, 1), msg_span_messages(4, 1),
		msg_span_messages(2, 1), msg_span_messages(6, 1)};
	uint32_t token;

	for (uint32_t i = 0; i < 4; i++)
		msg_sequence_arrive(s, &spans[i], i, 20);
	ck_assert_int_eq(msg_sequence_next(s, 20, &token), MSG_SEQUENCE_FRAME);
	ck_assert_uint_eq(token, 3);
	/* 3 and 4 are due; the clock is another processor's, and behind. */
	ck_assert_int_eq(
		msg_sequence_arrive(s, &spans[4], 4, 10), MSG_SEQUENCE_HELD);
	EXPECT_DEADLINE(0);
	for (uint32_t i = 1; i < 3; i++) {
		ck_assert_int_eq(
			msg_sequence_next(s, 20, &token), MSG_SEQUENCE_FRAME);
		ck_assert_uint_eq(token, i);
	}
	EXPECT_DEADLINE(10 + ALLOWANCE);
}
END_TEST

START_TEST(a_gap_is_given_up_when_the_allowance_is_over)
{
	one(1, 0);
	one(4, 10);
	tick(10 + ALLOWANCE - 1);
	EXPECT("1 ");
	tick(10 + ALLOWANCE);
	EXPECT("1 !2 4 ");
	one(2, 10 + ALLOWANCE);
	one(3, 10 + ALLOWANCE);
	EXPECT("1 !2 4 ");
	EXPECT_LATE(2);
	ck_assert_uint_eq(receiver.sequence.reordered_total, 0);
}
END_TEST

START_TEST(a_gap_noticed_at_time_zero_runs_out_too)
{
	one(1, 0);
	one(3, 0);
	EXPECT_DEADLINE(ALLOWANCE);
	tick(ALLOWANCE);
	EXPECT("1 !1 3 ");
}
END_TEST

START_TEST(gaps_run_out_side_by_side)
{
	one(1, 0);
	one(3, 10);
	one(5, 30);
	tick(10 + ALLOWANCE);
	EXPECT("1 !1 3 ");
	EXPECT_DEADLINE(30 + ALLOWANCE);
	tick(30 + ALLOWANCE);
	EXPECT("1 !1 3 !1 5 ");
}
END_TEST

START_TEST(a_gap_is_as_old_as_the_oldest_frame_behind_it)
{
	one(1, 0);
	one(7, 10); /* Notices that 2 to 6 are missing. */
	one(4, 50);
	EXPECT_DEADLINE(10 + ALLOWANCE);
	tick(10 + ALLOWANCE);
	EXPECT("1 !2 4 !2 7 ");
}
END_TEST

START_TEST(time_that_steps_back_hurts_nothing)
{
	one(1, 1000);
	one(3, 1000);
	tick(0);
	one(5, 10);
	EXPECT_DEADLINE(10 + ALLOWANCE);
	tick(2000);
	EXPECT("1 !1 3 !1 5 ");
}
END_TEST

START_TEST(without_an_allowance_a_gap_is_lost_at_once)
{
	receiver_start(&receiver, 0, story_tell, NULL);
	one(1, 0);
	one(3, 0);
	one(2, 0);
	several(4, 2, 7);
	EXPECT("1 !1 3 4 ");
	EXPECT_LATE(1);
	EXPECT_DEADLINE(UINT64_MAX);
}
END_TEST

START_TEST(an_endless_allowance_gives_up_only_at_the_end)
{
	receiver_start(&receiver, UINT64_MAX, story_tell, NULL);
	one(1, 50);
	one(3, 50);
	EXPECT_DEADLINE(UINT64_MAX - 1);
	tick(UINT64_MAX - 2);
	EXPECT("1 ");
	tick(UINT64_MAX);
	EXPECT("1 !1 3 ");
}
END_TEST

START_TEST(a_full_window_waits_and_the_missing_frame_still_fits)
{
	one(1, 0);
	for (uint64_t s = 3; s < 3 + MSG_SEQUENCE_WINDOW; s++)
		one(s, 0);
	EXPECT("1 ");
	one(2, 0);
	EXPECT_LOST(0);
	ck_assert_uint_eq(receiver.next, 3 + MSG_SEQUENCE_WINDOW);
}
END_TEST

START_TEST(one_frame_more_than_the_window_gives_the_first_gap_up)
{
	one(1, 0);
	one(3, 0);
	for (uint64_t s = 5; s < 4 + MSG_SEQUENCE_WINDOW; s++)
		one(s, 0);
	EXPECT("1 ");
	one(4 + MSG_SEQUENCE_WINDOW, 0);
	EXPECT("1 !1 3 "); /* The gap of 4 waits on. */
	one(4, 0);
	EXPECT_LOST(1);
	ck_assert_uint_eq(receiver.next, 5 + MSG_SEQUENCE_WINDOW);
}
END_TEST

START_TEST(a_smaller_window_is_full_sooner)
{
	msg_sequence_start(&receiver.sequence, ALLOWANCE, 2);
	one(1, 0);
	one(3, 0);
	one(4, 0);
	EXPECT("1 ");
	one(5, 0);
	EXPECT("1 !1 3 4 5 ");
}
END_TEST

START_TEST(a_full_window_slides_on_for_as_long_as_needed)
{
	one(0, 0);
	for (uint64_t s = 2; s < 2000; s += 2)
		one(s, 0);
	ck_assert_uint_eq(receiver.sequence.held_count, MSG_SEQUENCE_WINDOW);
	EXPECT_LOST(999 - MSG_SEQUENCE_WINDOW);
	tick(UINT64_MAX);
	EXPECT_LOST(999);
	ck_assert_uint_eq(receiver.delivered, 1000);
}
END_TEST

START_TEST(duplicates_are_late_delivered_or_held)
{
	one(1, 0);
	one(1, 0);
	one(3, 0);
	one(5, 0);
	one(3, 0);
	one(5, 0);
	EXPECT_LATE(3);
	one(2, 0);
	one(4, 0);
	one(2, 0);
	EXPECT("1 2 3 4 5 ");
	EXPECT_LATE(4);
	EXPECT_LOST(0);
}
END_TEST

START_TEST(a_span_over_the_position_is_late_as_a_whole)
{
	one(1, 0);
	several(1, 3, 0);
	several(0, 10, 0);
	EXPECT("1 ");
	EXPECT_LATE(2);
	one(2, 0);
	EXPECT("1 2 ");
}
END_TEST

START_TEST(spans_over_one_that_is_held_are_late)
{
	one(1, 0);
	several(10, 3, 0);
	several(9, 2, 0);  /* Over its begin, … */
	several(12, 2, 0); /* … its end, … */
	several(9, 5, 0);  /* … all of it, … */
	one(11, 0);        /* … a place in it. */
	several(2, 9, 0);  /* In order, but too long. */
	EXPECT_LATE(5);
	several(2, 8, 0); /* From behind the position to before it. */
	one(13, 0);
	EXPECT("1 2 10 13 ");
	EXPECT_LOST(0);
}
END_TEST

START_TEST(spans_that_do_not_go_forward_are_late)
{
	one(1, 0);
	raw((struct msg_span){2, 2, 0, 0}, 0);
	raw((struct msg_span){2, 2, 10, 10}, 0);
	raw((struct msg_span){2, 2, 10, 5}, 0);
	raw((struct msg_span){2, 1, 0, 0}, 0);
	raw((struct msg_span){2, 3, 0, 5}, 0);
	raw((struct msg_span){2, 4, 5, 0}, 0);
	raw((struct msg_span){2, 2 + 1025, 0, 0}, 0);
	EXPECT_LATE(7);
	raw((struct msg_span){2, 2 + 1024, 0, 0}, 0);
	EXPECT("1 2 ");
}
END_TEST

START_TEST(frames_beyond_all_reason_are_late)
{
	one(0, 0);
	one(UINT64_C(1) << 61, 0); /* The position is 1. */
	one((UINT64_C(1) << 61) + 1, 0);
	one(UINT64_C(1) << 63, 0);
	EXPECT_LATE(2);
	tick(UINT64_MAX);
	EXPECT_LOST((UINT64_C(1) << 61) - 1);
}
END_TEST

START_TEST(a_message_with_a_missing_part_is_lost_as_a_whole)
{
	one(4, 0);
	part(5, 0, 0);
	part(5, 20, 0);
	one(6, 0);
	tick(ALLOWANCE);
	EXPECT("4 5@0 !1 6 ");
	part(5, 10, ALLOWANCE);
	EXPECT_LOST(1);
	EXPECT_LATE(2); /* The last part, dropped from the window, and 10. */
}
END_TEST

START_TEST(a_message_with_a_missing_head_is_lost_as_a_whole)
{
	one(4, 0);
	part(5, 10, 0);
	tick(ALLOWANCE);
	EXPECT("4 ");
	EXPECT_LOST(1);
	part(5, 20, ALLOWANCE);
	EXPECT_LATE(2);
	one(6, ALLOWANCE);
	EXPECT("4 !1 6 ");
}
END_TEST

START_TEST(a_message_with_a_missing_tail_is_lost_when_the_next_comes)
{
	part(5, 0, 0);
	part(5, 10, 0);
	part(6, 0, 0);
	tick(ALLOWANCE);
	EXPECT("5@0 5@10 !1 6@0 ");
	part(6, 10, ALLOWANCE);
	part(6, 20, ALLOWANCE);
	EXPECT("5@0 5@10 !1 6@0 6@10 6@20 ");
	EXPECT_LOST(1);
}
END_TEST

START_TEST(a_gap_across_messages_counts_both_torn_ones_once)
{
	one(1, 0);
	part(2, 0, 0);
	part(4, 10, 0); /* 2 lost its tail, 3 is missing, 4 lost its head. */
	part(4, 20, 0);
	one(5, 0);
	tick(ALLOWANCE);
	EXPECT("1 2@0 !3 5 ");
	EXPECT_LATE(2);
}
END_TEST

START_TEST(parts_out_of_order_are_put_right)
{
	part(0, 0, 0);
	part(1, 10, 0);
	part(0, 20, 0);
	part(1, 0, 0);
	part(0, 10, 0);
	part(1, 20, 0);
	EXPECT("0@0 0@10 0@20 1@0 1@10 1@20 ");
	EXPECT_LOST(0);
}
END_TEST

START_TEST(sequences_wrap)
{
	one(UINT64_MAX - 1, 0);
	one(0, 0);
	one(2, 0);
	told(4, 0);
	one(UINT64_MAX, 0);
	EXPECT("-2 -1 0 ");
	one(UINT64_MAX, 0);
	EXPECT_LATE(1);
	tick(ALLOWANCE);
	EXPECT("-2 -1 0 !1 2 ");
	EXPECT_LOST(2);
}
END_TEST

START_TEST(a_pack_straddles_the_wrap)
{
	several(UINT64_MAX - 1, 5, 0);
	one(3, 0);
	EXPECT("-2 3 ");
	EXPECT_LOST(0);
}
END_TEST

START_TEST(a_loss_across_the_wrap_is_counted_exactly)
{
	one(UINT64_MAX - 5, 0);
	one(5, 0);
	tick(ALLOWANCE);
	EXPECT("-6 !10 5 ");
}
END_TEST

static void add_order_tests(Suite *suite)
{
	TCase *order = check_case(suite, "order", 10);

	tcase_add_checked_fixture(order, story_begin, NULL);
	tcase_add_test(order, spans_follow_from_frames);
	tcase_add_test(order, a_stream_starts_with_the_first_frame_heard);
	tcase_add_test(
		order, what_came_before_the_first_frame_is_late_and_not_lost);
	tcase_add_test(order, a_start_inside_a_message_starts_at_the_next);
	tcase_add_test(order, a_start_with_a_last_part_starts_at_the_next);
	tcase_add_test(order, duplicates_are_late_delivered_or_held);
	tcase_add_test(order, a_span_over_the_position_is_late_as_a_whole);
	tcase_add_test(order, spans_over_one_that_is_held_are_late);
	tcase_add_test(order, spans_that_do_not_go_forward_are_late);
	tcase_add_test(order, frames_beyond_all_reason_are_late);
	tcase_add_test(order, sequences_wrap);
	tcase_add_test(order, a_pack_straddles_the_wrap);
	tcase_add_test(order, a_loss_across_the_wrap_is_counted_exactly);
}

static void add_gap_tests(Suite *suite)
{
	TCase *gap = check_case(suite, "gap", 10);

	tcase_add_checked_fixture(gap, story_begin, NULL);
	tcase_add_test(gap, a_gap_that_fills_in_time_is_no_loss);
	tcase_add_test(gap, frames_whose_turn_has_come_are_due_at_once);
	tcase_add_test(
		gap, a_frame_that_comes_half_way_waits_its_own_time);
	tcase_add_test(gap, a_gap_is_given_up_when_the_allowance_is_over);
	tcase_add_test(gap, a_gap_noticed_at_time_zero_runs_out_too);
	tcase_add_test(gap, gaps_run_out_side_by_side);
	tcase_add_test(gap, a_gap_is_as_old_as_the_oldest_frame_behind_it);
	tcase_add_test(gap, time_that_steps_back_hurts_nothing);
	tcase_add_test(gap, without_an_allowance_a_gap_is_lost_at_once);
	tcase_add_test(gap, an_endless_allowance_gives_up_only_at_the_end);
	tcase_add_test(
		gap, a_full_window_waits_and_the_missing_frame_still_fits);
	tcase_add_test(
		gap, one_frame_more_than_the_window_gives_the_first_gap_up);
	tcase_add_test(gap, a_smaller_window_is_full_sooner);
	tcase_add_test(gap, a_full_window_slides_on_for_as_long_as_needed);
	tcase_add_test(gap, a_message_with_a_missing_part_is_lost_as_a_whole);
	tcase_add_test(gap, a_message_with_a_missing_head_is_lost_as_a_whole);
	tcase_add_test(
		gap, a_message_with_a_missing_tail_is_lost_when_the_next_comes);
	tcase_add_test(gap, a_gap_across_messages_counts_both_torn_ones_once);
	tcase_add_test(gap, parts_out_of_order_are_put_right);
}

int main(void)
{
	Suite *suite = suite_create("sequence");

	add_order_tests(suite);
	add_gap_tests(suite);
	add_evidence_tests(suite);
	add_oracle_tests(suite);
	return check_main(suite, NULL);
}
