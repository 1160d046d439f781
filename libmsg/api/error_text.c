/* SPDX-License-Identifier: BSD-2-Clause */
/* error_text.c - errors, versions and counters in words. */
#include <msg/msg.h>
#include <msg/stats.h>

#include "base/trail.h"
#include "topic/name.h"

const char *msg_error_text(void)
{
	return msg_trail_text();
}

const char *msg_error_name(int code)
{
	/* Not -code: INT_MIN has no positive. */
	switch (code < 0 ? (unsigned)-(code + 1) + 1u : (unsigned)code) {
	case MSG_ERROR_ARGUMENT:
		return "MSG_ERROR_ARGUMENT";
	case MSG_ERROR_MEMORY:
		return "MSG_ERROR_MEMORY";
	case MSG_ERROR_AGAIN:
		return "MSG_ERROR_AGAIN";
	case MSG_ERROR_BUSY:
		return "MSG_ERROR_BUSY";
	case MSG_ERROR_FABRIC:
		return "MSG_ERROR_FABRIC";
	case MSG_ERROR_DEVICE:
		return "MSG_ERROR_DEVICE";
	case MSG_ERROR_TOO_LARGE:
		return "MSG_ERROR_TOO_LARGE";
	case MSG_ERROR_TIMEOUT:
		return "MSG_ERROR_TIMEOUT";
	case MSG_ERROR_EVICTED:
		return "MSG_ERROR_EVICTED";
	case MSG_ERROR_DENIED:
		return "MSG_ERROR_DENIED";
	default:
		return "MSG_ERROR_UNKNOWN";
	}
}

const char *msg_version(void)
{
	return MSG_VERSION_TEXT;
}

int msg_topic_match(const char *pattern, const char *topic)
{
	int result;

	if (!pattern || !topic)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"pattern and topic must not be NULL");
	result = msg_name_check_pattern(pattern);
	if (result == 0)
		result = msg_name_check_topic(topic);
	return result < 0 ? result : msg_name_match(pattern, topic);
}

const struct msg_counter *msg_counter_describe(int index)
{
	static const struct msg_counter table[] = {
#define ROW(id, name, meaning, remedy) {name, meaning, remedy},
		MSG_COUNTERS(ROW)
#undef ROW
	};

	if (index < 0 || index >= MSG_COUNTER_COUNT)
		return NULL;
	return &table[index];
}
