/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_announce.c - announcements and names from a hostile network.
 *
 * The first byte chooses: an announcement's body, or a pattern and a topic with
 * a zero between them.  What unpacks must be within every range and survive the
 * way out and back; matching must agree with a plain recursive definition.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/trail.h"
#include "receiver.h"
#include "topic/announce.h"

static void check_ranges(const struct msg_announcement *a)
{
	MUST(msg_name_is_topic(a->topic));
	MUST(strlen(a->topic) <= MSG_TOPIC_BYTES_MAX);
	MUST(strlen(a->host) <= MSG_ANNOUNCE_TEXT_MAX);
	MUST(strlen(a->program) <= MSG_ANNOUNCE_TEXT_MAX);
	MUST(a->publisher == (uint32_t)a->incarnation);
	MUST(a->message_bytes_max >= 1 && a->message_bytes_max <= 16u << 20);
	MUST(a->frame_bytes >= 256 && a->frame_bytes <= 65507);
	MUST(a->period_ms >= 10 && a->period_ms <= 60000);
}

static void check_announcement(const uint8_t *body, size_t bytes)
{
	uint8_t again[MSG_ANNOUNCE_BYTES_MAX];
	struct msg_announcement first, second;

	msg_fail(1, "untouched");
	if (msg_announce_unpack(&first, body, bytes)) {
		check_ranges(&first);
		MUST(msg_announce_unpack(
			&second, again, msg_announce_pack(&first, again)));
		MUST(memcmp(&first, &second, sizeof first) == 0);
	}
	MUST(strcmp(msg_trail_text(), "untouched") == 0);
}

/* Matching as the grammar's prose has it. */
static bool matches(const char *pattern, const char *topic)
{
	size_t p = strcspn(pattern, "."), t = strcspn(topic, ".");

	if (strcmp(pattern, ">") == 0)
		return true;
	if (!(p == 1 && pattern[0] == '*') &&
		!(p == t && strncmp(pattern, topic, p) == 0))
		return false;
	if (!pattern[p] || !topic[t])
		return !pattern[p] && !topic[t];
	return matches(pattern + p + 1, topic + t + 1);
}

/* A refusal names its reason, in one printable line. */
static bool is_good(int result)
{
	const char *text = msg_trail_text();

	if (result == 0)
		return true;
	MUST(result < 0);
	MUST(strlen(text) > 10 && strlen(text) < 300);
	for (; *text; text++)
		MUST(*text >= 0x20 && *text < 0x7f);
	return false;
}

static void check_names(const char *pattern, const char *topic)
{
	bool good_pattern = is_good(msg_name_check_pattern(pattern));
	bool good_topic = is_good(msg_name_check_topic(topic));

	MUST(good_topic == msg_name_is_topic(topic));
	if (good_topic) {
		MUST(msg_name_check_pattern(topic) == 0);
		MUST(!msg_name_is_pattern(topic));
		MUST(msg_name_match(topic, topic));
		MUST(msg_name_group(topic, 64) < 64);
	}
	if (good_topic && good_pattern)
		MUST(msg_name_match(pattern, topic) == matches(pattern, topic));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text;

	if (bytes == 0)
		return 0;
	if (data[0] & 1) {
		check_announcement(data + 1, bytes - 1);
		return 0;
	}
	text = calloc(bytes + 1, 1); /* The rest, and two zeros. */
	MUST(text);
	memcpy(text, data + 1, bytes - 1);
	check_names(text, text + strnlen(text, bytes - 1) + 1);
	free(text);
	return 0;
}
