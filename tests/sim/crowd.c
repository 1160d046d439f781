/* SPDX-License-Identifier: BSD-2-Clause */
/* crowd.c - the network of a crowd, and its life; see crowd.h. */
#include "crowd.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cohort.h"
#include "reach.h"

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

/* ---- the network --------------------------------------------------------- */

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

		if (c->count > 1)
			c = cohort_split(crowd, c, p->low, p->high);
		cohort_turn(crowd, c, p->packet);
		count = 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct cohort *c = crowd->cohorts[i];
		uint32_t deaf = cohort_count_in(
			crowd, c, p->not_low, p->not_high);

		if (deaf == c->count)
			continue;
		if (deaf > 0)
			cohort_split(crowd, c, p->not_low, p->not_high);
		cohort_turn(crowd, c, p->packet);
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

/* ---- life ---------------------------------------------------------------- */

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
		.id = cohort_name(crowd, 1),
		.give_up_ns = 10 * SECOND,
		.lossless = true,
		.truth_of = truth_of,
		.delivered = delivered,
		.send = cohort_send,
		.plan = cohort_plan,
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
	for (uint32_t m = n; crowd->settings.apart && m > 1; m--)
		cohort_split(crowd, c, m, m + 1);
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
		for (int i = 0; i < 64; i++)
			world_step(world, limit);
		if (world->now >= limit && !complete(crowd))
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
