// SPDX-License-Identifier: BSD-2-Clause
/*
 * address.c - the address vector: numbers for those we send to.
 *
 * A fi_addr_t is an index for FI_AV_TABLE and FI_AV_MAP alike, so a wrong one
 * is refused by a comparison.  Entries live in chunks that never move:
 *
 *	chunk[0] --> [ 256 peers ]     a send reads chunk and peer, no lock;
 *	chunk[1] --> [ 256 peers ]     inserts fill a peer, then raise `count`
 *	   ...                         (release; read by udmc_ep_peer).
 *
 * Reverse look-up (FI_SOURCE) goes through hash chains of indices inside the
 * entries.  Removing an entry must be serialized against traffic to and from
 * it, as fi_av(3) says.
 *
 * Neighbours: udmc_ep_peer in core.h reads it; transports open the peers.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

static uint32_t mix(uint64_t x)
{
	x *= 0x9e3779b97f4a7c15ull; /* Fibonacci hashing. */
	return (uint32_t)(x >> 40);
}

/* Over what identifies a sender: not the scope, nor what is constant. */
static uint32_t bucket_of(const struct udmc_av *av,
		const union udmc_address *addr)
{
	uint64_t half[2];

	switch (av->domain->device.addr_format) {
	case FI_SOCKADDR_IN:
		return mix(((uint64_t)addr->in.sin_addr.s_addr << 16) |
			addr->in.sin_port) % UDMC_AV_BUCKETS;
	case FI_SOCKADDR_IN6:
		memcpy(half, &addr->in6.sin6_addr, sizeof(half));
		return mix(half[0] ^ half[1] ^ addr->in6.sin6_port) %
			UDMC_AV_BUCKETS;
	default:
		memcpy(half, addr->ib.gid, sizeof(half));
		return mix(half[0] ^ half[1] ^ addr->ib.qpn) %
			UDMC_AV_BUCKETS;
	}
}

static bool same_sender(const struct udmc_av *av, const union udmc_address *a,
		const union udmc_address *b)
{
	switch (av->domain->device.addr_format) {
	case FI_SOCKADDR_IN:
		return a->in.sin_port == b->in.sin_port &&
			a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	case FI_SOCKADDR_IN6:
		return a->in6.sin6_port == b->in6.sin6_port &&
			IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr,
					&b->in6.sin6_addr);
	default:
		return a->ib.qpn == b->ib.qpn && memcmp(a->ib.gid, b->ib.gid,
				sizeof(a->ib.gid)) == 0;
	}
}

fi_addr_t udmc_av_find(struct udmc_av *av, const union udmc_address *addr)
{
	uint32_t i = atomic_load_explicit(&av->bucket[bucket_of(av, addr)],
			memory_order_acquire);

	while (i) {
		struct udmc_peer *peer = udmc_av_slot(av, i - 1);

		if (peer->used && same_sender(av, &peer->addr, addr))
			return i - 1;
		i = atomic_load_explicit(&peer->next, memory_order_acquire);
	}
	return FI_ADDR_NOTAVAIL;
}

static void chain(struct udmc_av *av, struct udmc_peer *peer, uint32_t index)
{
	_Atomic uint32_t *head = &av->bucket[bucket_of(av, &peer->addr)];

	atomic_store_explicit(&peer->next,
			atomic_load_explicit(head, memory_order_relaxed),
			memory_order_relaxed);
	/* Pairs with the acquire in udmc_av_find: the peer is filled in. */
	atomic_store_explicit(head, index + 1, memory_order_release);
}

static void unchain(struct udmc_av *av, struct udmc_peer *peer, uint32_t index)
{
	_Atomic uint32_t *link = &av->bucket[bucket_of(av, &peer->addr)];

	while (atomic_load(link) != index + 1)
		link = &udmc_av_slot(av, atomic_load(link) - 1)->next;
	atomic_store(link, atomic_load(&peer->next));
}

/* The lowest free entry, its chunk allocated; `count` if none was removed. */
static int find_free(struct udmc_av *av, uint32_t *index)
{
	uint32_t count = atomic_load(&av->count);
	uint32_t i = av->free;
	struct udmc_peer *chunk;

	while (i < count && udmc_av_slot(av, i)->used)
		i++;
	if (i >= UDMC_AV_CHUNK * UDMC_AV_CHUNKS)
		return -FI_ENOMEM;
	if (!atomic_load(&av->chunk[i / UDMC_AV_CHUNK])) {
		chunk = calloc(UDMC_AV_CHUNK, sizeof(*chunk));
		if (!chunk)
			return -FI_ENOMEM;
		/* Pairs with the acquire in udmc_av_slot. */
		atomic_store_explicit(&av->chunk[i / UDMC_AV_CHUNK], chunk,
				memory_order_release);
	}
	*index = i;
	return 0;
}

static int insert_one(struct udmc_av *av, const void *addr, fi_addr_t *out)
{
	struct udmc_domain *domain = av->domain;
	struct udmc_peer *peer;
	uint32_t index;
	int ret = find_free(av, &index);

	if (ret)
		return ret;
	peer = udmc_av_slot(av, index);
	memset(&peer->addr, 0, sizeof(peer->addr));
	memcpy(&peer->addr, addr, domain->device.addrlen);
	peer->addrlen = domain->device.addrlen;
	ret = domain->device.transport->peer_open(domain, peer);
	if (ret)
		return ret;
	peer->used = true;
	chain(av, peer, index);
	av->free = index + 1;
	/* Pairs with the acquire in udmc_ep_peer. */
	if (index >= atomic_load(&av->count))
		atomic_store_explicit(&av->count, index + 1,
				memory_order_release);
	*out = index;
	return 0;
}

static int av_insert(struct fid_av *fid, const void *addr, size_t count,
		fi_addr_t *fi_addr, uint64_t flags, void *context)
{
	struct udmc_av *av = container_of(fid, struct udmc_av, av);
	size_t stride = av->domain->device.addrlen;
	int *status = flags & FI_SYNC_ERR ? context : NULL;
	fi_addr_t index;
	int done = 0;

	if (flags & ~(FI_MORE | FI_SYNC_ERR))
		return -FI_EBADFLAGS;
	pthread_mutex_lock(&av->lock);
	for (size_t i = 0; i < count; i++) {
		int ret = insert_one(av, (const char *)addr + i * stride,
				&index);

		if (status)
			status[i] = -ret;
		if (fi_addr)
			fi_addr[i] = ret ? FI_ADDR_NOTAVAIL : index;
		done += !ret;
	}
	pthread_mutex_unlock(&av->lock);
	return done;
}

static int av_insertsvc(struct fid_av *fid, const char *node,
		const char *service, fi_addr_t *fi_addr, uint64_t flags,
		void *context)
{
	struct udmc_av *av = container_of(fid, struct udmc_av, av);
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
	struct addrinfo *found;
	int ret;

	switch (av->domain->device.addr_format) {
	case FI_SOCKADDR_IN:
		hints.ai_family = AF_INET;
		break;
	case FI_SOCKADDR_IN6:
		hints.ai_family = AF_INET6;
		break;
	default:
		UDMC_INFO(AV, "no name service for queue pairs: exchange what "
				"fi_getname gives\n");
		return -FI_ENOSYS;
	}
	if (!node || !service)
		return -FI_EINVAL;
	ret = getaddrinfo(node, service, &hints, &found);
	if (ret) {
		UDMC_INFO(AV, "%s %s: %s\n", node, service, gai_strerror(ret));
		return -FI_ENODATA;
	}
	ret = av_insert(fid, found->ai_addr, 1, fi_addr, flags, context);
	freeaddrinfo(found);
	return ret;
}

static int av_insertsym(struct fid_av *fid, const char *node, size_t nodecnt,
		const char *service, size_t svccnt, fi_addr_t *fi_addr,
		uint64_t flags, void *context)
{
	(void)fid;
	(void)node;
	(void)nodecnt;
	(void)service;
	(void)svccnt;
	(void)fi_addr;
	(void)flags;
	(void)context;
	return -FI_ENOSYS;
}

static int av_remove(struct fid_av *fid, fi_addr_t *fi_addr, size_t count,
		uint64_t flags)
{
	struct udmc_av *av = container_of(fid, struct udmc_av, av);
	int ret = 0;

	if (flags)
		return -FI_EBADFLAGS;
	pthread_mutex_lock(&av->lock);
	for (size_t i = 0; i < count; i++) {
		struct udmc_peer *peer;

		if (fi_addr[i] >= atomic_load(&av->count) ||
				!udmc_av_slot(av, fi_addr[i])->used) {
			ret = -FI_EINVAL;
			continue;
		}
		peer = udmc_av_slot(av, fi_addr[i]);
		unchain(av, peer, (uint32_t)fi_addr[i]);
		peer->used = false;
		av->domain->device.transport->peer_close(peer);
		if (fi_addr[i] < av->free)
			av->free = (uint32_t)fi_addr[i];
	}
	pthread_mutex_unlock(&av->lock);
	return ret;
}

static int av_lookup(struct fid_av *fid, fi_addr_t fi_addr, void *addr,
		size_t *addrlen)
{
	struct udmc_av *av = container_of(fid, struct udmc_av, av);
	size_t room = *addrlen;
	struct udmc_peer *peer;

	if (fi_addr >= atomic_load(&av->count))
		return -FI_EINVAL;
	peer = udmc_av_slot(av, fi_addr);
	if (!peer->used)
		return -FI_EINVAL;
	memcpy(addr, &peer->addr, room < peer->addrlen ? room : peer->addrlen);
	*addrlen = peer->addrlen;
	return 0;
}

static const char *av_straddr(struct fid_av *fid, const void *addr, char *buf,
		size_t *len)
{
	struct udmc_av *av = container_of(fid, struct udmc_av, av);
	char text[INET6_ADDRSTRLEN + 64], host[INET6_ADDRSTRLEN];
	union udmc_address a;
	int need;

	memset(&a, 0, sizeof(a));
	memcpy(&a, addr, av->domain->device.addrlen);
	switch (av->domain->device.addr_format) {
	case FI_SOCKADDR_IN:
		inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host));
		need = snprintf(text, sizeof(text), "fi_sockaddr_in://%s:%u",
				host, ntohs(a.in.sin_port));
		break;
	case FI_SOCKADDR_IN6:
		inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof(host));
		need = snprintf(text, sizeof(text),
				"fi_sockaddr_in6://[%s]:%u", host,
				ntohs(a.in6.sin6_port));
		break;
	default:
		inet_ntop(AF_INET6, a.ib.gid, host, sizeof(host));
		need = snprintf(text, sizeof(text),
				"fi_addr_ib_ud://%s/0x%x/%u", host, a.ib.qpn,
				a.ib.lid);
		break;
	}
	if (*len)
		snprintf(buf, *len, "%s", text);
	*len = (size_t)need + 1;
	return buf;
}

static int av_set(struct fid_av *av, struct fi_av_set_attr *attr,
		struct fid_av_set **set, void *context)
{
	(void)av;
	(void)attr;
	(void)set;
	(void)context;
	return -FI_ENOSYS;
}

static int av_close(struct fid *fid)
{
	struct udmc_av *av = container_of(fid, struct udmc_av, av.fid);
	uint32_t count = atomic_load(&av->count);

	if (atomic_load(&av->users))
		return -FI_EBUSY;
	for (uint32_t i = 0; i < count; i++)
		if (udmc_av_slot(av, i)->used)
			av->domain->device.transport->peer_close(
					udmc_av_slot(av, i));
	for (size_t i = 0; i < UDMC_AV_CHUNKS; i++)
		free(atomic_load(&av->chunk[i]));
	pthread_mutex_destroy(&av->lock);
	atomic_fetch_sub(&av->domain->users, 1);
	free(av);
	return 0;
}

static struct fi_ops av_fi_ops = {UDMC_FI_OPS(av_close)};

static struct fi_ops_av av_ops = {
	.size = sizeof(struct fi_ops_av),
	.insert = av_insert,
	.insertsvc = av_insertsvc,
	.insertsym = av_insertsym,
	.remove = av_remove,
	.lookup = av_lookup,
	.straddr = av_straddr,
	.av_set = av_set,
};

int udmc_av_open(struct fid_domain *domain, struct fi_av_attr *attr,
		struct fid_av **av, void *context)
{
	struct udmc_av *self;

	if (attr && (attr->name || attr->rx_ctx_bits || attr->flags)) {
		UDMC_INFO(AV, "no shared or asynchronous address vectors, no "
				"receive contexts\n");
		return -FI_ENOSYS;
	}
	self = calloc(1, sizeof(*self));
	if (!self)
		return -FI_ENOMEM;
	self->domain = container_of(domain, struct udmc_domain, domain);
	pthread_mutex_init(&self->lock, NULL);
	self->av.fid.fclass = FI_CLASS_AV;
	self->av.fid.context = context;
	self->av.fid.ops = &av_fi_ops;
	self->av.ops = &av_ops;
	if (attr && attr->type == FI_AV_UNSPEC)
		attr->type = FI_AV_TABLE;
	atomic_fetch_add(&self->domain->users, 1);
	*av = &self->av;
	return 0;
}
