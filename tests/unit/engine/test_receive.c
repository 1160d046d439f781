/* SPDX-License-Identifier: BSD-2-Clause */
/* test_receive.c - what a subscriber makes of frames, also of bad ones. */
#include <string.h>

#include "base/clock.h"
#include "check_main.h"
#include "engine/direct.h"
#include "memory_link.h"
#include "protocol/fragment.h"
#include "protocol/frame.h"
#include "protocol/pack.h"

#define FRAME_BYTES 512u
#define TAG 0xabcdu
#define GROUP 1u

static struct msg_direct d;
static struct msg_link *wire;
static struct msg_link_domain *domain;

static void open_all(uint32_t buffers, uint32_t publishers)
{
	struct msg_receive_options options = {
		.frame_bytes = FRAME_BYTES,
		.buffer_count = buffers,
		.message_bytes_max = 20000,
		.publisher_count_max = publishers,
		.topic_count_max = 2,
		.reorder_ns = 1000,
	};

	memory_wire_reset(NULL);
	domain = memory_domain_open(FRAME_BYTES);
	ck_assert_int_eq(msg_direct_open(&d, &options), 0);
	wire = memory_link_open(domain, d.receiver.pool.region.base,
		d.receiver.pool.region.bytes, buffers, 0);
	ck_assert(msg_receiver_accept(&d.receiver, TAG, 0));
	ck_assert_int_eq(msg_receiver_start(&d.receiver, wire), 0);
	memory_link_join(wire, GROUP, MSG_LINK_JOIN_RECEIVE);
}

static void close_all(void)
{
	ck_assert(!msg_inbox_busy(&d.inbox));
	wire->ops->close(wire);
	msg_direct_close(&d);
	domain->ops->close(domain);
}

static uint64_t counter(int index)
{
	return msg_counter_get(&d.receiver.counters[index]);
}

/* ---- frames by hand ------------------------------------------------------ */

static void send_body(enum msg_frame_type type, uint32_t publisher,
	uint64_t sequence, const void *body, uint32_t bytes)
{
	uint8_t frame[65536];
	struct msg_frame header = {
		.type = (uint8_t)type,
		.bytes = (uint16_t)(24 + bytes),
		.tag = TAG,
		.publisher = publisher,
		.sequence = sequence,
	};

	msg_frame_write(frame, &header);
	if (bytes > 0)
		memcpy(frame + 24, body, bytes);
	memory_wire_inject(GROUP, frame, 24 + bytes);
}

static void send_single(uint32_t publisher, uint64_t sequence)
{
	send_body(MSG_FRAME_SINGLE, publisher, sequence, "single", 6);
}

static void send_part(uint32_t publisher, uint64_t sequence, uint32_t total,
	uint32_t offset, uint32_t bytes)
{
	uint8_t body[FRAME_BYTES] = {0};
	struct msg_fragment part = {total, offset, bytes};

	msg_fragment_write(body, &part);
	memset(body + 8, (int)publisher, bytes);
	send_body(MSG_FRAME_FRAGMENT, publisher, sequence, body, 8 + bytes);
}

static struct msg_view take_one(void)
{
	struct msg_view view;
	uint64_t limit = msg_clock_ns() + MSG_NS_PER_S;

	while (msg_direct_take(&d, &view, 1) == 0)
		ck_assert_uint_lt(msg_clock_ns(), limit);
	return view;
}

static void take_single(uint32_t publisher, uint64_t sequence, uint64_t lost)
{
	struct msg_view view = take_one();

	ck_assert_uint_eq(view.publisher, publisher);
	ck_assert_uint_eq(view.sequence, sequence);
	ck_assert_uint_eq(view.lost_before, lost);
	ck_assert_uint_eq(view.bytes, 6);
	msg_inbox_release(&d.inbox, &view, 1);
}

static void take_nothing(void)
{
	struct msg_view view;

	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(msg_direct_take(&d, &view, 1), 0);
}

/* ---- bad frames ------------------------------------------------------------ */

START_TEST(garbage_is_counted_and_costs_nothing)
{
	struct random_stream random = {check_seed()};
	uint8_t frame[FRAME_BYTES];
	uint64_t sent = 0;

	open_all(32, 4);
	for (int i = 0; i < 20000; i++) {
		uint32_t bytes = (uint32_t)random_below(
			&random, FRAME_BYTES + 1);

		for (uint32_t k = 0; k < bytes; k++)
			frame[k] = (uint8_t)random_next(&random);
		if (bytes > 0 && random_chance(&random, 900))
			frame[0] = (uint8_t)(1 | random_below(&random, 5) << 4);
		/* Never sound: its length is beyond the frame. */
		if (bytes > 3)
			frame[3] = 0xff;
		memory_wire_inject(GROUP, frame, bytes);
		sent++;
		if (i % 20 == 19)
			take_nothing();
	}
	take_nothing();
	ck_assert_uint_eq(counter(MSG_COUNTER_MALFORMED), sent);
	ck_assert_uint_eq(d.receiver.streams.count, 0);
	send_single(7, 0);
	take_single(7, 0, 0);
	close_all();
}
END_TEST

/* Headers are sound and say ours, bodies are drawn: whatever is delivered lies
 * in its frame, and every buffer comes home. */
START_TEST(hostile_bodies_stay_in_their_frames)
{
	struct random_stream random = {check_seed()};
	struct msg_view views[8];
	uint8_t body[FRAME_BYTES - 24];

	open_all(64, 4);
	for (int i = 0; i < 40000; i++) {
		uint32_t bytes = (uint32_t)random_below(
			&random, sizeof body + 1);
		int n;

		for (uint32_t k = 0; k < bytes; k++)
			body[k] = (uint8_t)random_below(&random, 4);
		send_body((enum msg_frame_type)(1 + random_below(&random, 3)),
			1 + (uint32_t)random_below(&random, 5),
			random_below(&random, 50), body, bytes);
		n = msg_direct_take(&d, views, 8);
		ck_assert_int_ge(n, 0);
		for (int k = 0; k < n; k++) {
			struct msg_segment segments[64];
			int m = msg_inbox_segments(
				&d.inbox, &views[k], segments, 64);

			ck_assert_int_gt(m, 0);
			for (int j = 0; j < m; j++) {
				const uint8_t *at = segments[j].data;

				ck_assert(at >= d.receiver.pool.region.base);
				ck_assert(at + segments[j].bytes <=
					d.receiver.pool.region.base +
						d.receiver.pool.region.bytes);
				ck_assert_uint_le(segments[j].bytes,
					FRAME_BYTES - 24);
			}
		}
		msg_inbox_release(&d.inbox, views, n);
	}
	for (int idle = 0; idle < 100; idle++) {
		int n = msg_direct_take(&d, views, 8);

		msg_inbox_release(&d.inbox, views, n);
	}
	ck_assert_uint_gt(counter(MSG_COUNTER_MALFORMED), 0);
	ck_assert_uint_gt(counter(MSG_COUNTER_MESSAGES), 0);
	close_all();
}
END_TEST

START_TEST(frames_too_large_come_back_empty)
{
	uint8_t body[FRAME_BYTES];

	open_all(16, 4);
	memset(body, 0, sizeof body);
	for (int i = 0; i < 100; i++) {
		send_body(MSG_FRAME_SINGLE, 1, 0, body, FRAME_BYTES - 23);
		take_nothing();
	}
	ck_assert_uint_eq(counter(MSG_COUNTER_TRUNCATED), 100);
	send_single(1, 0);
	take_single(1, 0, 0);
	close_all();
}
END_TEST

/* ---- assembly --------------------------------------------------------------- */

START_TEST(parts_that_disagree_lose_the_message)
{
	open_all(32, 4);
	send_single(1, 0);
	send_part(1, 1, 300, 0, 100);
	send_part(1, 1, 400, 100, 100);
	send_part(1, 1, 300, 200, 100);
	send_single(1, 2);
	take_single(1, 0, 0);
	take_single(1, 2, 1);
	ck_assert_uint_eq(counter(MSG_COUNTER_MALFORMED), 1);
	ck_assert_uint_eq(counter(MSG_COUNTER_LOST), 1);
	ck_assert_uint_eq(d.receiver.held_slots, 0);
	close_all();
}
END_TEST

START_TEST(a_message_too_large_is_lost_once_also_with_parts_missing)
{
	for (uint32_t missing = 0; missing < 5; missing++) {
		open_all(32, 4);
		send_single(1, 0);
		for (uint32_t i = 0; i < 60; i++)
			if (missing == 0 || i % 12 != missing)
				send_part(1, 1, 60 * 400, i * 400, 400);
		send_single(1, 2);
		take_single(1, 0, 0);
		take_single(1, 2, 1);
		ck_assert_uint_eq(counter(MSG_COUNTER_LOST), 1);
		ck_assert_uint_eq(counter(MSG_COUNTER_TOO_LARGE), 1);
		close_all();
	}
}
END_TEST

/* 14 of 16 buffers may be in assembly; the one that is silent longest gives
 * way, and its message is lost once. */
START_TEST(an_old_assembly_gives_way)
{
	const struct msg_stream *old;

	open_all(16, 4);
	for (uint32_t i = 0; i < 10; i++)
		send_part(1, 0, 2000, i * 100, 100);
	take_nothing();
	ck_assert_uint_eq(d.receiver.assembly_slots[false], 10);
	msg_stream_find(&d.receiver.streams, 1, TAG)->heard_ns -= MSG_NS_PER_S;
	for (uint32_t i = 0; i < 10; i++) {
		send_part(2, 0, 1000, i * 100, 100);
		take_nothing();
		if (i == 4)
			ck_assert_uint_eq(d.receiver.assembly_slots[false], 5);
		if (i == 8)
			break;
	}
	ck_assert_uint_eq(counter(MSG_COUNTER_LOST), 1);
	old = msg_stream_find(&d.receiver.streams, 1, TAG);
	ck_assert(old->assembly.skipping);
	send_part(2, 0, 1000, 900, 100);
	{
		struct msg_view view = take_one();
		struct msg_segment segments[10];

		ck_assert_uint_eq(view.publisher, 2);
		ck_assert_uint_eq(view.bytes, 1000);
		ck_assert_int_eq(
			msg_inbox_segments(&d.inbox, &view, segments, 10), 10);
		msg_inbox_release(&d.inbox, &view, 1);
	}
	/* The old one goes on with its next message, one lost before it. */
	for (uint32_t i = 10; i < 20; i++) {
		send_part(1, 0, 2000, i * 100, 100);
		take_nothing();
	}
	send_single(1, 1);
	take_single(1, 1, 1);
	ck_assert_uint_eq(d.receiver.assembly_slots[false], 0);
	close_all();
}
END_TEST

/* ---- who is followed --------------------------------------------------------- */

START_TEST(strangers_find_room_when_somebody_was_silent)
{
	open_all(16, 2);
	send_single(1, 0);
	send_single(2, 0);
	send_single(3, 0);
	take_single(1, 0, 0);
	take_single(2, 0, 0);
	take_nothing();
	ck_assert_uint_eq(counter(MSG_COUNTER_PUBLISHERS_REFUSED), 1);
	/* The first leaves half a message and is not heard for long. */
	send_part(1, 1, 1000, 0, 100);
	take_nothing();
	ck_assert_uint_eq(d.receiver.held_slots, 1);
	msg_stream_find(&d.receiver.streams, 1, TAG)->heard_ns -=
		MSG_STREAM_SILENT_NS + MSG_NS_PER_S;
	send_single(3, 1);
	take_single(3, 1, 0);
	ck_assert_uint_eq(d.receiver.held_slots, 0);
	ck_assert_uint_eq(counter(MSG_COUNTER_PUBLISHERS), 3);
	/* Back again it is new. */
	send_single(1, 9);
	take_nothing();
	ck_assert_uint_eq(counter(MSG_COUNTER_PUBLISHERS_REFUSED), 2);
	close_all();
}
END_TEST

START_TEST(the_same_tag_does_not_make_the_same_topic)
{
	struct msg_frame said = {.tag = TAG, .publisher = 9};

	open_all(16, 4);
	msg_receiver_evidence(&d.receiver, &said, 1, 0, false, false);
	for (uint64_t i = 0; i < 5; i++)
		send_single(9, i);
	send_single(1, 0);
	take_single(1, 0, 0);
	take_nothing();
	ck_assert_uint_eq(counter(MSG_COUNTER_FOREIGN), 5);
	ck_assert_uint_eq(counter(MSG_COUNTER_LOST), 0);
	close_all();
}
END_TEST

START_TEST(one_topic_a_tag_and_as_many_as_there_is_room_for)
{
	open_all(16, 4);
	ck_assert_uint_eq(msg_receiver_topic(&d.receiver, TAG), 0);
	ck_assert_uint_eq(msg_receiver_topic(&d.receiver, TAG + 1), UINT32_MAX);
	ck_assert(!msg_receiver_accept(&d.receiver, TAG, 1));
	ck_assert(msg_receiver_accept(&d.receiver, TAG + 1, 1));
	ck_assert_uint_eq(msg_receiver_topic(&d.receiver, TAG + 1), 1);
	ck_assert(!msg_receiver_accept(&d.receiver, TAG + 2, 2));
	ck_assert_uint_eq(msg_receiver_topic(&d.receiver, TAG + 2), UINT32_MAX);
	close_all();
}
END_TEST

/* With as many places as buffers, a gap would keep every buffer until its
 * allowance is over, and the missing frame would find none. */
START_TEST(frames_that_wait_leave_the_missing_one_a_buffer)
{
	open_all(16, 4);
	d.receiver.options.reorder_ns = 3600 * MSG_NS_PER_S;
	send_single(1, 1);
	take_single(1, 1, 0);
	for (uint64_t i = 3; i < 3 + 8; i++)
		send_single(1, i);
	take_nothing();
	send_single(1, 2);
	for (uint64_t i = 2; i < 3 + 8; i++)
		take_single(1, i, 0);
	for (uint64_t i = 12; i < 12 + 16; i++)
		send_single(1, i);
	take_single(1, 12, 1);
	for (uint64_t i = 13; i < 12 + 16; i++)
		take_single(1, i, 0);
	close_all();
}
END_TEST

START_TEST(what_evidence_says_is_lost_is_counted_once)
{
	struct msg_frame said = {.tag = TAG, .publisher = 1};
	struct msg_view view;

	open_all(16, 4);
	msg_receiver_evidence(&d.receiver, &said, 1, 0, true, false);
	msg_receiver_evidence(&d.receiver, &said, 1, 10, true, false);
	for (int i = 0; i < 3; i++) {
		while (msg_direct_arm(&d) == -MSG_ERROR_AGAIN)
			ck_assert_int_eq(msg_direct_take(&d, &view, 1), 0);
		ck_assert_uint_eq(counter(MSG_COUNTER_LOST), 10);
		msg_receiver_evidence(&d.receiver, &said, 1, 10, true, false);
	}
	send_single(1, 12);
	take_single(1, 12, 12);
	ck_assert_uint_eq(counter(MSG_COUNTER_LOST), 12);
	close_all();
}
END_TEST

START_TEST(a_packed_frame_may_be_taken_in_pieces)
{
	struct msg_pack pack;
	uint8_t body[FRAME_BYTES - 24];
	struct msg_view views[30];
	uint32_t bytes;
	int taken = 0;

	open_all(16, 4);
	msg_pack_start(&pack, sizeof body);
	for (uint32_t i = 0; i < 30; i++) {
		memset(body + pack.used, (int)i, 8);
		msg_pack_add(&pack, i % 9);
	}
	bytes = msg_pack_finish(&pack, body);
	send_body(MSG_FRAME_PACKED, 1, 100, body, bytes);
	for (int want = 1; taken < 30; want = want % 4 + 1) {
		int n = msg_direct_take(&d, views + taken,
			want < 30 - taken ? want : 30 - taken);

		ck_assert_int_gt(n, 0);
		for (int i = 0; i < n; i++, taken++) {
			const uint8_t *at = views[taken].data;

			ck_assert_uint_eq(views[taken].sequence,
				100 + (uint64_t)taken);
			ck_assert_uint_eq(
				views[taken].bytes, (uint64_t)taken % 9);
			if (taken % 9 > 0)
				ck_assert_uint_eq(*at, (uint64_t)taken);
		}
		ck_assert(msg_inbox_busy(&d.inbox));
	}
	msg_inbox_release(&d.inbox, views, 30);
	close_all();
}
END_TEST

START_TEST(without_buffers_turns_are_counted_and_arm_says_so)
{
	struct msg_view views[16];

	open_all(16, 4);
	for (uint64_t i = 0; i < 17; i++)
		send_single(1, i);
	for (int i = 0; i < 16; i++)
		views[i] = take_one();
	ck_assert_uint_eq(counter(MSG_COUNTER_STARVED), 0);
	ck_assert_int_eq(msg_direct_take(&d, views, 1), 0);
	ck_assert_uint_eq(counter(MSG_COUNTER_STARVED), 1);
	ck_assert(msg_receiver_starved(&d.receiver));
	ck_assert_int_eq(msg_direct_arm(&d), -MSG_ERROR_AGAIN);
	msg_inbox_release(&d.inbox, views, 16);
	take_single(1, 16, 0);
	ck_assert_int_eq(msg_direct_arm(&d), 0);
	close_all();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("receive");
	TCase *bad = check_case(suite, "bad frames", 30);
	TCase *assembly = check_case(suite, "assembly", 30);
	TCase *streams = check_case(suite, "streams", 30);

	tcase_add_test(bad, garbage_is_counted_and_costs_nothing);
	tcase_add_test(bad, hostile_bodies_stay_in_their_frames);
	tcase_add_test(bad, frames_too_large_come_back_empty);
	tcase_add_test(assembly, parts_that_disagree_lose_the_message);
	tcase_add_test(assembly,
		a_message_too_large_is_lost_once_also_with_parts_missing);
	tcase_add_test(assembly, an_old_assembly_gives_way);
	tcase_add_test(assembly, a_packed_frame_may_be_taken_in_pieces);
	tcase_add_test(
		streams, strangers_find_room_when_somebody_was_silent);
	tcase_add_test(streams, the_same_tag_does_not_make_the_same_topic);
	tcase_add_test(streams,
		one_topic_a_tag_and_as_many_as_there_is_room_for);
	tcase_add_test(
		streams, frames_that_wait_leave_the_missing_one_a_buffer);
	tcase_add_test(streams, what_evidence_says_is_lost_is_counted_once);
	tcase_add_test(
		streams, without_buffers_turns_are_counted_and_arm_says_so);
	return check_main(suite, NULL);
}
