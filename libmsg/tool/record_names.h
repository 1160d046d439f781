/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_names.h - who a publisher is, for the channels of a recording.
 *
 * Announcements and messages come on two ways, so a name may be some
 * milliseconds behind its first message, and one that published before we came
 * a second.  It is waited for, but not often: who sends for publishers that do
 * not exist must not keep the writer waiting, nor must any while its queue fills.
 */
#ifndef TOOL_RECORD_NAMES_H
#define TOOL_RECORD_NAMES_H

#include <msg/msg.h>
#include <stdbool.h>

#include "record_queue.h"

struct record_names {
	struct msg_directory *directory;
	struct msg_topic_info *infos;
	int count, capacity;
	uint64_t read_ns;
	uint64_t asked_ns;
	uint64_t first_ns; /* Until then all are waited for. */
};

/* 0, or an error of the library. */
int record_names_open(struct record_names *names, struct msg_node *node);
void record_names_close(struct record_names *names);

/* NULL: nobody of that name is there, or not before the queue is half full.
 * Valid until the next call. */
const struct msg_topic_info *record_names_find(struct record_names *names,
	uint64_t publisher, struct record_queue *queue);

/* Whether that publisher still announces itself, as far as was heard last. */
bool record_names_there(const struct record_names *names, uint64_t publisher);

#endif
