/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_flow.c - how far a publisher may go; see protocol/flow.h.
 *
 * The rules one by one; then all together, against a plain count of what was
 * reported (see `plain_limit`).
 */
#include <signal.h>

#include "check_main.h"
#include "protocol/flow.h"
#include "random.h"

#define GIVE_UP 1000u
#define ROOM 8u

static struct msg_flow flow;
static struct msg_flow_receiver receivers[ROOM];

static void start(enum msg_flow_policy policy, uint32_t k)
{
	msg_flow_start(&flow, policy, k, GIVE_UP, receivers, ROOM);
}

static void report_flags(uint64_t id, uint64_t position, uint32_t window,
	uint8_t flags, uint64_t next, uint64_t now)
{
	const struct msg_report report = {
		.receiver = id,
		.position = (uint32_t)position,
		.window = window,
		.flags = flags,
	};

	msg_flow_report(&flow, &report, next, now);
}

static void report(uint64_t id, uint64_t position, uint32_t window,
	uint64_t next, uint64_t now)
{
	report_flags(id, position, window, 0, next, now);
}

START_TEST(without_a_policy_nobody_limits)
{
	start(MSG_FLOW_POLICY_NONE, 0);
	report(1, 0, 0, 10, 0);
	ck_assert(msg_flow_may(&flow, UINT64_MAX - 1));
	ck_assert_uint_eq(msg_flow_expire(&flow, 11, 0, 0), UINT64_MAX);
	ck_assert_uint_eq(msg_flow_position(&flow, 10), 10);
	ck_assert_uint_eq(flow.count, 0);
}
END_TEST

START_TEST(the_slowest_limits)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	ck_assert(msg_flow_may(&flow, 12345));
	report(1, 0, 10, 0, 0);
	ck_assert_uint_eq(flow.limit, 10);
	ck_assert(msg_flow_may(&flow, 9));
	ck_assert(!msg_flow_may(&flow, 10));
	report(2, 0, 5, 0, 0);
	ck_assert_uint_eq(flow.limit, 5);
	report(2, 5, 20, 5, 1);
	ck_assert_uint_eq(flow.limit, 10);
	report(1, 5, 7, 5, 1);
	ck_assert_uint_eq(flow.limit, 12);
	ck_assert_uint_eq(msg_flow_position(&flow, 5), 5);
	report(2, 8, 0, 9, 1);
	ck_assert_uint_eq(flow.limit, 8);
	ck_assert_uint_eq(msg_flow_position(&flow, 9), 5);
}
END_TEST

START_TEST(who_comes_without_room_limits_at_once)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	report(1, 0, 0, 0, 0);
	ck_assert(!msg_flow_may(&flow, 0));
}
END_TEST

START_TEST(who_joins_has_no_position_yet)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	report_flags(1, 0, 5, MSG_REPORT_JOIN, 100, 0);
	ck_assert_uint_eq(flow.count, 0);
	ck_assert(msg_flow_may(&flow, 100));
}
END_TEST

START_TEST(none_of_n_is_no_policy)
{
	start(MSG_FLOW_POLICY_K_OF_N, 0);
}
END_TEST

START_TEST(only_tagged_ones_limit_a_publisher_that_waits_for_them)
{
	start(MSG_FLOW_POLICY_TAGGED, 0);
	report(1, 0, 3, 0, 0);
	ck_assert(msg_flow_may(&flow, 1000));
	report_flags(2, 0, 7, MSG_REPORT_TAGGED, 0, 0);
	ck_assert_uint_eq(flow.limit, 7);
	ck_assert_uint_eq(msg_flow_position(&flow, 5), 0);
	report_flags(1, 1, 3, MSG_REPORT_TAGGED, 2, 0);
	ck_assert_uint_eq(flow.limit, 4);
	report(1, 2, 3, 2, 0);
	ck_assert_uint_eq(flow.limit, 7);
	report(2, 2, 3, 2, 0);
	ck_assert(msg_flow_may(&flow, 1000));
	ck_assert_uint_eq(msg_flow_position(&flow, 5), 5);
}
END_TEST

START_TEST(the_kth_fastest_limits_and_before_there_are_k_nothing_leaves)
{
	start(MSG_FLOW_POLICY_K_OF_N, 2);
	ck_assert(!msg_flow_may(&flow, 0));
	report(1, 0, 10, 0, 0);
	ck_assert(!msg_flow_may(&flow, 0));
	report(2, 0, 4, 0, 0);
	ck_assert_uint_eq(flow.limit, 4);
	report(3, 0, 6, 0, 0);
	ck_assert_uint_eq(flow.limit, 6);
	report(4, 0, 6, 0, 0);
	ck_assert_uint_eq(flow.limit, 6);
	report(2, 4, 8, 6, 0);
	ck_assert_uint_eq(flow.limit, 10);
	report(1, 0, 5, 6, 0);
	ck_assert_uint_eq(flow.limit, 6);
	report_flags(2, 6, 6, MSG_REPORT_LEAVING, 6, 0);
	report_flags(3, 6, 6, MSG_REPORT_LEAVING, 6, 0);
	report_flags(4, 6, 6, MSG_REPORT_LEAVING, 6, 0);
	ck_assert(!msg_flow_may(&flow, 0));
}
END_TEST

/* 10 receivers, k = 1 to 10, against a look at the order. */
START_TEST(any_k_will_do)
{
	struct msg_flow_receiver ten[10];

	for (uint32_t k = 1; k <= 11; k++) {
		msg_flow_start(
			&flow, MSG_FLOW_POLICY_K_OF_N, k, GIVE_UP, ten, 10);
		for (uint32_t i = 0; i < 10; i++)
			report(i * 7 % 10, 0, 100 * (i + 1), 0, 0);
		ck_assert_uint_eq(flow.limit, k > 10 ? 0 : 1100 - 100 * k);
	}
}
END_TEST

START_TEST(who_leaves_limits_nobody)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	report(1, 0, 10, 0, 0);
	report(2, 0, 5, 0, 0);
	report_flags(2, 0, 5, MSG_REPORT_LEAVING, 0, 0);
	ck_assert_uint_eq(flow.limit, 10);
	report_flags(3, 0, 5, MSG_REPORT_LEAVING, 0, 0);
	report_flags(0, 0, 5, MSG_REPORT_LEAVING, 0, 0);
	ck_assert_uint_eq(flow.limit, 10);
	report_flags(1, 99, 5, MSG_REPORT_LEAVING, 0, 0);
	ck_assert_uint_eq(flow.limit, UINT64_MAX);
	ck_assert_uint_eq(flow.count, 0);
}
END_TEST

START_TEST(an_old_report_changes_nothing)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	report(1, 8, 4, 10, 0);
	report(1, 7, 1, 10, 5);
	ck_assert_uint_eq(flow.limit, 12);
	ck_assert_uint_eq(receivers[0].position, 8);
	ck_assert_uint_eq(receivers[0].heard_ns, 5);
	report(1, 8, 1, 10, 5); /* Less room: that may be. */
	ck_assert_uint_eq(flow.limit, 9);
}
END_TEST

START_TEST(who_holds_the_publisher_up_for_too_long_is_cut_off)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	report(1, 0, 10, 0, 0);
	report(2, 0, 50, 0, 0);
	ck_assert_uint_eq(msg_flow_expire(&flow, 11, 0, 5000), 5000 + GIVE_UP);
	report(1, 0, 10, 10, 5500); /* Alive, but it does not move. */
	ck_assert_uint_eq(msg_flow_expire(&flow, 11, 0, 5999), 5000 + GIVE_UP);
	ck_assert_uint_eq(flow.limit, 10);
	ck_assert_uint_eq(msg_flow_expire(&flow, 11, 0, 6000), UINT64_MAX);
	ck_assert_uint_eq(flow.limit, 50);
	ck_assert_uint_eq(flow.cut_total, 1);
	ck_assert_uint_eq(flow.count, 2);
	ck_assert_uint_eq(msg_flow_position(&flow, 30), 0);
	report(2, 30, 50, 30, 6000);
	ck_assert_uint_eq(msg_flow_position(&flow, 30), 30);
	/* What it says counts again once it moves. */
	report(1, 0, 9, 30, 7000);
	ck_assert_uint_eq(flow.limit, 80);
	report(1, 1, 10, 30, 7000);
	ck_assert_uint_eq(flow.limit, 11);
}
END_TEST

START_TEST(more_room_is_a_move_too)
{
	start(MSG_FLOW_POLICY_K_OF_N, 1);
	report(1, 10, 0, 10, 0);
	msg_flow_expire(&flow, 11, 0, 0);
	report(1, 10, 0, 10, GIVE_UP);
	msg_flow_expire(&flow, 11, 0, GIVE_UP);
	ck_assert_uint_eq(flow.cut_total, 1);
	ck_assert_uint_eq(flow.limit, 0);
	report(1, 10, 5, 10, GIVE_UP);
	ck_assert_uint_eq(flow.limit, 15);
}
END_TEST

static void report_reading(uint64_t position, uint32_t pages, uint64_t now)
{
	const struct msg_report report = {
		.receiver = 1,
		.position = (uint32_t)position,
		.window = 10,
		.flags = MSG_REPORT_READING,
		.history = pages,
	};

	msg_flow_report(&flow, &report, 10, now);
}

START_TEST(to_read_more_of_a_large_message_is_a_move_too)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	report_reading(0, 0, 0);
	for (uint64_t now = 0; now < 5 * GIVE_UP; now += GIVE_UP / 2) {
		msg_flow_expire(&flow, 11, 0, now);
		report_reading(0, 1 + (uint32_t)now, now);
	}
	ck_assert_uint_eq(flow.cut_total, 0);
	/* As much as before, or less, is none. */
	msg_flow_expire(&flow, 11, 0, 5 * GIVE_UP);
	report_reading(0, 1 + 4 * GIVE_UP, 5 * GIVE_UP + 1);
	report_reading(0, 7, 6 * GIVE_UP - 1);
	msg_flow_expire(&flow, 11, 0, 6 * GIVE_UP);
	ck_assert_uint_eq(flow.cut_total, 1);
	/* Of the next one any page is. */
	report_reading(3, 0, 7 * GIVE_UP);
	ck_assert_uint_eq(flow.limit, 13);
	msg_flow_expire(&flow, 14, 0, 7 * GIVE_UP);
	report_reading(3, 1, 8 * GIVE_UP - 1);
	msg_flow_expire(&flow, 14, 0, 8 * GIVE_UP);
	ck_assert_uint_eq(flow.cut_total, 1);
}
END_TEST

START_TEST(room_that_comes_and_goes_is_no_move)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	report(1, 0, 10, 0, 0);
	for (uint64_t now = 0; now < 2 * GIVE_UP; now += 100) {
		report(1, 0, now % 200 ? 10 : 3, 10, now);
		msg_flow_expire(&flow, 11, 0, now);
	}
	ck_assert_uint_eq(flow.cut_total, 1);
	ck_assert_uint_eq(flow.limit, UINT64_MAX);
}
END_TEST

START_TEST(who_was_silent_for_so_long_is_forgotten)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	report(1, 0, 10, 0, 0);
	report(2, 0, 10, 0, 0);
	report(3, 0, 10, 0, 0);
	ck_assert_uint_eq(msg_flow_expire(&flow, 11, 0, 100), 100 + GIVE_UP);
	report(2, 5, 10, 10, 200);
	ck_assert_uint_eq(
		msg_flow_expire(&flow, 11, 0, 100 + GIVE_UP), UINT64_MAX);
	ck_assert_uint_eq(flow.count, 1);
	ck_assert_uint_eq(receivers[0].id, 2);
	ck_assert_uint_eq(flow.limit, 15);
	ck_assert_uint_eq(flow.cut_total, 2);
}
END_TEST

/* Its time begins when a frame waits for it, and again with each move. */
START_TEST(nobody_is_cut_off_for_being_still_while_the_publisher_is)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	report(1, 0, 10, 0, 0);
	report(2, 0, 30, 0, 0);
	ck_assert_uint_eq(msg_flow_expire(&flow, 11, 0, 1000000), 1001000);
	report(1, 10, 0, 10, 1000900);
	ck_assert_uint_eq(msg_flow_expire(&flow, 11, 0, 1000950), 1001950);
	report(1, 10, 5, 10, 1001000); /* Holds it up no longer. */
	ck_assert_uint_eq(msg_flow_expire(&flow, 16, 0, 1005000), 1006000);
	ck_assert_uint_eq(flow.cut_total, 0);
	msg_flow_expire(&flow, 16, 0, 0); /* A clock that jumps back. */
	ck_assert_uint_eq(flow.cut_total, 0);
}
END_TEST

/* Holds, then says it has room after all, without moving: not held. */
START_TEST(who_has_room_again_holds_up_nobody)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	report(1, 0, 10, 0, 0);
	report(1, 0, 4, 4, 0);
	msg_flow_expire(&flow, 5, 0, 100);
	report(1, 0, 10, 4, 500);
	ck_assert_uint_eq(flow.limit, 10);
	ck_assert_uint_eq(msg_flow_expire(&flow, 11, 0, 1200), 1200 + GIVE_UP);
	ck_assert_uint_eq(flow.cut_total, 0);
}
END_TEST

/* However much room he has. */
START_TEST(who_lacks_what_is_to_be_forgotten_is_cut_off)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	report(1, 2, 1000, 10, 0);
	report(2, 3, 1000, 10, 0);
	ck_assert_uint_eq(msg_flow_expire(&flow, 0, 2, 50), UINT64_MAX);
	ck_assert_uint_eq(msg_flow_expire(&flow, 0, 3, 100), 100 + GIVE_UP);
	report(1, 2, 1000, 10, 500); /* Alive, but it does not move. */
	ck_assert_uint_eq(
		msg_flow_expire(&flow, 0, 3, 100 + GIVE_UP), UINT64_MAX);
	ck_assert_uint_eq(flow.cut_total, 1);
	ck_assert_uint_eq(flow.count, 2);
	ck_assert_uint_eq(msg_flow_position(&flow, 10), 3);
	/* Who is silent is forgotten. */
	ck_assert_uint_eq(msg_flow_expire(&flow, 0, 4, 2000), 2000 + GIVE_UP);
	ck_assert_uint_eq(
		msg_flow_expire(&flow, 0, 4, 2000 + GIVE_UP), UINT64_MAX);
	ck_assert_uint_eq(flow.cut_total, 2);
	ck_assert_uint_eq(flow.count, 1);
	ck_assert_uint_eq(msg_flow_position(&flow, 10), 10);
	/* The other counts again when it moves. */
	report(1, 3, 1000, 10, 4000);
	ck_assert_uint_eq(msg_flow_position(&flow, 10), 3);
}
END_TEST

/* Memory is not short any more: his time begins anew. */
START_TEST(who_is_not_waited_for_meanwhile_is_waited_for_anew)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	report(1, 2, 1000, 10, 0);
	msg_flow_expire(&flow, 0, 3, 100);
	ck_assert_uint_eq(msg_flow_expire(&flow, 0, 0, 200), UINT64_MAX);
	report(1, 2, 1000, 10, 300);
	ck_assert_uint_eq(msg_flow_expire(&flow, 0, 3, 1000), 1000 + GIVE_UP);
	ck_assert_uint_eq(flow.cut_total, 0);
}
END_TEST

START_TEST(time_near_its_end_does_not_wrap)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	report(1, 0, 10, 0, UINT64_MAX - 10);
	ck_assert_uint_eq(
		msg_flow_expire(&flow, 11, 0, UINT64_MAX - 10), UINT64_MAX);
}
END_TEST

START_TEST(frames_never_sent_are_not_believed)
{
	const uint64_t wrap = UINT64_C(1) << 32;

	start(MSG_FLOW_POLICY_MIN, 0);
	report(1, 11, 10, 10, 0);
	report(1, UINT32_MAX, 10, 10, 0);       /* -1 */
	report(1, 0x80000000u + 10, 10, 10, 0); /* As far as it goes. */
	ck_assert_uint_eq(flow.unbelieved_total, 3);
	ck_assert_uint_eq(flow.count, 0);
	report(1, wrap - 2, 10, wrap + 1, 0);
	ck_assert_uint_eq(flow.limit, wrap + 8);
	report(1, wrap + 1, 10, wrap + 1, 0);
	ck_assert_uint_eq(flow.limit, wrap + 11);
	report(1, wrap + 2, 10, wrap + 1, 0);
	ck_assert_uint_eq(flow.unbelieved_total, 4);
	report(2, wrap + 1, UINT32_MAX, wrap + 1, 0);
	ck_assert_uint_eq(flow.limit, wrap + 11);
	report(1, UINT64_MAX - 1, UINT32_MAX, UINT64_MAX - 1, 0);
	report(2, UINT64_MAX - 1, UINT32_MAX, UINT64_MAX - 1, 0);
	ck_assert_uint_eq(flow.limit, UINT64_MAX);
}
END_TEST

START_TEST(a_full_table_takes_newcomers_for_the_long_silent_only)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	for (uint64_t id = 0; id < ROOM; id++)
		report(id, 0, id == 3 ? 5 : 20, 0, id == 3 ? 0 : 10);
	for (uint64_t id = 100; id < 100100; id++)
		report(id, 0, 1, 0, 500);
	ck_assert_uint_eq(flow.refused_total, 100000);
	ck_assert_uint_eq(flow.limit, 5);
	report(200, 0, 9, 0, GIVE_UP); /* The one whose id is 3 goes. */
	ck_assert_uint_eq(flow.limit, 9);
	ck_assert_uint_eq(flow.count, ROOM);
	report(3, 0, 5, 0, GIVE_UP);
	ck_assert_uint_eq(flow.limit, 9);
	ck_assert_uint_eq(flow.refused_total, 100001);
	report(200, 1, 19, 2, GIVE_UP); /* Who is in it is heard. */
	ck_assert_uint_eq(flow.limit, 20);
	/* A table without places refuses all. */
	msg_flow_start(&flow, MSG_FLOW_POLICY_MIN, 0, GIVE_UP, receivers, 0);
	report(1, 0, 5, 0, 0);
	ck_assert_uint_eq(flow.refused_total, 1);
	ck_assert_uint_eq(flow.limit, UINT64_MAX);
}
END_TEST

/* What a plain look at all of them says. */
static uint64_t plain_limit(uint32_t k)
{
	uint64_t limits[ROOM];
	uint32_t count = 0;

	for (uint32_t i = 0; i < flow.count; i++) {
		const struct msg_flow_receiver *r = &receivers[i];
		uint32_t j = count;

		if (r->cut ||
			(flow.policy == MSG_FLOW_POLICY_TAGGED && !r->tagged))
			continue;
		for (; j > 0 && limits[j - 1] < r->limit; j--)
			limits[j] = limits[j - 1];
		limits[j] = r->limit;
		count++;
	}
	if (flow.policy == MSG_FLOW_POLICY_K_OF_N)
		return count < k ? 0 : limits[k - 1];
	return count == 0 ? UINT64_MAX : limits[count - 1];
}

static void random_publisher(struct random_stream *random)
{
	enum msg_flow_policy policy =
		(enum msg_flow_policy)(1 + random_below(random, 3));
	uint32_t k = 1 + (uint32_t)random_below(random, 4);
	uint64_t next = (UINT64_C(1) << 32) - random_below(random, 200);
	uint64_t now = 0;

	start(policy, k);
	for (int step = 0; step < 400; step++) {
		uint64_t id = random_below(random, ROOM + 3);
		uint8_t flags =
			random_chance(random, 30) ? MSG_REPORT_LEAVING : 0;

		now += random_below(random, GIVE_UP / 4);
		if (msg_flow_may(&flow, next))
			next += random_below(random, 8);
		else
			msg_flow_expire(&flow, next + 1, 0, now);
		if (random_chance(random, 100))
			msg_flow_expire(&flow, 0,
				next - random_below(random, 30), now);
		if (random_chance(random, 600))
			flags |= MSG_REPORT_TAGGED;
		report_flags(id, next + 2 - random_below(random, 30),
			(uint32_t)random_below(random, 40), flags, next, now);
		ck_assert_uint_eq(flow.limit, plain_limit(k));
		ck_assert_uint_le(flow.count, ROOM);
		for (uint32_t i = 1; i < flow.count; i++)
			ck_assert_uint_lt(receivers[i - 1].id, receivers[i].id);
	}
}

START_TEST(random_reports_give_the_limit_a_plain_look_gives)
{
	for (uint64_t trial = 0; trial < 2000; trial++) {
		struct random_stream random = {check_seed() + trial};

		random_publisher(&random);
	}
}
END_TEST

/* However they lie: a publisher with MIN gets away again within GIVE_UP. */
START_TEST(those_who_lie_at_the_same_time_hold_up_for_the_same_time)
{
	start(MSG_FLOW_POLICY_MIN, 0);
	for (uint64_t id = 1; id <= ROOM; id++)
		report(id, 10, 0, 10, id);
	ck_assert(!msg_flow_may(&flow, 10));
	msg_flow_expire(&flow, 11, 0, 50);
	for (uint64_t id = 1; id <= ROOM; id++)
		report(id, 10, 0, 10, 900 + id);
	msg_flow_expire(&flow, 11, 0, 50 + GIVE_UP);
	ck_assert(msg_flow_may(&flow, 10));
	ck_assert_uint_eq(flow.cut_total, ROOM);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow_limit");
	TCase *policy = check_case(suite, "policy", 10);
	TCase *time = check_case(suite, "time", 10);
	TCase *hostile = check_case(suite, "hostile", 60);

	tcase_add_test(policy, without_a_policy_nobody_limits);
	tcase_add_test(policy, the_slowest_limits);
	tcase_add_test(
		policy, only_tagged_ones_limit_a_publisher_that_waits_for_them);
	tcase_add_test(policy,
		the_kth_fastest_limits_and_before_there_are_k_nothing_leaves);
	tcase_add_test(policy, any_k_will_do);
	tcase_add_test_raise_signal(policy, none_of_n_is_no_policy, SIGABRT);
	tcase_add_test(policy, who_comes_without_room_limits_at_once);
	tcase_add_test(policy, who_joins_has_no_position_yet);
	tcase_add_test(policy, who_leaves_limits_nobody);
	tcase_add_test(policy, an_old_report_changes_nothing);
	tcase_add_test(
		time, who_holds_the_publisher_up_for_too_long_is_cut_off);
	tcase_add_test(time, more_room_is_a_move_too);
	tcase_add_test(
		time, to_read_more_of_a_large_message_is_a_move_too);
	tcase_add_test(time, room_that_comes_and_goes_is_no_move);
	tcase_add_test(time, who_was_silent_for_so_long_is_forgotten);
	tcase_add_test(
		time, nobody_is_cut_off_for_being_still_while_the_publisher_is);
	tcase_add_test(time, who_has_room_again_holds_up_nobody);
	tcase_add_test(time, who_lacks_what_is_to_be_forgotten_is_cut_off);
	tcase_add_test(time, who_is_not_waited_for_meanwhile_is_waited_for_anew);
	tcase_add_test(time, time_near_its_end_does_not_wrap);
	tcase_add_test(hostile, frames_never_sent_are_not_believed);
	tcase_add_test(
		hostile, a_full_table_takes_newcomers_for_the_long_silent_only);
	tcase_add_test(hostile,
		those_who_lie_at_the_same_time_hold_up_for_the_same_time);
	tcase_add_test(
		hostile, random_reports_give_the_limit_a_plain_look_gives);
	return check_main(suite, NULL);
}
