/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_large.c - large messages between a host with a broker and another host.
 *
 * The other host is this process, straight on the lane, with a thread that serves
 * whoever reads from it.  What the broker holds is looked at from outside: when all
 * is over it has the descriptors and connections that it had.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "actor.h"

#define TOPIC "large.test"
#define MIB ((size_t)1 << 20)
#define BYTES (8 * MIB + 5)
#define S_NS 1000000000ll

static char port[16], group_text[32];
static const char *arguments[] = {"--interface", "lo", "--port", port,
	"--groups", group_text, "--large-bytes", "20Mi", NULL};

static struct host host;
static struct msg_node *node;  /* On the broker. */
static struct msg_node *other; /* Another host. */
static const uint32_t deliveries[] = {
	MSG_RELIABILITY_RELIABLE, MSG_RELIABILITY_RC};

static void open_other(void)
{
	struct msg_node_options o = MSG_NODE_OPTIONS;

	o.broker = MSG_BROKER_NEVER;
	o.interface = "lo";
	o.lane = MSG_LANE_UDP;
	o.port = (uint32_t)(20000 + getpid() % 20000);
	o.groups = group_text;
	o.announce_ms = 20;
	o.flags = MSG_NODE_PROGRESS_THREAD;
	ck_assert_msg(msg_node_open(&o, &other) == 0, "%s", msg_error_text());
}

static void setup(void)
{
	snprintf(port, sizeof port, "%d", 20000 + getpid() % 20000);
	snprintf(group_text, sizeof group_text, "239.251.%d.0+16",
		getpid() % 251);
	actors_open();
	host_open(&host, NULL);
	host.arguments = arguments;
	host_start(&host);
	ck_assert_msg(host_node(&host, &node) == 0, "%s", msg_error_text());
	open_other();
}

static void teardown(void)
{
	ck_assert_int_eq(msg_node_close(node), 0);
	ck_assert_int_eq(msg_node_close(other), 0);
	ck_assert(host_is_alive(&host));
	host_close(&host);
}

/* ---- both sides ------------------------------------------------------------ */

static struct msg_publisher *publish_on(
	struct msg_node *on, uint32_t reliability, size_t memory)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *p;

	o.topic = TOPIC;
	o.reliability = reliability;
	o.flow = MSG_FLOW_MIN;
	o.large_bytes_max = BYTES;
	o.large_memory_bytes = memory;
	o.give_up_ms = 5000;
	ck_assert_msg(msg_publisher_open(on, &o, &p) == 0, "%s",
		msg_error_text());
	return p;
}

static struct msg_subscriber *subscribe_on(
	struct msg_node *on, size_t bytes, bool events)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;

	o.topic = TOPIC;
	o.large_bytes_max = bytes;
	o.give_up_ms = 3000;
	o.events = events;
	ck_assert_msg(msg_subscriber_open(on, &o, &s) == 0, "%s",
		msg_error_text());
	return s;
}

/* Message `number` of its publisher; false: not now. */
static bool try_put(struct msg_publisher *p, uint64_t number, size_t bytes)
{
	struct msg_loan loan;
	int result = msg_publisher_loan(p, bytes, &loan);

	ck_assert(result == 0 || result == -MSG_ERROR_AGAIN);
	if (result < 0)
		return false;
	message_fill(loan.data, bytes, msg_publisher_id(p), number, 0);
	ck_assert_int_eq(msg_publisher_send(p, &loan, bytes), 0);
	return true;
}

static void put(struct msg_publisher *p, uint64_t number, size_t bytes)
{
	AWAIT(30, try_put(p, number, bytes));
}

/* The next view that is a message, or LOST; the caller's to release. */
static bool take(struct msg_subscriber *s, struct msg_view *view, int64_t ns)
{
	uint64_t end = now_ns() + (uint64_t)ns;

	for (;;) {
		int n = msg_subscriber_take(s, view, 1);

		ck_assert_int_ge(n, 0);
		if (n == 1 && (view->event == MSG_EVENT_MESSAGE ||
				      view->event == MSG_EVENT_LOST))
			return true;
		if (n == 1)
			msg_subscriber_release(s, view, 1);
		else if (now_ns() >= end)
			return false;
		else
			ck_assert_int_ne(msg_subscriber_wait(s, S_NS / 100),
				-MSG_ERROR_FABRIC);
	}
}

static struct msg_view expect(
	struct msg_subscriber *s, uint64_t number, size_t bytes)
{
	struct msg_view view;

	ck_assert(take(s, &view, 30 * S_NS));
	ck_assert_uint_eq(view.event, MSG_EVENT_MESSAGE);
	ck_assert_uint_eq(view.sequence, number);
	ck_assert_uint_eq(view.lost_before, 0);
	ck_assert_uint_eq(view.segment_count, 1);
	ck_assert_uint_eq(view.bytes, bytes);
	ck_assert(message_is(view.data, bytes, view.publisher, number));
	return view;
}

static void expect_back(struct msg_subscriber *s, uint64_t number, size_t bytes)
{
	struct msg_view view = expect(s, number, bytes);

	msg_subscriber_release(s, &view, 1);
}

static void expect_loss(
	struct msg_subscriber *s, uint64_t next, enum msg_loss reason)
{
	struct msg_view view;

	ck_assert(take(s, &view, 30 * S_NS));
	ck_assert_uint_eq(view.event, MSG_EVENT_LOST);
	ck_assert_uint_eq(view.sequence, next);
	ck_assert_uint_eq(view.lost_before, 1);
	ck_assert_uint_eq(view.reason, reason);
	msg_subscriber_release(s, &view, 1);
}

/* It knows the publisher, and misses nothing from here on. */
static void meet(struct msg_subscriber *s)
{
	struct msg_view view = {.event = MSG_EVENT_MESSAGE};
	uint64_t end = now_ns() + 60 * (uint64_t)S_NS;

	while (view.event != MSG_EVENT_JOINED) {
		int n = msg_subscriber_take(s, &view, 1);

		ck_assert_int_ge(n, 0);
		ck_assert_uint_lt(now_ns(), end);
		if (n == 1)
			msg_subscriber_release(s, &view, 1);
		else
			ck_assert_int_ne(msg_subscriber_wait(s, S_NS / 100),
				-MSG_ERROR_FABRIC);
	}
}

/* ---- from host to host ------------------------------------------------------ */

/* Of a publisher here: subscribers of both hosts, among other messages. */
START_TEST(what_a_local_publisher_shows_is_read_on_both_hosts)
{
	struct msg_publisher *p;
	struct msg_subscriber *here, *there;

	setup();
	here = subscribe_on(node, BYTES, true);
	there = subscribe_on(other, BYTES, true);
	p = publish_on(node, deliveries[_i], 2 * BYTES);
	meet(here);
	meet(there);
	for (uint64_t i = 0; i < 12; i++) {
		size_t bytes = i % 3 == 1 ? BYTES - i : 100 + i;

		put(p, i, bytes);
		expect_back(here, i, bytes);
		expect_back(there, i, bytes);
	}
	ck_assert_int_eq(msg_subscriber_close(here), 0);
	ck_assert_int_eq(msg_subscriber_close(there), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	teardown();
}
END_TEST

/* Of another host: one that wants them all, one that wants smaller ones, one that
 * wants none. */
START_TEST(what_another_host_shows_is_read_once_for_all_here)
{
	struct msg_publisher *p;
	struct msg_subscriber *all, *same, *less, *none;
	struct msg_view one, two;

	setup();
	none = subscribe_on(node, 0, true);
	less = subscribe_on(node, BYTES - 1, true);
	all = subscribe_on(node, BYTES, true);
	same = subscribe_on(node, BYTES, true);
	p = publish_on(other, deliveries[_i], 4 * BYTES);
	meet(none);
	meet(less);
	meet(all);
	meet(same);
	put(p, 0, 100);
	put(p, 1, BYTES);
	put(p, 2, BYTES - 1);
	put(p, 3, 100);
	expect_back(all, 0, 100);
	one = expect(all, 1, BYTES);
	ck_assert_uint_eq((uintptr_t)one.data % 4096, 0);
	expect_back(same, 0, 100);
	two = expect(same, 1, BYTES);
	expect_back(none, 0, 100);
	expect_loss(none, 2, MSG_LOSS_TOO_LARGE);
	expect_loss(none, 3, MSG_LOSS_TOO_LARGE);
	expect_back(none, 3, 100);
	expect_back(less, 0, 100);
	expect_loss(less, 2, MSG_LOSS_TOO_LARGE);
	expect_back(less, 2, BYTES - 1);
	expect_back(less, 3, 100);
	ck_assert_uint_eq(
		msg_subscriber_counter(none, MSG_COUNTER_TOO_LARGE), 2);
	msg_subscriber_release(all, &one, 1);
	msg_subscriber_release(same, &two, 1);
	expect_back(all, 2, BYTES - 1);
	expect_back(all, 3, 100);
	expect_back(same, 2, BYTES - 1);
	expect_back(same, 3, 100);
	ck_assert_int_eq(msg_subscriber_close(none), 0);
	ck_assert_int_eq(msg_subscriber_close(less), 0);
	ck_assert_int_eq(msg_subscriber_close(all), 0);
	ck_assert_int_eq(msg_subscriber_close(same), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	teardown();
}
END_TEST

/* More than fits anywhere, each way; no reader lets any wait. */
static void pass_many(struct msg_node *from, uint32_t reliability)
{
	struct msg_subscriber *here = subscribe_on(node, BYTES, true);
	struct msg_subscriber *there = subscribe_on(other, BYTES, true);
	struct msg_publisher *p = publish_on(from, reliability, 2 * BYTES);
	uint64_t sent = 0, a = 0, b = 0, end = now_ns() + 60 * (uint64_t)S_NS;

	meet(here);
	meet(there);
	while (a < 10 || b < 10) {
		struct msg_view view;

		if (sent < 10)
			sent += try_put(p, sent, BYTES);
		if (take(here, &view, 0)) {
			ck_assert_uint_eq(view.sequence, a);
			ck_assert_uint_eq(view.event, MSG_EVENT_MESSAGE);
			ck_assert(message_is(view.data, BYTES, view.publisher, a++));
			msg_subscriber_release(here, &view, 1);
		}
		if (take(there, &view, 0)) {
			ck_assert_uint_eq(view.sequence, b);
			ck_assert_uint_eq(view.event, MSG_EVENT_MESSAGE);
			ck_assert(message_is(view.data, BYTES, view.publisher, b++));
			msg_subscriber_release(there, &view, 1);
		}
		ck_assert_msg(now_ns() < end,
			"%d of 10 were sent, %d taken here and %d there",
			(int)sent, (int)a, (int)b);
	}
	ck_assert_int_eq(msg_subscriber_close(here), 0);
	ck_assert_int_eq(msg_subscriber_close(there), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
}

START_TEST(many_pass_through_little_memory)
{
	setup();
	pass_many(node, deliveries[_i]);
	pass_many(other, deliveries[_i]);
	teardown();
}
END_TEST

/* The broker has room for two of the other host's: who keeps two costs the others
 * what comes meanwhile, in words and each after its patience, and nothing more. */
START_TEST(a_reader_that_keeps_views_stops_nobody_for_good)
{
	struct msg_publisher *p;
	struct msg_subscriber *keeps, *goes;
	struct msg_view kept[2];

	setup();
	keeps = subscribe_on(node, BYTES, true);
	goes = subscribe_on(node, BYTES, true);
	p = publish_on(other, deliveries[_i], 4 * BYTES);
	meet(keeps);
	meet(goes);
	for (uint64_t i = 0; i < 2; i++) {
		put(p, i, BYTES);
		kept[i] = expect(keeps, i, BYTES);
		expect_back(goes, i, BYTES);
	}
	put(p, 2, BYTES);
	put(p, 3, 100);
	expect_loss(goes, 3, MSG_LOSS_TOO_LARGE);
	expect_back(goes, 3, 100);
	for (uint64_t i = 0; i < 2; i++)
		ck_assert(message_is(kept[i].data, BYTES, kept[i].publisher, i));
	msg_subscriber_release(keeps, kept, 2);
	expect_loss(keeps, 3, MSG_LOSS_TOO_LARGE);
	expect_back(keeps, 3, 100);
	put(p, 4, BYTES);
	expect_back(goes, 4, BYTES);
	expect_back(keeps, 4, BYTES);
	ck_assert_int_eq(msg_subscriber_close(keeps), 0);
	ck_assert_int_eq(msg_subscriber_close(goes), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("survive_large");
	TCase *large = check_case(suite, "large", 120);

	tcase_add_loop_test(large,
		what_a_local_publisher_shows_is_read_on_both_hosts, 0, 2);
	tcase_add_loop_test(large,
		what_another_host_shows_is_read_once_for_all_here, 0, 2);
	tcase_add_loop_test(large, many_pass_through_little_memory, 0, 2);
	tcase_add_loop_test(large,
		a_reader_that_keeps_views_stops_nobody_for_good, 0, 2);
	return check_main(suite, NULL);
}
