/* SPDX-License-Identifier: BSD-2-Clause */
/* transmit_keep.c - what a reliable topic keeps of what it sent; see
 * transmit.h. */
#include "engine/transmit_internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/probe.h"
#include "base/trail.h"
#include "protocol/fragment.h"

/* Slots of a history at least, however large they are. */
#define SLOTS_MIN 2u
#define SLOTS_MAX (1u << 20)
#define FRAMES_MIN 64u
#define FRAMES_MAX (1u << 20)
/* Slots taken back at once: the gate is paid once for them.  Of few and large ones
 * only a share: what is taken early is as much more memory to go through. */
#define BATCH_MAX 8u
#define BATCH_SHARE 8u
/* While frames follow each other so fast, the clock is read only now and then:
 * it costs as much as all the rest that is done to keep a frame. */
#define BLIND_NS (20 * MSG_NS_PER_US)
#define BLIND_MAX 15u
/* Of the slot that comes next, as much as the frame before took is fetched
 * ahead, while that one is sent: a history is larger than the nearest caches,
 * and a slot comes back when it has left them. */
#define AHEAD_BYTES_MAX 256u

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

static uint32_t batch(const struct msg_transmitter *t)
{
	uint32_t kept = t->lender.pool.count - t->options.loan_count_max;

	if (kept < 2 * BATCH_SHARE)
		return 1;
	return kept / BATCH_SHARE < BATCH_MAX ? kept / BATCH_SHARE : BATCH_MAX;
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
	t->batch = batch(t);
	options.history = history_frames(t);
	result = msg_history_open(&t->history, &t->lender.pool,
		options.history, o->first_sequence);
	if (result < 0)
		return result;
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

/* Forget the oldest frame, inside the gate.  False: it is still needed. */
static bool forget(struct msg_transmitter *t, uint64_t needed)
{
	struct msg_history *h = &t->history;

	if (h->first == h->next || h->first >= needed ||
		msg_repairer_flies(t->repairer, h->first))
		return false;
	msg_history_forget(h);
	msg_repairer_forget(t->repairer, h->first);
	return true;
}

bool transmit_forget_to(struct msg_transmitter *t, uint64_t end)
{
	while (t->history.first < end)
		if (!forget(t, UINT64_MAX))
			return false;
	return true;
}

static bool is_old(const struct msg_transmitter *t)
{
	const struct msg_history *h = &t->history;

	return t->options.history_ns > 0 && h->first < h->next &&
	       t->now - h->frames[h->first & h->mask].sent_ns >
		       t->options.history_ns;
}

/* The table is full for all that lending leaves room in it: more was lent out than
 * it takes.  Who needs the oldest loses it. */
static void make_room(struct msg_transmitter *t)
{
	while (msg_history_is_full(&t->history))
		if (!forget(t, UINT64_MAX))
			sched_yield();
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

static void fetch_ahead(const struct msg_transmit_pool *pool, uint32_t bytes)
{
	uint32_t end = MSG_TRANSMIT_PAYLOAD + bytes;
	const uint8_t *next;

	if (pool->free_count == 0)
		return;
	if (end > AHEAD_BYTES_MAX)
		end = AHEAD_BYTES_MAX;
	next = msg_transmit_payload(pool, pool->free[pool->free_count - 1]) -
	       MSG_TRANSMIT_PAYLOAD;
	for (uint32_t at = 0; at < end; at += 64)
		__builtin_prefetch(next + at, 1);
}

static inline void note_time(struct msg_transmitter *t)
{
	if (t->blind > 0)
		t->blind--;
	else
		look_at_clock(t);
}

/* Inside the gate. */
MSG_LENDER_INLINE void keep(
	struct msg_transmitter *t, const struct msg_history_frame *frame, bool more)
{
	struct msg_repairer *r = t->repairer;
	uint32_t bytes = MSG_FRAME_HEADER_BYTES + frame->bytes + frame->table;

	if (frame->type == MSG_FRAME_FRAGMENT)
		bytes += MSG_FRAGMENT_HEADER_BYTES;
	if (msg_history_is_full(&t->history))
		make_room(t);
	while (is_old(t) && forget(t, msg_repairer_needed(r)))
		;
	msg_history_add(&t->history, frame, t->now);
	msg_repairer_sent(r, bytes);
	r->held = more;
}

void transmit_remember(struct msg_transmitter *t, uint8_t *header,
	const struct msg_history_frame *frame, bool more)
{
	struct msg_repairer *r = t->repairer;

	msg_frame_number(header, (uint32_t)t->history.next);
	note_time(t);
	fetch_ahead(&t->lender.pool, frame->bytes);
	msg_repairer_enter(r);
	keep(t, frame, more);
	atomic_store_explicit(&r->posting, true, memory_order_relaxed);
	msg_repairer_leave(r);
}

int transmit_post_first(struct msg_transmitter *t, struct msg_link_send *send,
	uint32_t slot, uint32_t bytes)
{
	struct msg_history_frame frame;
	struct msg_repairer *r = t->repairer;
	int result;

	msg_frame_number(send->iov[0].iov_base, (uint32_t)t->history.next);
	msg_repairer_enter(r);
	result = t->link->ops->send(t->link, send);
	frame = (struct msg_history_frame){
		.sequence = t->lender.sequence,
		.slot = slot,
		.bytes = bytes,
		.messages = 1,
		.type = MSG_FRAME_SINGLE,
	};
	note_time(t);
	keep(t, &frame, false);
	atomic_store_explicit(&r->posting, result < 0, memory_order_relaxed);
	msg_repairer_leave(r);
	fetch_ahead(&t->lender.pool, bytes);
	return result;
}

/* ---- lending ------------------------------------------------------------ */

int transmit_held_up(struct msg_transmitter *t)
{
	struct msg_repairer *r = t->repairer;
	bool may;
	int n;

	/* What is queued must leave, or nobody moves. */
	msg_transmitter_flush(t);
	msg_repairer_enter(r);
	r->waiting = true;
	n = msg_repairer_turn(r, msg_clock_ns());
	may = msg_repairer_may(r, t->history.next);
	r->waiting = !may;
	msg_repairer_leave(r);
	if (may)
		return 0;
	if (n < 0)
		return n;
	transmit_count(t, MSG_COUNTER_HELD_UP, 1);
	return -MSG_ERROR_AGAIN;
}

int transmit_clogged(struct msg_transmitter *t)
{
	if (transmit_in_flight(t) <= t->link->send_count / 2)
		return 0;
	/* Who waits here sees to those that it waits for. */
	msg_repairer_progress(t->repairer, msg_clock_ns());
	transmit_count(t, MSG_COUNTER_HELD_UP, 1);
	return -MSG_ERROR_AGAIN;
}

/* Who lacks the oldest frame when memory is short holds us up, too. */
static void note_short(
	struct msg_transmitter *t, bool is_short, uint64_t needed)
{
	const struct msg_history *h = &t->history;

	t->repairer->forget_to = is_short && h->first < h->next &&
						 h->first >= needed
					 ? h->first + 1
					 : 0;
}

/* Forget frames until there is room for those; false: somebody needs them. */
static bool thin_out(struct msg_transmitter *t)
{
	struct msg_repairer *r = t->repairer;
	uint64_t needed;

	msg_repairer_enter(r);
	needed = msg_repairer_needed(r);
	while (transmit_is_crowded(t) && forget(t, needed))
		;
	note_short(t, transmit_is_crowded(t), needed);
	msg_repairer_leave(r);
	return !transmit_is_crowded(t);
}

int transmit_crowded(struct msg_transmitter *t)
{
	int result;

	if (thin_out(t))
		return 0;
	result = transmit_held_up(t);
	if (result < 0 || thin_out(t))
		return result;
	transmit_count(t, MSG_COUNTER_HELD_UP, 1);
	return -MSG_ERROR_AGAIN;
}

/* Take back slots until `least` are free; false: none is, the oldest frame is
 * needed. */
static bool take_back(struct msg_transmitter *t, uint32_t least)
{
	struct msg_repairer *r = t->repairer;
	bool taken = true;
	uint64_t needed;

	msg_repairer_enter(r);
	needed = msg_repairer_needed(r);
	while (t->lender.pool.free_count < least && taken)
		taken = forget(t, needed);
	note_short(t, t->lender.pool.free_count == 0, needed);
	msg_repairer_leave(r);
	return t->lender.pool.free_count > 0;
}

/* What is kept beyond history_bytes stands in slots for loans.  The slot that was
 * written last but a few is in the caches, the oldest one may have left them: so
 * those are left alone while nobody needs what they hold. */
static void thin_to_size(struct msg_transmitter *t)
{
	const struct msg_transmit_pool *pool = &t->lender.pool;
	uint32_t most = t->options.loan_count_max;

	if (pool->free_count + pool->loan_count + t->batch <= most)
		take_back(t, most - pool->loan_count);
}

/* Of a connected topic, what the next loan would have to do in front of its message is
 * done behind this one, as far as it can be by now.  What fails is met there again. */
static void prepare(struct msg_transmitter *t)
{
	struct msg_repairer *r = t->repairer;

	if (transmit_is_long(t))
		(void)transmit_poll(t);
	if (!r->threaded && !msg_repairer_may(r, t->history.next))
		(void)msg_repairer_progress(r, msg_clock_ns());
	thin_to_size(t);
}

int transmit_flushed(struct msg_transmitter *t, int result)
{
	struct msg_repairer *r = t->repairer;

	if (r->held) {
		msg_repairer_enter(r);
		r->held = false;
		msg_repairer_leave(r);
	}
	msg_repairer_wake(r);
	if (t->options.connected)
		prepare(t);
	return result;
}

int transmit_take_kept(struct msg_transmitter *t, uint32_t *slot)
{
	struct msg_transmit_pool *pool = &t->lender.pool;
	int result = 0;

	if (!take_back(t, t->batch)) {
		/* What flies keeps its slot, remembered or not. */
		result = msg_transmitter_flush(t);
		if (result == 0 || result == -MSG_ERROR_AGAIN)
			result = transmit_poll(t);
		take_back(t, t->batch);
	}
	*slot = msg_transmit_get(pool);
	if (*slot != MSG_TRANSMIT_NONE)
		return 0;
	if (result < 0)
		return result;
	if (t->options.flow != MSG_FLOW_POLICY_NONE) {
		result = transmit_held_up(t);
		if (result < 0)
			return result;
		take_back(t, t->batch);
		*slot = msg_transmit_get(pool);
		if (*slot != MSG_TRANSMIT_NONE)
			return 0;
		/* Few slots are fewer frames than receivers report after. */
		msg_repairer_enter(t->repairer);
		msg_repairer_ask(t->repairer, msg_clock_ns());
		msg_repairer_leave(t->repairer);
	}
	transmit_count(t, MSG_COUNTER_LOAN_REFUSED, 1);
	MSG_PROBE2(refused, t->options.publisher, t->lender.pool.loan_count);
	return -MSG_ERROR_AGAIN;
}

/* A reliable topic's slots come back from its history.  A message that joins a
 * frame needs none, and no more leave than before: so receivers are asked for
 * their leave here, once a frame. */
int transmit_find_kept(struct msg_lender *lender, uint32_t *slot)
{
	struct msg_transmitter *t = transmit_of(lender);
	int result;

	if (lender->pool.loan_count >= t->options.loan_count_max) {
		transmit_count(t, MSG_COUNTER_LOAN_REFUSED, 1);
		MSG_PROBE2(refused, t->options.publisher,
			lender->pool.loan_count);
		return -MSG_ERROR_AGAIN;
	}
	if (!msg_repairer_may(t->repairer, t->history.next)) {
		result = transmit_held_up(t);
		if (result < 0)
			return result;
	}
	/* Slots are short before that is, but where they hold many frames. */
	if (transmit_is_crowded(t)) {
		result = transmit_crowded(t);
		if (result < 0)
			return result;
	}
	if (transmit_is_long(t)) {
		result = transmit_poll(t);
		if (result >= 0 && t->options.connected)
			result = transmit_clogged(t);
		if (result < 0)
			return result;
	}
	thin_to_size(t);
	*slot = msg_transmit_get(&lender->pool);
	return *slot != MSG_TRANSMIT_NONE ? 0
					  : transmit_take_kept(t, slot);
}
