/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel.c - open and close a set of connections, and its memory.
 *
 * A set has a fabric and a domain of its own: libfabric's tcp makes progress by
 * domain, so that sets of two threads would wait for each other on one.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "link/fabric/channels.h"

#define CONNECT_LIMIT_MS_DEFAULT 3000u
#define RECEIVE_COUNT_MAX 8192u
/* Completions a queue may hold: SoftRoCE takes 32767, others more. */
#define COMPLETIONS_MAX 32000u
/* A message or read of more is cut by the caller: RC ends at 2 GiB, and what
 * one transfer holds up should end some time. */
#define MESSAGE_BYTES_MAX ((size_t)1 << 30)

int channel_code(ssize_t error)
{
	switch (-error) {
	case FI_EAGAIN:
		return -MSG_ERROR_AGAIN;
	case FI_ENOMEM:
		return -MSG_ERROR_MEMORY;
	case FI_EMSGSIZE:
		return -MSG_ERROR_TOO_LARGE;
	default:
		return -MSG_ERROR_FABRIC;
	}
}

/* ---- memory ------------------------------------------------------------ */

/* Where the caller chooses the keys (tcp), they must not be guessed. */
static int register_memory(struct channel_set *set, void *memory, size_t bytes,
	uint64_t access, struct fid_mr **mr)
{
	uint64_t key;

	if (getrandom(&key, sizeof key, 0) != sizeof key)
		return -FI_EIO;
	return fi_mr_reg(
		set->domain, memory, bytes, access, 0, key, 0, mr, NULL);
}

static int memory_share(struct msg_channels *channels, void *memory, size_t bytes,
	enum msg_channel_use use, struct msg_channel_region *region)
{
	struct channel_set *set = (struct channel_set *)channels;
	uint64_t access = FI_SEND | FI_READ;
	struct fid_mr *mr;
	int result;

	if (use == MSG_CHANNEL_SHARED)
		access |= FI_REMOTE_READ;
	result = register_memory(set, memory, bytes, access, &mr);
	if (result)
		return channel_code(result);
	*region = (struct msg_channel_region){
		.address = set->info->domain_attr->mr_mode & FI_MR_VIRT_ADDR
				   ? (uint64_t)(uintptr_t)memory
				   : 0,
		.key = fi_mr_key(mr),
		.memory = memory,
		.bytes = bytes,
		.registration = mr,
	};
	return 0;
}

static void memory_unshare(
	struct msg_channels *channels, struct msg_channel_region *region)
{
	struct fid_mr *mr = region->registration;

	(void)channels;
	if (mr)
		fi_close(&mr->fid);
	region->registration = NULL;
}

/* ---- closing ----------------------------------------------------------- */

/* Who is about to connect is refused, too: what the provider holds of them
 * would outlive the listener. */
static void close_channels(struct channel_set *set)
{
	if (set->listener) {
		channel_look(set, 0);
		channel_guard_sweep(set);
		channel_look(set, 0);
	}
	for (uint32_t i = 0; i < set->channels.connection_max; i++) {
		channel_end(set, &set->table[i], 0);
		channel_drop_endpoint(set, &set->table[i]);
	}
}

static void close_fid(void *fid)
{
	if (fid)
		fi_close(fid);
}

static void channels_close(struct msg_channels *channels)
{
	struct channel_set *set = (struct channel_set *)channels;

	if (set->table)
		close_channels(set);
	close_fid(set->listener);
	channel_guard_close(set);
	close_fid(set->receives);
	close_fid(set->memory_mr);
	close_fid(set->headers_mr);
	channel_cq_close(set);
	close_fid(set->domain);
	close_fid(set->eq);
	close_fid(set->fabric);
	if (set->info)
		fi_freeinfo(set->info);
	if (set->channels.fd >= 0)
		close(set->channels.fd);
	if (set->timer >= 0)
		close(set->timer);
	free(set->acks);
	free(set->work);
	free(set->table);
	free(set);
}

/* ---- opening ----------------------------------------------------------- */

static struct fi_info *make_hints(const struct msg_link_domain *lane)
{
	bool verbs = lane->lane == MSG_LANE_VERBS;
	struct fi_info *hints = fi_allocinfo();

	if (!hints)
		return NULL;
	hints->ep_attr->type = FI_EP_MSG;
	hints->ep_attr->protocol =
		verbs ? FI_PROTO_RDMA_CM_IB_RC : FI_PROTO_UNSPEC;
	hints->ep_attr->rx_ctx_cnt = FI_SHARED_CONTEXT;
	hints->caps = FI_MSG | FI_SEND | FI_RECV | FI_RMA | FI_READ |
		      FI_REMOTE_READ;
	hints->mode = FI_RX_CQ_DATA;
	hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR |
				      FI_MR_ALLOCATED | FI_MR_PROV_KEY;
	/* Of one thread at a time, which drives it: tcp starts none then. */
	hints->domain_attr->threading = FI_THREAD_DOMAIN;
	hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
	hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
	hints->fabric_attr->prov_name = strdup(verbs ? "verbs" : "tcp");
	if (verbs)
		hints->domain_attr->name = strdup(lane->device);
	if (!hints->fabric_attr->prov_name ||
		(verbs && !hints->domain_attr->name)) {
		fi_freeinfo(hints);
		return NULL;
	}
	return hints;
}

/* The provider's descriptions of our end: the lane's address, any port. */
static int list_infos(
	const struct msg_link_domain *lane, struct fi_info **list, char *text)
{
	struct fi_info *hints;
	int result;

	if (!*lane->address)
		return fabric_fail(text, MSG_ERROR_DEVICE,
			"%s has no address of the groups' family, which "
			"connections need; give it one (ip address add)",
			lane->interface);
	hints = make_hints(lane);
	if (!hints)
		return fabric_fail(text, MSG_ERROR_MEMORY, "no memory");
	result = fi_getinfo(
		MSG_FABRIC_API, lane->address, NULL, FI_SOURCE, hints, list);
	fi_freeinfo(hints);
	if (result)
		return fabric_fail(text, MSG_ERROR_FABRIC,
			"libfabric has no connections by %s at %s: %s; see "
			"fi_info -p %s -t FI_EP_MSG, and FI_PROVIDER if set",
			lane->lane == MSG_LANE_VERBS ? lane->device : "tcp",
			lane->address, fi_strerror(-result),
			lane->lane == MSG_LANE_VERBS ? "verbs" : "tcp");
	return 0;
}

int channel_find(const struct msg_link_domain *lane, char *text)
{
	struct fi_info *list = NULL;
	int result = list_infos(lane, &list, text);

	fi_freeinfo(list);
	return result;
}

static int find_info(struct channel_set *set, char *text)
{
	struct fi_info *list = NULL;
	int result = list_infos(set->lane, &list, text);

	if (result < 0)
		return result;
	set->info = fi_dupinfo(list);
	fi_freeinfo(list);
	if (!set->info)
		return fabric_fail(text, MSG_ERROR_MEMORY, "no memory");
	/* The text does not say of which interface it is. */
	channel_scope(set, set->info->src_addr);
	return 0;
}

static uint32_t at_most(uint32_t asked, size_t most)
{
	return asked < most ? asked : (uint32_t)most;
}

/* Grant what was asked for as far as one completion queue holds all of it. */
static int grant(struct channel_set *set,
	const struct msg_channels_options *options, char *text)
{
	struct msg_channels *granted = &set->channels;
	size_t room = COMPLETIONS_MAX;
	uint32_t power = 1;

	if (options->connection_max == 0 ||
		options->connection_max > MSG_CHANNEL_CONNECTION_MAX ||
		options->send_count == 0 || options->receive_count == 0)
		return fabric_fail(text, MSG_ERROR_ARGUMENT,
			"connections: 1 to %u, with sends and receives",
			MSG_CHANNEL_CONNECTION_MAX);
	granted->connection_max = options->connection_max;
	granted->receive_count =
		at_most(options->receive_count, RECEIVE_COUNT_MAX);
	room = (room - granted->receive_count) / granted->connection_max - 1;
	granted->send_count = at_most(options->send_count, room);
	granted->send_count =
		at_most(granted->send_count, set->info->tx_attr->size);
	while (power * 2 <= granted->send_count)
		power *= 2;
	granted->send_count = power;
	granted->message_bytes_max = set->info->ep_attr->max_msg_size;
	if (granted->message_bytes_max > MESSAGE_BYTES_MAX)
		granted->message_bytes_max = MESSAGE_BYTES_MAX;
	return 0;
}

static int make_table(struct channel_set *set)
{
	uint32_t n = set->channels.connection_max;
	uint32_t depth = set->channels.send_count;

	set->table = calloc(n, sizeof *set->table);
	set->work = calloc((size_t)n * depth * 2, sizeof *set->work);
	set->acks = calloc(n, sizeof *set->acks);
	if (!set->table || !set->work || !set->acks)
		return -FI_ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct channel_work *work = set->work + (size_t)i * depth * 2;

		set->table[i].handle = i;
		set->table[i].sends.work = work;
		set->table[i].reads.work = work + depth;
	}
	for (int i = 0; i < CHANNEL_QUEUES; i++)
		set->first[i] = CHANNEL_NONE;
	return 0;
}

static int open_domain(
	struct channel_set *set, const struct msg_channels_options *options,
	char *text)
{
	bool verbs = set->lane->lane == MSG_LANE_VERBS;
	int result;

	if (verbs)
		channel_cache_refuse();
	result = fi_fabric(set->info->fabric_attr, &set->fabric, NULL);
	if (result == 0)
		result = fi_domain(set->fabric, set->info, &set->domain, NULL);
	if (result)
		return fabric_fail(text, -channel_code(result),
			"connections on %s: %s; see msg doctor",
			set->info->domain_attr->name, fi_strerror(-result));
	if (verbs && channel_cache_is_on(set->domain, options->memory))
		return fabric_fail(text, MSG_ERROR_FABRIC,
			"another user of libfabric in this process has its "
			"registration cache on, through which peers could "
			"write; start with FI_MR_CACHE_MONITOR=disabled");
	return 0;
}

static int open_queues(struct channel_set *set)
{
	struct fi_eq_attr eq = {.size = 64, .wait_obj = FI_WAIT_FD};
	struct fi_rx_attr receives = *set->info->rx_attr;
	int result = fi_eq_open(set->fabric, &eq, &set->eq, NULL);

	receives.size = set->channels.receive_count;
	if (result == 0)
		result = channel_cq_open(set);
	if (result == 0)
		result = fi_srx_context(
			set->domain, &receives, &set->receives, NULL);
	return result;
}

static int take_memory(
	struct channel_set *set, const struct msg_channels_options *options)
{
	int result;

	set->memory = options->memory;
	set->memory_bytes = options->memory_bytes;
	set->headers = options->headers;
	set->headers_bytes = options->headers_bytes;
	result = register_memory(set, options->memory, options->memory_bytes,
		FI_SEND | FI_RECV | FI_READ, &set->memory_mr);
	if (result == 0 && options->headers)
		result = register_memory(set, options->headers,
			options->headers_bytes, FI_SEND | FI_RECV,
			&set->headers_mr);
	return result;
}

static void set_port(struct fi_info *info, uint16_t port)
{
	struct sockaddr_in *v4 = info->src_addr;
	struct sockaddr_in6 *v6 = info->src_addr;

	if (info->addr_format == FI_SOCKADDR_IN)
		v4->sin_port = htons(port);
	else
		v6->sin6_port = htons(port);
}

static int start_listening(
	struct channel_set *set, const struct msg_channels_options *options)
{
	struct fi_info *info = fi_dupinfo(set->info);
	int result;

	if (!info)
		return -FI_ENOMEM;
	set_port(info, options->port);
	result = fi_passive_ep(set->fabric, info, &set->listener, NULL);
	fi_freeinfo(info);
	if (result == 0)
		result = fi_pep_bind(set->listener, &set->eq->fid, 0);
	if (result == 0)
		result = fi_listen(set->listener);
	if (result == 0)
		result = channel_guard_open(set);
	return result;
}

static int open_rest(struct channel_set *set,
	const struct msg_channels_options *options, char *text)
{
	int result = make_table(set);

	if (result == 0)
		result = open_queues(set);
	if (result == 0)
		result = take_memory(set, options);
	if (result == 0)
		result = channel_wait_open(set);
	if (result == 0 && options->listen)
		result = start_listening(set, options);
	if (result == 0)
		return 0;
	return fabric_fail(text, -channel_code(result),
		"connections on %s: %s; %s", set->info->domain_attr->name,
		fi_strerror(-result),
		result == -FI_ENOMEM
			? "raise the locked-memory limit (ulimit -l) or ask "
			  "for less"
		: result == -FI_EADDRINUSE ? "choose another port, or none"
					   : "see msg doctor");
}

static const struct msg_channels_ops ops = {
	.name = channel_name,
	.connect = channel_connect,
	.accept = channel_accept,
	.hang_up = channel_hang_up,
	.share = memory_share,
	.unshare = memory_unshare,
	.post = channel_post,
	.send = channel_send,
	.read = channel_read,
	.poll = channel_poll,
	.arm = channel_arm,
	.close = channels_close,
};

int channel_set_open(struct msg_link_domain *domain,
	const struct msg_channels_options *options,
	struct msg_channels **channels, char *text)
{
	struct channel_set *set = calloc(1, sizeof *set);
	uint32_t limit_ms = options->connect_limit_ms;
	int result;

	if (!set)
		return fabric_fail(text, MSG_ERROR_MEMORY, "no memory");
	set->channels.ops = &ops;
	set->channels.fd = set->timer = -1;
	set->guard_folder = set->guard_listener = -1;
	set->lane = domain;
	set->connect_limit_ns =
		(limit_ms ? limit_ms : CONNECT_LIMIT_MS_DEFAULT) *
		MSG_NS_PER_MS;
	result = find_info(set, text);
	if (result == 0)
		result = grant(set, options, text);
	if (result == 0)
		result = open_domain(set, options, text);
	if (result == 0)
		result = open_rest(set, options, text);
	if (result < 0) {
		channels_close(&set->channels);
		return result;
	}
	*channels = &set->channels;
	return 0;
}
