/* SPDX-License-Identifier: BSD-2-Clause */
/* publisher.c - what a publisher does with traffic and reports; publisher.h. */
#include "publisher.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "reach.h"

static void tick(struct world *world, void *object, void *detail,
	uint64_t number);
static void pump(struct publisher *p);

/* ---- the line of repairs and probes -------------------------------------- */

static void side_send(
	struct publisher *p, uint32_t to, struct packet *packet)
{
	uint64_t again;

	if (p->side_count == 0 &&
		net_send(p->net, p->options.node, to, packet, &again)) {
		packet_drop(packet);
		return;
	}
	if (p->side_count == PUBLISHER_SIDE_MAX) {
		p->side_dropped++;
		packet_drop(packet);
		return;
	}
	p->side[(p->side_first + p->side_count++) % PUBLISHER_SIDE_MAX] =
		(struct side_packet){packet, to};
	if (p->side_count == 1)
		p->again = again;
}

static void side_drain(struct publisher *p)
{
	while (p->side_count > 0) {
		struct side_packet *side = &p->side[p->side_first];

		if (!net_send(p->net, p->options.node, side->to, side->packet,
			    &p->again))
			return;
		packet_drop(side->packet);
		p->side_first = (p->side_first + 1) % PUBLISHER_SIDE_MAX;
		p->side_count--;
	}
	p->again = 0;
}

/* ---- history ------------------------------------------------------------- */

static struct sent_frame *history_at(struct publisher *p, uint64_t frame)
{
	return &p->history[frame & (p->options.history - 1)];
}

static void history_forget(struct publisher *p, uint64_t first)
{
	struct sent_frame *sent;

	if (p->options.mutant == MUTANT_HOARD)
		return;
	while (p->oldest != first) {
		sent = history_at(p, p->oldest++);
		p->history_bytes -= sent->packet->bytes;
		packet_drop(sent->packet);
		sent->packet = NULL;
	}
	if (p->oldest != p->repair.next) {
		sent = history_at(p, p->oldest);
		p->truth.gone_sequence = sent->sequence + (sent->offset > 0);
	} else {
		p->truth.gone_sequence = p->truth.next_sequence;
	}
	msg_repair_forget(&p->repair, first);
}

static void history_bound(struct publisher *p)
{
	uint64_t now = p->world->now, first = p->oldest, bytes = 0;

	while (first != p->repair.next) {
		const struct packet *packet = history_at(p, first)->packet;
		bool old = p->options.history_ns != 0 &&
			   now - packet->born > p->options.history_ns;

		if (p->history_bytes - bytes <= p->options.history_bytes &&
			!old)
			break;
		bytes += packet->bytes;
		first++;
	}
	if (first != p->oldest)
		history_forget(p, first);
}

/* ---- sending ------------------------------------------------------------- */

static void frame_went(struct publisher *p)
{
	struct packet *packet = p->pending.packet;

	world_note(p->world, NOTE_SENT, p->options.node, p->repair.next,
		p->pending.sequence);
	/* Its place in the history is the oldest's. */
	if (p->repair.next - p->oldest == p->options.history) {
		if (p->options.mutant == MUTANT_HOARD)
			p->oldest++;
		else
			history_forget(p, p->oldest + 1);
	}
	packet_drop(history_at(p, p->repair.next)->packet);
	*history_at(p, p->repair.next) = p->pending;
	p->history_bytes += packet->bytes;
	if (p->history_bytes > p->history_bytes_high)
		p->history_bytes_high = p->history_bytes;
	p->pending.packet = NULL;
	msg_repair_sent(&p->repair, packet->bytes);
	history_bound(p);
}

static void set_blocked(struct publisher *p, bool blocked)
{
	if (blocked == p->blocked)
		return;
	p->blocked = blocked;
	if (blocked)
		p->blocked_since = p->world->now;
	else
		p->blocked_ns += p->world->now - p->blocked_since;
}

/* Send what is wanted, as far as flow control and the transport let it. */
static void pump(struct publisher *p)
{
	side_drain(p);
	while (p->again == 0) {
		if (!p->pending.packet && p->framed == p->wanted)
			break;
		if (!msg_flow_may(&p->flow, p->repair.next)) {
			set_blocked(p, true);
			break;
		}
		set_blocked(p, false);
		if (!p->pending.packet)
			frame_build(p);
		if (!net_send(p->net, p->options.node, NET_ALL,
			    p->pending.packet, &p->again))
			break;
		frame_went(p);
		if (publisher_finished(p))
			p->finished_ns = p->world->now;
	}
}

/* ---- answering ----------------------------------------------------------- */

/* The frame to begin with for the last `history` messages. */
static uint64_t join_frame(struct publisher *p, uint32_t history)
{
	uint64_t count = p->truth.next_sequence - p->truth.first_sequence;
	uint64_t target = p->truth.next_sequence -
			  (history < count ? history : count);
	uint64_t best = p->repair.next;

	for (uint64_t f = p->repair.next; f != p->repair.first;) {
		const struct sent_frame *sent = history_at(p, --f);

		if (best != p->repair.next &&
			(int64_t)(history_at(p, best)->sequence - target) <= 0)
			break;
		if (sent->offset == 0 && history > 0)
			best = f;
	}
	return best;
}

/* Messages all of whose frames were sent. */
static uint64_t whole_messages(const struct publisher *p)
{
	if (p->pending.packet)
		return p->pending.sequence;
	return p->truth.next_sequence - (p->fragment_offset > 0);
}

static void probe_send(struct publisher *p, uint32_t to,
	const struct msg_repair_action *action)
{
	struct packet *packet =
		packet_new(MSG_FRAME_HEADER_BYTES + MSG_PROBE_BYTES);
	uint64_t first = p->repair.first;
	struct msg_probe probe = {
		.incarnation = p->options.incarnation,
		.stamp = action->stamp,
		.next = (uint32_t)p->repair.next,
		.next_sequence = whole_messages(p),
		.serial = p->repair.serial,
		.period_ms = (uint16_t)(p->options.heartbeat_ns / MILLISECOND),
		.flags = action->flags,
		.reach = reach_of(p->options.node),
	};

	if (probe.flags & MSG_PROBE_JOIN) {
		first = join_frame(p, p->repair.report.history);
		p->joins += p->repair.next - first;
	}
	probe.first = (uint32_t)first;
	probe.first_sequence = first == p->repair.next
				       ? probe.next_sequence
				       : history_at(p, first)->sequence;
	if (probe.flags & MSG_PROBE_JOIN)
		p->answers[p->answer_count++ % PUBLISHER_ANSWERS_MAX] =
			(struct join_answer){to, probe.first_sequence};
	if (p->options.policy != MSG_FLOW_POLICY_NONE)
		probe.flags |= MSG_PROBE_FLOW;
	packet->bytes = msg_probe_write(
		packet->data, &probe, p->options.tag, p->options.word);
	world_note(p->world, NOTE_PROBE, p->options.node, p->repair.next,
		probe.flags);
	side_send(p, to, packet);
}

static void repair_send(struct publisher *p, uint32_t to,
	const struct msg_repair_action *action)
{
	const struct sent_frame *sent = history_at(p, action->frame);
	struct packet *again;

	if (action->frame - p->repair.first >=
		p->repair.next - p->repair.first) {
		world_fail(p->world,
			"publisher %08" PRIx32 " is to send frame %" PRIu64
			" again, which it has not",
			p->options.word, action->frame);
		return;
	}
	again = frame_again(sent->packet, sent->sequence, action->serial);
	world_note(p->world, NOTE_REPAIR, p->options.node, action->frame,
		action->serial);
	p->repaired_bytes += again->bytes;
	msg_repair_had(&p->repair, again->bytes);
	side_send(p, to, again);
}

static void act(struct publisher *p, const struct msg_repair_action *action)
{
	uint32_t asker = reach_node(&p->repair.report.reach);

	switch (action->kind) {
	case MSG_REPAIR_NOTHING:
		break;
	case MSG_REPAIR_UNICAST:
		if (asker < p->net->count)
			repair_send(p, asker, action);
		break;
	case MSG_REPAIR_MULTICAST:
		repair_send(p, NET_ALL, action);
		break;
	case MSG_REPAIR_ANSWER:
		if (asker < p->net->count)
			probe_send(p, asker, action);
		break;
	case MSG_REPAIR_PROBE:
		if (p->options.mutant != MUTANT_NO_PROBE)
			probe_send(p, NET_ALL, action);
		break;
	}
}

static void report_came(struct publisher *p, struct msg_report *report)
{
	struct msg_repair_action action;

	if (p->options.mutant == MUTANT_NO_ECHO) {
		report->heard = (uint32_t)p->repair.next;
		report->serial = p->repair.serial;
	}
	if (!msg_repair_report(&p->repair, report, p->world->now))
		return;
	msg_flow_report(&p->flow, report, p->repair.next, p->world->now);
	do {
		msg_repair_next(&p->repair, p->world->now, &action);
		act(p, &action);
	} while (action.kind != MSG_REPAIR_NOTHING);
}

bool publisher_answered(
	const struct publisher *p, uint32_t to, uint64_t sequence)
{
	if (p->answer_count > PUBLISHER_ANSWERS_MAX)
		return true; /* Some are forgotten. */
	for (uint64_t i = 0; i < p->answer_count; i++)
		if (p->answers[i].to == to &&
			(int64_t)(sequence - p->answers[i].sequence) <= 0)
			return true;
	return false;
}

/* ---- time ---------------------------------------------------------------- */

static void set_timer(struct publisher *p)
{
	uint64_t at = p->repair.deadline, hold;

	if (p->again != 0 && p->again < at)
		at = p->again;
	if (p->blocked) {
		hold = msg_flow_expire(
			&p->flow, p->repair.next + 1, 0, p->world->now);
		if (hold < at)
			at = hold;
	}
	if (at >= p->timer_at)
		return;
	p->timer_at = at;
	world_at(p->world, at, tick, p, NULL, ++p->timer_number);
}

static void work(struct publisher *p)
{
	struct msg_repair_action action;

	pump(p);
	if (p->blocked) {
		msg_flow_expire(&p->flow, p->repair.next + 1, 0, p->world->now);
		pump(p);
	}
	if (p->repair.deadline <= p->world->now) {
		msg_repair_due(&p->repair, p->world->now, &action);
		act(p, &action);
	}
	history_bound(p);
	set_timer(p);
}

static void tick(
	struct world *world, void *object, void *detail, uint64_t number)
{
	struct publisher *p = object;

	(void)world;
	(void)detail;
	if (p->dead || number != p->timer_number)
		return;
	p->timer_at = NEVER;
	work(p);
}

void publisher_arrive(void *object, struct packet *packet)
{
	struct publisher *p = object;
	struct msg_frame frame;
	struct msg_report report;

	if (p->dead ||
		msg_frame_read(packet->data, packet->bytes, &frame) !=
			MSG_FRAME_OK ||
		frame.type != MSG_FRAME_REPORT || frame.tag != p->options.tag ||
		frame.publisher != p->options.word ||
		!msg_report_read(&report, &frame,
			packet->data + MSG_FRAME_HEADER_BYTES))
		return;
	report_came(p, &report);
	work(p);
}

/* The application has something to say. */
static void burst(
	struct world *world, void *object, void *detail, uint64_t number)
{
	struct publisher *p = object;
	const struct traffic *t = &p->options.traffic;
	uint64_t left = t->messages - p->wanted, count, gap;

	(void)detail;
	(void)number;
	if (p->dead || left == 0)
		return;
	gap = world_between(world, DICE_TRAFFIC, t->gap_min_ns, t->gap_max_ns);
	if (p->wanted == p->framed) {
		count = world_between(
			world, DICE_TRAFFIC, t->burst_min, t->burst_max);
		p->wanted += count < left ? count : left;
		p->want_since = world->now;
	}
	if (world_chance(world, DICE_TRAFFIC, t->silence))
		gap += world_below(world, DICE_TRAFFIC, t->silence_ns);
	world_at(world, world->now + gap, burst, p, NULL, 0);
	work(p);
}

/* ---- life ---------------------------------------------------------------- */

static void *zeroed(size_t count, size_t bytes)
{
	void *memory = calloc(count, bytes);

	if (!memory)
		abort();
	return memory;
}

void publisher_start(struct publisher *p, struct world *world, struct net *net,
	const struct publisher_options *options)
{
	struct msg_repair_options repair = {
		.history = options->history,
		.first_frame = options->first_frame,
		.heartbeat_ns = options->heartbeat_ns,
		.rtt_ns = 20 * MICROSECOND,
		.ask_ns = options->policy == MSG_FLOW_POLICY_NONE
				  ? 0
				  : options->give_up_ns / 4,
		.repair_bytes = options->repair_frames * options->frame_bytes,
		.burst = (uint64_t)options->repair_burst * options->frame_bytes,
		.frame_bytes = options->frame_bytes,
	};

	memset(p, 0, sizeof *p);
	p->world = world;
	p->net = net;
	p->options = *options;
	p->timer_at = NEVER;
	p->started_ns = world->now;
	p->oldest = options->first_frame;
	if (options->mutant == MUTANT_NO_LIMIT)
		repair.repair_bytes = 0;
	p->records = zeroed(options->history, sizeof *p->records);
	p->history = zeroed(options->history, sizeof *p->history);
	p->flow_receivers =
		zeroed(options->flow_receivers, sizeof *p->flow_receivers);
	truth_start(&p->truth, options->word, options->first_sequence);
	msg_repair_start(&p->repair, &repair, p->records);
	msg_flow_start(&p->flow, options->policy, options->k,
		options->give_up_ns, p->flow_receivers,
		options->flow_receivers);
	world_note(world, NOTE_START, options->node, options->word,
		options->incarnation);
	world_at(world, world->now, burst, p, NULL, 0);
}

void publisher_kill(struct publisher *p)
{
	p->dead = true;
	p->truth.dead = true;
	world_note(p->world, NOTE_CRASH, p->options.node, p->options.word, 0);
}

void publisher_end(struct publisher *p)
{
	for (uint32_t i = 0; i < p->options.history; i++)
		packet_drop(p->history[i].packet);
	while (p->side_count > 0)
		packet_drop(p->side[(p->side_first + --p->side_count) %
				    PUBLISHER_SIDE_MAX]
				    .packet);
	packet_drop(p->pending.packet);
	free(p->history);
	free(p->records);
	free(p->flow_receivers);
	truth_end(&p->truth);
}
