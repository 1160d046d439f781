/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * null_link.c - a fabric module without a fabric: what is sent is received.
 *
 * Built as libmsg-fabric.so in a folder of its own, so that a program which
 * knows only msg.h runs over it by MSG_MODULE_DIR.  A send copies the frame
 * into the next posted buffer of every link that joined the group; there is no
 * kernel in it and no queue, so that what remains to be counted is libmsg.  It
 * is a shared object of its own, so that callgrind can tell its instructions
 * from libmsg's.
 * Neighbours: null_channel.c, which is the other half of the module; cost.c,
 * cost.sh.  Test: perf.cost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "link/link.h"
#include "null.h"

#define LINKS_MAX 8
#define GROUPS_MAX 64
#define FRAME_BYTES 16384u

struct posted {
	void *buffer;
	uint32_t token;
};

struct null_link {
	struct msg_link link;
	struct posted *posted; /* Rings of a power of two. */
	uint32_t posted_mask, posted_head, posted_tail;
	struct msg_link_event *events;
	uint32_t event_mask, event_head, event_tail;
	uint64_t hears; /* Groups, a bit each. */
};

static struct null_link *links[LINKS_MAX];
static struct sockaddr_storage groups[GROUPS_MAX];
static uint32_t group_count;

static int null_join(struct msg_link *link, const struct sockaddr *group,
	enum msg_link_join how, uint32_t *handle, char *text)
{
	struct null_link *l = (struct null_link *)link;
	size_t bytes = group->sa_family == AF_INET
			       ? sizeof(struct sockaddr_in)
			       : sizeof(struct sockaddr_in6);
	uint32_t i = 0;

	while (i < group_count && memcmp(&groups[i], group, bytes) != 0)
		i++;
	if (i == GROUPS_MAX) {
		snprintf(text, MSG_LINK_TEXT_BYTES, "too many groups");
		return -MSG_ERROR_FABRIC;
	}
	if (i == group_count)
		memcpy(&groups[group_count++], group, bytes);
	if (how & MSG_LINK_JOIN_RECEIVE)
		l->hears |= UINT64_C(1) << i;
	*handle = i;
	return 0;
}

static void null_leave(struct msg_link *link, uint32_t handle)
{
	((struct null_link *)link)->hears &= ~(UINT64_C(1) << handle);
}

static int null_post(struct msg_link *link, void *buffer, uint32_t bytes,
	uint32_t token, bool more)
{
	struct null_link *l = (struct null_link *)link;

	(void)bytes;
	(void)more;
	if (l->posted_head - l->posted_tail > l->posted_mask)
		return -MSG_ERROR_AGAIN;
	l->posted[l->posted_head++ & l->posted_mask] =
		(struct posted){buffer, token};
	return 0;
}

static void push(
	struct null_link *l, uint32_t type, uint32_t token, uint32_t bytes)
{
	l->events[l->event_head++ & l->event_mask] =
		(struct msg_link_event){type, token, bytes, 0};
}

static void deliver(struct null_link *l, const struct msg_link_send *send)
{
	struct posted *to;

	if (l->posted_head == l->posted_tail)
		return;
	to = &l->posted[l->posted_tail++ & l->posted_mask];
	push(l, MSG_LINK_RECEIVED, to->token,
		null_gather(to->buffer, send->iov, send->iov_count));
}

static int null_send(struct msg_link *link, const struct msg_link_send *send)
{
	struct null_link *l = (struct null_link *)link;

	if (l->event_head - l->event_tail > l->event_mask)
		return -MSG_ERROR_AGAIN;
	for (int i = 0; i < LINKS_MAX; i++)
		if (links[i] && links[i]->hears >> send->group & 1)
			deliver(links[i], send);
	if (send->signal)
		push(l, MSG_LINK_SENT, send->token, 0);
	return 0;
}

static int null_flush(struct msg_link *link)
{
	(void)link;
	return 0;
}

static int null_poll(
	struct msg_link *link, struct msg_link_event *events, int count)
{
	struct null_link *l = (struct null_link *)link;
	int n = 0;

	while (n < count && l->event_tail != l->event_head)
		events[n++] = l->events[l->event_tail++ & l->event_mask];
	return n;
}

static int null_arm(struct msg_link *link)
{
	struct null_link *l = (struct null_link *)link;

	return l->event_head == l->event_tail ? 0 : -MSG_ERROR_AGAIN;
}

static void null_close(struct msg_link *link)
{
	struct null_link *l = (struct null_link *)link;

	for (int i = 0; i < LINKS_MAX; i++)
		if (links[i] == l)
			links[i] = NULL;
	if (l->link.fd >= 0)
		close(l->link.fd);
	free(l->posted);
	free(l->events);
	free(l);
}

/* Nobody is there to be reached, or to report. */
static int null_name(struct msg_link *link, uint8_t *reach)
{
	(void)link;
	reach[0] = 0;
	return 1;
}

static int null_reach(struct msg_link *link, const uint8_t *reach,
	uint32_t bytes, uint32_t *handle)
{
	(void)link;
	(void)reach;
	(void)bytes;
	(void)handle;
	return -MSG_ERROR_ARGUMENT;
}

static const struct msg_link_ops ops = {
	.join = null_join,
	.leave = null_leave,
	.name = null_name,
	.reach = null_reach,
	.post = null_post,
	.send = null_send,
	.flush = null_flush,
	.poll = null_poll,
	.arm = null_arm,
	.close = null_close,
};

static int null_open(struct msg_link_domain *domain,
	const struct msg_link_options *options, struct msg_link **link,
	char *text)
{
	struct null_link *l = calloc(1, sizeof *l);
	uint32_t posted = null_power_of_two(options->receive_count + 1);
	uint32_t events =
		null_power_of_two(options->receive_count + options->send_count + 1);
	int place = 0;

	(void)domain;
	while (place < LINKS_MAX && links[place])
		place++;
	if (l)
		l->posted = calloc(posted, sizeof *l->posted);
	if (l)
		l->events = calloc(events, sizeof *l->events);
	if (!l || !l->posted || !l->events || place == LINKS_MAX) {
		snprintf(text, MSG_LINK_TEXT_BYTES, "no room for a link");
		if (l) {
			free(l->posted);
			free(l->events);
			free(l);
		}
		return -MSG_ERROR_MEMORY;
	}
	l->posted_mask = posted - 1;
	l->event_mask = events - 1;
	l->link.ops = &ops;
	l->link.fd = options->receive_count
			     ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
			     : -1;
	l->link.receive_count = options->receive_count;
	l->link.send_count = options->send_count;
	links[place] = l;
	*link = &l->link;
	return 0;
}

static int domain_open(const struct msg_link_domain_options *options,
	struct msg_link_domain **domain, char *text);

static void domain_close(struct msg_link_domain *domain)
{
	free(domain);
}

/* The one symbol a module exports; link/module.h has its name. */
extern const struct msg_link_domain_ops msg_link_module;
MSG_API const struct msg_link_domain_ops msg_link_module = {
	.abi = MSG_LINK_ABI,
	.open = domain_open,
	.link_open = null_open,
	.close = domain_close,
};

static int domain_open(const struct msg_link_domain_options *options,
	struct msg_link_domain **domain, char *text)
{
	struct msg_link_domain *d = calloc(1, sizeof *d);

	if (!d) {
		snprintf(text, MSG_LINK_TEXT_BYTES, "no memory");
		return -MSG_ERROR_MEMORY;
	}
	d->ops = &msg_link_module;
	d->lane = MSG_LANE_UDP;
	/* As an RDMA device: a history is shown to who would read it. */
	d->reads = getenv("NULL_READS") != NULL;
	snprintf(d->interface, sizeof d->interface, "null");
	d->frame_bytes =
		options->frame_bytes ? options->frame_bytes : FRAME_BYTES;
	*domain = d;
	return 0;
}
