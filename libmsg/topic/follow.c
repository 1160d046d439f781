/* SPDX-License-Identifier: BSD-2-Clause */
/* follow.c - topics a subscriber receives; see follow.h. */
#include "topic/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/trail.h"
#include "topic/announce.h"

int msg_follow_open(struct msg_follow *f, struct msg_receiver *receiver,
	const struct msg_groups *groups, const char *pattern)
{
	uint32_t topics;

	memset(f, 0, sizeof *f);
	f->receiver = receiver;
	f->groups = groups;
	snprintf(f->pattern, sizeof f->pattern, "%s", pattern);
	f->wildcard = msg_name_is_pattern(pattern);
	topics = f->wildcard ? MSG_FOLLOW_TOPICS_MAX : 1;
	f->topics = calloc(topics, sizeof *f->topics);
	f->handles = calloc(groups->count, sizeof *f->handles);
	if (!f->topics || !f->handles) {
		msg_follow_close(f);
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory to follow %u topics", topics);
	}
	return 0;
}

void msg_follow_close(struct msg_follow *f)
{
	struct msg_link *link = f->receiver->link;

	for (uint32_t i = 0; link && f->handles && i < f->groups->count; i++)
		if (f->handles[i])
			link->ops->leave(link, f->handles[i] - 1);
	free(f->topics);
	free(f->handles);
	f->topics = NULL;
	f->handles = NULL;
}

static int join(struct msg_follow *f, uint32_t group)
{
	struct msg_link *link = f->receiver->link;
	struct sockaddr_storage address;
	char text[MSG_LINK_TEXT_BYTES];
	uint32_t handle;
	int result;

	if (f->handles[group])
		return 0;
	msg_groups_address(f->groups, group, &address);
	result = link->ops->join(link, (struct sockaddr *)&address,
		MSG_LINK_JOIN_RECEIVE, &handle, text);
	if (result < 0)
		return msg_fail(-result, "topic '%s': %s", f->pattern, text);
	f->handles[group] = handle + 1;
	return 0;
}

/* Give the topic a number and accept its frames. */
static void add_topic(struct msg_follow *f, const char *topic, uint32_t tag)
{
	snprintf(f->topics[f->topic_count], sizeof *f->topics, "%s", topic);
	msg_receiver_accept(f->receiver, tag, f->topic_count);
	f->topic_count++;
}

int msg_follow_start(struct msg_follow *f)
{
	int result;

	if (f->wildcard)
		return join(f, 0);
	result = join(f, msg_name_group(f->pattern, f->groups->count));
	if (result < 0)
		return result;
	add_topic(f, f->pattern, msg_name_tag(f->pattern));
	return 0;
}

/* A topic of the pattern that was not known: follow it from here on. */
static void discover(struct msg_follow *f, const char *topic, uint32_t tag)
{
	if (f->topic_count == MSG_FOLLOW_TOPICS_MAX ||
		join(f, msg_name_group(topic, f->groups->count)) < 0) {
		msg_counter_add(&f->receiver->counters
					 [MSG_COUNTER_TOPICS_REFUSED],
			1);
		return;
	}
	add_topic(f, topic, tag);
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
		msg_counter_add(
			&f->receiver->counters[MSG_COUNTER_MALFORMED], 1);
		return;
	}
	number = msg_receiver_topic(f->receiver, frame->tag);
	if (number == UINT32_MAX) {
		/* What was sent before we joined is not ours, so this first
		 * announcement is no evidence. */
		if (f->wildcard && !said.closing &&
			msg_name_match(f->pattern, said.topic))
			discover(f, said.topic, frame->tag);
		return;
	}
	msg_receiver_evidence(f->receiver, frame, said.incarnation,
		said.next_sequence,
		strcmp(f->topics[number], said.topic) == 0);
}

const char *msg_follow_topic(const struct msg_follow *f, uint32_t topic)
{
	return topic < f->topic_count ? f->topics[topic] : "";
}
