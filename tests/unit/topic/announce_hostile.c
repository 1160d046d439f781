/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * announce_hostile.c - bodies of announcements that are cut, bloated, or lie: they
 * are refused, and nothing is written.
 */
#include "announce_body.h"

#include <string.h>

#include "random.h"

START_TEST(a_body_cut_anywhere_is_refused)
{
	struct msg_announcement announcement = example();
	size_t whole, good = 0;

	pack_body(&announcement);
	whole = body.bytes;
	for (body.bytes = 0; body.bytes < whole; body.bytes++) {
		memset(&found, 0, sizeof found);
		if (unpack()) {
			/* Only optional fields at the end may be missing. */
			good++;
			ck_assert_uint_eq(found.period_ms, 1000);
		}
	}
	ck_assert_uint_le(good, 7);
}
END_TEST

START_TEST(a_body_above_the_maximum_is_refused)
{
	char text[900];

	memset(text, 'x', sizeof text);
	put_all_but(UNKNOWN);
	put_bytes(UNKNOWN, text, MSG_ANNOUNCE_BYTES_MAX - body.bytes - 4);
	ck_assert_uint_eq(body.bytes, MSG_ANNOUNCE_BYTES_MAX);
	ck_assert(unpack());
	put_all_but(UNKNOWN);
	put_bytes(UNKNOWN, text, MSG_ANNOUNCE_BYTES_MAX - body.bytes - 3);
	ck_assert_uint_eq(body.bytes, MSG_ANNOUNCE_BYTES_MAX + 1);
	refused();
	body.bytes = sizeof body.data;
	refused();
}
END_TEST

/* Two bytes of wire cost protobuf-c some 64 of memory each. */
START_TEST(many_small_fields_run_out_of_arena)
{
	put_all_but(UNKNOWN);
	while (body.bytes + 2 <= MSG_ANNOUNCE_BYTES_MAX)
		put_number(UNKNOWN, 1);
	refused();
}
END_TEST

/* A type: all four fields, or none. */
static void put_type(unsigned but)
{
	if (but != 20)
		put_bytes(20, "md.Quote", 8);
	if (but != 21)
		put_number(21, 1);
	if (but != 22) {
		put_varint(22u << 3 | FIXED64);
		for (int i = 0; i < 8; i++)
			put((uint8_t)(i + 1));
	}
	if (but != 23)
		put_bytes(23, "\x7f\0\0\1\x12\x34", 6);
}

START_TEST(a_type_is_whole_or_malformed)
{
	static const uint8_t long_reach[MSG_REACH_BYTES_MAX + 1];
	struct msg_announcement again;
	uint8_t packed[MSG_ANNOUNCE_BYTES_MAX];

	put_all_but(UNKNOWN);
	put_type(0);
	ck_assert(unpack());
	ck_assert_str_eq(found.type.name, "md.Quote");
	ck_assert_uint_eq(found.type.encoding, 1);
	ck_assert_uint_eq(found.type.hash, 0x0807060504030201);
	ck_assert_uint_eq(found.type.reach.bytes, 6);
	ck_assert(msg_announce_unpack(
		&again, packed, msg_announce_pack(&found, packed)));
	ck_assert_mem_eq(&again.type, &found.type, sizeof again.type);
	for (unsigned but = 20; but <= 23; but++) {
		put_all_but(UNKNOWN);
		put_type(but);
		refused();
	}
	put_all_but(UNKNOWN);
	put_type(21);
	put_number(21, 256);
	refused();
	put_all_but(UNKNOWN);
	put_type(20);
	put_bytes(20, "a\x1b", 2);
	refused();
	put_all_but(UNKNOWN);
	put_type(20);
	put_bytes(20, "", 0);
	refused();
	put_all_but(UNKNOWN);
	put_type(21);
	put_number(21, 0);
	refused();
	put_all_but(UNKNOWN);
	put_type(22);
	put_fixed(22, 0);
	refused();
	put_all_but(UNKNOWN);
	put_type(23);
	put_bytes(23, "", 0);
	refused();
	put_all_but(UNKNOWN);
	put_type(23);
	put_bytes(23, long_reach, sizeof long_reach);
	refused();
}
END_TEST

START_TEST(some_thirty_fields_more_than_now_are_no_trouble)
{
	put_all_but(UNKNOWN);
	put_text(HOST, "host");
	for (unsigned i = 0; i < 30; i++)
		put_number(LATER + i, i);
	ck_assert(unpack());
}
END_TEST

START_TEST(a_topic_said_often_runs_out_of_arena)
{
	char text[100];

	memset(text, 'x', sizeof text);
	put_all_but(UNKNOWN);
	while (body.bytes + 102 <= MSG_ANNOUNCE_BYTES_MAX)
		put_bytes(TOPIC, text, sizeof text);
	unpack(); /* Eight copies fit; there is no more to a body than that. */
	put_all_but(UNKNOWN);
	while (body.bytes + 3 <= MSG_ANNOUNCE_BYTES_MAX)
		put_bytes(TOPIC, text, 1);
	refused();
}
END_TEST

START_TEST(lengths_that_lie_are_refused)
{
	static const uint64_t lengths[] = {
		12, 900, 0x7fffffff, 0xffffffff, 0x100000000, UINT64_MAX};

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		put_all_but(TOPIC);
		put_varint(TOPIC << 3 | BYTES);
		put_varint(lengths[i]);
		memcpy(body.data + body.bytes, "md.acme.bid", 11);
		body.bytes += 11;
		refused();
	}
}
END_TEST

START_TEST(wrong_wire_types_and_groups_are_refused)
{
	put_all_but(TOPIC);
	put_number(TOPIC, 7);
	refused();
	put_all_but(PERIOD_MS);
	put_text(PERIOD_MS, "1000");
	refused();
	for (unsigned wire = 3; wire < 8; wire++) {
		if (wire == 5)
			continue;
		put_all_but(UNKNOWN);
		put((uint8_t)(UNKNOWN << 3 | wire));
		put(0);
		refused();
	}
	put_all_but(UNKNOWN);
	put(0); /* Field number 0. */
	put(0);
	refused();
	put_all_but(UNKNOWN);
	memset(body.data + body.bytes, 0xff, 20); /* An endless varint. */
	body.bytes += 20;
	refused();
}
END_TEST

START_TEST(flipped_bits_never_lead_astray)
{
	struct random_stream random = {check_seed()};
	struct msg_announcement announcement = example();

	for (unsigned i = 0; i < 50000; i++) {
		unsigned flips = 1 + (unsigned)random_below(&random, 8);

		pack_body(&announcement);
		while (flips-- > 0)
			body.data[random_below(&random, body.bytes)] ^=
				(uint8_t)(1u << random_below(&random, 8));
		if (unpack())
			ck_assert(msg_name_is_topic(found.topic) &&
				  found.period_ms >= 10 &&
				  found.frame_bytes <= (found.connect.bytes > 0
								  ? 1u << 20
								  : 65507));
	}
}
END_TEST

void add_hostile_tests(Suite *suite)
{
	TCase *hostile = check_case(suite, "hostile", 60);

	tcase_add_test(hostile, a_body_cut_anywhere_is_refused);
	tcase_add_test(hostile, a_body_above_the_maximum_is_refused);
	tcase_add_test(hostile, many_small_fields_run_out_of_arena);
	tcase_add_test(
		hostile, some_thirty_fields_more_than_now_are_no_trouble);
	tcase_add_test(hostile, a_type_is_whole_or_malformed);
	tcase_add_test(hostile, a_topic_said_often_runs_out_of_arena);
	tcase_add_test(hostile, lengths_that_lie_are_refused);
	tcase_add_test(hostile, wrong_wire_types_and_groups_are_refused);
	tcase_add_test(hostile, flipped_bits_never_lead_astray);
}
