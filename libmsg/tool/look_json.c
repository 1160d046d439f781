/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * look_json.c - a broker as one JSON object; see look.h.  All counts are there,
 * under the names of the tables in <msg/broker.h>.
 */
#include <math.h>

#include "json.h"
#include "look.h"

#define COUNT(field, meaning, remedy) json_count(json, #field, c->field);

static void put_broker(struct json *json, const struct msg_broker_info *info)
{
	const struct msg_broker_total_counts *c = &info->counts;

	json_open(json, "broker", '{');
	json_text(json, "name", info->name);
	json_text(json, "path", info->path);
	json_text(json, "state", look_state_name(info->state));
	json_count(json, "pid", info->pid);
	json_count(json, "uid", info->uid);
	json_text(json, "lane",
		info->lane == MSG_LANE_VERBS ? "verbs"
		: info->lane == MSG_LANE_UDP ? "udp"
					     : "none");
	json_text(json, "device", info->device);
	json_text(json, "interface", info->interface);
	json_text(json, "address", info->address);
	json_text(json, "groups", info->groups);
	json_text(json, "reason", info->reason);
	json_count(json, "port", info->port);
	json_count(json, "frame_bytes", info->frame_bytes);
	json_id(json, "epoch", info->epoch);
	json_count(json, "started_ms", info->started_ns / 1000000);
	json_number(json, "uptime_seconds", (double)info->uptime_ns / 1e9);
	json_number(json, "age_seconds", (double)info->age_ns / 1e9);
	json_flag(json, "asleep", info->asleep);
	json_count(json, "torn", info->torn);
	MSG_BROKER_TOTAL_COUNTS(COUNT)
	json_close(json, '}');
}

static void put_publisher(struct json *json, const struct look_line *line)
{
	const struct msg_broker_publisher *p = line->publisher;
	const struct msg_broker_publisher_counts *c = &p->counts;

	json_open(json, NULL, '{');
	json_id(json, "publisher", p->id);
	json_flag(json, "local", p->local);
	json_text(json, "host", p->host);
	json_count(json, "pid", p->pid);
	json_count(json, "uid", p->uid);
	json_text(json, "program", p->program);
	json_number(json, "rate", line->rate);
	json_number(json, "lost_rate", line->lost_rate);
	MSG_BROKER_PUBLISHER_COUNTS(COUNT)
	json_close(json, '}');
}

static void put_reader(struct json *json, const struct look *look,
	const struct look_line *line)
{
	const struct msg_broker_reader *r = line->reader;
	const struct msg_broker_reader_counts *c = &r->counts;

	json_open(json, NULL, '{');
	json_flag(json, "relay", r->flags & MSG_BROKER_READER_RELAY);
	json_count(json, "client", r->client);
	json_count(json, "pid", look_pid(line));
	json_count(json, "uid", look_uid(line));
	json_text(json, "program", look_program(line));
	json_text(json, "policy", look_policy(r->slow));
	json_text(json, "state", look_line_state(look, line));
	json_flag(json, "slow", look_is_slow(look, line));
	json_flag(json, "asleep", r->flags & MSG_BROKER_READER_ASLEEP);
	json_flag(json, "evicted", r->flags & MSG_BROKER_READER_EVICTED);
	json_count(json, "hold_max", r->hold_max);
	json_number(json, "rate", line->rate);
	json_number(json, "lost_rate", line->lost_rate);
	MSG_BROKER_READER_COUNTS(COUNT)
	json_close(json, '}');
}

static void put_stream(struct json *json, const struct look *look,
	const struct msg_broker_stream *s)
{
	const struct msg_broker_stream_counts *c = &s->counts;

	json_open(json, NULL, '{');
	json_text(json, "topic", s->topic);
	json_flag(json, "local", s->local);
	json_count(json, "entries", s->entry_count);
	json_count(json, "rights", s->rights);
	MSG_BROKER_STREAM_COUNTS(COUNT)
	json_open(json, "publishers", '[');
	for (int i = 0; i < look->count; i++)
		if (look->lines[i].stream == s && look->lines[i].publisher)
			put_publisher(json, &look->lines[i]);
	json_close(json, ']');
	json_open(json, "subscribers", '[');
	for (int i = 0; i < look->count; i++)
		if (look->lines[i].stream == s && look->lines[i].reader)
			put_reader(json, look, &look->lines[i]);
	json_close(json, ']');
	json_close(json, '}');
}

static void put_client(
	struct json *json, const struct msg_broker_client *client)
{
	static const char *const roles[] = {
		"none", "publisher", "subscriber", "onlooker"};
	const struct msg_broker_client_counts *c = &client->counts;

	json_open(json, NULL, '{');
	json_count(json, "client", client->id);
	json_count(json, "pid", client->pid);
	json_count(json, "uid", client->uid);
	json_text(json, "program", client->program);
	json_text(json, "role", client->role < 4 ? roles[client->role] : "?");
	json_text(json, "topic", client->topic);
	json_text(json, "policy", look_policy(client->slow));
	json_number(
		json, "connected_seconds", (double)client->connected_ns / 1e9);
	MSG_BROKER_CLIENT_COUNTS(COUNT)
	json_close(json, '}');
}

static void put_feed(struct json *json, const struct msg_broker_feed *feed)
{
	const struct msg_broker_feed_counts *c = &feed->counts;

	json_open(json, NULL, '{');
	json_count(json, "rights", feed->id);
	MSG_BROKER_FEED_COUNTS(COUNT)
	json_close(json, '}');
}

static void put_user(struct json *json, const struct msg_broker_user *user)
{
	const struct msg_broker_user_counts *c = &user->counts;

	json_open(json, NULL, '{');
	json_count(json, "uid", user->uid);
	MSG_BROKER_USER_COUNTS(COUNT)
	json_close(json, '}');
}

void look_json(const struct look *look, FILE *file)
{
	struct json json = {file, false};
	struct msg_broker *b = look->broker;
	const struct msg_broker_stream *s;
	const struct msg_broker_client *c;
	const struct msg_broker_feed *f;
	const struct msg_broker_user *u;

	json_open(&json, NULL, '{');
	json_number(&json, "interval_seconds",
		look->seconds > 0 ? look->seconds : NAN);
	put_broker(&json, msg_broker_info(b));
	json_open(&json, "streams", '[');
	for (uint32_t i = 0; (s = msg_broker_stream(b, i)) != NULL; i++)
		put_stream(&json, look, s);
	json_close(&json, ']');
	json_open(&json, "clients", '[');
	for (uint32_t i = 0; (c = msg_broker_client(b, i)) != NULL; i++)
		put_client(&json, c);
	json_close(&json, ']');
	json_open(&json, "feeds", '[');
	for (uint32_t i = 0; (f = msg_broker_feed(b, i)) != NULL; i++)
		put_feed(&json, f);
	json_close(&json, ']');
	json_open(&json, "users", '[');
	for (uint32_t i = 0; (u = msg_broker_user(b, i)) != NULL; i++)
		put_user(&json, u);
	json_close(&json, ']');
	json_close(&json, '}');
}
