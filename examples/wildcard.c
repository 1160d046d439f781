/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wildcard.c [PATTERN] - whatever is published on topics that match, also those
 * that begin later; and who comes and goes.
 *
 * '*' stands for one token, a final '>' for one or more.  A pattern follows
 * announcements: what was sent before a topic was announced is not seen.
 */
#include <stdio.h>

#include <msg/msg.h>

static const char *const what[] = {"message", "lost", "joined", "left",
	"silent", "restarted", "evicted"};

static void show(struct msg_subscriber *subscriber, const struct msg_view *view)
{
	printf("%s %08llx %s", msg_subscriber_topic(subscriber, view),
		(unsigned long long)view->publisher,
		view->event < sizeof what / sizeof *what ? what[view->event]
							 : "event");
	if (view->event == MSG_EVENT_MESSAGE)
		printf(" %.*s", (int)view->bytes, (const char *)view->data);
	else if (view->event == MSG_EVENT_LOST)
		printf(" %llu", (unsigned long long)view->lost_before);
	putchar('\n');
}

int main(int argc, char **argv)
{
	struct msg_subscriber_options options = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *subscriber;
	struct msg_view views[16];
	struct msg_node *node;

	options.topic = argc > 1 ? argv[1] : "hello.>";
	options.events = 1;
	if (msg_node_open(NULL, &node) < 0 ||
		msg_subscriber_open(node, &options, &subscriber) < 0) {
		fprintf(stderr, "wildcard: %s\n", msg_error_text());
		return 1;
	}
	while (msg_subscriber_wait(subscriber, 10000000000) == 0) {
		int n = msg_subscriber_take(subscriber, views, 16);

		for (int i = 0; i < n; i++)
			show(subscriber, &views[i]);
		if (n > 0)
			msg_subscriber_release(subscriber, views, n);
		fflush(stdout);
	}
	msg_subscriber_close(subscriber);
	msg_node_close(node);
	return 0;
}
