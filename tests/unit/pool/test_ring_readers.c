/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_ring_readers.c - readers that lie, sleep, and are a crowd; see
 * libmsg/pool/ring.h.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/futex.h"
#include "ring_fixture.h"

/* ---- hostile ledgers --------------------------------------------------- */

static void say(uint32_t k, uint64_t low, uint64_t next, uint32_t top)
{
	atomic_store(&ledgers[k]->low, low);
	atomic_store(&ledgers[k]->next, next);
	atomic_store(&ledgers[k]->held_top, top);
}

START_TEST(a_ledger_that_cannot_be_true_evicts_its_owner_alone)
{
	static const struct {
		uint64_t low, next;
		uint32_t top;
	} lies[] = {
		{0, 9, 0},               /* Beyond the head. */
		{0, UINT64_MAX, 0},
		{UINT64_MAX, UINT64_MAX, 0},
		{UINT64_MAX, 0, 0},
		{9, 3, 0},
		{0, 8, 0},               /* More than allowed. */
		{0, 0, 5},
		{0, 0, UINT32_MAX},
	};

	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		open_ring(8);
		add(0, 4, MSG_RING_BLOCK);
		add(1, HELD, MSG_RING_BLOCK);
		put_some(8);
		take_some(1, 3);
		settle(1);
		say(0, lies[i].low, lies[i].next, lies[i].top);
		ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 3);
		ck_assert(!msg_ring_writer_has(&writer, 0));
		ck_assert(msg_ring_writer_has(&writer, 1));
		ck_assert_uint_eq(writer.evicted, 1);
		close_ring();
	}
}
END_TEST

START_TEST(a_ledger_that_is_only_odd_hurts_nobody)
{
	open_ring(8);
	add(0, 4, MSG_RING_LAP);
	add(1, HELD, MSG_RING_LAP);
	put_some(8);
	take_some(1, 5);
	settle(1);
	/* low above next: as if next were there, too. */
	say(0, 4, 2, 0);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 4);
	/* Back again, to what is gone. */
	say(0, 1, 2, 4);
	for (unsigned i = 0; i < 4; i++)
		atomic_store(&ledgers[0]->held[i], UINT64_MAX - i);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 0);
	/* Everything named thrice, and more than is there. */
	say(0, 5, 5, 4);
	for (unsigned i = 0; i < 4; i++)
		atomic_store(&ledgers[0]->held[i], 5);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 0);
	ck_assert_uint_eq(writer.pin_count, 1);
	say(0, 5, 5, 0);
	ck_assert_uint_eq(msg_ring_reclaim(&writer, 0), 1);
	ck_assert(msg_ring_writer_has(&writer, 0));
	close_ring();
}
END_TEST

static uint64_t near(struct random_stream *random)
{
	switch (random_below(random, 4)) {
	case 0:
		return random_next(random);
	case 1:
		return writer.tail + random_below(random, 8);
	default:
		return writer.head - random_below(random, 12) + 2;
	}
}

/* Ledger 0 is noise; reader 1 is honest, and what it has in hand stays. */
START_TEST(noise_in_a_ledger_frees_nothing_of_others)
{
	for (unsigned trial = 0; trial < 400 / MSG_TEST_FEWER; trial++) {
		struct random_stream random = {check_seed() + trial};
		uint32_t hand[HELD];
		unsigned in_hand = 0;

		open_ring(8);
		add(0, HELD, MSG_RING_LAP);
		add(1, HELD, MSG_RING_LAP);
		for (unsigned i = 0; i < 300; i++) {
			if (!msg_ring_writer_has(&writer, 0)) {
				msg_ring_writer_remove(&writer, 0);
				add(0, HELD, MSG_RING_LAP);
			}
			say(0, near(&random), near(&random),
				(uint32_t)random_below(&random, HELD + 1));
			for (unsigned h = 0; h < HELD; h++)
				atomic_store(&ledgers[0]->held[h],
					near(&random));
			put();
			if (random_chance(&random, 500) && in_hand < HELD) {
				enum msg_ring_peek seen =
					take(1, &hand[in_hand]);

				in_hand += seen == MSG_RING_ENTRY;
				if (seen == MSG_RING_GONE && in_hand == 0)
					msg_ring_lap(&readers[1]);
			}
			for (unsigned k = 0; k < in_hand; k++)
				MUST(out[hand[k]] == 1,
					"seed %llu: token %u was freed in hand",
					(unsigned long long)(check_seed() +
							     trial),
					hand[k]);
			if (random_chance(&random, 100) ||
				readers[1].next - readers[1].low >= HELD) {
				settle(1);
				in_hand = 0;
			}
		}
		ck_assert(msg_ring_writer_has(&writer, 1));
		close_ring();
	}
}
END_TEST

/* ---- sleepers ---------------------------------------------------------- */

START_TEST(each_sleep_is_woken_once)
{
	uint32_t bell;

	open_ring(8);
	for (uint32_t k = 0; k < 3; k++)
		add(k, HELD, MSG_RING_LAP);
	bell = atomic_load(&header->bell);
	msg_ring_flush(&writer);
	ck_assert_uint_eq(atomic_load(&header->bell), bell);
	ck_assert_uint_eq(
		msg_ring_sleep(&readers[0], MSG_RING_SLEEP_FUTEX), bell);
	msg_ring_sleep(&readers[1], MSG_RING_SLEEP_DESCRIPTOR);
	msg_ring_flush(&writer);
	msg_ring_flush(&writer);
	ck_assert_uint_eq(atomic_load(&header->bell), bell + 1);
	ck_assert_uint_eq(woken[1], 1);
	ck_assert_uint_eq(woken[0] + woken[2], 0);
	msg_ring_awake(&readers[0]);
	msg_ring_awake(&readers[1]);
	msg_ring_flush(&writer);
	ck_assert_uint_eq(woken[1], 1);
	/* The next sleep is another. */
	msg_ring_sleep(&readers[1], MSG_RING_SLEEP_DESCRIPTOR);
	msg_ring_flush(&writer);
	ck_assert_uint_eq(woken[1], 2);
	ck_assert_uint_eq(atomic_load(&header->bell), bell + 1);
	close_ring();
}
END_TEST

static void *sleeper(void *argument)
{
	const struct msg_ring_header *view = argument;
	struct msg_ring_reader reader;

	msg_ring_reader_open(&reader, view, view->entry_count, ledgers[0], 0, MSG_RING_HEAD);
	while (reader.next < 200) {
		struct futex_waitv word;
		uint32_t bell;

		if (msg_ring_ready(&reader)) {
			msg_ring_hold(&reader, reader.next + 1, false);
			msg_ring_settle(&reader, reader.next);
			continue;
		}
		bell = msg_ring_sleep(&reader, MSG_RING_SLEEP_FUTEX);
		msg_fence(seq_cst);
		word = msg_futex_on(&view->bell, bell);
		if (!msg_ring_ready(&reader))
			msg_futex_wait(&word, 1, msg_clock_ns() + 5000000000u);
		msg_ring_awake(&reader);
	}
	return NULL;
}

START_TEST(a_reader_sleeps_on_a_map_it_cannot_write)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	size_t bytes = (msg_ring_bytes(8) + 4095) & ~(size_t)4095;
	struct msg_ring_writer_options options = {.entry_count = 8,
		.pin_max = 8,
		.shared = true,
		.free = freed,
		.context = &writer};
	struct msg_ring_item item = {.kind = MSG_RING_INLINE};
	struct futex_waitv probe;
	uint64_t start = msg_clock_ns();
	pthread_t thread;
	void *view;

	ck_assert_int_eq(ftruncate(fd, (off_t)bytes), 0);
	header = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	view = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert(header != MAP_FAILED && view != MAP_FAILED);
	probe = msg_futex_on(&header->bell, 0);
	if (msg_futex_wait(&probe, 1, 1) < 0 && errno == ENOSYS)
		CHECK_SKIP("this kernel has no futex_waitv");
	options.header = header;
	ck_assert_int_eq(msg_ring_writer_open(&writer, &options), 0);
	ledgers[0] = aligned_alloc(64, 4096);
	memset(ledgers[0], 0, 4096);
	msg_ring_writer_add(&writer, 0, ledgers[0], 8, MSG_RING_BLOCK);
	ck_assert_int_eq(pthread_create(&thread, NULL, sleeper, view), 0);
	for (unsigned i = 0; i < 200;) {
		if (i % 8 == 0)
			usleep(200);
		if (!msg_ring_room(&writer, 1))
			continue;
		msg_ring_put(&writer, 0, &item, MSG_RING_NO_TOKEN);
		msg_ring_advance(&writer, 1);
		msg_ring_flush(&writer);
		i++;
	}
	pthread_join(thread, NULL);
	/* A lost wake costs it the five seconds of its deadline. */
	ck_assert_uint_lt(msg_clock_ns() - start, 5000000000u);
	ck_assert_uint_gt(atomic_load(&header->bell), 0);
	msg_ring_writer_close(&writer);
	munmap(view, bytes);
	munmap(header, bytes);
	close(fd);
	free(ledgers[0]);
}
END_TEST

/* ---- all of it, by dice ------------------------------------------------ */

#define CROWD 5u

/* What a reader of the crowd has, as the oracle knows it. */
static struct {
	uint64_t window[HELD]; /* Indices from low to next that are claimed. */
	uint32_t window_token[HELD];
	uint32_t window_count;
	uint64_t held[HELD]; /* By place; token + 1, or 0. */
	uint32_t held_token[HELD];
	uint32_t held_count;
	uint64_t delivered;
	uint64_t start;
} crowd[CROWD];

static void crowd_settle(uint32_t k, struct random_stream *random)
{
	uint32_t top = 0;

	/* Some of the window stays, in held[]. */
	for (uint32_t i = 0; i < crowd[k].window_count; i++) {
		uint32_t place = 0;

		if (!random_chance(random, 200) || crowd[k].held_count > 4)
			continue;
		while (crowd[k].held[place])
			place++;
		crowd[k].held[place] = 1;
		crowd[k].held_token[place] = crowd[k].window_token[i];
		crowd[k].held_count++;
		msg_ring_keep(&readers[k], place, crowd[k].window[i]);
	}
	for (uint32_t i = 0; i < HELD; i++)
		if (crowd[k].held[i])
			top = i + 1;
	if (top > atomic_load(&ledgers[k]->held_top))
		hold_top(k, top);
	crowd[k].window_count = 0;
	settle(k);
}

static void crowd_unhold(uint32_t k, struct random_stream *random)
{
	uint32_t place = (uint32_t)random_below(random, HELD);

	if (!crowd[k].held[place])
		return;
	crowd[k].held[place] = 0;
	crowd[k].held_count--;
	msg_ring_unhold(&readers[k], place);
	if (crowd[k].held_count == 0)
		hold_top(k, 0);
}

static void crowd_take(uint32_t k, struct random_stream *random)
{
	uint32_t token;

	if (crowd[k].window_count == 6)
		return;
	switch (take(k, &token)) {
	case MSG_RING_EMPTY:
		MUST(readers[k].next == writer.head, "finds nothing");
		break;
	case MSG_RING_GONE:
		if (readers[k].next == writer.head)
			break;
		crowd_settle(k, random);
		MUST(msg_ring_lap(&readers[k]), "is evicted");
		break;
	case MSG_RING_ENTRY:
		crowd[k].window[crowd[k].window_count] = readers[k].next - 1;
		crowd[k].window_token[crowd[k].window_count++] = token;
		crowd[k].delivered++;
		break;
	}
	MUST(crowd[k].delivered + readers[k].lapped ==
			readers[k].next - crowd[k].start,
		"delivered and lapped do not add up");
}

static void crowd_check(uint64_t seed)
{
	for (uint32_t k = 0; k < CROWD; k++) {
		for (uint32_t i = 0; i < crowd[k].window_count; i++)
			MUST(out[crowd[k].window_token[i]],
				"seed %llu: freed in the window of %u",
				(unsigned long long)seed, k);
		for (uint32_t i = 0; i < HELD; i++)
			MUST(!crowd[k].held[i] ||
					      out[crowd[k].held_token[i]],
				"seed %llu: freed in held[] of %u",
				(unsigned long long)seed, k);
	}
	MUST(writer.evicted == 0, "seed %llu: an eviction",
		(unsigned long long)seed);
}

START_TEST(a_crowd_of_readers_and_one_writer_agree)
{
	for (unsigned trial = 0; trial < 400 / MSG_TEST_FEWER; trial++) {
		uint64_t seed = check_seed() + trial;
		struct random_stream random = {seed};
		uint64_t first = (1ull << (32 + 31 * (trial & 1))) - 50;

		open_ring_at(8u << random_below(&random, 3), first);
		memset(crowd, 0, sizeof crowd);
		for (uint32_t k = 0; k < CROWD; k++) {
			add(k, HELD, MSG_RING_LAP);
			crowd[k].start = first;
		}
		for (unsigned i = 0; i < 600; i++) {
			uint32_t k = (uint32_t)random_below(&random, CROWD);

			switch (random_below(&random, 6)) {
			case 0:
			case 1:
				put();
				break;
			case 2:
				crowd_settle(k, &random);
				break;
			case 3:
				crowd_unhold(k, &random);
				break;
			case 4:
				msg_ring_reclaim(&writer,
					random_chance(&random, 300)
						? writer.head - 3
						: 0);
				break;
			default:
				crowd_take(k, &random);
			}
			crowd_check(seed);
		}
		for (uint32_t k = 0; k < CROWD; k++)
			msg_ring_writer_remove(&writer, k);
		msg_ring_reclaim(&writer, 0);
		ck_assert_uint_eq(out_count, 0);
		close_ring();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_readers");
	TCase *hostile = check_case(suite, "hostile ledgers", 60);
	TCase *sleepers = check_case(suite, "sleepers", 30);
	TCase *dice = check_case(suite, "dice", 60);

	tcase_add_test(hostile,
		a_ledger_that_cannot_be_true_evicts_its_owner_alone);
	tcase_add_test(hostile, a_ledger_that_is_only_odd_hurts_nobody);
	tcase_add_test(hostile, noise_in_a_ledger_frees_nothing_of_others);
	tcase_add_test(sleepers, each_sleep_is_woken_once);
	tcase_add_test(sleepers, a_reader_sleeps_on_a_map_it_cannot_write);
	tcase_add_test(dice, a_crowd_of_readers_and_one_writer_agree);
	return check_main(suite, NULL);
}
