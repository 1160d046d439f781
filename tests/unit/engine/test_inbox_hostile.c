/* SPDX-License-Identifier: BSD-2-Clause */
/* test_inbox_hostile.c - rings that lie, and releases by many threads; see
 * libmsg/engine/inbox.h. */
#include <pthread.h>
#include <sys/mman.h>

#include "inbox_fixture.h"

/* ---- hostile rings ----------------------------------------------------- */

#define HOSTILE_POOL 8192u

static void look_at(const struct msg_view *view)
{
	struct msg_segment segments[16];
	int n = msg_inbox_segments(&inbox, view, segments, 16);
	volatile uint8_t sum = 0;

	/* Beyond the pool, either way, is a page that cannot be read. */
	for (int i = 0; i < n; i++)
		for (uint32_t b = 0; b < segments[i].bytes; b++)
			sum = (uint8_t)(sum +
				((const uint8_t *)segments[i].data)[b]);
}

static void scramble(struct msg_ring_header *header, uint64_t around,
	struct random_stream *random)
{
	struct msg_ring_entry *e = msg_ring_entries(header) +
				   random_below(random, header->entry_count);
	uint64_t kind = random_below(random, 6);
	uint64_t bytes = random_below(random, 4) ? random_below(random, 64)
						 : random_next(random);

	atomic_store(&e->turn, random_chance(random, 900)
			? around + random_below(random, 10)
			: random_next(random));
	atomic_store(&e->sequence, random_next(random));
	atomic_store(&e->from, random_next(random));
	atomic_store(&e->what,
		msg_ring_what((uint32_t)kind, (uint32_t)bytes & 0x1fffffff,
			(uint32_t)(random_chance(random, 800)
					? random_below(random,
						  HOSTILE_POOL / 8 + 2)
					: random_next(random))));
	atomic_store(&e->more[0], random_next(random));
	atomic_store(&e->more[1],
		(random_below(random, 200) << 32) | random_below(random, 5));
	if (random_chance(random, 100))
		atomic_store(&header->floor[0],
			random_chance(random, 500)
				? around + random_below(random, 20)
				: random_next(random));
	if (random_chance(random, 50))
		atomic_store(&header->head, random_next(random));
}

START_TEST(a_hostile_ring_leads_nobody_out_of_its_pool)
{
	size_t page = 4096;
	uint8_t *map = mmap(NULL, HOSTILE_POOL + 2 * page, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *pool = map + page;

	ck_assert_int_eq(
		mprotect(pool, HOSTILE_POOL, PROT_READ | PROT_WRITE), 0);
	for (unsigned trial = 0; trial < 200 / MSG_TEST_FEWER; trial++) {
		struct random_stream random = {check_seed() + trial};
		struct msg_view views[RECORDS];
		int n = 0;

		open_all();
		sources[0].ring->pool = pool;
		sources[0].ring->pool_bytes = HOSTILE_POOL;
		for (unsigned i = 0; i < 2000; i++) {
			struct msg_ring_reader *r = &sources[0].ring->reader;
			uint64_t before = r->next;

			scramble(sources[0].header, before, &random);
			pool[random_below(&random, HOSTILE_POOL)] =
				(uint8_t)random_next(&random);
			if (random_chance(&random, 300))
				n += take(views + n, (int)random_below(&random,
					(uint64_t)(RECORDS + 1 - (unsigned)n)));
			MUST(r->next >= before, "goes back");
			MUST(sources[0].ring->in_hand <= RECORDS,
				"%u in hand", sources[0].ring->in_hand);
			for (int v = 0; v < n; v++)
				look_at(&views[v]);
			if (random_chance(&random, 100)) {
				msg_inbox_release(&inbox, views, n);
				n = 0;
			}
		}
		msg_inbox_release(&inbox, views, n);
		ck_assert_uint_eq(refused(), 0);
		/* Void what is still to come: all that was taken is back. */
		memset(msg_ring_entries(sources[0].header), 0,
			64 * sizeof(struct msg_ring_entry));
		while ((n = take(views, RECORDS)) > 0)
			msg_inbox_release(&inbox, views, n);
		ck_assert(!msg_inbox_busy(&inbox));
		ck_assert_uint_eq(inbox.free_count, RECORDS);
		close_all();
	}
	munmap(map, HOSTILE_POOL + 2 * page);
}
END_TEST

/* It says that all is gone, and nowhere where it goes on. */
START_TEST(a_lap_to_nowhere_ends_the_take)
{
	struct msg_ring_entry *e;
	struct msg_view view;

	open_all();
	e = msg_ring_entries(sources[0].header);
	for (unsigned i = 0; i < 64; i++)
		atomic_store(&e[i].turn, UINT64_MAX);
	ck_assert_int_eq(take(&view, 1), 0);
	ck_assert_uint_eq(sources[0].ring->reader.next, 0);
	atomic_store(&sources[0].header->head, 5);
	ck_assert_int_eq(take(&view, 1), 0);
	ck_assert_uint_eq(sources[0].ring->reader.next, 5);
	/* Nor round the end of the numbers, and here again. */
	atomic_store(&sources[0].header->floor[0], UINT64_MAX - 3);
	ck_assert_int_eq(take(&view, 1), 0);
	ck_assert_uint_eq(sources[0].ring->reader.next, 5);
	close_all();
}
END_TEST

/* ---- many threads ------------------------------------------------------ */

#define STORM_THREADS 4
#define STORM_ENTRIES 32
#define STORM_VIEWS 70
#define STORM_ROUNDS (64 / MSG_TEST_FEWER)
#define STORM_TOTAL (STORM_ENTRIES * STORM_VIEWS)

static struct msg_view storm_views[STORM_TOTAL];
static pthread_barrier_t storm_barrier;

/* All threads try all views, so each is released once and refused thrice. */
static void *storm(void *argument)
{
	struct random_stream random = {
		check_seed() + (uint64_t)(uintptr_t)argument};

	for (int round = 0; round < STORM_ROUNDS; round++) {
		int at, done = 0;

		pthread_barrier_wait(&storm_barrier);
		at = (int)random_below(&random, STORM_TOTAL);
		while (done < STORM_TOTAL) {
			int n = 1 + (int)random_below(&random, 100);

			if (n > STORM_TOTAL - done)
				n = STORM_TOTAL - done;
			if (n > STORM_TOTAL - at)
				n = STORM_TOTAL - at;
			msg_inbox_release(&inbox, storm_views + at, n);
			done += n;
			at = (at + n) % STORM_TOTAL;
		}
		pthread_barrier_wait(&storm_barrier);
	}
	return NULL;
}

START_TEST(a_storm_of_releases_frees_each_entry_once)
{
	pthread_t threads[STORM_THREADS];
	uint64_t sequence = 0;

	open_all();
	pthread_barrier_init(&storm_barrier, NULL, STORM_THREADS + 1);
	for (uintptr_t i = 0; i < STORM_THREADS; i++)
		pthread_create(&threads[i], NULL, storm, (void *)i);
	for (int round = 0; round < STORM_ROUNDS; round++) {
		for (int e = 0; e < STORM_ENTRIES; e++) {
			publish_packed(&sources[0], sequence, STORM_VIEWS);
			sequence += STORM_VIEWS;
		}
		take_all(storm_views, STORM_TOTAL);
		pthread_barrier_wait(&storm_barrier);
		while (inbox.free_count < RECORDS)
			msg_inbox_settle(&inbox);
		pthread_barrier_wait(&storm_barrier);
		ck_assert_uint_eq(refused(), (uint64_t)(round + 1) *
						     STORM_TOTAL *
						     (STORM_THREADS - 1));
		all_home();
	}
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_join(threads[i], NULL);
	close_all();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inbox_hostile");
	TCase *hostile = check_case(suite, "hostile rings", 60);
	TCase *threads = check_case(suite, "threads", 60);

	tcase_add_test(hostile, a_hostile_ring_leads_nobody_out_of_its_pool);
	tcase_add_test(hostile, a_lap_to_nowhere_ends_the_take);
	tcase_add_test(threads, a_storm_of_releases_frees_each_entry_once);
	return check_main(suite, NULL);
}
