/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer.h - who is at the other end of a connection.
 *
 * Uid, gid and groups are what the kernel saw when the peer connected: no
 * client can say otherwise, and what it does later (setuid, a passed
 * descriptor) changes nothing.  The program's name is not among these: reading
 * it from /proc would open a file, which the broker does not do once it runs,
 * and a process may call itself anything there too.  So it is taken from the
 * client's Hello, for show alone.
 *
 * Users of another user namespace that has no mapping here arrive as the
 * overflow uid (65534); a peer of another pid namespace has pid 0.
 *
 * Test: tests/unit/broker/test_peer.c.
 */
#ifndef BROKER_PEER_H
#define BROKER_PEER_H

#include <stddef.h>
#include <sys/types.h>

#define PEER_PROGRAM_BYTES 64

struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* The gid first, then the supplementary groups. */
	int group_count;
	char program[PEER_PROGRAM_BYTES]; /* Unverified; "" until Hello. */
};

/* Ask the kernel about a connected Unix socket.  0, -MSG_ERROR_MEMORY or
 * -MSG_ERROR_ARGUMENT (no such socket) with the trail.  Until peer_drop the
 * peer owns memory: 4 bytes a group. */
int peer_read(struct peer *peer, int fd);

/* Forget it; a zeroed peer is allowed. */
void peer_drop(struct peer *peer);

/* Keep what the client calls itself, at most PEER_PROGRAM_BYTES - 1 bytes of
 * it; what is not printable ASCII becomes '?', so it can go into any line. */
void peer_set_program(struct peer *peer, const char *text, size_t bytes);

#endif
