/* SPDX-License-Identifier: BSD-2-Clause */
/* world.c - the clock, the heap of events, the trace; see world.h. */
#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static const char *const note_names[NOTE_COUNT] = {
	[NOTE_SENT] = "sent", [NOTE_ARRIVED] = "arrived",
	[NOTE_DROPPED] = "dropped", [NOTE_DELIVERED] = "delivered",
	[NOTE_LOST] = "lost", [NOTE_REPORT] = "report",
	[NOTE_REPAIR] = "repair", [NOTE_PROBE] = "probe",
	[NOTE_REFUSED] = "refused", [NOTE_CRASH] = "crash",
	[NOTE_START] = "start", [NOTE_FAULT] = "fault",
	[NOTE_FORGED] = "forged",
};

void world_start(struct world *world, uint64_t seed, bool trace)
{
	struct random_stream root = {seed};

	memset(world, 0, sizeof *world);
	world->trace = trace;
	for (int i = 0; i < DICE_COUNT; i++)
		world->dice[i].state = msg_hash_mix(random_next(&root));
	/* Zero is a time that some fields mean "never" by. */
	world->now = SECOND;
}

void world_end(struct world *world)
{
	free(world->heap);
	world->heap = NULL;
}

static bool before(const struct world_event *a, const struct world_event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void world_at(struct world *world, uint64_t at, world_run run, void *object,
	void *detail, uint64_t number)
{
	struct world_event event = {at < world->now ? world->now : at,
		world->order++, run, object, detail, number};
	size_t i = world->count++;

	if (world->count > world->room) {
		world->room = world->room ? 2 * world->room : 1024;
		world->heap = realloc(
			world->heap, world->room * sizeof *world->heap);
		if (!world->heap)
			abort();
	}
	while (i > 0 && before(&event, &world->heap[(i - 1) / 2])) {
		world->heap[i] = world->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	world->heap[i] = event;
}

static struct world_event take_first(struct world *world)
{
	struct world_event first = world->heap[0];
	struct world_event last = world->heap[--world->count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < world->count) {
		if (child + 1 < world->count &&
			before(&world->heap[child + 1], &world->heap[child]))
			child++;
		if (!before(&world->heap[child], &last))
			break;
		world->heap[i] = world->heap[child];
		i = child;
	}
	world->heap[i] = last;
	return first;
}

bool world_step(struct world *world, uint64_t until)
{
	struct world_event event;

	if (world->count == 0 || world->heap[0].at > until) {
		world->now = until;
		return false;
	}
	event = take_first(world);
	world->now = event.at;
	world->events++;
	event.run(world, event.object, event.detail, event.number);
	return true;
}

void world_note(struct world *world, enum world_note note, uint32_t who,
	uint64_t a, uint64_t b)
{
	uint64_t h = world->hash;

	h = (h ^ world->now) * UINT64_C(0x100000001b3);
	h = (h ^ ((uint64_t)note << 32 | who)) * UINT64_C(0x100000001b3);
	h = (h ^ a) * UINT64_C(0x9e3779b97f4a7c15);
	h = (h ^ b) * UINT64_C(0x9e3779b97f4a7c15);
	world->hash = h ^ h >> 29;
	if (world->trace)
		printf("%12.3f us  node %-3" PRIu32 " %-9s %" PRIu64
		       " %" PRIu64 "\n",
			(double)(world->now - SECOND) / 1e3, who,
			note_names[note], a, b);
}

void world_fail(struct world *world, const char *format, ...)
{
	va_list list;

	if (world->failed)
		return;
	world->failed = true;
	va_start(list, format);
	vsnprintf(world->failure, sizeof world->failure, format, list);
	va_end(list);
	if (world->trace)
		printf("%12.3f us  FAILED: %s\n",
			(double)(world->now - SECOND) / 1e3, world->failure);
}
