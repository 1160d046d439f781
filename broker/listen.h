/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listen.h - taking a broker's name: its lock file and its socket.
 *
 * The lock decides who has the name, the socket only shows where he is: a
 * socket file outlives a killed process, a lock (flock) does not.  So the lock
 * is taken first and held for life, and whoever holds it may remove what
 * socket he finds.  Nothing is followed through a symbolic link, and the
 * folder must be one in which no stranger can put things.
 *
 * On the way out the socket goes if it is still ours; the lock file stays.
 * Removing it would race: a second broker may have opened that very file and
 * be about to lock it, while a third makes a new one; both would have "the"
 * lock.  It is an empty file then, in a folder that most often lives in memory.
 *
 * The lock file is for its owner alone (0600): flock asks for no more than an
 * open descriptor, so a file that others can read is one that others can lock.
 *
 * Test: tests/unit/broker/test_listen.c, tests/local/broker_start.sh.
 */
#ifndef BROKER_LISTEN_H
#define BROKER_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "broker/config.h"

#define LISTEN_PATH_BYTES sizeof(((struct sockaddr_un *)0)->sun_path)

struct listening {
	int fd; /* The socket. */
	int lock_fd;
	int folder_fd;
	bool locked;
	bool adopted; /* A service manager's socket: not ours to remove. */
	char path[LISTEN_PATH_BYTES];
	dev_t device; /* Of the socket file. */
	ino_t inode;
};

/* Take the name of `config` and listen.  `adopted_fd` is a socket that a
 * service manager opened, or -1; it is ours from here on, also on failure.
 * 0; -MSG_ERROR_BUSY when another broker has the name, -MSG_ERROR_DEVICE when
 * the place cannot be had; both with the trail. */
int listen_open(struct listening *listening, const struct config *config,
	int adopted_fd);

/* Stop listening and leave nothing but the lock file behind. */
void listen_close(struct listening *listening);

#endif
