/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash.c - 64 bits that tell versions of a type apart.
 *
 * What it is made of is proto/README.md's, "Types": the names, numbers and kinds
 * that decide what bytes mean to a reader, and nothing of how a schema is written
 * down, for protoc, protobuf-c and others write the same type differently.
 */
#include "schema/schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define SIGNATURE_BYTES_MAX ((size_t)4 << 20)

static void put_text(struct msg_wire_out *out, const char *text)
{
	msg_wire_put(out, text, strlen(text) + 1);
}

/* The lowest number of the members of its oneof; 0: it is in none. */
static uint32_t oneof_number(const struct msg_schema *schema,
	const struct msg_schema_message *m, const struct msg_schema_field *f)
{
	const struct msg_schema_field *first = schema->fields + m->first_field;

	if (f->oneof < 0)
		return 0;
	while (first->oneof != f->oneof)
		first++;
	return first->number;
}

static void put_message(struct msg_wire_out *out,
	const struct msg_schema *schema, const struct msg_schema_message *m)
{
	msg_wire_put_number(out, 'M', 1);
	put_text(out, m->name);
	for (uint32_t i = 0; i < m->field_count; i++) {
		const struct msg_schema_field *f =
			&schema->fields[m->first_field + i];

		msg_wire_put_number(out, f->number, 4);
		msg_wire_put_number(out, f->type, 1);
		msg_wire_put_number(out, f->label, 1);
		msg_wire_put_number(out, oneof_number(schema, m, f), 4);
		msg_wire_put_number(out, f->type_name ? f->ref : 0, 4);
		put_text(out, f->name);
	}
}

static void put_enum(struct msg_wire_out *out, const struct msg_schema *schema,
	const struct msg_schema_enum *e)
{
	msg_wire_put_number(out, 'E', 1);
	put_text(out, e->name);
	for (uint32_t i = 0; i < e->value_count; i++) {
		const struct msg_schema_value *value =
			&schema->values[e->first_value + i];

		msg_wire_put_number(out, (uint32_t)value->number, 4);
		put_text(out, value->name);
	}
}

uint64_t msg_schema_hash(const struct msg_schema *schema)
{
	struct msg_wire_out out = {.limit = SIGNATURE_BYTES_MAX};
	uint64_t hash = 0;

	for (uint32_t i = 0; i < schema->message_count; i++)
		put_message(&out, schema, &schema->messages[i]);
	for (uint32_t i = 0; i < schema->enum_count; i++)
		put_enum(&out, schema, &schema->enums[i]);
	if (!out.failed) {
		hash = msg_hash(out.data, out.bytes);
		hash = hash ? hash : 1;
	}
	free(out.data);
	return hash;
}
