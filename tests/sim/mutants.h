/* SPDX-License-Identifier: BSD-2-Clause */
/* mutants.h - the oracle is shown what is wrong, and has to say so. */
#ifndef SIM_MUTANTS_H
#define SIM_MUTANTS_H

#include "play.h"

/* Each mutant, in the scenario that calls for what it lacks.  0, or 1 when one
 * went unnoticed. */
int find_mutants(const struct play_settings *settings);

#endif
