/* SPDX-License-Identifier: BSD-2-Clause */
/* life.c - opening and closing, in and out of order. */
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

START_TEST(a_publisher_with_loans_out_stays_open)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "busy");
	struct msg_publisher *p = open_publisher(node, "busy", 0);
	struct msg_loan loan;
	struct msg_view view;

	ck_assert_int_eq(msg_publisher_loan(p, 5, &loan), 0);
	ck_assert_int_eq(msg_publisher_close(p), -MSG_ERROR_BUSY);
	ck_assert_ptr_nonnull(strstr(msg_error_text(), "busy"));
	/* Nothing has changed. */
	memcpy(loan.data, "still", 5);
	ck_assert_int_eq(msg_publisher_send(p, &loan, 5), 0);
	view = take_one(s, 5 * S);
	ck_assert_mem_eq(view.data, "still", 5);
	msg_subscriber_release(s, &view, 1);
	close_all(node, p, s);
}
END_TEST

START_TEST(a_subscriber_with_views_out_stays_open)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "busy");
	struct msg_publisher *p = open_publisher(node, "busy", 300000);
	static const size_t sizes[] = {10, 250000};
	struct msg_view views[3];
	uint64_t sequence = 0;

	for (int i = 0; i < 2; i++) {
		publish_filled(p, sizes[i], 1, sequence++, false);
		views[0] = take_one(s, 5 * S);
		ck_assert_int_eq(msg_subscriber_close(s), -MSG_ERROR_BUSY);
		ck_assert_ptr_nonnull(strstr(msg_error_text(), "busy"));
		check_payload(s, &views[0], sizes[i], 1);
		msg_subscriber_release(s, &views[0], 1);
	}
	/* Some of a frame's messages taken, some not yet. */
	for (int i = 0; i < 3; i++)
		publish_filled(p, 10, 1, sequence++, true);
	ck_assert_int_eq(msg_publisher_flush(p), 0);
	views[0] = take_one(s, 5 * S);
	ck_assert_int_eq(msg_subscriber_close(s), -MSG_ERROR_BUSY);
	views[1] = take_one(s, 5 * S);
	msg_subscriber_release(s, &views[0], 1);
	ck_assert_int_eq(msg_subscriber_close(s), -MSG_ERROR_BUSY);
	msg_subscriber_release(s, &views[1], 1);
	/* One waits untaken: that keeps nobody. */
	close_all(node, p, s);
}
END_TEST

START_TEST(a_node_with_children_stays_open)
{
	struct msg_node *node = open_node();
	struct msg_publisher *p = open_publisher(node, "child", 0);
	struct msg_subscriber *s;
	struct msg_directory *d;
	struct msg_node_info info;

	ck_assert_int_eq(msg_node_close(node), -MSG_ERROR_BUSY);
	ck_assert_str_ne(msg_error_text(), "");
	s = open_subscriber(node, "child");
	ck_assert_int_eq(msg_publisher_close(p), 0);
	ck_assert_int_eq(msg_node_close(node), -MSG_ERROR_BUSY);
	ck_assert_int_eq(msg_directory_open(node, NULL, &d), 0);
	ck_assert_int_eq(msg_subscriber_close(s), 0);
	ck_assert_int_eq(msg_node_close(node), -MSG_ERROR_BUSY);
	msg_node_describe(node, &info);
	ck_assert_int_eq(*info.interface != '\0', on_network(node));
	ck_assert(lane.broker || on_network(node));
	ck_assert_int_eq(msg_directory_close(d), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

START_TEST(nothing_may_be_closed)
{
	ck_assert_int_eq(msg_node_close(NULL), 0);
	ck_assert_int_eq(msg_publisher_close(NULL), 0);
	ck_assert_int_eq(msg_subscriber_close(NULL), 0);
	ck_assert_int_eq(msg_directory_close(NULL), 0);
}
END_TEST

static int open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}

START_TEST(opening_and_closing_leaves_no_descriptors)
{
	int rounds = lane_count(100, 10);
	int before = 0;

	for (int i = 0; i < rounds; i++) {
		struct msg_node_options o = node_options();
		struct msg_node *node;
		struct msg_publisher *p;
		struct msg_subscriber *s, *w;
		struct msg_directory *d;

		o.flags = i % 2 ? MSG_NODE_PROGRESS_THREAD : 0;
		node = open_node_as(&o);
		p = open_publisher(node, "churn", 0);
		s = open_subscriber(node, "churn");
		w = open_subscriber(node, "churn.>");
		ck_assert_int_eq(msg_directory_open(node, NULL, &d), 0);
		ck_assert_int_eq(msg_publish(p, "x", 1), 0);
		ck_assert_int_eq(msg_directory_close(d), 0);
		ck_assert_int_eq(msg_subscriber_close(w), 0);
		close_all(node, p, s);
		if (i == 3)
			before = open_descriptors();
	}
	ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

static void *churn(void *argument)
{
	struct msg_node *node = argument;

	for (int i = 0; i < lane_count(20, 3); i++) {
		struct msg_publisher *p = open_publisher(node, "threads", 0);
		struct msg_subscriber *s = open_subscriber(node, "threads");
		struct msg_directory *d;
		struct msg_view views[64];
		int n;

		ck_assert_int_eq(msg_directory_open(node, ">", &d), 0);
		ck_assert_int_eq(msg_publish(p, "x", 1), 0);
		n = msg_subscriber_take(s, views, 64);
		ck_assert_int_ge(n, 0);
		msg_subscriber_release(s, views, n);
		ck_assert_int_eq(msg_directory_close(d), 0);
		ck_assert_int_eq(msg_publisher_close(p), 0);
		ck_assert_int_eq(msg_subscriber_close(s), 0);
	}
	return NULL;
}

START_TEST(threads_may_open_and_close_side_by_side)
{
	struct msg_node *node = open_node();
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, churn, node);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

void add_life(Suite *suite)
{
	TCase *life = check_case(suite, "life", 60);

	tcase_add_test(life, a_publisher_with_loans_out_stays_open);
	tcase_add_test(life, a_subscriber_with_views_out_stays_open);
	tcase_add_test(life, a_node_with_children_stays_open);
	tcase_add_test(life, nothing_may_be_closed);
	tcase_add_test(life, opening_and_closing_leaves_no_descriptors);
	tcase_add_test(life, threads_may_open_and_close_side_by_side);
}
