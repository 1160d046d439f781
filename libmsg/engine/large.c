/* SPDX-License-Identifier: BSD-2-Clause */
/* large.c - memory for large messages; see large.h. */
#include "engine/large.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES ((size_t)MSG_LARGE_PAGE)
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

void msg_large_open(struct msg_large_pool *pool, struct msg_channels *channels,
	enum msg_channel_use use, size_t bytes_max)
{
	memset(pool, 0, sizeof *pool);
	pool->channels = channels;
	pool->use = use;
	pool->bytes_max = bytes_max;
}

void msg_large_open_in(struct msg_large_pool *pool,
	struct msg_channels *channels, enum msg_channel_use use,
	size_t bytes_max, const struct msg_large_area *area)
{
	msg_large_open(pool, channels, use, bytes_max);
	pool->area = *area;
}

static size_t up_to(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) & ~(unit - 1);
}

/* Of a message, in whole pages, one at least. */
static size_t room_for(size_t bytes)
{
	return bytes > 0 ? up_to(bytes, PAGE_BYTES) : PAGE_BYTES;
}

/* ---- memory ------------------------------------------------------------- */

/* On a boundary of huge pages, where it is large enough for some. */
static uint8_t *map(size_t bytes)
{
	size_t slack = bytes < HUGE_PAGE_BYTES ? 0 : HUGE_PAGE_BYTES;
	uint8_t *whole = mmap(NULL, bytes + slack, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	if (whole == MAP_FAILED)
		return NULL;
	if (slack == 0)
		return whole;
	before = up_to((uintptr_t)whole, HUGE_PAGE_BYTES) - (uintptr_t)whole;
	if (before > 0)
		munmap(whole, before);
	if (slack > before)
		munmap(whole + before + bytes, slack - before);
	madvise(whole + before, bytes, MADV_HUGEPAGE);
	return whole + before;
}

static void unmap(struct msg_large_pool *pool, struct msg_large_buffer *b)
{
	if (!pool->area.base)
		munmap(b->memory, b->bytes);
	b->memory = NULL;
}

static void drop(struct msg_large_pool *pool, struct msg_large_buffer *b)
{
	if (pool->channels)
		pool->channels->ops->unshare(pool->channels, &b->region);
	pool->bytes -= b->bytes - MSG_LARGE_FRONT;
	unmap(pool, b);
	memset(b, 0, sizeof *b);
}

void msg_large_close(struct msg_large_pool *pool)
{
	for (uint32_t i = 0; i < pool->top; i++)
		if (pool->buffers[i].memory)
			drop(pool, &pool->buffers[i]);
	pool->top = 0;
}

/* ---- areas -------------------------------------------------------------- */

static bool is_free(
	const struct msg_large_pool *pool, const uint8_t *from, size_t bytes)
{
	const uint8_t *base = pool->area.base;

	if (from < base || (uint64_t)(from - base) > pool->area.bytes ||
		bytes > pool->area.bytes - (uint64_t)(from - base))
		return false;
	for (uint32_t i = 0; i < pool->top; i++) {
		const struct msg_large_buffer *b = &pool->buffers[i];

		if (b->memory && from < b->memory + b->bytes &&
			b->memory < from + bytes)
			return false;
	}
	return true;
}

/* The first hole, or the last; NULL: there is none. */
static uint8_t *find_hole(const struct msg_large_pool *pool, size_t bytes)
{
	bool small = bytes < pool->area.bytes / 8;
	uint8_t *end = pool->area.base + pool->area.bytes;
	uint8_t *found = small ? end - bytes : pool->area.base;

	if (bytes > pool->area.bytes)
		return NULL;
	if (is_free(pool, found, bytes))
		return found;
	found = NULL;
	for (uint32_t i = 0; i < pool->top; i++) {
		const struct msg_large_buffer *b = &pool->buffers[i];
		uint8_t *at;

		if (!b->memory)
			continue;
		if (small && (size_t)(b->memory - pool->area.base) < bytes)
			continue;
		at = small ? b->memory - bytes : b->memory + b->bytes;
		if (is_free(pool, at, bytes) &&
			(!found || (small ? at > found : at < found)))
			found = at;
	}
	return found;
}

/* Whether its pages could be made, as far as the kernel says so beforehand (from
 * 5.14 on). */
static bool fault_in(uint8_t *memory, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
	return madvise(memory, bytes, MADV_POPULATE_WRITE) == 0 ||
	       errno == EINVAL;
#else
	(void)memory;
	(void)bytes;
	return true;
#endif
}

/* ---- taking ------------------------------------------------------------- */

/* The smallest idle one that has so many bytes for its message. */
static struct msg_large_buffer *best_fit(
	struct msg_large_pool *pool, size_t bytes)
{
	struct msg_large_buffer *best = NULL;

	for (uint32_t i = 0; i < pool->top; i++) {
		struct msg_large_buffer *b = &pool->buffers[i];

		if (b->memory && !b->used &&
			b->bytes - MSG_LARGE_FRONT >= bytes &&
			(!best || b->bytes < best->bytes))
			best = b;
	}
	return best;
}

static struct msg_large_buffer *free_place(struct msg_large_pool *pool)
{
	for (uint32_t i = 0; i < pool->top; i++)
		if (!pool->buffers[i].memory)
			return &pool->buffers[i];
	return pool->top < MSG_LARGE_BUFFERS_MAX ? &pool->buffers[pool->top++]
						 : NULL;
}

/* The largest idle one goes; false: there is none. */
static bool drop_idle(struct msg_large_pool *pool)
{
	struct msg_large_buffer *largest = NULL;

	for (uint32_t i = 0; i < pool->top; i++) {
		struct msg_large_buffer *b = &pool->buffers[i];

		if (b->memory && !b->used &&
			(!largest || b->bytes > largest->bytes))
			largest = b;
	}
	if (largest)
		drop(pool, largest);
	return largest != NULL;
}

/* For a new one; AGAIN, MEMORY.  In an area idle ones go until there is a hole. */
static int find_memory(struct msg_large_pool *pool, size_t bytes, uint8_t **memory)
{
	if (!pool->area.base) {
		*memory = map(bytes);
		return *memory ? 0 : -MSG_ERROR_MEMORY;
	}
	while (!(*memory = find_hole(pool, bytes)))
		if (!drop_idle(pool))
			return -MSG_ERROR_AGAIN;
	return !pool->area.fault_in || fault_in(*memory, bytes)
		       ? 0
		       : -MSG_ERROR_MEMORY;
}

/* A new one, for which idle ones go if they must. */
static int make(struct msg_large_pool *pool, size_t bytes,
	struct msg_large_buffer **made)
{
	struct msg_large_buffer *b;
	uint8_t *memory;
	int result;

	while (pool->bytes + bytes > pool->bytes_max)
		if (!drop_idle(pool))
			return -MSG_ERROR_AGAIN;
	b = free_place(pool);
	if (!b && drop_idle(pool))
		b = free_place(pool);
	if (!b)
		return -MSG_ERROR_AGAIN;
	result = find_memory(pool, bytes + MSG_LARGE_FRONT, &memory);
	if (result < 0)
		return result;
	b->bytes = bytes + MSG_LARGE_FRONT;
	b->memory = memory;
	if (pool->channels &&
		pool->channels->ops->share(pool->channels, b->memory, b->bytes,
			pool->use, &b->region) < 0) {
		unmap(pool, b);
		return -MSG_ERROR_MEMORY;
	}
	pool->bytes += bytes;
	*made = b;
	return 0;
}

int msg_large_take(struct msg_large_pool *pool, size_t bytes, uint32_t *buffer)
{
	size_t room = room_for(bytes);
	struct msg_large_buffer *b = best_fit(pool, room);
	int result;

	/* Much too large a one is taken only where there is no room for another. */
	if (!b || (b->bytes > 2 * room + MSG_LARGE_FRONT &&
			  pool->bytes + room <= pool->bytes_max)) {
		result = make(pool, room, &b);
		if (result < 0)
			return result;
	}
	b->used = true;
	*buffer = (uint32_t)(b - pool->buffers);
	return 0;
}
