/* SPDX-License-Identifier: BSD-2-Clause */
/* output.c - the text of one scrape; see output.h. */
#include "output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for the last family and line, whatever is left out before. */
#define TAIL_BYTES 512

void output_open(struct output *output, bool open_metrics)
{
	*output = (struct output){.open_metrics = open_metrics};
}

void output_close(struct output *output)
{
	free(output->text);
	output->text = NULL;
}

static bool reserve(struct output *output, size_t bytes, size_t limit)
{
	size_t capacity = output->capacity ? output->capacity : 1 << 16;
	char *text;

	if (output->bytes + bytes > limit)
		return false;
	while (capacity < output->bytes + bytes)
		capacity *= 2;
	if (capacity == output->capacity)
		return true;
	text = realloc(output->text, capacity);
	if (!text)
		return false;
	output->text = text;
	output->capacity = capacity;
	return true;
}

/* A whole line or nothing. */
static bool put(struct output *output, size_t limit, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static bool put(struct output *output, size_t limit, const char *format, ...)
{
	va_list args, again;
	int bytes;

	va_start(args, format);
	va_copy(again, args);
	bytes = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (bytes >= 0 && reserve(output, (size_t)bytes + 1, limit)) {
		vsnprintf(output->text + output->bytes, (size_t)bytes + 1,
			format, again);
		output->bytes += (size_t)bytes;
	} else {
		bytes = -1;
	}
	va_end(again);
	return bytes >= 0;
}

static const char *suffix(const struct output *output)
{
	return output->kind == OUTPUT_COUNTER ? "_total" : "";
}

static void put_family(struct output *output, size_t limit, const char *help)
{
	const char *of_family =
		output->open_metrics ? "" : suffix(output);

	put(output, limit, "# HELP %s%s %s\n# TYPE %s%s %s\n", output->family,
		of_family, help, output->family, of_family,
		output->kind == OUTPUT_COUNTER ? "counter" : "gauge");
}

void output_family(struct output *output, enum output_kind kind,
	const char *name, const char *help)
{
	output->family = name;
	output->kind = kind;
	put_family(output, OUTPUT_BYTES_MAX - TAIL_BYTES, help);
}

static const char *braces(const struct output_labels *labels, bool open)
{
	if (!labels || labels->bytes == 0)
		return "";
	return open ? "{" : "}";
}

void output_count(struct output *output, const struct output_labels *labels,
	uint64_t value)
{
	if (!put(output, OUTPUT_BYTES_MAX - TAIL_BYTES,
		    "%s%s%s%s%s %" PRIu64 "\n", output->family, suffix(output),
		    braces(labels, true), labels ? labels->text : "",
		    braces(labels, false), value))
		output->left_out++;
}

void output_number(struct output *output, const struct output_labels *labels,
	double value)
{
	if (!put(output, OUTPUT_BYTES_MAX - TAIL_BYTES, "%s%s%s%s%s %.9g\n",
		    output->family, suffix(output), braces(labels, true),
		    labels ? labels->text : "", braces(labels, false), value))
		output->left_out++;
}

void output_end(struct output *output)
{
	uint64_t left_out = output->left_out;

	output->family = "msg_exporter_samples_left_out";
	output->kind = OUTPUT_GAUGE;
	put_family(output, OUTPUT_BYTES_MAX,
		"Samples of this scrape that had no room.");
	put(output, OUTPUT_BYTES_MAX, "%s %" PRIu64 "\n%s", output->family,
		left_out, output->open_metrics ? "# EOF\n" : "");
}

/* ---- labels -------------------------------------------------------------------- */

static void put_char(struct output_labels *labels, char c)
{
	labels->text[labels->bytes++] = c;
	labels->text[labels->bytes] = '\0';
}

void output_label(
	struct output_labels *labels, const char *name, const char *value)
{
	size_t begin = labels->bytes;

	/* Comma, name, equals, both quotation marks, an escape, the end. */
	if (begin + strlen(name) + 8 > sizeof labels->text)
		return;
	if (begin == 0)
		labels->text[0] = '\0';
	labels->bytes += (size_t)sprintf(labels->text + begin, "%s%s=\"",
		begin ? "," : "", name);
	while (*value) {
		/* With what follows of a character in UTF-8. */
		size_t bytes = 1;

		while (((unsigned char)value[bytes] & 0xc0) == 0x80)
			bytes++;
		if (labels->bytes + bytes + 4 > sizeof labels->text)
			break;
		if (*value == '"' || *value == '\\' || *value == '\n')
			put_char(labels, '\\');
		for (size_t i = 0; i < bytes; i++)
			put_char(labels, value[i] == '\n' ? 'n' : value[i]);
		value += bytes;
	}
	put_char(labels, '"');
}

void output_label_count(
	struct output_labels *labels, const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRIu64, value);
	output_label(labels, name, text);
}
