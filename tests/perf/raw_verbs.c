/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raw_verbs.c - UD multicast by verbs alone: the baseline of the RDMA lane.
 *
 * perftest's multicast attaches without the connection manager's join and so
 * hears nothing on SoftRoCE.  Here the join is rdmacm's, the sender's is
 * send-only, and the rest is as plain as it gets: a batch is one chain of work
 * requests with its last one signalled; receives are given back in one chain.
 *
 *     receive buffer  | 40 GRH | message |
 *
 * Neighbours: harness.c.  Test: run.sh --softroce.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include "harness.h"

#define GRH_BYTES 40u
#define RECEIVES 512u
#define SENDS 256u
#define BATCH PERF_RECEIVE_MAX

struct verbs {
	const struct perf_plan *plan;
	struct rdma_event_channel *events;
	struct rdma_cm_id *id;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_mr *mr;
	struct ibv_ah *ah;
	uint32_t qpn, qkey;
	uint32_t under_way; /* Sends without a completion. */
	uint32_t stride;
	uint8_t *buffers;
	struct ibv_recv_wr give[BATCH]; /* Receives of the last look. */
	struct ibv_sge give_sge[BATCH];
	int give_count;
	bool armed;
};

static int fail(const char *what)
{
	fprintf(stderr, "raw verbs: %s: %s\n", what, strerror(errno));
	return -1;
}

/* Bind to an address that leads to the device. */
static int find_device(struct verbs *v)
{
	struct ifaddrs *list;
	int result = -1;

	if (getifaddrs(&list) != 0)
		return fail("getifaddrs");
	for (struct ifaddrs *i = list; i && result != 0; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
			continue;
		if (rdma_create_id(v->events, &v->id, NULL, RDMA_PS_UDP) != 0)
			break;
		if (rdma_bind_addr(v->id, i->ifa_addr) == 0 && v->id->verbs &&
			strcmp(ibv_get_device_name(v->id->verbs->device),
				v->plan->device) == 0)
			result = 0;
		else
			rdma_destroy_id(v->id);
	}
	freeifaddrs(list);
	if (result != 0) {
		errno = ENODEV;
		return fail(v->plan->device);
	}
	return 0;
}

static int open_queues(struct verbs *v)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_UD,
		.cap =
			{
				.max_send_wr = SENDS,
				.max_recv_wr = RECEIVES,
				.max_send_sge = 1,
				.max_recv_sge = 1,
			},
	};
	size_t bytes;

	v->stride = (GRH_BYTES + v->plan->bytes + 63) & ~63u;
	bytes = (size_t)v->stride * RECEIVES;
	v->buffers = aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095);
	v->pd = ibv_alloc_pd(v->id->verbs);
	v->channel = ibv_create_comp_channel(v->id->verbs);
	if (!v->buffers || !v->pd || !v->channel)
		return fail("memory");
	memset(v->buffers, 0, bytes);
	v->cq = ibv_create_cq(
		v->id->verbs, (int)(SENDS + RECEIVES), NULL, v->channel, 0);
	v->mr = ibv_reg_mr(v->pd, v->buffers, bytes, IBV_ACCESS_LOCAL_WRITE);
	if (!v->cq || !v->mr)
		return fail("queue or memory region");
	attr.send_cq = attr.recv_cq = v->cq;
	return rdma_create_qp(v->id, v->pd, &attr) == 0 ? 0 : fail("qp");
}

static int join(struct verbs *v, bool receive)
{
	struct sockaddr_in group = {.sin_family = AF_INET};
	struct rdma_cm_join_mc_attr_ex attr = {
		.comp_mask = RDMA_CM_JOIN_MC_ATTR_ADDRESS |
			     RDMA_CM_JOIN_MC_ATTR_JOIN_FLAGS,
		.join_flags = receive ? RDMA_MC_JOIN_FLAG_FULLMEMBER
				      : RDMA_MC_JOIN_FLAG_SENDONLY_FULLMEMBER,
		.addr = (struct sockaddr *)&group,
	};
	struct rdma_cm_event *event;
	int result = -1;

	inet_pton(AF_INET, v->plan->group, &group.sin_addr);
	if (rdma_join_multicast_ex(v->id, &attr, NULL) != 0 ||
		rdma_get_cm_event(v->events, &event) != 0)
		return fail("join");
	if (event->event == RDMA_CM_EVENT_MULTICAST_JOIN) {
		v->ah = ibv_create_ah(v->pd, &event->param.ud.ah_attr);
		v->qpn = event->param.ud.qp_num;
		v->qkey = event->param.ud.qkey;
		result = v->ah ? 0 : fail("address handle");
	} else {
		errno = EIO;
		fail(rdma_event_str(event->event));
	}
	rdma_ack_cm_event(event);
	return result;
}

static int verbs_open(
	const struct perf_plan *plan, bool receive, struct verbs **out)
{
	struct verbs *v = calloc(1, sizeof *v);

	if (!v)
		return fail("memory");
	v->plan = plan;
	if (!plan->device) {
		errno = EINVAL;
		return fail("--device is missing");
	}
	v->events = rdma_create_event_channel();
	if (!v->events)
		return fail("event channel");
	if (find_device(v) != 0 || open_queues(v) != 0)
		return -1;
	*out = v;
	return receive ? 0 : join(v, false);
}

/* The process ends after it, and the kernel lets go of the rest. */
static void verbs_close(void *state)
{
	struct verbs *v = state;

	rdma_destroy_qp(v->id);
	ibv_dereg_mr(v->mr);
}

static int sender_open(const struct perf_plan *plan, void **out)
{
	struct verbs *v;

	if (verbs_open(plan, false, &v) != 0)
		return -1;
	*out = v;
	return 0;
}

/* Note that buffer `which` is to be received into again. */
static void give(struct verbs *v, uint32_t which)
{
	int i = v->give_count++;

	v->give_sge[i] = (struct ibv_sge){
		.addr = (uintptr_t)(v->buffers + (size_t)which * v->stride),
		.length = v->stride,
		.lkey = v->mr->lkey,
	};
	v->give[i] = (struct ibv_recv_wr){
		.wr_id = which,
		.sg_list = &v->give_sge[i],
		.num_sge = 1,
	};
	if (i > 0)
		v->give[i - 1].next = &v->give[i];
}

static void release(void *state)
{
	struct verbs *v = state;
	struct ibv_recv_wr *bad;

	if (v->give_count > 0 && ibv_post_recv(v->id->qp, v->give, &bad) != 0)
		fail("ibv_post_recv");
	v->give_count = 0;
}

static int receiver_open(const struct perf_plan *plan, void **out)
{
	struct verbs *v;

	if (verbs_open(plan, true, &v) != 0)
		return -1;
	for (uint32_t i = 0; i < RECEIVES; i++) {
		give(v, i);
		if (v->give_count == BATCH)
			release(v);
	}
	release(v);
	*out = v;
	return join(v, true);
}

/* Wait until `count` more sends fit. */
static int make_room(struct verbs *v, uint32_t count)
{
	struct ibv_wc wc[4];

	do {
		int n = ibv_poll_cq(v->cq, 4, wc);

		if (n < 0)
			return fail("ibv_poll_cq");
		/* Its wr_id says how many sends a completion stands for. */
		for (int i = 0; i < n; i++)
			v->under_way -= (uint32_t)wc[i].wr_id;
	} while (v->under_way + count > SENDS);
	return 0;
}

static int send_chain(struct verbs *v, uint64_t stamp, uint32_t count)
{
	struct ibv_send_wr wr[BATCH], *bad;
	struct ibv_sge sge[BATCH];

	if (make_room(v, count) != 0)
		return -1;
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *data = v->buffers + (size_t)i * v->stride;

		memcpy(data, &stamp, sizeof stamp);
		sge[i] = (struct ibv_sge){
			(uintptr_t)data, v->plan->bytes, v->mr->lkey};
		wr[i] = (struct ibv_send_wr){
			.wr_id = count,
			.next = i + 1 < count ? &wr[i + 1] : NULL,
			.sg_list = &sge[i],
			.num_sge = 1,
			.opcode = IBV_WR_SEND,
			.send_flags = i + 1 < count ? 0 : IBV_SEND_SIGNALED,
			.wr.ud = {v->ah, v->qpn, v->qkey},
		};
	}
	if (ibv_post_send(v->id->qp, wr, &bad) != 0)
		return fail("ibv_post_send");
	v->under_way += count;
	return 0;
}

static int verbs_send(void *state, uint64_t stamp, uint32_t count)
{
	for (uint32_t left = count; left > 0;) {
		uint32_t n = left < BATCH ? left : BATCH;

		if (send_chain(state, stamp, n) != 0)
			return -1;
		left -= n;
	}
	return (int)count;
}

static int verbs_receive(void *state, uint64_t *stamps)
{
	struct verbs *v = state;
	struct ibv_wc wc[BATCH];
	int n = ibv_poll_cq(v->cq, BATCH, wc);
	int taken = 0;

	if (n < 0)
		return fail("ibv_poll_cq");
	for (int i = 0; i < n; i++) {
		uint32_t which = (uint32_t)wc[i].wr_id;

		if (wc[i].status == IBV_WC_SUCCESS)
			memcpy(&stamps[taken++],
				v->buffers + (size_t)which * v->stride +
					GRH_BYTES,
				sizeof *stamps);
		give(v, which);
	}
	if (taken == 0)
		release(v);
	return taken;
}

/* Arm first; whoever then still finds nothing may sleep. */
static int verbs_wait(void *state)
{
	struct verbs *v = state;
	struct pollfd wake = {.fd = v->channel->fd, .events = POLLIN};
	struct ibv_cq *cq;
	void *context;

	if (!v->armed) {
		v->armed = true;
		return ibv_req_notify_cq(v->cq, 0) == 0 ? 0 : fail("arm");
	}
	if (poll(&wake, 1, 20) > 0 &&
		ibv_get_cq_event(v->channel, &cq, &context) == 0) {
		ibv_ack_cq_events(cq, 1);
		v->armed = false;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct perf_lane lane = {
		.name = "raw-verbs",
		.sender_open = sender_open,
		.receiver_open = receiver_open,
		.send = verbs_send,
		.receive = verbs_receive,
		.release = release,
		.wait = verbs_wait,
		.sender_close = verbs_close,
		.receiver_close = verbs_close,
	};

	return perf_main(argc, argv, &lane);
}
