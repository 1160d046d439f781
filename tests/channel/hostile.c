/* SPDX-License-Identifier: BSD-2-Clause */
#include "cases.h"
void add_hostile(Suite *suite) { (void)suite; }
