/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_kept.c - what a reliable publisher with room for few keeps, over a link that is
 * done with frames when it is told to; see libmsg/engine/transmit_lend.c.
 */
#include <string.h>

#include "base/clock.h"
#include "check_main.h"
#include "engine/transmit.h"

#define LOANS 16u
#define KEPT 2u /* The least. */
#define LARGE 100000u
#define HISTORY (2 * LARGE + LARGE / 2)

static struct msg_transmitter t;
static uint32_t last; /* Token of the frame sent last. */
static bool sends;    /* What was sent is done, when somebody looks. */

static int note(struct msg_link *link, const struct msg_link_send *send)
{
	(void)link;
	last = send->token;
	return 0;
}

static int look(struct msg_link *link, struct msg_link_event *events, int count)
{
	(void)link;
	(void)count;
	if (!sends)
		return 0;
	events[0] = (struct msg_link_event){
		.type = MSG_LINK_SENT, .token = last};
	return 1;
}

static int flush(struct msg_link *link)
{
	(void)link;
	return 0;
}

static const struct msg_link_ops ops = {
	.send = note, .poll = look, .flush = flush};
static struct msg_link link = {.ops = &ops, .send_count = 64};

static void setup(void)
{
	struct msg_transmit_options options = {
		.frame_bytes = 1024,
		.message_bytes_max = LARGE,
		.loan_count_max = LOANS,
		.tag = 1,
		.publisher = 7,
		.history_bytes = HISTORY,
		.incarnation = 7,
		.receive_bytes = 1024,
		.heartbeat_ms = 50,
		.rtt_ns = 1000,
		.give_up_ns = MSG_NS_PER_S,
	};

	sends = false;
	ck_assert_int_eq(msg_transmitter_open(&t, &options), 0);
	ck_assert_int_eq(msg_transmitter_start(&t, &link, 0), 0);
	ck_assert_uint_eq(t.lender.pool.count, LOANS + KEPT);
	t.repairer->threaded = true; /* By nobody. */
}

static void teardown(void)
{
	msg_transmitter_close(&t);
}

static int publish(uint32_t bytes)
{
	struct msg_loan loan;
	int result = msg_transmitter_lend(&t, bytes, &loan);

	return result < 0 ? result : msg_transmitter_send(&t, &loan, bytes);
}

static uint64_t kept(void)
{
	return t.history.next - t.history.first;
}

START_TEST(what_flies_is_not_forgotten_for_nothing)
{
	for (uint32_t i = 0; i < LOANS + KEPT; i++) {
		ck_assert_int_eq(publish(1), 0);
		ck_assert_uint_eq(kept(), i + 1);
	}
	/* There is no slot more, and forgetting would bring none. */
	ck_assert_int_eq(publish(1), -MSG_ERROR_AGAIN);
	ck_assert_uint_eq(kept(), LOANS + KEPT);
	sends = true;
	ck_assert_int_eq(publish(1), 0);
	ck_assert_uint_ge(kept(), KEPT + 1);
}
END_TEST

/* They are in nobody's way: slots for loans hold them until those are wanted. */
START_TEST(of_small_ones_more_is_kept_than_history_has_slots)
{
	sends = true;
	for (uint32_t i = 0; i < 10 * LOANS; i++) {
		ck_assert_int_eq(publish(1), 0);
		ck_assert_uint_ge(kept(), i < LOANS / 4 ? i + 1 : LOANS / 4);
	}
}
END_TEST

START_TEST(of_large_ones_no_more_is_kept_than_history_says)
{
	sends = true;
	for (uint32_t i = 0; i < 10 * LOANS; i++) {
		ck_assert_int_eq(publish(LARGE), 0);
		ck_assert_uint_ge(t.history.bytes,
			LARGE * (i < KEPT ? i + 1 : KEPT));
		ck_assert_uint_le(t.history.bytes, HISTORY + LARGE);
		ck_assert(msg_history_begins(&t.history, t.history.first));
	}
	while (kept() > 0)
		msg_history_forget(&t.history);
	ck_assert_uint_eq(t.history.bytes, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kept");
	TCase *few = check_case(suite, "few", 20);

	tcase_add_checked_fixture(few, setup, teardown);
	tcase_add_test(few, what_flies_is_not_forgotten_for_nothing);
	tcase_add_test(few, of_small_ones_more_is_kept_than_history_has_slots);
	tcase_add_test(few, of_large_ones_no_more_is_kept_than_history_says);
	return check_main(suite, NULL);
}
