/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_recover.c - the order of a reliable stream; see protocol/recover.h.
 *
 * The rules one by one: here of order, in recover_loss.c of loss, in
 * recover_belief.c of what is not believed, in recover_questions.c of reports, in
 * recover_position.c of positions, in recover_join.c of joining, in
 * recover_fetch.c of what is had without asking, in recover_pause.c of waiting, in
 * recover_end.c of the end, in recover_again.c of what the simulator found;
 * recover_oracle.c tests them all together.  They are one program.
 */
#include "recover_again.h"
#include "recover_end.h"
#include "recover_fetch.h"
#include "recover_loss.h"
#include "recover_oracle.h"
#include "recover_pause.h"
#include "recover_questions.h"
#include "recover_story.h"

/* ---- begin and order --------------------------------------------------- */

START_TEST(a_stream_begins_with_the_first_frame_heard)
{
	ck_assert_int_eq(one(5, 0), MSG_RECOVER_DELIVER);
	ck_assert_int_eq(one(6, 0), MSG_RECOVER_DELIVER);
	ck_assert_int_eq(frame(7, 7, 3, 0), MSG_RECOVER_DELIVER);
	ck_assert_int_eq(frame(8, 10, 1, 0), MSG_RECOVER_DELIVER);
	EXPECT("5 6 7 10 ");
	ck_assert_uint_eq(reader.recover.origin, 5);
	EXPECT_DEADLINE(UINT64_MAX);
}
END_TEST

START_TEST(what_came_before_the_first_frame_is_late_and_not_lost)
{
	one(5, 0);
	ck_assert_int_eq(one(4, 0), MSG_RECOVER_DROP);
	one(6, 0);
	EXPECT("5 6 ");
	EXPECT_COUNT(late, 1);
	EXPECT_LOST(0);
}
END_TEST

START_TEST(a_stream_begins_behind_a_probe)
{
	probe(5, 0);
	EXPECT_DEADLINE(UINT64_MAX);
	one(6, 10);
	EXPECT("");
	one(4, 20); /* Not ours, and not lost. */
	one(5, 30);
	EXPECT("5 6 ");
	EXPECT_LOST(0);
	ck_assert_uint_eq(reader.recover.origin, 5);
}
END_TEST

START_TEST(a_frame_lost_behind_the_first_probe_is_counted)
{
	probe(5, 0);
	one(7, 10);
	tick(UINT64_MAX);
	EXPECT("!2 7 ");
	ck_assert_uint_eq(reader.recover.origin, 5);
}
END_TEST

START_TEST(a_repair_begins_no_stream)
{
	ck_assert_int_eq(repair(5, 1, 0), MSG_RECOVER_DROP);
	EXPECT_COUNT(late, 1);
	one(7, 0);
	EXPECT("7 ");
}
END_TEST

START_TEST(a_begin_inside_a_message_begins_with_the_next)
{
	part(5, 5, 10, 0);
	part(6, 5, 20, 0);
	part(7, 6, 0, 0);
	part(8, 6, 10, 0);
	part(9, 6, 20, 0);
	frame(10, 7, 1, 0);
	EXPECT("6@0 6@10 6@20 7 ");
	EXPECT_LOST(0);
	ck_assert_uint_eq(reader.recover.origin, 6);
	EXPECT_COUNT(unbelieved, 0);
}
END_TEST

START_TEST(a_probe_inside_a_message_begins_with_the_next)
{
	struct msg_probe p = probe_of(5);

	p.next_sequence = 8;
	probe_with(p, 0);
	part(5, 8, 20, 0);
	frame(6, 9, 2, 0);
	EXPECT("9 ");
	EXPECT_LOST(0);
	ck_assert_uint_eq(reader.recover.origin, 9);
}
END_TEST

START_TEST(early_frames_wait_for_the_one_before)
{
	one(1, 0);
	ck_assert_int_eq(one(3, 0), MSG_RECOVER_HELD);
	ck_assert_int_eq(one(4, 0), MSG_RECOVER_HELD);
	EXPECT("1 ");
	ck_assert_int_eq(one(2, 0), MSG_RECOVER_HELD);
	EXPECT("1 2 3 4 ");
	EXPECT_COUNT(reordered, 1);
	ck_assert_int_eq(one(5, 0), MSG_RECOVER_DELIVER);
}
END_TEST

START_TEST(the_next_frame_is_delivered_though_others_are_missing)
{
	one(1, 0);
	probe(4, 0);
	ck_assert_int_eq(one(2, 0), MSG_RECOVER_DELIVER);
	EXPECT("1 2 ");
}
END_TEST

START_TEST(duplicates_are_late_delivered_or_held)
{
	one(1, 0);
	one(1, 0);
	one(3, 0);
	one(3, 0);
	repair(3, 1, 0);
	one(2, 0);
	one(2, 0);
	EXPECT("1 2 3 ");
	EXPECT_COUNT(late, 4);
}
END_TEST

START_TEST(frame_numbers_and_sequences_wrap)
{
	frame(UINT32_MAX - 1, UINT64_MAX - 1, 1, 0);
	frame(1, 1, 1, 0);
	frame(UINT32_MAX, UINT64_MAX, 1, 0);
	frame(0, 0, 1, 0);
	frame(2, 2, 1, 0);
	EXPECT("-2 -1 0 1 2 ");
	EXPECT_LOST(0);
}
END_TEST

START_TEST(a_repair_has_its_whole_sequence_from_the_position)
{
	uint64_t sequence = UINT64_C(0x7ffffffff);

	probe(0, 0);
	frame(1, sequence, 1, 0);
	EXPECT("");
	story_begin();
	frame(6, sequence, 1, 0);
	frame(8, sequence + 2, 1, 0);
	send_repair_of(7, sequence + 1, 3, 0);
	ck_assert_uint_eq(reader.recover.sequence, sequence + 3);
	EXPECT_COUNT(repaired, 1);
}
END_TEST

/* ---- the window -------------------------------------------------------- */

START_TEST(frames_beyond_the_window_are_dropped_and_asked_for_later)
{
	probe(1, 0);
	for (uint32_t n = 2; n < 2 + WINDOW - 1; n++)
		ck_assert_int_eq(one(n, 0), MSG_RECOVER_HELD);
	ck_assert_int_eq(one(1 + WINDOW, 0), MSG_RECOVER_DROP);
	ck_assert_int_eq(one(2 + WINDOW, 0), MSG_RECOVER_DROP);
	EXPECT_COUNT(beyond, 2);
	EXPECT_ASKED("?1", REORDER);
	one(1, REORDER);
	EXPECT("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 ");
	EXPECT_ASKED("?17 ?18", 2 * REORDER);
}
END_TEST

START_TEST(a_smallest_window_works_around_all_its_places)
{
	one(0, 0);
	for (uint32_t n = 1; n < 200; n += 2) {
		one(n + 1, n);
		one(n, n);
	}
	EXPECT_LOST(0);
	EXPECT_COUNT(reordered, 100);
	ck_assert_uint_eq(reader.delivered, 201);
}
END_TEST

static void add_order_tests(Suite *suite)
{
	TCase *order = check_case(suite, "order", 10);

	tcase_add_checked_fixture(order, story_begin, NULL);
	tcase_add_test(order, a_stream_begins_with_the_first_frame_heard);
	tcase_add_test(
		order, what_came_before_the_first_frame_is_late_and_not_lost);
	tcase_add_test(order, a_stream_begins_behind_a_probe);
	tcase_add_test(order, a_frame_lost_behind_the_first_probe_is_counted);
	tcase_add_test(order, a_repair_begins_no_stream);
	tcase_add_test(order, a_begin_inside_a_message_begins_with_the_next);
	tcase_add_test(order, a_probe_inside_a_message_begins_with_the_next);
	tcase_add_test(order, early_frames_wait_for_the_one_before);
	tcase_add_test(
		order, the_next_frame_is_delivered_though_others_are_missing);
	tcase_add_test(order, duplicates_are_late_delivered_or_held);
	tcase_add_test(order, frame_numbers_and_sequences_wrap);
	tcase_add_test(
		order, a_repair_has_its_whole_sequence_from_the_position);
	tcase_add_test(order,
		frames_beyond_the_window_are_dropped_and_asked_for_later);
	tcase_add_test(order, a_smallest_window_works_around_all_its_places);
}

int main(void)
{
	Suite *suite = suite_create("recover");

	add_order_tests(suite);
	add_loss_tests(suite);
	add_belief_tests(suite);
	add_question_tests(suite);
	add_position_tests(suite);
	add_join_tests(suite);
	add_again_tests(suite);
	add_pause_tests(suite);
	add_end_tests(suite);
	add_fetch_tests(suite);
	add_oracle_tests(suite);
	return check_main(suite, NULL);
}
