/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * explore_atomic.h - base/atomic.h's three operations, in slow motion.
 *
 * The library's sources are compiled unchanged with MSG_EXPLORE and land here.
 * Each place in them that touches an atomic word is a site: its function, the
 * word as it is written there, and its order.  machine.c plays the operation; a
 * mutant (mutants.c) names sites and has them played worse.
 *
 * Memory from the heap comes from an arena that begins anew with each
 * execution, since most executions are left in the middle.
 */
#ifndef TESTS_EXPLORE_ATOMIC_H
#define TESTS_EXPLORE_ATOMIC_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum explore_order {
	EXPLORE_relaxed,
	EXPLORE_acquire,
	EXPLORE_release,
	EXPLORE_seq_cst,
};

struct explore_site {
	const char *function;
	const char *word;
	enum explore_order order;
	int line;
	unsigned looked_up; /* The run for which `mutation` was found. */
	const struct explore_mutation *mutation;
};

uint64_t explore_load(
	struct explore_site *site, const volatile void *word, size_t bytes);
void explore_store(struct explore_site *site, volatile void *word, size_t bytes,
	uint64_t value);
void explore_fence(struct explore_site *site);

void *explore_calloc(size_t count, size_t bytes);
void explore_free(void *memory);

#define EXPLORE_SITE(text, order_)                                             \
	__extension__({                                                        \
		static struct explore_site site_ = {.function = __func__,      \
			.word = text,                                          \
			.order = EXPLORE_##order_,                             \
			.line = __LINE__};                                     \
		&site_;                                                        \
	})

#define EXPLORE_AS(word, value)                                                \
	_Generic(*(word), uint32_t : (uint32_t)(value), default : (value))

#define msg_load(word, order)                                                  \
	EXPLORE_AS(word, explore_load(EXPLORE_SITE(#word, order), (word),      \
				 sizeof *(word)))
#define msg_store(word, value, order)                                          \
	explore_store(EXPLORE_SITE(#word, order), (word), sizeof *(word),      \
		(value))
#define msg_fence(order) explore_fence(EXPLORE_SITE("fence", order))

#define calloc(count, bytes) explore_calloc(count, bytes)
#define aligned_alloc(alignment, bytes) explore_calloc(1, bytes)
/* A name as such, since a member has it, too. */
#define free explore_free

#endif
