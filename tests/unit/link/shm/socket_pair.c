/* SPDX-License-Identifier: BSD-2-Clause */
/* socket_pair.c - see socket_pair.h. */
#include "socket_pair.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/trail.h"
#include "check_main.h"
#include "fds.h"

struct msg_socket *ours, *theirs;
int raw;
int files[4];
unsigned fds_before;

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

void connect_pair(int sndbuf)
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

void connect_raw(void)
{
	int pair[2];

	begin();
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(msg_socket_open(pair[0], &ours), 0);
	raw = pair[1];
}

void hang_up(void)
{
	msg_socket_close(theirs);
	theirs = NULL;
	if (raw >= 0)
		close(raw);
	raw = -1;
}

void end(void)
{
	hang_up();
	msg_socket_close(ours);
	for (int i = 0; i < 4; i++)
		close(files[i]);
	ck_assert_uint_eq(fds_open(), fds_before);
}

void is_said(const char *text)
{
	ck_assert_msg(strstr(msg_trail_text(), text) != NULL,
		"'%s' says no '%s'", msg_trail_text(), text);
}

struct msg_control_frame expect(struct msg_socket *from, unsigned kind,
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

void expect_failure(struct msg_socket *from, int code, const char *text)
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

void expect_nothing(struct msg_socket *from)
{
	struct msg_control_frame frame;

	ck_assert_int_eq(msg_socket_receive(from, &frame), 0);
}

uint8_t *noise(size_t bytes, uint64_t seed)
{
	struct random_stream random = {seed};
	uint8_t *data = malloc(bytes ? bytes : 1);

	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)random_next(&random);
	return data;
}

void write_raw(
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

void write_header(
	uint32_t length, unsigned announced, const int *fds, unsigned count)
{
	uint8_t header[8] = {(uint8_t)length, (uint8_t)(length >> 8),
		(uint8_t)(length >> 16), (uint8_t)(length >> 24), 5, 0,
		(uint8_t)announced, (uint8_t)(announced >> 8)};

	write_raw(header, sizeof header, fds, count);
}
