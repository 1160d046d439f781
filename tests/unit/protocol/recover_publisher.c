/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_publisher.c - the publisher of a random reliable stream, and the network
 * that loses, doubles, delays and reorders both ways.  Small, and written from
 * report.h and not from repair.c, so that the two do not err together.
 */
#include "recover_trial.h"

#include <string.h>

/* ---- the network ------------------------------------------------------- */

struct event *trial_add(struct trial *t, enum event_kind kind, uint64_t at)
{
	struct event *event = &t->events[t->event_count];

	MUST(t->event_count < TRIAL_EVENTS_MAX);
	t->event_count++;
	memset(event, 0, sizeof *event);
	event->at = at;
	event->order = t->order++;
	event->kind = kind;
	return event;
}

static bool is_cut(const struct trial *t)
{
	return t->now - t->weather.cut < t->weather.cut_ns;
}

unsigned trial_copies(struct trial *t, unsigned loss)
{
	if (is_cut(t))
		return 0;
	return !random_chance(&t->random, loss) +
	       random_chance(&t->random, t->weather.duplicate);
}

uint64_t trial_arrival(struct trial *t)
{
	return t->now + t->weather.delay + up_to(t, t->weather.jitter);
}

uint32_t trial_earliest(const struct trial *t)
{
	uint32_t first = 0;

	for (uint32_t i = 1; i < t->event_count; i++) {
		const struct event *a = &t->events[i], *b = &t->events[first];

		if (a->at < b->at || (a->at == b->at && a->order < b->order))
			first = i;
	}
	return first;
}

/* ---- the publisher ----------------------------------------------------- */

uint64_t trial_oldest(const struct trial *t)
{
	return t->sent_count > t->kept_count ? t->sent_count - t->kept_count
					     : 0;
}

uint64_t trial_message_of(const struct trial *t, uint64_t i)
{
	const struct sent *before;

	if (i < t->sent_count)
		return t->frames[i].sequence;
	if (i == 0)
		return t->first_sequence;
	before = &t->frames[i - 1];
	if (before->body.count > 0)
		return before->sequence + before->body.count;
	return msg_span_fragment(before->sequence, &before->body.fragment)
		.end_sequence;
}

static void send_frame(struct trial *t, uint32_t i, bool repair)
{
	const struct sent *sent = &t->frames[i];
	struct msg_frame frame = {
		.type = MSG_FRAME_SINGLE,
		.flags = MSG_FRAME_RELIABLE | (repair ? MSG_FRAME_REPAIR : 0),
		.transmission = (uint32_t)(t->first_frame + i),
		.sequence = sent->sequence,
	};

	if (repair)
		frame.sequence =
			(uint64_t)t->serial << 32 | (uint32_t)sent->sequence;
	unsigned n = trial_copies(t, t->weather.loss);

	t->dropped += n == 0;
	for (; n > 0; n--) {
		struct event *event = trial_add(t, EVENT_FRAME, trial_arrival(t));

		event->frame = frame;
		event->body = sent->body;
	}
}

void trial_send_probe(struct trial *t, uint8_t flags, uint64_t first)
{
	struct msg_probe probe = {
		.incarnation = 7,
		.stamp = t->now + 1,
		.next = (uint32_t)(t->first_frame + t->sent_count),
		.next_sequence = trial_message_of(t, t->sent_count),
		.first = (uint32_t)(t->first_frame + first),
		.first_sequence = trial_message_of(t, first),
		.serial = t->serial,
		.period_ms = 10,
		.flags = (uint8_t)(flags | (t->flow ? MSG_PROBE_FLOW : 0) |
				   (t->crowd ? MSG_PROBE_CROWD : 0)),
		.reach = {.bytes = 1},
	};

	for (unsigned n = trial_copies(t, t->weather.loss); n > 0; n--)
		trial_add(t, EVENT_PROBE, trial_arrival(t))->probe = probe;
}

void trial_schedule_probe(struct trial *t)
{
	trial_add(t, EVENT_PROBE_DUE, t->now + t->probe_ns)->frame.sequence =
		t->sent_count;
}

void trial_publish(struct trial *t)
{
	send_frame(t, t->sent_count++, false);
	t->probe_ns = 20000;
	trial_schedule_probe(t);
	if (t->sent_count == t->frame_count)
		return;
	t->last_ns = t->now + up_to(t, t->weather.interval);
	if (random_chance(&t->random, 20))
		t->last_ns += up_to(t, 30000000);
	trial_add(t, EVENT_PUBLISH, t->last_ns);
}

void trial_probe_due(struct trial *t, const struct event *event)
{
	if (event->frame.sequence != t->sent_count)
		return; /* More was sent since. */
	trial_send_probe(t, random_chance(&t->random, 300) ? MSG_PROBE_ASK : 0,
		trial_oldest(t));
	t->probe_ns = t->probe_ns < 2500000 ? 4 * t->probe_ns : 10000000;
	trial_schedule_probe(t);
}

/* The echo rule. */
static bool may_repair(const struct trial *t, const struct sent *sent,
	const struct msg_report *report)
{
	return !sent->repaired ||
	       (int32_t)(report->serial - sent->serial) >= 0 ||
	       (int32_t)(report->heard -
			 (uint32_t)(t->first_frame + sent->next)) > 0;
}

static void answer_join(struct trial *t, uint32_t history)
{
	uint64_t i = t->sent_count, end = trial_message_of(t, i);

	t->asked_to_join++;
	while (i > trial_oldest(t) && end - trial_message_of(t, i) < history)
		i--;
	/* Not in the middle of a message. */
	while (i < t->sent_count && t->frames[i].body.count == 0 &&
		t->frames[i].body.fragment.offset > 0)
		i++;
	trial_send_probe(t, MSG_PROBE_JOIN, i);
}

void trial_reported(struct trial *t, const struct msg_report *report)
{
	uint32_t base = report->base - (uint32_t)t->first_frame;
	bool gone = false;

	MUST(report->heard - (uint32_t)t->first_frame <= t->sent_count);
	MUST((int32_t)(report->serial - t->serial) <= 0);
	MUST(report->position - (uint32_t)t->first_frame <= t->sent_count);
	if (report->flags & MSG_REPORT_JOIN)
		answer_join(t, report->history);
	for (uint32_t bit = 0; bit < report->count; bit++) {
		uint32_t i = base + bit;
		struct sent *sent = &t->frames[i];

		if (!msg_report_misses(report, bit))
			continue;
		MUST(i < t->sent_count);
		if (i < trial_oldest(t)) {
			gone = true;
			continue;
		}
		if (!may_repair(t, sent, report))
			continue;
		t->serial++;
		t->repairs++;
		sent->repaired = true;
		sent->serial = t->serial;
		sent->next = t->sent_count;
		send_frame(t, i, true);
	}
	if (gone)
		trial_send_probe(t, 0, trial_oldest(t));
}
