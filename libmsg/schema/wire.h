/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h - protobuf's tags and values, one after the other, and how they are
 * written.
 *
 * A FileDescriptorSet nests messages in messages, and protobuf-c unpacks by
 * recursion without a limit: so schemas are read by hand, a level at a time,
 * and whoever reads a level counts it.  Reading never leaves the bytes given;
 * `bad` is set by what is no protobuf, groups included.
 * Source: protobuf.dev, "Encoding".
 */
#ifndef MSG_SCHEMA_WIRE_H
#define MSG_SCHEMA_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum msg_wire_type {
	MSG_WIRE_VARINT = 0,
	MSG_WIRE_FIXED64 = 1,
	MSG_WIRE_BYTES = 2,
	MSG_WIRE_FIXED32 = 5,
};

#define MSG_WIRE_NUMBER_MAX ((1u << 29) - 1)

struct msg_wire {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

struct msg_wire_field {
	uint32_t number;
	uint32_t type;       /* enum msg_wire_type */
	uint64_t value;      /* Of VARINT and the fixed ones. */
	const uint8_t *data; /* Of BYTES. */
	size_t bytes;
};

static inline uint64_t msg_wire_varint(struct msg_wire *w)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70 && w->at < w->end; shift += 7) {
		uint8_t byte = *w->at++;

		if (shift < 64)
			value |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			return value;
	}
	w->bad = true;
	return 0;
}

static inline uint64_t msg_wire_fixed(struct msg_wire *w, size_t bytes)
{
	uint64_t value = 0;

	if ((size_t)(w->end - w->at) < bytes) {
		w->bad = true;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)w->at[i] << (8 * i);
	w->at += bytes;
	return value;
}

/* The next field; false at the end, and when what follows is bad. */
static inline bool msg_wire_next(
	struct msg_wire *w, struct msg_wire_field *field)
{
	uint64_t tag;

	if (w->bad || w->at == w->end)
		return false;
	tag = msg_wire_varint(w);
	*field = (struct msg_wire_field){
		.number = (uint32_t)(tag >> 3), .type = (uint32_t)(tag & 7)};
	if (tag >> 3 == 0 || tag >> 3 > MSG_WIRE_NUMBER_MAX)
		w->bad = true;
	switch (field->type) {
	case MSG_WIRE_VARINT:
		field->value = msg_wire_varint(w);
		break;
	case MSG_WIRE_FIXED64:
		field->value = msg_wire_fixed(w, 8);
		break;
	case MSG_WIRE_FIXED32:
		field->value = msg_wire_fixed(w, 4);
		break;
	case MSG_WIRE_BYTES: {
		uint64_t bytes = msg_wire_varint(w);

		if (w->bad || bytes > (uint64_t)(w->end - w->at)) {
			w->bad = true;
			break;
		}
		field->data = w->at;
		field->bytes = (size_t)bytes;
		w->at += bytes;
		break;
	}
	default:
		w->bad = true;
	}
	return !w->bad;
}

static inline struct msg_wire msg_wire_over(const void *data, size_t bytes)
{
	const uint8_t *from = data;

	return (struct msg_wire){from, bytes ? from + bytes : from, false};
}

/* ---- writing ----------------------------------------------------------- */

/* What does not fit the limit, or memory, sets `failed`; the rest is then
 * written nowhere. */
struct msg_wire_out {
	uint8_t *data;
	size_t bytes;
	size_t capacity;
	size_t limit;
	bool failed;
	bool starved; /* Failed for want of memory. */
};

static inline bool msg_wire_grow(struct msg_wire_out *out, size_t more)
{
	size_t need = out->bytes + more;
	size_t room = out->capacity ? out->capacity : 1024;
	uint8_t *data;

	if (out->failed || more > out->limit || need > out->limit) {
		out->failed = true;
		return false;
	}
	if (need <= out->capacity)
		return true;
	while (room < need)
		room *= 2;
	data = realloc(out->data, room);
	if (!data) {
		out->failed = out->starved = true;
		return false;
	}
	out->data = data;
	out->capacity = room;
	return true;
}

static inline void msg_wire_put(
	struct msg_wire_out *out, const void *data, size_t bytes)
{
	if (bytes == 0 || !msg_wire_grow(out, bytes))
		return;
	memcpy(out->data + out->bytes, data, bytes);
	out->bytes += bytes;
}

static inline void msg_wire_put_number(
	struct msg_wire_out *out, uint64_t value, unsigned bytes)
{
	uint8_t little[8];

	for (unsigned i = 0; i < bytes; i++)
		little[i] = (uint8_t)(value >> (8 * i));
	msg_wire_put(out, little, bytes);
}

static inline void msg_wire_put_varint(struct msg_wire_out *out, uint64_t value)
{
	uint8_t bytes[10];
	unsigned count = 0;

	for (; value > 127; value >>= 7)
		bytes[count++] = (uint8_t)(value | 128);
	bytes[count++] = (uint8_t)value;
	msg_wire_put(out, bytes, count);
}

static inline void msg_wire_put_count(
	struct msg_wire_out *out, uint32_t number, uint64_t value)
{
	msg_wire_put_varint(out, (uint64_t)number << 3 | MSG_WIRE_VARINT);
	msg_wire_put_varint(out, value);
}

static inline void msg_wire_put_bytes(struct msg_wire_out *out,
	uint32_t number, const void *data, size_t bytes)
{
	msg_wire_put_varint(out, (uint64_t)number << 3 | MSG_WIRE_BYTES);
	msg_wire_put_varint(out, bytes);
	msg_wire_put(out, data, bytes);
}

static inline void msg_wire_put_text(
	struct msg_wire_out *out, uint32_t number, const char *text)
{
	msg_wire_put_bytes(out, number, text, strlen(text));
}

/* Begin a message in the message; what `begin` returned goes to `end`, which
 * makes room for the length in front. */
static inline size_t msg_wire_begin(struct msg_wire_out *out, uint32_t number)
{
	msg_wire_put_varint(out, (uint64_t)number << 3 | MSG_WIRE_BYTES);
	return out->bytes;
}

static inline void msg_wire_end(struct msg_wire_out *out, size_t begin)
{
	size_t bytes = out->bytes - begin;
	size_t room = 1;
	size_t after;

	for (size_t left = bytes; left > 127; left >>= 7)
		room++;
	if (out->failed || !msg_wire_grow(out, room))
		return;
	memmove(out->data + begin + room, out->data + begin, bytes);
	after = out->bytes + room;
	out->bytes = begin;
	msg_wire_put_varint(out, bytes);
	out->bytes = after;
}

#endif
