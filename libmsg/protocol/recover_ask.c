/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_ask.c - what a receiver asks for, and when; see recover.h.
 *
 * Frames are found missing in their order, so those never asked for lie behind
 * those that were, and fall due in their order too:
 *
 *      next                unasked            scanned
 *       │ asked: again_ns     │ not asked yet    │
 *
 * The first kind is looked at as a whole, when again_ns has come: that is the
 * earliest moment one of them can be due.  Of the second kind only those are
 * looked at that are due, and one more.  So a question costs what it asks for.
 *
 * The round trip is measured on frames asked for once (Karn) and smoothed as in
 * RFC 6298.  While answers do not come in that time, what is asked next waits
 * twice, four times … as long (`patience`), until one is measured again: a path
 * much longer than the first guess is found that way, and a publisher that is
 * gone is not hammered.
 */
#include "protocol/recover_internal.h"

#include <string.h>

#define PERIOD_NS UINT64_C(100000000) /* A heartbeat, before we know. */
#define MS_NS UINT64_C(1000000)
#define PATIENCE_MAX 16u
#define AGAIN_ROUNDS 4u /* Without any news. */
#define ASKS_MIN 8u
/* However large repairs are, so many may be under way. */
#define UNDER_WAY_MIN 8u
/* What a repair is taken for shrinks by this part with each that is smaller. */
#define SHRINK 8u

/* splitmix64: Steele, Lea, Flood, OOPSLA 2014. */
static uint64_t random_next(struct msg_recover *r)
{
	uint64_t z = r->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t clamp_rtt(uint64_t ns)
{
	if (ns < MSG_RECOVER_RTT_NS_MIN)
		return MSG_RECOVER_RTT_NS_MIN;
	return ns < MSG_RECOVER_RTT_NS_MAX ? ns : MSG_RECOVER_RTT_NS_MAX;
}

static uint64_t round_ns(const struct msg_recover *r)
{
	return clamp_rtt(r->rtt_ns + r->rtt_var_ns);
}

/* So many times doubled, but so that a question is put once in a heartbeat, and
 * ASKS_MIN times before it is given up. */
static uint64_t doubled(const struct msg_recover *r, uint64_t wait, uint32_t by)
{
	uint64_t most = r->options.give_up_ns / ASKS_MIN;

	if (most > r->period_ns)
		most = r->period_ns;
	if (most < wait)
		most = wait;
	return wait << by < most ? wait << by : most;
}

void msg_recover_ask_measure(struct msg_recover *r, uint64_t rtt_ns)
{
	uint64_t rtt = clamp_rtt(rtt_ns);
	uint64_t off = rtt < r->rtt_ns ? r->rtt_ns - rtt : rtt - r->rtt_ns;

	if (r->measured) {
		r->rtt_var_ns = (3 * r->rtt_var_ns + off) / 4;
		r->rtt_ns = (7 * r->rtt_ns + rtt) / 8;
	} else {
		r->rtt_var_ns = rtt / 2;
		r->rtt_ns = rtt;
	}
	r->measured = true;
	r->patience = 0;
}

/* A round trip was not enough.  Once in a round: what was asked for together
 * or side by side is one failure. */
static void lose_patience(struct msg_recover *r, uint64_t now)
{
	if (r->patience == PATIENCE_MAX ||
		now < msg_recover_later(r->patience_ns,
			      doubled(r, round_ns(r), r->patience)))
		return;
	r->patience++;
	r->patience_ns = now;
}

/* In a crowd everybody waits for a time of his own, up to two round trips;
 * meanwhile somebody else may have asked, and the repair comes to all. */
static void draw_backoff(struct msg_recover *r)
{
	r->backoff_ns = 0;
	if (r->crowd)
		r->backoff_ns = random_next(r) % (2 * round_ns(r) + 1);
}

void msg_recover_ask_start(struct msg_recover *r)
{
	r->incarnation = r->options.incarnation;
	r->incarnate = r->incarnation != 0;
	r->random = r->options.seed;
	r->large = r->options.frame_bytes;
	r->period_ns = PERIOD_NS;
	r->rtt_ns = MSG_RECOVER_RTT_NS;
	r->report_at = UINT64_MAX;
	r->again_ns = UINT64_MAX;
	r->room = UINT64_MAX;
}

static void note_reported(struct msg_recover *r)
{
	r->reported = r->next;
	r->report_at = UINT64_MAX;
	if (r->flow && r->reach.bytes > 0)
		r->report_at = r->next + r->options.window / 4;
}

void msg_recover_ask_begin(struct msg_recover *r)
{
	r->unasked = r->next;
	note_reported(r);
}

/* ---- the echo ---------------------------------------------------------- */

/* What was asked for may be due after one round trip now, and not only after
 * four. */
static void look_again(struct msg_recover *r)
{
	uint64_t at =
		msg_recover_later(r->oldest_ns, round_ns(r) + r->backoff_ns);

	if (r->asked_count > 0 && at < r->again_ns)
		r->again_ns = at;
}

void msg_recover_ask_news(struct msg_recover *r)
{
	if (r->no_news)
		look_again(r);
	r->no_news = false;
}

void msg_recover_ask_newest(struct msg_recover *r, uint64_t frame)
{
	if (frame < r->echo) {
		look_again(r);
		r->no_news = true;
	}
	r->echo = frame;
}

void msg_recover_ask_resume(struct msg_recover *r)
{
	r->patience = 0;
	look_again(r);
}

void msg_recover_ask_serial(struct msg_recover *r, uint32_t serial)
{
	if (serial - r->serial - 1 >= MSG_RECOVER_LEAP)
		return; /* Older, or not believable. */
	r->serial = serial;
	msg_recover_ask_news(r);
}

void msg_recover_ask_probe(struct msg_recover *r, const struct msg_probe *probe)
{
	bool knew = r->flow && r->reach.bytes > 0;
	bool crowd = r->crowd;

	r->incarnation = probe->incarnation;
	r->incarnate = true;
	r->period_ns = probe->period_ms * MS_NS;
	if (probe->reach.bytes > 0)
		r->reach = probe->reach;
	r->flow = probe->flags & MSG_PROBE_FLOW;
	r->crowd = probe->flags & MSG_PROBE_CROWD;
	if (r->crowd != crowd)
		draw_backoff(r);
	if (probe->flags & MSG_PROBE_ASK) {
		r->stamp = probe->stamp;
		r->ask = true;
	}
	if (r->flow && !knew)
		r->ask = true;
	if (!r->flow || !knew)
		note_reported(r);
	if (!r->probed || (int32_t)(probe->serial - r->serial) > 0) {
		r->serial = probe->serial;
		msg_recover_ask_news(r);
	}
	r->probed = true;
}

/* ---- when -------------------------------------------------------------- */

uint64_t msg_recover_next_missing(const struct msg_recover *r, uint64_t frame)
{
	while (frame < r->scanned) {
		uint64_t at = frame & (r->options.window - 1);
		uint64_t bits = r->missing[at / 64] >> (at % 64);
		uint64_t step = 64 - at % 64;

		if (step > r->options.window)
			step = r->options.window - at;
		if (bits != 0)
			step = (uint64_t)__builtin_ctzll(bits);
		frame += step;
		if (bits != 0)
			break;
	}
	return frame < r->scanned ? frame : r->scanned;
}

/* When to ask for this one. */
static uint64_t due(
	const struct msg_recover *r, const struct msg_recover_place *place)
{
	uint64_t wait = r->options.reorder_ns;

	if (place->asked > 0) {
		wait = round_ns(r);
		if (place->heard == (uint32_t)msg_recover_heard(r) &&
			place->serial == r->serial)
			wait *= AGAIN_ROUNDS;
		wait = doubled(r, wait,
			place->patience < r->patience ? place->patience
						      : r->patience);
	}
	return msg_recover_later(
		place->last, msg_recover_later(wait, r->backoff_ns));
}

/* Of a stream of small frames many repairs find room where few large ones do. */
void msg_recover_ask_size(struct msg_recover *r, uint32_t bytes)
{
	r->large -= r->large / SHRINK;
	if (r->large < bytes)
		r->large = bytes;
}

/* Whether a repair more would find room. */
static bool has_room(const struct msg_recover *r)
{
	const struct msg_recover_options *o = &r->options;

	if (o->ask_max > 0 && r->asked_count >= o->ask_max)
		return false;
	return o->ask_bytes == 0 || r->asked_count < UNDER_WAY_MIN ||
	       (r->asked_count + UINT64_C(1)) * r->large <= o->ask_bytes;
}

static uint64_t fresh_when(struct msg_recover *r)
{
	uint64_t end;

	r->unasked = msg_recover_next_missing(
		r, msg_recover_first_unasked(r, &end));
	if (r->unasked >= end || r->unasked >= r->room || !has_room(r) ||
		(r->fetches && end - r->unasked >= MSG_RECOVER_FETCH_MIN))
		return UINT64_MAX;
	return due(r, msg_recover_place(r, r->unasked));
}

static uint64_t missing_when(struct msg_recover *r)
{
	uint64_t fresh;

	if (r->missing_count == 0)
		return UINT64_MAX;
	fresh = fresh_when(r);
	return r->asked_count > 0 && r->again_ns < fresh ? r->again_ns : fresh;
}

static uint64_t position_when(const struct msg_recover *r)
{
	if (!r->flow)
		return UINT64_MAX;
	if (r->next >= r->report_at)
		return 0;
	return msg_recover_later(r->report_ns, r->period_ns);
}

uint64_t msg_recover_ask_deadline(struct msg_recover *r)
{
	uint64_t at, missing;

	if (r->reach.bytes == 0)
		return UINT64_MAX;
	if (r->ask)
		return 0;
	if (r->joining)
		return r->answered ? UINT64_MAX : r->join_ns;
	at = position_when(r);
	missing = missing_when(r);
	return missing < at ? missing : at;
}

/* ---- what -------------------------------------------------------------- */

/* Put a frame into the report.  False: it has no bit for it. */
static bool ask_for(struct msg_recover *r, uint64_t frame, uint64_t now,
	struct msg_report *report)
{
	struct msg_recover_place *place = msg_recover_place(r, frame);
	uint32_t bit;

	if (report->count == 0)
		report->base = (uint32_t)frame;
	bit = (uint32_t)frame - report->base;
	if (bit >= MSG_REPORT_FRAMES_MAX)
		return false;
	report->missing[bit / 8] |= (uint8_t)(1u << (bit % 8));
	report->count = (uint16_t)(bit + 1);
	if (place->asked > 0)
		lose_patience(r, now);
	else
		r->asked_count++;
	/* Until now it was for us to wait. */
	if (place->asked == 0 && r->room != UINT64_MAX)
		place->since = msg_recover_found_time(r, now);
	place->asked = place->asked == 0 ? 1 : 2;
	place->patience = (uint16_t)r->patience;
	place->last = now;
	place->heard = (uint32_t)msg_recover_heard(r);
	place->serial = r->serial;
	r->no_news = true;
	r->counts.asked++;
	return true;
}

/* This one waits for its repair. */
static void wait_for(struct msg_recover *r, uint64_t frame)
{
	const struct msg_recover_place *place = msg_recover_place(r, frame);
	uint64_t again = due(r, place);

	if (place->last < r->oldest_ns)
		r->oldest_ns = place->last;
	if (again < r->again_ns && frame < msg_recover_heard(r))
		r->again_ns = again;
}

static bool is_fetched(const struct msg_recover *r, uint64_t frame)
{
	return msg_recover_place(r, frame)->asked == MSG_RECOVER_FETCHED;
}

/* What is due, as much as has a bit; the rest stays due. */
static void collect(
	struct msg_recover *r, uint64_t now, struct msg_report *report)
{
	uint64_t frame = r->next < r->first.frame ? r->first.frame : r->next;

	if (r->asked_count == 0 || r->again_ns <= now) {
		r->oldest_ns = UINT64_MAX;
		r->again_ns = UINT64_MAX;
		for (;;) {
			frame = msg_recover_next_missing(r, frame);
			if (frame >= r->unasked)
				break;
			if (is_fetched(r, frame)) {
				frame++;
				continue;
			}
			if (frame < msg_recover_heard(r) &&
				due(r, msg_recover_place(r, frame)) <= now)
				ask_for(r, frame, now, report);
			wait_for(r, frame++);
		}
	}
	while (fresh_when(r) <= now && ask_for(r, r->unasked, now, report))
		wait_for(r, r->unasked++);
}

static void fill_in(struct msg_recover *r, struct msg_report *report)
{
	report->receiver = r->options.receiver;
	report->stamp = r->stamp;
	report->heard = (uint32_t)msg_recover_heard(r);
	report->serial = r->serial;
	report->position = (uint32_t)r->next;
	report->window = r->options.window;
	report->rtt_ns = r->measured ? (uint32_t)r->rtt_ns : 0;
	report->flags |= r->options.tagged ? MSG_REPORT_TAGGED : 0;
	report->reach = r->options.reach;
	if (r->paused) {
		report->position--;
		report->flags |= MSG_REPORT_READING;
		report->history = r->pages;
	}
	r->counts.reports++;
}

static bool join_report(
	struct msg_recover *r, uint64_t now, struct msg_report *report)
{
	uint32_t times =
		r->join_count < PATIENCE_MAX ? r->join_count : PATIENCE_MAX;

	if (r->answered || now < r->join_ns)
		return false;
	report->flags = MSG_REPORT_JOIN;
	report->history = r->options.history;
	r->join_ns = msg_recover_later(
		now, doubled(r, AGAIN_ROUNDS * round_ns(r), times));
	r->join_count++;
	return true;
}

static bool plain_report(
	struct msg_recover *r, uint64_t now, struct msg_report *report)
{
	if (r->missing_count > 0)
		collect(r, now, report);
	if (report->count > 0) {
		r->counts.naks++;
		draw_backoff(r);
	}
	return report->count > 0 || now >= position_when(r);
}

bool msg_recover_report(
	struct msg_recover *r, uint64_t now, struct msg_report *report)
{
	bool is_due;

	if (r->reach.bytes == 0)
		return false;
	msg_recover_catch_up(r);
	memset(report, 0, sizeof *report);
	is_due = r->joining ? join_report(r, now, report)
			    : plain_report(r, now, report);
	is_due |= r->ask;
	if (is_due) {
		fill_in(r, report);
		r->ask = false;
		r->stamp = 0;
		r->report_ns = now;
		note_reported(r);
	}
	msg_recover_refresh(r);
	return is_due;
}

/* As who joins with nothing: where he would begin is for those who have not. */
bool msg_recover_inquire(struct msg_recover *r, struct msg_report *report)
{
	if (r->reach.bytes == 0 || r->joining)
		return false;
	memset(report, 0, sizeof *report);
	fill_in(r, report);
	report->flags = MSG_REPORT_JOIN;
	report->history = 0;
	return true;
}

bool msg_recover_leave(struct msg_recover *r, struct msg_report *report)
{
	if (r->reach.bytes == 0)
		return false;
	memset(report, 0, sizeof *report);
	report->flags = MSG_REPORT_LEAVING;
	fill_in(r, report);
	return true;
}
