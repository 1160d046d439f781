/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory_link.h - a wire in the memory of this process, good or bad by seed.
 *
 * It implements libmsg/link/link.h: every link of the process hangs on one
 * wire.  A frame is read from the sender's memory when it is transmitted and
 * not when it is sent, as a device does: a sender that writes too early into
 * memory in flight is found out by whoever checks the payloads.
 *
 *     send ─> in flight ──transmit──> queue of each receiver ──poll──> buffer
 *              │ lag                     │ lose, repeat, reorder, cut
 *
 * With the zero options the wire is perfect and has no lag.  Between opening
 * and closing it allocates nothing, locks nothing and, but for arm and what
 * wakes from it, makes no system call, so tests/contract can count over it.
 * One thread at a time for the whole wire.
 */
#ifndef TESTS_SUPPORT_MEMORY_LINK_H
#define TESTS_SUPPORT_MEMORY_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "link/link.h"

struct memory_wire_options {
	uint64_t seed;
	/* Per mille of the frames, each on its own: */
	unsigned lose;    /* For one receiver. */
	unsigned repeat;  /* It arrives twice. */
	unsigned reorder; /* It changes place with an earlier one. */
	unsigned cut;     /* Its end is missing. */
	unsigned again;   /* Of the sends and flushes: refused with AGAIN. */
	unsigned fail;    /* Of the frames: the send completes as failed. */
	unsigned refuse;  /* Of the sends: refused with FABRIC. */
	bool lag;         /* Frames leave some polls later. */
	bool data_only;   /* Announcements travel safely. */
	/* Frames a receiver holds while no buffer is posted; 512. */
	uint32_t queue_frames;
	uint32_t queue_bytes; /* Largest frame; 16384. */
	uint32_t send_limit;  /* Grant no more sends in flight; 0: as asked. */
	uint32_t reorder_distance; /* At most; 8. */
	/* Sees each frame as it leaves, before the wire spoils it. */
	void (*tap)(void *context, const uint8_t *frame, uint32_t bytes);
	void *tap_context;
};

struct memory_wire_counts {
	uint64_t transmitted; /* Unicasts included. */
	uint64_t unicast;
	uint64_t failed;
	uint64_t lost;       /* By `lose`. */
	uint64_t overflowed; /* The receiver's queue was full. */
	uint64_t repeated;
	uint64_t reordered;
	uint64_t cut;
	uint64_t refused;
	uint64_t signalled;
	uint32_t links; /* Open now. */
};

/* Set before the first link opens, and between calls. */
extern struct memory_wire_options memory_wire_options;
extern struct memory_wire_counts memory_wire_counts;

/* Start over: options, counts and random numbers. */
void memory_wire_reset(const struct memory_wire_options *options);

/* In the place of the fabric module for who links msg_memory_module; or to be called
 * directly. */
extern const struct msg_link_domain_ops memory_link_module;

/* Whether a lane says that reading costs a peer nothing. */
extern bool memory_reads;

/* What the next domains open with; 0: 1024. */
extern uint32_t memory_frame_bytes;

/* Open a domain and a link without the api; abort on failure. */
struct msg_link_domain *memory_domain_open(uint32_t frame_bytes);
struct msg_link *memory_link_open(struct msg_link_domain *domain, void *memory,
	size_t bytes, uint32_t receive_count, uint32_t send_count);
/* Join group number `group`; its handle. */
uint32_t memory_link_join(
	struct msg_link *link, uint32_t group, enum msg_link_join how);

/* Put a frame on the wire by hand, as if somebody had sent it. */
void memory_wire_inject(uint32_t group, const void *frame, uint32_t bytes);

#endif
