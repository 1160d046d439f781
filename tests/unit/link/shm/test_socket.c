/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_socket.c - frames with descriptors; see libmsg/link/shm/socket.h.
 *
 * One side is the connection under test, the other another one or, where rules
 * are broken, the bare socket.  Every test ends with as many descriptors open as
 * it began with.
 */
#include "link/shm/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/clock.h"
#include "base/trail.h"
#include "check_main.h"
#include "fds.h"

#define NOBODY 65534

static struct msg_socket *ours;
static struct msg_socket *theirs; /* NULL where `raw` is used. */
static int raw;
static unsigned fds_before;
static int files[4]; /* Four different ones, to be passed. */

static void begin(void)
{
	fds_before = fds_open();
	for (int i = 0; i < 4; i++) {
		char name[] = "a";

		name[0] = (char)('a' + i);
		files[i] = memfd_create(name, MFD_CLOEXEC);
		ck_assert_int_ge(files[i], 0);
	}
	theirs = NULL;
	raw = -1;
}

/* Two connections; sndbuf 0: as it comes. */
static void connect_pair(int sndbuf)
{
	int pair[2];

	begin();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	for (int i = 0; sndbuf && i < 2; i++)
		ck_assert_int_eq(setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF,
					 &sndbuf, sizeof sndbuf),
			0);
	ck_assert_int_eq(msg_socket_open(pair[0], &ours), 0);
	ck_assert_int_eq(msg_socket_open(pair[1], &theirs), 0);
}

/* A connection and a bare socket. */
static void connect_raw(void)
{
	int pair[2];

	begin();
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(msg_socket_open(pair[0], &ours), 0);
	raw = pair[1];
}

static void hang_up(void)
{
	msg_socket_close(theirs);
	theirs = NULL;
	if (raw >= 0)
		close(raw);
	raw = -1;
}

static void end(void)
{
	hang_up();
	msg_socket_close(ours);
	for (int i = 0; i < 4; i++)
		close(files[i]);
	ck_assert_uint_eq(fds_open(), fds_before);
}

static void is_said(const char *text)
{
	ck_assert_msg(strstr(msg_trail_text(), text) != NULL,
		"'%s' says no '%s'", msg_trail_text(), text);
}

/* The frame that `from` should hold now. */
static struct msg_control_frame expect(struct msg_socket *from, unsigned kind,
	const void *body, size_t bytes, unsigned fd_count)
{
	struct msg_control_frame frame;
	int result = msg_socket_receive(from, &frame);

	ck_assert_msg(result == 1, "%d: %s", result, msg_trail_text());
	ck_assert_uint_eq(frame.kind, kind);
	ck_assert_uint_eq(frame.bytes, bytes);
	ck_assert_mem_eq(frame.body, body, bytes);
	ck_assert_uint_eq(frame.fd_count, fd_count);
	for (unsigned i = 0; i < fd_count; i++)
		ck_assert_int_eq(fcntl(frame.fds[i], F_GETFD), FD_CLOEXEC);
	return frame;
}

/* It fails as said, goes on to fail so, and keeps no descriptor until it is
 * closed. */
static void expect_failure(struct msg_socket *from, int code, const char *text)
{
	struct msg_control_frame frame = {.kind = 77};
	unsigned before = fds_open();

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(msg_socket_receive(from, &frame), code);
		is_said(text);
		ck_assert_uint_eq(frame.kind, 77);
		msg_fail(1, "other");
	}
	ck_assert_uint_le(fds_open(), before);
}

static void expect_nothing(struct msg_socket *from)
{
	struct msg_control_frame frame;

	ck_assert_int_eq(msg_socket_receive(from, &frame), 0);
}

static uint8_t *noise(size_t bytes, uint64_t seed)
{
	struct random_stream random = {seed};
	uint8_t *data = malloc(bytes ? bytes : 1);

	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)random_next(&random);
	return data;
}

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

/* ---- a slow peer ------------------------------------------------------- */

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

/* ---- a peer that breaks the rules -------------------------------------- */

/* Write bytes with descriptors, by hand. */
static void write_raw(
	const void *data, size_t bytes, const int *fds, unsigned count)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 16)];
	} control = {.room = {0}};
	struct iovec piece = {(void *)(uintptr_t)data, bytes};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	struct cmsghdr *rights;

	if (count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * count);
	}
	ck_assert_int_eq(sendmsg(raw, &message, MSG_NOSIGNAL), (ssize_t)bytes);
}

static void write_header(
	uint32_t length, unsigned announced, const int *fds, unsigned count)
{
	uint8_t header[8] = {(uint8_t)length, (uint8_t)(length >> 8),
		(uint8_t)(length >> 16), (uint8_t)(length >> 24), 5, 0,
		(uint8_t)announced, (uint8_t)(announced >> 8)};

	write_raw(header, sizeof header, fds, count);
}

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
	TCase *slow = check_case(suite, "slow", 20);
	TCase *rules = check_case(suite, "rules", 20);
	TCase *gone = check_case(suite, "gone", 20);
	TCase *waiting = check_case(suite, "waiting", 20);

	tcase_add_test(use, frames_arrive_whole_and_in_order);
	tcase_add_test(use, the_header_is_as_documented);
	tcase_add_test(use, descriptors_come_with_their_frame);
	tcase_add_test(use, a_message_is_said_and_understood);
	tcase_add_test(use, pieces_make_the_same_frames);
	tcase_add_test(use, a_byte_at_a_time_makes_the_same_frames);
	tcase_add_test(use, a_descriptor_that_is_none_is_refused);
	tcase_add_test(slow, a_full_queue_says_again_and_loses_nothing);
	tcase_add_test(slow, too_many_waiting_descriptors_say_again);
	tcase_add_test(slow, waiting_descriptors_are_our_own);
	tcase_add_test(slow, closing_drops_what_waits);
	tcase_add_test(slow, without_a_free_descriptor_nothing_is_queued);
	tcase_add_test(slow, too_many_descriptors_in_flight_are_no_failure);
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
	tcase_add_test(waiting, waiting_ends_in_time);
	tcase_add_test(waiting, waiting_flushes_and_survives_signals);
	tcase_add_test(waiting, waiting_for_a_peer_that_is_gone_ends_at_once);
	return check_main(suite, NULL);
}
