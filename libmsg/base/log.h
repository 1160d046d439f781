/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - telling the application of a rare event, if it asked to be told.
 *
 * The library prints nothing.  Every message has an id that stays the same
 * for good; <msg/msg.h> lists them at msg_log_fn.
 */
#ifndef MSG_BASE_LOG_H
#define MSG_BASE_LOG_H

#include <msg/msg.h>

struct msg_log {
	msg_log_fn *fn; /* NULL: silent. */
	void *context;
};

void msg_log(const struct msg_log *log, enum msg_log_level level,
	const char *id, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
