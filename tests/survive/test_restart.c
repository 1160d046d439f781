/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_restart.c - a broker that dies, and one that is asked to end, with
 * everybody at work: those who read and write go on among themselves, keep what
 * they have in hand, and find the next broker without anybody's help.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <msg/msg.h>

#include "actor.h"

#define READERS 16
#define WRITERS 2
#define ALL (READERS + WRITERS)
/* Found again after so long, not counting what the machine made them wait for a
 * processor: beside twenty busy loops that is most of it, as is seen in what the test
 * prints. */
#define BACK_NS 1000000000ull
#define END_NS 500000000ull   /* Ended after so long. */

static struct host host;
static struct actor *all[ALL]; /* The writers first. */
static struct random_stream random_end;

/* Until all were back. */
static struct {
	uint64_t took, queued; /* The longest, and of that without a processor. */
	uint64_t ours;         /* The most without that. */
	int count;
} back;

static void start(uint32_t slow, uint32_t readers, uint32_t burst,
	uint32_t pause_us)
{
	struct publisher_plan pp = {
		.host = &host, .bytes_min = 40, .bytes_max = 1500,
		.burst = burst, .pause_us = pause_us,
		.seed = check_seed(),
	};
	struct subscriber_plan sp = {
		.host = &host, .topic = "t.*", .slow = slow, .keep = 4,
		.buffers = 64, .seed = check_seed(),
	};

	for (int i = 0; i < WRITERS; i++) {
		pp.topic = i == 0 ? "t.one" : "t.two";
		pp.keep_ms = i == 0 ? 80 : 0;
		pp.seed++;
		all[i] = publisher_start(&pp);
	}
	for (uint32_t i = 0; i < readers; i++) {
		sp.seed++;
		sp.descriptor = i % 2;
		all[WRITERS + i] = subscriber_start(&sp);
	}
}

static void setup(void)
{
	random_end.state = check_seed();
	memset(all, 0, sizeof all);
	memset(&back, 0, sizeof back);
	actors_open();
	host_open(&host, NULL);
	host_start(&host);
}

static void teardown(void)
{
	host_close(&host);
}

static int trials(int normal, int more)
{
	if (getenv("MSG_TEST_LONG"))
		return more;
	return MSG_TEST_FEWER > 1 ? normal / MSG_TEST_FEWER + 2 : normal;
}

static int last_back; /* Who was away when somebody else was looked for. */

static bool are_back(uint64_t times)
{
	for (int i = 0; i < ALL && all[i]; i++)
		if (all[i]->reattached < times) {
			last_back = i;
			return false;
		}
	return true;
}

/* Each message of each writer is in each reader's book, taken or lost. */
static void settle(void)
{
	uint64_t delivered = 0, lost = 0;

	for (int w = 0; w < WRITERS; w++)
		all[w]->mode = ACTOR_IDLE;
	sleep_us(50000);
	for (int i = WRITERS; i < ALL && all[i]; i++) {
		for (int w = 0; w < WRITERS; w++) {
			struct book *b;

			AWAIT(20, book_is_level(all[i], all[w]));
			b = subscriber_book(all[i], all[w]->publisher);
			ck_assert_uint_eq(
				b->first + b->delivered + b->lost, b->next);
		}
		ck_assert_uint_eq(all[i]->book_count, WRITERS);
		delivered += subscriber_delivered(all[i]);
		lost += subscriber_lost(all[i]);
	}
	for (int w = 0; w < WRITERS; w++)
		all[w]->mode = ACTOR_NORMAL;
	printf("%llu delivered, %llu lost and said so\n",
		(unsigned long long)delivered, (unsigned long long)lost);
}

static uint64_t most(uint64_t one, uint64_t other)
{
	return one > other ? one : other;
}

/* ---- until everybody is back --------------------------------------------- */

static pid_t pid_of(int i)
{
	if (i == ALL)
		return host.broker;
	return i > ALL ? getpid() : all[i] ? all[i]->pid : 0;
}

/* Of the last to come back, the broker, and this process, which has to see it: whoever
 * waited longest. */
static uint64_t queued_of(const uint64_t *before)
{
	const int who[] = {last_back, ALL, ALL + 1};
	uint64_t longest = 0;

	for (int i = 0; i < 3; i++)
		longest = most(longest,
			process_queued_ns(pid_of(who[i])) - before[who[i]]);
	return longest;
}

/* From now on, for the time after this one. */
static void await_back(uint64_t times)
{
	uint64_t before[ALL + 2] = {0}, bound, took, queued;

	for (int i = 0; i < ALL + 2; i++)
		if (pid_of(i) > 0)
			before[i] = process_queued_ns(pid_of(i));
	bound = now_ns();
	AWAIT(10, are_back(times + 1));
	took = now_ns() - bound;
	queued = queued_of(before);
	if (queued > took)
		queued = took;
	if (took > BACK_NS)
		printf("back after %.0f ms, %.0f without a processor, number "
		       "%d the last\n",
			(double)took / 1e6, (double)queued / 1e6, last_back);
	back.count++;
	if (took > back.took) {
		back.took = took;
		back.queued = queued;
	}
	back.ours = most(took - queued, back.ours);
}

static void check_back(void)
{
	printf("%d ends: all are back after %.0f ms at most, %.0f of it without "
	       "a processor; apart from that after %.0f ms\n",
		back.count, (double)back.took / 1e6, (double)back.queued / 1e6,
		(double)back.ours / 1e6);
	ck_assert_uint_le(back.ours, BACK_NS);
}

/* End it, be away for a while, come back. */
static void end_and_start(int trial, int signal)
{
	uint64_t before = all[0]->published;

	host_end(&host, signal);
	sleep_us(random_below(&random_end, 3) * 20000);
	/* No broker, and work goes on. */
	AWAIT(10, all[0]->published > before);
	host_start(&host);
	await_back((uint64_t)trial);
}

/* The same where nobody publishes meanwhile. */
static void end_and_start_asleep(int trial)
{
	host_end(&host, SIGKILL);
	sleep_us(random_below(&random_end, 3) * 100000);
	host_start(&host);
	await_back((uint64_t)trial);
}

/* For a tenth of a second. */
static bool stands_still(const struct actor *writer)
{
	uint64_t before = writer->published;

	sleep_us(100000);
	return writer->published == before;
}

static void end_often(uint32_t slow, int count)
{
	uint64_t kept;

	start(slow, READERS, 4, 2000);
	AWAIT(20, all[WRITERS + READERS - 1]->book_count == WRITERS);
	for (int i = 0; i < count; i++) {
		end_and_start(i, i % 3 == 2 ? SIGTERM : SIGKILL);
		/* Something kept is looked at between any two. */
		kept = all[0]->kept;
		AWAIT(10, all[0]->kept > kept);
		if (i % 4 == 3)
			settle();
	}
	settle();
	check_back();
	for (int i = 0; i < ALL; i++)
		ck_assert_uint_gt(all[i]->turns, 0);
}

START_TEST(a_killed_broker_is_found_again)
{
	end_often(MSG_SLOW_LAP, trials(12, 300));
	for (int i = 0; i < ALL; i++)
		actor_stop(all[i]);
}
END_TEST

START_TEST(who_blocks_loses_nothing_while_the_broker_is_away)
{
	/* With the thread that looks after those who make no calls. */
	host.flags = MSG_NODE_PROGRESS_THREAD;
	end_often(MSG_SLOW_BLOCK, trials(8, 200));
	for (int i = WRITERS; i < ALL; i++)
		ck_assert_uint_eq(subscriber_lost(all[i]), 0);
	for (int i = 0; i < ALL; i++)
		actor_stop(all[i]);
}
END_TEST

/* ---- nobody makes a call ------------------------------------------------------------- */

static void set_modes(enum actor_mode mode)
{
	for (int i = 0; i < ALL && all[i]; i++)
		all[i]->mode = mode;
}

START_TEST(who_makes_no_calls_is_found_again_too)
{
	host.flags = MSG_NODE_PROGRESS_THREAD;
	start(MSG_SLOW_LAP, 4, 4, 2000);
	AWAIT(20, all[WRITERS + 3]->book_count == WRITERS);
	for (int i = 0; i < trials(4, 50); i++) {
		uint64_t before;

		set_modes(ACTOR_ASLEEP);
		sleep_us(50000);
		before = all[0]->published;
		end_and_start_asleep(i);
		ck_assert_uint_eq(all[0]->published, before);
		set_modes(ACTOR_NORMAL);
		settle();
	}
	check_back();
	for (int i = 0; i < WRITERS + 4; i++)
		actor_stop(all[i]);
}
END_TEST

/* ---- a reader dies meanwhile --------------------------------------------------------- */

START_TEST(a_reader_that_dies_meanwhile_holds_nobody_up)
{
	uint64_t begin, held;

	start(MSG_SLOW_BLOCK, 3, 4, 200);
	AWAIT(20, all[WRITERS + 2]->book_count == WRITERS);
	/* They stand still until it reads, dead broker or not. */
	all[WRITERS]->mode = ACTOR_IDLE;
	all[WRITERS + 1]->mode = ACTOR_KEEP;
	AWAIT(20, stands_still(all[0]) && stands_still(all[1]));
	host_end(&host, SIGKILL);
	sleep_us(300000);
	ck_assert(stands_still(all[0]) && stands_still(all[1]));
	held = all[0]->published;
	begin = now_ns();
	actor_kill(all[WRITERS]);
	actor_kill(all[WRITERS + 1]);
	AWAIT(10, all[0]->published > held + 1000);
	printf("a dead reader held its publishers up for %.0f ms\n",
		(double)(now_ns() - begin) / 1e6);
	ck_assert_uint_le(now_ns() - begin, 2 * BACK_NS);
	host_start(&host);
	all[WRITERS] = all[WRITERS + 2];
	all[WRITERS + 1] = all[WRITERS + 2] = NULL;
	AWAIT(10, are_back(1));
	settle();
	ck_assert_uint_eq(subscriber_lost(all[WRITERS]), 0);
	for (int i = 0; i <= WRITERS; i++)
		actor_stop(all[i]);
}
END_TEST

/* ---- asked to end -------------------------------------------------------------------- */

/* What it leaves in its folder: the lock, and what is ours. */
static void check_folder(void)
{
	DIR *folder = opendir(host.folder);
	struct dirent *entry;

	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder)))
		ck_assert_msg(entry->d_name[0] == '.' ||
				      !strcmp(entry->d_name, "a.lock") ||
				      !strcmp(entry->d_name, "conf") ||
				      !strcmp(entry->d_name, "log"),
			"%s is left behind", entry->d_name);
	closedir(folder);
}

static uint64_t end_once(void)
{
	uint64_t begin = now_ns();
	int status = host_end(&host, SIGTERM);

	ck_assert_int_eq(status, 0);
	return now_ns() - begin;
}

START_TEST(asked_to_end_at_full_rate_it_ends_at_once)
{
	int count = trials(50, 1000), late = 0;
	uint64_t longest = 0, before;

	start(MSG_SLOW_LAP, 4, 32, 0);
	for (int i = 0; i < count; i++) {
		uint64_t took;

		before = subscriber_delivered(all[WRITERS]);
		AWAIT(10, subscriber_delivered(all[WRITERS]) > before);
		sleep_us(random_below(&random_end, 10000));
		took = end_once();
		longest = most(longest, took);
		late += took > END_NS;
		check_folder();
		host_start(&host);
		AWAIT(10, are_back((uint64_t)i + 1));
	}
	printf("%d ends: after %.1f ms at most\n", count,
		(double)longest / 1e6);
	ck_assert_msg(late <= count / 20, "an end takes more than 0.5 s, %d "
					  "times of %d", late, count);
	settle();
	for (int i = 0; i < WRITERS + 4; i++)
		actor_stop(all[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("restart");
	TCase *tcase = check_case(suite, "restart", 3600);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_killed_broker_is_found_again);
	tcase_add_test(
		tcase, who_blocks_loses_nothing_while_the_broker_is_away);
	tcase_add_test(tcase, who_makes_no_calls_is_found_again_too);
	tcase_add_test(tcase, a_reader_that_dies_meanwhile_holds_nobody_up);
	tcase_add_test(tcase, asked_to_end_at_full_rate_it_ends_at_once);
	return check_main(suite, NULL);
}
