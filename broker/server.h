/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server.h - the broker at work: accepts clients and serves them.
 *
 * main.c opens it when settings are read and the socket's place is taken, says
 * READY, and runs it until a signal asks for the end.  It opens no file from
 * then on.
 */
#ifndef BROKER_SERVER_H
#define BROKER_SERVER_H

#include "broker/config.h"

struct listening;

struct server_options {
	const struct config *config; /* Outlives the server. */
	int listen_fd; /* Listening Unix stream socket, non-blocking; stays the
	                  caller's. */
	const struct listening *place; /* Where the file of counters goes, beside
	                  the socket; NULL: nowhere.  Outlives the server. */
	int signal_fd; /* Readable (signalfd) when the end is asked for; stays
	                  the caller's. */
};

struct server;

/* Everything that may fail or opens files: memory, the network.  0, or a
 * negated enum msg_error with the trail. */
int server_open(struct server **server, const struct server_options *options);

/* Serve until signal_fd is readable (0), or something broke that clients
 * cannot mend (a negated enum msg_error with the trail).  Calls notify_alive()
 * at least every notify_period_ns(). */
int server_run(struct server *server);

/* Disconnects whoever is left.  NULL is allowed. */
void server_close(struct server *server);

#endif
