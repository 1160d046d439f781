/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric.h - links over libfabric, with libfabric's own nouns.
 *
 * Only this folder knows libfabric.  It is built as a module of its own
 * (libmsg-fabric.so) around the provider udmc, whose getinfo it calls
 * directly: no environment variable, and none of the other providers'
 * start-up.
 *
 *     lane.c      which device, and why
 *     domain.c    fabric and domain of a node: link_domain
 *     endpoint.c  endpoint, queues, memory and groups: link
 *     reach.c     unicast addresses, as they travel
 *     module.c    the two symbols
 *     channel*.c  connections, over libfabric's own providers: channels.h
 */
#ifndef MSG_LINK_FABRIC_FABRIC_H
#define MSG_LINK_FABRIC_FABRIC_H

#include <stdatomic.h>

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>

#include "fi_ext_udmc.h"
#include "link/channel.h"
#include "link/link.h"

/* The libfabric API we speak. */
#define MSG_FABRIC_API FI_VERSION(1, 17)

struct fabric_domain {
	struct msg_link_domain link;
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	uint32_t ttl;
	/* No address of a peer is looked up before.  Relaxed: of any thread, and one
	 * look-up more is no harm. */
	_Atomic uint64_t reach_ns;
};

/* The tables the module exports. */
extern const struct msg_link_domain_ops msg_link_module;
extern const struct msg_channel_module msg_channel_module;

/* Pick the info of one device out of `list`; fill in lane, device, interface,
 * address and reason.  *info points into the list. */
int fabric_lane_choose(struct fi_info *list,
	const struct msg_link_domain_options *options,
	struct msg_link_domain *link, struct fi_info **info, char *text);

int fabric_domain_open(const struct msg_link_domain_options *options,
	struct msg_link_domain **domain, char *text);
void fabric_domain_close(struct msg_link_domain *domain);

int fabric_endpoint_open(struct msg_link_domain *domain,
	const struct msg_link_options *options, struct msg_link **link,
	char *text);

/* A unicast address, in the provider's words. */
union fabric_address {
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct fi_udmc_ib_addr ib;
};

/* The address of one of our endpoints, as it travels; the bytes written. */
uint32_t fabric_reach_write(const struct fabric_domain *domain,
	const void *address, uint8_t *reach);
/* What came in is hostile.  0, or -FI_EINVAL: not one of this lane. */
int fabric_reach_read(const struct fabric_domain *domain, const uint8_t *reach,
	uint32_t bytes, union fabric_address *address);

/* On RoCE the kernel asks the network who has an address, and who asks it waits for
 * that: a second, where nobody answers.  Addresses come from strangers, so that only
 * a small part of all time may be spent so.  Whether one may be looked up now; and
 * how long it took. */
bool fabric_reach_may(const struct fabric_domain *domain, uint64_t now);
void fabric_reach_took(
	struct fabric_domain *domain, uint64_t begin, uint64_t end);

/* Write the reason; returns -code. */
int fabric_fail(char *text, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
