/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pack.c - several small messages in one frame; see pack.h for the layout.
 *
 * A length is 16 bits, so a message and the sum of 1024 of them padded stay
 * far below 2^32: the arithmetic here cannot overflow once a length is known
 * to be one.
 */
#include "protocol/pack.h"

#include "protocol/bytes.h"

#define LENGTH_BYTES MSG_PACK_LENGTH_BYTES
#define LENGTH_MAX 65535u

static uint32_t table_bytes(uint32_t count)
{
	return (count + 1) * LENGTH_BYTES;
}

void msg_pack_start(struct msg_pack *pack, uint32_t capacity)
{
	pack->capacity = capacity;
	pack->used = 0;
	pack->count = 0;
	pack->bytes = 0;
}

bool msg_pack_fits(const struct msg_pack *pack, uint32_t bytes)
{
	if (bytes > LENGTH_MAX)
		return false;
	/* Alone in its frame a message needs neither padding nor a table. */
	if (pack->count == 0)
		return bytes <= pack->capacity;
	return pack->count < MSG_PACK_COUNT_MAX &&
	       pack->used + msg_pack_padded(bytes) + table_bytes(pack->count + 1) <=
		       pack->capacity;
}

static void zero_padding(const struct msg_pack *pack, uint8_t *body)
{
	uint32_t offset = 0;

	for (uint32_t i = 0; i < pack->count; i++) {
		uint32_t bytes = pack->lengths[i];

		if (msg_pack_padded(bytes) > bytes)
			memset(body + offset + bytes, 0,
				msg_pack_padded(bytes) - bytes);
		offset += msg_pack_padded(bytes);
	}
}

uint32_t msg_pack_table(
	const struct msg_pack *pack, uint8_t *body, uint8_t *table)
{
	if (pack->used != pack->bytes)
		zero_padding(pack, body);
	msg_store16_many(table, pack->lengths, pack->count);
	msg_store16(table + pack->count * LENGTH_BYTES, (uint16_t)pack->count);
	return table_bytes(pack->count);
}

uint32_t msg_pack_finish(const struct msg_pack *pack, uint8_t *body)
{
	if (pack->count < 2)
		return pack->count ? pack->lengths[0] : 0;
	return pack->used + msg_pack_table(pack, body, body + pack->used);
}

int msg_pack_open(
	struct msg_pack_reader *reader, const uint8_t *body, uint32_t bytes)
{
	uint32_t count, end, sum = 0;

	if (bytes < LENGTH_BYTES)
		return -1;
	count = msg_load16(body + bytes - LENGTH_BYTES);
	if (count < 2 || count > MSG_PACK_COUNT_MAX ||
		table_bytes(count) > bytes)
		return -1;
	end = bytes - table_bytes(count);
	for (uint32_t i = 0; i < count; i++)
		sum += msg_pack_padded(msg_load16(body + end + i * LENGTH_BYTES));
	if (sum != end)
		return -1;

	reader->body = body;
	reader->table = body + end;
	reader->offset = 0;
	reader->end = end;
	reader->left = count;
	return (int)count;
}
