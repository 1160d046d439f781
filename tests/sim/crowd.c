/* SPDX-License-Identifier: BSD-2-Clause */
/* crowd.c - cohorts: one state for all who saw the same; see crowd.h. */
#include "crowd.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "publisher.h"
#include "reach.h"
#include "receiver.h"

/* The receiver comes first, so that it names its cohort. */
struct cohort {
	struct receiver receiver;
	uint32_t *members;
	uint32_t count;
	struct packet *said[8]; /* Reports of this turn. */
	uint32_t said_count;
};

struct crowd {
	struct world world;
	struct net net;
	struct publisher publisher;
	struct crowd_settings settings;
	struct crowd_result *result;
	struct cohort **cohorts;
	uint32_t cohort_count;
	struct cohort **of;    /* By member, 1 to receivers. */
	uint32_t *place;       /* In the list of its cohort. */
	uint64_t in_free_at;   /* The publisher's link, inwards. */
	uint32_t lost_frames;
};

/* A packet under way to members low to high - 1, without some of them. */
struct passage {
	struct packet *packet;
	uint32_t low, high;
	uint32_t not_low, not_high;
};

const struct crowd_settings crowd_defaults = {.seed = 1,
	.receivers = 1000,
	.frames = 200,
	.lose_every = 10,
	.interval_ns = 200 * MICROSECOND,
	.delay_ns = 10 * MICROSECOND,
	.in_bits = UINT64_C(10000000000),
	.in_queue = 2 << 20};

static void *zeroed(size_t count, size_t bytes)
{
	void *memory = calloc(count, bytes);

	if (!memory)
		abort();
	return memory;
}

/* ---- cohorts -------------------------------------------------------------- */

static uint64_t name_of(const struct crowd *crowd, uint32_t member)
{
	return msg_hash_mix(crowd->settings.seed << 32 | member) | 1;
}

/* The state speaks for this member. */
static void set_name(struct crowd *crowd, struct cohort *c, uint32_t member)
{
	struct receiver *r = &c->receiver;
	uint64_t name = name_of(crowd, member);

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

static struct cohort *cohort_new(struct crowd *crowd)
{
	struct cohort *c = zeroed(1, sizeof *c);

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

static void plan(void *context, struct receiver *receiver, uint64_t at);

/* Those of [low, high) leave the cohort, into one of their own. */
static struct cohort *split(
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
		plan(crowd, &own->receiver,
			msg_recover_deadline(
				&own->receiver.streams[0]->recover));
	return own;
}

/* How many of [low, high) are in it. */
static uint32_t count_in(const struct crowd *crowd, const struct cohort *c,
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

/* ---- a turn --------------------------------------------------------------- */

static void send_report(void *context, struct receiver *receiver,
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
	report->receiver = name_of(crowd, member);
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
		struct cohort *own = split(crowd, c, m, m + 1);

		act(own, packet);
		submit_all(crowd, own);
	}
	act(c, packet);
	submit_all(crowd, c);
}

static void turn(struct crowd *crowd, struct cohort *c, struct packet *packet)
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
		turn(crowd, c, NULL);
}

static void plan(void *context, struct receiver *receiver, uint64_t at)
{
	struct crowd *crowd = context;

	if (at >= receiver->timer_at)
		return;
	receiver->timer_at = at;
	world_at(&crowd->world, at, wake, crowd, receiver,
		++receiver->timer_number);
}

/* ---- the network ---------------------------------------------------------- */

static void arrives(
	struct world *world, void *object, void *detail, uint64_t number)
{
	struct crowd *crowd = object;
	struct passage *p = detail;
	uint32_t count = crowd->cohort_count;

	(void)world;
	(void)number;
	if (p->high - p->low == 1) {
		struct cohort *c = crowd->of[p->low];

		turn(crowd, c->count > 1 ? split(crowd, c, p->low, p->high) : c,
			p->packet);
		count = 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct cohort *c = crowd->cohorts[i];
		uint32_t deaf = count_in(crowd, c, p->not_low, p->not_high);

		if (deaf == c->count)
			continue;
		if (deaf > 0)
			split(crowd, c, p->not_low, p->not_high);
		turn(crowd, c, p->packet);
	}
	packet_drop(p->packet);
	free(p);
}

/* Whether this frame gets lost, and for whom. */
static void lose(struct crowd *crowd, struct passage *p, uint64_t frame)
{
	const struct crowd_settings *o = &crowd->settings;
	uint32_t hosts = o->loss == CROWD_LONE ? 1 : CROWD_RACK_HOSTS;

	if (frame % o->lose_every != o->lose_every - 1)
		return;
	if (o->loss == CROWD_EVERYWHERE || hosts > o->receivers)
		hosts = o->receivers;
	p->not_low = 1 + (uint32_t)world_below(&crowd->world, DICE_NET,
				 o->receivers - hosts + 1);
	p->not_high = p->not_low + hosts;
	crowd->lost_frames++;
	crowd->result->losses++;
	crowd->result->lost_copies += hosts;
}

static void carry(
	void *object, uint32_t to, struct packet *packet, uint64_t start)
{
	struct crowd *crowd = object;
	struct passage *p = zeroed(1, sizeof *p);
	struct msg_frame frame;

	p->packet = packet_hold(packet);
	p->low = to == NET_ALL ? 1 : to;
	p->high = to == NET_ALL ? crowd->settings.receivers + 1 : to + 1;
	if (to == NET_ALL && packet->data_frame &&
		msg_frame_read(packet->data, packet->bytes, &frame) ==
			MSG_FRAME_OK &&
		!(frame.flags & MSG_FRAME_REPAIR))
		lose(crowd, p, frame.transmission);
	world_at(&crowd->world, start + crowd->settings.delay_ns, arrives,
		crowd, p, 0);
}

/* ---- life ----------------------------------------------------------------- */

static const struct truth *truth_of(void *context, uint32_t word)
{
	struct crowd *crowd = context;

	return word == crowd->publisher.options.word ? &crowd->publisher.truth
						     : NULL;
}

static void delivered(void *context, const struct receiver *receiver,
	const struct packet *packet, bool repaired)
{
	struct crowd *crowd = context;
	uint64_t late = crowd->world.now - packet->born -
			crowd->settings.delay_ns;

	(void)receiver;
	if (repaired && late > crowd->result->worst_ns)
		crowd->result->worst_ns = late;
}

static void start_publisher(struct crowd *crowd)
{
	const struct crowd_settings *o = &crowd->settings;
	struct publisher_options options = {.tag = 0xc403d,
		.incarnation = 0x5eed00000001,
		.word = 1,
		.frame_bytes = 1472,
		.history = 4096,
		.history_bytes = UINT64_C(16) << 20,
		.heartbeat_ns = 100 * MILLISECOND,
		.repair_frames = 1000000,
		.repair_burst = 256,
		.give_up_ns = SECOND,
		.flow_receivers = 64,
		.traffic = {.messages = o->frames,
			.burst_min = 1,
			.burst_max = 1,
			.gap_min_ns = o->interval_ns,
			.gap_max_ns = o->interval_ns,
			.bytes_min = 1000,
			.bytes_max = 1000}};

	net_start(&crowd->net, &crowd->world, o->receivers + 1);
	crowd->net.carry = carry;
	crowd->net.carry_object = crowd;
	crowd->net.nodes[0].up_bits = UINT64_C(25000000000);
	crowd->net.nodes[0].up_queue = 256 * 1024;
	publisher_start(
		&crowd->publisher, &crowd->world, &crowd->net, &options);
}

static void start_receivers(struct crowd *crowd)
{
	uint32_t n = crowd->settings.receivers;
	struct receiver_options options = {.node = 1,
		.tag = 0xc403d,
		.window = 64,
		.posted = 80,
		.id = name_of(crowd, 1),
		.give_up_ns = 10 * SECOND,
		.lossless = true,
		.truth_of = truth_of,
		.delivered = delivered,
		.send = send_report,
		.plan = plan,
		.context = crowd};
	struct cohort *c;

	crowd->cohorts = zeroed(n + 1, sizeof(struct cohort *));
	crowd->of = zeroed(n + 2, sizeof(struct cohort *));
	crowd->place = zeroed(n + 2, sizeof(uint32_t));
	c = cohort_new(crowd);
	c->members = zeroed(n, sizeof(uint32_t));
	for (uint32_t m = 1; m <= n; m++) {
		crowd->of[m] = c;
		crowd->place[m] = m - 1;
		c->members[m - 1] = m;
	}
	c->count = n;
	receiver_start(&c->receiver, &crowd->world, &crowd->net, &options);
}

static bool complete(const struct crowd *crowd)
{
	if (!publisher_finished(&crowd->publisher))
		return false;
	for (uint32_t i = 0; i < crowd->cohort_count; i++) {
		const struct receiver *r = &crowd->cohorts[i]->receiver;

		if (r->stream_count == 0 ||
			r->streams[0]->recover.sequence !=
				crowd->publisher.truth.next_sequence)
			return false;
	}
	return true;
}

static void drop_all(struct crowd *crowd)
{
	crowd->publisher.dead = true;
	for (uint32_t i = 0; i < crowd->cohort_count; i++)
		crowd->cohorts[i]->receiver.dead = true;
	while (world_step(&crowd->world, NEVER - 1))
		;
	for (uint32_t i = 0; i < crowd->cohort_count; i++) {
		receiver_end(&crowd->cohorts[i]->receiver);
		free(crowd->cohorts[i]->members);
		free(crowd->cohorts[i]);
	}
	publisher_end(&crowd->publisher);
	world_end(&crowd->world);
	free(crowd->cohorts);
	free(crowd->of);
	free(crowd->place);
}

void crowd_play(
	const struct crowd_settings *settings, struct crowd_result *result)
{
	struct crowd *crowd = zeroed(1, sizeof *crowd);
	struct world *world = &crowd->world;
	uint64_t limit;

	memset(result, 0, sizeof *result);
	crowd->settings = *settings;
	crowd->result = result;
	world_start(world, settings->seed, false);
	start_receivers(crowd);
	start_publisher(crowd);
	limit = world->now + settings->frames * settings->interval_ns +
		10 * SECOND;
	while (!world->failed && !complete(crowd)) {
		for (int i = 0; i < 512; i++)
			world_step(world, limit);
		if (world->now >= limit)
			world_fail(world, "not all have all after 10 s");
	}
	result->failed = world->failed;
	memcpy(result->failure, world->failure, sizeof result->failure);
	result->unicasts = crowd->publisher.repair.counts.unicasts;
	result->multicasts = crowd->publisher.repair.counts.multicasts;
	result->repairs = result->unicasts + result->multicasts -
			  crowd->publisher.repair.counts.tails;
	result->cohorts = crowd->cohort_count;
	result->events = world->events;
	result->hash = world->hash;
	drop_all(crowd);
	free(crowd);
}
