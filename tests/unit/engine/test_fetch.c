/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fetch.c - who comes late reads what was sent before, through the public API,
 * over a wire and connections in memory that are bad by seed; see engine/fetch.h
 * and engine/shelf.h.
 *
 * What was published is known by number, and so are its size and bytes.  A reader
 * sees each message from where it begins, or is told of its loss, in order.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "check_main.h"
#include "engine/fetch.h"
#include "link/module.h"
#include "memory_channel.h"
#include "memory_link.h"

#define S 1000000000ll
#define MS 1000000ll
#define BYTES_MAX 3000u
#define MAX_SENT 12000u
#define READERS_MAX 3

int __wrap_msg_link_module_load(const struct msg_link_domain_ops **ops);
int __wrap_msg_link_module_channels(const struct msg_channel_module **channels);

/* In the place of the fabric module. */
int __wrap_msg_link_module_load(const struct msg_link_domain_ops **ops)
{
	*ops = &memory_link_module;
	return 0;
}

int __wrap_msg_link_module_channels(const struct msg_channel_module **channels)
{
	*channels = &memory_channel_module;
	return 0;
}

struct reader {
	struct msg_subscriber *subscriber;
	uint64_t begin;    /* Its first message, … */
	uint64_t expected; /* … and the next; UINT64_MAX: none came. */
	uint64_t lost;
};

struct trial {
	uint64_t seed;
	struct random_stream random;
	struct msg_node *node;
	struct msg_publisher *publisher;
	uint64_t sent;
	struct reader readers[READERS_MAX];
	uint32_t reader_count;
};

static uint8_t scratch[BYTES_MAX + 8];

#define MUST(trial, condition)                                                 \
	ck_assert_msg(condition, "MSG_TEST_SEED=0x%llx: %s",                   \
		(unsigned long long)(trial)->seed, #condition)

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * S + now.tv_nsec;
}

/* ---- payloads ---------------------------------------------------------- */

/* Small ones, and now and then one in fragments. */
static size_t bytes_of(uint64_t sequence)
{
	struct random_stream random = {sequence * 17 + 3};

	return random_below(
		&random, random_chance(&random, 100) ? BYTES_MAX : 200);
}

static void fill(uint8_t *data, size_t bytes, uint64_t sequence)
{
	struct random_stream random = {sequence * 31 + 7};

	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t word = random_next(&random);

		memcpy(data + i, &word, bytes - i < 8 ? bytes - i : 8);
	}
}

static void check_bytes(
	struct trial *t, const struct reader *r, const struct msg_view *view)
{
	uint8_t copy[BYTES_MAX + 8];
	size_t bytes = bytes_of(view->sequence);

	MUST(t, view->bytes == bytes);
	fill(scratch, bytes, view->sequence);
	MUST(t, msg_subscriber_copy(r->subscriber, view, copy, sizeof copy) >= 0);
	MUST(t, memcmp(copy, scratch, bytes) == 0);
}

/* ---- one trial ---------------------------------------------------------- */

static void look(struct trial *t, struct reader *r, const struct msg_view *view)
{
	if (r->expected == UINT64_MAX)
		r->begin = r->expected = view->sequence - view->lost_before;
	MUST(t, view->sequence == r->expected + view->lost_before);
	r->lost += view->lost_before;
	check_bytes(t, r, view);
	r->expected = view->sequence + 1;
}

static void take_all(struct trial *t)
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

static void publish(struct trial *t, uint32_t count)
{
	int64_t limit = now_ns() + 30 * S;
	struct msg_loan loan;

	for (; count > 0; count--) {
		size_t bytes = bytes_of(t->sent);
		int result;

		while ((result = msg_publisher_loan(t->publisher, bytes,
				&loan)) == -MSG_ERROR_AGAIN) {
			take_all(t);
			MUST(t, now_ns() < limit);
		}
		MUST(t, result == 0);
		fill(loan.data, bytes, t->sent);
		result = random_chance(&t->random, 700)
				 ? msg_publisher_queue(
					   t->publisher, &loan, bytes)
				 : msg_publisher_send(
					   t->publisher, &loan, bytes);
		MUST(t, result == 0);
		t->sent++;
	}
	msg_publisher_flush(t->publisher);
}

/* Until every reader has seen, or been told of, all that was sent. */
static void settle(struct trial *t)
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

static struct reader *add_reader(struct trial *t, uint32_t history)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct reader *r = &t->readers[t->reader_count++];

	o.topic = "fetch";
	o.message_bytes_max = BYTES_MAX;
	o.history_count = history;
	o.give_up_ms = 30000;
	r->begin = r->expected = UINT64_MAX;
	ck_assert_msg(msg_subscriber_open(t->node, &o, &r->subscriber) == 0,
		"%s", msg_error_text());
	return r;
}

static uint64_t counted(const struct reader *r, int index)
{
	return msg_subscriber_counter(r->subscriber, index);
}

static void open_trial(struct trial *t, uint64_t seed, size_t history_bytes)
{
	struct msg_node_options n = MSG_NODE_OPTIONS;
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;

	memory_wire_reset(NULL);
	memory_channel_reset(&(struct memory_channel_options){.seed = seed});
	memory_reads = true;
	memset(t, 0, sizeof *t);
	t->seed = seed;
	t->random.state = seed;
	n.broker = MSG_BROKER_NEVER;
	n.announce_ms = 20;
	ck_assert_int_eq(msg_node_open(&n, &t->node), 0);
	o.topic = "fetch";
	o.message_bytes_max = BYTES_MAX;
	o.reliability = MSG_RELIABILITY_RELIABLE;
	o.history_bytes = history_bytes;
	/* Nobody takes while this thread closes. */
	o.linger_ms = 20;
	ck_assert_msg(msg_publisher_open(t->node, &o, &t->publisher) == 0,
		"%s", msg_error_text());
}

/* All that was borrowed of the system is back. */
static void close_trial(struct trial *t)
{
	memory_wire_reset(NULL);
	for (uint32_t i = 0; i < t->reader_count; i++)
		MUST(t, msg_subscriber_close(t->readers[i].subscriber) == 0);
	MUST(t, msg_publisher_close(t->publisher) == 0);
	MUST(t, msg_node_close(t->node) == 0);
	MUST(t, memory_wire_counts.links == 0);
	MUST(t, memory_channel_counts.sets == 0);
	MUST(t, memory_channel_counts.regions == 0);
}

/* ---- all of it is there --------------------------------------------------- */

#define HISTORY ((size_t)32 << 20)
#define MESSAGES 4000u

static const struct memory_wire_options wires[] = {
	{.lose = 0},
	{.lose = 100},
	{.lose = 50, .repeat = 50, .reorder = 50, .again = 50, .lag = true},
};

static const struct memory_channel_options lines[] = {
	{.refuse = 0},
	{.later = 500},
	{.cut = 5},
	{.refuse = 500, .cut = 20, .later = 700},
	{.refuse = 1000},
};

#define WIRES (sizeof wires / sizeof *wires)
#define LINES (sizeof lines / sizeof *lines)

/* The wire and the lines become bad when the reader is there. */
static void run_late(uint64_t seed, uint32_t wire, uint32_t line)
{
	uint32_t wanted = MESSAGES / 2;
	struct trial t;
	struct reader *r;

	open_trial(&t, seed, HISTORY);
	if (random_chance(&t.random, 500))
		wanted = 1000 + (uint32_t)random_below(&t.random, 2 * MESSAGES);
	publish(&t, MESSAGES);
	r = add_reader(&t, wanted);
	memory_wire_options = wires[wire];
	memory_channel_options = lines[line];
	memory_wire_options.seed = memory_channel_options.seed = seed;
	while (r->expected == UINT64_MAX)
		take_all(&t);
	MUST(&t, r->begin == (wanted < MESSAGES ? MESSAGES - wanted : 0));
	for (int i = 0; i < 50; i++) {
		publish(&t, (uint32_t)random_below(&t.random, 20));
		take_all(&t);
	}
	settle(&t);
	MUST(&t, r->lost == 0);
	MUST(&t, counted(r, MSG_COUNTER_UNBELIEVED) == 0);
	MUST(&t, counted(r, MSG_COUNTER_MALFORMED) == 0);
	if (line == LINES - 1)
		MUST(&t, counted(r, MSG_COUNTER_FETCHED) == 0);
	/* Some were asked for before the connection was there. */
	if (wire == 0 && line == 0)
		MUST(&t, counted(r, MSG_COUNTER_FETCHED) > MSG_FETCH_WORTH);
	MUST(&t, memory_channel_counts.strays == 0);
	close_trial(&t);
}

START_TEST(who_comes_late_has_the_last_and_then_live)
{
	uint64_t seed = check_seed();

	for (uint32_t wire = 0; wire < WIRES; wire++)
		for (uint32_t line = 0; line < LINES; line++)
			for (uint64_t i = 0; i < 2; i++)
				run_late(seed + i, wire, line);
}
END_TEST

/* Few frames are asked for: no connection is made for them. */
START_TEST(for_little_nobody_connects)
{
	struct trial t;

	open_trial(&t, check_seed(), HISTORY);
	publish(&t, 50);
	add_reader(&t, 40);
	settle(&t);
	ck_assert_uint_eq(t.readers[0].begin, 10);
	ck_assert_uint_eq(memory_channel_counts.asked, 0);
	close_trial(&t);
}
END_TEST

START_TEST(several_read_at_the_same_time)
{
	struct trial t;

	open_trial(&t, check_seed(), HISTORY);
	publish(&t, MESSAGES);
	for (uint32_t i = 0; i < READERS_MAX; i++)
		add_reader(&t, UINT32_MAX);
	settle(&t);
	for (uint32_t i = 0; i < READERS_MAX; i++) {
		ck_assert_uint_eq(t.readers[i].begin, 0);
		ck_assert_uint_eq(t.readers[i].lost, 0);
		ck_assert_uint_gt(
			counted(&t.readers[i], MSG_COUNTER_FETCHED), 100);
	}
	close_trial(&t);
}
END_TEST

/* Who falls behind so far that questions would be many reads again. */
START_TEST(a_long_gap_is_read_too)
{
	struct trial t;
	uint64_t before;

	open_trial(&t, check_seed(), HISTORY);
	publish(&t, MESSAGES);
	add_reader(&t, UINT32_MAX);
	settle(&t);
	before = counted(&t.readers[0], MSG_COUNTER_FETCHED);
	memory_wire_options.lose = 1000;
	publish(&t, MESSAGES);
	memory_wire_options.lose = 0;
	settle(&t);
	ck_assert_uint_eq(t.readers[0].lost, 0);
	ck_assert_uint_gt(
		counted(&t.readers[0], MSG_COUNTER_FETCHED), before + 100);
	close_trial(&t);
}
END_TEST

/* ---- what is gone ---------------------------------------------------------- */

/* The publisher writes over what is being read: nobody takes one for the other,
 * and what is lost is told. */
START_TEST(what_moves_on_while_it_is_read_is_lost_and_never_wrong)
{
	uint64_t lost = 0, fetched = 0;

	for (uint64_t i = 0; i < 20; i++) {
		struct trial t;

		open_trial(&t, check_seed() + i, (size_t)8 << 20);
		publish(&t, MESSAGES);
		add_reader(&t, UINT32_MAX);
		while (counted(&t.readers[0], MSG_COUNTER_FETCHED) == 0)
			take_all(&t);
		memory_channel_options.later =
			(unsigned)random_below(&t.random, 950);
		while (t.sent < MAX_SENT) {
			publish(&t, (uint32_t)random_below(&t.random, 100));
			take_all(&t);
		}
		memory_channel_options.later = 0;
		settle(&t);
		lost += t.readers[0].lost;
		fetched += counted(&t.readers[0], MSG_COUNTER_FETCHED);
		close_trial(&t);
	}
	ck_assert_uint_gt(lost, 0);
	ck_assert_uint_gt(fetched, 100);
}
END_TEST

/* Closing in the middle of it gives all back. */
START_TEST(a_reader_may_close_while_it_reads)
{
	for (int turns = 0; turns < 40; turns++) {
		struct trial t;

		open_trial(&t, check_seed(), HISTORY);
		publish(&t, 1500);
		add_reader(&t, UINT32_MAX);
		memory_channel_options.later = 900;
		for (int i = 0; i < turns; i++)
			take_all(&t);
		close_trial(&t);
	}
}
END_TEST

START_TEST(a_publisher_may_go_while_it_is_read)
{
	struct trial t;

	open_trial(&t, check_seed(), HISTORY);
	publish(&t, MESSAGES);
	add_reader(&t, UINT32_MAX);
	while (counted(&t.readers[0], MSG_COUNTER_FETCHED) == 0)
		take_all(&t);
	MUST(&t, msg_publisher_close(t.publisher) == 0);
	t.publisher = NULL;
	for (int i = 0; i < 1000; i++)
		take_all(&t);
	close_trial(&t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fetch");
	TCase *whole = check_case(suite, "whole", 240);
	TCase *gone = check_case(suite, "gone", 240);

	tcase_add_test(whole, who_comes_late_has_the_last_and_then_live);
	tcase_add_test(whole, for_little_nobody_connects);
	tcase_add_test(whole, several_read_at_the_same_time);
	tcase_add_test(whole, a_long_gap_is_read_too);
	tcase_add_test(gone,
		what_moves_on_while_it_is_read_is_lost_and_never_wrong);
	tcase_add_test(gone, a_reader_may_close_while_it_reads);
	tcase_add_test(gone, a_publisher_may_go_while_it_is_read);
	return check_main(suite, NULL);
}
