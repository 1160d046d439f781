/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_main.c - see check_main.h.
 *
 * Tests run in children, so the count of skips lives in a shared page.
 */
#include "check_main.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

static uint64_t seed;
static int *skipped;

double check_slowness(void)
{
	FILE *file = fopen("/proc/loadavg", "r");
	double minute = 1, factor = 1;
	unsigned running = 1;

	if (!file)
		return factor;
	/* The mean of a minute, and what there is now. */
	if (fscanf(file, "%lf %*f %*f %u", &minute, &running) == 2)
		factor = minute > running ? minute : running;
	fclose(file);
	factor /= (double)sysconf(_SC_NPROCESSORS_ONLN);
	return factor < 1 ? 1 : factor > 20 ? 20 : factor;
}

TCase *check_case(Suite *suite, const char *name, double seconds)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, seconds * check_slowness());
	suite_add_tcase(suite, tcase);
	return tcase;
}

uint64_t check_seed(void)
{
	return seed;
}

void check_skip(const char *test, const char *format, ...)
{
	size_t bytes = strlen(test);
	va_list args;

	/* Check calls the function of test NAME "NAME_fn". */
	if (bytes > 3 && strcmp(test + bytes - 3, "_fn") == 0)
		bytes -= 3;
	printf("SKIP %.*s: ", (int)bytes, test);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	__atomic_add_fetch(skipped, 1, __ATOMIC_RELAXED);
}

static void choose_seed(void)
{
	const char *given = getenv("MSG_TEST_SEED");

	if (given && *given)
		seed = strtoull(given, NULL, 0);
	else if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		abort();
	printf("MSG_TEST_SEED=0x%llx\n", (unsigned long long)seed);
	fflush(stdout);
}

int check_main(Suite *suite, ...)
{
	SRunner *runner = srunner_create(suite);
	int run, failed;
	va_list suites;

	va_start(suites, suite);
	while ((suite = va_arg(suites, Suite *)))
		srunner_add_suite(runner, suite);
	va_end(suites);

	skipped = mmap(NULL, sizeof *skipped, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (skipped == MAP_FAILED)
		abort();
	choose_seed();
	srunner_run_all(runner, CK_NORMAL);
	run = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	printf("%d run, %d failed, %d skipped\n", run, failed, *skipped);
	srunner_free(runner);
	if (failed > 0)
		return EXIT_FAILURE;
	return run > 0 && *skipped == run ? CHECK_EXIT_SKIPPED : EXIT_SUCCESS;
}
