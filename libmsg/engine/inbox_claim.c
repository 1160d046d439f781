/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inbox_claim.c - entries of any kind become records: believed, copied, and
 * only then claimed; see inbox.h.  What is whole in its entry takes a shorter
 * way (inbox_take.c).
 */
#include "engine/inbox_internal.h"

#include <string.h>

/* Who has neither knows nothing of where they stand, and need not. */
static bool is_large(
	const struct msg_inbox_ring *ring, const struct msg_ring_item *item)
{
	const struct msg_large_pool *large = ring->large;

	if (item->bytes != 0 || item->total > MSG_LARGE_BYTES_MAX)
		return false;
	if (large)
		return item->place < large->top &&
		       large->buffers[item->place].memory &&
		       item->total <= msg_large_capacity(large, item->place);
	return !ring->area ||
	       msg_large_is_in(ring->area_bytes, item->place, item->total);
}

bool inbox_believe(
	const struct msg_inbox_ring *ring, const struct msg_ring_item *item)
{
	if (item->kind == MSG_RING_SINGLE || item->kind == MSG_RING_INLINE)
		return inbox_believe_whole(ring, item);
	if (ring->publisher != 0 && item->publisher != ring->publisher)
		return false;
	switch (item->kind) {
	case MSG_RING_PART:
		if (item->segments < 1 ||
			item->segments > ring->reader.mask + 1 ||
			item->total > MSG_MESSAGE_BYTES_MAX)
			return false;
		break;
	case MSG_RING_PACKED:
		if (item->total >= MSG_PACK_COUNT_MAX)
			return false;
		break;
	case MSG_RING_LARGE:
		return is_large(ring, item);
	case MSG_RING_EVENT:
		return item->bytes == 0 && item->place >= MSG_EVENT_LOST &&
		       item->place <= MSG_EVENT_EVICTED &&
		       item->total <= MSG_LOSS_TOO_LARGE;
	default:
		return false;
	}
	/* Of 35 and 29 bits, as above. */
	return (uint64_t)item->place * MSG_RING_PLACE_UNIT + item->bytes <=
	       ring->pool_bytes;
}

static uint32_t topic_of(
	const struct msg_inbox_ring *ring, const struct msg_ring_item *item)
{
	return ring->topic == MSG_INBOX_NONE ? item->topic : ring->topic;
}

static void fill_record(struct msg_inbox_ring *ring,
	struct msg_inbox_record *r, uint64_t index,
	const struct msg_ring_item *item)
{
	r->index = index;
	r->sequence = item->sequence;
	r->publisher = item->publisher;
	r->topic = topic_of(ring, item);
	r->bytes = item->bytes;
	r->lost = item->lost;
	r->segments = 1;
	/* Of a pack what is not to be taken, of an event its reason. */
	r->total = item->kind > MSG_RING_INLINE ? item->total : item->bytes;
	r->next = MSG_INBOX_NONE;
	r->younger = MSG_INBOX_NONE;
	r->place = MSG_INBOX_NONE;
	r->kind = (uint8_t)item->kind;
	if (item->kind == MSG_RING_INLINE) {
		memcpy(r->inline_data, item->data, sizeof r->inline_data);
		r->data = (const uint8_t *)r->inline_data;
	} else if (item->kind == MSG_RING_EVENT) {
		r->data = NULL;
		r->segments = 1;
		r->event = (uint8_t)item->place;
	} else if (item->kind == MSG_RING_LARGE) {
		r->data = ring->large
				  ? msg_large_data(ring->large, item->place)
				  : ring->area + (uint64_t)item->place *
							 MSG_LARGE_PAGE;
		r->bytes = item->total;
	} else {
		r->data = ring->pool +
			  (size_t)item->place * MSG_RING_PLACE_UNIT;
	}
}

enum parts {
	PARTS_WHOLE,
	PARTS_REST, /* Its beginning was revoked. */
	PARTS_LOST, /* All were there before the first could be seen, so one
	             * that is not there is being written over: revoked. */
	PARTS_BROKEN,
};

/* The entries behind the first of a message of several. */
static enum parts claim_parts(struct msg_inbox *inbox,
	struct msg_inbox_ring *ring, uint32_t first, uint64_t index,
	const struct msg_ring_item *head)
{
	uint64_t bytes = head->bytes;
	uint32_t last = first;

	for (uint32_t i = 1; i < head->segments; i++) {
		struct msg_ring_item item;
		uint32_t record;

		if (msg_ring_peek(&ring->reader, index + i, &item) !=
			MSG_RING_ENTRY)
			return PARTS_LOST;
		if (item.kind != MSG_RING_PART || !inbox_believe(ring, &item) ||
			item.segments != head->segments - i)
			return PARTS_BROKEN;
		record = inbox->free[--inbox->free_count];
		fill_record(ring, &inbox->records[record], index + i, &item);
		inbox->records[last].next = record;
		last = record;
		bytes += item.bytes;
	}
	inbox->records[first].segments = head->segments;
	inbox->records[first].total = head->total;
	if (bytes == head->total)
		return PARTS_WHOLE;
	return bytes < head->total ? PARTS_REST : PARTS_BROKEN;
}

struct claim {
	uint32_t first; /* Records, by `younger`. */
	uint32_t last;
	uint64_t upto;
	uint32_t entries; /* In records: all of them. */
	bool pinned;
	bool skipped; /* Something before it. */
};

/* Go on behind entries that are of no use.  They are never in hand, however
 * many they are, so they must not make the window wider; thus not in the middle
 * of a claim.  False: not now. */
static bool skip(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct claim *claim, uint32_t count)
{
	if (claim->entries > 0)
		return false;
	inbox_keep_stragglers(inbox, ring);
	claim->upto += count;
	claim->skipped = true;
	msg_ring_skip(&ring->reader, claim->upto);
	return true;
}

/* An event may be for one of the readers alone. */
static bool is_for_another(
	const struct msg_inbox_ring *ring, const struct msg_ring_item *item)
{
	return item->place != MSG_EVENT_LOST && item->lost != 0 &&
	       item->lost != ring->reader.number + 1;
}

/* An event that nobody asked for.  A loss it tells of is told with the next
 * message all the same: of a publisher known here by the gap. */
static bool skip_event(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct claim *claim, const struct msg_ring_item *item)
{
	if (!skip(inbox, ring, claim, 1))
		return false;
	if (item->place == MSG_EVENT_LOST)
		inbox_expect(inbox, item->publisher, topic_of(ring, item),
			item->sequence - item->lost);
	return true;
}

/* Whether the message that an item holds, or begins, is no larger than we take.
 * What is packed or in an entry is no larger than any subscriber takes. */
static bool is_welcome(const struct msg_inbox *inbox,
	const struct msg_inbox_ring *ring, const struct msg_ring_item *item)
{
	switch (item->kind) {
	case MSG_RING_SINGLE:
		return item->bytes <= inbox->message_bytes_max;
	case MSG_RING_PART:
		/* Or there is never room for it. */
		return item->total <= inbox->message_bytes_max &&
		       item->segments <= ring->held_max &&
		       item->segments <= inbox->record_count;
	case MSG_RING_LARGE:
		return (ring->large || ring->area) &&
		       item->total <= inbox->large_bytes_max;
	default:
		return true;
	}
}

/* A message that we do not take.  Who is told of events is told of this one,
 * by an entry of one part in its place; else the next message tells, by the gap.
 * False: not now. */
static bool refuse(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct claim *claim, struct msg_ring_item *item)
{
	bool ours = claim->upto >= ring->late_end;
	bool tells = inbox->tells_events && ours;

	if ((!tells || item->segments > 1) &&
		!skip(inbox, ring, claim, item->segments - tells))
		return false;
	inbox_count(inbox, MSG_COUNTER_TOO_LARGE, 1);
	/* What was there before we came is nobody's loss. */
	if (ours && !tells)
		inbox_refused(inbox, item->publisher, topic_of(ring, item),
			item->sequence - item->lost);
	if (!tells)
		return true;
	*item = (struct msg_ring_item){
		.sequence = item->sequence + 1,
		.publisher = item->publisher,
		.topic = item->topic,
		.kind = MSG_RING_EVENT,
		.place = MSG_EVENT_LOST,
		.lost = item->lost + 1,
		.total = MSG_LOSS_TOO_LARGE,
		.segments = 1,
	};
	return true;
}

/* Copy one entry to the end of the claim.  False: there is nothing more. */
static bool claim_one(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct claim *claim, uint32_t room, enum msg_ring_peek *seen)
{
	struct msg_ring_item item;
	uint32_t record;

	*seen = msg_ring_peek(&ring->reader, claim->upto, &item);
	if (*seen != MSG_RING_ENTRY)
		return false;
	if (!inbox_believe(ring, &item)) {
		if (!skip(inbox, ring, claim, 1))
			return false;
		inbox_count(inbox, MSG_COUNTER_MALFORMED, 1);
		return true;
	}
	if (item.kind == MSG_RING_EVENT &&
		(!inbox->tells_events || is_for_another(ring, &item)))
		return skip_event(inbox, ring, claim, &item);
	if (!is_welcome(inbox, ring, &item)) {
		if (!refuse(inbox, ring, claim, &item))
			return false;
		if (item.kind != MSG_RING_EVENT)
			return true;
	}
	/* Later. */
	if (item.segments > room || item.segments > inbox->free_count)
		return false;
	record = inbox->free[--inbox->free_count];
	fill_record(ring, &inbox->records[record], claim->upto, &item);
	if (item.kind == MSG_RING_PART) {
		enum parts parts = claim_parts(
			inbox, ring, record, claim->upto, &item);

		if (parts != PARTS_WHOLE) {
			bool broken = parts == PARTS_BROKEN;

			inbox_put_chain(inbox, record);
			if (!skip(inbox, ring, claim,
				    broken ? 1 : item.segments))
				return false;
			if (broken)
				inbox_count(inbox, MSG_COUNTER_MALFORMED, 1);
			return true;
		}
	}
	claim->upto += item.segments;
	claim->entries += item.segments;
	claim->pinned |= item.kind != MSG_RING_INLINE &&
			 item.kind != MSG_RING_EVENT;
	if (claim->first == MSG_INBOX_NONE)
		claim->first = record;
	else
		inbox->records[claim->last].younger = record;
	claim->last = record;
	return true;
}

/* Put a claim at the end of the queue, less what was revoked. */
static void enqueue(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct claim *claim, uint64_t from)
{
	while (claim->first != MSG_INBOX_NONE &&
		inbox->records[claim->first].index < from) {
		struct msg_inbox_record *r = &inbox->records[claim->first];
		uint32_t next = r->younger;

		claim->entries -= r->segments;
		inbox_put_chain(inbox, claim->first);
		claim->first = next;
	}
	if (ring->reader.lapped != ring->lapped_told)
		inbox_note_lapped(inbox, ring);
	if (claim->first == MSG_INBOX_NONE)
		return;
	inbox->records[claim->first].lost += (uint32_t)ring->lost;
	ring->lost = 0;
	if (ring->oldest == MSG_INBOX_NONE)
		ring->oldest = claim->first;
	else
		inbox->records[ring->newest].younger = claim->first;
	ring->newest = claim->last;
	ring->packs = inbox->records[claim->last].kind > MSG_RING_INLINE;
	ring->deliver = claim->first;
	ring->in_hand += claim->entries;
}

bool inbox_claim(
	struct msg_inbox *inbox, struct msg_inbox_ring *ring, uint32_t count)
{
	struct claim claim = {.first = MSG_INBOX_NONE, .last = MSG_INBOX_NONE};
	enum msg_ring_peek seen = MSG_RING_EMPTY;
	uint32_t room = inbox_claim_room(ring);

	claim.upto = ring->reader.next;
	for (uint32_t i = 0; i < count && claim.entries < room &&
			     inbox->free_count > 0;
		i++)
		if (!claim_one(inbox, ring, &claim, room - claim.entries,
			    &seen))
			break;
	if (claim.entries > 0) {
		enqueue(inbox, ring, &claim,
			msg_ring_hold(
				&ring->reader, claim.upto, claim.pinned));
		return true;
	}
	if (claim.skipped)
		return true;
	if (seen == MSG_RING_GONE) {
		inbox_keep_stragglers(inbox, ring);
		if (!msg_ring_lap(&ring->reader))
			return false;
		inbox_note_lapped(inbox, ring);
		return msg_ring_ready(&ring->reader);
	}
	if (ring->reader.next == ring->reader.low)
		return false;
	/* What is back behind one that is kept long may be what is missing. */
	inbox_keep_stragglers(inbox, ring);
	return inbox_claim_room(ring) > room;
}
