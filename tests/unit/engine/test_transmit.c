/* SPDX-License-Identifier: BSD-2-Clause */
/* test_transmit.c - the frames a publisher makes, byte for byte. */
#include <string.h>

#include "base/clock.h"
#include "check_main.h"
#include "engine/transmit.h"
#include "memory_link.h"
#include "protocol/fragment.h"
#include "protocol/frame.h"
#include "protocol/pack.h"

#define FRAME_BYTES 1024u
#define BODY (FRAME_BYTES - 24u)
#define LONE_BYTES 4096u

static struct msg_transmitter t;
static struct msg_link *wire;
static struct msg_link_domain *domain;
static uint8_t frames[4096][LONE_BYTES];
static uint32_t lone_bytes;
static uint32_t lengths[4096];
static uint32_t frame_count;

static void keep(void *context, const uint8_t *frame, uint32_t bytes)
{
	(void)context;
	ck_assert_uint_le(bytes, lone_bytes ? lone_bytes : FRAME_BYTES);
	ck_assert_uint_lt(frame_count, 4096);
	memcpy(frames[frame_count], frame, bytes);
	lengths[frame_count++] = bytes;
}

static void open_all(uint32_t message_bytes_max, uint32_t loans,
	struct memory_wire_options wire_options)
{
	struct msg_transmit_options options = {
		.frame_bytes = FRAME_BYTES,
		.lone_bytes = lone_bytes,
		.message_bytes_max = message_bytes_max,
		.loan_count_max = loans,
		.tag = 0x11223344,
		.publisher = 0x55667788,
		.first_sequence = 0x0102030405060708,
	};

	wire_options.tap = keep;
	wire_options.seed = check_seed();
	memory_wire_reset(&wire_options);
	domain = memory_domain_open(lone_bytes ? lone_bytes : FRAME_BYTES);
	ck_assert_int_eq(msg_transmitter_open(&t, &options), 0);
	wire = memory_link_open(domain, t.lender.pool.region.base,
		t.lender.pool.region.bytes, 0, msg_transmitter_depth(&t));
	ck_assert_int_eq(msg_transmitter_start(&t, wire,
				 memory_link_join(wire, 1, MSG_LINK_JOIN_SEND)),
		0);
}

static void close_all(void)
{
	wire->ops->close(wire);
	msg_transmitter_close(&t);
	domain->ops->close(domain);
}

static struct msg_loan borrow(size_t bytes)
{
	struct msg_loan loan;

	ck_assert_int_eq(msg_transmitter_lend(&t, bytes, &loan), 0);
	return loan;
}

static int give(struct msg_loan loan, int fill, size_t bytes, bool queue)
{
	memset(loan.data, fill, bytes);
	return queue ? msg_transmitter_queue(&t, &loan, bytes)
		     : msg_transmitter_send(&t, &loan, bytes);
}

static struct msg_frame read_frame(uint32_t i)
{
	struct msg_frame frame;

	ck_assert_uint_lt(i, frame_count);
	ck_assert_int_eq(msg_frame_read(frames[i], lengths[i], &frame),
		MSG_FRAME_OK);
	ck_assert_uint_eq(frame.bytes, lengths[i]);
	ck_assert_uint_eq(frame.tag, 0x11223344);
	ck_assert_uint_eq(frame.publisher, 0x55667788);
	ck_assert_uint_eq(frame.transmission, i);
	return frame;
}

static uint64_t counter(int index)
{
	return msg_counter_get(&t.lender.counters[index]);
}

START_TEST(a_lone_message_is_a_header_and_itself)
{
	static const uint8_t wanted[] = {0x11, 0, 27, 0, 0x44, 0x33, 0x22,
		0x11, 0x88, 0x77, 0x66, 0x55, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2,
		1, 'z', 'z', 'z'};

	open_all(100, 4, (struct memory_wire_options){0});
	ck_assert_int_eq(give(borrow(3), 'z', 3, false), 0);
	ck_assert_uint_eq(frame_count, 1);
	ck_assert_uint_eq(lengths[0], sizeof wanted);
	ck_assert_mem_eq(frames[0], wanted, sizeof wanted);
	close_all();
}
END_TEST

/* A loan stands where the table would: then it comes from elsewhere, and the
 * frame is the same to the byte. */
START_TEST(the_table_of_a_packed_frame_may_come_from_elsewhere)
{
	struct msg_loan kept;
	struct msg_frame frame;

	open_all(BODY, 8, (struct memory_wire_options){0});
	for (int round = 0; round < 2; round++) {
		give(borrow(10), 'a', 10, true);
		give(borrow(0), 'b', 0, true);
		give(borrow(16), 'c', 16, true);
		if (round == 1) {
			kept = borrow(8);
			memset(kept.data, 0xee, kept.capacity);
		}
		ck_assert_int_eq(msg_transmitter_flush(&t), 0);
	}
	ck_assert_uint_eq(frame_count, 2);
	frame = read_frame(0);
	ck_assert_uint_eq(frame.type, MSG_FRAME_PACKED);
	ck_assert_uint_eq(frame.sequence, 0x0102030405060708);
	ck_assert_uint_eq(frame.bytes, 24 + 16 + 16 + 3 * 2 + 2);
	frame = read_frame(1);
	ck_assert_uint_eq(frame.sequence, 0x010203040506070b);
	ck_assert_uint_eq(lengths[0], lengths[1]);
	ck_assert_mem_eq(frames[0] + 24, frames[1] + 24, lengths[0] - 24);
	/* The kept one leaves alone. */
	ck_assert_int_eq(give(kept, 'd', 8, false), 0);
	frame = read_frame(2);
	ck_assert_uint_eq(frame.type, MSG_FRAME_SINGLE);
	ck_assert_uint_eq(frame.sequence, 0x010203040506070e);
	ck_assert_uint_eq(frame.bytes, 24 + 8);
	close_all();
}
END_TEST

START_TEST(fragments_cover_the_message_once)
{
	uint32_t part = (BODY - 8) & ~63u;

	open_all(20 * BODY, 4, (struct memory_wire_options){0});
	for (uint32_t bytes = BODY + 1; bytes <= 20 * BODY; bytes += 1013) {
		uint32_t first = frame_count, offset = 0;
		uint64_t sequence = t.lender.sequence;

		ck_assert_int_eq(give(borrow(bytes), 'f', bytes, false), 0);
		for (uint32_t i = first; i < frame_count; i++) {
			struct msg_frame frame = read_frame(i);
			struct msg_fragment found;

			ck_assert_uint_eq(frame.type, MSG_FRAME_FRAGMENT);
			ck_assert_uint_eq(frame.sequence, sequence);
			ck_assert(msg_fragment_read(frames[i] + 24,
				frame.bytes - 24u, &found));
			ck_assert_uint_eq(found.total, bytes);
			ck_assert_uint_eq(found.offset, offset);
			ck_assert(found.bytes == part || i + 1 == frame_count);
			offset += found.bytes;
		}
		ck_assert_uint_eq(offset, bytes);
	}
	close_all();
}
END_TEST

/* Where buffers are larger than frames of several messages are made. */
START_TEST(one_message_or_a_part_takes_all_of_a_buffer)
{
	const uint32_t whole = LONE_BYTES - 24;
	const uint32_t part = (whole - 8) & ~63u;
	const uint32_t sizes[] = {BODY, BODY + 1, whole, whole + 1, 2 * part,
		2 * part + 1};
	const uint32_t wanted[] = {1, 1, 1, 2, 2, 3};

	lone_bytes = LONE_BYTES;
	open_all(4 * LONE_BYTES, 8, (struct memory_wire_options){0});
	for (uint32_t i = 0; i < 6; i++) {
		uint32_t first = frame_count;
		struct msg_frame frame;

		ck_assert_int_eq(
			give(borrow(sizes[i]), 'l', sizes[i], i % 2), 0);
		ck_assert_int_eq(msg_transmitter_flush(&t), 0);
		ck_assert_uint_eq(frame_count - first, wanted[i]);
		frame = read_frame(first);
		ck_assert_uint_eq(frame.type, wanted[i] == 1
						      ? MSG_FRAME_SINGLE
						      : MSG_FRAME_FRAGMENT);
		ck_assert_uint_eq(frame.bytes,
			24 + (wanted[i] == 1 ? sizes[i] : 8 + part));
	}
	/* Batches are what they were. */
	for (uint32_t i = 0; i < 8; i++)
		give(borrow(BODY / 4), 'b', BODY / 4, true);
	ck_assert_int_eq(msg_transmitter_flush(&t), 0);
	ck_assert_uint_le(lengths[frame_count - 1], FRAME_BYTES);
	ck_assert_uint_eq(read_frame(frame_count - 1).type, MSG_FRAME_PACKED);
	close_all();
	lone_bytes = 0;
}
END_TEST

/* Of a long train few completions are asked for, and all buffers come back. */
START_TEST(few_completions_bring_all_buffers_home)
{
	struct memory_wire_options lagging = {.lag = true};

	open_all(100, 64, lagging);
	for (int i = 0; i < 3000; i++) {
		struct msg_loan loan;

		while (msg_transmitter_lend(&t, BODY / 11, &loan) < 0)
			;
		/* Large enough that a frame takes ten. */
		ck_assert_int_eq(give(loan, i, BODY / 11, true), 0);
	}
	msg_transmitter_linger(&t, MSG_NS_PER_S);
	ck_assert_uint_ge(frame_count, 300);
	ck_assert_uint_le(memory_wire_counts.signalled, frame_count / 8);
	ck_assert_uint_eq(t.lender.pool.free_count, 64);
	ck_assert_uint_eq(t.flight_head, t.flight_tail);
	close_all();
}
END_TEST

START_TEST(what_the_lane_refuses_is_counted_and_leaves_a_gap)
{
	uint64_t before;

	open_all(5 * BODY, 8, (struct memory_wire_options){0});
	memory_wire_options.refuse = 1000;
	ck_assert_int_eq(
		give(borrow(10), 'a', 10, false), -MSG_ERROR_FABRIC);
	ck_assert_uint_eq(counter(MSG_COUNTER_SEND_FAILED), 1);
	ck_assert_int_eq(
		give(borrow(4 * BODY), 'b', 4 * BODY, false), -MSG_ERROR_FABRIC);
	ck_assert_uint_eq(counter(MSG_COUNTER_SEND_FAILED), 2);
	/* Announcements tell of both: they are lost for every subscriber. */
	ck_assert_uint_eq(msg_counter_get(&t.sent), t.lender.sequence);
	for (int i = 0; i < 7; i++)
		ck_assert_int_eq(give(borrow(10), 'c', 10, true), 0);
	ck_assert_int_eq(msg_transmitter_flush(&t), -MSG_ERROR_FABRIC);
	ck_assert_uint_eq(counter(MSG_COUNTER_SEND_FAILED), 9);
	memory_wire_options.refuse = 0;
	before = t.lender.sequence;
	ck_assert_uint_eq(before, 0x0102030405060708 + 9);
	ck_assert_int_eq(give(borrow(10), 'd', 10, false), 0);
	ck_assert_uint_eq(frame_count, 1);
	ck_assert_uint_eq(read_frame(0).sequence, before);
	ck_assert_uint_eq(msg_counter_get(&t.sent), before + 1);
	msg_transmitter_linger(&t, MSG_NS_PER_S);
	ck_assert_uint_eq(t.lender.pool.free_count, 8);
	close_all();
}
END_TEST

START_TEST(a_lane_stuck_for_a_second_has_failed)
{
	uint64_t begin = msg_clock_ns();

	open_all(100, 8, (struct memory_wire_options){.again = 1000});
	ck_assert_int_eq(
		give(borrow(10), 'a', 10, false), -MSG_ERROR_FABRIC);
	ck_assert_uint_ge(msg_clock_ns() - begin, MSG_NS_PER_S);
	ck_assert_uint_eq(counter(MSG_COUNTER_SEND_FAILED), 1);
	ck_assert_uint_eq(t.lender.pool.free_count, 8);
	close_all();
}
END_TEST

/* What waits in a full lane leaves with the next flush that finds room, and
 * only then is it announced. */
START_TEST(a_flush_that_met_a_full_lane_can_be_repeated)
{
	uint64_t first;

	open_all(3 * BODY, 8, (struct memory_wire_options){0});
	first = msg_counter_get(&t.sent);
	ck_assert_int_eq(give(borrow(2 * BODY), 'a', 2 * BODY, true), 0);
	/* With the lane, and held back there by `more`. */
	ck_assert_uint_eq(frame_count, 0);
	memory_wire_options.again = 1000;
	ck_assert_int_eq(msg_transmitter_flush(&t), -MSG_ERROR_AGAIN);
	ck_assert_int_eq(msg_transmitter_flush(&t), -MSG_ERROR_AGAIN);
	ck_assert_uint_eq(frame_count, 0);
	ck_assert_uint_eq(msg_counter_get(&t.sent), first);
	memory_wire_options.again = 0;
	ck_assert_int_eq(msg_transmitter_flush(&t), 0);
	ck_assert_uint_eq(frame_count, 3);
	ck_assert_uint_eq(msg_counter_get(&t.sent), first + 1);
	msg_transmitter_linger(&t, MSG_NS_PER_S);
	ck_assert_uint_eq(t.lender.pool.free_count, 8);
	close_all();
}
END_TEST

START_TEST(a_last_frame_that_is_refused_keeps_nobody_back)
{
	open_all(BODY, 8, (struct memory_wire_options){0});
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(give(borrow(BODY), 'a' + i, BODY, true), 0);
	/* Two are with the lane, held back by `more`, one is being filled. */
	ck_assert_uint_eq(t.unflushed, 2);
	memory_wire_options.refuse = 1000;
	ck_assert_int_eq(msg_transmitter_flush(&t), -MSG_ERROR_FABRIC);
	ck_assert_uint_eq(frame_count, 2);
	msg_transmitter_linger(&t, MSG_NS_PER_S);
	ck_assert_uint_eq(t.lender.pool.free_count, 8);
	close_all();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transmit");
	TCase *frames_case = check_case(suite, "frames", 20);
	TCase *lane = check_case(suite, "lane", 20);

	tcase_add_test(frames_case, a_lone_message_is_a_header_and_itself);
	tcase_add_test(frames_case,
		the_table_of_a_packed_frame_may_come_from_elsewhere);
	tcase_add_test(frames_case, fragments_cover_the_message_once);
	tcase_add_test(frames_case,
		one_message_or_a_part_takes_all_of_a_buffer);
	tcase_add_test(lane, few_completions_bring_all_buffers_home);
	tcase_add_test(
		lane, what_the_lane_refuses_is_counted_and_leaves_a_gap);
	tcase_add_test(lane, a_lane_stuck_for_a_second_has_failed);
	tcase_add_test(lane, a_flush_that_met_a_full_lane_can_be_repeated);
	tcase_add_test(lane, a_last_frame_that_is_refused_keeps_nobody_back);
	return check_main(suite, NULL);
}
