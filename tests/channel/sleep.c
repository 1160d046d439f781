/* SPDX-License-Identifier: BSD-2-Clause */
#include "cases.h"
void add_sleep(Suite *suite) { (void)suite; }
