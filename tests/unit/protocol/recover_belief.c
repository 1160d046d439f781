/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_belief.c - what a reliable stream does not believe: forged frames, older
 * probes, sequences that do not follow.
 */
#include "recover_loss.h"

#include "recover_story.h"

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

void add_belief_tests(Suite *suite)
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
