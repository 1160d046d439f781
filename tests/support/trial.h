/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trial.h - a condition of a trial that was drawn from a seed: where it does not
 * hold, the test ends and names the seed, by which it can be had again.
 */
#ifndef TESTS_SUPPORT_TRIAL_H
#define TESTS_SUPPORT_TRIAL_H

#include "check_main.h"

/* `trial`: of any struct with a `seed`. */
#define MUST(trial, condition)                                                 \
	ck_assert_msg(condition, "MSG_TEST_SEED=0x%llx: %s",                   \
		(unsigned long long)(trial)->seed, #condition)

#endif
