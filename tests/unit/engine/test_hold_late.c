/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_hold_late.c - a broker's readers that come late to a connected topic are sent
 * its history no faster than they take it; see libmsg/engine/hold.c and
 * protocol/recover.h, "Room".
 *
 * The publisher is a link that notes what is asked for, and sends it when it is told
 * to.
 */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "engine/receive_internal.h"
#include "pool/ring_reader.h"
#include "pool/ring_wait.h"
#include "virtual_clock.h"

#define WIDE 64u
#define PART (WIDE * 3 / 8 / 2) /* Of the only stream there is. */
#define ENTRIES 128u
#define IN_HAND 64u
#define MS MSG_NS_PER_MS
#define PUBLISHER 7u
#define TAG 5u
#define CALL 3u
#define FEW 4 /* Frames that a look at a connection finds. */
#define FRAMES 400u /* Sent before anybody came. */
#define GIVE_UP (100 * MS) /* Of the reader; of the publisher a second. */

static struct msg_receiver r;
static struct msg_stream *s;
static struct msg_ring_header *header;
static struct msg_ring_writer writer;
static struct msg_ring_ledger *ledger;
static struct msg_ring_reader reader;

static struct {
	struct msg_link link;
	bool asked[FRAMES]; /* … for, and not sent yet. */
	uint32_t serial;
	uint64_t stamp;
	uint64_t probed_ns;
	uint32_t posted[WIDE]; /* Buffers of the connection, … */
	uint32_t post_count, used_count;
	bool sends; /* … into which it puts a few at each look. */
} publisher;

/* Of the group: nothing comes by it. */
static struct msg_link group;

/* ---- the publisher -------------------------------------------------------- */

static int hear(struct msg_link *link, const struct msg_link_send *send)
{
	const uint8_t *data = send->iov[0].iov_base;
	struct msg_report report;
	struct msg_frame frame;

	ck_assert_ptr_eq(link, &publisher.link);
	ck_assert_uint_eq(send->group, CALL);
	ck_assert_int_eq(msg_frame_read(data, (uint32_t)send->iov[0].iov_len,
				 &frame), MSG_FRAME_OK);
	ck_assert(msg_report_read(
		&report, &frame, data + MSG_FRAME_HEADER_BYTES));
	for (uint32_t i = 0; i < report.count; i++)
		if (msg_report_misses(&report, i)) {
			ck_assert_uint_lt(report.base + i, FRAMES);
			publisher.asked[report.base + i] = true;
		}
	/* It has left. */
	r.calls.tail = r.calls.head + 1;
	return 0;
}

static int post(struct msg_link *link, void *data, uint32_t bytes,
	uint32_t token, bool more)
{
	(void)link;
	(void)data;
	(void)bytes;
	(void)more;
	publisher.posted[publisher.post_count++ % WIDE] = token;
	return 0;
}

static uint32_t write_frame(uint32_t slot, uint32_t number)
{
	struct msg_frame frame = {
		.type = MSG_FRAME_SINGLE,
		.flags = MSG_FRAME_RELIABLE | MSG_FRAME_REPAIR,
		.bytes = MSG_FRAME_HEADER_BYTES + 8,
		.tag = TAG,
		.publisher = PUBLISHER,
		.transmission = number,
		.sequence = (uint64_t)++publisher.serial << 32 | number,
	};

	publisher.asked[number] = false;
	msg_frame_write(receive_frame(&r, slot), &frame);
	return frame.bytes;
}

static int give(struct msg_link *link, struct msg_link_event *events, int count)
{
	int n = 0;

	if (link == &group || !publisher.sends)
		return 0;
	for (uint32_t i = 0; i < FRAMES && n < FEW; i++) {
		uint32_t slot =
			publisher.posted[publisher.used_count % WIDE];

		if (!publisher.asked[i])
			continue;
		ck_assert_uint_lt(publisher.used_count, publisher.post_count);
		publisher.used_count++;
		events[n++] = (struct msg_link_event){
			.type = MSG_LINK_RECEIVED,
			.token = slot,
			.bytes = write_frame(slot, i),
			.handle = CALL,
		};
	}
	ck_assert_int_le(n, count);
	return n;
}

static const struct msg_link_ops ops = {
	.send = hear, .poll = give, .post = post};

static void say(uint8_t flags)
{
	struct msg_probe probe = {
		.incarnation = 1,
		.stamp = ++publisher.stamp,
		.next = FRAMES,
		.next_sequence = FRAMES,
		.serial = publisher.serial,
		.period_ms = 50,
		.flags = MSG_PROBE_FLOW | flags,
		.reach = {2, {1, 2}},
	};

	publisher.probed_ns = r.now;
	ck_assert(msg_recover_probe(&s->recover, &probe, r.now));
	recovery_drain(&r, s);
}

static void send_again(uint32_t number)
{
	uint32_t slot = msg_receive_get_wide(&r.pool);

	ck_assert_uint_ne(slot, MSG_RECEIVE_NONE);
	r.calls.posted--;
	if (!receive_aside(&r, slot, write_frame(slot, number), CALL))
		msg_receive_put(&r.pool, slot);
	hold_arrived(&r, s);
}

static uint32_t count_asked(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < FRAMES; i++)
		count += publisher.asked[i];
	return count;
}

static void answer_all(void)
{
	for (uint32_t i = 0; i < FRAMES; i++)
		if (publisher.asked[i])
			send_again(i);
}

/* ---- the receiver ---------------------------------------------------------- */

static void open_ring(void)
{
	struct msg_ring_writer_options options = {
		.header = header = aligned_alloc(
			64, (msg_ring_bytes(ENTRIES) + 63) & ~(size_t)63),
		.entry_count = ENTRIES,
		.pin_max = ENTRIES,
		.free = msg_receiver_free,
		.context = &r,
	};

	ledger = aligned_alloc(
		64, (msg_ring_ledger_bytes(IN_HAND) + 63) & ~(size_t)63);
	memset(header, 0, msg_ring_bytes(ENTRIES));
	memset(ledger, 0, msg_ring_ledger_bytes(IN_HAND));
	ck_assert_int_eq(msg_ring_writer_open(&writer, &options), 0);
	msg_ring_writer_add(&writer, 0, ledger, IN_HAND, MSG_RING_LAP);
	msg_ring_await(&writer, 0);
	msg_ring_reader_open(
		&reader, header, ENTRIES, ledger, 0, MSG_RING_HEAD);
	msg_receiver_publish_to(&r, 0, &writer);
}

static void connect_stream(void)
{
	s = msg_stream_add(&r.streams, PUBLISHER, TAG, 1, msg_receiver_evict, &r);
	s->topic = 0;
	s->calls = s->open = true;
	s->handle = CALL;
	s->incarnation = 1;
	hold_offered(&r, s, 1000 * MS);
	hold_opened(&r, s);
	recovery_start(&r, s);
	say(MSG_PROBE_JOIN | MSG_PROBE_ASK);
}

static void setup(void)
{
	struct msg_receive_options options = {
		.frame_bytes = 512,
		.buffer_count = 256,
		.message_bytes_max = 10000,
		.publisher_count_max = 16,
		.topic_count_max = 2,
		.reliable = true,
		.revoke = true,
		.connected_count = WIDE,
		.connected_bytes = 2048,
	};
	struct msg_receive_wish wish = {
		.give_up_ns = GIVE_UP, .history = UINT32_MAX};

	memset(&publisher, 0, sizeof publisher);
	publisher.link = (struct msg_link){
		.ops = &ops, .receive_count = WIDE, .send_count = 64};
	group = (struct msg_link){.ops = &ops};
	ck_assert_int_eq(msg_receiver_open(&r, &options), 0);
	ck_assert_int_eq(msg_region_open(&r.calls.region, 64 * 256), 0);
	r.session = (struct msg_session *)&r;
	r.calls.link = r.side.link = &publisher.link;
	r.calls.posted = WIDE;
	r.link = &group;
	r.now = virtual_clock_ns();
	msg_receiver_wish(&r, 0, &wish);
	open_ring();
	connect_stream();
}

static void teardown(void)
{
	s->open = s->used = false;
	r.session = NULL;
	msg_ring_writer_close(&writer);
	free(header);
	free(ledger);
	msg_receiver_close(&r);
}

/* A turn, `ns` later: with nothing on the way but what `answers` sends. */
static void turn(uint64_t ns, bool answers)
{
	r.now += ns;
	if (answers)
		answer_all();
	if (r.now - publisher.probed_ns >= 50 * MS)
		say(0);
	r.empty_ns = r.now;
	if (r.now >= r.deadline)
		msg_receiver_expire(&r);
	/* As posting does: what is free is not posted here. */
	r.calls.posted = 0;
	receive_reclaim(&r);
	hold_turn(&r);
	recovery_report_all(&r);
}

static uint64_t lapped(void)
{
	return atomic_load(&header->floor[0]);
}

/* What there is, at most `count`, and given back. */
static uint32_t read_some(uint32_t count)
{
	uint64_t from = reader.next;
	struct msg_ring_item item;

	while (reader.next - from < count &&
		msg_ring_peek(&reader, reader.next, &item) == MSG_RING_ENTRY) {
		ck_assert_uint_eq(item.sequence, reader.next);
		ck_assert_uint_eq(item.lost, 0);
		msg_ring_hold(&reader, reader.next + 1, true);
		msg_ring_settle(&reader, reader.next);
	}
	return (uint32_t)(reader.next - from);
}

/* ---- tests ------------------------------------------------------------------ */

START_TEST(no_more_is_asked_for_than_readers_have_room_for)
{
	for (int i = 0; i < 300; i++) {
		turn(MS, false);
		ck_assert_uint_le(count_asked(), PART);
		if (i % 3 == 0)
			answer_all();
		ck_assert_uint_le(msg_ring_backlog(&writer), PART);
	}
	ck_assert_uint_eq(msg_ring_backlog(&writer), PART);
	ck_assert_uint_eq(lapped(), 0);
	ck_assert_uint_eq(s->recover.lost_total, 0);
}
END_TEST

/* All of it takes far longer than a gap may wait, or the publisher does. */
START_TEST(a_slow_reader_that_comes_late_loses_nothing)
{
	for (int i = 0; i < 20000 && reader.next < FRAMES; i++) {
		turn(MS, true);
		if (i % 7 == 0)
			read_some(1);
		ck_assert_uint_eq(lapped(), 0);
	}
	ck_assert_uint_eq(reader.next, FRAMES);
	ck_assert_uint_eq(s->recover.lost_total, 0);
}
END_TEST

/* What has room again is asked for at once. */
START_TEST(a_fast_reader_does_not_wait)
{
	uint32_t turns = 0;

	while (reader.next < FRAMES && turns < 10000) {
		turn(MS / 10, true);
		read_some(FRAMES);
		turns++;
	}
	ck_assert_uint_eq(reader.next, FRAMES);
	ck_assert_uint_lt(turns, 8 * FRAMES / PART);
}
END_TEST

START_TEST(who_takes_nothing_is_waited_for_as_long_as_ever)
{
	for (int i = 0; i < 740; i++)
		turn(MS, true);
	ck_assert_uint_eq(lapped(), 0);
	ck_assert_uint_eq(s->recover.lost_total, 0);
	for (int i = 0; i < 40; i++)
		turn(MS, true);
	ck_assert_uint_gt(lapped(), 0);
	ck_assert_uint_eq(s->recover.lost_total, 0);
}
END_TEST

/* Who has room and is not answered gives up, as ever. */
START_TEST(what_is_asked_for_and_does_not_come_is_lost)
{
	for (int i = 0; i < 95; i++)
		turn(MS, false);
	ck_assert_uint_eq((uint32_t)s->recover.next, 0);
	for (int i = 0; i < 10; i++)
		turn(MS, false);
	ck_assert_uint_eq((uint32_t)s->recover.next, PART);
	/* What was asked for then has as long. */
	for (int i = 0; i < 80; i++)
		turn(MS, false);
	ck_assert_uint_eq((uint32_t)s->recover.next, PART);
	answer_all();
	ck_assert_uint_eq(s->recover.counts.given_up, PART);
	ck_assert_uint_gt(msg_ring_backlog(&writer), 0);
}
END_TEST

/* A broker that had no processor for long finds more on a connection than a look at
 * it shows: what has come is not lost for that. */
START_TEST(what_lies_on_a_connection_has_come)
{
	r.calls.posted = 0;
	ck_assert_int_ge(msg_receiver_turn(&r), 0);
	ck_assert_uint_eq(count_asked(), PART);
	for (int i = 0; i < 2; i++) {
		virtual_clock_pass(45 * MS);
		r.now = virtual_clock_ns();
		say(0);
	}
	virtual_clock_pass(15 * MS);
	publisher.sends = true;
	for (uint32_t i = 1; i <= PART / FEW; i++) {
		ck_assert_int_ge(msg_receiver_turn(&r), 0);
		ck_assert_uint_eq((uint32_t)s->recover.next, i * FEW);
	}
	ck_assert_uint_eq(msg_ring_backlog(&writer), PART);
	ck_assert_uint_eq(s->recover.lost_total, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hold_late");
	TCase *late = check_case(suite, "late", 20);

	tcase_add_checked_fixture(late, setup, teardown);
	tcase_add_test(late, no_more_is_asked_for_than_readers_have_room_for);
	tcase_add_test(late, a_slow_reader_that_comes_late_loses_nothing);
	tcase_add_test(late, a_fast_reader_does_not_wait);
	tcase_add_test(
		late, who_takes_nothing_is_waited_for_as_long_as_ever);
	tcase_add_test(late, what_is_asked_for_and_does_not_come_is_lost);
	tcase_add_test(late, what_lies_on_a_connection_has_come);
	return check_main(suite, NULL);
}
