/* SPDX-License-Identifier: BSD-2-Clause */
/* rc_raw.c - a connection by libfabric's calls, as plainly as it gets. */
#include <stdlib.h>
#include <string.h>

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>

#include "rc.h"

#define API FI_VERSION(1, 17)

static struct {
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_eq *eq;
	struct fid_cq *cq;
	struct fid_pep *listener;
	struct fid_ep *ep;
	struct fid_mr *mr;
	uint8_t *memory;
} raw;

static void check(ssize_t result, const char *what)
{
	rc_check(result != 0, what, (int)-result);
}

static void find(const char *device)
{
	struct fi_info *hints = fi_allocinfo();

	rc_check(!hints, "fi_allocinfo", 0);
	hints->caps = FI_MSG;
	hints->ep_attr->type = FI_EP_MSG;
	hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR |
				      FI_MR_ALLOCATED | FI_MR_PROV_KEY;
	hints->domain_attr->threading = FI_THREAD_DOMAIN;
	hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
	hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
	hints->fabric_attr->prov_name = strdup(device ? "verbs" : "tcp");
	if (device) {
		hints->domain_attr->name = strdup(device);
		hints->addr_format = FI_SOCKADDR_IN;
	}
	check(fi_getinfo(API, device ? NULL : "127.0.0.1", NULL,
		      device ? 0 : FI_SOURCE, hints, &raw.info), "fi_getinfo");
	fi_freeinfo(hints);
}

static void raw_open(const char *device, bool listen, struct rc_address *self)
{
	struct fi_cq_attr cq = {
		.size = 4 * RC_WINDOW,
		.format = FI_CQ_FORMAT_MSG,
		.wait_obj = FI_WAIT_NONE,
	};
	struct fi_eq_attr eq = {.wait_obj = FI_WAIT_FD};
	size_t bytes = sizeof self->bytes;

	find(device);
	raw.memory = rc_memory();
	check(fi_fabric(raw.info->fabric_attr, &raw.fabric, NULL), "fi_fabric");
	check(fi_domain(raw.fabric, raw.info, &raw.domain, NULL), "fi_domain");
	check(fi_eq_open(raw.fabric, &eq, &raw.eq, NULL), "fi_eq_open");
	check(fi_cq_open(raw.domain, &cq, &raw.cq, NULL), "fi_cq_open");
	check(fi_mr_reg(raw.domain, raw.memory,
		      2ul * RC_WINDOW * RC_BYTES_MAX, FI_SEND | FI_RECV, 0, 1,
		      0, &raw.mr, NULL), "fi_mr_reg");
	if (!listen)
		return;
	check(fi_passive_ep(raw.fabric, raw.info, &raw.listener, NULL),
		"fi_passive_ep");
	check(fi_pep_bind(raw.listener, &raw.eq->fid, 0), "fi_pep_bind");
	check(fi_listen(raw.listener), "fi_listen");
	check(fi_getname(&raw.listener->fid, self->bytes, &bytes),
		"fi_getname");
	self->length = (uint32_t)bytes;
}

static void post(uint32_t slot)
{
	check(fi_recv(raw.ep, raw.memory + (size_t)slot * RC_BYTES_MAX,
		      RC_BYTES_MAX, fi_mr_desc(raw.mr), FI_ADDR_UNSPEC,
		      (void *)(uintptr_t)slot), "fi_recv");
}

static void make_endpoint(struct fi_info *info)
{
	check(fi_endpoint(raw.domain, info, &raw.ep, NULL), "fi_endpoint");
	check(fi_ep_bind(raw.ep, &raw.eq->fid, 0), "fi_ep_bind");
	check(fi_ep_bind(raw.ep, &raw.cq->fid, FI_TRANSMIT | FI_RECV),
		"fi_ep_bind");
	check(fi_enable(raw.ep), "fi_enable");
	for (uint32_t i = 0; i < RC_WINDOW; i++)
		post(i);
}

static void wait_event(uint32_t wanted, struct fi_info **info)
{
	struct fi_eq_cm_entry entry = {0};
	uint32_t event = 0;
	ssize_t n = fi_eq_sread(raw.eq, &event, &entry, sizeof entry, 20000, 0);

	rc_check(n < 0 || event != wanted, "event", (int)-n);
	if (info)
		*info = entry.info;
}

static void raw_connect(const struct rc_address *address)
{
	raw.info->dest_addr = malloc(address->length);
	rc_check(!raw.info->dest_addr, "malloc", 0);
	memcpy(raw.info->dest_addr, address->bytes, address->length);
	raw.info->dest_addrlen = address->length;
	make_endpoint(raw.info);
	check(fi_connect(raw.ep, address->bytes, NULL, 0), "fi_connect");
	wait_event(FI_CONNECTED, NULL);
}

static void raw_accept(void)
{
	struct fi_info *info = NULL;

	wait_event(FI_CONNREQ, &info);
	make_endpoint(info);
	check(fi_accept(raw.ep, NULL, 0), "fi_accept");
	wait_event(FI_CONNECTED, NULL);
	fi_freeinfo(info);
}

static bool raw_send(uint32_t slot, uint32_t bytes)
{
	ssize_t result = fi_send(raw.ep,
		raw.memory + (size_t)(RC_WINDOW + slot) * RC_BYTES_MAX, bytes,
		fi_mr_desc(raw.mr), FI_ADDR_UNSPEC, NULL);

	if (result != -FI_EAGAIN)
		check(result, "fi_send");
	return result == 0;
}

static void raw_poll(struct rc_found *found)
{
	struct fi_cq_msg_entry entries[16];
	ssize_t n = fi_cq_read(raw.cq, entries, 16);

	rc_check(n < 0 && n != -FI_EAGAIN, "fi_cq_read", (int)-n);
	for (ssize_t i = 0; i < n; i++) {
		if (entries[i].flags & FI_RECV) {
			found->received++;
			post((uint32_t)(uintptr_t)entries[i].op_context);
		} else {
			found->sent++;
		}
	}
}

static void raw_close(void)
{
	fi_close(&raw.ep->fid);
	if (raw.listener)
		fi_close(&raw.listener->fid);
	fi_close(&raw.mr->fid);
	fi_close(&raw.cq->fid);
	fi_close(&raw.domain->fid);
	fi_close(&raw.eq->fid);
	fi_close(&raw.fabric->fid);
	fi_freeinfo(raw.info);
}

const struct rc_way rc_raw = {
	.name = "raw",
	.open = raw_open,
	.connect = raw_connect,
	.accept = raw_accept,
	.send = raw_send,
	.poll = raw_poll,
	.close = raw_close,
};
