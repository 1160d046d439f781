/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inbox_history.c - what a ring held before we came; see inbox.h.
 *
 *     start ┄┄ unwanted ┄┄┬─ the last so many of each publisher ─┬── live
 *                         begin, by sequence                  late_end
 *
 * The ring is looked through once, when it is added: of each publisher that is
 * not known yet, from which message on we want its messages.  That is what is
 * expected of it next, so what stands before is told by its sequence, and of a
 * publisher that is known nothing comes twice.  Until the ring's reader has
 * passed late_end it is taken from on a way of its own; the usual one knows
 * nothing of this.
 */
#include "engine/inbox_internal.h"

/* Messages in an entry, less those at its beginning that nobody wants; 0: it
 * holds none, or was taken away from us meanwhile. */
static uint32_t count_messages(const struct msg_inbox_ring *ring, uint64_t at,
	const struct msg_ring_item *item)
{
	const struct msg_ring_reader *reader = &ring->reader;
	const uint8_t *data =
		ring->pool + (size_t)item->place * MSG_RING_PLACE_UNIT;
	struct msg_pack_reader pack;
	int n;

	if (item->kind == MSG_RING_EVENT)
		return 0;
	if (item->kind != MSG_RING_PACKED)
		return 1;
	n = msg_pack_open(&pack, data, item->bytes);
	/* Nothing is claimed yet: what was revoked may be anything by now. */
	msg_fence(acquire);
	if (msg_load(&reader->header->floor[reader->number], relaxed) > at)
		return 0;
	return n > (int)item->total ? (uint32_t)n - item->total : 0;
}

static void note(struct msg_inbox *inbox, const struct msg_inbox_ring *ring,
	uint64_t at, const struct msg_ring_item *item)
{
	uint32_t topic = ring->topic == MSG_INBOX_NONE ? item->topic
						       : ring->topic;
	uint32_t messages = count_messages(ring, at, item);
	uint64_t first = item->sequence;
	struct msg_inbox_stream *s;

	if (messages == 0)
		return;
	if (item->kind == MSG_RING_PACKED)
		first += item->total;
	s = inbox_find_stream(inbox, item->publisher, topic);
	if (!s->used) {
		inbox_missing_slow(inbox, item->publisher, topic, first,
			messages, 0);
		inbox->latest->late = true;
		inbox->latest->begin = first;
	} else if (s->late) {
		s->expected = first + messages;
	}
}

/* From where on each is wanted. */
static void choose(struct msg_inbox *inbox, uint32_t wanted, bool joins)
{
	for (uint32_t i = 0; i <= inbox->stream_mask; i++) {
		struct msg_inbox_stream *s = &inbox->streams[i];
		uint64_t there = s->expected - s->begin;

		if (!s->late)
			continue;
		if (wanted < there && wanted != UINT32_MAX)
			there = wanted;
		s->late = false;
		s->joins = joins;
		s->expected -= there;
		inbox_count(inbox, MSG_COUNTER_CAUGHT_UP, there);
	}
}

void inbox_begin_late(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	uint32_t entries, uint32_t wanted)
{
	uint64_t at = ring->reader.next;
	uint64_t end = at + entries;

	while (at < end) {
		struct msg_ring_item item;
		uint32_t step = 1;

		/* What cannot be read now cannot be later. */
		if (msg_ring_peek(&ring->reader, at, &item) == MSG_RING_ENTRY &&
			inbox_believe(ring, &item)) {
			note(inbox, ring, at, &item);
			step = item.segments;
		}
		at += step;
	}
	/* Of a ring of one publisher its owner says so. */
	choose(inbox, wanted, inbox->tells_events && ring->publisher == 0);
	ring->late_end = end;
	ring->apart = true;
}

bool inbox_tell_joined(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *view)
{
	const struct msg_inbox_record *r = &inbox->records[ring->deliver];
	struct msg_inbox_stream *s =
		inbox_find_stream(inbox, r->publisher, r->topic);
	struct msg_view what = {
		.publisher = r->publisher,
		.topic = r->topic,
		.sequence = s->expected,
		.event = MSG_EVENT_JOINED,
	};

	/* Without room the message comes all the same. */
	if (!s->used || !s->joins || !inbox_tell(inbox, ring, &what, view))
		return false;
	s->joins = false;
	s->told = true;
	return true;
}

bool inbox_is_unwanted(
	struct msg_inbox *inbox, struct msg_inbox_record *r)
{
	const struct msg_inbox_stream *s =
		inbox_find_stream(inbox, r->publisher, r->topic);
	uint64_t behind = s->used ? s->expected - r->sequence : 0;

	/* What happened before we came. */
	if (r->kind == MSG_RING_EVENT)
		return true;
	if ((int64_t)behind <= 0)
		return false;
	if (r->kind != MSG_RING_PACKED || behind >= MSG_PACK_COUNT_MAX)
		return true;
	if (behind > r->total)
		r->total = (uint32_t)behind;
	return false;
}
