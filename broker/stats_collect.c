/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats_collect.c - from the broker's state to the rows of its file; see
 * stats.h.
 *
 * Whatever clients write (ledgers, the rings of local publishers) is copied as
 * the number it is: nothing here is led by it.
 */
#include <stdio.h>
#include <string.h>

#include "broker/client.h"
#include "broker/server_internal.h"
#include "broker/stats.h"

/* Where the next row of each table goes. */
struct writing {
	struct server *server;
	uint32_t used[MSG_STATS_TABLE_COUNT];
	uint64_t unlisted;
	bool changed;
};

static void put(struct writing *w, enum msg_stats_table table, const void *row)
{
	struct msg_stats_header *page = w->server->stats.page;

	if (w->used[table] == page->places[table].row_max) {
		w->unlisted++;
		return;
	}
	w->changed |= msg_stats_put(page, table, w->used[table]++, row);
}

static uint64_t identify(struct server *server, uint64_t *id)
{
	if (*id == 0)
		*id = ++server->stats.ids;
	return *id;
}

/* ---- clients --------------------------------------------------------------- */

static void put_client(struct writing *w, struct client *c)
{
	struct msg_stats_client row;

	memset(&row, 0, sizeof row);
	row.id = identify(w->server, &c->id);
	row.pid = (uint32_t)c->peer.pid;
	row.uid = c->peer.uid;
	row.role = c->role;
	row.connected_ns = c->connected_ns;
	snprintf(row.program, sizeof row.program, "%.63s", c->peer.program);
	row.counts.rings = c->ring_count;
	row.counts.waiting = !client_has_room(c);
	if (*c->pattern) {
		row.slow = c->wish.policy;
		snprintf(row.topic, sizeof row.topic, "%s", c->pattern);
	}
	for (uint32_t i = 0; i < c->ring_count; i++) {
		const struct client_ring *r = &c->rings[i];

		row.counts.slots += r->stream->readers[r->reader].hold_max;
	}
	if (c->publisher) {
		row.counts.bytes = c->publisher->bytes_charged;
		snprintf(row.topic, sizeof row.topic, "%s",
			c->publisher->source.text.topic);
	}
	put(w, MSG_STATS_CLIENTS, &row);
}

/* ---- streams and their readers --------------------------------------------- */

static const struct msg_ring_header *ring_of(const struct stream *s)
{
	return (const struct msg_ring_header *)(const void *)s->ring.base;
}

/* Entries kept, as many as it may keep at most: the quota bounds this walk. */
static uint64_t count_held(
	const struct msg_ring_ledger *ledger, uint32_t hold_max)
{
	uint32_t top = msg_load(&ledger->held_top, relaxed);
	uint64_t held = 0;

	for (uint32_t i = 0; i < top && i < hold_max; i++)
		held += msg_load(&ledger->held[i], relaxed) != 0;
	return held;
}

static void put_reader(
	struct writing *w, struct stream *s, uint32_t index, uint64_t head)
{
	const struct stream_reader *r = &s->readers[index];
	const struct msg_ring_ledger *ledger =
		(const struct msg_ring_ledger *)(const void *)r->ledger.base;
	uint64_t next = msg_load(&ledger->next, relaxed);
	uint64_t low = msg_load(&ledger->low, relaxed);
	struct msg_stats_reader row;

	memset(&row, 0, sizeof row);
	row.stream = s->id;
	row.client = r->client ? identify(w->server, &r->client->id) : 0;
	row.hold_max = r->hold_max;
	row.slow = r->policy;
	row.index = index;
	if (!r->client)
		row.flags |= MSG_BROKER_READER_RELAY;
	if (msg_load(&ledger->sleeping, relaxed) & (MSG_RING_SLEEP_STEP - 1))
		row.flags |= MSG_BROKER_READER_ASLEEP;
	if (msg_load(&ring_of(s)->floor[index], relaxed) == MSG_RING_EVICTED)
		row.flags |= MSG_BROKER_READER_EVICTED;
	/* One that has not mapped its ledger yet stands at the head. */
	if (next > 0 || low > 0)
		row.counts.lag = head > next ? head - next : 0;
	row.counts.in_hand = next > low ? next - low : 0;
	row.counts.held = count_held(ledger, r->hold_max);
	row.counts.taken = msg_load(&ledger->taken, relaxed);
	row.counts.lost = msg_load(&ledger->lost, relaxed);
	row.counts.lapped = msg_load(&ledger->lapped, relaxed);
	if (!r->client && s->owner)
		row.counts.taken = msg_counter_get(&s->owner->publisher->sent);
	put(w, MSG_STATS_READERS, &row);
}

static void put_stream(struct writing *w, struct stream *s)
{
	struct msg_stats_stream row;
	uint64_t head = msg_load(&ring_of(s)->head, relaxed);

	memset(&row, 0, sizeof row);
	row.id = identify(w->server, &s->id);
	snprintf(row.topic, sizeof row.topic, "%s", s->topic);
	row.local = s->local;
	row.entry_count = s->entry_count;
	row.rights = s->acl_class;
	row.counts.head = head;
	row.counts.tail = msg_load(&ring_of(s)->tail, relaxed);
	if (!s->local) {
		row.counts.tail = s->writer.tail;
		row.counts.evicted = s->writer.evicted;
		row.counts.revoked = s->writer.revoked;
	}
	for (uint32_t i = 0; i < s->reader_top; i++) {
		if (!s->readers[i].used)
			continue;
		put_reader(w, s, i, head);
		/* A local writer keeps these books for himself. */
		row.counts.evicted +=
			s->local && msg_load(&ring_of(s)->floor[i], relaxed) ==
					    MSG_RING_EVICTED;
	}
	put(w, MSG_STATS_STREAMS, &row);
}

/* ---- publishers ------------------------------------------------------------ */

static void count_kept(
	struct msg_broker_publisher_counts *counts, const struct keep *k)
{
	counts->naks = msg_counter_get(&k->counters[MSG_COUNTER_NAKS]);
	counts->asked = msg_counter_get(&k->counters[MSG_COUNTER_ASKED]);
	counts->repairs = msg_counter_get(&k->counters[MSG_COUNTER_REPAIRS]);
	counts->gone = msg_counter_get(&k->counters[MSG_COUNTER_GONE]);
	counts->held_up = msg_counter_get(&k->counters[MSG_COUNTER_HELD_UP]);
	counts->kept = k->next - k->first;
}

static void put_local(struct writing *w, const struct publisher *p)
{
	const struct msg_announcement *text = &p->source.text;
	struct msg_stats_publisher row;

	memset(&row, 0, sizeof row);
	row.id = text->publisher;
	row.stream = identify(w->server, &p->stream->id);
	row.client = p->client ? identify(w->server, &p->client->id) : 0;
	snprintf(row.host, sizeof row.host, "%s", text->host);
	snprintf(row.program, sizeof row.program, "%s", text->program);
	row.pid = text->pid;
	row.uid = text->uid;
	row.local = 1;
	row.counts.messages = publisher_sequence(p);
	row.counts.frames = p->frames;
	row.counts.send_failed = p->failed;
	row.counts.malformed = p->malformed;
	if (p->keep)
		count_kept(&row.counts, p->keep);
	put(w, MSG_STATS_PUBLISHERS, &row);
}

static const struct msg_announcement *announcement(
	const struct server *server, uint32_t publisher)
{
	const struct msg_roster *roster = &server->network.roster;

	for (uint32_t i = 0; i < roster->count; i++)
		if (roster->entries[i].said.publisher == publisher)
			return &roster->entries[i].said;
	return NULL;
}

static void count_ordered(struct msg_broker_publisher_counts *counts,
	const struct msg_sequence *sequence)
{
	counts->messages = sequence->sequence;
	counts->lost = sequence->lost_total;
	counts->late = sequence->late_total;
	counts->reordered = sequence->reordered_total;
}

static void count_recovered(struct msg_broker_publisher_counts *counts,
	const struct msg_recover *recover)
{
	counts->messages = recover->sequence;
	counts->lost = recover->lost_total;
	counts->late = recover->counts.late;
	counts->reordered = recover->counts.reordered;
	counts->naks = recover->counts.naks;
	counts->asked = recover->counts.asked;
	counts->repairs = recover->counts.repaired;
	counts->gone = recover->counts.gone;
}

static void put_remote(struct writing *w, struct stream *stream,
	const struct msg_stream *heard)
{
	const struct msg_announcement *said =
		announcement(w->server, heard->publisher);
	struct msg_stats_publisher row;

	memset(&row, 0, sizeof row);
	row.id = heard->publisher;
	row.stream = identify(w->server, &stream->id);
	if (said) {
		snprintf(row.host, sizeof row.host, "%s", said->host);
		snprintf(row.program, sizeof row.program, "%s", said->program);
		row.pid = said->pid;
		row.uid = said->uid;
	}
	if (heard->kind == MSG_STREAM_RELIABLE)
		count_recovered(&row.counts, &heard->recover);
	else
		count_ordered(&row.counts, &heard->sequence);
	put(w, MSG_STATS_PUBLISHERS, &row);
}

/* ---- feeds ----------------------------------------------------------------- */

static void put_feed(struct writing *w, struct feed *f, uint64_t id)
{
	const struct msg_receiver *r = &f->receiver;
	struct msg_stats_feed row;

	memset(&row, 0, sizeof row);
	row.id = id;
	row.counts.slots = f->slots;
	row.counts.posted = r->posted;
	row.counts.free = r->pool.free_count;
	row.counts.waiting = r->held_slots;
	for (uint32_t i = 0; i < f->follow.topic_count; i++)
		row.counts.topics += f->streams[i] != NULL;
	for (uint32_t i = 0; i < w->server->network.groups.count; i++)
		row.counts.groups += f->follow.handles[i] != 0;
#define COUNT(field, id)                                                       \
	row.counts.field = msg_counter_get(&r->counters[MSG_COUNTER_##id])
	row.counts.messages = f->messages;
	row.counts.bytes = f->bytes;
	COUNT(frames, FRAMES);
	COUNT(lost, LOST);
	COUNT(late, LATE);
	COUNT(reordered, REORDERED);
	COUNT(foreign, FOREIGN);
	COUNT(malformed, MALFORMED);
	COUNT(truncated, TRUNCATED);
	COUNT(too_large, TOO_LARGE);
	COUNT(starved, STARVED);
	COUNT(publishers, PUBLISHERS);
	COUNT(publishers_refused, PUBLISHERS_REFUSED);
	COUNT(naks, NAKS);
	COUNT(asked, ASKED);
	COUNT(repairs, REPAIRS);
	COUNT(gone, GONE);
	COUNT(given_up, GIVEN_UP);
#undef COUNT
	row.counts.evicted = f->evicted;
	put(w, MSG_STATS_FEEDS, &row);
}

/* The publishers that a feed hears, of topics that somebody here reads. */
static void put_heard(struct writing *w, struct feed *f)
{
	const struct msg_stream_table *table = &f->receiver.streams;
	uint32_t seen = 0;

	for (uint32_t i = 0; i < table->count_max && seen < table->count; i++) {
		const struct msg_stream *heard = &table->streams[i];
		struct stream *stream;

		if (!heard->used)
			continue;
		seen++;
		stream = heard->topic < FEED_TOPICS_MAX
				 ? f->streams[heard->topic]
				 : NULL;
		if (stream && !heard->foreign && !heard->ignored)
			put_remote(w, stream, heard);
	}
}

/* ---- users and totals ------------------------------------------------------ */

static void put_users(struct writing *w)
{
	static struct account_info infos[ACCOUNT_USERS_MAX];
	size_t count =
		accounts_list(w->server->accounts, infos, ACCOUNT_USERS_MAX);

	for (size_t i = 0; i < count && i < ACCOUNT_USERS_MAX; i++) {
		const uint64_t *held = infos[i].held;
		const uint64_t *refused = infos[i].refused;
		struct msg_stats_user row = {.uid = infos[i].uid};

		row.counts = (struct msg_broker_user_counts){
			.connections = held[ACCOUNT_CONNECTIONS],
			.subscriptions = held[ACCOUNT_SUBSCRIPTIONS],
			.publishers = held[ACCOUNT_PUBLISHERS],
			.held_slots = held[ACCOUNT_HELD_SLOTS],
			.bytes = held[ACCOUNT_BYTES],
			.connections_refused = refused[ACCOUNT_CONNECTIONS],
			.subscriptions_refused = refused[ACCOUNT_SUBSCRIPTIONS],
			.publishers_refused = refused[ACCOUNT_PUBLISHERS],
			.held_slots_refused = refused[ACCOUNT_HELD_SLOTS],
			.bytes_refused = refused[ACCOUNT_BYTES],
		};
		put(w, MSG_STATS_USERS, &row);
	}
}

static void put_totals(struct writing *w)
{
	struct server *server = w->server;
	struct msg_stats_totals row = {.counts = server->counts};

	row.counts.users_refused = accounts_users_refused(server->accounts);
	for (uint32_t i = 0; i < server->feed_count; i++)
		row.counts.evicted += server->feeds[i]->evicted;
	row.counts.unlisted = w->unlisted;
	put(w, MSG_STATS_TOTALS, &row);
}

bool stats_collect(struct server *server)
{
	struct writing w = {.server = server};
	bool changed;

	for (struct client *c = server->clients; c; c = c->next)
		put_client(&w, c);
	for (struct stream *s = server->streams; s; s = s->next)
		put_stream(&w, s);
	for (struct publisher *p = server->publishers; p; p = p->next)
		if (p->stream)
			put_local(&w, p);
	for (uint32_t i = 0; i < server->feed_count; i++) {
		put_heard(&w, server->feeds[i]);
		put_feed(&w, server->feeds[i], i);
	}
	put_users(&w);
	changed = w.changed;
	/* They change with each sleep, which is no news. */
	put_totals(&w);
	for (unsigned i = 0; i < MSG_STATS_TABLE_COUNT; i++) {
		changed |=
			w.used[i] !=
			msg_load(&server->stats.page->places[i].used, relaxed);
		msg_stats_use(
			server->stats.page, (enum msg_stats_table)i, w.used[i]);
	}
	return changed;
}
