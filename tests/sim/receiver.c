/* SPDX-License-Identifier: BSD-2-Clause */
/* receiver.c - a receiver's turn: packets, deadlines, reports; receiver.h. */
#include "receiver.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hand_over.h"
#include "reach.h"

static void wake(
	struct world *world, void *object, void *detail, uint64_t number);

static void *zeroed(size_t count, size_t bytes)
{
	void *memory = calloc(count, bytes);

	if (!memory)
		abort();
	return memory;
}

/* ---- streams ------------------------------------------------------------- */

static uint32_t tokens(const struct receiver *r)
{
	return r->options.window + 1;
}

static struct stream *stream_make(
	struct receiver *r, uint32_t publisher, const struct truth *truth)
{
	const struct receiver_options *o = &r->options;
	struct msg_recover_options options = {
		.window = o->window,
		.receiver = o->id,
		.reorder_ns = o->reorder_ns,
		.give_up_ns = o->give_up_ns,
		.history = o->history,
		.ask_max = o->ask_max,
		.ask_bytes = o->ask_bytes,
		.frame_bytes = o->frame_bytes,
		.tagged = o->tagged,
		.seed = o->id,
		.reach = reach_of(o->node),
	};
	struct stream *s = zeroed(1, sizeof *s);

	r->streams = realloc(
		r->streams, (r->stream_count + 1) * sizeof(struct stream *));
	if (!r->streams)
		abort();
	r->streams[r->stream_count++] = s;
	s->publisher = publisher;
	s->first_heard_ns = r->world->now;
	s->places = zeroed(o->window, sizeof *s->places);
	s->held = zeroed(tokens(r), sizeof(struct packet *));
	msg_recover_start(&s->recover, &options, s->places);
	book_start(&s->book, r->world, truth, o->node, o->lossless,
		o->give_up_ns);
	return s;
}

/* The stream of this publisher; it begins with what is heard of it first. */
static struct stream *stream_of(struct receiver *r, uint32_t publisher)
{
	const struct truth *truth;

	for (uint32_t i = 0; i < r->stream_count; i++)
		if (r->streams[i]->publisher == publisher)
			return r->streams[i];
	truth = r->options.truth_of(r->options.context, publisher);
	if (!truth || r->stream_count == RECEIVER_STREAMS_MAX)
		return NULL;
	return stream_make(r, publisher, truth);
}

const struct stream *receiver_stream(
	const struct receiver *r, uint32_t publisher)
{
	for (uint32_t i = 0; i < r->stream_count; i++)
		if (r->streams[i]->publisher == publisher)
			return r->streams[i];
	return NULL;
}

/* ---- reports ------------------------------------------------------------- */

static uint32_t room(const struct receiver *r)
{
	uint32_t used = r->inbox_count;

	for (uint32_t i = 0; i < r->stream_count; i++)
		used += r->streams[i]->held_count;
	return used < r->options.posted ? r->options.posted - used : 0;
}

static uint32_t missing(const struct msg_report *report)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < report->count; i++)
		count += msg_report_misses(report, i);
	return count;
}

static void report_send(
	struct receiver *r, struct stream *s, struct msg_report *report)
{
	struct packet *packet;
	uint64_t again;
	uint32_t lacks = missing(report);

	r->reports++;
	r->naks += lacks > 0;
	r->asked += lacks;
	if (r->options.mutant == MUTANT_NO_NAK)
		return;
	/* No window is wider than the buffers that are there. */
	if (report->window > room(r))
		report->window = room(r);
	world_note(r->world, NOTE_REPORT, r->options.node, report->position,
		lacks);
	packet = packet_new(MSG_FRAME_HEADER_BYTES + MSG_REPORT_BYTES_MAX);
	packet->bytes = msg_report_write(
		packet->data, report, r->options.tag, s->publisher);
	if (r->options.send)
		r->options.send(r->options.context, r, packet,
			&s->recover.reach);
	else if (!net_send(r->net, r->options.node,
			 reach_node(&s->recover.reach), packet, &again))
		r->refused++; /* As if lost: it will be said again. */
	packet_drop(packet);
}

/* ---- the turn ------------------------------------------------------------ */

static void step_all(struct receiver *r, struct stream *s)
{
	enum msg_recover_step step;
	uint32_t token;

	while ((step = msg_recover_next(
			&s->recover, r->world->now, &token)) !=
		MSG_RECOVER_NOTHING) {
		struct packet *packet = s->held[token];

		s->held[token] = NULL;
		s->held_count--;
		if (step == MSG_RECOVER_FRAME)
			hand_over(r, s, packet);
		packet_drop(packet);
	}
	hand_over_loss(r, s);
}

static void settle(struct receiver *r, struct stream *s)
{
	struct msg_report report;

	step_all(r, s);
	while (msg_recover_report(&s->recover, r->world->now, &report))
		report_send(r, s, &report);
}

static void set_timer(struct receiver *r)
{
	uint64_t at = NEVER;

	for (uint32_t i = 0; i < r->stream_count; i++) {
		uint64_t due = msg_recover_deadline(&r->streams[i]->recover);

		if (due < at)
			at = due;
	}
	if (r->inbox_count > 0 || (at != NEVER && at < r->busy_until))
		at = r->busy_until;
	if (at >= r->timer_at)
		return;
	if (r->options.plan) {
		r->options.plan(r->options.context, r, at);
		return;
	}
	r->timer_at = at;
	world_at(r->world, at, wake, r, NULL, ++r->timer_number);
}

static void data_came(struct receiver *r, struct stream *s,
	struct msg_frame *frame, struct packet *packet)
{
	uint32_t token = 0;

	while (s->held[token])
		token++;
	switch (msg_recover_arrive(
		&s->recover, frame, token, r->world->now)) {
	case MSG_RECOVER_DELIVER:
		hand_over(r, s, packet);
		break;
	case MSG_RECOVER_HELD:
		s->held[token] = packet_hold(packet);
		s->held_count++;
		break;
	case MSG_RECOVER_DROP:
		break;
	}
}

static void probe_came(struct receiver *r, struct stream *s,
	const struct msg_frame *frame, const struct packet *packet)
{
	struct msg_probe probe;

	if (msg_probe_read(
		    &probe, frame, packet->data + MSG_FRAME_HEADER_BYTES))
		msg_recover_probe(&s->recover, &probe, r->world->now);
}

static void process(struct receiver *r, struct packet *packet)
{
	struct msg_frame frame;
	struct stream *s;

	if (msg_frame_read(packet->data, packet->bytes, &frame) !=
			MSG_FRAME_OK ||
		frame.tag != r->options.tag)
		return;
	world_note(r->world, NOTE_ARRIVED, r->options.node,
		(uint64_t)frame.flags << 8 | frame.type, frame.transmission);
	if (r->options.mutant == MUTANT_DROP_REPAIR &&
		frame.flags & MSG_FRAME_REPAIR)
		return;
	if (frame.type != MSG_FRAME_PROBE &&
		!(frame.flags & MSG_FRAME_RELIABLE))
		return;
	s = stream_of(r, frame.publisher);
	if (!s)
		return;
	if (frame.type == MSG_FRAME_PROBE)
		probe_came(r, s, &frame, packet);
	else
		data_came(r, s, &frame, packet);
	settle(r, s);
}

/* Read what waits, as fast as the reader is. */
static void drain(struct receiver *r)
{
	uint64_t now = r->world->now;

	while (r->inbox_count > 0 && r->busy_until <= now) {
		struct packet *packet = r->inbox[r->inbox_first];

		r->inbox_first = (r->inbox_first + 1) % r->options.posted;
		r->inbox_count--;
		r->handed = 0;
		process(r, packet);
		/* What is not for the application costs it nothing. */
		r->busy_until = now + r->handed * r->options.service_ns;
		packet_drop(packet);
	}
}

static void wake(
	struct world *world, void *object, void *detail, uint64_t number)
{
	struct receiver *r = object;

	(void)world;
	(void)detail;
	if (r->dead || number != r->timer_number)
		return;
	receiver_turn(r);
}

void receiver_turn(struct receiver *r)
{
	r->timer_at = NEVER;
	drain(r);
	if (r->inbox_count == 0)
		for (uint32_t i = 0; i < r->stream_count; i++)
			if (msg_recover_deadline(&r->streams[i]->recover) <=
				r->world->now)
				settle(r, r->streams[i]);
	set_timer(r);
}

void receiver_arrive(void *object, struct packet *packet)
{
	struct receiver *r = object;

	if (r->dead)
		return;
	if (room(r) == 0) {
		r->overflow += packet->data_frame;
		world_note(r->world, NOTE_DROPPED, r->options.node, 0,
			packet->bytes);
		return;
	}
	r->inbox[(r->inbox_first + r->inbox_count++) % r->options.posted] =
		packet_hold(packet);
	drain(r);
	set_timer(r);
}

void receiver_stall(struct receiver *r, uint64_t until)
{
	if (until > r->busy_until)
		r->busy_until = until;
}

/* ---- life ---------------------------------------------------------------- */

void receiver_start(struct receiver *r, struct world *world, struct net *net,
	const struct receiver_options *options)
{
	memset(r, 0, sizeof *r);
	r->world = world;
	r->net = net;
	r->options = *options;
	r->timer_at = NEVER;
	r->inbox = zeroed(options->posted, sizeof(struct packet *));
	world_note(world, NOTE_START, options->node, options->id, 0);
}

void receiver_kill(struct receiver *r)
{
	r->dead = true;
	world_note(r->world, NOTE_CRASH, r->options.node, r->options.id, 0);
}

static void stream_end(struct receiver *r, struct stream *s)
{
	enum msg_recover_step step;
	uint32_t token, home = 0, out = s->held_count;

	/* All tokens come home. */
	while ((step = msg_recover_next(&s->recover, UINT64_MAX, &token)) !=
		MSG_RECOVER_NOTHING) {
		packet_drop(s->held[token]);
		s->held[token] = NULL;
		home++;
	}
	if (home != out)
		world_fail(r->world,
			"receiver %" PRIu32 ": %" PRIu32 " frames in the window,"
			" %" PRIu32 " came back",
			r->options.node, out, home);
	for (uint32_t i = 0; i < tokens(r); i++)
		packet_drop(s->held[i]);
	free(s->held);
	free(s->places);
	free(s->assembly.data);
	free(s);
}

void receiver_end(struct receiver *r)
{
	for (uint32_t i = 0; i < r->stream_count; i++)
		stream_end(r, r->streams[i]);
	while (r->inbox_count > 0)
		packet_drop(r->inbox[(r->inbox_first + --r->inbox_count) %
				     r->options.posted]);
	free(r->inbox);
	free(r->streams);
}

static void *twin(const void *memory, size_t count, size_t bytes)
{
	void *copy = zeroed(count, bytes);

	return count > 0 ? memcpy(copy, memory, count * bytes) : copy;
}

void receiver_copy(struct receiver *to, const struct receiver *from)
{
	*to = *from;
	to->timer_at = NEVER;
	to->inbox_count = 0;
	to->inbox = zeroed(to->options.posted, sizeof(struct packet *));
	to->streams =
		zeroed(from->stream_count, sizeof(struct stream *));
	for (uint32_t i = 0; i < from->stream_count; i++) {
		struct stream *s = twin(from->streams[i], 1, sizeof *s);

		to->streams[i] = s;
		s->places = twin(s->places, from->options.window,
			sizeof *s->places);
		s->recover.places = s->places;
		s->held = twin(
			s->held, tokens(from), sizeof(struct packet *));
		for (uint32_t k = 0; k < tokens(from); k++)
			if (s->held[k])
				packet_hold(s->held[k]);
		s->assembly.data = s->assembly.total
					   ? twin(s->assembly.data,
						     s->assembly.total, 1)
					   : NULL;
	}
}
