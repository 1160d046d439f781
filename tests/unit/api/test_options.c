/* SPDX-License-Identifier: BSD-2-Clause */
/* test_options.c - see libmsg/api/options.h. */
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#include "api/options.h"
#include "base/trail.h"
#include "check_main.h"

struct known {
	size_t struct_bytes;
	uint64_t first;
	uint64_t second;
};

struct newer {
	struct known known;
	uint8_t later[32];
};

static int copy(struct known *to, const void *from)
{
	memset(to, 0xee, sizeof *to);
	return msg_options_copy(to, sizeof *to, from, "KNOWN_OPTIONS");
}

START_TEST(no_options_are_all_defaults)
{
	struct known o;

	ck_assert_int_eq(copy(&o, NULL), 0);
	ck_assert_uint_eq(o.first, 0);
	ck_assert_uint_eq(o.second, 0);
}
END_TEST

START_TEST(fields_of_every_size_of_struct_are_taken)
{
	struct newer given = {.known = {0, 11, 22}};
	struct known o;

	for (size_t bytes = 0; bytes <= sizeof given; bytes += 4) {
		int result;

		given.known.struct_bytes = bytes;
		result = copy(&o, &given);
		if (bytes < sizeof(size_t)) {
			ck_assert_int_eq(result, -MSG_ERROR_ARGUMENT);
			ck_assert_ptr_nonnull(
				strstr(msg_trail_text(), "KNOWN_OPTIONS"));
			continue;
		}
		ck_assert_int_eq(result, 0);
		if (bytes % 8 != 0)
			continue; /* No struct ends in the middle of a field. */
		ck_assert_uint_eq(o.first, bytes >= 16 ? 11 : 0);
		ck_assert_uint_eq(o.second, bytes >= 24 ? 22 : 0);
	}
	given.known.struct_bytes = 4097;
	ck_assert_int_eq(copy(&o, &given), -MSG_ERROR_ARGUMENT);
}
END_TEST

START_TEST(a_field_we_do_not_know_must_be_zero)
{
	struct newer given = {.known = {sizeof given, 1, 2}};
	struct known o;

	for (size_t i = 0; i < sizeof given.later; i++) {
		given.later[i] = 1;
		ck_assert_int_eq(copy(&o, &given), -MSG_ERROR_ARGUMENT);
		ck_assert_ptr_nonnull(strstr(msg_trail_text(), "newer"));
		given.later[i] = 0;
		ck_assert_int_eq(copy(&o, &given), 0);
	}
}
END_TEST

static int number(uint32_t *value, const char *text)
{
	if (text)
		setenv("TEST_NUMBER", text, 1);
	else
		unsetenv("TEST_NUMBER");
	return msg_options_number(value, "field", "TEST_NUMBER", 7, 5, 90);
}

START_TEST(numbers_come_from_the_field_the_environment_or_the_default)
{
	static const char *const bad[] = {"x", "-6", "+6", " 6", "6 ", "6x",
		"0x6", "4294967296", "99999999999999999999", "4", "91", "0"};
	uint32_t value = 0;

	ck_assert_int_eq(number(&value, NULL), 0);
	ck_assert_uint_eq(value, 7);
	value = 0;
	ck_assert_int_eq(number(&value, ""), 0);
	ck_assert_uint_eq(value, 7);
	value = 0;
	ck_assert_int_eq(number(&value, "090"), 0);
	ck_assert_uint_eq(value, 90);
	/* The field is stronger, also where the environment is wrong. */
	value = 5;
	ck_assert_int_eq(number(&value, "nonsense"), 0);
	ck_assert_uint_eq(value, 5);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		value = 0;
		ck_assert_msg(number(&value, bad[i]) == -MSG_ERROR_ARGUMENT,
			"'%s' was taken", bad[i]);
	}
	for (value = 1; value < 100; value++)
		ck_assert_int_eq(number(&value, NULL),
			value >= 5 && value <= 90 ? 0 : -MSG_ERROR_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), "5 to 90"));
}
END_TEST

START_TEST(texts_come_from_the_field_or_the_environment)
{
	unsetenv("TEST_TEXT");
	ck_assert_ptr_null(msg_options_text(NULL, "TEST_TEXT"));
	ck_assert_str_eq(msg_options_text("a", "TEST_TEXT"), "a");
	setenv("TEST_TEXT", "b", 1);
	ck_assert_str_eq(msg_options_text(NULL, "TEST_TEXT"), "b");
	ck_assert_str_eq(msg_options_text("a", "TEST_TEXT"), "a");
	ck_assert_ptr_null(msg_options_text("", "TEST_TEXT"));
	setenv("TEST_TEXT", "", 1);
	ck_assert_ptr_null(msg_options_text(NULL, "TEST_TEXT"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *options = check_case(suite, "options", 10);

	tcase_add_test(options, no_options_are_all_defaults);
	tcase_add_test(options, fields_of_every_size_of_struct_are_taken);
	tcase_add_test(options, a_field_we_do_not_know_must_be_zero);
	tcase_add_test(options,
		numbers_come_from_the_field_the_environment_or_the_default);
	tcase_add_test(options, texts_come_from_the_field_or_the_environment);
	return check_main(suite, NULL);
}
