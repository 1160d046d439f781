/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * network.h - the broker's way to other hosts: one lane, the groups, who
 * announces what there, and what the broker's own publishers announce.
 *
 * With the lane "none" there is no network: nothing here is open then, and
 * every call does nothing.  Links are opened by feed.c and relay.c, one for
 * each access class and each local publisher.
 * Test: tests/local/broker_*.sh.
 */
#ifndef BROKER_NETWORK_H
#define BROKER_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/config.h"

#include "engine/receive.h"
#include "link/link.h"
#include "topic/announcer.h"
#include "topic/groups.h"
#include "topic/roster.h"

/* A topic was heard of, or heard again with something new to say. */
typedef void network_topic_fn(void *context, const char *topic);
/* A publisher was heard of for the first time. */
typedef void network_publisher_fn(
	void *context, const struct msg_announcement *said);

/* Publishers of ours whose last words may still be on their way back to us. */
#define NETWORK_GONE_MAX 256u

struct network {
	struct msg_link_domain *domain; /* NULL: none. */
	struct msg_groups groups;
	char groups_text[64];
	uint16_t port;
	char host[MSG_ANNOUNCE_TEXT_MAX + 1];
	struct msg_announcer announcer;
	/* The directory's group, and who was heard there. */
	struct msg_receiver receiver;
	struct msg_link *link;
	uint32_t handle;
	bool joined;
	struct msg_roster roster;
	uint64_t gone[NETWORK_GONE_MAX]; /* Incarnations, the latest of them. */
	uint32_t gone_count;
	network_topic_fn *on_topic;
	network_publisher_fn *on_publisher; /* Or NULL; set after open. */
	void *context;
};

/* Open what the config says.  0, or a negated error with the trail; closed
 * again then. */
int network_open(struct network *network, const struct config *config,
	network_topic_fn *on_topic, void *context);
void network_close(struct network *network);

/* Bytes of a receive buffer: for frames of the lane and announcements. */
uint32_t network_receive_bytes(const struct network *network);

/* A publisher of ours has said goodbye: from here on nobody is to take what is
 * still heard of it for one of another host. */
void network_forget(struct network *network, const struct msg_announcement *goodbye);

/* Read announcements, and make those that are due.  How many frames came, or a
 * negated error. */
int network_turn(struct network *network);

/* 0: safe to sleep on network->link->fd; AGAIN: take a turn; FABRIC. */
int network_arm(struct network *network);

/* When it wants a turn of itself, by msg_clock_coarse_ns; UINT64_MAX: never. */
uint64_t network_due(const struct network *network);

#endif
