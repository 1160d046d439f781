/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stream_trial.h - what trials of one topic through the public API do alike,
 * whatever their readers keep of it: over a wire in memory, by seed, what was
 * published known by its number.
 *
 * It is included behind the structs that it is about, for each test has its own:
 *
 *     struct trial   seed, random, node, publisher, sent, readers[], reader_count
 *     struct reader  subscriber; expected, the number it looks for next
 *
 * Neighbours: test_pull.c, fetch_trial.h, reliable_trial.h.
 */
#ifndef TESTS_SUPPORT_STREAM_TRIAL_H
#define TESTS_SUPPORT_STREAM_TRIAL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "base/clock.h"
#include "memory_link.h"
#include "random.h"
#include "trial.h"

#define S 1000000000ll
#define MS 1000000ll

/* The user's: what is there for all readers is taken, and one turn of the node. */
void take_all(struct trial *t);

static inline int64_t now_ns(void)
{
	return (int64_t)msg_clock_ns();
}

static inline uint64_t counted(const struct reader *r, int index)
{
	return msg_subscriber_counter(r->subscriber, index);
}

/* The bytes of message `sequence`. */
static inline void fill(uint8_t *data, size_t bytes, uint64_t sequence)
{
	random_fill(data, bytes, sequence * 31 + 7);
}

/* ---- publishing --------------------------------------------------------- */

/* The next message, filled; readers take while there is no loan. */
static inline void lend(struct trial *t, size_t bytes, struct msg_loan *loan)
{
	int64_t limit = now_ns() + 30 * S;
	int result;

	while ((result = msg_publisher_loan(t->publisher, bytes, loan)) ==
		-MSG_ERROR_AGAIN) {
		take_all(t);
		MUST(t, now_ns() < limit);
	}
	MUST(t, result == 0);
	fill(loan->data, bytes, t->sent);
}

/* It leaves: queued, of so many per mille, or sent. */
static inline void queue_or_send(
	struct trial *t, struct msg_loan *loan, size_t bytes, unsigned queued)
{
	int result = random_chance(&t->random, queued)
			     ? msg_publisher_queue(t->publisher, loan, bytes)
			     : msg_publisher_send(t->publisher, loan, bytes);

	MUST(t, result == 0);
	t->sent++;
}

/* Turns until every reader has seen, or been told of, all that was sent. */
static inline void settle(struct trial *t)
{
	int64_t limit = now_ns() + 30 * S;
	uint32_t done = 0;

	while (done < t->reader_count) {
		/* AGAIN: what was queued has not left yet. */
		int flushed = msg_publisher_flush(t->publisher);

		MUST(t, flushed == 0 || flushed == -MSG_ERROR_AGAIN);
		take_all(t);
		done = 0;
		for (uint32_t i = 0; i < t->reader_count; i++)
			done += t->readers[i].expected == t->sent;
		ck_assert_msg(now_ns() < limit,
			"MSG_TEST_SEED=0x%llx: %llu of %llu",
			(unsigned long long)t->seed,
			(unsigned long long)t->readers[0].expected,
			(unsigned long long)t->sent);
	}
}

/* ---- opening and closing ------------------------------------------------ */

/* A trial of this seed, with a node that no broker stands behind and that announces
 * each `period_ms`. */
static inline void open_node(
	struct trial *t, uint64_t seed, uint32_t period_ms)
{
	struct msg_node_options n = MSG_NODE_OPTIONS;

	memset(t, 0, sizeof *t);
	t->seed = seed;
	t->random.state = seed;
	n.broker = MSG_BROKER_NEVER;
	n.announce_ms = period_ms;
	ck_assert_int_eq(msg_node_open(&n, &t->node), 0);
}

static inline void open_publisher(
	struct trial *t, const struct msg_publisher_options *options)
{
	struct msg_publisher_options o = *options;

	/* Nobody takes while this thread closes. */
	if (o.linger_ms == 0)
		o.linger_ms = 20;
	ck_assert_msg(msg_publisher_open(t->node, &o, &t->publisher) == 0,
		"%s", msg_error_text());
}

/* The next of t->readers. */
static inline struct reader *subscribe(
	struct trial *t, const struct msg_subscriber_options *options)
{
	struct reader *r = &t->readers[t->reader_count++];

	memset(r, 0, sizeof *r);
	ck_assert_msg(
		msg_subscriber_open(t->node, options, &r->subscriber) == 0,
		"%s", msg_error_text());
	return r;
}

/* All that was borrowed of the wire is back. */
static inline void close_stream(struct trial *t)
{
	memory_wire_reset(NULL);
	for (uint32_t i = 0; i < t->reader_count; i++)
		MUST(t, msg_subscriber_close(t->readers[i].subscriber) == 0);
	MUST(t, msg_publisher_close(t->publisher) == 0);
	MUST(t, msg_node_close(t->node) == 0);
	MUST(t, memory_wire_counts.links == 0);
}

#endif
