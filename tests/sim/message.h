/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * message.h - a message is what its names make it.
 *
 * Its bytes follow from publisher, sequence and length: publisher, sequence
 * and a checksum of them in front, as far as they fit, noise behind.  So the
 * oracle keeps no copies, and a byte in the wrong place is seen as one.
 */
#ifndef SIM_MESSAGE_H
#define SIM_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"

/* Word `index` of it, little-endian as all of this machine's. */
static inline uint64_t message_word(
	uint32_t publisher, uint64_t sequence, uint32_t bytes, uint32_t index)
{
	uint64_t seed = msg_hash_mix(
		sequence ^ (uint64_t)publisher << 32 ^ (uint64_t)bytes << 13);

	switch (index) {
	case 0:
		return sequence;
	case 1:
		return (uint64_t)publisher << 32 | (uint32_t)seed;
	default:
		return (seed + index) * UINT64_C(0x9e3779b97f4a7c15);
	}
}

/* Bytes `offset` to offset + part of a message of `bytes`.  Offsets are whole
 * words. */
static inline void message_write(uint8_t *to, uint32_t publisher,
	uint64_t sequence, uint32_t bytes, uint32_t offset, uint32_t part)
{
	for (uint32_t i = 0; i < part; i += 8) {
		uint64_t word = message_word(
			publisher, sequence, bytes, (offset + i) / 8);

		memcpy(to + i, &word, part - i < 8 ? part - i : 8);
	}
}

static inline bool message_is(const uint8_t *data, uint32_t publisher,
	uint64_t sequence, uint32_t bytes, uint32_t offset, uint32_t part)
{
	for (uint32_t i = 0; i < part; i += 8) {
		uint64_t word = message_word(
			publisher, sequence, bytes, (offset + i) / 8);

		if (memcmp(data + i, &word, part - i < 8 ? part - i : 8) != 0)
			return false;
	}
	return true;
}

#endif
