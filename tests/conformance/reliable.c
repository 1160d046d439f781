/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reliable.c - what reliable topics alone promise, on a lane that is real: what a
 * full socket loses comes again, whoever sleeps meanwhile.
 */
#include <poll.h>

#include "harness.h"

#define KEY 9

/* A publisher that makes no calls while its receivers miss something: a thread
 * of its node serves them. */
static struct msg_node *open_attended(void)
{
	struct msg_node_options o = node_options();

	o.flags |= MSG_NODE_PROGRESS_THREAD;
	return open_node_as(&o);
}

static struct msg_publisher *open_reliable(
	struct msg_node *node, uint32_t flow)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;

	o.topic = "reliable";
	o.reliability = MSG_RELIABILITY_RELIABLE;
	o.history_bytes = 64u << 20;
	o.flow = flow;
	return open_publisher_as(node, &o);
}

static struct msg_subscriber *open_small(struct msg_node *node, uint32_t history)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;

	o.topic = "reliable";
	o.buffer_count = 16;
	o.history_count = history;
	o.give_up_ms = 20000;
	return open_subscriber_as(node, &o);
}

/* More than a small socket holds, and less than the history. */
static uint64_t flood_count(const struct msg_node *node)
{
	return (32u << 20) / (datagram_bytes(node) + 4096);
}

static void check_next(struct msg_subscriber *s, const struct msg_view *view,
	uint64_t sequence, size_t bytes)
{
	ck_assert_uint_eq(view->lost_before, 0);
	ck_assert_uint_eq(view->sequence, sequence);
	check_payload(s, view, bytes, KEY);
	msg_subscriber_release(s, view, 1);
}

START_TEST(what_a_full_socket_lost_comes_again)
{
	if (lane.broker)
		CHECK_SKIP("a ring of this host loses nothing to a socket");

	struct msg_node *theirs = open_attended();
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_small(node, 0);
	struct msg_publisher *p = open_reliable(theirs, MSG_FLOW_NONE);
	uint64_t count = flood_count(theirs);
	size_t bytes = datagram_bytes(theirs);

	for (uint64_t i = 0; i < count; i++)
		publish_filled(p, bytes, KEY, i, false);
	for (uint64_t i = 0; i < count; i++) {
		struct msg_view view = take_one(s, 20 * S);

		check_next(s, &view, i, bytes);
	}
	ck_assert_uint_eq(counted(s, MSG_COUNTER_LOST), 0);
	close_all(node, NULL, s);
	close_all(theirs, p, NULL);
}
END_TEST

/* The same for one that sleeps on its descriptor: repairs wake it. */
START_TEST(repairs_wake_who_sleeps)
{
	if (lane.broker)
		CHECK_SKIP("a ring of this host loses nothing to a socket");

	struct msg_node *theirs = open_attended();
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_small(node, 0);
	struct msg_publisher *p = open_reliable(theirs, MSG_FLOW_NONE);
	uint64_t count = flood_count(theirs);
	uint64_t expected = 0;
	size_t bytes = datagram_bytes(theirs);
	struct pollfd wake = {.fd = msg_subscriber_fd(s), .events = POLLIN};
	int64_t limit = now_ns() + 30 * S;

	for (uint64_t i = 0; i < count; i++)
		publish_filled(p, bytes, KEY, i, false);
	while (expected < count) {
		struct msg_view view;
		int result;

		if (msg_subscriber_take(s, &view, 1) == 1) {
			check_next(s, &view, expected++, bytes);
			continue;
		}
		result = msg_subscriber_arm(s);
		ck_assert(result == 0 || result == -MSG_ERROR_AGAIN);
		if (result == 0)
			ck_assert_int_eq(poll(&wake, 1, 5000), 1);
		ck_assert_int_lt(now_ns(), limit);
	}
	close_all(node, NULL, s);
	close_all(theirs, p, NULL);
}
END_TEST

START_TEST(a_late_reader_gets_the_last_it_asked_for)
{
	struct msg_node *theirs = open_attended();
	struct msg_node *node = open_node();
	struct msg_publisher *p = open_reliable(theirs, MSG_FLOW_NONE);

	for (uint64_t i = 0; i < 200; i++)
		publish_filled(p, 50, KEY, i, i % 7 != 0);
	ck_assert_int_eq(msg_publisher_flush(p), 0);
	for (uint32_t k = 1; k <= 256; k *= 4) {
		struct msg_subscriber *s = open_small(node, k);
		uint64_t first = k < 200 ? 200 - k : 0;

		for (uint64_t i = first; i < 200; i++) {
			struct msg_view view = take_one(s, 10 * S);

			check_next(s, &view, i, 50);
		}
		ck_assert(stays_silent(s, 20 * MS));
		ck_assert_int_eq(msg_subscriber_close(s), 0);
	}
	close_all(node, NULL, NULL);
	close_all(theirs, p, NULL);
}
END_TEST

/* Nobody takes, so the publisher is held up; who takes gets all. */
START_TEST(a_publisher_that_waits_loses_nothing)
{
	if (lane.broker)
		CHECK_SKIP("readers of this host are waited for by their rings");

	struct msg_node *theirs = open_attended();
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_small(node, 0);
	struct msg_publisher *p = open_reliable(theirs, MSG_FLOW_MIN);
	uint64_t sent = 0, taken = 0;
	int64_t limit = now_ns() + 30 * S;

	while (taken < 2000) {
		struct msg_view view;
		struct msg_loan loan;

		if (sent < 2000 && msg_publisher_loan(p, 100, &loan) == 0) {
			fill_payload(loan.data, 100, KEY, sent++);
			ck_assert_int_eq(msg_publisher_send(p, &loan, 100), 0);
			continue;
		}
		if (msg_subscriber_take(s, &view, 1) == 1)
			check_next(s, &view, taken++, 100);
		ck_assert_int_lt(now_ns(), limit);
	}
	close_all(node, NULL, s);
	close_all(theirs, p, NULL);
}
END_TEST

void add_reliable(Suite *suite)
{
	TCase *reliable = check_case(suite, "reliable", 60);

	tcase_add_test(reliable, what_a_full_socket_lost_comes_again);
	tcase_add_test(reliable, repairs_wake_who_sleeps);
	tcase_add_test(reliable, a_late_reader_gets_the_last_it_asked_for);
	tcase_add_test(reliable, a_publisher_that_waits_loses_nothing);
}
