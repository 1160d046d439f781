/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reliable_late.c - who comes late to a reliable topic gets what it asked for of the
 * history, and no seam behind it.
 */
#include "reliable_trial.h"

static void run_late(uint64_t seed)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct memory_wire_options bad = {.seed = seed, .lose = 50};
	struct reader *r;
	struct trial t;
	uint64_t sent, wanted;

	memory_wire_reset(NULL);
	s.give_up_ms = 30000;
	open_trial(&t, seed, &p);
	sent = 1 + random_below(&t.random, 400);
	while (t.sent < sent)
		publish(&t);
	flush(&t);
	memory_wire_reset(&bad);
	wanted = 1 + random_below(&t.random, 500);
	s.history_count = random_chance(&t.random, 200) ? UINT32_MAX
							: (uint32_t)wanted;
	r = add_reader(&t, &s);
	/* It asks, and is answered, while nothing is sent. */
	while (!r->begun || r->expected < t.sent)
		settle(&t);
	if (s.history_count == UINT32_MAX || wanted > sent)
		wanted = sent;
	MUST(&t, r->taken == wanted);
	MUST(&t, counted(r, MSG_COUNTER_CAUGHT_UP) == wanted);
	while (t.sent < sent + 300)
		publish(&t);
	settle(&t);
	MUST(&t, r->taken == wanted + 300);
	MUST(&t, r->lost == 0);
	close_trial(&t);
}

START_TEST(a_late_reader_gets_exactly_the_last_it_asked_for)
{
	for (int i = 0; i < 400 / MSG_TEST_FEWER; i++)
		run_late(check_seed() + (uint64_t)i);
}
END_TEST

/* While the publisher goes on: no seam between what was and what comes. */
START_TEST(a_late_reader_sees_no_seam)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;

	p.history_bytes = (size_t)16 << 20; /* All of it. */
	s.give_up_ms = 30000;
	s.history_count = 50;
	for (int i = 0; i < 200 / MSG_TEST_FEWER; i++) {
		struct memory_wire_options bad = {
			.seed = check_seed() + (uint64_t)i, .lose = 50};
		struct trial t;
		struct reader *r;

		memory_wire_reset(NULL);
		open_trial(&t, bad.seed, &p);
		while (t.sent < 300)
			publish(&t);
		flush(&t);
		memory_wire_reset(&bad);
		r = add_reader(&t, &s);
		while (t.sent < 900) {
			publish(&t);
			take_all(&t);
		}
		settle(&t);
		MUST(&t, r->lost == 0);
		MUST(&t, r->taken >= 50);
		MUST(&t, r->expected - r->taken >= 300 - 50);
		close_trial(&t);
	}
}
END_TEST

/* Who learns of a topic by its announcement asks at once: of the heartbeats, ten
 * between two announcements, it needs none. */
START_TEST(an_announcement_says_whom_to_ask)
{
	uint64_t probes = 0;

	announce_ms = 1000;
	for (int i = 0; i < 10; i++) {
		struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
		struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
		struct reader *r;
		struct trial t;

		memory_wire_reset(NULL);
		open_trial(&t, check_seed() + (uint64_t)i, &p);
		while (t.sent < 100)
			publish(&t);
		flush(&t);
		s.topic = ">";
		s.history_count = 30;
		r = add_reader(&t, &s);
		while (!r->begun)
			take_all(&t);
		probes += counted(r, MSG_COUNTER_PROBES);
		settle(&t);
		MUST(&t, r->taken == 30 && r->lost == 0);
		close_trial(&t);
	}
	/* The answers, and at most one that came just then. */
	ck_assert_uint_le(probes, 11);
}
END_TEST

void add_late_tests(TCase *tc)
{
	tcase_add_test(tc, a_late_reader_gets_exactly_the_last_it_asked_for);
	tcase_add_test(tc, a_late_reader_sees_no_seam);
	tcase_add_test(tc, an_announcement_says_whom_to_ask);
}
