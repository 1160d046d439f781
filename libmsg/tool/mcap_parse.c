/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mcap_parse.c - what the records of an MCAP file say; see mcap_read.h.
 *
 * A cursor that once ran out stays so, and gives zeros: each parser reads all
 * its fields and asks at the end.  Fields behind those known belong to a newer
 * version and are passed over, as the specification wants it.
 */
#include "mcap_read.h"

struct cursor {
	const uint8_t *at;
	size_t left;
	bool ran_out;
};

static uint64_t get_number(struct cursor *cursor, unsigned bytes)
{
	uint64_t value;

	if (cursor->left < bytes) {
		cursor->ran_out = true;
		cursor->left = 0;
		return 0;
	}
	value = mcap_load(cursor->at, bytes);
	cursor->at += bytes;
	cursor->left -= bytes;
	return value;
}

static struct mcap_text get_text(struct cursor *cursor)
{
	size_t bytes = (size_t)get_number(cursor, 4);
	struct mcap_text text = {(const char *)cursor->at, bytes};

	if (cursor->left < bytes) {
		cursor->ran_out = true;
		cursor->left = 0;
		return (struct mcap_text){"", 0};
	}
	cursor->at += bytes;
	cursor->left -= bytes;
	return text;
}

/* Of texts; its pairs are looked at here, once. */
static struct mcap_map get_map(struct cursor *cursor)
{
	struct mcap_map map = {get_text(cursor)};
	struct mcap_text key, value;
	size_t at = 0;

	while (mcap_map_next(map, &at, &key, &value))
		;
	if (at != map.pairs.bytes)
		cursor->ran_out = true;
	return map;
}

bool mcap_map_next(struct mcap_map map, size_t *at, struct mcap_text *key,
	struct mcap_text *value)
{
	struct cursor cursor = {
		(const uint8_t *)map.pairs.data + *at,
		map.pairs.bytes - *at,
		false,
	};

	if (cursor.left == 0)
		return false;
	*key = get_text(&cursor);
	*value = get_text(&cursor);
	if (cursor.ran_out)
		return false;
	*at = map.pairs.bytes - cursor.left;
	return true;
}

struct mcap_text mcap_map_find(struct mcap_map map, const char *wanted)
{
	struct mcap_text key, value;
	size_t at = 0;

	while (mcap_map_next(map, &at, &key, &value))
		if (mcap_text_is(key, wanted))
			return value;
	return (struct mcap_text){NULL, 0};
}

bool mcap_parse_chunk(struct mcap_chunk *chunk, const uint8_t *body,
	size_t bytes, size_t *head_bytes)
{
	struct cursor cursor = {body, bytes, false};

	chunk->start_ns = get_number(&cursor, 8);
	chunk->end_ns = get_number(&cursor, 8);
	chunk->unpacked_bytes = get_number(&cursor, 8);
	chunk->unpacked_crc = (uint32_t)get_number(&cursor, 4);
	chunk->compression = get_text(&cursor);
	chunk->packed_bytes = get_number(&cursor, 8);
	*head_bytes = bytes - cursor.left;
	return !cursor.ran_out;
}

static void parse_schema(struct mcap_schema *schema, struct cursor *cursor)
{
	schema->id = (uint16_t)get_number(cursor, 2);
	schema->name = get_text(cursor);
	schema->encoding = get_text(cursor);
	schema->data = get_text(cursor);
}

static void parse_channel(struct mcap_channel *channel, struct cursor *cursor)
{
	channel->id = (uint16_t)get_number(cursor, 2);
	channel->schema_id = (uint16_t)get_number(cursor, 2);
	channel->topic = get_text(cursor);
	channel->encoding = get_text(cursor);
	channel->metadata = get_map(cursor);
}

static void parse_message(struct mcap_message *message, struct cursor *cursor)
{
	message->channel_id = (uint16_t)get_number(cursor, 2);
	message->sequence = (uint32_t)get_number(cursor, 4);
	message->log_ns = get_number(cursor, 8);
	message->publish_ns = get_number(cursor, 8);
	message->data = cursor->at;
	message->bytes = cursor->left;
}

static void parse_statistics(
	struct mcap_statistics *statistics, struct cursor *cursor)
{
	statistics->message_count = get_number(cursor, 8);
	statistics->schema_count = (uint16_t)get_number(cursor, 2);
	statistics->channel_count = (uint32_t)get_number(cursor, 4);
	statistics->attachment_count = (uint32_t)get_number(cursor, 4);
	statistics->metadata_count = (uint32_t)get_number(cursor, 4);
	statistics->chunk_count = (uint32_t)get_number(cursor, 4);
	statistics->start_ns = get_number(cursor, 8);
	statistics->end_ns = get_number(cursor, 8);
}

static void parse_chunk_index(
	struct mcap_chunk_index *index, struct cursor *cursor)
{
	index->start_ns = get_number(cursor, 8);
	index->end_ns = get_number(cursor, 8);
	index->chunk_start = get_number(cursor, 8);
	index->chunk_length = get_number(cursor, 8);
}

bool mcap_parse(struct mcap_record *record, const uint8_t *body, size_t bytes)
{
	struct cursor cursor = {body, bytes, false};

	switch (record->opcode) {
	case MCAP_HEADER:
		record->header.profile = get_text(&cursor);
		record->header.library = get_text(&cursor);
		break;
	case MCAP_FOOTER:
		record->footer.summary_start = get_number(&cursor, 8);
		record->footer.summary_offset_start = get_number(&cursor, 8);
		record->footer.summary_crc = (uint32_t)get_number(&cursor, 4);
		break;
	case MCAP_SCHEMA:
		parse_schema(&record->schema, &cursor);
		break;
	case MCAP_CHANNEL:
		parse_channel(&record->channel, &cursor);
		break;
	case MCAP_MESSAGE:
		parse_message(&record->message, &cursor);
		break;
	case MCAP_MESSAGE_INDEX:
		record->message_index.channel_id =
			(uint16_t)get_number(&cursor, 2);
		record->message_index.count =
			(uint32_t)(get_text(&cursor).bytes / 16);
		break;
	case MCAP_CHUNK_INDEX:
		parse_chunk_index(&record->chunk_index, &cursor);
		break;
	case MCAP_STATISTICS:
		parse_statistics(&record->statistics, &cursor);
		break;
	case MCAP_METADATA:
		record->metadata.name = get_text(&cursor);
		record->metadata.map = get_map(&cursor);
		break;
	case MCAP_DATA_END:
		record->data_end.crc = (uint32_t)get_number(&cursor, 4);
		break;
	default:
		return false;
	}
	return !cursor.ran_out;
}
