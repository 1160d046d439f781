/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trouble.c - when what breaks, and when it is whole again.
 *
 * Each trouble is two events, a beginning and an end; a run is not over while
 * one of them is ahead.
 */
#include <stdlib.h>

#include "play.h"

enum trouble_kind {
	TROUBLE_CUT,
	TROUBLE_CLOG,
	TROUBLE_STALL,
	TROUBLE_REFUSAL,
	TROUBLE_PUBLISHER,
	TROUBLE_RECEIVER,
	TROUBLE_LATE,
};

/* number: kind << 48 | node << 40 | length in microseconds */
static uint64_t pack(enum trouble_kind kind, uint32_t node, uint64_t us)
{
	return (uint64_t)kind << 48 | (uint64_t)node << 40 | us;
}

static void cut(struct play *play, uint32_t node, bool on)
{
	enum cut_kind kind = play->scenario.cut_kind;

	for (uint32_t p = 0; p < play->scenario.publishers; p++) {
		if (kind != CUT_REPORTS)
			play->net.links[p][node].cut = on;
		if (kind != CUT_DATA)
			play->net.links[node][p].cut = on;
	}
}

static void stop_links(struct play *play, uint32_t node, uint64_t until)
{
	for (uint32_t p = 0; p < play->scenario.publishers; p++) {
		if (world_below(&play->world, DICE_FAULTS, 2))
			play->net.links[p][node].clogged_until = until;
		else
			play->net.links[node][p].clogged_until = until;
	}
}

static void kill_node(struct play *play, uint32_t node)
{
	play->net.nodes[node].down = true;
	if (play->alive_publisher[node])
		publisher_kill(play->alive_publisher[node]);
	if (play->alive_receiver[node])
		receiver_kill(play->alive_receiver[node]);
	play->alive_publisher[node] = NULL;
	play->alive_receiver[node] = NULL;
}

static void end(
	struct world *world, void *object, void *detail, uint64_t number)
{
	struct play *play = object;
	uint32_t node = number >> 40 & 255;

	(void)world;
	(void)detail;
	play->troubles--;
	switch (number >> 48) {
	case TROUBLE_CUT:
		cut(play, node, false);
		break;
	case TROUBLE_PUBLISHER:
		if (!play->alive_publisher[node])
			play_publisher(play, node);
		break;
	case TROUBLE_RECEIVER:
	case TROUBLE_LATE:
		if (!play->alive_receiver[node])
			play_receiver(play, node);
		break;
	default:
		break;
	}
}

static void begin(
	struct world *world, void *object, void *detail, uint64_t number)
{
	struct play *play = object;
	uint32_t node = number >> 40 & 255;
	uint64_t until = world->now + (number & 0xffffffffff) * MICROSECOND;

	(void)detail;
	world_note(world, NOTE_FAULT, node, number >> 48, until);
	switch (number >> 48) {
	case TROUBLE_CUT:
		cut(play, node, true);
		break;
	case TROUBLE_CLOG:
		stop_links(play, node, until);
		break;
	case TROUBLE_STALL:
		if (play->alive_receiver[node])
			receiver_stall(play->alive_receiver[node], until);
		break;
	case TROUBLE_REFUSAL:
		play->net.nodes[node].refuse_until = until;
		break;
	case TROUBLE_PUBLISHER:
	case TROUBLE_RECEIVER:
		kill_node(play, node);
		break;
	default:
		break;
	}
	world_at(world, until, end, play, NULL, number);
}

static void plan(struct play *play, enum trouble_kind kind, uint32_t count,
	uint64_t ns_max)
{
	const struct scenario *s = &play->scenario;
	struct world *world = &play->world;
	uint32_t first = s->publishers, nodes = s->receivers;

	if (kind == TROUBLE_PUBLISHER || kind == TROUBLE_REFUSAL) {
		first = 0;
		nodes = s->publishers + (kind == TROUBLE_REFUSAL ? s->receivers
								 : 0);
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t node = first + (uint32_t)world_below(
						world, DICE_FAULTS, nodes);
		uint64_t at = world->now + world_below(world, DICE_FAULTS,
						   s->duration_ns + 1);
		uint64_t us = world_below(world, DICE_FAULTS,
			ns_max / MICROSECOND + 1);

		if (kind == TROUBLE_LATE)
			node = s->publishers + s->receivers - 1 - i;
		play->troubles++;
		world_at(world, at, begin, play, NULL, pack(kind, node, us));
	}
}

void play_troubles(struct play *play)
{
	const struct scenario *s = &play->scenario;

	plan(play, TROUBLE_CUT, s->cuts.count, s->cuts.ns_max);
	plan(play, TROUBLE_CLOG, s->clogs.count, s->clogs.ns_max);
	plan(play, TROUBLE_STALL, s->stalls.count, s->stalls.ns_max);
	plan(play, TROUBLE_REFUSAL, s->refusals.count, s->refusals.ns_max);
	plan(play, TROUBLE_PUBLISHER, s->publisher_crashes.count,
		s->publisher_crashes.ns_max);
	plan(play, TROUBLE_RECEIVER, s->receiver_crashes.count,
		s->receiver_crashes.ns_max);
	plan(play, TROUBLE_LATE, s->late, s->duration_ns);
}
