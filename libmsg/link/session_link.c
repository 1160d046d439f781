/* SPDX-License-Identifier: BSD-2-Clause */
/* session_link.c - a set of connections as two links; see session.h. */
#include "link/session_parts.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(MSG_CHANNEL_IOV_MAX == MSG_LINK_IOV_MAX,
	"a send of a link is one of a channel");

/* ---- sending ------------------------------------------------------------ */

static struct session_face *face_of(struct msg_link *link)
{
	return (struct session_face *)link;
}

/* On the way of each message: a call costs as much as what it does. */
#define INLINE inline __attribute__((always_inline))

static INLINE bool is_stream(const struct session_face *f)
{
	return f == &f->session->faces[SESSION_STREAM];
}

void session_advance(struct session_face *f)
{
	while (f->tail != f->head && f->flights[f->tail & f->mask].pending == 0) {
		f->newest = f->flights[f->tail++ & f->mask].token;
		f->news = true;
	}
}

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

/* `stream` sends when all that are attached have room. */
static INLINE bool may_send(struct session_face *f)
{
	const struct msg_session *s = f->session;

	if (!has_room(f))
		return false;
	for (uint32_t i = 0; i < s->group_count && is_stream(f); i++)
		if (is_full(s, &s->table[s->group[i]]))
			return false;
	return true;
}

static INLINE void post_on(struct session_face *f, struct session_connection *c,
	const struct msg_link_send *send)
{
	struct msg_session *s = f->session;
	struct msg_channel_send out;
	uint32_t word = (f->head << 1) | (uint32_t)(f - s->faces);

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
	c->sends[c->head++ & (s->channels->send_count - 1)] = word;
	f->flights[f->head & f->mask].pending++;
	s->under_way++;
}

static bool is_stalled(const struct session_connection *c)
{
	return session_under_way(c) > 0 && !c->moved &&
	       msg_clock_coarse_ns() - c->moved_ns > MSG_SESSION_STALL_NS;
}

/* `side` does not wait for those that have been waited for already. */
static __attribute__((noinline)) void post_aside(struct session_face *f, struct session_connection *c,
	const struct msg_link_send *send)
{
	struct msg_session *s = f->session;

	if (is_full(s, c) || is_stalled(c)) {
		s->counts.passed++;
		return;
	}
	post_on(f, c, send);
}

static INLINE void post_to_all(struct session_face *f, const struct msg_link_send *send)
{
	struct msg_session *s = f->session;

	for (uint32_t i = 0; i < s->group_count; i++) {
		struct session_connection *c = &s->table[s->group[i]];

		if (is_stream(f))
			post_on(f, c, send);
		else
			post_aside(f, c, send);
	}
}

static int face_send(struct msg_link *link, const struct msg_link_send *send)
{
	struct session_face *f = face_of(link);
	struct msg_session *s = f->session;
	bool all = send->group == MSG_SESSION_ALL;
	struct session_connection *c = NULL;
	int result = 0;

	session_enter(s);
	if (!may_send(f)) {
		session_see(s);
		if (!may_send(f))
			result = -MSG_ERROR_AGAIN;
	}
	if (!all)
		c = session_of_handle(s, send->group);
	if (!all && (!c || c->state != SESSION_STATE_OPEN))
		result = -MSG_ERROR_ARGUMENT;
	if (result == 0) {
		f->flights[f->head & f->mask] =
			(struct session_flight){.token = send->token};
		if (all)
			post_to_all(f, send);
		else
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

/* ---- polling ------------------------------------------------------------ */

static int give_sent(struct session_face *f, struct msg_link_event *events, int count)
{
	session_advance(f);
	if (!f->news || count < 1)
		return 0;
	f->news = false;
	events[0] = (struct msg_link_event){
		.type = MSG_LINK_SENT, .token = f->newest};
	return 1;
}

/* What is new of connections, of these kinds. */
static int give_news(struct msg_session *s, uint32_t which,
	struct msg_link_event *events, int count)
{
	static const uint32_t types[] = {
		[SESSION_NEWS_ASKED] = MSG_LINK_ASKED,
		[SESSION_NEWS_CONNECTED] = MSG_LINK_CONNECTED,
		[SESSION_NEWS_CLOSED] = MSG_LINK_CLOSED,
	};
	int n = 0;

	for (uint32_t i = 0; s->news_count > 0 && i < s->table_count; i++) {
		struct session_connection *c = &s->table[i];

		for (uint32_t bit = 1; bit <= SESSION_NEWS_CLOSED && n < count; bit *= 2) {
			if (!(c->unsaid & which & bit))
				continue;
			c->unsaid &= ~bit;
			s->news_count -= c->unsaid == 0;
			events[n++] = (struct msg_link_event){
				.type = types[bit], .handle = c->handle};
			if (bit == SESSION_NEWS_CLOSED)
				c->state = SESSION_STATE_FREE;
		}
	}
	return n;
}

static int give_received(
	struct msg_session *s, struct msg_link_event *events, int count)
{
	int n = 0;

	while (n < count && s->received_tail != s->received_head)
		events[n++] =
			s->received[s->received_tail++ & s->received_mask];
	return n;
}

/* Whether there is nothing to tell but what was just taken. */
static bool is_quiet(const struct session_face *f)
{
	return !f->news && f->tail == f->head && session_told(f->session);
}

/* In order: who is new, what he said, that he has gone. */
static __attribute__((noinline)) int give_rest(
	struct session_face *f, struct msg_link_event *events, int count)
{
	struct msg_session *s = f->session;
	int n = give_sent(f, events, count);

	n += give_news(s, SESSION_NEWS_ASKED | SESSION_NEWS_CONNECTED,
		events + n, count - n);
	n += give_received(s, events + n, count - n);
	if (s->received_tail == s->received_head)
		n += give_news(s, SESSION_NEWS_CLOSED, events + n, count - n);
	return n;
}

static int stream_poll(
	struct msg_link *link, struct msg_link_event *events, int count)
{
	struct session_face *f = face_of(link);
	int n;

	session_enter(f->session);
	n = session_see(f->session);
	if (n >= 0)
		n = give_sent(f, events, count);
	session_leave(f->session);
	return n;
}

static int side_poll(
	struct msg_link *link, struct msg_link_event *events, int count)
{
	struct session_face *f = face_of(link);
	struct msg_session *s = f->session;
	struct session_taken taken = {.events = events, .room = count};
	int n, result;

	session_enter(s);
	result = session_pump(s, &taken);
	n = taken.count;
	if (!is_quiet(f))
		n += give_rest(f, events + n, count - n);
	session_leave(s);
	return n == 0 && result < 0 ? result : n;
}

static int stream_arm(struct msg_link *link)
{
	(void)link;
	return 0;
}

static int side_arm(struct msg_link *link)
{
	struct session_face *f = face_of(link);
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
	struct msg_session *s = face_of(link)->session;
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
	struct msg_session *s = face_of(link)->session;
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
	msg_session_hang_up(face_of(link)->session, handle);
}

static void face_close(struct msg_link *link)
{
	msg_session_close(face_of(link)->session);
}

static const struct msg_link_ops ops[SESSION_FACES] = {
	[SESSION_STREAM] = {
		.join = face_join,
		.leave = face_leave,
		.name = face_name,
		.reach = face_reach,
		.post = stream_post,
		.send = face_send,
		.flush = face_flush,
		.poll = stream_poll,
		.arm = stream_arm,
		.close = face_close,
	},
	[SESSION_SIDE] = {
		.join = face_join,
		.leave = face_leave,
		.name = face_name,
		.reach = face_reach,
		.post = side_post,
		.send = face_send,
		.flush = face_flush,
		.poll = side_poll,
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
