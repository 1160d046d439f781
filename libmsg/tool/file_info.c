/* SPDX-License-Identifier: BSD-2-Clause */
/* file_info.c - `msg file info`: what is in a recording; see file.h. */
#include "file.h"

#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "options.h"
#include "table.h"
#include "text.h"

/* ---- words --------------------------------------------------------------- */

static bool is_whole(const struct file_scan *scan)
{
	return scan->result == MCAP_END && !scan->trouble;
}

static const char *state_of(const struct file_scan *scan)
{
	if (is_whole(scan))
		return "whole";
	return scan->result == MCAP_CUT ? "not finished" : "broken";
}

static void span_text(const struct file_scan *scan, char *text, size_t bytes)
{
	char start[64], end[64], span[32];

	if (scan->messages == 0) {
		snprintf(text, bytes, "no messages");
		return;
	}
	recording_time_text(scan->start_ns, start, sizeof start);
	recording_time_text(scan->end_ns, end, sizeof end);
	text_time((double)(scan->end_ns - scan->start_ns), span, sizeof span);
	snprintf(text, bytes, "%s to %s, %s", start, end, span);
}

static void trouble_text(const struct file_scan *scan, char *text, size_t bytes)
{
	if (scan->result == MCAP_END)
		snprintf(text, bytes, "%s", scan->trouble ? scan->trouble : "");
	else
		snprintf(text, bytes, "%s at byte %" PRIu64,
			mcap_result_text(scan->result), scan->trouble_at);
}

/* What is missing by the numbers and was not told. */
static uint64_t unexplained(const struct file_channel *channel)
{
	return channel->missing > channel->told
		       ? channel->missing - channel->told
		       : 0;
}

static double rate_of(const struct file_channel *channel)
{
	uint64_t span = channel->last_ns - channel->first_ns;

	return span == 0 ? 0
			 : 1e9 * (double)(channel->messages - 1) / (double)span;
}

/* ---- text ---------------------------------------------------------------- */

/* The name of its type; "" without one. */
static void type_text(const struct file_scan *scan,
	const struct mcap_known_channel *known, char *text, size_t bytes)
{
	const struct mcap_known_schema *schema =
		mcap_table_schema(&scan->table, known->told.schema_id);

	file_copy_text(text, bytes, schema ? schema->told.name : mcap_text(""));
}

static void add_row(struct table *table, const struct file_scan *scan,
	const struct mcap_known_channel *known)
{
	const struct file_channel *channel = known->user;
	const struct recording_channel *about = &channel->about;
	char text[RECORDING_TOPIC_BYTES], who[160], volume[32], rate[32];

	file_copy_text(text, sizeof text, known->told.topic);
	table_safe(table, text);
	if (about->named)
		snprintf(who, sizeof who, "%s:%s[%" PRIu32 "]", about->host,
			about->program, about->pid);
	else if (about->publisher)
		snprintf(who, sizeof who, "%016" PRIx64, about->publisher);
	else
		snprintf(who, sizeof who, "-");
	table_safe(table, who);
	file_copy_text(text, sizeof text, known->told.encoding);
	table_safe(table, text);
	type_text(scan, known, text, sizeof text);
	table_safe(table, text[0] ? text : "-");
	table_count(table, channel->messages);
	text_scaled((double)channel->bytes, volume, sizeof volume);
	table_add(table, "%sB", volume);
	text_scaled(rate_of(channel), rate, sizeof rate);
	table_add(table, "%s", rate);
	table_count(table, channel->told);
	table_count(table, unexplained(channel));
}

static void print_channels(const struct file_scan *scan)
{
	static const char *const titles[] = {"TOPIC", "PUBLISHER", "ENCODING",
		"TYPE", ">MESSAGES", ">BYTES", ">RATE/S", ">LOST", ">UNTOLD",
		NULL};
	struct mcap_known_channel *known;
	struct table table;
	uint32_t id = 0;

	table_open(&table, titles);
	while ((known = mcap_table_next(&scan->table, &id))) {
		const struct file_channel *channel = known->user;

		if (channel && !channel->about.events)
			add_row(&table, scan, known);
	}
	if (table_rows(&table) > 0) {
		putchar('\n');
		table_print(&table, stdout);
	}
	table_close(&table);
}

static void print_losses(const struct file_scan *scan)
{
	for (int i = 0; i < scan->reason_count; i++) {
		const struct file_reason *reason = &scan->reasons[i];
		char safe[64];

		text_escape(safe, sizeof safe, reason->reason);
		printf("%s%" PRIu64 " messages lost (%s), %" PRIu64 " time%s\n",
			i == 0 ? "\n" : "", reason->lost, safe, reason->losses,
			reason->losses == 1 ? "" : "s");
	}
}

static void print_text(const struct file_scan *scan)
{
	char safe[1024], line[512], size[32], volume[32];

	text_escape(safe, sizeof safe, scan->path);
	text_scaled((double)scan->source.bytes, size, sizeof size);
	text_scaled((double)scan->bytes, volume, sizeof volume);
	printf("%s: %s", safe, state_of(scan));
	trouble_text(scan, line, sizeof line);
	if (!is_whole(scan) && scan->result != MCAP_CUT)
		printf(": %s", line);
	printf("\n%" PRIu64 " messages, %sB; file of %sB, %" PRIu32 " chunks",
		scan->messages, volume, size, scan->found.chunk_count);
	if (scan->packed_bytes > 0)
		printf(", %.2f : 1", (double)scan->unpacked_bytes /
					     (double)scan->packed_bytes);
	span_text(scan, line, sizeof line);
	printf("\n%s\n", line);
	text_escape(safe, sizeof safe, scan->library);
	printf("written by %s", safe[0] ? safe : "nobody who says so");
	if (scan->patterns[0]) {
		text_escape(safe, sizeof safe, scan->host);
		printf(" on %s", safe);
		text_escape(safe, sizeof safe, scan->patterns);
		printf(", of %s", safe);
	}
	putchar('\n');
	print_channels(scan);
	print_losses(scan);
}

/* ---- JSON ---------------------------------------------------------------- */

static void text_of(struct json *json, const char *key, struct mcap_text text)
{
	char copy[1024];

	file_copy_text(copy, sizeof copy, text);
	json_text(json, key, copy);
}

static void json_channel(struct json *json, const struct file_scan *scan,
	const struct mcap_known_channel *known)
{
	char type[256];
	const struct file_channel *channel = known->user;
	const struct recording_channel *about = &channel->about;

	json_open(json, NULL, '{');
	text_of(json, "topic", known->told.topic);
	text_of(json, "encoding", known->told.encoding);
	type_text(scan, known, type, sizeof type);
	if (type[0])
		json_text(json, "type", type);
	json_flag(json, "playable", channel->of_topic);
	if (about->publisher)
		json_id(json, "publisher", about->publisher);
	if (about->named) {
		json_text(json, "host", about->host);
		json_text(json, "program", about->program);
		json_count(json, "pid", about->pid);
		json_text(json, "reliability",
			recording_reliability_text(about->reliability));
	}
	json_count(json, "messages", channel->messages);
	json_count(json, "bytes", channel->bytes);
	json_count(json, "largest", channel->largest);
	json_number(json, "rate", rate_of(channel));
	if (about->publisher) {
		json_count(json, "first_sequence", about->first_sequence);
		json_count(json, "next_sequence", channel->next);
		json_count(json, "lost", channel->told);
		json_count(json, "untold", unexplained(channel));
		json_count(json, "disorder", channel->disorder);
	}
	json_close(json, '}');
}

static void json_channels(struct json *json, const struct file_scan *scan)
{
	struct mcap_known_channel *known;
	uint32_t id = 0;

	json_open(json, "channels", '[');
	while ((known = mcap_table_next(&scan->table, &id))) {
		const struct file_channel *channel = known->user;

		if (channel && !channel->about.events)
			json_channel(json, scan, known);
	}
	json_close(json, ']');
}

static void json_losses(struct json *json, const struct file_scan *scan)
{
	json_open(json, "losses", '[');
	for (int i = 0; i < scan->reason_count; i++) {
		json_open(json, NULL, '{');
		json_text(json, "reason", scan->reasons[i].reason);
		json_count(json, "losses", scan->reasons[i].losses);
		json_count(json, "lost", scan->reasons[i].lost);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_time(struct json *json, const char *key, uint64_t log_ns)
{
	char text[64];

	recording_time_text(log_ns, text, sizeof text);
	json_text(json, key, text);
}

static void print_json(const struct file_scan *scan)
{
	struct json json = {stdout, false};
	char text[256];

	trouble_text(scan, text, sizeof text);
	json_open(&json, NULL, '{');
	json_text(&json, "event", "file");
	json_text(&json, "file", scan->path);
	json_text(&json, "state", state_of(scan));
	if (text[0])
		json_text(&json, "problem", text);
	json_flag(&json, "summary", scan->summary);
	json_count(&json, "file_bytes", scan->source.bytes);
	json_count(&json, "messages", scan->messages);
	json_count(&json, "bytes", scan->bytes);
	json_count(&json, "events", scan->events);
	json_count(&json, "chunks", scan->found.chunk_count);
	json_count(&json, "packed_bytes", scan->packed_bytes);
	json_count(&json, "unpacked_bytes", scan->unpacked_bytes);
	if (scan->messages > 0) {
		json_time(&json, "start", scan->start_ns);
		json_time(&json, "end", scan->end_ns);
		json_number(&json, "seconds",
			(double)(scan->end_ns - scan->start_ns) / 1e9);
	}
	json_text(&json, "library", scan->library);
	if (scan->patterns[0]) {
		json_text(&json, "patterns", scan->patterns);
		json_text(&json, "host", scan->host);
		json_text(&json, "lane", scan->lane);
	}
	json_count(&json, "lost", scan->lost);
	json_count(&json, "dropped", scan->dropped);
	json_losses(&json, scan);
	json_channels(&json, scan);
	json_close(&json, '}');
	putchar('\n');
}

/* ---- each loss ----------------------------------------------------------- */

static void print_loss(
	void *context, const struct recording_event *event, uint64_t log_ns)
{
	const struct file_request *request = context;
	uint64_t first = event->sequence - event->lost;
	struct json json = {stdout, false};
	char time[64], topic[1024], reason[64];

	if (request->as_json) {
		json_open(&json, NULL, '{');
		json_text(&json, "event", "lost");
		json_time(&json, "time", log_ns);
		json_text(&json, "topic", event->topic);
		json_id(&json, "publisher", event->publisher);
		json_count(&json, "lost", event->lost);
		json_count(&json, "first", first);
		json_count(&json, "last", event->sequence - 1);
		json_text(&json, "reason", event->reason);
		json_close(&json, '}');
		putchar('\n');
		return;
	}
	recording_time_text(log_ns, time, sizeof time);
	text_escape(topic, sizeof topic, event->topic);
	text_escape(reason, sizeof reason, event->reason);
	printf("%s %s %016" PRIx64 " lost %" PRIu64 " (%" PRIu64 " to %" PRIu64
	       "): %s\n",
		time, topic, event->publisher, event->lost, first,
		event->sequence - 1, reason);
}

int file_info(const struct file_request *request, char **paths, int count)
{
	int code = TOOL_EXIT_OK;

	for (int i = 0; i < count; i++) {
		struct file_request copy = *request;
		struct file_scan scan;

		if (file_scan(&scan, paths[i],
			    request->losses ? print_loss : NULL, &copy)) {
			if (request->as_json)
				print_json(&scan);
			else
				print_text(&scan);
			if (i + 1 < count && !request->as_json)
				putchar('\n');
			if (!is_whole(&scan))
				code = TOOL_EXIT_UNMET;
		} else {
			code = TOOL_EXIT_UNMET;
		}
		file_scan_close(&scan);
	}
	return code;
}
