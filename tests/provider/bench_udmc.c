// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_udmc.c - the provider against a program that calls the kernel itself.
 *
 *	bench_udmc [COUNT] [BYTES]
 *
 * One thread sends a multicast to a group on loopback and receives it again,
 * and its processor time is counted, so no scheduling is in the figure: what
 * differs between the two is our code.
 *
 *	one    send one, spin until it is there            ns a message
 *	train  send 32, spin until they are there          messages a second
 *	empty  a poll that finds nothing                   ns a call
 *
 * Provider and raw calls alternate in rounds and the median of the rounds'
 * ratios is printed, since the machine is shared.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>

#include "udmc.h"

#define TRAIN 32u
#define ROUNDS 15u
#define MAX 8192u

static unsigned char out[TRAIN][MAX], in[64][MAX];
static size_t bytes = 64;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

/* ------------------------------------------------------------------ raw -- */

static int raw_tx, raw_rx;
static struct sockaddr_in raw_group;
static struct mmsghdr raw_out[TRAIN], raw_in[64];
static struct iovec raw_out_iov[TRAIN], raw_in_iov[64];

static void raw_open(void)
{
	struct ip_mreqn mreq = {.imr_ifindex = 1};
	int size = 4 << 20, zero = 0;

	raw_group.sin_family = AF_INET;
	raw_group.sin_port = htons(21001);
	inet_pton(AF_INET, "239.77.200.1", &raw_group.sin_addr);
	mreq.imr_multiaddr = raw_group.sin_addr;
	inet_pton(AF_INET, "127.0.0.1", &mreq.imr_address);
	raw_tx = socket(AF_INET, SOCK_DGRAM, 0);
	raw_rx = socket(AF_INET, SOCK_DGRAM, 0);
	must(setsockopt(raw_tx, IPPROTO_IP, IP_MULTICAST_IF, &mreq,
			sizeof(mreq)) == 0, "IP_MULTICAST_IF");
	setsockopt(raw_rx, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(raw_rx, IPPROTO_IP, IP_MULTICAST_ALL, &zero, sizeof(zero));
	must(bind(raw_rx, (struct sockaddr *)&(struct sockaddr_in){
			.sin_family = AF_INET, .sin_port = raw_group.sin_port},
			sizeof(raw_group)) == 0, "bind");
	must(setsockopt(raw_rx, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq,
			sizeof(mreq)) == 0, "join");
	for (unsigned int i = 0; i < TRAIN; i++) {
		raw_out_iov[i] = (struct iovec){out[i], bytes};
		raw_out[i].msg_hdr = (struct msghdr){
			.msg_name = &raw_group,
			.msg_namelen = sizeof(raw_group),
			.msg_iov = &raw_out_iov[i], .msg_iovlen = 1};
	}
	for (unsigned int i = 0; i < 64; i++) {
		raw_in_iov[i] = (struct iovec){in[i], MAX};
		raw_in[i].msg_hdr = (struct msghdr){
			.msg_iov = &raw_in_iov[i], .msg_iovlen = 1};
	}
}

static void raw_trains(unsigned int count, unsigned int train)
{
	for (unsigned int k = 0; k < count; k += train) {
		unsigned int got = 0;

		must(sendmmsg(raw_tx, raw_out, train, MSG_DONTWAIT) ==
				(int)train, "sendmmsg");
		while (got < train) {
			int n = recvmmsg(raw_rx, raw_in, 64, MSG_DONTWAIT,
					NULL);

			got += n > 0 ? (unsigned int)n : 0;
		}
	}
}

static void raw_empty(unsigned int count)
{
	while (count--)
		if (recvmmsg(raw_rx, raw_in, 64, MSG_DONTWAIT, NULL) > 0)
			abort();
}

/* ------------------------------------------------------------- provider -- */

static struct fid_cq *tx_cq, *rx_cq;
static struct fid_ep *ep;
static struct fid_mc *mc;

static void check(ssize_t ret, const char *what)
{
	if (ret < 0) {
		fprintf(stderr, "%s: %zd\n", what, ret);
		exit(1);
	}
}

static void udmc_open(void)
{
	struct fi_info *hints = fi_allocinfo(), *info;
	struct sockaddr_in group = raw_group, any = raw_group;
	struct fi_cq_attr cq_attr = {.format = FI_CQ_FORMAT_MSG};
	struct fi_eq_attr eq_attr = {.wait_obj = FI_WAIT_FD};
	struct fi_eq_entry entry;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_eq *eq;
	uint32_t event;

	group.sin_port = any.sin_port = htons(21002);
	any.sin_addr.s_addr = htonl(INADDR_ANY);
	hints->domain_attr->name = strdup("udp-lo");
	hints->addr_format = FI_SOCKADDR_IN;
	hints->src_addr = memcpy(malloc(sizeof(any)), &any, sizeof(any));
	hints->src_addrlen = sizeof(any);
	check(udmc_provider()->getinfo(FI_VERSION(1, 17), NULL, NULL, 0, hints,
			&info), "getinfo");
	check(udmc_provider()->fabric(info->fabric_attr, &fabric, NULL),
			"fabric");
	check(fi_domain(fabric, info, &domain, NULL), "domain");
	check(fi_eq_open(fabric, &eq_attr, &eq, NULL), "eq");
	check(fi_cq_open(domain, &cq_attr, &tx_cq, NULL), "cq");
	check(fi_cq_open(domain, &cq_attr, &rx_cq, NULL), "cq");
	check(fi_endpoint(domain, info, &ep, NULL), "endpoint");
	check(fi_ep_bind(ep, &eq->fid, 0), "bind");
	check(fi_ep_bind(ep, &tx_cq->fid, FI_SEND | FI_SELECTIVE_COMPLETION),
			"bind");
	check(fi_ep_bind(ep, &rx_cq->fid, FI_RECV), "bind");
	check(fi_enable(ep), "enable");
	check(fi_join(ep, &group, 0, &mc, NULL), "join");
	check(fi_eq_sread(eq, &event, &entry, sizeof(entry), 5000, 0), "join");
	for (unsigned int i = 0; i < 64; i++)
		check(fi_recv(ep, in[i], MAX, NULL, 0, in[i]), "recv");
	fi_freeinfo(hints);
	fi_freeinfo(info);
}

static void udmc_trains(unsigned int count, unsigned int train)
{
	struct fi_cq_msg_entry entry[64];

	for (unsigned int k = 0; k < count; k += train) {
		unsigned int got = 0;

		for (unsigned int i = 0; i < train; i++) {
			struct iovec iov = {out[i], bytes};
			struct fi_msg msg = {.msg_iov = &iov, .iov_count = 1,
				.addr = fi_mc_addr(mc)};

			check(fi_sendmsg(ep, &msg, i + 1 < train ? FI_MORE : 0),
					"send");
		}
		while (got < train) {
			ssize_t n = fi_cq_read(rx_cq, entry, 64);

			for (ssize_t i = 0; i < n; i++)
				check(fi_recv(ep, entry[i].op_context, MAX,
						NULL, 0, entry[i].op_context),
						"recv");
			got += n > 0 ? (unsigned int)n : 0;
		}
	}
}

static void udmc_empty(unsigned int count)
{
	struct fi_cq_msg_entry entry[64];

	while (count--)
		if (fi_cq_read(rx_cq, entry, 64) != -FI_EAGAIN)
			abort();
}

/* ---------------------------------------------------------------- rounds -- */

static void raw_one(unsigned int count)
{
	raw_trains(count, 1);
}

static void udmc_one(unsigned int count)
{
	udmc_trains(count, 1);
}

static void raw_train(unsigned int count)
{
	raw_trains(count, TRAIN);
}

static void udmc_train(unsigned int count)
{
	udmc_trains(count, TRAIN);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double timed(void (*run)(unsigned int), unsigned int count)
{
	double start = now();

	run(count);
	return (now() - start) / count;
}

static void compare(const char *name, void (*raw)(unsigned int),
		void (*udmc)(unsigned int), unsigned int count)
{
	double a[ROUNDS], b[ROUNDS], ratio[ROUNDS];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		a[i] = timed(raw, count);
		b[i] = timed(udmc, count);
		ratio[i] = b[i] / a[i];
	}
	qsort(a, ROUNDS, sizeof(*a), ascending);
	qsort(b, ROUNDS, sizeof(*b), ascending);
	qsort(ratio, ROUNDS, sizeof(*ratio), ascending);
	printf("%-6s %5zu B  raw %8.0f ns  udmc %8.0f ns  ratio %.3f\n", name,
			bytes, a[ROUNDS / 2], b[ROUNDS / 2], ratio[ROUNDS / 2]);
}

int main(int argc, char **argv)
{
	unsigned int count = argc > 1 ? (unsigned int)atoi(argv[1]) : 20000;

	if (argc > 2)
		bytes = (size_t)atoi(argv[2]);
	if (!count || bytes > MAX)
		return 2;
	raw_open();
	udmc_open();
	compare("one", raw_one, udmc_one, count);
	compare("train", raw_train, udmc_train, count);
	compare("empty", raw_empty, udmc_empty, count);
	return 0;
}
