/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rc_raw.c - by libfabric's calls, as plainly as it gets: one connection for both
 * ways; and one each way, as topics have it.  TCP acknowledges by itself what no
 * answer goes along with, which takes a quarter of the time of a small message.
 */
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

struct raw {
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_eq *eq;
	struct fid_cq *cq;
	struct fid_pep *listener;
	struct fid_ep *ep[2]; /* Or one alone, for both ways. */
	struct fid_ep *out;
	int ep_count;
	struct fid_mr *mr;
	uint8_t *memory;
};

static void check(ssize_t result, const char *what)
{
	rc_check(result != 0, what, (int)-result);
}

static void find(struct raw *raw, const char *device)
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
		      device ? 0 : FI_SOURCE, hints, &raw->info), "fi_getinfo");
	fi_freeinfo(hints);
}

static void raw_open(struct raw *raw, const char *device, bool listen,
	struct rc_address *self)
{
	struct fi_cq_attr cq = {
		.size = 4 * RC_WINDOW,
		.format = FI_CQ_FORMAT_MSG,
		.wait_obj = FI_WAIT_NONE,
	};
	struct fi_eq_attr eq = {.wait_obj = FI_WAIT_FD};
	size_t bytes = sizeof self->bytes;

	find(raw, device);
	raw->memory = rc_memory();
	check(fi_fabric(raw->info->fabric_attr, &raw->fabric, NULL), "fi_fabric");
	check(fi_domain(raw->fabric, raw->info, &raw->domain, NULL), "fi_domain");
	check(fi_eq_open(raw->fabric, &eq, &raw->eq, NULL), "fi_eq_open");
	check(fi_cq_open(raw->domain, &cq, &raw->cq, NULL), "fi_cq_open");
	check(fi_mr_reg(raw->domain, raw->memory,
		      2ul * RC_WINDOW * RC_BYTES_MAX, FI_SEND | FI_RECV, 0, 1,
		      0, &raw->mr, NULL), "fi_mr_reg");
	if (!listen)
		return;
	check(fi_passive_ep(raw->fabric, raw->info, &raw->listener, NULL),
		"fi_passive_ep");
	check(fi_pep_bind(raw->listener, &raw->eq->fid, 0), "fi_pep_bind");
	check(fi_listen(raw->listener), "fi_listen");
	check(fi_getname(&raw->listener->fid, self->bytes, &bytes),
		"fi_getname");
	self->length = (uint32_t)bytes;
}

static void post(struct raw *raw, struct fid_ep *ep, uint32_t slot)
{
	check(fi_recv(ep, raw->memory + (size_t)slot * RC_BYTES_MAX,
		      RC_BYTES_MAX, fi_mr_desc(raw->mr), FI_ADDR_UNSPEC,
		      (void *)(uintptr_t)slot), "fi_recv");
}

static void make_endpoint(struct raw *raw, int i, struct fi_info *info)
{
	struct fid_ep *ep;

	check(fi_endpoint(raw->domain, info, &ep, NULL), "fi_endpoint");
	check(fi_ep_bind(ep, &raw->eq->fid, 0), "fi_ep_bind");
	check(fi_ep_bind(ep, &raw->cq->fid, FI_TRANSMIT | FI_RECV),
		"fi_ep_bind");
	check(fi_enable(ep), "fi_enable");
	raw->ep[i] = ep;
}

static void wait_event(struct raw *raw, uint32_t wanted, struct fi_info **info)
{
	struct fi_eq_cm_entry entry = {0};
	uint32_t event = 0;
	ssize_t n = fi_eq_sread(raw->eq, &event, &entry, sizeof entry, 20000, 0);

	rc_check(n < 0 || event != wanted, "event", (int)-n);
	if (info)
		*info = entry.info;
}

/* Out by one, in by the other. */
static void use(struct raw *raw, int out)
{
	struct fid_ep *in = raw->ep[raw->ep_count - 1 - out];

	raw->out = raw->ep[out];
	for (uint32_t i = 0; i < RC_WINDOW; i++)
		post(raw, in, i);
}

static void raw_connect(struct raw *raw, const struct rc_address *address)
{
	raw->info->dest_addr = malloc(address->length);
	rc_check(!raw->info->dest_addr, "malloc", 0);
	memcpy(raw->info->dest_addr, address->bytes, address->length);
	raw->info->dest_addrlen = address->length;
	for (int i = 0; i < raw->ep_count; i++) {
		make_endpoint(raw, i, raw->info);
		check(fi_connect(raw->ep[i], address->bytes, NULL, 0),
			"fi_connect");
		wait_event(raw, FI_CONNECTED, NULL);
	}
	use(raw, 0);
}

static void raw_accept(struct raw *raw)
{
	for (int i = 0; i < raw->ep_count; i++) {
		struct fi_info *info = NULL;

		wait_event(raw, FI_CONNREQ, &info);
		make_endpoint(raw, i, info);
		check(fi_accept(raw->ep[i], NULL, 0), "fi_accept");
		wait_event(raw, FI_CONNECTED, NULL);
		fi_freeinfo(info);
	}
	use(raw, raw->ep_count - 1);
}

static bool raw_send(struct raw *raw, uint32_t slot, uint32_t bytes)
{
	ssize_t result = fi_send(raw->out,
		raw->memory + (size_t)(RC_WINDOW + slot) * RC_BYTES_MAX, bytes,
		fi_mr_desc(raw->mr), FI_ADDR_UNSPEC, NULL);

	if (result != -FI_EAGAIN)
		check(result, "fi_send");
	return result == 0;
}

static void raw_poll(struct raw *raw, struct rc_found *found)
{
	struct fid_ep *in =
		raw->ep[raw->ep_count == 2 && raw->out == raw->ep[0]];
	struct fi_cq_msg_entry entries[16];
	ssize_t n = fi_cq_read(raw->cq, entries, 16);

	rc_check(n < 0 && n != -FI_EAGAIN, "fi_cq_read", (int)-n);
	for (ssize_t i = 0; i < n; i++) {
		if (entries[i].flags & FI_RECV) {
			found->received++;
			post(raw, in,
				(uint32_t)(uintptr_t)entries[i].op_context);
		} else {
			found->sent++;
		}
	}
}

static void raw_close(struct raw *raw)
{
	for (int i = 0; i < raw->ep_count; i++)
		fi_close(&raw->ep[i]->fid);
	if (raw->listener)
		fi_close(&raw->listener->fid);
	fi_close(&raw->mr->fid);
	fi_close(&raw->cq->fid);
	fi_close(&raw->domain->fid);
	fi_close(&raw->eq->fid);
	fi_close(&raw->fabric->fid);
	fi_freeinfo(raw->info);
}

static struct raw rc_raw_state = {.ep_count = 1};
RC_WAY(rc_raw, "raw", raw);

static struct raw rc_each_state = {.ep_count = 2};
RC_WAY(rc_each, "each", raw);
