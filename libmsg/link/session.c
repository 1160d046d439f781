/* SPDX-License-Identifier: BSD-2-Clause */
/* session.c - what happened on the connections of a session, and what its links say
 * of that; see session.h. */
#include "link/session_internal.h"

#include <assert.h>
#include <string.h>

#define EVENTS 64
/* Not part of what a look costs that finds nothing. */
#define APART __attribute__((noinline))
/* A message passes here: a call costs as much as what it does. */
#define INLINE inline __attribute__((always_inline))
/* Between looks for connections that take nothing; and whoever has not polled
 * for so long may not blame them. */
#define LOOK_NS (10 * MSG_NS_PER_MS)
#define FORGIVE_NS (100 * MSG_NS_PER_MS)

/* ---- connections -------------------------------------------------------- */

struct session_connection *session_of_handle(struct msg_session *s, uint32_t handle)
{
	uint32_t place = handle % SESSION_HANDLES;

	if (place >= s->table_count || s->table[place].handle != handle ||
		s->table[place].state == SESSION_STATE_FREE)
		return NULL;
	return &s->table[place];
}

/* One that the set knows. */
static INLINE struct session_connection *of_channel(struct msg_session *s, uint32_t channel)
{
	struct session_connection *c;
	uint32_t at = channel & 0xffff;

	if (at >= s->channels->connection_max ||
		s->by_channel[at] >= s->table_count)
		return NULL;
	c = &s->table[s->by_channel[at]];
	return c->channel == channel && c->state != SESSION_STATE_FREE &&
			       c->state != SESSION_STATE_ENDED
		       ? c
		       : NULL;
}

static void say(struct msg_session *s, struct session_connection *c, enum session_news news)
{
	s->news_count += c->unsaid == 0;
	c->unsaid |= (uint32_t)news;
}

struct session_connection *session_begin(
	struct msg_session *s, uint32_t channel, enum session_state state)
{
	struct session_connection *c = NULL;

	for (uint32_t i = 0; i < s->table_count && !c; i++)
		if (s->table[i].state == SESSION_STATE_FREE)
			c = &s->table[i];
	if (!c)
		return NULL;
	c->state = state;
	/* Never MSG_SESSION_ALL: its place is beyond the table. */
	c->handle += SESSION_HANDLES;
	c->channel = channel;
	c->unsaid = 0;
	c->attached = c->hung_up = c->moved = false;
	c->cookie = 0;
	c->head = c->tail = 0;
	c->greeting_bytes = 0;
	s->by_channel[channel & 0xffff] = (uint32_t)(c - s->table);
	return c;
}

void session_detach(struct msg_session *s, struct session_connection *c)
{
	uint32_t last;

	if (!c->attached)
		return;
	c->attached = false;
	last = s->group[--s->group_count];
	s->group[c->place] = last;
	s->table[last].place = c->place;
}

static void take_greeting(
	struct session_connection *c, const struct msg_channel_event *e)
{
	assert(e->bytes <= sizeof c->greeting);
	c->greeting_bytes = e->bytes;
	if (e->bytes > 0)
		memcpy(c->greeting, e->greeting, e->bytes);
}

/* ---- what happened ------------------------------------------------------ */

/* Sends of the connection up to `place` are done. */
static void done(struct msg_session *s, struct session_connection *c, uint32_t place)
{
	if (place - c->tail >= session_under_way(c))
		return;
	while (c->tail != place + 1) {
		uint32_t word = c->sends[c->tail++ &
					 (s->channels->send_count - 1)];
		struct session_face *face = &s->faces[word & 1];

		face->flights[word >> 1 & face->mask].pending--;
		s->under_way--;
	}
	c->moved = true;
}

/* Whether there is nothing to tell of what was there before. */
static INLINE bool is_told(const struct msg_session *s)
{
	return s->news_count == 0 && s->received_tail == s->received_head;
}

/* What is received by a poll, as long as nothing is to be told first. */
struct session_taken {
	struct msg_link_event *events;
	int room;
	int count;
};

/* Where the next message is noted. */
static INLINE struct msg_link_event *receive_place(
	struct msg_session *s, struct session_taken *taken)
{
	if (taken->count < taken->room && is_told(s))
		return &taken->events[taken->count++];
	assert(s->received_head - s->received_tail <= s->received_mask);
	return &s->received[s->received_head++ & s->received_mask];
}

static INLINE void receive(struct msg_session *s, const struct session_connection *c,
	const struct msg_channel_event *e, struct session_taken *taken)
{
	bool good = c && e->type == MSG_CHANNEL_RECEIVED;

	*receive_place(s, taken) = (struct msg_link_event){
		.type = good ? MSG_LINK_RECEIVED : MSG_LINK_RECEIVE_FAILED,
		.token = e->token,
		.bytes = good ? e->bytes : (uint32_t)e->error,
		.handle = c ? c->handle : MSG_SESSION_ALL,
	};
}

static void asked(struct msg_session *s, const struct msg_channel_event *e)
{
	struct session_connection *c = session_begin(s, e->handle, SESSION_STATE_ASKED);

	if (!c) {
		s->counts.refused++;
		s->channels->ops->hang_up(s->channels, e->handle);
		return;
	}
	take_greeting(c, e);
	say(s, c, SESSION_NEWS_ASKED);
}

static void closed(struct msg_session *s, struct session_connection *c)
{
	if (session_under_way(c) > 0)
		done(s, c, c->head - 1);
	session_detach(s, c);
	if (c->state == SESSION_STATE_OPEN && !c->hung_up)
		s->counts.closed++;
	c->state = SESSION_STATE_ENDED;
	say(s, c, SESSION_NEWS_CLOSED);
}

static APART void changed(struct msg_session *s,
	struct session_connection *c, const struct msg_channel_event *e)
{
	switch (e->type) {
	case MSG_CHANNEL_ASKED:
		asked(s, e);
		break;
	case MSG_CHANNEL_CONNECTED:
		if (!c)
			break;
		if (c->state == SESSION_STATE_CONNECTING)
			take_greeting(c, e);
		c->state = SESSION_STATE_OPEN;
		s->counts.connected++;
		say(s, c, SESSION_NEWS_CONNECTED);
		break;
	case MSG_CHANNEL_CLOSED:
		if (c)
			closed(s, c);
		break;
	default: /* Nothing here reads. */
		break;
	}
}

static INLINE void happened(struct msg_session *s,
	const struct msg_channel_event *e, struct session_taken *taken)
{
	struct session_connection *c = of_channel(s, e->handle);

	switch (e->type) {
	case MSG_CHANNEL_RECEIVED:
	case MSG_CHANNEL_RECEIVE_FAILED:
		receive(s, c, e, taken);
		break;
	case MSG_CHANNEL_SENT:
	case MSG_CHANNEL_SEND_FAILED:
		if (c)
			done(s, c, e->token);
		break;
	default:
		changed(s, c, e);
		break;
	}
}

/* Hang up on those that take nothing. */
static APART void end_stuck(struct msg_session *s)
{
	uint64_t now = msg_clock_coarse_ns();
	bool forgive = now - s->looked_ns > FORGIVE_NS;

	if (now - s->looked_ns < LOOK_NS)
		return;
	s->looked_ns = now;
	for (uint32_t i = 0; i < s->table_count; i++) {
		struct session_connection *c = &s->table[i];

		if (c->state != SESSION_STATE_OPEN || session_under_way(c) == 0)
			continue;
		if (forgive || c->moved)
			c->moved_ns = now;
		c->moved = false;
		if (c->hung_up || now - c->moved_ns <= s->stuck_ns)
			continue;
		c->hung_up = true;
		s->counts.stuck++;
		s->channels->ops->hang_up(s->channels, c->channel);
	}
}

/* See what happened; how many events, or a negated error. */
static INLINE int see(struct msg_session *s, struct session_taken *taken)
{
	struct msg_channel_event events[EVENTS];
	int n = s->channels->ops->poll(s->channels, events, EVENTS);

	for (int i = 0; i < n; i++)
		happened(s, &events[i], taken);
	if (s->under_way > 0)
		end_stuck(s);
	return n;
}

int session_see(struct msg_session *s)
{
	return see(s, &(struct session_taken){.room = 0});
}

/* ---- polling ------------------------------------------------------------ */

void session_advance(struct session_face *f)
{
	while (f->tail != f->head && f->flights[f->tail & f->mask].pending == 0) {
		f->newest = f->flights[f->tail++ & f->mask].token;
		f->news = true;
	}
}

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
	return !f->news && f->tail == f->head && is_told(f->session);
}

/* In order: who is new, what he said, that he has gone. */
static APART int give_rest(
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

int session_stream_poll(
	struct msg_link *link, struct msg_link_event *events, int count)
{
	struct session_face *f = session_face_of(link);
	int n;

	session_enter(f->session);
	n = session_see(f->session);
	if (n >= 0)
		n = give_sent(f, events, count);
	session_leave(f->session);
	return n;
}

int session_side_poll(
	struct msg_link *link, struct msg_link_event *events, int count)
{
	struct session_face *f = session_face_of(link);
	struct msg_session *s = f->session;
	struct session_taken taken = {.events = events, .room = count};
	int n, result;

	session_enter(s);
	result = see(s, &taken);
	n = taken.count;
	if (!is_quiet(f))
		n += give_rest(f, events + n, count - n);
	session_leave(s);
	return n == 0 && result < 0 ? result : n;
}
