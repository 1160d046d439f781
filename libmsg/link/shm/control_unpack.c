/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control_unpack.c - control messages from a stranger's bytes to our structs; see
 * control.h.
 *
 *     frame: kind, side, descriptors, size ─> protobuf in an arena ─> each field ─>
 *     what holds between fields ─> the caller's struct, or nothing of it
 *
 * Neighbours: socket.c makes the frame; topic/client.c and api/look_find.c unpack what
 * a broker says, the broker what its clients say.  Fuzz: tests/fuzz/fuzz_control.c.
 */
#include "link/shm/control_internal.h"

#include <math.h>
#include <stdalign.h>
#include <string.h>

#include <msg/msg.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/trail.h"

/* Bodies: the largest honest one of all kinds but LISTING has a part of a
 * schema. */
#define BODY_BYTES_MAX 4096u
#define LISTING_BYTES_MAX (32u << 10)

#define KIND_OF_BROKER 128u

static int refuse_number(
	const struct control_shape *shape, const struct control_field *field, uint64_t value)
{
	return msg_fail(MSG_ERROR_ARGUMENT, "%s: %s is %llu, not %llu to %llu",
		shape->descriptor->short_name, field->name,
		(unsigned long long)value, (unsigned long long)field->min,
		(unsigned long long)field->max);
}

static int take_text(const struct control_shape *shape, const struct control_field *field,
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

static int take_part(const struct control_shape *shape, const struct control_field *field,
	const ProtobufCBinaryData *from, struct msg_control_part *to)
{
	if (from->len < field->min || from->len > field->max)
		return refuse_number(shape, field, from->len);
	to->bytes = (uint32_t)from->len;
	if (from->len > 0)
		memcpy(to->data, from->data, from->len);
	return 0;
}

static int take_number(const struct control_shape *shape, const struct control_field *field,
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
	const struct control_shape *shape, const ProtobufCMessage *message, void *ours);

static int take_topics(const struct control_shape *shape, const struct control_field *field,
	ProtobufCMessage *const *from, size_t count,
	struct msg_control_listing *to)
{
	int result = 0;

	if (count > field->max)
		return refuse_number(shape, field, count);
	to->topic_count = (uint32_t)count;
	for (size_t i = 0; i < count && result == 0; i++)
		result = take_fields(&control_topic_shape, from[i], &to->topics[i]);
	return result;
}

/* What is absent and may be is zero in `message`: protobuf-c's defaults. */
static int take_fields(
	const struct control_shape *shape, const ProtobufCMessage *message, void *ours)
{
	const uint8_t *base = (const uint8_t *)message;
	int result = 0;

	for (size_t i = 0; i < shape->field_count && result == 0; i++) {
		const ProtobufCFieldDescriptor *about =
			&shape->descriptor->fields[i];
		const struct control_field *field = &shape->fields[i];
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

static int unpack_body(struct msg_control *control, const struct control_shape *shape,
	const struct msg_control_frame *frame)
{
	alignas(max_align_t) uint8_t room[CONTROL_ARENA_BYTES];
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
static int check_frame(const struct control_shape *shape, enum msg_control_side from,
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
	const struct control_shape *shape = control_shape_of(frame->kind);
	struct msg_control found;
	int result = check_frame(shape, from, frame);

	if (result < 0)
		return result;
	found.kind = (enum msg_control_kind)frame->kind;
	memset(&found.hello, 0, shape->size);
	result = unpack_body(&found, shape, frame);
	if (result == 0)
		result = control_check(&found);
	if (result < 0)
		return result;
	control->kind = found.kind;
	memcpy(&control->hello, &found.hello, shape->size);
	return 0;
}
