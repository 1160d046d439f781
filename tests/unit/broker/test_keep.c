/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_keep.c - what a broker keeps of a reliable publisher of this host, and its
 * repair; see broker/keep.h and keep_sides.h.
 */
#include "keep_sides.h"

START_TEST(what_the_wire_loses_is_sent_again_from_the_publishers_memory)
{
	struct msg_control m = wish();

	publish_as(&m);
	flow(1);
	memory_wire_options.lose = _i == 0 ? 0 : 100;
	memory_wire_options.reorder = _i == 2 ? 50 : 0;
	flow(6000);
	ck_assert_uint_eq(sink.lost, 0);
	ck_assert_uint_eq(sink.taken, 6000);
	ck_assert(_i == 0 || relay()->keep->repairer.repair.counts.unicasts > 0);
	leave();
}
END_TEST

START_TEST(what_is_kept_is_bounded_by_what_was_asked_for)
{
	struct msg_control m = wish();
	const struct keep *k;

	m.publish.history_bytes = 64u << 10;
	publish_as(&m);
	k = relay()->keep;
	flow(3000);
	ck_assert_uint_eq(k->limits.slots, (64u << 10) / source.slot_bytes);
	/* As full as it may be, and the publisher has its loans all the same. */
	ck_assert_uint_ge(k->slots, k->limits.slots - k->limits.slots / 16 - 1);
	msg_ring_reclaim(&source.writer, 0);
	ck_assert_uint_ge(source.free_count, LOANS);
	leave();
}
END_TEST

START_TEST(nothing_leaves_before_there_are_receivers_to_wait_for)
{
	struct msg_control m = wish();
	uint64_t limit = msg_clock_ns() + LIMIT_NS;
	uint64_t before;

	m.publish.flow = MSG_FLOW_K_OF_N;
	m.publish.flow_count = 2;
	publish_as(&m);
	for (before = 0; put(); before++)
		server_turn(broker_server);
	/* The ring, or its slots, are full; nobody was sent anything. */
	ck_assert_uint_gt(before, LOANS);
	for (int i = 0; i < 100; i++) {
		server_turn(broker_server);
		take();
	}
	ck_assert_uint_eq(relay()->frames, 0);
	ck_assert(!put());
	/* And nobody turns without end for it. */
	publisher_sleep(relay());
	while (publisher_ready(relay())) {
		ck_assert_uint_lt(msg_clock_ns(), limit);
		server_turn(broker_server);
	}
	publisher_awake(relay());
	leave();
}
END_TEST

START_TEST(receivers_that_have_room_let_it_go_on)
{
	struct msg_control m = wish();

	m.publish.flow = MSG_FLOW_MIN;
	publish_as(&m);
	flow(1);
	memory_wire_options.lose = 50;
	flow(6000);
	ck_assert_uint_eq(sink.lost, 0);
	leave();
}
END_TEST

/* What the broker before was to send takes numbers, and is counted. */
START_TEST(what_was_never_sent_is_told_to_the_message)
{
	struct msg_control m = wish();

	publish_as(&m);
	flow(100);
	source.sequence += 5000;
	flow(5200);
	ck_assert_uint_eq(sink.lost, 5000);
	ck_assert_uint_eq(sink.taken, 200);
	leave();
}
END_TEST

START_TEST(a_stream_goes_on_where_another_broker_left_it)
{
	struct msg_control m = wish();
	uint64_t frames;

	publish_as(&m);
	flow(1);
	memory_wire_options.lose = 50;
	flow(1000);
	frames = relay()->keep->next;
	leave();
	/* As the next broker is told: its own numbers, and what it never had. */
	while (relay())
		publisher_close(relay());
	m.publish.next_sequence = source.sequence + 10;
	m.publish.next_frame = frames + 100;
	m.publish.session = 1;
	publish_as(&m);
	flow(3000);
	ck_assert_uint_eq(sink.lost, 10);
	ck_assert_uint_eq(sink.taken, 2990);
	leave();
}
END_TEST

/* Somebody who reported and then says nothing is waited for, as long as was
 * wished or he is remembered, and nobody turns without end for it. */
START_TEST(who_is_gone_and_waits_sleeps)
{
	struct msg_control m = wish();
	uint64_t limit = msg_clock_ns() + LIMIT_NS;
	uint64_t now;

	m.publish.linger_ms = 60000;
	publish_as(&m);
	flow(1);
	memory_wire_options.lose = 500;
	flow(50);
	for (int i = 0; i < 50; i++)
		ck_assert(put());
	while (msg_ring_ready(&relay()->reader))
		server_turn(broker_server);
	leave();
	/* As if it had been so for long. */
	relay()->free_ns = msg_clock_coarse_ns();
	while (relay() && msg_clock_ns() < limit) {
		server_turn(broker_server);
		now = msg_clock_coarse_ns();
		if (publisher_is_over(relay(), now))
			break;
		ck_assert(!relay()->client);
		ck_assert_uint_gt(relay()->free_ns, now);
	}
	ck_assert_uint_lt(msg_clock_ns(), limit);
}
END_TEST

/* One that was thrown out, and is back before the broker has forgotten it. */
START_TEST(who_comes_back_at_once_takes_the_place_of_what_it_was)
{
	struct msg_control m = wish();
	uint64_t frames;

	publish_as(&m);
	flow(500);
	while (source.sequence < 520)
		ck_assert(put());
	frames = relay()->keep->next + 20 * 3;
	leave();
	ck_assert_ptr_nonnull(relay());
	m.publish.next_sequence = source.sequence;
	m.publish.next_frame = frames;
	m.publish.session = 1;
	publish_as(&m);
	ck_assert_ptr_null(relay()->next);
	memory_wire_options.lose = 100;
	flow(3000);
	ck_assert_uint_eq(sink.lost, 0);
	ck_assert_uint_eq(sink.taken, 3000);
	/* What comes back of it is still nobody's here. */
	ck_assert_uint_eq(broker_server->feeds[0]->receiver.ignored_count, 1);
	leave();
}
END_TEST

/* One that is gone, and what is missed of it can be had for a while. */
START_TEST(who_goes_is_repaired_until_all_have_all)
{
	struct msg_control m = wish();
	uint64_t limit = msg_clock_ns() + LIMIT_NS;

	/* A machine may be busy for a second. */
	m.publish.linger_ms = 10000;
	publish_as(&m);
	flow(1);
	memory_wire_options.lose = 300;
	flow(100);
	/* More than the side link has buffers for, and nothing follows. */
	while (source.sequence < 500) {
		if (!put())
			break;
		server_turn(broker_server);
	}
	while (msg_ring_ready(&relay()->reader))
		server_turn(broker_server);
	leave();
	while (sink.next < source.sequence && msg_clock_ns() < limit) {
		broker_step();
		take();
	}
	ck_assert_uint_eq(sink.taken, source.sequence);
	ck_assert_uint_eq(sink.lost, 0);
	while (relay() && msg_clock_ns() < limit)
		broker_step();
	ck_assert_ptr_null(relay());
}
END_TEST

/* ---- the last word ------------------------------------------------------- */

static void say_goodbye(uint64_t next_sequence)
{
	struct msg_control m = {.kind = MSG_CONTROL_BYE};

	m.bye.next_sequence = next_sequence;
	broker_peer_say(&source.peer, &m);
	leave();
}

/* Until the broker has said goodbye for it; as if it had waited for receivers for
 * long. */
static void part(void)
{
	uint64_t limit = msg_clock_ns() + LIMIT_NS;

	relay()->gone_ns -= 2 * MSG_NS_PER_S;
	while (!relay()->parting) {
		ck_assert_uint_lt(msg_clock_ns(), limit);
		broker_step();
		take();
	}
}

static uint64_t told_lost(void)
{
	return sink.direct.receiver.streams.streams[0].recover.lost_total;
}

/* As of a publisher that filled its old ring until it moved to the one of this
 * broker, and had nothing more to say. */
START_TEST(what_only_the_goodbye_tells_of_is_lost)
{
	struct msg_control m = wish();

	publish_as(&m);
	flow(1);
	memory_wire_options.lose = _i == 0 ? 0 : 100;
	flow(100);
	memory_wire_options.lose = 0;
	say_goodbye(5100);
	/* Receivers hear of the loss first. */
	part();
	ck_assert_uint_eq(relay()->sent, 5100);
	ck_assert_uint_eq(told_lost(), 5000);
	ck_assert_uint_eq(sink.taken, 100);
	publisher_close(relay());
}
END_TEST

/* Announcements tell subscribers of best effort. */
START_TEST(of_best_effort_the_goodbye_itself_tells)
{
	struct msg_control m = wish();

	m.publish.reliability = 0;
	m.publish.history_bytes = 0;
	publish_as(&m);
	ck_assert(put());
	server_turn(broker_server);
	say_goodbye(_i == 0 ? 11 : _i == 1 ? 0 : UINT64_MAX);
	part();
	ck_assert_uint_eq(relay()->frames, 1);
	ck_assert_uint_eq(relay()->sent, _i == 0 ? 11 : 1);
	ck_assert(relay()->source.text.closing);
	publisher_close(relay());
}
END_TEST

START_TEST(what_was_not_sent_in_time_is_lost_too)
{
	struct msg_control m = wish();
	uint64_t limit = msg_clock_ns() + LIMIT_NS;
	uint64_t all;

	m.publish.flow = MSG_FLOW_K_OF_N;
	m.publish.flow_count = 2;
	m.publish.linger_ms = 1;
	publish_as(&m);
	/* Until the receiver knows of it. */
	while (sink.direct.receiver.streams.count == 0 ||
		!sink.direct.receiver.streams.streams[0].recover.started) {
		ck_assert_uint_lt(msg_clock_ns(), limit);
		server_turn(broker_server);
		take();
	}
	while (put())
		server_turn(broker_server);
	all = source.sequence;
	ck_assert_uint_gt(all, LOANS);
	say_goodbye(all);
	part();
	ck_assert_uint_eq(relay()->frames, 0);
	ck_assert_uint_eq(relay()->sent, all);
	ck_assert_uint_eq(told_lost(), all);
	/* Nor is any of it sent later, or waited for. */
	ck_assert(!publisher_ready(relay()));
	server_turn(broker_server);
	ck_assert_uint_eq(relay()->frames, 0);
	ck_assert_uint_eq(relay()->malformed, 0);
	publisher_close(relay());
}
END_TEST

/* Behind what was sent, or farther ahead than anybody can have published. */
START_TEST(a_goodbye_that_lies_is_not_passed_on)
{
	static const uint64_t lies[] = {0, 99, 100, 101 + (1u << 26),
		UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX};
	struct random_stream random = {check_seed() + (uint64_t)_i};
	struct msg_control m = wish();
	uint64_t lie = random_below(&random, 100);

	if (_i < (int)(sizeof lies / sizeof *lies))
		lie = lies[_i];
	publish_as(&m);
	flow(100);
	say_goodbye(lie);
	part();
	ck_assert_uint_eq(relay()->sent, 100);
	ck_assert_uint_eq(told_lost(), 0);
	ck_assert_uint_eq(relay()->keep->next_sequence, 100);
	publisher_close(relay());
}
END_TEST

/* ---- behind a move ------------------------------------------------------- */

/* It moves to the ring of this broker behind message `begin`, which is its first
 * there, and is idle; the receiver is there. */
static void move_behind(uint64_t begin)
{
	struct msg_ring_header *header;
	struct msg_control m = wish();
	uint64_t limit = msg_clock_ns() + LIMIT_NS;

	m.publish.next_sequence = 100;
	m.publish.session = 1;
	publish_as(&m);
	while (sink.direct.receiver.streams.count == 0 ||
		!sink.direct.receiver.streams.streams[0].recover.started) {
		ck_assert_uint_lt(msg_clock_ns(), limit);
		broker_step();
		take();
	}
	header = (struct msg_ring_header *)source.ring.base;
	msg_store(&header->begin, begin, release);
	server_turn(broker_server);
}

START_TEST(what_the_last_ring_had_is_told_though_nothing_follows)
{
	uint64_t limit = msg_clock_ns() + LIMIT_NS;

	move_behind(150);
	ck_assert_uint_eq(relay()->sent, 150);
	while (told_lost() == 0) {
		ck_assert_uint_lt(msg_clock_ns(), limit);
		broker_step();
		take();
	}
	ck_assert_uint_eq(told_lost(), 50);
	sink.next = 100;
	source.sequence = 150;
	flow(10 + 150);
	ck_assert_uint_eq(told_lost(), 50);
	leave();
}
END_TEST

START_TEST(a_ring_that_lies_of_its_begin_is_not_believed)
{
	static const uint64_t lies[] = {0, 99, 100, 101 + (1u << 26),
		UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX};
	struct msg_ring_header *header;

	move_behind(lies[_i]);
	ck_assert_uint_eq(relay()->sent, 100);
	ck_assert_uint_eq(relay()->keep->next_sequence, 100);
	/* It says nothing once there is an entry. */
	sink.next = 100;
	flow(101);
	header = (struct msg_ring_header *)source.ring.base;
	msg_store(&header->begin, 150, release);
	server_turn(broker_server);
	ck_assert_uint_eq(relay()->sent, 101);
	ck_assert_uint_eq(told_lost(), 0);
	leave();
}
END_TEST

START_TEST(limits_follow_from_what_is_asked_for)
{
	struct keep_limits l = keep_limits(16u << 20, 16u << 10, 256, 1);

	ck_assert_uint_eq(l.slots, 1024);
	ck_assert_uint_ge(l.entries, 2 * (1024 + 256));
	ck_assert_uint_ge(l.frames, l.entries);
	ck_assert_uint_eq(l.frames & (l.frames - 1), 0);
	/* A message in parts is kept whole. */
	l = keep_limits(1, 16u << 20, 2, 20000);
	ck_assert_uint_eq(l.slots, 2);
	ck_assert_uint_ge(l.frames, 40000);
	/* What it costs is charged, most of it the table. */
	ck_assert_uint_gt(keep_bytes(&l, 1024),
		l.frames * sizeof(struct keep_frame) + 256 * 1024);
	/* What a control message and a place in the pool can say. */
	l = keep_limits(4ull << 30, 512, 65536, 1);
	ck_assert_uint_le(l.slots + 65537, MSG_CONTROL_SLOTS_MAX);
	ck_assert_uint_le(l.entries + 257, MSG_CONTROL_HOLD_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keep");
	TCase *keep = check_case(suite, "keep", 60);
	TCase *end = check_case(suite, "end", 60);

	tcase_add_checked_fixture(keep, keep_setup, keep_teardown);
	tcase_add_checked_fixture(end, keep_setup, keep_teardown);
	tcase_add_loop_test(keep,
		what_the_wire_loses_is_sent_again_from_the_publishers_memory, 0,
		3);
	tcase_add_test(keep, what_is_kept_is_bounded_by_what_was_asked_for);
	tcase_add_test(
		keep, nothing_leaves_before_there_are_receivers_to_wait_for);
	tcase_add_test(keep, receivers_that_have_room_let_it_go_on);
	tcase_add_test(keep, what_was_never_sent_is_told_to_the_message);
	tcase_add_test(keep, a_stream_goes_on_where_another_broker_left_it);
	tcase_add_test(end, who_goes_is_repaired_until_all_have_all);
	tcase_add_test(end, who_is_gone_and_waits_sleeps);
	tcase_add_test(
		end, who_comes_back_at_once_takes_the_place_of_what_it_was);
	tcase_add_loop_test(end, what_only_the_goodbye_tells_of_is_lost, 0, 2);
	tcase_add_loop_test(end, of_best_effort_the_goodbye_itself_tells, 0, 3);
	tcase_add_test(end, what_was_not_sent_in_time_is_lost_too);
	tcase_add_loop_test(end, a_goodbye_that_lies_is_not_passed_on, 0, 9);
	tcase_add_test(end,
		what_the_last_ring_had_is_told_though_nothing_follows);
	tcase_add_loop_test(
		end, a_ring_that_lies_of_its_begin_is_not_believed, 0, 7);
	tcase_add_test(keep, limits_follow_from_what_is_asked_for);
	add_late(suite);
	add_shelf(suite);
	add_hostile(suite);
	return check_main(suite, NULL);
}
