/* SPDX-License-Identifier: BSD-2-Clause */
/* test_transmit.c - see libmsg/pool/transmit.h. */
#include <string.h>

#include "check_main.h"
#include "pool/transmit.h"

#define SCRATCH 2050u

static struct msg_transmit_pool pool;

static void open_pool(uint32_t count, uint32_t capacity)
{
	ck_assert_int_eq(
		msg_transmit_open(&pool, count, capacity, SCRATCH, 4096), 0);
}

START_TEST(slots_have_room_for_header_payload_and_table)
{
	static const uint32_t capacities[] = {1, 7, 8, 232, 1000, 16360, 65483};

	for (size_t c = 0; c < sizeof capacities / sizeof *capacities; c++) {
		uint32_t capacity = capacities[c];
		uint8_t *last;

		open_pool(5, capacity);
		for (uint32_t i = 0; i < 5; i++) {
			uint8_t *payload = msg_transmit_payload(&pool, i);
			uint8_t *scratch = msg_transmit_scratch(&pool, i);

			ck_assert_uint_eq((uintptr_t)payload % 64, 0);
			ck_assert(scratch >= payload + capacity);
			memset(payload - MSG_TRANSMIT_PAYLOAD, (int)i,
				MSG_TRANSMIT_PAYLOAD + capacity);
			memset(scratch, (int)i, SCRATCH);
		}
		last = msg_transmit_scratch(&pool, 4) + SCRATCH;
		ck_assert(pool.headers >= last);
		memset(pool.headers, 0xee, 4096);
		ck_assert(pool.headers + 4096 <=
			pool.region.base + pool.region.bytes);
		for (uint32_t i = 0; i < 5; i++) {
			ck_assert_uint_eq(msg_transmit_payload(
						  &pool, i)[capacity - 1],
				i);
			ck_assert_uint_eq(
				msg_transmit_scratch(&pool, i)[SCRATCH - 1], i);
		}
		msg_transmit_close(&pool);
	}
}
END_TEST

START_TEST(a_slot_is_free_when_nobody_needs_it)
{
	struct msg_loan loan;
	uint32_t slot;

	open_pool(2, 1000);
	slot = msg_transmit_get(&pool);
	msg_transmit_lend(&pool, slot, 0, 1000, &loan);
	ck_assert_uint_eq(pool.loan_count, 1);
	msg_transmit_hold(&pool, slot); /* The frame being filled, … */
	msg_transmit_hold(&pool, slot); /* … and one on the wire. */
	msg_transmit_return(&pool, slot);
	ck_assert_uint_eq(pool.loan_count, 0);
	msg_transmit_drop(&pool, slot);
	msg_transmit_drop(&pool, slot);
	ck_assert_uint_eq(pool.free_count, 1);
	msg_transmit_drop(&pool, slot);
	ck_assert_uint_eq(pool.free_count, 2);
	msg_transmit_close(&pool);
}
END_TEST

START_TEST(a_loan_keeps_its_slot_when_its_frame_has_left)
{
	struct msg_loan loan;
	uint32_t slot;

	open_pool(2, 1000);
	slot = msg_transmit_get(&pool);
	msg_transmit_hold(&pool, slot); /* The frame being filled. */
	msg_transmit_lend_behind(&pool, slot, 8, 100, &loan);
	ck_assert_ptr_eq(loan.data, msg_transmit_payload(&pool, slot) + 8);
	ck_assert_uint_eq(msg_transmit_find(&pool, &loan), slot);
	msg_transmit_note(&pool, slot, 8, 100);
	ck_assert_uint_eq(pool.loan_count, 1);
	msg_transmit_drop(&pool, slot);
	ck_assert_uint_eq(pool.free_count, 1);
	msg_transmit_return(&pool, slot);
	msg_transmit_drop(&pool, slot);
	ck_assert_uint_eq(pool.free_count, 2);
	msg_transmit_close(&pool);
}
END_TEST

START_TEST(a_spent_loan_is_not_found_again)
{
	struct msg_loan first, second, forged;
	uint32_t slot;

	open_pool(2, 1000);
	slot = msg_transmit_get(&pool);
	msg_transmit_lend(&pool, slot, 64, 100, &first);
	ck_assert_ptr_eq(first.data, msg_transmit_payload(&pool, slot) + 64);
	ck_assert_uint_eq(first.capacity, 100);
	ck_assert_uint_eq(msg_transmit_find(&pool, &first), slot);
	msg_transmit_return(&pool, slot);
	ck_assert_uint_eq(msg_transmit_find(&pool, &first), MSG_TRANSMIT_NONE);
	msg_transmit_lend(&pool, slot, 64, 100, &second);
	ck_assert_uint_eq(msg_transmit_find(&pool, &first), MSG_TRANSMIT_NONE);
	ck_assert_uint_eq(msg_transmit_find(&pool, &second), slot);
	forged = second;
	forged.opaque ^= 1; /* The other slot, not out. */
	ck_assert_uint_eq(
		msg_transmit_find(&pool, &forged), MSG_TRANSMIT_NONE);
	forged.opaque = UINT64_MAX;
	ck_assert_uint_eq(
		msg_transmit_find(&pool, &forged), MSG_TRANSMIT_NONE);
	msg_transmit_close(&pool);
}
END_TEST

START_TEST(generations_wrap_and_zero_is_never_one)
{
	struct msg_loan cleared = {0};
	struct msg_loan loan;

	open_pool(1, 1000);
	ck_assert_uint_eq(msg_transmit_get(&pool), 0);
	msg_transmit_hold(&pool, 0);
	pool.slots[0].generation = UINT32_MAX - 1;
	for (int i = 0; i < 4; i++) {
		msg_transmit_lend(&pool, 0, 0, 8, &loan);
		ck_assert_uint_eq(msg_transmit_find(&pool, &loan), 0);
		ck_assert_uint_eq(msg_transmit_find(&pool, &cleared),
			MSG_TRANSMIT_NONE);
		msg_transmit_return(&pool, 0);
		msg_transmit_drop(&pool, 0);
	}
	msg_transmit_close(&pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transmit pool");
	TCase *slots = check_case(suite, "slots", 10);

	tcase_add_test(slots, slots_have_room_for_header_payload_and_table);
	tcase_add_test(slots, a_slot_is_free_when_nobody_needs_it);
	tcase_add_test(slots, a_loan_keeps_its_slot_when_its_frame_has_left);
	tcase_add_test(slots, a_spent_loan_is_not_found_again);
	tcase_add_test(slots, generations_wrap_and_zero_is_never_one);
	return check_main(suite, NULL);
}
