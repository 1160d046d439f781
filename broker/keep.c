/* SPDX-License-Identifier: BSD-2-Clause */
/* keep.c - the history of a relay, and its repair; see keep.h. */
#include "broker/keep.h"

#include <stdlib.h>
#include <string.h>

#include "broker/keep_large.h"
#include "broker/keep_show.h"
#include "broker/server_internal.h"

#include "base/clock.h"
#include "base/trail.h"
#include "protocol/pack.h"

#define SLOTS_MIN 2u
#define SLOTS_MAX (1u << 19)
#define ENTRIES_MIN 2048u
#define ENTRIES_MAX (1u << 15)
#define FRAMES_MAX (1u << 20)
/* Repairs of one broker have numbers below those of the next. */
#define SERIALS 24u
/* A stream that says so often how far it is, at least. */
#define HEARTBEAT_MS 100u
#define RTT_NS (100 * MSG_NS_PER_US)
#define RTT_SOFTWARE_NS MSG_NS_PER_MS
/* Between looks whether large messages are wanted, while there is no room. */
#define LOOK_NS (5 * MSG_NS_PER_MS)

struct keep_limits keep_limits(uint64_t history_bytes, uint32_t slot_bytes,
	uint32_t loan_count, uint32_t parts)
{
	struct keep_limits limits = {
		.slots = SLOTS_MIN, .entries = ENTRIES_MIN, .frames = 64};
	uint64_t slots = history_bytes / slot_bytes;

	if (slots > SLOTS_MAX)
		slots = SLOTS_MAX;
	if (slots > SLOTS_MIN)
		limits.slots = (uint32_t)slots;
	/* A slot holds several entries where batches are small. */
	while (limits.entries < ENTRIES_MAX &&
		limits.entries < 2 * (loan_count + limits.slots))
		limits.entries *= 2;
	while (limits.frames < FRAMES_MAX &&
		(limits.frames < limits.entries ||
			limits.frames < (uint64_t)parts * limits.slots))
		limits.frames *= 2;
	return limits;
}

uint64_t keep_bytes(const struct keep_limits *limits, uint32_t receive_bytes)
{
	return sizeof(struct keep) +
	       limits->frames * (sizeof(struct keep_frame) +
					sizeof(struct msg_repair_record)) +
	       MSG_REPAIRER_BUFFERS * (uint64_t)receive_bytes +
	       MSG_REPAIRER_PEERS * sizeof(struct msg_repairer_peer) +
	       MSG_FLOW_RECEIVERS_MAX * sizeof(struct msg_flow_receiver);
}

/* ---- what the repairer asks --------------------------------------------- */

static const struct keep_frame *get(const struct keep *k, uint64_t number)
{
	if (number - k->first >= k->next - k->first)
		return NULL;
	return &k->frames[number & k->mask];
}

static bool find_frame(
	void *context, uint64_t number, struct msg_repairer_frame *frame)
{
	const struct publisher *p = context;
	const struct keep_frame *f = get(p->keep, number);

	if (!f)
		return false;
	frame->sequence = f->sequence;
	frame->type = f->type;
	frame->front_bytes = f->front_bytes;
	memcpy(frame->front,
		f->type == MSG_FRAME_LARGE
			? keep_large_body(p->keep->large, number)
			: f->front,
		f->front_bytes);
	frame->iov_count = 0;
	if (f->bytes > 0)
		frame->iov[frame->iov_count++] =
			(struct iovec){p->pool.base + f->place, f->bytes};
	return true;
}

static uint64_t sequence_of(const struct keep *k, uint64_t number)
{
	return number == k->next ? k->next_sequence
				 : k->frames[number & k->mask].sequence;
}

static uint64_t find_sequence(void *context, uint64_t number)
{
	const struct publisher *p = context;

	return sequence_of(p->keep, number);
}

/* The newest frame whose first message is `sequence` or earlier; first - 1:
 * none.  Sequences of frames rise, those of fragments stay the same. */
static uint64_t newest_from(const struct keep *k, uint64_t sequence)
{
	uint64_t low = k->first, high = k->next;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if ((int64_t)(sequence_of(k, middle) - sequence) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

static uint64_t next_begin(const struct keep *k)
{
	uint64_t frame = newest_from(k, k->next_sequence - 1) + 1;

	return frame < k->next && k->frames[frame & k->mask].begins ? frame
								    : k->next;
}

/* As msg_history_back (engine/history.h). */
static uint64_t find_back(void *context, uint64_t messages)
{
	const struct publisher *p = context;
	const struct keep *k = p->keep;
	uint64_t oldest = k->first;
	uint64_t frame;

	if (oldest < k->next && !k->frames[oldest & k->mask].begins)
		oldest = newest_from(k, sequence_of(k, oldest)) + 1;
	if (oldest == k->next)
		return k->next;
	if (messages == 0)
		return next_begin(k);
	if (messages >= k->next_sequence - sequence_of(k, oldest))
		return oldest;
	frame = newest_from(k, k->next_sequence - messages);
	return k->frames[frame & k->mask].begins
		       ? frame
		       : newest_from(k, sequence_of(k, frame) - 1) + 1;
}

/* ---- life --------------------------------------------------------------- */

static int open_side(struct publisher *p)
{
	struct network *n = &p->server->network;
	struct keep *k = p->keep;
	struct msg_link_options options = {
		.memory = p->pool.base,
		.memory_bytes = p->pool.bytes,
		.beside = p->lane,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";
	uint32_t handle;
	int result;

	msg_repairer_link_options(&k->repairer, &options);
	result = n->domain->ops->link_open(n->domain, &options, &k->side, text);
	if (result < 0)
		return msg_fail(-result,
			"the broker has no side link for it: %s", text);
	result = msg_groups_join(&n->groups, k->side, p->source.group,
		MSG_LINK_JOIN_SEND, p->source.text.topic, &handle);
	if (result == 0)
		result = msg_repairer_start(&k->repairer, k->side, handle);
	return result < 0 ? result : server_watch_lane(
					  p->server, k->side->fd);
}

static int open_repairer(
	struct publisher *p, const struct msg_control_publish *wish)
{
	const struct network *n = &p->server->network;
	struct keep *k = p->keep;
	struct msg_repairer_options options = {
		.source = {find_frame, find_sequence, find_back, p},
		.incarnation = wish->incarnation,
		.tag = msg_name_tag(wish->topic),
		.publisher = (uint32_t)wish->incarnation,
		.frame_bytes = p->lone_max + MSG_FRAME_HEADER_BYTES,
		.receive_bytes = network_receive_bytes(n),
		.history = k->limits.frames,
		.first_frame = wish->next_frame,
		.first_serial = wish->session << SERIALS,
		.heartbeat_ms = wish->period_ms < HEARTBEAT_MS
					? wish->period_ms
					: HEARTBEAT_MS,
		.rtt_ns = n->domain->software ? RTT_SOFTWARE_NS : RTT_NS,
		.flow = (enum msg_flow_policy)wish->flow,
		.flow_count = wish->flow_count,
		.give_up_ns = k->give_up_ns,
		.counters = k->counters,
	};

	/* Behind the headers of what is new: a session takes but one piece. */
	if (p->connected)
		options.memory = p->aside;

	return msg_repairer_open(&k->repairer, &options);
}

int keep_open(struct publisher *p, const struct msg_control_publish *wish)
{
	struct keep *k = calloc(1, sizeof *k);
	int result;

	p->keep = k;
	if (!k)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for repairs");
	k->limits = p->limits;
	k->mask = k->limits.frames - 1;
	k->first = k->next = wish->next_frame;
	k->next_sequence = wish->next_sequence;
	k->slot_bytes = p->shape.slot_bytes;
	k->slot_count = p->shape.slot_count;
	k->history_ns = wish->history_ms * MSG_NS_PER_MS;
	k->give_up_ns = wish->give_up_ms * MSG_NS_PER_MS;
	k->linger_ns = wish->linger_ms * MSG_NS_PER_MS;
	k->frames = calloc(k->limits.frames, sizeof *k->frames);
	/* One more: of an empty message behind the last slot. */
	k->refs = calloc(k->slot_count + 1, sizeof *k->refs);
	if (!k->frames || !k->refs)
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory for a history of %u frames; ask for less "
			"(history_bytes)",
			k->limits.frames);
	result = open_repairer(p, wish);
	if (result == 0 && (wish->large_bytes_max > 0 || keep_show_may(p)))
		result = keep_show_open(p, wish);
	if (result == 0 && wish->large_bytes_max > 0)
		result = keep_large_open(p, wish);
	return result < 0 || p->connected ? result : open_side(p);
}

void keep_close(struct publisher *p)
{
	struct keep *k = p->keep;

	if (!k)
		return;
	if (k->side)
		k->side->ops->close(k->side);
	if (k->repairer.records)
		msg_repairer_close(&k->repairer);
	keep_large_close(k->large);
	keep_show_close(k->show);
	free(k->refs);
	free(k->frames);
	free(k);
	p->keep = NULL;
}

/* ---- forgetting --------------------------------------------------------- */

/* A large message has a slot of the publisher's that we do not know. */
static void forget_one(struct keep *k)
{
	uint64_t number = k->first++;
	const struct keep_frame *f = &k->frames[number & k->mask];

	keep_show_raise(k);
	if (f->type == MSG_FRAME_LARGE) {
		keep_large_forget(k->large, number);
		k->slots--;
	}
	if (f->slot != KEEP_NO_SLOT && --k->refs[f->slot] == 0)
		k->slots--;
}

/* The oldest frame; false: it is needed, or still being sent again. */
static bool forget(struct keep *k, uint64_t needed)
{
	if (k->first == k->next || k->first >= needed ||
		msg_repairer_flies(&k->repairer, k->first))
		return false;
	forget_one(k);
	msg_repairer_forget(&k->repairer, k->first);
	return true;
}

uint64_t keep_low(struct keep *k, uint64_t otherwise)
{
	return k->first < k->next ? k->frames[k->first & k->mask].index
				  : otherwise;
}

static bool is_over(struct keep *k, uint64_t next)
{
	return k->slots > k->limits.slots ||
	       next - keep_low(k, next) >= k->limits.entries ||
	       k->next - k->first > k->mask;
}

static bool is_old(const struct keep *k)
{
	return k->history_ns > 0 && k->first < k->next &&
	       k->now - k->frames[k->first & k->mask].sent_ns > k->history_ns;
}

/* Whether somebody lacks what has to be forgotten: he is waited for as one who
 * holds the publisher up. */
static void wait_for(struct keep *k, bool lacks)
{
	bool waited = k->repairer.forget_to > 0;

	k->repairer.forget_to = lacks ? k->first + 1 : 0;
	/* His time begins. */
	if (lacks && !waited)
		msg_repairer_progress(&k->repairer, k->now);
}

bool keep_has_room(struct publisher *p)
{
	struct keep *k = p->keep;
	uint64_t needed = msg_repairer_needed(&k->repairer);
	uint64_t next = p->reader.next;
	uint64_t slack = k->limits.slots / 16;

	if (!is_over(k, next)) {
		k->repairer.forget_to = 0;
		return true;
	}
	/* Some more than one: the publisher looks for slots as seldom. */
	while (is_over(k, next) || k->slots + slack > k->limits.slots)
		if (!forget(k, needed))
			break;
	wait_for(k, is_over(k, next) && k->first >= needed);
	return !is_over(k, next);
}

bool keep_skip(struct keep *k, uint64_t sequence)
{
	uint64_t count = sequence - k->next_sequence;
	uint64_t frames = (count - 1) / MSG_PACK_COUNT_MAX + 1;

	if (count == 0)
		return true;
	/* Numbers in the history follow each other. */
	while (k->first < k->next)
		if (!forget(k, UINT64_MAX))
			return false;
	k->next += frames < KEEP_SKIP_MAX ? frames : KEEP_SKIP_MAX;
	k->first = k->next;
	keep_show_raise(k);
	k->next_sequence = sequence;
	k->repairer.repair.next = k->next;
	msg_repairer_forget(&k->repairer, k->next);
	k->repairer.repair.deadline = 0;
	return true;
}

/* ---- sending ------------------------------------------------------------ */

bool keep_may(struct keep *k)
{
	struct msg_repairer *r = &k->repairer;
	bool may = msg_repairer_may(r, k->next);

	if (!may && !r->waiting)
		msg_counter_add(&k->counters[MSG_COUNTER_HELD_UP], 1);
	r->waiting = !may;
	/* An entry in fragments may be more than there is room for. */
	return may && (k->next - k->first <= k->mask ||
			      forget(k, UINT64_MAX));
}

void keep_sent(struct keep *k, const struct keep_frame *frame)
{
	struct keep_frame *f = &k->frames[k->next++ & k->mask];

	*f = *frame;
	f->sent_ns = k->now;
	if (f->type == MSG_FRAME_LARGE)
		keep_large_sent(k->large, k->next - 1, k->now);
	if (f->type == MSG_FRAME_LARGE ||
		(f->slot != KEEP_NO_SLOT && k->refs[f->slot]++ == 0))
		k->slots++;
	k->next_sequence = f->sequence + f->messages;
	msg_repairer_sent(&k->repairer,
		MSG_FRAME_HEADER_BYTES + f->front_bytes + f->bytes);
	k->repairer.held = true;
}

int keep_turn(struct keep *k, bool flushed)
{
	struct msg_repairer *r = &k->repairer;
	int n = 0;

	if (flushed)
		r->held = false;
	if (msg_repairer_is_due(r, k->now) ||
		k->now >= msg_repairer_deadline(r))
		n = msg_repairer_progress(r, k->now);
	while (is_old(k) && forget(k, msg_repairer_needed(r)))
		;
	while (keep_large_gives_way(k) && forget(k, UINT64_MAX))
		;
	return n;
}

uint64_t keep_due(const struct keep *k)
{
	uint64_t due = msg_repairer_deadline(&k->repairer);

	if (k->large && k->large->short_ns > 0 && k->now + LOOK_NS < due)
		due = k->now + LOOK_NS;
	return due;
}
