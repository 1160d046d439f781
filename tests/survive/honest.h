/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * honest.h - a publisher and subscribers that others must not disturb: it waits
 * for them, so that each is to have every message.
 */
#ifndef TESTS_SURVIVE_HONEST_H
#define TESTS_SURVIVE_HONEST_H

#include "actor.h"

#define HONEST_MAX 8

extern struct honest {
	struct host host;
	struct actor *publisher; /* Of topic a.b. */
	struct actor *readers[HONEST_MAX];
	uint32_t count;
	unsigned descriptors; /* Of the broker, with them alone. */
} honest;

/* A host with `config` (NULL: no limits), its broker with `descriptors` at most
 * (0: as it is), and `count` readers. */
void honest_start(uint32_t count, const char *config, uint32_t descriptors);

/* They have all of it, and whoever else was there has left nothing. */
void honest_finish(void);

#endif
