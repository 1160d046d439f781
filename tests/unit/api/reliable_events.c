/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reliable_events.c - what happens to a publisher of a reliable topic is told in line.
 */
#include "reliable_trial.h"

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

void add_event_tests(TCase *tc)
{
	tcase_add_test(tc, who_comes_and_goes_is_told_in_line);
	tcase_add_test(tc, who_leaves_soon_after_it_is_found_has_left);
	tcase_add_test(
		tc, who_is_there_is_not_called_silent_for_a_lost_heartbeat);
	tcase_add_test(tc, who_did_not_ask_for_events_sees_none);
}
