/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perf_ipc.c - libmsg between processes of one host, through a broker, beside
 * what the machine does bare.
 *
 *     perf_ipc --broker NAME [--rounds N] [--json]
 *
 * Each round measures the bare way, then ours; a row is the median over rounds
 * of the ratio, with the lowest and the highest.  Every byte that is sent is
 * written and read.  The broker runs already (ipc.sh starts one with no
 * network); it has no part in what is measured, which is the point of it.
 */
#include "ipc.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <msg/msg.h>

#define ROUNDS_MAX 31
#define READERS_MAX 64

static const char *broker;

/* ---- libmsg's sides ---------------------------------------------------- */

static void die(struct ipc_page *page, const char *what)
{
	fprintf(stderr, "perf_ipc: %s: %s\n", what, msg_error_text());
	atomic_store(&page->failed, 1);
	exit(1);
}

static struct msg_node *open_node(struct ipc_page *page)
{
	struct msg_node_options options = MSG_NODE_OPTIONS;
	struct msg_node *node;

	options.broker = MSG_BROKER_REQUIRE;
	options.broker_name = broker;
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

static void round_near(struct ipc_page *page, const struct ipc_job *job)
{
	struct msg_node *node = open_node(page);
	struct msg_subscriber *back = open_subscriber(
		page, node, "ipc.pong", MSG_SLOW_LAP);
	struct msg_publisher *there;

	ipc_meet(page, 2, 1);
	there = open_publisher(page, node, "ipc.ping", job->bytes);
	ipc_meet(page, 2, 2);
	for (uint32_t i = 0; i < job->count; i++) {
		uint64_t begin = ipc_now();

		send_one(page, there, job->bytes, i, false);
		take_one(page, back);
		page->samples[i % IPC_SAMPLES] = (uint32_t)(ipc_now() - begin);
	}
	page->sample_count =
		job->count < IPC_SAMPLES ? job->count : IPC_SAMPLES;
}

static void round_far(struct ipc_page *page, const struct ipc_job *job)
{
	struct msg_node *node = open_node(page);
	struct msg_subscriber *there = open_subscriber(
		page, node, "ipc.ping", MSG_SLOW_LAP);
	struct msg_publisher *back;

	ipc_meet(page, 2, 1);
	back = open_publisher(page, node, "ipc.pong", job->bytes);
	ipc_meet(page, 2, 2);
	for (uint32_t i = 0; i < job->count; i++)
		send_one(page, back, job->bytes, take_one(page, there), false);
}

static void block_sender(struct ipc_page *page, const struct ipc_job *job)
{
	struct timespec pause = {.tv_nsec = 50000};
	struct msg_publisher *publisher;

	ipc_meet(page, 2, 1);
	publisher = open_publisher(
		page, open_node(page), "ipc.block", job->bytes);
	ipc_meet(page, 2, 2);
	for (uint32_t i = 1; i <= job->count; i++) {
		nanosleep(&pause, NULL);
		send_one(page, publisher, job->bytes, ipc_now(), false);
		while (atomic_load(&page->pong) < i)
			__builtin_ia32_pause();
	}
}

static void block_receiver(struct ipc_page *page, const struct ipc_job *job)
{
	struct msg_subscriber_options options = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;
	struct msg_view view;
	uint32_t i = 0;

	options.topic = "ipc.block";
	options.spin_us = 1; /* As good as none: it is to sleep. */
	if (msg_subscriber_open(open_node(page), &options, &s) < 0)
		die(page, "subscriber");
	ipc_meet(page, 2, 1);
	ipc_meet(page, 2, 2);
	while (i < job->count) {
		uint64_t stamp;

		if (msg_subscriber_take(s, &view, 1) == 0) {
			(void)!msg_subscriber_wait(s, 1000000000);
			continue;
		}
		memcpy(&stamp, view.data, sizeof stamp);
		page->samples[i++ % IPC_SAMPLES] =
			(uint32_t)(ipc_now() - stamp);
		msg_subscriber_release(s, &view, 1);
		atomic_store(&page->pong, i);
	}
	page->sample_count =
		job->count < IPC_SAMPLES ? job->count : IPC_SAMPLES;
}

static void rate_sender(struct ipc_page *page, const struct ipc_job *job)
{
	struct msg_publisher *publisher;

	ipc_meet(page, 2, 1);
	publisher = open_publisher(
		page, open_node(page), "ipc.rate", job->bytes);
	ipc_meet(page, 2, 2);
	for (uint32_t i = 0; i < job->count; i++)
		send_one(page, publisher, job->bytes, i,
			i % IPC_BATCH != IPC_BATCH - 1);
	msg_publisher_flush(publisher);
	ipc_meet(page, 2, 3);
}

static void rate_receiver(struct ipc_page *page, const struct ipc_job *job)
{
	struct msg_subscriber *s = open_subscriber(
		page, open_node(page), "ipc.rate", MSG_SLOW_BLOCK);
	struct msg_view views[64];
	uint64_t lost = 0;
	uint64_t sum = 0;
	uint64_t begin;

	ipc_meet(page, 2, 1);
	ipc_meet(page, 2, 2);
	begin = ipc_now();
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
	page->result = job->count * 1e9 / (double)(ipc_now() - begin);
	page->sum = sum;
	if (lost > 0) {
		fprintf(stderr, "perf_ipc: %llu lost from a publisher that "
				"may be blocked\n",
			(unsigned long long)lost);
		atomic_store(&page->failed, 1);
	}
	ipc_meet(page, 2, 3);
}

/* What a message costs its publisher, by how many are attached. */
static void cost_sender(struct ipc_page *page, const struct ipc_job *job)
{
	const uint32_t messages = 400000;
	struct msg_publisher *publisher;
	uint64_t begin;

	ipc_meet(page, 2, 1);
	publisher = open_publisher(page, open_node(page), "ipc.cost", 64);
	ipc_meet(page, 2, 2);
	begin = ipc_now();
	for (uint32_t i = 0; i < messages; i++)
		send_one(page, publisher, job->bytes, i,
			i % IPC_BATCH != IPC_BATCH - 1);
	page->result = (double)(ipc_now() - begin) / messages;
	ipc_meet(page, 2, 3);
}

static void cost_readers(struct ipc_page *page, const struct ipc_job *job)
{
	struct msg_subscriber *readers[READERS_MAX];
	struct msg_node *node = open_node(page);
	struct msg_view views[64];

	for (uint32_t i = 0; i < job->count; i++)
		readers[i] = open_subscriber(
			page, node, "ipc.cost", MSG_SLOW_LAP);
	ipc_meet(page, 2, 1);
	ipc_meet(page, 2, 2);
	/* Attached, and seen to be: then they lag, as they may. */
	for (uint32_t i = 0; i < job->count; i++) {
		int n = msg_subscriber_take(readers[i], views, 64);

		if (n > 0)
			msg_subscriber_release(readers[i], views, n);
	}
	ipc_meet(page, 2, 3);
}

/* ---- running ----------------------------------------------------------- */

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
}

static pid_t start(ipc_side *side, struct ipc_page *page,
	const struct ipc_job *job, int cpu)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	pin(cpu % (int)sysconf(_SC_NPROCESSORS_ONLN));
	side(page, job);
	/* The broker sees the end of us by the end of our connection. */
	_exit(atomic_load(&page->failed) != 0);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* p50 in ns, or the result; < 0: it failed. */
static double run(ipc_side *near, ipc_side *far, const struct ipc_job *job)
{
	struct ipc_page *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	pid_t pids[2];
	double value = -1;
	bool good = true;

	if (page == MAP_FAILED)
		return -1;
	pids[0] = start(far, page, job, 1);
	pids[1] = start(near, page, job, 0);
	for (int i = 0; i < 2; i++) {
		int status = 1;
		pid_t ended = wait(&status);

		if (status == 0)
			continue;
		good = false;
		/* The other would wait for it. */
		kill(ended == pids[0] ? pids[1] : pids[0], SIGKILL);
	}
	if (good && page->sample_count > 0) {
		qsort(page->samples, page->sample_count,
			sizeof *page->samples, by_value);
		value = page->samples[page->sample_count / 2];
	} else if (good) {
		value = page->result;
	}
	munmap(page, sizeof *page);
	return value;
}

struct row {
	const char *name;
	const char *unit;
	ipc_side *bare_near, *bare_far;
	struct ipc_job bare;
	double bare_scale; /* One way of there and back is half. */
	ipc_side *near, *far;
	struct ipc_job job;
	double scale;
	double target;
	bool at_least;
};

static const struct row rows[] = {
	{"round trip, 32 B, spinning", "ns", bare_line_near, bare_line_far,
		{"line", 8, 200000, NULL}, 1, round_near, round_far,
		{"round", 32, 200000, NULL}, 1, 2.2, false},
	{"one way, 64 B, spinning", "ns", bare_line_near, bare_line_far,
		{"line", 8, 200000, NULL}, 0.5, round_near, round_far,
		{"round", 64, 200000, NULL}, 0.5, 4, false},
	{"one way, 1 KiB, spinning", "ns", bare_line_near, bare_line_far,
		{"line", 8, 200000, NULL}, 0.5, round_near, round_far,
		{"round", 1024, 100000, NULL}, 0.5, 0, false},
	{"one way, 64 B, blocking", "ns", bare_futex_waker, bare_futex_sleeper,
		{"futex", 8, 4000, NULL}, 1, block_sender, block_receiver,
		{"block", 64, 4000, NULL}, 1, 1.3, false},
	{"32 B, batches of 32", "M/s", bare_ring_writer, bare_ring_reader,
		{"ring", 32, 20000000, NULL}, 1e-6, rate_sender, rate_receiver,
		{"rate", 32, 20000000, NULL}, 1e-6, 0.7, true},
	{"1 KiB, batches of 32", "M/s", bare_ring_writer, bare_ring_reader,
		{"ring", 1024, 4000000, NULL}, 1e-6, rate_sender,
		rate_receiver, {"rate", 1024, 4000000, NULL}, 1e-6, 0.8, true},
	{"publisher's cost, 8 readers beside 1", "ns", cost_sender,
		cost_readers, {"cost", 64, 1, NULL}, 1, cost_sender,
		cost_readers, {"cost", 64, 8, NULL}, 1, 0, false},
	{"publisher's cost, 64 readers beside 1", "ns", cost_sender,
		cost_readers, {"cost", 64, 1, NULL}, 1, cost_sender,
		cost_readers, {"cost", 64, 64, NULL}, 1, 2.5, false},
};

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static int measure(const struct row *row, int rounds, bool json)
{
	double bare[ROUNDS_MAX], ours[ROUNDS_MAX], ratio[ROUNDS_MAX];
	const char *verdict = "";

	for (int i = 0; i < rounds; i++) {
		bare[i] = run(row->bare_near, row->bare_far, &row->bare) *
			  row->bare_scale;
		ours[i] = run(row->near, row->far, &row->job) * row->scale;
		if (bare[i] <= 0 || ours[i] <= 0)
			return 1;
		ratio[i] = ours[i] / bare[i];
	}
	qsort(bare, (size_t)rounds, sizeof *bare, by_double);
	qsort(ours, (size_t)rounds, sizeof *ours, by_double);
	qsort(ratio, (size_t)rounds, sizeof *ratio, by_double);
	if (row->target > 0)
		verdict = (row->at_least ? ratio[rounds / 2] >= row->target
					 : ratio[rounds / 2] <= row->target)
				  ? "PASS"
				  : "MISS";
	printf(json ? "{\"what\":\"%s\",\"unit\":\"%s\",\"bare\":%.4g,"
		      "\"libmsg\":%.4g,\"ratio\":%.3f,\"low\":%.3f,"
		      "\"high\":%.3f,\"target\":%.2f,\"verdict\":\"%s\"}\n"
		    : "%-38s %-4s %9.4g %9.4g   %5.2f (%.2f-%.2f)  %5.2f  "
		      "%s\n",
		row->name, row->unit, bare[rounds / 2], ours[rounds / 2],
		ratio[rounds / 2], ratio[0], ratio[rounds - 1], row->target,
		verdict);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	const char *only = NULL;
	bool json = false;
	int rounds = 7;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			json = true;
		} else if (i + 1 < argc && strcmp(argv[i], "--broker") == 0) {
			broker = argv[++i];
		} else if (i + 1 < argc && strcmp(argv[i], "--rounds") == 0) {
			rounds = atoi(argv[++i]);
		} else if (i + 1 < argc && strcmp(argv[i], "--only") == 0) {
			only = argv[++i];
		} else {
			fprintf(stderr, "usage: perf_ipc --broker NAME "
					"[--rounds 1-31] [--only TEXT] "
					"[--json]\n");
			return 2;
		}
	}
	if (!broker || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "perf_ipc: give --broker NAME, and --rounds of "
				"1 to %d\n",
			ROUNDS_MAX);
		return 2;
	}
	if (!json)
		printf("%-38s %-4s %9s %9s   ratio (low-high)  target\n", "",
			"", "bare", "libmsg");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (!only || strstr(rows[i].name, only))
			failed |= measure(&rows[i], rounds, json);
	return failed;
}
