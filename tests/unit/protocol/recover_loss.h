/* SPDX-License-Identifier: BSD-2-Clause */
/* recover_loss.h - loss, and what is not believed; see recover_loss.c and
 * recover_belief.c. */
#ifndef TESTS_UNIT_PROTOCOL_RECOVER_LOSS_H
#define TESTS_UNIT_PROTOCOL_RECOVER_LOSS_H

#include "check_main.h"

void add_loss_tests(Suite *suite);
void add_belief_tests(Suite *suite);

#endif
