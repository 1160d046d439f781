/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publishing.h - the options of commands that publish in somebody's name, pub and
 * play: how what they send is delivered.  A command puts the rows into its table,
 * and hands on what it does not know itself.
 */
#ifndef TOOL_PUBLISHING_H
#define TOOL_PUBLISHING_H

#include <stdbool.h>

#include <msg/msg.h>

#include "command.h"

enum {
	/* Apart from a command's own, which begin with OPTION_LONG. */
	OPTION_FLOW = OPTION_LONG + 100,
	OPTION_GIVE_UP_MS,
	OPTION_HISTORY,
	OPTION_HISTORY_MS,
	OPTION_RELIABILITY, /* Its row is the command's, with its default. */
};

#define PUBLISHING_OPTIONS                                                     \
	{OPTION_HISTORY, "history", "BYTES",                                   \
		"reliable: memory for what was sent (4Mi)"},                   \
	{OPTION_HISTORY_MS, "history-ms", "N",                                 \
		"reliable: keep nothing that is older (no limit)"},            \
	{OPTION_FLOW, "flow", "WHOM",                                          \
		"reliable: wait for none, min (all) or tagged, or for\n"       \
		"                               the N fastest (none)"},        \
	{OPTION_GIVE_UP_MS, "give-up-ms", "N",                                 \
		"reliable: wait no longer for who does not move (1000)"}

/* Takes optarg; false: it is none of these. */
bool publishing_option(struct msg_publisher_options *wanted, int id);

#endif
