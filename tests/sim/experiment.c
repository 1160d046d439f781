/* SPDX-License-Identifier: BSD-2-Clause */
/* experiment.c - a steady world to measure in; see experiment.h. */
#include "experiment.h"

#include <stdlib.h>
#include <string.h>

struct laboratory {
	struct world world;
	struct net net;
	struct publisher publisher;
	struct receiver receivers[EXPERIMENT_RECEIVERS_MAX];
	const struct experiment *experiment;
	struct experiment_result *result;
	uint64_t latency_room, repair_room;
	uint64_t last_ns; /* When something was delivered last. */
};

const struct experiment experiment_defaults = {.seed = 1,
	.receivers = 1,
	.delay_ns = 10 * MICROSECOND,
	.messages = 100000,
	.bytes = 100,
	.burst = 1,
	.interval_ns = 10 * MICROSECOND,
	.up_bits = UINT64_C(25000000000),
	.window = 1024,
	.history = 16384,
	.give_up_ns = 60 * SECOND};

static void add(uint64_t **values, uint64_t *count, uint64_t *room,
	uint64_t value)
{
	if (*count == *room) {
		*room = *room ? 2 * *room : 4096;
		*values = realloc(*values, *room * sizeof **values);
		if (!*values)
			abort();
	}
	(*values)[(*count)++] = value;
}

static bool is_apart(
	const struct laboratory *lab, const struct receiver *receiver)
{
	const struct experiment *e = lab->experiment;

	return (e->slow_ns > 0 || e->cry_loss > 0) &&
	       receiver->options.node == 1;
}

static void delivered(void *context, const struct receiver *receiver,
	const struct packet *packet, bool repaired)
{
	struct laboratory *lab = context;
	struct experiment_result *result = lab->result;
	uint64_t age = lab->world.now - packet->born;

	lab->last_ns = lab->world.now;
	if (is_apart(lab, receiver))
		return;
	add(&result->latencies, &result->latency_count, &lab->latency_room,
		age);
	if (repaired)
		add(&result->repairs, &result->repair_count, &lab->repair_room,
			age - lab->experiment->delay_ns);
}

static const struct truth *truth_of(void *context, uint32_t word)
{
	struct laboratory *lab = context;

	return word == lab->publisher.options.word ? &lab->publisher.truth
						   : NULL;
}

static void start_publisher(struct laboratory *lab)
{
	const struct experiment *e = lab->experiment;
	struct publisher_options options = {.tag = 7,
		.incarnation = 0x5eed00000001,
		.word = 1,
		.frame_bytes = 24 + (e->bytes > 1448 ? e->bytes : 1448),
		.history = e->history,
		.history_bytes = UINT64_C(1) << 30,
		.heartbeat_ns = 100 * MILLISECOND,
		.repair_burst = 256,
		.policy = e->policy,
		.k = e->k,
		.give_up_ns = SECOND,
		.flow_receivers = 64,
		.traffic = {.messages = e->messages,
			.burst_min = e->burst,
			.burst_max = e->burst,
			.gap_min_ns = e->interval_ns,
			.gap_max_ns = e->interval_ns,
			.bytes_min = e->bytes,
			.bytes_max = e->bytes,
			.alone = true}};

	lab->net.nodes[0].arrive = publisher_arrive;
	lab->net.nodes[0].object = &lab->publisher;
	lab->net.nodes[0].up_bits = e->up_bits;
	lab->net.nodes[0].up_queue = 256 * 1024;
	publisher_start(&lab->publisher, &lab->world, &lab->net, &options);
}

static void start_receiver(struct laboratory *lab, uint32_t node)
{
	const struct experiment *e = lab->experiment;
	struct receiver_options options = {.node = node,
		.tag = 7,
		.window = e->window,
		.posted = 2 * e->window,
		.id = node,
		.give_up_ns = e->give_up_ns,
		.tagged = node != 1,
		.service_ns = node == 1 ? e->slow_ns : 0,
		.truth_of = truth_of,
		.delivered = delivered,
		.context = lab};
	struct net_faults faults = {
		.delay_ns = e->delay_ns, .loss = e->loss};

	if (node == 1 && e->cry_loss > 0)
		faults.loss = e->cry_loss;
	lab->net.links[0][node].faults = faults;
	lab->net.links[node][0].faults = faults;
	lab->net.nodes[node].member = true;
	lab->net.nodes[node].arrive = receiver_arrive;
	lab->net.nodes[node].object = &lab->receivers[node - 1];
	receiver_start(&lab->receivers[node - 1], &lab->world, &lab->net,
		&options);
}

static bool complete(const struct laboratory *lab)
{
	if (!publisher_finished(&lab->publisher))
		return false;
	for (uint32_t i = 0; i < lab->experiment->receivers; i++) {
		const struct receiver *r = &lab->receivers[i];

		if (r->stream_count == 0 ||
			r->streams[0]->recover.sequence !=
				lab->publisher.truth.next_sequence)
			return false;
	}
	return true;
}

static void sum(struct laboratory *lab)
{
	const struct experiment *e = lab->experiment;
	struct experiment_result *result = lab->result;
	const struct publisher *p = &lab->publisher;
	uint64_t ns = lab->last_ns - SECOND;

	result->seconds = (double)ns / 1e9;
	result->published_s = (double)(p->finished_ns - SECOND) / 1e9;
	result->goodput = (double)e->messages * e->bytes * 8 / result->seconds;
	result->repairs_sent =
		p->repair.counts.unicasts + p->repair.counts.multicasts;
	result->reports = p->repair.counts.reports;
	result->blocked = (double)p->blocked_ns / (double)ns;
	for (uint32_t i = 0; i < e->receivers; i++) {
		const struct book *book = &lab->receivers[i].streams[0]->book;

		if (is_apart(lab, &lab->receivers[i])) {
			result->apart_delivered = book->delivered;
			result->apart_lost = book->lost;
		} else {
			result->lost += book->lost;
		}
	}
}

void experiment_play(
	const struct experiment *e, struct experiment_result *result)
{
	struct laboratory *lab = calloc(1, sizeof *lab);
	struct world *world;
	uint64_t limit;

	if (!lab)
		abort();
	world = &lab->world;
	memset(result, 0, sizeof *result);
	lab->experiment = e;
	lab->result = result;
	world_start(world, e->seed, false);
	net_start(&lab->net, world, e->receivers + 1);
	for (uint32_t node = 1; node <= e->receivers; node++)
		start_receiver(lab, node);
	start_publisher(lab);
	limit = world->now + 1000 * SECOND;
	while (!world->failed && world->now < limit && !complete(lab))
		for (int i = 0; i < 16; i++)
			world_step(world, limit);
	result->failed = world->failed || world->now >= limit;
	if (!result->failed)
		sum(lab);
	lab->publisher.dead = true;
	for (uint32_t i = 0; i <= e->receivers; i++)
		lab->net.nodes[i].down = true;
	for (uint32_t i = 0; i < e->receivers; i++)
		lab->receivers[i].dead = true;
	while (world_step(world, NEVER - 1))
		;
	for (uint32_t i = 0; i < e->receivers; i++)
		receiver_end(&lab->receivers[i]);
	publisher_end(&lab->publisher);
	world_end(world);
	ascend(result->latencies, result->latency_count);
	ascend(result->repairs, result->repair_count);
	free(lab);
}

void experiment_end(struct experiment_result *result)
{
	free(result->latencies);
	free(result->repairs);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void ascend(uint64_t *values, uint64_t count)
{
	if (count > 0)
		qsort(values, count, sizeof *values, compare);
}

uint64_t quantile(const uint64_t *values, uint64_t count, double share)
{
	uint64_t place = (uint64_t)((double)count * share);

	if (count == 0)
		return 0;
	return values[place < count ? place : count - 1];
}
