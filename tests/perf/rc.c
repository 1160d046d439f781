/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rc.c - what channels cost above libfabric's own calls, and what rc topics do, as
 * ratios of one run.
 *
 *	perf_rc [--device NAME] [--rounds N] [--pings N] [--mib N] [--fifo 1]
 *	        [--only raw|each|channel|apart|topic]
 *
 * Two processes with both ways open; in every round each measure is taken by
 * the one and then by the other, in turns first.
 *
 *   latency    64 B to and fro: half the round trip, median of `pings`; and 88 B,
 *              for that is what a topic's 64 are on the wire: rxe takes its time by
 *              the byte, and a step longer for the first beyond 76
 *   only       that one alone, which is for counting its calls and packets
 *   bandwidth  `mib` MiB one way in messages of 64 KiB and 1 MiB, at most
 *              RC_WINDOW under way, until the last is acknowledged
 *   distance   a cache line to and fro, each round before all else: virtual
 *              processors are moved now and then, and two that share no cache
 *              take half as long again for a message and give 64 KiB at half the
 *              rate; figures of runs are comparable when these are
 *
 * Neighbours: rc.h.  Test: perf.smoke.
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

#include "harness.h"
#include "rc.h"

#define ROUNDS_MAX 99u
#define LINES 20000u /* Even: the one begins, the other ends. */
#define SPINS_MAX 10000u /* He may have no processor. */
#define PINGS_MAX 100000u

enum way { RAW, EACH, CHANNEL, APART, TOPIC, WAYS };

static const struct rc_way *const ways[WAYS] = {
	&rc_raw, &rc_each, &rc_channel, &rc_apart, &rc_topic};

/* Those that are measured. */
static int used[WAYS] = {RAW, EACH, CHANNEL, APART, TOPIC};
static int used_count = WAYS;

struct shared {
	struct rc_address addresses[WAYS];
	_Atomic int stage;
	_Alignas(128) _Atomic uint32_t line; /* And nothing else beside it. */
	_Alignas(128) uint8_t end[128];
};

struct measure {
	const char *name;
	uint32_t bytes;
	bool latency;
	double budget; /* Of raw: no more of a time, no less of a rate. */
};

static const struct measure measures[] = {
	{"64 B one way, p50, ns", 64, true, 1.15},
	{"88 B one way, p50, ns", 88, true, 1.15},
	{"64 KiB, MiB/s", 64 << 10, false, 0.9},
	{"1 MiB, MiB/s", 1 << 20, false, 0.9},
};

#define MEASURES (sizeof measures / sizeof measures[0])

static struct {
	const char *device;
	uint32_t rounds, pings, mib;
	uint32_t fifo; /* Real-time priority while measuring, each on its own
	                  processor: bursts of a tenth of a second. */
} plan = {.rounds = 9, .pings = 5000, .mib = 64};

void rc_check(bool failed, const char *what, int error)
{
	if (!failed)
		return;
	fprintf(stderr, "perf_rc: %s: %s\n", what,
		error ? strerror(error) : "failed");
	exit(1);
}

uint8_t *rc_memory(void)
{
	uint8_t *memory = mmap(NULL, 2ul * RC_WINDOW * RC_BYTES_MAX,
		PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	rc_check(memory == MAP_FAILED, "memory", 0);
	return memory;
}

/* ---- one measure, at both ends ------------------------------------------ */

static void wait_received(
	const struct rc_way *way, struct rc_found *found, uint32_t count)
{
	while (found->received < count)
		way->poll(found);
}

static void send_surely(const struct rc_way *way, struct rc_found *found,
	uint32_t slot, uint32_t bytes)
{
	while (!way->send(slot, bytes))
		way->poll(found);
}

static void settle(
	const struct rc_way *way, struct rc_found *found, uint32_t sent)
{
	while (found->sent < sent)
		way->poll(found);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double ping(const struct rc_way *way, bool first, uint32_t bytes)
{
	static uint32_t ns[PINGS_MAX];
	struct rc_found found = {0};

	for (uint32_t i = 0; i < plan.pings; i++) {
		uint64_t begin = now_ns();

		if (first) {
			send_surely(way, &found, 0, bytes);
			wait_received(way, &found, i + 1);
		} else {
			wait_received(way, &found, i + 1);
			send_surely(way, &found, 0, bytes);
		}
		ns[i] = (uint32_t)(now_ns() - begin);
	}
	settle(way, &found, plan.pings);
	qsort(ns, plan.pings, sizeof ns[0], by_value);
	return ns[plan.pings / 2] / 2.0;
}

static double stream(const struct rc_way *way, bool first, uint32_t bytes)
{
	uint32_t count = (uint32_t)(((uint64_t)plan.mib << 20) / bytes);
	struct rc_found found = {0};
	uint64_t begin = now_ns();
	double seconds;

	if (!first) {
		wait_received(way, &found, count);
		send_surely(way, &found, 0, 8);
		settle(way, &found, 1);
		return 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		while (i - found.sent >= RC_WINDOW)
			way->poll(&found);
		send_surely(way, &found, i % RC_WINDOW, bytes);
	}
	wait_received(way, &found, 1);
	seconds = (double)(now_ns() - begin) / 1e9;
	settle(way, &found, count);
	return plan.mib / seconds;
}

/* Both begin together. */
static void meet(struct shared *shared, int stage)
{
	atomic_fetch_add(&shared->stage, 1);
	while (atomic_load(&shared->stage) < 2 * stage)
		sched_yield();
}

static void priority(int policy)
{
	struct sched_param param = {.sched_priority = policy == SCHED_FIFO};

	if (plan.fifo)
		rc_check(sched_setscheduler(0, policy, &param) != 0,
			"real-time priority", 0);
}

/* Half of the time a cache line takes to and fro, ns: the mean. */
static double distance(struct shared *shared, int *stage, bool first)
{
	uint64_t begin;

	meet(shared, ++*stage);
	priority(SCHED_FIFO);
	begin = now_ns();
	for (uint32_t i = !first; i < LINES; i += 2) {
		/* Partner: the same two lines of the other process. */
		for (uint32_t spins = 0; atomic_load_explicit(&shared->line,
			     memory_order_acquire) % LINES != i; spins++)
			if (spins > SPINS_MAX)
				sched_yield();
		atomic_store_explicit(
			&shared->line, i + 1, memory_order_release);
	}
	priority(SCHED_OTHER);
	return (double)(now_ns() - begin) / LINES;
}

static double take(struct shared *shared, int *stage,
	const struct measure *measure, const struct rc_way *way, bool first)
{
	double result;

	meet(shared, ++*stage);
	priority(SCHED_FIFO);
	result = measure->latency ? ping(way, first, measure->bytes)
				  : stream(way, first, measure->bytes);
	priority(SCHED_OTHER);
	return result;
}

/* ---- results ------------------------------------------------------------ */

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, plan.rounds, sizeof *values, by_double);
	return values[plan.rounds / 2];
}

static double results[MEASURES][WAYS][ROUNDS_MAX];
static double distances[ROUNDS_MAX];

/* One way beside another, in the same rounds. */
static double print_beside(size_t m, enum way way, size_t n, enum way beside)
{
	double ratios[ROUNDS_MAX];
	double middle;

	for (uint32_t r = 0; r < plan.rounds; r++)
		ratios[r] = results[m][way][r] / results[n][beside][r];
	middle = median(ratios);
	printf("  %-7s / %-7s %5.2f (%.2f, %.2f)", ways[way]->name,
		ways[beside]->name, middle, ratios[0], ratios[plan.rounds - 1]);
	return middle;
}

/* What is ours is held to the budget of raw. */
static void print_ratio(size_t m, enum way way, enum way beside)
{
	const struct measure *measure = &measures[m];
	double middle = print_beside(m, way, m, beside);
	bool meets;

	if (beside == RAW && (way == CHANNEL || way == TOPIC)) {
		meets = measure->latency ? middle <= measure->budget
					 : middle >= measure->budget;
		printf(", at %s %.2f: %s", measure->latency ? "most" : "least",
			measure->budget, meets ? "PASS" : "MISS");
	}
	printf("\n");
}

static void print_medians(size_t m)
{
	printf("%-22s", measures[m].name);
	for (int i = 0; i < used_count; i++) {
		double copy[ROUNDS_MAX];

		/* Ratios are of neighbours: before these are in order. */
		memcpy(copy, results[m][used[i]], sizeof copy);
		printf(" %9.0f", median(copy));
	}
	printf("\n");
}

static void print(void)
{
	double near = median(distances);

	printf("A cache line from one processor to the other, ns: %.0f "
	       "(%.0f, %.0f)\n", near, distances[0],
		distances[plan.rounds - 1]);
	printf("%-22s", "median");
	for (int i = 0; i < used_count; i++)
		printf(" %9s", ways[used[i]]->name);
	printf("; ratios: median (lowest, highest) of %u rounds\n",
		plan.rounds);
	for (size_t m = 0; m < MEASURES; m++) {
		print_medians(m);
		if (used_count < WAYS)
			continue;
		print_ratio(m, CHANNEL, RAW);
		print_ratio(m, TOPIC, RAW);
		print_ratio(m, EACH, RAW);
		print_ratio(m, APART, EACH);
		print_ratio(m, TOPIC, EACH);
		print_ratio(m, TOPIC, APART);
	}
	if (used_count < WAYS)
		return;
	printf("As many bytes on the wire, 64 B of a topic beside 88 B:\n");
	for (int w = 0; w < TOPIC; w++) {
		print_beside(0, TOPIC, 1, (enum way)w);
		printf("\n");
	}
}

static void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (plan.fifo)
		rc_check(sched_setaffinity(0, sizeof set, &set) != 0,
			"a processor of its own", 0);
}

static void run(struct shared *shared, bool first)
{
	int stage = 2;

	pin(first ? 0 : 1);

	for (uint32_t r = 0; r < plan.rounds; r++) {
		distances[r] = distance(shared, &stage, first);
		for (size_t m = 0; m < MEASURES; m++)
			for (int i = 0; i < used_count; i++) {
				int way = used[(i + (int)r) % used_count];

				results[m][way][r] = take(shared, &stage,
					&measures[m], ways[way], first);
			}
	}
	meet(shared, ++stage);
}

static void serve(struct shared *shared)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = used_count - 1; i >= 0; i--)
		ways[used[i]]->open(plan.device, true,
			&shared->addresses[used[i]]);
	meet(shared, 1);
	for (int i = 0; i < used_count; i++)
		ways[used[i]]->accept();
	meet(shared, 2);
	run(shared, false);
	for (int i = 0; i < used_count; i++)
		ways[used[i]]->close();
}

static void drive(struct shared *shared)
{
	/* Channels first: they refuse to be behind the registration cache that
	 * the raw way would start. */
	for (int i = used_count - 1; i >= 0; i--)
		ways[used[i]]->open(plan.device, false, NULL);
	meet(shared, 1);
	for (int i = 0; i < used_count; i++)
		ways[used[i]]->connect(&shared->addresses[used[i]]);
	meet(shared, 2);
	run(shared, true);
	for (int i = 0; i < used_count; i++)
		ways[used[i]]->close();
}

static bool use_only(const char *name)
{
	for (int i = 0; i < WAYS; i++)
		if (strcmp(ways[i]->name, name) == 0) {
			used[0] = i;
			used_count = 1;
			return true;
		}
	return false;
}

static bool read_plan(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--device") == 0)
			plan.device = argv[i + 1];
		else if (strcmp(argv[i], "--rounds") == 0)
			plan.rounds = (uint32_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--pings") == 0)
			plan.pings = (uint32_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--mib") == 0)
			plan.mib = (uint32_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--fifo") == 0)
			plan.fifo = (uint32_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--only") != 0 ||
			 !use_only(argv[i + 1]))
			return false;
	}
	return argc % 2 == 1 && plan.rounds >= 1 && plan.rounds <= ROUNDS_MAX &&
	       plan.pings >= 1 && plan.pings <= PINGS_MAX && plan.mib >= 1 &&
	       plan.mib <= 65536;
}

int main(int argc, char **argv)
{
	struct shared *shared = mmap(NULL, sizeof *shared,
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t pid;

	if (!read_plan(argc, argv)) {
		fprintf(stderr,
			"usage: %s [--device NAME] [--rounds 1..%u] "
			"[--pings 1..%u] [--mib 1..65536] [--fifo 0|1] "
			"[--only raw|each|channel|apart|topic]\n",
			argv[0], ROUNDS_MAX, PINGS_MAX);
		return 2;
	}
	rc_check(shared == MAP_FAILED, "memory", 0);
	pid = fork();
	rc_check(pid < 0, "fork", 0);
	if (pid == 0) {
		serve(shared);
		_exit(0);
	}
	drive(shared);
	print();
	waitpid(pid, &status, 0);
	return status == 0 ? 0 : 1;
}
