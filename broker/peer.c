/* SPDX-License-Identifier: BSD-2-Clause */
/* peer.c - SO_PEERCRED and SO_PEERGROUPS; see peer.h. */
#include "broker/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/trail.h"

#include <msg/msg.h>

#ifndef SO_PEERGROUPS /* Linux 4.13; not in every libc. */
#define SO_PEERGROUPS 59
#endif

static int no_credentials(void)
{
	return msg_fail(MSG_ERROR_ARGUMENT,
		"the kernel names no user for the connection: %s; connect "
		"over a Unix socket",
		strerror(errno));
}

static int no_memory(size_t bytes)
{
	return msg_fail(MSG_ERROR_MEMORY,
		"no memory for the peer's groups (%zu bytes); give the "
		"machine more",
		bytes);
}

/* The supplementary groups behind peer->groups[0], which is the gid. */
static int read_groups(struct peer *peer, int fd)
{
	socklen_t bytes = 0;

	/* With no room it says how much there must be. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) < 0 &&
		errno != ERANGE)
		bytes = 0; /* An older kernel: the gid alone. */
	peer->groups = malloc(sizeof(gid_t) + bytes);
	if (!peer->groups)
		return no_memory(sizeof(gid_t) + bytes);
	/* They are those of the moment of connecting, and cannot change. */
	if (bytes > 0 && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS,
				 peer->groups + 1, &bytes) < 0)
		return no_credentials();
	peer->groups[0] = peer->gid;
	peer->group_count = 1 + (int)(bytes / sizeof(gid_t));
	return 0;
}

int peer_read(struct peer *peer, int fd)
{
	struct peer made = {0};
	struct ucred credentials;
	socklen_t bytes = sizeof credentials;
	int result;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) < 0)
		return no_credentials();
	/* What an unconnected socket, or one of another kind, has to say. */
	if (credentials.uid == (uid_t)-1) {
		errno = ENOTCONN;
		return no_credentials();
	}
	made.pid = credentials.pid;
	made.uid = credentials.uid;
	made.gid = credentials.gid;
	result = read_groups(&made, fd);
	if (result < 0) {
		peer_drop(&made);
		return result;
	}
	*peer = made;
	return 0;
}

void peer_drop(struct peer *peer)
{
	free(peer->groups);
	peer->groups = NULL;
	peer->group_count = 0;
}

void peer_set_program(struct peer *peer, const char *text, size_t bytes)
{
	size_t count =
		bytes < PEER_PROGRAM_BYTES - 1 ? bytes : PEER_PROGRAM_BYTES - 1;

	for (size_t i = 0; i < count; i++)
		peer->program[i] =
			text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	peer->program[count] = '\0';
}
