/* SPDX-License-Identifier: BSD-2-Clause */
/* histogram.c - counts of times; see histogram.h. */
#include "histogram.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void histogram_clear(struct histogram *histogram)
{
	memset(histogram, 0, sizeof *histogram);
	histogram->min = UINT64_MAX;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->counts[i] += from->counts[i];
	into->total += from->total;
	into->sum += from->sum;
	if (from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_top(uint32_t index)
{
	uint32_t shift;

	if (index < 2 * HISTOGRAM_SUB)
		return index;
	shift = index / HISTOGRAM_SUB - 1;
	return ((uint64_t)(index - shift * HISTOGRAM_SUB + 1) << shift) - 1;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
	uint64_t wanted =
		(uint64_t)ceil(percent / 100 * (double)histogram->total);
	uint64_t seen = 0;

	if (histogram->total == 0)
		return 0;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->counts[i];
		if (seen >= wanted && seen > 0) {
			uint64_t top = bucket_top(i);

			return top < histogram->max ? top : histogram->max;
		}
	}
	return histogram->max;
}

void histogram_print(const struct histogram *histogram, FILE *file)
{
	uint64_t seen = 0;

	fputs("# value_us count cumulative percentile\n", file);
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (histogram->counts[i] == 0)
			continue;
		seen += histogram->counts[i];
		fprintf(file, "%.3f %" PRIu64 " %" PRIu64 " %.6f\n",
			(double)bucket_top(i) / 1e3, histogram->counts[i], seen,
			100.0 * (double)seen / (double)histogram->total);
	}
}
