/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory_channel.h - connections in the memory of this process, good or bad by
 * seed.
 *
 * It implements libmsg/link/channel.h.  A read or a message is copied when it is
 * done and not when it is asked for, as a device does; a read finds nothing by the
 * key of what is shared no more, and a message waits for a buffer.
 *
 * With the zero options nothing fails, and a read is done by the next poll.  One
 * thread at a time for all sets.
 */
#ifndef TESTS_SUPPORT_MEMORY_CHANNEL_H
#define TESTS_SUPPORT_MEMORY_CHANNEL_H

#include "link/channel.h"

struct memory_channel_options {
	uint64_t seed;
	/* Per mille, each on its own: */
	unsigned refuse; /* Of the connections asked for; … */
	uint32_t refuse_bytes; /* … all with a greeting of so many; 0: none. */
	unsigned cut;    /* Of the reads: the connection ends instead. */
	unsigned later;  /* Of the reads, at each poll: not yet. */
	unsigned sever;  /* Of the messages: the connection ends instead. */
	unsigned slow;   /* Of the messages, at each poll: not yet. */
	size_t message_bytes_max; /* 0: a gigabyte. */
	bool deaf;       /* Who asks is never answered. */
};

struct memory_channel_counts {
	uint64_t asked, refused, cut, reads, bytes, severed, messages;
	uint64_t strays; /* Reads of what is not shared. */
	uint32_t sets, regions;
};

extern struct memory_channel_options memory_channel_options;
extern struct memory_channel_counts memory_channel_counts;

/* Start over: options and counts; no set is open. */
void memory_channel_reset(const struct memory_channel_options *options);

/* In the place of the fabric module's for who links msg_memory_channel_module; or to
 * be called directly. */
extern const struct msg_channel_module memory_channel_module;

#endif
