/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bytes.h - little-endian numbers in memory of any alignment.
 *
 * The wire is little-endian.  memcpy of a fixed size is one load or store in
 * every compiler we use, and the conversion is nothing on x86 and ARM, so this
 * is as fast as a cast and is defined behaviour.
 */
#ifndef MSG_PROTOCOL_BYTES_H
#define MSG_PROTOCOL_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t msg_load16(const uint8_t *from)
{
	uint16_t value;

	memcpy(&value, from, sizeof value);
	return le16toh(value);
}

static inline uint32_t msg_load32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof value);
	return le32toh(value);
}

static inline uint64_t msg_load64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof value);
	return le64toh(value);
}

static inline void msg_store16(uint8_t *to, uint16_t value)
{
	value = htole16(value);
	memcpy(to, &value, sizeof value);
}

static inline void msg_store16_many(
	uint8_t *to, const uint16_t *values, uint32_t count)
{
#if __BYTE_ORDER == __LITTLE_ENDIAN
	memcpy(to, values, count * sizeof *values);
#else
	for (uint32_t i = 0; i < count; i++)
		msg_store16(to + i * sizeof *values, values[i]);
#endif
}

static inline void msg_store32(uint8_t *to, uint32_t value)
{
	value = htole32(value);
	memcpy(to, &value, sizeof value);
}

static inline void msg_store64(uint8_t *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, sizeof value);
}

#endif
