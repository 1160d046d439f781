/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reach.h - where a link is reached, in the link's own words: 32 bytes in a body,
 * zero behind those that are used.
 *
 * Pure.  Test: tests/unit/protocol/test_report.c, test_large.c.
 */
#ifndef MSG_PROTOCOL_REACH_H
#define MSG_PROTOCOL_REACH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MSG_REACH_BYTES_MAX 32u

struct msg_reach {
	uint8_t bytes; /* 0: unknown. */
	uint8_t data[MSG_REACH_BYTES_MAX];
};

static inline void msg_reach_write(uint8_t *to, const struct msg_reach *reach)
{
	memset(to, 0, MSG_REACH_BYTES_MAX);
	memcpy(to, reach->data, reach->bytes);
}

/* No more bytes than there are, and zero behind them. */
static inline bool msg_reach_is_sound(const uint8_t *from, uint32_t bytes)
{
	if (bytes > MSG_REACH_BYTES_MAX)
		return false;
	for (uint32_t i = bytes; i < MSG_REACH_BYTES_MAX; i++)
		if (from[i] != 0)
			return false;
	return true;
}

static inline void msg_reach_read(
	struct msg_reach *reach, const uint8_t *from, uint8_t bytes)
{
	reach->bytes = bytes;
	memcpy(reach->data, from, MSG_REACH_BYTES_MAX);
}

#endif
