/* SPDX-License-Identifier: BSD-2-Clause */
/* question.c - QUESTION and ANSWER, to bytes and back; see question.h. */
#include "protocol/question.h"

#include <assert.h>
#include <string.h>

#include "protocol/bytes.h"

#define REACH_AT 16u

void msg_question_write(uint8_t *data, const struct msg_question *question)
{
	const struct msg_frame frame = {
		.type = MSG_FRAME_QUESTION,
		.bytes = (uint16_t)question->frame_bytes,
		.tag = question->tag,
		.publisher = question->publisher,
		.transmission = question->offset,
		.sequence = question->hash,
	};
	uint8_t *body = data + MSG_FRAME_HEADER_BYTES;

	assert(question->frame_bytes >= MSG_QUESTION_FRAME_MIN &&
		question->frame_bytes <= MSG_QUESTION_FRAME_MAX);
	assert(question->reach.bytes > 0 &&
		question->reach.bytes <= MSG_REACH_BYTES_MAX);
	memset(data, 0, question->frame_bytes);
	msg_frame_write(data, &frame);
	msg_store64(body, question->token);
	body[8] = question->reach.bytes;
	memcpy(body + REACH_AT, question->reach.data, question->reach.bytes);
}

uint32_t msg_answer_write(uint8_t *data, const struct msg_answer *answer)
{
	const struct msg_frame frame = {
		.type = MSG_FRAME_ANSWER,
		.bytes = (uint16_t)(MSG_FRAME_HEADER_BYTES + MSG_ANSWER_BYTES +
				    answer->bytes),
		.tag = answer->tag,
		.publisher = answer->publisher,
		.transmission = answer->offset,
		.sequence = answer->hash,
	};
	uint8_t *body = data + MSG_FRAME_HEADER_BYTES;

	assert(frame.bytes <= MSG_QUESTION_FRAME_MAX);
	msg_frame_write(data, &frame);
	msg_store64(body, answer->token);
	msg_store32(body + 8, answer->total);
	msg_store32(body + 12, 0);
	memcpy(body + MSG_ANSWER_BYTES, answer->part, answer->bytes);
	return frame.bytes;
}

static bool all_zero(const uint8_t *data, size_t bytes)
{
	uint8_t any = 0;

	for (size_t i = 0; i < bytes; i++)
		any |= data[i];
	return any == 0;
}

bool msg_question_read(struct msg_question *question,
	const struct msg_frame *frame, const uint8_t *body)
{
	uint8_t reach_bytes;
	uint32_t used;

	if (frame->bytes < MSG_QUESTION_FRAME_MIN ||
		frame->bytes > MSG_QUESTION_FRAME_MAX)
		return false;
	reach_bytes = body[8];
	used = REACH_AT + reach_bytes;
	if (reach_bytes < 1 || reach_bytes > MSG_REACH_BYTES_MAX ||
		!all_zero(body + 9, REACH_AT - 9) ||
		!all_zero(body + used,
			frame->bytes - MSG_FRAME_HEADER_BYTES - used))
		return false;
	*question = (struct msg_question){
		.token = msg_load64(body),
		.hash = frame->sequence,
		.tag = frame->tag,
		.publisher = frame->publisher,
		.offset = frame->transmission,
		.frame_bytes = frame->bytes,
	};
	question->reach.bytes = reach_bytes;
	memcpy(question->reach.data, body + REACH_AT, reach_bytes);
	return true;
}

bool msg_answer_read(struct msg_answer *answer, const struct msg_frame *frame,
	const uint8_t *body)
{
	uint32_t head = MSG_FRAME_HEADER_BYTES + MSG_ANSWER_BYTES;
	uint32_t bytes, total;

	if (frame->bytes <= head || frame->bytes > MSG_QUESTION_FRAME_MAX)
		return false;
	bytes = frame->bytes - head;
	total = msg_load32(body + 8);
	if (total < 1 || total > MSG_SCHEMA_WIRE_BYTES_MAX ||
		frame->transmission >= total ||
		bytes > total - frame->transmission ||
		!all_zero(body + 12, 4))
		return false;
	*answer = (struct msg_answer){
		.token = msg_load64(body),
		.hash = frame->sequence,
		.tag = frame->tag,
		.publisher = frame->publisher,
		.offset = frame->transmission,
		.total = total,
		.part = body + MSG_ANSWER_BYTES,
		.bytes = bytes,
	};
	return true;
}
