/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inbox_internal.h - what inbox.c (rings, records in hand), inbox_claim.c
 * (entries to records), inbox_event.c (what happened), inbox_history.c (what was
 * there before), inbox_take.c (the steady path) and inbox_views.c (views, bits) say
 * to each other.
 */
#ifndef MSG_ENGINE_INBOX_INTERNAL_H
#define MSG_ENGINE_INBOX_INTERNAL_H

#include "engine/inbox.h"

static inline __attribute__((always_inline)) void inbox_count(
	struct msg_inbox *inbox, enum msg_counter_index index, uint64_t n)
{
	msg_counter_add(&inbox->counters[index], n);
}

static inline _Atomic uint64_t *inbox_word(
	const struct msg_inbox *inbox, uint32_t record, uint32_t word)
{
	return &inbox->bits[(size_t)record * MSG_INBOX_WORDS + word];
}

/* The record begins another life, with another tag for its words. */
static inline uint64_t inbox_new_life(struct msg_inbox_record *record)
{
	/* Never 0: a cleared view must not become somebody's. */
	if (++record->generation == 0)
		record->generation = 1;
	return (uint64_t)record->generation << 32;
}

/* The record goes out as one view; its handle. */
static inline __attribute__((always_inline)) uint64_t inbox_set_bit(
	struct msg_inbox *inbox, uint32_t record)
{
	struct msg_inbox_record *r = &inbox->records[record];
	uint64_t tag = inbox_new_life(r);

	r->words = 1;
	/* Relaxed: a view reaches another thread only by the application's own
	 * synchronisation. */
	msg_store(inbox_word(inbox, record, 0), tag | 1, relaxed);
	return tag | record;
}

uint64_t inbox_missing_slow(struct msg_inbox *inbox, uint32_t publisher,
	uint32_t topic, uint64_t sequence, uint32_t messages, uint64_t lost);

/* Messages missing before these, and note what comes next.  `lost`: what the
 * ring's writer knows of. */
static inline __attribute__((always_inline)) uint64_t inbox_missing(struct msg_inbox *inbox,
	uint32_t publisher, uint32_t topic, uint64_t sequence,
	uint32_t messages, uint64_t lost)
{
	struct msg_inbox_stream *s = inbox->latest;

	if (!s || s->expected != sequence || s->publisher != publisher ||
		s->topic != topic)
		return inbox_missing_slow(inbox, publisher, topic, sequence,
			messages, lost);
	s->expected = sequence + messages;
	return 0;
}

/* inbox_views.c: the place of a publisher's stream, used or not. */
struct msg_inbox_stream *inbox_find_stream(
	struct msg_inbox *inbox, uint32_t publisher, uint32_t topic);

/* inbox_history.c: the next `entries` of a ring were there before we came, and
 * we want the last `wanted` messages of each publisher. */
void inbox_begin_late(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	uint32_t entries, uint32_t wanted);
/* inbox_history.c: say JOINED before the ring's next record, if that is due. */
bool inbox_tell_joined(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *view);
/* inbox_history.c: whether nothing of such a record is wanted; of a pack, note
 * what is. */
bool inbox_is_unwanted(
	struct msg_inbox *inbox, struct msg_inbox_record *record);

/* inbox_views.c: of a publisher not known yet, `sequence` is the next. */
void inbox_expect(struct msg_inbox *inbox, uint32_t publisher, uint32_t topic,
	uint64_t sequence);

/* inbox_views.c: one of its messages is lost here: counted at once, for nothing may
 * follow, and told with the next.  Not known yet, `sequence` is its first. */
void inbox_refused(struct msg_inbox *inbox, uint32_t publisher, uint32_t topic,
	uint64_t sequence);

/* inbox_event.c: a view of `what` that stands for no entry.  False: no room. */
bool inbox_tell(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	const struct msg_view *what, struct msg_view *view);

/* inbox_event.c: tell by an event of its own what was lapped, where nothing
 * follows that could tell of it; how many views. */
int inbox_tell_lapped(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *view);

/* inbox_event.c: tell these two, as far as they are owed; how many views. */
int inbox_tell_owed(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	enum msg_event first, enum msg_event second, struct msg_view *views,
	int count);

/* inbox_event.c: tell of publishers of another type; how many views. */
int inbox_tell_others(
	struct msg_inbox *inbox, struct msg_view *views, int count);

static inline bool inbox_owes_others(const struct msg_inbox *inbox)
{
	return inbox->other_told < inbox->other_count && inbox->ring_count > 0;
}

/* If some are owed, the next take is not to go the usual way. */
static inline void inbox_mark_others(struct msg_inbox *inbox)
{
	if (inbox_owes_others(inbox))
		inbox->rings[0]->apart = true;
}

/* inbox_views.c: views of the ring's next record; moves `deliver` on when all
 * of it are out.  How many, at least one unless the record is void. */
int inbox_deliver(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *views, int count);

/* inbox_views.c: whether a view that was taken of a record half delivered is
 * still out. */
bool inbox_partly_out(
	const struct msg_inbox *inbox, const struct msg_inbox_ring *ring);

/* Entries that the writer did not wait for us with: count them. */
static inline void inbox_note_lapped(struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	uint64_t lapped = ring->reader.lapped - ring->lapped_told;

	ring->lapped_told = ring->reader.lapped;
	inbox_count(inbox, MSG_COUNTER_LAPPED, lapped);
	msg_store(&ring->reader.ledger->lapped, ring->reader.lapped, relaxed);
	/* Of many publishers, nobody knows whose they were. */
	if (ring->publisher != 0)
		ring->lost += lapped;
}

/* inbox_claim.c: whether an item can be what it says; what it points at is in
 * the pool. */
bool inbox_believe(
	const struct msg_inbox_ring *ring, const struct msg_ring_item *item);

/* The same, and that its message is whole, in it or in the pool.  Of 35 and 29
 * bits: the sum cannot overflow. */
static inline __attribute__((always_inline)) bool inbox_believe_whole(
	const struct msg_inbox_ring *ring, const struct msg_ring_item *item)
{
	if (ring->publisher != 0 && item->publisher != ring->publisher)
		return false;
	if (item->kind == MSG_RING_INLINE)
		return item->bytes <= MSG_RING_INLINE_BYTES;
	return item->kind == MSG_RING_SINGLE &&
	       item->bytes <= MSG_MESSAGE_BYTES_MAX &&
	       (uint64_t)item->place * MSG_RING_PLACE_UNIT + item->bytes <=
		       ring->pool_bytes;
}

/* Entries that may be claimed: not more in hand than allowed, and no wider a
 * window. */
static inline uint32_t inbox_claim_room(const struct msg_inbox_ring *ring)
{
	uint32_t window = (uint32_t)(ring->reader.next - ring->reader.low);

	return ring->held_max -
	       (window > ring->in_hand ? window : ring->in_hand);
}

/* inbox.c: a record, or the chain of a message, is free again. */
void inbox_put_chain(struct msg_inbox *inbox, uint32_t first);
/* inbox.c: see what was given back, and tell the ring's writer. */
void inbox_settle_ring(struct msg_inbox *inbox, struct msg_inbox_ring *ring);
/* inbox.c: move what is still out from the queue to the kept list, so that the
 * window is empty. */
void inbox_keep_stragglers(
	struct msg_inbox *inbox, struct msg_inbox_ring *ring);

/* inbox_claim.c: claim what is there, up to `count` entries.  False: there is
 * nothing that may be. */
bool inbox_claim(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	uint32_t count);

#endif
