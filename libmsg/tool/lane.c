/* SPDX-License-Identifier: BSD-2-Clause */
/* lane.c - open the node the user asked for; see lane.h. */
#include "lane.h"

#include <stdio.h>

#include "command.h"
#include "options.h"
#include "text.h"

static void log_line(void *context, enum msg_log_level level, const char *id,
	const char *text)
{
	const struct lane_choice *choice = context;
	char safe[1024];

	if (level >= MSG_LOG_INFO && !choice->verbose)
		return;
	text_escape(safe, sizeof safe, text);
	if (level == MSG_LOG_ERROR)
		complain("%s [%s]", safe, id);
	else
		say("%s [%s]", safe, id);
}

const char *lane_name(enum msg_lane lane)
{
	return lane == MSG_LANE_VERBS ? "verbs"
	       : lane == MSG_LANE_UDP ? "udp"
				      : "none";
}

void lane_format(const struct msg_node_info *info, char *text, size_t bytes)
{
	char reason[512], device[128];

	text_escape(reason, sizeof reason, info->reason);
	text_escape(device, sizeof device, info->device);
	if (info->lane == MSG_LANE_DEFAULT)
		snprintf(text, bytes, "this host alone: %s", reason);
	else if (info->lane == MSG_LANE_VERBS)
		snprintf(text, bytes,
			"RDMA device %s on %s (%s), groups %s, "
			"port %u, frames of %u bytes: %s",
			device, info->interface, info->address, info->groups,
			info->port, info->frame_bytes, reason);
	else
		snprintf(text, bytes,
			"kernel UDP on %s (%s), groups %s, "
			"port %u, frames of %u bytes: %s",
			info->interface, info->address, info->groups,
			info->port, info->frame_bytes, reason);
}

int lane_exit(int error)
{
	switch (error < 0 ? -error : error) {
	case MSG_ERROR_ARGUMENT:
		return TOOL_EXIT_USAGE;
	case MSG_ERROR_DEVICE:
	case MSG_ERROR_FABRIC:
		return TOOL_EXIT_LANE;
	default:
		return TOOL_EXIT_UNMET;
	}
}

int lane_fail(const char *what, int error)
{
	char safe[1024];

	text_escape(safe, sizeof safe, msg_error_text());
	complain("%s: %s", what, safe[0] ? safe : msg_error_name(error));
	return lane_exit(error);
}

struct msg_node *lane_open(struct lane_choice *choice, int *code)
{
	struct msg_node_info info;
	struct msg_node *node;
	char text[1024];
	int error;

	choice->options.log = log_line;
	choice->options.log_context = choice;
	error = msg_node_open(&choice->options, &node);
	if (error < 0) {
		*code = lane_fail("no lane", error);
		return NULL;
	}
	msg_node_describe(node, &info);
	lane_format(&info, text, sizeof text);
	say("lane: %s", text);
	return node;
}
