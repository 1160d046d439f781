/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * endpoint.c - one endpoint with its queues, memory and groups: a link.
 *
 * Sends go out one call late: the last one given with `more` is kept until the
 * next or a flush, because libfabric has no flush; a train must end with a
 * send that does not say FI_MORE.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rdma/fi_cm.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>

#include "base/clock.h"
#include "fi_ext_udmc.h"
#include "link/fabric/fabric.h"

/* A join on RoCE takes 1 to 100 ms (asynchronous, through the kernel's
 * connection manager); one that takes seconds will not come. */
#define JOIN_LIMIT_MS 5000
/* From one `meanwhile` to the next: at a million frames a second, a thousand
 * of the 4096 that a broker posts. */
#define MEANWHILE_MS 1
/* What the kernel holds for us while we are away; granted as far as
 * net.core.rmem_max goes unless we may exceed it. */
#define SOCKET_BUFFER_BYTES (16u << 20)
#define POLL_MAX 64

/* Whom one can send to: a group, or (peer) one endpoint. */
struct group {
	struct fid_mc *mc;
	fi_addr_t address;
	bool peer;
};

struct endpoint {
	struct msg_link link;
	struct fabric_domain *domain;
	struct fid_ep *ep;
	struct fid_cq *cq;
	struct fid_eq *eq;
	struct fid_av *av;
	struct fid_mr *mr;
	struct fid_mr *headers; /* Of the first piece of a send, or NULL. */
	const struct endpoint *beside; /* Whose memory is ours, or NULL. */
	void *desc[MSG_LINK_IOV_MAX];
	const uint8_t *headers_base;
	size_t headers_bytes;
	struct group *groups;
	uint32_t group_count;
	bool kept_is_set;
	struct msg_link_send kept;
};

static int lane_code(int error)
{
	return error == -FI_ENOMEM ? MSG_ERROR_MEMORY : MSG_ERROR_FABRIC;
}

/* ---- groups ------------------------------------------------------------ */

static void group_text(const struct sockaddr *group, char *text, size_t room)
{
	const void *address = group->sa_family == AF_INET
		? (const void *)&((const struct sockaddr_in *)(const void *)
					  group)->sin_addr
		: (const void *)&((const struct sockaddr_in6 *)(const void *)
					  group)->sin6_addr;

	if (!inet_ntop(group->sa_family, address, text, (socklen_t)room))
		snprintf(text, room, "?");
}

/* The event of a join, at once or within its time; what fi_eq_sread says.  Who
 * has something to do meanwhile is not kept from it. */
static ssize_t wait_event(
	struct endpoint *e, uint32_t *event, struct fi_eq_entry *entry)
{
	const struct msg_link_domain *domain = &e->domain->link;
	uint64_t limit;
	int patience_ms = 0;
	ssize_t n;

	if (!domain->meanwhile)
		return fi_eq_sread(
			e->eq, event, entry, sizeof *entry, JOIN_LIMIT_MS, 0);
	limit = msg_clock_ns() + JOIN_LIMIT_MS * MSG_NS_PER_MS;
	while ((n = fi_eq_sread(e->eq, event, entry, sizeof *entry, patience_ms,
			0)) == -FI_EAGAIN &&
		msg_clock_ns() < limit) {
		/* At once, too: to ask has taken its time already. */
		domain->meanwhile(domain->meanwhile_context);
		patience_ms = MEANWHILE_MS;
	}
	return n;
}

/* Wait for the verdict on a join; 0 or a negated libfabric error. */
static int join_verdict(struct endpoint *e, struct fid_mc *mc)
{
	struct fi_eq_err_entry error = {0};
	struct fi_eq_entry entry;
	uint32_t event;
	ssize_t n = wait_event(e, &event, &entry);

	if (n == -FI_EAVAIL) {
		if (fi_eq_readerr(e->eq, &error, 0) < 0 || error.err == 0)
			return -FI_EIO;
		return -error.err;
	}
	if (n < 0)
		return n == -FI_EAGAIN ? -FI_ETIMEDOUT : (int)n;
	return event == FI_JOIN_COMPLETE && entry.fid == &mc->fid ? 0
								  : -FI_EIO;
}

static int find_place(struct endpoint *e, uint32_t *handle)
{
	struct group *more;

	for (uint32_t i = 0; i < e->group_count; i++)
		if (!e->groups[i].mc && !e->groups[i].peer) {
			*handle = i;
			return 0;
		}
	more = realloc(e->groups, (e->group_count + 1) * sizeof *more);
	if (!more)
		return -FI_ENOMEM;
	e->groups = more;
	e->groups[e->group_count] = (struct group){.mc = NULL};
	*handle = e->group_count++;
	return 0;
}

static int fabric_join(struct msg_link *link, const struct sockaddr *group,
	enum msg_link_join how, uint32_t *handle, char *text)
{
	struct endpoint *e = (struct endpoint *)link;
	uint64_t flags = how == MSG_LINK_JOIN_SEND ? FI_SEND : FI_RECV;
	char name[INET6_ADDRSTRLEN];
	struct fid_mc *mc = NULL;
	int result = find_place(e, handle);

	if (result == 0)
		result = fi_join(e->ep, group, flags, &mc, NULL);
	if (result == 0)
		result = join_verdict(e, mc);
	if (result) {
		if (mc)
			fi_close(&mc->fid);
		group_text(group, name, sizeof name);
		return fabric_fail(text, lane_code(result),
			"join %s on %s: %s; see msg doctor", name,
			e->domain->link.lane == MSG_LANE_VERBS
				? e->domain->link.device
				: e->domain->link.interface,
			fi_strerror(-result));
	}
	e->groups[*handle].mc = mc;
	e->groups[*handle].address = fi_mc_addr(mc);
	return 0;
}

static int fabric_flush(struct msg_link *link);

static void fabric_leave(struct msg_link *link, uint32_t handle)
{
	struct endpoint *e = (struct endpoint *)link;
	struct group *group = &e->groups[handle];

	if (handle >= e->group_count || (!group->mc && !group->peer))
		return;
	/* What was kept may go there. */
	if (e->kept_is_set && e->kept.group == handle)
		fabric_flush(link);
	if (e->kept_is_set && e->kept.group == handle)
		e->kept_is_set = false;
	if (group->peer)
		fi_av_remove(e->av, &group->address, 1, 0);
	else
		fi_close(&group->mc->fid);
	*group = (struct group){.mc = NULL};
}

/* ---- unicast ----------------------------------------------------------- */

static int fabric_name(struct msg_link *link, uint8_t *reach)
{
	struct endpoint *e = (struct endpoint *)link;
	union fabric_address address;
	size_t bytes = sizeof address;
	int result;

	memset(&address, 0, sizeof address);
	result = fi_getname(&e->ep->fid, &address, &bytes);
	return result ? -MSG_ERROR_FABRIC
		      : (int)fabric_reach_write(e->domain, &address, reach);
}

static int fabric_reach(struct msg_link *link, const uint8_t *reach,
	uint32_t bytes, uint32_t *handle)
{
	struct endpoint *e = (struct endpoint *)link;
	union fabric_address address;
	uint64_t begin = msg_clock_ns();
	fi_addr_t inserted;
	uint32_t place;
	int found;

	if (fabric_reach_read(e->domain, reach, bytes, &address))
		return -MSG_ERROR_ARGUMENT;
	if (!fabric_reach_may(e->domain, begin))
		return -MSG_ERROR_AGAIN;
	if (find_place(e, &place))
		return -MSG_ERROR_MEMORY;
	found = fi_av_insert(e->av, &address, 1, &inserted, 0, NULL);
	/* By UDP nobody is asked. */
	if (e->domain->link.lane == MSG_LANE_VERBS)
		fabric_reach_took(e->domain, begin, msg_clock_ns());
	/* One that the device knows no way to is as good as none. */
	if (found != 1)
		return -MSG_ERROR_ARGUMENT;
	e->groups[place] =
		(struct group){.address = inserted, .peer = true};
	*handle = place;
	return 0;
}

/* ---- data -------------------------------------------------------------- */

/* A code of the steady path for a negated libfabric error. */
static int code_of(ssize_t error)
{
	switch (-error) {
	case FI_EAGAIN:
		return -MSG_ERROR_AGAIN;
	case FI_EMSGSIZE:
		return -MSG_ERROR_TOO_LARGE;
	default:
		return -MSG_ERROR_FABRIC;
	}
}

static int fabric_post(struct msg_link *link, void *buffer, uint32_t bytes,
	uint32_t token, bool more)
{
	struct endpoint *e = (struct endpoint *)link;
	struct iovec iov = {buffer, bytes};
	/* The first descriptor is that of headers, if there are any. */
	bool beside = (uintptr_t)buffer - (uintptr_t)e->headers_base <
		      e->headers_bytes;
	struct fi_msg message = {
		.msg_iov = &iov,
		.desc = &e->desc[beside ? 0 : 1],
		.iov_count = 1,
		.addr = FI_ADDR_UNSPEC,
		.context = (void *)(uintptr_t)token,
	};
	ssize_t result = fi_recvmsg(
		e->ep, &message, FI_COMPLETION | (more ? FI_MORE : 0));

	return result == 0 ? 0 : code_of(result);
}

static int push(struct endpoint *e, const struct msg_link_send *send,
	uint64_t flags)
{
	const struct group *to = &e->groups[send->group];
	struct fi_msg message = {
		.msg_iov = send->iov,
		.desc = e->desc,
		.iov_count = send->iov_count,
		.addr = to->address,
		.context = (void *)(uintptr_t)send->token,
	};
	ssize_t result = fi_sendmsg(e->ep, &message,
		flags | (to->peer ? 0 : FI_MULTICAST) |
			(send->signal ? FI_COMPLETION : 0));

	return result == 0 ? 0 : code_of(result);
}

static int fabric_send(struct msg_link *link, const struct msg_link_send *send)
{
	struct endpoint *e = (struct endpoint *)link;

	if (e->kept_is_set) {
		int result = push(e, &e->kept, FI_MORE);

		/* One that failed for good must not block those behind it. */
		if (result != -MSG_ERROR_AGAIN)
			e->kept_is_set = false;
		if (result < 0)
			return result;
	}
	if (!send->more)
		return push(e, send, 0);
	e->kept = *send;
	e->kept_is_set = true;
	return 0;
}

static int fabric_flush(struct msg_link *link)
{
	struct endpoint *e = (struct endpoint *)link;
	int result;

	if (!e->kept_is_set)
		return 0;
	e->kept.signal = true;
	result = push(e, &e->kept, 0);
	if (result != -MSG_ERROR_AGAIN)
		e->kept_is_set = false;
	return result;
}

static int read_error(struct endpoint *e, struct msg_link_event *event)
{
	struct fi_cq_err_entry error = {0};

	if (fi_cq_readerr(e->cq, &error, 0) != 1)
		return 0;
	event->type = error.flags & FI_RECV ? MSG_LINK_RECEIVE_FAILED
					    : MSG_LINK_SEND_FAILED;
	event->token = (uint32_t)(uintptr_t)error.op_context;
	event->bytes = (uint32_t)error.err;
	return 1;
}

static int fabric_poll(
	struct msg_link *link, struct msg_link_event *events, int count)
{
	struct endpoint *e = (struct endpoint *)link;
	struct fi_cq_msg_entry entries[POLL_MAX];
	ssize_t n = fi_cq_read(e->cq, entries,
		(size_t)(count < POLL_MAX ? count : POLL_MAX));

	if (n == -FI_EAGAIN)
		return 0;
	if (n == -FI_EAVAIL)
		return read_error(e, events);
	if (n < 0)
		return -MSG_ERROR_FABRIC;
	for (ssize_t i = 0; i < n; i++) {
		events[i].type = entries[i].flags & FI_RECV
					 ? MSG_LINK_RECEIVED
					 : MSG_LINK_SENT;
		events[i].token =
			(uint32_t)(uintptr_t)entries[i].op_context;
		events[i].bytes = (uint32_t)entries[i].len;
	}
	return (int)n;
}

static int fabric_arm(struct msg_link *link)
{
	struct endpoint *e = (struct endpoint *)link;
	struct fid *fids[1] = {&e->cq->fid};
	int result = fi_trywait(e->domain->fabric, fids, 1);

	return result == 0 ? 0 : code_of(result);
}

/* ---- opening and closing ----------------------------------------------- */

static void fabric_close(struct msg_link *link)
{
	struct endpoint *e = (struct endpoint *)link;

	for (uint32_t i = 0; i < e->group_count; i++)
		fabric_leave(link, i);
	if (e->ep)
		fi_close(&e->ep->fid);
	if (e->mr)
		fi_close(&e->mr->fid);
	if (e->headers)
		fi_close(&e->headers->fid);
	if (e->av)
		fi_close(&e->av->fid);
	if (e->cq)
		fi_close(&e->cq->fid);
	if (e->eq)
		fi_close(&e->eq->fid);
	free(e->groups);
	free(e);
}

static const struct msg_link_ops ops = {
	.join = fabric_join,
	.leave = fabric_leave,
	.name = fabric_name,
	.reach = fabric_reach,
	.post = fabric_post,
	.send = fabric_send,
	.flush = fabric_flush,
	.poll = fabric_poll,
	.arm = fabric_arm,
	.close = fabric_close,
};

/* The port of the groups, on every address: a socket bound to one address
 * hears no multicast. */
static int set_source(struct fi_info *info, uint16_t port)
{
	struct sockaddr_in *v4;
	struct sockaddr_in6 *v6;

	free(info->src_addr);
	info->src_addr = NULL;
	if (info->addr_format == FI_SOCKADDR_IN) {
		v4 = calloc(1, sizeof *v4);
		if (!v4)
			return -FI_ENOMEM;
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		info->src_addr = v4;
		info->src_addrlen = sizeof *v4;
		return 0;
	}
	v6 = calloc(1, sizeof *v6);
	if (!v6)
		return -FI_ENOMEM;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	info->src_addr = v6;
	info->src_addrlen = sizeof *v6;
	return 0;
}

static int make_info(struct endpoint *e,
	const struct msg_link_options *options, struct fi_info **made)
{
	struct fi_info *info = fi_dupinfo(e->domain->info);
	int result = 0;

	if (!info)
		return -FI_ENOMEM;
	if (options->receive_count)
		info->rx_attr->size = e->link.receive_count;
	if (options->send_count)
		info->tx_attr->size = e->link.send_count;
	/* Without a port: one of its own, on the lane's address, for unicast. */
	if (options->receive_count && options->port != 0 &&
		e->domain->link.lane == MSG_LANE_UDP)
		result = set_source(info, options->port);
	if (result)
		fi_freeinfo(info);
	else
		*made = info;
	return result;
}

/* No deeper than any device we know takes (rxe: 16 Ki work requests, of which
 * a few are its own); what is not posted waits in the pool. */
#define QUEUE_MAX 8192u

/* On the kernel lane a posted buffer is only where the next recvmmsg writes;
 * what arrives meanwhile waits in the socket.  Two batches are enough, and so
 * few stay in the nearest caches (README of tests/perf, posted buffers). */
#define UDP_RECEIVE_MAX 128u

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void limit_counts(
	struct endpoint *e, const struct msg_link_options *options)
{
	e->link.receive_count = least(options->receive_count,
		e->domain->link.lane == MSG_LANE_UDP ? UDP_RECEIVE_MAX
						     : QUEUE_MAX);
	e->link.send_count = least(options->send_count, QUEUE_MAX);
}

static int open_queues(
	struct endpoint *e, const struct msg_link_options *options)
{
	struct fi_cq_attr cq = {
		.size = e->link.receive_count + e->link.send_count,
		.format = FI_CQ_FORMAT_MSG,
		.wait_obj = options->receive_count ? FI_WAIT_FD : FI_WAIT_NONE,
	};
	struct fi_eq_attr eq = {.size = 16, .wait_obj = FI_WAIT_FD};
	struct fi_av_attr av = {.type = FI_AV_TABLE, .count = 1};
	int result = fi_cq_open(e->domain->domain, &cq, &e->cq, NULL);

	if (result == 0)
		result = fi_eq_open(e->domain->fabric, &eq, &e->eq, NULL);
	if (result == 0)
		result = fi_av_open(e->domain->domain, &av, &e->av, NULL);
	return result;
}

static int bind_all(struct endpoint *e)
{
	int result = fi_ep_bind(e->ep, &e->eq->fid, 0);

	if (result == 0)
		result = fi_ep_bind(e->ep, &e->av->fid, 0);
	if (result == 0)
		result = fi_ep_bind(e->ep, &e->cq->fid,
			FI_TRANSMIT | FI_RECV | FI_SELECTIVE_COMPLETION);
	return result;
}

static int set_options(struct endpoint *e)
{
	int ttl = (int)e->domain->ttl;
	size_t bytes = SOCKET_BUFFER_BYTES;
	int result = fi_setopt(&e->ep->fid, FI_OPT_ENDPOINT, FI_OPT_UDMC_TTL,
		&ttl, sizeof ttl);

	if (result == 0 && e->link.receive_count > 0 &&
		e->domain->link.lane == MSG_LANE_UDP)
		result = fi_setopt(&e->ep->fid, FI_OPT_ENDPOINT,
			FI_OPT_UDMC_RCVBUF, &bytes, sizeof bytes);
	return result;
}

static int open_endpoint(
	struct endpoint *e, const struct msg_link_options *options)
{
	struct fi_info *info;
	int result = make_info(e, options, &info);

	if (result)
		return result;
	result = fi_endpoint(e->domain->domain, info, &e->ep, NULL);
	fi_freeinfo(info);
	if (result == 0)
		result = open_queues(e, options);
	if (result == 0)
		result = bind_all(e);
	if (result == 0)
		result = set_options(e);
	e->beside = (struct endpoint *)options->beside;
	if (result == 0 && !e->beside)
		result = fi_mr_reg(e->domain->domain, options->memory,
			options->memory_bytes, FI_SEND | FI_RECV, 0, 0, 0,
			&e->mr, NULL);
	if (result == 0 && options->headers)
		result = fi_mr_reg(e->domain->domain, options->headers,
			options->headers_bytes, FI_SEND | FI_RECV, 0, 0, 0,
			&e->headers, NULL);
	if (result == 0)
		result = fi_enable(e->ep);
	return result;
}

static void take_desc(struct endpoint *e)
{
	for (int i = 0; i < MSG_LINK_IOV_MAX; i++)
		e->desc[i] = fi_mr_desc(e->beside ? e->beside->mr : e->mr);
	if (e->headers)
		e->desc[0] = fi_mr_desc(e->headers);
}

int fabric_endpoint_open(struct msg_link_domain *domain,
	const struct msg_link_options *options, struct msg_link **link,
	char *text)
{
	struct endpoint *e = calloc(1, sizeof *e);
	int result;

	if (!e)
		return fabric_fail(text, MSG_ERROR_MEMORY, "no memory");
	e->link.ops = &ops;
	e->link.fd = -1;
	e->domain = (struct fabric_domain *)domain;
	e->headers_base = options->headers;
	e->headers_bytes = options->headers ? options->headers_bytes : 0;
	limit_counts(e, options);
	result = open_endpoint(e, options);
	if (result == 0 && options->receive_count)
		result = fi_control(
			&e->cq->fid, FI_GETWAIT, (void *)&e->link.fd);
	if (result) {
		fabric_fail(text, lane_code(result),
			"endpoint on %s: %s; %s",
			e->domain->info->domain_attr->name,
			fi_strerror(-result),
			result == -FI_ENOMEM
				? "raise the locked-memory limit (ulimit -l) "
				  "or ask for fewer buffers"
				: "see msg doctor");
		fabric_close(&e->link);
		return -lane_code(result);
	}
	take_desc(e);
	*link = &e->link;
	return 0;
}
