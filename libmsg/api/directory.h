/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * directory.h - a directory, for those who look up more than it lists.
 */
#ifndef MSG_API_DIRECTORY_H
#define MSG_API_DIRECTORY_H

#include <stdbool.h>

#include <msg/msg.h>

#include "engine/direct.h"
#include "topic/name.h"
#include "topic/roster.h"
#include "topic/watch.h"

struct msg_directory {
	struct msg_node *node;
	bool brokered;
	struct msg_watch watch; /* On the broker; else what follows. */
	struct msg_link *link;
	struct msg_direct direct;
	struct msg_roster roster;
	uint32_t handle;
	bool joined;
	bool news;
	char pattern[MSG_TOPIC_BYTES_MAX + 1];
};

#endif
