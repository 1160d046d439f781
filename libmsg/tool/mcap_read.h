/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mcap_read.h - read an MCAP file that anybody may have written.
 *
 * The file is hostile: every length is held against what is there and against
 * MCAP_RECORD_BYTES_MAX before a byte of memory is asked for, a chunk unpacks
 * to what it says or is refused, and what a record says was looked at once and
 * copied.  A file without an end is read by its chunks as far as it goes:
 * MCAP_CUT is where it ends.
 *
 *     next ─> header
 *     next ─> schema, channel, metadata, …
 *     next ─> chunk      (skip it, or)
 *     next ─>   its messages
 *     next ─> data end, the records of the summary, footer
 *     next ─> MCAP_END
 *
 * Tests: tests/unit/tool/test_mcap.c, tests/fuzz/fuzz_mcap.c.
 */
#ifndef TOOL_MCAP_READ_H
#define TOOL_MCAP_READ_H

#include "mcap.h"

enum mcap_result {
	MCAP_GOT = 1,
	MCAP_END = 0,      /* Behind a footer: the file is whole. */
	MCAP_FOREIGN = -1, /* It does not begin as an MCAP file does. */
	MCAP_CUT = -2,     /* It ends here, in a record or without a footer. */
	MCAP_BROKEN = -3,  /* A record that cannot be right. */
	MCAP_BAD_CRC = -4, /* What it holds is not what was written. */
	MCAP_LARGE = -5,   /* Above MCAP_RECORD_BYTES_MAX. */
	MCAP_PACKED = -6,  /* Compressed in a way we do not know. */
	MCAP_FAILED = -7,  /* Reading failed; errno says why. */
	MCAP_MEMORY = -8,
};

/* Some words, as "not an MCAP file". */
const char *mcap_result_text(enum mcap_result result);

/* Where bytes come from: all of `bytes` at `offset`, or false with errno. */
struct mcap_source {
	bool (*read)(void *context, uint64_t offset, void *data, size_t bytes);
	void *context;
	uint64_t bytes; /* In all; the rest is not looked at. */
};

/* Of a regular file, as large as it is now; the descriptor stays the
 * caller's, and `fd` where it is. */
bool mcap_source_file(struct mcap_source *source, int *fd);

struct mcap_record {
	enum mcap_opcode opcode;
	bool in_summary;
	uint64_t offset; /* Of the record, or of the chunk it is in. */
	uint64_t length; /* Of the record, its head included. */
	union {
		struct mcap_header header;
		struct mcap_footer footer;
		struct mcap_schema schema;
		struct mcap_channel channel;
		struct mcap_message message;
		struct mcap_chunk chunk;
		struct mcap_message_index message_index;
		struct mcap_chunk_index chunk_index;
		struct mcap_statistics statistics;
		struct mcap_metadata metadata;
		struct mcap_data_end data_end;
	};
};

struct mcap_reader {
	struct mcap_source source;
	bool check; /* Read every byte, and hold it against the CRCs. */
	uint64_t offset;

	/* Private. */
	bool done; /* Every further call says `last`. */
	enum mcap_result last;
	bool in_summary;
	uint64_t summary_at; /* Where the data section ended; 0: not yet. */
	uint32_t crc;        /* Of all from the section's start to crc_at. */
	uint64_t crc_at;
	uint8_t *body; /* The record in hand. */
	size_t body_capacity;
	struct mcap_chunk chunk; /* The one whose head was read. */
	bool chunk_waits;        /* Its records were not. */
	uint64_t chunk_offset;
	uint64_t chunk_length;
	uint64_t packed_at; /* Its records in the file. */
	uint8_t *unpacked;
	size_t unpacked_capacity;
	const uint8_t *records; /* Its records in memory. */
	size_t records_at, records_bytes;
	void *zstd;
};

/* From the start, or why not. */
enum mcap_result mcap_reader_open(struct mcap_reader *reader,
	const struct mcap_source *source, bool check);
void mcap_reader_close(struct mcap_reader *reader);

/* The next record that means something to us; what it points to is valid until
 * the next call.  MCAP_GOT; MCAP_END; below 0 what is wrong at `offset`.  After
 * BROKEN, BAD_CRC, LARGE and PACKED of a chunk or record it goes on with the
 * one behind, when asked again; otherwise the answer stays. */
enum mcap_result mcap_reader_next(
	struct mcap_reader *reader, struct mcap_record *record);

/* Pass over the records of the chunk that was just given. */
void mcap_reader_skip(struct mcap_reader *reader);

/* Go on in the summary, if the file has one: MCAP_GOT; MCAP_END: it has none;
 * below 0: the file's end is not that of an MCAP file. */
enum mcap_result mcap_reader_seek_summary(struct mcap_reader *reader);

/* Whether no record can follow what the last call said. */
bool mcap_reader_done(const struct mcap_reader *reader);

/* ---- mcap_parse.c -------------------------------------------------------- */

/* What a record's content says; false when it cannot be right.  Footer and
 * message point into `body`, as texts do. */
bool mcap_parse(struct mcap_record *record, const uint8_t *body, size_t bytes);

/* The head of a chunk, and how long it is.  `bytes` may be less than all. */
bool mcap_parse_chunk(struct mcap_chunk *chunk, const uint8_t *body,
	size_t bytes, size_t *head_bytes);

#endif
