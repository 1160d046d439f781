/* SPDX-License-Identifier: BSD-2-Clause */
/* test_mcap.c - MCAP files, written and read; see mcap_write.h, mcap_read.h. */
#include "mcap_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "check_main.h"
#include "tool/mcap_table.h"

#define TRIALS (40 / MSG_TEST_FEWER + 1)

static struct mcap_story story;
static struct mcap_reader reader;
static struct mcap_record record;
static struct mcap_writer writer;
static enum mcap_result result;

static enum mcap_compression compression_of(int trial)
{
	return trial % 2 ? MCAP_COMPRESSION_ZSTD : MCAP_COMPRESSION_NONE;
}

static void open_file(struct mcap_file *file, bool check)
{
	struct mcap_source source = mcap_file_source(file);

	result = mcap_reader_open(&reader, &source, check);
}

static void expect_opcode(enum mcap_opcode opcode)
{
	ck_assert_int_eq(mcap_reader_next(&reader, &record), MCAP_GOT);
	ck_assert_int_eq(record.opcode, opcode);
}

/* ---- sums ---------------------------------------------------------------- */

START_TEST(the_crc_is_that_of_zlib)
{
	/* Source: the check value of CRC-32/ISO-HDLC. */
	ck_assert_uint_eq(mcap_crc(0, "123456789", 9), 0xcbf43926);
	ck_assert_uint_eq(mcap_crc(0, "", 0), 0);
}
END_TEST

START_TEST(the_crc_of_pieces_is_that_of_all)
{
	struct random_stream random = {check_seed()};
	uint8_t data[200];

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)random_next(&random);
	for (size_t cut = 0; cut <= sizeof data; cut++) {
		uint32_t crc = mcap_crc(0, data, cut);

		crc = mcap_crc(crc, data + cut, sizeof data - cut);
		ck_assert_uint_eq(crc, mcap_crc(0, data, sizeof data));
	}
}
END_TEST

/* ---- files --------------------------------------------------------------- */

START_TEST(an_empty_file_is_whole)
{
	struct mcap_write_options options = {
		MCAP_COMPRESSION_ZSTD, 4096, mcap_text("us")};
	int fd = mcap_file_fd();
	struct mcap_file file;

	ck_assert_int_eq(mcap_writer_open(&writer, fd, &options), 0);
	ck_assert_int_eq(mcap_writer_finish(&writer), 0);
	mcap_writer_close(&writer);
	file = mcap_file_take(fd);

	open_file(&file, true);
	ck_assert_int_eq(result, MCAP_GOT);
	expect_opcode(MCAP_HEADER);
	ck_assert(mcap_text_is(record.header.library, "us"));
	expect_opcode(MCAP_DATA_END);
	expect_opcode(MCAP_STATISTICS);
	ck_assert(record.in_summary);
	ck_assert_uint_eq(record.statistics.message_count, 0);
	expect_opcode(MCAP_FOOTER);
	ck_assert_int_eq(mcap_reader_next(&reader, &record), MCAP_END);
	ck_assert_int_eq(mcap_reader_next(&reader, &record), MCAP_END);
	mcap_reader_close(&reader);
	mcap_file_free(&file);
}
END_TEST

START_TEST(what_was_written_is_read_back)
{
	for (int trial = 0; trial < TRIALS; trial++) {
		uint64_t seed = check_seed() + (uint64_t)trial;
		struct random_stream random = {seed};
		struct mcap_file file = mcap_story_write(&story, &random,
			1 + random_below(&random, 2000), compression_of(trial));

		open_file(&file, true);
		ck_assert_msg(mcap_story_read(&story, &reader, &result) ==
				      story.count,
			"seed %llx", (unsigned long long)seed);
		ck_assert_int_eq(result, MCAP_END);
		mcap_reader_close(&reader);
		mcap_file_free(&file);
	}
}
END_TEST

START_TEST(the_summary_says_what_is_in_the_file)
{
	struct random_stream random = {check_seed()};
	struct mcap_file file =
		mcap_story_write(&story, &random, 1500, MCAP_COMPRESSION_ZSTD);
	struct mcap_chunk_index indexes[2000];
	struct mcap_table table;
	uint32_t chunks = 0, found = 0;
	bool counted = false;

	open_file(&file, false);
	mcap_table_open(&table);
	ck_assert_int_eq(mcap_reader_seek_summary(&reader), MCAP_GOT);
	while ((result = mcap_reader_next(&reader, &record)) == MCAP_GOT) {
		ck_assert_int_eq(mcap_table_note(&table, &record), MCAP_GOT);
		if (record.opcode == MCAP_CHUNK_INDEX)
			indexes[chunks++] = record.chunk_index;
		if (record.opcode != MCAP_STATISTICS)
			continue;
		counted = true;
		ck_assert_uint_eq(record.statistics.message_count, story.count);
		ck_assert_uint_eq(
			record.statistics.channel_count, story.channels);
		ck_assert_uint_eq(
			record.statistics.metadata_count, story.metadata);
	}
	ck_assert_int_eq(result, MCAP_END);
	ck_assert(counted);
	ck_assert_uint_eq(table.channel_count, story.channels);
	mcap_reader_close(&reader);

	open_file(&file, true);
	while (mcap_reader_next(&reader, &record) == MCAP_GOT) {
		if (record.opcode != MCAP_CHUNK)
			continue;
		ck_assert_uint_lt(found, chunks);
		ck_assert_uint_eq(indexes[found].chunk_start, record.offset);
		ck_assert_uint_eq(indexes[found].chunk_length, record.length);
		ck_assert_uint_eq(
			indexes[found].start_ns, record.chunk.start_ns);
		ck_assert_uint_eq(indexes[found++].end_ns, record.chunk.end_ns);
	}
	ck_assert_uint_eq(found, chunks);
	mcap_reader_close(&reader);
	mcap_table_close(&table);
	mcap_file_free(&file);
}
END_TEST

START_TEST(a_chunk_may_be_passed_over)
{
	struct random_stream random = {check_seed()};
	struct mcap_file file =
		mcap_story_write(&story, &random, 1000, MCAP_COMPRESSION_ZSTD);

	for (int check = 0; check < 2; check++) {
		uint32_t chunks = 0;

		open_file(&file, check);
		while ((result = mcap_reader_next(&reader, &record)) ==
			MCAP_GOT) {
			ck_assert_int_ne(record.opcode, MCAP_MESSAGE);
			if (record.opcode != MCAP_CHUNK)
				continue;
			chunks++;
			mcap_reader_skip(&reader);
		}
		/* Its bytes were held against the CRC all the same. */
		ck_assert_int_eq(result, MCAP_END);
		ck_assert_uint_gt(chunks, 1);
		mcap_reader_close(&reader);
	}
	mcap_file_free(&file);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_read_up_to_its_last_chunk)
{
	for (int trial = 0; trial < 2; trial++) {
		struct random_stream random = {check_seed() + (uint64_t)trial};
		struct mcap_file file = mcap_story_write(
			&story, &random, 25, compression_of(trial));
		size_t whole = file.bytes;

		for (size_t bytes = 0; bytes < whole; bytes++) {
			size_t wanted = 0;

			while (wanted < story.count &&
				story.ends[wanted] <= bytes)
				wanted++;
			file.bytes = bytes;
			open_file(&file, true);
			if (bytes < MCAP_MAGIC_BYTES) {
				ck_assert_int_eq(result, MCAP_FOREIGN);
				mcap_reader_close(&reader);
				continue;
			}
			/* Message indexes follow a chunk. */
			ck_assert_uint_ge(
				mcap_story_read(&story, &reader, &result),
				wanted);
			ck_assert_int_eq(result, MCAP_CUT);
			ck_assert_int_le(
				mcap_reader_seek_summary(&reader), MCAP_END);
			mcap_reader_close(&reader);
		}
		file.bytes = whole;
		mcap_file_free(&file);
	}
}
END_TEST

/* ---- what goes wrong when writing ---------------------------------------- */

START_TEST(a_full_disk_is_said_and_stays)
{
	struct mcap_write_options options = {
		MCAP_COMPRESSION_NONE, 4096, mcap_text("us")};
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(mcap_writer_open(&writer, fd, &options), -ENOSPC);
	ck_assert_int_eq(mcap_writer_flush(&writer), -ENOSPC);
	ck_assert_int_eq(mcap_writer_finish(&writer), -ENOSPC);
	mcap_writer_close(&writer);
	close(fd);
}
END_TEST

START_TEST(channels_run_out_after_65535)
{
	struct mcap_write_options options = {
		MCAP_COMPRESSION_NONE, 4096, mcap_text("us")};
	struct mcap_channel channel = {
		.topic = mcap_text("t"), .encoding = mcap_text("raw")};
	struct mcap_message message = {.channel_id = 1};
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	uint16_t id = 0;

	ck_assert_int_eq(mcap_writer_open(&writer, fd, &options), 0);
	ck_assert_int_eq(mcap_write_message(&writer, &message), -EINVAL);
	for (uint32_t i = 1; i <= 65535; i++) {
		ck_assert_int_eq(mcap_write_channel(&writer, &channel, &id), 0);
		ck_assert_uint_eq(id, i);
	}
	ck_assert_int_eq(mcap_write_channel(&writer, &channel, &id), -ENOSPC);
	/* That is of the format, not of the disk. */
	ck_assert_int_eq(mcap_write_message(&writer, &message), 0);
	ck_assert_int_eq(mcap_writer_finish(&writer), 0);
	mcap_writer_close(&writer);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mcap");
	TCase *sums = check_case(suite, "sums", 10);
	TCase *files = check_case(suite, "files", 60);
	TCase *failures = check_case(suite, "failures", 30);

	tcase_add_test(sums, the_crc_is_that_of_zlib);
	tcase_add_test(sums, the_crc_of_pieces_is_that_of_all);
	tcase_add_test(files, an_empty_file_is_whole);
	tcase_add_test(files, what_was_written_is_read_back);
	tcase_add_test(files, the_summary_says_what_is_in_the_file);
	tcase_add_test(files, a_chunk_may_be_passed_over);
	tcase_add_test(files, a_file_cut_anywhere_is_read_up_to_its_last_chunk);
	tcase_add_test(failures, a_full_disk_is_said_and_stays);
	tcase_add_test(failures, channels_run_out_after_65535);
	return check_main(suite, NULL);
}
