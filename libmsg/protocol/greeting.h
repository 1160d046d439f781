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
 * had been asked for.
 *
 * Pure: bytes in, fields or "malformed" out.  What is not used is zero, and the
 * reader holds writers to it.
 * Test: tests/unit/protocol/test_greeting.c.
 */
#ifndef MSG_PROTOCOL_GREETING_H
#define MSG_PROTOCOL_GREETING_H

#include <stdbool.h>
#include <stdint.h>

/* Of the frames of connected topics: no path bounds them, but buffers do. */
#define MSG_CONNECTED_FRAME_BYTES 16384u

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
