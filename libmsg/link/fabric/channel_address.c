/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel_address.c - where a set of connections is reached.
 *
 *     reach   | 4 or 6 | port, big endian | 4 or 16 bytes of address |
 *
 * An address is told to others in announcements and comes from there: it is
 * what a stranger claims.  It is used only if it has this form and the lane's
 * family, and on TCP only if the lane's interface leads there; RC asks by its
 * device and knows no other way.
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "link/fabric/channels.h"

#define REACH_IPV4_BYTES 7u
#define REACH_IPV6_BYTES 19u

void channel_scope(const struct channel_set *set, struct sockaddr *address)
{
	struct sockaddr_in6 *v6 = (void *)address;

	if (address->sa_family == AF_INET6 &&
		IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
		v6->sin6_scope_id = if_nametoindex(set->lane->interface);
}

uint32_t channel_reach_write(const struct sockaddr *address, uint8_t *reach)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	if (address->sa_family == AF_INET) {
		reach[0] = 4;
		memcpy(reach + 1, &v4->sin_port, 2);
		memcpy(reach + 3, &v4->sin_addr, 4);
		return REACH_IPV4_BYTES;
	}
	reach[0] = 6;
	memcpy(reach + 1, &v6->sin6_port, 2);
	memcpy(reach + 3, &v6->sin6_addr, 16);
	return REACH_IPV6_BYTES;
}

/* One receiver, not this host "any", and not a group. */
static bool is_one_ipv4(const struct sockaddr_in *v4)
{
	uint32_t address = ntohl(v4->sin_addr.s_addr);

	return v4->sin_port != 0 && address != INADDR_ANY &&
	       address != INADDR_BROADCAST && !IN_MULTICAST(address);
}

static bool is_one_ipv6(const struct sockaddr_in6 *v6)
{
	return v6->sin6_port != 0 &&
	       !IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr) &&
	       !IN6_IS_ADDR_MULTICAST(&v6->sin6_addr) &&
	       !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
}

int channel_reach_read(const struct channel_set *set, const uint8_t *reach,
	uint32_t bytes, struct sockaddr_storage *address, size_t *address_bytes)
{
	struct sockaddr_in *v4 = (void *)address;
	struct sockaddr_in6 *v6 = (void *)address;

	memset(address, 0, sizeof *address);
	if (bytes == REACH_IPV4_BYTES && reach[0] == 4 &&
		set->info->addr_format == FI_SOCKADDR_IN) {
		v4->sin_family = AF_INET;
		memcpy(&v4->sin_port, reach + 1, 2);
		memcpy(&v4->sin_addr, reach + 3, 4);
		*address_bytes = sizeof *v4;
		return is_one_ipv4(v4) ? 0 : -MSG_ERROR_ARGUMENT;
	}
	if (bytes == REACH_IPV6_BYTES && reach[0] == 6 &&
		set->info->addr_format == FI_SOCKADDR_IN6) {
		v6->sin6_family = AF_INET6;
		memcpy(&v6->sin6_port, reach + 1, 2);
		memcpy(&v6->sin6_addr, reach + 3, 16);
		channel_scope(set, (struct sockaddr *)address);
		*address_bytes = sizeof *v6;
		return is_one_ipv6(v6) ? 0 : -MSG_ERROR_ARGUMENT;
	}
	return -MSG_ERROR_ARGUMENT;
}

static bool same_host(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return memcmp(&((const struct sockaddr_in *)(const void *)a)
				       ->sin_addr,
			       &((const struct sockaddr_in *)(const void *)b)
					->sin_addr,
			       4) == 0;
	return memcmp(&((const struct sockaddr_in6 *)(const void *)a)
			       ->sin6_addr,
		       &((const struct sockaddr_in6 *)(const void *)b)
				->sin6_addr,
		       16) == 0;
}

/* Has the interface this address of ours? */
static bool interface_has(const char *interface, const struct sockaddr *address)
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (struct ifaddrs *i = all; i && !found; i = i->ifa_next)
		found = i->ifa_addr && strcmp(i->ifa_name, interface) == 0 &&
			same_host(i->ifa_addr, address);
	freeifaddrs(all);
	return found;
}

/* Asked of the kernel by a datagram socket that sends nothing: the address it
 * would send from stands on the interface it would send by. */
bool channel_leads_there(
	const struct channel_set *set, const struct sockaddr *address)
{
	socklen_t bytes = address->sa_family == AF_INET
				  ? sizeof(struct sockaddr_in)
				  : sizeof(struct sockaddr_in6);
	struct sockaddr_storage from;
	socklen_t from_bytes = sizeof from;
	bool leads;
	int fd;

	if (set->lane->lane == MSG_LANE_VERBS)
		return true;
	fd = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	leads = connect(fd, address, bytes) == 0 &&
		getsockname(fd, (void *)&from, &from_bytes) == 0 &&
		interface_has(set->lane->interface, (void *)&from);
	close(fd);
	return leads;
}
