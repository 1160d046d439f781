/* SPDX-License-Identifier: BSD-2-Clause */
/* filter_match.c - a condition and a message; see filter.h. */
#include "schema/filter.h"

#include <math.h>
#include <string.h>

#define LEVELS_MAX (2 * MSG_SCHEMA_DEPTH_MAX + 2)

struct match {
	const struct msg_filter *filter;
	uint32_t depth; /* Names passed on the way to here. */
	uint32_t level_count;
	bool named[LEVELS_MAX];            /* Whether a level is one of them. */
	uint32_t passed[MSG_FILTER_TESTS_MAX]; /* Of a test's path, so far. */
	bool outcomes[MSG_FILTER_TESTS_MAX];
};

/* ---- one value --------------------------------------------------------- */

/* What a comparison found; UNORDERED: NaN is on one side. */
enum order { ORDER_LESS, ORDER_EQUAL, ORDER_GREATER, ORDER_NONE };

static bool holds(enum filter_operator operator, enum order order)
{
	switch (operator) {
	case FILTER_EQUAL:
		return order == ORDER_EQUAL;
	case FILTER_UNEQUAL:
		return order != ORDER_EQUAL;
	case FILTER_LESS:
		return order == ORDER_LESS;
	case FILTER_LESS_EQUAL:
		return order == ORDER_LESS || order == ORDER_EQUAL;
	case FILTER_GREATER:
		return order == ORDER_GREATER;
	default:
		return order == ORDER_GREATER || order == ORDER_EQUAL;
	}
}

static enum order order_reals(double a, double b)
{
	if (isnan(a) || isnan(b))
		return ORDER_NONE;
	return a < b ? ORDER_LESS : a > b ? ORDER_GREATER : ORDER_EQUAL;
}

/* By sign and magnitude: 64 bits of either kind fit no type of C. */
static enum order order_whole(bool a_negative, uint64_t a,
	const struct filter_literal *b)
{
	bool b_negative = b->negative && b->magnitude > 0;
	bool less = a < b->magnitude;

	if (a_negative != b_negative)
		return a_negative ? ORDER_LESS : ORDER_GREATER;
	if (a == b->magnitude)
		return ORDER_EQUAL;
	return less != a_negative ? ORDER_LESS : ORDER_GREATER;
}

/* What has a fraction lies between two whole numbers: no rounding. */
static enum order order_with_real(bool negative, uint64_t magnitude, double b)
{
	double size = b < 0 ? -b : b;
	struct filter_literal whole = {.negative = b < 0};
	enum order order;

	if (isnan(b))
		return ORDER_NONE;
	if (size >= 18446744073709551616.0) /* 2^64 */
		return b > 0 ? ORDER_LESS : ORDER_GREATER;
	whole.magnitude = (uint64_t)size;
	order = order_whole(negative, magnitude, &whole);
	if (order == ORDER_EQUAL && (double)whole.magnitude < size)
		return b > 0 ? ORDER_LESS : ORDER_GREATER;
	return order;
}

static enum order order_number(
	const struct msg_value *value, const struct filter_literal *literal)
{
	bool negative;
	uint64_t magnitude;

	if (value->kind == MSG_VALUE_DOUBLE)
		return order_reals(value->real, literal->real);
	/* 0.1 is another number in single precision, and means that one. */
	if (value->kind == MSG_VALUE_FLOAT)
		return order_reals(value->real, (float)literal->real);
	negative = value->kind != MSG_VALUE_UINT && value->integer < 0;
	magnitude = value->kind == MSG_VALUE_UINT ? value->natural
		    : negative ? -(uint64_t)value->integer
			       : (uint64_t)value->integer;
	return literal->is_whole ? order_whole(negative, magnitude, literal)
				 : order_with_real(negative, magnitude,
					   literal->real);
}

static enum order order_text(
	const struct msg_value *value, const struct filter_literal *literal)
{
	size_t both = value->bytes < literal->bytes ? value->bytes
						    : literal->bytes;
	int order = both > 0 ? memcmp(value->data, literal->text, both) : 0;

	if (order == 0)
		order = (value->bytes > literal->bytes) -
			(value->bytes < literal->bytes);
	return order < 0   ? ORDER_LESS
	       : order > 0 ? ORDER_GREATER
			   : ORDER_EQUAL;
}

static bool is_something(const struct msg_value *value)
{
	switch (value->kind) {
	case MSG_VALUE_BOOL:
	case MSG_VALUE_INT:
	case MSG_VALUE_ENUM:
		return value->integer != 0;
	case MSG_VALUE_UINT:
		return value->natural != 0;
	case MSG_VALUE_FLOAT:
	case MSG_VALUE_DOUBLE:
		return value->real < 0 || value->real > 0 || isnan(value->real);
	case MSG_VALUE_TEXT:
	case MSG_VALUE_BYTES:
		return value->bytes > 0;
	default: /* MESSAGE, MAP: they are there; a LIST's elements say it. */
		return value->kind != MSG_VALUE_LIST;
	}
}

static bool fulfils(
	const struct filter_test *test, const struct msg_value *value)
{
	bool text = value->kind == MSG_VALUE_TEXT ||
		    value->kind == MSG_VALUE_BYTES;

	if (test->operator == FILTER_THERE)
		return is_something(value);
	if (value->kind >= MSG_VALUE_MESSAGE || text != test->literal.is_text)
		return false;
	return holds(test->operator, text ? order_text(value, &test->literal)
					  : order_number(value, &test->literal));
}

/* ---- the walk ---------------------------------------------------------- */

/* Whether the test's path has come to this value, whose name is its next one;
 * or, in a list, has come to the list. */
static bool is_at(const struct match *m, uint32_t i, const char *name,
	bool named)
{
	const struct filter_test *test = &m->filter->tests[i];

	if (m->passed[i] != m->depth)
		return false;
	if (!named)
		return true;
	return m->depth < test->name_count &&
	       strcmp(test->names[m->depth], name) == 0;
}

static void leave(struct match *m)
{
	if (!m->named[--m->level_count])
		return;
	for (uint32_t i = 0; i < m->filter->test_count; i++)
		if (m->passed[i] == m->depth)
			m->passed[i]--;
	m->depth--;
}

/* A level inside a list, and the whole, has no name. */
static bool has_name(const struct match *m, bool in_list)
{
	return m->level_count > 0 && !in_list;
}

struct walk {
	struct match match;
	bool lists[LEVELS_MAX];
};

static int visit(void *context, const struct msg_value *value)
{
	struct walk *w = context;
	struct match *m = &w->match;
	bool in_list = m->level_count > 0 && w->lists[m->level_count - 1];
	bool named = has_name(m, in_list);
	bool opens = value->kind >= MSG_VALUE_MESSAGE;

	if (value->kind == MSG_VALUE_END) {
		leave(m);
		return 0;
	}
	for (uint32_t i = 0; i < m->filter->test_count; i++) {
		const struct filter_test *test = &m->filter->tests[i];
		bool at = is_at(m, i, value->name, named);

		if (at && m->depth + named == test->name_count)
			m->outcomes[i] |= fulfils(test, value);
		if (at && opens && named)
			m->passed[i]++;
	}
	if (opens) {
		w->lists[m->level_count] = value->kind == MSG_VALUE_LIST;
		m->named[m->level_count++] = named;
		m->depth += named;
	}
	return 0;
}

/* ---- the program ------------------------------------------------------- */

static bool conclude(const struct msg_filter *f, const bool *outcomes)
{
	bool stack[MSG_FILTER_STEPS_MAX];
	uint32_t top = 0;

	for (uint32_t i = 0; i < f->step_count; i++) {
		switch (f->steps[i]) {
		case FILTER_NOT:
			stack[top - 1] = !stack[top - 1];
			break;
		case FILTER_AND:
			top--;
			stack[top - 1] = stack[top - 1] && stack[top];
			break;
		case FILTER_OR:
			top--;
			stack[top - 1] = stack[top - 1] || stack[top];
			break;
		default:
			stack[top++] = outcomes[f->steps[i]];
		}
	}
	return stack[0];
}

int msg_schema_filter_match(
	const struct msg_filter *filter, const void *data, size_t bytes)
{
	struct walk walk = {.match = {.filter = filter}};
	int result = msg_schema_type_walk(
		filter->type, data, bytes, visit, &walk);

	return result < 0 ? result : conclude(filter, walk.match.outcomes);
}
