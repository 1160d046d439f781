/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_threads.c - what "Threads any" promises, for a thread sanitizer to look
 * at: one thread publishes, one takes, others release, read, open and close,
 * all on one node at the same time.  Without a sanitizer it checks that nothing
 * is lost or refused meanwhile.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "check_main.h"

#define HELPERS 2
#define TRAY 32
#define TOTAL 20000

static struct msg_node *node;
static struct msg_publisher *p;
static struct msg_subscriber *s;
static struct msg_view trays[HELPERS][TRAY];
static _Atomic int full[HELPERS];
static _Atomic uint64_t taken;
static _Atomic bool stop;

static void *publish_all(void *unused)
{
	(void)unused;
	for (uint64_t i = 0; i < TOTAL; i++) {
		struct msg_loan loan;

		while (i > atomic_load(&taken) + 500)
			sched_yield();
		while (msg_publisher_loan(p, sizeof i, &loan) < 0)
			sched_yield();
		memcpy(loan.data, &i, sizeof i);
		ck_assert_int_eq(
			msg_publisher_queue(p, &loan, sizeof i), 0);
		if (i % 10 == 9)
			ck_assert_int_eq(msg_publisher_flush(p), 0);
	}
	return NULL;
}

static void *release_trays(void *argument)
{
	int mine = (int)(intptr_t)argument;

	while (!stop) {
		int n = full[mine];

		for (int i = 0; i < n; i++) {
			const struct msg_view *view = &trays[mine][i];
			struct msg_segment segment;
			uint64_t number;

			ck_assert_int_eq(msg_subscriber_copy(
				s, view, &number, sizeof number), 0);
			ck_assert_uint_eq(number, view->sequence);
			ck_assert_int_eq(msg_subscriber_segments(
				s, view, &segment, 1), 1);
		}
		if (n > 0) {
			msg_subscriber_release(s, trays[mine], n);
			full[mine] = 0;
		}
		sched_yield();
	}
	return NULL;
}

static void *look_around(void *unused)
{
	(void)unused;
	while (!stop) {
		struct msg_node_info info;
		uint64_t sum = 0;

		for (int i = 0; i < MSG_COUNTER_COUNT; i++)
			sum += msg_subscriber_counter(s, i) +
			       msg_publisher_counter(p, i);
		ck_assert_uint_gt(sum + 1, 0);
		msg_node_describe(node, &info);
		msg_node_progress(node);
		ck_assert_int_ge(msg_subscriber_fd(s), 0);
		ck_assert_uint_ne(msg_publisher_id(p), 0);
		ck_assert_int_lt(msg_topic_match("", "x"), 0);
		ck_assert_ptr_nonnull(strstr(msg_error_text(), "pattern"));
		sched_yield();
	}
	return NULL;
}

static void *come_and_go(void *unused)
{
	(void)unused;
	while (!stop) {
		struct msg_publisher_options po = MSG_PUBLISHER_OPTIONS;
		struct msg_subscriber_options so = MSG_SUBSCRIBER_OPTIONS;
		struct msg_directory *d;
		struct msg_publisher *own;
		struct msg_subscriber *all;

		po.topic = "guest";
		so.topic = ">";
		so.buffer_count = 64;
		ck_assert_int_eq(msg_publisher_open(node, &po, &own), 0);
		ck_assert_int_eq(msg_subscriber_open(node, &so, &all), 0);
		ck_assert_int_eq(msg_directory_open(node, NULL, &d), 0);
		ck_assert_int_eq(msg_publish(own, "x", 1), 0);
		ck_assert_int_eq(msg_directory_close(d), 0);
		ck_assert_int_eq(msg_subscriber_close(all), 0);
		ck_assert_int_eq(msg_publisher_close(own), 0);
	}
	return NULL;
}

static void take_everything(void)
{
	int turn = 0;

	while (taken < TOTAL) {
		int n;

		turn = (turn + 1) % HELPERS;
		while (full[turn])
			sched_yield();
		n = msg_subscriber_take(s, trays[turn], TRAY);
		ck_assert_int_ge(n, 0);
		for (int i = 0; i < n; i++) {
			ck_assert_uint_eq(trays[turn][i].sequence, taken);
			taken++;
		}
		full[turn] = n;
		if (n == 0)
			sched_yield();
	}
	for (int i = 0; i < HELPERS; i++)
		while (full[i])
			sched_yield();
}

static void open_all(bool progress_thread)
{
	struct msg_node_options o = MSG_NODE_OPTIONS;
	struct msg_publisher_options po = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options so = MSG_SUBSCRIBER_OPTIONS;
	char groups[64];

	snprintf(groups, sizeof groups, "239.254.%d.0+16", getpid() % 256);
	o.groups = groups;
	o.port = 40000 + (uint32_t)getpid() % 20000;
	o.lane = MSG_LANE_UDP;
	o.announce_ms = 10;
	o.flags = progress_thread ? MSG_NODE_PROGRESS_THREAD : 0;
	ck_assert_msg(
		msg_node_open(&o, &node) == 0, "%s", msg_error_text());
	po.topic = so.topic = "crowd";
	ck_assert_int_eq(msg_subscriber_open(node, &so, &s), 0);
	ck_assert_int_eq(msg_publisher_open(node, &po, &p), 0);
}

START_TEST(threads_meet_on_one_node)
{
	pthread_t threads[HELPERS + 3];
	int n = 0;

	open_all(_i);
	for (intptr_t i = 0; i < HELPERS; i++)
		pthread_create(&threads[n++], NULL, release_trays, (void *)i);
	pthread_create(&threads[n++], NULL, publish_all, NULL);
	pthread_create(&threads[n++], NULL, look_around, NULL);
	pthread_create(&threads[n++], NULL, come_and_go, NULL);
	take_everything();
	stop = true;
	while (n > 0)
		pthread_join(threads[--n], NULL);
	ck_assert_uint_eq(msg_subscriber_counter(s, MSG_COUNTER_LOST), 0);
	ck_assert_uint_eq(
		msg_subscriber_counter(s, MSG_COUNTER_RELEASE_REFUSED), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	ck_assert_int_eq(msg_subscriber_close(s), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("threads");
	TCase *threads = check_case(suite, "threads", 120);

	tcase_add_loop_test(threads, threads_meet_on_one_node, 0, 2);
	return check_main(suite, NULL);
}
