/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_mcap.c - MCAP files that anybody may have written.
 *
 * An input is a file.  All of it is read, as `msg file` and `msg play` do; what
 * a record says lies within the file or the chunk it came from, an event that
 * is understood writes back to one that says the same, and the reader comes to
 * an end.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "receiver.h"
#include "tool/mcap_table.h"
#include "tool/recording.h"

struct input {
	const uint8_t *data;
	size_t bytes;
};

static uint64_t sum; /* So that what is pointed to is looked at. */

static bool read_input(void *context, uint64_t offset, void *data, size_t bytes)
{
	const struct input *input = context;

	MUST(offset <= input->bytes && bytes <= input->bytes - offset);
	memcpy(data, input->data + offset, bytes);
	return true;
}

static void touch(const void *data, size_t bytes)
{
	sum += mcap_crc(0, data, bytes);
}

static void touch_text(struct mcap_text text)
{
	touch(text.data, text.bytes);
}

static void touch_map(struct mcap_map map)
{
	struct mcap_text key, value;
	size_t at = 0;

	while (mcap_map_next(map, &at, &key, &value)) {
		touch_text(key);
		touch_text(value);
	}
	MUST(at == map.pairs.bytes);
}

static void check_event(const void *data, size_t bytes)
{
	struct recording_event event, again;
	struct mcap_bytes json = {0};

	if (!recording_event_read(&event, data, bytes))
		return;
	MUST(event.lost <= event.sequence && event.network <= event.lost);
	/* Broken UTF-8 and what is said of no loss are not written back. */
	if (event.lost > 0 && recording_event_write(&event, &json) &&
		recording_event_read(&again, json.data, json.bytes)) {
		MUST(again.publisher == event.publisher);
		MUST(again.sequence == event.sequence);
		MUST(again.lost == event.lost);
		MUST(again.network == event.network);
	}
	mcap_bytes_free(&json);
}

static void check_channel(const struct mcap_channel *told)
{
	struct recording_channel channel;

	touch_text(told->topic);
	touch_text(told->encoding);
	touch_map(told->metadata);
	if (recording_channel_read(&channel, told)) {
		MUST(strlen(channel.topic) == told->topic.bytes);
		MUST(channel.message_bytes_max <= MSG_MESSAGE_BYTES_MAX);
	}
}

static void check_record(const struct mcap_record *record)
{
	switch (record->opcode) {
	case MCAP_HEADER:
		touch_text(record->header.profile);
		touch_text(record->header.library);
		break;
	case MCAP_SCHEMA:
		touch_text(record->schema.name);
		touch_text(record->schema.encoding);
		touch_text(record->schema.data);
		break;
	case MCAP_CHANNEL:
		check_channel(&record->channel);
		break;
	case MCAP_MESSAGE:
		touch(record->message.data, record->message.bytes);
		check_event(record->message.data, record->message.bytes);
		break;
	case MCAP_CHUNK:
		MUST(record->chunk.unpacked_bytes <= MCAP_RECORD_BYTES_MAX);
		touch_text(record->chunk.compression);
		break;
	case MCAP_METADATA:
		touch_text(record->metadata.name);
		touch_map(record->metadata.map);
		break;
	default:
		break;
	}
}

/* How a reader is used: bit 0 check, bit 1 by the summary, bit 2 skip. */
static void read_all(struct input *input, unsigned how)
{
	struct mcap_source source = {read_input, input, input->bytes};
	struct mcap_reader reader;
	struct mcap_record record;
	struct mcap_table table;
	enum mcap_result result = mcap_reader_open(&reader, &source, how & 1);

	mcap_table_open(&table);
	if (result == MCAP_GOT && (how & 2))
		mcap_reader_seek_summary(&reader);
	for (;;) {
		uint64_t before = reader.offset;

		result = mcap_reader_next(&reader, &record);
		if (result == MCAP_END ||
			(result < 0 && mcap_reader_done(&reader)))
			break;
		MUST(reader.offset >= before);
		if (result != MCAP_GOT)
			continue;
		MUST(record.offset + record.length <= input->bytes ||
			!record.in_summary);
		check_record(&record);
		mcap_table_note(&table, &record);
		if (record.opcode == MCAP_CHUNK && (how & 4))
			mcap_reader_skip(&reader);
	}
	MUST(mcap_reader_next(&reader, &record) == result);
	mcap_table_close(&table);
	mcap_reader_close(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct input input = {data, bytes};

	read_all(&input, 1);
	read_all(&input, 2);
	read_all(&input, 4);
	check_event(data, bytes);
	return 0;
}
