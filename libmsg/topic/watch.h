/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch.h - the directory, as the broker of the host keeps it.
 *
 * An onlooker asks for the whole of it, now and again: it is read by people
 * and tools, and they look some ten times a second at most.
 *
 * Neighbours: called by api/directory and api/node; calls client.
 * Test: tests/unit/api/test_broker.c, tests/conformance (directory).
 */
#ifndef MSG_TOPIC_WATCH_H
#define MSG_TOPIC_WATCH_H

#include <msg/msg.h>

#include "topic/client.h"

/* What it keeps of a directory at most; the rest is left out. */
#define MSG_WATCH_TOPICS_MAX 65536u

/* One answer of the broker, in one or several messages. */
struct msg_watch_list {
	struct msg_control_topic *topics;
	uint32_t count;
	uint32_t room;
};

struct msg_watch {
	struct msg_client client;
	struct msg_control_watch said;
	struct msg_watch_list told;  /* Coming in. */
	struct msg_watch_list known; /* The latest that came whole. */
	uint64_t answers;            /* Whole ones. */
	uint64_t lost_ns; /* When the broker went away last. */
	uint64_t read;               /* Digest of what was read last. */
	struct msg_control_described described; /* The latest. */
	uint64_t descriptions;                  /* How many came. */
};

/* Returns 0; the broker's refusal, FABRIC, MEMORY, or what msg_place_connect
 * returns, with the reason on the trail. */
int msg_watch_open(
	struct msg_watch *watch, const char *path, const char *pattern);
void msg_watch_close(struct msg_watch *watch);

/* As msg_directory_read, until `deadline` of msg_clock_ns. */
int msg_watch_read(struct msg_watch *watch, uint64_t deadline,
	struct msg_topic_info *infos, int count);

/* The schema of `hash` that `publisher` has, to be freed.  0; TIMEOUT at
 * `deadline` (the broker is away, or still asks for it); ARGUMENT (it cannot be
 * had); MEMORY, FABRIC. */
int msg_watch_describe(struct msg_watch *watch, uint32_t publisher,
	uint64_t hash, uint64_t deadline, uint8_t **schema, uint32_t *bytes);

/* Connect as an onlooker, only to hear who the broker is. */
int msg_watch_ask(const char *path, struct msg_control_welcome *welcome);

#endif
