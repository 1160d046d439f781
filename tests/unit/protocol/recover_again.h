/* SPDX-License-Identifier: BSD-2-Clause */
/* recover_again.h - tests of asking again, for test_recover.c. */
#ifndef TESTS_UNIT_PROTOCOL_RECOVER_AGAIN_H
#define TESTS_UNIT_PROTOCOL_RECOVER_AGAIN_H

#include "check_main.h"
#include "protocol/recover.h"

void add_again_tests(Suite *suite);

#endif
