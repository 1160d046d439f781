/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * large_deaths.c - who dies gives back what he kept of large messages, and what he
 * had shown is read to the end: subscribers, publishers, and the broker.
 */
#include "large_sides.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Keeps the first two large messages, and makes no call from there on. */
static void keep_two(struct actor *me, const void *context)
{
	struct msg_node *mine;
	struct msg_subscriber *s;
	struct msg_view view;
	uint32_t kept = 0;

	(void)context;
	actor_must(me, host_node(&host, &mine), "node");
	node = mine;
	s = subscribe_slowly(MSG_SLOW_BLOCK);
	atomic_store(&me->ready, true);
	while (kept < 2) {
		int n = msg_subscriber_take(s, &view, 1);

		actor_must(me, n, "take");
		kept += n == 1 && view.bytes == BYTES;
		atomic_store(&me->in_hand, kept);
		if (n == 0)
			sleep_us(100);
	}
	while (!atomic_load(&me->stop))
		sleep_us(1000);
}

/* Publishes three, the second of them large, and makes no call from there on. */
static void publish_three(struct actor *me, const void *context)
{
	struct msg_node *mine;
	struct msg_publisher *p;

	actor_must(me, host_node(&host, &mine), "node");
	p = publish_on(mine, *(const uint32_t *)context, 2 * BYTES);
	atomic_store(&me->publisher, msg_publisher_id(p));
	atomic_store(&me->ready, true);
	while (atomic_load(&me->mode) != ACTOR_KEEP)
		sleep_us(100);
	for (uint64_t i = 0; i < 3; i++) {
		size_t bytes = i == 1 ? BYTES : 100;

		while (!try_put(p, i, bytes))
			sleep_us(100);
		atomic_store(&me->published, i + 1);
	}
	while (!atomic_load(&me->stop))
		sleep_us(1000);
}

static unsigned areas_mapped(void)
{
	return process_maps(getpid(), "memfd:msg-large");
}

/* Who may not be lapped dies with all memory in hand: at once there is room. */
START_TEST(a_subscriber_that_dies_gives_all_back)
{
	struct msg_publisher *p;
	struct msg_subscriber *s;
	struct actor *keeps;

	setup();
	keeps = actor_start("keeps", keep_two, NULL);
	AWAIT(20, atomic_load(&keeps->ready));
	s = subscribe_on(node, BYTES, true);
	p = publish_on(node, deliveries[_i], 2 * (BYTES + 4096));
	meet(s);
	for (uint64_t i = 0; i < 2; i++) {
		put(p, i, BYTES);
		expect_back(s, i, BYTES);
	}
	AWAIT(20, atomic_load(&keeps->in_hand) == 2);
	ck_assert(!try_put(p, 2, BYTES));
	actor_kill(keeps);
	for (uint64_t i = 2; i < 5; i++) {
		put(p, i, BYTES);
		expect_back(s, i, BYTES);
	}
	ck_assert_int_eq(msg_subscriber_close(s), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	teardown();
}
END_TEST

/* What it had published is read, also by the other host, from memory that is the
 * broker's, too; views stay as they are. */
static void read_of_dead(
	struct msg_subscriber *here, struct msg_subscriber *there, int delivery)
{
	struct actor *dies =
		actor_start("dies", publish_three, &deliveries[delivery]);
	struct msg_view view;

	AWAIT(20, atomic_load(&dies->ready));
	meet(here);
	meet(there);
	atomic_store(&dies->mode, ACTOR_KEEP);
	AWAIT(20, atomic_load(&dies->published) == 3);
	actor_kill(dies);
	expect_back(there, 0, 100);
	expect_back(there, 1, BYTES);
	expect_back(there, 2, 100);
	expect_back(here, 0, 100);
	view = expect(here, 1, BYTES);
	expect_back(here, 2, 100);
	/* All but the feed's. */
	AWAIT(20, process_maps(host.broker, "memfd:msg-large") == 1);
	ck_assert_uint_eq(areas_mapped(), 2);
	ck_assert(message_is(view.data, BYTES, view.publisher, 1));
	msg_subscriber_release(here, &view, 1);
	for (uint64_t end = now_ns() + 20 * (uint64_t)S_NS;
		areas_mapped() > 1;) {
		ck_assert_uint_lt(now_ns(), end);
		if (take(here, &view, S_NS / 100))
			ck_abort_msg("message %d came", (int)view.sequence);
	}
}

/* The first round opens what is opened once. */
START_TEST(what_a_dead_publisher_has_shown_is_read)
{
	struct msg_subscriber *here, *there;
	unsigned descriptors = 0;

	setup();
	here = subscribe_on(node, BYTES, true);
	there = subscribe_on(other, BYTES, true);
	for (int i = 0; i < 3; i++) {
		read_of_dead(here, there, _i);
		if (i == 0) {
			sleep_us(500000);
			descriptors = process_descriptors(host.broker);
		}
	}
	AWAIT(20, process_descriptors(host.broker) <= descriptors);
	ck_assert_int_eq(msg_subscriber_close(here), 0);
	ck_assert_int_eq(msg_subscriber_close(there), 0);
	ck_assert_uint_eq(areas_mapped(), 0);
	teardown();
}
END_TEST

/* Views stay readable, large messages go on among those of this host; and when a
 * broker is back, from host to host. */
START_TEST(a_broker_that_dies_takes_no_message_along)
{
	struct msg_publisher *p, *theirs;
	struct msg_subscriber *here, *there;
	struct msg_view held, of_theirs;
	uint64_t next = 2;

	setup();
	here = subscribe_on(node, BYTES, true);
	there = subscribe_on(other, BYTES, true);
	p = publish_on(node, deliveries[_i], 4 * BYTES);
	meet(here);
	meet(there);
	put(p, 0, BYTES);
	held = expect(here, 0, BYTES);
	expect_back(there, 0, BYTES);
	theirs = publish_on(other, deliveries[_i], 4 * BYTES);
	meet(here);
	put(theirs, 0, BYTES);
	of_theirs = expect(here, 0, BYTES);
	expect_back(there, 0, BYTES);
	ck_assert(WIFSIGNALED(host_end(&host, SIGKILL)));
	put(p, 1, BYTES);
	expect_back(here, 1, BYTES);
	host_start(&host);
	/* Until both of this host have moved to its memory, and the other has
	 * found it. */
	while (msg_publisher_counter(p, MSG_COUNTER_REATTACHED) == 0 ||
		msg_subscriber_counter(here, MSG_COUNTER_REATTACHED) == 0) {
		put(p, next, 50);
		expect_back(here, next++, 50);
		ck_assert_uint_lt(next, 5000);
		sleep_us(10000);
	}
	for (int i = 0; i < 3; i++) {
		put(p, next, BYTES);
		expect_back(here, next++, BYTES);
	}
	ck_assert(message_is(held.data, BYTES, held.publisher, 0));
	ck_assert(message_is(of_theirs.data, BYTES, of_theirs.publisher, 0));
	for (;;) {
		struct msg_view view;

		/* What was lost to it meanwhile it is told of. */
		ck_assert(take(there, &view, 30 * S_NS));
		if (view.event == MSG_EVENT_MESSAGE &&
			view.sequence == next - 1) {
			ck_assert(message_is(view.data, BYTES, view.publisher,
				view.sequence));
			msg_subscriber_release(there, &view, 1);
			break;
		}
		msg_subscriber_release(there, &view, 1);
	}
	msg_subscriber_release(here, &held, 1);
	msg_subscriber_release(here, &of_theirs, 1);
	ck_assert_int_eq(msg_subscriber_close(here), 0);
	ck_assert_int_eq(msg_subscriber_close(there), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	ck_assert_int_eq(msg_publisher_close(theirs), 0);
	ck_assert_uint_eq(areas_mapped(), 0);
	teardown();
}
END_TEST

void add_death_tests(Suite *suite)
{
	TCase *deaths = check_case(suite, "deaths", 120);

	tcase_add_loop_test(
		deaths, a_subscriber_that_dies_gives_all_back, 0, 2);
	tcase_add_loop_test(
		deaths, what_a_dead_publisher_has_shown_is_read, 0, 2);
	tcase_add_loop_test(
		deaths, a_broker_that_dies_takes_no_message_along, 0, 2);
}
