/* SPDX-License-Identifier: BSD-2-Clause */
/* test_shelf.c - a history that others read; see protocol/shelf.h. */
#include "protocol/shelf.h"

#include <string.h>

#include "check_main.h"
#include "protocol/fragment.h"
#include "protocol/frame.h"

#define ROOM 1500u
#define WIDE_ROOM 65600u

static const struct msg_shelf shelf = {
	.places = 64,
	.catalogue = 0x1112131415161718,
	.catalogue_key = 0x2122232425262728,
	.slots = 0x3132333435363738,
	.slots_key = 0x4142434445464748,
};

static const struct msg_shelf_place single = {
	.sequence = 0x1112131415161718,
	.begin = 0x2122232425262728,
	.number = 0x31323334,
	.bytes = 1000,
	.type = MSG_FRAME_SINGLE,
};

static const struct msg_shelf_place part = {
	.sequence = 7,
	.begin = 4096,
	.number = 9,
	.total = 5000,
	.offset = 1000,
	.bytes = 1000,
	.type = MSG_FRAME_FRAGMENT,
};

static uint8_t data[MSG_SHELF_PLACE_BYTES + 1];

/* Nothing is written where nothing is found. */
static void refused(uint32_t number, uint32_t room)
{
	struct msg_shelf_place place, before;

	memset(&place, 0x33, sizeof place);
	before = place;
	ck_assert(!msg_shelf_place_read(&place, data, number, room));
	ck_assert_mem_eq(&place, &before, sizeof place);
}

static void refused_place(const struct msg_shelf_place *place)
{
	msg_shelf_place_write(data, place);
	refused(place->number, ROOM);
}

static void taken_place(const struct msg_shelf_place *place)
{
	struct msg_shelf_place found;

	msg_shelf_place_write(data, place);
	ck_assert(msg_shelf_place_read(&found, data, place->number, ROOM));
	ck_assert_uint_eq(found.sequence, place->sequence);
	ck_assert_uint_eq(found.begin, place->begin);
	ck_assert_uint_eq(found.number, place->number);
	ck_assert_uint_eq(found.table_begin, place->table_begin);
	ck_assert_uint_eq(found.total, place->total);
	ck_assert_uint_eq(found.offset, place->offset);
	ck_assert_uint_eq(found.bytes, place->bytes);
	ck_assert_uint_eq(found.table, place->table);
	ck_assert_uint_eq(found.type, place->type);
	ck_assert(found.inside == place->inside);
}

START_TEST(where_it_is_is_read_as_it_was_said)
{
	const struct msg_reach reach = {6, {0x7f, 0, 0, 1, 0x1c, 0xe9}};
	const uint8_t expected[] = {
		0x91, 0, 64, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, /* */
		0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, /* */
		0x7f, 0, 0, 1, 0x1c, 0xe9, 0};
	uint8_t said[MSG_SHELF_FRAME_BYTES];
	struct msg_reach found = {.bytes = 77};
	struct msg_frame frame;

	msg_shelf_say(said, &reach, 3, 4);
	ck_assert_mem_eq(said, expected, sizeof expected);
	ck_assert_int_eq(
		msg_frame_read(said, sizeof said, &frame), MSG_FRAME_OK);
	ck_assert(msg_shelf_hear(&found, &frame, said + 24));
	ck_assert_mem_eq(&found, &reach, sizeof reach);
	/* Nothing is left open. */
	found.bytes = 77;
	frame.bytes--;
	ck_assert(!msg_shelf_hear(&found, &frame, said + 24));
	frame.bytes++;
	frame.transmission = 1;
	ck_assert(!msg_shelf_hear(&found, &frame, said + 24));
	frame.transmission = 0;
	frame.sequence = 1;
	ck_assert(!msg_shelf_hear(&found, &frame, said + 24));
	frame.sequence = 0;
	for (uint32_t i = 25; i < sizeof said; i++) {
		if (i >= 32 && i < 38)
			continue;
		said[i] ^= 0x80;
		ck_assert(!msg_shelf_hear(&found, &frame, said + 24));
		said[i] ^= 0x80;
	}
	said[24] = 0;
	ck_assert(!msg_shelf_hear(&found, &frame, said + 24));
	said[24] = 33;
	ck_assert(!msg_shelf_hear(&found, &frame, said + 24));
	said[24] = 5;
	ck_assert(!msg_shelf_hear(&found, &frame, said + 24));
	ck_assert_uint_eq(found.bytes, 77);
}
END_TEST

START_TEST(a_greeting_says_whose_and_what)
{
	const uint8_t expected[] = {4, 3, 2, 1, 8, 7, 6, 5, 's', 'h', 'f', '1'};
	uint8_t greeting[MSG_SHELF_GREETING_BYTES];

	msg_shelf_greet(greeting, 0x01020304, 0x05060708);
	ck_assert_mem_eq(greeting, expected, sizeof expected);
}
END_TEST

START_TEST(an_answer_is_read_as_it_was_written)
{
	const uint8_t expected[] = {1, 0, 0, 0, 64, 0, 0, 0, /* */
		0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, /* */
		0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, /* */
		0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31, /* */
		0x48, 0x47, 0x46, 0x45, 0x44, 0x43, 0x42, 0x41};
	uint8_t answer[MSG_SHELF_ANSWER_BYTES];
	struct msg_shelf found;

	msg_shelf_write(answer, &shelf);
	ck_assert_mem_eq(answer, expected, sizeof expected);
	ck_assert(msg_shelf_read(&found, answer, sizeof answer));
	ck_assert_uint_eq(found.places, shelf.places);
	ck_assert_uint_eq(found.catalogue, shelf.catalogue);
	ck_assert_uint_eq(found.catalogue_key, shelf.catalogue_key);
	ck_assert_uint_eq(found.slots, shelf.slots);
	ck_assert_uint_eq(found.slots_key, shelf.slots_key);
}
END_TEST

START_TEST(an_answer_that_cannot_be_is_refused)
{
	const uint32_t places[] = {0, 3, 65, MSG_SHELF_PLACES_MAX * 2,
		MSG_SHELF_PLACES_MAX + 1, UINT32_MAX};
	uint8_t answer[MSG_SHELF_ANSWER_BYTES];
	struct msg_shelf found, other = shelf;

	msg_shelf_write(answer, &shelf);
	ck_assert(!msg_shelf_read(&found, answer, sizeof answer - 1));
	ck_assert(!msg_shelf_read(&found, answer, 0));
	for (uint32_t i = 0; i < 4; i++) {
		answer[i] ^= 1;
		ck_assert(!msg_shelf_read(&found, answer, sizeof answer));
		answer[i] ^= 1;
	}
	for (uint32_t i = 0; i < sizeof places / sizeof *places; i++) {
		other.places = places[i];
		msg_shelf_write(answer, &other);
		ck_assert(!msg_shelf_read(&found, answer, sizeof answer));
	}
	for (other.places = 1; other.places <= MSG_SHELF_PLACES_MAX;
		other.places *= 2) {
		msg_shelf_write(answer, &other);
		ck_assert(msg_shelf_read(&found, answer, sizeof answer));
	}
}
END_TEST

START_TEST(a_place_is_read_as_it_was_written)
{
	const uint8_t expected[] = {
		0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, /* */
		0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, /* */
		0x34, 0x33, 0x32, 0x31, 0, 0, 0, 0, /* */
		0, 0, 0, 0, 0, 0, 0, 0, 0xe8, 3, 0, 0, 1, 0, 0, 0, 0x5a};
	struct msg_shelf_place packed = single;

	data[MSG_SHELF_PLACE_BYTES] = 0x5a;
	msg_shelf_place_write(data, &single);
	ck_assert_mem_eq(data, expected, sizeof expected);
	taken_place(&single);
	taken_place(&part);
	packed.type = MSG_FRAME_PACKED;
	packed.table = 20;
	packed.table_begin = 4000;
	taken_place(&packed);
	packed.type = MSG_FRAME_LARGE;
	taken_place(&packed);
	packed.inside = true;
	taken_place(&packed);
	ck_assert_uint_eq(data[37], 1);
	/* Nothing but that may stand there. */
	data[37] = 2;
	refused(packed.number, ROOM);
	data[37] = 1;
	data[38] = 1;
	refused(packed.number, ROOM);
}
END_TEST

START_TEST(another_frame_is_none_of_ours)
{
	msg_shelf_place_write(data, &single);
	refused(single.number + 1, ROOM);
	refused(single.number + 64, ROOM);
	refused(single.number ^ 0x80000000u, ROOM);
}
END_TEST

START_TEST(only_frames_with_messages_are_taken)
{
	for (uint32_t type = 0; type < 256; type++) {
		struct msg_shelf_place place = single;

		place.type = (uint8_t)type;
		if (type != MSG_FRAME_SINGLE && type != MSG_FRAME_PACKED &&
			type != MSG_FRAME_FRAGMENT && type != MSG_FRAME_LARGE)
			refused_place(&place);
	}
	for (uint32_t i = 38; i < 40; i++) {
		msg_shelf_place_write(data, &single);
		data[i] = 1;
		refused(single.number, ROOM);
	}
}
END_TEST

START_TEST(a_frame_must_find_room)
{
	struct msg_shelf_place place = single;
	uint32_t whole = MSG_FRAME_HEADER_BYTES + 1000;

	ck_assert_uint_eq(msg_shelf_frame_bytes(&place), whole);
	msg_shelf_place_write(data, &place);
	ck_assert(msg_shelf_place_read(&place, data, place.number, whole));
	refused(place.number, whole - 1);
	place.table = 1;
	msg_shelf_place_write(data, &place);
	refused(place.number, whole);
	msg_shelf_place_write(data, &part);
	whole += MSG_FRAGMENT_HEADER_BYTES;
	ck_assert(msg_shelf_place_read(&place, data, part.number, whole));
	refused(part.number, whole - 1);
	place.bytes = place.table = UINT16_MAX;
	refused_place(&place);
}
END_TEST

/* Of a connection: more than 16 bits say, and so the header cannot, either. */
START_TEST(a_frame_may_be_wide_where_there_is_room)
{
	static uint8_t front[WIDE_ROOM];
	struct msg_shelf_place found, place = single;
	struct msg_frame frame;

	place.bytes = WIDE_ROOM - MSG_FRAME_HEADER_BYTES;
	place.inside = true;
	msg_shelf_place_write(data, &place);
	ck_assert_uint_eq(data[32], (WIDE_ROOM - 24) & 0xff);
	ck_assert_uint_eq(data[38], 1);
	ck_assert(msg_shelf_place_read(
		&found, data, place.number, WIDE_ROOM));
	ck_assert_mem_eq(&found, &place, sizeof place);
	refused(place.number, WIDE_ROOM - 1);
	refused(place.number, ROOM);
	ck_assert_uint_eq(msg_shelf_front(front, &place, 3, 4, 5), 24);
	ck_assert_int_eq(
		msg_frame_read(front, WIDE_ROOM, &frame), MSG_FRAME_OK);
	ck_assert_uint_eq(frame.bytes, WIDE_ROOM);
	/* So many that with what stands in front they are few. */
	place.bytes = UINT32_MAX;
	msg_shelf_place_write(data, &place);
	refused(place.number, WIDE_ROOM);
	refused(place.number, ROOM);
}
END_TEST

START_TEST(a_part_must_be_one_of_a_message)
{
	struct msg_shelf_place place = part;

	place.total = MSG_FRAGMENT_TOTAL_MAX;
	place.offset = MSG_FRAGMENT_TOTAL_MAX - place.bytes;
	taken_place(&place);
	place.offset++;
	refused_place(&place);
	place.offset = UINT32_MAX;
	refused_place(&place);
	place.offset = 0;
	taken_place(&place);
	place.total++;
	refused_place(&place);
	place.total = place.bytes;
	refused_place(&place);
	place.total++;
	taken_place(&place);
	place.bytes = 0;
	refused_place(&place);
}
END_TEST

START_TEST(places_go_round)
{
	ck_assert_uint_eq(msg_shelf_place_at(&shelf, 0), 64);
	ck_assert_uint_eq(msg_shelf_place_at(&shelf, 63), 64 + 63 * 40);
	ck_assert_uint_eq(msg_shelf_place_at(&shelf, 64), 64);
	ck_assert_uint_eq(msg_shelf_place_at(&shelf, UINT32_MAX), 64 + 63 * 40);
}
END_TEST

START_TEST(what_is_below_the_floor_is_no_more)
{
	ck_assert(msg_shelf_has(5, 5));
	ck_assert(msg_shelf_has(5, 6));
	ck_assert(!msg_shelf_has(5, 4));
	ck_assert(msg_shelf_has(UINT32_MAX, 0));
	ck_assert(!msg_shelf_has(0, UINT32_MAX));
}
END_TEST

START_TEST(a_front_is_that_of_a_repair)
{
	uint8_t front[MSG_SHELF_FRONT_BYTES_MAX + 1000] = {0};
	struct msg_fragment read;
	struct msg_frame frame;

	ck_assert_uint_eq(msg_shelf_front(front, &single, 3, 4, 5), 24);
	ck_assert_int_eq(
		msg_frame_read(front, 1024, &frame), MSG_FRAME_OK);
	ck_assert_uint_eq(frame.type, MSG_FRAME_SINGLE);
	ck_assert_uint_eq(
		frame.flags, MSG_FRAME_RELIABLE | MSG_FRAME_REPAIR);
	ck_assert_uint_eq(frame.bytes, 1024);
	ck_assert_uint_eq(frame.tag, 3);
	ck_assert_uint_eq(frame.publisher, 4);
	ck_assert_uint_eq(frame.transmission, single.number);
	ck_assert_uint_eq(frame.sequence, UINT64_C(0x515161718));
	ck_assert_uint_eq(msg_shelf_front(front, &part, 3, 4, 5), 32);
	ck_assert_int_eq(
		msg_frame_read(front, 1032, &frame), MSG_FRAME_OK);
	ck_assert_uint_eq(frame.bytes, 1032);
	ck_assert(msg_fragment_read(
		front + 24, frame.bytes - MSG_FRAME_HEADER_BYTES, &read));
	ck_assert_uint_eq(read.total, part.total);
	ck_assert_uint_eq(read.offset, part.offset);
	ck_assert_uint_eq(read.bytes, part.bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shelf");
	TCase *said = check_case(suite, "shelf", 20);

	tcase_add_test(said, where_it_is_is_read_as_it_was_said);
	tcase_add_test(said, a_greeting_says_whose_and_what);
	tcase_add_test(said, an_answer_is_read_as_it_was_written);
	tcase_add_test(said, an_answer_that_cannot_be_is_refused);
	tcase_add_test(said, a_place_is_read_as_it_was_written);
	tcase_add_test(said, another_frame_is_none_of_ours);
	tcase_add_test(said, only_frames_with_messages_are_taken);
	tcase_add_test(said, a_frame_must_find_room);
	tcase_add_test(said, a_frame_may_be_wide_where_there_is_room);
	tcase_add_test(said, a_part_must_be_one_of_a_message);
	tcase_add_test(said, places_go_round);
	tcase_add_test(said, what_is_below_the_floor_is_no_more);
	tcase_add_test(said, a_front_is_that_of_a_repair);
	return check_main(suite, NULL);
}
