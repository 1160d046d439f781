/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_torn.c - a subscriber connects while a message is under way whose first part
 * its publisher keeps no more; see note_torn in libmsg/engine/recovery.c.
 */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "engine/receive_internal.h"
#include "pool/ring_reader.h"

#define PUBLISHER 7u
#define TAG 5u
#define CALL 3u
#define TORN 10u    /* The message under way. */
#define FRAME 20u   /* Its frame that comes next. */
#define PART 64u
#define PARTS 4u

static struct msg_receiver r;
static struct msg_stream *s;
static struct msg_ring_header *header;
static struct msg_ring_writer writer;
static struct msg_ring_ledger *ledger;
static struct msg_ring_reader reader;

/* Nothing leaves, and nothing comes by itself. */
static int take(struct msg_link *link, const struct msg_link_send *send)
{
	(void)link;
	(void)send;
	r.calls.tail = r.calls.head + 1;
	return 0;
}

static int give(struct msg_link *link, struct msg_link_event *events, int count)
{
	(void)link;
	(void)events;
	(void)count;
	return 0;
}

static const struct msg_link_ops ops = {.send = take, .poll = give};
static struct msg_link link = {
	.ops = &ops, .receive_count = 64, .send_count = 64};

static void setup(void)
{
	struct msg_receive_options options = {
		.frame_bytes = 512,
		.buffer_count = 256,
		.message_bytes_max = 10000,
		.publisher_count_max = 16,
		.topic_count_max = 2,
		.reliable = true,
		.connected_count = 64,
		.connected_bytes = 2048,
	};
	struct msg_ring_writer_options ring = {
		.entry_count = 64,
		.pin_max = 64,
		.free = msg_receiver_free,
		.context = &r,
	};

	ck_assert_int_eq(msg_receiver_open(&r, &options), 0);
	ck_assert_int_eq(msg_region_open(&r.calls.region, 64 * 256), 0);
	r.session = (struct msg_session *)&r;
	r.calls.link = r.side.link = r.link = &link;
	r.calls.posted = 64;
	ring.header = header = aligned_alloc(
		64, (msg_ring_bytes(64) + 63) & ~(size_t)63);
	ledger = aligned_alloc(
		64, (msg_ring_ledger_bytes(64) + 63) & ~(size_t)63);
	memset(header, 0, msg_ring_bytes(64));
	memset(ledger, 0, msg_ring_ledger_bytes(64));
	ck_assert_int_eq(msg_ring_writer_open(&writer, &ring), 0);
	msg_ring_writer_add(&writer, 0, ledger, 64, MSG_RING_LAP);
	msg_ring_reader_open(&reader, header, 64, ledger, 0, MSG_RING_HEAD);
	ck_assert(msg_receiver_accept(&r, TAG, 0));
	msg_receiver_publish_to(&r, 0, &writer);
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

/* Its probe says that it begins in the middle of TORN; `due` is from which message on
 * it was heard of. */
static void connect_at(uint64_t due)
{
	struct msg_probe probe = {
		.incarnation = PUBLISHER,
		.stamp = 1,
		.first = FRAME,
		.next = FRAME,
		.first_sequence = TORN,
		.next_sequence = TORN,
		.period_ms = 50,
		.flags = MSG_PROBE_JOIN | MSG_PROBE_ASK,
		.reach = {2, {1, 2}},
	};
	uint8_t said[128];
	struct msg_frame frame;
	uint32_t bytes = msg_probe_write(said, &probe, TAG, PUBLISHER);

	s = msg_stream_add(&r.streams, PUBLISHER, TAG, 1, msg_receiver_evict, &r);
	s->topic = 0;
	s->calls = s->open = true;
	s->handle = CALL;
	s->incarnation = PUBLISHER;
	s->due = s->wanted = due;
	recovery_start(&r, s);
	ck_assert_int_eq(msg_frame_read(said, bytes, &frame), MSG_FRAME_OK);
	recovery_probe(&r, &frame, said + MSG_FRAME_HEADER_BYTES, CALL);
}

/* A frame of that message from part `part` on, or the message behind it. */
static void arrive(uint32_t number, uint64_t sequence, uint32_t part)
{
	struct msg_fragment piece = {
		.total = PARTS * PART, .offset = part * PART, .bytes = PART};
	struct msg_frame frame = {
		.type = sequence == TORN ? MSG_FRAME_FRAGMENT : MSG_FRAME_SINGLE,
		.flags = MSG_FRAME_RELIABLE,
		.bytes = MSG_FRAME_HEADER_BYTES + PART,
		.tag = TAG,
		.publisher = PUBLISHER,
		.transmission = number,
		.sequence = sequence,
	};
	struct msg_span span = {0, 0, 0, 0};
	uint32_t slot = msg_receive_get_wide(&r.pool);
	uint8_t *data = receive_frame(&r, slot);

	if (sequence == TORN)
		frame.bytes += MSG_FRAGMENT_HEADER_BYTES;
	msg_frame_write(data, &frame);
	if (sequence == TORN)
		msg_fragment_write(data + MSG_FRAME_HEADER_BYTES, &piece);
	ck_assert(receive_check_body(
		&frame, data + MSG_FRAME_HEADER_BYTES, &span));
	r.calls.posted--;
	recovery_arrived(&r, s, &frame, &span, slot);
}

/* The first message that is there, and what was lost before. */
static uint32_t lost_before(uint64_t sequence)
{
	struct msg_ring_item item;

	ck_assert_int_eq(
		msg_ring_peek(&reader, reader.next, &item), MSG_RING_ENTRY);
	ck_assert_uint_eq(item.sequence, sequence);
	return item.lost;
}

static uint32_t lost_when_due_from(uint64_t due)
{
	connect_at(due);
	for (uint32_t part = 1; part < PARTS; part++)
		arrive(FRAME + part - 1, TORN, part);
	arrive(FRAME + PARTS - 1, TORN + 1, 0);
	return lost_before(TORN + 1);
}

START_TEST(who_was_owed_it_is_told_of_its_loss)
{
	ck_assert_uint_eq(lost_when_due_from(TORN), 1);
	ck_assert_uint_eq(s->reason, MSG_LOSS_HISTORY);
}
END_TEST

START_TEST(it_is_one_loss_with_those_before_it)
{
	ck_assert_uint_eq(lost_when_due_from(TORN - 3), 4);
}
END_TEST

START_TEST(who_heard_of_its_publisher_behind_it_lost_nothing)
{
	ck_assert_uint_eq(lost_when_due_from(TORN + 1), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("torn");
	TCase *torn = check_case(suite, "torn", 20);

	tcase_add_checked_fixture(torn, setup, teardown);
	tcase_add_test(torn, who_was_owed_it_is_told_of_its_loss);
	tcase_add_test(torn, it_is_one_loss_with_those_before_it);
	tcase_add_test(torn, who_heard_of_its_publisher_behind_it_lost_nothing);
	return check_main(suite, NULL);
}
