/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outbox.h - a publisher's turn on a host with a broker: loan -> entry -> ring.
 *
 *     one message of at most 32 bytes   INLINE: copied into the entry, and its
 *                                       slot is free for the next loan
 *     one message                       SINGLE, of whatever size
 *     several that were queued          PACKED, one entry, as one frame on the
 *                                       wire; SINGLE each while a loan stands
 *                                       where their table would
 *     a large one                       LARGE: in an area beside the pool, which
 *                                       others map, too; outbox_large.c
 *
 * Ring and pool are memory that others map read-only: readers of this host read
 * the messages where the application wrote them, and the broker sends the same
 * bytes to the network.  A slot comes back when no reader needs its entries any
 * more, which is looked at only when slots or places in the ring are short:
 * first what all have left behind, then, of readers that may be lapped, the
 * older half of what they have not taken.  A reader that may not be lapped
 * makes the loan say AGAIN; of a connected topic each does that is awaited, for a
 * while (pool/ring_wait.h).  Should slots be short for a tenth of a second
 * because readers give nothing back, the one that holds most loses its ring; and
 * so should memory for large messages be short for longer than the publisher has
 * patience.  What is retained for who comes late stays whatever slots are wanted for,
 * but gives way to large messages, from the oldest on.
 *
 * Who reads is told on a socket, and that there is news in a word of shared
 * memory.  It is looked at behind a fence, before any slot is taken back (a
 * reader may be there whom we have not been told of by name: broker/README.md),
 * and with each flush, since that reader may sleep.
 *
 * Neighbours: called by topic/publication; calls pool/ and lender.h.
 * Test: tests/unit/engine/test_outbox.c.
 */
#ifndef MSG_ENGINE_OUTBOX_H
#define MSG_ENGINE_OUTBOX_H

#include "engine/large.h"
#include "engine/lender.h"
#include "pool/ring_writer.h"

struct msg_outbox_options {
	struct msg_ring_header *ring; /* msg_ring_bytes, zeroed, writable. */
	uint32_t entry_count;         /* A power of two. */
	uint64_t epoch;
	uint8_t *pool; /* slot_count * slot_bytes, writable. */
	uint32_t slot_count;
	uint32_t loan_max;          /* Of them, at once (0: all); the rest is
	                               for what a reader keeps by agreement. */
	uint32_t retain;            /* Newest entries that stay, whoever came
	                               and went; their slots are not for loans,
	                               but their memory for large messages is. */
	uint32_t slot_bytes;        /* A multiple of 8. */
	uint32_t payload_bytes;     /* Of a slot, from its first byte. */
	uint32_t frame_body_max;    /* Of a PACKED entry. */
	uint32_t message_bytes_max; /* At most payload_bytes. */
	uint32_t large_bytes_max;   /* Larger ones up to this, in … */
	uint64_t large_memory_bytes; /* … so much, in all, of … */
	uint8_t *area; /* … msg_large_area_bytes of that.  NULL: none are. */
	uint64_t large_patience_ns; /* With readers that have them in hand. */
	uint64_t patience_ns;       /* With those that are awaited, which rather
	                               make loans say AGAIN than lose anything;
	                               0: they are as others. */
	uint32_t publisher;
	uint64_t first_sequence;
	msg_counter_t *counters;      /* MSG_COUNTER_COUNT */
	const _Atomic uint32_t *news; /* Steps when `look` is due. */
	uint32_t news_seen;
	/* Tell the ring's writer of readers that came or went; it keeps
	 * outbox->news and news_seen as they should be. */
	void (*look)(void *context);
	void *context;          /* Of `look`. */
	msg_ring_wake_fn *wake; /* Its context is the outbox. */
};

/* An entry's token is its slot, when that is nobody else's; or with this, and the
 * entry holds a reference of the slot. */
#define MSG_OUTBOX_SHARED (1u << 31)
#define MSG_OUTBOX_SLOTS_MAX (MSG_OUTBOX_SHARED - 1)

struct msg_outbox {
	struct msg_lender lender; /* First: lender.h. */
	int32_t quick; /* Lone messages for which slots, places in the ring and
	                  leave to lend are there; else it takes a look. */
	int32_t quick_behind; /* The same of messages for the frame being filled. */
	uint32_t alone_room; /* Of the lender's, when it is not 0. */
	uint32_t slot_units; /* MSG_RING_PLACE_UNITs from slot to slot. */
	struct msg_ring_writer ring;
	uint64_t starved_ns; /* Since when no slot was to be had; 0: not. */
	uint64_t patience_ns;
	struct msg_outbox_large *large; /* NULL: no large messages. */
	uint64_t from;    /* Of an item of ours: `publisher`. */
	uint64_t flushed; /* Entries whose sleepers were looked for. */
	uint32_t publisher;
	uint32_t loan_max;
	uint32_t part_max; /* Of a message that the relay cuts. */
	uint64_t parts; /* That the relay cuts entries into, beyond one each. */
	uint32_t news_seen;
	const _Atomic uint32_t *news;
	void (*look)(void *context);
	void *context;
};

/* A large message stands in a buffer, and belongs to the slot whose loan or entry
 * it is. */
struct msg_outbox_large {
	struct msg_large_pool pool;
	uint32_t bytes_max;
	uint64_t patience_ns;
	uint64_t starved_ns; /* Since when memory was not to be had; 0: it was. */
	uint32_t taken; /* What msg_large_take gave last. */
	size_t wanted;  /* What it is asked for. */
	int result;     /* What it said. */
	struct {
		uint32_t slot;
		uint32_t generation; /* Of the loan. */
		uint64_t index;      /* Of its entry, once that is there. */
	} owners[MSG_LARGE_BUFFERS_MAX];
};

/* The memory stays the caller's, and there until close.
 * 0, or -MSG_ERROR_MEMORY with the reason on the trail. */
int msg_outbox_open(
	struct msg_outbox *outbox, const struct msg_outbox_options *options);
void msg_outbox_close(struct msg_outbox *outbox);

/* Frames that the relay makes of all that was published, at most. */
static inline uint64_t msg_outbox_frames(const struct msg_outbox *o)
{
	return o->ring.head + o->parts;
}

/* Places in the ring beyond those for all that may have to be published: each loan,
 * what stands in the frame should it have to leave one by one, and one more. */
static inline int64_t msg_outbox_places(const struct msg_outbox *o)
{
	const struct msg_ring_writer *w = &o->ring;
	uint64_t need = msg_lender_loans(&o->lender) + o->lender.pack.count + 1ull;

	return (int64_t)(w->mask + 1 - need - msg_ring_backlog(w));
}

static inline bool msg_outbox_has_places(const struct msg_outbox *o)
{
	return msg_outbox_places(o) >= 0;
}

/* As that for one message more in the frame being filled; found out for several. */
MSG_LENDER_INLINE bool msg_outbox_has_place_behind(struct msg_outbox *o)
{
	if (--o->quick_behind >= 0)
		return true;
	o->quick = 0;
	o->quick_behind = (int32_t)msg_outbox_places(o);
	return o->quick_behind >= 0;
}

/* What comes next in most batches, inline; false, and nothing done, when lend
 * or queue must do it. */
static inline bool msg_outbox_lend_behind(
	struct msg_outbox *o, size_t bytes, struct msg_loan *loan)
{
	return msg_outbox_has_place_behind(o) &&
	       msg_lender_lend_behind(&o->lender, bytes, loan);
}

static inline bool msg_outbox_queue_behind(
	struct msg_outbox *o, struct msg_loan *loan, size_t bytes)
{
	return msg_lender_give_behind(&o->lender, loan, bytes);
}

/* As the words of an entry: behind the last byte of a message its slot has at
 * least what fills the word. */
static inline uint64_t msg_outbox_word(
	const uint8_t *data, uint32_t bytes, uint32_t at)
{
	uint64_t word = 0;

	if (at < bytes)
		memcpy(&word, data + at, sizeof word);
	return word;
}

/* One message becomes an entry; places in the ring were admitted.  `token` is what
 * the entry needs of the slot; it needs nothing when it holds the message: true.
 * What the relay makes of it is the caller's to count. */
MSG_LENDER_INLINE bool msg_outbox_put(struct msg_outbox *o, uint32_t slot,
	uint32_t offset, uint32_t bytes, uint64_t sequence, uint32_t token)
{
	struct msg_ring_item item = {
		.sequence = sequence,
		.from = o->from,
		.bytes = bytes,
	};
	bool small = bytes <= MSG_RING_INLINE_BYTES;

	if (small) {
		const uint8_t *data =
			msg_transmit_payload(&o->lender.pool, slot) + offset;

		item.kind = MSG_RING_INLINE;
		item.data[0] = msg_outbox_word(data, bytes, 0);
		item.data[1] = msg_outbox_word(data, bytes, 8);
		item.data[2] = msg_outbox_word(data, bytes, 16);
		item.data[3] = msg_outbox_word(data, bytes, 24);
		token = MSG_RING_NO_TOKEN;
	} else {
		item.kind = MSG_RING_SINGLE;
		item.place = slot * o->slot_units + offset / MSG_RING_PLACE_UNIT;
	}
	msg_ring_append(&o->ring, &item, token);
	return small;
}

/* Counted as one that left. */
MSG_LENDER_INLINE void msg_outbox_count_alone(struct msg_outbox *o, size_t bytes)
{
	msg_counter_t *counters = o->lender.counters;

	msg_counter_add(&counters[MSG_COUNTER_FRAMES], 1);
	msg_counter_add(&counters[MSG_COUNTER_MESSAGES], 1);
	msg_counter_add(&counters[MSG_COUNTER_BYTES], bytes);
}

/* The usual lone message: a whole slot, and all that it takes was found to be
 * there.  False, and nothing done, when that is not so, or another such loan is
 * out. */
MSG_LENDER_INLINE bool msg_outbox_lend_quick(
	struct msg_outbox *o, size_t bytes, struct msg_loan *loan)
{
	struct msg_lender *l = &o->lender;
	uint32_t slot;

	if (--o->quick < 0 || l->alone_room > 0 || bytes > l->message_bytes_max)
		return false;
	slot = l->pool.free[--l->pool.free_count];
	msg_transmit_issue(&l->pool, slot, 0, l->message_bytes_max, loan);
	l->out = loan->opaque;
	l->alone_room = o->alone_room;
	return true;
}

/* Its other half: published, and nobody was told; unless msg_outbox_is_quiet, call
 * msg_outbox_tell.  False, and nothing done: it is no such loan. */
MSG_LENDER_INLINE bool msg_outbox_send_quick(
	struct msg_outbox *o, struct msg_loan *loan, size_t bytes)
{
	struct msg_lender *l = &o->lender;
	uint64_t sequence = l->sequence;
	uint32_t slot = (uint32_t)loan->opaque;

	if (loan->opaque != l->out || bytes >= l->alone_room)
		return false;
	l->alone_room = 0;
	memset(loan, 0, sizeof *loan);
	l->pool.slots[slot].generation++;
	if (msg_outbox_put(o, slot, 0, (uint32_t)bytes, sequence, slot))
		msg_transmit_put(&l->pool, slot);
	msg_outbox_count_alone(o, bytes);
	l->sequence = sequence + 1;
	return true;
}

/* As msg_outbox_lend_quick, when it takes a look; and how many may follow without
 * one.  The loan is noted in the pool. */
MSG_LENDER_INLINE bool msg_outbox_lend_alone(
	struct msg_outbox *o, size_t bytes, struct msg_loan *loan)
{
	struct msg_lender *l = &o->lender;
	struct msg_transmit_pool *pool = &l->pool;
	uint64_t places;
	uint32_t quick;

	msg_lender_settle(l);
	o->quick = 0;
	places = msg_ring_backlog(&o->ring) + pool->loan_count;
	if (l->open != MSG_TRANSMIT_NONE || bytes > l->message_bytes_max ||
		pool->free_count == 0 || pool->loan_count >= o->loan_max ||
		places > o->ring.mask)
		return false;
	msg_transmit_lend(pool, msg_transmit_get(pool), 0,
		l->message_bytes_max, loan);
	quick = o->loan_max - pool->loan_count;
	if (quick > pool->free_count)
		quick = pool->free_count;
	if (quick > o->ring.mask - places)
		quick = (uint32_t)(o->ring.mask - places);
	o->quick = quick < INT32_MAX ? (int32_t)quick : INT32_MAX;
	return true;
}

/* As msg_outbox_send_quick, of a loan that is noted in the pool. */
MSG_LENDER_INLINE bool msg_outbox_send_alone(
	struct msg_outbox *o, struct msg_loan *loan, size_t bytes)
{
	struct msg_lender *l = &o->lender;
	struct msg_transmit_pool *pool = &l->pool;
	uint64_t sequence = l->sequence;
	uint32_t slot = msg_transmit_find(pool, loan);

	msg_lender_settle(l);
	if (slot == MSG_TRANSMIT_NONE || l->open != MSG_TRANSMIT_NONE ||
		!msg_transmit_is_whole(pool, slot) ||
		bytes > pool->slots[slot].loan_capacity || bytes > l->body_max)
		return false;
	pool->loan_count--;
	memset(loan, 0, sizeof *loan);
	msg_transmit_return_behind(pool, slot);
	if (msg_outbox_put(o, slot, 0, (uint32_t)bytes, sequence, slot))
		msg_transmit_put(pool, slot);
	msg_outbox_count_alone(o, bytes);
	l->sequence = sequence + 1;
	return true;
}

/* All is published that was sent: whether nobody need be told. */
MSG_LENDER_INLINE bool msg_outbox_is_quiet(const struct msg_outbox *o)
{
	/* Partners: the subscriber's attaching, which the broker told us of
	 * first, and msg_ring_sleep. */
	msg_fence(seq_cst);
	return msg_load(o->news, acquire) == o->news_seen &&
	       !msg_ring_has_sleeper(&o->ring);
}

/* Right behind msg_outbox_is_quiet: hear who reads, if there is news, and wake
 * who sleeps. */
void msg_outbox_tell(struct msg_outbox *outbox);

/* As the calls of msg.h of these names.  Only lend can fail for want of room:
 * what is sent is published. */
int msg_outbox_lend(
	struct msg_outbox *outbox, size_t bytes, struct msg_loan *loan);
int msg_outbox_queue(
	struct msg_outbox *outbox, struct msg_loan *loan, size_t bytes);
int msg_outbox_send(
	struct msg_outbox *outbox, struct msg_loan *loan, size_t bytes);
void msg_outbox_flush(struct msg_outbox *outbox);
void msg_outbox_abandon(struct msg_outbox *outbox, struct msg_loan *loan);

#endif
