/* SPDX-License-Identifier: BSD-2-Clause */
/* table.c - columns as wide as what stands in them; see table.h. */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define FIRST_LEAST 10 /* The first column is never cut to less. */

static const char *title(const struct table *t, int column)
{
	return t->titles[column] + (t->titles[column][0] == '>');
}

void table_open(struct table *t, const char *const *titles)
{
	memset(t, 0, sizeof *t);
	t->titles = titles;
	while (titles[t->columns] && t->columns < TABLE_COLUMNS_MAX) {
		t->width[t->columns] = strlen(title(t, t->columns));
		t->columns++;
	}
}

void table_close(struct table *t)
{
	for (int i = 0; i < t->cells; i++)
		free(t->text[i]);
	free(t->text);
	memset(t, 0, sizeof *t);
}

static bool has_room(struct table *t)
{
	int capacity = t->capacity ? 2 * t->capacity : 256;
	char **more;

	if (t->cells < t->capacity)
		return true;
	more = realloc(t->text, (size_t)capacity * sizeof *more);
	if (!more)
		return false;
	t->text = more;
	t->capacity = capacity;
	return true;
}

void table_add(struct table *t, const char *format, ...)
{
	int column = t->cells % t->columns;
	va_list args;
	char *text;

	if (!has_room(t))
		return;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (!text)
		return;
	t->text[t->cells++] = text;
	if (text_columns(text) > t->width[column])
		t->width[column] = text_columns(text);
}

void table_safe(struct table *t, const char *text)
{
	char safe[1100]; /* A topic of 255 bytes, each as \xHH. */

	text_escape(safe, sizeof safe, text);
	table_add(t, "%s", safe);
}

void table_count(struct table *t, unsigned long long value)
{
	table_add(t, "%llu", value);
}

static size_t table_width(const struct table *t)
{
	size_t width = 0;

	for (int c = 0; c < t->columns; c++)
		if (!t->hidden[c])
			width += t->width[c] + (width > 0 ? 2 : 0);
	return width;
}

void table_fit(struct table *t, size_t width, const char *const *least)
{
	size_t now;

	for (; *least && table_width(t) > width; least++)
		for (int c = 0; c < t->columns; c++)
			if (strcmp(title(t, c), *least) == 0)
				t->hidden[c] = true;
	now = table_width(t);
	if (now > width && t->width[0] > FIRST_LEAST) {
		size_t spare = t->width[0] - FIRST_LEAST;

		t->width[0] -= spare < now - width ? spare : now - width;
	}
}

/* What of a cell stands there: its bytes, and ".." behind them if it was cut. */
static size_t cut(const char *cell, size_t width, const char **behind)
{
	size_t bytes = strlen(cell);

	*behind = "";
	if (text_columns(cell) <= width)
		return bytes;
	*behind = "..";
	for (bytes = 0; width > 2; width--)
		for (bytes++; (cell[bytes] & 0xc0) == 0x80; bytes++)
			;
	return bytes;
}

int table_rows(const struct table *t)
{
	return t->cells / t->columns;
}

void table_line(const struct table *t, int row, char *line, size_t bytes)
{
	size_t at = 0;

	line[0] = '\0';
	for (int c = 0; c < t->columns && at < bytes; c++) {
		const char *cell =
			row < 0 ? title(t, c) : t->text[row * t->columns + c];
		const char *behind;
		size_t shown = cut(cell, t->width[c], &behind);
		size_t blanks = *behind ? 0 : t->width[c] - text_columns(cell);
		bool right = t->titles[c][0] == '>';
		bool last = c + 1 == t->columns;

		if (t->hidden[c])
			continue;
		at += (size_t)snprintf(line + at, bytes - at, "%*s%.*s%s%*s",
			right ? (int)blanks : 0, "", (int)shown, cell, behind,
			last    ? 0
			: right ? 2
				: (int)blanks + 2,
			"");
	}
	at = strlen(line);
	while (at > 0 && line[at - 1] == ' ')
		line[--at] = '\0';
}

void table_print(const struct table *t, FILE *file)
{
	char line[TABLE_LINE_BYTES];

	for (int row = -1; row < table_rows(t); row++) {
		table_line(t, row, line, sizeof line);
		fprintf(file, "%s\n", line);
	}
}
