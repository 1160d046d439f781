/* SPDX-License-Identifier: BSD-2-Clause */
/* play.c - builds what a scenario says, and runs it; see play.h. */
#include "play.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* From the end of all troubles on, whatever they were. */
#define PATIENCE (30 * SECOND)
#define PATIENCE_EACH (6 * MILLISECOND)
#define AFTERWARDS (SECOND / 2)

static void *zeroed(size_t bytes)
{
	void *memory = calloc(1, bytes);

	if (!memory)
		abort();
	return memory;
}

static const struct truth *truth_of(void *context, uint32_t word)
{
	const struct play *play = context;

	for (uint32_t i = 0; i < play->publisher_count; i++)
		if (play->publishers[i]->options.word == word)
			return &play->publishers[i]->truth;
	return NULL;
}

void play_publisher(struct play *play, uint32_t node)
{
	struct publisher_options options = play->scenario.publisher;
	struct random_stream *names = &play->world.dice[DICE_NAMES];
	struct publisher *publisher = zeroed(sizeof *publisher);

	options.node = node;
	options.incarnation = random_next(names) | 1;
	options.word = (uint32_t)options.incarnation;
	options.mutant = play->settings.mutant;
	publisher_start(publisher, &play->world, &play->net, &options);
	play->publishers[play->publisher_count++] = publisher;
	play->alive_publisher[node] = publisher;
	play->net.nodes[node].arrive = publisher_arrive;
	play->net.nodes[node].object = publisher;
	net_up(&play->net, node);
}

static bool is_odd(const struct play *play, uint32_t node)
{
	return play->scenario.odd && node == play->scenario.publishers;
}

void play_receiver(struct play *play, uint32_t node)
{
	const struct scenario *s = &play->scenario;
	struct receiver_options options = s->receiver;
	struct receiver *receiver = zeroed(sizeof *receiver);

	options.node = node;
	options.id = random_next(&play->world.dice[DICE_NAMES]) | 1;
	options.mutant = play->settings.mutant;
	options.truth_of = truth_of;
	options.context = play;
	options.tagged = s->tagged;
	if (is_odd(play, node)) {
		options.service_ns = s->odd_service_ns;
		options.tagged = s->odd_tagged;
		if (s->odd_may_lose)
			options.lossless = false;
	}
	receiver_start(receiver, &play->world, &play->net, &options);
	play->receivers[play->receiver_count++] = receiver;
	play->alive_receiver[node] = receiver;
	play->net.nodes[node].arrive = receiver_arrive;
	play->net.nodes[node].object = receiver;
	net_up(&play->net, node);
}

/* Each receiver has troubles of its own. */
static uint32_t share(struct world *world, uint32_t most)
{
	return most == 0 ? 0
			 : (uint32_t)world_between(
				   world, DICE_SCENARIO, most / 4, most);
}

static struct net_faults of_receiver(
	struct world *world, const struct net_faults *most)
{
	struct net_faults faults = *most;

	faults.loss = share(world, most->loss);
	faults.duplicate = share(world, most->duplicate);
	faults.reorder = share(world, most->reorder);
	faults.delay_ns = world_between(
		world, DICE_SCENARIO, most->delay_ns / 2, most->delay_ns);
	return faults;
}

static void make_net(struct play *play)
{
	const struct scenario *s = &play->scenario;
	struct world *world = &play->world;
	struct net *net = &play->net;

	net_start(net, world, s->publishers + s->receivers + 1);
	for (uint32_t p = 0; p < s->publishers; p++) {
		net->nodes[p].up_bits = s->up_bits;
		net->nodes[p].up_queue = 256 * 1024;
		net->nodes[p].up_loss = s->up_loss;
		net->nodes[p].refuse = s->refuse;
		for (uint32_t r = 0; r < s->receivers; r++) {
			uint32_t node = s->publishers + r;

			net->links[p][node].faults =
				of_receiver(world, &s->out);
			net->links[node][p].faults =
				of_receiver(world, &s->back);
			if (is_odd(play, node) && s->odd_loss)
				net->links[p][node].faults.loss = s->odd_loss;
		}
	}
	for (uint32_t r = 0; r < net->count; r++) {
		net->nodes[r].member = r >= s->publishers;
		if (r >= s->publishers)
			net->nodes[r].refuse = s->refuse;
		net->nodes[r].down = true;
	}
}

/* What a receiver has of a publisher that is done. */
static bool has_all(const struct receiver *r, const struct publisher *p)
{
	const struct stream *stream = receiver_stream(r, p->options.word);

	return stream && stream->recover.started && !stream->recover.joining &&
	       stream->recover.sequence == p->truth.next_sequence;
}

/* Who still has something to say, or to hear; *receiver NULL: the publisher on
 * *node.  False: nobody. */
static bool waits(const struct play *play, uint32_t *node,
	const struct receiver **receiver)
{
	const struct scenario *s = &play->scenario;

	*receiver = NULL;
	for (*node = 0; *node < s->publishers; ++*node) {
		const struct publisher *p = play->alive_publisher[*node];

		if (!p || !publisher_finished(p))
			return true;
		for (uint32_t r = 0; r < s->receivers; r++) {
			*receiver = play->alive_receiver[s->publishers + r];
			if (*receiver && !has_all(*receiver, p))
				return true;
		}
		*receiver = NULL;
	}
	return false;
}

static void fail_waiting(struct play *play)
{
	const struct receiver *receiver;
	uint32_t node;

	if (play->troubles > 0 || !waits(play, &node, &receiver)) {
		world_fail(&play->world, "the troubles never end");
		return;
	}
	if (!receiver)
		world_fail(&play->world,
			"publisher %" PRIu32 " still waits to send", node);
	else
		world_fail(&play->world,
			"receiver %" PRIu32 " still waits for messages of"
			" publisher %" PRIu32,
			receiver->options.node, node);
}

/* How long it may take when nothing stands in the way any more but what the
 * links lose all the time: of that more is to be repaired the more was sent. */
static uint64_t patience_ns(const struct play *play)
{
	const struct scenario *s = &play->scenario;

	return PATIENCE + s->duration_ns +
	       s->publisher.traffic.messages * PATIENCE_EACH;
}

/* Messages that publishers have sent, each in its own time. */
static uint64_t published(const struct play *play)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < play->publisher_count; i++)
		sum += play->publishers[i]->truth.next_sequence -
		       play->publishers[i]->truth.first_sequence;
	return sum;
}

static void run(struct play *play)
{
	struct world *world = &play->world;
	uint64_t limit = world->now + 2000 * SECOND, quiet = 0, end;
	uint64_t sent = 0;
	const struct receiver *receiver;
	uint32_t node;
	bool complete = false;

	while (!world->failed && !complete) {
		for (int i = 0; i < 32; i++)
			if (!world_step(world, limit))
				break;
		complete = play->troubles == 0 &&
			   !waits(play, &node, &receiver);
		if (play->troubles > 0 || sent != published(play))
			quiet = 0;
		else if (quiet == 0)
			quiet = world->now;
		sent = published(play);
		if (!complete && (world->now >= limit ||
				  (quiet != 0 &&
					  world->now - quiet >
						  patience_ns(play))))
			fail_waiting(play);
	}
	play->done_ns = world->now;
	end = world->now + AFTERWARDS;
	while (!world->failed && world_step(world, end))
		;
}

static void drop_rest(struct play *play)
{
	/* What is on its way holds packets. */
	for (uint32_t i = 0; i < play->net.count; i++)
		play->net.nodes[i].down = true;
	for (uint32_t i = 0; i < play->publisher_count; i++)
		play->publishers[i]->dead = true;
	for (uint32_t i = 0; i < play->receiver_count; i++)
		play->receivers[i]->dead = true;
	play->world.trace = false;
	while (world_step(&play->world, NEVER - 1))
		;
	for (uint32_t i = 0; i < play->receiver_count; i++) {
		receiver_end(play->receivers[i]);
		free(play->receivers[i]);
	}
	for (uint32_t i = 0; i < play->publisher_count; i++) {
		publisher_end(play->publishers[i]);
		free(play->publishers[i]);
	}
	world_end(&play->world);
}

bool play_seed(const struct play_settings *settings, struct play_result *result)
{
	struct play *play = zeroed(sizeof *play);
	struct scenario *s = &play->scenario;

	memset(result, 0, sizeof *result);
	play->settings = *settings;
	world_start(&play->world, settings->seed, settings->trace);
	if (!scenario_make(s, settings->scenario, &play->world,
		    settings->messages)) {
		free(play);
		return false;
	}
	if (settings->forged)
		s->forged = settings->forged;
	make_net(play);
	for (uint32_t r = 0; r + s->late < s->receivers; r++)
		play_receiver(play, s->publishers + r);
	for (uint32_t p = 0; p < s->publishers; p++)
		play_publisher(play, p);
	play_troubles(play);
	play_hostile(play);
	run(play);
	play_judge(play, result);
	drop_rest(play);
	if (play->world.failed && !result->failed) {
		result->failed = true;
		memcpy(result->failure, play->world.failure,
			sizeof result->failure);
	}
	free(play);
	return true;
}
