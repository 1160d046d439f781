/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame.c - the header in front of every datagram; see frame.h for the layout.
 *
 * The reader checks in the order in which a later version could still be told
 * apart from noise: is there a header, is it ours, do we know the type, and
 * only then the fields whose meaning the version fixes.
 */
#include "protocol/frame.h"

#include "protocol/bytes.h"

/* What the length of a frame of which `bytes` arrived means; 0: nothing. */
static uint32_t whole_length(uint32_t said, size_t bytes)
{
	if (said > 0)
		return said <= MSG_FRAME_BYTES_MAX ? said : 0;
	return bytes > MSG_FRAME_BYTES_MAX && bytes <= MSG_FRAME_WHOLE_MAX
		       ? (uint32_t)bytes
		       : 0;
}

enum msg_frame_fault msg_frame_read(
	const uint8_t *data, size_t bytes, struct msg_frame *frame)
{
	uint32_t length;
	uint8_t type;

	if (bytes < MSG_FRAME_HEADER_BYTES)
		return MSG_FRAME_FAULT_SHORT;
	if ((data[0] & 15) != MSG_FRAME_VERSION)
		return MSG_FRAME_FAULT_VERSION;
	type = data[0] >> 4;
	if (!msg_frame_type_known(type))
		return MSG_FRAME_FAULT_TYPE;
	if (!msg_frame_flags_fit(type, data[1]))
		return MSG_FRAME_FAULT_FLAGS;
	length = whole_length(msg_load16(data + 2), bytes);
	if (length < MSG_FRAME_HEADER_BYTES || length > bytes)
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
