/* SPDX-License-Identifier: BSD-2-Clause */
/* client.c - connecting, being welcomed, and noticing the end; see client.h. */
#include "topic/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/trail.h"
#include "link/shm/session.h"

/* A broker that refused us once will do so again, for a while. */
#define REFUSED_NS MSG_NS_PER_S

/* What a broker that is there needs for an answer, mostly. */
#define ANSWER_MS 1

/* Of whoever has no session page. */
static const _Atomic uint32_t no_news;

static void forget(struct msg_client *c)
{
	msg_socket_close(c->socket);
	msg_shm_segment_close(&c->page);
	c->socket = NULL;
	c->news = &no_news;
	c->news_seen = 0;
	c->phase = MSG_CLIENT_AWAY;
}

static void set_due(struct msg_client *c, uint64_t ns)
{
	msg_store(&c->due, msg_clock_coarse_ns() + ns, relaxed);
}

static void hang_up(struct msg_client *c, int error)
{
	bool refused = c->refused.code != 0;

	forget(c);
	c->error = error;
	/* The next one may be there already. */
	set_due(c, refused ? REFUSED_NS : 0);
	c->calls->lost(c->context, refused);
}

static int greet(struct msg_client *c)
{
	struct msg_control hello = {
		.kind = MSG_CONTROL_HELLO,
		.hello = {.version = MSG_CONTROL_VERSION,
			.role = c->role,
			.patient = true},
	};
	int fd;
	int result = msg_place_connect(c->path, &fd);

	if (result < 0)
		return result;
	result = msg_socket_open(fd, &c->socket);
	if (result < 0) {
		close(fd);
		return result;
	}
	snprintf(hello.hello.program, sizeof hello.hello.program, "%.63s",
		program_invocation_short_name);
	c->refused.code = 0;
	c->under_way = false;
	c->error = 0;
	c->phase = MSG_CLIENT_GREETING;
	result = msg_client_say(c, &hello);
	if (result < 0)
		forget(c);
	return result;
}

int msg_client_open(struct msg_client *c, const char *path,
	enum msg_control_role role, const struct msg_client_calls *calls,
	void *context)
{
	uint64_t deadline;
	int result;

	memset(c, 0, sizeof *c);
	c->page = (struct msg_shm_segment)MSG_SHM_SEGMENT;
	c->news = &no_news;
	c->role = role;
	c->calls = calls;
	c->context = context;
	snprintf(c->path, sizeof c->path, "%s", path);
	deadline = msg_clock_ns() + MSG_CLIENT_WELCOME_NS;
	while ((result = greet(c)) == -MSG_ERROR_AGAIN &&
		msg_clock_ns() < deadline)
		poll(NULL, 0, 1);
	return result;
}

void msg_client_close(struct msg_client *c)
{
	if (c->calls)
		forget(c);
}

/* ---- what the broker says ---------------------------------------------- */

static int welcomed(struct msg_client *c,
	const struct msg_control_welcome *welcome, const int *fds)
{
	const struct msg_session *session;
	int result;

	if (c->phase != MSG_CLIENT_GREETING)
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker at %s welcomes twice", c->path);
	if (welcome->version != MSG_CONTROL_VERSION)
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker at %s speaks version %u, this libmsg %u: "
			"use the same release for both",
			c->path, welcome->version, MSG_CONTROL_VERSION);
	result = msg_shm_segment_map_readonly(
		&c->page, fds[0], MSG_SESSION_BYTES);
	if (result < 0)
		return result;
	session = (const struct msg_session *)c->page.base;
	if (!msg_session_is_good(session, welcome->epoch))
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker at %s sent a page that is no session's",
			c->path);
	c->welcome = *welcome;
	c->news = &session->news;
	c->news_seen = msg_session_news(session);
	c->phase = MSG_CLIENT_ASKING;
	return c->calls->ask(c->context);
}

static int hear(struct msg_client *c, struct msg_control_frame *frame)
{
	struct msg_control said;
	int result = msg_control_unpack(&said, MSG_CONTROL_BROKER, frame);

	if (result < 0)
		return -MSG_ERROR_FABRIC;
	switch (said.kind) {
	case MSG_CONTROL_WELCOME:
		return welcomed(c, &said.welcome, frame->fds);
	case MSG_CONTROL_REFUSED:
		c->refused = said.refused;
		return msg_fail(
			(int)said.refused.code, "%s", said.refused.text);
	default:
		if (c->phase < MSG_CLIENT_ASKING)
			return msg_fail(MSG_ERROR_FABRIC,
				"the broker at %s begins with %s", c->path,
				msg_control_kind_name(said.kind));
		if (said.kind == MSG_CONTROL_UNDER_WAY) {
			c->under_way = true;
			return 0;
		}
		return c->calls->hear(c->context, &said, frame);
	}
}

/* Hear all that is there.  A negated code: the connection is at its end. */
static int hear_all(struct msg_client *c)
{
	/* Before the socket is read: what steps it later is heard later. */
	uint32_t news = msg_load(c->news, acquire);
	const _Atomic uint32_t *page = c->news;
	struct msg_control_frame frame;
	int result;

	while ((result = msg_socket_receive(c->socket, &frame)) > 0) {
		result = hear(c, &frame);
		msg_control_frame_close(&frame);
		if (result < 0)
			return result;
	}
	if (result == 0 && page == c->news)
		c->news_seen = news;
	return result == 0 ? msg_socket_flush(c->socket) : result;
}

uint32_t msg_client_left_out(const struct msg_client *c)
{
	const struct msg_session *page = (const struct msg_session *)c->page.base;

	return page ? msg_session_left_out(page) : 0;
}

/* Whether something came within a moment. */
static bool is_answering(const struct msg_client *c)
{
	struct pollfd wake = {.fd = msg_socket_fd(c->socket), .events = POLLIN};

	return poll(&wake, 1, ANSWER_MS) > 0;
}

void msg_client_turn(struct msg_client *c)
{
	int result;

	set_due(c, MSG_CLIENT_RETRY_NS);
	if (!c->socket && greet(c) < 0)
		return;
	do {
		result = hear_all(c);
	} while (result == 0 && c->phase != MSG_CLIENT_SERVED &&
		 is_answering(c));
	if (result < 0)
		hang_up(c, result);
	else
		set_due(c, c->phase == MSG_CLIENT_SERVED ? MSG_CLIENT_PROBE_NS
							 : msg_client_patience(c));
}

void msg_client_tick(struct msg_client *c)
{
	if (msg_client_has_news(c) || msg_client_is_due(c))
		msg_client_turn(c);
}

int msg_client_await(struct msg_client *c, uint64_t limit_ns)
{
	const uint64_t begin = msg_clock_ns();

	while (c->phase != MSG_CLIENT_SERVED) {
		struct pollfd wake = {.events = POLLIN};
		uint64_t deadline = begin + limit_ns;
		uint64_t now;

		/* Ended, and the reason is on the trail. */
		if (!c->socket)
			return c->error < 0 ? c->error : -MSG_ERROR_FABRIC;
		msg_client_turn(c);
		if (c->phase == MSG_CLIENT_SERVED || !c->socket)
			continue;
		if (c->under_way)
			deadline += MSG_CLIENT_UNDER_WAY_NS;
		now = msg_clock_ns();
		if (now >= deadline)
			return msg_fail(MSG_ERROR_FABRIC,
				"the broker at %s does not answer; see its log",
				c->path);
		wake.fd = msg_socket_fd(c->socket);
		poll(&wake, 1, (int)((deadline - now) / MSG_NS_PER_MS) + 1);
	}
	return 0;
}
