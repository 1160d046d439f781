/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * node.h - the node as publishers, subscribers and directories see it.
 */
#ifndef MSG_API_NODE_H
#define MSG_API_NODE_H

#include <pthread.h>
#include <stdbool.h>

#include <msg/msg.h>

#include "base/log.h"
#include "api/delivery.h"
#include "link/session.h"
#include "link/channel.h"
#include "link/link.h"
#include "link/shm/control.h"
#include "link/shm/place.h"
#include "topic/announcer.h"
#include "topic/attendant.h"
#include "topic/groups.h"

struct msg_node {
	struct msg_link_domain *domain; /* NULL: on the broker. */
	struct msg_control_welcome broker;
	char broker_path[MSG_PLACE_PATH_BYTES];
	struct msg_groups groups;
	struct msg_announcer announcer; /* On a lane. */
	struct msg_attendant attendant; /* On the broker. */
	uint32_t announce_ms;
	uint16_t port;
	char groups_text[80];
	char reason[600]; /* Why this lane, or that broker; for people. */
	char host[MSG_ANNOUNCE_TEXT_MAX + 1];
	struct msg_log log;
	pthread_mutex_t lock; /* Of domain calls and `children`. */
	uint32_t children;
};

static inline bool msg_node_is_brokered(const struct msg_node *node)
{
	return !node->domain;
}

static inline enum msg_delivery_way msg_node_delivery(
	const struct msg_node *node)
{
	if (!msg_node_is_brokered(node))
		return MSG_DELIVERY_LANE;
	if (node->broker.reliable && !node->broker.connected)
		return MSG_DELIVERY_NO_RC;
	return node->broker.reliable ? MSG_DELIVERY_BROKER
				     : MSG_DELIVERY_BEST_EFFORT;
}

static inline uint32_t msg_node_frame_bytes(const struct msg_node *node)
{
	return node->domain ? node->domain->frame_bytes
			    : node->broker.frame_bytes;
}

/* Count what is opened on the node and has no link. */
void msg_node_adopt(struct msg_node *node);
void msg_node_release(struct msg_node *node);

/* Bytes of a receive buffer: for frames of the lane, and for announcements,
 * which may be larger. */
uint32_t msg_node_receive_bytes(const struct msg_node *node);

/* Open a link on the node's lane and count it as a child. */
int msg_node_link_open(struct msg_node *node,
	const struct msg_link_options *options, struct msg_link **link);
void msg_node_link_close(struct msg_node *node, struct msg_link *link);
/* The same for a session. */
int msg_node_session_open(struct msg_node *node,
	const struct msg_session_options *options,
	struct msg_session **session);
void msg_node_session_close(
	struct msg_node *node, struct msg_session *session);

/* The same for a set of connections. */
/* Whether history is read from where it stands, on this lane.  By a kernel lane
 * it is asked for: read over TCP, 10^5 messages of 64 bytes took four times as
 * long, of 1 KiB one and a half times (README of tests/perf). */
static inline bool msg_node_reads(const struct msg_node *node)
{
	return node->domain && node->domain->reads;
}

int msg_node_channels_open(struct msg_node *node,
	const struct msg_channels_options *options,
	struct msg_channels **channels);
void msg_node_channels_close(
	struct msg_node *node, struct msg_channels *channels);

#endif
