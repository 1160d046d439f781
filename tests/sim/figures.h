/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * figures.h - what repair costs, by the simulator: tables and pictures.
 *
 * Times are the simulator's: the network's, and nothing for computing.  Each
 * table is a file of tab-separated columns, with a head.
 */
#ifndef SIM_FIGURES_H
#define SIM_FIGURES_H

/* All of them into this folder, which is made if need be.  0, or 1. */
int figures_write(const char *folder);

#endif
