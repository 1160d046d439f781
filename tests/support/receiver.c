/* SPDX-License-Identifier: BSD-2-Clause */
/* receiver.c - the reader that trusts nobody; see receiver.h. */
#include "receiver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t must_seed;

void must_failed(const char *condition, const char *file, int line)
{
	if (must_seed)
		fprintf(stderr, "MSG_TEST_SEED=0x%llx\n",
			(unsigned long long)must_seed);
	fprintf(stderr, "%s:%d: must hold: %s\n", file, line, condition);
	abort();
}

static uint32_t token_take(struct receiver *r, const struct msg_span *span)
{
	uint32_t token = 0;

	while (r->out[token]) {
		token++;
		MUST(token < RECEIVER_TOKENS);
	}
	r->out[token] = true;
	r->spans[token] = *span;
	return token;
}

static const struct msg_span *token_give(struct receiver *r, uint32_t token)
{
	MUST(token < RECEIVER_TOKENS);
	MUST(r->out[token]);
	r->out[token] = false;
	return &r->spans[token];
}

static void balance(const struct receiver *r)
{
	const struct msg_sequence *s = &r->sequence;

	MUST(s->held_count <= MSG_SEQUENCE_WINDOW);
	MUST(r->arrived == r->delivered_frames + r->dropped + s->held_count);
	MUST(s->late_total == r->dropped);
	if (r->begun)
		MUST(s->sequence == r->first + r->delivered + s->lost_total);
	/* A deadline stands exactly while something ahead is known. */
	MUST((s->deadline != UINT64_MAX) ==
		(s->held_count > 0 || s->told_count > 0));
}

static void deliver(struct receiver *r, uint32_t token)
{
	const struct msg_span *span = token_give(r, token);
	uint64_t lost = msg_sequence_lost(&r->sequence);

	if (!r->begun) {
		r->begun = true;
		r->first = span->sequence - lost;
		r->next = r->first;
		r->offset = 0;
	}
	/* After a loss the stream goes on at the start of a message; without
	 * one, exactly where it was. */
	MUST(span->sequence == r->next + lost);
	MUST(span->offset == (lost > 0 ? 0 : r->offset));
	r->delivered += span->end_sequence - span->sequence;
	r->delivered_frames++;
	r->next = span->end_sequence;
	r->offset = span->end_offset;
	r->deliver(r->context, span, lost);
}

static void drop(struct receiver *r, uint32_t token)
{
	token_give(r, token);
	r->dropped++;
}

static void drain(struct receiver *r, uint64_t now)
{
	for (;;) {
		uint32_t token = UINT32_MAX;

		switch (msg_sequence_next(&r->sequence, now, &token)) {
		case MSG_SEQUENCE_NOTHING:
			MUST(msg_sequence_deadline(&r->sequence) > now ||
				now == UINT64_MAX);
			return;
		case MSG_SEQUENCE_FRAME:
			deliver(r, token);
			break;
		case MSG_SEQUENCE_DROP:
			drop(r, token);
			break;
		}
	}
}

void receiver_start(struct receiver *r, uint64_t allowance_ns,
	receiver_deliver_fn *deliver_fn, void *context)
{
	memset(r, 0, sizeof *r);
	msg_sequence_start(
		&r->sequence, allowance_ns, MSG_SEQUENCE_WINDOW);
	r->deliver = deliver_fn;
	r->context = context;
	balance(r);
}

void receiver_frame(
	struct receiver *r, const struct msg_span *span, uint64_t now)
{
	bool in_order = msg_sequence_in_order(&r->sequence, span);
	uint32_t token = token_take(r, span);

	r->arrived++;
	switch (msg_sequence_arrive(&r->sequence, span, token, now)) {
	case MSG_SEQUENCE_DELIVER:
		deliver(r, token);
		break;
	case MSG_SEQUENCE_HELD:
		MUST(!in_order);
		drain(r, now);
		break;
	case MSG_SEQUENCE_LATE:
		drop(r, token);
		break;
	}
	balance(r);
}

void receiver_told(struct receiver *r, uint64_t next, uint64_t now)
{
	msg_sequence_evidence(&r->sequence, next, now);
	balance(r);
}

void receiver_tick(struct receiver *r, uint64_t now)
{
	bool due = msg_sequence_deadline(&r->sequence) <= now;
	uint64_t frames = r->delivered_frames + r->dropped;
	uint64_t lost = r->sequence.lost_total;

	drain(r, now);
	/* Only a deadline brings news. */
	MUST(due || (frames == r->delivered_frames + r->dropped &&
			    lost == r->sequence.lost_total));
	balance(r);
	if (now == UINT64_MAX)
		MUST(msg_sequence_deadline(&r->sequence) == UINT64_MAX);
}
