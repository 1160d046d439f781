/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * type.h - a schema, and which type of it is meant: what msg_type is.
 *
 * It never changes once it is made, so any thread may read it; who keeps one
 * counts itself.  Test: tests/unit/schema/test_type.c.
 */
#ifndef MSG_SCHEMA_TYPE_H
#define MSG_SCHEMA_TYPE_H

#include <stdatomic.h>
#include <stdint.h>

#include <msg/type.h>

#include "schema/cstruct.h"
#include "schema/schema.h"

/* What a message may take when it is unpacked, and how deep it may nest. */
#define MSG_SCHEMA_UNPACKED_BYTES_MAX ((size_t)64 << 20)
#define MSG_SCHEMA_DEPTH_MAX 64u

struct msg_type {
	_Atomic uint32_t keepers;
	enum msg_encoding encoding;
	uint64_t hash;
	char name[MSG_TYPE_NAME_BYTES_MAX + 1];
	uint8_t *schema_bytes;
	size_t schema_size;
	struct msg_schema schema;   /* Of PROTOBUF, */
	void *descriptors;          /* and protobuf-c's for it. */
	struct msg_cstruct_schema cstruct; /* Of CSTRUCT. */
};

/* As the calls of <msg/type.h>. */
int msg_schema_type_borrow(const void *descriptor, struct msg_type **type);
int msg_schema_type_tabulate(
	const struct msg_cstruct *table, struct msg_type **type);
int msg_schema_type_read(enum msg_encoding encoding, const char *name,
	const void *schema, size_t bytes, struct msg_type **type);
int msg_schema_type_walk(const struct msg_type *type, const void *data,
	size_t bytes, msg_value_fn *fn, void *context);
int msg_schema_type_json(const struct msg_type *type, const void *data,
	size_t bytes, struct msg_wire_out *out);

/* A keeper more; one less, and with the last it is gone.  NULL is allowed. */
struct msg_type *msg_schema_type_keep(const struct msg_type *type);
void msg_schema_type_drop(const struct msg_type *type);

/* guard.c: whether unpacking `data` recurses no deeper than DEPTH_MAX.  0, or
 * ARGUMENT. */
int schema_guard(
	const struct msg_schema *schema, const void *data, size_t bytes);

/* walk.c: unpack and walk. */
int schema_walk(const struct msg_type *type, const void *data, size_t bytes,
	msg_value_fn *fn, void *context);

#endif
