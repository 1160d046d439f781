/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * large.h - messages that stay where they are, for receivers to read.
 *
 * A LARGE frame carries none of its message: it says where the message stands
 * in the publisher's memory, and by which connection it can be read.  Body, 72
 * bytes:
 *
 *      0 total, bytes of the message          8 address of its first byte
 *     16 key of that memory                  24 serial, not zero
 *     32 bytes of the reach, then 7 of zero  40 reach: where to connect to
 *
 * The seal.  MSG_LARGE_SEAL_AT bytes before the address stand 8 bytes that may
 * be read by the same key.  They hold the serial as long as the message stands
 * there; the publisher voids them before the memory becomes another's.  Who has
 * read the message and then finds the serial there has read that message; else
 * it is gone, whatever he has read.
 *
 * Who connects says which stream he reads of: tag, then publisher, 4 bytes each.
 *
 * Nothing is left open: what is not used is zero, and what is read writes back
 * to the same bytes.  Pure: bytes in, fields or "malformed" out.
 * Test: tests/unit/protocol/test_large.c, fuzz: tests/fuzz/fuzz_report.c.
 */
#ifndef MSG_PROTOCOL_LARGE_H
#define MSG_PROTOCOL_LARGE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/bytes.h"
#include "protocol/reach.h"

#define MSG_LARGE_BYTES 72u
#define MSG_LARGE_TOTAL_MAX (UINT64_C(1) << 30) /* MSG_LARGE_BYTES_MAX */
#define MSG_LARGE_SEAL_AT 64u
#define MSG_LARGE_SEAL_BYTES 8u

/* What a receiver says when it connects. */
#define MSG_LARGE_GREETING_BYTES 8u

static inline void msg_large_greet(
	uint8_t *greeting, uint32_t tag, uint32_t publisher)
{
	msg_store32(greeting, tag);
	msg_store32(greeting + 4, publisher);
}

struct msg_large {
	uint64_t total;
	uint64_t address;
	uint64_t key;
	uint64_t serial;
	struct msg_reach reach;
};

/* Write the body, MSG_LARGE_BYTES of it. */
void msg_large_write(uint8_t *body, const struct msg_large *large);

/* Read and check one of `bytes`: no more than the maximum, memory that can be,
 * with its seal before it, and a reach.  False: malformed, and then nothing was
 * written. */
bool msg_large_read(
	const uint8_t *body, uint32_t bytes, struct msg_large *large);

#endif
