/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calls.h - what a stretch of code asks of the system.
 *
 * Between calls_begin and calls_end, on the thread that called: every
 * allocation (this program's malloc and its like are found before libc's, by
 * all libraries), every lock taken, and every system call.  Those are caught by
 * the kernel's syscall user dispatch, counted, and then made: so also calls that
 * no library function hides are seen.
 *
 * Not under a sanitizer, which allocates and calls by itself.
 */
#ifndef TESTS_CONTRACT_CALLS_H
#define TESTS_CONTRACT_CALLS_H

#include <stdbool.h>

#define CALLS_SYSTEM_MAX 512

struct calls {
	unsigned allocations;
	unsigned locks;
	unsigned system;
	unsigned by_number[CALLS_SYSTEM_MAX];
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CALLS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CALLS_SANITIZED 1
#endif
#endif
#ifndef CALLS_SANITIZED
#define CALLS_SANITIZED 0
#endif

/* Whether counting works here; else why not. */
bool calls_can(const char **why);

void calls_begin(void);
void calls_end(struct calls *calls);

/* Whether reading the clock is a system call here: where the kernel's clock source
 * is none that the vDSO can read. */
bool calls_by_clock(void);

#endif
