/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reliable_flow.c - who holds a publisher of a reliable topic up, and for how long;
 * see protocol/flow.h.
 */
#include "reliable_trial.h"

/* Sends until it is held up; how many. */
static int send_until_held(struct trial *t, int limit)
{
	int n = 0;

	while (n < limit && msg_publish(t->publisher, "12345678", 8) == 0)
		n++;
	t->sent += (uint64_t)n;
	return n;
}

/* One reader says that he is there, and then nothing more: how many messages until
 * his publisher, who gives him up after 300 ms, is held up. */
static int hold_up(struct trial *t, struct msg_publisher_options *publisher,
	const struct msg_subscriber_options *subscriber)
{
	int64_t begin;

	memory_wire_reset(NULL);
	publisher->flow = MSG_FLOW_MIN;
	publisher->give_up_ms = 300;
	open_trial(t, check_seed(), publisher);
	add_reader(t, subscriber);
	publish(t);
	settle(t);
	/* Its report says that it is there. */
	for (begin = now_ns(); now_ns() - begin < 300 * MS;)
		take_all(t);
	return send_until_held(t, 1000);
}

/* How long it is held up. */
static int64_t held_for(struct trial *t)
{
	int64_t begin = now_ns();

	while (send_until_held(t, 1) == 0) {
		virtual_clock_pass(IDLE_NS);
		MUST(t, now_ns() - begin < 5 * S);
	}
	return now_ns() - begin;
}

START_TEST(who_is_slow_holds_up_who_waits_and_is_cut_off)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct trial t;
	int n;

	s.buffer_count = 64;
	n = hold_up(&t, &p, &s);
	MUST(&t, n > 8 && n < 1000);
	MUST(&t, msg_publisher_counter(t.publisher, MSG_COUNTER_HELD_UP) > 0);
	MUST(&t, held_for(&t) > 200 * MS);
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
	int64_t held;
	int n;

	p.history_bytes = 64 << 10;
	p.loan_count_max = 8;
	s.events = 1;
	n = hold_up(&t, &p, &s);
	MUST(&t, n > 8 && n < 200);
	held = held_for(&t);
	MUST(&t, held >= 300 * MS && held < 400 * MS);
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

void add_flow_tests(TCase *tc)
{
	tcase_add_test(tc, who_is_slow_holds_up_who_waits_and_is_cut_off);
	tcase_add_test(tc, who_needs_the_oldest_and_never_answers_is_cut_off);
	tcase_add_test(tc, a_publisher_waits_for_as_many_as_it_was_told);
}
