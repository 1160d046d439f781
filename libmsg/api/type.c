/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * type.c - the front door to types: arguments.  What a type is, is schema/'s
 * business.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <msg/type.h>

#include "base/trail.h"
#include "schema/filter.h"
#include "schema/type.h"

/* Lines of JSON, and schemas as text. */
#define TEXT_BYTES_MAX ((size_t)1 << 30)

static int missing(void)
{
	return msg_fail(MSG_ERROR_ARGUMENT, "an argument is NULL; give it");
}

int msg_type_of_protobuf(const struct ProtobufCMessageDescriptor *descriptor,
	struct msg_type **type)
{
	if (!descriptor || !type)
		return missing();
	return msg_schema_type_borrow(descriptor, type);
}

int msg_type_of_cstruct(const struct msg_cstruct *table, struct msg_type **type)
{
	if (!table || !type)
		return missing();
	return msg_schema_type_tabulate(table, type);
}

int msg_type_of_schema(enum msg_encoding encoding, const char *name,
	const void *schema, size_t bytes, struct msg_type **type)
{
	if (!name || (!schema && bytes > 0) || !type)
		return missing();
	return msg_schema_type_read(encoding, name, schema, bytes, type);
}

void msg_type_close(struct msg_type *type)
{
	msg_schema_type_drop(type);
}

const char *msg_type_name(const struct msg_type *type)
{
	return type->name;
}

int msg_type_encoding(const struct msg_type *type)
{
	return (int)type->encoding;
}

uint64_t msg_type_hash(const struct msg_type *type)
{
	return type->hash;
}

const void *msg_type_schema(const struct msg_type *type, size_t *bytes)
{
	*bytes = type->schema_size;
	return type->schema_bytes;
}

const struct ProtobufCMessageDescriptor *msg_type_descriptor(
	const struct msg_type *type)
{
	return type->descriptors;
}

/* As snprintf gives a text out.  `out` is spent. */
static int hand_out(struct msg_wire_out *out, char *text, size_t capacity)
{
	size_t bytes = out->bytes;

	if (out->failed) {
		free(out->data);
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a text");
	}
	if (capacity > 0) {
		size_t shown = bytes < capacity ? bytes : capacity - 1;

		if (shown > 0)
			memcpy(text, out->data, shown);
		text[shown] = '\0';
	}
	free(out->data);
	return (int)bytes;
}

int msg_type_print(const struct msg_type *type, char *text, size_t capacity)
{
	struct msg_wire_out out = {.limit = TEXT_BYTES_MAX};

	if (!type || (!text && capacity > 0))
		return missing();
	if (type->encoding == MSG_ENCODING_PROTOBUF)
		msg_schema_print(&type->schema, &out);
	else
		msg_cstruct_print(&type->cstruct, &out);
	return hand_out(&out, text, capacity);
}

int msg_type_walk(const struct msg_type *type, const void *data, size_t bytes,
	msg_value_fn *fn, void *context)
{
	if (!type || (!data && bytes > 0) || !fn)
		return missing();
	return msg_schema_type_walk(type, data, bytes, fn, context);
}

int msg_type_json(const struct msg_type *type, const void *data, size_t bytes,
	char *text, size_t capacity)
{
	struct msg_wire_out out = {.limit = TEXT_BYTES_MAX};
	int result;

	if (!type || (!data && bytes > 0) || (!text && capacity > 0))
		return missing();
	result = msg_schema_type_json(type, data, bytes, &out);
	if (result == 0)
		return hand_out(&out, text, capacity);
	free(out.data);
	return result;
}

int msg_filter_open(const struct msg_type *type, const char *text,
	struct msg_filter **filter)
{
	if (!type || !text || !filter)
		return missing();
	return msg_schema_filter_open(type, text, filter);
}

int msg_filter_match(
	const struct msg_filter *filter, const void *data, size_t bytes)
{
	if (!filter || (!data && bytes > 0))
		return missing();
	return msg_schema_filter_match(filter, data, bytes);
}

void msg_filter_close(struct msg_filter *filter)
{
	msg_schema_filter_close(filter);
}
