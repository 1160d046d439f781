/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recovery_side.c - the side link of a receiver: repairs and answers in, reports
 * out; see receive.h.
 *
 * Reports go out at the end of a turn, so that all gaps of a batch are in one.  Of
 * connected streams they go by the connection.
 *
 * Neighbours: receive.c and caller.c ask for the reports of a turn, happen.c whether
 * somebody is there; what came goes to receive.c:receive_aside.  msg_recover says
 * what a report tells.
 */
#include "engine/receive_internal.h"

#include <string.h>

#include "base/probe.h"
#include "base/trail.h"

#define REPORT_STRIDE 256u
#define REPORTS_MAX 64u

_Static_assert(REPORT_STRIDE >= MSG_FRAME_HEADER_BYTES + MSG_REPORT_BYTES_MAX,
	"a report has room");

/* ---- the side link ------------------------------------------------------ */

int msg_receiver_side_options(
	struct msg_receiver *r, struct msg_link_options *options)
{
	int result = msg_region_open(
		&r->side.region, (size_t)REPORTS_MAX * REPORT_STRIDE);

	*options = (struct msg_link_options){
		.memory = r->pool.region.base,
		.memory_bytes = msg_receive_narrow_bytes(&r->pool),
		.headers = r->side.region.base,
		.headers_bytes = r->side.region.bytes,
		.beside = r->link,
		.receive_count = msg_receiver_side_buffers(&r->options),
		.send_count = REPORTS_MAX,
	};
	return result;
}

static void post_side(struct msg_receiver *r)
{
	struct msg_receive_side *side = &r->side;
	uint32_t want = side->link->receive_count;

	/* Nobody else does it while only repairs come. */
	if (side->posted <= want - want / 8)
		receive_spare(r, want - side->posted);
	while (side->posted < want) {
		uint32_t slot = msg_receive_get(&r->pool);

		if (slot == MSG_RECEIVE_NONE)
			return;
		if (side->link->ops->post(side->link, receive_frame(r, slot),
			    r->options.frame_bytes, slot, false) < 0) {
			msg_receive_put(&r->pool, slot);
			return;
		}
		side->posted++;
	}
}

int msg_receiver_start_side(struct msg_receiver *r, struct msg_link *link)
{
	int bytes = link->ops->name(link, r->side.reach.data);

	if (bytes < 0)
		return msg_fail(MSG_ERROR_FABRIC,
			"the side link of a subscriber has no address");
	r->side.reach.bytes = (uint8_t)bytes;
	r->side.link = link;
	post_side(r);
	return 0;
}

void recovery_sent(
	struct msg_receive_side *side, const struct msg_link_event *event)
{
	if (event->token - side->tail < side->head - side->tail)
		side->tail = event->token + 1;
}

int recovery_turn(struct msg_receiver *r)
{
	struct msg_link_event events[RECEIVE_TURN_EVENTS];
	struct msg_receive_side *side = &r->side;
	int n = side->link->ops->poll(side->link, events, RECEIVE_TURN_EVENTS);

	for (int i = 0; i < n; i++) {
		const struct msg_link_event *e = &events[i];

		if (e->type == MSG_LINK_SENT || e->type == MSG_LINK_SEND_FAILED) {
			recovery_sent(side, e);
			continue;
		}
		side->posted--;
		if (e->type == MSG_LINK_RECEIVED &&
			receive_aside(r, e->token, e->bytes, RECEIVE_NO_CALL))
			continue;
		if (e->type == MSG_LINK_RECEIVE_FAILED)
			count(r, MSG_COUNTER_TRUNCATED, 1);
		msg_receive_put(&r->pool, e->token);
	}
	post_side(r);
	return n;
}

/* ---- reports ------------------------------------------------------------ */

/* By which its reports go. */
static struct msg_receive_side *side_of(
	struct msg_receiver *r, const struct msg_stream *s)
{
	return s->calls ? &r->calls : &r->side;
}

static bool same_reach(const struct msg_reach *a, const struct msg_reach *b)
{
	return a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0;
}

/* The publisher says where it is reached; that may change. */
static bool reach(struct msg_receiver *r, struct msg_stream *s)
{
	const struct msg_reach *to = &s->recover.reach;
	struct msg_link *link = r->side.link;

	if (s->calls)
		return s->open;
	if (same_reach(&s->reach, to))
		return s->reachable;
	if (s->reachable)
		link->ops->leave(link, s->handle);
	s->reach = *to;
	s->reachable =
		link->ops->reach(link, to->data, to->bytes, &s->handle) == 0;
	/* Whoever has no way to it now may have one with the next report. */
	if (!s->reachable)
		s->reach.bytes = 0;
	return s->reachable;
}

/* Whether a report more may be under way. */
static bool has_place(const struct msg_receive_side *side)
{
	uint32_t places = side->link->send_count < REPORTS_MAX
				  ? side->link->send_count
				  : REPORTS_MAX;

	return side->head - side->tail < places;
}

/* What the link does not take is said again, like what is lost on the way. */
static void send_report(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_report *report)
{
	struct msg_receive_side *side = side_of(r, s);
	uint8_t *place = side->region.base +
			 (size_t)(side->head % REPORTS_MAX) * REPORT_STRIDE;
	struct msg_link_send send = {
		.iov_count = 1,
		.token = side->head,
		.signal = true,
	};

	if (!reach(r, s))
		return;
	send.group = s->handle;
	send.iov[0] = (struct iovec){place,
		msg_report_write(place, report, s->tag, s->publisher)};
	MSG_PROBE2(report, s->publisher, report->count);
	if (side->link->ops->send(side->link, &send) == 0)
		side->head++;
	/* Its completion is looked for with the next turn. */
	side->attention |= MSG_RECEIVE_LOOK;
}

/* Frames that there is room for now: of a window that is larger than what can be
 * posted, the rest would be lost. */
static void limit_window(struct msg_receiver *r, struct msg_stream *s,
	struct msg_report *report)
{
	uint32_t room = s->calls ? hold_room(r, s)
				 : r->posted + r->pool.free_count;

	if (report->window > room)
		report->window = room;
	if (s->calls)
		hold_told(r, s, report->window);
}

void recovery_report(struct msg_receiver *r, struct msg_stream *s)
{
	struct msg_receive_side *side = side_of(r, s);
	struct msg_report report;

	/* The next time, if its connection is not there. */
	if (s->calls && !s->open)
		return;
	if (!has_place(side) && !s->calls)
		recovery_turn(r);
	/* Readers are waited for: nothing is sent again that would overrun them. */
	if (s->calls)
		msg_recover_room(&s->recover, hold_room(r, s));
	while (has_place(side) &&
		msg_recover_report(&s->recover, turn_now(r), &report)) {
		limit_window(r, s, &report);
		send_report(r, s, &report);
	}
}

void recovery_inquire(struct msg_receiver *r, struct msg_stream *s)
{
	struct msg_report report;

	if ((s->open || !s->calls) && has_place(side_of(r, s)) &&
		msg_recover_inquire(&s->recover, &report))
		send_report(r, s, &report);
}

/* Not by a turn of the link: what came by it might want the place of this one. */
void recovery_say_goodbye(struct msg_receiver *r, struct msg_stream *s)
{
	struct msg_report report;

	if (has_place(side_of(r, s)) && msg_recover_leave(&s->recover, &report))
		send_report(r, s, &report);
}

void recovery_report_all(struct msg_receiver *r)
{
	uint64_t now = turn_now(r);

	if (now < r->deadline)
		return;
	for (uint32_t i = 0; i < r->streams.count; i++) {
		struct msg_stream *s = &r->streams.streams[i];

		if (s->used && s->kind == MSG_STREAM_RELIABLE &&
			msg_recover_deadline(&s->recover) <= now)
			recovery_report(r, s);
	}
	msg_receiver_look_ahead(r);
}

void msg_receiver_leave(struct msg_receiver *r)
{
	if (!r->side.link)
		return;
	for (uint32_t i = 0; i < r->streams.count; i++) {
		struct msg_stream *s = &r->streams.streams[i];

		if (!has_place(&r->side))
			recovery_turn(r);
		if (s->used && s->kind == MSG_STREAM_RELIABLE)
			recovery_say_goodbye(r, s);
	}
	if (r->session)
		caller_leave(r);
}
