/* SPDX-License-Identifier: BSD-2-Clause */
/* test_pack.c - several messages in one frame; see protocol/pack.h. */
#include "protocol/pack.h"

#include <stdlib.h>
#include <string.h>

#include "check_main.h"

#define CAPACITY 16384u

static struct msg_pack pack;
static uint8_t body[65536];

/* Add a message whose bytes tell its place. */
static void add(uint32_t bytes)
{
	memset(body + pack.used, (int)(pack.count + 1), bytes);
	msg_pack_add(&pack, bytes);
}

static void setup(void)
{
	memset(body, 0xee, sizeof body);
	msg_pack_start(&pack, CAPACITY);
}

START_TEST(two_messages_are_laid_out_as_specified)
{
	const uint8_t expected[] = {1, 1, 1, 0, 0, 0, 0, 0, /* "111" */
		2, 2, 2, 2, 2, 2, 2, 2, 3, 0, 8, 0, 2, 0};

	for (uint32_t i = 0; i < 3; i++)
		add(13); /* What a pack held before is of no account. */
	setup();
	add(3);
	add(8);
	ck_assert_uint_eq(msg_pack_finish(&pack, body), sizeof expected);
	ck_assert_mem_eq(body, expected, sizeof expected);
	ck_assert_uint_eq(body[sizeof expected], 0xee);
}
END_TEST

START_TEST(what_was_packed_is_read_back)
{
	static const uint32_t lengths[] = {5, 0, 8, 64, 1, 0, 1000};
	const uint32_t count = sizeof lengths / sizeof lengths[0];
	struct msg_pack_reader reader;
	const uint8_t *data;
	uint32_t bytes;

	for (uint32_t i = 0; i < count; i++)
		add(lengths[i]);
	ck_assert_int_eq(
		msg_pack_open(&reader, body, msg_pack_finish(&pack, body)),
		(int)count);
	for (uint32_t i = 0; i < count; i++) {
		ck_assert(msg_pack_next(&reader, &data, &bytes));
		ck_assert_uint_eq(bytes, lengths[i]);
		ck_assert_uint_eq((uintptr_t)(data - body) % MSG_PACK_ALIGN, 0);
		for (uint32_t j = 0; j < bytes; j++)
			ck_assert_uint_eq(data[j], i + 1);
	}
	ck_assert(!msg_pack_next(&reader, &data, &bytes));
	ck_assert(!msg_pack_next(&reader, &data, &bytes));
}
END_TEST

START_TEST(a_pack_of_one_or_none_writes_nothing)
{
	ck_assert_uint_eq(msg_pack_finish(&pack, body), 0);
	add(13);
	ck_assert_uint_eq(msg_pack_finish(&pack, body), 13);
	ck_assert_uint_eq(body[13], 0xee);
}
END_TEST

START_TEST(one_message_alone_may_fill_the_body)
{
	ck_assert(msg_pack_fits(&pack, CAPACITY));
	ck_assert(!msg_pack_fits(&pack, CAPACITY + 1));
	add(CAPACITY);
	ck_assert(!msg_pack_fits(&pack, 0));
}
END_TEST

START_TEST(a_second_message_fits_to_the_byte)
{
	/* 8 bytes, and 6 for a table of two and the count. */
	add(8);
	ck_assert(msg_pack_fits(&pack, CAPACITY - 16));
	ck_assert(!msg_pack_fits(&pack, CAPACITY - 15));
	msg_pack_start(&pack, 8 + 8 + 6);
	add(8);
	ck_assert(msg_pack_fits(&pack, 8));
	msg_pack_start(&pack, 8 + 8 + 5);
	add(8);
	ck_assert(!msg_pack_fits(&pack, 8));
}
END_TEST

START_TEST(a_message_too_long_for_the_table_never_fits)
{
	msg_pack_start(&pack, UINT32_MAX);
	ck_assert(msg_pack_fits(&pack, 65535));
	ck_assert(!msg_pack_fits(&pack, 65536));
	ck_assert(!msg_pack_fits(&pack, UINT32_MAX));
	add(1);
	ck_assert(msg_pack_fits(&pack, 65535));
	ck_assert(!msg_pack_fits(&pack, 65536));
}
END_TEST

START_TEST(a_pack_holds_1024_messages_and_no_more)
{
	struct msg_pack_reader reader;
	const uint8_t *data;
	uint32_t bytes, count = 0;

	while (msg_pack_fits(&pack, 1))
		add(1);
	ck_assert_uint_eq(pack.count, MSG_PACK_COUNT_MAX);
	ck_assert(!msg_pack_fits(&pack, 0));
	ck_assert_int_eq(
		msg_pack_open(&reader, body, msg_pack_finish(&pack, body)),
		(int)MSG_PACK_COUNT_MAX);
	while (msg_pack_next(&reader, &data, &bytes))
		count++;
	ck_assert_uint_eq(count, MSG_PACK_COUNT_MAX);
}
END_TEST

START_TEST(a_pack_never_outgrows_its_capacity)
{
	struct random_stream random = {check_seed()};

	for (unsigned trial = 0; trial < 2000; trial++) {
		uint32_t capacity = (uint32_t)random_below(&random, 2000);
		uint32_t largest = 1 + (uint32_t)random_below(&random, 200);

		msg_pack_start(&pack, capacity);
		for (unsigned i = 0; i < 1100; i++) {
			uint32_t bytes =
				(uint32_t)random_below(&random, largest);

			if (msg_pack_fits(&pack, bytes))
				add(bytes);
		}
		ck_assert_uint_le(msg_pack_finish(&pack, body), capacity);
	}
}
END_TEST

/* A table of `count` entries of `length` behind `payload` bytes. */
static uint32_t build(uint32_t payload, uint32_t count, uint16_t length)
{
	uint8_t *table = body + payload;

	for (uint32_t i = 0; i < count; i++) {
		table[2 * i] = (uint8_t)length;
		table[2 * i + 1] = (uint8_t)(length >> 8);
	}
	table[2 * count] = (uint8_t)count;
	table[2 * count + 1] = (uint8_t)(count >> 8);
	return payload + 2 * count + 2;
}

static void refused(uint32_t bytes)
{
	struct msg_pack_reader reader, before;

	memset(&reader, 0x5a, sizeof reader);
	before = reader;
	ck_assert_int_eq(msg_pack_open(&reader, body, bytes), -1);
	ck_assert_mem_eq(&reader, &before, sizeof reader);
}

START_TEST(counts_out_of_range_are_refused)
{
	struct msg_pack_reader reader;

	refused(build(0, 0, 0));
	refused(build(8, 1, 8));
	ck_assert_int_eq(msg_pack_open(&reader, body, build(0, 1024, 0)), 1024);
	refused(build(0, 1025, 0));
}
END_TEST

START_TEST(a_body_too_short_for_its_table_is_refused)
{
	refused(0);
	refused(1);
	build(0, 3, 0);
	refused(7); /* The count's place then holds half of it. */
	memset(body, 0xff, 16);
	refused(16);
	body[0] = 2;
	body[1] = 0;
	refused(2);
}
END_TEST

START_TEST(lengths_that_do_not_add_up_are_refused)
{
	struct msg_pack_reader reader;

	ck_assert_int_eq(msg_pack_open(&reader, body, build(16, 2, 8)), 2);
	refused(build(16, 2, 9));
	refused(build(16, 2, 0));
	refused(build(24, 2, 8));
	refused(build(15, 2, 7));
	refused(build(16, 2, 65535));
	/* Padded, but the sum comes out all the same. */
	ck_assert_int_eq(msg_pack_open(&reader, body, build(16, 2, 1)), 2);
}
END_TEST

START_TEST(a_table_changed_after_opening_leads_nowhere)
{
	struct msg_pack_reader reader;
	const uint8_t *data;
	uint32_t bytes;

	ck_assert_int_eq(msg_pack_open(&reader, body, build(16, 2, 8)), 2);
	ck_assert(msg_pack_next(&reader, &data, &bytes));
	body[18] = 9;
	ck_assert(!msg_pack_next(&reader, &data, &bytes));
	body[18] = 8;
	ck_assert(!msg_pack_next(&reader, &data, &bytes));
}
END_TEST

START_TEST(a_count_changed_after_opening_makes_no_further_message)
{
	struct msg_pack_reader reader;
	const uint8_t *data;
	uint32_t bytes;

	ck_assert_int_eq(msg_pack_open(&reader, body, build(16, 2, 8)), 2);
	memset(body + 20, 0, 100); /* As lengths these would be good. */
	ck_assert(msg_pack_next(&reader, &data, &bytes));
	ck_assert(msg_pack_next(&reader, &data, &bytes));
	ck_assert(!msg_pack_next(&reader, &data, &bytes));
}
END_TEST

/* On the heap and of the exact size, so that a sanitizer sees a byte too far. */
START_TEST(random_bodies_never_lead_outside)
{
	struct random_stream random = {check_seed()};
	unsigned good = 0;

	for (unsigned trial = 0; trial < 200000; trial++) {
		uint32_t size = 1 + (uint32_t)random_below(&random, 40);
		uint8_t *exact = malloc(size);
		struct msg_pack_reader reader;
		const uint8_t *data;
		uint32_t bytes;

		ck_assert_ptr_nonnull(exact);
		for (uint32_t i = 0; i < size; i++)
			exact[i] = (uint8_t)random_below(&random, 4) *
				   (uint8_t)random_below(&random, 2);
		if (msg_pack_open(&reader, exact, size) > 0) {
			good++;
			while (msg_pack_next(&reader, &data, &bytes))
				ck_assert(data >= exact &&
					  data + bytes <= exact + size);
		}
		free(exact);
	}
	ck_assert_uint_gt(good, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pack");
	TCase *write = check_case(suite, "write", 20);
	TCase *read = check_case(suite, "read", 60);

	tcase_add_checked_fixture(write, setup, NULL);
	tcase_add_test(write, two_messages_are_laid_out_as_specified);
	tcase_add_test(write, what_was_packed_is_read_back);
	tcase_add_test(write, a_pack_of_one_or_none_writes_nothing);
	tcase_add_test(write, one_message_alone_may_fill_the_body);
	tcase_add_test(write, a_second_message_fits_to_the_byte);
	tcase_add_test(write, a_message_too_long_for_the_table_never_fits);
	tcase_add_test(write, a_pack_holds_1024_messages_and_no_more);
	tcase_add_test(write, a_pack_never_outgrows_its_capacity);
	tcase_add_checked_fixture(read, setup, NULL);
	tcase_add_test(read, counts_out_of_range_are_refused);
	tcase_add_test(read, a_body_too_short_for_its_table_is_refused);
	tcase_add_test(read, lengths_that_do_not_add_up_are_refused);
	tcase_add_test(read, a_table_changed_after_opening_leads_nowhere);
	tcase_add_test(
		read, a_count_changed_after_opening_makes_no_further_message);
	tcase_add_test(read, random_bodies_never_lead_outside);
	return check_main(suite, NULL);
}
