/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * info.h - inside fi_getinfo: what was asked about addresses, and refusing.
 *
 * Neighbours: info.c (hints and answer), query.c (addresses).
 */
#ifndef UDMC_INFO_H
#define UDMC_INFO_H

#include "core.h"

/* -FI_ENODATA, and a line in the log that says why; no newline at its end. */
int udmc_refuse(const char *format, ...) FI_FORMAT_PRINTF(1, 2);

/* An address as the caller gave it: none, an IP address, or a queue pair. */
struct udmc_place {
	enum { UDMC_PLACE_NONE, UDMC_PLACE_IP, UDMC_PLACE_IB } kind;
	union udmc_address addr;
	socklen_t bytes;
	unsigned int ifindex; /* IP: whose it is, or the way there; or 0. */
};

struct udmc_query {
	struct udmc_place source, dest;
	in_port_t port; /* A source port without an address. */
};

/* The addresses in the arguments of fi_getinfo; 0, or -FI_ENODATA. */
int udmc_query_set(struct udmc_query *query, const char *node,
		const char *service, uint64_t flags,
		const struct fi_info *hints);
/* Whether they can be had on this device: 0 or -FI_ENODATA. */
int udmc_query_match(const struct udmc_query *query,
		const struct udmc_device *device);

#endif
