/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recording.h - what our recordings say beside the messages.
 *
 * An MCAP channel is a topic and a publisher; its metadata say who that was.
 * What is missing stands in the stream where it is missing, as JSON in a
 * channel of its own: tools that know nothing of us show it at its time,
 * between the messages.  Its name is no topic, so that no topic is hidden by
 * it.  README.md, "what is in a recording", is the page for people.
 * Tests: tests/unit/tool/test_recording.c.
 */
#ifndef TOOL_RECORDING_H
#define TOOL_RECORDING_H

#include <msg/type.h>

#include "mcap.h"
#include "mcap_write.h"

#define RECORDING_EVENTS_TOPIC ".msg.events"
#define RECORDING_TOPIC_BYTES 256
/* Names of metadata records. */
#define RECORDING_BEGIN "msg.recording"
#define RECORDING_TOTALS "msg.totals"

/* ---- the type of a topic ------------------------------------------------- */

/* How a channel's messages are encoded, and by which schema; encoding "" of a
 * schema: there is none. */
struct recording_type {
	struct mcap_text message_encoding;
	struct mcap_schema schema; /* `id` is not used. */
};

/* The one place that knows: "protobuf" with a FileDescriptorSet, "cstruct", or
 * "raw" for bytes without a type (NULL).  Points into `type`. */
void recording_type_of(
	const struct msg_type *type, struct recording_type *recorded);

/* The type that a schema says, to be closed; NULL: none that we know. */
struct msg_type *recording_type_read(const struct mcap_schema *schema);

/* ---- channels ------------------------------------------------------------ */

struct recording_channel {
	char topic[RECORDING_TOPIC_BYTES];
	uint64_t publisher;      /* 0: not said. */
	uint64_t first_sequence; /* Of its first message in the file. */
	uint32_t pid, uid;
	uint32_t message_bytes_max; /* 0: not said. */
	uint64_t large_bytes_max;   /* Messages above that, up to this, may be
	                               in the file; 0: none are. */
	uint32_t reliability;       /* enum msg_reliability. */
	char host[72];
	char program[64];
	bool named;  /* host, program and what follows from them is known. */
	bool events; /* Ours, and no topic. */
};

/* "best-effort", "reliable", "rc"; "": not said. */
const char *recording_reliability_text(uint32_t reliability);

/* Its metadata, as pairs of a map. */
void recording_channel_write(
	const struct recording_channel *channel, struct mcap_bytes *pairs);

/* What a channel of any file says; false when its topic is none of ours: too
 * long, or not of the grammar. */
bool recording_channel_read(
	struct recording_channel *channel, const struct mcap_channel *told);

/* A number of a message in full: the file has its low half, and `before` is the
 * one before, or the one expected. */
static inline uint64_t recording_sequence(uint64_t before, uint32_t low)
{
	return before + (uint32_t)(low - (uint32_t)before);
}

/* ---- events -------------------------------------------------------------- */

/* Reasons beside those of enum msg_loss. */
enum recording_loss {
	RECORDING_LOSS_DISK = 100, /* Written too slowly: the queue was full. */
	RECORDING_LOSS_DAMAGED = 101, /* Was recorded, and could not be read. */
};

struct recording_event {
	char event[16]; /* "lost", "joined", "restarted", … */
	char topic[RECORDING_TOPIC_BYTES];
	uint64_t publisher; /* 0: of all. */
	uint64_t sequence;  /* Of the message expected next. */
	uint64_t lost;      /* How many, up to the one before. */
	uint64_t network;   /* Of these, how many were lost on the way here. */
	char reason[16];    /* "network", "disk", …; "" but for "lost". */
};

const char *recording_loss_text(uint32_t reason);

/* Its schema, for tools that look at it. */
struct mcap_schema recording_event_schema(void);

/* As a JSON object; false without memory. */
bool recording_event_write(
	const struct recording_event *event, struct mcap_bytes *json);

/* false: not an object of ours.  Keys that we do not know are passed over. */
bool recording_event_read(
	struct recording_event *event, const void *data, size_t bytes);

/* "2026-11-28T06:34:24.123456Z" of nanoseconds since 1970. */
void recording_time_text(uint64_t log_ns, char *text, size_t bytes);

#endif
