/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * judge.c - what must hold when a run is over.
 *
 * Who lives has everything, the books of the protocol and of the oracle agree,
 * nobody held more than he may, and repairs were no more than losses:
 *
 *     repairs <= packets lost on the way to a receiver
 *                + packets that came after a later one (a gap, for a while)
 *                + frames dropped by a receiver for want of room
 *                + frames that joiners were sent back for
 *                + last frames sent once more unasked
 *                + SLACK
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "play.h"

/* A report may be two: the one and its double, each with its own answer. */
#define SLACK 2u

static void judge_stream(
	struct play *play, const struct receiver *r, const struct stream *s)
{
	const struct msg_recover *m = &s->recover;
	const struct book *book = &s->book;
	struct world *world = &play->world;

	if (!book->started)
		return;
	if (m->sequence != book->expected)
		world_fail(world,
			"receiver %" PRIu32 " is at %" PRIu64
			", and was given all up to %" PRIu64,
			r->options.node, m->sequence, book->expected);
	if (m->lost_total != book->lost ||
		book->start + book->delivered + book->lost != book->expected)
		world_fail(world,
			"receiver %" PRIu32 ": from %" PRIu64 ", %" PRIu64
			" delivered and %" PRIu64 " lost (%" PRIu64
			") do not make %" PRIu64,
			r->options.node, book->start, book->delivered,
			book->lost, m->lost_total, book->expected);
	if (m->counts.gone + m->counts.given_up != m->lost_total)
		world_fail(world,
			"receiver %" PRIu32 ": %" PRIu64 " gone and %" PRIu64
			" given up are not %" PRIu64 " lost",
			r->options.node, m->counts.gone, m->counts.given_up,
			m->lost_total);
}

static void judge_publisher(struct play *play, const struct publisher *p)
{
	const struct publisher_options *o = &p->options;
	uint64_t repairs =
		p->repair.counts.unicasts + p->repair.counts.multicasts;
	uint64_t lived = play->world.now - p->started_ns;
	uint64_t may = o->repair_burst +
		       o->repair_frames * (lived / MILLISECOND + 1) / 1000;

	if (p->history_bytes_high > o->history_bytes + o->frame_bytes)
		world_fail(&play->world,
			"publisher %08" PRIx32 " kept %" PRIu64
			" bytes, and may keep %" PRIu64,
			o->word, p->history_bytes_high, o->history_bytes);
	if (repairs > may)
		world_fail(&play->world,
			"publisher %08" PRIx32 " sent %" PRIu64
			" repairs in %" PRIu64 " ns, and may %" PRIu64,
			o->word, repairs, lived, may);
}

/* Packets that somebody had reason to ask for, and repairs. */
static void sum(const struct play *play, struct play_result *result)
{
	for (uint32_t i = 0; i < play->scenario.receivers; i++) {
		const struct net_node *node =
			&play->net.nodes[play->scenario.publishers + i];

		result->losses += node->lost + node->overtaken;
	}
	for (uint32_t i = 0; i < play->receiver_count; i++) {
		const struct receiver *r = play->receivers[i];

		result->losses += r->overflow;
		result->reports += r->reports;
		for (uint32_t k = 0; k < r->stream_count; k++) {
			const struct stream *s = r->streams[k];

			result->losses += s->recover.counts.beyond;
			result->delivered += s->book.delivered;
			result->lost += s->book.lost;
		}
	}
	for (uint32_t i = 0; i < play->publisher_count; i++) {
		const struct publisher *p = play->publishers[i];

		result->repairs += p->repair.counts.unicasts +
				   p->repair.counts.multicasts;
		result->losses += p->joins + p->repair.counts.tails;
		result->published += p->truth.next_sequence -
				     p->truth.first_sequence;
	}
}

void play_judge(struct play *play, struct play_result *result)
{
	struct world *world = &play->world;

	for (uint32_t i = 0; i < play->receiver_count; i++)
		for (uint32_t k = 0; k < play->receivers[i]->stream_count; k++)
			judge_stream(play, play->receivers[i],
				play->receivers[i]->streams[k]);
	for (uint32_t i = 0; i < play->publisher_count; i++)
		judge_publisher(play, play->publishers[i]);
	sum(play, result);
	if (play->scenario.frugal &&
		result->repairs > result->losses + SLACK)
		world_fail(world,
			"%" PRIu64 " repairs for %" PRIu64 " losses",
			result->repairs, result->losses);
	result->scenario = play->scenario.name;
	result->failed = world->failed;
	memcpy(result->failure, world->failure, sizeof result->failure);
	result->hash = world->hash;
	result->events = world->events;
	result->virtual_ns = play->done_ns - SECOND;
	result->forged = play->forged;
}
