/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * offer.c - who is offered which stream: when a topic is announced, a local
 * publisher appears, a subscriber comes, or the last one leaves.
 *
 * A stream of the network is made for the first who wants it, and goes with the
 * last; one of a local publisher is its publisher's.
 *
 * Neighbours: called by network.c (announcements), publisher.c and client.c; calls
 * stream.c, feed.c and client.c.
 */
#include "broker/server_internal.h"

#include <string.h>

#include "broker/client.h"
#include "broker/log.h"

#include "base/trail.h"

#define RING_ENTRIES_MIN 1024u

struct stream *server_network_stream(struct server *server, const char *topic,
	const struct msg_control_subscribe *wish)
{
	uint32_t class = acl_class(&server->options.config->acl, topic);
	uint32_t entries = RING_ENTRIES_MIN;
	struct stream *s;

	for (s = server->streams; s; s = s->next)
		if (!s->local && strcmp(s->topic, topic) == 0)
			return s;
	/* As many entries as slots: it is never full. */
	while (entries < server->slots)
		entries *= 2;
	if (stream_open(&s, &server->streams, topic, entries) < 0)
		return NULL;
	s->acl_class = class;
	if (feed_add(server->feeds[class], s, server->epoch, wish) == 0)
		return s;
	stream_close(s);
	return NULL;
}

void server_release_stream(struct server *server, struct stream *stream)
{
	if (stream->reader_count > 0) {
		feed_wish(stream->feed, stream);
		return;
	}
	feed_remove(server->feeds[stream->acl_class], stream);
	stream_close(stream);
}

void server_drop_readers(struct server *server, struct stream *stream)
{
	for (uint32_t i = 0; i < stream->reader_top; i++) {
		struct client *client = stream->readers[i].client;
		struct msg_control message = {.kind = MSG_CONTROL_RING_GONE};

		if (!stream->readers[i].used || !client)
			continue;
		message.ring_gone.number = stream->readers[i].number;
		message.ring_gone.left = stream->left;
		if (stream->readers[i].client_knows && !server->ending)
			client_say(client, &message, NULL, 0);
		client_detach(client, stream);
	}
}

static void offer_to(struct stream *stream, struct client *client)
{
	int result;

	if (!client_wants(client, stream->topic))
		return;
	result = client_attach(client, stream);
	if (result == 0)
		return;
	/* Rather no subscription than one that misses a stream unseen. */
	log_say(LOG_QUOTA_REFUSED,
		"pid %d of uid %u cannot have '%s' and loses its subscription: "
		"%s",
		(int)client->peer.pid, client->peer.uid, stream->topic,
		msg_trail_text());
	client_refuse(client, result);
}

void server_offer(struct server *server, struct stream *stream)
{
	for (struct client *c = server->clients; c; c = c->next)
		offer_to(stream, c);
	stream_tell(stream);
}

void server_announced(void *context, const char *topic)
{
	struct server *server = context;

	for (struct client *c = server->clients; c; c = c->next) {
		struct stream *stream;

		if (!msg_name_is_pattern(c->pattern) ||
			!client_wants(c, topic))
			continue;
		stream = server_network_stream(server, topic, &c->wish);
		if (!stream)
			return;
		offer_to(stream, c);
		if (stream->reader_count == 0)
			server_release_stream(server, stream);
		else
			stream_tell(stream);
	}
}

void server_appeared(void *context, const struct msg_announcement *said)
{
	struct server *server = context;

	for (struct client *c = server->clients; c; c = c->next)
		if (c->subscribed && client_wants(c, said->topic))
			types_tell_heard(c, said);
}

void server_offer_network(struct server *server, struct client *client)
{
	struct msg_roster *roster = &server->network.roster;

	if (!server->network.domain)
		return;
	for (uint32_t i = 0; i < roster->count; i++) {
		const char *topic = roster->entries[i].said.topic;

		if (roster->entries[i].said.closing ||
			!client_wants(client, topic))
			continue;
		server_announced(server, topic);
	}
}
