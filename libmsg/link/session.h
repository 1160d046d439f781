/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.h - a link made of connections, for who knows links.
 *
 * A session is a set of channels (channel.h) behind two links (link.h):
 *
 *                      ┌─ stream ─ send(ALL) ──> each attached connection
 *     its owner ───────┤
 *                      └─ side ─── send(ALL or one), post, poll: RECEIVED,
 *                                  ASKED, CONNECTED, CLOSED, arm
 *
 * A publisher listens, accepts who asks, attaches him to the group, and sends
 * data by `stream`; repairs and probes go out, and reports come in, by `side`.
 * A receiver connects, and has use for `side` only.  Both links may be used by
 * two threads at once: a lock in here keeps them apart, for channels know one
 * thread at a time.  Without `stream` there is none.
 *
 * What holds, beside what the two headers promise:
 *
 *   - A send to the group is SENT when each connection is done with it, or has
 *     ended.  Poll tells the newest that is, and it and all before it are.
 *   - `stream` sends to all attached or says AGAIN: where one has as much under
 *     way as it may, the sender waits.  A connection that takes nothing for
 *     `stuck_ns` while something is under way is ended, and counted; so nobody
 *     waits longer.
 *   - `side` waits for nobody: who takes nothing for STALL_NS is passed over,
 *     counted; what was for him is one loss more.  A send to all passes over who
 *     has as much under way as he may, too; one to him alone says AGAIN.
 *   - Handles are the session's own.  CLOSED comes behind all that was received
 *     by that handle, and is the last of it.
 *   - A cookie is the caller's, one a connection.
 *
 * Neighbours: called by engine/ and api/; calls a channel module.
 * Test: tests/channel/session.c.
 */
#ifndef MSG_LINK_SESSION_H
#define MSG_LINK_SESSION_H

#include "link/channel.h"
#include "link/link.h"

/* The group of all that are attached. */
#define MSG_SESSION_ALL UINT32_MAX
#define MSG_SESSION_STALL_NS 10000000u

struct msg_session_options {
	void *memory; /* Of channel.h, as `headers` is. */
	size_t memory_bytes;
	void *headers;
	size_t headers_bytes;
	uint32_t receive_count;
	uint32_t stream_count;   /* Sends of `stream` under way; 0: none. */
	uint32_t side_count;     /* Of `side`. */
	uint32_t connection_max;
	uint64_t stuck_ns;
	bool listen;
};

/* Read at any time. */
struct msg_session_counts {
	uint64_t connected; /* Connections that came about. */
	uint64_t closed;    /* Of these, those that ended though nobody here
	                       hung up. */
	uint64_t refused;   /* Asked, and there was no place. */
	uint64_t stuck;     /* Ended, for they took nothing. */
	uint64_t passed;    /* Sends of `side` that one did not get. */
};

struct msg_session;

/* 0, or a negated enum msg_error with the reason in `text`, MSG_LINK_TEXT_BYTES
 * of it. */
int msg_session_open(struct msg_link_domain *domain,
	const struct msg_channel_module *module,
	const struct msg_session_options *options, struct msg_session **session,
	char *text);
/* Ends all connections, and both links with them. */
void msg_session_close(struct msg_session *session);

struct msg_link *msg_session_stream(struct msg_session *session);
struct msg_link *msg_session_side(struct msg_session *session);
const struct msg_session_counts *msg_session_counts(
	const struct msg_session *session);

/* ---- for who uses `side` ------------------------------------------------ */

/* Ask for a connection: CONNECTED or CLOSED follows.  As connect of channel.h. */
int msg_session_connect(struct msg_session *session, const uint8_t *reach,
	uint32_t reach_bytes, const void *greeting, uint32_t greeting_bytes,
	uint64_t cookie, uint32_t *handle);
/* What the other end of a handle said: who ASKED, or of CONNECTED the answer,
 * MSG_CHANNEL_GREETING_BYTES_MAX of room.  Its bytes; 0 too of no such handle. */
uint32_t msg_session_greeting(
	struct msg_session *session, uint32_t handle, void *greeting);
/* Answer who ASKED; CONNECTED or CLOSED follows. */
int msg_session_accept(struct msg_session *session, uint32_t handle,
	const void *greeting, uint32_t greeting_bytes, uint64_t cookie);
/* Sends to the group go to it, too, from now on. */
void msg_session_attach(struct msg_session *session, uint32_t handle);
/* Whether a send of `side` to that one, or to all, would not say AGAIN. */
bool msg_session_has_room(struct msg_session *session, uint32_t group);
/* CLOSED follows. */
void msg_session_hang_up(struct msg_session *session, uint32_t handle);
/* 0: no such handle. */
uint64_t msg_session_cookie(struct msg_session *session, uint32_t handle);
/* The handle with this cookie that is connected and not `but`;
 * MSG_SESSION_ALL: there is none. */
uint32_t msg_session_find(
	struct msg_session *session, uint64_t cookie, uint32_t but);

#endif
