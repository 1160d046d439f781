/* SPDX-License-Identifier: BSD-2-Clause */
/* scenario.c - the kinds of trouble; see scenario.h. */
#include "scenario.h"

#include <stdio.h>
#include <string.h>

static uint64_t dice(struct world *world, uint64_t low, uint64_t high)
{
	return world_between(world, DICE_SCENARIO, low, high);
}

static bool coin(struct world *world)
{
	return dice(world, 0, 1) == 1;
}

/* So many per cent, in a million. */
static uint32_t percent(struct world *world, uint32_t low, uint32_t high)
{
	return (uint32_t)dice(world, low * 10000u, high * 10000u);
}

static void make_calm(struct scenario *s, struct world *world)
{
	(void)world;
	s->duration_ns = 10 * MILLISECOND;
}

static void make_loss(struct scenario *s, struct world *world)
{
	s->out.loss = percent(world, 0, 30);
	s->back.loss = percent(world, 0, 30);
}

static void make_uplink(struct scenario *s, struct world *world)
{
	s->up_loss = percent(world, 0, 20);
}

static void make_burst(struct scenario *s, struct world *world)
{
	s->out.to_bad = (uint32_t)dice(world, 100, 20000);
	s->out.to_good = (uint32_t)dice(world, 20000, 500000);
	s->out.loss_bad = percent(world, 50, 100);
	s->back = s->out;
}

static void make_duplicate(struct scenario *s, struct world *world)
{
	s->out.duplicate = percent(world, 0, 50);
	s->back.duplicate = percent(world, 0, 50);
	s->out.loss = percent(world, 0, 5);
}

static void make_reorder(struct scenario *s, struct world *world)
{
	s->out.reorder = percent(world, 0, 20);
	s->out.reorder_ns = dice(world, 1, 500) * MICROSECOND;
	s->back.reorder = s->out.reorder;
	s->back.reorder_ns = s->out.reorder_ns;
	s->out.jitter_ns = dice(world, 0, 50) * MICROSECOND;
	s->receiver.reorder_ns = dice(world, 0, 100) * MICROSECOND;
	s->out.loss = percent(world, 0, 5);
}

/* Long enough that the troubles fall into the traffic. */
static void stretch(struct scenario *s, uint64_t duration)
{
	struct traffic *t = &s->publisher.traffic;
	uint64_t bursts = t->messages * 2 / (t->burst_min + t->burst_max) + 1;

	s->duration_ns = duration;
	t->gap_max_ns = 2 * duration / bursts + 1;
}

static void make_clog(struct scenario *s, struct world *world)
{
	stretch(s, dice(world, 10, 10000) * MILLISECOND);
	s->clogs = (struct trouble){
		(uint32_t)dice(world, 1, 6), 5 * SECOND};
	s->out.loss = percent(world, 0, 5);
	s->frugal = false; /* A report that stood for seconds asks again. */
}

static uint64_t outage(struct world *world)
{
	static const uint64_t longest[] = {50 * MILLISECOND, SECOND,
		10 * SECOND, 60 * SECOND};

	return longest[dice(world, 0, 3)];
}

static void make_partition(struct scenario *s, struct world *world)
{
	uint64_t longest = outage(world);

	stretch(s, 3 * longest);
	s->cuts = (struct trouble){(uint32_t)dice(world, 1, 4), longest};
	s->out.loss = percent(world, 0, 2);
}

/* Longer than history, or than anybody waits: what is missing is named. */
static void make_beyond(struct scenario *s, struct world *world)
{
	make_partition(s, world);
	s->receiver.lossless = false;
	s->publisher.history = coin(world) ? 64 : 256;
	if (coin(world))
		s->publisher.history_bytes = 32 * 1024;
	if (coin(world))
		s->publisher.history_ns = 20 * MILLISECOND;
	s->receiver.give_up_ns = dice(world, 5, 1000) * MILLISECOND;
}

static void make_asymmetric(struct scenario *s, struct world *world)
{
	make_partition(s, world);
	s->cut_kind = coin(world) ? CUT_DATA : CUT_REPORTS;
	s->out.loss = percent(world, 0, 30);
}

static void make_crybaby(struct scenario *s, struct world *world)
{
	s->odd = true;
	s->odd_loss = percent(world, 30, 40);
	s->out.loss = percent(world, 0, 1);
}

static void make_slow(struct scenario *s, struct world *world)
{
	s->odd = true;
	s->odd_service_ns = dice(world, 50, 1000) * MICROSECOND;
	s->odd_may_lose = true;
	s->receiver.posted = 512;
	s->publisher.history = 512;
	s->receiver.lossless = false;
	s->receiver.give_up_ns = SECOND;
	s->publisher.traffic.gap_max_ns = 200 * MICROSECOND;
	s->frugal = false; /* It asks while the answers stand in its inbox. */
}

static void make_min(struct scenario *s, struct world *world)
{
	make_slow(s, world);
	s->publisher.policy = MSG_FLOW_POLICY_MIN;
	s->publisher.history = 1024;
	s->publisher.give_up_ns = 60 * SECOND;
	s->receiver.give_up_ns = 120 * SECOND;
	s->out.loss = percent(world, 0, 5);
	s->odd_service_ns = dice(world, 1, 100) * MICROSECOND;
	s->odd_may_lose = false;
}

static void make_tagged(struct scenario *s, struct world *world)
{
	make_min(s, world);
	s->publisher.policy = MSG_FLOW_POLICY_TAGGED;
	s->odd_tagged = coin(world);
	s->tagged = !s->odd_tagged;
	s->odd_may_lose = s->tagged;
}

static void make_k(struct scenario *s, struct world *world)
{
	make_min(s, world);
	s->publisher.policy = MSG_FLOW_POLICY_K_OF_N;
	s->publisher.k = (uint32_t)dice(world, 1, s->receivers);
	s->odd_may_lose = true;
}

static void make_refuse(struct scenario *s, struct world *world)
{
	s->refuse = percent(world, 0, 50);
	s->refusals = (struct trouble){
		(uint32_t)dice(world, 0, 5), 20 * MILLISECOND};
	s->out.loss = percent(world, 0, 10);
}

static void make_narrow(struct scenario *s, struct world *world)
{
	s->out.bits_per_second = dice(world, 10, 1000) * 1000000;
	s->out.queue_bytes = dice(world, 8, 64) * 1024;
	s->up_bits = UINT64_C(10000000000);
	s->receiver.give_up_ns = 600 * SECOND;
}

static void make_publisher_crash(struct scenario *s, struct world *world)
{
	s->publishers = (uint32_t)dice(world, 1, 3);
	s->publisher_crashes = (struct trouble){
		(uint32_t)dice(world, 1, 8), 50 * MILLISECOND};
	s->out.loss = percent(world, 0, 10);
}

static void make_receiver_crash(struct scenario *s, struct world *world)
{
	s->receiver_crashes = (struct trouble){
		(uint32_t)dice(world, 1, 8), 20 * MILLISECOND};
	s->out.loss = percent(world, 0, 10);
}

static void make_late(struct scenario *s, struct world *world)
{
	s->late = (uint32_t)dice(world, 1, s->receivers);
	s->out.loss = percent(world, 0, 20);
	s->back.loss = percent(world, 0, 20);
}

static void make_history(struct scenario *s, struct world *world)
{
	make_late(s, world);
	s->receiver.history = coin(world) ? UINT32_MAX
					  : (uint32_t)dice(world, 1, 3000);
}

static void make_stall(struct scenario *s, struct world *world)
{
	stretch(s, dice(world, 10, 3000) * MILLISECOND);
	s->stalls = (struct trouble){
		(uint32_t)dice(world, 1, 8), 2 * SECOND};
	s->out.loss = percent(world, 0, 5);
	s->frugal = false;
}

static void make_many(struct scenario *s, struct world *world)
{
	s->publishers = (uint32_t)dice(world, 2, 8);
	s->receivers = 4;
	s->publisher.traffic.messages = s->publisher.traffic.messages / 4 + 1;
	s->out.loss = percent(world, 0, 20);
}

static void make_tail(struct scenario *s, struct world *world)
{
	struct traffic *t = &s->publisher.traffic;

	t->messages = t->messages / 20 + 1;
	t->burst_max = 4;
	t->silence = 500000;
	t->silence_ns = 500 * MILLISECOND;
	t->alone = coin(world);
	s->out.loss = percent(world, 10, 50);
	s->back.loss = percent(world, 0, 50);
}

static void make_parts(struct scenario *s, struct world *world)
{
	struct traffic *t = &s->publisher.traffic;

	t->messages = t->messages / 20 + 1;
	t->burst_max = 3;
	t->large = 800000;
	t->large_bytes = 200000;
	t->gap_max_ns = 5 * MILLISECOND;
	s->out.loss = percent(world, 0, 20);
	s->up_bits = UINT64_C(10000000000);
}

static void make_wrap(struct scenario *s, struct world *world)
{
	static const uint64_t edges[] = {UINT64_C(1) << 32,
		UINT64_C(1) << 63, 0};

	/* Frames are counted in 64 bits that do not wrap, messages in such as
	 * do. */
	s->publisher.first_frame =
		edges[dice(world, 0, 1)] - dice(world, 1, 600);
	s->publisher.first_sequence =
		edges[dice(world, 0, 2)] - dice(world, 1, 1500);
	s->out.loss = percent(world, 0, 20);
	s->late = (uint32_t)dice(world, 0, 3);
}

static void make_hostile(struct scenario *s, struct world *world)
{
	s->forged = (uint32_t)dice(world, 100, 3000);
	s->out.loss = percent(world, 0, 10);
	s->publisher.repair_frames = 20000;
	s->publisher.repair_burst = 64;
	s->frugal = false; /* Forged reports ask for repairs, too. */
}

static void make_storm(struct scenario *s, struct world *world)
{
	make_loss(s, world);
	s->out.duplicate = percent(world, 0, 50);
	s->out.reorder = percent(world, 0, 10);
	s->out.reorder_ns = dice(world, 1, 1000) * MICROSECOND;
	s->out.to_bad = (uint32_t)dice(world, 0, 10000);
	s->out.to_good = 100000;
	s->out.loss_bad = 800000;
	stretch(s, dice(world, 10, 5000) * MILLISECOND);
	s->clogs = (struct trouble){(uint32_t)dice(world, 0, 3), 5 * SECOND};
	s->cuts = (struct trouble){(uint32_t)dice(world, 0, 3), SECOND};
	s->stalls = (struct trouble){
		(uint32_t)dice(world, 0, 3), 200 * MILLISECOND};
	s->refuse = percent(world, 0, 20);
	s->receiver_crashes = (struct trouble){
		(uint32_t)dice(world, 0, 2), 100 * MILLISECOND};
	s->late = (uint32_t)dice(world, 0, 2);
	s->frugal = false;
}

static const struct {
	const char *name;
	void (*make)(struct scenario *scenario, struct world *world);
	const char *what;
} kinds[] = {
	{"calm", make_calm, "nothing happens"},
	{"loss", make_loss, "0 to 30 % both ways, each receiver its own"},
	{"uplink", make_uplink, "0 to 20 %, the same for all receivers"},
	{"burst", make_burst, "Gilbert-Elliott"},
	{"duplicate", make_duplicate, "up to half of the packets come twice"},
	{"reorder", make_reorder, "late packets, jitter"},
	{"clog", make_clog, "links that stand still for up to 5 s"},
	{"partition", make_partition, "cut for up to 60 s, then healed"},
	{"beyond", make_beyond, "cut for longer than history: exact losses"},
	{"asymmetric", make_asymmetric, "only one direction is cut"},
	{"crybaby", make_crybaby, "one receiver loses 40 %"},
	{"slow", make_slow, "one reader is too slow, no flow control"},
	{"min", make_min, "a slow reader holds all up, nothing is lost"},
	{"tagged", make_tagged, "only who is tagged holds up"},
	{"k", make_k, "the k fastest set the pace"},
	{"refuse", make_refuse, "AGAIN half of the time, and for 20 ms"},
	{"narrow", make_narrow, "a slow link with a short queue"},
	{"publisher-crash", make_publisher_crash, "new incarnations"},
	{"receiver-crash", make_receiver_crash, "receivers come back, empty"},
	{"late", make_late, "receivers that join while it runs"},
	{"history", make_history, "the same, with the last k messages"},
	{"stall", make_stall, "receivers that stand still for up to 2 s"},
	{"many", make_many, "up to 8 publishers of one topic"},
	{"tail", make_tail, "short bursts, silence, heavy loss"},
	{"parts", make_parts, "messages of many fragments"},
	{"wrap", make_wrap, "counters that pass 2^32, 2^63, 2^64"},
	{"hostile", make_hostile, "forged reports, far frames, replays"},
	{"storm", make_storm, "all of it at once"},
};

uint32_t scenario_count(void)
{
	return sizeof kinds / sizeof kinds[0];
}

const char *scenario_name(uint32_t index)
{
	return kinds[index].name;
}

void scenario_list(void)
{
	for (uint32_t i = 0; i < scenario_count(); i++)
		printf("%-16s %s\n", kinds[i].name, kinds[i].what);
}

static void defaults(
	struct scenario *s, struct world *world, uint64_t messages)
{
	struct publisher_options *p = &s->publisher;
	struct receiver_options *r = &s->receiver;

	s->publishers = 1;
	s->receivers = (uint32_t)dice(world, 1, 8);
	s->frugal = true;
	s->duration_ns = 50 * MILLISECOND;
	s->out.delay_ns = dice(world, 1, 200) * MICROSECOND;
	s->back.delay_ns = dice(world, 1, 200) * MICROSECOND;
	s->up_bits = UINT64_C(25000000000);
	p->tag = 0x7a91c;
	p->frame_bytes = coin(world) ? 1472 : 4096;
	/* All there is, where a story does not say otherwise. */
	p->history = 16384;
	while (p->history < 8 * messages)
		p->history *= 2;
	p->history_bytes = UINT64_C(1) << 30;
	p->heartbeat_ns = 100 * MILLISECOND;
	p->repair_burst = 256;
	p->repair_frames = 1000000;
	p->give_up_ns = SECOND;
	p->flow_receivers = 64;
	p->traffic = (struct traffic){.messages = messages,
		.burst_min = 1,
		.burst_max = (uint32_t)dice(world, 1, 64),
		.gap_max_ns = dice(world, 1, 2000) * MICROSECOND,
		.silence = (uint32_t)dice(world, 0, 20000),
		.silence_ns = 20 * MILLISECOND,
		.bytes_min = 8,
		.bytes_max = (uint32_t)dice(world, 8, 1200),
		.large = coin(world) ? (uint32_t)dice(world, 0, 20000) : 0,
		.large_bytes = 20000,
		.alone = coin(world)};
	r->tag = p->tag;
	r->window = 16u << dice(world, 0, 5);
	r->posted = 4096;
	/* The engine has room for eight repairs at least. */
	if (coin(world))
		r->ask_max = (uint32_t)dice(world, 8, 2 * r->window);
	if (coin(world)) {
		r->frame_bytes = p->frame_bytes;
		r->ask_bytes = (uint32_t)dice(world, 1, 1u << 18);
	}
	r->give_up_ns = 300 * SECOND;
	r->lossless = true;
}

bool scenario_make(struct scenario *s, const char *name, struct world *world,
	uint64_t messages)
{
	uint32_t pick = (uint32_t)dice(world, 0, scenario_count() - 1);

	memset(s, 0, sizeof *s);
	if (name)
		for (pick = 0; pick < scenario_count(); pick++)
			if (!strcmp(name, kinds[pick].name))
				break;
	if (pick == scenario_count())
		return false;
	s->name = kinds[pick].name;
	defaults(s, world, messages);
	kinds[pick].make(s, world);
	if (s->late > s->receivers)
		s->late = s->receivers;
	return true;
}
