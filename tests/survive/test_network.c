/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_network.c - two hosts, each with its broker, joined by loopback: a broker
 * that dies costs the other host's subscribers some messages, and they say how
 * many, to the message; those of the publisher's own host lose none.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <msg/msg.h>

#include "actor.h"
#include "lane.h"

#define NEAR 2
#define FAR 4

static struct lane lane;
static struct host here, there;
static struct actor *publisher;
static struct actor *readers[NEAR + FAR];

static void setup(void)
{
	struct publisher_plan pp = {
		.host = &here,
		.topic = "a.b",
		.bytes_min = 40,
		.bytes_max = 3000,
		.burst = 4,
		.pause_us = 4000,
		.seed = check_seed(),
	};
	struct subscriber_plan sp = {
		.keep = 4, .buffers = 64, .seed = check_seed()};

	lane_choose(&lane, NULL, NULL);
	actors_open();
	host_open(&here, NULL);
	host_open(&there, NULL);
	here.arguments = there.arguments = lane.arguments;
	host_start(&here);
	host_start(&there);
	for (int i = 0; i < NEAR + FAR; i++) {
		sp.host = i < NEAR ? &here : &there;
		sp.topic = i % 2 ? "a.*" : "a.b";
		sp.descriptor = i / 2 % 2;
		readers[i] = subscriber_start(&sp);
	}
	publisher = publisher_start(&pp);
	for (int i = 0; i < NEAR + FAR; i++)
		AWAIT(20, subscriber_delivered(readers[i]) > 10);
}

static void teardown(void)
{
	host_close(&here);
	host_close(&there);
}

/* All who are meant have messages of after now. */
static void await_news(void)
{
	uint64_t from = publisher->published;

	for (int i = 0; i < NEAR + FAR; i++)
		AWAIT(20, subscriber_book(readers[i], publisher->publisher)
					  ->next > from);
}

START_TEST(a_dead_broker_costs_what_is_said)
{
	int count = getenv("MSG_TEST_LONG") ? 100 : 6;
	uint64_t lost[2] = {0, 0};

	for (int i = 0; i < count; i++) {
		struct host *host = i % 2 ? &here : &there;

		host_end(host, i % 3 ? SIGKILL : SIGTERM);
		sleep_us(20000);
		host_start(host);
		await_news();
		/* Some more, as it should be. */
		sleep_us(200000);
	}
	publisher->mode = ACTOR_IDLE;
	for (int i = 0; i < NEAR + FAR; i++) {
		struct book *b =
			subscriber_book(readers[i], publisher->publisher);

		AWAIT(20, book_is_level(readers[i], publisher));
		ck_assert_uint_eq(readers[i]->book_count, 1);
		ck_assert_uint_eq(b->first + b->delivered + b->lost, b->next);
		lost[i >= NEAR] += b->lost;
		actor_stop(readers[i]);
	}
	printf("%d deaths: near readers lost %llu, far ones %llu of %llu\n",
		count, (unsigned long long)lost[0], (unsigned long long)lost[1],
		(unsigned long long)publisher->published * FAR);
	ck_assert_uint_eq(lost[0], 0);
	actor_stop(publisher);
}
END_TEST

START_TEST(killed_subscribers_leave_the_feed_whole)
{
	struct subscriber_plan sp = {
		.host = &there, .topic = "a.b", .buffers = 64, .keep = 32};
	int count = getenv("MSG_TEST_LONG") ? 1000 : 50 / MSG_TEST_FEWER;
	unsigned before = process_descriptors(there.broker);

	for (int i = 0; i < count; i++) {
		struct actor *doomed = subscriber_start(&sp);

		doomed->mode = ACTOR_KEEP;
		sleep_us((unsigned)i % 4 * 5000u);
		actor_kill(doomed);
	}
	await_news();
	AWAIT(10, process_descriptors(there.broker) == before);
	publisher->mode = ACTOR_IDLE;
	for (int i = 0; i < NEAR + FAR; i++) {
		AWAIT(20, book_is_level(readers[i], publisher));
		ck_assert_uint_eq(subscriber_lost(readers[i]), 0);
		actor_stop(readers[i]);
	}
	actor_stop(publisher);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("network");
	TCase *tcase = check_case(suite, "network", 600);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_dead_broker_costs_what_is_said);
	tcase_add_test(tcase, killed_subscribers_leave_the_feed_whole);
	return check_main(suite, NULL);
}
