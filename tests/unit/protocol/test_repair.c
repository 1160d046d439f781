/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_repair.c - a publisher's half of repair; see protocol/repair.h.
 *
 * The rules one by one: here of reports, in repair_storm.c of many of them, in
 * repair_probe.c of probes; repair_oracle.c tests them all together.  All are one
 * program.
 */
#include "repair_story.h"

#include <signal.h>

/* ---- the echo rule -------------------------------------------------------- */

START_TEST(what_is_missing_is_sent_again_to_who_asks)
{
	begin(0);
	sent(10);
	ask(A, 10, 0, "3 5");
	EXPECT("u3#1 u5#2");
	ck_assert_uint_eq(repair.counts.asked, 2);
	ck_assert_uint_eq(repair.counts.naks, 1);
	ask(A, 10, 2, "");
	EXPECT("");
	ck_assert_uint_eq(repair.counts.naks, 1);
	ck_assert_uint_eq(repair.counts.reports, 2);
}
END_TEST

START_TEST(who_asks_again_without_news_gets_nothing)
{
	begin(0);
	sent(10);
	ask(A, 10, 0, "3");
	EXPECT("u3#1");
	ask(A, 10, 0, "3");
	ask(A, 10, 0, "3");
	EXPECT("");
	ck_assert_uint_eq(repair.counts.early, 2);
}
END_TEST

START_TEST(a_frame_sent_after_the_repair_is_news)
{
	begin(0);
	sent(10);
	ask(A, 10, 0, "3");
	sent(2);
	ask(A, 10, 0, "3"); /* Sent before it heard of them. */
	EXPECT("u3#1");
	ask(A, 11, 0, "3");
	EXPECT("u3#2");
	ask(A, 11, 0, "3");
	ask(A, 12, 0, "3"); /* Frame 11 had been sent by then. */
	EXPECT("");
	sent(1);
	ask(A, 13, 0, "3");
	EXPECT("u3#3");
}
END_TEST

START_TEST(a_repair_or_probe_sent_after_the_repair_is_news)
{
	begin(0);
	sent(10);
	ask(A, 10, 0, "3 4");
	EXPECT("u3#1 u4#2");
	ask(A, 10, 1, "3 4"); /* What came between is none for frame 4. */
	EXPECT("u3#3");
	ask(A, 10, 3, "3 4"); /* A probe said 3. */
	EXPECT("u3#4 u4#5");
}
END_TEST

/* A's repair is lost, B's of the same frame comes later: what A has heard since
 * its own is enough. */
START_TEST(a_repair_to_another_only_does_not_count)
{
	begin(0);
	sent(10);
	ask(A, 10, 0, "3");
	sent(5);
	ask(B, 15, 0, "3");
	EXPECT("u3#1 u3#2");
	ask(A, 12, 0, "3");
	EXPECT("u3#3");
	ask(B, 15, 0, "3");
	EXPECT("");
	ask(B, 15, 2, "3");
	EXPECT("u3#4");
	ask(A, 15, 0, "3");
	EXPECT("");
}
END_TEST

START_TEST(the_third_who_misses_a_frame_gets_it_for_all)
{
	begin(0);
	sent(10);
	ask(A, 10, 0, "3");
	ask(B, 10, 0, "3");
	ask(C, 10, 0, "3");
	EXPECT("u3#1 u3#2 m3#3");
	/* It is on its way to everybody, whatever they had heard before it. */
	ask(A, 10, 2, "3");
	ask(B, 10, 2, "3");
	ask(C, 10, 2, "3");
	ask(D, 10, 2, "3");
	EXPECT("");
	/* Who misses that one, too, begins a new count. */
	ask(D, 10, 3, "3");
	ask(A, 10, 3, "3");
	ask(D, 10, 3, "3");
	EXPECT("u3#4 u3#5");
	ask(B, 10, 5, "3");
	EXPECT("m3#6");
	ck_assert_uint_eq(repair.counts.unicasts, 4);
	ck_assert_uint_eq(repair.counts.multicasts, 2);
}
END_TEST

START_TEST(one_who_loses_all_repairs_is_one)
{
	begin(0);
	sent(10);
	for (uint32_t i = 0; i < 5; i++)
		ask(A, 10, i, "3");
	EXPECT("u3#1 u3#2 u3#3 u3#4 u3#5");
}
END_TEST

/* Only the low halves of names are kept: the second of two that share one may
 * have to wait, no more. */
START_TEST(names_with_the_same_low_half_share_a_place)
{
	begin(0);
	sent(10);
	ask(A, 10, 0, "3");
	ask(A | UINT64_C(1) << 40, 10, 0, "3");
	EXPECT("u3#1");
	ask(A | UINT64_C(1) << 40, 10, 1, "3");
	EXPECT("u3#2");
}
END_TEST

/* ---- history -------------------------------------------------------------- */

START_TEST(a_place_in_the_history_begins_anew_with_its_frame)
{
	begin(0);
	sent(10);
	ask(A, 10, 0, "3");
	ask(B, 10, 0, "3");
	EXPECT("u3#1 u3#2");
	sent(HISTORY);
	ask(C, 10 + HISTORY, 2, "67");
	EXPECT("u67#3");
	ask(A, 10 + HISTORY, 2, "67");
	EXPECT("u67#4");
}
END_TEST

START_TEST(what_is_no_more_is_answered_once_and_first)
{
	begin(0);
	sent(HISTORY + 5);
	ck_assert_uint_eq(repair.first, 5);
	ask(A, 20, 0, "2 3 4 5 9");
	EXPECT("a u5#1 u9#2");
	ck_assert_uint_eq(repair.counts.gone, 3);
	msg_repair_forget(&repair, 12);
	ask(A, 20, 2, "9 11");
	EXPECT("a");
	ck_assert_uint_eq(repair.counts.gone, 5);
	ck_assert_uint_eq(repair.counts.answers, 2);
}
END_TEST

START_TEST(only_what_was_sent_can_be_forgotten)
{
	begin(0);
	sent(10);
	msg_repair_forget(&repair, 7);
	msg_repair_forget(&repair, 3);
	ck_assert_uint_eq(repair.first, 7);
	msg_repair_forget(&repair, 1000);
	ck_assert_uint_eq(repair.first, 10);
}
END_TEST

/* Frames go while a report is worked on: the second answer is saved. */
START_TEST(what_goes_meanwhile_is_not_sent)
{
	struct msg_report report = report_of(A, 10, 0, "2 3 8 9");
	struct msg_repair_action action;

	begin(0);
	sent(10);
	msg_repair_forget(&repair, 3);
	ck_assert(msg_repair_report(&repair, &report, story_now));
	msg_repair_next(&repair, story_now, &action);
	ck_assert_int_eq(action.kind, MSG_REPAIR_ANSWER);
	msg_repair_next(&repair, story_now, &action);
	ck_assert_int_eq(action.kind, MSG_REPAIR_UNICAST);
	ck_assert_uint_eq(action.frame, 3);
	msg_repair_forget(&repair, 9);
	msg_repair_next(&repair, story_now, &action);
	ck_assert_int_eq(action.kind, MSG_REPAIR_UNICAST);
	ck_assert_uint_eq(action.frame, 9);
	msg_repair_next(&repair, story_now, &action);
	ck_assert_int_eq(action.kind, MSG_REPAIR_NOTHING);
	ck_assert_uint_eq(repair.counts.gone, 2);
}
END_TEST

START_TEST(a_report_cut_short_by_the_next_is_dropped)
{
	struct msg_report report = report_of(A, 10, 0, "2 3");
	struct msg_repair_action action;

	begin(0);
	sent(10);
	ck_assert(msg_repair_report(&repair, &report, story_now));
	msg_repair_next(&repair, story_now, &action);
	ck_assert_uint_eq(action.frame, 2);
	ask(B, 10, 0, "5");
	EXPECT("u5#2");
}
END_TEST

START_TEST(a_history_of_odd_size_is_refused)
{
	const struct msg_repair_options options = {.history = 12};

	msg_repair_start(&repair, &options, NULL);
}
END_TEST

START_TEST(no_history_is_refused)
{
	const struct msg_repair_options options = {.history = 0};

	msg_repair_start(&repair, &options, NULL);
}
END_TEST

/* ---- wishes --------------------------------------------------------------- */

START_TEST(a_wish_to_join_is_answered_whatever_it_says_of_frames)
{
	struct msg_report report = report_of(A, 9, 0, "1 2 3");

	begin(UINT64_C(7000000000));
	sent(10);
	report.flags = MSG_REPORT_JOIN;
	report.history = 100;
	told(&report);
	EXPECT("aJ");
	ck_assert_uint_eq(repair.report.history, 100);
	ck_assert_uint_eq(repair.counts.naks, 0);
}
END_TEST

START_TEST(who_leaves_is_not_answered)
{
	struct msg_report report = report_of(A, 10, 0, "3");

	begin(0);
	sent(10);
	report.flags = MSG_REPORT_LEAVING | MSG_REPORT_JOIN;
	told(&report);
	EXPECT("");
	ck_assert_uint_eq(repair.counts.unbelieved, 0);
}
END_TEST

/* ---- wraps ---------------------------------------------------------------- */

START_TEST(frame_numbers_and_serials_wrap)
{
	const uint64_t wrap = UINT64_C(1) << 32;

	begin(wrap - 5);
	repair.serial = UINT32_MAX - 1;
	sent(8);
	ask(A, wrap + 3, UINT32_MAX - 1, "-4 -1 0 1");
	EXPECT("u4294967292#4294967295 u4294967295#0 u4294967296#1 "
	       "u4294967297#2");
	ask(A, wrap + 3, UINT32_MAX - 1, "-4 -1 0 1");
	EXPECT("");
	ask(A, wrap + 3, 0, "-4 -1 0 1");
	EXPECT("u4294967292#3 u4294967295#4");
	sent(1);
	ask(A, wrap + 4, 0, "0 1");
	EXPECT("u4294967296#5 u4294967297#6");
	ck_assert_uint_eq(repair.counts.unbelieved, 0);
}
END_TEST

/* The repair is before the wrap and the news behind it. */
START_TEST(news_may_lie_behind_the_wrap)
{
	const uint64_t wrap = UINT64_C(1) << 32;

	begin(wrap - 5);
	sent(4);
	ask(A, wrap - 1, 0, "-4");
	sent(6);
	ask(A, wrap - 1, 0, "-4");
	EXPECT("u4294967292#1");
	ask(A, wrap + 5, 0, "-4");
	EXPECT("u4294967292#2");
}
END_TEST

/* ---- hostile -------------------------------------------------------------- */

static void unbelieved(struct msg_report report)
{
	uint64_t before = repair.counts.unbelieved;

	ck_assert(!msg_repair_report(&repair, &report, story_now));
	ck_assert_uint_eq(repair.counts.unbelieved, before + 1);
	drain();
	EXPECT("");
	ck_assert_uint_eq(repair.rtt_ns, RTT);
}

START_TEST(what_was_never_sent_is_not_believed)
{
	struct msg_report report;

	begin(0);
	sent(10);
	unbelieved(report_of(A, 11, 0, ""));
	unbelieved(report_of(A, 10, 1, ""));
	unbelieved(report_of(A, UINT64_MAX, 0, ""));
	unbelieved(report_of(A, 10, UINT32_MAX / 2, "3"));
	unbelieved(report_of(A, 10, 0, "3 10"));
	unbelieved(report_of(A, 8, 0, "3 8"));
	unbelieved(report_of(A, 3, 0, "3"));
	unbelieved(report_of(A, 10, 0, "1023"));
	report = report_of(A, 10, 0, "3");
	report.position = 11;
	unbelieved(report);
	report = report_of(A, 10, 0, "3");
	report.base = UINT32_MAX;
	report.rtt_ns = 12345678;
	unbelieved(report);
	report = report_of(A, 10, 0, "3");
	report.count = MSG_REPORT_FRAMES_MAX + 1;
	unbelieved(report);
	report.flags = MSG_REPORT_JOIN;
	unbelieved(report);
	/* Zeros behind are no claim. */
	report = report_of(A, 10, 0, "9");
	report.count = MSG_REPORT_FRAMES_MAX;
	told(&report);
	EXPECT("u9#1");
}
END_TEST

/* All that random fields can bring about: a repair of what can be had, within
 * the bucket. */
START_TEST(random_reports_get_what_there_is_and_no_more)
{
	struct random_stream random = {check_seed()};
	uint64_t repairs = 0;

	begin_paced((UINT64_C(1) << 32) - 300, 1000, 100);
	sent(HISTORY + 300);
	for (int i = 0; i < 20000; i++) {
		struct msg_report report;
		uint8_t *bytes = (uint8_t *)&report;
		struct msg_repair_action action;

		for (size_t at = 0; at < sizeof report; at++)
			bytes[at] = (uint8_t)random_next(&random);
		if (random_chance(&random, 900)) {
			report.heard = (uint32_t)(repair.next -
						  random_below(&random, 10));
			report.position = report.heard;
			report.serial = repair.serial;
			report.count = (uint16_t)random_below(&random, 80);
			report.base = report.heard - report.count;
		}
		msg_repair_report(&repair, &report, story_now);
		for (;;) {
			msg_repair_next(&repair, story_now, &action);
			if (action.kind == MSG_REPAIR_NOTHING)
				break;
			if (action.kind == MSG_REPAIR_ANSWER)
				continue;
			repairs++;
			ck_assert_uint_ge(action.frame, repair.first);
			ck_assert_uint_lt(action.frame, repair.next);
		}
		ck_assert_uint_le(repair.rtt_ns, MSG_REPAIR_RTT_MAX_NS);
	}
	ck_assert_uint_eq(repairs, 100);
	ck_assert_uint_gt(repair.counts.throttled, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("repair");
	TCase *echo = check_case(suite, "echo", 10);
	TCase *history = check_case(suite, "history", 10);
	TCase *hostile = check_case(suite, "hostile", 30);

	tcase_add_test(echo, what_is_missing_is_sent_again_to_who_asks);
	tcase_add_test(echo, who_asks_again_without_news_gets_nothing);
	tcase_add_test(echo, a_frame_sent_after_the_repair_is_news);
	tcase_add_test(echo, a_repair_or_probe_sent_after_the_repair_is_news);
	tcase_add_test(echo, a_repair_to_another_only_does_not_count);
	tcase_add_test(echo, the_third_who_misses_a_frame_gets_it_for_all);
	tcase_add_test(echo, one_who_loses_all_repairs_is_one);
	tcase_add_test(echo, names_with_the_same_low_half_share_a_place);
	tcase_add_test(
		history, a_place_in_the_history_begins_anew_with_its_frame);
	tcase_add_test(history, what_is_no_more_is_answered_once_and_first);
	tcase_add_test(history, only_what_was_sent_can_be_forgotten);
	tcase_add_test(history, what_goes_meanwhile_is_not_sent);
	tcase_add_test(history, a_report_cut_short_by_the_next_is_dropped);
	tcase_add_test_raise_signal(
		history, a_history_of_odd_size_is_refused, SIGABRT);
	tcase_add_test_raise_signal(history, no_history_is_refused, SIGABRT);
	tcase_add_test(
		history, a_wish_to_join_is_answered_whatever_it_says_of_frames);
	tcase_add_test(history, who_leaves_is_not_answered);
	tcase_add_test(history, frame_numbers_and_serials_wrap);
	tcase_add_test(history, news_may_lie_behind_the_wrap);
	tcase_add_test(hostile, what_was_never_sent_is_not_believed);
	tcase_add_test(hostile, random_reports_get_what_there_is_and_no_more);
	add_storm_tests(suite);
	add_probe_tests(suite);
	add_oracle_tests(suite);
	return check_main(suite, NULL);
}
