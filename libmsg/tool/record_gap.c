/* SPDX-License-Identifier: BSD-2-Clause */
/* record_gap.c - what is missing and could not be told yet; see
 * record_gap.h. */
#include "record_gap.h"

#include <stdio.h>
#include <stdlib.h>

#define PLACES 16384u /* A power of two, and far more than gaps. */

bool record_gaps_open(struct record_gaps *gaps)
{
	*gaps = (struct record_gaps){
		.gaps = calloc(RECORD_GAPS_MAX + 1, sizeof *gaps->gaps),
		.places = calloc(PLACES, sizeof *gaps->places),
	};
	return gaps->gaps && gaps->places;
}

void record_gaps_close(struct record_gaps *gaps)
{
	free(gaps->gaps);
	free(gaps->places);
	*gaps = (struct record_gaps){0};
}

/* Where one is, or would be. */
static uint16_t *place_of(
	const struct record_gaps *gaps, const char *topic, uint64_t publisher)
{
	uint64_t hash = publisher * 0x9e3779b97f4a7c15u;

	for (const char *at = topic; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
	for (uint64_t i = hash >> 40;; i++) {
		uint16_t *place = &gaps->places[i % PLACES];
		const struct record_gap *gap;

		if (*place == 0)
			return place;
		gap = &gaps->gaps[*place - 1];
		if (gap->publisher == publisher &&
			strcmp(gap->topic, topic) == 0)
			return place;
	}
}

static struct record_gap *gap_of(
	struct record_gaps *gaps, const char *topic, uint64_t publisher)
{
	uint16_t *place = place_of(gaps, topic, publisher);
	struct record_gap *gap;

	if (*place != 0)
		return &gaps->gaps[*place - 1];
	if (gaps->count == RECORD_GAPS_MAX) {
		gap = &gaps->gaps[RECORD_GAPS_MAX];
		if (!gaps->rest)
			*gap = (struct record_gap){0};
		gaps->rest = true;
		return gap;
	}
	gap = &gaps->gaps[gaps->count++];
	*place = (uint16_t)gaps->count;
	*gap = (struct record_gap){.publisher = publisher};
	snprintf(gap->topic, sizeof gap->topic, "%s", topic);
	return gap;
}

static void reach(struct record_gap *gap, uint64_t sequence)
{
	/* Of the rest, which is nobody's, numbers mean how many. */
	gap->sequence = gap->publisher ? sequence : gap->dropped + gap->lost;
}

void record_gaps_lose(struct record_gaps *gaps, const char *topic,
	uint64_t publisher, uint64_t sequence, uint64_t lost, uint32_t reason)
{
	struct record_gap *gap = gap_of(gaps, topic, publisher);

	gap->lost += lost;
	gap->reason = reason;
	reach(gap, sequence);
}

void record_gaps_drop(struct record_gaps *gaps, const char *topic,
	uint64_t publisher, uint64_t sequence)
{
	struct record_gap *gap = gap_of(gaps, topic, publisher);

	gap->dropped++;
	reach(gap, sequence + 1);
}

bool record_gaps_any(const struct record_gaps *gaps)
{
	return gaps->count > 0 || gaps->rest;
}

const struct record_gap *record_gaps_last(const struct record_gaps *gaps)
{
	return &gaps->gaps[gaps->rest ? RECORD_GAPS_MAX : gaps->count - 1];
}

void record_gaps_told(struct record_gaps *gaps)
{
	const struct record_gap *gap = record_gaps_last(gaps);

	if (gaps->rest) {
		gaps->rest = false;
		return;
	}
	/* The youngest: nobody was placed behind it because of it. */
	*place_of(gaps, gap->topic, gap->publisher) = 0;
	gaps->count--;
}
