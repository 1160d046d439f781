// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_device.c - RDMA ports as domains, registered memory, address handles.
 *
 * A port is offered if it is active and has an IP address: librdmacm finds the
 * device by that address, and multicast groups are IP addresses.  On Ethernet
 * the address is the GID itself (RoCE v2); on InfiniBand it is the one of the
 * IPoIB interface above the device.
 *
 * Neighbours: info.c; verbs_endpoint.c.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "verbs.h"

#define GID_MAX 64 /* Entries of a port's table that are looked at. */

/* ---------------------------------------------------------------- scan -- */

static bool ip_of_gid(union udmc_address *ip, const union ibv_gid *gid,
		unsigned int ifindex)
{
	struct in6_addr v6;

	memcpy(&v6, gid->raw, sizeof(v6));
	memset(ip, 0, sizeof(*ip));
	if (IN6_IS_ADDR_V4MAPPED(&v6)) {
		ip->in.sin_family = AF_INET;
		memcpy(&ip->in.sin_addr, &gid->raw[12], 4);
		return true;
	}
	ip->in6.sin6_family = AF_INET6;
	ip->in6.sin6_addr = v6;
	if (IN6_IS_ADDR_LINKLOCAL(&v6))
		ip->in6.sin6_scope_id = ifindex;
	return !IN6_IS_ADDR_UNSPECIFIED(&v6);
}

/* RoCE v2 over IPv4, else over IPv6. */
static bool pick_roce_gid(struct udmc_device *device,
		const struct ibv_gid_entry *entry, size_t count)
{
	union udmc_address ip;
	bool found = false;

	for (size_t i = 0; i < count; i++) {
		if (entry[i].port_num != device->port ||
				entry[i].gid_type != IBV_GID_TYPE_ROCE_V2 ||
				!ip_of_gid(&ip, &entry[i].gid,
					entry[i].ndev_ifindex))
			continue;
		if (found && (device->local.sa.sa_family == AF_INET ||
				ip.sa.sa_family == AF_INET6))
			continue;
		found = true;
		device->local = ip;
		device->gid_index = (int)entry[i].gid_index;
		device->ifindex = entry[i].ndev_ifindex;
		memcpy(device->name_template.ib.gid, entry[i].gid.raw, 16);
	}
	return found && if_indextoname(device->ifindex, device->ifname);
}

/* The IPv4 address of the interface above an InfiniBand device. */
static bool find_ipoib(struct udmc_device *device, const char *ibdev)
{
	char path[FI_PATH_MAX];
	struct ifaddrs *list;
	bool found = false;

	if (getifaddrs(&list))
		return false;
	for (struct ifaddrs *i = list; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
			continue;
		snprintf(path, sizeof(path),
				"/sys/class/infiniband/%s/device/net/%s",
				ibdev, i->ifa_name);
		if (access(path, F_OK))
			continue;
		memcpy(&device->local.in, i->ifa_addr,
				sizeof(device->local.in));
		snprintf(device->ifname, sizeof(device->ifname), "%s",
				i->ifa_name);
		device->ifindex = if_nametoindex(i->ifa_name);
		found = true;
	}
	freeifaddrs(list);
	return found;
}

static bool pick_address(struct udmc_device *device, struct ibv_context *verbs,
		const struct ibv_port_attr *port, const char *ibdev)
{
	struct ibv_gid_entry entry[GID_MAX];
	union ibv_gid gid;
	ssize_t count;

	if (port->link_layer == IBV_LINK_LAYER_ETHERNET) {
		count = ibv_query_gid_table(verbs, entry, GID_MAX, 0);
		return count > 0 &&
			pick_roce_gid(device, entry, (size_t)count);
	}
	if (ibv_query_gid(verbs, device->port, 0, &gid))
		return false;
	memcpy(device->name_template.ib.gid, gid.raw, 16);
	device->name_template.ib.lid = htole16(port->lid);
	return find_ipoib(device, ibdev);
}

/* FI_UDMC_IFACE may name the device as well as the interface above it. */
static bool named(const struct udmc_device *device)
{
	const char *iface = udmc_settings().iface;

	return iface && strcmp(iface, device->name) == 0;
}

static int scan_port(struct udmc_devices *list, struct ibv_context *verbs,
		const char *ibdev, uint8_t port)
{
	struct ibv_port_attr attr;
	struct udmc_device device;

	memset(&device, 0, sizeof(device));
	if (ibv_query_port(verbs, port, &attr) ||
			attr.state != IBV_PORT_ACTIVE)
		return 0;
	device.transport = &udmc_verbs;
	device.port = port;
	if (port == 1)
		snprintf(device.name, sizeof(device.name), "%s", ibdev);
	else
		snprintf(device.name, sizeof(device.name), "%s-%u", ibdev,
				port);
	device.addr_format = FI_ADDR_IB_UD;
	device.addrlen = sizeof(struct fi_udmc_ib_addr);
	/* IBV_MTU_256 is 1, and each step doubles. */
	device.msg_bytes_max = (size_t)128 << attr.active_mtu;
	device.multicast = true;
	if (!pick_address(&device, verbs, &attr, ibdev)) {
		UDMC_INFO(CORE, "%s: no IP address on its interface, so no "
				"multicast: skipped\n", device.name);
		return 0;
	}
	device.name_template.ib.pkey = htole16(0xffff);
	device.name_template.ib.qkey = htole32(RDMA_UDP_QKEY);
	if (!named(&device) && !udmc_iface_wanted(device.ifname))
		return 0;
	return udmc_devices_add(list, &device);
}

static int verbs_scan(struct udmc_devices *list)
{
	struct ibv_device **all = ibv_get_device_list(NULL);
	int ret = 0;

	for (struct ibv_device **d = all; d && *d && !ret; d++) {
		struct ibv_context *verbs = ibv_open_device(*d);
		struct ibv_device_attr attr;

		if (!verbs)
			continue;
		if (ibv_query_device(verbs, &attr) == 0)
			for (uint8_t port = 1; port <= attr.phys_port_cnt &&
					!ret; port++)
				ret = scan_port(list, verbs,
						ibv_get_device_name(*d), port);
		ibv_close_device(verbs);
	}
	if (all)
		ibv_free_device_list(all);
	return ret;
}

/* -------------------------------------------------------------- domain -- */

static void domain_close(struct udmc_domain *domain)
{
	struct udmc_verbs_domain *self = udmc_verbs_domain(domain);

	if (self->pd)
		ibv_dealloc_pd(self->pd);
	if (self->id)
		rdma_destroy_id(self->id);
	if (self->channel)
		rdma_destroy_event_channel(self->channel);
	free(self);
}

static int domain_open(struct udmc_domain *domain)
{
	struct udmc_verbs_domain *self = calloc(1, sizeof(*self));
	int err = 0;

	if (!self)
		return -FI_ENOMEM;
	domain->transport_data = self;
	errno = ENODEV;
	self->channel = rdma_create_event_channel();
	if (!self->channel ||
			rdma_create_id(self->channel, &self->id, NULL,
				RDMA_PS_UDP) ||
			rdma_bind_addr(self->id, &domain->device.local.sa) ||
			!self->id->verbs ||
			!(self->pd = ibv_alloc_pd(self->id->verbs)))
		err = errno;
	if (err) {
		UDMC_WARN(DOMAIN, "%s: %s\n", domain->device.name,
				strerror(err));
		domain_close(domain);
	}
	return -err;
}

/* -------------------------------------------------------------- memory -- */

static int mr_open(struct udmc_mr *mr, void *buf, size_t len, uint64_t access)
{
	struct ibv_pd *pd = udmc_verbs_domain(mr->domain)->pd;
	bool sent_only = access && !(access & (FI_RECV | FI_READ));
	struct ibv_mr *ibv;

	/* What is only ever sent may lie in read-only memory. */
	ibv = sent_only ? ibv_reg_mr(pd, buf, len, 0) :
			ibv_reg_mr(pd, buf, len, IBV_ACCESS_LOCAL_WRITE);
	if (!ibv) {
		UDMC_WARN(MR, "register %zu bytes: %s (the limit on locked "
				"memory is `ulimit -l`)\n", len,
				strerror(errno));
		return errno ? -errno : -FI_ENOMEM;
	}
	mr->transport_data = ibv;
	mr->mr.mem_desc = (void *)(uintptr_t)ibv->lkey;
	return 0;
}

static void mr_close(struct udmc_mr *mr)
{
	ibv_dereg_mr(mr->transport_data);
}

/* --------------------------------------------------------------- peers -- */

struct udmc_verbs_way *udmc_verbs_way_open(struct udmc_domain *domain,
		struct ibv_ah_attr *attr)
{
	struct udmc_verbs_way *way = calloc(1, sizeof(*way));

	if (!way)
		return NULL;
	errno = 0;
	way->ah = ibv_create_ah(udmc_verbs_domain(domain)->pd, attr);
	if (way->ah)
		return way;
	free(way);
	return NULL;
}

static void way_free(struct udmc_verbs_way *way)
{
	ibv_destroy_ah(way->ah);
	free(way);
}

void udmc_verbs_way_close(struct udmc_verbs_way *way)
{
	if (!way)
		return;
	way->closed = true;
	if (way->flying == 0)
		way_free(way);
}

void udmc_verbs_way_done(struct udmc_verbs_way *way)
{
	if (--way->flying == 0 && way->closed)
		way_free(way);
}

static int peer_open(struct udmc_domain *domain, struct udmc_peer *peer)
{
	const struct fi_udmc_ib_addr *addr = &peer->addr.ib;
	struct ibv_ah_attr attr = {
		.dlid = le16toh(addr->lid),
		.sl = addr->sl,
		.is_global = 1,
		.port_num = domain->device.port,
		.grh = {
			.sgid_index = (uint8_t)domain->device.gid_index,
			.hop_limit = 64,
		},
	};

	if (!addr->qpn || le32toh(addr->qpn) > 0xffffff)
		return -FI_EINVAL;
	memcpy(attr.grh.dgid.raw, addr->gid, sizeof(addr->gid));
	peer->handle = udmc_verbs_way_open(domain, &attr);
	if (!peer->handle) {
		UDMC_WARN(AV, "no way to a peer: %s\n", strerror(errno));
		return errno ? -errno : -FI_EHOSTUNREACH;
	}
	peer->qpn = le32toh(addr->qpn);
	peer->qkey = le32toh(addr->qkey);
	return 0;
}

static void peer_close(struct udmc_peer *peer)
{
	udmc_verbs_way_close(peer->handle);
	peer->handle = NULL;
}

/* ---------------------------------------------------- completion queue -- */

/* One channel for the ibv_cqs of all endpoints bound to this queue. */
static int cq_open(struct udmc_cq *cq)
{
	struct ibv_comp_channel *channel;
	int flags, ret;

	if (cq->wait.fd < 0)
		return 0;
	channel = ibv_create_comp_channel(
			udmc_verbs_domain(cq->domain)->pd->context);
	if (!channel)
		return errno ? -errno : -FI_ENOMEM;
	flags = fcntl(channel->fd, F_GETFL);
	if (flags < 0 || fcntl(channel->fd, F_SETFL, flags | O_NONBLOCK))
		ret = -errno;
	else
		ret = udmc_wait_watch(&cq->wait, channel->fd, EPOLLIN);
	if (ret)
		ibv_destroy_comp_channel(channel);
	else
		cq->transport_data = channel;
	return ret;
}

static void cq_close(struct udmc_cq *cq)
{
	if (cq->transport_data)
		ibv_destroy_comp_channel(cq->transport_data);
}

static const char *error_text(int prov_errno)
{
	return ibv_wc_status_str((enum ibv_wc_status)prov_errno);
}

const struct udmc_transport udmc_verbs = {
	.fabric_name = "udmc-rdma",
	.protocol = FI_PROTO_IB_UD,
	.mr_mode = FI_MR_LOCAL,
	.scan = verbs_scan,
	.domain_open = domain_open,
	.domain_close = domain_close,
	.mr_open = mr_open,
	.mr_close = mr_close,
	.peer_open = peer_open,
	.peer_close = peer_close,
	.cq_open = cq_open,
	.cq_close = cq_close,
	.ep_alloc = udmc_verbs_ep_alloc,
	.error_text = error_text,
};
