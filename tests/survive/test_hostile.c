/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_hostile.c - clients that break every rule of the broker's socket, next to
 * a publisher and subscribers that must not notice.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <msg/msg.h>

#include "honest.h"
#include "stranger.h"

#define CLIENT_KIB_MOST 4096u /* What a client may cost the broker. */

/* ---- words ---------------------------------------------------------------------- */

START_TEST(a_conversation_may_break_off_at_every_byte)
{
	uint64_t before;

	honest_start(2, NULL, 0);
	before = honest.publisher->published;
	for (enum msg_control_role role = MSG_CONTROL_PUBLISHER;
		role <= MSG_CONTROL_ONLOOKER; role++) {
		uint8_t bytes[1024];
		size_t all = stranger_conversation(role, bytes, sizeof bytes);
		int open[1024];

		/* Every second one stays and says no more. */
		for (size_t n = 0; n <= all; n++) {
			open[n] = stranger_descriptor(honest.host.socket);
			ck_assert_int_ge(open[n], 0);
			ck_assert_int_eq(send(open[n], bytes, n, MSG_NOSIGNAL),
				(ssize_t)n);
			if (n % 2 == 0)
				close(open[n]);
		}
		sleep_us(20000);
		for (size_t n = 1; n <= all; n += 2)
			close(open[n]);
		printf("role %d: %zu bytes\n", (int)role, all);
	}
	AWAIT(10, honest.publisher->published > before);
	honest_finish();
}
END_TEST

static void put32(uint8_t *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

/* length, kind and fd_count that no frame may have. */
static const struct {
	uint32_t length;
	uint32_t rest;
} headers[] = {
	{0, 1},
	{1, 1},
	{7, 1},
	{65537, 1},
	{0x7fffffff, 1},
	{0x80000000, 1},
	{0xffffffff, 1},
	{8, 0},
	{8, 8},
	{8, 127},
	{8, 129},
	{8, 0xffff},
	{8, 1 | 1 << 16},
	{8, 1 | 5 << 16},
	{8, 1 | 0xffffu << 16},
};

START_TEST(a_length_that_cannot_be_ends_the_connection)
{
	honest_start(2, NULL, 0);
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		uint8_t bytes[8];
		int fd = stranger_descriptor(honest.host.socket);

		put32(bytes, headers[i].length);
		put32(bytes + 4, headers[i].rest);
		ck_assert_int_eq(send(fd, bytes, 8, MSG_NOSIGNAL), 8);
		ck_assert_msg(stranger_is_dropped(fd, 5000),
			"length %u, rest %x: not dropped", headers[i].length,
			headers[i].rest);
		close(fd);
	}
	AWAIT(5, host_log_count(&honest.host, "warning: protocol-broken") > 0);
	honest_finish();
}
END_TEST

START_TEST(bytes_that_mean_nothing_hurt_nobody)
{
	struct random_stream random = {check_seed()};
	int count = 2000 / MSG_TEST_FEWER;

	honest_start(2, NULL, 0);
	for (int i = 0; i < count; i++) {
		uint8_t bytes[1024];
		size_t all = stranger_conversation(
			1 + (enum msg_control_role)random_below(&random, 3),
			bytes, sizeof bytes);
		int fd = stranger_descriptor(honest.host.socket);

		ck_assert_int_ge(fd, 0);
		for (uint64_t k = random_below(&random, 4); k > 0; k--)
			bytes[random_below(&random, all)] ^=
				(uint8_t)(1u << random_below(&random, 8));
		all -= random_below(&random, 4) == 0
			       ? random_below(&random, all)
			       : 0;
		(void)!send(fd, bytes, all, MSG_NOSIGNAL);
		if (i % 16 == 0)
			stranger_is_dropped(fd, 5);
		close(fd);
	}
	honest_finish();
}
END_TEST

/* ---- memory ----------------------------------------------------------------------- */

#define SILENT 150

/* A frame of the largest size, all but its last byte. */
static void say_most_of_a_frame(int fd)
{
	static uint8_t bytes[65536];

	put32(bytes, sizeof bytes);
	put32(bytes + 4, MSG_CONTROL_HELLO);
	(void)!send(fd, bytes, sizeof bytes - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

START_TEST(clients_that_say_nothing_cost_little)
{
	uint64_t before, during;
	int fds[SILENT];

	honest_start(2, NULL, 0);
	before = process_memory_kib(honest.host.broker);
	for (int i = 0; i < SILENT; i++) {
		fds[i] = stranger_descriptor(honest.host.socket);
		ck_assert_int_ge(fds[i], 0);
		if (i % 3 == 1)
			(void)!send(fds[i], "\x10\0\0\0\1", 5, MSG_NOSIGNAL);
		if (i % 3 == 2)
			say_most_of_a_frame(fds[i]);
	}
	sleep_us(300000);
	during = process_memory_kib(honest.host.broker);
	printf("%d silent clients: %llu KiB each\n", SILENT,
		(unsigned long long)(during - before) / SILENT);
	ck_assert_uint_le(during - before, SILENT * CLIENT_KIB_MOST);
	for (int i = 0; i < SILENT; i++)
		close(fds[i]);
	honest_finish();
}
END_TEST

START_TEST(a_client_that_does_not_read_is_dropped)
{
	struct msg_control watch = {.kind = MSG_CONTROL_WATCH};
	struct stranger deaf;
	uint64_t before;
	int said = 0;

	honest_start(2, NULL, 0);
	before = process_memory_kib(honest.host.broker);
	ck_assert(stranger_connect(&deaf, honest.host.socket));
	ck_assert(stranger_greet(&deaf, MSG_CONTROL_ONLOOKER));
	strcpy(watch.watch.pattern, ">");
	for (uint64_t end = now_ns() + 5000000000ull; now_ns() < end; said++) {
		int result = msg_socket_say(deaf.socket, &watch, NULL, 0);

		if (result == -MSG_ERROR_FABRIC)
			break;
		if (result < 0)
			sleep_us(100);
	}
	printf("dropped after some %d questions\n", said);
	ck_assert_uint_le(process_memory_kib(honest.host.broker),
		before + CLIENT_KIB_MOST);
	AWAIT(5, process_descriptors(honest.host.broker) == honest.descriptors);
	stranger_close(&deaf);
	honest_finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hostile");
	TCase *words = check_case(suite, "words", 60);
	TCase *memory = check_case(suite, "memory", 60);

	signal(SIGPIPE, SIG_IGN);
	tcase_add_test(words, a_conversation_may_break_off_at_every_byte);
	tcase_add_test(words, a_length_that_cannot_be_ends_the_connection);
	tcase_add_test(words, bytes_that_mean_nothing_hurt_nobody);
	tcase_add_test(memory, clients_that_say_nothing_cost_little);
	tcase_add_test(memory, a_client_that_does_not_read_is_dropped);
	return check_main(suite, NULL);
}
