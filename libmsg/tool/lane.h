/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane.h - open the node the user asked for, and say which lane it took.
 */
#ifndef TOOL_LANE_H
#define TOOL_LANE_H

#include <stdbool.h>
#include <stddef.h>

#include <msg/msg.h>

struct lane_choice {
	struct msg_node_options options;
	bool verbose; /* Show the library's informational log too. */
};
#define LANE_CHOICE                                                            \
	{                                                                      \
		MSG_NODE_OPTIONS, false                                        \
	}

/* Open, and say the lane on stderr unless -q.  NULL on failure, the reason
 * said and the exit code in *code. */
struct msg_node *lane_open(struct lane_choice *choice, int *code);

/* "kernel UDP on lo (127.0.0.1), groups 239.255.77.0+64, port 7400: why". */
void lane_format(const struct msg_node_info *info, char *text, size_t bytes);
const char *lane_name(enum msg_lane lane);

/* The exit code for a code of the library; the reason is said by complain
 * with `what` before it. */
int lane_fail(const char *what, int error);
int lane_exit(int error);

#endif
