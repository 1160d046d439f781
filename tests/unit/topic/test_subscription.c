/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_subscription.c - rings come and go, brokers die and return, sleepers
 * wake.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/trail.h"
#include "check_main.h"
#include "fake_broker.h"
#include "topic/subscription.h"
#include "topic/watch.h"

static struct msg_subscription s;
static struct fake_client broker, again;
static struct fake_ring first, second;

static struct msg_subscription_options options(void)
{
	return (struct msg_subscription_options){
		.path = fake_path,
		.pattern = "a.>",
		.slow = MSG_SLOW_LAP,
		.hold_max = 64,
		.message_bytes_max = 2000,
		.publisher_count_max = 4,
	};
}

static void setup(void)
{
	struct msg_subscription_options o = options();

	fake_open();
	fake_serve(&broker, NULL);
	ck_assert_msg(msg_subscription_open(&s, &o) == 0, "%s",
		msg_trail_text());
	fake_served(&broker);
}

static void teardown(void)
{
	msg_subscription_close(&s);
	fake_hang_up(&broker);
	if (again.thread)
		fake_hang_up(&again);
	fake_close();
}

static uint64_t deadline(uint64_t ms)
{
	return msg_clock_ns() + ms * MSG_NS_PER_MS;
}

/* The next message, whole and with its losses as they should be. */
static void expect(uint64_t sequence, uint64_t lost, const char *topic)
{
	uint64_t end = deadline(5000);
	struct msg_view view;
	uint64_t said;
	int n;

	while ((n = msg_subscription_take(&s, &view, 1)) == 0 &&
		msg_clock_ns() < end)
		(void)msg_subscription_wait(&s, end);
	ck_assert_int_eq(n, 1);
	ck_assert_uint_eq(view.sequence, sequence);
	ck_assert_uint_eq(view.lost_before, lost);
	memcpy(&said, view.data, sizeof said);
	ck_assert_uint_eq(said, sequence);
	ck_assert_str_eq(msg_subscription_topic(&s, view.topic), topic);
	msg_inbox_release(&s.inbox, &view, 1);
}

static void expect_nothing(void)
{
	struct msg_view view;

	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(msg_subscription_take(&s, &view, 1), 0);
}

static uint32_t rings(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < s.source_count; i++)
		count += s.sources[i].ring != NULL;
	return count;
}

/* ---- rings ------------------------------------------------------------- */

START_TEST(rings_are_read_as_they_appear)
{
	setup();
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
	ck_assert_uint_eq(rings(), 2);
	teardown();
}
END_TEST

/* This one is of before there were any. */
START_TEST(a_broker_without_large_messages_is_told_apart)
{
	struct msg_subscription_options o = options();

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

	setup();
	fake_ring_open(&first, &broker, 7, "a.b", 11, 0);
	for (int i = 0; i < 3; i++)
		fake_publish(&first, 100);
	fake_ring_gone(&broker, 7);
	fake_ring_close(&first);
	ck_assert_int_eq(msg_subscription_take(&s, views, 3), 3);
	subscription_turn(&s);
	/* Views are out, and stay readable. */
	ck_assert_uint_eq(rings(), 1);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(((const uint8_t *)views[i].data)[99], i);
	msg_inbox_release(&s.inbox, views, 3);
	subscription_turn(&s);
	ck_assert_uint_eq(rings(), 0);
	teardown();
}
END_TEST

START_TEST(publishers_beyond_the_limit_do_not_wait_for_us)
{
	static struct fake_ring many[5];

	setup();
	for (uint32_t i = 0; i < 5; i++)
		fake_ring_open(&many[i], &broker, i, "a.b", 20 + i, 0);
	subscription_turn(&s);
	ck_assert_uint_eq(rings(), 4);
	ck_assert_uint_eq(
		msg_counter_get(&s.counters[MSG_COUNTER_PUBLISHERS_REFUSED]),
		1);
	msg_ring_reclaim(&many[4].outbox.ring, 0);
	ck_assert(!msg_ring_writer_has(&many[4].outbox.ring, 3));
	ck_assert(msg_ring_writer_has(&many[3].outbox.ring, 3));
	teardown();
}
END_TEST

START_TEST(a_reader_that_was_evicted_is_told)
{
	struct msg_subscription_options o = options();
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
	teardown();
}
END_TEST

START_TEST(a_refusal_is_the_brokers_own_words)
{
	struct msg_subscription_options o = options();

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

	setup();
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
	teardown();
}
END_TEST

static int polled(int ms)
{
	struct pollfd wake = {.fd = s.epoll_fd, .events = POLLIN};

	return poll(&wake, 1, ms);
}

START_TEST(a_descriptor_wakes_once_for_each_arming)
{
	pthread_t thread;

	setup();
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
	teardown();
}
END_TEST

/* ---- brokers that die and return --------------------------------------- */

static void *die_later(void *unused)
{
	(void)unused;
	usleep(60000);
	fake_hang_up(&broker);
	return NULL;
}

START_TEST(a_dead_broker_is_noticed_and_found_again)
{
	uint64_t end = deadline(10000);
	pthread_t thread;

	setup();
	fake_ring_open(&first, &broker, 7, "a.b", 11, 0);
	fake_publish(&first, 64);
	expect(0, 0, "a.b");
	pthread_create(&thread, NULL, die_later, NULL);
	do
		ck_assert_int_eq(msg_subscription_wait(&s, deadline(400)),
			-MSG_ERROR_TIMEOUT);
	while (s.client.phase == MSG_CLIENT_SERVED && msg_clock_ns() < end);
	pthread_join(thread, NULL);
	ck_assert_int_ne(s.client.phase, MSG_CLIENT_SERVED);
	/* A publisher of this host writes on meanwhile. */
	fake_publish(&first, 64);
	expect(1, 0, "a.b");
	fake_serve(&again, NULL);
	do
		ck_assert_int_eq(msg_subscription_wait(&s, deadline(1000)),
			-MSG_ERROR_TIMEOUT);
	while (msg_counter_get(&s.counters[MSG_COUNTER_REATTACHED]) == 0 &&
		msg_clock_ns() < end);
	fake_served(&again);
	ck_assert_str_eq(again.asked.subscribe.pattern, "a.>");
	ck_assert_uint_eq(
		msg_counter_get(&s.counters[MSG_COUNTER_REATTACHED]), 1);
	/* Its new ring waits for the end of its old one; what nobody got is
	 * told to the message. */
	fake_publish(&first, 64);
	fake_ring_open(&second, &again, 1, "a.b", 11, 6);
	fake_publish(&second, 64);
	fake_publish(&first, 64);
	expect(2, 0, "a.b");
	expect(3, 0, "a.b");
	expect(6, 2, "a.b");
	expect_nothing();
	subscription_turn(&s);
	ck_assert_uint_eq(rings(), 1);
	teardown();
}
END_TEST

/* There is nothing to take; until it is attached so often, by calls of wait. */
static void await_session(uint32_t session)
{
	uint64_t end = deadline(10000);

	do
		ck_assert_int_eq(msg_subscription_wait(&s, deadline(400)),
			-MSG_ERROR_TIMEOUT);
	while (s.session < session && msg_clock_ns() < end);
}

/* A publisher may be slow to follow: it has a loan out, and brokers come and go
 * meanwhile.  A doorbell that nobody holds would tell it that we are dead. */
START_TEST(a_doorbell_is_held_as_long_as_its_ring_is_read)
{
	struct fake_client later[4] = {0};
	int bell;

	setup();
	bell = dup(broker.bell[0]);
	fake_ring_open(&first, &broker, 7, "a.b", 11, 0);
	fake_publish(&first, 64);
	expect(0, 0, "a.b");
	fake_hang_up(&broker);
	for (uint32_t i = 0; i < 4; i++) {
		fake_serve(&later[i], NULL);
		await_session(i + 2);
		fake_served(&later[i]);
		ck_assert_uint_eq(s.session, i + 2);
		ck_assert_int_eq(send(bell, "", 1, MSG_NOSIGNAL), 1);
		fake_publish(&first, 64);
		expect(i + 1, 0, "a.b");
		if (i < 3)
			fake_hang_up(&later[i]);
	}
	/* Theirs are not held: none had a ring. */
	ck_assert_uint_eq(s.doorbell_count, 2);
	fake_ring_open(&second, &later[3], 1, "a.b", 11, 5);
	fake_publish(&second, 64);
	expect(5, 0, "a.b");
	subscription_turn(&s);
	ck_assert_uint_eq(rings(), 1);
	ck_assert_uint_eq(s.doorbell_count, 1);
	ck_assert_int_lt(send(bell, "", 1, MSG_NOSIGNAL), 0);
	close(bell);
	msg_subscription_close(&s);
	fake_hang_up(&later[3]);
	fake_close();
}
END_TEST

START_TEST(who_sleeps_on_the_descriptor_finds_the_broker_again)
{
	struct msg_view view;
	uint64_t end;

	setup();
	subscription_turn(&s);
	ck_assert_int_eq(msg_subscription_arm(&s), 0);
	fake_hang_up(&broker);
	fake_serve(&again, NULL);
	end = deadline(5000);
	while (s.session < 2 && msg_clock_ns() < end) {
		ck_assert_int_eq(msg_subscription_take(&s, &view, 1), 0);
		if (s.session < 2 && msg_subscription_arm(&s) == 0)
			polled(2000);
	}
	fake_served(&again);
	ck_assert_uint_eq(s.session, 2);
	ck_assert_uint_lt(msg_clock_ns(), end - 3500 * MSG_NS_PER_MS);
	expect_nothing();
	ck_assert_int_eq(msg_subscription_arm(&s), 0);
	ck_assert_int_eq(polled(120), 0);
	teardown();
}
END_TEST

/* Armed, and then no call for a while: what the attendant heard in its stead
 * wakes it all the same, once it sleeps. */
START_TEST(who_is_armed_and_attended_still_wakes)
{
	struct msg_attendant attendant;
	uint64_t end = deadline(10000);

	setup();
	ck_assert_int_eq(msg_attendant_open(&attendant, true), 0);
	msg_attendant_add(&attendant, &s.attended);
	expect_nothing();
	ck_assert_int_eq(msg_subscription_arm(&s), 0);
	/* Nothing there: nobody makes it so. */
	ck_assert_int_eq(polled(400), 0);
	fake_hang_up(&broker);
	fake_serve(&again, NULL);
	while (msg_counter_get(&s.counters[MSG_COUNTER_REATTACHED]) == 0) {
		ck_assert_uint_lt(msg_clock_ns(), end);
		usleep(1000);
	}
	fake_served(&again);
	ck_assert_int_eq(polled(5000), 1);
	expect_nothing();
	ck_assert_int_eq(msg_subscription_arm(&s), 0);
	ck_assert_int_eq(polled(0), 0);
	/* The same with a ring, and what is written there later. */
	fake_ring_open(&first, &again, 7, "a.b", 11, 0);
	usleep(400000);
	fake_publish(&first, 64);
	ck_assert_int_eq(polled(5000), 1);
	expect(0, 0, "a.b");
	ck_assert_int_eq(msg_subscription_arm(&s), 0);
	ck_assert_int_eq(polled(0), 0);
	fake_publish(&first, 64);
	ck_assert_int_eq(polled(5000), 1);
	expect(1, 0, "a.b");
	msg_attendant_remove(&attendant, &s.attended);
	msg_attendant_close(&attendant);
	teardown();
}
END_TEST

static _Atomic bool asked;

static void *ask_if_busy(void *unused)
{
	(void)unused;
	ck_assert(!msg_subscription_busy(&s));
	atomic_store(&asked, true);
	return NULL;
}

/* What it looks at for that the attendant may be clearing out. */
START_TEST(who_is_attended_is_not_asked_meanwhile_whether_it_is_busy)
{
	pthread_t thread;

	setup();
	ck_assert(msg_gate_try(&s.attended.gate));
	ck_assert_int_eq(pthread_create(&thread, NULL, ask_if_busy, NULL), 0);
	usleep(100000);
	ck_assert(!atomic_load(&asked));
	msg_gate_help_done(&s.attended.gate);
	pthread_join(thread, NULL);
	ck_assert(atomic_load(&asked));
	teardown();
}
END_TEST

/* Its publishers were told that we are gone: nothing there is safe to read. */
START_TEST(who_is_thrown_out_reads_no_more)
{
	struct msg_control refused = {.kind = MSG_CONTROL_REFUSED};
	struct msg_view held;

	setup();
	fake_ring_open(&first, &broker, 7, "a.b", 11, 0);
	fake_publish(&first, 64);
	ck_assert_int_eq(msg_subscription_take(&s, &held, 1), 1);
	fake_publish(&first, 64);
	refused.refused.code = MSG_ERROR_DENIED;
	strcpy(refused.refused.text, "out");
	fake_say(&broker, &refused, NULL, 0);
	expect_nothing();
	ck_assert(msg_inbox_busy(&s.inbox));
	msg_inbox_release(&s.inbox, &held, 1);
	subscription_turn(&s);
	ck_assert_uint_eq(rings(), 0);
	teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("subscription");
	TCase *ring_case = check_case(suite, "rings", 20);
	TCase *sleep_case = check_case(suite, "sleep", 20);
	TCase *broker_case = check_case(suite, "broker", 20);

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
	tcase_add_test(broker_case, a_dead_broker_is_noticed_and_found_again);
	tcase_add_test(
		broker_case, a_doorbell_is_held_as_long_as_its_ring_is_read);
	tcase_add_test(broker_case,
		who_sleeps_on_the_descriptor_finds_the_broker_again);
	tcase_add_test(broker_case, who_is_armed_and_attended_still_wakes);
	tcase_add_test(broker_case,
		who_is_attended_is_not_asked_meanwhile_whether_it_is_busy);
	tcase_add_test(broker_case, who_is_thrown_out_reads_no_more);
	return check_main(suite, NULL);
}
