/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ip.h - questions about an IP address of either family.
 */
#ifndef UDMC_IP_H
#define UDMC_IP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

static inline in_addr_t udmc_in(const struct sockaddr *sa)
{
	return ((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr;
}

static inline const struct in6_addr *udmc_in6(const struct sockaddr *sa)
{
	return &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
}

static inline bool udmc_is_multicast(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return IN_MULTICAST(ntohl(udmc_in(sa)));
	return sa->sa_family == AF_INET6 &&
		IN6_IS_ADDR_MULTICAST(udmc_in6(sa));
}

static inline bool udmc_is_any(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return udmc_in(sa) == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(udmc_in6(sa));
}

static inline bool udmc_is_loopback(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return ntohl(udmc_in(sa)) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(udmc_in6(sa));
}

static inline bool udmc_is_link_local(const struct sockaddr *sa)
{
	return sa->sa_family == AF_INET6 &&
		IN6_IS_ADDR_LINKLOCAL(udmc_in6(sa));
}

/* The same address, whatever the port; false for what is no IP address. */
static inline bool udmc_same_host(const struct sockaddr *a,
		const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return udmc_in(a) == udmc_in(b);
	return a->sa_family == AF_INET6 &&
		IN6_ARE_ADDR_EQUAL(udmc_in6(a), udmc_in6(b));
}

#endif
