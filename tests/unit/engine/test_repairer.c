/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_repairer.c - reports in, repairs and probes out, over a wire in memory and
 * by a clock of the test's own: what leaves, to whom, and what must not.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "check_main.h"
#include "repairer_side.h"
#include "virtual_clock.h"

/* ---- repairs ------------------------------------------------------------ */

static void check_repair(const struct receiver *to, uint32_t number,
	uint32_t serial, uint32_t front, uint32_t table)
{
	uint8_t wanted[PAYLOAD];

	memset(wanted, (int)(number % 251), sizeof wanted);
	ck_assert_uint_eq(to->frames, 1);
	ck_assert_uint_eq(to->frame.type, source_type);
	ck_assert_uint_eq(to->frame.transmission, number);
	ck_assert_uint_eq(to->frame.sequence,
		(uint64_t)serial << 32 | (uint32_t)(FIRST_SEQUENCE + number));
	ck_assert_uint_eq(to->frame.bytes,
		MSG_FRAME_HEADER_BYTES + front + PAYLOAD + table);
	for (uint32_t i = 0; i < front; i++)
		ck_assert_uint_eq(to->body[i], 0xf0);
	ck_assert_mem_eq(to->body + front, wanted, PAYLOAD);
	for (uint32_t i = 0; i < table; i++)
		ck_assert_uint_eq(to->body[front + PAYLOAD + i], 0xee);
}

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

/* ---- who reported --------------------------------------------------------- */

static uint32_t peers(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < MSG_REPAIRER_PEERS; i++)
		count += r.peers[i].used;
	return count;
}

static const struct msg_repairer_peer *peer_of(uint64_t name)
{
	for (uint32_t i = 0; i < MSG_REPAIRER_PEERS; i++)
		if (r.peers[i].used && r.peers[i].receiver == name)
			return &r.peers[i];
	return NULL;
}

/* Names that all want the same places; the wire has room for 256 addresses, so
 * one that is not given back would show, too. */
START_TEST(the_longest_silent_gives_way)
{
	uint64_t names[600], name = 1;
	struct msg_report report;

	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	for (int i = 0; i < 600; name++)
		if (msg_hash_mix(name) % (MSG_REPAIRER_PEERS / 4) == 7)
			names[i++] = name;
	for (int i = 0; i < 600; i++) {
		report = report_of(&a, names[i]);
		say(&a, &report);
		turn();
		virtual_clock_pass(1000);
		/* The first of all goes on speaking. */
		report = report_of(&a, names[0]);
		say(&a, &report);
		turn();
		virtual_clock_pass(1000);
		ck_assert_ptr_nonnull(peer_of(names[i]));
		ck_assert_ptr_nonnull(peer_of(names[0]));
		ck_assert_uint_le(peers(), 4);
	}
	ck_assert_uint_eq(peers(), 4);
	ask(&a, names[599], 4, 4);
	look(&a);
	look(&b);
	ck_assert_uint_eq(a.frames, 1);
	ck_assert_uint_eq(b.frames, 0);
	close_all();
}
END_TEST

START_TEST(who_moves_is_reached_where_he_is)
{
	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	for (int i = 0; i < 300; i++) {
		struct receiver *at = i % 2 ? &a : &b;

		ask(at, 1, (uint32_t)i % 20, (uint32_t)i % 20);
		ck_assert_uint_eq(peers(), 1);
		ck_assert(memcmp(peer_of(1)->reach.data, at->reach.data,
				  at->reach.bytes) == 0);
	}
	close_all();
}
END_TEST

START_TEST(who_leaves_is_forgotten)
{
	struct msg_report report;

	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	report = report_of(&a, 1);
	say(&a, &report);
	turn();
	ck_assert_uint_eq(peers(), 1);
	ck_assert_uint_eq(peer_of(1)->position, 30);
	/* Somebody else's word is not enough. */
	report.flags = MSG_REPORT_LEAVING;
	report.reach = b.reach;
	say(&b, &report);
	turn();
	ck_assert_uint_eq(peers(), 1);
	report.reach = a.reach;
	say(&a, &report);
	turn();
	ck_assert_uint_eq(peers(), 0);
	close_all();
}
END_TEST

START_TEST(who_joins_is_told_where_to_begin_and_nobody_else_is)
{
	struct msg_report report;

	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	source_first = 3;
	for (int i = 0; i < 3; i++) {
		static const uint32_t wishes[] = {10, 100, UINT32_MAX};

		report = (struct msg_report){.receiver = 1,
			.flags = MSG_REPORT_JOIN,
			.history = wishes[i],
			.reach = a.reach};
		say(&a, &report);
		turn();
		look(&a);
		look(&b);
		ck_assert_uint_eq(a.probes, 1);
		ck_assert_uint_eq(b.probes, 0);
		ck_assert(a.probe.flags & MSG_PROBE_JOIN);
		ck_assert_uint_eq(a.probe.first, i == 0 ? 20 : 3);
		ck_assert_uint_eq(a.probe.next, 30);
		ck_assert_uint_eq(a.probe.next_sequence, FIRST_SEQUENCE + 30);
		ck_assert_uint_eq(a.probe.first_sequence,
			FIRST_SEQUENCE + a.probe.first);
		ck_assert_uint_eq(peer_of(1)->position, 0);
	}
	/* No way to tell him alone: nothing is said. */
	report.receiver = 2;
	memset(&report.reach, 0, sizeof report.reach);
	say(&a, &report);
	turn();
	look(&a);
	look(&b);
	ck_assert_uint_eq(a.probes + b.probes, 0);
	close_all();
}
END_TEST

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
	tcase_add_test(tc, the_longest_silent_gives_way);
	tcase_add_test(tc, who_moves_is_reached_where_he_is);
	tcase_add_test(tc, who_leaves_is_forgotten);
	tcase_add_test(
		tc, who_joins_is_told_where_to_begin_and_nobody_else_is);
	tcase_add_test(
		tc, a_burst_is_followed_by_probes_but_not_while_it_is_held);
	tcase_add_test(
		tc, a_small_last_frame_is_sent_again_in_place_of_a_probe);
	tcase_add_test(
		tc, who_is_waited_for_sets_the_limit_until_he_is_cut_off);
	tcase_add_test(tc, who_lacks_what_memory_is_short_for_is_cut_off);
	tcase_add_test(tc, nobody_is_cut_off_by_a_publisher_that_does_not_wait);
	tcase_add_test(tc, one_at_a_time_is_inside);
	tcase_add_test(
		tc, the_source_looks_sooner_when_somebody_misses_something);
	tcase_add_test(tc, a_thread_that_sleeps_long_is_woken_once);
	tcase_add_test(tc, the_end_waits_for_those_who_lack_something);
	return check_main(suite, NULL);
}
