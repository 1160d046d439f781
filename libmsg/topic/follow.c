/* SPDX-License-Identifier: BSD-2-Clause */
/* follow.c - topics a subscriber receives; see follow.h. */
#include "topic/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/trail.h"
#include "topic/announce.h"

/* A topic is found in the middle of a turn.  What lies in the link by then was
 * sent before we joined the topic's group; after the next turn that leaves the
 * link empty (this one may be the first of the two) that is out of the way. */
#define STALE_TURNS 2u

static int open_tables(struct msg_follow *f, uint32_t topic_max)
{
	f->topic_max = topic_max;
	f->topics = calloc(topic_max, sizeof *f->topics);
	f->since = calloc(topic_max, sizeof *f->since);
	f->handles = calloc(f->groups->count, sizeof *f->handles);
	f->users = calloc(f->groups->count, sizeof *f->users);
	if (f->topics && f->since && f->handles && f->users)
		return 0;
	msg_follow_close(f);
	return msg_fail(MSG_ERROR_MEMORY, "no memory to follow %u topics",
		topic_max);
}

int msg_follow_open(struct msg_follow *f, struct msg_receiver *receiver,
	const struct msg_groups *groups, const struct msg_log *log,
	const char *pattern)
{
	memset(f, 0, sizeof *f);
	f->receiver = receiver;
	f->groups = groups;
	f->log = log;
	snprintf(f->pattern, sizeof f->pattern, "%s", pattern);
	f->wildcard = msg_name_is_pattern(pattern);
	return open_tables(f, f->wildcard ? MSG_FOLLOW_TOPICS_MAX : 1);
}

int msg_follow_open_many(struct msg_follow *f, struct msg_receiver *receiver,
	const struct msg_groups *groups, const struct msg_log *log,
	uint32_t topic_max)
{
	memset(f, 0, sizeof *f);
	f->receiver = receiver;
	f->groups = groups;
	f->log = log;
	return open_tables(f, topic_max);
}

void msg_follow_close(struct msg_follow *f)
{
	struct msg_link *link = f->receiver->link;

	for (uint32_t i = 0; link && f->handles && i < f->groups->count; i++)
		if (f->handles[i])
			link->ops->leave(link, f->handles[i] - 1);
	free(f->topics);
	free(f->since);
	free(f->handles);
	free(f->users);
	f->users = NULL;
	f->topics = NULL;
	f->since = NULL;
	f->handles = NULL;
}

static int join(struct msg_follow *f, uint32_t group)
{
	uint32_t handle;
	int result;

	if (f->handles[group])
		return 0;
	result = msg_groups_join(f->groups, f->receiver->link, group,
		MSG_LINK_JOIN_RECEIVE, f->pattern, &handle);
	if (result == 0)
		f->handles[group] = handle + 1;
	return result;
}

/* Give the topic a number and accept its frames. */
static uint32_t add_topic(struct msg_follow *f, const char *topic,
	uint32_t tag, uint64_t since)
{
	uint32_t number = 0;

	while (number < f->topic_count && *f->topics[number])
		number++;
	if (number == f->topic_count)
		f->topic_count++;
	f->since[number] = since;
	snprintf(f->topics[number], sizeof *f->topics, "%s", topic);
	msg_receiver_accept(f->receiver, tag, number);
	return number;
}

int msg_follow_may_add(const struct msg_follow *f, const char *topic)
{
	uint32_t taken =
		msg_receiver_topic(f->receiver, msg_name_tag(topic));

	if (taken != UINT32_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"topic '%s' has the tag of '%s'; rename one of them",
			topic, msg_follow_topic(f, taken));
	if (f->receiver->tag_count == f->topic_max)
		return msg_fail(MSG_ERROR_MEMORY,
			"%u topics are followed already, the most of this lane",
			f->topic_max);
	return 0;
}

int msg_follow_add(struct msg_follow *f, const char *topic, uint32_t *number)
{
	uint32_t group = msg_name_group(topic, f->groups->count);
	uint32_t tag = msg_name_tag(topic);
	int result = msg_follow_may_add(f, topic);

	if (result < 0)
		return result;
	snprintf(f->pattern, sizeof f->pattern, "%s", topic);
	result = join(f, group);
	if (result < 0)
		return result;
	f->users[group]++;
	*number = add_topic(f, topic, tag, f->receiver->emptied);
	return 0;
}

void msg_follow_drop(struct msg_follow *f, uint32_t number)
{
	uint32_t group = msg_name_group(f->topics[number], f->groups->count);

	msg_receiver_refuse(f->receiver, msg_name_tag(f->topics[number]));
	*f->topics[number] = '\0';
	if (--f->users[group] > 0 || !f->handles[group])
		return;
	f->receiver->link->ops->leave(
		f->receiver->link, f->handles[group] - 1);
	f->handles[group] = 0;
}

int msg_follow_start(struct msg_follow *f)
{
	int result;

	if (f->wildcard)
		return join(f, 0);
	result = join(f, msg_name_group(f->pattern, f->groups->count));
	if (result < 0)
		return result;
	/* Nothing lay in the link before this join. */
	add_topic(f, f->pattern, msg_name_tag(f->pattern),
		f->receiver->emptied - STALE_TURNS);
	return 0;
}

static void tally(struct msg_follow *f, enum msg_counter_index index)
{
	msg_counter_add(&f->receiver->counters[index], 1);
}

/* A topic that is had by connections: its publisher is to be called. */
static bool offer(struct msg_follow *f, const struct msg_frame *frame,
	const struct msg_announcement *said)
{
	struct msg_receive_offer offered = {
		.incarnation = said->incarnation,
		.next_sequence = said->next_sequence,
		.reach = said->connect,
		.closing = said->closing,
		.give_up_ns = said->give_up_ms * MSG_NS_PER_MS,
	};
	bool known = msg_receiver_knows(f->receiver, frame, said->incarnation);
	bool wanted = f->receiver->side.link;

	if (msg_receiver_offered(f->receiver, frame, &offered) == 0)
		return true;
	if (!known)
		msg_log(f->log, MSG_LOG_WARNING, "topic-refused",
			"topic '%s' of host '%s' is had by connections alone: "
			"%s",
			said->topic, said->host,
			wanted ? msg_trail_text()
			       : "leave out MSG_RELIABILITY_BEST_EFFORT");
	return false;
}

/* A topic of the pattern that was not known: follow it from here on. */
static void discover(struct msg_follow *f, const struct msg_frame *frame,
	const struct msg_announcement *said)
{
	const char *topic = said->topic;
	bool full = f->topic_count == f->topic_max;

	if (!full && join(f, msg_name_group(topic, f->groups->count)) == 0) {
		add_topic(f, topic, frame->tag, f->receiver->emptied);
		if (said->connect.bytes > 0)
			offer(f, frame, said);
		else if (said->reliable)
			msg_receiver_reach(f->receiver, frame,
				said->incarnation, said->next_sequence,
				&said->reach);
		return;
	}
	tally(f, MSG_COUNTER_TOPICS_REFUSED);
	msg_log(f->log, MSG_LOG_WARNING, "topic-refused",
		"topic '%s' is not followed: %s", topic,
		full ? "the pattern matches too many; narrow it"
		     : msg_trail_text());
}

/* Who says it, for events. */
static void tell(struct msg_follow *f, const struct msg_frame *frame,
	const struct msg_announcement *said)
{
	struct msg_receive_said heard = {
		.identity = msg_hash(said->host, strlen(said->host)) ^
			    msg_hash_mix(msg_hash(
				    said->program, strlen(said->program))),
		.next_sequence = said->next_sequence,
		.period_ms = said->period_ms,
		.closing = said->closing,
	};

	msg_receiver_heard(f->receiver, frame, &heard);
}

/* An announcement of a topic we follow, or of one with the same tag. */
static void note(struct msg_follow *f, const struct msg_frame *frame,
	const struct msg_announcement *said, uint32_t number)
{
	const char *topic = f->topics[number];
	bool ours = strcmp(topic, said->topic) == 0;
	uint32_t room = f->receiver->options.frame_bytes;
	bool reachable = true;

	if (ours && f->heard)
		f->heard(f->heard_context, said, number);
	if (ours && said->connect.bytes > 0) {
		room = f->receiver->options.connected_bytes;
		reachable = offer(f, frame, said);
	} else if (ours && said->reliable && !said->closing) {
		msg_receiver_reach(f->receiver, frame, said->incarnation,
			said->next_sequence, &said->reach);
	}
	/* It may tell of messages sent before we joined, which are not ours and
	 * must not count as lost; but not when one of ours came already.  (Of a
	 * quiet topic all may come in one turn, the goodbye too.) */
	if (ours && f->receiver->emptied - f->since[number] < STALE_TURNS &&
		!msg_receiver_follows(f->receiver, frame))
		return;

	/* Once a publisher: with its first announcement it becomes known. */
	if (!msg_receiver_knows(f->receiver, frame, said->incarnation)) {
		if (!ours)
			msg_log(f->log, MSG_LOG_WARNING, "tag-taken",
				"topic '%s' has the tag of '%s' and is "
				"filtered; rename one of them",
				said->topic, topic);
		else if (reachable && said->frame_bytes > room)
			msg_log(f->log, MSG_LOG_WARNING, "frame-too-large",
				"'%s' on host '%s' sends frames of up to %u "
				"bytes, our buffers take %u: give both sides "
				"the same frame_bytes",
				said->topic, said->host, said->frame_bytes,
				room);
	}
	msg_receiver_evidence(f->receiver, frame, said->incarnation,
		reachable ? said->next_sequence : 0, ours, said->reliable);
	if (ours && f->receiver->options.events)
		tell(f, frame, said);
}

void msg_follow_announced(void *follow, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes)
{
	struct msg_follow *f = follow;
	struct msg_announcement said;
	uint32_t number;

	if (!msg_announce_unpack(&said, body, bytes) ||
		said.publisher != frame->publisher ||
		frame->tag != msg_name_tag(said.topic)) {
		tally(f, MSG_COUNTER_MALFORMED);
		msg_log(f->log, MSG_LOG_INFO, "announce-malformed",
			"an announcement of %u bytes was dropped", bytes);
		return;
	}
	number = msg_receiver_topic(f->receiver, frame->tag);
	if (number != UINT32_MAX)
		note(f, frame, &said, number);
	else if (f->wildcard && !said.closing &&
		 msg_name_match(f->pattern, said.topic)) {
		/* What was sent before we join is not ours, so this first
		 * announcement is no evidence, but it says whom to ask. */
		discover(f, frame, &said);
		number = msg_receiver_topic(f->receiver, frame->tag);
		if (f->heard && number != UINT32_MAX)
			f->heard(f->heard_context, &said, number);
	}
}

const char *msg_follow_topic(const struct msg_follow *f, uint32_t topic)
{
	return topic < f->topic_count ? f->topics[topic] : "";
}
