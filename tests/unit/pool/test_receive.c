/* SPDX-License-Identifier: BSD-2-Clause */
/* test_receive.c - see libmsg/pool/receive.h. */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "pool/receive.h"

static struct msg_receive_pool pool;

static void open_pool(uint32_t count)
{
	ck_assert_int_eq(msg_receive_open(&pool, count, 1000, NULL), 0);
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

START_TEST(a_chain_goes_back_whole)
{
	uint32_t first, last;

	open_pool(4);
	first = msg_receive_get(&pool);
	last = msg_receive_get(&pool);
	pool.slots[first].next = last;
	ck_assert_uint_eq(pool.free_count, 2);
	msg_receive_put_chain(&pool, first);
	ck_assert_uint_eq(pool.free_count, 4);
	msg_receive_close(&pool);
}
END_TEST

START_TEST(slots_may_stand_in_memory_of_the_callers)
{
	size_t bytes = msg_receive_bytes(4, 1000);
	uint8_t *memory = aligned_alloc(64, bytes);

	ck_assert_int_eq(msg_receive_open(&pool, 4, 1000, memory), 0);
	for (uint32_t i = 0; i < 4; i++) {
		uint8_t *data = msg_receive_data(&pool, i);

		ck_assert(data >= memory && data + 1000 <= memory + bytes);
	}
	msg_receive_close(&pool);
	/* Still the caller's. */
	memset(memory, 1, bytes);
	free(memory);
}
END_TEST

/* What a slot holds has room in it, and in no other. */
START_TEST(wide_slots_stand_behind_the_others)
{
	struct msg_receive_shape shape = {6, 1000, 5, 5000, 0};
	uint32_t wide[5], narrow[6];

	ck_assert_int_eq(msg_receive_open_shape(&pool, &shape, NULL), 0);
	ck_assert_uint_eq(msg_receive_slots(&pool), 11);
	for (uint32_t i = 0; i < 5; i++) {
		wide[i] = msg_receive_get_wide(&pool);
		ck_assert_uint_ge(wide[i], pool.narrow);
		ck_assert_uint_lt(wide[i], pool.count);
		memset(msg_receive_data(&pool, wide[i]), (int)i + 1, 5000);
	}
	ck_assert_uint_eq(msg_receive_get_wide(&pool), MSG_RECEIVE_NONE);
	for (uint32_t i = 0; i < 6; i++) {
		narrow[i] = msg_receive_get(&pool);
		ck_assert_uint_lt(narrow[i], pool.narrow);
		memset(msg_receive_data(&pool, narrow[i]), 99, 1000);
	}
	ck_assert_uint_eq(msg_receive_get(&pool), MSG_RECEIVE_NONE);
	for (uint32_t i = 0; i < 5; i++) {
		const uint8_t *data = msg_receive_data(&pool, wide[i]);

		ck_assert_uint_eq((uintptr_t)data % 64, 0);
		for (uint32_t at = 0; at < 5000; at++)
			ck_assert_uint_eq(data[at], i + 1);
		ck_assert(data + 5000 <=
			  pool.region.base + msg_receive_shape_bytes(&shape));
	}
	/* Each goes home to its kind. */
	pool.slots[wide[0]].next = narrow[0];
	msg_receive_put_chain(&pool, wide[0]);
	ck_assert_uint_eq(pool.free_count, 1);
	ck_assert_uint_eq(pool.wide_free_count, 1);
	ck_assert_uint_eq(msg_receive_get_wide(&pool), wide[0]);
	ck_assert_uint_eq(msg_receive_get(&pool), narrow[0]);
	msg_receive_close(&pool);
}
END_TEST

/* What no link knows goes to nobody else. */
START_TEST(slots_apart_stand_behind_the_wide_ones)
{
	struct msg_receive_shape shape = {.count = 4,
		.bytes = 1000,
		.wide_count = 2,
		.wide_bytes = 5000,
		.apart_count = 3};
	uint32_t apart[3], wide;

	ck_assert_int_eq(msg_receive_open_shape(&pool, &shape, NULL), 0);
	ck_assert_uint_eq(msg_receive_slots(&pool), 9);
	ck_assert_uint_eq(pool.count, 4 + 5 * pool.span);
	for (uint32_t i = 0; i < 3; i++) {
		apart[i] = msg_receive_get_apart(&pool);
		ck_assert_uint_ge(apart[i], pool.apart);
		ck_assert_uint_lt(apart[i], pool.count);
		memset(msg_receive_data(&pool, apart[i]), (int)i + 1, 5000);
	}
	ck_assert_uint_eq(msg_receive_get_apart(&pool), MSG_RECEIVE_NONE);
	for (uint32_t i = 0; i < 3; i++)
		for (uint32_t at = 0; at < 5000; at++)
			ck_assert_uint_eq(
				msg_receive_data(&pool, apart[i])[at], i + 1);
	wide = msg_receive_get_wide(&pool);
	ck_assert_uint_lt(wide, pool.apart);
	pool.slots[wide].next = apart[1];
	msg_receive_put_chain(&pool, wide);
	ck_assert_uint_eq(pool.wide_free_count, 2);
	ck_assert_uint_eq(pool.apart_free_count, 1);
	ck_assert_uint_eq(msg_receive_get_apart(&pool), apart[1]);
	msg_receive_close(&pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("receive pool");
	TCase *slots = check_case(suite, "slots", 10);

	tcase_add_test(slots, every_slot_is_given_once_and_has_its_own_memory);
	tcase_add_test(slots, a_chain_goes_back_whole);
	tcase_add_test(slots, slots_may_stand_in_memory_of_the_callers);
	tcase_add_test(slots, wide_slots_stand_behind_the_others);
	tcase_add_test(slots, slots_apart_stand_behind_the_wide_ones);
	return check_main(suite, NULL);
}
