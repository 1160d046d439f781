/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_receive_evict.c - streams and topics that lose their places, and what is left
 * of them: nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "check_main.h"
#include "engine/direct.h"
#include "memory_link.h"
#include "protocol/report.h"

#define FRAME_BYTES 512u
#define TAG 0xabcdu
#define GROUP 1u
#define BUFFERS 32u

static struct msg_direct d;
static struct msg_receiver *const r = &d.receiver;
static struct msg_link *wire, *side, *publisher;
static struct msg_link_domain *domain;
static uint8_t memory[8192];

static void open_side(void)
{
	struct msg_link_options options;
	char text[MSG_LINK_TEXT_BYTES];

	ck_assert_int_eq(msg_receiver_side_options(r, &options), 0);
	ck_assert_int_eq(
		domain->ops->link_open(domain, &options, &side, text), 0);
	ck_assert_int_eq(msg_receiver_start_side(r, side), 0);
}

static void open_for(uint32_t publishers)
{
	struct msg_receive_options options = {
		.frame_bytes = FRAME_BYTES,
		.buffer_count = BUFFERS,
		.message_bytes_max = 20000,
		.publisher_count_max = publishers,
		.topic_count_max = 2,
		.reorder_ns = 1000,
		.reliable = true,
		.ask_ns = 1000,
		.give_up_ns = 60 * MSG_NS_PER_S,
		.name = 5,
	};

	memory_wire_reset(NULL);
	domain = memory_domain_open(FRAME_BYTES);
	ck_assert_int_eq(msg_direct_open(&d, &options), 0);
	wire = memory_link_open(domain, r->pool.region.base,
		r->pool.region.bytes, BUFFERS, 0);
	ck_assert(msg_receiver_accept(r, TAG, 0));
	ck_assert_int_eq(msg_receiver_start(r, wire), 0);
	memory_link_join(wire, GROUP, MSG_LINK_JOIN_RECEIVE);
	publisher = memory_link_open(domain, memory, sizeof memory, 4, 4);
}

static void setup(void)
{
	open_for(2);
}

static void setup_many(void)
{
	open_for(8);
}

static void teardown(void)
{
	publisher->ops->close(publisher);
	side->ops->close(side);
	wire->ops->close(wire);
	msg_direct_close(&d);
	domain->ops->close(domain);
}

static void turn(void)
{
	ck_assert_int_gt(msg_receiver_turn(r), 0);
}

/* ---- what publishers say --------------------------------------------------- */

static uint32_t write_probe(uint8_t *data, uint32_t id, uint8_t flags)
{
	struct msg_probe probe = {
		.incarnation = id,
		.stamp = msg_clock_ns(),
		.next = 10,
		.first = 10,
		.period_ms = 100,
		.flags = flags,
	};

	probe.reach.bytes = (uint8_t)publisher->ops->name(
		publisher, probe.reach.data);
	return msg_probe_write(data, &probe, TAG, id);
}

/* A message with a number. */
static uint32_t write_frame(uint8_t *data, uint32_t id, uint32_t number)
{
	struct msg_frame frame = {
		.type = MSG_FRAME_SINGLE,
		.flags = MSG_FRAME_RELIABLE,
		.bytes = MSG_FRAME_HEADER_BYTES,
		.tag = TAG,
		.publisher = id,
		.transmission = number,
		.sequence = number - 10,
	};

	msg_frame_write(data, &frame);
	return frame.bytes;
}

/* One that waits for an earlier one. */
static uint32_t write_early(uint8_t *data, uint32_t id)
{
	return write_frame(data, id, 12);
}

static void say_to_all(uint32_t id, uint8_t flags)
{
	uint8_t data[FRAME_BYTES];

	memory_wire_inject(GROUP, data, write_probe(data, id, flags));
	memory_wire_inject(GROUP, data, write_early(data, id));
}

/* The same by the receiver's side link. */
static void say_aside(uint32_t id)
{
	struct msg_link_send send = {.iov_count = 1};

	ck_assert_int_eq(publisher->ops->reach(publisher, r->side.reach.data,
				 r->side.reach.bytes, &send.group),
		0);
	send.iov[0] = (struct iovec){memory, write_probe(memory, id, 0)};
	ck_assert_int_eq(publisher->ops->send(publisher, &send), 0);
	send.iov[0] = (struct iovec){memory + 1024,
		write_early(memory + 1024, id)};
	ck_assert_int_eq(publisher->ops->send(publisher, &send), 0);
}

static void silence(uint32_t id, uint64_t ns)
{
	msg_stream_find(&r->streams, id, TAG)->heard_ns -= ns;
}

/* ---- tests ------------------------------------------------------------------ */

static void check_all_is_back(void)
{
	struct msg_view view;

	while (msg_direct_take(&d, &view, 1) == 1)
		msg_inbox_release(&d.inbox, &view, 1);
	msg_receiver_refuse(r, TAG);
	msg_inbox_settle(&d.inbox);
	msg_ring_reclaim(&d.ring, 0);
	ck_assert_uint_eq(r->held_slots, 0);
	ck_assert_uint_lt(r->side.attention, MSG_RECEIVE_EXPECT);
	ck_assert_uint_eq(r->pool.free_count + r->posted + r->side.posted,
		r->pool.narrow);
}

/* Its goodbye must not bring in who takes the same place. */
START_TEST(one_place_is_not_given_to_two)
{
	memory_wire_options.send_limit = 1;
	open_side();
	say_to_all(1, MSG_PROBE_ASK);
	say_to_all(2, 0);
	turn();
	/* The report is on its way still: there is no place for another. */
	ck_assert_uint_eq(r->side.head - r->side.tail, 1);
	ck_assert_uint_eq(r->held_slots, 2);
	silence(1, MSG_STREAM_SILENT_NS + 2 * MSG_NS_PER_S);
	say_aside(4);
	say_to_all(3, 0);
	turn();
	ck_assert_ptr_nonnull(msg_stream_find(&r->streams, 3, TAG));
	check_all_is_back();
}
END_TEST

static const struct msg_link_ops *side_ops;
static unsigned asked;

/* Nobody is there the first time. */
static int reach_later(struct msg_link *link, const uint8_t *reach,
	uint32_t bytes, uint32_t *handle)
{
	return asked++ == 0 ? -MSG_ERROR_ARGUMENT
			    : side_ops->reach(link, reach, bytes, handle);
}

START_TEST(who_cannot_be_reached_now_may_be_later)
{
	struct msg_link_ops ops;

	open_side();
	side_ops = side->ops;
	ops = *side_ops;
	ops.reach = reach_later;
	side->ops = &ops;
	asked = 0;
	say_to_all(1, MSG_PROBE_ASK);
	turn();
	ck_assert_uint_eq(asked, 1);
	ck_assert_uint_eq(memory_wire_counts.unicast, 0);
	say_to_all(1, MSG_PROBE_ASK);
	turn();
	ck_assert_uint_eq(asked, 2);
	ck_assert_uint_eq(memory_wire_counts.unicast, 1);
	/* And is not asked for again. */
	say_to_all(1, MSG_PROBE_ASK);
	turn();
	ck_assert_uint_eq(asked, 2);
	side->ops = side_ops;
}
END_TEST

/* Whose gaps nobody will fill any more: they and those who wait for them. */
START_TEST(the_dead_do_not_keep_the_buffers)
{
	const uint32_t live = 100, dead = 3;
	uint8_t data[FRAME_BYTES];
	struct msg_recover *paused;
	struct msg_view view;
	uint64_t taken = 0;

	open_side();
	for (uint32_t id = 1; id <= dead; id++) {
		memory_wire_inject(GROUP, data, write_probe(data, id, 0));
		/* But for the first. */
		for (uint32_t n = 11; n < 10 + MSG_RECOVER_WINDOW_MIN; n++)
			memory_wire_inject(
				GROUP, data, write_frame(data, id, n));
	}
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(msg_direct_take(&d, &view, 1), 0);
	ck_assert_uint_gt(r->held_slots, BUFFERS - 4);
	for (uint32_t id = 1; id <= dead; id++)
		silence(id, MSG_STREAM_SILENT_NS + MSG_NS_PER_S);
	/* Who stands before a message that is read for long hands on nothing. */
	silence(1, MSG_NS_PER_S);
	paused = &msg_stream_find(&r->streams, 1, TAG)->recover;
	msg_recover_pause(paused);
	for (uint32_t n = 10; n < 110; n++)
		memory_wire_inject(GROUP, data, write_frame(data, live, n));
	for (uint64_t end = msg_clock_ns() + 20 * MSG_NS_PER_S; taken < 100;) {
		ck_assert_uint_lt(msg_clock_ns(), end);
		if (msg_direct_take(&d, &view, 1) != 1)
			continue;
		taken += view.publisher == live;
		msg_inbox_release(&d.inbox, &view, 1);
	}
	msg_recover_resume(paused);
	/* What was lost of the others is told, no more than had to be. */
	ck_assert_uint_ge(
		msg_counter_get(&r->counters[MSG_COUNTER_GIVEN_UP]), 1);
	ck_assert_uint_eq(
		msg_counter_get(&r->counters[MSG_COUNTER_GIVEN_UP]),
		msg_counter_get(&r->counters[MSG_COUNTER_LOST]));
	check_all_is_back();
}
END_TEST

/* Somebody else's word, given before its own could be heard. */
START_TEST(nothing_is_left_of_who_spoke_in_anothers_name)
{
	static struct msg_fetch fetch = {.deadline = UINT64_MAX};
	struct msg_frame said = {.tag = TAG, .publisher = 1};
	struct msg_receive_offer offer = {.incarnation = 1, .closing = true};
	struct msg_reach lie = {.bytes = 1, .data = {7}};
	struct msg_link_send send = {.iov_count = 1};
	struct msg_stream *s;
	uint64_t reports;

	open_side();
	r->fetch = &fetch;
	say_to_all(1, MSG_PROBE_ASK | MSG_PROBE_FLOW);
	turn();
	s = msg_stream_find(&r->streams, 1, TAG);
	ck_assert_int_eq(publisher->ops->reach(publisher, r->side.reach.data,
				 r->side.reach.bytes, &send.group),
		0);
	msg_shelf_say(memory, &lie, TAG, 1);
	send.iov[0] = (struct iovec){memory, MSG_SHELF_FRAME_BYTES};
	ck_assert_int_eq(publisher->ops->send(publisher, &send), 0);
	while (s->shelf.bytes == 0)
		msg_receiver_turn(r);
	say_to_all(1, 0);
	turn();
	ck_assert_uint_gt(s->told.reports, 0);
	reports = msg_counter_get(&r->counters[MSG_COUNTER_REPORTS]);
	/* It is had by connections, as was announced meanwhile. */
	r->session = (struct msg_session *)r;
	ck_assert_int_eq(msg_receiver_offered(r, &said, &offer), 0);
	r->session = NULL;
	ck_assert_ptr_eq(msg_stream_find(&r->streams, 1, TAG), s);
	ck_assert(s->calls);
	ck_assert_uint_eq(s->shelf.bytes, 0);
	ck_assert_uint_eq(s->period_ms, 0);
	ck_assert_uint_eq(r->held_slots, 0);
	ck_assert_uint_eq(msg_receiver_look_ahead(r), UINT64_MAX);
	/* No count goes back. */
	ck_assert_uint_eq(s->told.reports, 0);
	ck_assert_uint_eq(
		msg_counter_get(&r->counters[MSG_COUNTER_REPORTS]), reports);
	r->fetch = NULL;
}
END_TEST

/* As in a process that is out of memory. */
static bool no_memory;
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
	return no_memory ? NULL : __real_calloc(count, bytes);
}

/* Its topic has no ring any more: a frame of it would have nowhere to go. */
START_TEST(a_topic_is_refused_without_memory)
{
	open_side();
	no_memory = true;
	msg_receiver_refuse(r, TAG);
	no_memory = false;
	ck_assert_uint_eq(msg_receiver_topic(r, TAG), UINT32_MAX);
	say_to_all(1, 0);
	turn();
	ck_assert_uint_eq(r->streams.count, 0);
}
END_TEST

#define TOPICS 64u

START_TEST(others_are_found_when_topics_were_refused)
{
	struct msg_receive_options options = {
		.frame_bytes = FRAME_BYTES,
		.buffer_count = BUFFERS,
		.message_bytes_max = 20000,
		.publisher_count_max = 2,
		.topic_count_max = TOPICS,
	};
	struct random_stream dice = {check_seed()};
	static struct msg_receiver many;
	bool there[2 * TOPICS] = {false};
	uint32_t count = 0;

	ck_assert_int_eq(msg_receiver_open(&many, &options), 0);
	for (int i = 0; i < 20000; i++) {
		uint32_t tag = (uint32_t)random_below(&dice, 2 * TOPICS);
		bool may = !there[tag] && count < TOPICS;

		if (random_chance(&dice, 550)) {
			ck_assert(msg_receiver_accept(&many, tag, tag) == may);
			count += may;
			there[tag] |= may;
		} else {
			msg_receiver_refuse(&many, tag);
			count -= there[tag];
			there[tag] = false;
		}
		ck_assert_uint_eq(many.tag_count, count);
		for (uint32_t t = 0; t < 2 * TOPICS; t++)
			ck_assert_uint_eq(msg_receiver_topic(&many, t),
				there[t] ? t : UINT32_MAX);
	}
	msg_receiver_close(&many);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("receive_evict");
	TCase *streams = check_case(suite, "streams", 30);
	TCase *dead = check_case(suite, "dead", 30);
	TCase *topics = check_case(suite, "topics", 60);

	tcase_add_checked_fixture(streams, setup, teardown);
	tcase_add_test(streams, one_place_is_not_given_to_two);
	tcase_add_test(streams, who_cannot_be_reached_now_may_be_later);
	tcase_add_test(
		streams, nothing_is_left_of_who_spoke_in_anothers_name);
	tcase_add_test(streams, a_topic_is_refused_without_memory);
	tcase_add_checked_fixture(dead, setup_many, teardown);
	tcase_add_test(dead, the_dead_do_not_keep_the_buffers);
	tcase_add_test(topics, others_are_found_when_topics_were_refused);
	return check_main(suite, NULL);
}
