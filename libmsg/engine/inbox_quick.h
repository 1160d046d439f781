/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inbox_quick.h - the short way of a take: one message, like the one before.
 *
 * It is open while a take can look like this: there is one ring, all that is in
 * hand of it is one record of one message, and what comes next is a message that
 * is whole in its entry and the next one of the same publisher.  All that can be
 * looked at beforehand was, when a take on the usual way opened it
 * (inbox_take.c:open_quick); what is not as it was then closes it: every call
 * that changes rings or records begins with that.  So there is one pointer to
 * test, and then what only the entry can say.
 *
 *     take ─┬─ open ──> the next is like the last: its record again   1
 *           │      ├──> nothing is there                              0
 *           │      └──> anything else: closed, and the usual way
 *           └─ closed ─> the usual way, which opens it again
 *
 * Nothing is undone: an entry that it declines is still there for the usual way,
 * and one that was revoked while it was claimed is counted there.
 * Neighbours: inbox_take.c; in line in topic/subscription.h.
 * Test: tests/unit/engine/test_inbox_quick.c, tests/explore (again), perf.cost.
 */
#ifndef MSG_ENGINE_INBOX_QUICK_H
#define MSG_ENGINE_INBOX_QUICK_H

#include <msg/stats.h>

#include "base/probe.h"
#include "engine/inbox.h"

#define MSG_INBOX_DECLINED (-1)

#define MSG_INBOX_INLINE static inline __attribute__((always_inline))

MSG_INBOX_INLINE void msg_inbox_close_quick(struct msg_inbox *inbox)
{
	inbox->quick.ring = NULL;
}

/* inbox_take.c: behind a take of one on the short way there is more. */
int inbox_take_more(
	struct msg_inbox *inbox, struct msg_view *views, int count);

/* Nothing is there.  What is back is told at once: its place may be what the
 * writer waits for. */
MSG_INBOX_INLINE int inbox_quick_none(struct msg_inbox *inbox)
{
	struct msg_ring_reader *reader = &inbox->quick.ring->reader;

	/* Acquire; partner: take_back. */
	if (reader->low != reader->next &&
		(uint32_t)msg_load(inbox->quick.word, acquire) == 0)
		msg_ring_settle(reader, reader->next);
	MSG_PROBE2(take, inbox, 0);
	return 0;
}

/* Whether it is known at a glance that take would find nothing. */
MSG_INBOX_INLINE bool msg_inbox_seems_empty(const struct msg_inbox *inbox)
{
	const struct msg_inbox_ring *ring = inbox->quick.ring;

	return ring && !msg_ring_ready(&ring->reader);
}

/* The same, as a take that says so. */
MSG_INBOX_INLINE bool msg_inbox_is_empty(struct msg_inbox *inbox)
{
	if (!msg_inbox_seems_empty(inbox))
		return false;
	inbox_quick_none(inbox);
	return true;
}

/* Where the message of an entry is, which is in the pool, or here when it was in
 * the entry; NULL: it is of another kind, or not what it says. */
MSG_INBOX_INLINE const uint8_t *inbox_quick_data(
	const struct msg_inbox_ring *ring, const struct msg_ring_entry *e,
	uint64_t what, uint64_t *data)
{
	uint64_t bytes = what >> 32 & MSG_RING_BYTES_MAX;
	uint64_t place = (uint32_t)what * (uint64_t)MSG_RING_PLACE_UNIT;

	if (what >> 61 == MSG_RING_SINGLE)
		return place + bytes <= ring->pool_bytes ? ring->pool + place
							 : NULL;
	if (what >> 61 != MSG_RING_INLINE || bytes > MSG_RING_INLINE_BYTES)
		return NULL;
	for (unsigned i = 0; i < MSG_RING_INLINE_BYTES / 8; i++)
		data[i] = msg_load(&e->more[i], relaxed);
	return (const uint8_t *)data;
}

/* The record goes out again, under another tag; its handle.  0: it is out still,
 * or has no other tag. */
MSG_INBOX_INLINE uint64_t inbox_quick_handle(struct msg_inbox *inbox)
{
	/* Acquire; partner: take_back. */
	uint64_t word = msg_load(inbox->quick.word, acquire);
	uint64_t next = word + (1ull << 32);

	/* The tag wraps to 0, which is nobody's. */
	if ((uint32_t)word != 0 || next == 0)
		return 0;
	return next | inbox->quick.ring->oldest;
}

/* One message, if there is one like the last: 1; 0: nothing is there;
 * MSG_INBOX_DECLINED: it is for msg_inbox_take.  With count > 1 also more. */
MSG_INBOX_INLINE int msg_inbox_take_quick(
	struct msg_inbox *inbox, struct msg_view *views, int count)
{
	const struct msg_inbox_quick *q = &inbox->quick;
	struct msg_inbox_ring *ring = q->ring;
	struct msg_inbox_record *r = q->record;
	const struct msg_ring_entry *e;
	uint64_t turn, at, handle, sequence, what, bytes;
	const uint8_t *data;

	if (!ring)
		return MSG_INBOX_DECLINED;
	at = ring->reader.next;
	e = msg_ring_entry_at(&ring->reader, at);
	turn = msg_ring_turn(e);
	if (turn <= at)
		return inbox_quick_none(inbox);
	handle = inbox_quick_handle(inbox);
	sequence = msg_load(&e->sequence, relaxed);
	if (turn != at + 1 || handle == 0 || sequence != q->stream->expected ||
		(msg_load(&e->from, relaxed) & q->from_mask) != q->from)
		return MSG_INBOX_DECLINED;
	what = msg_load(&e->what, relaxed);
	data = inbox_quick_data(ring, e, what, r->inline_data);
	bytes = what >> 32 & MSG_RING_BYTES_MAX;
	if (!data || bytes > inbox->message_bytes_max ||
		!msg_ring_is_whole(e, at))
		return MSG_INBOX_DECLINED;
	msg_ring_settle(&ring->reader, at);
	if (msg_ring_hold(&ring->reader, at + 1,
		    what >> 61 == MSG_RING_SINGLE) != at)
		return MSG_INBOX_DECLINED;
	q->stream->expected = sequence + 1;
	r->index = at;
	r->total = (uint32_t)bytes;
	r->kind = (uint8_t)(what >> 61);
	r->generation = (uint32_t)(handle >> 32);
	msg_store(q->word, (uint64_t)r->generation << 32 | 1, relaxed);
	views->data = data;
	views->bytes = bytes;
	views->publisher = q->stream->publisher;
	views->sequence = sequence;
	views->lost_before = 0;
	views->opaque = handle;
	views->segment_count = 1;
	views->topic = q->topic;
	views->event = MSG_EVENT_MESSAGE;
	views->reason = MSG_LOSS_UNKNOWN;
	msg_counter_add(&inbox->counters[MSG_COUNTER_BYTES], bytes);
	if (count > 1 && msg_ring_ready(&ring->reader))
		return inbox_take_more(inbox, views, count);
	/* For onlookers, as inbox_take.c:tell; none is lost here. */
	msg_store(&ring->reader.ledger->taken, ++ring->taken, relaxed);
	msg_counter_add(&inbox->counters[MSG_COUNTER_MESSAGES], 1);
	MSG_PROBE2(take, inbox, 1);
	return 1;
}

#endif
