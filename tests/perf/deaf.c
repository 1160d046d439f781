/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * deaf.c - the scenarios of deaf.h, one after the other, and the verdict.
 *
 *     deaf --broker NAME [--rounds N] [--lead-ms N] [--deaf-ms N] [--tail-ms N]
 *          [--rate N] [--bytes N] [--times FOLDER] [--books-only] [--fifo]
 *
 * The lane comes from MSG_INTERFACE, MSG_GROUPS and MSG_PORT, the same for the
 * publisher here and the broker there.  A round is all three scenarios, so that
 * what else the machine does falls on each; a time is judged by the median over
 * rounds of its ratio to the same round's `alone`.
 */
#include "deaf.h"

#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_MAX 15
#define P99_MOST 1.2 /* With a deaf neighbour, to without. */
#define PATIENCE_NS 20000000000u
#define STEP_NS 100000000u /* Of the timeline. */

static const char *const names[DEAF_SCENARIOS] = {"alone", "stopped", "killed"};

/* ---- processes --------------------------------------------------------- */

/* `book` NULL: the publisher. */
static pid_t start(const struct deaf_plan *plan, struct deaf_page *page,
	struct deaf_book *book)
{
	struct sched_param priority = {.sched_priority = 1};
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1ul);
	if (plan->fifo && sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
		perror("deaf: warning: --fifo");
	_exit(book ? deaf_subscribe(plan, page, book)
		   : deaf_publish(plan, page));
}

static int await(const _Atomic bool *flag)
{
	uint64_t limit = now_ns() + PATIENCE_NS;

	while (!atomic_load(flag)) {
		if (now_ns() > limit)
			return -1;
		usleep(1000);
	}
	return 0;
}

static void pass(uint32_t ms)
{
	usleep(ms * 1000u);
}

/* Whether it ended by itself, and well; it is gone afterwards. */
static int end(pid_t pid)
{
	uint64_t limit = now_ns() + PATIENCE_NS;
	int status = 1;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now_ns() > limit) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		usleep(1000);
	}
	return status == 0 ? 0 : -1;
}

/* From deafness to the end of it; *other is who is there then. */
static void be_deaf(const struct deaf_plan *plan, struct deaf_page *page,
	enum deaf_scenario scenario, pid_t *other)
{
	page->deaf_ns = now_ns();
	if (scenario == DEAF_STOPPED)
		kill(*other, SIGSTOP);
	if (scenario == DEAF_KILLED) {
		kill(*other, SIGKILL);
		waitpid(*other, NULL, 0);
	}
	pass(plan->deaf_ms);
	page->cured_ns = now_ns();
	if (scenario == DEAF_STOPPED)
		kill(*other, SIGCONT);
	if (scenario == DEAF_KILLED)
		*other = start(plan, page, &page->books[2]);
}

static int run(const struct deaf_plan *plan, struct deaf_page *page,
	enum deaf_scenario scenario)
{
	pid_t healthy, other = 0, publisher;
	int failed = 0;

	memset(page, 0, sizeof *page);
	healthy = start(plan, page, &page->books[0]);
	failed |= await(&page->books[0].ready);
	if (scenario != DEAF_ALONE) {
		other = start(plan, page, &page->books[1]);
		failed |= await(&page->books[1].ready);
	}
	publisher = start(plan, page, NULL);
	failed |= await(&page->publishing);
	page->begin_ns = now_ns();
	if (failed == 0) {
		pass(plan->lead_ms);
		be_deaf(plan, page, scenario, &other);
		pass(plan->tail_ms);
	}
	atomic_store(&page->enough, true);
	failed |= end(publisher);
	failed |= end(healthy);
	if (other > 0)
		failed |= end(other);
	if (failed != 0)
		fprintf(stderr,
			"deaf: %s: a process failed, or waits in vain\n",
			names[scenario]);
	return failed;
}

/* ---- what the books say ------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Percentile in µs of what was sent from `from` to `to`. */
static double percentile(const struct deaf_book *book, uint64_t from,
	uint64_t to, double part, uint32_t *count)
{
	static uint64_t late[DEAF_ARRIVALS_MAX];

	*count = 0;
	for (uint32_t i = 0; i < book->count; i++) {
		uint64_t sent =
			book->arrivals[i].at_ns - book->arrivals[i].late_ns;

		if (sent >= from && sent < to)
			late[(*count)++] = book->arrivals[i].late_ns;
	}
	qsort(late, *count, sizeof *late, by_value);
	return *count == 0
		       ? 0
		       : (double)late[(uint32_t)(part * (*count - 1))] / 1e3;
}

static uint64_t arrived(
	const struct deaf_book *book, uint64_t from, uint64_t to)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < book->count; i++)
		n += book->arrivals[i].at_ns >= from &&
		     book->arrivals[i].at_ns < to;
	return n;
}

/* Delivered and lost are what was published since it came, each in its place. */
static bool adds_up(const char *who, const struct deaf_page *page,
	const struct deaf_book *book, bool may_lose)
{
	uint64_t delivered = atomic_load(&book->delivered);
	uint64_t lost = atomic_load(&book->lost);
	uint64_t owed = atomic_load(&page->published) - book->first;
	bool good = delivered > 0 && delivered + lost == owed &&
		    book->wrong == 0 && (may_lose || lost == 0);

	printf("  %-16s %8llu published = %8llu delivered + %8llu lost%s%s\n",
		who, (unsigned long long)owed, (unsigned long long)delivered,
		(unsigned long long)lost,
		book->wrong ? ", some out of place or damaged" : "",
		good ? "" : "  DOES NOT HOLD");
	return good;
}

static bool judge_books(
	const struct deaf_page *page, enum deaf_scenario scenario)
{
	bool good = adds_up("the healthy one", page, &page->books[0], false) &&
		    page->books[0].first == 0;

	if (scenario == DEAF_STOPPED) {
		good &= adds_up("the deaf one", page, &page->books[1], true);
		good &= page->books[1].first == 0;
	}
	if (scenario == DEAF_KILLED)
		good &= adds_up("who came after", page, &page->books[2], true);
	return good;
}

/* ---- the timeline ------------------------------------------------------ */

static int write_timeline(const char *folder, const struct deaf_page *page,
	enum deaf_scenario scenario)
{
	const struct deaf_book *heir = &page->books[2];
	uint64_t last = page->cured_ns;
	char path[512];
	uint32_t count;
	FILE *file;

	if (page->books[0].count > 0)
		last = page->books[0].arrivals[page->books[0].count - 1].at_ns;
	snprintf(path, sizeof path, "%s/deaf.%s.tsv", folder, names[scenario]);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		return -1;
	}
	fprintf(file,
		"# deaf from %.3f to %.3f s\n"
		"#s\thealthy\tp99_us\tother\n",
		(double)(page->deaf_ns - page->begin_ns) / 1e9,
		(double)(page->cured_ns - page->begin_ns) / 1e9);
	for (uint64_t t = page->begin_ns; t < last; t += STEP_NS) {
		double p99 = percentile(
			&page->books[0], t, t + STEP_NS, 0.99, &count);

		fprintf(file, "%.1f\t%llu\t%.0f\t%llu\n",
			(double)(t - page->begin_ns) / 1e9,
			(unsigned long long)arrived(
				&page->books[0], t, t + STEP_NS),
			p99,
			(unsigned long long)(arrived(&page->books[1], t,
						     t + STEP_NS) +
					     arrived(heir, t, t + STEP_NS)));
	}
	return fclose(file) == 0 ? 0 : -1;
}

/* ---- rounds ------------------------------------------------------------ */

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The ratios of each scenario, a round each. */
struct ratios {
	double values[DEAF_SCENARIOS][2 * ROUNDS_MAX];
	int count;
};

static bool judge_times(enum deaf_scenario scenario, struct ratios *ratios)
{
	double *values = ratios->values[scenario];
	double middle;
	bool good;

	qsort(values, (size_t)ratios->count, sizeof *values, by_double);
	middle = values[ratios->count / 2];
	good = middle <= P99_MOST;
	printf("p99 of the healthy one, %s / alone: %.2f (%.2f-%.2f of %d "
	       "rounds), at most %.1f: %s\n",
		names[scenario], middle, values[0], values[ratios->count - 1],
		ratios->count, P99_MOST, good ? "PASS" : "MISS");
	return good;
}

/* Whether the books of a round add up. */
static bool one_round(const struct deaf_plan *plan, struct deaf_page *page,
	const char *folder, struct ratios *ratios)
{
	double alone = 0;
	uint32_t count;

	for (enum deaf_scenario s = 0; s < DEAF_SCENARIOS; s++) {
		double p99;

		if (run(plan, page, s) != 0)
			return false;
		p99 = percentile(&page->books[0], page->deaf_ns, page->cured_ns,
			0.99, &count);
		alone = s == DEAF_ALONE ? p99 : alone;
		ratios->values[s][ratios->count] = alone > 0 ? p99 / alone : 0;
		printf("round %d, %s: p99 %.0f us\n", ratios->count + 1,
			names[s], p99);
		if (folder && write_timeline(folder, page, s) != 0)
			return false;
		if (!judge_books(page, s))
			return false;
		fflush(stdout);
	}
	ratios->count++;
	return true;
}

/* Exit status of the program.  A machine that was disturbed is asked once more,
 * and all its answers count. */
static int measure(const struct deaf_plan *plan, int rounds, const char *folder,
	bool books_only)
{
	static struct ratios ratios;
	struct deaf_page *page = mmap(NULL, sizeof *page,
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool good = false;

	if (page == MAP_FAILED)
		return 1;
	for (int attempt = 0; attempt < 2 && !good; attempt++) {
		for (int i = 0; i < rounds; i++)
			if (!one_round(plan, page, folder, &ratios))
				return 1;
		if (books_only)
			return 0;
		/* Both say what they found. */
		good = judge_times(DEAF_STOPPED, &ratios);
		good = judge_times(DEAF_KILLED, &ratios) && good;
	}
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"broker", required_argument, NULL, 'b'},
		{"rounds", required_argument, NULL, 'n'},
		{"lead-ms", required_argument, NULL, 'l'},
		{"deaf-ms", required_argument, NULL, 'd'},
		{"tail-ms", required_argument, NULL, 't'},
		{"rate", required_argument, NULL, 'r'},
		{"bytes", required_argument, NULL, 'y'},
		{"times", required_argument, NULL, 'f'},
		{"books-only", no_argument, NULL, 'o'},
		{"fifo", no_argument, NULL, 'p'},
		{0},
	};
	struct deaf_plan plan = {.bytes = 1024,
		.rate = 5000,
		.lead_ms = 2000,
		.deaf_ms = 8000,
		.tail_ms = 2000};
	const char *folder = NULL;
	bool books_only = false;
	int rounds = 3, c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		uint32_t n = optarg ? (uint32_t)strtoul(optarg, NULL, 10) : 0;

		switch (c) {
		case 'b':
			plan.broker = optarg;
			break;
		case 'n':
			rounds = (int)n;
			break;
		case 'l':
			plan.lead_ms = n;
			break;
		case 'd':
			plan.deaf_ms = n;
			break;
		case 't':
			plan.tail_ms = n;
			break;
		case 'r':
			plan.rate = n;
			break;
		case 'y':
			plan.bytes = n;
			break;
		case 'f':
			folder = optarg;
			break;
		case 'o':
			books_only = true;
			break;
		case 'p':
			plan.fifo = true;
			break;
		default:
			return 2;
		}
	}
	if (!plan.broker || rounds < 1 || rounds > ROUNDS_MAX ||
		plan.bytes < 16 || plan.rate == 0) {
		fprintf(stderr,
			"usage: see the head of deaf.c; --broker NAME, "
			"--rounds 1 to %d, --bytes 16 or more\n",
			ROUNDS_MAX);
		return 2;
	}
	return measure(&plan, rounds, folder, books_only);
}
