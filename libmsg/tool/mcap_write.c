/* SPDX-License-Identifier: BSD-2-Clause */
/* mcap_write.c - write an MCAP file; see mcap_write.h. */
#include "mcap_write.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zstd.h>

/* The fastest that is still worth its while: a recorder has to keep up. */
#define ZSTD_LEVEL 1
#define ID_MAX 65535u
/* Of a message, in front of its payload. */
#define HEADS_BYTES (MCAP_RECORD_HEAD_BYTES + MCAP_MESSAGE_HEAD_BYTES)

struct mcap_written_channel {
	struct mcap_bytes index; /* Times and places in the chunk in hand. */
	uint64_t messages;
	uint64_t index_offset; /* Of its last message index, while written. */
};

/* ---- bytes that grow ----------------------------------------------------- */

static uint8_t *grow(struct mcap_bytes *bytes, size_t count)
{
	size_t capacity = bytes->capacity ? bytes->capacity : 256;
	uint8_t *data = bytes->data;

	if (bytes->failed || count > SIZE_MAX / 4 - bytes->bytes)
		goto failed;
	while (capacity < bytes->bytes + count)
		capacity *= 2;
	if (capacity > bytes->capacity)
		data = realloc(data, capacity);
	if (!data)
		goto failed;
	bytes->data = data;
	bytes->capacity = capacity;
	bytes->bytes += count;
	return data + bytes->bytes - count;
failed:
	bytes->failed = true;
	return NULL;
}

void mcap_put(struct mcap_bytes *bytes, const void *data, size_t count)
{
	uint8_t *room = grow(bytes, count);

	if (room && count > 0)
		memcpy(room, data, count);
}

void mcap_put_number(struct mcap_bytes *bytes, uint64_t value, unsigned count)
{
	uint8_t *room = grow(bytes, count);

	if (room)
		mcap_store(room, value, count);
}

void mcap_put_text(struct mcap_bytes *bytes, struct mcap_text text)
{
	mcap_put_number(bytes, text.bytes, 4);
	mcap_put(bytes, text.data, text.bytes);
}

void mcap_put_pair(
	struct mcap_bytes *bytes, const char *key, struct mcap_text value)
{
	mcap_put_text(bytes, mcap_text(key));
	mcap_put_text(bytes, value);
}

void mcap_bytes_free(struct mcap_bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct mcap_bytes){0};
}

/* A record is begun with its length open, and ended with it known. */
static size_t begin_record(struct mcap_bytes *bytes, enum mcap_opcode opcode)
{
	size_t begin = bytes->bytes;

	mcap_put_number(bytes, opcode, 1);
	mcap_put_number(bytes, 0, 8);
	return begin;
}

static void end_record(struct mcap_bytes *bytes, size_t begin)
{
	if (!bytes->failed)
		mcap_store(bytes->data + begin + 1,
			bytes->bytes - begin - MCAP_RECORD_HEAD_BYTES, 8);
}

/* ---- writing ------------------------------------------------------------- */

static int fail(struct mcap_writer *writer, int error)
{
	if (writer->error == 0)
		writer->error = error;
	return writer->error;
}

static int write_pieces(
	struct mcap_writer *writer, struct iovec *pieces, int count)
{
	for (int i = 0; i < count;) {
		ssize_t wrote = writev(writer->fd, pieces + i, count - i);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return fail(writer, -errno);
		writer->offset += (uint64_t)wrote;
		while (i < count && (size_t)wrote >= pieces[i].iov_len)
			wrote -= (ssize_t)pieces[i++].iov_len;
		if (i == count)
			break;
		pieces[i].iov_base = (char *)pieces[i].iov_base + wrote;
		pieces[i].iov_len -= (size_t)wrote;
	}
	writer->flushed = writer->offset;
	return 0;
}

/* Some buffers, one after the other; each belongs to the data section. */
static int write_data(struct mcap_writer *writer,
	const struct mcap_bytes *const *buffers, int count)
{
	struct iovec pieces[3];

	if (writer->error)
		return writer->error;
	for (int i = 0; i < count; i++) {
		if (buffers[i]->failed)
			return fail(writer, -ENOMEM);
		pieces[i].iov_base = buffers[i]->data;
		pieces[i].iov_len = buffers[i]->bytes;
		writer->data_crc = mcap_crc(
			writer->data_crc, buffers[i]->data, buffers[i]->bytes);
	}
	return write_pieces(writer, pieces, count);
}

static int write_one(struct mcap_writer *writer, const struct mcap_bytes *bytes)
{
	return write_data(writer, &bytes, 1);
}

int mcap_writer_open(struct mcap_writer *writer, int fd,
	const struct mcap_write_options *options)
{
	struct mcap_bytes *bytes;
	size_t begin;

	*writer = (struct mcap_writer){.fd = fd, .options = *options};
	if (options->compression == MCAP_COMPRESSION_ZSTD) {
		writer->zstd = ZSTD_createCCtx();
		if (!writer->zstd)
			return fail(writer, -ENOMEM);
	}
	bytes = &writer->behind;
	mcap_put(bytes, MCAP_MAGIC, MCAP_MAGIC_BYTES);
	begin = begin_record(bytes, MCAP_HEADER);
	mcap_put_text(bytes, mcap_text(""));
	mcap_put_text(bytes, options->library);
	end_record(bytes, begin);
	return write_one(writer, bytes);
}

/* ---- schemas, channels, metadata ----------------------------------------- */

int mcap_write_schema(struct mcap_writer *writer,
	const struct mcap_schema *schema, uint16_t *id)
{
	struct mcap_bytes *bytes = &writer->behind;
	size_t begin;

	if (writer->statistics.schema_count == ID_MAX)
		return -ENOSPC;
	bytes->bytes = 0;
	begin = begin_record(bytes, MCAP_SCHEMA);
	mcap_put_number(bytes, writer->statistics.schema_count + 1u, 2);
	mcap_put_text(bytes, schema->name);
	mcap_put_text(bytes, schema->encoding);
	mcap_put_text(bytes, schema->data);
	end_record(bytes, begin);
	if (write_one(writer, bytes) < 0)
		return writer->error;
	mcap_put(&writer->schemas, bytes->data, bytes->bytes);
	*id = ++writer->statistics.schema_count;
	return 0;
}

/* Room for one more; their number doubles. */
static int room_for_channel(struct mcap_writer *writer)
{
	size_t count = writer->channel_capacity;
	struct mcap_written_channel *channels;
	uint16_t *touched;

	if (writer->statistics.channel_count < count)
		return 0;
	count = count ? 2 * count : 64;
	channels = realloc(writer->channels, count * sizeof *channels);
	if (!channels)
		return fail(writer, -ENOMEM);
	writer->channels = channels;
	touched = realloc(writer->touched, count * sizeof *touched);
	if (!touched)
		return fail(writer, -ENOMEM);
	writer->touched = touched;
	memset(channels + writer->channel_capacity, 0,
		(count - writer->channel_capacity) * sizeof *channels);
	writer->channel_capacity = count;
	return 0;
}

int mcap_write_channel(struct mcap_writer *writer,
	const struct mcap_channel *channel, uint16_t *id)
{
	struct mcap_bytes *bytes = &writer->behind;
	size_t begin;

	if (writer->statistics.channel_count == ID_MAX)
		return -ENOSPC;
	if (room_for_channel(writer) < 0)
		return writer->error;
	bytes->bytes = 0;
	begin = begin_record(bytes, MCAP_CHANNEL);
	mcap_put_number(bytes, writer->statistics.channel_count + 1u, 2);
	mcap_put_number(bytes, channel->schema_id, 2);
	mcap_put_text(bytes, channel->topic);
	mcap_put_text(bytes, channel->encoding);
	mcap_put_text(bytes, channel->metadata.pairs);
	end_record(bytes, begin);
	if (write_one(writer, bytes) < 0)
		return writer->error;
	mcap_put(&writer->channel_copies, bytes->data, bytes->bytes);
	*id = (uint16_t)++writer->statistics.channel_count;
	return 0;
}

int mcap_write_metadata(
	struct mcap_writer *writer, struct mcap_text name, struct mcap_map map)
{
	struct mcap_bytes *bytes = &writer->behind;
	struct mcap_bytes *index = &writer->metadata_indexes;
	uint64_t at = writer->offset;
	size_t begin;

	bytes->bytes = 0;
	begin = begin_record(bytes, MCAP_METADATA);
	mcap_put_text(bytes, name);
	mcap_put_text(bytes, map.pairs);
	end_record(bytes, begin);
	if (write_one(writer, bytes) < 0)
		return writer->error;
	begin = begin_record(index, MCAP_METADATA_INDEX);
	mcap_put_number(index, at, 8);
	mcap_put_number(index, bytes->bytes, 8);
	mcap_put_text(index, name);
	end_record(index, begin);
	writer->statistics.metadata_count++;
	return 0;
}

/* ---- messages and chunks ------------------------------------------------- */

static void note_time(uint64_t count, uint64_t first, uint64_t last,
	uint64_t *start, uint64_t *end)
{
	if (count == 0 || first < *start)
		*start = first;
	if (count == 0 || last > *end)
		*end = last;
}

int mcap_write_message(
	struct mcap_writer *writer, const struct mcap_message *message)
{
	struct mcap_bytes *chunk = &writer->chunk;
	struct mcap_written_channel *channel;
	uint8_t *index, *at;
	uint64_t begin;

	if (writer->error)
		return writer->error;
	if (message->channel_id == 0 ||
		message->channel_id > writer->statistics.channel_count)
		return -EINVAL;
	if (chunk->bytes > 0 &&
		chunk->bytes + message->bytes + MCAP_RECORD_HEAD_BYTES +
				MCAP_MESSAGE_HEAD_BYTES >
			writer->options.chunk_bytes &&
		mcap_writer_flush(writer) < 0)
		return writer->error;

	begin = chunk->bytes;
	channel = &writer->channels[message->channel_id - 1];
	if (channel->index.bytes == 0)
		writer->touched[writer->touched_count++] = message->channel_id;
	index = grow(&channel->index, 16);
	at = grow(chunk, HEADS_BYTES + message->bytes);
	if (!index || !at)
		return fail(writer, -ENOMEM);
	mcap_store(index, message->log_ns, 8);
	mcap_store(index + 8, begin, 8);
	*at = MCAP_MESSAGE;
	mcap_store(at + 1, MCAP_MESSAGE_HEAD_BYTES + message->bytes, 8);
	mcap_store(at + 9, message->channel_id, 2);
	mcap_store(at + 11, message->sequence, 4);
	mcap_store(at + 15, message->log_ns, 8);
	mcap_store(at + 23, message->publish_ns, 8);
	if (message->bytes > 0)
		memcpy(at + HEADS_BYTES, message->data, message->bytes);
	note_time(writer->chunk_messages++, message->log_ns, message->log_ns,
		&writer->start_ns, &writer->end_ns);
	channel->messages++;
	return 0;
}

/* Into `packed`, behind the head of a chunk; then the head is complete. */
static int pack_chunk(struct mcap_writer *writer)
{
	bool zstd = writer->options.compression == MCAP_COMPRESSION_ZSTD;
	const struct mcap_bytes *chunk = &writer->chunk;
	struct mcap_bytes *packed = &writer->packed;
	size_t begin, length, room, took = chunk->bytes;
	uint8_t *at;

	packed->bytes = 0;
	begin = begin_record(packed, MCAP_CHUNK);
	mcap_put_number(packed, writer->start_ns, 8);
	mcap_put_number(packed, writer->end_ns, 8);
	mcap_put_number(packed, chunk->bytes, 8);
	mcap_put_number(packed, mcap_crc(0, chunk->data, chunk->bytes), 4);
	mcap_put_text(packed, mcap_text(zstd ? "zstd" : ""));
	length = packed->bytes;
	mcap_put_number(packed, 0, 8);
	room = zstd ? ZSTD_compressBound(chunk->bytes) : chunk->bytes;
	at = grow(packed, room);
	if (!at)
		return fail(writer, -ENOMEM);
	if (zstd) {
		took = ZSTD_compressCCtx(writer->zstd, at, room, chunk->data,
			chunk->bytes, ZSTD_LEVEL);
		if (ZSTD_isError(took))
			return fail(writer, -ENOMEM);
	} else {
		memcpy(at, chunk->data, chunk->bytes);
	}
	packed->bytes -= room - took;
	mcap_store(packed->data + length, took, 8);
	end_record(packed, begin);
	return 0;
}

/* The message indexes that follow a chunk, into `behind`. */
static void index_messages(struct mcap_writer *writer, uint64_t at)
{
	struct mcap_bytes *bytes = &writer->behind;

	bytes->bytes = 0;
	for (size_t i = 0; i < writer->touched_count; i++) {
		struct mcap_written_channel *channel =
			&writer->channels[writer->touched[i] - 1];
		size_t begin;

		channel->index_offset = at + bytes->bytes;
		begin = begin_record(bytes, MCAP_MESSAGE_INDEX);
		mcap_put_number(bytes, writer->touched[i], 2);
		mcap_put_number(bytes, channel->index.bytes, 4);
		mcap_put(bytes, channel->index.data, channel->index.bytes);
		end_record(bytes, begin);
		channel->index.bytes = 0;
	}
}

/* For the summary. */
static void index_chunk(
	struct mcap_writer *writer, uint64_t at, size_t packed_head)
{
	struct mcap_bytes *bytes = &writer->chunk_indexes;
	size_t begin = begin_record(bytes, MCAP_CHUNK_INDEX);

	mcap_put_number(bytes, writer->start_ns, 8);
	mcap_put_number(bytes, writer->end_ns, 8);
	mcap_put_number(bytes, at, 8);
	mcap_put_number(bytes, writer->packed.bytes, 8);
	mcap_put_number(bytes, 10 * writer->touched_count, 4);
	for (size_t i = 0; i < writer->touched_count; i++) {
		uint16_t id = writer->touched[i];

		mcap_put_number(bytes, id, 2);
		mcap_put_number(
			bytes, writer->channels[id - 1].index_offset, 8);
	}
	mcap_put_number(bytes, writer->behind.bytes, 8);
	mcap_put_text(bytes,
		mcap_text(writer->options.compression == MCAP_COMPRESSION_ZSTD
				  ? "zstd"
				  : ""));
	mcap_put_number(bytes, writer->packed.bytes - packed_head, 8);
	mcap_put_number(bytes, writer->chunk.bytes, 8);
	end_record(bytes, begin);
}

int mcap_writer_flush(struct mcap_writer *writer)
{
	const struct mcap_bytes *const pieces[] = {
		&writer->packed, &writer->behind};
	struct mcap_statistics *all = &writer->statistics;
	uint64_t at = writer->offset;
	size_t head = MCAP_RECORD_HEAD_BYTES + 8 + 8 + 8 + 4 + 4 + 8;

	if (writer->error || writer->chunk.bytes == 0)
		return writer->error;
	if (writer->options.compression == MCAP_COMPRESSION_ZSTD)
		head += 4; /* Its name. */
	if (pack_chunk(writer) < 0)
		return writer->error;
	index_messages(writer, at + writer->packed.bytes);
	if (write_data(writer, pieces, 2) < 0)
		return writer->error;
	index_chunk(writer, at, head);
	note_time(all->message_count, writer->start_ns, writer->end_ns,
		&all->start_ns, &all->end_ns);
	all->message_count += writer->chunk_messages;
	all->chunk_count++;
	writer->chunk.bytes = 0;
	writer->chunk_messages = 0;
	writer->touched_count = 0;
	return 0;
}

/* ---- the end ------------------------------------------------------------- */

size_t mcap_writer_index_bytes(const struct mcap_writer *writer)
{
	return writer->schemas.bytes + writer->channel_copies.bytes +
	       writer->chunk_indexes.bytes + writer->metadata_indexes.bytes;
}

static void put_statistics(
	const struct mcap_writer *writer, struct mcap_bytes *bytes)
{
	const struct mcap_statistics *all = &writer->statistics;
	size_t begin = begin_record(bytes, MCAP_STATISTICS);

	mcap_put_number(bytes, all->message_count, 8);
	mcap_put_number(bytes, all->schema_count, 2);
	mcap_put_number(bytes, all->channel_count, 4);
	mcap_put_number(bytes, all->attachment_count, 4);
	mcap_put_number(bytes, all->metadata_count, 4);
	mcap_put_number(bytes, all->chunk_count, 4);
	mcap_put_number(bytes, all->start_ns, 8);
	mcap_put_number(bytes, all->end_ns, 8);
	mcap_put_number(bytes, 10 * (uint64_t)all->channel_count, 4);
	for (uint32_t i = 0; i < all->channel_count; i++) {
		mcap_put_number(bytes, i + 1, 2);
		mcap_put_number(bytes, writer->channels[i].messages, 8);
	}
	end_record(bytes, begin);
}

/* A group of the summary, and where it is. */
static void put_group(struct mcap_writer *writer, struct mcap_bytes *summary,
	struct mcap_bytes *offsets, enum mcap_opcode opcode,
	const struct mcap_bytes *group)
{
	size_t begin;

	if (group->failed)
		summary->failed = true;
	if (group->bytes == 0)
		return;
	begin = begin_record(offsets, MCAP_SUMMARY_OFFSET);
	mcap_put_number(offsets, opcode, 1);
	mcap_put_number(offsets, writer->offset + summary->bytes, 8);
	mcap_put_number(offsets, group->bytes, 8);
	end_record(offsets, begin);
	mcap_put(summary, group->data, group->bytes);
}

static void put_summary(struct mcap_writer *writer, struct mcap_bytes *summary)
{
	struct mcap_bytes offsets = {0}, statistics = {0};
	uint64_t offset_start;
	size_t begin;

	put_statistics(writer, &statistics);
	put_group(writer, summary, &offsets, MCAP_SCHEMA, &writer->schemas);
	put_group(writer, summary, &offsets, MCAP_CHANNEL,
		&writer->channel_copies);
	put_group(writer, summary, &offsets, MCAP_STATISTICS, &statistics);
	put_group(writer, summary, &offsets, MCAP_CHUNK_INDEX,
		&writer->chunk_indexes);
	put_group(writer, summary, &offsets, MCAP_METADATA_INDEX,
		&writer->metadata_indexes);
	offset_start = writer->offset + summary->bytes;
	mcap_put(summary, offsets.data, offsets.bytes);

	begin = begin_record(summary, MCAP_FOOTER);
	mcap_put_number(summary, writer->offset, 8);
	mcap_put_number(summary, offset_start, 8);
	mcap_put_number(summary, 0, 4);
	end_record(summary, begin);
	/* The sum ends where it stands itself. */
	if (!summary->failed)
		mcap_store(summary->data + summary->bytes - 4,
			mcap_crc(0, summary->data, summary->bytes - 4), 4);
	mcap_put(summary, MCAP_MAGIC, MCAP_MAGIC_BYTES);
	if (offsets.failed || statistics.failed)
		summary->failed = true;
	mcap_bytes_free(&offsets);
	mcap_bytes_free(&statistics);
}

int mcap_writer_finish(struct mcap_writer *writer)
{
	struct mcap_bytes *bytes = &writer->behind;
	struct mcap_bytes summary = {0};
	size_t begin;

	if (mcap_writer_flush(writer) < 0)
		return writer->error;
	bytes->bytes = 0;
	begin = begin_record(bytes, MCAP_DATA_END);
	mcap_put_number(bytes, writer->data_crc, 4);
	end_record(bytes, begin);
	if (write_one(writer, bytes) < 0)
		return writer->error;
	put_summary(writer, &summary);
	write_one(writer, &summary);
	mcap_bytes_free(&summary);
	return writer->error;
}

void mcap_writer_close(struct mcap_writer *writer)
{
	for (size_t i = 0; i < writer->channel_capacity; i++)
		mcap_bytes_free(&writer->channels[i].index);
	free(writer->channels);
	free(writer->touched);
	mcap_bytes_free(&writer->chunk);
	mcap_bytes_free(&writer->packed);
	mcap_bytes_free(&writer->behind);
	mcap_bytes_free(&writer->schemas);
	mcap_bytes_free(&writer->channel_copies);
	mcap_bytes_free(&writer->chunk_indexes);
	mcap_bytes_free(&writer->metadata_indexes);
	ZSTD_freeCCtx(writer->zstd);
	*writer = (struct mcap_writer){.fd = -1};
}
