/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_socket.c - frames with descriptors; see libmsg/link/shm/socket.h.
 *
 * Of a peer that is slow: socket_slow.c; of one that lies or goes: socket_hostile.c.
 */
#include "socket_pair.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/clock.h"
#include "base/trail.h"
#include "fds.h"

/* ---- use --------------------------------------------------------------- */

START_TEST(frames_arrive_whole_and_in_order)
{
	size_t sizes[] = {0, 1, 8, 4096, MSG_CONTROL_BODY_BYTES_MAX};

	connect_pair(0);
	for (unsigned i = 0; i < 5; i++) {
		uint8_t *body = noise(sizes[i], i);

		ck_assert_int_eq(
			msg_socket_send(ours, 300 + i, body, sizes[i], NULL, 0),
			0);
		expect(theirs, 300 + i, body, sizes[i], 0);
		expect_nothing(theirs);
		free(body);
	}
	for (unsigned i = 0; i < 100; i++)
		ck_assert_int_eq(
			msg_socket_send(ours, i, (uint8_t *)"abc", 3, NULL, 0),
			0);
	for (unsigned i = 0; i < 100; i++)
		expect(theirs, i, "abc", 3, 0);
	expect_nothing(theirs);
	end();
}
END_TEST

START_TEST(the_header_is_as_documented)
{
	uint8_t got[64];
	static const uint8_t wanted[] = {
		11, 0, 0, 0, 0x85, 0, 0, 0, 'a', 'b', 'c'};

	connect_raw();
	ck_assert_int_eq(
		msg_socket_send(ours, 0x85, (uint8_t *)"abc", 3, NULL, 0), 0);
	ck_assert_int_eq(read(raw, got, sizeof got), sizeof wanted);
	ck_assert_mem_eq(got, wanted, sizeof wanted);
	end();
}
END_TEST

START_TEST(descriptors_come_with_their_frame)
{
	/* How many go with each of these frames, all queued before any is
	 * read. */
	static const unsigned counts[] = {0, 3, 0, 0, 1, 2, 3, 0};

	connect_pair(0);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(msg_socket_send(ours, i, (uint8_t *)"abc", 3,
					 files + i % 2, counts[i]),
			0);
	for (unsigned i = 0; i < 8; i++) {
		struct msg_control_frame frame =
			expect(theirs, i, "abc", 3, counts[i]);

		for (unsigned k = 0; k < counts[i]; k++)
			ck_assert(fds_are_same(frame.fds[k], files[i % 2 + k]));
		for (unsigned k = counts[i]; k < 3; k++)
			ck_assert_int_eq(frame.fds[k], -1);
		msg_control_frame_close(&frame);
	}
	end();
}
END_TEST

START_TEST(a_message_is_said_and_understood)
{
	struct msg_control said = {.kind = MSG_CONTROL_RING_GONE};
	struct msg_control heard;
	struct msg_control_frame frame;

	connect_pair(0);
	said.ring_gone.number = 77;
	ck_assert_int_eq(msg_socket_say(ours, &said, NULL, 0), 0);
	ck_assert_int_eq(msg_socket_receive(theirs, &frame), 1);
	ck_assert_int_eq(
		msg_control_unpack(&heard, MSG_CONTROL_BROKER, &frame), 0);
	ck_assert_uint_eq(heard.ring_gone.number, 77);
	end();
}
END_TEST

/* Take what has come and check it; returns whether something had. */
static bool take_numbered(
	unsigned *next, const unsigned *counts, unsigned count_mask)
{
	struct msg_control_frame frame;
	int result = msg_socket_receive(theirs, &frame);
	unsigned fd_count = counts[*next & count_mask];
	uint8_t *body;

	if (result == 0)
		return false;
	if (result < 0 || frame.kind != *next || frame.fd_count != fd_count)
		ck_abort_msg("frame %u: %d, kind %u, %u descriptors", *next,
			result, frame.kind, frame.fd_count);
	body = noise(frame.bytes, *next);
	if (memcmp(body, frame.body, frame.bytes) != 0)
		ck_abort_msg("frame %u: another body", *next);
	for (unsigned k = 0; k < fd_count; k++)
		if (!fds_are_same(frame.fds[k], files[(*next + k) % 4]))
			ck_abort_msg("frame %u: another descriptor", *next);
	free(body);
	msg_control_frame_close(&frame);
	++*next;
	return true;
}

/* Small buffers cut frames anywhere; descriptors stay with theirs. */
START_TEST(pieces_make_the_same_frames)
{
	static const unsigned counts[] = {0, 3, 1, 0, 0, 2, 3, 0};
	struct random_stream random = {check_seed()};
	unsigned frames = 2000 / MSG_TEST_FEWER, sent = 0, got = 0;
	bool blocked = false;

	connect_pair(1);
	while (got < frames) {
		size_t bytes = random_below(&random, 4) == 0
				       ? random_below(&random,
						 MSG_CONTROL_BODY_BYTES_MAX)
				       : random_below(&random, 100);
		uint8_t *body = noise(bytes, sent);
		int fds[3], result = -MSG_ERROR_AGAIN;

		for (unsigned k = 0; k < 3; k++)
			fds[k] = files[(sent + k) % 4];
		if (sent < frames)
			result = msg_socket_send(
				ours, sent, body, bytes, fds, counts[sent & 7]);
		if (result == 0)
			sent++;
		else if (result != -MSG_ERROR_AGAIN)
			ck_abort_msg("%d: %s", result, msg_trail_text());
		blocked |= msg_socket_wants_write(ours);
		free(body);
		for (uint64_t n = random_below(&random, 8); n > 0; n--)
			take_numbered(&got, counts, 7);
		if (msg_socket_flush(ours) != 0)
			ck_abort_msg("flush: %s", msg_trail_text());
	}
	ck_assert(blocked);
	ck_assert(!msg_socket_is_waiting(ours));
	expect_nothing(theirs);
	end();
}
END_TEST

START_TEST(a_byte_at_a_time_makes_the_same_frames)
{
	static const uint8_t bytes[] = {
		11, 0, 0, 0, 5, 0, 0, 0, 'a', 'b', 'c', 8, 0, 0, 0, 6, 0, 0, 0};

	connect_raw();
	for (unsigned i = 0; i < sizeof bytes; i++) {
		ck_assert_int_eq(write(raw, bytes + i, 1), 1);
		if (i == 10)
			expect(ours, 5, "abc", 3, 0);
		else if (i == 18)
			expect(ours, 6, "", 0, 0);
		else
			expect_nothing(ours);
	}
	end();
}
END_TEST

/* ---- waiting ----------------------------------------------------------- */

START_TEST(waiting_ends_in_time)
{
	struct msg_control_frame frame;
	uint64_t begin_ns = msg_clock_ns();

	connect_pair(0);
	ck_assert_int_eq(
		msg_socket_wait(ours, begin_ns + 50 * MSG_NS_PER_MS, &frame),
		-MSG_ERROR_TIMEOUT);
	is_said("did not answer in time");
	ck_assert_uint_ge(msg_clock_ns() - begin_ns, 50 * MSG_NS_PER_MS);
	ck_assert_int_eq(msg_socket_wait(ours, 0, &frame), -MSG_ERROR_TIMEOUT);
	/* It is no failure of the connection. */
	ck_assert_int_eq(msg_socket_send(theirs, 9, NULL, 0, NULL, 0), 0);
	ck_assert_int_eq(msg_socket_wait(ours, 0, &frame), 1);
	ck_assert_uint_eq(frame.kind, 9);
	end();
}
END_TEST

static void *answer(void *context)
{
	struct msg_control_frame frame;

	(void)context;
	/* Reads slowly, so that the other side has to flush as it waits. */
	while (msg_socket_receive(theirs, &frame) == 0)
		usleep(1000);
	msg_socket_send(theirs, 8, NULL, 0, files, 2);
	return NULL;
}

static void on_alarm(int signal_number)
{
	(void)signal_number;
}

START_TEST(waiting_flushes_and_survives_signals)
{
	uint8_t *body = noise(MSG_CONTROL_BODY_BYTES_MAX, 1);
	struct itimerval often = {{0, 1000}, {0, 1000}}, never = {0};
	struct sigaction action = {.sa_handler = on_alarm};
	struct msg_control_frame frame;
	pthread_t thread;

	connect_pair(1);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	ck_assert_int_eq(msg_socket_send(ours, 1, body,
				 MSG_CONTROL_BODY_BYTES_MAX, NULL, 0),
		0);
	pthread_create(&thread, NULL, answer, NULL);
	ck_assert_int_eq(msg_socket_wait(ours,
				 msg_clock_ns() + 10 * MSG_NS_PER_S, &frame),
		1);
	setitimer(ITIMER_REAL, &never, NULL);
	ck_assert_uint_eq(frame.kind, 8);
	ck_assert_uint_eq(frame.fd_count, 2);
	msg_control_frame_close(&frame);
	pthread_join(thread, NULL);
	free(body);
	end();
}
END_TEST

START_TEST(waiting_for_a_peer_that_is_gone_ends_at_once)
{
	struct msg_control_frame frame;

	connect_pair(0);
	hang_up();
	ck_assert_int_eq(msg_socket_wait(ours,
				 msg_clock_ns() + 60 * MSG_NS_PER_S, &frame),
		-MSG_ERROR_FABRIC);
	end();
}
END_TEST

START_TEST(a_descriptor_that_is_none_is_refused)
{
	struct msg_socket *none = NULL;

	ck_assert_int_eq(msg_socket_open(-1, &none), -MSG_ERROR_MEMORY);
	ck_assert_ptr_null(none);
	msg_socket_close(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("socket");
	TCase *use = check_case(suite, "use", 60);
	TCase *waiting = check_case(suite, "waiting", 20);

	tcase_add_test(use, frames_arrive_whole_and_in_order);
	tcase_add_test(use, the_header_is_as_documented);
	tcase_add_test(use, descriptors_come_with_their_frame);
	tcase_add_test(use, a_message_is_said_and_understood);
	tcase_add_test(use, pieces_make_the_same_frames);
	tcase_add_test(use, a_byte_at_a_time_makes_the_same_frames);
	tcase_add_test(use, a_descriptor_that_is_none_is_refused);
	tcase_add_test(waiting, waiting_ends_in_time);
	tcase_add_test(waiting, waiting_flushes_and_survives_signals);
	tcase_add_test(waiting, waiting_for_a_peer_that_is_gone_ends_at_once);
	add_slow_tests(suite);
	add_hostile_tests(suite);
	return check_main(suite, NULL);
}
