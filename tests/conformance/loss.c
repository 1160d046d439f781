/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loss.c - loss that really happens, and how exactly it is told.
 *
 * A subscriber that does not take loses what neither its buffers nor the
 * socket's hold; the books must balance all the same.
 */
#include <stdlib.h>

#include "harness.h"

struct books {
	uint64_t expected;
	uint64_t taken;
	uint64_t lost;
};

/* Take what is there; everything in order, every gap told where it is. */
static void take_all(struct msg_subscriber *s, struct books *books,
	size_t bytes, uint64_t key)
{
	struct msg_view view;
	int n;

	while ((n = msg_subscriber_take(s, &view, 1)) > 0) {
		ck_assert_uint_eq(
			view.sequence, books->expected + view.lost_before);
		check_payload(s, &view, bytes, key);
		books->expected = view.sequence + 1;
		books->lost += view.lost_before;
		books->taken++;
		msg_subscriber_release(s, &view, 1);
	}
	ck_assert_int_eq(n, 0);
}

/* Until all that was published is taken or counted as lost. */
static void settle(struct msg_node *node, struct msg_subscriber *s,
	struct books *books, size_t bytes, uint64_t key, uint64_t published)
{
	int64_t limit = now_ns() + (int64_t)(5e9 * lane.patience);

	while (books->taken + counted(s, MSG_COUNTER_LOST) < published) {
		take_all(s, books, bytes, key);
		msg_node_progress(node);
		ck_assert_msg(now_ns() < limit,
			"%llu taken and %llu lost of %llu",
			(unsigned long long)books->taken,
			(unsigned long long)counted(s, MSG_COUNTER_LOST),
			(unsigned long long)published);
	}
	ck_assert_uint_eq(
		books->taken + counted(s, MSG_COUNTER_LOST), published);
}

static struct msg_subscriber *open_small(struct msg_node *node)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;

	o.topic = "loss";
	o.buffer_count = 16;
	return open_subscriber_as(node, &o);
}

/* Of a reliable topic only what its history has no more is lost. */
static struct msg_publisher *open_forgetful(
	struct msg_node *node, uint32_t message_bytes_max)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;

	o.topic = "loss";
	o.message_bytes_max = message_bytes_max;
	if (lane.reliable) {
		o.reliability = MSG_RELIABILITY_RELIABLE;
		o.history_bytes = 64u << 10;
		o.linger_ms = 20;
	}
	return open_publisher_as(node, &o);
}

/* Messages until one is taken, so that the last gap has a view behind it.  The first
 * does it, but on a busy machine with an emulated device, where even that may come
 * later than a gap is waited for. */
static void put_behind(struct msg_node *node, struct msg_publisher *p,
	struct msg_subscriber *s, struct books *books, size_t bytes,
	uint64_t *sequence)
{
	for (int i = 0; i < 20; i++) {
		publish_filled(p, bytes, 1, (*sequence)++, false);
		settle(node, s, books, bytes, 1, *sequence);
		if (books->expected == *sequence)
			break;
	}
	ck_assert_uint_eq(books->expected, *sequence);
	ck_assert_uint_eq(books->lost, counted(s, MSG_COUNTER_LOST));
}

/* Kernel sockets hold up to 32 MiB (16 asked, and the kernel doubles that). */
static uint64_t flood_count(const struct msg_node *node)
{
	if (on_verbs(node))
		return 1000;
	return (80u << 20) / body_bytes(node);
}

START_TEST(loss_is_told_where_it_is)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_small(node);
	struct msg_publisher *p = open_forgetful(node, 0);
	size_t bytes = body_bytes(node);
	uint64_t count = flood_count(node);
	struct books books = {0};
	uint64_t sequence = 0;

	for (int round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < count; i++)
			publish_filled(p, bytes, 1, sequence++, false);
		settle(node, s, &books, bytes, 1, sequence);
	}
	ck_assert_uint_gt(counted(s, MSG_COUNTER_LOST), 0);
	put_behind(node, p, s, &books, bytes, &sequence);
	ck_assert_uint_eq(books.taken, counted(s, MSG_COUNTER_MESSAGES));
	/* But repairs may come twice, and see put_behind. */
	ck_assert(lane.reliable || lane.rc || lane.device ||
		  counted(s, MSG_COUNTER_LATE) == 0);
	close_all(node, p, s);
}
END_TEST

START_TEST(batches_and_fragments_are_lost_whole)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_small(node);
	size_t small = body_bytes(node) / 9;
	size_t large = 3 * (size_t)body_bytes(node);
	struct msg_publisher *p = open_forgetful(node, (uint32_t)large);
	uint64_t count = flood_count(node);
	struct books books = {0};
	uint64_t sequence = 0;

	for (uint64_t i = 0; i < count / 2; i++)
		publish_filled(p, large, 1, sequence++, false);
	settle(node, s, &books, large, 1, sequence);
	for (uint64_t i = 0; i < count * 5; i++)
		publish_filled(p, small, 1, sequence++, true);
	ck_assert_int_eq(msg_publisher_flush(p), 0);
	settle(node, s, &books, small, 1, sequence);
	put_behind(node, p, s, &books, small, &sequence);
	ck_assert_uint_gt(books.lost, 0);
	close_all(node, p, s);
}
END_TEST

/* The last messages are lost and nothing follows: announcements tell it. */
START_TEST(a_lost_tail_is_counted)
{
	if (lane.broker)
		CHECK_SKIP("a ring loses what is old, never its tail");

	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_small(node);
	struct msg_publisher *p = open_publisher(node, "loss", 0);
	size_t bytes = body_bytes(node);
	uint64_t count = flood_count(node), sequence = 0;
	struct books books = {0};
	int floods = 10;

	/* On a busy machine a device may still deliver while it is taken from: then
	 * the tail was not lost, and it is tried again.  Of a reliable topic it is
	 * what can still be had. */
	do {
		for (uint64_t i = 0; i < count; i++)
			publish_filled(p, bytes, 1, sequence++, false);
		settle(node, s, &books, bytes, 1, sequence);
	} while (!lane.reliable && !lane.rc &&
		 books.lost == counted(s, MSG_COUNTER_LOST) && --floods > 0);
	/* It was the tail: no view says so yet, … */
	ck_assert(lane.reliable || lane.rc ||
		  books.lost < counted(s, MSG_COUNTER_LOST));
	/* … the next one does. */
	put_behind(node, p, s, &books, bytes, &sequence);
	close_all(node, p, s);
}
END_TEST

START_TEST(frames_too_large_for_the_subscriber_are_counted)
{
	if (lane.broker)
		CHECK_SKIP("frames are the broker's");
	if (lane.rc)
		CHECK_SKIP("connections know frames of one size");

	struct msg_node_options o = node_options();
	struct msg_node *large = open_node();
	struct msg_publisher *p = open_publisher(large, "loss", 0);
	struct msg_node *node;
	struct msg_subscriber *s;
	struct books books = {0};
	int64_t limit = now_ns() + 5 * S;

	o.frame_bytes = lane.device ? 500 : 1000;
	if (body_bytes(large) + 24 <= o.frame_bytes)
		CHECK_SKIP("frames of this lane have %u bytes",
			body_bytes(large) + 24);
	node = open_node_as(&o);
	s = open_subscriber(node, "loss");
	publish_filled(p, 100, 1, 0, false);
	publish_filled(p, body_bytes(large), 1, 1, false);
	publish_filled(p, 100, 1, 2, false);
	/* A queue pair would break on it, so a device's buffers take every
	 * frame of its path. */
	for (uint64_t i = 0; lane.device && i < 3; i++) {
		struct msg_view view = take_one(s, 5 * S);

		ck_assert_uint_eq(view.sequence, i);
		msg_subscriber_release(s, &view, 1);
	}
	if (lane.device) {
		close_all(node, NULL, s);
		close_all(large, p, NULL);
		return;
	}
	/* On a reliable topic it is asked for, and found too large again. */
	while (books.taken < 2) {
		take_all(s, &books, 100, 1);
		msg_node_progress(large);
		ck_assert_int_lt(now_ns(), limit);
	}
	ck_assert_uint_eq(books.lost, 1);
	ck_assert_uint_ge(counted(s, MSG_COUNTER_TRUNCATED), 1);
	ck_assert(lane.reliable || lane.rc || counted(s, MSG_COUNTER_TRUNCATED) == 1);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	ck_assert_int_eq(msg_node_close(large), 0);
	close_all(node, NULL, s);
}
END_TEST

/* ---- who comes late ------------------------------------------------------ */

START_TEST(a_late_joiner_begins_where_it_joins)
{
	struct msg_node *node = open_node();
	struct msg_publisher *p = open_publisher(node, "loss", 0);

	for (uint64_t round = 0; round < 20; round++) {
		struct msg_subscriber *s;
		struct books books;

		for (uint64_t i = 0; i < 50; i++)
			publish_filled(p, 10, 1, round * 60 + i, false);
		s = open_small(node);
		meet_publishers(s, 1);
		for (uint64_t i = 50; i < 60; i++)
			publish_filled(p, 10, 1, round * 60 + i, false);
		books = (struct books){.expected = round * 60 + 50};
		settle(node, s, &books, 10, 1, 10);
		ck_assert_uint_eq(books.lost, 0);
		ck_assert_int_eq(msg_subscriber_close(s), 0);
	}
	close_all(node, p, NULL);
}
END_TEST

void add_loss(Suite *suite)
{
	TCase *loss = check_case(suite, "loss", 60);

	tcase_add_test(loss, loss_is_told_where_it_is);
	tcase_add_test(loss, batches_and_fragments_are_lost_whole);
	tcase_add_test(loss, a_lost_tail_is_counted);
	tcase_add_test(loss, frames_too_large_for_the_subscriber_are_counted);
	tcase_add_test(loss, a_late_joiner_begins_where_it_joins);
}
