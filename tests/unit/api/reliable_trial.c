/* SPDX-License-Identifier: BSD-2-Clause */
/* reliable_trial.c - see reliable_trial.h. */
#include "reliable_trial.h"

#include <stdlib.h>
#include <string.h>

/* What passes while a message is written. */
#define WRITE_NS 200u

uint32_t announce_ms = 20;

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
	struct msg_loan loan;

	lend(t, bytes, &loan);
	virtual_clock_pass(WRITE_NS);
	queue_or_send(t, &loan, bytes, 700);
}

struct reader *add_reader(
	struct trial *t, const struct msg_subscriber_options *options)
{
	struct msg_subscriber_options o = *options;

	if (!o.topic)
		o.topic = "reliable";
	return subscribe(t, &o);
}

void open_trial(struct trial *t, uint64_t seed,
	const struct msg_publisher_options *options)
{
	struct msg_publisher_options o = *options;

	open_node(t, seed, announce_ms);
	t->message_bytes_max = 20000;
	t->scratch = malloc(2 * t->message_bytes_max);
	o.topic = "reliable";
	o.message_bytes_max = t->message_bytes_max;
	o.reliability = MSG_RELIABILITY_RELIABLE;
	open_publisher(t, &o);
}

void close_trial(struct trial *t)
{
	close_stream(t);
	free(t->scratch);
}

/* What is queued is not sent, and no history yet. */
void flush(struct trial *t)
{
	while (msg_publisher_flush(t->publisher) == -MSG_ERROR_AGAIN)
		msg_node_progress(t->node);
}
