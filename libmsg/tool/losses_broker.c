/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * losses_broker.c - who of this host loses, as its broker counts; see losses.h.
 *
 * A subscriber says itself what it lost, and how much of that because it took
 * too slowly; what the feeds lost is lost for all.  A row lives as long as its
 * client, so what was seen of it is kept here.
 */
#include "losses.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "lane.h"
#include "text.h"

#define READERS_MAX 1024
#define FEEDS_MAX 256

static const char *user_name(uint32_t uid, char *text, size_t bytes)
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		snprintf(text, bytes, "%s", user->pw_name);
	else
		snprintf(text, bytes, "%" PRIu32, uid);
	return text;
}

/* Counts of clients are their own word, and may go back. */
static uint64_t grown(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* ---- looking ------------------------------------------------------------- */

static struct losses_reader *find_reader(
	struct losses_broker *broker, uint64_t stream, uint64_t client)
{
	for (int i = 0; i < broker->reader_count; i++)
		if (broker->readers[i].stream == stream &&
			broker->readers[i].client == client)
			return &broker->readers[i];
	return NULL;
}

static struct losses_reader *add_reader(
	struct losses_broker *broker, const struct look_line *line, bool first)
{
	struct losses_reader *r;

	if (broker->reader_count == READERS_MAX)
		return NULL;
	r = &broker->readers[broker->reader_count++];
	*r = (struct losses_reader){
		.stream = line->stream->id,
		.client = line->reader->client,
		.pid = look_pid(line),
		.uid = look_uid(line),
	};
	snprintf(r->program, sizeof r->program, "%s", look_program(line));
	snprintf(r->topic, sizeof r->topic, "%s", line->stream->topic);
	if (first) {
		r->lost_before = line->reader->counts.lost;
		r->lapped_before = line->reader->counts.lapped;
		r->evicted_before =
			line->reader->flags & MSG_BROKER_READER_EVICTED;
	}
	r->lost = r->lost_before;
	r->lapped = r->lapped_before;
	return r;
}

static void tell_json(
	const struct losses_reader *r, uint64_t lost, uint64_t lapped)
{
	struct json json;
	char user[64];

	losses_json_begin(&json, "subscriber_lost");
	json_text(&json, "topic", r->topic);
	json_text(&json, "program", r->program);
	json_count(&json, "pid", r->pid);
	json_count(&json, "uid", r->uid);
	json_text(&json, "user", user_name(r->uid, user, sizeof user));
	json_count(&json, "lost", lost);
	json_count(&json, "lapped", lapped);
	json_flag(&json, "evicted", r->evicted);
	losses_json_end(&json);
}

static void tell_text(
	const struct losses_reader *r, uint64_t lost, uint64_t lapped)
{
	char program[sizeof r->program * 4], user[64];

	text_escape(program, sizeof program, r->program);
	losses_line_begin();
	text_write(stdout, r->topic, strlen(r->topic));
	printf(" subscriber %s[%" PRIu32 "] of %s ", program, r->pid,
		user_name(r->uid, user, sizeof user));
	if (r->evicted)
		puts("evicted: too slow");
	else
		printf("lost %" PRIu64 " (taken too slowly: %" PRIu64
		       " entries of the ring)\n",
			lost, lapped);
}

static void follow(struct losses_broker *broker, const struct look_line *line,
	bool first, bool as_json)
{
	const struct msg_broker_reader *row = line->reader;
	struct losses_reader *r = find_reader(broker, row->stream, row->client);
	bool evicted = row->flags & MSG_BROKER_READER_EVICTED;
	bool tell;

	if (!r)
		r = add_reader(broker, line, first);
	if (!r)
		return;
	tell = row->counts.lapped > r->lapped || (evicted && !r->evicted);
	r->evicted = evicted;
	if (tell && !first)
		(as_json ? tell_json : tell_text)(r,
			grown(row->counts.lost, r->lost),
			grown(row->counts.lapped, r->lapped));
	r->lost = row->counts.lost;
	r->lapped = row->counts.lapped;
}

static void follow_feeds(struct losses_broker *broker, bool first)
{
	const struct msg_broker_feed *row;

	for (uint32_t i = 0; (row = msg_broker_feed(broker->look.broker, i));
		i++) {
		struct losses_feed *f = NULL;

		for (int k = 0; k < broker->feed_count && !f; k++)
			if (broker->feeds[k].id == row->id)
				f = &broker->feeds[k];
		if (!f && broker->feed_count < FEEDS_MAX) {
			f = &broker->feeds[broker->feed_count++];
			*f = (struct losses_feed){.id = row->id};
			if (first)
				f->before = row->counts;
		}
		if (f)
			f->now = row->counts;
	}
}

static bool concerns_us(
	const struct losses_broker *broker, const struct look_line *line)
{
	return line->reader &&
	       !(line->reader->flags & MSG_BROKER_READER_RELAY) &&
	       look_pid(line) != (uint32_t)getpid() &&
	       msg_topic_match(broker->pattern, line->stream->topic) == 1;
}

static void take(struct losses_broker *broker, bool first, bool as_json)
{
	const struct look *look = &broker->look;

	for (int i = 0; i < look->count; i++)
		if (concerns_us(broker, &look->lines[i]))
			follow(broker, &look->lines[i], first, as_json);
	follow_feeds(broker, first);
}

void losses_broker_look(struct losses_broker *broker, bool as_json)
{
	const struct msg_broker_info *info;

	if (!broker->open)
		return;
	if (look_again(&broker->look) != TOOL_EXIT_OK) {
		complain("its losses are not looked at any more");
		broker->open = false;
		look_close(&broker->look);
		return;
	}
	info = msg_broker_info(broker->look.broker);
	if (info->epoch != broker->epoch) {
		/* Its clients have other numbers, and its feeds begin anew. */
		say("the broker was restarted: its losses from before are "
		    "forgotten");
		broker->reader_count = broker->feed_count = 0;
		broker->epoch = info->epoch;
	}
	take(broker, false, as_json);
}

void losses_broker_open(struct losses_broker *broker, const char *pattern)
{
	const struct msg_broker_info *info;
	char text[1024];
	int error;

	*broker = (struct losses_broker){.pattern = pattern};
	error = look_try(&broker->look, NULL);
	if (error == -MSG_ERROR_DEVICE)
		return; /* There is none. */
	if (error < 0) {
		lane_fail("cannot see who loses at the broker", error);
		return;
	}
	info = msg_broker_info(broker->look.broker);
	broker->readers = calloc(READERS_MAX, sizeof *broker->readers);
	broker->feeds = calloc(FEEDS_MAX, sizeof *broker->feeds);
	broker->open = info->state != MSG_BROKER_STATE_GONE &&
		       broker->readers && broker->feeds;
	if (!broker->open) {
		look_close(&broker->look);
		return;
	}
	broker->epoch = info->epoch;
	look_headline(&broker->look, text, sizeof text);
	say("%s", text);
	take(broker, true, false);
}

void losses_broker_close(struct losses_broker *broker)
{
	if (broker->open)
		look_close(&broker->look);
	free(broker->readers);
	free(broker->feeds);
	memset(broker, 0, sizeof *broker);
}

/* ---- showing ------------------------------------------------------------- */

static const char *reader_reason(const struct losses_reader *r)
{
	if (r->evicted)
		return "evicted: too slow";
	return r->lapped > 0 ? "taken too slowly"
			     : "never came; see the broker";
}

/* Where it could lie, most certain first. */
static const char *feed_reason(const struct losses_feed *f)
{
	if (f->now.gone > f->before.gone)
		return "history exceeded, in part at least";
	if (f->now.given_up > f->before.given_up)
		return "gave up waiting, in part at least";
	if (f->now.starved > f->before.starved)
		return "subscribers held every slot, or the network";
	return f->now.too_large > f->before.too_large
		       ? "too large for its slots, or the network"
		       : "network";
}

static void reader_json(const struct losses_reader *r)
{
	struct json json;
	char user[64];

	losses_json_begin(&json, "subscriber");
	json_text(&json, "topic", r->topic);
	json_text(&json, "program", r->program);
	json_count(&json, "pid", r->pid);
	json_count(&json, "uid", r->uid);
	json_text(&json, "user", user_name(r->uid, user, sizeof user));
	json_count(&json, "lost", r->lost);
	json_count(&json, "lapped", r->lapped);
	json_count(&json, "lost_meanwhile", grown(r->lost, r->lost_before));
	json_count(
		&json, "lapped_meanwhile", grown(r->lapped, r->lapped_before));
	json_flag(&json, "evicted", r->evicted);
	losses_json_end(&json);
}

static void feed_json(const struct losses_feed *f)
{
	struct json json;

	losses_json_begin(&json, "broker");
	json_count(&json, "rights", f->id);
	json_count(&json, "lost", f->now.lost);
	json_count(&json, "lost_meanwhile", grown(f->now.lost, f->before.lost));
	json_count(&json, "gone", f->now.gone);
	json_count(&json, "given_up", f->now.given_up);
	json_count(&json, "repairs", f->now.repairs);
	json_count(&json, "starved", f->now.starved);
	json_count(&json, "too_large", f->now.too_large);
	json_count(&json, "truncated", f->now.truncated);
	losses_json_end(&json);
}

static void reader_row(struct table *table, const struct losses_reader *r)
{
	char user[64];

	table_safe(table, r->topic);
	table_safe(table, r->program);
	table_count(table, r->pid);
	table_safe(table, user_name(r->uid, user, sizeof user));
	table_count(table, r->lost);
	table_count(table, grown(r->lost, r->lost_before));
	table_count(table, r->lapped);
	table_add(table, "%s", reader_reason(r));
}

static void feed_row(struct table *table, const struct losses_feed *f)
{
	table_count(table, f->id);
	table_count(table, f->now.lost);
	table_count(table, grown(f->now.lost, f->before.lost));
	table_count(table, f->now.repairs);
	table_count(table, f->now.starved);
	table_count(table, f->now.too_large);
	table_add(table, "%s", feed_reason(f));
}

static void finish(struct table *table, const char *title)
{
	if (table_rows(table) > 0) {
		printf("\n%s\n", title);
		table_print(table, stdout);
	}
	table_close(table);
}

static bool show_readers(const struct losses_broker *broker, bool as_json)
{
	static const char *const titles[] = {"TOPIC", "PROGRAM", ">PID", "USER",
		">LOST", ">MEANWHILE", ">LAPPED", "REASON", NULL};
	struct table table;
	bool meanwhile = false;

	table_open(&table, titles);
	for (int i = 0; i < broker->reader_count; i++) {
		const struct losses_reader *r = &broker->readers[i];

		if (r->lost == 0 && r->lapped == 0 && !r->evicted)
			continue;
		meanwhile |= r->lost > r->lost_before ||
			     r->lapped > r->lapped_before ||
			     (r->evicted && !r->evicted_before);
		if (as_json)
			reader_json(r);
		else
			reader_row(&table, r);
	}
	finish(&table, "Subscribers of this host that lost, by their own word");
	return meanwhile;
}

static bool show_feeds(const struct losses_broker *broker, bool as_json)
{
	static const char *const titles[] = {">RIGHTS", ">LOST", ">MEANWHILE",
		">REPAIRED", ">STARVED", ">TOO LARGE", "REASON", NULL};
	struct table table;
	bool meanwhile = false;

	table_open(&table, titles);
	for (int i = 0; i < broker->feed_count; i++) {
		const struct losses_feed *f = &broker->feeds[i];

		if (f->now.lost == 0)
			continue;
		meanwhile |= f->now.lost > f->before.lost;
		if (as_json)
			feed_json(f);
		else
			feed_row(&table, f);
	}
	finish(&table, "Lost by the broker, for all subscribers of this host");
	return meanwhile;
}

bool losses_broker_show(struct losses_broker *broker, bool as_json)
{
	bool readers = show_readers(broker, as_json);
	bool feeds = show_feeds(broker, as_json);

	return readers || feeds;
}
