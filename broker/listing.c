/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listing.c - answers an onlooker: who publishes what, as far as he may see it,
 * and the counters.
 *
 * Local publishers are told from our own books, the others from the directory
 * (network.h), which hears of ours as well: those are left out there.
 *
 * The answer goes out one message at a time, each when the socket has taken the
 * one before, and between two of them publishers may come and go.  So it has no
 * pointers to them but two numbers: each publisher has one that is never given
 * again, and they are told of in its order.  Who goes is not found, who comes is
 * for the next question, and nobody is told twice.  The client's next question
 * is read when this one is answered.  Whoever does not read on for some seconds is
 * disconnected.
 */
#include <stdio.h>
#include <string.h>

#include <msg/msg.h>

#include "broker/client.h"
#include "broker/log.h"
#include "broker/server_internal.h"

#include "base/clock.h"
#include "topic/name.h"

/* Messages of one answer in one turn: others wait, too. */
#define MESSAGES_A_TURN 16
/* For the client to read what its socket holds, and go on. */
#define PATIENCE_NS (2 * MSG_NS_PER_S)

static void fill_topic(
	struct msg_control_topic *to, const struct msg_topic_info *from)
{
	memset(to, 0, sizeof *to);
	snprintf(to->topic, sizeof to->topic, "%s", from->topic);
	snprintf(to->host, sizeof to->host, "%.63s", from->host);
	snprintf(to->program, sizeof to->program, "%.63s", from->program);
	to->publisher = (uint32_t)from->publisher;
	to->message_count = from->message_count;
	to->age_ns = from->age_ns;
	to->rate = from->rate;
	to->pid = from->pid;
	to->uid = from->uid;
	to->message_bytes_max = from->message_bytes_max;
	to->frame_bytes = from->frame_bytes;
	to->reliability = from->reliability;
	snprintf(to->type_name, sizeof to->type_name, "%s", from->type_name);
	to->type_encoding = from->encoding;
	to->type_hash = from->type_hash;
}

static void fill_local(
	struct msg_control_topic *to, const struct publisher *p)
{
	const struct msg_announcement *text = &p->source.text;

	memset(to, 0, sizeof *to);
	snprintf(to->topic, sizeof to->topic, "%s", text->topic);
	snprintf(to->host, sizeof to->host, "%s", text->host);
	snprintf(to->program, sizeof to->program, "%s", text->program);
	to->publisher = text->publisher;
	to->message_count = p->reader_index >= 0
				    ? msg_counter_get(&p->sent)
				    : publisher_sequence(p);
	to->rate = -1;
	to->pid = text->pid;
	to->uid = text->uid;
	to->message_bytes_max = text->message_bytes_max;
	to->frame_bytes = text->frame_bytes;
	to->reliability = msg_announce_reliability(text);
	snprintf(to->type_name, sizeof to->type_name, "%s", text->type.name);
	to->type_encoding = text->type.encoding;
	to->type_hash = text->type.hash;
	to->local = true;
}

static bool is_local(const struct server *server, uint64_t id)
{
	for (const struct publisher *p = server->publishers; p; p = p->next)
		if (p->source.text.publisher == id)
			return true;
	return false;
}

static bool may_see(const struct client *c, const char *topic)
{
	return msg_name_match(c->listing.pattern, topic) &&
	       acl_may(&c->server->options.config->acl, topic, ACL_SUBSCRIBE,
		       c->peer.uid, c->peer.groups, c->peer.group_count);
}

/* The next local publisher; NULL: that was the last. */
static const struct publisher *next_local(
	const struct server *server, struct client_listing *l)
{
	const struct publisher *p = server->publishers;

	while (p && p->number >= l->publishers_before)
		p = p->next;
	l->publishers_before = p ? p->number : 0;
	return p;
}

static void add_locals(
	struct client *c, struct msg_control_listing *answer)
{
	const struct publisher *p;

	while (answer->topic_count < MSG_CONTROL_TOPICS_MAX &&
		(p = next_local(c->server, &c->listing)))
		if (p->client && p->client->mapped &&
			may_see(c, p->source.text.topic))
			fill_local(&answer->topics[answer->topic_count++], p);
}

static void add_heard(
	struct client *c, struct msg_control_listing *answer)
{
	const struct server *server = c->server;
	uint64_t now = msg_clock_ns();
	struct client_listing *l = &c->listing;
	struct msg_topic_info info;

	while (answer->topic_count < MSG_CONTROL_TOPICS_MAX &&
		msg_roster_next(&server->network.roster, now, &l->heard_after,
			&info)) {
		if (l->heard_after > l->heard_last)
			return;
		if (may_see(c, info.topic) && !is_local(server, info.publisher))
			fill_topic(&answer->topics[answer->topic_count++],
				&info);
	}
}

/* One message of the answer; one that is not full is the last. */
static void say_some(struct client *c)
{
	struct msg_control message = {.kind = MSG_CONTROL_LISTING};
	struct msg_control_listing *answer = &message.listing;

	answer->topic_count = 0;
	add_locals(c, answer);
	add_heard(c, answer);
	answer->more = answer->topic_count == MSG_CONTROL_TOPICS_MAX;
	c->listing.active = answer->more;
	c->listing.said_ns = msg_clock_coarse_ns();
	client_say(c, &message, NULL, 0);
}

void server_list_more(struct client *c)
{
	for (int i = 0; i < MESSAGES_A_TURN; i++) {
		if (c->broken || !c->listing.active || !client_has_room(c))
			return;
		say_some(c);
	}
}

void server_list_check(struct client *c)
{
	if (!c->listing.active || c->broken ||
		msg_clock_coarse_ns() - c->listing.said_ns < PATIENCE_NS)
		return;
	log_say(LOG_PROTOCOL_BROKEN,
		"pid %d of uid %u is disconnected: it asks who publishes, and "
		"does not read the answer",
		(int)c->peer.pid, c->peer.uid);
	c->server->counts.broken++;
	c->broken = true;
}

int server_list(struct client *client, const char *pattern)
{
	struct client_listing *l = &client->listing;
	int result = msg_name_check_pattern(pattern);

	if (result < 0)
		return result;
	*l = (struct client_listing){
		.active = true,
		.publishers_before = UINT64_MAX,
		.said_ns = msg_clock_coarse_ns(),
		.heard_last = client->server->network.roster.number,
	};
	snprintf(l->pattern, sizeof l->pattern, "%s", pattern);
	server_list_more(client);
	return 0;
}

int server_stats(struct server *server, struct client *client)
{
	struct msg_control message = {.kind = MSG_CONTROL_STATS_SEGMENT};

	message.stats_segment.bytes = msg_stats_bytes();
	client_say(client, &message, &server->stats.fd, 1);
	return 0;
}
