// SPDX-License-Identifier: BSD-2-Clause
/*
 * query.c - which devices the addresses given to fi_getinfo select.
 *
 *	source      the device that owns it (any device for 0.0.0.0 or ::)
 *	group       every device with multicast
 *	127.0.0.0/8, ::1        loopback only
 *	other unicast           the device the kernel would route through
 *
 * A verbs device takes groups as IP addresses and endpoints as
 * struct fi_udmc_ib_addr; it cannot find a queue pair behind an IP address.
 */
#include <ifaddrs.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include "info.h"

/* The interface that owns this address; 0 if none does. */
static unsigned int owner(const struct sockaddr *sa)
{
	unsigned int index = 0;
	struct ifaddrs *list;

	if (getifaddrs(&list))
		return 0;
	for (struct ifaddrs *i = list; i && !index; i = i->ifa_next)
		if (i->ifa_addr && (i->ifa_addr->sa_family == AF_INET ||
				i->ifa_addr->sa_family == AF_INET6) &&
				udmc_same_host(i->ifa_addr, sa))
			index = if_nametoindex(i->ifa_name);
	freeifaddrs(list);
	return index;
}

/* The interface the kernel would send through; asks the routing table only. */
static unsigned int way_to(const struct udmc_place *dest)
{
	union udmc_address local = dest->addr;
	socklen_t bytes = sizeof(local);
	unsigned int index = 0;
	int fd = socket(dest->addr.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return 0;
	/* A port of 0 would be refused. */
	if (!local.in.sin_port)
		local.in.sin_port = htons(9);
	if (connect(fd, &local.sa, dest->bytes) == 0 &&
			getsockname(fd, &local.sa, &bytes) == 0)
		index = owner(&local.sa);
	close(fd);
	return index;
}

static int place_set(struct udmc_place *place, const void *addr, size_t bytes)
{
	const struct sockaddr *sa = addr;

	memset(place, 0, sizeof(*place));
	if (!addr || !bytes)
		return 0;
	if (bytes == sizeof(struct fi_udmc_ib_addr))
		place->kind = UDMC_PLACE_IB;
	else if ((bytes >= sizeof(struct sockaddr_in) &&
				sa->sa_family == AF_INET) ||
			(bytes >= sizeof(struct sockaddr_in6) &&
				sa->sa_family == AF_INET6))
		place->kind = UDMC_PLACE_IP;
	else
		return udmc_refuse("an address is neither IPv4, IPv6 nor a "
				"queue pair's");
	if (place->kind == UDMC_PLACE_IP)
		bytes = sa->sa_family == AF_INET ? sizeof(struct sockaddr_in) :
				sizeof(struct sockaddr_in6);
	memcpy(&place->addr, addr, bytes);
	place->bytes = (socklen_t)bytes;
	return 0;
}

static int resolve(struct udmc_place *place, const char *node,
		const char *service, uint64_t flags)
{
	struct addrinfo want = {
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = flags & FI_NUMERICHOST ? AI_NUMERICHOST : 0,
	};
	struct addrinfo *found;
	int ret = getaddrinfo(node, service, &want, &found);

	if (ret)
		return udmc_refuse("%s %s: %s", node ? node : "",
				service ? service : "", gai_strerror(ret));
	ret = place_set(place, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return ret;
}

int udmc_query_set(struct udmc_query *query, const char *node,
		const char *service, uint64_t flags,
		const struct fi_info *hints)
{
	struct udmc_place port;
	int ret = 0;

	memset(query, 0, sizeof(*query));
	if (hints) {
		ret = place_set(&query->source, hints->src_addr,
				hints->src_addrlen);
		if (!ret)
			ret = place_set(&query->dest, hints->dest_addr,
					hints->dest_addrlen);
	}
	if (!ret && node)
		ret = resolve(flags & FI_SOURCE ? &query->source : &query->dest,
				node, service, flags);
	if (!ret && !node && service && flags & FI_SOURCE) {
		ret = resolve(&port, NULL, service, flags);
		/* The port lies at the same place in both families. */
		if (!ret)
			query->port = port.addr.in.sin_port;
	}
	if (ret)
		return ret;
	if (query->source.kind == UDMC_PLACE_IP) {
		if (udmc_is_multicast(&query->source.addr.sa))
			return udmc_refuse("a source address is unicast; "
					"give the group to fi_join");
		query->source.ifindex = owner(&query->source.addr.sa);
	}
	if (query->dest.kind == UDMC_PLACE_IP &&
			!udmc_is_multicast(&query->dest.addr.sa))
		query->dest.ifindex = way_to(&query->dest);
	return 0;
}

int udmc_query_match(const struct udmc_query *query,
		const struct udmc_device *device)
{
	bool ib = device->addr_format == FI_ADDR_IB_UD;
	const struct udmc_place *source = &query->source, *dest = &query->dest;
	sa_family_t family = device->local.sa.sa_family;

	if (source->kind == UDMC_PLACE_IP && (
			(!ib && source->addr.sa.sa_family != family) ||
			(!udmc_is_any(&source->addr.sa) &&
				source->ifindex != device->ifindex)))
		return -FI_ENODATA;
	if (source->kind == UDMC_PLACE_IB && (!ib || memcmp(source->addr.ib.gid,
			device->name_template.ib.gid, 16) != 0))
		return -FI_ENODATA;
	if (dest->kind == UDMC_PLACE_IB)
		return ib ? 0 : -FI_ENODATA;
	if (dest->kind == UDMC_PLACE_NONE)
		return 0;
	if (udmc_is_multicast(&dest->addr.sa))
		return device->multicast &&
			(ib || dest->addr.sa.sa_family == family) ?
				0 : -FI_ENODATA;
	if (ib)
		return udmc_refuse("%s: no queue pair is known behind an "
				"IP address; exchange fi_getname's result",
				device->name);
	if (dest->addr.sa.sa_family != family ||
			udmc_is_loopback(&dest->addr.sa) != device->loopback)
		return -FI_ENODATA;
	return device->loopback || dest->ifindex == device->ifindex ?
			0 : -FI_ENODATA;
}
