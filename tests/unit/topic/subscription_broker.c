/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * subscription_broker.c - a broker that dies and returns: its reader goes on reading
 * what its publishers still write, finds the new one, wakes, and is told what it
 * missed.  Part of test_subscription.c.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "subscription_side.h"

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

	side_open();
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
	ck_assert_uint_eq(side_rings(), 1);
	side_close();
}
END_TEST

/* Its pattern is "a.>": topics.  Each broker counts from nothing. */
START_TEST(what_a_broker_leaves_out_is_counted)
{
	const enum msg_counter_index refused = MSG_COUNTER_TOPICS_REFUSED;
	uint64_t end = deadline(10000);

	side_open();
	for (int i = 0; i < 3; i++)
		msg_session_leave_out((struct msg_session *)broker.page.base);
	subscription_turn(&s);
	subscription_turn(&s);
	ck_assert_uint_eq(msg_counter_get(&s.counters[refused]), 3);
	fake_serve(&again, NULL);
	fake_hang_up(&broker);
	while (s.session < 2 && msg_clock_ns() < end)
		ck_assert_int_eq(msg_subscription_wait(&s, deadline(100)),
			-MSG_ERROR_TIMEOUT);
	fake_served(&again);
	msg_session_leave_out((struct msg_session *)again.page.base);
	subscription_turn(&s);
	ck_assert_uint_eq(msg_counter_get(&s.counters[refused]), 4);
	ck_assert_uint_eq(
		msg_counter_get(&s.counters[MSG_COUNTER_PUBLISHERS_REFUSED]),
		0);
	side_close();
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

	side_open();
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
	ck_assert_uint_eq(side_rings(), 1);
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

	side_open();
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
	side_close();
}
END_TEST

/* Armed, and then no call for a while: what the attendant heard in its stead
 * wakes it all the same, once it sleeps. */
START_TEST(who_is_armed_and_attended_still_wakes)
{
	struct msg_attendant attendant;
	uint64_t end = deadline(10000);

	side_open();
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
	side_close();
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

	side_open();
	ck_assert(msg_gate_try(&s.attended.gate));
	ck_assert_int_eq(pthread_create(&thread, NULL, ask_if_busy, NULL), 0);
	usleep(100000);
	ck_assert(!atomic_load(&asked));
	msg_gate_help_done(&s.attended.gate);
	pthread_join(thread, NULL);
	ck_assert(atomic_load(&asked));
	side_close();
}
END_TEST

/* Its publishers were told that we are gone: nothing there is safe to read. */
START_TEST(who_is_thrown_out_reads_no_more)
{
	struct msg_control refused = {.kind = MSG_CONTROL_REFUSED};
	struct msg_view held;

	side_open();
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
	ck_assert_uint_eq(side_rings(), 0);
	side_close();
}
END_TEST

void add_broker_tests(Suite *suite)
{
	TCase *broker_case = check_case(suite, "broker", 20);

	tcase_add_test(broker_case, a_dead_broker_is_noticed_and_found_again);
	tcase_add_test(broker_case, what_a_broker_leaves_out_is_counted);
	tcase_add_test(
		broker_case, a_doorbell_is_held_as_long_as_its_ring_is_read);
	tcase_add_test(broker_case,
		who_sleeps_on_the_descriptor_finds_the_broker_again);
	tcase_add_test(broker_case, who_is_armed_and_attended_still_wakes);
	tcase_add_test(broker_case,
		who_is_attended_is_not_asked_meanwhile_whether_it_is_busy);
	tcase_add_test(broker_case, who_is_thrown_out_reads_no_more);
}
