// SPDX-License-Identifier: BSD-2-Clause
/*
 * udp_group.c - joining and leaving on kernel sockets.
 *
 * Joins name the interface by index, which needs no route and no address of
 * it; that is what makes multicast work on loopback with no network.
 *
 * Which socket: the first of the group's port that still has room; the main
 * socket counts if it is bound to the wildcard address (udp.h says why).  Two
 * groups of one port share a socket, so a poll stays one system call.
 *
 * Neighbours: group.c; udp_endpoint.c opens the sockets.
 */
#include <errno.h>
#include <string.h>

#include "udp.h"

static int membership(const struct udmc_mc *mc, int fd, bool join)
{
	const struct udmc_device *device = &mc->ep->domain->device;
	struct ip_mreqn v4 = {
		.imr_multiaddr = mc->group.in.sin_addr,
		.imr_ifindex = (int)device->ifindex,
	};
	struct ipv6_mreq v6 = {
		.ipv6mr_multiaddr = mc->group.in6.sin6_addr,
		.ipv6mr_interface = device->ifindex,
	};
	int ret;

	if (mc->group.sa.sa_family == AF_INET)
		ret = setsockopt(fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP :
				IP_DROP_MEMBERSHIP, &v4, sizeof(v4));
	else
		ret = setsockopt(fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP :
				IPV6_LEAVE_GROUP, &v6, sizeof(v6));
	return ret ? -errno : 0;
}

static bool out_of_room(int ret)
{
	return ret == -FI_ENOBUFS || ret == -FI_ENOMEM;
}

/* A new wildcard socket of the group's port, the last of the array. */
static int open_for(struct udmc_udp_ep *ep, const struct udmc_mc *mc)
{
	union udmc_address addr;

	memset(&addr, 0, sizeof(addr));
	addr.sa.sa_family = mc->group.sa.sa_family;
	addr.in.sin_port = mc->group.in.sin_port; /* Same place in in6. */
	return udmc_udp_socket_open(ep, &addr);
}

static int joined_on(struct udmc_udp_ep *ep, struct udmc_mc *mc,
		uint32_t index)
{
	int ret;

	ep->socket[index].groups++;
	/* Sockets move in their array; file descriptors do not. */
	mc->transport_data = (void *)(intptr_t)ep->socket[index].fd;
	/* A sleeper must hear the new socket without another fi_trywait. */
	ret = udmc_udp_watch(ep, UDMC_RX);
	if (ret)
		udmc_udp_leave(mc);
	return ret;
}

static int join_some_socket(struct udmc_udp_ep *ep, struct udmc_mc *mc)
{
	uint32_t i;
	int ret;

	for (i = 0; i < ep->socket_count; i++) {
		struct udmc_udp_socket *s = &ep->socket[i];

		if (!s->any || s->full || s->port != mc->group.in.sin_port)
			continue;
		ret = membership(mc, s->fd, true);
		if (!ret)
			return joined_on(ep, mc, i);
		if (!out_of_room(ret))
			return ret;
		s->full = true;
	}
	ret = open_for(ep, mc);
	if (ret)
		return ret;
	ret = membership(mc, ep->socket[i].fd, true);
	if (!ret)
		return joined_on(ep, mc, i);
	udmc_udp_socket_close(ep, i);
	return ret;
}

static bool already_receiving(const struct udmc_mc *mc)
{
	for (struct udmc_mc *m = mc->ep->mcs; m; m = m->next)
		if (m != mc && m->flags & FI_RECV &&
				memcmp(&m->group, &mc->group,
					sizeof(m->group)) == 0)
			return true;
	return false;
}

int udmc_udp_join(struct udmc_mc *mc)
{
	struct udmc_udp_ep *ep = udmc_udp_ep(mc->ep);
	const struct udmc_device *device = &mc->ep->domain->device;
	int ret = 0;

	mc->transport_data = (void *)(intptr_t)-1;
	if (mc->group.sa.sa_family != device->local.sa.sa_family)
		return -FI_EINVAL;
	if (!mc->group.in.sin_port) {
		UDMC_WARN(EP_CTRL, "a group on UDP needs a port\n");
		return -FI_EINVAL;
	}
	if (mc->group.sa.sa_family == AF_INET6) {
		mc->group.in6.sin6_scope_id = device->ifindex;
		mc->group.in6.sin6_flowinfo = 0;
	}
	mc->peer.addr = mc->group;
	mc->peer.addrlen = device->addrlen;
	mc->peer.used = true;
	if (mc->flags & FI_RECV) {
		if (already_receiving(mc))
			return -FI_EADDRINUSE;
		ret = join_some_socket(ep, mc);
	}
	if (ret) {
		UDMC_WARN(EP_CTRL, "join on %s: %s\n", device->ifname,
				strerror(-ret));
		return ret;
	}
	udmc_mc_joined(mc, 0, 0);
	return 0;
}

void udmc_udp_leave(struct udmc_mc *mc)
{
	struct udmc_udp_ep *ep = udmc_udp_ep(mc->ep);
	int fd = (int)(intptr_t)mc->transport_data;

	for (uint32_t i = 0; i < ep->socket_count && fd >= 0; i++) {
		struct udmc_udp_socket *s = &ep->socket[i];

		if (s->fd != fd)
			continue;
		s->full = false;
		if (--s->groups == 0 && i > 0)
			udmc_udp_socket_close(ep, i);
		else
			membership(mc, fd, false);
		return;
	}
}
