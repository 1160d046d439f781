/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_clock.c - time that stands still and time that jumps: nobody is lost,
 * evicted or attached anew for it.
 *
 * The wall's clock is made to jump by libfaketime, loaded before all else into
 * this program and with it into the broker; it leaves CLOCK_MONOTONIC alone.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <msg/msg.h>

#include "actor.h"

#define READERS 4

static const char *const libraries[] = {
	"/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
	"/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
	"/usr/lib64/faketime/libfaketime.so.1",
};

static struct host host;
static struct actor *publisher;
static struct actor *readers[READERS];

static void setup(void)
{
	static const uint32_t slow[READERS] = {MSG_SLOW_LAP, MSG_SLOW_EVICT,
		MSG_SLOW_BLOCK, MSG_SLOW_EVICT};
	struct publisher_plan pp = {
		.host = &host, .topic = "a.b", .bytes_min = 40,
		.bytes_max = 500, .loan_count = 1024, .burst = 4,
		.pause_us = 4000, .seed = check_seed(),
	};
	struct subscriber_plan sp = {
		.host = &host, .topic = "a.b", .keep = 4, .buffers = 64};

	actors_open();
	host_open(&host, NULL);
	host_start(&host);
	for (int i = 0; i < READERS; i++) {
		sp.slow = slow[i];
		sp.descriptor = i % 2;
		readers[i] = subscriber_start(&sp);
	}
	publisher = publisher_start(&pp);
	AWAIT(20, publisher->published > 100);
}

/* All there, nothing lost, and the broker never thought gone. */
static void teardown(void)
{
	ck_assert(host_is_alive(&host));
	publisher->mode = ACTOR_IDLE;
	sleep_us(20000);
	ck_assert_uint_eq(publisher->reattached, 0);
	for (int i = 0; i < READERS; i++) {
		AWAIT(20, book_is_level(readers[i], publisher));
		ck_assert(!readers[i]->evicted);
		ck_assert_uint_eq(subscriber_lost(readers[i]), 0);
		ck_assert_uint_eq(readers[i]->reattached, 0);
		actor_stop(readers[i]);
	}
	actor_stop(publisher);
	host_close(&host);
}

static void signal_all(int what)
{
	kill(host.broker, what);
	kill(publisher->pid, what);
	for (int i = 0; i < READERS; i++)
		kill(readers[i]->pid, what);
}

START_TEST(everybody_may_stand_still)
{
	uint64_t before;

	signal_all(SIGSTOP);
	sleep_us(2000000);
	before = publisher->published;
	signal_all(SIGCONT);
	AWAIT(10, publisher->published > before + 100);
}
END_TEST

START_TEST(the_broker_alone_may_stand_still)
{
	struct msg_node *node;
	uint64_t before;

	kill(host.broker, SIGSTOP);
	before = publisher->published;
	/* Who comes now is told, and not for ever. */
	ck_assert_int_eq(host_node(&host, &node), -MSG_ERROR_FABRIC);
	ck_assert_ptr_nonnull(strstr(msg_error_text(), "does not answer"));
	sleep_us(1000000);
	ck_assert_uint_gt(publisher->published, before + 100);
	kill(host.broker, SIGCONT);
	AWAIT(10, host_node(&host, &node) == 0);
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

static void set_wall(const char *offset)
{
	FILE *file = fopen(getenv("FAKETIME_TIMESTAMP_FILE"), "w");

	ck_assert_ptr_nonnull(file);
	fputs(offset, file);
	ck_assert_int_eq(fclose(file), 0);
}

START_TEST(the_wall_clock_may_jump)
{
	static const char *const offsets[] = {
		"+1d", "-1d", "+30y", "-30y", "+0 x10", "+0"};
	time_t begin = time(NULL);

	if (!getenv("FAKETIME_TIMESTAMP_FILE"))
		CHECK_SKIP("no libfaketime here, or a sanitizer that comes "
			   "before it");
	ck_assert_uint_gt(process_maps(host.broker, "libfaketime"), 0);
	for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
		uint64_t before = publisher->published;

		set_wall(offsets[i]);
		if (i == 0)
			ck_assert_int_gt(time(NULL), begin + 80000);
		sleep_us(300000);
		AWAIT(5, publisher->published > before + 100);
	}
}
END_TEST

/* Run again with the library before all others. */
static void preload(char **argv)
{
	static char file[] = "/tmp/msg-survive-clock-XXXXXX";
	int fd;

	if (getenv("FAKETIME_TIMESTAMP_FILE") || MSG_TEST_FEWER > 1)
		return;
	for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
		if (access(libraries[i], R_OK) < 0)
			continue;
		fd = mkstemp(file);
		if (fd < 0 || write(fd, "+0", 2) != 2)
			return;
		close(fd);
		setenv("LD_PRELOAD", libraries[i], 1);
		setenv("FAKETIME_TIMESTAMP_FILE", file, 1);
		setenv("FAKETIME_NO_CACHE", "1", 1);
		setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1);
		execv("/proc/self/exe", argv);
	}
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("clock");
	TCase *tcase = check_case(suite, "clock", 60);
	int status;

	(void)argc;
	preload(argv);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, everybody_may_stand_still);
	tcase_add_test(tcase, the_broker_alone_may_stand_still);
	tcase_add_test(tcase, the_wall_clock_may_jump);
	status = check_main(suite, NULL);
	if (getenv("FAKETIME_TIMESTAMP_FILE"))
		unlink(getenv("FAKETIME_TIMESTAMP_FILE"));
	return status;
}
