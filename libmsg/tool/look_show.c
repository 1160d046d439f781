/* SPDX-License-Identifier: BSD-2-Clause */
/* look_show.c - a broker as tables; see look.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "lane.h"
#include "look.h"
#include "text.h"

#define AMOUNT 32

static void add_rate(struct table *table, double value)
{
	char text[AMOUNT];

	if (isnan(value))
		table_add(table, "-");
	else
		table_add(table, "%s", text_scaled(value, text, sizeof text));
}

/* A relay is none, and of a publisher elsewhere it may not be known yet. */
static void add_process(struct table *table, uint32_t pid, uint32_t uid)
{
	if (pid == 0) {
		table_add(table, "-");
		table_add(table, "-");
		return;
	}
	table_count(table, pid);
	table_count(table, uid);
}

void look_headline(const struct look *look, char *text, size_t bytes)
{
	const struct msg_broker_info *info = msg_broker_info(look->broker);
	char name[300], up[AMOUNT], age[AMOUNT];

	text_escape(name, sizeof name, info->name);
	snprintf(text, bytes,
		"broker '%s': %s, pid %" PRIu32 " of uid %" PRIu32
		", up %s; counters %s old",
		name, look_state_name(info->state), info->pid, info->uid,
		text_time((double)info->uptime_ns, up, sizeof up),
		text_time((double)info->age_ns, age, sizeof age));
}

/* ---- publishers and subscribers -------------------------------------------- */

void look_table(const struct look *look, struct table *table)
{
	static const char *const titles[] = {"TOPIC", "VIA", "ROLE", ">PID",
		">UID", "PROGRAM", ">RATE/S", ">MESSAGES", ">LAG", ">HELD",
		">LOST", "POLICY", "STATE", NULL};

	table_open(table, titles);
	for (int i = 0; i < look->count; i++) {
		const struct look_line *line = &look->lines[i];
		const struct msg_broker_reader *r = line->reader;

		table_safe(table, line->stream->topic);
		table_add(table, "%s", line->stream->local ? "local" : "net");
		table_add(table, "%s", look_role(line));
		add_process(table, look_pid(line), look_uid(line));
		table_safe(table, look_program(line));
		add_rate(table, line->rate);
		table_count(table, line->count);
		if (r) {
			table_count(table, r->counts.lag);
			table_count(table, r->counts.held + r->counts.in_hand);
		} else {
			table_add(table, "-");
			table_add(table, "-");
		}
		table_count(table, line->lost);
		table_add(table, "%s", r ? look_policy(r->slow) : "-");
		if (line->publisher && !line->publisher->local)
			table_safe(table, line->publisher->host);
		else
			table_add(table, "%s", look_line_state(look, line));
	}
}

/* ---- all else -------------------------------------------------------------- */

static void print_lane(const struct msg_broker_info *info, FILE *file)
{
	struct msg_node_info node = {
		.lane = info->lane == MSG_LANE_VERBS ? MSG_LANE_VERBS
						     : MSG_LANE_UDP,
		.device = info->device,
		.interface = info->interface,
		.address = info->address,
		.groups = info->groups,
		.reason = info->reason,
		.port = info->port,
		.frame_bytes = info->frame_bytes,
	};
	char raw[1024], text[2048];

	if (info->lane == 0) {
		fputs("lane      none: topics of this host alone\n", file);
		return;
	}
	lane_format(&node, raw, sizeof raw);
	text_escape(text, sizeof text, raw);
	fprintf(file, "lane      %s\n", text);
}

static void print_totals(const struct msg_broker_info *info, FILE *file)
{
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = {
#define FIELD(field, meaning, remedy)                                          \
	{#field, offsetof(struct msg_broker_total_counts, field)},
		MSG_BROKER_TOTAL_COUNTS(FIELD)
#undef FIELD
	};

	fputs("counts    ", file);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		uint64_t value;

		memcpy(&value, (const char *)&info->counts + fields[i].offset,
			sizeof value);
		fprintf(file, "%s%s %" PRIu64, i ? ", " : "", fields[i].name,
			value);
	}
	fputc('\n', file);
}

static void finish(struct table *table, const char *title, FILE *file)
{
	if (table_rows(table) > 0) {
		fprintf(file, "\n%s\n", title);
		table_print(table, file);
	}
	table_close(table);
}

static void print_clients(const struct look *look, FILE *file)
{
	static const char *const titles[] = {">PID", ">UID", "PROGRAM", "ROLE",
		">CONNECTED", ">STREAMS", ">SLOTS", ">BYTES", "READS", "TOPIC",
		NULL};
	static const char *const roles[] = {
		"-", "publisher", "subscriber", "onlooker"};
	const struct msg_broker_client *c;
	struct table table;
	char time[AMOUNT];

	table_open(&table, titles);
	for (uint32_t i = 0; (c = msg_broker_client(look->broker, i)); i++) {
		table_count(&table, c->pid);
		table_count(&table, c->uid);
		table_safe(&table, c->program);
		table_add(&table, "%s", c->role < 4 ? roles[c->role] : "-");
		table_add(&table, "%s",
			text_time((double)c->connected_ns, time, sizeof time));
		table_count(&table, c->counts.rings);
		table_count(&table, c->counts.slots);
		table_count(&table, c->counts.bytes);
		table_add(&table, "%s", c->counts.waiting ? "no" : "yes");
		table_safe(&table, c->topic[0] ? c->topic : "-");
	}
	finish(&table, "Clients (READS: whether it reads what the broker says)",
		file);
}

static void print_streams(const struct look *look, FILE *file)
{
	static const char *const titles[] = {"TOPIC", "WRITER", ">ENTRIES",
		">HEAD", ">TAIL", ">PUBLISHERS", ">SUBSCRIBERS", ">EVICTED",
		">RIGHTS", NULL};
	const struct msg_broker_stream *s;
	struct table table;

	table_open(&table, titles);
	for (uint32_t i = 0; (s = msg_broker_stream(look->broker, i)); i++) {
		table_safe(&table, s->topic);
		table_add(&table, "%s", s->local ? "local" : "network");
		table_count(&table, s->entry_count);
		table_count(&table, s->counts.head);
		table_count(&table, s->counts.tail);
		table_count(&table, s->publishers);
		table_count(&table, s->readers);
		table_count(&table, s->counts.evicted);
		table_count(&table, s->rights);
	}
	finish(&table, "Streams", file);
}

static void print_feeds(const struct look *look, FILE *file)
{
	static const char *const titles[] = {">RIGHTS", ">SLOTS", ">POSTED",
		">TOPICS", ">GROUPS", ">FRAMES", ">LOST", ">LATE", ">FOREIGN",
		">MALFORMED", ">STARVED", ">EVICTED", NULL};
	const struct msg_broker_feed *f;
	struct table table;

	table_open(&table, titles);
	for (uint32_t i = 0; (f = msg_broker_feed(look->broker, i)); i++) {
		table_count(&table, f->id);
		table_count(&table, f->counts.slots);
		table_count(&table, f->counts.posted);
		table_count(&table, f->counts.topics);
		table_count(&table, f->counts.groups);
		table_count(&table, f->counts.frames);
		table_count(&table, f->counts.lost);
		table_count(&table, f->counts.late);
		table_count(&table, f->counts.foreign);
		table_count(&table, f->counts.malformed);
		table_count(&table, f->counts.starved);
		table_count(&table, f->counts.evicted);
	}
	finish(&table, "Feeds from the network", file);
}

static uint64_t refused(const struct msg_broker_user_counts *c)
{
	return c->connections_refused + c->subscriptions_refused +
	       c->publishers_refused + c->held_slots_refused + c->bytes_refused;
}

static void print_users(const struct look *look, FILE *file)
{
	static const char *const titles[] = {">UID", ">CONNECTIONS",
		">SUBSCRIPTIONS", ">PUBLISHERS", ">SLOTS", ">BYTES", ">REFUSED",
		NULL};
	const struct msg_broker_user *u;
	struct table table;

	table_open(&table, titles);
	for (uint32_t i = 0; (u = msg_broker_user(look->broker, i)); i++) {
		table_count(&table, u->uid);
		table_count(&table, u->counts.connections);
		table_count(&table, u->counts.subscriptions);
		table_count(&table, u->counts.publishers);
		table_count(&table, u->counts.held_slots);
		table_count(&table, u->counts.bytes);
		table_count(&table, refused(&u->counts));
	}
	finish(&table, "Users, and what is charged to them", file);
}

void look_details(const struct look *look, FILE *file)
{
	const struct msg_broker_info *info = msg_broker_info(look->broker);
	char text[1024];
	struct table table;

	look_headline(look, text, sizeof text);
	fprintf(file, "%s\n", text);
	text_escape(text, sizeof text, info->path);
	fprintf(file, "socket    %s\n", text);
	print_lane(info, file);
	print_totals(info, file);
	if (info->torn > 0)
		fprintf(file,
			"torn      %" PRIu32 " rows changed while they "
			"were read, or the broker stopped while it wrote\n",
			info->torn);
	look_table(look, &table);
	finish(&table, "Publishers and subscribers", file);
	print_streams(look, file);
	print_clients(look, file);
	print_feeds(look, file);
	print_users(look, file);
}
