/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * borrow.c - the tables of a protobuf-c descriptor, which is in this program.
 *
 * Not hostile, but it may be large, or made by hand: the limits are the same.
 * What protobuf-c does not keep cannot come back: comments, the names of oneofs
 * (they become oneof_1, oneof_2 …), that a repeated entry was a map, and the
 * syntax, which is told by the fields.  None of it is in the hash.
 */
#include "schema/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>
#include <protobuf-c/protobuf-c.h>

#include "base/trail.h"
#include "schema/numeric.h"

typedef const ProtobufCMessageDescriptor *message_pointer;
typedef const ProtobufCEnumDescriptor *enum_pointer;

/* What was found, in the order of first use. */
struct found {
	message_pointer messages[MSG_SCHEMA_MESSAGES_MAX];
	enum_pointer enums[MSG_SCHEMA_ENUMS_MAX];
	uint32_t message_count, field_count, enum_count, value_count;
};

static int no_memory(void)
{
	return msg_fail(MSG_ERROR_MEMORY, "no memory for a schema");
}

/* ---- find -------------------------------------------------------------- */

static int find_enum(struct found *found, enum_pointer e, uint32_t *index)
{
	uint32_t i = 0;

	while (i < found->enum_count && found->enums[i] != e)
		i++;
	*index = i;
	if (i < found->enum_count)
		return 0;
	if (!e || e->magic != PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the descriptor leads to an enum that is none");
	if (i == MSG_SCHEMA_ENUMS_MAX ||
		e->n_value_names > MSG_SCHEMA_VALUES_MAX - found->value_count)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s needs too many enums, or values of them", e->name);
	found->enums[found->enum_count++] = e;
	found->value_count += e->n_value_names;
	return 0;
}

static int find_message(struct found *found, message_pointer m, uint32_t *index)
{
	uint32_t i = 0;

	while (i < found->message_count && found->messages[i] != m)
		i++;
	*index = i;
	if (i < found->message_count)
		return 0;
	if (!m || m->magic != PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the descriptor is no ProtobufCMessageDescriptor");
	if (i == MSG_SCHEMA_MESSAGES_MAX ||
		m->n_fields > MSG_SCHEMA_FIELDS_MAX - found->field_count)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s needs more than %u messages or %u fields", m->name,
			MSG_SCHEMA_MESSAGES_MAX, MSG_SCHEMA_FIELDS_MAX);
	found->messages[found->message_count++] = m;
	found->field_count += m->n_fields;
	return 0;
}

static int find_all(struct found *found, message_pointer root)
{
	uint32_t index;
	int result = find_message(found, root, &index);

	for (uint32_t i = 0; i < found->message_count; i++) {
		message_pointer m = found->messages[i];

		for (unsigned j = 0; j < m->n_fields && result == 0; j++) {
			const void *type = m->fields[j].descriptor;

			if (m->fields[j].type == PROTOBUF_C_TYPE_MESSAGE)
				result = find_message(found, type, &index);
			else if (m->fields[j].type == PROTOBUF_C_TYPE_ENUM)
				result = find_enum(found, type, &index);
		}
		if (result < 0)
			return result;
	}
	return result;
}

/* ---- names ------------------------------------------------------------- */

static int take_name(
	struct msg_schema *s, const char *name, bool dots, const char **to)
{
	if (!name || !msg_schema_is_name(name, strlen(name), dots))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the descriptor has the name '%.64s', which is none",
			name ? name : "");
	*to = msg_schema_pool_text(&s->pool, name, strlen(name));
	return *to ? 0 : no_memory();
}

static int take_full_name(struct msg_schema *s, const char *name,
	const char *package, const char **to, uint32_t *package_bytes)
{
	size_t bytes = package ? strlen(package) : 0;
	int result = take_name(s, name, true, to);

	if (result < 0)
		return result;
	if (bytes > 0 &&
		(strncmp(name, package, bytes) != 0 || name[bytes] != '.'))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s is not in its package %.64s", name, package);
	*package_bytes = (uint32_t)bytes;
	return 0;
}

/* ---- defaults ---------------------------------------------------------- */

/* Bytes as descriptor.proto writes them: like a literal of C. */
static char *escape(struct msg_schema *s, const ProtobufCBinaryData *data)
{
	char *text = msg_schema_pool_take(&s->pool, 4 * data->len + 1);
	char *to = text;

	if (!text)
		return NULL;
	for (size_t i = 0; i < data->len; i++) {
		uint8_t c = data->data[i];

		if (c >= 0x20 && c < 0x7f && c != '\\' && c != '"' && c != '\'')
			*to++ = (char)c;
		else
			to += snprintf(to, 5, "\\%03o", c);
	}
	*to = '\0';
	return text;
}

static void write_real(char *text, size_t size, double value, int digits)
{
	if (isnan(value))
		snprintf(text, size, "nan");
	else if (isinf(value))
		snprintf(text, size, value < 0 ? "-inf" : "inf");
	else
		snprintf(text, size, "%.*g", digits, value);
}

static const char *name_of_value(const ProtobufCEnumDescriptor *e, int value)
{
	for (unsigned i = 0; i < e->n_values; i++)
		if (e->values[i].value == value)
			return e->values[i].name;
	return "";
}

static void write_number(
	char *text, size_t size, const ProtobufCFieldDescriptor *f)
{
	const void *at = f->default_value;

	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		snprintf(text, size, "%ld", (long)*(const int32_t *)at);
		return;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		snprintf(text, size, "%lu",
			(unsigned long)*(const uint32_t *)at);
		return;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		snprintf(text, size, "%lld", (long long)*(const int64_t *)at);
		return;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		snprintf(text, size, "%llu",
			(unsigned long long)*(const uint64_t *)at);
		return;
	case PROTOBUF_C_TYPE_FLOAT:
		write_real(text, size, *(const float *)at, 9);
		return;
	case PROTOBUF_C_TYPE_DOUBLE:
		write_real(text, size, *(const double *)at, 17);
		return;
	case PROTOBUF_C_TYPE_BOOL:
		snprintf(text, size, "%s",
			*(const protobuf_c_boolean *)at ? "true" : "false");
		return;
	case PROTOBUF_C_TYPE_ENUM:
		snprintf(text, size, "%s",
			name_of_value(f->descriptor, *(const int *)at));
		return;
	default:
		*text = '\0';
	}
}

/* Fields without presence have none, whatever protobuf-c fills in for them. */
static int take_default(struct msg_schema *s, const ProtobufCFieldDescriptor *f,
	struct msg_schema_field *to)
{
	const char *text = f->default_value;
	char number[MSG_SCHEMA_NAME_BYTES_MAX + 1];

	if (!f->default_value || f->label == PROTOBUF_C_LABEL_NONE ||
		f->label == PROTOBUF_C_LABEL_REPEATED ||
		f->type == PROTOBUF_C_TYPE_MESSAGE)
		return 0;
	if (f->type == PROTOBUF_C_TYPE_BYTES) {
		to->default_text = escape(s, f->default_value);
		return to->default_text ? 0 : no_memory();
	}
	if (f->type != PROTOBUF_C_TYPE_STRING) {
		write_number(number, sizeof number, f);
		text = number;
	}
	to->default_text = msg_schema_pool_text(&s->pool, text, strlen(text));
	return to->default_text ? 0 : no_memory();
}

/* ---- take -------------------------------------------------------------- */

static const uint8_t types[] = {
	[PROTOBUF_C_TYPE_INT32] = MSG_SCHEMA_INT32,
	[PROTOBUF_C_TYPE_SINT32] = MSG_SCHEMA_SINT32,
	[PROTOBUF_C_TYPE_SFIXED32] = MSG_SCHEMA_SFIXED32,
	[PROTOBUF_C_TYPE_INT64] = MSG_SCHEMA_INT64,
	[PROTOBUF_C_TYPE_SINT64] = MSG_SCHEMA_SINT64,
	[PROTOBUF_C_TYPE_SFIXED64] = MSG_SCHEMA_SFIXED64,
	[PROTOBUF_C_TYPE_UINT32] = MSG_SCHEMA_UINT32,
	[PROTOBUF_C_TYPE_FIXED32] = MSG_SCHEMA_FIXED32,
	[PROTOBUF_C_TYPE_UINT64] = MSG_SCHEMA_UINT64,
	[PROTOBUF_C_TYPE_FIXED64] = MSG_SCHEMA_FIXED64,
	[PROTOBUF_C_TYPE_FLOAT] = MSG_SCHEMA_FLOAT,
	[PROTOBUF_C_TYPE_DOUBLE] = MSG_SCHEMA_DOUBLE,
	[PROTOBUF_C_TYPE_BOOL] = MSG_SCHEMA_BOOL,
	[PROTOBUF_C_TYPE_ENUM] = MSG_SCHEMA_ENUM,
	[PROTOBUF_C_TYPE_STRING] = MSG_SCHEMA_STRING,
	[PROTOBUF_C_TYPE_BYTES] = MSG_SCHEMA_BYTES,
	[PROTOBUF_C_TYPE_MESSAGE] = MSG_SCHEMA_MESSAGE,
};

/* Members of a oneof share the place that says which of them is there. */
static int take_oneof(struct msg_schema *s, struct msg_schema_message *m,
	message_pointer from, unsigned index, struct msg_schema_field *to)
{
	const ProtobufCFieldDescriptor *f = &from->fields[index];
	char name[32];

	to->oneof = -1;
	if (!(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		return 0;
	for (unsigned i = 0; i < index; i++)
		if ((from->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
			from->fields[i].quantifier_offset ==
				f->quantifier_offset) {
			to->oneof = s->fields[m->first_field + i].oneof;
			return 0;
		}
	if (s->oneof_count == MSG_SCHEMA_ONEOFS_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema has more than %u oneofs",
			MSG_SCHEMA_ONEOFS_MAX);
	to->oneof = (int32_t)m->oneof_count++;
	snprintf(name, sizeof name, "oneof_%u", m->oneof_count);
	return take_name(s, name, false, &s->oneofs[s->oneof_count++]);
}

static int take_field(struct msg_schema *s, struct found *found,
	struct msg_schema_message *m, message_pointer from, unsigned index)
{
	const ProtobufCFieldDescriptor *f = &from->fields[index];
	struct msg_schema_field *to = &s->fields[m->first_field + index];
	int result;

	if ((unsigned)f->type >= sizeof types || f->id < 1 ||
		f->id > MSG_WIRE_NUMBER_MAX ||
		(unsigned)f->label > PROTOBUF_C_LABEL_NONE)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the descriptor of %s is none of this protobuf-c",
			m->name);
	to->number = f->id;
	to->type = types[f->type];
	to->label = f->label == PROTOBUF_C_LABEL_REQUIRED ? MSG_SCHEMA_REQUIRED
		: f->label == PROTOBUF_C_LABEL_REPEATED	  ? MSG_SCHEMA_REPEATED
							  : MSG_SCHEMA_OPTIONAL;
	to->packed = (f->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0;
	to->implicit = f->label == PROTOBUF_C_LABEL_NONE &&
		       f->type != PROTOBUF_C_TYPE_MESSAGE &&
		       !(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
	result = take_name(s, f->name, false, &to->name);
	if (result == 0)
		result = take_oneof(s, m, from, index, to);
	if (result == 0)
		result = take_default(s, f, to);
	if (result == 0 && f->type == PROTOBUF_C_TYPE_MESSAGE)
		result = find_message(found, f->descriptor, &to->ref);
	else if (result == 0 && f->type == PROTOBUF_C_TYPE_ENUM)
		result = find_enum(found, f->descriptor, &to->ref);
	return result;
}

static int take_message(
	struct msg_schema *s, struct found *found, uint32_t number)
{
	struct msg_schema_message *m = &s->messages[number];
	message_pointer from = found->messages[number];
	int result = take_full_name(s, from->name, from->package_name, &m->name,
		&m->package_bytes);

	m->first_field = s->field_count;
	m->first_oneof = s->oneof_count;
	for (unsigned i = 0; i < from->n_fields && result == 0; i++)
		result = take_field(s, found, m, from, i);
	if (result < 0)
		return result;
	m->field_count = from->n_fields;
	s->field_count += from->n_fields;
	return schema_order_fields(s, m);
}

static int take_enum(struct msg_schema *s, enum_pointer from, uint32_t number)
{
	struct msg_schema_enum *e = &s->enums[number];
	int result = take_full_name(s, from->name, from->package_name, &e->name,
		&e->package_bytes);

	e->first_value = s->value_count;
	e->value_count = from->n_value_names;
	for (unsigned i = 0; i < from->n_value_names && result == 0; i++) {
		const ProtobufCEnumValueIndex *at = &from->values_by_name[i];
		struct msg_schema_value *to = &s->values[s->value_count++];

		if (at->index >= from->n_values)
			return msg_fail(MSG_ERROR_ARGUMENT,
				"the descriptor of %s is none of this "
				"protobuf-c",
				e->name);
		to->number = from->values[at->index].value;
		result = take_name(s, at->name, false, &to->name);
	}
	if (result == 0 && e->value_count == 0)
		return msg_fail(
			MSG_ERROR_ARGUMENT, "%s has no values", e->name);
	if (result < 0)
		return result;
	schema_order_values(s, e);
	/* In proto3 it is 0; which one it is in proto2 protobuf-c forgets. */
	e->first_number = s->values[e->first_value].number;
	return 0;
}

/* ---- syntax ------------------------------------------------------------ */

static size_t top_bytes(const char *name, uint32_t package_bytes)
{
	const char *local = msg_schema_package_end(name, package_bytes);

	return (size_t)(local - name) + strcspn(local, ".");
}

static bool same_top(const char *a, uint32_t a_package, const char *b,
	uint32_t b_package)
{
	size_t bytes = top_bytes(a, a_package);

	return bytes == top_bytes(b, b_package) && memcmp(a, b, bytes) == 0;
}

/* Fields without presence are only of proto3, and with one definition all are
 * that stand in the same one at the top, for a file has one syntax.  An enum
 * that such a field has is, too. */
static void settle_syntax(struct msg_schema *s)
{
	bool any = false;

	for (uint32_t i = 0; i < s->field_count; i++)
		any |= s->fields[i].implicit;
	for (uint32_t i = 0; any && i < s->message_count; i++) {
		struct msg_schema_message *m = &s->messages[i];

		m->proto3 = true;
		for (uint32_t j = 0; j < m->field_count; j++) {
			const struct msg_schema_field *f =
				&s->fields[m->first_field + j];

			if (f->label == MSG_SCHEMA_REQUIRED ||
				f->default_text ||
				(f->label == MSG_SCHEMA_OPTIONAL &&
					!f->implicit && f->oneof < 0 &&
					f->type != MSG_SCHEMA_MESSAGE))
				m->proto3 = false;
		}
	}
	for (uint32_t i = 0; i < s->message_count; i++)
		for (uint32_t j = 0; j < s->message_count; j++) {
			struct msg_schema_message *a = &s->messages[i];
			struct msg_schema_message *b = &s->messages[j];

			if (!a->proto3 && same_top(a->name, a->package_bytes,
						  b->name, b->package_bytes))
				b->proto3 = false;
		}
}

static void settle_enums(struct msg_schema *s)
{
	for (uint32_t i = 0; i < s->message_count; i++) {
		const struct msg_schema_message *m = &s->messages[i];

		for (uint32_t j = 0; j < m->field_count; j++) {
			const struct msg_schema_field *f =
				&s->fields[m->first_field + j];

			if (f->type == MSG_SCHEMA_ENUM && m->proto3)
				s->enums[f->ref].proto3 = true;
		}
	}
	for (uint32_t i = 0; i < s->enum_count; i++)
		for (uint32_t j = 0; j < s->message_count; j++) {
			struct msg_schema_enum *e = &s->enums[i];
			const struct msg_schema_message *m = &s->messages[j];

			if (same_top(e->name, e->package_bytes, m->name,
				    m->package_bytes))
				e->proto3 = m->proto3;
		}
	/* Whose first value is 0. */
	for (uint32_t i = 0; i < s->enum_count; i++)
		if (s->enums[i].proto3)
			s->enums[i].first_number = 0;
}

/* ---- all of it --------------------------------------------------------- */

static int take_all(
	struct msg_schema *s, struct found *found, message_pointer root)
{
	int result = find_all(found, root);

	if (result == 0)
		result = schema_reserve(s, &s->messages, found->message_count,
			sizeof *s->messages, MSG_SCHEMA_MESSAGES_MAX,
			"messages");
	if (result == 0)
		result = schema_reserve(s, &s->fields, found->field_count,
			sizeof *s->fields, MSG_SCHEMA_FIELDS_MAX, "fields");
	if (result == 0)
		result = schema_reserve(s, &s->enums, found->enum_count,
			sizeof *s->enums, MSG_SCHEMA_ENUMS_MAX, "enums");
	if (result == 0)
		result = schema_reserve(s, &s->values, found->value_count,
			sizeof *s->values, MSG_SCHEMA_VALUES_MAX, "values");
	if (result == 0)
		result = schema_reserve(s, &s->oneofs, MSG_SCHEMA_ONEOFS_MAX,
			sizeof *s->oneofs, MSG_SCHEMA_ONEOFS_MAX, "oneofs");
	for (uint32_t i = 0; i < found->message_count && result == 0; i++)
		result = take_message(s, found, s->message_count++);
	for (uint32_t i = 0; i < found->enum_count && result == 0; i++)
		result = take_enum(s, found->enums[i], s->enum_count++);
	if (result < 0)
		return result;
	for (uint32_t i = 0; i < s->field_count; i++) {
		struct msg_schema_field *f = &s->fields[i];

		if (f->type == MSG_SCHEMA_MESSAGE)
			f->type_name = s->messages[f->ref].name;
		else if (f->type == MSG_SCHEMA_ENUM)
			f->type_name = s->enums[f->ref].name;
	}
	settle_syntax(s);
	settle_enums(s);
	return 0;
}

int msg_schema_borrow(struct msg_schema *schema, const void *descriptor)
{
	struct found *found = calloc(1, sizeof *found);
	struct schema_numeric numeric;
	int result;

	memset(schema, 0, sizeof *schema);
	if (!found)
		return no_memory();
	schema->pool.limit = MSG_SCHEMA_POOL_BYTES;
	schema_numeric_begin(&numeric);
	result = take_all(schema, found, descriptor);
	schema_numeric_end(&numeric);
	free(found);
	if (result < 0)
		msg_schema_close(schema);
	return result;
}
