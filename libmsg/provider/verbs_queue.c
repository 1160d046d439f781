// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_queue.c - sends, receives and completions of a queue pair.
 *
 * Path: steady; no allocation, lock or system call of ours (SoftRoCE's own
 * library makes one for each post).
 *
 * Sends.  A train of FI_MORE sends is one chain of work requests and one
 * doorbell.  Only its last one is signalled, and only if some of the train
 * want a completion or a quarter of the queue has gone unsignalled: UD sends
 * complete in order, so one completion stands for all before it.
 *
 * Receives complete in the order they were posted, so a ring of slots does.
 *
 * What does not change between posts is written once, at opening: each work
 * request points to its pieces and to its neighbour in the ring, and a chain
 * is cut behind its last one for as long as the post takes.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "verbs.h"

#define POLL_BATCH 64

/* ----------------------------------------------------------- life times -- */

static int tx_open(struct udmc_verbs_ep *ep)
{
	struct udmc_verbs_tx *tx = &ep->tx;
	uint32_t size = ep->base.tx_size;

	tx->mask = size - 1;
	tx->wr = calloc(size, sizeof(*tx->wr));
	tx->sge = calloc(size, sizeof(*tx->sge));
	tx->slot = calloc(size, sizeof(*tx->slot));
	tx->bounce = calloc(size, sizeof(*tx->bounce));
	if (!tx->wr || !tx->sge || !tx->slot || !tx->bounce)
		return -FI_ENOMEM;
	tx->bounce_mr = ibv_reg_mr(udmc_verbs_domain(ep->base.domain)->pd,
			tx->bounce, size * sizeof(*tx->bounce), 0);
	if (!tx->bounce_mr)
		return errno ? -errno : -FI_ENOMEM;
	for (uint32_t i = 0; i < size; i++) {
		tx->wr[i].next = &tx->wr[(i + 1) & tx->mask];
		tx->wr[i].sg_list = tx->sge[i];
		tx->wr[i].opcode = IBV_WR_SEND;
	}
	return 0;
}

static int rx_open(struct udmc_verbs_ep *ep)
{
	struct udmc_verbs_rx *rx = &ep->rx;
	uint32_t size = ep->base.rx_size;
	uint32_t headers = ep->base.source ? size : 1;

	rx->mask = size - 1;
	rx->wr = calloc(size, sizeof(*rx->wr));
	rx->sge = calloc(size, sizeof(*rx->sge));
	rx->slot = calloc(size, sizeof(*rx->slot));
	rx->grh = calloc(headers, sizeof(*rx->grh));
	if (!rx->wr || !rx->sge || !rx->slot || !rx->grh)
		return -FI_ENOMEM;
	rx->grh_mr = ibv_reg_mr(udmc_verbs_domain(ep->base.domain)->pd,
			rx->grh, headers * sizeof(*rx->grh),
			IBV_ACCESS_LOCAL_WRITE);
	if (!rx->grh_mr)
		return errno ? -errno : -FI_ENOMEM;
	for (uint32_t i = 0; i < size; i++) {
		rx->sge[i][0] = (struct ibv_sge){
			.addr = (uintptr_t)rx->grh[ep->base.source ? i : 0],
			.length = UDMC_GRH_BYTES,
			.lkey = rx->grh_mr->lkey,
		};
		rx->wr[i].next = &rx->wr[(i + 1) & rx->mask];
		rx->wr[i].sg_list = rx->sge[i];
		rx->wr[i].wr_id = UDMC_VERBS_RX | i;
	}
	return 0;
}

int udmc_verbs_queues_open(struct udmc_verbs_ep *ep)
{
	int ret = tx_open(ep);

	return ret ? ret : rx_open(ep);
}

void udmc_verbs_queues_close(struct udmc_verbs_ep *ep)
{
	for (uint32_t i = ep->tx.tail; ep->tx.slot && i != ep->tx.head; i++)
		udmc_verbs_way_done(ep->tx.slot[i & ep->tx.mask].way);
	if (ep->tx.bounce_mr)
		ibv_dereg_mr(ep->tx.bounce_mr);
	if (ep->rx.grh_mr)
		ibv_dereg_mr(ep->rx.grh_mr);
	free(ep->tx.wr);
	free(ep->tx.sge);
	free(ep->tx.slot);
	free(ep->tx.bounce);
	free(ep->rx.wr);
	free(ep->rx.sge);
	free(ep->rx.slot);
	free(ep->rx.grh);
	memset(&ep->tx, 0, sizeof(ep->tx));
	memset(&ep->rx, 0, sizeof(ep->rx));
}

/* -------------------------------------------------------------- receive -- */

static int post_receives(struct udmc_verbs_ep *ep)
{
	struct udmc_verbs_rx *rx = &ep->rx;
	struct ibv_recv_wr *last = &rx->wr[(rx->head - 1) & rx->mask];
	struct ibv_recv_wr *next = last->next;
	struct ibv_recv_wr *bad;
	int ret;

	if (rx->posted == rx->head)
		return 0;
	last->next = NULL;
	ret = ibv_post_recv(ep->id->qp, &rx->wr[rx->posted & rx->mask], &bad);
	last->next = next;
	if (UDMC_LIKELY(!ret)) {
		rx->posted = rx->head;
		return 0;
	}
	/* Those before the bad one are the device's; forget the others. */
	while (&rx->wr[rx->posted & rx->mask] != bad)
		rx->posted++;
	rx->head = rx->posted;
	return -ret;
}

ssize_t udmc_verbs_recv(struct udmc_ep *base, const struct iovec *iov,
		void **desc, size_t count, void *context, uint64_t flags)
{
	struct udmc_verbs_ep *ep = udmc_verbs_ep(base);
	struct udmc_verbs_rx *rx = &ep->rx;
	uint32_t i = rx->head & rx->mask;
	struct ibv_sge *sge = rx->sge[i];

	if (UDMC_UNLIKELY(!base->rx_cq))
		return -FI_EOPBADSTATE;
	if (UDMC_UNLIKELY(rx->head - rx->tail > rx->mask))
		return -FI_EAGAIN;
	if (UDMC_UNLIKELY(!count || count > base->rx_iov_max || !desc))
		return -FI_EINVAL;
	for (const struct iovec *end = iov + count; iov != end; iov++, desc++) {
		if (UDMC_UNLIKELY(!*desc || iov->iov_len > UINT32_MAX))
			return -FI_EINVAL;
		sge++;
		sge->addr = (uintptr_t)iov->iov_base;
		sge->length = (uint32_t)iov->iov_len;
		sge->lkey = (uint32_t)(uintptr_t)*desc;
	}
	rx->wr[i].num_sge = (int)count + 1;
	rx->slot[i].context = context;
	rx->slot[i].flags = flags;
	rx->head++;
	if (flags & FI_MORE && rx->head - rx->posted < UDMC_VERBS_BATCH &&
			rx->head - rx->tail <= rx->mask)
		return 0;
	return post_receives(ep);
}

/* The sender as an address: its GID is in the routing header, which over IPv4
 * is 20 bytes of nothing and the IP header. */
static fi_addr_t source_of(struct udmc_verbs_ep *ep, uint32_t i, uint32_t qpn)
{
	const unsigned char *grh = ep->rx.grh[i];
	union udmc_address from;

	memset(&from, 0, sizeof(from));
	if (grh[0] >> 4 == 6) {
		memcpy(from.ib.gid, &grh[8], 16);
	} else {
		from.ib.gid[10] = from.ib.gid[11] = 0xff;
		memcpy(&from.ib.gid[12], &grh[32], 4);
	}
	from.ib.qpn = htole32(qpn);
	return udmc_av_find(ep->base.av, &from);
}

static void received(struct udmc_verbs_ep *ep, const struct ibv_wc *wc)
{
	struct udmc_verbs_rx *rx = &ep->rx;
	uint32_t i = (uint32_t)wc->wr_id;
	const struct udmc_verbs_rx_slot *slot = &rx->slot[i];
	struct udmc_completion *entry;
	size_t len;

	rx->tail++;
	if (UDMC_UNLIKELY(wc->status != IBV_WC_SUCCESS ||
			wc->byte_len < UDMC_GRH_BYTES)) {
		udmc_cq_push_error(ep->base.rx_cq, slot->context,
				FI_RECV | FI_MSG,
				wc->status == IBV_WC_WR_FLUSH_ERR ?
					FI_ECANCELED : wc->status ==
					IBV_WC_LOC_LEN_ERR ? FI_ETRUNC : FI_EIO,
				(int)wc->status);
		return;
	}
	len = wc->byte_len - UDMC_GRH_BYTES;
	ep->base.count.rx_datagrams++;
	ep->base.count.rx_bytes += len;
	if (UDMC_UNLIKELY(!(slot->flags & FI_COMPLETION)))
		return;
	entry = udmc_cq_push(ep->base.rx_cq, slot->context, FI_RECV | FI_MSG,
			len, (void *)(uintptr_t)rx->sge[i][1].addr);
	if (ep->base.source && ep->base.av)
		entry->source = source_of(ep, i, wc->src_qp);
}

/* ----------------------------------------------------------------- send -- */

static void post_sends(struct udmc_verbs_ep *ep)
{
	struct udmc_verbs_tx *tx = &ep->tx;
	struct ibv_send_wr *bad;
	int ret;

	while (tx->posted != tx->head) {
		uint32_t n = tx->head - tx->posted;
		struct ibv_send_wr *last = &tx->wr[(tx->head - 1) & tx->mask];
		struct ibv_send_wr *next = last->next;

		if (tx->owed || tx->unsignalled + n > tx->mask / 4) {
			last->send_flags |= IBV_SEND_SIGNALED;
			tx->owed = false;
			tx->unsignalled = 0;
		} else {
			tx->unsignalled += n;
		}
		last->next = NULL;
		/* Not every device says which one it refused. */
		bad = &tx->wr[tx->posted & tx->mask];
		ret = ibv_post_send(ep->id->qp, &tx->wr[tx->posted & tx->mask],
				&bad);
		last->next = next;
		if (UDMC_LIKELY(!ret)) {
			tx->posted = tx->head;
			return;
		}
		/* The bad one fails, in its turn; go on behind it. */
		while (&tx->wr[tx->posted & tx->mask] != bad)
			tx->posted++;
		tx->slot[tx->posted & tx->mask].err = ret;
		tx->slot[tx->posted & tx->mask].prov_errno = IBV_WC_GENERAL_ERR;
		tx->posted++;
		ep->base.count.tx_errors++;
		/* What the device took before it was not signalled; the train
		 * behind it will be.  With none behind it nothing would ever
		 * tell of them, so they count as done. */
		tx->owed = true;
		if (tx->posted == tx->head)
			tx->done = tx->posted;
	}
}

static void report(struct udmc_verbs_ep *ep)
{
	struct udmc_verbs_tx *tx = &ep->tx;
	struct udmc_cq *cq = ep->base.tx_cq;

	while (tx->tail != tx->done) {
		struct udmc_verbs_tx_slot *slot =
				&tx->slot[tx->tail & tx->mask];

		if (!udmc_cq_push_send(cq, slot->context, slot->flags,
				slot->len, slot->err, slot->prov_errno))
			return;
		udmc_verbs_way_done(slot->way);
		ep->base.count.tx_datagrams += !slot->err;
		ep->base.count.tx_bytes += slot->err ? 0 : slot->len;
		tx->tail++;
	}
}

static void sent(struct udmc_verbs_ep *ep, const struct ibv_wc *wc)
{
	struct udmc_verbs_tx *tx = &ep->tx;
	uint32_t position = (uint32_t)wc->wr_id;

	/* One that post_sends has counted as done. */
	if (UDMC_UNLIKELY((int32_t)(position - tx->done) < 0))
		return;
	if (UDMC_UNLIKELY(wc->status != IBV_WC_SUCCESS)) {
		tx->slot[position & tx->mask].err =
				wc->status == IBV_WC_WR_FLUSH_ERR ?
					FI_ECANCELED : FI_EIO;
		tx->slot[position & tx->mask].prov_errno = (int)wc->status;
		ep->base.count.tx_errors++;
	}
	tx->done = position + 1;
}

/* Collect the pieces in memory the device may read for as long as it likes. */
static void bounce(struct udmc_verbs_tx *tx, uint32_t i,
		const struct iovec *iov, size_t count, size_t len)
{
	unsigned char *to = tx->bounce[i];

	for (size_t k = 0; k < count; k++) {
		if (iov[k].iov_len)
			memcpy(to, iov[k].iov_base, iov[k].iov_len);
		to += iov[k].iov_len;
	}
	tx->sge[i][0] = (struct ibv_sge){
		.addr = (uintptr_t)tx->bounce[i],
		.length = (uint32_t)len,
		.lkey = tx->bounce_mr->lkey,
	};
	tx->wr[i].num_sge = len ? 1 : 0;
}

/* A send by itself; what goes inline needs no keys. */
static inline bool gather(struct ibv_sge *sge, const struct iovec *iov,
		void **desc, size_t count, bool with_keys)
{
	const struct iovec *end = iov + count;

	if (UDMC_UNLIKELY(with_keys && !desc))
		return false;
	for (; iov != end; iov++, sge++) {
		sge->addr = (uintptr_t)iov->iov_base;
		sge->length = (uint32_t)iov->iov_len;
		if (!with_keys)
			continue;
		if (UDMC_UNLIKELY(!*desc))
			return false;
		sge->lkey = (uint32_t)(uintptr_t)*desc++;
	}
	return true;
}

ssize_t udmc_verbs_send(struct udmc_ep *base, const struct iovec *iov,
		void **desc, size_t count, fi_addr_t addr, void *context,
		uint64_t flags)
{
	struct udmc_verbs_ep *ep = udmc_verbs_ep(base);
	struct udmc_verbs_tx *tx = &ep->tx;
	const struct udmc_peer *peer = udmc_ep_peer(base, addr);
	size_t len = udmc_iov_bytes(iov, count);
	bool small = len <= tx->inline_max;
	struct udmc_verbs_way *way;
	struct ibv_send_wr *wr;
	uint32_t i;

	if (UDMC_UNLIKELY(!peer || count > base->tx_iov_max))
		return -FI_EINVAL;
	if (UDMC_UNLIKELY(!base->tx_cq))
		return -FI_EOPBADSTATE;
	/* SoftRoCE completes a send above the MTU and delivers nothing. */
	if (UDMC_UNLIKELY(len > (flags & FI_INJECT ? base->inject_max :
			base->msg_bytes_max)))
		return -FI_EMSGSIZE;
	if (UDMC_UNLIKELY(tx->head - tx->tail > tx->mask)) {
		udmc_verbs_progress(base, UDMC_TX);
		if (tx->head - tx->tail > tx->mask)
			return -FI_EAGAIN;
	}
	i = tx->head & tx->mask;
	wr = &tx->wr[i];
	way = peer->handle;
	/* An injected send that waits for its train, or is too long to go
	 * inline, must not need the caller's buffer. */
	if (flags & FI_INJECT && (flags & FI_MORE || !small))
		bounce(tx, i, iov, count, len);
	else if (UDMC_LIKELY(gather(tx->sge[i], iov, desc, count, !small)))
		wr->num_sge = (int)count;
	else
		return -FI_EINVAL;
	wr->send_flags = small ? IBV_SEND_INLINE : 0;
	wr->wr_id = tx->head;
	way->flying++;
	wr->wr.ud.ah = way->ah;
	wr->wr.ud.remote_qpn = peer->qpn;
	wr->wr.ud.remote_qkey = peer->qkey;
	tx->slot[i] = (struct udmc_verbs_tx_slot){
		.context = context,
		.way = way,
		.flags = flags,
		.len = len,
	};
	tx->owed |= (flags & FI_COMPLETION) != 0;
	tx->head++;
	if (flags & FI_MORE && tx->head - tx->posted < UDMC_VERBS_BATCH &&
			tx->head - tx->tail <= tx->mask)
		return 0;
	post_sends(ep);
	return 0;
}

/* ------------------------------------------------------------- progress -- */

static void poll_cq(struct udmc_verbs_ep *ep, struct ibv_cq *cq, uint32_t room)
{
	struct ibv_wc wc[POLL_BATCH];
	int want = room < POLL_BATCH ? (int)room : POLL_BATCH;
	int got = want ? ibv_poll_cq(cq, want, wc) : 0;

	for (int i = 0; i < got; i++) {
		if (wc[i].wr_id & UDMC_VERBS_RX)
			received(ep, &wc[i]);
		else
			sent(ep, &wc[i]);
	}
}

void udmc_verbs_progress(struct udmc_ep *base, unsigned int sides)
{
	struct udmc_verbs_ep *ep = udmc_verbs_ep(base);

	if (!base->enabled)
		return;
	if (sides & UDMC_TX && ep->tx.posted != ep->tx.head)
		post_sends(ep);
	if (sides & UDMC_RX && ep->rx.posted != ep->rx.head)
		post_receives(ep);
	/* Each receive takes a place in the caller's queue at once; sends wait
	 * for theirs in the ring. */
	if (ep->tx_cq == ep->rx_cq) {
		poll_cq(ep, ep->rx_cq, udmc_cq_room(base->rx_cq));
		sides |= UDMC_TX;
	} else {
		if (sides & UDMC_TX)
			poll_cq(ep, ep->tx_cq, POLL_BATCH);
		if (sides & UDMC_RX)
			poll_cq(ep, ep->rx_cq, udmc_cq_room(base->rx_cq));
	}
	if (sides & UDMC_TX && base->tx_cq)
		report(ep);
}
