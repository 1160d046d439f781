/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * late.c - what a late joiner pays for a history, beside a copy of those bytes.
 *
 *	perf_late [--device NAME] [--rounds N] [--messages N] [--bytes N]
 *	          [--batch N] [--large 0|1]
 *
 * A publisher keeps `messages` of `bytes` each, sent in batches that share frames
 * (1: each in one of its own).  In every round a subscriber opens, asks for all of
 * them, and takes; counted is from behind its opening until it has the last.  Beside
 * it memcpy of as many bytes, from memory that is in no cache.  With --large they are
 * large messages, each read from where it stands.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "harness.h"

#define ROUNDS_MAX 99u

static struct {
	const char *device;
	uint32_t rounds, messages, bytes, batch, large;
} plan = {.rounds = 5, .messages = 100000, .bytes = 100, .batch = 64};

static void check(int failed, const char *what)
{
	if (!failed)
		return;
	fprintf(stderr, "perf_late: %s: %s\n", what, msg_error_text());
	exit(1);
}

static struct msg_node *open_node(uint32_t port, uint32_t flags)
{
	struct msg_node_options o = MSG_NODE_OPTIONS;
	struct msg_node *node;

	o.device = plan.device;
	o.broker = MSG_BROKER_NEVER;
	o.groups = "239.255.192.0+4";
	o.port = port;
	o.flags = flags;
	check(msg_node_open(&o, &node), "node");
	return node;
}

/* All that is kept is in the history's buffers, a frame each. */
static struct msg_publisher *publish(struct msg_node *node)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *publisher;

	o.topic = "late";
	o.reliability = MSG_RELIABILITY_RELIABLE;
	o.history_bytes = (size_t)2 << 30;
	if (plan.large) {
		o.message_bytes_max = plan.bytes / 2;
		o.large_bytes_max = plan.bytes;
		o.large_memory_bytes =
			(size_t)plan.messages * (plan.bytes + 4096);
	} else if (plan.bytes > 1400) {
		o.message_bytes_max = plan.bytes;
	}
	check(msg_publisher_open(node, &o, &publisher), "publisher");
	for (uint32_t i = 0; i < plan.messages; i++) {
		struct msg_loan loan;
		int result;

		while ((result = msg_publisher_loan(publisher, plan.bytes,
				&loan)) == -MSG_ERROR_AGAIN)
			;
		check(result < 0, "loan");
		memset(loan.data, (int)i, plan.bytes);
		check((i + 1) % plan.batch == 0
				? msg_publisher_send(
					  publisher, &loan, plan.bytes)
				: msg_publisher_queue(
					  publisher, &loan, plan.bytes),
			"send");
	}
	check(msg_publisher_flush(publisher), "flush");
	return publisher;
}

static double join(struct msg_node *node, uint64_t *asked)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *subscriber;
	struct msg_view views[64];
	uint64_t begin, end = 0;

	o.topic = "late";
	o.history_count = UINT32_MAX;
	o.buffer_count = 4096;
	o.give_up_ms = 60000;
	o.message_bytes_max = plan.bytes;
	if (plan.large)
		o.large_bytes_max = plan.bytes;
	check(msg_subscriber_open(node, &o, &subscriber), "subscriber");
	begin = perf_now();
	while (end < plan.messages) {
		int n = msg_subscriber_take(subscriber, views, 64);

		check(n < 0, "take");
		for (int i = 0; i < n; i++) {
			check(views[i].lost_before > 0 ||
					views[i].bytes != plan.bytes,
				"a message is lost");
			end = views[i].sequence + 1;
		}
		if (n > 0)
			msg_subscriber_release(subscriber, views, n);
	}
	begin = perf_now() - begin;
	*asked = msg_subscriber_counter(subscriber, MSG_COUNTER_ASKED);
	check(msg_subscriber_close(subscriber), "close");
	return (double)begin / 1e6;
}

static double copy(void)
{
	size_t bytes = (size_t)plan.messages * plan.bytes;
	static uint8_t *from, *into;
	uint64_t begin;

	if (!from) {
		from = mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		check(from == MAP_FAILED, "memory");
		into = from + bytes;
	}
	begin = perf_now();
	memcpy(into, from, bytes);
	__asm__ volatile("" : : "r"(into) : "memory");
	return (double)(perf_now() - begin) / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool read_plan(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		uint32_t number = (uint32_t)atoi(argv[i + 1]);

		if (strcmp(argv[i], "--device") == 0)
			plan.device = argv[i + 1];
		else if (strcmp(argv[i], "--rounds") == 0)
			plan.rounds = number;
		else if (strcmp(argv[i], "--messages") == 0)
			plan.messages = number;
		else if (strcmp(argv[i], "--bytes") == 0)
			plan.bytes = number;
		else if (strcmp(argv[i], "--batch") == 0)
			plan.batch = number;
		else if (strcmp(argv[i], "--large") == 0)
			plan.large = number;
		else
			return false;
	}
	return argc % 2 == 1 && plan.rounds >= 1 && plan.rounds <= ROUNDS_MAX &&
	       plan.messages >= 1 && plan.bytes >= 1 && plan.batch >= 1;
}

int main(int argc, char **argv)
{
	uint32_t port = 20000 + (uint32_t)getpid() % 20000;
	double joins[ROUNDS_MAX], copies[ROUNDS_MAX];
	struct msg_publisher *publisher;
	struct msg_node *theirs, *node;
	uint64_t asked = 0;

	if (!read_plan(argc, argv)) {
		fprintf(stderr,
			"usage: %s [--device NAME] [--rounds 1..%u] "
			"[--messages N] [--bytes N] [--batch N] [--large 0|1]\n",
			argv[0], ROUNDS_MAX);
		return 2;
	}
	theirs = open_node(port, MSG_NODE_PROGRESS_THREAD);
	node = open_node(port, 0);
	publisher = publish(theirs);
	for (uint32_t r = 0; r < plan.rounds; r++) {
		copies[r] = copy();
		joins[r] = join(node, &asked);
	}
	qsort(joins, plan.rounds, sizeof *joins, by_value);
	qsort(copies, plan.rounds, sizeof *copies, by_value);
	printf("%u x %u B, %u a batch: joined in %.2f ms, copied in %.2f ms: "
	       "%.1f times; %llu frames asked for\n",
		plan.messages, plan.bytes, plan.batch, joins[plan.rounds / 2],
		copies[plan.rounds / 2],
		joins[plan.rounds / 2] / copies[plan.rounds / 2],
		(unsigned long long)asked);
	msg_publisher_close(publisher);
	return msg_node_close(theirs) | msg_node_close(node);
}
