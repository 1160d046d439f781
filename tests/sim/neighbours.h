/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neighbours.h - what one receiver that loses much or is slow costs the others.
 *
 * Eight receivers, each with a loss of its own, first alike, and then one of them
 * is apart.  Where the publisher need not wait for that one, the 99th percentile
 * of the others' latencies may be 1.10 of what it was, and they lose nothing.
 */
#ifndef SIM_NEIGHBOURS_H
#define SIM_NEIGHBOURS_H

#include <stdint.h>

/* Prints a line a case; 0, or 1: one of them is hurt. */
int neighbours_play(uint64_t seed, uint64_t messages);

#endif
