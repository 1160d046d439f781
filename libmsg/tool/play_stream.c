/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * play_stream.c - a publisher for each channel that is played; see play.h.
 *
 * Messages of one stream in a row may be queued; another stream's turn flushes
 * them first, so that what leaves does so in the order of the file.
 */
#include "play.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "lane.h"
#include "options.h"
#include "pace.h"
#include "stop.h"
#include "text.h"

/* Buffers of all publishers together, where nobody says how many. */
#define LOANS_ALL 16384

static bool selected(const struct play_streams *streams, const char *topic)
{
	if (streams->pattern_count == 0)
		return true;
	for (int i = 0; i < streams->pattern_count; i++)
		if (msg_topic_match(streams->patterns[i], topic) == 1)
			return true;
	return false;
}

static struct play_stream *find(const struct play_streams *streams,
	const struct recording_channel *about)
{
	for (int i = 0; i < streams->count; i++) {
		struct play_stream *stream = streams->all[i];

		if (stream->about.publisher == about->publisher &&
			strcmp(stream->about.topic, about->topic) == 0)
			return stream;
	}
	return NULL;
}

static bool name_topic(
	const struct play_streams *streams, struct play_stream *stream)
{
	int length = snprintf(stream->topic, sizeof stream->topic, "%s%s%s",
		streams->prefix ? streams->prefix : "",
		streams->prefix ? "." : "", stream->about.topic);

	if (length < (int)sizeof stream->topic)
		return true;
	complain("a topic with the prefix is longer than 255 bytes");
	return false;
}

struct play_stream *play_stream_of(struct play_streams *streams,
	const struct mcap_channel *channel,
	const struct mcap_known_schema *schema, bool *made)
{
	struct recording_channel about;
	struct play_stream *stream;

	*made = true;
	if (!recording_channel_read(&about, channel) ||
		!selected(streams, about.topic))
		return NULL;
	stream = find(streams, &about);
	if (stream)
		return stream;
	*made = false;
	if (streams->count == PLAY_STREAMS_MAX) {
		complain("more than %d publishers; play some of the topics "
			 "(--topic)",
			PLAY_STREAMS_MAX);
		return NULL;
	}
	if (!streams->all)
		streams->all = calloc(PLAY_STREAMS_MAX, sizeof(void *));
	stream = calloc(1, sizeof *stream);
	if (!stream || !streams->all) {
		free(stream);
		complain("no memory");
		return NULL;
	}
	streams->all[streams->count++] = stream;
	stream->about = about;
	if (schema)
		stream->type = recording_type_read(&schema->told);
	*made = name_topic(streams, stream);
	return *made ? stream : NULL;
}

/* ---- publishers ---------------------------------------------------------- */

static uint32_t reliability_of(
	const struct play_streams *streams, const struct play_stream *stream)
{
	return streams->wanted.reliability != MSG_RELIABILITY_DEFAULT
		       ? streams->wanted.reliability
		       : stream->about.reliability;
}

bool play_streams_connect(const struct play_streams *streams)
{
	for (int i = 0; i < streams->count; i++)
		if (reliability_of(streams, streams->all[i]) ==
			MSG_RELIABILITY_RC)
			return true;
	return false;
}

static uint32_t loans_each(const struct play_streams *streams)
{
	int each = LOANS_ALL / (streams->count ? streams->count : 1);

	if (streams->wanted.loan_count_max != 0 || each >= 256)
		return streams->wanted.loan_count_max;
	return each < 8 ? 8 : (uint32_t)each;
}

/* The largest message in frames, and the largest of all. */
static void set_sizes(const struct play_stream *stream, uint32_t frame_bytes,
	struct msg_publisher_options *wanted)
{
	uint64_t in_frames = stream->about.message_bytes_max;
	uint64_t largest = stream->largest ? stream->largest : in_frames;
	bool may_be_large = wanted->reliability >= MSG_RELIABILITY_RELIABLE &&
			    largest <= MSG_LARGE_BYTES_MAX;

	/* What can go in frames does, unless it was recorded otherwise. */
	if (in_frames == 0 || stream->about.large_bytes_max == 0 ||
		!may_be_large)
		in_frames = MSG_MESSAGE_BYTES_MAX;
	if (largest > in_frames && may_be_large)
		wanted->large_bytes_max = largest;
	if (largest < in_frames)
		in_frames = largest;
	/* What surely fits one frame needs no fragments: leave the default. */
	if (in_frames + 128 > frame_bytes)
		wanted->message_bytes_max = (uint32_t)in_frames;
}

static int open_one(struct play_streams *streams, struct play_stream *stream,
	struct msg_node *node, uint32_t frame_bytes)
{
	struct msg_publisher_options wanted = streams->wanted;

	wanted.topic = stream->topic;
	wanted.type = stream->type;
	wanted.loan_count_max = loans_each(streams);
	wanted.reliability = reliability_of(streams, stream);
	set_sizes(stream, frame_bytes, &wanted);
	return msg_publisher_open(node, &wanted, &stream->publisher);
}

int play_streams_open(struct play_streams *streams, struct msg_node *node)
{
	struct msg_node_info info;

	msg_node_describe(node, &info);
	for (int i = 0; i < streams->count; i++) {
		int error = open_one(
			streams, streams->all[i], node, info.frame_bytes);

		if (error < 0)
			return lane_fail("cannot publish", error);
	}
	return TOOL_EXIT_OK;
}

void play_streams_close(struct play_streams *streams)
{
	for (int i = 0; i < streams->count; i++) {
		msg_publisher_close(streams->all[i]->publisher);
		msg_type_close(streams->all[i]->type);
		free(streams->all[i]);
	}
	free(streams->all);
	streams->all = NULL;
	streams->count = 0;
}

/* ---- sending ------------------------------------------------------------- */

void play_flush(struct play_streams *streams)
{
	if (streams->queued > 0 &&
		msg_publisher_flush(streams->last->publisher) == 0)
		streams->queued = 0;
}

/* Until it is out: what follows is of another stream. */
static void flush_out(struct play_streams *streams)
{
	play_flush(streams);
	while (streams->queued > 0 && !stop_asked()) {
		stop_sleep(clock_ns() + 50000);
		play_flush(streams);
	}
}

/* Borrow a buffer, waiting while all are out or on the wire. */
static int borrow(struct play_streams *streams, struct play_stream *stream,
	size_t bytes, struct msg_loan *loan)
{
	for (unsigned tries = 0; !stop_asked(); tries++) {
		int error = msg_publisher_loan(stream->publisher, bytes, loan);

		if (error != -MSG_ERROR_AGAIN)
			return error;
		play_flush(streams);
		if (tries < 100)
			sched_yield();
		else
			stop_sleep(clock_ns() + 50000);
	}
	return -MSG_ERROR_TIMEOUT;
}

/* Too large for its topic is one message less; anything else is the end. */
static int loan_failed(struct play_streams *streams,
	const struct play_stream *stream, size_t bytes, int error)
{
	char safe[1024];

	if (error == -MSG_ERROR_TIMEOUT)
		return TOOL_EXIT_OK; /* A stop was asked. */
	text_escape(safe, sizeof safe, stream->topic);
	if (error != -MSG_ERROR_TOO_LARGE) {
		complain("no buffer for %s: %s", safe, msg_error_name(error));
		return lane_exit(error);
	}
	if (streams->failed++ == 0)
		complain("a message of %zu bytes is too large for %s", bytes,
			safe);
	return TOOL_EXIT_OK;
}

int play_send(struct play_streams *streams, struct play_stream *stream,
	const void *data, size_t bytes)
{
	struct msg_loan loan;
	int error;

	if (streams->last != stream)
		flush_out(streams);
	streams->last = stream;
	error = borrow(streams, stream, bytes, &loan);
	if (error < 0)
		return loan_failed(streams, stream, bytes, error);
	if (bytes > 0)
		memcpy(loan.data, data, bytes);
	if (streams->batch > 1) {
		error = msg_publisher_queue(stream->publisher, &loan, bytes);
		if (error == 0 && ++streams->queued >= streams->batch)
			play_flush(streams);
	} else {
		error = msg_publisher_send(stream->publisher, &loan, bytes);
	}
	if (error == 0) {
		streams->messages++;
		streams->bytes += bytes;
	} else if (streams->failed++ == 0) {
		complain("not sent: %s", msg_error_name(error));
	}
	return TOOL_EXIT_OK;
}
