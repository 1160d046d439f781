/* SPDX-License-Identifier: BSD-2-Clause */
/* recording.c - what our recordings say beside the messages; see
 * recording.h. */
#include "recording.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- the type of a topic ------------------------------------------------- */

static const char *const encodings[] = {
	[MSG_ENCODING_PROTOBUF] = "protobuf",
	[MSG_ENCODING_CSTRUCT] = "cstruct",
};
#define ENCODING_COUNT (sizeof encodings / sizeof *encodings)

void recording_type_of(
	const struct msg_type *type, struct recording_type *recorded)
{
	size_t encoding = type ? (size_t)msg_type_encoding(type) : 0;
	struct mcap_text data;

	*recorded = (struct recording_type){
		.message_encoding = mcap_text("raw"),
		.schema = {0, mcap_text(""), mcap_text(""), mcap_text("")},
	};
	if (encoding >= ENCODING_COUNT || !encodings[encoding])
		return;
	data.data = msg_type_schema(type, &data.bytes);
	recorded->message_encoding = mcap_text(encodings[encoding]);
	recorded->schema.name = mcap_text(msg_type_name(type));
	recorded->schema.encoding = mcap_text(encodings[encoding]);
	recorded->schema.data = data;
}

struct msg_type *recording_type_read(const struct mcap_schema *schema)
{
	char name[MSG_TYPE_NAME_BYTES_MAX + 1];
	struct msg_type *type;

	if (schema->name.bytes >= sizeof name ||
		memchr(schema->name.data, '\0', schema->name.bytes))
		return NULL;
	memcpy(name, schema->name.data, schema->name.bytes);
	name[schema->name.bytes] = '\0';
	for (size_t i = 1; i < ENCODING_COUNT; i++)
		if (mcap_text_is(schema->encoding, encodings[i]))
			return msg_type_of_schema((enum msg_encoding)i, name,
				       schema->data.data, schema->data.bytes,
				       &type) == 0
				       ? type
				       : NULL;
	return NULL;
}

/* ---- channels ------------------------------------------------------------ */

static const char *const reliabilities[] = {
	[MSG_RELIABILITY_BEST_EFFORT] = "best-effort",
	[MSG_RELIABILITY_RELIABLE] = "reliable",
	[MSG_RELIABILITY_RC] = "rc",
};
#define RELIABILITY_COUNT (sizeof reliabilities / sizeof *reliabilities)

const char *recording_reliability_text(uint32_t reliability)
{
	return reliability < RELIABILITY_COUNT && reliabilities[reliability]
		       ? reliabilities[reliability]
		       : "";
}

static void put_number(
	struct mcap_bytes *pairs, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, value);
	mcap_put_pair(pairs, key, mcap_text(text));
}

void recording_channel_write(
	const struct recording_channel *channel, struct mcap_bytes *pairs)
{
	char id[20];

	if (channel->events) {
		mcap_put_pair(pairs, "kind", mcap_text("events"));
		return;
	}
	snprintf(id, sizeof id, "%016" PRIx64, channel->publisher);
	mcap_put_pair(pairs, "publisher", mcap_text(id));
	put_number(pairs, "first_sequence", channel->first_sequence);
	if (!channel->named)
		return;
	mcap_put_pair(pairs, "host", mcap_text(channel->host));
	mcap_put_pair(pairs, "program", mcap_text(channel->program));
	put_number(pairs, "pid", channel->pid);
	put_number(pairs, "uid", channel->uid);
	put_number(pairs, "message_bytes_max", channel->message_bytes_max);
	if (channel->large_bytes_max > 0)
		put_number(pairs, "large_bytes_max", channel->large_bytes_max);
	if (*recording_reliability_text(channel->reliability))
		mcap_put_pair(pairs, "reliability",
			mcap_text(recording_reliability_text(
				channel->reliability)));
}

/* What is no number, or too large a one, is 0: not said. */
static uint64_t number(
	struct mcap_map map, const char *key, int base, uint64_t max)
{
	struct mcap_text text = mcap_map_find(map, key);
	char copy[24], *end;
	unsigned long long value;

	if (text.bytes == 0 || text.bytes >= sizeof copy)
		return 0;
	memcpy(copy, text.data, text.bytes);
	copy[text.bytes] = '\0';
	if (copy[strspn(copy, "0123456789abcdef")])
		return 0; /* strtoull would take blanks and signs. */
	value = strtoull(copy, &end, base);
	return *end == '\0' && value <= max ? value : 0;
}

/* Cut where it does not fit. */
static void copy_text(char *to, size_t capacity, struct mcap_text text)
{
	size_t bytes = text.bytes < capacity ? text.bytes : capacity - 1;

	if (bytes > 0)
		memcpy(to, text.data, bytes);
	to[bytes] = '\0';
}

bool recording_channel_read(
	struct recording_channel *channel, const struct mcap_channel *told)
{
	struct mcap_map map = told->metadata;
	struct mcap_text reliability = mcap_map_find(map, "reliability");

	*channel = (struct recording_channel){
		.publisher = number(map, "publisher", 16, UINT64_MAX),
		.first_sequence = number(map, "first_sequence", 10, UINT64_MAX),
		.pid = (uint32_t)number(map, "pid", 10, UINT32_MAX),
		.uid = (uint32_t)number(map, "uid", 10, UINT32_MAX),
		.message_bytes_max = (uint32_t)number(
			map, "message_bytes_max", 10, MSG_MESSAGE_BYTES_MAX),
		.large_bytes_max =
			number(map, "large_bytes_max", 10, MSG_LARGE_BYTES_MAX),
		.named = mcap_map_find(map, "program").data != NULL,
	};
	copy_text(channel->topic, sizeof channel->topic, told->topic);
	copy_text(channel->host, sizeof channel->host,
		mcap_map_find(map, "host"));
	copy_text(channel->program, sizeof channel->program,
		mcap_map_find(map, "program"));
	for (uint32_t i = 0; i < RELIABILITY_COUNT; i++)
		if (reliabilities[i] &&
			mcap_text_is(reliability, reliabilities[i]))
			channel->reliability = i;
	channel->events = mcap_text_is(told->topic, RECORDING_EVENTS_TOPIC) &&
			  mcap_text_is(mcap_map_find(map, "kind"), "events");
	/* '*' and '>' are of patterns alone. */
	return told->topic.bytes < sizeof channel->topic &&
	       !memchr(told->topic.data, '\0', told->topic.bytes) &&
	       !channel->events && !strpbrk(channel->topic, "*>") &&
	       msg_topic_match(channel->topic, channel->topic) == 1;
}

void recording_time_text(uint64_t log_ns, char *text, size_t bytes)
{
	time_t seconds = (time_t)(log_ns / 1000000000u);
	char date[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, bytes, "%s.%06uZ", date,
		(unsigned)(log_ns / 1000u % 1000000u));
}
