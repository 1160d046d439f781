/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_large.c - large messages between a host with a broker and another host.
 *
 *     test_survive_large [--device rxe0]
 *
 * What the broker holds is looked at from outside: when all is over it has the
 * descriptors and connections that it had.  Those of one host: large_local.c, those
 * that die: large_deaths.c.
 */
#include "large_sides.h"

#include <string.h>

/* Of a publisher here: subscribers of both hosts, among other messages. */
START_TEST(what_a_local_publisher_shows_is_read_on_both_hosts)
{
	struct msg_publisher *p;
	struct msg_subscriber *here, *there;

	setup();
	here = subscribe_on(node, BYTES, true);
	there = subscribe_on(other, BYTES, true);
	p = publish_on(node, deliveries[_i], 2 * BYTES);
	meet(here);
	meet(there);
	for (uint64_t i = 0; i < 12; i++) {
		size_t bytes = i % 3 == 1 ? BYTES - i : 100 + i;

		put(p, i, bytes);
		expect_back(here, i, bytes);
		expect_back(there, i, bytes);
	}
	ck_assert_int_eq(msg_subscriber_close(here), 0);
	ck_assert_int_eq(msg_subscriber_close(there), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	teardown();
}
END_TEST

/* Of another host: one that wants them all, one that wants smaller ones, one that
 * wants none. */
START_TEST(what_another_host_shows_is_read_once_for_all_here)
{
	struct msg_publisher *p;
	struct msg_subscriber *all, *same, *less, *none;
	struct msg_view one, two;

	setup();
	none = subscribe_on(node, 0, true);
	less = subscribe_on(node, BYTES - 1, true);
	all = subscribe_on(node, BYTES, true);
	same = subscribe_on(node, BYTES, true);
	p = publish_on(other, deliveries[_i], 4 * BYTES);
	meet(none);
	meet(less);
	meet(all);
	meet(same);
	put(p, 0, 100);
	put(p, 1, BYTES);
	put(p, 2, BYTES - 1);
	put(p, 3, 100);
	expect_back(all, 0, 100);
	one = expect(all, 1, BYTES);
	ck_assert_uint_eq((uintptr_t)one.data % 4096, 0);
	expect_back(same, 0, 100);
	two = expect(same, 1, BYTES);
	expect_back(none, 0, 100);
	expect_loss(none, 2, MSG_LOSS_TOO_LARGE);
	expect_loss(none, 3, MSG_LOSS_TOO_LARGE);
	expect_back(none, 3, 100);
	expect_back(less, 0, 100);
	expect_loss(less, 2, MSG_LOSS_TOO_LARGE);
	expect_back(less, 2, BYTES - 1);
	expect_back(less, 3, 100);
	ck_assert_uint_eq(
		msg_subscriber_counter(none, MSG_COUNTER_TOO_LARGE), 2);
	msg_subscriber_release(all, &one, 1);
	msg_subscriber_release(same, &two, 1);
	expect_back(all, 2, BYTES - 1);
	expect_back(all, 3, 100);
	expect_back(same, 2, BYTES - 1);
	expect_back(same, 3, 100);
	ck_assert_int_eq(msg_subscriber_close(none), 0);
	ck_assert_int_eq(msg_subscriber_close(less), 0);
	ck_assert_int_eq(msg_subscriber_close(all), 0);
	ck_assert_int_eq(msg_subscriber_close(same), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	teardown();
}
END_TEST

/* More than fits anywhere, each way; no reader lets any wait. */
static void pass_many(struct msg_node *from, uint32_t reliability)
{
	struct msg_subscriber *here = subscribe_on(node, BYTES, true);
	struct msg_subscriber *there = subscribe_on(other, BYTES, true);
	struct msg_publisher *p = publish_on(from, reliability, 2 * BYTES);
	uint64_t sent = 0, a = 0, b = 0, end = now_ns() + 60 * (uint64_t)S_NS;

	meet(here);
	meet(there);
	while (a < 10 || b < 10) {
		struct msg_view view;

		if (sent < 10)
			sent += try_put(p, sent, BYTES);
		if (take(here, &view, 0)) {
			check_event(&view);
			ck_assert_uint_eq(view.sequence, a);
			ck_assert(message_is(view.data, BYTES, view.publisher, a++));
			msg_subscriber_release(here, &view, 1);
		}
		if (take(there, &view, 0)) {
			check_event(&view);
			ck_assert_uint_eq(view.sequence, b);
			ck_assert(message_is(view.data, BYTES, view.publisher, b++));
			msg_subscriber_release(there, &view, 1);
		}
		ck_assert_msg(now_ns() < end,
			"%d of 10 were sent, %d taken here and %d there",
			(int)sent, (int)a, (int)b);
	}
	ck_assert_int_eq(msg_subscriber_close(here), 0);
	ck_assert_int_eq(msg_subscriber_close(there), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
}

START_TEST(many_pass_through_little_memory)
{
	setup();
	pass_many(node, deliveries[_i]);
	pass_many(other, deliveries[_i]);
	teardown();
}
END_TEST

/* The broker has room for two of the other host's: who keeps two costs the others
 * what comes meanwhile, in words and each after its patience, and nothing more. */
START_TEST(a_reader_that_keeps_views_stops_nobody_for_good)
{
	struct msg_publisher *p;
	struct msg_subscriber *keeps, *goes;
	struct msg_view kept[2];

	setup();
	keeps = subscribe_with(node, BYTES, true, 1000);
	goes = subscribe_with(node, BYTES, true, 1000);
	p = publish_on(other, deliveries[_i], 4 * BYTES);
	meet(keeps);
	meet(goes);
	for (uint64_t i = 0; i < 2; i++) {
		put(p, i, BYTES);
		kept[i] = expect(keeps, i, BYTES);
		expect_back(goes, i, BYTES);
	}
	put(p, 2, BYTES);
	put(p, 3, 100);
	expect_loss(goes, 3, MSG_LOSS_TOO_LARGE);
	expect_back(goes, 3, 100);
	for (uint64_t i = 0; i < 2; i++)
		ck_assert(message_is(kept[i].data, BYTES, kept[i].publisher, i));
	msg_subscriber_release(keeps, kept, 2);
	expect_loss(keeps, 3, MSG_LOSS_TOO_LARGE);
	expect_back(keeps, 3, 100);
	put(p, 4, BYTES);
	expect_back(goes, 4, BYTES);
	expect_back(keeps, 4, BYTES);
	ck_assert_int_eq(msg_subscriber_close(keeps), 0);
	ck_assert_int_eq(msg_subscriber_close(goes), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	teardown();
}
END_TEST

/* An emulated machine is slow, and has little memory. */
static void take_device(const char *name)
{
	device = name;
	large_bytes = MIB + 5;
	large_memory = "2600Ki";
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("survive_large");
	TCase *large = check_case(suite, "large", 120);

	if (argc == 3 && strcmp(argv[1], "--device") == 0)
		take_device(argv[2]);
	tcase_add_loop_test(large,
		what_a_local_publisher_shows_is_read_on_both_hosts, 0, 2);
	tcase_add_loop_test(large,
		what_another_host_shows_is_read_once_for_all_here, 0, 2);
	tcase_add_loop_test(large, many_pass_through_little_memory, 0, 2);
	tcase_add_loop_test(large,
		a_reader_that_keeps_views_stops_nobody_for_good, 0, 2);
	add_local_tests(large);
	add_death_tests(suite);
	return check_main(suite, NULL);
}
