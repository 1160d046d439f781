/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fetch_trial.h - a publisher and readers that come late, for test_fetch.c and
 * test_fetch_calls.c: through the public API, over a wire and connections in memory
 * that are bad by seed.
 *
 * What was published is known by number, and so are its size and bytes.  A reader
 * sees each message from where it begins, or is told of its loss, in order.
 */
#ifndef TESTS_UNIT_ENGINE_FETCH_TRIAL_H
#define TESTS_UNIT_ENGINE_FETCH_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include <msg/msg.h>

#include "random.h"

#define READERS_MAX 3
/* Of a connected topic: more than 16 bits, and room in one buffer by a device. */
#define CONNECTED_MAX 65570u

struct reader {
	struct msg_subscriber *subscriber;
	uint64_t begin;    /* Its first message, … */
	uint64_t expected; /* … and the next; UINT64_MAX: none came. */
	uint64_t lost;
};

enum trial_topic {
	TOPIC_RELIABLE,
	TOPIC_CALLS,      /* By connections, and with larger messages; … */
	TOPIC_CALLS_FREE, /* … and the publisher waits for nobody. */
};

struct trial {
	uint64_t seed;
	struct random_stream random;
	enum trial_topic topic;
	uint32_t give_up_ms; /* Of readers. */
	struct msg_node *node;
	struct msg_publisher *publisher;
	uint64_t sent;
	struct reader readers[READERS_MAX];
	uint32_t reader_count;
};

#include "stream_trial.h"

void open_trial(struct trial *trial, uint64_t seed, enum trial_topic topic,
	size_t history_bytes);
/* All that was borrowed of the system is back. */
void close_trial(struct trial *trial);

/* `buffers`: 0: as many as there are by default. */
struct reader *add_reader(
	struct trial *trial, uint32_t history, uint32_t buffers);

void publish(struct trial *trial, uint32_t count);

/* A reader that asked for `wanted` of what is sent begins there, and sees all that
 * follows while more is published. */
void catch_up(struct trial *trial, struct reader *reader, uint64_t wanted);
/* Until some of what it asked for has been read. */
void await_fetched(struct trial *trial, const struct reader *reader);
/* As many readers as there may be, of all that is sent, at the same time. */
void read_by_several(struct trial *trial);
/* One reader closes `turns` turns after it came, and all with it. */
void close_while_it_reads(struct trial *trial, int turns);
/* The publisher goes while one reader reads; then all closes. */
void go_while_it_is_read(struct trial *trial);

/* Check a view and what comes next. */
void look(struct trial *trial, struct reader *reader,
	const struct msg_view *view);

#endif
