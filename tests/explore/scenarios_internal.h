/* SPDX-License-Identifier: BSD-2-Clause */
/* scenarios_internal.h - what scenarios.c has in its table and others set up. */
#ifndef TESTS_EXPLORE_SCENARIOS_INTERNAL_H
#define TESTS_EXPLORE_SCENARIOS_INTERNAL_H

/* scenarios_inbox.c */
void scenario_inbox(void);
void scenario_lap(void);
void scenario_again(void);
void scenario_parts(void);

/* scenarios_change.c */
void scenario_add(void);
void scenario_late(void);
void end_scenario_late(void);
void scenario_remove(void);

#endif
