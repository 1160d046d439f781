/* SPDX-License-Identifier: BSD-2-Clause */
/* transmit_keep.c - what a reliable topic keeps of what it sent; see
 * transmit.h. */
#include "engine/transmit_internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/trail.h"
#include "protocol/fragment.h"

/* Slots of a history at least, however large they are. */
#define SLOTS_MIN 2u
#define SLOTS_MAX (1u << 20)
#define FRAMES_MIN 64u
#define FRAMES_MAX (1u << 20)
/* While frames follow each other so fast, the clock is read only now and then:
 * it costs as much as all the rest that is done to keep a frame. */
#define BLIND_NS (20 * MSG_NS_PER_US)
#define BLIND_MAX 15u
/* Of the slot that comes next, a message's first lines are fetched ahead, while the
 * frame before is sent: a history is larger than the nearest caches, and a slot comes
 * back when it has left them.  The processor goes on with the rest by itself. */
#define LINE 64u

uint32_t transmit_kept_slots(
	const struct msg_transmit_options *options, uint32_t capacity)
{
	size_t slots;

	if (options->history_bytes == 0)
		return 0;
	slots = options->history_bytes /
		msg_region_stride(MSG_TRANSMIT_PAYLOAD + capacity +
				  MSG_PACK_TABLE_BYTES_MAX);
	if (slots < SLOTS_MIN)
		return SLOTS_MIN;
	return slots < SLOTS_MAX ? (uint32_t)slots : SLOTS_MAX;
}

/* ---- what the repairer asks --------------------------------------------- */

static bool find_frame(
	void *context, uint64_t number, struct msg_repairer_frame *frame)
{
	const struct msg_transmitter *t = context;
	const struct msg_transmit_pool *pool = &t->lender.pool;
	const struct msg_history_frame *f =
		msg_history_get(&t->history, number);

	if (!f)
		return false;
	frame->sequence = f->sequence;
	frame->type = f->type;
	frame->front_bytes = 0;
	frame->iov_count = 0;
	if (f->type == MSG_FRAME_FRAGMENT) {
		msg_fragment_write(frame->front,
			&(struct msg_fragment){
				.total = f->total,
				.offset = f->offset,
				.bytes = f->bytes,
			});
		frame->front_bytes = MSG_FRAGMENT_HEADER_BYTES;
	}
	if (f->bytes > 0)
		frame->iov[frame->iov_count++] = (struct iovec){
			msg_transmit_payload(pool, f->slot) + f->offset,
			f->bytes};
	if (f->table > 0)
		frame->iov[frame->iov_count++] = (struct iovec){
			msg_transmit_scratch(pool, f->slot), f->table};
	return true;
}

static uint64_t find_sequence(void *context, uint64_t number)
{
	const struct msg_transmitter *t = context;

	return msg_history_sequence(&t->history, number);
}

static uint64_t find_back(void *context, uint64_t messages)
{
	const struct msg_transmitter *t = context;

	return msg_history_back(&t->history, messages);
}

/* ---- opening ------------------------------------------------------------ */

/* Frames that the slots can hold: of large messages, many in a slot. */
static uint32_t history_frames(const struct msg_transmitter *t)
{
	uint32_t frames = FRAMES_MIN;

	while (frames < FRAMES_MAX &&
		frames < (uint64_t)t->parts_most * t->lender.pool.count)
		frames *= 2;
	return frames;
}

static uint32_t parts_most(const struct msg_transmitter *t)
{
	return t->options.message_bytes_max > t->lone_max
		       ? msg_fragment_count(t->options.message_bytes_max,
				 t->part_max)
		       : 1;
}

int transmit_keep_open(struct msg_transmitter *t)
{
	const struct msg_transmit_options *o = &t->options;
	struct msg_repairer_options options = {
		.source = {find_frame, find_sequence, find_back, t},
		.incarnation = o->incarnation,
		.tag = o->tag,
		.publisher = o->publisher,
		.frame_bytes = o->lone_bytes,
		.receive_bytes = o->receive_bytes,
		.history = 0,
		.heartbeat_ms = o->heartbeat_ms,
		.rtt_ns = o->rtt_ns,
		.flow = o->flow,
		.flow_count = o->flow_count,
		.give_up_ns = o->give_up_ns,
		.counters = t->counters,
	};
	int result;

	t->parts_most = parts_most(t);
	options.history = history_frames(t);
	result = msg_history_open(&t->history, &t->lender.pool,
		options.history, o->first_sequence);
	if (result < 0)
		return result;
	t->roomy = options.history - transmit_frames_due(t, o->loan_count_max);
	t->repairer = calloc(1, sizeof *t->repairer);
	if (!t->repairer)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for repairs");
	return msg_repairer_open(t->repairer, &options);
}

void transmit_keep_close(struct msg_transmitter *t)
{
	if (t->repairer)
		msg_repairer_close(t->repairer);
	free(t->repairer);
	t->repairer = NULL;
	msg_history_close(&t->history);
}

/* ---- sending ------------------------------------------------------------ */

bool transmit_forget_to(struct msg_transmitter *t, uint64_t end)
{
	while (t->history.first < end && transmit_forget(t, UINT64_MAX))
		;
	transmit_forgotten(t);
	return t->history.first >= end;
}

static bool is_old(const struct msg_transmitter *t)
{
	const struct msg_history *h = &t->history;

	return h->first < h->next &&
	       t->now - h->frames[h->first & h->mask].sent_ns >
		       t->options.history_ns;
}

/* The table is full for all that lending leaves room in it: more was lent out than
 * it takes.  Who needs the oldest loses it. */
static APART void make_room(struct msg_transmitter *t)
{
	msg_repairer_enter(t->repairer);
	while (msg_history_is_full(&t->history))
		if (!transmit_forget(t, UINT64_MAX))
			sched_yield();
	transmit_forgotten(t);
	msg_repairer_leave(t->repairer);
}

/* A thread that serves repairs reads the precise clock itself; and of connections none
 * are asked for, so that a look each tick is often enough. */
MSG_LENDER_INLINE void look_at_clock(struct msg_transmitter *t)
{
	uint64_t before = t->now;

	if (t->repairer->threaded || msg_repairer_is_calm(t->repairer)) {
		t->now = msg_clock_coarse_ns();
		return;
	}
	t->now = msg_clock_ns();
	if (t->now - before >= BLIND_NS)
		t->blind_most /= 2;
	else if (t->blind_most < BLIND_MAX)
		t->blind_most = 2 * t->blind_most + 1;
	t->blind = t->blind_most;
}

/* Inlined by force: what only fetches ahead is without effect to the compiler, and a
 * call of it is left out. */
MSG_LENDER_INLINE void fetch_ahead(
	const struct msg_transmit_pool *pool, uint32_t bytes)
{
	const uint8_t *next;

	if (pool->free_count == 0)
		return;
	next = msg_transmit_payload(pool, pool->free[pool->free_count - 1]);
	__builtin_prefetch(next - LINE, 1); /* Its header. */
	__builtin_prefetch(next, 1);
	if (bytes <= LINE)
		return;
	__builtin_prefetch(next + LINE, 1);
	__builtin_prefetch(next + 2 * LINE, 1);
}

static inline void note_time(struct msg_transmitter *t)
{
	if (t->blind > 0)
		t->blind--;
	else
		look_at_clock(t);
}

/* Where what the next frame is made of is to be written. */
static inline struct msg_history_frame *next_place(struct msg_transmitter *t)
{
	if (msg_history_is_full(&t->history))
		make_room(t);
	return msg_history_place(&t->history);
}

/* Inside the gate. */
static void forget_old(struct msg_transmitter *t)
{
	uint64_t needed = msg_repairer_needed(t->repairer);

	while (is_old(t) && transmit_forget(t, needed))
		;
	transmit_forgotten(t);
}

/* Inside the gate. */
MSG_LENDER_INLINE void keep(struct msg_transmitter *t,
	struct msg_history_frame *frame, uint32_t bytes, bool more)
{
	struct msg_repairer *r = t->repairer;

	if (t->options.history_ns > 0 && is_old(t))
		forget_old(t);
	msg_history_add(&t->history, frame, t->now);
	msg_repairer_sent(r, MSG_FRAME_HEADER_BYTES + bytes);
	r->held = more;
}

/* `frame` is written and in its place; behind its header there are `bytes` of it. */
MSG_LENDER_INLINE void remember(struct msg_transmitter *t, uint8_t *header,
	struct msg_history_frame *frame, uint32_t bytes, bool more)
{
	struct msg_repairer *r = t->repairer;

	msg_frame_number(header, (uint32_t)t->history.next);
	note_time(t);
	fetch_ahead(&t->lender.pool, bytes);
	msg_repairer_enter(r);
	keep(t, frame, bytes, more);
	atomic_store_explicit(&r->posting, true, memory_order_relaxed);
	msg_repairer_leave(r);
}

void transmit_remember_packed(struct msg_transmitter *t, uint8_t *header,
	uint32_t bytes, uint32_t apart, bool more)
{
	struct msg_history_frame *frame = next_place(t);

	*frame = (struct msg_history_frame){
		.sequence = t->lender.sequence,
		.slot = t->lender.open,
		.bytes = bytes - apart,
		.table = (uint16_t)apart,
		.messages = (uint16_t)t->lender.pack.count,
		.type = MSG_FRAME_PACKED,
	};
	remember(t, header, frame, bytes, more);
}

void transmit_remember_single(struct msg_transmitter *t, uint8_t *header,
	uint32_t slot, uint32_t offset, uint32_t bytes, bool more)
{
	struct msg_history_frame *frame = next_place(t);

	*frame = (struct msg_history_frame){
		.sequence = t->lender.sequence,
		.slot = slot,
		.offset = offset,
		.bytes = bytes,
		.messages = 1,
		.type = MSG_FRAME_SINGLE,
	};
	remember(t, header, frame, bytes, more);
}

void transmit_remember_part(struct msg_transmitter *t, uint8_t *header,
	uint32_t slot, const struct msg_fragment *part)
{
	struct msg_history_frame *frame = next_place(t);

	*frame = (struct msg_history_frame){
		.sequence = t->lender.sequence,
		.slot = slot,
		.offset = part->offset,
		.bytes = part->bytes,
		.total = part->total,
		.messages = part->offset + part->bytes == part->total,
		.type = MSG_FRAME_FRAGMENT,
	};
	remember(t, header, frame, MSG_FRAGMENT_HEADER_BYTES + part->bytes,
		true);
}

void transmit_remember_large(
	struct msg_transmitter *t, uint8_t *header, uint32_t slot, bool more)
{
	struct msg_history_frame *frame = next_place(t);

	*frame = (struct msg_history_frame){
		.sequence = t->lender.sequence,
		.slot = slot,
		.bytes = MSG_LARGE_BYTES,
		.messages = 1,
		.type = MSG_FRAME_LARGE,
	};
	remember(t, header, frame, MSG_LARGE_BYTES, more);
}

int transmit_post_first(struct msg_transmitter *t, struct msg_link_send *send,
	uint32_t slot, uint32_t bytes)
{
	struct msg_history_frame *frame = next_place(t);
	struct msg_repairer *r = t->repairer;
	int result;

	msg_frame_number(send->iov[0].iov_base, (uint32_t)t->history.next);
	msg_repairer_enter(r);
	result = t->link->ops->send(t->link, send);
	*frame = (struct msg_history_frame){
		.sequence = t->lender.sequence,
		.slot = slot,
		.bytes = bytes,
		.messages = 1,
		.type = MSG_FRAME_SINGLE,
	};
	note_time(t);
	keep(t, frame, bytes, false);
	atomic_store_explicit(&r->posting, result < 0, memory_order_relaxed);
	msg_repairer_leave(r);
	fetch_ahead(&t->lender.pool, bytes);
	return result;
}
