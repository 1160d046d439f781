/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory_link_internal.h - what memory_link.c (a link: its groups, its rings, how
 * it is opened) and memory_wire.c (what is between links: who hears what, and what
 * is spoiled on the way) say to each other.
 */
#ifndef TESTS_SUPPORT_MEMORY_LINK_INTERNAL_H
#define TESTS_SUPPORT_MEMORY_LINK_INTERNAL_H

#include "memory_link.h"

#define MEMORY_LINKS_MAX 256
#define MEMORY_JOINS_MAX 256

struct flying {
	struct msg_link_send send;
	bool held; /* By `more`: nothing leaves before what follows. */
};

struct posted {
	uint8_t *buffer;
	uint32_t bytes;
	uint32_t token;
};

struct arrived {
	uint32_t cell; /* In the arena. */
	uint32_t bytes;
};

struct join {
	struct sockaddr_storage group;
	enum msg_link_join how;
	uint32_t peer; /* Its number, or 0: a group. */
	bool used;
};

struct memory_link {
	struct msg_link link;
	uint32_t number; /* From 1; never used again. */
	struct join joins[MEMORY_JOINS_MAX];
	/* Sending. */
	struct flying *flying;
	uint32_t flying_head, flying_tail, flying_mask;
	struct msg_link_event *done;
	uint32_t done_head, done_tail, done_mask;
	/* Receiving. */
	struct posted *posted;
	uint32_t posted_head, posted_tail, posted_mask;
	struct arrived *queue;
	uint32_t *cells;
	uint32_t cell_count; /* Free ones. */
	uint32_t queue_head, queue_tail, queue_size, queue_mask;
	uint8_t *arena;
	size_t cell_bytes;
	bool armed;
};

/* All that hang on the wire. */
extern struct memory_link *memory_wire_links[MEMORY_LINKS_MAX];

/* So often, by the wire's seed. */
bool memory_wire_chance(unsigned per_mille);

/* Frames of this link leave: those that are not held, all of them or, with lag,
 * some. */
void memory_wire_transmit_some(struct memory_link *l);
void memory_wire_release_held(struct memory_link *l);

/* The address of group number `group`. */
void memory_wire_group(struct sockaddr_storage *address, uint32_t group);

#endif
