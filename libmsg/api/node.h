/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * node.h - the node as publishers, subscribers and directories see it.
 */
#ifndef MSG_API_NODE_H
#define MSG_API_NODE_H

#include <pthread.h>

#include <msg/msg.h>

#include "base/log.h"
#include "link/link.h"
#include "topic/announcer.h"
#include "topic/groups.h"

struct msg_node {
	struct msg_link_domain *domain;
	struct msg_groups groups;
	struct msg_announcer announcer;
	uint32_t announce_ms;
	uint16_t port;
	char groups_text[80];
	char host[MSG_ANNOUNCE_TEXT_MAX + 1];
	struct msg_log log;
	pthread_mutex_t lock; /* Of domain calls and `children`. */
	uint32_t children;
};

/* Bytes of a receive buffer: for frames of the lane, and for announcements,
 * which may be larger. */
uint32_t msg_node_receive_bytes(const struct msg_node *node);

/* Open a link on the node's lane and count it as a child. */
int msg_node_link_open(struct msg_node *node,
	const struct msg_link_options *options, struct msg_link **link);
void msg_node_link_close(struct msg_node *node, struct msg_link *link);

#endif
