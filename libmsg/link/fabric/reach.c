/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reach.c - where a link is reached, in words that may travel: a kind, then
 *
 *     4   IPv4 address 4, port 2                   network order, as in sockets
 *     6   IPv6 address 16, port 2
 *     1   GID 16, queue pair 4, LID 2, partition 2, service level 1, Q_Key 4
 *                                                  as fi_udmc_ib_addr has them
 *
 * What comes in was written by somebody who may want us to flood a third party:
 * it must be the address of one host, of our lane's kind, and it must not lead
 * from a network to this machine's loopback, nor back.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include <rdma/fi_errno.h>

#include "base/clock.h"
#include "fi_ext_udmc.h"
#include "link/fabric/fabric.h"

enum kind { KIND_VERBS = 1, KIND_IPV4 = 4, KIND_IPV6 = 6 };

/* What an answer takes that is there; and of what takes longer, so many times that
 * passes before the next. */
#define REACH_SOON_NS (200 * MSG_NS_PER_MS)
#define REACH_PAUSE 19u

#define IPV4_BYTES 7u
#define IPV6_BYTES 19u
#define VERBS_BYTES 30u

_Static_assert(VERBS_BYTES <= MSG_LINK_REACH_BYTES_MAX, "room for all");

/* ---- how often ---------------------------------------------------------- */

bool fabric_reach_may(const struct fabric_domain *domain, uint64_t now)
{
	return now >= atomic_load_explicit(
			      &domain->reach_ns, memory_order_relaxed);
}

void fabric_reach_took(
	struct fabric_domain *domain, uint64_t begin, uint64_t end)
{
	if (end - begin > REACH_SOON_NS)
		atomic_store_explicit(&domain->reach_ns,
			end + REACH_PAUSE * (end - begin),
			memory_order_relaxed);
}

/* ---- out --------------------------------------------------------------- */

static uint32_t write_ib(const struct fi_udmc_ib_addr *ib, uint8_t *reach)
{
	reach[0] = KIND_VERBS;
	memcpy(reach + 1, ib->gid, 16);
	memcpy(reach + 17, &ib->qpn, 4);
	memcpy(reach + 21, &ib->lid, 2);
	memcpy(reach + 23, &ib->pkey, 2);
	reach[25] = ib->sl;
	memcpy(reach + 26, &ib->qkey, 4);
	return VERBS_BYTES;
}

uint32_t fabric_reach_write(
	const struct fabric_domain *d, const void *address, uint8_t *reach)
{
	const struct sockaddr_in6 *v6 = address;
	const struct sockaddr_in *v4 = address;

	switch (d->info->addr_format) {
	case FI_SOCKADDR_IN:
		reach[0] = KIND_IPV4;
		memcpy(reach + 1, &v4->sin_addr, 4);
		memcpy(reach + 5, &v4->sin_port, 2);
		return IPV4_BYTES;
	case FI_SOCKADDR_IN6:
		reach[0] = KIND_IPV6;
		memcpy(reach + 1, &v6->sin6_addr, 16);
		memcpy(reach + 17, &v6->sin6_port, 2);
		return IPV6_BYTES;
	default:
		return write_ib(address, reach);
	}
}

/* ---- in ---------------------------------------------------------------- */

static bool is_loopback4(uint32_t address)
{
	return address >> 24 == 127;
}

static int read_ipv4(const struct fabric_domain *d, const uint8_t *reach,
	uint32_t bytes, struct sockaddr_in *address)
{
	const struct sockaddr_in *ours = d->info->src_addr;
	uint32_t ip;

	if (bytes != IPV4_BYTES || reach[0] != KIND_IPV4)
		return -FI_EINVAL;
	memset(address, 0, sizeof *address);
	address->sin_family = AF_INET;
	memcpy(&address->sin_addr, reach + 1, 4);
	memcpy(&address->sin_port, reach + 5, 2);
	ip = ntohl(address->sin_addr.s_addr);
	/* 0/8 is this host, from 224 on are groups and broadcast. */
	if (address->sin_port == 0 || ip >> 24 == 0 || ip >> 28 >= 14)
		return -FI_EINVAL;
	return is_loopback4(ip) == is_loopback4(ntohl(ours->sin_addr.s_addr))
		       ? 0
		       : -FI_EINVAL;
}

static int read_ipv6(const struct fabric_domain *d, const uint8_t *reach,
	uint32_t bytes, struct sockaddr_in6 *address)
{
	const struct sockaddr_in6 *ours = d->info->src_addr;

	if (bytes != IPV6_BYTES || reach[0] != KIND_IPV6)
		return -FI_EINVAL;
	memset(address, 0, sizeof *address);
	address->sin6_family = AF_INET6;
	memcpy(&address->sin6_addr, reach + 1, 16);
	memcpy(&address->sin6_port, reach + 17, 2);
	if (address->sin6_port == 0 ||
		IN6_IS_ADDR_UNSPECIFIED(&address->sin6_addr) ||
		IN6_IS_ADDR_MULTICAST(&address->sin6_addr) ||
		IN6_IS_ADDR_V4MAPPED(&address->sin6_addr))
		return -FI_EINVAL;
	return IN6_IS_ADDR_LOOPBACK(&address->sin6_addr) ==
			       IN6_IS_ADDR_LOOPBACK(&ours->sin6_addr)
		       ? 0
		       : -FI_EINVAL;
}

static int read_ib(const uint8_t *reach, uint32_t bytes,
	struct fi_udmc_ib_addr *address)
{
	static const uint8_t nobody[16];

	if (bytes != VERBS_BYTES || reach[0] != KIND_VERBS)
		return -FI_EINVAL;
	memset(address, 0, sizeof *address);
	memcpy(address->gid, reach + 1, 16);
	memcpy(&address->qpn, reach + 17, 4);
	memcpy(&address->lid, reach + 21, 2);
	memcpy(&address->pkey, reach + 23, 2);
	address->sl = reach[25];
	memcpy(&address->qkey, reach + 26, 4);
	/* Queue pairs 0 and 1 are the subnet's management; 0xff: a group. */
	if (address->gid[0] == 0xff || memcmp(address->gid, nobody, 16) == 0 ||
		address->sl > 15 || le32toh(address->qpn) < 2 ||
		le32toh(address->qpn) >= 0xffffff)
		return -FI_EINVAL;
	return 0;
}

int fabric_reach_read(const struct fabric_domain *d, const uint8_t *reach,
	uint32_t bytes, union fabric_address *address)
{
	if (bytes == 0)
		return -FI_EINVAL;
	switch (d->info->addr_format) {
	case FI_SOCKADDR_IN:
		return read_ipv4(d, reach, bytes, &address->v4);
	case FI_SOCKADDR_IN6:
		return read_ipv6(d, reach, bytes, &address->v6);
	default:
		return read_ib(reach, bytes, &address->ib);
	}
}
