// SPDX-License-Identifier: BSD-2-Clause
/*
 * memory.c - registered memory.
 *
 * A verbs domain demands FI_MR_LOCAL: every buffer carries the descriptor of
 * its region.  A UDP domain demands nothing, the kernel copies; registering is
 * allowed all the same, so a caller needs one code path.  There is no remote
 * access, so a key means nothing beyond being unique.
 *
 * Neighbours: verbs_device.c (mr_open).
 */
#include <stdlib.h>

#include "core.h"

static int mr_close(struct fid *fid)
{
	struct udmc_mr *mr = container_of(fid, struct udmc_mr, mr.fid);

	mr->domain->device.transport->mr_close(mr);
	atomic_fetch_sub(&mr->domain->users, 1);
	free(mr);
	return 0;
}

static struct fi_ops mr_fi_ops = {UDMC_FI_OPS(mr_close)};

static int mr_open(struct fid *fid, void *buf, size_t len, uint64_t access,
		uint64_t flags, void *context, struct fid_mr **mr)
{
	struct udmc_domain *domain;
	struct udmc_mr *self;
	int ret;

	if (fid->fclass != FI_CLASS_DOMAIN || !len)
		return -FI_EINVAL;
	if (flags)
		return -FI_EBADFLAGS;
	if (access & ~(FI_SEND | FI_RECV | FI_READ | FI_WRITE |
			FI_REMOTE_READ | FI_REMOTE_WRITE))
		return -FI_EINVAL;
	domain = container_of(fid, struct udmc_domain, domain.fid);
	self = calloc(1, sizeof(*self));
	if (!self)
		return -FI_ENOMEM;
	self->domain = domain;
	self->mr.fid.fclass = FI_CLASS_MR;
	self->mr.fid.context = context;
	self->mr.fid.ops = &mr_fi_ops;
	self->mr.mem_desc = self;
	self->mr.key = atomic_fetch_add(&domain->mr_key, 1) + 1;
	ret = domain->device.transport->mr_open(self, buf, len, access);
	if (ret) {
		free(self);
		return ret;
	}
	atomic_fetch_add(&domain->users, 1);
	*mr = &self->mr;
	return 0;
}

static int mr_reg(struct fid *fid, const void *buf, size_t len,
		uint64_t access, uint64_t offset, uint64_t requested_key,
		uint64_t flags, struct fid_mr **mr, void *context)
{
	(void)offset; /* Both concern remote access. */
	(void)requested_key;
	return mr_open(fid, (void *)(uintptr_t)buf, len, access, flags,
			context, mr);
}

static int mr_regv(struct fid *fid, const struct iovec *iov, size_t count,
		uint64_t access, uint64_t offset, uint64_t requested_key,
		uint64_t flags, struct fid_mr **mr, void *context)
{
	(void)offset;
	(void)requested_key;
	if (count != 1) /* domain_attr->mr_iov_limit. */
		return -FI_EINVAL;
	return mr_open(fid, iov->iov_base, iov->iov_len, access, flags,
			context, mr);
}

static int mr_regattr(struct fid *fid, const struct fi_mr_attr *attr,
		uint64_t flags, struct fid_mr **mr)
{
	if (attr->iov_count != 1 || attr->iface != FI_HMEM_SYSTEM)
		return -FI_EINVAL;
	return mr_open(fid, attr->mr_iov->iov_base, attr->mr_iov->iov_len,
			attr->access, flags, attr->context, mr);
}

struct fi_ops_mr udmc_mr_ops = {
	.size = sizeof(struct fi_ops_mr),
	.reg = mr_reg,
	.regv = mr_regv,
	.regattr = mr_regattr,
};
