/* SPDX-License-Identifier: BSD-2-Clause */
/* session_link.c - a set of connections as two links; see session.h. */
#include "link/session_internal.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(MSG_CHANNEL_IOV_MAX == MSG_LINK_IOV_MAX,
	"a send of a link is one of a channel");

/* ---- sending ------------------------------------------------------------ */

/* On the way of each message: a call costs as much as what it does. */
#define INLINE inline __attribute__((always_inline))

static INLINE bool has_room(struct session_face *f)
{
	if (f->head - f->tail <= f->mask)
		return true;
	session_advance(f);
	return f->head - f->tail <= f->mask;
}

static INLINE bool is_full(const struct msg_session *s, const struct session_connection *c)
{
	return session_under_way(c) >= s->channels->send_count;
}

/* Whether all that are attached have room. */
static INLINE bool have_room(const struct msg_session *s)
{
	for (uint32_t i = 0; i < s->group_count; i++)
		if (is_full(s, &s->table[s->group[i]]))
			return false;
	return true;
}

static INLINE void post_on(struct session_face *f, enum session_face_name which,
	struct session_connection *c, const struct msg_link_send *send)
{
	struct msg_session *s = f->session;
	struct msg_channel_send out;

	/* All of them: a constant number is copied in line. */
	memcpy(out.iov, send->iov, sizeof out.iov);
	out.iov_count = send->iov_count;
	out.handle = c->channel;
	out.token = c->head;
	out.signal = true;
	out.region = NULL;
	/* Of one that breaks CLOSED follows; one that has no room after all
	 * asks for this again. */
	if (s->channels->ops->send(s->channels, &out) < 0) {
		s->counts.passed++;
		return;
	}
	if (session_under_way(c) == 0)
		c->moved = true;
	c->sends[c->head++ & (s->channels->send_count - 1)] =
		f->head << 1 | (uint32_t)which;
	f->flights[f->head & f->mask].pending++;
	s->under_way++;
}

static bool is_stalled(const struct session_connection *c)
{
	return session_under_way(c) > 0 && !c->moved &&
	       msg_clock_coarse_ns() - c->moved_ns > MSG_SESSION_STALL_NS;
}

static void begin_flight(struct session_face *f, uint32_t token)
{
	f->flights[f->head & f->mask] = (struct session_flight){.token = token};
}

/* To all, when all have room.  What is sent waits here for nothing else. */
static int stream_send(struct msg_link *link, const struct msg_link_send *send)
{
	struct session_face *f = session_face_of(link);
	struct msg_session *s = f->session;
	int result = 0;

	if (send->group != MSG_SESSION_ALL)
		return -MSG_ERROR_ARGUMENT;
	session_enter(s);
	if (!has_room(f) || !have_room(s)) {
		session_see(s);
		if (!has_room(f) || !have_room(s))
			result = -MSG_ERROR_AGAIN;
	}
	if (result == 0) {
		begin_flight(f, send->token);
		for (uint32_t i = 0; i < s->group_count; i++)
			post_on(f, SESSION_STREAM, &s->table[s->group[i]], send);
		f->head++;
	}
	session_leave(s);
	return result;
}

/* Does not wait for those that have been waited for already. */
static void post_aside(struct session_face *f, struct session_connection *c,
	const struct msg_link_send *send)
{
	struct msg_session *s = f->session;

	if (is_full(s, c) || is_stalled(c)) {
		s->counts.passed++;
		return;
	}
	post_on(f, SESSION_SIDE, c, send);
}

static struct session_connection *open_one(struct msg_session *s, uint32_t handle)
{
	struct session_connection *c = session_of_handle(s, handle);

	return c && c->state == SESSION_STATE_OPEN ? c : NULL;
}

/* Whether `side` may send to one, or to all: what is done may not have been seen. */
static bool side_has_room(struct session_face *f, uint32_t group)
{
	struct msg_session *s = f->session;
	struct session_connection *c = NULL;
	bool all = group == MSG_SESSION_ALL;

	if (!all)
		c = open_one(s, group);
	if (has_room(f) && (all ? have_room(s) : !c || !is_full(s, c)))
		return true;
	session_see(s);
	if (!has_room(f))
		return false;
	/* Of all, those that have none are passed over. */
	c = all ? NULL : open_one(s, group);
	return !c || !is_full(s, c) || is_stalled(c);
}

bool msg_session_has_room(struct msg_session *s, uint32_t group)
{
	bool result;

	session_enter(s);
	result = side_has_room(&s->faces[SESSION_SIDE], group);
	session_leave(s);
	return result;
}

static int side_send(struct msg_link *link, const struct msg_link_send *send)
{
	struct session_face *f = session_face_of(link);
	struct msg_session *s = f->session;
	bool all = send->group == MSG_SESSION_ALL;
	struct session_connection *c = NULL;
	int result = 0;

	session_enter(s);
	if (!side_has_room(f, send->group))
		result = -MSG_ERROR_AGAIN;
	if (!all)
		c = open_one(s, send->group);
	if (!all && !c)
		result = -MSG_ERROR_ARGUMENT;
	if (result == 0) {
		begin_flight(f, send->token);
		for (uint32_t i = 0; i < s->group_count && all; i++)
			post_aside(f, &s->table[s->group[i]], send);
		if (!all)
			post_aside(f, c, send);
		f->head++;
	}
	session_leave(s);
	return result;
}

static int face_flush(struct msg_link *link)
{
	(void)link;
	return 0;
}

/* ---- what else a link can ----------------------------------------------- */

static int stream_arm(struct msg_link *link)
{
	(void)link;
	return 0;
}

static int side_arm(struct msg_link *link)
{
	struct session_face *f = session_face_of(link);
	struct msg_session *s = f->session;
	int result = -MSG_ERROR_AGAIN;

	session_enter(s);
	session_advance(f);
	if (!f->news && s->news_count == 0 &&
		s->received_tail == s->received_head)
		result = s->channels->ops->arm(s->channels);
	session_leave(s);
	return result;
}

static int side_post(struct msg_link *link, void *buffer, uint32_t bytes,
	uint32_t token, bool more)
{
	struct msg_session *s = session_face_of(link)->session;
	int result;

	(void)more;
	session_enter(s);
	result = s->channels->ops->post(s->channels, buffer, bytes, token);
	session_leave(s);
	return result;
}

static int stream_post(struct msg_link *link, void *buffer, uint32_t bytes,
	uint32_t token, bool more)
{
	(void)link;
	(void)buffer;
	(void)bytes;
	(void)token;
	(void)more;
	return -MSG_ERROR_AGAIN;
}

static int face_name(struct msg_link *link, uint8_t *reach)
{
	struct msg_session *s = session_face_of(link)->session;
	int result;

	session_enter(s);
	result = s->channels->ops->name(s->channels, reach);
	session_leave(s);
	return result;
}

static int face_join(struct msg_link *link, const struct sockaddr *group,
	enum msg_link_join how, uint32_t *handle, char *text)
{
	(void)link;
	(void)group;
	(void)how;
	(void)text;
	*handle = MSG_SESSION_ALL;
	return 0;
}

static int face_reach(struct msg_link *link, const uint8_t *reach,
	uint32_t bytes, uint32_t *handle)
{
	(void)link;
	(void)reach;
	(void)bytes;
	(void)handle;
	return -MSG_ERROR_ARGUMENT;
}

static void face_leave(struct msg_link *link, uint32_t handle)
{
	msg_session_hang_up(session_face_of(link)->session, handle);
}

static void face_close(struct msg_link *link)
{
	msg_session_close(session_face_of(link)->session);
}

static const struct msg_link_ops ops[SESSION_FACES] = {
	[SESSION_STREAM] = {
		.join = face_join,
		.leave = face_leave,
		.name = face_name,
		.reach = face_reach,
		.post = stream_post,
		.send = stream_send,
		.flush = face_flush,
		.poll = session_stream_poll,
		.arm = stream_arm,
		.close = face_close,
	},
	[SESSION_SIDE] = {
		.join = face_join,
		.leave = face_leave,
		.name = face_name,
		.reach = face_reach,
		.post = side_post,
		.send = side_send,
		.flush = face_flush,
		.poll = session_side_poll,
		.arm = side_arm,
		.close = face_close,
	},
};

bool session_open_face(
	struct msg_session *s, enum session_face_name which, uint32_t count)
{
	struct session_face *f = &s->faces[which];
	uint32_t size = 1;

	while (size < count)
		size *= 2;
	f->session = s;
	f->mask = size - 1;
	f->flights = calloc(size, sizeof *f->flights);
	f->link = (struct msg_link){
		.ops = &ops[which],
		.fd = which == SESSION_SIDE ? s->channels->fd : -1,
		.receive_count =
			which == SESSION_SIDE ? s->channels->receive_count : 0,
		.send_count = size < s->channels->send_count
				      ? size
				      : s->channels->send_count,
	};
	return f->flights;
}
