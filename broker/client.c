/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c - one connection: its life, what it is told, and the rings that it
 * reads; see client.h.  What it asks for is client_ask.c's.
 *
 * A client is never freed in the middle of a turn: whoever finds it broken says
 * so, and the server closes it when nobody holds a pointer to it any more.
 */
#include "broker/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "broker/log.h"
#include "broker/server_internal.h"
#include "broker/types.h"

#include "base/clock.h"
#include "base/futex.h"
#include "base/trail.h"
#include "topic/name.h"

/* With fewer in hand a subscriber would not get far. */
#define HOLD_LEAST 16u

/* ---- life -------------------------------------------------------------- */

static int open_session(struct client *c)
{
	int result = msg_shm_segment_create(
		&c->page, "msg-session", MSG_SESSION_BYTES, 0);

	if (result < 0)
		return result;
	msg_session_start((struct msg_session *)c->page.base,
		c->server->epoch, (uint32_t)getpid());
	return msg_shm_segment_seal(&c->page, MSG_SHM_SEAL_READ_ONLY);
}

static void insert(struct client *c)
{
	struct server *server = c->server;

	c->next = server->clients;
	c->link = &server->clients;
	if (c->next)
		c->next->link = &c->next;
	server->clients = c;
	server->client_count++;
}

int client_open(struct server *server, int fd)
{
	struct client *c = calloc(1, sizeof *c);
	int result;

	if (!c)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a client");
	c->server = server;
	c->connected_ns = msg_clock_coarse_ns();
	c->page = (struct msg_shm_segment)MSG_SHM_SEGMENT;
	c->bell[0] = c->bell[1] = -1;
	c->events = EPOLLIN;
	result = peer_read(&c->peer, fd);
	if (result == 0)
		result = account_charge(server->accounts, c->peer.uid,
			ACCOUNT_CONNECTIONS, 1);
	if (result < 0)
		goto fail;
	result = open_session(c);
	if (result == 0)
		result = server_watch(server, fd, c);
	/* Last: from here on the descriptor is the socket's. */
	if (result == 0)
		result = msg_socket_open(fd, &c->socket);
	if (result < 0) {
		account_release(server->accounts, c->peer.uid,
			ACCOUNT_CONNECTIONS, 1);
		goto fail;
	}
	insert(c);
	server->counts.connections++;
	log_say(LOG_CLIENT_CONNECTED, "pid %d of uid %u connected",
		(int)c->peer.pid, c->peer.uid);
	return 0;
fail:
	msg_shm_segment_close(&c->page);
	peer_drop(&c->peer);
	free(c);
	return result;
}

static void leave_rings(struct client *c)
{
	while (c->ring_count > 0)
		client_detach(c, c->rings[c->ring_count - 1].stream);
	free(c->rings);
	if (*c->pattern)
		account_release(c->server->accounts, c->peer.uid,
			ACCOUNT_SUBSCRIPTIONS, 1);
}

void client_close(struct client *c)
{
	struct server *server = c->server;

	log_say(LOG_CLIENT_GONE, "pid %d of uid %u disconnected",
		(int)c->peer.pid, c->peer.uid);
	leave_rings(c);
	if (c->schema.bytes > 0) {
		account_release(server->accounts, c->peer.uid, ACCOUNT_BYTES,
			c->schema.bytes);
		free(c->schema.data);
	}
	if (c->publisher) {
		publisher_gone(c->publisher);
		account_release(server->accounts, c->peer.uid,
			ACCOUNT_PUBLISHERS, 1);
	}
	account_release(
		server->accounts, c->peer.uid, ACCOUNT_CONNECTIONS, 1);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	server->client_count--;
	for (int i = 0; i < 2; i++)
		if (c->bell[i] >= 0)
			close(c->bell[i]);
	msg_socket_close(c->socket);
	msg_shm_segment_close(&c->page);
	peer_drop(&c->peer);
	free(c->aside);
	free(c);
}

/* ---- saying ------------------------------------------------------------ */

void client_watch(struct client *c)
{
	bool answers = c->listing.active && !msg_socket_is_waiting(c->socket);
	bool writes = answers || msg_socket_wants_write(c->socket);
	struct epoll_event event = {
		.events = (client_is_unheard(c) ? 0u : EPOLLIN) |
			  (writes ? EPOLLOUT : 0u),
		.data.ptr = c,
	};

	if (event.events == c->events)
		return;
	if (epoll_ctl(c->server->epoll_fd, EPOLL_CTL_MOD,
		    msg_socket_fd(c->socket), &event) == 0)
		c->events = event.events;
}

bool client_has_room(const struct client *c)
{
	return !msg_socket_is_waiting(c->socket);
}

/* The message first, then word of it; a publisher looks at news behind a fence of
 * its own. */
static void step_news(struct client *c)
{
	struct msg_session *page = (struct msg_session *)c->page.base;

	msg_session_step(page);
	msg_fence(seq_cst);
	msg_futex_wake(&page->news);
}

void client_say(struct client *c, const struct msg_control *message,
	const int *fds, unsigned fd_count)
{
	int result;

	if (c->broken)
		return;
	result = msg_socket_say(c->socket, message, fds, fd_count);
	if (result < 0) {
		/* That it is gone is its own affair, and seen in its turn. */
		if (result != -MSG_ERROR_FABRIC) {
			log_say(LOG_PROTOCOL_BROKEN,
				"pid %d of uid %u is disconnected: %s",
				(int)c->peer.pid, c->peer.uid,
				msg_trail_text());
			c->server->counts.broken++;
		}
		c->broken = true;
		return;
	}
	client_watch(c);
	step_news(c);
}

void client_writable(struct client *c)
{
	bool waited = !client_has_room(c);

	if (msg_socket_flush(c->socket) < 0)
		c->broken = true;
	else if (waited && client_has_room(c))
		/* Who looked when it was said may have found nothing. */
		step_news(c);
	if (c->listing.active)
		server_list_more(c);
	client_watch(c);
}

void client_refuse(struct client *c, int code)
{
	struct msg_control message = {.kind = MSG_CONTROL_REFUSED};

	message.refused.code = (uint32_t)(code < 0 ? -code : code);
	snprintf(message.refused.text, sizeof message.refused.text, "%s",
		msg_trail_text());
	client_say(c, &message, NULL, 0);
	c->server->counts.refused++;
	c->broken = true;
}

void client_turn_away(int fd, int code)
{
	struct msg_control message = {.kind = MSG_CONTROL_REFUSED};
	struct msg_socket *socket;

	message.refused.code = (uint32_t)(code < 0 ? -code : code);
	snprintf(message.refused.text, sizeof message.refused.text, "%s",
		msg_trail_text());
	if (msg_socket_open(fd, &socket) < 0) {
		close(fd);
		return;
	}
	/* What does not go out at once is not worth waiting for. */
	(void)msg_socket_say(socket, &message, NULL, 0);
	msg_socket_close(socket);
}

/* ---- as a reader ------------------------------------------------------- */

void client_introduce(const struct client *c, struct msg_control_reader *reader)
{
	if (!c) {
		reader->pid = (uint32_t)getpid();
		reader->uid = (uint32_t)getuid();
		snprintf(reader->program, sizeof reader->program, "%s",
			"msgbrokerd");
		return;
	}
	reader->pid = (uint32_t)c->peer.pid;
	reader->uid = c->peer.uid;
	snprintf(reader->program, sizeof reader->program, "%.63s",
		c->peer.program);
}

int client_doorbell(const struct client *owner, const struct client *reader)
{
	return reader ? reader->bell[0] : owner->server->bell[0];
}

bool client_wants(const struct client *c, const char *topic)
{
	return *c->pattern && !c->broken && msg_name_match(c->pattern, topic) &&
	       acl_may(&c->server->options.config->acl, topic, ACL_SUBSCRIBE,
		       c->peer.uid, c->peer.groups, c->peer.group_count);
}

/* Not more than a part of what there is: the others want to hold some, too, and
 * a publisher with no slot left would stand still for one that gives nothing
 * back. */
static uint32_t hold_max(const struct client *c, const struct stream *stream)
{
	uint32_t most = stream->entry_count / 2;
	uint32_t slots = stream->local
				 ? publisher_loans(stream->owner->publisher) / 2
				 : c->server->slots / 4;

	if (most > slots)
		most = slots;
	return c->wish.hold_max < most ? c->wish.hold_max : most;
}

int client_has_place(const struct client *c)
{
	struct accounts *accounts = c->server->accounts;
	uint32_t least =
		c->wish.hold_max < HOLD_LEAST ? c->wish.hold_max : HOLD_LEAST;
	int result;

	if (c->ring_count == CLIENT_RINGS_MAX)
		return msg_fail(MSG_ERROR_BUSY,
			"'%s' covers more than %u streams; narrow it",
			c->pattern, CLIENT_RINGS_MAX);
	result = account_charge(
		accounts, c->peer.uid, ACCOUNT_HELD_SLOTS, least);
	if (result == 0)
		account_release(
			accounts, c->peer.uid, ACCOUNT_HELD_SLOTS, least);
	return result;
}

void client_leave_out(struct client *c, const char *topic)
{
	msg_session_leave_out((struct msg_session *)c->page.base);
	log_say(LOG_STREAM_LEFT_OUT, "pid %d of uid %u goes without '%s': %s",
		(int)c->peer.pid, c->peer.uid, topic, msg_trail_text());
}

int client_attach(struct client *c, struct stream *stream)
{
	struct accounts *accounts = c->server->accounts;
	uint64_t left = account_left(
		accounts, c->peer.uid, ACCOUNT_HELD_SLOTS);
	uint32_t hold = hold_max(c, stream);
	int reader;

	for (uint32_t i = 0; i < c->ring_count; i++)
		if (c->rings[i].stream == stream)
			return 0;
	reader = client_has_place(c);
	if (reader < 0)
		return reader;
	if (left < hold && left >= HOLD_LEAST)
		hold = (uint32_t)left;
	reader = account_charge(
		accounts, c->peer.uid, ACCOUNT_HELD_SLOTS, hold);
	if (reader < 0)
		return reader;
	reader = stream_add_reader(stream, c, hold,
		(enum msg_control_policy)c->wish.policy, c->ring_number);
	if (reader < 0) {
		account_release(
			accounts, c->peer.uid, ACCOUNT_HELD_SLOTS, hold);
		return reader;
	}
	if (!stream->local)
		feed_wish(stream->feed, stream);
	c->rings[c->ring_count++] = (struct client_ring){
		.stream = stream,
		.reader = (uint32_t)reader,
		.number = c->ring_number++,
	};
	if (stream->local && c->subscribed)
		types_tell(c, &stream->owner->publisher->source.text);
	return 0;
}

void client_detach(struct client *c, struct stream *stream)
{
	uint32_t i = 0;

	while (c->rings[i].stream != stream)
		i++;
	account_release(c->server->accounts, c->peer.uid, ACCOUNT_HELD_SLOTS,
		stream->readers[c->rings[i].reader].hold_max);
	stream_remove_reader(stream, c->rings[i].reader);
	c->rings[i] = c->rings[--c->ring_count];
	if (!stream->local)
		server_release_stream(c->server, stream);
}
