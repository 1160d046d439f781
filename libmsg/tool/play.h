/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * play.h - what the parts of `msg play` share.
 *
 *     play.c           the command: files, filters, time
 *     play_survey.c    a first look: which channels, from when to when
 *     play_stream.c    a publisher for each of them
 */
#ifndef TOOL_PLAY_H
#define TOOL_PLAY_H

#include <msg/msg.h>

#include "mcap_table.h"
#include "recording.h"

/* Publishers of one program: each has memory of its own. */
#define PLAY_STREAMS_MAX 4096

/* A topic and the publisher that was recorded. */
struct play_stream {
	struct recording_channel about;
	char topic[RECORDING_TOPIC_BYTES]; /* As it is published. */
	uint64_t largest;                  /* 0: what was said has to do. */
	struct msg_type *type;             /* NULL: none that we know. */
	struct msg_publisher *publisher;
};

struct play_streams {
	struct play_stream **all;
	int count;
	char *const *patterns; /* Of topics that are played; none: all. */
	int pattern_count;
	const char *prefix; /* NULL: none. */
	struct msg_publisher_options wanted;
	uint64_t batch;

	struct play_stream *last; /* The one with something queued. */
	uint64_t queued;
	uint64_t messages, bytes;
	uint64_t failed;
};

struct play_file {
	const char *path;
	int fd;
	struct mcap_source source;
	struct mcap_table table;   /* Its channels' `user`: a play_stream. */
	uint64_t start_ns, end_ns; /* 0: no messages. */
	bool finished;
};

/* ---- play_survey.c ------------------------------------------------------- */

/* Open a file and learn its channels, by the summary if that says enough, else
 * by reading all of it.  false: it was said why it cannot be played. */
bool play_survey(struct play_file *file, struct play_streams *streams);
void play_file_close(struct play_file *file);

/* "FILE: a wrong CRC at byte 123", on stderr. */
void play_complain(
	const struct play_file *file, enum mcap_result result, uint64_t offset);

/* ---- play_stream.c ------------------------------------------------------- */

/* The stream of a channel; NULL: it is not played.  One is made when there is
 * none yet; false in *made when it cannot be, and it was said why. */
struct play_stream *play_stream_of(struct play_streams *streams,
	const struct mcap_channel *channel,
	const struct mcap_known_schema *schema, bool *made);

/* Whether some are had by connections. */
bool play_streams_connect(const struct play_streams *streams);

/* Open the publishers of all. */
int play_streams_open(struct play_streams *streams, struct msg_node *node);
void play_streams_close(struct play_streams *streams);

/* Publish one message, waiting while there is no buffer.  An exit code. */
int play_send(struct play_streams *streams, struct play_stream *stream,
	const void *data, size_t bytes);
void play_flush(struct play_streams *streams);

#endif
