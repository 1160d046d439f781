// SPDX-License-Identifier: BSD-2-Clause
/*
 * udp_receive.c - recvmmsg straight into the posted buffers.
 *
 * Path: steady.  One system call for each socket and progress, none while
 * nothing is posted or the completion queue is full: datagrams then wait in
 * the socket, which is what its buffer is for.
 *
 * Whatever comes from the network lands in a buffer of known size; its length
 * is only ever compared.  MSG_TRUNC makes the kernel tell the true length of a
 * datagram that did not fit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "udp.h"

int udmc_udp_rx_open(struct udmc_udp_ep *ep)
{
	struct udmc_udp_rx *rx = &ep->rx;
	uint32_t size = ep->base.rx_size;

	if (!(ep->base.caps & FI_RECV))
		size = 1;
	rx->mask = size - 1;
	rx->ask = 1;
	rx->msg = calloc(size, sizeof(*rx->msg));
	rx->iov = calloc(size, sizeof(*rx->iov));
	rx->slot = calloc(size, sizeof(*rx->slot));
	if (ep->base.source)
		rx->name = calloc(size, sizeof(*rx->name));
	if (!rx->msg || !rx->iov || !rx->slot ||
			(ep->base.source && !rx->name))
		return -FI_ENOMEM;
	for (uint32_t i = 0; i < size; i++) {
		rx->msg[i].msg_hdr.msg_iov = rx->iov[i];
		rx->msg[i].msg_hdr.msg_name = rx->name ? &rx->name[i] : NULL;
	}
	return 0;
}

void udmc_udp_rx_close(struct udmc_udp_ep *ep)
{
	free(ep->rx.msg);
	free(ep->rx.iov);
	free(ep->rx.slot);
	free(ep->rx.name);
	memset(&ep->rx, 0, sizeof(ep->rx));
}

ssize_t udmc_udp_recv(struct udmc_ep *base, const struct iovec *iov,
		void **desc, size_t count, void *context, uint64_t flags)
{
	struct udmc_udp_ep *ep = udmc_udp_ep(base);
	struct udmc_udp_rx *rx = &ep->rx;
	uint32_t i = rx->head & rx->mask;

	(void)desc;
	if (UDMC_UNLIKELY(!base->rx_cq))
		return -FI_EOPBADSTATE;
	if (UDMC_UNLIKELY(rx->head - rx->tail > rx->mask))
		return -FI_EAGAIN;
	if (UDMC_UNLIKELY(count == 0 || count > UDMC_IOV_RX_MAX))
		return -FI_EINVAL;
	rx->iov[i][0] = iov[0];
	if (count > 1)
		rx->iov[i][1] = iov[1];
	rx->msg[i].msg_hdr.msg_iovlen = count;
	rx->msg[i].msg_hdr.msg_namelen = rx->name ? sizeof(*rx->name) : 0;
	rx->slot[i].context = context;
	rx->slot[i].flags = flags;
	rx->head++;
	if (UDMC_UNLIKELY(rx->parked))
		udmc_udp_watch(ep, UDMC_RX);
	return 0;
}

static void complete(struct udmc_udp_ep *ep, uint32_t i)
{
	struct udmc_udp_rx *rx = &ep->rx;
	const struct msghdr *hdr = &rx->msg[i].msg_hdr;
	const struct udmc_udp_rx_slot *slot = &rx->slot[i];
	size_t len = rx->msg[i].msg_len, room;
	struct udmc_completion *entry;
	union udmc_address from;

	ep->base.count.rx_bytes += len;
	if (UDMC_LIKELY(!(hdr->msg_flags & MSG_TRUNC)) &&
			UDMC_UNLIKELY(!(slot->flags & FI_COMPLETION)))
		return;
	entry = udmc_cq_push(ep->base.rx_cq, slot->context, FI_RECV | FI_MSG,
			len, rx->iov[i][0].iov_base);
	if (UDMC_UNLIKELY(hdr->msg_flags & MSG_TRUNC)) {
		room = udmc_iov_bytes(rx->iov[i], hdr->msg_iovlen);
		entry->len = room;
		entry->excess = len - room;
		entry->err = FI_ETRUNC;
		entry->prov_errno = EMSGSIZE;
		ep->base.count.rx_bytes -= len - room;
		ep->base.count.rx_truncated++;
	}
	if (rx->name && ep->base.av &&
			hdr->msg_namelen == ep->base.domain->device.addrlen) {
		memcpy(&from, &rx->name[i], hdr->msg_namelen);
		entry->source = udmc_av_find(ep->base.av, &from);
	}
}

/* recvmmsg looks once more after the last datagram there is, which costs a
 * lone one some 0.2 us on its way: so ask for as many as seem to come, twice
 * as many after a full batch and half as many after another. */
static void learn(struct udmc_udp_rx *rx, uint32_t asked, int got)
{
	if (got == (int)asked)
		rx->ask = asked < UDMC_UDP_BATCH ? 2 * asked : UDMC_UDP_BATCH;
	else
		rx->ask = asked > 1 ? asked / 2 : 1;
}

static int take_one(int fd, struct mmsghdr *msg)
{
	ssize_t len = recvmsg(fd, &msg->msg_hdr, MSG_DONTWAIT | MSG_TRUNC);

	if (len < 0)
		return -1;
	msg->msg_len = (unsigned int)len;
	return 1;
}

/* One batch from one socket; false when there is no use in asking another. */
static bool receive(struct udmc_udp_ep *ep, int fd)
{
	struct udmc_udp_rx *rx = &ep->rx;
	uint32_t i = rx->tail & rx->mask;
	uint32_t n = rx->head - rx->tail;
	uint32_t room = udmc_cq_room(ep->base.rx_cq);
	int got;

	n = n < room ? n : room;
	n = n < rx->ask ? n : rx->ask;
	n = n < rx->mask + 1 - i ? n : rx->mask + 1 - i;
	if (n == 0)
		return false;
	/* Any error but "nothing there" is one of the network's, told once
	 * and cleared by this call; the socket works on. */
	if (n == 1)
		got = take_one(fd, &rx->msg[i]);
	else
		got = recvmmsg(fd, &rx->msg[i], n, MSG_DONTWAIT | MSG_TRUNC,
				NULL);
	learn(rx, n, got);
	if (got <= 0)
		return true;
	rx->tail += (uint32_t)got;
	ep->base.count.rx_datagrams += (uint64_t)got;
	for (int k = 0; k < got; k++)
		complete(ep, i + (uint32_t)k);
	return true;
}

void udmc_udp_rx_progress(struct udmc_udp_ep *ep)
{
	uint32_t count = ep->socket_count;
	uint32_t first = ep->socket_next;

	if (UDMC_LIKELY(count == 1)) {
		receive(ep, ep->socket[0].fd);
		return;
	}
	/* Begin elsewhere each time: a flood on one socket must not use up
	 * the buffers before the others are asked. */
	if (count && ++ep->socket_next >= count)
		ep->socket_next = 0;
	for (uint32_t k = 0; k < count; k++, first++) {
		if (first >= count)
			first = 0;
		if (!receive(ep, ep->socket[first].fd))
			return;
	}
}

/* Take one receive back: the later ones move up by a slot. */
ssize_t udmc_udp_cancel(struct udmc_ep *base, void *context)
{
	struct udmc_udp_ep *ep = udmc_udp_ep(base);
	struct udmc_udp_rx *rx = &ep->rx;
	uint32_t at = rx->tail;

	if (!base->rx_cq)
		return -FI_ENOENT;
	while (at != rx->head && rx->slot[at & rx->mask].context != context)
		at++;
	if (at == rx->head)
		return -FI_ENOENT;
	if (!udmc_cq_room(base->rx_cq))
		return -FI_EAGAIN;
	udmc_cq_push_error(base->rx_cq, context, FI_RECV | FI_MSG, FI_ECANCELED,
			ECANCELED);
	for (; at + 1 != rx->head; at++) {
		uint32_t to = at & rx->mask, from = (at + 1) & rx->mask;

		memcpy(rx->iov[to], rx->iov[from], sizeof(rx->iov[to]));
		rx->msg[to].msg_hdr.msg_iovlen =
				rx->msg[from].msg_hdr.msg_iovlen;
		rx->slot[to] = rx->slot[from];
	}
	rx->head--;
	return 0;
}
