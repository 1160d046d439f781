/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fragment.c - the 8 bytes in front of a part of a message; see fragment.h.
 *
 * The checks subtract from what is known to be larger and never add numbers
 * of the wire, so none of them can overflow.
 */
#include "protocol/fragment.h"

#include <assert.h>

#include "protocol/bytes.h"

void msg_fragment_write(uint8_t *header, const struct msg_fragment *fragment)
{
	assert(fragment->total <= MSG_FRAGMENT_TOTAL_MAX);
	assert(fragment->offset < fragment->total);
	assert(fragment->bytes <= fragment->total - fragment->offset);

	msg_store32(header, fragment->total);
	msg_store32(header + 4, fragment->offset);
}

bool msg_fragment_read(
	const uint8_t *body, uint32_t bytes, struct msg_fragment *fragment)
{
	uint32_t total, offset, part;

	if (bytes <= MSG_FRAGMENT_HEADER_BYTES)
		return false;
	part = bytes - MSG_FRAGMENT_HEADER_BYTES;
	total = msg_load32(body);
	offset = msg_load32(body + 4);
	/* part == total would be the whole message: that is a SINGLE. */
	if (total > MSG_FRAGMENT_TOTAL_MAX || part >= total ||
		offset > total - part)
		return false;

	fragment->total = total;
	fragment->offset = offset;
	fragment->bytes = part;
	return true;
}
