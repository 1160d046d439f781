/* SPDX-License-Identifier: BSD-2-Clause */
/* type.c - making and sharing types; see type.h. */
#include "schema/type.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/trail.h"

static struct msg_type *begin(enum msg_encoding encoding)
{
	struct msg_type *type = calloc(1, sizeof *type);

	if (!type) {
		msg_fail(MSG_ERROR_MEMORY, "no memory for a type");
		return NULL;
	}
	atomic_init(&type->keepers, 1);
	type->encoding = encoding;
	return type;
}

static void end(struct msg_type *type)
{
	msg_schema_close(&type->schema);
	msg_cstruct_close(&type->cstruct);
	free(type->schema_bytes);
	free(type);
}

static int take_name(struct msg_type *type, const char *name)
{
	if (strlen(name) > MSG_TYPE_NAME_BYTES_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the type's name has more than %u bytes: %.32s…",
			MSG_TYPE_NAME_BYTES_MAX, name);
	snprintf(type->name, sizeof type->name, "%s", name);
	return 0;
}

/* What both ways to a protobuf type have in common. */
static int finish_protobuf(struct msg_type *type)
{
	int result = take_name(type, type->schema.messages[0].name);

	if (result < 0)
		return result;
	type->hash = msg_schema_hash(&type->schema);
	if (type->hash == 0)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a schema");
	return msg_schema_build(&type->schema, &type->descriptors);
}

static int borrow(struct msg_type *type, const void *descriptor)
{
	struct msg_wire_out out = {.limit = MSG_TYPE_SCHEMA_BYTES_MAX};
	int result = msg_schema_borrow(&type->schema, descriptor);

	if (result == 0)
		result = msg_schema_write(&type->schema, &out);
	type->schema_bytes = out.data;
	type->schema_size = out.bytes;
	if (result == -MSG_ERROR_TOO_LARGE)
		result = -MSG_ERROR_ARGUMENT; /* The trail says what. */
	return result < 0 ? result : finish_protobuf(type);
}

int msg_schema_type_borrow(const void *descriptor, struct msg_type **out)
{
	struct msg_type *type = begin(MSG_ENCODING_PROTOBUF);
	int result;

	if (!type)
		return -MSG_ERROR_MEMORY;
	result = borrow(type, descriptor);
	if (result < 0)
		end(type);
	else
		*out = type;
	return result;
}

static int finish_cstruct(struct msg_type *type)
{
	const struct msg_cstruct_schema *c = &type->cstruct;

	type->hash = msg_cstruct_hash(type->schema_bytes, type->schema_size);
	return take_name(type, c->structs[c->struct_count - 1].name);
}

static int tabulate(struct msg_type *type, const struct msg_cstruct *table)
{
	struct msg_wire_out out = {.limit = MSG_TYPE_SCHEMA_BYTES_MAX};
	int result = msg_cstruct_write(table, &out);

	type->schema_bytes = out.data;
	type->schema_size = out.bytes;
	/* What we would refuse from others we do not say. */
	if (result == 0)
		result = msg_cstruct_read(&type->cstruct, type->schema_bytes,
			type->schema_size);
	return result < 0 ? result : finish_cstruct(type);
}

int msg_schema_type_tabulate(
	const struct msg_cstruct *table, struct msg_type **out)
{
	struct msg_type *type = begin(MSG_ENCODING_CSTRUCT);
	int result;

	if (!type)
		return -MSG_ERROR_MEMORY;
	result = tabulate(type, table);
	if (result < 0)
		end(type);
	else
		*out = type;
	return result;
}

static int take_schema(struct msg_type *type, const void *schema, size_t bytes)
{
	if (bytes > MSG_TYPE_SCHEMA_BYTES_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema has %zu bytes, more than %u", bytes,
			MSG_TYPE_SCHEMA_BYTES_MAX);
	type->schema_bytes = malloc(bytes ? bytes : 1);
	if (!type->schema_bytes)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a schema");
	if (bytes > 0)
		memcpy(type->schema_bytes, schema, bytes);
	type->schema_size = bytes;
	return 0;
}

static int read_type(struct msg_type *type, const char *name,
	const void *schema, size_t bytes)
{
	int result = take_schema(type, schema, bytes);

	if (result < 0)
		return result;
	if (type->encoding == MSG_ENCODING_PROTOBUF) {
		result = msg_schema_read(&type->schema, name,
			type->schema_bytes, type->schema_size);
		return result < 0 ? result : finish_protobuf(type);
	}
	result = msg_cstruct_read(
		&type->cstruct, type->schema_bytes, type->schema_size);
	if (result == 0)
		result = finish_cstruct(type);
	if (result == 0 && strcmp(type->name, name) != 0)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema is of struct %s, not %.127s", type->name,
			name);
	return result;
}

int msg_schema_type_read(enum msg_encoding encoding, const char *name,
	const void *schema, size_t bytes, struct msg_type **out)
{
	struct msg_type *type;
	int result;

	if (encoding != MSG_ENCODING_PROTOBUF &&
		encoding != MSG_ENCODING_CSTRUCT)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"encoding is %d; use enum msg_encoding", (int)encoding);
	type = begin(encoding);
	if (!type)
		return -MSG_ERROR_MEMORY;
	result = read_type(type, name, schema, bytes);
	if (result < 0)
		end(type);
	else
		*out = type;
	return result;
}

int msg_schema_type_walk(const struct msg_type *type, const void *data,
	size_t bytes, msg_value_fn *fn, void *context)
{
	if (type->encoding == MSG_ENCODING_PROTOBUF)
		return schema_walk(type, data, bytes, fn, context);
	return msg_cstruct_walk(&type->cstruct, data, bytes, fn, context);
}

struct msg_type *msg_schema_type_keep(const struct msg_type *type)
{
	struct msg_type *kept = (struct msg_type *)(uintptr_t)type;

	/* Relaxed: whoever hands it out keeps it meanwhile. */
	if (kept)
		atomic_fetch_add_explicit(
			&kept->keepers, 1, memory_order_relaxed);
	return kept;
}

void msg_schema_type_drop(const struct msg_type *type)
{
	struct msg_type *kept = (struct msg_type *)(uintptr_t)type;

	/* Acquire and release; partner: the same of other keepers, whose reads
	 * are over before the last one ends it. */
	if (kept && atomic_fetch_sub_explicit(
			    &kept->keepers, 1, memory_order_acq_rel) == 1)
		end(kept);
}
