/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * read.c - a FileDescriptorSet, from whoever it is, into tables.
 *
 *     count      how much of everything there is, against the limits
 *     fill       tables of just that size
 *     gather     names into numbers, and the order of first use: gather.c
 *
 * Definitions nest in definitions: that is the one recursion, and it is counted.
 * Options, comments and services are skipped.  Source: descriptor.proto.
 */
#include "schema/schema.h"

#include <string.h>

#include <msg/msg.h>

#include "base/trail.h"

/* Field numbers of descriptor.proto. */
enum { SET_FILE = 1 };
enum { FILE_PACKAGE = 2, FILE_MESSAGE = 4, FILE_ENUM = 5, FILE_SYNTAX = 12 };
enum {
	MESSAGE_NAME = 1,
	MESSAGE_FIELD = 2,
	MESSAGE_NESTED = 3,
	MESSAGE_ENUM = 4,
	MESSAGE_OPTIONS = 7,
	MESSAGE_ONEOF = 8,
};
enum { OPTION_MAP_ENTRY = 7 };
enum {
	FIELD_NAME = 1,
	FIELD_NUMBER = 3,
	FIELD_LABEL = 4,
	FIELD_TYPE = 5,
	FIELD_TYPE_NAME = 6,
	FIELD_DEFAULT = 7,
	FIELD_OPTIONS = 8,
	FIELD_ONEOF = 9,
	FIELD_PROTO3_OPTIONAL = 17,
};
enum { OPTION_PACKED = 2 };
enum { ENUM_NAME = 1, ENUM_VALUE = 2 };
enum { VALUE_NAME = 1, VALUE_NUMBER = 2 };

struct counts {
	uint32_t files, messages, fields, enums, values, oneofs;
};

/* Where the definitions of a file, or in a message, stand. */
struct scope {
	const char *name; /* Full; "" of a file without a package. */
	uint32_t package_bytes;
	bool proto3;
	uint32_t depth;
};

static int bad_wire(void)
{
	return msg_fail(MSG_ERROR_ARGUMENT,
		"the schema is cut short, or is no FileDescriptorSet");
}

static struct msg_wire inside(const struct msg_wire_field *f)
{
	return msg_wire_over(f->data, f->bytes);
}

/* Whether it is a message or text, which the fields named above are. */
static bool is(const struct msg_wire_field *f, uint32_t number)
{
	return f->number == number && f->type == MSG_WIRE_BYTES;
}

/* ---- count ------------------------------------------------------------- */

static void count_enum(struct counts *n, struct msg_wire w)
{
	struct msg_wire_field f;

	n->enums++;
	while (msg_wire_next(&w, &f))
		n->values += is(&f, ENUM_VALUE);
}

static int count_message(struct counts *n, struct msg_wire w, uint32_t depth)
{
	struct msg_wire_field f;
	int result = 0;

	if (depth > MSG_SCHEMA_NESTING_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema nests definitions deeper than %u",
			MSG_SCHEMA_NESTING_MAX);
	n->messages++;
	while (result == 0 && msg_wire_next(&w, &f)) {
		n->fields += is(&f, MESSAGE_FIELD);
		n->oneofs += is(&f, MESSAGE_ONEOF);
		if (is(&f, MESSAGE_ENUM))
			count_enum(n, inside(&f));
		else if (is(&f, MESSAGE_NESTED))
			result = count_message(n, inside(&f), depth + 1);
	}
	return result < 0 ? result : w.bad ? bad_wire() : 0;
}

static int count_file(struct counts *n, struct msg_wire w)
{
	struct msg_wire_field f;
	int result = 0;

	n->files++;
	while (result == 0 && msg_wire_next(&w, &f)) {
		if (is(&f, FILE_MESSAGE))
			result = count_message(n, inside(&f), 1);
		else if (is(&f, FILE_ENUM))
			count_enum(n, inside(&f));
	}
	return result < 0 ? result : w.bad ? bad_wire() : 0;
}

static int reserve(struct msg_schema *s, const struct counts *n)
{
	int result = 0;

	if (n->files > MSG_SCHEMA_FILES_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema has more than %u files",
			MSG_SCHEMA_FILES_MAX);
	result = schema_reserve(s, &s->messages, n->messages,
		sizeof *s->messages, MSG_SCHEMA_MESSAGES_MAX, "messages");
	if (result == 0)
		result = schema_reserve(s, &s->fields, n->fields,
			sizeof *s->fields, MSG_SCHEMA_FIELDS_MAX, "fields");
	if (result == 0)
		result = schema_reserve(s, &s->enums, n->enums,
			sizeof *s->enums, MSG_SCHEMA_ENUMS_MAX, "enums");
	if (result == 0)
		result = schema_reserve(s, &s->values, n->values,
			sizeof *s->values, MSG_SCHEMA_VALUES_MAX,
			"values of enums");
	if (result == 0)
		result = schema_reserve(s, &s->oneofs, n->oneofs,
			sizeof *s->oneofs, MSG_SCHEMA_ONEOFS_MAX, "oneofs");
	return result;
}

/* ---- fill -------------------------------------------------------------- */

static int no_memory(void)
{
	return msg_fail(MSG_ERROR_MEMORY, "no memory for a schema");
}

static int take_text(
	struct msg_schema *s, const struct msg_wire_field *f, const char **to)
{
	*to = msg_schema_pool_text(&s->pool, f->data, f->bytes);
	return *to ? 0 : no_memory();
}

/* A name of protobuf, alone. */
static int take_name(
	struct msg_schema *s, const struct msg_wire_field *f, const char **to)
{
	if (!msg_schema_is_name((const char *)f->data, f->bytes, false))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema has a name that is none, of %zu bytes",
			f->bytes);
	return take_text(s, f, to);
}

/* The name behind that of the scope. */
static int take_full_name(struct msg_schema *s, const struct scope *scope,
	const struct msg_wire_field *f, const char **to)
{
	size_t outer = strlen(scope->name);
	char *full;

	if (!msg_schema_is_name((const char *)f->data, f->bytes, false) ||
		outer + 1 + f->bytes > MSG_SCHEMA_NAME_BYTES_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema has a name that is none, or longer than %u "
			"bytes",
			MSG_SCHEMA_NAME_BYTES_MAX);
	full = msg_schema_pool_take(&s->pool, outer + 1 + f->bytes + 1);
	if (!full)
		return no_memory();
	memcpy(full, scope->name, outer);
	if (outer > 0)
		full[outer++] = '.';
	memcpy(full + outer, f->data, f->bytes);
	full[outer + f->bytes] = '\0';
	*to = full;
	return 0;
}

static int fill_value(
	struct msg_schema *s, struct msg_wire w, struct msg_schema_value *value)
{
	struct msg_wire_field f;
	int result = 0;

	while (result == 0 && msg_wire_next(&w, &f)) {
		if (is(&f, VALUE_NAME))
			result = take_name(s, &f, &value->name);
		else if (f.number == VALUE_NUMBER)
			value->number = (int32_t)f.value;
	}
	if (result < 0)
		return result;
	if (w.bad)
		return bad_wire();
	if (!value->name)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema has a value of an enum without a name");
	return 0;
}

static int fill_enum(
	struct msg_schema *s, const struct scope *scope, struct msg_wire w)
{
	struct msg_schema_enum *e = &s->enums[s->enum_count++];
	struct msg_wire_field f;
	int result = 0;

	e->package_bytes = scope->package_bytes;
	e->proto3 = scope->proto3;
	e->first_value = s->value_count;
	while (result == 0 && msg_wire_next(&w, &f)) {
		if (is(&f, ENUM_NAME))
			result = take_full_name(s, scope, &f, &e->name);
		else if (is(&f, ENUM_VALUE))
			result = fill_value(
				s, inside(&f), &s->values[s->value_count++]);
	}
	if (result < 0)
		return result;
	if (w.bad)
		return bad_wire();
	e->value_count = s->value_count - e->first_value;
	if (!e->name || e->value_count == 0)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema has an enum without a name or values");
	e->first_number = s->values[e->first_value].number;
	schema_order_values(s, e);
	return 0;
}

/* An option of one number, in the bytes of options; `otherwise` if it is not
 * given. */
static bool option(struct msg_wire w, uint32_t number, bool otherwise)
{
	struct msg_wire_field f;

	while (msg_wire_next(&w, &f))
		if (f.number == number && f.type == MSG_WIRE_VARINT)
			otherwise = f.value != 0;
	return otherwise;
}

static bool is_packable(uint8_t type)
{
	return type != MSG_SCHEMA_STRING && type != MSG_SCHEMA_BYTES &&
	       type != MSG_SCHEMA_MESSAGE;
}

static int check_field(const struct msg_schema_message *m,
	const struct msg_schema_field *f, uint64_t number, uint64_t type,
	uint64_t label)
{
	bool names_type = type == MSG_SCHEMA_MESSAGE || type == MSG_SCHEMA_ENUM;

	if (!f->name || number < 1 || number > MSG_WIRE_NUMBER_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s has a field without a name or number", m->name);
	if (type == MSG_SCHEMA_GROUP)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"'%s' of %s is a group, which protobuf-c does not read",
			f->name, m->name);
	if (type < MSG_SCHEMA_DOUBLE || type > MSG_SCHEMA_SINT64 ||
		label < MSG_SCHEMA_OPTIONAL || label > MSG_SCHEMA_REPEATED ||
		names_type != (f->type_name != NULL))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"'%s' of %s has no type, or no label", f->name,
			m->name);
	return 0;
}

static int fill_field(struct msg_schema *s, struct msg_schema_message *m,
	struct msg_wire w, struct msg_schema_field *to)
{
	uint64_t number = 0, type = 0, label = MSG_SCHEMA_OPTIONAL;
	struct msg_wire options = msg_wire_over(NULL, 0);
	struct msg_wire_field f;
	bool explicit = !m->proto3;
	int result = 0;

	to->oneof = -1;
	while (result == 0 && msg_wire_next(&w, &f)) {
		if (is(&f, FIELD_NAME))
			result = take_name(s, &f, &to->name);
		else if (is(&f, FIELD_TYPE_NAME))
			result = take_text(s, &f, &to->type_name);
		else if (is(&f, FIELD_DEFAULT))
			result = take_text(s, &f, &to->default_text);
		else if (is(&f, FIELD_OPTIONS))
			options = inside(&f);
		else if (f.number == FIELD_NUMBER)
			number = f.value;
		else if (f.number == FIELD_LABEL)
			label = f.value;
		else if (f.number == FIELD_TYPE)
			type = f.value;
		else if (f.number == FIELD_ONEOF)
			to->oneof = f.value < m->oneof_count ? (int32_t)f.value
							     : INT32_MAX;
		else if (f.number == FIELD_PROTO3_OPTIONAL)
			explicit |= f.value != 0;
	}
	if (result < 0)
		return result;
	if (w.bad)
		return bad_wire();
	result = check_field(m, to, number, type, label);
	if (result < 0)
		return result;
	if (to->oneof == INT32_MAX || (to->oneof >= 0 && label != 1))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"'%s' of %s is in no oneof that is there", to->name,
			m->name);
	/* That of an optional one of proto3 is a trick, for others. */
	if (m->proto3 && explicit)
		to->oneof = -1;
	to->number = (uint32_t)number;
	to->type = (uint8_t)type;
	to->label = (uint8_t)label;
	to->implicit = !explicit && label == MSG_SCHEMA_OPTIONAL &&
		       to->oneof < 0 && type != MSG_SCHEMA_MESSAGE;
	to->packed = label == MSG_SCHEMA_REPEATED && is_packable(to->type) &&
		     option(options, OPTION_PACKED, m->proto3);
	return 0;
}

/* What a message itself says, before that of what nests in it. */
static int fill_head(struct msg_schema *s, const struct scope *scope,
	struct msg_wire w, struct msg_schema_message *m)
{
	struct msg_wire_field f;
	int result = 0;

	m->package_bytes = scope->package_bytes;
	m->proto3 = scope->proto3;
	m->first_oneof = s->oneof_count;
	while (result == 0 && msg_wire_next(&w, &f)) {
		if (is(&f, MESSAGE_NAME)) {
			result = take_full_name(s, scope, &f, &m->name);
		} else if (is(&f, MESSAGE_OPTIONS)) {
			m->map_entry =
				option(inside(&f), OPTION_MAP_ENTRY, false);
		} else if (is(&f, MESSAGE_ONEOF)) {
			struct msg_wire oneof = inside(&f);
			const char **name = &s->oneofs[s->oneof_count++];
			struct msg_wire_field g;

			while (result == 0 && msg_wire_next(&oneof, &g))
				if (is(&g, 1))
					result = take_name(s, &g, name);
			if (result == 0 && !*name)
				return bad_wire();
		}
	}
	m->oneof_count = s->oneof_count - m->first_oneof;
	if (result == 0 && !m->name)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema has a message without a name");
	return result;
}

/* A map's: a key that is no message, and a value. */
static int check_entry(
	const struct msg_schema *s, const struct msg_schema_message *m)
{
	const struct msg_schema_field *f = s->fields + m->first_field;

	if (!m->map_entry)
		return 0;
	if (m->field_count != 2 || f[0].number != 1 || f[1].number != 2 ||
		f[0].label == MSG_SCHEMA_REPEATED ||
		f[1].label == MSG_SCHEMA_REPEATED || f[0].oneof >= 0 ||
		f[1].oneof >= 0 || f[0].type == MSG_SCHEMA_MESSAGE ||
		f[0].type == MSG_SCHEMA_BYTES ||
		f[0].type == MSG_SCHEMA_ENUM || f[0].type < MSG_SCHEMA_INT64)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s is said to be the entry of a map, and is none",
			m->name);
	return 0;
}

static int fill_message(
	struct msg_schema *s, const struct scope *scope, struct msg_wire w)
{
	struct msg_schema_message *m = &s->messages[s->message_count++];
	struct msg_wire fields = w;
	struct scope inner = *scope;
	struct msg_wire_field f;
	int result = fill_head(s, scope, w, m);

	if (result < 0)
		return result;
	inner.name = m->name;
	inner.depth++;
	m->first_field = s->field_count;
	while (result == 0 && msg_wire_next(&fields, &f))
		if (is(&f, MESSAGE_FIELD))
			result = fill_field(s, m, inside(&f),
				&s->fields[s->field_count++]);
	m->field_count = s->field_count - m->first_field;
	if (result == 0)
		result = schema_order_fields(s, m);
	if (result == 0)
		result = check_entry(s, m);
	while (result == 0 && msg_wire_next(&w, &f)) {
		if (is(&f, MESSAGE_NESTED))
			result = fill_message(s, &inner, inside(&f));
		else if (is(&f, MESSAGE_ENUM))
			result = fill_enum(s, &inner, inside(&f));
	}
	return result;
}

static int read_syntax(const struct msg_wire_field *f, bool *proto3)
{
	*proto3 = f->bytes == 6 && memcmp(f->data, "proto3", 6) == 0;
	if (*proto3 || (f->bytes == 6 && memcmp(f->data, "proto2", 6) == 0))
		return 0;
	return msg_fail(MSG_ERROR_ARGUMENT,
		"the schema's syntax is neither proto2 nor proto3");
}

static int fill_file(struct msg_schema *s, struct msg_wire w)
{
	struct scope scope = {.name = ""};
	struct msg_wire head = w;
	struct msg_wire_field f;
	int result = 0;

	while (result == 0 && msg_wire_next(&head, &f)) {
		if (is(&f, FILE_SYNTAX)) {
			result = read_syntax(&f, &scope.proto3);
		} else if (is(&f, FILE_PACKAGE) && f.bytes > 0) {
			if (!msg_schema_is_name(
				    (const char *)f.data, f.bytes, true))
				return msg_fail(MSG_ERROR_ARGUMENT,
					"the schema's package has a name that "
					"is none");
			scope.package_bytes = (uint32_t)f.bytes;
			result = take_text(s, &f, &scope.name);
		}
	}
	while (result == 0 && msg_wire_next(&w, &f)) {
		if (is(&f, FILE_MESSAGE))
			result = fill_message(s, &scope, inside(&f));
		else if (is(&f, FILE_ENUM))
			result = fill_enum(s, &scope, inside(&f));
	}
	return result;
}

/* ---- all of it --------------------------------------------------------- */

static int read_set(
	struct msg_schema *s, const char *name, const void *set, size_t bytes)
{
	struct msg_wire w = msg_wire_over(set, bytes);
	struct msg_wire again = w;
	struct counts counts = {0};
	struct msg_wire_field f;
	int result = 0;

	while (result == 0 && msg_wire_next(&w, &f))
		if (is(&f, SET_FILE))
			result = count_file(&counts, inside(&f));
	if (result == 0 && w.bad)
		result = bad_wire();
	if (result == 0)
		result = reserve(s, &counts);
	while (result == 0 && msg_wire_next(&again, &f))
		if (is(&f, SET_FILE))
			result = fill_file(s, inside(&f));
	return result < 0 ? result : schema_gather(s, name);
}

int msg_schema_read(
	struct msg_schema *schema, const char *name, const void *set, size_t bytes)
{
	int result;

	memset(schema, 0, sizeof *schema);
	schema->pool.limit = MSG_SCHEMA_POOL_BYTES;
	result = read_set(schema, name, set, bytes);
	if (result < 0)
		msg_schema_close(schema);
	return result;
}
