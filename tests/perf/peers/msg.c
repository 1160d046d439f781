/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * msg.c - libmsg; see peer.h.  Styles:
 *
 *   ipc     publisher and subscribers through the broker (first)
 *   behind  the publisher multicasts, the broker receives for all subscribers
 *   alone   the publisher multicasts, each subscriber receives for itself
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#include "peer.h"

#define TOPIC "peer.messages"
#define VIEWS 64
#define SEGMENTS 16

struct side {
	const struct peer_plan *plan;
	struct msg_node *node;
	struct msg_publisher *publisher;
	struct msg_subscriber *subscriber;
};

static int fail(const char *what)
{
	fprintf(stderr, "libmsg: %s: %s\n", what, msg_error_text());
	return -1;
}

static int open_side(
	const struct peer_plan *plan, bool brokered, struct side **out)
{
	struct msg_node_options options = MSG_NODE_OPTIONS;
	struct side *side = calloc(1, sizeof *side);

	if (!side)
		return -1;
	side->plan = plan;
	options.broker = brokered ? MSG_BROKER_REQUIRE : MSG_BROKER_NEVER;
	options.broker_name = brokered ? plan->place : NULL;
	if (msg_node_open(&options, &side->node) < 0)
		return fail("node");
	*out = side;
	return 0;
}

static bool is_style(const struct peer_plan *plan, const char *style)
{
	return strcmp(plan->style ? plan->style : "ipc", style) == 0;
}

static int publisher_open(const struct peer_plan *plan, void **out)
{
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;
	struct msg_node_info info;
	struct side *side;

	if (open_side(plan, is_style(plan, "ipc"), &side) != 0)
		return -1;
	options.topic = TOPIC;
	msg_node_describe(side->node, &info);
	if (plan->bytes + 24 > info.frame_bytes)
		options.message_bytes_max = plan->bytes;
	if (msg_publisher_open(side->node, &options, &side->publisher) < 0)
		return fail("publisher");
	*out = side;
	return 0;
}

static int subscriber_open(
	const struct peer_plan *plan, uint32_t index, void **out)
{
	struct msg_subscriber_options options = MSG_SUBSCRIBER_OPTIONS;
	struct side *side;

	(void)index;
	if (open_side(plan, !is_style(plan, "alone"), &side) != 0)
		return -1;
	options.topic = TOPIC;
	options.slow = MSG_SLOW_BLOCK;
	if (msg_subscriber_open(side->node, &options, &side->subscriber) < 0)
		return fail("subscriber");
	*out = side;
	return 0;
}

static int send_one(void *state, uint64_t number, bool more)
{
	struct side *side = state;
	size_t bytes = side->plan->bytes;
	struct msg_loan loan;
	int result;

	while ((result = msg_publisher_loan(side->publisher, bytes, &loan)) ==
		-MSG_ERROR_AGAIN)
		sched_yield();
	if (result < 0)
		return fail("loan");
	peer_fill(loan.data, bytes, number);
	return more ? msg_publisher_queue(side->publisher, &loan, bytes)
		    : msg_publisher_send(side->publisher, &loan, bytes);
}

static void read_view(struct side *side, struct peer_reader *reader,
	const struct msg_view *view)
{
	struct msg_segment segments[SEGMENTS];
	int n;

	if (view->segment_count == 1) {
		peer_read(reader, view->data, view->bytes);
		return;
	}
	n = msg_subscriber_segments(side->subscriber, view, segments, SEGMENTS);
	for (int i = 0; i < n; i++)
		if (i > 0)
			peer_read_more(
				reader, segments[i].data, segments[i].bytes);
	if (n > 0)
		peer_read(reader, segments[0].data, segments[0].bytes);
}

static int take(void *state, struct peer_reader *reader)
{
	struct side *side = state;
	struct msg_view views[VIEWS];
	int n = msg_subscriber_take(side->subscriber, views, VIEWS);

	if (n < 0)
		return fail("take");
	for (int i = 0; i < n; i++)
		read_view(side, reader, &views[i]);
	msg_subscriber_release(side->subscriber, views, n);
	return n;
}

static int wait_for_more(void *state)
{
	struct side *side = state;
	int result = msg_subscriber_wait(
		side->subscriber, (int64_t)PEER_WAIT_MS * 1000000);

	return result < 0 && result != -MSG_ERROR_TIMEOUT ? fail("wait") : 0;
}

static void close_side(void *state)
{
	struct side *side = state;

	msg_publisher_close(side->publisher);
	msg_subscriber_close(side->subscriber);
	msg_node_close(side->node);
	free(side);
}

int main(int argc, char **argv)
{
	static const struct peer peer = {
		.name = "libmsg",
		.holds_back = true,
		.publisher_open = publisher_open,
		.subscriber_open = subscriber_open,
		.send = send_one,
		.take = take,
		.wait = wait_for_more,
		.publisher_close = close_side,
		.subscriber_close = close_side,
	};

	return peer_main(argc, argv, &peer);
}
