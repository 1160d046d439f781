/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * broker_peer.h - a client of a broker without libmsg's client side: frames by
 * hand, rings by hand; for tests of the broker alone, and for its fuzzer.
 *
 * The broker lives in the same process: broker_open makes one, broker_peer_open a
 * connection to it, and broker_step serves all of them.
 */
#ifndef TESTS_SUPPORT_BROKER_PEER_H
#define TESTS_SUPPORT_BROKER_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/config.h"
#include "broker/server.h"

#include "engine/inbox.h"
#include "link/shm/control.h"
#include "link/shm/segment.h"
#include "link/shm/socket.h"
#include "pool/ring_writer.h"

extern struct config broker_config;
extern struct server *broker_server;

/* Defaults, on that lane ("none": this host alone); abort on failure. */
void broker_configure(const char *lane);
/* A broker as broker_config says; abort on failure. */
void broker_open(void);
void broker_close(void);

/* Serve every connection, as often as there is something to do. */
void broker_step(void);

struct broker_peer {
	struct msg_socket *socket;
	struct msg_control got; /* The last message received. */
	int fds[MSG_CONTROL_FDS_MAX];
	unsigned fd_count;
};

void broker_peer_open(struct broker_peer *peer);
void broker_peer_close(struct broker_peer *peer);

/* Say, let the broker work. */
void broker_peer_say(struct broker_peer *peer, const struct msg_control *what);

/* The next message from the broker, into peer->got; false: there is none, or
 * the connection is over. */
bool broker_peer_hear(struct broker_peer *peer);

/* Hello, and the Welcome. */
void broker_peer_hello(struct broker_peer *peer, enum msg_control_role role);

#endif
