/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_slow.c - one subscriber of sixteen that does not keep up, and the others.
 *
 * Three ways to be slow: stopped (SIGSTOP), taking one message a second, giving
 * nothing back.  Good and bad times alternate, so that what else happens on the
 * machine falls on both: what the others get per second, and how late, in the
 * bad times is compared with the good ones.  A machine that was disturbed all the
 * same is asked again.  Each way lasts 2.5 s in all, a minute with
 * MSG_TEST_LONG.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <msg/msg.h>

#include "actor.h"

#define OTHERS 15
#define LOANS 64
#define PAIRS 5 /* Of a good time and a bad one, by turns. */
#define SLICE_US 500000u
#define SLICE_LONG_US 12000000u
#define TRIES 3
#define RATE_LEAST 0.95
#define LATENCY_MOST                                                           \
	1.5 /* p99, bad to good: the plan's 1.10 on a machine
                            that is ours. */

enum way {
	STOPPED,
	CRAWLING,
	KEEPING,
	WAYS
};

static const char *const names[WAYS] = {
	"stopped", "one message a second", "gives nothing back"};

static struct host host;
static struct actor *publisher;
static struct actor *slow;
static struct actor *others[OTHERS];

static void setup(void)
{
	actors_open();
	host_open(&host, NULL);
	host_start(&host);
}

static void teardown(void)
{
	host_close(&host);
}

static void start(uint32_t policy, uint32_t count)
{
	struct publisher_plan pp = {
		.host = &host,
		.topic = "a.b",
		.bytes_min = 3000,
		.bytes_max = 4000,
		.loan_count = LOANS,
		.burst = 4,
		.pause_us = 4000,
		.seed = check_seed(),
	};
	struct subscriber_plan sp = {
		.host = &host,
		.topic = "a.b",
		.slow = policy,
		.buffers = 64,
		.seed = check_seed(),
	};

	slow = subscriber_start(&sp);
	sp.slow = MSG_SLOW_LAP;
	for (uint32_t i = 0; i < count; i++)
		others[i] = subscriber_start(&sp);
	publisher = publisher_start(&pp);
	AWAIT(20, publisher->published > 100 && slow->book_count == 1);
}

static void be_slow(enum way way, bool begin)
{
	if (way == STOPPED)
		kill(slow->pid, begin ? SIGSTOP : SIGCONT);
	else if (!begin)
		slow->mode = ACTOR_NORMAL;
	else
		slow->mode = way == CRAWLING ? ACTOR_CRAWL : ACTOR_KEEP;
}

static uint64_t delivered_to_others(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < OTHERS; i++)
		sum += subscriber_delivered(others[i]);
	return sum;
}

/* Messages per second, to all others. */
static double slice(uint32_t window)
{
	uint64_t begin = now_ns(), before = delivered_to_others();
	uint64_t end = begin + 1000ull * (getenv("MSG_TEST_LONG")
							 ? SLICE_LONG_US
							 : SLICE_US);

	for (int i = 0; i < OTHERS; i++)
		others[i]->window = window;
	while (now_ns() < end) {
		sleep_us(100000);
		actors_check();
	}
	for (int i = 0; i < OTHERS; i++)
		others[i]->window = 0;
	return (double)(delivered_to_others() - before) * 1e9 /
	       (double)(now_ns() - begin);
}

static double late(uint32_t window)
{
	double ns = latency_quantile(others, OTHERS, window, 0.99);

	for (int i = 0; i < OTHERS; i++)
		memset((void *)others[i]->latency[window], 0,
			sizeof others[i]->latency[window]);
	return ns;
}

static int by_size(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return a < b ? -1 : a > b;
}

/* The second of all from the calm end: what a slow neighbour does it does in
 * every bad time, and what else the machine does not in every one. */
static double calm(double *list, int place)
{
	qsort(list, PAIRS, sizeof *list, by_size);
	return list[place];
}

/* True: the others do not notice. */
static bool compare(enum way way)
{
	double rates[2][PAIRS], lates[2][PAIRS], rate[2], most[2];

	for (int i = 0; i < PAIRS; i++)
		for (uint32_t bad = 0; bad < 2; bad++) {
			be_slow(way, bad);
			rates[bad][i] = slice(1 + bad);
			lates[bad][i] = late(1 + bad);
		}
	be_slow(way, false);
	for (int bad = 0; bad < 2; bad++) {
		rate[bad] = calm(rates[bad], PAIRS - 2);
		most[bad] = calm(lates[bad], 1);
	}
	printf("%s: the others' rate %.1f %% of %.0f/s, p99 %.2f of %.0f us\n",
		names[way], 100 * rate[1] / rate[0], rate[0], most[1] / most[0],
		most[0] / 1e3);
	return rate[1] >= RATE_LEAST * rate[0] &&
	       most[1] <= LATENCY_MOST * most[0];
}

/* The machine may have been busy with others, which no neighbour of a slow
 * subscriber is to blame for. */
static bool compare_patiently(enum way way)
{
	for (int i = 0; i < TRIES; i++) {
		if (compare(way))
			return true;
		printf("once more: the machine may have been busy\n");
	}
	return false;
}

START_TEST(others_do_not_notice_a_slow_one)
{
	enum way way = (enum way)_i;
	uint64_t lost, enough;

	start(MSG_SLOW_LAP, OTHERS);
	ck_assert_msg(compare_patiently(way), "the others notice one that: %s",
		names[way]);
	/* Of a machine that is busy there may have been too little to lose any. */
	be_slow(way, true);
	enough = publisher->published + LOANS * 4;
	AWAIT(20, publisher->published > enough);
	be_slow(way, false);
	/* It learns how many it lost, to the message. */
	publisher->mode = ACTOR_IDLE;
	AWAIT(20, book_is_level(slow, publisher));
	lost = subscriber_lost(slow);
	ck_assert_uint_gt(lost, 0);
	ck_assert_uint_eq(
		slow->books[0].first + slow->books[0].delivered + lost,
		publisher->published);
	for (int i = 0; i < OTHERS; i++)
		AWAIT(20, book_is_level(others[i], publisher));
	printf("it lost %llu of %llu; the others %llu in all\n",
		(unsigned long long)lost,
		(unsigned long long)publisher->published,
		(unsigned long long)(publisher->published * OTHERS -
				     delivered_to_others()));
	actor_stop(publisher);
	actor_stop(slow);
	for (int i = 0; i < OTHERS; i++)
		actor_stop(others[i]);
}
END_TEST

START_TEST(who_asked_to_be_evicted_is_told_so)
{
	start(MSG_SLOW_EVICT, 1);
	kill(slow->pid, SIGSTOP);
	sleep_us(1500000);
	actors_check();
	ck_assert(!slow->evicted);
	kill(slow->pid, SIGCONT);
	AWAIT(10, slow->evicted);
	publisher->mode = ACTOR_IDLE;
	AWAIT(10, book_is_level(others[0], publisher));
	ck_assert_uint_eq(subscriber_lost(others[0]), 0);
	actor_stop(slow);
	actor_stop(others[0]);
	actor_stop(publisher);
}
END_TEST

START_TEST(a_publisher_waits_for_who_asked_it_to)
{
	uint64_t stuck, refused;

	start(MSG_SLOW_BLOCK, 1);
	kill(slow->pid, SIGSTOP);
	refused = publisher->refused;
	AWAIT(10, publisher->refused > refused + 100);
	stuck = publisher->published;
	sleep_us(500000);
	ck_assert_uint_eq(publisher->published, stuck);
	kill(slow->pid, SIGCONT);
	AWAIT(10, publisher->published > stuck + 100);
	publisher->mode = ACTOR_IDLE;
	AWAIT(10, book_is_level(slow, publisher));
	ck_assert_uint_eq(subscriber_lost(slow), 0);
	actor_stop(slow);
	actor_stop(others[0]);
	actor_stop(publisher);
}
END_TEST

/* Each may hold half of the slots, and three of them would hold them all. */
START_TEST(many_that_give_nothing_back_stop_nobody)
{
	struct subscriber_plan sp = {.host = &host,
		.topic = "a.b",
		.buffers = 256,
		.slow = MSG_SLOW_LAP};
	struct actor *hoarders[3];
	uint64_t before;

	start(MSG_SLOW_LAP, 2);
	for (int i = 0; i < 3; i++) {
		hoarders[i] = subscriber_start(&sp);
		AWAIT(10, subscriber_delivered(hoarders[i]) > 0);
		hoarders[i]->mode = ACTOR_KEEP;
		/* Others than those its neighbour holds. */
		AWAIT(10, hoarders[i]->in_hand >= 32 || hoarders[i]->evicted);
		sleep_us(300000);
	}
	before = publisher->published;
	AWAIT(10, publisher->published > before + 1000);
	publisher->mode = ACTOR_IDLE;
	for (int i = 0; i < 2; i++) {
		AWAIT(10, book_is_level(others[i], publisher));
		actor_stop(others[i]);
	}
	for (int i = 0; i < 3; i++) {
		printf("hoarder %d: %llu in hand, %s\n", i,
			(unsigned long long)hoarders[i]->in_hand,
			hoarders[i]->evicted ? "evicted" : "still there");
		actor_stop(hoarders[i]);
	}
	actor_stop(slow);
	actor_stop(publisher);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slow");
	TCase *tcase = check_case(suite, "slow", 600);
	TCase *many = check_case(suite, "many", 60);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, others_do_not_notice_a_slow_one, 0, WAYS);
	tcase_add_test(tcase, who_asked_to_be_evicted_is_told_so);
	tcase_add_test(tcase, a_publisher_waits_for_who_asked_it_to);
	tcase_add_checked_fixture(many, setup, teardown);
	tcase_add_test(many, many_that_give_nothing_back_stop_nobody);
	return check_main(suite, NULL);
}
