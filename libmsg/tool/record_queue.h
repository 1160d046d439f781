/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_queue.h - between who takes messages and who writes them.
 *
 *     taker: room ─> fill ─> put, …, push       writer: get ─> write ─> drop
 *
 * A ring of bytes of a fixed size, one thread at each end.  The taker never
 * waits: no room is an answer.  What was put is seen by the writer after the
 * next push, so that a batch costs one lock; neither holds it while doing
 * anything but moving a number.
 * Test: tests/unit/tool/test_record_queue.c.
 */
#ifndef TOOL_RECORD_QUEUE_H
#define TOOL_RECORD_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record_queue {
	uint8_t *data;
	size_t capacity; /* A multiple of 8. */

	pthread_mutex_t lock; /* Of the four below. */
	pthread_cond_t filled;
	uint64_t head; /* The writer is done up to here. */
	uint64_t tail; /* The taker has pushed up to here. */
	bool ended;
	bool waiting;

	/* Of the taker alone. */
	uint64_t made;
	uint64_t head_seen;
	uint64_t most; /* The most that ever waited. */

	/* Of the writer alone. */
	uint64_t done;
	uint64_t tail_seen;
	uint64_t returned;
};

bool record_queue_open(struct record_queue *queue, size_t capacity);
void record_queue_close(struct record_queue *queue);

/* Room for `bytes`, at most half of the queue; NULL when it is full.  8-byte
 * aligned; holds until the next call. */
void *record_queue_room(struct record_queue *queue, size_t bytes);
/* What was given is filled. */
void record_queue_put(struct record_queue *queue);
/* Show the writer all that was put. */
void record_queue_push(struct record_queue *queue);
/* Nothing follows. */
void record_queue_end(struct record_queue *queue);

/* The next that was put, waited for until `until_ns` (CLOCK_MONOTONIC).  NULL:
 * nothing came in time, or *ended. */
const void *record_queue_get(
	struct record_queue *queue, uint64_t until_ns, bool *ended);
/* Done with it. */
void record_queue_drop(struct record_queue *queue);

/* Of the writer: whether half of it waits already, so that nothing but writing
 * will do. */
bool record_queue_presses(struct record_queue *queue);

/* How many bytes wait now, as the taker knows. */
uint64_t record_queue_level(struct record_queue *queue);

#endif
