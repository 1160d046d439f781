/* SPDX-License-Identifier: BSD-2-Clause */
/* now.h - the steady clock in nanoseconds, for programs that know only msg.h. */
#ifndef TESTS_SUPPORT_NOW_H
#define TESTS_SUPPORT_NOW_H

#include <stdint.h>
#include <time.h>

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
