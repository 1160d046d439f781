/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reliable_publish.c - send a hundred orders, none of which may be missing.
 *
 * What was sent is kept, and sent again to who asks; who is slow is waited for.
 * The progress thread answers receivers while this program sleeps.
 */
#include <stdio.h>
#include <unistd.h>

#include <msg/msg.h>

int main(void)
{
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;
	struct msg_node_options on = MSG_NODE_OPTIONS;
	struct msg_publisher *publisher;
	struct msg_node *node;

	on.flags = MSG_NODE_PROGRESS_THREAD;
	options.topic = "hello.orders";
	options.reliability = MSG_RELIABILITY_RELIABLE;
	options.flow = MSG_FLOW_MIN;
	options.history_bytes = 16 << 20;
	if (msg_node_open(&on, &node) < 0 ||
		msg_publisher_open(node, &options, &publisher) < 0) {
		fprintf(stderr, "reliable_publish: %s\n", msg_error_text());
		return 1;
	}
	for (int i = 1; i <= 100; i++) {
		char order[32];
		int bytes = snprintf(order, sizeof order, "order %d", i);

		while (msg_publish(publisher, order, (size_t)bytes) < 0)
			usleep(1000); /* Somebody who is waited for is slow. */
		usleep(20000);
	}
	msg_publisher_close(publisher); /* Waits until receivers have all. */
	msg_node_close(node);
	return 0;
}
