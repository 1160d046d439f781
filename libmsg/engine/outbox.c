/* SPDX-License-Identifier: BSD-2-Clause */
/* outbox.c - messages become entries of a ring; see outbox.h and lender.h. */
#include "engine/outbox_internal.h"

#include <assert.h>

#include "base/clock.h"
#include "base/probe.h"
#include "pool/ring_wait.h"
#include "protocol/fragment.h"

/* A publisher without slots waits that long for who holds them. */
#define STARVED_NS (100 * MSG_NS_PER_MS)
/* A frame is not begun where it could not hold a few messages. */
#define FRAME_LEAST 1024u
/* Nothing is written that close behind a frame.  A reader that is right behind
 * us has its processor fetch ahead, and would take the lines of the next frame
 * away while they are filled.  ipc.sh, 32 B in batches of 32, beside the bare
 * ring: 0.70 without a gap, 0.77 with 256 bytes, 0.84 with 512 or 1024; and 0.65
 * with every other frame in the other half of the slot. */
#define FRAME_GAP 512u

static inline struct msg_outbox *of(struct msg_lender *lender)
{
	return (struct msg_outbox *)lender;
}

/* What an entry needs of its slot comes back: the ring's free callback. */
static void free_slot(void *lender, uint32_t token)
{
	struct msg_transmit_pool *pool = &((struct msg_lender *)lender)->pool;

	if (token & MSG_OUTBOX_SHARED)
		msg_transmit_drop(pool, token & ~MSG_OUTBOX_SHARED);
	else
		msg_transmit_put(pool, token);
}

static uint32_t free_slots(void *lender, const uint32_t *tokens, uint64_t count)
{
	struct msg_transmit_pool *pool = &((struct msg_lender *)lender)->pool;
	uint32_t *free_slots = pool->free;
	size_t free_count = pool->free_count;
	uint32_t none = 0;

	/* Each message pays for its turn here: what is the same for all is read
	 * once, and what most are comes first. */
	for (uint64_t i = 0; i < count; i++) {
		uint32_t token = tokens[i];

		if (token < MSG_OUTBOX_SHARED)
			free_slots[free_count++] = token;
		else if (token == MSG_RING_NO_TOKEN)
			none++;
		else if (msg_transmit_unhold(
				 pool, token & ~MSG_OUTBOX_SHARED))
			free_slots[free_count++] = token & ~MSG_OUTBOX_SHARED;
	}
	pool->free_count = (uint32_t)free_count;
	return (uint32_t)count - none;
}

/* As the relay cuts what no frame holds. */
static uint32_t part_of(uint32_t body_max)
{
	uint32_t part = body_max & ~63u;

	if (part + MSG_FRAGMENT_HEADER_BYTES > body_max && part > 64)
		part -= 64;
	return part ? part : 64;
}

int msg_outbox_open(
	struct msg_outbox *o, const struct msg_outbox_options *options)
{
	struct msg_ring_writer_options ring = {
		.header = options->ring,
		.entry_count = options->entry_count,
		.pin_max = options->slot_count,
		.epoch = options->epoch,
		.shared = true,
		.free = free_slot,
		.free_all = free_slots,
		.wake = options->wake,
		.context = o,
	};
	struct msg_lender *l = &o->lender;
	int result;

	assert(options->message_bytes_max <= options->payload_bytes &&
		options->slot_count < MSG_OUTBOX_SLOTS_MAX);
	memset(o, 0, sizeof *o);
	l->message_bytes_max = options->message_bytes_max;
	l->body_max = options->frame_body_max < options->payload_bytes
			      ? options->frame_body_max
			      : options->payload_bytes;
	l->open = MSG_TRANSMIT_NONE;
	l->sequence = options->first_sequence;
	l->counters = options->counters;
	o->alone_room = 1 + (l->message_bytes_max < l->body_max
				       ? l->message_bytes_max
				       : l->body_max);
	o->slot_units = options->slot_bytes / MSG_RING_PLACE_UNIT;
	o->publisher = options->publisher;
	o->from = (struct msg_ring_item){.publisher = o->publisher}.from;
	o->loan_max = options->loan_max ? options->loan_max
					: options->slot_count;
	o->part_max = part_of(options->frame_body_max);
	o->news = options->news;
	o->news_seen = options->news_seen;
	o->look = options->look;
	o->context = options->context;
	result = msg_transmit_borrow(&l->pool, options->pool,
		options->slot_count, options->slot_bytes,
		options->payload_bytes);
	if (result == 0)
		result = msg_ring_writer_open(&o->ring, &ring);
	o->ring.retain = options->retain;
	o->ring.strict = options->retain > 0;
	o->ring.waits = options->patience_ns > 0;
	o->patience_ns = options->patience_ns;
	if (result < 0) {
		msg_transmit_close(&l->pool);
		return result;
	}
	if (options->area)
		result = outbox_open_large(o, options);
	if (result < 0)
		msg_outbox_close(o);
	return result;
}

void msg_outbox_close(struct msg_outbox *o)
{
	outbox_close_large(o);
	msg_ring_writer_close(&o->ring);
	msg_transmit_close(&o->lender.pool);
}

/* ---- entries ----------------------------------------------------------- */

/* One message of a slot that others need, too. */
static void put_one(struct msg_outbox *o, uint32_t slot, uint32_t offset,
	uint32_t bytes, uint64_t sequence)
{
	if (outbox_is_large(o, slot)) {
		outbox_put_large(o, slot, bytes);
		return;
	}
	if (!msg_outbox_put(o, slot, offset, bytes, sequence,
		    slot | MSG_OUTBOX_SHARED))
		msg_transmit_hold(&o->lender.pool, slot);
	if (bytes > o->lender.body_max)
		o->parts += msg_fragment_count(bytes, o->part_max) - 1;
	msg_lender_count(&o->lender, MSG_COUNTER_FRAMES, 1);
}

static void put_packed(struct msg_outbox *o, uint32_t slot)
{
	struct msg_lender *l = &o->lender;
	struct msg_ring_item item = {
		.sequence = l->sequence,
		.publisher = o->publisher,
		.kind = MSG_RING_PACKED,
		.place = slot * o->slot_units + l->base / MSG_RING_PLACE_UNIT,
	};

	item.bytes = msg_pack_finish(&l->pack,
		msg_transmit_payload(&l->pool, slot) + l->base);
	msg_transmit_hold(&l->pool, slot);
	msg_ring_append(&o->ring, &item, slot | MSG_OUTBOX_SHARED);
	msg_lender_count(l, MSG_COUNTER_FRAMES, 1);
}

/* A loan stands where the table of the pack would. */
static void put_each(struct msg_outbox *o, uint32_t slot)
{
	const struct msg_pack *pack = &o->lender.pack;
	uint32_t offset = o->lender.base;

	for (uint32_t i = 0; i < pack->count; i++) {
		put_one(o, slot, offset, pack->lengths[i],
			o->lender.sequence + i);
		offset += (pack->lengths[i] + MSG_PACK_ALIGN - 1u) &
			  ~(MSG_PACK_ALIGN - 1u);
	}
}

/* ---- room -------------------------------------------------------------- */

static inline bool has_slots(const struct msg_outbox *o)
{
	return o->lender.pool.free_count > 0;
}

/* Behind the fence. */
static void hear(struct msg_outbox *o)
{
	if (msg_load(o->news, acquire) != o->news_seen)
		o->look(o->context);
}

void outbox_look(struct msg_outbox *o)
{
	/* Partner: the subscriber's attaching, which the broker told us of
	 * first: either we see that, or it sees what we published, and the
	 * broker what we keep of it. */
	msg_fence(seq_cst);
	hear(o);
}

/* Readers who have less than that, together, are not why there is no slot: half of
 * what loans may have.  What a relay keeps is counted in entries, not in slots, so
 * one whose frames a slow device still has may hold them all within what was agreed:
 * no few views are to pay for that. */
static uint64_t least_blamed(const struct msg_outbox *o)
{
	return (o->loan_max - o->lender.pool.loan_count) / 2;
}

/* Until `enough`, or there is nothing more to be had. */
static bool reclaim(
	struct msg_outbox *o, bool (*enough)(const struct msg_outbox *))
{
	struct msg_ring_writer *w = &o->ring;
	uint64_t tail;

	outbox_look(o);
	msg_ring_reclaim(w, 0);
	if (enough(o))
		return true;
	/* What waits to be published may be what holds the slots. */
	msg_outbox_flush(o);
	/* And a slot that waits for a frame that it could hold. */
	if (o->lender.open != MSG_TRANSMIT_NONE)
		msg_lender_closed(&o->lender);
	msg_ring_reclaim(w, 0);
	if (w->waits)
		msg_ring_wait(w, msg_clock_coarse_ns(), o->patience_ns,
			least_blamed(o));
	do {
		if (enough(o))
			return true;
		tail = w->tail;
		outbox_look(o);
		msg_ring_reclaim(w, tail + (msg_ring_backlog(w) + 1) / 2);
	} while (w->tail != tail);
	return enough(o);
}

bool outbox_reclaim(
	struct msg_outbox *o, bool (*enough)(const struct msg_outbox *))
{
	bool found = reclaim(o, enough);

	if (found)
		msg_ring_wait_over(&o->ring);
	return found;
}

/* No slot is to be had.  If that lasts, and it is not for loans, whoever holds
 * most loses the ring: no reader can stop the writer, nor can several. */
static bool relieve(struct msg_outbox *o)
{
	const struct msg_transmit_pool *pool = &o->lender.pool;
	uint64_t now = msg_clock_coarse_ns();
	uint64_t least = least_blamed(o);
	uint32_t reader;

	if (o->starved_ns == 0)
		o->starved_ns = now;
	if (now - o->starved_ns < STARVED_NS ||
		pool->loan_count > o->loan_max / 2)
		return false;
	o->starved_ns = 0;
	reader = msg_ring_hoarder(&o->ring, least);
	if (reader == MSG_RING_READERS_MAX)
		return false;
	/* Whoever all of us waited for may have given back since we looked last,
	 * and so be no longer who holds most: he has been seen once more then. */
	if (outbox_reclaim(o, has_slots))
		return true;
	if (msg_ring_hoarder(&o->ring, least) != reader)
		return false;
	msg_ring_evict(&o->ring, reader);
	return outbox_reclaim(o, has_slots);
}

static inline __attribute__((always_inline)) int refuse(struct msg_outbox *o)
{
	msg_lender_count(&o->lender, MSG_COUNTER_LOAN_REFUSED, 1);
	MSG_PROBE2(refused, o->publisher, o->lender.pool.loan_count);
	return -MSG_ERROR_AGAIN;
}

int outbox_refuse(struct msg_outbox *o)
{
	return refuse(o);
}

/* ---- ways out ---------------------------------------------------------- */

static int admit(struct msg_lender *lender)
{
	struct msg_outbox *o = of(lender);

	return msg_outbox_has_places(o) ||
			       outbox_reclaim(o, msg_outbox_has_places)
		       ? 0
		       : refuse(o);
}

static int find_slot(struct msg_lender *lender, uint32_t *slot)
{
	struct msg_outbox *o = of(lender);

	if (lender->pool.loan_count >= o->loan_max)
		return refuse(o);
	if (!has_slots(o)) {
		if (!outbox_reclaim(o, has_slots) && !relieve(o))
			return refuse(o);
		o->starved_ns = 0;
	}
	*slot = msg_transmit_get(&lender->pool);
	return 0;
}

/* Begin the next frame behind the one that was just published, in the same
 * slot, so that a slot serves many batches.  False: it is full. */
static bool open_behind(struct msg_outbox *o)
{
	struct msg_lender *l = &o->lender;
	uint32_t table = 2 * (l->pack.count + 1);
	uint32_t next = (l->base + l->pack.used + table + FRAME_GAP + 63) & ~63u;
	uint32_t left = l->pool.capacity > next ? l->pool.capacity - next : 0;

	/* Room for a batch like the last one, or it would be cut in two. */
	if (left < FRAME_LEAST || left < l->pack.used + table)
		return false;
	msg_lender_left(l);
	l->base = next;
	msg_pack_start(&l->pack, left < l->body_max ? left : l->body_max);
	return true;
}

static int close_frame(struct msg_lender *lender, bool more)
{
	struct msg_outbox *o = of(lender);
	uint32_t slot = lender->open;

	(void)more;
	if (lender->pack.count == 1) {
		put_one(o, slot, lender->base, lender->pack.lengths[0],
			lender->sequence);
	} else if (msg_transmit_is_lent(&lender->pool, slot)) {
		put_each(o, slot);
	} else {
		put_packed(o, slot);
		if (open_behind(o))
			return 0;
	}
	msg_lender_closed(lender);
	return 0;
}

static int send_stray(struct msg_lender *lender, uint32_t slot, uint32_t offset,
	uint32_t bytes, bool more)
{
	(void)more;
	put_one(of(lender), slot, offset, bytes, lender->sequence);
	return 0;
}

static int send_alone(
	struct msg_lender *lender, uint32_t slot, uint32_t bytes, bool more)
{
	return send_stray(lender, slot, 0, bytes, more);
}

static const struct msg_lender_exit to_ring = {
	.admit = admit,
	.find_slot = find_slot,
	.close_frame = close_frame,
	.send_lone = send_alone,
	.send_large = send_alone,
	.send_stray = send_stray,
};

/* ---- the calls --------------------------------------------------------- */

/* Beside the message's memory, a slot for its handle, and a place in the ring. */
static int lend_large(struct msg_outbox *o, size_t bytes, struct msg_loan *loan)
{
	uint32_t buffer, slot;
	int result;

	if (bytes > o->large->bytes_max)
		return -MSG_ERROR_TOO_LARGE;
	msg_lender_settle(&o->lender);
	result = admit(&o->lender);
	if (result == 0)
		result = outbox_take_large(o, bytes, &buffer);
	if (result < 0)
		return result;
	result = find_slot(&o->lender, &slot);
	if (result < 0) {
		msg_large_put(&o->large->pool, buffer);
		return result;
	}
	outbox_lend_large(o, slot, buffer, loan);
	return 0;
}

int msg_outbox_lend(struct msg_outbox *o, size_t bytes, struct msg_loan *loan)
{
	o->quick = o->quick_behind = 0;
	if (bytes > o->lender.message_bytes_max && o->large)
		return lend_large(o, bytes, loan);
	return msg_lender_lend(&o->lender, &to_ring, bytes, loan);
}

int msg_outbox_queue(struct msg_outbox *o, struct msg_loan *loan, size_t bytes)
{
	o->quick = o->quick_behind = 0;
	return msg_lender_give(&o->lender, &to_ring, loan, bytes, true);
}

int msg_outbox_send(struct msg_outbox *o, struct msg_loan *loan, size_t bytes)
{
	int result = msg_lender_give(&o->lender, &to_ring, loan, bytes, false);

	o->quick = o->quick_behind = 0;
	msg_outbox_flush(o);
	return result;
}

void msg_outbox_flush(struct msg_outbox *o)
{
	if (o->lender.pack.count > 0)
		close_frame(&o->lender, false);
	if (o->ring.head == o->flushed)
		return;
	o->flushed = o->ring.head;
	if (!msg_outbox_is_quiet(o))
		msg_outbox_tell(o);
}

void msg_outbox_tell(struct msg_outbox *o)
{
	hear(o);
	msg_ring_wake_behind(&o->ring);
}

void msg_outbox_abandon(struct msg_outbox *o, struct msg_loan *loan)
{
	o->quick = o->quick_behind = 0;
	msg_lender_abandon(&o->lender, loan);
}
