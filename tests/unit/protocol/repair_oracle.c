/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repair_oracle.c - a publisher and its receivers over a bad network, and the
 * count: what is sent again for a receiver was lost towards it.  Part of
 * test_repair.c.
 *
 * What goes to a receiver keeps its order (how receivers cope where it does not
 * is recover.h's affair); reports are lost, doubled and overtake each other.  The
 * receivers here are as eager as can be: all that is missing is asked for
 * whenever something comes, and now and then without any news.
 *
 *     never  more repairs of a frame for a receiver than copies of it lost
 *            towards that receiver
 *     at last, once losses have an end, everybody has everything that is not
 *            said to be gone, and nothing but heartbeats goes on
 */
#include "repair_story.h"

#include <string.h>

#define RECEIVERS 6u
#define FRAMES 200u
#define PACKETS 20000u

struct packet {
	uint64_t at;
	uint64_t order;
	uint32_t to; /* RECEIVERS: the publisher. */
	bool is_frame;
	bool is_original; /* And does not say how many repairs there were. */
	uint64_t frame;
	uint32_t serial;
	uint64_t next;
	uint64_t first;
	bool ask;
	uint64_t stamp;
	struct msg_report report;
};

struct receiver {
	bool has[FRAMES];
	uint32_t lost[FRAMES];     /* Copies lost towards it. */
	uint32_t repaired[FRAMES]; /* Sent again for it. */
	uint64_t heard;
	uint32_t serial;
	uint64_t first;
	uint64_t last_at; /* Nothing arrives before. */
	uint64_t again_at;
};

static struct {
	struct random_stream random;
	uint64_t origin;
	uint32_t receivers;
	unsigned loss, report_loss, report_double;
	uint64_t lossy_until;
	uint64_t delay;
	uint32_t frames; /* Still to send. */
	uint64_t send_at;
	uint64_t order;
	uint32_t packet_count;
	struct packet packets[PACKETS];
	struct receiver receiver[RECEIVERS];
} world;

static uint64_t roll(uint64_t limit)
{
	return random_below(&world.random, limit);
}

static bool is_lost(unsigned per_mille)
{
	return story_now < world.lossy_until &&
	       random_chance(&world.random, per_mille);
}

static void post(const struct packet *packet)
{
	ck_assert_uint_lt(world.packet_count, PACKETS);
	world.packets[world.packet_count] = *packet;
	world.packets[world.packet_count++].order = world.order++;
}

/* One copy towards one receiver, behind all that went there before. */
static void send_to(uint32_t to, struct packet packet)
{
	struct receiver *receiver = &world.receiver[to];

	if (is_lost(world.loss)) {
		if (packet.is_frame)
			receiver->lost[packet.frame - world.origin]++;
		return;
	}
	packet.to = to;
	packet.at = story_now + 1 + roll(world.delay);
	if (packet.at < receiver->last_at)
		packet.at = receiver->last_at;
	receiver->last_at = packet.at;
	post(&packet);
}

static void send_to_all(const struct packet *packet)
{
	for (uint32_t i = 0; i < world.receivers; i++)
		send_to(i, *packet);
}

static struct packet probe_packet(const struct msg_repair_action *action)
{
	return (struct packet){.serial = repair.serial,
		.next = repair.next,
		.first = repair.first,
		.ask = action->flags & MSG_PROBE_ASK,
		.stamp = action->stamp};
}

static struct packet frame_packet(uint64_t frame, uint32_t serial)
{
	return (struct packet){.is_frame = true,
		.frame = frame,
		.next = frame + 1,
		.serial = serial};
}

/* For receiver `asker`, or of the publisher's own accord. */
static void act(const struct msg_repair_action *action, uint32_t asker)
{
	struct packet probe = probe_packet(action);
	struct packet frame = frame_packet(action->frame, action->serial);

	if (asker < RECEIVERS &&
		(action->kind == MSG_REPAIR_UNICAST ||
			action->kind == MSG_REPAIR_MULTICAST)) {
		struct receiver *receiver = &world.receiver[asker];
		uint64_t i = action->frame - world.origin;

		receiver->repaired[i]++;
		ck_assert_uint_le(receiver->repaired[i], receiver->lost[i]);
	}
	if (action->kind == MSG_REPAIR_UNICAST)
		send_to(asker, frame);
	else if (action->kind == MSG_REPAIR_MULTICAST)
		send_to_all(&frame);
	else if (action->kind == MSG_REPAIR_ANSWER)
		send_to(asker, probe);
	else
		send_to_all(&probe);
}

static bool misses(const struct receiver *receiver, uint64_t frame)
{
	return frame >= receiver->first && !receiver->has[frame - world.origin];
}

/* What is missing, all of it; false if nothing is. */
static bool fill_in(const struct receiver *receiver, struct msg_report *report)
{
	uint64_t base = world.origin;

	while (base < receiver->heard && !misses(receiver, base))
		base++;
	report->position = (uint32_t)base;
	report->base = (uint32_t)base;
	report->heard = (uint32_t)receiver->heard;
	report->serial = receiver->serial;
	for (uint64_t frame = base; frame < receiver->heard; frame++) {
		uint64_t bit = frame - base;

		if (!misses(receiver, frame))
			continue;
		report->missing[bit / 8] |= (uint8_t)(1u << bit % 8);
		report->count = (uint16_t)(bit + 1);
	}
	return report->count > 0;
}

static void send_report(uint32_t from, bool ask, uint64_t stamp)
{
	struct receiver *receiver = &world.receiver[from];
	struct packet packet = {.to = RECEIVERS,
		.report = {.receiver = from, .stamp = ask ? stamp : 0}};

	receiver->again_at = UINT64_MAX;
	if (!fill_in(receiver, &packet.report) && !ask)
		return;
	if (packet.report.count > 0)
		receiver->again_at = story_now + 1 + roll(3 * world.delay);
	for (int i = 0; i < 4; i++) {
		packet.at = story_now + 1 + roll(4 * world.delay);
		if (!is_lost(world.report_loss))
			post(&packet);
		if (!random_chance(&world.random, world.report_double))
			break;
	}
}

static void receive(const struct packet *packet)
{
	struct receiver *receiver = &world.receiver[packet->to];

	if (packet->is_frame)
		receiver->has[packet->frame - world.origin] = true;
	if (packet->next > receiver->heard)
		receiver->heard = packet->next;
	if (!packet->is_original &&
		(int32_t)(packet->serial - receiver->serial) > 0)
		receiver->serial = packet->serial;
	if (packet->first > receiver->first)
		receiver->first = packet->first;
	send_report(packet->to, packet->ask, packet->stamp);
}

static void hear(const struct packet *packet)
{
	struct msg_repair_action action;

	ck_assert(msg_repair_report(&repair, &packet->report, story_now));
	for (;;) {
		msg_repair_next(&repair, story_now, &action);
		if (action.kind == MSG_REPAIR_NOTHING)
			break;
		act(&action, (uint32_t)packet->report.receiver);
	}
}

/* ---- time ----------------------------------------------------------------- */

static uint32_t first_packet(void)
{
	uint32_t first = 0;

	for (uint32_t i = 1; i < world.packet_count; i++) {
		const struct packet *a = &world.packets[i];
		const struct packet *b = &world.packets[first];

		if (a->at < b->at || (a->at == b->at && a->order < b->order))
			first = i;
	}
	return first;
}

static uint64_t next_time(void)
{
	uint64_t at = repair.deadline;

	if (world.frames > 0 && world.send_at < at)
		at = world.send_at;
	if (world.packet_count > 0 && world.packets[first_packet()].at < at)
		at = world.packets[first_packet()].at;
	for (uint32_t i = 0; i < world.receivers; i++)
		if (world.receiver[i].again_at < at)
			at = world.receiver[i].again_at;
	return at > story_now ? at : story_now;
}

static void send_frames(void)
{
	uint64_t burst = 1 + roll(8);

	for (; burst > 0 && world.frames > 0; burst--, world.frames--) {
		struct packet packet = frame_packet(repair.next, 0);

		packet.is_original = true;
		send_to_all(&packet);
		msg_repair_sent(&repair, (uint32_t)roll(1024));
	}
	world.send_at = story_now + 1 + roll(4 * world.delay);
}

static void step(void)
{
	struct msg_repair_action action;

	story_now = next_time();
	if (world.frames > 0 && world.send_at <= story_now)
		send_frames();
	for (uint32_t i = 0; i < world.receivers; i++)
		if (world.receiver[i].again_at <= story_now)
			send_report(i, false, 0);
	while (world.packet_count > 0) {
		uint32_t i = first_packet();
		struct packet packet = world.packets[i];

		if (packet.at > story_now)
			break;
		world.packets[i] = world.packets[--world.packet_count];
		if (packet.to == RECEIVERS)
			hear(&packet);
		else
			receive(&packet);
	}
	msg_repair_due(&repair, story_now, &action);
	if (action.kind != MSG_REPAIR_NOTHING)
		act(&action, RECEIVERS);
}

/* ---- trials --------------------------------------------------------------- */

static void begin_world(uint64_t trial, uint32_t frames, uint64_t rate)
{
	memset(&world, 0, sizeof world);
	world.random.state = check_seed() + trial;
	world.origin = (UINT64_C(1) << 32) - roll(frames + 10);
	world.receivers = 1 + (uint32_t)roll(RECEIVERS);
	world.loss = (unsigned)roll(400);
	world.report_loss = (unsigned)roll(400);
	world.report_double = (unsigned)roll(500);
	world.delay = 100 + roll(50000);
	world.frames = frames;
	begin_paced(world.origin, rate, rate > 0 ? 64 : 0);
	repair.serial = (uint32_t)-roll(20);
	repair.seen_serial = repair.serial;
	world.lossy_until = story_now + roll(20 * MSG_NS_PER_MS);
	for (uint32_t i = 0; i < world.receivers; i++) {
		world.receiver[i].heard = world.origin;
		world.receiver[i].serial = repair.serial;
		world.receiver[i].again_at = UINT64_MAX;
	}
}

static void run_world(void)
{
	uint64_t end;

	while (story_now < world.lossy_until || world.frames > 0)
		step();
	end = story_now + 3 * HEARTBEAT;
	while (story_now < end)
		step();
}

static void has_all(uint64_t trial)
{
	for (uint32_t r = 0; r < world.receivers; r++)
		for (uint64_t f = world.origin; f < repair.next; f++)
			ck_assert_msg(!misses(&world.receiver[r], f),
				"trial %llu: receiver %u misses %llu",
				(unsigned long long)trial, r,
				(unsigned long long)(f - world.origin));
}

START_TEST(repairs_are_no_more_than_losses_and_nobody_hangs)
{
	for (uint64_t trial = 0; trial < 1000; trial++) {
		begin_world(trial, HISTORY, 0);
		run_world();
		has_all(trial);
		ck_assert_uint_eq(repair.counts.gone, 0);
		ck_assert_uint_eq(repair.counts.unbelieved, 0);
	}
}
END_TEST

/* More frames than history, and reports so late, for most are lost, that some
 * are gone: everybody is told. */
START_TEST(what_is_gone_is_told_and_the_rest_is_there)
{
	uint64_t gone = 0;

	for (uint64_t trial = 0; trial < 500; trial++) {
		begin_world(trial, FRAMES, 0);
		world.report_loss = 900;
		run_world();
		has_all(trial);
		for (uint32_t r = 0; r < world.receivers; r++)
			ck_assert_uint_le(
				world.receiver[r].first, repair.first);
		gone += repair.counts.gone;
	}
	ck_assert_uint_gt(gone, 0);
}
END_TEST

/* Without any loss nothing but tails is sent again. */
START_TEST(without_loss_there_is_no_repair)
{
	for (uint64_t trial = 0; trial < 300; trial++) {
		begin_world(trial, HISTORY, 0);
		world.lossy_until = 0;
		run_world();
		has_all(trial);
		ck_assert_uint_eq(repair.counts.unicasts, 0);
		ck_assert_uint_eq(
			repair.counts.multicasts, repair.counts.tails);
		ck_assert_uint_eq(repair.counts.asked, 0);
	}
}
END_TEST

static void lie(void)
{
	struct msg_report report = {
		.receiver = 99,
		.heard = (uint32_t)repair.next,
		.serial = repair.serial,
		.position = (uint32_t)world.origin,
		.base = (uint32_t)world.origin,
		.count = (uint16_t)(repair.next - world.origin),
	};
	struct msg_repair_action action;

	memset(report.missing, 0xff, sizeof report.missing);
	ck_assert(msg_repair_report(&repair, &report, story_now));
	do
		msg_repair_next(&repair, story_now, &action);
	while (action.kind != MSG_REPAIR_NOTHING);
}

/* One that says at every step that it misses all: the others get theirs. */
START_TEST(a_liar_keeps_nobody_from_repair)
{
	uint64_t throttled = 0;

	for (uint64_t trial = 0; trial < 50; trial++) {
		uint64_t end;

		begin_world(trial, HISTORY, 100000);
		while (story_now < world.lossy_until || world.frames > 0) {
			step();
			lie();
		}
		for (end = story_now + 3 * HEARTBEAT; story_now < end;) {
			step();
			lie();
		}
		has_all(trial);
		throttled += repair.counts.throttled;
	}
	ck_assert_uint_gt(throttled, 0);
}
END_TEST

void add_oracle_tests(Suite *suite)
{
	TCase *oracle = check_case(suite, "oracle", 120);

	tcase_add_test(
		oracle, repairs_are_no_more_than_losses_and_nobody_hangs);
	tcase_add_test(oracle, what_is_gone_is_told_and_the_rest_is_there);
	tcase_add_test(oracle, without_loss_there_is_no_repair);
	tcase_add_test(oracle, a_liar_keeps_nobody_from_repair);
}
