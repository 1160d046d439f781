/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel_connect.c - how a connection comes about, and how it ends.
 *
 * Both providers report to one event queue.  An event names its endpoint, which
 * is compared and never followed; one that fits no channel is dropped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "link/fabric/channels.h"

#define GREETING_HEAD_BYTES 8u
/* The longest private data of both providers: tcp's. */
#define CM_DATA_BYTES 256u
/* Events taken at one look; more wait for the next. */
#define LOOK_MAX 64

static const uint8_t magic[3] = {'m', 's', 'g'};

/* ---- queues ------------------------------------------------------------ */

void channel_enqueue(
	struct channel_set *set, enum channel_queue queue, struct channel *c)
{
	uint32_t index = channel_index(c->handle);

	c->next[queue] = CHANNEL_NONE;
	if (set->first[queue] == CHANNEL_NONE)
		set->first[queue] = index;
	else
		set->table[set->last[queue]].next[queue] = index;
	set->last[queue] = index;
}

struct channel *channel_first(
	const struct channel_set *set, enum channel_queue queue)
{
	uint32_t first = set->first[queue];

	return first == CHANNEL_NONE ? NULL : &set->table[first];
}

void channel_dequeue(struct channel_set *set, enum channel_queue queue)
{
	set->first[queue] = set->table[set->first[queue]].next[queue];
}

static void tell(struct channel_set *set, struct channel *c, uint32_t news)
{
	c->news = news;
	channel_enqueue(set, CHANNEL_NEWS, c);
}

/* ---- a channel's life -------------------------------------------------- */

/* Leave the states that have a deadline. */
static void settle(struct channel_set *set, struct channel *c)
{
	if (c->deadline_ns) {
		c->deadline_ns = 0;
		set->setting_up--;
	}
}

/* A free place, with a handle and a stamp of its own; NULL: all are in use. */
static struct channel *begin(struct channel_set *set, enum channel_state state)
{
	struct channel *c = NULL;
	uint32_t generation;
	uint32_t random;

	for (uint32_t i = 0; i < set->channels.connection_max && !c; i++)
		if (set->table[i].state == CHANNEL_FREE)
			c = &set->table[i];
	if (!c || getrandom(&random, sizeof random, 0) != sizeof random)
		return NULL;
	/* 14 bits: handle and place in a ring make one word of context. */
	generation = ((c->handle >> 16) + 1) & 0x3fff;
	c->handle = generation << 16 | channel_index(c->handle);
	c->stamp = (random & 0xfffff000u) | channel_index(c->handle);
	c->state = state;
	c->error = 0;
	c->known = false;
	c->socket = CHANNEL_NO_SOCKET;
	c->greeting_bytes = 0;
	memset(&c->peer, 0, sizeof c->peer);
	c->sends.head = c->sends.tail = 0;
	c->reads.head = c->reads.tail = 0;
	c->reads_owed = 0;
	c->deadline_ns = msg_clock_ns() + set->connect_limit_ns;
	set->setting_up++;
	set->look_now = true;
	return c;
}

void channel_opened(struct channel_set *set, struct channel *c)
{
	settle(set, c);
	c->state = CHANNEL_OPEN;
	channel_ack_open(set, c);
	tell(set, c, MSG_CHANNEL_CONNECTED);
}

static void refuse_request(struct channel_set *set, struct fi_info *request)
{
	fi_reject(set->listener, request->handle, NULL, 0);
	fi_freeinfo(request);
}

void channel_end(struct channel_set *set, struct channel *c, int error)
{
	if (c->state == CHANNEL_ENDING || c->state == CHANNEL_FREE)
		return;
	settle(set, c);
	if (c->request && c->ep) /* Which has the request; it is closed. */
		fi_freeinfo(c->request);
	else if (c->request)
		refuse_request(set, c->request);
	c->request = NULL;
	c->state = CHANNEL_ENDING;
	c->error = error;
	channel_cut(set, c);
	if (c->cq)
		c->drained_at = c->cq->read + c->cq->size + CHANNEL_ENTRIES;
	channel_enqueue(set, CHANNEL_ENDS, c);
}

void channel_drop_endpoint(struct channel_set *set, struct channel *c)
{
	if (!c->ep)
		return;
	channel_ack_close(set, c);
	channel_cq_leave(set, c);
	fi_shutdown(c->ep, 0);
	fi_close(&c->ep->fid);
	c->ep = NULL;
}

/* ---- greetings --------------------------------------------------------- */

static uint32_t greet(const struct channel *c, const void *text, uint32_t bytes,
	struct channel_greeting *greeting)
{
	memcpy(greeting->magic, magic, sizeof magic);
	greeting->bytes = (uint8_t)bytes;
	greeting->stamp = htonl(c->stamp);
	if (bytes > 0)
		memcpy(greeting->text, text, bytes);
	return GREETING_HEAD_BYTES + bytes;
}

/* What they said; false: not what one of us says. */
static bool take_greeting(struct channel *c, const void *said, size_t bytes)
{
	struct channel_greeting greeting;

	memset(&greeting, 0, sizeof greeting);
	memcpy(&greeting, said,
		bytes < sizeof greeting ? bytes : sizeof greeting);
	if (bytes < GREETING_HEAD_BYTES ||
		memcmp(greeting.magic, magic, sizeof magic) != 0 ||
		greeting.bytes > MSG_CHANNEL_GREETING_BYTES_MAX ||
		bytes < GREETING_HEAD_BYTES + greeting.bytes)
		return false;
	c->peer_stamp = ntohl(greeting.stamp);
	c->greeting_bytes = greeting.bytes;
	memcpy(c->greeting, greeting.text, greeting.bytes);
	return true;
}

/* ---- events ------------------------------------------------------------ */

/* How much of an event of n bytes is private data, which is its end. */
static size_t cm_bytes(ssize_t n)
{
	return (size_t)n - sizeof(struct fi_eq_cm_entry);
}

static struct channel *by_endpoint(struct channel_set *set, const struct fid *fid)
{
	for (uint32_t i = 0; i < set->channels.connection_max; i++)
		if (set->table[i].ep && &set->table[i].ep->fid == fid)
			return &set->table[i];
	return NULL;
}

static void on_request(
	struct channel_set *set, const struct fi_eq_cm_entry *entry, ssize_t n)
{
	struct fi_info *request = entry->info;
	struct channel *c = begin(set, CHANNEL_ASKED);

	if (c && take_greeting(c, entry->data, cm_bytes(n))) {
		c->request = request;
		memcpy(&c->peer, request->dest_addr,
			request->dest_addrlen < sizeof c->peer
				? request->dest_addrlen
				: sizeof c->peer);
		tell(set, c, MSG_CHANNEL_ASKED);
		return;
	}
	if (c) {
		settle(set, c);
		c->state = CHANNEL_FREE;
	}
	refuse_request(set, request);
}

static void on_connected(
	struct channel_set *set, const struct fi_eq_cm_entry *entry, ssize_t n)
{
	struct channel *c = by_endpoint(set, entry->fid);

	if (!c)
		return;
	if (c->state == CHANNEL_CONNECTING &&
		!take_greeting(c, entry->data, cm_bytes(n))) {
		channel_end(set, c, EPROTO);
		return;
	}
	if (c->state == CHANNEL_CONNECTING || c->state == CHANNEL_ACCEPTING)
		channel_opened(set, c);
}

static void on_error(struct channel_set *set)
{
	struct fi_eq_err_entry error = {0};
	struct channel *c;

	if (fi_eq_readerr(set->eq, &error, 0) < 0)
		return;
	c = by_endpoint(set, error.fid);
	if (c)
		channel_end(set, c, error.err > 0 ? error.err : ECONNRESET);
}

/* One event; false: there is none. */
static bool look_once(struct channel_set *set)
{
	_Alignas(struct fi_eq_cm_entry) uint8_t
		event[sizeof(struct fi_eq_cm_entry) + CM_DATA_BYTES];
	const struct fi_eq_cm_entry *entry = (const void *)event;
	struct channel *c;
	uint32_t type;
	ssize_t n;

	/* tcp looks into errno after a recv of 0, which does not set it: with an
	 * EAGAIN left there it keeps a connection that has ended. */
	errno = 0;
	set->looks++;
	n = fi_eq_read(set->eq, &type, event, sizeof event, 0);
	if (n == -FI_EAVAIL)
		on_error(set);
	if (n < (ssize_t)sizeof *entry)
		return n == -FI_EAVAIL;
	switch (type) {
	case FI_CONNREQ:
		on_request(set, entry, n);
		break;
	case FI_CONNECTED:
		on_connected(set, entry, n);
		break;
	case FI_SHUTDOWN:
		c = by_endpoint(set, entry->fid);
		if (c)
			channel_end(set, c, ECONNRESET);
		break;
	default:
		break;
	}
	return true;
}

static void end_overdue(struct channel_set *set, uint64_t now_ns)
{
	for (uint32_t i = 0; i < set->channels.connection_max; i++) {
		struct channel *c = &set->table[i];

		if (c->deadline_ns && now_ns >= c->deadline_ns)
			channel_end(set, c, ETIMEDOUT);
	}
}

void channel_look(struct channel_set *set, uint64_t now_ns)
{
	bool more = true;

	for (int i = 0; i < LOOK_MAX && more; i++) {
		int coming = channel_guard_coming(set, now_ns);

		more = look_once(set) || coming >= 0;
		channel_guard_meet(set, coming);
	}
	if (set->setting_up > 0)
		end_overdue(set, now_ns);
	channel_guard_look(set, now_ns);
}

/* ---- what the caller does ---------------------------------------------- */

int channel_name(struct msg_channels *channels, uint8_t *reach)
{
	struct channel_set *set = (struct channel_set *)channels;
	struct sockaddr_storage address;
	size_t bytes = sizeof address;

	if (!set->listener)
		return -MSG_ERROR_ARGUMENT;
	memset(&address, 0, sizeof address);
	if (fi_getname(&set->listener->fid, &address, &bytes) != 0)
		return -MSG_ERROR_FABRIC;
	return (int)channel_reach_write((void *)&address, reach);
}

/* What an endpoint of this set is opened with, but for who is at its ends. */
static void shape(const struct channel_set *set, struct fi_info *info)
{
	info->ep_attr->rx_ctx_cnt = FI_SHARED_CONTEXT;
	info->tx_attr->size = set->channels.send_count;
	/* Receives are the set's; verbs sets room for as many aside, for each
	 * endpoint. */
	info->rx_attr->size = 1;
}

static int make_endpoint(
	struct channel_set *set, struct channel *c, struct fi_info *info)
{
	int result;

	shape(set, info);
	result = fi_endpoint(set->domain, info, &c->ep, NULL);
	if (result)
		return result;
	result = fi_ep_bind(c->ep, &set->eq->fid, 0);
	if (result == 0)
		result = channel_cq_join(set, c);
	if (result == 0)
		result = fi_ep_bind(c->ep, &set->receives->fid, 0);
	if (result == 0)
		result = fi_enable(c->ep);
	return result;
}

/* Ours, as fi_info carries the peer's address. */
static struct fi_info *info_towards(const struct channel_set *set,
	const struct sockaddr_storage *address, size_t bytes)
{
	struct fi_info *info = fi_dupinfo(set->info);

	if (!info)
		return NULL;
	free(info->dest_addr);
	info->dest_addr = malloc(bytes);
	if (!info->dest_addr) {
		fi_freeinfo(info);
		return NULL;
	}
	memcpy(info->dest_addr, address, bytes);
	info->dest_addrlen = bytes;
	return info;
}

static int ask(struct channel_set *set, struct channel *c,
	const struct sockaddr_storage *address, size_t address_bytes,
	const struct channel_greeting *greeting, uint32_t greeting_bytes)
{
	struct fi_info *info = info_towards(set, address, address_bytes);
	int result;

	if (!info)
		return -FI_ENOMEM;
	result = make_endpoint(set, c, info);
	if (result == 0)
		result = fi_connect(
			c->ep, info->dest_addr, greeting, greeting_bytes);
	fi_freeinfo(info);
	return result;
}

int channel_connect(struct msg_channels *channels, const uint8_t *reach,
	uint32_t reach_bytes, const void *greeting, uint32_t greeting_bytes,
	uint32_t *handle)
{
	struct channel_set *set = (struct channel_set *)channels;
	struct channel_greeting said;
	struct sockaddr_storage address;
	size_t address_bytes;
	struct channel *c;
	int result;

	if (greeting_bytes > MSG_CHANNEL_GREETING_BYTES_MAX ||
		channel_reach_read(set, reach, reach_bytes, &address,
			&address_bytes) < 0 ||
		!channel_leads_there(set, (void *)&address))
		return -MSG_ERROR_ARGUMENT;
	c = begin(set, CHANNEL_CONNECTING);
	if (!c)
		return -MSG_ERROR_AGAIN;
	greeting_bytes = greet(c, greeting, greeting_bytes, &said);
	result = ask(set, c, &address, address_bytes, &said, greeting_bytes);
	if (result == -FI_ENOMEM) {
		channel_drop_endpoint(set, c);
		settle(set, c);
		c->state = CHANNEL_FREE;
		return -MSG_ERROR_MEMORY;
	}
	c->known = true;
	/* Refused at once is no other thing than refused later. */
	if (result)
		channel_end(set, c, -result);
	*handle = c->handle;
	return 0;
}

int channel_accept(struct msg_channels *channels, uint32_t handle,
	const void *greeting, uint32_t greeting_bytes)
{
	struct channel_set *set = (struct channel_set *)channels;
	struct channel *c = channel_of(set, handle);
	struct channel_greeting said;
	int result;

	if (!c || c->state != CHANNEL_ASKED ||
		greeting_bytes > MSG_CHANNEL_GREETING_BYTES_MAX)
		return -MSG_ERROR_ARGUMENT;
	greeting_bytes = greet(c, greeting, greeting_bytes, &said);
	result = make_endpoint(set, c, c->request);
	if (result) {
		channel_end(set, c, -result);
		return channel_code(result);
	}
	c->state = CHANNEL_ACCEPTING;
	c->greeting_bytes = 0;
	result = fi_accept(c->ep, &said, greeting_bytes);
	/* The endpoint has the connection: there is nothing left to refuse. */
	fi_freeinfo(c->request);
	c->request = NULL;
	if (result)
		channel_end(set, c, -result);
	return result ? channel_code(result) : 0;
}

void channel_hang_up(struct msg_channels *channels, uint32_t handle)
{
	struct channel_set *set = (struct channel_set *)channels;
	struct channel *c = channel_of(set, handle);

	if (c)
		channel_end(set, c, 0);
}
