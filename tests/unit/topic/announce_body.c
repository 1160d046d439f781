/* SPDX-License-Identifier: BSD-2-Clause */
/* announce_body.c - see announce_body.h. */
#include "announce_body.h"

#include <stdlib.h>
#include <string.h>

#include "base/trail.h"
#include "check_main.h"

struct body body;
struct msg_announcement found;

void put(uint8_t byte)
{
	body.data[body.bytes++] = byte;
}

void put_varint(uint64_t value)
{
	for (; value > 127; value >>= 7)
		put((uint8_t)(value | 128));
	put((uint8_t)value);
}

void put_number(enum field field, uint64_t value)
{
	put_varint((uint64_t)field << 3 | VARINT);
	put_varint(value);
}

void put_fixed(enum field field, uint64_t value)
{
	put_varint((uint64_t)field << 3 | FIXED64);
	for (unsigned i = 0; i < 64; i += 8)
		put((uint8_t)(value >> i));
}

void put_bytes(enum field field, const void *data, size_t bytes)
{
	put_varint((uint64_t)field << 3 | BYTES);
	put_varint(bytes);
	memcpy(body.data + body.bytes, data, bytes);
	body.bytes += bytes;
}

void put_text(enum field field, const char *text)
{
	put_bytes(field, text, strlen(text));
}

void put_all_but(enum field left_out)
{
	body.bytes = 0;
	if (left_out != TOPIC)
		put_text(TOPIC, "md.acme.bid");
	if (left_out != INCARNATION)
		put_fixed(INCARNATION, 0x1122334455667788);
	if (left_out != NEXT_SEQUENCE)
		put_number(NEXT_SEQUENCE, 99);
	if (left_out != MESSAGE_BYTES_MAX)
		put_number(MESSAGE_BYTES_MAX, 1000);
	if (left_out != FRAME_BYTES)
		put_number(FRAME_BYTES, 1472);
	if (left_out != PERIOD_MS)
		put_number(PERIOD_MS, 1000);
}

bool unpack(void)
{
	/* Of the exact size, so that a sanitizer sees a byte too far. */
	uint8_t *exact = malloc(body.bytes ? body.bytes : 1);
	bool good;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, body.data, body.bytes);
	msg_fail(1, "untouched");
	good = msg_announce_unpack(&found, exact, body.bytes);
	ck_assert_str_eq(msg_trail_text(), "untouched");
	free(exact);
	return good;
}

void refused(void)
{
	struct msg_announcement before;

	memset(&found, 0x5a, sizeof found);
	before = found;
	ck_assert(!unpack());
	ck_assert_mem_eq(&found, &before, sizeof found);
}

struct msg_announcement example(void)
{
	struct msg_announcement announcement = {
		.topic = "md.acme.bid",
		.host = "node-7.example",
		.program = "feed",
		.incarnation = 0x0123456789abcdef,
		.publisher = 0x89abcdef,
		.next_sequence = 1234567890123,
		.pid = 4242,
		.uid = 1000,
		.message_bytes_max = 65536,
		.frame_bytes = 1472,
		.period_ms = 1000,
		.closing = true,
		.reliable = true,
		.reach = {8, "address"},
	};

	return announcement;
}

void pack_body(const struct msg_announcement *announcement)
{
	body.bytes = msg_announce_pack(announcement, body.data);
	ck_assert_uint_le(body.bytes, MSG_ANNOUNCE_BYTES_MAX);
}
