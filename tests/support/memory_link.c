/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory_link.c - a link on the wire in memory: its groups, what it has in flight
 * and what it has posted, and how it is opened, by the api or by hand.  What
 * happens to a frame between two links is in memory_wire.c.
 */
#include "memory_link_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "link/module.h"

/* A link's address: a kind no lane has, its number, and the wire's name. */
#define REACH_BYTES 9u
#define REACH_KIND 0xee

uint32_t memory_frame_bytes;
bool memory_reads;

static uint32_t number_last;

static uint32_t power_of_two(uint32_t least)
{
	uint32_t size = 1;

	while (size < least)
		size *= 2;
	return size;
}

/* ---- groups ------------------------------------------------------------ */

static size_t group_bytes(const struct sockaddr *group)
{
	return group->sa_family == AF_INET ? sizeof(struct sockaddr_in)
					   : sizeof(struct sockaddr_in6);
}

static int wire_join(struct msg_link *link, const struct sockaddr *group,
	enum msg_link_join how, uint32_t *handle, char *text)
{
	struct memory_link *l = (struct memory_link *)link;

	for (uint32_t i = 0; i < MEMORY_JOINS_MAX; i++)
		if (!l->joins[i].used) {
			memset(&l->joins[i].group, 0, sizeof l->joins[i].group);
			memcpy(&l->joins[i].group, group, group_bytes(group));
			l->joins[i].how = how;
			l->joins[i].peer = 0;
			l->joins[i].used = true;
			*handle = i;
			return 0;
		}
	snprintf(text, MSG_LINK_TEXT_BYTES, "no room for a group");
	return -MSG_ERROR_FABRIC;
}

static void wire_leave(struct msg_link *link, uint32_t handle)
{
	struct memory_link *l = (struct memory_link *)link;

	if (!l->joins[handle].used)
		abort();
	l->joins[handle].used = false;
}

static int wire_name(struct msg_link *link, uint8_t *reach)
{
	const struct memory_link *l = (struct memory_link *)link;

	reach[0] = REACH_KIND;
	memcpy(reach + 1, "wire", 4);
	memcpy(reach + 5, &l->number, 4);
	return REACH_BYTES;
}

static int wire_reach(struct msg_link *link, const uint8_t *reach,
	uint32_t bytes, uint32_t *handle)
{
	struct memory_link *l = (struct memory_link *)link;
	uint32_t number;

	if (bytes != REACH_BYTES || reach[0] != REACH_KIND ||
		memcmp(reach + 1, "wire", 4) != 0)
		return -MSG_ERROR_ARGUMENT;
	memcpy(&number, reach + 5, 4);
	if (number == 0)
		return -MSG_ERROR_ARGUMENT;
	for (uint32_t i = 0; i < MEMORY_JOINS_MAX; i++)
		if (!l->joins[i].used) {
			l->joins[i].peer = number;
			l->joins[i].how = MSG_LINK_JOIN_SEND;
			l->joins[i].used = true;
			*handle = i;
			return 0;
		}
	return -MSG_ERROR_MEMORY;
}

/* ---- sending and receiving --------------------------------------------- */

static int wire_send(struct msg_link *link, const struct msg_link_send *send)
{
	struct memory_link *l = (struct memory_link *)link;
	uint32_t in_flight = l->flying_head - l->flying_tail;

	if (memory_wire_chance(memory_wire_options.again) ||
		in_flight == l->link.send_count) {
		/* A full queue pushes what it held back. */
		if (in_flight == l->link.send_count)
			memory_wire_release_held(l);
		memory_wire_counts.refused++;
		return -MSG_ERROR_AGAIN;
	}
	if (memory_wire_chance(memory_wire_options.refuse)) {
		memory_wire_counts.refused++;
		return -MSG_ERROR_FABRIC;
	}
	if (send->iov_count < 1 || send->iov_count > MSG_LINK_IOV_MAX ||
		!l->joins[send->group].used)
		abort();
	l->flying[l->flying_head++ & l->flying_mask] =
		(struct flying){.send = *send, .held = send->more};
	if (!send->more) {
		memory_wire_release_held(l);
		if (!memory_wire_options.lag)
			memory_wire_transmit_some(l);
	}
	return 0;
}

static int wire_flush(struct msg_link *link)
{
	struct memory_link *l = (struct memory_link *)link;

	if (memory_wire_chance(memory_wire_options.again)) {
		memory_wire_counts.refused++;
		return -MSG_ERROR_AGAIN;
	}
	if (l->flying_head != l->flying_tail)
		l->flying[(l->flying_head - 1) & l->flying_mask].send.signal =
			true;
	memory_wire_release_held(l);
	if (!memory_wire_options.lag)
		memory_wire_transmit_some(l);
	return 0;
}

static int wire_post(struct msg_link *link, void *buffer, uint32_t bytes,
	uint32_t token, bool more)
{
	struct memory_link *l = (struct memory_link *)link;

	(void)more;
	if (l->posted_tail - l->posted_head == l->link.receive_count)
		return -MSG_ERROR_AGAIN;
	l->posted[l->posted_tail++ & l->posted_mask] =
		(struct posted){buffer, bytes, token};
	return 0;
}

static void receive(struct memory_link *l, struct msg_link_event *event)
{
	const struct arrived *a = &l->queue[l->queue_head++ & l->queue_mask];
	const struct posted *p =
		&l->posted[l->posted_head++ & l->posted_mask];
	bool fits = a->bytes <= p->bytes;

	memcpy(p->buffer, l->arena + a->cell * l->cell_bytes,
		fits ? a->bytes : p->bytes);
	l->cells[l->cell_count++] = a->cell;
	*event = (struct msg_link_event){
		.type = fits ? MSG_LINK_RECEIVED : MSG_LINK_RECEIVE_FAILED,
		.token = p->token,
		.bytes = a->bytes,
	};
}

static int wire_poll(
	struct msg_link *link, struct msg_link_event *events, int count)
{
	struct memory_link *l = (struct memory_link *)link;
	int n = 0;

	memory_wire_transmit_some(l);
	while (n < count && l->done_head != l->done_tail)
		events[n++] = l->done[l->done_head++ & l->done_mask];
	while (n < count && l->queue_head != l->queue_tail &&
		l->posted_head != l->posted_tail)
		receive(l, &events[n++]);
	return n;
}

static int wire_arm(struct msg_link *link)
{
	struct memory_link *l = (struct memory_link *)link;
	uint64_t gone;

	if (l->queue_head != l->queue_tail && l->posted_head != l->posted_tail)
		return -MSG_ERROR_AGAIN;
	while (read(l->link.fd, &gone, sizeof gone) > 0)
		;
	l->armed = true;
	return 0;
}

/* ---- opening ----------------------------------------------------------- */

static void wire_close(struct msg_link *link)
{
	struct memory_link *l = (struct memory_link *)link;

	for (uint32_t i = 0; i < MEMORY_LINKS_MAX; i++)
		if (memory_wire_links[i] == l) {
			memory_wire_links[i] = NULL;
			memory_wire_counts.links--;
		}
	if (l->link.fd >= 0)
		close(l->link.fd);
	free(l->flying);
	free(l->done);
	free(l->posted);
	free(l->queue);
	free(l->cells);
	free(l->arena);
	free(l);
}

static const struct msg_link_ops ops = {
	.join = wire_join,
	.leave = wire_leave,
	.name = wire_name,
	.reach = wire_reach,
	.post = wire_post,
	.send = wire_send,
	.flush = wire_flush,
	.poll = wire_poll,
	.arm = wire_arm,
	.close = wire_close,
};

static bool make_rings(
	struct memory_link *l, const struct msg_link_options *options)
{
	uint32_t frames = memory_wire_options.queue_frames;
	uint32_t bytes = memory_wire_options.queue_bytes;
	uint32_t sends = options->send_count;

	if (memory_wire_options.send_limit && sends)
		sends = memory_wire_options.send_limit;
	l->link.send_count = sends;
	l->link.receive_count = options->receive_count;
	l->flying_mask = power_of_two(sends + 1) - 1;
	l->flying = calloc(l->flying_mask + 1, sizeof *l->flying);
	l->done_mask = power_of_two(2 * sends + 64) - 1;
	l->done = calloc(l->done_mask + 1, sizeof *l->done);
	if (!l->flying || !l->done)
		return false;
	if (options->receive_count == 0)
		return true;
	l->queue_size = frames ? frames : 512;
	l->cell_bytes = bytes ? bytes : 16384;
	l->queue_mask = power_of_two(l->queue_size) - 1;
	l->posted_mask = power_of_two(options->receive_count) - 1;
	l->posted = calloc(l->posted_mask + 1, sizeof *l->posted);
	l->queue = calloc(l->queue_mask + 1, sizeof *l->queue);
	l->cells = calloc(l->queue_size, sizeof *l->cells);
	l->arena = malloc(l->queue_size * l->cell_bytes);
	if (!l->posted || !l->queue || !l->cells || !l->arena)
		return false;
	for (uint32_t i = 0; i < l->queue_size; i++)
		l->cells[l->cell_count++] = i;
	l->link.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return l->link.fd >= 0;
}

static int wire_open(struct msg_link_domain *domain,
	const struct msg_link_options *options, struct msg_link **link,
	char *text)
{
	struct memory_link *l = calloc(1, sizeof *l);

	(void)domain;
	if (l) {
		l->link.fd = -1;
		l->link.ops = &ops;
	}
	for (uint32_t i = 0; l && i < MEMORY_LINKS_MAX; i++)
		if (!memory_wire_links[i]) {
			if (!make_rings(l, options))
				break;
			memory_wire_links[i] = l;
			l->number = ++number_last;
			memory_wire_counts.links++;
			*link = &l->link;
			return 0;
		}
	if (l)
		wire_close(&l->link);
	snprintf(text, MSG_LINK_TEXT_BYTES, "no memory for a link in memory");
	return -MSG_ERROR_MEMORY;
}

static void domain_close(struct msg_link_domain *domain)
{
	free(domain);
}

static int domain_open(const struct msg_link_domain_options *options,
	struct msg_link_domain **domain, char *text)
{
	struct msg_link_domain *d = calloc(1, sizeof *d);

	if (!d) {
		snprintf(text, MSG_LINK_TEXT_BYTES, "no memory for a domain");
		return -MSG_ERROR_MEMORY;
	}
	d->ops = &memory_link_module;
	d->lane = MSG_LANE_UDP;
	d->reads = memory_reads;
	snprintf(d->interface, sizeof d->interface, "memory");
	snprintf(d->address, sizeof d->address, "here");
	snprintf(d->reason, sizeof d->reason, "a test asked for it");
	d->frame_bytes = options->frame_bytes ? options->frame_bytes
			 : memory_frame_bytes ? memory_frame_bytes
					      : 1024;
	*domain = d;
	return 0;
}

const struct msg_link_domain_ops memory_link_module = {
	.abi = MSG_LINK_ABI,
	.open = domain_open,
	.link_open = wire_open,
	.close = domain_close,
};

/* ---- by hand ----------------------------------------------------------- */

struct msg_link_domain *memory_domain_open(uint32_t frame_bytes)
{
	struct msg_link_domain_options options = {.frame_bytes = frame_bytes};
	char text[MSG_LINK_TEXT_BYTES];
	struct msg_link_domain *domain;

	if (domain_open(&options, &domain, text) < 0)
		abort();
	return domain;
}

struct msg_link *memory_link_open(struct msg_link_domain *domain, void *memory,
	size_t bytes, uint32_t receive_count, uint32_t send_count)
{
	struct msg_link_options options = {
		.memory = memory,
		.memory_bytes = bytes,
		.receive_count = receive_count,
		.send_count = send_count,
	};
	char text[MSG_LINK_TEXT_BYTES];
	struct msg_link *link;

	if (wire_open(domain, &options, &link, text) < 0)
		abort();
	return link;
}

uint32_t memory_link_join(
	struct msg_link *link, uint32_t group, enum msg_link_join how)
{
	struct sockaddr_storage address;
	char text[MSG_LINK_TEXT_BYTES];
	uint32_t handle;

	memory_wire_group(&address, group);
	if (wire_join(link, (struct sockaddr *)&address, how, &handle, text) < 0)
		abort();
	return handle;
}

/* The linker's name for what takes the place of msg_link_module_load. */
int __wrap_msg_link_module_load(const struct msg_link_domain_ops **module);
int __wrap_msg_link_module_load(const struct msg_link_domain_ops **module)
{
	*module = &memory_link_module;
	return 0;
}
