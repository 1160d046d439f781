/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repairer_due.c - what leaves by the clock, probes and last frames; and for whom
 * a publisher waits, while it publishes and at its end.  Part of test_repairer.c.
 */
#include "base/clock.h"
#include "repairer_side.h"
#include "virtual_clock.h"

/* ---- what is due ---------------------------------------------------------- */

START_TEST(a_burst_is_followed_by_probes_but_not_while_it_is_held)
{
	uint32_t probes = 0;

	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(10);
	/* Just behind a heartbeat. */
	do {
		virtual_clock_pass(MSG_NS_PER_MS);
		turn();
		look(&a);
	} while (a.probes == 0);
	look(&b);
	send_frames(10);
	r.held = true;
	ck_assert_uint_eq(msg_repairer_deadline(&r), UINT64_MAX);
	for (int i = 0; i < 300; i++) {
		virtual_clock_pass(RTT_NS);
		turn();
	}
	look(&a);
	ck_assert_uint_eq(a.probes, 0);
	msg_repairer_enter(&r);
	r.held = false;
	msg_repairer_leave(&r);
	turn();
	ck_assert_uint_le(
		msg_repairer_deadline(&r), msg_clock_ns() + RTT_NS);
	virtual_clock_pass(RTT_NS);
	turn();
	look(&a);
	look(&b);
	ck_assert_uint_eq(a.probes, 1);
	ck_assert_uint_eq(b.probes, 1);
	ck_assert_uint_eq(a.probe.next, 20);
	ck_assert_uint_eq(a.probe.period_ms, 100);
	ck_assert_uint_eq(a.probe.reach.bytes, r.reach.bytes);
	/* Then seldom: a heartbeat. */
	for (int i = 0; i < 1000; i++) {
		virtual_clock_pass(MSG_NS_PER_MS);
		turn();
		look(&a);
		probes += a.probes;
	}
	ck_assert_uint_ge(probes, 10);
	ck_assert_uint_le(probes, 20);
	ck_assert_uint_eq(counted(MSG_COUNTER_PROBES), r.repair.counts.probes);
	close_all();
}
END_TEST

START_TEST(a_small_last_frame_is_sent_again_in_place_of_a_probe)
{
	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(10);
	msg_repairer_enter(&r);
	msg_repairer_sent(&r, 64);
	msg_repairer_leave(&r);
	turn();
	virtual_clock_pass(RTT_NS);
	turn();
	look(&a);
	look(&b);
	check_repair(&a, 10, 1, 0, 0);
	check_repair(&b, 10, 1, 0, 0);
	ck_assert_uint_eq(a.probes, 0);
	close_all();
}
END_TEST

/* ---- flow ----------------------------------------------------------------- */

START_TEST(who_is_waited_for_sets_the_limit_until_he_is_cut_off)
{
	struct msg_report report;

	open_all(NULL, MSG_FLOW_POLICY_MIN);
	ck_assert_uint_eq(msg_repairer_needed(&r), UINT64_MAX);
	begin(30);
	report = misses(&a, 1, 20, 20);
	report.window = 16;
	say(&a, &report);
	turn();
	look(&a);
	ck_assert(a.probe.flags & MSG_PROBE_FLOW);
	ck_assert(msg_repairer_may(&r, 35));
	ck_assert(!msg_repairer_may(&r, 36));
	ck_assert_uint_eq(msg_repairer_needed(&r), 20);
	ck_assert_uint_eq(r.flow_ns, UINT64_MAX);
	send_frames(6);
	r.waiting = true;
	turn();
	ck_assert_uint_le(msg_repairer_deadline(&r),
		msg_clock_ns() + MSG_NS_PER_S);
	virtual_clock_pass(2 * MSG_NS_PER_S);
	turn();
	ck_assert(msg_repairer_may(&r, 36));
	ck_assert_uint_eq(counted(MSG_COUNTER_CUT_OFF), 1);
	ck_assert_uint_eq(msg_repairer_needed(&r), UINT64_MAX);
	close_all();
}
END_TEST

START_TEST(who_lacks_what_memory_is_short_for_is_cut_off)
{
	struct msg_report report;

	open_all(NULL, MSG_FLOW_POLICY_MIN);
	begin(30);
	report = misses(&a, 1, 20, 20);
	report.window = 1024;
	say(&a, &report);
	turn();
	ck_assert_uint_eq(msg_repairer_needed(&r), 20);
	/* What he has may be forgotten. */
	r.forget_to = 20;
	turn();
	ck_assert_uint_eq(r.forget_to, 0);
	ck_assert_uint_eq(r.flow_ns, UINT64_MAX);
	r.forget_to = 21;
	turn();
	ck_assert_uint_eq(r.forget_to, 21);
	ck_assert_uint_le(msg_repairer_deadline(&r),
		msg_clock_ns() + MSG_NS_PER_S);
	virtual_clock_pass(2 * MSG_NS_PER_S);
	turn();
	ck_assert_uint_eq(r.forget_to, 0);
	ck_assert_uint_eq(counted(MSG_COUNTER_CUT_OFF), 1);
	ck_assert_uint_eq(msg_repairer_needed(&r), UINT64_MAX);
	close_all();
}
END_TEST

/* It got leave while nobody looked, and is still since. */
START_TEST(nobody_is_cut_off_by_a_publisher_that_does_not_wait)
{
	struct msg_report report;

	open_all(NULL, MSG_FLOW_POLICY_MIN);
	begin(30);
	report = misses(&a, 1, 20, 20);
	report.window = 10;
	say(&a, &report);
	turn();
	r.waiting = true;
	turn();
	ck_assert(r.waiting);
	report.window = 11;
	say(&a, &report);
	turn();
	ck_assert(!r.waiting);
	send_frames(1);
	virtual_clock_pass(2 * MSG_NS_PER_S);
	turn();
	ck_assert_uint_eq(counted(MSG_COUNTER_CUT_OFF), 0);
	close_all();
}
END_TEST

/* ---- the end --------------------------------------------------------------- */

static uint64_t linger_ns(uint64_t limit_ns)
{
	uint64_t begun = virtual_clock_ns();

	msg_repairer_linger(&r, limit_ns);
	return virtual_clock_ns() - begun;
}

START_TEST(the_end_waits_for_those_who_lack_something)
{
	struct msg_report report;
	uint64_t alone, all, some;

	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	/* Nobody ever spoke: a few probes, and that was it. */
	alone = linger_ns(MSG_NS_PER_S);
	ck_assert_uint_lt(alone, 100 * MSG_NS_PER_MS);
	look(&a);
	ck_assert_uint_ge(a.probes, 4);
	ck_assert(a.probe.flags & MSG_PROBE_CLOSING);
	ck_assert(a.flags & MSG_PROBE_ASK);
	/* Who has all is not waited for. */
	report = report_of(&a, 1);
	say(&a, &report);
	turn();
	ck_assert(!msg_repairer_is_awaited(&r, msg_clock_ns()));
	all = linger_ns(MSG_NS_PER_S);
	ck_assert_uint_lt(all, 100 * MSG_NS_PER_MS);
	/* Who lacks the last frame is, as long as was said. */
	report = misses(&b, 2, 29, 29);
	say(&b, &report);
	turn();
	ck_assert(msg_repairer_is_awaited(&r, msg_clock_ns()));
	some = linger_ns(MSG_NS_PER_S);
	ck_assert_uint_ge(some, MSG_NS_PER_S);
	ck_assert_uint_lt(some, 2 * MSG_NS_PER_S);
	/* Unless he has been silent for long. */
	virtual_clock_pass(3 * MSG_NS_PER_S);
	ck_assert(!msg_repairer_is_awaited(&r, msg_clock_ns()));
	close_all();
}
END_TEST

void add_due_tests(Suite *suite)
{
	TCase *tc = check_case(suite, "due", 30);

	tcase_add_test(
		tc, a_burst_is_followed_by_probes_but_not_while_it_is_held);
	tcase_add_test(
		tc, a_small_last_frame_is_sent_again_in_place_of_a_probe);
	tcase_add_test(
		tc, who_is_waited_for_sets_the_limit_until_he_is_cut_off);
	tcase_add_test(tc, who_lacks_what_memory_is_short_for_is_cut_off);
	tcase_add_test(tc, nobody_is_cut_off_by_a_publisher_that_does_not_wait);
	tcase_add_test(tc, the_end_waits_for_those_who_lack_something);
}
