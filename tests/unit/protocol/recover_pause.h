/* SPDX-License-Identifier: BSD-2-Clause */
/* recover_pause.h - tests of a stream that waits for a reading, for
 * test_recover.c. */
#ifndef TESTS_UNIT_PROTOCOL_RECOVER_PAUSE_H
#define TESTS_UNIT_PROTOCOL_RECOVER_PAUSE_H

#include "check_main.h"

void add_pause_tests(Suite *suite);

#endif
