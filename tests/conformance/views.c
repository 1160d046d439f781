/* SPDX-License-Identifier: BSD-2-Clause */
/* views.c - messages in the subscriber's hands. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "harness.h"

static struct msg_node *node;
static struct msg_publisher *p;
static struct msg_subscriber *s;

static void open_both(uint32_t buffer_count)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;

	node = open_node();
	o.topic = "views";
	o.buffer_count = buffer_count;
	s = open_subscriber_as(node, &o);
	p = open_publisher(node, "views", 200000);
}

START_TEST(views_may_return_in_any_order)
{
	struct random_stream random = {check_seed()};
	struct msg_view held[40];
	uint64_t sequence = 0;
	int count = 0;

	open_both(64);
	for (int i = 0; i < lane_count(5000, 500); i++) {
		publish_filled(p, 100, 1, sequence, false);
		held[count] = take_one(s, 5 * S);
		ck_assert_uint_eq(held[count].sequence, sequence++);
		if (++count == 40)
			while (count > 5) {
				int k = (int)random_below(
					&random, (uint64_t)count);

				check_payload(s, &held[k], 100, 1);
				msg_subscriber_release(s, &held[k], 1);
				held[k] = held[--count];
			}
	}
	msg_subscriber_release(s, held, count);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_RELEASE_REFUSED), 0);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_LOST), 0);
	close_all(node, p, s);
}
END_TEST

static void *release_elsewhere(void *view)
{
	check_payload(s, view, 100, 1);
	msg_subscriber_release(s, view, 1);
	return NULL;
}

START_TEST(another_thread_may_release)
{
	open_both(16);
	for (uint64_t i = 0; i < 100; i++) {
		struct msg_view view;
		pthread_t thread;

		publish_filled(p, 100, 1, i, false);
		view = take_one(s, 5 * S);
		pthread_create(&thread, NULL, release_elsewhere, &view);
		pthread_join(thread, NULL);
	}
	ck_assert_uint_eq(counted(s, MSG_COUNTER_RELEASE_REFUSED), 0);
	close_all(node, p, s);
}
END_TEST

START_TEST(a_second_release_is_refused_and_counted)
{
	struct msg_view view, forged, other;

	open_both(16);
	publish_filled(p, 100, 1, 0, false);
	publish_filled(p, 100, 1, 1, false);
	view = take_one(s, 5 * S);
	other = take_one(s, 5 * S);
	msg_subscriber_release(s, &view, 1);
	msg_subscriber_release(s, &view, 1);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_RELEASE_REFUSED), 1);
	forged = other;
	for (int bit = 0; bit < 64; bit++) {
		forged.opaque = other.opaque ^ 1ull << bit;
		msg_subscriber_release(s, &forged, 1);
	}
	forged.opaque = 0;
	msg_subscriber_release(s, &forged, 1);
	forged.opaque = UINT64_MAX;
	msg_subscriber_release(s, &forged, 1);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_RELEASE_REFUSED), 67);
	/* What is not a view in hand has neither topic nor bytes. */
	ck_assert_str_eq(msg_subscriber_topic(s, &view), "");
	ck_assert_int_eq(msg_subscriber_copy(s, &view, &forged, 100),
		-MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_subscriber_segments(s, &view,
				 &(struct msg_segment){0}, 1),
		-MSG_ERROR_ARGUMENT);
	/* The one still out is unharmed. */
	check_payload(s, &other, 100, 1);
	ck_assert_int_eq(msg_subscriber_close(s), -MSG_ERROR_BUSY);
	msg_subscriber_release(s, &other, 1);
	close_all(node, p, s);
}
END_TEST

START_TEST(held_views_keep_their_bytes)
{
	struct msg_view held[12];
	int count = lane_count(10000, 1000);
	uint64_t sequence = 0;

	/* Few, so that they come round often; but four of the held messages
	 * take 53 each where frames are of 1000 bytes. */
	open_both(lane.device || lane.interface ? 512 : 128);
	for (int i = 0; i < 12; i++) {
		/* Some in one frame, some of several frames. */
		size_t bytes = i < 8 ? 100 : 50000;

		publish_filled(p, bytes, 1, sequence, i < 7);
		sequence++;
	}
	for (int i = 0; i < 12; i++)
		held[i] = take_one(s, 5 * S);
	for (int i = 0; i < count; i++) {
		struct msg_view view;

		publish_filled(p, 1000, 1, sequence, false);
		view = take_one(s, 5 * S);
		ck_assert_uint_eq(view.sequence, sequence++);
		msg_subscriber_release(s, &view, 1);
	}
	for (int i = 0; i < 12; i++) {
		ck_assert_uint_eq(held[i].sequence, (uint64_t)i);
		check_payload(s, &held[i], i < 8 ? 100 : 50000, 1);
	}
	msg_subscriber_release(s, held, 12);
	close_all(node, p, s);
}
END_TEST

START_TEST(segments_are_told_as_far_as_there_is_room)
{
	struct msg_segment segments[3];
	struct msg_publisher *large;
	struct msg_view view;
	size_t bytes;
	char byte;

	if (lane.broker)
		CHECK_SKIP("in memory that both map a message is never cut");
	open_both(0);
	bytes = 4 * (size_t)lone_bytes(node);
	large = open_publisher(node, "views", (uint32_t)bytes);
	meet_publishers(s, 2);
	publish_filled(large, bytes, 1, 0, false);
	view = take_one(s, 5 * S);
	ck_assert_uint_gt(view.segment_count, 3);
	ck_assert_int_eq(msg_subscriber_segments(s, &view, segments, 3), 3);
	ck_assert_int_eq(msg_subscriber_segments(s, &view, segments, 0),
		-MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_subscriber_copy(s, &view, &byte, 1),
		-MSG_ERROR_TOO_LARGE);
	msg_subscriber_release(s, &view, 1);
	ck_assert_int_eq(msg_publisher_close(large), 0);
	close_all(node, p, s);
}
END_TEST

/* ---- threads that release while one takes ------------------------------- */

#define CROWD 3
#define CROWD_VIEWS 32

struct crowd {
	_Atomic int full[CROWD]; /* Views in the tray; 0: it may be filled. */
	struct msg_view tray[CROWD][CROWD_VIEWS];
	_Atomic bool stop;
};

static struct crowd crowd;

static void *release_trays(void *argument)
{
	int mine = (int)(intptr_t)argument;

	while (!crowd.stop) {
		int n = crowd.full[mine];

		if (n == 0) {
			sched_yield();
			continue;
		}
		for (int i = 0; i < n; i++)
			check_payload(s, &crowd.tray[mine][i], 40, 1);
		msg_subscriber_release(s, crowd.tray[mine], n);
		crowd.full[mine] = 0;
	}
	return NULL;
}

/* message_bytes_max follows buffer_count: what is larger is told by name. */
START_TEST(few_buffers_take_messages_that_fit_in_them)
{
	struct msg_publisher *large;
	struct msg_view view;
	size_t too_large;
	uint32_t part;

	if (lane.broker)
		CHECK_SKIP("a message of this host takes one buffer");

	open_both(16);
	/* By connections it is the same limit, and takes fewer. */
	part = (datagram_bytes(node) - 8) & ~63u;
	too_large = 14 * (size_t)part + 1;
	/* But what is in one frame is never too large, and theirs are larger. */
	if (too_large <= body_bytes(node))
		too_large = body_bytes(node) + 1;
	large = open_publisher(node, "views", 20 * part);
	/* A device drops what finds no buffer, so have them posted.  14 parts
	 * may be assembled, and some announcements come between. */
	ck_assert(stays_silent(s, MS));
	publish_filled(large, 12 * (size_t)part, 1, 0, false);
	view = take_one(s, 5 * S);
	check_payload(s, &view, 12 * (size_t)part, 1);
	msg_subscriber_release(s, &view, 1);
	ck_assert(stays_silent(s, MS));
	publish_filled(large, too_large, 1, 1, false);
	ck_assert(stays_silent(s, 100 * MS));
	ck_assert_uint_eq(counted(s, MSG_COUNTER_TOO_LARGE), 1);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_LOST), 1);
	ck_assert_int_eq(msg_publisher_close(large), 0);
	close_all(node, p, s);
}
END_TEST

START_TEST(threads_release_while_one_takes)
{
	pthread_t threads[CROWD];
	uint64_t total = (uint64_t)lane_count(50000, 2000);
	uint64_t sent = 0, taken = 0;
	int turn = 0;

	open_both(256);
	for (intptr_t i = 0; i < CROWD; i++)
		pthread_create(&threads[i], NULL, release_trays, (void *)i);
	while (taken < total) {
		int n;

		for (int i = 0; i < 50 && sent < total; i++)
			publish_filled(p, 40, 1, sent++, true);
		ck_assert_int_eq(msg_publisher_flush(p), 0);
		while (taken < sent) {
			turn = (turn + 1) % CROWD;
			while (crowd.full[turn])
				sched_yield();
			n = msg_subscriber_take(
				s, crowd.tray[turn], CROWD_VIEWS);
			ck_assert_int_ge(n, 0);
			for (int i = 0; i < n; i++)
				ck_assert_uint_eq(
					crowd.tray[turn][i].sequence,
					taken++);
			crowd.full[turn] = n;
		}
	}
	for (int i = 0; i < CROWD; i++)
		while (crowd.full[i])
			sched_yield();
	crowd.stop = true;
	for (int i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_RELEASE_REFUSED), 0);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_LOST), 0);
	close_all(node, p, s);
}
END_TEST

void add_views(Suite *suite)
{
	TCase *views = check_case(suite, "views", 60);

	tcase_add_test(views, views_may_return_in_any_order);
	tcase_add_test(views, another_thread_may_release);
	tcase_add_test(views, a_second_release_is_refused_and_counted);
	tcase_add_test(views, held_views_keep_their_bytes);
	tcase_add_test(views, segments_are_told_as_far_as_there_is_room);
	tcase_add_test(views, few_buffers_take_messages_that_fit_in_them);
	tcase_add_test(views, threads_release_while_one_takes);
}
