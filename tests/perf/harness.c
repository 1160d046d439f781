/* SPDX-License-Identifier: BSD-2-Clause */
/* harness.c - processes, pacing, percentiles; see harness.h. */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Silence after the last send that ends a run. */
#define QUIET_NS 200000000u
/* A window that has not moved for this long waits for what was lost. */
#define STUCK_NS 20000000u
/* Of a run, at its beginning, not measured. */
#define WARM_PART 10u
#define READY_NS 20000000000u
#define RUN_SECONDS_MAX 60u

struct process {
	double cpu_ns; /* User and system, while measured. */
	uint64_t count;
};

/* Shared by parent, sender and receiver; each line has one writer. */
struct shared {
	_Alignas(128) _Atomic int ready;
	_Alignas(128) _Atomic int done;
	struct process sender;
	_Alignas(128) _Atomic uint64_t seen;
	struct process receiver;
	uint64_t measured; /* Rate: messages, and in which time. */
	uint64_t measured_ns;
	uint64_t sample_count;
	uint32_t samples[];
};

static double cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return 1e9 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       1e3 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* ---- where a process runs ---------------------------------------------- */

static int enter_netns(const char *name)
{
	char path[256];
	int fd, result;

	snprintf(path, sizeof path, "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) {
		fprintf(stderr, "network namespace %s: %s\n", name,
			strerror(errno));
		result = -1;
	} else {
		result = 0;
	}
	if (fd >= 0)
		close(fd);
	return result;
}

static int settle(const struct perf_side *side)
{
	cpu_set_t cpus;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_SET_TIMERSLACK, 1ul);
	if (side->netns && enter_netns(side->netns) != 0)
		return -1;
	if (side->cpu >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET((size_t)side->cpu, &cpus);
		/* A machine with one processor measures, too. */
		sched_setaffinity(0, sizeof cpus, &cpus);
	}
	/* Whatever happens, it ends. */
	alarm(RUN_SECONDS_MAX);
	return 0;
}

/* All threads of ours, also those that a library started. */
static int prefer(void)
{
	struct sched_param priority = {.sched_priority = 1};
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	int result = tasks ? 0 : -1;

	while (tasks && (task = readdir(tasks)))
		if (task->d_name[0] != '.' &&
			sched_setscheduler(atoi(task->d_name), SCHED_FIFO,
				&priority) != 0)
			result = -1;
	if (tasks)
		closedir(tasks);
	return result;
}

/* Wait until both sides are here and then, on a machine that others use as
 * well, ask to be left alone.  Not before: who spins with such a priority
 * keeps the other side from ever getting to its own processor. */
static int meet(const struct perf_plan *plan, struct shared *shared)
{
	uint64_t limit = now_ns() + READY_NS;

	atomic_fetch_add(&shared->ready, 1);
	while (atomic_load(&shared->ready) < 2) {
		if (now_ns() > limit)
			return -1;
		usleep(1000);
	}
	if (plan->fifo && prefer() != 0)
		perror("warning: --fifo");
	return 0;
}

/* ---- sender ------------------------------------------------------------ */

static void wait_until(const struct perf_plan *plan, uint64_t due)
{
	struct timespec at = {
		.tv_sec = (time_t)(due / 1000000000u),
		.tv_nsec = (long)(due % 1000000000u),
	};

	if (plan->block || plan->idle) {
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		return;
	}
	while (now_ns() < due)
		;
}

static int send_paced(const struct perf_plan *plan, struct shared *shared,
	const struct perf_lane *lane, void *sender)
{
	uint64_t start = now_ns();

	for (uint64_t i = 0; i < plan->count; i++) {
		wait_until(
			plan, start + (uint64_t)((double)i * 1e9 / plan->rate));
		if (lane->send(sender, now_ns(), 1) < 0)
			return -1;
		shared->sender.count++;
	}
	return 0;
}

/* Wait for room in the window; `gone` grows by what must have been lost. */
static void wait_for_room(
	const struct perf_plan *plan, struct shared *shared, uint64_t *gone)
{
	uint64_t sent = shared->sender.count;
	uint64_t last = 0, since = 0;

	for (;;) {
		uint64_t seen = atomic_load_explicit(
			&shared->seen, memory_order_relaxed);

		if (sent + plan->batch <= seen + *gone + plan->window)
			return;
		if (since == 0 || seen != last)
			since = now_ns();
		else if (now_ns() - since > STUCK_NS)
			*gone = sent - seen;
		last = seen;
	}
}

static int send_flood(const struct perf_plan *plan, struct shared *shared,
	const struct perf_lane *lane, void *sender)
{
	uint64_t end = now_ns() + (uint64_t)(plan->seconds * 1e9);
	uint64_t gone = 0;
	int n;

	for (uint64_t now = 0; (now = now_ns()) < end;) {
		if (plan->window)
			wait_for_room(plan, shared, &gone);
		n = lane->send(sender, now, plan->batch);
		if (n < 0)
			return -1;
		shared->sender.count += (uint64_t)n;
	}
	return 0;
}

static int run_sender(const struct perf_plan *plan, struct shared *shared,
	const struct perf_lane *lane)
{
	double cpu;
	void *sender;
	int result;

	if (settle(&plan->sender) != 0 ||
		lane->sender_open(plan, &sender) != 0 ||
		meet(plan, shared) != 0)
		return 1;
	cpu = cpu_ns();
	result = plan->latency ? send_paced(plan, shared, lane, sender)
			       : send_flood(plan, shared, lane, sender);
	shared->sender.cpu_ns = cpu_ns() - cpu;
	/* Partner: the acquire in over(). */
	atomic_store_explicit(&shared->done, 1, memory_order_release);
	lane->sender_close(sender);
	return result == 0 ? 0 : 1;
}

/* ---- receiver ---------------------------------------------------------- */

static bool over(
	const struct shared *shared, uint64_t received, uint64_t quiet_since)
{
	/* Partner: the release in run_sender. */
	if (!atomic_load_explicit(&shared->done, memory_order_acquire))
		return false;
	return received >= shared->sender.count ||
	       now_ns() - quiet_since > QUIET_NS;
}

static void take_samples(const struct perf_plan *plan, struct shared *shared,
	const uint64_t *stamps, int n, uint64_t now)
{
	uint64_t first = shared->receiver.count;

	for (int i = 0; i < n; i++) {
		if (first + (uint64_t)i < plan->count / WARM_PART)
			continue;
		if (shared->sample_count < plan->count)
			shared->samples[shared->sample_count++] =
				(uint32_t)(now - stamps[i]);
	}
}

struct span {
	uint64_t warm;  /* When the warm-up is over; 0: nothing came yet. */
	uint64_t begin; /* Of what is measured. */
	uint64_t last;
	uint64_t before; /* Messages before `begin`. */
	double cpu;
};

static void note_arrival(const struct perf_plan *plan, struct span *span,
	uint64_t received, uint64_t now)
{
	span->last = now;
	if (span->warm == 0)
		span->warm = now + (uint64_t)(plan->seconds * 1e9 / WARM_PART);
	if (span->begin == 0 && (plan->latency || now >= span->warm)) {
		span->begin = now;
		span->before = received;
		span->cpu = cpu_ns();
	}
}

/* Written when all is over: meanwhile it is memory. */
struct trace {
	FILE *file;
	uint64_t (*lines)[2]; /* Sent, and taken so long after. */
	uint64_t count;
};

static int trace_open(const struct perf_plan *plan, struct trace *trace)
{
	if (!plan->trace || !plan->latency)
		return 0;
	trace->file = fopen(plan->trace, "w");
	trace->lines = calloc(plan->count, sizeof *trace->lines);
	if (trace->file && trace->lines)
		return 0;
	fprintf(stderr, "%s: %s\n", plan->trace, strerror(errno));
	return -1;
}

static void trace_add(const struct perf_plan *plan, struct trace *trace,
	const uint64_t *stamps, int n, uint64_t now)
{
	for (int i = 0; i < n && trace->count < plan->count; i++) {
		trace->lines[trace->count][0] = stamps[i];
		trace->lines[trace->count++][1] = now - stamps[i];
	}
}

static int trace_close(struct trace *trace)
{
	if (!trace->file)
		return 0;
	for (uint64_t i = 0; i < trace->count; i++)
		fprintf(trace->file, "%llu\t%llu\n",
			(unsigned long long)trace->lines[i][0],
			(unsigned long long)trace->lines[i][1]);
	free(trace->lines);
	return fclose(trace->file);
}

static int receive_all(const struct perf_plan *plan, struct shared *shared,
	const struct perf_lane *lane, void *receiver, struct trace *trace)
{
	struct process *me = &shared->receiver;
	uint64_t stamps[PERF_RECEIVE_MAX];
	struct span span = {.last = now_ns()};

	for (;;) {
		int n = lane->receive(receiver, stamps);
		uint64_t now;

		if (n < 0)
			return -1;
		if (n == 0) {
			if (over(shared, me->count, span.last))
				break;
			if (plan->block && lane->wait(receiver) < 0)
				return -1;
			continue;
		}
		now = now_ns();
		if (plan->latency)
			take_samples(plan, shared, stamps, n, now);
		if (trace->file)
			trace_add(plan, trace, stamps, n, now);
		if (lane->release)
			lane->release(receiver);
		me->count += (uint64_t)n;
		note_arrival(plan, &span, me->count, now);
		atomic_store_explicit(
			&shared->seen, me->count, memory_order_relaxed);
	}
	shared->measured = me->count - span.before;
	shared->measured_ns = span.last - span.begin;
	me->cpu_ns = cpu_ns() - span.cpu;
	return 0;
}

static int run_receiver(const struct perf_plan *plan, struct shared *shared,
	const struct perf_lane *lane)
{
	struct trace trace = {0};
	void *receiver;
	int result;

	if (trace_open(plan, &trace) != 0 || settle(&plan->receiver) != 0 ||
		lane->receiver_open(plan, &receiver) != 0 ||
		meet(plan, shared) != 0)
		return 1;
	result = receive_all(plan, shared, lane, receiver, &trace);
	lane->receiver_close(receiver);
	if (trace_close(&trace) != 0)
		result = -1;
	return result == 0 ? 0 : 1;
}

/* ---- results ----------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t percentile(const struct shared *shared, double part)
{
	uint64_t at = (uint64_t)(part * (double)shared->sample_count);

	if (shared->sample_count == 0)
		return 0;
	if (at >= shared->sample_count)
		at = shared->sample_count - 1;
	return shared->samples[at];
}

/* A thousand points are enough for a picture. */
static int write_samples(
	const struct perf_plan *plan, const struct shared *shared)
{
	FILE *file = fopen(plan->samples, "w");

	if (!file) {
		fprintf(stderr, "%s: %s\n", plan->samples, strerror(errno));
		return -1;
	}
	for (int i = 0; i < 1000; i++)
		fprintf(file, "%u\t%.4f\n", percentile(shared, i / 1000.0),
			i / 1000.0);
	return fclose(file) == 0 ? 0 : -1;
}

static double each(double sum, uint64_t count)
{
	return count ? sum / (double)count : 0;
}

static const char columns[] =
	"program\tstyle\tmode\twait\tbytes\tbatch\tsent\treceived\tlost\trate"
	"\tmin_ns\tp50_ns\tp90_ns\tp99_ns\tmax_ns\tsender_cpu_ns"
	"\treceiver_cpu_ns\n";

void perf_print_columns(void)
{
	fputs(columns, stdout);
}

static int report(const struct perf_plan *plan, struct shared *shared,
	const struct perf_lane *lane)
{
	uint64_t sent = shared->sender.count;
	uint64_t received = shared->receiver.count;
	double rate = shared->measured_ns ? 1e9 * (double)shared->measured /
						    (double)shared->measured_ns
					  : 0;

	qsort(shared->samples, shared->sample_count, sizeof *shared->samples,
		compare);
	printf("%s\t%s\t%s\t%s\t%u\t%u\t%llu\t%llu\t%lld\t%.0f\t%u\t%u\t%u"
	       "\t%u\t%u\t%.0f\t%.0f\n",
		lane->name, plan->style ? plan->style : "-",
		plan->latency ? "latency" : "rate",
		plan->block ? "block" : "spin", plan->bytes, plan->batch,
		(unsigned long long)sent, (unsigned long long)received,
		(long long)(sent - received), rate, percentile(shared, 0),
		percentile(shared, 0.5), percentile(shared, 0.9),
		percentile(shared, 0.99), percentile(shared, 1),
		each(shared->sender.cpu_ns, sent),
		each(shared->receiver.cpu_ns, shared->measured));
	if (received == 0) {
		fprintf(stderr, "%s: nothing arrived\n", lane->name);
		return 1;
	}
	return plan->samples && write_samples(plan, shared) != 0;
}

static pid_t start(const struct perf_plan *plan, struct shared *shared,
	const struct perf_lane *lane,
	int (*run)(const struct perf_plan *, struct shared *,
		const struct perf_lane *))
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(run(plan, shared, lane));
	return pid;
}

static int run_both(const struct perf_plan *plan, struct shared *shared,
	const struct perf_lane *lane)
{
	pid_t pids[2] = {start(plan, shared, lane, run_receiver),
		start(plan, shared, lane, run_sender)};
	int failed = 0;

	for (int left = 2; left > 0; left--) {
		int status;
		pid_t pid = wait(&status);

		if (pid < 0)
			return 1;
		if (status == 0)
			continue;
		/* The other one would wait for what will not come. */
		failed = 1;
		kill(pid == pids[0] ? pids[1] : pids[0], SIGTERM);
	}
	return failed;
}

int perf_main(int argc, char **argv, const struct perf_lane *lane)
{
	struct perf_plan plan;
	struct shared *shared;
	size_t bytes;
	int result = perf_plan_read(argc, argv, &plan);

	if (result != 0)
		return result == 2 ? 0 : 2;
	bytes = sizeof *shared +
		(plan.latency ? plan.count : 1) * sizeof shared->samples[0];
	shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	result = run_both(&plan, shared, lane);
	return result == 0 ? report(&plan, shared, lane) : result;
}
