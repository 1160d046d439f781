/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * batch.c - a million small messages: queued ones share frames and system calls.
 *
 * Each is borrowed after the one before was queued, so that it may stand behind
 * it; flush sends what is left.  AGAIN means that all buffers are on the wire.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <msg/stats.h>

#define MESSAGES 1000000u
#define BATCH 32

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(void)
{
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *publisher;
	struct msg_node *node;
	struct msg_loan loan;
	double begin;
	int error = 0;

	options.topic = "hello.batch";
	if (msg_node_open(NULL, &node) < 0 ||
		msg_publisher_open(node, &options, &publisher) < 0) {
		fprintf(stderr, "batch: %s\n", msg_error_text());
		return 1;
	}
	begin = seconds();
	for (uint64_t i = 0; i < MESSAGES && error == 0;) {
		error = msg_publisher_loan(publisher, sizeof i, &loan);
		if (error == 0) {
			memcpy(loan.data, &i, sizeof i);
			error = msg_publisher_queue(publisher, &loan, sizeof i);
			i++;
		}
		if (error == 0 && i % BATCH == 0)
			error = msg_publisher_flush(publisher);
		if (error == -MSG_ERROR_AGAIN)
			error = 0; /* Later; this is a loop anyway. */
	}
	printf("%u messages in %llu frames, %.2f s\n", MESSAGES,
		(unsigned long long)msg_publisher_counter(
			publisher, MSG_COUNTER_FRAMES), seconds() - begin);
	msg_publisher_close(publisher); /* Sends what is queued. */
	msg_node_close(node);
	return error != 0;
}
