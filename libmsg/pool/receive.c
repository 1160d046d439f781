/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * receive.c - slots, bits and the returned stack; receive.h has the picture.
 *
 * Orders: the bits of a word are taken back with acq_rel, so that every read
 * of the payload by any releasing thread happens before the last one pushes
 * the slot (push: release on `returned`, partner: the acquire exchange in
 * msg_receive_reclaim), and so before a device may write there again.
 */
#include "pool/receive.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/trail.h"

int msg_receive_open(
	struct msg_receive_pool *pool, uint32_t count, size_t slot_bytes)
{
	int result;

	assert(count > 0 && count < (1u << MSG_RECEIVE_SLOT_BITS));
	memset(pool, 0, sizeof *pool);
	pool->stride = msg_region_stride(slot_bytes);
	result = msg_region_open(&pool->region, pool->stride * count);
	if (result < 0)
		return result;
	pool->count = count;
	pool->free = calloc(count, sizeof *pool->free);
	pool->slots = calloc(count, sizeof *pool->slots);
	pool->bits = calloc((size_t)count * MSG_RECEIVE_WORDS,
		sizeof *pool->bits);
	if (!pool->free || !pool->slots || !pool->bits) {
		msg_receive_close(pool);
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory for the records of %u receive buffers", count);
	}
	atomic_init(&pool->returned, MSG_RECEIVE_NONE);
	/* Low slots on top: they are used first and stay in cache. */
	for (uint32_t i = 0; i < count; i++)
		pool->free[i] = count - 1 - i;
	pool->free_count = count;
	return 0;
}

void msg_receive_close(struct msg_receive_pool *pool)
{
	free(pool->free);
	free(pool->slots);
	free((void *)pool->bits);
	pool->free = NULL;
	pool->slots = NULL;
	pool->bits = NULL;
	msg_region_close(&pool->region);
}

void msg_receive_put_chain(struct msg_receive_pool *pool, uint32_t first)
{
	while (first != MSG_RECEIVE_NONE) {
		uint32_t next = pool->slots[first].next;

		msg_receive_put(pool, first);
		first = next;
	}
}

void msg_receive_reclaim(struct msg_receive_pool *pool)
{
	uint32_t slot;

	if (atomic_load_explicit(&pool->returned, memory_order_relaxed) ==
		MSG_RECEIVE_NONE)
		return;
	/* Partner: the release in push, below; makes the readers' reads of
	 * the payload happen before the device may write there again. */
	slot = atomic_exchange_explicit(
		&pool->returned, MSG_RECEIVE_NONE, memory_order_acquire);
	while (slot != MSG_RECEIVE_NONE) {
		uint32_t below = pool->slots[slot].return_next;

		msg_receive_put_chain(pool, slot);
		slot = below;
	}
}

void msg_receive_out(
	struct msg_receive_pool *pool, uint32_t slot, uint32_t views)
{
	struct msg_receive_slot *s = &pool->slots[slot];
	_Atomic uint64_t *word = &pool->bits[(size_t)slot * MSG_RECEIVE_WORDS];
	uint64_t tag;
	uint32_t words = 0;

	assert(views > 0 && views <= MSG_RECEIVE_WORDS * MSG_RECEIVE_WORD_BITS);
	/* Never 0: a cleared view must not become somebody's. */
	if (++s->generation == 0)
		s->generation = 1;
	tag = (uint64_t)s->generation << 32;
	while (views > 0) {
		uint32_t here = views < MSG_RECEIVE_WORD_BITS
					? views
					: MSG_RECEIVE_WORD_BITS;
		uint64_t set = (1ull << here) - 1;

		/* Relaxed: a view reaches another thread only by the
		 * application's own synchronisation. */
		atomic_store_explicit(
			word + words, tag | set, memory_order_relaxed);
		words++;
		views -= here;
	}
	atomic_store_explicit(&s->words_left, words, memory_order_relaxed);
}

static uint32_t handle_slot(uint64_t handle)
{
	return (uint32_t)handle & ((1u << MSG_RECEIVE_SLOT_BITS) - 1);
}

static uint32_t handle_view(uint64_t handle)
{
	return (uint32_t)handle >> MSG_RECEIVE_SLOT_BITS &
	       ((1u << MSG_RECEIVE_VIEW_BITS) - 1);
}

/* The word that holds a handle's bit; NULL for what no handle can be. */
static _Atomic uint64_t *handle_word(
	const struct msg_receive_pool *pool, uint64_t handle)
{
	uint32_t slot = handle_slot(handle);
	uint32_t word = handle_view(handle) / MSG_RECEIVE_WORD_BITS;

	if (slot >= pool->count || word >= MSG_RECEIVE_WORDS)
		return NULL;
	return &pool->bits[(size_t)slot * MSG_RECEIVE_WORDS + word];
}

static uint64_t handle_bit(uint64_t handle)
{
	return 1ull << (handle_view(handle) % MSG_RECEIVE_WORD_BITS);
}

uint32_t msg_receive_find(
	const struct msg_receive_pool *pool, uint64_t handle)
{
	_Atomic uint64_t *word = handle_word(pool, handle);
	uint64_t now;

	if (!word)
		return MSG_RECEIVE_NONE;
	now = atomic_load_explicit(word, memory_order_relaxed);
	if (now >> 32 != handle >> 32 || !(now & handle_bit(handle)))
		return MSG_RECEIVE_NONE;
	return handle_slot(handle);
}

static void push(struct msg_receive_pool *pool, uint32_t slot)
{
	uint32_t top = atomic_load_explicit(
		&pool->returned, memory_order_relaxed);

	do {
		pool->slots[slot].return_next = top;
		/* Release; partner: msg_receive_reclaim. */
	} while (!atomic_compare_exchange_weak_explicit(&pool->returned, &top,
		slot, memory_order_release, memory_order_relaxed));
}

/* Clear `mask` in `word` as far as it is set under this generation; returns
 * the bits that were. */
static uint64_t take_back(struct msg_receive_pool *pool, uint32_t slot,
	_Atomic uint64_t *word, uint32_t generation, uint64_t mask)
{
	uint64_t now = atomic_load_explicit(word, memory_order_relaxed);
	uint64_t mine;

	do {
		if ((uint32_t)(now >> 32) != generation)
			return 0;
		mine = now & mask;
		if (mine == 0)
			return 0;
		/* Acq_rel; partner: the same operation of the other threads
		 * that release views of this slot. */
	} while (!atomic_compare_exchange_weak_explicit(word, &now, now & ~mine,
		memory_order_acq_rel, memory_order_relaxed));
	if ((uint32_t)(now & ~mine) == 0 &&
		atomic_fetch_sub_explicit(&pool->slots[slot].words_left, 1,
			memory_order_acq_rel) == 1)
		push(pool, slot);
	return mine;
}

void msg_receive_release(struct msg_receive_pool *pool,
	const struct msg_view *views, int count)
{
	uint32_t refused = 0;
	int i = 0;

	while (i < count) {
		uint64_t handle = views[i].opaque;
		_Atomic uint64_t *word = handle_word(pool, handle);
		uint64_t mask = 0;
		uint64_t mine;
		int run = 0;

		if (!word) {
			refused++;
			i++;
			continue;
		}
		/* Neighbours in one word go back in one operation.  A handle
		 * that is in the run twice is refused the second time. */
		for (; i < count; i++, run++) {
			uint64_t next = views[i].opaque;

			if (next >> 32 != handle >> 32 ||
				handle_word(pool, next) != word ||
				(mask & handle_bit(next)))
				break;
			mask |= handle_bit(next);
		}
		mine = take_back(pool, handle_slot(handle), word,
			(uint32_t)(handle >> 32), mask);
		if (mine == mask)
			continue;
		refused += (uint32_t)(run - __builtin_popcountll(mine));
	}
	if (refused)
		atomic_fetch_add_explicit(
			&pool->refused, refused, memory_order_relaxed);
}
