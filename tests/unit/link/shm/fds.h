/* SPDX-License-Identifier: BSD-2-Clause */
/* fds.h - the descriptors of this process, for tests that must not leak one. */
#ifndef TESTS_UNIT_LINK_SHM_FDS_H
#define TESTS_UNIT_LINK_SHM_FDS_H

#include <stdbool.h>

/* How many are open now. */
unsigned fds_open(void);

/* Whether two stand for the same open file. */
bool fds_are_same(int one, int other);

#endif
