/* SPDX-License-Identifier: BSD-2-Clause */
/* recover_oracle.h - random reliable streams; see recover_oracle.c. */
#ifndef TESTS_UNIT_PROTOCOL_RECOVER_ORACLE_H
#define TESTS_UNIT_PROTOCOL_RECOVER_ORACLE_H

#include "check_main.h"

void add_oracle_tests(Suite *suite);

#endif
