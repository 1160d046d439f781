/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * greeting.h - what receiver and publisher of a connected topic say when they
 * connect: who they are, and where the receiver wants to begin.
 *
 * GREETING, from the receiver, 40 bytes, little-endian:
 *
 *      0 version, 1   1 flags   2 zero, 16 bits   4 tag
 *      8 incarnation of the publisher that is meant
 *     16 receiver, 64 random bits, not 0
 *     24 sequence of the first message wanted
 *     32 window: frames it has buffers for, not 0
 *     36 bytes of each of these buffers
 *
 * WELCOME, from the publisher, 16 bytes: version, three bytes zero, its tag and
 * incarnation.
 *
 * Behind a WELCOME the publisher sends a PROBE first: of who RESUMES, like any;
 * else an answer to JOIN (report.h), as if the last messages from `sequence` on
 * had been asked for.  Then a SHELF (shelf.h), if its history can be read.
 *
 * Pure: bytes in, fields or "malformed" out.  What is not used is zero, and the
 * reader holds writers to it.
 * Test: tests/unit/protocol/test_greeting.c.
 */
#ifndef MSG_PROTOCOL_GREETING_H
#define MSG_PROTOCOL_GREETING_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/frame.h"

/* Of the frames of connected topics: no path bounds them, but buffers do.  One of
 * several messages has FRAME_BYTES at most; one message, or a part of one, may take
 * all of a buffer.  By TCP that is two segments of loopback, with what libfabric
 * puts in front of the frame: one byte more would be a segment more, which costs as
 * much as a full one.  By queue pairs buffers are pinned, and 64 KiB are enough. */
#define MSG_CONNECTED_FRAME_BYTES 16384u
#define MSG_CONNECTED_TCP_BYTES (2u * 65483u - 24u)
#define MSG_CONNECTED_RC_BYTES (65536u + 64u)

static inline uint32_t msg_connected_buffer_bytes(bool device)
{
	return device ? MSG_CONNECTED_RC_BYTES : MSG_CONNECTED_TCP_BYTES;
}

/* The largest frame of a publisher of such messages. */
static inline uint32_t msg_connected_frame_most(
	bool device, uint32_t message_bytes_max)
{
	uint32_t most = msg_connected_buffer_bytes(device);
	uint32_t room = most - MSG_FRAME_HEADER_BYTES;

	if (message_bytes_max < room)
		most = MSG_FRAME_HEADER_BYTES + message_bytes_max;
	return most > MSG_CONNECTED_FRAME_BYTES ? most
						: MSG_CONNECTED_FRAME_BYTES;
}

#define MSG_GREETING_VERSION 1u
#define MSG_GREETING_BYTES 40u
#define MSG_WELCOME_BYTES 16u

enum msg_greeting_flag {
	MSG_GREETING_TAGGED = 1 << 0, /* As in reports. */
	MSG_GREETING_RESUMES = 1 << 1, /* It was connected before. */
};

#define MSG_GREETING_FLAGS 3u

struct msg_greeting {
	uint64_t incarnation;
	uint64_t receiver;
	uint64_t sequence;
	uint32_t tag;
	uint32_t window;
	uint32_t buffer_bytes;
	uint8_t flags; /* enum msg_greeting_flag */
};

struct msg_welcome {
	uint64_t incarnation;
	uint32_t tag;
};

/* MSG_GREETING_BYTES and MSG_WELCOME_BYTES of room. */
void msg_greeting_write(uint8_t *data, const struct msg_greeting *greeting);
void msg_welcome_write(uint8_t *data, const struct msg_welcome *welcome);

/* False: malformed, and then nothing was written. */
bool msg_greeting_read(
	struct msg_greeting *greeting, const uint8_t *data, uint32_t bytes);
bool msg_welcome_read(
	struct msg_welcome *welcome, const uint8_t *data, uint32_t bytes);

#endif
