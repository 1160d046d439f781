/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.c - `msg bench MODE`: how fast, how soon, how much lost.
 *
 * This process only forks, waits and reports; the workers open the nodes (a
 * node must not cross a fork).  The publisher goes first: when the lane is
 * not usable one process says so.  Spinning and blocking are separate runs
 * with processes of their own.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "delivery.h"
#include "options.h"
#include "pace.h"
#include "stop.h"
#include "text.h"

/* After the last send or a stop, a worker gets this long to end by itself. */
#define GRACE_NS 10000000000u

enum {
	OPTION_BATCH = OPTION_LONG,
	OPTION_BLOCK,
	OPTION_BUFFERS,
	OPTION_HISTOGRAM,
	OPTION_JSON,
	OPTION_FLOW,
	OPTION_RELIABILITY,
	OPTION_REQUIRE,
	OPTION_ROLE,
	OPTION_SECONDS,
	OPTION_SPIN,
	OPTION_SUBSCRIBERS,
	OPTION_TOPIC,
	OPTION_WARMUP,
	OPTION_WINDOW,
};

static const struct option_spec options[] = {
	{'s', "size", "N", "bytes per message, 8 or more (64)"},
	{'r', "rate", "N[k|M][/s]",
		"messages a second; 0: as fast as "
		"possible (latency: 10k, else 0)"},
	{'n', "count", "N", "measure N messages"},
	{OPTION_SECONDS, "seconds", "SEC", "measure that long (2)"},
	{OPTION_WARMUP, "warmup", "SEC",
		"run before measuring, not counted "
		"(0.3)"},
	{OPTION_BATCH, "batch", "N",
		"messages queued per flush (throughput: "
		"32, else 1)"},
	{OPTION_SUBSCRIBERS, "subscribers", "N",
		"subscriber processes, up "
		"to 64 (1)"},
	{OPTION_SPIN, "spin", NULL, "only the spinning run"},
	{OPTION_BLOCK, "block", NULL, "only the blocking run"},
	{OPTION_WINDOW, "window", "N",
		"throughput: wait while the slowest "
		"subscriber is N behind (0: never)"},
	{OPTION_BUFFERS, "buffers", "N", "receive buffers of a subscriber"},
	{OPTION_RELIABILITY, "reliability", "WHAT",
		"best-effort, reliable or rc "
		"(best-effort)"},
	{OPTION_FLOW, "flow", "WHOM",
		"reliable: wait for none, min or tagged, or "
		"for\n"
		"                               the N fastest (none)"},
	{OPTION_ROLE, "role", "ping|pong",
		"roundtrip: be only this end; the "
		"other runs elsewhere"},
	{OPTION_TOPIC, "topic", "TOPIC",
		"topic, or its beginning (roundtrip "
		"with --role: bench.roundtrip)"},
	{OPTION_HISTOGRAM, "histogram", "FILE",
		"write the latencies as "
		"columns for plotting"},
	{OPTION_REQUIRE, "require", "LIST",
		"exit 1 unless met: p99=50us,"
		"loss=0,rate=1M"},
	{OPTION_JSON, "json", NULL, "one JSON document instead of the table"},
	OPTION_END,
};

struct bench {
	struct bench_plan plan;
	struct machine machine;
	struct require require;
	struct bench_run runs[2];
	int run_count;
	char lane[1024];
	const char *histogram;
	bool as_json;
	bool spin_only, block_only;
	bool rate_given, batch_given;
	const char *require_text;
	pid_t pids[1 + BENCH_SUBSCRIBERS_MAX];
	int pid_count;
};

/* ---- the command line -------------------------------------------------- */

static void take_option(struct bench *bench, int id)
{
	static const char *const roles[] = {"ping", "pong", NULL};
	struct bench_plan *plan = &bench->plan;

	switch (id) {
	case 's':
		plan->size = value_count("--size", optarg, BENCH_STAMP_BYTES,
			MSG_MESSAGE_BYTES_MAX);
		break;
	case 'r':
		plan->rate = value_rate("--rate", optarg);
		bench->rate_given = true;
		break;
	case 'n':
		plan->count = value_count("--count", optarg, 1, UINT64_MAX / 2);
		break;
	case OPTION_SECONDS:
		plan->seconds = value_seconds("--seconds", optarg);
		break;
	case OPTION_WARMUP:
		plan->warmup = value_seconds("--warmup", optarg);
		break;
	case OPTION_BATCH:
		plan->batch = value_count("--batch", optarg, 1, 65536);
		bench->batch_given = true;
		break;
	case OPTION_SUBSCRIBERS:
		plan->subscribers = (int)value_count(
			"--subscribers", optarg, 1, BENCH_SUBSCRIBERS_MAX);
		break;
	case OPTION_SPIN:
		bench->spin_only = true;
		break;
	case OPTION_BLOCK:
		bench->block_only = true;
		break;
	case OPTION_WINDOW:
		plan->window = value_count("--window", optarg, 0, 1u << 30);
		break;
	case OPTION_BUFFERS:
		plan->buffers =
			(uint32_t)value_count("--buffers", optarg, 16, 65536);
		break;
	case OPTION_RELIABILITY:
		plan->delivery.reliability = delivery_reliability(optarg);
		break;
	case OPTION_FLOW:
		delivery_flow(optarg, &plan->delivery);
		break;
	case OPTION_ROLE:
		plan->role = value_choice("--role", optarg, roles) == 0
				     ? BENCH_ROLE_PING
				     : BENCH_ROLE_PONG;
		break;
	case OPTION_TOPIC:
		snprintf(plan->topic, sizeof plan->topic, "%s", optarg);
		if (strlen(optarg) >= sizeof plan->topic)
			usage_fail("--topic is longer than %zu bytes",
				sizeof plan->topic - 1);
		break;
	case OPTION_HISTOGRAM:
		bench->histogram = optarg;
		break;
	case OPTION_REQUIRE:
		bench->require_text = optarg;
		break;
	case OPTION_JSON:
		bench->as_json = true;
		break;
	default:
		break;
	}
}

static void check_options(const struct bench *bench)
{
	const struct bench_plan *plan = &bench->plan;

	if (bench->spin_only && bench->block_only)
		usage_fail("--spin and --block exclude each other; without "
			   "either both are run");
	if (plan->role != BENCH_ROLE_BOTH && plan->mode != BENCH_ROUNDTRIP)
		usage_fail("--role is for roundtrip");
	if (plan->mode == BENCH_ROUNDTRIP && plan->subscribers != 1)
		usage_fail("--subscribers is not for roundtrip");
	if (plan->mode == BENCH_ROUNDTRIP && plan->batch != 1)
		usage_fail("--batch is not for roundtrip");
	if (plan->window > 0 && plan->mode != BENCH_THROUGHPUT)
		usage_fail("--window is for throughput");
	if (plan->window > 0 && plan->window < plan->batch)
		usage_fail("--window %llu is smaller than --batch %llu",
			(unsigned long long)plan->window,
			(unsigned long long)plan->batch);
	delivery_publishing(&plan->delivery);
	if (bench->histogram && plan->mode == BENCH_THROUGHPUT)
		usage_fail("--histogram is for latency and roundtrip");
	if (plan->count == 0 && plan->seconds <= 0)
		usage_fail("--seconds must be above 0");
}

/* Operands may stand before options: the mode decides about defaults, so it
 * is looked at when all are read. */
static void set_mode(struct bench *bench, int argc, char **argv)
{
	static const char *const modes[] = {
		"throughput", "latency", "roundtrip", NULL};
	struct bench_plan *plan = &bench->plan;

	options_operands(argc, 1, "MODE (throughput, latency or roundtrip)");
	plan->mode = (enum bench_mode)value_choice("mode", argv[optind], modes);
	if (!bench->rate_given && plan->mode == BENCH_LATENCY)
		plan->rate = 10000;
	if (!bench->batch_given)
		plan->batch = plan->mode == BENCH_THROUGHPUT ? 32 : 1;
	if (plan->topic[0] == '\0' && plan->role != BENCH_ROLE_BOTH)
		snprintf(plan->topic, sizeof plan->topic, "bench.roundtrip");
	else if (plan->topic[0] == '\0')
		snprintf(plan->topic, sizeof plan->topic, "bench.%d.%llx",
			(int)getpid(), (unsigned long long)clock_ns());
	if (bench->require_text)
		require_parse(&bench->require, bench->require_text,
			bench_metrics(plan->mode));
	check_options(bench);
}

/* ---- processes --------------------------------------------------------- */

/* The body of worker `index`; 0 publishes or pings. */
static int work(
	const struct bench_plan *plan, struct bench_shared *shared, int index)
{
	if (plan->mode == BENCH_ROUNDTRIP)
		return index == 0 ? bench_ping(plan, shared)
				  : bench_pong(plan, shared);
	return index == 0 ? bench_publisher(plan, shared)
			  : bench_subscriber(
				    plan, shared, &shared->workers[index]);
}

static bool start_worker(
	struct bench *bench, struct bench_shared *shared, int index)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0) {
		complain("cannot fork: %s", strerror(errno));
		return false;
	}
	if (pid > 0) {
		bench->pids[bench->pid_count++] = pid;
		return true;
	}
	/* The parent's stop reaches the workers through the shared mapping:
	 * a Ctrl-C must not end the subscribers before the last message. */
	signal(SIGINT, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(TOOL_EXIT_UNMET);
	_exit(work(&bench->plan, shared, index));
}

/* Note a worker that ended: the first bad code decides. */
static void note_end(struct bench *bench, struct bench_shared *shared,
	pid_t pid, int status, int *code)
{
	int own = WIFEXITED(status) ? WEXITSTATUS(status) : TOOL_EXIT_UNMET;

	for (int i = 0; i < bench->pid_count; i++)
		if (bench->pids[i] == pid)
			bench->pids[i] = 0;
	if (WIFSIGNALED(status))
		complain("a worker was ended by signal %d", WTERMSIG(status));
	if (own == TOOL_EXIT_OK)
		return;
	if (*code == TOOL_EXIT_OK)
		*code = own;
	atomic_store(&shared->stop, 1);
}

static int alive(const struct bench *bench)
{
	int count = 0;

	for (int i = 0; i < bench->pid_count; i++)
		count += bench->pids[i] != 0;
	return count;
}

/* Reap our own workers that have ended. */
static void reap(struct bench *bench, struct bench_shared *shared, int *code)
{
	for (int i = 0; i < bench->pid_count; i++) {
		int status;

		if (bench->pids[i] != 0 &&
			waitpid(bench->pids[i], &status, WNOHANG) > 0)
			note_end(bench, shared, bench->pids[i], status, code);
	}
	if (stop_asked())
		atomic_store(&shared->stop, 1);
}

static void kill_workers(struct bench *bench, int *code)
{
	complain("a worker does not end; ended it");
	*code = TOOL_EXIT_UNMET;
	for (int i = 0; i < bench->pid_count; i++)
		if (bench->pids[i] != 0)
			kill(bench->pids[i], SIGKILL);
}

static void nap(void)
{
	struct timespec pause = {0, 2000000};

	nanosleep(&pause, NULL);
}

static int await_workers(struct bench *bench, struct bench_shared *shared)
{
	uint64_t ending = 0;
	int code = TOOL_EXIT_OK;

	while (alive(bench) > 0) {
		reap(bench, shared, &code);
		if (!ending && (atomic_load(&shared->done) ||
				       atomic_load(&shared->stop)))
			ending = clock_ns();
		if (ending && ending != UINT64_MAX &&
			clock_ns() > ending + GRACE_NS) {
			kill_workers(bench, &code);
			ending = UINT64_MAX;
		}
		nap();
	}
	return code;
}

/* Start the first worker, and the others when it has the lane. */
static bool start_workers(
	struct bench *bench, struct bench_shared *shared, int *code)
{
	enum bench_role role = bench->plan.role;

	bench->pid_count = 0;
	if (!start_worker(bench, shared, role == BENCH_ROLE_PONG ? 1 : 0))
		return false;
	while (alive(bench) && !atomic_load(&shared->lane_known)) {
		reap(bench, shared, code);
		nap();
	}
	for (int i = 1; role == BENCH_ROLE_BOTH && *code == TOOL_EXIT_OK &&
			!stop_asked() && i <= bench->plan.subscribers;
		i++)
		if (!start_worker(bench, shared, i))
			return false;
	return true;
}

static struct bench_shared *make_shared(void)
{
	struct bench_shared *shared = mmap(NULL, sizeof *shared,
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return NULL;
	for (int i = 0; i <= BENCH_SUBSCRIBERS_MAX; i++)
		shared->workers[i].latency.min = UINT64_MAX;
	return shared;
}

/* ---- results ----------------------------------------------------------- */

static double per_second(uint64_t count, uint64_t begin, uint64_t end)
{
	return end > begin ? (double)count * 1e9 / (double)(end - begin) : 0;
}

static double per_million(double seconds, uint64_t count)
{
	return count > 0 ? seconds * 1e6 / (double)count : 0;
}

static void collect_subscriber(struct bench_run *run,
	const struct bench_worker *worker, int index, int count)
{
	double rate =
		per_second(worker->received, worker->first_ns, worker->last_ns);

	run->subscriber_received[index] = worker->received;
	run->received += worker->received;
	run->lost +=
		run->sent > worker->received ? run->sent - worker->received : 0;
	if (index == 0 || rate < run->receive_rate)
		run->receive_rate = rate;
	run->subscriber_cpu +=
		per_million(worker->cpu_seconds, worker->received) / count;
	histogram_merge(&run->latency, &worker->latency);
}

static void collect(const struct bench *bench,
	const struct bench_shared *shared, struct bench_run *run)
{
	const struct bench_plan *plan = &bench->plan;
	const struct bench_worker *first = &shared->workers[0];

	histogram_clear(&run->latency);
	run->spin = plan->spin;
	run->sent = atomic_load(&shared->sent);
	run->failed = shared->failed;
	run->send_rate =
		per_second(run->sent, shared->begin_ns, shared->end_ns);
	run->publisher_cpu = per_million(first->cpu_seconds, run->sent);
	if (plan->mode == BENCH_ROUNDTRIP) {
		run->received = first->received;
		run->subscriber_received[0] = first->received;
		run->lost = run->sent - first->received;
		run->receive_rate = per_second(
			run->received, shared->begin_ns, shared->end_ns);
		run->subscriber_cpu = per_million(
			shared->workers[1].cpu_seconds, run->received);
		histogram_merge(&run->latency, &first->latency);
		return;
	}
	for (int i = 0; i < plan->subscribers; i++)
		collect_subscriber(
			run, &shared->workers[i + 1], i, plan->subscribers);
}

static int run_once(struct bench *bench, bool spin)
{
	struct bench_shared *shared = make_shared();
	struct bench_run *run = &bench->runs[bench->run_count];
	int code = TOOL_EXIT_OK, later;

	if (!shared) {
		complain("no memory: %s", strerror(errno));
		return TOOL_EXIT_UNMET;
	}
	bench->plan.spin = spin;
	bench->plan.yield = bench->plan.subscribers + 1 > bench->machine.cores;
	if (!start_workers(bench, shared, &code)) {
		atomic_store(&shared->stop, 1);
		code = TOOL_EXIT_UNMET;
	}
	if (bench->lane[0] == '\0' && code == TOOL_EXIT_OK) {
		memcpy(bench->lane, shared->lane, sizeof bench->lane);
		say("lane: %s", bench->lane);
		if (!bench->as_json && bench->plan.role != BENCH_ROLE_PONG)
			bench_head(&bench->plan, &bench->machine, bench->lane);
	}
	later = await_workers(bench, shared);
	code = code ? code : later;
	if (code == TOOL_EXIT_OK && bench->plan.role != BENCH_ROLE_PONG) {
		collect(bench, shared, run);
		bench->run_count++;
		if (!bench->as_json)
			bench_row(&bench->plan, run);
	}
	munmap(shared, sizeof *shared);
	return code;
}

static int write_histograms(const struct bench *bench)
{
	FILE *file = fopen(bench->histogram, "we");
	bool failed;

	if (!file) {
		complain("%s: %s", bench->histogram, strerror(errno));
		return TOOL_EXIT_UNMET;
	}
	for (int i = 0; i < bench->run_count; i++) {
		fprintf(file, "%s# %s %s\n", i ? "\n\n" : "",
			bench_mode_name(bench->plan.mode),
			bench->runs[i].spin ? "spin" : "block");
		histogram_print(&bench->runs[i].latency, file);
	}
	failed = ferror(file) != 0;
	if (fclose(file) != 0 || failed) {
		complain("%s: cannot write: %s", bench->histogram,
			strerror(errno));
		return TOOL_EXIT_UNMET;
	}
	return TOOL_EXIT_OK;
}

static int conclude(struct bench *bench)
{
	int code = TOOL_EXIT_OK;

	if (bench->as_json && bench->run_count > 0)
		bench_json(&bench->plan, &bench->machine, bench->lane,
			bench->runs, bench->run_count);
	if (bench->histogram)
		code = write_histograms(bench);
	for (int i = 0; i < bench->run_count; i++)
		if (!bench_judge(
			    &bench->plan, &bench->runs[i], &bench->require))
			code = TOOL_EXIT_UNMET;
	return code;
}

static int run(const struct command *command, int argc, char **argv)
{
	static struct bench bench; /* Its histograms are large. */
	int id, code = TOOL_EXIT_OK, end;

	bench.plan = (struct bench_plan){.lane = LANE_CHOICE,
		.size = 64,
		.seconds = 2,
		.warmup = 0.3,
		.batch = 1,
		.subscribers = 1};
	while ((id = options_next(command, &bench.plan.lane, argc, argv)) >= 0)
		take_option(&bench, id);
	set_mode(&bench, argc, argv);
	machine_read(&bench.machine);
	stop_catch();
	if (!bench.block_only &&
		!(bench.plan.role == BENCH_ROLE_PONG && !bench.spin_only))
		code = run_once(&bench, true);
	if (!bench.spin_only && code == TOOL_EXIT_OK && !stop_asked())
		code = run_once(&bench, false);
	end = conclude(&bench);
	return code ? code : end;
}

const struct command command_bench = {
	"bench",
	"MODE [OPTION...]",
	"Measure throughput, latency and round trips.",
	"Modes:\n"
	"  throughput  one publisher, --subscribers N, as fast as possible "
	"or paced\n"
	"  latency     one way, from the time a message was meant to leave\n"
	"  roundtrip   ping and pong over two topics; over two hosts with "
	"--role\n\n"
	"Every publisher and subscriber is a process of its own.  Spinning and "
	"blocking are\nmeasured one after the other, unless one is chosen; "
	"--role pong blocks unless --spin.\n"
	"Requirements: rate (messages/s, the slowest subscriber's), loss "
	"(messages),\nloss_percent, and for latency and roundtrip also min "
	"mean p50 p90 p99 p99.9 max.",
	options,
	true,
	run,
};
