/* SPDX-License-Identifier: BSD-2-Clause */
/* trail.c - one line of text per thread; see trail.h. */
#include "base/trail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char trail[MSG_TRAIL_BYTES];

int msg_fail(int code, const char *format, ...)
{
	char text[MSG_TRAIL_BYTES];
	va_list args;

	/* Through a second buffer: an argument may be the old text itself. */
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	memcpy(trail, text, sizeof trail);
	return -code;
}

const char *msg_trail_text(void)
{
	return trail;
}
