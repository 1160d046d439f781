/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_next.c - what comes next of a reliable stream, and what is lost.
 *
 * A frame moves `next` when its turn comes or when it is lost; `sequence` moves
 * when the frame handed out is accounted for, or over what its sequence shows
 * to be lost.  `gap` counts the frames lost in between, and bounds how far a
 * frame may leap: so a forged sequence costs little.  `calm` is placed &&
 * gap == 0 && !fresh.  See recover.h for the rules.
 */
#include "protocol/pack.h"
#include "protocol/recover_internal.h"

/* ---- messages ---------------------------------------------------------- */

/* Give up on everything before message `to`, also on the one whose first
 * parts were delivered. */
static void skip(struct msg_recover *r, uint64_t to)
{
	uint64_t count = to - r->sequence;

	r->lost += count;
	r->lost_total += count;
	*(r->gone ? &r->counts.gone : &r->counts.given_up) += count;
	r->sequence = to;
	r->offset = 0;
}

/* Whether the frames lost may have carried all messages before `sequence`, and
 * one at least. */
static bool is_within_gap(const struct msg_recover *r, uint64_t sequence)
{
	return sequence - r->sequence - 1 < r->gap * MSG_PACK_COUNT_MAX;
}

void msg_recover_settle(struct msg_recover *r)
{
	const struct msg_recover_mark *mark = &r->told;

	if (r->next == r->first.frame)
		mark = &r->first;
	if (r->placed && r->next == mark->frame &&
		is_within_gap(r, mark->sequence))
		skip(r, mark->sequence);
}

static bool deliver(struct msg_recover *r, const struct msg_span *span)
{
	r->sequence = span->end_sequence;
	r->offset = span->end_offset;
	r->gap = 0;
	r->gone = false;
	r->fresh = false;
	r->calm = true;
	return true;
}

/* The message at the position has lost the parts before this. */
static void tear(struct msg_recover *r)
{
	if (r->fresh && r->gap == 0)
		/* It began before we came. */
		msg_recover_place_at(r, r->sequence + 1);
	else
		skip(r, r->sequence + 1);
}

/* Past the next frame, which did not bring its messages. */
static bool refuse(struct msg_recover *r)
{
	r->gap++;
	r->calm = false;
	return false;
}

bool msg_recover_deliver_slowly(
	struct msg_recover *r, const struct msg_span *span)
{
	if (!r->placed)
		msg_recover_place_at(r, span->sequence);
	if (is_within_gap(r, span->sequence))
		skip(r, span->sequence);
	if (span->sequence == r->sequence) {
		if (span->offset == r->offset)
			return deliver(r, span);
		if (span->offset > r->offset && (r->gap > 0 || r->fresh)) {
			tear(r);
			return refuse(r);
		}
	}
	/* Parts of a message that was torn, or nonsense. */
	*((int64_t)(span->sequence - r->sequence) < 0
			? &r->counts.late
			: &r->counts.unbelieved) += 1;
	return refuse(r);
}

uint64_t msg_recover_sequence(
	const struct msg_recover *r, const struct msg_frame *frame)
{
	if (frame->flags & MSG_FRAME_REPAIR)
		return msg_frame_near(r->sequence, (uint32_t)frame->sequence);
	return frame->sequence;
}

/* ---- one that is read meanwhile ----------------------------------------- */

void msg_recover_pause(struct msg_recover *r)
{
	r->paused = true;
	r->pages = 0;
	r->ask = true;
	msg_recover_refresh(r);
}

void msg_recover_read(struct msg_recover *r, uint32_t pages)
{
	r->pages = pages;
	r->ask = true;
	msg_recover_refresh(r);
}

void msg_recover_resume(struct msg_recover *r)
{
	r->paused = false;
	/* The publisher keeps it for us no longer than he must. */
	r->ask = true;
	msg_recover_refresh(r);
}

/* ---- what comes next --------------------------------------------------- */

static void hand_out(struct msg_recover *r, uint64_t frame, uint32_t *token)
{
	*token = msg_recover_place(r, frame)->token;
	r->held_count--;
}

/* Back from where we began to where the publisher says.  False: a frame at the
 * end must leave the window first. */
static bool go_back(struct msg_recover *r, uint64_t now, uint32_t *token)
{
	uint64_t from = r->join.frame, end = from + r->options.window;

	while (r->scanned > end && r->scanned > r->next) {
		r->scanned--;
		if (!msg_recover_is_missing(r, r->scanned)) {
			hand_out(r, r->scanned, token);
			r->counts.beyond++;
			return false;
		}
		msg_recover_unmark_missing(r, r->scanned);
	}
	if (end < r->next)
		r->scanned = end; /* It is empty. */
	else
		end = r->next;
	for (uint64_t n = from; n < end; n++)
		msg_recover_mark_missing(r, n, now);
	r->next = from;
	msg_recover_place_at(r, r->join.sequence);
	msg_recover_ask_begin(r);
	msg_recover_reveal(r, now);
	return true;
}

/* Nobody could be asked so far. */
static void restart_gaps(struct msg_recover *r, uint64_t now)
{
	uint64_t since = msg_recover_found_time(r, now);

	for (uint64_t n = r->next; n < r->scanned; n++)
		if (msg_recover_is_missing(r, n))
			msg_recover_place(r, n)->since = since;
}

/* False: a frame has to go. */
static bool join(struct msg_recover *r, uint64_t now, uint32_t *token)
{
	if (r->answered && r->join.frame < r->next && !go_back(r, now, token))
		return false;
	restart_gaps(r, now);
	r->joining = false;
	r->answered = false;
	r->started = true;
	return true;
}

/* Frames up to `to` will not come. */
static void lose(struct msg_recover *r, uint64_t to, bool gone)
{
	r->gap += to - r->next;
	r->gone |= gone;
	r->calm = false;
	r->next = to;
	msg_recover_settle(r);
}

/* Whether the next frame, which is missing, is to be waited for no longer. */
static bool is_over(const struct msg_recover *r, uint64_t now)
{
	if (now != UINT64_MAX && msg_recover_waits_for_us(r))
		return false;
	return msg_recover_is_over(
		r, msg_recover_place(r, r->next)->since, now);
}

/* Move to the next frame that is held.  False: there is none that could be
 * handed out now. */
static bool move_on(struct msg_recover *r, uint64_t now)
{
	for (;;) {
		if (r->next < r->scanned) {
			bool gone = r->next < r->first.frame;

			if (!msg_recover_is_missing(r, r->next))
				return true;
			if (!gone && !is_over(r, now))
				return false;
			msg_recover_unmark_missing(r, r->next);
			lose(r, r->next + 1, gone);
		} else if (r->next < r->first.frame) {
			lose(r, r->first.frame, true);
		} else if (now == UINT64_MAX && r->next < r->top) {
			lose(r, r->top, false);
		} else {
			return false;
		}
	}
}

/* Nobody came back: all that is told is the end, so frames to hold what is
 * missing are as good as gone. */
static void finish(struct msg_recover *r)
{
	uint64_t count = r->end - r->sequence;
	uint64_t frames = (count + MSG_PACK_COUNT_MAX - 1) / MSG_PACK_COUNT_MAX;

	r->end_ns = UINT64_MAX;
	if ((int64_t)count > 0)
		r->first = r->told = (struct msg_recover_mark){
			r->top + frames, r->end};
}

enum msg_recover_step msg_recover_next(
	struct msg_recover *r, uint64_t now, uint32_t *token)
{
	enum msg_recover_step step = MSG_RECOVER_NOTHING;

	if (!r->begun || r->paused)
		return step;
	msg_recover_catch_up(r);
	if (r->joining &&
		(r->answered || msg_recover_is_over(r, r->join_since, now)) &&
		!join(r, now, token))
		step = MSG_RECOVER_STALE;
	if (!r->joining) {
		if (r->end_ns != UINT64_MAX && now >= r->end_ns)
			finish(r);
		if (move_on(r, now)) {
			hand_out(r, r->next++, token);
			step = MSG_RECOVER_FRAME;
		}
		msg_recover_catch_up(r);
		if (r->top < r->next)
			r->top = r->next;
		msg_recover_reveal(r, now);
	}
	msg_recover_refresh(r);
	return step;
}
