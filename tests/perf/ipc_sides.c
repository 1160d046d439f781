/* SPDX-License-Identifier: BSD-2-Clause */
/* ipc_sides.c - two processes that talk through libmsg; see ipc.h. */
#include "ipc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <msg/msg.h>

#define READERS_MAX 64
#define COST_MESSAGES 400000u
static void die(struct ipc_page *page, const char *what)
{
	fprintf(stderr, "perf_ipc: %s: %s\n", what, msg_error_text());
	atomic_store(&page->failed, 1);
	exit(1);
}

static struct msg_node *open_node(
	struct ipc_page *page, const struct ipc_job *job)
{
	struct msg_node_options options = MSG_NODE_OPTIONS;
	struct msg_node *node;

	options.broker = MSG_BROKER_REQUIRE;
	options.broker_name = job->broker;
	if (msg_node_open(&options, &node) < 0)
		die(page, "node");
	return node;
}

static struct msg_publisher *open_publisher(struct ipc_page *page,
	struct msg_node *node, const char *topic, uint32_t bytes)
{
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *publisher;

	options.topic = topic;
	if (bytes > 1024)
		options.message_bytes_max = bytes;
	if (msg_publisher_open(node, &options, &publisher) < 0)
		die(page, "publisher");
	return publisher;
}

static struct msg_subscriber *open_subscriber(struct ipc_page *page,
	struct msg_node *node, const char *topic, uint32_t slow)
{
	struct msg_subscriber_options options = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *subscriber;

	options.topic = topic;
	options.slow = slow;
	if (msg_subscriber_open(node, &options, &subscriber) < 0)
		die(page, "subscriber");
	return subscriber;
}

static void send_one(struct ipc_page *page, struct msg_publisher *publisher,
	uint32_t bytes, uint64_t stamp, bool more)
{
	struct msg_loan loan;
	int result;

	while ((result = msg_publisher_loan(publisher, bytes, &loan)) ==
		-MSG_ERROR_AGAIN)
		__builtin_ia32_pause();
	if (result < 0)
		die(page, msg_error_name(result));
	memset(loan.data, (int)stamp, bytes);
	memcpy(loan.data, &stamp, sizeof stamp);
	if (more)
		msg_publisher_queue(publisher, &loan, bytes);
	else
		msg_publisher_send(publisher, &loan, bytes);
}

/* Take one message, spinning; every byte is read. */
static uint64_t take_one(struct ipc_page *page, struct msg_subscriber *s)
{
	struct msg_view view;
	uint64_t stamp;
	int n;

	while ((n = msg_subscriber_take(s, &view, 1)) == 0)
		__builtin_ia32_pause();
	if (n < 0)
		die(page, msg_error_name(n));
	memcpy(&stamp, view.data, sizeof stamp);
	page->sum += ipc_sum(view.data, view.bytes);
	msg_subscriber_release(s, &view, 1);
	return stamp;
}

void msg_round_near(struct ipc_page *page, const struct ipc_job *job)
{
	struct msg_node *node = open_node(page, job);
	struct msg_subscriber *back =
		open_subscriber(page, node, "ipc.pong", MSG_SLOW_LAP);
	struct msg_publisher *there;

	ipc_meet(page, 2, 1);
	there = open_publisher(page, node, "ipc.ping", job->bytes);
	ipc_go(page, 2, 2);
	for (uint32_t i = 0; i < job->count; i++) {
		uint64_t begin = now_ns();

		send_one(page, there, job->bytes, i, false);
		take_one(page, back);
		page->samples[i % IPC_SAMPLES] = (uint32_t)(now_ns() - begin);
	}
	page->sample_count =
		job->count < IPC_SAMPLES ? job->count : IPC_SAMPLES;
}

void msg_round_far(struct ipc_page *page, const struct ipc_job *job)
{
	struct msg_node *node = open_node(page, job);
	struct msg_subscriber *there =
		open_subscriber(page, node, "ipc.ping", MSG_SLOW_LAP);
	struct msg_publisher *back;

	ipc_meet(page, 2, 1);
	back = open_publisher(page, node, "ipc.pong", job->bytes);
	ipc_go(page, 2, 2);
	for (uint32_t i = 0; i < job->count; i++)
		send_one(page, back, job->bytes, take_one(page, there), false);
}

void msg_block_sender(struct ipc_page *page, const struct ipc_job *job)
{
	struct timespec pause = {.tv_nsec = 50000};
	struct msg_publisher *publisher;

	ipc_meet(page, 2, 1);
	publisher = open_publisher(
		page, open_node(page, job), "ipc.block", job->bytes);
	ipc_go(page, 2, 2);
	for (uint32_t i = 1; i <= job->count; i++) {
		nanosleep(&pause, NULL);
		send_one(page, publisher, job->bytes, now_ns(), false);
		while (atomic_load(&page->pong) < i)
			__builtin_ia32_pause();
	}
}

void msg_block_receiver(struct ipc_page *page, const struct ipc_job *job)
{
	struct msg_subscriber_options options = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;
	struct msg_view view;
	uint32_t i = 0;

	options.topic = "ipc.block";
	options.spin_us = 1; /* As good as none: it is to sleep. */
	if (msg_subscriber_open(open_node(page, job), &options, &s) < 0)
		die(page, "subscriber");
	ipc_meet(page, 2, 1);
	ipc_go(page, 2, 2);
	while (i < job->count) {
		uint64_t stamp;

		if (msg_subscriber_take(s, &view, 1) == 0) {
			(void)!msg_subscriber_wait(s, 1000000000);
			continue;
		}
		memcpy(&stamp, view.data, sizeof stamp);
		page->samples[i++ % IPC_SAMPLES] =
			(uint32_t)(now_ns() - stamp);
		msg_subscriber_release(s, &view, 1);
		atomic_store(&page->pong, i);
	}
	page->sample_count =
		job->count < IPC_SAMPLES ? job->count : IPC_SAMPLES;
}

void msg_rate_sender(struct ipc_page *page, const struct ipc_job *job)
{
	struct msg_publisher *publisher;

	ipc_meet(page, 2, 1);
	publisher = open_publisher(
		page, open_node(page, job), "ipc.rate", job->bytes);
	ipc_go(page, 2, 2);
	for (uint32_t i = 0; i < job->count; i++)
		send_one(page, publisher, job->bytes, i,
			i % IPC_BATCH != IPC_BATCH - 1);
	msg_publisher_flush(publisher);
	ipc_meet(page, 2, 3);
}

void msg_rate_receiver(struct ipc_page *page, const struct ipc_job *job)
{
	struct msg_subscriber *s = open_subscriber(
		page, open_node(page, job), "ipc.rate", MSG_SLOW_BLOCK);
	struct msg_view views[64];
	uint64_t lost = 0;
	uint64_t sum = 0;
	uint64_t begin;

	ipc_meet(page, 2, 1);
	ipc_go(page, 2, 2);
	begin = now_ns();
	for (uint64_t got = 0; got + lost < job->count;) {
		int n = msg_subscriber_take(s, views, 64);

		for (int i = 0; i < n; i++) {
			sum += ipc_sum(views[i].data, views[i].bytes);
			lost += views[i].lost_before;
		}
		if (n > 0)
			msg_subscriber_release(s, views, n);
		got += n > 0 ? (uint64_t)n : 0;
	}
	page->result = job->count * 1e9 / (double)(now_ns() - begin);
	page->sum = sum;
	if (lost > 0) {
		fprintf(stderr,
			"perf_ipc: %llu lost from a publisher that "
			"may be blocked\n",
			(unsigned long long)lost);
		atomic_store(&page->failed, 1);
	}
	ipc_meet(page, 2, 3);
}

/* What a message costs its publisher, by how many are attached. */
void msg_cost_sender(struct ipc_page *page, const struct ipc_job *job)
{
	const uint32_t messages = COST_MESSAGES / job->fewer;
	struct msg_publisher *publisher;
	uint64_t begin;

	ipc_meet(page, 2, 1);
	publisher = open_publisher(page, open_node(page, job), "ipc.cost", 64);
	ipc_go(page, 2, 2);
	begin = now_ns();
	for (uint32_t i = 0; i < messages; i++)
		send_one(page, publisher, job->bytes, i,
			i % IPC_BATCH != IPC_BATCH - 1);
	page->result = (double)(now_ns() - begin) / messages;
	ipc_meet(page, 2, 3);
}

void msg_cost_readers(struct ipc_page *page, const struct ipc_job *job)
{
	struct msg_subscriber *readers[READERS_MAX];
	struct msg_node *node = open_node(page, job);
	struct msg_view view;

	for (uint32_t i = 0; i < job->count; i++)
		readers[i] =
			open_subscriber(page, node, "ipc.cost", MSG_SLOW_LAP);
	ipc_meet(page, 2, 1);
	ipc_go(page, 2, 2);
	/* Attached, and seen to be: then they lag, as they may. */
	for (uint32_t i = 0; i < job->count; i++) {
		int n = msg_subscriber_take(readers[i], &view, 1);

		if (n > 0)
			msg_subscriber_release(readers[i], &view, n);
	}
	ipc_meet(page, 2, 3);
}
