/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repair_probe.c - when a publisher probes; see protocol/repair.h.  Part of
 * test_repair.c.
 */
#include "repair_story.h"

#include <string.h>

#define US MSG_NS_PER_US

/* A publisher that has probed, and whose next heartbeat is far away. */
static void begin_still(void)
{
	begin(0);
	due(story_now);
	EXPECT("pA");
	/* Its early probes are over. */
	repair.beat_ns = HEARTBEAT;
	repair.beat_at = story_now + HEARTBEAT;
	repair.deadline = repair.beat_at;
}

/* Look at every microsecond of `span`, and tell only at which something
 * happened, since now. */
static void watch(uint64_t span, uint64_t *when, uint32_t *count)
{
	uint64_t from = story_now;

	*count = 0;
	for (; story_now <= from + span; story_now += US) {
		struct msg_repair_action action;
		uint64_t deadline = repair.deadline;

		msg_repair_due(&repair, story_now, &action);
		if (action.kind == MSG_REPAIR_NOTHING)
			continue;
		ck_assert_uint_le(deadline, story_now);
		when[(*count)++] = story_now - from;
		ck_assert_uint_lt(*count, 100);
	}
}

START_TEST(the_first_probe_says_where_to_write_to)
{
	begin(0);
	ck_assert_uint_eq(repair.deadline, 0);
	due(story_now);
	EXPECT("pA");
	ck_assert_uint_eq(
		repair.deadline, story_now + MSG_REPAIR_BEAT_MIN_NS);
	due(story_now + MSG_REPAIR_BEAT_MIN_NS - 1);
	EXPECT("");
	due(story_now + HEARTBEAT);
	EXPECT("pA");
}
END_TEST

START_TEST(a_small_last_frame_goes_again_and_then_probes)
{
	begin_still();
	sent(3);
	ck_assert_uint_eq(repair.deadline, 0);
	due(story_now);
	ck_assert_uint_eq(repair.deadline, story_now + RTT);
	due(story_now + RTT - 1);
	EXPECT("");
	due(story_now + RTT);
	EXPECT("m2#1");
	ck_assert_uint_eq(repair.counts.tails, 1);
	due(story_now + 5 * RTT - 1);
	EXPECT("");
	due(story_now + 5 * RTT);
	EXPECT("p");
	/* Who misses it has heard of it now. */
	ask(A, 3, 0, "2");
	EXPECT("");
	ask(A, 3, 1, "2");
	EXPECT("u2#2");
}
END_TEST

START_TEST(a_large_last_frame_is_told_of)
{
	begin_still();
	sent(3);
	msg_repair_sent(&repair, MSG_REPAIR_TAIL_BYTES + 1);
	due(story_now);
	due(story_now + RTT);
	EXPECT("p");
	msg_repair_sent(&repair, MSG_REPAIR_TAIL_BYTES);
	due(story_now + RTT);
	due(story_now + 2 * RTT);
	EXPECT("m4#1");
}
END_TEST

START_TEST(a_last_frame_that_is_no_more_is_told_of)
{
	begin_still();
	sent(3);
	msg_repair_forget(&repair, 3);
	due(story_now);
	due(story_now + RTT);
	EXPECT("p");
}
END_TEST

/* Who misses the first knows nobody to ask: msg_sim, 10 % loss at a million
 * messages a second, took 100 ms for a repair, and 100 000 messages waited. */
START_TEST(the_first_probes_come_more_often)
{
	uint64_t when[100];
	uint32_t count;

	begin(0);
	watch(300 * MSG_NS_PER_MS, when, &count);
	ck_assert_uint_eq(count, 7);
	ck_assert_uint_eq(when[0], 0);
	ck_assert_uint_eq(when[1], 1000 * US);
	ck_assert_uint_eq(when[2], 5000 * US);
	ck_assert_uint_eq(when[3], 21000 * US);
	ck_assert_uint_eq(when[4], 85000 * US);
	ck_assert_uint_eq(when[5], 185000 * US);
	ck_assert_uint_eq(when[6], 285000 * US);
}
END_TEST

START_TEST(probes_slow_down_to_the_heartbeat)
{
	uint64_t when[100];
	uint32_t count;

	begin_still();
	sent(1);
	watch(500 * MSG_NS_PER_MS, when, &count);
	ck_assert_uint_eq(when[0], 20 * US);
	ck_assert_uint_eq(when[1], 100 * US);
	ck_assert_uint_eq(when[2], 420 * US);
	ck_assert_uint_eq(when[3], 1700 * US);
	ck_assert_uint_eq(when[4], 6820 * US);
	ck_assert_uint_eq(when[5], 27300 * US);
	ck_assert_uint_eq(when[6], 109220 * US);
	ck_assert_uint_eq(when[7], 209220 * US);
	ck_assert_uint_eq(when[8], 309220 * US);
	ck_assert_uint_eq(when[9], 409220 * US);
	ck_assert_uint_eq(count, 10);
}
END_TEST

START_TEST(a_round_trip_of_next_to_nothing_is_ten_microseconds)
{
	uint64_t when[100];
	uint32_t count;

	begin_still();
	repair.rtt_ns = 0;
	sent(1);
	watch(500 * US, when, &count);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(when[0], 10 * US);
	ck_assert_uint_eq(when[1], 50 * US);
	ck_assert_uint_eq(when[2], 210 * US);
}
END_TEST

START_TEST(a_probe_comes_no_later_than_the_heartbeat)
{
	begin_still();
	repair.rtt_ns = MSG_REPAIR_RTT_MAX_NS;
	story_now += HEARTBEAT / 2;
	sent(1);
	due(story_now);
	due(story_now + HEARTBEAT / 2);
	EXPECT("pA");
	due(story_now + HEARTBEAT);
	EXPECT("m0#1");
}
END_TEST

/* Every 15 us, so that the tail never has its time. */
START_TEST(a_stream_that_never_pauses_is_probed_once_a_heartbeat)
{
	uint32_t probes = 0;

	begin_still();
	for (uint64_t end = story_now + MSG_NS_PER_S; story_now < end;
		story_now += 15 * US) {
		struct msg_repair_action action;

		sent(1);
		msg_repair_due(&repair, story_now, &action);
		ck_assert_int_ne(action.kind, MSG_REPAIR_MULTICAST);
		probes += action.kind == MSG_REPAIR_PROBE;
	}
	ck_assert_uint_eq(probes, 9);
	ck_assert_uint_eq(repair.counts.tails, 0);
	/* And then its tail comes. */
	due(story_now + RTT);
	ck_assert_int_eq(story[0], 'm');
}
END_TEST

START_TEST(a_repair_is_followed_by_a_probe)
{
	begin_still();
	sent(3);
	due(story_now);
	due(story_now + RTT);
	EXPECT("m2#1");
	story_now += 40 * RTT;
	due(story_now);
	EXPECT("p");
	due(story_now + RTT);
	EXPECT("");
	ask(A, 3, 1, "1");
	EXPECT("u1#2");
	ck_assert_uint_eq(repair.deadline, 0);
	due(story_now + RTT);
	due(story_now + 2 * RTT - 1);
	EXPECT("");
	due(story_now + 2 * RTT);
	EXPECT("p");
	due(story_now + 6 * RTT);
	EXPECT("p");
}
END_TEST

/* A's repair is lost; B's, one every 15 us, must not keep the news from A. */
START_TEST(repairs_to_others_do_not_put_a_probe_off)
{
	begin_still();
	sent(60);
	due(story_now);
	due(story_now + RTT);
	EXPECT("m59#1");
	story_now += 2 * RTT;
	ask(A, 60, 1, "1");
	due(story_now);
	EXPECT("u1#2");
	for (uint32_t i = 0; repair.counts.probes == 1 && i < 50; i++) {
		story_now += 15 * US;
		ask(B, 60, repair.serial, "2");
		due(story_now);
	}
	EXPECT("u2#3 u2#4 p");
}
END_TEST

/* Four in 100 us, without end: the probes behind them keep to their rate. */
START_TEST(repairs_without_end_do_not_make_probes_without_end)
{
	uint64_t probes;

	begin_still();
	sent(60);
	probes = repair.counts.probes;
	for (uint32_t i = 0; i < 40000; i++) {
		story_now += 25 * US;
		ask(A, 60, repair.serial, "2");
		due(story_now);
		story[0] = '\0';
	}
	probes = repair.counts.probes - probes;
	ck_assert_uint_ge(probes, MSG_REPAIR_NEWS);
	ck_assert_uint_le(probes, 4 * MSG_REPAIR_NEWS);
}
END_TEST

START_TEST(a_tail_that_was_told_is_not_sent_again_for_a_repair)
{
	begin_still();
	sent(3);
	due(story_now);
	due(story_now + RTT);
	EXPECT("m2#1");
	ask(A, 3, 1, "2");
	due(story_now + 2 * RTT);
	due(story_now + 3 * RTT);
	EXPECT("u2#2 p");
}
END_TEST

START_TEST(a_clock_that_jumps_back_stops_no_probe)
{
	begin_still();
	sent(1);
	due(story_now);
	due(5);
	due(5 + HEARTBEAT);
	EXPECT("pA");
}
END_TEST

/* ---- the round trip ------------------------------------------------------- */

static void echo(uint64_t stamp, uint32_t rtt_ns, uint64_t now)
{
	struct msg_report report = report_of(A, repair.next, 0, "");

	report.stamp = stamp;
	report.rtt_ns = rtt_ns;
	story_now = now;
	told(&report);
	EXPECT("");
}

START_TEST(the_echo_of_a_stamp_gives_the_round_trip)
{
	uint64_t asked;

	begin_still();
	asked = story_now;
	echo(asked, 0, asked + 35 * US);
	ck_assert_uint_eq(repair.rtt_ns, 35 * US);
	/* The longest counts. */
	echo(asked, 0, asked + 30 * US);
	ck_assert_uint_eq(repair.rtt_ns, 35 * US);
	echo(asked, 0, asked + 70 * US);
	ck_assert_uint_eq(repair.rtt_ns, 70 * US);
	echo(0, 90 * US, asked + 80 * US);
	ck_assert_uint_eq(repair.rtt_ns, 90 * US);
}
END_TEST

START_TEST(only_the_stamp_of_the_last_probe_that_asked_is_believed)
{
	uint64_t asked;

	begin_still();
	asked = story_now;
	echo(asked + 1, 0, asked + 35 * US);
	echo(1, 0, asked + 35 * US);
	echo(asked, 0, asked - 1);
	ck_assert_uint_eq(repair.rtt_ns, RTT);
	ck_assert(!repair.rtt_known);
}
END_TEST

START_TEST(a_round_trip_stays_within_reason)
{
	uint64_t asked;

	begin_still();
	asked = story_now;
	echo(asked, 0, asked);
	ck_assert_uint_eq(repair.rtt_ns, 10 * US);
	echo(0, 1, asked);
	ck_assert_uint_eq(repair.rtt_ns, 10 * US);
	echo(0, UINT32_MAX, asked);
	ck_assert_uint_eq(repair.rtt_ns, MSG_NS_PER_S);
}
END_TEST

START_TEST(a_long_round_trip_is_forgotten_after_some_seconds)
{
	uint64_t asked;

	begin_still();
	asked = story_now;
	echo(0, 500 * US, asked);
	echo(0, 50 * US, asked + 2 * MSG_NS_PER_S);
	ck_assert_uint_eq(repair.rtt_ns, 500 * US);
	echo(0, 60 * US, asked + 4 * MSG_NS_PER_S);
	ck_assert_uint_eq(repair.rtt_ns, 60 * US);
	echo(0, 900 * US, asked + 5 * MSG_NS_PER_S);
	echo(0, 20 * US, asked + 60 * MSG_NS_PER_S);
	ck_assert_uint_eq(repair.rtt_ns, 20 * US);
}
END_TEST

START_TEST(all_are_asked_once_a_second_when_the_round_trip_is_known)
{
	uint32_t asked = 0;

	begin_still();
	echo(story_now, 0, story_now + 35 * US);
	for (uint32_t i = 1; i <= 100; i++) {
		due(story_now + i * HEARTBEAT);
		asked += strcmp(story, "pA") == 0;
		story[0] = '\0';
	}
	ck_assert_uint_ge(asked, 9);
	ck_assert_uint_le(asked, 10);
}
END_TEST

START_TEST(all_are_asked_as_often_as_flow_control_wants)
{
	const struct msg_repair_options options = {.history = HISTORY,
		.heartbeat_ns = HEARTBEAT,
		.ask_ns = 250 * MSG_NS_PER_MS};
	uint64_t start;

	begin(0);
	start = story_now;
	msg_repair_start(&repair, &options, records);
	due(start);
	EXPECT("pA");
	echo(start, 0, start + 35 * US);
	story[0] = '\0';
	due(start + HEARTBEAT);
	due(start + 2 * HEARTBEAT);
	due(start + 3 * HEARTBEAT);
	EXPECT("p p pA");
}
END_TEST

START_TEST(unanswered_probes_ask_no_more_than_once_a_heartbeat)
{
	begin_still();
	sent(1);
	due(story_now);
	due(story_now + RTT);
	due(story_now + 5 * RTT);
	due(story_now + 21 * RTT);
	EXPECT("m0#1 p p");
	due(story_now + HEARTBEAT);
	due(story_now + 2 * HEARTBEAT);
	EXPECT("pA pA");
}
END_TEST

void add_probe_tests(Suite *suite)
{
	TCase *probe = check_case(suite, "probe", 20);
	TCase *rtt = check_case(suite, "round trip", 20);

	tcase_add_test(probe, the_first_probe_says_where_to_write_to);
	tcase_add_test(probe, a_small_last_frame_goes_again_and_then_probes);
	tcase_add_test(probe, a_large_last_frame_is_told_of);
	tcase_add_test(probe, a_last_frame_that_is_no_more_is_told_of);
	tcase_add_test(probe, the_first_probes_come_more_often);
	tcase_add_test(probe, probes_slow_down_to_the_heartbeat);
	tcase_add_test(
		probe, a_round_trip_of_next_to_nothing_is_ten_microseconds);
	tcase_add_test(probe, a_probe_comes_no_later_than_the_heartbeat);
	tcase_add_test(
		probe, a_stream_that_never_pauses_is_probed_once_a_heartbeat);
	tcase_add_test(probe, a_repair_is_followed_by_a_probe);
	tcase_add_test(probe, repairs_to_others_do_not_put_a_probe_off);
	tcase_add_test(
		probe, repairs_without_end_do_not_make_probes_without_end);
	tcase_add_test(
		probe, a_tail_that_was_told_is_not_sent_again_for_a_repair);
	tcase_add_test(probe, a_clock_that_jumps_back_stops_no_probe);
	tcase_add_test(rtt, the_echo_of_a_stamp_gives_the_round_trip);
	tcase_add_test(
		rtt, only_the_stamp_of_the_last_probe_that_asked_is_believed);
	tcase_add_test(rtt, a_round_trip_stays_within_reason);
	tcase_add_test(rtt, a_long_round_trip_is_forgotten_after_some_seconds);
	tcase_add_test(
		rtt, all_are_asked_once_a_second_when_the_round_trip_is_known);
	tcase_add_test(rtt, all_are_asked_as_often_as_flow_control_wants);
	tcase_add_test(
		rtt, unanswered_probes_ask_no_more_than_once_a_heartbeat);
}
