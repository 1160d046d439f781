/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_questions.c - what a receiver asks of its publisher, and when: NAKs, again
 * and in a crowd; the round trip.  Positions: recover_position.c; joining:
 * recover_join.c.
 */
#include "recover_questions.h"

#include "protocol/recover_internal.h"
#include "recover_story.h"

/* ---- what is missing --------------------------------------------------- */

/* 1 was delivered, 3 waits: 2 is missing since time 0. */
static void lose_two(void)
{
	probe(1, 0);
	one(1, 0);
	one(3, 0);
}

START_TEST(a_gap_is_asked_for_when_the_allowance_is_over)
{
	lose_two();
	EXPECT_DEADLINE(REORDER);
	EXPECT_ASKED("", REORDER - 1);
	EXPECT_ASKED("?2", REORDER);
	ck_assert_uint_eq(last_report.receiver, 77);
	ck_assert_uint_eq(last_report.stamp, 0);
	ck_assert_uint_eq(last_report.heard, 4);
	ck_assert_uint_eq(last_report.serial, 0);
	ck_assert_uint_eq(last_report.position, 2);
	ck_assert_uint_eq(last_report.window, WINDOW);
	ck_assert_uint_eq(last_report.base, 2);
	ck_assert_uint_eq(last_report.count, 1);
	ck_assert_uint_eq(last_report.flags, 0);
	ck_assert_uint_eq(last_report.rtt_ns, 0);
	ck_assert_uint_eq(last_report.reach.bytes, 2);
	EXPECT_COUNT(naks, 1);
	EXPECT_COUNT(asked, 1);
}
END_TEST

START_TEST(a_gap_that_fills_in_time_is_not_asked_for)
{
	lose_two();
	one(2, REORDER - 1);
	EXPECT_ASKED("", REORDER);
	EXPECT_DEADLINE(UINT64_MAX);
}
END_TEST

START_TEST(all_gaps_that_are_due_are_in_one_report)
{
	lose_two();
	one(6, 0);
	one(9, 1);
	EXPECT_ASKED("?2 ?4 ?5", REORDER);
	EXPECT_ASKED("?7 ?8", REORDER + 1);
	EXPECT_COUNT(naks, 2);
	EXPECT_COUNT(asked, 5);
}
END_TEST

START_TEST(nobody_is_asked_while_his_address_is_unknown)
{
	struct msg_probe p = probe_of(1);
	struct msg_report report;

	p.reach.bytes = 0;
	probe_with(p, 0);
	one(1, 0);
	one(3, 0);
	EXPECT_ASKED("", 1000000);
	ck_assert(!msg_recover_leave(&reader.recover, &report));
	ck_assert(!msg_recover_inquire(&reader.recover, &report));
	probe(4, 1000000);
	EXPECT_ASKED("?2", 1000000);
	p.next = 4;
	probe_with(p, 1000001); /* Does not make it unknown again. */
	ck_assert(msg_recover_leave(&reader.recover, &report));
	ck_assert_uint_eq(report.flags, MSG_REPORT_LEAVING);
	ck_assert(msg_recover_inquire(&reader.recover, &report));
	ck_assert_uint_eq(report.flags, MSG_REPORT_JOIN);
	ck_assert_uint_eq(report.history, 0);
	ck_assert_uint_eq(report.count, 0);
}
END_TEST

START_TEST(it_is_asked_for_again_a_round_trip_later_when_there_is_news)
{
	lose_two();
	EXPECT_ASKED("?2", REORDER);
	one(4, REORDER + 50);
	EXPECT_DEADLINE(REORDER + RTT);
	EXPECT_ASKED("", REORDER + RTT - 1);
	EXPECT_ASKED("?2", REORDER + RTT);
}
END_TEST

START_TEST(the_serial_of_a_repair_or_a_probe_is_news)
{
	struct msg_probe p = probe_of(4);

	p.serial = 1;
	lose_two();
	EXPECT_ASKED("?2", REORDER);
	repair(1, 1, REORDER + 50);
	EXPECT_ASKED("?2", REORDER + RTT);
	ck_assert_uint_eq(last_report.serial, 1);
	probe_with(p, REORDER + RTT + 50); /* Nothing new. */
	EXPECT_ASKED("", REORDER + 3 * RTT);
	p.serial = 2;
	probe_with(p, REORDER + 3 * RTT);
	EXPECT_ASKED("?2", REORDER + 3 * RTT);
	ck_assert_uint_eq(last_report.serial, 2);
}
END_TEST

START_TEST(a_serial_far_ahead_is_not_believed_of_a_repair)
{
	lose_two();
	repair(1, MSG_RECOVER_LEAP + 1, 10);
	EXPECT_ASKED("?2", REORDER);
	ck_assert_uint_eq(last_report.serial, 0);
	repair(1, MSG_RECOVER_LEAP, 10);
	ck_assert_uint_eq(reader.recover.serial, MSG_RECOVER_LEAP);
	repair(1, 5, 10);
	ck_assert_uint_eq(reader.recover.serial, MSG_RECOVER_LEAP);
}
END_TEST

START_TEST(without_news_it_is_asked_for_again_after_four_round_trips)
{
	uint64_t at = REORDER;

	lose_two();
	EXPECT_ASKED("?2", at);
	EXPECT_DEADLINE(at + 4 * RTT);
	EXPECT_ASKED("", at + 4 * RTT - 1);
	EXPECT_ASKED("?2", at + 4 * RTT);
	/* And then after twice that, up to a heartbeat. */
	at += 4 * RTT;
	for (unsigned i = 0; i < 20; i++) {
		uint64_t wait = 8 * RTT << i;

		if (wait > HEARTBEAT)
			wait = HEARTBEAT;
		EXPECT_ASKED("", at + wait - 1);
		at += wait;
		EXPECT_ASKED("?2", at);
	}
}
END_TEST

START_TEST(patience_is_forgotten_after_a_silence)
{
	uint64_t at = 100 * GIVE_UP;

	lose_two();
	for (unsigned i = 0; i < 50; i++)
		asked((i + 1) * GIVE_UP);
	ck_assert_uint_gt(reader.recover.patience, 5);
	asked(at - 10);
	probe(4, at);
	EXPECT_ASKED("", at - 10 + 4 * RTT - 1);
	EXPECT_ASKED("?2", at - 10 + 4 * RTT);
}
END_TEST

START_TEST(the_round_trip_is_that_of_a_frame_asked_for_once)
{
	const struct msg_recover *r = &reader.recover;

	lose_two();
	EXPECT_ASKED("?2", REORDER);
	repair(2, 1, REORDER + 40000);
	ck_assert_uint_eq(r->rtt_ns, 40000);
	ck_assert_uint_eq(r->rtt_var_ns, 20000);
	EXPECT_COUNT(repaired, 1);
	one(5, 100000);
	EXPECT_ASKED("?4", 100000 + REORDER);
	ck_assert_uint_eq(last_report.rtt_ns, 40000);
	repair(4, 2, 100000 + REORDER + 80000);
	ck_assert_uint_eq(r->rtt_ns, 45000);     /* 7/8 40000 + 1/8 80000 */
	ck_assert_uint_eq(r->rtt_var_ns, 25000); /* 3/4 20000 + 1/4 40000 */
	one(7, 300000);
	EXPECT_ASKED("?6", 300000 + REORDER);
	repair(6, 3, 300000 + REORDER + 5000); /* 10000: not believed less. */
	ck_assert_uint_eq(r->rtt_ns, (7 * 45000 + 10000) / 8);
	ck_assert_uint_eq(r->rtt_var_ns, (3 * 25000 + 35000) / 4);
}
END_TEST

START_TEST(the_round_trip_has_bounds)
{
	lose_two();
	asked(REORDER);
	repair(2, 1, REORDER + 1);
	ck_assert_uint_eq(reader.recover.rtt_ns, MSG_RECOVER_RTT_NS_MIN);
	story_begin();
	lose_two();
	asked(REORDER);
	repair(2, 1, 100 * GIVE_UP);
	ck_assert_uint_eq(reader.recover.rtt_ns, MSG_RECOVER_RTT_NS_MAX);
}
END_TEST

START_TEST(no_round_trip_is_measured_otherwise)
{
	lose_two();
	asked(REORDER);
	asked(REORDER + 4 * RTT);
	repair(2, 1, REORDER + 5 * RTT); /* Asked for twice. */
	ck_assert(!reader.recover.measured);
	EXPECT_COUNT(repaired, 1);
	story_begin();
	lose_two();
	asked(REORDER);
	one(2, REORDER + RTT); /* Late, but not a repair. */
	ck_assert(!reader.recover.measured);
	EXPECT_COUNT(repaired, 1);
	story_begin();
	lose_two();
	repair(2, 1, 10); /* Somebody else asked. */
	repair(4, 2, 10);
	ck_assert(!reader.recover.measured);
	EXPECT_COUNT(repaired, 2);
	EXPECT_COUNT(reordered, 0);
	story_begin();
	lose_two();
	asked(REORDER);
	repair(2, 1, REORDER - 1); /* A clock that went back. */
	ck_assert(!reader.recover.measured);
}
END_TEST

START_TEST(a_round_trip_that_was_measured_ends_all_patience)
{
	lose_two();
	asked(REORDER);
	one(6, REORDER);
	asked(4 * RTT); /* ?4 ?5, for the first time. */
	asked(5 * RTT); /* ?2 again. */
	ck_assert_uint_gt(reader.recover.patience, 0);
	repair(4, 1, 5 * RTT);
	ck_assert_uint_eq(reader.recover.patience, 0);
}
END_TEST

START_TEST(what_is_gone_is_not_asked_for_at_first)
{
	struct msg_report report;
	struct msg_probe p = probe_of(9);

	lose_two();
	one(8, 0);
	keep_from(&p, 5);
	msg_recover_probe(&reader.recover, &p, 0);
	ck_assert(msg_recover_report(&reader.recover, REORDER, &report));
	ck_assert_uint_eq(report.base, 5);
	ck_assert_uint_eq(report.count, 3);
	tick(REORDER);
	EXPECT("1 !1 3 ");
}
END_TEST

START_TEST(a_report_has_bits_for_so_many_frames)
{
	struct msg_recover_options options = story_options();
	struct msg_report report;

	options.window = MSG_RECOVER_WINDOW_MAX;
	story_begin_with(options);
	probe(0, 0);
	probe(MSG_RECOVER_WINDOW_MAX + 500, 0);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert(follower_report(&reader, REORDER, &report));
		ck_assert_uint_eq(report.base, 1024 * i);
		ck_assert_uint_eq(report.count, 1024);
	}
	ck_assert(!follower_report(&reader, REORDER, &report));
	for (unsigned i = 0; i < 4; i++) {
		uint64_t again = REORDER + 4 * RTT;

		ck_assert(follower_report(&reader, again, &report));
		ck_assert_uint_eq(report.base, 1024 * i);
		ck_assert_uint_eq(report.count, 1024);
	}
	EXPECT_COUNT(asked, 8192);
}
END_TEST

START_TEST(old_and_new_gaps_share_a_report)
{
	lose_two();
	EXPECT_ASKED("?2", REORDER);
	one(5, REORDER + 10);
	EXPECT_ASKED("?4", 2 * REORDER + 10);
	one(8, REORDER + RTT - REORDER);
	EXPECT_ASKED("?2 ?6 ?7", REORDER + RTT);
	EXPECT_ASKED("?4", 2 * REORDER + 10 + RTT);
}
END_TEST

START_TEST(what_is_gone_is_not_asked_for)
{
	struct msg_report report;
	struct msg_probe p = probe_of(9);

	lose_two();
	one(6, 0);
	one(8, 0);
	EXPECT_ASKED("?2 ?4 ?5 ?7", REORDER);
	keep_from(&p, 5);
	/* Without next() in between. */
	msg_recover_probe(&reader.recover, &p, 200);
	ck_assert_uint_eq(msg_recover_deadline(&reader.recover), 0);
	ck_assert(msg_recover_report(
		&reader.recover, REORDER + 4 * RTT, &report));
	ck_assert_uint_eq(report.base, 5);
	ck_assert_uint_eq(report.count, 3);
	p.stamp++;
	keep_from(&p, 9);
	msg_recover_probe(&reader.recover, &p, 200);
	ck_assert(!msg_recover_report(&reader.recover, 100 * RTT, &report));
	tick(100 * RTT);
	EXPECT("1 !1 3 !2 6 !1 8 ");
}
END_TEST

START_TEST(no_more_is_asked_for_than_there_is_room)
{
	struct msg_recover_options options = story_options();

	options.ask_max = 2;
	story_begin_with(options);
	one(1, 0);
	probe(9, 0);
	EXPECT_ASKED("?2 ?3", REORDER);
	EXPECT_ASKED("", REORDER + 1);
	repair(3, 1, REORDER + 2);
	EXPECT_ASKED("?4", REORDER + 2);
	repair(2, 2, REORDER + 3);
	repair(4, 3, REORDER + 3);
	EXPECT_ASKED("?5 ?6", REORDER + 3);
	EXPECT("1 2 3 4 ");
}
END_TEST

/* Large ones, until some have come. */
START_TEST(of_small_frames_more_find_room)
{
	struct msg_recover_options options = story_options();

	options.ask_bytes = 10000;
	options.frame_bytes = 1000;
	story_begin_with(options);
	one(1, 0);
	probe(16, 0);
	EXPECT_ASKED("?2 ?3 ?4 ?5 ?6 ?7 ?8 ?9 ?10 ?11", REORDER);
	EXPECT_ASKED("", REORDER + 1);
	repair(2, 1, REORDER + 2);
	EXPECT_ASKED("?12 ?13", REORDER + 2);
	/* However large they are, eight. */
	options.ask_bytes = 1;
	story_begin_with(options);
	one(1, 0);
	probe(16, 0);
	EXPECT_ASKED("?2 ?3 ?4 ?5 ?6 ?7 ?8 ?9", REORDER);
	EXPECT_ASKED("", REORDER + 1);
}
END_TEST

/* And at once, when a large one comes. */
START_TEST(of_larger_frames_fewer_find_room)
{
	struct msg_recover_options options = story_options();

	options.ask_bytes = 2000;
	options.frame_bytes = 100;
	story_begin_with(options);
	one(1, 0);
	probe(16, 0);
	msg_recover_ask_size(&reader.recover, 200);
	EXPECT_ASKED("?2 ?3 ?4 ?5 ?6 ?7 ?8 ?9 ?10 ?11", REORDER);
	EXPECT_ASKED("", REORDER + 1);
}
END_TEST

/* ---- in a crowd -------------------------------------------------------- */

/* When 2 is asked for in a crowd, with this seed. */
static uint64_t backoff_of(uint64_t seed)
{
	struct msg_recover_options options = story_options();
	struct msg_probe p = probe_of(1);
	uint64_t at;

	options.seed = seed;
	story_begin_with(options);
	p.flags = MSG_PROBE_CROWD;
	probe_with(p, 0);
	one(1, 0);
	one(3, 0);
	at = msg_recover_deadline(&reader.recover);
	ck_assert_uint_ge(at, REORDER);
	ck_assert_uint_le(at, REORDER + 2 * RTT);
	return at;
}

START_TEST(in_a_crowd_everybody_waits_for_a_time_of_his_own)
{
	uint64_t low = UINT64_MAX, high = 0, sum = 0;

	for (uint64_t seed = 0; seed < 1000; seed++) {
		uint64_t at = backoff_of(seed) - REORDER;

		low = at < low ? at : low;
		high = at > high ? at : high;
		sum += at;
		EXPECT_ASKED("", REORDER + at - 1);
		EXPECT_ASKED("?2", REORDER + at);
	}
	ck_assert_uint_lt(low, RTT / 20);
	ck_assert_uint_gt(high, 2 * RTT - RTT / 20);
	ck_assert(sum / 1000 > RTT * 9 / 10 && sum / 1000 < RTT * 11 / 10);
}
END_TEST

START_TEST(in_a_crowd_what_comes_meanwhile_is_not_asked_for)
{
	uint64_t at = backoff_of(1);

	repair(2, 1, at - 1);
	EXPECT_ASKED("", at);
	EXPECT("1 2 3 ");
}
END_TEST

START_TEST(in_a_crowd_each_question_waits_for_another_time)
{
	uint64_t at = backoff_of(1), before = reader.recover.backoff_ns;

	EXPECT_ASKED("?2", at);
	ck_assert_uint_ne(reader.recover.backoff_ns, before);
}
END_TEST

START_TEST(when_the_crowd_has_gone_nobody_waits)
{
	backoff_of(1);
	probe(4, 0);
	EXPECT_ASKED("?2", REORDER);
}
END_TEST

void add_question_tests(Suite *suite)
{
	TCase *nak = check_case(suite, "nak", 10);

	tcase_add_checked_fixture(nak, story_begin, NULL);
	tcase_add_test(nak, a_gap_is_asked_for_when_the_allowance_is_over);
	tcase_add_test(nak, a_gap_that_fills_in_time_is_not_asked_for);
	tcase_add_test(nak, all_gaps_that_are_due_are_in_one_report);
	tcase_add_test(nak, nobody_is_asked_while_his_address_is_unknown);
	tcase_add_test(nak,
		it_is_asked_for_again_a_round_trip_later_when_there_is_news);
	tcase_add_test(nak, the_serial_of_a_repair_or_a_probe_is_news);
	tcase_add_test(nak, a_serial_far_ahead_is_not_believed_of_a_repair);
	tcase_add_test(
		nak, without_news_it_is_asked_for_again_after_four_round_trips);
	tcase_add_test(nak, patience_is_forgotten_after_a_silence);
	tcase_add_test(nak, the_round_trip_is_that_of_a_frame_asked_for_once);
	tcase_add_test(nak, the_round_trip_has_bounds);
	tcase_add_test(nak, no_round_trip_is_measured_otherwise);
	tcase_add_test(nak, a_round_trip_that_was_measured_ends_all_patience);
	tcase_add_test(nak, what_is_gone_is_not_asked_for_at_first);
	tcase_add_test(nak, no_more_is_asked_for_than_there_is_room);
	tcase_add_test(nak, of_small_frames_more_find_room);
	tcase_add_test(nak, of_larger_frames_fewer_find_room);
	tcase_add_test(nak, a_report_has_bits_for_so_many_frames);
	tcase_add_test(nak, old_and_new_gaps_share_a_report);
	tcase_add_test(nak, what_is_gone_is_not_asked_for);
	tcase_add_test(nak, in_a_crowd_everybody_waits_for_a_time_of_his_own);
	tcase_add_test(nak, in_a_crowd_what_comes_meanwhile_is_not_asked_for);
	tcase_add_test(nak, in_a_crowd_each_question_waits_for_another_time);
	tcase_add_test(nak, when_the_crowd_has_gone_nobody_waits);
}
