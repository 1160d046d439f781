/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reliable_trial.h - a publisher and readers of a reliable topic, for
 * test_reliable.c and its neighbours: through the public API, over a wire in memory
 * that is bad by seed, by a clock of its own.
 *
 * Every trial draws sizes, batches and faults from its seed.  What was published
 * is known by number: a view's bytes must be those of its number, numbers must
 * follow each other, and what is missing must be told, to the message.
 */
#ifndef TESTS_UNIT_API_RELIABLE_TRIAL_H
#define TESTS_UNIT_API_RELIABLE_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include <msg/msg.h>

#include "random.h"
#include "virtual_clock.h"

#define SUBSCRIBERS_MAX 4
#define IDLE_NS 10000u /* What passes when nobody has anything to do. */

/* One reader, and what it has seen. */
struct reader {
	struct msg_subscriber *subscriber;
	uint64_t expected; /* Sequence of the next view, if nothing is lost. */
	uint64_t taken;
	uint64_t lost;
	uint64_t events[MSG_EVENT_EVICTED + 1];
	uint32_t reason; /* Of the last loss. */
	bool begun;
};

struct trial {
	uint64_t seed;
	struct random_stream random;
	struct msg_node *node;
	struct msg_publisher *publisher;
	uint64_t sent;
	uint32_t message_bytes_max;
	struct reader readers[SUBSCRIBERS_MAX];
	uint32_t reader_count;
	uint8_t *scratch;
};

extern uint32_t announce_ms; /* Of nodes that are opened. */

#include "stream_trial.h"

/* `options`: without topic, reliability and size. */
void open_trial(struct trial *t, uint64_t seed,
	const struct msg_publisher_options *options);
/* All that was borrowed of the wire is back. */
void close_trial(struct trial *t);
/* Of the trial's topic, where `options` names none. */
struct reader *add_reader(
	struct trial *t, const struct msg_subscriber_options *options);

/* How long message `sequence` is. */
uint32_t length_of(const struct trial *t, uint64_t sequence);

/* The next message, queued or sent. */
void publish(struct trial *t);
/* What is queued is sent, and history. */
void flush(struct trial *t);

/* Views are checked and given back; false: there were none. */
bool take_some(struct trial *t, struct reader *r);

/* Further tests of the program, in files of their own. */
void add_flow_tests(TCase *tc);  /* reliable_flow.c */
void add_late_tests(TCase *tc);  /* reliable_late.c */
void add_event_tests(TCase *tc); /* reliable_events.c */

#endif
