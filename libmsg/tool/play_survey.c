/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * play_survey.c - a first look at a file that is to be played; see play.h.
 *
 * Publishers are opened before anything is sent, so that subscribers can find
 * them: their topics and largest messages have to be known.  A recording of
 * ours says all that in its summary; of one with large messages, and of an
 * unfinished or foreign file, every record is read once.
 */
#include "play.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "options.h"
#include "text.h"

void play_complain(
	const struct play_file *file, enum mcap_result result, uint64_t offset)
{
	char safe[1024];

	text_escape(safe, sizeof safe, file->path);
	if (result == MCAP_FAILED)
		complain("%s: %s", safe, strerror(errno));
	else if (offset == 0)
		complain("%s: %s", safe, mcap_result_text(result));
	else
		complain("%s: %s at byte %" PRIu64, safe,
			mcap_result_text(result), offset);
}

static bool note_channel(struct play_file *file, struct play_streams *streams,
	struct mcap_known_channel *known)
{
	const struct mcap_known_schema *schema =
		mcap_table_schema(&file->table, known->told.schema_id);
	bool made = true;

	if (!known->user)
		known->user =
			play_stream_of(streams, &known->told, schema, &made);
	return made;
}

static void note_time(struct play_file *file, uint64_t start, uint64_t end)
{
	if (file->end_ns == 0 || start < file->start_ns)
		file->start_ns = start;
	if (end > file->end_ns)
		file->end_ns = end;
}

/* MCAP_END: the summary says all there is to know. */
static enum mcap_result read_summary(struct play_file *file)
{
	bool counted = false;
	struct mcap_reader reader;
	struct mcap_record record;
	enum mcap_result result =
		mcap_reader_open(&reader, &file->source, false);

	if (result == MCAP_GOT)
		result = mcap_reader_seek_summary(&reader);
	while (result == MCAP_GOT) {
		result = mcap_reader_next(&reader, &record);
		if (result != MCAP_GOT)
			break;
		if (record.opcode == MCAP_STATISTICS) {
			counted = true;
			if (record.statistics.message_count > 0)
				note_time(file, record.statistics.start_ns,
					record.statistics.end_ns);
		}
		result = mcap_table_note(&file->table, &record);
	}
	mcap_reader_close(&reader);
	return result == MCAP_END && !counted ? MCAP_GOT : result;
}

/* Whether what the channels say is enough to open their publishers.  Where large
 * messages may be, how large the largest is. */
static bool all_said(const struct play_file *file)
{
	struct mcap_known_channel *known;
	struct recording_channel about;
	uint32_t id = 0;

	if (file->table.channel_count == 0)
		return false;
	while ((known = mcap_table_next(&file->table, &id)))
		if (recording_channel_read(&about, &known->told) &&
			(about.message_bytes_max == 0 ||
				about.large_bytes_max > 0))
			return false;
	return true;
}

static void note_message(
	struct play_file *file, const struct mcap_message *message)
{
	struct mcap_known_channel *known =
		mcap_table_channel(&file->table, message->channel_id);
	struct play_stream *stream = known->user;

	note_time(file, message->log_ns, message->log_ns);
	if (stream && message->bytes > stream->largest)
		stream->largest = message->bytes;
}

/* What is broken is said when it is played. */
static bool read_all(struct play_file *file, struct play_streams *streams)
{
	struct mcap_reader reader;
	struct mcap_record record;
	enum mcap_result result =
		mcap_reader_open(&reader, &file->source, false);
	bool going = true;

	while (going && result != MCAP_END && !mcap_reader_done(&reader)) {
		result = mcap_reader_next(&reader, &record);
		if (result != MCAP_GOT)
			continue;
		result = mcap_table_note(&file->table, &record);
		if (result == MCAP_GOT && record.opcode == MCAP_CHANNEL)
			going = note_channel(file, streams,
				mcap_table_channel(
					&file->table, record.channel.id));
		else if (result == MCAP_GOT && record.opcode == MCAP_MESSAGE)
			note_message(file, &record.message);
		else if (result == MCAP_MEMORY || result == MCAP_LARGE)
			break;
	}
	mcap_reader_close(&reader);
	file->finished = result == MCAP_END;
	if (result == MCAP_FOREIGN || result == MCAP_FAILED ||
		result == MCAP_MEMORY) {
		play_complain(file, result, 0);
		return false;
	}
	return going;
}

static bool note_channels(struct play_file *file, struct play_streams *streams)
{
	struct mcap_known_channel *known;
	uint32_t id = 0;

	while ((known = mcap_table_next(&file->table, &id)))
		if (!note_channel(file, streams, known))
			return false;
	return true;
}

bool play_survey(struct play_file *file, struct play_streams *streams)
{
	enum mcap_result result;

	file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0 || !mcap_source_file(&file->source, &file->fd)) {
		play_complain(file, MCAP_FAILED, 0);
		return false;
	}
	mcap_table_open(&file->table);
	result = read_summary(file);
	if (result == MCAP_END && all_said(file)) {
		file->finished = true;
		return note_channels(file, streams);
	}
	/* Whatever a broken summary told is forgotten. */
	mcap_table_close(&file->table);
	file->start_ns = file->end_ns = 0;
	mcap_table_open(&file->table);
	return read_all(file, streams);
}

void play_file_close(struct play_file *file)
{
	mcap_table_close(&file->table);
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}
