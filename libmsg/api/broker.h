/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * broker.h - whether a node stands on the broker of its host.
 *
 * Test: tests/unit/api/test_broker.c.
 */
#ifndef MSG_API_BROKER_H
#define MSG_API_BROKER_H

#include <msg/msg.h>

#include "link/shm/control.h"
#include "link/shm/place.h"

/* What the node's options and environment say of the lane; 0 or NULL: nothing,
 * so that any will do. */
struct msg_broker_wish {
	const char *interface;
	const char *device;
	const char *groups;
	uint32_t lane;
	uint32_t port;
};

#define MSG_BROKER_PASSED_BYTES 240

/* Returns 1: on the broker at `path`, which said `welcome`; 0: not, `passed` says
 * why in a clause, "" where nobody asked for one and none is there; what is wrong
 * with the options, or, where a broker is required, with the broker: ARGUMENT (it
 * serves something else), DEVICE, FABRIC, MEMORY, with the reason on the trail. */
int msg_broker_find(const struct msg_node_options *options,
	const struct msg_broker_wish *wish, char path[MSG_PLACE_PATH_BYTES],
	struct msg_control_welcome *welcome,
	char passed[MSG_BROKER_PASSED_BYTES]);

#endif
