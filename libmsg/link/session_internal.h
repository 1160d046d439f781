/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_internal.h - what session.c (what happened on connections), session_link.c
 * (the two links) and session_connect.c (who is connected; open and close) say to
 * each other.  All of it is done inside the lock.
 */
#ifndef MSG_LINK_SESSION_INTERNAL_H
#define MSG_LINK_SESSION_INTERNAL_H

#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "link/session.h"

/* Handles of one place in the table are so far apart. */
#define SESSION_HANDLES 65536u

enum session_state {
	SESSION_STATE_FREE,
	SESSION_STATE_CONNECTING,
	SESSION_STATE_ASKED,
	SESSION_STATE_OPEN,
	SESSION_STATE_ENDED, /* And `side` has not been told yet. */
};

enum session_news {
	SESSION_NEWS_ASKED = 1,
	SESSION_NEWS_CONNECTED = 2,
	SESSION_NEWS_CLOSED = 4,
};

struct session_connection {
	enum session_state state;
	uint32_t handle;  /* Ours, … */
	uint32_t channel; /* … and that of the set. */
	uint32_t unsaid;  /* Bits of enum session_news. */
	uint32_t place;   /* In the group, if attached. */
	bool attached;
	bool hung_up;     /* By us. */
	uint64_t cookie;
	/* When it took something last, or was idle: at the next look for who is
	 * stuck, or else then. */
	bool moved;
	uint64_t moved_ns;
	/* What is under way: flights, in order. */
	uint32_t head, tail;
	uint32_t *sends;
	uint32_t greeting_bytes;
	uint8_t greeting[MSG_CHANNEL_GREETING_BYTES_MAX];
};

/* A send by one of the links, which may be on several connections. */
struct session_flight {
	uint32_t token;
	uint32_t pending; /* Connections not done with it. */
};

/* One of the two links. */
struct session_face {
	struct msg_link link; /* First. */
	struct msg_session *session;
	struct session_flight *flights;
	uint32_t mask, head, tail;
	bool news;       /* `newest` is to be told. */
	uint32_t newest; /* Token: it and all before are done. */
};

enum session_face_name { SESSION_STREAM, SESSION_SIDE, SESSION_FACES };

struct msg_session {
	struct session_face faces[SESSION_FACES];
	struct msg_channels *channels;
	bool alone; /* No `stream`: one thread, and nothing to lock. */
	_Atomic uint32_t lock;
	uint32_t under_way; /* Sends, on all connections. */
	struct session_connection *table;
	uint32_t table_count;
	uint32_t *by_channel; /* Place in the table, by that in the set. */
	uint32_t *sends;
	uint32_t *group; /* Places of those attached. */
	uint32_t group_count;
	uint32_t news_count; /* Connections with something unsaid. */
	/* Received, in order: a buffer each, so no more than were posted. */
	struct msg_link_event *received;
	uint32_t received_mask, received_head, received_tail;
	uint64_t stuck_ns;
	uint64_t looked_ns;
	struct msg_session_counts counts;
};

static inline struct session_face *session_face_of(struct msg_link *link)
{
	return (struct session_face *)link;
}

static inline void session_enter(struct msg_session *s)
{
	while (!s->alone && atomic_exchange_explicit(
				    &s->lock, 1, memory_order_acquire))
		sched_yield();
}

static inline void session_leave(struct msg_session *s)
{
	atomic_store_explicit(&s->lock, 0, memory_order_release);
}

/* Sends on a connection that are not done. */
static inline uint32_t session_under_way(const struct session_connection *c)
{
	return c->head - c->tail;
}

/* session.c: one that `side` may still hear of; NULL: no such handle. */
struct session_connection *session_of_handle(
	struct msg_session *s, uint32_t handle);
/* session.c: a place for a channel of the set; NULL: there is none. */
struct session_connection *session_begin(
	struct msg_session *s, uint32_t channel, enum session_state state);
/* session.c: out of the group. */
void session_detach(struct msg_session *s, struct session_connection *c);
/* session.c: see what happened; how many events, or a negated error. */
int session_see(struct msg_session *s);
/* session.c: see what is done. */
void session_advance(struct session_face *f);
/* session.c: `poll` of the two links. */
int session_stream_poll(
	struct msg_link *link, struct msg_link_event *events, int count);
int session_side_poll(
	struct msg_link *link, struct msg_link_event *events, int count);
/* session_link.c: false: no memory. */
bool session_open_face(
	struct msg_session *s, enum session_face_name which, uint32_t count);

#endif
