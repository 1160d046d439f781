/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_kill.c - clients that are killed at any moment, views and loans in hand.
 *
 * A victim that asked to be waited for is the strictest: as long as its death
 * is not noticed, its publisher stands still.  The others read with the same
 * wish, so that not one message may be missing.  How soon a place is free is
 * compared with how long a process takes here that sleeps and is asked to
 * answer, at the same moments: the machine's own share of it.  What the broker, the
 * publisher and this program waited for a processor meanwhile is not counted: it is
 * one after the other, where an answer takes one such wait.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <msg/msg.h>

#include "actor.h"

#define OTHERS 8
#define KILLS_MAX 10000
#define RECLAIM_NS 10000000ull /* The promise, on a machine that is ours. */

static struct host host;
static struct actor *publisher;
static struct actor *others[OTHERS];
static struct random_stream random_kill;

static int kills(void)
{
	return getenv("MSG_TEST_LONG") ? KILLS_MAX : 1000 / MSG_TEST_FEWER;
}

static void setup(void)
{
	struct publisher_plan pp = {
		.host = &host, .topic = "a.b", .bytes_min = 40,
		.bytes_max = 2000, .burst = 4, .pause_us = 1000,
		.seed = check_seed(),
	};
	struct subscriber_plan sp = {
		.host = &host, .topic = "a.b", .slow = MSG_SLOW_BLOCK,
		.keep = 8, .buffers = 64, .seed = check_seed(),
	};

	random_kill.state = check_seed();
	actors_open();
	host_open(&host, NULL);
	host_start(&host);
	for (int i = 0; i < OTHERS; i++) {
		sp.descriptor = i % 2;
		sp.seed++;
		others[i] = subscriber_start(&sp);
	}
	publisher = publisher_start(&pp);
	for (int i = 0; i < OTHERS; i++)
		AWAIT(20, subscriber_delivered(others[i]) > 0);
}

static void teardown(void)
{
	host_close(&host);
}

/* ---- the machine's own share -------------------------------------------------- */

static pid_t echo_pid;
static int echo_fd;

static void open_echo(void)
{
	int ends[2];
	char byte;

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	echo_pid = fork();
	if (echo_pid == 0) {
		close(ends[0]);
		while (read(ends[1], &byte, 1) == 1 &&
			write(ends[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	close(ends[1]);
	echo_fd = ends[0];
}

static uint64_t ask_echo(void)
{
	uint64_t begin = now_ns();
	char byte = 0;

	ck_assert_int_eq(write(echo_fd, &byte, 1), 1);
	ck_assert_int_eq(read(echo_fd, &byte, 1), 1);
	return now_ns() - begin;
}

static void close_echo(void)
{
	close(echo_fd);
	waitpid(echo_pid, NULL, 0);
}

/* ---- victims -------------------------------------------------------------------- */

struct victim {
	pid_t pid;
	int pipe; /* A byte when it is attached; the end when it is dead. */
	bool attached;
};

/* Takes what it gets and gives nothing back. */
static void be_victim(int pipe)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;
	struct msg_view views[32];
	struct msg_node *node;

	o.topic = "a.b";
	o.slow = MSG_SLOW_BLOCK;
	o.buffer_count = 64;
	if (host_node(&host, &node) < 0 ||
		msg_subscriber_open(node, &o, &s) < 0) {
		fprintf(stderr, "a victim: %s\n", msg_error_text());
		_exit(1);
	}
	(void)!write(pipe, "", 1);
	for (;;)
		if (msg_subscriber_take(s, views, 32) <= 0)
			(void)!msg_subscriber_wait(s, 1000000);
}

static void start_victim(struct victim *v)
{
	int ends[2];

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	v->pid = fork();
	ck_assert_int_ge(v->pid, 0);
	if (v->pid == 0) {
		close(ends[0]);
		be_victim(ends[1]);
	}
	close(ends[1]);
	v->pipe = ends[0];
	v->attached = false;
}

/* Some while it attaches, most soon after, and some with all in hand that they
 * may hold. */
static void choose_moment(struct victim *v)
{
	uint64_t kind = random_below(&random_kill, 10);
	char byte;

	if (kind < 2) {
		sleep_us(random_below(&random_kill, 3000));
		return;
	}
	v->attached = read(v->pipe, &byte, 1) == 1;
	ck_assert_msg(v->attached, "a victim could not attach");
	sleep_us(random_below(&random_kill, kind < 9 ? 300 : 20000));
}

/* What those who have to do with a death waited for a processor. */
static uint64_t queued_ns(void)
{
	return process_queued_ns(host.broker) +
	       process_queued_ns(publisher->pid) + process_queued_ns(getpid());
}

/* Kill it; how long after its end was to be seen all of its was free, both in
 * the broker and in the publisher; ns. */
static uint64_t kill_victim(
	struct victim *v, unsigned broker_fds, unsigned publisher_fds)
{
	struct pollfd end = {.fd = v->pipe};
	uint64_t begin, queued, took;

	kill(v->pid, SIGKILL);
	poll(&end, 1, 10000);
	queued = queued_ns();
	begin = now_ns();
	close(v->pipe);
	AWAIT(10, process_descriptors(host.broker) == broker_fds);
	AWAIT(10, process_descriptors(publisher->pid) == publisher_fds);
	took = now_ns() - begin;
	queued = queued_ns() - queued;
	waitpid(v->pid, NULL, 0);
	return took > queued ? took - queued : 0;
}

static int by_size(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return a < b ? -1 : a > b;
}

static uint64_t quantile(uint64_t *list, int count, double share)
{
	qsort(list, (size_t)count, sizeof *list, by_size);
	return list[(int)(share * (count - 1))];
}

/* Everybody who lives has everything. */
static void settle(void)
{
	publisher->mode = ACTOR_IDLE;
	sleep_us(20000);
	for (int i = 0; i < OTHERS; i++) {
		struct book *book;

		AWAIT(20, book_is_level(others[i], publisher));
		book = subscriber_book(others[i], publisher->publisher);
		ck_assert_uint_eq(subscriber_lost(others[i]), 0);
		ck_assert_uint_eq(book->delivered, publisher->published);
	}
	publisher->mode = ACTOR_NORMAL;
}

/* True: in time, or as late as the machine itself. */
static bool kill_many(int count)
{
	static uint64_t reclaim[KILLS_MAX], machine[KILLS_MAX];
	unsigned broker_fds = process_descriptors(host.broker);
	unsigned publisher_fds = process_descriptors(publisher->pid);
	uint64_t before, ours, theirs;
	int attached = 0;

	open_echo();
	for (int i = 0; i < count; i++) {
		struct victim v;

		start_victim(&v);
		choose_moment(&v);
		machine[i] = ask_echo();
		reclaim[i] = kill_victim(&v, broker_fds, publisher_fds);
		attached += v.attached;
		before = publisher->published;
		AWAIT(10, publisher->published > before);
	}
	close_echo();
	ours = quantile(reclaim, count, 0.99);
	theirs = quantile(machine, count, 0.99);
	printf("%d kills, %d attached: free after %.2f ms (median), %.2f ms "
	       "(p99), %.2f ms (most); an answer takes %.2f ms (p99)\n",
		count, attached, (double)quantile(reclaim, count, 0.5) / 1e6,
		(double)ours / 1e6, (double)reclaim[count - 1] / 1e6,
		(double)theirs / 1e6);
	return ours <= RECLAIM_NS || ours <= 4 * theirs;
}

START_TEST(killed_subscribers_leave_nothing_behind)
{
	uint64_t memory;

	/* First a few: memory that a first use takes stays. */
	kill_many(kills() / 20);
	settle();
	memory = process_memory_kib(host.broker);
	/* Once more, should the machine have been busy with others. */
	if (!kill_many(kills()))
		ck_assert_msg(kill_many(kills()),
			"p99 above 10 ms and above what the machine takes");
	settle();
	printf("broker: %llu KiB before, %llu KiB after\n",
		(unsigned long long)memory,
		(unsigned long long)process_memory_kib(host.broker));
	/* A sanitizer keeps what is freed. */
	if (MSG_TEST_FEWER == 1)
		ck_assert_uint_le(
			process_memory_kib(host.broker), memory + 256);
	ck_assert(host_is_alive(&host));
	for (int i = 0; i < OTHERS; i++)
		actor_stop(others[i]);
	actor_stop(publisher);
}
END_TEST

/* ---- publishers -------------------------------------------------------------------- */

static unsigned rings_mapped(void)
{
	unsigned sum = 0;

	for (int i = 0; i < OTHERS; i++)
		sum += process_maps(others[i]->pid, "memfd:msg-ring");
	return sum;
}

static uint64_t read_of(uint64_t id)
{
	struct book *book = subscriber_book(others[0], id);

	return book ? book->next : 0;
}

/* Nobody's book of it has a gap, for it waits for each, and a message is in the
 * ring whole or not at all; and all have the same. */
static bool is_read_alike(uint64_t id)
{
	for (int k = 0; k < OTHERS; k++) {
		struct book *other = subscriber_book(others[k], id);

		if (read_of(id) != (other ? other->next : 0))
			return false;
		if (other)
			ck_assert_uint_eq(other->first + other->lost, 0);
	}
	return true;
}

START_TEST(killed_publishers_leave_whole_messages)
{
	struct publisher_plan pp = {
		.host = &host, .topic = "a.b", .bytes_min = 40,
		.bytes_max = 60000, .burst = 8, .pause_us = 200,
		.keep_ms = 5, .seed = check_seed(),
	};
	int count = getenv("MSG_TEST_LONG") ? 1000 : 40 / MSG_TEST_FEWER + 10;
	unsigned fds = process_descriptors(host.broker);
	unsigned rings = rings_mapped();

	for (int i = 0; i < count; i++) {
		struct actor *doomed = publisher_start(&pp);
		uint64_t id = doomed->publisher;

		pp.seed++;
		sleep_us(random_below(&random_kill, 20000));
		actor_kill(doomed);
		AWAIT(20, rings_mapped() == rings);
		/* What was sent is there; what was queued may not be. */
		AWAIT(20, is_read_alike(id) &&
				  read_of(id) + pp.burst >= doomed->published);
		for (int k = 0; k < OTHERS; k++)
			if (others[k]->book_count == ACTOR_BOOKS)
				ck_abort_msg("books are full");
	}
	/* Memory of a publisher goes two seconds after it. */
	AWAIT(10, process_descriptors(host.broker) == fds);
	settle();
	for (int i = 0; i < OTHERS; i++)
		actor_stop(others[i]);
	actor_stop(publisher);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kill");
	TCase *readers = check_case(suite, "subscribers", 3600);
	TCase *writers = check_case(suite, "publishers", 3600);

	tcase_add_checked_fixture(readers, setup, teardown);
	tcase_add_checked_fixture(writers, setup, teardown);
	tcase_add_test(readers, killed_subscribers_leave_nothing_behind);
	tcase_add_test(writers, killed_publishers_leave_whole_messages);
	return check_main(suite, NULL);
}
