/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lender.h - a publisher's loans, and the frame being filled: one code path
 * with two exits.
 *
 *     lend   a message's place: in the frame being filled, if it fits there
 *            and no other loan stands in it; else in a fresh slot
 *     give   the loan comes home: into the frame, or out by itself
 *
 *                    ┌> engine/transmit.c  frames to a link
 *     loans ─> frame ┤
 *                    └> engine/outbox.c    entries of a ledger ring
 *
 * What differs is in struct msg_lender_exit.  Each exit hands a constant one
 * to the functions here, which are always inlined, so that its calls are plain
 * calls, or none: the steady path pays nothing for there being two.
 *
 * The loan given out last is remembered while nothing but its own way home
 * happens: then one comparison of handles says that it is out, and where it
 * stands.  Who comes any other way begins with msg_lender_settle, and finds all
 * that there is to know of loans in the pool.
 *
 * "Admitted once": a loan is a buffer and the right to send it.  Whatever can
 * be short (slots, places in a queue, room in a ring) is short at lend, so that
 * send has no "try again".
 * Test: tests/unit/engine/test_transmit.c, test_outbox.c, test_flow.c.
 */
#ifndef MSG_ENGINE_LENDER_H
#define MSG_ENGINE_LENDER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "base/counter.h"
#include "pool/transmit.h"
#include "protocol/pack.h"

struct msg_lender {
	struct msg_transmit_pool pool;
	uint32_t message_bytes_max;
	uint32_t body_max;      /* What a frame holds, table included. */
	uint32_t open;          /* Slot of the frame being filled, or NONE. */
	uint32_t base;          /* Where in it that frame begins. */
	uint64_t sequence; /* Of the first message that has not left. */
	msg_counter_t *counters; /* MSG_COUNTER_COUNT, of the publisher. */
	uint64_t out;         /* Handle of the loan given out last, … */
	uint32_t behind_room; /* … in the frame being filled: what it may hold,
	                         and one more; 0: it is none of those, … */
	uint32_t alone_room;  /* … or the same of one in a slot of its own, which
	                         is not noted in the pool. */
	struct msg_pack pack; /* Of `open`; its count is 0 when none is, or when
	                         nothing is in it yet. */
};

/* How messages leave.  The lender is the first member of what each of them
 * is called with. */
struct msg_lender_exit {
	/* Room for one message more, beside those that are lent out; AGAIN.
	 * NULL for msg_lender_lend_fresh, where a slot is all that is needed. */
	int (*admit)(struct msg_lender *lender);
	/* A slot with no reference yet, or why there is none. */
	int (*find_slot)(struct msg_lender *lender, uint32_t *slot);
	/* The frame being filled leaves; msg_lender_closed is for the end. */
	int (*close_frame)(struct msg_lender *lender, bool more);
	/* A message from the slot's first byte on leaves alone, at once. */
	int (*send_lone)(struct msg_lender *lender, uint32_t slot,
		uint32_t bytes, bool more);
	/* One that no frame can hold. */
	int (*send_large)(struct msg_lender *lender, uint32_t slot,
		uint32_t bytes, bool more);
	/* One in the middle of a slot whose frame has left without it. */
	int (*send_stray)(struct msg_lender *lender, uint32_t slot,
		uint32_t offset, uint32_t bytes, bool more);
};

#define MSG_LENDER_INLINE static inline __attribute__((always_inline))

MSG_LENDER_INLINE void msg_lender_count(
	struct msg_lender *l, enum msg_counter_index index, uint64_t n)
{
	msg_counter_add(&l->counters[index], n);
}

/* Bytes that one more message may have in the frame being filled. */
MSG_LENDER_INLINE uint32_t msg_lender_room(const struct msg_lender *l)
{
	uint32_t table = 2 * (l->pack.count + 2);
	uint32_t taken = l->pack.used + table;

	if (l->pack.count == MSG_PACK_COUNT_MAX || taken > l->pack.capacity)
		return 0;
	return (l->pack.capacity - taken) & ~(MSG_PACK_ALIGN - 1);
}

/* What a loan behind those messages may hold; 0: none can stand there. */
MSG_LENDER_INLINE uint32_t msg_lender_capacity(const struct msg_lender *l)
{
	uint32_t room = msg_lender_room(l);

	return room < l->message_bytes_max ? room : l->message_bytes_max;
}

/* What is remembered of the loan given out last goes to the pool. */
MSG_LENDER_INLINE void msg_lender_settle(struct msg_lender *l)
{
	if (l->alone_room > 0)
		msg_transmit_note(&l->pool, (uint32_t)l->out, 0,
			l->message_bytes_max);
	l->alone_room = l->behind_room = 0;
}

/* Of the next message. */
MSG_LENDER_INLINE uint64_t msg_lender_next(const struct msg_lender *l)
{
	return l->sequence + l->pack.count;
}

/* Whether a loan stands behind the messages of the frame being filled: the
 * pool knows no more of it than that it is out. */
MSG_LENDER_INLINE bool msg_lender_is_lent_behind(const struct msg_lender *l)
{
	return l->open != MSG_TRANSMIT_NONE &&
	       msg_transmit_is_lent(&l->pool, l->open);
}

/* Out at this moment. */
MSG_LENDER_INLINE uint32_t msg_lender_loans(const struct msg_lender *l)
{
	return l->pool.loan_count + msg_lender_is_lent_behind(l) +
	       (l->alone_room > 0);
}

/* The messages in the frame leave: they are numbered, and counted. */
MSG_LENDER_INLINE void msg_lender_left(struct msg_lender *l)
{
	l->sequence += l->pack.count;
	msg_lender_count(l, MSG_COUNTER_MESSAGES, l->pack.count);
	msg_lender_count(l, MSG_COUNTER_BYTES, l->pack.bytes);
}

/* Nothing is being filled; drops the frame's reference to its slot. */
MSG_LENDER_INLINE void msg_lender_closed(struct msg_lender *l)
{
	uint32_t slot = l->open;

	l->behind_room = 0;
	if (msg_transmit_is_lent(&l->pool, slot))
		msg_transmit_note(&l->pool, slot, l->base + l->pack.used,
			msg_lender_capacity(l));
	if (l->pack.count > 0)
		msg_lender_left(l);
	l->open = MSG_TRANSMIT_NONE;
	l->pack.count = 0;
	msg_transmit_drop(&l->pool, slot);
}

MSG_LENDER_INLINE void msg_lender_start_frame(
	struct msg_lender *l, uint32_t slot)
{
	if (l->open != MSG_TRANSMIT_NONE)
		msg_lender_closed(l);
	l->open = slot;
	l->base = 0;
	msg_pack_start(&l->pack, l->body_max);
	msg_transmit_hold(&l->pool, slot);
}

/* Whether nobody stands where the next message of the frame being filled goes. */
MSG_LENDER_INLINE bool msg_lender_has_place(const struct msg_lender *l)
{
	return l->open != MSG_TRANSMIT_NONE &&
	       !msg_transmit_is_lent(&l->pool, l->open);
}

/* The usual next step of a batch: a place behind the messages of the frame
 * being filled.  False, and nothing done: it cannot be had. */
MSG_LENDER_INLINE bool msg_lender_lend_behind(
	struct msg_lender *l, size_t bytes, struct msg_loan *loan)
{
	uint32_t capacity;

	if (!msg_lender_has_place(l))
		return false;
	capacity = msg_lender_capacity(l);
	if (capacity == 0 || bytes > capacity)
		return false;
	msg_transmit_issue(
		&l->pool, l->open, l->base + l->pack.used, capacity, loan);
	l->out = loan->opaque;
	l->behind_room = capacity + 1;
	return true;
}

/* In a slot of its own. */
MSG_LENDER_INLINE int msg_lender_lend_fresh(struct msg_lender *l,
	const struct msg_lender_exit *leave, size_t bytes,
	struct msg_loan *loan)
{
	uint32_t slot;
	int result;

	if (bytes > l->message_bytes_max)
		return -MSG_ERROR_TOO_LARGE;
	result = leave->find_slot(l, &slot);
	if (result < 0)
		return result;
	msg_transmit_lend(&l->pool, slot, 0, l->message_bytes_max, loan);
	return 0;
}

MSG_LENDER_INLINE int msg_lender_lend(struct msg_lender *l,
	const struct msg_lender_exit *leave, size_t bytes,
	struct msg_loan *loan)
{
	int result;

	msg_lender_settle(l);
	if (bytes > l->message_bytes_max)
		return -MSG_ERROR_TOO_LARGE;
	result = leave->admit(l);
	if (result < 0)
		return result;
	if (msg_lender_lend_behind(l, bytes, loan))
		return 0;
	return msg_lender_lend_fresh(l, leave, bytes, loan);
}

/* Put a loan that came home where it belongs; it is not of the frame being
 * filled. */
MSG_LENDER_INLINE int msg_lender_place(struct msg_lender *l,
	const struct msg_lender_exit *leave, uint32_t slot, uint32_t bytes,
	bool more)
{
	uint32_t offset = l->pool.slots[slot].loan_offset;
	/* Others need the slot: its header belongs to a frame that left.  Behind
	 * messages without bytes a loan may stand at offset 0 even so. */
	bool stray = offset > 0 || l->pool.slots[slot].refs > 1;
	int result = 0;

	/* Its messages are earlier.  Should it fail, it has said so itself. */
	if (l->pack.count > 0)
		result = leave->close_frame(l, true);
	if (bytes > l->body_max) {
		result = leave->send_large(l, slot, bytes, more);
	} else if (stray) {
		result = leave->send_stray(l, slot, offset, bytes, more);
	} else if (!more) {
		result = leave->send_lone(l, slot, bytes, more);
	} else {
		msg_lender_start_frame(l, slot);
		msg_pack_add(&l->pack, bytes);
		return result;
	}
	l->sequence++;
	if (result == 0) {
		msg_lender_count(l, MSG_COUNTER_MESSAGES, 1);
		msg_lender_count(l, MSG_COUNTER_BYTES, bytes);
	}
	return result;
}

/* The message joins the frame it stands in. */
MSG_LENDER_INLINE void msg_lender_join(
	struct msg_lender *l, struct msg_loan *loan, uint32_t bytes)
{
	l->behind_room = 0;
	memset(loan, 0, sizeof *loan);
	l->pool.slots[l->open].generation++;
	msg_pack_append(&l->pack, bytes);
}

/* The other half of msg_lender_lend_behind.  False, and nothing done: it is not
 * that simple. */
MSG_LENDER_INLINE bool msg_lender_give_behind(
	struct msg_lender *l, struct msg_loan *loan, size_t bytes)
{
	if (loan->opaque != l->out || bytes >= l->behind_room)
		return false;
	msg_lender_join(l, loan, (uint32_t)bytes);
	return true;
}

static inline void msg_lender_abandon(
	struct msg_lender *l, struct msg_loan *loan)
{
	uint32_t slot = msg_transmit_find(&l->pool, loan);

	msg_lender_settle(l);
	if (slot == MSG_TRANSMIT_NONE) {
		msg_lender_count(l, MSG_COUNTER_RELEASE_REFUSED, 1);
		return;
	}
	memset(loan, 0, sizeof *loan);
	if (slot == l->open) {
		msg_transmit_return_behind(&l->pool, slot);
		return;
	}
	msg_transmit_return(&l->pool, slot);
	msg_transmit_drop(&l->pool, slot);
}

MSG_LENDER_INLINE int msg_lender_give(struct msg_lender *l,
	const struct msg_lender_exit *leave, struct msg_loan *loan,
	size_t bytes, bool more)
{
	uint32_t slot;
	int result;

	if (msg_lender_give_behind(l, loan, bytes))
		return 0;
	msg_lender_settle(l);
	slot = msg_transmit_find(&l->pool, loan);
	if (slot == MSG_TRANSMIT_NONE) {
		msg_lender_count(l, MSG_COUNTER_RELEASE_REFUSED, 1);
		return -MSG_ERROR_ARGUMENT;
	}
	if (slot == l->open && bytes <= msg_lender_capacity(l)) {
		msg_lender_join(l, loan, (uint32_t)bytes);
		return 0;
	}
	if (slot == l->open || bytes > l->pool.slots[slot].loan_capacity) {
		msg_lender_abandon(l, loan);
		return -MSG_ERROR_ARGUMENT;
	}
	memset(loan, 0, sizeof *loan);
	msg_transmit_return(&l->pool, slot);
	result = msg_lender_place(l, leave, slot, (uint32_t)bytes, more);
	msg_transmit_drop(&l->pool, slot);
	if (result < 0)
		msg_lender_count(l, MSG_COUNTER_SEND_FAILED, 1);
	return result;
}

#endif
