/* SPDX-License-Identifier: BSD-2-Clause */
/* consumer.c - a stranger's program: one message to itself, on loopback. */
#include <stdio.h>
#include <string.h>

#include <msg/msg.h>
#include <msg/stats.h>

#define SECOND 1000000000

static const char text[] = "from me to me";

static int fail(const char *what)
{
	printf("%s: %s\n", what, msg_error_text());
	return 1;
}

static int receive(struct msg_subscriber *subscriber)
{
	struct msg_view view;
	int same;

	do {
		if (msg_subscriber_wait(subscriber, 5ll * SECOND) < 0)
			return fail("wait");
	} while (msg_subscriber_take(subscriber, &view, 1) != 1);
	same = view.bytes == sizeof text && !memcmp(view.data, text, view.bytes);
	msg_subscriber_release(subscriber, &view, 1);
	return same ? 0 : fail("another message");
}

int main(void)
{
	struct msg_subscriber_options in = MSG_SUBSCRIBER_OPTIONS;
	struct msg_publisher_options out = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber *subscriber;
	struct msg_publisher *publisher;
	struct msg_node *node;

	in.topic = out.topic = "consumer.self";
	if (msg_node_open(NULL, &node) < 0)
		return fail("node");
	if (msg_subscriber_open(node, &in, &subscriber) < 0)
		return fail("subscriber");
	if (msg_publisher_open(node, &out, &publisher) < 0)
		return fail("publisher");
	if (msg_publish(publisher, text, sizeof text) < 0)
		return fail("publish");
	if (receive(subscriber) != 0)
		return 1;
	if (msg_publisher_counter(publisher, MSG_COUNTER_MESSAGES) != 1)
		return fail("counter");
	msg_publisher_close(publisher);
	msg_subscriber_close(subscriber);
	msg_node_close(node);
	printf("received, libmsg %s\n", msg_version());
	return 0;
}
