/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repairer_peers.c - who reported: who is remembered, where he is reached, who gives
 * way, and who joins.  Part of test_repairer.c.
 */
#include <string.h>

#include "base/hash.h"
#include "repairer_side.h"
#include "virtual_clock.h"

static uint32_t peers(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < MSG_REPAIRER_PEERS; i++)
		count += r.peers[i].used;
	return count;
}

static const struct msg_repairer_peer *peer_of(uint64_t name)
{
	for (uint32_t i = 0; i < MSG_REPAIRER_PEERS; i++)
		if (r.peers[i].used && r.peers[i].receiver == name)
			return &r.peers[i];
	return NULL;
}

/* Names that all want the same places; the wire has room for 256 addresses, so
 * one that is not given back would show, too. */
START_TEST(the_longest_silent_gives_way)
{
	uint64_t names[600], name = 1;
	struct msg_report report;

	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	for (int i = 0; i < 600; name++)
		if (msg_hash_mix(name) % (MSG_REPAIRER_PEERS / 4) == 7)
			names[i++] = name;
	for (int i = 0; i < 600; i++) {
		report = report_of(&a, names[i]);
		say(&a, &report);
		turn();
		virtual_clock_pass(1000);
		/* The first of all goes on speaking. */
		report = report_of(&a, names[0]);
		say(&a, &report);
		turn();
		virtual_clock_pass(1000);
		ck_assert_ptr_nonnull(peer_of(names[i]));
		ck_assert_ptr_nonnull(peer_of(names[0]));
		ck_assert_uint_le(peers(), 4);
	}
	ck_assert_uint_eq(peers(), 4);
	ask(&a, names[599], 4, 4);
	look(&a);
	look(&b);
	ck_assert_uint_eq(a.frames, 1);
	ck_assert_uint_eq(b.frames, 0);
	close_all();
}
END_TEST

START_TEST(who_moves_is_reached_where_he_is)
{
	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	for (int i = 0; i < 300; i++) {
		struct receiver *at = i % 2 ? &a : &b;

		ask(at, 1, (uint32_t)i % 20, (uint32_t)i % 20);
		ck_assert_uint_eq(peers(), 1);
		ck_assert(memcmp(peer_of(1)->reach.data, at->reach.data,
				  at->reach.bytes) == 0);
	}
	close_all();
}
END_TEST

START_TEST(who_leaves_is_forgotten)
{
	struct msg_report report;

	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	report = report_of(&a, 1);
	say(&a, &report);
	turn();
	ck_assert_uint_eq(peers(), 1);
	ck_assert_uint_eq(peer_of(1)->position, 30);
	/* Somebody else's word is not enough. */
	report.flags = MSG_REPORT_LEAVING;
	report.reach = b.reach;
	say(&b, &report);
	turn();
	ck_assert_uint_eq(peers(), 1);
	report.reach = a.reach;
	say(&a, &report);
	turn();
	ck_assert_uint_eq(peers(), 0);
	close_all();
}
END_TEST

START_TEST(who_joins_is_told_where_to_begin_and_nobody_else_is)
{
	struct msg_report report;

	open_all(NULL, MSG_FLOW_POLICY_NONE);
	begin(30);
	source_first = 3;
	for (int i = 0; i < 3; i++) {
		static const uint32_t wishes[] = {10, 100, UINT32_MAX};

		report = (struct msg_report){.receiver = 1,
			.flags = MSG_REPORT_JOIN,
			.history = wishes[i],
			.reach = a.reach};
		say(&a, &report);
		turn();
		look(&a);
		look(&b);
		ck_assert_uint_eq(a.probes, 1);
		ck_assert_uint_eq(b.probes, 0);
		ck_assert(a.probe.flags & MSG_PROBE_JOIN);
		ck_assert_uint_eq(a.probe.first, i == 0 ? 20 : 3);
		ck_assert_uint_eq(a.probe.next, 30);
		ck_assert_uint_eq(a.probe.next_sequence, FIRST_SEQUENCE + 30);
		ck_assert_uint_eq(a.probe.first_sequence,
			FIRST_SEQUENCE + a.probe.first);
		ck_assert_uint_eq(peer_of(1)->position, 0);
	}
	/* No way to tell him alone: nothing is said. */
	report.receiver = 2;
	memset(&report.reach, 0, sizeof report.reach);
	say(&a, &report);
	turn();
	look(&a);
	look(&b);
	ck_assert_uint_eq(a.probes + b.probes, 0);
	close_all();
}
END_TEST

void add_peer_tests(Suite *suite)
{
	TCase *tc = check_case(suite, "peers", 30);

	tcase_add_test(tc, the_longest_silent_gives_way);
	tcase_add_test(tc, who_moves_is_reached_where_he_is);
	tcase_add_test(tc, who_leaves_is_forgotten);
	tcase_add_test(tc, who_joins_is_told_where_to_begin_and_nobody_else_is);
}
