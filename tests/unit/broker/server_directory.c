/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server_directory.c - a directory that fits no socket: told whole, once, while
 * publishers come and go.  Part of test_server.c.
 */
#include "server_side.h"

#include <stdio.h>
#include <string.h>

#define HEARD MSG_ROSTER_MAX
#define LOCAL 40u
#define TOPICS (2 * HEARD)

static unsigned told[TOPICS];
static struct side_source locals[LOCAL];

static void announce(uint32_t id, bool closing)
{
	struct msg_announcement said = {
		.incarnation = id,
		.publisher = id,
		.message_bytes_max = 1,
		.frame_bytes = 1000,
		.period_ms = 60000,
		.closing = closing,
	};

	/* Long ones: a message of the answer is nearly full. */
	snprintf(said.topic, sizeof said.topic, "heard.%0200u", id);
	msg_roster_note(&broker_server->network.roster, &said, msg_clock_ns());
}

static void ask_for_all(struct broker_peer *peer)
{
	struct msg_control m = {.kind = MSG_CONTROL_WATCH};

	strcpy(m.watch.pattern, ">");
	broker_peer_say(peer, &m);
}

/* Hear some messages of an answer; true: its last. */
static bool hear_listing(struct broker_peer *peer, unsigned count)
{
	for (; count > 0; count--) {
		const struct msg_control_listing *l = &peer->got.listing;

		for (int i = 0; i < 100 && !broker_peer_hear(peer); i++)
			broker_step();
		ck_assert_int_eq(peer->got.kind, MSG_CONTROL_LISTING);
		for (uint32_t i = 0; i < l->topic_count; i++)
			told[l->topics[i].publisher]++;
		if (!l->more)
			return true;
	}
	return false;
}

START_TEST(a_directory_larger_than_a_socket_is_told_whole)
{
	struct broker_peer peer;
	uint32_t gone = 0, came = HEARD;

	ck_assert_int_eq(msg_roster_open(&broker_server->network.roster), 0);
	for (uint32_t id = LOCAL; id < HEARD; id++)
		announce(id, false);
	for (uint32_t id = 1; id < LOCAL; id++)
		side_publish(&locals[id], "local", id);
	broker_peer_open(&peer);
	broker_peer_hello(&peer, MSG_CONTROL_ONLOOKER);
	/* Asked twice at once: two whole answers, one behind the other. */
	ask_for_all(&peer);
	ask_for_all(&peer);
	for (int i = 0; i < 2; i++) {
		memset(told, 0, sizeof told);
		ck_assert(hear_listing(&peer, HEARD / 32 + 2));
		for (uint32_t id = 1; id < HEARD; id++)
			ck_assert_uint_eq(told[id], 1);
	}
	/* And with publishers that come and go at each message of it. */
	memset(told, 0, sizeof told);
	ask_for_all(&peer);
	while (!hear_listing(&peer, 1)) {
		uint32_t first = LOCAL + gone++;

		announce(first, true);
		announce(HEARD - gone, true);
		announce(came++, false);
		announce(came++, false);
		if (gone % 4 == 0 && gone / 4 < LOCAL)
			side_leave(&locals[gone / 4]);
		ck_assert_uint_lt(gone, 1000);
	}
	ck_assert_uint_gt(gone, 100);
	for (uint32_t id = 1; id < TOPICS; id++)
		ck_assert_uint_le(told[id], 1);
	for (uint32_t id = LOCAL + gone; id < HEARD - gone; id++)
		ck_assert_uint_eq(told[id], 1);
	for (uint32_t id = gone / 4 + 1; id < LOCAL; id++) {
		ck_assert_uint_eq(told[id], 1);
		side_leave(&locals[id]);
	}
	/* Whoever never reads on costs nothing but his socket. */
	ask_for_all(&peer);
	broker_step();
	ck_assert_uint_eq(broker_server->client_count, 1);
	ck_assert(broker_server->clients->listing.active);
	broker_peer_close(&peer);
	ck_assert_uint_eq(broker_server->client_count, 0);
	msg_roster_close(&broker_server->network.roster);
}
END_TEST

void add_directory_tests(Suite *suite)
{
	TCase *list = check_case(suite, "list", 60);

	tcase_add_checked_fixture(list, side_open, side_close);
	tcase_add_test(list, a_directory_larger_than_a_socket_is_told_whole);
}
