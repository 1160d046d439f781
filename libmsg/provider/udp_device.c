// SPDX-License-Identifier: BSD-2-Clause
/*
 * udp_device.c - network interfaces as domains, and the set-up calls a kernel
 * socket makes trivial.
 *
 * Every interface that is up becomes the domain `udp-NAME`, once for each of
 * IPv4 and IPv6; loopback first, because what needs no network is the safe
 * default.  FI_UDMC_IFACE narrows the list (device.c).
 *
 * The largest datagram is what the interface takes in one piece: fragments
 * multiply loss, and a receiver can size its buffers by it.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "udp.h"

#define UDP_BYTES_MAX 65507u /* 65535 less IPv4 and UDP headers. */

static size_t payload_max(const char *ifname, bool v6)
{
	struct ifreq request;
	size_t headers = v6 ? 48 : 28, mtu = 1500;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memset(&request, 0, sizeof(request));
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	if (fd >= 0) {
		if (ioctl(fd, SIOCGIFMTU, &request) == 0 &&
				request.ifr_mtu > 0)
			mtu = (size_t)request.ifr_mtu;
		close(fd);
	}
	if (mtu <= headers)
		return 0;
	return mtu - headers < UDP_BYTES_MAX ? mtu - headers : UDP_BYTES_MAX;
}

static void fill(struct udmc_device *device, const struct ifaddrs *i)
{
	bool v6 = i->ifa_addr->sa_family == AF_INET6;

	memset(device, 0, sizeof(*device));
	device->transport = &udmc_udp;
	snprintf(device->name, sizeof(device->name), "udp-%s", i->ifa_name);
	snprintf(device->ifname, sizeof(device->ifname), "%s", i->ifa_name);
	device->ifindex = if_nametoindex(i->ifa_name);
	device->addr_format = v6 ? FI_SOCKADDR_IN6 : FI_SOCKADDR_IN;
	device->addrlen = v6 ? sizeof(struct sockaddr_in6) :
			sizeof(struct sockaddr_in);
	memcpy(&device->local, i->ifa_addr, device->addrlen);
	device->name_template = device->local;
	device->msg_bytes_max = payload_max(i->ifa_name, v6);
	device->loopback = i->ifa_flags & IFF_LOOPBACK;
	/* Loopback carries multicast although its flags do not say so. */
	device->multicast = i->ifa_flags & (IFF_MULTICAST | IFF_LOOPBACK);
}

/* One domain per interface and family: its first address, a global one if it
 * has any. */
static struct udmc_device *known(struct udmc_devices *list, size_t from,
		const struct ifaddrs *i)
{
	for (size_t k = from; k < list->count; k++)
		if (strcmp(list->item[k].ifname, i->ifa_name) == 0 &&
				list->item[k].local.sa.sa_family ==
						i->ifa_addr->sa_family)
			return &list->item[k];
	return NULL;
}

static int scan_family(struct udmc_devices *list, const struct ifaddrs *all,
		bool loopback, sa_family_t family)
{
	size_t from = list->count;
	struct udmc_device device, *have;
	int ret;

	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != family ||
				!(i->ifa_flags & IFF_UP) ||
				!(i->ifa_flags & IFF_LOOPBACK) == loopback ||
				!udmc_iface_wanted(i->ifa_name))
			continue;
		fill(&device, i);
		have = known(list, from, i);
		if (have && udmc_is_link_local(&have->local.sa) &&
				!udmc_is_link_local(i->ifa_addr))
			*have = device;
		if (have)
			continue;
		ret = udmc_devices_add(list, &device);
		if (ret)
			return ret;
	}
	return 0;
}

int udmc_udp_scan(struct udmc_devices *list)
{
	struct ifaddrs *all;
	int ret = 0;

	if (getifaddrs(&all))
		return -errno;
	for (int loopback = 1; loopback >= 0 && !ret; loopback--) {
		ret = scan_family(list, all, loopback, AF_INET);
		if (!ret)
			ret = scan_family(list, all, loopback, AF_INET6);
	}
	freeifaddrs(all);
	return ret;
}

/* ------------------------------------------- what a socket has no need of -- */

static int domain_open(struct udmc_domain *domain)
{
	(void)domain;
	return 0;
}

static void domain_close(struct udmc_domain *domain)
{
	(void)domain;
}

static int mr_open(struct udmc_mr *mr, void *buf, size_t len, uint64_t access)
{
	(void)mr;
	(void)buf;
	(void)len;
	(void)access;
	return 0;
}

static void mr_close(struct udmc_mr *mr)
{
	(void)mr;
}

static int peer_open(struct udmc_domain *domain, struct udmc_peer *peer)
{
	if (peer->addr.sa.sa_family != domain->device.local.sa.sa_family ||
			!peer->addr.in.sin_port)
		return -FI_EINVAL;
	/* A link-local address means the one on this interface. */
	if (peer->addr.sa.sa_family == AF_INET6 &&
			(udmc_is_link_local(&peer->addr.sa) ||
				udmc_is_multicast(&peer->addr.sa)))
		peer->addr.in6.sin6_scope_id = domain->device.ifindex;
	return 0;
}

static void peer_close(struct udmc_peer *peer)
{
	(void)peer;
}

static int cq_open(struct udmc_cq *cq)
{
	(void)cq;
	return 0;
}

static void cq_close(struct udmc_cq *cq)
{
	(void)cq;
}

static const char *error_text(int prov_errno)
{
	return strerror(prov_errno);
}

const struct udmc_transport udmc_udp = {
	.fabric_name = "udmc-ip",
	.protocol = FI_PROTO_UDP,
	.mr_mode = 0,
	.scan = udmc_udp_scan,
	.domain_open = domain_open,
	.domain_close = domain_close,
	.mr_open = mr_open,
	.mr_close = mr_close,
	.peer_open = peer_open,
	.peer_close = peer_close,
	.cq_open = cq_open,
	.cq_close = cq_close,
	.ep_alloc = udmc_udp_ep_alloc,
	.error_text = error_text,
};
