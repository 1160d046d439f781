/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record.c - `msg record -o FILE PATTERN...`: messages into an MCAP file.
 *
 *     subscribers ─ take ─> queue ─> thread: chunk, write, fdatasync
 *     record_take.c         record_queue.c   record_write.c
 *
 * This file is the loop that takes, and what is said of it.
 */
#include "record.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msg/stats.h>

#include "json.h"
#include "options.h"
#include "pace.h"
#include "stop.h"
#include "text.h"

#define ROUND_MAX 64
#define TICK_NS 100000000u
#define PROGRESS_NS 1000000000u
#define CHUNK_BYTES (1u << 20)

/* ---- what is said -------------------------------------------------------- */

static void json_state(const struct record *record, struct json *json)
{
	const struct record_take *take = &record->take;
	const struct record_counts *counts = &record->writer.counts;

	json_number(
		json, "seconds", (double)(clock_ns() - record->began_ns) / 1e9);
	json_count(json, "messages", take->messages);
	json_count(json, "bytes", take->bytes);
	json_count(json, "written", counts->messages);
	json_count(json, "synced", counts->synced);
	json_count(json, "file_bytes", counts->file_bytes);
	json_count(json, "files", counts->files);
	json_count(json, "lost", take->lost);
	json_count(json, "dropped", take->dropped);
	json_count(json, "queue_most", take->queue.most);
	json_count(json, "syncs", counts->syncs);
	json_count(json, "sync_ns_max", counts->sync_ns_max);
}

static void print_state(const struct record *record, const char *event)
{
	struct json json = {stdout, false};

	json_open(&json, NULL, '{');
	json_text(&json, "event", event);
	json_state(record, &json);
	json_close(&json, '}');
	putchar('\n');
	fflush(stdout);
}

static void progress(struct record *record)
{
	if (!record->as_json || clock_ns() < record->progress_ns)
		return;
	record->progress_ns += PROGRESS_NS;
	print_state(record, "progress");
}

static void say_counters(const struct record *record)
{
	static const int shown[] = {
		MSG_COUNTER_TRUNCATED,
		MSG_COUNTER_TOO_LARGE,
		MSG_COUNTER_PUBLISHERS_REFUSED,
		MSG_COUNTER_TOPICS_REFUSED,
	};

	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
		const struct msg_counter *counter =
			msg_counter_describe(shown[i]);
		uint64_t value = 0;

		for (int s = 0; s < record->take.source_count; s++)
			value += msg_subscriber_counter(
				record->take.sources[s].subscriber, shown[i]);
		if (value > 0 && counter)
			say("%s: %" PRIu64 ".  %s  %s", counter->name, value,
				counter->meaning, counter->remedy);
	}
}

static void summary(const struct record *record)
{
	const struct record_take *take = &record->take;
	const struct record_counts *counts = &record->writer.counts;
	char volume[32], size[32];

	if (record->as_json)
		print_state(record, "summary");
	text_scaled((double)take->bytes, volume, sizeof volume);
	text_scaled((double)counts->file_bytes, size, sizeof size);
	say("%" PRIu64 " messages, %sB in %.3f s: %sB in %u file%s; %" PRIu64
	    " lost on the way, %" PRIu64 " dropped here",
		take->messages, volume,
		(double)(clock_ns() - record->began_ns) / 1e9, size,
		counts->files, counts->files == 1 ? "" : "s", take->lost,
		take->dropped);
	if (take->dropped > 0)
		say("the disk was too slow; raise --queue-bytes, or lengthen "
		    "the group of --sync");
	if (take->untold > 0)
		say("%" PRIu64 " events, no losses, found no room either",
			take->untold);
}

static int judge(const struct record *record)
{
	const struct record_take *take = &record->take;
	bool met =
		require_check(&record->require, "loss", (double)take->lost, "");

	if (!require_check(
		    &record->require, "dropped", (double)take->dropped, ""))
		met = false;
	if (!require_check(
		    &record->require, "messages", (double)take->messages, ""))
		met = false;
	return met ? TOOL_EXIT_OK : TOOL_EXIT_UNMET;
}

/* ---- the loop ------------------------------------------------------------ */

static bool finished(const struct record *record)
{
	return (record->count && record->take.messages >= record->count) ||
	       stop_asked() || record->writer.counts.error != 0 ||
	       (record->until_ns && clock_ns() >= record->until_ns);
}

static int subscribe(struct record *record, struct record_source *source)
{
	struct msg_subscriber_options wanted = record->wanted;
	int i = (int)(source - record->take.sources), error;

	wanted.topic = source->pattern;
	wanted.events = 1;
	source->lapped = 0;
	error = msg_subscriber_open(record->node, &wanted, &source->subscriber);
	if (error == 0)
		record->fds[i] = (struct pollfd){
			.fd = msg_subscriber_fd(source->subscriber),
			.events = POLLIN,
		};
	return error;
}

/* We were too slow, and begin anew; what is missing between is not known. */
static int subscribe_again(struct record *record, struct record_source *source)
{
	record_take_evicted(&record->take, source);
	say("evicted from %s: stopped for too long; beginning anew",
		source->pattern);
	msg_subscriber_close(source->subscriber);
	source->subscriber = NULL;
	return subscribe(record, source);
}

/* One round over the subscribers: how many views came, negative on failure. */
static int take_round(struct record *record)
{
	struct record_take *take = &record->take;
	int taken = 0;

	for (int i = 0; i < take->source_count; i++) {
		struct record_source *source = &take->sources[i];
		uint64_t left = record->count - take->messages;
		int most = record->count && left < ROUND_MAX ? (int)left
							     : ROUND_MAX;
		int count = most > 0 ? record_take(take, source, most) : 0;

		if (count == -MSG_ERROR_EVICTED)
			count = subscribe_again(record, source);
		if (count < 0)
			return count;
		taken += count;
	}
	return taken;
}

/* Sleep, unless a subscriber says that messages wait. */
static int rest(struct record *record)
{
	struct record_take *take = &record->take;
	uint64_t until = clock_ns() + TICK_NS;

	if (record_gaps_any(&take->gaps) && record_take_gaps(take))
		record_queue_push(&take->queue);
	for (int i = 0; i < take->source_count; i++) {
		int error = msg_subscriber_arm(take->sources[i].subscriber);

		if (error < 0)
			return error == -MSG_ERROR_AGAIN ? 0 : error;
	}
	if (record->until_ns && record->until_ns < until)
		until = record->until_ns;
	stop_poll(record->fds, take->source_count, until);
	return 0;
}

static int take_all(struct record *record)
{
	while (!finished(record)) {
		int taken = take_round(record);

		if (taken == 0)
			taken = rest(record);
		if (taken < 0) {
			complain("receiving failed: %s", msg_error_name(taken));
			return lane_exit(taken);
		}
		progress(record);
	}
	return TOOL_EXIT_OK;
}

/* ---- the end ------------------------------------------------------------- */

static void unsubscribe(struct record *record)
{
	for (int i = 0; i < record->take.source_count; i++) {
		msg_subscriber_close(record->take.sources[i].subscriber);
		record->take.sources[i].subscriber = NULL;
	}
}

/* What is missing at the end has to be told as well; the disk may take its
 * time for that. */
static void tell_rest(struct record *record)
{
	struct record_take *take = &record->take;

	while (!record_take_gaps(take) && record->writer.counts.error == 0) {
		struct timespec pause = {.tv_nsec = 1000000};

		record_queue_push(&take->queue);
		nanosleep(&pause, NULL);
	}
	record_queue_end(&take->queue);
}

static int write_failed(const struct record *record, int error)
{
	char path[1024];

	text_escape(path, sizeof path,
		record->writer.path[0] ? record->writer.path
				       : record->write.path);
	if (error == -EEXIST)
		complain("%s is there already; --overwrite replaces it", path);
	else
		complain("cannot write %s: %s%s", path, strerror(-error),
			record->take.messages > 0
				? "; what was taken last is not in it, msg "
				  "file info counts what is"
				: "");
	return TOOL_EXIT_UNMET;
}

static int end(struct record *record)
{
	int error;

	unsubscribe(record);
	tell_rest(record);
	error = record_writer_join(&record->writer);
	summary(record);
	if (error < 0)
		return write_failed(record, error);
	return judge(record);
}

static int open_sources(struct record *record)
{
	for (int i = 0; i < record->take.source_count; i++) {
		struct record_source *source = &record->take.sources[i];
		int error;

		if (stop_asked()) { /* Many take their time. */
			record->take.source_count = i;
			break;
		}
		error = subscribe(record, source);

		if (error < 0)
			return lane_fail("cannot subscribe", error);
		say("listening to %s", source->pattern);
	}
	return TOOL_EXIT_OK;
}

static int run_on(struct record *record)
{
	struct msg_node_info info;
	char lane[1024];
	int code, ended, error;

	msg_node_describe(record->node, &info);
	lane_format(&info, lane, sizeof lane);
	record->write.lane = lane;
	record->write.patterns = record->patterns;
	record->write.names = &record->names;
	error = record_names_open(&record->names, record->node);
	if (error < 0)
		return lane_fail("cannot listen to announcements", error);
	record->write.types = types_open(record->node, record->pattern_list,
		record->take.source_count, NULL);
	if (!record_take_open(&record->take, record->queue_bytes)) {
		complain("no memory for a queue of %zu bytes",
			record->queue_bytes);
		return TOOL_EXIT_UNMET;
	}
	error = record_writer_start(
		&record->writer, &record->take.queue, &record->write);
	if (error < 0)
		return write_failed(record, error);
	say("recording to %s", record->writer.path);
	record->began_ns = clock_ns();
	record->progress_ns = record->began_ns + PROGRESS_NS;
	code = open_sources(record);
	if (record->duration > 0)
		record->until_ns =
			record->began_ns + (uint64_t)(record->duration * 1e9);
	if (code == TOOL_EXIT_OK) {
		code = take_all(record);
		say_counters(record);
	}
	ended = end(record);
	return code == TOOL_EXIT_OK ? ended : code;
}

/* The operands as sources, and as one text. */
static bool note_patterns(struct record *record, char **patterns, int count)
{
	size_t bytes = 1;

	if (count < 1)
		return false;
	for (int i = 0; i < count; i++)
		bytes += strlen(patterns[i]) + 1;
	record->take.sources =
		calloc((size_t)count, sizeof *record->take.sources);
	record->take.source_count = count;
	record->pattern_list = patterns;
	record->fds =
		calloc((size_t)count + STOP_POLL_EXTRA, sizeof *record->fds);
	record->patterns = calloc(1, bytes);
	if (!record->take.sources || !record->fds || !record->patterns)
		return false;
	for (int i = 0; i < count; i++) {
		record->take.sources[i].pattern = patterns[i];
		strcat(strcat(record->patterns, i ? " " : ""), patterns[i]);
	}
	return true;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct record record = {.lane = LANE_CHOICE,
		.wanted = MSG_SUBSCRIBER_OPTIONS,
		.write = {.compression = MCAP_COMPRESSION_ZSTD,
			.chunk_bytes = CHUNK_BYTES,
			.sync = true,
			.group_ns = 1000000000u}};
	int code = TOOL_EXIT_UNMET;

	record_read_line(&record, command, argc, argv);
	stop_catch();
	if (note_patterns(&record, argv + optind, argc - optind))
		record.node = lane_open(&record.lane, &code);
	if (record.node) {
		code = run_on(&record);
		record_take_close(&record.take);
		record_names_close(&record.names);
		types_close(record.write.types);
		msg_node_close(record.node);
	}
	free(record.take.sources);
	free(record.fds);
	free(record.patterns);
	return code;
}

const struct command command_record = {
	"record",
	"[OPTION...] -o FILE PATTERN...",
	"Record the messages of topics to an MCAP file.",
	"Each topic and publisher is a channel.  What is lost or dropped "
	"stands "
	"in the\nfile where it is missing, in the channel '.msg.events'.  A "
	"slow "
	"disk slows nobody:\nwhat finds no room in the queue is dropped, "
	"counted "
	"and told.  SIGINT and SIGTERM\nfinish the file; one that was not "
	"finished is readable up to its last group.\nSee 'msg play', 'msg file "
	"info' and msg-record(1).",
	record_options,
	true,
	run,
};
