/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_repairer.c - reports in, repairs and probes out, over a wire in memory and
 * by a clock of the test's own: what leaves, to whom, and what must not.
 *
 * Here repairs, what is no report, and who turns it; in repairer_peers.c who
 * reported; in repairer_due.c what leaves by the clock, and who is waited for.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "check_main.h"
#include "repairer_side.h"
#include "virtual_clock.h"

/* ---- repairs ------------------------------------------------------------ */

START_TEST(who_asks_gets_the_frame_and_nobody_else_does)
{
	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	ask(&a, 1, 17, 17);
	look(&a);
	look(&b);
	check_repair(&a, 17, 1, 0, 0);
	ck_assert_uint_eq(b.frames, 0);
	source_type = MSG_FRAME_FRAGMENT;
	ask(&b, 2, 18, 18);
	look(&a);
	look(&b);
	check_repair(&b, 18, 2, MSG_FRAGMENT_HEADER_BYTES, 0);
	ck_assert_uint_eq(a.frames, 0);
	source_type = MSG_FRAME_PACKED;
	ask(&a, 1, 29, 29);
	look(&a);
	check_repair(&a, 29, 3, 0, TABLE);
	ck_assert_uint_eq(counted(MSG_COUNTER_NAKS), 3);
	ck_assert_uint_eq(counted(MSG_COUNTER_ASKED), 3);
	ck_assert_uint_eq(counted(MSG_COUNTER_REPAIRS), 3);
	ck_assert_uint_eq(counted(MSG_COUNTER_MULTICASTS), 0);
	close_all();
}
END_TEST

START_TEST(the_third_who_asks_starts_one_for_all)
{
	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	ask(&a, 1, 5, 5);
	ask(&a, 2, 5, 5);
	look(&a);
	look(&b);
	ck_assert_uint_eq(a.frames, 2);
	ck_assert_uint_eq(b.frames, 0);
	ask(&a, 3, 5, 5);
	look(&a);
	look(&b);
	check_repair(&a, 5, 3, 0, 0);
	check_repair(&b, 5, 3, 0, 0);
	ck_assert_uint_eq(counted(MSG_COUNTER_MULTICASTS), 1);
	ck_assert_uint_eq(counted(MSG_COUNTER_REPAIRS), 3);
	close_all();
}
END_TEST

/* An address of a kind that the link does not know, and none at all. */
START_TEST(who_cannot_be_reached_is_answered_to_all)
{
	struct msg_report report;

	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	report = misses(&a, 1, 5, 5);
	report.reach.data[0] ^= 1;
	say(&a, &report);
	turn();
	look(&a);
	look(&b);
	check_repair(&a, 5, 1, 0, 0);
	check_repair(&b, 5, 1, 0, 0);
	report = misses(&a, 2, 6, 6);
	memset(&report.reach, 0, sizeof report.reach);
	say(&a, &report);
	turn();
	look(&b);
	check_repair(&b, 6, 2, 0, 0);
	close_all();
}
END_TEST

START_TEST(what_the_source_has_no_more_is_not_sent)
{
	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	/* Between two looks: the record does not know yet. */
	source_first = 10;
	ask(&a, 1, 9, 10);
	look(&a);
	check_repair(&a, 10, 2, 0, 0);
	/* Once it is told, a probe says so before the repair. */
	msg_repairer_enter(&r);
	msg_repairer_forget(&r, 20);
	msg_repairer_leave(&r);
	source_first = 20;
	ask(&a, 1, 19, 20);
	look(&a);
	ck_assert_uint_eq(a.frames, 1);
	ck_assert_uint_eq(a.probes, 1);
	ck_assert_uint_eq(a.probe.first, 20);
	ck_assert_uint_eq(a.probe.first_sequence, FIRST_SEQUENCE + 20);
	ck_assert_uint_eq(a.frame.transmission, 20);
	ck_assert_uint_eq(counted(MSG_COUNTER_GONE), 1);
	close_all();
}
END_TEST

/* One report can ask for more than may be under way. */
START_TEST(no_more_is_under_way_than_there_are_places)
{
	struct memory_wire_options slow = {.seed = check_seed(), .lag = true};
	uint32_t got = 0;

	open_all(&slow, MSG_FLOW_POLICY_NONE);
	begin(1500);
	for (int round = 0; round < 400; round++) {
		ask(&a, 1, 0, MSG_REPORT_FRAMES_MAX - 1);
		ck_assert_uint_le(
			r.sent_head - r.sent_tail, MSG_REPAIRER_PLACES);
		look(&a);
		for (uint32_t i = 0; i < a.frames; i++)
			got++;
		virtual_clock_pass(RTT_NS);
	}
	ck_assert_uint_gt(got, MSG_REPAIRER_PLACES);
	for (int i = 0; i < 1000; i++)
		turn();
	ck_assert_uint_eq(r.sent_head, r.sent_tail);
	close_all();
}
END_TEST

START_TEST(a_repair_under_way_keeps_its_frame)
{
	struct memory_wire_options slow = {.lag = true};
	int left = 0;

	for (uint64_t trial = 0; trial < 50; trial++) {
		slow.seed = check_seed() + trial;
		open_all(&slow, MSG_FLOW_POLICY_NONE);
		begin(30);
		for (int i = 0; i < 100; i++)
			turn();
		ask(&a, 1, 3, 4);
		look(&a);
		/* Not before its completion was seen. */
		while (msg_repairer_flies(&r, 4))
			left++;
		ck_assert(!msg_repairer_flies(&r, 3));
		ck_assert(!msg_repairer_flies(&r, 5));
		look(&a);
		close_all();
	}
	ck_assert_int_gt(left, 0);
}
END_TEST

START_TEST(what_the_link_refuses_is_one_loss_more)
{
	struct memory_wire_options deaf = {.seed = check_seed(), .refuse = 1000};

	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	/* Its report is on the way already. */
	say(&a, &(struct msg_report){0});
	memory_wire_reset(&deaf);
	msg_repairer_enter(&r);
	for (int i = 0; i < 3; i++) {
		virtual_clock_pass(200 * MSG_NS_PER_MS);
		ck_assert_int_ge(msg_repairer_turn(&r, msg_clock_ns()), 0);
	}
	msg_repairer_leave(&r);
	ck_assert_uint_eq(r.sent_head, r.sent_tail);
	memory_wire_reset(NULL);
	virtual_clock_pass(200 * MSG_NS_PER_MS);
	turn();
	look(&a);
	ck_assert_uint_eq(a.probes, 1);
	ask(&a, 1, 3, 3);
	look(&a);
	ck_assert_uint_eq(a.frames, 1);
	close_all();
}
END_TEST

/* ---- what is not a report ------------------------------------------------ */

START_TEST(what_is_no_report_is_counted_and_dropped)
{
	struct msg_report report;
	uint32_t bytes;

	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	report = misses(&a, 1, 5, 5);
	bytes = msg_report_write(a.report, &report, TAG, PUBLISHER);
	/* Too short, of each length. */
	for (uint32_t i = 0; i < bytes; i++) {
		put(&a, i);
		turn();
		ck_assert_uint_eq(r.repair.counts.reports, 0);
	}
	/* Another kind of frame. */
	msg_frame_write(a.report, &(struct msg_frame){.type = MSG_FRAME_SINGLE,
					  .bytes = MSG_FRAME_HEADER_BYTES,
					  .tag = TAG,
					  .publisher = PUBLISHER});
	put(&a, MSG_FRAME_HEADER_BYTES);
	turn();
	virtual_clock_pass(200 * MSG_NS_PER_MS);
	turn();
	ck_assert_uint_eq(counted(MSG_COUNTER_MALFORMED), bytes + 1);
	/* For somebody else. */
	put(&a, msg_report_write(a.report, &report, TAG ^ 1, PUBLISHER));
	put(&a, msg_report_write(a.report, &report, TAG, PUBLISHER ^ 1));
	turn();
	ck_assert_uint_eq(counted(MSG_COUNTER_FOREIGN), 2);
	/* About a frame never sent. */
	report.heard += 1;
	say(&a, &report);
	turn();
	ck_assert_uint_eq(counted(MSG_COUNTER_UNBELIEVED), 1);
	look(&a);
	ck_assert_uint_eq(a.frames, 0);
	for (uint32_t i = 0; i < MSG_REPAIRER_PEERS; i++)
		ck_assert(!r.peers[i].used);
	close_all();
}
END_TEST

/* ---- who turns it ---------------------------------------------------------- */

START_TEST(one_at_a_time_is_inside)
{
	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	msg_repairer_enter(&r);
	ck_assert(!msg_repairer_try(&r));
	say(&a, &(struct msg_report){0});
	ck_assert_int_eq(msg_repairer_progress(&r, msg_clock_ns()), 0);
	msg_repairer_leave(&r);
	ck_assert_int_gt(msg_repairer_progress(&r, msg_clock_ns()), 0);
	ck_assert(msg_repairer_try(&r));
	msg_repairer_leave(&r);
	close_all();
}
END_TEST

START_TEST(the_source_looks_sooner_when_somebody_misses_something)
{
	struct msg_report report;
	uint64_t now;

	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	now = msg_clock_ns();
	ck_assert_int_ge(msg_repairer_progress(&r, now), 0);
	ck_assert(!msg_repairer_is_due(&r, now + 40000));
	ck_assert(msg_repairer_is_due(&r, now + 50000));
	report = misses(&a, 1, 5, 5);
	say(&a, &report);
	ck_assert_int_gt(msg_repairer_progress(&r, now), 0);
	ck_assert(msg_repairer_is_due(&r, now + 5000));
	/* Where a thread does it, the source never needs to. */
	r.threaded = true;
	ck_assert(!msg_repairer_is_due(&r, now + MSG_NS_PER_S));
	close_all();
}
END_TEST

START_TEST(a_thread_that_sleeps_long_is_woken_once)
{
	uint64_t times;

	open_all(NULL, MSG_FLOW_POLICY_NONE);
	r.wake_fd = eventfd(0, EFD_NONBLOCK);
	ck_assert_int_ge(r.wake_fd, 0);
	msg_repairer_wake(&r);
	ck_assert_int_lt(read(r.wake_fd, &times, sizeof times), 0);
	atomic_store(&r.asleep, 1);
	for (int i = 0; i < 3; i++)
		msg_repairer_wake(&r);
	ck_assert_int_eq(read(r.wake_fd, &times, sizeof times), sizeof times);
	ck_assert_uint_eq(times, 1);
	close(r.wake_fd);
	close_all();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("repairer");
	TCase *tc = check_case(suite, "repairer", 30);

	tcase_add_test(tc, who_asks_gets_the_frame_and_nobody_else_does);
	tcase_add_test(tc, the_third_who_asks_starts_one_for_all);
	tcase_add_test(tc, who_cannot_be_reached_is_answered_to_all);
	tcase_add_test(tc, what_the_source_has_no_more_is_not_sent);
	tcase_add_test(tc, no_more_is_under_way_than_there_are_places);
	tcase_add_test(tc, a_repair_under_way_keeps_its_frame);
	tcase_add_test(tc, what_the_link_refuses_is_one_loss_more);
	tcase_add_test(tc, what_is_no_report_is_counted_and_dropped);
	tcase_add_test(tc, one_at_a_time_is_inside);
	tcase_add_test(
		tc, the_source_looks_sooner_when_somebody_misses_something);
	tcase_add_test(tc, a_thread_that_sleeps_long_is_woken_once);
	add_peer_tests(suite);
	add_due_tests(suite);
	return check_main(suite, NULL);
}
