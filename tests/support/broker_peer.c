/* SPDX-License-Identifier: BSD-2-Clause */
/* broker_peer.c - see broker_peer.h. */
#include "broker_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/client.h"
#include "broker/log.h"
#include "broker/server_internal.h"

#include "base/trail.h"

struct config broker_config;
struct server *broker_server;
static int listen_fd = -1;
static int signal_fd = -1;

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s: %s\n", what, msg_trail_text());
	abort();
}

static void configure(enum config_setting which, const char *value)
{
	must(config_set(&broker_config, which, value, CONFIG_FROM_OPTION,
		     "a test") == 0,
		value);
}

void broker_configure(const char *lane)
{
	config_init(&broker_config);
	configure(CONFIG_LANE, lane);
	configure(CONFIG_NAME, "test");
	configure(CONFIG_SOCKET, "/test.sock");
	must(config_finish(&broker_config) == 0, "config_finish");
}

void broker_open(void)
{
	struct sockaddr_un nowhere = {.sun_family = AF_UNIX};
	struct server_options options = {.config = &broker_config};

	log_open(MSG_LOG_ERROR);
	listen_fd = socket(
		AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* An autobound address: nobody finds it, nothing is left of it. */
	must(bind(listen_fd, (struct sockaddr *)&nowhere,
		     sizeof nowhere.sun_family) == 0 &&
			listen(listen_fd, 4) == 0,
		"listen");
	signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	options.listen_fd = listen_fd;
	options.signal_fd = signal_fd;
	must(server_open(&broker_server, &options) == 0, "server_open");
}

void broker_close(void)
{
	server_close(broker_server);
	broker_server = NULL;
	close(listen_fd);
	close(signal_fd);
}

void broker_step(void)
{
	for (int i = 0; i < 4; i++) {
		server_turn(broker_server);
		for (struct client *c = broker_server->clients; c; c = c->next) {
			client_writable(c);
			client_readable(c);
		}
		server_tidy(broker_server);
		/* Ledgers and rings are hostile to those who count, too. */
		stats_collect(broker_server);
	}
}

void broker_peer_open(struct broker_peer *peer)
{
	int ends[2];

	memset(peer, 0, sizeof *peer);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		     ends) == 0,
		"socketpair");
	must(client_open(broker_server, ends[0]) == 0, "client_open");
	must(msg_socket_open(ends[1], &peer->socket) == 0, "msg_socket_open");
}

static void drop_fds(struct broker_peer *peer)
{
	for (unsigned i = 0; i < peer->fd_count; i++)
		if (peer->fds[i] >= 0)
			close(peer->fds[i]);
	peer->fd_count = 0;
}

void broker_peer_close(struct broker_peer *peer)
{
	drop_fds(peer);
	msg_socket_close(peer->socket);
	peer->socket = NULL;
	broker_step();
}

void broker_peer_say(struct broker_peer *peer, const struct msg_control *what)
{
	/* A broker that hung up is for the test to notice. */
	(void)msg_socket_say(peer->socket, what, NULL, 0);
	broker_step();
}

bool broker_peer_hear(struct broker_peer *peer)
{
	struct msg_control_frame frame;

	drop_fds(peer);
	if (msg_socket_receive(peer->socket, &frame) != 1)
		return false;
	must(msg_control_unpack(&peer->got, MSG_CONTROL_BROKER, &frame) == 0,
		"unpack");
	peer->fd_count = frame.fd_count;
	memcpy(peer->fds, frame.fds, sizeof peer->fds);
	return true;
}

void broker_peer_hello(struct broker_peer *peer, enum msg_control_role role)
{
	struct msg_control hello = {.kind = MSG_CONTROL_HELLO};

	hello.hello.version = MSG_CONTROL_VERSION;
	hello.hello.role = role;
	snprintf(hello.hello.program, sizeof hello.hello.program, "peer");
	broker_peer_say(peer, &hello);
	must(broker_peer_hear(peer) && peer->got.kind == MSG_CONTROL_WELCOME,
		"Welcome");
}
