/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * subscribing.h - the options of every command that takes what is published:
 * echo, record, losses.  A command puts the rows into its table, and hands on what
 * it does not know itself.
 */
#ifndef TOOL_SUBSCRIBING_H
#define TOOL_SUBSCRIBING_H

#include <stdbool.h>

#include <msg/msg.h>

#include "command.h"

enum {
	/* Apart from a command's own, which begin with OPTION_LONG. */
	OPTION_BUFFERS = OPTION_LONG + 100,
	OPTION_GIVE_UP_MS,
	OPTION_HISTORY,
	OPTION_LARGE,
	OPTION_MAX_BYTES,
	OPTION_RELIABILITY,
	OPTION_REORDER_US,
	OPTION_TAGGED,
};

#define SUBSCRIBING_OPTIONS                                                    \
	{OPTION_MAX_BYTES, "max-bytes", "N",                                   \
		"largest message, up to 16Mi (1Mi)"},                          \
	{OPTION_BUFFERS, "buffers", "N",                                       \
		"receive buffers of one frame, 16 to 65536"},                  \
	{OPTION_REORDER_US, "reorder-us", "N",                                 \
		"how long a gap may wait for a late frame"},                   \
	{OPTION_RELIABILITY, "reliability", "WHAT",                            \
		"reliable: as offered; best-effort: ask for nothing"},         \
	{OPTION_HISTORY, "history", "N|all",                                   \
		"of reliable topics, begin with the last N messages"},         \
	{OPTION_GIVE_UP_MS, "give-up-ms", "N",                                 \
		"what is missing for so long is lost (1000)"},                 \
	{OPTION_LARGE, "large", "N",                                           \
		"take large messages (see msg pub --large) up to N (none)"},   \
	{OPTION_TAGGED, "tagged", NULL,                                        \
		"be one of those that --flow tagged waits for"}

/* Takes optarg; false: it is none of these. */
bool subscribing_option(struct msg_subscriber_options *wanted, int id);

#endif
