/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * world.h - a ring, its writer, its readers and what must hold of them.
 *
 * A token is a slot of the payload.  Entry i carries sequence i, and words made
 * of i, so whatever is torn or old is seen; so is its payload's value.
 */
#ifndef TESTS_EXPLORE_WORLD_H
#define TESTS_EXPLORE_WORLD_H

#include "engine/inbox.h"
#include "explore.h"
#include "pool/ring_reader.h"
#include "pool/ring_writer.h"

#define WORLD_READERS 2u
#define WORLD_SLOTS 6u
#define WORLD_SLOT_BYTES 64u
#define WORLD_PUBLISHER 77u

/* Events. */
enum {
	WORLD_PUBLISHED, /* The writer is through. */
	WORLD_TOLD_PUBLISHER,
	WORLD_TOLD_READER,
	WORLD_FIRST_GONE,
	WORLD_FIRST_REMOVED,
};

/* A reader that speaks to the ring itself. */
struct world_reader {
	struct msg_ring_reader ring;
	uint64_t start;
	uint64_t delivered;
	uint64_t lapped; /* As we count it. */
	uint32_t number;
	uint32_t count; /* Entries in hand, where, and which. */
	uint32_t slots[2];
	uint64_t at[2];
};

struct world {
	struct msg_ring_header *header;
	struct msg_ring_ledger *ledgers[3];
	struct msg_ring_writer writer;
	uint32_t entry_count;
	uint32_t slot_count;
	uint32_t free_slots; /* By bit. */
	uint64_t to_publish;
	uint32_t refused; /* For lack of slots. */
	uint32_t kind;
	bool lost_words; /* `lost` is made of the sequence, too. */
	_Atomic uint64_t *glance; /* By slot, for who may look at his peril. */
	struct world_reader readers[WORLD_READERS];
	/* Through the inbox. */
	struct msg_inbox inbox;
	struct msg_inbox_ring *inbox_ring;
	msg_counter_t counters[MSG_COUNTER_COUNT];
	uint64_t inbox_delivered;
	uint64_t inbox_lost;
	uint64_t inbox_next;
	struct msg_view views[4];
	uint8_t *inbox_heap;
	size_t inbox_heap_bytes;
};

extern struct world world;
extern const uint8_t world_pool[WORLD_SLOTS * WORLD_SLOT_BYTES];

struct world_options {
	uint32_t entry_count;
	uint32_t slot_count;
	uint64_t to_publish;
	uint32_t held_max;
	enum msg_ring_slow slow;
	uint32_t kind;
	uint32_t reader_count; /* That are there from the beginning. */
	bool shared;
};

void world_open(const struct world_options *options);
/* Give the thread its state: the writer's, or that of a reader. */
void world_writer_state(int thread);
void world_reader_state(int thread, unsigned reader);

/* Publish one more; reclaims, and revokes, if it must.  False: no slot. */
bool world_publish(void);
/* The same with a message of two entries. */
bool world_publish_parts(void);
/* Body: publish all, say so. */
void world_writer(void *unused);

/* What peek said is what was published as number `at`. */
void world_check_item(uint64_t at, const struct msg_ring_item *item);
/* The next entry: true when it is in hand and its payload was read. */
bool world_take(struct world_reader *reader, uint32_t *slot);
/* Once the writer is through: take what is left, and all must add up. */
void world_drain(struct world_reader *reader);

/* End: everything comes home. */
void world_end(void);

#endif
