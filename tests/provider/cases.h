/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cases.h - the cases of test_provider: one a file, by the name of the file.
 */
#ifndef TESTS_PROVIDER_CASES_H
#define TESTS_PROVIDER_CASES_H

#include <check.h>

void add_message(Suite *suite);
void add_limits(Suite *suite);
void add_group(Suite *suite);
void add_join(Suite *suite);
void add_completion(Suite *suite);
void add_wait(Suite *suite);
void add_life(Suite *suite);
void add_address(Suite *suite);
void add_memory(Suite *suite);
void add_info(Suite *suite);

#endif
