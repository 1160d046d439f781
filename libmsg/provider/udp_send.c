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
 * Within a train, neighbours of one length and destination go as one piece that
 * the kernel cuts into datagrams (UDP_SEGMENT, Linux 4.18): it then walks its
 * stack once for all of them, which more than doubles the rate at 1 KiB
 * (README of tests/perf).  Where it will not (EIO: a device without checksum
 * offload; EINVAL: an older kernel; EMSGSIZE: a smaller path) the endpoint does
 * without from then on.
 *
 * Path: steady.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#include "udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

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
	if (size > 1) /* Without memory for it: without it. */
		tx->train = calloc(1, sizeof(*tx->train));
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
	free(ep->tx.train);
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

/* How many of the `n` datagrams from `i` on can be one piece. */
static uint32_t alike(const struct udmc_udp_tx *tx, uint32_t i, uint32_t n,
		socklen_t addrlen)
{
	size_t len = tx->slot[i].len, sum = len;
	uint32_t k = 1;

	n = n < UDMC_UDP_SEGMENTS ? n : UDMC_UDP_SEGMENTS;
	while (k < n && len > 0) {
		size_t next = tx->slot[i + k].len;

		sum += next;
		if (next > len || next == 0 || sum > UDMC_UDP_SEGMENTED ||
				memcmp(&tx->name[i], &tx->name[i + k],
						addrlen) != 0)
			break;
		k++;
		if (next < len) /* Only the last one may be shorter. */
			break;
	}
	return k;
}

/* One piece of `k` datagrams from `i` on; returns how many iov it took. */
static uint32_t couple(struct udmc_udp_tx *tx, uint32_t piece, uint32_t i,
		uint32_t k, uint32_t used)
{
	struct udmc_udp_train *train = tx->train;
	struct msghdr *hdr = &train->msg[piece].msg_hdr;
	struct cmsghdr *cmsg = (struct cmsghdr *)(void *)train->control[piece];
	uint16_t len = (uint16_t)tx->slot[i].len;
	uint32_t first = used;

	*hdr = tx->msg[i].msg_hdr;
	train->count[piece] = k;
	if (k == 1)
		return 0;
	for (uint32_t m = i; m < i + k; m++)
		for (size_t v = 0; v < tx->msg[m].msg_hdr.msg_iovlen; v++)
			train->iov[used++] = tx->iov[m][v];
	hdr->msg_iov = &train->iov[first];
	hdr->msg_iovlen = used - first;
	cmsg->cmsg_level = IPPROTO_UDP;
	cmsg->cmsg_type = UDP_SEGMENT;
	cmsg->cmsg_len = CMSG_LEN(sizeof(len));
	memcpy(CMSG_DATA(cmsg), &len, sizeof(len));
	hdr->msg_control = cmsg;
	hdr->msg_controllen = CMSG_SPACE(sizeof(len));
	return used - first;
}

/* As sendmmsg of `n` datagrams from `i` on, in few pieces. */
static int send_train(struct udmc_udp_ep *ep, uint32_t i, uint32_t n)
{
	struct udmc_udp_tx *tx = &ep->tx;
	struct udmc_udp_train *train = tx->train;
	uint32_t pieces = 0, used = 0, at = i;
	int done, sum = 0;

	n = n < UDMC_UDP_BATCH ? n : UDMC_UDP_BATCH;
	while (at < i + n) {
		uint32_t k = alike(tx, at, i + n - at,
				ep->base.domain->device.addrlen);

		used += couple(tx, pieces++, at, k, used);
		at += k;
	}
	done = sendmmsg(ep->socket[0].fd, train->msg, pieces,
			MSG_DONTWAIT | MSG_NOSIGNAL);
	for (int k = 0; k < done; k++)
		sum += (int)train->count[k];
	if (done > 0)
		return sum;
	if (train->count[0] == 1 || (errno != EIO && errno != EINVAL &&
			errno != EMSGSIZE))
		return -1;
	free(tx->train);
	tx->train = NULL;
	errno = EINTR; /* Again, plainly. */
	return -1;
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
		if (n > 1 && tx->train)
			done = send_train(ep, i, n);
		else if (n > 1)
			done = sendmmsg(fd, &tx->msg[i], n,
					MSG_DONTWAIT | MSG_NOSIGNAL);
		else /* A lone one goes the shorter way. */
			done = sendmsg(fd, &tx->msg[i].msg_hdr, MSG_DONTWAIT |
					MSG_NOSIGNAL) < 0 ? -1 : 1;
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
