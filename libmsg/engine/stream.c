/* SPDX-License-Identifier: BSD-2-Clause */
/* stream.c - the table of publishers followed; see stream.h. */
#include "engine/stream.h"

#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#include "base/hash.h"
#include "base/trail.h"

static uint32_t place(
	const struct msg_stream_table *table, uint32_t publisher, uint32_t tag)
{
	return (uint32_t)msg_hash_mix((uint64_t)publisher << 32 | tag) &
	       table->index_mask;
}

int msg_stream_table_open(
	struct msg_stream_table *table, uint32_t count_max, uint32_t window)
{
	uint32_t size = 4;

	while (size < 2 * count_max)
		size *= 2;
	memset(table, 0, sizeof *table);
	table->count_max = count_max;
	table->index_mask = size - 1;
	table->index = calloc(size, sizeof *table->index);
	table->streams = calloc(count_max, sizeof *table->streams);
	table->window = window;
	if (window > 0)
		table->places = calloc(
			(size_t)count_max * window, sizeof *table->places);
	if (!table->index || !table->streams || (window && !table->places)) {
		msg_stream_table_close(table);
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory to follow %u publishers; ask for fewer "
			"(publisher_count_max)",
			count_max);
	}
	return 0;
}

void msg_stream_table_close(struct msg_stream_table *table)
{
	free(table->index);
	free(table->streams);
	free(table->places);
	table->places = NULL;
	table->index = NULL;
	table->streams = NULL;
}

struct msg_stream *msg_stream_find(
	struct msg_stream_table *table, uint32_t publisher, uint32_t tag)
{
	struct msg_stream *latest = table->latest;
	uint32_t at;

	if (latest && latest->publisher == publisher && latest->tag == tag)
		return latest;
	/* The index is at most half full, so an empty place is always met. */
	for (at = place(table, publisher, tag); table->index[at];
		at = (at + 1) & table->index_mask) {
		struct msg_stream *s = &table->streams[table->index[at] - 1];

		if (s->publisher == publisher && s->tag == tag)
			return table->latest = s;
	}
	return NULL;
}

static void index_insert(struct msg_stream_table *table, uint32_t which)
{
	const struct msg_stream *s = &table->streams[which];
	uint32_t at = place(table, s->publisher, s->tag);

	while (table->index[at])
		at = (at + 1) & table->index_mask;
	table->index[at] = which + 1;
}

/* Rare (a full table), so the index is simply made anew. */
static void index_rebuild(struct msg_stream_table *table)
{
	memset(table->index, 0,
		(table->index_mask + 1) * sizeof *table->index);
	for (uint32_t i = 0; i < table->count_max; i++)
		if (table->streams[i].used)
			index_insert(table, i);
}

static struct msg_stream *longest_silent(
	struct msg_stream_table *table, uint64_t now)
{
	struct msg_stream *oldest = NULL;

	for (uint32_t i = 0; i < table->count_max; i++) {
		struct msg_stream *s = &table->streams[i];

		if (s->used && (!oldest || s->heard_ns < oldest->heard_ns))
			oldest = s;
	}
	if (oldest && now - oldest->heard_ns < MSG_STREAM_SILENT_NS)
		return NULL;
	return oldest;
}

/* A place in a table that was full once and has lost streams since. */
static struct msg_stream *unused(struct msg_stream_table *table)
{
	for (uint32_t i = 0; i < table->count_max; i++)
		if (!table->streams[i].used)
			return &table->streams[i];
	return NULL;
}

static void begin(struct msg_stream *s, uint32_t publisher, uint32_t tag,
	uint64_t now)
{
	memset(s, 0, sizeof *s);
	s->publisher = publisher;
	s->tag = tag;
	s->used = true;
	s->heard_ns = now;
	s->assembly.first = UINT32_MAX;
}

struct msg_stream *msg_stream_add(struct msg_stream_table *table,
	uint32_t publisher, uint32_t tag, uint64_t now,
	void (*evict)(void *context, struct msg_stream *stream), void *context)
{
	struct msg_stream *s;

	if (table->count < table->count_max) {
		s = &table->streams[table->count++];
	} else if ((s = unused(table)) == NULL) {
		s = longest_silent(table, now);
		if (!s)
			return NULL;
		evict(context, s);
		s->used = false;
		index_rebuild(table);
	}
	begin(s, publisher, tag, now);
	index_insert(table, (uint32_t)(s - table->streams));
	table->latest = s;
	return s;
}

void msg_stream_renew(struct msg_stream *s)
{
	uint32_t topic = s->topic;
	bool foreign = s->foreign, ignored = s->ignored;

	begin(s, s->publisher, s->tag, s->heard_ns);
	s->topic = topic;
	s->foreign = foreign;
	s->ignored = ignored;
}

void msg_stream_remove_tag(struct msg_stream_table *table, uint32_t tag,
	void (*evict)(void *context, struct msg_stream *stream), void *context)
{
	for (uint32_t i = 0; i < table->count; i++) {
		struct msg_stream *s = &table->streams[i];

		if (!s->used || s->tag != tag)
			continue;
		evict(context, s);
		s->used = false;
	}
	table->latest = NULL;
	index_rebuild(table);
}
