/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * file_recover.c - `msg file recover`: what can be read, into a new file; see
 * file.h.
 *
 * Records are written anew, so that the new file is whole whatever the old one
 * was.  What is missing because it could not be read is told as every other
 * loss: the index behind a broken chunk says how many it had of each stream, and
 * one whose numbers jump further lost what lies between.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"
#include "text.h"

#define CHUNK_BYTES (1u << 20)

/* A channel there, and its number here. */
struct copy_channel {
	struct recording_channel about;
	uint16_t id;
	bool begun;
	uint64_t next; /* The sequence expected. */
	uint64_t told; /* Of what is missing from there on. */
};

struct recovery {
	const char *path;
	int in, out;
	struct mcap_source source;
	struct mcap_reader reader;
	struct mcap_table table; /* Its channels' `user`: a copy_channel. */
	struct mcap_writer writer;
	uint16_t *schema_ids; /* Here, by those there. */
	uint16_t events_id;
	struct mcap_bytes scratch;
	uint64_t messages;
	uint64_t damages; /* Broken places. */
	uint64_t lost;    /* Known to be missing because of them. */
	uint64_t last_ns;
	bool chunk_read; /* Something of the last one was copied. */
	bool chunk_lost; /* Nothing of it could be read. */
	bool finished;   /* The old file had an end. */
};

/* ---- events -------------------------------------------------------------- */

static int make_events(struct recovery *recovery)
{
	struct recording_channel about = {.events = true};
	struct mcap_schema schema = recording_event_schema();
	struct mcap_channel channel = {
		.topic = mcap_text(RECORDING_EVENTS_TOPIC),
		.encoding = mcap_text("json"),
	};
	int error = mcap_write_schema(
		&recovery->writer, &schema, &channel.schema_id);

	if (error < 0)
		return error;
	recovery->scratch.bytes = 0;
	recording_channel_write(&about, &recovery->scratch);
	channel.metadata.pairs = (struct mcap_text){
		(const char *)recovery->scratch.data, recovery->scratch.bytes};
	return mcap_write_channel(
		&recovery->writer, &channel, &recovery->events_id);
}

static int tell_lost(struct recovery *recovery,
	const struct recording_channel *about, uint64_t sequence, uint64_t lost,
	uint64_t log_ns)
{
	struct recording_event event = {.event = "lost",
		.publisher = about->publisher,
		.sequence = sequence,
		.lost = lost};
	struct mcap_message message = {.log_ns = log_ns, .publish_ns = log_ns};
	int error = recovery->events_id ? 0 : make_events(recovery);

	if (error < 0)
		return error;
	snprintf(event.topic, sizeof event.topic, "%s", about->topic);
	snprintf(event.reason, sizeof event.reason, "%s",
		recording_loss_text(RECORDING_LOSS_DAMAGED));
	recovery->scratch.bytes = 0;
	if (!recording_event_write(&event, &recovery->scratch))
		return -ENOMEM;
	recovery->lost += lost;
	message.channel_id = recovery->events_id;
	message.data = recovery->scratch.data;
	message.bytes = recovery->scratch.bytes;
	return mcap_write_message(&recovery->writer, &message);
}

/* ---- records ------------------------------------------------------------- */

static int copy_schema(
	struct recovery *recovery, const struct mcap_schema *schema)
{
	if (schema->id == 0 || recovery->schema_ids[schema->id] != 0)
		return 0;
	return mcap_write_schema(
		&recovery->writer, schema, &recovery->schema_ids[schema->id]);
}

static int copy_channel(
	struct recovery *recovery, const struct mcap_channel *told)
{
	struct mcap_known_channel *known =
		mcap_table_channel(&recovery->table, told->id);
	struct mcap_channel channel = *told;
	struct copy_channel *copy;
	int error;

	if (known->user)
		return 0;
	copy = calloc(1, sizeof *copy);
	if (!copy)
		return -ENOMEM;
	known->user = copy;
	recording_channel_read(&copy->about, told);
	copy->next = copy->about.first_sequence;
	channel.schema_id = recovery->schema_ids[told->schema_id];
	error = mcap_write_channel(&recovery->writer, &channel, &copy->id);
	if (error == 0 && copy->about.events)
		recovery->events_id = copy->id;
	return error;
}

static struct copy_channel *find_channel(
	const struct recovery *recovery, const struct recording_event *event)
{
	struct mcap_known_channel *known;
	uint32_t id = 0;

	while ((known = mcap_table_next(&recovery->table, &id))) {
		struct copy_channel *copy = known->user;

		if (copy && copy->about.publisher == event->publisher &&
			strcmp(copy->about.topic, event->topic) == 0)
			return copy;
	}
	return NULL;
}

static void note_event(
	struct recovery *recovery, const struct mcap_message *message)
{
	struct recording_event event;
	struct copy_channel *copy;

	if (!recording_event_read(&event, message->data, message->bytes) ||
		event.lost == 0)
		return;
	copy = find_channel(recovery, &event);
	if (copy && event.sequence > copy->next)
		copy->told += event.lost;
}

/* What is missing in front of a message and was told by nobody. */
static int note_jump(struct recovery *recovery, struct copy_channel *copy,
	const struct mcap_message *message)
{
	uint64_t sequence = recording_sequence(copy->next, message->sequence);
	uint64_t jump = sequence - copy->next, told = copy->told;

	if (jump > UINT32_MAX / 2)
		return 0; /* Behind a later one. */
	copy->next = sequence + 1;
	copy->told = 0;
	if (recovery->damages == 0 || jump <= told)
		return 0;
	return tell_lost(
		recovery, &copy->about, sequence, jump - told, message->log_ns);
}

static int copy_message(
	struct recovery *recovery, const struct mcap_message *message)
{
	struct copy_channel *copy =
		mcap_table_channel(&recovery->table, message->channel_id)->user;
	struct mcap_message out = *message;
	int error = 0;

	if (copy->about.events)
		note_event(recovery, message);
	else if (copy->about.publisher != 0)
		error = note_jump(recovery, copy, message);
	if (error < 0)
		return error;
	out.channel_id = copy->id;
	recovery->last_ns = message->log_ns;
	recovery->messages += !copy->about.events;
	return mcap_write_message(&recovery->writer, &out);
}

/* The index behind a chunk that could not be read says what was in it. */
static int note_index(
	struct recovery *recovery, const struct mcap_message_index *index)
{
	struct mcap_known_channel *known =
		mcap_table_channel(&recovery->table, index->channel_id);
	struct copy_channel *copy = known ? known->user : NULL;

	if (!recovery->chunk_lost || !copy || index->count == 0 ||
		copy->about.publisher == 0)
		return 0;
	copy->next += copy->told + index->count;
	copy->told = 0;
	return tell_lost(recovery, &copy->about, copy->next, index->count,
		recovery->last_ns);
}

static int copy_record(
	struct recovery *recovery, const struct mcap_record *record)
{
	if (record->in_summary)
		return 0; /* Written anew. */
	switch (record->opcode) {
	case MCAP_SCHEMA:
		return copy_schema(recovery, &record->schema);
	case MCAP_CHANNEL:
		return copy_channel(recovery, &record->channel);
	case MCAP_MESSAGE:
		recovery->chunk_read = true;
		return copy_message(recovery, &record->message);
	case MCAP_CHUNK:
		recovery->chunk_read = recovery->chunk_lost = false;
		recovery->last_ns = record->chunk.end_ns;
		return 0;
	case MCAP_MESSAGE_INDEX:
		return note_index(recovery, &record->message_index);
	case MCAP_METADATA:
		return mcap_write_metadata(&recovery->writer,
			record->metadata.name, record->metadata.map);
	default:
		return 0;
	}
}

/* ---- the whole ----------------------------------------------------------- */

static void say_damage(struct recovery *recovery, enum mcap_result result)
{
	char safe[1024];

	text_escape(safe, sizeof safe, recovery->path);
	say("%s: %s, before byte %" PRIu64, safe, mcap_result_text(result),
		recovery->reader.offset);
	if (result != MCAP_CUT)
		recovery->damages++;
	recovery->chunk_lost = result != MCAP_CUT && !recovery->chunk_read;
}

static int copy_all(struct recovery *recovery)
{
	struct mcap_record record;
	enum mcap_result result = MCAP_GOT;
	int error = 0;

	while (error == 0 && result != MCAP_END) {
		result = mcap_reader_next(&recovery->reader, &record);
		if (result == MCAP_GOT)
			result = mcap_table_note(&recovery->table, &record);
		if (result == MCAP_GOT)
			error = copy_record(recovery, &record);
		if (result >= 0)
			continue;
		say_damage(recovery, result);
		if (mcap_reader_done(&recovery->reader) ||
			result == MCAP_MEMORY)
			break;
	}
	recovery->finished = result == MCAP_END;
	if (error == 0)
		error = mcap_writer_finish(&recovery->writer);
	if (error == 0 && fdatasync(recovery->out) < 0 && errno != EINVAL)
		error = -errno;
	return error;
}

static int refuse(const char *path, const char *why)
{
	char safe[1024];

	text_escape(safe, sizeof safe, path);
	complain("%s: %s", safe, why);
	return TOOL_EXIT_UNMET;
}

static int open_input(struct recovery *recovery)
{
	enum mcap_result result = MCAP_FAILED;

	recovery->in = open(recovery->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (recovery->in >= 0 &&
		mcap_source_file(&recovery->source, &recovery->in))
		result = mcap_reader_open(
			&recovery->reader, &recovery->source, false);
	recovery->schema_ids = calloc(65536, sizeof *recovery->schema_ids);
	if (result == MCAP_GOT && recovery->schema_ids)
		return TOOL_EXIT_OK;
	return refuse(recovery->path, result == MCAP_FAILED
					      ? strerror(errno)
					      : mcap_result_text(result));
}

static int write_output(
	struct recovery *recovery, const struct file_request *request)
{
	struct mcap_write_options options = {
		.compression = MCAP_COMPRESSION_ZSTD,
		.chunk_bytes = CHUNK_BYTES,
	};
	char library[96];
	int error;

	snprintf(
		library, sizeof library, "libmsg %s, recovered", msg_version());
	options.library = mcap_text(library);
	recovery->out = open(request->output,
		O_WRONLY | O_CREAT | O_CLOEXEC |
			(request->overwrite ? O_TRUNC : O_EXCL),
		0666);
	if (recovery->out < 0 && errno == EEXIST)
		return refuse(request->output,
			"is there already; --overwrite replaces it");
	if (recovery->out < 0)
		return refuse(request->output, strerror(errno));
	error = mcap_writer_open(&recovery->writer, recovery->out, &options);
	if (error == 0)
		error = copy_all(recovery);
	if (error == 0)
		return TOOL_EXIT_OK;
	return refuse(request->output, strerror(-error));
}

static void close_all(struct recovery *recovery)
{
	struct mcap_known_channel *known;
	uint32_t id = 0;

	while ((known = mcap_table_next(&recovery->table, &id)))
		free(known->user);
	mcap_table_close(&recovery->table);
	mcap_reader_close(&recovery->reader);
	mcap_writer_close(&recovery->writer);
	mcap_bytes_free(&recovery->scratch);
	free(recovery->schema_ids);
	if (recovery->in >= 0)
		close(recovery->in);
	if (recovery->out >= 0)
		close(recovery->out);
}

/* The same file, under whatever names, would be emptied before it is read. */
static bool same_file(const char *a, const char *b)
{
	struct stat first, second;

	return stat(a, &first) == 0 && stat(b, &second) == 0 &&
	       first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

int file_recover(const struct file_request *request, const char *path)
{
	struct recovery recovery = {.path = path, .in = -1, .out = -1};
	int code;

	if (same_file(path, request->output))
		return refuse(path, "cannot be recovered into itself");
	code = open_input(&recovery);
	if (code == TOOL_EXIT_OK)
		code = write_output(&recovery, request);
	if (code == TOOL_EXIT_OK)
		say("%" PRIu64 " messages recovered; %s, %" PRIu64
		    " broken places, %" PRIu64 " messages known to be missing "
		    "there",
			recovery.messages,
			recovery.finished ? "the file had its end"
					  : "the file had no end",
			recovery.damages, recovery.lost);
	close_all(&recovery);
	return code;
}
