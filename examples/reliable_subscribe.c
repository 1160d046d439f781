/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reliable_subscribe.c - print what reliable_publish sends, from its first order
 * on, whenever this begins; end when it leaves.
 */
#include <stdio.h>

#include <msg/msg.h>

int main(void)
{
	struct msg_subscriber_options options = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *subscriber;
	struct msg_view view = {.event = MSG_EVENT_MESSAGE};
	struct msg_node *node;

	options.topic = "hello.orders";
	options.history_count = UINT32_MAX; /* All that is kept. */
	options.events = 1;
	if (msg_node_open(NULL, &node) < 0 ||
		msg_subscriber_open(node, &options, &subscriber) < 0) {
		fprintf(stderr, "reliable_subscribe: %s\n", msg_error_text());
		return 1;
	}
	while (view.event != MSG_EVENT_LEFT && view.event != MSG_EVENT_SILENT &&
		msg_subscriber_wait(subscriber, 30000000000) == 0) {
		if (msg_subscriber_take(subscriber, &view, 1) != 1)
			continue; /* A heartbeat woke us. */
		if (view.event == MSG_EVENT_MESSAGE)
			printf("%.*s, number %llu\n", (int)view.bytes,
				(const char *)view.data,
				(unsigned long long)view.sequence);
		else if (view.event == MSG_EVENT_LOST)
			printf("%llu lost\n",
				(unsigned long long)view.lost_before);
		msg_subscriber_release(subscriber, &view, 1);
	}
	msg_subscriber_close(subscriber);
	msg_node_close(node);
	return 0;
}
