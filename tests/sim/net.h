/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.h - nodes, and a link in each direction between any two of them.
 *
 *     send ─> uplink of the sender ─┬─> link a→b ─> b
 *             (speed, refusal,      ├─> link a→c ─> c
 *              loss for all)        └─> …
 *
 * A link keeps order, but for the packets that the dice make late.  Packets are
 * shared and counted, never changed once sent.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "world.h"

#define NET_NODES_MAX 32u
#define NET_DOWN_DROPS 64u

struct packet {
	uint32_t references;
	uint32_t bytes;
	bool data_frame; /* A data frame, first or again. */
	uint32_t from;
	uint64_t order; /* As its sender sent them. */
	uint64_t born;  /* When the oldest message in it was published. */
	uint8_t data[];
};

/* Times in a million, nanoseconds. */
struct net_faults {
	uint64_t delay_ns;
	uint64_t jitter_ns;     /* Up to so much more; makes no disorder. */
	uint32_t loss;
	uint32_t to_bad;        /* Gilbert and Elliott: from good to bad, … */
	uint32_t to_good;       /* … and back, at each packet; … */
	uint32_t loss_bad;      /* … and the loss in bad times. */
	uint32_t duplicate;
	uint32_t reorder;       /* Packets that come late by up to … */
	uint64_t reorder_ns;    /* … this. */
	uint64_t bits_per_second; /* 0: as many as you like. */
	uint64_t queue_bytes;   /* What waits for the speed; more is dropped. */
};

struct net_link {
	struct net_faults faults;
	bool bad;
	bool cut;
	uint64_t clogged_until;
	uint64_t free_at;      /* When the wire is done with what waits. */
	uint64_t last_arrival; /* Order is kept behind this. */
};

struct net_node {
	void (*arrive)(void *object, struct packet *packet);
	void *object;
	bool member;            /* Of the group: multicast comes here. */
	bool down;
	uint32_t refuse;        /* Sends refused, in a million. */
	uint64_t refuse_until;  /* And all of them until then. */
	uint64_t up_bits;       /* Speed of the uplink; 0: no limit. */
	uint64_t up_queue;      /* Bytes before it refuses. */
	uint64_t up_free_at;
	uint32_t up_loss;       /* Lost for all at once. */
	uint64_t order;         /* Packets sent. */
	uint64_t highest[NET_NODES_MAX]; /* Arrived, by sender: who overtook? */
	/* Counted, data frames only: */
	uint64_t lost;          /* On the way to this node. */
	uint64_t overtaken;     /* Came after a later one. */
	uint64_t doubled;       /* Came once more. */
	uint64_t arrived;
	/* While it was down; those behind may find it up. */
	uint64_t down_drops[NET_DOWN_DROPS]; /* When, by count. */
	uint64_t down_count;
};

struct net {
	struct world *world;
	uint32_t count;
	/* Sees all that is sent; NULL mostly. */
	void (*tap)(void *object, uint32_t from, uint32_t to,
		const struct packet *packet);
	void *tap_object;
	/* Does what the links would, for cohorts; NULL mostly. */
	void (*carry)(void *object, uint32_t to, struct packet *packet,
		uint64_t start);
	void *carry_object;
	struct net_node nodes[NET_NODES_MAX];
	struct net_link links[NET_NODES_MAX][NET_NODES_MAX]; /* from, to */
};

struct packet *packet_new(uint32_t bytes);
struct packet *packet_hold(struct packet *packet);
void packet_drop(struct packet *packet);

void net_start(struct net *net, struct world *world, uint32_t count);

/* The node is there from now on. */
void net_up(struct net *net, uint32_t node);

/* Send to one, or to all other members (`to` == NET_ALL).  The caller keeps his
 * reference.  False: refused, nothing was sent; try again at *again. */
#define NET_ALL UINT32_MAX
bool net_send(struct net *net, uint32_t from, uint32_t to,
	struct packet *packet, uint64_t *again);

#endif
