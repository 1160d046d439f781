/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * caller.c - a receiver calls the publishers of connected topics; see receive.h
 * and protocol/greeting.h.
 *
 *     announcement ─> call ─> CONNECTED: its welcome must be its own
 *                       ^         │ frames, probes ─> recovery.c (─> fetch.c)
 *                       │         │ <─ reports
 *                       └─────────┴ CLOSED: again with the next announcement, after
 *                                   a pause that doubles until something came
 *
 * So who is not announced any more is not called, and calls need no timer.  Who has
 * said goodbye is not called either: what of him is not there by then is lost
 * (msg_recover_end).
 */
#include "engine/receive_internal.h"

#include <sched.h>

#include "base/trail.h"
#include "protocol/greeting.h"

#define BACKOFF_MS_MIN 10u
#define BACKOFF_MS_MAX 1000u
#define REPORTS 64u
#define REPORT_STRIDE 256u
/* Of so many bytes a publisher is told at once, however few frames they were: he may
 * have few buffers. */
#define TELL_BYTES (1u << 20)
/* One part in so many of the buffers is missing: worth a look at readers while nothing
 * comes, and at once. */
#define SOME 16u
#define FEW 8u
/* How long who closes waits until publishers know. */
#define LEAVE_NS (50 * MSG_NS_PER_MS)
/* Not part of what a turn costs that finds nothing. */
#define APART __attribute__((noinline))
/* Part of each, and a call costs as much as what it does. */
#define INLINE inline __attribute__((always_inline))

/* ---- the session -------------------------------------------------------- */

int msg_receiver_session_options(
	struct msg_receiver *r, struct msg_session_options *options)
{
	size_t narrow = msg_receive_narrow_bytes(&r->pool);
	int result = msg_region_open(
		&r->calls.region, (size_t)REPORTS * REPORT_STRIDE);

	*options = (struct msg_session_options){
		.memory = r->pool.region.base + narrow,
		.memory_bytes = (size_t)r->pool.wide_count * r->pool.span *
				r->pool.stride,
		.headers = r->calls.region.base,
		.headers_bytes = r->calls.region.bytes,
		.receive_count = r->pool.wide_count,
		.side_count = REPORTS,
		.connection_max = r->options.publisher_count_max < 256
					  ? r->options.publisher_count_max
					  : 256,
		.stuck_ns = r->options.give_up_ns,
	};
	return result;
}

static APART void post(struct msg_receiver *r)
{
	struct msg_receive_side *calls = &r->calls;
	uint32_t want = calls->link->receive_count;

	if (calls->posted <= r->calls_some &&
		r->pool.wide_free_count < want - calls->posted)
		receive_reclaim(r);
	if (calls->posted + r->pool.wide_free_count < want / FEW)
		recovery_relieve(r, true);
	while (calls->posted < want) {
		uint32_t slot = msg_receive_get_wide(&r->pool);

		if (slot == MSG_RECEIVE_NONE)
			return;
		if (calls->link->ops->post(calls->link, receive_frame(r, slot),
			    r->options.connected_bytes, slot, false) < 0) {
			msg_receive_put(&r->pool, slot);
			return;
		}
		calls->posted++;
	}
}

int msg_receiver_start_session(
	struct msg_receiver *r, struct msg_session *session)
{
	uint32_t want = msg_session_side(session)->receive_count;

	r->session = session;
	r->calls.link = msg_session_side(session);
	r->calls_some = want - want / SOME;
	r->calls_few = want - want / FEW;
	post(r);
	return r->calls.posted > 0
		       ? 0
		       : msg_fail(MSG_ERROR_FABRIC,
				 "cannot post buffers for connections");
}

/* ---- calling ------------------------------------------------------------ */

static void try_later(struct msg_stream *s, uint64_t now)
{
	s->backoff_ms *= 2;
	if (s->backoff_ms < BACKOFF_MS_MIN)
		s->backoff_ms = BACKOFF_MS_MIN;
	if (s->backoff_ms > BACKOFF_MS_MAX)
		s->backoff_ms = BACKOFF_MS_MAX;
	s->call_ns = now + s->backoff_ms * MSG_NS_PER_MS;
}

static void call(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_reach *reach)
{
	struct msg_greeting greeting = {
		.incarnation = s->incarnation,
		.receiver = r->options.name,
		.sequence = s->wanted,
		.tag = s->tag,
		.window = hold_room(r, s),
		.buffer_bytes = r->options.connected_bytes,
	};
	uint8_t said[MSG_GREETING_BYTES];

	/* None is none of these: what comes too much waits on the connection. */
	greeting.window += greeting.window == 0;
	if (receive_wish(r, s).tagged)
		greeting.flags |= MSG_GREETING_TAGGED;
	if (s->kind == MSG_STREAM_RELIABLE && s->recover.started)
		greeting.flags |= MSG_GREETING_RESUMES;
	msg_greeting_write(said, &greeting);
	try_later(s, turn_now(r));
	s->calling = msg_session_connect(r->session, reach->data, reach->bytes,
			     said, sizeof said, 1, &s->handle) == 0;
}

/* Others spoke in its name before it was heard itself. */
static void begin(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_receive_offer *offer)
{
	uint64_t history = receive_wish(r, s).history;

	if (s->kind != MSG_STREAM_UNKNOWN) {
		count(r, MSG_COUNTER_UNBELIEVED, 1);
		receive_renew(r, s);
	}
	s->calls = true;
	s->incarnation = offer->incarnation;
	if (history == UINT32_MAX || history > offer->next_sequence)
		history = offer->next_sequence;
	s->due = offer->next_sequence;
	s->wanted = s->due - history;
}

/* It said goodbye, or that it is there.  Where it ends is no news for who hears all
 * of it; else it says how much is lost, for it cannot be called any more.  It is
 * said by anybody, so it counts only where nothing better is heard in time. */
static void note_end(struct msg_receiver *r, struct msg_stream *s)
{
	if (s->kind != MSG_STREAM_RELIABLE || s->open)
		return;
	if (s->ending)
		msg_recover_end(&s->recover, s->end, turn_now(r));
	else
		msg_recover_goes_on(&s->recover);
	recovery_drain(r, s);
}

static void note_offer(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_receive_offer *offer)
{
	bool changed = offer->closing != s->ending;

	s->ending = offer->closing;
	if (s->ending)
		s->end = offer->next_sequence;
	if (changed)
		note_end(r, s);
}

/* The session is opened when it is wanted first.  0; AGAIN, it is about to be; or
 * there is none. */
static int open_session(struct msg_receiver *r)
{
	int result;

	if (r->session)
		return 0;
	if (r->calls_failed || !r->options.connect)
		return -MSG_ERROR_FABRIC;
	result = r->options.connect(r->options.connect_context);
	r->calls_failed = result < 0 && result != -MSG_ERROR_AGAIN;
	return result;
}

int msg_receiver_offered(struct msg_receiver *r, const struct msg_frame *frame,
	const struct msg_receive_offer *offer)
{
	struct msg_stream *s =
		msg_stream_find(&r->streams, frame->publisher, frame->tag);
	int result = -MSG_ERROR_FABRIC;

	/* Of this host: its messages come another way. */
	if (s && s->foreign)
		return 0;
	if (r->side.link)
		result = open_session(r);
	if (result < 0 && result != -MSG_ERROR_AGAIN) {
		if (!msg_receiver_knows(r, frame, offer->incarnation))
			count(r, MSG_COUNTER_TOPICS_REFUSED, 1);
		return -MSG_ERROR_FABRIC;
	}
	s = receive_find_stream(r, frame);
	if (!s)
		return 0;
	if (!s->calls)
		begin(r, s, offer);
	hold_offered(r, s, offer->give_up_ns);
	s->heard_ns = msg_clock_coarse_ns();
	note_offer(r, s, offer);
	if (result == 0 && !offer->closing && !s->open && !s->calling &&
		turn_now(r) >= s->call_ns)
		call(r, s, &offer->reach);
	return 0;
}

/* ---- what happens ------------------------------------------------------- */

static struct msg_stream *stream_of(struct msg_receiver *r, uint32_t handle)
{
	for (uint32_t i = 0; i < r->streams.count; i++) {
		struct msg_stream *s = &r->streams.streams[i];

		if (s->used && s->calls && (s->open || s->calling) &&
			s->handle == handle)
			return s;
	}
	return NULL;
}

static void tell_counts(struct msg_receiver *r)
{
	const struct msg_session_counts *now = msg_session_counts(r->session);
	struct msg_session_counts *was = &r->told_session;

	count(r, MSG_COUNTER_CONNECTED, now->connected - was->connected);
	count(r, MSG_COUNTER_BROKEN,
		now->closed + now->stuck - was->closed - was->stuck);
	*was = *now;
}

static void connected(struct msg_receiver *r, uint32_t handle)
{
	struct msg_stream *s = stream_of(r, handle);
	uint8_t said[MSG_CHANNEL_GREETING_BYTES_MAX];
	uint32_t bytes = msg_session_greeting(r->session, handle, said);
	struct msg_welcome welcome;

	if (s && msg_welcome_read(&welcome, said, bytes) &&
		welcome.tag == s->tag &&
		welcome.incarnation == s->incarnation) {
		s->open = true;
		s->calling = false;
		hold_opened(r, s);
		return;
	}
	/* Of one that has ended since, nothing is known: that is no lie of his. */
	if (s && bytes > 0)
		count(r, MSG_COUNTER_UNBELIEVED, 1);
	msg_session_hang_up(r->session, handle);
}

static void closed(struct msg_receiver *r, uint32_t handle)
{
	struct msg_stream *s = stream_of(r, handle);

	if (!s)
		return;
	s->open = false;
	s->calling = false;
	hold_closed(r, s);
	fetch_closed(r, s);
	try_later(s, turn_now(r));
	if (s->ending)
		note_end(r, s);
}

static INLINE void tell_soon(
	struct msg_receiver *r, struct msg_stream *s, uint32_t bytes)
{
	s->untold += bytes;
	if (s->untold < TELL_BYTES)
		return;
	s->untold = 0;
	msg_recover_hasten(&s->recover);
	if (msg_recover_deadline(&s->recover) < r->deadline)
		r->deadline = msg_recover_deadline(&s->recover);
}

/* Whether a frame is one message, and the next one of its stream, in which nothing
 * waits, or has to be told of before. */
static INLINE bool is_usual(const struct msg_receiver *r,
	const struct msg_stream *s, const struct msg_frame *frame)
{
	return frame->type == MSG_FRAME_SINGLE && frame->tag == s->tag &&
	       frame->publisher == s->publisher &&
	       s->kind == MSG_STREAM_RELIABLE && s->lost == 0 && !s->begins &&
	       !s->silent && msg_recover_in_order(&s->recover, frame) &&
	       msg_recover_follows(&s->recover, frame->sequence) &&
	       !receive_is_too_large(r, frame);
}

/* Such a one: all that is to be done with it.  False, and nothing is: it goes the way
 * of all others. */
static INLINE bool take_usual(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame, uint32_t slot)
{
	if (!is_usual(r, s, frame))
		return false;
	msg_recover_pass(&s->recover);
	receive_deliver_lone(r, s, frame, slot);
	if (msg_recover_deadline(&s->recover) < r->deadline)
		r->deadline = msg_recover_deadline(&s->recover);
	count(r, MSG_COUNTER_FRAMES, 1);
	if (r->heard != s)
		receive_note_heard(r);
	r->heard = s;
	return true;
}

/* A message; true: somebody took its slot over. */
static INLINE bool arrived(struct msg_receiver *r, const struct msg_link_event *e)
{
	struct msg_stream *s = r->streams.latest;
	struct msg_frame frame;

	if (!receive_read(r, e->token, e->bytes, &frame))
		return false;
	if (!s || !s->open || s->handle != e->handle ||
		!take_usual(r, s, &frame, e->token)) {
		if (!receive_sort_out(r, e->token, &frame, e->handle))
			return false;
		s = r->streams.latest;
		if (!s || !s->calls)
			return true;
	}
	r->by_calls = true;
	s->backoff_ms = 0;
	tell_soon(r, s, e->bytes);
	if (s->recover.next >= s->told_half)
		hold_arrived(r, s);
	return true;
}

static INLINE void received(struct msg_receiver *r, const struct msg_link_event *e)
{
	r->calls.posted--;
	if (!arrived(r, e))
		msg_receive_put(&r->pool, e->token);
}

static APART void event(
	struct msg_receiver *r, const struct msg_link_event *e)
{
	switch (e->type) {
	case MSG_LINK_SENT:
	case MSG_LINK_SEND_FAILED:
		recovery_sent(&r->calls, e);
		break;
	case MSG_LINK_CONNECTED:
		tell_counts(r);
		connected(r, e->handle);
		break;
	case MSG_LINK_CLOSED:
		tell_counts(r);
		closed(r, e->handle);
		break;
	case MSG_LINK_RECEIVED:
		received(r, e);
		break;
	default:
		r->calls.posted--;
		count(r, MSG_COUNTER_TRUNCATED, 1);
		msg_receive_put(&r->pool, e->token);
		break;
	}
}

/* Buffers are given back while nothing comes, or when some are missing: not between
 * a message and its reader. */
static INLINE bool should_post(const struct msg_receiver *r, int n)
{
	if (n == 0)
		return r->pool.wide_free_count > 0 ||
		       r->calls.posted <= r->calls_some;
	return r->calls.posted <= r->calls_few;
}

static INLINE int turn(struct msg_receiver *r)
{
	struct msg_link_event events[RECEIVE_TURN_EVENTS];
	int n = r->calls.link->ops->poll(
		r->calls.link, events, RECEIVE_TURN_EVENTS);

	for (int i = 0; i < n; i++)
		if (events[i].type == MSG_LINK_RECEIVED)
			received(r, &events[i]);
		else
			event(r, &events[i]);
	if (should_post(r, n))
		post(r);
	if (r->stalled > 0)
		hold_turn(r);
	return n;
}

int caller_turn(struct msg_receiver *r)
{
	return turn(r);
}

int caller_turn_alone(struct msg_receiver *r)
{
	int n;

	r->calls_left--;
	r->now = 0;
	n = turn(r);
	/* Something is due that what came has brought about. */
	if (r->deadline == 0) {
		recovery_report_all(r);
		r->calls_left = 0;
	}
	return n;
}

bool caller_expects(const struct msg_receiver *r)
{
	return r->by_calls && r->side.attention == 0 &&
	       (!r->pull || (r->pull->reading == 0 && !r->pull->look)) &&
	       (!r->fetch || (r->fetch->busy == 0 && !r->fetch->look));
}

/* ---- the end ------------------------------------------------------------ */

void caller_stop(struct msg_receiver *r, struct msg_stream *s)
{
	if (s->open || s->calling)
		msg_session_hang_up(r->session, s->handle);
	hold_stop(r, s);
	s->open = s->calling = s->calls = false;
}

static bool any_open(const struct msg_receiver *r)
{
	for (uint32_t i = 0; i < r->streams.count; i++)
		if (r->streams.streams[i].used && r->streams.streams[i].open)
			return true;
	return false;
}

/* Publishers hang up when they have heard it.  What they send meanwhile is
 * dropped, for they may have to send it first. */
void caller_leave(struct msg_receiver *r)
{
	uint64_t end = msg_clock_ns() + LEAVE_NS;
	struct msg_link_event events[RECEIVE_TURN_EVENTS];

	while (any_open(r) && msg_clock_ns() < end) {
		int n = r->calls.link->ops->poll(
			r->calls.link, events, RECEIVE_TURN_EVENTS);

		r->now = 0;
		for (int i = 0; i < n; i++) {
			if (events[i].type == MSG_LINK_RECEIVED)
				events[i].type = MSG_LINK_RECEIVE_FAILED;
			event(r, &events[i]);
		}
		post(r);
		if (n <= 0)
			sched_yield();
	}
}
