/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics.c - what is there to scrape; see metrics.h. */
#include "metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- brokers ------------------------------------------------------------------- */

void metrics_open(struct metrics *metrics, char **names, int count)
{
	metrics->named = count > 0;
	for (int i = 0; i < count && i < METRICS_BROKERS_MAX; i++) {
		struct metrics_broker *broker =
			&metrics->brokers[metrics->count++];

		broker->wanted = names[i];
		snprintf(broker->name, sizeof broker->name, "%s", names[i]);
	}
}

void metrics_close(struct metrics *metrics)
{
	for (int i = 0; i < metrics->count; i++)
		msg_broker_close(metrics->brokers[i].broker);
	msg_directory_close(metrics->directory);
}

static bool is_known(const struct metrics *metrics, const char *path)
{
	for (int i = 0; i < metrics->count; i++)
		if (strcmp(metrics->brokers[i].path, path) == 0)
			return true;
	return false;
}

/* One that is gone stays, as down, so that somebody is told. */
static void find_brokers(struct metrics *metrics)
{
	struct msg_broker_entry entries[METRICS_BROKERS_MAX];
	int found = msg_broker_list(entries, METRICS_BROKERS_MAX);

	for (int i = 0; i < found && i < METRICS_BROKERS_MAX; i++) {
		struct metrics_broker *broker;

		if (entries[i].state == MSG_BROKER_STATE_GONE ||
			is_known(metrics, entries[i].path) ||
			metrics->count == METRICS_BROKERS_MAX)
			continue;
		broker = &metrics->brokers[metrics->count++];
		memcpy(broker->name, entries[i].name, sizeof broker->name);
		memcpy(broker->path, entries[i].path, sizeof broker->path);
	}
}

static void look(struct metrics *metrics)
{
	if (!metrics->named)
		find_brokers(metrics);
	for (int i = 0; i < metrics->count; i++) {
		struct metrics_broker *broker = &metrics->brokers[i];
		const char *name =
			broker->wanted ? broker->wanted : broker->path;

		if (broker->broker) {
			if (msg_broker_read(broker->broker) == 0)
				continue;
			msg_broker_close(broker->broker);
			broker->broker = NULL;
		}
		if (msg_broker_open(name, &broker->broker) < 0)
			broker->broker = NULL;
	}
}

/* ---- rows ---------------------------------------------------------------------- */

struct field {
	const char *name; /* Of the family. */
	const char *meaning;
	const char *remedy;
	size_t offset;
};
#define FIELDS(row, TABLE)                                                     \
	static const struct field row##_fields[] = {TABLE(row##_FIELD)};
#define FIELD_OF(row, field, meaning, remedy)                                  \
	{"msg_broker_" #row "_" #field, meaning, remedy,                       \
		offsetof(struct msg_broker_##row##_counts, field)},
#define total_FIELD(f, m, r) FIELD_OF(total, f, m, r)
#define client_FIELD(f, m, r) FIELD_OF(client, f, m, r)
#define stream_FIELD(f, m, r) FIELD_OF(stream, f, m, r)
#define publisher_FIELD(f, m, r) FIELD_OF(publisher, f, m, r)
#define reader_FIELD(f, m, r) FIELD_OF(reader, f, m, r)
#define feed_FIELD(f, m, r) FIELD_OF(feed, f, m, r)
#define user_FIELD(f, m, r) FIELD_OF(user, f, m, r)
FIELDS(total, MSG_BROKER_TOTAL_COUNTS)
FIELDS(client, MSG_BROKER_CLIENT_COUNTS)
FIELDS(stream, MSG_BROKER_STREAM_COUNTS)
FIELDS(publisher, MSG_BROKER_PUBLISHER_COUNTS)
FIELDS(reader, MSG_BROKER_READER_COUNTS)
FIELDS(feed, MSG_BROKER_FEED_COUNTS)
FIELDS(user, MSG_BROKER_USER_COUNTS)

/* A row of any kind: its labels, made once, and where its counts are. */
struct row {
	struct output_labels labels;
	const void *counts;
};

struct rows {
	struct row *rows;
	size_t count, capacity;
	uint64_t left_out;
};

static struct row *add_row(
	struct rows *rows, const struct metrics_broker *broker, const void *counts)
{
	struct row *row;

	if (rows->count == rows->capacity) {
		size_t capacity = rows->capacity ? 2 * rows->capacity : 64;

		row = realloc(rows->rows, capacity * sizeof *row);
		if (!row) {
			rows->left_out++;
			return NULL;
		}
		rows->rows = row;
		rows->capacity = capacity;
	}
	row = &rows->rows[rows->count++];
	row->labels.bytes = 0;
	row->counts = counts;
	output_label(&row->labels, "broker", broker->name);
	return row;
}

/* "Now:" is how the tables say that a count goes up and down. */
static enum output_kind kind_of(const struct field *field)
{
	return strstr(field->meaning, "Now:") || strstr(field->meaning, "now:")
		       ? OUTPUT_GAUGE
		       : OUTPUT_COUNTER;
}

static void write_rows(struct output *output, struct rows *rows,
	const struct field *fields, size_t count)
{
	for (size_t f = 0; f < count; f++) {
		output_family(output, kind_of(&fields[f]), fields[f].name,
			fields[f].meaning);
		for (size_t i = 0; i < rows->count; i++) {
			uint64_t value;

			memcpy(&value,
				(const char *)rows->rows[i].counts +
					fields[f].offset,
				sizeof value);
			output_count(output, &rows->rows[i].labels, value);
		}
	}
	output->left_out += rows->left_out * count;
	rows->count = rows->left_out = 0;
}
#define WRITE_ROWS(output, rows, row)                                          \
	write_rows(output, rows, row##_fields,                                 \
		sizeof row##_fields / sizeof *row##_fields)

/* ---- their labels ---------------------------------------------------------------- */

static const struct msg_broker_stream *find_stream(
	const struct msg_broker *broker, uint64_t id)
{
	const struct msg_broker_stream *s;

	for (uint32_t i = 0; (s = msg_broker_stream(broker, i)) != NULL; i++)
		if (s->id == id)
			return s;
	return NULL;
}

static const struct msg_broker_client *find_client(
	const struct msg_broker *broker, uint64_t id)
{
	const struct msg_broker_client *c;

	for (uint32_t i = 0; id && (c = msg_broker_client(broker, i)); i++)
		if (c->id == id)
			return c;
	return NULL;
}

static void label_stream(
	struct output_labels *labels, const struct msg_broker_stream *stream)
{
	if (!stream)
		return;
	output_label(labels, "topic", stream->topic);
	output_label_count(labels, "stream", stream->id);
	output_label(labels, "via", stream->local ? "local" : "network");
}

static void label_process(struct output_labels *labels, const char *program,
	uint32_t pid, uint32_t uid)
{
	output_label(labels, "program", program);
	output_label_count(labels, "pid", pid);
	output_label_count(labels, "uid", uid);
}

static void label_id(
	struct output_labels *labels, const char *name, uint64_t id)
{
	char text[24];

	snprintf(text, sizeof text, "%016" PRIx64, id);
	output_label(labels, name, text);
}

static void add_clients(struct rows *rows, const struct metrics_broker *b)
{
	static const char *const roles[] = {
		"none", "publisher", "subscriber", "onlooker"};
	const struct msg_broker_client *c;

	for (uint32_t i = 0; (c = msg_broker_client(b->broker, i)); i++) {
		struct row *row = add_row(rows, b, &c->counts);

		if (!row)
			continue;
		output_label_count(&row->labels, "client", c->id);
		output_label(&row->labels, "role",
			c->role < 4 ? roles[c->role] : "none");
		output_label(&row->labels, "topic", c->topic);
		label_process(&row->labels, c->program, c->pid, c->uid);
	}
}

static void add_streams(struct rows *rows, const struct metrics_broker *b)
{
	const struct msg_broker_stream *s;

	for (uint32_t i = 0; (s = msg_broker_stream(b->broker, i)); i++) {
		struct row *row = add_row(rows, b, &s->counts);

		if (row)
			label_stream(&row->labels, s);
	}
}

static void add_publishers(struct rows *rows, const struct metrics_broker *b)
{
	const struct msg_broker_publisher *p;

	for (uint32_t i = 0; (p = msg_broker_publisher(b->broker, i)); i++) {
		struct row *row = add_row(rows, b, &p->counts);

		if (!row)
			continue;
		label_stream(&row->labels, find_stream(b->broker, p->stream));
		label_id(&row->labels, "publisher", p->id);
		output_label(&row->labels, "host", p->host);
		label_process(&row->labels, p->program, p->pid, p->uid);
	}
}

static void add_readers(struct rows *rows, const struct metrics_broker *b)
{
	const struct msg_broker_client *client;
	const struct msg_broker_reader *r;

	for (uint32_t i = 0; (r = msg_broker_reader(b->broker, i)); i++) {
		struct row *row = add_row(rows, b, &r->counts);

		if (!row)
			continue;
		label_stream(&row->labels, find_stream(b->broker, r->stream));
		output_label_count(&row->labels, "client", r->client);
		client = find_client(b->broker, r->client);
		if (client)
			label_process(&row->labels, client->program,
				client->pid, client->uid);
		else
			output_label(&row->labels, "program",
				r->flags & MSG_BROKER_READER_RELAY ? "(relay)"
								   : "");
	}
}

static void add_feeds(struct rows *rows, const struct metrics_broker *b)
{
	const struct msg_broker_feed *f;

	for (uint32_t i = 0; (f = msg_broker_feed(b->broker, i)); i++) {
		struct row *row = add_row(rows, b, &f->counts);

		if (row)
			output_label_count(&row->labels, "rights", f->id);
	}
}

static void add_users(struct rows *rows, const struct metrics_broker *b)
{
	const struct msg_broker_user *u;

	for (uint32_t i = 0; (u = msg_broker_user(b->broker, i)); i++) {
		struct row *row = add_row(rows, b, &u->counts);

		if (row)
			output_label_count(&row->labels, "uid", u->uid);
	}
}

static void add_totals(struct rows *rows, const struct metrics_broker *b)
{
	add_row(rows, b, &msg_broker_info(b->broker)->counts);
}

/* ---- what is no count -------------------------------------------------------------- */

static bool is_up(const struct metrics_broker *b)
{
	return b->broker &&
	       msg_broker_info(b->broker)->state == MSG_BROKER_STATE_RUNNING;
}

static void write_state(struct metrics *metrics, struct output *output)
{
	struct output_labels labels;

	output_family(output, OUTPUT_GAUGE, "msg_broker_up",
		"1 while the broker runs; 0: it is gone, stopped or stuck.");
	for (int i = 0; i < metrics->count; i++) {
		labels.bytes = 0;
		output_label(&labels, "broker", metrics->brokers[i].name);
		output_count(output, &labels, is_up(&metrics->brokers[i]));
	}
	output_family(output, OUTPUT_GAUGE, "msg_broker_info",
		"Always 1; what the broker stands on is in the labels.");
	for (int i = 0; i < metrics->count; i++) {
		static const char *const lanes[] = {"none", "verbs", "udp"};
		const struct msg_broker_info *info;

		if (!metrics->brokers[i].broker)
			continue;
		info = msg_broker_info(metrics->brokers[i].broker);
		labels.bytes = 0;
		output_label(&labels, "broker", metrics->brokers[i].name);
		output_label(&labels, "lane",
			info->lane < 3 ? lanes[info->lane] : "none");
		output_label(&labels, "device", info->device);
		output_label(&labels, "interface", info->interface);
		output_label(&labels, "groups", info->groups);
		output_count(output, &labels, 1);
	}
}

static void write_times(struct metrics *metrics, struct output *output)
{
	struct output_labels labels;

	for (int which = 0; which < 2; which++) {
		output_family(output, OUTPUT_GAUGE,
			which ? "msg_broker_counters_age_seconds"
			      : "msg_broker_uptime_seconds",
			which ? "Since the broker wrote its counters."
			      : "Since it started, when it wrote them.");
		for (int i = 0; i < metrics->count; i++) {
			const struct msg_broker_info *info;

			if (!metrics->brokers[i].broker)
				continue;
			info = msg_broker_info(metrics->brokers[i].broker);
			labels.bytes = 0;
			output_label(
				&labels, "broker", metrics->brokers[i].name);
			output_number(output, &labels,
				(double)(which ? info->age_ns
					       : info->uptime_ns) /
					1e9);
		}
	}
}

static void write_slow(struct metrics *metrics, struct output *output)
{
	struct rows rows = {0};

	output_family(output, OUTPUT_GAUGE, "msg_broker_reader_slow",
		"1 for a subscriber that lost by its own fault lately, is half "
		"a ring behind, or has lost the ring.");
	for (int i = 0; i < metrics->count; i++) {
		const struct metrics_broker *b = &metrics->brokers[i];

		if (!b->broker)
			continue;
		rows.count = 0;
		add_readers(&rows, b);
		for (size_t r = 0; r < rows.count; r++) {
			/* The row its counts are part of. */
			const struct msg_broker_reader *reader =
				(const void *)((const char *)rows.rows[r].counts -
					       offsetof(struct msg_broker_reader,
						       counts));
			const uint32_t slow = MSG_BROKER_READER_SLOW |
					      MSG_BROKER_READER_EVICTED;

			output_count(output, &rows.rows[r].labels,
				(reader->flags & slow) != 0);
		}
	}
	output->left_out += rows.left_out;
	free(rows.rows);
}

/* ---- announcements ------------------------------------------------------------------ */

static void write_announced(struct metrics *metrics, struct output *output)
{
	struct msg_topic_info *infos;
	int known, count;

	if (!metrics->directory)
		return;
	known = msg_directory_read(metrics->directory, 0, NULL, 0);
	infos = known > 0 ? calloc((size_t)known, sizeof *infos) : NULL;
	count = infos ? msg_directory_read(metrics->directory, 0, infos, known)
		      : 0;
	output_family(output, OUTPUT_COUNTER, "msg_announced_messages",
		"Messages sent, as the publisher last said of itself.");
	for (int i = 0; i < count && i < known; i++) {
		struct output_labels labels = {.bytes = 0};

		output_label(&labels, "topic", infos[i].topic);
		label_id(&labels, "publisher", infos[i].publisher);
		output_label(&labels, "host", infos[i].host);
		label_process(&labels, infos[i].program, infos[i].pid,
			infos[i].uid);
		output_count(output, &labels, infos[i].message_count);
	}
	free(infos);
}

/* ---- all of it ------------------------------------------------------------------------ */

static void for_each(struct metrics *metrics, struct rows *rows,
	void (*add)(struct rows *rows, const struct metrics_broker *broker))
{
	for (int i = 0; i < metrics->count; i++)
		if (metrics->brokers[i].broker)
			add(rows, &metrics->brokers[i]);
}

void metrics_write(struct metrics *metrics, struct output *output)
{
	struct rows rows = {0};

	look(metrics);
	write_state(metrics, output);
	write_times(metrics, output);
	for_each(metrics, &rows, add_totals);
	WRITE_ROWS(output, &rows, total);
	for_each(metrics, &rows, add_clients);
	WRITE_ROWS(output, &rows, client);
	for_each(metrics, &rows, add_streams);
	WRITE_ROWS(output, &rows, stream);
	for_each(metrics, &rows, add_publishers);
	WRITE_ROWS(output, &rows, publisher);
	for_each(metrics, &rows, add_readers);
	WRITE_ROWS(output, &rows, reader);
	write_slow(metrics, output);
	for_each(metrics, &rows, add_feeds);
	WRITE_ROWS(output, &rows, feed);
	for_each(metrics, &rows, add_users);
	WRITE_ROWS(output, &rows, user);
	free(rows.rows);
	write_announced(metrics, output);
	output_family(output, OUTPUT_COUNTER, "msg_exporter_scrapes",
		"Times that these metrics were asked for.");
	output_count(output, NULL, ++metrics->scrapes);
	output_end(output);
}
