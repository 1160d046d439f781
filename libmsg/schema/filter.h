/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * filter.h - a condition on messages of a type: "price > 10 and side == BUY".
 *
 *     or_part:   and_part { ("or" | "||") and_part }
 *     and_part:  not_part { ("and" | "&&") not_part }
 *     not_part:  ("not" | "!") not_part | "(" or_part ")" | test
 *     test:      path [ ("==" "!=" "<" "<=" ">" ">=") literal ]
 *     path:      name { "." name }
 *
 * A test is true when one value that is there fulfils it, so all tests are made
 * on one walk through the message, each as its path is passed; then the program,
 * in postfix, says what they come to.  Everything is bounded: bytes, tests, names
 * of a path, brackets in brackets.
 * Test: tests/unit/schema/test_filter.c, fuzz: tests/fuzz/fuzz_schema.c.
 */
#ifndef MSG_SCHEMA_FILTER_H
#define MSG_SCHEMA_FILTER_H

#include <stdbool.h>

#include "schema/type.h"

#define MSG_FILTER_BYTES_MAX 1024u
#define MSG_FILTER_TESTS_MAX 64u
#define MSG_FILTER_NAMES_MAX 16u
#define MSG_FILTER_BRACKETS_MAX 32u
#define MSG_FILTER_STEPS_MAX 512u

enum filter_operator {
	FILTER_THERE, /* A path alone. */
	FILTER_EQUAL,
	FILTER_UNEQUAL,
	FILTER_LESS,
	FILTER_LESS_EQUAL,
	FILTER_GREATER,
	FILTER_GREATER_EQUAL,
};

struct filter_literal {
	bool is_text;
	bool is_whole;   /* Sign and magnitude are exact. */
	bool negative;
	uint64_t magnitude;
	double real;
	const char *text;
	size_t bytes;
};

struct filter_test {
	const char *names[MSG_FILTER_NAMES_MAX];
	uint32_t name_count;
	enum filter_operator operator;
	struct filter_literal literal;
};

/* Steps below TESTS_MAX push the outcome of that test. */
enum filter_step {
	FILTER_AND = 128,
	FILTER_OR,
	FILTER_NOT,
};

struct msg_filter {
	struct msg_type *type;
	uint32_t test_count;
	uint32_t step_count;
	struct filter_test tests[MSG_FILTER_TESTS_MAX];
	uint8_t steps[MSG_FILTER_STEPS_MAX];
	char texts[2 * MSG_FILTER_BYTES_MAX]; /* Names and texts, with zeros. */
	size_t text_bytes;
};

/* As the calls of <msg/type.h>. */
int msg_schema_filter_open(const struct msg_type *type, const char *text,
	struct msg_filter **filter);
int msg_schema_filter_match(
	const struct msg_filter *filter, const void *data, size_t bytes);
void msg_schema_filter_close(struct msg_filter *filter);

/* filter_path.c: whether the path of a test leads to a value that its literal
 * can be compared with; the name of an enum's value becomes its number.  0, or
 * ARGUMENT with the trail. */
int schema_filter_check(const struct msg_type *type, struct filter_test *test);

#endif
