/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_sequence.c - order and loss of one stream; see protocol/sequence.h.
 *
 * The rules one by one; sequence_oracle.c, in the same program, tests them all
 * together.  The reader is support/receiver.c, which aborts when the books do
 * not balance.
 */
#include "protocol/sequence.h"

#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "receiver.h"
#include "sequence_oracle.h"

#define ALLOWANCE 100u

static struct receiver receiver;
static char story[4096]; /* What was delivered: "5 6 !2 9 " and so on. */

static void tell(void *context, const struct msg_span *span, uint64_t lost)
{
	size_t used = strlen(story);
	char text[64], before[32] = "", place[16] = "";

	(void)context;
	if (lost > 0)
		snprintf(before, sizeof before, "!%llu ",
			(unsigned long long)lost);
	if (span->offset > 0 || span->end_offset > 0)
		snprintf(place, sizeof place, "@%u", span->offset);
	snprintf(text, sizeof text, "%s%lld%s ", before,
		(long long)span->sequence, place);
	if (used + strlen(text) < sizeof story)
		strcpy(story + used, text);
}

static void setup(void)
{
	story[0] = '\0';
	receiver_start(&receiver, ALLOWANCE, tell, NULL);
}

static void several(uint64_t sequence, uint32_t count, uint64_t now)
{
	struct msg_span span = msg_span_messages(sequence, count);

	receiver_frame(&receiver, &span, now);
}

static void one(uint64_t sequence, uint64_t now)
{
	several(sequence, 1, now);
}

/* A part of a message of three parts of 10 bytes. */
static void part(uint64_t sequence, uint32_t offset, uint64_t now)
{
	const struct msg_fragment fragment = {30, offset, 10};
	struct msg_span span = msg_span_fragment(sequence, &fragment);

	receiver_frame(&receiver, &span, now);
}

static void raw(struct msg_span span, uint64_t now)
{
	receiver_frame(&receiver, &span, now);
}

static void told(uint64_t next, uint64_t now)
{
	receiver_told(&receiver, next, now);
}

static void tick(uint64_t now)
{
	receiver_tick(&receiver, now);
}

#define EXPECT(text) ck_assert_str_eq(story, text)
#define EXPECT_LOST(n) ck_assert_uint_eq(receiver.sequence.lost_total, n)
#define EXPECT_LATE(n) ck_assert_uint_eq(receiver.sequence.late_total, n)
#define EXPECT_DEADLINE(t)                                                     \
	ck_assert_uint_eq(msg_sequence_deadline(&receiver.sequence), t)

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
	receiver_start(&receiver, 0, tell, NULL);
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
	receiver_start(&receiver, UINT64_MAX, tell, NULL);
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

START_TEST(a_tail_lost_is_counted_on_evidence)
{
	one(1, 0);
	told(5, 10);
	EXPECT_DEADLINE(10 + ALLOWANCE);
	tick(10 + ALLOWANCE - 1);
	EXPECT_LOST(0);
	tick(10 + ALLOWANCE);
	EXPECT_LOST(3);
	EXPECT_DEADLINE(UINT64_MAX);
	one(4, 10 + ALLOWANCE);
	EXPECT_LATE(1);
	one(5, 10 + ALLOWANCE);
	EXPECT("1 !3 5 ");
}
END_TEST

START_TEST(evidence_of_what_arrives_in_time_is_no_loss)
{
	one(1, 0);
	told(5, 10);
	one(2, 20);
	one(3, 20);
	EXPECT_DEADLINE(10 + ALLOWANCE);
	one(4, 10 + ALLOWANCE - 1);
	EXPECT_DEADLINE(UINT64_MAX);
	one(5, 10 + ALLOWANCE);
	EXPECT("1 2 3 4 5 ");
	EXPECT_LOST(0);
}
END_TEST

START_TEST(old_evidence_and_nonsense_are_ignored)
{
	one(10, 0);
	told(0, 0);
	told(10, 0);
	told(11, 0);
	told((UINT64_C(1) << 61) + 12, 0);
	told(UINT64_C(1) << 63, 0);
	EXPECT_DEADLINE(UINT64_MAX);
	told((UINT64_C(1) << 61) + 11, 0);
	tick(ALLOWANCE);
	EXPECT_LOST(UINT64_C(1) << 61);
}
END_TEST

START_TEST(steady_evidence_does_not_put_a_loss_off)
{
	one(0, 0);
	for (uint64_t now = 1; now <= 10 * ALLOWANCE; now++) {
		told(now + 1, now);
		told(now, now); /* Older than what we know. */
		tick(now);
		ck_assert_uint_ge(
			receiver.sequence.lost_total + 2 * ALLOWANCE, now);
	}
	tick(UINT64_MAX);
	EXPECT_LOST(10 * ALLOWANCE);
}
END_TEST

START_TEST(newer_evidence_has_its_own_allowance)
{
	one(0, 0);
	told(2, 10);
	told(3, 60);
	tick(10 + ALLOWANCE);
	EXPECT_LOST(1);
	one(2, 60 + ALLOWANCE - 1);
	EXPECT("0 !1 2 ");
	EXPECT_DEADLINE(UINT64_MAX);
}
END_TEST

START_TEST(evidence_said_again_keeps_its_time)
{
	one(0, 0);
	told(2, 10);
	told(3, 20);
	told(3, 90);
	tick(10 + ALLOWANCE);
	EXPECT_LOST(1);
	EXPECT_DEADLINE(20 + ALLOWANCE);
	tick(20 + ALLOWANCE);
	EXPECT_LOST(2);
}
END_TEST

START_TEST(evidence_up_to_a_message_in_parts_leaves_it_its_allowance)
{
	one(0, 0);
	told(2, 10);
	part(2, 10, 50);
	tick(10 + ALLOWANCE);
	EXPECT_LOST(1);
	part(2, 0, 50 + ALLOWANCE - 1);
	part(2, 20, 50 + ALLOWANCE);
	EXPECT("0 !1 2@0 2@10 2@20 ");
}
END_TEST

START_TEST(evidence_gives_up_only_up_to_what_it_says)
{
	one(0, 0);
	told(3, 10);
	one(6, 50);
	tick(10 + ALLOWANCE);
	EXPECT_LOST(2);
	EXPECT_DEADLINE(50 + ALLOWANCE);
	one(3, 120);
	one(4, 120);
	one(5, 120);
	EXPECT("0 !2 3 4 5 6 ");
}
END_TEST

START_TEST(evidence_beyond_a_held_frame_gives_up_the_gap_before_it)
{
	one(0, 0);
	told(9, 10);
	one(3, 50);
	tick(10 + ALLOWANCE);
	EXPECT("0 !2 3 ");
	EXPECT_LOST(2 + 5); /* 4 to 8 were sent at 10 too. */
}
END_TEST

START_TEST(evidence_ends_a_message_in_assembly)
{
	part(5, 0, 0);
	told(6, 0);
	tick(ALLOWANCE);
	EXPECT_LOST(1);
	part(5, 10, ALLOWANCE);
	EXPECT_LATE(1);
	one(6, ALLOWANCE);
	EXPECT("5@0 !1 6 ");
}
END_TEST

START_TEST(evidence_of_the_message_in_assembly_says_nothing_of_its_rest)
{
	part(5, 0, 0);
	told(5, 0);
	EXPECT_DEADLINE(UINT64_MAX);
}
END_TEST

START_TEST(evidence_starts_a_stream)
{
	told(10, 0);
	EXPECT_DEADLINE(UINT64_MAX);
	one(12, 0);
	tick(ALLOWANCE);
	EXPECT("!2 12 ");
}
END_TEST

START_TEST(a_stream_lost_from_its_start_is_counted)
{
	told(0, 0);
	told(7, 50);
	tick(50 + ALLOWANCE);
	EXPECT_LOST(7);
	one(3, 200); /* Too late to start anew. */
	EXPECT_LATE(1);
}
END_TEST

START_TEST(a_frame_before_a_start_by_evidence_starts_the_stream_instead)
{
	told(10, 0);
	one(8, 50);
	EXPECT("8 ");
	EXPECT_DEADLINE(50 + ALLOWANCE); /* 9 was sent as well. */
	one(7, 60);
	EXPECT_LATE(1);
	tick(50 + ALLOWANCE);
	EXPECT_LOST(1);
	one(10, 200);
	EXPECT("8 !1 10 ");
}
END_TEST

START_TEST(a_part_before_a_start_by_evidence_starts_behind_its_message)
{
	told(10, 0);
	one(11, 0);
	part(8, 10, 0);
	EXPECT_LATE(1);
	tick(ALLOWANCE);
	EXPECT("!2 11 ");
}
END_TEST

START_TEST(a_frame_far_before_a_start_by_evidence_is_late)
{
	told((UINT64_C(1) << 61) + 1, 0);
	one(1, 0);
	EXPECT_LATE(1);
	one(2, 0);
	EXPECT("2 ");
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

	tcase_add_checked_fixture(order, setup, NULL);
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

	tcase_add_checked_fixture(gap, setup, NULL);
	tcase_add_test(gap, a_gap_that_fills_in_time_is_no_loss);
	tcase_add_test(gap, frames_whose_turn_has_come_are_due_at_once);
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

static void add_evidence_tests(Suite *suite)
{
	TCase *evidence = check_case(suite, "evidence", 10);

	tcase_add_checked_fixture(evidence, setup, NULL);
	tcase_add_test(evidence, a_tail_lost_is_counted_on_evidence);
	tcase_add_test(evidence, evidence_of_what_arrives_in_time_is_no_loss);
	tcase_add_test(evidence, old_evidence_and_nonsense_are_ignored);
	tcase_add_test(evidence, steady_evidence_does_not_put_a_loss_off);
	tcase_add_test(evidence, newer_evidence_has_its_own_allowance);
	tcase_add_test(evidence, evidence_said_again_keeps_its_time);
	tcase_add_test(evidence,
		evidence_up_to_a_message_in_parts_leaves_it_its_allowance);
	tcase_add_test(evidence, evidence_gives_up_only_up_to_what_it_says);
	tcase_add_test(evidence,
		evidence_beyond_a_held_frame_gives_up_the_gap_before_it);
	tcase_add_test(evidence, evidence_ends_a_message_in_assembly);
	tcase_add_test(evidence,
		evidence_of_the_message_in_assembly_says_nothing_of_its_rest);
	tcase_add_test(evidence, evidence_starts_a_stream);
	tcase_add_test(evidence, a_stream_lost_from_its_start_is_counted);
	tcase_add_test(evidence,
		a_frame_before_a_start_by_evidence_starts_the_stream_instead);
	tcase_add_test(evidence,
		a_part_before_a_start_by_evidence_starts_behind_its_message);
	tcase_add_test(
		evidence, a_frame_far_before_a_start_by_evidence_is_late);
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
