/* SPDX-License-Identifier: BSD-2-Clause */
/* answer.c - questions in, answers out; see answer.h. */
#include "topic/answer.h"

#include <string.h>

#include <msg/msg.h>

#include "base/clock.h"
#include "base/trail.h"

#define EVENTS 32
#define NS_PER_ANSWER (MSG_NS_PER_S / MSG_ANSWER_RATE)

static uint8_t *buffer(const struct msg_answerer *a, uint32_t token)
{
	return a->region.base + (size_t)token * a->stride + MSG_LINK_HEADROOM;
}

static uint8_t *answer_place(const struct msg_answerer *a)
{
	return a->region.base + (size_t)a->stride * MSG_ANSWER_RECEIVES +
	       (size_t)(a->head % MSG_ANSWER_SENDS) * MSG_QUESTION_FRAME_MAX;
}

static int post(struct msg_answerer *a, uint32_t token, bool more)
{
	return a->link->ops->post(
		a->link, buffer(a, token), a->receive_bytes, token, more);
}

/* A queue pair breaks on a frame that does not fit. */
static uint32_t receive_bytes(const struct msg_link_domain *domain)
{
	uint32_t bytes = MSG_QUESTION_FRAME_MAX;

	if (bytes < domain->frame_bytes)
		bytes = domain->frame_bytes;
	return bytes < domain->receive_bytes ? domain->receive_bytes : bytes;
}

static int open_link(struct msg_answerer *a, struct msg_link_domain *domain)
{
	struct msg_link_options options = {
		.receive_count = MSG_ANSWER_RECEIVES,
		.send_count = MSG_ANSWER_SENDS,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result;

	a->receive_bytes = receive_bytes(domain);
	a->stride = (uint32_t)msg_region_stride(
		MSG_LINK_HEADROOM + a->receive_bytes);
	result = msg_region_open(&a->region,
		(size_t)a->stride * MSG_ANSWER_RECEIVES +
			(size_t)MSG_ANSWER_SENDS * MSG_QUESTION_FRAME_MAX);
	if (result < 0)
		return result;
	options.memory = a->region.base;
	options.memory_bytes = a->region.bytes;
	result = domain->ops->link_open(domain, &options, &a->link, text);
	if (result < 0) {
		a->link = NULL;
		return msg_fail(-result, "answering for a type: %s", text);
	}
	return 0;
}

static int start(struct msg_answerer *a)
{
	uint32_t count = a->link->receive_count < MSG_ANSWER_RECEIVES
				 ? a->link->receive_count
				 : MSG_ANSWER_RECEIVES;
	int bytes = a->link->ops->name(a->link, a->reach.data);

	if (bytes < 1)
		return msg_fail(MSG_ERROR_FABRIC,
			"the link that answers for a type has no address");
	a->reach.bytes = (uint8_t)bytes;
	for (uint32_t i = 0; i < count; i++)
		if (post(a, i, i + 1 < count) < 0)
			return msg_fail(MSG_ERROR_FABRIC,
				"cannot post buffers for questions");
	a->credits = MSG_ANSWER_BURST;
	a->credit_ns = msg_clock_ns();
	return 0;
}

int msg_answerer_open(struct msg_answerer *a, struct msg_link_domain *domain,
	msg_answer_find_fn *find, void *context)
{
	int result;

	if (a->link)
		return 0;
	memset(a, 0, sizeof *a);
	a->find = find;
	a->context = context;
	result = open_link(a, domain);
	if (result == 0)
		result = start(a);
	if (result < 0)
		msg_answerer_close(a);
	return result;
}

static void forget(struct msg_answerer *a, uint32_t i)
{
	if (a->peers[i].reach.bytes > 0)
		a->link->ops->leave(a->link, a->peers[i].handle);
	a->peers[i].reach.bytes = 0;
}

void msg_answerer_close(struct msg_answerer *a)
{
	if (a->link) {
		for (uint32_t i = 0; i < MSG_ANSWER_PEERS; i++)
			forget(a, i);
		a->link->ops->close(a->link);
	}
	a->link = NULL;
	msg_region_close(&a->region);
}

/* ---- answers ----------------------------------------------------------- */

/* Where the asker is; false: nowhere, or there is no place to remember it while
 * answers are under way. */
static bool find_peer(struct msg_answerer *a, const struct msg_reach *reach,
	uint32_t *handle)
{
	uint32_t i;

	for (i = 0; i < MSG_ANSWER_PEERS; i++)
		if (a->peers[i].reach.bytes == reach->bytes &&
			memcmp(a->peers[i].reach.data, reach->data,
				reach->bytes) == 0) {
			*handle = a->peers[i].handle;
			return true;
		}
	if (a->head != a->tail)
		return false;
	i = a->peer_next++ % MSG_ANSWER_PEERS;
	forget(a, i);
	if (a->link->ops->reach(a->link, reach->data, reach->bytes,
		    &a->peers[i].handle) < 0)
		return false;
	a->peers[i].reach = *reach;
	*handle = a->peers[i].handle;
	return true;
}

static bool may_answer(struct msg_answerer *a, uint64_t now)
{
	uint64_t earned = (now - a->credit_ns) / NS_PER_ANSWER;

	if (earned > 0) {
		a->credit_ns += earned * NS_PER_ANSWER;
		a->credits = earned > MSG_ANSWER_BURST - a->credits
				     ? MSG_ANSWER_BURST
				     : a->credits + (uint32_t)earned;
	}
	if (a->credits == 0 || a->head - a->tail >= MSG_ANSWER_SENDS ||
		a->head - a->tail >= a->link->send_count)
		return false;
	return true;
}

/* What cannot be answered now is asked again. */
static void answer(struct msg_answerer *a, const struct msg_question *question,
	uint64_t now)
{
	uint32_t part = msg_answer_part_max(question->frame_bytes);
	uint8_t *place = answer_place(a);
	struct msg_answer said = {
		.token = question->token,
		.hash = question->hash,
		.tag = question->tag,
		.publisher = question->publisher,
		.offset = question->offset,
	};
	struct msg_link_send send = {
		.iov_count = 1, .token = a->head, .signal = true};
	const uint8_t *schema;

	if (!may_answer(a, now) ||
		!a->find(a->context, question->publisher, question->hash,
			&schema, &said.total) ||
		question->offset >= said.total ||
		!find_peer(a, &question->reach, &send.group))
		return;
	said.part = schema + question->offset;
	said.bytes = said.total - said.offset;
	if (said.bytes > part)
		said.bytes = part;
	send.iov[0] = (struct iovec){place, msg_answer_write(place, &said)};
	if (a->link->ops->send(a->link, &send) < 0)
		return;
	a->head++;
	a->credits--;
}

static void hear(struct msg_answerer *a, const struct msg_link_event *event,
	uint64_t now)
{
	const uint8_t *data = buffer(a, event->token);
	struct msg_question question;
	struct msg_frame frame;

	if (event->type == MSG_LINK_RECEIVED &&
		msg_frame_read(data, event->bytes, &frame) == MSG_FRAME_OK &&
		frame.type == MSG_FRAME_QUESTION &&
		msg_question_read(
			&question, &frame, data + MSG_FRAME_HEADER_BYTES))
		answer(a, &question, now);
	post(a, event->token, false);
}

void msg_answerer_turn(struct msg_answerer *a, uint64_t now)
{
	struct msg_link_event events[EVENTS];
	int count = a->link->ops->poll(a->link, events, EVENTS);

	/* Completions first: they make room. */
	for (int i = 0; i < count; i++)
		if ((events[i].type == MSG_LINK_SENT ||
			    events[i].type == MSG_LINK_SEND_FAILED) &&
			events[i].token - a->tail < a->head - a->tail)
			a->tail = events[i].token + 1;
	for (int i = 0; i < count; i++)
		if (events[i].type == MSG_LINK_RECEIVED ||
			events[i].type == MSG_LINK_RECEIVE_FAILED)
			hear(a, &events[i], now);
}
