/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sequence.c - order and loss of one stream; see sequence.h for the rules.
 *
 * The state is a position and what is known to lie ahead of it: frames held,
 * in order and disjoint, and at most two pieces of evidence.
 *
 *     position            held                told
 *        │  gap     ┌──┬──┐   gap   ┌──┐   gap   ┊
 *     ───┴──────────┴──┴──┴─────────┴──┴─────────┊──> sequence, offset
 *
 * Only the gap at the position matters; the others get their turn when the
 * position reaches them, and keep the time at which they were noticed.  The
 * position moves in two ways: advance, over a frame delivered, and skip, over
 * messages counted lost.  So the books balance by construction.
 *
 * `calm` sums up that there is nothing ahead; then a frame in order takes
 * three comparisons and two stores.  refresh() recomputes it, with the
 * deadline, after everything else.
 */
#include "protocol/sequence.h"

#include <assert.h>
#include <string.h>

#include "protocol/pack.h"

/* A signed difference tells 2^63 apart.  A frame held is less than 2^61 ahead,
 * and a fresh stream goes back by less than that once, so any two positions
 * that are ever compared stay within 2^62 and a frame. */
#define AHEAD_MAX (UINT64_C(1) << 61)

/* Below, at or above zero as position (a, a_offset) is before, at or behind
 * position (b, b_offset). */
static int compare(uint64_t a, uint32_t a_offset, uint64_t b, uint32_t b_offset)
{
	int64_t distance = (int64_t)(a - b);

	if (distance != 0)
		return distance < 0 ? -1 : 1;
	return (a_offset > b_offset) - (a_offset < b_offset);
}

/* Whether `a` ends before or where `b` begins. */
static bool ends_before(const struct msg_span *a, const struct msg_span *b)
{
	return compare(a->end_sequence, a->end_offset, b->sequence,
		       b->offset) <= 0;
}

/* Whole messages, or a part of one, and never nothing: the fields come from
 * the wire, and a span that does not go forward would deliver twice. */
static bool is_sound(const struct msg_span *span)
{
	uint64_t count = span->end_sequence - span->sequence;

	if (count == 0)
		return span->end_offset > span->offset;
	return span->end_offset == 0 && count <= MSG_PACK_COUNT_MAX &&
	       (span->offset == 0 || count == 1);
}

/* A moment plus the allowance; never UINT64_MAX, which means "no deadline". */
static uint64_t due(const struct msg_sequence *s, uint64_t since)
{
	uint64_t at = since + s->allowance_ns;

	return at < since || at == UINT64_MAX ? UINT64_MAX - 1 : at;
}

static struct msg_sequence_held *held_at(struct msg_sequence *s, uint32_t i)
{
	return &s->held[s->held_first + i];
}

/* Where the first frame held stands against the position. */
static int head_place(struct msg_sequence *s)
{
	const struct msg_span *head = &held_at(s, 0)->span;

	return compare(head->sequence, head->offset, s->sequence, s->offset);
}

static void told_forget_reached(struct msg_sequence *s)
{
	while (s->told_count > 0 &&
		(int64_t)(s->told[0].next - s->sequence) <= 0) {
		s->told[0] = s->told[1];
		s->told_count--;
	}
}

/* The gap before the first frame held was noticed when the earliest of all
 * those behind it came. */
static uint64_t held_due(struct msg_sequence *s)
{
	if (s->held_since == UINT64_MAX)
		for (uint32_t i = 0; i < s->held_count; i++)
			if (held_at(s, i)->since < s->held_since)
				s->held_since = held_at(s, i)->since;
	return due(s, s->held_since);
}

static void refresh(struct msg_sequence *s)
{
	told_forget_reached(s);
	s->deadline = UINT64_MAX;
	if (s->told_count > 0)
		s->deadline = due(s, s->told[0].since);
	if (s->held_count > s->window ||
		(s->held_count > 0 && head_place(s) <= 0)) {
		s->deadline = 0;
	} else if (s->held_count > 0) {
		uint64_t at = held_due(s);

		if (at < s->deadline)
			s->deadline = at;
	}
	s->calm = s->started && !s->fresh && s->held_count == 0 &&
		  s->told_count == 0;
}

static void advance(struct msg_sequence *s, const struct msg_span *span)
{
	s->sequence = span->end_sequence;
	s->offset = span->end_offset;
	s->fresh = false;
}

/* Give up on everything before message `to`, also on the one whose first
 * parts were delivered. */
static void skip(struct msg_sequence *s, uint64_t to)
{
	s->lost += to - s->sequence;
	s->lost_total += to - s->sequence;
	s->sequence = to;
	s->offset = 0;
	s->fresh = false;
}

void msg_sequence_start(
	struct msg_sequence *s, uint64_t allowance_ns, uint32_t window)
{
	assert(window <= MSG_SEQUENCE_WINDOW);
	memset(s, 0, sizeof *s);
	s->allowance_ns = allowance_ns;
	s->window = window;
	s->deadline = UINT64_MAX;
}

/* The first frame, or one before a start that only evidence gave. */
static void start_at(
	struct msg_sequence *s, const struct msg_span *span, uint64_t now)
{
	uint64_t begin = span->sequence + (span->offset > 0);

	if (s->fresh && s->told_count == 0) {
		s->told[0] = (struct msg_sequence_told){s->sequence, now};
		s->told_count = 1;
	}
	s->sequence = begin;
	s->offset = 0;
	s->started = true;
	s->fresh = false;
}

/* Put a frame into the window.  False if it overlaps one that is there. */
static bool hold(struct msg_sequence *s, const struct msg_span *span,
	uint32_t token, uint64_t now)
{
	uint32_t i = s->held_count;

	while (i > 0 && !ends_before(&held_at(s, i - 1)->span, span))
		i--;
	/* The one at i was found not to end before the span: the span must end
	 * before it. */
	if (i < s->held_count && !ends_before(span, &held_at(s, i)->span))
		return false;
	if (s->held_first + s->held_count > MSG_SEQUENCE_WINDOW) {
		memmove(s->held, held_at(s, 0),
			s->held_count * sizeof s->held[0]);
		s->held_first = 0;
	}
	memmove(held_at(s, i + 1), held_at(s, i),
		(s->held_count - i) * sizeof s->held[0]);
	*held_at(s, i) = (struct msg_sequence_held){*span, now, token};
	if (s->held_count == 0 ||
		(s->held_since != UINT64_MAX && now < s->held_since))
		s->held_since = now;
	s->reordered_total += i < s->held_count;
	s->held_count++;
	return true;
}

/* Everything but a frame in order on a calm stream.  Not inlined, so that the
 * fast way saves no registers. */
static __attribute__((noinline)) enum msg_sequence_verdict arrive_slowly(
	struct msg_sequence *s, const struct msg_span *span, uint32_t token,
	uint64_t now)
{
	enum msg_sequence_verdict verdict = MSG_SEQUENCE_LATE;
	int place =
		compare(span->sequence, span->offset, s->sequence, s->offset);

	assert(s->held_count <= s->window);
	if (!s->started || (s->fresh && place < 0 &&
				   s->sequence - span->sequence < AHEAD_MAX)) {
		start_at(s, span, now);
		place = span->offset > 0 ? -1 : 0;
	}
	if (place == 0 && s->held_count == 0) {
		advance(s, span);
		verdict = MSG_SEQUENCE_DELIVER;
	} else if (place >= 0 && span->sequence - s->sequence < AHEAD_MAX &&
		   hold(s, span, token, now)) {
		verdict = MSG_SEQUENCE_HELD;
	} else {
		s->late_total++;
	}
	refresh(s);
	return verdict;
}

enum msg_sequence_verdict msg_sequence_arrive(struct msg_sequence *s,
	const struct msg_span *span, uint32_t token, uint64_t now)
{
	if (!is_sound(span)) {
		s->late_total++;
		return MSG_SEQUENCE_LATE;
	}
	if (s->calm && span->sequence == s->sequence &&
		span->offset == s->offset) {
		s->sequence = span->end_sequence;
		s->offset = span->end_offset;
		return MSG_SEQUENCE_DELIVER;
	}
	return arrive_slowly(s, span, token, now);
}

void msg_sequence_evidence(struct msg_sequence *s, uint64_t next, uint64_t now)
{
	uint32_t last = s->told_count;

	if (!s->started) {
		s->sequence = next;
		s->started = true;
		s->fresh = true;
		return;
	}
	if (next - s->sequence - 1 >= AHEAD_MAX)
		return; /* Old news, or nonsense. */
	if (last > 0 && (int64_t)(next - s->told[last - 1].next) <= 0)
		return;
	if (last == 2)
		last = 1;
	s->told[last] = (struct msg_sequence_told){next, now};
	s->told_count = last + 1;
	refresh(s);
}

/* Skip the gap at the position if its time is over.  Evidence may reach only
 * a part of the way to the first frame held; the rest then waits on. */
static bool give_up(struct msg_sequence *s, uint64_t now)
{
	const struct msg_span *head = &held_at(s, 0)->span;
	bool held = s->held_count > 0;
	bool told = s->told_count > 0 && now >= due(s, s->told[0].since);

	if (told &&
		(!held || (int64_t)(s->told[0].next - head->sequence) <= 0)) {
		skip(s, s->told[0].next);
		told_forget_reached(s);
		return true;
	}
	if (held && (told || s->held_count > s->window ||
			    now >= held_due(s))) {
		skip(s, head->sequence + (head->offset > 0));
		return true;
	}
	return false;
}

enum msg_sequence_step msg_sequence_next(
	struct msg_sequence *s, uint64_t now, uint32_t *token)
{
	enum msg_sequence_step step = MSG_SEQUENCE_NOTHING;

	if (s->calm)
		return step;
	while (s->held_count == 0 || head_place(s) > 0) {
		told_forget_reached(s);
		if (!give_up(s, now))
			break;
	}
	if (s->held_count > 0 && head_place(s) <= 0) {
		const struct msg_sequence_held *head = held_at(s, 0);

		*token = head->token;
		step = MSG_SEQUENCE_DROP;
		if (head_place(s) == 0) {
			advance(s, &head->span);
			step = MSG_SEQUENCE_FRAME;
		}
		s->late_total += step == MSG_SEQUENCE_DROP;
		if (head->since == s->held_since)
			s->held_since = UINT64_MAX;
		s->held_first++;
		if (--s->held_count == 0)
			s->held_first = 0;
	}
	refresh(s);
	return step;
}
