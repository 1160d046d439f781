// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_endpoint.c - the queue pair: making it, waking from it, ending it.
 *
 * librdmacm brings the queue pair to work (INIT, RTR, RTS with the Q_Key of
 * its UDP port space), so it is ready for unicast as soon as it exists.
 *
 * Waking: one completion channel for a completion queue; fi_trywait takes its
 * old events away, asks each ibv_cq for the next one, and looks once more until
 * there is nothing, the order in which none is missed.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "verbs.h"

/* --------------------------------------------------------------- waking -- */

static void take_events(struct ibv_comp_channel *channel)
{
	struct ibv_cq *cq;
	void *context;

	while (ibv_get_cq_event(channel, &cq, &context) == 0)
		ibv_ack_cq_events(cq, 1);
}

static int verbs_arm(struct udmc_ep *base, struct udmc_cq *cq,
		unsigned int sides)
{
	struct udmc_verbs_ep *ep = udmc_verbs_ep(base);
	uint32_t before;
	int ret = 0;

	if (!base->enabled)
		return 0;
	take_events(cq->transport_data);
	if (sides & UDMC_TX)
		ret = ibv_req_notify_cq(ep->tx_cq, 0);
	if (!ret && sides & UDMC_RX &&
			(ep->rx_cq != ep->tx_cq || !(sides & UDMC_TX)))
		ret = ibv_req_notify_cq(ep->rx_cq, 0);
	if (ret)
		return -ret;
	/* Each look takes a batch, which may be of silent ones only; the device
	 * tells of nothing that was there before it was asked. */
	do {
		before = ep->rx.tail + ep->tx.done;
		udmc_verbs_progress(base, sides);
	} while (cq->head == cq->tail &&
			ep->rx.tail + ep->tx.done != before);
	return cq->head == cq->tail ? 0 : -FI_EAGAIN;
}

/* ----------------------------------------------------------- queue pair -- */

static struct ibv_cq *cq_create(struct udmc_verbs_ep *ep, struct udmc_cq *cq,
		uint32_t depth)
{
	return ibv_create_cq(ep->id->verbs, (int)depth, NULL,
			cq ? cq->transport_data : NULL, 0);
}

static int cqs_create(struct udmc_verbs_ep *ep)
{
	struct udmc_ep *base = &ep->base;

	errno = 0;
	if (base->tx_cq == base->rx_cq) {
		ep->tx_cq = cq_create(ep, base->tx_cq,
				base->tx_size + base->rx_size);
		ep->rx_cq = ep->tx_cq;
	} else {
		ep->tx_cq = cq_create(ep, base->tx_cq, base->tx_size);
		if (ep->tx_cq)
			ep->rx_cq = cq_create(ep, base->rx_cq, base->rx_size);
	}
	if (ep->tx_cq && ep->rx_cq)
		return 0;
	return errno ? -errno : -FI_ENOMEM;
}

static int qp_create(struct udmc_verbs_ep *ep)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = ep->tx_cq,
		.recv_cq = ep->rx_cq,
		.qp_type = IBV_QPT_UD,
		.cap = {
			.max_send_wr = ep->base.tx_size,
			.max_recv_wr = ep->base.rx_size,
			.max_send_sge = ep->base.tx_iov_max,
			.max_recv_sge = 1 + ep->base.rx_iov_max,
			.max_inline_data = UDMC_INJECT_MAX,
		},
	};
	struct ibv_pd *pd = udmc_verbs_domain(ep->base.domain)->pd;
	struct ibv_qp_init_attr plain = attr;

	if (rdma_create_qp(ep->id, pd, &attr) == 0) {
		ep->tx.inline_max = attr.cap.max_inline_data;
		return 0;
	}
	/* Without inline: injected sends go through registered memory. */
	plain.cap.max_inline_data = 0;
	if (rdma_create_qp(ep->id, pd, &plain))
		return -errno;
	ep->tx.inline_max = plain.cap.max_inline_data;
	return 0;
}

static int id_open(struct udmc_verbs_ep *ep)
{
	const struct udmc_device *device = &ep->base.domain->device;
	int flags;

	errno = ENODEV;
	ep->channel = rdma_create_event_channel();
	if (!ep->channel)
		return -errno;
	flags = fcntl(ep->channel->fd, F_GETFL);
	if (flags < 0 || fcntl(ep->channel->fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	if (rdma_create_id(ep->channel, &ep->id, ep, RDMA_PS_UDP))
		return -errno;
	return rdma_bind_addr(ep->id,
			(struct sockaddr *)(uintptr_t)&device->local.sa) ?
			-errno : 0;
}

static void teardown(struct udmc_verbs_ep *ep)
{
	if (ep->id && ep->id->qp)
		rdma_destroy_qp(ep->id);
	if (ep->rx_cq && ep->rx_cq != ep->tx_cq)
		ibv_destroy_cq(ep->rx_cq);
	if (ep->tx_cq)
		ibv_destroy_cq(ep->tx_cq);
	udmc_verbs_queues_close(ep);
	if (ep->id)
		rdma_destroy_id(ep->id);
	if (ep->channel)
		rdma_destroy_event_channel(ep->channel);
	ep->id = NULL;
	ep->channel = NULL;
	ep->tx_cq = ep->rx_cq = NULL;
}

static void name_self(struct udmc_verbs_ep *ep)
{
	ep->base.src = ep->base.domain->device.name_template;
	ep->base.src.ib.qpn = htole32(ep->id->qp->qp_num);
}

static int verbs_enable(struct udmc_ep *base)
{
	struct udmc_verbs_ep *ep = udmc_verbs_ep(base);
	int ret = id_open(ep);

	if (!ret)
		ret = cqs_create(ep);
	if (!ret)
		ret = qp_create(ep);
	if (!ret)
		ret = udmc_verbs_queues_open(ep);
	if (ret) {
		UDMC_WARN(EP_CTRL, "%s: %s\n", base->domain->device.name,
				strerror(-ret));
		teardown(ep);
		return ret;
	}
	name_self(ep);
	return 0;
}

static void verbs_close(struct udmc_ep *base)
{
	struct udmc_verbs_ep *ep = udmc_verbs_ep(base);

	teardown(ep);
	free(ep);
}

/* -------------------------------------------------------------- options -- */

static int verbs_setopt(struct udmc_ep *ep, int name, size_t value)
{
	if (name == FI_OPT_UDMC_TTL) {
		ep->ttl = (int)value;
		return 0;
	}
	if (name == FI_OPT_UDMC_LOOPBACK && value == 1)
		return 0;
	UDMC_INFO(EP_CTRL, "a queue pair has no socket buffer, and devices "
			"differ on blocking loopback: drop own frames by "
			"their sender, or join with FI_SEND only\n");
	return -FI_ENOPROTOOPT;
}

static int verbs_getopt(struct udmc_ep *ep, int name, size_t *value)
{
	if (name == FI_OPT_UDMC_TTL)
		*value = (size_t)ep->ttl;
	else if (name == FI_OPT_UDMC_LOOPBACK)
		*value = 1;
	else
		return -FI_ENOPROTOOPT;
	return 0;
}

/* A receive given to a device cannot be had back before the queue pair ends. */
static ssize_t verbs_cancel(struct udmc_ep *ep, void *context)
{
	(void)ep;
	(void)context;
	return -FI_ENOSYS;
}

static int verbs_control_fd(struct udmc_ep *ep)
{
	return udmc_verbs_ep(ep)->channel->fd;
}

static void verbs_stats(struct udmc_ep *ep, struct fi_udmc_stats *stats)
{
	(void)ep;
	(void)stats;
}

static const struct udmc_ep_ops verbs_ep_ops = {
	.enable = verbs_enable,
	.close = verbs_close,
	.send = udmc_verbs_send,
	.recv = udmc_verbs_recv,
	.cancel = verbs_cancel,
	.progress = udmc_verbs_progress,
	.arm = verbs_arm,
	.join = udmc_verbs_join,
	.leave = udmc_verbs_leave,
	.control_progress = udmc_verbs_control_progress,
	.control_fd = verbs_control_fd,
	.setopt = verbs_setopt,
	.getopt = verbs_getopt,
	.stats = verbs_stats,
};

int udmc_verbs_ep_alloc(struct udmc_domain *domain, const struct fi_info *info,
		struct udmc_ep **ep)
{
	struct udmc_verbs_ep *self = calloc(1, sizeof(*self));

	(void)domain;
	(void)info;
	if (!self)
		return -FI_ENOMEM;
	self->base.ops = &verbs_ep_ops;
	*ep = &self->base;
	return 0;
}
