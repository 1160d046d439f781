/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mcap_write.h - write an MCAP file from front to end, to any descriptor.
 *
 *     open ─> { channel, message…, flush }… ─> finish ─> close
 *
 * Messages gather in a chunk, which is written when it has grown to
 * `chunk_bytes` or with a flush; schemas, channels and metadata are written at
 * once, in front of it.  What was flushed is whole: a reader that finds no
 * summary reads all chunks up to there.  Nothing is written twice and nothing
 * sought, so a pipe will do.
 *
 * The index kept for the summary grows with the file, by some 70 bytes a
 * chunk: `index_bytes` says how far it is, and its owner begins another file
 * in time.  Every function returns 0 or an errno, negated; the first failure
 * sticks.
 */
#ifndef TOOL_MCAP_WRITE_H
#define TOOL_MCAP_WRITE_H

#include "mcap.h"

/* Bytes that grow. */
struct mcap_bytes {
	uint8_t *data;
	size_t bytes;
	size_t capacity;
	bool failed; /* No memory: what was put since is missing. */
};

enum mcap_compression {
	MCAP_COMPRESSION_NONE,
	MCAP_COMPRESSION_ZSTD,
};

struct mcap_write_options {
	enum mcap_compression compression;
	size_t chunk_bytes; /* Unpacked; a larger message makes a larger one. */
	struct mcap_text library;
};

struct mcap_written_channel; /* Private. */

struct mcap_writer {
	int fd;
	int error; /* The first, negated; 0: none. */
	struct mcap_write_options options;
	uint64_t offset;  /* Bytes written. */
	uint64_t flushed; /* Of these, up to the end of the last record. */
	uint32_t data_crc;
	struct mcap_statistics statistics;

	/* The chunk in hand. */
	struct mcap_bytes chunk;
	uint64_t chunk_messages;
	uint64_t start_ns, end_ns;
	uint16_t *touched; /* Channels with messages in it. */
	size_t touched_count;

	struct mcap_written_channel *channels; /* By id - 1. */
	size_t channel_capacity;
	struct mcap_bytes packed, behind; /* Scratch. */
	struct mcap_bytes schemas, channel_copies, chunk_indexes,
		metadata_indexes;
	void *zstd;
};

/* Begin a file: the magic and the header.  The descriptor stays the
 * caller's. */
int mcap_writer_open(struct mcap_writer *writer, int fd,
	const struct mcap_write_options *options);

/* Ids count from 1; 65535 of each are the most (-ENOSPC). */
int mcap_write_schema(struct mcap_writer *writer,
	const struct mcap_schema *schema, uint16_t *id);
int mcap_write_channel(struct mcap_writer *writer,
	const struct mcap_channel *channel, uint16_t *id);

int mcap_write_message(
	struct mcap_writer *writer, const struct mcap_message *message);

/* Pairs as they are in `map`; see mcap_put_pair. */
int mcap_write_metadata(
	struct mcap_writer *writer, struct mcap_text name, struct mcap_map map);

/* Write the chunk in hand, if it holds anything. */
int mcap_writer_flush(struct mcap_writer *writer);

/* What the summary takes by now. */
size_t mcap_writer_index_bytes(const struct mcap_writer *writer);

/* Flush, and write all that closes the file. */
int mcap_writer_finish(struct mcap_writer *writer);

/* Free the memory; a file that was not finished stays as it is. */
void mcap_writer_close(struct mcap_writer *writer);

/* ---- bytes that grow ----------------------------------------------------- */

void mcap_put(struct mcap_bytes *bytes, const void *data, size_t count);
void mcap_put_number(struct mcap_bytes *bytes, uint64_t value, unsigned count);
void mcap_put_text(struct mcap_bytes *bytes, struct mcap_text text);
/* A pair of a map. */
void mcap_put_pair(
	struct mcap_bytes *bytes, const char *key, struct mcap_text value);
void mcap_bytes_free(struct mcap_bytes *bytes);

#endif
