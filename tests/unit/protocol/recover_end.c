/* SPDX-License-Identifier: BSD-2-Clause */
/* recover_end.c - a stream that has said goodbye while there is no way to it. */
#include "recover_end.h"

#include "protocol/pack.h"
#include "recover_story.h"

static void end_at(uint64_t end, uint64_t now)
{
	msg_recover_end(&reader.recover, end, now);
}

START_TEST(what_is_not_there_in_time_is_lost)
{
	one(5, 0);
	end_at(10, 7);
	EXPECT_DEADLINE(7 + GIVE_UP);
	tick(6 + GIVE_UP);
	EXPECT_LOST(0);
	tick(7 + GIVE_UP);
	EXPECT_LOST(4);
	EXPECT_COUNT(gone, 4);
	EXPECT_DEADLINE(UINT64_MAX);
	tick(9 * GIVE_UP);
	EXPECT_LOST(4);
}
END_TEST

START_TEST(a_long_end_is_lost_at_once)
{
	one(5, 0);
	end_at(6 + 10 * WINDOW * MSG_PACK_COUNT_MAX, 0);
	tick(GIVE_UP);
	EXPECT_LOST(10 * WINDOW * MSG_PACK_COUNT_MAX);
}
END_TEST

START_TEST(what_was_held_comes_before)
{
	one(5, 0);
	one(8, 0);
	end_at(12, 0);
	tick(GIVE_UP);
	EXPECT("5 !2 8 ");
	EXPECT_LOST(2 + 3);
}
END_TEST

START_TEST(a_message_in_parts_is_lost_with_the_rest)
{
	one(4, 0);
	part(5, 5, 0, 0);
	end_at(7, 0);
	tick(GIVE_UP);
	EXPECT("4 5@0 ");
	EXPECT_LOST(2);
}
END_TEST

START_TEST(who_is_heard_again_has_not_ended)
{
	one(5, 0);
	end_at(10, 0);
	probe(10, GIVE_UP / 2);
	tick(GIVE_UP);
	EXPECT_LOST(0);
	for (uint32_t n = 6; n < 10; n++)
		one(n, GIVE_UP);
	EXPECT("5 6 7 8 9 ");
}
END_TEST

START_TEST(a_goodbye_is_taken_back)
{
	one(5, 0);
	end_at(10, 0);
	msg_recover_goes_on(&reader.recover);
	EXPECT_DEADLINE(UINT64_MAX);
	tick(2 * GIVE_UP);
	EXPECT_LOST(0);
}
END_TEST

START_TEST(who_has_all_loses_nothing)
{
	one(5, 0);
	end_at(6, 0);
	EXPECT_DEADLINE(UINT64_MAX);
	end_at(8, 0);
	one(6, 1);
	one(7, 1);
	tick(GIVE_UP);
	EXPECT_LOST(0);
	/* And more than was told of. */
	end_at(9, 0);
	one(8, 1);
	one(9, 1);
	tick(GIVE_UP);
	EXPECT("5 6 7 8 9 ");
	EXPECT_LOST(0);
}
END_TEST

START_TEST(an_end_that_cannot_be_is_none)
{
	const uint64_t most = (uint64_t)MSG_RECOVER_LEAP * MSG_PACK_COUNT_MAX;

	end_at(10, 0); /* It has not begun. */
	EXPECT_DEADLINE(UINT64_MAX);
	one(5, 0);
	end_at(5, 0);
	end_at(6 + most + 1, 0);
	EXPECT_COUNT(unbelieved, 2);
	EXPECT_DEADLINE(UINT64_MAX);
	end_at(6 + most, 0);
	tick(GIVE_UP);
	EXPECT_LOST(most);
}
END_TEST

/* It was thrown out, and another broker serves it: frame numbers leave room. */
START_TEST(one_that_comes_back_after_all_goes_on)
{
	struct msg_probe p = probe_of(5000);

	one(5, 0);
	end_at(10, 0);
	tick(GIVE_UP);
	p.first = 5000;
	p.first_sequence = p.next_sequence = 12;
	probe_with(p, GIVE_UP);
	frame(5000, 12, 1, GIVE_UP);
	EXPECT("5 !6 12 ");
	EXPECT_LOST(6);
}
END_TEST

START_TEST(one_that_is_being_read_ends_behind_that)
{
	one(5, 0);
	msg_recover_pause(&reader.recover);
	end_at(10, 0);
	tick(2 * GIVE_UP);
	EXPECT_LOST(0);
	msg_recover_resume(&reader.recover);
	tick(2 * GIVE_UP);
	EXPECT_LOST(4);
}
END_TEST

START_TEST(who_waits_for_history_ends_behind_that)
{
	struct msg_recover_options o = story_options();

	o.history = 1;
	story_begin_with(o);
	probe(5, 0);
	end_at(10, 0);
	tick(GIVE_UP / 4);
	EXPECT_LOST(0);
	tick(UINT64_MAX);
	EXPECT_LOST(5);
}
END_TEST

void add_end_tests(Suite *suite)
{
	TCase *tests = check_case(suite, "end", 10);

	tcase_add_checked_fixture(tests, story_begin, NULL);
	tcase_add_test(tests, what_is_not_there_in_time_is_lost);
	tcase_add_test(tests, a_long_end_is_lost_at_once);
	tcase_add_test(tests, what_was_held_comes_before);
	tcase_add_test(tests, a_message_in_parts_is_lost_with_the_rest);
	tcase_add_test(tests, who_is_heard_again_has_not_ended);
	tcase_add_test(tests, a_goodbye_is_taken_back);
	tcase_add_test(tests, who_has_all_loses_nothing);
	tcase_add_test(tests, an_end_that_cannot_be_is_none);
	tcase_add_test(tests, one_that_comes_back_after_all_goes_on);
	tcase_add_test(tests, one_that_is_being_read_ends_behind_that);
	tcase_add_test(tests, who_waits_for_history_ends_behind_that);
}
