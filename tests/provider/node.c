// SPDX-License-Identifier: BSD-2-Clause
/*
 * node.c - see node.h.
 */
#include "node.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "check_main.h"
#include "udmc.h"

#define WAIT_MS 5000

const struct node_options plain;

const char *domain_name(void)
{
	const char *name = getenv("UDMC_DOMAIN");

	return name && *name ? name : "udp-lo";
}

bool on_udp(void)
{
	return strncmp(domain_name(), "udp-", 4) == 0;
}

bool on_ipv6(void)
{
	return getenv("UDMC_IPV6") != NULL;
}

struct fi_info *hints_new(void)
{
	struct fi_info *hints = fi_allocinfo();

	if (!hints) /* Also called outside of tests. */
		abort();
	hints->caps = FI_MSG | FI_MULTICAST;
	hints->ep_attr->type = FI_EP_DGRAM;
	hints->domain_attr->mr_mode = FI_MR_LOCAL;
	hints->domain_attr->name = strdup(domain_name());
	if (on_udp())
		hints->addr_format = on_ipv6() ? FI_SOCKADDR_IN6 :
				FI_SOCKADDR_IN;
	return hints;
}

int getinfo(const struct fi_info *hints, struct fi_info **info)
{
	return udmc_provider()->getinfo(FI_VERSION(1, 17), NULL, NULL, 0,
			hints, info);
}

static void find_info(struct node *node, const struct node_options *o)
{
	struct fi_info *hints = hints_new();
	int ret;

	hints->caps |= o->caps;
	hints->tx_attr->op_flags = o->tx_op_flags;
	hints->tx_attr->size = o->tx_size;
	hints->rx_attr->size = o->rx_size;
	hints->domain_attr->av_type = o->av_type;
	if (o->src) {
		hints->src_addr = malloc(o->src_bytes);
		memcpy(hints->src_addr, o->src, o->src_bytes);
		hints->src_addrlen = o->src_bytes;
	}
	ret = getinfo(hints, &node->info);
	ck_assert_msg(ret == 0, "fi_getinfo on %s: %d", domain_name(), ret);
	fi_freeinfo(hints);
}

static struct fid_cq *open_cq(struct node *node, const struct node_options *o)
{
	struct fi_cq_attr attr = {
		.size = o->cq_size ? o->cq_size : 512,
		.format = o->format ? o->format : FI_CQ_FORMAT_DATA,
		.wait_obj = o->no_wait ? FI_WAIT_NONE : FI_WAIT_FD,
	};
	struct fid_cq *cq;

	ck_assert_int_eq(fi_cq_open(node->domain, &attr, &cq, NULL), 0);
	return cq;
}

static void open_queues(struct node *node, const struct node_options *o)
{
	struct fi_eq_attr eq = {.wait_obj = FI_WAIT_FD};
	struct fi_av_attr av = {.type = o->av_type};
	size_t bytes = SLOTS * SLOT_BYTES;

	ck_assert_int_eq(fi_eq_open(node->fabric, &eq, &node->eq, NULL), 0);
	ck_assert_int_eq(fi_av_open(node->domain, &av, &node->av, NULL), 0);
	node->cq = open_cq(node, o);
	node->rx_cq = o->split ? open_cq(node, o) : node->cq;
	node->slot = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(node->slot, MAP_FAILED);
	ck_assert_int_eq(fi_mr_reg(node->domain, node->slot, bytes,
			FI_SEND | FI_RECV, 0, 0, 0, &node->mr, NULL), 0);
	node->desc = fi_mr_desc(node->mr);
}

/* Progress is manual: a send the kernel had no room for leaves when its own
 * node is asked, so whoever waits asks them all.  Reading no entries takes
 * none away. */
static struct node *opened[8];

void nodes_progress(void)
{
	for (size_t i = 0; i < sizeof(opened) / sizeof(opened[0]); i++)
		if (opened[i])
			fi_cq_read(opened[i]->cq, NULL, 0);
}

static void remember(struct node *old, struct node *new)
{
	size_t i = 0;

	while (i < sizeof(opened) / sizeof(opened[0]) && opened[i] != old)
		i++;
	ck_assert_uint_lt(i, sizeof(opened) / sizeof(opened[0]));
	opened[i] = new;
}

void node_open(struct node *node, struct node_options o)
{
	memset(node, 0, sizeof(*node));
	find_info(node, &o);
	ck_assert_int_eq(udmc_provider()->fabric(node->info->fabric_attr,
			&node->fabric, NULL), 0);
	ck_assert_int_eq(fi_domain(node->fabric, node->info, &node->domain,
			NULL), 0);
	open_queues(node, &o);
	ck_assert_int_eq(fi_endpoint(node->domain, node->info, &node->ep,
			NULL), 0);
	ck_assert_int_eq(fi_ep_bind(node->ep, &node->eq->fid, 0), 0);
	ck_assert_int_eq(fi_ep_bind(node->ep, &node->av->fid, 0), 0);
	if (o.split) {
		ck_assert_int_eq(fi_ep_bind(node->ep, &node->cq->fid,
				FI_TRANSMIT | o.cq_flags), 0);
		ck_assert_int_eq(fi_ep_bind(node->ep, &node->rx_cq->fid,
				FI_RECV), 0);
	} else {
		ck_assert_int_eq(fi_ep_bind(node->ep, &node->cq->fid,
				FI_TRANSMIT | FI_RECV | o.cq_flags), 0);
	}
	if (!o.disabled)
		ck_assert_int_eq(fi_enable(node->ep), 0);
	if (!o.alone)
		remember(NULL, node);
	node->alone = o.alone;
}

void node_close(struct node *node)
{
	if (!node->alone)
		remember(node, NULL);
	ck_assert_int_eq(fi_close(&node->ep->fid), 0);
	ck_assert_int_eq(fi_close(&node->mr->fid), 0);
	if (node->rx_cq != node->cq)
		ck_assert_int_eq(fi_close(&node->rx_cq->fid), 0);
	ck_assert_int_eq(fi_close(&node->cq->fid), 0);
	ck_assert_int_eq(fi_close(&node->av->fid), 0);
	ck_assert_int_eq(fi_close(&node->eq->fid), 0);
	ck_assert_int_eq(fi_close(&node->domain->fid), 0);
	ck_assert_int_eq(fi_close(&node->fabric->fid), 0);
	fi_freeinfo(node->info);
	munmap(node->slot, SLOTS * SLOT_BYTES);
}

void node_post(struct node *node, size_t i, size_t bytes)
{
	memset(slot(node, i), 0xee, SLOT_BYTES);
	ck_assert_int_eq(fi_recv(node->ep, slot(node, i), bytes, node->desc,
			FI_ADDR_UNSPEC, slot(node, i)), 0);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void node_wait(struct node *node, struct fid_cq *cq,
		struct fi_cq_data_entry *entry)
{
	int64_t end = now_ms() + WAIT_MS;
	ssize_t n;

	while ((n = fi_cq_read(cq, entry, 1)) == -FI_EAGAIN &&
			now_ms() < end)
		if (!node->alone)
			nodes_progress();
	ck_assert_msg(n == 1, "no completion: %zd", n);
}

void node_quiet(struct fid_cq *cq)
{
	struct fi_cq_data_entry entry;
	int64_t end = now_ms() + (on_udp() ? 100 : 500);

	while (now_ms() < end)
		ck_assert_int_eq(fi_cq_read(cq, &entry, 1), -FI_EAGAIN);
}

fi_addr_t node_know(struct node *node, struct node *other)
{
	union address addr;
	size_t bytes = sizeof(addr);
	fi_addr_t found;

	ck_assert_int_eq(fi_getname(&other->ep->fid, &addr, &bytes), 0);
	ck_assert_int_eq(fi_av_insert(node->av, &addr, 1, &found, 0, NULL), 1);
	return found;
}

in_port_t port(unsigned int number)
{
	/* Below the range the kernel takes ephemeral ports from. */
	return htons((in_port_t)(10000 + (check_seed() + number) % 20000));
}

union address group(unsigned int number)
{
	uint32_t low = (uint32_t)(check_seed() >> 16) + number;
	union address a;

	memset(&a, 0, sizeof(a));
	if (on_ipv6()) {
		/* ff12: transient, link-local scope. */
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = port(0);
		a.in6.sin6_addr.s6_addr[0] = 0xff;
		a.in6.sin6_addr.s6_addr[1] = 0x12;
		memcpy(&a.in6.sin6_addr.s6_addr[12], &low, 4);
	} else {
		a.in.sin_family = AF_INET;
		a.in.sin_port = port(0);
		a.in.sin_addr.s_addr = htonl(0xef4d0000u | (low & 0xffff));
	}
	return a;
}

struct fid_mc *node_join(struct node *node, unsigned int number,
		uint64_t flags)
{
	union address g = group(number);
	struct fid_mc *mc;

	ck_assert_int_eq(fi_join(node->ep, &g, flags, &mc, node), 0);
	node_joined(node, mc);
	return mc;
}

void node_joined(struct node *node, struct fid_mc *mc)
{
	struct fi_eq_err_entry error;
	struct fi_eq_entry entry;
	uint32_t event = ~0u;
	ssize_t n = fi_eq_sread(node->eq, &event, &entry, sizeof(entry),
			WAIT_MS, 0);

	if (n == -FI_EAVAIL) {
		memset(&error, 0, sizeof(error));
		fi_eq_readerr(node->eq, &error, 0);
		ck_abort_msg("join: error %d (%d)", error.err,
				error.prov_errno);
	}
	ck_assert_int_eq(n, sizeof(entry));
	ck_assert_uint_eq(event, FI_JOIN_COMPLETE);
	ck_assert_ptr_eq(entry.fid, &mc->fid);
	ck_assert_ptr_eq(entry.context, mc->fid.context);
}

int node_send(struct node *node, size_t i, size_t bytes, fi_addr_t to)
{
	return (int)fi_send(node->ep, slot(node, i), bytes, node->desc, to,
			slot(node, i));
}

void fill(unsigned char *to, size_t bytes, unsigned int seed)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (unsigned char)(seed * 131 + i * 7 + (i >> 8));
}

bool filled(const unsigned char *from, size_t bytes, unsigned int seed)
{
	for (size_t i = 0; i < bytes; i++)
		if (from[i] != (unsigned char)(seed * 131 + i * 7 + (i >> 8)))
			return false;
	return true;
}
