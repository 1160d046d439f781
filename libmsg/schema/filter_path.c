/* SPDX-License-Identifier: BSD-2-Clause */
/* filter_path.c - where a path of a filter leads, before there is a message; see
 * filter.h. */
#include "schema/filter.h"

#include <string.h>

#include "base/trail.h"

/* What a path leads to. */
enum target {
	TARGET_NUMBER,
	TARGET_TEXT,
	TARGET_ENUM,
	TARGET_MESSAGE,
	TARGET_MAP,
};

struct place {
	enum target target;
	const struct msg_schema_message *message; /* Of MESSAGE and MAP. */
	const struct msg_schema_enum *values;
	const struct msg_cstruct_layout *layout;
};

/* ---- names that may have been meant ------------------------------------ */

/* Steps from one word to the other: a letter more, less or another.  Words of
 * up to 31 letters. */
static uint32_t distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	uint32_t row[32];

	if (n > 31 || m > 31)
		return UINT32_MAX;
	for (size_t j = 0; j <= m; j++)
		row[j] = (uint32_t)j;
	for (size_t i = 1; i <= n; i++) {
		uint32_t corner = row[0];

		row[0] = (uint32_t)i;
		for (size_t j = 1; j <= m; j++) {
			uint32_t best = corner + (a[i - 1] != b[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			corner = row[j];
			row[j] = best;
		}
	}
	return row[m];
}

static void closer(const char *name, const char *other, const char **best,
	uint32_t *least)
{
	uint32_t steps = distance(name, other);

	if (steps < *least) {
		*least = steps;
		*best = other;
	}
}

static int no_field(const char *name, const char *where, const char *near)
{
	return msg_fail(MSG_ERROR_ARGUMENT,
		"%s has no field '%.64s'%s%s%s (msg type shows its fields)",
		where, name, near ? "; did you mean '" : "", near ? near : "",
		near ? "'?" : "");
}

/* ---- a step along the path --------------------------------------------- */

static enum target target_of(uint32_t type)
{
	switch (type) {
	case MSG_SCHEMA_STRING:
	case MSG_SCHEMA_BYTES:
		return TARGET_TEXT;
	case MSG_SCHEMA_ENUM:
		return TARGET_ENUM;
	case MSG_SCHEMA_MESSAGE:
		return TARGET_MESSAGE;
	default:
		return TARGET_NUMBER;
	}
}

static void arrive(const struct msg_schema *s, const struct msg_schema_field *f,
	struct place *place)
{
	place->target = target_of(f->type);
	if (f->type == MSG_SCHEMA_ENUM)
		place->values = &s->enums[f->ref];
	if (f->type != MSG_SCHEMA_MESSAGE)
		return;
	place->message = &s->messages[f->ref];
	if (place->message->map_entry)
		place->target = TARGET_MAP;
}

static int step_message(
	const struct msg_schema *s, const char *name, struct place *place)
{
	const struct msg_schema_message *m = place->message;
	const struct msg_schema_field *f = s->fields + m->first_field;
	const char *near = NULL;
	uint32_t least = 3;

	/* Any key of a map: its value is the entry's second field. */
	if (place->target == TARGET_MAP) {
		arrive(s, &f[1], place);
		return 0;
	}
	for (uint32_t i = 0; i < m->field_count; i++) {
		if (strcmp(f[i].name, name) == 0) {
			arrive(s, &f[i], place);
			return 0;
		}
		closer(name, f[i].name, &near, &least);
	}
	return no_field(name, m->name, near);
}

static int step_struct(const struct msg_cstruct_schema *s, const char *name,
	struct place *place)
{
	const struct msg_cstruct_layout *l = place->layout;
	const char *near = NULL;
	uint32_t least = 3;

	for (uint32_t i = 0; i < l->field_count; i++) {
		const struct msg_cstruct_member *f = &l->fields[i];

		if (strcmp(f->name, name) != 0) {
			closer(name, f->name, &near, &least);
			continue;
		}
		place->target = f->kind == MSG_FIELD_CHAR ||
						f->kind == MSG_FIELD_BYTE
					? TARGET_TEXT
				: f->kind == MSG_FIELD_STRUCT ? TARGET_MESSAGE
							      : TARGET_NUMBER;
		if (f->kind == MSG_FIELD_STRUCT)
			place->layout = &s->structs[f->of];
		return 0;
	}
	return no_field(name, l->name, near);
}

/* ---- the literal ------------------------------------------------------- */

static int take_value(const struct msg_schema *s,
	const struct msg_schema_enum *e, const char *field,
	struct filter_literal *literal)
{
	const struct msg_schema_value *values = s->values + e->first_value;
	const char *near = NULL;
	uint32_t least = 3;

	for (uint32_t i = 0; i < e->value_count; i++) {
		int64_t number = values[i].number;

		if (strcmp(values[i].name, literal->text) != 0) {
			closer(literal->text, values[i].name, &near, &least);
			continue;
		}
		*literal = (struct filter_literal){
			.is_whole = true,
			.negative = number < 0,
			.magnitude = (uint64_t)(number < 0 ? -number : number),
			.real = (double)number,
		};
		return 0;
	}
	return msg_fail(MSG_ERROR_ARGUMENT,
		"'%s' is of enum %s, which has no '%.64s'%s%s%s", field, e->name,
		literal->text, near ? "; did you mean '" : "", near ? near : "",
		near ? "'?" : "");
}

/* "true" and "false", where a number is expected. */
static bool take_truth(struct filter_literal *literal)
{
	bool yes = strcmp(literal->text, "true") == 0;

	if (!yes && strcmp(literal->text, "false") != 0)
		return false;
	*literal = (struct filter_literal){
		.is_whole = true, .magnitude = yes, .real = yes};
	return true;
}

static int take_literal(const struct msg_type *type, const struct place *place,
	const char *field, struct filter_literal *literal)
{
	bool word = literal->is_text && literal->is_whole;

	switch (place->target) {
	case TARGET_ENUM:
		return literal->is_text ? take_value(&type->schema,
						  place->values, field, literal)
					: 0;
	case TARGET_NUMBER:
		if (!literal->is_text || (word && take_truth(literal)))
			return 0;
		return msg_fail(MSG_ERROR_ARGUMENT,
			"'%s' is a number, and cannot be compared with "
			"'%.64s'",
			field, literal->text);
	case TARGET_TEXT:
		if (literal->is_text && !word)
			return 0;
		return msg_fail(MSG_ERROR_ARGUMENT,
			"'%s' is text: put what it is compared with in quotes",
			field);
	default:
		return msg_fail(MSG_ERROR_ARGUMENT,
			"'%s' is no single value; name a field of it", field);
	}
}

int schema_filter_check(const struct msg_type *type, struct filter_test *test)
{
	bool protobuf = type->encoding == MSG_ENCODING_PROTOBUF;
	struct place place = {.target = TARGET_MESSAGE};
	const char *field = "";
	int result = 0;

	if (protobuf)
		place.message = &type->schema.messages[0];
	else
		place.layout =
			&type->cstruct.structs[type->cstruct.struct_count - 1];
	for (uint32_t i = 0; i < test->name_count && result == 0; i++) {
		if (place.target != TARGET_MESSAGE &&
			place.target != TARGET_MAP)
			return msg_fail(MSG_ERROR_ARGUMENT,
				"'%s' has no fields, so no '%.64s'", field,
				test->names[i]);
		field = test->names[i];
		result = protobuf ? step_message(&type->schema, field, &place)
				  : step_struct(&type->cstruct, field, &place);
	}
	if (result < 0 || test->operator == FILTER_THERE)
		return result;
	return take_literal(type, &place, field, &test->literal);
}
