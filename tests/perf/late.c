/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * late.c - how long a late joiner takes to have what was sent before it came.
 *
 *     perf_late [--interface IF | --device NAME] [--bytes N] [--count N]
 *         [--rounds N] [--fifo] [--batch N] [--rc] [--publisher SOCKET]
 *         [--subscriber SOCKET] [--give-up MS] [--pause US]
 *
 * A publisher of its own process has sent COUNT messages of a reliable topic, in
 * batches (of 32), and sleeps; a thread of its node serves who asks.  A subscriber
 * opens the topic with a wish for all of them and takes them.  In turns with it:
 *
 *     copy   the same bytes from one buffer to another, message by message
 *     live   the same messages as they are sent, to a subscriber that is there
 *     late   the same messages from the history
 *
 * --device: by a verbs lane, where it reads them.  --rc: a topic by connections.
 * --publisher, --subscriber: behind the broker at that socket, each.  --pause: late,
 * it takes one message each so many microseconds; --give-up: of the subscriber, 20 s
 * unless told.  What is read or repaired is then the broker's count.  One line a
 * round: bytes, count, copy, live, late in ns, of late how long until the first
 * message came, the frames that were read from the publisher, those that it sent
 * again, and the processor time of its process (not of its broker) in ns, both of
 * them while it was late.  Times of opening sockets and buffers are in none of them:
 * late counts from the open call's return.
 * Neighbours: reliable.sh.  Test: perf.smoke.
 */
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "now.h"

#define BATCH_MAX 1000u
#define VIEWS 64
#define LIMIT_NS 20000000000u
#define BROKERS_NS 3000000000u
#define BYTES_MAX 8192u
#define COUNT_MAX 1000000u
#define SEGMENTS 64 /* Of 256 bytes, the smallest frame: 8192 and more. */
#define CONNECTED_BYTES 16384u /* Of a batch, by connections. */

static struct {
	const char *interface;
	const char *device;
	uint32_t bytes;
	uint32_t count;
	uint32_t rounds;
	bool fifo;
	bool rc;
	uint32_t batch;
	uint32_t give_up_ms;
	uint32_t pause_us;
	const char *publisher; /* The sockets of brokers, or NULL. */
	const char *subscriber;
} plan = {.interface = "lo", .bytes = 64, .count = 100000, .rounds = 3,
	.batch = 32, .give_up_ms = 20000};

/* Another each round: a broker may still serve the publisher of the last one. */
static char topic[32];

/* What is being measured. */
static const char *phase;

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "perf_late: %s: %s\n", what, msg_error_text());
	exit(1);
}

static void prefer(void)
{
	struct sched_param priority = {.sched_priority = 1};

	if (plan.fifo && sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
		perror("warning: --fifo");
}

static struct msg_node *open_node(uint32_t flags, const char *broker)
{
	struct msg_node_options o = MSG_NODE_OPTIONS;
	struct msg_node *node;

	o.interface = plan.device ? NULL : plan.interface;
	o.device = plan.device;
	o.lane = plan.device ? MSG_LANE_VERBS : MSG_LANE_UDP;
	o.broker = MSG_BROKER_NEVER;
	if (broker) {
		o.broker = MSG_BROKER_REQUIRE;
		o.broker_name = broker;
		o.interface = o.device = NULL;
		o.lane = MSG_LANE_DEFAULT;
	}
	o.flags = flags;
	must(msg_node_open(&o, &node), "node");
	return node;
}

/* ---- publisher ---------------------------------------------------------- */

static struct msg_publisher *open_publisher(struct msg_node *node)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *publisher;
	struct msg_node_info info;
	size_t each, frames, bytes;

	msg_node_describe(node, &info);
	bytes = plan.rc ? CONNECTED_BYTES : info.frame_bytes;
	/* A slot a frame, and a frame holds a batch if it can. */
	each = (bytes - 64) / (plan.bytes + 16);
	each = each < plan.batch ? each > 0 ? each : 1 : plan.batch;
	frames = (plan.count / plan.batch + 1) * ((plan.batch + each - 1) / each) + 64;
	o.topic = topic;
	/* More than a frame has, perhaps. */
	o.message_bytes_max = plan.bytes;
	o.reliability = plan.rc ? MSG_RELIABILITY_RC
				: MSG_RELIABILITY_RELIABLE;
	o.flow = MSG_FLOW_MIN;
	o.history_bytes = frames * (bytes + 4096u);
	must(msg_publisher_open(node, &o, &publisher), "publisher");
	return publisher;
}

static void publish_all(struct msg_publisher *publisher)
{
	struct msg_loan loan;

	for (uint32_t i = 1; i <= plan.count; i++) {
		int result;

		while ((result = msg_publisher_loan(publisher, plan.bytes,
				&loan)) == -MSG_ERROR_AGAIN)
			sched_yield();
		must(result, "loan");
		memset(loan.data, (int)i, plan.bytes);
		must(i % plan.batch ? msg_publisher_queue(
					 publisher, &loan, plan.bytes)
			       : msg_publisher_send(
					 publisher, &loan, plan.bytes),
			"send");
	}
	must(msg_publisher_flush(publisher), "flush");
}

/* What the publisher says of itself when it is asked. */
struct said {
	uint64_t cpu_ns;
	uint64_t repairs;
};

static struct said say_of(const struct msg_publisher *publisher)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (struct said){
		(uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
		msg_publisher_counter(publisher, MSG_COUNTER_REPAIRS)};
}

/* A subscriber behind a broker does not know what that has reported. */
static void await_report(struct msg_publisher *publisher)
{
	uint64_t limit = now_ns() + LIMIT_NS;

	while (plan.subscriber && !plan.publisher && now_ns() < limit &&
		msg_publisher_counter(publisher, MSG_COUNTER_REPORTS) == 0)
		usleep(1000);
}

/* Says a word when it is there, sends when it hears one, says another, and then of
 * itself as often as it is asked, until its input ends. */
static int run_publisher(int in, int out)
{
	struct msg_node *node;
	struct msg_publisher *publisher;
	struct said said;
	char word = 'p';

	/* Its thread, too. */
	prefer();
	node = open_node(MSG_NODE_PROGRESS_THREAD, plan.publisher);
	publisher = open_publisher(node);
	if (write(out, &word, 1) != 1 || read(in, &word, 1) != 1)
		return 1;
	await_report(publisher);
	publish_all(publisher);
	if (write(out, &word, 1) != 1)
		return 1;
	while (read(in, &word, 1) > 0) {
		said = say_of(publisher);
		if (write(out, &said, sizeof said) != sizeof said)
			return 1;
	}
	must(msg_publisher_close(publisher), "close");
	must(msg_node_close(node), "close");
	return 0;
}

struct publisher {
	pid_t pid;
	int to, from;
};

static struct publisher start_publisher(void)
{
	struct publisher p;
	int down[2], up[2];

	if (pipe(down) != 0 || pipe(up) != 0 || (p.pid = fork()) < 0) {
		perror("perf_late");
		exit(1);
	}
	if (p.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(down[1]);
		close(up[0]);
		_exit(run_publisher(down[0], up[1]));
	}
	close(down[0]);
	close(up[1]);
	p.to = down[1];
	p.from = up[0];
	return p;
}

static void hear(const struct publisher *p)
{
	char word;

	if (read(p->from, &word, 1) == 1)
		return;
	fprintf(stderr, "perf_late: the publisher ended\n");
	exit(1);
}

static void go(const struct publisher *p)
{
	if (write(p->to, "g", 1) != 1)
		exit(1);
}

static struct said ask(const struct publisher *p)
{
	struct said said;

	go(p);
	if (read(p->from, &said, sizeof said) != sizeof said)
		exit(1);
	return said;
}

static void end_publisher(const struct publisher *p)
{
	int status;

	close(p->to);
	close(p->from);
	if (waitpid(p->pid, &status, 0) != p->pid || status != 0) {
		fprintf(stderr, "perf_late: the publisher failed\n");
		exit(1);
	}
}

/* ---- subscriber --------------------------------------------------------- */

struct times {
	uint64_t copy, live, late, first, fetched;
	uint64_t repairs, cpu;
};

static struct msg_subscriber *open_subscriber(
	struct msg_node *node, uint32_t history)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *subscriber;

	o.topic = topic;
	o.history_count = history;
	o.give_up_ms = plan.give_up_ms;
	/* Which say why, and cost a little. */
	o.events = plan.pause_us > 0;
	must(msg_subscriber_open(node, &o, &subscriber), "subscriber");
	return subscriber;
}

/* Of a view of any number of segments. */
static uint8_t last_byte(
	struct msg_subscriber *subscriber, const struct msg_view *view)
{
	struct msg_segment all[SEGMENTS];
	int n = msg_subscriber_segments(subscriber, view, all, SEGMENTS);

	must(n, "segments");
	return ((const uint8_t *)all[n - 1].data)[all[n - 1].bytes - 1];
}

static void check(struct msg_subscriber *subscriber,
	const struct msg_view *view, uint64_t number)
{
	if (view->event == MSG_EVENT_MESSAGE && view->lost_before == 0 &&
		view->sequence == number &&
		view->bytes == plan.bytes &&
		last_byte(subscriber, view) == (uint8_t)(number + 1))
		return;
	fprintf(stderr,
		"perf_late: %s: message %llu instead of %llu, %llu lost "
		"(event %u, reason %u)\n",
		phase, (unsigned long long)view->sequence,
		(unsigned long long)number,
		(unsigned long long)view->lost_before, view->event, view->reason);
	exit(1);
}

/* All of them, with a pause behind each if there is one; from when on the first was
 * there. */
static uint64_t take_all(
	struct msg_subscriber *subscriber, uint64_t begin, uint32_t pause_us)
{
	uint64_t last = begin;
	struct msg_view views[VIEWS];
	uint64_t taken = 0, first = 0;

	while (taken < plan.count) {
		int n = msg_subscriber_take(
			subscriber, views, pause_us > 0 ? 1 : VIEWS);

		must(n, "take");
		for (int i = 0; i < n; i++)
			if (views[i].event == MSG_EVENT_MESSAGE ||
				views[i].event == MSG_EVENT_LOST)
				check(subscriber, &views[i], taken++);
		msg_subscriber_release(subscriber, views, n);
		if (n > 0)
			last = now_ns();
		if (n > 0 && first == 0)
			first = last;
		if (n > 0 && pause_us > 0)
			usleep(pause_us);
		if (n > 0)
			continue;
		if (now_ns() - last > LIMIT_NS) {
			fprintf(stderr, "perf_late: %llu of %u came\n",
				(unsigned long long)taken, plan.count);
			exit(1);
		}
		n = msg_subscriber_wait(subscriber, 20000000);
		if (n < 0 && n != -MSG_ERROR_TIMEOUT)
			must(n, "wait");
	}
	return first;
}

static uint64_t copy_all(void)
{
	size_t bytes = (size_t)plan.count * plan.bytes;
	uint8_t *from = malloc(bytes), *to = malloc(bytes);
	uint64_t begin;

	if (!from || !to)
		exit(1);
	memset(from, 1, bytes);
	memset(to, 2, bytes);
	begin = now_ns();
	for (size_t at = 0; at < bytes; at += plan.bytes) {
		memcpy(to + at, from + at, plan.bytes);
		/* Each by itself, and none left out. */
		__asm__ volatile("" ::: "memory");
	}
	begin = now_ns() - begin;
	free(from);
	free(to);
	return begin;
}

/* The publisher waits for who has reported: until it has, it knows nobody.  Of two
 * brokers nobody here knows when they have met. */
static void meet(struct msg_subscriber *subscriber)
{
	uint64_t limit =
		now_ns() + (plan.subscriber ? BROKERS_NS : LIMIT_NS);
	struct msg_view view;

	if (plan.subscriber && !plan.publisher)
		return;
	while (msg_subscriber_counter(subscriber, MSG_COUNTER_REPORTS) == 0 &&
		now_ns() < limit) {
		int n = msg_subscriber_take(subscriber, &view, 1);

		must(n, "take");
		msg_subscriber_release(subscriber, &view, n);
		usleep(1000);
	}
}

static struct times measure(void)
{
	static unsigned round;
	struct publisher publisher;
	struct msg_node *node;
	struct msg_subscriber *subscriber;
	struct times times = {0};
	struct said before, after;
	uint64_t begin;

	snprintf(topic, sizeof topic, "perf.late.%d.%u", (int)getpid(),
		round++);
	/* Before there is a device: what is open at a fork is of no use behind it. */
	publisher = start_publisher();
	node = open_node(0, plan.subscriber);
	hear(&publisher);
	prefer();
	times.copy = copy_all();
	subscriber = open_subscriber(node, 0);
	meet(subscriber);
	phase = "live";
	begin = now_ns();
	go(&publisher);
	take_all(subscriber, begin, 0);
	times.live = now_ns() - begin;
	hear(&publisher);
	must(msg_subscriber_close(subscriber), "close");
	before = ask(&publisher);
	phase = "late";
	subscriber = open_subscriber(node, UINT32_MAX);
	begin = now_ns();
	times.first = take_all(subscriber, begin, plan.pause_us) - begin;
	times.late = now_ns() - begin;
	after = ask(&publisher);
	times.repairs = after.repairs - before.repairs;
	times.cpu = after.cpu_ns - before.cpu_ns;
	times.fetched = msg_subscriber_counter(subscriber, MSG_COUNTER_FETCHED);
	must(msg_subscriber_close(subscriber), "close");
	must(msg_node_close(node), "close");
	end_publisher(&publisher);
	return times;
}

static bool parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"interface", required_argument, NULL, 'i'},
		{"device", required_argument, NULL, 'd'},
		{"bytes", required_argument, NULL, 'b'},
		{"count", required_argument, NULL, 'c'},
		{"rounds", required_argument, NULL, 'r'},
		{"fifo", no_argument, NULL, 'f'},
		{"batch", required_argument, NULL, 'B'},
		{"rc", no_argument, NULL, 'R'},
		{"give-up", required_argument, NULL, 'g'},
		{"pause", required_argument, NULL, 'u'},
		{"publisher", required_argument, NULL, 'p'},
		{"subscriber", required_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (option == 'i')
			plan.interface = optarg;
		else if (option == 'd')
			plan.device = optarg;
		else if (option == 'b')
			plan.bytes = (uint32_t)strtoul(optarg, NULL, 0);
		else if (option == 'c')
			plan.count = (uint32_t)strtoul(optarg, NULL, 0);
		else if (option == 'r')
			plan.rounds = (uint32_t)strtoul(optarg, NULL, 0);
		else if (option == 'f')
			plan.fifo = true;
		else if (option == 'B')
			plan.batch = (uint32_t)strtoul(optarg, NULL, 0);
		else if (option == 'R')
			plan.rc = true;
		else if (option == 'g')
			plan.give_up_ms = (uint32_t)strtoul(optarg, NULL, 0);
		else if (option == 'u')
			plan.pause_us = (uint32_t)strtoul(optarg, NULL, 0);
		else if (option == 'p')
			plan.publisher = optarg;
		else if (option == 's')
			plan.subscriber = optarg;
		else
			return false;
	return optind == argc && plan.bytes >= 1 && plan.bytes <= BYTES_MAX &&
	       plan.count >= 1 && plan.count <= COUNT_MAX && plan.rounds >= 1 &&
	       plan.batch >= 1 && plan.batch <= BATCH_MAX;
}

int main(int argc, char **argv)
{
	if (!parse(argc, argv)) {
		fprintf(stderr, "see the head of late.c\n");
		return 2;
	}
	for (uint32_t i = 0; i < plan.rounds; i++) {
		struct times t = measure();

		printf("%u\t%u\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\n",
			plan.bytes,
			plan.count, (unsigned long long)t.copy,
			(unsigned long long)t.live,
			(unsigned long long)t.late,
			(unsigned long long)t.first,
			(unsigned long long)t.fetched,
			(unsigned long long)t.repairs,
			(unsigned long long)t.cpu);
		fflush(stdout);
	}
	return 0;
}
