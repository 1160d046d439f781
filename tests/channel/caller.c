/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * caller.c - who is connected to whom, by the engine's two ends over TCP: those
 * who are not what they say are refused, and nobody speaks for another.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "check_main.h"
#include "end.h"
#include "seat.h"

#include "base/clock.h"
#include "engine/direct.h"
#include "engine/receive_internal.h"
#include "engine/repairer.h"
#include "protocol/greeting.h"

#define TAG 77u
#define INCARNATION 0x1122334455667788ull
#define FRAME 1000u
#define SENT 10u

/* ---- a publisher, and callers made by hand ------------------------------- */

struct publisher {
	struct msg_link_domain *domain;
	struct msg_session *session;
	struct msg_repairer repairer;
	msg_counter_t counters[MSG_COUNTER_COUNT];
};

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

static void publisher_open(struct publisher *p)
{
	struct msg_session_options o = {
		.stream_count = 16,
		.connection_max = 8,
	};
	struct msg_repairer_options options = {
		.source = {no_frame, same, back, p},
		.incarnation = INCARNATION,
		.tag = TAG,
		.publisher = (uint32_t)INCARNATION,
		.frame_bytes = FRAME,
		.receive_bytes = FRAME,
		.history = 64,
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
	for (uint32_t i = 0; i < SENT; i++)
		msg_repairer_sent(&p->repairer, FRAME);
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

/* ---- a receiver, and publishers made by hand ----------------------------- */

struct receiver {
	struct msg_link_domain *domain;
	struct msg_session *session;
	struct msg_direct direct;
	struct msg_link side; /* Nothing comes there. */
};

static int open_session(void *context)
{
	struct receiver *r = context;
	struct msg_session_options o;
	char text[MSG_LINK_TEXT_BYTES] = "";

	ck_assert_int_eq(
		msg_receiver_session_options(&r->direct.receiver, &o), 0);
	ck_assert_msg(msg_session_open(r->domain, &msg_channel_module, &o,
			      &r->session, text) == 0,
		"%s", text);
	return msg_receiver_start_session(&r->direct.receiver, r->session);
}

/* With buffers of `bytes`. */
static void receiver_open(struct receiver *r, uint32_t bytes)
{
	struct msg_receive_options options = {
		.frame_bytes = FRAME,
		.buffer_count = 64,
		.message_bytes_max = 100000,
		.publisher_count_max = 8,
		.topic_count_max = 1,
		.reliable = true,
		.give_up_ns = MSG_NS_PER_S,
		.name = 5,
		.connected_count = 32,
		.connected_bytes = bytes,
		.connect = open_session,
		.connect_context = r,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";

	memset(r, 0, sizeof *r);
	ck_assert_int_eq(domain_open(&r->domain, text), 0);
	ck_assert_int_eq(msg_direct_open(&r->direct, &options), 0);
	r->direct.receiver.side.link = &r->side;
	ck_assert(msg_receiver_accept(&r->direct.receiver, TAG, 0));
}

static void receiver_close(struct receiver *r)
{
	msg_session_close(r->session);
	msg_direct_close(&r->direct);
	domain_close(r->domain);
}

static uint64_t seen(const struct receiver *r, int index)
{
	return msg_counter_get(&r->direct.receiver.counters[index]);
}

/* It was announced that publisher `id` is had at `seat`. */
static void announce(struct receiver *r, struct seat *seat, uint32_t id)
{
	struct msg_receive_offer offer = {
		.incarnation = (uint64_t)id << 32 | id};
	struct msg_frame frame = {
		.type = MSG_FRAME_ANNOUNCE, .tag = TAG, .publisher = id};
	int bytes = seat->side->ops->name(seat->side, offer.reach.data);

	offer.reach.bytes = (uint8_t)bytes;
	ck_assert_int_eq(
		msg_receiver_offered(&r->direct.receiver, &frame, &offer), 0);
}

/* Turn both until the seat is told something. */
static struct msg_link_event told(
	struct receiver *r, struct seat *seat, uint32_t type)
{
	uint64_t limit = now_ms() + (uint64_t)patience_ms();

	while (seat->count == 0) {
		r->direct.receiver.now = 0;
		ck_assert_int_ge(caller_turn(&r->direct.receiver), 0);
		seat_turn(seat);
		ck_assert_uint_lt(now_ms(), limit);
	}
	return seat_await(&seat, 1, seat, type);
}

static uint32_t welcome(
	struct receiver *r, struct seat *seat, uint64_t incarnation, bool good)
{
	struct msg_welcome welcome = {incarnation, TAG};
	uint8_t said[MSG_CHANNEL_GREETING_BYTES_MAX];
	uint32_t handle = told(r, seat, MSG_LINK_ASKED).handle;
	struct msg_greeting greeting;

	ck_assert(msg_greeting_read(&greeting, said,
		msg_session_greeting(seat->session, handle, said)));
	ck_assert_uint_eq(greeting.receiver, 5);
	ck_assert_uint_eq(greeting.window, 32);
	ck_assert_uint_eq(greeting.buffer_bytes,
		r->direct.receiver.options.connected_bytes);
	if (!good)
		welcome.incarnation ^= 1;
	msg_welcome_write(said, &welcome);
	ck_assert_int_eq(msg_session_accept(seat->session, handle, said,
				 MSG_WELCOME_BYTES, 1), 0);
	told(r, seat, MSG_LINK_CONNECTED);
	return handle;
}

/* A reliable frame with one message of `bytes`, in the name of `id`. */
static void say_message(struct seat *seat, uint32_t handle, uint32_t id,
	uint32_t number, uint32_t token, uint32_t bytes)
{
	uint8_t *data = seat_slot(seat, 300 + token);
	struct msg_frame frame = {
		.type = MSG_FRAME_SINGLE,
		.flags = MSG_FRAME_RELIABLE,
		.bytes = MSG_FRAME_HEADER_BYTES + bytes,
		.tag = TAG,
		.publisher = id,
		.transmission = number,
		.sequence = number,
	};

	msg_frame_write(data, &frame);
	memset(data + MSG_FRAME_HEADER_BYTES, (int)id, bytes);
	ck_assert_int_eq(seat_send(seat->side, seat, handle, 300 + token,
				 frame.bytes, token), 0);
}

static void say_frame(struct seat *seat, uint32_t handle, uint32_t id,
	uint32_t number, uint32_t token)
{
	say_message(seat, handle, id, number, token, 8);
}

static void say_begin(struct seat *seat, uint32_t handle, uint32_t id,
	uint32_t token)
{
	struct msg_probe probe = {
		.incarnation = (uint64_t)id << 32 | id,
		.stamp = 1,
		.period_ms = 100,
		.flags = MSG_PROBE_JOIN,
		.reach = {.bytes = 1},
	};
	uint32_t bytes =
		msg_probe_write(seat_slot(seat, 300 + token), &probe, TAG, id);

	ck_assert_int_eq(seat_send(seat->side, seat, handle, 300 + token,
				 bytes, token), 0);
}

static struct msg_view taken(struct receiver *r, struct seat *seat)
{
	uint64_t limit = now_ms() + (uint64_t)patience_ms();
	struct msg_view view;

	while (msg_inbox_take(&r->direct.inbox, &view, 1) == 0) {
		r->direct.receiver.now = 0;
		ck_assert_int_ge(caller_turn(&r->direct.receiver), 0);
		seat_turn(seat);
		ck_assert_uint_lt(now_ms(), limit);
	}
	return view;
}

START_TEST(another_than_was_called_is_hung_up_on)
{
	struct receiver r;
	struct seat hub;

	receiver_open(&r, 4000);
	seat_open(&hub, true, 4, 10000);
	announce(&r, &hub, 3);
	welcome(&r, &hub, 3ull << 32 | 3, false);
	told(&r, &hub, MSG_LINK_CLOSED);
	ck_assert_uint_eq(seen(&r, MSG_COUNTER_UNBELIEVED), 1);
	seat_close(&hub);
	receiver_close(&r);
}
END_TEST

START_TEST(nobody_publishes_for_another)
{
	struct receiver r;
	struct seat x, y;
	uint32_t at_x, at_y;
	struct msg_view view;
	uint64_t limit = now_ms() + (uint64_t)patience_ms();

	receiver_open(&r, 4000);
	seat_open(&x, true, 4, 10000);
	seat_open(&y, true, 4, 10000);
	seat_post(&x, 16);
	seat_post(&y, 16);
	announce(&r, &x, 3);
	at_x = welcome(&r, &x, 3ull << 32 | 3, true);
	announce(&r, &y, 4);
	at_y = welcome(&r, &y, 4ull << 32 | 4, true);
	say_begin(&x, at_x, 3, 0);
	/* In another's name, and in that of one nobody announced. */
	say_frame(&y, at_y, 3, 0, 0);
	say_begin(&y, at_y, 3, 1);
	say_frame(&y, at_y, 6, 0, 2);
	while (seen(&r, MSG_COUNTER_UNBELIEVED) < 3) {
		r.direct.receiver.now = 0;
		ck_assert_int_ge(caller_turn(&r.direct.receiver), 0);
		seat_turn(&x);
		seat_turn(&y);
		ck_assert_uint_lt(now_ms(), limit);
	}
	ck_assert_int_eq(msg_inbox_take(&r.direct.inbox, &view, 1), 0);
	/* His own is. */
	say_frame(&x, at_x, 3, 0, 1);
	view = taken(&r, &x);
	ck_assert_uint_eq(view.publisher, 3);
	ck_assert_uint_eq(view.sequence, 0);
	ck_assert_uint_eq(view.lost_before, 0);
	msg_inbox_release(&r.direct.inbox, &view, 1);
	seat_close(&x);
	seat_close(&y);
	receiver_close(&r);
}
END_TEST

/* It does not say how large it is, and its slot is read again. */
START_TEST(a_frame_larger_than_its_length_waits_for_its_turn)
{
	const uint32_t bytes = 70001;
	struct receiver r;
	struct seat x;
	uint32_t at;

	receiver_open(&r, 80000);
	seat_open(&x, true, 4, 10000);
	seat_post(&x, 16);
	announce(&r, &x, 3);
	at = welcome(&r, &x, 3ull << 32 | 3, true);
	say_begin(&x, at, 3, 0);
	say_message(&x, at, 3, 1, 2, bytes);
	say_frame(&x, at, 3, 0, 1);
	for (uint64_t i = 0; i < 2; i++) {
		struct msg_view view = taken(&r, &x);

		ck_assert_uint_eq(view.sequence, i);
		ck_assert_uint_eq(view.lost_before, 0);
		ck_assert_uint_eq(view.bytes, i == 0 ? 8 : bytes);
		ck_assert_uint_eq(((const uint8_t *)view.data)[view.bytes - 1],
			3);
		msg_inbox_release(&r.direct.inbox, &view, 1);
	}
	seat_close(&x);
	receiver_close(&r);
}
END_TEST

void add_caller(Suite *suite)
{
	TCase *c = check_case(suite, "caller", 120);

	tcase_add_test(c, who_means_another_is_refused);
	tcase_add_test(c, nobody_reports_for_another);
	tcase_add_test(c, who_calls_again_is_one_and_the_same);
	tcase_add_test(c, another_than_was_called_is_hung_up_on);
	tcase_add_test(c, nobody_publishes_for_another);
	tcase_add_test(c, a_frame_larger_than_its_length_waits_for_its_turn);
}
