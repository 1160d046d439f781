/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_events.c - what happens to publishers is told in line, through the broker
 * as without one: that they come, leave, fall silent and come back, and what is
 * lost at the end of a stream, with nothing behind it that could tell of it; and
 * for who did not ask nothing is different.
 *
 * Publishers of another host are a socket of the test's, which sends frames as
 * those would, and so can leave some out.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "actor.h"
#include "lane.h"

#include "topic/announce.h"

#define TOPIC "events.test"
#define PUBLISHER 0x1234567u
#define SOON_NS 1000000000ull

static const char *const few_slots[] = {"--slots", "64", NULL};

static struct lane lane;
static struct host host;
static struct msg_node *node;

/* Who asked, and who did not. */
static struct msg_subscriber *asked, *other;

static void send_frame_of(uint32_t publisher, enum msg_frame_type type,
	uint64_t sequence, const void *body, size_t bytes)
{
	struct msg_frame frame = {
		.type = (uint8_t)type,
		.publisher = publisher,
		.sequence = sequence,
	};

	lane_send(&lane, TOPIC, &frame, body, bytes);
}

static void send_frame(enum msg_frame_type type, uint64_t sequence,
	const void *body, size_t bytes)
{
	send_frame_of(PUBLISHER, type, sequence, body, bytes);
}

static void send_message(uint64_t sequence)
{
	send_frame(MSG_FRAME_SINGLE, sequence, &sequence, sizeof sequence);
}

static void announce(uint64_t next_sequence, bool closing)
{
	uint8_t body[MSG_ANNOUNCE_BYTES_MAX];
	struct msg_announcement said = {
		.topic = TOPIC,
		.host = "elsewhere",
		.program = "test",
		.incarnation = 0xabcull << 32 | PUBLISHER,
		.publisher = PUBLISHER,
		.next_sequence = next_sequence,
		.pid = 1,
		.message_bytes_max = 8,
		.frame_bytes = 1024,
		.period_ms = 60000,
		.closing = closing,
	};

	send_frame(MSG_FRAME_ANNOUNCE, 0, body, msg_announce_pack(&said, body));
}

static struct msg_subscriber *subscribe_as(const char *topic, bool events,
	uint32_t slow, uint32_t history)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;

	o.topic = topic;
	o.events = events;
	o.slow = slow;
	o.history_count = history;
	ck_assert_msg(msg_subscriber_open(node, &o, &s) == 0, "%s",
		msg_error_text());
	return s;
}

static struct msg_subscriber *subscribe(bool events)
{
	return subscribe_as(TOPIC, events, MSG_SLOW_DEFAULT, 0);
}

static void setup(void)
{
	lane_choose(&lane, NULL, few_slots);
	lane_open_sender(&lane);
	host_open(&host, NULL);
	host.arguments = lane.arguments;
	host_start(&host);
	ck_assert_msg(host_node(&host, &node) == 0, "%s", msg_error_text());
	asked = subscribe(true);
	other = subscribe(false);
}

static void teardown(void)
{
	ck_assert_int_eq(msg_subscriber_close(asked), 0);
	ck_assert_int_eq(msg_subscriber_close(other), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
	lane_close_sender(&lane);
	host_close(&host);
}

/* Within `ns`; false: nothing came. */
static bool take(struct msg_subscriber *s, struct msg_view *view, uint64_t ns)
{
	uint64_t end = now_ns() + ns;
	int n;

	while ((n = msg_subscriber_take(s, view, 1)) == 0 && now_ns() < end)
		ck_assert_int_ne(msg_subscriber_wait(s, SOON_NS / 50),
			-MSG_ERROR_FABRIC);
	ck_assert_int_ge(n, 0);
	if (n == 1)
		msg_subscriber_release(s, view, 1);
	return n == 1;
}

static void expect(struct msg_subscriber *s, enum msg_event event,
	uint64_t sequence, uint64_t lost)
{
	struct msg_view view;

	ck_assert(take(s, &view, 5 * SOON_NS));
	ck_assert_uint_eq(view.event, event);
	ck_assert_uint_eq(view.publisher, PUBLISHER);
	ck_assert_uint_eq(view.lost_before, lost);
	if (event == MSG_EVENT_MESSAGE)
		ck_assert_uint_eq(view.sequence, sequence);
	if (event == MSG_EVENT_LOST)
		ck_assert_uint_eq(view.reason, MSG_LOSS_NETWORK);
}

START_TEST(the_end_of_a_stream_is_told)
{
	struct msg_view view;
	uint64_t begin;

	send_message(0);
	expect(asked, MSG_EVENT_JOINED, 0, 0);
	for (uint64_t i = 0; i < 10; i++) {
		if (i > 0)
			send_message(i);
		expect(asked, MSG_EVENT_MESSAGE, i, 0);
		expect(other, MSG_EVENT_MESSAGE, i, 0);
	}
	/* Five more were sent, it says, and nothing follows them. */
	begin = now_ns();
	announce(15, false);
	expect(asked, MSG_EVENT_LOST, 0, 5);
	printf("told after %.1f ms\n", (double)(now_ns() - begin) / 1e6);
	ck_assert_uint_lt(now_ns() - begin, SOON_NS);
	ck_assert_uint_eq(msg_subscriber_counter(asked, MSG_COUNTER_LOST), 5);
	ck_assert(!take(other, &view, SOON_NS / 5));
	ck_assert_uint_eq(msg_subscriber_counter(other, MSG_COUNTER_LOST), 0);
	/* Not again with the next message; but for who did not ask. */
	send_message(15);
	expect(asked, MSG_EVENT_MESSAGE, 15, 0);
	expect(other, MSG_EVENT_MESSAGE, 15, 5);
	/* The same by a gap in between: once, before what follows. */
	send_message(18);
	expect(asked, MSG_EVENT_LOST, 0, 2);
	expect(asked, MSG_EVENT_MESSAGE, 18, 0);
	expect(other, MSG_EVENT_MESSAGE, 18, 2);
	announce(20, true);
	expect(asked, MSG_EVENT_LOST, 0, 1);
	expect(asked, MSG_EVENT_LEFT, 0, 0);
	ck_assert(!take(other, &view, SOON_NS / 5));
	ck_assert_uint_eq(msg_subscriber_counter(asked, MSG_COUNTER_LOST), 8);
	ck_assert_uint_eq(
		msg_subscriber_counter(asked, MSG_COUNTER_MESSAGES), 12);
	ck_assert_uint_eq(
		msg_subscriber_counter(other, MSG_COUNTER_MALFORMED), 0);
}
END_TEST

START_TEST(who_comes_later_is_told_who_is_there)
{
	struct msg_subscriber *late;
	struct msg_view view;

	for (uint64_t i = 0; i < 3; i++)
		send_message(i);
	expect(asked, MSG_EVENT_JOINED, 0, 0);
	for (uint64_t i = 0; i < 3; i++)
		expect(asked, MSG_EVENT_MESSAGE, i, 0);
	late = subscribe(true);
	expect(late, MSG_EVENT_JOINED, 0, 0);
	send_message(3);
	expect(late, MSG_EVENT_MESSAGE, 3, 0);
	/* It alone. */
	expect(asked, MSG_EVENT_MESSAGE, 3, 0);
	ck_assert(!take(late, &view, SOON_NS / 20));
	ck_assert_int_eq(msg_subscriber_close(late), 0);
}
END_TEST

/* What was lapped of one publisher, and what came behind it is another's: how
 * much of the first is gone it is told all the same. */
START_TEST(who_was_lapped_is_told_though_nothing_follows)
{
	uint64_t taken[2] = {0, 0}, lost[2] = {0, 0}, at_once = 0;
	struct msg_view view;

	for (uint64_t i = 0; i < 5; i++)
		send_message(i);
	expect(asked, MSG_EVENT_JOINED, 0, 0);
	for (uint64_t i = 0; i < 5; i++)
		expect(asked, MSG_EVENT_MESSAGE, i, 0);
	/* Nor is it silent before a busy machine has done the rest. */
	announce(5, false);
	/* And now it takes nothing. */
	for (uint64_t i = 5; i < 15; i++)
		send_message(i);
	for (uint64_t i = 0; i < 400; i++) {
		send_frame_of(PUBLISHER + 1, MSG_FRAME_SINGLE, i, &i, sizeof i);
		sleep_us(200);
	}
	sleep_us(100000);
	while (take(asked, &view, SOON_NS / 5)) {
		int who = view.publisher != PUBLISHER;

		taken[who] += view.event == MSG_EVENT_MESSAGE;
		lost[who] += view.lost_before;
		if (who == 0 && view.event == MSG_EVENT_LOST) {
			ck_assert_uint_eq(view.reason, MSG_LOSS_LAPPED);
			at_once += view.lost_before;
		}
	}
	printf("of 10 and 400 %llu and %llu were taken, %llu lost of the first\n",
		(unsigned long long)taken[0], (unsigned long long)taken[1],
		(unsigned long long)at_once);
	ck_assert_uint_gt(at_once, 0);
	ck_assert_uint_eq(taken[0] + lost[0], 10);
	ck_assert_uint_gt(taken[1], 0);
	/* Not again with what follows. */
	send_message(15);
	expect(asked, MSG_EVENT_MESSAGE, 15, 0);
}
END_TEST

/* As many datagrams wait as the broker has buffers: one turn takes all of those, and
 * the next one has what readers have yet to take.  Who holds one loses no ring. */
START_TEST(a_burst_for_all_buffers_evicts_nobody)
{
	struct msg_view held, view;
	uint64_t next = 1;

	send_message(0);
	expect(asked, MSG_EVENT_JOINED, 0, 0);
	AWAIT(10, msg_subscriber_take(asked, &held, 1) == 1);
	for (int round = 0; round < 3; round++) {
		kill(host.broker, SIGSTOP);
		for (int i = 0; i < 200; i++)
			send_message(next++);
		kill(host.broker, SIGCONT);
		while (take(asked, &view, SOON_NS / 5))
			;
	}
	ck_assert_uint_eq(*(const uint64_t *)held.data, 0);
	msg_subscriber_release(asked, &held, 1);
	send_message(next);
	while (take(asked, &view, SOON_NS / 5))
		;
	ck_assert_uint_eq(view.sequence, next);
}
END_TEST

/* ---- publishers of this host --------------------------------------------- */

static void expect_of(struct msg_subscriber *s, uint64_t publisher,
	enum msg_event event, uint64_t sequence)
{
	struct msg_view view;

	ck_assert(take(s, &view, 5 * SOON_NS));
	ck_assert_uint_eq(view.event, event);
	ck_assert_uint_eq(view.publisher, publisher);
	ck_assert_uint_eq(view.sequence, sequence);
	ck_assert_uint_eq(view.lost_before, 0);
	ck_assert_uint_eq(view.bytes, event == MSG_EVENT_MESSAGE ? 40 : 0);
}

static struct msg_publisher *publish(const char *topic, uint32_t reliability)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *p;

	o.topic = topic;
	o.reliability = reliability;
	o.linger_ms = reliability == MSG_RELIABILITY_RELIABLE ? 20 : 0;
	ck_assert_msg(msg_publisher_open(node, &o, &p) == 0, "%s",
		msg_error_text());
	return p;
}

static void publish_one(struct msg_publisher *p)
{
	static const char data[40];
	int result;

	while ((result = msg_publish(p, data, sizeof data)) == -MSG_ERROR_AGAIN)
		sleep_us(100);
	ck_assert_int_eq(result, 0);
}

START_TEST(who_comes_leaves_and_comes_back_is_told)
{
	struct msg_subscriber *s = subscribe_as("here.*", true, 0, 0);
	struct msg_publisher *p = publish("here.a", 0);
	struct msg_view view;
	uint64_t id = msg_publisher_id(p);

	/* At once, before its first message. */
	expect_of(s, id, MSG_EVENT_JOINED, 0);
	for (uint64_t i = 0; i < 100; i++)
		publish_one(p);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	for (uint64_t i = 0; i < 100; i++)
		expect_of(s, id, MSG_EVENT_MESSAGE, i);
	expect_of(s, id, MSG_EVENT_LEFT, 100);
	/* Another topic is another one, the same one is this one again. */
	p = publish("here.b", 0);
	expect_of(s, msg_publisher_id(p), MSG_EVENT_JOINED, 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	expect_of(s, msg_publisher_id(p), MSG_EVENT_LEFT, 0);
	p = publish("here.a", 0);
	ck_assert_uint_ne(msg_publisher_id(p), id);
	expect_of(s, msg_publisher_id(p), MSG_EVENT_JOINED, 0);
	expect_of(s, msg_publisher_id(p), MSG_EVENT_RESTARTED, 0);
	publish_one(p);
	expect_of(s, msg_publisher_id(p), MSG_EVENT_MESSAGE, 0);
	ck_assert(!take(s, &view, SOON_NS / 20));
	ck_assert_uint_eq(msg_subscriber_counter(s, MSG_COUNTER_MESSAGES), 101);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	ck_assert_int_eq(msg_subscriber_close(s), 0);
}
END_TEST

/* What it had published comes first, and then that it is gone. */
START_TEST(who_is_killed_is_silent_at_once)
{
	struct msg_subscriber *s = subscribe_as("killed", true, 0, 0);
	struct publisher_plan plan = {.host = &host, .topic = "killed",
		.bytes_min = 40, .bytes_max = 40, .burst = 3, .pause_us = 1000,
		.seed = check_seed()};
	struct actor *actor;
	struct msg_view view;
	uint64_t next = 0, killed_ns;

	actors_open();
	actor = publisher_start(&plan);
	ck_assert(take(s, &view, 5 * SOON_NS));
	ck_assert_uint_eq(view.event, MSG_EVENT_JOINED);
	AWAIT(10, actor->published > 30);
	actor_kill(actor);
	killed_ns = now_ns();
	for (;;) {
		ck_assert(take(s, &view, 5 * SOON_NS));
		if (view.event != MSG_EVENT_MESSAGE)
			break;
		ck_assert_uint_eq(view.sequence, next++);
	}
	printf("silent %.1f ms after its end, %llu messages\n",
		(double)(now_ns() - killed_ns) / 1e6,
		(unsigned long long)next);
	ck_assert_uint_eq(view.event, MSG_EVENT_SILENT);
	ck_assert_uint_eq(view.sequence, next);
	ck_assert_uint_ge(next, 30);
	ck_assert_uint_lt(now_ns() - killed_ns, SOON_NS);
	actor = publisher_start(&plan);
	ck_assert(take(s, &view, 5 * SOON_NS));
	ck_assert_uint_eq(view.event, MSG_EVENT_JOINED);
	ck_assert(take(s, &view, 5 * SOON_NS));
	ck_assert_uint_eq(view.event, MSG_EVENT_RESTARTED);
	actor_stop(actor);
	ck_assert_int_eq(msg_subscriber_close(s), 0);
}
END_TEST

/* A broker that dies is no event: its publishers are there as before. */
START_TEST(a_broker_that_comes_back_is_no_event)
{
	struct msg_subscriber *s = subscribe_as("stays", true, 0, 0);
	struct msg_publisher *p = publish("stays", 0);
	uint64_t id = msg_publisher_id(p), sent = 0;
	uint64_t limit = now_ns() + 10 * SOON_NS, back_ns = 0;
	struct msg_view view;

	expect_of(s, id, MSG_EVENT_JOINED, 0);
	host_end(&host, SIGKILL);
	host_start(&host);
	while (msg_publisher_counter(p, MSG_COUNTER_REATTACHED) == 0 ||
		msg_subscriber_counter(s, MSG_COUNTER_REATTACHED) == 0) {
		if (msg_publisher_counter(p, MSG_COUNTER_REATTACHED) == 0)
			back_ns = now_ns();
		/* For half a second its readers find it where it was; on a busy
		 * machine the broker may not have answered both by then. */
		if (now_ns() - back_ns < SOON_NS / 4) {
			publish_one(p);
			expect_of(s, id, MSG_EVENT_MESSAGE, sent++);
		} else {
			ck_assert(!take(s, &view, 0));
		}
		sleep_us(1000);
		ck_assert_uint_lt(now_ns(), limit);
	}
	for (int i = 0; i < 50; i++) {
		publish_one(p);
		expect_of(s, id, MSG_EVENT_MESSAGE, sent++);
		sleep_us(10000);
	}
	ck_assert_int_eq(msg_publisher_close(p), 0);
	expect_of(s, id, MSG_EVENT_LEFT, sent);
	ck_assert_int_eq(msg_subscriber_close(s), 0);
}
END_TEST

START_TEST(a_late_joiner_hears_of_it_before_its_history)
{
	struct msg_publisher *p = publish("late", MSG_RELIABILITY_RELIABLE);
	struct msg_subscriber *s;
	uint64_t id = msg_publisher_id(p);

	for (int i = 0; i < 20; i++)
		publish_one(p);
	sleep_us(20000);
	s = subscribe_as("late", true, 0, 5);
	expect_of(s, id, MSG_EVENT_JOINED, 15);
	for (uint64_t i = 15; i < 20; i++)
		expect_of(s, id, MSG_EVENT_MESSAGE, i);
	publish_one(p);
	expect_of(s, id, MSG_EVENT_MESSAGE, 20);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	expect_of(s, id, MSG_EVENT_LEFT, 21);
	ck_assert_int_eq(msg_subscriber_close(s), 0);
}
END_TEST

START_TEST(that_it_was_evicted_is_a_view_and_then_the_code)
{
	struct msg_subscriber *s =
		subscribe_as("fast", true, MSG_SLOW_EVICT, 0);
	struct msg_publisher *p = publish("fast", 0);
	struct msg_view view;

	expect_of(s, msg_publisher_id(p), MSG_EVENT_JOINED, 0);
	for (int i = 0; i < 20000; i++)
		publish_one(p);
	ck_assert(take(s, &view, 5 * SOON_NS));
	ck_assert_uint_eq(view.event, MSG_EVENT_EVICTED);
	ck_assert_uint_eq(view.publisher, msg_publisher_id(p));
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(msg_subscriber_take(s, &view, 1),
			-MSG_ERROR_EVICTED);
	ck_assert_int_eq(msg_subscriber_close(s), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("events");
	TCase *tcase = check_case(suite, "events", 60);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, the_end_of_a_stream_is_told);
	tcase_add_test(tcase, who_comes_later_is_told_who_is_there);
	tcase_add_test(tcase, a_burst_for_all_buffers_evicts_nobody);
	tcase_add_test(tcase, who_was_lapped_is_told_though_nothing_follows);
	tcase_add_test(tcase, who_comes_leaves_and_comes_back_is_told);
	tcase_add_test(tcase, who_is_killed_is_silent_at_once);
	tcase_add_test(tcase, a_broker_that_comes_back_is_no_event);
	tcase_add_test(tcase, a_late_joiner_hears_of_it_before_its_history);
	tcase_add_test(tcase, that_it_was_evicted_is_a_view_and_then_the_code);
	return check_main(suite, NULL);
}
