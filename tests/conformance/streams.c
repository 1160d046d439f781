/* SPDX-License-Identifier: BSD-2-Clause */
/* streams.c - several publishers, several subscribers, several processes. */
#include <stdlib.h>

#include "harness.h"

/* ---- three subscribers --------------------------------------------------- */

static int subscribe(int in, int out, void *argument)
{
	uint64_t total = *(uint64_t *)argument;
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "all");
	struct msg_view view;

	say(out, 1);
	for (uint64_t i = 0; i < total; i++) {
		view = take_one(s, 10 * S);
		ck_assert_uint_eq(view.sequence, i);
		ck_assert_uint_eq(view.lost_before, 0);
		check_payload(s, &view, i % 300, 1);
		msg_subscriber_release(s, &view, 1);
		if (i % 100 == 99)
			say(out, i);
	}
	hear(in);
	close_all(node, NULL, s);
	return 0;
}

START_TEST(three_processes_get_every_message)
{
	uint64_t total = (uint64_t)lane_count(10000, 1000);
	struct peer peers[3];
	struct msg_node *node;
	struct msg_publisher *p;

	for (int i = 0; i < 3; i++)
		peers[i] = peer_start(subscribe, &total);
	node = open_node();
	p = open_publisher(node, "all", 0);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(hear(peers[i].from), 1);
	for (uint64_t i = 0; i < total; i++) {
		publish_filled(p, i % 300, 1, i, i % 3 != 0);
		if (i % 100 != 99)
			continue;
		ck_assert_int_eq(msg_publisher_flush(p), 0);
		for (int k = 0; k < 3; k++)
			ck_assert_uint_eq(hear(peers[k].from), i);
	}
	for (int i = 0; i < 3; i++) {
		say(peers[i].to, 1);
		peer_end(&peers[i]);
	}
	close_all(node, p, NULL);
}
END_TEST

START_TEST(every_subscriber_of_a_process_gets_every_message)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *a = open_subscriber(node, "all");
	struct msg_subscriber *b = open_subscriber(node, "all");
	struct msg_publisher *p = open_publisher(node, "all", 0);

	for (uint64_t i = 0; i < 100; i++) {
		struct msg_view x, y;

		publish_filled(p, 50, 1, i, false);
		x = take_one(a, 5 * S);
		y = take_one(b, 5 * S);
		ck_assert_uint_eq(x.sequence, i);
		ck_assert_uint_eq(y.sequence, i);
		msg_subscriber_release(a, &x, 1);
		check_payload(b, &y, 50, 1);
		msg_subscriber_release(b, &y, 1);
	}
	ck_assert_int_eq(msg_subscriber_close(b), 0);
	close_all(node, p, a);
}
END_TEST

/* ---- two publishers ------------------------------------------------------ */

START_TEST(two_publishers_are_two_streams)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "two");
	struct msg_publisher *p[2] = {open_publisher(node, "two", 0),
		open_publisher(node, "two", 0)};
	struct random_stream random = {check_seed()};
	uint64_t next[2] = {0, 0}, sent[2] = {0, 0};
	int total = lane_count(5000, 500);

	ck_assert_uint_ne(msg_publisher_id(p[0]), msg_publisher_id(p[1]));
	for (int i = 0; i < total; i++) {
		uint64_t who = random_below(&random, 2);
		struct msg_view view;

		publish_filled(p[who], 30, who, sent[who]++, false);
		view = take_one(s, 5 * S);
		ck_assert_uint_eq(view.publisher, msg_publisher_id(p[who]));
		ck_assert_uint_eq(view.sequence, next[who]++);
		ck_assert_uint_eq(view.lost_before, 0);
		check_payload(s, &view, 30, who);
		msg_subscriber_release(s, &view, 1);
	}
	ck_assert_uint_eq(counted(s, MSG_COUNTER_PUBLISHERS), 2);
	ck_assert_int_eq(msg_publisher_close(p[1]), 0);
	close_all(node, p[0], s);
}
END_TEST

START_TEST(a_restarted_publisher_is_another)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "again");
	uint64_t last = 0;

	for (int i = 0; i < 20; i++) {
		struct msg_publisher *p = open_publisher(node, "again", 0);
		uint64_t id = msg_publisher_id(p);

		ck_assert_uint_ne(id, last);
		last = id;
		for (uint64_t k = 0; k < 10; k++) {
			struct msg_view view;

			publish_filled(p, 30, id, k, false);
			view = take_one(s, 5 * S);
			ck_assert_uint_eq(view.publisher, id);
			ck_assert_uint_eq(view.sequence, k);
			ck_assert_uint_eq(view.lost_before, 0);
			check_payload(s, &view, 30, id);
			msg_subscriber_release(s, &view, 1);
		}
		ck_assert_int_eq(msg_publisher_close(p), 0);
	}
	ck_assert_uint_eq(counted(s, MSG_COUNTER_PUBLISHERS), 20);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_LOST), 0);
	close_all(node, NULL, s);
}
END_TEST

START_TEST(publishers_beyond_the_table_are_refused_and_counted)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_node *node = open_node();
	struct msg_publisher *p[4];
	struct msg_subscriber *s;
	struct msg_view view;

	o.topic = "many";
	o.publisher_count_max = 2;
	s = open_subscriber_as(node, &o);
	for (int i = 0; i < 4; i++)
		p[i] = open_publisher(node, "many", 0);
	for (int i = 0; i < 4; i++)
		publish_filled(p[i], 30, 1, 0, false);
	for (int i = 0; i < 2; i++) {
		view = take_one(s, 5 * S);
		ck_assert(view.publisher == msg_publisher_id(p[0]) ||
			view.publisher == msg_publisher_id(p[1]));
		msg_subscriber_release(s, &view, 1);
	}
	ck_assert(stays_silent(s, 50 * MS));
	ck_assert_uint_ge(counted(s, MSG_COUNTER_PUBLISHERS_REFUSED), 2);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_PUBLISHERS), 2);
	for (int i = 1; i < 4; i++)
		ck_assert_int_eq(msg_publisher_close(p[i]), 0);
	close_all(node, p[0], s);
}
END_TEST

START_TEST(closing_sends_what_is_queued)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "close");
	struct msg_publisher *p = open_publisher(node, "close", 0);

	meet_publishers(s, 1);
	for (uint64_t i = 0; i < 500; i++)
		publish_filled(p, 30, 1, i, true);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	for (uint64_t i = 0; i < 500; i++) {
		struct msg_view view = take_one(s, 5 * S);

		ck_assert_uint_eq(view.sequence, i);
		check_payload(s, &view, 30, 1);
		msg_subscriber_release(s, &view, 1);
	}
	close_all(node, NULL, s);
}
END_TEST

void add_streams(Suite *suite)
{
	TCase *streams = check_case(suite, "streams", 60);

	tcase_add_test(streams, three_processes_get_every_message);
	tcase_add_test(
		streams, every_subscriber_of_a_process_gets_every_message);
	tcase_add_test(streams, two_publishers_are_two_streams);
	tcase_add_test(streams, a_restarted_publisher_is_another);
	tcase_add_test(
		streams, publishers_beyond_the_table_are_refused_and_counted);
	tcase_add_test(streams, closing_sends_what_is_queued);
}
