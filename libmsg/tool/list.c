/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list.c - `msg list [PATTERN]`: who publishes what.
 *
 * Local publishers of the usual broker are shown as it knows them, announced or
 * not.  Publishers announce themselves once a second unless told otherwise, so one
 * look takes two of those periods.  What they say of themselves is
 * unverified and is shown escaped.
 */
#include "command.h"

#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "delivery.h"
#include "json.h"
#include "lane.h"
#include "list_broker.h"
#include "options.h"
#include "pace.h"
#include "stop.h"
#include "text.h"

/* 2.2 of the default period: a rate takes two announcements of a publisher;
 * after one it is unknown and the library says 0. */
#define WAIT_SECONDS 2.2
#define COLUMNS 11

enum {
	OPTION_JSON = OPTION_LONG,
	OPTION_NAMES,
};

static const struct option_spec options[] = {
	{OPTION_JSON, "json", NULL, "one JSON object per publisher"},
	{OPTION_NAMES, "names", NULL, "the topics alone, one a line"},
	{'b', "brokers", NULL, "which brokers this host has, instead"},
	{'w', "watch", NULL, "show again whenever something changes"},
	{'t', "wait", "SEC",
		"how long to listen (2.2: two of the usual "
		"periods, for the rates)"},
	OPTION_END,
};

struct list {
	struct lane_choice lane;
	struct msg_directory *directory;
	struct list_broker broker;
	const char *pattern;
	struct msg_topic_info *infos;
	int capacity;
	int count;
	int heard; /* Of them; the others the broker tells of. */
	bool brokers;
	bool as_json;
	bool names;
	bool watch;
	double wait;
};

/* ---- reading ----------------------------------------------------------- */

static int read_directory(struct list *list, int64_t timeout_ns)
{
	int known = msg_directory_read(
		list->directory, timeout_ns, list->infos, list->capacity);

	while (known > list->capacity) {
		struct msg_topic_info *more =
			realloc(list->infos, (size_t)known * sizeof *more);

		if (!more)
			return -MSG_ERROR_MEMORY;
		list->infos = more;
		list->capacity = known;
		known = msg_directory_read(list->directory, 0, more, known);
	}
	list->heard = list->count = known > 0 ? known : 0;
	return known < 0 ? known : 0;
}

/* Whether it was heard as well; a broker's own listing knows no rates. */
static bool is_heard(struct list *list, const struct msg_topic_info *info)
{
	for (int i = 0; i < list->heard; i++) {
		if (list->infos[i].publisher != info->publisher)
			continue;
		if (list->infos[i].rate < 0)
			list->infos[i].rate = info->rate;
		return true;
	}
	return false;
}

/* What the broker tells of, behind what was heard and not heard as well. */
static void read_broker(struct list *list)
{
	int known, room = list->capacity - list->heard;

	known = list_broker_read(&list->broker, list->pattern,
		list->infos + list->heard, room);
	if (known > room) {
		struct msg_topic_info *more = realloc(list->infos,
			(size_t)(list->heard + known) * sizeof *more);

		if (more) {
			list->infos = more;
			list->capacity = list->heard + known;
			room = known;
			known = list_broker_read(&list->broker, list->pattern,
				more + list->heard, known);
		}
		known = known < room ? known : room;
	}
	list->count = list->heard;
	for (int i = list->heard; i < list->heard + known; i++)
		if (!is_heard(list, &list->infos[i]))
			list->infos[list->count++] = list->infos[i];
}

/* Listen until `until_ns`, in short waits so that a stop is noticed. */
static int listen_until(struct list *list, uint64_t until_ns)
{
	int error = 0;

	for (;;) {
		uint64_t now = clock_ns();
		uint64_t left = until_ns > now ? until_ns - now : 0;

		if (left > 100000000)
			left = 100000000;
		error = read_directory(list, (int64_t)left);
		if (error < 0 || stop_asked() || clock_ns() >= until_ns)
			return error;
	}
}

/* ---- showing ----------------------------------------------------------- */

typedef char cell_text[1100]; /* A topic of 255 bytes, each as \xHH. */

static const char *const titles[COLUMNS] = {"TOPIC", "PUBLISHER", "HOST",
	"PROGRAM", "PID", "UID", "RATE/S", "MESSAGES", "AGE", "DELIVERY",
	"TYPE"};
static const bool right[COLUMNS] = {
	[4] = true, [5] = true, [6] = true, [7] = true, [8] = true};

static void cell(const struct msg_topic_info *info, int column, cell_text *text)
{
	char *out = *text;
	size_t size = sizeof *text;

	switch (column) {
	case 0:
		text_escape(out, size, info->topic);
		break;
	case 1:
		snprintf(out, size, "%016" PRIx64, info->publisher);
		break;
	case 2:
		text_escape(out, size, info->host);
		break;
	case 3:
		text_escape(out, size, info->program);
		break;
	case 4:
		snprintf(out, size, "%" PRIu32, info->pid);
		break;
	case 5:
		snprintf(out, size, "%" PRIu32, info->uid);
		break;
	case 6:
		if (info->rate < 0)
			snprintf(out, size, "-");
		else
			text_scaled(info->rate, out, size);
		break;
	case 7:
		snprintf(out, size, "%" PRIu64, info->message_count);
		break;
	case 8:
		snprintf(out, size, "%.1f s", (double)info->age_ns / 1e9);
		break;
	case 9:
		snprintf(out, size, "%s", delivery_name(info->reliability));
		break;
	default:
		text_escape(out, size, *info->type_name ? info->type_name : "-");
		break;
	}
}

static void print_cell(const char *text, int column, size_t width)
{
	size_t blanks =
		width > text_columns(text) ? width - text_columns(text) : 0;

	if (right[column])
		printf("%*s", (int)blanks, "");
	fputs(text, stdout);
	if (column + 1 == COLUMNS)
		putchar('\n');
	else
		printf("%*s", (int)(right[column] ? 2 : blanks + 2), "");
}

static void print_table(const struct list *list)
{
	size_t width[COLUMNS];
	cell_text text;

	for (int c = 0; c < COLUMNS; c++) {
		width[c] = strlen(titles[c]);
		for (int i = 0; i < list->count; i++) {
			cell(&list->infos[i], c, &text);
			if (text_columns(text) > width[c])
				width[c] = text_columns(text);
		}
	}
	for (int c = 0; c < COLUMNS; c++)
		print_cell(titles[c], c, width[c]);
	for (int i = 0; i < list->count; i++) {
		for (int c = 0; c < COLUMNS; c++) {
			cell(&list->infos[i], c, &text);
			print_cell(text, c, width[c]);
		}
	}
}

static void print_json(const struct msg_topic_info *info)
{
	struct json json = {stdout, false};

	json_open(&json, NULL, '{');
	json_text(&json, "topic", info->topic);
	json_id(&json, "publisher", info->publisher);
	json_text(&json, "host", info->host);
	json_text(&json, "program", info->program);
	json_count(&json, "pid", info->pid);
	json_count(&json, "uid", info->uid);
	json_number(&json, "rate", info->rate < 0 ? NAN : info->rate);
	json_count(&json, "messages", info->message_count);
	json_number(&json, "age_seconds", (double)info->age_ns / 1e9);
	json_count(&json, "message_bytes_max", info->message_bytes_max);
	json_count(&json, "frame_bytes", info->frame_bytes);
	if (info->reliability)
		json_text(&json, "reliability", delivery_name(info->reliability));
	if (info->type_hash) {
		json_text(&json, "type", info->type_name);
		json_id(&json, "type_hash", info->type_hash);
	}
	json_close(&json, '}');
	putchar('\n');
}

static int compare_topics(const void *a, const void *b)
{
	const struct msg_topic_info *one = a, *other = b;

	return strcmp(one->topic, other->topic);
}

static void print_names(const struct list *list)
{
	qsort(list->infos, (size_t)list->count, sizeof *list->infos,
		compare_topics);
	for (int i = 0; i < list->count; i++) {
		if (i > 0 && strcmp(list->infos[i].topic,
				     list->infos[i - 1].topic) == 0)
			continue;
		text_write(stdout, list->infos[i].topic,
			strlen(list->infos[i].topic));
		putchar('\n');
	}
}

static void show(struct list *list)
{
	read_broker(list);
	if (list->names) {
		print_names(list);
	} else if (list->as_json) {
		for (int i = 0; i < list->count; i++)
			print_json(&list->infos[i]);
	} else if (list->count > 0 || list->watch) {
		if (list->watch && isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		print_table(list);
	}
	fflush(stdout);
}

static int list_once(struct list *list)
{
	int error =
		listen_until(list, clock_ns() + (uint64_t)(list->wait * 1e9));

	if (error < 0)
		return error;
	show(list);
	if (list->count == 0)
		say("no publisher announced itself within %.3g s", list->wait);
	return 0;
}

static int list_watch(struct list *list)
{
	while (!stop_asked() && !stop_output_closed()) {
		int error = listen_until(list, clock_ns() + 500000000);

		if (error < 0)
			return error;
		show(list);
	}
	return 0;
}

/* ---- the command ------------------------------------------------------- */

static int list_node(
	struct list *list, struct msg_node *node, const char *pattern)
{
	int error = msg_directory_open(node, pattern, &list->directory);

	if (error < 0)
		return lane_fail("cannot listen to announcements", error);
	list_broker_open(&list->broker);
	error = list->watch ? list_watch(list) : list_once(list);
	list_broker_close(&list->broker);
	msg_directory_close(list->directory);
	if (error < 0) {
		complain("listening failed: %s", msg_error_name(error));
		return lane_exit(error);
	}
	return TOOL_EXIT_OK;
}

static void read_line(
	struct list *list, const struct command *command, int argc, char **argv)
{
	int id;

	while ((id = options_next(command, &list->lane, argc, argv)) >= 0) {
		if (id == OPTION_JSON)
			list->as_json = true;
		else if (id == OPTION_NAMES)
			list->names = true;
		else if (id == 'w')
			list->watch = true;
		else if (id == 'b')
			list->brokers = true;
		else
			list->wait = value_seconds("--wait", optarg);
	}
	if (list->names && (list->as_json || list->watch || list->brokers))
		usage_fail("--names goes with none of --json, --watch and "
			   "--brokers");
	if (list->brokers && (list->watch || optind < argc))
		usage_fail("--brokers goes with neither --watch nor a pattern");
	if (argc - optind > 1)
		usage_fail("too many arguments: only PATTERN is expected "
			   "(quote wildcards)");
}

static int run(const struct command *command, int argc, char **argv)
{
	struct list list = {
		.lane = LANE_CHOICE, .wait = WAIT_SECONDS, .capacity = 64};
	struct msg_node *node;
	int code = TOOL_EXIT_UNMET;

	read_line(&list, command, argc, argv);
	if (list.brokers)
		return list_brokers(list.as_json);
	list.pattern = argv[optind];
	list.infos = calloc((size_t)list.capacity, sizeof *list.infos);
	if (!list.infos)
		return TOOL_EXIT_UNMET;
	stop_catch();
	node = lane_open(&list.lane, &code);
	if (node) {
		code = list_node(&list, node, argv[optind]);
		msg_node_close(node);
	}
	free(list.infos);
	return code;
}

const struct command command_list = {
	"list",
	"[OPTION...] [PATTERN]",
	"List the topics that are announced.",
	"What publishers say of themselves is unverified.",
	options,
	true,
	run,
};
