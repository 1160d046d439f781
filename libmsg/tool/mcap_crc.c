/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mcap_crc.c - CRC-32, eight bytes a step; see mcap.h.
 *
 * Table k holds what a byte does to the sum k places later, so that eight
 * look-ups that do not wait for each other stand for eight that do.
 * Source: Kounavis and Berry, "Novel table lookup-based algorithms for
 * high-performance CRC generation", 2008 (slicing-by-8).
 */
#include "mcap.h"

#include <pthread.h>

#define POLYNOMIAL 0xedb88320u

static uint32_t tables[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t sum = byte;

		for (int bit = 0; bit < 8; bit++)
			sum = sum & 1 ? sum >> 1 ^ POLYNOMIAL : sum >> 1;
		tables[0][byte] = sum;
	}
	for (int k = 1; k < 8; k++)
		for (uint32_t byte = 0; byte < 256; byte++) {
			uint32_t before = tables[k - 1][byte];

			tables[k][byte] =
				before >> 8 ^ tables[0][before & 0xff];
		}
}

uint32_t mcap_crc(uint32_t crc, const void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint32_t sum = ~crc;

	pthread_once(&once, make_tables);
	for (; bytes >= 8; bytes -= 8, at += 8) {
		uint32_t low = sum ^ (uint32_t)mcap_load(at, 4);
		uint32_t high = (uint32_t)mcap_load(at + 4, 4);

		sum = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^
		      tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
		      tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^
		      tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
	}
	while (bytes-- > 0)
		sum = sum >> 8 ^ tables[0][(sum ^ *at++) & 0xff];
	return ~sum;
}
