// SPDX-License-Identifier: BSD-2-Clause
/*
 * message.c - fi_send and its eight relatives, brought to one send and one
 * receive.
 *
 * All that differs between them is where the flags come from: the call itself
 * (fi_sendmsg, fi_recvmsg) or the endpoint's defaults.  FI_COMPLETION is
 * resolved here, so a transport asks one bit whether to report a success;
 * failures are always reported.
 *
 * Neighbours: called through fid_ep; calls udmc_ep_ops.send and .recv of
 * udp_send.c, udp_receive.c, verbs_queue.c.  Path: steady.
 */
#include "core.h"

/* What fi_sendmsg may carry.  A datagram's transmission completes when the
 * buffer is free again, so that is what both completion levels mean here. */
#define SEND_FLAGS \
	(FI_MSG | FI_SEND | FI_MORE | FI_COMPLETION | FI_INJECT | \
		FI_MULTICAST | FI_INJECT_COMPLETE | FI_TRANSMIT_COMPLETE)
#define RECV_FLAGS (FI_MSG | FI_RECV | FI_MORE | FI_COMPLETION | FI_MULTICAST)

static inline struct udmc_ep *to_ep(struct fid_ep *ep)
{
	return container_of(ep, struct udmc_ep, ep);
}

static ssize_t ep_recv(struct fid_ep *fid, void *buf, size_t len, void *desc,
		fi_addr_t src_addr, void *context)
{
	struct udmc_ep *ep = to_ep(fid);
	struct iovec iov = {.iov_base = buf, .iov_len = len};

	(void)src_addr; /* FI_DIRECTED_RECV is not offered. */
	return ep->ops->recv(ep, &iov, &desc, 1, context, ep->rx_flags);
}

static ssize_t ep_recvv(struct fid_ep *fid, const struct iovec *iov,
		void **desc, size_t count, fi_addr_t src_addr, void *context)
{
	struct udmc_ep *ep = to_ep(fid);

	(void)src_addr;
	return ep->ops->recv(ep, iov, desc, count, context, ep->rx_flags);
}

static ssize_t ep_recvmsg(struct fid_ep *fid, const struct fi_msg *msg,
		uint64_t flags)
{
	struct udmc_ep *ep = to_ep(fid);

	if (UDMC_UNLIKELY(flags & ~RECV_FLAGS))
		return -FI_EBADFLAGS;
	return ep->ops->recv(ep, msg->msg_iov, msg->desc, msg->iov_count,
			msg->context, flags | ep->rx_msg_flags);
}

static ssize_t ep_send(struct fid_ep *fid, const void *buf, size_t len,
		void *desc, fi_addr_t dest_addr, void *context)
{
	struct udmc_ep *ep = to_ep(fid);
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)buf,
		.iov_len = len,
	};

	return ep->ops->send(ep, &iov, &desc, 1, dest_addr, context,
			ep->tx_flags);
}

static ssize_t ep_sendv(struct fid_ep *fid, const struct iovec *iov,
		void **desc, size_t count, fi_addr_t dest_addr, void *context)
{
	struct udmc_ep *ep = to_ep(fid);

	return ep->ops->send(ep, iov, desc, count, dest_addr, context,
			ep->tx_flags);
}

static ssize_t ep_sendmsg(struct fid_ep *fid, const struct fi_msg *msg,
		uint64_t flags)
{
	struct udmc_ep *ep = to_ep(fid);

	if (UDMC_UNLIKELY(flags & ~SEND_FLAGS))
		return -FI_EBADFLAGS;
	return ep->ops->send(ep, msg->msg_iov, msg->desc, msg->iov_count,
			msg->addr, msg->context, flags | ep->tx_msg_flags);
}

static ssize_t ep_inject(struct fid_ep *fid, const void *buf, size_t len,
		fi_addr_t dest_addr)
{
	struct udmc_ep *ep = to_ep(fid);
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)buf,
		.iov_len = len,
	};

	return ep->ops->send(ep, &iov, NULL, 1, dest_addr, NULL, FI_INJECT);
}

/* A datagram has no room for remote completion data: cq_data_size is 0. */
static ssize_t ep_senddata(struct fid_ep *fid, const void *buf, size_t len,
		void *desc, uint64_t data, fi_addr_t dest_addr, void *context)
{
	(void)fid;
	(void)buf;
	(void)len;
	(void)desc;
	(void)data;
	(void)dest_addr;
	(void)context;
	return -FI_ENOSYS;
}

static ssize_t ep_injectdata(struct fid_ep *fid, const void *buf, size_t len,
		uint64_t data, fi_addr_t dest_addr)
{
	(void)fid;
	(void)buf;
	(void)len;
	(void)data;
	(void)dest_addr;
	return -FI_ENOSYS;
}

struct fi_ops_msg udmc_msg_ops = {
	.size = sizeof(struct fi_ops_msg),
	.recv = ep_recv,
	.recvv = ep_recvv,
	.recvmsg = ep_recvmsg,
	.send = ep_send,
	.sendv = ep_sendv,
	.sendmsg = ep_sendmsg,
	.inject = ep_inject,
	.senddata = ep_senddata,
	.injectdata = ep_injectdata,
};
