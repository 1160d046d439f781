/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * subscriber_lane.c - what a subscriber straight on a lane stands on: its link; of
 * reliable topics a side link, of rc topics a session, opened with the first that is
 * heard of; and what reads large messages and history.
 *
 * Neighbours: subscriber.c opens and closes it; puts engine/direct, pull and fetch
 * on links and channels of the node (node.h), and topic/follow on top.
 */
#include "api/subscriber.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/trail.h"
#include "protocol/fragment.h"
#include "protocol/frame.h"
#include "protocol/greeting.h"
#include "topic/name.h"

/* Of connected topics: what two processors have under way is less. */
#define CONNECTED_COUNT 256u

/* Of each announcement: whether it is of another type than is expected. */
static void heard(
	void *context, const struct msg_announcement *said, uint32_t topic)
{
	struct msg_subscriber *s = context;

	if (said->type.hash != msg_type_expected_hash(&s->expected) &&
		msg_type_expected_note(&s->expected, said->topic,
			said->publisher, said->type.name))
		msg_inbox_owe_other(s->inbox, said->publisher, topic);
}

/* Whence repairs come, and whither reports go. */
static int connect_side(struct msg_subscriber *s)
{
	struct msg_link_options options;
	int result = msg_receiver_side_options(&s->direct.receiver, &options);

	if (result == 0)
		result = msg_node_link_open(s->node, &options, &s->side);
	if (result == 0)
		result = msg_receiver_start_side(&s->direct.receiver, s->side);
	return result;
}

/* The first connected topic was heard of. */
static int open_session(void *subscriber)
{
	struct msg_subscriber *s = subscriber;
	struct msg_receiver *r = &s->direct.receiver;
	struct msg_session_options options;
	int result = msg_receiver_session_options(r, &options);

	if (result == 0)
		result = msg_node_session_open(
			s->node, &options, &s->session);
	if (result < 0)
		return result;
	result = msg_receiver_start_session(r, s->session);
	if (result == 0)
		result = msg_wake_add(&s->wake, r->calls.link->fd);
	return result;
}

/* What reads large messages. */
static int open_pull(
	struct msg_subscriber *s, const struct msg_subscriber_options *o)
{
	struct msg_channels_options options = {
		.memory_bytes = MSG_PULL_MEMORY_BYTES,
		.receive_count = 1,
		.send_count = MSG_PULL_READS,
		.connection_max = MSG_PULL_ITEMS,
	};
	struct msg_pull_options pull = {
		.bytes_max = o->large_bytes_max,
		.memory_bytes = o->large_memory_bytes,
		.give_up_ns = o->give_up_ms * MSG_NS_PER_MS,
	};
	int result = msg_region_open(&s->channel_memory, MSG_PULL_MEMORY_BYTES);

	if (result < 0)
		return result;
	s->pull = calloc(1, sizeof *s->pull);
	if (!s->pull)
		return msg_fail(
			MSG_ERROR_MEMORY, "no memory for large messages");
	pull.memory = options.memory = s->channel_memory.base;
	result = msg_node_channels_open(s->node, &options, &s->channels);
	if (result < 0)
		return result;
	pull.channels = s->channels;
	msg_pull_open(s->pull, &pull);
	msg_direct_pull(&s->direct, s->pull);
	return 0;
}

/* What reads history. */
static int open_fetch(
	struct msg_subscriber *s, const struct msg_subscriber_options *o)
{
	struct msg_receiver *r = &s->direct.receiver;
	struct msg_channels_options options = {
		.memory = r->pool.region.base,
		.memory_bytes = msg_receive_narrow_bytes(&r->pool),
		.receive_count = 1,
		.send_count = MSG_FETCH_READS,
		.connection_max = MSG_FETCH_ITEMS,
	};
	struct msg_fetch_options fetch = {
		.give_up_ns = o->give_up_ms * MSG_NS_PER_MS,
	};
	int result = msg_node_channels_open(
		s->node, &options, &s->fetch_channels);

	if (result < 0)
		return result;
	s->fetch = calloc(1, sizeof *s->fetch);
	if (!s->fetch)
		return msg_fail(MSG_ERROR_MEMORY, "no memory to catch up");
	fetch.channels = s->fetch_channels;
	result = msg_fetch_open(s->fetch, &fetch);
	if (result == 0)
		r->fetch = s->fetch;
	return result;
}

static void close_fetch(struct msg_subscriber *s)
{
	if (s->direct.receiver.fetch)
		msg_fetch_close(s->fetch);
	s->direct.receiver.fetch = NULL;
	if (s->fetch_channels)
		msg_node_channels_close(s->node, s->fetch_channels);
	free(s->fetch);
	s->fetch = NULL;
	s->fetch_channels = NULL;
}

/* Where that cannot be, it is asked for: no reason to fail. */
static void read_history(
	struct msg_subscriber *s, const struct msg_subscriber_options *o)
{
	if (open_fetch(s, o) == 0)
		return;
	msg_log(&s->node->log, MSG_LOG_WARNING, "history-unread",
		"history of '%s' is asked for and not read: %s", o->topic,
		msg_trail_text());
	close_fetch(s);
}

static void close_pull(struct msg_subscriber *s)
{
	s->direct.receiver.pull = NULL;
	if (s->channels) {
		msg_pull_close(s->pull);
		msg_node_channels_close(s->node, s->channels);
	}
	msg_region_close(&s->channel_memory);
	free(s->pull);
	s->pull = NULL;
	s->channels = NULL;
}

static void disconnect(struct msg_subscriber *s)
{
	msg_receiver_leave(&s->direct.receiver);
	close_pull(s);
	close_fetch(s);
	msg_follow_close(&s->follow);
	msg_wake_close(&s->wake);
	if (s->session)
		msg_node_session_close(s->node, s->session);
	if (s->side)
		msg_node_link_close(s->node, s->side);
	msg_node_link_close(s->node, s->link);
}

static int connect_link(
	struct msg_subscriber *s, const struct msg_subscriber_options *o)
{
	struct msg_link_options options = {
		.memory = s->direct.receiver.pool.region.base,
		.memory_bytes =
			msg_receive_narrow_bytes(&s->direct.receiver.pool),
		.receive_count = s->direct.receiver.options.buffer_count,
		.port = s->node->port,
	};
	int result = msg_node_link_open(s->node, &options, &s->link);

	if (result < 0)
		return result;
	/* Buffers first: from the join on, frames arrive. */
	result = msg_receiver_start(&s->direct.receiver, s->link);
	if (result == 0 && s->direct.receiver.options.reliable)
		result = connect_side(s);
	if (result == 0 && o->large_bytes_max > 0)
		result = open_pull(s, o);
	if (result == 0 && s->direct.receiver.options.fetch_count > 0)
		read_history(s, o);
	if (result == 0)
		result = msg_wake_open(&s->wake, &s->direct.receiver);
	if (result == 0 && s->connects)
		result = open_session(s);
	if (result == 0)
		result = msg_follow_start(&s->follow);
	if (result < 0)
		disconnect(s);
	return result;
}

/* Buffers for connected topics: as many as others, but no more than a window is
 * good for, or two messages of the largest size and some more take. */
static uint32_t connected_buffers(
	const struct msg_subscriber_options *o, uint32_t bytes)
{
	uint32_t part =
		(bytes - MSG_FRAME_HEADER_BYTES - MSG_FRAGMENT_HEADER_BYTES) &
		~63u;
	uint32_t most = SUBSCRIBER_BUFFERS_MIN +
			2 * msg_fragment_count(o->message_bytes_max, part);

	if (most < CONNECTED_COUNT)
		most = CONNECTED_COUNT;
	return o->buffer_count < most ? o->buffer_count : most;
}

/* For who has connected topics. */
static void connect_topics(struct msg_subscriber *s,
	const struct msg_subscriber_options *o,
	struct msg_receive_options *options)
{
	options->connected_bytes = msg_connected_buffer_bytes(
		s->node->domain->lane == MSG_LANE_VERBS);
	options->connected_count =
		connected_buffers(o, options->connected_bytes);
	options->connect = open_session;
	options->connect_context = s;
	s->connects = o->reliability == MSG_RELIABILITY_RC;
}

/* What is to be done about reliable topics. */
static int recover(const struct msg_subscriber_options *o, uint32_t ask_us,
	struct msg_receive_options *options)
{
	options->reliable = o->reliability != MSG_RELIABILITY_BEST_EFFORT;
	options->ask_ns = ask_us * MSG_NS_PER_US;
	options->give_up_ns = o->give_up_ms * MSG_NS_PER_MS;
	options->history = o->history_count;
	options->tagged = o->tagged != 0;
	options->events = o->events != 0;
	if (getrandom(&options->name, sizeof options->name, 0) !=
		(ssize_t)sizeof options->name)
		return msg_fail(MSG_ERROR_FABRIC, "no random numbers: %s",
			strerror(errno));
	return 0;
}

int subscriber_open_lane(struct msg_subscriber *s,
	const struct msg_subscriber_options *o, uint32_t ask_us)
{
	struct msg_receive_options options = {
		.frame_bytes = msg_node_receive_bytes(s->node),
		.buffer_count = o->buffer_count,
		.message_bytes_max = o->message_bytes_max,
		.publisher_count_max = o->publisher_count_max,
		.topic_count_max = msg_name_is_pattern(o->topic)
					   ? MSG_FOLLOW_TOPICS_MAX
					   : 1,
		.reorder_ns = o->reorder_us * MSG_NS_PER_US,
		.large_count =
			o->large_bytes_max > 0 ? MSG_LARGE_BUFFERS_MAX : 0,
		.announce = msg_follow_announced,
		.announce_context = &s->follow,
	};
	int result = recover(o, ask_us, &options);

	if (options.reliable && options.history > 0 && msg_node_reads(s->node))
		options.fetch_count = MSG_FETCH_SLOTS;
	if (options.reliable)
		connect_topics(s, o, &options);
	s->wake = MSG_WAKE_CLOSED;
	if (result == 0)
		result = msg_direct_open(&s->direct, &options);
	if (result < 0)
		return result;
	result = msg_follow_open(&s->follow, &s->direct.receiver, &s->node->groups,
		&s->node->log, o->topic);
	if (s->expected.type) {
		s->follow.heard = heard;
		s->follow.heard_context = s;
	}
	if (result == 0)
		result = connect_link(s, o);
	if (result < 0) {
		s->direct.receiver.link = NULL;
		msg_follow_close(&s->follow);
		msg_direct_close(&s->direct);
	}
	s->inbox = &s->direct.inbox;
	return result;
}

void subscriber_close_lane(struct msg_subscriber *s)
{
	disconnect(s);
	msg_direct_close(&s->direct);
}
