/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * caller.c - who calls a publisher, by the engine's end of it over TCP and callers
 * made by hand: those who are not what they say are refused, and nobody speaks for
 * another.  The other end is called.c.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "check_main.h"
#include "end.h"
#include "seat.h"

#include "base/clock.h"
#include "engine/repairer.h"
#include "protocol/greeting.h"

#define TAG 77u
#define INCARNATION 0x1122334455667788ull
#define FRAME 1000u
#define SENT 10u

struct publisher {
	struct msg_link_domain *domain;
	struct msg_session *session;
	struct msg_repairer repairer;
	msg_counter_t counters[MSG_COUNTER_COUNT];
};

/* As large as any, of memory that is there. */
static bool a_frame(
	void *context, uint64_t number, struct msg_repairer_frame *frame)
{
	const struct publisher *p = context;

	*frame = (struct msg_repairer_frame){
		.type = MSG_FRAME_SINGLE,
		.sequence = number,
		.iov = {{p->repairer.region.base,
			FRAME - MSG_FRAME_HEADER_BYTES}},
		.iov_count = 1,
	};
	return true;
}

static bool no_frame(
	void *context, uint64_t number, struct msg_repairer_frame *frame)
{
	(void)context;
	(void)number;
	(void)frame;
	return false;
}

/* A message a frame. */
static uint64_t same(void *context, uint64_t number)
{
	(void)context;
	return number;
}

static uint64_t back(void *context, uint64_t messages)
{
	(void)context;
	return messages < SENT ? SENT - messages : 0;
}

/* Of so many frames, to so many connections: the more of them, the fewer sends each
 * may have under way. */
static void publisher_open_with(struct publisher *p,
	struct msg_repairer_source source, uint32_t sent, uint32_t connections)
{
	struct msg_session_options o = {
		.stream_count = 16,
		.connection_max = connections,
	};
	struct msg_repairer_options options = {
		.source = source,
		.incarnation = INCARNATION,
		.tag = TAG,
		.publisher = (uint32_t)INCARNATION,
		.frame_bytes = FRAME,
		.receive_bytes = FRAME,
		.history = 256,
		.heartbeat_ms = 60000,
		.rtt_ns = MSG_NS_PER_MS,
		.flow = MSG_FLOW_POLICY_MIN,
		.give_up_ns = 10 * MSG_NS_PER_S,
		.counters = p->counters,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";

	memset(p, 0, sizeof *p);
	ck_assert_int_eq(msg_repairer_open(&p->repairer, &options), 0);
	msg_repairer_session_options(&p->repairer, &o);
	o.memory = o.headers;
	o.memory_bytes = o.headers_bytes;
	o.headers = NULL;
	ck_assert_int_eq(domain_open(&p->domain, text), 0);
	ck_assert_msg(msg_session_open(p->domain, &msg_channel_module, &o,
			      &p->session, text) == 0,
		"%s", text);
	ck_assert_int_eq(
		msg_repairer_start_session(&p->repairer, p->session), 0);
	for (uint32_t i = 0; i < sent; i++)
		msg_repairer_sent(&p->repairer, FRAME);
}

static void publisher_open(struct publisher *p)
{
	publisher_open_with(p,
		(struct msg_repairer_source){no_frame, same, back, p}, SENT, 8);
}

static void publisher_close(struct publisher *p)
{
	msg_session_close(p->session);
	msg_repairer_close(&p->repairer);
	domain_close(p->domain);
}

static uint64_t counted(const struct publisher *p, int index)
{
	return msg_counter_get(&p->counters[index]);
}

static struct msg_greeting good(uint64_t receiver)
{
	return (struct msg_greeting){
		.incarnation = INCARNATION,
		.receiver = receiver,
		.sequence = 6,
		.tag = TAG,
		.window = 4,
		.buffer_bytes = FRAME,
	};
}

static uint32_t call_with(struct seat *seat, struct publisher *p,
	const void *said, uint32_t bytes)
{
	const struct msg_reach *reach = &p->repairer.reach;
	uint32_t handle;

	ck_assert_int_eq(msg_session_connect(seat->session, reach->data,
				 reach->bytes, said, bytes, 1, &handle), 0);
	return handle;
}

static uint32_t call(
	struct seat *seat, struct publisher *p, struct msg_greeting greeting)
{
	uint8_t said[MSG_GREETING_BYTES];

	msg_greeting_write(said, &greeting);
	return call_with(seat, p, said, sizeof said);
}

/* The next that the caller is told, while the publisher is turned. */
static struct msg_link_event next(
	struct seat *seat, struct publisher *p, uint32_t type)
{
	uint64_t limit = now_ms() + (uint64_t)patience_ms();

	for (;;) {
		ck_assert_int_ge(msg_repairer_turn(
					 &p->repairer, msg_clock_ns()), 0);
		seat_turn(seat);
		ck_assert_uint_lt(now_ms(), limit);
		if (seat->count == 0)
			continue;
		if (type == MSG_LINK_RECEIVED ||
			seat->told[seat->first].type != MSG_LINK_RECEIVED)
			return seat_await(&seat, 1, seat, type);
		/* Probes go to all, now and then. */
		seat_await(&seat, 1, seat, MSG_LINK_RECEIVED);
	}
}

static void read_frame(struct seat *seat, const struct msg_link_event *e,
	struct msg_frame *frame, struct msg_probe *probe)
{
	const uint8_t *data = seat_slot(seat, e->token);

	ck_assert_int_eq(msg_frame_read(data, e->bytes, frame), MSG_FRAME_OK);
	ck_assert_int_eq(frame->type, MSG_FRAME_PROBE);
	ck_assert(msg_probe_read(probe, frame, data + MSG_FRAME_HEADER_BYTES));
}

/* One that is let in, and is told where it begins. */
static uint32_t let_in(struct seat *seat, struct publisher *p, uint64_t receiver)
{
	uint8_t said[MSG_CHANNEL_GREETING_BYTES_MAX];
	struct msg_link_event event;
	struct msg_welcome welcome;
	struct msg_frame frame;
	struct msg_probe probe;
	uint32_t handle;

	seat_open(seat, false, 2, 10000);
	seat_post(seat, 8);
	handle = call(seat, p, good(receiver));
	event = next(seat, p, MSG_LINK_CONNECTED);
	ck_assert(msg_welcome_read(&welcome, said,
		msg_session_greeting(seat->session, event.handle, said)));
	ck_assert_uint_eq(welcome.incarnation, INCARNATION);
	ck_assert_uint_eq(welcome.tag, TAG);
	event = next(seat, p, MSG_LINK_RECEIVED);
	read_frame(seat, &event, &frame, &probe);
	ck_assert(probe.flags & MSG_PROBE_JOIN);
	ck_assert(probe.flags & MSG_PROBE_FLOW);
	/* The first wanted, and the next of all. */
	ck_assert_uint_eq(probe.first_sequence, 6);
	ck_assert_uint_eq(probe.next, SENT);
	return handle;
}

START_TEST(who_means_another_is_refused)
{
	struct msg_greeting greetings[] = {
		good(1), good(1), good(1), good(0), good(1)};
	struct publisher p;
	struct seat seat;

	greetings[0].tag++;
	greetings[1].incarnation ^= 1ull << 40;
	greetings[2].buffer_bytes--;
	greetings[4].window = 0;
	publisher_open(&p);
	seat_open(&seat, false, 2, 10000);
	for (uint64_t i = 0; i < 5; i++) {
		call(&seat, &p, greetings[i]);
		next(&seat, &p, MSG_LINK_CLOSED);
		ck_assert_uint_eq(
			counted(&p, MSG_COUNTER_CONNECTIONS_REFUSED), i + 1);
	}
	call_with(&seat, &p, "hello", 5);
	next(&seat, &p, MSG_LINK_CLOSED);
	ck_assert_uint_eq(counted(&p, MSG_COUNTER_CONNECTIONS_REFUSED), 6);
	ck_assert_uint_eq(msg_session_counts(p.session)->connected, 0);
	ck_assert_uint_eq(p.repairer.flow.count, 0);
	seat_close(&seat);
	publisher_close(&p);
}
END_TEST

static void report(struct seat *seat, uint32_t handle, uint64_t receiver,
	uint32_t position, uint8_t flags, uint32_t token)
{
	struct msg_report said = {
		.receiver = receiver,
		.heard = SENT,
		.position = position,
		.base = position,
		.window = 100,
		.flags = flags,
		.reach = {.bytes = 1},
	};
	uint32_t bytes = msg_report_write(seat_slot(seat, 300 + token), &said,
		TAG, (uint32_t)INCARNATION);

	ck_assert_int_eq(seat_send(seat->side, seat, handle, 300 + token,
				 bytes, token), 0);
}

static void turn_until(struct publisher *p, struct seat *seat, int index,
	uint64_t count)
{
	uint64_t limit = now_ms() + (uint64_t)patience_ms();

	while (counted(p, index) < count) {
		ck_assert_int_ge(msg_repairer_turn(
					 &p->repairer, msg_clock_ns()), 0);
		seat_turn(seat);
		ck_assert_uint_lt(now_ms(), limit);
	}
}

START_TEST(nobody_reports_for_another)
{
	struct publisher p;
	struct seat a, b;
	uint32_t at_a, at_b;

	publisher_open(&p);
	at_a = let_in(&a, &p, 1);
	at_b = let_in(&b, &p, 2);
	/* Each counts from the start: what he has room for from where he begins. */
	ck_assert_uint_eq(p.repairer.flow.count, 2);
	ck_assert_uint_eq(p.repairer.flow.limit, 6 + 4);
	ck_assert(!msg_repairer_may(&p.repairer, 10));
	report(&b, at_b, 1, SENT, 0, 0);
	report(&b, at_b, 1, 0, MSG_REPORT_LEAVING, 1);
	turn_until(&p, &b, MSG_COUNTER_UNBELIEVED, 2);
	ck_assert_uint_eq(p.repairer.flow.limit, 6 + 4);
	/* His own is believed, and then the other alone limits. */
	report(&b, at_b, 2, SENT, 0, 2);
	turn_until(&p, &b, MSG_COUNTER_REPORTS, 1);
	ck_assert_uint_eq(p.repairer.flow.limit, 6 + 4);
	report(&a, at_a, 1, SENT, 0, 0);
	turn_until(&p, &a, MSG_COUNTER_REPORTS, 2);
	ck_assert_uint_eq(p.repairer.flow.limit, SENT + 100);
	/* Who leaves is hung up on. */
	report(&a, at_a, 1, SENT, MSG_REPORT_LEAVING, 1);
	next(&a, &p, MSG_LINK_CLOSED);
	ck_assert_uint_eq(p.repairer.flow.count, 1);
	ck_assert_uint_eq(msg_session_find(p.session, 1, MSG_SESSION_ALL),
		MSG_SESSION_ALL);
	ck_assert_uint_ne(msg_session_find(p.session, 2, MSG_SESSION_ALL),
		MSG_SESSION_ALL);
	seat_close(&a);
	seat_close(&b);
	publisher_close(&p);
}
END_TEST

START_TEST(who_calls_again_is_one_and_the_same)
{
	struct publisher p;
	struct seat first, second;

	publisher_open(&p);
	let_in(&first, &p, 9);
	let_in(&second, &p, 9);
	next(&first, &p, MSG_LINK_CLOSED);
	ck_assert_uint_eq(p.repairer.flow.count, 1);
	ck_assert_uint_ne(msg_session_find(p.session, 9, MSG_SESSION_ALL),
		MSG_SESSION_ALL);
	seat_close(&first);
	seat_close(&second);
	publisher_close(&p);
}
END_TEST

/* All that is asked for comes, and in order, though it is more than a socket of
 * datagrams would hold, and more than a connection may have under way. */
START_TEST(a_long_report_is_answered_whole)
{
	const uint32_t count = 200;
	struct msg_report said = {
		.receiver = 9,
		.heard = count,
		.count = (uint16_t)count,
		.window = 100,
		.reach = {.bytes = 1},
	};
	struct msg_greeting greeting = good(9);
	struct msg_link_event e;
	uint64_t limit;
	struct publisher p;
	struct seat seat;
	uint32_t handle, had = 0;

	publisher_open_with(&p,
		(struct msg_repairer_source){a_frame, same, back, &p}, count,
		1024);
	ck_assert_uint_lt(msg_session_side(p.session)->send_count, count);
	seat_open(&seat, false, 2, 10000);
	seat_post(&seat, SEAT_SLOTS / 2);
	greeting.sequence = 0;
	handle = call(&seat, &p, greeting);
	next(&seat, &p, MSG_LINK_CONNECTED);
	memset(said.missing, 0xff, count / 8);
	ck_assert_int_eq(seat_send(seat.side, &seat, handle, 300,
				 msg_report_write(seat_slot(&seat, 300), &said,
					 TAG, (uint32_t)INCARNATION), 0), 0);
	limit = now_ms() + (uint64_t)patience_ms();
	while (had < count) {
		struct msg_frame frame;

		ck_assert_int_ge(msg_repairer_turn(
					 &p.repairer, msg_clock_ns()), 0);
		seat_turn(&seat);
		ck_assert_uint_lt(now_ms(), limit);
		if (seat.count == 0)
			continue;
		e = seat_await((struct seat *[]){&seat}, 1, &seat,
			MSG_LINK_RECEIVED);
		ck_assert_int_eq(msg_frame_read(seat_slot(&seat, e.token),
					 e.bytes, &frame),
			MSG_FRAME_OK);
		/* Or a probe. */
		if (frame.type == MSG_FRAME_SINGLE)
			ck_assert_uint_eq(frame.transmission, had++);
	}
	ck_assert_uint_eq(counted(&p, MSG_COUNTER_NAKS), 1);
	ck_assert_uint_eq(counted(&p, MSG_COUNTER_PASSED_OVER), 0);
	seat_close(&seat);
	publisher_close(&p);
}
END_TEST

void add_caller(Suite *suite)
{
	TCase *c = check_case(suite, "caller", 120);

	tcase_add_test(c, who_means_another_is_refused);
	tcase_add_test(c, nobody_reports_for_another);
	tcase_add_test(c, who_calls_again_is_one_and_the_same);
	tcase_add_test(c, a_long_report_is_answered_whole);
}
