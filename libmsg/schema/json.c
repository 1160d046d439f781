/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.c - a message as one line of JSON, after protobuf's mapping.
 *
 * Source: protobuf.dev, "ProtoJSON".  Three things are otherwise, for people who
 * read a stream of lines: 64-bit integers are numbers and no text (with all their
 * digits), fields have the names of the schema, and what has no presence is there
 * also when it is 0, so that every line has the same columns.
 */
#include "schema/type.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "schema/numeric.h"

/* Messages nest 64 deep, each perhaps in a list. */
#define LEVELS_MAX (2 * MSG_SCHEMA_DEPTH_MAX + 2)

struct json {
	struct msg_wire_out *out;
	uint32_t depth;
	struct {
		char closing; /* What ends it. */
		bool keys;
		bool comma;
	} levels[LEVELS_MAX];
};

static void put(struct json *json, const char *text)
{
	msg_wire_put(json->out, text, strlen(text));
}

/* Those that turn the direction of a line, or break it. */
static bool is_confusing(uint32_t c)
{
	return c == 0x061c || (c >= 0x200e && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* A character that may not stand in a text of JSON as it is, or not on a
 * terminal. */
static bool put_escaped(struct json *json, uint32_t c)
{
	char room[16];

	switch (c) {
	case '"':
		put(json, "\\\"");
		return true;
	case '\\':
		put(json, "\\\\");
		return true;
	case '\n':
		put(json, "\\n");
		return true;
	case '\t':
		put(json, "\\t");
		return true;
	default:
		break;
	}
	if (!msg_utf8_is_control(c) && !is_confusing(c))
		return false;
	snprintf(room, sizeof room, "\\u%04x", (unsigned)c);
	put(json, room);
	return true;
}

static void put_text(struct json *json, const char *text, size_t bytes)
{
	put(json, "\"");
	while (bytes > 0) {
		uint32_t c;
		unsigned taken = msg_utf8_next(text, bytes, &c);

		if (taken == 0) {
			put(json, "\\ufffd");
			taken = 1;
		} else if (!put_escaped(json, c)) {
			msg_wire_put(json->out, text, taken);
		}
		text += taken;
		bytes -= taken;
	}
	put(json, "\"");
}

static void put_base64(struct json *json, const uint8_t *data, size_t bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	put(json, "\"");
	for (size_t i = 0; i < bytes; i += 3) {
		size_t left = bytes - i;
		uint32_t word = (uint32_t)data[i] << 16 |
				(left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
				(left > 2 ? data[i + 2] : 0);
		char four[] = {digits[word >> 18], digits[word >> 12 & 63],
			left > 1 ? digits[word >> 6 & 63] : '=',
			left > 2 ? digits[word & 63] : '='};

		msg_wire_put(json->out, four, sizeof four);
	}
	put(json, "\"");
}

/* As few digits as give the number back. */
static void put_real(struct json *json, double value, bool single)
{
	char room[40];

	if (isnan(value) || isinf(value)) {
		put(json, isnan(value)	? "\"NaN\""
			  : value < 0	? "\"-Infinity\""
					: "\"Infinity\"");
		return;
	}
	for (int digits = single ? 6 : 15; digits <= 17; digits++) {
		snprintf(room, sizeof room, "%.*g", digits, value);
		if (single ? strtof(room, NULL) == (float)value
			   : strtod(room, NULL) == value)
			break;
	}
	put(json, room);
}

static void put_whole(struct json *json, const struct msg_value *value)
{
	char room[32];

	if (value->kind == MSG_VALUE_UINT)
		snprintf(room, sizeof room, "%llu",
			(unsigned long long)value->natural);
	else
		snprintf(room, sizeof room, "%lld", (long long)value->integer);
	put(json, room);
}

static void put_enum(struct json *json, const struct msg_value *value)
{
	struct msg_value number = *value;

	number.kind = MSG_VALUE_INT;
	if (value->bytes > 0)
		put_text(json, value->data, value->bytes);
	else
		put_whole(json, &number);
}

static void open(struct json *json, char opening, char closing, bool keys)
{
	msg_wire_put(json->out, &opening, 1);
	json->levels[json->depth].closing = closing;
	json->levels[json->depth].keys = keys;
	json->levels[json->depth].comma = false;
	json->depth++;
}

static int say(void *context, const struct msg_value *value)
{
	struct json *json = context;

	if (value->kind == MSG_VALUE_END) {
		msg_wire_put(json->out, &json->levels[--json->depth].closing, 1);
		return json->out->failed ? -MSG_ERROR_MEMORY : 0;
	}
	if (json->depth > 0) {
		if (json->levels[json->depth - 1].comma)
			put(json, ",");
		json->levels[json->depth - 1].comma = true;
		if (json->levels[json->depth - 1].keys) {
			put_text(json, value->name, strlen(value->name));
			put(json, ":");
		}
	}
	switch (value->kind) {
	case MSG_VALUE_BOOL:
		put(json, value->integer ? "true" : "false");
		break;
	case MSG_VALUE_INT:
	case MSG_VALUE_UINT:
		put_whole(json, value);
		break;
	case MSG_VALUE_FLOAT:
	case MSG_VALUE_DOUBLE:
		put_real(json, value->real, value->kind == MSG_VALUE_FLOAT);
		break;
	case MSG_VALUE_ENUM:
		put_enum(json, value);
		break;
	case MSG_VALUE_TEXT:
		put_text(json, value->data, value->bytes);
		break;
	case MSG_VALUE_BYTES:
		put_base64(json, value->data, value->bytes);
		break;
	case MSG_VALUE_LIST:
		open(json, '[', ']', false);
		break;
	default: /* MESSAGE, MAP */
		open(json, '{', '}', true);
	}
	return json->out->failed ? -MSG_ERROR_MEMORY : 0;
}

int msg_schema_type_json(const struct msg_type *type, const void *data,
	size_t bytes, struct msg_wire_out *out)
{
	struct json json = {.out = out};
	struct schema_numeric numeric;
	int result;

	schema_numeric_begin(&numeric);
	result = msg_schema_type_walk(type, data, bytes, say, &json);
	schema_numeric_end(&numeric);
	return result;
}
