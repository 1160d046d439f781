/* SPDX-License-Identifier: BSD-2-Clause */
/* test_record_queue.c - between who takes and who writes; see
 * record_queue.h. */
#include "tool/record_queue.h"

#include <string.h>
#include <time.h>

#include "check_main.h"

#define CAPACITY 4096u
#define STORY (100000 / MSG_TEST_FEWER)

static struct record_queue queue;
static bool ended;

static void setup(void)
{
	ck_assert(record_queue_open(&queue, CAPACITY));
}

static void teardown(void)
{
	record_queue_close(&queue);
}

static uint64_t soon(uint64_t ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + ns;
}

static bool put(uint64_t number, size_t bytes)
{
	uint8_t *room = record_queue_room(&queue, bytes);

	if (!room)
		return false;
	memset(room, (int)(number & 0xff), bytes);
	memcpy(room, &number, sizeof number);
	record_queue_put(&queue);
	return true;
}

static uint64_t get(void)
{
	const void *data = record_queue_get(&queue, soon(0), &ended);
	uint64_t number;

	ck_assert_ptr_nonnull(data);
	memcpy(&number, data, sizeof number);
	record_queue_drop(&queue);
	return number;
}

START_TEST(what_was_put_is_seen_after_a_push)
{
	ck_assert(put(1, 8));
	ck_assert_ptr_null(record_queue_get(&queue, soon(0), &ended));
	record_queue_push(&queue);
	ck_assert_uint_eq(get(), 1);
	ck_assert(!ended);
}
END_TEST

START_TEST(no_room_is_an_answer)
{
	uint64_t count = 0;

	while (put(count, 100))
		count++;
	ck_assert_uint_eq(count, CAPACITY / (8 + 104));
	record_queue_push(&queue);
	ck_assert_uint_eq(get(), 0);
	/* How far the writer is, it says now and then, and when it is idle. */
	while (get() != count - 1)
		;
	ck_assert_ptr_null(record_queue_get(&queue, soon(0), &ended));
	ck_assert(put(count, 100));
}
END_TEST

START_TEST(half_of_it_is_the_most)
{
	ck_assert_ptr_null(record_queue_room(&queue, CAPACITY / 2 - 7));
	ck_assert_ptr_nonnull(record_queue_room(&queue, CAPACITY / 2 - 8));
}
END_TEST

START_TEST(room_that_was_not_filled_is_nothing)
{
	for (uint64_t i = 0; i < 100; i++) {
		ck_assert_ptr_nonnull(record_queue_room(&queue, 1500));
		record_queue_push(&queue);
		ck_assert_ptr_null(record_queue_get(&queue, soon(0), &ended));
		ck_assert(put(i, 1000));
		record_queue_push(&queue);
		ck_assert_uint_eq(get(), i);
		ck_assert_ptr_null(record_queue_get(&queue, soon(0), &ended));
	}
}
END_TEST

START_TEST(a_queue_presses_from_half_on)
{
	while (record_queue_level(&queue) + 108 < CAPACITY / 2) {
		ck_assert(put(1, 100));
		record_queue_push(&queue);
		ck_assert(!record_queue_presses(&queue));
	}
	ck_assert(put(1, 100));
	record_queue_push(&queue);
	ck_assert(record_queue_presses(&queue));
	get();
	ck_assert(!record_queue_presses(&queue));
}
END_TEST

START_TEST(the_end_comes_behind_the_last)
{
	ck_assert(put(1, 8));
	record_queue_end(&queue);
	ck_assert_uint_eq(get(), 1);
	ck_assert_ptr_null(record_queue_get(&queue, soon(1000000000), &ended));
	ck_assert(ended);
}
END_TEST

/* ---- two threads --------------------------------------------------------- */

static uint64_t got;

static void *read_all(void *unused)
{
	uint64_t wanted = 0;

	for (;;) {
		const uint8_t *data =
			record_queue_get(&queue, soon(100000000), &ended);
		uint64_t number;

		if (!data && ended)
			break;
		if (!data)
			continue;
		memcpy(&number, data, sizeof number);
		/* Nothing is missing, twice, or written over. */
		ck_assert_uint_eq(number, wanted);
		for (size_t i = 8; i < 8 + number % 200; i++)
			ck_assert_uint_eq(data[i], number & 0xff);
		wanted++;
		record_queue_drop(&queue);
	}
	got = wanted;
	return unused;
}

START_TEST(everything_arrives_in_order)
{
	pthread_t reader;
	uint64_t refused = 0;

	ck_assert_int_eq(pthread_create(&reader, NULL, read_all, NULL), 0);
	for (uint64_t i = 0; i < STORY; i++) {
		while (!put(i, 8 + i % 200)) {
			record_queue_push(&queue);
			refused++;
		}
		if (i % 7 == 0)
			record_queue_push(&queue);
	}
	record_queue_end(&queue);
	pthread_join(reader, NULL);
	ck_assert_uint_eq(got, STORY);
	ck_assert_uint_gt(refused, 0); /* It was full, too. */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record_queue");
	TCase *one = check_case(suite, "one thread", 10);
	TCase *two = check_case(suite, "two threads", 60);

	tcase_add_checked_fixture(one, setup, teardown);
	tcase_add_checked_fixture(two, setup, teardown);
	tcase_add_test(one, what_was_put_is_seen_after_a_push);
	tcase_add_test(one, no_room_is_an_answer);
	tcase_add_test(one, half_of_it_is_the_most);
	tcase_add_test(one, room_that_was_not_filled_is_nothing);
	tcase_add_test(one, a_queue_presses_from_half_on);
	tcase_add_test(one, the_end_comes_behind_the_last);
	tcase_add_test(two, everything_arrives_in_order);
	return check_main(suite, NULL);
}
