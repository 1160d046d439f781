/* SPDX-License-Identifier: BSD-2-Clause */
/* losses_book.c - who publishers are, and what was lost of them in all; see
 * losses.h. */
#include "losses.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <msg/stats.h>

#include "delivery.h"
#include "pace.h"
#include "text.h"

#define NAMES_MAX 1024
#define TOTALS_MAX 1024
#define INFOS_BEGIN 64
#define INFOS_MAX 16384
/* Between two times of waiting for the name of somebody who is not known, and
 * for how long: what a publisher says reaches us on two ways. */
#define ASK_NS 100000000u
#define ASK_WAIT_NS 5000000

/* ---- words --------------------------------------------------------------- */

static const struct {
	const char *text;
	int counter; /* Whose remedy helps. */
} reasons[] = {
	[MSG_LOSS_UNKNOWN] = {"reason not known", MSG_COUNTER_LOST},
	[MSG_LOSS_NETWORK] = {"network: on the way or in a full socket",
		MSG_COUNTER_LOST},
	[MSG_LOSS_LAPPED] = {"taken too slowly here", MSG_COUNTER_LAPPED},
	[MSG_LOSS_HISTORY] = {"history exceeded: the publisher had it no more",
		MSG_COUNTER_GONE},
	[MSG_LOSS_GAVE_UP] = {"gave up waiting: no repair in time",
		MSG_COUNTER_GIVEN_UP},
	[MSG_LOSS_TOO_LARGE] = {"too large for this subscriber",
		MSG_COUNTER_TOO_LARGE},
};
#define REASON_COUNT (sizeof reasons / sizeof *reasons)

static size_t reason_index(enum msg_loss reason)
{
	return (size_t)reason < REASON_COUNT ? (size_t)reason : 0;
}

const char *losses_reason_text(enum msg_loss reason)
{
	return reasons[reason_index(reason)].text;
}

void losses_who_text(const struct losses_name *who, char *text, size_t bytes)
{
	char host[sizeof who->host * 4], program[sizeof who->program * 4];

	text_escape(host, sizeof host, who->host);
	text_escape(program, sizeof program, who->program);
	if (host[0] || program[0])
		snprintf(text, bytes, "%s:%s[%" PRIu32 "]", host, program,
			who->pid);
	else
		snprintf(text, bytes, "%016" PRIx64, who->publisher);
}

void losses_who_json(struct json *json, const struct losses_name *who)
{
	json_id(json, "publisher", who->publisher);
	if (!who->host[0] && !who->program[0])
		return;
	json_text(json, "host", who->host);
	json_text(json, "program", who->program);
	json_count(json, "pid", who->pid);
}

void losses_line_begin(void)
{
	uint64_t real_ns = clock_read_ns(CLOCK_REALTIME);
	time_t seconds = (time_t)(real_ns / 1000000000u);
	char text[32];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s.%03u ", text, (unsigned)(real_ns / 1000000u % 1000u));
}

void losses_json_begin(struct json *json, const char *event)
{
	uint64_t real_ns = clock_read_ns(CLOCK_REALTIME);
	time_t seconds = (time_t)(real_ns / 1000000000u);
	char date[32], text[64];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof text, "%s.%06uZ", date,
		(unsigned)(real_ns / 1000u % 1000000u));
	*json = (struct json){stdout, false};
	json_open(json, NULL, '{');
	json_text(json, "event", event);
	json_text(json, "time", text);
}

void losses_json_end(struct json *json)
{
	json_close(json, '}');
	putchar('\n');
}

/* ---- names --------------------------------------------------------------- */

int losses_book_open(
	struct losses_book *book, struct msg_node *node, const char *pattern)
{
	book->names = calloc(NAMES_MAX, sizeof *book->names);
	book->totals = calloc(TOTALS_MAX, sizeof *book->totals);
	book->infos = calloc(INFOS_BEGIN, sizeof *book->infos);
	book->info_capacity = INFOS_BEGIN;
	if (!book->names || !book->totals || !book->infos)
		return -MSG_ERROR_MEMORY;
	return msg_directory_open(node, pattern, &book->directory);
}

void losses_book_close(struct losses_book *book)
{
	msg_directory_close(book->directory);
	free(book->names);
	free(book->totals);
	free(book->infos);
	memset(book, 0, sizeof *book);
}

static struct losses_name *find_name(
	const struct losses_book *book, uint64_t publisher)
{
	for (int i = 0; i < book->name_count; i++)
		if (book->names[i].publisher == publisher)
			return &book->names[i];
	return NULL;
}

static void note_name(
	struct losses_book *book, const struct msg_topic_info *info)
{
	struct losses_name *name = find_name(book, info->publisher);

	if (name)
		return;
	if (book->name_count < NAMES_MAX)
		name = &book->names[book->name_count++];
	else
		name = &book->names[book->name_next++ % NAMES_MAX];
	name->publisher = info->publisher;
	name->pid = info->pid;
	snprintf(name->host, sizeof name->host, "%s", info->host);
	snprintf(name->program, sizeof name->program, "%s", info->program);
}

static void listen_for(struct losses_book *book, int64_t wait_ns)
{
	int known = msg_directory_read(
		book->directory, wait_ns, book->infos, book->info_capacity);

	if (known > book->info_capacity && known <= INFOS_MAX) {
		struct msg_topic_info *more =
			realloc(book->infos, (size_t)known * sizeof *more);

		if (more) {
			book->infos = more;
			book->info_capacity = known;
			known = msg_directory_read(
				book->directory, 0, more, known);
		}
	}
	for (int i = 0; i < known && i < book->info_capacity; i++)
		note_name(book, &book->infos[i]);
}

void losses_book_listen(struct losses_book *book)
{
	listen_for(book, 0);
}

static const struct losses_name *ask(
	struct losses_book *book, uint64_t publisher)
{
	uint64_t until = clock_ns() + ASK_WAIT_NS;
	const struct losses_name *name;

	/* Older news may come first. */
	do {
		listen_for(book, ASK_WAIT_NS / 5);
		name = find_name(book, publisher);
	} while (!name && clock_ns() < until);
	book->asked_ns = clock_ns();
	return name;
}

struct losses_name losses_book_who(struct losses_book *book, uint64_t publisher)
{
	struct losses_name unknown = {.publisher = publisher};
	const struct losses_name *name = find_name(book, publisher);

	if (!name && clock_ns() - book->asked_ns > ASK_NS)
		name = ask(book, publisher);
	return name ? *name : unknown;
}

/* ---- totals -------------------------------------------------------------- */

/* The last row is for the rest. */
static struct losses_total *find_total(struct losses_book *book,
	const struct losses_name *who, const char *topic, enum msg_loss reason)
{
	struct losses_total *t;

	for (int i = 0; i < book->total_count; i++) {
		t = &book->totals[i];
		if (t->who.publisher == who->publisher && t->reason == reason &&
			strcmp(t->topic, topic) == 0)
			return t;
	}
	if (book->total_count == TOTALS_MAX)
		return &book->totals[TOTALS_MAX - 1];
	t = &book->totals[book->total_count++];
	if (book->total_count == TOTALS_MAX) {
		snprintf(t->topic, sizeof t->topic, "(others)");
		return t;
	}
	t->who.publisher = who->publisher;
	t->reason = reason;
	snprintf(t->topic, sizeof t->topic, "%s", topic);
	return t;
}

void losses_book_add(struct losses_book *book, const struct losses_name *who,
	const char *topic, enum msg_loss reason, uint64_t lost)
{
	struct losses_total *t = find_total(book, who, topic, reason);

	if (t->who.publisher == who->publisher)
		t->who = *who; /* Its name may be known now. */
	t->losses++;
	t->lost += lost;
	book->losses++;
	book->lost += lost;
}

static int compare(const void *a, const void *b)
{
	const struct losses_total *one = a, *other = b;

	return (one->lost < other->lost) - (one->lost > other->lost);
}

static void show_json(const struct losses_total *t)
{
	struct json json;

	losses_json_begin(&json, "total");
	json_text(&json, "topic", t->topic);
	losses_who_json(&json, &t->who);
	json_text(&json, "reason", delivery_loss(t->reason));
	json_count(&json, "losses", t->losses);
	json_count(&json, "lost", t->lost);
	losses_json_end(&json);
}

static void show_row(struct table *table, const struct losses_total *t)
{
	char who[LOSSES_TOPIC_BYTES * 4];

	losses_who_text(&t->who, who, sizeof who);
	table_safe(table, t->topic);
	table_add(table, "%s", who);
	table_count(table, t->losses);
	table_count(table, t->lost);
	table_add(table, "%s", losses_reason_text(t->reason));
}

/* What to do, once for each reason there was. */
static void say_remedies(const struct losses_book *book)
{
	bool seen[REASON_COUNT] = {false};

	for (int i = 0; i < book->total_count; i++)
		seen[reason_index(book->totals[i].reason)] = true;
	for (size_t i = 0; i < REASON_COUNT; i++)
		if (seen[i])
			say("%s: %s", delivery_loss((uint32_t)i),
				msg_counter_describe(reasons[i].counter)
					->remedy);
}

void losses_book_show(struct losses_book *book, bool as_json)
{
	static const char *const titles[] = {
		"TOPIC", "PUBLISHER", ">LOSSES", ">MESSAGES", "REASON", NULL};
	struct table table;

	if (book->total_count == 0)
		return;
	qsort(book->totals, (size_t)book->total_count, sizeof *book->totals,
		compare);
	table_open(&table, titles);
	for (int i = 0; i < book->total_count; i++) {
		if (as_json)
			show_json(&book->totals[i]);
		else
			show_row(&table, &book->totals[i]);
	}
	if (!as_json) {
		putchar('\n');
		table_print(&table, stdout);
	}
	table_close(&table);
	fflush(stdout);
	say_remedies(book);
}
