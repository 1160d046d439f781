/* SPDX-License-Identifier: BSD-2-Clause */
/* cases.h - the cases of test_channel, a file each. */
#ifndef TESTS_CHANNEL_CASES_H
#define TESTS_CHANNEL_CASES_H

#include <check.h>

void add_connect(Suite *suite);
void add_message(Suite *suite);
void add_read(Suite *suite);
void add_break(Suite *suite);
void add_hostile(Suite *suite);
void add_sleep(Suite *suite);
void add_ack(Suite *suite);
void add_session(Suite *suite);
void add_caller(Suite *suite);
void add_called(Suite *suite);

#endif
