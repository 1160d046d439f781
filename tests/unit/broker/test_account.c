/* SPDX-License-Identifier: BSD-2-Clause */
/* test_account.c - what a user may hold, and what is said beyond it. */
#include "broker/account.h"

#include <string.h>

#include "base/trail.h"

#include <msg/msg.h>

#include "check_main.h"

static struct accounts *open_accounts(uint64_t most, bool root_exempt)
{
	struct account_limits limits = {.root_exempt = root_exempt};
	struct accounts *accounts = NULL;

	for (int i = 0; i < ACCOUNT_KIND_COUNT; i++)
		limits.most[i] = most;
	ck_assert_int_eq(accounts_open(&accounts, &limits), 0);
	return accounts;
}

START_TEST(a_charge_up_to_the_limit_is_taken)
{
	struct accounts *accounts = open_accounts(10, false);

	ck_assert_int_eq(account_charge(accounts, 7, ACCOUNT_BYTES, 4), 0);
	ck_assert_int_eq(account_charge(accounts, 7, ACCOUNT_BYTES, 6), 0);
	ck_assert_uint_eq(account_held(accounts, 7, ACCOUNT_BYTES), 10);
	ck_assert_uint_eq(account_held(accounts, 7, ACCOUNT_CONNECTIONS), 0);
	ck_assert_uint_eq(account_held(accounts, 8, ACCOUNT_BYTES), 0);
	accounts_close(accounts);
}
END_TEST

START_TEST(a_charge_beyond_is_refused_whole_and_in_words)
{
	struct accounts *accounts = open_accounts(10, false);
	struct account_info info;

	ck_assert_int_eq(account_charge(accounts, 7, ACCOUNT_HELD_SLOTS, 8), 0);
	ck_assert_int_eq(account_charge(accounts, 7, ACCOUNT_HELD_SLOTS, 3),
		-MSG_ERROR_BUSY);
	ck_assert_str_eq(msg_trail_text(),
		"uid 7 may have 10 held slots, has 8 and asked for 3 more; "
		"give some back, or raise 'held_slots' in [quota] of msg.conf");
	ck_assert_uint_eq(account_held(accounts, 7, ACCOUNT_HELD_SLOTS), 8);
	ck_assert_int_eq(account_charge(accounts, 7, ACCOUNT_HELD_SLOTS,
				 UINT64_MAX),
		-MSG_ERROR_BUSY);
	ck_assert_int_eq(account_charge(accounts, 7, ACCOUNT_HELD_SLOTS, 2), 0);
	ck_assert_uint_eq(accounts_list(accounts, &info, 1), 1);
	ck_assert_uint_eq(info.uid, 7);
	ck_assert_uint_eq(info.held[ACCOUNT_HELD_SLOTS], 10);
	ck_assert_uint_eq(info.refused[ACCOUNT_HELD_SLOTS], 2);
	ck_assert_uint_eq(info.refused[ACCOUNT_BYTES], 0);
	accounts_close(accounts);
}
END_TEST

START_TEST(what_was_released_may_be_charged_again)
{
	struct accounts *accounts = open_accounts(10, false);

	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(
			account_charge(accounts, 7, ACCOUNT_BYTES, 10), 0);
		account_release(accounts, 7, ACCOUNT_BYTES, 4);
		account_release(accounts, 7, ACCOUNT_BYTES, 6);
	}
	ck_assert_uint_eq(account_held(accounts, 7, ACCOUNT_BYTES), 0);
	accounts_close(accounts);
}
END_TEST

START_TEST(root_is_refused_too_unless_exempt)
{
	struct accounts *accounts = open_accounts(10, false);

	ck_assert_int_lt(account_charge(accounts, 0, ACCOUNT_BYTES, 11), 0);
	accounts_close(accounts);
	accounts = open_accounts(10, true);
	ck_assert_int_eq(account_charge(accounts, 0, ACCOUNT_BYTES, 11), 0);
	ck_assert_int_lt(account_charge(accounts, 1, ACCOUNT_BYTES, 11), 0);
	ck_assert_uint_eq(account_held(accounts, 0, ACCOUNT_BYTES), 11);
	accounts_close(accounts);
}
END_TEST

START_TEST(a_user_too_many_is_refused_until_one_holds_nothing)
{
	struct accounts *accounts = open_accounts(10, false);
	const uid_t extra = 1000 + ACCOUNT_USERS_MAX;

	for (uid_t i = 0; i < ACCOUNT_USERS_MAX; i++)
		ck_assert_int_eq(account_charge(accounts, 1000 + i,
					 ACCOUNT_CONNECTIONS, 1),
			0);
	ck_assert_int_eq(
		account_charge(accounts, extra, ACCOUNT_CONNECTIONS, 1),
		-MSG_ERROR_BUSY);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), "one user too many"));
	ck_assert_uint_eq(accounts_users_refused(accounts), 1);
	account_release(accounts, 1100, ACCOUNT_CONNECTIONS, 1);
	ck_assert_int_eq(
		account_charge(accounts, extra, ACCOUNT_CONNECTIONS, 1), 0);
	ck_assert_uint_eq(
		account_held(accounts, 1100, ACCOUNT_CONNECTIONS), 0);
	ck_assert_uint_eq(account_held(accounts, 1101, ACCOUNT_CONNECTIONS), 1);
	ck_assert_uint_eq(
		account_held(accounts, extra, ACCOUNT_CONNECTIONS), 1);
	accounts_close(accounts);
}
END_TEST

START_TEST(books_agree_with_a_plain_array)
{
	struct accounts *accounts = open_accounts(100, false);
	uint64_t held[8][ACCOUNT_KIND_COUNT] = {{0}};
	struct random_stream state = {check_seed()};

	for (int i = 0; i < 100000; i++) {
		uint64_t word = random_next(&state);
		uid_t uid = word % 8;
		enum account_kind kind =
			(enum account_kind)(word >> 8) % ACCOUNT_KIND_COUNT;
		uint64_t n = (word >> 16) % 40;

		if (word >> 63) {
			bool fits = held[uid][kind] + n <= 100;

			ck_assert_int_eq(
				account_charge(accounts, uid, kind, n),
				fits ? 0 : -MSG_ERROR_BUSY);
			held[uid][kind] += fits ? n : 0;
		} else {
			n = n < held[uid][kind] ? n : held[uid][kind];
			account_release(accounts, uid, kind, n);
			held[uid][kind] -= n;
		}
		ck_assert_uint_eq(
			account_held(accounts, uid, kind), held[uid][kind]);
	}
	accounts_close(accounts);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("account");
	TCase *tcase = check_case(suite, "charges", 20);

	tcase_add_test(tcase, a_charge_up_to_the_limit_is_taken);
	tcase_add_test(tcase, a_charge_beyond_is_refused_whole_and_in_words);
	tcase_add_test(tcase, what_was_released_may_be_charged_again);
	tcase_add_test(tcase, root_is_refused_too_unless_exempt);
	tcase_add_test(tcase, a_user_too_many_is_refused_until_one_holds_nothing);
	tcase_add_test(tcase, books_agree_with_a_plain_array);
	return check_main(suite, NULL);
}
