/* SPDX-License-Identifier: BSD-2-Clause */
/* hello_subscribe.c - print what hello_publish sends, for ten seconds. */
#include <stdio.h>

#include <msg/msg.h>

int main(void)
{
	struct msg_subscriber_options options = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *subscriber;
	struct msg_view views[16];
	struct msg_node *node;

	options.topic = "hello.world";
	if (msg_node_open(NULL, &node) < 0 ||
		msg_subscriber_open(node, &options, &subscriber) < 0) {
		fprintf(stderr, "hello_subscribe: %s\n", msg_error_text());
		return 1;
	}
	while (msg_subscriber_wait(subscriber, 10000000000) == 0) {
		int n = msg_subscriber_take(subscriber, views, 16);

		for (int i = 0; i < n; i++)
			printf("%.*s (%llu lost before)\n", (int)views[i].bytes,
				(const char *)views[i].data,
				(unsigned long long)views[i].lost_before);
		if (n > 0)
			msg_subscriber_release(subscriber, views, n);
	}
	msg_subscriber_close(subscriber);
	msg_node_close(node);
	return 0;
}
