/* SPDX-License-Identifier: BSD-2-Clause */
/* attendant.c - a list, and a thread that walks it; see attendant.h. */
#include "topic/attendant.h"

#include <signal.h>
#include <string.h>

#include <msg/msg.h>

#include "base/clock.h"
#include "base/trail.h"

#define PERIOD_NS (100 * MSG_NS_PER_MS)
#define PERIOD_LEAST_NS (5 * MSG_NS_PER_MS)
/* Whoever works takes his turns himself, so soon after they are due. */
#define OVERDUE_NS (50 * MSG_NS_PER_MS)

/* When a turn of this one is overdue.  If it is due since a turn of ours, nobody
 * else works at it: what takes several turns, such as finding a broker again, is
 * not to wait before each. */
static uint64_t overdue(const struct msg_attended *one)
{
	uint64_t due = msg_load(one->due, relaxed);

	return due == one->left ? due : due + OVERDUE_NS;
}

static void attend(struct msg_attended *one)
{
	if (msg_clock_coarse_ns() < overdue(one) || !msg_gate_try(&one->gate))
		return;
	one->turn(one->context);
	one->left = msg_load(one->due, relaxed);
	msg_gate_help_done(&one->gate);
}

/* When one of them is overdue next, but within the period. */
static uint64_t attend_all(struct msg_attendant *a)
{
	uint64_t now = msg_clock_ns();
	uint64_t until = now + PERIOD_NS;

	for (struct msg_attended *one = a->list; one; one = one->next) {
		uint64_t due;

		attend(one);
		due = overdue(one);
		/* Who was left alone just now is looked at with the next
		 * period. */
		if (due > now && due < until)
			until = due;
	}
	return until > now + PERIOD_LEAST_NS ? until : now + PERIOD_LEAST_NS;
}

static void *thread_main(void *argument)
{
	struct msg_attendant *a = argument;
	uint64_t until;

	pthread_setname_np(pthread_self(), "msg-progress");
	pthread_mutex_lock(&a->lock);
	until = attend_all(a);
	while (!a->stop) {
		struct timespec at = {
			.tv_sec = (time_t)(until / MSG_NS_PER_S),
			.tv_nsec = (long)(until % MSG_NS_PER_S),
		};

		if (a->list)
			pthread_cond_timedwait(&a->wake, &a->lock, &at);
		else
			pthread_cond_wait(&a->wake, &a->lock);
		if (!a->stop)
			until = attend_all(a);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

static int start_thread(struct msg_attendant *a)
{
	sigset_t all, before;
	int failed;

	/* The application's signals are not for this thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&a->thread, NULL, thread_main, a);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed)
		return msg_fail(MSG_ERROR_MEMORY,
			"cannot start the progress thread: %s; leave out "
			"MSG_NODE_PROGRESS_THREAD or raise the process limit",
			strerror(failed));
	a->threaded = true;
	return 0;
}

int msg_attendant_open(struct msg_attendant *a, bool threaded)
{
	pthread_condattr_t attr;
	int result = 0;

	memset(a, 0, sizeof *a);
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (threaded)
		result = start_thread(a);
	if (result < 0)
		msg_attendant_close(a);
	return result;
}

void msg_attendant_close(struct msg_attendant *a)
{
	if (a->threaded) {
		pthread_mutex_lock(&a->lock);
		a->stop = true;
		pthread_cond_signal(&a->wake);
		pthread_mutex_unlock(&a->lock);
		pthread_join(a->thread, NULL);
	}
	pthread_cond_destroy(&a->wake);
	pthread_mutex_destroy(&a->lock);
}

void msg_attendant_add(struct msg_attendant *a, struct msg_attended *one)
{
	pthread_mutex_lock(&a->lock);
	one->next = a->list;
	a->list = one;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
}

void msg_attendant_remove(struct msg_attendant *a, struct msg_attended *one)
{
	struct msg_attended **at = &a->list;

	pthread_mutex_lock(&a->lock);
	while (*at && *at != one)
		at = &(*at)->next;
	if (*at)
		*at = one->next;
	pthread_mutex_unlock(&a->lock);
}

void msg_attendant_turn(struct msg_attendant *a)
{
	/* Whoever comes while another thread is at it has nothing to do. */
	if (pthread_mutex_trylock(&a->lock) != 0)
		return;
	attend_all(a);
	pthread_mutex_unlock(&a->lock);
}
