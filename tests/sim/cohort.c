/* SPDX-License-Identifier: BSD-2-Clause */
/* cohort.c - one state for all who saw the same; see cohort.h. */
#include "cohort.h"

#include <stdlib.h>

#include "base/hash.h"
#include "reach.h"

/* ---- cohorts ------------------------------------------------------------- */

uint64_t cohort_name(const struct crowd *crowd, uint32_t member)
{
	return msg_hash_mix(crowd->settings.seed << 32 | member) | 1;
}

/* The state speaks for this member. */
static void set_name(struct crowd *crowd, struct cohort *c, uint32_t member)
{
	struct receiver *r = &c->receiver;
	uint64_t name = cohort_name(crowd, member);

	r->options.node = member;
	r->options.id = name;
	for (uint32_t i = 0; i < r->stream_count; i++) {
		struct stream *s = r->streams[i];

		s->book.receiver = member;
		s->recover.options.receiver = name;
		s->recover.options.seed = name;
		s->recover.options.reach = reach_of(member);
		s->recover.random = name;
	}
}

struct cohort *cohort_new(struct crowd *crowd)
{
	struct cohort *c = calloc(1, sizeof *c);

	if (!c)
		abort();
	crowd->cohorts[crowd->cohort_count++] = c;
	return c;
}

static void add_member(struct crowd *crowd, struct cohort *c, uint32_t member)
{
	c->members = realloc(
		c->members, (c->count + 1) * sizeof(uint32_t));
	if (!c->members)
		abort();
	crowd->of[member] = c;
	crowd->place[member] = c->count;
	c->members[c->count++] = member;
}

static void remove_member(
	struct crowd *crowd, struct cohort *c, uint32_t member)
{
	uint32_t last = c->members[--c->count];

	c->members[crowd->place[member]] = last;
	crowd->place[last] = crowd->place[member];
}

struct cohort *cohort_split(
	struct crowd *crowd, struct cohort *c, uint32_t low, uint32_t high)
{
	struct cohort *own = cohort_new(crowd);

	receiver_copy(&own->receiver, &c->receiver);
	own->receiver.timer_number = 0;
	for (uint32_t m = low; m < high; m++)
		if (crowd->of[m] == c) {
			remove_member(crowd, c, m);
			add_member(crowd, own, m);
		}
	set_name(crowd, own, own->members[0]);
	if (own->receiver.stream_count > 0)
		cohort_plan(crowd, &own->receiver,
			msg_recover_deadline(
				&own->receiver.streams[0]->recover));
	return own;
}

uint32_t cohort_count_in(const struct crowd *crowd, const struct cohort *c,
	uint32_t low, uint32_t high)
{
	uint32_t count = 0;

	if (c->count < high - low) {
		for (uint32_t i = 0; i < c->count; i++)
			count += c->members[i] >= low && c->members[i] < high;
		return count;
	}
	for (uint32_t m = low; m < high; m++)
		count += crowd->of[m] == c;
	return count;
}

/* ---- a turn -------------------------------------------------------------- */

void cohort_send(void *context, struct receiver *receiver,
	struct packet *packet, const struct msg_reach *to)
{
	struct cohort *c = (struct cohort *)receiver;

	(void)context;
	(void)to;
	if (c->said_count < 8)
		c->said[c->said_count++] = packet_hold(packet);
}

static void report_arrives(
	struct world *world, void *object, void *detail, uint64_t number)
{
	struct crowd *crowd = object;

	(void)world;
	(void)number;
	publisher_arrive(&crowd->publisher, detail);
	packet_drop(detail);
}

/* One member's copy of the report, through the queue of the publisher. */
static void submit(struct crowd *crowd, struct msg_report *report,
	uint32_t member, uint32_t publisher)
{
	const struct crowd_settings *o = &crowd->settings;
	uint64_t start = crowd->world.now + o->delay_ns, from = start;
	struct packet *packet;

	if (crowd->in_free_at > from)
		from = crowd->in_free_at;
	if ((from - start) / 8 * o->in_bits / SECOND > o->in_queue) {
		crowd->result->naks_dropped += report->count > 0;
		return;
	}
	packet = packet_new(MSG_FRAME_HEADER_BYTES + MSG_REPORT_BYTES_MAX);
	report->receiver = cohort_name(crowd, member);
	report->reach = reach_of(member);
	packet->bytes = msg_report_write(packet->data, report,
		crowd->publisher.options.tag, publisher);
	crowd->in_free_at = from + (packet->bytes + 66) * 8 * SECOND /
					   o->in_bits;
	world_at(&crowd->world, crowd->in_free_at, report_arrives, crowd,
		packet, 0);
}

static void submit_all(struct crowd *crowd, struct cohort *c)
{
	struct crowd_result *result = crowd->result;

	for (uint32_t i = 0; i < c->said_count; i++) {
		struct packet *packet = c->said[i];
		struct msg_report report;
		struct msg_frame frame;

		if (msg_frame_read(packet->data, packet->bytes, &frame) !=
				MSG_FRAME_OK ||
			!msg_report_read(&report, &frame,
				packet->data + MSG_FRAME_HEADER_BYTES))
			abort();
		if (report.count > 0) {
			result->naks += c->count;
			if (crowd->lost_frames <= 1)
				result->naks_first += c->count;
		}
		for (uint32_t m = 0; m < c->count; m++)
			submit(crowd, &report, c->members[m], frame.publisher);
		packet_drop(packet);
	}
	c->said_count = 0;
}

static void act(struct cohort *c, struct packet *packet)
{
	if (packet)
		receiver_arrive(&c->receiver, packet);
	else
		receiver_turn(&c->receiver);
}

static uint64_t dice_of(const struct cohort *c)
{
	return c->receiver.stream_count > 0
		       ? c->receiver.streams[0]->recover.random
		       : 0;
}

/* Its members have thrown dice, each his own: back to `before`, and then one by
 * one. */
static void scatter(struct crowd *crowd, struct cohort *c,
	struct receiver *before, struct packet *packet)
{
	uint64_t number = c->receiver.timer_number;

	while (c->said_count > 0)
		packet_drop(c->said[--c->said_count]);
	receiver_end(&c->receiver);
	c->receiver = *before;
	c->receiver.timer_number = number;
	set_name(crowd, c, c->members[0]);
	while (c->count > 1) {
		uint32_t m = c->members[c->count - 1];
		struct cohort *own = cohort_split(crowd, c, m, m + 1);

		act(own, packet);
		submit_all(crowd, own);
	}
	act(c, packet);
	submit_all(crowd, c);
}

void cohort_turn(struct crowd *crowd, struct cohort *c, struct packet *packet)
{
	struct receiver before;
	uint64_t dice = dice_of(c);
	bool had_stream = c->receiver.stream_count > 0;

	if (c->count == 1) {
		act(c, packet);
		submit_all(crowd, c);
		return;
	}
	receiver_copy(&before, &c->receiver);
	act(c, packet);
	if (had_stream && dice_of(c) != dice) {
		scatter(crowd, c, &before, packet);
		return;
	}
	receiver_end(&before);
	submit_all(crowd, c);
}

static void wake(
	struct world *world, void *object, void *detail, uint64_t number)
{
	struct crowd *crowd = object;
	struct cohort *c = detail;

	(void)world;
	if (number == c->receiver.timer_number)
		cohort_turn(crowd, c, NULL);
}

void cohort_plan(void *context, struct receiver *receiver, uint64_t at)
{
	struct crowd *crowd = context;

	if (at >= receiver->timer_at)
		return;
	receiver->timer_at = at;
	world_at(&crowd->world, at, wake, crowd, receiver,
		++receiver->timer_number);
}
