/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trail.h - why the last set-up call of this thread failed, in words.
 *
 * A code tells a program what to do; a sentence tells a person.  The place
 * that knows the reason writes it once, with msg_fail, and the callers above
 * only pass the code on.  Test: tests/unit/base/test_trail.c.
 */
#ifndef MSG_BASE_TRAIL_H
#define MSG_BASE_TRAIL_H

#define MSG_TRAIL_BYTES 512

/* Write the reason; returns -code, so that callers can `return msg_fail(…)`. */
int msg_fail(int code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The reason; never NULL. */
const char *msg_trail_text(void);

#endif
