/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keep_late.c - a subscriber of this host that comes late and wants what is kept:
 * it stays in hand until the publisher's process has heard of it.
 */
#include <stdio.h>

#include "keep_sides.h"

#include "topic/name.h"

static struct broker_peer late;

static void subscribe(uint32_t history, bool resumes)
{
	struct msg_control m = {.kind = MSG_CONTROL_SUBSCRIBE};

	snprintf(m.subscribe.pattern, sizeof m.subscribe.pattern, TOPIC);
	m.subscribe.policy = MSG_CONTROL_LAP;
	m.subscribe.hold_max = 64;
	m.subscribe.message_bytes_max = BYTES_MAX;
	m.subscribe.history_count = history;
	m.subscribe.resumes = resumes;
	broker_peer_open(&late);
	broker_peer_hello(&late, MSG_CONTROL_SUBSCRIBER);
	ck_assert(late.got.welcome.wishes);
	broker_peer_say(&late, &m);
	do
		ck_assert(broker_peer_hear(&late));
	while (late.got.kind != MSG_CONTROL_RING ||
		late.got.ring.origin != MSG_CONTROL_LOCAL);
	ck_assert_str_eq(late.got.ring.program, "peer");
}

/* The publisher's process looks at last. */
static void hear_of_it(struct msg_shm_segment *ledger)
{
	const struct msg_control_reader *r = &source.peer.got.reader;

	ck_assert(broker_peer_hear(&source.peer));
	ck_assert_int_eq(source.peer.got.kind, MSG_CONTROL_READER);
	ck_assert_uint_eq(r->reader, late.got.ring.reader);
	ck_assert_int_eq(msg_shm_segment_map_readonly(ledger,
				 source.peer.fds[0],
				 msg_ring_ledger_bytes(r->hold_max)),
		0);
	msg_ring_writer_add(&source.writer, r->reader,
		(struct msg_ring_ledger *)ledger->base, r->hold_max,
		MSG_RING_LAP);
}

START_TEST(what_is_kept_stays_until_the_writer_knows_who_came)
{
	struct msg_shm_segment ledger = MSG_SHM_SEGMENT;
	struct msg_control m = wish();
	uint64_t start;

	m.publish.history_bytes = 64u << 10;
	publish_as(&m);
	flow(300);
	subscribe(UINT32_MAX, false);
	start = late.got.ring.start;
	ck_assert_uint_eq(start, relay()->reader.low);
	ck_assert_uint_gt(late.got.ring.history, 16);
	ck_assert_uint_eq(
		start + late.got.ring.history, source.writer.head);
	/* It publishes without a look, until it has no memory left. */
	for (int i = 0; i < 1000; i++) {
		(void)put();
		server_turn(broker_server);
		take();
		check_bounds();
	}
	ck_assert_uint_eq(relay()->reader.low, start);
	hear_of_it(&ledger);
	server_turn(broker_server);
	ck_assert_uint_gt(relay()->reader.low, start);
	check_bounds();
	broker_peer_close(&late);
	msg_shm_segment_close(&ledger);
	leave();
}
END_TEST

/* Nobody waits for one that went before the writer heard of it. */
START_TEST(who_is_gone_again_holds_nothing)
{
	struct msg_control m = wish();
	uint64_t start;

	m.publish.history_bytes = 64u << 10;
	publish_as(&m);
	flow(300);
	subscribe(1, false);
	start = late.got.ring.start;
	broker_peer_close(&late);
	flow(900);
	ck_assert_uint_gt(relay()->reader.low, start);
	leave();
}
END_TEST

START_TEST(who_was_served_before_begins_at_the_head)
{
	struct msg_control m = wish();

	publish_as(&m);
	flow(100);
	subscribe(50, true);
	ck_assert_uint_eq(late.got.ring.history, 0);
	ck_assert_uint_eq(late.got.ring.start, source.writer.head);
	broker_peer_close(&late);
	leave();
}
END_TEST

static uint32_t listed(void)
{
	return broker_server->network.roster.count;
}

static bool is_followed(void)
{
	const struct msg_stream *s =
		msg_stream_find(&broker_server->feeds[0]->receiver.streams, ID,
			msg_name_tag(TOPIC));

	return s && !s->ignored && s->kind != MSG_STREAM_UNKNOWN;
}

/* What it said comes back to the broker, some of it behind its end: neither the
 * directory nor a subscriber is to take it for a publisher of another host. */
START_TEST(who_said_goodbye_is_nobody_of_another_host)
{
	struct msg_control m = wish();
	uint64_t limit = msg_clock_ns() + LIMIT_NS;
	struct publisher *p;

	m.publish.reliability = MSG_RELIABILITY_BEST_EFFORT;
	m.publish.history_bytes = 0;
	publish_as(&m);
	subscribe(0, false);
	while (listed() == 0 && msg_clock_ns() < limit)
		broker_step();
	ck_assert_uint_eq(listed(), 1);
	leave();
	p = relay();
	while (p->client)
		broker_step();
	p->source.next_ns = 0;
	msg_announcer_turn(&broker_server->network.announcer);
	p->free_ns = 0;
	server_tidy(broker_server);
	ck_assert(!p->announced);
	for (bool gone = false; relay(); gone = true) {
		ck_assert_uint_eq(listed(), 0);
		broker_server->heard = true;
		server_turn(broker_server);
		/* As if that was long ago, once it was heard. */
		if (gone)
			p->free_ns = 0;
		server_tidy(broker_server);
		ck_assert(!is_followed());
		ck_assert_uint_lt(msg_clock_ns(), limit);
	}
	for (int i = 0; i < 10; i++) {
		broker_server->heard = true;
		server_turn(broker_server);
		ck_assert_uint_eq(listed(), 0);
		ck_assert(!is_followed());
	}
	broker_peer_close(&late);
}
END_TEST

void add_late(Suite *suite)
{
	TCase *tcase = check_case(suite, "late", 60);

	tcase_add_checked_fixture(tcase, keep_setup, keep_teardown);
	tcase_add_test(
		tcase, what_is_kept_stays_until_the_writer_knows_who_came);
	tcase_add_test(tcase, who_is_gone_again_holds_nothing);
	tcase_add_test(tcase, who_was_served_before_begins_at_the_head);
	tcase_add_test(tcase, who_said_goodbye_is_nobody_of_another_host);
}
