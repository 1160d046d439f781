// SPDX-License-Identifier: BSD-2-Clause
/*
 * info.c - fi_getinfo: which devices satisfy what the caller asks for.
 *
 * libfabric picks providers by what getinfo answers, and layers its reliable
 * datagrams on a provider that says yes too easily; so each hint is either met
 * or refused, with a line in the log (FI_LOG_LEVEL=info) that says which.  A
 * device that was merely not meant, by name or address, goes without a line.
 *
 * Neighbours: device.c lists the devices, query.c matches addresses.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "info.h"

#define OP_FLAGS_TX \
	(FI_COMPLETION | FI_MULTICAST | FI_INJECT | FI_INJECT_COMPLETE | \
		FI_TRANSMIT_COMPLETE)

int udmc_refuse(const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	UDMC_INFO(CORE, "%s\n", text);
	return -FI_ENODATA;
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
		return udmc_refuse("threading %d: no locks on the data path; "
				"ask for FI_THREAD_COMPLETION",
				(int)attr->threading);
	if (attr->control_progress == FI_PROGRESS_AUTO ||
			attr->data_progress == FI_PROGRESS_AUTO)
		return udmc_refuse("no thread of ours makes progress; ask for "
				"FI_PROGRESS_MANUAL");
	/* The old modes carry the demand in hints->mode instead. */
	if (need & FI_MR_LOCAL && !(attr->mr_mode & FI_MR_LOCAL) &&
			!(hints->mode & FI_LOCAL_MR))
		return udmc_refuse("%s needs FI_MR_LOCAL in mr_mode",
				device->name);
	if (attr->cq_data_size || attr->auth_key_size)
		return udmc_refuse("no remote completion data, no keys");
	if (attr->caps & ~(uint64_t)UDMC_CAPS_DOMAIN)
		return udmc_refuse("domain capabilities %#llx are not offered",
				(unsigned long long)attr->caps);
	return 0;
}

static int match_queues(const struct fi_info *hints)
{
	const struct fi_tx_attr *tx = hints->tx_attr;
	const struct fi_rx_attr *rx = hints->rx_attr;

	if (tx && (tx->caps & ~(uint64_t)UDMC_CAPS_TX ||
			tx->op_flags & ~(uint64_t)OP_FLAGS_TX))
		return udmc_refuse("send capabilities %#llx or op_flags %#llx "
				"are not offered", (unsigned long long)tx->caps,
				(unsigned long long)tx->op_flags);
	if (tx && (tx->size > UDMC_QUEUE_MAX || tx->inject_size >
			UDMC_INJECT_MAX || tx->iov_limit > UDMC_IOV_TX_MAX))
		return udmc_refuse("send: at most %d entries, %d bytes inject, "
				"%d pieces", UDMC_QUEUE_MAX, UDMC_INJECT_MAX,
				UDMC_IOV_TX_MAX);
	if (tx && tx->rma_iov_limit)
		return udmc_refuse("no remote memory access");
	if (rx && (rx->caps & ~(uint64_t)UDMC_CAPS_RX ||
			rx->op_flags & ~FI_COMPLETION))
		return udmc_refuse("receive capabilities %#llx or op_flags "
				"%#llx are not offered",
				(unsigned long long)rx->caps,
				(unsigned long long)rx->op_flags);
	if (rx && (rx->size > UDMC_QUEUE_MAX ||
			rx->iov_limit > UDMC_IOV_RX_MAX ||
			rx->total_buffered_recv))
		return udmc_refuse("receive: at most %d entries, %d pieces, "
				"none buffered", UDMC_QUEUE_MAX, UDMC_IOV_RX_MAX);
	if ((tx && tx->msg_order) || (rx && rx->msg_order))
		return udmc_refuse("datagrams have no order to promise");
	return 0;
}

static int match_ep(const struct udmc_device *device,
		const struct fi_info *hints)
{
	const struct fi_ep_attr *attr = hints->ep_attr;

	if (!attr)
		return 0;
	if (attr->type != FI_EP_UNSPEC && attr->type != FI_EP_DGRAM)
		return udmc_refuse("only FI_EP_DGRAM is offered");
	if (attr->protocol && attr->protocol != device->transport->protocol)
		return -FI_ENODATA;
	if (attr->max_msg_size > device->msg_bytes_max)
		return udmc_refuse("%s: datagrams of %zu bytes asked for, %zu "
				"fit", device->name, attr->max_msg_size,
				device->msg_bytes_max);
	if (attr->tx_ctx_cnt > 1 || attr->rx_ctx_cnt > 1 ||
			attr->auth_key_size)
		return udmc_refuse("one context each way, no keys");
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
		return udmc_refuse("%s: capabilities %#llx are not offered",
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
		const struct udmc_device *device,
		const struct udmc_query *query)
{
	union udmc_address src = device->name_template;
	int ret;

	if (device->addr_format != FI_ADDR_IB_UD) {
		if (query->source.kind == UDMC_PLACE_IP)
			src = query->source.addr;
		else
			src.in.sin_port = query->port;
	}
	ret = copy_address(&info->src_addr, &info->src_addrlen, &src,
			device->addrlen);
	if (!ret && query->dest.kind != UDMC_PLACE_NONE)
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
		const struct udmc_query *query, const struct fi_info *hints,
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
	struct udmc_query query;
	int ret = udmc_query_set(&query, node, service, flags, hints);

	if (ret)
		return ret;
	ret = udmc_devices_scan(&list);
	if (ret)
		return ret;
	for (size_t i = 0; i < list.count && !ret; i++) {
		if (udmc_query_match(&query, &list.item[i]) ||
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
