/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_position.c - how far a receiver says it is, and when: to a probe that
 * asks, with flow each quarter of a window and each period, and as one that is
 * tagged.
 */
#include "recover_questions.h"

#include "recover_story.h"

START_TEST(a_probe_that_asks_is_answered_at_once_and_once)
{
	struct msg_probe p = probe_of(1);

	p.flags = MSG_PROBE_ASK;
	p.stamp = 4711;
	probe_with(p, 10);
	EXPECT_DEADLINE(0);
	EXPECT_ASKED("at 1", 10);
	ck_assert_uint_eq(last_report.stamp, 4711);
	EXPECT_DEADLINE(UINT64_MAX);
	one(1, 20);
	EXPECT_ASKED("", 10 * GIVE_UP);
	EXPECT_COUNT(naks, 0);
	EXPECT_COUNT(reports, 1);
}
END_TEST

static void probe_flow(uint32_t next, uint64_t now)
{
	struct msg_probe p = probe_of(next);

	p.flags = MSG_PROBE_FLOW;
	probe_with(p, now);
}

START_TEST(with_flow_a_report_goes_out_at_first_and_each_quarter_window)
{
	probe_flow(1, 0);
	EXPECT_ASKED("at 1", 0);
	for (uint32_t n = 1; n < 100; n++) {
		one(n, n);
		if (n % 4 == 0) { /* The position is n + 1. */
			EXPECT_DEADLINE(0);
			ck_assert_str_ne(asked(n), "");
			ck_assert_uint_eq(last_report.position, n + 1);
		} else {
			EXPECT_ASKED("", n);
		}
	}
}
END_TEST

START_TEST(with_flow_a_report_is_hastened)
{
	one(1, 0);
	msg_recover_hasten(&reader.recover);
	EXPECT_ASKED("", 0);
	probe_flow(2, 0);
	EXPECT_ASKED("at 2", 0);
	one(2, 1);
	EXPECT_ASKED("", 1);
	msg_recover_hasten(&reader.recover);
	EXPECT_DEADLINE(0);
	EXPECT_ASKED("at 3", 1);
	EXPECT_ASKED("", 1);
}
END_TEST

START_TEST(with_flow_a_report_goes_out_each_period)
{
	probe_flow(1, 0);
	EXPECT_ASKED("at 1", 0);
	EXPECT_DEADLINE(HEARTBEAT);
	one(1, 5);
	EXPECT_DEADLINE(HEARTBEAT);
	EXPECT_ASKED("", HEARTBEAT - 1);
	EXPECT_ASKED("at 2", HEARTBEAT);
	EXPECT_DEADLINE(2 * HEARTBEAT);
	/* A NAK is a report, too. */
	one(3, HEARTBEAT);
	EXPECT_ASKED("?2", HEARTBEAT + REORDER);
	repair(2, 1, HEARTBEAT + REORDER);
	EXPECT_DEADLINE(2 * HEARTBEAT + REORDER);
}
END_TEST

START_TEST(a_window_moved_by_next_is_reported_too)
{
	probe_flow(1, 0);
	asked(0);
	for (uint32_t n = 2; n < 8; n++)
		one(n, 10);
	one(1, 20);
	EXPECT_ASKED("at 8", 20);
}
END_TEST

START_TEST(flow_that_ends_ends_the_reports)
{
	probe_flow(1, 0);
	asked(0);
	probe(1, 10);
	EXPECT_DEADLINE(UINT64_MAX);
	for (uint32_t n = 1; n < 50; n++)
		one(n, 10);
	EXPECT_ASKED("", 10 * HEARTBEAT);
	probe_flow(50, 20);
	EXPECT_ASKED("at 50", 20);
}
END_TEST

START_TEST(flow_waits_for_an_address)
{
	struct msg_probe p = probe_of(1);

	p.flags = MSG_PROBE_FLOW;
	p.reach.bytes = 0;
	probe_with(p, 0);
	for (uint32_t n = 1; n < 50; n++)
		one(n, 10);
	EXPECT_DEADLINE(UINT64_MAX);
	probe_with(p, 10);
	EXPECT_ASKED("", 10);
	probe_flow(50, 20);
	EXPECT_ASKED("at 50", 20);
}
END_TEST

START_TEST(a_report_may_come_before_next)
{
	struct msg_report report;

	probe_flow(1, 0);
	asked(0);
	for (uint32_t n = 1; n < 5; n++)
		one(n, 10);
	EXPECT_DEADLINE(0);
	ck_assert(msg_recover_report(&reader.recover, 10, &report));
	ck_assert_uint_eq(report.position, 5);
	ck_assert(!msg_recover_report(&reader.recover, 10, &report));
}
END_TEST

START_TEST(a_tagged_receiver_says_so)
{
	struct msg_recover_options options = story_options();

	options.tagged = true;
	story_begin_with(options);
	probe_flow(1, 0);
	asked(0);
	ck_assert_uint_eq(last_report.flags, MSG_REPORT_TAGGED);
}
END_TEST

START_TEST(a_receiver_that_is_tagged_by_now_says_so)
{
	struct msg_recover *r = &reader.recover;

	msg_recover_wish(r, GIVE_UP, true);
	EXPECT_DEADLINE(UINT64_MAX);
	probe_flow(1, 0);
	asked(0);
	ck_assert_uint_eq(last_report.flags, MSG_REPORT_TAGGED);
	msg_recover_wish(r, GIVE_UP / 2, true);
	EXPECT_ASKED("", 10);
	msg_recover_wish(r, GIVE_UP / 2, false);
	EXPECT_ASKED("at 1", 20);
	ck_assert_uint_eq(last_report.flags, 0);
}
END_TEST

void add_position_tests(Suite *suite)
{
	TCase *position = check_case(suite, "position", 10);

	tcase_add_checked_fixture(position, story_begin, NULL);
	tcase_add_test(
		position, a_probe_that_asks_is_answered_at_once_and_once);
	tcase_add_test(position,
		with_flow_a_report_goes_out_at_first_and_each_quarter_window);
	tcase_add_test(position, with_flow_a_report_goes_out_each_period);
	tcase_add_test(position, with_flow_a_report_is_hastened);
	tcase_add_test(position, a_window_moved_by_next_is_reported_too);
	tcase_add_test(position, flow_that_ends_ends_the_reports);
	tcase_add_test(position, flow_waits_for_an_address);
	tcase_add_test(position, a_report_may_come_before_next);
	tcase_add_test(position, a_tagged_receiver_says_so);
	tcase_add_test(position, a_receiver_that_is_tagged_by_now_says_so);
}
