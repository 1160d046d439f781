/* SPDX-License-Identifier: BSD-2-Clause */
/* fields.c - a message as a line of its fields; see fields.h. */
#include "fields.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* More of a field's bytes is not shown. */
#define BYTES_SHOWN 64
#define LEVELS_MAX 256

struct line {
	FILE *file;
	int depth;
	char closing[LEVELS_MAX];
	bool first[LEVELS_MAX]; /* Nothing stands in it yet. */
};

static void write_real(FILE *file, double value, bool single)
{
	char room[40];

	for (int digits = single ? 6 : 15; digits <= 17; digits++) {
		snprintf(room, sizeof room, "%.*g", digits, value);
		if (single ? strtof(room, NULL) == (float)value
			   : strtod(room, NULL) == value)
			break;
	}
	fputs(room, file);
}

static void write_bytes(FILE *file, const unsigned char *data, size_t bytes)
{
	putc('<', file);
	for (size_t i = 0; i < bytes && i < BYTES_SHOWN; i++)
		fprintf(file, "%02x", data[i]);
	if (bytes > BYTES_SHOWN)
		fprintf(file, "... %zu bytes", bytes);
	putc('>', file);
}

static void write_value(FILE *file, const struct msg_value *value)
{
	switch (value->kind) {
	case MSG_VALUE_BOOL:
		fputs(value->integer ? "true" : "false", file);
		break;
	case MSG_VALUE_UINT:
		fprintf(file, "%" PRIu64, value->natural);
		break;
	case MSG_VALUE_FLOAT:
	case MSG_VALUE_DOUBLE:
		write_real(file, value->real, value->kind == MSG_VALUE_FLOAT);
		break;
	case MSG_VALUE_TEXT:
		putc('"', file);
		text_write(file, value->data, value->bytes);
		putc('"', file);
		break;
	case MSG_VALUE_BYTES:
		write_bytes(file, value->data, value->bytes);
		break;
	default: /* INT; an ENUM whose value has no name. */
		if (value->bytes > 0)
			text_write(file, value->data, value->bytes);
		else
			fprintf(file, "%" PRId64, value->integer);
	}
}

static void open_level(struct line *line, char opening, char closing)
{
	/* The whole has no brackets. */
	if (line->depth > 0)
		putc(opening, line->file);
	line->closing[line->depth] = closing;
	line->first[line->depth] = true;
	line->depth++;
}

static int visit(void *context, const struct msg_value *value)
{
	struct line *line = context;

	if (value->kind == MSG_VALUE_END) {
		if (--line->depth > 0)
			putc(line->closing[line->depth], line->file);
		return 0;
	}
	if (line->depth > 0) {
		if (!line->first[line->depth - 1])
			putc(' ', line->file);
		line->first[line->depth - 1] = false;
	}
	if (*value->name) {
		text_write(line->file, value->name, strlen(value->name));
		putc('=', line->file);
	}
	if (value->kind == MSG_VALUE_LIST)
		open_level(line, '[', ']');
	else if (value->kind >= MSG_VALUE_MESSAGE)
		open_level(line, '{', '}');
	else
		write_value(line->file, value);
	return 0;
}

int fields_write(
	FILE *file, const struct msg_type *type, const void *data, size_t bytes)
{
	struct line line = {.file = file};

	return msg_type_walk(type, data, bytes, visit, &line);
}
