/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel_ack.c - TCP: the kernel acknowledges while nobody waits.
 *
 * A connection of a topic has messages one way only, so nothing goes back that an
 * acknowledgement could go along with: the kernel sends a segment for it, and does so
 * within the call that reads, between a message and its reader, where it takes up to a
 * third of a small message's time (tests/perf/README.md).  Of a socket that is said to
 * answer (TCP_QUICKACK off) it puts off the first, but not the second.  So of small
 * messages:
 *
 *     a message is read ──> due ──> a look finds nothing ──> acknowledge now, and
 *                            │                               expect an answer again
 *                            └────> something is sent, which acknowledges
 *
 * While messages follow each other no look finds nothing, and the kernel does as it
 * always does.
 *
 * The socket is libfabric's, and ours to look for: among all files of the process it is
 * the one with the addresses of the endpoint, which keeps it open until it is closed
 * itself.
 *
 * Neighbours: called by channel_connect.c and channel_data.c.  Test: tests/channel/ack.c.
 */
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "link/fabric/channels.h"

/* From here on copying takes more time than an acknowledgement. */
#define SMALL_BYTES 1024u

static bool has_address(int fd, bool peer, const struct sockaddr_storage *wanted,
	size_t wanted_bytes)
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof address;
	int result = peer ? getpeername(fd, (void *)&address, &bytes)
			  : getsockname(fd, (void *)&address, &bytes);

	return result == 0 && bytes == wanted_bytes &&
	       memcmp(&address, wanted, bytes) == 0;
}

int channel_ack_socket(struct fid_ep *ep)
{
	struct sockaddr_storage self, peer;
	size_t self_bytes = sizeof self, peer_bytes = sizeof peer;
	int found = CHANNEL_NO_SOCKET;
	const struct dirent *file;
	DIR *files;

	if (fi_getname(&ep->fid, &self, &self_bytes) ||
		fi_getpeer(ep, &peer, &peer_bytes))
		return CHANNEL_NO_SOCKET;
	files = opendir("/proc/self/fd");
	while (files && found == CHANNEL_NO_SOCKET && (file = readdir(files))) {
		/* Of the two that are no number 0, which fits no better. */
		int fd = atoi(file->d_name);

		if (has_address(fd, false, &self, self_bytes) &&
			has_address(fd, true, &peer, peer_bytes))
			found = fd;
	}
	if (files)
		closedir(files);
	return found;
}

void channel_ack_open(const struct channel_set *set, struct channel *c)
{
	if (set->lane->lane != MSG_LANE_VERBS)
		c->socket = channel_ack_socket(c->ep);
}

void channel_ack_close(struct channel_set *set, struct channel *c)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < set->ack_count; i++)
		if (set->acks[i].channel != c)
			set->acks[kept++] = set->acks[i];
	set->ack_count = kept;
	c->socket = CHANNEL_NO_SOCKET;
	c->ack_due = false;
}

void channel_ack_due(struct channel_set *set, struct channel *c, size_t bytes)
{
	if (c->ack_due || bytes > SMALL_BYTES)
		return;
	set->acks[set->ack_count++] =
		(struct channel_ack){.channel = c, .sent = c->sends.head};
	c->ack_due = true;
}

static void acknowledge(struct channel *c)
{
	/* Twice: the first expects no answer where there was nothing to say. */
	const int now = 2, expect = 0;

	if (setsockopt(c->socket, IPPROTO_TCP, TCP_QUICKACK, &now, sizeof now) ||
		setsockopt(c->socket, IPPROTO_TCP, TCP_QUICKACK, &expect,
			sizeof expect))
		c->socket = CHANNEL_NO_SOCKET;
}

void channel_ack_now(struct channel_set *set)
{
	for (uint32_t i = 0; i < set->ack_count; i++) {
		struct channel *c = set->acks[i].channel;

		c->ack_due = false;
		if (c->sends.head == set->acks[i].sent)
			acknowledge(c);
	}
	set->ack_count = 0;
}
