/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_pace.c - the token bucket; see protocol/pace.h.
 */
#include "base/clock.h"
#include "check_main.h"
#include "protocol/pace.h"
#include "random.h"

static struct msg_pace pace;

START_TEST(a_bucket_begins_full_and_gives_no_more_than_it_has)
{
	msg_pace_start(&pace, 1000, 4, 50);
	ck_assert(!msg_pace_take(&pace, 5, 50));
	ck_assert(msg_pace_take(&pace, 3, 50));
	ck_assert(!msg_pace_take(&pace, 2, 50));
	ck_assert(msg_pace_take(&pace, 1, 50));
	ck_assert(!msg_pace_take(&pace, 1, 50));
	ck_assert(msg_pace_take(&pace, 0, 50));
}
END_TEST

START_TEST(tokens_come_back_with_time)
{
	msg_pace_start(&pace, 1000, 4, 0);
	ck_assert(msg_pace_take(&pace, 4, 0));
	ck_assert(!msg_pace_take(&pace, 1, MSG_NS_PER_MS - 1));
	ck_assert(msg_pace_take(&pace, 1, MSG_NS_PER_MS));
	ck_assert(!msg_pace_take(&pace, 1, MSG_NS_PER_MS));
	ck_assert(!msg_pace_take(&pace, 5, 100 * MSG_NS_PER_MS));
	ck_assert(msg_pace_take(&pace, 4, 100 * MSG_NS_PER_MS));
	ck_assert(!msg_pace_take(&pace, 1, 100 * MSG_NS_PER_MS));
}
END_TEST

/* Three in 10 ns, asked every ns: whoever rounds gives none at all. */
START_TEST(nothing_is_lost_to_rounding)
{
	uint64_t taken = 0;

	msg_pace_start(&pace, 300000000, 1, 0);
	ck_assert(msg_pace_take(&pace, 1, 0));
	for (uint64_t now = 0; now <= 1000000; now++)
		taken += msg_pace_take(&pace, 1, now);
	ck_assert_uint_eq(taken, 250000); /* A burst of 1 wastes the rest. */
	msg_pace_start(&pace, 300000000, 10, 0);
	ck_assert(msg_pace_take(&pace, 10, 0));
	taken = 0;
	for (uint64_t now = 0; now <= 1000000; now++)
		taken += msg_pace_take(&pace, 1, now);
	ck_assert_uint_eq(taken, 300000);
}
END_TEST

START_TEST(without_a_rate_there_is_no_limit)
{
	msg_pace_start(&pace, 0, 0, 7);
	ck_assert(msg_pace_take(&pace, UINT64_MAX, 7));
	ck_assert_uint_eq(msg_pace_when(&pace, UINT64_MAX, 9), 9);
}
END_TEST

START_TEST(a_clock_that_jumps_back_gives_nothing)
{
	msg_pace_start(&pace, 1000, 2, MSG_NS_PER_S);
	ck_assert(msg_pace_take(&pace, 2, MSG_NS_PER_S));
	for (int i = 0; i < 10; i++) {
		ck_assert(!msg_pace_take(&pace, 1, 0));
		ck_assert(!msg_pace_take(&pace, 1, MSG_NS_PER_S));
	}
	ck_assert_uint_eq(
		msg_pace_when(&pace, 1, 0), MSG_NS_PER_S + MSG_NS_PER_MS);
	ck_assert(msg_pace_take(&pace, 1, MSG_NS_PER_S + MSG_NS_PER_MS));
}
END_TEST

START_TEST(when_says_the_first_moment_that_will_do)
{
	msg_pace_start(&pace, 3, 2, 0);
	ck_assert_uint_eq(msg_pace_when(&pace, 2, 5), 5);
	ck_assert_uint_eq(msg_pace_when(&pace, 3, 5), UINT64_MAX);
	ck_assert(msg_pace_take(&pace, 2, 5));
	ck_assert_uint_eq(msg_pace_when(&pace, 0, 5), 5);
	ck_assert_uint_eq(msg_pace_when(&pace, 1, 5), 5 + 333333334);
	ck_assert(!msg_pace_take(&pace, 1, 5 + 333333333));
	ck_assert(msg_pace_take(&pace, 1, 5 + 333333334));
}
END_TEST

START_TEST(extremes_do_not_wrap)
{
	msg_pace_start(&pace, UINT64_MAX, UINT64_MAX, 0);
	ck_assert(msg_pace_take(&pace, MSG_PACE_BURST_MAX, 0));
	ck_assert(!msg_pace_take(&pace, 1, 0));
	ck_assert(msg_pace_take(&pace, 1, 1));
	ck_assert(msg_pace_take(&pace, MSG_PACE_BURST_MAX - 1, 2));
	ck_assert(!msg_pace_take(&pace, UINT64_MAX, UINT64_MAX));
	/* One in 136 years and more, near the end of time. */
	msg_pace_start(&pace, 1, MSG_PACE_BURST_MAX, UINT64_MAX - 5);
	ck_assert(msg_pace_take(&pace, MSG_PACE_BURST_MAX, UINT64_MAX - 5));
	ck_assert_uint_eq(msg_pace_when(&pace, 1, UINT64_MAX - 5), UINT64_MAX);
	/* Gained and there already: each fits, the sum does not. */
	msg_pace_start(&pace, UINT64_MAX / 2, MSG_PACE_BURST_MAX, 0);
	ck_assert(msg_pace_take(&pace, MSG_PACE_BURST_MAX / 4, 0));
	ck_assert(msg_pace_take(&pace, MSG_PACE_BURST_MAX, 1));
}
END_TEST

START_TEST(what_is_given_back_is_there_again)
{
	msg_pace_start(&pace, 1000, 10, 0);
	ck_assert(msg_pace_take(&pace, 10, 0));
	msg_pace_give(&pace, 4);
	ck_assert(!msg_pace_take(&pace, 5, 0));
	ck_assert(msg_pace_take(&pace, 4, 0));
	/* But no more than the bucket holds. */
	msg_pace_give(&pace, 11);
	msg_pace_give(&pace, UINT64_MAX);
	ck_assert(msg_pace_take(&pace, 10, 0));
	ck_assert(!msg_pace_take(&pace, 1, 0));
}
END_TEST

/* Over any time, never more than the burst and what time was worth; and what
 * `when` says is the first moment that will do. */
static void random_taker(struct random_stream *random)
{
	uint64_t rate = 1 + random_below(random, 5000000);
	uint64_t burst = 1 + random_below(random, 100);
	uint64_t start = random_next(random) >> 20, now = start, taken = 0;

	msg_pace_start(&pace, rate, burst, now);
	for (int i = 0; i < 200; i++) {
		uint64_t count = random_below(random, burst + 2);
		uint64_t when;

		now += random_below(random, 2000000000 / rate);
		when = msg_pace_when(&pace, count, now);
		ck_assert(when >= now);
		ck_assert_int_eq(when == UINT64_MAX, count > burst);
		if (when == UINT64_MAX) {
			ck_assert(!msg_pace_take(&pace, count, now));
			continue;
		}
		if (when > now)
			ck_assert(!msg_pace_take(&pace, count, when - 1));
		now = when;
		ck_assert(msg_pace_take(&pace, count, now));
		taken += count;
		ck_assert_uint_le(taken * MSG_PACE_TOKEN,
			burst * MSG_PACE_TOKEN + (now - start) * rate);
	}
}

START_TEST(random_takers_get_what_the_rate_allows)
{
	for (uint64_t trial = 0; trial < 1000; trial++) {
		struct random_stream random = {check_seed() + trial};

		random_taker(&random);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pace");
	TCase *pacing = check_case(suite, "pace", 20);

	tcase_add_test(
		pacing, a_bucket_begins_full_and_gives_no_more_than_it_has);
	tcase_add_test(pacing, tokens_come_back_with_time);
	tcase_add_test(pacing, nothing_is_lost_to_rounding);
	tcase_add_test(pacing, without_a_rate_there_is_no_limit);
	tcase_add_test(pacing, a_clock_that_jumps_back_gives_nothing);
	tcase_add_test(pacing, when_says_the_first_moment_that_will_do);
	tcase_add_test(pacing, extremes_do_not_wrap);
	tcase_add_test(pacing, what_is_given_back_is_there_again);
	tcase_add_test(pacing, random_takers_get_what_the_rate_allows);
	return check_main(suite, NULL);
}
