/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * message.c - messages that cannot be mistaken; see actor.h.
 *
 *     byte 0   publisher
 *          8   sequence
 *         16   bytes
 *         24   when it was sent
 *         32   words, each made of publisher, sequence and its place
 *
 * The rest of the last word, if there is one, is the low bytes of its word.
 */
#include <string.h>

#include "actor.h"

#define HEADER 32u

static uint64_t word(uint64_t publisher, uint64_t sequence, uint64_t place)
{
	uint64_t z = publisher * 0x9e3779b97f4a7c15ull ^
		     sequence * 0xbf58476d1ce4e5b9ull ^ place << 17;

	return z ^ z >> 29;
}

void message_fill(void *data, size_t bytes, uint64_t publisher,
	uint64_t sequence, uint64_t sent_ns)
{
	uint64_t header[4] = {publisher, sequence, bytes, sent_ns};
	uint8_t *to = data;

	memcpy(to, header, HEADER);
	for (size_t at = HEADER; at < bytes; at += 8) {
		uint64_t w = word(publisher, sequence, at);

		memcpy(to + at, &w, bytes - at < 8 ? bytes - at : 8);
	}
}

bool message_is(const void *data, size_t bytes, uint64_t publisher,
	uint64_t sequence)
{
	const uint8_t *from = data;
	uint64_t header[4];

	if (bytes < MESSAGE_BYTES_MIN)
		return false;
	memcpy(header, from, HEADER);
	if (header[0] != publisher || header[1] != sequence ||
		header[2] != bytes)
		return false;
	for (size_t at = HEADER; at < bytes; at += 8) {
		uint64_t w = word(publisher, sequence, at);

		if (memcmp(from + at, &w, bytes - at < 8 ? bytes - at : 8))
			return false;
	}
	return true;
}

uint64_t message_sent_ns(const void *data)
{
	uint64_t sent;

	memcpy(&sent, (const uint8_t *)data + 24, sizeof sent);
	return sent;
}
