/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * histogram.h - counts of times in nanoseconds, log-linear.
 *
 * Values below 256 have a bucket each; above, every power of two is cut into
 * 128 buckets, so a value is known to 1/128 (0.8 %) whatever its size.  The
 * idea is that of HdrHistogram; the array is of fixed size and holds no
 * pointers, so it can live in memory shared between processes.  Times beyond
 * 2^40 ns (18 minutes) count in the last bucket; max stays exact.
 */
#ifndef TOOL_HISTOGRAM_H
#define TOOL_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_BITS 7
#define HISTOGRAM_SUB (1u << HISTOGRAM_BITS)
#define HISTOGRAM_BUCKETS ((40 - HISTOGRAM_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
	uint64_t total;
	uint64_t min;
	uint64_t max;
	double sum;
	uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *histogram);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value that `percent` of all do not exceed, 0 when there are none. */
uint64_t histogram_percentile(
	const struct histogram *histogram, double percent);

/* Columns for plotting: value_us count cumulative percentile. */
void histogram_print(const struct histogram *histogram, FILE *file);

static inline uint32_t histogram_index(uint64_t value)
{
	uint32_t shift, index;

	if (value < 2 * HISTOGRAM_SUB)
		return (uint32_t)value;
	shift = 63u - HISTOGRAM_BITS - (uint32_t)__builtin_clzll(value);
	index = shift * HISTOGRAM_SUB + (uint32_t)(value >> shift);
	return index < HISTOGRAM_BUCKETS ? index : HISTOGRAM_BUCKETS - 1;
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->counts[histogram_index(value)]++;
	histogram->total++;
	histogram->sum += (double)value;
	if (value < histogram->min)
		histogram->min = value;
	if (value > histogram->max)
		histogram->max = value;
}

#endif
