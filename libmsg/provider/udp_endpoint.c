// SPDX-License-Identifier: BSD-2-Clause
/*
 * udp_endpoint.c - sockets of an endpoint: opening, options, watching.
 *
 * A port that was asked for is shared (SO_REUSEADDR before bind), which is
 * what several receivers of one group on a host need.  A port the kernel is to
 * choose must be nobody else's, and with that flag set it may choose a shared
 * one: there it is set after bind.
 *
 * Neighbours: udp.h explains which socket hears what.
 */
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "udp.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

/* ------------------------------------------------------ socket options -- */

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

static int set_ttl(int fd, bool v6, int ttl)
{
	return v6 ? set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl) :
			set_int(fd, IPPROTO_IP, IP_MULTICAST_TTL, ttl);
}

static int set_loopback(int fd, bool v6, int on)
{
	return v6 ? set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, on) :
			set_int(fd, IPPROTO_IP, IP_MULTICAST_LOOP, on);
}

/* The kernel doubles what it is told; the first try ignores its limit but
 * needs CAP_NET_ADMIN. */
static void set_buffer(int fd, int force, int name, size_t bytes)
{
	int got = 0;
	socklen_t size = sizeof(got);

	if (set_int(fd, SOL_SOCKET, force, (int)bytes) == 0)
		return;
	if (set_int(fd, SOL_SOCKET, name, (int)bytes) ||
			getsockopt(fd, SOL_SOCKET, name, &got, &size) ||
			(size_t)got / 2 < bytes)
		UDMC_INFO(EP_CTRL, "socket buffer of %zu bytes granted instead "
				"of %zu: raise net.core.%s\n",
				(size_t)got / 2, bytes, name == SO_RCVBUF ?
				"rmem_max" : "wmem_max");
}

static int set_interface(int fd, const struct udmc_device *device)
{
	struct ip_mreqn v4 = {.imr_ifindex = (int)device->ifindex};

	if (device->local.sa.sa_family == AF_INET6)
		return set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF,
				(int)device->ifindex);
	v4.imr_address = device->local.in.sin_addr;
	return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &v4, sizeof(v4)) ?
			-errno : 0;
}

/* SO_REUSEADDR alone: with SO_REUSEPORT the kernel forms a group of the port's
 * sockets and may hand a multicast that came in by one interface to a socket
 * that joined on another. */
static int set_sharing(int fd)
{
	return set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

static int configure(const struct udmc_udp_ep *ep, int fd, bool v6)
{
	int ret = v6 ? set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) : 0;

	if (!ret)
		ret = v6 ? set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0) :
				set_int(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	if (!ret)
		ret = set_ttl(fd, v6, ep->base.ttl);
	if (!ret)
		ret = set_loopback(fd, v6, ep->base.loopback);
	if (!ret && ep->base.domain->device.multicast)
		ret = set_interface(fd, &ep->base.domain->device);
	if (ret)
		return ret;
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, ep->base.rcvbuf);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, ep->base.sndbuf);
	return 0;
}

static int bind_shared(const struct udmc_udp_ep *ep, int fd,
		const union udmc_address *addr)
{
	bool chosen = addr->in.sin_port != 0; /* Same place in in6. */
	int ret = chosen ? set_sharing(fd) : 0;

	if (ret)
		return ret;
	if (bind(fd, &addr->sa, ep->base.domain->device.addrlen))
		return -errno;
	return chosen ? 0 : set_sharing(fd);
}

/* ------------------------------------------------------------- sockets -- */

/* Registers a socket with the descriptors of the queues it feeds, for nothing
 * yet: udmc_udp_watch says what for. */
static int watch_add(const struct udmc_udp_ep *ep, int fd, bool main_socket)
{
	const struct udmc_cq *rx = ep->base.rx_cq, *tx = ep->base.tx_cq;
	int ret = rx ? udmc_wait_watch(&rx->wait, fd, 0) : 0;

	if (!ret && main_socket && tx && tx != rx)
		ret = udmc_wait_watch(&tx->wait, fd, 0);
	return ret;
}

int udmc_udp_socket_open(struct udmc_udp_ep *ep,
		const union udmc_address *addr)
{
	bool v6 = addr->sa.sa_family == AF_INET6;
	struct udmc_udp_socket *more;
	union udmc_address bound;
	socklen_t bytes = sizeof(bound);
	int ret, fd = socket(addr->sa.sa_family,
			SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	ret = configure(ep, fd, v6);
	if (!ret)
		ret = bind_shared(ep, fd, addr);
	if (!ret && getsockname(fd, &bound.sa, &bytes))
		ret = -errno;
	if (!ret)
		ret = watch_add(ep, fd, ep->socket_count == 0);
	more = ret ? NULL : realloc(ep->socket,
			(ep->socket_count + 1) * sizeof(*more));
	if (!more) {
		close(fd);
		return ret ? ret : -FI_ENOMEM;
	}
	ep->socket = more;
	more[ep->socket_count++] = (struct udmc_udp_socket){
		.fd = fd,
		.port = bound.in.sin_port,
		.any = udmc_is_any(&addr->sa),
	};
	return 0;
}

void udmc_udp_socket_close(struct udmc_udp_ep *ep, uint32_t index)
{
	close(ep->socket[index].fd); /* Leaves the epolls too. */
	ep->socket[index] = ep->socket[--ep->socket_count];
	ep->socket_next = 0;
}

/* ------------------------------------------------------------ watching -- */

static int watch(const struct udmc_cq *cq, int fd, uint32_t *now, uint32_t want)
{
	int ret = *now == want ? 0 : udmc_wait_change(&cq->wait, fd, want);

	if (!ret)
		*now = want;
	return ret;
}

/* Bring the watched events in line with what could complete: data while
 * receives are posted, room while sends are held back. */
int udmc_udp_watch(struct udmc_udp_ep *ep, unsigned int sides)
{
	struct udmc_cq *rx = ep->base.rx_cq, *tx = ep->base.tx_cq;
	bool posted = ep->rx.head != ep->rx.tail;
	bool held = ep->tx.sent != ep->tx.head;
	int ret = 0;

	if (rx == tx)
		sides = UDMC_RX | UDMC_TX;
	if (sides & UDMC_RX && rx && rx->wait.fd >= 0) {
		for (uint32_t i = 0; i < ep->socket_count && !ret; i++)
			ret = watch(rx, ep->socket[i].fd,
				&ep->socket[i].watched[0],
				(posted ? EPOLLIN : 0u) | (i == 0 && rx == tx &&
					held ? EPOLLOUT : 0u));
		ep->rx.parked = !posted;
	}
	if (!ret && sides & UDMC_TX && tx && tx != rx && tx->wait.fd >= 0)
		ret = watch(tx, ep->socket[0].fd, &ep->socket[0].watched[1],
				held ? EPOLLOUT : 0u);
	return ret;
}

static int udp_arm(struct udmc_ep *base, struct udmc_cq *cq,
		unsigned int sides)
{
	struct udmc_udp_ep *ep = udmc_udp_ep(base);

	if (!base->enabled)
		return 0;
	if (sides & UDMC_TX)
		udmc_udp_tx_progress(ep);
	if (cq->head != cq->tail)
		return -FI_EAGAIN;
	return udmc_udp_watch(ep, sides);
}

static void udp_progress(struct udmc_ep *base, unsigned int sides)
{
	struct udmc_udp_ep *ep = udmc_udp_ep(base);

	if (sides & UDMC_TX && ep->tx.head != ep->tx.tail)
		udmc_udp_tx_progress(ep);
	if (sides & UDMC_RX)
		udmc_udp_rx_progress(ep);
}

/* ------------------------------------------------------------- options -- */

static int udp_setopt(struct udmc_ep *base, int name, size_t value)
{
	struct udmc_udp_ep *ep = udmc_udp_ep(base);
	bool v6 = base->domain->device.local.sa.sa_family == AF_INET6;
	int ret = 0;

	for (uint32_t i = 0; i < ep->socket_count && !ret; i++) {
		int fd = ep->socket[i].fd;

		if (name == FI_OPT_UDMC_TTL)
			ret = set_ttl(fd, v6, (int)value);
		else if (name == FI_OPT_UDMC_LOOPBACK)
			ret = set_loopback(fd, v6, (int)value);
		else if (name == FI_OPT_UDMC_RCVBUF)
			set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, value);
		else
			set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, value);
	}
	if (ret)
		return ret;
	if (name == FI_OPT_UDMC_TTL)
		base->ttl = (int)value;
	else if (name == FI_OPT_UDMC_LOOPBACK)
		base->loopback = (int)value;
	else if (name == FI_OPT_UDMC_RCVBUF)
		base->rcvbuf = value;
	else
		base->sndbuf = value;
	return 0;
}

/* What the kernel granted, without the doubling. */
static size_t granted(const struct udmc_udp_ep *ep, int name, size_t asked)
{
	int got;
	socklen_t size = sizeof(got);

	if (!ep->socket_count || getsockopt(ep->socket[0].fd, SOL_SOCKET, name,
			&got, &size))
		return asked;
	return (size_t)got / 2;
}

static int udp_getopt(struct udmc_ep *base, int name, size_t *value)
{
	struct udmc_udp_ep *ep = udmc_udp_ep(base);

	switch (name) {
	case FI_OPT_UDMC_TTL:
		*value = (size_t)base->ttl;
		return 0;
	case FI_OPT_UDMC_LOOPBACK:
		*value = (size_t)base->loopback;
		return 0;
	case FI_OPT_UDMC_RCVBUF:
		*value = granted(ep, SO_RCVBUF, base->rcvbuf);
		return 0;
	case FI_OPT_UDMC_SNDBUF:
		*value = granted(ep, SO_SNDBUF, base->sndbuf);
		return 0;
	default:
		return -FI_ENOPROTOOPT;
	}
}

static void udp_stats(struct udmc_ep *base, struct fi_udmc_stats *stats)
{
	struct udmc_udp_ep *ep = udmc_udp_ep(base);
	uint32_t mem[SK_MEMINFO_VARS];

	stats->sockets = ep->socket_count;
	for (uint32_t i = 0; i < ep->socket_count; i++) {
		socklen_t size = sizeof(mem);

		if (getsockopt(ep->socket[i].fd, SOL_SOCKET, SO_MEMINFO, mem,
				&size) == 0 && size >= sizeof(mem))
			stats->rx_dropped += mem[SK_MEMINFO_DROPS];
	}
}

/* ---------------------------------------------------------- life times -- */

static void sockets_close(struct udmc_udp_ep *ep)
{
	while (ep->socket_count)
		udmc_udp_socket_close(ep, ep->socket_count - 1);
	free(ep->socket);
	ep->socket = NULL;
}

static int udp_enable(struct udmc_ep *base)
{
	struct udmc_udp_ep *ep = udmc_udp_ep(base);
	socklen_t bytes = sizeof(base->src);
	int ret = udmc_udp_rx_open(ep);

	if (!ret)
		ret = udmc_udp_tx_open(ep);
	if (!ret)
		ret = udmc_udp_socket_open(ep, &base->src);
	if (!ret && getsockname(ep->socket[0].fd, &base->src.sa, &bytes))
		ret = -errno;
	if (ret) {
		UDMC_WARN(EP_CTRL, "%s: %s\n", base->domain->device.name,
				strerror(-ret));
		sockets_close(ep);
		udmc_udp_rx_close(ep);
		udmc_udp_tx_close(ep);
	}
	return ret;
}

static void udp_close(struct udmc_ep *base)
{
	struct udmc_udp_ep *ep = udmc_udp_ep(base);

	sockets_close(ep);
	udmc_udp_rx_close(ep);
	udmc_udp_tx_close(ep);
	free(ep);
}

/* The kernel joins at once: nothing is ever under way. */
static void udp_control_progress(struct udmc_ep *ep)
{
	(void)ep;
}

static int udp_control_fd(struct udmc_ep *ep)
{
	(void)ep;
	return -1;
}

static const struct udmc_ep_ops udp_ep_ops = {
	.enable = udp_enable,
	.close = udp_close,
	.send = udmc_udp_send,
	.recv = udmc_udp_recv,
	.cancel = udmc_udp_cancel,
	.progress = udp_progress,
	.arm = udp_arm,
	.join = udmc_udp_join,
	.leave = udmc_udp_leave,
	.control_progress = udp_control_progress,
	.control_fd = udp_control_fd,
	.setopt = udp_setopt,
	.getopt = udp_getopt,
	.stats = udp_stats,
};

int udmc_udp_ep_alloc(struct udmc_domain *domain, const struct fi_info *info,
		struct udmc_ep **ep)
{
	struct udmc_udp_ep *self = calloc(1, sizeof(*self));

	(void)domain;
	(void)info;
	if (!self)
		return -FI_ENOMEM;
	self->base.ops = &udp_ep_ops;
	*ep = &self->base;
	return 0;
}
