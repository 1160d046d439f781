/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * large.c - the body of a LARGE frame; see large.h.
 *
 * Whether the memory is there, and whose it is, shows when it is read; here it
 * is only made sure that nobody need add numbers of the wire that overflow.
 */
#include "protocol/large.h"

#include <assert.h>

#define REACH_AT 40u

void msg_large_write(uint8_t *body, const struct msg_large *large)
{
	assert(large->total <= MSG_LARGE_TOTAL_MAX);
	assert(large->serial != 0);

	msg_store64(body, large->total);
	msg_store64(body + 8, large->address);
	msg_store64(body + 16, large->key);
	msg_store64(body + 24, large->serial);
	msg_store64(body + 32, large->reach.bytes);
	msg_reach_write(body + REACH_AT, &large->reach);
}

bool msg_large_read(
	const uint8_t *body, uint32_t bytes, struct msg_large *large)
{
	uint64_t total, address, reach;

	if (bytes != MSG_LARGE_BYTES)
		return false;
	total = msg_load64(body);
	address = msg_load64(body + 8);
	reach = msg_load64(body + 32);
	if (total > MSG_LARGE_TOTAL_MAX || address < MSG_LARGE_SEAL_AT ||
		address > UINT64_MAX - total || msg_load64(body + 24) == 0 ||
		reach == 0 || reach > MSG_REACH_BYTES_MAX ||
		!msg_reach_is_sound(body + REACH_AT, (uint32_t)reach))
		return false;

	large->total = total;
	large->address = address;
	large->key = msg_load64(body + 16);
	large->serial = msg_load64(body + 24);
	msg_reach_read(&large->reach, body + REACH_AT, (uint8_t)reach);
	return true;
}
