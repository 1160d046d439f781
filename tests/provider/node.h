/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * node.h - one endpoint with all it needs, for the tests of the provider.
 *
 * A node opens fabric, domain, queues and address vector of its own on the
 * domain named by UDMC_DOMAIN, so several of them in one program behave as
 * several programs do.  Every helper fails the test when a call fails.
 */
#ifndef TESTS_PROVIDER_NODE_H
#define TESTS_PROVIDER_NODE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>

#include "fi_ext_udmc.h"

#define SLOT_BYTES 4096u
#define SLOTS 256u

struct node_options {
	enum fi_cq_format format;   /* 0: FI_CQ_FORMAT_DATA. */
	enum fi_av_type av_type;    /* 0: FI_AV_TABLE. */
	uint64_t cq_flags;          /* FI_SELECTIVE_COMPLETION or 0. */
	uint64_t caps;              /* In addition. */
	uint64_t tx_op_flags;
	size_t cq_size;             /* 0: 512. */
	size_t tx_size, rx_size;    /* 0: the provider's. */
	bool split;                 /* A completion queue for each side. */
	bool disabled;              /* Leave fi_enable to the test. */
	bool no_wait;               /* FI_WAIT_NONE. */
	bool alone;                 /* In a thread of its own: nodes_progress
				     * leaves it out. */
	const struct sockaddr *src; /* NULL: the interface's, any port. */
	size_t src_bytes;
};

extern const struct node_options plain;

struct node {
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_eq *eq;
	struct fid_av *av;
	struct fid_cq *cq, *rx_cq; /* The same one unless split. */
	struct fid_ep *ep;
	struct fid_mr *mr;
	unsigned char *slot;       /* SLOTS x SLOT_BYTES, registered. */
	void *desc;
	bool alone;
};

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct fi_udmc_ib_addr ib;
	unsigned char bytes[64];
};

/* The domain under test, and what it is. */
const char *domain_name(void);
bool on_udp(void);
bool on_ipv6(void);
struct fi_info *hints_new(void);
/* fi_getinfo of the provider, called directly. */
int getinfo(const struct fi_info *hints, struct fi_info **info);

void node_open(struct node *node, struct node_options options);
void node_close(struct node *node);

static inline unsigned char *slot(struct node *node, size_t i)
{
	return node->slot + i * SLOT_BYTES;
}

void node_post(struct node *node, size_t i, size_t bytes);
/* The next completion of a receive or a send, waiting up to 5 s. */
void node_wait(struct node *node, struct fid_cq *cq,
		struct fi_cq_data_entry *entry);
/* Let every node send what it holds back; waiting does so too. */
void nodes_progress(void);
/* No completion for a while. */
void node_quiet(struct fid_cq *cq);
fi_addr_t node_know(struct node *node, struct node *other);
/* Group `number` of this run, with its port. */
union address group(unsigned int number);
in_port_t port(unsigned int number);
struct fid_mc *node_join(struct node *node, unsigned int number,
		uint64_t flags);
/* Wait for the end of a join: FI_JOIN_COMPLETE, for this one. */
void node_joined(struct node *node, struct fid_mc *mc);
int node_send(struct node *node, size_t i, size_t bytes, fi_addr_t to);
void fill(unsigned char *to, size_t bytes, unsigned int seed);
bool filled(const unsigned char *from, size_t bytes, unsigned int seed);

#endif
