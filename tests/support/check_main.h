/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_main.h - what every Check program here does alike.
 *
 *     int main(void)
 *     {
 *             Suite *suite = suite_create("frame");
 *             TCase *header = check_case(suite, "header", 10);
 *
 *             tcase_add_test(header, a_short_frame_is_refused);
 *             return check_main(suite, NULL);
 *     }
 *
 * Each test runs in a process of its own with a time limit (CK_FORK=no turns
 * that off, for a debugger).  The program prints its seed, takes another from
 * MSG_TEST_SEED, and exits 0, 1 when a test failed, or 77 when every test was
 * skipped.  A test that cannot run here says why with CHECK_SKIP; it is counted
 * as skipped, never as passed.
 */
#ifndef TESTS_SUPPORT_CHECK_MAIN_H
#define TESTS_SUPPORT_CHECK_MAIN_H

#include <check.h>
#include <stdint.h>

#include "random.h"

#define CHECK_EXIT_SKIPPED 77

/* libcheck writes the place of every assertion that holds to a file, in case
 * of a crash: millions of system calls, where a loop asserts.  A failed one
 * names its own place, and a debugger that of a crash. */
#define _mark_point(file, line) ((void)0)

/* How many times as long as at rest everything takes just now: what wants to run, a
 * processor; 1 to 20.  For limits against what hangs, which are to mean the same
 * whatever else the machine has to do; never for what is measured. */
double check_slowness(void);

/* A case of tests that may take `seconds` each (times CK_TIMEOUT_MULTIPLIER, and
 * times check_slowness now). */
TCase *check_case(Suite *suite, const char *name, double seconds);

/* Run the suites, NULL at the end; the program's exit status. */
int check_main(Suite *suite, ...) __attribute__((sentinel));

/* The seed of this run.  For trial i take check_seed() + i and name that sum
 * when it fails: MSG_TEST_SEED set to it makes it the first trial. */
uint64_t check_seed(void);

/* Leave the test now, as skipped: CHECK_SKIP("no %s here", device).  Only in
 * the function of the test itself. */
#define CHECK_SKIP(...)                                                        \
	do {                                                                   \
		check_skip(__func__, __VA_ARGS__);                             \
		return;                                                        \
	} while (0)

void check_skip(const char *test, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
