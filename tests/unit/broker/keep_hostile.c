/* SPDX-License-Identifier: BSD-2-Clause */
/* keep_hostile.c - reliable publishers of this host that lie, and what is theirs. */
#include <string.h>
#include <unistd.h>

#include "broker/client.h"
#include "broker/stream.h"

#include "keep_sides.h"

static struct msg_ring_item any_item(struct random_stream *random)
{
	struct msg_ring_item item = {
		.sequence = random_chance(random, 500)
				    ? source.sequence
				    : random_next(random),
		.publisher = random_chance(random, 900) ? ID : 3,
		.kind = 1 + (uint32_t)random_below(random, 7),
		.bytes = (uint32_t)random_next(random) & MSG_RING_BYTES_MAX,
		.place = (uint32_t)random_next(random),
	};

	if (random_chance(random, 500))
		item.bytes %= 4096;
	if (random_chance(random, 700))
		item.place %= (uint32_t)(source.pool.bytes /
					 MSG_RING_PLACE_UNIT) +
			      1;
	return item;
}

START_TEST(a_ring_full_of_nonsense_costs_its_owner_alone)
{
	struct random_stream random = {check_seed() + (uint64_t)_i};
	struct msg_control m = wish();

	m.publish.next_frame = random_chance(&random, 500) ? 1ull << 48 : 0;
	m.publish.session = (uint32_t)random_next(&random);
	publish_as(&m);
	for (int i = 0; i < 3000; i++) {
		struct msg_ring_header *header =
			(struct msg_ring_header *)source.ring.base;
		struct msg_ring_item item = any_item(&random);

		msg_store(&header->begin, random_next(&random) >>
				random_below(&random, 64), relaxed);
		if (msg_ring_room(&source.writer, 1)) {
			msg_ring_put(&source.writer, 0, &item,
				MSG_RING_NO_TOKEN);
			msg_ring_advance(&source.writer, 1);
			if (random_chance(&random, 300))
				source.sequence = item.sequence + 1;
		}
		server_turn(broker_server);
		check_bounds();
	}
	ck_assert_uint_gt(relay()->malformed, 0);
	leave();
}
END_TEST

/* Memory is made in whole pages: what lies behind the last slot is nobody's. */
START_TEST(what_stands_behind_the_last_slot_is_not_believed)
{
	struct msg_control m = wish();
	const struct publisher *p;
	uint64_t end, left;

	m.publish.history_bytes = 1u << 20;
	/* So that a slot would fit in there. */
	for (m.publish.message_bytes_max = 1000;; m.publish.loan_count_max++) {
		publish_as(&m);
		p = relay();
		end = (uint64_t)p->shape.slot_count * p->shape.slot_bytes;
		left = p->pool.bytes - end;
		if (left > p->shape.slot_bytes)
			break;
		leave();
		while (relay())
			publisher_close(relay());
		ck_assert_uint_lt(m.publish.loan_count_max, 2 * LOANS);
	}
	for (uint64_t at = 0; at <= left; at += MSG_RING_PLACE_UNIT) {
		struct msg_ring_item item = {
			.sequence = source.sequence++,
			.publisher = ID,
			.kind = MSG_RING_SINGLE,
			.place = (uint32_t)((end + at) / MSG_RING_PLACE_UNIT),
		};

		item.bytes = at < left;
		ck_assert(msg_ring_room(&source.writer, 1));
		msg_ring_put(&source.writer, 0, &item, MSG_RING_NO_TOKEN);
		msg_ring_advance(&source.writer, 1);
		server_turn(broker_server);
		check_bounds();
	}
	ck_assert_uint_eq(p->malformed, 1 + left / MSG_RING_PLACE_UNIT);
	leave();
}
END_TEST

/* A device may have places for fewer sends than we asked for, and not for a power of
 * two of them. */
START_TEST(as_many_frames_fly_as_the_lane_has_places_for)
{
	struct msg_control m = wish();

	memory_wire_options.send_limit = 100;
	publish_as(&m);
	ck_assert_uint_eq(relay()->lane->send_count, 100);
	ck_assert_uint_eq(relay()->flight_mask, 63);
	flow(500);
	leave();
}
END_TEST

/* Streams of the network that nobody reads. */
static unsigned unread_streams(void)
{
	unsigned count = 0;

	for (const struct stream *s = broker_server->streams; s; s = s->next)
		count += !s->local && s->reader_count == 0;
	return count;
}

/* Who is refused at the last step has had a stream made for him by then: so many of
 * them, and there would be no place for another's topic. */
START_TEST(who_is_refused_leaves_no_topic_behind)
{
	struct accounts *accounts = broker_server->accounts;
	struct msg_control m = {.kind = MSG_CONTROL_SUBSCRIBE};
	struct broker_peer peer, waiting;
	uint64_t left = account_left(accounts, getuid(), ACCOUNT_HELD_SLOTS);

	m.subscribe.policy = MSG_CONTROL_LAP;
	m.subscribe.hold_max = 64;
	m.subscribe.message_bytes_max = BYTES_MAX;
	strcpy(m.subscribe.pattern, "waiting.*");
	broker_peer_open(&waiting);
	broker_peer_hello(&waiting, MSG_CONTROL_SUBSCRIBER);
	broker_peer_say(&waiting, &m);
	ck_assert(broker_peer_hear(&waiting));
	ck_assert_int_eq(waiting.got.kind, MSG_CONTROL_SUBSCRIBED);
	ck_assert_int_eq(account_charge(accounts, getuid(), ACCOUNT_HELD_SLOTS,
				 left),
		0);
	/* By name, and by an announcement of what he waits for. */
	strcpy(m.subscribe.pattern, "never.read");
	broker_peer_open(&peer);
	broker_peer_hello(&peer, MSG_CONTROL_SUBSCRIBER);
	broker_peer_say(&peer, &m);
	ck_assert(broker_peer_hear(&peer));
	ck_assert_int_eq(peer.got.kind, MSG_CONTROL_REFUSED);
	ck_assert_uint_eq(unread_streams(), 0);
	/* Who has his subscription keeps it, and goes without. */
	server_announced(broker_server, "waiting.one");
	ck_assert(!broker_peer_hear(&waiting));
	ck_assert_uint_eq(unread_streams(), 0);
	ck_assert_uint_eq(broker_server->client_count, 1);
	ck_assert_uint_eq(
		msg_session_left_out((const struct msg_session *)
				broker_server->clients->page.base),
		1);
	broker_peer_close(&peer);
	broker_peer_close(&waiting);
	account_release(accounts, getuid(), ACCOUNT_HELD_SLOTS, left);
}
END_TEST

START_TEST(wishes_that_make_no_sense_are_refused)
{
	struct msg_control m = wish();

	for (int i = 0; i < 3; i++) {
		m = wish();
		if (i == 0)
			m.publish.reliability = 0;
		else
			m.publish.flow_count = 1;
		if (i == 2)
			m.publish.flow = MSG_FLOW_MIN;
		broker_peer_open(&source.peer);
		broker_peer_hello(&source.peer, MSG_CONTROL_PUBLISHER);
		broker_peer_say(&source.peer, &m);
		ck_assert(broker_peer_hear(&source.peer));
		ck_assert_int_eq(source.peer.got.kind, MSG_CONTROL_REFUSED);
		broker_peer_close(&source.peer);
		ck_assert_ptr_null(relay());
	}
}
END_TEST

/* All that is made for a publisher is his user's, and comes back. */
START_TEST(what_is_kept_is_charged)
{
	struct msg_control m = wish();
	uint64_t all = account_left(
		broker_server->accounts, getuid(), ACCOUNT_BYTES);
	uint64_t small, large;

	publish_as(&m);
	large = all - account_left(broker_server->accounts, getuid(),
			      ACCOUNT_BYTES);
	leave();
	while (relay())
		publisher_close(relay());
	ck_assert_uint_eq(account_left(broker_server->accounts, getuid(),
				  ACCOUNT_BYTES),
		all);
	m.publish.reliability = 0;
	m.publish.history_bytes = 0;
	publish_as(&m);
	small = all - account_left(broker_server->accounts, getuid(),
			      ACCOUNT_BYTES);
	ck_assert_ptr_null(relay()->keep);
	ck_assert_uint_gt(large, small + (16u << 20));
	leave();
}
END_TEST

START_TEST(who_looks_is_told_that_it_is_reliable)
{
	struct msg_control watch = {.kind = MSG_CONTROL_WATCH};
	struct msg_control m = wish();
	struct broker_peer peer;

	m.publish.reliability = _i == 0 ? 0 : MSG_RELIABILITY_RELIABLE;
	m.publish.history_bytes = _i == 0 ? 0 : m.publish.history_bytes;
	publish_as(&m);
	broker_peer_open(&peer);
	broker_peer_hello(&peer, MSG_CONTROL_ONLOOKER);
	strcpy(watch.watch.pattern, ">");
	broker_peer_say(&peer, &watch);
	ck_assert(broker_peer_hear(&peer));
	ck_assert_int_eq(peer.got.kind, MSG_CONTROL_LISTING);
	ck_assert_uint_eq(peer.got.listing.topic_count, 1);
	ck_assert_uint_eq(peer.got.listing.topics[0].reliability,
		_i == 0 ? MSG_RELIABILITY_BEST_EFFORT
			: MSG_RELIABILITY_RELIABLE);
	broker_peer_close(&peer);
	leave();
}
END_TEST

void add_hostile(Suite *suite)
{
	TCase *hostile = check_case(suite, "hostile", 60);

	tcase_add_checked_fixture(hostile, keep_setup, keep_teardown);
	tcase_add_loop_test(hostile,
		a_ring_full_of_nonsense_costs_its_owner_alone, 0, 8);
	tcase_add_test(
		hostile, what_stands_behind_the_last_slot_is_not_believed);
	tcase_add_test(
		hostile, as_many_frames_fly_as_the_lane_has_places_for);
	tcase_add_test(hostile, who_is_refused_leaves_no_topic_behind);
	tcase_add_test(hostile, wishes_that_make_no_sense_are_refused);
	tcase_add_test(hostile, what_is_kept_is_charged);
	tcase_add_loop_test(
		hostile, who_looks_is_told_that_it_is_reliable, 0, 2);
}
