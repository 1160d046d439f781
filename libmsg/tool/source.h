/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * source.h - where the messages of `msg pub` come from.
 *
 * A source first says how long its next message is, so that a buffer of that
 * size can be borrowed, and then writes the message straight into it: a file
 * is read into the lane's memory, a synthetic message is made there.  Only
 * lines are copied, since where one ends is known after it was read.
 */
#ifndef TOOL_SOURCE_H
#define TOOL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum source_kind {
	SOURCE_LINES,     /* Lines of stdin. */
	SOURCE_FILES,     /* One message a file. */
	SOURCE_TEXTS,     /* From the command line. */
	SOURCE_SYNTHETIC, /* `size` bytes of letters and a number. */
};

struct source {
	enum source_kind kind;
	char **items; /* Files or texts. */
	int item_count;
	size_t size;      /* Of a synthetic message. */
	size_t bytes_max; /* Longer messages are refused. */
	bool repeat;      /* Begin files or texts again at their end. */
	uint64_t number;  /* Messages given so far. */
	uint64_t refused; /* Messages that could not be given. */

	/* Private. */
	int item;
	int fd;       /* The open file, or -1. */
	char *buffer; /* Lines read ahead, or a file that has no size. */
	size_t capacity, begin, end;
	size_t next_bytes;
	bool ended;
};

/* Prepare; finds the largest message where that is known (0: not known). */
size_t source_open(struct source *source);
void source_close(struct source *source);

/* Whether the next message is at hand, so that asking does not wait. */
bool source_ready(const struct source *source);

/* The length of the next message.  1; 0 at the end or on a stop; -1 when one
 * was refused (said and counted): go on with the next. */
int source_next(struct source *source, size_t *bytes);

/* Write the message announced by source_next into `data`; false when it
 * could not be read (said and counted). */
bool source_fill(struct source *source, void *data);

#endif
