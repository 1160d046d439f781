/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fetch.c - who comes late reads what was sent before, through the public API,
 * over a wire and connections in memory that are bad by seed; see engine/fetch.h
 * and engine/shelf.h.
 *
 * Those of connected topics are test_fetch_calls.c's.
 */
#include "engine/fetch.h"
#include "fetch_trial.h"
#include "memory_channel.h"
#include "memory_link.h"

/* ---- all of it is there --------------------------------------------------- */

#define MAX_SENT 12000u
#define HISTORY ((size_t)32 << 20)
#define MESSAGES 4000u

static const struct memory_wire_options wires[] = {
	{.lose = 0},
	{.lose = 100},
	{.lose = 50, .repeat = 50, .reorder = 50, .again = 50, .lag = true},
};

static const struct memory_channel_options lines[] = {
	{.refuse = 0},
	{.later = 500},
	{.cut = 5},
	{.refuse = 500, .cut = 20, .later = 700},
	{.refuse = 1000},
};

#define WIRES (sizeof wires / sizeof *wires)
#define LINES (sizeof lines / sizeof *lines)

/* The wire and the lines become bad when the reader is there. */
static void run_late(uint64_t seed, uint32_t wire, uint32_t line)
{
	uint32_t wanted = MESSAGES / 2;
	struct trial t;
	struct reader *r;

	open_trial(&t, seed, TOPIC_RELIABLE, HISTORY);
	if (random_chance(&t.random, 500))
		wanted = 1000 + (uint32_t)random_below(&t.random, 2 * MESSAGES);
	publish(&t, MESSAGES);
	r = add_reader(&t, wanted, 0);
	memory_wire_options = wires[wire];
	memory_channel_options = lines[line];
	memory_wire_options.seed = memory_channel_options.seed = seed;
	catch_up(&t, r, wanted);
	if (line == LINES - 1)
		MUST(&t, counted(r, MSG_COUNTER_FETCHED) == 0);
	/* Some were asked for before the connection was there. */
	if (wire == 0 && line == 0)
		MUST(&t, counted(r, MSG_COUNTER_FETCHED) > MSG_FETCH_WORTH);
	close_trial(&t);
}

START_TEST(who_comes_late_has_the_last_and_then_live)
{
	uint64_t seed = check_seed();

	for (uint32_t wire = 0; wire < WIRES; wire++)
		for (uint32_t line = 0; line < LINES; line++)
			for (uint64_t i = 0; i < 2; i++)
				run_late(seed + i, wire, line);
}
END_TEST

/* Few frames are asked for: no connection is made for them. */
START_TEST(for_little_nobody_connects)
{
	struct trial t;

	open_trial(&t, check_seed(), TOPIC_RELIABLE, HISTORY);
	publish(&t, 50);
	add_reader(&t, 40, 0);
	settle(&t);
	ck_assert_uint_eq(t.readers[0].begin, 10);
	ck_assert_uint_eq(memory_channel_counts.asked, 0);
	close_trial(&t);
}
END_TEST

START_TEST(several_read_at_the_same_time)
{
	struct trial t;

	open_trial(&t, check_seed(), TOPIC_RELIABLE, HISTORY);
	publish(&t, MESSAGES);
	read_by_several(&t);
}
END_TEST

/* Who falls behind so far that questions would be many reads again. */
START_TEST(a_long_gap_is_read_too)
{
	struct trial t;
	uint64_t before;

	open_trial(&t, check_seed(), TOPIC_RELIABLE, HISTORY);
	publish(&t, MESSAGES);
	add_reader(&t, UINT32_MAX, 0);
	settle(&t);
	before = counted(&t.readers[0], MSG_COUNTER_FETCHED);
	memory_wire_options.lose = 1000;
	publish(&t, MESSAGES);
	memory_wire_options.lose = 0;
	settle(&t);
	ck_assert_uint_eq(t.readers[0].lost, 0);
	ck_assert_uint_gt(
		counted(&t.readers[0], MSG_COUNTER_FETCHED), before + 100);
	close_trial(&t);
}
END_TEST

/* ---- what is gone ---------------------------------------------------------- */

/* The publisher writes over what is being read: nobody takes one for the other,
 * and what is lost is told. */
START_TEST(what_moves_on_while_it_is_read_is_lost_and_never_wrong)
{
	uint64_t lost = 0, fetched = 0;

	for (uint64_t i = 0; i < 20; i++) {
		struct trial t;

		open_trial(&t, check_seed() + i, TOPIC_RELIABLE, (size_t)8 << 20);
		publish(&t, MESSAGES);
		await_fetched(&t, add_reader(&t, UINT32_MAX, 0));
		memory_channel_options.later =
			(unsigned)random_below(&t.random, 950);
		while (t.sent < MAX_SENT) {
			publish(&t, (uint32_t)random_below(&t.random, 100));
			take_all(&t);
		}
		memory_channel_options.later = 0;
		settle(&t);
		lost += t.readers[0].lost;
		fetched += counted(&t.readers[0], MSG_COUNTER_FETCHED);
		close_trial(&t);
	}
	ck_assert_uint_gt(lost, 0);
	ck_assert_uint_gt(fetched, 100);
}
END_TEST

/* Closing in the middle of it gives all back. */
START_TEST(a_reader_may_close_while_it_reads)
{
	for (int turns = 0; turns < 40; turns++) {
		struct trial t;

		open_trial(&t, check_seed(), TOPIC_RELIABLE, HISTORY);
		publish(&t, 1500);
		close_while_it_reads(&t, turns);
	}
}
END_TEST

START_TEST(a_publisher_may_go_while_it_is_read)
{
	struct trial t;

	open_trial(&t, check_seed(), TOPIC_RELIABLE, HISTORY);
	publish(&t, MESSAGES);
	go_while_it_is_read(&t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fetch");
	TCase *whole = check_case(suite, "whole", 240);
	TCase *gone = check_case(suite, "gone", 240);

	tcase_add_test(whole, who_comes_late_has_the_last_and_then_live);
	tcase_add_test(whole, for_little_nobody_connects);
	tcase_add_test(whole, several_read_at_the_same_time);
	tcase_add_test(whole, a_long_gap_is_read_too);
	tcase_add_test(gone,
		what_moves_on_while_it_is_read_is_lost_and_never_wrong);
	tcase_add_test(gone, a_reader_may_close_while_it_reads);
	tcase_add_test(gone, a_publisher_may_go_while_it_is_read);
	return check_main(suite, NULL);
}
