/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record.h - what the parts of `msg record` share.
 *
 *     record.c           the command: the loop that takes, and what is said
 *     record_options.c   the command line
 *     record_take.c      views into the queue
 *     record_gap.c       what is missing and could not be told yet
 *     record_queue.c     between both threads
 *     record_write.c     the thread that writes: groups, files
 *     record_channel.c   the channels of a file
 *     record_names.c     who publishers are
 */
#ifndef TOOL_RECORD_H
#define TOOL_RECORD_H

#include <poll.h>

#include "command.h"
#include "lane.h"
#include "record_take.h"
#include "record_write.h"
#include "require.h"

extern const struct option_spec record_options[];

struct record {
	struct lane_choice lane;
	struct msg_node *node;
	struct msg_subscriber_options wanted;
	struct record_write_options write;
	struct require require;
	struct record_take take;
	struct record_writer writer;
	struct record_names names;
	struct pollfd *fds;
	char **pattern_list;
	char *patterns; /* All of them, for the file. */
	size_t queue_bytes;
	uint64_t count; /* 0: no limit. */
	double duration;
	uint64_t began_ns;
	uint64_t until_ns;    /* 0: no limit. */
	uint64_t progress_ns; /* When it is due. */
	bool as_json;
};

/* The command line, up to its patterns; does not return from a bad one. */
void record_read_line(struct record *record, const struct command *command,
	int argc, char **argv);

#endif
