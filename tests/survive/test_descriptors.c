/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_descriptors.c - the broker's descriptors: none is left behind, and a want
 * of them is survived.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <msg/msg.h>

#include "honest.h"
#include "stranger.h"

#define MEMORY_KIB_MORE 256u /* An allocator's habits. */

START_TEST(ten_thousand_come_and_go)
{
	int count = 10000 / MSG_TEST_FEWER;
	uint64_t before = 0;

	honest_start(2, NULL, 0);
	for (int i = 0; i < count; i++) {
		struct stranger s;

		ck_assert(stranger_connect(&s, honest.host.socket));
		ck_assert(stranger_subscribe(&s, "a.b"));
		ck_assert_int_eq(s.got.kind, MSG_CONTROL_SUBSCRIBED);
		/* Some stay until they have a ring. */
		if (i % 4 == 0) {
			ck_assert(stranger_hear(&s, 5000));
			ck_assert_int_eq(s.got.kind, MSG_CONTROL_RING);
		}
		stranger_close(&s);
		if (i == count / 10)
			before = process_memory_kib(honest.host.broker);
	}
	AWAIT(10,
		process_descriptors(honest.host.broker) == honest.descriptors);
	printf("broker: %llu KiB after %d, %llu KiB after %d\n",
		(unsigned long long)before, count / 10,
		(unsigned long long)process_memory_kib(honest.host.broker),
		count);
	if (MSG_TEST_FEWER == 1)
		ck_assert_uint_le(process_memory_kib(honest.host.broker),
			before + MEMORY_KIB_MORE);
	honest_finish();
}
END_TEST

START_TEST(a_broker_without_descriptors_recovers)
{
	struct subscriber_plan sp = {.host = &honest.host,
		.topic = "a.b",
		.slow = MSG_SLOW_BLOCK,
		.buffers = 64};
	int fds[200], count = 0;
	uint64_t before;
	struct actor *late;

	honest_start(1, NULL, 64);
	for (; count < 100; count++) {
		fds[count] = stranger_descriptor(honest.host.socket);
		ck_assert_int_ge(fds[count], 0);
		/* The last one was for its socket, or for its page. */
		if (host_log_count(&honest.host, "descriptors-out") > 0 ||
			host_log_count(&honest.host, "memory-out") > 0)
			break;
		sleep_us(1000);
	}
	ck_assert_int_lt(count, 100);
	before = honest.publisher->published;
	AWAIT(5, honest.publisher->published > before + 100);
	printf("%d connections with 64 descriptors\n", count);
	for (int i = 0; i <= count; i++)
		close(fds[i]);
	AWAIT(5, process_descriptors(honest.host.broker) == honest.descriptors);
	late = subscriber_start(&sp);
	AWAIT(10, subscriber_delivered(late) > 100);
	actor_stop(late);
	honest_finish();
}
END_TEST

/* At every number of descriptors between none to spare and enough: what cannot
 * be served is told so, and what it got until then comes back. */
START_TEST(a_want_of_descriptors_in_the_middle_is_a_refusal)
{
	actors_open();
	for (uint32_t most = 14; most < 40; most++) {
		struct stranger all[8];
		unsigned before;

		host_open(&honest.host, NULL);
		honest.host.descriptors = most;
		host_start(&honest.host);
		/* Where they are counted again: until it has opened all it
		 * opens of itself. */
		sleep_us(most == 39 ? 500000 : 2000);
		before = process_descriptors(honest.host.broker);
		for (int round = 0; round < 2; round++) {
			int n = 0;

			while (n < 8 &&
				stranger_connect(&all[n], honest.host.socket))
				n++;
			for (int i = 0; i < n; i++) {
				uint8_t bytes[1024];
				size_t size = stranger_conversation(
					1 + (enum msg_control_role)(i % 3),
					bytes, sizeof bytes);

				(void)!send(msg_socket_fd(all[i].socket), bytes,
					size, MSG_NOSIGNAL);
			}
			sleep_us(3000);
			for (int i = 0; i < n; i++)
				stranger_close(&all[i]);
			ck_assert(host_is_alive(&honest.host));
		}
		/* Publishers' memory goes two seconds after them: not awaited
		 * for each, but for the last. */
		if (most == 39)
			AWAIT(10, process_descriptors(honest.host.broker) ==
					  before);
		ck_assert_int_eq(host_end(&honest.host, SIGTERM), 0);
		host_close(&honest.host);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("descriptors");
	TCase *tcase = check_case(suite, "descriptors", 120);

	signal(SIGPIPE, SIG_IGN);
	tcase_add_test(tcase, ten_thousand_come_and_go);
	tcase_add_test(tcase, a_broker_without_descriptors_recovers);
	tcase_add_test(tcase, a_want_of_descriptors_in_the_middle_is_a_refusal);
	return check_main(suite, NULL);
}
