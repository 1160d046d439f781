/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * schema.h - protobuf types as tables: all that a message of one type needs.
 *
 *     FileDescriptorSet ── read.c ───┐              ┌── write.c ─> FileDescriptorSet
 *     protobuf-c descriptor ─ borrow.c ─> msg_schema ─┼── text.c ──> .proto text
 *                                                   ├── hash.c ──> 64 bits
 *                                                   └── build.c ─> protobuf-c descriptor
 *
 * Messages and enums stand in the order of their first use: message 0 is the
 * type itself, then those its fields name, by number, then those of these.  So
 * the tables hold what the type needs and nothing else, and types that hold
 * themselves are no trouble: a field names its type by number.
 *
 * Reading is hostile-input code: everything is counted against the limits below,
 * and what it takes comes from a pool with one, too.
 * Test: tests/unit/schema, fuzz: tests/fuzz/fuzz_schema.c.
 */
#ifndef MSG_SCHEMA_SCHEMA_H
#define MSG_SCHEMA_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/pool.h"
#include "schema/wire.h"

/* Twice the largest seen in the public .proto files we tried it with; each is
 * refused with its name.  Beside these, the bytes are limited. */
#define MSG_SCHEMA_FILES_MAX 64u
#define MSG_SCHEMA_MESSAGES_MAX 512u
#define MSG_SCHEMA_ENUMS_MAX 256u
#define MSG_SCHEMA_FIELDS_MAX 4096u
#define MSG_SCHEMA_VALUES_MAX 4096u
#define MSG_SCHEMA_ONEOFS_MAX 1024u
#define MSG_SCHEMA_NAME_BYTES_MAX 255u /* "package.Outer.Inner" */
#define MSG_SCHEMA_NESTING_MAX 16u     /* Definitions in definitions. */
#define MSG_SCHEMA_POOL_BYTES ((size_t)4 << 20)

/* As in descriptor.proto. */
enum msg_schema_type {
	MSG_SCHEMA_DOUBLE = 1,
	MSG_SCHEMA_FLOAT,
	MSG_SCHEMA_INT64,
	MSG_SCHEMA_UINT64,
	MSG_SCHEMA_INT32,
	MSG_SCHEMA_FIXED64,
	MSG_SCHEMA_FIXED32,
	MSG_SCHEMA_BOOL,
	MSG_SCHEMA_STRING,
	MSG_SCHEMA_GROUP,
	MSG_SCHEMA_MESSAGE,
	MSG_SCHEMA_BYTES,
	MSG_SCHEMA_UINT32,
	MSG_SCHEMA_ENUM,
	MSG_SCHEMA_SFIXED32,
	MSG_SCHEMA_SFIXED64,
	MSG_SCHEMA_SINT32,
	MSG_SCHEMA_SINT64,
};

enum msg_schema_label {
	MSG_SCHEMA_OPTIONAL = 1,
	MSG_SCHEMA_REQUIRED = 2,
	MSG_SCHEMA_REPEATED = 3,
};

struct msg_schema_field {
	const char *name;
	const char *type_name;    /* Full, of a message or enum; else NULL. */
	const char *default_text; /* As descriptor.proto writes it, or NULL. */
	uint32_t number;
	uint32_t ref;   /* The message or enum. */
	int32_t oneof;  /* Among the message's; -1: in none. */
	uint8_t type;   /* enum msg_schema_type */
	uint8_t label;  /* enum msg_schema_label */
	bool implicit;  /* Of proto3: absent is the same as 0. */
	bool packed;
};

struct msg_schema_message {
	const char *name;       /* Full: "md.v1.Quote.Leg". */
	uint32_t package_bytes; /* Of it; 0: no package. */
	uint32_t first_field;   /* Fields stand together, by number. */
	uint32_t field_count;
	uint32_t first_oneof;
	uint32_t oneof_count;
	bool map_entry;
	bool proto3;
};

struct msg_schema_value {
	const char *name;
	int32_t number;
};

struct msg_schema_enum {
	const char *name; /* Full. */
	uint32_t package_bytes;
	uint32_t first_value; /* By number, then name. */
	uint32_t value_count;
	int32_t first_number; /* Of the one defined first: its default. */
	bool proto3;
};

struct msg_schema {
	struct msg_schema_message *messages;
	struct msg_schema_field *fields;
	struct msg_schema_enum *enums;
	struct msg_schema_value *values;
	const char **oneofs; /* Names. */
	uint32_t message_count;
	uint32_t field_count;
	uint32_t enum_count;
	uint32_t value_count;
	uint32_t oneof_count;
	struct msg_schema_pool pool; /* Of all of the above. */
};

static inline const char *msg_schema_package_end(const char *name, uint32_t bytes)
{
	return bytes ? name + bytes + 1 : name;
}

/* The name without its package: "Quote.Leg". */
static inline const char *msg_schema_local_name(
	const struct msg_schema_message *m)
{
	return msg_schema_package_end(m->name, m->package_bytes);
}

/* A field by its number; NULL: there is none. */
const struct msg_schema_field *msg_schema_find(const struct msg_schema *schema,
	const struct msg_schema_message *message, uint32_t number);

/* Whether a name is one of protobuf: letters, digits, '_', no digit in front;
 * with `dots`, several of these. */
bool msg_schema_is_name(const char *text, size_t bytes, bool dots);

/* Read the type called `name` out of a FileDescriptorSet.  0; -MSG_ERROR_ARGUMENT
 * or MEMORY, with the reason on the trail, and nothing to close. */
int msg_schema_read(struct msg_schema *schema, const char *name,
	const void *set, size_t bytes);

/* The same out of a protobuf-c descriptor (ProtobufCMessageDescriptor). */
int msg_schema_borrow(struct msg_schema *schema, const void *descriptor);

void msg_schema_close(struct msg_schema *schema);

/* Write it as a FileDescriptorSet.  0; ARGUMENT (packages that need each other
 * in a circle), MEMORY; TOO_LARGE when it does not fit the limit of `out`. */
int msg_schema_write(
	const struct msg_schema *schema, struct msg_wire_out *out);

/* Write it as text, a .proto file in most cases; failed is set in `out` where
 * there is no memory. */
void msg_schema_print(
	const struct msg_schema *schema, struct msg_wire_out *out);

/* The hash of proto/README.md, "Types"; 0: no memory. */
uint64_t msg_schema_hash(const struct msg_schema *schema);

/* Protobuf-c's tables for it, in the schema's pool: message i is [i].  0, or
 * MEMORY. */
int msg_schema_build(struct msg_schema *schema, void **descriptors);

/* ---- between the files of the room ------------------------------------- */

/* `count` things of `size` bytes in the pool, beyond `limit` refused with
 * their name in the plural.  0, ARGUMENT, MEMORY. */
int schema_reserve(struct msg_schema *schema, void *array, uint32_t count,
	size_t size, uint32_t limit, const char *what);

/* gather.c: leave what the message `name` needs, itself first.  0, ARGUMENT,
 * MEMORY. */
int schema_gather(struct msg_schema *schema, const char *name);

/* Sort fields by number and values by number and name; refuse two of one number
 * or name. */
int schema_order_fields(struct msg_schema *schema, struct msg_schema_message *m);
void schema_order_values(struct msg_schema *schema, struct msg_schema_enum *e);

/* One group of definitions: those of one package and syntax.  They are visited
 * as they nest, by name; where a message is not in the schema but others nest
 * in it, `message` is NULL. */
struct schema_visitor {
	void (*open)(void *context, const char *name, size_t bytes,
		const struct msg_schema_message *message);
	void (*close)(
		void *context, const struct msg_schema_message *message);
	void (*enumeration)(void *context, const char *name, size_t bytes,
		const struct msg_schema_enum *found);
	void *context;
};

struct schema_group {
	const char *package; /* Of package_bytes. */
	uint32_t package_bytes;
	bool proto3;
};

/* Fills `groups` of MSG_SCHEMA_FILES_MAX, in the order of first use; how many,
 * or ARGUMENT. */
int schema_groups(const struct msg_schema *schema, struct schema_group *groups);
bool schema_in_group(const struct schema_group *group, const char *name,
	uint32_t package_bytes, bool proto3);
/* False: no memory. */
bool schema_visit(const struct msg_schema *schema,
	const struct schema_group *group, const struct schema_visitor *visitor);

#endif
