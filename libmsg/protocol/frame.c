/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame.c - the header in front of every datagram; see frame.h for the layout.
 *
 * The reader checks in the order in which a later version could still be told
 * apart from noise: is there a header, is it ours, do we know the type, and
 * only then the fields whose meaning the version fixes.
 */
#include "protocol/frame.h"

#include <assert.h>
#include <stdbool.h>

#include "protocol/bytes.h"

static bool type_known(uint8_t type)
{
	return (type >= MSG_FRAME_SINGLE && type <= MSG_FRAME_ANNOUNCE) ||
	       type == MSG_FRAME_PROBE || type == MSG_FRAME_REPORT;
}

/* Flags that a frame of this type may have. */
static bool flags_fit(uint8_t type, uint8_t flags)
{
	if (flags == 0)
		return true;
	return type <= MSG_FRAME_FRAGMENT &&
	       (flags == MSG_FRAME_RELIABLE ||
		       flags == (MSG_FRAME_RELIABLE | MSG_FRAME_REPAIR));
}

void msg_frame_write(uint8_t *header, const struct msg_frame *frame)
{
	assert(type_known(frame->type));
	assert(flags_fit(frame->type, frame->flags));
	assert(frame->bytes >= MSG_FRAME_HEADER_BYTES);

	header[0] = (uint8_t)(MSG_FRAME_VERSION | frame->type << 4);
	header[1] = frame->flags;
	msg_store16(header + 2, frame->bytes);
	msg_store32(header + 4, frame->tag);
	msg_store32(header + 8, frame->publisher);
	msg_store32(header + 12, frame->transmission);
	msg_store64(header + 16, frame->sequence);
}

void msg_frame_number(uint8_t *header, uint32_t number)
{
	header[1] = MSG_FRAME_RELIABLE;
	msg_store32(header + 12, number);
}

enum msg_frame_fault msg_frame_read(
	const uint8_t *data, size_t bytes, struct msg_frame *frame)
{
	uint8_t type;
	uint16_t length;

	if (bytes < MSG_FRAME_HEADER_BYTES)
		return MSG_FRAME_FAULT_SHORT;
	if ((data[0] & 15) != MSG_FRAME_VERSION)
		return MSG_FRAME_FAULT_VERSION;
	type = data[0] >> 4;
	if (!type_known(type))
		return MSG_FRAME_FAULT_TYPE;
	if (!flags_fit(type, data[1]))
		return MSG_FRAME_FAULT_FLAGS;
	length = msg_load16(data + 2);
	if (length < MSG_FRAME_HEADER_BYTES || length > MSG_FRAME_BYTES_MAX ||
		length > bytes)
		return MSG_FRAME_FAULT_LENGTH;

	frame->type = type;
	frame->flags = data[1];
	frame->bytes = length;
	frame->tag = msg_load32(data + 4);
	frame->publisher = msg_load32(data + 8);
	frame->transmission = msg_load32(data + 12);
	frame->sequence = msg_load64(data + 16);
	return MSG_FRAME_OK;
}

const char *msg_frame_fault_name(enum msg_frame_fault fault)
{
	switch (fault) {
	case MSG_FRAME_OK:
		return "ok";
	case MSG_FRAME_FAULT_SHORT:
		return "short";
	case MSG_FRAME_FAULT_VERSION:
		return "version";
	case MSG_FRAME_FAULT_TYPE:
		return "type";
	case MSG_FRAME_FAULT_FLAGS:
		return "flags";
	case MSG_FRAME_FAULT_LENGTH:
		return "length";
	}
	return "unknown";
}
