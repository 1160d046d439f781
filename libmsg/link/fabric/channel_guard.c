/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel_guard.c - TCP connections that say nothing, or half a word.
 *
 * libfabric's tcp provider (seen with 1.17 and 2.1) accepts whoever connects
 * and waits for a first message without limit of time or number; it has no call
 * that would show these connections, and closing the listener loses them.  Half
 * a message is worse: 1.17 blocks the thread in recv, and where the socket does
 * not block, 2.1 forgets it, open.
 *
 * But they are descriptors of ours, connected to our port and no channel's:
 * strangers.  A look at the events that finds the listener readable knows which
 * number the next will get: the lowest that is free (or another, if some thread
 * opens a file meanwhile; then all descriptors are looked through).  Before the
 * provider may read, each stranger is looked at: one that has said half a
 * message, or nothing for connect_limit_ms, is shut down, which the provider
 * sees as its end and closes.  One that it has forgotten is closed here.
 *
 * What comes between two of these steps is caught by the next: sockets do not
 * block, those accepted unseen inherit a receive timeout from the listener, and
 * now and then all descriptors are looked through for strangers unmet.
 *
 * Only the thread of the set opens and closes what is connected to its port, so
 * none of these becomes another file while it is looked at.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "link/fabric/channels.h"

/* How long the provider has to close what was shut down. */
#define FORGOTTEN_NS MSG_NS_PER_S
/* The provider's first message: version, kind, bytes of private data (big
 * endian), and more; then these. */
#define HEAD_VERSION 3
#define HEAD_BYTES 32

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

/* ---- those that were met ----------------------------------------------- */

static struct stranger *find(struct channel_set *set, int fd)
{
	for (uint32_t i = 0; i < set->stranger_count; i++)
		if (set->strangers[i].fd == fd)
			return &set->strangers[i];
	return NULL;
}

/* The number may be another's by now. */
static bool is_same(const struct channel_set *set, const struct stranger *s)
{
	struct sockaddr_storage peer;
	socklen_t bytes = sizeof peer;

	/* One that was shut down may be connected no more. */
	if (s->ended)
		return is_ours(set, s->fd, 0) &&
		       (getpeername(s->fd, (void *)&peer, &bytes) != 0 ||
			       is_at(&peer, &s->peer));
	return is_stranger(set, s->fd) &&
	       getpeername(s->fd, (void *)&peer, &bytes) == 0 &&
	       is_at(&peer, &s->peer);
}

/* A place for one more.  Who speaks at once is here for one look or two, so
 * the oldest goes: it is silent, and the provider will see its end. */
static struct stranger *make_place(struct channel_set *set)
{
	struct stranger *oldest = &set->strangers[0];

	if (set->stranger_count < CHANNEL_STRANGERS_MAX)
		return &set->strangers[set->stranger_count++];
	for (uint32_t i = 1; i < CHANNEL_STRANGERS_MAX; i++)
		if (set->strangers[i].since_ns < oldest->since_ns)
			oldest = &set->strangers[i];
	if (is_same(set, oldest))
		shutdown(oldest->fd, SHUT_RDWR);
	return oldest;
}

/* Keep an eye on this one, if it is one. */
static bool meet(struct channel_set *set, int fd)
{
	struct sockaddr_storage peer;
	socklen_t bytes = sizeof peer;

	memset(&peer, 0, sizeof peer);
	if (find(set, fd) || !is_stranger(set, fd) ||
		getpeername(fd, (void *)&peer, &bytes) != 0)
		return false;
	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	*make_place(set) = (struct stranger){
		.fd = fd,
		.since_ns = msg_clock_ns(),
		.peer = peer,
	};
	return true;
}

enum word { WORD_NONE, WORD_HALF, WORD_WHOLE };

static enum word heard(int fd)
{
	uint8_t said[HEAD_BYTES + 256];
	ssize_t n = recv(fd, said, sizeof said, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return WORD_NONE;
	/* An end, or another version's message, is the provider's affair. */
	if (n <= 0 || said[0] != HEAD_VERSION)
		return WORD_WHOLE;
	return n >= HEAD_BYTES && n - HEAD_BYTES >= (said[2] << 8 | said[3])
		       ? WORD_WHOLE
		       : WORD_HALF;
}

static bool is_older(
	const struct stranger *s, uint64_t now_ns, uint64_t limit_ns)
{
	return now_ns >= s->since_ns && now_ns - s->since_ns >= limit_ns;
}

/* False: it need not be watched any longer. */
static bool watch(struct channel_set *set, struct stranger *s, uint64_t now_ns,
	uint64_t limit_ns)
{
	enum word word;

	if (!is_same(set, s))
		return false;
	if (s->ended) {
		if (!is_older(s, now_ns, FORGOTTEN_NS))
			return true;
		close(s->fd);
		return false;
	}
	word = heard(s->fd);
	if (word == WORD_HALF ||
		(word == WORD_NONE && is_older(s, now_ns, limit_ns))) {
		shutdown(s->fd, SHUT_RDWR);
		s->ended = true;
		s->since_ns = now_ns;
	}
	return true;
}

static void watch_all(
	struct channel_set *set, uint64_t now_ns, uint64_t limit_ns)
{
	for (uint32_t i = 0; i < set->stranger_count;) {
		if (watch(set, &set->strangers[i], now_ns, limit_ns))
			i++;
		else
			set->strangers[i] =
				set->strangers[--set->stranger_count];
	}
}

/* ---- looking through the descriptors ------------------------------------- */

static void look_through(struct channel_set *set,
	bool (*look_at)(struct channel_set *set, int fd))
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

			if (entry->d_name[0] != '.')
				look_at(set, atoi(entry->d_name));
			at += entry->d_reclen;
		}
}

static bool find_listener(struct channel_set *set, int fd)
{
	struct timeval timeout = {.tv_usec = 1000};

	if (set->guard_listener >= 0 || !is_ours(set, fd, 1))
		return false;
	set->guard_listener = fd;
	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof timeout) == 0;
}

/* ---- when --------------------------------------------------------------- */

int channel_guard_open(struct channel_set *set)
{
	size_t bytes = sizeof set->guarded;

	if (set->lane->lane == MSG_LANE_VERBS)
		return 0;
	memset(&set->guarded, 0, sizeof set->guarded);
	if (fi_getname(&set->listener->fid, &set->guarded, &bytes) != 0)
		return -FI_EIO;
	set->guard_folder =
		open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (set->guard_folder < 0)
		return -errno;
	look_through(set, find_listener);
	return set->guard_listener >= 0 ? 0 : -FI_EIO;
}

int channel_guard_coming(struct channel_set *set, uint64_t now_ns)
{
	struct pollfd pfd = {.fd = set->guard_listener, .events = POLLIN};
	int lowest;

	if (set->guard_listener < 0)
		return -1;
	watch_all(set, now_ns, set->connect_limit_ns);
	if (poll(&pfd, 1, 0) != 1)
		return -1;
	lowest = fcntl(set->guard_listener, F_DUPFD_CLOEXEC, 0);
	if (lowest >= 0)
		close(lowest);
	return lowest;
}

void channel_guard_meet(struct channel_set *set, int fd)
{
	if (fd >= 0 && !meet(set, fd))
		look_through(set, meet);
}

void channel_guard_look(struct channel_set *set, uint64_t now_ns)
{
	if (set->guard_folder < 0 || now_ns < set->guard_ns)
		return;
	set->guard_ns = now_ns + set->connect_limit_ns / 2;
	look_through(set, meet);
}

void channel_guard_sweep(struct channel_set *set)
{
	if (set->guard_folder < 0)
		return;
	look_through(set, meet);
	watch_all(set, msg_clock_ns(), 0);
}

void channel_guard_close(struct channel_set *set)
{
	/* With the listener the provider has closed all that it knew. */
	watch_all(set, UINT64_MAX, 0);
	if (set->guard_folder >= 0)
		close(set->guard_folder);
	set->guard_folder = -1;
	set->guard_listener = -1;
}
