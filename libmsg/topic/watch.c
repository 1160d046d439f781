/* SPDX-License-Identifier: BSD-2-Clause */
/* watch.c - asking for the directory and waiting for news; see watch.h. */
#include "topic/watch.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/trail.h"

/* Between questions. */
#define PERIOD_NS (100 * MSG_NS_PER_MS)
/* Publishers are forgotten that long after their last word, by default. */
#define STALE_NS (5 * MSG_NS_PER_S)
/* Between questions for a schema that the broker is still asking for. */
#define DESCRIBE_AGAIN_MS 20

/* ---- what the broker says ---------------------------------------------- */

static int ask(void *context)
{
	struct msg_watch *w = context;

	w->client.phase = MSG_CLIENT_SERVED;
	return 0;
}

static int append(
	struct msg_watch_list *list, const struct msg_control_listing *listing)
{
	for (uint32_t i = 0; i < listing->topic_count; i++) {
		if (list->count == MSG_WATCH_TOPICS_MAX)
			return 0;
		if (list->count == list->room) {
			uint32_t room = list->room ? 2 * list->room : 32;
			void *more = realloc(
				list->topics, room * sizeof *list->topics);

			if (!more)
				return msg_fail(MSG_ERROR_MEMORY,
					"no memory for a directory of %u",
					room);
			list->topics = more;
			list->room = room;
		}
		list->topics[list->count++] = listing->topics[i];
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct msg_control_topic *one = a;
	const struct msg_control_topic *other = b;
	int order = strcmp(one->topic, other->topic);

	if (order != 0)
		return order;
	return (one->publisher > other->publisher) -
	       (one->publisher < other->publisher);
}

static int hear(void *context, const struct msg_control *said,
	struct msg_control_frame *frame)
{
	struct msg_watch *w = context;
	struct msg_watch_list whole;
	int result;

	(void)frame;
	if (said->kind == MSG_CONTROL_DESCRIBED) {
		w->described = said->described;
		w->descriptions++;
		return 0;
	}
	if (said->kind != MSG_CONTROL_LISTING)
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker at %s says %s to an onlooker",
			w->client.path, msg_control_kind_name(said->kind));
	result = append(&w->told, &said->listing);
	if (result < 0 || said->listing.more)
		return result;
	whole = w->told;
	w->told = w->known;
	w->told.count = 0;
	w->known = whole;
	w->answers++;
	if (whole.count > 0)
		qsort(whole.topics, whole.count, sizeof *whole.topics, compare);
	return 0;
}

static void lost(void *context, bool refused)
{
	struct msg_watch *w = context;

	(void)refused;
	w->told.count = 0;
	w->lost_ns = msg_clock_ns();
}

static const struct msg_client_calls calls = {
	.ask = ask,
	.hear = hear,
	.lost = lost,
};

/* ---- open, close ------------------------------------------------------- */

/* Who is there and not stopped may be starting. */
static int await_welcome(struct msg_client *c)
{
	int result = msg_client_await(c, MSG_CLIENT_WELCOME_NS);

	if (result < 0 && c->socket &&
		!msg_place_is_stopped(msg_socket_fd(c->socket)))
		result = msg_client_await(c, MSG_CLIENT_START_NS);
	return result;
}

int msg_watch_open(struct msg_watch *w, const char *path, const char *pattern)
{
	int result;

	memset(w, 0, sizeof *w);
	snprintf(w->said.pattern, sizeof w->said.pattern, "%s", pattern);
	result = msg_client_open(
		&w->client, path, MSG_CONTROL_ONLOOKER, &calls, w);
	if (result == 0)
		result = await_welcome(&w->client);
	if (result < 0)
		msg_watch_close(w);
	return result;
}

void msg_watch_close(struct msg_watch *w)
{
	msg_client_close(&w->client);
	free(w->told.topics);
	free(w->known.topics);
	memset(&w->told, 0, sizeof w->told);
	memset(&w->known, 0, sizeof w->known);
}

int msg_watch_ask(const char *path, struct msg_control_welcome *welcome)
{
	struct msg_watch watch;
	int result = msg_watch_open(&watch, path, ">");

	if (result < 0)
		return result;
	*welcome = watch.client.welcome;
	msg_watch_close(&watch);
	return 0;
}

/* ---- reading ----------------------------------------------------------- */

/* Ask, and hear the whole answer; 0 when the broker is away, too. */
static void refresh(struct msg_watch *w, uint64_t deadline)
{
	struct msg_control question = {
		.kind = MSG_CONTROL_WATCH, .watch = w->said};
	uint64_t answers = w->answers;

	if (w->client.phase != MSG_CLIENT_SERVED) {
		msg_client_tick(&w->client);
		if (w->client.phase != MSG_CLIENT_SERVED)
			return;
	}
	if (msg_client_say(&w->client, &question) < 0) {
		msg_client_turn(&w->client);
		return;
	}
	while (w->answers == answers && w->client.socket) {
		struct pollfd wake = {
			.fd = msg_socket_fd(w->client.socket),
			.events = POLLIN,
		};

		if (poll(&wake, 1, 10) == 0 && msg_clock_ns() >= deadline)
			return;
		msg_client_turn(&w->client);
	}
}

static uint64_t digest(const struct msg_watch_list *list)
{
	uint64_t sum = list->count;

	for (uint32_t i = 0; i < list->count; i++) {
		const struct msg_control_topic *t = &list->topics[i];

		sum = msg_hash_mix(sum ^ msg_hash(t->topic, strlen(t->topic)) ^
				   t->publisher ^ t->message_count << 32);
	}
	return sum;
}

static void describe(
	const struct msg_control_topic *t, struct msg_topic_info *info)
{
	*info = (struct msg_topic_info){
		.topic = t->topic,
		.host = t->host,
		.program = t->program,
		.publisher = t->publisher,
		.message_count = t->message_count,
		.age_ns = t->age_ns,
		.rate = t->rate,
		.pid = t->pid,
		.uid = t->uid,
		.message_bytes_max = t->message_bytes_max,
		.frame_bytes = t->frame_bytes,
		.reliability = t->reliability,
		.encoding = t->type_encoding,
		.type_name = t->type_name,
		.type_hash = t->type_hash,
	};
}

int msg_watch_read(struct msg_watch *w, uint64_t deadline,
	struct msg_topic_info *infos, int count)
{
	for (;;) {
		uint64_t now, next;

		/* A broker that lives answers within that, whatever the
		 * caller's patience. */
		refresh(w, msg_clock_ns() + MSG_CLIENT_WELCOME_NS);
		now = msg_clock_ns();
		/* What it said before says nothing by now. */
		if (w->client.phase != MSG_CLIENT_SERVED &&
			now - w->lost_ns > STALE_NS)
			w->known.count = 0;
		if (digest(&w->known) != w->read || now >= deadline)
			break;
		next = now + PERIOD_NS < deadline ? now + PERIOD_NS : deadline;
		poll(NULL, 0, (int)((next - now) / MSG_NS_PER_MS) + 1);
	}
	w->read = digest(&w->known);
	for (uint32_t i = 0; i < w->known.count && (int)i < count; i++)
		describe(&w->known.topics[i], &infos[i]);
	return (int)w->known.count;
}

/* ---- schemas ----------------------------------------------------------- */

/* Say `question` and await its answer; false: none came by `deadline`. */
static bool ask_for_part(struct msg_watch *w,
	const struct msg_control *question, uint64_t deadline)
{
	const struct msg_control_describe *asked = &question->describe;
	uint64_t before = w->descriptions;

	msg_client_tick(&w->client);
	if (w->client.phase != MSG_CLIENT_SERVED || !w->client.welcome.types ||
		msg_client_say(&w->client, question) < 0)
		return false;
	while (w->descriptions == before && w->client.socket) {
		struct pollfd wake = {
			.fd = msg_socket_fd(w->client.socket),
			.events = POLLIN,
		};

		if (poll(&wake, 1, 10) == 0 && msg_clock_ns() >= deadline)
			return false;
		msg_client_turn(&w->client);
	}
	return w->descriptions != before &&
	       w->described.publisher == asked->publisher &&
	       w->described.hash == asked->hash &&
	       w->described.offset == asked->offset;
}

/* Take the part that came.  1: that was the last; 0: not yet. */
static int take_part(
	struct msg_watch *w, uint8_t **schema, uint32_t *bytes, uint32_t have)
{
	const struct msg_control_described *d = &w->described;

	if (!*schema) {
		*schema = malloc(d->bytes);
		*bytes = d->bytes;
		if (!*schema)
			return msg_fail(MSG_ERROR_MEMORY,
				"no memory for a schema of %u bytes", d->bytes);
	}
	/* Its end was checked against `bytes` when it was unpacked. */
	if (d->bytes != *bytes || d->part.bytes == 0)
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker at %s tells a schema that does not fit "
			"together",
			w->client.path);
	memcpy(*schema + have, d->part.data, d->part.bytes);
	return have + d->part.bytes == *bytes;
}

int msg_watch_describe(struct msg_watch *w, uint32_t publisher, uint64_t hash,
	uint64_t deadline, uint8_t **schema, uint32_t *bytes)
{
	struct msg_control question = {.kind = MSG_CONTROL_DESCRIBE};
	struct msg_control_describe *asked = &question.describe;
	int result = 0;

	*schema = NULL;
	*asked = (struct msg_control_describe){publisher, hash, 0};
	while (result == 0) {
		bool heard = ask_for_part(w, &question, deadline);

		if (heard && w->described.state == MSG_CONTROL_HERE) {
			result = take_part(w, schema, bytes, asked->offset);
			asked->offset += w->described.part.bytes;
		} else if (heard && w->described.state == MSG_CONTROL_NEVER) {
			result = -MSG_ERROR_ARGUMENT;
		} else if (msg_clock_ns() >= deadline) {
			result = -MSG_ERROR_TIMEOUT;
		} else {
			poll(NULL, 0, DESCRIBE_AGAIN_MS);
		}
	}
	if (result == 1)
		return 0;
	free(*schema);
	*schema = NULL;
	return result;
}
