/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mcap_table.h - the channels and schemas of a file, by number.
 *
 * A message names its channel, and that its schema; both were told before.
 * What is remembered is copied and bounded, and told twice it must be the
 * same.
 */
#ifndef TOOL_MCAP_TABLE_H
#define TOOL_MCAP_TABLE_H

#include "mcap_read.h"

/* Of all channels and schemas of a file together. */
#define MCAP_TABLE_BYTES_MAX (64u << 20)

struct mcap_known_schema {
	struct mcap_schema told;
};

struct mcap_known_channel {
	struct mcap_channel told;
	void *user; /* Its owner's; NULL at first. */
};

/* By the high and the low half of their ids; most files have few. */
#define MCAP_TABLE_PAGE 256u

struct mcap_table {
	struct mcap_known_channel **channels[MCAP_TABLE_PAGE];
	struct mcap_known_schema **schemas[MCAP_TABLE_PAGE];
	uint32_t channel_count;
	uint32_t schema_count;
	size_t bytes;
};

void mcap_table_open(struct mcap_table *table);
void mcap_table_close(struct mcap_table *table);

/* Remember what a record tells, if it is of a channel or schema; or hold a
 * message against what was told.  MCAP_GOT; BROKEN, LARGE, MEMORY. */
enum mcap_result mcap_table_note(
	struct mcap_table *table, const struct mcap_record *record);

/* NULL: not told. */
struct mcap_known_channel *mcap_table_channel(
	const struct mcap_table *table, uint16_t id);
const struct mcap_known_schema *mcap_table_schema(
	const struct mcap_table *table, uint16_t id);

/* The one behind, in the order of ids; NULL at the end.  `id` from 0 on. */
struct mcap_known_channel *mcap_table_next(
	const struct mcap_table *table, uint32_t *id);

#endif
