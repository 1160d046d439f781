/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover.c - order of a reliable stream by frame; see recover.h for the rules.
 *
 * What arrives goes to its place in the window, or is dropped; what that tells
 * of the frames before it is noted.  recover_next.c takes frames out again, and
 * recover_ask.c asks for those that are missing.
 *
 * Between calls scanned == min(top, next + window), and each frame in
 * [next, scanned) is either held (its place has the token) or missing (its bit is
 * set).  Only the fast way lets `scanned` fall behind `next`, and
 * msg_recover_catch_up makes that good.
 */
#include "protocol/recover.h"

#include <assert.h>
#include <string.h>

#include "protocol/pack.h"
#include "protocol/recover_internal.h"

#define NUMBERS_BEGIN (UINT64_C(1) << 32)

/* ---- time -------------------------------------------------------------- */

static void heard(struct msg_recover *r, uint64_t now)
{
	uint64_t silence = msg_recover_silence_over(r, now);

	r->paused_ns += silence;
	r->heard_ns = now;
	if (silence > 0)
		msg_recover_ask_resume(r);
}

/* When the window has something for next(). */
static uint64_t window_when(const struct msg_recover *r)
{
	uint64_t since = r->join_since;

	if (!r->begun || r->paused)
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
		if (msg_recover_waits_for_us(r))
			return UINT64_MAX;
		since = msg_recover_place(r, r->next)->since;
	}
	return msg_recover_patient_when(
		r, msg_recover_later(since, r->options.give_up_ns));
}

/* When next() has work. */
static uint64_t head_when(const struct msg_recover *r)
{
	uint64_t when = window_when(r);

	return r->paused || r->joining || r->end_ns > when ? when : r->end_ns;
}

void msg_recover_refresh(struct msg_recover *r)
{
	uint64_t head = head_when(r), ask = msg_recover_ask_deadline(r);

	r->deadline = head < ask ? head : ask;
}

/* ---- frames ------------------------------------------------------------ */

void msg_recover_reveal(struct msg_recover *r, uint64_t now)
{
	uint64_t end = r->next + r->options.window;

	if (end > r->top)
		end = r->top;
	if (r->scanned < end && now == UINT64_MAX)
		now = r->heard_ns;
	for (; r->scanned < end; r->scanned++)
		msg_recover_mark_missing(r, r->scanned, now);
}

static void raise_echo(struct msg_recover *r, uint64_t to)
{
	if (to <= r->echo)
		return;
	r->echo = to;
	msg_recover_ask_news(r);
}

static void raise_top(struct msg_recover *r, uint64_t top, uint64_t now)
{
	raise_echo(r, top);
	if (top > r->top)
		r->top = top;
	msg_recover_reveal(r, now);
}

/* The publisher has not come so far: who told us of those frames lied, or he is
 * older than what overtook him.  Forget what is missing at the end. */
static void lower_top(struct msg_recover *r, uint64_t top)
{
	if (top < r->next)
		top = r->next;
	while (r->scanned > top && msg_recover_is_missing(r, r->scanned - 1))
		msg_recover_unmark_missing(r, --r->scanned);
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
	r->join_since = msg_recover_patient_time(r, now);
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
	r->deadline = r->end_ns = UINT64_MAX;
	msg_recover_ask_start(r);
}

void msg_recover_wish(struct msg_recover *r, uint64_t give_up_ns, bool tagged)
{
	r->ask |= r->flow && tagged != r->options.tagged;
	r->options.tagged = tagged;
	r->options.give_up_ns = give_up_ns;
	msg_recover_refresh(r);
}

/* The frame that was missing came after all. */
static void found(struct msg_recover *r, uint64_t n, bool repair, uint64_t now)
{
	const struct msg_recover_place *place = msg_recover_place(r, n);

	msg_recover_unmark_missing(r, n);
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
	raise_echo(r, n + 1);
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

	msg_recover_catch_up(r);
	if (!believe(r, frame, &n))
		return MSG_RECOVER_DROP;
	heard(r, now);
	if (repair) {
		msg_recover_ask_serial(r, (uint32_t)(frame->sequence >> 32));
		msg_recover_ask_size(r, frame->bytes);
	}
	if (!r->begun && !repair)
		begin(r, n, now);
	if (accept(r, n, repair, now)) {
		if (n == r->next && r->started && !r->paused &&
			r->held_count == 0) {
			r->next++;
			msg_recover_reveal(r, now);
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

static void hear_marks(
	struct msg_recover *r, const struct msg_probe *probe, uint64_t frame)
{
	struct msg_recover_mark first = {
		frame - (uint32_t)(probe->next - probe->first),
		probe->first_sequence};

	if (frame >= r->told.frame || probe->stamp > r->told_stamp)
		r->told =
			(struct msg_recover_mark){frame, probe->next_sequence};
	if (!(probe->flags & MSG_PROBE_JOIN)) {
		if (first.frame > r->first.frame)
			r->first = first;
	} else if (r->joining && !r->answered) {
		r->join = first;
		r->answered = true;
		if (r->join_count == 1)
			msg_recover_ask_measure(r, r->heard_ns - r->report_ns);
	}
}

void msg_recover_reach(struct msg_recover *r, const struct msg_reach *reach)
{
	if (r->probed || reach->bytes == 0)
		return;
	r->reach = *reach;
	msg_recover_refresh(r);
}

bool msg_recover_probe(
	struct msg_recover *r, const struct msg_probe *probe, uint64_t now)
{
	uint64_t frame = NUMBERS_BEGIN + probe->next;

	if (r->incarnate && probe->incarnation != r->incarnation) {
		r->counts.unbelieved++;
		return false;
	}
	msg_recover_catch_up(r);
	heard(r, now);
	r->end_ns = UINT64_MAX;
	if (r->begun) {
		frame = msg_frame_near(r->top, probe->next);
	} else {
		begin(r, frame, now);
		msg_recover_place_at(r, probe->next_sequence);
	}
	hear_marks(r, probe, frame);
	if (probe->stamp > r->told_stamp) {
		r->told_stamp = probe->stamp;
		msg_recover_ask_newest(r, frame);
		lower_top(r, frame);
	}
	raise_top(r, frame, now);
	msg_recover_ask_probe(r, probe);
	msg_recover_settle(r);
	msg_recover_refresh(r);
	return true;
}

void msg_recover_end(struct msg_recover *r, uint64_t end, uint64_t now)
{
	/* Frames that they would have been in, and numbers for them. */
	const uint64_t most =
		(uint64_t)MSG_RECOVER_LEAP * MSG_PACK_COUNT_MAX;

	if (!r->placed || end == r->sequence)
		return;
	if (end - r->sequence > most) {
		r->counts.unbelieved++;
		return;
	}
	r->end = end;
	r->end_ns = msg_recover_later(now, r->options.give_up_ns);
	msg_recover_refresh(r);
}

void msg_recover_goes_on(struct msg_recover *r)
{
	r->end_ns = UINT64_MAX;
	msg_recover_refresh(r);
}
