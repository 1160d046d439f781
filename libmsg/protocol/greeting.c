/* SPDX-License-Identifier: BSD-2-Clause */
/* greeting.c - bytes of what is said when connecting; see greeting.h. */
#include "protocol/greeting.h"

#include "protocol/bytes.h"

void msg_greeting_write(uint8_t *data, const struct msg_greeting *greeting)
{
	data[0] = MSG_GREETING_VERSION;
	data[1] = greeting->flags;
	msg_store16(data + 2, 0);
	msg_store32(data + 4, greeting->tag);
	msg_store64(data + 8, greeting->incarnation);
	msg_store64(data + 16, greeting->receiver);
	msg_store64(data + 24, greeting->sequence);
	msg_store32(data + 32, greeting->window);
	msg_store32(data + 36, greeting->buffer_bytes);
}

bool msg_greeting_read(
	struct msg_greeting *greeting, const uint8_t *data, uint32_t bytes)
{
	struct msg_greeting found;

	if (bytes != MSG_GREETING_BYTES || data[0] != MSG_GREETING_VERSION ||
		(data[1] & ~MSG_GREETING_FLAGS) || data[2] || data[3])
		return false;
	found = (struct msg_greeting){
		.incarnation = msg_load64(data + 8),
		.receiver = msg_load64(data + 16),
		.sequence = msg_load64(data + 24),
		.tag = msg_load32(data + 4),
		.window = msg_load32(data + 32),
		.buffer_bytes = msg_load32(data + 36),
		.flags = data[1],
	};
	if (found.receiver == 0 || found.window == 0)
		return false;
	*greeting = found;
	return true;
}

void msg_welcome_write(uint8_t *data, const struct msg_welcome *welcome)
{
	msg_store32(data, MSG_GREETING_VERSION);
	msg_store32(data + 4, welcome->tag);
	msg_store64(data + 8, welcome->incarnation);
}

bool msg_welcome_read(
	struct msg_welcome *welcome, const uint8_t *data, uint32_t bytes)
{
	if (bytes != MSG_WELCOME_BYTES ||
		msg_load32(data) != MSG_GREETING_VERSION)
		return false;
	welcome->tag = msg_load32(data + 4);
	welcome->incarnation = msg_load64(data + 8);
	return true;
}
