/* SPDX-License-Identifier: BSD-2-Clause */
/* inbox.c - rings and records: claim, settle, keep; see inbox.h. */
#include "engine/inbox_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/trail.h"

/* Two callers each, and half the cost of a lone message if they are called. */
#define INLINE inline __attribute__((always_inline))
#define APART __attribute__((noinline))

/* Entries claimed at once: a fence a batch, and no more than is soon taken. */
#define CLAIM_MAX 64u

int msg_inbox_open(
	struct msg_inbox *inbox, const struct msg_inbox_options *o)
{
	uint32_t streams = 4;

	assert(o->record_count < (1u << MSG_INBOX_RECORD_BITS));
	memset(inbox, 0, sizeof *inbox);
	while (streams < 2 * o->publisher_count_max)
		streams *= 2;
	inbox->record_count = o->record_count;
	inbox->ring_max = o->ring_max;
	inbox->stream_mask = streams - 1;
	inbox->stream_max = o->publisher_count_max;
	inbox->message_bytes_max = o->message_bytes_max
					   ? o->message_bytes_max
					   : MSG_MESSAGE_BYTES_MAX;
	inbox->counts_losses = o->counts_losses;
	inbox->counters = o->counters;
	inbox->records = aligned_alloc(
		64, o->record_count * sizeof *inbox->records);
	inbox->bits = calloc((size_t)o->record_count * MSG_INBOX_WORDS,
		sizeof *inbox->bits);
	inbox->free = calloc(o->record_count, sizeof *inbox->free);
	inbox->rings = calloc(o->ring_max, sizeof *inbox->rings);
	inbox->streams = calloc(streams, sizeof *inbox->streams);
	if (!inbox->records || !inbox->bits || !inbox->free || !inbox->rings ||
		!inbox->streams) {
		msg_inbox_close(inbox);
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory for the records of %u messages in hand",
			o->record_count);
	}
	memset(inbox->records, 0, o->record_count * sizeof *inbox->records);
	/* Low records on top: they are used first and stay in cache. */
	for (uint32_t i = 0; i < o->record_count; i++)
		inbox->free[i] = o->record_count - 1 - i;
	inbox->free_count = o->record_count;
	return 0;
}

static void free_ring(struct msg_inbox_ring *ring)
{
	free(ring->held);
	free(ring);
}

void msg_inbox_close(struct msg_inbox *inbox)
{
	for (uint32_t i = 0; i < inbox->ring_count; i++)
		free_ring(inbox->rings[i]);
	free(inbox->records);
	free((void *)inbox->bits);
	free(inbox->free);
	free(inbox->rings);
	free(inbox->streams);
	memset(inbox, 0, sizeof *inbox);
}

int msg_inbox_add(struct msg_inbox *inbox,
	const struct msg_inbox_ring_options *o, struct msg_inbox_ring **out)
{
	struct msg_inbox_ring *ring;

	if (inbox->ring_count == inbox->ring_max)
		return msg_fail(MSG_ERROR_MEMORY,
			"the subscription covers more than %u streams; narrow "
			"its pattern",
			inbox->ring_max);
	ring = aligned_alloc(64, (sizeof *ring + 63) & ~(size_t)63);
	if (ring) {
		memset(ring, 0, sizeof *ring);
		ring->held = calloc(o->held_max, sizeof *ring->held);
	}
	if (!ring || !ring->held) {
		free(ring);
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a ring");
	}
	ring->pool = o->pool;
	ring->pool_bytes = o->pool_bytes;
	ring->publisher = o->publisher;
	ring->topic = o->topic;
	ring->held_max = o->held_max;
	ring->oldest = ring->deliver = ring->newest = MSG_INBOX_NONE;
	ring->kept = MSG_INBOX_NONE;
	ring->previous = o->previous;
	msg_ring_reader_open(&ring->reader, o->header, o->entry_count,
		o->ledger, o->number, o->start);
	inbox->rings[inbox->ring_count++] = ring;
	*out = ring;
	return 0;
}

bool msg_inbox_remove(struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	uint32_t at = 0;

	msg_inbox_settle(inbox);
	if (ring->in_hand > 0)
		return false;
	while (inbox->rings[at] != ring)
		at++;
	inbox->rings[at] = inbox->rings[--inbox->ring_count];
	for (uint32_t i = 0; i < inbox->ring_count; i++)
		if (inbox->rings[i]->previous == ring)
			inbox->rings[i]->previous = ring->previous;
	if (inbox->turn >= inbox->ring_count)
		inbox->turn = 0;
	free_ring(ring);
	return true;
}

/* ---- records ----------------------------------------------------------- */

static void put_chain(struct msg_inbox *inbox, uint32_t first)
{
	while (first != MSG_INBOX_NONE) {
		uint32_t next = inbox->records[first].next;

		inbox->free[inbox->free_count++] = first;
		first = next;
	}
}

/* Whether every view of the record is back.  Acquire; partner: take_back:
 * their reads of the payload come before what we tell the writer. */
static bool is_back(const struct msg_inbox *inbox, uint32_t record)
{
	const _Atomic uint64_t *word = inbox_word(inbox, record, 0);
	uint32_t words = inbox->records[record].words;

	for (uint32_t i = 0; i < words; i++)
		if ((uint32_t)msg_load(&word[i], acquire) != 0)
			return false;
	return true;
}

/* ---- what stays in hand ------------------------------------------------ */

static uint32_t held_place(struct msg_inbox_ring *ring)
{
	if (ring->held_free > 0)
		return ring->held[--ring->held_free];
	assert(ring->held_top < ring->held_max);
	return ring->held_top;
}

/* Hold all entries of a record's chain beyond the window.  Its places in held[]
 * are noted record by record. */
static void hold_chain(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	uint32_t first)
{
	for (uint32_t i = first; i != MSG_INBOX_NONE;
		i = inbox->records[i].next) {
		struct msg_inbox_record *r = &inbox->records[i];

		r->place = held_place(ring);
		msg_ring_keep(&ring->reader, r->place, r->index);
		if (r->place == ring->held_top) {
			ring->held_top++;
			/* Release; partner: read_claim: the place before its
			 * number. */
			msg_store(&ring->reader.ledger->held_top,
				ring->held_top, release);
		}
	}
}

static void unhold_chain(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	uint32_t first)
{
	for (uint32_t i = first; i != MSG_INBOX_NONE;
		i = inbox->records[i].next) {
		uint32_t place = inbox->records[i].place;

		if (place == MSG_INBOX_NONE)
			continue;
		msg_ring_unhold(&ring->reader, place);
		ring->held[ring->held_free++] = place;
	}
}

/* Move what is still out from the queue to the kept list, up to the record
 * without views yet; the window is empty then but for that. */
static void keep_stragglers(struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	while (ring->oldest != ring->deliver) {
		uint32_t first = ring->oldest;
		struct msg_inbox_record *r = &inbox->records[first];

		ring->oldest = r->younger;
		if (is_back(inbox, first)) {
			ring->in_hand -= r->segments;
			put_chain(inbox, first);
			continue;
		}
		if (r->kind != MSG_RING_INLINE)
			hold_chain(inbox, ring, first);
		r->younger = ring->kept;
		ring->kept = first;
	}
	if (ring->oldest == MSG_INBOX_NONE)
		ring->newest = MSG_INBOX_NONE;
	msg_ring_settle(&ring->reader,
		ring->oldest == MSG_INBOX_NONE
			? ring->reader.next
			: inbox->records[ring->oldest].index);
}

static void settle_kept(struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	uint32_t *link = &ring->kept;

	while (*link != MSG_INBOX_NONE) {
		uint32_t first = *link;
		struct msg_inbox_record *r = &inbox->records[first];

		if (!is_back(inbox, first)) {
			link = &r->younger;
			continue;
		}
		*link = r->younger;
		unhold_chain(inbox, ring, first);
		ring->in_hand -= r->segments;
		put_chain(inbox, first);
	}
	if (ring->kept != MSG_INBOX_NONE || ring->held_top == 0)
		return;
	/* The usual state again: the writer has no list to look through. */
	ring->held_top = ring->held_free = 0;
	msg_store(&ring->reader.ledger->held_top, 0, release);
}

static void settle_ring(struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	uint64_t low;

	while (ring->oldest != ring->deliver && is_back(inbox, ring->oldest)) {
		uint32_t first = ring->oldest;

		ring->oldest = inbox->records[first].younger;
		ring->in_hand -= inbox->records[first].segments;
		put_chain(inbox, first);
	}
	if (ring->oldest == MSG_INBOX_NONE) {
		ring->newest = MSG_INBOX_NONE;
		low = ring->reader.next;
	} else {
		low = inbox->records[ring->oldest].index;
	}
	if (low != ring->reader.low)
		msg_ring_settle(&ring->reader, low);
	/* What is back behind one that is kept long is not to wait for it. */
	if (ring->reader.next - low > ring->held_max / 4)
		keep_stragglers(inbox, ring);
	if (ring->kept != MSG_INBOX_NONE)
		settle_kept(inbox, ring);
}

void msg_inbox_settle(struct msg_inbox *inbox)
{
	for (uint32_t i = 0; i < inbox->ring_count; i++)
		settle_ring(inbox, inbox->rings[i]);
}

void msg_inbox_stop(struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	ring->stopped = true;
	/* What is claimed but not yet delivered may change at any time. */
	while (ring->deliver != MSG_INBOX_NONE) {
		struct msg_view views[16];
		int n = inbox_deliver(inbox, ring, views, 16);

		msg_inbox_release(inbox, views, n);
	}
	settle_ring(inbox, ring);
}

/* ---- claim ------------------------------------------------------------- */

/* Entries that the writer did not wait for us with: count them. */
static void note_lapped(struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	uint64_t lapped = ring->reader.lapped - ring->lapped_told;

	ring->lapped_told = ring->reader.lapped;
	inbox_count(inbox, MSG_COUNTER_LAPPED, lapped);
	/* Of many publishers, nobody knows whose they were. */
	if (ring->publisher != 0)
		ring->lost += lapped;
}

/* Whether an item can be what it says; what it points at is in the pool. */
static inline bool believe(
	const struct msg_inbox_ring *ring, const struct msg_ring_item *item)
{
	uint64_t place = (uint64_t)item->place * MSG_RING_PLACE_UNIT;

	if (ring->publisher != 0 && item->publisher != ring->publisher)
		return false;
	if (item->kind == MSG_RING_SINGLE)
		return item->bytes <= MSG_MESSAGE_BYTES_MAX &&
		       place + item->bytes <= ring->pool_bytes;
	switch (item->kind) {
	case MSG_RING_INLINE:
		return item->bytes <= MSG_RING_INLINE_BYTES;
	case MSG_RING_PART:
		if (item->segments < 1 ||
			item->segments > ring->reader.mask + 1 ||
			item->total > MSG_MESSAGE_BYTES_MAX)
			return false;
		break;
	case MSG_RING_PACKED:
		break;
	default:
		return false;
	}
	/* Of 35 and 29 bits: the sum cannot overflow. */
	return place + item->bytes <= ring->pool_bytes;
}

static void fill_record(struct msg_inbox_ring *ring,
	struct msg_inbox_record *r, uint64_t index,
	const struct msg_ring_item *item)
{
	r->index = index;
	r->sequence = item->sequence;
	r->publisher = item->publisher;
	r->topic = ring->topic == MSG_INBOX_NONE ? item->topic : ring->topic;
	r->bytes = item->bytes;
	r->lost = item->lost;
	r->segments = 1;
	r->total = item->bytes;
	r->next = MSG_INBOX_NONE;
	r->younger = MSG_INBOX_NONE;
	r->place = MSG_INBOX_NONE;
	r->kind = (uint8_t)item->kind;
	if (item->kind == MSG_RING_INLINE) {
		memcpy(r->inline_data, item->data, sizeof r->inline_data);
		r->data = (const uint8_t *)r->inline_data;
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
		if (item.kind != MSG_RING_PART || !believe(ring, &item) ||
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
	keep_stragglers(inbox, ring);
	claim->upto += count;
	claim->skipped = true;
	msg_ring_skip(&ring->reader, claim->upto);
	return true;
}

/* Of the message that an item holds, or begins.  What is packed or in an entry is
 * no larger than any subscriber takes. */
static uint32_t whole_bytes(const struct msg_ring_item *item)
{
	switch (item->kind) {
	case MSG_RING_SINGLE:
		return item->bytes;
	case MSG_RING_PART:
		return item->total;
	default:
		return 0;
	}
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
	if (!believe(ring, &item)) {
		if (!skip(inbox, ring, claim, 1))
			return false;
		inbox_count(inbox, MSG_COUNTER_MALFORMED, 1);
		return true;
	}
	if (whole_bytes(&item) > inbox->message_bytes_max) {
		if (!skip(inbox, ring, claim, item.segments))
			return false;
		inbox_count(inbox, MSG_COUNTER_TOO_LARGE, 1);
		return true;
	}
	if (item.segments > room || item.segments > inbox->free_count) {
		/* Later, if it can ever be. */
		if (item.segments <= ring->held_max &&
			item.segments <= inbox->record_count)
			return false;
		if (!skip(inbox, ring, claim, item.segments))
			return false;
		inbox_count(inbox, MSG_COUNTER_TOO_LARGE, 1);
		return true;
	}
	record = inbox->free[--inbox->free_count];
	fill_record(ring, &inbox->records[record], claim->upto, &item);
	if (item.kind == MSG_RING_PART) {
		enum parts parts = claim_parts(
			inbox, ring, record, claim->upto, &item);

		if (parts != PARTS_WHOLE) {
			bool broken = parts == PARTS_BROKEN;

			put_chain(inbox, record);
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
	claim->pinned |= item.kind != MSG_RING_INLINE;
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
		put_chain(inbox, claim->first);
		claim->first = next;
	}
	if (ring->reader.lapped != ring->lapped_told)
		note_lapped(inbox, ring);
	if (claim->first == MSG_INBOX_NONE)
		return;
	inbox->records[claim->first].lost += (uint32_t)ring->lost;
	ring->lost = 0;
	if (ring->oldest == MSG_INBOX_NONE)
		ring->oldest = claim->first;
	else
		inbox->records[ring->newest].younger = claim->first;
	ring->newest = claim->last;
	ring->deliver = claim->first;
	ring->in_hand += claim->entries;
}

/* Entries that may be claimed: not more in hand than allowed, and no wider a
 * window. */
static uint32_t claim_room(const struct msg_inbox_ring *ring)
{
	uint32_t window = (uint32_t)(ring->reader.next - ring->reader.low);

	return ring->held_max -
	       (window > ring->in_hand ? window : ring->in_hand);
}

/* Claim what is there, up to `count` entries.  False: there is nothing that
 * may be. */
static bool claim_entries(
	struct msg_inbox *inbox, struct msg_inbox_ring *ring, uint32_t count)
{
	struct claim claim = {.first = MSG_INBOX_NONE, .last = MSG_INBOX_NONE};
	enum msg_ring_peek seen = MSG_RING_EMPTY;
	uint32_t room = claim_room(ring);

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
		keep_stragglers(inbox, ring);
		if (!msg_ring_lap(&ring->reader))
			return false;
		note_lapped(inbox, ring);
		return msg_ring_ready(&ring->reader);
	}
	if (ring->reader.next == ring->reader.low)
		return false;
	/* What is back behind one that is kept long may be what is missing. */
	keep_stragglers(inbox, ring);
	return claim_room(ring) > room;
}

/* ---- take -------------------------------------------------------------- */

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
	view->reserved = 0;
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
		put_chain(inbox, record);
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
	uint32_t most = claim_room(ring);
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
			item.kind > MSG_RING_INLINE || !believe(ring, &item) ||
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
	inbox->records[last].younger = MSG_INBOX_NONE;
	from = msg_ring_hold(&ring->reader, at, pinned);
	if (from != begin) {
		note_lapped(inbox, ring);
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

/* The usual case of one at a time: a single record, all of it back. */
static INLINE void settle_lone(
	struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	uint32_t only = ring->oldest;
	const struct msg_inbox_record *r = &inbox->records[only];

	/* Acquire; partner: take_back. */
	if (only != ring->newest || r->words != 1 || r->segments != 1 ||
		(uint32_t)msg_load(inbox_word(inbox, only, 0), acquire) != 0) {
		settle_ring(inbox, ring);
		return;
	}
	inbox->free[inbox->free_count++] = only;
	ring->oldest = ring->newest = MSG_INBOX_NONE;
	ring->in_hand--;
	msg_ring_settle(&ring->reader, ring->reader.next);
}

/* The next message, if it is whole in its entry and nothing is in the way: as
 * take_whole of one, with nothing to undo.  False: it is for the others. */
static INLINE bool take_one(struct msg_inbox *inbox,
	struct msg_inbox_ring *ring, struct msg_view *view)
{
	uint64_t at = ring->reader.next;
	struct msg_ring_item item;
	uint32_t record;

	if (msg_ring_peek(&ring->reader, at, &item) != MSG_RING_ENTRY ||
		item.kind > MSG_RING_INLINE || !believe(ring, &item) ||
		item.bytes > inbox->message_bytes_max ||
		inbox->free_count == 0 || claim_room(ring) == 0 ||
		ring->lost != 0)
		return false;
	if (msg_ring_hold(&ring->reader, at + 1,
		    item.kind == MSG_RING_SINGLE) != at) {
		note_lapped(inbox, ring);
		return false;
	}
	record = inbox->free[--inbox->free_count];
	take_plain(inbox, ring, &item, record, view);
	inbox->records[record].index = at;
	inbox->records[record].younger = MSG_INBOX_NONE;
	view->lost_before = inbox_missing(inbox, item.publisher, view->topic,
		item.sequence, 1, item.lost);
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
			return n;
		whole = take_whole(inbox, ring, views + n, count - n);
		n += whole;
		want = (uint32_t)(count - n);
		if (whole == 0 && !claim_entries(inbox, ring,
					  want < CLAIM_MAX ? want : CLAIM_MAX))
			return n;
	}
}

static int counted(struct msg_inbox *inbox, int n)
{
	if (n > 0)
		inbox_count(inbox, MSG_COUNTER_MESSAGES, (uint64_t)n);
	return n;
}

static INLINE int take_ring(struct msg_inbox *inbox,
	struct msg_inbox_ring *ring, struct msg_view *views, int count)
{
	int n = 0;

	if (ring->kept != MSG_INBOX_NONE)
		settle_ring(inbox, ring);
	else if (ring->oldest != ring->deliver)
		settle_lone(inbox, ring);
	if (ring->deliver == MSG_INBOX_NONE) {
		if (!msg_ring_ready(&ring->reader))
			return 0;
		if (take_one(inbox, ring, views)) {
			n = 1;
			if (n == count || !msg_ring_ready(&ring->reader))
				return n;
		}
	}
	return take_rest(inbox, ring, views, count, n);
}

bool msg_inbox_drained(const struct msg_inbox_ring *ring)
{
	return ring->deliver == MSG_INBOX_NONE &&
	       (ring->stopped || !msg_ring_ready(&ring->reader));
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

static APART int take_many(
	struct msg_inbox *inbox, struct msg_view *views, int count)
{
	uint32_t at = inbox->turn;
	int n = 0;

	for (uint32_t i = 0; i < inbox->ring_count && n < count; i++) {
		if (is_next(inbox->rings[at]) && !inbox->rings[at]->stopped)
			n += take_ring(inbox, inbox->rings[at], views + n,
				count - n);
		if (++at >= inbox->ring_count)
			at = 0;
	}
	inbox->turn = at;
	return counted(inbox, n);
}

int msg_inbox_take(struct msg_inbox *inbox, struct msg_view *views, int count)
{
	if (inbox->ring_count != 1 || inbox->rings[0]->stopped)
		return take_many(inbox, views, count);
	return counted(
		inbox, take_ring(inbox, inbox->rings[0], views, count));
}

bool msg_inbox_ready(const struct msg_inbox *inbox)
{
	for (uint32_t i = 0; i < inbox->ring_count; i++)
		if (!msg_inbox_drained(inbox->rings[i]))
			return true;
	return false;
}

bool msg_inbox_evicted(const struct msg_inbox *inbox)
{
	for (uint32_t i = 0; i < inbox->ring_count; i++)
		if (msg_ring_evicted(&inbox->rings[i]->reader))
			return true;
	return false;
}

bool msg_inbox_busy(struct msg_inbox *inbox)
{
	msg_inbox_settle(inbox);
	for (uint32_t i = 0; i < inbox->ring_count; i++) {
		struct msg_inbox_ring *ring = inbox->rings[i];

		if (ring->kept != MSG_INBOX_NONE ||
			ring->oldest != ring->deliver)
			return true;
		if (ring->delivered > 0 && inbox_partly_out(inbox, ring))
			return true;
	}
	return false;
}
