/* SPDX-License-Identifier: BSD-2-Clause */
/* test_greeting.c - what is said when connecting; see protocol/greeting.h. */
#include "protocol/greeting.h"

#include <string.h>

#include "check_main.h"

static const struct msg_greeting greeting = {
	.incarnation = 0x0807060504030201,
	.receiver = 0x1817161514131211,
	.sequence = 0x2827262524232221,
	.tag = 0x34333231,
	.window = 0x44434241,
	.buffer_bytes = 0x54535251,
	.flags = MSG_GREETING_TAGGED | MSG_GREETING_RESUMES,
};

static const uint8_t greeted[MSG_GREETING_BYTES] = {1, 3, 0, 0, 0x31, 0x32,
	0x33, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16,
	0x17, 0x18, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x41, 0x42,
	0x43, 0x44, 0x51, 0x52, 0x53, 0x54};

static const uint8_t welcomed[MSG_WELCOME_BYTES] = {
	1, 0, 0, 0, 0x31, 0x32, 0x33, 0x34, 1, 2, 3, 4, 5, 6, 7, 8};

START_TEST(they_are_written_byte_by_byte_as_specified)
{
	struct msg_welcome welcome = {0x0807060504030201, 0x34333231};
	uint8_t data[MSG_GREETING_BYTES];

	msg_greeting_write(data, &greeting);
	ck_assert_mem_eq(data, greeted, sizeof greeted);
	msg_welcome_write(data, &welcome);
	ck_assert_mem_eq(data, welcomed, sizeof welcomed);
}
END_TEST

START_TEST(they_are_read_back)
{
	struct msg_welcome welcome;
	struct msg_greeting read;

	memset(&read, 0, sizeof read);
	ck_assert(msg_greeting_read(&read, greeted, sizeof greeted));
	ck_assert(read.incarnation == greeting.incarnation &&
		  read.receiver == greeting.receiver &&
		  read.sequence == greeting.sequence &&
		  read.tag == greeting.tag && read.window == greeting.window &&
		  read.buffer_bytes == greeting.buffer_bytes &&
		  read.flags == greeting.flags);
	ck_assert(msg_welcome_read(&welcome, welcomed, sizeof welcomed));
	ck_assert_uint_eq(welcome.incarnation, greeting.incarnation);
	ck_assert_uint_eq(welcome.tag, greeting.tag);
}
END_TEST

static void refuses(uint32_t at, uint8_t byte)
{
	struct msg_greeting read, before;
	uint8_t data[MSG_GREETING_BYTES];

	memset(&read, 0x5a, sizeof read);
	before = read;
	memcpy(data, greeted, sizeof data);
	data[at] = byte;
	ck_assert_msg(!msg_greeting_read(&read, data, sizeof data),
		"byte %u may be %u", at, byte);
	ck_assert_mem_eq(&read, &before, sizeof read);
}

START_TEST(what_is_not_used_is_zero)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		if (byte != 1)
			refuses(0, (uint8_t)byte);
		if (byte > 3)
			refuses(1, (uint8_t)byte);
		if (byte != 0) {
			refuses(2, (uint8_t)byte);
			refuses(3, (uint8_t)byte);
		}
	}
}
END_TEST

START_TEST(other_lengths_are_refused)
{
	struct msg_welcome welcome;
	struct msg_greeting read;
	uint8_t data[64] = {0};

	for (uint32_t n = 0; n < sizeof data; n++) {
		memcpy(data, greeted, sizeof greeted);
		ck_assert(msg_greeting_read(&read, data, n) ==
			  (n == MSG_GREETING_BYTES));
		memcpy(data, welcomed, sizeof welcomed);
		ck_assert(msg_welcome_read(&welcome, data, n) ==
			  (n == MSG_WELCOME_BYTES));
	}
}
END_TEST

START_TEST(who_has_no_name_or_no_room_is_refused)
{
	struct msg_greeting read;
	uint8_t data[MSG_GREETING_BYTES];

	memcpy(data, greeted, sizeof data);
	memset(data + 16, 0, 8);
	ck_assert(!msg_greeting_read(&read, data, sizeof data));
	memcpy(data, greeted, sizeof data);
	memset(data + 32, 0, 4);
	ck_assert(!msg_greeting_read(&read, data, sizeof data));
}
END_TEST

START_TEST(another_welcome_is_refused)
{
	struct msg_welcome welcome;
	uint8_t data[MSG_WELCOME_BYTES];

	for (uint32_t at = 0; at < 4; at++) {
		memcpy(data, welcomed, sizeof data);
		data[at] ^= 2;
		ck_assert(!msg_welcome_read(&welcome, data, sizeof data));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("greeting");
	TCase *c = check_case(suite, "greeting", 20);

	tcase_add_test(c, they_are_written_byte_by_byte_as_specified);
	tcase_add_test(c, they_are_read_back);
	tcase_add_test(c, what_is_not_used_is_zero);
	tcase_add_test(c, other_lengths_are_refused);
	tcase_add_test(c, who_has_no_name_or_no_room_is_refused);
	tcase_add_test(c, another_welcome_is_refused);
	return check_main(suite, NULL);
}
