/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * receive_topics.c - what a receiver takes: topics by their tags, what is wanted
 * of each, and whose streams; see receive.h.
 */
#include "engine/receive_internal.h"

#include <assert.h>

#include "base/hash.h"

/* The place of a tag, or a free one where it is not. */
static uint32_t tag_place(const struct msg_receiver *r, uint32_t tag)
{
	uint32_t at = (uint32_t)msg_hash_mix(tag) & r->tag_mask;

	while (r->tags[at].used && r->tags[at].tag != tag)
		at = (at + 1) & r->tag_mask;
	return at;
}

bool msg_receiver_accept(
	struct msg_receiver *r, uint32_t tag, uint32_t topic)
{
	uint32_t at = tag_place(r, tag);

	if (r->tag_count == r->options.topic_count_max || r->tags[at].used)
		return false;
	r->tags[at] = (struct msg_receive_tag){
		.tag = tag, .topic = topic, .used = true};
	r->tag_count++;
	return true;
}

/* Those behind it move up where that is nearer to their own place, so that each is
 * found: without memory of its own, for what is refused must never be heard of
 * again. */
void msg_receiver_refuse(struct msg_receiver *r, uint32_t tag)
{
	uint32_t hole = tag_place(r, tag);
	uint32_t at = hole;

	msg_stream_remove_tag(&r->streams, tag, msg_receiver_evict, r);
	if (!r->tags[hole].used)
		return;
	r->tags[hole].used = false;
	r->tag_count--;
	while (r->tags[at = (at + 1) & r->tag_mask].used) {
		uint32_t own = (uint32_t)msg_hash_mix(r->tags[at].tag);

		if (((at - own) & r->tag_mask) < ((at - hole) & r->tag_mask))
			continue;
		r->tags[hole] = r->tags[at];
		r->tags[at].used = false;
		hole = at;
	}
}

static bool is_ignored(const struct msg_receiver *r, uint32_t publisher)
{
	for (uint32_t i = 0; i < r->ignored_count; i++)
		if (r->ignored[i] == publisher)
			return true;
	return false;
}

static void ignore_streams(
	struct msg_receiver *r, uint32_t publisher, bool ignore)
{
	for (uint32_t i = 0; i < r->streams.count; i++) {
		struct msg_stream *s = &r->streams.streams[i];

		if (s->used && s->publisher == publisher)
			s->ignored = s->foreign = ignore;
	}
}

bool msg_receiver_ignore(
	struct msg_receiver *r, uint32_t publisher, bool ignore)
{
	uint32_t i = 0;

	while (i < r->ignored_count && r->ignored[i] != publisher)
		i++;
	if (ignore && i == r->ignored_count) {
		if (i == MSG_RECEIVE_IGNORED_MAX)
			return false;
		r->ignored[r->ignored_count++] = publisher;
	} else if (!ignore && i < r->ignored_count) {
		r->ignored[i] = r->ignored[--r->ignored_count];
	}
	ignore_streams(r, publisher, ignore);
	return true;
}

static const struct msg_receive_tag *find_tag(
	const struct msg_receiver *r, uint32_t tag)
{
	const struct msg_receive_tag *found = &r->tags[tag_place(r, tag)];

	return found->used ? found : NULL;
}

uint32_t msg_receiver_topic(const struct msg_receiver *r, uint32_t tag)
{
	const struct msg_receive_tag *found = find_tag(r, tag);

	return found ? found->topic : UINT32_MAX;
}

static void start_sequence(struct msg_receiver *r, struct msg_stream *s)
{
	msg_sequence_start(
		&s->sequence, r->options.reorder_ns, r->sequence_window);
}

void receive_renew(struct msg_receiver *r, struct msg_stream *s)
{
	msg_receiver_evict(r, s);
	msg_stream_renew(s);
	start_sequence(r, s);
}

static struct msg_stream *add_stream(struct msg_receiver *r,
	const struct msg_frame *frame, uint32_t topic)
{
	struct msg_stream *s = msg_stream_add(&r->streams, frame->publisher,
		frame->tag, msg_clock_coarse_ns(), msg_receiver_evict, r);

	if (!s) {
		count(r, MSG_COUNTER_PUBLISHERS_REFUSED, 1);
		return NULL;
	}
	s->topic = topic;
	s->ignored = s->foreign = is_ignored(r, frame->publisher);
	start_sequence(r, s);
	count(r, MSG_COUNTER_PUBLISHERS, 1);
	return s;
}

struct msg_stream *receive_meet(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame)
{
	const struct msg_receive_tag *tag = s ? NULL : find_tag(r, frame->tag);

	if (tag) {
		s = add_stream(r, frame, tag->topic);
		if (!s || !s->foreign)
			return s;
	}
	count(r, MSG_COUNTER_FOREIGN, 1);
	return NULL;
}

bool msg_receiver_knows(struct msg_receiver *r,
	const struct msg_frame *frame, uint64_t incarnation)
{
	const struct msg_stream *s =
		msg_stream_find(&r->streams, frame->publisher, frame->tag);

	return s && s->incarnation == incarnation;
}

bool msg_receiver_follows(struct msg_receiver *r, const struct msg_frame *frame)
{
	const struct msg_stream *s =
		msg_stream_find(&r->streams, frame->publisher, frame->tag);

	return s && s->kind != MSG_STREAM_UNKNOWN;
}

void msg_receiver_evidence(struct msg_receiver *r,
	const struct msg_frame *frame, uint64_t incarnation,
	uint64_t next_sequence, bool ours, bool reliable)
{
	struct msg_stream *s =
		msg_stream_find(&r->streams, frame->publisher, frame->tag);
	const struct msg_receive_tag *tag = find_tag(r, frame->tag);

	if (!s && tag)
		s = add_stream(r, frame, tag->topic);
	if (!s || s->ignored)
		return;
	s->foreign = !ours;
	s->incarnation = incarnation;
	if (!ours || s->kind == MSG_STREAM_RELIABLE ||
		(reliable && r->side.link))
		return;
	msg_sequence_evidence(&s->sequence, next_sequence, turn_now(r));
	if (s->kind == MSG_STREAM_UNKNOWN) {
		/* It announces itself before its first frame. */
		s->kind = MSG_STREAM_BEST_EFFORT;
		happen_joined(r, s, receive_position(s));
	}
	msg_receiver_drain(r, s);
}

/* ---- what is wanted of a topic ------------------------------------------- */

void msg_receiver_wish(struct msg_receiver *r, uint32_t topic,
	const struct msg_receive_wish *wish)
{
	assert(topic < r->options.topic_count_max);
	r->wishes[topic] = *wish;
	for (uint32_t i = 0; i < r->streams.count; i++) {
		struct msg_stream *s = &r->streams.streams[i];

		if (!s->used || s->topic != topic ||
			s->kind != MSG_STREAM_RELIABLE)
			continue;
		msg_recover_wish(&s->recover, wish->give_up_ns, wish->tagged);
		if (msg_recover_deadline(&s->recover) < r->deadline)
			r->deadline = msg_recover_deadline(&s->recover);
	}
}

bool msg_receiver_repairs(const struct msg_receiver *r, uint32_t topic)
{
	for (uint32_t i = 0; i < r->streams.count; i++) {
		const struct msg_stream *s = &r->streams.streams[i];

		if (s->used && s->topic == topic &&
			s->kind == MSG_STREAM_RELIABLE)
			return true;
	}
	return false;
}
