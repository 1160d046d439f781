/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repairer_send.c - what leaves by the side link: repairs, probes, and where a
 * history is read; see repairer.h.
 *
 *     header place ─ frame header, front ─┐
 *     the source's memory ─ payload ──────┴─> one send, one of PLACES under way
 *
 * Places are a ring: what is completed frees all before it.  Of each it is noted
 * which frame's memory it reads (`flying`), so that nobody frees that meanwhile.
 *
 * Neighbours: repairer.c decides what is sent and to whom, repairer_calls.c tells
 * those who connect, repairer_linger.c asks at the end.
 */
#include "engine/repairer_internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/probe.h"
#include "protocol/frame.h"

/* Between questions of a publisher that is short of slots. */
#define ASK_PAUSE_NS (200 * MSG_NS_PER_US)

/* ---- places ------------------------------------------------------------- */

void repairer_sent(struct msg_repairer *r, uint32_t token)
{
	/* Beyond what is under way: not ours. */
	if (token - r->sent_tail >= r->sent_head - r->sent_tail)
		return;
	while (r->sent_tail != token + 1)
		r->flying[r->sent_tail++ % MSG_REPAIRER_PLACES] =
			REPAIRER_NO_FRAME;
}

bool repairer_has_place(const struct msg_repairer *r)
{
	uint32_t under_way = r->sent_head - r->sent_tail;

	return under_way < MSG_REPAIRER_PLACES &&
	       under_way < r->link->send_count;
}

static uint8_t *header_place(const struct msg_repairer *r)
{
	return r->region.base +
	       (size_t)r->buffer_stride * MSG_REPAIRER_BUFFERS +
	       (size_t)(r->sent_head % MSG_REPAIRER_PLACES) *
		       MSG_REPAIRER_HEADER;
}

/* Post what is in the header's place, and what stands behind it.  What the link
 * does not take is one loss more. */
static void hand_over(struct msg_repairer *r, uint32_t handle,
	struct msg_link_send *send, uint64_t frame)
{
	send->group = handle;
	send->token = r->sent_head;
	send->signal = true;
	send->more = true;
	if (r->link->ops->send(r->link, send) < 0)
		return;
	r->flying[r->sent_head++ % MSG_REPAIRER_PLACES] = frame;
	r->unflushed = true;
}

void repairer_flush(struct msg_repairer *r)
{
	/* AGAIN: the next turn. */
	if (r->unflushed &&
		r->link->ops->flush(r->link) != -MSG_ERROR_AGAIN)
		r->unflushed = false;
}

/* ---- frames ------------------------------------------------------------- */

void repairer_send_again(struct msg_repairer *r, uint32_t handle,
	const struct msg_repair_action *action)
{
	struct msg_link_send again = {.iov_count = 1};
	struct msg_repairer_frame frame;
	struct msg_frame header = {
		.flags = MSG_FRAME_RELIABLE | MSG_FRAME_REPAIR,
		.tag = r->options.tag,
		.publisher = r->options.publisher,
		.transmission = (uint32_t)action->frame,
	};
	uint8_t *place = header_place(r);
	uint32_t bytes;

	if (!repairer_has_place(r) ||
		!r->options.source.frame(
			r->options.source.context, action->frame, &frame))
		return;
	bytes = MSG_FRAME_HEADER_BYTES + frame.front_bytes;
	memcpy(place + MSG_FRAME_HEADER_BYTES, frame.front, frame.front_bytes);
	again.iov[0] = (struct iovec){place, bytes};
	for (uint32_t i = 0; i < frame.iov_count; i++) {
		again.iov[again.iov_count++] = frame.iov[i];
		bytes += (uint32_t)frame.iov[i].iov_len;
	}
	header.type = frame.type;
	header.bytes = bytes;
	header.sequence = (uint64_t)action->serial << 32 |
			  (uint32_t)frame.sequence;
	msg_frame_write(place, &header);
	msg_repair_had(&r->repair, bytes);
	MSG_PROBE3(repair, r->options.publisher, action->frame, action->serial);
	hand_over(r, handle, &again, action->frame);
}

bool repairer_send_probe(struct msg_repairer *r, uint32_t handle,
	const struct msg_repair_action *action, const struct msg_report *asked)
{
	const struct msg_repairer_source *source = &r->options.source;
	const struct msg_repair *repair = &r->repair;
	struct msg_link_send probe = {.iov_count = 1};
	struct msg_probe said = {
		.incarnation = r->options.incarnation,
		.stamp = action->stamp,
		.next = (uint32_t)repair->next,
		.serial = repair->serial,
		.period_ms = (uint16_t)r->options.heartbeat_ms,
		.flags = action->flags,
		.reach = r->reach,
	};
	uint64_t first = repair->first;
	uint8_t *place = header_place(r);

	if (!repairer_has_place(r))
		return false;
	if (action->flags & MSG_PROBE_JOIN)
		first = source->back(source->context,
			asked->history == UINT32_MAX ? UINT64_MAX
						     : asked->history);
	/* Whoever reads is to be known. */
	if (r->options.flow != MSG_FLOW_POLICY_NONE ||
		(r->show && r->show->bytes_max > 0))
		said.flags |= MSG_PROBE_FLOW;
	if (r->closing)
		said.flags |= MSG_PROBE_CLOSING;
	said.first = (uint32_t)first;
	said.first_sequence = source->sequence(source->context, first);
	said.next_sequence = source->sequence(source->context, repair->next);
	probe.iov[0] = (struct iovec){place,
		msg_probe_write(place, &said, r->options.tag,
			r->options.publisher)};
	hand_over(r, handle, &probe, REPAIRER_NO_FRAME);
	return true;
}

void repairer_send_shelf(struct msg_repairer *r, uint32_t handle)
{
	struct msg_link_send shelf = {.iov_count = 1};
	uint8_t *place = header_place(r);

	if (!r->show || !r->show->shelf || !repairer_has_place(r))
		return;
	msg_shelf_say(
		place, &r->show->reach, r->options.tag, r->options.publisher);
	shelf.iov[0] = (struct iovec){place, MSG_SHELF_FRAME_BYTES};
	hand_over(r, handle, &shelf, REPAIRER_NO_FRAME);
}

void repairer_ask_all(struct msg_repairer *r)
{
	struct msg_repair_action action = {
		.kind = MSG_REPAIR_PROBE,
		.flags = MSG_PROBE_ASK,
	};

	repairer_send_probe(r, r->group, &action, NULL);
	repairer_flush(r);
}

void msg_repairer_ask(struct msg_repairer *r, uint64_t now)
{
	if (now < r->ask_ns)
		return;
	r->ask_ns = now + ASK_PAUSE_NS;
	repairer_ask_all(r);
}

bool msg_repairer_flies_here(struct msg_repairer *r, uint64_t frame)
{
	repairer_turn_link(r, 0);
	for (uint32_t i = r->sent_tail; i != r->sent_head; i++)
		if (r->flying[i % MSG_REPAIRER_PLACES] == frame)
			return true;
	return false;
}
