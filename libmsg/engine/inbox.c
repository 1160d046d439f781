/* SPDX-License-Identifier: BSD-2-Clause */
/* inbox.c - rings and records, and what stays in hand; see inbox.h. */
#include "engine/inbox_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/trail.h"
#include "engine/inbox_quick.h"

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
	inbox->message_bytes_max = MSG_MESSAGE_BYTES_MAX;
	if (o->message_bytes_max && o->message_bytes_max < MSG_MESSAGE_BYTES_MAX)
		inbox->message_bytes_max = o->message_bytes_max;
	inbox->large_bytes_max = o->large_bytes_max ? o->large_bytes_max
						    : MSG_LARGE_BYTES_MAX;
	inbox->counts_losses = o->counts_losses;
	inbox->tells_events = o->events;
	inbox->counters = o->counters;
	inbox->records = aligned_alloc(
		64, o->record_count * sizeof *inbox->records);
	inbox->bits = calloc((size_t)o->record_count * MSG_INBOX_WORDS,
		sizeof *inbox->bits);
	inbox->free = calloc(o->record_count, sizeof *inbox->free);
	inbox->rings = calloc(o->ring_max, sizeof *inbox->rings);
	inbox->streams = calloc(streams, sizeof *inbox->streams);
	if (o->events)
		inbox->others = calloc(
			MSG_INBOX_OTHERS_MAX, sizeof *inbox->others);
	if (!inbox->records || !inbox->bits || !inbox->free || !inbox->rings ||
		!inbox->streams || (o->events && !inbox->others)) {
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
	free(inbox->others);
	memset(inbox, 0, sizeof *inbox);
}

int msg_inbox_add(struct msg_inbox *inbox,
	const struct msg_inbox_ring_options *o, struct msg_inbox_ring **out)
{
	struct msg_inbox_ring *ring;

	msg_inbox_close_quick(inbox);
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
	ring->large = o->large;
	ring->area = o->area;
	ring->area_bytes = o->area_bytes;
	ring->publisher = o->publisher;
	ring->topic = o->topic;
	ring->held_max = o->held_max;
	ring->oldest = ring->deliver = ring->newest = MSG_INBOX_NONE;
	ring->kept = MSG_INBOX_NONE;
	ring->previous = o->previous;
	msg_ring_reader_open(&ring->reader, o->header, o->entry_count,
		o->ledger, o->number, o->start);
	ring->reader.alone = o->alone;
	if (o->history > 0)
		inbox_begin_late(inbox, ring, o->history, o->history_count);
	inbox->rings[inbox->ring_count++] = ring;
	inbox_mark_others(inbox);
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
	inbox_mark_others(inbox);
	free_ring(ring);
	return true;
}

/* ---- records ----------------------------------------------------------- */

void inbox_put_chain(struct msg_inbox *inbox, uint32_t first)
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
void inbox_keep_stragglers(struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	while (ring->oldest != ring->deliver) {
		uint32_t first = ring->oldest;
		struct msg_inbox_record *r = &inbox->records[first];

		ring->oldest = r->younger;
		if (is_back(inbox, first)) {
			ring->in_hand -= r->segments;
			inbox_put_chain(inbox, first);
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
		inbox_put_chain(inbox, first);
	}
	if (ring->kept != MSG_INBOX_NONE || ring->held_top == 0)
		return;
	/* The usual state again: the writer has no list to look through. */
	ring->held_top = ring->held_free = 0;
	msg_store(&ring->reader.ledger->held_top, 0, release);
}

void inbox_settle_ring(struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	uint64_t low;

	while (ring->oldest != ring->deliver && is_back(inbox, ring->oldest)) {
		uint32_t first = ring->oldest;

		ring->oldest = inbox->records[first].younger;
		ring->in_hand -= inbox->records[first].segments;
		inbox_put_chain(inbox, first);
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
		inbox_keep_stragglers(inbox, ring);
	if (ring->kept != MSG_INBOX_NONE)
		settle_kept(inbox, ring);
}

void msg_inbox_settle(struct msg_inbox *inbox)
{
	msg_inbox_close_quick(inbox);
	for (uint32_t i = 0; i < inbox->ring_count; i++)
		inbox_settle_ring(inbox, inbox->rings[i]);
}

void msg_inbox_part(struct msg_inbox *inbox)
{
	msg_inbox_close_quick(inbox);
	for (uint32_t i = 0; i < inbox->ring_count; i++) {
		inbox_keep_stragglers(inbox, inbox->rings[i]);
		inbox_settle_ring(inbox, inbox->rings[i]);
	}
}

void msg_inbox_stop(struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	msg_inbox_close_quick(inbox);
	ring->stopped = ring->apart = true;
	/* What is claimed but not yet delivered may change at any time. */
	while (ring->deliver != MSG_INBOX_NONE) {
		struct msg_view views[16];
		int n = inbox_deliver(inbox, ring, views, 16);

		msg_inbox_release(inbox, views, n);
	}
	inbox_settle_ring(inbox, ring);
}

/* ---- asked ------------------------------------------------------------- */

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
