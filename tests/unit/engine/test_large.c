/* SPDX-License-Identifier: BSD-2-Clause */
/* test_large.c - memory for large messages; see engine/large.h. */
#include "engine/large.h"

#include <string.h>
#include <sys/mman.h>

#include "check_main.h"
#include "memory_channel.h"

#define PAGE ((size_t)4096)
#define MIB ((size_t)1 << 20)

static struct msg_channels *channels;
static struct msg_large_pool pool;

static void set_up(void)
{
	struct msg_channels_options options = {
		.receive_count = 1, .send_count = 1, .connection_max = 1};
	char text[MSG_LINK_TEXT_BYTES];

	memory_channel_reset(&(struct memory_channel_options){.seed = 1});
	ck_assert_int_eq(memory_channel_module.open(
				 NULL, &options, &channels, text), 0);
	msg_large_open(&pool, channels, MSG_CHANNEL_SHARED, 8 * MIB);
}

/* Whatever was out, nothing stays registered. */
static void tear_down(void)
{
	msg_large_close(&pool);
	ck_assert_uint_eq(memory_channel_counts.regions, 0);
	ck_assert_uint_eq(pool.bytes, 0);
	channels->ops->close(channels);
}

static uint32_t take(size_t bytes)
{
	uint32_t buffer = MSG_LARGE_NONE;

	ck_assert_int_eq(msg_large_take(&pool, bytes, &buffer), 0);
	ck_assert_uint_ge(msg_large_capacity(&pool, buffer), bytes);
	ck_assert_uint_eq((uintptr_t)msg_large_data(&pool, buffer) % PAGE, 0);
	return buffer;
}

static void expect_none(size_t bytes)
{
	uint32_t buffer = 77;

	ck_assert_int_eq(
		msg_large_take(&pool, bytes, &buffer), -MSG_ERROR_AGAIN);
	ck_assert_uint_eq(buffer, 77);
}

START_TEST(all_of_a_buffer_can_be_written)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 2 * MIB - 4096,
		2 * MIB, 3 * MIB + 1};

	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		uint32_t buffer = take(sizes[i]);
		const struct msg_channel_region *r =
			&pool.buffers[buffer].region;

		memset(msg_large_data(&pool, buffer) - MSG_LARGE_FRONT, 0x5a,
			MSG_LARGE_FRONT + msg_large_capacity(&pool, buffer));
		ck_assert_ptr_eq(r->memory, pool.buffers[buffer].memory);
		ck_assert_uint_eq(r->bytes, pool.buffers[buffer].bytes);
		msg_large_put(&pool, buffer);
	}
}
END_TEST

START_TEST(memory_is_used_again)
{
	uint32_t first = take(MIB);
	const uint8_t *data = msg_large_data(&pool, first);

	msg_large_put(&pool, first);
	for (int i = 0; i < 10; i++) {
		uint32_t again = take(MIB - (size_t)i * PAGE);

		ck_assert_ptr_eq(msg_large_data(&pool, again), data);
		msg_large_put(&pool, again);
	}
	ck_assert_uint_eq(memory_channel_counts.regions, 1);
}
END_TEST

START_TEST(all_together_is_no_more_than_was_said)
{
	uint32_t all[4];

	for (int i = 0; i < 4; i++)
		all[i] = take(2 * MIB);
	expect_none(1);
	msg_large_put(&pool, all[1]);
	expect_none(2 * MIB + 1);
	all[1] = take(2 * MIB);
	for (int i = 0; i < 4; i++)
		msg_large_put(&pool, all[i]);
	/* Those that are idle go for one that needs all. */
	all[0] = take(8 * MIB);
	expect_none(1);
	msg_large_put(&pool, all[0]);
	expect_none(8 * MIB + 1);
}
END_TEST

/* A small message does not sit on a large buffer while there is room. */
START_TEST(what_is_much_too_large_is_kept_for_larger_ones)
{
	uint32_t large = take(4 * MIB);
	uint32_t small;

	msg_large_put(&pool, large);
	small = take(PAGE);
	ck_assert_uint_ne(small, large);
	ck_assert_uint_eq(msg_large_capacity(&pool, small), PAGE);
	ck_assert_uint_eq(take(4 * MIB), large);
	ck_assert_uint_eq(pool.bytes, 4 * MIB + PAGE);
	msg_large_put(&pool, small);
	msg_large_put(&pool, large);
	/* Without room it does. */
	ck_assert_uint_eq(take(4 * MIB - PAGE), large);
	small = take(4 * MIB);
	ck_assert_uint_eq(memory_channel_counts.regions, 2);
	msg_large_put(&pool, small);
	ck_assert_uint_eq(take(1), small);
}
END_TEST

START_TEST(there_are_places_for_so_many)
{
	for (uint32_t i = 0; i < MSG_LARGE_BUFFERS_MAX; i++)
		take(1);
	expect_none(1);
	msg_large_put(&pool, 100);
	/* Too small: it goes, and leaves its place. */
	ck_assert_uint_eq(take(5 * PAGE), 100);
	expect_none(1);
}
END_TEST

/* By seed: what is out is never more than that, and nobody's twice. */
START_TEST(random_messages_keep_to_the_limit)
{
	struct random_stream random = {check_seed()};
	uint32_t out[64], count = 0;

	for (int i = 0; i < 5000; i++) {
		size_t bytes = random_below(&random, 3 * MIB);
		uint32_t buffer;

		if (count == 64 || (count > 0 && random_chance(&random, 450))) {
			uint32_t at = (uint32_t)random_below(&random, count);

			buffer = out[at];
			ck_assert_uint_eq(*msg_large_data(&pool, buffer),
				(uint8_t)buffer);
			msg_large_put(&pool, buffer);
			out[at] = out[--count];
		} else if (msg_large_take(&pool, bytes, &buffer) == 0) {
			*msg_large_data(&pool, buffer) = (uint8_t)buffer;
			out[count++] = buffer;
		}
		ck_assert_uint_le(pool.bytes, 8 * MIB);
	}
}
END_TEST

/* ---- in an area ----------------------------------------------------------- */

#define AREA_LIMIT (8 * MIB)

static uint8_t *area;

static void set_up_area(void)
{
	struct msg_large_area options = {.fault_in = true};

	options.bytes = msg_large_area_bytes(AREA_LIMIT);
	area = mmap(NULL, options.bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ck_assert_ptr_ne(area, MAP_FAILED);
	options.base = area;
	memset(&pool, 0, sizeof pool);
	msg_large_open_in(
		&pool, NULL, MSG_CHANNEL_SHARED, AREA_LIMIT, &options);
}

static void tear_down_area(void)
{
	msg_large_close(&pool);
	ck_assert_uint_eq(pool.bytes, 0);
	/* All of it is the caller's still. */
	memset(area, 0, msg_large_area_bytes(AREA_LIMIT));
	munmap(area, msg_large_area_bytes(AREA_LIMIT));
}

static bool overlap(uint32_t a, uint32_t b)
{
	const struct msg_large_buffer *x = &pool.buffers[a];
	const struct msg_large_buffer *y = &pool.buffers[b];

	return x->memory < y->memory + y->bytes &&
	       y->memory < x->memory + x->bytes;
}

START_TEST(buffers_of_an_area_lie_in_it)
{
	uint32_t all[4];

	for (int i = 0; i < 4; i++) {
		const struct msg_large_buffer *b;

		all[i] = take(2 * MIB);
		b = &pool.buffers[all[i]];
		memset(b->memory, 0x5a, b->bytes);
		ck_assert(msg_large_is_in(pool.area.bytes,
			msg_large_page(&pool, all[i]), 2 * MIB));
		ck_assert_ptr_eq(area + (size_t)msg_large_page(&pool, all[i]) *
						MSG_LARGE_PAGE,
			msg_large_data(&pool, all[i]));
		for (int k = 0; k < i; k++)
			ck_assert(!overlap(all[i], all[k]));
	}
	expect_none(1);
	/* Neighbours together make room for one of both. */
	msg_large_put(&pool, all[1]);
	msg_large_put(&pool, all[2]);
	take(4 * MIB);
	expect_none(1);
}
END_TEST

/* A small one that stays does not stand in the way of the largest. */
START_TEST(small_ones_of_an_area_keep_to_its_end)
{
	uint32_t first = take(4 * MIB);
	uint32_t small = take(10 * PAGE);

	take(4 * MIB - 10 * PAGE);
	expect_none(PAGE);
	ck_assert_uint_gt(
		msg_large_page(&pool, small), msg_large_page(&pool, first));
	msg_large_put(&pool, first);
	take(4 * MIB);
}
END_TEST

START_TEST(what_does_not_lie_in_an_area_is_refused)
{
	uint64_t bytes = 16 * MSG_LARGE_PAGE;

	ck_assert(msg_large_is_in(bytes, 1, 15 * MSG_LARGE_PAGE));
	ck_assert(msg_large_is_in(bytes, 15, MSG_LARGE_PAGE));
	ck_assert(msg_large_is_in(bytes, 16, 0));
	ck_assert(!msg_large_is_in(bytes, 0, 1));
	ck_assert(!msg_large_is_in(bytes, 1, 15 * MSG_LARGE_PAGE + 1));
	ck_assert(!msg_large_is_in(bytes, 15, MSG_LARGE_PAGE + 1));
	ck_assert(!msg_large_is_in(bytes, 17, 0));
	ck_assert(!msg_large_is_in(bytes, UINT32_MAX, UINT32_MAX));
	ck_assert(!msg_large_is_in(bytes, 1, UINT32_MAX));
	ck_assert(!msg_large_is_in(0, 1, 0));
}
END_TEST

/* By seed: nobody's twice, and when all are back there is room for all again. */
START_TEST(random_messages_of_an_area_share_nothing)
{
	struct random_stream random = {check_seed()};
	uint32_t out[64], count = 0;

	for (int i = 0; i < 5000; i++) {
		size_t bytes = random_below(&random, 1 + (random_chance(&random,
			700) ? 64 * PAGE : 3 * MIB));
		uint32_t buffer;

		if (count == 64 || (count > 0 && random_chance(&random, 450))) {
			uint32_t at = (uint32_t)random_below(&random, count);

			msg_large_put(&pool, out[at]);
			out[at] = out[--count];
		} else if (msg_large_take(&pool, bytes, &buffer) == 0) {
			ck_assert(msg_large_is_in(pool.area.bytes,
				msg_large_page(&pool, buffer),
				(uint32_t)bytes));
			for (uint32_t k = 0; k < count; k++)
				ck_assert(!overlap(buffer, out[k]));
			out[count++] = buffer;
		}
		ck_assert_uint_le(pool.bytes, AREA_LIMIT);
	}
	while (count > 0)
		msg_large_put(&pool, out[--count]);
	take(AREA_LIMIT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("large_pool");
	TCase *large = check_case(suite, "large", 60);

	tcase_add_checked_fixture(large, set_up, tear_down);
	tcase_add_test(large, all_of_a_buffer_can_be_written);
	tcase_add_test(large, memory_is_used_again);
	tcase_add_test(large, all_together_is_no_more_than_was_said);
	tcase_add_test(large, what_is_much_too_large_is_kept_for_larger_ones);
	tcase_add_test(large, there_are_places_for_so_many);
	tcase_add_test(large, random_messages_keep_to_the_limit);
	large = check_case(suite, "area", 60);
	tcase_add_checked_fixture(large, set_up_area, tear_down_area);
	tcase_add_test(large, buffers_of_an_area_lie_in_it);
	tcase_add_test(large, small_ones_of_an_area_keep_to_its_end);
	tcase_add_test(large, what_does_not_lie_in_an_area_is_refused);
	tcase_add_test(large, random_messages_of_an_area_share_nothing);
	return check_main(suite, NULL);
}
