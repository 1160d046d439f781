/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_internal.h - what recover.c, recover_next.c and recover_ask.c share.
 *
 * Nobody else includes this.  Test: as recover.h.
 */
#ifndef MSG_PROTOCOL_RECOVER_INTERNAL_H
#define MSG_PROTOCOL_RECOVER_INTERNAL_H

#include "protocol/recover.h"

static inline struct msg_recover_place *msg_recover_place(
	const struct msg_recover *r, uint64_t frame)
{
	return &r->places[frame & (r->options.window - 1)];
}

/* `frame` is one of [next, scanned). */
static inline bool msg_recover_is_missing(
	const struct msg_recover *r, uint64_t frame)
{
	uint64_t at = frame & (r->options.window - 1);

	return r->missing[at / 64] >> (at % 64) & 1;
}

static inline void msg_recover_flip_missing(
	struct msg_recover *r, uint64_t frame)
{
	uint64_t at = frame & (r->options.window - 1);

	r->missing[at / 64] ^= UINT64_C(1) << (at % 64);
}

/* a + b, or UINT64_MAX. */
static inline uint64_t msg_recover_later(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* ---- the clock of giving up -------------------------------------------- */

/* How long nothing may be heard before it stands still. */
static inline uint64_t msg_recover_silence_max(const struct msg_recover *r)
{
	uint64_t half = r->options.give_up_ns / 2;

	return 2 * r->period_ns < half ? 2 * r->period_ns : half;
}

static inline uint64_t msg_recover_silence_over(
	const struct msg_recover *r, uint64_t now)
{
	uint64_t most =
		msg_recover_later(r->heard_ns, msg_recover_silence_max(r));

	return now > most ? now - most : 0;
}

/* What it shows; for a `now` before it was stopped, something earlier. */
static inline uint64_t msg_recover_patient_time(
	const struct msg_recover *r, uint64_t now)
{
	uint64_t stopped = r->paused_ns + msg_recover_silence_over(r, now);

	return now > stopped ? now - stopped : 0;
}

/* What it shows when something is found missing: whatever `now` is, that was
 * heard of just now. */
static inline uint64_t msg_recover_found_time(
	const struct msg_recover *r, uint64_t now)
{
	return msg_recover_patient_time(r, now > r->heard_ns ? now : r->heard_ns);
}

/* When it will show `then`, if nothing more is heard; UINT64_MAX: never. */
static inline uint64_t msg_recover_patient_when(
	const struct msg_recover *r, uint64_t then)
{
	uint64_t at = msg_recover_later(then, r->paused_ns);

	return msg_recover_silence_over(r, at) > 0 ? UINT64_MAX : at;
}

static inline bool msg_recover_is_over(
	const struct msg_recover *r, uint64_t since, uint64_t now)
{
	return now == UINT64_MAX ||
	       msg_recover_patient_time(r, now) >=
		       msg_recover_later(since, r->options.give_up_ns);
}

/* ---- state ------------------------------------------------------------- */

/* The stream begins with this message. */
static inline void msg_recover_place_at(
	struct msg_recover *r, uint64_t sequence)
{
	r->origin = r->sequence = sequence;
	r->placed = true;
}

/* The fast way leaves `scanned` behind. */
static inline void msg_recover_catch_up(struct msg_recover *r)
{
	if (r->scanned < r->next)
		r->scanned = r->next;
}

static inline void msg_recover_mark_missing(
	struct msg_recover *r, uint64_t frame, uint64_t now)
{
	*msg_recover_place(r, frame) = (struct msg_recover_place){
		.since = msg_recover_found_time(r, now), .last = now};
	msg_recover_flip_missing(r, frame);
	r->missing_count++;
}

static inline void msg_recover_unmark_missing(
	struct msg_recover *r, uint64_t frame)
{
	const struct msg_recover_place *place = msg_recover_place(r, frame);

	msg_recover_flip_missing(r, frame);
	r->missing_count--;
	r->asked_count -=
		place->asked > 0 && place->asked != MSG_RECOVER_FETCHED;
}

/* ---- recover.c --------------------------------------------------------- */

/* Find recover->deadline after any change. */
void msg_recover_refresh(struct msg_recover *recover);

/* Frames that were heard of and that there is room for now are missing. */
void msg_recover_reveal(struct msg_recover *recover, uint64_t now);

/* ---- recover_next.c ---------------------------------------------------- */

/* Behind lost frames, with nothing there that would show how many messages
 * they carried: the publisher may have said so. */
void msg_recover_settle(struct msg_recover *recover);

/* ---- recover_ask.c ----------------------------------------------------- */

void msg_recover_ask_start(struct msg_recover *recover);

/* The position has been set anew. */
void msg_recover_ask_begin(struct msg_recover *recover);

/* The first frame missing from `frame` on; recover->scanned: none. */
uint64_t msg_recover_next_missing(
	const struct msg_recover *recover, uint64_t frame);

/* For the echo: so many frames were sent.  Reports speak of no others.  A forged
 * number may be further ahead than the half of all that a report can tell apart. */
static inline uint64_t msg_recover_heard(const struct msg_recover *r)
{
	if (r->echo <= r->next)
		return r->next;
	return r->echo - r->next <= INT32_MAX ? r->echo : r->next + INT32_MAX;
}

/* When report() has work. */
uint64_t msg_recover_ask_deadline(struct msg_recover *recover);

/* What a probe says of the publisher. */
void msg_recover_ask_probe(
	struct msg_recover *recover, const struct msg_probe *probe);

/* A repair with this serial was heard. */
void msg_recover_ask_serial(struct msg_recover *recover, uint32_t serial);

/* Something newer than before was heard. */
void msg_recover_ask_news(struct msg_recover *recover);

/* The newest probe says how many frames were sent. */
void msg_recover_ask_newest(struct msg_recover *recover, uint64_t frame);

/* The first frame that nobody asked for, or fetches: *end is behind the last of
 * which one could. */
static inline uint64_t msg_recover_first_unasked(
	const struct msg_recover *r, uint64_t *end)
{
	uint64_t from = r->unasked < r->next ? r->next : r->unasked;
	uint64_t known = msg_recover_heard(r);

	if (from < r->first.frame)
		from = r->first.frame;
	*end = r->scanned < known ? r->scanned : known;
	return from;
}

/* The next frame is missing, and that is for us to mend: it is being fetched, or was
 * not asked for yet by one who asks for what he has room for. */
static inline bool msg_recover_waits_for_us(const struct msg_recover *r)
{
	if (r->unasked <= r->next)
		return r->room != UINT64_MAX;
	return msg_recover_place(r, r->next)->asked == MSG_RECOVER_FETCHED;
}

/* A repair with so many bytes came. */
void msg_recover_ask_size(struct msg_recover *recover, uint32_t bytes);

/* The publisher is heard again after a silence. */
void msg_recover_ask_resume(struct msg_recover *recover);

/* An answer came this long after the question, which was asked once. */
void msg_recover_ask_measure(struct msg_recover *recover, uint64_t rtt_ns);

#endif
