/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socket_slow.c - a peer that does not read: what waits for him is bounded, ours, and
 * lost with him; see libmsg/link/shm/socket.h.
 */
#include "socket_pair.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <msg/msg.h>

#include "fds.h"

#define NOBODY 65534

START_TEST(a_full_queue_says_again_and_loses_nothing)
{
	unsigned sent = 0, got = 0;
	uint8_t *body = noise(4096, 1);
	int result;

	connect_pair(0);
	while ((result = msg_socket_send(ours, sent, body, 4096, NULL, 0)) == 0)
		ck_assert_uint_lt(++sent, 1000);
	ck_assert_int_eq(result, -MSG_ERROR_AGAIN);
	is_said("the peer does not read");
	ck_assert(msg_socket_wants_write(ours));
	while (got < sent) {
		struct msg_control_frame frame;

		result = msg_socket_receive(theirs, &frame);
		if (result == 0)
			ck_assert_int_eq(msg_socket_flush(ours), 0);
		else
			ck_assert_uint_eq(frame.kind, got++);
	}
	expect_nothing(theirs);
	free(body);
	end();
}
END_TEST

/* The queue of descriptors is bounded by itself. */
START_TEST(too_many_waiting_descriptors_say_again)
{
	unsigned sent = 0, got = 0;
	uint8_t *body = noise(4096, 1);
	int result;

	connect_pair(1);
	while ((result = msg_socket_send(
			ours, sent, body, sent ? 1 : 4096, files, 3)) == 0)
		ck_assert_uint_lt(++sent, 1000);
	ck_assert_int_eq(result, -MSG_ERROR_AGAIN);
	while (got < sent) {
		struct msg_control_frame frame;

		result = msg_socket_receive(theirs, &frame);
		if (result == 0) {
			ck_assert_int_eq(msg_socket_flush(ours), 0);
			continue;
		}
		ck_assert_uint_eq(frame.kind, got++);
		ck_assert_uint_eq(frame.fd_count, 3);
		msg_control_frame_close(&frame);
	}
	free(body);
	end();
}
END_TEST

START_TEST(waiting_descriptors_are_our_own)
{
	uint8_t *body = noise(MSG_CONTROL_BODY_BYTES_MAX, 1);
	struct msg_control_frame frame;
	int copy, result;

	connect_pair(1);
	ck_assert_int_eq(msg_socket_send(ours, 1, body,
				 MSG_CONTROL_BODY_BYTES_MAX, NULL, 0),
		0);
	copy = fcntl(files[2], F_DUPFD_CLOEXEC, 0);
	ck_assert_int_eq(msg_socket_send(ours, 2, body, 5, &copy, 1), 0);
	ck_assert(msg_socket_wants_write(ours));
	close(copy);
	while ((result = msg_socket_receive(theirs, &frame)) == 0)
		ck_assert_int_eq(msg_socket_flush(ours), 0);
	ck_assert_int_eq(result, 1);
	while ((result = msg_socket_receive(theirs, &frame)) == 0)
		ck_assert_int_eq(msg_socket_flush(ours), 0);
	ck_assert_int_eq(result, 1);
	ck_assert_uint_eq(frame.kind, 2);
	ck_assert(fds_are_same(frame.fds[0], files[2]));
	msg_control_frame_close(&frame);
	free(body);
	end();
}
END_TEST

START_TEST(closing_drops_what_waits)
{
	uint8_t *body = noise(MSG_CONTROL_BODY_BYTES_MAX, 1);

	connect_pair(1);
	ck_assert_int_eq(msg_socket_send(ours, 1, body,
				 MSG_CONTROL_BODY_BYTES_MAX, files, 3),
		0);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(
			msg_socket_send(ours, 2, body, 5, files, 3), 0);
	ck_assert(msg_socket_is_waiting(ours));
	free(body);
	end();
}
END_TEST

/* No descriptor to wait with: the frame is not queued, the rest goes on. */
START_TEST(without_a_free_descriptor_nothing_is_queued)
{
	uint8_t *body = noise(MSG_CONTROL_BODY_BYTES_MAX, 1);
	struct rlimit limit, none;
	struct msg_control_frame frame;
	int result;

	connect_pair(1);
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = (rlim_t)files[3] + 2; /* One is free, two are needed. */
	ck_assert_int_eq(msg_socket_send(ours, 1, body,
				 MSG_CONTROL_BODY_BYTES_MAX, NULL, 0),
		0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	result = msg_socket_send(ours, 2, body, 5, files, 2);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(result, -MSG_ERROR_MEMORY);
	is_said("ulimit -n");
	ck_assert_int_eq(msg_socket_send(ours, 3, body, 5, files, 1), 0);
	while ((result = msg_socket_receive(theirs, &frame)) == 0)
		ck_assert_int_eq(msg_socket_flush(ours), 0);
	ck_assert_uint_eq(frame.kind, 1);
	ck_assert_mem_eq(frame.body, body, MSG_CONTROL_BODY_BYTES_MAX);
	while ((result = msg_socket_receive(theirs, &frame)) == 0)
		ck_assert_int_eq(msg_socket_flush(ours), 0);
	ck_assert_uint_eq(frame.kind, 3);
	ck_assert_uint_eq(frame.fd_count, 1);
	msg_control_frame_close(&frame);
	free(body);
	end();
}
END_TEST

/* The kernel bounds what a user has in flight, root apart; no poll tells when
 * there is room again, so it must not be polled for. */
START_TEST(too_many_descriptors_in_flight_are_no_failure)
{
	struct rlimit few = {40, 40};
	unsigned sent = 0, got = 0;
	int result = 0;

	connect_pair(0);
	if (geteuid() == 0)
		ck_assert_int_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (; sent < 100 && !msg_socket_is_waiting(ours); sent++)
		ck_assert_int_eq(
			msg_socket_send(ours, sent, NULL, 0, files, 3), 0);
	ck_assert_uint_lt(sent, 100);
	ck_assert(!msg_socket_wants_write(ours));
	while (got < sent) {
		struct msg_control_frame frame;

		result = msg_socket_receive(theirs, &frame);
		if (result == 0) {
			ck_assert_int_eq(msg_socket_flush(ours), 0);
			continue;
		}
		ck_assert_int_eq(result, 1);
		ck_assert_uint_eq(frame.kind, got++);
		ck_assert_uint_eq(frame.fd_count, 3);
		msg_control_frame_close(&frame);
	}
	ck_assert(!msg_socket_is_waiting(ours));
	end();
}
END_TEST

void add_slow_tests(Suite *suite)
{
	TCase *slow = check_case(suite, "slow", 20);

	tcase_add_test(slow, a_full_queue_says_again_and_loses_nothing);
	tcase_add_test(slow, too_many_waiting_descriptors_say_again);
	tcase_add_test(slow, waiting_descriptors_are_our_own);
	tcase_add_test(slow, closing_drops_what_waits);
	tcase_add_test(slow, without_a_free_descriptor_nothing_is_queued);
	tcase_add_test(slow, too_many_descriptors_in_flight_are_no_failure);
}
