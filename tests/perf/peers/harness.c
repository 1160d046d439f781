/* SPDX-License-Identifier: BSD-2-Clause */
/* harness.c - processes, pacing, counting; see peer.h. */
#include "peer.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../sum.h"
#include "account.h"

#define SAMPLES_MAX 60000u  /* Of a subscriber. */
#define QUIET_NS 500000000u /* Silence after the last message that ends it. */
#define STUCK_NS 20000000u  /* A window that stood for so long has lost some. */
#define WINDOW_BYTES                                                           \
	(4u << 20) /* Of messages; the kernel's share is beside it. */
#define WINDOW_LEAST (2 * PEER_BATCH)
#define HELLO_US 5000
#define LIMIT_SECONDS 60

struct peer_reader {
	_Alignas(128) _Atomic uint64_t seen; /* Its own messages, in all. */
	_Atomic bool greeted;
	uint64_t sum; /* Of all bytes: nothing is optimised away. */
	uint64_t first_ns, last_ns;
	double cpu_ns;
	bool samples_wanted;
	uint32_t sample_count;
	uint32_t samples[SAMPLES_MAX]; /* ns */
};

/* One writer each. */
struct page {
	_Atomic uint32_t ready;
	_Atomic bool done;
	_Atomic uint64_t sent;
	double cpu_ns; /* Publisher. */
	double daemon_cpu_ns;
	uint64_t ns; /* From first to last message sent. */
	struct peer_reader readers[PEER_SUBSCRIBERS_MAX];
};

/* Number 0 is a greeting: not counted. */
struct head {
	uint64_t number;
	uint64_t stamp;
};

void peer_fill(void *to, size_t bytes, uint64_t number)
{
	struct head head = {.number = number};

	memset(to, (int)(number & 0xff), bytes);
	head.stamp = peer_now();
	memcpy(to, &head, sizeof head);
}

void peer_read_more(struct peer_reader *reader, const void *data, size_t bytes)
{
	reader->sum += sum_of(data, bytes);
}

void peer_read(struct peer_reader *reader, const void *data, size_t bytes)
{
	struct head head;
	uint64_t now;

	/* All of it, then the clock: who hands over a pointer pays for what it
	 * points to just as who has copied it. */
	peer_read_more(reader, data, bytes);
	now = peer_now();
	memcpy(&head, data, sizeof head);
	if (head.number == 0) {
		atomic_store(&reader->greeted, true);
		return;
	}
	reader->last_ns = now;
	if (reader->first_ns == 0)
		reader->first_ns = now;
	if (reader->samples_wanted && reader->sample_count < SAMPLES_MAX)
		reader->samples[reader->sample_count++] =
			(uint32_t)(now - head.stamp);
	atomic_fetch_add_explicit(&reader->seen, 1, memory_order_release);
}

/* ---- the publisher ----------------------------------------------------- */

static uint64_t least_seen(const struct peer_plan *plan, struct page *page)
{
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; i < plan->subscribers; i++) {
		uint64_t seen = atomic_load_explicit(
			&page->readers[i].seen, memory_order_acquire);

		least = seen < least ? seen : least;
	}
	return least;
}

/* Until everybody hears it: how that comes about differs. */
static int greet(const struct peer_plan *plan, struct page *page,
	const struct peer *peer, void *publisher)
{
	for (uint32_t heard = 0; heard < plan->subscribers;) {
		if (peer->send(publisher, 0, false) != 0)
			return -1;
		usleep(HELLO_US);
		heard = 0;
		for (uint32_t i = 0; i < plan->subscribers; i++)
			heard += atomic_load(&page->readers[i].greeted);
	}
	usleep(4 * HELLO_US);
	return 0;
}

static void wait_for_room(const struct peer_plan *plan, struct page *page,
	uint64_t sent, uint64_t *gone)
{
	uint64_t last = 0, since = 0;

	for (;;) {
		uint64_t seen = least_seen(plan, page);

		if (sent < seen + *gone + plan->window)
			return;
		if (since == 0 || seen != last)
			since = peer_now();
		else if (peer_now() - since > STUCK_NS)
			*gone = sent - seen;
		last = seen;
		usleep(0);
	}
}

static int send_flood(const struct peer_plan *plan, struct page *page,
	const struct peer *peer, void *publisher)
{
	uint64_t end = peer_now() + (uint64_t)(plan->seconds * 1e9);
	uint64_t sent = 0, gone = 0;

	while (peer_now() < end) {
		for (uint32_t i = 0; i < PEER_BATCH; i++) {
			bool more = i + 1 < PEER_BATCH;

			if (plan->window && i == 0)
				wait_for_room(
					plan, page, sent + PEER_BATCH, &gone);
			if (peer->send(publisher, ++sent, more) != 0)
				return -1;
		}
		atomic_store(&page->sent, sent);
	}
	return 0;
}

static void wait_until(const struct peer_plan *plan, uint64_t due)
{
	struct timespec at = {
		.tv_sec = (time_t)(due / 1000000000u),
		.tv_nsec = (long)(due % 1000000000u),
	};

	if (plan->mode == PEER_BLOCK)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	while (peer_now() < due)
		;
}

static int send_paced(const struct peer_plan *plan, struct page *page,
	const struct peer *peer, void *publisher)
{
	uint64_t count = (uint64_t)(plan->rate * plan->seconds);
	uint64_t start = peer_now();

	for (uint64_t i = 1; i <= count; i++) {
		wait_until(
			plan, start + (uint64_t)((double)i * 1e9 / plan->rate));
		if (peer->send(publisher, i, false) != 0)
			return -1;
		atomic_store(&page->sent, i);
	}
	return 0;
}

/* Two that spin need a processor each.  This thread alone, and when all is open:
 * what threads a library has started go where they like. */
static void settle(const struct peer_plan *plan, int cpu)
{
	cpu_set_t cpus;

	if (plan->mode != PEER_SPIN)
		return;
	CPU_ZERO(&cpus);
	CPU_SET((size_t)cpu, &cpus);
	sched_setaffinity(0, sizeof cpus, &cpus);
}

static int run_publisher(const struct peer_plan *plan, struct page *page,
	const struct peer *peer)
{
	double cpu, daemon_cpu;
	uint64_t begin;
	void *publisher;
	int result;

	if (peer->publisher_open(plan, &publisher) != 0 ||
		greet(plan, page, peer, publisher) != 0)
		return 1;
	settle(plan, 0);
	daemon_cpu = account_of_process(plan->daemon_pid);
	cpu = account_of_self();
	begin = peer_now();
	result = plan->mode == PEER_RATE
			 ? send_flood(plan, page, peer, publisher)
			 : send_paced(plan, page, peer, publisher);
	page->ns = peer_now() - begin;
	page->cpu_ns = account_of_self() - cpu;
	page->daemon_cpu_ns = account_of_process(plan->daemon_pid) - daemon_cpu;
	atomic_store(&page->done, true);
	/* Who leaves takes with it what some peers have yet to hand over. */
	while (atomic_load(&page->ready) > 0)
		usleep(HELLO_US);
	peer->publisher_close(publisher);
	return result == 0 ? 0 : 1;
}

/* ---- a subscriber ------------------------------------------------------ */

static bool is_over(const struct page *page, const struct peer_reader *reader)
{
	if (!atomic_load(&page->done))
		return false;
	return atomic_load(&reader->seen) >= atomic_load(&page->sent) ||
	       peer_now() - reader->last_ns > QUIET_NS;
}

static int run_subscriber(const struct peer_plan *plan, struct page *page,
	const struct peer *peer, uint32_t index)
{
	struct peer_reader *reader = &page->readers[index];
	double cpu = -1;
	void *subscriber;
	int n = 0;

	reader->samples_wanted = plan->mode != PEER_RATE;
	if (peer->subscriber_open(plan, index, &subscriber) != 0)
		return 1;
	settle(plan, 1);
	atomic_fetch_add(&page->ready, 1);
	while (n >= 0 && !is_over(page, reader)) {
		n = peer->take(subscriber, reader);
		if (cpu < 0 && atomic_load(&page->sent) > 0)
			cpu = account_of_self();
		if (n == 0 && plan->mode != PEER_SPIN)
			n = peer->wait(subscriber);
	}
	reader->cpu_ns = account_of_self() - cpu;
	atomic_fetch_sub(&page->ready, 1);
	peer->subscriber_close(subscriber);
	return n < 0;
}

/* ---- all of them ------------------------------------------------------- */

/* `index` of a subscriber; -1: the publisher. */
static pid_t start(const struct peer_plan *plan, struct page *page,
	const struct peer *peer, int index)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1ul);
	alarm(LIMIT_SECONDS);
	/* Not _exit: some say goodbye to their daemon by a destructor. */
	exit(index < 0 ? run_publisher(plan, page, peer)
		       : run_subscriber(plan, page, peer, (uint32_t)index));
}

static int run_all(const struct peer_plan *plan, struct page *page,
	const struct peer *peer)
{
	pid_t pids[PEER_SUBSCRIBERS_MAX + 1];
	int count = 0, failed = 0;

	for (uint32_t i = 0; i < plan->subscribers; i++)
		pids[count++] = start(plan, page, peer, (int)i);
	while (atomic_load(&page->ready) < plan->subscribers) {
		if (waitpid(-1, NULL, WNOHANG) > 0)
			failed = 1;
		if (failed)
			break;
		usleep(1000);
	}
	if (!failed)
		pids[count++] = start(plan, page, peer, -1);
	for (int status; wait(&status) > 0 || failed == 0;) {
		if (status != 0)
			failed = 1;
		/* The others would wait for it. */
		for (int i = 0; failed && i < count; i++)
			kill(pids[i], SIGKILL);
		if (--count == 0)
			break;
	}
	return failed;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(const struct peer_plan *plan, struct page *page,
	const struct peer *peer)
{
	static uint32_t all[PEER_SUBSCRIBERS_MAX * SAMPLES_MAX];
	static const char *const modes[] = {"rate", "spin", "block"};
	uint64_t sent = atomic_load(&page->sent), got = 0;
	double rate = 0, cpu = 0, p50, p99;
	uint32_t n = 0;

	for (uint32_t i = 0; i < plan->subscribers; i++) {
		struct peer_reader *r = &page->readers[i];
		uint64_t seen = atomic_load(&r->seen);

		got += seen;
		cpu += r->cpu_ns;
		if (r->last_ns > r->first_ns)
			rate += (double)(seen - 1) * 1e9 /
				(double)(r->last_ns - r->first_ns);
		memcpy(all + n, r->samples, r->sample_count * sizeof *all);
		n += r->sample_count;
	}
	qsort(all, n, sizeof *all, by_value);
	p50 = n ? all[n / 2] / 1e3 : 0;
	p99 = n ? all[(size_t)(n * 0.99)] / 1e3 : 0;
	/* name style mode subscribers bytes sent delivered% rate/s p50 p99 us,
	 * CPU us a message of publisher, of all subscribers, of the daemon */
	printf("%s\t%s\t%s\t%u\t%u\t%llu\t%.3f\t%.0f\t%.2f\t%.2f\t%.3f\t%.3f"
	       "\t%.3f\n",
		peer->name, plan->style ? plan->style : "-", modes[plan->mode],
		plan->subscribers, plan->bytes, (unsigned long long)sent,
		100.0 * (double)got / (double)(sent * plan->subscribers),
		rate / plan->subscribers, p50, p99,
		page->cpu_ns / 1e3 / (double)sent, cpu / 1e3 / (double)sent,
		page->daemon_cpu_ns / 1e3 / (double)sent);
}

static int read_arguments(int argc, char **argv, struct peer_plan *plan)
{
	if (argc < 2)
		return -1;
	plan->mode = strcmp(argv[1], "rate") == 0   ? PEER_RATE
		     : strcmp(argv[1], "spin") == 0 ? PEER_SPIN
						    : PEER_BLOCK;
	for (int i = 2; i + 1 < argc; i += 2) {
		const char *name = argv[i], *value = argv[i + 1];

		if (strcmp(name, "--subscribers") == 0)
			plan->subscribers = (uint32_t)atoi(value);
		else if (strcmp(name, "--bytes") == 0)
			plan->bytes = (uint32_t)atoi(value);
		else if (strcmp(name, "--rate") == 0)
			plan->rate = atof(value);
		else if (strcmp(name, "--seconds") == 0)
			plan->seconds = atof(value);
		else if (strcmp(name, "--place") == 0)
			plan->place = value;
		else if (strcmp(name, "--style") == 0)
			plan->style = value;
		else if (strcmp(name, "--daemon") == 0)
			plan->daemon_pid = atol(value);
		else
			return -1;
	}
	return plan->subscribers >= 1 &&
			       plan->subscribers <= PEER_SUBSCRIBERS_MAX &&
			       plan->bytes >= sizeof(struct head) &&
			       plan->seconds > 0 && plan->rate > 0
		       ? 0
		       : -1;
}

/* What sockets hold in any case, and enough for both sides to be busy. */
static uint32_t window(const struct peer *peer, uint32_t bytes)
{
	uint32_t count = WINDOW_BYTES / (bytes < 1024 ? 1024 : bytes);

	if (count > peer->window)
		count = peer->window;
	return count > WINDOW_LEAST ? count : WINDOW_LEAST;
}

int peer_main(int argc, char **argv, const struct peer *peer)
{
	struct peer_plan plan = {.subscribers = 1,
		.bytes = 64,
		.rate = 10000,
		.seconds = 0.5,
		.place = "/tmp"};
	struct page *page;

	if (read_arguments(argc, argv, &plan) != 0) {
		fprintf(stderr,
			"usage: %s rate|spin|block [--subscribers N] "
			"[--bytes N] [--rate R] [--seconds S] "
			"[--place FOLDER] [--style S] [--daemon PID]\n",
			argv[0]);
		return 2;
	}
	plan.window = peer->holds_back ? 0 : window(peer, plan.bytes);
	page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || run_all(&plan, page, peer) != 0) {
		fprintf(stderr, "%s: failed\n", peer->name);
		return 1;
	}
	report(&plan, page, peer);
	return 0;
}
