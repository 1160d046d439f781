// SPDX-License-Identifier: BSD-2-Clause
/*
 * fabric.c - the outermost object: opens domains and event queues, and asks
 * queues whether it is safe to sleep on them.
 *
 * Neighbours: domain.c, event.c, completion.c.
 */
#include <stdlib.h>

#include "core.h"

static int fabric_close(struct fid *fid)
{
	struct udmc_fabric *fabric =
			container_of(fid, struct udmc_fabric, fabric.fid);

	if (atomic_load(&fabric->users))
		return -FI_EBUSY;
	free(fabric);
	return 0;
}

static int fabric_trywait(struct fid_fabric *fabric, struct fid **fids,
		int count)
{
	int ret = 0;

	(void)fabric;
	for (int i = 0; i < count && !ret; i++) {
		if (fids[i]->fclass == FI_CLASS_CQ)
			ret = udmc_cq_trywait(container_of(
					fids[i], struct udmc_cq, cq.fid));
		else if (fids[i]->fclass == FI_CLASS_EQ)
			ret = udmc_eq_trywait(container_of(
					fids[i], struct udmc_eq, eq.fid));
		else
			ret = -FI_EINVAL;
	}
	return ret;
}

static int no_passive_ep(struct fid_fabric *fabric, struct fi_info *info,
		struct fid_pep **pep, void *context)
{
	(void)fabric;
	(void)info;
	(void)pep;
	(void)context;
	UDMC_INFO(FABRIC, "datagrams have no connections to listen for\n");
	return -FI_ENOSYS;
}

static int no_wait_open(struct fid_fabric *fabric, struct fi_wait_attr *attr,
		struct fid_wait **waitset)
{
	(void)fabric;
	(void)attr;
	(void)waitset;
	UDMC_INFO(FABRIC, "no wait sets: open queues with FI_WAIT_FD\n");
	return -FI_ENOSYS;
}

static int domain2(struct fid_fabric *fabric, struct fi_info *info,
		struct fid_domain **domain, uint64_t flags, void *context)
{
	if (flags)
		return -FI_EBADFLAGS;
	return udmc_domain_open(fabric, info, domain, context);
}

static struct fi_ops fabric_fi_ops = {UDMC_FI_OPS(fabric_close)};

static struct fi_ops_fabric fabric_ops = {
	.size = sizeof(struct fi_ops_fabric),
	.domain = udmc_domain_open,
	.passive_ep = no_passive_ep,
	.eq_open = udmc_eq_open,
	.wait_open = no_wait_open,
	.trywait = fabric_trywait,
	.domain2 = domain2,
};

int udmc_fabric_open(struct fi_fabric_attr *attr, struct fid_fabric **fabric,
		void *context)
{
	struct udmc_fabric *self = calloc(1, sizeof(*self));

	if (!self)
		return -FI_ENOMEM;
	self->fabric.fid.fclass = FI_CLASS_FABRIC;
	self->fabric.fid.context = context;
	self->fabric.fid.ops = &fabric_fi_ops;
	self->fabric.ops = &fabric_ops;
	/* The core sets this too; a direct caller has no core. */
	self->fabric.api_version = attr->api_version;
	*fabric = &self->fabric;
	return 0;
}
