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

#define RING_ENTRIES_MIN 1024u

static struct stream *known(const struct server *server, const char *topic)
{
	struct stream *s = server->streams;

	while (s && (s->local || strcmp(s->topic, topic) != 0))
		s = s->next;
	return s;
}

struct stream *server_network_stream(struct server *server, const char *topic,
	const struct msg_control_subscribe *wish)
{
	uint32_t class = acl_class(&server->options.config->acl, topic);
	uint32_t entries = RING_ENTRIES_MIN;
	struct stream *s = known(server, topic);

	if (s)
		return s;
	if (msg_follow_may_add(&server->feeds[class]->follow, topic) < 0)
		return NULL;
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

/* Who makes streams is not to end the subscriptions of others: whoever cannot have
 * one goes without it, and is told by a counter. */
static void offer_to(struct stream *stream, struct client *client)
{
	if (client_wants(client, stream->topic) &&
		client_attach(client, stream) < 0)
		client_leave_out(client, stream->topic);
}

void server_offer(struct server *server, struct stream *stream)
{
	for (struct client *c = server->clients; c; c = c->next)
		offer_to(stream, c);
	stream_tell(stream);
}

/* For a pattern.  Not made for who has no place for it: topics are announced again
 * and again, by anybody. */
static struct stream *find_for(
	struct server *server, struct client *c, const char *topic)
{
	struct stream *s = known(server, topic);

	if (!s && client_has_place(c) == 0)
		s = server_network_stream(server, topic, &c->wish);
	return s;
}

void server_announced(void *context, const char *topic)
{
	struct server *server = context;

	for (struct client *c = server->clients; c; c = c->next) {
		struct stream *stream;

		if (!msg_name_is_pattern(c->pattern) ||
			!client_wants(c, topic))
			continue;
		stream = find_for(server, c, topic);
		if (!stream) {
			client_leave_out(c, topic);
			continue;
		}
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
