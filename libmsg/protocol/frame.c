/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame.c - the header in front of every datagram; see frame.h for the layout.
 */
#include "protocol/frame.h"

enum msg_frame_fault msg_frame_read(
	const uint8_t *data, size_t bytes, struct msg_frame *frame)
{
	return msg_frame_read_inline(data, bytes, frame);
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
