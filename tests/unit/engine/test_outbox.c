/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_outbox.c - a publisher that writes a ring, and readers of it; see
 * outbox_trial.h.
 *
 * Of slots that are short: outbox_short.c; of the inline ways: outbox_quick.c; of
 * who comes late: outbox_late.c.
 */
#include "outbox_trial.h"

#include "base/clock.h"

/* And so is all memory for large messages. */
static void lend_largest(struct trial *t)
{
	struct msg_loan loan;

	if (!t->options.area)
		return;
	MUST(t, msg_outbox_lend(&t->outbox, LARGE_MAX, &loan) == 0);
	MUST(t, loan.capacity == LARGE_MAX);
	MUST(t, (uintptr_t)loan.data % MSG_LARGE_PAGE == 0);
	msg_outbox_abandon(&t->outbox, &loan);
	MUST(t, msg_outbox_lend(&t->outbox, LARGE_MAX + 1, &loan) ==
			-MSG_ERROR_TOO_LARGE);
}

/* All is taken and back: every slot is free then. */
static void drain(struct trial *t)
{
	while (t->out_count > 0)
		hand_in(t);
	msg_outbox_flush(&t->outbox);
	for (uint32_t k = 0; k < READERS; k++) {
		struct reader *r = &t->readers[k];

		while (take(t, r) > 0 || (msg_inbox_ready(&r->inbox) &&
						 !msg_inbox_evicted(&r->inbox)))
			;
		while (r->held_count > 0)
			give_back(t, r, 0);
		msg_inbox_settle(&r->inbox);
		MUST(t, r->expected <= msg_lender_next(&t->outbox.lender));
		if (t->slow == MSG_RING_BLOCK || patience_ns > 0) {
			MUST(t, r->lost == 0);
			MUST(t, r->expected == msg_lender_next(&t->outbox.lender));
		}
		if (msg_inbox_evicted(&r->inbox))
			continue;
		MUST(t, msg_counter_get(&r->counters[MSG_COUNTER_MALFORMED]) ==
				0);
		MUST(t, msg_counter_get(&r->counters[MSG_COUNTER_LOST]) ==
				r->lost);
	}
	if (t->options.retain > 0)
		msg_ring_yield(&t->outbox.ring, t->outbox.ring.head);
	msg_ring_reclaim(&t->outbox.ring, 0);
	/* All but one that may be waiting for the next batch. */
	MUST(t, t->outbox.lender.pool.free_count +
				(t->outbox.lender.open != MSG_TRANSMIT_NONE) ==
			t->options.slot_count);
	MUST(t, t->outbox.ring.pin_count == 0);
}

static void run_trial(uint64_t seed, enum msg_ring_slow slow)
{
	static struct trial trial;
	struct trial *t = &trial;

	open_trial(t, seed, slow);
	for (int turn = 0; turn < 3000; turn++) {
		if (t->out_count > 0 && (t->out_count == LOANS_MAX ||
						random_chance(&t->random, 550)))
			hand_in(t);
		else if (!borrow(t) && t->out_count > 0)
			hand_in(t);
		if (random_chance(&t->random, 5))
			atomic_fetch_add(&t->news, 1);
		if (t->options.retain > 0 && random_chance(&t->random, 5))
			come_late(t,
				(uint32_t)random_below(&t->random, READERS),
				random_chance(&t->random, 500)
					? UINT32_MAX
					: 1 + (uint32_t)random_below(
						      &t->random, 20));
		for (uint32_t k = 0; k < READERS; k++)
			if (random_chance(&t->random, t->readers[k].pace))
				take(t, &t->readers[k]);
	}
	drain(t);
	lend_largest(t);
	close_trial(t);
}

static void run_trials(enum msg_ring_slow slow)
{
	may_retain = true;
	for (unsigned i = 0; i < 120 / MSG_TEST_FEWER; i++)
		run_trial(check_seed() + i, slow);
	ck_assert(lent_alone > 0 && sent_alone > 0);
	ck_assert(lent_quick > 0 && sent_quick > 0);
}

START_TEST(readers_that_may_be_lapped_know_what_they_lost)
{
	run_trials(MSG_RING_LAP);
}
END_TEST

START_TEST(readers_that_may_not_be_lapped_lose_nothing)
{
	run_trials(MSG_RING_BLOCK);
}
END_TEST

START_TEST(readers_that_are_awaited_lose_nothing)
{
	patience_ns = 3600 * MSG_NS_PER_S;
	run_trials(MSG_RING_LAP);
	run_trials(MSG_RING_EVICT);
	patience_ns = 0;
}
END_TEST

START_TEST(readers_that_lag_are_evicted_and_others_go_on)
{
	run_trials(MSG_RING_EVICT);
}
END_TEST

/* ---- entries ------------------------------------------------------------- */

START_TEST(a_short_message_leaves_its_slot_free)
{
	uint32_t free_slots;
	struct msg_ring_item item;
	struct msg_loan loan;

	open_trial(&lone, 1, MSG_RING_BLOCK);
	free_slots = lone.outbox.lender.pool.free_count;
	for (uint32_t bytes = 0; bytes <= MSG_RING_INLINE_BYTES; bytes++) {
		struct msg_ring_reader *r =
			&lone.readers[0].inbox.rings[0]->reader;
		struct msg_view view;

		loan = lend_one(bytes);
		lone.lengths[bytes] = bytes;
		fill(loan.data, bytes, bytes);
		msg_outbox_send(&lone.outbox, &loan, bytes);
		ck_assert_uint_eq(
			lone.outbox.lender.pool.free_count, free_slots);
		ck_assert_int_eq(
			msg_ring_peek(r, r->next, &item), MSG_RING_ENTRY);
		ck_assert_uint_eq(item.kind, MSG_RING_INLINE);
		for (uint32_t k = 0; k < READERS; k++) {
			ck_assert_int_eq(msg_inbox_take(&lone.readers[k].inbox,
						 &view, 1),
				1);
			check_view(&lone, &view);
			msg_inbox_release(&lone.readers[k].inbox, &view, 1);
		}
	}
	close_trial(&lone);
}
END_TEST

/* Until somebody looks at the news, and then before anything is taken back. */
START_TEST(news_is_looked_at_before_slots_are_taken_back)
{
	struct msg_loan loan;

	open_trial(&lone, 2, MSG_RING_LAP);
	atomic_fetch_add(&lone.news, 1);
	loan = lend_one(100);
	msg_outbox_queue(&lone.outbox, &loan, 40);
	ck_assert_uint_eq(lone.looks, 0);
	msg_outbox_flush(&lone.outbox);
	ck_assert_uint_eq(lone.looks, 1);
	atomic_fetch_add(&lone.news, 1);
	for (uint32_t i = 0; i <= lone.options.entry_count; i++) {
		loan = lend_one(100);
		lone.outbox.lender.body_max = 0; /* Each alone. */
		msg_outbox_queue(&lone.outbox, &loan, 40);
	}
	ck_assert_uint_eq(lone.looks, 2);
	close_trial(&lone);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("outbox");
	TCase *entries = check_case(suite, "entries", 20);
	TCase *trials = check_case(suite, "trials", 240);

	tcase_add_test(entries, a_short_message_leaves_its_slot_free);
	tcase_add_test(entries, news_is_looked_at_before_slots_are_taken_back);
	add_short_tests(entries);
	add_quick_tests(entries);
	add_late_tests(entries);
	tcase_add_test(trials, readers_that_may_be_lapped_know_what_they_lost);
	tcase_add_test(trials, readers_that_may_not_be_lapped_lose_nothing);
	tcase_add_test(trials, readers_that_are_awaited_lose_nothing);
	tcase_add_test(trials, readers_that_lag_are_evicted_and_others_go_on);
	return check_main(suite, NULL);
}
