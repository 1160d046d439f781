/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * subscriber.c - the subscriber's front door: checks and defaults.  The work
 * is engine/direct's, and which topics topic/follow's; or both are
 * topic/subscription's, through the broker.  Views are the inbox's either way.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "api/delivery.h"
#include "api/node.h"
#include "api/options.h"
#include "api/type_policy.h"
#include "api/wait.h"
#include "api/wake.h"
#include "base/trail.h"
#include "engine/direct.h"
#include "protocol/fragment.h"
#include "protocol/frame.h"
#include "protocol/greeting.h"
#include "topic/follow.h"
#include "topic/name.h"
#include "topic/subscription.h"

/* Saves no registers where it is called from. */
#define APART __attribute__((noinline))
#define MESSAGE_BYTES_DEFAULT (1u << 20)
#define BUFFER_COUNT_MIN 16u
#define BUFFER_COUNT_DEFAULT 1024u
#define BUFFER_COUNT_MAX 65536u
/* Beyond two messages in fragments: what small messages need meanwhile. */
#define BUFFER_COUNT_SPARE 256u
#define ASK_SOFTWARE_US 200u
/* Of connected topics: what two processors have under way is less. */
#define CONNECTED_COUNT 256u

struct msg_subscriber {
	struct msg_inbox *inbox;
	struct msg_subscription *subscription; /* NULL: straight from the lane. */
	uint32_t spin_us;
	bool connects; /* Its session is opened at once. */
	struct msg_node *node;
	struct msg_link *link;
	struct msg_link *side; /* For reliable topics, or NULL. */
	struct msg_session *session; /* For connected ones, or NULL. */
	struct msg_channels *channels; /* For large messages, or NULL. */
	struct msg_region channel_memory;
	struct msg_pull *pull;
	struct msg_channels *fetch_channels; /* To catch up, or NULL. */
	struct msg_fetch *fetch;
	struct msg_wake wake;
	struct msg_direct direct;
	struct msg_follow follow;
	struct msg_type_expected expected;
};

/* Of each announcement, directly; or what the broker says of one. */
static void heard(
	void *context, const struct msg_announcement *said, uint32_t topic)
{
	struct msg_subscriber *s = context;

	if (said->type.hash != msg_type_expected_hash(&s->expected) &&
		msg_type_expected_note(&s->expected, said->topic,
			said->publisher, said->type.name))
		msg_inbox_owe_other(s->inbox, said->publisher, topic);
}

static bool typed(void *context, const struct msg_control_typed *said)
{
	struct msg_subscriber *s = context;

	return msg_type_expected_note(&s->expected, said->topic, said->publisher,
		said->type_name);
}

/* Buffers for two messages of the largest size, one in assembly and one in
 * the application's hands, and some more. */
static uint32_t buffers_for(uint32_t message_bytes, uint32_t part)
{
	uint32_t need =
		BUFFER_COUNT_SPARE + 2 * msg_fragment_count(message_bytes, part);

	if (need < BUFFER_COUNT_DEFAULT)
		need = BUFFER_COUNT_DEFAULT;
	return need < BUFFER_COUNT_MAX ? need : BUFFER_COUNT_MAX;
}

/* The fewest buffers in which a message of `parts` can be assembled. */
static uint32_t buffers_least(uint32_t parts)
{
	uint32_t count = parts;

	while (msg_receiver_assembly_max(count) < parts)
		count++;
	return count;
}

/* How large and how many: of the two each one's default follows the other, and
 * both together must make sense. */
static int complete_sizes(struct msg_subscriber_options *o, uint32_t frame_bytes)
{
	uint32_t part = (frame_bytes - MSG_FRAME_HEADER_BYTES -
				MSG_FRAGMENT_HEADER_BYTES) &
			~63u;
	uint32_t bytes = MESSAGE_BYTES_DEFAULT;
	uint32_t parts;
	int result;

	if (o->buffer_count >= BUFFER_COUNT_MIN &&
		msg_fragment_count(bytes, part) >
			msg_receiver_assembly_max(o->buffer_count))
		bytes = part * msg_receiver_assembly_max(o->buffer_count);
	result = msg_options_number(&o->message_bytes_max, "message_bytes_max",
		NULL, bytes, 1, MSG_MESSAGE_BYTES_MAX);
	if (result < 0)
		return result;
	if (o->message_bytes_max < frame_bytes)
		o->message_bytes_max = frame_bytes;
	result = msg_options_number(&o->buffer_count, "buffer_count", NULL,
		buffers_for(o->message_bytes_max, part), BUFFER_COUNT_MIN,
		BUFFER_COUNT_MAX);
	if (result < 0)
		return result;
	parts = msg_fragment_count(o->message_bytes_max, part);
	if (parts > msg_receiver_assembly_max(o->buffer_count))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"buffer_count is %u, but message_bytes_max, %u, takes %u "
			"on this lane; give so many (of %u at most) or a smaller "
			"message_bytes_max",
			o->buffer_count, o->message_bytes_max,
			buffers_least(parts), BUFFER_COUNT_MAX);
	return 0;
}

/* On a broker's host a message of a connection's frame is one entry, for which any
 * number of buffers will do. */
static void take_one_frame(struct msg_subscriber_options *o)
{
	uint32_t least = MSG_CONNECTED_FRAME_BYTES - MSG_FRAME_HEADER_BYTES;

	if (o->message_bytes_max < least)
		o->message_bytes_max = least;
}

/* `ask_us`: how long a gap of a reliable topic may wait before it is asked
 * for. */
static int complete(struct msg_subscriber_options *o,
	const struct msg_node *node, uint32_t *ask_us)
{
	uint32_t frame_bytes = msg_node_frame_bytes(node);
	bool software = node->domain && node->domain->software;
	bool any_size = o->message_bytes_max == 0;
	int result;

	if (!o->topic)
		return msg_fail(
			MSG_ERROR_ARGUMENT, "topic is missing; set it");
	result = msg_name_check_pattern(o->topic);
	if (result == 0)
		result = msg_delivery_subscriber(o, msg_node_delivery(node));
	if (result == 0)
		result = complete_sizes(o, frame_bytes);
	if (result == 0 && any_size && msg_node_is_brokered(node))
		take_one_frame(o);
	if (result == 0)
		result = msg_options_number(&o->publisher_count_max,
			"publisher_count_max", NULL, 256, 1, 65536);
	*ask_us = o->reorder_us;
	if (o->reorder_us == 0 && software)
		*ask_us = ASK_SOFTWARE_US;
	if (result == 0)
		result = msg_options_number(&o->reorder_us, "reorder_us",
			NULL, software ? 20000 : 200, 1, 1000000);
	return result;
}

static int take_slow(uint32_t *slow)
{
	if (*slow > MSG_SLOW_BLOCK)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"slow is %u; use enum msg_slow", *slow);
	if (*slow == MSG_SLOW_DEFAULT)
		*slow = MSG_SLOW_LAP;
	return 0;
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
	uint32_t most = BUFFER_COUNT_MIN +
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

static int open_on_lane(struct msg_subscriber *s,
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

static int open_on_broker(
	struct msg_subscriber *s, const struct msg_subscriber_options *o)
{
	struct msg_subscription_options options = {
		.path = s->node->broker_path,
		.pattern = o->topic,
		.slow = o->slow,
		.hold_max = o->buffer_count,
		.message_bytes_max = o->message_bytes_max,
		.publisher_count_max = o->publisher_count_max,
		.spin_us = o->spin_us,
		.events = o->events != 0,
		.history_count = o->history_count,
		.tagged = o->tagged != 0,
		.best_effort =
			o->reliability == MSG_RELIABILITY_BEST_EFFORT,
		.give_up_ms = o->give_up_ms,
		.large_bytes_max = (uint32_t)o->large_bytes_max,
		.type_hash = msg_type_expected_hash(&s->expected),
		.typed = typed,
		.typed_context = s,
	};
	int result;

	s->subscription = calloc(1, sizeof *s->subscription);
	if (!s->subscription)
		return msg_fail(
			MSG_ERROR_MEMORY, "no memory for a subscriber");
	result = msg_subscription_open(s->subscription, &options);
	if (result < 0) {
		free(s->subscription);
		return result;
	}
	s->inbox = &s->subscription->inbox;
	msg_node_adopt(s->node);
	msg_attendant_add(&s->node->attendant, &s->subscription->attended);
	return 0;
}

int msg_subscriber_open(struct msg_node *node,
	const struct msg_subscriber_options *options,
	struct msg_subscriber **out)
{
	struct msg_subscriber_options o;
	struct msg_subscriber *s;
	uint32_t ask_us = 0;
	int result;

	if (!node || !options || !out)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"node, options and subscriber must not be NULL");
	result = msg_options_copy(
		&o, sizeof o, options, "MSG_SUBSCRIBER_OPTIONS");
	if (result == 0)
		result = complete(&o, node, &ask_us);
	if (result == 0)
		result = take_slow(&o.slow);
	if (result < 0)
		return result;
	s = calloc(1, sizeof *s);
	if (!s)
		return msg_fail(
			MSG_ERROR_MEMORY, "no memory for a subscriber");
	s->node = node;
	s->spin_us = o.spin_us;
	result = msg_type_expected_open(&s->expected, &o, &node->log);
	if (result == 0)
		result = msg_node_is_brokered(node)
				 ? open_on_broker(s, &o)
				 : open_on_lane(s, &o, ask_us);
	if (result < 0) {
		msg_type_expected_close(&s->expected);
		free(s);
		return result;
	}
	*out = s;
	return 0;
}

static APART int take(
	struct msg_subscriber *s, struct msg_view *views, int count)
{
	int taken = s->subscription
			? msg_subscription_take(s->subscription, views, count)
			: msg_direct_take(&s->direct, views, count);
	if (taken <= 0 || msg_load(&s->expected.count, relaxed) == 0)
		return taken;
	return msg_type_expected_sift(&s->expected, s->inbox, views, taken);
}

/* The usual lone message through a broker, in line; it is like the one before,
 * so there is nothing to sift if there was not. */
static APART int take_ring(
	struct msg_subscriber *s, struct msg_view *views, int count)
{
	int n = msg_subscription_take_quick(s->subscription, views, count);

	if (n > 0)
		return n;
	if (n == 0)
		return msg_subscription_take_none(s->subscription, views);
	return take(s, views, count);
}

int msg_subscriber_take(
	struct msg_subscriber *s, struct msg_view *views, int count)
{
	if (count < 1 || !views)
		return -MSG_ERROR_ARGUMENT;
	if (!s->subscription || msg_load(&s->expected.count, relaxed) != 0)
		return take(s, views, count);
	return take_ring(s, views, count);
}

void msg_subscriber_release(
	struct msg_subscriber *s, const struct msg_view *views, int count)
{
	msg_inbox_release(s->inbox, views, count);
}

int msg_subscriber_fd(const struct msg_subscriber *s)
{
	return s->subscription ? s->subscription->epoll_fd : s->wake.fd;
}

int msg_subscriber_arm(struct msg_subscriber *s)
{
	if (s->subscription)
		return msg_subscription_arm(s->subscription);
	return msg_wake_arm(&s->wake, &s->direct);
}

int msg_subscriber_wait(struct msg_subscriber *s, int64_t timeout_ns)
{
	uint64_t deadline = msg_wait_deadline(timeout_ns);

	if (s->subscription)
		return msg_subscription_wait(s->subscription, deadline);
	return msg_direct_wait(&s->direct, deadline, s->spin_us);
}

int msg_subscriber_segments(const struct msg_subscriber *s,
	const struct msg_view *view, struct msg_segment *segments, int count)
{
	return msg_inbox_segments(s->inbox, view, segments, count);
}

int msg_subscriber_copy(const struct msg_subscriber *s,
	const struct msg_view *view, void *data, size_t capacity)
{
	return msg_inbox_copy(s->inbox, view, data, capacity);
}

const char *msg_subscriber_topic(
	const struct msg_subscriber *s, const struct msg_view *view)
{
	if (!msg_inbox_find(s->inbox, view->opaque))
		return "";
	if (s->subscription)
		return msg_subscription_topic(s->subscription, view->topic);
	return msg_follow_topic(&s->follow, view->topic);
}

uint64_t msg_subscriber_counter(const struct msg_subscriber *s, int index)
{
	if (index < 0 || index >= MSG_COUNTER_COUNT)
		return 0;
	if (index == MSG_COUNTER_RELEASE_REFUSED)
		return msg_counter_get(&s->inbox->refused);
	return msg_counter_get(&s->inbox->counters[index]);
}

int msg_subscriber_close(struct msg_subscriber *s)
{
	if (!s)
		return 0;
	if (s->subscription ? msg_subscription_busy(s->subscription)
			    : msg_inbox_busy(s->inbox))
		return msg_fail(MSG_ERROR_BUSY,
			"views of '%s' are out; release them first",
			s->subscription ? s->subscription->said.pattern
					: s->follow.pattern);
	if (s->subscription) {
		msg_attendant_remove(
			&s->node->attendant, &s->subscription->attended);
		msg_subscription_close(s->subscription);
		free(s->subscription);
		msg_node_release(s->node);
	} else {
		disconnect(s);
		msg_direct_close(&s->direct);
	}
	msg_type_expected_close(&s->expected);
	free(s);
	return 0;
}
