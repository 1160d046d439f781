/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * walk.c - through a protobuf message, field by field.
 *
 * protobuf-c unpacks it, by the descriptor that build.c made and out of a pool
 * with a limit; then we go through the struct.  Recursion ends where guard.c
 * looked.
 */
#include "schema/type.h"

#include <stdio.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

#include "base/trail.h"

struct walk {
	const struct msg_schema *schema;
	msg_value_fn *fn;
	void *context;
};

static int walk_message(const struct walk *w,
	const struct msg_schema_message *m, const ProtobufCMessage *message,
	const char *name, uint32_t number);

static int say(const struct walk *w, const char *name, uint32_t number,
	enum msg_value_kind kind)
{
	struct msg_value value = {
		.name = name, .kind = kind, .number = number, .data = ""};

	return w->fn(w->context, &value);
}

static void take_text(struct msg_value *value, const char *text)
{
	value->data = text ? text : "";
	value->bytes = strlen(value->data);
}

static void take_enum(
	const struct walk *w, const struct msg_schema_field *f,
	struct msg_value *value)
{
	const struct msg_schema_enum *e = &w->schema->enums[f->ref];
	const struct msg_schema_value *at = w->schema->values + e->first_value;

	for (uint32_t i = 0; i < e->value_count; i++)
		if (at[i].number == value->integer) {
			take_text(value, at[i].name);
			return;
		}
}

/* A value that stands at `at`, of what f is one of. */
static int walk_value(const struct walk *w, const struct msg_schema_field *f,
	const void *at, const char *name)
{
	struct msg_value value = {
		.name = name, .number = f->number, .data = ""};
	const ProtobufCBinaryData *binary = at;

	switch (f->type) {
	case MSG_SCHEMA_DOUBLE:
		value.kind = MSG_VALUE_DOUBLE;
		value.real = *(const double *)at;
		break;
	case MSG_SCHEMA_FLOAT:
		value.kind = MSG_VALUE_FLOAT;
		value.real = *(const float *)at;
		break;
	case MSG_SCHEMA_INT64:
	case MSG_SCHEMA_SINT64:
	case MSG_SCHEMA_SFIXED64:
		value.kind = MSG_VALUE_INT;
		value.integer = *(const int64_t *)at;
		break;
	case MSG_SCHEMA_UINT64:
	case MSG_SCHEMA_FIXED64:
		value.kind = MSG_VALUE_UINT;
		value.natural = *(const uint64_t *)at;
		break;
	case MSG_SCHEMA_UINT32:
	case MSG_SCHEMA_FIXED32:
		value.kind = MSG_VALUE_UINT;
		value.natural = *(const uint32_t *)at;
		break;
	case MSG_SCHEMA_BOOL:
		value.kind = MSG_VALUE_BOOL;
		value.integer = *(const protobuf_c_boolean *)at != 0;
		break;
	case MSG_SCHEMA_ENUM:
		value.kind = MSG_VALUE_ENUM;
		value.integer = *(const int *)at;
		take_enum(w, f, &value);
		break;
	case MSG_SCHEMA_STRING:
		value.kind = MSG_VALUE_TEXT;
		take_text(&value, *(const char *const *)at);
		break;
	case MSG_SCHEMA_BYTES:
		value.kind = MSG_VALUE_BYTES;
		value.data = binary->data ? binary->data
					  : (const void *)"";
		value.bytes = binary->len;
		break;
	case MSG_SCHEMA_MESSAGE:
		return walk_message(w, &w->schema->messages[f->ref],
			*(const ProtobufCMessage *const *)at, name, f->number);
	default: /* 32 bits, signed. */
		value.kind = MSG_VALUE_INT;
		value.integer = *(const int32_t *)at;
	}
	return w->fn(w->context, &value);
}

static size_t stride_of(const struct msg_schema_field *f)
{
	switch (f->type) {
	case MSG_SCHEMA_DOUBLE:
	case MSG_SCHEMA_INT64:
	case MSG_SCHEMA_UINT64:
	case MSG_SCHEMA_SINT64:
	case MSG_SCHEMA_FIXED64:
	case MSG_SCHEMA_SFIXED64:
		return 8;
	case MSG_SCHEMA_STRING:
	case MSG_SCHEMA_MESSAGE:
		return sizeof(void *);
	case MSG_SCHEMA_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 4;
	}
}

/* ---- maps -------------------------------------------------------------- */

/* The key of an entry as text; numbers go into `room`. */
static const char *key_of(const struct msg_schema_field *key, const void *at,
	char *room, size_t size)
{
	switch (key->type) {
	case MSG_SCHEMA_STRING:
		return *(const char *const *)at ? *(const char *const *)at : "";
	case MSG_SCHEMA_BOOL:
		return *(const protobuf_c_boolean *)at ? "true" : "false";
	case MSG_SCHEMA_INT64:
	case MSG_SCHEMA_SINT64:
	case MSG_SCHEMA_SFIXED64:
		snprintf(room, size, "%lld", (long long)*(const int64_t *)at);
		return room;
	case MSG_SCHEMA_UINT64:
	case MSG_SCHEMA_FIXED64:
		snprintf(room, size, "%llu",
			(unsigned long long)*(const uint64_t *)at);
		return room;
	case MSG_SCHEMA_UINT32:
	case MSG_SCHEMA_FIXED32:
		snprintf(room, size, "%lu",
			(unsigned long)*(const uint32_t *)at);
		return room;
	default:
		snprintf(room, size, "%ld", (long)*(const int32_t *)at);
		return room;
	}
}

/* One whose value is a message that is not there has an empty one. */
static int walk_entry(const struct walk *w, const struct msg_schema_message *m,
	const ProtobufCMessage *entry)
{
	const struct msg_schema_field *f = w->schema->fields + m->first_field;
	const ProtobufCFieldDescriptor *d = entry->descriptor->fields;
	const char *base = (const char *)entry;
	char room[32];
	const char *key =
		key_of(&f[0], base + d[0].offset, room, sizeof room);

	if (f[1].type == MSG_SCHEMA_MESSAGE &&
		!*(const void *const *)(base + d[1].offset)) {
		int result = say(w, key, f[1].number, MSG_VALUE_MESSAGE);

		return result ? result
			      : say(w, "", f[1].number, MSG_VALUE_END);
	}
	return walk_value(w, &f[1], base + d[1].offset, key);
}

/* ---- fields ------------------------------------------------------------ */

static bool is_map(const struct walk *w, const struct msg_schema_field *f)
{
	return f->type == MSG_SCHEMA_MESSAGE &&
	       w->schema->messages[f->ref].map_entry;
}

static int walk_list(const struct walk *w, const struct msg_schema_field *f,
	const char *elements, size_t count)
{
	bool map = is_map(w, f);
	size_t stride = stride_of(f);
	int result;

	if (count == 0)
		return 0;
	result = say(w, f->name, f->number,
		map ? MSG_VALUE_MAP : MSG_VALUE_LIST);
	for (size_t i = 0; i < count && result == 0; i++) {
		const char *at = elements + i * stride;

		result = map ? walk_entry(w, &w->schema->messages[f->ref],
				       *(const ProtobufCMessage *const *)at)
			     : walk_value(w, f, at, "");
	}
	return result ? result : say(w, "", f->number, MSG_VALUE_END);
}

/* Whether a field that is no list is there. */
static bool is_there(const struct msg_schema_field *f,
	const ProtobufCFieldDescriptor *d, const char *base)
{
	const void *pointer;

	if (f->oneof >= 0)
		return *(const uint32_t *)(const void *)(base +
			       d->quantifier_offset) == f->number;
	if (f->label == MSG_SCHEMA_REQUIRED && f->type != MSG_SCHEMA_MESSAGE)
		return true;
	if (f->implicit)
		return true;
	if (f->type == MSG_SCHEMA_STRING || f->type == MSG_SCHEMA_MESSAGE) {
		memcpy(&pointer, base + d->offset, sizeof pointer);
		return pointer && pointer != d->default_value;
	}
	return *(const protobuf_c_boolean *)(const void *)(base +
		       d->quantifier_offset) != 0;
}

static int walk_message(const struct walk *w,
	const struct msg_schema_message *m, const ProtobufCMessage *message,
	const char *name, uint32_t number)
{
	const char *base = (const char *)message;
	int result = say(w, name, number, MSG_VALUE_MESSAGE);

	for (uint32_t i = 0; i < m->field_count && result == 0; i++) {
		const struct msg_schema_field *f =
			&w->schema->fields[m->first_field + i];
		const ProtobufCFieldDescriptor *d =
			&message->descriptor->fields[i];

		if (f->label == MSG_SCHEMA_REPEATED) {
			size_t count;
			const char *elements;

			memcpy(&count, base + d->quantifier_offset,
				sizeof count);
			memcpy(&elements, base + d->offset, sizeof elements);
			result = walk_list(w, f, elements, count);
		} else if (is_there(f, d, base)) {
			result = walk_value(w, f, base + d->offset, f->name);
		}
	}
	return result ? result : say(w, "", number, MSG_VALUE_END);
}

int schema_walk(const struct msg_type *type, const void *data, size_t bytes,
	msg_value_fn *fn, void *context)
{
	struct msg_schema_pool pool = {.limit = MSG_SCHEMA_UNPACKED_BYTES_MAX};
	ProtobufCAllocator allocator = {
		msg_schema_pool_take, msg_schema_pool_give, &pool};
	struct walk walk = {&type->schema, fn, context};
	ProtobufCMessage *message;
	int result = schema_guard(&type->schema, data, bytes);

	if (result < 0)
		return result;
	message = protobuf_c_message_unpack(
		type->descriptors, &allocator, bytes, data);
	if (message)
		result = walk_message(
			&walk, &type->schema.messages[0], message, "", 0);
	else if (pool.refused)
		result = msg_fail(MSG_ERROR_MEMORY,
			"a %s of %zu bytes takes more than %zu to unpack",
			type->name, bytes, pool.limit);
	else
		result = msg_fail(MSG_ERROR_ARGUMENT,
			"the message is no %s: a field is missing, or of "
			"another kind",
			type->name);
	msg_schema_pool_close(&pool);
	return result;
}
