/* SPDX-License-Identifier: BSD-2-Clause */
/* net.c - what a network does to packets; see net.h. */
#include "net.h"

#include <stdlib.h>
#include <string.h>

enum drop_reason {
	DROP_LOSS = 1,
	DROP_CUT,
	DROP_QUEUE,
	DROP_DOWN,
	DROP_UPLINK,
};

struct packet *packet_new(uint32_t bytes)
{
	struct packet *packet = calloc(1, sizeof *packet + bytes);

	if (!packet)
		abort();
	packet->references = 1;
	packet->bytes = bytes;
	return packet;
}

struct packet *packet_hold(struct packet *packet)
{
	packet->references++;
	return packet;
}

void packet_drop(struct packet *packet)
{
	if (packet && --packet->references == 0)
		free(packet);
}

void net_start(struct net *net, struct world *world, uint32_t count)
{
	memset(net, 0, sizeof *net);
	net->world = world;
	net->count = count;
}

static void count_arrival(struct net_node *node, const struct packet *packet)
{
	uint64_t *highest = &node->highest[packet->from];

	if (packet->data_frame) {
		node->arrived++;
		node->overtaken += packet->order < *highest;
		node->doubled += packet->order == *highest;
	}
	if (packet->order > *highest)
		*highest = packet->order;
}

static void arrive(struct world *world, void *object, void *detail, uint64_t to)
{
	struct net *net = object;
	struct net_node *node = &net->nodes[to];
	struct packet *packet = detail;

	if (node->down) {
		world_note(world, NOTE_DROPPED, (uint32_t)to, DROP_DOWN,
			packet->bytes);
	} else {
		count_arrival(node, packet);
		node->arrive(node->object, packet);
	}
	packet_drop(packet);
}

static void dropped(struct net *net, uint32_t to, const struct packet *packet,
	enum drop_reason reason)
{
	struct net_node *node = &net->nodes[to];

	world_note(net->world, NOTE_DROPPED, to, reason, packet->bytes);
	if (!packet->data_frame)
		return;
	if (node->down)
		node->down_drops[node->down_count++ % NET_DOWN_DROPS] =
			net->world->now;
	else
		node->lost++;
}

/* What was lost so short a time ago is a gap before what arrives now. */
void net_up(struct net *net, uint32_t to)
{
	struct net_node *node = &net->nodes[to];
	uint64_t count = node->down_count;

	if (count > NET_DOWN_DROPS)
		count = NET_DOWN_DROPS;
	for (uint64_t i = 0; node->down && i < count; i++)
		node->lost += net->world->now - node->down_drops[i] <
			      MILLISECOND;
	node->down_count = 0;
	node->down = false;
}

static uint64_t wire_ns(uint32_t bytes, uint64_t bits_per_second)
{
	/* Ethernet, IP and UDP headers, preamble and gap: 66 bytes. */
	return (uint64_t)(bytes + 66) * 8 * SECOND / bits_per_second;
}

static bool link_loses(struct world *world, struct net_link *link)
{
	const struct net_faults *faults = &link->faults;

	if (world_chance(world, DICE_NET,
		    link->bad ? faults->to_good : faults->to_bad))
		link->bad = !link->bad;
	return world_chance(world, DICE_NET,
		link->bad ? faults->loss_bad : faults->loss);
}

/* When it has left the queue of the link; NEVER: there was no room. */
static uint64_t link_queue(
	struct net_link *link, const struct packet *packet, uint64_t start)
{
	const struct net_faults *faults = &link->faults;
	uint64_t from = link->free_at > start ? link->free_at : start;

	if (faults->bits_per_second == 0)
		return start;
	if ((from - start) / 8 * faults->bits_per_second / SECOND >
		faults->queue_bytes)
		return NEVER;
	link->free_at = from + wire_ns(packet->bytes, faults->bits_per_second);
	return link->free_at;
}

static void link_pass(struct net *net, uint32_t from, uint32_t to,
	struct packet *packet, uint64_t start)
{
	struct world *world = net->world;
	struct net_link *link = &net->links[from][to];
	const struct net_faults *faults = &link->faults;
	uint64_t at = start + faults->delay_ns;

	if (faults->jitter_ns)
		at += world_below(world, DICE_NET, faults->jitter_ns);
	if (at < link->clogged_until)
		at = link->clogged_until;
	if (world_chance(world, DICE_NET, faults->reorder)) {
		at += world_between(world, DICE_NET, 1, faults->reorder_ns);
	} else {
		if (at < link->last_arrival)
			at = link->last_arrival;
		link->last_arrival = at;
	}
	world_at(world, at, arrive, net, packet_hold(packet), to);
}

static void link_send(struct net *net, uint32_t from, uint32_t to,
	struct packet *packet, uint64_t start)
{
	struct net_link *link = &net->links[from][to];

	if (link->cut) {
		dropped(net, to, packet, DROP_CUT);
		return;
	}
	if (link_loses(net->world, link)) {
		dropped(net, to, packet, DROP_LOSS);
		return;
	}
	start = link_queue(link, packet, start);
	if (start == NEVER) {
		dropped(net, to, packet, DROP_QUEUE);
		return;
	}
	link_pass(net, from, to, packet, start);
	if (world_chance(net->world, DICE_NET, link->faults.duplicate))
		link_pass(net, from, to, packet,
			start + world_below(net->world, DICE_NET,
					100 * MICROSECOND));
}

/* 0 when the sender may send now. */
static uint64_t refused_until(struct net *net, struct net_node *node)
{
	uint64_t now = net->world->now;
	uint64_t waits;

	if (node->refuse_until > now)
		return node->refuse_until;
	if (world_chance(net->world, DICE_NET, node->refuse))
		return now + world_between(net->world, DICE_NET, 1, 20000);
	if (node->up_bits == 0 || node->up_free_at <= now)
		return 0;
	waits = (node->up_free_at - now) / 8 * node->up_bits / SECOND;
	/* Again when a quarter of it has gone. */
	return waits > node->up_queue ? now + (node->up_free_at - now) / 4 + 1
				      : 0;
}

bool net_send(struct net *net, uint32_t from, uint32_t to,
	struct packet *packet, uint64_t *again)
{
	struct net_node *node = &net->nodes[from];
	uint64_t start = net->world->now;
	bool lost;

	*again = refused_until(net, node);
	if (*again != 0) {
		world_note(net->world, NOTE_REFUSED, from, *again, 0);
		return false;
	}
	packet->order = ++node->order;
	packet->from = from;
	if (node->up_bits != 0) {
		if (node->up_free_at > start)
			start = node->up_free_at;
		start += wire_ns(packet->bytes, node->up_bits);
		node->up_free_at = start;
	}
	if (net->tap)
		net->tap(net->tap_object, from, to, packet);
	if (net->carry) {
		net->carry(net->carry_object, to, packet, start);
		return true;
	}
	lost = world_chance(net->world, DICE_NET, node->up_loss);
	for (uint32_t i = 0; i < net->count; i++) {
		if (i == from ||
			(to == NET_ALL ? !net->nodes[i].member : to != i))
			continue;
		if (lost)
			dropped(net, i, packet, DROP_UPLINK);
		else
			link_send(net, from, i, packet, start);
	}
	return true;
}
