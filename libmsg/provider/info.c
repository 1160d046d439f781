// SPDX-License-Identifier: BSD-2-Clause
/*
 * info.c - fi_getinfo: which devices satisfy what the caller asks for.
 *
 * libfabric picks providers by what getinfo answers, and layers its reliable
 * datagrams on a provider that says yes too easily; so each hint is either met
 * or refused, with a line in the log (FI_LOG_LEVEL=info) that says which.
 *
 * Addresses.  A group or an address of this machine selects devices:
 *
 *	source      the device that owns it (any device for 0.0.0.0 or ::)
 *	group       every device with multicast
 *	127.0.0.0/8, ::1        loopback only
 *	other unicast           the device the kernel would route through
 *
 * A verbs device takes groups as IP addresses and endpoints as
 * struct fi_udmc_ib_addr; it cannot find a queue pair behind an IP address.
 *
 * Neighbours: udp_device.c, verbs_device.c list the devices.
 */
#include <ifaddrs.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

#define OP_FLAGS_TX \
	(FI_COMPLETION | FI_MULTICAST | FI_INJECT | FI_INJECT_COMPLETE | \
		FI_TRANSMIT_COMPLETE)

static int FI_FORMAT_PRINTF(1, 2) refuse(const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	UDMC_INFO(CORE, "%s\n", text);
	return -FI_ENODATA;
}

/* ------------------------------------------------------------- devices -- */

int udmc_devices_add(struct udmc_devices *list,
		const struct udmc_device *device)
{
	struct udmc_device *more = realloc(list->item,
			(list->count + 1) * sizeof(*more));

	if (!more)
		return -FI_ENOMEM;
	list->item = more;
	more[list->count++] = *device;
	return 0;
}

void udmc_devices_free(struct udmc_devices *list)
{
	free(list->item);
	list->item = NULL;
	list->count = 0;
}

int udmc_devices_scan(struct udmc_devices *list)
{
	int ret;

	list->item = NULL;
	list->count = 0;
	ret = udmc_verbs.scan(list);
	if (!ret)
		ret = udmc_udp.scan(list);
	if (ret)
		udmc_devices_free(list);
	return ret;
}

int udmc_info_device(const struct fi_info *info, struct udmc_device *device)
{
	struct udmc_devices list;
	int ret = udmc_devices_scan(&list);

	if (ret)
		return ret;
	ret = -FI_ENODEV;
	for (size_t i = 0; i < list.count && ret; i++) {
		const struct udmc_device *d = &list.item[i];

		if (info->addr_format && info->addr_format != FI_SOCKADDR &&
				info->addr_format != d->addr_format)
			continue;
		if (!info->domain_attr->name ||
				strcmp(info->domain_attr->name, d->name) == 0) {
			*device = *d;
			ret = 0;
		}
	}
	if (ret)
		UDMC_WARN(DOMAIN, "no device %s any more\n",
				info->domain_attr->name);
	udmc_devices_free(&list);
	return ret;
}

/* ----------------------------------------------------------- addresses -- */

/* An address as the caller gave it: none, an IP address, or a queue pair. */
struct place {
	enum { PLACE_NONE, PLACE_IP, PLACE_IB } kind;
	union udmc_address addr;
	socklen_t bytes;
	unsigned int ifindex; /* IP: whose it is, or the way there; or 0. */
};

struct query {
	struct place source, dest;
	in_port_t port; /* A source port without an address. */
};

static bool is_any(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return ((const struct sockaddr_in *)sa)->sin_addr.s_addr ==
				htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(
			&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

static bool is_loopback(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)sa)
				->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(
			&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

static bool same_host(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
			((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)a)->sin6_addr,
			&((const struct sockaddr_in6 *)b)->sin6_addr);
}

/* The interface that owns this address; 0 if none does. */
static unsigned int owner(const struct sockaddr *sa)
{
	unsigned int index = 0;
	struct ifaddrs *list;

	if (getifaddrs(&list))
		return 0;
	for (struct ifaddrs *i = list; i && !index; i = i->ifa_next)
		if (i->ifa_addr && (i->ifa_addr->sa_family == AF_INET ||
				i->ifa_addr->sa_family == AF_INET6) &&
				same_host(i->ifa_addr, sa))
			index = if_nametoindex(i->ifa_name);
	freeifaddrs(list);
	return index;
}

/* The interface the kernel would send through; asks the routing table only. */
static unsigned int way_to(const struct place *dest)
{
	union udmc_address local = dest->addr;
	socklen_t bytes = sizeof(local);
	unsigned int index = 0;
	int fd = socket(dest->addr.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return 0;
	/* A port of 0 would be refused. */
	if (!local.in.sin_port)
		local.in.sin_port = htons(9);
	if (connect(fd, &local.sa, dest->bytes) == 0 &&
			getsockname(fd, &local.sa, &bytes) == 0)
		index = owner(&local.sa);
	close(fd);
	return index;
}

static int place_set(struct place *place, const void *addr, size_t bytes)
{
	const struct sockaddr *sa = addr;

	memset(place, 0, sizeof(*place));
	if (!addr || !bytes)
		return 0;
	if (bytes == sizeof(struct fi_udmc_ib_addr))
		place->kind = PLACE_IB;
	else if ((bytes >= sizeof(struct sockaddr_in) &&
				sa->sa_family == AF_INET) ||
			(bytes >= sizeof(struct sockaddr_in6) &&
				sa->sa_family == AF_INET6))
		place->kind = PLACE_IP;
	else
		return refuse("an address is neither IPv4, IPv6 nor a queue "
				"pair's");
	if (place->kind == PLACE_IP)
		bytes = sa->sa_family == AF_INET ? sizeof(struct sockaddr_in) :
				sizeof(struct sockaddr_in6);
	memcpy(&place->addr, addr, bytes);
	place->bytes = (socklen_t)bytes;
	return 0;
}

static int resolve(struct place *place, const char *node, const char *service,
		uint64_t flags)
{
	struct addrinfo want = {
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = flags & FI_NUMERICHOST ? AI_NUMERICHOST : 0,
	};
	struct addrinfo *found;
	int ret = getaddrinfo(node, service, &want, &found);

	if (ret)
		return refuse("%s %s: %s", node ? node : "",
				service ? service : "", gai_strerror(ret));
	ret = place_set(place, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return ret;
}

static int query_set(struct query *query, const char *node,
		const char *service, uint64_t flags, const struct fi_info *hints)
{
	struct place port;
	int ret = 0;

	memset(query, 0, sizeof(*query));
	if (hints) {
		ret = place_set(&query->source, hints->src_addr,
				hints->src_addrlen);
		if (!ret)
			ret = place_set(&query->dest, hints->dest_addr,
					hints->dest_addrlen);
	}
	if (!ret && node)
		ret = resolve(flags & FI_SOURCE ? &query->source : &query->dest,
				node, service, flags);
	if (!ret && !node && service && flags & FI_SOURCE) {
		ret = resolve(&port, NULL, service, flags);
		/* The port lies at the same place in both families. */
		if (!ret)
			query->port = port.addr.in.sin_port;
	}
	if (ret)
		return ret;
	if (query->source.kind == PLACE_IP) {
		if (udmc_is_multicast(&query->source.addr.sa))
			return refuse("a source address is unicast; give the "
					"group to fi_join\n");
		query->source.ifindex = owner(&query->source.addr.sa);
	}
	if (query->dest.kind == PLACE_IP &&
			!udmc_is_multicast(&query->dest.addr.sa))
		query->dest.ifindex = way_to(&query->dest);
	return 0;
}

static int match_place(const struct udmc_device *device,
		const struct query *query)
{
	bool ib = device->addr_format == FI_ADDR_IB_UD;
	const struct place *source = &query->source, *dest = &query->dest;
	sa_family_t family = device->local.sa.sa_family;

	if (source->kind == PLACE_IP && (
			(!ib && source->addr.sa.sa_family != family) ||
			(!is_any(&source->addr.sa) &&
				source->ifindex != device->ifindex)))
		return -FI_ENODATA;
	if (source->kind == PLACE_IB && (!ib || memcmp(source->addr.ib.gid,
			device->name_template.ib.gid, 16) != 0))
		return -FI_ENODATA;
	if (dest->kind == PLACE_IB)
		return ib ? 0 : -FI_ENODATA;
	if (dest->kind == PLACE_NONE)
		return 0;
	if (udmc_is_multicast(&dest->addr.sa))
		return device->multicast &&
			(ib || dest->addr.sa.sa_family == family) ?
				0 : -FI_ENODATA;
	if (ib)
		return refuse("%s: no queue pair is known behind an IP address;"
				" exchange fi_getname's result\n",
				device->name);
	if (dest->addr.sa.sa_family != family ||
			is_loopback(&dest->addr.sa) != device->loopback)
		return -FI_ENODATA;
	return device->loopback || dest->ifindex == device->ifindex ?
			0 : -FI_ENODATA;
}

/* --------------------------------------------------------------- hints -- */

static int match_domain(const struct udmc_device *device,
		const struct fi_info *hints)
{
	const struct fi_domain_attr *attr = hints->domain_attr;
	int need = device->transport->mr_mode;

	if (!attr)
		return 0;
	if (attr->name && strcmp(attr->name, device->name) != 0)
		return -FI_ENODATA;
	if (attr->threading != FI_THREAD_UNSPEC &&
			attr->threading != FI_THREAD_COMPLETION &&
			attr->threading != FI_THREAD_DOMAIN)
		return refuse("threading %d: there are no locks on the data "
				"path; ask for FI_THREAD_COMPLETION\n",
				(int)attr->threading);
	if (attr->control_progress == FI_PROGRESS_AUTO ||
			attr->data_progress == FI_PROGRESS_AUTO)
		return refuse("no thread of ours makes progress; ask for "
				"FI_PROGRESS_MANUAL\n");
	/* The old modes carry the demand in hints->mode instead. */
	if (need & FI_MR_LOCAL && !(attr->mr_mode & FI_MR_LOCAL) &&
			!(hints->mode & FI_LOCAL_MR))
		return refuse("%s needs FI_MR_LOCAL in mr_mode",
				device->name);
	if (attr->cq_data_size || attr->auth_key_size)
		return refuse("no remote completion data, no keys");
	if (attr->caps & ~(uint64_t)UDMC_CAPS_DOMAIN)
		return refuse("domain capabilities %#llx are not offered",
				(unsigned long long)attr->caps);
	return 0;
}

static int match_queues(const struct fi_info *hints)
{
	const struct fi_tx_attr *tx = hints->tx_attr;
	const struct fi_rx_attr *rx = hints->rx_attr;

	if (tx && (tx->caps & ~(uint64_t)UDMC_CAPS_TX ||
			tx->op_flags & ~(uint64_t)OP_FLAGS_TX))
		return refuse("send capabilities %#llx or op_flags %#llx are "
				"not offered", (unsigned long long)tx->caps,
				(unsigned long long)tx->op_flags);
	if (tx && (tx->size > UDMC_QUEUE_MAX || tx->inject_size >
			UDMC_INJECT_MAX || tx->iov_limit > UDMC_IOV_TX_MAX))
		return refuse("send: at most %d entries, %d bytes inject, %d "
				"pieces", UDMC_QUEUE_MAX, UDMC_INJECT_MAX,
				UDMC_IOV_TX_MAX);
	if (tx && tx->rma_iov_limit)
		return refuse("no remote memory access");
	if (rx && (rx->caps & ~(uint64_t)UDMC_CAPS_RX ||
			rx->op_flags & ~FI_COMPLETION))
		return refuse("receive capabilities %#llx or op_flags %#llx "
				"are not offered",
				(unsigned long long)rx->caps,
				(unsigned long long)rx->op_flags);
	if (rx && (rx->size > UDMC_QUEUE_MAX ||
			rx->iov_limit > UDMC_IOV_RX_MAX ||
			rx->total_buffered_recv))
		return refuse("receive: at most %d entries, %d pieces, none "
				"buffered", UDMC_QUEUE_MAX, UDMC_IOV_RX_MAX);
	if ((tx && tx->msg_order) || (rx && rx->msg_order))
		return refuse("datagrams have no order to promise");
	return 0;
}

static int match_ep(const struct udmc_device *device,
		const struct fi_info *hints)
{
	const struct fi_ep_attr *attr = hints->ep_attr;

	if (!attr)
		return 0;
	if (attr->type != FI_EP_UNSPEC && attr->type != FI_EP_DGRAM)
		return refuse("only FI_EP_DGRAM is offered");
	if (attr->protocol && attr->protocol != device->transport->protocol)
		return -FI_ENODATA;
	if (attr->max_msg_size > device->msg_bytes_max)
		return refuse("%s: datagrams of %zu bytes asked for, %zu "
				"fit", device->name, attr->max_msg_size,
				device->msg_bytes_max);
	if (attr->tx_ctx_cnt > 1 || attr->rx_ctx_cnt > 1 ||
			attr->auth_key_size)
		return refuse("one context each way, no keys");
	return 0;
}

static int match_hints(const struct udmc_device *device,
		const struct fi_info *hints)
{
	const struct fi_fabric_attr *fabric = hints->fabric_attr;
	uint64_t have = UDMC_CAPS;
	int ret;

	if (!device->multicast)
		have &= ~FI_MULTICAST;
	if (hints->caps & ~have)
		return refuse("%s: capabilities %#llx are not offered",
				device->name,
				(unsigned long long)(hints->caps & ~have));
	if (hints->addr_format && hints->addr_format != device->addr_format &&
			!(hints->addr_format == FI_SOCKADDR &&
				device->addr_format != FI_ADDR_IB_UD))
		return -FI_ENODATA;
	if (fabric && fabric->name && strcmp(fabric->name,
			device->transport->fabric_name) != 0)
		return -FI_ENODATA;
	/* libfabric's core has looked at this before it calls. */
	if (!udmc_loaded && fabric && fabric->prov_name &&
			!strstr(fabric->prov_name, udmc_prov.name))
		return -FI_ENODATA;
	ret = match_ep(device, hints);
	if (!ret)
		ret = match_domain(device, hints);
	return ret ? ret : match_queues(hints);
}

/* -------------------------------------------------------------- answer -- */

static size_t pick(size_t asked, size_t otherwise)
{
	return asked ? asked : otherwise;
}

static void fill_queues(struct fi_info *info, const struct fi_info *hints)
{
	const struct fi_tx_attr *tx = hints ? hints->tx_attr : NULL;
	const struct fi_rx_attr *rx = hints ? hints->rx_attr : NULL;

	info->tx_attr->caps = info->caps & UDMC_CAPS_TX;
	info->tx_attr->op_flags = tx ? tx->op_flags : 0;
	info->tx_attr->comp_order = FI_ORDER_STRICT;
	info->tx_attr->inject_size = UDMC_INJECT_MAX;
	info->tx_attr->size = pick(tx ? tx->size : 0, UDMC_QUEUE_TX);
	info->tx_attr->iov_limit = UDMC_IOV_TX_MAX;
	info->rx_attr->caps = info->caps & UDMC_CAPS_RX;
	info->rx_attr->op_flags = rx ? rx->op_flags : 0;
	info->rx_attr->comp_order = FI_ORDER_STRICT;
	info->rx_attr->size = pick(rx ? rx->size : 0, UDMC_QUEUE_RX);
	info->rx_attr->iov_limit = UDMC_IOV_RX_MAX;
}

static void fill_domain(struct fi_domain_attr *attr,
		const struct udmc_device *device, const struct fi_info *hints)
{
	const struct fi_domain_attr *want = hints ? hints->domain_attr : NULL;

	attr->threading = FI_THREAD_COMPLETION;
	if (want && want->threading)
		attr->threading = want->threading;
	attr->control_progress = FI_PROGRESS_MANUAL;
	attr->data_progress = FI_PROGRESS_MANUAL;
	attr->resource_mgmt = FI_RM_ENABLED;
	attr->av_type = want && want->av_type ? want->av_type : FI_AV_TABLE;
	attr->mr_mode = device->transport->mr_mode;
	/* FI_MR_BASIC and FI_MR_SCALABLE are whole words, not bits. */
	if (want && (want->mr_mode == FI_MR_BASIC ||
			want->mr_mode == FI_MR_SCALABLE))
		attr->mr_mode = want->mr_mode;
	attr->mr_key_size = sizeof(uint64_t);
	attr->cq_cnt = 65536;
	attr->ep_cnt = 65536;
	attr->tx_ctx_cnt = 65536;
	attr->rx_ctx_cnt = 65536;
	attr->max_ep_tx_ctx = 1;
	attr->max_ep_rx_ctx = 1;
	attr->mr_iov_limit = 1;
	attr->mr_cnt = 65536;
	attr->caps = UDMC_CAPS_DOMAIN;
}

static int copy_address(void **to, size_t *to_bytes, const void *from,
		size_t bytes)
{
	*to = malloc(bytes);
	if (!*to)
		return -FI_ENOMEM;
	memcpy(*to, from, bytes);
	*to_bytes = bytes;
	return 0;
}

static int fill_addresses(struct fi_info *info,
		const struct udmc_device *device, const struct query *query)
{
	union udmc_address src = device->name_template;
	int ret;

	if (device->addr_format != FI_ADDR_IB_UD) {
		if (query->source.kind == PLACE_IP)
			src = query->source.addr;
		else
			src.in.sin_port = query->port;
	}
	ret = copy_address(&info->src_addr, &info->src_addrlen, &src,
			device->addrlen);
	if (!ret && query->dest.kind != PLACE_NONE)
		ret = copy_address(&info->dest_addr, &info->dest_addrlen,
				&query->dest.addr, query->dest.bytes);
	return ret;
}

static int fill_names(struct fi_info *info, const struct udmc_device *device,
		uint32_t version)
{
	info->domain_attr->name = strdup(device->name);
	info->fabric_attr->name = strdup(device->transport->fabric_name);
	if (!info->domain_attr->name || !info->fabric_attr->name)
		return -FI_ENOMEM;
	if (udmc_loaded)
		return 0; /* The core fills in the rest. */
	info->fabric_attr->prov_name = strdup(udmc_prov.name);
	info->fabric_attr->prov_version = udmc_prov.version;
	info->fabric_attr->api_version = version;
	return info->fabric_attr->prov_name ? 0 : -FI_ENOMEM;
}

static struct fi_info *make(const struct udmc_device *device,
		const struct query *query, const struct fi_info *hints,
		uint32_t version)
{
	struct fi_info *info = fi_allocinfo();

	if (!info)
		return NULL;
	/* FI_SOURCE costs a look-up for each receive: only when asked for. */
	info->caps = hints && hints->caps ? hints->caps :
			FI_MSG | FI_MULTICAST;
	if (!device->multicast)
		info->caps &= ~FI_MULTICAST;
	if (!(info->caps & (FI_SEND | FI_RECV)))
		info->caps |= FI_SEND | FI_RECV;
	info->caps |= UDMC_CAPS_DOMAIN;
	info->addr_format = device->addr_format;
	info->ep_attr->type = FI_EP_DGRAM;
	info->ep_attr->protocol = device->transport->protocol;
	info->ep_attr->protocol_version = 1;
	info->ep_attr->max_msg_size = device->msg_bytes_max;
	info->ep_attr->tx_ctx_cnt = 1;
	info->ep_attr->rx_ctx_cnt = 1;
	fill_queues(info, hints);
	fill_domain(info->domain_attr, device, hints);
	if (hints && device->transport->mr_mode &&
			!(info->domain_attr->mr_mode & FI_MR_LOCAL))
		info->mode |= FI_LOCAL_MR;
	if (fill_addresses(info, device, query) ||
			fill_names(info, device, version)) {
		fi_freeinfo(info);
		return NULL;
	}
	return info;
}

int udmc_getinfo(uint32_t version, const char *node, const char *service,
		uint64_t flags, const struct fi_info *hints,
		struct fi_info **info)
{
	struct fi_info *first = NULL, **last = &first;
	struct udmc_devices list;
	struct query query;
	int ret = query_set(&query, node, service, flags, hints);

	if (ret)
		return ret;
	ret = udmc_devices_scan(&list);
	if (ret)
		return ret;
	for (size_t i = 0; i < list.count && !ret; i++) {
		if (match_place(&list.item[i], &query) ||
				(hints && match_hints(&list.item[i], hints)))
			continue;
		*last = make(&list.item[i], &query, hints, version);
		if (*last)
			last = &(*last)->next;
		else
			ret = -FI_ENOMEM;
	}
	udmc_devices_free(&list);
	if (!ret && !first)
		ret = -FI_ENODATA;
	if (ret && first)
		fi_freeinfo(first);
	else
		*info = first;
	return ret;
}
