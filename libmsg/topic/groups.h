/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * groups.h - a node's range of multicast groups, "ADDRESS+COUNT".
 *
 * The first group is the directory's; topics take the others by hash (see
 * name.h).  Test: tests/unit/topic/test_groups.c.
 */
#ifndef MSG_TOPIC_GROUPS_H
#define MSG_TOPIC_GROUPS_H

#include <stdint.h>
#include <sys/socket.h>

#include "link/link.h"

#define MSG_GROUPS_DEFAULT "239.255.77.0+64"
#define MSG_GROUPS_COUNT_MAX 4096u

struct msg_groups {
	struct sockaddr_storage first; /* With the port. */
	uint32_t count;
};

/* 0, or -MSG_ERROR_ARGUMENT with the reason on the trail. */
int msg_groups_parse(
	struct msg_groups *groups, const char *text, uint16_t port);

/* Join group `index`; `what` opens the sentence on the trail if that fails.
 * 0, or what the link's join returns. */
int msg_groups_join(const struct msg_groups *groups, struct msg_link *link,
	uint32_t index, enum msg_link_join how, const char *what,
	uint32_t *handle);

/* The address of group `index`. */
void msg_groups_address(const struct msg_groups *groups, uint32_t index,
	struct sockaddr_storage *address);

#endif
