/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * utf8.h - one character of UTF-8 at a time, strictly.
 *
 * Texts from others are shown on terminals and compared byte by byte, so
 * each character has exactly one spelling here: no overlong forms, no
 * surrogates, nothing above U+10FFFF.  Source: RFC 3629, section 4.
 */
#ifndef MSG_BASE_UTF8_H
#define MSG_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character at `text`, of which `left` bytes (1 or more) may be read.
 * Returns its length in bytes, or 0 if it is not UTF-8. */
static inline unsigned msg_utf8_next(
	const char *text, size_t left, uint32_t *character)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t first = (uint8_t)text[0];
	unsigned bytes = first < 0x80 ? 1
		: first < 0xc0	      ? 0
		: first < 0xe0	      ? 2
		: first < 0xf0	      ? 3
		: first < 0xf8	      ? 4
				      : 0;
	uint32_t c = bytes == 1 ? first : first & (0x7fu >> bytes);

	if (bytes == 0 || bytes > left)
		return 0;
	for (unsigned i = 1; i < bytes; i++) {
		uint8_t next = (uint8_t)text[i];

		if ((next & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (next & 0x3fu);
	}
	if (c < least[bytes] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*character = c;
	return bytes;
}

/* C0, DEL and C1: U+009B alone starts an escape sequence on a terminal. */
static inline bool msg_utf8_is_control(uint32_t character)
{
	return character < 0x20 || (character >= 0x7f && character < 0xa0);
}

#endif
