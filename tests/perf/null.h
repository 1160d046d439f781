/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * null.h - what the two halves of the module without a fabric share: null_link.c
 * (datagrams) and null_channel.c (connections).
 */
#ifndef MSG_PERF_NULL_H
#define MSG_PERF_NULL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <msg/msg.h>

/* Where a message is, for who counts on its way. */
enum null_mark {
	NULL_NOWHERE,
	NULL_LOAN,   /* About to be lent. */
	NULL_POSTED, /* The link is given it. */
	NULL_POLLED, /* The link has told of it. */
	NULL_VIEW,   /* Taken. */
};

/* cost.c has one. */
MSG_API void cost_mark(enum null_mark mark) __attribute__((weak));

static inline void null_mark(enum null_mark mark)
{
	if (cost_mark)
		cost_mark(mark);
}

/* Word by word and volatile, so that it stays here: memcpy would be counted as
 * the C library's, which libmsg uses as well. */
static inline void null_copy(uint8_t *to, const uint8_t *from, size_t bytes)
{
	for (; bytes >= 8; bytes -= 8, to += 8, from += 8)
		*(volatile uint64_t *)(void *)to =
			*(const uint64_t *)(const void *)from;
	for (; bytes > 0; bytes--)
		*(volatile uint8_t *)to++ = *from++;
}

/* All pieces, one behind the other; the bytes. */
static inline uint32_t null_gather(
	uint8_t *to, const struct iovec *iov, uint32_t iov_count)
{
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < iov_count; i++) {
		null_copy(to + bytes, iov[i].iov_base, iov[i].iov_len);
		bytes += (uint32_t)iov[i].iov_len;
	}
	return bytes;
}

static inline uint32_t null_power_of_two(uint32_t least)
{
	uint32_t size = 1;

	while (size < least)
		size *= 2;
	return size;
}

#endif
