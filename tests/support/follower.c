/* SPDX-License-Identifier: BSD-2-Clause */
/* follower.c - the reader that trusts nobody; see follower.h. */
#include "follower.h"

#include <stddef.h>
#include <string.h>

static uint32_t token_take(struct follower *f, const struct msg_frame *frame,
	const struct follower_body *body)
{
	uint32_t token = 0;

	while (f->tokens[token].out) {
		token++;
		MUST(token < f->recover.options.window + 2);
	}
	f->tokens[token] = (struct follower_token){true, *frame, *body};
	f->out_count++;
	return token;
}

static const struct follower_token *token_give(
	struct follower *f, uint32_t token)
{
	MUST(token < FOLLOWER_TOKENS);
	MUST(f->tokens[token].out);
	f->tokens[token].out = false;
	f->out_count--;
	return &f->tokens[token];
}

/* The bits say what the counters say, and nothing beyond the window. */
static void check_window(const struct msg_recover *r)
{
	uint32_t missing = 0, bits = 0, asked = 0;
	uint64_t scanned = r->scanned < r->next ? r->next : r->scanned;

	MUST(scanned - r->next <= r->options.window);
	MUST(scanned == r->top || scanned == r->next + r->options.window);
	for (uint32_t i = 0; i < MSG_RECOVER_WINDOW_MAX / 64; i++)
		bits += (uint32_t)__builtin_popcountll(r->missing[i]);
	for (uint64_t n = r->next; n < scanned; n++) {
		uint64_t at = n & (r->options.window - 1);

		if (!(r->missing[at / 64] >> (at % 64) & 1))
			continue;
		missing++;
		asked += r->places[at].asked > 0 &&
			 r->places[at].asked != MSG_RECOVER_FETCHED;
	}
	MUST(bits == missing && missing == r->missing_count);
	MUST(asked == r->asked_count);
	if (!r->answered)
		MUST(scanned - r->next == missing + r->held_count);
}

static void balance(const struct follower *f)
{
	const struct msg_recover *r = &f->recover;

	MUST(f->out_count == r->held_count);
	MUST(r->held_count <= r->options.window);
	MUST(r->lost == 0);
	MUST(r->lost_total == r->counts.gone + r->counts.given_up);
	MUST(!r->placed ||
		r->sequence == r->origin + f->delivered + r->lost_total);
	MUST(r->calm == (r->placed && r->gap == 0 && !r->fresh));
	check_window(r);
}

static void take_lost(struct follower *f)
{
	f->lost += msg_recover_lost(&f->recover);
}

static void drop(struct follower *f, uint32_t token)
{
	token_give(f, token);
	f->dropped++;
}

static void deliver(struct follower *f, uint32_t token)
{
	struct msg_recover *r = &f->recover;
	const struct follower_token *t = &f->tokens[token];
	uint64_t sequence = msg_recover_sequence(r, &t->frame);
	struct msg_span span =
		t->body.count > 0
			? msg_span_messages(sequence, t->body.count)
			: msg_span_fragment(sequence, &t->body.fragment);
	bool good = msg_recover_deliver(r, &span);

	take_lost(f);
	if (!good) {
		drop(f, token);
		return;
	}
	if (!f->begun)
		f->next = r->origin;
	f->begun = true;
	/* After a loss the stream goes on at the start of a message; without
	 * one, exactly where it was. */
	MUST(span.sequence == f->next + f->lost);
	MUST(span.offset == (f->lost > 0 ? 0 : f->offset));
	f->delivered += span.end_sequence - span.sequence;
	f->delivered_frames++;
	f->next = span.end_sequence;
	f->offset = span.end_offset;
	token_give(f, token);
	f->deliver(f->context, &t->frame, &span, f->lost);
	f->lost = 0;
}

static void drain(struct follower *f, uint64_t now)
{
	for (;;) {
		uint32_t token = UINT32_MAX;

		switch (msg_recover_next(&f->recover, now, &token)) {
		case MSG_RECOVER_NOTHING:
			take_lost(f);
			return;
		case MSG_RECOVER_FRAME:
			deliver(f, token);
			break;
		case MSG_RECOVER_STALE:
			drop(f, token);
			break;
		}
	}
}

void follower_start(struct follower *f,
	const struct msg_recover_options *options,
	follower_deliver_fn *deliver_fn, void *context)
{
	MUST(options->window <= FOLLOWER_WINDOW_MAX);
	/* All but places and tokens; fuzzers begin often. */
	memset(f, 0, offsetof(struct follower, places));
	for (uint32_t i = 0; i < options->window + 2; i++)
		f->tokens[i].out = false;
	msg_recover_start(&f->recover, options, f->places);
	f->deliver = deliver_fn;
	f->context = context;
	f->empty = UINT64_MAX;
	balance(f);
}

enum msg_recover_verdict follower_frame(struct follower *f,
	const struct msg_frame *frame, const struct follower_body *body,
	uint64_t now)
{
	bool in_order = msg_recover_in_order(&f->recover, frame);
	uint32_t token = token_take(f, frame, body);
	enum msg_recover_verdict verdict =
		msg_recover_arrive(&f->recover, frame, token, now);

	MUST(!in_order || verdict == MSG_RECOVER_DELIVER);
	switch (verdict) {
	case MSG_RECOVER_DELIVER:
		deliver(f, token);
		break;
	case MSG_RECOVER_HELD:
		drain(f, now < f->empty ? now : f->empty);
		break;
	case MSG_RECOVER_DROP:
		drop(f, token);
		break;
	}
	balance(f);
	return verdict;
}

bool follower_probe(
	struct follower *f, const struct msg_probe *probe, uint64_t now)
{
	bool believed = msg_recover_probe(&f->recover, probe, now);

	drain(f, now);
	balance(f);
	return believed;
}

void follower_tick(struct follower *f, uint64_t now)
{
	drain(f, now);
	balance(f);
	if (now == UINT64_MAX)
		MUST(f->out_count == 0);
}

bool follower_report(
	struct follower *f, uint64_t now, struct msg_report *report)
{
	const struct msg_recover *r = &f->recover;
	bool due, said;

	drain(f, now);
	due = msg_recover_deadline(r) <= now;
	said = msg_recover_report(&f->recover, now, report);
	/* Only a deadline brings one, and once all is said none has passed. */
	MUST(due || !said);
	MUST(said || msg_recover_deadline(r) > now);
	if (said && report->count > 0) {
		uint32_t last = report->count - 1u;

		MUST(report->count <= MSG_REPORT_FRAMES_MAX);
		MUST(msg_report_misses(report, 0));
		MUST(msg_report_misses(report, last));
	}
	balance(f);
	return said;
}
