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
 *                + those that its own publisher's queue was too full for
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

/* Who wished for history begins where the publisher said. */
static void judge_join(struct play *play, const struct publisher *p,
	const struct receiver *r, const struct stream *s)
{
	if (r->options.history > 0 && s->book.started &&
		s->publisher == p->options.word &&
		!publisher_answered(p, r->options.node, s->book.start))
		world_fail(&play->world,
			"receiver %" PRIu32 " begins with %" PRIu64
			", where the publisher did not send it",
			r->options.node, s->book.start);
}

static void judge_publisher(struct play *play, const struct publisher *p)
{
	const struct publisher_options *o = &p->options;
	uint64_t lived = play->world.now - p->started_ns;
	uint64_t may = o->repair_burst +
		       o->repair_frames * (lived / MILLISECOND + 1) / 1000;

	may *= o->frame_bytes;
	if (p->history_bytes_high > o->history_bytes + o->frame_bytes)
		world_fail(&play->world,
			"publisher %08" PRIx32 " kept %" PRIu64
			" bytes, and may keep %" PRIu64,
			o->word, p->history_bytes_high, o->history_bytes);
	if (p->repaired_bytes > may)
		world_fail(&play->world,
			"publisher %08" PRIx32 " sent %" PRIu64
			" bytes again in %" PRIu64 " ns, and may %" PRIu64,
			o->word, p->repaired_bytes, lived, may);
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
		result->losses += p->joins + p->repair.counts.tails +
				  p->side_dropped;
		result->published += p->truth.next_sequence -
				     p->truth.first_sequence;
	}
}

void play_judge(struct play *play, struct play_result *result)
{
	struct world *world = &play->world;

	for (uint32_t i = 0; i < play->receiver_count; i++) {
		const struct receiver *r = play->receivers[i];

		for (uint32_t k = 0; k < r->stream_count; k++) {
			judge_stream(play, r, r->streams[k]);
			for (uint32_t p = 0; p < play->publisher_count; p++)
				judge_join(play, play->publishers[p], r,
					r->streams[k]);
		}
	}
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
