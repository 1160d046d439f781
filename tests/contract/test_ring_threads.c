/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_ring_threads.c - all roles of a ring as threads over one memory.
 *
 *     writer ──ring──> reader 0 ──views──> releaser 0      one that keeps up
 *                      reader 1 ──views──> releaser 1      one that is slow
 *                      reader 2 ──views──> releaser 2      one that keeps some
 *
 * What a broker, its subscribers and their threads do, in one process, so that
 * the thread sanitizer sees all of it.  Every payload says who it is: nothing
 * changes in hand, nothing comes twice or out of order, and what is missing is
 * told.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"
#include "engine/inbox.h"
#include "pool/ring_writer.h"

#define READERS 3u
#define ENTRIES 64u
#define SLOTS 128u
#define SLOT_WORDS 24u
#define HELD 32u
#define MESSAGES (400000u / MSG_TEST_FEWER)
#define QUEUE 256u

struct role {
	pthread_t thread;
	pthread_t releaser;
	uint32_t number;
	struct msg_inbox inbox;
	struct msg_inbox_ring *ring;
	struct msg_ring_ledger *ledger;
	msg_counter_t counters[MSG_COUNTER_COUNT];
	uint64_t seed;
	uint64_t delivered;
	uint64_t lost;
	uint64_t next;
	/* Views on their way to the thread that releases them. */
	pthread_mutex_t lock;
	struct msg_view queue[QUEUE];
	unsigned queued;
	bool done;
	const char *wrong;
};

static struct msg_ring_header *header;
static struct msg_ring_writer writer;
static uint64_t *pool;
static bool out[SLOTS];
static uint32_t free_slots[SLOTS];
static uint32_t free_count;
static struct role roles[READERS];
static _Atomic bool published;

static void freed(void *context, uint32_t slot)
{
	(void)context;
	if (!out[slot])
		abort();
	out[slot] = false;
	free_slots[free_count++] = slot;
}

static uint64_t *slot_data(uint32_t slot)
{
	return pool + (size_t)slot * SLOT_WORDS;
}

static bool is_whole(const struct msg_view *view)
{
	const uint64_t *data = view->data;

	for (size_t i = 0; i < view->bytes / 8; i++)
		if (data[i] != view->sequence + i)
			return false;
	return true;
}

/* ---- writer ------------------------------------------------------------ */

static uint32_t get_slot(void)
{
	uint32_t slot;

	for (int i = 0; free_count == 0; i++) {
		msg_ring_reclaim(&writer, i ? writer.head : 0);
		if (i > 0 && free_count == 0)
			sched_yield();
	}
	slot = free_slots[--free_count];
	out[slot] = true;
	return slot;
}

static void publish(uint64_t sequence, struct random_stream *random)
{
	struct msg_ring_item item = {.sequence = sequence,
		.publisher = 1,
		.kind = MSG_RING_INLINE,
		.bytes = 8 * (uint32_t)random_below(random, 5)};
	uint32_t slot = MSG_RING_NO_TOKEN;
	uint64_t *data = item.data;

	if (random_chance(random, 700)) {
		slot = get_slot();
		data = slot_data(slot);
		item.kind = MSG_RING_SINGLE;
		item.bytes = 8 * (uint32_t)random_below(random, SLOT_WORDS);
		item.place = slot * SLOT_WORDS * 8 / MSG_RING_PLACE_UNIT;
	}
	for (uint32_t i = 0; i < item.bytes / 8; i++)
		data[i] = sequence + i;
	while (!msg_ring_room(&writer, 1))
		sched_yield();
	msg_ring_put(&writer, 0, &item, slot);
	msg_ring_advance(&writer, 1);
}

static void *write_all(void *unused)
{
	struct random_stream random = {check_seed()};

	(void)unused;
	for (uint64_t i = 0; i < MESSAGES; i++) {
		publish(i, &random);
		if (random_chance(&random, 100))
			msg_ring_flush(&writer);
		/* Readers are to be ahead at times, too. */
		if (random_chance(&random, 60))
			sched_yield();
	}
	msg_ring_flush(&writer);
	atomic_store(&published, true);
	return NULL;
}

/* ---- readers ----------------------------------------------------------- */

static void check_order(struct role *r, const struct msg_view *view)
{
	if (r->delivered == 0)
		r->lost = view->sequence;
	else
		r->lost += view->lost_before;
	if (r->lost + r->delivered != view->sequence)
		r->wrong = "a loss is not told, or something comes twice";
	if (!is_whole(view))
		r->wrong = "a payload is another's when it comes";
	r->delivered++;
	r->next = view->sequence + 1;
}

static void hand_over(struct role *r, const struct msg_view *view)
{
	for (;;) {
		pthread_mutex_lock(&r->lock);
		if (r->queued < QUEUE)
			break;
		pthread_mutex_unlock(&r->lock);
		sched_yield();
	}
	r->queue[r->queued++] = *view;
	pthread_mutex_unlock(&r->lock);
}

static void *read_all(void *argument)
{
	struct role *r = argument;
	struct random_stream random = {r->seed};

	for (;;) {
		bool last = atomic_load(&published);
		struct msg_view views[8];
		int n = msg_inbox_take(&r->inbox, views,
			1 + (int)random_below(&random, 8));

		for (int i = 0; i < n; i++) {
			check_order(r, &views[i]);
			hand_over(r, &views[i]);
		}
		if (n == 0 && last && !msg_inbox_ready(&r->inbox))
			break;
		if (r->number == 1 && random_chance(&random, 50))
			usleep(300);
		else if (n == 0)
			sched_yield();
	}
	pthread_mutex_lock(&r->lock);
	r->done = true;
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* Any of those queued, so that some are kept for long. */
static bool get_view(
	struct role *r, struct random_stream *random, struct msg_view *view)
{
	bool got = false;

	pthread_mutex_lock(&r->lock);
	if (r->queued > (r->number == 2 && !r->done ? 6 : 0)) {
		unsigned at = (unsigned)random_below(random, r->queued);

		*view = r->queue[at];
		r->queue[at] = r->queue[--r->queued];
		got = true;
	}
	pthread_mutex_unlock(&r->lock);
	return got;
}

static bool is_done(struct role *r)
{
	bool done;

	pthread_mutex_lock(&r->lock);
	done = r->done && r->queued == 0;
	pthread_mutex_unlock(&r->lock);
	return done;
}

static void *release_all(void *argument)
{
	struct role *r = argument;
	struct random_stream random = {r->seed + 1000};
	const char *wrong = NULL;

	while (!is_done(r)) {
		struct msg_view view;

		if (!get_view(r, &random, &view)) {
			sched_yield();
			continue;
		}
		if (!is_whole(&view))
			wrong = "a payload changed in hand";
		msg_inbox_release(&r->inbox, &view, 1);
	}
	return (void *)(uintptr_t)wrong;
}

/* ---- the test ---------------------------------------------------------- */

static void open_writer(void)
{
	struct msg_ring_writer_options options = {.entry_count = ENTRIES,
		.pin_max = SLOTS,
		.shared = true,
		.free = freed};

	header = aligned_alloc(64, msg_ring_bytes(ENTRIES));
	memset(header, 0, msg_ring_bytes(ENTRIES));
	options.header = header;
	pool = calloc(SLOTS * SLOT_WORDS, sizeof *pool);
	for (uint32_t i = 0; i < SLOTS; i++)
		free_slots[free_count++] = i;
	ck_assert_int_eq(msg_ring_writer_open(&writer, &options), 0);
}

static void open_reader(struct role *r, uint32_t k)
{
	struct msg_inbox_options options = {.record_count = HELD,
		.ring_max = 1,
		.publisher_count_max = 2,
		.counts_losses = true,
		.counters = r->counters};
	struct msg_inbox_ring_options ring = {.header = header,
		.entry_count = ENTRIES,
		.number = k,
		.pool = (const uint8_t *)pool,
		.pool_bytes = SLOTS * SLOT_WORDS * 8,
		.publisher = 1,
		.topic = MSG_INBOX_NONE,
		.held_max = HELD};
	size_t bytes = sizeof *r->ledger + HELD * sizeof(uint64_t);

	r->number = k;
	r->seed = check_seed() + k + 1;
	r->ledger = aligned_alloc(64, bytes);
	memset(r->ledger, 0, bytes);
	ring.ledger = r->ledger;
	pthread_mutex_init(&r->lock, NULL);
	msg_ring_writer_add(&writer, k, r->ledger, HELD, MSG_RING_LAP);
	ck_assert_int_eq(msg_inbox_open(&r->inbox, &options), 0);
	ck_assert_int_eq(msg_inbox_add(&r->inbox, &ring, &r->ring), 0);
}

static void close_reader(struct role *r)
{
	ck_assert_msg(r->wrong == NULL, "reader %u: %s", r->number, r->wrong);
	ck_assert(!msg_inbox_busy(&r->inbox));
	ck_assert_uint_eq(atomic_load(&r->inbox.refused), 0);
	ck_assert_uint_gt(r->delivered, 0);
	ck_assert_uint_le(r->next, MESSAGES);
	printf("reader %u: %llu delivered, %llu lost\n", r->number,
		(unsigned long long)r->delivered,
		(unsigned long long)r->lost);
}

START_TEST(all_roles_at_once_keep_every_promise)
{
	pthread_t thread;

	open_writer();
	for (uint32_t k = 0; k < READERS; k++)
		open_reader(&roles[k], k);
	for (uint32_t k = 0; k < READERS; k++) {
		pthread_create(&roles[k].thread, NULL, read_all, &roles[k]);
		pthread_create(
			&roles[k].releaser, NULL, release_all, &roles[k]);
	}
	pthread_create(&thread, NULL, write_all, NULL);
	pthread_join(thread, NULL);
	for (uint32_t k = 0; k < READERS; k++) {
		void *wrong;

		pthread_join(roles[k].thread, NULL);
		pthread_join(roles[k].releaser, &wrong);
		ck_assert_msg(wrong == NULL, "%s", (const char *)wrong);
		close_reader(&roles[k]);
	}
	msg_ring_reclaim(&writer, 0);
	ck_assert_uint_eq(writer.evicted, 0);
	ck_assert_uint_eq(free_count, SLOTS);
	for (uint32_t k = 0; k < READERS; k++) {
		msg_inbox_close(&roles[k].inbox);
		free(roles[k].ledger);
	}
	msg_ring_writer_close(&writer);
	free(header);
	free(pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring threads");
	TCase *roles_case = check_case(suite, "roles", 120);

	tcase_add_test(roles_case, all_roles_at_once_keep_every_promise);
	return check_main(suite, NULL);
}
