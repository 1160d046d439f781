/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_wishes.c - what subscribers behind a broker want of a reliable topic of
 * another host: what was sent before they came, to be waited for, and so much
 * patience.
 *
 * The other host is this process, straight on the lane, with a thread that serves
 * its receivers; where frames are to be missing for good, it is a socket that
 * sends them by hand.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "actor.h"
#include "lane.h"

#define TOPIC "wishes.test"
#define PUBLISHER 0x7654321u
#define S_NS 1000000000ull
#define MS_NS 1000000ull

static struct lane lane;
static struct host host;
static struct msg_node *node;  /* On the broker. */
static struct msg_node *other; /* Another host. */

static void setup(void)
{
	lane_choose(&lane, NULL, NULL);
	host_open(&host, NULL);
	host.arguments = lane.arguments;
	host_start(&host);
	ck_assert_msg(host_node(&host, &node) == 0, "%s", msg_error_text());
	other = lane_open_other(&lane);
}

static void teardown(void)
{
	ck_assert_int_eq(msg_node_close(node), 0);
	ck_assert_int_eq(msg_node_close(other), 0);
	host_close(&host);
}

static struct msg_publisher *publish_as(uint32_t flow)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *p;

	o.topic = TOPIC;
	o.reliability = MSG_RELIABILITY_RELIABLE;
	o.flow = flow;
	o.linger_ms = 20;
	ck_assert_msg(msg_publisher_open(other, &o, &p) == 0, "%s",
		msg_error_text());
	return p;
}

static struct msg_subscriber *subscribe(uint32_t history, bool tagged,
	uint32_t give_up_ms, bool events)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;

	o.topic = TOPIC;
	o.history_count = history;
	o.tagged = tagged;
	o.give_up_ms = give_up_ms;
	o.events = events;
	ck_assert_msg(msg_subscriber_open(node, &o, &s) == 0, "%s",
		msg_error_text());
	return s;
}

/* Message `number`; false: not now. */
static bool put(struct msg_publisher *p, uint64_t number, bool queue)
{
	struct msg_loan loan;
	size_t bytes = 8 + 40 * (number % 3);

	if (msg_publisher_loan(p, bytes, &loan) != 0)
		return false;
	memset(loan.data, 0, bytes);
	memcpy(loan.data, &number, sizeof number);
	ck_assert_int_eq((queue ? msg_publisher_queue : msg_publisher_send)(
				 p, &loan, bytes),
		0);
	return true;
}

static void put_all(struct msg_publisher *p, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		AWAIT(10, put(p, i, i % 5 != 0));
	ck_assert_int_eq(msg_publisher_flush(p), 0);
}

/* The next view, given back; false: nothing came within `ns`. */
static bool take(struct msg_subscriber *s, struct msg_view *view, uint64_t ns)
{
	uint64_t end = now_ns() + ns;
	int n;

	while ((n = msg_subscriber_take(s, view, 1)) == 0 && now_ns() < end)
		ck_assert_int_ne(msg_subscriber_wait(s, (int64_t)(S_NS / 50)),
			-MSG_ERROR_FABRIC);
	ck_assert_int_ge(n, 0);
	if (n == 0)
		return false;
	if (view->event == MSG_EVENT_MESSAGE && view->bytes >= 8) {
		uint64_t number;

		memcpy(&number, view->data, sizeof number);
		ck_assert_uint_eq(number, view->sequence);
	}
	msg_subscriber_release(s, view, 1);
	return true;
}

static void expect(struct msg_subscriber *s, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++) {
		struct msg_view view;

		ck_assert(take(s, &view, 5 * S_NS));
		ck_assert_uint_eq(view.event, MSG_EVENT_MESSAGE);
		ck_assert_uint_eq(view.sequence, i);
		ck_assert_uint_eq(view.lost_before, 0);
	}
}

static void nothing_more(struct msg_subscriber *s)
{
	struct msg_view view;

	ck_assert(!take(s, &view, 20 * MS_NS));
}

/* ---- history ------------------------------------------------------------- */

/* Nobody behind the broker followed it so far: the publisher is asked. */
START_TEST(who_is_the_first_gets_what_the_publisher_has)
{
	static const uint32_t counts[] = {1, 30, 100, 1000, UINT32_MAX};
	struct msg_publisher *p = publish_as(MSG_FLOW_NONE);
	uint64_t sent = 300;

	put_all(p, 0, sent);
	for (unsigned i = 0; i < 5; i++) {
		uint64_t first = counts[i] < sent ? sent - counts[i] : 0;
		struct msg_subscriber *s =
			subscribe(counts[i], false, 0, false);

		expect(s, first, sent);
		nothing_more(s);
		put_all(p, sent, sent + 10);
		expect(s, sent, sent + 10);
		sent += 10;
		ck_assert_int_eq(msg_subscriber_close(s), 0);
		/* Its end is heard, and the stream is no more. */
		sleep_us(50000);
	}
	ck_assert_int_eq(msg_publisher_close(p), 0);
}
END_TEST

/* Others follow it: what their ring still has.  It is enough, exact, and nobody
 * else gets anything of it. */
START_TEST(who_comes_later_gets_what_the_ring_has)
{
	static const uint32_t counts[] = {1, 7, 50, 100};
	struct msg_publisher *p = publish_as(MSG_FLOW_NONE);
	struct msg_subscriber *early = subscribe(0, false, 0, false);
	struct msg_subscriber *late[4];
	uint64_t sent = 200;

	/* Where it begins the broker knows when it has heard of it. */
	AWAIT(10, msg_publisher_counter(p, MSG_COUNTER_PROBES) > 0);
	sleep_us(100000);
	put_all(p, 0, sent);
	expect(early, 0, sent);
	for (unsigned i = 0; i < 4; i++) {
		late[i] = subscribe(counts[i], false, 0, false);
		expect(late[i], sent - counts[i], sent);
		nothing_more(late[i]);
		ck_assert_uint_eq(msg_subscriber_counter(late[i],
					  MSG_COUNTER_CAUGHT_UP),
			counts[i]);
	}
	nothing_more(early);
	put_all(p, sent, sent + 100);
	expect(early, sent, sent + 100);
	for (unsigned i = 0; i < 4; i++) {
		expect(late[i], sent, sent + 100);
		ck_assert_int_eq(msg_subscriber_close(late[i]), 0);
	}
	ck_assert_int_eq(msg_subscriber_close(early), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
}
END_TEST

/* At any moment, while it goes on: no seam, and as many as wanted. */
START_TEST(who_comes_in_between_finds_no_seam)
{
	struct random_stream random = {check_seed()};
	struct msg_publisher *p = publish_as(MSG_FLOW_NONE);
	struct msg_subscriber *early = subscribe(0, false, 0, false);
	uint64_t sent = 0, kept = 0;

	sleep_us(100000);
	for (int i = 0; i < 40; i++) {
		uint32_t history = 1 + (uint32_t)random_below(&random, 60);
		uint64_t more = random_below(&random, 100);
		struct msg_subscriber *s;
		struct msg_view view;
		uint64_t first;

		put_all(p, sent, sent + more);
		sent += more;
		s = subscribe(history, false, 0, false);
		put_all(p, sent, sent + 20);
		sent += 20;
		expect(early, kept, sent);
		kept = sent;
		ck_assert(take(s, &view, 5 * S_NS));
		ck_assert_uint_eq(view.lost_before, 0);
		first = view.sequence;
		/* What was on its way then counts as before or behind. */
		ck_assert_uint_le(first, sent - 20);
		ck_assert_uint_ge(first + history + more + 20, sent);
		expect(s, first + 1, sent);
		ck_assert_int_eq(msg_subscriber_close(s), 0);
	}
	ck_assert_int_eq(msg_subscriber_close(early), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
}
END_TEST

/* ---- this host alone ----------------------------------------------------- */

static void setup_alone(void)
{
	host_open(&host, NULL);
	host_start(&host);
	ck_assert_msg(host_node(&host, &node) == 0, "%s", msg_error_text());
	other = node;
}

static void teardown_alone(void)
{
	ck_assert_int_eq(msg_node_close(node), 0);
	host_close(&host);
}

/* Where there is no network a publisher keeps its history itself: as much as was
 * asked for, over many rounds of its ring, whether it makes calls or not. */
START_TEST(a_publisher_of_this_host_has_its_history)
{
	struct random_stream random = {check_seed()};
	struct msg_publisher *p = publish_as(MSG_FLOW_NONE);
	struct msg_subscriber *early = subscribe(0, false, 0, false);
	uint64_t sent = 0, kept = 0;

	for (int i = 0; i < 60; i++) {
		uint32_t history = 1 + (uint32_t)random_below(&random, 200);
		uint64_t more = random_below(&random, 3000);
		uint64_t before;
		struct msg_subscriber *s;

		for (uint64_t k = 0; k < more; k += 100) {
			uint64_t upto = more - k < 100 ? more : k + 100;

			put_all(p, sent + k, sent + upto);
			expect(early, kept, sent + upto);
			kept = sent + upto;
		}
		sent += more;
		before = sent;
		s = subscribe(history, false, 0, false);
		if (i % 2)
			put_all(p, sent, sent + 20), sent += 20;
		expect(s, before > history ? before - history : 0, sent);
		nothing_more(s);
		ck_assert_int_eq(msg_subscriber_close(s), 0);
		expect(early, kept, sent);
		kept = sent;
	}
	ck_assert_uint_eq(msg_subscriber_counter(early, MSG_COUNTER_LOST), 0);
	ck_assert_int_eq(msg_subscriber_close(early), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
}
END_TEST

/* ---- tagged -------------------------------------------------------------- */

/* Messages that leave while the broker stands still, 5,000 at most; and for less
 * time than the publisher waits for anybody. */
static uint64_t put_to_a_stopped_broker(struct msg_publisher *p, uint64_t *next)
{
	uint64_t end = now_ns() + 700 * MS_NS, before = *next;

	ck_assert_int_eq(kill(host.broker, SIGSTOP), 0);
	while (*next - before < 5000 && now_ns() < end)
		if (put(p, *next, false))
			++*next;
	ck_assert_int_eq(kill(host.broker, SIGCONT), 0);
	return *next - before;
}

START_TEST(one_that_is_tagged_is_enough_to_be_waited_for)
{
	struct msg_publisher *p = publish_as(MSG_FLOW_TAGGED);
	struct msg_subscriber *plain = subscribe(0, false, 0, false);
	struct msg_subscriber *tagged;
	uint64_t next = 0, free_run, held, freed;

	put_all(p, next, next + 100);
	next += 100;
	sleep_us(200000);
	free_run = put_to_a_stopped_broker(p, &next);
	sleep_us(200000);
	tagged = subscribe(0, true, 0, false);
	put_all(p, next, next + 100);
	next += 100;
	/* It says so at once, not with its next report. */
	sleep_us(200000);
	held = put_to_a_stopped_broker(p, &next);
	printf("%llu go by one that is not tagged, %llu by one that is\n",
		(unsigned long long)free_run, (unsigned long long)held);
	ck_assert_uint_gt(free_run, 2 * held);
	sleep_us(200000);
	/* And no longer, when it is gone. */
	ck_assert_int_eq(msg_subscriber_close(tagged), 0);
	sleep_us(200000);
	freed = put_to_a_stopped_broker(p, &next);
	printf("and %llu when it is gone\n", (unsigned long long)freed);
	ck_assert_uint_gt(freed, 2 * held + 1000);
	ck_assert_int_eq(msg_subscriber_close(plain), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
}
END_TEST

/* ---- patience ------------------------------------------------------------ */

/* Frame `number`, which is message `number`. */
static void send_frame(uint32_t number)
{
	uint64_t said = number;
	struct msg_frame frame = {
		.type = MSG_FRAME_SINGLE,
		.flags = MSG_FRAME_RELIABLE,
		.publisher = PUBLISHER,
		.transmission = number,
		.sequence = number,
	};

	lane_send(&lane, TOPIC, &frame, &said, sizeof said);
}

/* Frame 1 of three is missing for ever, and more follow: how long until each
 * says so. */
static uint64_t lose_one(struct msg_subscriber *s, uint32_t number)
{
	uint64_t begin, end;
	struct msg_view view;

	send_frame(number);
	ck_assert(take(s, &view, 5 * S_NS));
	ck_assert_uint_eq(view.sequence, number);
	begin = now_ns();
	end = begin + 10 * S_NS;
	for (uint32_t i = number + 2;; i++) {
		/* Its clock runs while the publisher is heard. */
		send_frame(i);
		if (take(s, &view, 10 * MS_NS))
			break;
		ck_assert_uint_lt(now_ns(), end);
	}
	ck_assert_uint_eq(view.lost_before, 1);
	ck_assert_uint_eq(view.sequence, number + 2);
	return now_ns() - begin;
}

/* Everything that is there; the number that comes next. */
static uint32_t drain(struct msg_subscriber *s, uint32_t next)
{
	struct msg_view view;

	while (take(s, &view, 50 * MS_NS))
		next = (uint32_t)view.sequence + 1;
	return next;
}

START_TEST(the_most_patient_one_counts)
{
	struct msg_subscriber *hasty = subscribe(0, false, 100, false);
	struct msg_subscriber *patient;
	uint64_t took[3];
	uint32_t next;

	lane_open_sender(&lane);
	took[0] = lose_one(hasty, 0);
	next = drain(hasty, 0);
	patient = subscribe(0, false, 600, false);
	took[1] = lose_one(hasty, next);
	next = drain(hasty, next);
	drain(patient, 0);
	ck_assert_int_eq(msg_subscriber_close(patient), 0);
	sleep_us(50000);
	took[2] = lose_one(hasty, next);
	printf("given up after %.0f ms, with a patient one %.0f, then %.0f\n",
		(double)took[0] / 1e6, (double)took[1] / 1e6,
		(double)took[2] / 1e6);
	ck_assert_uint_ge(took[0], 95 * MS_NS);
	ck_assert_uint_ge(took[1], 595 * MS_NS);
	ck_assert_uint_ge(took[2], 95 * MS_NS);
	ck_assert_uint_lt(took[0], took[1]);
	ck_assert_uint_lt(took[2], took[1]);
	ck_assert_int_eq(msg_subscriber_close(hasty), 0);
	lane_close_sender(&lane);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wishes");
	TCase *tcase = check_case(suite, "wishes", 60);
	TCase *alone = check_case(suite, "alone", 60);

	tcase_add_checked_fixture(alone, setup_alone, teardown_alone);
	tcase_add_test(alone, a_publisher_of_this_host_has_its_history);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, who_is_the_first_gets_what_the_publisher_has);
	tcase_add_test(tcase, who_comes_later_gets_what_the_ring_has);
	tcase_add_test(tcase, who_comes_in_between_finds_no_seam);
	tcase_add_test(tcase, one_that_is_tagged_is_enough_to_be_waited_for);
	tcase_add_test(tcase, the_most_patient_one_counts);
	return check_main(suite, NULL);
}
