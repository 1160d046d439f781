// SPDX-License-Identifier: BSD-2-Clause
/*
 * endpoint.c - the datagram endpoint, as far as both transports agree.
 *
 *	open --bind, setopt, setname--> configured --fi_enable--> working
 *
 * The socket or queue pair comes with fi_enable: until then the endpoint is a
 * set of wishes, and messages answer -FI_EOPBADSTATE.
 *
 * Neighbours: message.c (the data calls), group.c (fi_join), the transports.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

static inline struct udmc_ep *fid_to_ep(struct fid *fid)
{
	return container_of(fid, struct udmc_ep, ep.fid);
}

/* ---------------------------------------------------------------- bind -- */

static int bind_cq(struct udmc_ep *ep, struct udmc_cq *cq, uint64_t flags)
{
	unsigned int sides = (flags & FI_TRANSMIT ? UDMC_TX : 0) |
			(flags & FI_RECV ? UDMC_RX : 0);
	uint64_t always = flags & FI_SELECTIVE_COMPLETION ? 0 : FI_COMPLETION;
	int ret;

	if (flags & ~(FI_TRANSMIT | FI_RECV | FI_SELECTIVE_COMPLETION))
		return -FI_EBADFLAGS;
	if (!sides || cq->domain != ep->domain)
		return -FI_EINVAL;
	if ((sides & UDMC_TX && ep->tx_cq) || (sides & UDMC_RX && ep->rx_cq))
		return -FI_EBUSY;
	ret = udmc_cq_bind(cq, ep, sides);
	if (ret)
		return ret;
	if (sides & UDMC_TX) {
		ep->tx_cq = cq;
		ep->tx_msg_flags = always;
		ep->tx_flags |= always;
	}
	if (sides & UDMC_RX) {
		ep->rx_cq = cq;
		ep->rx_msg_flags = always;
		ep->rx_flags |= always;
	}
	return 0;
}

static int ep_bind(struct fid *fid, struct fid *bfid, uint64_t flags)
{
	struct udmc_ep *ep = fid_to_ep(fid);
	struct udmc_av *av;
	struct udmc_eq *eq;

	if (ep->enabled)
		return -FI_EOPBADSTATE;
	switch (bfid->fclass) {
	case FI_CLASS_CQ:
		return bind_cq(ep, container_of(bfid, struct udmc_cq, cq.fid),
				flags);
	case FI_CLASS_AV:
		av = container_of(bfid, struct udmc_av, av.fid);
		if (av->domain != ep->domain)
			return -FI_EINVAL;
		if (ep->av)
			return -FI_EBUSY;
		ep->av = av;
		atomic_fetch_add(&av->users, 1);
		return 0;
	case FI_CLASS_EQ:
		eq = container_of(bfid, struct udmc_eq, eq.fid);
		if (eq->fabric != ep->domain->fabric)
			return -FI_EINVAL;
		if (ep->eq)
			return -FI_EBUSY;
		ep->eq = eq;
		udmc_eq_attach(eq, ep);
		return 0;
	default:
		UDMC_INFO(EP_CTRL, "cannot bind an object of class %zu\n",
				bfid->fclass);
		return -FI_ENOSYS;
	}
}

/* -------------------------------------------------------------- enable -- */

static int enable(struct udmc_ep *ep)
{
	int ret;

	if (ep->enabled)
		return -FI_EOPBADSTATE;
	if ((ep->caps & FI_SEND && !ep->tx_cq) ||
			(ep->caps & FI_RECV && !ep->rx_cq)) {
		UDMC_WARN(EP_CTRL, "bind completion queues for FI_TRANSMIT "
				"and FI_RECV before fi_enable\n");
		return -FI_ENOCQ;
	}
	ret = ep->ops->enable(ep);
	if (ret)
		return ret;
	if (ep->eq)
		ret = udmc_eq_watch(ep->eq, ep->ops->control_fd(ep));
	if (ret)
		return ret;
	ep->enabled = true;
	ep->ep.msg = &udmc_msg_ops;
	return 0;
}

static int ops_flags(struct udmc_ep *ep, int command, uint64_t *flags)
{
	bool tx = *flags & FI_TRANSMIT, rx = *flags & FI_RECV;
	uint64_t value = *flags & ~(FI_TRANSMIT | FI_RECV);

	if (tx == rx)
		return -FI_EINVAL;
	if (command == FI_GETOPSFLAG)
		*flags = tx ? ep->tx_flags : ep->rx_flags;
	else if (value & ~(FI_COMPLETION | FI_MULTICAST | FI_INJECT |
			FI_INJECT_COMPLETE | FI_TRANSMIT_COMPLETE))
		return -FI_EBADFLAGS;
	else if (tx)
		ep->tx_flags = value | ep->tx_msg_flags;
	else
		ep->rx_flags = value | ep->rx_msg_flags;
	return 0;
}

static int ep_control(struct fid *fid, int command, void *arg)
{
	struct udmc_ep *ep = fid_to_ep(fid);

	switch (command) {
	case FI_ENABLE:
		return enable(ep);
	case FI_GETOPSFLAG:
	case FI_SETOPSFLAG:
		return ops_flags(ep, command, arg);
	default:
		return -FI_ENOSYS;
	}
}

/* --------------------------------------------------------------- close -- */

static int ep_close(struct fid *fid)
{
	struct udmc_ep *ep = fid_to_ep(fid);
	struct udmc_domain *domain = ep->domain;

	if (ep->mcs)
		return -FI_EBUSY;
	if (ep->eq)
		udmc_eq_detach(ep->eq, ep);
	if (ep->tx_cq)
		udmc_cq_unbind(ep->tx_cq, ep);
	if (ep->rx_cq && ep->rx_cq != ep->tx_cq)
		udmc_cq_unbind(ep->rx_cq, ep);
	if (ep->av)
		atomic_fetch_sub(&ep->av->users, 1);
	free(ep->group);
	ep->ops->close(ep);
	atomic_fetch_sub(&domain->users, 1);
	return 0;
}

/* ------------------------------------------------------------- options -- */

static ssize_t ep_cancel(fid_t fid, void *context)
{
	struct udmc_ep *ep = fid_to_ep(fid);

	return ep->enabled ? ep->ops->cancel(ep, context) : -FI_EOPBADSTATE;
}

static int ep_setopt(fid_t fid, int level, int name, const void *value,
		size_t bytes)
{
	struct udmc_ep *ep = fid_to_ep(fid);
	size_t v;

	if (level != FI_OPT_ENDPOINT)
		return -FI_ENOPROTOOPT;
	switch (name) {
	case FI_OPT_UDMC_TTL:
	case FI_OPT_UDMC_LOOPBACK:
		if (bytes != sizeof(int) || *(const int *)value < 0)
			return -FI_EINVAL;
		v = (size_t)*(const int *)value;
		if (v > (name == FI_OPT_UDMC_TTL ? 255u : 1u))
			return -FI_EINVAL;
		return ep->ops->setopt(ep, name, v);
	case FI_OPT_UDMC_RCVBUF:
	case FI_OPT_UDMC_SNDBUF:
		if (bytes != sizeof(size_t))
			return -FI_EINVAL;
		v = *(const size_t *)value;
		if (v > 1u << 30)
			return -FI_EINVAL;
		return ep->ops->setopt(ep, name, v);
	default:
		return -FI_ENOPROTOOPT;
	}
}

static int ep_getopt(fid_t fid, int level, int name, void *value,
		size_t *bytes)
{
	struct udmc_ep *ep = fid_to_ep(fid);
	bool is_int = name == FI_OPT_UDMC_TTL || name == FI_OPT_UDMC_LOOPBACK;
	size_t room = *bytes, v;
	int ret;

	if (level != FI_OPT_ENDPOINT)
		return -FI_ENOPROTOOPT;
	*bytes = is_int ? sizeof(int) : sizeof(size_t);
	if (room < *bytes)
		return -FI_ETOOSMALL;
	ret = ep->ops->getopt(ep, name, &v);
	if (ret)
		return ret;
	if (is_int)
		*(int *)value = (int)v;
	else
		*(size_t *)value = v;
	return 0;
}

static int no_tx_ctx(struct fid_ep *sep, int index, struct fi_tx_attr *attr,
		struct fid_ep **tx_ep, void *context)
{
	(void)sep;
	(void)index;
	(void)attr;
	(void)tx_ep;
	(void)context;
	return -FI_ENOSYS;
}

static int no_rx_ctx(struct fid_ep *sep, int index, struct fi_rx_attr *attr,
		struct fid_ep **rx_ep, void *context)
{
	(void)sep;
	(void)index;
	(void)attr;
	(void)rx_ep;
	(void)context;
	return -FI_ENOSYS;
}

static ssize_t no_size_left(struct fid_ep *ep)
{
	(void)ep;
	return -FI_ENOSYS;
}

/* ----------------------------------------------------------- extension -- */

static int ep_stats(struct fid_ep *fid, struct fi_udmc_stats *stats,
		size_t bytes)
{
	struct udmc_ep *ep = container_of(fid, struct udmc_ep, ep);
	struct fi_udmc_stats full = ep->count;

	if (!bytes || bytes > 1024)
		return -FI_EINVAL;
	for (struct udmc_mc *mc = ep->mcs; mc; mc = mc->next)
		full.groups++;
	if (ep->enabled)
		ep->ops->stats(ep, &full);
	memset(stats, 0, bytes);
	memcpy(stats, &full, bytes < sizeof(full) ? bytes : sizeof(full));
	return 0;
}

static int ep_ops_open(struct fid *fid, const char *name, uint64_t flags,
		void **ops, void *context)
{
	static struct fi_udmc_ops_ep extension = {
		.size = sizeof(extension),
		.stats = ep_stats,
	};

	(void)fid;
	(void)context;
	if (flags || strcmp(name, FI_UDMC_EP_OPS) != 0)
		return -FI_ENOSYS;
	*ops = &extension;
	return 0;
}

/* --------------------------------------------------------------- names -- */

static int ep_setname(fid_t fid, void *addr, size_t addrlen)
{
	struct udmc_ep *ep = fid_to_ep(fid);

	if (ep->enabled)
		return -FI_EOPBADSTATE;
	if (ep->domain->device.addr_format == FI_ADDR_IB_UD) {
		UDMC_INFO(EP_CTRL, "the device chooses its queue pair number\n");
		return -FI_ENOSYS;
	}
	if (addrlen != ep->domain->device.addrlen)
		return -FI_EINVAL;
	if (((struct sockaddr *)addr)->sa_family !=
			ep->domain->device.local.sa.sa_family ||
			udmc_is_multicast(addr))
		return -FI_EADDRNOTAVAIL;
	memcpy(&ep->src, addr, addrlen);
	return 0;
}

static int ep_getname(fid_t fid, void *addr, size_t *addrlen)
{
	struct udmc_ep *ep = fid_to_ep(fid);
	size_t room = *addrlen;

	*addrlen = ep->domain->device.addrlen;
	memcpy(addr, &ep->src, room < *addrlen ? room : *addrlen);
	if (room < *addrlen)
		return -FI_ETOOSMALL;
	/* A queue pair has no number before fi_enable. */
	if (!ep->enabled && ep->domain->device.addr_format == FI_ADDR_IB_UD)
		return -FI_EOPBADSTATE;
	return 0;
}

static int no_getpeer(struct fid_ep *ep, void *addr, size_t *addrlen)
{
	(void)ep;
	(void)addr;
	(void)addrlen;
	return -FI_ENOSYS;
}

static int no_connect(struct fid_ep *ep, const void *addr, const void *param,
		size_t paramlen)
{
	(void)ep;
	(void)addr;
	(void)param;
	(void)paramlen;
	return -FI_ENOSYS;
}

static int no_listen(struct fid_pep *pep)
{
	(void)pep;
	return -FI_ENOSYS;
}

static int no_accept(struct fid_ep *ep, const void *param, size_t paramlen)
{
	(void)ep;
	(void)param;
	(void)paramlen;
	return -FI_ENOSYS;
}

static int no_reject(struct fid_pep *pep, fid_t handle, const void *param,
		size_t paramlen)
{
	(void)pep;
	(void)handle;
	(void)param;
	(void)paramlen;
	return -FI_ENOSYS;
}

static int no_shutdown(struct fid_ep *ep, uint64_t flags)
{
	(void)ep;
	(void)flags;
	return -FI_ENOSYS;
}

static struct fi_ops ep_fi_ops = {
	.size = sizeof(struct fi_ops),
	.close = ep_close,
	.bind = ep_bind,
	.control = ep_control,
	.ops_open = ep_ops_open,
	.tostr = udmc_no_tostr,
	.ops_set = udmc_no_ops_set,
};

static struct fi_ops_ep ep_ops = {
	.size = sizeof(struct fi_ops_ep),
	.cancel = ep_cancel,
	.getopt = ep_getopt,
	.setopt = ep_setopt,
	.tx_ctx = no_tx_ctx,
	.rx_ctx = no_rx_ctx,
	.rx_size_left = no_size_left,
	.tx_size_left = no_size_left,
};

static struct fi_ops_cm ep_cm_ops = {
	.size = sizeof(struct fi_ops_cm),
	.setname = ep_setname,
	.getname = ep_getname,
	.getpeer = no_getpeer,
	.connect = no_connect,
	.listen = no_listen,
	.accept = no_accept,
	.reject = no_reject,
	.shutdown = no_shutdown,
	.join = udmc_join,
};

/* ---------------------------------------------------------------- open -- */

static uint32_t depth(size_t asked, uint32_t otherwise)
{
	return udmc_power_of_two(asked ? asked : otherwise);
}

static int fill_base(struct udmc_ep *ep, struct udmc_domain *domain,
		const struct fi_info *info)
{
	struct udmc_settings settings = udmc_settings();
	const struct udmc_device *device = &domain->device;

	if (info->tx_attr->size > UDMC_QUEUE_MAX ||
			info->rx_attr->size > UDMC_QUEUE_MAX)
		return -FI_EINVAL;
	ep->domain = domain;
	ep->caps = info->caps;
	if (!(ep->caps & (FI_SEND | FI_RECV)))
		ep->caps |= FI_SEND | FI_RECV;
	ep->source = info->caps & FI_SOURCE;
	ep->tx_flags = info->tx_attr->op_flags;
	ep->rx_flags = info->rx_attr->op_flags;
	ep->tx_size = depth(info->tx_attr->size, UDMC_QUEUE_TX);
	ep->rx_size = depth(info->rx_attr->size, UDMC_QUEUE_RX);
	ep->tx_iov_max = UDMC_IOV_TX_MAX;
	ep->rx_iov_max = UDMC_IOV_RX_MAX;
	ep->inject_max = UDMC_INJECT_MAX;
	ep->msg_bytes_max = device->msg_bytes_max;
	ep->ttl = settings.ttl;
	ep->loopback = settings.loopback;
	ep->rcvbuf = settings.rcvbuf;
	ep->sndbuf = settings.sndbuf;
	ep->src = device->name_template;
	if (info->src_addr && info->src_addrlen == device->addrlen)
		memcpy(&ep->src, info->src_addr, device->addrlen);
	return 0;
}

int udmc_ep_open(struct fid_domain *domain, struct fi_info *info,
		struct fid_ep **ep, void *context)
{
	struct udmc_domain *d = container_of(domain, struct udmc_domain, domain);
	struct udmc_ep *self;
	int ret;

	if (info->ep_attr->type != FI_EP_DGRAM &&
			info->ep_attr->type != FI_EP_UNSPEC)
		return -FI_EINVAL;
	ret = d->device.transport->ep_alloc(d, info, &self);
	if (ret)
		return ret;
	ret = fill_base(self, d, info);
	if (ret) {
		self->ops->close(self);
		return ret;
	}
	self->ep.fid.fclass = FI_CLASS_EP;
	self->ep.fid.context = context;
	self->ep.fid.ops = &ep_fi_ops;
	self->ep.ops = &ep_ops;
	self->ep.cm = &ep_cm_ops;
	self->ep.msg = &udmc_msg_disabled;
	self->ep.rma = &udmc_no_rma;
	self->ep.tagged = &udmc_no_tagged;
	self->ep.atomic = &udmc_no_atomic;
	self->ep.collective = &udmc_no_collective;
	atomic_fetch_add(&d->users, 1);
	*ep = &self->ep;
	return 0;
}
