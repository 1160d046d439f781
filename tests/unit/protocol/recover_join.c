/* SPDX-License-Identifier: BSD-2-Clause */
/* recover_join.c - joining a stream with a wish for history. */
#include "recover_questions.h"

#include <string.h>

#include "recover_story.h"

/* ---- joining ----------------------------------------------------------- */

static void wish_for_history(void)
{
	struct msg_recover_options options = story_options();

	options.history = 5;
	story_begin_with(options);
}

/* The answer: begin with frame and message `first` of `next`. */
static void answer(uint32_t next, uint32_t first, uint64_t now)
{
	struct msg_probe p = probe_of(next);

	p.flags = MSG_PROBE_JOIN;
	keep_from(&p, first);
	ck_assert(probe_with(p, now));
}

START_TEST(joining_begins_where_the_publisher_says_without_a_seam)
{
	wish_for_history();
	ck_assert_int_eq(one(10, 0), MSG_RECOVER_HELD);
	probe(11, 0);
	EXPECT_ASKED("join", 0);
	ck_assert_uint_eq(last_report.flags, MSG_REPORT_JOIN);
	ck_assert_uint_eq(last_report.history, 5);
	one(11, 10);
	one(9, 10); /* Below where we are: dropped for now. */
	one(13, 10);
	EXPECT_ASKED("", REORDER + 10);
	EXPECT("");
	answer(14, 6, 50000);
	ck_assert_uint_eq(reader.recover.rtt_ns, 50000);
	EXPECT_ASKED("?6 ?7 ?8 ?9 ?12", 50000 + REORDER);
	for (uint32_t n = 6; n < 10; n++)
		repair(n, n, 60000);
	repair(12, 12, 60000);
	one(14, 60000);
	EXPECT("6 7 8 9 10 11 12 13 14 ");
	ck_assert_uint_eq(reader.recover.origin, 6);
	EXPECT_LOST(0);
}
END_TEST

/* Of an announcement: nothing was heard of the stream itself. */
START_TEST(an_address_is_enough_to_join)
{
	struct msg_reach reach = {3, "ann"};

	wish_for_history();
	EXPECT_ASKED("", 0);
	EXPECT_DEADLINE(UINT64_MAX);
	msg_recover_reach(&reader.recover, &(struct msg_reach){0});
	EXPECT_DEADLINE(UINT64_MAX);
	msg_recover_reach(&reader.recover, &reach);
	EXPECT_DEADLINE(0);
	EXPECT_ASKED("join", 0);
	EXPECT_ASKED("join", 4 * RTT);
	answer(10, 6, 5 * RTT);
	EXPECT_ASKED("?6 ?7 ?8 ?9", 5 * RTT + REORDER);
	for (uint32_t n = 6; n < 10; n++)
		repair(n, n, 6 * RTT);
	one(10, 6 * RTT);
	EXPECT("6 7 8 9 10 ");
	EXPECT_LOST(0);
}
END_TEST

START_TEST(a_probe_knows_better_than_an_announcement)
{
	struct msg_reach reach = {3, "ann"};

	msg_recover_reach(&reader.recover, &reach);
	ck_assert_mem_eq(reader.recover.reach.data, reach.data, 3);
	one(1, 0);
	one(3, 0);
	/* Who knows whom to ask asks before the first probe. */
	EXPECT_ASKED("?2", REORDER);
	probe(4, REORDER);
	ck_assert_mem_ne(reader.recover.reach.data, reach.data, 3);
	msg_recover_reach(&reader.recover, &reach);
	ck_assert_mem_ne(reader.recover.reach.data, reach.data, 3);
}
END_TEST

START_TEST(a_join_without_an_answer_is_sent_again_and_given_up)
{
	uint64_t at = 0;

	wish_for_history();
	one(10, 0);
	one(12, 0);
	probe(13, 0);
	EXPECT_ASKED("join", 0);
	for (unsigned i = 0; i < 7; i++) {
		at += 4 * RTT << i;
		EXPECT_DEADLINE(at);
		EXPECT_ASKED("join", at);
		probe(13, at);
	}
	for (; at < GIVE_UP; at += HEARTBEAT)
		probe(13, at);
	tick(GIVE_UP - 1);
	EXPECT("");
	tick(GIVE_UP);
	EXPECT("10 ");
	ck_assert_uint_eq(reader.recover.origin, 10);
	one(11, GIVE_UP);
	EXPECT("10 11 12 ");
	answer(14, 6, GIVE_UP); /* Too late: says nothing any more. */
	EXPECT_LOST(0);
}
END_TEST

START_TEST(a_join_asked_twice_measures_nothing)
{
	wish_for_history();
	probe(13, 0);
	EXPECT_ASKED("join", 0);
	EXPECT_ASKED("join", 4 * RTT);
	answer(13, 12, 5 * RTT);
	ck_assert(!reader.recover.measured);
	EXPECT_ASKED("?12", 6 * RTT);
}
END_TEST

START_TEST(a_probe_that_asks_while_joining_is_answered)
{
	struct msg_probe p = probe_of(13);

	wish_for_history();
	probe(13, 0);
	EXPECT_ASKED("join", 0);
	p.flags = MSG_PROBE_ASK;
	probe_with(p, 10);
	EXPECT_ASKED("at 13", 10);
	ck_assert_uint_eq(last_report.stamp, 11);
}
END_TEST

/* Whether a publisher is there, before he is called silent. */
START_TEST(a_publisher_is_asked_by_whoever_does_not_join)
{
	struct msg_report report;

	wish_for_history();
	probe(13, 0);
	ck_assert(!msg_recover_inquire(&reader.recover, &report));
	asked(0);
	answer(13, 12, RTT);
	ck_assert(msg_recover_inquire(&reader.recover, &report));
	ck_assert_uint_eq(report.flags, MSG_REPORT_JOIN);
	ck_assert_uint_eq(report.history, 0);
}
END_TEST

START_TEST(joining_an_idle_stream_begins_behind_its_probe)
{
	wish_for_history();
	probe(10, 0);
	ck_assert_uint_eq(reader.recover.top, reader.recover.next);
	answer(10, 10, 10);
	ck_assert_int_eq(one(10, 20), MSG_RECOVER_DELIVER);
	EXPECT("10 ");
	ck_assert_uint_eq(reader.recover.origin, 10);
}
END_TEST

START_TEST(joining_forgets_no_frame_that_came_before_the_answer)
{
	wish_for_history();
	one(10, 0);
	one(11, 0);
	probe(12, 0);
	asked(0);
	answer(20, 15, 10); /* Asked for less than has come since. */
	EXPECT("10 11 ");
	EXPECT_ASKED("?12 ?13 ?14 ?15 ?16 ?17 ?18 ?19", 10 + REORDER);
}
END_TEST

START_TEST(an_answer_from_far_back_makes_frames_held_leave)
{
	wish_for_history();
	one(20, 0);
	one(21, 0);
	one(25, 0);
	probe(26, 0);
	asked(0);
	answer(26, 6, 10); /* Up to 21 has room: 25 leaves. */
	ck_assert_uint_eq(reader.recover.held_count, 2);
	EXPECT_COUNT(beyond, 1);
	for (uint32_t n = 6; n < 20; n++)
		repair(n, n, 10);
	EXPECT_ASKED("?22 ?23 ?24 ?25", 10 + REORDER);
	EXPECT("6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 ");
}
END_TEST

START_TEST(an_answer_from_farther_back_makes_all_of_them_leave)
{
	wish_for_history();
	one(200, 0);
	one(203, 0);
	probe(204, 0);
	asked(0);
	answer(204, 6, 10);
	ck_assert_uint_eq(reader.recover.held_count, 0);
	EXPECT_COUNT(beyond, 2);
	for (uint32_t n = 6; n < 204; n++)
		repair(n, n, 10);
	ck_assert_uint_eq(reader.delivered, 198);
	EXPECT_LOST(0);
	story_begin();
}
END_TEST

START_TEST(an_answer_just_a_window_back_leaves_no_place_open)
{
	wish_for_history();
	one(22, 0);
	probe(23, 0);
	asked(0);
	answer(23, 6, 10);
	for (uint32_t n = 6; n < 23; n++)
		repair(n, n, 10);
	ck_assert_uint_eq(reader.delivered, 17);
}
END_TEST

START_TEST(frames_wait_outside_while_the_answer_takes_effect)
{
	struct msg_frame header = {.type = 1,
		.flags = MSG_FRAME_RELIABLE,
		.transmission = 11,
		.sequence = 11};
	struct msg_probe p = probe_of(12);
	struct msg_report report;

	wish_for_history();
	one(10, 0);
	probe(11, 0);
	asked(0);
	p.flags = MSG_PROBE_JOIN;
	keep_from(&p, 8);
	/* Without next() in between. */
	ck_assert(msg_recover_probe(&reader.recover, &p, 10));
	ck_assert_uint_eq(msg_recover_deadline(&reader.recover), 0);
	ck_assert_int_eq(msg_recover_arrive(&reader.recover, &header, 7, 10),
		MSG_RECOVER_DROP);
	keep_from(&p, 4); /* The first answer counts. */
	ck_assert(msg_recover_probe(&reader.recover, &p, 10));
	ck_assert(!msg_recover_report(&reader.recover, 10 * RTT, &report));
	EXPECT_ASKED("", 10 * RTT);
	EXPECT_ASKED("?8 ?9 ?11", 10 * RTT + REORDER);
}
END_TEST

START_TEST(joining_ends_with_the_stream)
{
	wish_for_history();
	tick(UINT64_MAX); /* Nothing was heard. */
	one(10, 0);
	one(12, 0);
	EXPECT_DEADLINE(reader.recover.deadline);
	tick(UINT64_MAX);
	EXPECT("10 !1 12 ");
	story_begin();
	wish_for_history();
	probe(12, 0);
	answer(20, 6, 0);
	tick(UINT64_MAX);
	EXPECT_LOST(14);
}
END_TEST

START_TEST(history_that_is_gone_is_counted)
{
	struct msg_probe p = probe_of(12);

	wish_for_history();
	probe(12, 0);
	asked(0);
	answer(12, 6, 10);
	keep_from(&p, 9);
	probe_with(p, 20);
	EXPECT_LOST(3);
	for (uint32_t n = 9; n < 12; n++)
		repair(n, n, 30);
	EXPECT("!3 9 10 11 ");
}
END_TEST

void add_join_tests(Suite *suite)
{
	TCase *join = check_case(suite, "join", 10);

	tcase_add_checked_fixture(join, story_begin, NULL);
	tcase_add_test(
		join, joining_begins_where_the_publisher_says_without_a_seam);
	tcase_add_test(
		join, a_join_without_an_answer_is_sent_again_and_given_up);
	tcase_add_test(join, an_address_is_enough_to_join);
	tcase_add_test(join, a_probe_knows_better_than_an_announcement);
	tcase_add_test(join, a_join_asked_twice_measures_nothing);
	tcase_add_test(join, a_probe_that_asks_while_joining_is_answered);
	tcase_add_test(join, a_publisher_is_asked_by_whoever_does_not_join);
	tcase_add_test(join, joining_an_idle_stream_begins_behind_its_probe);
	tcase_add_test(
		join, joining_forgets_no_frame_that_came_before_the_answer);
	tcase_add_test(join, an_answer_from_far_back_makes_frames_held_leave);
	tcase_add_test(
		join, an_answer_from_farther_back_makes_all_of_them_leave);
	tcase_add_test(join, an_answer_just_a_window_back_leaves_no_place_open);
	tcase_add_test(join, frames_wait_outside_while_the_answer_takes_effect);
	tcase_add_test(join, joining_ends_with_the_stream);
	tcase_add_test(join, history_that_is_gone_is_counted);
}
