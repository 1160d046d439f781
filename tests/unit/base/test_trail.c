/* SPDX-License-Identifier: BSD-2-Clause */
/* test_trail.c - one line of text per thread; see base/trail.h. */
#include "base/trail.h"

#include <pthread.h>
#include <string.h>

#include "check_main.h"

START_TEST(the_text_is_empty_before_the_first_failure)
{
	ck_assert_str_eq(msg_trail_text(), "");
}
END_TEST

START_TEST(a_failure_returns_the_code_negated_and_leaves_its_text)
{
	ck_assert_int_eq(msg_fail(6, "interface %s: try %d", "eth7", 1), -6);
	ck_assert_str_eq(msg_trail_text(), "interface eth7: try 1");
}
END_TEST

START_TEST(the_old_text_may_be_part_of_the_next)
{
	msg_fail(1, "no device");
	msg_fail(1, "node: %s", msg_trail_text());
	ck_assert_str_eq(msg_trail_text(), "node: no device");
}
END_TEST

START_TEST(a_long_text_is_cut_and_ended)
{
	char text[2 * MSG_TRAIL_BYTES];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	msg_fail(1, "%s", text);
	ck_assert_uint_eq(strlen(msg_trail_text()), MSG_TRAIL_BYTES - 1);
}
END_TEST

static void *fail_elsewhere(void *context)
{
	(void)context;
	msg_fail(2, "elsewhere");
	return NULL;
}

START_TEST(each_thread_has_its_own_text)
{
	pthread_t thread;

	msg_fail(1, "here");
	ck_assert_int_eq(
		pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
	pthread_join(thread, NULL);
	ck_assert_str_eq(msg_trail_text(), "here");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trail");
	TCase *trail = check_case(suite, "trail", 10);

	tcase_add_test(trail, the_text_is_empty_before_the_first_failure);
	tcase_add_test(
		trail, a_failure_returns_the_code_negated_and_leaves_its_text);
	tcase_add_test(trail, the_old_text_may_be_part_of_the_next);
	tcase_add_test(trail, a_long_text_is_cut_and_ended);
	tcase_add_test(trail, each_thread_has_its_own_text);
	return check_main(suite, NULL);
}
