/* SPDX-License-Identifier: BSD-2-Clause */
/* test_fragment.c - parts of a large message; see protocol/fragment.h. */
#include "protocol/fragment.h"

#include <string.h>

#include "check_main.h"

/* Read a body of `bytes` whose header holds these two; the part itself is
 * never looked at, so no body that large is needed. */
static bool read_back(uint32_t total, uint32_t offset, uint32_t bytes,
	struct msg_fragment *fragment)
{
	const uint8_t header[MSG_FRAGMENT_HEADER_BYTES] = {(uint8_t)total,
		(uint8_t)(total >> 8), (uint8_t)(total >> 16),
		(uint8_t)(total >> 24), (uint8_t)offset, (uint8_t)(offset >> 8),
		(uint8_t)(offset >> 16), (uint8_t)(offset >> 24)};

	return msg_fragment_read(header, bytes, fragment);
}

static void refused(uint32_t total, uint32_t offset, uint32_t bytes)
{
	struct msg_fragment fragment = {1, 2, 3};

	ck_assert(!read_back(total, offset, bytes, &fragment));
	ck_assert_uint_eq(fragment.total, 1);
	ck_assert_uint_eq(fragment.offset, 2);
	ck_assert_uint_eq(fragment.bytes, 3);
}

START_TEST(a_header_is_total_then_offset_little_endian)
{
	const struct msg_fragment fragment = {0x00123456, 0x00010203, 100};
	const uint8_t expected[] = {0x56, 0x34, 0x12, 0, 3, 2, 1, 0};
	uint8_t header[MSG_FRAGMENT_HEADER_BYTES];

	msg_fragment_write(header, &fragment);
	ck_assert_mem_eq(header, expected, sizeof expected);
}
END_TEST

START_TEST(first_middle_and_last_parts_are_read)
{
	static const uint32_t offsets[] = {0, 1000, 2000};

	for (unsigned i = 0; i < 3; i++) {
		struct msg_fragment fragment;

		ck_assert(read_back(3000, offsets[i], 1008, &fragment));
		ck_assert_uint_eq(fragment.total, 3000);
		ck_assert_uint_eq(fragment.offset, offsets[i]);
		ck_assert_uint_eq(fragment.bytes, 1000);
	}
}
END_TEST

START_TEST(the_largest_message_is_read_and_one_byte_more_refused)
{
	struct msg_fragment fragment;
	uint32_t max = MSG_FRAGMENT_TOTAL_MAX;

	ck_assert(read_back(max, max - 1, 9, &fragment));
	refused(max + 1, 0, 1000);
	refused(UINT32_MAX, 0, 1000);
}
END_TEST

START_TEST(a_part_without_a_byte_is_refused)
{
	for (uint32_t bytes = 0; bytes <= MSG_FRAGMENT_HEADER_BYTES; bytes++)
		refused(3000, 0, bytes);
}
END_TEST

START_TEST(a_part_that_reaches_beyond_the_message_is_refused)
{
	refused(3000, 2001, 1008);
	refused(3000, 3000, 9);
	refused(3000, UINT32_MAX, 9);
	refused(3000, UINT32_MAX - 999, 1008); /* The sum wraps. */
	refused(0, 0, 9);
}
END_TEST

START_TEST(a_whole_message_in_one_part_is_refused)
{
	refused(1000, 0, 1008);
	refused(999, 0, 1008);
}
END_TEST

START_TEST(parts_are_counted)
{
	ck_assert_uint_eq(msg_fragment_count(3000, 1000), 3);
	ck_assert_uint_eq(msg_fragment_count(3001, 1000), 4);
	ck_assert_uint_eq(
		msg_fragment_count(MSG_FRAGMENT_TOTAL_MAX, 224), 74899);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fragment");
	TCase *fragment = check_case(suite, "fragment", 10);

	tcase_add_test(fragment, a_header_is_total_then_offset_little_endian);
	tcase_add_test(fragment, first_middle_and_last_parts_are_read);
	tcase_add_test(fragment,
		the_largest_message_is_read_and_one_byte_more_refused);
	tcase_add_test(fragment, a_part_without_a_byte_is_refused);
	tcase_add_test(
		fragment, a_part_that_reaches_beyond_the_message_is_refused);
	tcase_add_test(fragment, a_whole_message_in_one_part_is_refused);
	tcase_add_test(fragment, parts_are_counted);
	return check_main(suite, NULL);
}
