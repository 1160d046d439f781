/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoll.c - messages and lines of standard input in one loop: take until nothing
 * is left, arm, sleep; arm tells of what came in between.
 */
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <msg/msg.h>

/* Take all there is, and arm.  0, or an error: the loop is over. */
static int drain(struct msg_subscriber *subscriber)
{
	struct msg_view views[16];
	int n, armed;

	do {
		while ((n = msg_subscriber_take(subscriber, views, 16)) > 0) {
			for (int i = 0; i < n; i++)
				printf("message: %.*s\n", (int)views[i].bytes,
					(const char *)views[i].data);
			msg_subscriber_release(subscriber, views, n);
		}
		armed = n < 0 ? n : msg_subscriber_arm(subscriber);
	} while (armed == -MSG_ERROR_AGAIN);
	return armed;
}

int main(void)
{
	struct msg_subscriber_options options = MSG_SUBSCRIBER_OPTIONS;
	struct epoll_event on_input = {.events = EPOLLIN, .data.fd = 0};
	struct epoll_event on_message = {.events = EPOLLIN, .data.fd = -1};
	struct epoll_event event;
	struct msg_subscriber *subscriber;
	struct msg_node *node;
	int poll = epoll_create1(EPOLL_CLOEXEC);
	char line[256];

	options.topic = "hello.epoll";
	if (msg_node_open(NULL, &node) < 0 ||
		msg_subscriber_open(node, &options, &subscriber) < 0) {
		fprintf(stderr, "epoll: %s\n", msg_error_text());
		return 1;
	}
	epoll_ctl(poll, EPOLL_CTL_ADD, msg_subscriber_fd(subscriber),
		&on_message);
	epoll_ctl(poll, EPOLL_CTL_ADD, 0, &on_input);
	while (drain(subscriber) == 0 && fflush(stdout) == 0) {
		if (epoll_wait(poll, &event, 1, -1) == 1 && event.data.fd == 0) {
			if (!fgets(line, sizeof line, stdin))
				break; /* The end of input is ours, too. */
			printf("line: %s", line);
		}
	}
	msg_subscriber_close(subscriber);
	msg_node_close(node);
	return 0;
}
