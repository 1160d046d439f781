/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server.c - accepts connections and keeps them until they hang up; see
 * server.h.
 *
 * Each connection is charged to its user before it is served, so that no user
 * can take the descriptors of the others.
 */
#include "broker/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/log.h"
#include "broker/notify.h"
#include "broker/peer.h"

#include "base/clock.h"
#include "base/trail.h"

#define EVENTS 64

struct client {
	struct client *next, **link;
	struct peer peer;
	int fd;
};

struct server {
	struct server_options options;
	struct accounts *accounts;
	struct client *clients;
	uint32_t client_count;
	bool deaf; /* No descriptors: the listening socket is not watched. */
	int epoll_fd;
};

/* What an event is of: a client, or one of these. */
static char listen_mark, signal_mark;

static int watch(struct server *server, int fd, void *mark)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = mark};

	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return msg_fail(MSG_ERROR_MEMORY,
			"cannot watch a descriptor: %s; raise "
			"fs.epoll.max_user_watches",
			strerror(errno));
	return 0;
}

int server_open(struct server **server, const struct server_options *options)
{
	struct server *made = calloc(1, sizeof *made);
	int result;

	if (!made)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for the server");
	made->options = *options;
	made->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	result = made->epoll_fd < 0
			 ? msg_fail(MSG_ERROR_MEMORY,
				   "cannot make an epoll descriptor: %s; raise "
				   "LimitNOFILE (ulimit -n)",
				   strerror(errno))
			 : accounts_open(
				   &made->accounts, &options->config->limits);
	if (result == 0)
		result = watch(made, options->listen_fd, &listen_mark);
	if (result == 0)
		result = watch(made, options->signal_fd, &signal_mark);
	if (result < 0)
		server_close(made);
	else
		*server = made;
	return result;
}

/* ---- clients -------------------------------------------------------------- */

static void client_close(struct server *server, struct client *client)
{
	log_say(LOG_CLIENT_GONE, "pid %d of uid %u disconnected",
		(int)client->peer.pid, client->peer.uid);
	account_release(
		server->accounts, client->peer.uid, ACCOUNT_CONNECTIONS, 1);
	*client->link = client->next;
	if (client->next)
		client->next->link = client->link;
	server->client_count--;
	close(client->fd);
	peer_drop(&client->peer);
	free(client);
	if (server->deaf &&
		watch(server, server->options.listen_fd, &listen_mark) == 0)
		server->deaf = false;
}

/* Charge a connection and keep it; on failure it is the caller's to close. */
static int client_open(struct server *server, int fd)
{
	struct client *client = calloc(1, sizeof *client);
	int result;

	if (!client)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a client");
	client->fd = fd;
	result = peer_read(&client->peer, fd);
	if (result == 0) {
		result = account_charge(server->accounts, client->peer.uid,
			ACCOUNT_CONNECTIONS, 1);
		if (result == 0 && watch(server, fd, client) < 0) {
			account_release(server->accounts, client->peer.uid,
				ACCOUNT_CONNECTIONS, 1);
			result = -MSG_ERROR_MEMORY;
		}
	}
	if (result < 0) {
		peer_drop(&client->peer);
		free(client);
		return result;
	}
	client->next = server->clients;
	client->link = &server->clients;
	if (client->next)
		client->next->link = &client->next;
	server->clients = client;
	server->client_count++;
	log_say(LOG_CLIENT_CONNECTED, "pid %d of uid %u connected",
		(int)client->peer.pid, client->peer.uid);
	return 0;
}

/* Out of descriptors, those who wait would wake us without end: look away
 * until somebody goes. */
static void look_away(struct server *server)
{
	log_say(LOG_DESCRIPTORS_OUT,
		"no descriptor for another client, %u are connected: %s",
		server->client_count, strerror(errno));
	if (server->clients && epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL,
				       server->options.listen_fd, NULL) == 0)
		server->deaf = true;
}

static void accept_clients(struct server *server)
{
	for (int i = 0; i < EVENTS; i++) {
		int fd = accept4(server->options.listen_fd, NULL, NULL,
			SOCK_CLOEXEC | SOCK_NONBLOCK);
		int result;

		if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd < 0) {
			if (errno != EAGAIN)
				look_away(server);
			return;
		}
		result = client_open(server, fd);
		if (result < 0) {
			log_say(result == -MSG_ERROR_BUSY ? LOG_QUOTA_REFUSED
							  : LOG_MEMORY_OUT,
				"a connection was refused: %s",
				msg_trail_text());
			close(fd);
		}
	}
}

/* There is no protocol yet: whatever comes is thrown away. */
static void serve(struct server *server, struct client *client)
{
	char bytes[4096];
	ssize_t count = recv(client->fd, bytes, sizeof bytes, 0);

	if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
		client_close(server, client);
}

/* ---- the loop ------------------------------------------------------------- */

/* In ms, so that the watchdog hears of us in time; -1 without one. */
static int timeout_ms(void)
{
	uint64_t period_ms = notify_period_ns() / 2 / MSG_NS_PER_MS;

	if (notify_period_ns() == 0)
		return -1;
	return period_ms > 60000 ? 60000 : (int)period_ms;
}

int server_run(struct server *server)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int count = epoll_wait(
			server->epoll_fd, events, EVENTS, timeout_ms());

		if (count < 0 && errno != EINTR)
			return msg_fail(MSG_ERROR_FABRIC,
				"cannot wait for events: %s", strerror(errno));
		notify_alive(msg_clock_ns());
		for (int i = 0; i < count; i++) {
			void *mark = events[i].data.ptr;

			if (mark == &signal_mark)
				return 0;
			if (mark == &listen_mark)
				accept_clients(server);
			else
				serve(server, mark);
		}
	}
}

void server_close(struct server *server)
{
	if (!server)
		return;
	/* Not to listen again meanwhile. */
	server->deaf = false;
	while (server->clients)
		client_close(server, server->clients);
	accounts_close(server->accounts);
	if (server->epoll_fd >= 0)
		close(server->epoll_fd);
	free(server);
}
