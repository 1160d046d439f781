/* SPDX-License-Identifier: BSD-2-Clause */
/* reliable_trial.c - see reliable_trial.h. */
#include "reliable_trial.h"

#include <stdlib.h>
#include <string.h>

/* What passes while a message is written. */
#define WRITE_NS 200u

uint32_t announce_ms = 20;

int64_t now_ns(void)
{
	return (int64_t)virtual_clock_ns();
}

/* ---- payloads ---------------------------------------------------------- */

uint32_t length_of(const struct trial *t, uint64_t sequence)
{
	struct random_stream random = {t->seed ^ sequence * 0x9e37};
	uint64_t kind = random_below(&random, 100);

	if (kind < 70)
		return (uint32_t)random_below(&random, 100);
	if (kind < 97)
		return (uint32_t)random_below(&random, 1000);
	return (uint32_t)random_below(&random, t->message_bytes_max);
}

void fill(uint8_t *data, size_t bytes, uint64_t sequence)
{
	random_fill(data, bytes, sequence * 31 + 7);
}

static void check_bytes(
	struct trial *t, struct reader *r, const struct msg_view *view)
{
	uint32_t bytes = length_of(t, view->sequence);
	uint8_t *copy = t->scratch + t->message_bytes_max;

	MUST(t, view->bytes == bytes);
	MUST(t, msg_subscriber_copy(r->subscriber, view, copy,
			t->message_bytes_max) == 0);
	fill(t->scratch, bytes, view->sequence);
	MUST(t, memcmp(copy, t->scratch, bytes) == 0);
}

/* ---- in and out --------------------------------------------------------- */

static void look(struct trial *t, struct reader *r, const struct msg_view *view)
{
	if (!r->begun && view->event == MSG_EVENT_MESSAGE) {
		r->begun = true;
		r->expected = view->sequence;
	}
	MUST(t, view->event <= MSG_EVENT_EVICTED);
	r->events[view->event]++;
	r->lost += view->lost_before;
	if (view->event != MSG_EVENT_MESSAGE) {
		MUST(t, !view->data && view->bytes == 0);
		MUST(t, view->lost_before == 0 || view->event == MSG_EVENT_LOST);
		if (view->event == MSG_EVENT_LOST)
			r->reason = view->reason;
		ck_assert_msg(!r->begun || view->sequence ==
						   r->expected +
							   view->lost_before,
			"MSG_TEST_SEED=0x%llx: event %u of %llx at %llu, "
			"expected %llu",
			(unsigned long long)t->seed, view->event,
			(unsigned long long)view->publisher,
			(unsigned long long)view->sequence,
			(unsigned long long)r->expected);
		if (r->begun)
			r->expected = view->sequence;
		return;
	}
	MUST(t, view->sequence == r->expected + view->lost_before);
	check_bytes(t, r, view);
	r->expected = view->sequence + 1;
	r->taken++;
}

bool take_some(struct trial *t, struct reader *r)
{
	struct msg_view views[16];
	int n = msg_subscriber_take(r->subscriber, views, 16);

	MUST(t, n >= 0);
	for (int i = 0; i < n; i++)
		look(t, r, &views[i]);
	msg_subscriber_release(r->subscriber, views, n);
	return n > 0;
}

void take_all(struct trial *t)
{
	bool taken = false;

	for (uint32_t i = 0; i < t->reader_count; i++)
		while (take_some(t, &t->readers[i]))
			taken = true;
	msg_node_progress(t->node);
	if (!taken)
		virtual_clock_pass(IDLE_NS);
}

void publish(struct trial *t)
{
	uint32_t bytes = length_of(t, t->sent);
	int64_t limit = now_ns() + 30 * S;
	struct msg_loan loan;
	int result;

	while ((result = msg_publisher_loan(t->publisher, bytes, &loan)) ==
		-MSG_ERROR_AGAIN) {
		take_all(t);
		MUST(t, now_ns() < limit);
	}
	MUST(t, result == 0);
	fill(loan.data, bytes, t->sent);
	virtual_clock_pass(WRITE_NS);
	if (random_chance(&t->random, 700))
		result = msg_publisher_queue(t->publisher, &loan, bytes);
	else
		result = msg_publisher_send(t->publisher, &loan, bytes);
	MUST(t, result == 0);
	t->sent++;
}

/* Until every reader has seen, or been told of, all that was sent. */
void settle(struct trial *t)
{
	int64_t limit = now_ns() + 30 * S;
	uint32_t done = 0;

	while (done < t->reader_count) {
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

struct reader *add_reader(
	struct trial *t, const struct msg_subscriber_options *options)
{
	struct msg_subscriber_options o = *options;
	struct reader *r = &t->readers[t->reader_count++];

	memset(r, 0, sizeof *r);
	if (!o.topic)
		o.topic = "reliable";
	ck_assert_msg(msg_subscriber_open(t->node, &o, &r->subscriber) == 0,
		"%s", msg_error_text());
	return r;
}

void open_trial(struct trial *t, uint64_t seed,
	const struct msg_publisher_options *options)
{
	struct msg_node_options n = MSG_NODE_OPTIONS;
	struct msg_publisher_options o = *options;

	memset(t, 0, sizeof *t);
	t->seed = seed;
	t->random.state = seed;
	t->message_bytes_max = 20000;
	t->scratch = malloc(2 * t->message_bytes_max);
	n.broker = MSG_BROKER_NEVER;
	n.announce_ms = announce_ms;
	ck_assert_int_eq(msg_node_open(&n, &t->node), 0);
	o.topic = "reliable";
	o.message_bytes_max = t->message_bytes_max;
	o.reliability = MSG_RELIABILITY_RELIABLE;
	/* Nobody takes while this thread closes. */
	if (o.linger_ms == 0)
		o.linger_ms = 20;
	ck_assert_msg(msg_publisher_open(t->node, &o, &t->publisher) == 0,
		"%s", msg_error_text());
}

void close_trial(struct trial *t)
{
	memory_wire_reset(NULL);
	for (uint32_t i = 0; i < t->reader_count; i++)
		MUST(t, msg_subscriber_close(t->readers[i].subscriber) == 0);
	MUST(t, msg_publisher_close(t->publisher) == 0);
	MUST(t, msg_node_close(t->node) == 0);
	MUST(t, memory_wire_counts.links == 0);
	free(t->scratch);
}

uint64_t counted(const struct reader *r, int index)
{
	return msg_subscriber_counter(r->subscriber, index);
}

/* What is queued is not sent, and no history yet. */
void flush(struct trial *t)
{
	while (msg_publisher_flush(t->publisher) == -MSG_ERROR_AGAIN)
		msg_node_progress(t->node);
}
