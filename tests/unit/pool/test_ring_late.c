/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_ring_late.c - who comes late to a ring, and who is gone from it; see
 * libmsg/pool/ring_writer.h.
 */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "pool/ring_reader.h"
#include "pool/ring_writer.h"

#define ENTRIES 16u
#define HELD 8u

static struct msg_ring_header *header;
static struct msg_ring_ledger *ledgers[3];
static struct msg_ring_writer writer;
static uint32_t out_count;

static void freed(void *context, uint32_t token)
{
	(void)context;
	(void)token;
	out_count--;
}

static void setup(void)
{
	struct msg_ring_writer_options options = {
		.entry_count = ENTRIES, .pin_max = 64, .free = freed};
	size_t ledger = (msg_ring_ledger_bytes(HELD) + 63) & ~(size_t)63;

	header = aligned_alloc(64, msg_ring_bytes(ENTRIES));
	memset(header, 0, msg_ring_bytes(ENTRIES));
	options.header = header;
	ck_assert_int_eq(msg_ring_writer_open(&writer, &options), 0);
	for (int i = 0; i < 3; i++) {
		ledgers[i] = aligned_alloc(64, ledger);
		memset(ledgers[i], 0, ledger);
	}
	out_count = 0;
}

static void teardown(void)
{
	msg_ring_writer_close(&writer);
	for (int i = 0; i < 3; i++)
		free(ledgers[i]);
	free(header);
}

static void put_some(uint32_t count)
{
	while (count-- > 0) {
		struct msg_ring_item item = {
			.sequence = writer.head, .kind = MSG_RING_SINGLE};

		ck_assert(msg_ring_room(&writer, 1));
		msg_ring_put(&writer, 0, &item, 7);
		msg_ring_advance(&writer, 1);
		out_count++;
	}
}

static struct msg_ring_reader open_at(uint32_t k, uint64_t start)
{
	struct msg_ring_reader reader;

	msg_ring_reader_open(&reader, header, ENTRIES, ledgers[k], k, start);
	return reader;
}

static void take(struct msg_ring_reader *r, uint64_t upto)
{
	while (r->next < upto) {
		struct msg_ring_item item;

		ck_assert_int_eq(
			msg_ring_peek(r, r->next, &item), MSG_RING_ENTRY);
		ck_assert_uint_eq(item.sequence, r->next);
		ck_assert_uint_eq(
			msg_ring_hold(r, r->next + 1, true), item.sequence);
	}
	msg_ring_settle(r, r->next);
}

START_TEST(the_newest_stay_for_who_comes_late_until_there_is_need)
{
	struct msg_ring_reader late;

	writer.retain = 4;
	put_some(10);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 6);
	ck_assert_uint_eq(writer.tail, 6);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 0);
	/* It begins with them, and they are its own now. */
	msg_ring_writer_add(&writer, 0, ledgers[0], HELD, MSG_RING_LAP);
	late = open_at(0, writer.tail);
	ck_assert_uint_eq(msg_ring_forget(&writer), 0);
	ck_assert_uint_eq(writer.retain, 4);
	take(&late, 10);
	ck_assert_uint_eq(late.lapped, 0);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 0);
	ck_assert_uint_eq(msg_ring_forget(&writer), 4);
	ck_assert_uint_eq(out_count, 0);
	/* They are in nobody's way: a full ring has room. */
	put_some(3 * ENTRIES);
	ck_assert_uint_le(writer.head - writer.tail, ENTRIES);
}
END_TEST

/* Some give way, and the newest still stay. */
START_TEST(half_of_what_is_retained_gives_way)
{
	writer.retain = 4;
	put_some(3);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 0);
	ck_assert_uint_eq(msg_ring_thin(&writer), 2);
	put_some(7);
	ck_assert_uint_eq(msg_ring_thin(&writer), 6);
	ck_assert_uint_eq(writer.tail, writer.head - 2);
	ck_assert_uint_eq(writer.retain, 4);
	ck_assert_uint_eq(msg_ring_thin(&writer), 1);
	ck_assert_uint_eq(msg_ring_thin(&writer), 1);
	ck_assert_uint_eq(msg_ring_thin(&writer), 0);
	ck_assert_uint_eq(out_count, 0);
}
END_TEST

/* Where who comes may begin without the writer's knowing, the newest stay whatever
 * is needed, and whoever else loses for it. */
START_TEST(what_is_promised_to_strangers_is_never_taken_back)
{
	struct msg_ring_reader late;

	writer.retain = 4;
	writer.strict = true;
	msg_ring_writer_add(&writer, 0, ledgers[0], HELD, MSG_RING_LAP);
	(void)open_at(0, 0);
	for (uint32_t i = 0; i < 100; i++) {
		put_some(1);
		if (i % 3 == 0)
			msg_ring_reclaim(&writer, writer.head);
		ck_assert_uint_ge(writer.head - writer.tail, i < 4 ? i + 1 : 4);
		ck_assert_uint_ge(out_count, i < 4 ? i + 1 : 4);
	}
	ck_assert_uint_gt(writer.revoked, 0);
	late = open_at(1, writer.head - 4);
	msg_ring_writer_add(&writer, 1, ledgers[1], HELD, MSG_RING_LAP);
	take(&late, writer.head);
	ck_assert_uint_eq(late.lapped, 0);
}
END_TEST

/* What was promised may be taken back after all: once that is said. */
START_TEST(what_is_yielded_is_not_retained_and_the_header_says_so)
{
	struct msg_ring_reader late;

	writer.retain = 4;
	writer.strict = true;
	put_some(10);
	ck_assert_uint_eq(msg_ring_oldest(header, 10, 4), 6);
	/* Below that nothing was promised. */
	msg_ring_yield(&writer, 6);
	ck_assert_uint_eq(atomic_load(&header->kept), 0);
	msg_ring_yield(&writer, 8);
	ck_assert_uint_eq(atomic_load(&header->kept), 8);
	ck_assert_uint_eq(msg_ring_oldest(header, 10, 4), 8);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 8);
	/* Nor is it promised again. */
	msg_ring_yield(&writer, 7);
	ck_assert_uint_eq(atomic_load(&header->kept), 8);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, writer.head), 0);
	late = open_at(0, msg_ring_oldest(header, 10, 4));
	msg_ring_writer_add(&writer, 0, ledgers[0], HELD, MSG_RING_LAP);
	take(&late, 10);
	ck_assert_uint_eq(late.lapped, 0);
	/* What is new is, as ever. */
	put_some(3);
	ck_assert_uint_eq(msg_ring_oldest(header, 13, 4), 9);
	take(&late, 13);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, writer.head), 1);
	ck_assert_uint_eq(writer.tail, 9);
	ck_assert_uint_eq(out_count, 4);
}
END_TEST

/* One that was announced before it was yielded: it is lapped, and knows. */
START_TEST(who_came_before_a_yield_is_told_what_it_lost)
{
	struct msg_ring_reader late;
	struct msg_ring_item item;

	writer.retain = 4;
	writer.strict = true;
	put_some(10);
	msg_ring_reclaim(&writer, 0);
	late = open_at(0, msg_ring_oldest(header, 10, 4));
	msg_ring_yield(&writer, 8);
	msg_ring_writer_add(&writer, 0, ledgers[0], HELD, MSG_RING_LAP);
	/* Nobody else loses by it unless that is asked for. */
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 0);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 8), 2);
	ck_assert_int_eq(msg_ring_peek(&late, 6, &item), MSG_RING_ENTRY);
	ck_assert_uint_eq(msg_ring_hold(&late, 7, true), 7);
	ck_assert_uint_eq(late.lapped, 1);
	ck_assert_uint_eq(msg_ring_hold(&late, 10, true), 8);
	ck_assert_uint_eq(late.lapped, 2);
}
END_TEST

START_TEST(needed_is_what_is_in_hand_or_awaited)
{
	struct msg_ring_reader lag, block;

	msg_ring_writer_add(&writer, 0, ledgers[0], HELD, MSG_RING_LAP);
	msg_ring_writer_add(&writer, 1, ledgers[1], HELD, MSG_RING_BLOCK);
	lag = open_at(0, 0);
	block = open_at(1, 0);
	put_some(6);
	for (uint64_t i = 0; i < 6; i++)
		ck_assert(msg_ring_is_needed(&writer, i));
	take(&block, 4);
	msg_ring_hold(&lag, 2, true);
	ck_assert(msg_ring_is_needed(&writer, 0));
	ck_assert(msg_ring_is_needed(&writer, 1));
	ck_assert(!msg_ring_is_needed(&writer, 2));
	ck_assert(!msg_ring_is_needed(&writer, 3));
	ck_assert(msg_ring_is_needed(&writer, 4));
	msg_ring_keep(&lag, 0, 1);
	atomic_store(&ledgers[0]->held_top, 1);
	msg_ring_settle(&lag, 2);
	ck_assert(!msg_ring_is_needed(&writer, 0));
	ck_assert(msg_ring_is_needed(&writer, 1));
	msg_ring_unhold(&lag, 0);
	ck_assert(!msg_ring_is_needed(&writer, 1));
	/* One whose ledger cannot be true needs nothing. */
	atomic_store(&ledgers[1]->next, 100);
	ck_assert(!msg_ring_is_needed(&writer, 5));
	ck_assert_uint_eq(writer.evicted, 1);
}
END_TEST

START_TEST(the_header_says_of_whom_the_writer_knows)
{
	ck_assert_uint_eq(atomic_load(&header->changes), 0);
	msg_ring_writer_add(&writer, 0, ledgers[0], HELD, MSG_RING_LAP);
	msg_ring_writer_add(&writer, 1, ledgers[1], HELD, MSG_RING_LAP);
	ck_assert_uint_eq(atomic_load(&header->changes), 2);
	msg_ring_writer_remove(&writer, 0);
	msg_ring_vacate(&writer, 0);
	ck_assert_uint_eq(atomic_load(&header->changes), 3);
}
END_TEST

/* A writer that goes away takes its readers off its list, and they read on: what
 * was taken from them before is not to look as if it were there. */
START_TEST(who_is_removed_and_reads_on_finds_what_it_was_lapped_by)
{
	struct msg_ring_reader reader;
	struct msg_ring_item item;

	msg_ring_writer_add(&writer, 0, ledgers[0], HELD, MSG_RING_LAP);
	reader = open_at(0, 0);
	put_some(8);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 5), 5);
	msg_ring_writer_remove(&writer, 0);
	/* The entries are as they were; what they name is another's by now. */
	ck_assert_int_eq(msg_ring_peek(&reader, 0, &item), MSG_RING_ENTRY);
	ck_assert_uint_eq(msg_ring_hold(&reader, 8, true), 5);
	ck_assert_uint_eq(reader.lapped, 5);
}
END_TEST

/* But who comes after one that was evicted and is gone is not. */
START_TEST(a_vacant_place_tells_nothing_of_who_was_there)
{
	struct msg_ring_reader reader;

	msg_ring_writer_add(&writer, 2, ledgers[2], HELD, MSG_RING_EVICT);
	msg_ring_evict(&writer, 2);
	msg_ring_writer_remove(&writer, 2);
	ck_assert_uint_eq(atomic_load(&header->floor[2]), MSG_RING_EVICTED);
	msg_ring_vacate(&writer, 2);
	ck_assert_uint_eq(atomic_load(&header->floor[2]), 0);
	/* Its reader is there before the writer hears of it. */
	reader = open_at(2, MSG_RING_HEAD);
	ck_assert(!msg_ring_evicted(&reader));
	put_some(2);
	take(&reader, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_late");
	TCase *late = check_case(suite, "late", 10);

	tcase_add_checked_fixture(late, setup, teardown);
	tcase_add_test(
		late, the_newest_stay_for_who_comes_late_until_there_is_need);
	tcase_add_test(late, half_of_what_is_retained_gives_way);
	tcase_add_test(
		late, what_is_promised_to_strangers_is_never_taken_back);
	tcase_add_test(
		late, what_is_yielded_is_not_retained_and_the_header_says_so);
	tcase_add_test(late, who_came_before_a_yield_is_told_what_it_lost);
	tcase_add_test(late, needed_is_what_is_in_hand_or_awaited);
	tcase_add_test(late, the_header_says_of_whom_the_writer_knows);
	tcase_add_test(
		late, who_is_removed_and_reads_on_finds_what_it_was_lapped_by);
	tcase_add_test(late, a_vacant_place_tells_nothing_of_who_was_there);
	return check_main(suite, NULL);
}
