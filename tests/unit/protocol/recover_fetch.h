/* SPDX-License-Identifier: BSD-2-Clause */
/* recover_fetch.h - tests of what is had without asking, for test_recover.c. */
#ifndef TESTS_UNIT_PROTOCOL_RECOVER_FETCH_H
#define TESTS_UNIT_PROTOCOL_RECOVER_FETCH_H

#include "check_main.h"

void add_fetch_tests(Suite *suite);

#endif
