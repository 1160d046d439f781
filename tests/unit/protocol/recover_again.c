/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_again.c - asking again, as the simulator found it wanting.
 *
 * msg_sim --scenario refuse --seed 10: all reports were refused for 20 ms, and
 * then half of them.  The pauses between two questions grew to half a minute,
 * though the publisher was heard ten times a second; and of 123 frames that
 * were missing only one was asked for at a time.
 */
#include "recover_again.h"

#include <string.h>

#define MS UINT64_C(1000000)
#define MISSING 100u

static struct msg_recover recover;
static struct msg_recover_place places[256];
static uint64_t now;

static void probe(uint32_t next)
{
	struct msg_probe p = {.incarnation = 7, .stamp = now, .next = next,
		.next_sequence = next, .period_ms = 100};

	p.reach.bytes = 4;
	ck_assert(msg_recover_probe(&recover, &p, now));
}

/* A stream of which MISSING frames were heard of and did not come. */
static void start(void)
{
	const struct msg_recover_options options = {.window = 256,
		.receiver = 1, .give_up_ns = 300000 * MS};

	now = 1000 * MS;
	msg_recover_start(&recover, &options, places);
	probe(0);
	probe(MISSING);
}

static uint32_t asked(const struct msg_report *report)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < report->count; i++)
		count += msg_report_misses(report, i);
	return count;
}

/* On to the next report that asks for something; heartbeats come meanwhile. */
static uint32_t next_question(void)
{
	struct msg_report report;
	uint64_t beat = now + 100 * MS, due;

	for (;;) {
		if (msg_recover_report(&recover, now, &report) &&
			report.count > 0)
			return asked(&report);
		due = msg_recover_deadline(&recover);
		now = due < beat ? (due > now ? due : now + 1) : beat;
		if (now == beat) {
			probe(MISSING);
			beat += 100 * MS;
		}
	}
}

START_TEST(what_is_due_together_is_asked_for_together)
{
	start();
	for (int i = 0; i < 20; i++)
		ck_assert_uint_eq(next_question(), MISSING);
}
END_TEST

START_TEST(a_publisher_that_is_heard_is_asked_once_a_heartbeat)
{
	uint64_t before;

	start();
	for (int i = 0; i < 40; i++) {
		before = now;
		next_question();
		ck_assert_uint_le(now - before, 200 * MS);
	}
}
END_TEST

void add_again_tests(Suite *suite)
{
	TCase *tests = tcase_create("again");

	tcase_add_test(tests, what_is_due_together_is_asked_for_together);
	tcase_add_test(
		tests, a_publisher_that_is_heard_is_asked_once_a_heartbeat);
	suite_add_tcase(suite, tests);
}
