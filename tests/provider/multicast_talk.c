// SPDX-License-Identifier: BSD-2-Clause
/*
 * multicast_talk.c - a multicast program that knows libfabric and nothing else.
 *
 *	multicast_talk [-d DOMAIN] [-n COUNT] -r GROUP PORT     receive
 *	multicast_talk [-d DOMAIN] [-n COUNT]    GROUP PORT     send
 *
 * The calls and their order are those of libfabric's own multicast test: the
 * group comes out of fi_getinfo as dest_addr, FI_MULTICAST is the endpoint's
 * op_flags, the join ends with FI_JOIN_COMPLETE.  A receiver says "joined" on
 * its output, then exits 0 when COUNT messages came in order and whole.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>

#define BYTES 512u
#define POSTED 64u

#define TRY(call) try(call, #call)

static struct fi_info *info;
static struct fid_fabric *fabric;
static struct fid_domain *domain;
static struct fid_eq *eq;
static struct fid_cq *tx_cq, *rx_cq;
static struct fid_av *av;
static struct fid_ep *ep;
static struct fid_mr *mr;
static struct fid_mc *mc;
static uint32_t memory[POSTED][BYTES / sizeof(uint32_t)];
static struct fi_context context[POSTED];

static void try(ssize_t ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, fi_strerror((int)-ret));
	exit(1);
}

static void open_all(const char *name, const char *group, const char *port)
{
	struct fi_info *hints = fi_allocinfo();
	struct fi_eq_attr eq_attr = {.wait_obj = FI_WAIT_UNSPEC};
	struct fi_cq_attr cq_attr = {.format = FI_CQ_FORMAT_CONTEXT,
		.wait_obj = FI_WAIT_FD};
	struct fi_av_attr av_attr = {.type = FI_AV_MAP};

	hints->ep_attr->type = FI_EP_DGRAM;
	hints->caps = FI_MSG | FI_MULTICAST;
	hints->mode = FI_CONTEXT;
	hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR |
			FI_MR_ALLOCATED | FI_MR_PROV_KEY;
	hints->tx_attr->op_flags = FI_MULTICAST;
	hints->fabric_attr->prov_name = strdup("udmc");
	if (name)
		hints->domain_attr->name = strdup(name);
	TRY(fi_getinfo(FI_VERSION(1, 9), group, port, 0, hints, &info));
	TRY(fi_fabric(info->fabric_attr, &fabric, NULL));
	TRY(fi_eq_open(fabric, &eq_attr, &eq, NULL));
	TRY(fi_domain(fabric, info, &domain, NULL));
	TRY(fi_cq_open(domain, &cq_attr, &tx_cq, NULL));
	TRY(fi_cq_open(domain, &cq_attr, &rx_cq, NULL));
	TRY(fi_av_open(domain, &av_attr, &av, NULL));
	TRY(fi_mr_reg(domain, memory, sizeof(memory), FI_SEND | FI_RECV, 0, 0,
			0, &mr, NULL));
	TRY(fi_endpoint(domain, info, &ep, NULL));
	TRY(fi_ep_bind(ep, &eq->fid, 0));
	TRY(fi_ep_bind(ep, &av->fid, 0));
	TRY(fi_ep_bind(ep, &tx_cq->fid, FI_TRANSMIT));
	TRY(fi_ep_bind(ep, &rx_cq->fid, FI_RECV));
	TRY(fi_enable(ep));
	fi_freeinfo(hints);
}

static void post(unsigned int i)
{
	TRY(fi_recv(ep, memory[i], BYTES, fi_mr_desc(mr), FI_ADDR_UNSPEC,
			&context[i]));
}

static void join(uint64_t flags)
{
	struct fi_eq_entry entry;
	uint32_t event;
	ssize_t n;

	TRY(fi_join(ep, info->dest_addr, flags, &mc, NULL));
	n = fi_eq_sread(eq, &event, &entry, sizeof(entry), 5000, 0);
	if (n != sizeof(entry) || event != FI_JOIN_COMPLETE ||
			entry.fid != &mc->fid) {
		fprintf(stderr, "join: %zd, event %u\n", n, event);
		exit(1);
	}
}

static void receive(unsigned int count)
{
	for (unsigned int i = 0; i < POSTED; i++)
		post(i);
	join(0);
	printf("joined\n");
	fflush(stdout);
	for (unsigned int k = 0; k < count; k++) {
		struct fi_cq_entry entry;
		unsigned int i = k % POSTED;
		ssize_t n = fi_cq_sread(rx_cq, &entry, 1, NULL, 20000);

		if (n != 1 || entry.op_context != &context[i] ||
				memory[i][0] != k ||
				memory[i][BYTES / sizeof(uint32_t) - 1] != ~k) {
			fprintf(stderr, "message %u of %u: %zd, %u\n", k,
					count, n, memory[i][0]);
			exit(1);
		}
		post(i);
	}
}

static void transmit(unsigned int count)
{
	join(FI_SEND);
	for (unsigned int k = 0; k < count; k++) {
		struct fi_cq_entry entry;
		unsigned int i = k % POSTED;

		memory[i][0] = k;
		memory[i][BYTES / sizeof(uint32_t) - 1] = ~k;
		TRY(fi_send(ep, memory[i], BYTES, fi_mr_desc(mr),
				fi_mc_addr(mc), &context[i]));
		TRY(fi_cq_sread(tx_cq, &entry, 1, NULL, 5000));
		if (k % 16 == 15) /* A receiver has 64 posted. */
			usleep(2000);
	}
}

int main(int argc, char **argv)
{
	const char *name = NULL;
	unsigned int count = 1000;
	bool receiver = false;
	int option;

	while ((option = getopt(argc, argv, "d:n:r")) != -1) {
		if (option == 'd')
			name = optarg;
		else if (option == 'n')
			count = (unsigned int)atoi(optarg);
		else
			receiver = option == 'r';
	}
	if (optind + 2 != argc)
		return 2;
	open_all(name, argv[optind], argv[optind + 1]);
	if (receiver)
		receive(count);
	else
		transmit(count);
	TRY(fi_close(&mc->fid));
	TRY(fi_close(&ep->fid));
	TRY(fi_close(&mr->fid));
	TRY(fi_close(&av->fid));
	TRY(fi_close(&rx_cq->fid));
	TRY(fi_close(&tx_cq->fid));
	TRY(fi_close(&domain->fid));
	TRY(fi_close(&eq->fid));
	TRY(fi_close(&fabric->fid));
	fi_freeinfo(info);
	printf("%s %u on %s\n", receiver ? "received" : "sent", count,
			name ? name : "the first domain");
	return 0;
}
