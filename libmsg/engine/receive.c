/* SPDX-License-Identifier: BSD-2-Clause */
/* receive.c - arrival: post, poll, check; see receive.h. */
#include "engine/receive_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/probe.h"
#include "base/trail.h"
#include "protocol/fragment.h"
#include "protocol/large.h"
#include "protocol/pack.h"

/* Also called from elsewhere, and there it may cost a call. */
#define INLINE inline __attribute__((always_inline))
#define APART __attribute__((noinline))
/* Places for frames that wait, of all reliable streams: 160 MiB, untouched. */
#define PLACES_MAX (1u << 22)
/* A link counts as empty when a poll finds nothing; or, since a flood must not
 * hold a gap open for ever, after so many turns that found something: more
 * than any backlog of a stall lasts. */
#define CROWDED_TURNS_MAX 4096u
/* While all comes by connections, the others are asked once in so many turns: a look
 * at each link costs as much as a message.  But not where turns are so seldom that
 * this would take longer. */
#define CALLS_TURNS 16u
#define CALLS_TURNS_NS (1 * MSG_NS_PER_MS)
/* With less than one part in so many of its buffers the link hears little. */
#define FEW 8u

/* Frames of a reliable stream that may wait for an earlier one: a power of two,
 * and no more than leaves it buffers. */
static uint32_t recover_window(const struct msg_receive_options *o)
{
	uint32_t window = MSG_RECOVER_WINDOW_MIN;

	if (!o->reliable)
		return 0;
	while (window < MSG_RECOVER_WINDOW_MAX && 4 * window <= o->buffer_count &&
		2 * window <= PLACES_MAX / o->publisher_count_max)
		window *= 2;
	return window;
}

struct msg_receive_shape msg_receiver_shape(
	const struct msg_receive_options *options)
{
	return (struct msg_receive_shape){
		.count = options->buffer_count +
			 msg_receiver_side_buffers(options) +
			 options->fetch_count,
		.bytes = MSG_LINK_HEADROOM + options->frame_bytes,
		.wide_count = options->connected_count,
		.apart_count = msg_receiver_fetch_wide(options),
		.wide_bytes = MSG_LINK_HEADROOM + options->connected_bytes,
	};
}

int msg_receiver_open(struct msg_receiver *r,
	const struct msg_receive_options *options)
{
	struct msg_receive_shape shape = msg_receiver_shape(options);
	uint32_t tags = 4;
	int result;

	memset(r, 0, sizeof *r);
	r->options = *options;
	result = msg_receive_open_shape(&r->pool, &shape, options->shared);
	if (result < 0)
		return result;
	result = msg_stream_table_open(&r->streams,
		options->publisher_count_max, recover_window(options));
	if (result < 0)
		goto fail;
	while (tags < 2 * options->topic_count_max)
		tags *= 2;
	r->tags = calloc(tags, sizeof *r->tags);
	r->rings = calloc(options->topic_count_max, sizeof *r->rings);
	r->wishes = calloc(options->topic_count_max, sizeof *r->wishes);
	r->holds = calloc(options->topic_count_max, sizeof *r->holds);
	if (!r->tags || !r->rings || !r->wishes || !r->holds) {
		result = msg_fail(MSG_ERROR_MEMORY,
			"no memory for %u topics", options->topic_count_max);
		goto fail;
	}
	for (uint32_t i = 0; i < options->topic_count_max; i++)
		r->wishes[i] = (struct msg_receive_wish){
			.give_up_ns = options->give_up_ns,
			.history = options->history,
			.large_bytes_max = MSG_LARGE_TOTAL_MAX,
			.tagged = options->tagged,
		};
	r->tag_mask = tags - 1;
	r->assembly_slots_max[false] =
		msg_receiver_assembly_max(options->buffer_count);
	r->assembly_slots_max[true] =
		msg_receiver_assembly_max(options->connected_count);
	/* Frames that wait for an earlier one must leave it a buffer. */
	r->sequence_window = options->buffer_count / 2 < MSG_SEQUENCE_WINDOW
				     ? options->buffer_count / 2
				     : MSG_SEQUENCE_WINDOW;
	r->deadline = UINT64_MAX;
	r->silence = UINT64_MAX;
	return 0;
fail:
	msg_receiver_close(r);
	return result;
}

/* Slots that the side link is short of. */
static uint32_t side_short(const struct msg_receiver *r)
{
	return r->side.link ? r->side.link->receive_count - r->side.posted : 0;
}

/* And those that history is read into: not the link's. */
static uint32_t reserved(const struct msg_receiver *r)
{
	uint32_t fetch = r->fetch && r->fetch->held < MSG_FETCH_SLOTS
				 ? MSG_FETCH_SLOTS - r->fetch->held
				 : 0;

	return side_short(r) + fetch;
}

/* Post every free slot that the link still takes. */
static int post(struct msg_receiver *r)
{
	uint32_t leave = reserved(r);

	while (r->posted < r->link->receive_count &&
		r->pool.free_count > leave) {
		uint32_t slot = msg_receive_get(&r->pool);
		bool more;
		int result;

		if (slot == MSG_RECEIVE_NONE)
			break;
		more = r->pool.free_count > leave &&
		       r->posted + 1 < r->link->receive_count;
		result = r->link->ops->post(r->link, receive_frame(r, slot),
			r->options.frame_bytes, slot, more);
		if (result < 0) {
			msg_receive_put(&r->pool, slot);
			return result == -MSG_ERROR_AGAIN ? 0 : result;
		}
		r->posted++;
	}
	return 0;
}

int msg_receiver_start(struct msg_receiver *r, struct msg_link *link)
{
	int result;

	r->link = link;
	result = post(r);
	if (result < 0)
		return msg_fail(-result, "cannot post receive buffers");
	return 0;
}

void msg_receiver_close(struct msg_receiver *r)
{
	msg_region_close(&r->side.region);
	free(r->wishes);
	free(r->holds);
	msg_region_close(&r->calls.region);
	free(r->rings);
	free(r->tags);
	r->wishes = NULL;
	r->holds = NULL;
	r->rings = NULL;
	r->tags = NULL;
	msg_stream_table_close(&r->streams);
	msg_receive_close(&r->pool);
}

/* ---- one frame --------------------------------------------------------- */

static INLINE struct msg_stream *find_stream(
	struct msg_receiver *r, const struct msg_frame *frame)
{
	struct msg_stream *s =
		msg_stream_find(&r->streams, frame->publisher, frame->tag);

	if (s && !s->foreign)
		return s;
	return receive_meet(r, s, frame);
}

struct msg_stream *receive_find_stream(
	struct msg_receiver *r, const struct msg_frame *frame)
{
	return find_stream(r, frame);
}

static INLINE bool check_body(const struct msg_frame *frame, const uint8_t *body,
	struct msg_span *span)
{
	uint32_t bytes = frame->bytes - MSG_FRAME_HEADER_BYTES;
	struct msg_pack_reader reader;
	struct msg_fragment part;
	struct msg_large large;
	int n;

	span->sequence = frame->sequence;
	span->end_sequence = frame->sequence + 1;
	span->offset = 0;
	span->end_offset = 0;
	switch (frame->type) {
	case MSG_FRAME_SINGLE:
		return true;
	case MSG_FRAME_PACKED:
		n = msg_pack_open(&reader, body, bytes);
		span->end_sequence = frame->sequence + (uint64_t)n;
		return n > 0;
	case MSG_FRAME_FRAGMENT:
		if (!msg_fragment_read(body, bytes, &part))
			return false;
		span->offset = part.offset;
		if (part.offset + part.bytes < part.total) {
			span->end_sequence = frame->sequence;
			span->end_offset = part.offset + part.bytes;
		}
		return true;
	case MSG_FRAME_LARGE:
		return msg_large_read(body, bytes, &large);
	default:
		return false;
	}
}

/* Whether a stream takes a frame with these flags; one that is new becomes what
 * its first frame is, and begins with it. */
static bool takes(struct msg_receiver *r, struct msg_stream *s, uint8_t flags,
	const struct msg_span *span)
{
	bool reliable = (flags & MSG_FRAME_RELIABLE) && r->side.link;
	uint64_t begin = span->sequence + (span->offset > 0);

	if (s->kind == MSG_STREAM_UNKNOWN) {
		if (reliable)
			recovery_start(r, s);
		else
			s->kind = MSG_STREAM_BEST_EFFORT;
		/* Of a repair half the sequence has to do. */
		happen_joined(r, s,
			flags & MSG_FRAME_REPAIR ? (uint32_t)begin : begin);
	}
	if (reliable)
		return s->kind == MSG_STREAM_RELIABLE;
	/* Of a repair only half the sequence is known here. */
	return s->kind == MSG_STREAM_BEST_EFFORT && !(flags & MSG_FRAME_REPAIR);
}

/* What is no message. */
static void hear(struct msg_receiver *r, const struct msg_frame *frame,
	const uint8_t *body)
{
	switch (frame->type) {
	case MSG_FRAME_ANNOUNCE:
		if (r->options.announce)
			r->options.announce(r->options.announce_context, frame,
				body, frame->bytes - MSG_FRAME_HEADER_BYTES);
		return;
	case MSG_FRAME_PROBE:
		if (r->side.link)
			recovery_probe(r, frame, body, RECEIVE_NO_CALL);
		return;
	default:
		/* A report or question: somebody's word to a publisher. */
		count(r, MSG_COUNTER_FOREIGN, 1);
		return;
	}
}

enum sorted { SORTED_DROP, SORTED_TAKEN, SORTED_BEST_EFFORT };

/* A frame of what may be a reliable stream. */
static APART enum sorted sort(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame, const struct msg_span *span,
	uint32_t slot, uint32_t call)
{
	if (!receive_is_own(s, call)) {
		count(r, MSG_COUNTER_UNBELIEVED, 1);
		return SORTED_DROP;
	}
	if (!takes(r, s, frame->flags, span)) {
		count(r, MSG_COUNTER_LATE, 1);
		return SORTED_DROP;
	}
	if (s->kind != MSG_STREAM_RELIABLE)
		return SORTED_BEST_EFFORT;
	recovery_arrived(r, s, frame, span, slot);
	return SORTED_TAKEN;
}

static INLINE bool arrived(
	struct msg_receiver *r, uint32_t slot, uint32_t bytes)
{
	const uint8_t *data = receive_frame(r, slot);
	const uint8_t *body = data + MSG_FRAME_HEADER_BYTES;
	struct msg_stream *stream;
	struct msg_frame frame;
	struct msg_span span;

	MSG_PROBE2(frame_in, data, bytes);
	if (msg_frame_read(data, bytes, &frame) != MSG_FRAME_OK) {
		count(r, MSG_COUNTER_MALFORMED, 1);
		return false;
	}
	if (!msg_frame_is_data(frame.type)) {
		hear(r, &frame, body);
		return false;
	}
	stream = find_stream(r, &frame);
	if (!stream)
		return false;
	if (!check_body(&frame, body, &span)) {
		count(r, MSG_COUNTER_MALFORMED, 1);
		return false;
	}
	count(r, MSG_COUNTER_FRAMES, 1);
	if (stream->kind != MSG_STREAM_BEST_EFFORT || frame.flags != 0) {
		enum sorted sorted = sort(
			r, stream, &frame, &span, slot, RECEIVE_NO_CALL);

		if (sorted != SORTED_BEST_EFFORT)
			return sorted == SORTED_TAKEN;
	}
	msg_receiver_arrived(r, stream, &frame, &span, slot);
	return true;
}

bool receive_sort_out(struct msg_receiver *r, uint32_t slot,
	const struct msg_frame *frame, uint32_t call)
{
	const uint8_t *body = receive_frame(r, slot) + MSG_FRAME_HEADER_BYTES;
	struct msg_stream *stream;
	struct msg_span span;

	if (frame->type == MSG_FRAME_PROBE) {
		recovery_probe(r, frame, body, call);
		return false;
	}
	if (frame->type == MSG_FRAME_SHELF) {
		recovery_shelf(r, frame, body, call);
		return false;
	}
	if (!(frame->flags & MSG_FRAME_RELIABLE)) {
		count(r, MSG_COUNTER_FOREIGN, 1);
		return false;
	}
	stream = find_stream(r, frame);
	if (!stream)
		return false;
	if (!check_body(frame, body, &span)) {
		count(r, MSG_COUNTER_MALFORMED, 1);
		return false;
	}
	count(r, MSG_COUNTER_FRAMES, 1);
	return sort(r, stream, frame, &span, slot, call) == SORTED_TAKEN;
}

bool receive_aside(struct msg_receiver *r, uint32_t slot, uint32_t bytes,
	uint32_t call)
{
	struct msg_frame frame;

	return receive_read(r, slot, bytes, &frame) &&
	       receive_sort_out(r, slot, &frame, call);
}

bool receive_check_body(const struct msg_frame *frame, const uint8_t *body,
	struct msg_span *span)
{
	return check_body(frame, body, span);
}

static void event(struct msg_receiver *r, const struct msg_link_event *e)
{
	assert(e->token < r->pool.count && r->posted > 0);
	r->posted--;
	if (e->type == MSG_LINK_RECEIVED && arrived(r, e->token, e->bytes))
		return;
	if (e->type == MSG_LINK_RECEIVE_FAILED)
		count(r, MSG_COUNTER_TRUNCATED, 1);
	msg_receive_put(&r->pool, e->token);
}

void msg_receiver_publish_to(struct msg_receiver *r, uint32_t topic,
	struct msg_ring_writer *ring)
{
	assert(topic < r->options.topic_count_max);
	r->rings[topic] = ring;
	if (ring)
		ring->waits = r->holds[topic].offered > 0;
	if (topic >= r->ring_top)
		r->ring_top = topic + 1;
}

void msg_receiver_retain(struct msg_receiver *r, uint32_t count)
{
	uint32_t need = r->link->receive_count + count;
	uint32_t have = r->options.buffer_count;

	r->unposted = need > have ? need - have : 0;
}

void msg_receiver_free(void *receiver, uint32_t slot)
{
	struct msg_receiver *r = receiver;

	if (slot >= r->pool.count)
		pull_free(r, slot - r->pool.count);
	else
		msg_receive_put(&r->pool, slot);
}

uint32_t msg_receiver_free_all(
	void *receiver, const uint32_t *tokens, uint64_t count)
{
	uint32_t freed = 0;

	for (uint64_t i = 0; i < count; i++) {
		if (tokens[i] == MSG_RING_NO_TOKEN)
			continue;
		msg_receiver_free(receiver, tokens[i]);
		freed++;
	}
	return freed;
}

/* Give the link what it can take, some buffers at a time: looking at readers
 * and posting cost about as much for one as for many. */
static int refill(struct msg_receiver *r)
{
	uint32_t want = r->link->receive_count;

	if (r->posted + r->unposted > want - want / 8)
		return 0;
	if (r->pool.free_count < reserved(r) + RECEIVE_TURN_EVENTS) {
		receive_reclaim(r);
		if (r->posted < want / FEW &&
			r->pool.free_count <= reserved(r))
			recovery_relieve(r, false);
	}
	return post(r);
}

/* The link is empty, and was so at `before`, if that is known. */
static INLINE void emptied(struct msg_receiver *r, uint64_t before)
{
	r->crowded_turns = 0;
	r->emptied++;
	if (before == 0)
		return;
	r->empty_ns = before;
	if (before >= r->deadline)
		msg_receiver_expire(r);
}

/* The side link, too; how many events of both. */
static int turn_side(struct msg_receiver *r, int n)
{
	int more;

	r->side.attention &= ~MSG_RECEIVE_LOOK;
	more = recovery_turn(r);
	return n < 0 ? n : more < 0 ? more : n + more;
}

/* The rest of a turn in which something is waited for. */
static APART int look_after(
	struct msg_receiver *r, int n, int called, uint64_t before)
{
	int pulled = 0, fetched = 0;

	if (r->side.attention >= MSG_RECEIVE_EXPECT ||
		(n == 0 && r->side.attention != 0))
		n = turn_side(r, n);
	if (n < 0)
		return n;
	if (n + called == 0 || ++r->crowded_turns >= CROWDED_TURNS_MAX)
		emptied(r, before);
	if (r->pull)
		pulled = pull_turn(r);
	if (r->pull && r->pull->deadline < r->deadline)
		r->deadline = r->pull->deadline;
	if (r->fetch)
		fetched = fetch_turn(r);
	if (r->fetch && r->fetch->deadline < r->deadline)
		r->deadline = r->fetch->deadline;
	if (r->side.link && r->deadline != UINT64_MAX)
		recovery_report_all(r);
	if (pulled < 0 || fetched < 0)
		return pulled < 0 ? pulled : fetched;
	return n + pulled + fetched;
}

/* All but connections, on which so much happened just now. */
static APART int turn_rest(struct msg_receiver *r, int called)
{
	struct msg_link_event events[RECEIVE_TURN_EVENTS];
	uint64_t before;
	int result;
	int n;

	result = refill(r);
	if (result < 0)
		return result;
	if (msg_receiver_starved(r))
		count(r, MSG_COUNTER_STARVED, 1);
	/* A gap runs out by the time the link was last seen empty: after a
	 * stall the frame that fills it may still lie there unread, or on a
	 * connection, which was looked at since then. */
	before = r->deadline == UINT64_MAX ? 0 : turn_now(r);
	n = r->link->ops->poll(r->link, events, RECEIVE_TURN_EVENTS);
	for (int i = 0; i < n; i++)
		event(r, &events[i]);
	if (r->side.attention != 0 || r->deadline != UINT64_MAX)
		n = look_after(r, n, called, before);
	else if (n == 0 || (n > 0 && ++r->crowded_turns >= CROWDED_TURNS_MAX))
		emptied(r, 0);
	return n;
}

/* Connections, and then the rest; and how often that may wait from now on. */
static APART int turn_all(struct msg_receiver *r)
{
	uint64_t published;
	uint64_t now;
	int called;
	int n;

	r->now = 0;
	now = turn_now(r);
	receive_note_heard(r);
	called = caller_turn(r);
	if (called < 0)
		return called;
	published = r->published;
	n = turn_rest(r, called);
	if (r->published != published)
		r->by_calls = false;
	if (caller_expects(r) && now - r->asked_ns < CALLS_TURNS_NS)
		r->calls_left = CALLS_TURNS - 1;
	r->asked_ns = now;
	return n < 0 ? n : n + called;
}

int msg_receiver_turn(struct msg_receiver *r)
{
	if (!r->session) {
		r->now = 0;
		return turn_rest(r, 0);
	}
	return r->calls_left > 0 ? caller_turn_alone(r) : turn_all(r);
}

int msg_receiver_arm(struct msg_receiver *r)
{
	int result = refill(r);

	/* Any of them may wake us. */
	r->calls_left = 0;
	if (result == 0)
		result = r->link->ops->arm(r->link);
	if (result == 0 && r->side.link) {
		/* What wakes us may lie there. */
		r->side.attention |= MSG_RECEIVE_LOOK;
		result = r->side.link->ops->arm(r->side.link);
	}
	if (result == 0 && r->session)
		result = r->calls.link->ops->arm(r->calls.link);
	if (result == 0 && r->pull) {
		r->pull->look = true;
		result = r->pull->channels->ops->arm(r->pull->channels);
	}
	if (result == 0 && r->fetch) {
		r->fetch->look = true;
		result = r->fetch->channels->ops->arm(r->fetch->channels);
	}
	return result;
}

bool msg_receiver_starved(const struct msg_receiver *r)
{
	return r->posted == 0 || (r->session && r->calls.posted == 0);
}

uint64_t msg_receiver_deadline(const struct msg_receiver *r)
{
	return r->deadline;
}
