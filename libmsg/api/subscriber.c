/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * subscriber.c - the subscriber's front door: checks, defaults, and the calls.  The
 * work is engine/direct's, which topics topic/follow's, and what those stand on
 * subscriber_lane.c's; or all of it is topic/subscription's, through the broker.
 * Views are the inbox's either way.
 */
#include <stdlib.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "api/delivery.h"
#include "api/options.h"
#include "api/subscriber.h"
#include "api/wait.h"
#include "base/trail.h"
#include "protocol/fragment.h"
#include "protocol/frame.h"
#include "protocol/greeting.h"
#include "topic/name.h"

/* Saves no registers where it is called from. */
#define APART __attribute__((noinline))
#define MESSAGE_BYTES_DEFAULT (1u << 20)
#define BUFFER_COUNT_DEFAULT 1024u
#define BUFFER_COUNT_MAX 65536u
/* Beyond two messages in fragments: what small messages need meanwhile. */
#define BUFFER_COUNT_SPARE 256u
#define ASK_SOFTWARE_US 200u

/* Of a publisher of another type, by the broker. */
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

	if (o->buffer_count >= SUBSCRIBER_BUFFERS_MIN &&
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
		buffers_for(o->message_bytes_max, part), SUBSCRIBER_BUFFERS_MIN,
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
				 : subscriber_open_lane(s, &o, ask_us);
	if (result < 0) {
		msg_type_expected_close(&s->expected);
		free(s);
		return result;
	}
	*out = s;
	return 0;
}

/* Without those of another type than expected. */
static inline int sift(struct msg_subscriber *s, struct msg_view *views, int taken)
{
	if (taken <= 0 || msg_load(&s->expected.count, relaxed) == 0)
		return taken;
	return msg_type_expected_sift(&s->expected, s->inbox, views, taken);
}

static APART int take_lane(
	struct msg_subscriber *s, struct msg_view *views, int count)
{
	return sift(s, views, msg_direct_take(&s->direct, views, count));
}

static APART int take(
	struct msg_subscriber *s, struct msg_view *views, int count)
{
	return sift(s, views,
		msg_subscription_take(s->subscription, views, count));
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
	if (!s->subscription)
		return take_lane(s, views, count);
	if (msg_load(&s->expected.count, relaxed) != 0)
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
		subscriber_close_lane(s);
	}
	msg_type_expected_close(&s->expected);
	free(s);
	return 0;
}
