/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rc_topic.c - the same by rc topics, through the public API: one each way.
 *
 * Payloads are not written, as they are not by the other ways.  What is lent is
 * the window; it is sent when it is handed over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "harness.h"
#include "rc.h"

#define VIEWS 32
#define PROGRESS_EVERY 1000u
#define CONNECT_NS 20000000000ull

static struct msg_node *node;
static struct msg_publisher *publisher;
static struct msg_subscriber *subscriber;
static uint32_t handed_over;
static uint32_t idle;

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "perf_rc: %s: %s\n", what, msg_error_text());
	exit(1);
}

static void open_topics(const char *device, bool listen)
{
	struct msg_node_options o = MSG_NODE_OPTIONS;
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	char groups[64];

	/* Both are of one run. */
	snprintf(groups, sizeof groups, "239.251.%u.0+8",
		(unsigned)getpgrp() % 250);
	o.groups = groups;
	o.port = 21000 + (uint32_t)getpgrp() % 10000;
	o.device = device;
	o.interface = device ? NULL : "lo";
	o.broker = MSG_BROKER_NEVER;
	must(msg_node_open(&o, &node), "node");
	p.topic = listen ? "perf.there" : "perf.here";
	p.reliability = MSG_RELIABILITY_RC;
	p.message_bytes_max = RC_BYTES_MAX;
	p.give_up_ms = 60000;
	p.linger_ms = 1;
	must(msg_publisher_open(node, &p, &publisher), "publisher");
	s.topic = listen ? "perf.here" : "perf.there";
	s.reliability = MSG_RELIABILITY_RC;
	must(msg_subscriber_open(node, &s, &subscriber), "subscriber");
}

static void topic_open(const char *device, bool listen, struct rc_address *self)
{
	(void)self;
	open_topics(device, listen);
}

/* Until both have the other. */
static void meet(void)
{
	uint64_t end = now_ns() + CONNECT_NS;
	struct msg_view view;

	while (msg_publisher_counter(publisher, MSG_COUNTER_CONNECTED) == 0 ||
		msg_subscriber_counter(subscriber, MSG_COUNTER_PROBES) == 0) {
		must(msg_subscriber_take(subscriber, &view, 1), "take");
		msg_node_progress(node);
		rc_check(now_ns() > end, "topics do not connect", 0);
	}
}

static void topic_connect(const struct rc_address *address)
{
	(void)address;
	meet();
}

static bool topic_send(uint32_t slot, uint32_t bytes)
{
	struct msg_loan loan;
	int result = msg_publisher_loan(publisher, bytes, &loan);

	(void)slot;
	if (result == -MSG_ERROR_AGAIN)
		return false;
	must(result, "loan");
	must(msg_publisher_send(publisher, &loan, bytes), "send");
	handed_over++;
	return true;
}

static void topic_poll(struct rc_found *found)
{
	struct msg_view views[VIEWS];
	int n = msg_subscriber_take(subscriber, views, VIEWS);

	must(n, "take");
	for (int i = 0; i < n; i++)
		rc_check(views[i].lost_before > 0, "a message is lost", 0);
	msg_subscriber_release(subscriber, views, n);
	found->received += (uint32_t)n;
	found->sent += handed_over;
	handed_over = 0;
	/* Who only receives has to serve his own receivers, too, now and then. */
	if (n == 0 && ++idle % PROGRESS_EVERY == 0)
		msg_node_progress(node);
}

static void topic_close(void)
{
	msg_publisher_close(publisher);
	msg_subscriber_close(subscriber);
	msg_node_close(node);
}

const struct rc_way rc_topic = {
	.name = "topic",
	.open = topic_open,
	.connect = topic_connect,
	.accept = meet,
	.send = topic_send,
	.poll = topic_poll,
	.close = topic_close,
};
