/* SPDX-License-Identifier: BSD-2-Clause */
/* test_stop.c - see libmsg/tool/stop.h. */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check_main.h"

#include "tool/stop.h"

#define MS 1000000ull

enum {
	ONCE = 3, /* A request that came twice, close together, was one. */
};

/* In a process of its own: two signals at once, then perhaps another. */
static int ask_twice(bool later)
{
	const struct timespec pause = {.tv_nsec = 300 * MS};
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		alarm(5);
		stop_catch();
		raise(SIGINT);
		raise(SIGTERM);
		if (later && nanosleep(&pause, NULL) == 0)
			raise(SIGTERM);
		_exit(stop_asked() ? ONCE : 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status;
}

/* timeout(1) signals a process, and then its group. */
START_TEST(one_request_may_come_twice)
{
	for (int tries = 0; tries < 10; tries++) {
		int status = ask_twice(false);

		if (WIFEXITED(status) && WEXITSTATUS(status) == ONCE)
			return;
		usleep(100000); /* The machine let the second one wait. */
	}
	ck_abort_msg("two signals at once ended it ten times");
}
END_TEST

START_TEST(another_one_later_ends_the_program)
{
	int status = ask_twice(true);

	ck_assert_msg(WIFSIGNALED(status), "status %#x", status);
	ck_assert_int_eq(WTERMSIG(status), SIGTERM);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stop");
	TCase *stop = check_case(suite, "stop", 20);

	tcase_add_test(stop, one_request_may_come_twice);
	tcase_add_test(stop, another_one_later_ends_the_program);
	return check_main(suite, NULL);
}
