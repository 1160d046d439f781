/* SPDX-License-Identifier: BSD-2-Clause */
/* test_question.c - QUESTION and ANSWER, to bytes and back; see
 * protocol/question.h. */
#include "protocol/question.h"

#include <stdlib.h>
#include <string.h>

#include "check_main.h"

static const struct msg_question question = {
	.token = 0x1122334455667788,
	.hash = 0x99aabbccddeeff00,
	.tag = 0x01020304,
	.publisher = 0x05060708,
	.offset = 984,
	.frame_bytes = 1024,
	.reach = {.bytes = 3, .data = {7, 8, 9}},
};

static uint8_t frame[2048];
static struct msg_frame header;

static const uint8_t *body(uint32_t bytes)
{
	ck_assert_int_eq(msg_frame_read(frame, bytes, &header), MSG_FRAME_OK);
	return frame + MSG_FRAME_HEADER_BYTES;
}

START_TEST(a_question_comes_back)
{
	struct msg_question again;

	for (uint32_t bytes = 256; bytes <= 1024; bytes += 96) {
		struct msg_question one = question;

		one.frame_bytes = bytes;
		msg_question_write(frame, &one);
		ck_assert(msg_question_read(&again, &header, body(bytes)));
		ck_assert_int_eq(header.type, MSG_FRAME_QUESTION);
		ck_assert_uint_eq(again.token, one.token);
		ck_assert_uint_eq(again.hash, one.hash);
		ck_assert_uint_eq(again.tag, one.tag);
		ck_assert_uint_eq(again.publisher, one.publisher);
		ck_assert_uint_eq(again.offset, one.offset);
		ck_assert_uint_eq(again.frame_bytes, one.frame_bytes);
		ck_assert_uint_eq(again.reach.bytes, one.reach.bytes);
		ck_assert_mem_eq(
			again.reach.data, one.reach.data, one.reach.bytes);
	}
}
END_TEST

START_TEST(an_answer_comes_back_and_is_no_longer)
{
	static uint8_t part[1024];
	struct msg_answer answer = {
		.token = question.token,
		.hash = question.hash,
		.tag = 1,
		.publisher = 2,
		.offset = 5,
		.total = 65536,
		.part = part,
	};

	memset(part, 0xa5, sizeof part);
	for (answer.bytes = 1; answer.bytes <= msg_answer_part_max(1024);
		answer.bytes++) {
		uint32_t bytes = msg_answer_write(frame, &answer);
		struct msg_answer again;

		ck_assert_uint_le(bytes, 1024);
		ck_assert(msg_answer_read(&again, &header, body(bytes)));
		ck_assert_uint_eq(again.bytes, answer.bytes);
		ck_assert_mem_eq(again.part, part, again.bytes);
		ck_assert_uint_eq(again.token, answer.token);
		ck_assert_uint_eq(again.hash, answer.hash);
		ck_assert_uint_eq(again.offset, answer.offset);
		ck_assert_uint_eq(again.total, answer.total);
	}
}
END_TEST

/* Each byte that must be zero, or in a range, is another. */
START_TEST(odd_questions_are_malformed)
{
	struct msg_question again;
	const uint8_t *at;

	msg_question_write(frame, &question);
	at = body(1024);
	header.bytes = 255;
	ck_assert(!msg_question_read(&again, &header, at));
	header.bytes = 1025;
	ck_assert(!msg_question_read(&again, &header, at));
	for (uint32_t i = 9; i < 1000; i++) {
		if (i >= 16 && i < 19)
			continue;
		msg_question_write(frame, &question);
		frame[MSG_FRAME_HEADER_BYTES + i] = 1;
		ck_assert_msg(!msg_question_read(&again, &header, body(1024)),
			"byte %u", i);
	}
	for (unsigned bytes = 0; bytes < 256; bytes++) {
		msg_question_write(frame, &question);
		frame[MSG_FRAME_HEADER_BYTES + 8] = (uint8_t)bytes;
		ck_assert_int_eq(
			msg_question_read(&again, &header, body(1024)),
			bytes >= 3 && bytes <= MSG_REACH_BYTES_MAX);
	}
}
END_TEST

START_TEST(odd_answers_are_malformed)
{
	static const struct {
		uint32_t total, offset, bytes;
		bool good;
	} cases[] = {
		{100, 0, 100, true},
		{100, 99, 1, true},
		{65536, 65535, 1, true},
		{100, 0, 101, false},
		{100, 100, 1, false},
		{100, 99, 2, false},
		{0, 0, 1, false},
		{65537, 0, 1, false},
		{UINT32_MAX, UINT32_MAX - 1, 1, false},
	};
	static uint8_t part[1024];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct msg_answer answer = {
			.total = cases[i].total,
			.offset = cases[i].offset,
			.bytes = cases[i].bytes,
			.part = part,
		};
		uint32_t bytes = msg_answer_write(frame, &answer);
		struct msg_answer again;

		ck_assert_int_eq(msg_answer_read(&again, &header, body(bytes)),
			cases[i].good);
		frame[MSG_FRAME_HEADER_BYTES + 12] = 1;
		ck_assert(!msg_answer_read(&again, &header, body(bytes)));
	}
	header.bytes = MSG_FRAME_HEADER_BYTES + MSG_ANSWER_BYTES;
	ck_assert(!msg_answer_read(&(struct msg_answer){0}, &header,
		frame + MSG_FRAME_HEADER_BYTES));
	header.bytes = MSG_QUESTION_FRAME_MAX + 1;
	ck_assert(!msg_answer_read(&(struct msg_answer){0}, &header,
		frame + MSG_FRAME_HEADER_BYTES));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("question");
	TCase *all = check_case(suite, "question", 10);

	tcase_add_test(all, a_question_comes_back);
	tcase_add_test(all, an_answer_comes_back_and_is_no_longer);
	tcase_add_test(all, odd_questions_are_malformed);
	tcase_add_test(all, odd_answers_are_malformed);
	return check_main(suite, NULL);
}
