/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * follow.h - which topics a subscriber receives, as announcements come in.
 *
 * An exact subscription joins its group at once and needs no announcement;
 * those it hears tell it of tail loss, and of another topic that happens to
 * have the same tag.  A pattern joins the directory's group, and a topic's
 * when its first announcement matches.
 *
 * A broker follows many exact topics at once, that come and go.
 *
 * What strangers announce costs a bounded table, made when opening.
 * Test: tests/conformance (wildcards, late join, tag collision).
 */
#ifndef MSG_TOPIC_FOLLOW_H
#define MSG_TOPIC_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "engine/receive.h"
#include "topic/announce.h"
#include "topic/groups.h"
#include "topic/name.h"

/* Topics that one pattern follows at most. */
#define MSG_FOLLOW_TOPICS_MAX 1024u

struct msg_follow {
	struct msg_receiver *receiver;
	const struct msg_groups *groups;
	const struct msg_log *log;
	char pattern[MSG_TOPIC_BYTES_MAX + 1];
	/* Or NULL; set after open: an announcement of a topic that is followed, by
	 * this number. */
	void (*heard)(void *context, const struct msg_announcement *said,
		uint32_t topic);
	void *heard_context;
	bool wildcard;
	uint32_t topic_max;
	uint32_t topic_count; /* Numbers given so far. */
	char (*topics)[MSG_TOPIC_BYTES_MAX + 1]; /* By number. */
	uint64_t *since;   /* By number: receiver->emptied when it was found. */
	uint32_t *handles; /* Of groups joined, + 1; 0: not joined. */
	uint32_t *users;   /* Topics in each group. */
};

/* The pattern is checked already. */
int msg_follow_open(struct msg_follow *follow, struct msg_receiver *receiver,
	const struct msg_groups *groups, const struct msg_log *log,
	const char *pattern);

/* The same without a topic yet, for up to `topic_max` of them. */
int msg_follow_open_many(struct msg_follow *follow,
	struct msg_receiver *receiver, const struct msg_groups *groups,
	const struct msg_log *log, uint32_t topic_max);

/* Whether msg_follow_add may follow one topic more.  0; MEMORY (too many), ARGUMENT
 * (another topic has its tag); with the trail. */
int msg_follow_may_add(const struct msg_follow *follow, const char *topic);

/* Follow one exact, checked topic more; its number, which may be one that was
 * dropped.  0, what msg_follow_may_add returns, or what the join does; with the
 * trail. */
int msg_follow_add(
	struct msg_follow *follow, const char *topic, uint32_t *number);
void msg_follow_drop(struct msg_follow *follow, uint32_t number);

/* Join what the pattern needs from the start; the receiver's link is there. */
int msg_follow_start(struct msg_follow *follow);
void msg_follow_close(struct msg_follow *follow);

/* For msg_receive_options.announce, with the follow as context. */
void msg_follow_announced(void *follow, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes);

/* The name of a topic number; "" for one that was never given. */
const char *msg_follow_topic(const struct msg_follow *follow, uint32_t topic);

#endif
