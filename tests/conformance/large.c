/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * large.c - messages that their receivers read from where they stand: whole and in
 * order among the others, in one piece, and lost in words if at all.
 */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "harness.h"

#define KEY 11
#define MIB ((size_t)1 << 20)

/* Where an emulated machine would take minutes. */
static size_t large_bytes(size_t full)
{
	return lane.quick ? full / 64 : full;
}

static struct msg_node *open_attended(void)
{
	struct msg_node_options o = node_options();

	o.flags |= MSG_NODE_PROGRESS_THREAD;
	return open_node_as(&o);
}

static struct msg_publisher *open_large_publisher(
	struct msg_node *node, size_t bytes, uint32_t flow)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;

	o.topic = "large";
	o.reliability =
		lane.rc ? MSG_RELIABILITY_RC : MSG_RELIABILITY_RELIABLE;
	o.flow = flow;
	o.large_bytes_max = bytes;
	o.give_up_ms = lane.quick ? 20000 : 5000;
	return open_publisher_as(node, &o);
}

static struct msg_subscriber *open_large_subscriber(
	struct msg_node *node, size_t bytes, bool events)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;

	o.topic = "large";
	o.large_bytes_max = bytes;
	o.give_up_ms = lane.quick ? 20000 : 2000;
	o.events = events;
	return open_subscriber_as(node, &o);
}

static void check_large(struct msg_subscriber *s, const struct msg_view *view,
	uint64_t sequence, size_t bytes)
{
	ck_assert_uint_eq(view->sequence, sequence);
	ck_assert_uint_eq(view->lost_before, 0);
	ck_assert_uint_eq(view->segment_count, 1);
	check_payload(s, view, bytes, KEY);
}

static void release_one(struct msg_subscriber *s, const struct msg_view *view)
{
	msg_subscriber_release(s, view, 1);
}

/* The next one must be this, and goes back at once. */
/* The next of its messages or losses.  One that is dead may be missed before what it
 * sent is, and one that has no processor is silent, and then there again. */
static struct msg_view take_told(struct msg_subscriber *s)
{
	struct msg_view view = take_one(s, 30 * S);

	while (view.event == MSG_EVENT_SILENT || view.event == MSG_EVENT_JOINED) {
		release_one(s, &view);
		view = take_one(s, 30 * S);
	}
	return view;
}

static void expect(struct msg_subscriber *s, uint64_t sequence, size_t bytes)
{
	struct msg_view view = take_told(s);

	check_large(s, &view, sequence, bytes);
	release_one(s, &view);
}

static void expect_loss(struct msg_subscriber *s, uint64_t next, uint64_t lost,
	enum msg_loss reason)
{
	struct msg_view view = take_told(s);

	ck_assert_uint_eq(view.event, MSG_EVENT_LOST);
	ck_assert_uint_eq(view.sequence, next);
	ck_assert_uint_eq(view.lost_before, lost);
	ck_assert_uint_eq(view.reason, reason);
	release_one(s, &view);
}

/* Before the first message, for who asked for events. */
static void expect_joined(struct msg_subscriber *s)
{
	struct msg_view view = take_one(s, 30 * S);

	ck_assert_uint_eq(view.event, MSG_EVENT_JOINED);
	release_one(s, &view);
}

#define STRAIGHT_ONLY()                                                        \
	do {                                                                   \
		if (lane.broker)                                               \
			CHECK_SKIP("large messages are read straight");        \
	} while (0)

START_TEST(a_large_message_arrives_in_one_piece_among_others)
{
	size_t bytes = large_bytes(100 * MIB) + 13;
	struct msg_node *theirs = open_attended();
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_large_subscriber(node, bytes, false);
	struct msg_publisher *p =
		open_large_publisher(theirs, bytes, MSG_FLOW_NONE);
	struct msg_view view;

	meet_publishers(s, 1);
	publish_filled(p, 10, KEY, 0, false);
	publish_filled(p, bytes, KEY, 1, false);
	publish_filled(p, 20, KEY, 2, false);
	expect(s, 0, 10);
	view = take_one(s, 30 * S);
	check_large(s, &view, 1, bytes);
	ck_assert_uint_eq((uintptr_t)view.data % 4096, 0);
	release_one(s, &view);
	expect(s, 2, 20);
	close_all(node, NULL, s);
	close_all(theirs, p, NULL);
}
END_TEST

START_TEST(a_gigabyte_is_a_message)
{
	if (lane.quick)
		CHECK_SKIP("--quick: takes two gigabytes of memory");

	size_t bytes = MSG_LARGE_BYTES_MAX;
	struct msg_node *theirs = open_attended();
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_large_subscriber(node, bytes, false);
	struct msg_publisher *p =
		open_large_publisher(theirs, bytes, MSG_FLOW_MIN);
	struct msg_loan loan;

	meet_publishers(s, 1);
	publish_filled(p, bytes, KEY, 0, false);
	ck_assert_int_eq(msg_publisher_loan(p, bytes + 1, &loan),
		-MSG_ERROR_TOO_LARGE);
	expect(s, 0, bytes);
	close_all(node, NULL, s);
	close_all(theirs, p, NULL);
}
END_TEST

/* More than both sides' memory holds, each way of waiting for receivers: none is
 * lost while they get on. */
START_TEST(many_large_messages_pass_through_little_memory)
{
	static const uint32_t flows[] = {MSG_FLOW_NONE, MSG_FLOW_MIN};
	size_t bytes = large_bytes(16 * MIB);
	uint64_t count = 8;

	for (int i = 0; i < 2; i++) {
		struct msg_node *theirs = open_attended();
		struct msg_node *node = open_node();
		struct msg_subscriber *s =
			open_large_subscriber(node, bytes, false);
		struct msg_publisher *p =
			open_large_publisher(theirs, bytes, flows[i]);
		uint64_t sent = 0, taken = 0;
		int64_t limit = now_ns() + 60 * S;

		meet_publishers(s, 1);
		while (taken < count) {
			struct msg_view view;
			struct msg_loan loan;

			if (sent < count &&
				msg_publisher_loan(p, bytes, &loan) == 0) {
				fill_payload(loan.data, bytes, KEY, sent++);
				ck_assert_int_eq(
					msg_publisher_send(p, &loan, bytes), 0);
			}
			if (msg_subscriber_take(s, &view, 1) == 1) {
				check_large(s, &view, taken++, bytes);
				release_one(s, &view);
			}
			ck_assert_int_lt(now_ns(), limit);
		}
		close_all(node, NULL, s);
		close_all(theirs, p, NULL);
	}
}
END_TEST

/* Two are all that fits; a third waits for one of them. */
START_TEST(views_are_held_and_released_in_any_order)
{
	STRAIGHT_ONLY();

	size_t bytes = large_bytes(16 * MIB);
	struct msg_node *theirs = open_attended();
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_large_subscriber(node, bytes, false);
	struct msg_publisher *p =
		open_large_publisher(theirs, bytes, MSG_FLOW_MIN);
	struct msg_view held[2];

	meet_publishers(s, 1);
	for (uint64_t i = 0; i < 3; i++)
		publish_filled(p, bytes, KEY, i, false);
	held[0] = take_one(s, 30 * S);
	held[1] = take_one(s, 30 * S);
	ck_assert(stays_silent(s, 100 * MS));
	ck_assert_int_eq(msg_subscriber_close(s), -MSG_ERROR_BUSY);
	check_large(s, &held[1], 1, bytes);
	release_one(s, &held[1]);
	held[1] = take_one(s, 30 * S);
	check_large(s, &held[0], 0, bytes);
	check_large(s, &held[1], 2, bytes);
	release_one(s, &held[0]);
	release_one(s, &held[1]);
	release_one(s, &held[1]);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_RELEASE_REFUSED), 1);
	close_all(node, NULL, s);
	close_all(theirs, p, NULL);
}
END_TEST

START_TEST(a_large_loan_is_like_any_other)
{
	size_t bytes = large_bytes(16 * MIB);
	struct msg_node *theirs = open_attended();
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_large_subscriber(node, bytes, false);
	struct msg_publisher *p =
		open_large_publisher(theirs, bytes, MSG_FLOW_NONE);
	struct msg_loan loan, again;

	meet_publishers(s, 1);
	ck_assert_int_eq(msg_publisher_loan(p, bytes, &loan), 0);
	ck_assert_uint_eq((uintptr_t)loan.data % 4096, 0);
	ck_assert_int_eq(msg_publisher_close(p), -MSG_ERROR_BUSY);
	msg_publisher_abandon(p, &loan);
	ck_assert_ptr_null(loan.data);
	ck_assert_int_eq(msg_publisher_loan(p, bytes, &loan), 0);
	again = loan;
	ck_assert_int_eq(msg_publisher_send(p, &loan, loan.capacity + 1),
		-MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(
		msg_publisher_send(p, &again, 1), -MSG_ERROR_ARGUMENT);
	/* Less than it was borrowed for, and nothing at all. */
	ck_assert_int_eq(msg_publisher_loan(p, bytes, &loan), 0);
	fill_payload(loan.data, 5, KEY, 0);
	ck_assert_int_eq(msg_publisher_queue(p, &loan, 5), 0);
	publish_filled(p, 30, KEY, 1, true);
	ck_assert_int_eq(msg_publisher_loan(p, bytes, &loan), 0);
	ck_assert_int_eq(msg_publisher_queue(p, &loan, 0), 0);
	publish_filled(p, 30, KEY, 3, true);
	ck_assert_int_eq(msg_publisher_flush(p), 0);
	expect(s, 0, 5);
	expect(s, 1, 30);
	expect(s, 2, 0);
	expect(s, 3, 30);
	close_all(node, NULL, s);
	close_all(theirs, p, NULL);
}
END_TEST

/* One takes none, one takes smaller ones: both are told, and go on. */
START_TEST(what_is_too_large_for_a_reader_is_lost_in_words)
{
	size_t bytes = large_bytes(16 * MIB);
	struct msg_node *theirs = open_attended();
	struct msg_node *node = open_node();
	struct msg_subscriber *none = open_large_subscriber(node, 0, true);
	struct msg_subscriber *less =
		open_large_subscriber(node, bytes - 1, true);
	struct msg_subscriber *all = open_large_subscriber(node, bytes, false);
	struct msg_publisher *p =
		open_large_publisher(theirs, bytes, MSG_FLOW_MIN);

	expect_joined(none);
	expect_joined(less);
	meet_publishers(all, 1);
	publish_filled(p, 10, KEY, 0, false);
	publish_filled(p, bytes, KEY, 1, false);
	publish_filled(p, 10, KEY, 2, false);
	expect(none, 0, 10);
	expect_loss(none, 2, 1, MSG_LOSS_TOO_LARGE);
	expect(none, 2, 10);
	ck_assert_uint_eq(counted(none, MSG_COUNTER_TOO_LARGE), 1);
	ck_assert_uint_eq(counted(none, MSG_COUNTER_LOST), 1);
	expect(less, 0, 10);
	expect_loss(less, 2, 1, MSG_LOSS_TOO_LARGE);
	expect(less, 2, 10);
	expect(all, 0, 10);
	expect(all, 1, bytes);
	expect(all, 2, 10);
	ck_assert_int_eq(msg_subscriber_close(none), 0);
	ck_assert_int_eq(msg_subscriber_close(less), 0);
	close_all(node, NULL, all);
	close_all(theirs, p, NULL);
}
END_TEST

START_TEST(a_late_reader_reads_large_messages_of_the_history)
{
	size_t bytes = large_bytes(8 * MIB);
	struct msg_node *theirs = open_attended();
	struct msg_node *node = open_node();
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_publisher *p;
	struct msg_subscriber *s;

	p = open_large_publisher(theirs, bytes, MSG_FLOW_NONE);
	for (uint64_t i = 0; i < 6; i++)
		publish_filled(p, i % 2 ? bytes : 100, KEY, i, false);
	o.topic = "large";
	o.large_bytes_max = bytes;
	o.history_count = 5;
	o.give_up_ms = 20000;
	s = open_subscriber_as(node, &o);
	for (uint64_t i = 1; i < 6; i++)
		expect(s, i, i % 2 ? bytes : 100);
	publish_filled(p, 100, KEY, 6, false);
	expect(s, 6, 100);
	close_all(node, NULL, s);
	close_all(theirs, p, NULL);
}
END_TEST

START_TEST(who_sleeps_on_the_descriptor_is_woken_while_it_reads)
{
	size_t bytes = large_bytes(32 * MIB);
	struct msg_node *theirs = open_attended();
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_large_subscriber(node, bytes, false);
	struct msg_publisher *p =
		open_large_publisher(theirs, bytes, MSG_FLOW_NONE);
	struct pollfd wake = {.fd = msg_subscriber_fd(s), .events = POLLIN};
	struct msg_view view;

	meet_publishers(s, 1);
	publish_filled(p, bytes, KEY, 0, false);
	while (msg_subscriber_take(s, &view, 1) != 1) {
		int result = msg_subscriber_arm(s);

		ck_assert(result == 0 || result == -MSG_ERROR_AGAIN);
		if (result == 0)
			ck_assert_int_eq(poll(&wake, 1, 10000), 1);
	}
	check_large(s, &view, 0, bytes);
	release_one(s, &view);
	close_all(node, NULL, s);
	close_all(theirs, p, NULL);
}
END_TEST

/* ---- those that die in the middle ---------------------------------------- */

static size_t doomed_bytes(void)
{
	return large_bytes(64 * MIB);
}

/* Says when it has sent, and makes no call from there on: without a thread nothing
 * of the large message can be read on TCP. */
static int run_publisher(int in, int out, void *argument)
{
	size_t bytes = doomed_bytes();
	struct msg_node *node = open_node();
	struct msg_publisher *p =
		open_large_publisher(node, bytes, MSG_FLOW_NONE);

	(void)argument;
	hear(in);
	publish_filled(p, 10, KEY, 0, false);
	publish_filled(p, bytes, KEY, 1, false);
	publish_filled(p, 10, KEY, 2, false);
	say(out, msg_publisher_id(p));
	pause();
	return 1;
}

START_TEST(a_publisher_that_dies_costs_what_was_not_read)
{
	STRAIGHT_ONLY();

	struct peer peer = peer_start(run_publisher, NULL);
	struct msg_node *node = open_node();
	struct msg_subscriber *s =
		open_large_subscriber(node, doomed_bytes(), true);
	struct msg_view view;

	/* Who is had by connections answers while it sleeps, and is met first. */
	if (lane.rc)
		expect_joined(s);
	say(peer.to, 1);
	hear(peer.from);
	if (!lane.rc)
		expect_joined(s);
	expect(s, 0, 10);
	kill(peer.pid, SIGKILL);
	ck_assert_int_eq(waitpid(peer.pid, NULL, 0), peer.pid);
	/* A device, or the thread, may have served it before. */
	if (!on_verbs(node) && !lane.rc) {
		expect_loss(s, 2, 1, MSG_LOSS_GAVE_UP);
		expect(s, 2, 10);
		ck_assert_uint_eq(counted(s, MSG_COUNTER_GIVEN_UP), 1);
	}
	while (msg_subscriber_take(s, &view, 1) == 1)
		release_one(s, &view);
	close_all(node, NULL, s);
}
END_TEST

/* Takes until it is killed, in the middle of the large message. */
static int run_subscriber(int in, int out, void *argument)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s =
		open_large_subscriber(node, doomed_bytes(), false);
	struct msg_view view;

	(void)argument;
	(void)in;
	meet_publishers(s, 1);
	say(out, 1);
	view = take_one(s, 30 * S);
	release_one(s, &view);
	/* The large one begins. */
	if (msg_subscriber_take(s, &view, 1) != 0)
		return 1;
	say(out, 2);
	pause();
	return 1;
}

START_TEST(a_subscriber_that_dies_holds_up_nobody_for_long)
{
	STRAIGHT_ONLY();

	size_t bytes = doomed_bytes();
	struct peer peer = peer_start(run_subscriber, NULL);
	struct msg_node *theirs = open_attended();
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_large_subscriber(node, bytes, false);
	struct msg_publisher *p =
		open_large_publisher(theirs, bytes, MSG_FLOW_MIN);

	meet_publishers(s, 1);
	hear(peer.from);
	publish_filled(p, 10, KEY, 0, false);
	publish_filled(p, bytes, KEY, 1, false);
	expect(s, 0, 10);
	hear(peer.from);
	kill(peer.pid, SIGKILL);
	ck_assert_int_eq(waitpid(peer.pid, NULL, 0), peer.pid);
	expect(s, 1, bytes);
	/* Its memory, and that of the next, is had again: within give_up_ms. */
	for (uint64_t i = 2; i < 4; i++) {
		publish_filled(p, bytes, KEY, i, false);
		expect(s, i, bytes);
	}
	close_all(node, NULL, s);
	close_all(theirs, p, NULL);
}
END_TEST

/* ---- what is refused ----------------------------------------------------- */

static void refuse_publisher(
	struct msg_node *node, struct msg_publisher_options *o, const char *why)
{
	struct msg_publisher *p;

	o->topic = "large";
	ck_assert_int_eq(msg_publisher_open(node, o, &p), -MSG_ERROR_ARGUMENT);
	ck_assert_msg(strstr(msg_error_text(), why), "%s", msg_error_text());
}

static void refuse_subscriber(
	struct msg_node *node, struct msg_subscriber_options *o, const char *why)
{
	struct msg_subscriber *s;

	o->topic = "large";
	ck_assert_int_eq(msg_subscriber_open(node, o, &s), -MSG_ERROR_ARGUMENT);
	ck_assert_msg(strstr(msg_error_text(), why), "%s", msg_error_text());
}

START_TEST(what_cannot_be_is_refused_in_words)
{
	struct msg_node *node = open_node();
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;

	p.large_bytes_max = MIB;
	p.reliability = MSG_RELIABILITY_BEST_EFFORT;
	refuse_publisher(node, &p, "best effort");
	p.reliability = MSG_RELIABILITY_RELIABLE;
	s.large_bytes_max = MIB;
	p.large_memory_bytes = MIB - 1;
	refuse_publisher(node, &p, "large_memory_bytes");
	p.large_memory_bytes = 0;
	p.large_bytes_max = (size_t)MSG_LARGE_BYTES_MAX + 1;
	refuse_publisher(node, &p, "at most 1073741824");
	p.large_bytes_max = 0;
	p.large_memory_bytes = 1;
	refuse_publisher(node, &p, "large_bytes_max is 0");
	s.reliability = MSG_RELIABILITY_BEST_EFFORT;
	refuse_subscriber(node, &s, "BEST_EFFORT");
	s.reliability = MSG_RELIABILITY_DEFAULT;
	s.large_memory_bytes = MIB - 1;
	refuse_subscriber(node, &s, "large_memory_bytes");
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

void add_large(Suite *suite)
{
	TCase *large = check_case(suite, "large", 120);

	tcase_add_test(
		large, a_large_message_arrives_in_one_piece_among_others);
	tcase_add_test(large, a_gigabyte_is_a_message);
	tcase_add_test(large, many_large_messages_pass_through_little_memory);
	tcase_add_test(large, views_are_held_and_released_in_any_order);
	tcase_add_test(large, a_large_loan_is_like_any_other);
	tcase_add_test(large, what_is_too_large_for_a_reader_is_lost_in_words);
	tcase_add_test(large, a_late_reader_reads_large_messages_of_the_history);
	tcase_add_test(
		large, who_sleeps_on_the_descriptor_is_woken_while_it_reads);
	tcase_add_test(large, a_publisher_that_dies_costs_what_was_not_read);
	tcase_add_test(large, a_subscriber_that_dies_holds_up_nobody_for_long);
	tcase_add_test(large, what_cannot_be_is_refused_in_words);
}
