/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * announce.h - what a publisher says of itself, as protobuf (proto2).
 *
 * The body of an ANNOUNCE frame is one Announcement of proto/control.proto.
 * Decoding is hostile-input code: the body is bounded, unpacking allocates
 * from a fixed arena on the stack (a message that wants more is refused), and
 * every field is checked before it is copied out.
 * Test: tests/unit/topic/test_announce.c, fuzz: tests/fuzz/fuzz_announce.c.
 */
#ifndef MSG_TOPIC_ANNOUNCE_H
#define MSG_TOPIC_ANNOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msg/msg.h>

#include "protocol/report.h"
#include "topic/name.h"

#define MSG_ANNOUNCE_BYTES_MAX 900u /* Fits a 1024-byte path with its header. */
#define MSG_ANNOUNCE_TEXT_MAX 63u   /* Host, program, address. */
#define MSG_ANNOUNCE_TYPE_MAX 127u  /* As MSG_TYPE_NAME_BYTES_MAX. */

/* What its messages are, as far as it says so. */
struct msg_announced_type {
	char name[MSG_ANNOUNCE_TYPE_MAX + 1]; /* "": it names no type, and the
	                                         rest is 0. */
	uint32_t encoding; /* enum msg_encoding, or a later one's; up to 255. */
	uint64_t hash;
	struct msg_reach reach; /* Who is asked for the schema. */
};

struct msg_announcement {
	char topic[MSG_TOPIC_BYTES_MAX + 1];
	char host[MSG_ANNOUNCE_TEXT_MAX + 1];
	char program[MSG_ANNOUNCE_TEXT_MAX + 1];
	uint64_t incarnation;   /* 64 random bits; their low half is `publisher`. */
	uint32_t publisher;
	uint64_t next_sequence; /* Messages below this were sent. */
	uint32_t pid;
	uint32_t uid;
	uint32_t message_bytes_max;
	uint32_t frame_bytes;
	uint32_t period_ms;     /* 10 to 60000. */
	bool closing;           /* Goodbye: nothing follows. */
	bool reliable;          /* What is lost can be had again. */
	struct msg_reach connect; /* No bytes, or the topic is had by connections
	                           to there alone; what they mean is the link's
	                           affair.  Reliable, too. */
	uint32_t give_up_ms; /* Of one by connections: it waits so long for who
	                        receives; up to 60000; 0: it does not say. */
	struct msg_reach reach; /* Where to say so; its probes say it, too. */
	struct msg_announced_type type;
};

/* What it offers. */
static inline enum msg_reliability msg_announce_reliability(
	const struct msg_announcement *announcement)
{
	if (announcement->connect.bytes > 0)
		return MSG_RELIABILITY_RC;
	return announcement->reliable ? MSG_RELIABILITY_RELIABLE
				      : MSG_RELIABILITY_BEST_EFFORT;
}

/* Pack into `body`; returns the bytes, at most MSG_ANNOUNCE_BYTES_MAX.  Host
 * and program come from outside: what a receiver would refuse in them is sent
 * as '?', so that an odd program name cannot make a publisher invisible. */
size_t msg_announce_pack(
	const struct msg_announcement *announcement, uint8_t *body);

/* Unpack and check; false if malformed in any way, and then nothing was
 * written.  The trail stays as it is.  `publisher` is the low half of the
 * incarnation: the caller compares it with the frame's.  Text fields that are not
 * UTF-8 or hold control characters are malformed: they are shown on terminals. */
bool msg_announce_unpack(struct msg_announcement *announcement,
	const uint8_t *body, size_t bytes);

#endif
