/* SPDX-License-Identifier: BSD-2-Clause */
/* basic.c - one message, every size, many in a frame. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

START_TEST(a_message_arrives)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "a.b");
	struct msg_publisher *p = open_publisher(node, "a.b", 0);
	struct msg_view view;

	ck_assert_int_eq(msg_publish(p, "hello", 5), 0);
	view = take_one(s, 5 * S);
	ck_assert_uint_eq(view.bytes, 5);
	ck_assert_mem_eq(view.data, "hello", 5);
	ck_assert_uint_eq(view.publisher, msg_publisher_id(p));
	ck_assert_uint_ne(view.publisher, 0);
	ck_assert_uint_eq(view.sequence, 0);
	ck_assert_uint_eq(view.lost_before, 0);
	ck_assert_uint_eq(view.segment_count, 1);
	ck_assert_uint_eq((uintptr_t)view.data % 64, 0);
	ck_assert_str_eq(msg_subscriber_topic(s, &view), "a.b");
	msg_subscriber_release(s, &view, 1);
	ck_assert_uint_eq(msg_publisher_counter(p, MSG_COUNTER_MESSAGES), 1);
	ck_assert_uint_eq(msg_publisher_counter(p, MSG_COUNTER_BYTES), 5);
	ck_assert_uint_eq(msg_publisher_counter(p, MSG_COUNTER_FRAMES), 1);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_MESSAGES), 1);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_BYTES), 5);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_PUBLISHERS), 1);
	close_all(node, p, s);
}
END_TEST

START_TEST(every_size_arrives_whole)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "sizes");
	struct msg_publisher *p = open_publisher(node, "sizes", 1u << 20);
	size_t body = body_bytes(node), lone = lone_bytes(node);
	size_t sizes[] = {0, 1, 7, 8, 9, 63, 64, 65, body - 9, body - 8,
		body - 7, body - 1, body, body + 1, body + 8, 2 * body,
		64u << 10, lone - 1, lone, lone + 1, 2 * lone,
		(1u << 20) - 1, 1u << 20};

	for (uint64_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct msg_view view;
		uint8_t *copy = malloc(sizes[i] + 1);

		publish_filled(p, sizes[i], 1, i, false);
		view = take_one(s, 5 * S);
		ck_assert_uint_eq(view.sequence, i);
		ck_assert_uint_eq(view.lost_before, 0);
		check_payload(s, &view, sizes[i], 1);
		/* In memory that both map it is never cut. */
		if (sizes[i] <= lone || lane.broker)
			ck_assert_uint_eq(view.segment_count, 1);
		else
			ck_assert_uint_ge(view.segment_count, 2);
		copy[sizes[i]] = 0x5a;
		ck_assert_int_eq(
			msg_subscriber_copy(s, &view, copy, sizes[i]), 0);
		ck_assert_uint_eq(copy[sizes[i]], 0x5a);
		ck_assert_mem_eq(copy, view.data,
			view.segment_count == 1 ? view.bytes : 64);
		msg_subscriber_release(s, &view, 1);
		free(copy);
	}
	ck_assert_uint_eq(counted(s, MSG_COUNTER_LOST), 0);
	close_all(node, p, s);
}
END_TEST

/* ---- as large as can be, taken while it is sent ------------------------- */

struct large {
	struct msg_subscriber *subscriber;
	size_t bytes;
	_Atomic uint64_t taken;
	_Atomic bool stop;
};

static void *take_large(void *argument)
{
	struct large *large = argument;
	uint64_t expected = 0;

	while (!large->stop) {
		struct msg_view view;
		int n = msg_subscriber_take(large->subscriber, &view, 1);

		ck_assert_int_ge(n, 0);
		if (n == 0) {
			n = msg_subscriber_wait(large->subscriber, 5 * MS);
			ck_assert(n == 0 || n == -MSG_ERROR_TIMEOUT);
			continue;
		}
		ck_assert_uint_eq(view.sequence, expected + view.lost_before);
		expected = view.sequence + 1;
		check_payload(large->subscriber, &view, large->bytes, 2);
		msg_subscriber_release(large->subscriber, &view, 1);
		large->taken++;
	}
	return NULL;
}

/* Where 17,000 frames outrun an emulated device for a second, the lane has
 * failed: a message lost like others, and counted like them. */
static void send_one_large(
	struct msg_publisher *p, size_t bytes, uint64_t sequence)
{
	struct msg_loan loan;
	int result;

	while ((result = msg_publisher_loan(p, bytes, &loan)) ==
		-MSG_ERROR_AGAIN)
		;
	ck_assert_int_eq(result, 0);
	fill_payload(loan.data, bytes, 2, sequence);
	result = msg_publisher_send(p, &loan, bytes);
	ck_assert(result == 0 ||
		(lane.device && result == -MSG_ERROR_FABRIC));
}

static void send_large(size_t bytes, uint64_t count)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_node *node = open_node();
	struct large large = {.bytes = bytes};
	int64_t limit = now_ns() + 40 * S;
	struct msg_publisher *p;
	pthread_t thread;
	uint64_t sent = 0;

	o.topic = "large";
	o.message_bytes_max = MSG_MESSAGE_BYTES_MAX;
	large.subscriber = open_subscriber_as(node, &o);
	p = open_publisher(node, "large", MSG_MESSAGE_BYTES_MAX);
	pthread_create(&thread, NULL, take_large, &large);
	/* Best effort: what comes is whole, and the rest is counted. */
	while (sent < count || large.taken == 0) {
		/* An emulated device takes seconds for 17,000 frames, and a sanitizer on
		 * a busy machine as well. */
		int64_t pause = now_ns() + 20 * S;

		send_one_large(p, bytes, sent++);
		while (large.taken + counted(large.subscriber,
					     MSG_COUNTER_LOST) < sent &&
			now_ns() < pause) {
			msg_node_progress(node);
			sleep_ns(MS);
		}
		ck_assert_uint_eq(large.taken + counted(large.subscriber,
							MSG_COUNTER_LOST),
			sent);
		ck_assert_msg(now_ns() < limit, "not one message came whole");
	}
	large.stop = true;
	pthread_join(thread, NULL);
	close_all(node, p, large.subscriber);
}

START_TEST(sixteen_mebibytes_arrive_whole_or_are_lost_whole)
{
	send_large(MSG_MESSAGE_BYTES_MAX, (uint64_t)lane_count(4, 1));
}
END_TEST

START_TEST(messages_above_the_subscribers_limit_are_lost_whole)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_node *node = open_node();
	struct msg_publisher *p = open_publisher(node, "limit", 256u << 10);
	struct msg_subscriber *s;
	struct msg_view view;

	o.topic = "limit";
	o.message_bytes_max = 100u << 10;
	s = open_subscriber_as(node, &o);
	meet_publishers(s, 1);
	publish_filled(p, 10, 3, 0, false);
	publish_filled(p, (100u << 10) + 1, 3, 1, false);
	publish_filled(p, 256u << 10, 3, 2, false);
	publish_filled(p, 100u << 10, 3, 3, false);
	view = take_one(s, 5 * S);
	check_payload(s, &view, 10, 3);
	msg_subscriber_release(s, &view, 1);
	view = take_one(s, 5 * S);
	ck_assert_uint_eq(view.sequence, 3);
	ck_assert_uint_eq(view.lost_before, 2);
	check_payload(s, &view, 100u << 10, 3);
	msg_subscriber_release(s, &view, 1);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_TOO_LARGE), 2);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_LOST), 2);
	close_all(node, p, s);
}
END_TEST

/* ---- batches ------------------------------------------------------------ */

START_TEST(queued_messages_share_frames_and_keep_their_order)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "batch");
	struct msg_publisher *p = open_publisher(node, "batch", 0);
	struct random_stream random = {check_seed()};
	uint64_t total = (uint64_t)lane_count(20000, 1000);
	uint64_t sequence = 0;
	int batches = 0;

	while (sequence < total) {
		uint64_t first = sequence;
		int count = 1 + (int)random_below(&random, 60);
		size_t sizes[60];

		for (int i = 0; i < count; i++) {
			sizes[i] = random_below(&random, 101);
			publish_filled(p, sizes[i], 4, sequence++, true);
		}
		ck_assert_int_eq(msg_publisher_flush(p), 0);
		for (int i = 0; i < count; i++) {
			struct msg_view view = take_one(s, 5 * S);

			ck_assert_uint_eq(
				view.sequence, first + (uint64_t)i);
			ck_assert_uint_eq(view.lost_before, 0);
			check_payload(s, &view, sizes[i], 4);
			if (i == 0)
				ck_assert_uint_eq(
					(uintptr_t)view.data % 64, 0);
			msg_subscriber_release(s, &view, 1);
		}
		batches++;
	}
	/* 60 messages of 104 bytes at most and a table.  Through a broker,
	 * batches share a buffer, and one that is larger than the one before
	 * may meet its end. */
	ck_assert_uint_le(msg_publisher_counter(p, MSG_COUNTER_FRAMES),
		(uint64_t)batches * (1 + 60 * 106 / (body_bytes(node) - 112)) +
			(lane.broker ? (uint64_t)batches / 8 : 0));
	close_all(node, p, s);
}
END_TEST

START_TEST(messages_of_a_cache_line_all_start_on_one)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "lines");
	struct msg_publisher *p = open_publisher(node, "lines", 0);

	for (uint64_t i = 0; i < 40; i++)
		publish_filled(p, 64, 5, i, true);
	ck_assert_int_eq(msg_publisher_flush(p), 0);
	for (uint64_t i = 0; i < 40; i++) {
		struct msg_view view = take_one(s, 5 * S);

		ck_assert_uint_eq((uintptr_t)view.data % 64, 0);
		check_payload(s, &view, 64, 5);
		msg_subscriber_release(s, &view, 1);
	}
	close_all(node, p, s);
}
END_TEST

/* A frame ends where the next message would not fit any more: around that
 * size every message arrives, and so do empty ones without end. */
START_TEST(frames_end_where_they_must)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "edge");
	struct msg_publisher *p = open_publisher(node, "edge", 0);
	uint32_t body = body_bytes(node);
	uint64_t sequence = 0, taken = 0, before;
	size_t sizes[200];
	int n = 0;

	for (uint32_t less = 0; less < 40; less++) {
		sizes[n++] = 8;
		sizes[n++] = body - 8 - less;
		sizes[n++] = 0;
	}
	for (int i = 0; i < n; i++) {
		publish_filled(p, sizes[i], 6, sequence++, true);
		if (i % 12 != 11 && i + 1 != n)
			continue;
		ck_assert_int_eq(msg_publisher_flush(p), 0);
		for (; taken < sequence; taken++) {
			struct msg_view view = take_one(s, 5 * S);

			ck_assert_uint_eq(view.sequence, taken);
			check_payload(s, &view, sizes[taken], 6);
			msg_subscriber_release(s, &view, 1);
		}
	}
	before = msg_publisher_counter(p, MSG_COUNTER_FRAMES);
	for (int i = 0; i < 3000; i++)
		publish_filled(p, 0, 6, sequence++, true);
	ck_assert_int_eq(msg_publisher_flush(p), 0);
	for (; taken < sequence; taken++) {
		struct msg_view view = take_one(s, 5 * S);

		ck_assert_uint_eq(view.sequence, taken);
		ck_assert_uint_eq(view.bytes, 0);
		msg_subscriber_release(s, &view, 1);
	}
	ck_assert_uint_eq(counted(s, MSG_COUNTER_LOST), 0);
	ck_assert_uint_le(
		msg_publisher_counter(p, MSG_COUNTER_FRAMES) - before,
		3000 / (body / 2 - 8 < 1024 ? body / 2 - 8 : 1024) + 1);
	close_all(node, p, s);
}
END_TEST

START_TEST(a_batch_of_thousands_arrives)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "thousands");
	struct msg_publisher *p = open_publisher(node, "thousands", 0);
	struct msg_view views[512];
	uint64_t total = (uint64_t)lane_count(20000, 1500);
	uint64_t taken = 0;
	int64_t limit = now_ns() + 20 * S;

	for (uint64_t i = 0; i < total; i++)
		publish_filled(p, 48, 7, i, true);
	ck_assert_int_eq(msg_publisher_flush(p), 0);
	while (taken < total && now_ns() < limit) {
		int n = msg_subscriber_take(s, views, 512);

		ck_assert_int_ge(n, 0);
		for (int i = 0; i < n; i++) {
			ck_assert_uint_eq(views[i].sequence, taken++);
			check_payload(s, &views[i], 48, 7);
		}
		msg_subscriber_release(s, views, n);
	}
	ck_assert_uint_eq(taken, total);
	close_all(node, p, s);
}
END_TEST

void add_basic(Suite *suite)
{
	TCase *basic = check_case(suite, "basic", 60);

	tcase_add_test(basic, a_message_arrives);
	tcase_add_test(basic, every_size_arrives_whole);
	tcase_add_test(
		basic, sixteen_mebibytes_arrive_whole_or_are_lost_whole);
	tcase_add_test(
		basic, messages_above_the_subscribers_limit_are_lost_whole);
	tcase_add_test(
		basic, queued_messages_share_frames_and_keep_their_order);
	tcase_add_test(basic, messages_of_a_cache_line_all_start_on_one);
	tcase_add_test(basic, frames_end_where_they_must);
	tcase_add_test(basic, a_batch_of_thousands_arrives);
}
