/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.h - columns as wide as what stands in them.
 *
 * Cells are added from left to right, row by row, as text that is safe on a
 * terminal already; then lines are asked for, the titles being line -1.  Out of
 * memory, it shows the rows that it has.
 */
#ifndef TOOL_TABLE_H
#define TOOL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "options.h"

#define TABLE_COLUMNS_MAX 16
#define TABLE_LINE_BYTES 4096

/* A title that starts with '>' is of a column of numbers. */
struct table {
	const char *const *titles;
	int columns;
	int cells;
	int capacity;
	char **text;
	size_t width[TABLE_COLUMNS_MAX];
	bool hidden[TABLE_COLUMNS_MAX];
};

/* `titles` ends with NULL and outlives the table. */
void table_open(struct table *table, const char *const *titles);
void table_close(struct table *table);

/* The next cell; shown text goes through table_safe. */
void table_add(struct table *table, const char *format, ...) TOOL_PRINTF(2, 3);
void table_safe(struct table *table, const char *text);
void table_count(struct table *table, unsigned long long value);

int table_rows(const struct table *table);

/* Make all of a full table no wider than that, if it can be done: the columns of
 * these titles are left out, one after the other, and then the first is cut. */
void table_fit(struct table *table, size_t width, const char *const *least);

/* Line `row` without its end, cut to what fits. */
void table_line(const struct table *table, int row, char *line, size_t bytes);

/* Titles and all rows. */
void table_print(const struct table *table, FILE *file);

#endif
