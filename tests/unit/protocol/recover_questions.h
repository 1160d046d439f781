/* SPDX-License-Identifier: BSD-2-Clause */
/* recover_questions.h - reports and joining; see recover_questions.c,
 * recover_position.c and recover_join.c. */
#ifndef TESTS_UNIT_PROTOCOL_RECOVER_QUESTIONS_H
#define TESTS_UNIT_PROTOCOL_RECOVER_QUESTIONS_H

#include "check_main.h"

void add_question_tests(Suite *suite);
void add_position_tests(Suite *suite);
void add_join_tests(Suite *suite);

#endif
