/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control_fields.c - the fields of control messages, one by one.
 *
 * The table says again, from proto/README.md and not from the code, what each
 * field may hold.  A value is tried by appending its field once more to a good
 * body: in protobuf the last one counts.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#include "base/trail.h"
#include "control_bodies.h"

/* ---- the fields, one by one -------------------------------------------- */

enum type {
	NUMBER32, /* Wire type VARINT. */
	NUMBER64,
	FIXED, /* Wire type FIXED64. */
	FLAG,
	REAL,
	TEXT,
};

struct rule {
	unsigned kind; /* 0: a Topic in a Listing. */
	unsigned field;
	enum type type;
	uint64_t min; /* Of a number, or of a text's bytes. */
	uint64_t max;
	bool required;
};

#define M16 (16u << 20)
#define ANY32 0, UINT32_MAX
#define ANY64 0, UINT64_MAX

static const struct rule rules[] = {
	{MSG_CONTROL_HELLO, 1, NUMBER32, 1, UINT32_MAX, true},
	{MSG_CONTROL_HELLO, 2, NUMBER32, 1, 3, true},
	{MSG_CONTROL_HELLO, 3, TEXT, 0, 63, false},
	{MSG_CONTROL_HELLO, 4, FLAG, 0, 1, false},
	{MSG_CONTROL_SUBSCRIBE, 1, TEXT, 1, 255, true},
	{MSG_CONTROL_SUBSCRIBE, 2, NUMBER32, 1, 3, true},
	{MSG_CONTROL_SUBSCRIBE, 3, NUMBER32, 1, 65536, true},
	{MSG_CONTROL_SUBSCRIBE, 4, NUMBER32, 1, M16, true},
	{MSG_CONTROL_SUBSCRIBE, 5, FLAG, 0, 1, false},
	{MSG_CONTROL_SUBSCRIBE, 6, NUMBER32, ANY32, false},
	{MSG_CONTROL_SUBSCRIBE, 7, FLAG, 0, 1, false},
	{MSG_CONTROL_SUBSCRIBE, 8, NUMBER32, 0, 60000, false},
	{MSG_CONTROL_SUBSCRIBE, 9, FLAG, 0, 1, false},
	{MSG_CONTROL_SUBSCRIBE, 20, FIXED, ANY64, false},
	{MSG_CONTROL_SUBSCRIBE, 30, NUMBER32, 0, 1u << 30, false},
	{MSG_CONTROL_PUBLISH, 1, TEXT, 1, 255, true},
	{MSG_CONTROL_PUBLISH, 2, FIXED, ANY64, true},
	{MSG_CONTROL_PUBLISH, 3, NUMBER64, ANY64, true},
	{MSG_CONTROL_PUBLISH, 4, NUMBER32, 1, M16, true},
	{MSG_CONTROL_PUBLISH, 5, NUMBER32, 2, 65536, true},
	{MSG_CONTROL_PUBLISH, 6, NUMBER32, 10, 60000, true},
	{MSG_CONTROL_PUBLISH, 7, NUMBER32, 0, 3, false},
	{MSG_CONTROL_PUBLISH, 8, NUMBER32, 0, 3, false},
	{MSG_CONTROL_PUBLISH, 9, NUMBER32, 0, 1024, false},
	{MSG_CONTROL_PUBLISH, 10, NUMBER64, 0, 4ull << 30, false},
	{MSG_CONTROL_PUBLISH, 11, NUMBER32, 0, 3600000, false},
	{MSG_CONTROL_PUBLISH, 12, NUMBER32, 0, 60000, false},
	{MSG_CONTROL_PUBLISH, 13, NUMBER32, 0, 60000, false},
	{MSG_CONTROL_PUBLISH, 14, NUMBER64, 0, 1ull << 48, false},
	{MSG_CONTROL_PUBLISH, 15, NUMBER32, ANY32, false},
	{MSG_CONTROL_PUBLISH, 20, TEXT, 0, 127, false},
	{MSG_CONTROL_PUBLISH, 21, NUMBER32, 0, 255, false},
	{MSG_CONTROL_PUBLISH, 22, FIXED, ANY64, false},
	{MSG_CONTROL_PUBLISH, 30, NUMBER32, 0, 1u << 30, false},
	{MSG_CONTROL_PUBLISH, 31, NUMBER64, 0, 1ull << 40, false},
	{MSG_CONTROL_WATCH, 1, TEXT, 1, 255, true},
	{MSG_CONTROL_BYE, 1, NUMBER64, ANY64, true},
	{MSG_CONTROL_WELCOME, 1, NUMBER32, 1, UINT32_MAX, true},
	{MSG_CONTROL_WELCOME, 2, FIXED, ANY64, true},
	{MSG_CONTROL_WELCOME, 3, NUMBER32, ANY32, true},
	{MSG_CONTROL_WELCOME, 4, TEXT, 1, 64, true},
	{MSG_CONTROL_WELCOME, 5, NUMBER32, 0, 2, false},
	{MSG_CONTROL_WELCOME, 6, TEXT, 0, 63, false},
	{MSG_CONTROL_WELCOME, 7, TEXT, 0, 63, false},
	{MSG_CONTROL_WELCOME, 8, TEXT, 0, 63, false},
	{MSG_CONTROL_WELCOME, 9, TEXT, 0, 63, false},
	{MSG_CONTROL_WELCOME, 10, TEXT, 0, 159, false},
	{MSG_CONTROL_WELCOME, 11, NUMBER32, 0, 65535, false},
	{MSG_CONTROL_WELCOME, 12, NUMBER32, 256, 65507, true},
	{MSG_CONTROL_WELCOME, 13, NUMBER32, 1, M16, true},
	{MSG_CONTROL_WELCOME, 14, NUMBER32, 2, 65536, true},
	{MSG_CONTROL_WELCOME, 15, NUMBER32, 10, 60000, true},
	{MSG_CONTROL_WELCOME, 16, FLAG, 0, 1, false},
	{MSG_CONTROL_WELCOME, 17, FLAG, 0, 1, false},
	{MSG_CONTROL_WELCOME, 18, FLAG, 0, 1, false},
	{MSG_CONTROL_WELCOME, 20, FLAG, 0, 1, false},
	{MSG_CONTROL_WELCOME, 30, FLAG, 0, 1, false},
	{MSG_CONTROL_REFUSED, 1, NUMBER32, 1, 255, true},
	{MSG_CONTROL_REFUSED, 2, TEXT, 0, 400, false},
	{MSG_CONTROL_PUBLISHING, 1, NUMBER32, 2, 1u << 20, true},
	{MSG_CONTROL_PUBLISHING, 2, NUMBER32, 1448, 1u << 30, true},
	{MSG_CONTROL_PUBLISHING, 3, NUMBER32, 1, 1600, true},
	{MSG_CONTROL_PUBLISHING, 4, NUMBER32, 2048, 1u << 20, true},
	{MSG_CONTROL_PUBLISHING, 5, NUMBER32, 1, 65507, true},
	{MSG_CONTROL_PUBLISHING, 6, NUMBER32, 0, 2047, false},
	{MSG_CONTROL_PUBLISHING, 7, NUMBER32, 0, 512, false},
	{MSG_CONTROL_PUBLISHING, 30, NUMBER64, 0, 1ull << 41, false},
	{MSG_CONTROL_RING, 1, NUMBER32, ANY32, true},
	{MSG_CONTROL_RING, 2, TEXT, 1, 255, true},
	{MSG_CONTROL_RING, 3, NUMBER32, 1, 2, true},
	{MSG_CONTROL_RING, 4, NUMBER32, ANY32, false},
	{MSG_CONTROL_RING, 5, NUMBER32, 0, 127, true},
	{MSG_CONTROL_RING, 6, NUMBER32, 2, 1u << 20, true},
	{MSG_CONTROL_RING, 7, NUMBER64, 1, 1ull << 40, true},
	{MSG_CONTROL_RING, 8, NUMBER32, 1, 65536, true},
	{MSG_CONTROL_RING, 9, NUMBER64, ANY64, true},
	{MSG_CONTROL_RING, 10, NUMBER32, 0, 1u << 20, false},
	{MSG_CONTROL_RING, 11, TEXT, 0, 63, false},
	{MSG_CONTROL_RING, 30, NUMBER64, 0, 1ull << 41, false},
	{MSG_CONTROL_RING_GONE, 1, NUMBER32, ANY32, true},
	{MSG_CONTROL_RING_GONE, 2, FLAG, 0, 1, false},
	{MSG_CONTROL_READER, 1, NUMBER32, 0, 127, true},
	{MSG_CONTROL_READER, 2, NUMBER32, 1, 3, true},
	{MSG_CONTROL_READER, 3, NUMBER32, 1, 65536, true},
	{MSG_CONTROL_READER, 4, NUMBER32, ANY32, false},
	{MSG_CONTROL_READER, 5, NUMBER32, ANY32, false},
	{MSG_CONTROL_READER, 6, TEXT, 0, 63, false},
	{MSG_CONTROL_READER_GONE, 1, NUMBER32, 0, 127, true},
	{0, 1, TEXT, 1, 255, true},
	{0, 2, TEXT, 0, 63, false},
	{0, 3, TEXT, 0, 63, false},
	{0, 4, NUMBER32, ANY32, true},
	{0, 5, NUMBER64, ANY64, true},
	{0, 6, NUMBER64, ANY64, true},
	{0, 7, REAL, 0, 0, true},
	{0, 8, NUMBER32, ANY32, false},
	{0, 9, NUMBER32, ANY32, false},
	{0, 10, NUMBER32, 1, M16, true},
	{0, 11, NUMBER32, 256, 1u << 20, true},
	{0, 12, FLAG, 0, 1, false},
	{0, 13, NUMBER32, 0, 3, false},
	{0, 20, TEXT, 0, 127, false},
	{0, 21, NUMBER32, 0, 255, false},
	{0, 22, FIXED, ANY64, false},
	{MSG_CONTROL_SCHEMA, 1, FIXED, ANY64, true},
	{MSG_CONTROL_DESCRIBE, 1, NUMBER32, ANY32, true},
	{MSG_CONTROL_DESCRIBE, 2, FIXED, ANY64, true},
	{MSG_CONTROL_DESCRIBE, 3, NUMBER32, 0, 65536, true},
	{MSG_CONTROL_DESCRIBED, 1, NUMBER32, ANY32, true},
	{MSG_CONTROL_DESCRIBED, 2, FIXED, ANY64, true},
	{MSG_CONTROL_DESCRIBED, 4, NUMBER32, 1, 3, true},
	{MSG_CONTROL_TYPED, 1, TEXT, 1, 255, true},
	{MSG_CONTROL_TYPED, 2, NUMBER32, ANY32, true},
	{MSG_CONTROL_TYPED, 3, TEXT, 0, 127, false},
	{MSG_CONTROL_LISTING, 2, FLAG, 0, 1, false},
	{MSG_CONTROL_STATS_SEGMENT, 1, NUMBER64, 1, 1ull << 40, true},
};
#define RULES (sizeof rules / sizeof *rules)

static unsigned frame_kind(const struct rule *rule)
{
	return rule->kind ? rule->kind : MSG_CONTROL_LISTING;
}

static uint64_t read_varint(const uint8_t **at)
{
	uint64_t value = 0;

	for (unsigned shift = 0;; shift += 7) {
		value |= (uint64_t)(**at & 127) << shift;
		if (!(*(*at)++ & 128))
			return value;
	}
}

/* Step over a field; returns its number. */
static unsigned skip_field(const uint8_t **at)
{
	uint64_t tag = read_varint(at), bytes;

	switch ((enum wire)(tag & 7)) {
	case VARINT:
		read_varint(at);
		break;
	case FIXED64:
		*at += 8;
		break;
	case BYTES:
		bytes = read_varint(at);
		*at += bytes;
		break;
	default:
		abort();
	}
	return (unsigned)(tag >> 3);
}

/* A good body for the rule; of a Topic alone, without the Listing around. */
static void start(const struct rule *rule)
{
	const uint8_t *at = body.data;
	size_t bytes;

	pack_example(about_kind(frame_kind(rule)));
	if (rule->kind)
		return;
	at++; /* The tag of the first topic. */
	bytes = read_varint(&at);
	memmove(body.data, at, bytes);
	body.bytes = bytes;
}

/* Put the Listing around a Topic. */
static void finish(const struct rule *rule)
{
	static uint8_t inner[4096];
	size_t bytes = body.bytes;

	if (rule->kind)
		return;
	memcpy(inner, body.data, bytes);
	body.bytes = 0;
	put_bytes(1, inner, bytes);
}

static void accepted_value(const struct rule *rule)
{
	finish(rule);
	ck_assert_msg(unpack(frame_kind(rule)) == 0, "kind %u field %u: %s",
		rule->kind, rule->field, msg_trail_text());
}

static void refused_value(const struct rule *rule, const char *why)
{
	finish(rule);
	refused(frame_kind(rule), why);
}

static void try_number(const struct rule *rule, uint64_t value, bool good)
{
	start(rule);
	put_number(rule->field, rule->type == FIXED ? FIXED64 : VARINT, value);
	if (good)
		accepted_value(rule);
	else
		refused_value(rule,
			rule->field == 2 && rule->kind == MSG_CONTROL_PUBLISHING
				? "Publishing: "
				: " is ");
}

static void try_text(const struct rule *rule, const char *text, size_t bytes,
	const char *why)
{
	start(rule);
	put_bytes(rule->field, text, bytes);
	if (!why)
		accepted_value(rule);
	else
		refused_value(rule, why);
}

static void try_real(const struct rule *rule, double value, bool good)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof bits);
	start(rule);
	put_number(rule->field, FIXED64, bits);
	if (good)
		accepted_value(rule);
	else
		refused_value(rule, "rate is not finite");
}

static void try_numbers(const struct rule *rule)
{
	uint64_t whole = rule->type == NUMBER32 ? UINT32_MAX : UINT64_MAX;

	try_number(rule, rule->min, true);
	try_number(rule, rule->max, true);
	if (rule->min > 0)
		try_number(rule, rule->min - 1, false);
	if (rule->max < whole) {
		try_number(rule, rule->max + 1, false);
		try_number(rule, whole, false);
	}
}

static void try_texts(const struct rule *rule)
{
	char text[512];

	memset(text, 'x', sizeof text);
	try_text(rule, text, rule->min, NULL);
	try_text(rule, text, rule->max, NULL);
	try_text(rule, text, rule->max + 1, " bytes, not ");
	if (rule->min > 0)
		try_text(rule, text, 0, "has 0 bytes, not 1 to");
	try_text(rule, "a\0b", 3, "is not UTF-8 without control");
	try_text(rule, "a\x1b[2J", 5, "is not UTF-8 without control");
	try_text(rule, "\xff", 1, "is not UTF-8 without control");
	try_text(rule, "\xc0\xaf", 2, "is not UTF-8 without control");
	try_text(rule,
		"pr\xc3\xbc"
		"f",
		5, NULL);
}

START_TEST(every_field_has_its_range)
{
	const struct rule *rule = &rules[_i];

	switch (rule->type) {
	case TEXT:
		try_texts(rule);
		break;
	case REAL:
		try_real(rule, -1, true);
		try_real(rule, 1e300, true);
		try_real(rule, INFINITY, false);
		try_real(rule, -INFINITY, false);
		try_real(rule, NAN, false);
		break;
	case FLAG:
		try_number(rule, 0, true);
		try_number(rule, 1, true);
		try_number(rule, 77, true); /* Any but 0 is true. */
		break;
	default:
		try_numbers(rule);
	}
}
END_TEST

START_TEST(every_required_field_must_be_there)
{
	const struct rule *rule = &rules[_i];
	static uint8_t whole[4096];
	const uint8_t *at = whole;
	size_t bytes;

	start(rule);
	bytes = body.bytes;
	ck_assert_uint_le(bytes, sizeof whole);
	memcpy(whole, body.data, bytes);
	body.bytes = 0;
	while (at < whole + bytes) {
		const uint8_t *field = at;

		if (skip_field(&at) != rule->field)
			for (; field < at; field++)
				put(*field);
	}
	ck_assert_uint_lt(body.bytes, bytes);
	if (rule->required)
		refused_value(rule, "required field is missing");
	else
		accepted_value(rule);
}
END_TEST

/* But for flags, of which protobuf-c takes any bytes. */
START_TEST(a_field_of_another_wire_type_is_refused)
{
	const struct rule *rule = &rules[_i];

	start(rule);
	if (rule->type == TEXT)
		put_number(rule->field, VARINT, 1);
	else
		put_bytes(rule->field, "x", 1);
	if (rule->type == FLAG)
		accepted_value(rule);
	else
		refused_value(rule, "cannot be parsed");
}
END_TEST

START_TEST(one_topic_too_many_is_refused)
{
	static uint8_t one[512];
	const struct rule topic = {.kind = 0};
	size_t bytes;

	start(&topic);
	bytes = body.bytes;
	memcpy(one, body.data, bytes);
	body.bytes = 0;
	for (unsigned i = 0; i < MSG_CONTROL_TOPICS_MAX; i++)
		put_bytes(1, one, bytes);
	ck_assert_int_eq(unpack(MSG_CONTROL_LISTING), 0);
	ck_assert_uint_eq(found.listing.topic_count, MSG_CONTROL_TOPICS_MAX);
	put_bytes(1, one, bytes);
	refused(MSG_CONTROL_LISTING, "topics is 33, not 0 to 32");
}
END_TEST

void add_fields(Suite *suite)
{
	TCase *field = check_case(suite, "field", 10);

	tcase_add_loop_test(field, every_field_has_its_range, 0, (int)RULES);
	tcase_add_loop_test(
		field, every_required_field_must_be_there, 0, (int)RULES);
	tcase_add_loop_test(
		field, a_field_of_another_wire_type_is_refused, 0, (int)RULES);
	tcase_add_test(field, one_topic_too_many_is_refused);
}
