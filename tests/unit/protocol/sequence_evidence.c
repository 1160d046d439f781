/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sequence_evidence.c - what an announcement tells about frames that did not
 * come: when it counts as loss, and when it starts a stream.
 */
#include "sequence_evidence.h"

#include "sequence_story.h"

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

void add_evidence_tests(Suite *suite)
{
	TCase *evidence = check_case(suite, "evidence", 10);

	tcase_add_checked_fixture(evidence, story_begin, NULL);
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
