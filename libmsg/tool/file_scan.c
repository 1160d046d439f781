/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * file_scan.c - read a whole recording and keep books of it; see file.h.
 *
 * Everything is read, and held against the CRCs, against the summary, and the
 * numbers of messages against what the recording says is missing.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "options.h"
#include "text.h"

void file_copy_text(char *to, size_t capacity, struct mcap_text text)
{
	size_t bytes = text.bytes < capacity ? text.bytes : capacity - 1;

	if (bytes > 0)
		memcpy(to, text.data, bytes);
	to[bytes] = '\0';
}

/* Of what is in any order: a sum of what is well mixed. */
static uint64_t place_hash(uint64_t offset, uint64_t length)
{
	uint64_t x = offset * 0x9e3779b97f4a7c15u ^ length;

	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	return x ^ x >> 27;
}

static void note_time(
	uint64_t count, uint64_t ns, uint64_t *start, uint64_t *end)
{
	if (count == 0 || ns < *start)
		*start = ns;
	if (count == 0 || ns > *end)
		*end = ns;
}

/* ---- channels ------------------------------------------------------------ */

static bool note_channel(struct file_scan *scan, uint16_t id)
{
	struct mcap_known_channel *known = mcap_table_channel(&scan->table, id);
	struct file_channel *channel;

	if (known->user)
		return true;
	channel = calloc(1, sizeof *channel);
	if (!channel)
		return false;
	channel->of_topic =
		recording_channel_read(&channel->about, &known->told);
	channel->next = channel->about.first_sequence;
	known->user = channel;
	return true;
}

static void note_sequence(
	struct file_channel *channel, const struct mcap_message *message)
{
	uint64_t sequence =
		recording_sequence(channel->next, message->sequence);

	/* More than half of the numbers ahead is behind. */
	if (sequence - channel->next > UINT32_MAX / 2) {
		channel->disorder++;
		return;
	}
	channel->missing += sequence - channel->next;
	channel->next = sequence + 1;
}

static struct file_channel *channel_of(
	const struct file_scan *scan, const struct recording_event *event)
{
	struct mcap_known_channel *known;
	uint32_t id = 0;

	while ((known = mcap_table_next(&scan->table, &id))) {
		struct file_channel *channel = known->user;

		if (channel && channel->about.publisher == event->publisher &&
			strcmp(channel->about.topic, event->topic) == 0)
			return channel;
	}
	return NULL;
}

/* ---- events -------------------------------------------------------------- */

static void note_reason(
	struct file_scan *scan, const struct recording_event *event)
{
	struct file_reason *reason = scan->reasons;
	int i;

	for (i = 0; i < scan->reason_count; i++, reason++)
		if (strcmp(reason->reason, event->reason) == 0)
			break;
	if (i == FILE_REASONS_MAX)
		reason--; /* The last one stands for the rest. */
	else if (i == scan->reason_count) {
		scan->reason_count++;
		memcpy(reason->reason, event->reason, sizeof reason->reason);
	}
	reason->losses++;
	reason->lost += event->lost;
}

/* false: what looks like an event is none. */
static bool note_event(struct file_scan *scan,
	const struct mcap_message *message, file_loss_fn *on_loss,
	void *context)
{
	struct recording_event event;
	struct file_channel *channel;

	if (!recording_event_read(&event, message->data, message->bytes))
		return false;
	scan->events++;
	if (event.lost == 0)
		return true;
	note_reason(scan, &event);
	scan->lost += event.network;
	scan->dropped += event.lost - event.network;
	channel = channel_of(scan, &event);
	/* What was lost in front of all that is here is no gap here. */
	if (channel && event.sequence > channel->about.first_sequence)
		channel->told += event.lost;
	if (on_loss)
		on_loss(context, &event, message->log_ns);
	return true;
}

/* ---- records ------------------------------------------------------------- */

static void trouble(struct file_scan *scan, const char *text)
{
	if (!scan->trouble)
		scan->trouble = text;
}

static void note_message(struct file_scan *scan,
	const struct mcap_message *message, file_loss_fn *on_loss,
	void *context)
{
	struct file_channel *channel =
		mcap_table_channel(&scan->table, message->channel_id)->user;

	note_time(scan->found.message_count++, message->log_ns,
		&scan->found.start_ns, &scan->found.end_ns);
	if (!channel)
		return;
	note_time(channel->messages++, message->log_ns, &channel->first_ns,
		&channel->last_ns);
	channel->bytes += message->bytes;
	if (message->bytes > channel->largest)
		channel->largest = message->bytes;
	if (channel->about.events) {
		if (!note_event(scan, message, on_loss, context))
			trouble(scan, "an event that is none of ours");
		return;
	}
	note_time(scan->messages++, message->log_ns, &scan->start_ns,
		&scan->end_ns);
	scan->bytes += message->bytes;
	if (channel->about.publisher != 0)
		note_sequence(channel, message);
}

static void note_metadata(
	struct file_scan *scan, const struct mcap_metadata *metadata)
{
	scan->found.metadata_count++;
	if (!mcap_text_is(metadata->name, RECORDING_BEGIN))
		return;
	file_copy_text(scan->patterns, sizeof scan->patterns,
		mcap_map_find(metadata->map, "patterns"));
	file_copy_text(scan->host, sizeof scan->host,
		mcap_map_find(metadata->map, "host"));
	file_copy_text(scan->lane, sizeof scan->lane,
		mcap_map_find(metadata->map, "lane"));
}

static void note_chunk(struct file_scan *scan, const struct mcap_record *record)
{
	scan->found.chunk_count++;
	scan->packed_bytes += record->chunk.packed_bytes;
	scan->unpacked_bytes += record->chunk.unpacked_bytes;
	scan->chunks_hash += place_hash(record->offset, record->length);
}

static enum mcap_result note(struct file_scan *scan,
	const struct mcap_record *record, file_loss_fn *on_loss, void *context)
{
	enum mcap_result result = mcap_table_note(&scan->table, record);

	if (result != MCAP_GOT)
		return result;
	switch (record->opcode) {
	case MCAP_HEADER:
		file_copy_text(scan->library, sizeof scan->library,
			record->header.library);
		break;
	case MCAP_CHANNEL:
		if (!note_channel(scan, record->channel.id))
			return MCAP_MEMORY;
		break;
	case MCAP_MESSAGE:
		note_message(scan, &record->message, on_loss, context);
		break;
	case MCAP_CHUNK:
		note_chunk(scan, record);
		break;
	case MCAP_METADATA:
		note_metadata(scan, &record->metadata);
		break;
	case MCAP_STATISTICS:
		scan->told = record->statistics;
		scan->summary = true;
		break;
	case MCAP_CHUNK_INDEX:
		scan->index_count++;
		scan->indexes_hash +=
			place_hash(record->chunk_index.chunk_start,
				record->chunk_index.chunk_length);
		break;
	default:
		break;
	}
	return MCAP_GOT;
}

/* Whether the summary says of the file what is in it. */
static void check_summary(struct file_scan *scan)
{
	const struct mcap_statistics *found = &scan->found;
	const struct mcap_statistics *told = &scan->told;

	scan->found.channel_count = scan->table.channel_count;
	scan->found.schema_count = (uint16_t)scan->table.schema_count;
	if (scan->index_count > 0 &&
		(scan->index_count != found->chunk_count ||
			scan->indexes_hash != scan->chunks_hash))
		trouble(scan, "an index that does not fit the chunks");
	if (!scan->summary)
		return;
	if (told->message_count != found->message_count ||
		told->channel_count != found->channel_count ||
		told->schema_count != found->schema_count ||
		told->chunk_count != found->chunk_count ||
		told->metadata_count != found->metadata_count)
		trouble(scan, "statistics that count something else");
	if (told->start_ns != found->start_ns || told->end_ns != found->end_ns)
		trouble(scan, "statistics of another time");
}

static void read_all(
	struct file_scan *scan, file_loss_fn *on_loss, void *context)
{
	struct mcap_record record;
	enum mcap_result result = MCAP_GOT;

	scan->result = MCAP_END;
	while (result != MCAP_END) {
		uint64_t at = scan->reader.offset;

		result = mcap_reader_next(&scan->reader, &record);
		if (result == MCAP_GOT)
			result = note(scan, &record, on_loss, context);
		if (result >= 0)
			continue;
		if (scan->result == MCAP_END) {
			scan->result = result;
			scan->trouble_at = at;
		}
		if (mcap_reader_done(&scan->reader) || result == MCAP_MEMORY)
			return;
	}
	check_summary(scan);
}

bool file_scan(struct file_scan *scan, const char *path, file_loss_fn *on_loss,
	void *context)
{
	enum mcap_result result = MCAP_FAILED;
	char safe[1024];

	*scan = (struct file_scan){.path = path};
	scan->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (scan->fd >= 0 && mcap_source_file(&scan->source, &scan->fd))
		result = mcap_reader_open(&scan->reader, &scan->source, true);
	if (result == MCAP_GOT) {
		read_all(scan, on_loss, context);
		return true;
	}
	text_escape(safe, sizeof safe, path);
	complain("%s: %s", safe,
		result == MCAP_FAILED ? strerror(errno)
				      : mcap_result_text(result));
	return false;
}

void file_scan_close(struct file_scan *scan)
{
	struct mcap_known_channel *known;
	uint32_t id = 0;

	while ((known = mcap_table_next(&scan->table, &id)))
		free(known->user);
	mcap_table_close(&scan->table);
	mcap_reader_close(&scan->reader);
	if (scan->fd >= 0)
		close(scan->fd);
	scan->fd = -1;
}
