/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * happen.c - what happens to streams, told in line; see receive.h.
 *
 * An event is an entry without a slot, in the order of its stream.  Where a ring
 * has no room for one it is noted and told later; a loss then goes with the next
 * message, as it does for who did not ask for events.
 */
#include "engine/receive_internal.h"

/* Silence, in periods of who is silent.  Who sends heartbeats is asked when two of
 * them did not come, and some times more before the third is due: so it takes more
 * than three losses in a row to call him silent who is not (at 20 % loss one such
 * in some 7000 heartbeats, and one in 125 without asking).  Who only announces
 * himself cannot be asked. */
#define SILENT_HEARTBEATS 3u
#define ASKED_HEARTBEATS 2u
#define ASKS_PER_HEARTBEAT 4u
#define SILENT_ANNOUNCEMENTS 5u
#define PERIOD_MS_DEFAULT 1000u
#define SILENCE_STEP_NS (10 * MSG_NS_PER_MS)

static bool is_gone(const struct msg_stream *s)
{
	return s->silent || s->leaving;
}

static bool put(struct msg_receiver *r, struct msg_stream *s,
	enum msg_event event, uint64_t sequence)
{
	struct msg_ring_writer *ring = receive_ring(r, s);
	struct msg_ring_item item = {
		.sequence = sequence,
		.publisher = s->publisher,
		.topic = s->topic,
		.kind = MSG_RING_EVENT,
		.place = event,
	};

	/* Nobody is to lose a message for it. */
	if (!ring || !msg_ring_spare(ring))
		return false;
	if (event == MSG_EVENT_LOST) {
		item.lost = s->lost < UINT32_MAX ? (uint32_t)s->lost
						 : UINT32_MAX;
		item.total = s->reason;
	}
	msg_ring_put(ring, 0, &item, MSG_RING_NO_TOKEN);
	msg_ring_advance(ring, 1);
	r->published++;
	return true;
}

/* Now, or as soon as there is room. */
static void say_at(struct msg_receiver *r, struct msg_stream *s,
	enum msg_event event, uint64_t sequence)
{
	if (s->unsaid != 0 || !put(r, s, event, sequence)) {
		s->unsaid |= 1u << event;
		r->unsaid = true;
		r->deadline = 0;
	}
}

static void say(
	struct msg_receiver *r, struct msg_stream *s, enum msg_event event)
{
	say_at(r, s, event, receive_position(s));
}

static uint64_t period_ns(const struct msg_stream *s)
{
	return (s->period_ms ? s->period_ms : PERIOD_MS_DEFAULT) * MSG_NS_PER_MS;
}

static uint64_t silent_ns(const struct msg_stream *s)
{
	return period_ns(s) * (s->kind == MSG_STREAM_RELIABLE
					      ? SILENT_HEARTBEATS
					      : SILENT_ANNOUNCEMENTS);
}

/* Look again at that time, at the latest. */
static void look_by(struct msg_receiver *r, uint64_t at)
{
	if (at < r->silence)
		r->silence = at;
	if (at < r->deadline)
		r->deadline = at;
}

static void watch(struct msg_receiver *r, const struct msg_stream *s)
{
	uint64_t at = silent_ns(s) + SILENCE_STEP_NS;

	if (s->kind == MSG_STREAM_RELIABLE)
		at = ASKED_HEARTBEATS * period_ns(s) + SILENCE_STEP_NS;
	look_by(r, s->heard_ns + at);
}

/* It is not silent yet; but is it there? */
static void doubt(struct msg_receiver *r, struct msg_stream *s, uint64_t now)
{
	uint64_t end = s->heard_ns + silent_ns(s);
	uint64_t next = now + period_ns(s) / ASKS_PER_HEARTBEAT;

	if (s->kind != MSG_STREAM_RELIABLE ||
		now - s->heard_ns < ASKED_HEARTBEATS * period_ns(s)) {
		watch(r, s);
		return;
	}
	recovery_inquire(r, s);
	look_by(r, next < end ? next : end);
}

void happen_lost(
	struct msg_receiver *r, struct msg_stream *s, uint64_t sequence)
{
	if (s->unsaid == 0 && put(r, s, MSG_EVENT_LOST, sequence))
		s->lost = 0;
}

/* The publisher that `old` was is gone: who runs in its place, if anybody does,
 * is the same program started again. */
static void look_for_successor(
	struct msg_receiver *r, const struct msg_stream *old)
{
	for (uint32_t i = 0; old->identity && i < r->streams.count; i++) {
		struct msg_stream *s = &r->streams.streams[i];

		if (!s->used || s == old || s->tag != old->tag ||
			s->identity != old->identity || s->followed ||
			s->kind == MSG_STREAM_UNKNOWN || is_gone(s) ||
			s->heard_ns <= old->heard_ns)
			continue;
		s->followed = true;
		say(r, s, MSG_EVENT_RESTARTED);
	}
}

/* Whether the program of a stream was here before, and is gone. */
static bool has_predecessor(
	const struct msg_receiver *r, const struct msg_stream *s)
{
	for (uint32_t i = 0; i < r->streams.count; i++) {
		const struct msg_stream *old = &r->streams.streams[i];

		if (old->used && old != s && old->tag == s->tag &&
			old->identity == s->identity && is_gone(old))
			return true;
	}
	return false;
}

void happen_joined(
	struct msg_receiver *r, struct msg_stream *s, uint64_t sequence)
{
	if (!r->options.events)
		return;
	say_at(r, s, MSG_EVENT_JOINED, sequence);
	watch(r, s);
	if (s->identity && !s->followed && has_predecessor(r, s)) {
		s->followed = true;
		say_at(r, s, MSG_EVENT_RESTARTED, sequence);
	}
}

void happen_heard(struct msg_receiver *r, struct msg_stream *s)
{
	s->silent = false;
	happen_joined(r, s, receive_position(s));
}

void msg_receiver_heard(struct msg_receiver *r, const struct msg_frame *frame,
	const struct msg_receive_said *said)
{
	struct msg_stream *s =
		msg_stream_find(&r->streams, frame->publisher, frame->tag);

	if (!r->options.events || !s || s->foreign)
		return;
	s->heard_ns = msg_clock_coarse_ns();
	if (s->silent)
		happen_heard(r, s);
	if (s->period_ms == 0)
		s->period_ms = said->period_ms;
	s->identity = said->identity;
	if (s->kind != MSG_STREAM_UNKNOWN && !said->closing && !s->followed &&
		has_predecessor(r, s)) {
		s->followed = true;
		say(r, s, MSG_EVENT_RESTARTED);
	}
	if (said->closing && !s->leaving) {
		s->leaving = true;
		s->end = said->next_sequence;
	}
	happen_settled(r, s);
}

void happen_settled(struct msg_receiver *r, struct msg_stream *s)
{
	if (s->lost > 0 && !s->assembly.skipping)
		happen_lost(r, s, receive_position(s));
	if (!s->leaving || s->left || s->recover.paused ||
		(receive_position(s) != s->end &&
			(receive_deadline(s) != UINT64_MAX || s->open)))
		return;
	s->left = true;
	say(r, s, MSG_EVENT_LEFT);
	look_for_successor(r, s);
}

static void say_again(struct msg_receiver *r, struct msg_stream *s)
{
	for (uint32_t event = MSG_EVENT_LOST; event <= MSG_EVENT_EVICTED;
		event++) {
		if (!(s->unsaid & 1u << event))
			continue;
		if (!put(r, s, (enum msg_event)event, receive_position(s))) {
			r->unsaid = true;
			return;
		}
		s->unsaid &= ~(1u << event);
	}
}

/* Into the ring, for one reader or all. */
static bool put_plain(struct msg_receiver *r, const struct msg_stream *s,
	enum msg_event event, uint32_t lost, enum msg_loss reason)
{
	struct msg_ring_writer *ring = receive_ring(r, s);
	const struct msg_ring_item item = {
		.sequence = receive_position(s) - s->lost,
		.publisher = s->publisher,
		.topic = s->topic,
		.kind = MSG_RING_EVENT,
		.place = event,
		.lost = lost,
		.total = reason,
	};

	if (!ring || !msg_ring_spare(ring))
		return false;
	msg_ring_put(ring, 0, &item, MSG_RING_NO_TOKEN);
	msg_ring_advance(ring, 1);
	r->published++;
	return true;
}

static bool is_there(const struct msg_stream *s, uint32_t topic)
{
	return s->used && !s->foreign && s->topic == topic &&
	       s->kind != MSG_STREAM_UNKNOWN;
}

void msg_receiver_introduce(
	struct msg_receiver *r, uint32_t topic, uint32_t reader)
{
	for (uint32_t i = 0; i < r->streams.count; i++) {
		const struct msg_stream *s = &r->streams.streams[i];

		if (is_there(s, topic) && !is_gone(s))
			put_plain(r, s, MSG_EVENT_JOINED, reader + 1,
				MSG_LOSS_UNKNOWN);
	}
}

bool msg_receiver_mark(struct msg_receiver *r, uint32_t topic)
{
	for (uint32_t i = 0; i < r->streams.count; i++) {
		const struct msg_stream *s = &r->streams.streams[i];

		if (is_there(s, topic) && !s->assembly.skipping &&
			!put_plain(r, s, MSG_EVENT_LOST, 0, MSG_LOSS_LAPPED))
			return false;
	}
	return true;
}

void msg_receiver_tell(struct msg_receiver *r)
{
	r->options.events = true;
	/* So that the next turn looks who is there already. */
	r->unsaid = true;
}

void happen_look(struct msg_receiver *r)
{
	uint64_t now = msg_clock_coarse_ns();

	r->unsaid = false;
	r->silence = UINT64_MAX;
	for (uint32_t i = 0; i < r->streams.count; i++) {
		struct msg_stream *s = &r->streams.streams[i];

		if (!s->used || s->foreign)
			continue;
		if (s->unsaid != 0)
			say_again(r, s);
		if (s->kind == MSG_STREAM_UNKNOWN || is_gone(s))
			continue;
		if (now - s->heard_ns < silent_ns(s)) {
			doubt(r, s, now);
			continue;
		}
		s->silent = true;
		say(r, s, MSG_EVENT_SILENT);
		look_for_successor(r, s);
	}
}
