/* SPDX-License-Identifier: BSD-2-Clause */
/* sum.h - reads every byte, as whoever got a message would. */
#ifndef TESTS_PERF_SUM_H
#define TESTS_PERF_SUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t sum_of(const void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint64_t sum = 0;
	uint64_t word;

	for (; bytes >= sizeof word; bytes -= sizeof word) {
		memcpy(&word, at, sizeof word);
		sum += word;
		at += sizeof word;
	}
	while (bytes-- > 0)
		sum += *at++;
	return sum;
}

#endif
