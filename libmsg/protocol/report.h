/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.h - what publisher and receiver of a reliable stream tell each other.
 *
 * PROBE, from the publisher: how far the stream has come, how far back its
 * history goes, where to write to.  Multicast behind the last frame of a burst
 * and then as a heartbeat; unicast as an answer (gone, or where to join).
 *
 *     header: transmission = next frame, sequence = message it will carry
 *      0 incarnation           8 stamp, the publisher's clock, in every probe
 *     16 sequence of `first`  24 first: oldest frame that can be repaired
 *     28 serial of the last repair
 *     32 period_ms  34 flags  35 bytes of the address  36 zero  40 address
 *
 * REPORT, from a receiver, unicast to that address: what it has, how much more
 * it can take, and what is missing (a NAK, one bit a frame).
 *
 *     header: transmission = frames heard of, sequence = serial heard of
 *      0 receiver, 64 random bits    8 stamp of the last probe that asked
 *     16 position: all frames below are delivered or lost for good
 *     20 window: frames beyond `position` that it has room for
 *     24 base: frame of bit 0       28 count of bits  30 flags  31 address bytes
 *     32 history wished for, messages (JOIN), or pages read (READING)
 *     36 its round trip, ns     40 address
 *     72 bitmap, bit set: missing
 *
 * The pair (heard, serial) is the echo: a publisher repairs a frame again only
 * for who has heard something that was sent after the last repair of it.
 * Frame numbers on the wire are modulo 2^32, inside 64 bits: msg_frame_near.
 *
 * Nothing is left open: what is not used is zero, a body has exactly the bytes
 * that its fields say, and the reader holds writers to it, so what is read
 * writes back to the same bytes.  Both sequences are those of the message that
 * the frame beside them carries, begins with or continues.  From `first` to
 * `next` are less than 2^31 frames, and each carries at most
 * MSG_PACK_COUNT_MAX messages.  In an answer to JOIN, `first` is where to begin,
 * at the begin of a message, and says nothing of what is gone.
 *
 * Pure: bytes in, fields or "malformed" out.
 * Test: tests/unit/protocol/test_report.c, fuzz: tests/fuzz/fuzz_report.c.
 */
#ifndef MSG_PROTOCOL_REPORT_H
#define MSG_PROTOCOL_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/frame.h"
#include "protocol/reach.h"

#define MSG_PROBE_BYTES 72u /* Body; the header comes in front. */
#define MSG_REPORT_BYTES 72u
#define MSG_REPORT_FRAMES_MAX 1024u /* Bits. */
#define MSG_REPORT_BYTES_MAX (MSG_REPORT_BYTES + MSG_REPORT_FRAMES_MAX / 8)

enum msg_probe_flag {
	MSG_PROBE_ASK = 1 << 0,     /* Report at once, and echo the stamp. */
	MSG_PROBE_FLOW = 1 << 1,    /* Report as the position moves. */
	MSG_PROBE_JOIN = 1 << 2,    /* Answer to JOIN: begin with `first`. */
	MSG_PROBE_CROWD = 1 << 3,   /* So many receivers that they back off. */
	MSG_PROBE_CLOSING = 1 << 4, /* Nothing follows. */
};

#define MSG_PROBE_FLAGS 31u
#define MSG_PROBE_PERIOD_MS_MIN 10u
#define MSG_PROBE_PERIOD_MS_MAX 60000u

struct msg_probe {
	uint64_t incarnation;   /* Its low half is the header's publisher. */
	uint64_t stamp;
	uint64_t next_sequence; /* Header. */
	uint64_t first_sequence;
	uint32_t next;          /* Header. */
	uint32_t first;
	uint32_t serial;
	uint16_t period_ms;     /* 10 to 60000. */
	uint8_t flags;          /* enum msg_probe_flag */
	struct msg_reach reach;
};

enum msg_report_flag {
	MSG_REPORT_JOIN = 1 << 0,    /* Begin with the last `history` messages. */
	MSG_REPORT_TAGGED = 1 << 1,  /* One of those that "tagged" waits for. */
	MSG_REPORT_LEAVING = 1 << 2, /* Forget me. */
	/* 8 stays unknown: a golden file has it for that. */
	MSG_REPORT_READING = 1 << 4, /* Of frame `position`, which is LARGE, I
	                                have read `history` pages of 4096. */
};

#define MSG_REPORT_FLAGS 23u

struct msg_report {
	uint64_t receiver;
	uint64_t stamp;    /* 0: no probe asked since the last one. */
	uint32_t heard;    /* Header: frames at least that were sent. */
	uint32_t serial;   /* Header, low half of sequence. */
	uint32_t position;
	uint32_t window;
	uint32_t base;
	uint32_t history;  /* JOIN, READING. */
	uint32_t rtt_ns;   /* 0: not known. */
	uint16_t count;    /* Bits; 0: nothing is missing. */
	uint8_t flags;
	struct msg_reach reach;
	uint8_t missing[MSG_REPORT_FRAMES_MAX / 8];
};

static inline bool msg_report_misses(
	const struct msg_report *report, uint32_t bit)
{
	return report->missing[bit / 8] >> (bit % 8) & 1;
}

/* Of the LARGE message at its position, what the receiver has read. */
static inline uint32_t msg_report_read_pages(const struct msg_report *report)
{
	return report->flags & MSG_REPORT_READING ? report->history : 0;
}

/* Write a whole frame, header included; its bytes.  `data` has room for
 * MSG_FRAME_HEADER_BYTES + MSG_PROBE_BYTES, or MSG_REPORT_BYTES_MAX. */
uint32_t msg_probe_write(uint8_t *data, const struct msg_probe *probe,
	uint32_t tag, uint32_t publisher);
uint32_t msg_report_write(uint8_t *data, const struct msg_report *report,
	uint32_t tag, uint32_t publisher);

/* Read the body behind a header that msg_frame_read found good.  False:
 * malformed, and then nothing was written. */
bool msg_probe_read(struct msg_probe *probe, const struct msg_frame *frame,
	const uint8_t *body);
bool msg_report_read(struct msg_report *report, const struct msg_frame *frame,
	const uint8_t *body);

/* The 64-bit frame number nearest to `around` whose low half is `low`. */
static inline uint64_t msg_frame_near(uint64_t around, uint32_t low)
{
	return around + (uint64_t)(int64_t)(int32_t)(low - (uint32_t)around);
}

#endif
