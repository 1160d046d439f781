/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_hold.c - a broker's readers hold back the publishers of connected topics, and
 * nobody else; see libmsg/engine/hold.c.  Frames are entries put by hand, the clock
 * is the receiver's.
 */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "engine/receive_internal.h"
#include "pool/ring_reader.h"
#include "pool/ring_wait.h"

#define WIDE 64u
#define PARTS (WIDE * 3 / 8) /* For all connected streams. */
#define TOPICS 8u
#define ENTRIES 128u
#define IN_HAND 64u
#define MS MSG_NS_PER_MS

static struct msg_receiver r;
static struct topic {
	struct msg_ring_header *header;
	struct msg_ring_writer writer;
	struct msg_ring_ledger *ledger;
	struct msg_ring_reader reader;
	struct msg_stream *stream;
} topics[TOPICS];
static uint32_t hoarder, hoarded_topic, hoarded_count;

static void hoarded(void *context, uint32_t topic, uint32_t reader)
{
	ck_assert_ptr_eq(context, &r);
	hoarded_topic = topic;
	hoarder = reader;
	hoarded_count++;
}

static void *zeroed(size_t bytes)
{
	void *made = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

	ck_assert_ptr_nonnull(made);
	return memset(made, 0, bytes);
}

static void open_topic(uint32_t number, bool awaited)
{
	struct topic *t = &topics[number];
	struct msg_ring_writer_options options = {
		.header = t->header = zeroed(msg_ring_bytes(ENTRIES)),
		.entry_count = ENTRIES,
		.pin_max = ENTRIES,
		.free = msg_receiver_free,
		.context = &r,
	};

	ck_assert_int_eq(msg_ring_writer_open(&t->writer, &options), 0);
	t->ledger = zeroed(msg_ring_ledger_bytes(IN_HAND));
	msg_ring_writer_add(&t->writer, 0, t->ledger, IN_HAND, MSG_RING_LAP);
	if (awaited)
		msg_ring_await(&t->writer, 0);
	msg_ring_reader_open(&t->reader, t->header, ENTRIES, t->ledger, 0,
		MSG_RING_HEAD);
	msg_receiver_publish_to(&r, number, &t->writer);
}

static void setup(void)
{
	struct msg_receive_options options = {
		.frame_bytes = 512,
		.buffer_count = WIDE,
		.message_bytes_max = 10000,
		.publisher_count_max = 16,
		.topic_count_max = TOPICS,
		.reliable = true,
		.revoke = true,
		.connected_count = WIDE,
		.connected_bytes = 2048,
		.hoarded = hoarded,
		.hoarded_context = &r,
	};

	ck_assert_int_eq(msg_receiver_open(&r, &options), 0);
	/* Opened, for all that is asked here. */
	r.session = (struct msg_session *)&r;
	r.now = 1000 * MS;
	hoarded_count = 0;
	memset(topics, 0, sizeof topics);
	for (uint32_t i = 0; i < TOPICS; i++)
		open_topic(i, true);
}

static void teardown(void)
{
	r.session = NULL;
	for (uint32_t i = 0; i < TOPICS; i++) {
		msg_ring_writer_close(&topics[i].writer);
		free(topics[i].header);
		free(topics[i].ledger);
	}
	msg_receiver_close(&r);
}

static void offer(uint32_t topic, uint64_t give_up_ns)
{
	struct topic *t = &topics[topic];

	t->stream = msg_stream_add(
		&r.streams, topic + 1, topic, 1, msg_receiver_evict, &r);
	t->stream->topic = topic;
	t->stream->calls = t->stream->open = true;
	t->stream->kind = MSG_STREAM_RELIABLE;
	/* Reports as the position moves are wanted. */
	t->stream->recover.report_at = UINT64_MAX - 1;
	hold_offered(&r, t->stream, give_up_ns);
	hold_opened(&r, t->stream);
}

static void tell(uint32_t topic)
{
	hold_told(&r, topics[topic].stream, hold_room(&r, topics[topic].stream));
}

/* Frames come by its connection. */
static void come(uint32_t topic, uint32_t count)
{
	struct topic *t = &topics[topic];

	for (uint32_t i = 0; i < count; i++) {
		struct msg_ring_item item = {
			.sequence = t->writer.head,
			.kind = MSG_RING_SINGLE,
		};
		uint32_t slot = msg_receive_get_wide(&r.pool);

		ck_assert_uint_ne(slot, MSG_RECEIVE_NONE);
		ck_assert(msg_ring_room(&t->writer, 1));
		msg_ring_append(&t->writer, &item, slot);
		t->stream->recover.next++;
		hold_arrived(&r, t->stream);
	}
}

static void read_some(uint32_t topic, uint32_t count, bool settle)
{
	struct topic *t = &topics[topic];
	uint64_t to = t->reader.next + count;

	ck_assert_uint_le(msg_ring_hold(&t->reader, to, true), to - count);
	if (settle)
		msg_ring_settle(&t->reader, to);
}

/* A report is due for its stream, and goes out. */
static bool reports(uint32_t topic)
{
	struct msg_stream *s = topics[topic].stream;
	bool due = s->recover.report_at == s->recover.next;

	s->recover.report_at = UINT64_MAX - 1;
	if (due)
		tell(topic);
	return due;
}

static void look_for(uint64_t ns)
{
	uint64_t end = r.now + ns;

	while (r.now < end) {
		r.now += MS;
		hold_turn(&r);
	}
}

static uint64_t floor_of(uint32_t topic)
{
	return atomic_load(&topics[topic].header->floor[0]);
}

/* ---- windows -------------------------------------------------------------- */

START_TEST(a_window_is_what_readers_leave_of_its_part)
{
	offer(0, 0);
	ck_assert_uint_eq(hold_room(&r, topics[0].stream), PARTS / 2);
	come(0, 5);
	ck_assert_uint_eq(hold_room(&r, topics[0].stream), PARTS / 2 - 5);
	come(0, PARTS / 2 - 5);
	ck_assert_uint_eq(hold_room(&r, topics[0].stream), 0);
	read_some(0, 7, false);
	ck_assert_uint_eq(hold_room(&r, topics[0].stream), 0);
	msg_ring_settle(&topics[0].reader, 7);
	ck_assert_uint_eq(hold_room(&r, topics[0].stream), 7);
}
END_TEST

START_TEST(all_parts_together_leave_the_rest)
{
	uint32_t all = 0;

	for (uint32_t i = 0; i < TOPICS; i++)
		offer(i, 0);
	for (uint32_t i = 0; i < TOPICS; i++)
		all += hold_room(&r, topics[i].stream);
	ck_assert_uint_le(all, PARTS);
	ck_assert_uint_ge(all, PARTS - TOPICS);
	/* One that stands still takes nothing from another. */
	come(3, hold_room(&r, topics[3].stream));
	ck_assert_uint_eq(hold_room(&r, topics[3].stream), 0);
	ck_assert_uint_eq(hold_room(&r, topics[4].stream), PARTS / TOPICS);
	for (uint32_t i = 4; i < 7; i++)
		hold_stop(&r, topics[i].stream);
	ck_assert_uint_gt(hold_room(&r, topics[7].stream), PARTS / TOPICS);
}
END_TEST

START_TEST(who_only_says_that_he_is_there_has_no_part)
{
	struct msg_stream *s;

	offer(0, 0);
	for (uint32_t i = 0; i < 10; i++) {
		s = msg_stream_add(
			&r.streams, 100 + i, 7, 1, msg_receiver_evict, &r);
		s->topic = 7;
		s->calls = true;
		hold_offered(&r, s, 0);
	}
	ck_assert_uint_eq(hold_room(&r, topics[0].stream), PARTS / 2);
	ck_assert_uint_eq(hold_room(&r, s), PARTS / 2);
	hold_opened(&r, s);
	hold_opened(&r, s);
	ck_assert_uint_eq(r.holding, 2);
	hold_closed(&r, s);
	ck_assert_uint_eq(r.holding, 1);
	/* Its readers are waited for as long as it may come again. */
	ck_assert(topics[7].writer.waits);
}
END_TEST

START_TEST(what_is_kept_for_who_comes_late_takes_no_room)
{
	topics[0].writer.retain = ENTRIES / 4;
	offer(0, 0);
	come(0, PARTS / 2);
	read_some(0, PARTS / 2, true);
	ck_assert_uint_eq(hold_room(&r, topics[0].stream), PARTS / 2);
	ck_assert_uint_eq(msg_ring_backlog(&topics[0].writer), PARTS / 2);
	/* Nor where somebody keeps one of them. */
	come(0, 2);
	read_some(0, 2, false);
	msg_ring_keep(&topics[0].reader, 0, PARTS / 2);
	atomic_store(&topics[0].ledger->held_top, 1);
	msg_ring_settle(&topics[0].reader, PARTS / 2 + 2);
	msg_ring_reclaim(&topics[0].writer, 0);
	ck_assert_uint_eq(hold_room(&r, topics[0].stream), PARTS / 2 - 1);
}
END_TEST

START_TEST(half_of_what_was_told_is_told_again)
{
	offer(0, 0);
	tell(0);
	ck_assert_uint_eq(topics[0].stream->told_window, PARTS / 2);
	come(0, PARTS / 4 - 1);
	ck_assert(!reports(0));
	come(0, 1);
	ck_assert(reports(0));
	/* Down to nothing, and then it stands still. */
	while (hold_room(&r, topics[0].stream) > 0) {
		ck_assert_uint_eq(r.stalled, 0);
		come(0, 1);
		reports(0);
	}
	ck_assert_uint_eq(topics[0].stream->told_window, 0);
	ck_assert_uint_eq(r.stalled, 1);
}
END_TEST

static void stall(uint32_t topic)
{
	tell(topic);
	while (hold_room(&r, topics[topic].stream) > 0) {
		come(topic, 1);
		reports(topic);
	}
	ck_assert(topics[topic].stream->stalled);
}

START_TEST(a_reader_that_goes_on_is_seen_to_without_a_frame)
{
	offer(0, 0);
	stall(0);
	ck_assert_uint_le(msg_receiver_look_ahead(&r), r.hold_ns);
	look_for(5 * MS);
	ck_assert(!reports(0));
	read_some(0, PARTS / 8, true);
	look_for(MS);
	ck_assert(reports(0));
	ck_assert_uint_eq(r.stalled, 0);
	ck_assert_uint_eq(topics[0].stream->told_window, PARTS / 8);
	ck_assert_uint_eq(floor_of(0), 0);
}
END_TEST

START_TEST(a_connection_that_ends_is_not_looked_after)
{
	offer(0, 0);
	stall(0);
	hold_closed(&r, topics[0].stream);
	ck_assert_uint_eq(r.stalled, 0);
	hold_stop(&r, topics[0].stream);
	hold_stop(&r, topics[0].stream);
	ck_assert_uint_eq(r.holding, 0);
	ck_assert(!topics[0].writer.waits);
}
END_TEST

/* Parts of a message, of which nothing is in the ring yet. */
static void assemble(uint32_t topic, uint32_t count)
{
	topics[topic].stream->assembly.slot_count += count;
	r.assembly_slots[true] += count;
	topics[topic].stream->heard_ns = msg_clock_coarse_ns();
}

START_TEST(messages_in_parts_end_one_after_another)
{
	for (uint32_t i = 0; i < 3; i++)
		offer(i, 0);
	assemble(0, WIDE / 16);
	assemble(1, WIDE / 16);
	/* As long as there is room for both. */
	ck_assert_uint_gt(hold_room(&r, topics[0].stream), 0);
	ck_assert_uint_gt(hold_room(&r, topics[1].stream), 0);
	assemble(1, 1);
	ck_assert_uint_eq(hold_room(&r, topics[0].stream), 0);
	ck_assert_uint_gt(hold_room(&r, topics[1].stream), 0);
	ck_assert_uint_gt(hold_room(&r, topics[2].stream), 0);
	/* One that cannot go on, or does not, is not waited for. */
	come(1, PARTS / 3);
	ck_assert_uint_gt(hold_room(&r, topics[0].stream), 0);
	read_some(1, PARTS / 3, true);
	ck_assert_uint_eq(hold_room(&r, topics[0].stream), 0);
	topics[1].stream->heard_ns -= 200 * MS;
	ck_assert_uint_gt(hold_room(&r, topics[0].stream), 0);
	topics[1].stream->heard_ns += 200 * MS;
	topics[1].stream->open = false;
	ck_assert_uint_gt(hold_room(&r, topics[0].stream), 0);
	/* Nobody loses his readers for that. */
	topics[1].stream->open = true;
	tell(0);
	ck_assert(topics[0].stream->stalled);
	for (int i = 0; i < 30; i++) {
		topics[1].stream->heard_ns = msg_clock_coarse_ns();
		look_for(100 * MS);
	}
	ck_assert(!reports(0));
	ck_assert_uint_eq(floor_of(0), 0);
	for (uint32_t i = 0; i < 2; i++)
		topics[i].stream->assembly.slot_count = 0;
	r.assembly_slots[true] = 0;
}
END_TEST

/* ---- time ------------------------------------------------------------------ */

static void loses_after(uint64_t wait_ns)
{
	look_for(wait_ns - 10 * MS);
	ck_assert(!reports(0));
	ck_assert_uint_eq(floor_of(0), 0);
	look_for(20 * MS);
	ck_assert_uint_gt(floor_of(0), 0);
	ck_assert_uint_lt(floor_of(0), topics[0].writer.head);
	ck_assert(reports(0));
	ck_assert_uint_gt(topics[0].stream->told_window, 0);
	ck_assert_uint_eq(hoarded_count, 0);
}

START_TEST(who_stops_is_lapped_before_publishers_give_us_up)
{
	offer(0, 0);
	stall(0);
	loses_after(750 * MS);
}
END_TEST

/* By a second publisher of topic 0, which is not connected yet. */
static struct msg_stream *offer_another(uint64_t give_up_ns)
{
	struct msg_stream *other = msg_stream_add(
		&r.streams, 99, 0, 1, msg_receiver_evict, &r);

	other->topic = 0;
	other->calls = true;
	hold_offered(&r, other, give_up_ns);
	return other;
}

START_TEST(as_early_as_the_least_patient_publisher_wants)
{
	offer(0, 400 * MS);
	hold_opened(&r, offer_another(2000 * MS));
	stall(0);
	loses_after(300 * MS);
}
END_TEST

/* By what he said first, and no longer than he is there. */
START_TEST(but_not_as_one_wants_who_is_not_connected)
{
	struct msg_stream *other;

	offer(0, 400 * MS);
	other = offer_another(20 * MS);
	hold_offered(&r, topics[0].stream, 20 * MS);
	ck_assert_uint_eq(hold_patience(&r, 0), 300 * MS);
	hold_opened(&r, other);
	ck_assert_uint_eq(hold_patience(&r, 0), 15 * MS);
	hold_closed(&r, other);
	ck_assert_uint_eq(hold_patience(&r, 0), 300 * MS);
	stall(0);
	loses_after(300 * MS);
}
END_TEST

START_TEST(or_as_late)
{
	offer(0, 4000 * MS);
	stall(0);
	loses_after(3000 * MS);
}
END_TEST

START_TEST(who_was_lapped_once_is_so_at_once_until_he_reads)
{
	offer(0, 0);
	stall(0);
	look_for(760 * MS);
	ck_assert(reports(0));
	for (int i = 0; i < 20; i++) {
		stall(0);
		look_for(2 * MS);
		ck_assert(reports(0));
	}
	msg_ring_skip(&topics[0].reader, floor_of(0));
	read_some(0, 1, true);
	stall(0);
	look_for(500 * MS);
	ck_assert(!reports(0));
}
END_TEST

START_TEST(who_gives_nothing_back_loses_the_ring)
{
	offer(0, 0);
	stall(0);
	read_some(0, PARTS / 2, false);
	look_for(740 * MS);
	ck_assert_uint_eq(hoarded_count, 0);
	look_for(20 * MS);
	ck_assert_uint_eq(hoarded_count, 1);
	ck_assert_uint_eq(hoarded_topic, 0);
	ck_assert_uint_eq(hoarder, 0);
	ck_assert(msg_ring_evicted(&topics[0].reader));
	ck_assert(reports(0));
	ck_assert_uint_eq(hold_room(&r, topics[0].stream), PARTS / 2);
}
END_TEST

START_TEST(who_is_not_awaited_holds_up_nobody)
{
	msg_ring_writer_remove(&topics[0].writer, 0);
	memset(topics[0].ledger, 0, sizeof *topics[0].ledger);
	msg_ring_writer_add(&topics[0].writer, 0, topics[0].ledger, IN_HAND,
		MSG_RING_LAP);
	offer(0, 0);
	tell(0);
	for (int i = 0; i < 300; i++) {
		come(0, 1);
		reports(0);
		look_for(MS);
		reports(0);
		ck_assert(!topics[0].stream->stalled);
	}
	ck_assert_uint_gt(floor_of(0), 0);
}
END_TEST

/* ---- when slots are short --------------------------------------------------- */

/* A publisher that waits for nobody, and a reader that stands still. */
START_TEST(what_is_too_much_is_taken_when_others_need_it)
{
	offer(0, 0);
	offer(1, 0);
	come(1, PARTS / 2);
	come(0, WIDE - WIDE / 4 - PARTS / 2);
	receive_reclaim(&r);
	ck_assert_uint_eq(floor_of(0), 0);
	come(0, 1);
	receive_reclaim(&r);
	ck_assert_uint_eq(msg_ring_backlog(&topics[0].writer), PARTS / 2);
	ck_assert_uint_eq(floor_of(1), 0);
	ck_assert_uint_eq(msg_ring_backlog(&topics[1].writer), PARTS / 2);
}
END_TEST

/* Narrow slots of a topic that has both: nobody is to wait for them. */
START_TEST(slots_of_others_are_not_held)
{
	struct msg_ring_item item = {.kind = MSG_RING_SINGLE};

	offer(0, 0);
	come(0, PARTS / 2);
	while (r.pool.free_count >= r.pool.narrow / 4)
		msg_ring_append(&topics[0].writer, &item,
			msg_receive_get(&r.pool));
	ck_assert(!msg_receiver_short(&r));
	ck_assert_uint_gt(floor_of(0), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hold");
	TCase *window = check_case(suite, "window", 10);
	TCase *time = check_case(suite, "time", 10);

	tcase_add_checked_fixture(window, setup, teardown);
	tcase_add_test(window, a_window_is_what_readers_leave_of_its_part);
	tcase_add_test(window, all_parts_together_leave_the_rest);
	tcase_add_test(window, who_only_says_that_he_is_there_has_no_part);
	tcase_add_test(window, what_is_kept_for_who_comes_late_takes_no_room);
	tcase_add_test(window, half_of_what_was_told_is_told_again);
	tcase_add_test(
		window, a_reader_that_goes_on_is_seen_to_without_a_frame);
	tcase_add_test(window, a_connection_that_ends_is_not_looked_after);
	tcase_add_test(window, messages_in_parts_end_one_after_another);
	tcase_add_test(window, what_is_too_much_is_taken_when_others_need_it);
	tcase_add_test(window, slots_of_others_are_not_held);
	tcase_add_checked_fixture(time, setup, teardown);
	tcase_add_test(time, who_stops_is_lapped_before_publishers_give_us_up);
	tcase_add_test(time, as_early_as_the_least_patient_publisher_wants);
	tcase_add_test(time,
		but_not_as_one_wants_who_is_not_connected);
	tcase_add_test(time, or_as_late);
	tcase_add_test(
		time, who_was_lapped_once_is_so_at_once_until_he_reads);
	tcase_add_test(time, who_gives_nothing_back_loses_the_ring);
	tcase_add_test(time, who_is_not_awaited_holds_up_nobody);
	return check_main(suite, NULL);
}
