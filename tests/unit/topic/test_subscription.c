/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_subscription.c - rings come and go, sleepers wake; in subscription_broker.c
 * brokers die and return.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/trail.h"
#include "subscription_side.h"
#include "topic/watch.h"

/* ---- rings ------------------------------------------------------------- */

START_TEST(rings_are_read_as_they_appear)
{
	side_open();
	ck_assert_str_eq(broker.asked.subscribe.pattern, "a.>");
	ck_assert_uint_eq(broker.asked.subscribe.hold_max, 64);
	fake_ring_open(&first, &broker, 7, "a.b", 11, 0);
	for (uint64_t i = 0; i < 200; i++) {
		fake_publish(&first, 8 + 40 * (i % 5));
		expect(i, 0, "a.b");
	}
	fake_ring_open(&second, &broker, 8, "a.c", 12, 5);
	fake_publish(&second, 100);
	expect(5, 0, "a.c");
	/* Above message_bytes_max: lost, and told. */
	fake_publish(&first, 2001);
	fake_publish(&first, 2000);
	expect(201, 1, "a.b");
	ck_assert_uint_eq(
		msg_counter_get(&s.counters[MSG_COUNTER_TOO_LARGE]), 1);
	ck_assert_uint_eq(side_rings(), 2);
	side_close();
}
END_TEST

/* This one is of before there were any. */
START_TEST(a_broker_without_large_messages_is_told_apart)
{
	struct msg_subscription_options o = side_options();

	fake_open();
	o.large_bytes_max = 1;
	fake_welcome(&broker);
	ck_assert_int_eq(msg_subscription_open(&s, &o), -MSG_ERROR_ARGUMENT);
	ck_assert_ptr_nonnull(
		strstr(msg_trail_text(), "takes no large messages"));
	fake_served(&broker);
	fake_hang_up(&broker);
	fake_close();
}
END_TEST

START_TEST(a_ring_that_ends_is_read_to_its_end)
{
	struct msg_view views[3];

	side_open();
	fake_ring_open(&first, &broker, 7, "a.b", 11, 0);
	for (int i = 0; i < 3; i++)
		fake_publish(&first, 100);
	fake_ring_gone(&broker, 7);
	fake_ring_close(&first);
	ck_assert_int_eq(msg_subscription_take(&s, views, 3), 3);
	subscription_turn(&s);
	/* Views are out, and stay readable. */
	ck_assert_uint_eq(side_rings(), 1);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(((const uint8_t *)views[i].data)[99], i);
	msg_inbox_release(&s.inbox, views, 3);
	subscription_turn(&s);
	ck_assert_uint_eq(side_rings(), 0);
	side_close();
}
END_TEST

START_TEST(publishers_beyond_the_limit_do_not_wait_for_us)
{
	static struct fake_ring many[5];

	side_open();
	for (uint32_t i = 0; i < 5; i++)
		fake_ring_open(&many[i], &broker, i, "a.b", 20 + i, 0);
	subscription_turn(&s);
	ck_assert_uint_eq(side_rings(), 4);
	ck_assert_uint_eq(
		msg_counter_get(&s.counters[MSG_COUNTER_PUBLISHERS_REFUSED]),
		1);
	msg_ring_reclaim(&many[4].outbox.ring, 0);
	ck_assert(!msg_ring_writer_has(&many[4].outbox.ring, 3));
	ck_assert(msg_ring_writer_has(&many[3].outbox.ring, 3));
	side_close();
}
END_TEST

START_TEST(a_reader_that_was_evicted_is_told)
{
	struct msg_subscription_options o = side_options();
	struct msg_view view;

	fake_open();
	o.slow = MSG_SLOW_EVICT;
	fake_serve(&broker, NULL);
	ck_assert_int_eq(msg_subscription_open(&s, &o), 0);
	fake_served(&broker);
	ck_assert_uint_eq(
		broker.asked.subscribe.policy, MSG_CONTROL_EVICT);
	fake_ring_open(&first, &broker, 7, "a.b", 11, 0);
	fake_publish(&first, 100);
	expect(0, 0, "a.b");
	msg_ring_evict(&first.outbox.ring, 3);
	fake_publish(&first, 100);
	ck_assert_int_eq(
		msg_subscription_take(&s, &view, 1), -MSG_ERROR_EVICTED);
	ck_assert_int_eq(
		msg_subscription_take(&s, &view, 1), -MSG_ERROR_EVICTED);
	side_close();
}
END_TEST

START_TEST(a_refusal_is_the_brokers_own_words)
{
	struct msg_subscription_options o = side_options();

	fake_open();
	ck_assert_int_eq(access(fake_path, F_OK), 0);
	fake_serve(&broker, "not for you; ask the owner");
	ck_assert_int_eq(msg_subscription_open(&s, &o), -MSG_ERROR_DENIED);
	ck_assert_str_eq(msg_trail_text(), "not for you; ask the owner");
	fake_served(&broker);
	fake_hang_up(&broker);
	o.path = "/nowhere/b.sock";
	ck_assert_int_eq(msg_subscription_open(&s, &o), -MSG_ERROR_DEVICE);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), "/nowhere/b.sock"));
	fake_close();
}
END_TEST

static uint64_t ask_in_vain(void)
{
	struct msg_control_welcome welcome;
	uint64_t begin = msg_clock_ns();

	ck_assert_int_eq(
		msg_watch_ask(fake_path, &welcome), -MSG_ERROR_FABRIC);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), fake_path));
	return msg_clock_ns() - begin;
}

/* Another process listens there, and is stopped. */
static pid_t listen_stopped(void)
{
	struct sockaddr_un there = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t child;
	int status;

	snprintf(there.sun_path, sizeof there.sun_path, "%s", fake_path);
	unlink(fake_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&there, sizeof there), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		listen(fd, 4);
		raise(SIGSTOP);
		_exit(0);
	}
	close(fd);
	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	ck_assert(WIFSTOPPED(status));
	return child;
}

START_TEST(a_broker_that_says_nothing_is_not_waited_for_long)
{
	pid_t child;
	uint64_t took;

	fake_open();
	/* It may be starting. */
	took = ask_in_vain();
	ck_assert_uint_ge(took, MSG_CLIENT_WELCOME_NS + MSG_CLIENT_START_NS);
	ck_assert_uint_lt(took, 2 * MSG_CLIENT_START_NS);
	child = listen_stopped();
	took = ask_in_vain();
	ck_assert_uint_ge(took, MSG_CLIENT_WELCOME_NS);
	ck_assert_uint_lt(took, 3 * MSG_CLIENT_WELCOME_NS);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	fake_close();
}
END_TEST

/* ---- sleeping ---------------------------------------------------------- */

/* As soon as it sleeps. */
static void *publish_later(void *context)
{
	struct fake_ring *ring = context;
	struct msg_ring_ledger *ledger =
		(struct msg_ring_ledger *)(void *)ring->ledger.base;

	while (msg_load(&ledger->sleeping, relaxed) % MSG_RING_SLEEP_STEP == 0)
		usleep(1000);
	usleep(30000);
	fake_publish(ring, 64);
	return NULL;
}

static void *tell_later(void *unused)
{
	(void)unused;
	usleep(60000);
	fake_ring_open(&second, &broker, 9, "a.c", 12, 0);
	fake_publish(&second, 64);
	return NULL;
}

START_TEST(a_wait_sleeps_on_all_bells_and_the_news)
{
	pthread_t thread;

	side_open();
	ck_assert_int_eq(msg_subscription_wait(&s, deadline(150)),
		-MSG_ERROR_TIMEOUT);
	fake_ring_open(&first, &broker, 7, "a.b", 11, 0);
	for (uint64_t i = 0; i < 5; i++) {
		uint32_t bell;

		subscription_turn(&s);
		bell = msg_load(&first.outbox.ring.header->bell, relaxed);
		pthread_create(&thread, NULL, publish_later, &first);
		ck_assert_int_eq(
			msg_subscription_wait(&s, deadline(5000)), 0);
		pthread_join(thread, NULL);
		/* It was woken, and did not only look again. */
		ck_assert_uint_ne(
			msg_load(&first.outbox.ring.header->bell, relaxed),
			bell);
		expect(i, 0, "a.b");
	}
	/* A ring that comes is news. */
	pthread_create(&thread, NULL, tell_later, NULL);
	expect(0, 0, "a.c");
	pthread_join(thread, NULL);
	side_close();
}
END_TEST

START_TEST(a_descriptor_wakes_once_for_each_arming)
{
	pthread_t thread;

	side_open();
	fake_ring_open(&first, &broker, 7, "a.b", 11, 0);
	subscription_turn(&s);
	for (uint64_t i = 0; i < 5; i++) {
		ck_assert_int_eq(msg_subscription_arm(&s), 0);
		ck_assert_int_eq(polled(0), 0);
		pthread_create(&thread, NULL, publish_later, &first);
		ck_assert_int_eq(polled(5000), 1);
		pthread_join(thread, NULL);
		ck_assert_int_eq(
			msg_subscription_arm(&s), -MSG_ERROR_AGAIN);
		expect(i, 0, "a.b");
	}
	/* Awake: no doorbell is rung. */
	expect_nothing();
	ck_assert_int_eq(msg_subscription_arm(&s), 0);
	expect_nothing();
	fake_publish(&first, 64);
	ck_assert_int_eq(polled(0), 0);
	side_close();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("subscription");
	TCase *ring_case = check_case(suite, "rings", 20);
	TCase *sleep_case = check_case(suite, "sleep", 20);

	tcase_add_test(ring_case, rings_are_read_as_they_appear);
	tcase_add_test(ring_case, a_ring_that_ends_is_read_to_its_end);
	tcase_add_test(
		ring_case, a_broker_without_large_messages_is_told_apart);
	tcase_add_test(
		ring_case, publishers_beyond_the_limit_do_not_wait_for_us);
	tcase_add_test(ring_case, a_reader_that_was_evicted_is_told);
	tcase_add_test(ring_case, a_refusal_is_the_brokers_own_words);
	tcase_add_test(
		ring_case, a_broker_that_says_nothing_is_not_waited_for_long);
	tcase_add_test(sleep_case, a_wait_sleeps_on_all_bells_and_the_news);
	tcase_add_test(sleep_case, a_descriptor_wakes_once_for_each_arming);
	add_broker_tests(suite);
	return check_main(suite, NULL);
}
