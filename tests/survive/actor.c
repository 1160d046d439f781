/* SPDX-License-Identifier: BSD-2-Clause */
/* actor.c - processes and what they share with the test; see actor.h. */
#include "actor.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACTORS_MAX 64
/* To end by itself, once asked to. */
#define STOP_SECONDS 20

static struct actor *actors;

void actors_open(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!actors)
		actors = mmap(NULL, ACTORS_MAX * sizeof *actors,
			PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			0);
	ck_assert_ptr_ne(actors, MAP_FAILED);
	memset(actors, 0, ACTORS_MAX * sizeof *actors);
}

static struct actor *find_place(void)
{
	for (int i = 0; i < ACTORS_MAX; i++)
		if (actors[i].pid == 0)
			return &actors[i];
	ck_abort_msg("a test has %d actors at most", ACTORS_MAX);
	return NULL;
}

struct actor *actor_start(const char *name,
	void (*role)(struct actor *me, const void *context),
	const void *context)
{
	struct actor *a = find_place();
	pid_t pid;

	memset(a, 0, sizeof *a);
	snprintf(a->name, sizeof a->name, "%s", name);
	fflush(stdout);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		role(a, context);
		_exit(0);
	}
	a->pid = pid;
	return a;
}

void actor_fail(struct actor *me, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(me->failure, sizeof me->failure, format, args);
	va_end(args);
	_exit(1);
}

void actor_must(struct actor *me, int result, const char *what)
{
	if (result < 0)
		actor_fail(me, "%s: %s: %s", what, msg_error_name(result),
			msg_error_text());
}

/* Whether it has ended; one that ended badly fails the test. */
static bool reap(struct actor *a)
{
	int status;
	pid_t pid = waitpid(a->pid, &status, WNOHANG);

	if (pid == 0)
		return false;
	if (pid != a->pid || status != 0)
		ck_abort_msg("%s (pid %d) ended with status %d: %s", a->name,
			(int)a->pid, status,
			*a->failure ? a->failure : "no word of why");
	a->pid = 0;
	return true;
}

void actors_check(void)
{
	for (int i = 0; i < ACTORS_MAX; i++)
		if (actors[i].pid > 0)
			reap(&actors[i]);
}

void actor_stop(struct actor *a)
{
	uint64_t limit = now_ns() + STOP_SECONDS * 1000000000ull;

	a->stop = true;
	while (a->pid > 0 && !reap(a)) {
		if (now_ns() > limit)
			ck_abort_msg("%s (pid %d) does not stop", a->name,
				(int)a->pid);
		sleep_us(200);
	}
}

void actor_kill(struct actor *a)
{
	kill(a->pid, SIGKILL);
	while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
		;
	a->pid = 0;
}

/* ---- books ----------------------------------------------------------------- */

struct book *subscriber_book(struct actor *s, uint64_t publisher)
{
	for (uint32_t i = 0; i < s->book_count; i++)
		if (s->books[i].publisher == publisher)
			return &s->books[i];
	return NULL;
}

bool book_is_level(struct actor *s, struct actor *p)
{
	const struct book *book = subscriber_book(s, p->publisher);

	return book ? book->next == p->published : p->published == 0;
}

uint64_t subscriber_delivered(struct actor *s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->book_count; i++)
		sum += s->books[i].delivered;
	return sum;
}

uint64_t subscriber_lost(struct actor *s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->book_count; i++)
		sum += s->books[i].lost;
	return sum;
}

static double bucket_ns(int bucket)
{
	double low = (double)(1ull << (bucket / 16));

	return low + low * (bucket % 16 + 1) / 16;
}

double latency_quantile(
	struct actor *const *list, int count, uint32_t window, double share)
{
	uint64_t total = 0, below = 0;
	uint64_t sums[ACTOR_BUCKETS] = {0};

	for (int i = 0; i < count; i++)
		for (int b = 0; b < ACTOR_BUCKETS; b++)
			sums[b] += list[i]->latency[window][b];
	for (int b = 0; b < ACTOR_BUCKETS; b++)
		total += sums[b];
	for (int b = 0; b < ACTOR_BUCKETS; b++) {
		below += sums[b];
		if (total > 0 && (double)below >= share * (double)total)
			return bucket_ns(b);
	}
	return 0;
}
