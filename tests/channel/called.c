/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * called.c - publishers that are called, by the engine's receiver over TCP and
 * publishers made by hand: nobody publishes for another, and what a goodbye tells
 * of is lost only where nothing better is heard.  The other end is caller.c.
 */
#include <check.h>
#include <string.h>

#include "cases.h"
#include "check_main.h"
#include "end.h"
#include "seat.h"

#include "base/clock.h"
#include "engine/direct.h"
#include "engine/receive_internal.h"
#include "protocol/greeting.h"

#define TAG 77u
#define FRAME 1000u

struct receiver {
	struct msg_link_domain *domain;
	struct msg_session *session;
	struct msg_direct direct;
	struct msg_link side; /* Nothing comes there. */
	unsigned not_yet; /* So often it cannot be opened. */
};

static int open_session(void *context)
{
	struct receiver *r = context;
	struct msg_session_options o;
	char text[MSG_LINK_TEXT_BYTES] = "";

	if (r->not_yet > 0) {
		r->not_yet--;
		return -MSG_ERROR_AGAIN;
	}
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

static uint64_t seen(const struct receiver *r, enum msg_counter_index index)
{
	return msg_counter_get(&r->direct.receiver.counters[index]);
}

/* It was announced that publisher `id` is had at `seat`, and has sent `count`; or
 * that these are all. */
static void announce_count(struct receiver *r, struct seat *seat, uint32_t id,
	uint64_t count, bool closing)
{
	struct msg_receive_offer offer = {
		.incarnation = (uint64_t)id << 32 | id,
		.next_sequence = count,
		.closing = closing,
	};
	struct msg_frame frame = {
		.type = MSG_FRAME_ANNOUNCE, .tag = TAG, .publisher = id};
	int bytes = seat->side->ops->name(seat->side, offer.reach.data);

	offer.reach.bytes = (uint8_t)bytes;
	ck_assert_int_eq(
		msg_receiver_offered(&r->direct.receiver, &frame, &offer), 0);
}

static void announce(struct receiver *r, struct seat *seat, uint32_t id)
{
	announce_count(r, seat, id, 0, false);
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

/* It calls later, and wants what it would have wanted. */
START_TEST(a_topic_begins_where_it_was_heard_first)
{
	uint8_t said[MSG_CHANNEL_GREETING_BYTES_MAX];
	struct msg_greeting greeting;
	struct receiver r;
	struct seat hub;
	uint32_t handle;

	receiver_open(&r, 4000);
	r.not_yet = 2;
	seat_open(&hub, true, 4, 10000);
	announce_count(&r, &hub, 3, 7, false);
	announce_count(&r, &hub, 3, 8, false);
	ck_assert_ptr_null(r.session);
	announce_count(&r, &hub, 3, 9, false);
	handle = told(&r, &hub, MSG_LINK_ASKED).handle;
	ck_assert(msg_greeting_read(&greeting, said,
		msg_session_greeting(hub.session, handle, said)));
	ck_assert_uint_eq(greeting.sequence, 7);
	ck_assert_uint_eq(seen(&r, MSG_COUNTER_TOPICS_REFUSED), 0);
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

static void turn_until(struct receiver *r, struct seat *seat,
	enum msg_counter_index index)
{
	uint64_t limit = now_ms() + (uint64_t)patience_ms();

	while (seen(r, index) == 0) {
		r->direct.receiver.now = 0;
		ck_assert_int_ge(caller_turn(&r->direct.receiver), 0);
		seat_turn(seat);
		ck_assert_uint_lt(now_ms(), limit);
	}
}

/* So much time has passed, and nothing came. */
static void wait_in_vain(struct receiver *r, uint64_t ns)
{
	struct msg_receiver *receiver = &r->direct.receiver;

	receiver->now = receiver->empty_ns = msg_clock_ns() + ns;
	msg_receiver_expire(receiver);
}

/* One that has had message 0 of publisher 3, at x. */
static void begin(struct receiver *r, struct seat *x, uint32_t *at)
{
	struct msg_view view;

	receiver_open(r, 4000);
	seat_open(x, true, 4, 10000);
	seat_post(x, 16);
	announce(r, x, 3);
	*at = welcome(r, x, 3ull << 32 | 3, true);
	say_begin(x, *at, 3, 0);
	say_frame(x, *at, 3, 0, 1);
	view = taken(r, x);
	msg_inbox_release(&r->direct.inbox, &view, 1);
}

START_TEST(what_a_goodbye_tells_of_and_no_connection_brings_is_lost)
{
	struct receiver r;
	struct seat x;
	uint32_t at;

	begin(&r, &x, &at);
	/* What is under way may yet come. */
	announce_count(&r, &x, 3, 8, true);
	wait_in_vain(&r, 2 * MSG_NS_PER_S);
	ck_assert_uint_eq(seen(&r, MSG_COUNTER_LOST), 0);
	msg_session_hang_up(x.session, at);
	turn_until(&r, &x, MSG_COUNTER_BROKEN);
	ck_assert_uint_eq(seen(&r, MSG_COUNTER_LOST), 0);
	wait_in_vain(&r, 2 * MSG_NS_PER_S);
	ck_assert_uint_eq(seen(&r, MSG_COUNTER_LOST), 7);
	/* Nothing of it is told twice. */
	announce_count(&r, &x, 3, 8, true);
	wait_in_vain(&r, 4 * MSG_NS_PER_S);
	ck_assert_uint_eq(seen(&r, MSG_COUNTER_LOST), 7);
	seat_close(&x);
	receiver_close(&r);
}
END_TEST

/* Anybody can say such words. */
START_TEST(who_is_announced_again_has_not_ended)
{
	struct receiver r;
	struct seat x;
	uint32_t at;

	begin(&r, &x, &at);
	msg_session_hang_up(x.session, at);
	turn_until(&r, &x, MSG_COUNTER_BROKEN);
	announce_count(&r, &x, 3, 1ull << 60, true);
	ck_assert_uint_eq(r.direct.receiver.streams.latest->recover.counts
				  .unbelieved, 1);
	announce_count(&r, &x, 3, 1, false);
	announce_count(&r, &x, 3, 8, true);
	announce_count(&r, &x, 3, 1, false);
	wait_in_vain(&r, 2 * MSG_NS_PER_S);
	ck_assert_uint_eq(seen(&r, MSG_COUNTER_LOST), 0);
	seat_close(&x);
	receiver_close(&r);
}
END_TEST

void add_called(Suite *suite)
{
	TCase *c = check_case(suite, "called", 120);

	tcase_add_test(c, another_than_was_called_is_hung_up_on);
	tcase_add_test(c, a_topic_begins_where_it_was_heard_first);
	tcase_add_test(c, nobody_publishes_for_another);
	tcase_add_test(c, a_frame_larger_than_its_length_waits_for_its_turn);
	tcase_add_test(
		c, what_a_goodbye_tells_of_and_no_connection_brings_is_lost);
	tcase_add_test(c, who_is_announced_again_has_not_ended);
}
