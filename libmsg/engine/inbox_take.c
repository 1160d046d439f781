/* SPDX-License-Identifier: BSD-2-Clause */
/* inbox_take.c - the steady path of a subscriber; see inbox.h. */
#include "engine/inbox_internal.h"

#include <string.h>

#include "base/probe.h"
#include "engine/inbox_quick.h"

/* Called for each message. */
#define INLINE inline __attribute__((always_inline))
#define APART __attribute__((noinline))

/* Entries claimed at once: a fence a batch, and no more than is soon taken. */
#define CLAIM_MAX 64u

/* A record for a message that is whole in its entry, and its view. */
static INLINE void take_plain(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	const struct msg_ring_item *item, uint32_t record,
	struct msg_view *view)
{
	struct msg_inbox_record *r = &inbox->records[record];

	if (item->kind == MSG_RING_INLINE) {
		memcpy(r->inline_data, item->data, sizeof r->inline_data);
		view->data = r->inline_data;
	} else {
		view->data = ring->pool +
			     (size_t)item->place * MSG_RING_PLACE_UNIT;
	}
	r->segments = 1;
	r->total = item->bytes;
	r->next = MSG_INBOX_NONE;
	r->place = MSG_INBOX_NONE;
	r->kind = (uint8_t)item->kind;
	view->bytes = item->bytes;
	view->publisher = item->publisher;
	view->sequence = item->sequence;
	view->lost_before = item->lost;
	view->opaque = inbox_set_bit(inbox, record);
	view->segment_count = 1;
	view->topic = ring->topic == MSG_INBOX_NONE ? item->topic : ring->topic;
	view->event = MSG_EVENT_MESSAGE;
	view->reason = MSG_LOSS_UNKNOWN;
}

/* The first of the views were of entries revoked before they were claimed: those
 * are lost, and the others move up. */
static int drop_void(struct msg_inbox *inbox, uint32_t *first, uint64_t from,
	struct msg_view *views, int n)
{
	int gone = 0;

	while (gone < n && inbox->records[*first].index < from) {
		uint32_t record = *first;

		*first = inbox->records[record].younger;
		msg_inbox_release(inbox, &views[gone++], 1);
		inbox_put_chain(inbox, record);
	}
	memmove(views, views + gone, (size_t)(n - gone) * sizeof *views);
	return n - gone;
}

/* The usual kind, messages that are whole in their entries, with no more ado
 * than that takes; how many.  What is of another kind, or in the way, is left
 * to claim_entries. */
static int take_whole(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *views, int count)
{
	uint64_t at = ring->reader.next;
	uint32_t most = inbox_claim_room(ring);
	uint32_t first = MSG_INBOX_NONE;
	uint32_t last = MSG_INBOX_NONE;
	uint64_t bytes = 0;
	uint64_t begin = at;
	uint64_t from;
	bool pinned = false;
	int n = 0;

	if (most > inbox->free_count)
		most = inbox->free_count;
	if (count > (int)most)
		count = (int)most;
	while (n < count) {
		struct msg_ring_item item;
		uint32_t record;

		if (msg_ring_peek(&ring->reader, at, &item) != MSG_RING_ENTRY ||
			!inbox_believe_whole(ring, &item) ||
			item.bytes > inbox->message_bytes_max)
			break;
		record = inbox->free[--inbox->free_count];
		take_plain(inbox, ring, &item, record, &views[n++]);
		inbox->records[record].index = at++;
		if (first == MSG_INBOX_NONE)
			first = record;
		else
			inbox->records[last].younger = record;
		last = record;
		pinned |= item.kind == MSG_RING_SINGLE;
	}
	if (n == 0)
		return 0;
	ring->packs = false;
	inbox->records[last].younger = MSG_INBOX_NONE;
	from = msg_ring_hold(&ring->reader, at, pinned);
	if (from != begin) {
		inbox_note_lapped(inbox, ring);
		n = drop_void(inbox, &first, from, views, n);
	}
	if (ring->lost != 0 && n > 0) {
		views[0].lost_before += ring->lost;
		ring->lost = 0;
	}
	for (int i = 0; i < n; i++) {
		views[i].lost_before = inbox_missing(inbox,
			(uint32_t)views[i].publisher,
			views[i].topic, views[i].sequence, 1,
			views[i].lost_before);
		bytes += views[i].bytes;
	}
	if (n == 0)
		return 0;
	if (ring->oldest == MSG_INBOX_NONE)
		ring->oldest = first;
	else
		inbox->records[ring->newest].younger = first;
	ring->newest = last;
	ring->in_hand += (uint32_t)n;
	inbox_count(inbox, MSG_COUNTER_BYTES, bytes);
	return n;
}

/* Whether the queue is a single record, of one entry, and all of it is back. */
static INLINE bool is_lone_back(
	const struct msg_inbox *inbox, const struct msg_inbox_ring *ring)
{
	uint32_t only = ring->oldest;
	const struct msg_inbox_record *r = &inbox->records[only];

	/* Acquire; partner: take_back. */
	return only == ring->newest && r->words == 1 && r->segments == 1 &&
	       (uint32_t)msg_load(inbox_word(inbox, only, 0), acquire) == 0;
}

/* Then it is free, and the window empty. */
static INLINE void free_lone(
	struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	inbox->free[inbox->free_count++] = ring->oldest;
	ring->oldest = ring->newest = MSG_INBOX_NONE;
	ring->in_hand--;
	msg_ring_settle(&ring->reader, ring->reader.next);
}

/* The next message, if it is whole in its entry and of the publisher of the one
 * before, behind others that are still out.  False: it is for the others, who also
 * see what was lapped. */
static APART bool take_another(struct msg_inbox *inbox,
	struct msg_inbox_ring *ring, struct msg_view *view)
{
	uint64_t at = ring->reader.next;
	const struct msg_ring_entry *e = msg_ring_entry_at(&ring->reader, at);
	struct msg_inbox_stream *s = inbox->latest;
	struct msg_inbox_record *r;
	struct msg_ring_item item;
	uint32_t record;

	if (inbox->free_count == 0 || inbox_claim_room(ring) == 0 ||
		msg_ring_turn(e) != at + 1)
		return false;
	record = inbox->free[inbox->free_count - 1];
	r = &inbox->records[record];
	if (!msg_ring_copy(e, at, &item, item.data) ||
		!inbox_believe_whole(ring, &item) ||
		item.bytes > inbox->message_bytes_max || ring->lost != 0)
		return false;
	item.lost = 0;
	if (ring->topic != MSG_INBOX_NONE)
		item.topic = ring->topic;
	if (!s || s->expected != item.sequence ||
		s->publisher != item.publisher || s->topic != item.topic ||
		msg_ring_hold(&ring->reader, at + 1,
			item.kind == MSG_RING_SINGLE) != at)
		return false;
	s->expected++;
	take_plain(inbox, ring, &item, record, view);
	r->index = at;
	r->younger = MSG_INBOX_NONE;
	inbox->free_count--;
	if (ring->oldest == MSG_INBOX_NONE)
		ring->oldest = record;
	else
		inbox->records[ring->newest].younger = record;
	ring->newest = record;
	ring->in_hand++;
	inbox_count(inbox, MSG_COUNTER_BYTES, item.bytes);
	return true;
}

/* Whatever is there of one ring, behind the `n` views already taken. */
static APART int take_rest(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *views, int count, int n)
{
	for (;;) {
		uint32_t want;
		int whole;

		while (n < count && ring->deliver != MSG_INBOX_NONE)
			n += inbox_deliver(inbox, ring, views + n, count - n);
		if (n == count || !msg_ring_ready(&ring->reader))
			break;
		whole = ring->packs ? 0
				    : take_whole(inbox, ring, views + n,
					      count - n);
		n += whole;
		want = (uint32_t)(count - n);
		if (whole == 0 && !inbox_claim(inbox, ring,
					  want < CLAIM_MAX ? want : CLAIM_MAX))
			break;
	}
	if (ring->lost == 0 || !inbox->tells_events)
		return n;
	/* What was lapped, and nothing behind it to say so. */
	ring->owes = n == count;
	return ring->owes ? n : n + inbox_tell_lapped(inbox, ring, views + n);
}

/* The same of a ring whose reader has yet to pass what was there before it
 * came. */
static int take_late(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *views, int count)
{
	int n = 0;

	inbox_settle_ring(inbox, ring);
	for (;;) {
		uint64_t left = ring->late_end - ring->reader.next;
		uint32_t want = (uint32_t)count - (uint32_t)n;

		while (n < count && ring->deliver != MSG_INBOX_NONE) {
			if (inbox_tell_joined(inbox, ring, &views[n]))
				n++;
			else
				n += inbox_deliver(
					inbox, ring, views + n, count - n);
		}
		if (n == count)
			return n;
		if (ring->reader.next >= ring->late_end)
			break;
		if (want > CLAIM_MAX)
			want = CLAIM_MAX;
		if (!inbox_claim(
			    inbox, ring, left < want ? (uint32_t)left : want))
			return n;
	}
	/* It is told by the gap before the next, if it was wanted at all. */
	ring->lost = 0;
	return n;
}

static INLINE int counted(struct msg_inbox *inbox, int n)
{
	if (n > 0)
		inbox_count(inbox, MSG_COUNTER_MESSAGES,
			(uint64_t)n - inbox->events);
	inbox->events = 0;
	MSG_PROBE2(take, inbox, n);
	return n;
}

static INLINE int take_ring(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *views, int count)
{
	/* On the short way: to be told even if nothing follows. */
	bool lapped = ring->reader.lapped != ring->lapped_told;
	int n = 0;

	if (lapped)
		inbox_note_lapped(inbox, ring);
	if (ring->kept == MSG_INBOX_NONE && ring->oldest != ring->deliver &&
		is_lone_back(inbox, ring))
		free_lone(inbox, ring);
	else if (ring->kept != MSG_INBOX_NONE || ring->oldest != ring->deliver)
		inbox_settle_ring(inbox, ring);
	if (ring->deliver == MSG_INBOX_NONE) {
		if (!msg_ring_ready(&ring->reader) && !ring->owes && !lapped)
			return 0;
		if (!ring->packs && take_another(inbox, ring, views)) {
			n = 1;
			if (n == count || !msg_ring_ready(&ring->reader))
				return n;
		}
		if (ring->reader.lapped != ring->lapped_told)
			inbox_note_lapped(inbox, ring);
	}
	return take_rest(inbox, ring, views, count, n);
}

/* What is not usual: events before, and behind, what there is to take. */
static APART int take_apart(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *views, int count)
{
	int n = inbox_tell_owed(inbox, ring, MSG_EVENT_JOINED,
		MSG_EVENT_RESTARTED, views, count);

	if (n == count)
		return n;
	if (ring->reader.next < ring->late_end)
		n += take_late(inbox, ring, views + n, count - n);
	else
		n += take_ring(inbox, ring, views + n, count - n);
	if (n < count && ring->deliver == MSG_INBOX_NONE &&
		!msg_ring_ready(&ring->reader) && !ring->owes)
		n += inbox_tell_owed(inbox, ring, MSG_EVENT_LEFT,
			MSG_EVENT_SILENT, views + n, count - n);
	ring->apart = ring->stopped || ring->owed != 0 ||
		      ring->reader.next < ring->late_end;
	return n;
}

static APART void tell_lost(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	uint64_t lost)
{
	ring->missed += lost - inbox->lost_told;
	inbox->lost_told = lost;
	msg_store(&ring->reader.ledger->lost, ring->missed, relaxed);
}

/* What came of a take, for onlookers: nobody is led by it. */
static INLINE void tell(
	struct msg_inbox *inbox, struct msg_inbox_ring *ring, int n)
{
	uint64_t lost = msg_counter_get(&inbox->counters[MSG_COUNTER_LOST]);

	ring->taken += (uint64_t)n;
	msg_store(&ring->reader.ledger->taken, ring->taken, relaxed);
	if (inbox->counts_losses && lost != inbox->lost_told)
		tell_lost(inbox, ring, lost);
}

bool msg_inbox_drained(const struct msg_inbox_ring *ring)
{
	return ring->deliver == MSG_INBOX_NONE &&
	       (ring->stopped ||
		       (!msg_ring_ready(&ring->reader) && !ring->owes &&
			       ring->owed == 0));
}

/* Whether those before it are done with.  First this one, acquire, then those:
 * whoever began here had published all that he wrote there. */
static bool is_next(struct msg_inbox_ring *ring)
{
	while (ring->previous) {
		struct msg_inbox_ring *before = ring->previous;

		if (!msg_ring_ready(&ring->reader) ||
			!msg_inbox_drained(before))
			return false;
		before->finished = true;
		ring->previous = before->previous;
	}
	return true;
}

static INLINE int take_many(
	struct msg_inbox *inbox, struct msg_view *views, int count)
{
	uint32_t at = inbox->turn;
	int n = 0;

	if (inbox->other_told < inbox->other_count)
		n = inbox_tell_others(inbox, views, count);
	for (uint32_t i = 0; i < inbox->ring_count && n < count; i++) {
		struct msg_inbox_ring *ring = inbox->rings[at];

		if (is_next(ring) && !ring->stopped) {
			int some = ring->apart
					   ? take_apart(inbox, ring, views + n,
						     count - n)
					   : take_ring(inbox, ring, views + n,
						     count - n);

			if (some > 0)
				tell(inbox, ring, some);
			n += some;
		}
		if (++at >= inbox->ring_count)
			at = 0;
	}
	inbox->turn = at;
	inbox_mark_others(inbox);
	return counted(inbox, n);
}

/* ---- the short way: inbox_quick.h --------------------------------------- */

/* Behind one message: open it, if nothing is in its way. */
static void open_quick(struct msg_inbox *inbox, const struct msg_view *view)
{
	struct msg_inbox_ring *ring = inbox->rings[0];
	struct msg_inbox_stream *s = inbox->latest;
	struct msg_ring_item whose = {.topic = 0};
	struct msg_ring_item mask = {.publisher = UINT32_MAX};
	struct msg_inbox_record *r;
	uint32_t only = ring->oldest;

	if (inbox->ring_count != 1 || ring->apart || ring->owes ||
		ring->lost != 0 || ring->reader.lapped != ring->lapped_told ||
		ring->deliver != MSG_INBOX_NONE || ring->kept != MSG_INBOX_NONE ||
		only == MSG_INBOX_NONE || only != ring->newest)
		return;
	r = &inbox->records[only];
	if (r->kind > MSG_RING_INLINE || r->words != 1 || !s ||
		s->publisher != view->publisher || s->topic != view->topic ||
		(ring->publisher != 0 && ring->publisher != s->publisher))
		return;
	whose.publisher = s->publisher;
	/* Who writes of many topics says of which in each entry. */
	if (ring->topic == MSG_INBOX_NONE) {
		whose.topic = s->topic;
		mask.topic = UINT32_MAX;
	}
	inbox->quick = (struct msg_inbox_quick){
		.ring = ring,
		.record = r,
		.word = inbox_word(inbox, only, 0),
		.stream = s,
		.from = whose.from,
		.from_mask = mask.from,
		.topic = s->topic,
	};
}

int inbox_take_more(struct msg_inbox *inbox, struct msg_view *views, int count)
{
	struct msg_inbox_ring *ring = inbox->quick.ring;
	int n;

	msg_inbox_close_quick(inbox);
	n = take_rest(inbox, ring, views, count, 1);
	tell(inbox, ring, n);
	return counted(inbox, n);
}

static APART int take_usually(
	struct msg_inbox *inbox, struct msg_view *views, int count)
{
	int n;

	msg_inbox_close_quick(inbox);
	n = take_many(inbox, views, count);
	if (n == 1)
		open_quick(inbox, views);
	return n;
}

int msg_inbox_take(struct msg_inbox *inbox, struct msg_view *views, int count)
{
	int n = msg_inbox_take_quick(inbox, views, count);

	return n != MSG_INBOX_DECLINED ? n : take_usually(inbox, views, count);
}

bool msg_inbox_ready(const struct msg_inbox *inbox)
{
	if (inbox_owes_others(inbox))
		return true;
	for (uint32_t i = 0; i < inbox->ring_count; i++)
		if (!msg_inbox_drained(inbox->rings[i]))
			return true;
	return false;
}
