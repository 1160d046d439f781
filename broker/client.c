/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c - one connection and its conversation; see client.h.
 *
 * A client is never freed in the middle of a turn: whoever finds it broken says
 * so, and the server closes it when nobody holds a pointer to it any more.
 */
#include "broker/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/log.h"
#include "broker/server_internal.h"
#include "broker/types.h"

#include "base/clock.h"
#include "base/futex.h"
#include "base/trail.h"
#include "topic/name.h"

/* Frames read of one client in one turn. */
#define FRAMES_A_TURN 16
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
	free(c);
}

/* ---- saying ------------------------------------------------------------ */

/* Watch for room, as long as something waits for it; and for no more questions
 * while one is being answered. */
static void watch(struct client *c)
{
	bool answers = c->listing.active && !msg_socket_is_waiting(c->socket);
	bool writes = answers || msg_socket_wants_write(c->socket);
	struct epoll_event event = {
		.events = (c->listing.active ? 0u : EPOLLIN) |
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

void client_say(struct client *c, const struct msg_control *message,
	const int *fds, unsigned fd_count)
{
	struct msg_session *page = (struct msg_session *)c->page.base;
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
	watch(c);
	/* The message first, then word of it; a publisher looks at news behind
	 * a fence of its own. */
	msg_session_step(page);
	msg_fence(seq_cst);
	msg_futex_wake(&page->news);
}

void client_writable(struct client *c)
{
	if (msg_socket_flush(c->socket) < 0)
		c->broken = true;
	if (c->listing.active)
		server_list_more(c);
	watch(c);
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
	if (c->ring_count == CLIENT_RINGS_MAX)
		return msg_fail(MSG_ERROR_BUSY,
			"'%s' covers more than %u streams; narrow it",
			c->pattern, CLIENT_RINGS_MAX);
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

/* ---- what it asks for -------------------------------------------------- */

static void welcome(struct client *c, const struct msg_control_hello *hello)
{
	const struct server *server = c->server;
	const struct network *n = &server->network;
	struct msg_control message = {.kind = MSG_CONTROL_WELCOME};
	struct msg_control_welcome *w = &message.welcome;
	uint32_t frame = n->domain ? n->domain->frame_bytes : 16384;

	memset(w, 0, sizeof *w);
	w->version = MSG_CONTROL_VERSION;
	w->epoch = server->epoch;
	w->pid = (uint32_t)getpid();
	snprintf(w->name, sizeof w->name, "%s",
		config_text(server->options.config, CONFIG_NAME));
	w->frame_bytes = frame;
	w->publish_message_bytes_max = frame - 24;
	w->publish_loan_count_max = 256;
	w->publish_period_ms = 1000;
	w->reliable = true;
	w->types = true;
	w->connected = true;
	w->wishes = true;
	w->large = true;
	if (n->domain) {
		w->lane = n->domain->lane;
		snprintf(w->device, sizeof w->device, "%.63s",
			n->domain->device);
		snprintf(w->interface, sizeof w->interface, "%.63s",
			n->domain->interface);
		snprintf(w->address, sizeof w->address, "%.63s",
			n->domain->address);
		snprintf(w->groups, sizeof w->groups, "%s", n->groups_text);
		snprintf(w->reason, sizeof w->reason, "%.159s",
			n->domain->reason);
		w->port = n->port;
	}
	c->role = hello->role;
	peer_set_program(&c->peer, hello->program, strlen(hello->program));
	client_say(c, &message, &c->page.fd, 1);
}

/* Everything there is already, and what the pattern alone names. */
static int attach_all(struct client *c)
{
	struct server *server = c->server;
	int result = 0;

	if (!msg_name_is_pattern(c->pattern) && server->network.domain) {
		struct stream *stream =
			server_network_stream(
				server, c->pattern, &c->wish);

		result = stream ? client_attach(c, stream) : -MSG_ERROR_FABRIC;
	}
	for (struct stream *s = server->streams; s && result == 0; s = s->next)
		if (!(s->local && !s->owner) && client_wants(c, s->topic))
			result = client_attach(c, s);
	if (result == 0 && msg_name_is_pattern(c->pattern))
		server_offer_network(server, c);
	return result;
}

static int subscribe(struct client *c, const struct msg_control_subscribe *wish)
{
	struct msg_control message = {.kind = MSG_CONTROL_SUBSCRIBED};
	struct server *server = c->server;
	int result = msg_name_check_pattern(wish->pattern);

	if (result < 0)
		return result;
	if (c->role != MSG_CONTROL_SUBSCRIBER || *c->pattern)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"a connection subscribes once, if it said so in Hello");
	if (!msg_name_is_pattern(wish->pattern) &&
		!acl_may(&server->options.config->acl, wish->pattern,
			ACL_SUBSCRIBE, c->peer.uid, c->peer.groups,
			c->peer.group_count)) {
		log_say(LOG_RIGHT_REFUSED, "uid %u may not subscribe to '%s'",
			c->peer.uid, wish->pattern);
		return msg_fail(MSG_ERROR_DENIED,
			"uid %u may not subscribe to '%s'; ask who runs "
			"msgbrokerd for the right (msg.conf(5))",
			c->peer.uid, wish->pattern);
	}
	result = account_charge(server->accounts, c->peer.uid,
		ACCOUNT_SUBSCRIPTIONS, 1);
	if (result < 0)
		return result;
	snprintf(c->pattern, sizeof c->pattern, "%s", wish->pattern);
	c->wish = *wish;
	/* Of all feeds: a pattern may find topics in any, later. */
	for (uint32_t i = 0; wish->events && i < server->feed_count; i++)
		msg_receiver_tell(&server->feeds[i]->receiver);
	c->rings = calloc(CLIENT_RINGS_MAX, sizeof *c->rings);
	if (!c->rings)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for its rings");
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		    c->bell) < 0)
		return msg_fail(MSG_ERROR_MEMORY,
			"no descriptors for a doorbell: %s; raise LimitNOFILE "
			"of msgbrokerd",
			strerror(errno));
	result = attach_all(c);
	if (result < 0)
		return result;
	/* Writers first: what they publish once this subscriber knows that it is
	 * one is for it. */
	for (uint32_t i = 0; i < c->ring_count; i++)
		stream_tell(c->rings[i].stream);
	client_say(c, &message, &c->bell[1], 1);
	c->subscribed = true;
	types_tell_all(c);
	/* Not ours: so that its death is seen by whoever rings. */
	close(c->bell[1]);
	c->bell[1] = -1;
	for (uint32_t i = 0; i < c->ring_count; i++)
		stream_tell(c->rings[i].stream);
	return 0;
}

/* The first part says how large it is; the others follow in order. */
static int take_schema(struct client *c, const struct msg_control_schema *said)
{
	struct client_schema *schema = &c->schema;
	int result;

	if (c->role != MSG_CONTROL_PUBLISHER || c->publisher ||
		said->offset != schema->have ||
		(schema->bytes > 0 && (said->bytes != schema->bytes ||
					      said->hash != schema->hash)))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"parts of a schema come in order, before Publish");
	if (schema->bytes == 0) {
		result = account_charge(c->server->accounts, c->peer.uid,
			ACCOUNT_BYTES, said->bytes);
		if (result < 0)
			return result;
		schema->bytes = said->bytes;
		schema->hash = said->hash;
		schema->data = malloc(said->bytes);
		if (!schema->data)
			return msg_fail(
				MSG_ERROR_MEMORY, "no memory for a schema");
	}
	memcpy(schema->data + said->offset, said->part.data, said->part.bytes);
	schema->have += said->part.bytes;
	return 0;
}

/* A type has a name, an encoding, and a schema that was said; or none of it. */
static int check_type(
	const struct client *c, const struct msg_control_publish *wish)
{
	bool typed = wish->type_hash != 0;

	if ((*wish->type_name != '\0') == typed &&
		(wish->type_encoding > 0) == typed &&
		(c->schema.bytes > 0) == typed &&
		c->schema.have == c->schema.bytes &&
		c->schema.hash == wish->type_hash)
		return 0;
	return msg_fail(MSG_ERROR_ARGUMENT,
		"the type of '%s' lacks its name, encoding or schema",
		wish->topic);
}

static int publish(struct client *c, const struct msg_control_publish *wish)
{
	struct msg_control message = {.kind = MSG_CONTROL_PUBLISHING};
	struct server *server = c->server;
	int result = msg_name_check_topic(wish->topic);
	int fds[3];

	if (result == 0)
		result = check_type(c, wish);
	if (result < 0)
		return result;
	if (c->role != MSG_CONTROL_PUBLISHER || c->publisher)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"a connection publishes once, if it said so in Hello");
	if (!acl_may(&server->options.config->acl, wish->topic, ACL_PUBLISH,
		    c->peer.uid, c->peer.groups, c->peer.group_count)) {
		log_say(LOG_RIGHT_REFUSED, "uid %u may not publish '%s'",
			c->peer.uid, wish->topic);
		return msg_fail(MSG_ERROR_DENIED,
			"uid %u may not publish '%s'; ask who runs msgbrokerd "
			"for the right (msg.conf(5))",
			c->peer.uid, wish->topic);
	}
	result = account_charge(
		server->accounts, c->peer.uid, ACCOUNT_PUBLISHERS, 1);
	if (result < 0)
		return result;
	result = publisher_open(c, wish, &c->publisher);
	if (result < 0) {
		account_release(server->accounts, c->peer.uid,
			ACCOUNT_PUBLISHERS, 1);
		return result;
	}
	message.publishing = c->publisher->shape;
	fds[0] = c->publisher->stream->ring.fd;
	fds[1] = c->publisher->pool.fd;
	fds[2] = c->publisher->area.fd;
	client_say(c, &message, fds, fds[2] < 0 ? 2 : 3);
	return 0;
}

static int mapped(struct client *c)
{
	if (!c->publisher || c->mapped)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"Mapped comes once, after Publishing");
	c->mapped = true;
	return publisher_start(c->publisher);
}

static int list(struct client *c, const char *pattern)
{
	int result = server_list(c, pattern);

	watch(c);
	return result;
}

static int handle(struct client *c, const struct msg_control *m)
{
	if ((m->kind == MSG_CONTROL_HELLO) == (c->role != 0))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"a connection begins with Hello, and says it once");
	switch (m->kind) {
	case MSG_CONTROL_HELLO:
		welcome(c, &m->hello);
		return 0;
	case MSG_CONTROL_SUBSCRIBE:
		return subscribe(c, &m->subscribe);
	case MSG_CONTROL_PUBLISH:
		return publish(c, &m->publish);
	case MSG_CONTROL_MAPPED:
		return mapped(c);
	case MSG_CONTROL_WATCH:
		return list(c, m->watch.pattern);
	case MSG_CONTROL_SCHEMA:
		return take_schema(c, &m->schema);
	case MSG_CONTROL_DESCRIBE:
		types_describe(c, &m->describe);
		return 0;
	case MSG_CONTROL_STATS:
		return server_stats(c->server, c);
	default:
		/* Bye: what follows is the end of the connection. */
		if (c->publisher)
			publisher_bye(c->publisher, m->bye.next_sequence);
		return 0;
	}
}

void client_readable(struct client *c)
{
	struct msg_control_frame frame;
	struct msg_control message;

	for (int i = 0; i < FRAMES_A_TURN; i++) {
		int result;

		if (c->broken || c->listing.active)
			return;
		result = msg_socket_receive(c->socket, &frame);
		if (result == 0)
			return;
		if (result < 0) {
			if (result != -MSG_ERROR_FABRIC) {
				c->server->counts.broken++;
				log_say(LOG_PROTOCOL_BROKEN,
					"pid %d of uid %u: %s",
					(int)c->peer.pid, c->peer.uid,
					msg_trail_text());
			}
			c->broken = true;
			return;
		}
		result = msg_control_unpack(
			&message, MSG_CONTROL_CLIENT, &frame);
		msg_control_frame_close(&frame);
		if (result < 0)
			log_say(LOG_PROTOCOL_BROKEN, "pid %d of uid %u: %s",
				(int)c->peer.pid, c->peer.uid,
				msg_trail_text());
		else
			result = handle(c, &message);
		if (result < 0)
			client_refuse(c, result);
	}
}
