/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * atomic.h - the thin layer between the ring and the machine's atomics.
 *
 * Three operations are all the ring uses: a load, a store, a fence, each with
 * its order written out at the place that needs it.  They go through names of
 * our own so that tests/explore can compile the very same ring and run it under
 * a memory model in slow motion (MSG_EXPLORE), with every interleaving and
 * every stale value that C11 allows.
 *
 *     msg_load(&word, acquire)   msg_store(&word, value, release)
 *     msg_fence(seq_cst)
 */
#ifndef MSG_BASE_ATOMIC_H
#define MSG_BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdint.h>

#ifdef MSG_EXPLORE
#include <explore_atomic.h>
#else

#define msg_load(word, order) \
	atomic_load_explicit(word, memory_order_##order)
#define msg_store(word, value, order) \
	atomic_store_explicit(word, value, memory_order_##order)

#ifdef __SANITIZE_THREAD__
/* The thread sanitizer knows no fences; a read-modify-write of one word that
 * all threads share orders at least as much. */
static inline void msg_fence_all(void)
{
	static _Atomic uint32_t all;

	atomic_fetch_add_explicit(&all, 0, memory_order_seq_cst);
}
#define msg_fence(order) msg_fence_all()
#else
#define msg_fence(order) atomic_thread_fence(memory_order_##order)
#endif

#endif
#endif
