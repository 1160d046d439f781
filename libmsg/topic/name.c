/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * name.c - the grammar of topics and patterns; see name.h.
 *
 * One walk over the bytes finds the first fault and where it is; wording it is
 * a matter of its own, done only for callers who asked in words.  A name that
 * is refused may hold anything, so the sentence quotes it with escapes.
 */
#include "topic/name.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/trail.h"
#include "base/utf8.h"

#include <msg/msg.h>

#define QUOTE_BYTES 96 /* Of a refused name in the sentence about it. */

enum fault {
	FAULT_NONE,
	FAULT_EMPTY,
	FAULT_LONG, /* The last of those that are of the whole name. */
	FAULT_TOKEN,
	FAULT_UTF8,
	FAULT_SPACE,
	FAULT_CONTROL,
	FAULT_WILDCARD,
	FAULT_PARTLY,
	FAULT_TAIL,
};

/* What is wrong, where it is said to be, and what to do. */
static const struct {
	const char *problem;
	const char *remedy;
} words[] = {
	[FAULT_EMPTY] = {"is empty", "give it a name such as md.acme.bid"},
	[FAULT_LONG] = {"is longer than 255 bytes", "shorten it"},
	[FAULT_TOKEN] = {"has an empty token",
		"write at least one character before, after and between dots"},
	[FAULT_UTF8] = {"is not UTF-8", "convert the name to UTF-8"},
	[FAULT_SPACE] = {"has a space", "use '-' or '_' instead"},
	[FAULT_CONTROL] = {"has a control character", "remove it"},
	[FAULT_WILDCARD] = {"has a wildcard",
		"only subscribers and directories may use '*' and '>'"},
	[FAULT_PARTLY] = {"has a wildcard inside a token",
		"'*' and '>' stand alone between dots"},
	[FAULT_TAIL] = {"goes on behind '>'",
		"make '>' the last token, or use '*' for one token"},
};

static bool ends_token(char c)
{
	return c == '.' || c == '\0';
}

/* The fault, if any, of the wildcard at `at`. */
static enum fault wildcard_fault(const char *name, size_t at, bool pattern)
{
	if (!pattern)
		return FAULT_WILDCARD;
	if ((at > 0 && name[at - 1] != '.') || !ends_token(name[at + 1]))
		return FAULT_PARTLY;
	if (name[at] == '>' && name[at + 1] != '\0')
		return FAULT_TAIL;
	return FAULT_NONE;
}

/* The fault of the character at `at`, which is not a dot; *bytes is its
 * length. */
static enum fault character_fault(
	const char *name, size_t at, size_t left, bool pattern, unsigned *bytes)
{
	uint32_t c;

	*bytes = msg_utf8_next(name + at, left, &c);
	if (*bytes == 0)
		return FAULT_UTF8;
	if (msg_utf8_is_control(c))
		return FAULT_CONTROL;
	if (c == ' ')
		return FAULT_SPACE;
	if (c == '*' || c == '>')
		return wildcard_fault(name, at, pattern);
	return FAULT_NONE;
}

/* The first fault of a name, and the byte it is at. */
static enum fault find_fault(const char *name, bool pattern, size_t *at)
{
	size_t bytes, token = 0;

	*at = 0;
	if (!name || name[0] == '\0')
		return FAULT_EMPTY;
	bytes = strnlen(name, MSG_TOPIC_BYTES_MAX + 1);
	if (bytes > MSG_TOPIC_BYTES_MAX)
		return FAULT_LONG;
	while (*at < bytes) {
		enum fault fault = FAULT_NONE;
		unsigned step = 1;

		if (name[*at] != '.')
			fault = character_fault(
				name, *at, bytes - *at, pattern, &step);
		else if (*at == token)
			fault = FAULT_TOKEN;
		else
			token = *at + 1;
		if (fault != FAULT_NONE)
			return fault;
		*at += step;
	}
	return token == bytes ? FAULT_TOKEN : FAULT_NONE;
}

/* Copy a name for show: printable ASCII as it is, the rest as \xHH, and an
 * ellipsis where it had to end. */
static void quote(char *text, const char *name)
{
	size_t used = 0;

	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (used > QUOTE_BYTES - sizeof "\\xHH...") {
			strcpy(text + used, "...");
			return;
		}
		if (c >= 0x20 && c < 0x7f)
			text[used++] = (char)c;
		else
			used += (size_t)sprintf(text + used, "\\x%02x", c);
	}
	text[used] = '\0';
}

static int check(const char *name, bool pattern)
{
	const char *what = pattern ? "pattern" : "topic";
	char text[QUOTE_BYTES];
	size_t at;
	enum fault fault = find_fault(name, pattern, &at);

	if (fault == FAULT_NONE)
		return 0;
	quote(text, name ? name : "");
	if (fault <= FAULT_LONG)
		return msg_fail(MSG_ERROR_ARGUMENT, "%s '%s' %s; %s", what,
			text, words[fault].problem, words[fault].remedy);
	return msg_fail(MSG_ERROR_ARGUMENT, "%s '%s' %s at byte %zu; %s", what,
		text, words[fault].problem, at, words[fault].remedy);
}

int msg_name_check_topic(const char *topic)
{
	return check(topic, false);
}

int msg_name_check_pattern(const char *pattern)
{
	return check(pattern, true);
}

bool msg_name_is_topic(const char *topic)
{
	size_t at;

	return find_fault(topic, false, &at) == FAULT_NONE;
}

bool msg_name_is_pattern(const char *pattern)
{
	/* In a checked pattern these stand for nothing else. */
	return strpbrk(pattern, "*>") != NULL;
}

bool msg_name_match(const char *pattern, const char *topic)
{
	for (;;) {
		size_t token = strcspn(topic, ".");

		/* '>' takes one token or more, and here stands the first. */
		if (pattern[0] == '>')
			return true;
		if (pattern[0] == '*') {
			pattern++;
		} else {
			if (strcspn(pattern, ".") != token ||
				memcmp(pattern, topic, token) != 0)
				return false;
			pattern += token;
		}
		topic += token;
		if (*pattern == '\0' || *topic == '\0')
			return *pattern == *topic;
		pattern++;
		topic++;
	}
}

uint32_t msg_name_tag(const char *topic)
{
	return (uint32_t)msg_hash(topic, strlen(topic));
}

uint32_t msg_name_group(const char *topic, uint32_t count)
{
	uint32_t high = (uint32_t)(msg_hash(topic, strlen(topic)) >> 32);

	assert(count > 0);
	return count == 1 ? 0 : 1 + high % (count - 1);
}
