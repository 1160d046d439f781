/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * transmit.c - loans become frames, and frames leave: open and close, the ways
 * out (a frame of several messages, one alone, one in fragments, one from
 * within another's slot), and the calls.  See transmit.h and lender.h; what
 * happens to a frame that is written is in transmit_flight.h.
 */
#include "engine/transmit_flight.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/probe.h"
#include "base/trail.h"
#include "protocol/fragment.h"
#include "protocol/frame.h"
#include "protocol/large.h"

uint32_t msg_transmitter_depth(const struct msg_transmitter *t)
{
	uint32_t depth = 64;

	while (depth < t->options.loan_count_max)
		depth *= 2;
	return depth;
}

int msg_transmitter_open(
	struct msg_transmitter *t, const struct msg_transmit_options *options)
{
	uint32_t depth;
	uint32_t capacity;
	int result;

	memset(t, 0, sizeof *t);
	t->options = *options;
	t->lender.counters = t->counters;
	t->lender.message_bytes_max = options->message_bytes_max;
	t->lender.open = MSG_TRANSMIT_NONE;
	t->lender.sequence = options->first_sequence;
	atomic_init(&t->sent, options->first_sequence);
	t->lender.body_max = options->frame_bytes - MSG_FRAME_HEADER_BYTES;
	if (options->lone_bytes == 0)
		t->options.lone_bytes = options->frame_bytes;
	t->lone_max = t->options.lone_bytes - MSG_FRAME_HEADER_BYTES;
	/* Parts are whole cache lines, so that each lands as aligned as the
	 * message itself. */
	t->part_max = (t->lone_max - MSG_FRAGMENT_HEADER_BYTES) & ~63u;
	depth = msg_transmitter_depth(t);
	t->flight_mask = depth - 1;
	capacity = options->message_bytes_max > t->lender.body_max
			   ? options->message_bytes_max
			   : t->lender.body_max;
	result = msg_transmit_open(&t->lender.pool,
		options->loan_count_max + transmit_kept_slots(options, capacity),
		capacity, MSG_PACK_TABLE_BYTES_MAX,
		(size_t)depth * TRANSMIT_HEADER_STRIDE);
	if (result < 0)
		return result;
	if (options->history_bytes > 0)
		result = transmit_keep_open(t);
	if (result < 0) {
		msg_transmitter_close(t);
		return result;
	}
	t->flight = calloc(depth, sizeof *t->flight);
	if (!t->flight) {
		msg_transmitter_close(t);
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory for %u frames in flight", depth);
	}
	return 0;
}

int msg_transmitter_start(
	struct msg_transmitter *t, struct msg_link *link, uint32_t group)
{
	uint32_t least = link->send_count < t->lender.pool.count
				 ? link->send_count
				 : t->lender.pool.count;

	t->link = link;
	t->group = group;
	t->signal_every = least / 4 > 0 ? least / 4 : 1;
	return 0;
}

void msg_transmitter_close(struct msg_transmitter *t)
{
	free(t->flight);
	t->flight = NULL;
	transmit_keep_close(t);
	msg_transmit_close(&t->lender.pool);
}

/* ---- ways out ---------------------------------------------------------- */

/* The same by a call, for all but what leaves alone. */
static APART int post(struct msg_transmitter *t, struct msg_link_send *send,
	uint32_t slot, bool more)
{
	return transmit_post_here(t, send, slot, more);
}

MSG_LENDER_INLINE void write_header(struct msg_transmitter *t, uint8_t *header,
	enum msg_frame_type type, uint32_t body_bytes, uint64_t sequence)
{
	struct msg_frame frame = {
		.type = (uint8_t)type,
		.bytes = MSG_FRAME_HEADER_BYTES + body_bytes,
		.tag = t->options.tag,
		.publisher = t->options.publisher,
		.transmission = t->flight_head,
		.sequence = sequence,
	};

	msg_frame_write(header, &frame);
}

/* The frame being filled, its table behind it. */
static void gather(
	struct msg_transmitter *t, struct msg_link_send *send, bool more)
{
	uint32_t slot = t->lender.open;
	uint8_t *payload = msg_transmit_payload(&t->lender.pool, slot);
	uint8_t *header = payload - MSG_FRAME_HEADER_BYTES;
	uint32_t apart = 0;
	uint8_t *table;
	uint32_t bytes;

	send->iov[0].iov_base = header;
	if (!msg_transmit_is_lent(&t->lender.pool, slot)) {
		bytes = msg_pack_finish(&t->lender.pack, payload);
		send->iov[0].iov_len = MSG_FRAME_HEADER_BYTES + bytes;
	} else {
		/* A loan stands where the table would. */
		table = msg_transmit_scratch(&t->lender.pool, slot);
		bytes = msg_pack_table(&t->lender.pack, payload, table);
		send->iov[0].iov_len =
			MSG_FRAME_HEADER_BYTES + t->lender.pack.used;
		send->iov[1].iov_base = table;
		send->iov[1].iov_len = bytes;
		send->iov_count = 2;
		apart = bytes;
		bytes += t->lender.pack.used;
	}
	write_header(
		t, header, MSG_FRAME_PACKED, bytes, t->lender.sequence);
	if (t->repairer)
		transmit_remember_packed(t, header, bytes, apart, more);
}

/* Write a message's header in front of it; both are `send`. */
MSG_LENDER_INLINE void gather_single(struct msg_transmitter *t, uint32_t slot,
	uint32_t bytes, uint64_t sequence, struct msg_link_send *send)
{
	uint8_t *header = msg_transmit_payload(&t->lender.pool, slot) -
			  MSG_FRAME_HEADER_BYTES;

	write_header(t, header, MSG_FRAME_SINGLE, bytes, sequence);
	send->iov[0].iov_base = header;
	send->iov[0].iov_len = MSG_FRAME_HEADER_BYTES + bytes;
}

/* It leaves first and is remembered then. */
static APART int post_first(
	struct msg_transmitter *t, uint32_t slot, uint32_t bytes)
{
	struct msg_link_send send = {.iov_count = 1};

	gather_single(t, slot, bytes, t->lender.sequence, &send);
	send.group = t->group;
	send.token = t->flight_head;
	/* It is remembered, whatever became of it; here it is tried again. */
	if (transmit_post_first(t, &send, slot, bytes) < 0)
		return transmit_post_here(t, &send, slot, false);
	transmit_left(t, &send, slot);
	return 0;
}

static APART int post_usually(struct msg_transmitter *t, uint32_t slot,
	uint32_t bytes, bool more)
{
	struct msg_link_send send = {.iov_count = 1};

	gather_single(t, slot, bytes, t->lender.sequence, &send);
	if (t->repairer)
		transmit_remember_single(
			t, send.iov[0].iov_base, slot, 0, bytes, more);
	return transmit_post_here(t, &send, slot, more);
}

static inline int post_single(struct msg_transmitter *t, uint32_t slot,
	uint32_t bytes, bool more)
{
	return transmit_posts_first(t) && transmit_has_place(t)
		       ? post_first(t, slot, bytes)
		       : post_usually(t, slot, bytes, more);
}

/* Repaired like any frame, but never without a repairer. */
int transmit_post_large(struct msg_transmitter *t, uint32_t slot, bool more)
{
	struct msg_link_send send = {.iov_count = 1};
	struct msg_frame said = {
		.type = MSG_FRAME_LARGE,
		.flags = MSG_FRAME_RELIABLE,
		.bytes = MSG_FRAME_HEADER_BYTES + MSG_LARGE_BYTES,
		.tag = t->options.tag,
		.publisher = t->options.publisher,
		.sequence = t->lender.sequence,
	};
	uint8_t *header = msg_transmit_payload(&t->lender.pool, slot) -
			  MSG_FRAME_HEADER_BYTES;

	msg_frame_write(header, &said);
	transmit_remember_large(t, header, slot, more);
	send.iov[0].iov_base = header;
	send.iov[0].iov_len = MSG_FRAME_HEADER_BYTES + MSG_LARGE_BYTES;
	return post(t, &send, slot, more);
}

/* On failure the frame's messages are lost, and the gap in the sequence says
 * so to every subscriber. */
static int close_frame(struct msg_lender *lender, bool more)
{
	struct msg_transmitter *t = transmit_of(lender);
	struct msg_link_send send = {.iov_count = 1};
	int result;

	if (lender->pack.count == 1) {
		result = post_single(t, lender->open, lender->pack.lengths[0],
			more);
	} else {
		gather(t, &send, more);
		result = post(t, &send, lender->open, more);
	}
	if (result < 0)
		transmit_count(t, MSG_COUNTER_SEND_FAILED, lender->pack.count);
	msg_lender_closed(lender);
	return result;
}

static int send_lone(
	struct msg_lender *lender, uint32_t slot, uint32_t bytes, bool more)
{
	return post_single(transmit_of(lender), slot, bytes, more);
}

/* In fragments, but for what a frame of its own can hold. */
static int send_large(
	struct msg_lender *lender, uint32_t slot, uint32_t bytes, bool more)
{
	struct msg_transmitter *t = transmit_of(lender);
	const uint8_t *payload = msg_transmit_payload(&lender->pool, slot);
	struct msg_fragment part = {.total = bytes};
	int result = 0;

	if (transmit_is_large(t, slot))
		return transmit_send_large(t, slot, bytes, more);
	if (bytes <= t->lone_max)
		return post_single(t, slot, bytes, more);
	for (; part.offset < bytes && result == 0; part.offset += part.bytes) {
		struct msg_link_send send = {.iov_count = 2};
		uint8_t *header = transmit_header_place(t);

		result = transmit_await_place(t);
		if (result < 0)
			break;
		part.bytes = bytes - part.offset < t->part_max
				     ? bytes - part.offset
				     : t->part_max;
		write_header(t, header, MSG_FRAME_FRAGMENT,
			MSG_FRAGMENT_HEADER_BYTES + part.bytes,
			lender->sequence);
		msg_fragment_write(header + MSG_FRAME_HEADER_BYTES, &part);
		if (t->repairer)
			transmit_remember_part(t, header, slot, &part);
		send.iov[0].iov_base = header;
		send.iov[0].iov_len =
			MSG_FRAME_HEADER_BYTES + MSG_FRAGMENT_HEADER_BYTES;
		send.iov[1].iov_base =
			(void *)(uintptr_t)(payload + part.offset);
		send.iov[1].iov_len = part.bytes;
		result = post(t, &send, slot,
			more || part.offset + part.bytes < bytes);
	}
	return result;
}

static int send_stray(struct msg_lender *lender, uint32_t slot, uint32_t offset,
	uint32_t bytes, bool more)
{
	struct msg_transmitter *t = transmit_of(lender);
	struct msg_link_send send = {.iov_count = 2};
	uint8_t *header = transmit_header_place(t);
	int result;

	if (transmit_is_large(t, slot))
		return transmit_send_large(t, slot, bytes, more);
	result = transmit_await_place(t);
	if (result < 0)
		return result;
	write_header(t, header, MSG_FRAME_SINGLE, bytes, lender->sequence);
	if (t->repairer)
		transmit_remember_single(t, header, slot, offset, bytes, more);
	send.iov[0].iov_base = header;
	send.iov[0].iov_len = MSG_FRAME_HEADER_BYTES;
	send.iov[1].iov_base =
		msg_transmit_payload(&lender->pool, slot) + offset;
	send.iov[1].iov_len = bytes;
	return post(t, &send, slot, more);
}

/* Make slots free: what is done, then what only waits to be sent. */
static int find_slot(struct msg_lender *lender, uint32_t *slot)
{
	struct msg_transmitter *t = transmit_of(lender);
	int result;

	/* Now and then, before it must: so that it seldom must. */
	if (transmit_is_long(t)) {
		result = transmit_poll(t);
		if (result < 0)
			return result;
	}
	*slot = msg_transmit_get(&lender->pool);
	if (*slot != MSG_TRANSMIT_NONE)
		return 0;
	result = transmit_poll(t);
	if (result < 0)
		return result;
	*slot = msg_transmit_get(&lender->pool);
	if (*slot != MSG_TRANSMIT_NONE)
		return 0;
	result = msg_transmitter_flush(t);
	if (result == 0)
		result = transmit_poll(t);
	*slot = msg_transmit_get(&lender->pool);
	if (*slot != MSG_TRANSMIT_NONE)
		return 0;
	transmit_count(t, MSG_COUNTER_LOAN_REFUSED, 1);
	MSG_PROBE2(refused, t->options.publisher, lender->pool.loan_count);
	return result < 0 ? result : -MSG_ERROR_AGAIN;
}

static const struct msg_lender_exit to_link = {
	.find_slot = find_slot,
	.close_frame = close_frame,
	.send_lone = send_lone,
	.send_large = send_large,
	.send_stray = send_stray,
};

/* ---- the calls --------------------------------------------------------- */

APART int msg_transmitter_lend(
	struct msg_transmitter *t, size_t bytes, struct msg_loan *loan)
{
	/* Most are in the midst of a batch, whatever the topic is. */
	if (msg_lender_lend_behind(&t->lender, bytes, loan))
		return 0;
	if (__builtin_expect(t->repairer != NULL, 0))
		return transmit_lend_kept(t, bytes, loan);
	return msg_lender_lend_fresh(&t->lender, &to_link, bytes, loan);
}

APART int msg_transmitter_queue(
	struct msg_transmitter *t, struct msg_loan *loan, size_t bytes)
{
	return msg_lender_give(&t->lender, &to_link, loan, bytes, true);
}

/* Release, by way of being an atomic store after the send: whoever announces
 * this number announces nothing that has not left. */
static inline void say_sent(struct msg_transmitter *t)
{
	atomic_store_explicit(
		&t->sent, t->lender.sequence, memory_order_release);
}

/* As msg_transmitter_flush: behind a lone message there is nothing to do. */
static inline int flush_sent(struct msg_transmitter *t)
{
	if (t->lender.open != MSG_TRANSMIT_NONE || t->unflushed > 0 ||
		t->repairer)
		return msg_transmitter_flush(t);
	say_sent(t);
	return 0;
}

int msg_transmitter_send(
	struct msg_transmitter *t, struct msg_loan *loan, size_t bytes)
{
	int result = msg_lender_give(&t->lender, &to_link, loan, bytes, false);
	/* Also when that failed: its number is taken, and announcements must
	 * tell that it is lost. */
	int flushed = flush_sent(t);

	if (result < 0)
		return result;
	return flushed == -MSG_ERROR_AGAIN ? 0 : flushed;
}

int msg_transmitter_flush(struct msg_transmitter *t)
{
	int result = 0;
	int flushed = 0;

	if (t->lender.open != MSG_TRANSMIT_NONE)
		result = close_frame(&t->lender, false);
	/* Also when that one failed: those before it must not wait for it. */
	if (t->unflushed > 0)
		flushed = t->link->ops->flush(t->link);
	if (flushed == -MSG_ERROR_AGAIN)
		return result < 0 ? result : flushed;
	t->unflushed = 0;
	say_sent(t);
	if (result == 0)
		result = flushed;
	return __builtin_expect(t->repairer != NULL, 0)
		       ? transmit_flushed(t, result)
		       : result;
}

void msg_transmitter_abandon(struct msg_transmitter *t, struct msg_loan *loan)
{
	msg_lender_abandon(&t->lender, loan);
}

void msg_transmitter_linger(struct msg_transmitter *t, uint64_t limit_ns)
{
	uint64_t deadline = msg_clock_ns() + limit_ns;

	while ((msg_transmitter_flush(t) == -MSG_ERROR_AGAIN ||
		       transmit_in_flight(t) > 0) &&
		msg_clock_ns() < deadline)
		if (transmit_poll(t) < 0)
			break;
}
