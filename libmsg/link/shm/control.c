/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.c - control messages between protobuf and structs; see control.h.
 *
 * One table says for each field of each kind where it stands in our struct and
 * what its range is; the descriptors that protoc-c generates say the rest.  So
 * there is one piece of code that reads and one that writes, the same check for
 * every field, and a sentence for every refusal.  The rows of a kind are in the
 * order of its field numbers, which is the descriptors'.
 */
#include "link/shm/control.h"

#include <assert.h>
#include <math.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/trail.h"

#include "broker.pb-c.h"

/* The largest honest message, a LISTING whose every text is full, takes some
 * 26 KiB (test_control.c); the rest is for fields that later versions add. */
#define ARENA_BYTES (40u << 10)

/* Bodies: the largest honest one of all kinds but LISTING has a part of a
 * schema. */
#define BODY_BYTES_MAX 4096u
#define LISTING_BYTES_MAX (32u << 10)

#define KIND_OF_BROKER 128u

#define FRAME_BYTES_MIN 256u
#define FRAME_BYTES_MAX 65507u
#define FRAME_WHOLE_MAX (1u << 20)
#define LOANS_MAX 65536u
#define PERIOD_MS_MIN 10u
#define PERIOD_MS_MAX 60000u
#define FLOW_COUNT_MAX 1024u
#define HISTORY_BYTES_MAX (4ull << 30)
#define HISTORY_MS_MAX 3600000u

/* ---- the table --------------------------------------------------------- */

struct field {
	const char *name; /* As in broker.proto. */
	size_t offset;    /* In our struct. */
	size_t size;      /* There; of text with its final zero. */
	uint64_t min;     /* Of a number, or of a text's bytes. */
	uint64_t max;
	bool label; /* Text from outside: sent with bad ones replaced. */
	bool part;  /* No text: a struct msg_control_part. */
};

#define PLACE(kind, member)                                                    \
#member, offsetof(struct msg_control_##kind, member),                  \
		sizeof(((struct msg_control_##kind *)0)->member)
#define NUMBER(kind, member, min, max)                                         \
	{                                                                      \
		PLACE(kind, member), min, max, false, false                    \
	}
#define ANY(kind, member) NUMBER(kind, member, 0, UINT64_MAX)
#define FLAG(kind, member) NUMBER(kind, member, 0, 1)
#define TEXT_SIZE(kind, member)                                                \
	(sizeof(((struct msg_control_##kind *)0)->member) - 1)
#define TEXT(kind, member)                                                     \
	{                                                                      \
		PLACE(kind, member), 1, TEXT_SIZE(kind, member), false, false  \
	}
#define LABEL(kind, member)                                                    \
	{                                                                      \
		PLACE(kind, member), 0, TEXT_SIZE(kind, member), true, false   \
	}
#define PART(kind, member, min)                                                \
	{                                                                      \
		PLACE(kind, member), min, MSG_CONTROL_PART_BYTES_MAX, false,   \
			true                                                   \
	}

static const struct field hello[] = {
	NUMBER(hello, version, 1, UINT32_MAX),
	NUMBER(hello, role, MSG_CONTROL_PUBLISHER, MSG_CONTROL_ONLOOKER),
	LABEL(hello, program),
};

static const struct field subscribe[] = {
	TEXT(subscribe, pattern),
	NUMBER(subscribe, policy, MSG_CONTROL_LAP, MSG_CONTROL_BLOCK),
	NUMBER(subscribe, hold_max, 1, MSG_CONTROL_HOLD_MAX),
	NUMBER(subscribe, message_bytes_max, 1, MSG_MESSAGE_BYTES_MAX),
	FLAG(subscribe, events),
	ANY(subscribe, history_count),
	FLAG(subscribe, tagged),
	NUMBER(subscribe, give_up_ms, 0, PERIOD_MS_MAX),
	FLAG(subscribe, resumes),
	FLAG(subscribe, best_effort),
	ANY(subscribe, type_hash),
	NUMBER(subscribe, large_bytes_max, 0, MSG_LARGE_BYTES_MAX),
};

static const struct field publish[] = {
	TEXT(publish, topic),
	ANY(publish, incarnation),
	ANY(publish, next_sequence),
	NUMBER(publish, message_bytes_max, 1, MSG_MESSAGE_BYTES_MAX),
	NUMBER(publish, loan_count_max, 2, LOANS_MAX),
	NUMBER(publish, period_ms, PERIOD_MS_MIN, PERIOD_MS_MAX),
	NUMBER(publish, reliability, 0, MSG_RELIABILITY_RC),
	NUMBER(publish, flow, 0, MSG_FLOW_K_OF_N),
	NUMBER(publish, flow_count, 0, FLOW_COUNT_MAX),
	NUMBER(publish, history_bytes, 0, HISTORY_BYTES_MAX),
	NUMBER(publish, history_ms, 0, HISTORY_MS_MAX),
	NUMBER(publish, give_up_ms, 0, PERIOD_MS_MAX),
	NUMBER(publish, linger_ms, 0, PERIOD_MS_MAX),
	NUMBER(publish, next_frame, 0, MSG_CONTROL_FRAMES_MAX),
	ANY(publish, session),
	LABEL(publish, type_name),
	NUMBER(publish, type_encoding, 0, UINT8_MAX),
	ANY(publish, type_hash),
	NUMBER(publish, large_bytes_max, 0, MSG_LARGE_BYTES_MAX),
	NUMBER(publish, large_memory_bytes, 0, MSG_CONTROL_POOL_BYTES_MAX),
};

static const struct field watch[] = {
	TEXT(watch, pattern),
};

static const struct field schema[] = {
	ANY(schema, hash),
	NUMBER(schema, bytes, 1, MSG_CONTROL_SCHEMA_BYTES_MAX),
	NUMBER(schema, offset, 0, MSG_CONTROL_SCHEMA_BYTES_MAX),
	PART(schema, part, 1),
};

static const struct field describe[] = {
	ANY(describe, publisher),
	ANY(describe, hash),
	NUMBER(describe, offset, 0, MSG_CONTROL_SCHEMA_BYTES_MAX),
};

static const struct field bye[] = {
	ANY(bye, next_sequence),
};

static const struct field welcome[] = {
	NUMBER(welcome, version, 1, UINT32_MAX),
	ANY(welcome, epoch),
	ANY(welcome, pid),
	TEXT(welcome, name),
	NUMBER(welcome, lane, 0, MSG_LANE_UDP),
	LABEL(welcome, device),
	LABEL(welcome, interface),
	LABEL(welcome, address),
	LABEL(welcome, groups),
	LABEL(welcome, reason),
	NUMBER(welcome, port, 0, UINT16_MAX),
	NUMBER(welcome, frame_bytes, FRAME_BYTES_MIN, FRAME_BYTES_MAX),
	NUMBER(welcome, publish_message_bytes_max, 1, MSG_MESSAGE_BYTES_MAX),
	NUMBER(welcome, publish_loan_count_max, 2, LOANS_MAX),
	NUMBER(welcome, publish_period_ms, PERIOD_MS_MIN, PERIOD_MS_MAX),
	FLAG(welcome, reliable),
	FLAG(welcome, wishes),
	FLAG(welcome, connected),
	FLAG(welcome, types),
	FLAG(welcome, large),
};

static const struct field refused[] = {
	NUMBER(refused, code, 1, 255),
	LABEL(refused, text),
};

static const struct field publishing[] = {
	NUMBER(publishing, slot_count, 2, MSG_CONTROL_SLOTS_MAX),
	NUMBER(publishing, slot_bytes, 1, UINT32_MAX),
	NUMBER(publishing, payload_bytes, 1, UINT32_MAX),
	NUMBER(publishing, entry_count, 2, MSG_CONTROL_ENTRIES_MAX),
	NUMBER(publishing, frame_body_max, 1, FRAME_BYTES_MAX),
	NUMBER(publishing, keep_max, 0, MSG_CONTROL_ENTRIES_MAX),
	NUMBER(publishing, retain, 0, MSG_CONTROL_ENTRIES_MAX / 4),
	NUMBER(publishing, large_bytes, 0, 2 * MSG_CONTROL_POOL_BYTES_MAX),
};

static const struct field ring[] = {
	ANY(ring, number),
	TEXT(ring, topic),
	NUMBER(ring, origin, MSG_CONTROL_NETWORK, MSG_CONTROL_LOCAL),
	ANY(ring, publisher),
	NUMBER(ring, reader, 0, MSG_CONTROL_READERS_MAX - 1),
	NUMBER(ring, entry_count, 2, MSG_CONTROL_ENTRIES_MAX),
	NUMBER(ring, pool_bytes, 1, MSG_CONTROL_POOL_BYTES_MAX),
	NUMBER(ring, hold_max, 1, MSG_CONTROL_HOLD_MAX),
	ANY(ring, start),
	NUMBER(ring, history, 0, MSG_CONTROL_ENTRIES_MAX),
	LABEL(ring, program),
	NUMBER(ring, large_bytes, 0, 2 * MSG_CONTROL_POOL_BYTES_MAX),
};

static const struct field ring_gone[] = {
	ANY(ring_gone, number),
	FLAG(ring_gone, left),
};

static const struct field reader[] = {
	NUMBER(reader, reader, 0, MSG_CONTROL_READERS_MAX - 1),
	NUMBER(reader, policy, MSG_CONTROL_LAP, MSG_CONTROL_BLOCK),
	NUMBER(reader, hold_max, 1, MSG_CONTROL_HOLD_MAX),
	ANY(reader, pid),
	ANY(reader, uid),
	LABEL(reader, program),
	FLAG(reader, awaited),
};

static const struct field reader_gone[] = {
	NUMBER(reader_gone, reader, 0, MSG_CONTROL_READERS_MAX - 1),
};

static const struct field topic[] = {
	TEXT(topic, topic),
	LABEL(topic, host),
	LABEL(topic, program),
	ANY(topic, publisher),
	ANY(topic, message_count),
	ANY(topic, age_ns),
	ANY(topic, rate),
	ANY(topic, pid),
	ANY(topic, uid),
	NUMBER(topic, message_bytes_max, 1, MSG_MESSAGE_BYTES_MAX),
	NUMBER(topic, frame_bytes, FRAME_BYTES_MIN, FRAME_WHOLE_MAX),
	FLAG(topic, local),
	NUMBER(topic, reliability, 0, MSG_RELIABILITY_RC),
	LABEL(topic, type_name),
	NUMBER(topic, type_encoding, 0, UINT8_MAX),
	ANY(topic, type_hash),
};

static const struct field listing[] = {
	{PLACE(listing, topics), 0, MSG_CONTROL_TOPICS_MAX, false, false},
	FLAG(listing, more),
};

static const struct field stats_segment[] = {
	NUMBER(stats_segment, bytes, 1, MSG_CONTROL_POOL_BYTES_MAX),
};

static const struct field described[] = {
	ANY(described, publisher),
	ANY(described, hash),
	NUMBER(described, offset, 0, MSG_CONTROL_SCHEMA_BYTES_MAX),
	NUMBER(described, state, MSG_CONTROL_HERE, MSG_CONTROL_NEVER),
	NUMBER(described, bytes, 0, MSG_CONTROL_SCHEMA_BYTES_MAX),
	PART(described, part, 0),
};

static const struct field typed[] = {
	TEXT(typed, topic),
	ANY(typed, publisher),
	LABEL(typed, type_name),
};

struct shape {
	unsigned kind;
	const ProtobufCMessageDescriptor *descriptor;
	const struct field *fields; /* As many as the descriptor has. */
	size_t field_count;
	size_t size; /* Of our struct. */
	unsigned fds_min;
	unsigned fds_max;
};

#define SHAPE(number, message, fields, fds_min, fds_max)                       \
	{                                                                      \
		number, &msg__broker__##message##__descriptor, fields,         \
			sizeof fields / sizeof *fields,                        \
			sizeof(struct msg_control_##message), fds_min, fds_max \
	}
#define EMPTY(number, message, fds)                                            \
	{                                                                      \
		number, &msg__broker__##message##__descriptor, NULL, 0, 0,     \
			fds, fds                                               \
	}

static const struct shape shapes[] = {
	SHAPE(MSG_CONTROL_HELLO, hello, hello, 0, 0),
	SHAPE(MSG_CONTROL_SUBSCRIBE, subscribe, subscribe, 0, 0),
	SHAPE(MSG_CONTROL_PUBLISH, publish, publish, 0, 0),
	EMPTY(MSG_CONTROL_MAPPED, mapped, 0),
	SHAPE(MSG_CONTROL_WATCH, watch, watch, 0, 0),
	EMPTY(MSG_CONTROL_STATS, stats, 0),
	SHAPE(MSG_CONTROL_BYE, bye, bye, 0, 0),
	SHAPE(MSG_CONTROL_SCHEMA, schema, schema, 0, 0),
	SHAPE(MSG_CONTROL_DESCRIBE, describe, describe, 0, 0),
	SHAPE(MSG_CONTROL_WELCOME, welcome, welcome, 1, 1),
	SHAPE(MSG_CONTROL_REFUSED, refused, refused, 0, 0),
	EMPTY(MSG_CONTROL_SUBSCRIBED, subscribed, 1),
	SHAPE(MSG_CONTROL_PUBLISHING, publishing, publishing, 2, 3),
	SHAPE(MSG_CONTROL_RING, ring, ring, 3, 4),
	SHAPE(MSG_CONTROL_RING_GONE, ring_gone, ring_gone, 0, 0),
	SHAPE(MSG_CONTROL_READER, reader, reader, 1, 2),
	SHAPE(MSG_CONTROL_READER_GONE, reader_gone, reader_gone, 0, 0),
	SHAPE(MSG_CONTROL_LISTING, listing, listing, 0, 0),
	SHAPE(MSG_CONTROL_STATS_SEGMENT, stats_segment, stats_segment, 1, 1),
	EMPTY(MSG_CONTROL_STARTED, started, 0),
	SHAPE(MSG_CONTROL_DESCRIBED, described, described, 0, 0),
	SHAPE(MSG_CONTROL_TYPED, typed, typed, 0, 0),
};

static const struct shape topic_shape = SHAPE(0, topic, topic, 0, 0);

static const struct shape *find(unsigned kind)
{
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		if (shapes[i].kind == kind)
			return &shapes[i];
	return NULL;
}

const char *msg_control_kind_name(unsigned kind)
{
	const struct shape *shape = find(kind);

	return shape ? shape->descriptor->short_name : NULL;
}

void msg_control_frame_close(struct msg_control_frame *frame)
{
	for (unsigned i = 0; i < frame->fd_count; i++) {
		if (frame->fds[i] >= 0)
			close(frame->fds[i]);
		frame->fds[i] = -1;
	}
}

/* ---- what holds between fields ----------------------------------------- */

static int check_publishing(const struct msg_control_publishing *p)
{
	if (p->payload_bytes > p->slot_bytes)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"Publishing: payload_bytes is %u, more than "
			"slot_bytes %u",
			p->payload_bytes, p->slot_bytes);
	if ((uint64_t)p->slot_count * p->slot_bytes >
		MSG_CONTROL_POOL_BYTES_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"Publishing: %u slots of %u bytes are too much",
			p->slot_count, p->slot_bytes);
	if (p->keep_max >= p->entry_count)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"Publishing: keep_max is %u, no less than entry_count "
			"%u",
			p->keep_max, p->entry_count);
	if (p->retain > p->entry_count / 4)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"Publishing: retain is %u, more than a quarter of "
			"entry_count %u",
			p->retain, p->entry_count);
	return 0;
}

static int check_part(const char *kind, uint32_t bytes, uint32_t offset,
	const struct msg_control_part *part)
{
	if (offset <= bytes && part->bytes <= bytes - offset)
		return 0;
	return msg_fail(MSG_ERROR_ARGUMENT,
		"%s: %u bytes from %u on are not in a schema of %u", kind,
		part->bytes, offset, bytes);
}

static int check_whole(const struct msg_control *control)
{
	if (control->kind == MSG_CONTROL_SCHEMA)
		return check_part("Schema", control->schema.bytes,
			control->schema.offset, &control->schema.part);
	if (control->kind == MSG_CONTROL_DESCRIBED &&
		control->described.state == MSG_CONTROL_HERE)
		return check_part("Described", control->described.bytes,
			control->described.offset, &control->described.part);
	if (control->kind == MSG_CONTROL_PUBLISHING)
		return check_publishing(&control->publishing);
	return 0;
}

/* ---- packing ----------------------------------------------------------- */

/* The arena holds the largest honest message, so that this cannot fail. */
static void *must_take(struct msg_arena *arena, size_t bytes)
{
	void *block = msg_arena_alloc(arena, bytes);

	assert(block);
	return block;
}

static ProtobufCMessage *build(
	const struct shape *shape, const void *ours, struct msg_arena *arena);

static void build_text(const struct field *field, const char *from,
	ProtobufCBinaryData *to, struct msg_arena *arena)
{
	size_t bytes = strnlen(from, field->size);

	assert(bytes < field->size && bytes >= field->min);
	to->data = must_take(arena, field->size);
	if (field->label) {
		to->len = msg_text_clean((char *)to->data, from, field->max);
	} else {
		bool taken = msg_text_take(
			(char *)to->data, field->max, from, bytes);

		assert(taken);
		to->len = bytes;
	}
	assert(to->len == bytes);
}

static void build_part(const struct field *field,
	const struct msg_control_part *from, ProtobufCBinaryData *to,
	struct msg_arena *arena)
{
	assert(from->bytes >= field->min && from->bytes <= field->max);
	to->len = from->bytes;
	to->data = must_take(arena, from->bytes ? from->bytes : 1);
	memcpy(to->data, from->data, from->bytes);
}

static void build_topics(const struct msg_control_listing *from,
	ProtobufCMessage ***to, size_t *count, struct msg_arena *arena)
{
	assert(from->topic_count <= MSG_CONTROL_TOPICS_MAX);
	*count = from->topic_count;
	*to = must_take(arena, (*count + 1) * sizeof **to);
	for (size_t i = 0; i < *count; i++)
		(*to)[i] = build(&topic_shape, &from->topics[i], arena);
}

static void build_number(const struct field *field,
	const ProtobufCFieldDescriptor *about, const void *from, void *to)
{
	uint64_t value = 0;

	switch (about->type) {
	case PROTOBUF_C_TYPE_UINT32:
		assert(field->size == sizeof(uint32_t));
		value = *(uint32_t *)to = *(const uint32_t *)from;
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		assert(field->size == sizeof(uint64_t));
		value = *(uint64_t *)to = *(const uint64_t *)from;
		break;
	case PROTOBUF_C_TYPE_BOOL:
		assert(field->size == sizeof(bool));
		*(protobuf_c_boolean *)to = *(const bool *)from;
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		assert(field->size == sizeof(double));
		*(double *)to = *(const double *)from;
		assert(isfinite(*(double *)to));
		return;
	default:
		abort(); /* No such type in broker.proto. */
	}
	assert(value <= field->max);
	assert(about->type == PROTOBUF_C_TYPE_BOOL || value >= field->min);
}

/* What is optional is always there: one spelling for each message. */
static ProtobufCMessage *build(
	const struct shape *shape, const void *ours, struct msg_arena *arena)
{
	const ProtobufCMessageDescriptor *descriptor = shape->descriptor;
	uint8_t *message = must_take(arena, descriptor->sizeof_message);

	assert(descriptor->n_fields == shape->field_count);
	protobuf_c_message_init(descriptor, message);
	for (size_t i = 0; i < shape->field_count; i++) {
		const ProtobufCFieldDescriptor *about = &descriptor->fields[i];
		const struct field *field = &shape->fields[i];
		const uint8_t *from = (const uint8_t *)ours + field->offset;
		void *to = message + about->offset;
		void *quantity = message + about->quantifier_offset;

		assert(strcmp(about->name, field->name) == 0);
		if (about->type == PROTOBUF_C_TYPE_MESSAGE)
			build_topics(ours, to, quantity, arena);
		else if (field->part)
			build_part(field, (const void *)from, to, arena);
		else if (about->type == PROTOBUF_C_TYPE_BYTES)
			build_text(field, (const char *)from, to, arena);
		else
			build_number(field, about, from, to);
		if (about->label == PROTOBUF_C_LABEL_OPTIONAL)
			*(protobuf_c_boolean *)quantity = 1;
	}
	return (ProtobufCMessage *)message;
}

size_t msg_control_pack(const struct msg_control *control, uint8_t *body)
{
	alignas(max_align_t) uint8_t room[ARENA_BYTES];
	struct msg_arena arena = {room, sizeof room, 0};
	const struct shape *shape = find(control->kind);
	ProtobufCMessage *message;

	assert(shape);
	assert(check_whole(control) == 0);
	message = build(shape, &control->hello, &arena);
	assert(protobuf_c_message_get_packed_size(message) <=
		MSG_CONTROL_PACKED_BYTES_MAX);
	return protobuf_c_message_pack(message, body);
}

/* ---- unpacking --------------------------------------------------------- */

static int refuse_number(
	const struct shape *shape, const struct field *field, uint64_t value)
{
	return msg_fail(MSG_ERROR_ARGUMENT, "%s: %s is %llu, not %llu to %llu",
		shape->descriptor->short_name, field->name,
		(unsigned long long)value, (unsigned long long)field->min,
		(unsigned long long)field->max);
}

static int take_text(const struct shape *shape, const struct field *field,
	const ProtobufCBinaryData *from, char *to)
{
	if (from->len < field->min || from->len > field->max)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s: %s has %zu bytes, not %llu to %llu",
			shape->descriptor->short_name, field->name, from->len,
			(unsigned long long)field->min,
			(unsigned long long)field->max);
	if (!msg_text_take(to, field->max, from->data, from->len))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s: %s is not UTF-8 without control characters",
			shape->descriptor->short_name, field->name);
	return 0;
}

static int take_part(const struct shape *shape, const struct field *field,
	const ProtobufCBinaryData *from, struct msg_control_part *to)
{
	if (from->len < field->min || from->len > field->max)
		return refuse_number(shape, field, from->len);
	to->bytes = (uint32_t)from->len;
	if (from->len > 0)
		memcpy(to->data, from->data, from->len);
	return 0;
}

static int take_number(const struct shape *shape, const struct field *field,
	const ProtobufCFieldDescriptor *about, const void *from, void *to)
{
	uint64_t value;

	switch (about->type) {
	case PROTOBUF_C_TYPE_BOOL:
		*(bool *)to = *(const protobuf_c_boolean *)from != 0;
		return 0;
	case PROTOBUF_C_TYPE_DOUBLE:
		*(double *)to = *(const double *)from;
		if (!isfinite(*(double *)to))
			return msg_fail(MSG_ERROR_ARGUMENT,
				"%s: %s is not finite",
				shape->descriptor->short_name, field->name);
		return 0;
	case PROTOBUF_C_TYPE_UINT32:
		value = *(uint32_t *)to = *(const uint32_t *)from;
		break;
	default:
		value = *(uint64_t *)to = *(const uint64_t *)from;
		break;
	}
	if (value < field->min || value > field->max)
		return refuse_number(shape, field, value);
	return 0;
}

static int take_fields(
	const struct shape *shape, const ProtobufCMessage *message, void *ours);

static int take_topics(const struct shape *shape, const struct field *field,
	ProtobufCMessage *const *from, size_t count,
	struct msg_control_listing *to)
{
	int result = 0;

	if (count > field->max)
		return refuse_number(shape, field, count);
	to->topic_count = (uint32_t)count;
	for (size_t i = 0; i < count && result == 0; i++)
		result = take_fields(&topic_shape, from[i], &to->topics[i]);
	return result;
}

/* What is absent and may be is zero in `message`: protobuf-c's defaults. */
static int take_fields(
	const struct shape *shape, const ProtobufCMessage *message, void *ours)
{
	const uint8_t *base = (const uint8_t *)message;
	int result = 0;

	for (size_t i = 0; i < shape->field_count && result == 0; i++) {
		const ProtobufCFieldDescriptor *about =
			&shape->descriptor->fields[i];
		const struct field *field = &shape->fields[i];
		const void *from = base + about->offset;
		uint8_t *to = (uint8_t *)ours + field->offset;

		if (about->type == PROTOBUF_C_TYPE_MESSAGE)
			result = take_topics(shape, field,
				*(ProtobufCMessage *const *const *)from,
				*(const size_t *)(base +
						  about->quantifier_offset),
				ours);
		else if (field->part)
			result = take_part(shape, field, from, (void *)to);
		else if (about->type == PROTOBUF_C_TYPE_BYTES)
			result = take_text(shape, field, from, (char *)to);
		else
			result = take_number(shape, field, about, from, to);
	}
	return result;
}

static int unpack_body(struct msg_control *control, const struct shape *shape,
	const struct msg_control_frame *frame)
{
	alignas(max_align_t) uint8_t room[ARENA_BYTES];
	struct msg_arena arena = {room, sizeof room, 0};
	ProtobufCAllocator allocator = {
		msg_arena_alloc, msg_arena_free, &arena};
	ProtobufCMessage *message = protobuf_c_message_unpack(
		shape->descriptor, &allocator, frame->bytes, frame->body);

	if (!message)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s: its %u bytes cannot be parsed, or a required "
			"field is missing",
			shape->descriptor->short_name, frame->bytes);
	return take_fields(shape, message, &control->hello);
}

/* Whether a frame may be looked into at all. */
static int check_frame(const struct shape *shape, enum msg_control_side from,
	const struct msg_control_frame *frame)
{
	const char *name = shape ? shape->descriptor->short_name : NULL;
	bool of_broker = frame->kind >= KIND_OF_BROKER;
	uint32_t limit = frame->kind == MSG_CONTROL_LISTING ? LISTING_BYTES_MAX
							    : BODY_BYTES_MAX;

	if (!shape)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"messages of kind %u are not known here", frame->kind);
	if (of_broker != (from == MSG_CONTROL_BROKER))
		return msg_fail(MSG_ERROR_ARGUMENT, "%s is for the %s to say",
			name, of_broker ? "broker" : "client");
	if (frame->fd_count < shape->fds_min ||
		frame->fd_count > shape->fds_max)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s: %u descriptors came with it, not %u to %u", name,
			frame->fd_count, shape->fds_min, shape->fds_max);
	if (frame->bytes > limit)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s: %u bytes, more than %u", name, frame->bytes,
			limit);
	return 0;
}

int msg_control_unpack(struct msg_control *control, enum msg_control_side from,
	const struct msg_control_frame *frame)
{
	const struct shape *shape = find(frame->kind);
	struct msg_control found;
	int result = check_frame(shape, from, frame);

	if (result < 0)
		return result;
	found.kind = (enum msg_control_kind)frame->kind;
	memset(&found.hello, 0, shape->size);
	result = unpack_body(&found, shape, frame);
	if (result == 0)
		result = check_whole(&found);
	if (result < 0)
		return result;
	control->kind = found.kind;
	memcpy(&control->hello, &found.hello, shape->size);
	return 0;
}
