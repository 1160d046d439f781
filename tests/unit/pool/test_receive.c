/* SPDX-License-Identifier: BSD-2-Clause */
/* test_receive.c - see libmsg/pool/receive.h. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "pool/receive.h"

static struct msg_receive_pool pool;

static void open_pool(uint32_t count)
{
	ck_assert_int_eq(msg_receive_open(&pool, count, 1000), 0);
}

static struct msg_view view_of(uint32_t slot, uint32_t index)
{
	return (struct msg_view){
		.opaque = msg_receive_handle(&pool, slot, index)};
}

static uint64_t refused(void)
{
	return atomic_load(&pool.refused);
}

static void release_one(struct msg_view view)
{
	msg_receive_release(&pool, &view, 1);
}

START_TEST(every_slot_is_given_once_and_has_its_own_memory)
{
	bool seen[64] = {false};

	open_pool(64);
	for (uint32_t i = 0; i < 64; i++) {
		uint32_t slot = msg_receive_get(&pool);

		ck_assert_uint_lt(slot, 64);
		ck_assert(!seen[slot]);
		seen[slot] = true;
		ck_assert_uint_eq(
			(uintptr_t)msg_receive_data(&pool, slot) % 64, 0);
		memset(msg_receive_data(&pool, slot), (int)slot, 1000);
	}
	ck_assert_uint_eq(msg_receive_get(&pool), MSG_RECEIVE_NONE);
	for (uint32_t i = 0; i < 64; i++)
		ck_assert_uint_eq(msg_receive_data(&pool, i)[999], i);
	msg_receive_close(&pool);
}
END_TEST

START_TEST(a_slot_returns_with_its_last_view_and_not_before)
{
	static const uint32_t counts[] = {
		1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 1000, 1023, 1024};
	struct random_stream random = {check_seed()};

	open_pool(4);
	for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
		uint32_t slot = msg_receive_get(&pool);
		uint32_t order[1024];
		uint32_t n = counts[c];

		msg_receive_out(&pool, slot, n);
		for (uint32_t i = 0; i < n; i++)
			order[i] = i;
		for (uint32_t i = n - 1; i > 0; i--) {
			uint32_t j = (uint32_t)random_below(&random, i + 1);
			uint32_t swap = order[i];

			order[i] = order[j];
			order[j] = swap;
		}
		for (uint32_t i = 0; i < n; i++) {
			ck_assert_uint_eq(pool.free_count, 3);
			ck_assert_uint_eq(
				msg_receive_find(&pool,
					msg_receive_handle(
						&pool, slot, order[i])),
				slot);
			release_one(view_of(slot, order[i]));
			ck_assert_uint_eq(
				msg_receive_find(&pool,
					msg_receive_handle(
						&pool, slot, order[i])),
				MSG_RECEIVE_NONE);
			msg_receive_reclaim(&pool);
		}
		ck_assert_uint_eq(pool.free_count, 4);
		ck_assert_uint_eq(refused(), 0);
		/* The one behind the last was never out. */
		if (n < 1024) {
			release_one(view_of(slot, n));
			ck_assert_uint_eq(refused(), 1);
			atomic_store(&pool.refused, 0);
		}
	}
	msg_receive_close(&pool);
}
END_TEST

START_TEST(a_batch_across_words_and_slots_returns_whole)
{
	struct msg_view views[300];
	uint32_t a, b;
	int n = 0;

	open_pool(4);
	a = msg_receive_get(&pool);
	b = msg_receive_get(&pool);
	msg_receive_out(&pool, a, 150);
	msg_receive_out(&pool, b, 150);
	for (uint32_t i = 0; i < 150; i++) {
		views[n++] = view_of(a, i);
		views[n++] = view_of(b, 149 - i);
	}
	msg_receive_release(&pool, views, n);
	msg_receive_reclaim(&pool);
	ck_assert_uint_eq(refused(), 0);
	ck_assert_uint_eq(pool.free_count, 4);
	msg_receive_close(&pool);
}
END_TEST

START_TEST(what_is_not_out_is_refused_and_counted)
{
	struct msg_view twice[4];
	uint32_t slot;
	struct msg_view stale;
	struct random_stream random = {check_seed()};

	open_pool(16);
	slot = msg_receive_get(&pool);
	msg_receive_out(&pool, slot, 2);
	/* The same view twice in a batch, and again in a later one. */
	twice[0] = twice[1] = twice[2] = view_of(slot, 0);
	msg_receive_release(&pool, twice, 3);
	ck_assert_uint_eq(refused(), 2);
	msg_receive_release(&pool, twice, 1);
	ck_assert_uint_eq(refused(), 3);
	ck_assert_uint_eq(pool.free_count, 15);
	stale = view_of(slot, 1);
	release_one(stale);
	msg_receive_reclaim(&pool);
	ck_assert_uint_eq(pool.free_count, 16);
	/* The slot goes out again: the old handle is not the new one. */
	ck_assert_uint_eq(msg_receive_get(&pool), slot);
	msg_receive_out(&pool, slot, 2);
	release_one(stale);
	ck_assert_uint_eq(refused(), 4);
	ck_assert_uint_eq(msg_receive_find(&pool, stale.opaque),
		MSG_RECEIVE_NONE);
	/* Inventions: all ones, zero, slots and views that cannot be. */
	atomic_store(&pool.refused, 0);
	release_one((struct msg_view){.opaque = UINT64_MAX});
	release_one((struct msg_view){.opaque = 0});
	release_one((struct msg_view){.opaque = 16});
	release_one((struct msg_view){.opaque = stale.opaque | 0xfff00000u});
	ck_assert_uint_eq(refused(), 4);
	for (int i = 0; i < 100000; i++) {
		struct msg_view view = {.opaque = random_next(&random)};

		if (view.opaque >> 32 == pool.slots[slot].generation)
			continue;
		release_one(view);
	}
	msg_receive_reclaim(&pool);
	ck_assert_uint_eq(pool.free_count, 15);
	release_one(view_of(slot, 0));
	release_one(view_of(slot, 1));
	msg_receive_reclaim(&pool);
	ck_assert_uint_eq(pool.free_count, 16);
	msg_receive_close(&pool);
}
END_TEST

START_TEST(a_chain_returns_with_its_first_slot)
{
	uint32_t first, second, third;

	open_pool(8);
	first = msg_receive_get(&pool);
	second = msg_receive_get(&pool);
	third = msg_receive_get(&pool);
	pool.slots[first].next = second;
	pool.slots[second].next = third;
	msg_receive_out(&pool, first, 1);
	msg_receive_reclaim(&pool);
	ck_assert_uint_eq(pool.free_count, 5);
	/* Only the first carries the view. */
	release_one(view_of(second, 0));
	ck_assert_uint_eq(refused(), 1);
	release_one(view_of(first, 0));
	msg_receive_reclaim(&pool);
	ck_assert_uint_eq(pool.free_count, 8);
	for (int i = 0; i < 8; i++)
		ck_assert_uint_eq(
			pool.slots[msg_receive_get(&pool)].next,
			MSG_RECEIVE_NONE);
	msg_receive_close(&pool);
}
END_TEST

START_TEST(generations_wrap_and_zero_is_never_one)
{
	open_pool(1);
	ck_assert_uint_eq(msg_receive_get(&pool), 0);
	pool.slots[0].generation = UINT32_MAX - 1;
	for (int i = 0; i < 4; i++) {
		struct msg_view old;

		msg_receive_out(&pool, 0, 1);
		/* A cleared view must never be somebody's view. */
		release_one((struct msg_view){.opaque = 0});
		ck_assert_uint_eq(refused(), (uint64_t)i * 2 + 1);
		old = view_of(0, 0);
		release_one(old);
		release_one(old);
		ck_assert_uint_eq(refused(), (uint64_t)i * 2 + 2);
		msg_receive_reclaim(&pool);
		ck_assert_uint_eq(msg_receive_get(&pool), 0);
	}
	msg_receive_close(&pool);
}
END_TEST

/* ---- many threads ------------------------------------------------------ */

#define STORM_THREADS 4
#define STORM_SLOTS 64
#define STORM_VIEWS 70
#define STORM_ROUNDS 60

static struct msg_view storm_views[STORM_SLOTS * STORM_VIEWS];
static pthread_barrier_t storm_barrier;

/* Each thread gives back every view it wins in the order of its own seed; all
 * threads try all views, so each is released once and refused thrice. */
static void *storm(void *argument)
{
	struct random_stream random = {
		check_seed() + (uint64_t)(uintptr_t)argument};
	int total = STORM_SLOTS * STORM_VIEWS;

	for (int round = 0; round < STORM_ROUNDS; round++) {
		int at, done = 0;

		pthread_barrier_wait(&storm_barrier);
		at = (int)random_below(&random, (uint64_t)total);
		while (done < total) {
			int n = 1 + (int)random_below(&random, 100);

			if (n > total - done)
				n = total - done;
			if (n > total - at)
				n = total - at;
			msg_receive_release(&pool, storm_views + at, n);
			done += n;
			at = (at + n) % total;
		}
		pthread_barrier_wait(&storm_barrier);
	}
	return NULL;
}

START_TEST(a_storm_of_releases_frees_each_slot_once)
{
	pthread_t threads[STORM_THREADS];
	uint64_t total = STORM_SLOTS * STORM_VIEWS;

	open_pool(STORM_SLOTS);
	pthread_barrier_init(&storm_barrier, NULL, STORM_THREADS + 1);
	for (uintptr_t i = 0; i < STORM_THREADS; i++)
		pthread_create(&threads[i], NULL, storm, (void *)i);
	for (int round = 0; round < STORM_ROUNDS; round++) {
		bool seen[STORM_SLOTS] = {false};

		for (uint32_t s = 0; s < STORM_SLOTS; s++) {
			uint32_t slot = msg_receive_get(&pool);

			ck_assert_uint_lt(slot, STORM_SLOTS);
			ck_assert(!seen[slot]);
			seen[slot] = true;
			msg_receive_out(&pool, slot, STORM_VIEWS);
			for (uint32_t v = 0; v < STORM_VIEWS; v++)
				storm_views[s * STORM_VIEWS + v] =
					view_of(slot, v);
		}
		pthread_barrier_wait(&storm_barrier);
		/* The engine's thread takes slots back meanwhile. */
		while (pool.free_count < STORM_SLOTS)
			msg_receive_reclaim(&pool);
		pthread_barrier_wait(&storm_barrier);
		ck_assert_uint_eq(pool.free_count, STORM_SLOTS);
		ck_assert_uint_eq(refused(),
			(uint64_t)(round + 1) * total * (STORM_THREADS - 1));
	}
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_join(threads[i], NULL);
	msg_receive_close(&pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("receive pool");
	TCase *slots = check_case(suite, "slots", 10);
	TCase *views = check_case(suite, "views", 10);
	TCase *threads = check_case(suite, "threads", 60);

	tcase_add_test(slots, every_slot_is_given_once_and_has_its_own_memory);
	tcase_add_test(slots, a_chain_returns_with_its_first_slot);
	tcase_add_test(
		views, a_slot_returns_with_its_last_view_and_not_before);
	tcase_add_test(views, a_batch_across_words_and_slots_returns_whole);
	tcase_add_test(views, what_is_not_out_is_refused_and_counted);
	tcase_add_test(views, generations_wrap_and_zero_is_never_one);
	tcase_add_test(threads, a_storm_of_releases_frees_each_slot_once);
	return check_main(suite, NULL);
}
