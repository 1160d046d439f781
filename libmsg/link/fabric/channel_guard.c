/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel_guard.c - TCP connections that never say a word.
 *
 * libfabric's tcp provider accepts whoever connects, waits for a first message
 * without limit of time or number, and has no call that would show these
 * connections; closing the listener loses them (seen with 1.17).  But they are
 * descriptors of ours.  So now and then the guard looks through them for
 * connections to our port that belong to no channel, and shuts down those older
 * than connect_limit_ms and those beyond connection_max.  The provider sees
 * that as the end of the connection, and closes it.
 *
 * Only the thread of the set opens and closes what is connected to its port, so
 * a descriptor cannot become another while it is looked at.
 */
#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "link/fabric/channels.h"

#define GUARD_NS (250 * MSG_NS_PER_MS)

void channel_guard_open(struct channel_set *set)
{
	socklen_t bytes = sizeof set->guarded;
	size_t size = bytes;

	if (set->lane->lane == MSG_LANE_VERBS)
		return;
	memset(&set->guarded, 0, sizeof set->guarded);
	if (fi_getname(&set->listener->fid, &set->guarded, &size) == 0)
		set->guard_folder = open(
			"/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool is_stream(int fd)
{
	int type = 0;
	int listens = 1;
	socklen_t bytes = sizeof type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) != 0 ||
		type != SOCK_STREAM)
		return false;
	bytes = sizeof listens;
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) ==
		       0 &&
	       !listens;
}

static bool is_at(const struct sockaddr_storage *a,
	const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_port == b4->sin_port &&
		       a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a6->sin6_port == b6->sin6_port &&
	       memcmp(&a6->sin6_addr, &b6->sin6_addr, 16) == 0;
}

/* Is this the far end of a channel? */
static bool is_known(
	const struct channel_set *set, const struct sockaddr_storage *peer)
{
	for (uint32_t i = 0; i < set->channels.connection_max; i++) {
		const struct channel *c = &set->table[i];

		if ((c->ep || c->request) && is_at(&c->peer, peer))
			return true;
	}
	return false;
}

/* A connection to our port that is no channel. */
static bool is_stranger(const struct channel_set *set, int fd)
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof address;

	if (getsockname(fd, (void *)&address, &bytes) != 0 ||
		!is_at(&address, &set->guarded) || !is_stream(fd))
		return false;
	bytes = sizeof address;
	return getpeername(fd, (void *)&address, &bytes) == 0 &&
	       !is_known(set, &address);
}

/* Since it was accepted, or last said something. */
static uint64_t silent_ms(int fd)
{
	struct tcp_info info = {0};
	socklen_t bytes = sizeof info;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0)
		return 0;
	return info.tcpi_last_data_recv;
}

static void look_at(struct channel_set *set, int fd, uint64_t limit_ms,
	uint32_t *strangers)
{
	if (!is_stranger(set, fd))
		return;
	++*strangers;
	if (*strangers > set->channels.connection_max ||
		silent_ms(fd) >= limit_ms)
		shutdown(fd, SHUT_RDWR);
}

static void look_through(struct channel_set *set, uint64_t limit_ms)
{
	_Alignas(struct dirent64) char entries[4096];
	uint32_t strangers = 0;
	ssize_t n;

	if (lseek(set->guard_folder, 0, SEEK_SET) != 0)
		return;
	while ((n = getdents64(set->guard_folder, entries, sizeof entries)) >
		0)
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *entry =
				(const void *)(entries + at);

			if (entry->d_name[0] != '.')
				look_at(set, atoi(entry->d_name), limit_ms,
					&strangers);
			at += entry->d_reclen;
		}
}

void channel_guard_look(struct channel_set *set, uint64_t now_ns)
{
	if (set->guard_folder < 0 || now_ns < set->guard_ns)
		return;
	set->guard_ns = now_ns + GUARD_NS;
	look_through(set, set->connect_limit_ns / MSG_NS_PER_MS);
}

void channel_guard_sweep(struct channel_set *set)
{
	if (set->guard_folder >= 0)
		look_through(set, 0);
}

void channel_guard_close(struct channel_set *set)
{
	if (set->guard_folder >= 0)
		close(set->guard_folder);
	set->guard_folder = -1;
}
