/* SPDX-License-Identifier: BSD-2-Clause */
/* sequence_oracle.h - the part of test_sequence that knows the truth. */
#ifndef TESTS_UNIT_PROTOCOL_SEQUENCE_ORACLE_H
#define TESTS_UNIT_PROTOCOL_SEQUENCE_ORACLE_H

#include <check.h>

void add_oracle_tests(Suite *suite);

#endif
