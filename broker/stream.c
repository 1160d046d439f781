/* SPDX-License-Identifier: BSD-2-Clause */
/* stream.c - readers of a ring come and go; see stream.h. */
#include "broker/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "broker/client.h"
#include "broker/feed.h"
#include "broker/relay.h"

#include <msg/msg.h>

#include "base/trail.h"
#include "pool/ring_wait.h"

int stream_open(struct stream **out, struct stream **list, const char *topic,
	uint32_t entry_count)
{
	struct stream *s = aligned_alloc(64, (sizeof *s + 63) & ~(size_t)63);
	int result;

	if (!s)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a stream");
	memset(s, 0, sizeof *s);
	s->ring = (struct msg_shm_segment)MSG_SHM_SEGMENT;
	for (uint32_t i = 0; i < MSG_RING_READERS_MAX; i++)
		s->readers[i].ledger =
			(struct msg_shm_segment)MSG_SHM_SEGMENT;
	snprintf(s->topic, sizeof s->topic, "%s", topic);
	s->entry_count = entry_count;
	result = msg_shm_segment_create(
		&s->ring, "msg-ring", msg_ring_bytes(entry_count), 0);
	if (result < 0) {
		free(s);
		return result;
	}
	s->next = *list;
	s->link = list;
	if (s->next)
		s->next->link = &s->next;
	*list = s;
	*out = s;
	return 0;
}

void stream_close(struct stream *s)
{
	for (uint32_t i = 0; i < s->reader_top; i++)
		msg_shm_segment_close(&s->readers[i].ledger);
	msg_shm_segment_close(&s->ring);
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	free(s);
}

/* ---- readers ----------------------------------------------------------- */

static enum msg_ring_slow slow_of(uint32_t policy)
{
	switch (policy) {
	case MSG_CONTROL_EVICT:
		return MSG_RING_EVICT;
	case MSG_CONTROL_BLOCK:
		return MSG_RING_BLOCK;
	default:
		return MSG_RING_LAP;
	}
}

/* A place that nobody has, nor one whose going its writer has yet to be told of.
 * Rather none where it has yet to hear of one who was lapped or evicted: the
 * next one would find that.  But a writer that lies keeps nobody out. */
static uint32_t find_place(const struct stream *s)
{
	const struct msg_ring_header *header =
		(const struct msg_ring_header *)s->ring.base;
	uint32_t found = MSG_RING_READERS_MAX;

	for (uint32_t i = 0; i < MSG_RING_READERS_MAX; i++) {
		if (s->readers[i].used || s->readers[i].writer_knows)
			continue;
		if (msg_load(&header->floor[i], acquire) == 0)
			return i;
		if (found == MSG_RING_READERS_MAX)
			found = i;
	}
	return found;
}

static bool wants_history(const struct stream_reader *r)
{
	return r->client && r->client->wish.history_count > 0 &&
	       !r->client->wish.resumes;
}

/* Of who comes to a network stream. */
static void begin(struct stream *s, struct stream_reader *r)
{
	r->start = s->writer.head;
	if (wants_history(r) &&
		msg_receiver_repairs(&s->feed->receiver, s->number))
		r->start = s->writer.tail;
	r->history = (uint32_t)(s->writer.head - r->start);
}

int stream_add_reader(struct stream *s, struct client *client,
	uint32_t hold_max, enum msg_control_policy policy, uint32_t number)
{
	struct stream_reader *r;
	uint32_t index = find_place(s);
	int result;

	if (index == MSG_RING_READERS_MAX)
		return msg_fail(MSG_ERROR_BUSY,
			"topic '%s' has %u subscribers of this host, the most "
			"a stream takes",
			s->topic, MSG_RING_READERS_MAX);
	r = &s->readers[index];
	result = msg_shm_segment_create(&r->ledger, "msg-ledger",
		msg_ring_ledger_bytes(hold_max), 0);
	if (result == 0)
		result = msg_shm_segment_seal(&r->ledger, MSG_SHM_SEAL_SIZE);
	if (result < 0) {
		msg_shm_segment_close(&r->ledger);
		return result;
	}
	r->client = client;
	r->hold_max = hold_max;
	/* The network waits for nobody. */
	r->policy = !s->local && policy == MSG_CONTROL_BLOCK
			    ? MSG_CONTROL_LAP
			    : policy;
	r->number = number;
	r->used = true;
	r->client_knows = !client;
	r->history = 0;
	r->change = 0;
	r->begun = false;
	if (index >= s->reader_top)
		s->reader_top = index + 1;
	s->reader_count++;
	if (!s->local) {
		msg_ring_writer_add(&s->writer, index,
			(const struct msg_ring_ledger *)r->ledger.base,
			hold_max, slow_of(r->policy));
		if (client && !client->wish.best_effort)
			msg_ring_await(&s->writer, index);
		r->writer_knows = true;
		begin(s, r);
		if (client && client->wish.events)
			msg_receiver_introduce(
				&s->feed->receiver, s->number, index);
	}
	s->stale = true;
	return (int)index;
}

void stream_remove_reader(struct stream *s, uint32_t index)
{
	struct stream_reader *r = &s->readers[index];

	if (!s->local) {
		msg_ring_writer_remove(&s->writer, index);
		msg_ring_vacate(&s->writer, index);
		r->writer_knows = false;
	}
	msg_shm_segment_close(&r->ledger);
	r->used = false;
	r->client = NULL;
	s->reader_count--;
	s->stale = true;
}

/* ---- telling ----------------------------------------------------------- */

/* "late" (pool/ring.h): the relay holds what there is until the writer, which may
 * make no call for long, has heard of the reader; where there is none, the writer
 * says before it takes any back, and we have told it of the reader, and looked behind
 * a fence (client_say), before we see what it says. */
static void begin_late(struct stream *s, struct stream_reader *r)
{
	uint64_t oldest = publisher_oldest(s->owner->publisher, r->start);

	if (oldest >= r->start || r->start - oldest > s->entry_count)
		return;
	r->history = (uint32_t)(r->start - oldest);
	r->start = oldest;
	s->unheard = true;
}

uint64_t stream_unheard(struct stream *s)
{
	const struct msg_ring_header *header =
		(const struct msg_ring_header *)s->ring.base;
	uint64_t heard, first = UINT64_MAX;

	if (!s->unheard || !s->owner)
		return first;
	/* "late"; partner: msg_ring_writer_add. */
	heard = msg_load(&header->changes, acquire);
	for (uint32_t i = 0; i < s->reader_top; i++) {
		const struct stream_reader *r = &s->readers[i];

		if (r->used && r->history > 0 && r->change > heard &&
			r->start < first)
			first = r->start;
	}
	s->unheard = first != UINT64_MAX;
	return first;
}

/* Whether the publisher of a connected topic waits for a reader, as for those of
 * other hosts: not for the k fastest, which are elsewhere. */
static bool is_awaited(const struct stream *s, const struct client *reader)
{
	const struct publisher *p = s->owner->publisher;

	return p->rc && reader && !reader->wish.best_effort &&
	       (p->flow == MSG_FLOW_MIN ||
		       (p->flow == MSG_FLOW_TAGGED && reader->wish.tagged));
}

static void say_to_writer(struct stream *s, uint32_t index)
{
	struct stream_reader *r = &s->readers[index];
	struct msg_control message;
	int fds[2];

	memset(&message.reader, 0, sizeof message.reader);
	if (r->used) {
		message.kind = MSG_CONTROL_READER;
		message.reader.reader = index;
		message.reader.policy = r->policy;
		message.reader.hold_max = r->hold_max;
		message.reader.awaited = is_awaited(s, r->client);
		client_introduce(r->client, &message.reader);
		fds[0] = r->ledger.fd;
		fds[1] = client_doorbell(s->owner, r->client);
	} else {
		message.kind = MSG_CONTROL_READER_GONE;
		message.reader_gone.reader = index;
	}
	r->writer_knows = r->used;
	r->change = ++s->changes;
	client_say(s->owner, &message, fds,
		!r->used ? 0 : fds[1] < 0 ? 1 : 2);
}

/* A local stream's writer hears of a reader; false: its socket is full. */
static bool tell_writer(struct stream *s, uint32_t index)
{
	const struct msg_ring_header *header =
		(const struct msg_ring_header *)s->ring.base;
	struct stream_reader *r = &s->readers[index];

	if (!s->owner) {
		/* Nobody writes any more, so nobody needs to know. */
		r->writer_knows = r->used;
		return true;
	}
	if (r->used != r->writer_knows) {
		if (!s->owner->mapped || !client_has_room(s->owner))
			return false;
		say_to_writer(s, index);
	}
	if (!r->used || r->begun)
		return true;
	/* While that waits, its writer looks for it and finds nothing. */
	if (s->owner->broken || !client_has_room(s->owner))
		return false;
	r->begun = true;
	/* What it publishes from here on waits for this reader. */
	r->start = msg_load(&header->head, acquire);
	if (wants_history(r))
		begin_late(s, r);
	return true;
}

static void tell_client(struct stream *s, uint32_t index)
{
	struct stream_reader *r = &s->readers[index];
	struct msg_control message = {.kind = MSG_CONTROL_RING};
	int fds[4] = {s->ring.fd, s->pool->fd, r->ledger.fd};
	unsigned fd_count = 3;

	message.ring = (struct msg_control_ring){
		.number = r->number,
		.origin = s->local ? MSG_CONTROL_LOCAL : MSG_CONTROL_NETWORK,
		.publisher = s->publisher,
		.reader = index,
		.entry_count = s->entry_count,
		.pool_bytes = s->pool->bytes,
		.hold_max = r->hold_max,
		.start = r->start,
		.history = r->history,
	};
	if (s->local && s->owner)
		snprintf(message.ring.program, sizeof message.ring.program,
			"%.63s", s->owner->peer.program);
	snprintf(message.ring.topic, sizeof message.ring.topic, "%s", s->topic);
	if (s->area && r->client->wish.large_bytes_max > 0) {
		message.ring.large_bytes = s->area->bytes;
		fds[fd_count++] = s->area->fd;
	}
	r->client_knows = true;
	client_say(r->client, &message, fds, fd_count);
}

void stream_tell(struct stream *s)
{
	s->stale = false;
	/* No poll says when the kernel takes more descriptors. */
	if (s->local && s->owner && !client_has_room(s->owner))
		client_writable(s->owner);
	for (uint32_t i = 0; i < s->reader_top; i++) {
		struct stream_reader *r = &s->readers[i];

		if (s->local && !tell_writer(s, i)) {
			s->stale = true;
			continue;
		}
		if (!r->used || r->client_knows)
			continue;
		if (r->client->subscribed)
			tell_client(s, i);
		else
			s->stale = true;
	}
	while (s->reader_top > 0 && !s->readers[s->reader_top - 1].used &&
		!s->readers[s->reader_top - 1].writer_knows)
		s->reader_top--;
}

void stream_flush(struct stream *s)
{
	if (s->local || s->writer.head == s->flushed)
		return;
	s->flushed = s->writer.head;
	msg_ring_flush(&s->writer);
}

void stream_wake(void *stream, uint32_t reader)
{
	struct stream *s = stream;
	struct client *client = s->readers[reader].client;

	/* Full: it has not heard the last one yet. */
	if (client)
		(void)!send(client->bell[0], "", 1,
			MSG_DONTWAIT | MSG_NOSIGNAL);
}

uint64_t stream_in_hand(const struct stream *s, uint32_t index)
{
	const struct msg_ring_ledger *ledger =
		(const struct msg_ring_ledger *)s->readers[index].ledger.base;
	uint64_t next = msg_load(&ledger->next, relaxed);
	uint64_t low = msg_load(&ledger->low, relaxed);
	uint64_t held = msg_load(&ledger->held_top, relaxed);

	return (next > low ? next - low : 0) + held;
}
