/* SPDX-License-Identifier: BSD-2-Clause */
/* asker.c - questions out, answers in; see asker.h. */
#include "topic/asker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <msg/msg.h>

#include "base/clock.h"
#include "base/trail.h"
#include "topic/name.h"

#define RECEIVES 32u
#define SENDS 16u
#define EVENTS 32
/* A publisher without a thread looks each 10 ms while it is called. */
#define PAUSE_LEAST_NS (15 * MSG_NS_PER_MS)
#define PAUSE_MOST_NS (200 * MSG_NS_PER_MS)

static uint8_t *buffer(const struct msg_asker *f, uint32_t token)
{
	return f->region.base + (size_t)token * f->stride + MSG_LINK_HEADROOM;
}

static uint8_t *question_place(const struct msg_asker *f)
{
	return f->region.base + (size_t)f->stride * RECEIVES +
	       (size_t)(f->head % SENDS) * MSG_QUESTION_FRAME_MAX;
}

static int post(struct msg_asker *f, uint32_t token)
{
	return f->link->ops->post(
		f->link, buffer(f, token), f->receive_bytes, token, false);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t most(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static int open_link(struct msg_asker *f, struct msg_link_domain *domain)
{
	struct msg_link_options options = {
		.receive_count = RECEIVES,
		.send_count = SENDS,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result;

	f->receive_bytes = most(MSG_QUESTION_FRAME_MAX,
		most(domain->frame_bytes, domain->receive_bytes));
	f->stride = (uint32_t)msg_region_stride(
		MSG_LINK_HEADROOM + f->receive_bytes);
	result = msg_region_open(&f->region,
		(size_t)f->stride * RECEIVES +
			(size_t)SENDS * MSG_QUESTION_FRAME_MAX);
	if (result < 0)
		return result;
	options.memory = f->region.base;
	options.memory_bytes = f->region.bytes;
	result = domain->ops->link_open(domain, &options, &f->link, text);
	if (result < 0) {
		f->link = NULL;
		return msg_fail(-result, "asking for a type: %s", text);
	}
	return 0;
}

static int start(struct msg_asker *f, const struct msg_announcement *said)
{
	const struct msg_reach *to = &said->type.reach;
	uint32_t count = least(f->link->receive_count, RECEIVES);
	int bytes = f->link->ops->name(f->link, f->question.reach.data);

	if (bytes < 1)
		return msg_fail(MSG_ERROR_FABRIC,
			"the link that asks for a type has no address");
	f->question.reach.bytes = (uint8_t)bytes;
	for (uint32_t i = 0; i < count; i++)
		if (post(f, i) < 0)
			return msg_fail(MSG_ERROR_FABRIC,
				"cannot post buffers for answers");
	if (f->link->ops->reach(f->link, to->data, to->bytes, &f->handle) < 0)
		return msg_fail(MSG_ERROR_FABRIC,
			"the publisher of '%s' says an address for its type "
			"that is none here",
			said->topic);
	return 0;
}

int msg_asker_open(struct msg_asker *f, struct msg_link_domain *domain,
	const struct msg_announcement *said)
{
	int result;

	memset(f, 0, sizeof *f);
	if (getrandom(&f->question.token, sizeof f->question.token, 0) !=
		(ssize_t)sizeof f->question.token)
		return msg_fail(MSG_ERROR_FABRIC, "no random numbers: %s",
			strerror(errno));
	f->question.hash = said->type.hash;
	f->question.tag = msg_name_tag(said->topic);
	f->question.publisher = said->publisher;
	f->question.frame_bytes = least(MSG_QUESTION_FRAME_MAX,
		least(domain->frame_bytes, said->frame_bytes));
	f->part = msg_answer_part_max(f->question.frame_bytes);
	f->missing = 1;
	f->pause_ns = PAUSE_LEAST_NS;
	result = open_link(f, domain);
	if (result == 0)
		result = start(f, said);
	if (result < 0)
		msg_asker_close(f);
	return result;
}

void msg_asker_close(struct msg_asker *f)
{
	if (f->link)
		f->link->ops->close(f->link);
	f->link = NULL;
	msg_region_close(&f->region);
	free(f->data);
	f->data = NULL;
}

/* ---- answers ----------------------------------------------------------- */

static uint32_t part_count(const struct msg_asker *f)
{
	return f->bytes ? (f->bytes + f->part - 1) / f->part : 1;
}

/* The first part says how large it is. */
static int learn_size(struct msg_asker *f, uint32_t total)
{
	f->data = malloc(total);
	if (!f->data)
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory for a schema of %u bytes", total);
	f->bytes = total;
	f->missing = part_count(f);
	return 0;
}

static int take(struct msg_asker *f, const struct msg_answer *a)
{
	uint32_t number = a->offset / f->part;

	if (a->token != f->question.token || a->hash != f->question.hash ||
		a->publisher != f->question.publisher ||
		a->offset % f->part != 0 ||
		a->bytes != least(f->part, a->total - a->offset) ||
		(f->bytes != 0 && a->total != f->bytes))
		return 0;
	if (f->bytes == 0 && learn_size(f, a->total) < 0)
		return -MSG_ERROR_MEMORY;
	if (f->has[number])
		return 0;
	f->has[number] = 1;
	memcpy(f->data + a->offset, a->part, a->bytes);
	f->missing--;
	f->waiting -= f->waiting > 0;
	f->pause_ns = PAUSE_LEAST_NS;
	return 0;
}

static int hear(struct msg_asker *f, const struct msg_link_event *event)
{
	const uint8_t *data = buffer(f, event->token);
	struct msg_answer answer;
	struct msg_frame frame;
	int result = 0;

	if (event->type == MSG_LINK_RECEIVED &&
		msg_frame_read(data, event->bytes, &frame) == MSG_FRAME_OK &&
		frame.type == MSG_FRAME_ANSWER &&
		msg_answer_read(&answer, &frame, data + MSG_FRAME_HEADER_BYTES))
		result = take(f, &answer);
	post(f, event->token);
	return result;
}

/* ---- questions --------------------------------------------------------- */

static void ask(struct msg_asker *f, uint32_t number)
{
	struct msg_link_send send = {
		.iov_count = 1,
		.group = f->handle,
		.token = f->head,
		.signal = true,
	};
	uint8_t *place = question_place(f);

	if (f->head - f->tail >= least(SENDS, f->link->send_count))
		return;
	f->question.offset = number * f->part;
	msg_question_write(place, &f->question);
	send.iov[0] = (struct iovec){place, f->question.frame_bytes};
	if (f->link->ops->send(f->link, &send) < 0)
		return;
	f->head++;
	f->waiting++;
}

/* The first few that are missing, when the last few are there or seem lost. */
static void ask_more(struct msg_asker *f, uint64_t now)
{
	uint32_t count = part_count(f);

	if (f->waiting > 0 && now < f->again_ns)
		return;
	f->waiting = 0;
	for (uint32_t i = 0; i < count && f->waiting < MSG_ASKER_WINDOW; i++)
		if (!f->has[i])
			ask(f, i);
	f->again_ns = now + f->pause_ns;
	f->pause_ns *= 2;
	if (f->pause_ns > PAUSE_MOST_NS)
		f->pause_ns = PAUSE_MOST_NS;
}

int msg_asker_turn(struct msg_asker *f, uint64_t now)
{
	struct msg_link_event events[EVENTS];
	int count = f->link->ops->poll(f->link, events, EVENTS);

	if (count < 0)
		return msg_fail(MSG_ERROR_FABRIC,
			"the link that asks for a type failed");
	for (int i = 0; i < count; i++) {
		const struct msg_link_event *e = &events[i];
		int result = 0;

		if (e->type == MSG_LINK_SENT || e->type == MSG_LINK_SEND_FAILED) {
			if (e->token - f->tail < f->head - f->tail)
				f->tail = e->token + 1;
		} else {
			result = hear(f, e);
		}
		if (result < 0)
			return result;
	}
	if (f->missing == 0)
		return 1;
	ask_more(f, now);
	return 0;
}
