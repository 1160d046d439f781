// SPDX-License-Identifier: BSD-2-Clause
/*
 * domain.c - one device opened: a network interface or an RDMA port.
 *
 * The device is looked up again by the name in the fi_info, so an info kept
 * for a while opens what the machine has today, or fails.
 *
 * Neighbours: fabric.c opens it; opens everything else.
 */
#include <stdlib.h>

#include "core.h"

static int domain_close(struct fid *fid)
{
	struct udmc_domain *domain =
			container_of(fid, struct udmc_domain, domain.fid);

	if (atomic_load(&domain->users))
		return -FI_EBUSY;
	domain->device.transport->domain_close(domain);
	atomic_fetch_sub(&domain->fabric->users, 1);
	free(domain);
	return 0;
}

static int no_scalable_ep(struct fid_domain *domain, struct fi_info *info,
		struct fid_ep **sep, void *context)
{
	(void)domain;
	(void)info;
	(void)sep;
	(void)context;
	return -FI_ENOSYS;
}

static int no_cntr_open(struct fid_domain *domain, struct fi_cntr_attr *attr,
		struct fid_cntr **cntr, void *context)
{
	(void)domain;
	(void)attr;
	(void)cntr;
	(void)context;
	UDMC_INFO(DOMAIN, "no counters: bind a completion queue\n");
	return -FI_ENOSYS;
}

static int no_poll_open(struct fid_domain *domain, struct fi_poll_attr *attr,
		struct fid_poll **pollset)
{
	(void)domain;
	(void)attr;
	(void)pollset;
	return -FI_ENOSYS;
}

static int no_stx_ctx(struct fid_domain *domain, struct fi_tx_attr *attr,
		struct fid_stx **stx, void *context)
{
	(void)domain;
	(void)attr;
	(void)stx;
	(void)context;
	return -FI_ENOSYS;
}

static int no_srx_ctx(struct fid_domain *domain, struct fi_rx_attr *attr,
		struct fid_ep **rx_ep, void *context)
{
	(void)domain;
	(void)attr;
	(void)rx_ep;
	(void)context;
	return -FI_ENOSYS;
}

static int no_query_atomic(struct fid_domain *domain,
		enum fi_datatype datatype, enum fi_op op,
		struct fi_atomic_attr *attr, uint64_t flags)
{
	(void)domain;
	(void)datatype;
	(void)op;
	(void)attr;
	(void)flags;
	return -FI_ENOSYS;
}

static int no_query_collective(struct fid_domain *domain,
		enum fi_collective_op coll, struct fi_collective_attr *attr,
		uint64_t flags)
{
	(void)domain;
	(void)coll;
	(void)attr;
	(void)flags;
	return -FI_ENOSYS;
}

static int endpoint2(struct fid_domain *domain, struct fi_info *info,
		struct fid_ep **ep, uint64_t flags, void *context)
{
	if (flags)
		return -FI_EBADFLAGS;
	return udmc_ep_open(domain, info, ep, context);
}

static struct fi_ops domain_fi_ops = {UDMC_FI_OPS(domain_close)};

static struct fi_ops_domain domain_ops = {
	.size = sizeof(struct fi_ops_domain),
	.av_open = udmc_av_open,
	.cq_open = udmc_cq_open,
	.endpoint = udmc_ep_open,
	.scalable_ep = no_scalable_ep,
	.cntr_open = no_cntr_open,
	.poll_open = no_poll_open,
	.stx_ctx = no_stx_ctx,
	.srx_ctx = no_srx_ctx,
	.query_atomic = no_query_atomic,
	.query_collective = no_query_collective,
	.endpoint2 = endpoint2,
};

int udmc_domain_open(struct fid_fabric *fabric, struct fi_info *info,
		struct fid_domain **domain, void *context)
{
	struct udmc_domain *self = calloc(1, sizeof(*self));
	int ret;

	if (!self)
		return -FI_ENOMEM;
	ret = udmc_device_find(info, &self->device);
	if (!ret)
		ret = self->device.transport->domain_open(self);
	if (ret) {
		free(self);
		return ret;
	}
	self->fabric = container_of(fabric, struct udmc_fabric, fabric);
	self->av_type = info->domain_attr->av_type;
	self->domain.fid.fclass = FI_CLASS_DOMAIN;
	self->domain.fid.context = context;
	self->domain.fid.ops = &domain_fi_ops;
	self->domain.ops = &domain_ops;
	self->domain.mr = &udmc_mr_ops;
	atomic_fetch_add(&self->fabric->users, 1);
	*domain = &self->domain;
	return 0;
}
