/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_announce.c - announcements, to bytes and back; see topic/announce.h.  Those
 * of a stranger who means no good: announce_hostile.c.
 */
#include "announce_body.h"

#include <string.h>

/* ---- round trip -------------------------------------------------------- */

static void expect_same(const struct msg_announcement *a)
{
	ck_assert(unpack());
	ck_assert_str_eq(found.topic, a->topic);
	ck_assert_str_eq(found.host, a->host);
	ck_assert_str_eq(found.program, a->program);
	ck_assert_uint_eq(found.incarnation, a->incarnation);
	ck_assert_uint_eq(found.publisher, a->publisher);
	ck_assert_uint_eq(found.next_sequence, a->next_sequence);
	ck_assert_uint_eq(found.pid, a->pid);
	ck_assert_uint_eq(found.uid, a->uid);
	ck_assert_uint_eq(found.message_bytes_max, a->message_bytes_max);
	ck_assert_uint_eq(found.frame_bytes, a->frame_bytes);
	ck_assert_uint_eq(found.period_ms, a->period_ms);
	ck_assert(found.closing == a->closing);
	ck_assert(found.reliable == a->reliable);
	ck_assert_mem_eq(&found.connect, &a->connect, sizeof a->connect);
	ck_assert_uint_eq(found.give_up_ms, a->give_up_ms);
	ck_assert_uint_eq(found.reach.bytes, a->reach.bytes);
	ck_assert_mem_eq(found.reach.data, a->reach.data, MSG_REACH_BYTES_MAX);
}

START_TEST(what_was_packed_is_unpacked)
{
	struct msg_announcement announcement = example();

	pack_body(&announcement);
	expect_same(&announcement);
	announcement.closing = false;
	pack_body(&announcement);
	expect_same(&announcement);
	announcement.reliable = true;
	announcement.connect = (struct msg_reach){3, {7, 0, 9}};
	pack_body(&announcement);
	expect_same(&announcement);
}
END_TEST

START_TEST(the_largest_announcement_fits)
{
	struct msg_announcement announcement = example();

	memset(announcement.topic, 't', MSG_TOPIC_BYTES_MAX);
	memset(announcement.host, 'h', MSG_ANNOUNCE_TEXT_MAX);
	memset(announcement.program, 'p', MSG_ANNOUNCE_TEXT_MAX);
	announcement.incarnation = UINT64_MAX;
	announcement.publisher = UINT32_MAX;
	announcement.next_sequence = UINT64_MAX;
	announcement.pid = announcement.uid = UINT32_MAX;
	announcement.reliable = true;
	announcement.connect.bytes = MSG_REACH_BYTES_MAX;
	memset(announcement.connect.data, 255, MSG_REACH_BYTES_MAX);
	announcement.give_up_ms = 60000;
	announcement.message_bytes_max = 16u << 20;
	announcement.frame_bytes = 1u << 20;
	announcement.period_ms = 60000;
	announcement.reach.bytes = MSG_REACH_BYTES_MAX;
	memset(announcement.reach.data, 'r', MSG_REACH_BYTES_MAX);
	pack_body(&announcement);
	expect_same(&announcement);
}
END_TEST

START_TEST(the_smallest_announcement_fits)
{
	struct msg_announcement announcement = {.topic = "a",
		.message_bytes_max = 1,
		.frame_bytes = 256,
		.period_ms = 10};

	pack_body(&announcement);
	expect_same(&announcement);
}
END_TEST

START_TEST(an_odd_host_or_program_is_packed_readable)
{
	struct msg_announcement announcement = example();

	strcpy(announcement.host, "a\x1b[31mb\xff\xc2\x9b\n");
	/* Cut in the middle of a character by a careless copy. */
	memset(announcement.program, 'x', MSG_ANNOUNCE_TEXT_MAX);
	announcement.program[MSG_ANNOUNCE_TEXT_MAX - 1] = '\xc3';
	pack_body(&announcement);
	strcpy(announcement.host, "a?[31mb????");
	announcement.program[MSG_ANNOUNCE_TEXT_MAX - 1] = '?';
	expect_same(&announcement);
}
END_TEST

START_TEST(text_not_ended_is_packed_within_its_bounds)
{
	struct msg_announcement announcement = example();

	memset(announcement.host, 'h', sizeof announcement.host);
	memset(announcement.program, 'p', sizeof announcement.program);
	pack_body(&announcement);
	announcement.host[MSG_ANNOUNCE_TEXT_MAX] = '\0';
	announcement.program[MSG_ANNOUNCE_TEXT_MAX] = '\0';
	expect_same(&announcement);
}
END_TEST

START_TEST(a_character_over_the_end_of_a_text_is_packed_as_cut)
{
	struct msg_announcement announcement = example();

	memset(announcement.host, 'h', sizeof announcement.host);
	announcement.host[MSG_ANNOUNCE_TEXT_MAX - 1] = '\xc3';
	announcement.host[MSG_ANNOUNCE_TEXT_MAX] = '\xbc';
	pack_body(&announcement);
	announcement.host[MSG_ANNOUNCE_TEXT_MAX - 1] = '?';
	announcement.host[MSG_ANNOUNCE_TEXT_MAX] = '\0';
	expect_same(&announcement);
}
END_TEST

/* ---- what a receiver takes --------------------------------------------- */

START_TEST(optional_fields_default_to_nothing)
{
	put_all_but(UNKNOWN);
	ck_assert(unpack());
	ck_assert_str_eq(found.topic, "md.acme.bid");
	ck_assert_str_eq(found.host, "");
	ck_assert_str_eq(found.program, "");
	ck_assert_uint_eq(found.incarnation, 0x1122334455667788);
	ck_assert_uint_eq(found.publisher, 0x55667788);
	ck_assert_uint_eq(found.pid, 0);
	ck_assert_uint_eq(found.uid, 0);
	ck_assert(!found.closing);
}
END_TEST

START_TEST(a_field_left_out_is_refused_if_required)
{
	for (enum field field = TOPIC; field <= PERIOD_MS; field++) {
		put_all_but(field);
		refused();
	}
	body.bytes = 0;
	refused();
}
END_TEST

START_TEST(numbers_out_of_range_are_refused)
{
	static const struct {
		enum field field;
		uint64_t least, most;
	} ranges[] = {
		{MESSAGE_BYTES_MAX, 1, 16u << 20},
		{FRAME_BYTES, 256, 65507},
		{PERIOD_MS, 10, 60000},
	};

	for (unsigned i = 0; i < 3; i++) {
		const uint64_t good[] = {ranges[i].least, ranges[i].most};
		const uint64_t bad[] = {
			0, ranges[i].least - 1, ranges[i].most + 1, UINT32_MAX};

		for (unsigned j = 0; j < 2; j++) {
			put_all_but(ranges[i].field);
			put_number(ranges[i].field, good[j]);
			ck_assert(unpack());
		}
		for (unsigned j = 0; j < 4; j++) {
			put_all_but(ranges[i].field);
			put_number(ranges[i].field, bad[j]);
			refused();
		}
	}
}
END_TEST

/* No path bounds its frames. */
START_TEST(who_connects_may_have_larger_frames)
{
	const uint32_t bytes[] = {65508, 1u << 20, (1u << 20) + 1};

	for (unsigned i = 0; i < 3; i++) {
		struct msg_announcement said = example();

		said.reliable = true;
		said.frame_bytes = bytes[i];
		pack_body(&said);
		refused();
		said.connect = (struct msg_reach){3, {7, 0, 9}};
		pack_body(&said);
		ck_assert(unpack() == (i < 2));
	}
}
END_TEST

START_TEST(who_connects_is_told_where_to)
{
	static const uint8_t where[MSG_REACH_BYTES_MAX + 1] = {1, 2, 3};

	put_all_but(UNKNOWN);
	put_number(RELIABLE, 1);
	put_bytes(CONNECT, where, MSG_REACH_BYTES_MAX);
	ck_assert(unpack());
	ck_assert_uint_eq(found.connect.bytes, MSG_REACH_BYTES_MAX);
	ck_assert_mem_eq(found.connect.data, where, MSG_REACH_BYTES_MAX);
	put_all_but(UNKNOWN);
	put_number(RELIABLE, 1);
	put_bytes(CONNECT, where, MSG_REACH_BYTES_MAX + 1);
	refused();
	put_all_but(UNKNOWN);
	put_number(RELIABLE, 1);
	put_bytes(CONNECT, where, 0);
	refused();
	put_all_but(UNKNOWN);
	put_bytes(CONNECT, where, 3);
	refused();
}
END_TEST

START_TEST(a_malformed_topic_is_refused)
{
	static const char *const bad[] = {
		"", "a..b", "a.*", ">", "a b", "\xff", "a\x1b"};
	char text[MSG_TOPIC_BYTES_MAX + 2];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		put_all_but(TOPIC);
		put_text(TOPIC, bad[i]);
		refused();
	}
	put_all_but(TOPIC);
	put_bytes(TOPIC, "ab\0cd", 5);
	refused();
	memset(text, 'x', sizeof text);
	put_all_but(TOPIC);
	put_bytes(TOPIC, text, sizeof text);
	refused();
	put_all_but(TOPIC);
	put_bytes(TOPIC, text, MSG_TOPIC_BYTES_MAX + 1);
	refused();
	put_all_but(TOPIC);
	put_bytes(TOPIC, text, MSG_TOPIC_BYTES_MAX);
	ck_assert(unpack());
}
END_TEST

START_TEST(text_not_fit_for_a_terminal_is_refused)
{
	static const char *const bad[] = {"\x1b[2J", "a\nb", "\x7f", "\xc2\x9b",
		"\xff", "\xc3", "\xed\xa0\x80"};
	char text[MSG_ANNOUNCE_TEXT_MAX + 1];

	for (enum field field = HOST; field <= PROGRAM; field++) {
		for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
			put_all_but(UNKNOWN);
			put_text(field, bad[i]);
			refused();
		}
		put_all_but(UNKNOWN);
		put_bytes(field, "a\0b", 3);
		refused();
		memset(text, 'x', sizeof text);
		put_all_but(UNKNOWN);
		put_bytes(field, text, sizeof text);
		refused();
		put_all_but(UNKNOWN);
		put_bytes(field, text, MSG_ANNOUNCE_TEXT_MAX);
		ck_assert(unpack());
		put_all_but(UNKNOWN);
		put_text(field, "\xe6\xb8\xac two words");
		ck_assert(unpack());
	}
}
END_TEST

/* Fields lie side by side in the arena, which deals in 16 bytes. */
START_TEST(a_character_is_not_completed_by_the_next_field)
{
	put_all_but(UNKNOWN);
	put_text(HOST, "fifteen bytes..\xc3");
	put_text(PROGRAM, "\xbc");
	put_text(PROGRAM, "good");
	refused();
}
END_TEST

START_TEST(a_field_said_twice_counts_as_said_last)
{
	put_all_but(UNKNOWN);
	put_text(TOPIC, "other");
	put_number(PERIOD_MS, 50);
	ck_assert(unpack());
	ck_assert_str_eq(found.topic, "other");
	ck_assert_uint_eq(found.period_ms, 50);
	put_number(PERIOD_MS, 5);
	refused();
}
END_TEST

START_TEST(an_address_that_no_link_has_is_refused)
{
	uint8_t address[MSG_REACH_BYTES_MAX + 1];

	memset(address, 7, sizeof address);
	for (size_t bytes = 0; bytes <= MSG_REACH_BYTES_MAX; bytes++) {
		put_all_but(UNKNOWN);
		put_bytes(REACH, address, bytes);
		ck_assert(unpack());
		ck_assert_uint_eq(found.reach.bytes, bytes);
		ck_assert_mem_eq(found.reach.data, address, bytes);
	}
	put_all_but(UNKNOWN);
	put_bytes(REACH, address, sizeof address);
	refused();
	put_all_but(UNKNOWN);
	put_number(REACH, 1);
	refused();
}
END_TEST

/* Of a topic by connections alone: who else says it says nothing. */
START_TEST(how_long_a_connected_one_waits)
{
	static const struct {
		uint32_t said;
		bool good;
	} cases[] = {{0, true}, {1, true}, {60000, true}, {60001, false},
		{UINT32_MAX, false}};

	for (unsigned i = 0; i < 5; i++) {
		put_all_but(UNKNOWN);
		put_number(RELIABLE, 1);
		put_text(CONNECT, "here");
		put_number(GIVE_UP_MS, cases[i].said);
		if (cases[i].good) {
			ck_assert(unpack());
			ck_assert_uint_eq(found.give_up_ms, cases[i].said);
		} else {
			refused();
		}
	}
	put_all_but(UNKNOWN);
	put_number(GIVE_UP_MS, 1000);
	ck_assert(unpack());
	ck_assert_uint_eq(found.give_up_ms, 0);
}
END_TEST

START_TEST(fields_of_later_versions_are_skipped)
{
	put_all_but(UNKNOWN);
	put_number(UNKNOWN, 1);
	put_text(UNKNOWN + 1, "later");
	put_fixed(1000, 7);
	ck_assert(unpack());
	ck_assert_uint_eq(found.next_sequence, 99);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("announce");
	TCase *trip = check_case(suite, "round trip", 10);
	TCase *take = check_case(suite, "take", 10);

	tcase_add_test(trip, what_was_packed_is_unpacked);
	tcase_add_test(trip, the_largest_announcement_fits);
	tcase_add_test(trip, the_smallest_announcement_fits);
	tcase_add_test(trip, an_odd_host_or_program_is_packed_readable);
	tcase_add_test(trip, text_not_ended_is_packed_within_its_bounds);
	tcase_add_test(
		trip, a_character_over_the_end_of_a_text_is_packed_as_cut);
	tcase_add_test(take, optional_fields_default_to_nothing);
	tcase_add_test(take, a_field_left_out_is_refused_if_required);
	tcase_add_test(take, numbers_out_of_range_are_refused);
	tcase_add_test(take, who_connects_is_told_where_to);
	tcase_add_test(take, how_long_a_connected_one_waits);
	tcase_add_test(take, who_connects_may_have_larger_frames);
	tcase_add_test(take, a_malformed_topic_is_refused);
	tcase_add_test(take, text_not_fit_for_a_terminal_is_refused);
	tcase_add_test(take, a_character_is_not_completed_by_the_next_field);
	tcase_add_test(take, a_field_said_twice_counts_as_said_last);
	tcase_add_test(take, an_address_that_no_link_has_is_refused);
	tcase_add_test(take, fields_of_later_versions_are_skipped);
	add_hostile_tests(suite);
	return check_main(suite, NULL);
}
