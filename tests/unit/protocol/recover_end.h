/* SPDX-License-Identifier: BSD-2-Clause */
/* recover_end.h - tests of a stream that has said goodbye, for test_recover.c. */
#ifndef TESTS_UNIT_PROTOCOL_RECOVER_END_H
#define TESTS_UNIT_PROTOCOL_RECOVER_END_H

#include "check_main.h"

void add_end_tests(Suite *suite);

#endif
