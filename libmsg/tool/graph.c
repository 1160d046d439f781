/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * graph.c - `msg graph`: who is connected to whom, as a picture for Graphviz.
 *
 *     process ──> topic ──> process        a box each host, and in it one each
 *                                          broker, around those that share it
 *
 * It draws what brokers of this host count and what publishers elsewhere
 * announce; subscribers elsewhere announce nothing and are not seen.  A process
 * that is slow, stuck or evicted is red, as is the line that leads to it.  The
 * output is made of lines in a fixed order, so that two pictures can be
 * compared.
 */
#include "command.h"

#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lane.h"
#include "look.h"
#include "options.h"
#include "pace.h"
#include "stop.h"
#include "text.h"

/* A period of announcements, and some. */
#define WAIT_SECONDS 1.2
#define BROKERS_MAX 16
#define TEXT_BYTES 1100

enum {
	OPTION_HERE = OPTION_LONG,
};

static const struct option_spec options[] = {
	{'t', "wait", "SEC",
		"how long to look and listen, for rates and "
		"announcements (1.2)"},
	{OPTION_HERE, "here", NULL,
		"only the brokers of this host; open no "
		"lane"},
	OPTION_END,
};

struct graph {
	struct lane_choice lane;
	struct look looks[BROKERS_MAX];
	int broker_count;
	struct msg_topic_info *infos;
	int info_count;
	char host[65];
	double wait;
	bool here;
};

/* ---- what Graphviz reads --------------------------------------------------- */

/* Inside quotation marks: safe on a terminal, and as it is in the picture. */
static void put_quoted(const char *text)
{
	char safe[TEXT_BYTES];

	text_escape(safe, sizeof safe, text);
	for (const char *c = safe; *c; c++) {
		if (*c == '"' || *c == '\\')
			putchar('\\');
		putchar(*c);
	}
}

static void put_process(const char *host, uint32_t pid)
{
	fputs("\"p:", stdout);
	put_quoted(host);
	printf(":%" PRIu32 "\"", pid);
}

static void put_topic(const char *topic)
{
	fputs("\"t:", stdout);
	put_quoted(topic);
	putchar('"');
}

static void draw_process(const char *indent, const char *host, uint32_t pid,
	const char *program, bool slow)
{
	fputs(indent, stdout);
	put_process(host, pid);
	fputs(" [shape=box, label=\"", stdout);
	put_quoted(program);
	printf("\\n%" PRIu32 "\"%s];\n", pid,
		slow ? ", color=red, fontcolor=red" : "");
}

static void put_rate(double rate)
{
	char text[32];

	if (!isnan(rate) && rate >= 0)
		printf("%s/s", text_scaled(rate, text, sizeof text));
}

/* ---- processes of a broker --------------------------------------------------- */

static bool is_process(const struct look_line *line)
{
	if (line->publisher)
		return line->publisher->local;
	return !(line->reader->flags & MSG_BROKER_READER_RELAY) && line->client;
}

/* A process may publish and read many topics: it is drawn once, red if it is
 * slow anywhere. */
static bool is_drawn(const struct look *look, int at)
{
	for (int i = 0; i < at; i++)
		if (is_process(&look->lines[i]) &&
			look_pid(&look->lines[i]) == look_pid(&look->lines[at]))
			return true;
	return false;
}

static bool is_slow_anywhere(const struct look *look, uint32_t pid)
{
	for (int i = 0; i < look->count; i++)
		if (is_process(&look->lines[i]) &&
			look_pid(&look->lines[i]) == pid &&
			look_is_slow(look, &look->lines[i]))
			return true;
	return false;
}

static void draw_broker(const struct graph *graph, int number)
{
	const struct look *look = &graph->looks[number];
	const struct msg_broker_info *info = msg_broker_info(look->broker);
	const char *state = look_state_name(info->state);

	printf("\t\tsubgraph \"cluster:here:%d\" {\n\t\t\tlabel=\"broker ",
		number);
	put_quoted(info->name);
	printf(" (pid %" PRIu32 ", %s, %s", info->pid,
		info->lane ? lane_name((enum msg_lane)info->lane) : "no network",
		state);
	fputs(")\";\n\t\t\tstyle=rounded;\n", stdout);
	if (info->state != MSG_BROKER_STATE_RUNNING)
		fputs("\t\t\tcolor=red;\n", stdout);
	/* An empty box would not be drawn. */
	printf("\t\t\t\"b:%d\" [shape=point, style=invis];\n", number);
	for (int i = 0; i < look->count; i++) {
		const struct look_line *line = &look->lines[i];

		if (is_process(line) && !is_drawn(look, i))
			draw_process("\t\t\t", graph->host, look_pid(line),
				look_program(line),
				is_slow_anywhere(look, look_pid(line)));
	}
	fputs("\t\t}\n", stdout);
}

/* ---- those that announce ------------------------------------------------------ */

/* Whether a broker of this host shows it as a publisher of this host. */
static bool is_at_broker(
	const struct graph *graph, const struct msg_topic_info *info)
{
	for (int b = 0; b < graph->broker_count; b++) {
		const struct look *look = &graph->looks[b];

		for (int i = 0; i < look->count; i++)
			if (look->lines[i].publisher &&
				look->lines[i].publisher->local &&
				look->lines[i].publisher->id == info->publisher)
				return true;
	}
	return false;
}

static int compare_infos(const void *a, const void *b)
{
	const struct msg_topic_info *one = a, *other = b;
	int order = strcmp(one->host, other->host);

	if (order == 0)
		order = (one->pid > other->pid) - (one->pid < other->pid);
	return order ? order : strcmp(one->topic, other->topic);
}

/* Those of `host`, or of all others when there is none to leave out. */
static void draw_announced(const struct graph *graph, const char *host)
{
	const char *indent = "\t\t";

	for (int i = 0; i < graph->info_count; i++) {
		const struct msg_topic_info *info = &graph->infos[i];

		if (strcmp(info->host, host) != 0 || is_at_broker(graph, info) ||
			(i > 0 && info[-1].pid == info->pid &&
				strcmp(info[-1].host, host) == 0))
			continue;
		draw_process(indent, host, info->pid, info->program, false);
	}
}

static void draw_hosts(const struct graph *graph)
{
	int number = 0;

	fputs("\tsubgraph \"cluster:here\" {\n\t\tlabel=\"", stdout);
	put_quoted(graph->host);
	fputs("\";\n", stdout);
	for (int b = 0; b < graph->broker_count; b++)
		draw_broker(graph, b);
	draw_announced(graph, graph->host);
	fputs("\t}\n", stdout);
	for (int i = 0; i < graph->info_count; i++) {
		const char *host = graph->infos[i].host;

		if (strcmp(host, graph->host) == 0 ||
			(i > 0 && strcmp(host, graph->infos[i - 1].host) == 0))
			continue;
		printf("\tsubgraph \"cluster:%d\" {\n\t\tlabel=\"", ++number);
		put_quoted(host);
		fputs("\";\n", stdout);
		draw_announced(graph, host);
		fputs("\t}\n", stdout);
	}
}

/* ---- topics and lines ----------------------------------------------------------- */

static void draw_topic(const char *topic, const char *before)
{
	if (before && strcmp(topic, before) == 0)
		return;
	fputc('\t', stdout);
	put_topic(topic);
	fputs(" [shape=ellipse, label=\"", stdout);
	put_quoted(topic);
	fputs("\"];\n", stdout);
}

static void draw_publishing(
	const char *host, uint32_t pid, const char *topic, double rate)
{
	fputc('\t', stdout);
	put_process(host, pid);
	fputs(" -> ", stdout);
	put_topic(topic);
	fputs(" [label=\"", stdout);
	put_rate(rate);
	fputs("\"];\n", stdout);
}

static void draw_reading(const struct graph *graph, const struct look *look,
	const struct look_line *line)
{
	fputc('\t', stdout);
	put_topic(line->stream->topic);
	fputs(" -> ", stdout);
	put_process(graph->host, look_pid(line));
	fputs(" [label=\"", stdout);
	put_rate(line->rate);
	if (line->lost > 0)
		printf("\\nlost %" PRIu64, line->lost);
	if (look_is_slow(look, line))
		printf("\\n%s", look_line_state(look, line));
	fputs("\"", stdout);
	if (look_is_slow(look, line))
		fputs(", color=red, fontcolor=red", stdout);
	if (!line->stream->local)
		fputs(", style=dashed", stdout); /* From the network. */
	fputs("];\n", stdout);
}

static void draw_lines(const struct graph *graph)
{
	for (int b = 0; b < graph->broker_count; b++) {
		const struct look *look = &graph->looks[b];

		for (int i = 0; i < look->count; i++) {
			const struct look_line *line = &look->lines[i];

			draw_topic(line->stream->topic,
				i ? line[-1].stream->topic : NULL);
			if (!is_process(line))
				continue;
			if (line->publisher)
				draw_publishing(graph->host, look_pid(line),
					line->stream->topic, line->rate);
			else
				draw_reading(graph, look, line);
		}
	}
	for (int i = 0; i < graph->info_count; i++) {
		const struct msg_topic_info *info = &graph->infos[i];

		draw_topic(info->topic, i ? info[-1].topic : NULL);
		if (!is_at_broker(graph, info))
			draw_publishing(info->host, info->pid, info->topic,
				info->rate < 0 ? NAN : info->rate);
	}
}

static void draw(const struct graph *graph)
{
	fputs("digraph msg {\n"
	      "\trankdir=LR;\n"
	      "\tnode [fontname=\"sans-serif\"];\n"
	      "\tedge [fontname=\"sans-serif\", fontsize=10];\n",
		stdout);
	draw_hosts(graph);
	draw_lines(graph);
	fputs("}\n", stdout);
}

/* ---- looking --------------------------------------------------------------------- */

static int open_brokers(struct graph *graph, char **names, int count)
{
	struct msg_broker_entry entries[BROKERS_MAX];
	int found;

	for (int i = 0; i < count; i++) {
		struct look *look = &graph->looks[graph->broker_count];
		int code = look_open(look, names[i]);

		if (code != TOOL_EXIT_OK)
			return code;
		graph->broker_count++;
	}
	if (count > 0)
		return TOOL_EXIT_OK;
	found = msg_broker_list(entries, BROKERS_MAX);
	if (found > BROKERS_MAX)
		say("only %d of %d brokers are drawn", BROKERS_MAX, found);
	for (int i = 0; i < found && i < BROKERS_MAX; i++)
		if (entries[i].state != MSG_BROKER_STATE_GONE &&
			look_try(&graph->looks[graph->broker_count],
				entries[i].path) == 0)
			graph->broker_count++;
	return TOOL_EXIT_OK;
}

/* Strings of the directory live until its next read, which there is none. */
static int listen_for(struct graph *graph, struct msg_directory *directory,
	uint64_t until_ns)
{
	int known;

	for (;;) {
		uint64_t now = clock_ns();

		if (now >= until_ns || stop_asked())
			break;
		known = msg_directory_read(directory, 100000000, NULL, 0);
		if (known < 0)
			return known;
	}
	known = msg_directory_read(directory, 0, NULL, 0);
	if (known <= 0)
		return known;
	graph->infos = calloc((size_t)known, sizeof *graph->infos);
	if (!graph->infos)
		return -MSG_ERROR_MEMORY;
	graph->info_count =
		msg_directory_read(directory, 0, graph->infos, known);
	if (graph->info_count > known)
		graph->info_count = known;
	if (graph->info_count < 0)
		return graph->info_count;
	qsort(graph->infos, (size_t)graph->info_count, sizeof *graph->infos,
		compare_infos);
	return 0;
}

/* A broker without clients writes no counters: that is no failure. */
static int look_at_brokers(struct graph *graph)
{
	for (int b = 0; b < graph->broker_count; b++) {
		int code = look_again(&graph->looks[b]);

		if (code != TOOL_EXIT_OK)
			return code;
	}
	return TOOL_EXIT_OK;
}

static int draw_all(struct graph *graph, struct msg_node *node)
{
	uint64_t until = clock_ns() + (uint64_t)(graph->wait * 1e9);
	struct msg_directory *directory = NULL;
	int code, error = 0;

	if (node)
		error = msg_directory_open(node, NULL, &directory);
	if (error == 0 && directory)
		error = listen_for(graph, directory, until);
	else if (error == 0)
		stop_sleep(until);
	if (error < 0)
		code = lane_fail("cannot listen to announcements", error);
	else
		code = look_at_brokers(graph);
	if (code == TOOL_EXIT_OK)
		draw(graph);
	msg_directory_close(directory);
	return code;
}

static void read_line(
	struct graph *graph, const struct command *command, int argc, char **argv)
{
	int id;

	while ((id = options_next(command, &graph->lane, argc, argv)) >= 0) {
		if (id == OPTION_HERE)
			graph->here = true;
		else
			graph->wait = value_seconds("--wait", optarg);
	}
	if (argc - optind > BROKERS_MAX)
		usage_fail("too many arguments: at most %d NAMEs are expected",
			BROKERS_MAX);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct graph graph = {.lane = LANE_CHOICE, .wait = WAIT_SECONDS};
	struct msg_node *node = NULL;
	int code;

	read_line(&graph, command, argc, argv);
	if (gethostname(graph.host, sizeof graph.host - 1) != 0)
		strcpy(graph.host, "localhost");
	stop_catch();
	code = open_brokers(&graph, argv + optind, argc - optind);
	if (code == TOOL_EXIT_OK && !graph.here)
		node = lane_open(&graph.lane, &code);
	if (code == TOOL_EXIT_OK)
		code = draw_all(&graph, node);
	msg_node_close(node);
	for (int b = 0; b < graph.broker_count; b++)
		look_close(&graph.looks[b]);
	free(graph.infos);
	return code;
}

const struct command command_graph = {
	"graph",
	"[OPTION...] [NAME...]",
	"Draw hosts, brokers, topics and processes, for Graphviz.",
	"  msg graph | dot -Tsvg >topology.svg\n\n"
	"NAMEs are brokers of this host, all of them unless told.  What is slow, "
	"stuck or\nevicted is red; dashed lines come from the network.  Publishers "
	"elsewhere are those\nthat announce themselves; subscribers elsewhere are "
	"not seen.",
	options,
	true,
	run,
};
