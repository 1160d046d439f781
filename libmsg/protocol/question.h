/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * question.h - QUESTION and ANSWER: a publisher is asked for its schema.
 *
 *     QUESTION  which schema (by hash), from which byte on, and where to answer
 *     ANSWER    so many bytes of it from there, and how many there are in all
 *
 * Unicast, to the address in the publisher's announcement.  An answer is never
 * longer than its question, which is padded for that: who forges the sender of a
 * question gains nothing.  The asker's token comes back, so that nobody answers
 * who has not seen the question.  Layouts: proto/README.md.
 * Test: tests/unit/protocol/test_question.c, fuzz: tests/fuzz/fuzz_schema.c.
 */
#ifndef MSG_PROTOCOL_QUESTION_H
#define MSG_PROTOCOL_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/frame.h"
#include "protocol/report.h"

#define MSG_ANSWER_BYTES 16u /* In front of the part. */
/* Of a frame of both: fits any path but the narrowest. */
#define MSG_QUESTION_FRAME_MAX 1024u
#define MSG_QUESTION_FRAME_MIN 256u
#define MSG_SCHEMA_WIRE_BYTES_MAX (64u << 10)

struct msg_question {
	uint64_t token;
	uint64_t hash;
	uint32_t tag;       /* The topic's. */
	uint32_t publisher; /* Who is asked. */
	uint32_t offset;
	uint32_t frame_bytes; /* Of the question: 256 to 1024. */
	struct msg_reach reach;
};

struct msg_answer {
	uint64_t token;
	uint64_t hash;
	uint32_t tag;
	uint32_t publisher;
	uint32_t offset;
	uint32_t total; /* 1 to 64 KiB. */
	const uint8_t *part;
	uint32_t bytes; /* Of it; 1 or more. */
};

/* Bytes of a schema that an answer to a question of so many bytes holds. */
static inline uint32_t msg_answer_part_max(uint32_t frame_bytes)
{
	return frame_bytes - MSG_FRAME_HEADER_BYTES - MSG_ANSWER_BYTES;
}

/* Write a frame of question->frame_bytes. */
void msg_question_write(uint8_t *data, const struct msg_question *question);
/* Write a frame; its bytes. */
uint32_t msg_answer_write(uint8_t *data, const struct msg_answer *answer);

/* Read a body behind its header; false if it is malformed, and then nothing was
 * written.  The part stays where it is. */
bool msg_question_read(struct msg_question *question,
	const struct msg_frame *frame, const uint8_t *body);
bool msg_answer_read(struct msg_answer *answer, const struct msg_frame *frame,
	const uint8_t *body);

#endif
