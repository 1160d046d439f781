/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * announce.c - announcements between protobuf and struct; see announce.h.
 *
 * Unpacking allocates from an arena on our stack (base/arena.h), so a datagram
 * can cost no memory and at most the time to read 900 bytes.  4 KiB holds the
 * largest honest announcement with room for some thirty fields that later
 * versions may add.
 */
#include "topic/announce.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "protocol/fragment.h"
#include "protocol/frame.h"

#include "control.pb-c.h"

#define ARENA_BYTES 4096u
#define FRAME_BYTES_MIN 256u
#define PERIOD_MS_MIN 10u
#define PERIOD_MS_MAX 60000u
#define ENCODING_MAX 255u
#define GIVE_UP_MS_MAX 60000u

static ProtobufCBinaryData as_bytes(char *text, size_t bytes)
{
	return (ProtobufCBinaryData){bytes, (uint8_t *)text};
}

static ProtobufCBinaryData as_reach(const struct msg_reach *reach)
{
	return (ProtobufCBinaryData){
		reach->bytes, (uint8_t *)(uintptr_t)reach->data};
}

static void pack_type(
	const struct msg_announced_type *type, Msg__Announcement *message)
{
	if (!*type->name)
		return;
	assert(type->encoding > 0 && type->encoding <= ENCODING_MAX);
	assert(type->hash != 0 && type->reach.bytes > 0);
	message->has_type_name = message->has_type_encoding = 1;
	message->has_type_hash = message->has_type_reach = 1;
	message->type_name = (ProtobufCBinaryData){
		strlen(type->name), (uint8_t *)(uintptr_t)type->name};
	message->type_encoding = type->encoding;
	message->type_hash = type->hash;
	message->type_reach = as_reach(&type->reach);
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
	message.host =
		as_bytes(host, msg_text_clean(host, a->host, sizeof host));
	message.program = as_bytes(program,
		msg_text_clean(program, a->program, sizeof program));
	message.has_pid = message.has_uid = 1;
	message.pid = a->pid;
	message.uid = a->uid;
	message.has_closing = message.closing = a->closing;
	message.has_reliable = message.reliable = a->reliable;
	message.has_connect = a->connect.bytes > 0;
	message.connect = (ProtobufCBinaryData){
		a->connect.bytes, (uint8_t *)(uintptr_t)a->connect.data};
	message.has_give_up_ms = a->connect.bytes > 0 && a->give_up_ms > 0;
	message.give_up_ms = a->give_up_ms;
	message.has_reach = a->reach.bytes > 0;
	message.reach.len = a->reach.bytes;
	message.reach.data = (uint8_t *)(uintptr_t)a->reach.data;
	pack_type(&a->type, &message);

	assert(msg__announcement__get_packed_size(&message) <=
		MSG_ANNOUNCE_BYTES_MAX);
	return msg__announcement__pack(&message, body);
}

static bool take_text(char *to, size_t max, const ProtobufCBinaryData *text)
{
	return msg_text_take(to, max, text->data, text->len);
}

static bool take_reach(
	struct msg_reach *to, const ProtobufCBinaryData *reach)
{
	if (reach->len > MSG_REACH_BYTES_MAX)
		return false;
	to->bytes = (uint8_t)reach->len;
	if (reach->len > 0)
		memcpy(to->data, reach->data, reach->len);
	return true;
}

/* Nobody is connected to without being reliable. */
static bool take_connect(
	struct msg_announcement *a, const Msg__Announcement *message)
{
	if (message->has_connect &&
		(message->connect.len < 1 || !a->reliable ||
			!take_reach(&a->connect, &message->connect)))
		return false;
	a->give_up_ms = message->has_connect && message->has_give_up_ms
				? message->give_up_ms
				: 0;
	return a->give_up_ms <= GIVE_UP_MS_MAX;
}

static bool take_type(
	struct msg_announced_type *type, const Msg__Announcement *message)
{
	int said = message->has_type_name + message->has_type_encoding +
		   message->has_type_hash + message->has_type_reach;

	if (said == 0)
		return true;
	type->encoding = message->type_encoding;
	type->hash = message->type_hash;
	return said == 4 && type->hash != 0 && type->encoding > 0 &&
	       type->encoding <= ENCODING_MAX && message->type_name.len > 0 &&
	       message->type_reach.len > 0 &&
	       take_text(type->name, MSG_ANNOUNCE_TYPE_MAX,
		       &message->type_name) &&
	       take_reach(&type->reach, &message->type_reach);
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
	a->reliable = message->has_reliable && message->reliable;
	return take_connect(a, message) &&
	       take_text(a->topic, MSG_TOPIC_BYTES_MAX, &message->topic) &&
	       take_text(a->host, MSG_ANNOUNCE_TEXT_MAX, &message->host) &&
	       take_text(
		       a->program, MSG_ANNOUNCE_TEXT_MAX, &message->program) &&
	       take_reach(&a->reach, &message->reach) &&
	       take_type(&a->type, message) &&
	       msg_name_is_topic(a->topic) && a->message_bytes_max >= 1 &&
	       a->message_bytes_max <= MSG_FRAGMENT_TOTAL_MAX &&
	       a->frame_bytes >= FRAME_BYTES_MIN &&
	       a->frame_bytes <= (a->connect.bytes > 0 ? MSG_FRAME_WHOLE_MAX
						       : MSG_FRAME_BYTES_MAX) &&
	       a->period_ms >= PERIOD_MS_MIN && a->period_ms <= PERIOD_MS_MAX;
}

bool msg_announce_unpack(struct msg_announcement *announcement,
	const uint8_t *body, size_t bytes)
{
	alignas(max_align_t) uint8_t room[ARENA_BYTES];
	struct msg_arena arena = {room, sizeof room, 0};
	ProtobufCAllocator allocator = {
		msg_arena_alloc, msg_arena_free, &arena};
	struct msg_announcement found;
	Msg__Announcement *message;

	if (bytes > MSG_ANNOUNCE_BYTES_MAX)
		return false;
	message = msg__announcement__unpack(&allocator, bytes, body);
	if (!message || !take(&found, message))
		return false;
	*announcement = found;
	return true;
}
