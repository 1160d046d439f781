/* SPDX-License-Identifier: BSD-2-Clause */
/* test_record_gap.c - what is missing and could not be told yet; see
 * record_gap.h. */
#include "tool/record_gap.h"

#include <stdio.h>

#include "check_main.h"

static struct record_gaps gaps;

static void setup(void)
{
	ck_assert(record_gaps_open(&gaps));
}

static void teardown(void)
{
	record_gaps_close(&gaps);
}

static void expect(const char *topic, uint64_t publisher, uint64_t sequence,
	uint64_t dropped, uint64_t lost)
{
	const struct record_gap *gap = record_gaps_last(&gaps);

	ck_assert_str_eq(gap->topic, topic);
	ck_assert_uint_eq(gap->publisher, publisher);
	ck_assert_uint_eq(gap->sequence, sequence);
	ck_assert_uint_eq(gap->dropped, dropped);
	ck_assert_uint_eq(gap->lost, lost);
	record_gaps_told(&gaps);
}

START_TEST(a_gap_grows_at_its_end)
{
	ck_assert(!record_gaps_any(&gaps));
	record_gaps_drop(&gaps, "a", 1, 10);
	record_gaps_drop(&gaps, "a", 1, 11);
	record_gaps_lose(&gaps, "a", 1, 15, 3, MSG_LOSS_NETWORK);
	record_gaps_drop(&gaps, "a", 1, 15);
	expect("a", 1, 16, 3, 3);
	ck_assert(!record_gaps_any(&gaps));
}
END_TEST

START_TEST(streams_are_kept_apart)
{
	record_gaps_drop(&gaps, "a", 1, 10);
	record_gaps_drop(&gaps, "b", 1, 20);
	record_gaps_drop(&gaps, "a", 2, 30);
	record_gaps_drop(&gaps, "a", 1, 11);
	expect("a", 2, 31, 1, 0);
	expect("b", 1, 21, 1, 0);
	expect("a", 1, 12, 2, 0);
	ck_assert(!record_gaps_any(&gaps));
}
END_TEST

START_TEST(a_reason_is_kept)
{
	record_gaps_lose(&gaps, "a", 1, 5, 2, MSG_LOSS_HISTORY);
	ck_assert_uint_eq(record_gaps_last(&gaps)->reason, MSG_LOSS_HISTORY);
	expect("a", 1, 5, 0, 2);
}
END_TEST

START_TEST(what_finds_no_place_is_counted_all_the_same)
{
	char topic[32];
	uint64_t sum = 0;

	for (uint64_t i = 0; i < RECORD_GAPS_MAX + 100; i++) {
		snprintf(topic, sizeof topic, "t.%llu", (unsigned long long)i);
		record_gaps_drop(&gaps, topic, 1 + i, i);
		record_gaps_lose(&gaps, topic, 1 + i, i + 3, 2, 1);
	}
	expect("", 0, 300, 100, 200);
	while (record_gaps_any(&gaps)) {
		sum += record_gaps_last(&gaps)->dropped;
		record_gaps_told(&gaps);
	}
	ck_assert_uint_eq(sum, RECORD_GAPS_MAX);
}
END_TEST

/* Against books that are kept by the simplest of means. */
START_TEST(books_agree)
{
	struct random_stream random = {check_seed()};
	struct {
		uint64_t dropped, lost, sequence;
	} books[50] = {0};

	for (int round = 0; round < 2000; round++) {
		uint64_t who = random_below(&random, 50);
		char topic[8];

		snprintf(topic, sizeof topic, "%u", (unsigned)who % 7);
		if (random_chance(&random, 800)) {
			books[who].dropped++;
			record_gaps_drop(
				&gaps, topic, who + 1, books[who].sequence++);
		} else {
			books[who].lost += 2;
			books[who].sequence += 2;
			record_gaps_lose(&gaps, topic, who + 1,
				books[who].sequence, 2, 1);
		}
		while (random_chance(&random, 300) && record_gaps_any(&gaps)) {
			const struct record_gap *gap = record_gaps_last(&gaps);
			uint64_t other = gap->publisher - 1;

			ck_assert_uint_eq(gap->dropped, books[other].dropped);
			ck_assert_uint_eq(gap->lost, books[other].lost);
			ck_assert_uint_eq(gap->sequence, books[other].sequence);
			books[other].dropped = books[other].lost = 0;
			record_gaps_told(&gaps);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record_gap");
	TCase *all = check_case(suite, "gaps", 10);

	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, a_gap_grows_at_its_end);
	tcase_add_test(all, streams_are_kept_apart);
	tcase_add_test(all, a_reason_is_kept);
	tcase_add_test(all, what_finds_no_place_is_counted_all_the_same);
	tcase_add_test(all, books_agree);
	return check_main(suite, NULL);
}
