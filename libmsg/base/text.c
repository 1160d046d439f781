/* SPDX-License-Identifier: BSD-2-Clause */
/* text.c - short texts between processes; see text.h. */
#include "base/text.h"

#include <string.h>

#include "base/utf8.h"

size_t msg_text_clean(char *to, const char *from, size_t max)
{
	size_t bytes = strnlen(from, max), used = 0;

	while (used < bytes) {
		uint32_t c;
		unsigned step = msg_utf8_next(from + used, bytes - used, &c);

		if (step == 0 || msg_utf8_is_control(c)) {
			memset(to + used, '?', step ? step : 1);
			used += step ? step : 1;
		} else {
			memcpy(to + used, from + used, step);
			used += step;
		}
	}
	return used;
}

bool msg_text_take(char *to, size_t max, const void *from, size_t bytes)
{
	const char *text = from;
	size_t at = 0;

	if (bytes > max)
		return false;
	while (at < bytes) {
		uint32_t c;
		unsigned step = msg_utf8_next(text + at, bytes - at, &c);

		if (step == 0 || msg_utf8_is_control(c))
			return false;
		at += step;
	}
	if (at > 0)
		memcpy(to, text, at);
	to[at] = '\0';
	return true;
}
