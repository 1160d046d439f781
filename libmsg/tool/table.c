/* SPDX-License-Identifier: BSD-2-Clause */
/* table.c - columns as wide as what stands in them; see table.h. */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

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
		size_t blanks = t->width[c] - text_columns(cell);
		bool right = t->titles[c][0] == '>';
		bool last = c + 1 == t->columns;

		at += (size_t)snprintf(line + at, bytes - at, "%*s%s%*s",
			right ? (int)blanks : 0, "", cell,
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
