/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mcap.h - the records of an MCAP file, as both sides of it see them.
 *
 *     magic, header
 *     { schema, channel, chunk{ message… }, message index…, metadata }…
 *     data end
 *     summary: schemas, channels, chunk indexes, metadata indexes, statistics
 *     summary offsets, footer, magic
 *
 * Every record is a byte that says what it is, eight that say how long, and
 * the content.  Numbers are little-endian; a text is its length in four bytes
 * and UTF-8; a map is its length in bytes and pairs.
 * mcap_write.c writes, mcap_read.c and mcap_parse.c read, mcap_table.c
 * remembers.  None of them knows what a topic of ours is.
 * Source: the MCAP format specification, https://mcap.dev/spec.
 */
#ifndef TOOL_MCAP_H
#define TOOL_MCAP_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MCAP_MAGIC "\x89MCAP0\r\n"
#define MCAP_MAGIC_BYTES 8u
#define MCAP_RECORD_HEAD_BYTES 9u
#define MCAP_MESSAGE_HEAD_BYTES 22u
#define MCAP_FOOTER_BYTES 20u

/* What we read at most of one record, and unpack of one chunk; ours hold one
 * message of 16 MiB at most, other writers' chunks some MiB. */
#define MCAP_RECORD_BYTES_MAX (256u << 20)

enum mcap_opcode {
	MCAP_HEADER = 0x01,
	MCAP_FOOTER = 0x02,
	MCAP_SCHEMA = 0x03,
	MCAP_CHANNEL = 0x04,
	MCAP_MESSAGE = 0x05,
	MCAP_CHUNK = 0x06,
	MCAP_MESSAGE_INDEX = 0x07,
	MCAP_CHUNK_INDEX = 0x08,
	MCAP_ATTACHMENT = 0x09,
	MCAP_ATTACHMENT_INDEX = 0x0a,
	MCAP_STATISTICS = 0x0b,
	MCAP_METADATA = 0x0c,
	MCAP_METADATA_INDEX = 0x0d,
	MCAP_SUMMARY_OFFSET = 0x0e,
	MCAP_DATA_END = 0x0f,
};

/* Bytes that belong to somebody else and end with no zero. */
struct mcap_text {
	const char *data;
	size_t bytes;
};

/* Pairs of texts, in the order of the file. */
struct mcap_map {
	struct mcap_text pairs;
};

struct mcap_header {
	struct mcap_text profile;
	struct mcap_text library;
};

struct mcap_footer {
	uint64_t summary_start;
	uint64_t summary_offset_start;
	uint32_t summary_crc;
};

struct mcap_schema {
	uint16_t id; /* Never 0. */
	struct mcap_text name;
	struct mcap_text encoding;
	struct mcap_text data;
};

struct mcap_channel {
	uint16_t id;
	uint16_t schema_id; /* 0: none. */
	struct mcap_text topic;
	struct mcap_text encoding;
	struct mcap_map metadata;
};

struct mcap_message {
	uint16_t channel_id;
	uint32_t sequence;
	uint64_t log_ns; /* Since 1970, UTC. */
	uint64_t publish_ns;
	const void *data;
	size_t bytes;
};

struct mcap_chunk {
	uint64_t start_ns;
	uint64_t end_ns;
	uint64_t unpacked_bytes;
	uint32_t unpacked_crc; /* 0: not known. */
	struct mcap_text compression;
	uint64_t packed_bytes;
};

/* How many messages of a channel the chunk in front of it has. */
struct mcap_message_index {
	uint16_t channel_id;
	uint32_t count;
};

struct mcap_chunk_index {
	uint64_t start_ns;
	uint64_t end_ns;
	uint64_t chunk_start;
	uint64_t chunk_length;
};

struct mcap_statistics {
	uint64_t message_count;
	uint16_t schema_count;
	uint32_t channel_count;
	uint32_t attachment_count;
	uint32_t metadata_count;
	uint32_t chunk_count;
	uint64_t start_ns;
	uint64_t end_ns;
};

struct mcap_metadata {
	struct mcap_text name;
	struct mcap_map map;
};

struct mcap_data_end {
	uint32_t crc; /* 0: not known. */
};

/* ---- numbers ------------------------------------------------------------- */

static inline uint64_t mcap_load(const void *from, size_t bytes)
{
	uint64_t value = 0;

	memcpy(&value, from, bytes);
	return le64toh(value);
}

static inline void mcap_store(void *to, uint64_t value, size_t bytes)
{
	value = htole64(value);
	memcpy(to, &value, bytes);
}

/* ---- texts and maps ------------------------------------------------------ */

static inline struct mcap_text mcap_text(const char *text)
{
	return (struct mcap_text){text, strlen(text)};
}

static inline bool mcap_text_is(struct mcap_text text, const char *other)
{
	return text.bytes == strlen(other) &&
	       (text.bytes == 0 || memcmp(text.data, other, text.bytes) == 0);
}

/* The next pair, *at from 0 on; false at the end, or where the map is broken.
 */
bool mcap_map_next(struct mcap_map map, size_t *at, struct mcap_text *key,
	struct mcap_text *value);

/* The value of a key; data NULL when it is not there. */
struct mcap_text mcap_map_find(struct mcap_map map, const char *key);

/* The CRC-32 of zlib and Ethernet; `crc` is that of what came before, or 0. */
uint32_t mcap_crc(uint32_t crc, const void *data, size_t bytes);

#endif
