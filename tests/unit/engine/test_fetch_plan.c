/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fetch_plan.c - which reads bring some frames; see engine/fetch_plan.c.
 *
 * Whatever the places say, which are a stranger's: what is read lies in chunks
 * that are the item's, no two reads write to the same bytes, and each frame that
 * keeps its slot has both its pieces in what is read, where it looks for them.
 */
#include "engine/receive_internal.h"

#include <stdlib.h>

#include "check_main.h"

#define FRAME_BYTES 1500u
#define ALL_CHUNKS (UINT32_MAX >> (32 - MSG_FETCH_CHUNKS))

static struct msg_receiver *receiver;
static struct msg_fetch_item *item;

static void setup(void)
{
	receiver = calloc(1, sizeof *receiver);
	receiver->fetch = calloc(1, sizeof *receiver->fetch);
	receiver->fetch->chunks = ALL_CHUNKS;
	ck_assert_int_eq(msg_receive_open(&receiver->pool, MSG_FETCH_SLOTS,
				 FRAME_BYTES, NULL),
		0);
	item = &receiver->fetch->items[0];
}

static void teardown(void)
{
	msg_receive_close(&receiver->pool);
	free(receiver->fetch);
	free(receiver);
}

static void begin(uint32_t count)
{
	item->count = count;
	for (uint32_t i = 0; i < count; i++) {
		item->frames[i] = (struct msg_fetch_frame){
			.slot = msg_receive_get(&receiver->pool)};
		ck_assert_uint_ne(item->frames[i].slot, MSG_RECEIVE_NONE);
	}
	receiver->fetch->held = count;
}

/* Where a piece is in what was read; UINT32_MAX: nowhere. */
static bool is_read_to(
	uint64_t from, uint32_t bytes, bool inside, uint32_t at)
{
	for (uint32_t i = 0; i < item->range_count; i++) {
		const struct msg_fetch_range *r = &item->ranges[i];

		if (r->inside == inside && from >= r->begin &&
			from - r->begin <= r->bytes &&
			bytes <= r->bytes - (from - r->begin) &&
			r->at + (from - r->begin) == at)
			return true;
	}
	return false;
}

static void check_ranges(void)
{
	for (uint32_t i = 0; i < item->range_count; i++) {
		const struct msg_fetch_range *r = &item->ranges[i];
		uint32_t chunk = r->at / MSG_FETCH_CHUNK_BYTES;

		ck_assert_uint_gt(r->bytes, 0);
		ck_assert(item->chunks & UINT32_C(1) << chunk);
		ck_assert_uint_eq(
			(r->at + r->bytes - 1) / MSG_FETCH_CHUNK_BYTES, chunk);
		for (uint32_t k = 0; k < i; k++) {
			const struct msg_fetch_range *o = &item->ranges[k];

			ck_assert(o->at + o->bytes <= r->at ||
				  r->at + r->bytes <= o->at);
		}
	}
	ck_assert_int_le(__builtin_popcount(item->chunks),
		(int)MSG_FETCH_CHUNKS / 2);
	ck_assert_uint_eq(item->chunks & receiver->fetch->chunks, 0);
}

/* How many frames are to be had. */
static uint32_t check_frames(void)
{
	uint32_t had = 0;

	for (uint32_t i = 0; i < item->count; i++) {
		const struct msg_fetch_frame *f = &item->frames[i];
		const struct msg_shelf_place *p = &f->place;

		if (f->slot == MSG_RECEIVE_NONE)
			continue;
		had++;
		ck_assert(p->bytes == 0 || is_read_to(p->begin, p->bytes,
						   p->inside, f->at[0]));
		ck_assert(p->table == 0 ||
			  is_read_to(p->begin + p->table_begin, p->table,
				  p->inside, f->at[1]));
	}
	ck_assert_uint_eq(receiver->fetch->held, had);
	return had;
}

static void end(void)
{
	fetch_forget_plan(receiver->fetch, item);
	ck_assert_uint_eq(receiver->fetch->chunks, ALL_CHUNKS);
	ck_assert_uint_eq(item->range_count, 0);
	for (uint32_t i = 0; i < item->count; i++)
		fetch_put_slot(receiver, &item->frames[i]);
	ck_assert_uint_eq(receiver->fetch->held, 0);
	ck_assert_uint_eq(receiver->pool.free_count, MSG_FETCH_SLOTS);
}

static void place(uint32_t frame, uint64_t at, uint32_t bytes, bool inside)
{
	item->frames[frame].place.begin = at;
	item->frames[frame].place.bytes = bytes;
	item->frames[frame].place.inside = inside;
}

START_TEST(neighbours_come_with_one_read)
{
	begin(MSG_FETCH_FRAMES);
	/* The last of them first, as slots are taken. */
	for (uint32_t i = 0; i < MSG_FETCH_FRAMES; i++)
		place(i, (MSG_FETCH_FRAMES - i) * 64, 32, true);
	fetch_plan(receiver, item);
	check_ranges();
	ck_assert_uint_eq(item->range_count, 1);
	ck_assert_uint_eq(check_frames(), MSG_FETCH_FRAMES);
	end();
}
END_TEST

/* Those of the catalogue are others than those of the slots. */
START_TEST(who_is_far_comes_alone)
{
	begin(4);
	place(0, 0, 100, false);
	place(1, 100 + 1024, 100, false);
	place(2, 100 + 1024 + 100 + 1025, 100, false);
	place(3, 0, 100, true);
	fetch_plan(receiver, item);
	check_ranges();
	ck_assert_uint_eq(item->range_count, 3);
	ck_assert_uint_eq(check_frames(), 4);
	end();
}
END_TEST

/* Half of the chunks is all that one publisher has. */
START_TEST(what_finds_no_room_stays_missing)
{
	uint32_t most = MSG_FETCH_CHUNKS / 2 * (MSG_FETCH_CHUNK_BYTES / 20000);

	begin(MSG_FETCH_FRAMES);
	for (uint32_t i = 0; i < MSG_FETCH_FRAMES; i++)
		place(i, (uint64_t)i << 20, 20000, false);
	fetch_plan(receiver, item);
	check_ranges();
	ck_assert_uint_eq(check_frames(), most);
	/* And none when others have them. */
	end();
	receiver->fetch->chunks = 0;
	begin(1);
	place(0, 0, 1, false);
	fetch_plan(receiver, item);
	ck_assert_uint_eq(check_frames(), 0);
	receiver->fetch->chunks = ALL_CHUNKS;
	end();
}
END_TEST

/* A frame of a kernel's connection, which nobody reads. */
START_TEST(what_is_more_than_a_chunk_stays_missing)
{
	begin(3);
	place(0, 0, MSG_FETCH_CHUNK_BYTES, false);
	place(1, (uint64_t)1 << 20, MSG_FETCH_CHUNK_BYTES + 1, false);
	place(2, (uint64_t)2 << 20, 100, false);
	fetch_plan(receiver, item);
	check_ranges();
	ck_assert_uint_eq(check_frames(), 2);
	ck_assert_uint_eq(item->frames[1].slot, MSG_RECEIVE_NONE);
	end();
}
END_TEST

static void lay_at_random(struct random_stream *random)
{
	uint64_t base = random_chance(random, 100)
				? UINT64_MAX - random_below(random, 5000)
				: random_below(random, UINT64_C(1) << 40);
	uint64_t spread = UINT64_C(1) << random_below(random, 22);
	uint32_t bytes = 1 + (uint32_t)random_below(random,
				     random_chance(random, 200) ? 140000
								: 1500);

	begin(1 + (uint32_t)random_below(random, MSG_FETCH_FRAMES));
	for (uint32_t i = 0; i < item->count; i++) {
		struct msg_shelf_place *p = &item->frames[i].place;

		place(i, base + random_below(random, spread),
			(uint32_t)random_below(random, bytes + 1),
			random_chance(random, 200));
		if (random_chance(random, 300)) {
			p->table = (uint16_t)random_below(random, 2000);
			p->table_begin = (uint32_t)random_below(
				random, random_chance(random, 500)
						? UINT32_MAX
						: 3000);
		}
		if (random_chance(random, 100))
			fetch_put_slot(receiver, &item->frames[i]);
	}
}

START_TEST(whatever_places_say_reads_stay_apart)
{
	struct random_stream random = {check_seed()};

	for (uint32_t i = 0; i < 20000; i++) {
		lay_at_random(&random);
		fetch_plan(receiver, item);
		check_ranges();
		check_frames();
		end();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fetch_plan");
	TCase *tcase = check_case(suite, "plan", 120);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, neighbours_come_with_one_read);
	tcase_add_test(tcase, who_is_far_comes_alone);
	tcase_add_test(tcase, what_finds_no_room_stays_missing);
	tcase_add_test(tcase, what_is_more_than_a_chunk_stays_missing);
	tcase_add_test(tcase, whatever_places_say_reads_stay_apart);
	return check_main(suite, NULL);
}
