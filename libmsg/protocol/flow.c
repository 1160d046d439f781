/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow.c - how far a publisher may go; see flow.h.
 *
 * Each receiver has a say (its limit, or none), and the limit is the lowest say,
 * or the k-th highest.  A report moves one say; only when that meets or crosses
 * the limit are all of them looked at.
 */
#include "protocol/flow.h"

#include <assert.h>
#include <string.h>

/* What a receiver without a say counts as: the end of the order that cannot
 * move the limit. */
static uint64_t silence(const struct msg_flow *flow)
{
	return flow->policy == MSG_FLOW_POLICY_K_OF_N ? 0 : UINT64_MAX;
}

static bool counts(
	const struct msg_flow *flow, const struct msg_flow_receiver *receiver)
{
	return !receiver->cut &&
	       (flow->policy != MSG_FLOW_POLICY_TAGGED || receiver->tagged);
}

static uint64_t say(
	const struct msg_flow *flow, const struct msg_flow_receiver *receiver)
{
	return counts(flow, receiver) ? receiver->limit : silence(flow);
}

static uint64_t lowest(const struct msg_flow *flow)
{
	uint64_t limit = UINT64_MAX;

	for (uint32_t i = 0; i < flow->count; i++)
		if (say(flow, &flow->receivers[i]) < limit)
			limit = say(flow, &flow->receivers[i]);
	return limit;
}

static uint32_t count_from(const struct msg_flow *flow, uint64_t limit)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < flow->count; i++)
		count += say(flow, &flow->receivers[i]) >= limit;
	return count;
}

/* The highest limit that k receivers reach: halve what it lies in.  All says
 * lie within the windows, so that takes some twenty rounds. */
static uint64_t kth_highest(const struct msg_flow *flow)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (uint32_t i = 0; i < flow->count; i++) {
		uint64_t limit = say(flow, &flow->receivers[i]);

		low = limit < low ? limit : low;
		high = limit > high ? limit : high;
	}
	if (flow->count < flow->k)
		return 0;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2 + 1;

		if (count_from(flow, middle) >= flow->k)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

static void settle(struct msg_flow *flow)
{
	flow->limit = flow->policy == MSG_FLOW_POLICY_K_OF_N ? kth_highest(flow)
							     : lowest(flow);
}

/* One say was `before` and is `after`. */
static void moved(struct msg_flow *flow, uint64_t before, uint64_t after)
{
	if ((before > flow->limit && after > flow->limit) ||
		(before < flow->limit && after < flow->limit))
		return;
	settle(flow);
}

void msg_flow_start(struct msg_flow *flow, enum msg_flow_policy policy,
	uint32_t k, uint64_t give_up_ns, struct msg_flow_receiver *receivers,
	uint32_t count_max)
{
	assert(policy != MSG_FLOW_POLICY_K_OF_N || k > 0);
	memset(flow, 0, sizeof *flow);
	flow->policy = policy;
	flow->k = k;
	flow->give_up_ns = give_up_ns;
	flow->receivers = receivers;
	flow->count_max = count_max;
	settle(flow);
}

/* Where `id` is, or would stand. */
static uint32_t place_of(const struct msg_flow *flow, uint64_t id)
{
	uint32_t low = 0, high = flow->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (flow->receivers[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct msg_flow *flow, uint32_t place, uint64_t id)
{
	return place < flow->count && flow->receivers[place].id == id;
}

static void take_out(struct msg_flow *flow, uint32_t place)
{
	struct msg_flow_receiver *receiver = &flow->receivers[place];

	flow->count--;
	memmove(receiver, receiver + 1,
		(flow->count - place) * sizeof *receiver);
}

static void forget(struct msg_flow *flow, uint32_t place)
{
	uint64_t before = say(flow, &flow->receivers[place]);

	take_out(flow, place);
	moved(flow, before, silence(flow));
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a < UINT64_MAX - b ? a + b : UINT64_MAX;
}

static bool is_over(const struct msg_flow *flow, uint64_t since, uint64_t now)
{
	return now >= since && now - since >= flow->give_up_ns;
}

/* Room for one more: there is, or the one silent for longest has been silent
 * for too long.  A flood of newcomers looks for him once. */
static bool make_room(struct msg_flow *flow, uint64_t now)
{
	uint32_t oldest = 0;

	if (flow->count < flow->count_max)
		return true;
	if (flow->count == 0 || now < flow->room_ns)
		return false;
	for (uint32_t i = 1; i < flow->count; i++)
		if (flow->receivers[i].heard_ns <
			flow->receivers[oldest].heard_ns)
			oldest = i;
	flow->room_ns = sum(flow->receivers[oldest].heard_ns, flow->give_up_ns);
	if (now < flow->room_ns)
		return false;
	forget(flow, oldest);
	return true;
}

/* A place for a receiver not known yet; NULL if there is none. */
static struct msg_flow_receiver *put_in(
	struct msg_flow *flow, uint64_t id, uint64_t now)
{
	struct msg_flow_receiver *receiver;
	uint32_t place;

	if (!make_room(flow, now)) {
		flow->refused_total++;
		return NULL;
	}
	place = place_of(flow, id);
	receiver = &flow->receivers[place];
	memmove(receiver + 1, receiver,
		(flow->count - place) * sizeof *receiver);
	flow->count++;
	*receiver = (struct msg_flow_receiver){.id = id, .cut = true};
	return receiver;
}

/* Whether he keeps the publisher from a limit of `want`, or from memory. */
static bool is_in_the_way(const struct msg_flow *flow,
	const struct msg_flow_receiver *receiver, uint64_t want)
{
	return receiver->limit < want || receiver->position < flow->forget_to;
}

/* What a report says of its sender.  Who is new comes as one that is cut off
 * and has moved. */
static void update(struct msg_flow_receiver *receiver,
	const struct msg_report *report, uint64_t position, bool is_new)
{
	uint64_t limit = sum(position, report->window);
	uint32_t read = msg_report_read_pages(report);

	if (position < receiver->position)
		return;
	if (position > receiver->position || limit > receiver->reached ||
		read > receiver->read || is_new) {
		receiver->cut = false;
		receiver->holds = false;
	}
	if (position > receiver->position || read > receiver->read)
		receiver->read = read;
	if (limit > receiver->reached)
		receiver->reached = limit;
	receiver->position = position;
	receiver->limit = limit;
	receiver->tagged = report->flags & MSG_REPORT_TAGGED;
}

void msg_flow_report(struct msg_flow *flow, const struct msg_report *report,
	uint64_t next, uint64_t now)
{
	uint64_t position = msg_frame_near(next, report->position);
	struct msg_flow_receiver *receiver;
	uint64_t before;
	uint32_t place;
	bool known;

	if (flow->policy == MSG_FLOW_POLICY_NONE ||
		(report->flags & MSG_REPORT_JOIN))
		return;
	place = place_of(flow, report->receiver);
	known = is_at(flow, place, report->receiver);
	if (report->flags & MSG_REPORT_LEAVING) {
		if (known)
			forget(flow, place);
		return;
	}
	if (position > next) {
		flow->unbelieved_total++;
		return;
	}
	receiver = known ? &flow->receivers[place]
			 : put_in(flow, report->receiver, now);
	if (!receiver)
		return;
	before = say(flow, receiver);
	receiver->heard_ns = now;
	update(receiver, report, position, !known);
	if (!is_in_the_way(flow, receiver, next + 1))
		receiver->holds = false;
	moved(flow, before, say(flow, receiver));
}

/* The receiver at `place` holds the publisher up: true if he is taken out. */
static bool expire_one(struct msg_flow *flow, uint32_t place, uint64_t now)
{
	struct msg_flow_receiver *receiver = &flow->receivers[place];

	if (!receiver->holds) {
		receiver->holds = true;
		receiver->held_ns = now;
	}
	if (!is_over(flow, receiver->held_ns, now))
		return false;
	receiver->cut = true;
	flow->cut_total++;
	if (receiver->heard_ns > receiver->held_ns)
		return false;
	take_out(flow, place);
	return true;
}

uint64_t msg_flow_expire(struct msg_flow *flow, uint64_t want,
	uint64_t forget_to, uint64_t now)
{
	uint64_t when = UINT64_MAX, cut_total = flow->cut_total;
	uint32_t i = 0;

	flow->forget_to = forget_to;
	while (i < flow->count) {
		struct msg_flow_receiver *receiver = &flow->receivers[i];

		if (counts(flow, receiver) &&
			is_in_the_way(flow, receiver, want)) {
			if (expire_one(flow, i, now))
				continue;
			if (!receiver->cut &&
				sum(receiver->held_ns, flow->give_up_ns) < when)
				when = sum(receiver->held_ns, flow->give_up_ns);
		}
		i++;
	}
	if (flow->cut_total != cut_total)
		settle(flow);
	return when;
}

uint64_t msg_flow_position(const struct msg_flow *flow, uint64_t next)
{
	uint64_t position = next;

	for (uint32_t i = 0; i < flow->count; i++)
		if (counts(flow, &flow->receivers[i]) &&
			flow->receivers[i].position < position)
			position = flow->receivers[i].position;
	return position;
}
