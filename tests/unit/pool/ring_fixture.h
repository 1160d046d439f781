/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring_fixture.h - a ring whose entries are made of their index, and readers of it
 * that check that: for test_ring.c and test_ring_readers.c.
 */
#ifndef TESTS_UNIT_POOL_RING_FIXTURE_H
#define TESTS_UNIT_POOL_RING_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "pool/ring_reader.h"
#include "pool/ring_writer.h"

/* Check writes to a pipe at each of its assertions: not in inner loops. */
#define MUST(condition, ...)                                                   \
	do {                                                                   \
		if (!(condition))                                              \
			ck_abort_msg(__VA_ARGS__);                             \
	} while (0)

#define TOKENS 4096u
#define HELD 16u

static struct msg_ring_header *header;
static struct msg_ring_writer writer;
static struct msg_ring_ledger *ledgers[MSG_RING_READERS_MAX];
static struct msg_ring_reader readers[MSG_RING_READERS_MAX];
static uint32_t out[TOKENS]; /* 1: published and not yet free. */
static uint32_t out_count;
static uint32_t woken[MSG_RING_READERS_MAX];

static inline void freed(void *context, uint32_t token)
{
	MUST(context == &writer && token < TOKENS, "frees token %u", token);
	MUST(out[token] == 1, "token %u is freed and was not out", token);
	out[token] = 0;
	out_count--;
}

static inline void wake(void *context, uint32_t reader)
{
	(void)context;
	woken[reader]++;
}

static inline void open_ring_at(uint32_t entry_count, uint64_t first)
{
	size_t bytes = msg_ring_bytes(entry_count);
	struct msg_ring_writer_options options = {
		.entry_count = entry_count,
		.pin_max = 64,
		.epoch = 5,
		.first = first,
		.shared = true,
		.free = freed,
		.wake = wake,
		.context = &writer,
	};

	header = aligned_alloc(64, bytes);
	memset(header, 0, bytes);
	options.header = header;
	ck_assert_int_eq(msg_ring_writer_open(&writer, &options), 0);
	memset(out, 0, sizeof out);
	memset(woken, 0, sizeof woken);
	out_count = 0;
}

static inline void open_ring(uint32_t entry_count)
{
	open_ring_at(entry_count, 0);
}

static inline void close_ring(void)
{
	msg_ring_writer_close(&writer);
	free(header);
	for (unsigned k = 0; k < MSG_RING_READERS_MAX; k++) {
		free(ledgers[k]);
		ledgers[k] = NULL;
	}
}

static inline void add(uint32_t k, uint32_t held_max, enum msg_ring_slow slow)
{
	size_t bytes = sizeof *ledgers[k] + TOKENS * sizeof(uint64_t);

	free(ledgers[k]);
	ledgers[k] = aligned_alloc(64, bytes);
	memset(ledgers[k], 0, bytes);
	msg_ring_writer_add(&writer, k, ledgers[k], held_max, slow);
	msg_ring_reader_open(
		&readers[k], header, header->entry_count, ledgers[k], k, MSG_RING_HEAD);
}

static inline uint32_t new_token(void)
{
	for (uint32_t i = 0; i < TOKENS; i++)
		if (!out[i])
			return i;
	ck_abort_msg("all tokens are out");
	return 0;
}

/* An entry made of its index; its token stands in `place`. */
static inline bool put(void)
{
	uint64_t at = writer.head;
	uint32_t token = new_token();
	struct msg_ring_item item = {
		.sequence = at * 3,
		.publisher = (uint32_t)at + 7,
		.topic = (uint32_t)at + 8,
		.bytes = (uint32_t)at & MSG_RING_BYTES_MAX,
		.kind = MSG_RING_SINGLE,
		.lost = (uint32_t)at + 9,
		.place = token,
	};

	if (!msg_ring_room(&writer, 1))
		return false;
	msg_ring_put(&writer, 0, &item, token);
	msg_ring_advance(&writer, 1);
	out[token] = 1;
	out_count++;
	return true;
}

static inline void put_some(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ck_assert(put());
}

/* The next entry, claimed; its token. */
static inline enum msg_ring_peek take(uint32_t k, uint32_t *token)
{
	struct msg_ring_reader *r = &readers[k];
	uint64_t at = r->next;
	struct msg_ring_item item;
	enum msg_ring_peek seen = msg_ring_peek(r, at, &item);

	if (seen != MSG_RING_ENTRY)
		return seen;
	MUST(item.sequence == at * 3 && item.publisher == (uint32_t)at + 7 &&
			item.topic == (uint32_t)at + 8 &&
			item.bytes == ((uint32_t)at & MSG_RING_BYTES_MAX) &&
			item.lost == (uint32_t)at + 9,
		"entry %llu says something else", (unsigned long long)at);
	*token = item.place;
	if (msg_ring_hold(r, at + 1, true) > at)
		return MSG_RING_GONE;
	MUST(out[*token] == 1, "token %u is free and claimed", *token);
	return seen;
}

static inline void take_some(uint32_t k, unsigned count)
{
	uint32_t token;

	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(take(k, &token), MSG_RING_ENTRY);
}

static inline void settle(uint32_t k)
{
	msg_ring_settle(&readers[k], readers[k].next);
}

static inline void hold_top(uint32_t k, uint32_t top)
{
	atomic_store(&ledgers[k]->held_top, top);
}

#endif
