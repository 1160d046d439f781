/* SPDX-License-Identifier: BSD-2-Clause */
/* session_connect.c - who is connected, and open and close; see session.h. */
#include "link/session_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- connections, as `side` has them ------------------------------------ */

int msg_session_connect(struct msg_session *s, const uint8_t *reach,
	uint32_t reach_bytes, const void *greeting, uint32_t greeting_bytes,
	uint64_t cookie, uint32_t *handle)
{
	struct session_connection *c = NULL;
	uint32_t channel;
	int result;

	session_enter(s);
	result = s->channels->ops->connect(s->channels, reach, reach_bytes,
		greeting, greeting_bytes, &channel);
	if (result == 0) {
		c = session_begin(s, channel, SESSION_STATE_CONNECTING);
		if (!c) {
			s->channels->ops->hang_up(s->channels, channel);
			result = -MSG_ERROR_AGAIN;
		}
	}
	if (c) {
		c->cookie = cookie;
		*handle = c->handle;
	}
	session_leave(s);
	return result;
}

uint32_t msg_session_greeting(
	struct msg_session *s, uint32_t handle, void *greeting)
{
	const struct session_connection *c;
	uint32_t bytes = 0;

	session_enter(s);
	c = session_of_handle(s, handle);
	if (c) {
		bytes = c->greeting_bytes;
		memcpy(greeting, c->greeting, bytes);
	}
	session_leave(s);
	return bytes;
}

int msg_session_accept(struct msg_session *s, uint32_t handle,
	const void *greeting, uint32_t greeting_bytes, uint64_t cookie)
{
	int result = -MSG_ERROR_ARGUMENT;
	struct session_connection *c;

	session_enter(s);
	c = session_of_handle(s, handle);
	if (c && c->state == SESSION_STATE_ASKED) {
		c->cookie = cookie;
		result = s->channels->ops->accept(
			s->channels, c->channel, greeting, greeting_bytes);
	}
	session_leave(s);
	return result;
}

void msg_session_attach(struct msg_session *s, uint32_t handle)
{
	struct session_connection *c;

	session_enter(s);
	c = session_of_handle(s, handle);
	if (c && c->state == SESSION_STATE_OPEN && !c->attached) {
		c->attached = true;
		c->place = s->group_count;
		s->group[s->group_count++] = (uint32_t)(c - s->table);
	}
	session_leave(s);
}

void msg_session_hang_up(struct msg_session *s, uint32_t handle)
{
	struct session_connection *c;

	session_enter(s);
	c = session_of_handle(s, handle);
	if (c && c->state != SESSION_STATE_ENDED) {
		c->hung_up = true;
		session_detach(s, c);
		s->channels->ops->hang_up(s->channels, c->channel);
	}
	session_leave(s);
}

uint64_t msg_session_cookie(struct msg_session *s, uint32_t handle)
{
	const struct session_connection *c;
	uint64_t cookie;

	session_enter(s);
	c = session_of_handle(s, handle);
	cookie = c ? c->cookie : 0;
	session_leave(s);
	return cookie;
}

uint32_t msg_session_find(
	struct msg_session *s, uint64_t cookie, uint32_t but)
{
	uint32_t found = MSG_SESSION_ALL;

	session_enter(s);
	for (uint32_t i = 0; i < s->table_count; i++)
		if (s->table[i].state == SESSION_STATE_OPEN && !s->table[i].hung_up &&
			s->table[i].cookie == cookie &&
			s->table[i].handle != but)
			found = s->table[i].handle;
	session_leave(s);
	return found;
}

/* ---- opening and closing ------------------------------------------------ */

struct msg_link *msg_session_stream(struct msg_session *s)
{
	return &s->faces[SESSION_STREAM].link;
}

struct msg_link *msg_session_side(struct msg_session *s)
{
	return &s->faces[SESSION_SIDE].link;
}

const struct msg_session_counts *msg_session_counts(
	const struct msg_session *s)
{
	return &s->counts;
}

static uint32_t power_of_two(uint32_t least)
{
	uint32_t power = 1;

	while (power < least)
		power *= 2;
	return power;
}

static bool open_tables(
	struct msg_session *s, const struct msg_session_options *options)
{
	const struct msg_channels *granted = s->channels;
	uint32_t size = power_of_two(granted->receive_count);

	/* Those that have ended may wait to be told of. */
	s->table_count = 2 * granted->connection_max;
	s->table = calloc(s->table_count, sizeof *s->table);
	s->by_channel =
		calloc(granted->connection_max, sizeof *s->by_channel);
	s->group = calloc(s->table_count, sizeof *s->group);
	s->sends = calloc((size_t)s->table_count * granted->send_count,
		sizeof *s->sends);
	s->received = calloc(size, sizeof *s->received);
	s->received_mask = size - 1;
	if (!s->table || !s->by_channel || !s->group || !s->sends ||
		!s->received ||
		!session_open_face(s, SESSION_STREAM,
			options->stream_count ? options->stream_count : 1) ||
		!session_open_face(s, SESSION_SIDE, options->side_count))
		return false;
	for (uint32_t i = 0; i < s->table_count; i++) {
		s->table[i].handle = i;
		s->table[i].sends =
			s->sends + (size_t)i * granted->send_count;
	}
	return true;
}

int msg_session_open(struct msg_link_domain *domain,
	const struct msg_channel_module *module,
	const struct msg_session_options *o, struct msg_session **session,
	char *text)
{
	struct msg_channels_options channels = {
		.memory = o->memory,
		.memory_bytes = o->memory_bytes,
		.headers = o->headers,
		.headers_bytes = o->headers_bytes,
		.receive_count = o->receive_count,
		.send_count = o->stream_count + o->side_count,
		.connection_max = o->connection_max,
		.listen = o->listen,
	};
	struct msg_session *s = calloc(1, sizeof *s);
	int result;

	if (!s) {
		snprintf(text, MSG_LINK_TEXT_BYTES, "no memory");
		return -MSG_ERROR_MEMORY;
	}
	s->stuck_ns = o->stuck_ns;
	s->alone = o->stream_count == 0;
	s->looked_ns = msg_clock_coarse_ns();
	result = module->open(domain, &channels, &s->channels, text);
	if (result == 0 && !open_tables(s, o)) {
		snprintf(text, MSG_LINK_TEXT_BYTES,
			"no memory for %u connections", o->connection_max);
		result = -MSG_ERROR_MEMORY;
	}
	if (result < 0) {
		msg_session_close(s);
		return result;
	}
	*session = s;
	return 0;
}

void msg_session_close(struct msg_session *s)
{
	if (s->channels)
		s->channels->ops->close(s->channels);
	for (int i = 0; i < SESSION_FACES; i++)
		free(s->faces[i].flights);
	free(s->received);
	free(s->sends);
	free(s->group);
	free(s->by_channel);
	free(s->table);
	free(s);
}
