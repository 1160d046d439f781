/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pack.h - several small messages in one frame.
 *
 *     | message 0 | pad | message 1 | pad | … | length 0 | length 1 | … | count |
 *       8-aligned         8-aligned             u16        u16            u16
 *
 * The lengths stand at the end, so that the first payload still starts on a
 * cache line, messages of 64 bytes all do, and a publisher can write payloads
 * in place before it knows how many there will be.  The table follows the last
 * padded payload directly.  Sequences run from the frame's.
 *
 * Pure.  A reader checks the whole table once, on opening: the padded lengths
 * must add up to exactly the body, so that each step later is safe.
 * Test: tests/unit/protocol/test_pack.c, fuzz: tests/fuzz/fuzz_frame.c.
 */
#ifndef MSG_PROTOCOL_PACK_H
#define MSG_PROTOCOL_PACK_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/bytes.h"

#define MSG_PACK_COUNT_MAX 1024u
#define MSG_PACK_ALIGN 8u
#define MSG_PACK_LENGTH_BYTES 2u /* Of one in the table, and of the count. */
#define MSG_PACK_TABLE_BYTES_MAX (2u * (MSG_PACK_COUNT_MAX + 1))

static inline uint32_t msg_pack_padded(uint32_t bytes)
{
	return (bytes + MSG_PACK_ALIGN - 1) & ~(MSG_PACK_ALIGN - 1);
}

/* A body being filled. */
struct msg_pack {
	uint32_t capacity; /* Body bytes, table included. */
	uint32_t used;     /* Padded payload bytes so far. */
	uint32_t count;
	uint32_t bytes;    /* As used, without the padding. */
	uint16_t lengths[MSG_PACK_COUNT_MAX];
};

void msg_pack_start(struct msg_pack *pack, uint32_t capacity);

/* Whether one more message of up to `bytes` would still fit. */
bool msg_pack_fits(const struct msg_pack *pack, uint32_t bytes);

/* Add a message of `bytes` that stands at offset pack->used of the body, and is
 * known to fit. */
static inline void msg_pack_append(struct msg_pack *pack, uint32_t bytes)
{
	pack->lengths[pack->count++] = (uint16_t)bytes;
	pack->bytes += bytes;
	pack->used += msg_pack_padded(bytes);
}

/* The same, only after msg_pack_fits said so for as many bytes. */
static inline void msg_pack_add(struct msg_pack *pack, uint32_t bytes)
{
	assert(bytes <= UINT16_MAX && pack->count < MSG_PACK_COUNT_MAX);
	msg_pack_append(pack, bytes);
}

/* Zero the padding, write the table; returns the body's bytes.  Of a pack of
 * one message nothing is written: send that as a SINGLE frame. */
uint32_t msg_pack_finish(const struct msg_pack *pack, uint8_t *body);

/* The same with the table elsewhere, to be gathered behind the payloads: for
 * when its place is taken.  Returns the table's bytes. */
uint32_t msg_pack_table(
	const struct msg_pack *pack, uint8_t *body, uint8_t *table);

/* A body being read; `body` must stay as it is (or be hostile only in its
 * payloads: lengths are read through `table` again at each step and checked
 * against `end`, so that no step leaves the body even then). */
struct msg_pack_reader {
	const uint8_t *body;
	const uint8_t *table; /* Next length to read. */
	uint32_t offset;      /* Next payload. */
	uint32_t end;         /* Where payloads end. */
	uint32_t left;        /* Messages still to read. */
};

/* Check a body; returns the number of messages, or -1 if it is malformed
 * (fewer than 2, more than MSG_PACK_COUNT_MAX, lengths that do not add up). */
int msg_pack_open(struct msg_pack_reader *reader, const uint8_t *body,
	uint32_t bytes);

/* Step to the next message.  Returns false at the end. */
static inline bool msg_pack_next(
	struct msg_pack_reader *reader, const uint8_t **data, uint32_t *bytes)
{
	uint32_t length;

	if (reader->left == 0)
		return false;
	length = msg_load16(reader->table);
	/* Checked on opening, and once more on this very load: the sender of a
	 * shared segment may have changed it since. */
	if (msg_pack_padded(length) > reader->end - reader->offset) {
		reader->left = 0;
		return false;
	}
	*data = reader->body + reader->offset;
	*bytes = length;
	reader->offset += msg_pack_padded(length);
	reader->table += MSG_PACK_LENGTH_BYTES;
	reader->left--;
	return true;
}

#endif
