/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pace.h - the clock, and deadlines that do not drift.
 *
 * The n-th message of a paced stream is due at start + n / rate, computed
 * anew each time: a late message never moves those behind it, and its
 * latency can be told from when it was meant to leave.
 */
#ifndef TOOL_PACE_H
#define TOOL_PACE_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_read_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

struct pace {
	uint64_t start_ns;
	double period_ns; /* 0: as fast as possible. */
};

static inline struct pace pace_from(uint64_t start_ns, double rate)
{
	struct pace pace = {start_ns, rate > 0 ? 1e9 / rate : 0};

	return pace;
}

static inline uint64_t pace_due(const struct pace *pace, uint64_t number)
{
	return pace->start_ns + (uint64_t)((double)number * pace->period_ns);
}

#endif
