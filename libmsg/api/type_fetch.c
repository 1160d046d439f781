/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * type_fetch.c - a type, from who publishes it.
 *
 * The directory says who names which; the schema comes from there by
 * topic/asker, or on a broker's host from the broker.  It is read like any bytes
 * of a stranger, and must have the hash that was announced: a publisher whose
 * answer has not is left alone, and the next one asked.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <msg/type.h>

#include "api/directory.h"
#include "api/node.h"
#include "api/wait.h"
#include "base/trail.h"
#include "schema/type.h"
#include "topic/asker.h"

/* Publishers that were asked in vain, in one call. */
#define TRIED_MAX 16u
/* One that does not answer is not waited for longer than this, while others
 * could be asked. */
#define ANSWER_NS (5 * MSG_NS_PER_S)
/* Between looks for news of the directory. */
#define LOOK_NS (50 * MSG_NS_PER_MS)

struct search {
	struct msg_directory *directory;
	const char *topic;
	uint64_t hash;
	uint64_t deadline;
	uint32_t tried_count;
	uint64_t tried[TRIED_MAX]; /* Incarnations; of a broker, publishers. */
};

static bool was_tried(const struct search *s, uint64_t who)
{
	for (uint32_t i = 0; i < s->tried_count; i++)
		if (s->tried[i] == who)
			return true;
	return false;
}

static bool fits(const struct search *s, const char *topic,
	uint32_t encoding, uint64_t hash)
{
	return strcmp(topic, s->topic) == 0 && hash != 0 &&
	       (s->hash == 0 || s->hash == hash) &&
	       (encoding == MSG_ENCODING_PROTOBUF ||
		       encoding == MSG_ENCODING_CSTRUCT);
}

/* Whether the schema is what was announced. */
static int take_schema(const char *name, uint32_t encoding, uint64_t hash,
	const uint8_t *schema, size_t bytes, struct msg_type **out)
{
	struct msg_type *type;
	int result = msg_schema_type_read(
		(enum msg_encoding)encoding, name, schema, bytes, &type);

	if (result < 0)
		return result;
	if (type->hash != hash) {
		msg_schema_type_drop(type);
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema of %s is not the one announced", name);
	}
	*out = type;
	return 0;
}

/* ---- from the publisher ------------------------------------------------ */

static const struct msg_announcement *find_heard(const struct search *s)
{
	const struct msg_roster *roster = &s->directory->roster;

	for (uint32_t i = 0; i < roster->count; i++) {
		const struct msg_announcement *said = &roster->entries[i].said;

		if (fits(s, said->topic, said->type.encoding, said->type.hash) &&
			!was_tried(s, said->incarnation))
			return said;
	}
	return NULL;
}

static void sleep_on(struct msg_asker *fetch, uint64_t deadline)
{
	uint64_t now = msg_clock_ns();
	uint64_t until = fetch->again_ns < deadline ? fetch->again_ns : deadline;
	struct pollfd wake = {.fd = fetch->link->fd, .events = POLLIN};
	int limit = until > now ? (int)((until - now) / MSG_NS_PER_MS) + 1 : 0;

	if (fetch->link->ops->arm(fetch->link) == 0)
		poll(&wake, 1, limit);
}

/* Room for what the lane opens, under the lock of its calls. */
static int open_fetch(struct msg_node *node,
	const struct msg_announcement *said, struct msg_asker *fetch)
{
	int result;

	pthread_mutex_lock(&node->lock);
	result = msg_asker_open(fetch, node->domain, said);
	pthread_mutex_unlock(&node->lock);
	return result;
}

static void close_fetch(struct msg_node *node, struct msg_asker *fetch)
{
	pthread_mutex_lock(&node->lock);
	msg_asker_close(fetch);
	pthread_mutex_unlock(&node->lock);
}

/* 0; ARGUMENT or TIMEOUT: ask the next one. */
static int ask_publisher(struct search *s,
	const struct msg_announcement *said, struct msg_type **type)
{
	uint64_t deadline = msg_clock_ns() + ANSWER_NS;
	struct msg_asker fetch = {0};
	int result = open_fetch(s->directory->node, said, &fetch);

	if (result < 0)
		return result;
	if (deadline > s->deadline)
		deadline = s->deadline;
	while ((result = msg_asker_turn(&fetch, msg_clock_ns())) == 0 &&
		msg_clock_ns() < deadline)
		sleep_on(&fetch, deadline);
	if (result == 1)
		result = take_schema(said->type.name, said->type.encoding,
			said->type.hash, fetch.data, fetch.bytes, type);
	else if (result == 0)
		result = -MSG_ERROR_TIMEOUT;
	close_fetch(s->directory->node, &fetch);
	return result;
}

/* ---- from the broker --------------------------------------------------- */

static const struct msg_control_topic *find_told(const struct search *s)
{
	const struct msg_watch_list *known = &s->directory->watch.known;

	for (uint32_t i = 0; i < known->count; i++) {
		const struct msg_control_topic *t = &known->topics[i];

		if (fits(s, t->topic, t->type_encoding, t->type_hash) &&
			!was_tried(s, t->publisher))
			return t;
	}
	return NULL;
}

static int ask_broker(struct search *s, const struct msg_control_topic *told,
	struct msg_type **type)
{
	uint64_t deadline = msg_clock_ns() + ANSWER_NS;
	uint8_t *schema;
	uint32_t bytes;
	int result;

	if (deadline > s->deadline)
		deadline = s->deadline;
	result = msg_watch_describe(&s->directory->watch, told->publisher,
		told->type_hash, deadline, &schema, &bytes);
	if (result < 0)
		return result;
	result = take_schema(told->type_name, told->type_encoding,
		told->type_hash, schema, bytes, type);
	free(schema);
	return result;
}

/* ---- all of it --------------------------------------------------------- */

/* Ask the next one who names the type.  0; AGAIN: there is nobody; ARGUMENT or
 * TIMEOUT: not he. */
static int ask_next(struct search *s, struct msg_type **type)
{
	const struct msg_announcement *said;
	const struct msg_control_topic *told;

	if (s->tried_count == TRIED_MAX)
		return -MSG_ERROR_AGAIN;
	if (s->directory->brokered) {
		struct msg_control_topic who;

		told = find_told(s);
		if (!told)
			return -MSG_ERROR_AGAIN;
		who = *told;
		s->tried[s->tried_count++] = who.publisher;
		return ask_broker(s, &who, type);
	}
	said = find_heard(s);
	if (said) {
		struct msg_announcement who = *said;

		s->tried[s->tried_count++] = who.incarnation;
		return ask_publisher(s, &who, type);
	}
	return -MSG_ERROR_AGAIN;
}

static int search(struct search *s, struct msg_type **type)
{
	int result;

	do {
		result = ask_next(s, type);
		if (result == -MSG_ERROR_AGAIN) {
			result = msg_directory_read(
				s->directory, (int64_t)LOOK_NS, NULL, 0);
			result = result < 0 ? result : -MSG_ERROR_TIMEOUT;
		} else if (result == -MSG_ERROR_ARGUMENT) {
			result = -MSG_ERROR_TIMEOUT; /* Nor the next. */
		}
	} while (result == -MSG_ERROR_TIMEOUT && msg_clock_ns() < s->deadline);
	return result;
}

static int check(const struct msg_directory *d, const char *topic)
{
	int result = msg_name_check_topic(topic);

	if (result < 0)
		return result;
	if (!msg_name_match(d->pattern, topic))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"topic '%s' is not of the directory's pattern '%s'",
			topic, d->pattern);
	return 0;
}

int msg_type_fetch(struct msg_directory *directory, const char *topic,
	uint64_t hash, int64_t timeout_ns, struct msg_type **type)
{
	struct search wanted = {
		.directory = directory,
		.topic = topic,
		.hash = hash,
		.deadline = msg_wait_deadline(timeout_ns),
	};
	int result;

	if (!directory || !topic || !type)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"directory, topic and type must not be NULL");
	result = check(directory, topic);
	if (result == 0)
		result = search(&wanted, type);
	if (result == -MSG_ERROR_TIMEOUT)
		return msg_fail(MSG_ERROR_TIMEOUT,
			"no publisher of '%s' %s; msg list shows who names a "
			"type",
			topic,
			wanted.tried_count > 0 ? "answered with its type"
					       : "names a type");
	return result;
}
