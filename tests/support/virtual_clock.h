/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtual_clock.h - a clock that a test moves: nobody waits for real, and the same
 * seed tells the same story to the nanosecond.
 *
 *     target_link_libraries(test_x PRIVATE msg_virtual_clock)
 *
 * puts it in the place of clock_gettime and nanosleep for everything that is
 * linked into the program.  Each look at the clock takes VIRTUAL_LOOK_NS, a sleep
 * its time, and the rest passes when the test says so.  The coarse clock lags
 * behind by up to VIRTUAL_TICK_NS, as a kernel's does.
 * One thread.
 */
#ifndef TESTS_SUPPORT_VIRTUAL_CLOCK_H
#define TESTS_SUPPORT_VIRTUAL_CLOCK_H

#include <stdint.h>

#define VIRTUAL_LOOK_NS 50u
#define VIRTUAL_TICK_NS 4000000u

uint64_t virtual_clock_ns(void);
void virtual_clock_pass(uint64_t ns);

#endif
