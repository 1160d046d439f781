/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verbs.h - an endpoint over an unreliable datagram queue pair.
 *
 *	rdma_cm_id --- event channel ---> joins (verbs_group.c)
 *	    |
 *	  UD queue pair
 *	    send queue      ring of ibv_send_wr:  tail..done..posted..head
 *	    receive queue   ring of ibv_recv_wr:  tail.......posted..head
 *	    ibv_cq          one if both sides share a completion queue, else two
 *
 * An ibv_cq belongs to one endpoint and holds a completion for everything that
 * endpoint can have outstanding, so the device's queue cannot overrun whatever
 * the size of the caller's.
 *
 * Every UD receive begins with 40 bytes of routing header.  Callers never see
 * them: each receive is posted with two pieces, a scratch area that all of
 * them share, and the caller's buffer (FI_SOURCE: an area each, since the
 * sender's GID is read from it).
 */
#ifndef UDMC_VERBS_H
#define UDMC_VERBS_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include "core.h"

#define UDMC_GRH_BYTES 40u
#define UDMC_VERBS_BATCH 64u
#define UDMC_VERBS_RX (1ULL << 32) /* In a wr_id: a receive. */

struct udmc_verbs_domain {
	struct rdma_event_channel *channel;
	struct rdma_cm_id *id; /* Keeps the device open. */
	struct ibv_pd *pd;
};

/* The way to a peer.  A train that waits names it, and rxe looks it up when it
 * sends: so it stays until all that was sent that way is done, though the peer
 * is removed. */
struct udmc_verbs_way {
	struct ibv_ah *ah;
	uint32_t flying; /* Sends not done. */
	bool closed;
};

struct udmc_verbs_tx_slot {
	void *context;
	struct udmc_verbs_way *way;
	uint64_t flags;
	size_t len;
	int err;
	int prov_errno; /* An ibv_wc_status. */
};

struct udmc_verbs_tx {
	struct ibv_send_wr *wr;
	struct ibv_sge (*sge)[UDMC_IOV_TX_MAX];
	struct udmc_verbs_tx_slot *slot;
	unsigned char (*bounce)[UDMC_INJECT_MAX];
	struct ibv_mr *bounce_mr;
	uint32_t head, posted, done, tail, mask;
	uint32_t unsignalled; /* Posted since the last signalled one. */
	bool owed;            /* Some of the next train want a completion. */
	uint32_t inline_max;
};

struct udmc_verbs_rx_slot {
	void *context;
	uint64_t flags;
};

struct udmc_verbs_rx {
	struct ibv_recv_wr *wr;
	struct ibv_sge (*sge)[1 + UDMC_IOV_RX_MAX];
	struct udmc_verbs_rx_slot *slot;
	unsigned char (*grh)[UDMC_GRH_BYTES];
	struct ibv_mr *grh_mr;
	uint32_t head, posted, tail, mask;
};

struct udmc_verbs_ep {
	struct udmc_ep base;
	struct rdma_event_channel *channel;
	struct rdma_cm_id *id;
	struct ibv_cq *tx_cq, *rx_cq; /* The same one if the queues are. */
	struct udmc_verbs_tx tx;
	struct udmc_verbs_rx rx;
};

static inline struct udmc_verbs_ep *udmc_verbs_ep(struct udmc_ep *ep)
{
	return container_of(ep, struct udmc_verbs_ep, base);
}

static inline struct udmc_verbs_domain *udmc_verbs_domain(
		const struct udmc_domain *domain)
{
	return domain->transport_data;
}

/* verbs_device.c */
/* NULL: none, and errno says why, or is 0. */
struct udmc_verbs_way *udmc_verbs_way_open(struct udmc_domain *domain,
		struct ibv_ah_attr *attr);
/* Nothing more is sent that way; NULL is allowed. */
void udmc_verbs_way_close(struct udmc_verbs_way *way);
/* A send is done. */
void udmc_verbs_way_done(struct udmc_verbs_way *way);

/* verbs_endpoint.c */
int udmc_verbs_ep_alloc(struct udmc_domain *domain, const struct fi_info *info,
		struct udmc_ep **ep);

/* verbs_group.c */
int udmc_verbs_join(struct udmc_mc *mc);
void udmc_verbs_leave(struct udmc_mc *mc);
void udmc_verbs_control_progress(struct udmc_ep *ep);

/* verbs_queue.c */
int udmc_verbs_queues_open(struct udmc_verbs_ep *ep);
void udmc_verbs_queues_close(struct udmc_verbs_ep *ep);
ssize_t udmc_verbs_send(struct udmc_ep *ep, const struct iovec *iov,
		void **desc, size_t count, fi_addr_t addr, void *context,
		uint64_t flags);
ssize_t udmc_verbs_recv(struct udmc_ep *ep, const struct iovec *iov,
		void **desc, size_t count, void *context, uint64_t flags);
void udmc_verbs_progress(struct udmc_ep *ep, unsigned int sides);

#endif
