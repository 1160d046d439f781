/* SPDX-License-Identifier: BSD-2-Clause */
/* options.c - option structs and the environment; see options.h. */
#include "api/options.h"

#include <errno.h>
#include <string.h>

#include <msg/msg.h>

#include "base/trail.h"

/* No option struct will ever be that large; a larger size is garbage. */
#define STRUCT_BYTES_MAX 4096u

int msg_options_copy(void *options, size_t bytes, const void *given,
	const char *initializer)
{
	const uint8_t *tail;
	size_t given_bytes;

	memset(options, 0, bytes);
	if (!given)
		return 0;
	memcpy(&given_bytes, given, sizeof given_bytes);
	if (given_bytes < sizeof given_bytes || given_bytes > STRUCT_BYTES_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"options: struct_bytes is %zu; start the struct with %s",
			given_bytes, initializer);
	tail = (const uint8_t *)given + bytes;
	for (size_t i = bytes; i < given_bytes; i++)
		if (*tail++ != 0)
			return msg_fail(MSG_ERROR_ARGUMENT,
				"options: this libmsg (%s) does not know a field "
				"that is set; use a newer libmsg",
				msg_version());
	memcpy(options, given, given_bytes < bytes ? given_bytes : bytes);
	return 0;
}

const char *msg_options_text(const char *value, const char *name)
{
	if (!value)
		value = getenv(name);
	return value && *value ? value : NULL;
}

/* Only digits: strtoul would take signs and spaces. */
static int parse(uint32_t *value, const char *text)
{
	unsigned long parsed;
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	parsed = strtoul(text, &end, 10);
	if (errno || *end || parsed > UINT32_MAX)
		return -1;
	*value = (uint32_t)parsed;
	return 0;
}

int msg_options_number(uint32_t *value, const char *field, const char *name,
	uint32_t fallback, uint32_t least, uint32_t most)
{
	const char *text = name ? msg_options_text(NULL, name) : NULL;

	if (*value == 0 && text && parse(value, text) < 0)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s='%s' is not a number; give %u to %u or unset it",
			name, text, least, most);
	if (*value == 0 && !text)
		*value = fallback;
	if (*value < least || *value > most)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s is %u; give %u to %u, or 0 for the default", field,
			*value, least, most);
	return 0;
}
