/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel_guard.c - TCP connections that say nothing, or half a word.
 *
 * libfabric's tcp provider (seen with 1.17) accepts whoever connects and waits
 * for a first message without limit of time or number; it has no call that
 * would show these connections, and closing the listener loses them.  Worse,
 * their sockets block: who sends half a message stops the thread.
 *
 * But they are descriptors of ours, connected to our port and no channel's:
 * strangers.  Each is made non-blocking as soon as it is accepted.  A look at
 * the events that finds the listener readable knows which number it will get:
 * the lowest that is free, or another if some thread opens a file meanwhile,
 * and then all are looked through.  One that comes between is stopped by the
 * listener's receive timeout, which they inherit.  And now and then all
 * strangers older than connect_limit_ms are shut down, and those beyond
 * connection_max: the provider sees them end, and closes them.
 *
 * Only the thread of the set opens and closes what is connected to its port, so
 * none of these becomes another file while it is looked at.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "link/fabric/channels.h"

#define GUARD_NS (250 * MSG_NS_PER_MS)

static bool is_option(int fd, int option, int wanted)
{
	int value;
	socklen_t bytes = sizeof value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &bytes) == 0 &&
	       value == wanted;
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

/* A TCP socket at our address. */
static bool is_ours(const struct channel_set *set, int fd, int listening)
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof address;

	return getsockname(fd, (void *)&address, &bytes) == 0 &&
	       is_at(&address, &set->guarded) &&
	       is_option(fd, SO_TYPE, SOCK_STREAM) &&
	       is_option(fd, SO_ACCEPTCONN, listening);
}

/* A connection to our port that is no channel. */
static bool is_stranger(const struct channel_set *set, int fd)
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof address;

	return is_ours(set, fd, 0) &&
	       getpeername(fd, (void *)&address, &bytes) == 0 &&
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

/* ---- looking through the descriptors ------------------------------------- */

struct search {
	/* False: no more. */
	bool (*look_at)(struct channel_set *set, int fd, struct search *search);
	uint64_t limit_ms;
	uint32_t strangers;
};

static void look_through(struct channel_set *set, struct search *search)
{
	_Alignas(struct dirent64) char entries[4096];
	ssize_t n;

	if (lseek(set->guard_folder, 0, SEEK_SET) != 0)
		return;
	while ((n = getdents64(set->guard_folder, entries, sizeof entries)) >
		0)
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *entry =
				(const void *)(entries + at);

			if (entry->d_name[0] != '.' &&
				!search->look_at(
					set, atoi(entry->d_name), search))
				return;
			at += entry->d_reclen;
		}
}

static bool end_old(struct channel_set *set, int fd, struct search *search)
{
	if (!is_stranger(set, fd))
		return true;
	search->strangers++;
	if (search->strangers > set->channels.connection_max ||
		silent_ms(fd) >= search->limit_ms)
		shutdown(fd, SHUT_RDWR);
	return true;
}

static bool calm(struct channel_set *set, int fd, struct search *search)
{
	(void)search;
	if (is_stranger(set, fd))
		fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	return true;
}

static bool find_listener(
	struct channel_set *set, int fd, struct search *search)
{
	struct timeval timeout = {.tv_usec = 1000};

	(void)search;
	if (!is_ours(set, fd, 1))
		return true;
	set->guard_listener = fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	return false;
}

/* ---- when --------------------------------------------------------------- */

int channel_guard_open(struct channel_set *set)
{
	size_t bytes = sizeof set->guarded;
	struct search search = {.look_at = find_listener};

	if (set->lane->lane == MSG_LANE_VERBS)
		return 0;
	memset(&set->guarded, 0, sizeof set->guarded);
	if (fi_getname(&set->listener->fid, &set->guarded, &bytes) != 0)
		return -FI_EIO;
	set->guard_folder =
		open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (set->guard_folder < 0)
		return -errno;
	look_through(set, &search);
	return set->guard_listener >= 0 ? 0 : -FI_EIO;
}

int channel_guard_coming(const struct channel_set *set)
{
	struct pollfd pfd = {.fd = set->guard_listener, .events = POLLIN};
	int lowest;

	if (set->guard_listener < 0 || poll(&pfd, 1, 0) != 1)
		return -1;
	lowest = fcntl(set->guard_listener, F_DUPFD_CLOEXEC, 0);
	if (lowest >= 0)
		close(lowest);
	return lowest;
}

void channel_guard_meet(struct channel_set *set, int fd)
{
	struct search search = {.look_at = calm};

	if (fd < 0)
		return;
	if (is_stranger(set, fd))
		calm(set, fd, &search);
	else
		look_through(set, &search);
}

void channel_guard_look(struct channel_set *set, uint64_t now_ns)
{
	struct search search = {
		.look_at = end_old,
		.limit_ms = set->connect_limit_ns / MSG_NS_PER_MS,
	};

	if (set->guard_folder < 0 || now_ns < set->guard_ns)
		return;
	set->guard_ns = now_ns + GUARD_NS;
	look_through(set, &search);
}

void channel_guard_sweep(struct channel_set *set)
{
	struct search search = {.look_at = end_old};

	if (set->guard_folder >= 0)
		look_through(set, &search);
}

void channel_guard_close(struct channel_set *set)
{
	if (set->guard_folder >= 0)
		close(set->guard_folder);
	set->guard_folder = -1;
	set->guard_listener = -1;
}
