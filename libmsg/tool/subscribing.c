/* SPDX-License-Identifier: BSD-2-Clause */
/* subscribing.c - options of commands that subscribe; see subscribing.h. */
#include "subscribing.h"

#include <getopt.h>

#include "delivery.h"
#include "options.h"

bool subscribing_option(struct msg_subscriber_options *wanted, int id)
{
	switch (id) {
	case OPTION_MAX_BYTES:
		wanted->message_bytes_max = (uint32_t)value_count(
			"--max-bytes", optarg, 1, MSG_MESSAGE_BYTES_MAX);
		return true;
	case OPTION_BUFFERS:
		wanted->buffer_count =
			(uint32_t)value_count("--buffers", optarg, 16, 65536);
		return true;
	case OPTION_REORDER_US:
		wanted->reorder_us = (uint32_t)value_count(
			"--reorder-us", optarg, 1, 1000000);
		return true;
	case OPTION_RELIABILITY:
		wanted->reliability = delivery_reliability(optarg);
		return true;
	case OPTION_HISTORY:
		wanted->history_count = delivery_history(optarg);
		return true;
	case OPTION_GIVE_UP_MS:
		wanted->give_up_ms = (uint32_t)value_count(
			"--give-up-ms", optarg, 10, 60000);
		return true;
	case OPTION_LARGE:
		wanted->large_bytes_max = value_count(
			"--large", optarg, 1, MSG_LARGE_BYTES_MAX);
		return true;
	case OPTION_TAGGED:
		wanted->tagged = 1;
		return true;
	default:
		return false;
	}
}
