/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recovery.c - reliable streams at a receiver: order by msg_recover, which also says
 * what is missing; see receive.h.  The side link: recovery_side.c.
 *
 *     frame, probe ─> msg_recover ─ its turn ──> receive_deliver
 *                         └─ report ─> side link ─> the stream's publisher
 *     side link ─> repairs, answers ─> as frames and probes of the other
 */
#include "engine/receive_internal.h"

#include "protocol/pack.h"

/* Repairs that are under way at a time: what a socket holds by default. */
#define SIDE_BYTES (1u << 18)
/* When no more of them are left for repairs, only what comes next is kept. */
#define SIDE_BUFFERS_LEAST 4u
/* Between looks for who is silent and keeps slots. */
#define RELIEVE_NS (10 * MSG_NS_PER_MS)

/* Repairs that find buffers if they come all at once. */
static uint32_t ask_max(const struct msg_receiver *r, const struct msg_stream *s)
{
	return s->calls ? r->calls.link->receive_count / 2 + 1
			: r->side.link->receive_count;
}

void recovery_start(struct msg_receiver *r, struct msg_stream *s)
{
	struct msg_receive_wish wish = receive_wish(r, s);
	struct msg_recover_options options = {
		.window = r->streams.window,
		.receiver = r->options.name,
		.incarnation = s->incarnation,
		.reorder_ns = r->options.ask_ns,
		.give_up_ns = wish.give_up_ns,
		.history = wish.history,
		.ask_max = ask_max(r, s),
		.ask_bytes = s->calls ? 0 : SIDE_BYTES,
		.frame_bytes = r->options.frame_bytes,
		.tagged = wish.tagged,
		.seed = r->options.name ^ s->publisher,
		.reach = r->side.reach,
	};

	/* It is told where it begins, whether it asks for that or not. */
	if (s->calls)
		options.history = 1;
	s->kind = MSG_STREAM_RELIABLE;
	msg_recover_start(
		&s->recover, &options, msg_stream_places(&r->streams, s));
	msg_recover_reach(&s->recover, &s->said);
}

static void tell(struct msg_receiver *r, enum msg_counter_index index,
	uint64_t now, uint64_t *before)
{
	if (now != *before)
		count(r, index, now - *before);
	*before = now;
}

static void tell_all(struct msg_receiver *r, struct msg_stream *s)
{
	const struct msg_recover_counts *now = &s->recover.counts;
	struct msg_recover_counts *was = &s->told;

	tell(r, MSG_COUNTER_REPORTS, now->reports, &was->reports);
	tell(r, MSG_COUNTER_NAKS, now->naks, &was->naks);
	tell(r, MSG_COUNTER_ASKED, now->asked, &was->asked);
	tell(r, MSG_COUNTER_REPAIRS, now->repaired, &was->repaired);
	tell(r, MSG_COUNTER_LATE, now->late, &was->late);
	tell(r, MSG_COUNTER_BEYOND, now->beyond, &was->beyond);
	tell(r, MSG_COUNTER_UNBELIEVED, now->unbelieved, &was->unbelieved);
	tell(r, MSG_COUNTER_REORDERED, now->reordered, &was->reordered);
	tell(r, MSG_COUNTER_GONE, now->gone, &was->gone);
	tell(r, MSG_COUNTER_GIVEN_UP, now->given_up, &was->given_up);
}

/* What the stream waits for, and until when. */
static void note(struct msg_receiver *r, struct msg_stream *s)
{
	const struct msg_recover *recover = &s->recover;
	bool expects = !s->calls &&
		       (recover->missing_count > 0 || recover->joining);

	if (expects != s->expects) {
		s->expects = expects;
		r->side.attention += expects ? MSG_RECEIVE_EXPECT
					     : 0u - MSG_RECEIVE_EXPECT;
	}
	if (s->shelf.bytes > 0 &&
		msg_recover_unasked(recover) >=
			(recover->fetches ? MSG_RECOVER_FETCH_MIN
					  : MSG_FETCH_WORTH))
		fetch_wish(r, s);
	if (msg_recover_deadline(recover) < r->deadline)
		r->deadline = msg_recover_deadline(recover);
}

static void note_loss(struct msg_receiver *r, struct msg_stream *s)
{
	uint64_t lost = msg_recover_lost(&s->recover);

	if (lost > 0)
		receive_note_loss(r, s, lost,
			s->recover.counts.gone != s->told.gone
				? MSG_LOSS_HISTORY
				: MSG_LOSS_GAVE_UP);
}

/* Of a frame, the messages that a late joiner did not ask for. */
static uint32_t unwanted(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_span *span)
{
	uint64_t skip = s->begin - span->sequence;
	uint64_t messages = span->end_sequence - span->sequence;

	if ((int64_t)skip <= 0) {
		s->begins = false;
		return 0;
	}
	(void)r;
	return skip < messages ? (uint32_t)skip : (uint32_t)messages;
}

/* The first of a connected stream may be the middle of a message whose beginning is
 * kept no more; who heard of it before was owed that message. */
static void note_torn(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_span *span)
{
	if (!s->calls || !s->recover.fresh || span->offset == 0 ||
		s->recover.sequence != span->sequence + 1 ||
		span->sequence < s->due)
		return;
	receive_note_loss(r, s, 1, MSG_LOSS_HISTORY);
	s->due = span->sequence + 1;
}

/* The frame whose turn it is; takes the slot over. */
static void deliver(struct msg_receiver *r, struct msg_stream *s,
	struct msg_frame *frame, struct msg_span *span, uint32_t slot)
{
	bool follows = msg_recover_deliver(&s->recover, span);
	uint32_t skip = 0;

	if (s->recover.lost > 0)
		note_loss(r, s);
	if (follows && s->begins)
		skip = unwanted(r, s, span);
	if (!follows)
		note_torn(r, s, span);
	/* All of a frame is unwanted only if the publisher does not keep to
	 * what it said. */
	if (!follows ||
		(skip > 0 && skip == span->end_sequence - span->sequence)) {
		msg_receive_put(&r->pool, slot);
		return;
	}
	receive_deliver(r, s, frame, slot, skip);
}

/* One that comes out of the window: read again, it is ours. */
static void deliver_held(
	struct msg_receiver *r, struct msg_stream *s, uint32_t slot)
{
	const uint8_t *data = receive_frame(r, slot);
	struct msg_frame frame;
	struct msg_span span = {0, 0, 0, 0};

	if (msg_frame_read(data, r->pool.slots[slot].data_bytes, &frame) !=
		MSG_FRAME_OK) {
		msg_receive_put(&r->pool, slot);
		return;
	}
	frame.sequence = msg_recover_sequence(&s->recover, &frame);
	receive_check_body(&frame, data + MSG_FRAME_HEADER_BYTES, &span);
	deliver(r, s, &frame, &span, slot);
}

/* Hand on what can be by `now`. */
static void drain(struct msg_receiver *r, struct msg_stream *s, uint64_t now)
{
	uint32_t slot;

	for (;;) {
		enum msg_recover_step step =
			msg_recover_next(&s->recover, now, &slot);

		if (step == MSG_RECOVER_NOTHING)
			break;
		r->held_slots--;
		if (step == MSG_RECOVER_STALE)
			msg_receive_put(&r->pool, slot);
		else
			deliver_held(r, s, slot);
	}
	note_loss(r, s);
	if (r->options.events)
		happen_settled(r, s);
	tell_all(r, s);
	note(r, s);
}

void recovery_drain(struct msg_receiver *r, struct msg_stream *s)
{
	/* Nothing was waited for so far: the link was not watched, and what is
	 * found missing is so from now on. */
	if (r->deadline == UINT64_MAX || r->empty_ns == 0)
		r->empty_ns = turn_now(r);
	drain(r, s, r->empty_ns);
}

/* The clock of giving up stands still while nothing is heard, and so it does for
 * ever of one that is gone: some of those would keep all the slots. */
void recovery_relieve(struct msg_receiver *r, bool wide)
{
	uint64_t now = msg_clock_coarse_ns();
	struct msg_stream *found = NULL;

	if (r->held_slots == 0 || now < r->relieve_ns)
		return;
	r->relieve_ns = now + RELIEVE_NS;
	for (uint32_t i = 0; i < r->streams.count; i++) {
		struct msg_stream *s = &r->streams.streams[i];

		if (s->used && s->kind == MSG_STREAM_RELIABLE &&
			s->calls == wide && s->recover.held_count > 0 &&
			!s->recover.paused &&
			now - s->heard_ns >= MSG_STREAM_SILENT_NS &&
			(!found || s->heard_ns < found->heard_ns))
			found = s;
	}
	if (found)
		drain(r, found, UINT64_MAX);
}

/* Slots for what is missing. */
static uint32_t spare(const struct msg_receiver *r, const struct msg_stream *s)
{
	return s->calls ? r->pool.wide_free_count + r->calls.posted
			: r->pool.free_count + r->side.posted;
}

void recovery_arrived(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame, const struct msg_span *span,
	uint32_t slot)
{
	bool quiet = msg_recover_in_order(&s->recover, frame);
	struct msg_frame whole = *frame;
	struct msg_span covered = *span;

	s->heard_ns = msg_clock_coarse_ns();
	if (s->silent)
		happen_heard(r, s);
	/* Those that wait must leave buffers for what they wait for; but what was
	 * read has none of theirs. */
	if (!quiet && s->recover.begun && slot < r->pool.apart &&
		spare(r, s) < SIDE_BUFFERS_LEAST &&
		(uint32_t)s->recover.next != frame->transmission) {
		count(r, MSG_COUNTER_BEYOND, 1);
		msg_receive_put(&r->pool, slot);
		return;
	}
	switch (msg_recover_arrive(
		&s->recover, frame, slot, quiet ? 0 : turn_now(r))) {
	case MSG_RECOVER_DELIVER:
		whole.sequence = msg_recover_sequence(&s->recover, frame);
		covered.end_sequence += whole.sequence - covered.sequence;
		covered.sequence = whole.sequence;
		deliver(r, s, &whole, &covered, slot);
		break;
	case MSG_RECOVER_HELD:
		r->pool.slots[slot].data_bytes = frame->bytes;
		r->held_slots++;
		break;
	case MSG_RECOVER_DROP:
		msg_receive_put(&r->pool, slot);
		break;
	}
	if (!quiet)
		recovery_drain(r, s);
	else if (msg_recover_deadline(&s->recover) < r->deadline)
		r->deadline = msg_recover_deadline(&s->recover);
}

/* A late joiner is told where the frames begin that hold what it asked for; the
 * first of them may hold more. */
static void note_begin(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_probe *probe)
{
	uint64_t wanted = s->recover.options.history;
	uint64_t there = probe->next_sequence - probe->first_sequence;

	if (s->calls && s->wanted <= probe->next_sequence)
		wanted = probe->next_sequence - s->wanted;
	else if (s->calls)
		wanted = 0;
	if (s->recover.options.history == UINT32_MAX || wanted > there)
		wanted = there;
	s->begin = probe->next_sequence - wanted;
	s->begins = true;
	count(r, MSG_COUNTER_CAUGHT_UP, wanted);
	/* Sent since it was heard of, and no more to be had. */
	if (s->calls && probe->first_sequence > s->due) {
		receive_note_loss(r, s, probe->first_sequence - s->due,
			MSG_LOSS_HISTORY);
		s->due = probe->first_sequence;
	}
}

void recovery_probe(struct msg_receiver *r, const struct msg_frame *frame,
	const uint8_t *body, uint32_t call)
{
	struct msg_stream *s;
	struct msg_probe probe;
	bool joins;

	/* Like announcements, those of others are no news. */
	if (msg_receiver_topic(r, frame->tag) == UINT32_MAX)
		return;
	s = receive_find_stream(r, frame);
	if (!s)
		return;
	if (!receive_is_own(s, call)) {
		count(r, MSG_COUNTER_UNBELIEVED, 1);
		return;
	}
	if (!msg_probe_read(&probe, frame, body)) {
		count(r, MSG_COUNTER_MALFORMED, 1);
		return;
	}
	if (s->kind == MSG_STREAM_UNKNOWN) {
		recovery_start(r, s);
		happen_joined(r, s, probe.next_sequence);
	}
	if (s->kind != MSG_STREAM_RELIABLE)
		return;
	s->heard_ns = msg_clock_coarse_ns();
	if (s->silent)
		happen_heard(r, s);
	count(r, MSG_COUNTER_PROBES, 1);
	joins = s->recover.joining && !s->recover.answered &&
		(probe.flags & MSG_PROBE_JOIN);
	if (msg_recover_probe(&s->recover, &probe, turn_now(r))) {
		s->period_ms = probe.period_ms;
		if (joins)
			note_begin(r, s, &probe);
	}
	recovery_drain(r, s);
}

void msg_receiver_reach(struct msg_receiver *r, const struct msg_frame *frame,
	uint64_t incarnation, uint64_t next_sequence,
	const struct msg_reach *to)
{
	struct msg_stream *s;

	if (!r->side.link || to->bytes == 0)
		return;
	s = receive_find_stream(r, frame);
	if (!s)
		return;
	/* The first word stays: who lies later moves nobody. */
	if (s->kind != MSG_STREAM_UNKNOWN || s->said.bytes > 0)
		return;
	s->said = *to;
	s->incarnation = incarnation;
	if (r->options.history == 0)
		return;
	recovery_start(r, s);
	happen_joined(r, s, next_sequence);
	recovery_drain(r, s);
}

void recovery_shelf(struct msg_receiver *r, const struct msg_frame *frame,
	const uint8_t *body, uint32_t call)
{
	struct msg_stream *s =
		msg_stream_find(&r->streams, frame->publisher, frame->tag);
	struct msg_reach shelf;

	if (!s || s->kind != MSG_STREAM_RELIABLE) {
		count(r, MSG_COUNTER_FOREIGN, 1);
		return;
	}
	if (!receive_is_own(s, call)) {
		count(r, MSG_COUNTER_UNBELIEVED, 1);
		return;
	}
	if (!msg_shelf_hear(&shelf, frame, body)) {
		count(r, MSG_COUNTER_MALFORMED, 1);
		return;
	}
	/* The first word stays: who lies later moves nobody. */
	if (!r->fetch || s->shelf.bytes > 0)
		return;
	s->shelf = shelf;
	note(r, s);
}

void recovery_stop(struct msg_receiver *r, struct msg_stream *s)
{
	uint32_t slot;

	while (msg_recover_next(&s->recover, UINT64_MAX, &slot) !=
		MSG_RECOVER_NOTHING) {
		msg_receive_put(&r->pool, slot);
		r->held_slots--;
	}
	if (s->expects)
		r->side.attention -= MSG_RECEIVE_EXPECT;
	s->expects = false;
	recovery_say_goodbye(r, s);
	if (s->reachable)
		r->side.link->ops->leave(r->side.link, s->handle);
	s->reachable = false;
}
