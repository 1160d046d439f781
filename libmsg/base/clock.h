/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.h - the one clock of the library: CLOCK_MONOTONIC, in nanoseconds.
 *
 * Wall-clock time jumps, so nothing here reads it.  Both reads go through the
 * vDSO, so neither is a system call; the coarse one is a tick (1-4 ms) old and
 * costs a few nanoseconds, which is what deadlines of seconds deserve.
 */
#ifndef MSG_BASE_CLOCK_H
#define MSG_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define MSG_NS_PER_US 1000ull
#define MSG_NS_PER_MS 1000000ull
#define MSG_NS_PER_S 1000000000ull

static inline uint64_t msg_clock_read(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * MSG_NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t msg_clock_ns(void)
{
	return msg_clock_read(CLOCK_MONOTONIC);
}

static inline uint64_t msg_clock_coarse_ns(void)
{
	return msg_clock_read(CLOCK_MONOTONIC_COARSE);
}

#endif
