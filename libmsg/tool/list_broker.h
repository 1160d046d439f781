/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list_broker.h - what `msg list` knows from brokers: which there are, and the
 * local publishers of the usual one.
 *
 * Where the broker has a network, its publishers are announced there as well;
 * those are told by their identity and listed once.
 */
#ifndef TOOL_LIST_BROKER_H
#define TOOL_LIST_BROKER_H

#include <stdbool.h>
#include <stdint.h>

#include "look.h"

struct list_broker {
	struct look look;
	bool open;
};

/* The broker of MSG_BROKER or "default", if there is one; said if not quiet. */
void list_broker_open(struct list_broker *broker);
void list_broker_close(struct list_broker *broker);

/* Look, and describe up to `count` of its publishers whose topics match
 * `pattern` (NULL: all); returns how many there are.  Texts live until the next
 * call. */
int list_broker_read(struct list_broker *broker, const char *pattern,
	struct msg_topic_info *infos, int count);

/* `msg list --brokers`; the exit code. */
int list_brokers(bool as_json);

#endif
