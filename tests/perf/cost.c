/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cost.c - instructions of ours per message: what callgrind counts.
 *
 *     MSG_MODULE_DIR=... cost BATCH COUNT [reliable|rc] [post|view|frame]
 *
 * Sends COUNT messages of 64 bytes in batches, taking each batch back before
 * the next; with `frame` of 1 KiB, each of which fills a frame; of an rc topic
 * also in vain, often, behind each, as who waits does.
 * callgrind collects inside cost_publish, cost_receive or cost_wait, whichever
 * --toggle-collect names; the warm-up runs through twins of them.  With `post` or
 * `view` it is told where, by null_channel.c and here: from the loan until the link
 * is given the message, or from there on until the view is had.
 * Neighbours: null_link.c, null_channel.c, cost.sh.  Test: perf.cost.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "null.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_TOGGLE_COLLECT broken("built without valgrind's headers")
#endif

#define BYTES 64
#define FULL_BYTES 1024
#define FRAME_BYTES (24 + FULL_BYTES)
#define BATCH_MAX 64
#define WARM 2000
#define WAITS 8 /* Takes in vain, a message. */
#define CONNECT_TURNS 10000000

/* Kept apart by the compiler, since callgrind looks for them by name. */
#ifdef __clang__
#define APART __attribute__((noinline))
#else
#define APART __attribute__((noinline, noclone))
#endif

void cost_publish(struct msg_publisher *publisher, int batch);
void cost_receive(struct msg_subscriber *subscriber, int batch);
void cost_wait(struct msg_subscriber *subscriber, int batch);

__attribute__((noreturn)) static void broken(const char *what)
{
	fprintf(stderr, "cost: %s: %s\n", what, msg_error_text());
	exit(1);
}

/* Where counting begins and ends; 0: that is not asked for. */
static enum null_mark from, until;
static bool counts;
static bool taking; /* Others than the subscriber poll, too. */
static size_t bytes = BYTES;

void cost_mark(enum null_mark mark)
{
	if (mark != (counts ? until : from) ||
		(mark == NULL_POLLED && !taking))
		return;
	counts = !counts;
	CALLGRIND_TOGGLE_COLLECT;
}

static inline __attribute__((always_inline)) void publish(
	struct msg_publisher *publisher, int batch)
{
	struct msg_loan loan;

	for (int i = 1; i <= batch; i++) {
		if (msg_publisher_loan(publisher, bytes, &loan) < 0)
			broken("loan");
		*(uint64_t *)loan.data = (uint64_t)i;
		if (i == batch)
			msg_publisher_send(publisher, &loan, bytes);
		else
			msg_publisher_queue(publisher, &loan, bytes);
	}
}

static inline __attribute__((always_inline)) void receive(
	struct msg_subscriber *subscriber, int batch)
{
	struct msg_view views[BATCH_MAX];
	int n;

	taking = true;
	n = msg_subscriber_take(subscriber, views, BATCH_MAX);
	taking = false;
	cost_mark(NULL_VIEW);
	if (n != batch || *(const uint64_t *)views[n - 1].data != (uint64_t)n)
		broken("take");
	msg_subscriber_release(subscriber, views, n);
}

static inline __attribute__((always_inline)) void wait_for(
	struct msg_subscriber *subscriber, int batch)
{
	struct msg_view views[BATCH_MAX];

	for (int i = 0; i < batch * WAITS; i++)
		if (msg_subscriber_take(subscriber, views, BATCH_MAX) != 0)
			broken("take");
}

APART void cost_publish(struct msg_publisher *publisher, int batch)
{
	cost_mark(NULL_LOAN);
	publish(publisher, batch);
}

APART void cost_receive(struct msg_subscriber *subscriber, int batch)
{
	receive(subscriber, batch);
}

APART void cost_wait(struct msg_subscriber *subscriber, int batch)
{
	wait_for(subscriber, batch);
}

/* What to count of the messages behind the warm-up. */
static void choose(const char *which)
{
	if (strcmp(which, "post") == 0) {
		until = NULL_POSTED;
		from = NULL_LOAN;
	} else if (strcmp(which, "view") == 0) {
		until = NULL_VIEW;
		from = NULL_POLLED;
	}
}

static APART void warm_up(struct msg_publisher *publisher,
	struct msg_subscriber *subscriber, int batch, bool waits)
{
	for (int i = 0; i < WARM; i++) {
		publish(publisher, batch);
		receive(subscriber, batch);
		if (waits)
			wait_for(subscriber, batch);
	}
}

/* Until a connected topic's two have each other. */
static void meet(struct msg_node *node, struct msg_publisher *publisher,
	struct msg_subscriber *subscriber)
{
	struct msg_view view;

	for (int i = 0; i < CONNECT_TURNS; i++) {
		if (msg_subscriber_take(subscriber, &view, 1) != 0)
			break;
		msg_node_progress(node);
		if (msg_publisher_counter(publisher, MSG_COUNTER_CONNECTED) > 0 &&
			msg_subscriber_counter(
				subscriber, MSG_COUNTER_PROBES) > 0)
			return;
	}
	broken("connect");
}

int main(int argc, char **argv)
{
	struct msg_publisher_options out = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options in = MSG_SUBSCRIBER_OPTIONS;
	struct msg_node_options options = MSG_NODE_OPTIONS;
	int batch = argc > 2 ? atoi(argv[1]) : 0;
	int count = argc > 2 ? atoi(argv[2]) : 0;
	const char *what = argc > 4 ? argv[4] : "";
	struct msg_publisher *publisher;
	struct msg_subscriber *subscriber;
	bool reliable = argc > 3 && strcmp(argv[3], "reliable") == 0;
	bool rc = argc > 3 && strcmp(argv[3], "rc") == 0;
	struct msg_node *node;

	if (batch < 1 || batch > BATCH_MAX || count < batch) {
		fprintf(stderr,
			"usage: %s BATCH COUNT [reliable|rc] "
			"[post|view|frame]\n",
			argv[0]);
		return 2;
	}
	if (strcmp(what, "frame") == 0) {
		bytes = FULL_BYTES;
		options.frame_bytes = FRAME_BYTES;
	}
	options.announce_ms = 60000; /* The once-a-second is not counted. */
	out.topic = in.topic = "perf.cost";
	in.buffer_count = 256;
	if (reliable)
		out.reliability = MSG_RELIABILITY_RELIABLE;
	if (rc)
		out.reliability = in.reliability = MSG_RELIABILITY_RC;
	if (msg_node_open(&options, &node) < 0 ||
		msg_subscriber_open(node, &in, &subscriber) < 0 ||
		msg_publisher_open(node, &out, &publisher) < 0)
		broken("open");
	if (rc)
		meet(node, publisher, subscriber);
	warm_up(publisher, subscriber, batch, rc);
	choose(what);
	for (int i = 0; i < count / batch; i++) {
		cost_publish(publisher, batch);
		cost_receive(subscriber, batch);
		if (rc)
			cost_wait(subscriber, batch);
	}
	msg_publisher_close(publisher);
	msg_subscriber_close(subscriber);
	msg_node_close(node);
	return 0;
}
