/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane.h - a lane of a test's own, with a port and groups that no other test of the
 * machine meets, and who is on it.
 *
 *     broker of host.h, started with `arguments` ─┐
 *     another host: a node of this process ───────┼── port and groups
 *     frames sent by hand ────────────────────────┘
 *
 * Frames are sent by hand where some are to be missing for good, or false.
 */
#ifndef TESTS_SURVIVE_LANE_H
#define TESTS_SURVIVE_LANE_H

#include <msg/msg.h>

#include "protocol/frame.h"
#include "topic/groups.h"

struct lane {
	const char *device; /* NULL: kernel UDP on loopback. */
	uint16_t port;
	char port_text[16];
	char group_text[32];
	const char *arguments[12]; /* For struct host: they point in here. */
	struct msg_groups groups;
	int sender; /* -1: none. */
};

/* By the number of this process, so once in each. `more`: further arguments of
 * brokers, NULL at the end, or NULL. */
void lane_choose(
	struct lane *lane, const char *device, const char *const *more);

/* What a node is opened with that is another host there. */
struct msg_node_options lane_node_options(const struct lane *lane);

/* Such a node, which is heard of soon and serves its receivers by a thread. */
struct msg_node *lane_open_other(const struct lane *lane);

/* A socket for frames by hand, on loopback. */
void lane_open_sender(struct lane *lane);
void lane_close_sender(struct lane *lane);
/* Send a frame of `topic`: its tag and length are filled in. */
void lane_send(const struct lane *lane, const char *topic,
	const struct msg_frame *frame, const void *body, size_t bytes);

/* Announce a publisher of `topic` that does not exist. */
void lane_announce(
	const struct lane *lane, const char *topic, uint32_t publisher);

#endif
