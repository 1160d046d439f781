/* SPDX-License-Identifier: BSD-2-Clause */
/* test_text.c - short texts between processes; see base/text.h. */
#include "base/text.h"

#include <string.h>

#include "check_main.h"

static const struct {
	const char *bad;
	const char *cleaned;
} cases[] = {
	{"", ""},
	{"feed", "feed"},
	{"prüf ✓ 🙂", "prüf ✓ 🙂"},
	{"a\nb", "a?b"},
	{"\x1b[2J", "?[2J"},
	{"a\x7f", "a?"},
	{"\xc2\x9b"
	 "1m",
		"??1m"},              /* C1: an escape by itself. */
	{"\xc0\xaf", "??"},           /* Overlong. */
	{"\xed\xa0\x80", "???"},      /* A surrogate. */
	{"\xf4\x90\x80\x80", "????"}, /* Above U+10FFFF. */
	{"x\xe2\x9c", "x??"},         /* Cut. */
	{"\xff", "?"},
};

START_TEST(bad_text_is_replaced_or_refused)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char to[32] = {0};
		const char *from = cases[i].bad;
		bool good = strcmp(from, cases[i].cleaned) == 0;

		ck_assert_uint_eq(msg_text_clean(to, from, 31), strlen(from));
		ck_assert_str_eq(to, cases[i].cleaned);
		ck_assert_int_eq(
			msg_text_take(to, 31, from, strlen(from)), good);
		ck_assert(msg_text_take(
			to, 31, cases[i].cleaned, strlen(cases[i].cleaned)));
		ck_assert_str_eq(to, cases[i].cleaned);
	}
}
END_TEST

START_TEST(a_zero_inside_is_refused)
{
	char to[8];

	ck_assert(!msg_text_take(to, 7, "a\0b", 3));
}
END_TEST

START_TEST(length_is_bounded)
{
	char to[5] = "....";

	ck_assert(!msg_text_take(to, 3, "abcd", 4));
	ck_assert(msg_text_take(to, 4, "abcd", 4));
	ck_assert_str_eq(to, "abcd");
	ck_assert(msg_text_take(to, 0, NULL, 0));
	ck_assert_str_eq(to, "");
	memset(to, '.', sizeof to);
	ck_assert_uint_eq(msg_text_clean(to, "abcdef", 3), 3);
	ck_assert_mem_eq(to, "abc..", 5);
	/* A character that does not fit is not cut but replaced. */
	ck_assert_uint_eq(msg_text_clean(to, "ab\xc3\xbc", 3), 3);
	ck_assert_mem_eq(to, "ab?..", 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("text");
	TCase *text = check_case(suite, "text", 10);

	tcase_add_test(text, bad_text_is_replaced_or_refused);
	tcase_add_test(text, a_zero_inside_is_refused);
	tcase_add_test(text, length_is_bounded);
	return check_main(suite, NULL);
}
