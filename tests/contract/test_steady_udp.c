/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_steady_udp.c - the same on kernel UDP, with the installed library and
 * its module: there the only system calls are those that receive and send.
 */
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "check_main.h"
#include "steady.h"

static struct msg_node *open_node(void)
{
	struct msg_node_options o = MSG_NODE_OPTIONS;
	struct msg_node *node;
	char groups[64];

	snprintf(groups, sizeof groups, "239.254.%d.0+16", getpid() % 256);
	o.groups = groups;
	o.port = 40000 + (uint32_t)getpid() % 20000;
	o.lane = MSG_LANE_UDP;
	o.announce_ms = 60000;
	ck_assert_msg(
		msg_node_open(&o, &node) == 0, "%s", msg_error_text());
	return node;
}

/* A lone datagram goes by the plain calls, which are a little shorter. */
static bool moves_data(long number)
{
	return number == SYS_recvmmsg || number == SYS_sendmmsg ||
	       number == SYS_recvmsg || number == SYS_sendmsg;
}

START_TEST(the_steady_path_only_receives_and_sends)
{
	enum steady_path path = (enum steady_path)(_i % STEADY_PATHS);
	const char *name = steady_names[path];
	bool reliable = _i >= STEADY_PATHS;
	struct calls calls;
	const char *why;
	unsigned sends;

	if (!calls_can(&why))
		CHECK_SKIP("%s", why);
	steady_run(open_node(), path, reliable, &calls);
	ck_assert_msg(calls.allocations == 0, "%s: %u allocations", name,
		calls.allocations);
	ck_assert_msg(calls.locks == 0, "%s: %u locks", name, calls.locks);
	if (calls_by_clock())
		calls.by_number[SYS_clock_gettime] = 0;
	for (int k = 0; k < CALLS_SYSTEM_MAX; k++)
		ck_assert_msg(calls.by_number[k] == 0 || moves_data(k),
			"%s: system call %d, %u times", name, k,
			calls.by_number[k]);
	sends = calls.by_number[SYS_sendmmsg] + calls.by_number[SYS_sendmsg];
	/* Reliable topics are probed meanwhile. */
	if (!reliable && (path == STEADY_ABANDON || path == STEADY_REFUSE))
		ck_assert_uint_eq(sends, 0);
	/* Batches of 100 small messages leave by few calls. */
	if (path == STEADY_QUEUE)
		ck_assert_uint_le(sends, 500 * 2);
}
END_TEST

/* "Path: at most one system call" of arm; a wait arms and sleeps. */
START_TEST(arming_takes_one_call_at_most)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_node *node;
	struct msg_subscriber *s;
	struct calls calls;
	const char *why;
	int result;

	if (!calls_can(&why))
		CHECK_SKIP("%s", why);
	node = open_node();
	o.topic = "arm";
	ck_assert_int_eq(msg_subscriber_open(node, &o, &s), 0);
	result = msg_subscriber_arm(s);
	ck_assert_int_eq(result, 0);
	for (int i = 0; i < 100; i++) {
		calls_begin();
		result = msg_subscriber_arm(s);
		calls_end(&calls);
		ck_assert_int_eq(result, 0);
		ck_assert_uint_le(calls.system, 1);
		ck_assert_uint_eq(calls.allocations, 0);
		ck_assert_uint_eq(calls.locks, 0);
	}
	calls_begin();
	result = msg_subscriber_wait(s, 1000000);
	calls_end(&calls);
	ck_assert_int_eq(result, -MSG_ERROR_TIMEOUT);
	ck_assert_uint_eq(calls.by_number[SYS_ppoll], 1);
	ck_assert_uint_le(calls.system, 4);
	ck_assert_uint_eq(calls.allocations, 0);
	ck_assert_int_eq(msg_subscriber_close(s), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("steady path, kernel UDP");
	TCase *steady = check_case(suite, "steady", 60);

	tcase_add_loop_test(steady, the_steady_path_only_receives_and_sends, 0,
		STEADY_CASES);
	tcase_add_test(steady, arming_takes_one_call_at_most);
	return check_main(suite, NULL);
}
