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
 * makes the loan say AGAIN.  Should slots be short for a tenth of a second
 * because readers give nothing back, the one that holds most loses its ring.
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
	                               and went; their slots are not for loans. */
	uint32_t slot_bytes;        /* A multiple of 8. */
	uint32_t payload_bytes;     /* Of a slot, from its first byte. */
	uint32_t frame_body_max;    /* Of a PACKED entry. */
	uint32_t message_bytes_max; /* At most payload_bytes. */
	uint32_t large_bytes_max;   /* Larger ones up to this, in … */
	uint64_t large_memory_bytes; /* … so much, in all, of … */
	uint8_t *area; /* … msg_large_area_bytes of that.  NULL: none are. */
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

struct msg_outbox {
	struct msg_lender lender; /* First: lender.h. */
	struct msg_ring_writer ring;
	uint64_t starved_ns; /* Since when no slot was to be had; 0: not. */
	struct msg_outbox_large *large; /* NULL: no large messages. */
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
	uint32_t taken; /* What msg_large_take gave last. */
	size_t wanted;  /* What it is asked for. */
	int result;     /* What it said. */
	struct {
		uint32_t slot;
		uint32_t generation; /* Of the loan. */
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

/* Places in the ring for all that may have to be published: each loan, what
 * stands in the frame should it have to leave one by one, and one more. */
static inline bool msg_outbox_has_places(const struct msg_outbox *o)
{
	const struct msg_ring_writer *w = &o->ring;
	uint64_t need = msg_lender_loans(&o->lender) + o->lender.pack.count + 1ull;

	return w->head + need - w->tail <= w->mask + 1;
}

/* What comes next in most batches, inline; false, and nothing done, when lend
 * or queue must do it. */
static inline bool msg_outbox_lend_behind(
	struct msg_outbox *o, size_t bytes, struct msg_loan *loan)
{
	return msg_lender_has_place(&o->lender) && msg_outbox_has_places(o) &&
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

/* One message becomes an entry; places in the ring were admitted.  The caller's
 * reference to the slot goes to the entry, or ends when that holds the message.
 * What the relay makes of it is the caller's to count. */
MSG_LENDER_INLINE void msg_outbox_put(
	struct msg_outbox *o, uint32_t slot, uint32_t offset, uint32_t bytes,
	uint64_t sequence)
{
	struct msg_transmit_pool *pool = &o->lender.pool;
	struct msg_ring_item item = {
		.sequence = sequence,
		.publisher = o->publisher,
		.bytes = bytes,
	};

	if (bytes <= MSG_RING_INLINE_BYTES) {
		const uint8_t *data = msg_transmit_payload(pool, slot) + offset;

		item.kind = MSG_RING_INLINE;
		item.data[0] = msg_outbox_word(data, bytes, 0);
		item.data[1] = msg_outbox_word(data, bytes, 8);
		item.data[2] = msg_outbox_word(data, bytes, 16);
		item.data[3] = msg_outbox_word(data, bytes, 24);
		msg_ring_put(&o->ring, 0, &item, MSG_RING_NO_TOKEN);
		msg_transmit_drop(pool, slot);
	} else {
		item.kind = MSG_RING_SINGLE;
		item.place = (uint32_t)((slot * pool->stride + offset) /
					MSG_RING_PLACE_UNIT);
		msg_ring_put(&o->ring, 0, &item, slot);
	}
	msg_ring_advance(&o->ring, 1);
}

/* The usual lone message, inline: a whole slot, of which there is one, in a ring
 * with room, and no frame is being filled.  False, and nothing done, when lend
 * must do it. */
MSG_LENDER_INLINE bool msg_outbox_lend_alone(
	struct msg_outbox *o, size_t bytes, struct msg_loan *loan)
{
	struct msg_lender *l = &o->lender;

	if (l->open != MSG_TRANSMIT_NONE || bytes > l->message_bytes_max ||
		l->pool.free_count == 0 ||
		l->pool.loan_count >= o->loan_max ||
		msg_ring_backlog(&o->ring) + l->pool.loan_count > o->ring.mask)
		return false;
	msg_transmit_lend(&l->pool, msg_transmit_get(&l->pool), 0,
		l->message_bytes_max, loan);
	return true;
}

/* Its other half: published, and nobody was told.  False, and nothing done, when
 * send must do it; else unless msg_outbox_is_quiet, call msg_outbox_tell. */
MSG_LENDER_INLINE bool msg_outbox_send_alone(
	struct msg_outbox *o, struct msg_loan *loan, size_t bytes)
{
	struct msg_lender *l = &o->lender;
	uint32_t slot = msg_transmit_find(&l->pool, loan);
	msg_counter_t *counters;

	if (slot == MSG_TRANSMIT_NONE || l->open != MSG_TRANSMIT_NONE ||
		!msg_transmit_is_whole(&l->pool, slot) ||
		bytes > l->pool.slots[slot].loan_capacity ||
		bytes > l->body_max)
		return false;
	msg_transmit_return(&l->pool, slot);
	memset(loan, 0, sizeof *loan);
	msg_outbox_put(o, slot, 0, (uint32_t)bytes, l->sequence);
	l->sequence++;
	counters = l->counters;
	msg_counter_add(&counters[MSG_COUNTER_FRAMES], 1);
	msg_counter_add(&counters[MSG_COUNTER_MESSAGES], 1);
	msg_counter_add(&counters[MSG_COUNTER_BYTES], bytes);
	return true;
}

/* All is published that was sent: whether nobody need be told. */
MSG_LENDER_INLINE bool msg_outbox_is_quiet(struct msg_outbox *o)
{
	o->flushed = o->ring.head;
	/* Release: whoever tells others of this number tells of nothing that is
	 * not published. */
	msg_store(&o->lender.sent, o->lender.sequence, release);
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
