/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outbox_quick.c - the short ways of an outbox, which are inline: they take a loan once
 * and no other, and promise no more than there is.
 */
#include "outbox_trial.h"

static uint64_t refused(void)
{
	return msg_counter_get(&lone.outbox.lender
					.counters[MSG_COUNTER_RELEASE_REFUSED]);
}

static void must_be_refused(struct msg_loan loan, size_t bytes)
{
	uint64_t head = lone.outbox.ring.head;

	ck_assert(!msg_outbox_send_quick(&lone.outbox, &loan, bytes));
	ck_assert(!msg_outbox_send_alone(&lone.outbox, &loan, bytes));
	ck_assert_int_eq(msg_outbox_send(&lone.outbox, &loan, bytes),
		-MSG_ERROR_ARGUMENT);
	ck_assert_uint_eq(lone.outbox.ring.head, head);
}

/* Which of the short ways the next two go. */
static bool quick;

/* After one that took a look, the quick way is open. */
static struct msg_loan lend_short(void)
{
	struct msg_loan loan;

	ck_assert(msg_outbox_lend_alone(&lone.outbox, 40, &loan));
	if (!quick)
		return loan;
	ck_assert(!msg_outbox_send_quick(&lone.outbox, &loan, 40));
	msg_outbox_abandon(&lone.outbox, &loan);
	ck_assert(!msg_outbox_lend_quick(&lone.outbox, 40, &loan));
	ck_assert(msg_outbox_lend_alone(&lone.outbox, 40, &loan));
	lone.lengths[msg_lender_next(&lone.outbox.lender)] = 40;
	fill(loan.data, 40, msg_lender_next(&lone.outbox.lender));
	ck_assert(msg_outbox_send_alone(&lone.outbox, &loan, 40));
	ck_assert(msg_outbox_lend_quick(&lone.outbox, 40, &loan));
	return loan;
}

static bool send_short(struct msg_loan *loan, size_t bytes)
{
	return quick ? msg_outbox_send_quick(&lone.outbox, loan, bytes)
		     : msg_outbox_send_alone(&lone.outbox, loan, bytes);
}

START_TEST(the_short_way_takes_a_loan_once_and_no_other)
{
	struct msg_loan loan;
	struct msg_loan other;
	uint64_t before;

	quick = _i;
	open_trial(&lone, 4, MSG_RING_BLOCK);
	before = refused();
	loan = lend_short();
	ck_assert_uint_eq(msg_lender_loans(&lone.outbox.lender), 1);
	other = loan;
	other.opaque += 1ull << 32; /* Not lent yet. */
	ck_assert(!send_short(&other, 40));
	other = loan;
	other.opaque |= UINT32_MAX; /* No slot. */
	ck_assert(!send_short(&other, 40));
	other = loan;
	lone.lengths[msg_lender_next(&lone.outbox.lender)] = 40;
	fill(loan.data, 40, msg_lender_next(&lone.outbox.lender));
	ck_assert(send_short(&loan, 40));
	ck_assert_ptr_null(loan.data);
	must_be_refused(loan, 40);
	must_be_refused(other, 40);
	ck_assert_uint_eq(refused() - before, 2);
	/* Longer than it is: the loan is spent, and nothing published. */
	loan = lend_short();
	must_be_refused(loan, loan.capacity + 1);
	ck_assert_uint_eq(msg_lender_loans(&lone.outbox.lender), 0);
	ck_assert(!msg_outbox_lend_quick(&lone.outbox,
		lone.options.message_bytes_max + 1u, &loan));
	ck_assert(!msg_outbox_lend_alone(&lone.outbox,
		lone.options.message_bytes_max + 1u, &loan));
	/* Not past what stands in a frame. */
	loan = lend_one(40);
	other = lend_short();
	msg_outbox_queue(&lone.outbox, &loan, 40);
	ck_assert(!send_short(&other, 40));
	ck_assert(!msg_outbox_lend_quick(&lone.outbox, 40, &loan));
	ck_assert(!msg_outbox_lend_alone(&lone.outbox, 40, &loan));
	msg_outbox_abandon(&lone.outbox, &other);
	close_trial(&lone);
}
END_TEST

/* What another loan does to the one that is out on the quick way. */
START_TEST(the_quick_way_is_for_one_loan_at_a_time)
{
	struct msg_loan first;
	struct msg_loan second;

	quick = true;
	open_trial(&lone, 5, MSG_RING_BLOCK);
	first = lend_short();
	ck_assert(!msg_outbox_lend_quick(&lone.outbox, 40, &second));
	second = lend_one(40);
	ck_assert_uint_eq(msg_lender_loans(&lone.outbox.lender), 2);
	ck_assert(!msg_outbox_send_quick(&lone.outbox, &first, 40));
	msg_outbox_abandon(&lone.outbox, &second);
	ck_assert_uint_eq(msg_lender_loans(&lone.outbox.lender), 1);
	msg_outbox_abandon(&lone.outbox, &first);
	ck_assert_uint_eq(msg_lender_loans(&lone.outbox.lender), 0);
	ck_assert_uint_eq(refused(), 0);
	close_trial(&lone);
}
END_TEST

/* It promises no more than there is. */
START_TEST(the_quick_way_ends_with_slots_places_and_leave)
{
	enum { LEAST = 4 };
	struct msg_outbox *o = &lone.outbox;
	struct msg_loan loan;
	uint32_t n = 1;

	open_trial(&lone, 6, MSG_RING_BLOCK);
	if (_i == 0)
		o->lender.pool.free_count = LEAST;
	else if (_i == 1)
		o->loan_max = LEAST;
	ck_assert(msg_outbox_lend_alone(o, 40, &loan));
	for (;; n++) {
		uint64_t next = msg_lender_next(&o->lender);

		lone.lengths[next] = 40;
		fill(loan.data, 40, next);
		ck_assert(n == 1 ? msg_outbox_send_alone(o, &loan, 40)
				 : msg_outbox_send_quick(o, &loan, 40));
		if (!msg_outbox_lend_quick(o, 40, &loan))
			break;
	}
	if (_i < 2)
		ck_assert_uint_eq(n, LEAST);
	ck_assert_uint_le(n, o->ring.mask + 1);
	ck_assert_uint_le(msg_ring_backlog(&o->ring), o->ring.mask + 1);
	close_trial(&lone);
}
END_TEST

void add_quick_tests(TCase *entries)
{
	tcase_add_loop_test(
		entries, the_short_way_takes_a_loan_once_and_no_other, 0, 2);
	tcase_add_test(entries, the_quick_way_is_for_one_loan_at_a_time);
	tcase_add_loop_test(entries,
		the_quick_way_ends_with_slots_places_and_leave, 0, 3);
}
