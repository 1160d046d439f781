/* SPDX-License-Identifier: BSD-2-Clause */
/* test_history.c - see libmsg/engine/history.h. */
#include <string.h>

#include <msg/msg.h>

#include "check_main.h"
#include "engine/history.h"
#include "protocol/frame.h"
#include "random.h"

#define SLOTS 32u
#define FRAMES 64u

static struct msg_transmit_pool pool;
static struct msg_history history;

static void open_at(uint64_t first_sequence)
{
	ck_assert_int_eq(msg_transmit_open(&pool, SLOTS, 256, 64, 0), 0);
	ck_assert_int_eq(
		msg_history_open(&history, &pool, FRAMES, first_sequence), 0);
}

static void done(void)
{
	msg_history_close(&history);
	msg_transmit_close(&pool);
}

/* A slot in the hands of nobody but the history. */
static void add(uint8_t type, uint32_t slot, uint64_t sequence,
	uint32_t offset, uint16_t messages)
{
	struct msg_history_frame *frame = msg_history_place(&history);

	*frame = (struct msg_history_frame){
		.sequence = sequence,
		.slot = slot,
		.offset = offset,
		.type = type,
		.messages = messages,
	};
	msg_history_add(&history, frame, 0);
}

static void add_single(uint64_t sequence)
{
	uint32_t slot = msg_transmit_get(&pool);

	ck_assert_uint_ne(slot, MSG_TRANSMIT_NONE);
	add(MSG_FRAME_SINGLE, slot, sequence, 0, 1);
}

START_TEST(a_slot_stays_until_its_frames_are_forgotten)
{
	uint32_t slot;

	open_at(0);
	slot = msg_transmit_get(&pool);
	add(MSG_FRAME_FRAGMENT, slot, 0, 0, 0);
	add(MSG_FRAME_FRAGMENT, slot, 0, 100, 1);
	add_single(1);
	ck_assert_uint_eq(pool.free_count, SLOTS - 2);
	ck_assert_uint_eq(history.next_sequence, 2);
	msg_history_forget(&history);
	ck_assert_uint_eq(pool.free_count, SLOTS - 2);
	ck_assert_ptr_null(msg_history_get(&history, 0));
	ck_assert_ptr_nonnull(msg_history_get(&history, 1));
	msg_history_forget(&history);
	ck_assert_uint_eq(pool.free_count, SLOTS - 1);
	ck_assert_ptr_null(msg_history_get(&history, 3));
	msg_history_forget(&history);
	ck_assert_uint_eq(pool.free_count, SLOTS);
	done();
}
END_TEST

START_TEST(it_is_full_before_a_frame_would_be_written_over)
{
	uint32_t slot;

	open_at(0);
	slot = msg_transmit_get(&pool);
	for (uint32_t i = 0; i < FRAMES; i++) {
		ck_assert(!msg_history_is_full(&history));
		add(MSG_FRAME_SINGLE, slot, i, 0, 1);
	}
	ck_assert(msg_history_is_full(&history));
	msg_history_forget(&history);
	ck_assert(!msg_history_is_full(&history));
	done();
}
END_TEST

START_TEST(back_goes_to_the_frame_that_holds_enough)
{
	uint32_t slot;

	open_at(100);
	ck_assert_uint_eq(msg_history_back(&history, 5), 0);
	ck_assert_uint_eq(msg_history_sequence(&history, 0), 100);
	slot = msg_transmit_get(&pool);
	add(MSG_FRAME_PACKED, slot, 100, 0, 10);  /* 0: 100 to 109 */
	add_single(110);                          /* 1 */
	add(MSG_FRAME_FRAGMENT, slot, 111, 0, 0); /* 2 to 4: 111 */
	add(MSG_FRAME_FRAGMENT, slot, 111, 64, 0);
	add(MSG_FRAME_FRAGMENT, slot, 111, 128, 1);
	add_single(112);                          /* 5 */
	ck_assert_uint_eq(msg_history_back(&history, 0), 6);
	ck_assert_uint_eq(msg_history_back(&history, 1), 5);
	ck_assert_uint_eq(msg_history_back(&history, 2), 2);
	ck_assert_uint_eq(msg_history_back(&history, 3), 1);
	for (uint64_t k = 4; k < 20; k++)
		ck_assert_uint_eq(msg_history_back(&history, k), 0);
	ck_assert_uint_eq(msg_history_back(&history, UINT64_MAX), 0);
	/* The beginning of a message is forgotten: it does not begin there. */
	for (int i = 0; i < 3; i++)
		msg_history_forget(&history);
	ck_assert_uint_eq(msg_history_back(&history, 2), 5);
	ck_assert_uint_eq(msg_history_sequence(&history, 5), 112);
	msg_history_forget(&history);
	msg_history_forget(&history);
	msg_history_forget(&history);
	ck_assert_uint_eq(msg_history_back(&history, 3), 6);
	/* One that is under way is the next one, and begins with its first part. */
	add_single(113);                          /* 6 */
	slot = msg_transmit_get(&pool);
	add(MSG_FRAME_FRAGMENT, slot, 114, 0, 0); /* 7 and 8: 114 */
	add(MSG_FRAME_FRAGMENT, slot, 114, 64, 0);
	ck_assert_uint_eq(msg_history_back(&history, 0), 7);
	ck_assert_uint_eq(msg_history_back(&history, 1), 6);
	msg_history_forget(&history);
	msg_history_forget(&history);
	ck_assert_uint_eq(msg_history_back(&history, 0), 9);
	done();
}
END_TEST

/* The same question, answered by looking at every frame. */
static uint64_t back_slowly(uint64_t messages)
{
	uint64_t found = history.next;

	for (uint64_t n = history.next; n-- > history.first;) {
		const struct msg_history_frame *f =
			msg_history_get(&history, n);

		if (f->type == MSG_FRAME_FRAGMENT && f->offset > 0)
			continue;
		/* For none, that of a message under way. */
		if (messages == 0)
			return f->sequence == history.next_sequence
				       ? n
				       : history.next;
		found = n;
		if (history.next_sequence - f->sequence >= messages)
			break;
	}
	return found;
}

START_TEST(back_is_right_in_histories_of_every_kind)
{
	struct random_stream dice = {check_seed()};
	uint64_t sequence = 0ull - 40;
	uint32_t slot = MSG_TRANSMIT_NONE, parts = 0;

	open_at(sequence);
	for (int i = 0; i < 20000; i++) {
		uint16_t messages =
			(uint16_t)(1 + random_below(&dice, 4));

		if (msg_history_is_full(&history) ||
			(history.first < history.next &&
				random_chance(&dice, 300)))
			msg_history_forget(&history);
		/* With the last frame of it the slot went back to the pool. */
		if (history.first == history.next)
			slot = msg_transmit_get(&pool);
		if (parts > 0) {
			parts--;
			add(MSG_FRAME_FRAGMENT, slot, sequence, 64,
				parts == 0);
			sequence += parts == 0;
		} else if (random_chance(&dice, 200)) {
			parts = 1 + (uint32_t)random_below(&dice, 5);
			add(MSG_FRAME_FRAGMENT, slot, sequence, 0, 0);
		} else {
			add(messages > 1 ? MSG_FRAME_PACKED : MSG_FRAME_SINGLE,
				slot, sequence, 0, messages);
			sequence += messages;
		}
		messages = (uint16_t)random_below(&dice, 200);
		ck_assert_uint_eq(msg_history_back(&history, messages),
			back_slowly(messages));
	}
	done();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("history");
	TCase *tc = check_case(suite, "history", 30);

	tcase_add_test(tc, a_slot_stays_until_its_frames_are_forgotten);
	tcase_add_test(tc, it_is_full_before_a_frame_would_be_written_over);
	tcase_add_test(tc, back_goes_to_the_frame_that_holds_enough);
	tcase_add_test(tc, back_is_right_in_histories_of_every_kind);
	return check_main(suite, NULL);
}
