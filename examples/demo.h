/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo.h - what demo_publish sends and demo_subscribe expects.
 *
 * All programs of the demo run on one machine, so the struct travels as it is
 * and the clocks agree.
 */
#ifndef EXAMPLES_DEMO_H
#define EXAMPLES_DEMO_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define DEMO_ENDS 3

struct demo_sample {
	uint64_t index;       /* From 0, one per message. */
	uint64_t time_ns;     /* CLOCK_MONOTONIC when it was filled. */
	uint64_t cpu_busy;    /* Ticks of all processors, since boot. */
	uint64_t cpu_all;     /* The same with the idle ones. */
	uint64_t memory_used; /* Bytes. */
	uint64_t memory_all;  /* Bytes. */
	uint64_t net_bytes;   /* In and out on every interface, since boot. */
	uint32_t end;         /* No data, but the end, and index is the count:
	                         said so many times, this one included. */
	uint32_t checksum;    /* Of all fields before. */
};

/* FNV-1a, 32 bits. */
static inline uint32_t demo_checksum(const struct demo_sample *sample)
{
	const unsigned char *bytes = (const unsigned char *)sample;
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < offsetof(struct demo_sample, checksum); i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash;
}

static inline uint64_t demo_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
