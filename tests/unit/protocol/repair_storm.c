/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repair_storm.c - many who ask for much; see protocol/repair.h.  Part of
 * test_repair.c.
 */
#include "repair_story.h"

/* Frames 0 to 59, again and again, always with news. */
static uint32_t ask_for_all(uint64_t receiver)
{
	uint64_t before = repair.counts.unicasts + repair.counts.multicasts;

	ask(receiver, repair.next, repair.serial,
		"0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 "
		"24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 "
		"44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59");
	story[0] = '\0';
	return (uint32_t)(repair.counts.unicasts + repair.counts.multicasts -
			  before);
}

START_TEST(one_that_wants_all_leaves_something_to_others)
{
	uint32_t greedy = 0;

	begin_paced(0, 1000, 64);
	sent(60);
	for (int i = 0; i < 10; i++)
		greedy += ask_for_all(A);
	/* Down to half, and its share. */
	ck_assert_uint_eq(greedy, 32 + 5);
	ck_assert_uint_eq(ask_for_all(B), 5);
	ck_assert_uint_eq(ask_for_all(C), 5);
	ck_assert_uint_gt(repair.counts.throttled, 500);
	/* In the long run the bucket's rate is used up. */
	for (int i = 0; i < 2000; i++) {
		story_now += MSG_NS_PER_MS;
		greedy += ask_for_all(A);
	}
	ck_assert_uint_ge(greedy, 2000);
	ck_assert_uint_le(greedy, 2064);
	ck_assert_uint_ge(ask_for_all(D), 5);
}
END_TEST

START_TEST(without_a_rate_nothing_is_throttled)
{
	begin(0);
	sent(60);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(ask_for_all(A), 60);
	ck_assert_uint_eq(repair.counts.throttled, 0);
}
END_TEST

START_TEST(what_leaves_by_connections_is_not_throttled)
{
	begin_paced(0, 1000, 1);
	msg_repair_unpaced(&repair);
	sent(60);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(ask_for_all(A), 60);
	ck_assert_uint_eq(repair.counts.throttled, 0);
}
END_TEST

START_TEST(what_is_throttled_is_had_by_asking_again)
{
	begin_paced(0, 1000, 1);
	sent(10);
	ask(A, 10, 0, "3 4");
	EXPECT("u3#1");
	ask(A, 10, 0, "3 4");
	EXPECT("");
	story_now += MSG_NS_PER_MS;
	ask(A, 10, 0, "3 4");
	EXPECT("u4#2");
}
END_TEST

/* A bucket of 64 kB: of frames of 1 kB, 32 until half of it is left, and then
 * the share of who asks. */
START_TEST(small_frames_cost_what_they_have)
{
	const struct msg_repair_options options = {
		.history = HISTORY,
		.heartbeat_ns = HEARTBEAT,
		.rtt_ns = RTT,
		.repair_bytes = 1000,
		.burst = 64000,
		.frame_bytes = 1000,
	};
	uint32_t count = 0;

	begin_with(&options);
	sent(60);
	ck_assert_uint_eq(ask_for_all(A), 32 + 4);
	/* Of 100 bytes: ten times as many. */
	begin_with(&options);
	sent(60);
	for (uint32_t asked = 1; count < 1000; count++) {
		struct msg_report report =
			report_of(A, repair.next, repair.serial, "7");

		told(&report);
		if (repair.counts.unicasts < asked)
			break;
		asked++;
		msg_repair_had(&repair, 100);
	}
	/* Whether there is so much is asked of a large one. */
	ck_assert_uint_eq(count, 320 + 31);
	/* What is larger than it may be costs no more. */
	begin_with(&options);
	sent(60);
	ask(A, repair.next, repair.serial, "7");
	msg_repair_had(&repair, 1000);
	msg_repair_had(&repair, 1001);
	ck_assert_uint_eq(repair.pace.credit, UINT64_C(63000) * MSG_PACE_TOKEN);
}
END_TEST

START_TEST(answers_are_limited_too)
{
	struct msg_report report = report_of(A, 0, 0, "");
	char all[] = "aJ aJ";

	begin(0);
	report.flags = MSG_REPORT_JOIN;
	for (uint32_t i = 0; i < MSG_REPAIR_ANSWERS_BURST - 2; i++)
		told(&report);
	story[0] = '\0';
	for (uint32_t i = 0; i < 10; i++)
		told(&report);
	EXPECT(all);
	ck_assert_uint_eq(repair.counts.throttled, 8);
	/* And the repairs of a report whose answer is dropped are not. */
	sent(HISTORY + 10);
	ask(A, repair.next, 0, "3 20");
	EXPECT("u20#1");
}
END_TEST

/* Counts those who ask, near enough. */
static uint64_t crowd_comes(uint64_t first)
{
	uint64_t count = 0;

	while (!repair.crowd && count < 5000) {
		ask(first + count++, 10, 0, "3");
		story[0] = '\0';
	}
	return count;
}

START_TEST(a_crowd_is_told_to_back_off_and_gets_multicasts)
{
	struct msg_repair_action action;
	uint64_t count;

	begin(0);
	sent(10);
	due(story_now);
	story[0] = '\0';
	count = crowd_comes(1);
	ck_assert_uint_ge(count, 900);
	ck_assert_uint_le(count, 1100);
	ck_assert_uint_eq(repair.deadline, 0);
	msg_repair_due(&repair, story_now, &action);
	ck_assert_int_eq(action.kind, MSG_REPAIR_PROBE);
	ck_assert_uint_eq(action.flags, MSG_PROBE_CROWD); /* And no ASK. */
	ask(A, 10, repair.serial, "5");
	ck_assert_int_eq(story[0], 'm');
	story[0] = '\0';
	msg_repair_forget(&repair, 6);
	ask(A, 10, repair.serial, "5");
	EXPECT("aC");
	/* It is asked again after a while, and counted anew: few are no crowd. */
	story_now += MSG_REPAIR_CROWD_NS;
	msg_repair_due(&repair, story_now, &action);
	ck_assert_uint_eq(action.flags, MSG_PROBE_CROWD | MSG_PROBE_ASK);
	ask(A, 10, repair.serial, "8");
	story_now += MSG_REPAIR_CROWD_NS;
	msg_repair_due(&repair, story_now, &action);
	ck_assert(!repair.crowd);
	ck_assert_int_eq(action.kind, MSG_REPAIR_PROBE);
	ck_assert_uint_eq(action.flags, MSG_PROBE_ASK);
}
END_TEST

/* Who answers the first probe, with nothing to ask for. */
START_TEST(a_crowd_is_known_before_its_first_loss)
{
	begin(0);
	sent(1);
	due(story_now);
	EXPECT("pA");
	story_now += RTT;
	for (uint64_t i = 1; i <= 1100; i++)
		ask(i, 1, 0, "");
	ck_assert(repair.crowd);
	due(story_now);
	EXPECT("pC");
	sent(9);
	ask(A, 10, 0, "3");
	EXPECT("m3#1");
}
END_TEST

START_TEST(a_crowd_that_stays_is_one_from_count_to_count)
{
	begin(0);
	sent(10);
	due(story_now);
	crowd_comes(1);
	for (int times = 0; times < 3; times++) {
		story_now += MSG_REPAIR_CROWD_NS;
		due(story_now);
		ck_assert(repair.crowd);
		for (uint64_t i = 0; i < 2000; i++)
			ask(i, 10, 0, "");
	}
	story_now += MSG_REPAIR_CROWD_NS;
	due(story_now);
	ck_assert(repair.crowd);
	story_now += MSG_REPAIR_CROWD_NS - HEARTBEAT;
	due(story_now);
	ck_assert(repair.crowd);
	story_now += HEARTBEAT;
	due(story_now);
	ck_assert(!repair.crowd);
}
END_TEST

START_TEST(few_that_ask_often_are_no_crowd)
{
	begin(0);
	sent(10);
	for (uint64_t i = 0; i < 100000; i++)
		ask(i % 800, 10, 0, "3");
	ck_assert(!repair.crowd);
}
END_TEST

void add_storm_tests(Suite *suite)
{
	TCase *storm = check_case(suite, "storm", 30);

	tcase_add_test(storm, one_that_wants_all_leaves_something_to_others);
	tcase_add_test(storm, without_a_rate_nothing_is_throttled);
	tcase_add_test(storm, what_leaves_by_connections_is_not_throttled);
	tcase_add_test(storm, what_is_throttled_is_had_by_asking_again);
	tcase_add_test(storm, small_frames_cost_what_they_have);
	tcase_add_test(storm, answers_are_limited_too);
	tcase_add_test(storm, a_crowd_is_told_to_back_off_and_gets_multicasts);
	tcase_add_test(storm, a_crowd_is_known_before_its_first_loss);
	tcase_add_test(storm, a_crowd_that_stays_is_one_from_count_to_count);
	tcase_add_test(storm, few_that_ask_often_are_no_crowd);
}
