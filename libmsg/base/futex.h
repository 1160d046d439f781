/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * futex.h - sleeping on a word, and waking who does.
 *
 * The word may be in shared memory that the sleeper maps read-only: the kernel
 * only reads it.  futex_waitv (Linux 5.16) sleeps on several at once.
 * Source: futex(2), Documentation/userspace-api/futex2.rst.
 */
#ifndef MSG_BASE_FUTEX_H
#define MSG_BASE_FUTEX_H

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MSG_FUTEX_WAIT_MAX FUTEX_WAITV_MAX

/* Wake all who sleep on `word`, in whatever process. */
static inline void msg_futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* One word to sleep on while it has this value. */
static inline struct futex_waitv msg_futex_on(
	const _Atomic uint32_t *word, uint32_t value)
{
	return (struct futex_waitv){
		.uaddr = (uintptr_t)word,
		.val = value,
		.flags = FUTEX_32,
	};
}

/* Sleep until one of them is woken or has changed, or CLOCK_MONOTONIC shows
 * `deadline_ns`.  -1 with errno when it is not a wake: ETIMEDOUT, EAGAIN (one
 * had changed), EINTR, ENOSYS (an older kernel). */
static inline long msg_futex_wait(
	struct futex_waitv *words, unsigned count, uint64_t deadline_ns)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline_ns / 1000000000u),
		.tv_nsec = (long)(deadline_ns % 1000000000u),
	};

	return syscall(SYS_futex_waitv, words, count, 0,
		deadline_ns == UINT64_MAX ? NULL : &until, CLOCK_MONOTONIC);
}

#endif
