/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mcap_read.c - read an MCAP file record by record; see mcap_read.h.
 *
 * All that is read passes `load`, which carries the CRC of the section along;
 * a chunk's records are loaded when they are asked for, so that one that is
 * skipped costs its head alone.
 */
#include "mcap_read.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

/* A chunk's head, with the name of a compression of some length. */
#define CHUNK_HEAD_MAX 256u
#define SKIP_BYTES (64u << 10)
/* A block of zstd is three bytes and one more at least, and unpacks to that
 * much at most.  Source: RFC 8878, sections 3.1.1.2.3 and 3.1.1.2.4. */
#define ZSTD_BLOCK_PACKED_MIN 4u
#define ZSTD_BLOCK_MAX (128u << 10)
#define FOOTER_LENGTH (MCAP_RECORD_HEAD_BYTES + MCAP_FOOTER_BYTES)

const char *mcap_result_text(enum mcap_result result)
{
	switch (result) {
	case MCAP_GOT:
	case MCAP_END:
		return "whole";
	case MCAP_FOREIGN:
		return "not an MCAP file";
	case MCAP_CUT:
		return "not finished: it ends without a footer";
	case MCAP_BROKEN:
		return "a broken record";
	case MCAP_BAD_CRC:
		return "a wrong CRC";
	case MCAP_LARGE:
		return "a record or chunk of more than 256 MiB";
	case MCAP_PACKED:
		return "a compression other than zstd";
	case MCAP_FAILED:
		return "cannot be read";
	case MCAP_MEMORY:
		return "no memory";
	}
	return "broken";
}

/* ---- bytes --------------------------------------------------------------- */

static bool read_file(void *context, uint64_t offset, void *data, size_t bytes)
{
	const int *fd = context;
	char *at = data;

	while (bytes > 0) {
		ssize_t got = pread(*fd, at, bytes, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			/* It became shorter since we asked for its size. */
			errno = got == 0 ? ENODATA : errno;
			return false;
		}
		at += got;
		offset += (uint64_t)got;
		bytes -= (size_t)got;
	}
	return true;
}

bool mcap_source_file(struct mcap_source *source, int *fd)
{
	struct stat about;

	if (fstat(*fd, &about) < 0)
		return false;
	if (!S_ISREG(about.st_mode)) {
		errno = S_ISDIR(about.st_mode) ? EISDIR : ESPIPE;
		return false;
	}
	*source = (struct mcap_source){read_file, fd, (uint64_t)about.st_size};
	return true;
}

static enum mcap_result stick(
	struct mcap_reader *reader, enum mcap_result result)
{
	reader->done = true;
	reader->last = result;
	return result;
}

/* How many bytes there are from `offset` on. */
static uint64_t left_from(const struct mcap_reader *reader, uint64_t offset)
{
	return offset < reader->source.bytes ? reader->source.bytes - offset
					     : 0;
}

/* The caller has seen that they are there. */
static bool load(
	struct mcap_reader *reader, uint64_t offset, void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint64_t known = reader->crc_at - offset;

	if (!reader->source.read(reader->source.context, offset, data, bytes))
		return false;
	if (reader->check && offset <= reader->crc_at && known < bytes) {
		reader->crc = mcap_crc(
			reader->crc, at + known, bytes - (size_t)known);
		reader->crc_at = offset + bytes;
	}
	return true;
}

/* Read for the CRC alone. */
static bool load_over(struct mcap_reader *reader, uint64_t offset, uint64_t end)
{
	uint8_t piece[SKIP_BYTES];

	while (reader->check && offset < end) {
		uint64_t left = end - offset;
		size_t bytes =
			left < sizeof piece ? (size_t)left : sizeof piece;

		if (!load(reader, offset, piece, bytes))
			return false;
		offset += bytes;
	}
	return true;
}

static bool room(uint8_t **data, size_t *capacity, size_t bytes)
{
	uint8_t *more;

	if (*capacity >= bytes && *data)
		return true;
	more = realloc(*data, bytes ? bytes : 1);
	if (!more)
		return false;
	*data = more;
	*capacity = bytes;
	return true;
}

/* ---- opening ------------------------------------------------------------- */

enum mcap_result mcap_reader_open(struct mcap_reader *reader,
	const struct mcap_source *source, bool check)
{
	char magic[MCAP_MAGIC_BYTES];

	*reader = (struct mcap_reader){.source = *source, .check = check};
	if (left_from(reader, 0) < MCAP_MAGIC_BYTES)
		return stick(reader, MCAP_FOREIGN);
	if (!load(reader, 0, magic, sizeof magic))
		return stick(reader, MCAP_FAILED);
	if (memcmp(magic, MCAP_MAGIC, sizeof magic) != 0)
		return stick(reader, MCAP_FOREIGN);
	reader->offset = MCAP_MAGIC_BYTES;
	return MCAP_GOT;
}

void mcap_reader_close(struct mcap_reader *reader)
{
	free(reader->body);
	free(reader->unpacked);
	ZSTD_freeDCtx(reader->zstd);
	*reader = (struct mcap_reader){.done = true, .last = MCAP_FAILED};
}

bool mcap_reader_done(const struct mcap_reader *reader)
{
	return reader->done;
}

/* ---- records of a chunk -------------------------------------------------- */

static enum mcap_result unpack(struct mcap_reader *reader)
{
	struct mcap_chunk *chunk = &reader->chunk;
	unsigned long long known;
	size_t bytes = (size_t)chunk->unpacked_bytes;
	size_t packed = (size_t)chunk->packed_bytes;

	if (chunk->compression.bytes == 0) {
		reader->records = reader->body;
		return packed == bytes ? MCAP_GOT : MCAP_BROKEN;
	}
	known = ZSTD_getFrameContentSize(reader->body, packed);
	if (bytes / ZSTD_BLOCK_MAX > packed / ZSTD_BLOCK_PACKED_MIN)
		return MCAP_BROKEN;
	if (known == ZSTD_CONTENTSIZE_ERROR ||
		(known != ZSTD_CONTENTSIZE_UNKNOWN && known > bytes))
		return MCAP_BROKEN;
	if (!reader->zstd)
		reader->zstd = ZSTD_createDCtx();
	if (!reader->zstd ||
		!room(&reader->unpacked, &reader->unpacked_capacity, bytes))
		return MCAP_MEMORY;
	if (ZSTD_decompressDCtx(reader->zstd, reader->unpacked, bytes,
		    reader->body, packed) != bytes)
		return MCAP_BROKEN;
	reader->records = reader->unpacked;
	return MCAP_GOT;
}

/* Load the chunk whose head was given. */
static enum mcap_result open_chunk(struct mcap_reader *reader)
{
	struct mcap_chunk *chunk = &reader->chunk;
	enum mcap_result result;

	reader->chunk_waits = false;
	if (!room(&reader->body, &reader->body_capacity,
		    (size_t)chunk->packed_bytes))
		return stick(reader, MCAP_MEMORY);
	if (!load(reader, reader->packed_at, reader->body,
		    (size_t)chunk->packed_bytes) ||
		!load_over(reader, reader->packed_at + chunk->packed_bytes,
			reader->offset))
		return stick(reader, MCAP_FAILED);
	result = unpack(reader);
	if (result != MCAP_GOT)
		return result;
	if (chunk->unpacked_crc != 0 &&
		mcap_crc(0, reader->records, (size_t)chunk->unpacked_bytes) !=
			chunk->unpacked_crc)
		return MCAP_BAD_CRC;
	reader->records_at = 0;
	reader->records_bytes = (size_t)chunk->unpacked_bytes;
	return MCAP_GOT;
}

/* MCAP_END: no more of them. */
static enum mcap_result next_of_chunk(
	struct mcap_reader *reader, struct mcap_record *record)
{
	while (reader->records_at < reader->records_bytes) {
		const uint8_t *at = reader->records + reader->records_at;
		size_t left = reader->records_bytes - reader->records_at;
		uint64_t length;

		if (left < MCAP_RECORD_HEAD_BYTES)
			break;
		length = mcap_load(at + 1, 8);
		if (length > left - MCAP_RECORD_HEAD_BYTES || *at == 0)
			break;
		reader->records_at += MCAP_RECORD_HEAD_BYTES + (size_t)length;
		if (*at != MCAP_SCHEMA && *at != MCAP_CHANNEL &&
			*at != MCAP_MESSAGE)
			continue; /* Of a newer version. */
		record->opcode = *at;
		record->in_summary = false;
		record->offset = reader->chunk_offset;
		record->length = MCAP_RECORD_HEAD_BYTES + length;
		if (mcap_parse(record, at + MCAP_RECORD_HEAD_BYTES,
			    (size_t)length))
			return MCAP_GOT;
		break;
	}
	if (reader->records_at == reader->records_bytes) {
		reader->records_bytes = reader->records_at = 0;
		return MCAP_END;
	}
	/* Nothing behind it can be trusted. */
	reader->records_bytes = reader->records_at = 0;
	return MCAP_BROKEN;
}

/* ---- records of the file ------------------------------------------------- */

/* Its head, so that the caller can decide; what of it is out of bounds is
 * refused here. */
static enum mcap_result begin_chunk(
	struct mcap_reader *reader, struct mcap_record *record, uint64_t length)
{
	uint8_t head[CHUNK_HEAD_MAX];
	size_t bytes = length < sizeof head ? (size_t)length : sizeof head;
	uint64_t at = record->offset + MCAP_RECORD_HEAD_BYTES;
	struct mcap_chunk *chunk = &reader->chunk;
	bool zstd;

	if (!load(reader, at, head, bytes))
		return stick(reader, MCAP_FAILED);
	if (!mcap_parse_chunk(chunk, head, bytes, &bytes) ||
		chunk->packed_bytes > length - bytes)
		return MCAP_BROKEN;
	zstd = mcap_text_is(chunk->compression, "zstd");
	if (!zstd && chunk->compression.bytes > 0)
		return MCAP_PACKED;
	if (chunk->packed_bytes > MCAP_RECORD_BYTES_MAX ||
		chunk->unpacked_bytes > MCAP_RECORD_BYTES_MAX)
		return MCAP_LARGE;
	/* `head` goes out of scope. */
	chunk->compression = mcap_text(zstd ? "zstd" : "");
	reader->chunk_offset = record->offset;
	reader->chunk_length = record->length;
	reader->packed_at = at + bytes;
	reader->chunk_waits = true;
	record->chunk = *chunk;
	return MCAP_GOT;
}

/* The data section ends here, if its CRC is right. */
static enum mcap_result end_data(
	struct mcap_reader *reader, struct mcap_record *record, uint32_t crc)
{
	if (reader->in_summary)
		return MCAP_BROKEN;
	reader->in_summary = true;
	reader->summary_at = reader->offset;
	reader->crc = 0;
	reader->crc_at = reader->offset;
	if (reader->check && record->data_end.crc != 0 &&
		record->data_end.crc != crc)
		return MCAP_BAD_CRC;
	return MCAP_GOT;
}

/* Behind it there is the magic once more, and nothing else. */
static enum mcap_result end_file(
	struct mcap_reader *reader, struct mcap_record *record, uint32_t crc)
{
	uint64_t start = record->footer.summary_start;
	char magic[MCAP_MAGIC_BYTES];

	stick(reader, MCAP_BROKEN);
	if (left_from(reader, reader->offset) < sizeof magic)
		return stick(reader, MCAP_CUT);
	if (!load(reader, reader->offset, magic, sizeof magic))
		return stick(reader, MCAP_FAILED);
	if (memcmp(magic, MCAP_MAGIC, sizeof magic) != 0 ||
		left_from(reader, reader->offset) > sizeof magic)
		return MCAP_BROKEN;
	if (!reader->in_summary || (start != 0 && start != reader->summary_at))
		return MCAP_BROKEN;
	reader->offset += sizeof magic;
	if (reader->check && record->footer.summary_crc != 0 &&
		record->footer.summary_crc != crc)
		return stick(reader, MCAP_BAD_CRC);
	stick(reader, MCAP_END);
	return MCAP_GOT;
}

/* A record of moderate size, read whole. */
static enum mcap_result read_record(
	struct mcap_reader *reader, struct mcap_record *record, uint64_t length)
{
	uint64_t at = record->offset + MCAP_RECORD_HEAD_BYTES;
	size_t bytes = (size_t)length, first = bytes;
	uint32_t crc = 0;

	if (length > MCAP_RECORD_BYTES_MAX)
		return load_over(reader, at, at + length)
			       ? MCAP_LARGE
			       : stick(reader, MCAP_FAILED);
	if (!room(&reader->body, &reader->body_capacity, bytes))
		return stick(reader, MCAP_MEMORY);
	if (record->opcode == MCAP_FOOTER && bytes == MCAP_FOOTER_BYTES)
		first -= 4; /* Its CRC ends before itself. */
	if (!load(reader, at, reader->body, first))
		return stick(reader, MCAP_FAILED);
	if (first < bytes) {
		crc = reader->crc;
		if (!load(reader, at + first, reader->body + first,
			    bytes - first))
			return stick(reader, MCAP_FAILED);
	}
	if (!mcap_parse(record, reader->body, bytes))
		return MCAP_BROKEN;
	if (record->opcode == MCAP_FOOTER)
		return end_file(reader, record, crc);
	return MCAP_GOT;
}

static bool of_interest(uint8_t opcode)
{
	switch (opcode) {
	case MCAP_HEADER:
	case MCAP_FOOTER:
	case MCAP_SCHEMA:
	case MCAP_CHANNEL:
	case MCAP_MESSAGE:
	case MCAP_CHUNK:
	case MCAP_MESSAGE_INDEX:
	case MCAP_CHUNK_INDEX:
	case MCAP_STATISTICS:
	case MCAP_METADATA:
	case MCAP_DATA_END:
		return true;
	default:
		return false;
	}
}

/* What cannot stand here, so that nothing behind it can be trusted. */
static bool misplaced(const struct mcap_reader *reader, uint8_t opcode)
{
	if (reader->offset == MCAP_MAGIC_BYTES)
		return opcode != MCAP_HEADER;
	if (reader->in_summary &&
		(opcode == MCAP_CHUNK || opcode == MCAP_MESSAGE))
		return true;
	return opcode == 0 || opcode == MCAP_HEADER;
}

/* MCAP_END: nothing of interest, go on. */
static enum mcap_result next_of_file(
	struct mcap_reader *reader, struct mcap_record *record)
{
	uint8_t head[MCAP_RECORD_HEAD_BYTES];
	uint32_t crc = reader->crc;
	uint64_t length, at = reader->offset;

	if (left_from(reader, at) < sizeof head)
		return stick(reader, MCAP_CUT);
	if (!load(reader, at, head, sizeof head))
		return stick(reader, MCAP_FAILED);
	length = mcap_load(head + 1, 8);
	if (length > left_from(reader, at) - sizeof head)
		return stick(reader, MCAP_CUT);
	if (misplaced(reader, head[0]))
		return stick(reader, MCAP_BROKEN);
	reader->offset = at + sizeof head + length;
	record->opcode = head[0];
	record->in_summary = reader->in_summary;
	record->offset = at;
	record->length = sizeof head + length;
	if (!of_interest(head[0]))
		return load_over(reader, at + sizeof head, reader->offset)
			       ? MCAP_END
			       : stick(reader, MCAP_FAILED);
	if (head[0] == MCAP_CHUNK) {
		enum mcap_result result = begin_chunk(reader, record, length);

		/* For the CRC of the section. */
		if (result < 0 && !reader->done &&
			!load_over(reader, reader->crc_at, reader->offset))
			return stick(reader, MCAP_FAILED);
		return result;
	}
	if (head[0] == MCAP_DATA_END) {
		enum mcap_result result = read_record(reader, record, length);

		return result == MCAP_GOT ? end_data(reader, record, crc)
					  : result;
	}
	return read_record(reader, record, length);
}

void mcap_reader_skip(struct mcap_reader *reader)
{
	bool waits = reader->chunk_waits;

	reader->chunk_waits = false;
	reader->records_at = reader->records_bytes = 0;
	if (waits && !load_over(reader, reader->packed_at, reader->offset))
		stick(reader, MCAP_FAILED);
}

enum mcap_result mcap_reader_seek_summary(struct mcap_reader *reader)
{
	uint8_t end[FOOTER_LENGTH + MCAP_MAGIC_BYTES];
	struct mcap_record record = {.opcode = MCAP_FOOTER};
	uint64_t at, start;

	if (left_from(reader, MCAP_MAGIC_BYTES) < sizeof end)
		return MCAP_CUT;
	at = reader->source.bytes - sizeof end;
	if (!load(reader, at, end, sizeof end))
		return stick(reader, MCAP_FAILED);
	if (memcmp(end + FOOTER_LENGTH, MCAP_MAGIC, MCAP_MAGIC_BYTES) != 0)
		return MCAP_CUT;
	if (end[0] != MCAP_FOOTER ||
		mcap_load(end + 1, 8) != MCAP_FOOTER_BYTES ||
		!mcap_parse(&record, end + MCAP_RECORD_HEAD_BYTES,
			MCAP_FOOTER_BYTES))
		return MCAP_BROKEN;
	start = record.footer.summary_start;
	if (start == 0)
		return MCAP_END;
	if (start <= MCAP_MAGIC_BYTES || start > at)
		return MCAP_BROKEN;
	reader->chunk_waits = reader->done = false;
	reader->records_at = reader->records_bytes = 0;
	reader->check = reader->in_summary = true;
	reader->offset = reader->summary_at = reader->crc_at = start;
	reader->crc = 0;
	return MCAP_GOT;
}

enum mcap_result mcap_reader_next(
	struct mcap_reader *reader, struct mcap_record *record)
{
	enum mcap_result result = MCAP_END;

	if (reader->chunk_waits) {
		result = open_chunk(reader);
		if (result != MCAP_GOT)
			return result;
	}
	for (;;) {
		result = next_of_chunk(reader, record);
		if (result != MCAP_END)
			return result;
		if (reader->done)
			return reader->last;
		result = next_of_file(reader, record);
		if (result != MCAP_END)
			return result;
	}
}
