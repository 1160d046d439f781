/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outbox_short.c - an outbox that is short of slots: who holds them pays for it in the
 * end, and nobody else.
 */
#include "outbox_trial.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* Publish until no slot is left, all of it in the hands of the only reader. */
static void hand_out_all(void)
{
	struct reader *r = &lone.readers[0];
	struct msg_loan loan;

	for (uint32_t k = 1; k < READERS; k++)
		msg_ring_writer_remove(&lone.outbox.ring, k);
	/* No more were there. */
	lone.outbox.lender.pool.free_count = lone.outbox.loan_max = 4;
	while (msg_outbox_lend(&lone.outbox, 40, &loan) == 0) {
		uint64_t sequence = msg_lender_next(&lone.outbox.lender);

		lone.lengths[sequence] = 40;
		fill(loan.data, 40, sequence);
		msg_outbox_send(&lone.outbox, &loan, 40);
		ck_assert_int_eq(msg_inbox_take(&r->inbox,
					 &r->held[r->held_count++], 1),
			1);
	}
}

/* Slots are short for a tenth of a second, and come back while it is being
 * found out who is to pay for that: nobody is. */
START_TEST(who_gives_back_at_the_last_moment_is_not_evicted)
{
	struct msg_loan loan;

	open_trial(&lone, 3, MSG_RING_LAP);
	hand_out_all();
	usleep(150000);
	lone.relents = true;
	lone.outbox.news_seen--;
	ck_assert_int_eq(msg_outbox_lend(&lone.outbox, 40, &loan), 0);
	ck_assert_uint_eq(lone.readers[0].held_count, 0);
	ck_assert(!msg_inbox_evicted(&lone.readers[0].inbox));
	msg_outbox_abandon(&lone.outbox, &loan);
	close_trial(&lone);
}
END_TEST

START_TEST(who_holds_all_for_too_long_is_evicted)
{
	struct msg_loan loan;
	uint64_t begin;
	int result;

	open_trial(&lone, 3, MSG_RING_LAP);
	begin = msg_clock_ns();
	hand_out_all();
	result = msg_outbox_lend(&lone.outbox, 40, &loan);
	if (result != 0) {
		ck_assert_int_eq(result, -MSG_ERROR_AGAIN);
		usleep(150000);
		result = msg_outbox_lend(&lone.outbox, 40, &loan);
	}
	/* On a busy machine the tenth of a second may have been over by then. */
	ck_assert_uint_ge(msg_clock_ns() - begin, 100 * MSG_NS_PER_MS);
	ck_assert_int_eq(result, 0);
	ck_assert(msg_inbox_evicted(&lone.readers[0].inbox));
	msg_outbox_abandon(&lone.outbox, &loan);
	close_trial(&lone);
}
END_TEST

/* Published until no slot is left: the relay has all of it on its way, and keeps more
 * entries than that by agreement; a reader has one view. */
START_TEST(nobody_pays_for_frames_that_the_device_still_has)
{
	struct reader *r = &lone.readers[0];
	struct msg_loan loan;

	open_trial(&lone, 3, MSG_RING_BLOCK);
	lone.outbox.ring.readers[0].slow = MSG_RING_LAP;
	msg_ring_writer_remove(&lone.outbox.ring, 2);
	lone.outbox.ring.readers[1].keeps = lone.options.entry_count;
	lone.outbox.lender.pool.free_count = lone.outbox.loan_max = 4;
	while (msg_outbox_lend(&lone.outbox, 40, &loan) == 0) {
		struct msg_view views[READERS];
		uint64_t sequence = msg_lender_next(&lone.outbox.lender);

		lone.lengths[sequence] = 40;
		fill(loan.data, 40, sequence);
		msg_outbox_send(&lone.outbox, &loan, 40);
		ck_assert_int_eq(
			msg_inbox_take(&lone.readers[1].inbox, views, 1), 1);
		ck_assert_int_eq(msg_inbox_take(&r->inbox, &views[1], 1), 1);
		if (sequence == 3)
			r->held[r->held_count++] = views[1];
		else
			msg_inbox_release(&r->inbox, &views[1], 1);
	}
	ck_assert_uint_eq(r->held_count, 1);
	usleep(150000);
	ck_assert_int_eq(
		msg_outbox_lend(&lone.outbox, 40, &loan), -MSG_ERROR_AGAIN);
	ck_assert(!msg_inbox_evicted(&r->inbox));
	close_trial(&lone);
}
END_TEST

/* Lends until it cannot, for so long; whether it could again. */
static bool lend_for(unsigned ms)
{
	uint64_t end = msg_clock_ns() + ms * MSG_NS_PER_MS;
	struct msg_loan loan;

	while (msg_clock_ns() < end) {
		if (msg_outbox_lend(&lone.outbox, 40, &loan) == 0) {
			msg_outbox_abandon(&lone.outbox, &loan);
			return true;
		}
		usleep(5000);
	}
	return false;
}

START_TEST(who_is_awaited_may_hold_all_for_longer)
{
	patience_ns = 1000 * MSG_NS_PER_MS;
	open_trial(&lone, 3, MSG_RING_LAP);
	patience_ns = 0;
	hand_out_all();
	ck_assert(!lend_for(300));
	ck_assert(!msg_inbox_evicted(&lone.readers[0].inbox));
	ck_assert(lend_for(10000));
	ck_assert(msg_inbox_evicted(&lone.readers[0].inbox));
	close_trial(&lone);
}
END_TEST

static void publish_until_refused(void)
{
	struct msg_loan loan;

	while (msg_outbox_lend(&lone.outbox, 40, &loan) == 0) {
		uint64_t sequence = msg_lender_next(&lone.outbox.lender);

		lone.lengths[sequence] = 40;
		fill(loan.data, 40, sequence);
		ck_assert_int_eq(msg_outbox_send(&lone.outbox, &loan, 40), 0);
	}
}

/* The relay has all slots on its way, within what it keeps by agreement, and for
 * longer than anybody is waited for; a reader has one view.  When they come back he
 * is waited for as ever. */
START_TEST(who_is_awaited_does_not_pay_for_the_device)
{
	struct msg_inbox *relay = &lone.readers[1].inbox;
	struct msg_inbox *idle = &lone.readers[0].inbox;
	struct msg_view views[8], kept;

	patience_ns = 100 * MSG_NS_PER_MS;
	open_trial(&lone, 3, MSG_RING_BLOCK);
	patience_ns = 0;
	lone.outbox.ring.readers[0].slow = MSG_RING_LAP;
	msg_ring_writer_remove(&lone.outbox.ring, 2);
	lone.outbox.ring.readers[1].keeps = lone.options.entry_count;
	lone.outbox.lender.pool.free_count = lone.outbox.loan_max = 4;
	publish_until_refused();
	ck_assert_int_eq(msg_inbox_take(relay, views, 8), 4);
	ck_assert_int_eq(msg_inbox_take(idle, views + 4, 4), 4);
	kept = views[7];
	msg_inbox_release(idle, views + 4, 3);
	ck_assert_int_eq(msg_inbox_take(idle, views + 4, 4), 0);
	ck_assert(!lend_for(300));
	ck_assert(!lone.outbox.ring.readers[0].cut);
	msg_inbox_release(relay, views, 4);
	ck_assert_int_eq(msg_inbox_take(relay, views, 8), 0);
	publish_until_refused();
	ck_assert_uint_eq(lone.outbox.ring.revoked, 0);
	msg_inbox_release(idle, &kept, 1);
	ck_assert_int_eq(msg_inbox_take(idle, views, 8), 3);
	ck_assert_uint_eq(views[0].lost_before, 0);
	msg_inbox_release(idle, views, 3);
	close_trial(&lone);
}
END_TEST

START_TEST(who_is_awaited_and_stops_is_lapped_in_the_end)
{
	struct msg_loan loan;

	patience_ns = 1000 * MSG_NS_PER_MS;
	open_trial(&lone, 3, MSG_RING_LAP);
	patience_ns = 0;
	while (msg_outbox_lend(&lone.outbox, 40, &loan) == 0) {
		memset(loan.data, 0, 40);
		ck_assert_int_eq(msg_outbox_send(&lone.outbox, &loan, 40), 0);
	}
	ck_assert(!lend_for(300));
	ck_assert_uint_eq(lone.outbox.ring.revoked, 0);
	ck_assert(lend_for(10000));
	ck_assert_uint_gt(lone.outbox.ring.revoked, 0);
	ck_assert(!msg_inbox_evicted(&lone.readers[0].inbox));
	close_trial(&lone);
}
END_TEST

void add_short_tests(TCase *entries)
{
	tcase_add_test(
		entries, who_gives_back_at_the_last_moment_is_not_evicted);
	tcase_add_test(entries, who_holds_all_for_too_long_is_evicted);
	tcase_add_test(
		entries, nobody_pays_for_frames_that_the_device_still_has);
	tcase_add_test(entries, who_is_awaited_may_hold_all_for_longer);
	tcase_add_test(entries, who_is_awaited_does_not_pay_for_the_device);
	tcase_add_test(
		entries, who_is_awaited_and_stops_is_lapped_in_the_end);
}
