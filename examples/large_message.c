/* SPDX-License-Identifier: BSD-2-Clause */
/* large_message.c - a file as an rc message: large_message > copy & then FILE. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <msg/msg.h>

static void check(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "large_message: %s\n", msg_error_text());
	exit(1);
}

static void send_file(struct msg_node *node, int fd, size_t bytes)
{
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *publisher;
	struct msg_loan loan;

	options.topic = "large.file";
	options.reliability = MSG_RELIABILITY_RC;
	options.large_bytes_max = MSG_LARGE_BYTES_MAX;
	check(msg_publisher_open(node, &options, &publisher));
	check(msg_publisher_loan(publisher, bytes, &loan));
	check(pread(fd, loan.data, bytes, 0) == (ssize_t)bytes ? 0 : -1);
	check(msg_publisher_send(publisher, &loan, bytes));
	check(msg_publisher_close(publisher)); /* Waits for who reads it. */
}

static void take_file(struct msg_node *node)
{
	struct msg_subscriber_options options = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *subscriber;
	struct msg_view view;

	options.topic = "large.file";
	options.large_bytes_max = MSG_LARGE_BYTES_MAX;
	check(msg_subscriber_open(node, &options, &subscriber));
	while (msg_subscriber_take(subscriber, &view, 1) == 0)
		check(msg_subscriber_wait(subscriber, -1));
	fwrite(view.data, 1, view.bytes, stdout);
	msg_subscriber_release(subscriber, &view, 1);
	check(msg_subscriber_close(subscriber));
}

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	struct msg_node *node;

	check(msg_node_open(NULL, &node));
	fd >= 0 ? send_file(node, fd, (size_t)lseek(fd, 0, SEEK_END))
		: take_file(node);
	return msg_node_close(node);
}
