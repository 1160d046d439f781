/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socket_hostile.c - a peer that breaks the rules of a frame, or is gone in the
 * middle of one; see libmsg/link/shm/socket.h.
 */
#include "socket_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <msg/msg.h>

#include "fds.h"

/* ---- a peer that breaks the rules -------------------------------------- */

START_TEST(a_length_out_of_range_ends_it)
{
	static const uint32_t lengths[] = {0, 7, 65537, 1u << 24, UINT32_MAX};

	for (unsigned i = 0; i < 5; i++) {
		char text[64];

		connect_raw();
		write_header(lengths[i], 1, files, 1);
		snprintf(text, sizeof text, "of %u bytes, not 8 to 65536",
			lengths[i]);
		expect_failure(ours, -MSG_ERROR_ARGUMENT, text);
		end();
	}
}
END_TEST

START_TEST(descriptors_are_as_many_as_announced)
{
	for (unsigned announced = 0; announced <= 4; announced++)
		for (unsigned sent = 0; sent <= 3; sent++) {
			struct msg_control_frame frame;

			connect_raw();
			write_header(8, announced, files, sent);
			if (announced == sent) {
				frame = expect(ours, 5, "", 0, sent);
				msg_control_frame_close(&frame);
			} else {
				expect_failure(ours, -MSG_ERROR_ARGUMENT,
					"announced ");
			}
			end();
		}
}
END_TEST

START_TEST(more_than_four_descriptors_end_it)
{
	int many[16];

	for (unsigned i = 0; i < 16; i++)
		many[i] = STDOUT_FILENO;
	for (unsigned sent = 5; sent <= 16; sent++) {
		connect_raw();
		write_header(8, sent % 5, many, sent);
		expect_failure(
			ours, -MSG_ERROR_ARGUMENT, "more than 4 descriptors");
		end();
	}
}
END_TEST

START_TEST(descriptors_inside_a_frame_end_it)
{
	for (unsigned at = 1; at < 12; at++)
		for (unsigned count = 1; count <= 16; count += 5) {
			static const uint8_t bytes[] = {
				12, 0, 0, 0, 5, 0, 0, 0, 'a', 'b', 'c', 'd'};
			int many[16];

			for (unsigned i = 0; i < 16; i++)
				many[i] = STDOUT_FILENO;
			connect_raw();
			write_raw(bytes, at, NULL, 0);
			expect_nothing(ours);
			write_raw(bytes + at, sizeof bytes - at, many, count);
			expect_failure(
				ours, -MSG_ERROR_ARGUMENT, "inside a message");
			end();
		}
}
END_TEST

/* Those of the next frame are not taken for this one's. */
START_TEST(descriptors_of_the_next_frame_stay_there)
{
	struct msg_control_frame frame;

	connect_raw();
	write_header(8, 1, NULL, 0);
	write_header(8, 0, files, 1);
	expect_failure(ours, -MSG_ERROR_ARGUMENT,
		"announced 1 descriptors and sent 0");
	end();
	connect_raw();
	write_header(8, 0, NULL, 0);
	write_header(8, 2, files, 2);
	expect(ours, 5, "", 0, 0);
	frame = expect(ours, 5, "", 0, 2);
	msg_control_frame_close(&frame);
	end();
}
END_TEST

START_TEST(descriptors_come_with_one_byte_and_the_rest_later)
{
	static const uint8_t bytes[] = {9, 0, 0, 0, 5, 0, 2, 0, 'x'};
	struct msg_control_frame frame;

	connect_raw();
	write_raw(bytes, 1, files, 2);
	expect_nothing(ours);
	write_raw(bytes + 1, 8, NULL, 0);
	frame = expect(ours, 5, "x", 1, 2);
	ck_assert(fds_are_same(frame.fds[1], files[1]));
	msg_control_frame_close(&frame);
	end();
}
END_TEST

START_TEST(descriptors_of_an_unfinished_frame_are_closed)
{
	connect_raw();
	write_header(100, 3, files, 3);
	expect_nothing(ours);
	ck_assert_uint_gt(fds_open(), fds_before + 6);
	end();
	connect_raw();
	write_header(100, 3, files, 3);
	expect_nothing(ours);
	hang_up();
	expect_failure(ours, -MSG_ERROR_FABRIC, "in the middle of a message");
	end();
}
END_TEST

START_TEST(descriptors_lost_for_lack_of_room_are_said_so)
{
	struct rlimit limit, none;

	connect_raw();
	write_header(8, 3, files, 3);
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = (rlim_t)raw + 2; /* Room for one. */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	expect_failure(ours, -MSG_ERROR_MEMORY, "ulimit -n");
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	end();
}
END_TEST

START_TEST(noise_ends_it_or_is_frames)
{
	unsigned trials = 2000 / MSG_TEST_FEWER;

	for (unsigned i = 0; i < trials; i++) {
		struct random_stream random = {check_seed() + i};
		struct msg_control_frame frame;
		uint8_t bytes[64];
		int result = 0;

		if (i % 100 == 0)
			connect_raw();
		for (unsigned k = 0; k < sizeof bytes; k++)
			bytes[k] = random_chance(&random, 900)
					   ? (uint8_t)random_below(&random, 12)
					   : (uint8_t)random_next(&random);
		bytes[1] = bytes[2] = bytes[3] = bytes[7] = 0;
		write_raw(bytes, 1 + random_below(&random, sizeof bytes), files,
			(unsigned)random_below(&random, 5));
		while ((result = msg_socket_receive(ours, &frame)) == 1)
			msg_control_frame_close(&frame);
		if (i % 100 == 99) {
			end();
		} else if (result < 0) {
			end();
			connect_raw();
		}
	}
}
END_TEST

/* ---- a peer that is gone ----------------------------------------------- */

START_TEST(a_peer_that_hangs_up_is_gone)
{
	connect_pair(0);
	expect_nothing(ours);
	hang_up();
	expect_failure(ours, -MSG_ERROR_FABRIC, "hung up");
	/* Without SIGPIPE, too. */
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(msg_socket_send(ours, 1, NULL, 0, files, 3),
			-MSG_ERROR_FABRIC);
		is_said("hung up");
	}
	ck_assert_int_eq(msg_socket_flush(ours), -MSG_ERROR_FABRIC);
	ck_assert(!msg_socket_wants_write(ours));
	end();
}
END_TEST

START_TEST(its_last_words_are_heard)
{
	struct msg_control_frame frame;

	connect_pair(0);
	/* Which the peer does not read: a reset, and not just an end. */
	ck_assert_int_eq(msg_socket_send(ours, 1, NULL, 0, NULL, 0), 0);
	ck_assert_int_eq(
		msg_socket_send(theirs, 2, (uint8_t *)"no", 2, files, 1), 0);
	hang_up();
	ck_assert_int_eq(
		msg_socket_send(ours, 3, NULL, 0, NULL, 0), -MSG_ERROR_FABRIC);
	frame = expect(ours, 2, "no", 2, 1);
	msg_control_frame_close(&frame);
	expect_failure(ours, -MSG_ERROR_FABRIC, "hung up");
	end();
}
END_TEST

START_TEST(hanging_up_at_any_byte_is_noticed)
{
	static const uint8_t bytes[] = {
		12, 0, 0, 0, 5, 0, 1, 0, 'a', 'b', 'c', 'd'};

	for (unsigned at = 1; at < sizeof bytes; at++) {
		connect_raw();
		write_raw(bytes, at, files, 1);
		hang_up();
		expect_failure(
			ours, -MSG_ERROR_FABRIC, "in the middle of a message");
		end();
	}
}
END_TEST

START_TEST(a_peer_gone_while_frames_wait_costs_no_descriptor)
{
	uint8_t *body = noise(MSG_CONTROL_BODY_BYTES_MAX, 1);

	connect_pair(1);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(
			msg_socket_send(ours, 1, body,
				MSG_CONTROL_BODY_BYTES_MAX - 100, files, 3),
			0);
	hang_up();
	ck_assert_int_eq(
		msg_socket_send(ours, 2, body, 5, files, 3), -MSG_ERROR_FABRIC);
	free(body);
	end();
}
END_TEST

void add_hostile_tests(Suite *suite)
{
	TCase *rules = check_case(suite, "rules", 20);
	TCase *gone = check_case(suite, "gone", 20);

	tcase_add_test(rules, a_length_out_of_range_ends_it);
	tcase_add_test(rules, descriptors_are_as_many_as_announced);
	tcase_add_test(rules, more_than_four_descriptors_end_it);
	tcase_add_test(rules, descriptors_inside_a_frame_end_it);
	tcase_add_test(rules, descriptors_of_the_next_frame_stay_there);
	tcase_add_test(
		rules, descriptors_come_with_one_byte_and_the_rest_later);
	tcase_add_test(rules, descriptors_of_an_unfinished_frame_are_closed);
	tcase_add_test(rules, descriptors_lost_for_lack_of_room_are_said_so);
	tcase_add_test(rules, noise_ends_it_or_is_frames);
	tcase_add_test(gone, a_peer_that_hangs_up_is_gone);
	tcase_add_test(gone, its_last_words_are_heard);
	tcase_add_test(gone, hanging_up_at_any_byte_is_noticed);
	tcase_add_test(gone, a_peer_gone_while_frames_wait_costs_no_descriptor);
}
