/* SPDX-License-Identifier: BSD-2-Clause */
/* test_arena.c - memory for reading hostile input; see base/arena.h. */
#include "base/arena.h"

#include <string.h>

#include "check_main.h"

static alignas(max_align_t) uint8_t room[100 + 64];

START_TEST(blocks_are_aligned_apart_and_within)
{
	struct msg_arena arena = {room, 100, 0};
	uint8_t *before = room;

	memset(room, 0x5a, sizeof room);
	for (size_t bytes = 1; bytes <= 5; bytes++) {
		uint8_t *block = msg_arena_alloc(&arena, bytes);

		ck_assert_ptr_nonnull(block);
		ck_assert_uint_eq((uintptr_t)block % alignof(max_align_t), 0);
		ck_assert(block >= before && block + bytes <= room + 100);
		memset(block, 0, bytes);
		before = block + bytes;
		msg_arena_free(&arena, block);
	}
	ck_assert_uint_eq(room[100], 0x5a);
}
END_TEST

START_TEST(what_does_not_fit_is_refused_and_takes_nothing)
{
	struct msg_arena arena = {room, 100, 0};

	ck_assert_ptr_null(msg_arena_alloc(&arena, 101));
	ck_assert_ptr_null(msg_arena_alloc(&arena, SIZE_MAX));
	ck_assert_ptr_null(msg_arena_alloc(&arena, SIZE_MAX - 15));
	ck_assert_ptr_eq(msg_arena_alloc(&arena, 96), room);
	/* The last block may end off an alignment. */
	ck_assert_ptr_eq(msg_arena_alloc(&arena, 4), room + 96);
	ck_assert_ptr_null(msg_arena_alloc(&arena, 1));
	ck_assert_ptr_nonnull(msg_arena_alloc(&arena, 0));
	ck_assert_uint_eq(arena.used, 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arena");
	TCase *arena = check_case(suite, "arena", 10);

	tcase_add_test(arena, blocks_are_aligned_apart_and_within);
	tcase_add_test(arena, what_does_not_fit_is_refused_and_takes_nothing);
	return check_main(suite, NULL);
}
