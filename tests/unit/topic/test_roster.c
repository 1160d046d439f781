/* SPDX-License-Identifier: BSD-2-Clause */
/* test_roster.c - see libmsg/topic/roster.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "topic/roster.h"

#define MS 1000000ull

static struct msg_roster roster;
static struct msg_topic_info infos[MSG_ROSTER_MAX];

static struct msg_announcement said(const char *topic, uint64_t incarnation)
{
	struct msg_announcement a = {
		.incarnation = incarnation,
		.publisher = (uint32_t)incarnation,
		.pid = 77,
		.uid = 88,
		.message_bytes_max = 99,
		.frame_bytes = 1000,
		.period_ms = 100,
	};

	snprintf(a.topic, sizeof a.topic, "%s", topic);
	snprintf(a.host, sizeof a.host, "host");
	snprintf(a.program, sizeof a.program, "program");
	return a;
}

static bool note(const char *topic, uint64_t incarnation, uint64_t next,
	uint64_t now)
{
	struct msg_announcement a = said(topic, incarnation);

	a.next_sequence = next;
	return msg_roster_note(&roster, &a, now);
}

static int read_all(uint64_t now)
{
	return msg_roster_read(&roster, now, infos, MSG_ROSTER_MAX);
}

START_TEST(what_is_said_is_told_in_order_of_topics)
{
	ck_assert_int_eq(msg_roster_open(&roster), 0);
	ck_assert(note("b", 2, 5, 10 * MS));
	ck_assert(note("a", 9, 6, 11 * MS));
	ck_assert(note("b", 1, 7, 12 * MS));
	ck_assert_int_eq(read_all(20 * MS), 3);
	ck_assert_str_eq(infos[0].topic, "a");
	ck_assert_uint_eq(infos[1].publisher, 1);
	ck_assert_uint_eq(infos[2].publisher, 2);
	ck_assert_uint_eq(infos[2].message_count, 5);
	ck_assert_uint_eq(infos[2].age_ns, 10 * MS);
	ck_assert_str_eq(infos[0].host, "host");
	ck_assert_str_eq(infos[0].program, "program");
	ck_assert_uint_eq(infos[0].pid, 77);
	ck_assert_uint_eq(infos[0].uid, 88);
	ck_assert_uint_eq(infos[0].message_bytes_max, 99);
	ck_assert_uint_eq(infos[0].frame_bytes, 1000);
	ck_assert_int_eq(msg_roster_read(&roster, 20 * MS, infos, 1), 3);
	msg_roster_close(&roster);
}
END_TEST

START_TEST(five_silent_periods_and_a_goodbye_are_the_end)
{
	struct msg_announcement bye = said("b", 2);

	ck_assert_int_eq(msg_roster_open(&roster), 0);
	note("a", 1, 0, 0);
	note("b", 2, 0, 400 * MS);
	ck_assert_int_eq(read_all(500 * MS), 2);
	ck_assert_int_eq(read_all(501 * MS), 1);
	ck_assert_str_eq(infos[0].topic, "b");
	bye.closing = true;
	ck_assert(msg_roster_note(&roster, &bye, 600 * MS));
	ck_assert_int_eq(read_all(600 * MS), 0);
	/* Said again, it is no news. */
	ck_assert(!msg_roster_note(&roster, &bye, 600 * MS));
	ck_assert_int_eq(read_all(600 * MS), 0);
	msg_roster_close(&roster);
}
END_TEST

START_TEST(rates_come_from_two_announcements)
{
	ck_assert_int_eq(msg_roster_open(&roster), 0);
	note("a", 1, 1000, 1000 * MS);
	ck_assert_int_eq(read_all(1000 * MS), 1);
	ck_assert_double_lt(infos[0].rate, 0); /* Not known yet. */
	note("a", 1, 1050, 1100 * MS);
	read_all(1100 * MS);
	ck_assert_double_eq_tol(infos[0].rate, 500, 0.001);
	/* The same one by another group. */
	note("a", 1, 1050, 1100 * MS + 1000);
	read_all(1101 * MS);
	ck_assert_double_eq_tol(infos[0].rate, 500, 0.001);
	/* An older one that comes late is not a rate of 2^64. */
	note("a", 1, 1040, 1200 * MS);
	read_all(1200 * MS);
	ck_assert_double_eq_tol(infos[0].rate, 500, 0.001);
	ck_assert_uint_eq(infos[0].message_count, 1050);
	ck_assert_uint_eq(infos[0].age_ns, 0);
	msg_roster_close(&roster);
}
END_TEST

START_TEST(strangers_cannot_make_it_grow_for_ever)
{
	ck_assert_int_eq(msg_roster_open(&roster), 0);
	for (uint64_t i = 1; i <= MSG_ROSTER_MAX; i++)
		ck_assert(note("a", i, 0, i * 1000));
	ck_assert(!note("a", MSG_ROSTER_MAX + 1, 0, 10 * MS));
	ck_assert_int_eq(read_all(10 * MS), (int)MSG_ROSTER_MAX);
	/* Whoever is past its time makes room. */
	ck_assert(note("a", MSG_ROSTER_MAX + 1, 0, 501 * MS));
	ck_assert_uint_lt(roster.count, MSG_ROSTER_MAX);
	ck_assert_uint_le(roster.capacity, MSG_ROSTER_MAX);
	msg_roster_close(&roster);
}
END_TEST

/* What each of them costs is no look at all the others. */
START_TEST(a_flood_of_strangers_looks_for_room_once)
{
	ck_assert_int_eq(msg_roster_open(&roster), 0);
	for (uint64_t i = 1; i <= MSG_ROSTER_MAX; i++)
		ck_assert(note("a", i, 0, 10 * MS));
	ck_assert(!note("a", MSG_ROSTER_MAX + 1, 0, 20 * MS));
	/* Who looked now would find room that cannot be. */
	roster.entries[7].said.period_ms = 0;
	ck_assert(!note("a", MSG_ROSTER_MAX + 1, 0, 20 * MS));
	ck_assert(!note("a", MSG_ROSTER_MAX + 1, 0, 510 * MS));
	ck_assert(note("a", MSG_ROSTER_MAX + 1, 0, 510 * MS + 1));
	msg_roster_close(&roster);
}
END_TEST

static unsigned seen[1000];

/* Read one after the other, `count` of them; whether there were as many. */
static bool read_some(uint64_t now, uint64_t *after, unsigned count)
{
	struct msg_topic_info info;

	for (; count > 0; count--) {
		if (!msg_roster_next(&roster, now, after, &info))
			return false;
		seen[info.publisher]++;
	}
	return true;
}

START_TEST(one_after_the_other_nobody_is_told_twice)
{
	struct msg_announcement bye;
	uint64_t after = 0;

	memset(seen, 0, sizeof seen);
	ck_assert_int_eq(msg_roster_open(&roster), 0);
	for (uint64_t i = 1; i <= 500; i++)
		ck_assert(note("z", i, 0, 50 * MS));
	for (uint64_t i = 0; i < 20; i++) {
		ck_assert(read_some(60 * MS, &after, 10));
		/* One of those told, one of those to be told; a newcomer. */
		bye = said("z", 1 + i * 3);
		bye.closing = true;
		ck_assert(msg_roster_note(&roster, &bye, 60 * MS));
		bye = said("z", 500 - i);
		bye.closing = true;
		ck_assert(msg_roster_note(&roster, &bye, 60 * MS));
		ck_assert(note("a", 600 + i, 0, 50 * MS));
		/* Whoever wants all of it does not mix up the order. */
		read_all(60 * MS);
	}
	/* Silent since, and gone by then. */
	ck_assert(note("z", 300, 1, 400 * MS));
	ck_assert(!read_some(560 * MS, &after, 2));
	for (unsigned i = 1; i <= 200; i++)
		ck_assert_uint_eq(seen[i], 1);
	for (unsigned i = 201; i < 1000; i++)
		ck_assert_uint_eq(seen[i], i == 300);
	msg_roster_close(&roster);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("roster");
	TCase *rosters = check_case(suite, "roster", 20);

	tcase_add_test(rosters, what_is_said_is_told_in_order_of_topics);
	tcase_add_test(rosters, five_silent_periods_and_a_goodbye_are_the_end);
	tcase_add_test(rosters, rates_come_from_two_announcements);
	tcase_add_test(rosters, strangers_cannot_make_it_grow_for_ever);
	tcase_add_test(rosters, a_flood_of_strangers_looks_for_room_once);
	tcase_add_test(rosters, one_after_the_other_nobody_is_told_twice);
	return check_main(suite, NULL);
}
