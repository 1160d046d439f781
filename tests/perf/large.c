/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * large.c - the bandwidth of large messages, beside that of the bare READ they
 * stand on, as ratios of one run.
 *
 *	perf_large [--device NAME] [--rounds N] [--mib N] [--piece KIB]
 *	           [--thread 0|1]
 *
 * Two processes: one shows memory, and serves; the other reads.  In every round
 * each of the two ways is taken once, in turns first:
 *
 *   bare     link/channel.h: reads of `piece` KiB (1024), 16 under way, from the
 *            first read to the last that is done
 *   message  from msg_publisher_send to msg_subscriber_take
 *
 * The message is filled before the clock starts, once, for memory is used again.
 * The publisher serves by msg_node_progress, or with --thread by the node's thread.
 * Test: perf.smoke.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/trail.h"
#include "harness.h"
#include "link/module.h"

#define ROUNDS_MAX 99u
#define READS 16u

struct shared {
	uint8_t reach[MSG_CHANNEL_REACH_BYTES_MAX];
	uint32_t reach_bytes;
	uint64_t address, key;
	_Atomic uint64_t began; /* When the message was sent. */
	_Atomic int stage;
	_Atomic int done;
};

static struct {
	const char *device;
	uint32_t rounds, mib, piece, thread;
} plan = {.rounds = 5, .mib = 64, .piece = 1024};

static size_t bytes;
static uint32_t port;
static struct shared *shared;

static void check(int failed, const char *what)
{
	if (!failed)
		return;
	fprintf(stderr, "perf_large: %s: %s%s\n", what, msg_error_text(),
		msg_trail_text());
	exit(1);
}

/* Both begin together; whoever is early does his work meanwhile. */
static void meet(int stage, void (*work)(void))
{
	atomic_fetch_add(&shared->stage, 1);
	while (atomic_load(&shared->stage) < 2 * stage)
		work();
}

static void idle(void)
{
	sched_yield();
}

/* ---- bare --------------------------------------------------------------- */

static struct {
	struct msg_link_domain *domain;
	struct msg_channels *set;
	struct msg_channel_region region;
	uint8_t *memory;
	uint32_t handle;
	uint64_t out;
	bool connected;
} bare;

static void bare_open(bool serve)
{
	struct msg_link_domain_options where = {
		.lane = plan.device ? MSG_LANE_VERBS : MSG_LANE_UDP,
		.device = plan.device,
		.ttl = 1,
		.family = AF_INET,
	};
	static _Alignas(4096) uint8_t small[4096];
	struct msg_channels_options options = {
		.memory = small,
		.memory_bytes = sizeof small,
		.receive_count = 1,
		.send_count = READS,
		.connection_max = 4,
		.listen = serve,
	};
	const struct msg_link_domain_ops *ops;
	const struct msg_channel_module *module;
	char text[MSG_LINK_TEXT_BYTES] = "";

	check(msg_link_module_load(&ops), "module");
	check(msg_link_module_channels(&module), "channels");
	check(ops->open(&where, &bare.domain, text), text);
	check(module->open(bare.domain, &options, &bare.set, text), text);
	bare.memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	check(bare.memory == MAP_FAILED, "memory");
	check(bare.set->ops->share(bare.set, bare.memory, bytes,
		      serve ? MSG_CHANNEL_SHARED : MSG_CHANNEL_LOCAL,
		      &bare.region), "share");
	if (!serve)
		return;
	shared->reach_bytes =
		(uint32_t)bare.set->ops->name(bare.set, shared->reach);
	shared->address = bare.region.address;
	shared->key = bare.region.key;
}

static void bare_turn(void)
{
	struct msg_channel_event events[READS];
	int n = bare.set->ops->poll(bare.set, events, READS);

	check(n < 0, "poll");
	for (int i = 0; i < n; i++)
		if (events[i].type == MSG_CHANNEL_ASKED)
			check(bare.set->ops->accept(bare.set, events[i].handle,
				      NULL, 0), "accept");
		else if (events[i].type == MSG_CHANNEL_CONNECTED)
			bare.connected = true;
		else if (events[i].type == MSG_CHANNEL_READ_DONE)
			bare.out--;
}

static uint64_t bare_read(void)
{
	uint64_t begin = now_ns();
	size_t piece = (size_t)plan.piece << 10;

	if (piece > bare.set->message_bytes_max)
		piece = bare.set->message_bytes_max;
	for (size_t at = 0; at < bytes;) {
		struct msg_channel_read read = {
			.into = bare.memory + at,
			.bytes = bytes - at < piece ? bytes - at : piece,
			.address = shared->address + at,
			.key = shared->key,
			.handle = bare.handle,
			.region = &bare.region,
		};
		int result = bare.out < READS
				     ? bare.set->ops->read(bare.set, &read)
				     : -MSG_ERROR_AGAIN;

		check(result < 0 && result != -MSG_ERROR_AGAIN, "read");
		if (result == 0) {
			bare.out++;
			at += read.bytes;
		} else {
			bare_turn();
		}
	}
	while (bare.out > 0)
		bare_turn();
	return now_ns() - begin;
}

/* ---- messages ----------------------------------------------------------- */

static struct msg_node *node;
static struct msg_publisher *publisher;
static struct msg_subscriber *subscriber;

static void open_node(void)
{
	struct msg_node_options o = MSG_NODE_OPTIONS;

	o.device = plan.device;
	o.broker = MSG_BROKER_NEVER;
	o.groups = "239.255.191.0+4";
	o.port = port;
	if (plan.thread)
		o.flags |= MSG_NODE_PROGRESS_THREAD;
	check(msg_node_open(&o, &node), "node");
}

static void serve_open(void)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;

	open_node();
	o.topic = "large";
	o.reliability = MSG_RELIABILITY_RELIABLE;
	o.give_up_ms = 60000;
	o.large_bytes_max = bytes;
	o.large_memory_bytes = bytes;
	check(msg_publisher_open(node, &o, &publisher), "publisher");
}

static void read_open(void)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;

	open_node();
	o.topic = "large";
	o.give_up_ms = 60000;
	o.large_bytes_max = bytes;
	o.large_memory_bytes = bytes;
	check(msg_subscriber_open(node, &o, &subscriber), "subscriber");
}

static void progress(void)
{
	if (plan.thread)
		usleep(1000);
	else
		msg_node_progress(node);
}

/* Behind it the memory is had again only when the reader has all. */
static void send_one(bool fill)
{
	struct msg_loan loan;
	int result;

	while ((result = msg_publisher_loan(publisher, bytes, &loan)) ==
		-MSG_ERROR_AGAIN)
		progress();
	check(result < 0, "loan");
	if (fill)
		memset(loan.data, 0x5a, bytes);
	atomic_store(&shared->began, now_ns());
	check(msg_publisher_send(publisher, &loan, bytes), "send");
}

static uint64_t take_one(void)
{
	struct msg_view view;
	uint64_t now;
	int n;

	while ((n = msg_subscriber_take(subscriber, &view, 1)) == 0)
		;
	now = now_ns();
	check(n < 0 || view.lost_before > 0 || view.bytes != bytes, "take");
	msg_subscriber_release(subscriber, &view, 1);
	return now - atomic_load(&shared->began);
}

/* ---- both --------------------------------------------------------------- */

static double results[2][ROUNDS_MAX];

static void serve_round(int way, bool fill)
{
	int before = atomic_load(&shared->done);

	if (way == 1)
		send_one(fill);
	while (atomic_load(&shared->done) == before)
		if (way == 0)
			bare_turn();
		else
			progress();
}

static double read_round(int way)
{
	uint64_t ns = way == 0 ? bare_read() : take_one();

	atomic_fetch_add(&shared->done, 1);
	return (double)bytes / (double)(1 << 20) / ((double)ns / 1e9);
}

static void run(bool serve)
{
	int stage = 2;

	/* Once for nothing: memory is made, connections come about. */
	for (uint32_t r = 0; r <= plan.rounds; r++)
		for (int i = 0; i < 2; i++) {
			int way = (i + (int)r) % 2;

			meet(++stage, idle);
			if (serve)
				serve_round(way, r == 0);
			else if (r > 0)
				results[way][r - 1] = read_round(way);
			else
				read_round(way);
		}
	meet(++stage, idle);
}

static void serve(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bare_open(true);
	serve_open();
	meet(1, bare_turn);
	meet(2, bare_turn);
	run(true);
	check(msg_publisher_close(publisher), "close");
}

static void drive(void)
{
	bare_open(false);
	read_open();
	meet(1, idle);
	check(bare.set->ops->connect(bare.set, shared->reach,
		      shared->reach_bytes, NULL, 0, &bare.handle), "connect");
	while (!bare.connected)
		bare_turn();
	meet(2, idle);
	run(false);
	check(msg_subscriber_close(subscriber), "close");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, plan.rounds, sizeof *values, by_value);
	return values[plan.rounds / 2];
}

static void print(void)
{
	double ratios[ROUNDS_MAX];
	double middle;

	for (uint32_t r = 0; r < plan.rounds; r++)
		ratios[r] = results[1][r] / results[0][r];
	middle = median(ratios);
	printf("%-16s %10s %10s %7s %s\n", "MiB/s", "bare READ", "message",
		"ratio", "(lowest, highest)");
	printf("%5u MiB        %10.0f %10.0f %7.3f (%.3f, %.3f)\n", plan.mib,
		median(results[0]), median(results[1]), middle, ratios[0],
		ratios[plan.rounds - 1]);
}

static bool read_plan(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		uint32_t number = (uint32_t)atoi(argv[i + 1]);

		if (strcmp(argv[i], "--device") == 0)
			plan.device = argv[i + 1];
		else if (strcmp(argv[i], "--rounds") == 0)
			plan.rounds = number;
		else if (strcmp(argv[i], "--mib") == 0)
			plan.mib = number;
		else if (strcmp(argv[i], "--piece") == 0)
			plan.piece = number;
		else if (strcmp(argv[i], "--thread") == 0)
			plan.thread = number;
		else
			return false;
	}
	return argc % 2 == 1 && plan.rounds >= 1 && plan.rounds <= ROUNDS_MAX &&
	       plan.mib >= 1 && plan.mib <= 1024 && plan.piece >= 1;
}

int main(int argc, char **argv)
{
	int status = 0;
	pid_t pid;

	if (!read_plan(argc, argv)) {
		fprintf(stderr,
			"usage: %s [--device NAME] [--rounds 1..%u] "
			"[--mib 1..1024] [--piece KIB] [--thread 0|1]\n",
			argv[0], ROUNDS_MAX);
		return 2;
	}
	bytes = (size_t)plan.mib << 20;
	port = 20000 + (uint32_t)getpid() % 20000;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(shared == MAP_FAILED, "memory");
	pid = fork();
	check(pid < 0, "fork");
	if (pid == 0) {
		serve();
		_exit(0);
	}
	drive();
	print();
	waitpid(pid, &status, 0);
	return status == 0 ? 0 : 1;
}
