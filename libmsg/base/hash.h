/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash.h - FNV-1a with a finaliser, for names and table places.
 *
 * Part of the wire protocol (a topic's tag and group come from it), so it can
 * never change; proto/README.md gives test vectors.  FNV alone mixes its high
 * bits poorly for short names, hence the finaliser (that of splitmix64).
 */
#ifndef MSG_BASE_HASH_H
#define MSG_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t msg_hash_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	x ^= x >> 31;
	return x;
}

static inline uint64_t msg_hash(const void *data, size_t bytes)
{
	const unsigned char *p = data;
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < bytes; i++) {
		h ^= p[i];
		h *= 0x100000001b3ull;
	}
	return msg_hash_mix(h);
}

#endif
