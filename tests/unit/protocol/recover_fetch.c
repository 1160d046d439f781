/* SPDX-License-Identifier: BSD-2-Clause */
/* recover_fetch.c - frames that are had without being asked for. */
#include "recover_fetch.h"

#include "recover_story.h"

#define US UINT64_C(1000)

static uint64_t from;

static uint32_t fetch(uint32_t most)
{
	from = 0;
	return msg_recover_fetch(&reader.recover, most, &from);
}

/* Low halves: the stream counts from somewhere above 2^32. */
#define EXPECT_FETCHED(most, first, n)                                         \
	do {                                                                   \
		ck_assert_uint_eq(fetch(most), n);                             \
		ck_assert_uint_eq((uint32_t)from, first);                      \
	} while (0)

/* Frame 1 is had, and as many follow as `end` says; a window of 64. */
static void begin(uint32_t end)
{
	struct msg_recover_options options = story_options();

	options.window = 64;
	story_begin_with(options);
	one(1, 0);
	probe(end, 0);
	EXPECT("1 ");
}

static void repairs(uint32_t first, uint32_t end, uint64_t now)
{
	for (uint32_t n = first; n < end; n++)
		repair(n, 0, now);
}

START_TEST(nothing_is_fetched_unless_it_can_be)
{
	begin(60);
	EXPECT_FETCHED(100, 0, 0);
	ck_assert_uint_eq(msg_recover_unasked(&reader.recover), 58);
	msg_recover_fetches(&reader.recover, true, 0);
	EXPECT_FETCHED(100, 2, 58);
	ck_assert_uint_eq(msg_recover_unasked(&reader.recover), 0);
	EXPECT_FETCHED(100, 0, 0);
}
END_TEST

START_TEST(what_is_fetched_is_not_asked_for_and_comes_in_order)
{
	begin(60);
	msg_recover_fetches(&reader.recover, true, 0);
	EXPECT_DEADLINE(UINT64_MAX);
	EXPECT_FETCHED(20, 2, 20);
	EXPECT_ASKED("", GIVE_UP / 2);
	repairs(2, 22, 10 * US);
	EXPECT_FETCHED(20, 22, 20);
	repairs(22, 42, 20 * US);
	EXPECT_COUNT(repaired, 40);
	EXPECT_COUNT(asked, 0);
	EXPECT_COUNT(reordered, 0);
	ck_assert(!reader.recover.measured);
	/* So few are left that they are asked for. */
	EXPECT_FETCHED(20, 0, 0);
	EXPECT_ASKED("?42 ?43 ?44 ?45 ?46 ?47 ?48 ?49 ?50 ?51 ?52 ?53 ?54 ?55 "
		     "?56 ?57 ?58 ?59",
		20 * US + REORDER);
	repairs(42, 60, 30 * US);
	EXPECT_LOST(0);
	ck_assert_uint_eq((uint32_t)reader.recover.next, 60);
	ck_assert_uint_eq(reader.recover.asked_count, 0);
}
END_TEST

START_TEST(a_run_ends_where_something_is_there)
{
	begin(60);
	one(10, 0);
	msg_recover_fetches(&reader.recover, true, 0);
	EXPECT_FETCHED(100, 2, 8);
	EXPECT_FETCHED(100, 11, 49);
}
END_TEST

START_TEST(what_was_asked_for_before_is_not_fetched)
{
	struct msg_recover_options options = story_options();

	options.window = 64;
	options.ask_max = 3;
	story_begin_with(options);
	one(1, 0);
	probe(60, 0);
	EXPECT_ASKED("?2 ?3 ?4", REORDER);
	msg_recover_fetches(&reader.recover, true, REORDER);
	EXPECT_FETCHED(100, 5, 55);
	/* Those are asked for again, and the others not. */
	EXPECT_ASKED("?2 ?3 ?4", REORDER + 4 * RTT);
	ck_assert_uint_eq(reader.recover.asked_count, 3);
	repairs(2, 5, REORDER + 5 * RTT);
	EXPECT("1 2 3 4 ");
	ck_assert_uint_eq(reader.recover.asked_count, 0);
}
END_TEST

START_TEST(a_small_gap_is_asked_for_at_once_meanwhile)
{
	begin(40);
	msg_recover_fetches(&reader.recover, true, 0);
	EXPECT_FETCHED(100, 2, 38);
	one(40, 10);
	one(42, 10);
	EXPECT_ASKED("?41", 10 + REORDER);
	repairs(2, 40, 20 * US);
	repair(41, 1, 30 * US);
	ck_assert_uint_eq((uint32_t)reader.recover.next, 43);
	EXPECT_LOST(0);
}
END_TEST

START_TEST(what_did_not_come_is_fetched_again)
{
	begin(60);
	msg_recover_fetches(&reader.recover, true, 0);
	EXPECT_FETCHED(20, 2, 20);
	repairs(2, 5, 10 * US);
	repairs(6, 10, 10 * US);
	msg_recover_unfetch(&reader.recover, 10 * US);
	EXPECT_FETCHED(20, 5, 1);
	EXPECT_FETCHED(20, 10, 20);
	/* Nothing was, and nothing is to be. */
	EXPECT_FETCHED(100, 0, 0);
	msg_recover_unfetch(&reader.recover, 10 * US);
	EXPECT_FETCHED(1, 5, 1);
}
END_TEST

START_TEST(what_cannot_be_fetched_is_asked_for)
{
	begin(40);
	msg_recover_fetches(&reader.recover, true, 0);
	EXPECT_FETCHED(100, 2, 38);
	one(40, 10);
	one(42, 10);
	EXPECT_ASKED("?41", 10 + REORDER);
	msg_recover_fetches(&reader.recover, false, US);
	EXPECT_ASKED(
		"?2 ?3 ?4 ?5 ?6 ?7 ?8 ?9 ?10 ?11 ?12 ?13 ?14 ?15 ?16 ?17 ?18 "
		"?19 ?20 ?21 ?22 ?23 ?24 ?25 ?26 ?27 ?28 ?29 ?30 ?31 ?32 ?33 "
		"?34 ?35 ?36 ?37 ?38 ?39 ?41",
		US + REORDER);
	repairs(2, 40, US + 5 * RTT);
	repair(41, 1, US + 5 * RTT);
	ck_assert_uint_eq((uint32_t)reader.recover.next, 43);
	ck_assert_uint_eq(reader.recover.asked_count, 0);
}
END_TEST

/* What was asked for behind it takes up all the room there is. */
START_TEST(what_cannot_be_fetched_finds_room_to_be_asked_for)
{
	struct msg_recover_options options = story_options();

	options.window = 64;
	options.ask_max = 2;
	story_begin_with(options);
	one(1, 0);
	probe(40, 0);
	msg_recover_fetches(&reader.recover, true, 0);
	EXPECT_FETCHED(100, 2, 38);
	one(42, 10);
	EXPECT_ASKED("?40 ?41", 10 + REORDER);
	msg_recover_fetches(&reader.recover, false, US);
	ck_assert_uint_eq(reader.recover.asked_count, 0);
	EXPECT_ASKED("?2 ?3", US + REORDER);
}
END_TEST

START_TEST(what_is_gone_is_not_fetched)
{
	struct msg_probe said = probe_of(60);

	begin(50);
	keep_from(&said, 20);
	probe_with(said, 1);
	msg_recover_fetches(&reader.recover, true, 1);
	EXPECT_FETCHED(100, 20, 40);
	EXPECT_LOST(18);
}
END_TEST

/* Nothing more is believed of the frames beyond. */
START_TEST(what_was_never_sent_is_not_fetched)
{
	begin(60);
	one(62, 0);
	msg_recover_fetches(&reader.recover, true, 0);
	probe(40, 10);
	EXPECT_FETCHED(100, 2, 38);
	ck_assert_uint_eq(msg_recover_unasked(&reader.recover), 23);
}
END_TEST

START_TEST(who_joins_fetches_when_he_knows_where)
{
	struct msg_recover_options options = story_options();
	struct msg_probe said = probe_of(60);

	options.window = 64;
	options.history = 50;
	story_begin_with(options);
	msg_recover_fetches(&reader.recover, true, 0);
	EXPECT_FETCHED(100, 0, 0);
	ck_assert_uint_eq(msg_recover_unasked(&reader.recover), 0);
	probe(60, 0);
	EXPECT_FETCHED(100, 0, 0);
	ck_assert_uint_eq(msg_recover_unasked(&reader.recover), 0);
	EXPECT_ASKED("join", 0);
	keep_from(&said, 10);
	said.flags = MSG_PROBE_JOIN;
	probe_with(said, 10);
	tick(10);
	EXPECT_FETCHED(100, 10, 50);
	repairs(10, 60, 20);
	one(60, 20);
	ck_assert_uint_eq((uint32_t)reader.recover.next, 61);
	EXPECT_LOST(0);
}
END_TEST

/* Nor when all that was fetched before has come; but what was fetched in vain has
 * that time once. */
START_TEST(what_is_fetched_grows_no_older)
{
	uint64_t half = story_options().give_up_ns / 2, now;

	begin(60);
	msg_recover_fetches(&reader.recover, true, 0);
	EXPECT_FETCHED(10, 2, 10);
	for (now = 0; now <= 2 * half; now += half / 10)
		probe(60, now);
	tick(now);
	EXPECT_LOST(0);
	EXPECT_DEADLINE(UINT64_MAX);
	msg_recover_unfetch(&reader.recover, now);
	for (uint64_t end = now + half; now <= end; now += half / 10)
		probe(60, now);
	EXPECT_FETCHED(10, 2, 10);
	msg_recover_unfetch(&reader.recover, now);
	for (uint64_t end = now + half; now <= end; now += half / 10)
		probe(60, now);
	tick(now);
	EXPECT_LOST(58);
}
END_TEST

/* Who has room for so many asks for no others, and they do not grow old. */
START_TEST(what_finds_no_room_is_not_asked_for)
{
	struct msg_recover *r = &reader.recover;
	uint64_t now;

	one(1, 0);
	probe(9, 0);
	msg_recover_room(r, 2);
	ck_assert_uint_eq(msg_recover_room_left(r), 2);
	EXPECT_ASKED("?2 ?3", REORDER);
	ck_assert_uint_eq(msg_recover_room_left(r), 0);
	EXPECT_ASKED("", REORDER + 1);
	EXPECT_ASKED("?2 ?3", REORDER + 4 * RTT);
	repair(2, 1, 5 * RTT);
	repair(3, 2, 5 * RTT);
	EXPECT_DEADLINE(UINT64_MAX);
	for (now = 0; now < 3 * GIVE_UP; now += HEARTBEAT) {
		probe(9, now);
		EXPECT_ASKED("", now);
	}
	EXPECT("1 2 3 ");
	msg_recover_room(r, 0);
	EXPECT_ASKED("", now);
	msg_recover_room(r, 1);
	/* Not even where there is some, before it is asked for. */
	tick(now);
	EXPECT("1 2 3 ");
	EXPECT_ASKED("?4", now);
	/* One that is there waits for no room. */
	one(5, now);
	for (uint64_t end = now + GIVE_UP; now < end; now += HEARTBEAT) {
		probe(9, now);
		EXPECT("1 2 3 ");
	}
	tick(now);
	EXPECT("1 2 3 !1 5 ");
	tick(UINT64_MAX);
	EXPECT_LOST(4);
}
END_TEST

/* Those given up in the end, too. */
START_TEST(what_is_fetched_and_never_comes_is_lost)
{
	begin(60);
	msg_recover_fetches(&reader.recover, true, 0);
	EXPECT_FETCHED(100, 2, 58);
	tick(UINT64_MAX);
	EXPECT_LOST(58);
	ck_assert_uint_eq(reader.recover.missing_count, 0);
	ck_assert_uint_eq(reader.recover.asked_count, 0);
}
END_TEST

void add_fetch_tests(Suite *suite)
{
	TCase *fetching = check_case(suite, "fetch", 20);

	tcase_add_checked_fixture(fetching, story_begin, NULL);
	tcase_add_test(fetching, nothing_is_fetched_unless_it_can_be);
	tcase_add_test(
		fetching, what_is_fetched_is_not_asked_for_and_comes_in_order);
	tcase_add_test(fetching, a_run_ends_where_something_is_there);
	tcase_add_test(fetching, what_was_asked_for_before_is_not_fetched);
	tcase_add_test(fetching, a_small_gap_is_asked_for_at_once_meanwhile);
	tcase_add_test(fetching, what_did_not_come_is_fetched_again);
	tcase_add_test(fetching, what_cannot_be_fetched_is_asked_for);
	tcase_add_test(
		fetching, what_cannot_be_fetched_finds_room_to_be_asked_for);
	tcase_add_test(fetching, what_is_gone_is_not_fetched);
	tcase_add_test(fetching, what_was_never_sent_is_not_fetched);
	tcase_add_test(fetching, who_joins_fetches_when_he_knows_where);
	tcase_add_test(fetching, what_is_fetched_grows_no_older);
	tcase_add_test(fetching, what_finds_no_room_is_not_asked_for);
	tcase_add_test(fetching, what_is_fetched_and_never_comes_is_lost);
}
