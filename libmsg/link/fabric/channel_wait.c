/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel_wait.c - completion queues, and what wakes who sleeps.
 *
 * libfabric's tcp before 1.18 looks at the sockets of a queue that one can sleep on
 * by epoll, which is woken by each message and costs 0.3 to 0.8 us of each, as
 * tests/perf/README.md has it; or, where its user wants to poll them himself, by
 * poll(2), which costs as much for each socket.  So the first few connections of a set
 * are of a queue of that kind, and the others, if they come to be, of another one.
 *
 *     cqs[0]  by poll   FEW_MAX connections   \
 *     cqs[1]  by epoll  all others             > the set's descriptor
 *     events, timer                           /
 *
 * Who only polls has nothing watched.  From the first `arm` on the descriptor watches
 * the queue of others by its own, and of the few the sockets themselves: libfabric
 * names them, and before each sleep they are watched as they are then.
 *
 * Neighbours: channel.c opens, channel_connect.c binds, channel_data.c reads.
 * Test: tests/channel/sleep.c.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "link/fabric/channels.h"

/* Of so many sockets poll(2) takes about what an epoll takes to be woken. */
#define FEW_MAX 4u
/* From this on tcp always looks by epoll. */
#define EPOLL_ALONE FI_VERSION(1, 18)

/* ---- completion queues -------------------------------------------------- */

static int open_one(struct channel_set *set, bool by_poll, uint32_t most)
{
	struct channel_cq *q = &set->cqs[set->cq_count];
	struct fi_cq_attr attr = {
		/* verbs sets one aside for each endpoint. */
		.size = set->channels.receive_count +
			(uint64_t)most * (set->channels.send_count + 1),
		.format = FI_CQ_FORMAT_DATA,
		.wait_obj = by_poll ? FI_WAIT_POLLFD : FI_WAIT_FD,
	};
	int result = fi_cq_open(set->domain, &attr, &q->cq, NULL);

	if (result)
		return result;
	q->by_poll = by_poll;
	q->most = most;
	q->size = attr.size;
	set->cq_count++;
	return 0;
}

int channel_cq_open(struct channel_set *set)
{
	bool by_poll = set->lane->lane != MSG_LANE_VERBS &&
		       FI_VERSION_LT(fi_version(), EPOLL_ALONE);
	uint32_t most = set->channels.connection_max;

	if (by_poll && most > FEW_MAX)
		most = FEW_MAX;
	return open_one(set, by_poll, most);
}

/* One with room; the second is opened when it is wanted first. */
static int find_one(struct channel_set *set, struct channel_cq **found)
{
	uint32_t i = 0;
	int result = 0;

	while (i < set->cq_count && set->cqs[i].used == set->cqs[i].most)
		i++;
	if (i == set->cq_count)
		result = open_one(set, false,
			set->channels.connection_max - set->cqs[0].most);
	*found = &set->cqs[i];
	return result;
}

int channel_cq_join(struct channel_set *set, struct channel *c)
{
	struct channel_cq *q;
	int result = find_one(set, &q);

	if (result)
		return result;
	result = fi_ep_bind(c->ep, &q->cq->fid, FI_TRANSMIT | FI_RECV);
	if (result)
		return result;
	q->used++;
	c->cq = q;
	return 0;
}

/* Where a child of ours has the socket, too, closing it would leave it watched for
 * good.  Should another thread sleep meanwhile, the event that goes with the end wakes
 * it. */
static void unwatch_sockets(struct channel_set *set)
{
	for (uint32_t i = 1; i < set->socket_count; i++)
		epoll_ctl(set->channels.fd, EPOLL_CTL_DEL, set->sockets[i].fd,
			&(struct epoll_event){0});
	set->socket_count = 0;
}

void channel_cq_leave(struct channel_set *set, struct channel *c)
{
	if (!c->cq)
		return;
	if (c->cq->by_poll)
		unwatch_sockets(set);
	c->cq->used--;
	c->cq = NULL;
}

void channel_cq_close(struct channel_set *set)
{
	for (uint32_t i = 0; i < set->cq_count; i++)
		fi_close(&set->cqs[i].cq->fid);
	set->cq_count = 0;
}

ssize_t channel_cq_read(struct channel_set *set)
{
	ssize_t n = -FI_EAGAIN;

	/* As in channel_connect.c: tcp looks into it after a recv of 0. */
	errno = 0;
	set->looks++;
	for (uint32_t i = 0; i < set->cq_count && n == -FI_EAGAIN; i++) {
		set->cq_read = &set->cqs[set->cq_next];
		if (++set->cq_next == set->cq_count)
			set->cq_next = 0;
		n = fi_cq_read(
			set->cq_read->cq, set->entries, CHANNEL_ENTRIES);
	}
	if (n > 0)
		set->cq_read->read += (uint64_t)n;
	return n;
}

/* ---- what the descriptor watches ---------------------------------------- */

static int watch(struct channel_set *set, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events};

	return epoll_ctl(set->channels.fd, EPOLL_CTL_ADD, fd, &event) == 0
		       ? 0
		       : -FI_EIO;
}

static int watch_fid(struct channel_set *set, struct fid *fid)
{
	int fd;
	int result = fi_control(fid, FI_GETWAIT, &fd);

	return result ? result : watch(set, fd, EPOLLIN);
}

int channel_wait_open(struct channel_set *set)
{
	int result;

	set->channels.fd = epoll_create1(EPOLL_CLOEXEC);
	set->timer = timerfd_create(
		CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (set->channels.fd < 0 || set->timer < 0)
		return -FI_EMFILE;
	result = watch_fid(set, &set->eq->fid);
	if (result == 0)
		result = watch(set, set->timer, EPOLLIN);
	return result;
}

/* Whoever only polls is spared what each completion costs that wakes a descriptor. */
static int watch_queues(struct channel_set *set)
{
	int result = 0;

	for (uint32_t i = 0; i < set->cq_count && result == 0; i++) {
		struct channel_cq *q = &set->cqs[i];

		if (q->watched || q->by_poll)
			continue;
		result = watch_fid(set, &q->cq->fid);
		q->watched = result == 0;
	}
	return result;
}

static bool is_watched(const struct channel_set *set,
	const struct fi_wait_pollfd *list)
{
	if (list->change_index != set->sockets_index ||
		list->nfds != set->socket_count)
		return false;
	for (size_t i = 0; i < list->nfds; i++)
		if (list->fd[i].fd != set->sockets[i].fd ||
			list->fd[i].events != set->sockets[i].events)
			return false;
	return true;
}

/* Watch these, and none of those before: a number may be another socket's by now.
 * The first is libfabric's own, by which it tells itself of changes to the list. */
static int watch_list(struct channel_set *set, const struct fi_wait_pollfd *list)
{
	unwatch_sockets(set);
	for (size_t i = 0; i < list->nfds; i++) {
		const struct pollfd *socket = &list->fd[i];

		if (i > 0 && socket->fd >= 0 &&
			watch(set, socket->fd, (uint32_t)socket->events) < 0)
			return -FI_EIO;
		set->sockets[set->socket_count++] = *socket;
	}
	set->sockets_index = list->change_index;
	return 0;
}

static int watch_sockets(struct channel_set *set)
{
	struct pollfd sockets[CHANNEL_SOCKETS_MAX];
	struct fi_wait_pollfd list = {
		.nfds = CHANNEL_SOCKETS_MAX, .fd = sockets};
	int result;

	if (!set->cqs[0].by_poll)
		return 0;
	result = fi_control(&set->cqs[0].cq->fid, FI_GETWAIT, &list);
	if (result || is_watched(set, &list))
		return result;
	return watch_list(set, &list);
}

/* ---- sleeping ----------------------------------------------------------- */

/* Who sleeps is woken in time for those being set up, and for the guard. */
static void set_timer(struct channel_set *set)
{
	uint64_t ns = set->connect_limit_ns;
	struct itimerspec when = {0};

	if (set->setting_up > 0)
		ns /= 2;
	if (set->setting_up > 0 || set->guard_folder >= 0) {
		when.it_value.tv_sec = (time_t)(ns / MSG_NS_PER_S);
		when.it_value.tv_nsec = (long)(ns % MSG_NS_PER_S);
	}
	timerfd_settime(set->timer, 0, &when, NULL);
}

static bool has_something(const struct channel_set *set)
{
	return set->entry != set->entry_count || set->failed ||
	       channel_first(set, CHANNEL_NEWS) ||
	       channel_first(set, CHANNEL_ENDS);
}

static int try_wait(struct channel_set *set)
{
	struct fid *fids[1 + CHANNEL_CQS] = {&set->eq->fid};

	for (uint32_t i = 0; i < set->cq_count; i++)
		fids[1 + i] = &set->cqs[i].cq->fid;
	set->looks++;
	return fi_trywait(set->fabric, fids, 1 + (int)set->cq_count);
}

int channel_arm(struct msg_channels *channels)
{
	struct channel_set *set = (struct channel_set *)channels;
	int result;

	if (has_something(set))
		return -MSG_ERROR_AGAIN;
	result = watch_queues(set);
	if (result == 0)
		result = try_wait(set);
	if (result)
		return channel_code(result);
	/* It may have come before the descriptors were armed. */
	channel_look(set, msg_clock_ns());
	if (channel_refill(set) == -FI_EAVAIL || has_something(set))
		return -MSG_ERROR_AGAIN;
	/* What that look changed of the sockets is seen here. */
	result = watch_sockets(set);
	if (result)
		return channel_code(result);
	set_timer(set);
	set->look_now = true;
	return 0;
}
