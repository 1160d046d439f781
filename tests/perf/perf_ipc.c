/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perf_ipc.c - libmsg between processes of one host, through a broker, beside
 * what the machine does bare.
 *
 *     perf_ipc --broker NAME [--rounds N] [--fewer N] [--only TEXT]
 *              [--json FILE] [--fifo]
 *
 * Each round measures the bare way, then ours; a row is the median over rounds
 * of the ratio, with the lowest and the highest.  Every byte that is sent is
 * written and read.  The broker runs already (ipc.sh starts one with no
 * network); it has no part in what is measured, which is the point of it.
 *
 * What takes less than some microseconds is made of cache lines that change
 * processors, and what one of those takes drifts with what else the machine
 * does: the `line` beside a row is one way of it, of the same rounds.
 */
#include "ipc.h"

#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_MAX 31

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
	pid_t pid;

	fflush(NULL); /* Not twice what is buffered. */
	pid = fork();

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

static double of_samples(struct ipc_page *page, double part)
{
	uint32_t last = page->sample_count - 1;

	return page->samples[(uint32_t)(part * last)];
}

struct figure {
	double middle; /* p50 in ns, or the result. */
	double p99;    /* 0: there are no samples. */
};

static bool run(ipc_side *near, ipc_side *far, const struct ipc_job *job,
	struct figure *figure)
{
	struct ipc_page *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	pid_t pids[2];
	bool good = true;

	if (page == MAP_FAILED)
		return false;
	page->fifo = job->fifo;
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
	*figure = (struct figure){.middle = page->result};
	if (good && page->sample_count > 0) {
		qsort(page->samples, page->sample_count, sizeof *page->samples,
			by_value);
		figure->middle = of_samples(page, 0.5);
		figure->p99 = of_samples(page, 0.99);
	}
	munmap(page, sizeof *page);
	return good && figure->middle > 0;
}

/* ---- what is measured -------------------------------------------------- */

enum way {
	SPINNING, /* Both sides look all the time. */
	BLOCKING, /* The receiver sleeps before each message. */
};

struct row {
	enum way way;
	const char *name;
	const char *unit;
	ipc_side *bare_near, *bare_far;
	struct ipc_job bare;
	double bare_scale; /* One way of there and back is half. */
	ipc_side *near, *far;
	struct ipc_job job;
	double scale;
	double target; /* Of the ratio; 0: none. */
	bool at_least;
};

static const struct row rows[] = {
	{SPINNING, "round trip, 32 B", "ns", bare_line_near, bare_line_far,
		{"line", 8, 200000, NULL, 1, false}, 1, msg_round_near,
		msg_round_far, {"round", 32, 200000, NULL, 1, false}, 1, 2.2,
		false},
	{SPINNING, "one way, 64 B", "ns", bare_line_near, bare_line_far,
		{"line", 8, 200000, NULL, 1, false}, 0.5, msg_round_near,
		msg_round_far, {"round", 64, 200000, NULL, 1, false}, 0.5, 4,
		false},
	{SPINNING, "one way, 1 KiB", "ns", bare_line_near, bare_line_far,
		{"line", 8, 200000, NULL, 1, false}, 0.5, msg_round_near,
		msg_round_far, {"round", 1024, 100000, NULL, 1, false}, 0.5, 0,
		false},
	{SPINNING, "32 B, batches of 32", "M/s", bare_ring_writer,
		bare_ring_reader, {"ring", 32, 4000000, NULL, 1, false}, 1e-6,
		msg_rate_sender, msg_rate_receiver,
		{"rate", 32, 4000000, NULL, 1, false}, 1e-6, 0.7, true},
	{SPINNING, "1 KiB, batches of 32", "M/s", bare_ring_writer,
		bare_ring_reader, {"ring", 1024, 1000000, NULL, 1, false}, 1e-6,
		msg_rate_sender, msg_rate_receiver,
		{"rate", 1024, 1000000, NULL, 1, false}, 1e-6, 0.8, true},
	{SPINNING, "publisher, 8 readers beside 1", "ns", msg_cost_sender,
		msg_cost_readers, {"cost", 64, 1, NULL, 1, false}, 1,
		msg_cost_sender, msg_cost_readers,
		{"cost", 64, 8, NULL, 1, false}, 1, 0, false},
	{SPINNING, "publisher, 64 readers beside 1", "ns", msg_cost_sender,
		msg_cost_readers, {"cost", 64, 1, NULL, 1, false}, 1,
		msg_cost_sender, msg_cost_readers,
		{"cost", 64, 64, NULL, 1, false}, 1, 2.5, false},
	{BLOCKING, "one way, 64 B", "ns", bare_futex_waker, bare_futex_sleeper,
		{"futex", 8, 4000, NULL, 1, false}, 1, msg_block_sender,
		msg_block_receiver, {"block", 64, 4000, NULL, 1, false}, 1, 1.3,
		false},
	{BLOCKING, "one way, 8 KiB", "ns", bare_futex_waker, bare_futex_sleeper,
		{"futex", 8, 4000, NULL, 1, false}, 1, msg_block_sender,
		msg_block_receiver, {"block", 8192, 4000, NULL, 1, false}, 1, 0,
		false},
};

static const struct ipc_job line_job = {"line", 8, 50000, NULL, 1, false};

/* ---- rounds of a row --------------------------------------------------- */

struct request {
	const char *broker;
	const char *only;
	FILE *json;
	int rounds;
	uint32_t fewer; /* Messages are divided by this. */
	bool fifo;
};

/* One sample a round of each. */
struct samples {
	double bare[ROUNDS_MAX], ours[ROUNDS_MAX], ratio[ROUNDS_MAX];
	double p99[ROUNDS_MAX], line[ROUNDS_MAX];
};

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof *values, by_double);
	return values[count / 2];
}

/* Fewer messages; not fewer readers. */
static struct ipc_job scaled(
	const struct ipc_job *job, const struct request *request)
{
	struct ipc_job copy = *job;

	copy.broker = request->broker;
	copy.fewer = request->fewer;
	copy.fifo = request->fifo;
	if (strcmp(job->name, "cost") != 0)
		copy.count = job->count / request->fewer;
	return copy;
}

static bool gather(
	const struct row *row, const struct request *request, struct samples *s)
{
	struct ipc_job bare = scaled(&row->bare, request);
	struct ipc_job ours = scaled(&row->job, request);
	struct ipc_job line = scaled(&line_job, request);
	struct figure figure;

	for (int i = 0; i < request->rounds; i++) {
		if (!run(bare_line_near, bare_line_far, &line, &figure))
			return false;
		s->line[i] = figure.middle / 2;
		if (!run(row->bare_near, row->bare_far, &bare, &figure))
			return false;
		s->bare[i] = figure.middle * row->bare_scale;
		if (!run(row->near, row->far, &ours, &figure))
			return false;
		s->ours[i] = figure.middle * row->scale;
		s->p99[i] = figure.p99 * row->scale;
		s->ratio[i] = s->ours[i] / s->bare[i];
	}
	return true;
}

static void print_head(enum way way)
{
	printf("%s\n%-32s %-4s %9s %9s   %5s %-13s %9s %8s %8s\n",
		way == SPINNING ? "spinning" : "\nblocking", "", "", "bare",
		"libmsg", "ratio", "(low-high)", "p99", "line ns", "target");
}

static void print_row(
	const struct row *row, int rounds, struct samples *s, FILE *json)
{
	const char *sense = row->at_least ? ">=" : "<=";
	double ratio = median(s->ratio, rounds);
	const char *verdict = "";
	char target[16] = "", p99[16] = "";

	if (row->target > 0) {
		verdict = (row->at_least ? ratio >= row->target
					 : ratio <= row->target)
				  ? "PASS"
				  : "MISS";
		snprintf(target, sizeof target, "%s %.1f", sense, row->target);
	}
	if (s->p99[0] > 0)
		snprintf(p99, sizeof p99, "%.4g", median(s->p99, rounds));
	printf("%-32s %-4s %9.4g %9.4g   %5.2f (%.2f-%.2f)  %9s %8.0f %8s "
	       "%s\n",
		row->name, row->unit, median(s->bare, rounds),
		median(s->ours, rounds), ratio, s->ratio[0],
		s->ratio[rounds - 1], p99, median(s->line, rounds), target,
		verdict);
	fflush(stdout);
	if (!json)
		return;
	fprintf(json,
		"{\"wait\":\"%s\",\"what\":\"%s\",\"unit\":\"%s\","
		"\"bare\":%.4g,\"libmsg\":%.4g,\"ratio\":%.3f,"
		"\"low\":%.3f,\"high\":%.3f,\"p99\":%.4g,"
		"\"line_ns\":%.0f,\"target\":\"%s\",\"verdict\":\"%s\"}"
		"\n",
		row->way == SPINNING ? "spin" : "block", row->name, row->unit,
		median(s->bare, rounds), median(s->ours, rounds), ratio,
		s->ratio[0], s->ratio[rounds - 1], median(s->p99, rounds),
		median(s->line, rounds), target, verdict);
}

static int measure_all(const struct request *request)
{
	static struct samples samples;
	const struct row *last = NULL;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *row = &rows[i];

		if (request->only && !strstr(row->name, request->only))
			continue;
		if (!last || last->way != row->way)
			print_head(row->way);
		last = row;
		if (!gather(row, request, &samples))
			return 1;
		print_row(row, request->rounds, &samples, request->json);
	}
	return last ? 0 : 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"broker", required_argument, NULL, 'b'},
		{"rounds", required_argument, NULL, 'n'},
		{"fewer", required_argument, NULL, 'f'},
		{"only", required_argument, NULL, 'o'},
		{"json", required_argument, NULL, 'j'},
		{"fifo", no_argument, NULL, 'p'},
		{0},
	};
	struct request request = {.rounds = 7, .fewer = 1};
	int c, result;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'b':
			request.broker = optarg;
			break;
		case 'n':
			request.rounds = atoi(optarg);
			break;
		case 'f':
			request.fewer = (uint32_t)atoi(optarg);
			break;
		case 'o':
			request.only = optarg;
			break;
		case 'j':
			request.json = fopen(optarg, "w");
			break;
		case 'p':
			request.fifo = true;
			break;
		default:
			request.rounds = 0;
		}
	}
	if (!request.broker || request.rounds < 1 ||
		request.rounds > ROUNDS_MAX || request.fewer < 1) {
		fprintf(stderr,
			"usage: perf_ipc --broker NAME [--rounds 1-%d] "
			"[--fewer N] [--only TEXT] [--json FILE] [--fifo]\n",
			ROUNDS_MAX);
		return 2;
	}
	result = measure_all(&request);
	if (request.json)
		fclose(request.json);
	return result;
}
