/* SPDX-License-Identifier: BSD-2-Clause */
/* types.c - listening for types, and fetching them; see types.h. */
#include "types.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "options.h"
#include "pace.h"

#define PUBLISHERS_MAX 4096
#define TYPES_MAX 256
#define LOOK_NS 200000000
#define FETCH_NS 2000000000
/* How often one that could not be had is tried again. */
#define AGAIN_NS 10000000000u

struct known_publisher {
	uint64_t id;
	uint64_t topic; /* A hash of it: an id is only one in a topic. */
	struct types_entry *entry; /* NULL: it names no type. */
};

/* What was read; the strings of a read do not outlive a fetch. */
struct heard {
	char topic[256];
	uint64_t publisher;
	uint64_t hash;
};

struct types {
	struct msg_directory *directory;
	char **patterns;
	int pattern_count;
	const char *filter;
	pthread_t thread;
	int fd;
	bool threaded;
	pthread_mutex_t lock; /* Of all below. */
	bool stop;
	char complaint[512];
	int publisher_count;
	int entry_count;
	uint64_t tried_ns[TYPES_MAX];
	struct known_publisher publishers[PUBLISHERS_MAX];
	struct types_entry *entries[TYPES_MAX];
	/* The thread's own. */
	struct msg_topic_info infos[PUBLISHERS_MAX];
	struct heard heard[PUBLISHERS_MAX];
};

static uint64_t hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u;

	while (*text)
		hash = (hash ^ (unsigned char)*text++) * 0x100000001b3u;
	return hash;
}

/* ---- the thread -------------------------------------------------------- */

static int find_entry(struct types *t, uint64_t hash)
{
	for (int i = 0; i < t->entry_count; i++)
		if (t->entries[i]->hash == hash)
			return i;
	return -1;
}

/* Under the lock. */
static void make_filter(struct types *t, struct types_entry *entry)
{
	if (t->filter && entry->type &&
		msg_filter_open(entry->type, t->filter, &entry->filter) < 0 &&
		!*t->complaint)
		snprintf(t->complaint, sizeof t->complaint, "%s",
			msg_error_text());
}

/* The entry of a type, fetched if it is new; NULL: no room for another. */
static struct types_entry *learn(
	struct types *t, const char *topic, uint64_t hash)
{
	int at = find_entry(t, hash);
	struct msg_type *type = NULL;
	struct types_entry *entry;

	if (at >= 0 && (t->entries[at]->type ||
			       clock_ns() - t->tried_ns[at] < AGAIN_NS))
		return t->entries[at];
	if (at < 0 && t->entry_count == TYPES_MAX)
		return NULL;
	if (msg_type_fetch(t->directory, topic, hash, FETCH_NS, &type) < 0)
		type = NULL;
	entry = at >= 0 ? t->entries[at] : calloc(1, sizeof *entry);
	if (!entry) {
		msg_type_close(type);
		return NULL;
	}
	pthread_mutex_lock(&t->lock);
	if (at < 0) {
		at = t->entry_count++;
		t->entries[at] = entry;
	}
	entry->hash = hash;
	entry->type = type;
	t->tried_ns[at] = clock_ns();
	make_filter(t, entry);
	pthread_mutex_unlock(&t->lock);
	return entry;
}

static void note(struct types *t, const char *topic, uint64_t id,
	struct types_entry *entry)
{
	uint64_t hash = hash_text(topic);
	int i = 0;

	pthread_mutex_lock(&t->lock);
	while (i < t->publisher_count && (t->publishers[i].id != id ||
						 t->publishers[i].topic != hash))
		i++;
	if (i < PUBLISHERS_MAX) {
		t->publishers[i] =
			(struct known_publisher){id, hash, entry};
		if (i == t->publisher_count)
			t->publisher_count++;
	}
	pthread_mutex_unlock(&t->lock);
}

static void tell(struct types *t)
{
	uint64_t one = 1;

	(void)!write(t->fd, &one, sizeof one);
}

static bool is_wanted(const struct types *t, const char *topic)
{
	for (int i = 0; i < t->pattern_count; i++)
		if (msg_topic_match(t->patterns[i], topic) == 1)
			return true;
	return false;
}

static int read_all(struct types *t)
{
	int known = msg_directory_read(
		t->directory, LOOK_NS, t->infos, PUBLISHERS_MAX);
	int count = 0;

	for (int i = 0; i < known && i < PUBLISHERS_MAX; i++) {
		struct heard *heard = &t->heard[count];

		if (!is_wanted(t, t->infos[i].topic))
			continue;
		snprintf(heard->topic, sizeof heard->topic, "%s",
			t->infos[i].topic);
		heard->publisher = t->infos[i].publisher;
		heard->hash = t->infos[i].type_hash;
		count++;
	}
	return known < 0 ? known : count;
}

static bool asked_to_stop(struct types *t)
{
	bool stop;

	pthread_mutex_lock(&t->lock);
	stop = t->stop;
	pthread_mutex_unlock(&t->lock);
	return stop;
}

static void *thread_main(void *argument)
{
	struct types *t = argument;

	while (!asked_to_stop(t)) {
		int count = read_all(t);

		if (count < 0)
			break;
		for (int i = 0; i < count && !asked_to_stop(t); i++) {
			const struct heard *h = &t->heard[i];

			note(t, h->topic, h->publisher,
				h->hash ? learn(t, h->topic, h->hash) : NULL);
		}
		if (count > 0)
			tell(t);
	}
	return NULL;
}

/* ---- the others -------------------------------------------------------- */

static bool start(struct types *t)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	t->threaded = pthread_create(&t->thread, NULL, thread_main, t) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return t->threaded;
}

struct types *types_open(struct msg_node *node, char **patterns, int count,
	const char *filter)
{
	const char *pattern = count == 1 ? patterns[0] : NULL;
	struct types *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->patterns = patterns;
	t->pattern_count = count;
	t->filter = filter;
	pthread_mutex_init(&t->lock, NULL);
	t->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (t->fd < 0 || msg_directory_open(node, pattern, &t->directory) < 0 ||
		!start(t)) {
		complain("no types are shown: %s", msg_error_text());
		types_close(t);
		return NULL;
	}
	return t;
}

void types_close(struct types *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_mutex_unlock(&t->lock);
	if (t->threaded)
		pthread_join(t->thread, NULL);
	msg_directory_close(t->directory);
	for (int i = 0; i < t->entry_count; i++) {
		msg_filter_close(t->entries[i]->filter);
		msg_type_close(t->entries[i]->type);
		free(t->entries[i]);
	}
	if (t->fd >= 0)
		close(t->fd);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

int types_fd(const struct types *t)
{
	return t->fd;
}

void types_hear(struct types *t)
{
	uint64_t count;

	(void)!read(t->fd, &count, sizeof count);
}

enum types_answer types_find(struct types *t, const char *topic,
	uint64_t publisher, const struct types_entry **entry)
{
	enum types_answer answer = TYPES_UNKNOWN;
	uint64_t hash = hash_text(topic);

	pthread_mutex_lock(&t->lock);
	for (int i = 0; i < t->publisher_count; i++) {
		const struct known_publisher *p = &t->publishers[i];

		if (p->id != publisher || p->topic != hash)
			continue;
		*entry = p->entry;
		answer = p->entry && p->entry->type ? TYPES_FOUND : TYPES_NONE;
		break;
	}
	pthread_mutex_unlock(&t->lock);
	return answer;
}

const char *types_complaint(struct types *t)
{
	const char *complaint;

	pthread_mutex_lock(&t->lock);
	complaint = t->complaint;
	pthread_mutex_unlock(&t->lock);
	return complaint;
}
