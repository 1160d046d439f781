/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_take.h - the half of `msg record` that takes: views into the queue.
 *
 * It never waits for the disk.  What finds no room in the queue is dropped,
 * counted, and told in the file at its place, as what was lost before it came
 * here.
 */
#ifndef TOOL_RECORD_TAKE_H
#define TOOL_RECORD_TAKE_H

#include <msg/msg.h>

#include "record_gap.h"
#include "record_queue.h"

struct record_source {
	const char *pattern;
	struct msg_subscriber *subscriber;
	uint64_t lapped; /* Of it, as told. */
};

struct record_take {
	struct record_source *sources;
	int source_count;
	struct record_queue queue;
	struct record_gaps gaps;
	uint64_t real_minus_clock; /* So that recorded time cannot jump. */
	uint64_t log_ns;           /* Of what is taken now. */

	uint64_t messages; /* In the queue, or behind it. */
	uint64_t bytes;    /* Of their payloads. */
	uint64_t dropped;  /* For want of room. */
	uint64_t lost;     /* Before they came here. */
	uint64_t untold;   /* Events for want of room; losses are never. */
};

bool record_take_open(struct record_take *take, size_t queue_bytes);
void record_take_close(struct record_take *take);

/* Take what one source has, at most `most`; how many views, or an error of the
 * library. */
int record_take(
	struct record_take *take, struct record_source *source, int most);

/* The subscription ended because we were too slow. */
void record_take_evicted(
	struct record_take *take, const struct record_source *source);

/* Tell what is missing; false while there is no room for it. */
bool record_take_gaps(struct record_take *take);

#endif
