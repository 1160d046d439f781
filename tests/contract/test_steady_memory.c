/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_steady_memory.c - "Path steady: no lock, no allocation, no system call
 * of our own", counted over a wire in memory that makes none either.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "check_main.h"
#include "memory_link.h"
#include "steady.h"

/* Each thing that is counted is seen when it is there. */
START_TEST(the_counters_count)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct timespec now;
	struct calls calls;
	const char *why;
	void *volatile block;

	if (!calls_can(&why))
		CHECK_SKIP("%s", why);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	calls_begin();
	block = malloc(10);
	free(block);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	getppid();
	getppid();
	calls_end(&calls);
	ck_assert_uint_eq(calls.allocations, 2);
	ck_assert_uint_eq(calls.locks, 1);
	ck_assert_uint_eq(calls.system, 2);
	ck_assert_uint_eq(calls.by_number[110], 2); /* getppid */
	calls_begin();
	clock_gettime(CLOCK_MONOTONIC, &now);
	calls_end(&calls);
	ck_assert_uint_eq(calls.locks, 0);
}
END_TEST

/* Where the kernel cannot serve the clock from the vDSO, reading it is a
 * system call that is not ours to avoid. */
static unsigned clock_calls(const struct calls *calls)
{
	struct timespec now;
	struct calls once;

	calls_begin();
	clock_gettime(CLOCK_MONOTONIC, &now);
	calls_end(&once);
	return once.system ? calls->by_number[228] : 0;
}

START_TEST(the_steady_path_asks_nothing_of_the_system)
{
	struct msg_node_options o = MSG_NODE_OPTIONS;
	struct msg_node *node;
	struct calls calls;
	const char *name = steady_names[_i % STEADY_PATHS];
	bool reliable = _i >= STEADY_PATHS;
	const char *why;

	if (!calls_can(&why))
		CHECK_SKIP("%s", why);
	o.announce_ms = 60000;
	ck_assert_int_eq(msg_node_open(&o, &node), 0);
	steady_run(node, (enum steady_path)(_i % STEADY_PATHS), reliable,
		&calls);
	ck_assert_msg(calls.allocations == 0, "%s: %u allocations", name,
		calls.allocations);
	ck_assert_msg(calls.locks == 0, "%s: %u locks", name, calls.locks);
	calls.system -= clock_calls(&calls);
	for (int k = 0; k < CALLS_SYSTEM_MAX; k++)
		ck_assert_msg(calls.system == 0 || calls.by_number[k] == 0,
			"%s%s: system call %d, %u times", name,
			reliable ? ", reliable" : "", k, calls.by_number[k]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("steady path, memory");
	TCase *steady = check_case(suite, "steady", 60);

	tcase_add_test(steady, the_counters_count);
	tcase_add_loop_test(steady, the_steady_path_asks_nothing_of_the_system,
		0, STEADY_CASES);
	return check_main(suite, NULL);
}
