/* SPDX-License-Identifier: BSD-2-Clause */
/* types.c - schemas of publishers, told and fetched; see types.h. */
#include "broker/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/client.h"
#include "broker/server_internal.h"

#include "base/clock.h"
#include "base/trail.h"
#include "topic/asker.h"
#include "topic/name.h"

/* Schemas of the network at a time, 2 MiB of the largest. */
#define ENTRIES_MAX 32u
/* Asked for at a time; each has a link. */
#define FETCHES_MAX 4u
#define FETCH_NS (3 * MSG_NS_PER_S)
/* What could not be had is asked for again after that. */
#define AGAIN_NS (5 * MSG_NS_PER_S)
/* Publishers of another type that one subscriber is told of. */
#define TOLD_MAX 64u

struct entry {
	uint64_t incarnation; /* 0: free. */
	uint64_t hash;
	uint64_t used_ns;
	uint8_t *data; /* NULL: it could not be had, at used_ns. */
	uint32_t bytes;
};

struct types {
	struct entry entries[ENTRIES_MAX];
	struct msg_asker fetches[FETCHES_MAX]; /* Those with a link. */
	uint64_t whose[FETCHES_MAX];           /* Incarnations. */
	uint64_t until[FETCHES_MAX];
	bool watched; /* The link that answers. */
};

int types_open(struct types **types)
{
	*types = calloc(1, sizeof **types);
	return *types ? 0 : msg_fail(MSG_ERROR_MEMORY, "no memory for types");
}

void types_close(struct types *types)
{
	if (!types)
		return;
	for (uint32_t i = 0; i < FETCHES_MAX; i++)
		msg_asker_close(&types->fetches[i]);
	for (uint32_t i = 0; i < ENTRIES_MAX; i++)
		free(types->entries[i].data);
	free(types);
}

/* ---- of the network ---------------------------------------------------- */

static struct entry *find_entry(
	struct types *types, const struct msg_announcement *said)
{
	for (uint32_t i = 0; i < ENTRIES_MAX; i++)
		if (types->entries[i].incarnation == said->incarnation &&
			types->entries[i].hash == said->type.hash)
			return &types->entries[i];
	return NULL;
}

/* The place of the one that was not asked for the longest. */
static void keep(struct types *types, uint64_t incarnation, uint64_t hash,
	uint8_t *data, uint32_t bytes)
{
	struct entry *oldest = &types->entries[0];

	for (uint32_t i = 0; i < ENTRIES_MAX; i++) {
		struct entry *e = &types->entries[i];

		if (e->incarnation == incarnation && e->hash == hash) {
			oldest = e;
			break;
		}
		if (e->used_ns < oldest->used_ns)
			oldest = e;
	}
	free(oldest->data);
	*oldest = (struct entry){
		incarnation, hash, msg_clock_ns(), data, bytes};
}

static bool is_fetched(
	const struct types *types, const struct msg_announcement *said)
{
	for (uint32_t i = 0; i < FETCHES_MAX; i++)
		if (types->fetches[i].link &&
			types->whose[i] == said->incarnation)
			return true;
	return false;
}

/* Ask for it, if there is a place to. */
static void start_fetch(
	struct server *server, const struct msg_announcement *said)
{
	struct types *types = server->types;
	uint32_t i = 0;

	while (i < FETCHES_MAX && types->fetches[i].link)
		i++;
	if (i == FETCHES_MAX || is_fetched(types, said))
		return;
	if (msg_asker_open(&types->fetches[i], server->network.domain, said) <
		0) {
		keep(types, said->incarnation, said->type.hash, NULL, 0);
		return;
	}
	types->whose[i] = said->incarnation;
	types->until[i] = msg_clock_ns() + FETCH_NS;
	(void)server_watch_lane(server, types->fetches[i].link->fd);
}

static int turn_fetch(struct types *types, uint32_t i, uint64_t now)
{
	struct msg_asker *f = &types->fetches[i];
	uint32_t missing = f->missing;
	int result = msg_asker_turn(f, now);

	if (result == 1) {
		keep(types, types->whose[i], f->question.hash, f->data,
			f->bytes);
		f->data = NULL;
	} else if (result < 0 || now >= types->until[i]) {
		keep(types, types->whose[i], f->question.hash, NULL, 0);
	} else {
		return f->missing != missing;
	}
	msg_asker_close(f);
	return 1;
}

int types_turn(struct server *server)
{
	struct msg_answerer *answerer = &server->network.announcer.answerer;
	struct types *types = server->types;
	uint64_t now = msg_clock_ns();
	int busy = 0;

	if (answerer->link)
		msg_answerer_turn(answerer, now);
	for (uint32_t i = 0; i < FETCHES_MAX; i++)
		if (types->fetches[i].link)
			busy += turn_fetch(types, i, now);
	return busy;
}

int types_arm(struct server *server)
{
	struct msg_link *link = server->network.announcer.answerer.link;
	int result = 0;

	if (link)
		result = link->ops->arm(link);
	for (uint32_t i = 0; i < FETCHES_MAX && result == 0; i++) {
		link = server->types->fetches[i].link;
		if (link)
			result = link->ops->arm(link);
	}
	return result;
}

uint64_t types_due(const struct server *server)
{
	uint64_t due = UINT64_MAX;

	for (uint32_t i = 0; i < FETCHES_MAX; i++) {
		const struct msg_asker *f = &server->types->fetches[i];

		if (f->link && f->again_ns < due)
			due = f->again_ns;
	}
	return due;
}

int types_watch(struct server *server)
{
	struct msg_link *link = server->network.announcer.answerer.link;
	int result = 0;

	if (link && !server->types->watched) {
		result = server_watch_lane(server, link->fd);
		server->types->watched = result == 0;
	}
	return result;
}

/* ---- telling onlookers ------------------------------------------------- */

static bool may_see(const struct client *c, const char *topic)
{
	return acl_may(&c->server->options.config->acl, topic, ACL_SUBSCRIBE,
		c->peer.uid, c->peer.groups, c->peer.group_count);
}

static void say_part(struct client *c, struct msg_control *message,
	const uint8_t *schema, uint32_t bytes)
{
	struct msg_control_described *d = &message->described;
	uint32_t left = d->offset < bytes ? bytes - d->offset : 0;

	if (left == 0) {
		client_say(c, message, NULL, 0);
		return;
	}
	d->state = MSG_CONTROL_HERE;
	d->bytes = bytes;
	d->part.bytes = left < MSG_CONTROL_PART_BYTES_MAX
				? left
				: MSG_CONTROL_PART_BYTES_MAX;
	memcpy(d->part.data, schema + d->offset, d->part.bytes);
	client_say(c, message, NULL, 0);
}

/* One of the network: from the table, or asked for first. */
static void describe_heard(struct client *c, struct msg_control *message,
	const struct msg_announcement *said)
{
	struct entry *e = find_entry(c->server->types, said);
	uint64_t now = msg_clock_ns();

	if (e && e->data) {
		e->used_ns = now;
		say_part(c, message, e->data, e->bytes);
		return;
	}
	if (!e || now - e->used_ns >= AGAIN_NS) {
		start_fetch(c->server, said);
		message->described.state = MSG_CONTROL_LATER;
	}
	client_say(c, message, NULL, 0);
}

void types_describe(struct client *c, const struct msg_control_describe *asked)
{
	struct msg_control message = {.kind = MSG_CONTROL_DESCRIBED};
	struct server *server = c->server;
	const struct msg_roster *roster = &server->network.roster;

	message.described = (struct msg_control_described){
		.publisher = asked->publisher,
		.hash = asked->hash,
		.offset = asked->offset,
		.state = MSG_CONTROL_NEVER,
	};
	for (const struct publisher *p = server->publishers; p; p = p->next) {
		const struct msg_announcement *text = &p->source.text;

		if (text->publisher == asked->publisher && p->client &&
			p->schema && text->type.hash == asked->hash &&
			may_see(c, text->topic)) {
			say_part(c, &message, p->schema,
				p->source.schema_bytes);
			return;
		}
	}
	for (uint32_t i = 0; server->network.domain && i < roster->count; i++) {
		const struct msg_announcement *said = &roster->entries[i].said;

		if (said->publisher == asked->publisher &&
			said->type.hash == asked->hash && asked->hash != 0 &&
			may_see(c, said->topic)) {
			describe_heard(c, &message, said);
			return;
		}
	}
	client_say(c, &message, NULL, 0);
}

/* ---- telling subscribers ----------------------------------------------- */

static void tell(struct client *c, uint32_t publisher, const char *topic,
	const char *type_name, uint64_t type_hash)
{
	struct msg_control message = {.kind = MSG_CONTROL_TYPED};

	if (c->wish.type_hash == 0 || c->wish.type_hash == type_hash ||
		c->typed == TOLD_MAX)
		return;
	c->typed++;
	message.typed.publisher = publisher;
	snprintf(message.typed.topic, sizeof message.typed.topic, "%s", topic);
	snprintf(message.typed.type_name, sizeof message.typed.type_name, "%s",
		type_name);
	client_say(c, &message, NULL, 0);
}

void types_tell(struct client *c, const struct msg_announcement *text)
{
	tell(c, text->publisher, text->topic, text->type.name,
		text->type.hash);
}

/* One of this host is told of with its ring.  It is heard like any other, and a
 * while longer than it is there. */
static bool is_own(const struct server *server, uint32_t publisher)
{
	for (const struct publisher *p = server->publishers; p; p = p->next)
		if (p->source.text.publisher == publisher)
			return true;
	return false;
}

void types_tell_heard(struct client *c, const struct msg_announcement *said)
{
	if (c->wish.type_hash != 0 && !is_own(c->server, said->publisher))
		types_tell(c, said);
}

void types_tell_all(struct client *c)
{
	const struct msg_roster *roster = &c->server->network.roster;
	uint64_t now = msg_clock_ns(), after = 0;
	struct msg_topic_info info;

	if (c->wish.type_hash == 0)
		return;
	for (uint32_t i = 0; i < c->ring_count; i++) {
		const struct stream *s = c->rings[i].stream;

		if (s->local && s->owner && s->owner->publisher)
			types_tell(c, &s->owner->publisher->source.text);
	}
	if (!c->server->network.domain)
		return;
	while (msg_roster_next(roster, now, &after, &info)) {
		uint32_t publisher = (uint32_t)info.publisher;

		if (client_wants(c, info.topic) &&
			!is_own(c->server, publisher))
			tell(c, publisher, info.topic, info.type_name,
				info.type_hash);
	}
}
