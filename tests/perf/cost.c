/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cost.c - instructions of ours per message: what callgrind counts.
 *
 *     MSG_MODULE_DIR=... cost BATCH COUNT [reliable]
 *
 * Sends COUNT messages of 64 bytes in batches, taking each batch back before
 * the next.  callgrind collects inside cost_publish or inside cost_receive,
 * whichever --toggle-collect names; the warm-up runs through twins of them.
 * Neighbours: null_link.c, cost.sh.  Test: perf.cost.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#define BYTES 64
#define BATCH_MAX 64
#define WARM 2000

/* Kept apart by the compiler, since callgrind looks for them by name. */
#ifdef __clang__
#define APART __attribute__((noinline))
#else
#define APART __attribute__((noinline, noclone))
#endif

void cost_publish(struct msg_publisher *publisher, int batch);
void cost_receive(struct msg_subscriber *subscriber, int batch);

__attribute__((noreturn)) static void broken(const char *what)
{
	fprintf(stderr, "cost: %s: %s\n", what, msg_error_text());
	exit(1);
}

static inline __attribute__((always_inline)) void publish(
	struct msg_publisher *publisher, int batch)
{
	struct msg_loan loan;

	for (int i = 1; i <= batch; i++) {
		if (msg_publisher_loan(publisher, BYTES, &loan) < 0)
			broken("loan");
		*(uint64_t *)loan.data = (uint64_t)i;
		if (i == batch)
			msg_publisher_send(publisher, &loan, BYTES);
		else
			msg_publisher_queue(publisher, &loan, BYTES);
	}
}

static inline __attribute__((always_inline)) void receive(
	struct msg_subscriber *subscriber, int batch)
{
	struct msg_view views[BATCH_MAX];
	int n = msg_subscriber_take(subscriber, views, BATCH_MAX);

	if (n != batch || *(const uint64_t *)views[n - 1].data != (uint64_t)n)
		broken("take");
	msg_subscriber_release(subscriber, views, n);
}

APART void cost_publish(struct msg_publisher *publisher, int batch)
{
	publish(publisher, batch);
}

APART void cost_receive(struct msg_subscriber *subscriber, int batch)
{
	receive(subscriber, batch);
}

static APART void warm_up(struct msg_publisher *publisher,
	struct msg_subscriber *subscriber, int batch)
{
	for (int i = 0; i < WARM; i++) {
		publish(publisher, batch);
		receive(subscriber, batch);
	}
}

int main(int argc, char **argv)
{
	struct msg_publisher_options out = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options in = MSG_SUBSCRIBER_OPTIONS;
	struct msg_node_options options = MSG_NODE_OPTIONS;
	int batch = argc > 2 ? atoi(argv[1]) : 0;
	int count = argc > 2 ? atoi(argv[2]) : 0;
	struct msg_publisher *publisher;
	struct msg_subscriber *subscriber;
	bool reliable = argc > 3 && strcmp(argv[3], "reliable") == 0;
	struct msg_node *node;

	if (batch < 1 || batch > BATCH_MAX || count < batch) {
		fprintf(stderr, "usage: %s BATCH COUNT [reliable]\n", argv[0]);
		return 2;
	}
	options.announce_ms = 60000; /* The once-a-second is not counted. */
	out.topic = in.topic = "perf.cost";
	in.buffer_count = 256;
	if (reliable)
		out.reliability = MSG_RELIABILITY_RELIABLE;
	if (msg_node_open(&options, &node) < 0 ||
		msg_subscriber_open(node, &in, &subscriber) < 0 ||
		msg_publisher_open(node, &out, &publisher) < 0)
		broken("open");
	warm_up(publisher, subscriber, batch);
	for (int i = 0; i < count / batch; i++) {
		cost_publish(publisher, batch);
		cost_receive(subscriber, batch);
	}
	msg_publisher_close(publisher);
	msg_subscriber_close(subscriber);
	msg_node_close(node);
	return 0;
}
