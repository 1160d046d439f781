/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counter.h - a number one thread adds to and any thread may read.
 *
 * A relaxed load and store, not a locked add: there is one writer.  The reader
 * sees some recent value, which is all a statistic needs.
 */
#ifndef MSG_BASE_COUNTER_H
#define MSG_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t msg_counter_t;

static inline uint64_t msg_counter_get(const msg_counter_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline __attribute__((always_inline)) void msg_counter_add(
	msg_counter_t *counter, uint64_t n)
{
	atomic_store_explicit(
		counter, msg_counter_get(counter) + n, memory_order_relaxed);
}

#endif
