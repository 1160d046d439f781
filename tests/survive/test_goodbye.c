/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_goodbye.c - the last messages of a publisher that closes while its broker
 * is away, or has just come back: nobody sent them, and other hosts are told so,
 * to the message, before they hear that it has left.  And of one that sends nothing
 * more, but stays.
 *
 * The other host is this process, straight on the lane.  MSG_TEST_LONG=1: all of it.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "actor.h"
#include "lane.h"

#define TOPIC "goodbye.test"
#define COUNT 20u
#define MORE 7u
#define LIMIT_NS 20000000000ull
/* A machine may be busy. */
#define LINGER_MS 10000u

static struct lane lane;
static struct host host;
static struct msg_node *node;  /* On the broker. */
static struct msg_node *other; /* Another host. */
static struct msg_subscriber *subscriber;
static uint64_t sent;

static void setup(void)
{
	struct msg_node_options o;

	sent = 0;
	lane_choose(&lane, NULL, NULL);
	host_open(&host, NULL);
	host.arguments = lane.arguments;
	host_start(&host);
	ck_assert_msg(host_node(&host, &node) == 0, "%s", msg_error_text());
	o = lane_node_options(&lane);
	ck_assert_msg(msg_node_open(&o, &other) == 0, "%s", msg_error_text());
}

static void teardown(void)
{
	ck_assert_int_eq(msg_subscriber_close(subscriber), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
	ck_assert_int_eq(msg_node_close(other), 0);
	host_close(&host);
}

static struct msg_publisher *publish(
	enum msg_reliability reliability, uint32_t linger_ms)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	uint64_t limit = now_ns() + LIMIT_NS;
	struct msg_publisher *p;
	int result;

	o.topic = TOPIC;
	o.reliability = reliability;
	if (reliability != MSG_RELIABILITY_BEST_EFFORT)
		o.linger_ms = linger_ms;
	/* A broker's first rc topic loads libfabric, which takes a busy machine
	 * longer than an answer may take. */
	while ((result = msg_publisher_open(node, &o, &p)) ==
			-MSG_ERROR_FABRIC &&
		now_ns() < limit)
		;
	ck_assert_msg(result == 0, "%s", msg_error_text());
	return p;
}

static void subscribe(void)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;

	o.topic = TOPIC;
	o.events = true;
	o.give_up_ms = 200;
	ck_assert_msg(msg_subscriber_open(other, &o, &subscriber) == 0, "%s",
		msg_error_text());
}

static void put(struct msg_publisher *p, uint32_t count)
{
	struct msg_loan loan;

	for (uint32_t i = 0; i < count; i++) {
		ck_assert_int_eq(
			msg_publisher_loan(p, sizeof sent, &loan), 0);
		memcpy(loan.data, &sent, sizeof sent);
		ck_assert_int_eq(
			msg_publisher_send(p, &loan, sizeof sent), 0);
		sent++;
	}
}

/* What the subscriber has heard. */
static uint64_t taken, lost;
static bool left;

static void take(void)
{
	struct msg_view view;

	if (msg_subscriber_take(subscriber, &view, 1) != 1)
		return;
	/* Behind that there is nothing. */
	ck_assert(!left);
	taken += view.event == MSG_EVENT_MESSAGE;
	lost += view.lost_before;
	left = view.event == MSG_EVENT_LEFT;
	msg_subscriber_release(subscriber, &view, 1);
}

/* It has all of the first, and knows the publisher. */
static void begin(struct msg_publisher *p)
{
	uint64_t limit = now_ns() + LIMIT_NS;

	taken = lost = 0;
	left = false;
	while (taken < COUNT) {
		ck_assert_uint_lt(now_ns(), limit);
		if (taken == sent)
			put(p, 1);
		take();
	}
	ck_assert_uint_eq(sent, COUNT);
	ck_assert_uint_eq(lost, 0);
}

/* Whatever of all that was sent did not come is told as lost, … */
static void hear_all(void)
{
	uint64_t limit = now_ns() + LIMIT_NS;

	while (taken + lost < sent) {
		ck_assert_uint_lt(now_ns(), limit);
		msg_node_progress(node);
		take();
	}
}

/* … before it has left. */
static void hear_end(void)
{
	uint64_t limit = now_ns() + LIMIT_NS;

	while (!left) {
		ck_assert_uint_lt(now_ns(), limit);
		take();
	}
	ck_assert_uint_eq(taken + lost, sent);
}

static void expect_end(uint64_t missed)
{
	hear_end();
	ck_assert_uint_eq(lost, missed);
}

/* It waits for the next broker, to say how much there was. */
START_TEST(who_closes_while_the_broker_is_away)
{
	struct msg_publisher *p = publish(MSG_RELIABILITY_RELIABLE, LINGER_MS);

	subscribe();
	begin(p);
	host_end(&host, SIGKILL);
	put(p, MORE);
	host_launch(&host);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	expect_end(sent - COUNT);
}
END_TEST

/* As long as a loan is out a publisher stays in its old ring, which nobody sends
 * from any more. */
START_TEST(who_closes_behind_what_the_old_ring_had)
{
	struct msg_publisher *p = publish(MSG_RELIABILITY_RELIABLE, LINGER_MS);
	struct msg_loan loan;

	subscribe();
	begin(p);
	ck_assert_int_eq(msg_publisher_loan(p, 8, &loan), 0);
	host_end(&host, SIGKILL);
	put(p, 1);
	host_start(&host);
	while (msg_publisher_counter(p, MSG_COUNTER_REATTACHED) == 0)
		put(p, 1), sleep_us(1000);
	put(p, MORE);
	msg_publisher_abandon(p, &loan);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	expect_end(sent - COUNT);
}
END_TEST

/* It goes on in the next broker's ring. */
static void follow(struct msg_publisher *p)
{
	uint64_t limit = now_ns() + LIMIT_NS;

	while (msg_publisher_counter(p, MSG_COUNTER_REATTACHED) == 0) {
		ck_assert_uint_lt(now_ns(), limit);
		msg_node_progress(node);
		sleep_us(1000);
	}
}

/* Of an rc topic one has what is sent once one is connected. */
static void connect_first(void)
{
	uint64_t limit = now_ns() + LIMIT_NS;

	while (msg_subscriber_counter(subscriber, MSG_COUNTER_CONNECTED) == 0) {
		ck_assert_uint_lt(now_ns(), limit);
		take();
	}
}

/* One closes right after the next broker is there. */
static void close_behind_return(uint32_t linger_ms)
{
	struct msg_publisher *p = publish(MSG_RELIABILITY_RC, linger_ms);

	subscribe();
	connect_first();
	begin(p);
	host_end(&host, SIGKILL);
	put(p, MORE);
	host_start(&host);
	follow(p);
	put(p, COUNT);
	ck_assert_int_eq(msg_publisher_close(p), 0);
}

/* Receivers had connections to the last broker.  They have as long as the
 * publisher lingers to call this one: what it has is not lost to them. */
START_TEST(who_closes_before_receivers_can_connect)
{
	close_behind_return(LINGER_MS);
	hear_all();
	ck_assert_uint_eq(lost, MORE);
}
END_TEST

/* Who does not call in time is told how much he has lost. */
START_TEST(who_closes_and_waits_for_no_receiver)
{
	close_behind_return(1);
	hear_end();
	ck_assert_uint_ge(lost, MORE);
}
END_TEST

/* What the old ring had when it moved is told though nothing follows. */
static void move_and_be_idle(enum msg_reliability reliability)
{
	struct msg_publisher *p = publish(reliability, 1);
	struct msg_loan loan;

	subscribe();
	if (reliability == MSG_RELIABILITY_RC)
		connect_first();
	begin(p);
	ck_assert_int_eq(msg_publisher_loan(p, 8, &loan), 0);
	host_end(&host, SIGKILL);
	put(p, 1);
	host_start(&host);
	follow(p);
	put(p, MORE);
	msg_publisher_abandon(p, &loan);
	hear_all();
	ck_assert_uint_eq(lost, 1 + MORE);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	expect_end(1 + MORE);
}

START_TEST(who_moves_and_is_idle)
{
	static const enum msg_reliability all[] = {MSG_RELIABILITY_BEST_EFFORT,
		MSG_RELIABILITY_RELIABLE, MSG_RELIABILITY_RC};

	move_and_be_idle(all[_i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("goodbye");
	TCase *tcase = check_case(suite, "goodbye", 100);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, who_closes_while_the_broker_is_away);
	tcase_add_test(tcase, who_closes_behind_what_the_old_ring_had);
	tcase_add_test(tcase, who_closes_before_receivers_can_connect);
	/* Each of these waits for a while. */
	if (getenv("MSG_TEST_LONG")) {
		tcase_add_loop_test(tcase, who_moves_and_is_idle, 0, 3);
		tcase_add_test(tcase, who_closes_and_waits_for_no_receiver);
	}
	return check_main(suite, NULL);
}
