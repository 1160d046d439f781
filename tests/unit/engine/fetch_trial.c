/* SPDX-License-Identifier: BSD-2-Clause */
/* fetch_trial.c - see fetch_trial.h. */
#include "fetch_trial.h"

#include <string.h>
#include <time.h>

#include "memory_channel.h"
#include "memory_link.h"

#define S 1000000000ll
#define MS 1000000ll
#define BYTES_MAX 3000u
#define QUEUED 700 /* Per mille. */
#define QUEUED_RC 300

static uint8_t scratch[CONNECTED_MAX + 8];

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * S + now.tv_nsec;
}

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

static void fill(uint8_t *data, size_t bytes, uint64_t sequence)
{
	random_fill(data, bytes, sequence * 31 + 7);
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
	int64_t limit = now_ns() + 30 * S;
	struct msg_loan loan;

	for (; count > 0; count--) {
		size_t bytes = bytes_of(t, t->sent);
		int result;

		while ((result = msg_publisher_loan(t->publisher, bytes,
				&loan)) == -MSG_ERROR_AGAIN) {
			take_all(t);
			MUST(t, now_ns() < limit);
		}
		MUST(t, result == 0);
		fill(loan.data, bytes, t->sent);
		result = random_chance(&t->random, t->topic ? QUEUED_RC : QUEUED)
				 ? msg_publisher_queue(
					   t->publisher, &loan, bytes)
				 : msg_publisher_send(
					   t->publisher, &loan, bytes);
		MUST(t, result == 0);
		t->sent++;
	}
	msg_publisher_flush(t->publisher);
}

void settle(struct trial *t)
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

struct reader *add_reader(
	struct trial *t, uint32_t history, uint32_t buffers)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct reader *r = &t->readers[t->reader_count++];

	o.topic = "fetch";
	o.message_bytes_max = message_most(t);
	o.buffer_count = buffers;
	o.history_count = history;
	o.give_up_ms = t->give_up_ms;
	r->begin = r->expected = UINT64_MAX;
	ck_assert_msg(msg_subscriber_open(t->node, &o, &r->subscriber) == 0,
		"%s", msg_error_text());
	return r;
}

uint64_t counted(const struct reader *r, int index)
{
	return msg_subscriber_counter(r->subscriber, index);
}

void open_trial(struct trial *t, uint64_t seed, enum trial_topic topic,
	size_t history_bytes)
{
	struct msg_node_options n = MSG_NODE_OPTIONS;
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;

	memory_wire_reset(NULL);
	memory_channel_reset(&(struct memory_channel_options){.seed = seed});
	memory_reads = true;
	memset(t, 0, sizeof *t);
	t->seed = seed;
	t->topic = topic;
	t->random.state = seed;
	t->give_up_ms = 30000;
	n.broker = MSG_BROKER_NEVER;
	n.announce_ms = 20;
	ck_assert_int_eq(msg_node_open(&n, &t->node), 0);
	o.topic = "fetch";
	o.message_bytes_max = message_most(t);
	o.reliability = topic ? MSG_RELIABILITY_RC : MSG_RELIABILITY_RELIABLE;
	o.give_up_ms = topic ? 30000 : 0;
	if (topic == TOPIC_CALLS_FREE)
		o.flow = MSG_FLOW_TAGGED;
	o.history_bytes = history_bytes;
	/* Nobody takes while this thread closes. */
	o.linger_ms = 20;
	ck_assert_msg(msg_publisher_open(t->node, &o, &t->publisher) == 0,
		"%s", msg_error_text());
}

void close_trial(struct trial *t)
{
	memory_wire_reset(NULL);
	memory_channel_options = (struct memory_channel_options){0};
	for (uint32_t i = 0; i < t->reader_count; i++)
		MUST(t, msg_subscriber_close(t->readers[i].subscriber) == 0);
	MUST(t, msg_publisher_close(t->publisher) == 0);
	MUST(t, msg_node_close(t->node) == 0);
	MUST(t, memory_wire_counts.links == 0);
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
