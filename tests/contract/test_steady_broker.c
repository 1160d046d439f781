/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_steady_broker.c - the same through the broker of the host, in memory that
 * processes share: while nobody sleeps there is no call at all, and each wake
 * takes one.
 *
 * Now and then the library looks whether the broker is still there; that is one
 * recvmsg, and by far fewer than there are messages.
 */
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "actor.h"
#include "calls.h"
#include "check_main.h"
#include "steady.h"

#define LOOK_MS 50u /* Between looks at the broker, of each object. */

static struct host host;

static void setup(void)
{
	host_open(&host, NULL);
	host_start(&host);
}

static void teardown(void)
{
	host_close(&host);
}

static struct msg_node *open_node(void)
{
	struct msg_node *node;

	ck_assert_msg(host_node(&host, &node) == 0, "%s", msg_error_text());
	return node;
}

START_TEST(the_steady_path_makes_no_calls)
{
	uint64_t begin = now_ns(), looks;
	struct calls calls;
	const char *why;

	if (!calls_can(&why))
		CHECK_SKIP("%s", why);
	steady_run(open_node(), (enum steady_path)_i, false, &calls);
	looks = 4 + 2 * (now_ns() - begin) / (LOOK_MS * 1000000u);
	ck_assert_msg(calls.allocations == 0, "%s: %u allocations",
		steady_names[_i], calls.allocations);
	ck_assert_msg(calls.locks == 0, "%s: %u locks", steady_names[_i],
		calls.locks);
	if (calls_by_clock())
		calls.by_number[SYS_clock_gettime] = 0;
	for (int k = 0; k < CALLS_SYSTEM_MAX; k++)
		ck_assert_msg(calls.by_number[k] == 0 ||
				      (k == SYS_recvmsg &&
					      calls.by_number[k] <= looks),
			"%s: system call %d, %u times, and %u looks",
			steady_names[_i], k, calls.by_number[k],
			(unsigned)looks);
}
END_TEST

/* ---- sleepers --------------------------------------------------------------- */

#define SLEEPERS 3
#define SENDS 200

static struct msg_publisher *open_publisher(struct msg_node *node)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *p;

	o.topic = "sleep";
	ck_assert_int_eq(msg_publisher_open(node, &o, &p), 0);
	return p;
}

static void send_one(struct msg_publisher *p, uint64_t sequence)
{
	struct msg_loan loan;

	if (msg_publisher_loan(p, 64, &loan) < 0)
		return;
	message_fill(loan.data, 64, msg_publisher_id(p), sequence, 0);
	(void)msg_publisher_send(p, &loan, 64);
}

/* One call wakes all who wait for messages, one each of those who poll. */
START_TEST(a_wake_takes_one_call)
{
	struct subscriber_plan plan = {
		.host = &host, .topic = "sleep", .descriptor = _i};
	struct actor *readers[SLEEPERS];
	struct msg_node *node;
	struct msg_publisher *p;
	unsigned most = 0, all = 0;
	const char *why;

	if (!calls_can(&why))
		CHECK_SKIP("%s", why);
	actors_open();
	for (int i = 0; i < SLEEPERS; i++)
		readers[i] = subscriber_start(&plan);
	node = open_node();
	p = open_publisher(node);
	for (uint64_t n = 0; n < SENDS; n++) {
		struct calls calls;

		sleep_us(2000);
		calls_begin();
		send_one(p, n);
		calls_end(&calls);
		calls.system -= calls.by_number[SYS_clock_gettime];
		calls.system -= calls.by_number[SYS_recvmsg];
		most = calls.system > most ? calls.system : most;
		all += calls.system;
		ck_assert_uint_eq(calls.allocations + calls.locks, 0);
	}
	printf("%s: %u calls for %d sends to %d readers, %u at most\n",
		_i ? "descriptor" : "wait", all, SENDS, SLEEPERS, most);
	ck_assert_uint_gt(all, 0);
	ck_assert_uint_le(most, _i ? SLEEPERS : 1);
	for (int i = 0; i < SLEEPERS; i++) {
		AWAIT(10, subscriber_delivered(readers[i]) == SENDS);
		actor_stop(readers[i]);
	}
	ck_assert_int_eq(msg_publisher_close(p), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

/* Take, as after any AGAIN, until arming succeeds; how often it did not. */
static unsigned arm_until_armed(struct msg_subscriber *s)
{
	int result = msg_subscriber_arm(s);
	unsigned refused = 0;

	while (result == -MSG_ERROR_AGAIN && refused < 100) {
		struct msg_view view;

		refused++;
		ck_assert_int_eq(msg_subscriber_take(s, &view, 1), 0);
		result = msg_subscriber_arm(s);
	}
	ck_assert_int_eq(result, 0);
	return refused;
}

START_TEST(arming_takes_one_call_at_most)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_node *node;
	struct msg_subscriber *s;
	struct calls calls;
	unsigned late = 0;
	const char *why;
	int result;

	if (!calls_can(&why))
		CHECK_SKIP("%s", why);
	node = open_node();
	o.topic = "arm";
	ck_assert_int_eq(msg_subscriber_open(node, &o, &s), 0);
	arm_until_armed(s);
	for (int i = 0; i < 100; i++) {
		calls_begin();
		result = msg_subscriber_arm(s);
		calls_end(&calls);
		/* The broker says a thing, and then that it has: if it was not
		 * let run between both, its word for what we heard long ago
		 * comes now.  It has said two, Welcome and Subscribed. */
		if (result == -MSG_ERROR_AGAIN)
			late += 1 + arm_until_armed(s);
		else
			ck_assert_int_eq(result, 0);
		ck_assert_uint_le(calls.system, 1);
		ck_assert_uint_eq(calls.allocations, 0);
		ck_assert_uint_eq(calls.locks, 0);
	}
	ck_assert_uint_le(late, 2);
	ck_assert_int_eq(msg_subscriber_close(s), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("steady path, broker");
	TCase *steady = check_case(suite, "steady", 60);

	tcase_add_checked_fixture(steady, setup, teardown);
	tcase_add_loop_test(
		steady, the_steady_path_makes_no_calls, 0, STEADY_PATHS);
	tcase_add_loop_test(steady, a_wake_takes_one_call, 0, 2);
	tcase_add_test(steady, arming_takes_one_call_at_most);
	return check_main(suite, NULL);
}
