/* SPDX-License-Identifier: BSD-2-Clause */
/* test_large.c - where a large message stands; see protocol/large.h. */
#include "protocol/large.h"

#include <string.h>

#include "check_main.h"

static const struct msg_large example = {
	.total = 0x12345678,
	.address = 0x1122334455667788,
	.key = 0x99aabbccddeeff01,
	.serial = 0x0203040506070809,
	.reach = {.bytes = 6, .data = {0x7f, 0, 0, 1, 0x1c, 0xe9}},
};

static uint8_t body[MSG_LARGE_BYTES + 1];

static void set_up(void)
{
	memset(body, 0x5a, sizeof body);
	msg_large_write(body, &example);
}

static bool is_read(void)
{
	struct msg_large large;

	return msg_large_read(body, MSG_LARGE_BYTES, &large);
}

/* Nothing is written where nothing is found. */
static void refused(uint32_t bytes)
{
	struct msg_large large, before;

	memset(&large, 0x33, sizeof large);
	before = large;
	ck_assert(!msg_large_read(body, bytes, &large));
	ck_assert_mem_eq(&large, &before, sizeof large);
}

static void store(unsigned at, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		body[at + i] = (uint8_t)(value >> 8 * i);
}

START_TEST(what_is_written_is_read)
{
	struct msg_large large;

	ck_assert_uint_eq(body[MSG_LARGE_BYTES], 0x5a);
	ck_assert(msg_large_read(body, MSG_LARGE_BYTES, &large));
	ck_assert_uint_eq(large.total, example.total);
	ck_assert_uint_eq(large.address, example.address);
	ck_assert_uint_eq(large.key, example.key);
	ck_assert_uint_eq(large.serial, example.serial);
	ck_assert_mem_eq(&large.reach, &example.reach, sizeof large.reach);
}
END_TEST

START_TEST(fields_are_little_endian_and_in_order)
{
	const uint8_t expected[] = {0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0, /* */
		0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, /* address */
		0x01, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, /* key */
		0x09, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, /* serial */
		6, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0, 0, 1, 0x1c, 0xe9, 0};

	ck_assert_mem_eq(body, expected, sizeof expected);
}
END_TEST

START_TEST(any_other_length_is_refused)
{
	for (uint32_t bytes = 0; bytes < 200; bytes++)
		if (bytes != MSG_LARGE_BYTES)
			refused(bytes);
}
END_TEST

START_TEST(a_gigabyte_is_read_and_a_byte_more_refused)
{
	store(0, MSG_LARGE_TOTAL_MAX);
	ck_assert(is_read());
	store(0, MSG_LARGE_TOTAL_MAX + 1);
	refused(MSG_LARGE_BYTES);
	store(0, UINT64_MAX);
	refused(MSG_LARGE_BYTES);
	store(0, 0);
	ck_assert(is_read());
}
END_TEST

START_TEST(memory_must_have_room_for_the_seal_and_an_end)
{
	store(0, 100);
	store(8, MSG_LARGE_SEAL_AT);
	ck_assert(is_read());
	store(8, MSG_LARGE_SEAL_AT - 1);
	refused(MSG_LARGE_BYTES);
	store(8, UINT64_MAX - 100);
	ck_assert(is_read());
	store(8, UINT64_MAX - 99);
	refused(MSG_LARGE_BYTES);
}
END_TEST

START_TEST(a_serial_is_never_zero)
{
	store(24, 0);
	refused(MSG_LARGE_BYTES);
	store(24, UINT64_C(1) << 63);
	ck_assert(is_read());
}
END_TEST

START_TEST(there_is_a_reach_and_zero_behind_it)
{
	for (unsigned i = 46; i < MSG_LARGE_BYTES; i++) {
		body[i] = 1;
		refused(MSG_LARGE_BYTES);
		body[i] = 0;
	}
	store(32, 0);
	memset(body + 40, 0, 32);
	refused(MSG_LARGE_BYTES);
	store(32, 32);
	ck_assert(is_read());
	store(32, 33);
	refused(MSG_LARGE_BYTES);
	store(32, 0x106);
	refused(MSG_LARGE_BYTES);
}
END_TEST

START_TEST(a_greeting_names_the_stream)
{
	const uint8_t expected[] = {4, 3, 2, 1, 8, 7, 6, 5};
	uint8_t greeting[MSG_LARGE_GREETING_BYTES];

	msg_large_greet(greeting, 0x01020304, 0x05060708);
	ck_assert_mem_eq(greeting, expected, sizeof expected);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("large");
	TCase *large = check_case(suite, "large", 10);

	tcase_add_checked_fixture(large, set_up, NULL);
	tcase_add_test(large, what_is_written_is_read);
	tcase_add_test(large, fields_are_little_endian_and_in_order);
	tcase_add_test(large, any_other_length_is_refused);
	tcase_add_test(large, a_gigabyte_is_read_and_a_byte_more_refused);
	tcase_add_test(large, memory_must_have_room_for_the_seal_and_an_end);
	tcase_add_test(large, a_serial_is_never_zero);
	tcase_add_test(large, there_is_a_reach_and_zero_behind_it);
	tcase_add_test(large, a_greeting_names_the_stream);
	return check_main(suite, NULL);
}
