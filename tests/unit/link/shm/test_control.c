/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_control.c - control messages, to bytes and back; see
 * libmsg/link/shm/control.h.  Their fields, one by one: control_fields.c.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/clock.h"
#include "base/trail.h"
#include "control_bodies.h"

/* ---- round trips ------------------------------------------------------- */

static void is_same(const struct example *about)
{
	ck_assert_msg(unpack(about->kind) == 0, "%s", msg_trail_text());
	ck_assert_uint_eq(found.kind, about->kind);
	if (about->size > 0)
		ck_assert_mem_eq(&found.hello, &example.hello, about->size);
}

START_TEST(what_is_packed_is_unpacked)
{
	pack_example(&examples[_i]);
	memset(&found, 0x5a, sizeof found);
	is_same(&examples[_i]);
	ck_assert_str_eq(
		msg_control_kind_name(examples[_i].kind), examples[_i].name);
}
END_TEST

static void fill_text(char *text, size_t size, char with)
{
	memset(text, with, size - 1);
	text[size - 1] = '\0';
}

/* Every text as long as may be, every number its longest on the wire. */
START_TEST(the_largest_listing_fits)
{
	const struct example *about = about_kind(MSG_CONTROL_LISTING);

	fill(about);
	fd_count = 0;
	example.listing.topic_count = MSG_CONTROL_TOPICS_MAX;
	for (unsigned i = 0; i < MSG_CONTROL_TOPICS_MAX; i++) {
		struct msg_control_topic *t = &example.listing.topics[i];

		fill_topic(t, 1);
		fill_text(t->topic, sizeof t->topic, 't');
		fill_text(t->host, sizeof t->host, 'h');
		fill_text(t->program, sizeof t->program, 'p');
		t->publisher = t->pid = t->uid = UINT32_MAX;
		t->message_count = t->age_ns = UINT64_MAX;
	}
	body.bytes = msg_control_pack(&example, body.data);
	ck_assert_uint_gt(body.bytes, 14000);
	ck_assert_uint_le(body.bytes, MSG_CONTROL_PACKED_BYTES_MAX);
	is_same(about);
}
END_TEST

START_TEST(the_largest_welcome_and_refusal_fit)
{
	const struct example *about = about_kind(MSG_CONTROL_WELCOME);
	struct msg_control_welcome *w = &example.welcome;

	fill(about);
	fd_count = 1;
	fill_text(w->name, sizeof w->name, 'n');
	fill_text(w->device, sizeof w->device, 'd');
	fill_text(w->interface, sizeof w->interface, 'i');
	fill_text(w->address, sizeof w->address, 'a');
	fill_text(w->groups, sizeof w->groups, 'g');
	fill_text(w->reason, sizeof w->reason, 'r');
	body.bytes = msg_control_pack(&example, body.data);
	is_same(about);

	about = about_kind(MSG_CONTROL_REFUSED);
	fill(about);
	fd_count = 0;
	fill_text(example.refused.text, sizeof example.refused.text, 'x');
	body.bytes = msg_control_pack(&example, body.data);
	is_same(about);
}
END_TEST

START_TEST(an_empty_listing_is_one)
{
	const struct example *about = about_kind(MSG_CONTROL_LISTING);

	fill(about);
	memset(&example.listing, 0, sizeof example.listing);
	body.bytes = msg_control_pack(&example, body.data);
	is_same(about);
	body.bytes = 0;
	is_same(about);
}
END_TEST

START_TEST(an_odd_program_name_is_sent_as_question_marks)
{
	fill(about_kind(MSG_CONTROL_HELLO));
	fd_count = 0;
	strcpy(example.hello.program, "a\n\xff\x1b[2Jb");
	body.bytes = msg_control_pack(&example, body.data);
	ck_assert_int_eq(unpack(MSG_CONTROL_HELLO), 0);
	ck_assert_str_eq(found.hello.program, "a???[2Jb");
}
END_TEST

START_TEST(packing_what_is_out_of_range_aborts)
{
	fill(about_kind(MSG_CONTROL_HELLO));
	example.hello.role = 4;
	msg_control_pack(&example, body.data);
}
END_TEST

START_TEST(packing_a_topic_that_is_no_text_aborts)
{
	fill(about_kind(MSG_CONTROL_WATCH));
	strcpy(example.watch.pattern, "a\n");
	msg_control_pack(&example, body.data);
}
END_TEST

/* ---- whole messages ---------------------------------------------------- */

START_TEST(unknown_fields_are_skipped)
{
	pack_example(&examples[_i]);
	put_number(100, VARINT, 7);
	put_number(101, FIXED64, 7);
	put_bytes(102, "\xff\0x", 3);
	put_tag(103, FIXED32);
	for (int i = 0; i < 4; i++)
		put(0xff);
	is_same(&examples[_i]);
}
END_TEST

/* What is cut either lacks something, or only what may be absent. */
START_TEST(a_cut_body_is_refused_or_whole)
{
	pack_example(&examples[_i]);
	while (body.bytes > 0) {
		body.bytes--;
		if (unpack(examples[_i].kind) == 0) {
			uint8_t again[MSG_CONTROL_PACKED_BYTES_MAX];

			msg_control_pack(&found, again);
		}
	}
}
END_TEST

START_TEST(noise_is_refused_or_good)
{
	struct random_stream random = {check_seed() + (uint64_t)_i};
	unsigned trials = 20000 / MSG_TEST_FEWER;

	for (unsigned i = 0; i < trials; i++) {
		pack_example(&examples[_i]);
		for (uint64_t k = random_below(&random, 4); k < 4; k++)
			if (body.bytes > 0)
				body.data[random_below(&random, body.bytes)] =
					(uint8_t)random_next(&random);
		if (unpack(examples[_i].kind) == 0) {
			uint8_t again[MSG_CONTROL_PACKED_BYTES_MAX];

			msg_control_pack(&found, again);
		}
	}
}
END_TEST

START_TEST(a_kind_is_for_one_side_to_say)
{
	const struct example *about = &examples[_i];

	pack_example(about);
	if (about->kind < 128)
		refused_from(MSG_CONTROL_BROKER, about->kind,
			"is for the client to say");
	else
		refused_from(MSG_CONTROL_CLIENT, about->kind,
			"is for the broker to say");
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), about->name));
}
END_TEST

START_TEST(descriptors_are_as_many_as_the_kind_has)
{
	const struct example *about = &examples[_i];

	pack_example(about);
	for (fd_count = 0; fd_count <= 4; fd_count++) {
		bool good =
			fd_count == about->fds ||
			(about->kind == MSG_CONTROL_READER && fd_count == 2) ||
			(about->kind == MSG_CONTROL_PUBLISHING &&
				fd_count == 2) ||
			(about->kind == MSG_CONTROL_RING && fd_count == 3);

		if (good)
			is_same(about);
		else
			refused(about->kind, "descriptors came with it");
	}
}
END_TEST

START_TEST(unknown_kinds_are_refused_by_number)
{
	unsigned known = 0;

	body.bytes = fd_count = 0;
	for (unsigned kind = 0; kind <= UINT16_MAX; kind++) {
		struct msg_control_frame frame = {.kind = (uint16_t)kind};
		char why[64];

		if (msg_control_kind_name(kind)) {
			known++;
			continue;
		}
		if (msg_control_unpack(&found, MSG_CONTROL_BROKER, &frame) !=
			-MSG_ERROR_ARGUMENT)
			ck_abort_msg("kind %u was taken", kind);
		snprintf(why, sizeof why, "kind %u are not known", kind);
		if (!strstr(msg_trail_text(), why))
			ck_abort_msg("kind %u: %s", kind, msg_trail_text());
	}
	ck_assert_uint_eq(known, EXAMPLES);
}
END_TEST

START_TEST(too_large_a_body_is_refused_unread)
{
	pack_example(&examples[_i]);
	while (body.bytes <= 64u << 10)
		put_bytes(100, "0123456789abcdef", 16);
	refused(examples[_i].kind, " bytes, more than ");
}
END_TEST

/* ---- amplification ----------------------------------------------------- */

/* Two bytes of body for some 170 of memory, as often as fits. */
static void fill_with_empty_topics(size_t bytes)
{
	body.bytes = 0;
	fd_count = 0;
	while (body.bytes + 2 <= bytes)
		put_bytes(1, "", 0);
}

START_TEST(many_empty_elements_cost_neither_memory_nor_time)
{
	size_t sizes[] = {64u << 10, 32u << 10, 16u << 10, 2048, 80};
	uint64_t begin = msg_clock_ns();

	for (unsigned trial = 0; trial < 100; trial++)
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			fill_with_empty_topics(sizes[i]);
			refused(MSG_CONTROL_LISTING, "Listing: ");
		}
	/* Some 10 us each here, with a sanitizer and all. */
	ck_assert_uint_lt(msg_clock_ns() - begin, 5 * MSG_NS_PER_S);
}
END_TEST

START_TEST(many_unknown_fields_are_too_much)
{
	pack_example(about_kind(MSG_CONTROL_HELLO));
	while (body.bytes + 2 <= 4096)
		put_number(15, VARINT, 0);
	refused(MSG_CONTROL_HELLO, "cannot be parsed");
}
END_TEST

START_TEST(nesting_leads_nowhere)
{
	/* Groups, which protobuf once had, and a message in a message. */
	pack_example(about_kind(MSG_CONTROL_HELLO));
	for (int i = 0; i < 1000; i++)
		put_tag(20, GROUP);
	refused(MSG_CONTROL_HELLO, "cannot be parsed");
	pack_example(about_kind(MSG_CONTROL_LISTING));
	body.bytes = 0;
	for (int i = 0; i < 4; i++) {
		static uint8_t inner[512];
		size_t bytes = body.bytes;

		memcpy(inner, body.data, bytes);
		body.bytes = 0;
		put_bytes(1, inner, bytes);
	}
	refused(MSG_CONTROL_LISTING, "Listing: ");
}
END_TEST

/* ---- between fields ---------------------------------------------------- */

START_TEST(parts_lie_in_their_schema)
{
	static const uint8_t part[MSG_CONTROL_PART_BYTES_MAX + 1];

	pack_example(about_kind(MSG_CONTROL_SCHEMA));
	put_number(2, VARINT, 65535);
	refused(MSG_CONTROL_SCHEMA, "are not in a schema of 65535");
	pack_example(about_kind(MSG_CONTROL_SCHEMA));
	put_number(3, VARINT, 65536);
	refused(MSG_CONTROL_SCHEMA, "are not in a schema of 65536");
	pack_example(about_kind(MSG_CONTROL_DESCRIBE));
	put_number(3, VARINT, 65537);
	refused(MSG_CONTROL_DESCRIBE, "offset is 65537, not 0 to 65536");
	pack_example(about_kind(MSG_CONTROL_DESCRIBED));
	put_bytes(6, part, 1);
	put_number(3, VARINT, 65536);
	refused_from(MSG_CONTROL_BROKER, MSG_CONTROL_DESCRIBED,
		"are not in a schema of 65536");
	pack_example(about_kind(MSG_CONTROL_SCHEMA));
	put_bytes(4, part, 0);
	refused(MSG_CONTROL_SCHEMA, "part is 0, not 1 to 3072");
	body.bytes = 0;
	put_number(1, FIXED64, 1);
	put_number(2, VARINT, 65536);
	put_number(3, VARINT, 0);
	put_bytes(4, part, sizeof part);
	refused(MSG_CONTROL_SCHEMA, "part is 3073, not 1 to 3072");
}
END_TEST

START_TEST(a_pool_too_large_is_refused)
{
	pack_example(about_kind(MSG_CONTROL_PUBLISHING));
	put_number(1, VARINT, 1u << 20);
	put_number(2, VARINT, 1u << 20);
	ck_assert_int_eq(unpack(MSG_CONTROL_PUBLISHING), 0);
	put_number(2, VARINT, (1u << 20) + 1);
	refused(MSG_CONTROL_PUBLISHING, "are too much");
	put_number(2, VARINT, 1447);
	refused(MSG_CONTROL_PUBLISHING, "more than slot_bytes 1447");
}
END_TEST

START_TEST(a_frame_closes_what_was_not_taken_out)
{
	struct msg_control_frame frame = {.fd_count = 3};
	int kept;

	for (unsigned i = 0; i < 3; i++)
		frame.fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	kept = frame.fds[1];
	frame.fds[1] = -1;
	msg_control_frame_close(&frame);
	ck_assert_int_eq(frame.fds[0], -1);
	ck_assert_int_eq(frame.fds[2], -1);
	ck_assert_int_ge(fcntl(kept, F_GETFD), 0);
	ck_assert_int_eq(fcntl(kept + 1, F_GETFD), -1);
	msg_control_frame_close(&frame);
	close(kept);
}
END_TEST

static void add_for_each_kind(TCase *whole)
{
	int count = (int)EXAMPLES;

	tcase_add_loop_test(whole, what_is_packed_is_unpacked, 0, count);
	tcase_add_loop_test(whole, unknown_fields_are_skipped, 0, count);
	tcase_add_loop_test(whole, a_cut_body_is_refused_or_whole, 0, count);
	tcase_add_loop_test(whole, noise_is_refused_or_good, 0, count);
	tcase_add_loop_test(whole, a_kind_is_for_one_side_to_say, 0, count);
	tcase_add_loop_test(
		whole, descriptors_are_as_many_as_the_kind_has, 0, count);
	tcase_add_loop_test(
		whole, too_large_a_body_is_refused_unread, 0, count);
}

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *whole = check_case(suite, "whole", 20);
	TCase *amplify = check_case(suite, "amplify", 20);

	add_for_each_kind(whole);
	tcase_add_test(whole, the_largest_listing_fits);
	tcase_add_test(whole, the_largest_welcome_and_refusal_fit);
	tcase_add_test(whole, an_empty_listing_is_one);
	tcase_add_test(whole, an_odd_program_name_is_sent_as_question_marks);
	tcase_add_test_raise_signal(
		whole, packing_what_is_out_of_range_aborts, SIGABRT);
	tcase_add_test_raise_signal(
		whole, packing_a_topic_that_is_no_text_aborts, SIGABRT);
	tcase_add_test(whole, unknown_kinds_are_refused_by_number);
	tcase_add_test(whole, a_pool_too_large_is_refused);
	tcase_add_test(whole, parts_lie_in_their_schema);
	tcase_add_test(whole, a_frame_closes_what_was_not_taken_out);
	tcase_add_test(
		amplify, many_empty_elements_cost_neither_memory_nor_time);
	tcase_add_test(amplify, many_unknown_fields_are_too_much);
	tcase_add_test(amplify, nesting_leads_nowhere);
	add_fields(suite);
	return check_main(suite, NULL);
}
