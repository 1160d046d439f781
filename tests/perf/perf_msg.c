/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perf_msg.c - the same measurements through libmsg, by msg.h alone.
 *
 * A lone message is loan, fill, send; a batch of n is n times loan, fill,
 * queue, and one flush.  The receiver takes up to 64 views, reads each one's
 * stamp in place and releases them together.  The style `reliable` makes the
 * topic so, and `thread` gives the publisher's node a thread that serves who
 * missed something.
 * Neighbours: harness.c.  Test: perf.smoke.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#include "harness.h"

#define TOPIC "perf.messages"
#define WAIT_NS 20000000

struct lane {
	const struct perf_plan *plan;
	struct msg_node *node;
	struct msg_publisher *publisher;
	struct msg_subscriber *subscriber;
	struct msg_view views[PERF_RECEIVE_MAX];
	int count; /* Of views in hand. */
};

static int fail(const char *what)
{
	fprintf(stderr, "libmsg: %s: %s\n", what, msg_error_text());
	return -1;
}

static bool has_style(const struct perf_plan *plan, const char *style)
{
	return plan->style && strcmp(plan->style, style) == 0;
}

static int lane_open(const struct perf_plan *plan, const struct perf_side *side,
	struct lane **out)
{
	struct msg_node_options options = MSG_NODE_OPTIONS;
	struct lane *lane;
	char groups[64];

	if (plan->style && !has_style(plan, "reliable") &&
		!has_style(plan, "thread")) {
		fprintf(stderr, "libmsg: unknown style %s\n", plan->style);
		return -1;
	}
	lane = calloc(1, sizeof *lane);
	if (!lane)
		return -1;
	lane->plan = plan;
	snprintf(groups, sizeof groups, "%s+8", plan->group);
	options.groups = groups;
	options.port = plan->port;
	options.frame_bytes = plan->frame_bytes;
	options.device = plan->device;
	options.lane = plan->device ? MSG_LANE_VERBS : MSG_LANE_UDP;
	if (!plan->device)
		options.interface = side->interface;
	if (has_style(plan, "thread") && side == &plan->sender)
		options.flags = MSG_NODE_PROGRESS_THREAD;
	if (msg_node_open(&options, &lane->node) < 0)
		return fail("node");
	*out = lane;
	return 0;
}

static int sender_open(const struct perf_plan *plan, void **out)
{
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;
	struct msg_node_info info;
	struct lane *lane;

	if (lane_open(plan, &plan->sender, &lane) != 0)
		return -1;
	msg_node_describe(lane->node, &info);
	options.topic = TOPIC;
	if (plan->style) {
		options.reliability = MSG_RELIABILITY_RELIABLE;
		options.history_bytes = plan->history_bytes;
	}
	if (plan->bytes + 24 > info.frame_bytes)
		options.message_bytes_max = plan->bytes;
	if (msg_publisher_open(lane->node, &options, &lane->publisher) < 0)
		return fail("publisher");
	*out = lane;
	return 0;
}

static int receiver_open(const struct perf_plan *plan, void **out)
{
	struct msg_subscriber_options options = MSG_SUBSCRIBER_OPTIONS;
	struct lane *lane;

	if (lane_open(plan, &plan->receiver, &lane) != 0)
		return -1;
	options.topic = TOPIC;
	options.buffer_count = plan->buffer_count;
	if (plan->bytes > 1u << 20)
		options.message_bytes_max = plan->bytes;
	if (msg_subscriber_open(lane->node, &options, &lane->subscriber) < 0)
		return fail("subscriber");
	*out = lane;
	return 0;
}

static void lane_close(void *state)
{
	struct lane *lane = state;

	msg_publisher_close(lane->publisher);
	msg_subscriber_close(lane->subscriber);
	msg_node_close(lane->node);
	free(lane);
}

static int borrow(struct lane *lane, struct msg_loan *loan)
{
	int result;

	while ((result = msg_publisher_loan(lane->publisher, lane->plan->bytes,
			loan)) == -MSG_ERROR_AGAIN)
		sched_yield(); /* The wire is behind. */
	if (result < 0)
		fprintf(stderr, "libmsg: loan: %s\n", msg_error_name(result));
	return result;
}

static int lane_send(void *state, uint64_t stamp, uint32_t count)
{
	struct lane *lane = state;
	size_t bytes = lane->plan->bytes;
	struct msg_loan loan;

	for (uint32_t i = 1; i < count; i++) {
		if (borrow(lane, &loan) < 0)
			return -1;
		memcpy(loan.data, &stamp, sizeof stamp);
		msg_publisher_queue(lane->publisher, &loan, bytes);
	}
	if (borrow(lane, &loan) < 0)
		return -1;
	memcpy(loan.data, &stamp, sizeof stamp);
	return msg_publisher_send(lane->publisher, &loan, bytes) == 0
		       ? (int)count
		       : -1;
}

static int lane_receive(void *state, uint64_t *stamps)
{
	struct lane *lane = state;
	int n = msg_subscriber_take(
		lane->subscriber, lane->views, PERF_RECEIVE_MAX);

	for (int i = 0; i < n; i++)
		memcpy(&stamps[i], lane->views[i].data, sizeof *stamps);
	lane->count = n;
	if (n < 0)
		fprintf(stderr, "libmsg: take: %s\n", msg_error_name(n));
	return n;
}

static void lane_release(void *state)
{
	struct lane *lane = state;

	msg_subscriber_release(lane->subscriber, lane->views, lane->count);
}

static int lane_wait(void *state)
{
	struct lane *lane = state;
	int result = msg_subscriber_wait(lane->subscriber, WAIT_NS);

	return result < 0 && result != -MSG_ERROR_TIMEOUT ? -1 : 0;
}

int main(int argc, char **argv)
{
	static const struct perf_lane lane = {
		.name = "libmsg",
		.sender_open = sender_open,
		.receiver_open = receiver_open,
		.send = lane_send,
		.receive = lane_receive,
		.release = lane_release,
		.wait = lane_wait,
		.sender_close = lane_close,
		.receiver_close = lane_close,
	};

	return perf_main(argc, argv, &lane);
}
