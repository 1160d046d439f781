/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp.h - an endpoint over kernel sockets.
 *
 *	posted receives                       sends
 *	rx.msg[] ring of mmsghdr              tx.msg[] ring of mmsghdr
 *	  tail ... head  = waiting              tail ... sent = completions owed
 *	recvmmsg straight from the ring         sent ... head = not yet sent
 *
 * The rings are arrays of struct mmsghdr whose pointers are set once, so a
 * batch is one system call on a piece of the ring and nothing is copied but
 * by the kernel.  When the send ring is empty it starts again at 0: a sender
 * that does not batch stays in a few cache lines.
 *
 * Sockets.  socket[0] is the main one: it sends everything and is bound to the
 * endpoint's address.  Group sockets are bound to the wildcard address and a
 * group's port, and hear exactly the groups joined on them
 * (IP_MULTICAST_ALL=0):
 *
 *  - Linux gives no multicast to a socket bound to a unicast address, so only
 *    a main socket bound to the wildcard can serve groups (of its own port);
 *  - unicast for the endpoint's address always finds the main socket, which is
 *    the better match for the kernel than a wildcard one;
 *  - a socket takes igmp_max_memberships groups (20); the next group gets
 *    another socket of the same port.
 *
 * All sockets of an endpoint are read, so whichever one the kernel picks,
 * nothing is lost, and no datagram is delivered to two of them.
 */
#ifndef UDMC_UDP_H
#define UDMC_UDP_H

#include "core.h"

#define UDMC_UDP_BATCH 64u /* Datagrams a system call; the gain is flat beyond
			    * 32 (tests/provider/bench_udmc). */

struct udmc_udp_socket {
	int fd;
	in_port_t port;
	bool any;               /* Bound to the wildcard address. */
	bool full;              /* Refused a group for want of room. */
	uint32_t groups;
	uint32_t watched[2];    /* epoll events in the receive and the send
				 * queue's descriptor. */
};

struct udmc_udp_rx_slot {
	void *context;
	uint64_t flags;
};

struct udmc_udp_rx {
	struct mmsghdr *msg;
	struct iovec (*iov)[UDMC_IOV_RX_MAX];
	struct udmc_udp_rx_slot *slot;
	struct sockaddr_in6 *name; /* NULL unless FI_SOURCE. */
	uint32_t head, tail, mask;
	uint32_t ask; /* Datagrams to ask the kernel for; see receive. */
	bool parked; /* The descriptor ignores data: nothing was posted. */
};

struct udmc_udp_tx_slot {
	void *context;
	uint64_t flags;
	size_t len;
	int err;
};

/* A piece of a train as the kernel gets it: one datagram, or several of one
 * length and destination that it cuts apart itself (UDP_SEGMENT). */
#define UDMC_UDP_SEGMENTS 64u    /* The kernel's UDP_MAX_SEGMENTS. */
#define UDMC_UDP_SEGMENTED 65000u /* Bytes of one such piece, IPv6 too. */
struct udmc_udp_train {
	struct mmsghdr msg[UDMC_UDP_BATCH];
	struct iovec iov[UDMC_UDP_BATCH * UDMC_IOV_TX_MAX];
	uint32_t count[UDMC_UDP_BATCH]; /* Datagrams in each. */
	_Alignas(struct cmsghdr) unsigned char
			control[UDMC_UDP_BATCH][CMSG_SPACE(sizeof(uint16_t))];
};

struct udmc_udp_tx {
	struct udmc_udp_train *train; /* NULL: the kernel cannot cut. */
	struct mmsghdr *msg;
	struct iovec (*iov)[UDMC_IOV_TX_MAX];
	struct udmc_udp_tx_slot *slot;
	struct sockaddr_in6 *name;
	unsigned char (*inject)[UDMC_INJECT_MAX];
	uint32_t head, sent, tail, mask;
};

struct udmc_udp_ep {
	struct udmc_ep base;
	struct udmc_udp_socket *socket;
	uint32_t socket_count;
	uint32_t socket_next; /* Where the next poll begins. */
	struct udmc_udp_rx rx;
	struct udmc_udp_tx tx;
};

static inline struct udmc_udp_ep *udmc_udp_ep(struct udmc_ep *ep)
{
	return container_of(ep, struct udmc_udp_ep, base);
}

/* udp_device.c */
int udmc_udp_scan(struct udmc_devices *list);

/* udp_endpoint.c */
int udmc_udp_ep_alloc(struct udmc_domain *domain, const struct fi_info *info,
		struct udmc_ep **ep);
/* Add a socket of this address; port 0: an unused one. */
int udmc_udp_socket_open(struct udmc_udp_ep *ep,
		const union udmc_address *addr);
void udmc_udp_socket_close(struct udmc_udp_ep *ep, uint32_t index);
int udmc_udp_watch(struct udmc_udp_ep *ep, unsigned int sides);

/* udp_group.c */
int udmc_udp_join(struct udmc_mc *mc);
void udmc_udp_leave(struct udmc_mc *mc);

/* udp_receive.c, udp_send.c */
int udmc_udp_rx_open(struct udmc_udp_ep *ep);
void udmc_udp_rx_close(struct udmc_udp_ep *ep);
ssize_t udmc_udp_recv(struct udmc_ep *ep, const struct iovec *iov, void **desc,
		size_t count, void *context, uint64_t flags);
ssize_t udmc_udp_cancel(struct udmc_ep *ep, void *context);
void udmc_udp_rx_progress(struct udmc_udp_ep *ep);
int udmc_udp_tx_open(struct udmc_udp_ep *ep);
void udmc_udp_tx_close(struct udmc_udp_ep *ep);
ssize_t udmc_udp_send(struct udmc_ep *ep, const struct iovec *iov, void **desc,
		size_t count, fi_addr_t addr, void *context, uint64_t flags);
void udmc_udp_tx_progress(struct udmc_udp_ep *ep);

#endif
