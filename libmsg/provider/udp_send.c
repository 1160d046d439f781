// SPDX-License-Identifier: BSD-2-Clause
/*
 * udp_send.c - sendmmsg straight from the posted buffers.
 *
 *	tail          sent          head
 *	 | completions |  held back  |        of tx.msg[], struct mmsghdr
 *
 * A send goes out at once unless FI_MORE announces another; then the train
 * leaves as one system call.  When the kernel has no room (EAGAIN, ENOBUFS)
 * the rest stays held and is tried again by the next send or fi_cq_read; a
 * full ring answers -FI_EAGAIN.  Completions wait in the ring while the
 * completion queue is full.
 *
 * Path: steady.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "udp.h"

int udmc_udp_tx_open(struct udmc_udp_ep *ep)
{
	struct udmc_udp_tx *tx = &ep->tx;
	uint32_t size = ep->base.tx_size;

	if (!(ep->base.caps & FI_SEND))
		size = 1;
	tx->mask = size - 1;
	tx->msg = calloc(size, sizeof(*tx->msg));
	tx->iov = calloc(size, sizeof(*tx->iov));
	tx->slot = calloc(size, sizeof(*tx->slot));
	tx->name = calloc(size, sizeof(*tx->name));
	tx->inject = calloc(size, sizeof(*tx->inject));
	if (!tx->msg || !tx->iov || !tx->slot || !tx->name || !tx->inject)
		return -FI_ENOMEM;
	for (uint32_t i = 0; i < size; i++) {
		tx->msg[i].msg_hdr.msg_iov = tx->iov[i];
		tx->msg[i].msg_hdr.msg_name = &tx->name[i];
		tx->msg[i].msg_hdr.msg_namelen =
				ep->base.domain->device.addrlen;
	}
	return 0;
}

void udmc_udp_tx_close(struct udmc_udp_ep *ep)
{
	free(ep->tx.msg);
	free(ep->tx.iov);
	free(ep->tx.slot);
	free(ep->tx.name);
	free(ep->tx.inject);
	memset(&ep->tx, 0, sizeof(ep->tx));
}

/* Report what was sent, as far as the completion queue has room. */
static void report(struct udmc_udp_ep *ep)
{
	struct udmc_udp_tx *tx = &ep->tx;
	struct udmc_cq *cq = ep->base.tx_cq;

	while (tx->tail != tx->sent) {
		struct udmc_udp_tx_slot *slot = &tx->slot[tx->tail & tx->mask];

		if (!udmc_cq_push_send(cq, slot->context, slot->flags,
				slot->len, slot->err, slot->err))
			return;
		tx->tail++;
	}
	if (tx->tail == tx->head)
		tx->tail = tx->sent = tx->head = 0;
}

/* Hand to the kernel what is held; false when it has no room. */
static bool transmit(struct udmc_udp_ep *ep)
{
	struct udmc_udp_tx *tx = &ep->tx;
	int fd = ep->socket[0].fd, done;

	while (tx->sent != tx->head) {
		uint32_t i = tx->sent & tx->mask;
		uint32_t n = tx->head - tx->sent;

		n = n < tx->mask + 1 - i ? n : tx->mask + 1 - i;
		done = sendmmsg(fd, &tx->msg[i], n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (UDMC_LIKELY(done > 0)) {
			for (uint32_t k = i; k < i + (uint32_t)done; k++)
				ep->base.count.tx_bytes += tx->slot[k].len;
			ep->base.count.tx_datagrams += (uint64_t)done;
			tx->sent += (uint32_t)done;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
			ep->base.count.tx_retries++;
			return false;
		}
		/* The first of them failed, for good. */
		tx->slot[i].err = errno;
		ep->base.count.tx_errors++;
		tx->sent++;
	}
	return true;
}

void udmc_udp_tx_progress(struct udmc_udp_ep *ep)
{
	transmit(ep);
	report(ep);
}

/* The caller's buffer is free when an injected send returns. */
static void keep_copy(struct udmc_udp_tx *tx, uint32_t i, size_t len)
{
	unsigned char *to = tx->inject[i];
	struct msghdr *hdr = &tx->msg[i].msg_hdr;

	for (size_t k = 0; k < hdr->msg_iovlen; k++) {
		if (tx->iov[i][k].iov_len)
			memcpy(to, tx->iov[i][k].iov_base,
					tx->iov[i][k].iov_len);
		to += tx->iov[i][k].iov_len;
	}
	tx->iov[i][0].iov_base = tx->inject[i];
	tx->iov[i][0].iov_len = len;
	hdr->msg_iovlen = 1;
}

ssize_t udmc_udp_send(struct udmc_ep *base, const struct iovec *iov,
		void **desc, size_t count, fi_addr_t addr, void *context,
		uint64_t flags)
{
	struct udmc_udp_ep *ep = udmc_udp_ep(base);
	struct udmc_udp_tx *tx = &ep->tx;
	const struct udmc_peer *peer = udmc_ep_peer(base, addr);
	size_t len = udmc_iov_bytes(iov, count);
	struct udmc_udp_tx_slot *slot;
	uint32_t i;

	(void)desc;
	if (UDMC_UNLIKELY(!peer || count > UDMC_IOV_TX_MAX))
		return -FI_EINVAL;
	if (UDMC_UNLIKELY(!base->tx_cq))
		return -FI_EOPBADSTATE;
	if (UDMC_UNLIKELY(len > (flags & FI_INJECT ? base->inject_max :
			base->msg_bytes_max)))
		return -FI_EMSGSIZE;
	if (UDMC_UNLIKELY(tx->head - tx->tail > tx->mask)) {
		udmc_udp_tx_progress(ep);
		if (tx->head - tx->tail > tx->mask)
			return -FI_EAGAIN;
	}
	i = tx->head++ & tx->mask;
	memcpy(&tx->name[i], &peer->addr, peer->addrlen);
	for (size_t k = 0; k < count; k++)
		tx->iov[i][k] = iov[k];
	tx->msg[i].msg_hdr.msg_iovlen = count;
	slot = &tx->slot[i];
	slot->context = context;
	slot->flags = flags;
	slot->len = len;
	slot->err = 0;
	if (flags & FI_MORE && tx->head - tx->sent < UDMC_UDP_BATCH &&
			tx->head - tx->tail <= tx->mask) {
		if (flags & FI_INJECT)
			keep_copy(tx, i, len);
		return 0;
	}
	/* Only what the kernel did not take needs a copy; `sent` is behind
	 * this slot then. */
	if (UDMC_UNLIKELY(!transmit(ep)) && flags & FI_INJECT)
		keep_copy(tx, i, len);
	report(ep);
	return 0;
}
