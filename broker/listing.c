/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listing.c - answers an onlooker: who publishes what, as far as he may see it,
 * and the counters.
 *
 * Local publishers are told from our own books, the others from the directory
 * (network.h), which hears of ours as well: those are left out there.
 */
#include <stdio.h>
#include <string.h>

#include <msg/msg.h>

#include "broker/client.h"
#include "broker/server_internal.h"

#include "base/clock.h"
#include "base/trail.h"
#include "topic/name.h"

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
	to->local = true;
}

static bool is_local(const struct server *server, uint64_t id)
{
	for (const struct publisher *p = server->publishers; p; p = p->next)
		if (p->source.text.publisher == id)
			return true;
	return false;
}

struct listing {
	struct client *client;
	const char *pattern;
	struct msg_control message;
};

static bool may_see(const struct listing *l, const char *topic)
{
	const struct client *c = l->client;

	return msg_name_match(l->pattern, topic) &&
	       acl_may(&c->server->options.config->acl, topic, ACL_SUBSCRIBE,
		       c->peer.uid, c->peer.groups, c->peer.group_count);
}

/* The next place in the listing; a full one is sent first. */
static struct msg_control_topic *next_topic(struct listing *l)
{
	struct msg_control_listing *m = &l->message.listing;

	if (m->topic_count == MSG_CONTROL_TOPICS_MAX) {
		m->more = true;
		client_say(l->client, &l->message, NULL, 0);
		m->topic_count = 0;
	}
	return &m->topics[m->topic_count++];
}

int server_list(struct server *server, struct client *client,
	const char *pattern)
{
	static struct msg_topic_info infos[MSG_ROSTER_MAX];
	struct listing l = {.client = client, .pattern = pattern};
	int count = 0;
	int result = msg_name_check_pattern(pattern);

	if (result < 0)
		return result;
	l.message.kind = MSG_CONTROL_LISTING;
	l.message.listing.topic_count = 0;
	for (const struct publisher *p = server->publishers; p; p = p->next)
		if (p->client && p->client->mapped &&
			may_see(&l, p->source.text.topic))
			fill_local(next_topic(&l), p);
	if (server->network.domain)
		count = msg_roster_read(&server->network.roster,
			msg_clock_ns(), infos, (int)MSG_ROSTER_MAX);
	for (int i = 0; i < count; i++)
		if (may_see(&l, infos[i].topic) &&
			!is_local(server, infos[i].publisher))
			fill_topic(next_topic(&l), &infos[i]);
	l.message.listing.more = false;
	client_say(client, &l.message, NULL, 0);
	return 0;
}

int server_stats(struct server *server, struct client *client)
{
	struct msg_control message = {.kind = MSG_CONTROL_STATS_SEGMENT};

	message.stats_segment.bytes = msg_stats_bytes();
	client_say(client, &message, &server->stats.fd, 1);
	return 0;
}
