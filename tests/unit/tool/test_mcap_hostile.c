/* SPDX-License-Identifier: BSD-2-Clause */
/* test_mcap_hostile.c - MCAP files that lie; see mcap_read.h. */
#include "mcap_file.h"

#include <zstd.h>

#include "check_main.h"
#include "tool/mcap_table.h"

static struct mcap_story story;
static struct mcap_reader reader;
static struct mcap_record record;
static enum mcap_result result;
static struct mcap_bytes bytes; /* A file made by hand. */

static void setup(void)
{
	mcap_put(&bytes, MCAP_MAGIC, MCAP_MAGIC_BYTES);
	mcap_put_number(&bytes, MCAP_HEADER, 1);
	mcap_put_number(&bytes, 8, 8);
	mcap_put_text(&bytes, mcap_text(""));
	mcap_put_text(&bytes, mcap_text(""));
}

static void teardown(void)
{
	mcap_bytes_free(&bytes);
}

static void put_head(enum mcap_opcode opcode, uint64_t length)
{
	mcap_put_number(&bytes, opcode, 1);
	mcap_put_number(&bytes, length, 8);
}

static void put_end(void)
{
	put_head(MCAP_DATA_END, 4);
	mcap_put_number(&bytes, 0, 4);
	put_head(MCAP_FOOTER, MCAP_FOOTER_BYTES);
	mcap_put_number(&bytes, 0, 8);
	mcap_put_number(&bytes, 0, 8);
	mcap_put_number(&bytes, 0, 4);
	mcap_put(&bytes, MCAP_MAGIC, MCAP_MAGIC_BYTES);
}

static void put_chunk(const char *compression, uint64_t unpacked, uint32_t crc,
	const void *records, uint64_t packed)
{
	put_head(MCAP_CHUNK, 28 + 4 + strlen(compression) + 8 + packed);
	mcap_put_number(&bytes, 0, 8);
	mcap_put_number(&bytes, 0, 8);
	mcap_put_number(&bytes, unpacked, 8);
	mcap_put_number(&bytes, crc, 4);
	mcap_put_text(&bytes, mcap_text(compression));
	mcap_put_number(&bytes, packed, 8);
	mcap_put(&bytes, records, (size_t)packed);
}

static void begin(struct mcap_file *file)
{
	struct mcap_source source;

	file->data = bytes.data;
	file->bytes = bytes.bytes;
	source = mcap_file_source(file);
	ck_assert_int_eq(mcap_reader_open(&reader, &source, true), MCAP_GOT);
}

/* The first that is wrong; then whatever the reader says, to the end. */
static enum mcap_result first_trouble(void)
{
	enum mcap_result first = MCAP_END;
	struct mcap_file file;

	begin(&file);
	do {
		result = mcap_reader_next(&reader, &record);
		if (result < 0 && first == MCAP_END)
			first = result;
	} while (result > 0 || (result < 0 && !mcap_reader_done(&reader)));
	mcap_reader_close(&reader);
	return first;
}

/* ---- one bit ------------------------------------------------------------- */

START_TEST(no_bit_of_a_file_changes_unseen)
{
	struct random_stream random = {check_seed()};
	struct mcap_file file =
		mcap_story_write(&story, &random, 40, MCAP_COMPRESSION_ZSTD);
	struct mcap_source source = mcap_file_source(&file);

	for (size_t i = 0; i < file.bytes; i++) {
		uint8_t bit = (uint8_t)(1u << random_below(&random, 8));
		bool seen = false;

		file.data[i] ^= bit;
		result = mcap_reader_open(&reader, &source, true);
		while (result != MCAP_END) {
			if (result < 0)
				seen = true;
			if (result < 0 && mcap_reader_done(&reader))
				break;
			result = mcap_reader_next(&reader, &record);
		}
		mcap_reader_close(&reader);
		ck_assert_msg(seen, "byte %zu ^ %u", i, bit);
		file.data[i] ^= bit;
	}
	mcap_file_free(&file);
}
END_TEST

START_TEST(a_broken_chunk_does_not_hide_the_next)
{
	struct random_stream random = {check_seed()};
	struct mcap_file file =
		mcap_story_write(&story, &random, 200, MCAP_COMPRESSION_NONE);
	struct mcap_source source = mcap_file_source(&file);
	size_t got = 0, bad = 0, broken_at = 0;

	/* The payload of the first message. */
	ck_assert_int_eq(mcap_reader_open(&reader, &source, true), MCAP_GOT);
	while (mcap_reader_next(&reader, &record) == MCAP_GOT)
		if (record.opcode == MCAP_CHUNK && broken_at == 0)
			broken_at = (size_t)(record.offset + record.length - 1);
	mcap_reader_close(&reader);
	file.data[broken_at] ^= 1;

	ck_assert_int_eq(mcap_reader_open(&reader, &source, true), MCAP_GOT);
	while ((result = mcap_reader_next(&reader, &record)) != MCAP_END) {
		bad += result == MCAP_BAD_CRC;
		got += result == MCAP_GOT && record.opcode == MCAP_MESSAGE;
		ck_assert(result == MCAP_GOT || result == MCAP_BAD_CRC);
	}
	ck_assert_uint_eq(bad, 2); /* The chunk's, and the section's. */
	ck_assert_uint_gt(got, 0);
	ck_assert_uint_lt(got, story.count);
	mcap_reader_close(&reader);
	mcap_file_free(&file);
}
END_TEST

/* ---- lengths ------------------------------------------------------------- */

START_TEST(a_record_longer_than_the_file_ends_it)
{
	static const uint64_t lengths[] = {
		30, 1u << 20, UINT64_MAX, UINT64_MAX - 8, INT64_MAX};

	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		size_t before = bytes.bytes;

		put_head(MCAP_METADATA, lengths[i]);
		mcap_put_number(&bytes, 0, 8);
		ck_assert_int_eq(first_trouble(), MCAP_CUT);
		bytes.bytes = before;
	}
}
END_TEST

START_TEST(records_that_cannot_be_right_are_passed_over)
{
	/* Of each, a content that says more than there is. */
	static const enum mcap_opcode opcodes[] = {MCAP_SCHEMA, MCAP_CHANNEL,
		MCAP_MESSAGE, MCAP_CHUNK, MCAP_METADATA, MCAP_STATISTICS,
		MCAP_CHUNK_INDEX};

	for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++)
		for (uint64_t length = 0; length < 20; length++) {
			size_t before = bytes.bytes;

			put_head(opcodes[i], length);
			for (uint64_t b = 0; b < length; b++)
				mcap_put_number(&bytes, 0xff, 1);
			put_end();
			ck_assert_int_eq(first_trouble(), MCAP_BROKEN);
			ck_assert_int_eq(result, MCAP_END);
			bytes.bytes = before;
		}
}
END_TEST

START_TEST(a_map_has_to_be_of_pairs)
{
	static const uint8_t half[] = {1, 0, 0, 0, 'k'};

	put_head(MCAP_METADATA, 4 + 4 + sizeof half);
	mcap_put_text(&bytes, mcap_text(""));
	mcap_put_text(
		&bytes, (struct mcap_text){(const char *)half, sizeof half});
	put_end();
	ck_assert_int_eq(first_trouble(), MCAP_BROKEN);
}
END_TEST

/* ---- chunks -------------------------------------------------------------- */

START_TEST(a_chunk_unpacks_to_what_it_says)
{
	static const uint8_t zeros[100000];
	uint8_t packed[1000];
	size_t count =
		ZSTD_compress(packed, sizeof packed, zeros, sizeof zeros, 1);
	static const uint64_t said[] = {
		0, 1, sizeof zeros - 1, sizeof zeros + 1, 1u << 28};

	ck_assert(!ZSTD_isError(count));
	for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
		size_t before = bytes.bytes;

		put_chunk("zstd", said[i], 0, packed, count);
		put_end();
		ck_assert_int_eq(first_trouble(), MCAP_BROKEN);
		ck_assert_int_eq(result, MCAP_END);
		bytes.bytes = before;
	}
}
END_TEST

START_TEST(a_chunk_above_the_limit_is_refused_unpacked)
{
	put_chunk("zstd", (uint64_t)MCAP_RECORD_BYTES_MAX + 1, 0, "x", 1);
	put_end();
	ck_assert_int_eq(first_trouble(), MCAP_LARGE);
	ck_assert_int_eq(result, MCAP_END);
}
END_TEST

START_TEST(another_compression_is_named)
{
	put_chunk("lz4", 100, 0, "xyz", 3);
	put_end();
	ck_assert_int_eq(first_trouble(), MCAP_PACKED);
	ck_assert_int_eq(result, MCAP_END);
}
END_TEST

START_TEST(bytes_that_are_no_zstd_are_broken)
{
	put_chunk("zstd", 100, 0, "this is no frame", 16);
	put_end();
	ck_assert_int_eq(first_trouble(), MCAP_BROKEN);
}
END_TEST

START_TEST(records_end_within_their_chunk)
{
	uint8_t records[40] = {MCAP_MESSAGE};

	for (uint64_t length = 0; length < 64; length++) {
		size_t before = bytes.bytes;

		mcap_store(records + 1, length, 8);
		put_chunk("", sizeof records, 0, records, sizeof records);
		put_end();
		/* 31: one message that fills it. */
		ck_assert_int_eq(first_trouble(),
			length == sizeof records - 9 ? MCAP_END : MCAP_BROKEN);
		ck_assert_int_eq(result, MCAP_END);
		bytes.bytes = before;
	}
}
END_TEST

/* ---- places -------------------------------------------------------------- */

START_TEST(newer_records_are_passed_over)
{
	put_head(0x42, 3);
	mcap_put(&bytes, "new", 3);
	put_head(MCAP_ATTACHMENT, 5);
	mcap_put(&bytes, "thing", 5);
	put_end();
	ck_assert_int_eq(first_trouble(), MCAP_END);
}
END_TEST

START_TEST(a_file_begins_with_its_header)
{
	bytes.data[MCAP_MAGIC_BYTES] = MCAP_METADATA;
	put_end();
	ck_assert_int_eq(first_trouble(), MCAP_BROKEN);
}
END_TEST

START_TEST(nothing_follows_the_end)
{
	put_end();
	ck_assert_int_eq(first_trouble(), MCAP_END);
	mcap_put_number(&bytes, 0, 1);
	ck_assert_int_eq(first_trouble(), MCAP_BROKEN);
}
END_TEST

START_TEST(a_footer_without_a_data_end_is_broken)
{
	put_head(MCAP_FOOTER, MCAP_FOOTER_BYTES);
	for (int i = 0; i < 20; i++)
		mcap_put_number(&bytes, 0, 1);
	mcap_put(&bytes, MCAP_MAGIC, MCAP_MAGIC_BYTES);
	ck_assert_int_eq(first_trouble(), MCAP_BROKEN);
}
END_TEST

START_TEST(a_summary_lies_before_the_footer)
{
	struct mcap_file file;

	put_end();
	for (uint64_t start = 1; start < 200; start++) {
		uint64_t footer = bytes.bytes - 8 - 29;

		mcap_store(bytes.data + footer + 9, start, 8);
		begin(&file);
		result = mcap_reader_seek_summary(&reader);
		ck_assert(
			result == (start > 8 && start <= footer ? MCAP_GOT
								: MCAP_BROKEN));
		while (result == MCAP_GOT)
			result = mcap_reader_next(&reader, &record);
		mcap_reader_close(&reader);
	}
}
END_TEST

/* ---- channels ------------------------------------------------------------ */

static struct mcap_record channel_record(uint16_t id, const char *topic)
{
	return (struct mcap_record){.opcode = MCAP_CHANNEL,
		.channel = {.id = id,
			.topic = mcap_text(topic),
			.encoding = mcap_text("raw"),
			.metadata = {mcap_text("")}}};
}

START_TEST(a_channel_told_twice_is_the_same)
{
	struct mcap_record one = channel_record(7, "a");
	struct mcap_record other = channel_record(7, "b");
	struct mcap_table table;

	mcap_table_open(&table);
	ck_assert_int_eq(mcap_table_note(&table, &one), MCAP_GOT);
	ck_assert_int_eq(mcap_table_note(&table, &one), MCAP_GOT);
	ck_assert_int_eq(mcap_table_note(&table, &other), MCAP_BROKEN);
	ck_assert_uint_eq(table.channel_count, 1);
	one.channel.schema_id = 3;
	one.channel.id = 8;
	ck_assert_int_eq(mcap_table_note(&table, &one), MCAP_BROKEN);
	mcap_table_close(&table);
}
END_TEST

START_TEST(a_message_names_a_channel_that_was_told)
{
	struct mcap_record one = channel_record(7, "a");
	struct mcap_record message = {
		.opcode = MCAP_MESSAGE, .message = {.channel_id = 7}};
	struct mcap_table table;

	mcap_table_open(&table);
	ck_assert_int_eq(mcap_table_note(&table, &message), MCAP_BROKEN);
	ck_assert_int_eq(mcap_table_note(&table, &one), MCAP_GOT);
	ck_assert_int_eq(mcap_table_note(&table, &message), MCAP_GOT);
	mcap_table_close(&table);
}
END_TEST

START_TEST(channels_are_not_remembered_without_end)
{
	static char large[1 << 20];
	struct mcap_record one = channel_record(0, "");
	struct mcap_table table;
	uint16_t id = 0;

	one.channel.topic = (struct mcap_text){large, sizeof large};
	mcap_table_open(&table);
	do
		one.channel.id = ++id;
	while ((result = mcap_table_note(&table, &one)) == MCAP_GOT);
	ck_assert_int_eq(result, MCAP_LARGE);
	ck_assert_uint_eq(id, 64); /* Encodings take some of the 64 MiB. */
	mcap_table_close(&table);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mcap_hostile");
	TCase *bits = check_case(suite, "bits", 60);
	TCase *hand = check_case(suite, "by hand", 30);
	TCase *tables = check_case(suite, "channels", 30);

	tcase_add_test(bits, no_bit_of_a_file_changes_unseen);
	tcase_add_test(bits, a_broken_chunk_does_not_hide_the_next);
	tcase_add_checked_fixture(hand, setup, teardown);
	tcase_add_test(hand, a_record_longer_than_the_file_ends_it);
	tcase_add_test(hand, records_that_cannot_be_right_are_passed_over);
	tcase_add_test(hand, a_map_has_to_be_of_pairs);
	tcase_add_test(hand, a_chunk_unpacks_to_what_it_says);
	tcase_add_test(hand, a_chunk_above_the_limit_is_refused_unpacked);
	tcase_add_test(hand, another_compression_is_named);
	tcase_add_test(hand, bytes_that_are_no_zstd_are_broken);
	tcase_add_test(hand, records_end_within_their_chunk);
	tcase_add_test(hand, newer_records_are_passed_over);
	tcase_add_test(hand, a_file_begins_with_its_header);
	tcase_add_test(hand, nothing_follows_the_end);
	tcase_add_test(hand, a_footer_without_a_data_end_is_broken);
	tcase_add_test(hand, a_summary_lies_before_the_footer);
	tcase_add_test(tables, a_channel_told_twice_is_the_same);
	tcase_add_test(tables, a_message_names_a_channel_that_was_told);
	tcase_add_test(tables, channels_are_not_remembered_without_end);
	return check_main(suite, NULL);
}
