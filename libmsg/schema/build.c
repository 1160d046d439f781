/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * build.c - the descriptors protoc-c would have generated, made at run time.
 *
 * protobuf_c_message_unpack needs a layout: where in a struct each field
 * stands.  Nobody else has that struct, so it is laid out here, member after
 * member; members of a oneof share a place, as in a union.  message_init stays
 * NULL: protobuf-c then initialises by the descriptor, which is what that is
 * for (protobuf-c.c, message_init_generic).
 */
#include "schema/schema.h"

#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>
#include <protobuf-c/protobuf-c.h>

#include "base/trail.h"
#include "schema/numeric.h"

#define PLACE_BYTES 16u /* Of any member: ProtobufCBinaryData is the largest. */

static int no_memory(void)
{
	return msg_fail(MSG_ERROR_MEMORY, "no memory for a schema");
}

static const ProtobufCType types[] = {
	[MSG_SCHEMA_DOUBLE] = PROTOBUF_C_TYPE_DOUBLE,
	[MSG_SCHEMA_FLOAT] = PROTOBUF_C_TYPE_FLOAT,
	[MSG_SCHEMA_INT64] = PROTOBUF_C_TYPE_INT64,
	[MSG_SCHEMA_UINT64] = PROTOBUF_C_TYPE_UINT64,
	[MSG_SCHEMA_INT32] = PROTOBUF_C_TYPE_INT32,
	[MSG_SCHEMA_FIXED64] = PROTOBUF_C_TYPE_FIXED64,
	[MSG_SCHEMA_FIXED32] = PROTOBUF_C_TYPE_FIXED32,
	[MSG_SCHEMA_BOOL] = PROTOBUF_C_TYPE_BOOL,
	[MSG_SCHEMA_STRING] = PROTOBUF_C_TYPE_STRING,
	[MSG_SCHEMA_MESSAGE] = PROTOBUF_C_TYPE_MESSAGE,
	[MSG_SCHEMA_BYTES] = PROTOBUF_C_TYPE_BYTES,
	[MSG_SCHEMA_UINT32] = PROTOBUF_C_TYPE_UINT32,
	[MSG_SCHEMA_ENUM] = PROTOBUF_C_TYPE_ENUM,
	[MSG_SCHEMA_SFIXED32] = PROTOBUF_C_TYPE_SFIXED32,
	[MSG_SCHEMA_SFIXED64] = PROTOBUF_C_TYPE_SFIXED64,
	[MSG_SCHEMA_SINT32] = PROTOBUF_C_TYPE_SINT32,
	[MSG_SCHEMA_SINT64] = PROTOBUF_C_TYPE_SINT64,
};

/* ---- enums ------------------------------------------------------------- */

static int by_enum_name(const void *a, const void *b)
{
	return strcmp(((const ProtobufCEnumValueIndex *)a)->name,
		((const ProtobufCEnumValueIndex *)b)->name);
}

/* Ranges of numbers that follow each other; `number` of the i-th is told. */
static ProtobufCIntRange *make_ranges(struct msg_schema *s, unsigned count,
	int (*number)(const void *array, unsigned index), const void *array,
	unsigned *range_count)
{
	ProtobufCIntRange *ranges = msg_schema_pool_zero(
		&s->pool, (count + 1) * sizeof *ranges);
	unsigned n = 0;

	if (!ranges)
		return NULL;
	for (unsigned i = 0; i < count; i++)
		if (i == 0 || number(array, i) !=
				      (int64_t)number(array, i - 1) + 1)
			ranges[n++] = (ProtobufCIntRange){
				number(array, i), i};
	ranges[n] = (ProtobufCIntRange){0, count};
	*range_count = n;
	return ranges;
}

static int value_number(const void *array, unsigned index)
{
	return ((const ProtobufCEnumValue *)array)[index].value;
}

static int build_enum(struct msg_schema *s, const struct msg_schema_enum *e,
	ProtobufCEnumDescriptor *d)
{
	const struct msg_schema_value *from = s->values + e->first_value;
	ProtobufCEnumValue *values = msg_schema_pool_zero(
		&s->pool, e->value_count * sizeof *values);
	ProtobufCEnumValueIndex *names = msg_schema_pool_zero(
		&s->pool, e->value_count * sizeof *names);
	unsigned count = 0;

	if (!values || !names)
		return no_memory();
	for (uint32_t i = 0; i < e->value_count; i++) {
		if (i == 0 || from[i].number != from[i - 1].number)
			values[count++] = (ProtobufCEnumValue){
				from[i].name, from[i].name, from[i].number};
		names[i] = (ProtobufCEnumValueIndex){from[i].name, count - 1};
	}
	qsort(names, e->value_count, sizeof *names, by_enum_name);
	*d = (ProtobufCEnumDescriptor){
		.magic = PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC,
		.name = e->name,
		.short_name = strrchr(e->name, '.') ? strrchr(e->name, '.') + 1
						    : e->name,
		.c_name = e->name,
		.n_values = count,
		.values = values,
		.n_value_names = e->value_count,
		.values_by_name = names,
	};
	d->package_name =
		msg_schema_pool_text(&s->pool, e->name, e->package_bytes);
	d->value_ranges = make_ranges(
		s, count, value_number, values, &d->n_value_ranges);
	return d->package_name && d->value_ranges ? 0 : no_memory();
}

/* ---- defaults ---------------------------------------------------------- */

static unsigned digit_of(char c)
{
	return c >= '0' && c <= '9' ? (unsigned)(c - '0')
		: c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
		: c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
				       : 255;
}

/* A character of a literal of C; *text moves behind it. */
static uint8_t unescape_one(const char **text)
{
	static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
	const char *at = *text;
	unsigned value = 0;
	int digits = 0;

	if (*at != '\\' || !at[1]) {
		*text = at + 1;
		return (uint8_t)*at;
	}
	at++;
	if (*at == 'x' && digit_of(at[1]) < 16) {
		for (at++; digits < 2 && digit_of(*at) < 16; digits++)
			value = value * 16 + digit_of(*at++);
	} else if (digit_of(*at) < 8) {
		for (; digits < 3 && digit_of(*at) < 8; digits++)
			value = value * 8 + digit_of(*at++);
	} else {
		const char *found = strchr(from, *at);

		value = (uint8_t)(found ? to[found - from] : *at);
		at++;
	}
	*text = at;
	return (uint8_t)value;
}

static const void *default_bytes(struct msg_schema *s, const char *text)
{
	ProtobufCBinaryData *data = msg_schema_pool_zero(&s->pool, sizeof *data);
	uint8_t *to = msg_schema_pool_take(&s->pool, strlen(text) + 1);

	if (!data || !to)
		return NULL;
	data->data = to;
	while (*text)
		to[data->len++] = unescape_one(&text);
	return data;
}

static int default_value_of(
	const struct msg_schema *s, const struct msg_schema_field *f)
{
	const struct msg_schema_enum *e = &s->enums[f->ref];

	for (uint32_t i = 0; f->default_text && i < e->value_count; i++)
		if (strcmp(s->values[e->first_value + i].name,
			    f->default_text) == 0)
			return s->values[e->first_value + i].number;
	return e->first_number;
}

/* Eight bytes of which the first few are read. */
static const void *default_number(
	struct msg_schema *s, const struct msg_schema_field *f)
{
	const char *text = f->default_text;
	uint64_t *place = msg_schema_pool_zero(&s->pool, sizeof *place);
	float single;
	double real;
	int small;

	if (!place)
		return NULL;
	switch (f->type) {
	case MSG_SCHEMA_FLOAT:
		single = strtof(text, NULL);
		memcpy(place, &single, sizeof single);
		break;
	case MSG_SCHEMA_DOUBLE:
		real = strtod(text, NULL);
		memcpy(place, &real, sizeof real);
		break;
	case MSG_SCHEMA_BOOL:
		small = strcmp(text, "true") == 0;
		memcpy(place, &small, sizeof small);
		break;
	case MSG_SCHEMA_ENUM:
		small = default_value_of(s, f);
		memcpy(place, &small, sizeof small);
		break;
	default: /* Whole numbers, little-endian: of 32 bits the lower half. */
		*place = *text == '-' ? (uint64_t)strtoll(text, NULL, 10)
				      : strtoull(text, NULL, 10);
	}
	return place;
}

static int build_default(struct msg_schema *s, const struct msg_schema_field *f,
	ProtobufCFieldDescriptor *d)
{
	bool is_enum = f->type == MSG_SCHEMA_ENUM;

	if (f->label == MSG_SCHEMA_REPEATED || f->oneof >= 0 || f->implicit ||
		f->type == MSG_SCHEMA_MESSAGE || (!f->default_text && !is_enum))
		return 0;
	if (f->type == MSG_SCHEMA_STRING)
		d->default_value = f->default_text;
	else if (f->type == MSG_SCHEMA_BYTES)
		d->default_value = default_bytes(s, f->default_text);
	else
		d->default_value = default_number(s, f);
	return d->default_value ? 0 : no_memory();
}

/* ---- messages ---------------------------------------------------------- */

static unsigned place_of(size_t *size, unsigned bytes)
{
	size_t at = (*size + bytes - 1) / bytes * bytes;

	*size = at + bytes;
	return (unsigned)at;
}

static unsigned bytes_of(const struct msg_schema_field *f)
{
	switch (f->type) {
	case MSG_SCHEMA_BYTES:
		return PLACE_BYTES;
	case MSG_SCHEMA_DOUBLE:
	case MSG_SCHEMA_INT64:
	case MSG_SCHEMA_UINT64:
	case MSG_SCHEMA_SINT64:
	case MSG_SCHEMA_FIXED64:
	case MSG_SCHEMA_SFIXED64:
	case MSG_SCHEMA_STRING:
	case MSG_SCHEMA_MESSAGE:
		return 8;
	default:
		return 4;
	}
}

/* Where the field stands, and what says whether it is there. */
static void lay_out(const struct msg_schema_field *f, size_t *size,
	const ProtobufCFieldDescriptor *sibling, ProtobufCFieldDescriptor *d)
{
	bool pointer = f->type == MSG_SCHEMA_STRING ||
		       f->type == MSG_SCHEMA_MESSAGE;

	if (f->oneof >= 0) {
		d->flags |= PROTOBUF_C_FIELD_FLAG_ONEOF;
		d->quantifier_offset = sibling ? sibling->quantifier_offset
					       : place_of(size, 4);
		d->offset = sibling ? sibling->offset
				    : place_of(size, PLACE_BYTES);
	} else if (f->label == MSG_SCHEMA_REPEATED) {
		d->quantifier_offset = place_of(size, sizeof(size_t));
		d->offset = place_of(size, sizeof(void *));
	} else {
		if (d->label == PROTOBUF_C_LABEL_OPTIONAL && !pointer)
			d->quantifier_offset = place_of(size, 4);
		d->offset = place_of(size, bytes_of(f));
	}
}

static ProtobufCLabel label_of(const struct msg_schema_field *f)
{
	if (f->label == MSG_SCHEMA_REQUIRED)
		return PROTOBUF_C_LABEL_REQUIRED;
	if (f->label == MSG_SCHEMA_REPEATED)
		return PROTOBUF_C_LABEL_REPEATED;
	return f->implicit ? PROTOBUF_C_LABEL_NONE : PROTOBUF_C_LABEL_OPTIONAL;
}

static int build_fields(struct msg_schema *s, const struct msg_schema_message *m,
	ProtobufCMessageDescriptor *all, const ProtobufCEnumDescriptor *enums,
	ProtobufCMessageDescriptor *d)
{
	const struct msg_schema_field *from = s->fields + m->first_field;
	ProtobufCFieldDescriptor *fields = msg_schema_pool_zero(
		&s->pool, m->field_count * sizeof *fields);
	const ProtobufCFieldDescriptor **siblings = msg_schema_pool_zero(
		&s->pool, m->oneof_count * sizeof *siblings);
	size_t size = sizeof(ProtobufCMessage);

	if (!fields || !siblings)
		return no_memory();
	for (uint32_t i = 0; i < m->field_count; i++) {
		const struct msg_schema_field *f = &from[i];
		int result;

		fields[i] = (ProtobufCFieldDescriptor){
			.name = f->name,
			.id = f->number,
			.label = label_of(f),
			.type = types[f->type],
			.flags = f->packed ? PROTOBUF_C_FIELD_FLAG_PACKED : 0,
		};
		if (f->type == MSG_SCHEMA_MESSAGE)
			fields[i].descriptor = &all[f->ref];
		else if (f->type == MSG_SCHEMA_ENUM)
			fields[i].descriptor = &enums[f->ref];
		lay_out(f, &size, f->oneof >= 0 ? siblings[f->oneof] : NULL,
			&fields[i]);
		if (f->oneof >= 0 && !siblings[f->oneof])
			siblings[f->oneof] = &fields[i];
		result = build_default(s, f, &fields[i]);
		if (result < 0)
			return result;
	}
	d->fields = fields;
	d->n_fields = m->field_count;
	d->sizeof_message = (size + PLACE_BYTES - 1) & ~(size_t)(PLACE_BYTES - 1);
	return 0;
}

static int field_number(const void *array, unsigned index)
{
	return (int)((const ProtobufCFieldDescriptor *)array)[index].id;
}

static int by_field_name(const void *a, const void *b, void *fields)
{
	const ProtobufCFieldDescriptor *f = fields;

	return strcmp(f[*(const unsigned *)a].name, f[*(const unsigned *)b].name);
}

static int build_indexes(struct msg_schema *s,
	const struct msg_schema_message *m, ProtobufCMessageDescriptor *d)
{
	unsigned *names = msg_schema_pool_zero(
		&s->pool, m->field_count * sizeof *names);

	if (!names)
		return no_memory();
	for (unsigned i = 0; i < m->field_count; i++)
		names[i] = i;
	qsort_r(names, m->field_count, sizeof *names, by_field_name,
		(void *)(uintptr_t)d->fields);
	d->fields_sorted_by_name = names;
	d->field_ranges = make_ranges(s, m->field_count, field_number, d->fields,
		&d->n_field_ranges);
	d->magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC;
	d->name = d->c_name = m->name;
	d->short_name = strrchr(m->name, '.') ? strrchr(m->name, '.') + 1
					      : m->name;
	d->package_name =
		msg_schema_pool_text(&s->pool, m->name, m->package_bytes);
	return d->field_ranges && d->package_name ? 0 : no_memory();
}

int msg_schema_build(struct msg_schema *s, void **descriptors)
{
	ProtobufCMessageDescriptor *messages = msg_schema_pool_zero(
		&s->pool, s->message_count * sizeof *messages);
	ProtobufCEnumDescriptor *enums = msg_schema_pool_zero(
		&s->pool, s->enum_count * sizeof *enums);
	struct schema_numeric numeric;
	int result = messages && enums ? 0 : no_memory();

	schema_numeric_begin(&numeric);
	for (uint32_t i = 0; i < s->enum_count && result == 0; i++)
		result = build_enum(s, &s->enums[i], &enums[i]);
	for (uint32_t i = 0; i < s->message_count && result == 0; i++) {
		const struct msg_schema_message *m = &s->messages[i];

		result = build_fields(s, m, messages, enums, &messages[i]);
		if (result == 0)
			result = build_indexes(s, m, &messages[i]);
	}
	schema_numeric_end(&numeric);
	if (result == 0)
		*descriptors = messages;
	return result;
}
