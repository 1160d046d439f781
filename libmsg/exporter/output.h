/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * output.h - the text of one scrape: families of samples, within a limit.
 *
 * Two dialects: OpenMetrics 1.0, and the older text format of Prometheus for
 * who does not ask for the other.  They differ in the name a counter's family
 * has, and in the last line.  All samples of a family stand together, as both
 * want it; a sample that finds no room is counted and left out whole.
 * Test: tests/local/exporter.sh.
 */
#ifndef EXPORTER_OUTPUT_H
#define EXPORTER_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A broker's tables at their largest make some 6 MiB. */
#define OUTPUT_BYTES_MAX (16u << 20)
/* Of one row: a topic of 255 bytes and a program of 63, each byte escaped. */
#define OUTPUT_LABELS_MAX 1200

enum output_kind {
	OUTPUT_COUNTER,
	OUTPUT_GAUGE,
};

struct output {
	char *text;
	size_t bytes, capacity;
	bool open_metrics;
	const char *family; /* Of the samples that follow, without a suffix. */
	enum output_kind kind;
	uint64_t left_out; /* Samples without room. */
};

/* Labels of a row: {broker="default",topic="md.acme"}. */
struct output_labels {
	char text[OUTPUT_LABELS_MAX];
	size_t bytes;
};

void output_open(struct output *output, bool open_metrics);
void output_close(struct output *output);

/* Begin a family; `name` lives until the next one. */
void output_family(struct output *output, enum output_kind kind,
	const char *name, const char *help);
/* `labels` may be NULL. */
void output_count(struct output *output, const struct output_labels *labels,
	uint64_t value);
void output_number(struct output *output, const struct output_labels *labels,
	double value);
/* How many were left out, and the end. */
void output_end(struct output *output);

/* `value` is escaped; what does not fit is cut at a whole character. */
void output_label(
	struct output_labels *labels, const char *name, const char *value);
void output_label_count(
	struct output_labels *labels, const char *name, uint64_t value);

#endif
