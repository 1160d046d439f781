/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control_pack.c - control messages from our structs to bytes; see control.h.
 *
 * What is written is ours, so what is out of its range is a mistake of ours: it is
 * asserted, where control_unpack.c refuses.
 *
 * Neighbours: socket.c packs what topic/client.c and the broker say, and sends it.
 */
#include "link/shm/control_internal.h"

#include <assert.h>
#include <math.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"

/* The arena holds the largest honest message, so that this cannot fail. */
static void *must_take(struct msg_arena *arena, size_t bytes)
{
	void *block = msg_arena_alloc(arena, bytes);

	assert(block);
	return block;
}

static ProtobufCMessage *build(
	const struct control_shape *shape, const void *ours, struct msg_arena *arena);

static void build_text(const struct control_field *field, const char *from,
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

static void build_part(const struct control_field *field,
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
		(*to)[i] = build(&control_topic_shape, &from->topics[i], arena);
}

static void build_number(const struct control_field *field,
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
	const struct control_shape *shape, const void *ours, struct msg_arena *arena)
{
	const ProtobufCMessageDescriptor *descriptor = shape->descriptor;
	uint8_t *message = must_take(arena, descriptor->sizeof_message);

	assert(descriptor->n_fields == shape->field_count);
	protobuf_c_message_init(descriptor, message);
	for (size_t i = 0; i < shape->field_count; i++) {
		const ProtobufCFieldDescriptor *about = &descriptor->fields[i];
		const struct control_field *field = &shape->fields[i];
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
	alignas(max_align_t) uint8_t room[CONTROL_ARENA_BYTES];
	struct msg_arena arena = {room, sizeof room, 0};
	const struct control_shape *shape = control_shape_of(control->kind);
	ProtobufCMessage *message;

	assert(shape);
	assert(control_check(control) == 0);
	message = build(shape, &control->hello, &arena);
	assert(protobuf_c_message_get_packed_size(message) <=
		MSG_CONTROL_PACKED_BYTES_MAX);
	return protobuf_c_message_pack(message, body);
}
