/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inbox_event.c - views of what happened that stand for no entry; see inbox.h.
 *
 * What a ring's writer does not say in the ring: that its publisher came, is the
 * same program as one before, or went; what was lapped with nothing behind it;
 * that the ring was taken from us; and what is not said of a ring at all, that
 * somebody is of another type than this reader expects.  A record of such a view is
 * among those kept, which need not be in order.
 */
#include "engine/inbox_internal.h"
#include "engine/inbox_quick.h"

#define BIT(event) (1u << (event))

/* The message that comes next of the ring's publisher, as far as can be seen. */
static uint64_t next_sequence(
	struct msg_inbox *inbox, const struct msg_inbox_ring *ring)
{
	const struct msg_inbox_stream *s =
		inbox_find_stream(inbox, ring->publisher, ring->topic);
	const struct msg_ring_reader *reader = &ring->reader;
	struct msg_pack_reader pack;
	struct msg_ring_item item;
	int messages = 1;

	if (s->used)
		return s->expected;
	if (msg_ring_peek(reader, reader->next, &item) == MSG_RING_ENTRY)
		return item.sequence;
	if (reader->next == 0 ||
		msg_ring_peek(reader, reader->next - 1, &item) !=
			MSG_RING_ENTRY ||
		!inbox_believe(ring, &item))
		return 0;
	if (item.kind == MSG_RING_PACKED)
		messages = msg_pack_open(&pack,
			ring->pool + (size_t)item.place * MSG_RING_PLACE_UNIT,
			item.bytes);
	return item.sequence + (messages > 0 ? (uint64_t)messages : 1);
}

bool inbox_tell(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	const struct msg_view *what, struct msg_view *view)
{
	struct msg_inbox_record *r;
	uint32_t record;

	if (inbox->free_count == 0 || inbox_claim_room(ring) == 0)
		return false;
	record = inbox->free[--inbox->free_count];
	r = &inbox->records[record];
	*r = (struct msg_inbox_record){
		.index = ring->reader.next,
		.sequence = what->sequence,
		.publisher = (uint32_t)what->publisher,
		.topic = what->topic,
		.segments = 1,
		.next = MSG_INBOX_NONE,
		.younger = ring->kept,
		.place = MSG_INBOX_NONE,
		.generation = r->generation,
		.kind = MSG_RING_EVENT,
	};
	*view = *what;
	view->opaque = inbox_set_bit(inbox, record);
	view->segment_count = 1;
	inbox->events++;
	ring->kept = record;
	ring->in_hand++;
	return true;
}

static bool tell(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	enum msg_event event, struct msg_view *view)
{
	struct msg_view what = {
		.publisher = ring->publisher,
		.topic = ring->topic,
		.sequence = next_sequence(inbox, ring),
		.event = event,
	};

	return inbox_tell(inbox, ring, &what, view);
}

/* ---- lapped -------------------------------------------------------------- */

/* Each entry was one message at least: if it was more, the next message tells
 * the rest, by its gap. */
int inbox_tell_lapped(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *view)
{
	struct msg_inbox_stream *s =
		inbox_find_stream(inbox, ring->publisher, ring->topic);
	struct msg_view what = {
		.publisher = ring->publisher,
		.topic = ring->topic,
		.sequence = s->expected + ring->lost,
		.event = MSG_EVENT_LOST,
		.reason = MSG_LOSS_LAPPED,
	};

	/* Before its first message nobody knows where it stood. */
	if (!s->used || !inbox_tell(inbox, ring, &what, view))
		return 0;
	view->lost_before = inbox_missing(inbox, ring->publisher, ring->topic,
		what.sequence, 0, ring->lost);
	ring->lost = 0;
	return 1;
}

/* ---- coming and going ---------------------------------------------------- */

void msg_inbox_owe(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	enum msg_event event)
{
	if (!inbox->tells_events || ring->stopped)
		return;
	msg_inbox_close_quick(inbox);
	ring->owed |= BIT(event);
	ring->apart = true;
}

int inbox_tell_owed(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	enum msg_event first, enum msg_event second, struct msg_view *views,
	int count)
{
	const enum msg_event events[] = {first, second};
	int n = 0;

	for (int i = 0; i < 2; i++) {
		if (!(ring->owed & BIT(events[i])))
			continue;
		if (n == count || !tell(inbox, ring, events[i], &views[n]))
			return n;
		n++;
		ring->owed &= ~BIT(events[i]);
	}
	return n;
}

/* ---- of another type ------------------------------------------------------ */

void msg_inbox_owe_other(
	struct msg_inbox *inbox, uint32_t publisher, uint32_t topic)
{
	if (!inbox->tells_events || inbox->other_count == MSG_INBOX_OTHERS_MAX)
		return;
	msg_inbox_close_quick(inbox);
	inbox->others[inbox->other_count++] = (struct msg_inbox_other){
		.publisher = publisher, .topic = topic};
	inbox_mark_others(inbox);
}

/* Some ring of which something may be in hand: the record of an event is among
 * those kept of a ring, whichever. */
static struct msg_inbox_ring *find_room(const struct msg_inbox *inbox)
{
	for (uint32_t i = 0; i < inbox->ring_count; i++)
		if (inbox_claim_room(inbox->rings[i]) > 0)
			return inbox->rings[i];
	return NULL;
}

int inbox_tell_others(
	struct msg_inbox *inbox, struct msg_view *views, int count)
{
	int n = 0;

	while (n < count && inbox_owes_others(inbox)) {
		const struct msg_inbox_other *other =
			&inbox->others[inbox->other_told];
		const struct msg_inbox_stream *s = inbox_find_stream(
			inbox, other->publisher, other->topic);
		struct msg_inbox_ring *ring = find_room(inbox);
		struct msg_view what = {
			.publisher = other->publisher,
			.topic = other->topic,
			.sequence = s->used ? s->expected : 0,
			.event = MSG_EVENT_OTHER_TYPE,
		};

		if (!ring || !inbox_tell(inbox, ring, &what, &views[n]))
			break;
		inbox->other_told++;
		n++;
	}
	return n;
}

/* ---- evicted -------------------------------------------------------------- */

bool msg_inbox_tell_evicted(struct msg_inbox *inbox, struct msg_view *view)
{
	struct msg_inbox_ring *ring = NULL;

	msg_inbox_close_quick(inbox);
	for (uint32_t i = 0; i < inbox->ring_count; i++)
		if (!ring || msg_ring_evicted(&inbox->rings[i]->reader))
			ring = inbox->rings[i];
	if (!ring || !inbox->tells_events ||
		!tell(inbox, ring, MSG_EVENT_EVICTED, view))
		return false;
	/* No take counted it. */
	inbox->events--;
	return true;
}
