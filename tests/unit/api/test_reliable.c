/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_reliable.c - reliable topics through the public API, over a wire in memory
 * that is bad by seed, by a clock of its own.
 *
 * Every trial draws sizes, batches and faults from its seed.  What was published
 * is known by number: a view's bytes must be those of its number, numbers must
 * follow each other, and what is missing must be told, to the message.
 */
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "check_main.h"
#include "link/module.h"
#include "memory_link.h"
#include "virtual_clock.h"

#define S 1000000000ll
#define MS 1000000ll
#define SUBSCRIBERS_MAX 4
/* What passes when nobody has anything to do, … */
#define IDLE_NS 10000u
/* … and while a message is written. */
#define WRITE_NS 200u

int __wrap_msg_link_module_load(const struct msg_link_domain_ops **ops);

/* In the place of the fabric module. */
int __wrap_msg_link_module_load(const struct msg_link_domain_ops **ops)
{
	*ops = &memory_link_module;
	return 0;
}

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

static uint32_t announce_ms = 20;

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

#define MUST(trial, condition)                                                 \
	ck_assert_msg(condition, "MSG_TEST_SEED=0x%llx: %s",                   \
		(unsigned long long)(trial)->seed, #condition)

static int64_t now_ns(void)
{
	return (int64_t)virtual_clock_ns();
}

/* ---- payloads ---------------------------------------------------------- */

static uint32_t length_of(const struct trial *t, uint64_t sequence)
{
	struct random_stream random = {t->seed ^ sequence * 0x9e37};
	uint64_t kind = random_below(&random, 100);

	if (kind < 70)
		return (uint32_t)random_below(&random, 100);
	if (kind < 97)
		return (uint32_t)random_below(&random, 1000);
	return (uint32_t)random_below(&random, t->message_bytes_max);
}

static void fill(uint8_t *data, uint32_t bytes, uint64_t sequence)
{
	struct random_stream random = {sequence * 31 + 7};

	for (uint32_t i = 0; i < bytes; i += 8) {
		uint64_t word = random_next(&random);

		memcpy(data + i, &word, bytes - i < 8 ? bytes - i : 8);
	}
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

static bool take_some(struct trial *t, struct reader *r)
{
	struct msg_view views[16];
	int n = msg_subscriber_take(r->subscriber, views, 16);

	MUST(t, n >= 0);
	for (int i = 0; i < n; i++)
		look(t, r, &views[i]);
	msg_subscriber_release(r->subscriber, views, n);
	return n > 0;
}

static void take_all(struct trial *t)
{
	bool taken = false;

	for (uint32_t i = 0; i < t->reader_count; i++)
		while (take_some(t, &t->readers[i]))
			taken = true;
	msg_node_progress(t->node);
	if (!taken)
		virtual_clock_pass(IDLE_NS);
}

static void publish(struct trial *t)
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
static void settle(struct trial *t)
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

static struct reader *add_reader(
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

static void open_trial(struct trial *t, uint64_t seed,
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

static void close_trial(struct trial *t)
{
	memory_wire_reset(NULL);
	for (uint32_t i = 0; i < t->reader_count; i++)
		MUST(t, msg_subscriber_close(t->readers[i].subscriber) == 0);
	MUST(t, msg_publisher_close(t->publisher) == 0);
	MUST(t, msg_node_close(t->node) == 0);
	MUST(t, memory_wire_counts.links == 0);
	free(t->scratch);
}

static uint64_t counted(const struct reader *r, int index)
{
	return msg_subscriber_counter(r->subscriber, index);
}

/* ---- nothing is lost ----------------------------------------------------- */

/* What a wire may do, per mille. */
static const struct memory_wire_options wires[] = {
	{.lose = 0},
	{.lose = 1},
	{.lose = 10},
	{.lose = 100},
	{.lose = 300},
	{.repeat = 100},
	{.reorder = 100},
	{.reorder = 100, .lose = 50, .repeat = 50},
	{.lag = true, .lose = 50},
	{.again = 100, .lose = 10},
	{.fail = 30},
	{.refuse = 30},
	{.cut = 30},
	{.lose = 50, .repeat = 50, .reorder = 50, .cut = 20, .again = 50,
		.fail = 10, .refuse = 10, .lag = true},
};
#define WIRES ((int)(sizeof wires / sizeof *wires))

/* Until the publisher has heard of every reader: it waits for those it knows. */
static void meet(struct trial *t)
{
	int64_t limit = now_ns() + 30 * S;
	uint64_t said = 0;
	uint32_t spoke = 0;

	while (spoke < t->reader_count ||
		msg_publisher_counter(t->publisher, MSG_COUNTER_REPORTS) <
			said) {
		take_all(t);
		said = spoke = 0;
		for (uint32_t i = 0; i < t->reader_count; i++) {
			uint64_t reports = counted(
				&t->readers[i], MSG_COUNTER_REPORTS);

			said += reports;
			spoke += reports > 0;
		}
		MUST(t, now_ns() < limit);
	}
}

static void run_lossless(uint64_t seed, int wire, int messages)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct memory_wire_options bad = wires[wire];
	struct trial t;

	memory_wire_reset(NULL);
	p.flow = MSG_FLOW_MIN;
	p.give_up_ms = 30000;
	s.give_up_ms = 30000;
	/* Who is waited for loses nothing, however short the history is. */
	if (seed % 3 == 0)
		p.history_bytes = 64u << 10;
	if (seed % 2 == 0)
		p.loan_count_max = 2;
	open_trial(&t, seed, &p);
	for (uint32_t i = 0; i < 1 + seed % SUBSCRIBERS_MAX; i++) {
		s.buffer_count = 64u << random_below(&t.random, 4);
		add_reader(&t, &s);
	}
	/* Before it becomes bad, or who has heard nothing yet would begin
	 * later. */
	publish(&t);
	settle(&t);
	meet(&t);
	bad.seed = seed;
	memory_wire_reset(&bad);
	while (t.sent < (uint64_t)messages) {
		publish(&t);
		if (random_chance(&t.random, 200))
			take_some(&t, &t.readers[random_below(
					      &t.random, t.reader_count)]);
	}
	settle(&t);
	for (uint32_t i = 0; i < t.reader_count; i++) {
		MUST(&t, t.readers[i].taken == (uint64_t)messages);
		MUST(&t, counted(&t.readers[i], MSG_COUNTER_LOST) == 0);
	}
	MUST(&t, bad.lose < 10 || memory_wire_counts.lost > 0);
	MUST(&t, bad.lose < 100 || msg_publisher_counter(t.publisher,
					   MSG_COUNTER_REPAIRS) > 0);
	close_trial(&t);
}

START_TEST(all_arrives_in_order_whatever_the_wire_does)
{
	for (int i = 0; i < 2 + 10 / MSG_TEST_FEWER; i++)
		run_lossless(check_seed() + (uint64_t)i, _i, 3000);
}
END_TEST

/* ---- what is lost is told ------------------------------------------------ */

/* A history of few frames, a reader that sleeps, and nobody who waits. */
static void run_lossy(uint64_t seed, bool events)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct memory_wire_options bad = {.seed = seed, .lose = 200};
	struct reader *r;
	struct trial t;

	memory_wire_reset(NULL);
	p.history_bytes = 64u << 10;
	p.loan_count_max = 4;
	s.buffer_count = 32;
	s.events = events;
	open_trial(&t, seed, &p);
	r = add_reader(&t, &s);
	publish(&t);
	settle(&t);
	memory_wire_reset(&bad);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 200; i++)
			publish(&t);
		settle(&t);
		MUST(&t, r->taken + r->lost == t.sent);
		MUST(&t, r->lost == counted(r, MSG_COUNTER_LOST));
	}
	MUST(&t, r->lost > 0);
	MUST(&t, r->lost == counted(r, MSG_COUNTER_GONE) +
				    counted(r, MSG_COUNTER_GIVEN_UP) +
				    counted(r, MSG_COUNTER_TOO_LARGE));
	MUST(&t, counted(r, MSG_COUNTER_GONE) > 0);
	MUST(&t, counted(r, MSG_COUNTER_MESSAGES) == r->taken);
	MUST(&t, events == (r->events[MSG_EVENT_LOST] > 0));
	MUST(&t, r->events[MSG_EVENT_JOINED] == events);
	close_trial(&t);
}

START_TEST(what_the_history_no_longer_has_is_told_to_the_message)
{
	for (int i = 0; i < 10; i++)
		run_lossy(check_seed() + (uint64_t)i, i % 2);
}
END_TEST

START_TEST(a_publisher_that_waits_for_nobody_is_not_held_up)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct trial t;

	memory_wire_reset(NULL);
	open_trial(&t, check_seed(), &p);
	add_reader(&t, &s);
	publish(&t);
	settle(&t);
	/* Nobody takes. */
	for (int i = 0; i < 20000; i++) {
		MUST(&t, msg_publish(t.publisher, "x", 1) == 0);
		msg_node_progress(t.node);
	}
	MUST(&t, msg_publisher_counter(t.publisher, MSG_COUNTER_HELD_UP) == 0);
	close_trial(&t);
}
END_TEST

/* ---- flow control --------------------------------------------------------- */

/* Sends until it is held up; how many. */
static int send_until_held(struct trial *t, int limit)
{
	int n = 0;

	while (n < limit && msg_publish(t->publisher, "12345678", 8) == 0)
		n++;
	t->sent += (uint64_t)n;
	return n;
}

START_TEST(who_is_slow_holds_up_who_waits_and_is_cut_off)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct trial t;
	int64_t begin;
	int n;

	memory_wire_reset(NULL);
	p.flow = MSG_FLOW_MIN;
	p.give_up_ms = 300;
	s.buffer_count = 64;
	open_trial(&t, check_seed(), &p);
	add_reader(&t, &s);
	publish(&t);
	settle(&t);
	/* Its report says that it is there. */
	for (begin = now_ns(); now_ns() - begin < 300 * MS;)
		take_all(&t);
	n = send_until_held(&t, 1000);
	MUST(&t, n > 8 && n < 1000);
	MUST(&t, msg_publisher_counter(t.publisher, MSG_COUNTER_HELD_UP) > 0);
	begin = now_ns();
	while (send_until_held(&t, 1) == 0) {
		virtual_clock_pass(IDLE_NS);
		MUST(&t, now_ns() - begin < 5 * S);
	}
	MUST(&t, now_ns() - begin > 200 * MS);
	MUST(&t, msg_publisher_counter(t.publisher, MSG_COUNTER_CUT_OFF) == 1);
	MUST(&t, send_until_held(&t, 1000) == 1000);
	close_trial(&t);
}
END_TEST

/* Take until a loss is told, whatever the messages are; its reason. */
static uint32_t told_lost(struct trial *t, struct reader *r)
{
	int64_t begin = now_ns();
	struct msg_view view;

	for (;;) {
		int n = msg_subscriber_take(r->subscriber, &view, 1);

		MUST(t, n >= 0 && now_ns() - begin < 5 * S);
		if (n == 1)
			msg_subscriber_release(r->subscriber, &view, 1);
		if (n == 1 && view.event == MSG_EVENT_LOST)
			return view.reason;
		msg_node_progress(t->node);
		virtual_clock_pass(IDLE_NS);
	}
}

/* He has room for more than the history has: his window holds nobody up, but that
 * he has nothing of it. */
START_TEST(who_needs_the_oldest_and_never_answers_is_cut_off)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct trial t;
	int64_t begin;
	int n;

	memory_wire_reset(NULL);
	p.flow = MSG_FLOW_MIN;
	p.give_up_ms = 300;
	p.history_bytes = 64 << 10;
	p.loan_count_max = 8;
	s.events = 1;
	open_trial(&t, check_seed(), &p);
	add_reader(&t, &s);
	publish(&t);
	settle(&t);
	for (begin = now_ns(); now_ns() - begin < 300 * MS;)
		take_all(&t);
	n = send_until_held(&t, 1000);
	MUST(&t, n > 8 && n < 200);
	begin = now_ns();
	while (send_until_held(&t, 1) == 0) {
		virtual_clock_pass(IDLE_NS);
		MUST(&t, now_ns() - begin < 5 * S);
	}
	MUST(&t, now_ns() - begin >= 300 * MS);
	MUST(&t, now_ns() - begin < 400 * MS);
	MUST(&t, msg_publisher_counter(t.publisher, MSG_COUNTER_CUT_OFF) == 1);
	/* Nobody is waited for any more. */
	MUST(&t, send_until_held(&t, 1000) == 1000);
	/* He is told when he looks. */
	MUST(&t, told_lost(&t, &t.readers[0]) == MSG_LOSS_HISTORY);
	close_trial(&t);
}
END_TEST

START_TEST(a_publisher_waits_for_as_many_as_it_was_told)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct trial t;
	int64_t begin;

	memory_wire_reset(NULL);
	p.flow = MSG_FLOW_K_OF_N;
	p.flow_count = 2;
	open_trial(&t, check_seed(), &p);
	add_reader(&t, &s);
	for (begin = now_ns(); now_ns() - begin < 300 * MS;)
		take_all(&t);
	MUST(&t, send_until_held(&t, 1) == 0);
	add_reader(&t, &s);
	begin = now_ns();
	while (send_until_held(&t, 1) == 0) {
		take_all(&t);
		MUST(&t, now_ns() - begin < 5 * S);
	}
	close_trial(&t);
}
END_TEST

/* ---- who comes late -------------------------------------------------------- */

/* What is queued is not sent, and no history yet. */
static void flush(struct trial *t)
{
	while (msg_publisher_flush(t->publisher) == -MSG_ERROR_AGAIN)
		msg_node_progress(t->node);
}

static void run_late(uint64_t seed)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct memory_wire_options bad = {.seed = seed, .lose = 50};
	struct reader *r;
	struct trial t;
	uint64_t sent, wanted;

	memory_wire_reset(NULL);
	s.give_up_ms = 30000;
	open_trial(&t, seed, &p);
	sent = 1 + random_below(&t.random, 400);
	while (t.sent < sent)
		publish(&t);
	flush(&t);
	memory_wire_reset(&bad);
	wanted = 1 + random_below(&t.random, 500);
	s.history_count = random_chance(&t.random, 200) ? UINT32_MAX
							: (uint32_t)wanted;
	r = add_reader(&t, &s);
	/* It asks, and is answered, while nothing is sent. */
	while (!r->begun || r->expected < t.sent)
		settle(&t);
	if (s.history_count == UINT32_MAX || wanted > sent)
		wanted = sent;
	MUST(&t, r->taken == wanted);
	MUST(&t, counted(r, MSG_COUNTER_CAUGHT_UP) == wanted);
	while (t.sent < sent + 300)
		publish(&t);
	settle(&t);
	MUST(&t, r->taken == wanted + 300);
	MUST(&t, r->lost == 0);
	close_trial(&t);
}

START_TEST(a_late_reader_gets_exactly_the_last_it_asked_for)
{
	for (int i = 0; i < 400 / MSG_TEST_FEWER; i++)
		run_late(check_seed() + (uint64_t)i);
}
END_TEST

/* While the publisher goes on: no seam between what was and what comes. */
START_TEST(a_late_reader_sees_no_seam)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;

	p.history_bytes = (size_t)16 << 20; /* All of it. */
	s.give_up_ms = 30000;
	s.history_count = 50;
	for (int i = 0; i < 200 / MSG_TEST_FEWER; i++) {
		struct memory_wire_options bad = {
			.seed = check_seed() + (uint64_t)i, .lose = 50};
		struct trial t;
		struct reader *r;

		memory_wire_reset(NULL);
		open_trial(&t, bad.seed, &p);
		while (t.sent < 300)
			publish(&t);
		flush(&t);
		memory_wire_reset(&bad);
		r = add_reader(&t, &s);
		while (t.sent < 900) {
			publish(&t);
			take_all(&t);
		}
		settle(&t);
		MUST(&t, r->lost == 0);
		MUST(&t, r->taken >= 50);
		MUST(&t, r->expected - r->taken >= 300 - 50);
		close_trial(&t);
	}
}
END_TEST

/* Who learns of a topic by its announcement asks at once: of the heartbeats, ten
 * between two announcements, it needs none. */
START_TEST(an_announcement_says_whom_to_ask)
{
	uint64_t probes = 0;

	announce_ms = 1000;
	for (int i = 0; i < 10; i++) {
		struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
		struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
		struct reader *r;
		struct trial t;

		memory_wire_reset(NULL);
		open_trial(&t, check_seed() + (uint64_t)i, &p);
		while (t.sent < 100)
			publish(&t);
		flush(&t);
		s.topic = ">";
		s.history_count = 30;
		r = add_reader(&t, &s);
		while (!r->begun)
			take_all(&t);
		probes += counted(r, MSG_COUNTER_PROBES);
		settle(&t);
		MUST(&t, r->taken == 30 && r->lost == 0);
		close_trial(&t);
	}
	/* The answers, and at most one that came just then. */
	ck_assert_uint_le(probes, 11);
}
END_TEST

/* ---- events ---------------------------------------------------------------- */

static void wait_for(struct trial *t, struct reader *r, enum msg_event event,
	uint64_t times)
{
	int64_t limit = now_ns() + 10 * S;

	while (r->events[event] < times) {
		take_all(t);
		ck_assert_msg(now_ns() < limit, "event %d came %llu times",
			(int)event, (unsigned long long)r->events[event]);
	}
	MUST(t, r->events[event] == times);
}

static void restart(struct trial *t)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;

	p.topic = "reliable";
	p.reliability = MSG_RELIABILITY_RELIABLE;
	p.message_bytes_max = t->message_bytes_max;
	MUST(t, msg_publisher_close(t->publisher) == 0);
	MUST(t, msg_publisher_open(t->node, &p, &t->publisher) == 0);
	t->sent = 0;
	t->readers[0].begun = false;
}

START_TEST(who_comes_and_goes_is_told_in_line)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct reader *r;
	struct trial t;
	int64_t begin;

	memory_wire_reset(NULL);
	s.events = 1;
	open_trial(&t, check_seed(), &p);
	r = add_reader(&t, &s);
	for (int i = 0; i < 100; i++)
		publish(&t);
	settle(&t);
	MUST(&t, r->events[MSG_EVENT_JOINED] == 1);
	restart(&t);
	/* What is queued waits for more; by some seeds all ten are. */
	for (int i = 0; i < 10; i++)
		publish(&t);
	flush(&t);
	wait_for(&t, r, MSG_EVENT_LEFT, 1);
	wait_for(&t, r, MSG_EVENT_JOINED, 2);
	wait_for(&t, r, MSG_EVENT_RESTARTED, 1);
	settle(&t);
	MUST(&t, r->taken == 110);
	/* It hangs: nothing is heard of it.  Three heartbeats, of 20 ms, and what
	 * the clock that is read for it is late. */
	begin = now_ns();
	while (r->events[MSG_EVENT_SILENT] == 0) {
		take_some(&t, r);
		virtual_clock_pass(IDLE_NS);
		MUST(&t, now_ns() - begin < 65 * MS);
	}
	publish(&t);
	settle(&t);
	MUST(&t, r->events[MSG_EVENT_JOINED] == 3);
	MUST(&t, r->events[MSG_EVENT_LOST] == 0);
	close_trial(&t);
}
END_TEST

/* A pattern finds it, and before the reader looks again it has sent one message and
 * is gone: all of that may be read in one turn. */
START_TEST(who_leaves_soon_after_it_is_found_has_left)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct msg_publisher *brief;
	struct msg_loan loan;
	struct reader *r;
	struct trial t;

	memory_wire_reset(NULL);
	s.events = 1;
	s.topic = "brief.*";
	open_trial(&t, check_seed(), &p);
	r = add_reader(&t, &s);
	p.topic = "brief.one";
	p.message_bytes_max = t.message_bytes_max;
	MUST(&t, msg_publisher_open(t.node, &p, &brief) == 0);
	MUST(&t, !take_some(&t, r));
	MUST(&t, msg_publisher_loan(brief, length_of(&t, 0), &loan) == 0);
	fill(loan.data, length_of(&t, 0), 0);
	MUST(&t, msg_publisher_send(brief, &loan, length_of(&t, 0)) == 0);
	MUST(&t, msg_publisher_close(brief) == 0);
	wait_for(&t, r, MSG_EVENT_LEFT, 1);
	MUST(&t, r->taken == 1 && r->lost == 0);
	MUST(&t, r->events[MSG_EVENT_JOINED] == 1);
	MUST(&t, r->events[MSG_EVENT_SILENT] == 0);
	close_trial(&t);
}
END_TEST

/* Of five heartbeats one is lost, and of the questions and answers that follow when
 * two were, too.  This wire loses three in a row: without asking it fails. */
START_TEST(who_is_there_is_not_called_silent_for_a_lost_heartbeat)
{
	const struct memory_wire_options lossy = {.seed = 1, .lose = 200};
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct trial t;
	int64_t begin;

	memory_wire_reset(NULL);
	s.events = 1;
	/* These count as being heard, too. */
	announce_ms = 5000;
	open_trial(&t, 1, &p);
	add_reader(&t, &s);
	publish(&t);
	settle(&t);
	memory_wire_reset(&lossy);
	for (begin = now_ns(); now_ns() - begin < 20 * S;)
		take_all(&t);
	MUST(&t, t.readers[0].events[MSG_EVENT_JOINED] == 1);
	MUST(&t, t.readers[0].events[MSG_EVENT_SILENT] == 0);
	close_trial(&t);
}
END_TEST

START_TEST(who_did_not_ask_for_events_sees_none)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct reader *r;
	struct trial t;

	memory_wire_reset(NULL);
	open_trial(&t, check_seed(), &p);
	r = add_reader(&t, &s);
	for (int i = 0; i < 100; i++)
		publish(&t);
	settle(&t);
	restart(&t);
	for (int i = 0; i < 10; i++)
		publish(&t);
	settle(&t);
	MUST(&t, r->taken == 110);
	for (int event = MSG_EVENT_LOST; event <= MSG_EVENT_EVICTED; event++)
		MUST(&t, r->events[event] == 0);
	close_trial(&t);
}
END_TEST

/* ---- others ---------------------------------------------------------------- */

START_TEST(who_never_asks_reads_a_reliable_topic_as_any_other)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct memory_wire_options bad = {.seed = check_seed(), .lose = 100};
	struct reader *asks, *never;
	struct trial t;

	memory_wire_reset(NULL);
	p.flow = MSG_FLOW_MIN;
	open_trial(&t, check_seed(), &p);
	asks = add_reader(&t, &s);
	s.reliability = MSG_RELIABILITY_BEST_EFFORT;
	never = add_reader(&t, &s);
	publish(&t);
	settle(&t);
	/* Who has not reported yet is waited for by nobody. */
	for (int64_t limit = now_ns() + 30 * S;
		msg_publisher_counter(t.publisher, MSG_COUNTER_REPORTS) == 0;
		take_all(&t))
		MUST(&t, now_ns() < limit);
	memory_wire_reset(&bad);
	while (t.sent < 2000)
		publish(&t);
	memory_wire_reset(NULL);
	/* The last one, which finds room, shows what is missing. */
	take_all(&t);
	publish(&t);
	settle(&t);
	MUST(&t, asks->taken == t.sent && asks->lost == 0);
	MUST(&t, never->taken + never->lost == t.sent && never->lost > 0);
	MUST(&t, counted(never, MSG_COUNTER_REPORTS) == 0);
	close_trial(&t);
}
END_TEST

/* Close waits for those who miss the last messages. */
START_TEST(close_lets_receivers_fetch_what_they_miss)
{
	for (int i = 0; i < 5; i++) {
		struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
		struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
		struct trial t;

		memory_wire_reset(NULL);
		p.linger_ms = 50;
		open_trial(&t, check_seed() + (uint64_t)i, &p);
		add_reader(&t, &s);
		publish(&t);
		settle(&t);
		/* Nobody takes meanwhile: it ends in its time. */
		for (int k = 0; k < 100; k++)
			publish(&t);
		{
			int64_t begin = now_ns();

			MUST(&t, msg_publisher_close(t.publisher) == 0);
			MUST(&t, now_ns() - begin < 1 * S);
			t.publisher = NULL;
		}
		close_trial(&t);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reliable");
	TCase *tc = check_case(suite, "reliable", 120);

	tcase_add_loop_test(tc, all_arrives_in_order_whatever_the_wire_does, 0,
		WIRES);
	tcase_add_test(
		tc, what_the_history_no_longer_has_is_told_to_the_message);
	tcase_add_test(tc, a_publisher_that_waits_for_nobody_is_not_held_up);
	tcase_add_test(tc, who_is_slow_holds_up_who_waits_and_is_cut_off);
	tcase_add_test(tc, who_needs_the_oldest_and_never_answers_is_cut_off);
	tcase_add_test(tc, a_publisher_waits_for_as_many_as_it_was_told);
	tcase_add_test(tc, a_late_reader_gets_exactly_the_last_it_asked_for);
	tcase_add_test(tc, a_late_reader_sees_no_seam);
	tcase_add_test(tc, an_announcement_says_whom_to_ask);
	tcase_add_test(tc, who_comes_and_goes_is_told_in_line);
	tcase_add_test(tc, who_leaves_soon_after_it_is_found_has_left);
	tcase_add_test(
		tc, who_is_there_is_not_called_silent_for_a_lost_heartbeat);
	tcase_add_test(tc, who_did_not_ask_for_events_sees_none);
	tcase_add_test(
		tc, who_never_asks_reads_a_reliable_topic_as_any_other);
	tcase_add_test(tc, close_lets_receivers_fetch_what_they_miss);
	return check_main(suite, NULL);
}
