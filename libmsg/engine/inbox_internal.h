/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inbox_internal.h - what inbox.c (rings, records) and inbox_views.c (views,
 * bits) say to each other.
 */
#ifndef MSG_ENGINE_INBOX_INTERNAL_H
#define MSG_ENGINE_INBOX_INTERNAL_H

#include "engine/inbox.h"

static inline void inbox_count(
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
static inline uint64_t inbox_set_bit(struct msg_inbox *inbox, uint32_t record)
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
static inline uint64_t inbox_missing(struct msg_inbox *inbox,
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

/* inbox_views.c: views of the ring's next record; moves `deliver` on when all
 * of it are out.  How many, at least one unless the record is void. */
int inbox_deliver(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *views, int count);

/* inbox_views.c: whether a view that was taken of a record half delivered is
 * still out. */
bool inbox_partly_out(
	const struct msg_inbox *inbox, const struct msg_inbox_ring *ring);

#endif
