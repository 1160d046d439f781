/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * transmit_internal.h - what transmit.c (frames), transmit_flight.c (what is under
 * way), transmit_keep.c (what a reliable topic keeps), transmit_lend.c (whence its
 * loans come) and transmit_large.c (what its receivers read) say to each other.
 */
#ifndef MSG_ENGINE_TRANSMIT_INTERNAL_H
#define MSG_ENGINE_TRANSMIT_INTERNAL_H

#include "base/clock.h"
#include "engine/transmit.h"
#include "protocol/fragment.h"

/* Called from where the usual way is to a broker, or of best effort, and saves no
 * registers. */
#define APART __attribute__((noinline))

static inline void transmit_count(
	struct msg_transmitter *t, enum msg_counter_index index, uint64_t n)
{
	msg_lender_count(&t->lender, index, n);
}

static inline struct msg_transmitter *transmit_of(struct msg_lender *lender)
{
	return (struct msg_transmitter *)lender;
}

static inline uint32_t transmit_in_flight(const struct msg_transmitter *t)
{
	return t->flight_head - t->flight_tail;
}

/* Whether so much is in flight that some of it should be done. */
static inline bool transmit_is_long(const struct msg_transmitter *t)
{
	return transmit_in_flight(t) >= 2 * t->signal_every;
}

/* transmit_flight.c: free what is done; how many completions, or FABRIC. */
int transmit_poll(struct msg_transmitter *t);

/* transmit.c: post the LARGE frame whose body is in the slot. */
int transmit_post_large(struct msg_transmitter *t, uint32_t slot, bool more);

/* ---- transmit_keep.c --------------------------------------------------- */

/* Slots for the history, beside those lent out; 0 of a best-effort topic. */
uint32_t transmit_kept_slots(
	const struct msg_transmit_options *options, uint32_t capacity);

/* The pool is open; 0, or MEMORY with the trail. */
int transmit_keep_open(struct msg_transmitter *t);
void transmit_keep_close(struct msg_transmitter *t);

/* A frame whose header is written is about to be posted, and has number history.next:
 * the header says that it can be had again.  `more`: it may wait for a flush.  It is
 *   packed  the frame being filled, `bytes` of body, `apart` of them the table in the
 *           slot's scratch
 *   single  a message of `bytes` from `offset` on in the slot
 *   part    of the message in the slot
 *   large   the LARGE frame whose body is in the slot */
APART void transmit_remember_packed(struct msg_transmitter *t, uint8_t *header,
	uint32_t bytes, uint32_t apart, bool more);
APART void transmit_remember_single(struct msg_transmitter *t, uint8_t *header,
	uint32_t slot, uint32_t offset, uint32_t bytes, bool more);
APART void transmit_remember_part(struct msg_transmitter *t, uint8_t *header,
	uint32_t slot, const struct msg_fragment *part);
void transmit_remember_large(
	struct msg_transmitter *t, uint8_t *header, uint32_t slot, bool more);

/* Whether a lone message leaves first and is remembered then, which is that much less
 * between it and its reader.  Who serves repairs beside us would be kept out while it
 * is posted.  Who reads the history knows of no frame but from a probe or a later
 * frame, and both leave behind it. */
static inline bool transmit_posts_first(const struct msg_transmitter *t)
{
	return t->options.connected && !t->repairer->threaded;
}

/* Both, with nobody let in between: so no report is about a frame unknown.  As `send` of
 * a link, of the whole message in `slot`. */
int transmit_post_first(struct msg_transmitter *t, struct msg_link_send *send,
	uint32_t slot, uint32_t bytes);

/* Inside the gate: forget all frames below `end`, whoever is waited for.  False:
 * one of them is being sent again. */
bool transmit_forget_to(struct msg_transmitter *t, uint64_t end);

/* Inside the gate: forget the oldest frame; whoever does so says so to the repairer
 * before it leaves (transmit_forgotten).  False: it is still needed. */
static inline bool transmit_forget(struct msg_transmitter *t, uint64_t needed)
{
	struct msg_history *h = &t->history;

	if (h->first == h->next || h->first >= needed ||
		msg_repairer_flies(t->repairer, h->first))
		return false;
	msg_history_forget(h);
	return true;
}

static inline void transmit_forgotten(struct msg_transmitter *t)
{
	msg_repairer_forget(t->repairer, t->history.first);
}

/* ---- transmit_lend.c --------------------------------------------------- */

/* A loan of a reliable topic. */
APART int transmit_lend_kept(
	struct msg_transmitter *t, size_t bytes, struct msg_loan *loan);

/* As find_slot of a reliable topic's exit. */
int transmit_find_kept(struct msg_lender *lender, uint32_t *slot);

/* Nothing waits for a flush any more; of a connected topic the next loan is made ready.
 * Returns `result`. */
APART int transmit_flushed(struct msg_transmitter *t, int result);

/* Frames that may come before slots are asked for again: of this message, and of
 * those that are lent out; no more than half the table is kept free for them. */
static inline uint64_t transmit_frames_due(
	const struct msg_transmitter *t, uint32_t loans)
{
	uint64_t due = (uint64_t)t->parts_most * (loans + 1);
	uint64_t most = (t->history.mask + 1) / 2;

	return due < most ? due : most;
}

/* ---- transmit_large.c -------------------------------------------------- */

/* A loan that its publisher has to be asked for: see show.h. */
int transmit_lend_large(
	struct msg_transmitter *t, size_t bytes, struct msg_loan *loan);
/* Whether the loan of a slot is one of those. */
bool transmit_is_large(const struct msg_transmitter *t, uint32_t slot);
int transmit_send_large(
	struct msg_transmitter *t, uint32_t slot, uint32_t bytes, bool more);

/* What transmit_remember counted is sent, or never will be. */
static inline void transmit_posted(struct msg_transmitter *t)
{
	atomic_store_explicit(
		&t->repairer->posting, false, memory_order_release);
}

/* See what receivers say, now and then. */
static inline void transmit_serve(struct msg_transmitter *t)
{
	/* Of the coarse clock, `now` is a tick old. */
	if (msg_repairer_is_due(t->repairer, t->now))
		msg_repairer_progress(t->repairer, msg_clock_ns());
}

#endif
