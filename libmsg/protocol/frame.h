/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame.h - the 24 bytes in front of every datagram.
 *
 * Exactly 24, so that a verbs receive (GRH 40 + 24) puts the payload on a
 * cache line.  Little-endian.  proto/README.md draws it bit by bit and the
 * golden files in proto/golden pin it.
 *
 *     0  version:4 | type:4 << 4     version in the low nibble
 *     1  flags, enum msg_frame_flag
 *     2  length, the whole frame, header included (RoCE pads, so it is here); 0:
 *        more than that can say, and then all that arrived is the frame
 *     4  tag: which topic, hashed     8  publisher: which incarnation
 *    12  transmission: the frame's number, modulo 2^32: frames sent before it
 *    16  sequence of the frame's (first) message, 64 bits; of a REPAIR its low
 *        half, and then the repair's serial (see report.h)
 *
 * Pure: bytes in, fields or a named fault out.  Whatever comes from the wire
 * is hostile: length is checked against what arrived before anything is used.
 * Test: tests/unit/protocol/test_frame.c, fuzz: tests/fuzz/fuzz_frame.c.
 */
#ifndef MSG_PROTOCOL_FRAME_H
#define MSG_PROTOCOL_FRAME_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/bytes.h"

#define MSG_FRAME_VERSION 1
#define MSG_FRAME_HEADER_BYTES 24u
#define MSG_FRAME_BYTES_MAX 65507u /* UDP over IPv4: 65535 - 20 - 8. */
/* Larger ones come by connections, which add nothing to what was sent. */
#define MSG_FRAME_WHOLE_MAX (1u << 20)

enum msg_frame_type {
	MSG_FRAME_SINGLE = 1,   /* One message: the body. */
	MSG_FRAME_PACKED = 2,   /* Several messages, see pack.h. */
	MSG_FRAME_FRAGMENT = 3, /* Part of one message, see fragment.h. */
	MSG_FRAME_ANNOUNCE = 4, /* A protobuf Announcement, see topic/announce.h. */
	/* 5 stays unknown: a golden file has it for that. */
	MSG_FRAME_PROBE = 6,  /* How far a reliable stream is, see report.h. */
	MSG_FRAME_REPORT = 7, /* What a receiver of it has and misses. */
	MSG_FRAME_LARGE = 8,  /* One message, to be read from where it stands,
	                         see large.h.  RELIABLE always. */
	MSG_FRAME_SHELF = 9,  /* Where a history is read from, see shelf.h. */
	MSG_FRAME_QUESTION = 12, /* A publisher is asked for its schema, */
	MSG_FRAME_ANSWER = 13,   /* and tells a part of it; see question.h. */
};

/* Of SINGLE, PACKED, FRAGMENT and LARGE only. */
enum msg_frame_flag {
	MSG_FRAME_RELIABLE = 1 << 0, /* `transmission` is the frame's number, and
	                                it can be asked for again. */
	MSG_FRAME_REPAIR = 1 << 1,   /* Sent again; RELIABLE, too. */
};

enum msg_frame_fault {
	MSG_FRAME_OK = 0,
	MSG_FRAME_FAULT_SHORT,   /* Fewer bytes than a header. */
	MSG_FRAME_FAULT_VERSION, /* Not version 1. */
	MSG_FRAME_FAULT_TYPE,    /* No such type. */
	MSG_FRAME_FAULT_FLAGS,   /* Flags that version 1 does not know, or
	                            not with this type. */
	MSG_FRAME_FAULT_LENGTH,  /* Longer than what arrived, or than itself. */
};

struct msg_frame {
	uint8_t type;   /* enum msg_frame_type */
	uint8_t flags;  /* enum msg_frame_flag */
	uint32_t bytes; /* Whole frame, header included. */
	uint32_t tag;
	uint32_t publisher;
	uint32_t transmission;
	uint64_t sequence; /* Of a REPAIR: serial << 32 | low half. */
};

static inline bool msg_frame_type_known(uint8_t type)
{
	const uint32_t known = 1 << MSG_FRAME_SINGLE | 1 << MSG_FRAME_PACKED |
			       1 << MSG_FRAME_FRAGMENT |
			       1 << MSG_FRAME_ANNOUNCE | 1 << MSG_FRAME_PROBE |
			       1 << MSG_FRAME_REPORT | 1 << MSG_FRAME_LARGE |
			       1 << MSG_FRAME_SHELF | 1 << MSG_FRAME_QUESTION |
			       1 << MSG_FRAME_ANSWER;

	return type < 16 && (known >> type & 1) != 0;
}

/* Whether such a frame carries messages, and has its turn. */
static inline bool msg_frame_is_data(uint8_t type)
{
	return type <= MSG_FRAME_FRAGMENT || type == MSG_FRAME_LARGE;
}

/* Whether a frame of this type may have these flags. */
static inline bool msg_frame_flags_fit(uint8_t type, uint8_t flags)
{
	if (flags == 0)
		return type != MSG_FRAME_LARGE;
	return msg_frame_is_data(type) &&
	       (flags == MSG_FRAME_RELIABLE ||
		       flags == (MSG_FRAME_RELIABLE | MSG_FRAME_REPAIR));
}

/* Write the header into `header`, MSG_FRAME_HEADER_BYTES of it.  Inline: most
 * callers know type and flags, and then it is six stores. */
static inline __attribute__((always_inline)) void msg_frame_write(
	uint8_t *header, const struct msg_frame *frame)
{
	assert(msg_frame_type_known(frame->type));
	assert(msg_frame_flags_fit(frame->type, frame->flags));
	assert(frame->bytes >= MSG_FRAME_HEADER_BYTES);
	assert(frame->bytes <= MSG_FRAME_WHOLE_MAX);

	header[0] = (uint8_t)(MSG_FRAME_VERSION | frame->type << 4);
	header[1] = frame->flags;
	msg_store16(header + 2, frame->bytes <= MSG_FRAME_BYTES_MAX
					? (uint16_t)frame->bytes
					: 0);
	msg_store32(header + 4, frame->tag);
	msg_store32(header + 8, frame->publisher);
	msg_store32(header + 12, frame->transmission);
	msg_store64(header + 16, frame->sequence);
}

/* Make the header of a data frame one of a reliable stream's frame `number`. */
static inline void msg_frame_number(uint8_t *header, uint32_t number)
{
	header[1] = MSG_FRAME_RELIABLE;
	msg_store32(header + 12, number);
}

/* What the length of a frame of which `bytes` arrived means; 0: nothing. */
static inline uint32_t msg_frame_length(uint32_t said, size_t bytes)
{
	if (said > 0)
		return said <= MSG_FRAME_BYTES_MAX ? said : 0;
	return bytes > MSG_FRAME_BYTES_MAX && bytes <= MSG_FRAME_WHOLE_MAX
		       ? (uint32_t)bytes
		       : 0;
}

/* Read and check the header of `bytes` that arrived; *frame only on OK.  In the order
 * in which a later version could still be told apart from noise: is there a header, is
 * it ours, do we know the type, and only then the fields whose meaning the version
 * fixes. */
static inline __attribute__((always_inline)) enum msg_frame_fault
msg_frame_read_inline(
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
	length = msg_frame_length(msg_load16(data + 2), bytes);
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

/* The same by a call. */
enum msg_frame_fault msg_frame_read(
	const uint8_t *data, size_t bytes, struct msg_frame *frame);

/* "length", "version", … for logs. */
const char *msg_frame_fault_name(enum msg_frame_fault fault);

#endif
