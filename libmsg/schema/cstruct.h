/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cstruct.h - plain C structs: their schema, and what their bytes mean.
 *
 * The encoding is our own and small (proto/README.md, "cstruct"): a list of
 * structs, each with its fields, the ones that others hold before these, so that
 * no struct can hold itself.  The last one is the type.
 * Test: tests/unit/schema/test_cstruct.c, fuzz: tests/fuzz/fuzz_schema.c.
 */
#ifndef MSG_SCHEMA_CSTRUCT_H
#define MSG_SCHEMA_CSTRUCT_H

#include <msg/type.h>

#include "schema/pool.h"
#include "schema/wire.h"

#define MSG_CSTRUCT_STRUCTS_MAX 64u
#define MSG_CSTRUCT_FIELDS_MAX 1024u /* Of a struct. */
#define MSG_CSTRUCT_NAME_BYTES_MAX 63u
#define MSG_CSTRUCT_DEPTH_MAX 8u
/* Of a message, structs in structs and arrays of them multiplied out. */
#define MSG_CSTRUCT_VALUES_MAX (1u << 20)

struct msg_cstruct_member {
	const char *name;
	uint32_t kind; /* enum msg_field_kind */
	uint32_t offset;
	uint32_t count; /* Of one: 1; of an array more. */
	uint32_t of;    /* Of STRUCT. */
};

struct msg_cstruct_layout {
	const char *name;
	uint32_t bytes;
	uint32_t field_count;
	uint32_t depth;       /* Structs within each other, itself counted. */
	uint64_t value_count; /* Multiplied out. */
	struct msg_cstruct_member *fields;
};

struct msg_cstruct_schema {
	struct msg_cstruct_layout *structs;
	uint32_t struct_count;
	struct msg_schema_pool pool;
};

/* The encoding of a table.  0; ARGUMENT, MEMORY, with the trail.  Much is for
 * msg_cstruct_read to find, which reads what was written. */
int msg_cstruct_write(const struct msg_cstruct *table, struct msg_wire_out *out);

/* Read it.  0; ARGUMENT, MEMORY, with the trail and nothing to close. */
int msg_cstruct_read(
	struct msg_cstruct_schema *schema, const void *data, size_t bytes);
void msg_cstruct_close(struct msg_cstruct_schema *schema);

/* Of the encoding's bytes.  Never 0. */
uint64_t msg_cstruct_hash(const void *data, size_t bytes);

void msg_cstruct_print(
	const struct msg_cstruct_schema *schema, struct msg_wire_out *out);

/* As msg_type_walk. */
int msg_cstruct_walk(const struct msg_cstruct_schema *schema, const void *data,
	size_t bytes, msg_value_fn *fn, void *context);

#endif
