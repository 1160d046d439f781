/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * announce.c - announcements between protobuf and struct; see announce.h.
 *
 * protobuf-c allocates for each string, each unknown field and each batch of
 * scanned fields as the input says.  It gets a fixed arena on our stack: what
 * does not fit there is refused, so a datagram can cost no memory and at most
 * the time to read 900 bytes.  4 KiB holds the largest honest announcement
 * with room for some thirty fields that later versions may add.
 */
#include "topic/announce.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>

#include "protocol/fragment.h"
#include "protocol/frame.h"
#include "topic/utf8.h"

#include "control.pb-c.h"

#define ARENA_BYTES 4096u
#define FRAME_BYTES_MIN 256u
#define PERIOD_MS_MIN 10u
#define PERIOD_MS_MAX 60000u

struct arena {
	size_t used;
	alignas(max_align_t) uint8_t bytes[ARENA_BYTES];
};

static void *arena_alloc(void *context, size_t bytes)
{
	struct arena *arena = context;
	size_t align = alignof(max_align_t);
	void *block = arena->bytes + arena->used;

	if (bytes > ARENA_BYTES - arena->used)
		return NULL;
	/* ARENA_BYTES is a multiple of the alignment, so this stays within. */
	arena->used += (bytes + align - 1) / align * align;
	return block;
}

/* The whole arena goes at once. */
static void arena_free(void *context, void *block)
{
	(void)context;
	(void)block;
}

/* Copy text, with what a receiver would refuse replaced; returns its bytes,
 * whole characters only. */
static size_t clean(char *to, const char *from, size_t max)
{
	size_t bytes = strnlen(from, max), used = 0;

	while (used < bytes) {
		uint32_t c;
		unsigned step = msg_utf8_next(from + used, bytes - used, &c);

		if (step == 0 || msg_utf8_is_control(c)) {
			memset(to + used, '?', step ? step : 1);
			used += step ? step : 1;
		} else {
			memcpy(to + used, from + used, step);
			used += step;
		}
	}
	return used;
}

static ProtobufCBinaryData as_bytes(char *text, size_t bytes)
{
	return (ProtobufCBinaryData){bytes, (uint8_t *)text};
}

size_t msg_announce_pack(
	const struct msg_announcement *announcement, uint8_t *body)
{
	const struct msg_announcement *a = announcement;
	Msg__Announcement message = MSG__ANNOUNCEMENT__INIT;
	char topic[MSG_TOPIC_BYTES_MAX + 1];
	char host[MSG_ANNOUNCE_TEXT_MAX];
	char program[MSG_ANNOUNCE_TEXT_MAX];

	assert(msg_name_is_topic(a->topic));
	assert(a->publisher == (uint32_t)a->incarnation);

	strcpy(topic, a->topic);
	message.topic = as_bytes(topic, strlen(topic));
	message.incarnation = a->incarnation;
	message.next_sequence = a->next_sequence;
	message.message_bytes_max = a->message_bytes_max;
	message.frame_bytes = a->frame_bytes;
	message.period_ms = a->period_ms;
	message.has_host = message.has_program = 1;
	message.host = as_bytes(host, clean(host, a->host, sizeof host));
	message.program =
		as_bytes(program, clean(program, a->program, sizeof program));
	message.has_pid = message.has_uid = 1;
	message.pid = a->pid;
	message.uid = a->uid;
	message.has_closing = message.closing = a->closing;

	assert(msg__announcement__get_packed_size(&message) <=
		MSG_ANNOUNCE_BYTES_MAX);
	return msg__announcement__pack(&message, body);
}

/* Copy text out, ended by a zero; false if it is too long or not fit to be
 * shown.  A zero byte inside is a control character. */
static bool take_text(char *to, size_t max, const ProtobufCBinaryData *text)
{
	const char *from = (const char *)text->data;
	size_t at = 0;

	if (text->len > max)
		return false;
	while (at < text->len) {
		uint32_t c;
		unsigned step = msg_utf8_next(from + at, text->len - at, &c);

		if (step == 0 || msg_utf8_is_control(c))
			return false;
		at += step;
	}
	if (at > 0)
		memcpy(to, from, at);
	to[at] = '\0';
	return true;
}

static bool take(struct msg_announcement *a, const Msg__Announcement *message)
{
	memset(a, 0, sizeof *a);
	a->incarnation = message->incarnation;
	a->publisher = (uint32_t)message->incarnation;
	a->next_sequence = message->next_sequence;
	a->pid = message->has_pid ? message->pid : 0;
	a->uid = message->has_uid ? message->uid : 0;
	a->message_bytes_max = message->message_bytes_max;
	a->frame_bytes = message->frame_bytes;
	a->period_ms = message->period_ms;
	a->closing = message->has_closing && message->closing;
	return take_text(a->topic, MSG_TOPIC_BYTES_MAX, &message->topic) &&
	       take_text(a->host, MSG_ANNOUNCE_TEXT_MAX, &message->host) &&
	       take_text(
		       a->program, MSG_ANNOUNCE_TEXT_MAX, &message->program) &&
	       msg_name_is_topic(a->topic) && a->message_bytes_max >= 1 &&
	       a->message_bytes_max <= MSG_FRAGMENT_TOTAL_MAX &&
	       a->frame_bytes >= FRAME_BYTES_MIN &&
	       a->frame_bytes <= MSG_FRAME_BYTES_MAX &&
	       a->period_ms >= PERIOD_MS_MIN && a->period_ms <= PERIOD_MS_MAX;
}

bool msg_announce_unpack(struct msg_announcement *announcement,
	const uint8_t *body, size_t bytes)
{
	struct arena arena;
	ProtobufCAllocator allocator = {arena_alloc, arena_free, &arena};
	struct msg_announcement found;
	Msg__Announcement *message;

	if (bytes > MSG_ANNOUNCE_BYTES_MAX)
		return false;
	arena.used = 0;
	message = msg__announcement__unpack(&allocator, bytes, body);
	if (!message || !take(&found, message))
		return false;
	*announcement = found;
	return true;
}
