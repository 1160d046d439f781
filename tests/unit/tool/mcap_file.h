/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mcap_file.h - files in memory for the tests of MCAP, and what is in them.
 */
#ifndef TESTS_UNIT_TOOL_MCAP_FILE_H
#define TESTS_UNIT_TOOL_MCAP_FILE_H

#include "random.h"
#include "tool/mcap_read.h"
#include "tool/mcap_write.h"

/* All bytes of a file. */
struct mcap_file {
	uint8_t *data;
	size_t bytes;
};

/* A descriptor to write to, and all that was written then; it is closed. */
int mcap_file_fd(void);
struct mcap_file mcap_file_take(int fd);
void mcap_file_free(struct mcap_file *file);

/* To be read from there; it has to live as long as the source. */
struct mcap_source mcap_file_source(struct mcap_file *file);

/* What the test writes and expects. */
#define MCAP_STORY_MESSAGES_MAX 4000
struct mcap_story {
	struct mcap_message messages[MCAP_STORY_MESSAGES_MAX];
	size_t ends[MCAP_STORY_MESSAGES_MAX]; /* Of the file, to have each. */
	size_t count;
	uint16_t channels;
	uint32_t metadata;
	bool large; /* With messages above a chunk. */
	uint8_t bytes[1 << 16]; /* Payloads are pieces of it. */
};

/* Write a file of a story that the stream makes up. */
struct mcap_file mcap_story_write(struct mcap_story *story,
	struct random_stream *random, size_t messages,
	enum mcap_compression compression);

/* Read messages from the reader's place on and hold them against the story; how
 * many came, and why no more did. */
size_t mcap_story_read(const struct mcap_story *story,
	struct mcap_reader *reader, enum mcap_result *result);

#endif
