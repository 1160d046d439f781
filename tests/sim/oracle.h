/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * oracle.h - what was published, what came, and whether that is right.
 *
 * For each publisher and receiver a book.  From where a receiver joined, what
 * it is given is what was published, each message once, in order, byte by byte;
 * or it is told of a loss, and then exactly those messages are missing.  A loss
 * has a reason: the publisher has them no more, or they were waited for as long
 * as was agreed.  When a story says that nothing may be lost, no reason is
 * good.
 */
#ifndef SIM_ORACLE_H
#define SIM_ORACLE_H

#include "world.h"

/* One incarnation of a publisher, as it knows itself: the truth. */
struct truth {
	uint32_t publisher;      /* In headers. */
	uint64_t first_sequence; /* Of its first message. */
	uint64_t next_sequence;
	uint64_t gone_sequence;  /* Messages below may be gone from history. */
	bool dead;
	/* Sizes, by sequence - first. */
	uint32_t *sizes;
	uint64_t sizes_room;
};

struct book {
	struct world *world;
	const struct truth *truth;
	uint32_t receiver;
	bool started;
	bool lossless;       /* Nothing may be lost. */
	uint64_t patient_until; /* Before, nothing may be given up. */
	uint64_t start;      /* First message that is ours. */
	uint64_t expected;
	uint64_t delivered;
	uint64_t lost;
};

void truth_start(
	struct truth *truth, uint32_t publisher, uint64_t first_sequence);
void truth_end(struct truth *truth);

/* One more message, of so many bytes. */
void truth_publish(struct truth *truth, uint32_t bytes);
uint32_t truth_bytes(const struct truth *truth, uint64_t sequence);

void book_start(struct book *book, struct world *world,
	const struct truth *truth, uint32_t receiver, bool lossless,
	uint64_t give_up_ns);
void book_message(struct book *book, uint64_t sequence, const uint8_t *data,
	uint32_t bytes);
/* `gone` of `lost` because the publisher has them no more; the first message
 * lost is `sequence`. */
void book_lost(struct book *book, uint64_t sequence, uint64_t lost,
	uint64_t gone);

/* All that was published from the join point on has been accounted for. */
static inline bool book_complete(const struct book *book)
{
	return book->started && book->expected == book->truth->next_sequence;
}

#endif
