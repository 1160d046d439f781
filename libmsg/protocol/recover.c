/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover.c - order of a reliable stream by frame; see recover.h for the rules.
 *
 * Two positions move: `next` over frames, `sequence` over messages.  A frame
 * moves `next` when its turn comes or when it is lost; `sequence` moves when the
 * frame handed out is accounted for, or over what its sequence shows to be lost.
 * `gap` counts the frames lost in between, and bounds how far a frame may
 * leap: so a forged sequence costs little.
 *
 * Outside the functions below scanned == min(top, next + window), and each frame
 * in [next, scanned) is either held (its place has the token) or missing (its
 * bit is set).  Only the fast way lets `scanned` fall behind `next`, and
 * catch_up() makes that good.  `calm` is placed && gap == 0 && !fresh.
 */
#include "protocol/recover.h"

#include <assert.h>
#include <string.h>

#include "protocol/pack.h"
#include "protocol/recover_ask.h"

#define NUMBERS_BEGIN (UINT64_C(1) << 32)

/* ---- the clock of giving up -------------------------------------------- */

/* How long nothing may be heard before it stands still. */
static uint64_t silence_max(const struct msg_recover *r)
{
	uint64_t half = r->options.give_up_ns / 2;

	return 2 * r->period_ns < half ? 2 * r->period_ns : half;
}

static uint64_t silence_over(const struct msg_recover *r, uint64_t now)
{
	uint64_t most = msg_recover_later(r->heard_ns, silence_max(r));

	return now > most ? now - most : 0;
}

static uint64_t patient_time(const struct msg_recover *r, uint64_t now)
{
	return now - r->paused_ns - silence_over(r, now);
}

/* When it will show `then`, if nothing more is heard; UINT64_MAX: never. */
static uint64_t patient_when(const struct msg_recover *r, uint64_t then)
{
	uint64_t at = msg_recover_later(then, r->paused_ns);

	return silence_over(r, at) > 0 ? UINT64_MAX : at;
}

static void heard(struct msg_recover *r, uint64_t now)
{
	uint64_t silence = silence_over(r, now);

	r->paused_ns += silence;
	r->heard_ns = now;
	if (silence > 0)
		msg_recover_ask_resume(r);
}

static bool is_over(const struct msg_recover *r, uint64_t since, uint64_t now)
{
	return now == UINT64_MAX ||
	       patient_time(r, now) >=
		       msg_recover_later(since, r->options.give_up_ns);
}

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

static void place_at(struct msg_recover *r, uint64_t sequence)
{
	r->origin = r->sequence = sequence;
	r->placed = true;
}

/* Whether the frames lost may have carried all messages before `sequence`, and
 * one at least. */
static bool is_within_gap(const struct msg_recover *r, uint64_t sequence)
{
	return sequence - r->sequence - 1 < r->gap * MSG_PACK_COUNT_MAX;
}

/* Behind lost frames, with nothing there that would show how many messages
 * they carried: the publisher may have said so. */
static void settle(struct msg_recover *r)
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
		place_at(r, r->sequence + 1); /* It began before we came. */
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
		place_at(r, span->sequence);
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

/* ---- frames ------------------------------------------------------------ */

/* When next() has work. */
static uint64_t head_when(const struct msg_recover *r)
{
	uint64_t since = r->join_since;

	if (!r->begun)
		return UINT64_MAX;
	if (r->joining && r->answered)
		return 0;
	if (!r->joining) {
		if (r->next < r->first.frame)
			return 0;
		if (r->next >= r->scanned)
			return UINT64_MAX;
		if (!msg_recover_is_missing(r, r->next))
			return 0;
		since = msg_recover_place(r, r->next)->since;
	}
	return patient_when(
		r, msg_recover_later(since, r->options.give_up_ns));
}

void msg_recover_refresh(struct msg_recover *r)
{
	uint64_t head = head_when(r), ask = msg_recover_ask_deadline(r);

	r->deadline = head < ask ? head : ask;
}

static void catch_up(struct msg_recover *r)
{
	if (r->scanned < r->next)
		r->scanned = r->next;
}

static void mark_missing(struct msg_recover *r, uint64_t frame, uint64_t now)
{
	*msg_recover_place(r, frame) = (struct msg_recover_place){
		.since = patient_time(r, now), .last = now};
	msg_recover_flip_missing(r, frame);
	r->missing_count++;
}

static void unmark_missing(struct msg_recover *r, uint64_t frame)
{
	msg_recover_flip_missing(r, frame);
	r->missing_count--;
	r->asked_count -= msg_recover_place(r, frame)->asked > 0;
}

/* Frames that were heard of and that there is room for now are missing. */
static void reveal(struct msg_recover *r, uint64_t now)
{
	uint64_t end = r->next + r->options.window;

	if (end > r->top)
		end = r->top;
	if (r->scanned < end && now == UINT64_MAX)
		now = r->heard_ns;
	for (; r->scanned < end; r->scanned++)
		mark_missing(r, r->scanned, now);
}

static void raise_top(struct msg_recover *r, uint64_t top, uint64_t now)
{
	if (top > r->top) {
		r->top = top;
		msg_recover_ask_news(r);
	}
	reveal(r, now);
}

/* The publisher has not come so far: who told us of those frames lied, or he is
 * older than what overtook him.  Forget what is missing at the end. */
static void lower_top(struct msg_recover *r, uint64_t top)
{
	if (top < r->next)
		top = r->next;
	while (r->scanned > top && msg_recover_is_missing(r, r->scanned - 1))
		unmark_missing(r, --r->scanned);
	if (r->top > top)
		r->top = r->scanned > top ? r->scanned : top;
	if (r->unasked > r->scanned)
		r->unasked = r->scanned;
}

static void begin(struct msg_recover *r, uint64_t frame, uint64_t now)
{
	r->next = r->top = r->scanned = frame;
	r->begun = true;
	r->started = !r->joining;
	r->fresh = true;
	r->join_since = patient_time(r, now);
	msg_recover_ask_begin(r);
}

void msg_recover_start(struct msg_recover *r,
	const struct msg_recover_options *options,
	struct msg_recover_place *places)
{
	assert(options->window >= MSG_RECOVER_WINDOW_MIN);
	assert(options->window <= MSG_RECOVER_WINDOW_MAX);
	assert((options->window & (options->window - 1)) == 0);
	memset(r, 0, sizeof *r);
	r->options = *options;
	r->places = places;
	r->joining = options->history > 0;
	r->deadline = UINT64_MAX;
	msg_recover_ask_start(r);
}

/* The frame that was missing came after all. */
static void found(struct msg_recover *r, uint64_t n, bool repair, uint64_t now)
{
	const struct msg_recover_place *place = msg_recover_place(r, n);

	unmark_missing(r, n);
	if (place->asked == 0)
		r->counts.reordered += !repair;
	if (place->asked > 0 || repair)
		r->counts.repaired++;
	/* Karn: of one asked for again nobody knows which time was answered. */
	if (place->asked == 1 && repair && now > place->last)
		msg_recover_ask_measure(r, now - place->last);
}

/* One that is further than all before. */
static void ahead(struct msg_recover *r, uint64_t n, bool repair, uint64_t now)
{
	raise_top(r, n, now);
	r->top = r->scanned = n + 1;
	r->counts.repaired += repair;
	msg_recover_ask_news(r);
}

/* Whether the frame is one to keep: not had, and there is room. */
static bool accept(struct msg_recover *r, uint64_t n, bool repair, uint64_t now)
{
	if (n < r->next || (repair && !r->started) ||
		(n < r->scanned && !msg_recover_is_missing(r, n))) {
		r->counts.late++;
		return false;
	}
	if (n >= r->next + r->options.window || r->answered) {
		r->counts.beyond++;
		raise_top(r, n + 1, now);
		return false;
	}
	if (n < r->scanned)
		found(r, n, repair, now);
	else
		ahead(r, n, repair, now);
	return true;
}

/* A frame that may be one of this stream; *n is its number. */
static bool believe(
	struct msg_recover *r, const struct msg_frame *frame, uint64_t *n)
{
	*n = NUMBERS_BEGIN + frame->transmission;
	if (r->begun)
		*n = msg_frame_near(r->top, frame->transmission);
	if ((frame->flags & MSG_FRAME_RELIABLE) &&
		(!r->begun || *n <= r->top + MSG_RECOVER_LEAP))
		return true;
	r->counts.unbelieved++;
	return false;
}

enum msg_recover_verdict msg_recover_arrive_slowly(struct msg_recover *r,
	const struct msg_frame *frame, uint32_t token, uint64_t now)
{
	bool repair = frame->flags & MSG_FRAME_REPAIR;
	enum msg_recover_verdict verdict = MSG_RECOVER_DROP;
	uint64_t n;

	catch_up(r);
	if (!believe(r, frame, &n))
		return MSG_RECOVER_DROP;
	heard(r, now);
	if (repair)
		msg_recover_ask_serial(r, (uint32_t)(frame->sequence >> 32));
	if (!r->begun && !repair)
		begin(r, n, now);
	if (accept(r, n, repair, now)) {
		if (n == r->next && r->started && r->held_count == 0) {
			r->next++;
			reveal(r, now);
			verdict = MSG_RECOVER_DELIVER;
		} else {
			msg_recover_place(r, n)->token = token;
			r->held_count++;
			verdict = MSG_RECOVER_HELD;
		}
	}
	msg_recover_refresh(r);
	return verdict;
}

/* ---- probes ------------------------------------------------------------ */

static void hear_marks(struct msg_recover *r, const struct msg_probe *probe,
	uint64_t frame)
{
	struct msg_recover_mark first = {
		frame - (uint32_t)(probe->next - probe->first),
		probe->first_sequence};

	if (frame >= r->told.frame)
		r->told = (struct msg_recover_mark){
			frame, probe->next_sequence};
	if (!(probe->flags & MSG_PROBE_JOIN)) {
		if (first.frame > r->first.frame)
			r->first = first;
	} else if (r->joining && !r->answered) {
		r->join = first;
		r->answered = true;
		if (r->join_count == 1)
			msg_recover_ask_measure(
				r, r->heard_ns - r->report_ns);
	}
}

bool msg_recover_probe(
	struct msg_recover *r, const struct msg_probe *probe, uint64_t now)
{
	uint64_t frame = NUMBERS_BEGIN + probe->next;

	if (r->incarnate && probe->incarnation != r->incarnation) {
		r->counts.unbelieved++;
		return false;
	}
	catch_up(r);
	heard(r, now);
	if (r->begun) {
		frame = msg_frame_near(r->top, probe->next);
	} else {
		begin(r, frame, now);
		place_at(r, probe->next_sequence);
	}
	hear_marks(r, probe, frame);
	if (probe->stamp > r->told_stamp) {
		r->told_stamp = probe->stamp;
		lower_top(r, frame);
	}
	raise_top(r, frame, now);
	msg_recover_ask_probe(r, probe);
	settle(r);
	msg_recover_refresh(r);
	return true;
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
		unmark_missing(r, r->scanned);
	}
	if (end < r->next)
		r->scanned = end; /* It is empty. */
	else
		end = r->next;
	for (uint64_t n = from; n < end; n++)
		mark_missing(r, n, now);
	r->next = from;
	place_at(r, r->join.sequence);
	msg_recover_ask_begin(r);
	reveal(r, now);
	return true;
}

/* Nobody has been asked so far. */
static void restart_gaps(struct msg_recover *r, uint64_t now)
{
	for (uint64_t n = r->next; n < r->scanned; n++)
		if (msg_recover_is_missing(r, n))
			msg_recover_place(r, n)->since = patient_time(r, now);
}

/* False: a frame has to go. */
static bool join(struct msg_recover *r, uint64_t now, uint32_t *token)
{
	if (r->answered && r->join.frame < r->next &&
		!go_back(r, now, token))
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
	settle(r);
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
			if (!gone && !is_over(r,
				     msg_recover_place(r, r->next)->since, now))
				return false;
			unmark_missing(r, r->next);
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

enum msg_recover_step msg_recover_next(
	struct msg_recover *r, uint64_t now, uint32_t *token)
{
	enum msg_recover_step step = MSG_RECOVER_NOTHING;

	if (!r->begun)
		return step;
	catch_up(r);
	if (r->joining && (r->answered || is_over(r, r->join_since, now)) &&
		!join(r, now, token))
		step = MSG_RECOVER_STALE;
	if (!r->joining) {
		if (move_on(r, now)) {
			hand_out(r, r->next++, token);
			step = MSG_RECOVER_FRAME;
		}
		catch_up(r);
		if (r->top < r->next)
			r->top = r->next;
		reveal(r, now);
	}
	msg_recover_refresh(r);
	return step;
}
