/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_storm.c - offenders by the dozen, for seconds: four that attach and leave
 * as fast as they can, two that connect more often than they may and break off
 * in the middle of a word, two that ask for all they can get and read nothing.
 * Those who are honest get every message; the offenders' user is named.
 * MSG_TEST_LONG: for five minutes, and MSG_TEST_STORM_BROKER is the program of
 * another build of the broker, which sees more of what it does wrong.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <msg/msg.h>

#include "honest.h"
#include "stranger.h"

#define NOBODY 65534

static void leave_root(void)
{
	if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		_exit(3);
}

/* Attaches and goes, as fast as it can. */
static void flip(struct actor *me, const void *context)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;
	struct msg_node *node;

	actor_must(me, host_node(context, &node), "node");
	o.topic = "a.b";
	o.buffer_count = 64;
	while (!me->stop) {
		struct msg_view view;

		actor_must(me, msg_subscriber_open(node, &o, &s), "open");
		if (msg_subscriber_take(s, &view, 1) == 1)
			msg_subscriber_release(s, &view, 1);
		actor_must(me, msg_subscriber_close(s), "close");
		me->turns++;
	}
}

/* Connects more often than it may, says half of what it should, asks and does
 * not read, and goes. */
static void break_quota(struct actor *me, const void *context)
{
	const struct host *where = context;
	struct random_stream random = {(uint64_t)getpid()};
	uint8_t bytes[1024];
	int fds[100];

	leave_root();
	while (!me->stop) {
		size_t all = stranger_conversation(
			MSG_CONTROL_ONLOOKER, bytes, sizeof bytes);

		for (int i = 0; i < 100; i++) {
			fds[i] = stranger_descriptor(where->socket);
			(void)!send(fds[i], bytes, random_below(&random, all),
				MSG_NOSIGNAL | MSG_DONTWAIT);
		}
		for (int i = 0; i < 100; i++)
			close(fds[i]);
		me->turns++;
	}
}

/* As many subscriptions as it gets, and never a word read. */
static void subscribe_deaf(struct actor *me, const void *context)
{
	const struct host *where = context;
	uint8_t bytes[1024];
	int fds[100];

	leave_root();
	while (!me->stop) {
		size_t all = stranger_conversation(
			1 + (enum msg_control_role)(me->turns % 2), bytes,
			sizeof bytes);

		for (int i = 0; i < 100; i++) {
			fds[i] = stranger_descriptor(where->socket);
			(void)!send(fds[i], bytes, all,
				MSG_NOSIGNAL | MSG_DONTWAIT);
		}
		sleep_us(10000);
		for (int i = 0; i < 100; i++)
			close(fds[i]);
		me->turns++;
	}
}

START_TEST(a_storm_of_offenders_passes)
{
	uint64_t seconds = getenv("MSG_TEST_LONG") ? 300 : 10;
	struct actor *offenders[8];
	uint64_t calm, stormy, flips = 0, breaks = 0;

	honest.host.program = getenv("MSG_TEST_STORM_BROKER");
	honest_start(HONEST_MAX,
		"[quota]\nroot_exempt = yes\nconnections = 100\n"
		"subscriptions = 80\nbytes = 64Mi\n",
		0);
	calm = honest.publisher->published;
	sleep_us(1000000);
	calm = honest.publisher->published - calm;
	for (int i = 0; i < 8; i++)
		offenders[i] = actor_start("offender",
			i < 4   ? flip
			: i < 6 ? break_quota
				: subscribe_deaf,
			&honest.host);
	stormy = honest.publisher->published;
	for (uint64_t end = now_ns() + seconds * 1000000000ull; now_ns() < end;
		sleep_us(10000)) {
		actors_check();
		ck_assert(host_is_alive(&honest.host));
	}
	stormy = honest.publisher->published - stormy;
	for (int i = 0; i < 8; i++) {
		*(i < 4 ? &flips : &breaks) += offenders[i]->turns;
		actor_stop(offenders[i]);
	}
	printf("%llu attached and left, %llu x 100 connections; %.0f %% of the "
	       "messages of a calm second\n",
		(unsigned long long)flips, (unsigned long long)breaks,
		100.0 * (double)stormy / (double)(calm * seconds));
	ck_assert_uint_gt(flips, 0);
	ck_assert_uint_gt(breaks, 0);
	if (geteuid() == 0)
		ck_assert_uint_gt(host_log_count(&honest.host, "uid 65534"), 0);
	ck_assert_uint_gt(host_log_count(&honest.host, "quota-refused"), 0);
	/* A sanitizer's last words. */
	ck_assert_uint_eq(host_log_count(&honest.host, "Sanitizer"), 0);
	ck_assert_uint_eq(host_log_count(&honest.host, "runtime error"), 0);
	honest_finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("storm");
	TCase *tcase = check_case(suite, "storm", 500);

	signal(SIGPIPE, SIG_IGN);
	tcase_add_test(tcase, a_storm_of_offenders_passes);
	return check_main(suite, NULL);
}
