/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repair.c - whom to send what again, and when to probe; see repair.h.
 *
 * For a receiver that asks for a frame there is at most one repair that was
 * meant for it and came last: the unicast in which the record names it, else the
 * last multicast (which clears the names, being newer than all of them).  The
 * echo rule is about that one.
 */
#include "protocol/repair.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

#define PERIOD_NS (2 * MSG_NS_PER_S) /* Of the round trip's maximum. */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void msg_repair_start(struct msg_repair *repair,
	const struct msg_repair_options *options,
	struct msg_repair_record *records)
{
	uint32_t history = options->history;
	uint64_t rate = options->repair_bytes;

	assert(history > 0 && (history & (history - 1)) == 0);
	memset(repair, 0, sizeof *repair);
	repair->options = *options;
	if (repair->options.ask_ns == 0)
		repair->options.ask_ns = MSG_NS_PER_S;
	if (repair->options.frame_bytes == 0)
		repair->options.frame_bytes = 1;
	repair->history = history;
	repair->records = records;
	repair->first = options->first_frame;
	repair->next = options->first_frame;
	repair->seen_next = options->first_frame;
	repair->rtt_ns = options->rtt_ns;
	repair->probe_ns = options->heartbeat_ns;
	repair->probe_at = UINT64_MAX;
	msg_pace_start(&repair->pace, rate, options->burst, 0);
	msg_pace_start(&repair->answers, MSG_REPAIR_ANSWERS,
		MSG_REPAIR_ANSWERS_BURST, 0);
	msg_pace_start(
		&repair->news, MSG_REPAIR_NEWS, MSG_REPAIR_NEWS_BURST, 0);
	for (uint32_t i = 0; i < MSG_REPAIR_SHARES; i++)
		msg_pace_start(&repair->shares[i],
			rate > 0 ? rate / MSG_REPAIR_SHARE + 1 : 0,
			options->burst / MSG_REPAIR_SHARE + 1, 0);
}

void msg_repair_unpaced(struct msg_repair *repair)
{
	repair->pace.rate = 0;
	for (uint32_t i = 0; i < MSG_REPAIR_SHARES; i++)
		repair->shares[i].rate = 0;
}

void msg_repair_forget(struct msg_repair *repair, uint64_t first)
{
	repair->first = least(most(repair->first, first), repair->next);
}

/* ---- the report as a whole ------------------------------------------------ */

/* How many bits there are up to the last one set. */
static uint16_t bits_used(const struct msg_report *report)
{
	uint16_t count = report->count;

	while (count > 0 && !msg_report_misses(report, count - 1u))
		count--;
	return count;
}

/* Whether all it speaks of was sent. */
static bool is_believable(
	const struct msg_repair *repair, const struct msg_report *report)
{
	uint64_t next = repair->next;
	uint64_t heard = msg_frame_near(next, report->heard);
	uint64_t base = msg_frame_near(next, report->base);

	if (report->count > MSG_REPORT_FRAMES_MAX ||
		(int32_t)(report->serial - repair->serial) > 0)
		return false;
	if (report->flags & (MSG_REPORT_JOIN | MSG_REPORT_LEAVING))
		return true;
	if (heard > next || msg_frame_near(next, report->position) > heard)
		return false;
	return bits_used(report) == 0 ||
	       (base < heard && bits_used(report) <= heard - base);
}

/* The round trip is the longest that was heard of lately, so that who is far
 * away gets no probes before his repairs. */
static void learn_rtt(struct msg_repair *repair, uint64_t sample, uint64_t now)
{
	uint64_t age = now > repair->rtt_period ? now - repair->rtt_period : 0;

	sample = most(sample, MSG_REPAIR_PROBE_MIN_NS);
	sample = least(sample, MSG_REPAIR_RTT_MAX_NS);
	if (age >= PERIOD_NS) {
		repair->rtt_before_ns =
			age < 2 * PERIOD_NS ? repair->rtt_now_ns : 0;
		repair->rtt_now_ns = 0;
		repair->rtt_period = now;
	}
	repair->rtt_now_ns = most(repair->rtt_now_ns, sample);
	repair->rtt_ns = most(repair->rtt_now_ns, repair->rtt_before_ns);
	repair->rtt_known = true;
}

/* All are asked to report. */
static void crowd_count_anew(struct msg_repair *repair)
{
	repair->crowd = repair->crowd_count > MSG_REPAIR_CROWD_SET;
	repair->crowd_count = 0;
	memset(repair->crowd_set, 0, sizeof repair->crowd_set);
}

/* One more who is there. */
static void crowd_count(struct msg_repair *repair, uint64_t receiver)
{
	uint64_t bit = msg_hash_mix(receiver) % MSG_REPAIR_CROWD_BITS;
	uint64_t mask = UINT64_C(1) << (bit % 64);

	if (repair->crowd_set[bit / 64] & mask)
		return;
	repair->crowd_set[bit / 64] |= mask;
	repair->crowd_count++;
	if (repair->crowd || repair->crowd_count <= MSG_REPAIR_CROWD_SET)
		return;
	/* Say so at once. */
	repair->crowd = true;
	repair->beat_at = 0;
	repair->deadline = 0;
}

bool msg_repair_report(struct msg_repair *repair,
	const struct msg_report *report, uint64_t now)
{
	repair->report.count = 0;
	repair->bit = 0;
	repair->say_join = false;
	repair->say_gone = false;
	repair->said_gone = false;
	repair->counts.reports++;
	if (!is_believable(repair, report)) {
		repair->counts.unbelieved++;
		return false;
	}
	if (report->stamp != 0 && report->stamp == repair->asked_ns &&
		now >= report->stamp)
		learn_rtt(repair, now - report->stamp, now);
	if (report->rtt_ns != 0)
		learn_rtt(repair, report->rtt_ns, now);
	if (report->flags & MSG_REPORT_LEAVING)
		return true;
	crowd_count(repair, report->receiver);
	repair->report = *report;
	repair->report.count = bits_used(report);
	repair->heard = msg_frame_near(repair->next, report->heard);
	repair->base = msg_frame_near(repair->next, report->base);
	if (report->flags & MSG_REPORT_JOIN) {
		repair->report.count = 0;
		repair->say_join = true;
		return true;
	}
	if (repair->report.count == 0)
		return true;
	repair->counts.naks++;
	return true;
}

/* ---- frame by frame ------------------------------------------------------- */

/* Whether the sender of the report has heard something sent after that. */
static bool heard_after(
	const struct msg_repair *repair, const struct msg_repair_echo *echo)
{
	return (int32_t)((uint32_t)repair->heard - echo->next) > 0 ||
	       (int32_t)(repair->report.serial - echo->serial) >= 0;
}

static struct msg_repair_record *record_of(
	struct msg_repair *repair, uint64_t frame)
{
	struct msg_repair_record *record =
		&repair->records[frame & (repair->history - 1)];

	if (record->frame != frame) {
		record->frame = frame;
		record->multicast = false;
		record->asked_count = 0;
	}
	return record;
}

/* The sender of the report among those who got the frame alone. */
static struct msg_repair_asker *asker_of(
	const struct msg_repair *repair, struct msg_repair_record *record)
{
	for (uint32_t i = 0; i < record->asked_count; i++)
		if (record->asked[i].receiver ==
			(uint32_t)repair->report.receiver)
			return &record->asked[i];
	return NULL;
}

/* Whether a repair of this frame is on its way to the sender of the report. */
static bool is_early(const struct msg_repair *repair,
	const struct msg_repair_record *record,
	const struct msg_repair_asker *asker)
{
	if (asker)
		return !heard_after(repair, &asker->echo);
	return record->multicast && !heard_after(repair, &record->all);
}

/* While there is plenty, for whoever asks; then of the receiver's own share. */
static bool may_repair(struct msg_repair *repair, uint64_t now)
{
	uint64_t share =
		msg_hash_mix(repair->report.receiver) % MSG_REPAIR_SHARES;
	uint32_t price = repair->options.frame_bytes;
	bool plenty = msg_pace_when(&repair->pace,
			      repair->options.burst / 2 + 1, now) <= now;

	repair->share = plenty ? NULL : &repair->shares[share];
	return (plenty || msg_pace_take(repair->share, price, now)) &&
	       msg_pace_take(&repair->pace, price, now);
}

void msg_repair_had(struct msg_repair *repair, uint32_t bytes)
{
	uint32_t price = repair->options.frame_bytes;

	if (bytes >= price)
		return;
	msg_pace_give(&repair->pace, price - bytes);
	if (repair->share)
		msg_pace_give(repair->share, price - bytes);
}

static struct msg_repair_echo next_echo(struct msg_repair *repair)
{
	repair->deadline = 0;
	repair->serial++;
	return (struct msg_repair_echo){repair->serial, (uint32_t)repair->next};
}

static void multicast(struct msg_repair *repair,
	struct msg_repair_record *record, struct msg_repair_action *action)
{
	record->all = next_echo(repair);
	record->multicast = true;
	record->asked_count = 0;
	repair->counts.multicasts++;
	action->kind = MSG_REPAIR_MULTICAST;
	action->frame = record->frame;
	action->serial = repair->serial;
}

static void unicast(struct msg_repair *repair, struct msg_repair_record *record,
	struct msg_repair_asker *asker, struct msg_repair_action *action)
{
	if (!asker)
		asker = &record->asked[record->asked_count++];
	asker->receiver = (uint32_t)repair->report.receiver;
	asker->echo = next_echo(repair);
	repair->counts.unicasts++;
	action->kind = MSG_REPAIR_UNICAST;
	action->frame = record->frame;
	action->serial = repair->serial;
}

/* Frame `frame` is asked for.  False: nothing is to do. */
static bool repair_frame(struct msg_repair *repair, uint64_t frame,
	uint64_t now, struct msg_repair_action *action)
{
	struct msg_repair_record *record;
	struct msg_repair_asker *asker;

	repair->counts.asked++;
	if (frame < repair->first) {
		repair->counts.gone++;
		repair->say_gone = !repair->said_gone;
		return false;
	}
	record = record_of(repair, frame);
	asker = asker_of(repair, record);
	if (is_early(repair, record, asker)) {
		repair->counts.early++;
		return false;
	}
	if (!may_repair(repair, now)) {
		repair->counts.throttled++;
		return false;
	}
	if (repair->crowd ||
		(!asker && record->asked_count == MSG_REPAIR_UNICASTS))
		multicast(repair, record, action);
	else
		unicast(repair, record, asker, action);
	return true;
}

static uint8_t crowd_flag(const struct msg_repair *repair)
{
	return repair->crowd ? MSG_PROBE_CROWD : 0;
}

/* A probe for the sender of the report, if there is something to tell it. */
static bool answer(struct msg_repair *repair, uint64_t now,
	struct msg_repair_action *action)
{
	bool join = repair->say_join;

	if (!join && !repair->say_gone)
		return false;
	repair->say_join = false;
	repair->say_gone = false;
	repair->said_gone = true;
	if (!msg_pace_take(&repair->answers, 1, now)) {
		repair->counts.throttled++;
		return false;
	}
	repair->counts.answers++;
	action->kind = MSG_REPAIR_ANSWER;
	action->flags = crowd_flag(repair);
	if (join)
		action->flags |= MSG_PROBE_JOIN;
	return true;
}

/* Frames that are gone come first, and the answer that says so before any
 * repair: what is behind them can be delivered the sooner. */
void msg_repair_next(struct msg_repair *repair, uint64_t now,
	struct msg_repair_action *action)
{
	*action = (struct msg_repair_action){.stamp = now};
	while (repair->bit < repair->report.count) {
		uint64_t frame = repair->base + repair->bit;

		if (msg_report_misses(&repair->report, repair->bit)) {
			if (frame >= repair->first &&
				answer(repair, now, action))
				return;
			repair->bit++;
			if (repair_frame(repair, frame, now, action))
				return;
		} else {
			repair->bit++;
		}
	}
	answer(repair, now, action);
}

/* ---- without a report ----------------------------------------------------- */

static uint64_t probe_first_ns(const struct msg_repair *repair)
{
	return least(most(repair->rtt_ns, MSG_REPAIR_PROBE_MIN_NS),
		repair->options.heartbeat_ns);
}

/* What was sent since the last look moves the time of the next probe: a frame
 * puts it off, for it tells all that a probe would; a repair does not, for only
 * one receiver hears it.  And who makes us repair without end must not make
 * us probe all without end. */
static void look(struct msg_repair *repair, uint64_t now)
{
	bool news = repair->next != repair->seen_next;
	uint64_t at;

	if (!news && repair->serial == repair->seen_serial)
		return;
	if (news || msg_pace_take(&repair->news, 1, now)) {
		repair->probe_ns = probe_first_ns(repair);
		at = now + repair->probe_ns;
	} else {
		at = msg_pace_when(&repair->news, 1, now);
	}
	repair->probe_at = news ? at : least(repair->probe_at, at);
	repair->tail |= news;
	repair->seen_next = repair->next;
	repair->seen_serial = repair->serial;
}

/* Ask all to report: not too often, and a crowd seldom. */
static uint8_t ask_flag(struct msg_repair *repair, uint64_t now)
{
	uint64_t pause = repair->rtt_known ? repair->options.ask_ns
					   : repair->options.heartbeat_ns;

	if (repair->crowd)
		pause = MSG_REPAIR_CROWD_NS;
	if (repair->asked_ns != 0 && now - repair->asked_ns < pause)
		return 0;
	repair->asked_ns = now;
	crowd_count_anew(repair);
	return MSG_PROBE_ASK;
}

static void probe(struct msg_repair *repair, uint64_t now,
	struct msg_repair_action *action)
{
	uint64_t heartbeat_ns = repair->options.heartbeat_ns;

	if (repair->beat_ns == 0)
		repair->beat_ns = MSG_REPAIR_BEAT_MIN_NS;
	repair->beat_ns = least(repair->beat_ns, heartbeat_ns);
	repair->beat_at = now + repair->beat_ns;
	repair->beat_ns = least(4 * repair->beat_ns, heartbeat_ns);
	repair->counts.probes++;
	action->kind = MSG_REPAIR_PROBE;
	action->flags = ask_flag(repair, now);
	action->flags |= crowd_flag(repair);
}

/* The last frame, while it can be had and is small enough. */
static bool send_tail(struct msg_repair *repair, uint64_t now,
	struct msg_repair_action *action)
{
	bool tail = repair->tail;

	repair->tail = false;
	if (!tail || repair->last_bytes > MSG_REPAIR_TAIL_BYTES ||
		repair->first == repair->next || now >= repair->beat_at)
		return false;
	multicast(repair, record_of(repair, repair->next - 1), action);
	repair->counts.tails++;
	repair->seen_serial = repair->serial;
	return true;
}

void msg_repair_due(struct msg_repair *repair, uint64_t now,
	struct msg_repair_action *action)
{
	uint64_t heartbeat_ns = repair->options.heartbeat_ns;

	*action = (struct msg_repair_action){.stamp = now};
	look(repair, now);
	/* A clock that jumped back. */
	if (repair->beat_at > now + heartbeat_ns)
		repair->beat_at = now + heartbeat_ns;
	if (now >= repair->probe_at || now >= repair->beat_at) {
		if (now < repair->probe_at || !send_tail(repair, now, action))
			probe(repair, now, action);
		if (now >= repair->probe_at) {
			repair->probe_ns =
				least(4 * repair->probe_ns, heartbeat_ns);
			repair->probe_at = now + repair->probe_ns;
		}
	}
	repair->deadline = least(repair->probe_at, repair->beat_at);
}
