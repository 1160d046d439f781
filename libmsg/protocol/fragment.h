/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fragment.h - messages larger than a frame.
 *
 * A FRAGMENT's body starts with 8 bytes, then its part of the message:
 *
 *     0  total, bytes of the whole message     4  offset of this part in it
 *
 * Every part but the last fills its frame; all parts carry the message's
 * sequence.  Pure.  Test: tests/unit/protocol/test_fragment.c.
 */
#ifndef MSG_PROTOCOL_FRAGMENT_H
#define MSG_PROTOCOL_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#define MSG_FRAGMENT_HEADER_BYTES 8u
#define MSG_FRAGMENT_TOTAL_MAX (16u << 20) /* MSG_MESSAGE_BYTES_MAX */

struct msg_fragment {
	uint32_t total;
	uint32_t offset;
	uint32_t bytes; /* Of the message, in this part. */
};

void msg_fragment_write(uint8_t *header, const struct msg_fragment *fragment);

/* Check a FRAGMENT's body: 1 <= part, offset + part <= total <= the maximum,
 * and not the whole message in one part.  *fragment only when true. */
bool msg_fragment_read(const uint8_t *body, uint32_t bytes,
	struct msg_fragment *fragment);

/* How many parts a message of `total` takes at `part` bytes each. */
static inline uint32_t msg_fragment_count(uint32_t total, uint32_t part)
{
	return (total + part - 1) / part;
}

#endif
