/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_channel.c - the channels of a recording, and what is written to them;
 * see record_write.h.
 *
 * A channel is a topic and a publisher.  It is told in each file in front of
 * its first message there, with who that publisher is.
 */
#include "record_write.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "delivery.h"
#include "pace.h"

/* Files number their channels with 16 bits. */
#define CHANNELS_MAX 60000u
#define PLACES 131072u /* A power of two. */
#define SCHEMAS_MAX 1024u
/* A type that was named is waited for that long, and none for ten times that
 * after one that did not come. */
#define TYPE_WAIT_NS 2000000000u

bool record_channels_open(struct record_writer *writer)
{
	writer->channels = calloc(PLACES, sizeof *writer->channels);
	writer->origins = calloc(PLACES, sizeof *writer->origins);
	writer->schemas = calloc(SCHEMAS_MAX, sizeof *writer->schemas);
	return writer->channels && writer->origins && writer->schemas;
}

void record_channels_forget(struct record_writer *writer)
{
	for (uint32_t i = 0; i < PLACES; i++) {
		free(writer->channels[i]);
		writer->channels[i] = NULL;
	}
	memset(writer->origins, 0, PLACES * sizeof *writer->origins);
	writer->channel_count = 0;
}

void record_channels_close(struct record_writer *writer)
{
	if (writer->channels && writer->origins)
		record_channels_forget(writer);
	free(writer->channels);
	free(writer->origins);
	free(writer->schemas);
	mcap_bytes_free(&writer->scratch);
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t bytes)
{
	const unsigned char *at = data;

	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u;
	return hash ^ hash >> 29;
}

/* ---- who was here before ------------------------------------------------- */

/* Note that it publishes now; whether another one did that is gone. */
static bool note_origin(
	struct record_writer *writer, const struct recording_channel *about)
{
	struct record_origin *origin;
	uint64_t hash = 0xcbf29ce484222325u;
	bool restarted;

	hash = hash_bytes(hash, about->topic, strlen(about->topic) + 1);
	hash = hash_bytes(hash, about->host, strlen(about->host) + 1);
	hash = hash_bytes(hash, about->program, strlen(about->program) + 1);
	hash |= 1; /* 0 is an empty place. */
	for (uint64_t i = hash >> 32;; i++) {
		origin = &writer->origins[i % PLACES];
		if (origin->hash == hash || origin->hash == 0)
			break;
	}
	restarted =
		origin->hash == hash && origin->publisher != about->publisher &&
		!record_names_there(writer->options.names, origin->publisher);
	origin->hash = hash;
	origin->publisher = about->publisher;
	return restarted;
}

static void name(struct record_writer *writer, struct record_channel *channel)
{
	struct recording_channel *about = &channel->about;
	const struct msg_topic_info *info = record_names_find(
		writer->options.names, about->publisher, writer->queue);

	if (!info)
		return;
	about->named = true;
	about->pid = info->pid;
	about->uid = info->uid;
	about->message_bytes_max = info->message_bytes_max;
	about->reliability = info->reliability;
	if (info->reliability >= MSG_RELIABILITY_RELIABLE)
		about->large_bytes_max = writer->options.large_bytes_max;
	channel->type_hash = info->type_hash;
	snprintf(about->host, sizeof about->host, "%s", info->host);
	snprintf(about->program, sizeof about->program, "%s", info->program);
}

/* The type that it names; NULL: none, or it cannot be had in time.  Who names
 * types that nobody has must not keep us waiting again and again. */
static const struct msg_type *type_of(
	struct record_writer *writer, const struct record_channel *channel)
{
	struct types *types = writer->options.types;
	const struct types_entry *entry;
	enum types_answer answer;
	uint64_t begin = clock_ns(), until = begin + TYPE_WAIT_NS;

	if (channel->type_hash == 0 || !types)
		return NULL;
	if (writer->untyped_ns != 0 &&
		begin - writer->untyped_ns < 10 * (uint64_t)TYPE_WAIT_NS)
		until = begin;
	for (;;) {
		struct pollfd fd = {.fd = types_fd(types), .events = POLLIN};

		types_hear(types);
		answer = types_find(types, channel->about.topic,
			channel->about.publisher, &entry);
		if (answer != TYPES_UNKNOWN || clock_ns() >= until ||
			record_queue_presses(writer->queue))
			break;
		poll(&fd, 1, 50);
	}
	if (answer == TYPES_FOUND)
		return entry->type;
	writer->untyped_ns = clock_ns();
	return NULL;
}

/* The channel of an entry; NULL when there are too many, or no memory. */
static struct record_channel *channel_of(
	struct record_writer *writer, const struct record_entry *entry)
{
	const char *topic = record_entry_topic(entry);
	uint64_t hash = hash_bytes(entry->publisher * 0x9e3779b97f4a7c15u,
		topic, entry->topic_bytes);
	struct record_channel **place, *channel;

	for (uint64_t i = hash >> 32;; i++) {
		place = &writer->channels[i % PLACES];
		channel = *place;
		if (!channel)
			break;
		if (channel->about.publisher == entry->publisher &&
			strlen(channel->about.topic) == entry->topic_bytes &&
			memcmp(channel->about.topic, topic,
				entry->topic_bytes) == 0)
			return channel;
	}
	if (writer->channel_count == CHANNELS_MAX)
		return NULL;
	channel = calloc(1, sizeof *channel);
	if (!channel)
		return NULL;
	channel->about.publisher = entry->publisher;
	memcpy(channel->about.topic, topic, entry->topic_bytes);
	writer->channel_count++;
	return *place = channel;
}

/* ---- telling the file ---------------------------------------------------- */

/* Write a schema unless the file has it; one more of the same is no harm. */
static int tell_schema(struct record_writer *writer,
	const struct mcap_schema *schema, uint16_t *id)
{
	uint64_t hash = 0xcbf29ce484222325u;
	int error;

	*id = 0;
	if (schema->encoding.bytes == 0)
		return 0;
	hash = hash_bytes(hash, schema->name.data, schema->name.bytes);
	hash = hash_bytes(hash, schema->data.data, schema->data.bytes);
	for (uint32_t i = 0; i < writer->schema_count; i++)
		if (writer->schemas[i].hash == hash) {
			*id = writer->schemas[i].id;
			return 0;
		}
	error = mcap_write_schema(&writer->mcap, schema, id);
	if (error == 0 && writer->schema_count < SCHEMAS_MAX)
		writer->schemas[writer->schema_count++] =
			(struct record_schema){hash, *id};
	return error;
}

static int tell_channel(struct record_writer *writer,
	const struct recording_channel *about, struct recording_type *type,
	uint16_t *id)
{
	struct mcap_channel channel = {
		.topic = mcap_text(about->topic),
		.encoding = type->message_encoding,
	};
	int error = tell_schema(writer, &type->schema, &channel.schema_id);

	if (error < 0)
		return error;
	writer->scratch.bytes = 0;
	recording_channel_write(about, &writer->scratch);
	if (writer->scratch.failed)
		return -ENOMEM;
	channel.metadata.pairs = (struct mcap_text){
		(const char *)writer->scratch.data, writer->scratch.bytes};
	return mcap_write_channel(&writer->mcap, &channel, id);
}

static int tell_events(struct record_writer *writer)
{
	struct recording_channel about = {
		.topic = RECORDING_EVENTS_TOPIC, .events = true};
	struct recording_type type = {
		.message_encoding = mcap_text("json"),
		.schema = recording_event_schema(),
	};

	if (writer->events_id != 0)
		return 0;
	return tell_channel(writer, &about, &type, &writer->events_id);
}

/* ---- writing ------------------------------------------------------------- */

static int write_event(struct record_writer *writer, uint64_t log_ns,
	const struct recording_event *event)
{
	struct mcap_message message = {
		.sequence = writer->event_count,
		.log_ns = log_ns,
		.publish_ns = log_ns,
	};
	int error = tell_events(writer);

	if (error < 0)
		return error;
	writer->scratch.bytes = 0;
	if (!recording_event_write(event, &writer->scratch))
		return -ENOMEM;
	writer->event_count++;
	message.channel_id = writer->events_id;
	message.data = writer->scratch.data;
	message.bytes = writer->scratch.bytes;
	return mcap_write_message(&writer->mcap, &message);
}

int record_write_event(
	struct record_writer *writer, const struct record_entry *entry)
{
	struct recording_event event = {
		.publisher = entry->publisher,
		.sequence = entry->sequence,
		.lost = entry->lost,
		.network = entry->network,
	};
	size_t bytes = entry->topic_bytes;

	if (entry->event == MSG_EVENT_RESTARTED) {
		struct record_channel *channel = channel_of(writer, entry);

		if (!channel)
			return -ENOSPC;
		channel->restarted = true;
	}
	if (bytes >= sizeof event.topic)
		bytes = sizeof event.topic - 1;
	memcpy(event.topic, record_entry_topic(entry), bytes);
	snprintf(event.event, sizeof event.event, "%s",
		delivery_event(entry->event));
	if (entry->event == MSG_EVENT_LOST)
		snprintf(event.reason, sizeof event.reason, "%s",
			recording_loss_text(entry->reason));
	writer->totals[RECORD_TOTAL_LOST] += entry->network;
	writer->totals[RECORD_TOTAL_DROPPED] += entry->lost - entry->network;
	return write_event(writer, entry->log_ns, &event);
}

/* Its first message in this file; the first of all says who it is. */
static int begin_channel(struct record_writer *writer,
	struct record_channel *channel, const struct record_entry *entry)
{
	struct recording_channel *about = &channel->about;
	struct recording_type type;
	int error;

	about->first_sequence = entry->sequence;
	if (!about->named)
		name(writer, channel);
	if (channel->part == 0 && about->named && note_origin(writer, about) &&
		!channel->restarted) {
		struct recording_event event = {.event = "restarted",
			.publisher = about->publisher,
			.sequence = entry->sequence};

		memcpy(event.topic, about->topic, sizeof event.topic);
		error = write_event(writer, entry->log_ns, &event);
		if (error < 0)
			return error;
		channel->restarted = true;
	}
	recording_type_of(type_of(writer, channel), &type);
	error = tell_channel(writer, about, &type, &channel->id);
	if (error == 0)
		channel->part = writer->part;
	return error;
}

int record_write_message(
	struct record_writer *writer, const struct record_entry *entry)
{
	struct record_channel *channel = channel_of(writer, entry);
	struct mcap_message message = {
		.sequence = (uint32_t)entry->sequence,
		.log_ns = entry->log_ns,
		/* Neither frames nor messages carry a time of their own. */
		.publish_ns = entry->log_ns,
		.data = record_entry_payload(entry),
		.bytes = (size_t)entry->bytes,
	};
	int error = 0;

	if (!channel)
		return -ENOSPC;
	if (channel->part != writer->part)
		error = begin_channel(writer, channel, entry);
	if (error < 0)
		return error;
	message.channel_id = channel->id;
	writer->totals[RECORD_TOTAL_MESSAGES]++;
	writer->totals[RECORD_TOTAL_BYTES] += entry->bytes;
	return mcap_write_message(&writer->mcap, &message);
}
