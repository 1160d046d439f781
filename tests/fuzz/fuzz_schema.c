/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_schema.c - schemas, messages and filters of strangers.
 *
 * The first byte chooses: a FileDescriptorSet, a cstruct's schema, a filter and a
 * message of a type that is known here, or a question's and an answer's body.
 * Behind a schema stand, after its two bytes of length, bytes for a message of
 * it.  What is read must be read again as the same when we write it, have text,
 * a hash and a descriptor; a message shown as JSON must be UTF-8 in one line.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <msg/type.h>

#include "base/trail.h"
#include "base/utf8.h"
#include "protocol/question.h"
#include "receiver.h"
#include "schema/filter.h"
#include "schema/type.h"

static void check_text(const char *text, size_t bytes)
{
	while (bytes > 0) {
		uint32_t c;
		unsigned taken = msg_utf8_next(text, bytes, &c);

		MUST(taken > 0 && !msg_utf8_is_control(c));
		text += taken;
		bytes -= taken;
	}
}

static void show(
	const struct msg_type *type, const uint8_t *data, size_t bytes)
{
	struct msg_wire_out out = {.limit = 16u << 20};
	int result = msg_schema_type_json(type, data, bytes, &out);

	MUST(result == 0 || result == -MSG_ERROR_ARGUMENT ||
		result == -MSG_ERROR_MEMORY);
	if (result == 0)
		check_text((const char *)out.data, out.bytes);
	free(out.data);
}

/* What is written of it is the same type. */
static void write_again(const struct msg_type *type)
{
	struct msg_wire_out out = {.limit = MSG_TYPE_SCHEMA_BYTES_MAX};
	struct msg_type *again;
	int result = msg_schema_write(&type->schema, &out);

	/* Two files may define what can be in one package only with care:
	 * circles are refused, and more names than fit. */
	if (result == 0 && msg_schema_type_read(MSG_ENCODING_PROTOBUF,
				   type->name, out.data, out.bytes, &again) == 0) {
		MUST(again->hash == type->hash);
		msg_schema_type_drop(again);
	}
	free(out.data);
}

static void check_schema(enum msg_encoding encoding, const char *name,
	const uint8_t *data, size_t bytes)
{
	size_t schema = bytes < 2 ? 0 : (size_t)data[0] | (size_t)data[1] << 8;
	struct msg_wire_out out = {.limit = 16u << 20};
	struct msg_type *type;

	if (bytes < 2 || schema > bytes - 2)
		return;
	if (msg_schema_type_read(encoding, name, data + 2, schema, &type) < 0) {
		MUST(strlen(msg_trail_text()) > 10);
		return;
	}
	MUST(type->hash != 0);
	if (encoding == MSG_ENCODING_PROTOBUF) {
		msg_schema_print(&type->schema, &out);
		MUST(type->descriptors);
		write_again(type);
	} else {
		msg_cstruct_print(&type->cstruct, &out);
	}
	MUST(!out.failed && out.bytes > 0);
	free(out.data);
	show(type, data + 2 + schema, bytes - 2 - schema);
	msg_schema_type_drop(type);
}

struct known {
	double x;
	int64_t list[3];
	char name[8];
};

static struct msg_type *known_type(void)
{
	static const struct msg_cstruct_field fields[] = {
		MSG_CSTRUCT_FIELD(struct known, x, MSG_FIELD_DOUBLE),
		MSG_CSTRUCT_FIELD(struct known, list, MSG_FIELD_INT64),
		MSG_CSTRUCT_FIELD(struct known, name, MSG_FIELD_CHAR),
	};
	static const struct msg_cstruct table = {
		"known", sizeof(struct known), fields, 3};
	static struct msg_type *type;

	if (!type)
		MUST(msg_schema_type_tabulate(&table, &type) == 0);
	return type;
}

static void check_filter(const uint8_t *data, size_t bytes)
{
	struct msg_type *type = known_type();
	uint8_t message[sizeof(struct known)] = {0};
	size_t taken = bytes < sizeof message ? bytes : sizeof message;
	char *text = calloc(bytes - taken + 1, 1);
	struct msg_filter *filter;

	MUST(text);
	memcpy(message, data, taken);
	memcpy(text, data + taken, bytes - taken);
	if (msg_schema_filter_open(type, text, &filter) == 0) {
		int result = msg_schema_filter_match(
			filter, message, sizeof message);

		MUST(result == 0 || result == 1);
		msg_schema_filter_close(filter);
	}
	free(text);
}

static void check_question(const uint8_t *data, size_t bytes)
{
	struct msg_question question;
	struct msg_answer answer;
	struct msg_frame frame;
	uint8_t again[MSG_QUESTION_FRAME_MAX];

	if (msg_frame_read(data, bytes, &frame) != MSG_FRAME_OK)
		return;
	if (frame.type == MSG_FRAME_QUESTION &&
		msg_question_read(
			&question, &frame, data + MSG_FRAME_HEADER_BYTES)) {
		msg_question_write(again, &question);
		MUST(memcmp(again, data, frame.bytes) == 0);
	}
	if (frame.type == MSG_FRAME_ANSWER &&
		msg_answer_read(
			&answer, &frame, data + MSG_FRAME_HEADER_BYTES)) {
		MUST(answer.offset + answer.bytes <= answer.total);
		MUST(msg_answer_write(again, &answer) == frame.bytes);
		MUST(memcmp(again, data, frame.bytes) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes == 0)
		return 0;
	switch (data[0] & 3) {
	case 0:
		check_schema(MSG_ENCODING_PROTOBUF, "M", data + 1, bytes - 1);
		break;
	case 1:
		check_schema(MSG_ENCODING_CSTRUCT, "M", data + 1, bytes - 1);
		break;
	case 2:
		check_filter(data + 1, bytes - 1);
		break;
	default:
		check_question(data + 1, bytes - 1);
	}
	return 0;
}
