/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hz.c - `msg hz PATTERN`: how often messages come, how evenly, how large.
 *
 * It is a subscriber that looks at nothing but the time.  A message's time is
 * that at which it was taken, so messages that came while this program slept
 * have none between them; with --spin it does not sleep.  Each topic that
 * matches has a line in each interval, and one for the whole time at the end.
 */
#include "command.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <msg/stats.h>

#include "delivery.h"
#include "json.h"
#include "lane.h"
#include "options.h"
#include "pace.h"
#include "require.h"
#include "stop.h"
#include "table.h"
#include "text.h"

#define TAKE_MAX 64
/* Of a pattern; what comes on others is counted together. */
#define TOPIC_MAX 1024
#define TOPIC_BYTES 256

enum {
	OPTION_DIRECT = OPTION_LONG,
	OPTION_INTERVAL,
	OPTION_JSON,
	OPTION_RELIABILITY,
	OPTION_REQUIRE,
	OPTION_SPIN,
};

static const struct option_spec options[] = {
	{OPTION_JSON, "json", NULL, "one JSON object a topic and interval"},
	{OPTION_INTERVAL, "interval", "SEC", "between two tables (1)"},
	{'t', "seconds", "SEC", "end after that long; exit 1 when nothing came"},
	{'n', "count", "N", "end after N intervals"},
	{OPTION_REQUIRE, "require", "LIST",
		"exit 1 unless met by each topic over the whole "
		"time: rate=100,jitter=2ms,gap=50ms,loss=0"},
	{OPTION_SPIN, "spin", NULL, "poll instead of sleeping"},
	{OPTION_DIRECT, "direct", NULL,
		"straight from the lane, past the "
		"broker"},
	{OPTION_RELIABILITY, "reliability", "WHAT",
		"reliable: as offered; best-effort: "
		"ask for nothing"},
	OPTION_END,
};

static const struct require_metric metrics[] = {
	{"rate", REQUIRE_AT_LEAST},
	{"jitter", REQUIRE_TIME},
	{"gap", REQUIRE_TIME},
	{"loss", REQUIRE_AT_MOST},
	{NULL, REQUIRE_AT_MOST},
};

/* Sums of one topic since a time, that of its first message at the earliest;
 * that one ends no gap, and so counts for no rate. */
struct span {
	uint64_t begin_ns;
	uint64_t messages, bytes, lost;
	uint64_t size_min, size_max;
	uint64_t gaps, gap_min, gap_max;
	double gap_sum, gap_squares;
};

struct topic {
	char name[TOPIC_BYTES];
	uint32_t number; /* As views have it. */
	uint64_t last_ns;
	struct span now, all;
};

struct hz {
	struct lane_choice lane;
	struct msg_subscriber_options wanted;
	struct msg_subscriber *subscriber;
	struct require require;
	struct topic *topics;
	int topic_count;
	uint64_t elsewhere; /* Messages of topics beyond TOPIC_MAX. */
	bool as_json;
	bool spin;
	bool shown;
	double interval, seconds;
	uint64_t count, intervals;
	uint64_t begin_ns, since_ns;
};

/* ---- the command line ---------------------------------------------------- */

static void take_option(struct hz *hz, int id)
{
	switch (id) {
	case OPTION_JSON:
		hz->as_json = true;
		break;
	case OPTION_INTERVAL:
		hz->interval = value_seconds("--interval", optarg);
		break;
	case 't':
		hz->seconds = value_limit("--seconds", optarg);
		break;
	case 'n':
		hz->count = value_count("--count", optarg, 1, UINT64_MAX / 2);
		break;
	case OPTION_REQUIRE:
		require_parse(&hz->require, optarg, metrics);
		break;
	case OPTION_SPIN:
		hz->spin = true;
		break;
	case OPTION_DIRECT:
		hz->lane.options.broker = MSG_BROKER_NEVER;
		break;
	case OPTION_RELIABILITY:
		hz->wanted.reliability = delivery_reliability(optarg);
		break;
	default:
		break;
	}
}

static void read_line(
	struct hz *hz, const struct command *command, int argc, char **argv)
{
	int id;

	while ((id = options_next(command, &hz->lane, argc, argv)) >= 0)
		take_option(hz, id);
	options_operands(argc, 1, "PATTERN (quote wildcards)");
	if (hz->interval < 0.01)
		usage_fail("--interval is out of range: 10ms or more");
	hz->wanted.topic = argv[optind];
	hz->wanted.message_bytes_max = MSG_MESSAGE_BYTES_MAX;
}

/* ---- counting -------------------------------------------------------------- */

static void span_clear(struct span *span, uint64_t now)
{
	*span = (struct span){.begin_ns = now,
		.size_min = UINT64_MAX,
		.gap_min = UINT64_MAX};
}

static double span_rate(const struct span *span, uint64_t now)
{
	return now > span->begin_ns ? (double)span->gaps * 1e9 /
					      (double)(now - span->begin_ns)
				    : 0;
}

static double span_size(const struct span *span)
{
	return span->messages ? (double)span->bytes / (double)span->messages
			      : 0;
}

static void span_add(struct span *span, const struct msg_view *view)
{
	span->messages++;
	span->bytes += view->bytes;
	span->lost += view->lost_before;
	if (view->bytes < span->size_min)
		span->size_min = view->bytes;
	if (view->bytes > span->size_max)
		span->size_max = view->bytes;
}

static void span_add_gap(struct span *span, uint64_t ns)
{
	span->gaps++;
	span->gap_sum += (double)ns;
	span->gap_squares += (double)ns * (double)ns;
	if (ns < span->gap_min)
		span->gap_min = ns;
	if (ns > span->gap_max)
		span->gap_max = ns;
}

/* Standard deviation of the gaps; NAN of fewer than two. */
static double span_jitter(const struct span *span)
{
	double mean, variance;

	if (span->gaps < 2)
		return NAN;
	mean = span->gap_sum / (double)span->gaps;
	variance = span->gap_squares / (double)span->gaps - mean * mean;
	return variance > 0 ? sqrt(variance) : 0;
}

static struct topic *find_topic(
	struct hz *hz, const struct msg_view *view, uint64_t now)
{
	struct topic *topic;

	for (int i = 0; i < hz->topic_count; i++)
		if (hz->topics[i].number == view->topic)
			return &hz->topics[i];
	if (hz->topic_count == TOPIC_MAX)
		return NULL;
	topic = &hz->topics[hz->topic_count++];
	*topic = (struct topic){.number = view->topic};
	snprintf(topic->name, sizeof topic->name, "%s",
		msg_subscriber_topic(hz->subscriber, view));
	span_clear(&topic->now, now);
	span_clear(&topic->all, now);
	return topic;
}

static void count_view(struct hz *hz, const struct msg_view *view, uint64_t now)
{
	struct topic *topic = find_topic(hz, view, now);

	if (!topic) {
		hz->elsewhere++;
		return;
	}
	span_add(&topic->now, view);
	span_add(&topic->all, view);
	if (topic->last_ns != 0) {
		span_add_gap(&topic->now, now - topic->last_ns);
		span_add_gap(&topic->all, now - topic->last_ns);
	}
	topic->last_ns = now;
}

/* ---- showing --------------------------------------------------------------- */

static const char *const titles[] = {"TOPIC", ">RATE/S", ">GAP", ">MIN", ">MAX",
	">JITTER", ">BYTES/S", ">SIZE", ">LOST", NULL};

static void add_time(struct table *table, double ns)
{
	char text[32];

	if (isnan(ns))
		table_add(table, "-");
	else
		table_add(table, "%s", text_time(ns, text, sizeof text));
}

static void add_row(struct table *table, const char *name,
	const struct span *span, uint64_t now)
{
	double rate = span_rate(span, now);
	bool gaps = span->gaps > 0;
	char text[32];

	table_safe(table, name);
	table_add(table, "%s", text_scaled(rate, text, sizeof text));
	add_time(table, gaps ? span->gap_sum / (double)span->gaps : NAN);
	add_time(table, gaps ? (double)span->gap_min : NAN);
	add_time(table, gaps ? (double)span->gap_max : NAN);
	add_time(table, span_jitter(span));
	table_add(table, "%s",
		text_scaled(rate * span_size(span), text, sizeof text));
	table_add(table, "%.0f", span_size(span));
	table_count(table, span->lost);
}

static void print_object(const char *event, const char *name,
	const struct span *span, uint64_t now)
{
	bool gaps = span->gaps > 0, some = span->messages > 0;
	struct json json = {stdout, false};

	json_open(&json, NULL, '{');
	json_text(&json, "event", event);
	json_text(&json, "topic", name);
	json_number(&json, "seconds", (double)(now - span->begin_ns) / 1e9);
	json_count(&json, "messages", span->messages);
	json_number(&json, "rate", span_rate(span, now));
	json_number(&json, "gap_mean_ns",
		gaps ? span->gap_sum / (double)span->gaps : NAN);
	json_number(&json, "gap_min_ns", gaps ? (double)span->gap_min : NAN);
	json_number(&json, "gap_max_ns", gaps ? (double)span->gap_max : NAN);
	json_number(&json, "jitter_ns", span_jitter(span));
	json_count(&json, "bytes", span->bytes);
	json_number(&json, "size_min", some ? (double)span->size_min : NAN);
	json_number(&json, "size_max", some ? (double)span->size_max : NAN);
	json_count(&json, "lost", span->lost);
	json_close(&json, '}');
	putchar('\n');
}

static void show(struct hz *hz, bool whole, uint64_t now)
{
	struct table table;

	table_open(&table, titles);
	for (int i = 0; i < hz->topic_count; i++) {
		struct topic *topic = &hz->topics[i];
		const struct span *span = whole ? &topic->all : &topic->now;

		if (hz->as_json)
			print_object(whole ? "total" : "interval", topic->name,
				span, now);
		else
			add_row(&table, topic->name, span, now);
		span_clear(&topic->now, now);
	}
	if (table_rows(&table) > 0) {
		if (hz->shown)
			putchar('\n');
		if (whole)
			printf("all %.3g s\n",
				(double)(now - hz->begin_ns) / 1e9);
		table_print(&table, stdout);
		hz->shown = true;
	}
	table_close(&table);
	fflush(stdout);
}

/* ---- the loop -------------------------------------------------------------- */

/* How many were taken; negative on failure. */
static int take(struct hz *hz)
{
	struct msg_view views[TAKE_MAX];
	int count = msg_subscriber_take(hz->subscriber, views, TAKE_MAX);
	uint64_t now = clock_ns();

	for (int i = 0; i < count; i++)
		count_view(hz, &views[i], now);
	if (count > 0)
		msg_subscriber_release(hz->subscriber, views, count);
	return count;
}

static int rest(struct hz *hz, uint64_t until_ns)
{
	struct pollfd fds[2 + STOP_POLL_EXTRA] = {
		{.fd = msg_subscriber_fd(hz->subscriber), .events = POLLIN}};
	int error;

	if (hz->spin)
		return 0;
	error = msg_subscriber_arm(hz->subscriber);
	if (error == -MSG_ERROR_AGAIN)
		return 0;
	if (error < 0)
		return error;
	fds[1] = stop_output_watch();
	stop_poll(fds, 2, until_ns);
	return 0;
}

static int measure(struct hz *hz)
{
	uint64_t step = (uint64_t)(hz->interval * 1e9);
	uint64_t end = hz->seconds > 0
			       ? hz->begin_ns + (uint64_t)(hz->seconds * 1e9)
			       : UINT64_MAX;

	while (!stop_asked() && !stop_output_closed()) {
		uint64_t next = hz->since_ns + step, now;
		int taken = take(hz);

		if (taken == 0)
			taken = rest(hz, next < end ? next : end);
		if (taken < 0)
			return taken;
		now = clock_ns();
		if (now >= next) {
			show(hz, false, now);
			hz->since_ns = now;
			hz->intervals++;
		}
		if (now >= end || (hz->count && hz->intervals >= hz->count))
			break;
	}
	return 0;
}

/* ---- the end --------------------------------------------------------------- */

static int judge(const struct hz *hz, uint64_t now)
{
	uint64_t messages = hz->elsewhere;
	bool met = true;

	for (int i = 0; i < hz->topic_count; i++) {
		const struct span *span = &hz->topics[i].all;
		double jitter = span_jitter(span);
		char name[1100];

		text_escape(name, sizeof name, hz->topics[i].name);
		messages += span->messages;
		met &= require_check(
			&hz->require, "rate", span_rate(span, now), name);
		met &= require_check(&hz->require, "jitter",
			isnan(jitter) ? 0 : jitter, name);
		met &= require_check(&hz->require, "gap",
			(double)span->gap_max, name);
		met &= require_check(&hz->require, "loss",
			(double)span->lost, name);
	}
	if (hz->elsewhere > 0)
		say("%llu messages came on topics beyond the first %d",
			(unsigned long long)hz->elsewhere, TOPIC_MAX);
	if (messages == 0)
		complain("nothing came within %.3g s",
			(double)(now - hz->begin_ns) / 1e9);
	return met && messages > 0 ? TOOL_EXIT_OK : TOOL_EXIT_UNMET;
}

static int listen_to(struct hz *hz, struct msg_node *node)
{
	uint64_t now;
	int error =
		msg_subscriber_open(node, &hz->wanted, &hz->subscriber);

	if (error < 0)
		return lane_fail("cannot subscribe", error);
	say("listening to %s", hz->wanted.topic);
	hz->begin_ns = hz->since_ns = clock_ns();
	error = measure(hz);
	now = clock_ns();
	msg_subscriber_close(hz->subscriber);
	if (error < 0) {
		complain("receiving failed: %s", msg_error_name(error));
		return lane_exit(error);
	}
	show(hz, true, now);
	return judge(hz, now);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct hz hz = {.lane = LANE_CHOICE,
		.wanted = MSG_SUBSCRIBER_OPTIONS,
		.interval = 1};
	struct msg_node *node;
	int code = TOOL_EXIT_UNMET;

	read_line(&hz, command, argc, argv);
	hz.topics = calloc(TOPIC_MAX, sizeof *hz.topics);
	if (!hz.topics)
		return TOOL_EXIT_UNMET;
	stop_catch();
	node = lane_open(&hz.lane, &code);
	if (node) {
		code = listen_to(&hz, node);
		msg_node_close(node);
	}
	free(hz.topics);
	return code;
}

const struct command command_hz = {
	"hz",
	"[OPTION...] PATTERN",
	"Measure how often messages come, how evenly, how large.",
	"A line for each topic: messages a second; mean, least and greatest time "
	"between\ntwo of them, and its standard deviation; bytes a second and a "
	"message; lost ones.\nTimes are those at which this program took them: "
	"see --spin.",
	options,
	true,
	run,
};
