/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * type.h - what the bytes of a topic mean, for who has never seen its type.
 *
 * A publisher may name a type; its announcements carry the type's name and a
 * hash of its schema, and whoever wants the schema itself fetches it, once.
 *
 *     of a protobuf-c message ─┐             ┌─> names, .proto text, hash
 *     of a plain C struct ─────┼─> msg_type ─┼─> schema bytes, for recordings
 *     fetched, or from bytes ──┘             ├─> fields of a message, or JSON
 *                                            └─> filter: "price > 10"
 *
 * No message is changed or looked at by the library for that: types stand
 * beside the data path.  What is fetched is somebody else's word: it is bounded
 * (MSG_TYPE_SCHEMA_BYTES_MAX; nesting, counts and names in
 * libmsg/schema/README.md), and so is the memory that decoding takes.  Contracts
 * are stated as in msg.h.
 */
#ifndef MSG_TYPE_H
#define MSG_TYPE_H

#include <msg/msg.h>

#ifdef __cplusplus
extern "C" {
#endif

struct msg_type;   /* A schema, and the type of it that a topic carries. */
struct msg_filter; /* A condition on messages of a type. */
struct ProtobufCMessageDescriptor; /* <protobuf-c/protobuf-c.h> */

/* The largest schema, in bytes. */
#define MSG_TYPE_SCHEMA_BYTES_MAX (64u << 10)
/* The longest name of a type: "md.v1.Quote". */
#define MSG_TYPE_NAME_BYTES_MAX 127u

/* How payloads and schemas of a type are written. */
enum msg_encoding {
	MSG_ENCODING_NONE = 0,     /* No type. */
	MSG_ENCODING_PROTOBUF = 1, /* Protocol Buffers; the schema is a
	                              google.protobuf.FileDescriptorSet. */
	MSG_ENCODING_CSTRUCT = 2,  /* A C struct, little-endian; the schema is
	                              that of proto/README.md, "cstruct". */
};

/* ---- a plain C struct -------------------------------------------------- */

/* What a field is made of; the low byte is the bytes of one. */
enum msg_field_kind {
	MSG_FIELD_BOOL = 0x101,
	MSG_FIELD_CHAR = 0x201, /* Text, up to the first zero. */
	MSG_FIELD_BYTE = 0x301, /* Bytes that are no text. */
	MSG_FIELD_INT8 = 0x401,
	MSG_FIELD_INT16 = 0x402,
	MSG_FIELD_INT32 = 0x404,
	MSG_FIELD_INT64 = 0x408,
	MSG_FIELD_UINT8 = 0x501,
	MSG_FIELD_UINT16 = 0x502,
	MSG_FIELD_UINT32 = 0x504,
	MSG_FIELD_UINT64 = 0x508,
	MSG_FIELD_FLOAT = 0x604,
	MSG_FIELD_DOUBLE = 0x608,
	MSG_FIELD_STRUCT = 0x700, /* Another struct; see `of`. */
};

struct msg_cstruct;

/* One field, or an array. */
struct msg_cstruct_field {
	const char *name;             /* A C name of at most 63 bytes. */
	uint32_t kind;                /* enum msg_field_kind */
	uint32_t offset;              /* In the struct. */
	uint32_t bytes;               /* Of all of it: a multiple of one. */
	uint32_t reserved;            /* Zero. */
	const struct msg_cstruct *of; /* Of MSG_FIELD_STRUCT; else NULL. */
};
#define MSG_CSTRUCT_FIELD(struct_type, member, kind)                           \
	{                                                                      \
		#member, kind, offsetof(struct_type, member),                  \
			sizeof(((struct_type *)0)->member), 0, 0               \
	}
#define MSG_CSTRUCT_STRUCT(struct_type, member, of)                            \
	{                                                                      \
		#member, MSG_FIELD_STRUCT, offsetof(struct_type, member),      \
			sizeof(((struct_type *)0)->member), 0, of              \
	}

/* A struct without pointers; what it leaves out is padding. */
struct msg_cstruct {
	const char *name; /* A C name. */
	size_t bytes;     /* sizeof, up to 16 MiB. */
	const struct msg_cstruct_field *fields;
	size_t field_count; /* 1 to 1024. */
};

/* ---- types ------------------------------------------------------------- */

/* The type of a message that protoc-c generated code for: `descriptor` is
 * `&quote__descriptor`, and stays yours; the type keeps a copy.
 * Returns 0; ARGUMENT (it goes beyond a bound; msg_error_text says which),
 * MEMORY.  Threads any.  Path setup. */
MSG_API MSG_MUST_CHECK int msg_type_of_protobuf(
	const struct ProtobufCMessageDescriptor *descriptor,
	struct msg_type **type);

/* The type of a C struct, whose messages are its bytes.  The tables stay yours;
 * the type keeps a copy.  A field must lie in its struct; fields may overlap (a
 * union).
 * Returns 0; ARGUMENT (fields that do not fit, or a machine that is not
 * little-endian), MEMORY.  Threads any.  Path setup. */
MSG_API MSG_MUST_CHECK int msg_type_of_cstruct(
	const struct msg_cstruct *table, struct msg_type **type);

/* The type called `name` of a schema: a FileDescriptorSet that holds all it
 * needs (protoc --include_imports), or a cstruct's.  The bytes stay yours; the
 * type keeps a copy.
 * Returns 0; ARGUMENT (no such type in it, or not a schema, or beyond a bound),
 * MEMORY.  Threads any.  Path setup. */
MSG_API MSG_MUST_CHECK int msg_type_of_schema(enum msg_encoding encoding,
	const char *name, const void *schema, size_t bytes,
	struct msg_type **type);

/* Fetch the type that a publisher of `topic` names: that of `hash` (as in
 * msg_topic_info), or with 0 of the first that is heard.  From the publisher
 * itself, or on a broker's host from the broker, which keeps what it fetched.
 * Waits up to `timeout_ns` (negative: no limit) for an announcement that the
 * directory has not heard yet (they come once a second by default), and for the
 * schema.  Without a broker, the publisher answers in its progress thread or in
 * the calls that are made on it.  Counts as a read of the directory.
 * Returns 0; ARGUMENT (topic is none, or not of the directory's pattern),
 * TIMEOUT (nobody names a type, or does not answer with one), MEMORY, DEVICE,
 * FABRIC.  Threads one.  Path setup. */
MSG_API MSG_MUST_CHECK int msg_type_fetch(struct msg_directory *directory,
	const char *topic, uint64_t hash, int64_t timeout_ns,
	struct msg_type **type);

/* Let go of a type; NULL is allowed.  Publishers, subscribers and filters that
 * were opened with it keep it as long as they need.  Threads any.  Path setup. */
MSG_API void msg_type_close(struct msg_type *type);

/* Its full name, "md.v1.Quote"; never NULL, valid until close.  Threads any.
 * Path steady. */
MSG_API const char *msg_type_name(const struct msg_type *type);

/* The enum msg_encoding of its messages.  Threads any.  Path steady. */
MSG_API int msg_type_encoding(const struct msg_type *type);

/* A hash of what its messages mean: two types have the same one when they read
 * the same bytes as the same fields.  Never 0.  It tells versions apart, and is
 * no protection from somebody who wants two to look the same.  Threads any.
 * Path steady.  Source proto/README.md, "Types". */
MSG_API uint64_t msg_type_hash(const struct msg_type *type);

/* The schema, `*bytes` of it; valid until close.  This and the name are what a
 * recording needs.  Threads any.  Path steady. */
MSG_API const void *msg_type_schema(const struct msg_type *type, size_t *bytes);

/* The schema as text for people: a .proto file, or a C struct.  Writes up to
 * `capacity` bytes with the zero that ends them, as snprintf does.
 * Returns the bytes of the whole text without that zero, which may be more;
 * MEMORY.  Threads any.  Path setup. */
MSG_API MSG_MUST_CHECK int msg_type_print(
	const struct msg_type *type, char *text, size_t capacity);

/* A descriptor for protobuf_c_message_unpack and its kind, made from the schema;
 * NULL for a cstruct.  Valid until close.  Threads any.  Path steady. */
MSG_API const struct ProtobufCMessageDescriptor *msg_type_descriptor(
	const struct msg_type *type);

/* ---- messages ---------------------------------------------------------- */

enum msg_value_kind {
	MSG_VALUE_BOOL = 1,    /* `integer`, 0 or 1. */
	MSG_VALUE_INT = 2,     /* `integer` */
	MSG_VALUE_UINT = 3,    /* `natural` */
	MSG_VALUE_FLOAT = 4,   /* `real`, of single precision. */
	MSG_VALUE_DOUBLE = 5,  /* `real` */
	MSG_VALUE_ENUM = 6,    /* `integer`; its name in `data`, 0 bytes if it
	                          has none. */
	MSG_VALUE_TEXT = 7,    /* `data`; meant to be UTF-8, not checked. */
	MSG_VALUE_BYTES = 8,   /* `data` */
	MSG_VALUE_MESSAGE = 9, /* Its fields follow, then END. */
	MSG_VALUE_LIST = 10,   /* Its elements follow, then END. */
	MSG_VALUE_MAP = 11,    /* Its values follow, named by key, then END. */
	MSG_VALUE_END = 12,    /* Of the innermost MESSAGE, LIST or MAP. */
};

/* A value of a message, on the way through it. */
struct msg_value {
	const char *name; /* Of the field; "" in a list, and of the whole. */
	uint32_t kind;    /* enum msg_value_kind */
	uint32_t number;  /* Of the field, in protobuf; else 0. */
	int64_t integer;
	uint64_t natural;
	double real;
	const void *data; /* Text has a zero behind it, but for a cstruct's. */
	size_t bytes;     /* Of `data`, without that. */
};

/* Called for each value in turn; anything but 0 ends the walk.  The value is
 * valid during the call. */
typedef int msg_value_fn(void *context, const struct msg_value *value);

/* Walk through a message of the type: first the whole, a MESSAGE, then its
 * fields by number, or in the order of the struct.  What is absent (proto2
 * optional, a oneof's others, empty lists) is left out, and so are unknown
 * fields.  It is checked as a whole before the first call of `fn`.
 * Returns 0, or what `fn` returned; ARGUMENT (the bytes are no message of this
 * type, or one nested deeper than 64), MEMORY (it would take more than 64 MiB).
 * Threads any.  Path setup: allocates. */
MSG_API int msg_type_walk(const struct msg_type *type, const void *data,
	size_t bytes, msg_value_fn *fn, void *context);

/* A message as one line of JSON, after protobuf's mapping: bytes are base64,
 * enums their names, NaN and infinities text.  But 64-bit integers are numbers,
 * fields have the names of the schema, and what has no presence is there also
 * when it is 0.  Writes up to `capacity` bytes with the zero that ends them, as
 * snprintf does.
 * Returns the bytes of the whole line without that zero, which may be more;
 * ARGUMENT, MEMORY, as msg_type_walk; TOO_LARGE (above 1 GiB).  Threads any.
 * Path setup: allocates. */
MSG_API MSG_MUST_CHECK int msg_type_json(const struct msg_type *type,
	const void *data, size_t bytes, char *text, size_t capacity);

/* ---- filters ----------------------------------------------------------- */

/* A condition on messages of a type, at most 1024 bytes:
 *
 *     price > 10 and (side == BUY or not venue.open) and name != "ACME"
 *
 * A field is named by its path; a comparison (== != < <= > >=) is true when a
 * value that is there fulfils it: of a list or map any one, of what is absent
 * none.  A path alone is true when a value is there that is neither 0 nor empty.
 * Text stands in quotes ('…' or "…", with \\ \" \'), numbers as in C, also 0x1f
 * and -1e-3; true and false are 1 and 0; enums go by name or number.  Keys of
 * a map are named like fields.  "and" binds more than "or"; && || ! do, too.
 * Returns 0; ARGUMENT (msg_error_text says what, where, and which field may have
 * been meant), MEMORY.  Threads any.  Path setup. */
MSG_API MSG_MUST_CHECK int msg_filter_open(const struct msg_type *type,
	const char *text, struct msg_filter **filter);

/* Whether a message fulfils it.  Returns 1 or 0; ARGUMENT, MEMORY, as
 * msg_type_walk.  Threads any.  Path setup: allocates. */
MSG_API MSG_MUST_CHECK int msg_filter_match(
	const struct msg_filter *filter, const void *data, size_t bytes);

/* Let go of a filter; NULL is allowed.  Threads one.  Path setup. */
MSG_API void msg_filter_close(struct msg_filter *filter);

#ifdef __cplusplus
}
#endif
#endif
