/* SPDX-License-Identifier: BSD-2-Clause */
/* log.c - see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/trail.h"

void msg_log(const struct msg_log *log, enum msg_log_level level,
	const char *id, const char *format, ...)
{
	char text[MSG_TRAIL_BYTES];
	va_list args;

	if (!log->fn)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	log->fn(log->context, level, id, text);
}
