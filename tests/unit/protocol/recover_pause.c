/* SPDX-License-Identifier: BSD-2-Clause */
/* recover_pause.c - a stream that waits until a large message is read. */
#include "recover_pause.h"

#include "recover_story.h"

#define MS UINT64_C(1000000)

/* Frames 5 and 6 are had, and 6 is LARGE; the publisher is known. */
static void pause_behind_six(void)
{
	story_begin();
	probe(5, 0);
	asked(0);
	one(5, 0);
	one(6, 0);
	msg_recover_pause(&reader.recover);
	EXPECT("5 6 ");
}

START_TEST(what_comes_meanwhile_is_held_and_then_follows)
{
	pause_behind_six();
	ck_assert_int_eq(one(7, 1), MSG_RECOVER_HELD);
	ck_assert_int_eq(one(8, 1), MSG_RECOVER_HELD);
	tick(GIVE_UP / 2);
	EXPECT("5 6 ");
	msg_recover_resume(&reader.recover);
	EXPECT_DEADLINE(0);
	tick(2);
	EXPECT("5 6 7 8 ");
	ck_assert_int_eq(one(9, 3), MSG_RECOVER_DELIVER);
	EXPECT_LOST(0);
}
END_TEST

START_TEST(what_is_missing_meanwhile_is_asked_for)
{
	pause_behind_six();
	one(9, 1);
	EXPECT_ASKED("?7 ?8", 1 + REORDER);
	repair(7, 1, 2 * MS);
	repair(8, 2, 2 * MS);
	EXPECT("5 6 ");
	msg_recover_resume(&reader.recover);
	tick(2 * MS);
	EXPECT("5 6 7 8 9 ");
}
END_TEST

START_TEST(reports_stand_before_it_and_say_how_much_is_read)
{
	pause_behind_six();
	/* It begins: the publisher hears so at once. */
	EXPECT_DEADLINE(0);
	asked(1);
	ck_assert_uint_eq(last_report.position, 6);
	ck_assert_uint_eq(last_report.flags, MSG_REPORT_READING);
	ck_assert_uint_eq(last_report.history, 0);
	msg_recover_read(&reader.recover, 1000);
	EXPECT_DEADLINE(0);
	asked(2);
	ck_assert_uint_eq(last_report.position, 6);
	ck_assert_uint_eq(msg_report_read_pages(&last_report), 1000);
	msg_recover_resume(&reader.recover);
	asked(3);
	ck_assert_uint_eq(last_report.position, 7);
	ck_assert_uint_eq(last_report.flags, 0);
	ck_assert_uint_eq(last_report.history, 0);
	ck_assert_uint_eq(msg_report_read_pages(&last_report), 0);
}
END_TEST

/* Its own time to give up is not the stream's. */
START_TEST(what_will_not_come_is_lost_only_behind_it)
{
	pause_behind_six();
	one(8, 1);
	for (uint64_t now = 0; now < 3 * GIVE_UP; now += HEARTBEAT) {
		probe(9, now);
		tick(now);
	}
	EXPECT("5 6 ");
	EXPECT_LOST(0);
	msg_recover_resume(&reader.recover);
	tick(3 * GIVE_UP);
	EXPECT("5 6 !1 8 ");
	EXPECT_LOST(1);
}
END_TEST

START_TEST(a_full_window_meanwhile_is_all_that_is_held)
{
	pause_behind_six();
	for (uint32_t n = 7; n < 7 + WINDOW; n++)
		ck_assert_int_eq(one(n, 1), MSG_RECOVER_HELD);
	ck_assert_int_eq(one(7 + WINDOW, 1), MSG_RECOVER_DROP);
	EXPECT_COUNT(beyond, 1);
	msg_recover_resume(&reader.recover);
	tick(2);
	EXPECT("5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 ");
	EXPECT_ASKED("?23", 2 + REORDER);
}
END_TEST

void add_pause_tests(Suite *suite)
{
	TCase *tests = tcase_create("pause");

	tcase_add_test(tests, what_comes_meanwhile_is_held_and_then_follows);
	tcase_add_test(tests, what_is_missing_meanwhile_is_asked_for);
	tcase_add_test(
		tests, reports_stand_before_it_and_say_how_much_is_read);
	tcase_add_test(tests, what_will_not_come_is_lost_only_behind_it);
	tcase_add_test(tests, a_full_window_meanwhile_is_all_that_is_held);
	suite_add_tcase(suite, tests);
}
