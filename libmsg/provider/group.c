// SPDX-License-Identifier: BSD-2-Clause
/*
 * group.c - fi_join, and leaving by fi_close.
 *
 *	fi_join --> ops->join ... udmc_mc_joined --> FI_JOIN_COMPLETE (fid: mc)
 *	                               \-- error --> fi_eq_readerr   (fid: mc)
 *
 * The kernel joins at once, librdmacm takes 1 to 100 ms: the caller sees one
 * way, an event.  FI_SEND alone joins for sending (no own frames come back),
 * FI_RECV alone for receiving; neither or both means both.
 *
 * fi_mc_addr is a tagged index into the endpoint's table, so an address kept
 * after leaving is refused (-FI_EINVAL) rather than followed, and FI_MULTICAST
 * on the send may be given or not.
 *
 * Neighbours: udp_group.c, verbs_group.c.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

static int table_add(struct udmc_ep *ep, struct udmc_mc *mc)
{
	struct udmc_peer **more;
	uint32_t i = 0;

	/* An index in use may hold NULL while its join is under way: look at
	 * the groups themselves. */
	for (struct udmc_mc *m = ep->mcs; m;) {
		if (m->index == i) {
			i++;
			m = ep->mcs;
		} else {
			m = m->next;
		}
	}
	if (i == ep->group_count) {
		more = realloc(ep->group, (i + 1) * sizeof(struct udmc_peer *));
		if (!more)
			return -FI_ENOMEM;
		ep->group = more;
		ep->group_count++;
	}
	ep->group[i] = NULL;
	mc->index = i;
	mc->next = ep->mcs;
	ep->mcs = mc;
	return 0;
}

static void table_remove(struct udmc_ep *ep, struct udmc_mc *mc)
{
	struct udmc_mc **link = &ep->mcs;

	while (*link != mc)
		link = &(*link)->next;
	*link = mc->next;
	ep->group[mc->index] = NULL;
}

static int mc_close(struct fid *fid)
{
	struct udmc_mc *mc = container_of(fid, struct udmc_mc, mc.fid);
	struct udmc_ep *ep = mc->ep;

	ep->ops->leave(mc);
	table_remove(ep, mc);
	udmc_eq_forget(ep->eq, &mc->mc.fid);
	free(mc);
	return 0;
}

static struct fi_ops mc_fi_ops = {UDMC_FI_OPS(mc_close)};

void udmc_mc_joined(struct udmc_mc *mc, int err, int prov_errno)
{
	struct udmc_ep *ep = mc->ep;
	int ret;

	mc->joined = !err;
	if (err) {
		ep->group[mc->index] = NULL;
		ret = udmc_eq_push_error(ep->eq, &mc->mc.fid,
				mc->mc.fid.context, err, prov_errno);
	} else {
		if (mc->flags & FI_SEND)
			ep->group[mc->index] = &mc->peer;
		ret = udmc_eq_push(ep->eq, FI_JOIN_COMPLETE, &mc->mc.fid,
				mc->mc.fid.context);
	}
	if (ret)
		UDMC_WARN(EQ, "no memory for the event of a join\n");
}

static int copy_group(union udmc_address *group, const void *addr)
{
	const struct sockaddr *sa = addr;

	if (!udmc_is_multicast(sa)) {
		UDMC_WARN(EP_CTRL, "fi_join takes a struct sockaddr_in or "
				"sockaddr_in6 with a multicast address\n");
		return -FI_EINVAL;
	}
	memset(group, 0, sizeof(*group));
	if (sa->sa_family == AF_INET)
		memcpy(&group->in, addr, sizeof(group->in));
	else
		memcpy(&group->in6, addr, sizeof(group->in6));
	return 0;
}

static int check(const struct udmc_ep *ep, uint64_t flags)
{
	if (!ep->enabled)
		return -FI_EOPBADSTATE;
	if (!ep->eq) {
		UDMC_WARN(EP_CTRL, "bind an event queue before fi_join\n");
		return -FI_ENOEQ;
	}
	if (!ep->domain->device.multicast) {
		UDMC_WARN(EP_CTRL, "%s has no multicast\n",
				ep->domain->device.ifname);
		return -FI_EOPNOTSUPP;
	}
	if (flags & ~(FI_SEND | FI_RECV))
		return -FI_EBADFLAGS;
	return 0;
}

int udmc_join(struct fid_ep *fid, const void *addr, uint64_t flags,
		struct fid_mc **mc, void *context)
{
	struct udmc_ep *ep = container_of(fid, struct udmc_ep, ep);
	struct udmc_mc *self;
	int ret = check(ep, flags);

	if (ret)
		return ret;
	self = calloc(1, sizeof(*self));
	if (!self)
		return -FI_ENOMEM;
	self->ep = ep;
	self->flags = flags ? flags : FI_SEND | FI_RECV;
	self->mc.fid.fclass = FI_CLASS_MC;
	self->mc.fid.context = context;
	self->mc.fid.ops = &mc_fi_ops;
	ret = copy_group(&self->group, addr);
	if (!ret)
		ret = table_add(ep, self);
	if (ret) {
		free(self);
		return ret;
	}
	self->mc.fi_addr = UDMC_GROUP_TAG | self->index;
	ret = ep->ops->join(self);
	if (ret) {
		table_remove(ep, self);
		free(self);
		return ret;
	}
	*mc = &self->mc;
	return 0;
}
