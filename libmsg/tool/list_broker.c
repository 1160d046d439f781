/* SPDX-License-Identifier: BSD-2-Clause */
/* list_broker.c - what `msg list` knows from brokers; see list_broker.h. */
#include "list_broker.h"

#include <math.h>
#include <stdlib.h>

#include "command.h"
#include "json.h"
#include "lane.h"
#include "text.h"

/* ---- its publishers -------------------------------------------------------- */

void list_broker_open(struct list_broker *broker)
{
	const struct msg_broker_info *info;
	char text[1024];

	broker->open = look_try(&broker->look, NULL) == 0;
	if (!broker->open)
		return;
	info = msg_broker_info(broker->look.broker);
	if (info->state == MSG_BROKER_STATE_GONE) {
		list_broker_close(broker);
		return;
	}
	look_headline(&broker->look, text, sizeof text);
	say("%s", text);
}

void list_broker_close(struct list_broker *broker)
{
	if (broker->open)
		look_close(&broker->look);
	broker->open = false;
}

static void describe(struct msg_topic_info *to, const struct look_line *line,
	const struct msg_broker_info *info)
{
	*to = (struct msg_topic_info){
		.topic = line->stream->topic,
		.host = line->publisher->host,
		.program = line->publisher->program,
		.publisher = line->publisher->id,
		.message_count = line->count,
		.age_ns = info->age_ns,
		.rate = isnan(line->rate) ? -1 : line->rate,
		.pid = line->publisher->pid,
		.uid = line->publisher->uid,
		.frame_bytes = info->frame_bytes,
		.type_name = "", /* A broker's counters do not tell. */
	};
}

int list_broker_read(struct list_broker *broker, const char *pattern,
	struct msg_topic_info *infos, int count)
{
	const struct look *look = &broker->look;
	int found = 0;

	if (!broker->open || look_again(&broker->look) != TOOL_EXIT_OK)
		return 0;
	for (int i = 0; i < look->count; i++) {
		const struct look_line *line = &look->lines[i];

		if (!line->publisher || !line->publisher->local ||
			!line->publisher->client ||
			(pattern && msg_topic_match(
					    pattern, line->stream->topic) != 1))
			continue;
		if (found < count)
			describe(&infos[found], line,
				msg_broker_info(look->broker));
		found++;
	}
	return found;
}

/* ---- which brokers --------------------------------------------------------- */

static uint32_t count_clients(struct msg_broker *broker)
{
	uint32_t count = 0;

	while (msg_broker_client(broker, count))
		count++;
	return count;
}

static uint32_t count_streams(struct msg_broker *broker)
{
	uint32_t count = 0;

	while (msg_broker_stream(broker, count))
		count++;
	return count;
}

static const char *lane_of(const struct msg_broker_info *info)
{
	return info->lane ? lane_name((enum msg_lane)info->lane) : "none";
}

static void add_broker(struct table *table,
	const struct msg_broker_entry *entry, struct msg_broker *broker)
{
	const struct msg_broker_info *info =
		broker ? msg_broker_info(broker) : NULL;

	table_safe(table, entry->name);
	table_add(table, "%s",
		look_state_name(info ? info->state : entry->state));
	if (info || entry->pid)
		table_count(table, info ? info->pid : entry->pid);
	else
		table_add(table, "-");
	if (info) {
		table_count(table, info->uid);
		table_add(table, "%s", lane_of(info));
		table_safe(table, info->interface[0] ? info->interface : "-");
		table_count(table, count_clients(broker));
		table_count(table, count_streams(broker));
	} else {
		for (int i = 0; i < 5; i++)
			table_add(table, "-");
	}
	table_safe(table, entry->path);
}

static void print_broker(
	const struct msg_broker_entry *entry, struct msg_broker *broker)
{
	const struct msg_broker_info *info =
		broker ? msg_broker_info(broker) : NULL;
	struct json json = {stdout, false};

	json_open(&json, NULL, '{');
	json_text(&json, "name", entry->name);
	json_text(&json, "path", entry->path);
	json_text(&json, "state",
		look_state_name(info ? info->state : entry->state));
	json_count(&json, "pid", info ? info->pid : entry->pid);
	json_text(&json, "connect",
		entry->connect ? msg_error_name(entry->connect) : "");
	if (info) {
		json_count(&json, "uid", info->uid);
		json_text(&json, "lane", lane_of(info));
		json_text(&json, "interface", info->interface);
		json_count(&json, "clients", count_clients(broker));
		json_count(&json, "streams", count_streams(broker));
	}
	json_close(&json, '}');
	putchar('\n');
}

/* All there are; the caller frees them. */
static int read_brokers(struct msg_broker_entry **entries)
{
	int count = msg_broker_list(NULL, 0), now;

	*entries = count > 0 ? calloc((size_t)count, sizeof **entries) : NULL;
	if (count <= 0)
		return count;
	if (!*entries)
		return -MSG_ERROR_MEMORY;
	now = msg_broker_list(*entries, count);
	return now < count ? now : count;
}

int list_brokers(bool as_json)
{
	static const char *const titles[] = {"BROKER", "STATE", ">PID", ">UID",
		"LANE", "INTERFACE", ">CLIENTS", ">STREAMS", "SOCKET", NULL};
	struct msg_broker_entry *entries;
	int count = read_brokers(&entries);
	struct table table;

	if (count < 0)
		return lane_fail("cannot look for brokers", count);
	table_open(&table, titles);
	for (int i = 0; i < count; i++) {
		struct msg_broker *broker = NULL;

		/* By its path: of the name there may be another. */
		if (msg_broker_open(entries[i].path, &broker) < 0)
			broker = NULL;
		if (as_json)
			print_broker(&entries[i], broker);
		else
			add_broker(&table, &entries[i], broker);
		msg_broker_close(broker);
	}
	if (table_rows(&table) > 0)
		table_print(&table, stdout);
	table_close(&table);
	free(entries);
	if (count == 0)
		say("no broker is there, in $XDG_RUNTIME_DIR/msg or /run/msg");
	return TOOL_EXIT_OK;
}
