/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client_ask.c - what a client asks for, and the answers: the conversation of
 * client.h from Hello on.
 *
 * All of it is a stranger's: a message out of turn, without the right, or above a
 * quota, is refused in words, and the connection ends.
 *
 * Neighbours: called by server.c's loop; calls publisher.c, listing.c, types.c and,
 * for streams, server_internal.h.
 */
#include "broker/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/log.h"
#include "broker/server_internal.h"
#include "broker/types.h"

#include "base/trail.h"
#include "topic/name.h"

/* Frames read of one client in one turn. */
#define FRAMES_A_TURN 16

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
	c->patient = hello->patient;
	peer_set_program(&c->peer, hello->program, strlen(hello->program));
	client_say(c, &message, &c->page.fd, 1);
}

/* Everything there is already, and what the pattern alone names. */
static int attach_all(struct client *c)
{
	struct server *server = c->server;
	bool pattern = msg_name_is_pattern(c->pattern);
	int result = client_has_place(c);

	if (result == 0 && !pattern && server->network.domain) {
		struct stream *stream =
			server_network_stream(
				server, c->pattern, &c->wish);

		result = stream ? client_attach(c, stream) : -MSG_ERROR_FABRIC;
		/* It was made for this one. */
		if (stream && stream->reader_count == 0)
			server_release_stream(server, stream);
	}
	for (struct stream *s = server->streams; s && result == 0; s = s->next) {
		if ((s->local && !s->owner) || !client_wants(c, s->topic))
			continue;
		result = client_attach(c, s);
		if (result < 0 && pattern) {
			client_leave_out(c, s->topic);
			result = 0;
		}
	}
	if (result == 0 && pattern)
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

	client_watch(c);
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

static bool wants_connections(const struct msg_control *m)
{
	switch (m->kind) {
	case MSG_CONTROL_SUBSCRIBE:
		return m->subscribe.large_bytes_max > 0;
	case MSG_CONTROL_PUBLISH:
		return m->publish.reliability == MSG_RELIABILITY_RC ||
		       m->publish.large_bytes_max > 0;
	default:
		return false;
	}
}

static int put_aside(struct client *c, const struct msg_control *m)
{
	static const struct msg_control under_way = {
		.kind = MSG_CONTROL_UNDER_WAY};

	c->aside = malloc(sizeof *c->aside);
	if (!c->aside)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a request");
	*c->aside = *m;
	if (c->patient)
		client_say(c, &under_way, NULL, 0);
	client_watch(c);
	return 0;
}

void client_go_on(struct client *c)
{
	struct msg_control *m = c->aside;
	int result;

	c->aside = NULL;
	result = handle(c, m);
	free(m);
	if (result < 0)
		client_refuse(c, result);
	client_watch(c);
	/* Some of it may have been read with that. */
	client_readable(c);
}

void client_readable(struct client *c)
{
	struct msg_control_frame frame;
	struct msg_control message;

	for (int i = 0; i < FRAMES_A_TURN; i++) {
		int result;

		if (c->broken || client_is_unheard(c))
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
		else if (wants_connections(&message) &&
			 !finder_ask(&c->server->finder))
			result = put_aside(c, &message);
		else
			result = handle(c, &message);
		if (result < 0)
			client_refuse(c, result);
	}
}
