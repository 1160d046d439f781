/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * look_rows.c - from the rows of a broker's file to those of the API; see
 * look.h.  What stands in the file is hostile: texts are cleaned where they
 * stand, numbers are only shown.
 */
#include "api/look.h"

#include <string.h>

#include "base/text.h"

void msg_look_clean(char *text, size_t bytes)
{
	char clean[512];
	size_t length = strnlen(text, bytes - 1);

	/* All texts of a page are smaller. */
	if (length >= sizeof clean)
		length = sizeof clean - 1;
	text[length] = '\0';
	length = msg_text_clean(clean, text, length);
	memcpy(text, clean, length);
	text[length] = '\0';
}

#define CLEAN(text) msg_look_clean(text, sizeof(text))

static uint64_t since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

static void show_info(struct msg_look_snapshot *s, uint64_t now)
{
	struct msg_stats_header *h = &s->header;
	uint64_t updated = msg_load(&h->updated_ns, relaxed);

	CLEAN(h->name);
	CLEAN(h->path);
	CLEAN(h->device);
	CLEAN(h->interface);
	CLEAN(h->address);
	CLEAN(h->groups);
	CLEAN(h->reason);
	s->info = (struct msg_broker_info){
		.name = h->name,
		.path = h->path,
		.state = s->info.state,
		.pid = h->pid,
		.uid = h->uid,
		.lane = h->lane,
		.device = h->device,
		.interface = h->interface,
		.address = h->address,
		.groups = h->groups,
		.reason = h->reason,
		.port = h->port,
		.frame_bytes = h->frame_bytes,
		.epoch = h->epoch,
		.started_ns = h->started_real_ns,
		.uptime_ns = since(updated, h->started_ns),
		.age_ns = since(now, updated),
		.time_ns = updated,
		.asleep = msg_load(&h->asleep_until_ns, relaxed) != 0,
		.torn = s->info.torn,
		.counts = s->totals.counts,
	};
}

static void show_clients(struct msg_look_snapshot *s)
{
	for (uint32_t i = 0; i < s->client_count; i++) {
		struct msg_stats_client *from = &s->client_rows[i];

		CLEAN(from->program);
		CLEAN(from->topic);
		s->clients[i] = (struct msg_broker_client){
			.id = from->id,
			.pid = from->pid,
			.uid = from->uid,
			.role = from->role,
			.slow = from->slow,
			.connected_ns =
				since(s->info.time_ns, from->connected_ns),
			.program = from->program,
			.topic = from->topic,
			.counts = from->counts,
		};
	}
}

static void show_streams(struct msg_look_snapshot *s)
{
	for (uint32_t i = 0; i < s->stream_count; i++) {
		struct msg_stats_stream *from = &s->stream_rows[i];

		CLEAN(from->topic);
		s->streams[i] = (struct msg_broker_stream){
			.id = from->id,
			.topic = from->topic,
			.local = from->local,
			.entry_count = from->entry_count,
			.rights = from->rights,
			.counts = from->counts,
		};
	}
}

static struct msg_broker_stream *find_stream(
	struct msg_look_snapshot *s, uint64_t id)
{
	for (uint32_t i = 0; i < s->stream_count; i++)
		if (s->streams[i].id == id)
			return &s->streams[i];
	return NULL;
}

static void show_publishers(struct msg_look_snapshot *s)
{
	for (uint32_t i = 0; i < s->publisher_count; i++) {
		struct msg_stats_publisher *from = &s->publisher_rows[i];
		struct msg_broker_stream *stream = find_stream(s, from->stream);

		CLEAN(from->host);
		CLEAN(from->program);
		s->publishers[i] = (struct msg_broker_publisher){
			.id = from->id,
			.stream = from->stream,
			.client = from->client,
			.host = from->host,
			.program = from->program,
			.pid = from->pid,
			.uid = from->uid,
			.local = from->local,
			.counts = from->counts,
		};
		if (stream)
			stream->publishers++;
	}
}

/* The same reader in the snapshot before, which most often stands at the same
 * place. */
static const struct msg_broker_reader *find_before(
	const struct msg_look_snapshot *before,
	const struct msg_broker_reader *reader, uint32_t place)
{
	const struct msg_broker_reader *r;

	for (uint32_t i = 0; before && i < before->reader_count; i++) {
		r = &before->readers[(place + i) % before->reader_count];
		if (r->stream == reader->stream && r->client == reader->client)
			return r;
	}
	return NULL;
}

static void show_readers(
	struct msg_look_snapshot *s, const struct msg_look_snapshot *before)
{
	for (uint32_t i = 0; i < s->reader_count; i++) {
		const struct msg_stats_reader *from = &s->reader_rows[i];
		struct msg_broker_reader *to = &s->readers[i];
		struct msg_broker_stream *stream = find_stream(s, from->stream);
		const struct msg_broker_reader *was;

		*to = (struct msg_broker_reader){
			.stream = from->stream,
			.client = from->client,
			.hold_max = from->hold_max,
			.slow = from->slow,
			.flags = from->flags,
			.index = from->index,
			.counts = from->counts,
		};
		was = find_before(before, to, i);
		if ((stream && to->counts.lag > stream->entry_count / 2) ||
			(was && to->counts.lapped > was->counts.lapped))
			to->flags |= MSG_BROKER_READER_SLOW;
		if (stream && !(to->flags & MSG_BROKER_READER_RELAY))
			stream->readers++;
	}
}

void msg_look_show(struct msg_look_snapshot *s,
	const struct msg_look_snapshot *before, uint64_t now)
{
	show_info(s, now);
	show_clients(s);
	show_streams(s);
	show_publishers(s);
	show_readers(s, before);
	for (uint32_t i = 0; i < s->feed_count; i++)
		s->feeds[i] = (struct msg_broker_feed){
			s->feed_rows[i].id, s->feed_rows[i].counts};
	for (uint32_t i = 0; i < s->user_count; i++)
		s->users[i] = (struct msg_broker_user){
			s->user_rows[i].uid, s->user_rows[i].counts};
}

const struct msg_counter *msg_broker_counter_describe(int index)
{
	static const struct msg_counter table[] = {
#define ROW(row, field, meaning, remedy) {row "." #field, meaning, remedy},
#define TOTAL(...) ROW("broker", __VA_ARGS__)
#define CLIENT(...) ROW("client", __VA_ARGS__)
#define STREAM(...) ROW("stream", __VA_ARGS__)
#define PUBLISHER(...) ROW("publisher", __VA_ARGS__)
#define READER(...) ROW("reader", __VA_ARGS__)
#define FEED(...) ROW("feed", __VA_ARGS__)
#define USER(...) ROW("user", __VA_ARGS__)
		/* clang-format off */
		MSG_BROKER_TOTAL_COUNTS(TOTAL)
		MSG_BROKER_CLIENT_COUNTS(CLIENT)
		MSG_BROKER_STREAM_COUNTS(STREAM)
		MSG_BROKER_PUBLISHER_COUNTS(PUBLISHER)
		MSG_BROKER_READER_COUNTS(READER)
		MSG_BROKER_FEED_COUNTS(FEED)
		MSG_BROKER_USER_COUNTS(USER)
		/* clang-format on */
#undef USER
#undef FEED
#undef READER
#undef PUBLISHER
#undef STREAM
#undef CLIENT
#undef TOTAL
#undef ROW
	};

	if (index < 0 || index >= (int)(sizeof table / sizeof *table))
		return NULL;
	return &table[index];
}
