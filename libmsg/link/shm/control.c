/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.c - which control messages there are, what each holds and within what
 * range; see control.h.
 *
 * One table says for each field of each kind where it stands in our struct and
 * what its range is; the descriptors that protoc-c generates say the rest.  So
 * there is one piece of code that reads (control_unpack.c) and one that writes
 * (control_pack.c), the same check for every field, and a sentence for every
 * refusal.  The rows of a kind are in the order of its field numbers, which is the
 * descriptors'.
 */
#include "link/shm/control_internal.h"

#include <unistd.h>

#include <msg/msg.h>

#include "base/trail.h"

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

static const struct control_field hello[] = {
	NUMBER(hello, version, 1, UINT32_MAX),
	NUMBER(hello, role, MSG_CONTROL_PUBLISHER, MSG_CONTROL_ONLOOKER),
	LABEL(hello, program),
	FLAG(hello, patient),
};

static const struct control_field subscribe[] = {
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

static const struct control_field publish[] = {
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

static const struct control_field watch[] = {
	TEXT(watch, pattern),
};

static const struct control_field schema[] = {
	ANY(schema, hash),
	NUMBER(schema, bytes, 1, MSG_CONTROL_SCHEMA_BYTES_MAX),
	NUMBER(schema, offset, 0, MSG_CONTROL_SCHEMA_BYTES_MAX),
	PART(schema, part, 1),
};

static const struct control_field describe[] = {
	ANY(describe, publisher),
	ANY(describe, hash),
	NUMBER(describe, offset, 0, MSG_CONTROL_SCHEMA_BYTES_MAX),
};

static const struct control_field bye[] = {
	ANY(bye, next_sequence),
};

static const struct control_field welcome[] = {
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

static const struct control_field refused[] = {
	NUMBER(refused, code, 1, 255),
	LABEL(refused, text),
};

static const struct control_field publishing[] = {
	NUMBER(publishing, slot_count, 2, MSG_CONTROL_SLOTS_MAX),
	NUMBER(publishing, slot_bytes, 1, UINT32_MAX),
	NUMBER(publishing, payload_bytes, 1, UINT32_MAX),
	NUMBER(publishing, entry_count, 2, MSG_CONTROL_ENTRIES_MAX),
	NUMBER(publishing, frame_body_max, 1, FRAME_BYTES_MAX),
	NUMBER(publishing, keep_max, 0, MSG_CONTROL_ENTRIES_MAX),
	NUMBER(publishing, retain, 0, MSG_CONTROL_ENTRIES_MAX / 4),
	NUMBER(publishing, large_bytes, 0, 2 * MSG_CONTROL_POOL_BYTES_MAX),
};

static const struct control_field ring[] = {
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

static const struct control_field ring_gone[] = {
	ANY(ring_gone, number),
	FLAG(ring_gone, left),
};

static const struct control_field reader[] = {
	NUMBER(reader, reader, 0, MSG_CONTROL_READERS_MAX - 1),
	NUMBER(reader, policy, MSG_CONTROL_LAP, MSG_CONTROL_BLOCK),
	NUMBER(reader, hold_max, 1, MSG_CONTROL_HOLD_MAX),
	ANY(reader, pid),
	ANY(reader, uid),
	LABEL(reader, program),
	FLAG(reader, awaited),
};

static const struct control_field reader_gone[] = {
	NUMBER(reader_gone, reader, 0, MSG_CONTROL_READERS_MAX - 1),
};

static const struct control_field topic[] = {
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

static const struct control_field listing[] = {
	{PLACE(listing, topics), 0, MSG_CONTROL_TOPICS_MAX, false, false},
	FLAG(listing, more),
};

static const struct control_field stats_segment[] = {
	NUMBER(stats_segment, bytes, 1, MSG_CONTROL_POOL_BYTES_MAX),
};

static const struct control_field described[] = {
	ANY(described, publisher),
	ANY(described, hash),
	NUMBER(described, offset, 0, MSG_CONTROL_SCHEMA_BYTES_MAX),
	NUMBER(described, state, MSG_CONTROL_HERE, MSG_CONTROL_NEVER),
	NUMBER(described, bytes, 0, MSG_CONTROL_SCHEMA_BYTES_MAX),
	PART(described, part, 0),
};

static const struct control_field typed[] = {
	TEXT(typed, topic),
	ANY(typed, publisher),
	LABEL(typed, type_name),
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

static const struct control_shape shapes[] = {
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
	EMPTY(MSG_CONTROL_UNDER_WAY, under_way, 0),
	SHAPE(MSG_CONTROL_DESCRIBED, described, described, 0, 0),
	SHAPE(MSG_CONTROL_TYPED, typed, typed, 0, 0),
};

const struct control_shape control_topic_shape = SHAPE(0, topic, topic, 0, 0);

const struct control_shape *control_shape_of(unsigned kind)
{
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		if (shapes[i].kind == kind)
			return &shapes[i];
	return NULL;
}

const char *msg_control_kind_name(unsigned kind)
{
	const struct control_shape *shape = control_shape_of(kind);

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

int control_check(const struct msg_control *control)
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
