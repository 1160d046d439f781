/* SPDX-License-Identifier: BSD-2-Clause */
#include "cases.h"
void add_read(Suite *suite) { (void)suite; }
