/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_traffic.c - what goes through shared memory while nobody fails: order,
 * two publishers of a topic, large messages, a subscriber that has no network.
 */
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <msg/msg.h>

#include "actor.h"

static struct host host;

static void setup(void)
{
	actors_open();
	host_open(&host, NULL);
	host_start(&host);
}

static void teardown(void)
{
	host_close(&host);
}

static void stop_all(struct actor **list, int count)
{
	for (int i = 0; i < count; i++)
		actor_stop(list[i]);
}

START_TEST(two_publishers_of_a_topic_are_two_streams)
{
	struct publisher_plan pp = {
		.host = &host, .topic = "a.b", .bytes_min = 40, .bytes_max = 600,
		.burst = 10, .pause_us = 500, .count = 20000,
		.seed = check_seed(),
	};
	struct subscriber_plan sp = {
		.host = &host, .topic = "a.b", .slow = MSG_SLOW_BLOCK,
		.keep = 16, .seed = check_seed(),
	};
	struct actor *all[6];

	for (int i = 0; i < 4; i++) {
		sp.descriptor = i % 2;
		all[2 + i] = subscriber_start(&sp);
	}
	all[0] = publisher_start(&pp);
	pp.seed++;
	all[1] = publisher_start(&pp);
	for (int i = 2; i < 6; i++)
		for (int p = 0; p < 2; p++)
			AWAIT(30, book_is_level(all[i], all[p]) &&
					  all[p]->published == pp.count);
	for (int i = 2; i < 6; i++) {
		ck_assert_uint_eq(all[i]->book_count, 2);
		for (int p = 0; p < 2; p++) {
			struct book *b = subscriber_book(
				all[i], all[p]->publisher);

			ck_assert_uint_eq(b->first, 0);
			ck_assert_uint_eq(b->delivered, pp.count);
			ck_assert_uint_eq(b->lost, 0);
		}
	}
	stop_all(all, 6);
}
END_TEST

START_TEST(sixteen_MiB_are_one_segment)
{
	struct publisher_plan pp = {
		.host = &host, .topic = "big", .bytes_min = 16u << 20,
		.bytes_max = 16u << 20, .loan_count = 4, .burst = 1,
		.count = 20,
	};
	struct subscriber_plan sp = {
		.host = &host, .topic = "big", .slow = MSG_SLOW_BLOCK,
		.bytes_max = 16u << 20,
	};
	struct actor *all[2];

	all[0] = subscriber_start(&sp);
	all[1] = publisher_start(&pp);
	/* The subscriber fails at a view of more than one segment. */
	AWAIT(30, subscriber_delivered(all[0]) == pp.count);
	ck_assert_uint_eq(subscriber_lost(all[0]), 0);
	stop_all(all, 2);
}
END_TEST

/* Nothing but the socket, which is a file, leads to the broker. */
static void subscribe_elsewhere(struct actor *me, const void *context)
{
	const struct host *where = context;
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;
	struct msg_node *node;

	if (unshare(CLONE_NEWNET) < 0)
		actor_fail(me, "unshare");
	actor_must(me, host_node(where, &node), "node");
	o.topic = "a.b";
	o.slow = MSG_SLOW_BLOCK;
	actor_must(me, msg_subscriber_open(node, &o, &s), "subscriber");
	me->ready = true;
	while (me->turns < 1000) {
		struct msg_view v;
		int n = msg_subscriber_take(s, &v, 1);

		actor_must(me, n, "take");
		if (n == 0) {
			(void)!msg_subscriber_wait(s, 20000000);
			continue;
		}
		if (v.sequence != me->turns || v.lost_before > 0 ||
			!message_is(v.data, v.bytes, v.publisher, v.sequence))
			actor_fail(me, "another message than it should be");
		msg_subscriber_release(s, &v, 1);
		me->turns++;
	}
	actor_must(me, msg_subscriber_close(s), "close");
}

START_TEST(a_subscriber_needs_no_network_of_its_own)
{
	struct publisher_plan pp = {
		.host = &host, .topic = "a.b", .bytes_min = 100,
		.bytes_max = 100, .burst = 1, .pause_us = 100, .count = 1000,
	};
	struct actor *publisher, *subscriber;

	if (geteuid() != 0)
		CHECK_SKIP("a network namespace takes root");
	subscriber = actor_start("elsewhere", subscribe_elsewhere, &host);
	AWAIT(20, subscriber->ready);
	publisher = publisher_start(&pp);
	AWAIT(20, subscriber->pid == 0);
	actor_stop(publisher);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("traffic");
	TCase *tcase = check_case(suite, "traffic", 60);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, two_publishers_of_a_topic_are_two_streams);
	tcase_add_test(tcase, sixteen_MiB_are_one_segment);
	tcase_add_test(tcase, a_subscriber_needs_no_network_of_its_own);
	return check_main(suite, NULL);
}
