/* SPDX-License-Identifier: BSD-2-Clause */
/* mcap_table.c - the channels and schemas of a file; see mcap_table.h. */
#include "mcap_table.h"

#include <stdlib.h>

#define ID_COUNT 65536u

void mcap_table_open(struct mcap_table *table)
{
	*table = (struct mcap_table){0};
}

void mcap_table_close(struct mcap_table *table)
{
	for (uint32_t i = 0; i < MCAP_TABLE_PAGE; i++)
		for (uint32_t k = 0; k < MCAP_TABLE_PAGE; k++) {
			if (table->channels[i])
				free(table->channels[i][k]);
			else if (!table->schemas[i])
				break;
			if (table->schemas[i])
				free(table->schemas[i][k]);
		}
	for (uint32_t i = 0; i < MCAP_TABLE_PAGE; i++) {
		free(table->channels[i]);
		free(table->schemas[i]);
	}
	*table = (struct mcap_table){0};
}

struct mcap_known_channel *mcap_table_channel(
	const struct mcap_table *table, uint16_t id)
{
	struct mcap_known_channel **page =
		table->channels[id / MCAP_TABLE_PAGE];

	return page ? page[id % MCAP_TABLE_PAGE] : NULL;
}

const struct mcap_known_schema *mcap_table_schema(
	const struct mcap_table *table, uint16_t id)
{
	struct mcap_known_schema **page = table->schemas[id / MCAP_TABLE_PAGE];

	return page ? page[id % MCAP_TABLE_PAGE] : NULL;
}

static bool same(struct mcap_text a, struct mcap_text b)
{
	return a.bytes == b.bytes && memcmp(a.data, b.data, a.bytes) == 0;
}

/* Copy a text to `*room` and move that on. */
static void keep(struct mcap_text *text, char **room)
{
	memcpy(*room, text->data, text->bytes);
	text->data = *room;
	*room += text->bytes;
}

/* Memory for one more, of a head and texts; NULL with the reason. */
static void *one_more(struct mcap_table *table, size_t head, size_t texts,
	enum mcap_result *result)
{
	char *one;

	*result = MCAP_LARGE;
	if (texts > MCAP_TABLE_BYTES_MAX - table->bytes)
		return NULL;
	*result = MCAP_MEMORY;
	one = calloc(1, head + texts);
	if (!one)
		return NULL;
	table->bytes += texts;
	*result = MCAP_GOT;
	return one;
}

static enum mcap_result note_schema(
	struct mcap_table *table, const struct mcap_schema *told)
{
	const struct mcap_known_schema *known =
		mcap_table_schema(table, told->id);
	struct mcap_known_schema **
		*page = &table->schemas[told->id / MCAP_TABLE_PAGE],
	      *fresh;
	enum mcap_result result;
	char *room;

	if (told->id == 0)
		return MCAP_GOT; /* To be ignored, says the specification. */
	if (known)
		return same(known->told.name, told->name) &&
				       same(known->told.encoding,
					       told->encoding) &&
				       same(known->told.data, told->data)
			       ? MCAP_GOT
			       : MCAP_BROKEN;
	if (!*page)
		*page = calloc(MCAP_TABLE_PAGE, sizeof **page);
	if (!*page)
		return MCAP_MEMORY;
	fresh = one_more(table, sizeof *fresh,
		told->name.bytes + told->encoding.bytes + told->data.bytes,
		&result);
	if (!fresh)
		return result;
	fresh->told = *told;
	room = (char *)(fresh + 1);
	keep(&fresh->told.name, &room);
	keep(&fresh->told.encoding, &room);
	keep(&fresh->told.data, &room);
	(*page)[told->id % MCAP_TABLE_PAGE] = fresh;
	table->schema_count++;
	return MCAP_GOT;
}

static enum mcap_result note_channel(
	struct mcap_table *table, const struct mcap_channel *told)
{
	struct mcap_known_channel ***page =
		&table->channels[told->id / MCAP_TABLE_PAGE];
	struct mcap_known_channel *known = mcap_table_channel(table, told->id);
	enum mcap_result result;
	char *room;

	if (known)
		return known->told.schema_id == told->schema_id &&
				       same(known->told.topic, told->topic) &&
				       same(known->told.encoding,
					       told->encoding) &&
				       same(known->told.metadata.pairs,
					       told->metadata.pairs)
			       ? MCAP_GOT
			       : MCAP_BROKEN;
	if (told->schema_id != 0 && !mcap_table_schema(table, told->schema_id))
		return MCAP_BROKEN;
	if (!*page)
		*page = calloc(MCAP_TABLE_PAGE, sizeof **page);
	if (!*page)
		return MCAP_MEMORY;
	known = one_more(table, sizeof *known,
		told->topic.bytes + told->encoding.bytes +
			told->metadata.pairs.bytes,
		&result);
	if (!known)
		return result;
	known->told = *told;
	room = (char *)(known + 1);
	keep(&known->told.topic, &room);
	keep(&known->told.encoding, &room);
	keep(&known->told.metadata.pairs, &room);
	(*page)[told->id % MCAP_TABLE_PAGE] = known;
	table->channel_count++;
	return MCAP_GOT;
}

enum mcap_result mcap_table_note(
	struct mcap_table *table, const struct mcap_record *record)
{
	switch (record->opcode) {
	case MCAP_SCHEMA:
		return note_schema(table, &record->schema);
	case MCAP_CHANNEL:
		return note_channel(table, &record->channel);
	case MCAP_MESSAGE:
		return mcap_table_channel(table, record->message.channel_id)
			       ? MCAP_GOT
			       : MCAP_BROKEN;
	default:
		return MCAP_GOT;
	}
}

struct mcap_known_channel *mcap_table_next(
	const struct mcap_table *table, uint32_t *id)
{
	while (*id < ID_COUNT) {
		struct mcap_known_channel *known;

		if (!table->channels[*id / MCAP_TABLE_PAGE]) {
			*id += MCAP_TABLE_PAGE - *id % MCAP_TABLE_PAGE;
			continue;
		}
		known = mcap_table_channel(table, (uint16_t)(*id)++);
		if (known)
			return known;
	}
	return NULL;
}
