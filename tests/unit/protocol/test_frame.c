/* SPDX-License-Identifier: BSD-2-Clause */
/* test_frame.c - the header, to bytes and back; see protocol/frame.h. */
#include "protocol/frame.h"

#include <stdbool.h>
#include <string.h>

#include "check_main.h"

static const struct msg_frame example = {
	.type = MSG_FRAME_FRAGMENT,
	.bytes = 0x1234,
	.tag = 0x89abcdef,
	.publisher = 0x01234567,
	.transmission = 0xfedcba98,
	.sequence = 0x1122334455667788,
};

static const uint8_t example_bytes[MSG_FRAME_HEADER_BYTES] = {0x31, 0, 0x34,
	0x12, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01, 0x98, 0xba, 0xdc,
	0xfe, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};

static uint8_t arrived[MSG_FRAME_BYTES_MAX];

static void setup(void)
{
	memcpy(arrived, example_bytes, sizeof example_bytes);
}

static void expect_fault(size_t bytes, enum msg_frame_fault fault)
{
	struct msg_frame frame, before;

	memset(&frame, 0x5a, sizeof frame);
	before = frame;
	ck_assert_int_eq(msg_frame_read(arrived, bytes, &frame), fault);
	ck_assert_mem_eq(&frame, &before, sizeof frame);
}

START_TEST(a_header_is_written_byte_by_byte_as_specified)
{
	uint8_t header[MSG_FRAME_HEADER_BYTES];

	msg_frame_write(header, &example);
	ck_assert_mem_eq(header, example_bytes, sizeof header);
}
END_TEST

START_TEST(a_header_is_read_back_at_any_alignment)
{
	static uint8_t shifted[MSG_FRAME_BYTES_MAX + 8];

	for (unsigned shift = 0; shift < 8; shift++) {
		struct msg_frame frame;

		memcpy(shifted + shift, example_bytes, sizeof example_bytes);
		ck_assert_int_eq(
			msg_frame_read(shifted + shift, 0x1234, &frame),
			MSG_FRAME_OK);
		ck_assert_uint_eq(frame.type, example.type);
		ck_assert_uint_eq(frame.bytes, example.bytes);
		ck_assert_uint_eq(frame.tag, example.tag);
		ck_assert_uint_eq(frame.publisher, example.publisher);
		ck_assert_uint_eq(frame.transmission, example.transmission);
		ck_assert_uint_eq(frame.sequence, example.sequence);
	}
}
END_TEST

START_TEST(fewer_bytes_than_a_header_are_short)
{
	for (size_t bytes = 0; bytes < MSG_FRAME_HEADER_BYTES; bytes++)
		expect_fault(bytes, MSG_FRAME_FAULT_SHORT);
}
END_TEST

START_TEST(every_other_version_is_refused)
{
	for (unsigned version = 0; version < 16; version++) {
		arrived[0] = (uint8_t)(version | 3 << 4);
		if (version != MSG_FRAME_VERSION)
			expect_fault(0x1234, MSG_FRAME_FAULT_VERSION);
	}
}
END_TEST

/* 0, and 5, which stays unknown for good. */
static bool type_known(unsigned type)
{
	return (type != 0 && type != 5 && type <= MSG_FRAME_SHELF) ||
	       type == MSG_FRAME_QUESTION || type == MSG_FRAME_ANSWER;
}

START_TEST(every_other_type_is_refused)
{
	for (unsigned type = 0; type < 16; type++) {
		struct msg_frame frame;

		arrived[0] = (uint8_t)(MSG_FRAME_VERSION | type << 4);
		arrived[1] = type == MSG_FRAME_LARGE ? MSG_FRAME_RELIABLE : 0;
		if (!type_known(type))
			expect_fault(0x1234, MSG_FRAME_FAULT_TYPE);
		else
			ck_assert_int_eq(
				msg_frame_read(arrived, 0x1234, &frame),
				MSG_FRAME_OK);
	}
}
END_TEST

/* RELIABLE, and with it REPAIR, and only what carries messages; LARGE never
 * without. */
static bool flags_fit(unsigned type, unsigned flags)
{
	if (flags == 0)
		return type != MSG_FRAME_LARGE;
	return (type <= MSG_FRAME_FRAGMENT || type == MSG_FRAME_LARGE) &&
	       (flags == 1 || flags == 3);
}

START_TEST(every_other_flag_is_refused)
{
	for (unsigned type = 1; type <= MSG_FRAME_ANSWER; type++)
		for (unsigned flags = 0; flags < 256; flags++) {
			bool fit = flags_fit(type, flags);
			struct msg_frame frame;

			arrived[0] = (uint8_t)(MSG_FRAME_VERSION | type << 4);
			arrived[1] = (uint8_t)flags;
			if (!type_known(type))
				continue;
			if (!fit) {
				expect_fault(0x1234, MSG_FRAME_FAULT_FLAGS);
				continue;
			}
			ck_assert_int_eq(
				msg_frame_read(arrived, 0x1234, &frame),
				MSG_FRAME_OK);
			ck_assert_uint_eq(frame.flags, flags);
		}
}
END_TEST

static void set_length(unsigned length)
{
	arrived[2] = (uint8_t)length;
	arrived[3] = (uint8_t)(length >> 8);
}

START_TEST(a_length_below_the_header_is_refused)
{
	for (unsigned length = 0; length < MSG_FRAME_HEADER_BYTES; length++) {
		set_length(length);
		expect_fault(sizeof arrived, MSG_FRAME_FAULT_LENGTH);
	}
}
END_TEST

START_TEST(a_length_above_what_arrived_is_refused)
{
	expect_fault(0x1233, MSG_FRAME_FAULT_LENGTH);
	expect_fault(MSG_FRAME_HEADER_BYTES, MSG_FRAME_FAULT_LENGTH);
}
END_TEST

START_TEST(a_length_above_the_maximum_is_refused)
{
	static uint8_t huge[65535];
	struct msg_frame frame;

	memcpy(huge, example_bytes, sizeof example_bytes);
	huge[2] = (MSG_FRAME_BYTES_MAX + 1) & 255;
	huge[3] = (MSG_FRAME_BYTES_MAX + 1) >> 8;
	ck_assert_int_eq(msg_frame_read(huge, sizeof huge, &frame),
		MSG_FRAME_FAULT_LENGTH);
	huge[2]--;
	ck_assert_int_eq(
		msg_frame_read(huge, sizeof huge, &frame), MSG_FRAME_OK);
	ck_assert_uint_eq(frame.bytes, MSG_FRAME_BYTES_MAX);
}
END_TEST

/* By a connection comes what was sent, and no more. */
START_TEST(a_frame_larger_than_its_length_can_say_is_all_that_arrived)
{
	static uint8_t large[MSG_FRAME_WHOLE_MAX + 1];
	const uint32_t bytes[] = {
		MSG_FRAME_BYTES_MAX + 1, 65535, 65536, MSG_FRAME_WHOLE_MAX};
	struct msg_frame out = example;
	struct msg_frame in;

	for (unsigned i = 0; i < 4; i++) {
		out.bytes = bytes[i];
		msg_frame_write(large, &out);
		ck_assert_uint_eq(large[2] | large[3], 0);
		ck_assert_int_eq(msg_frame_read(large, bytes[i], &in),
			MSG_FRAME_OK);
		ck_assert_uint_eq(in.bytes, bytes[i]);
		ck_assert_int_eq(
			msg_frame_read(large, MSG_FRAME_BYTES_MAX, &in),
			MSG_FRAME_FAULT_LENGTH);
		ck_assert_int_eq(msg_frame_read(large, sizeof large, &in),
			MSG_FRAME_FAULT_LENGTH);
	}
}
END_TEST

START_TEST(bytes_behind_the_length_are_padding_and_ignored)
{
	struct msg_frame frame;

	set_length(MSG_FRAME_HEADER_BYTES);
	ck_assert_int_eq(
		msg_frame_read(arrived, MSG_FRAME_HEADER_BYTES + 3, &frame),
		MSG_FRAME_OK);
	ck_assert_uint_eq(frame.bytes, MSG_FRAME_HEADER_BYTES);
}
END_TEST

START_TEST(every_fault_has_a_name_of_its_own)
{
	static const char *const names[] = {
		"ok", "short", "version", "type", "flags", "length"};

	for (unsigned i = 0; i <= MSG_FRAME_FAULT_LENGTH; i++)
		ck_assert_str_eq(msg_frame_fault_name((enum msg_frame_fault)i),
			names[i]);
	ck_assert_str_eq(
		msg_frame_fault_name((enum msg_frame_fault)7), "unknown");
}
END_TEST

START_TEST(random_headers_survive_the_round_trip)
{
	struct random_stream random = {check_seed()};

	for (unsigned i = 0; i < 100000; i++) {
		uint8_t header[MSG_FRAME_HEADER_BYTES];
		struct msg_frame out = {
			.type = (uint8_t)(1 + random_below(&random, 3)),
			.flags = (uint8_t[]){0, 1, 3}[random_below(&random, 3)],
			.bytes = (uint16_t)(24 + random_below(&random, 65484)),
			.tag = (uint32_t)random_next(&random),
			.publisher = (uint32_t)random_next(&random),
			.transmission = (uint32_t)random_next(&random),
			.sequence = random_next(&random)};
		struct msg_frame in;

		msg_frame_write(header, &out);
		memcpy(arrived, header, sizeof header);
		ck_assert_int_eq(
			msg_frame_read(arrived, out.bytes, &in), MSG_FRAME_OK);
		ck_assert(in.type == out.type && in.flags == out.flags &&
			  in.bytes == out.bytes && in.tag == out.tag &&
			  in.publisher == out.publisher &&
			  in.transmission == out.transmission &&
			  in.sequence == out.sequence);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("frame");
	TCase *good = check_case(suite, "good", 20);
	TCase *bad = check_case(suite, "bad", 20);

	tcase_add_checked_fixture(good, setup, NULL);
	tcase_add_test(good, a_header_is_written_byte_by_byte_as_specified);
	tcase_add_test(good, a_header_is_read_back_at_any_alignment);
	tcase_add_test(good, bytes_behind_the_length_are_padding_and_ignored);
	tcase_add_test(good,
		a_frame_larger_than_its_length_can_say_is_all_that_arrived);
	tcase_add_test(good, every_fault_has_a_name_of_its_own);
	tcase_add_test(good, random_headers_survive_the_round_trip);
	tcase_add_checked_fixture(bad, setup, NULL);
	tcase_add_test(bad, fewer_bytes_than_a_header_are_short);
	tcase_add_test(bad, every_other_version_is_refused);
	tcase_add_test(bad, every_other_type_is_refused);
	tcase_add_test(bad, every_other_flag_is_refused);
	tcase_add_test(bad, a_length_below_the_header_is_refused);
	tcase_add_test(bad, a_length_above_what_arrived_is_refused);
	tcase_add_test(bad, a_length_above_the_maximum_is_refused);
	return check_main(suite, NULL);
}
