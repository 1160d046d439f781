/* SPDX-License-Identifier: BSD-2-Clause */
/* memory_link.c - see memory_link.h. */
#include "memory_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "link/module.h"
#include "protocol/frame.h"
#include "random.h"

#define LINKS_MAX 256
#define JOINS_MAX 256
/* A link's address: a kind no lane has, its number, and the wire's name. */
#define REACH_BYTES 9u
#define REACH_KIND 0xee

struct flying {
	struct msg_link_send send;
	bool held; /* By `more`: nothing leaves before what follows. */
};

struct posted {
	uint8_t *buffer;
	uint32_t bytes;
	uint32_t token;
};

struct arrived {
	uint32_t cell; /* In the arena. */
	uint32_t bytes;
};

struct join {
	struct sockaddr_storage group;
	enum msg_link_join how;
	uint32_t peer; /* Its number, or 0: a group. */
	bool used;
};

struct memory_link {
	struct msg_link link;
	uint32_t number; /* From 1; never used again. */
	struct join joins[JOINS_MAX];
	/* Sending. */
	struct flying *flying;
	uint32_t flying_head, flying_tail, flying_mask;
	struct msg_link_event *done;
	uint32_t done_head, done_tail, done_mask;
	/* Receiving. */
	struct posted *posted;
	uint32_t posted_head, posted_tail, posted_mask;
	struct arrived *queue;
	uint32_t *cells;
	uint32_t cell_count; /* Free ones. */
	uint32_t queue_head, queue_tail, queue_size, queue_mask;
	uint8_t *arena;
	size_t cell_bytes;
	bool armed;
};

struct memory_wire_options memory_wire_options;
struct memory_wire_counts memory_wire_counts;
uint32_t memory_frame_bytes;
bool memory_reads;

static struct memory_link *links[LINKS_MAX];
static uint32_t number_last;
static struct random_stream dice;

void memory_wire_reset(const struct memory_wire_options *options)
{
	memory_wire_options = options ? *options
				      : (struct memory_wire_options){0};
	memory_wire_counts = (struct memory_wire_counts){
		.links = memory_wire_counts.links};
	dice.state = memory_wire_options.seed;
}

static bool chance(unsigned per_mille)
{
	return per_mille > 0 && random_chance(&dice, per_mille);
}

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

static bool hears(const struct memory_link *l, const struct sockaddr_storage *g)
{
	for (uint32_t i = 0; i < JOINS_MAX; i++)
		if (l->joins[i].used &&
			l->joins[i].how == MSG_LINK_JOIN_RECEIVE &&
			memcmp(&l->joins[i].group, g, sizeof *g) == 0)
			return true;
	return false;
}

static int wire_join(struct msg_link *link, const struct sockaddr *group,
	enum msg_link_join how, uint32_t *handle, char *text)
{
	struct memory_link *l = (struct memory_link *)link;

	for (uint32_t i = 0; i < JOINS_MAX; i++)
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
	for (uint32_t i = 0; i < JOINS_MAX; i++)
		if (!l->joins[i].used) {
			l->joins[i].peer = number;
			l->joins[i].how = MSG_LINK_JOIN_SEND;
			l->joins[i].used = true;
			*handle = i;
			return 0;
		}
	return -MSG_ERROR_MEMORY;
}

/* ---- the wire ---------------------------------------------------------- */

static void wake(struct memory_link *l)
{
	uint64_t one = 1;

	if (!l->armed)
		return;
	l->armed = false;
	if (write(l->link.fd, &one, sizeof one) != sizeof one)
		abort();
}

static void enqueue(
	struct memory_link *l, const uint8_t *frame, uint32_t bytes, bool fair)
{
	uint32_t distance = memory_wire_options.reorder_distance;
	struct arrived *last = &l->queue[l->queue_tail & l->queue_mask];
	uint32_t back;

	if (l->queue_tail - l->queue_head == l->queue_size ||
		bytes > l->cell_bytes) {
		memory_wire_counts.overflowed++;
		return;
	}
	last->cell = l->cells[--l->cell_count];
	last->bytes = bytes;
	memcpy(l->arena + last->cell * l->cell_bytes, frame, bytes);
	if (!fair && bytes > 0 && chance(memory_wire_options.cut)) {
		last->bytes = (uint32_t)random_below(&dice, bytes);
		memory_wire_counts.cut++;
	}
	l->queue_tail++;
	if (!fair && chance(memory_wire_options.reorder)) {
		back = 1 + (uint32_t)random_below(
				   &dice, distance ? distance : 8);
		if (back < l->queue_tail - l->queue_head) {
			struct arrived *other = &l->queue[
				(l->queue_tail - 1 - back) & l->queue_mask];
			struct arrived swap = *other;

			*other = *last;
			*last = swap;
			memory_wire_counts.reordered++;
		}
	}
	wake(l);
}

static bool is_announcement(const uint8_t *frame, uint32_t bytes)
{
	return bytes > 0 && frame[0] >> 4 == MSG_FRAME_ANNOUNCE;
}

/* To one link, or to all that hear the group. */
static void carry(uint32_t peer, const struct sockaddr_storage *group,
	const uint8_t *frame, uint32_t bytes)
{
	bool fair = memory_wire_options.data_only &&
		    is_announcement(frame, bytes);

	for (uint32_t i = 0; i < LINKS_MAX; i++) {
		struct memory_link *l = links[i];

		if (!l || l->link.receive_count == 0 ||
			(peer ? l->number != peer : !hears(l, group)))
			continue;
		if (!fair && chance(memory_wire_options.lose)) {
			memory_wire_counts.lost++;
			continue;
		}
		enqueue(l, frame, bytes, fair);
		if (!fair && chance(memory_wire_options.repeat)) {
			memory_wire_counts.repeated++;
			enqueue(l, frame, bytes, fair);
		}
	}
}

static void report(struct memory_link *l, const struct msg_link_send *send,
	enum msg_link_event_type type)
{
	if (l->done_tail - l->done_head > l->done_mask)
		abort(); /* Nobody polls. */
	l->done[l->done_tail++ & l->done_mask] = (struct msg_link_event){
		.type = type,
		.token = send->token,
		.bytes = type == MSG_LINK_SEND_FAILED ? EIO : 0,
	};
	memory_wire_counts.signalled++;
}

/* The oldest frame in flight leaves. */
static void transmit(struct memory_link *l)
{
	static uint8_t frame[65536];
	const struct flying *f =
		&l->flying[l->flying_tail++ & l->flying_mask];
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < f->send.iov_count; i++) {
		memcpy(frame + bytes, f->send.iov[i].iov_base,
			f->send.iov[i].iov_len);
		bytes += (uint32_t)f->send.iov[i].iov_len;
	}
	if (chance(memory_wire_options.fail)) {
		memory_wire_counts.failed++;
		report(l, &f->send, MSG_LINK_SEND_FAILED);
		return;
	}
	memory_wire_counts.transmitted++;
	if (memory_wire_options.tap)
		memory_wire_options.tap(
			memory_wire_options.tap_context, frame, bytes);
	if (l->joins[f->send.group].peer)
		memory_wire_counts.unicast++;
	carry(l->joins[f->send.group].peer, &l->joins[f->send.group].group,
		frame, bytes);
	if (f->send.signal)
		report(l, &f->send, MSG_LINK_SENT);
}

static void release_held(struct memory_link *l)
{
	for (uint32_t i = l->flying_tail; i != l->flying_head; i++)
		l->flying[i & l->flying_mask].held = false;
}

static void transmit_some(struct memory_link *l)
{
	uint32_t limit = memory_wire_options.lag
				 ? (uint32_t)random_below(&dice, 8)
				 : UINT32_MAX;

	while (limit-- > 0 && l->flying_tail != l->flying_head &&
		!l->flying[l->flying_tail & l->flying_mask].held)
		transmit(l);
}

static int wire_send(struct msg_link *link, const struct msg_link_send *send)
{
	struct memory_link *l = (struct memory_link *)link;
	uint32_t in_flight = l->flying_head - l->flying_tail;

	if (chance(memory_wire_options.again) ||
		in_flight == l->link.send_count) {
		/* A full queue pushes what it held back. */
		if (in_flight == l->link.send_count)
			release_held(l);
		memory_wire_counts.refused++;
		return -MSG_ERROR_AGAIN;
	}
	if (chance(memory_wire_options.refuse)) {
		memory_wire_counts.refused++;
		return -MSG_ERROR_FABRIC;
	}
	if (send->iov_count < 1 || send->iov_count > MSG_LINK_IOV_MAX ||
		!l->joins[send->group].used)
		abort();
	l->flying[l->flying_head++ & l->flying_mask] =
		(struct flying){.send = *send, .held = send->more};
	if (!send->more) {
		release_held(l);
		if (!memory_wire_options.lag)
			transmit_some(l);
	}
	return 0;
}

static int wire_flush(struct msg_link *link)
{
	struct memory_link *l = (struct memory_link *)link;

	if (chance(memory_wire_options.again)) {
		memory_wire_counts.refused++;
		return -MSG_ERROR_AGAIN;
	}
	if (l->flying_head != l->flying_tail)
		l->flying[(l->flying_head - 1) & l->flying_mask].send.signal =
			true;
	release_held(l);
	if (!memory_wire_options.lag)
		transmit_some(l);
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

	transmit_some(l);
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

	for (uint32_t i = 0; i < LINKS_MAX; i++)
		if (links[i] == l) {
			links[i] = NULL;
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
	for (uint32_t i = 0; l && i < LINKS_MAX; i++)
		if (!links[i]) {
			if (!make_rings(l, options))
				break;
			links[i] = l;
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

static void group_address(struct sockaddr_storage *address, uint32_t group)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;

	memset(address, 0, sizeof *address);
	v4->sin_family = AF_INET;
	v4->sin_addr.s_addr = htonl(0xefff0000u + group);
}

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

	group_address(&address, group);
	if (wire_join(link, (struct sockaddr *)&address, how, &handle, text) < 0)
		abort();
	return handle;
}

void memory_wire_inject(uint32_t group, const void *frame, uint32_t bytes)
{
	struct sockaddr_storage address;

	group_address(&address, group);
	carry(0, &address, frame, bytes);
}

/* The linker's name for what takes the place of msg_link_module_load. */
int __wrap_msg_link_module_load(const struct msg_link_domain_ops **module);
int __wrap_msg_link_module_load(const struct msg_link_domain_ops **module)
{
	*module = &memory_link_module;
	return 0;
}
