/* SPDX-License-Identifier: BSD-2-Clause */
/* loans.c - buffers in the publisher's hands. */
#include <string.h>

#include "harness.h"

static struct msg_node *node;
static struct msg_publisher *p;
static struct msg_subscriber *s;

static void open_both(uint32_t message_bytes_max, uint32_t loan_count_max)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;

	node = open_node();
	s = open_subscriber(node, "loans");
	o.topic = "loans";
	o.message_bytes_max = message_bytes_max;
	o.loan_count_max = loan_count_max;
	p = open_publisher_as(node, &o);
}

static struct msg_loan borrow(size_t bytes)
{
	struct msg_loan loan;

	ck_assert_int_eq(msg_publisher_loan(p, bytes, &loan), 0);
	return loan;
}

static void expect(uint64_t sequence, const char *text)
{
	struct msg_view view = take_one(s, 5 * S);

	ck_assert_uint_eq(view.sequence, sequence);
	ck_assert_uint_eq(view.lost_before, 0);
	ck_assert_uint_eq(view.bytes, strlen(text));
	ck_assert_mem_eq(view.data, text, strlen(text));
	msg_subscriber_release(s, &view, 1);
}

static void give(struct msg_loan *loan, const char *text, bool queue)
{
	memcpy(loan->data, text, strlen(text));
	ck_assert_int_eq(queue ? msg_publisher_queue(p, loan, strlen(text))
			       : msg_publisher_send(p, loan, strlen(text)),
		0);
	ck_assert_ptr_null(loan->data);
	ck_assert_uint_eq(loan->opaque, 0);
}

START_TEST(loans_leave_in_the_order_of_their_sending)
{
	struct msg_loan loans[5];

	open_both(0, 0);
	for (int i = 0; i < 5; i++)
		loans[i] = borrow(100);
	give(&loans[3], "three", false);
	give(&loans[0], "zero", true);
	give(&loans[4], "four", true);
	msg_publisher_abandon(p, &loans[2]);
	ck_assert_ptr_null(loans[2].data);
	give(&loans[1], "one", false);
	expect(0, "three");
	expect(1, "zero");
	expect(2, "four");
	expect(3, "one");
	close_all(node, p, s);
}
END_TEST

START_TEST(a_loan_in_a_frame_may_stay_when_the_frame_leaves)
{
	struct msg_loan first, kept, other;

	open_both(0, 0);
	first = borrow(10);
	give(&first, "first", true);
	/* Stands behind the first, in the frame being filled. */
	kept = borrow(10);
	strcpy(kept.data, "kept");
	ck_assert_int_eq(msg_publisher_flush(p), 0);
	expect(0, "first");
	other = borrow(10);
	give(&other, "other", false);
	expect(1, "other");
	ck_assert_str_eq(kept.data, "kept");
	give(&kept, "kept", false);
	expect(2, "kept");
	close_all(node, p, s);
}
END_TEST

START_TEST(a_loan_behind_empty_messages_may_stay_too)
{
	struct msg_loan first, kept, other;

	open_both(0, 0);
	first = borrow(0);
	give(&first, "", true);
	kept = borrow(10);
	other = borrow(10);
	give(&other, "other", true);
	give(&kept, "kept", true);
	ck_assert_int_eq(msg_publisher_flush(p), 0);
	expect(0, "");
	expect(1, "other");
	expect(2, "kept");
	close_all(node, p, s);
}
END_TEST

START_TEST(a_loan_may_be_used_to_its_last_byte)
{
	struct msg_loan loan, in_frame;
	size_t capacity;
	struct msg_view view;

	open_both(0, 0);
	for (uint64_t i = 0; i < 20; i += 2) {
		loan = borrow(1);
		fill_payload(loan.data, 100 + i, 1, i);
		ck_assert_int_eq(msg_publisher_queue(p, &loan, 100 + i), 0);
		in_frame = borrow(1);
		capacity = in_frame.capacity;
		fill_payload(in_frame.data, capacity, 1, i + 1);
		ck_assert_int_eq(
			msg_publisher_send(p, &in_frame, capacity), 0);
		view = take_one(s, 5 * S);
		check_payload(s, &view, 100 + i, 1);
		msg_subscriber_release(s, &view, 1);
		view = take_one(s, 5 * S);
		check_payload(s, &view, capacity, 1);
		msg_subscriber_release(s, &view, 1);
	}
	close_all(node, p, s);
}
END_TEST

START_TEST(a_loan_is_spent_once)
{
	struct msg_loan loan, copy, forged;

	open_both(0, 0);
	loan = copy = borrow(10);
	give(&loan, "once", false);
	expect(0, "once");
	ck_assert_int_eq(
		msg_publisher_send(p, &loan, 0), -MSG_ERROR_ARGUMENT);
	loan = copy;
	ck_assert_int_eq(
		msg_publisher_send(p, &loan, 4), -MSG_ERROR_ARGUMENT);
	loan = copy;
	ck_assert_int_eq(
		msg_publisher_queue(p, &loan, 4), -MSG_ERROR_ARGUMENT);
	loan = copy;
	msg_publisher_abandon(p, &loan);
	ck_assert_uint_eq(
		msg_publisher_counter(p, MSG_COUNTER_RELEASE_REFUSED), 4);
	memset(&forged, 0xff, sizeof forged);
	ck_assert_int_eq(
		msg_publisher_send(p, &forged, 1), -MSG_ERROR_ARGUMENT);
	/* More bytes than there are: spent, and nothing was sent. */
	loan = copy = borrow(10);
	ck_assert_int_eq(msg_publisher_send(p, &loan, loan.capacity + 1),
		-MSG_ERROR_ARGUMENT);
	ck_assert_ptr_null(loan.data);
	ck_assert_int_eq(
		msg_publisher_send(p, &copy, 4), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_publish(p, "next", 4), 0);
	expect(1, "next");
	close_all(node, p, s);
}
END_TEST

START_TEST(a_loan_behind_queued_messages_is_spent_once)
{
	struct msg_loan loan, copy;
	void *place;

	open_both(0, 0);
	loan = borrow(10);
	give(&loan, "first", true);
	loan = copy = borrow(10);
	place = loan.data;
	ck_assert_int_eq(msg_publisher_queue(p, &loan, loan.capacity + 1),
		-MSG_ERROR_ARGUMENT);
	ck_assert_ptr_null(loan.data);
	ck_assert_int_eq(
		msg_publisher_queue(p, &copy, 4), -MSG_ERROR_ARGUMENT);
	loan = copy = borrow(10);
	ck_assert_ptr_eq(loan.data, place);
	ck_assert_int_eq(msg_publisher_close(p), -MSG_ERROR_BUSY);
	msg_publisher_abandon(p, &loan);
	msg_publisher_abandon(p, &copy);
	ck_assert_uint_eq(
		msg_publisher_counter(p, MSG_COUNTER_RELEASE_REFUSED), 2);
	loan = copy = borrow(10);
	ck_assert_ptr_eq(loan.data, place);
	give(&loan, "second", true);
	ck_assert_int_eq(
		msg_publisher_queue(p, &copy, 4), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_publisher_flush(p), 0);
	expect(0, "first");
	expect(1, "second");
	ck_assert_uint_eq(msg_publisher_counter(p, MSG_COUNTER_MESSAGES), 2);
	ck_assert_uint_eq(msg_publisher_counter(p, MSG_COUNTER_BYTES), 11);
	close_all(node, p, s);
}
END_TEST

START_TEST(an_abandoned_loan_leaves_no_trace)
{
	struct msg_loan loan;

	open_both(0, 4);
	for (int i = 0; i < 1000; i++) {
		loan = borrow(10);
		if (i % 3 == 0) {
			give(&loan, "q", true);
			loan = borrow(10);
		}
		msg_publisher_abandon(p, &loan);
	}
	ck_assert_int_eq(msg_publisher_flush(p), 0);
	for (uint64_t i = 0; i < 334; i++)
		expect(i, "q");
	ck_assert(stays_silent(s, 50 * MS));
	close_all(node, p, s);
}
END_TEST

START_TEST(without_a_buffer_there_is_no_loan_and_then_there_is)
{
	struct msg_loan loans[8], one;
	int64_t limit;

	open_both(0, 8);
	for (int i = 0; i < 8; i++)
		loans[i] = borrow(100);
	one.data = &one;
	ck_assert_int_eq(
		msg_publisher_loan(p, 100, &one), -MSG_ERROR_AGAIN);
	ck_assert_ptr_eq(one.data, &one);
	ck_assert_int_eq(msg_publish(p, "x", 1), -MSG_ERROR_AGAIN);
	ck_assert_uint_eq(
		msg_publisher_counter(p, MSG_COUNTER_LOAN_REFUSED), 2);
	msg_publisher_abandon(p, &loans[5]);
	loans[5] = borrow(100);
	give(&loans[5], "five", false);
	expect(0, "five");
	/* Its buffer is free as soon as the lane says so. */
	limit = now_ns() + 5 * S;
	while (msg_publisher_loan(p, 100, &loans[5]) == -MSG_ERROR_AGAIN)
		ck_assert_int_lt(now_ns(), limit);
	for (int i = 0; i < 8; i++)
		msg_publisher_abandon(p, &loans[i]);
	close_all(node, p, s);
}
END_TEST

START_TEST(few_buffers_carry_many_messages)
{
	int total = lane_count(5000, 500);

	open_both(0, 2);
	for (int i = 0; i < total; i++) {
		publish_filled(p, 100, 1, (uint64_t)i, i % 3 != 0);
		if (i % 3 == 0)
			for (int k = i > 0 ? i - 2 : 0; k <= i; k++) {
				struct msg_view view = take_one(s, 5 * S);

				ck_assert_uint_eq(view.sequence, (uint64_t)k);
				check_payload(s, &view, 100, 1);
				msg_subscriber_release(s, &view, 1);
			}
	}
	close_all(node, p, s);
}
END_TEST

START_TEST(too_large_is_said_at_the_loan)
{
	struct msg_loan loan = {.data = &loan};

	open_both(1000, 0);
	ck_assert_int_eq(
		msg_publisher_loan(p, 1001, &loan), -MSG_ERROR_TOO_LARGE);
	ck_assert_ptr_eq(loan.data, &loan);
	ck_assert_int_eq(msg_publisher_loan(p, SIZE_MAX, &loan),
		-MSG_ERROR_TOO_LARGE);
	loan = borrow(1000);
	ck_assert_uint_eq(loan.capacity, 1000);
	msg_publisher_abandon(p, &loan);
	close_all(node, p, s);
}
END_TEST

void add_loans(Suite *suite)
{
	TCase *loans = check_case(suite, "loans", 60);

	tcase_add_test(loans, loans_leave_in_the_order_of_their_sending);
	tcase_add_test(
		loans, a_loan_in_a_frame_may_stay_when_the_frame_leaves);
	tcase_add_test(loans, a_loan_behind_empty_messages_may_stay_too);
	tcase_add_test(loans, a_loan_may_be_used_to_its_last_byte);
	tcase_add_test(loans, a_loan_is_spent_once);
	tcase_add_test(loans, a_loan_behind_queued_messages_is_spent_once);
	tcase_add_test(loans, an_abandoned_loan_leaves_no_trace);
	tcase_add_test(
		loans, without_a_buffer_there_is_no_loan_and_then_there_is);
	tcase_add_test(loans, few_buffers_carry_many_messages);
	tcase_add_test(loans, too_large_is_said_at_the_loan);
}
