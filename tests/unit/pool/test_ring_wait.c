/* SPDX-License-Identifier: BSD-2-Clause */
/* test_ring_wait.c - whom a writer waits for, and how long; see
 * libmsg/pool/ring_wait.h. */
#include "pool/ring_wait.h"
#include "ring_fixture.h"

#define MS 1000000ull
#define PATIENCE (750 * MS)
#define LOOK (10 * MS)

static uint64_t now, least;

static void setup(void)
{
	open_ring(64);
	writer.waits = true;
	now = 1;
	least = 0;
}

static void teardown(void)
{
	close_ring();
}

static void add_awaited(uint32_t k, enum msg_ring_slow slow)
{
	add(k, HELD, slow);
	msg_ring_await(&writer, k);
}

/* Looks for so long; the last one's answer. */
static bool wait_for(uint64_t ns)
{
	uint64_t end = now + ns;
	bool over = msg_ring_wait(&writer, now, PATIENCE, least);

	while (now < end) {
		now += LOOK;
		over = msg_ring_wait(&writer, now, PATIENCE, least);
	}
	return over;
}

static uint64_t floor_of(uint32_t k)
{
	return atomic_load(&header->floor[k]);
}

START_TEST(nothing_is_taken_from_who_is_awaited)
{
	add_awaited(0, MSG_RING_LAP);
	add(1, HELD, MSG_RING_LAP);
	put_some(20);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 20), 0);
	ck_assert_uint_eq(floor_of(0), 0);
	/* Nor from others what would not come back for that. */
	ck_assert_uint_eq(floor_of(1), 0);
	take_some(0, 5);
	settle(0);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 20), 5);
	ck_assert_uint_eq(floor_of(1), 5);
}
END_TEST

START_TEST(only_while_the_writer_waits)
{
	add_awaited(0, MSG_RING_LAP);
	put_some(20);
	writer.waits = false;
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 10), 10);
	writer.waits = true;
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 15), 0);
	ck_assert_uint_eq(msg_ring_press(&writer, 15), 5);
	ck_assert(writer.waits);
	ck_assert_uint_eq(floor_of(0), 15);
}
END_TEST

/* A full ring has to take what comes. */
START_TEST(a_full_ring_waits_for_nobody)
{
	add_awaited(0, MSG_RING_LAP);
	put_some(200);
	ck_assert_uint_gt(floor_of(0), 0);
}
END_TEST

START_TEST(who_stands_still_for_too_long_is_cut_off)
{
	add_awaited(0, MSG_RING_LAP);
	put_some(20);
	ck_assert(!wait_for(PATIENCE - LOOK));
	ck_assert(!writer.readers[0].cut);
	ck_assert(wait_for(LOOK));
	ck_assert(writer.readers[0].cut);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 10), 10);
	/* And again, without a time of his own. */
	msg_ring_wait_over(&writer);
	put_some(10);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 20), 10);
	/* Until he moves. */
	ck_assert_int_eq(msg_ring_peek(&readers[0], 20, &(struct msg_ring_item){0}),
		MSG_RING_ENTRY);
	msg_ring_skip(&readers[0], 20);
	take_some(0, 1);
	put_some(10);
	ck_assert(!wait_for(PATIENCE - LOOK));
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 30), 0);
	ck_assert(wait_for(LOOK));
	ck_assert_uint_gt(msg_ring_reclaim(&writer, 30), 0);
}
END_TEST

START_TEST(who_said_evict_loses_the_ring)
{
	add_awaited(0, MSG_RING_EVICT);
	put_some(20);
	ck_assert(wait_for(PATIENCE));
	ck_assert_uint_eq(floor_of(0), 0);
	msg_ring_reclaim(&writer, 10);
	ck_assert(msg_ring_evicted(&readers[0]));
}
END_TEST

START_TEST(who_may_block_is_not_cut_off)
{
	add_awaited(0, MSG_RING_BLOCK);
	put_some(20);
	ck_assert(!wait_for(10 * PATIENCE));
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 20), 0);
}
END_TEST

/* One entry at a time, just in time. */
START_TEST(who_gets_on_is_waited_for)
{
	add_awaited(0, MSG_RING_LAP);
	put_some(30);
	for (int i = 0; i < 10; i++) {
		ck_assert(!wait_for(PATIENCE - LOOK));
		take_some(0, 1);
	}
	for (int i = 1; i <= 10; i++) {
		ck_assert(!wait_for(PATIENCE - LOOK));
		msg_ring_settle(&readers[0], (uint64_t)i);
	}
	ck_assert(wait_for(PATIENCE));
}
END_TEST

/* Nor can a writer blame who did not run because nobody did. */
START_TEST(time_is_what_the_writer_saw)
{
	add_awaited(0, MSG_RING_LAP);
	put_some(20);
	ck_assert(!msg_ring_wait(&writer, now, PATIENCE, least));
	for (int i = 0; i < 7; i++) {
		now += 3600000 * MS;
		ck_assert(!msg_ring_wait(&writer, now, PATIENCE, least));
	}
	now += 3600000 * MS;
	ck_assert(msg_ring_wait(&writer, now, PATIENCE, least));
}
END_TEST

START_TEST(time_begins_anew_when_there_was_room)
{
	add_awaited(0, MSG_RING_LAP);
	put_some(20);
	ck_assert(!wait_for(PATIENCE - LOOK));
	msg_ring_wait_over(&writer);
	ck_assert(!wait_for(PATIENCE - LOOK));
	ck_assert(wait_for(LOOK));
}
END_TEST

START_TEST(who_keeps_little_does_not_pay)
{
	add_awaited(0, MSG_RING_LAP);
	add_awaited(1, MSG_RING_LAP);
	put_some(20);
	take_some(1, 20);
	msg_ring_settle(&readers[1], 19);
	ck_assert(wait_for(PATIENCE));
	ck_assert(writer.readers[0].cut);
	ck_assert(!writer.readers[1].cut);
	ck_assert_uint_eq(
		msg_ring_wait_hoarder(&writer, PATIENCE), MSG_RING_READERS_MAX);
}
END_TEST

/* What is short is not theirs: a relay keeps it, within what was agreed. */
START_TEST(nobody_pays_for_what_is_kept_by_agreement)
{
	add(0, 64, MSG_RING_BLOCK);
	writer.readers[0].keeps = 40;
	add_awaited(1, MSG_RING_LAP);
	add_awaited(2, MSG_RING_LAP);
	put_some(20);
	take_some(0, 20);
	take_some(1, 20);
	msg_ring_settle(&readers[1], 18);
	take_some(2, 20);
	msg_ring_settle(&readers[2], 19);
	least = 4;
	ck_assert(!wait_for(10 * PATIENCE));
	ck_assert(!writer.readers[1].cut && !writer.readers[2].cut);
	/* As many as that are somebody's. */
	least = 3;
	ck_assert(!wait_for(PATIENCE - LOOK));
	ck_assert(wait_for(LOOK));
	ck_assert(writer.readers[1].cut && writer.readers[2].cut);
}
END_TEST

START_TEST(who_gives_nothing_back_is_named)
{
	add_awaited(0, MSG_RING_LAP);
	add(1, HELD, MSG_RING_LAP);
	add_awaited(2, MSG_RING_LAP);
	put_some(16);
	take_some(0, 16);
	settle(0);
	take_some(1, 12);
	take_some(2, 16);
	msg_ring_settle(&readers[2], 3);
	ck_assert(!wait_for(PATIENCE - LOOK));
	ck_assert_uint_eq(
		msg_ring_wait_hoarder(&writer, PATIENCE), MSG_RING_READERS_MAX);
	ck_assert(wait_for(LOOK));
	/* Awaited or not. */
	ck_assert_uint_eq(msg_ring_wait_hoarder(&writer, PATIENCE), 2);
	msg_ring_evict(&writer, 2);
	ck_assert_uint_eq(msg_ring_wait_hoarder(&writer, PATIENCE), 1);
}
END_TEST

/* What it says of itself goes up and down: that is not to get on. */
START_TEST(a_liar_has_no_more_time)
{
	struct random_stream random = {check_seed()};
	uint64_t end = now + 20 * PATIENCE;
	unsigned moved = 0;
	bool over = false;

	add_awaited(0, MSG_RING_LAP);
	put_some(30);
	while (now < end && !over) {
		uint64_t low = random_below(&random, 31);
		uint64_t next = low + random_below(&random, HELD);

		if (next > 30)
			next = 30;
		atomic_store(&ledgers[0]->low, low);
		atomic_store(&ledgers[0]->next, next);
		hold_top(0, (uint32_t)random_below(&random, HELD + 1));
		for (unsigned i = 0; i < HELD; i++)
			atomic_store(&ledgers[0]->held[i],
				random_below(&random, 40));
		now += LOOK;
		over = msg_ring_wait(&writer, now, PATIENCE, least);
		moved += writer.readers[0].waited_ns == 0;
	}
	ck_assert(over);
	/* Once for each that it can have taken, or returned; and the first. */
	ck_assert_uint_le(moved, 61);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_wait");
	TCase *tcase = check_case(suite, "wait", 10);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, nothing_is_taken_from_who_is_awaited);
	tcase_add_test(tcase, only_while_the_writer_waits);
	tcase_add_test(tcase, a_full_ring_waits_for_nobody);
	tcase_add_test(tcase, who_stands_still_for_too_long_is_cut_off);
	tcase_add_test(tcase, who_said_evict_loses_the_ring);
	tcase_add_test(tcase, who_may_block_is_not_cut_off);
	tcase_add_test(tcase, who_gets_on_is_waited_for);
	tcase_add_test(tcase, time_is_what_the_writer_saw);
	tcase_add_test(tcase, time_begins_anew_when_there_was_room);
	tcase_add_test(tcase, who_keeps_little_does_not_pay);
	tcase_add_test(tcase, nobody_pays_for_what_is_kept_by_agreement);
	tcase_add_test(tcase, who_gives_nothing_back_is_named);
	tcase_add_test(tcase, a_liar_has_no_more_time);
	return check_main(suite, NULL);
}
