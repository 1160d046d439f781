/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fault_recording.c - a recording is written, and read, while each request for
 * memory fails in turn: it is told, sticks, and nothing is left; what was written
 * whole before is read.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check_main.h"
#include "faults.h"
#include "tool/mcap_table.h"
#include "tool/mcap_write.h"
#include "tool/recording.h"

#define N_MAX 2000u
#define MESSAGES 300

static enum mcap_compression compression;

/* Some channels, some chunks. */
static int write_all(struct mcap_writer *writer)
{
	struct recording_channel about = {.topic = "fault.topic",
		.publisher = 7, .named = true, .host = "h", .program = "p"};
	struct mcap_schema schema = recording_event_schema();
	struct mcap_bytes pairs = {0};
	uint16_t ids[3], schema_id;
	int error = mcap_write_schema(writer, &schema, &schema_id);

	recording_channel_write(&about, &pairs);
	for (int i = 0; i < 3 && error == 0; i++) {
		struct mcap_channel channel = {
			.topic = mcap_text(about.topic),
			.encoding = mcap_text("json"),
			.schema_id = schema_id,
			.metadata = {{(const char *)pairs.data, pairs.bytes}},
		};

		error = pairs.failed ? -ENOMEM
				     : mcap_write_channel(
					       writer, &channel, &ids[i]);
	}
	mcap_bytes_free(&pairs);
	for (uint32_t i = 0; i < MESSAGES && error == 0; i++) {
		struct mcap_message message = {
			.channel_id = ids[i % 3],
			.sequence = i,
			.log_ns = 1000 + i,
			.publish_ns = 1000 + i,
			.data = schema.data.data,
			.bytes = i % schema.data.bytes,
		};

		error = mcap_write_message(writer, &message);
	}
	return error;
}

static int record_to(int fd)
{
	const struct mcap_write_options options = {
		.compression = compression,
		.chunk_bytes = 10000,
		.library = mcap_text("test"),
	};
	struct mcap_writer writer;
	int error = mcap_writer_open(&writer, fd, &options);

	if (error == 0)
		error = write_all(&writer);
	if (error == 0)
		error = mcap_writer_finish(&writer);
	mcap_writer_close(&writer);
	return error;
}

static int read_from(int fd, int *messages)
{
	struct mcap_source source;
	struct mcap_reader reader;
	struct mcap_record record;
	struct mcap_table table;
	enum mcap_result result;

	*messages = 0;
	if (!mcap_source_file(&source, &fd))
		return MCAP_FAILED;
	mcap_table_open(&table);
	result = mcap_reader_open(&reader, &source, true);
	while (result >= 0) {
		result = mcap_reader_next(&reader, &record);
		if (result != MCAP_GOT)
			break;
		result = mcap_table_note(&table, &record);
		*messages += result == MCAP_GOT &&
			     record.opcode == MCAP_MESSAGE;
	}
	mcap_reader_close(&reader);
	mcap_table_close(&table);
	return (int)result;
}

static int make_file(void)
{
	int fd = memfd_create("recording", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(a_recording_is_written)
{
	unsigned n = 1;
	bool failed;

	compression = (enum mcap_compression)_i;
	do {
		int fd = make_file(), messages, result;

		ck_assert_uint_lt(n, N_MAX);
		faults_begin(n, n % 2);
		n++;
		result = INSIDE(record_to(fd));
		failed = faults_end();
		ck_assert_int_eq(result, failed ? -ENOMEM : 0);
		ck_assert_int_eq(faults_live, 0);
		result = read_from(fd, &messages);
		if (failed)
			ck_assert(result == MCAP_CUT || result == MCAP_FOREIGN);
		else
			ck_assert_int_eq(result, MCAP_END);
		ck_assert_int_le(messages, MESSAGES);
		ck_assert(failed || messages == MESSAGES);
		close(fd);
	} while (failed);
	ck_assert_uint_gt(n, 10);
}
END_TEST

START_TEST(a_recording_is_read)
{
	int fd = make_file(), messages;
	unsigned n = 1;
	bool failed;

	compression = (enum mcap_compression)_i;
	ck_assert_int_eq(record_to(fd), 0);
	do {
		int result;

		ck_assert_uint_lt(n, N_MAX);
		faults_begin(n, n % 2);
		n++;
		result = INSIDE(read_from(fd, &messages));
		failed = faults_end();
		ck_assert_int_eq(result, failed ? MCAP_MEMORY : MCAP_END);
		ck_assert(failed || messages == MESSAGES);
		ck_assert_int_eq(faults_live, 0);
	} while (failed);
	ck_assert_uint_gt(n, 5);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faults, recording");
	TCase *recording = check_case(suite, "recording", 60);

	tcase_add_loop_test(recording, a_recording_is_written, 0, 2);
	tcase_add_loop_test(recording, a_recording_is_read, 0, 2);
	return check_main(suite, NULL);
}
