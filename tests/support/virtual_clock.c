/* SPDX-License-Identifier: BSD-2-Clause */
/* virtual_clock.c - see virtual_clock.h. */
#include "virtual_clock.h"

#include <time.h>

#define S UINT64_C(1000000000)

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);

/* Not zero: a clock that has just begun hides mistakes. */
static uint64_t now_ns = 1000 * S;

uint64_t virtual_clock_ns(void)
{
	return now_ns;
}

void virtual_clock_pass(uint64_t ns)
{
	now_ns += ns;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	uint64_t ns = now_ns += VIRTUAL_LOOK_NS;

	if (clock == CLOCK_MONOTONIC_COARSE)
		ns -= ns % VIRTUAL_TICK_NS;
	now->tv_sec = (time_t)(ns / S);
	now->tv_nsec = (long)(ns % S);
	return 0;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)left;
	now_ns += (uint64_t)time->tv_sec * S + (uint64_t)time->tv_nsec;
	return 0;
}
