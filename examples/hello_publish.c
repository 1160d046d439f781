/* SPDX-License-Identifier: BSD-2-Clause */
/* hello_publish.c - send a counter ten times a second. */
#include <stdio.h>
#include <unistd.h>

#include <msg/msg.h>

int main(void)
{
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *publisher;
	struct msg_node *node;

	options.topic = "hello.world";
	if (msg_node_open(NULL, &node) < 0 ||
		msg_publisher_open(node, &options, &publisher) < 0) {
		fprintf(stderr, "hello_publish: %s\n", msg_error_text());
		return 1;
	}
	for (int i = 0; i < 50; i++) {
		struct msg_loan loan;
		int length;

		if (msg_publisher_loan(publisher, 64, &loan) < 0)
			continue; /* Back-pressure: this one is left out. */
		length = snprintf(loan.data, loan.capacity, "hello %d", i);
		msg_publisher_send(publisher, &loan, (size_t)length);
		usleep(100000);
	}
	msg_publisher_close(publisher);
	msg_node_close(node);
	return 0;
}
