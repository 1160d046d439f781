/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * deliver.c - from frames in any order to messages in order; see receive.h.
 *
 * The order itself is protocol/sequence's; here its verdicts meet the slots:
 * what is delivered is published in a ring, what is held keeps its slot, what
 * is late gives it back.  A frame that comes out of the window is read again
 * from its slot: that memory is ours and nobody writes there meanwhile.
 */
#include "engine/receive_internal.h"

#include "protocol/fragment.h"

struct msg_ring_writer *receive_ring(
	const struct msg_receiver *r, const struct msg_stream *s)
{
	return r->ring ? r->ring : r->rings[s->topic];
}

/* An entry for what stands in `slot`, with the losses known before it. */
static inline struct msg_ring_item item_of(const struct msg_receiver *r,
	const struct msg_stream *s, uint32_t slot, uint64_t sequence)
{
	const struct msg_receive_slot *m = &r->pool.slots[slot];
	size_t place = (size_t)slot * r->pool.stride + m->data_offset;

	return (struct msg_ring_item){
		.sequence = sequence,
		.publisher = s->publisher,
		.topic = s->topic,
		.kind = MSG_RING_SINGLE,
		.bytes = m->data_bytes,
		.place = (uint32_t)(place / MSG_RING_PLACE_UNIT),
		.lost = s->lost < UINT32_MAX ? (uint32_t)s->lost : UINT32_MAX,
	};
}

static void drop_assembly(struct msg_receiver *r, struct msg_stream *s)
{
	struct msg_assembly *a = &s->assembly;

	r->held_slots -= a->slot_count;
	r->assembly_slots[s->calls] -= a->slot_count;
	msg_receive_put_chain(&r->pool, a->first);
	a->first = MSG_RECEIVE_NONE;
	a->slot_count = 0;
	a->skipping = false;
}

/* A message that never became whole for a reason of ours is lost, too. */
static void give_up(struct msg_receiver *r, struct msg_stream *s)
{
	drop_assembly(r, s);
	s->assembly.skipping = true;
	s->lost++;
	s->reason = MSG_LOSS_TOO_LARGE;
	count(r, MSG_COUNTER_LOST, 1);
}

/* Room for one more fragment: at need, at the cost of the stream that has
 * been silent longest in the middle of a message. */
static bool make_room(struct msg_receiver *r, const struct msg_stream *mine)
{
	struct msg_stream *oldest = NULL;

	if (r->assembly_slots[mine->calls] < r->assembly_slots_max[mine->calls])
		return true;
	for (uint32_t i = 0; i < r->streams.count; i++) {
		struct msg_stream *s = &r->streams.streams[i];

		if (s != mine && s->used && s->calls == mine->calls &&
			s->assembly.slot_count > 0 &&
			(!oldest || s->heard_ns < oldest->heard_ns))
			oldest = s;
	}
	if (!oldest)
		return false;
	give_up(r, oldest);
	return true;
}

static void finish_message(struct msg_receiver *r, struct msg_stream *s,
	uint64_t sequence)
{
	struct msg_ring_writer *ring = receive_ring(r, s);
	struct msg_assembly *a = &s->assembly;
	struct msg_ring_item item = item_of(r, s, a->first, sequence);
	uint32_t slot = r->pool.slots[a->first].next;

	if (!msg_ring_room(ring, a->slot_count)) {
		give_up(r, s);
		s->assembly.skipping = false;
		return;
	}
	s->lost = 0;
	item.kind = MSG_RING_PART;
	item.total = a->total;
	/* The first one last: who sees it sees all. */
	for (uint32_t i = 1; i < a->slot_count; i++) {
		struct msg_ring_item part = item_of(r, s, slot, sequence);

		part.kind = MSG_RING_PART;
		part.total = a->total;
		part.segments = a->slot_count - i;
		msg_ring_put(ring, i, &part, slot);
		slot = r->pool.slots[slot].next;
	}
	item.segments = a->slot_count;
	msg_ring_put(ring, 0, &item, a->first);
	msg_ring_advance(ring, a->slot_count);
	r->published += a->slot_count;
	r->held_slots -= a->slot_count;
	r->assembly_slots[s->calls] -= a->slot_count;
	a->first = MSG_RECEIVE_NONE;
	a->slot_count = 0;
}

static void append_part(struct msg_receiver *r, struct msg_stream *s,
	uint32_t slot, const struct msg_fragment *part)
{
	struct msg_assembly *a = &s->assembly;
	struct msg_receive_slot *m = &r->pool.slots[slot];

	m->data_offset = MSG_LINK_HEADROOM + MSG_FRAME_HEADER_BYTES +
			 MSG_FRAGMENT_HEADER_BYTES;
	m->data_bytes = part->bytes;
	m->next = MSG_RECEIVE_NONE;
	if (a->slot_count == 0)
		a->first = slot;
	else
		r->pool.slots[a->last].next = slot;
	a->last = slot;
	a->slot_count++;
	r->held_slots++;
	r->assembly_slots[s->calls]++;
}

/* The next part, in order, of the message in assembly. */
static void deliver_fragment(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame, uint32_t slot)
{
	struct msg_assembly *a = &s->assembly;
	struct msg_fragment part;
	bool last;

	/* Checked when it arrived; read again, not remembered. */
	if (!msg_fragment_read(receive_frame(r, slot) + MSG_FRAME_HEADER_BYTES,
		    frame->bytes - MSG_FRAME_HEADER_BYTES, &part)) {
		msg_receive_put(&r->pool, slot);
		return;
	}
	last = part.offset + part.bytes == part.total;
	if (part.offset == 0) {
		drop_assembly(r, s);
		a->total = part.total;
		if (part.total > r->options.message_bytes_max) {
			count(r, MSG_COUNTER_TOO_LARGE, 1);
			give_up(r, s);
		}
	}
	if (!a->skipping && part.total != a->total) {
		count(r, MSG_COUNTER_MALFORMED, 1);
		give_up(r, s);
	}
	if (!a->skipping && !make_room(r, s))
		give_up(r, s);
	if (a->skipping) {
		msg_receive_put(&r->pool, slot);
		a->skipping = !last;
		return;
	}
	append_part(r, s, slot, &part);
	if (last)
		finish_message(r, s, frame->sequence);
}

static inline __attribute__((always_inline)) void deliver_whole(
	struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame, uint32_t slot, uint32_t skip, bool packed)
{
	struct msg_ring_writer *ring = receive_ring(r, s);
	struct msg_receive_slot *m = &r->pool.slots[slot];
	struct msg_ring_item item;

	m->data_offset = MSG_LINK_HEADROOM + MSG_FRAME_HEADER_BYTES;
	m->data_bytes = frame->bytes - MSG_FRAME_HEADER_BYTES;
	item = item_of(r, s, slot, frame->sequence);
	if (packed) {
		item.kind = MSG_RING_PACKED;
		item.total = skip;
	}
	if (!msg_ring_room(ring, 1)) {
		msg_receive_put(&r->pool, slot);
		return;
	}
	s->lost = 0;
	msg_ring_put(ring, 0, &item, slot);
	msg_ring_advance(ring, 1);
	r->published++;
}

void receive_deliver_lone(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame, uint32_t slot)
{
	deliver_whole(r, s, frame, slot, 0, false);
}

void receive_note_loss(struct msg_receiver *r, struct msg_stream *s,
	uint64_t lost, enum msg_loss reason)
{
	if (lost == 0)
		return;
	/* The message being skipped was counted when it was given up, and the
	 * gap, which begins inside of it, counts it again. */
	if (s->assembly.skipping)
		lost--;
	drop_assembly(r, s);
	s->lost += lost;
	s->reason = reason;
	count(r, MSG_COUNTER_LOST, lost);
}

static __attribute__((noinline)) void deliver(struct msg_receiver *r,
	struct msg_stream *s, const struct msg_frame *frame, uint32_t slot,
	uint32_t skip)
{
	if (s->lost > 0 && r->options.events && !s->assembly.skipping)
		happen_lost(r, s, frame->sequence);
	if (frame->type == MSG_FRAME_FRAGMENT)
		deliver_fragment(r, s, frame, slot);
	else if (frame->type == MSG_FRAME_LARGE)
		pull_begin(r, s, frame, slot);
	else
		deliver_whole(r, s, frame, slot, skip,
			frame->type == MSG_FRAME_PACKED);
}

/* A whole message that is larger than any may be: those by connections can be. */
static void refuse_whole(
	struct msg_receiver *r, struct msg_stream *s, uint32_t slot)
{
	msg_receive_put(&r->pool, slot);
	count(r, MSG_COUNTER_TOO_LARGE, 1);
	give_up(r, s);
	s->assembly.skipping = false;
}

void receive_deliver(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame, uint32_t slot, uint32_t skip)
{
	if (receive_is_too_large(r, frame))
		refuse_whole(r, s, slot);
	else
		deliver(r, s, frame, slot, skip);
}

static inline void note_loss(struct msg_receiver *r, struct msg_stream *s)
{
	receive_note_loss(
		r, s, msg_sequence_lost(&s->sequence), MSG_LOSS_NETWORK);
}

void msg_receiver_drain(struct msg_receiver *r, struct msg_stream *s)
{
	uint32_t slot;

	if (s->kind == MSG_STREAM_RELIABLE) {
		recovery_drain(r, s);
		return;
	}
	for (;;) {
		enum msg_sequence_step step = msg_sequence_next(
			&s->sequence, r->empty_ns, &slot);
		struct msg_frame frame;

		if (step == MSG_SEQUENCE_NOTHING)
			break;
		r->held_slots--;
		if (step == MSG_SEQUENCE_DROP ||
			msg_frame_read(receive_frame(r, slot),
				r->options.frame_bytes, &frame) != MSG_FRAME_OK) {
			count(r, MSG_COUNTER_LATE, 1);
			msg_receive_put(&r->pool, slot);
			continue;
		}
		note_loss(r, s);
		deliver(r, s, &frame, slot, 0);
	}
	/* A loss with nothing behind it: count it now, report it later, or at
	 * once if that is asked for. */
	note_loss(r, s);
	if (r->options.events)
		happen_settled(r, s);
	if (msg_sequence_deadline(&s->sequence) < r->deadline)
		r->deadline = msg_sequence_deadline(&s->sequence);
}

void msg_receiver_arrived(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame, const struct msg_span *span,
	uint32_t slot)
{
	bool quiet = msg_sequence_in_order(&s->sequence, span);
	uint64_t reordered = s->sequence.reordered_total;

	s->heard_ns = msg_clock_coarse_ns();
	if (s->silent)
		happen_heard(r, s);
	switch (msg_sequence_arrive(
		&s->sequence, span, slot, quiet ? 0 : turn_now(r))) {
	case MSG_SEQUENCE_DELIVER:
		note_loss(r, s);
		deliver(r, s, frame, slot, 0);
		break;
	case MSG_SEQUENCE_HELD:
		r->held_slots++;
		break;
	case MSG_SEQUENCE_LATE:
		count(r, MSG_COUNTER_LATE, 1);
		msg_receive_put(&r->pool, slot);
		break;
	}
	count(r, MSG_COUNTER_REORDERED,
		s->sequence.reordered_total - reordered);
	if (!quiet || r->deadline != UINT64_MAX)
		msg_receiver_drain(r, s);
}

uint64_t msg_receiver_look_ahead(struct msg_receiver *r)
{
	uint64_t deadline = r->unsaid ? 0 : r->silence;

	if (r->pull && r->pull->deadline < deadline)
		deadline = r->pull->deadline;
	if (r->fetch && r->fetch->deadline < deadline)
		deadline = r->fetch->deadline;
	/* Readers of a broker wake nobody; an application that has released views
	 * takes a turn. */
	if (r->stalled > 0 && !r->ring && r->hold_ns < deadline)
		deadline = r->hold_ns;
	for (uint32_t i = 0; i < r->streams.count; i++) {
		const struct msg_stream *s = &r->streams.streams[i];

		if (s->used && receive_deadline(s) < deadline)
			deadline = receive_deadline(s);
	}
	return r->deadline = deadline;
}

void msg_receiver_expire(struct msg_receiver *r)
{
	if (r->options.events)
		happen_look(r);
	r->deadline = r->silence;
	for (uint32_t i = 0; i < r->streams.count; i++)
		if (r->streams.streams[i].used)
			msg_receiver_drain(r, &r->streams.streams[i]);
}

void msg_receiver_evict(void *receiver, struct msg_stream *s)
{
	struct msg_receiver *r = receiver;
	uint32_t slot;

	drop_assembly(r, s);
	pull_stop(r, s);
	fetch_stop(r, s);
	if (s->kind == MSG_STREAM_RELIABLE)
		recovery_stop(r, s);
	if (s->calls)
		caller_stop(r, s);
	if (s->kind == MSG_STREAM_RELIABLE)
		return;
	/* Silent for seconds, so nothing should be waiting in its window; but
	 * a clock may jump over both limits at once.  At the end of time every
	 * gap is over, and every token comes home. */
	while (msg_sequence_next(&s->sequence, UINT64_MAX, &slot) !=
		MSG_SEQUENCE_NOTHING) {
		msg_receive_put(&r->pool, slot);
		r->held_slots--;
	}
}
