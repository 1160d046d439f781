/* SPDX-License-Identifier: BSD-2-Clause */
/* fetch_trial.c - see fetch_trial.h. */
#include "fetch_trial.h"

#include "memory_channel.h"

#define BYTES_MAX 3000u
#define QUEUED 700 /* Per mille. */
#define QUEUED_RC 300

static uint8_t scratch[CONNECTED_MAX + 8];

/* ---- payloads ---------------------------------------------------------- */

static uint32_t message_most(const struct trial *t)
{
	return t->topic ? CONNECTED_MAX : BYTES_MAX;
}

/* Small ones, and now and then one in fragments, or by connections one that is as
 * large as any. */
static size_t bytes_of(const struct trial *t, uint64_t sequence)
{
	struct random_stream random = {sequence * 17 + 3};

	if (t->topic && random_chance(&random, 10))
		return CONNECTED_MAX - random_below(&random, 100);
	return random_below(
		&random, random_chance(&random, 100) ? BYTES_MAX : 200);
}

static void check_bytes(
	struct trial *t, const struct reader *r, const struct msg_view *view)
{
	static uint8_t copy[CONNECTED_MAX + 8];
	size_t bytes = bytes_of(t, view->sequence);

	MUST(t, view->bytes == bytes);
	fill(scratch, bytes, view->sequence);
	MUST(t, msg_subscriber_copy(r->subscriber, view, copy, sizeof copy) >= 0);
	MUST(t, memcmp(copy, scratch, bytes) == 0);
}

/* ---- one trial ---------------------------------------------------------- */

void look(struct trial *t, struct reader *r, const struct msg_view *view)
{
	if (r->expected == UINT64_MAX)
		r->begin = r->expected = view->sequence - view->lost_before;
	MUST(t, view->sequence == r->expected + view->lost_before);
	r->lost += view->lost_before;
	check_bytes(t, r, view);
	r->expected = view->sequence + 1;
}

void take_all(struct trial *t)
{
	struct msg_view views[8];

	for (uint32_t i = 0; i < t->reader_count; i++) {
		struct reader *r = &t->readers[i];
		int n = msg_subscriber_take(r->subscriber, views, 8);

		MUST(t, n >= 0);
		for (int k = 0; k < n; k++)
			look(t, r, &views[k]);
		msg_subscriber_release(r->subscriber, views, n);
	}
	msg_node_progress(t->node);
}

void publish(struct trial *t, uint32_t count)
{
	struct msg_loan loan;

	for (; count > 0; count--) {
		size_t bytes = bytes_of(t, t->sent);

		lend(t, bytes, &loan);
		queue_or_send(
			t, &loan, bytes, t->topic ? QUEUED_RC : QUEUED);
	}
	msg_publisher_flush(t->publisher);
}

struct reader *add_reader(
	struct trial *t, uint32_t history, uint32_t buffers)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct reader *r;

	o.topic = "fetch";
	o.message_bytes_max = message_most(t);
	o.buffer_count = buffers;
	o.history_count = history;
	o.give_up_ms = t->give_up_ms;
	r = subscribe(t, &o);
	r->begin = r->expected = UINT64_MAX;
	return r;
}

void open_trial(struct trial *t, uint64_t seed, enum trial_topic topic,
	size_t history_bytes)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;

	memory_wire_reset(NULL);
	memory_channel_reset(&(struct memory_channel_options){.seed = seed});
	memory_reads = true;
	open_node(t, seed, 20);
	t->topic = topic;
	t->give_up_ms = 30000;
	o.topic = "fetch";
	o.message_bytes_max = message_most(t);
	o.reliability = topic ? MSG_RELIABILITY_RC : MSG_RELIABILITY_RELIABLE;
	o.give_up_ms = topic ? 30000 : 0;
	if (topic == TOPIC_CALLS_FREE)
		o.flow = MSG_FLOW_TAGGED;
	o.history_bytes = history_bytes;
	open_publisher(t, &o);
}

void close_trial(struct trial *t)
{
	memory_channel_options = (struct memory_channel_options){0};
	close_stream(t);
	MUST(t, memory_channel_counts.sets == 0);
	MUST(t, memory_channel_counts.regions == 0);
}

/* ---- what both tests tell ----------------------------------------------- */

void catch_up(struct trial *t, struct reader *r, uint64_t wanted)
{
	uint64_t sent = t->sent;

	while (r->expected == UINT64_MAX)
		take_all(t);
	MUST(t, r->begin == (wanted < sent ? sent - wanted : 0));
	for (int i = 0; i < 50; i++) {
		publish(t, (uint32_t)random_below(&t->random, 20));
		take_all(t);
	}
	settle(t);
	MUST(t, r->lost == 0);
	MUST(t, counted(r, MSG_COUNTER_UNBELIEVED) == 0);
	MUST(t, counted(r, MSG_COUNTER_MALFORMED) == 0);
	MUST(t, memory_channel_counts.strays == 0);
}

void await_fetched(struct trial *t, const struct reader *r)
{
	while (counted(r, MSG_COUNTER_FETCHED) == 0)
		take_all(t);
}

void read_by_several(struct trial *t)
{
	for (uint32_t i = 0; i < READERS_MAX; i++)
		add_reader(t, UINT32_MAX, 0);
	settle(t);
	for (uint32_t i = 0; i < READERS_MAX; i++) {
		MUST(t, t->readers[i].begin == 0 && t->readers[i].lost == 0);
		MUST(t, counted(&t->readers[i], MSG_COUNTER_FETCHED) > 100);
	}
	close_trial(t);
}

void close_while_it_reads(struct trial *t, int turns)
{
	add_reader(t, UINT32_MAX, 0);
	memory_channel_options.later = 900;
	for (int i = 0; i < turns; i++)
		take_all(t);
	close_trial(t);
}

void go_while_it_is_read(struct trial *t)
{
	await_fetched(t, add_reader(t, UINT32_MAX, 0));
	MUST(t, msg_publisher_close(t->publisher) == 0);
	t->publisher = NULL;
	for (int i = 0; i < 1000; i++)
		take_all(t);
	close_trial(t);
}
