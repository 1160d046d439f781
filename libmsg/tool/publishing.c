/* SPDX-License-Identifier: BSD-2-Clause */
/* publishing.c - options of commands that publish; see publishing.h. */
#include "publishing.h"

#include <getopt.h>

#include "delivery.h"
#include "options.h"

bool publishing_option(struct msg_publisher_options *wanted, int id)
{
	switch (id) {
	case OPTION_RELIABILITY:
		wanted->reliability = delivery_reliability(optarg);
		return true;
	case OPTION_HISTORY:
		wanted->history_bytes = value_count(
			"--history", optarg, 64u << 10, (uint64_t)4 << 30);
		return true;
	case OPTION_HISTORY_MS:
		wanted->history_ms = (uint32_t)value_count(
			"--history-ms", optarg, 1, 3600000);
		return true;
	case OPTION_FLOW:
		delivery_flow(optarg, wanted);
		return true;
	case OPTION_GIVE_UP_MS:
		wanted->give_up_ms = (uint32_t)value_count(
			"--give-up-ms", optarg, 10, 60000);
		return true;
	default:
		return false;
	}
}
