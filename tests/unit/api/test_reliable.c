/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_reliable.c - reliable topics through the public API: nothing is lost, or what
 * is lost is told, whatever the wire does; see reliable_trial.h.
 *
 * Who is waited for: reliable_flow.c; who comes late: reliable_late.c; events:
 * reliable_events.c.
 */
#include "reliable_trial.h"

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
	add_flow_tests(tc);
	add_late_tests(tc);
	add_event_tests(tc);
	tcase_add_test(tc, who_never_asks_reads_a_reliable_topic_as_any_other);
	tcase_add_test(tc, close_lets_receivers_fetch_what_they_miss);
	return check_main(suite, NULL);
}
