/* SPDX-License-Identifier: BSD-2-Clause */
/* mcap_file.c - files in memory; see mcap_file.h. */
#include "mcap_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check_main.h"

int mcap_file_fd(void)
{
	int fd = memfd_create("mcap", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

struct mcap_file mcap_file_take(int fd)
{
	struct mcap_file file;
	struct stat about;

	ck_assert_int_eq(fstat(fd, &about), 0);
	file.bytes = (size_t)about.st_size;
	file.data = malloc(file.bytes ? file.bytes : 1);
	ck_assert_ptr_nonnull(file.data);
	ck_assert_int_eq(pread(fd, file.data, file.bytes, 0), about.st_size);
	close(fd);
	return file;
}

void mcap_file_free(struct mcap_file *file)
{
	free(file->data);
	*file = (struct mcap_file){0};
}

static bool read_memory(
	void *context, uint64_t offset, void *data, size_t bytes)
{
	const struct mcap_file *file = context;

	/* The reader has to know where the end is. */
	ck_assert_uint_le(offset, file->bytes);
	ck_assert_uint_le(bytes, file->bytes - offset);
	memcpy(data, file->data + offset, bytes);
	return true;
}

struct mcap_source mcap_file_source(struct mcap_file *file)
{
	return (struct mcap_source){read_memory, file, file->bytes};
}

/* ---- stories ------------------------------------------------------------- */

static void tell_channel(struct mcap_story *story, struct mcap_writer *writer,
	struct random_stream *random)
{
	struct mcap_bytes pairs = {0};
	struct mcap_channel channel = {.encoding = mcap_text("raw")};
	char topic[32];
	uint16_t id = 0;

	snprintf(topic, sizeof topic, "topic.%u", story->channels);
	channel.topic = mcap_text(topic);
	if (random_chance(random, 500)) {
		struct mcap_schema schema = {0, mcap_text("S"),
			mcap_text("jsonschema"), mcap_text("{}")};

		ck_assert_int_eq(
			mcap_write_schema(writer, &schema, &channel.schema_id),
			0);
	}
	mcap_put_pair(&pairs, "topic", channel.topic);
	mcap_put_pair(&pairs, "empty", mcap_text(""));
	channel.metadata.pairs =
		(struct mcap_text){(const char *)pairs.data, pairs.bytes};
	ck_assert_int_eq(mcap_write_channel(writer, &channel, &id), 0);
	ck_assert_uint_eq(id, ++story->channels);
	mcap_bytes_free(&pairs);
}

static void tell_message(struct mcap_story *story, struct mcap_writer *writer,
	struct random_stream *random)
{
	struct mcap_message *message = &story->messages[story->count++];
	size_t bytes = (size_t)random_below(random, 300);

	if (story->large && random_chance(random, 5))
		bytes = sizeof story->bytes / 2; /* Above a chunk. */
	*message = (struct mcap_message){
		.channel_id =
			(uint16_t)(1 + random_below(random, story->channels)),
		.sequence = (uint32_t)random_next(random),
		.log_ns = random_next(random),
		.publish_ns = random_next(random),
		.data = story->bytes +
			random_below(random, sizeof story->bytes - bytes),
		.bytes = bytes,
	};
	ck_assert_int_eq(mcap_write_message(writer, message), 0);
}

struct mcap_file mcap_story_write(struct mcap_story *story,
	struct random_stream *random, size_t messages,
	enum mcap_compression compression)
{
	struct mcap_write_options options = {
		compression, 4096, mcap_text("test")};
	struct mcap_writer writer;
	struct mcap_bytes pairs = {0};
	size_t ended = 0;
	int fd = mcap_file_fd();

	memset(story, 0, sizeof *story);
	story->large = messages >= 100;
	for (size_t i = 0; i < sizeof story->bytes; i++)
		story->bytes[i] = (uint8_t)random_below(random, 32);
	mcap_put_pair(&pairs, "key", mcap_text("value"));
	ck_assert_int_eq(mcap_writer_open(&writer, fd, &options), 0);
	tell_channel(story, &writer, random);
	while (story->count < messages) {
		if (random_chance(random, 20) && story->channels < 100)
			tell_channel(story, &writer, random);
		if (random_chance(random, 10)) {
			struct mcap_map map = {
				{(const char *)pairs.data, pairs.bytes}};

			ck_assert_int_eq(mcap_write_metadata(&writer,
						 mcap_text("name"), map),
				0);
			story->metadata++;
		}
		if (random_chance(random, 20))
			ck_assert_int_eq(mcap_writer_flush(&writer), 0);
		tell_message(story, &writer, random);
		/* Of chunks that were written meanwhile. */
		while (ended < writer.statistics.message_count)
			story->ends[ended++] = (size_t)writer.offset;
	}
	ck_assert_int_eq(mcap_writer_flush(&writer), 0);
	while (ended < writer.statistics.message_count)
		story->ends[ended++] = (size_t)writer.offset;
	ck_assert_uint_eq(ended, messages);
	ck_assert_int_eq(mcap_writer_finish(&writer), 0);
	mcap_writer_close(&writer);
	mcap_bytes_free(&pairs);
	return mcap_file_take(fd);
}

size_t mcap_story_read(const struct mcap_story *story,
	struct mcap_reader *reader, enum mcap_result *result)
{
	struct mcap_record record;
	size_t count = 0;

	while ((*result = mcap_reader_next(reader, &record)) == MCAP_GOT) {
		const struct mcap_message *wanted = &story->messages[count];

		if (record.opcode != MCAP_MESSAGE)
			continue;
		ck_assert_uint_lt(count, story->count);
		ck_assert_uint_eq(
			record.message.channel_id, wanted->channel_id);
		ck_assert_uint_eq(record.message.sequence, wanted->sequence);
		ck_assert_uint_eq(record.message.log_ns, wanted->log_ns);
		ck_assert_uint_eq(
			record.message.publish_ns, wanted->publish_ns);
		ck_assert_uint_eq(record.message.bytes, wanted->bytes);
		ck_assert_mem_eq(
			record.message.data, wanted->data, wanted->bytes);
		count++;
	}
	return count;
}
