/* SPDX-License-Identifier: BSD-2-Clause */
/* wake.c - sleeping and waking: no wake-up is lost. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "harness.h"

/* Take one, asleep in between; the loop of msg.h, to the letter. */
static struct msg_view take_asleep(struct msg_subscriber *s)
{
	struct pollfd wake = {
		.fd = msg_subscriber_fd(s), .events = POLLIN};
	struct msg_view view;

	for (;;) {
		int n = msg_subscriber_take(s, &view, 1);

		ck_assert_int_ge(n, 0);
		if (n == 1)
			return view;
		n = msg_subscriber_arm(s);
		ck_assert(n == 0 || n == -MSG_ERROR_AGAIN);
		if (n == 0)
			ck_assert_msg(poll(&wake, 1, 10000) == 1,
				"a wake-up was lost");
	}
}

static void spin(uint64_t turns)
{
	for (volatile uint64_t i = 0; i < turns; i++)
		;
}

/* Send back what comes, at random a little later, so that the answer meets the
 * other side now before, now in, now after its arm. */
static int echo(int in, int out, void *argument)
{
	uint64_t rounds = *(uint64_t *)argument;
	struct random_stream random = {check_seed() + 1};
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "ping");
	struct msg_publisher *p = open_publisher(node, "pong", 0);

	say(out, 1);
	for (uint64_t i = 0; i < rounds; i++) {
		struct msg_view view = take_asleep(s);

		ck_assert_uint_eq(view.sequence, i);
		msg_subscriber_release(s, &view, 1);
		spin(random_below(&random, 4000));
		publish_filled(p, 8, 1, i, false);
	}
	hear(in);
	close_all(node, p, s);
	return 0;
}

START_TEST(no_wake_up_is_lost)
{
	uint64_t rounds = (uint64_t)lane_count(10000, 1000);
	struct random_stream random = {check_seed()};
	struct peer peer = peer_start(echo, &rounds);
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "pong");
	struct msg_publisher *p = open_publisher(node, "ping", 0);

	hear(peer.from);
	for (uint64_t i = 0; i < rounds; i++) {
		struct msg_view view;

		spin(random_below(&random, 4000));
		publish_filled(p, 8, 1, i, false);
		view = take_asleep(s);
		ck_assert_uint_eq(view.sequence, i);
		msg_subscriber_release(s, &view, 1);
	}
	say(peer.to, 1);
	peer_end(&peer);
	close_all(node, p, s);
}
END_TEST

START_TEST(the_descriptor_is_one_and_works_in_epoll)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "epoll");
	struct msg_publisher *p = open_publisher(node, "epoll", 0);
	struct epoll_event event = {.events = EPOLLIN};
	int fd = msg_subscriber_fd(s);
	int set = epoll_create1(0);
	struct msg_view view;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	for (uint64_t i = 0; i < 100; i++) {
		int64_t limit = now_ns() + 5 * S;

		while (msg_subscriber_take(s, &view, 1) == 0 &&
			msg_subscriber_arm(s) != 0)
			ck_assert_int_lt(now_ns(), limit);
		publish_filled(p, 8, 1, i, false);
		ck_assert_int_eq(epoll_wait(set, &event, 1, 5000), 1);
		view = take_one(s, 5 * S);
		ck_assert_uint_eq(view.sequence, i);
		msg_subscriber_release(s, &view, 1);
		ck_assert_int_eq(msg_subscriber_fd(s), fd);
	}
	close(set);
	close_all(node, p, s);
}
END_TEST

START_TEST(a_wait_ends_in_time)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "wait");
	int64_t begin = now_ns();

	ck_assert_int_eq(msg_subscriber_wait(s, 0), -MSG_ERROR_TIMEOUT);
	ck_assert_int_lt(now_ns() - begin, S);
	begin = now_ns();
	ck_assert_int_eq(
		msg_subscriber_wait(s, 100 * MS), -MSG_ERROR_TIMEOUT);
	ck_assert_int_ge(now_ns() - begin, 100 * MS);
	ck_assert_int_lt(now_ns() - begin, 3 * S);
	close_all(node, NULL, s);
}
END_TEST

/* What a publisher says of itself, 20 ms apart, and a reliable one's heartbeats
 * are no messages. */
START_TEST(a_wait_sleeps_on_when_no_message_comes)
{
	struct msg_node_options o = node_options();
	struct msg_node *node;
	struct msg_subscriber *s;
	struct msg_publisher *p;
	struct msg_view view;
	int64_t begin;

	o.flags |= MSG_NODE_PROGRESS_THREAD;
	node = open_node_as(&o);
	s = open_subscriber(node, "wait");
	p = open_publisher(node, "wait", 0);
	publish_filled(p, 8, 1, 0, false);
	view = take_one(s, 5 * S);
	msg_subscriber_release(s, &view, 1);
	begin = now_ns();
	ck_assert_int_eq(
		msg_subscriber_wait(s, 500 * MS), -MSG_ERROR_TIMEOUT);
	ck_assert_int_ge(now_ns() - begin, 500 * MS);
	close_all(node, p, s);
}
END_TEST

START_TEST(a_wait_ends_when_something_comes)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "wait");
	struct msg_publisher *p = open_publisher(node, "wait", 0);
	struct msg_view view;

	publish_filled(p, 8, 1, 0, false);
	ck_assert_int_eq(msg_subscriber_wait(s, -1), 0);
	view = take_one(s, 5 * S);
	msg_subscriber_release(s, &view, 1);
	close_all(node, p, s);
}
END_TEST

static _Atomic int signals;

static void on_signal(int number)
{
	(void)number;
	signals++;
}

static void *interrupt(void *thread)
{
	/* Once more and again: one that comes before the sleep wakes nobody. */
	while (signals < 1000) {
		sleep_ns(20 * MS);
		pthread_kill(*(pthread_t *)thread, SIGUSR1);
	}
	return NULL;
}

START_TEST(a_wait_ends_with_a_signal)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "signal");
	pthread_t self = pthread_self();
	pthread_t thread;

	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, interrupt, &self);
	ck_assert_int_eq(msg_subscriber_wait(s, 10 * S), 0);
	ck_assert_int_ge(signals, 1);
	signals = 1000;
	pthread_join(thread, NULL);
	close_all(node, NULL, s);
}
END_TEST

/* ---- every buffer in other hands ----------------------------------------- */

static struct msg_subscriber *starved;
static struct msg_view hoard[16];

static void *release_later(void *unused)
{
	(void)unused;
	sleep_ns(100 * MS);
	msg_subscriber_release(starved, hoard, 16);
	return NULL;
}

/* All buffers are in the hands of other threads and a message waits: the one
 * that takes must hear of it when they come back. */
static void starve(bool armed)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_node *node = open_node();
	struct msg_publisher *p = open_publisher(node, "starve", 0);
	int64_t begin;
	struct msg_view view;
	pthread_t thread;
	int result;

	o.topic = "starve";
	o.buffer_count = 16;
	starved = open_subscriber_as(node, &o);
	meet_publishers(starved, 1);
	for (uint64_t i = 0; i < 16; i++) {
		publish_filled(p, 8, 1, i, false);
		hoard[i] = take_one(starved, 5 * S);
	}
	ck_assert_int_eq(msg_subscriber_take(starved, &view, 1), 0);
	ck_assert_uint_gt(counted(starved, MSG_COUNTER_STARVED), 0);
	begin = now_ns();
	/* Announcements have buffers of their own: they may wake who waits for
	 * what comes by connections. */
	do
		result = msg_subscriber_wait(starved, 50 * MS);
	while (lane.rc && result == 0 && now_ns() - begin < 50 * MS);
	ck_assert(result == -MSG_ERROR_TIMEOUT || (lane.rc && result == 0));
	ck_assert_int_ge(now_ns() - begin, 50 * MS);
	publish_filled(p, 8, 1, 16, false);
	pthread_create(&thread, NULL, release_later, NULL);
	if (armed) {
		view = take_asleep(starved);
	} else {
		do
			ck_assert_int_eq(
				msg_subscriber_wait(starved, 5 * S), 0);
		while (msg_subscriber_take(starved, &view, 1) == 0);
	}
	/* A lane without buffers of its own may have lost it. */
	ck_assert_uint_eq(view.sequence, 16);
	msg_subscriber_release(starved, &view, 1);
	pthread_join(thread, NULL);
	close_all(node, p, starved);
}

START_TEST(a_starved_wait_ends_when_buffers_return)
{
	if (lane.device)
		CHECK_SKIP("a device drops what finds no buffer");
	starve(false);
}
END_TEST

START_TEST(a_starved_subscriber_is_not_put_to_sleep)
{
	if (lane.device)
		CHECK_SKIP("a device drops what finds no buffer");
	starve(true);
}
END_TEST

void add_wake(Suite *suite)
{
	TCase *wake = check_case(suite, "wake", 60);

	tcase_add_test(wake, no_wake_up_is_lost);
	tcase_add_test(wake, the_descriptor_is_one_and_works_in_epoll);
	tcase_add_test(wake, a_wait_ends_in_time);
	tcase_add_test(wake, a_wait_sleeps_on_when_no_message_comes);
	tcase_add_test(wake, a_wait_ends_when_something_comes);
	tcase_add_test(wake, a_wait_ends_with_a_signal);
	tcase_add_test(wake, a_starved_wait_ends_when_buffers_return);
	tcase_add_test(wake, a_starved_subscriber_is_not_put_to_sleep);
}
