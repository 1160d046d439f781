/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * random.h - numbers for tests, the same for the same seed everywhere.
 *
 * splitmix64: one word of state, any seed is a good one, and consecutive seeds
 * give unrelated streams, so that trial i of a test may use seed + i and be
 * replayed alone.  Source: Steele, Lea, Flood, OOPSLA 2014.
 */
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct random_stream {
	uint64_t state;
};

static inline uint64_t random_next(struct random_stream *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Bytes that are known by their key; in steps of 8, as the words come. */
static inline void random_fill(uint8_t *data, size_t bytes, uint64_t key)
{
	struct random_stream random = {key};

	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t word = random_next(&random);

		memcpy(data + i, &word, bytes - i < 8 ? bytes - i : 8);
	}
}

/* 0 to limit - 1; limit is 1 or more.  The bias is below limit / 2^64. */
static inline uint64_t random_below(struct random_stream *random, uint64_t limit)
{
	return random_next(random) % limit;
}

/* True `per_mille` times in a thousand. */
static inline bool random_chance(struct random_stream *random, unsigned per_mille)
{
	return random_below(random, 1000) < per_mille;
}

#endif
