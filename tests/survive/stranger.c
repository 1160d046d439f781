/* SPDX-License-Identifier: BSD-2-Clause */
/* stranger.c - see stranger.h. */
#include "stranger.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host.h"

#include "check_main.h"

int stranger_descriptor(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

bool stranger_is_dropped(int fd, int ms)
{
	uint64_t limit = now_ns() + (uint64_t)ms * 1000000u;
	struct pollfd end = {.fd = fd, .events = POLLIN};
	char bytes[4096];

	while (now_ns() < limit) {
		if (poll(&end, 1, 10) <= 0)
			continue;
		if (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) <= 0)
			return true;
	}
	return false;
}

bool stranger_connect(struct stranger *s, const char *path)
{
	int fd = stranger_descriptor(path);

	memset(s, 0, sizeof *s);
	if (fd < 0)
		return false;
	ck_assert_int_eq(msg_socket_open(fd, &s->socket), 0);
	return true;
}

static void drop_fds(struct stranger *s)
{
	for (unsigned i = 0; i < s->fd_count; i++)
		close(s->fds[i]);
	s->fd_count = 0;
}

void stranger_close(struct stranger *s)
{
	drop_fds(s);
	msg_socket_close(s->socket);
	s->socket = NULL;
}

bool stranger_say(struct stranger *s, const struct msg_control *what)
{
	return msg_socket_say(s->socket, what, NULL, 0) == 0;
}

bool stranger_hear(struct stranger *s, int ms)
{
	uint64_t limit = now_ns() + (uint64_t)ms * 1000000u;
	struct pollfd wake = {
		.fd = msg_socket_fd(s->socket), .events = POLLIN};
	struct msg_control_frame frame;
	int result;

	drop_fds(s);
	while ((result = msg_socket_receive(s->socket, &frame)) == 0) {
		if (now_ns() >= limit)
			return false;
		poll(&wake, 1, 10);
	}
	if (result != 1 ||
		msg_control_unpack(&s->got, MSG_CONTROL_BROKER, &frame) < 0)
		return false;
	s->fd_count = frame.fd_count;
	memcpy(s->fds, frame.fds, sizeof s->fds);
	return true;
}

static void fill_hello(struct msg_control *m, enum msg_control_role role)
{
	memset(m, 0, sizeof *m);
	m->kind = MSG_CONTROL_HELLO;
	m->hello.version = MSG_CONTROL_VERSION;
	m->hello.role = role;
	snprintf(m->hello.program, sizeof m->hello.program, "stranger");
}

static void fill_subscribe(struct msg_control *m, const char *pattern)
{
	memset(m, 0, sizeof *m);
	m->kind = MSG_CONTROL_SUBSCRIBE;
	snprintf(m->subscribe.pattern, sizeof m->subscribe.pattern, "%s",
		pattern);
	m->subscribe.policy = MSG_CONTROL_LAP;
	m->subscribe.hold_max = 64;
	m->subscribe.message_bytes_max = 1u << 20;
}

bool stranger_greet(struct stranger *s, enum msg_control_role role)
{
	struct msg_control hello;

	fill_hello(&hello, role);
	return stranger_say(s, &hello) && stranger_hear(s, 5000) &&
	       s->got.kind == MSG_CONTROL_WELCOME;
}

bool stranger_subscribe(struct stranger *s, const char *pattern)
{
	struct msg_control subscribe;

	fill_subscribe(&subscribe, pattern);
	return stranger_greet(s, MSG_CONTROL_SUBSCRIBER) &&
	       stranger_say(s, &subscribe) && stranger_hear(s, 5000);
}

/* What follows Hello; how many messages. */
static int fill_rest(enum msg_control_role role, struct msg_control m[2])
{
	if (role == MSG_CONTROL_SUBSCRIBER) {
		fill_subscribe(&m[0], "a.*");
		return 1;
	}
	memset(m, 0, 2 * sizeof *m);
	if (role == MSG_CONTROL_ONLOOKER) {
		m[0].kind = MSG_CONTROL_WATCH;
		strcpy(m[0].watch.pattern, ">");
		return 1;
	}
	m[0].kind = MSG_CONTROL_PUBLISH;
	strcpy(m[0].publish.topic, "x.y");
	m[0].publish.incarnation = 0x1234567800000000ull | (now_ns() >> 8);
	m[0].publish.message_bytes_max = 64;
	m[0].publish.loan_count_max = 2;
	m[0].publish.period_ms = 1000;
	m[1].kind = MSG_CONTROL_MAPPED;
	return 2;
}

/* By the socket that a good client uses. */
size_t stranger_conversation(
	enum msg_control_role role, uint8_t *bytes, size_t capacity)
{
	static struct msg_control m[3];
	struct msg_socket *from;
	ssize_t got;
	int ends[2], count;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	ck_assert_int_eq(msg_socket_open(ends[0], &from), 0);
	fill_hello(&m[0], role);
	count = 1 + fill_rest(role, m + 1);
	for (int i = 0; i < count; i++)
		ck_assert_int_eq(msg_socket_say(from, &m[i], NULL, 0), 0);
	got = recv(ends[1], bytes, capacity, 0);
	ck_assert_int_gt(got, 0);
	msg_socket_close(from);
	close(ends[1]);
	return (size_t)got;
}
