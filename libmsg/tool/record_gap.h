/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_gap.h - what is missing and could not be told yet.
 *
 * While the queue is full, messages are dropped, and so is what would be said
 * of that.  Here it is kept, one gap a stream: nothing of any stream is taken
 * before all gaps were told, so a gap grows at its end alone and is exact.
 * Beyond GAPS_MAX streams what is missing goes into one that names nobody.
 * Test: tests/unit/tool/test_record_gap.c.
 */
#ifndef TOOL_RECORD_GAP_H
#define TOOL_RECORD_GAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recording.h"

#define RECORD_GAPS_MAX 4096

struct record_gap {
	uint64_t publisher;
	uint64_t sequence; /* Behind the last that is missing. */
	uint64_t dropped;
	uint64_t lost;   /* Before they came here. */
	uint32_t reason; /* Of the latter, enum msg_loss. */
	char topic[RECORDING_TOPIC_BYTES];
};

struct record_gaps {
	struct record_gap *gaps; /* One more than GAPS_MAX, for the rest. */
	uint16_t *places;        /* Index + 1 by topic and publisher. */
	size_t count;
	bool rest;
};

bool record_gaps_open(struct record_gaps *gaps);
void record_gaps_close(struct record_gaps *gaps);

/* `lost` up to the message before `sequence`, or that one dropped, too. */
void record_gaps_lose(struct record_gaps *gaps, const char *topic,
	uint64_t publisher, uint64_t sequence, uint64_t lost, uint32_t reason);
void record_gaps_drop(struct record_gaps *gaps, const char *topic,
	uint64_t publisher, uint64_t sequence);

bool record_gaps_any(const struct record_gaps *gaps);

/* The last one that is to be told, and away with it. */
const struct record_gap *record_gaps_last(const struct record_gaps *gaps);
void record_gaps_told(struct record_gaps *gaps);

#endif
