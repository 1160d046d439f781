// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_group.c - joining through librdmacm.
 *
 * rdma_join_multicast also sends the IGMP report that RoCE v2 needs to get
 * through switches (a bare ibv_attach_mcast does not), and attaches the queue
 * pair when its event is read.  The event comes over the endpoint's channel,
 * which is non-blocking and part of the event queue's descriptor: no thread.
 *
 *	join --> RDMA_CM_EVENT_MULTICAST_JOIN  --> address handle --> joined
 *	   \---> RDMA_CM_EVENT_MULTICAST_ERROR --> full member, or error
 *
 * A send-only member hears nothing, its own frames included.  A subnet manager
 * may not know that kind of member; then we join fully.
 *
 * The Q_Key of a group is the same for everybody: it keeps no one out.
 */
#include <errno.h>
#include <string.h>

#include "verbs.h"

static int post_join(struct udmc_mc *mc, bool send_only)
{
	struct udmc_verbs_ep *ep = udmc_verbs_ep(mc->ep);
	struct rdma_cm_join_mc_attr_ex attr = {
		.comp_mask = RDMA_CM_JOIN_MC_ATTR_ADDRESS |
				RDMA_CM_JOIN_MC_ATTR_JOIN_FLAGS,
		.join_flags = RDMA_MC_JOIN_FLAG_SENDONLY_FULLMEMBER,
		.addr = &mc->group.sa,
	};
	int ret;

	/* Which kind is under way. */
	mc->transport_data = send_only ? mc : NULL;
	ret = send_only ? rdma_join_multicast_ex(ep->id, &attr, mc) :
			rdma_join_multicast(ep->id, &mc->group.sa, mc);
	return ret ? -errno : 0;
}

int udmc_verbs_join(struct udmc_mc *mc)
{
	const struct udmc_device *device = &mc->ep->domain->device;
	bool send_only = !(mc->flags & FI_RECV);
	int ret;

	if (mc->group.sa.sa_family != device->local.sa.sa_family)
		return -FI_EINVAL;
	if (mc->group.sa.sa_family == AF_INET6)
		mc->group.in6.sin6_scope_id = device->ifindex;
	/* There are no ports here: a group is its address. */
	for (struct udmc_mc *m = mc->ep->mcs; m; m = m->next)
		if (m != mc && udmc_same_host(&m->group.sa, &mc->group.sa))
			return -FI_EADDRINUSE;
	ret = post_join(mc, send_only);
	if (ret && send_only) {
		UDMC_INFO(EP_CTRL, "no send-only members here (%s): own frames "
				"will come back\n", strerror(-ret));
		ret = post_join(mc, false);
	}
	if (ret)
		UDMC_WARN(EP_CTRL, "join on %s: %s\n", device->name,
				strerror(-ret));
	return ret;
}

static int open_peer(struct udmc_mc *mc, const struct rdma_ud_param *ud)
{
	struct ibv_ah_attr attr = ud->ah_attr;

	if (!(mc->flags & FI_SEND))
		return 0;
	attr.grh.hop_limit = (uint8_t)mc->ep->ttl;
	mc->peer.handle = udmc_verbs_way_open(mc->ep->domain, &attr);
	if (!mc->peer.handle)
		return errno ? errno : FI_EOTHER;
	mc->peer.qpn = ud->qp_num;
	mc->peer.qkey = ud->qkey;
	mc->peer.used = true;
	return 0;
}

static void joined(struct udmc_mc *mc, const struct rdma_ud_param *ud)
{
	int err = open_peer(mc, ud);

	udmc_mc_joined(mc, err, err);
}

static void failed(struct udmc_mc *mc, int status)
{
	struct udmc_verbs_ep *ep = udmc_verbs_ep(mc->ep);
	int err = status < 0 ? -status : FI_EIO;

	if (!mc->joined && mc->transport_data) {
		rdma_leave_multicast(ep->id, &mc->group.sa);
		if (post_join(mc, false) == 0)
			return;
	}
	UDMC_WARN(EP_CTRL, "group on %s: %s\n", mc->ep->domain->device.name,
			strerror(err));
	udmc_mc_joined(mc, err, err);
}

void udmc_verbs_control_progress(struct udmc_ep *base)
{
	struct udmc_verbs_ep *ep = udmc_verbs_ep(base);
	struct rdma_cm_event *event;

	while (ep->channel && rdma_get_cm_event(ep->channel, &event) == 0) {
		enum rdma_cm_event_type type = event->event;
		struct rdma_ud_param ud = event->param.ud;
		int status = event->status;
		struct udmc_mc *mc;

		rdma_ack_cm_event(event);
		switch (type) {
		case RDMA_CM_EVENT_MULTICAST_JOIN:
			mc = (struct udmc_mc *)(uintptr_t)ud.private_data;
			joined(mc, &ud);
			break;
		case RDMA_CM_EVENT_MULTICAST_ERROR:
			mc = (struct udmc_mc *)(uintptr_t)ud.private_data;
			failed(mc, status);
			break;
		case RDMA_CM_EVENT_DEVICE_REMOVAL:
			udmc_eq_push_error(base->eq, &base->ep.fid,
					base->ep.fid.context, FI_ENODEV,
					ENODEV);
			break;
		default:
			UDMC_INFO(EP_CTRL, "%s\n", rdma_event_str(type));
			break;
		}
	}
}

void udmc_verbs_leave(struct udmc_mc *mc)
{
	struct udmc_verbs_ep *ep = udmc_verbs_ep(mc->ep);

	rdma_leave_multicast(ep->id, &mc->group.sa);
	udmc_verbs_way_close(mc->peer.handle);
}
